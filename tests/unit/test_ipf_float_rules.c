// SPDX-License-Identifier: Apache-2.0
// What nearly all Itanium floating-point instructions have in common: NaTVal, disabled registers,
// targets; status fields and memory formats.
#include "ipf_float_guest.h"

/* ---- rules common to nearly all rows ---- */

static bool has_fr_target(const struct ipf_row *row)
{
    enum ipf_format f = (enum ipf_format)row->format;
    return f == IPF_FORMAT_M18 || (f >= IPF_FORMAT_F1 && f <= IPF_FORMAT_F11 &&
                                   f != IPF_FORMAT_F4 && f != IPF_FORMAT_F5);
}
static bool has_gr_operand(const struct ipf_row *row)
{
    return row->format == IPF_FORMAT_M18 || row->format == IPF_FORMAT_M19;
}
/* The numbers of the operands that a row has: bits 2 to 4. */
static unsigned operands_of(const struct ipf_row *row)
{
    switch (row->format) {
    case IPF_FORMAT_F1: case IPF_FORMAT_F1_parallel: case IPF_FORMAT_F2:
    case IPF_FORMAT_F3: return 0x1c;
    case IPF_FORMAT_F4: case IPF_FORMAT_F6: case IPF_FORMAT_F8: case IPF_FORMAT_F9: return 0x0c;
    case IPF_FORMAT_F7: return 0x08;
    case IPF_FORMAT_F5: case IPF_FORMAT_F10: case IPF_FORMAT_F11: case IPF_FORMAT_M19: return 0x04;
    default: return 0;
    }
}

/* Each operand in turn is NaTVal: so is the result, or predicates are cleared. */
static void check_natval(struct guest *g, const struct row *r)
{
    static const unsigned numbers[] = { 0, 0, F2, F3, F4 };
    for (unsigned k = 2; k <= 4; k++) {
        if (!(operands_of(r->row) >> k & 1))
            continue;
        prepare(g);
        for (unsigned n = F2; n <= F4; n++)
            g->c->fr[n] = number(1.5);
        g->c->fr[numbers[k]] = fr_natval;
        g->c->pr = ~UINT64_C(0);
        uint64_t slot = float_slot(r, 0);
        if (r->row->format == IPF_FORMAT_F4 || r->row->format == IPF_FORMAT_F5)
            slot = with_field(with_field(slot, 33, 2, bits(r->match, 34, 33)), 6, 6, 20);
        slot = (slot & ~r->mask) | r->match;
        guest_execute(g, r, slot);
        assert_went_on(g, r->row->name);
        struct ipf_slot s;
        ipf_decode(r->unit, slot, 0, &s);
        if (has_fr_target(r->row))
            assert_fr(g, F1, fr_natval);
        else if (r->row->format == IPF_FORMAT_M19)
            cr_assert(g->c->gr[F1].nat);
        if (r->row->format == IPF_FORMAT_F4)
            cr_assert(!(g->c->pr >> s.r[1] & 1) && !(g->c->pr >> s.r[4] & 1));
        if (r->row->format == IPF_FORMAT_F6 || r->row->format == IPF_FORMAT_F7)
            cr_assert(!(g->c->pr >> s.r[4] & 1));
        cr_assert_eq(g->c->ar[AR_FPSR], FPSR_DEFAULT, "%s", r->row->name);
    }
}

/* PSR.dfl and dfh disable the rows that use low and high registers. */
static void check_disabled(struct guest *g, const struct row *r)
{
    if (!operands_of(r->row) && r->row->format != IPF_FORMAT_M18)
        return;
    prepare(g);
    g->c->psr |= PSR_DFL;
    guest_execute(g, r, float_slot(r, 0));
    assert_fault(g, VECTOR_DISABLED_FP, 1, r->row->name);
    prepare(g);
    g->c->psr |= PSR_DFH;
    guest_execute(g, r, float_slot(r, 0));
    assert_went_on(g, r->row->name);
    if (operands_of(r->row) & 4 && has_fr_target(r->row)) {
        prepare(g);
        g->c->psr |= PSR_DFL | PSR_DFH;
        guest_execute(g, r, with_field(float_slot(r, 0), 6, 7, 40));
        assert_fault(g, VECTOR_DISABLED_FP, 3, r->row->name);
    }
    g->c->psr &= ~(PSR_DFL | PSR_DFH);
}

static void check_targets(struct guest *g, const struct row *r)
{
    prepare(g);
    for (unsigned n = 0; n < 2 && has_fr_target(r->row); n++) {
        guest_execute(g, r, with_field(float_slot(r, 0), 6, 7, n));
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
    }
    struct ipf_fr before = g->c->fr[F1] = number(77);
    guest_execute(g, r, with_field(float_slot(r, 0), 0, 6, 9));
    assert_went_on(g, r->row->name);
    assert_fr(g, F1, before);
    if (has_gr_operand(r->row) && r->row->format == IPF_FORMAT_M19) {
        guest_execute(g, r, with_field(float_slot(r, 0), 6, 7, 0));
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
    }
}

Test(ipf_float, natval_disabled_registers_and_targets)
{
    struct guest g = guest_new();
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        if (topic_of(r.row) != FLOAT)
            continue;
        check_natval(&g, &r);
        check_disabled(&g, &r);
        check_targets(&g, &r);
    }
    guest_end(&g);
}

/* ---- status fields ---- */

Test(ipf_float, status_fields)
{
    struct guest g = guest_new();
    prepare(&g);
    /* sf0's controls and 0x3c or 0x41 into sf2: fsetc.s2 0x3c,0x41 */
    struct row set = float_row("fsetc"), clear = float_row("fclrf"), check = float_row("fchkf");
    uint64_t controls = FPSR_DEFAULT >> 6 & 0x7f;
    guest_execute(&g, &set, with_field(encoded(&set, 0, 0, 0x3c, 0x41), 34, 2, 2));
    assert_went_on(&g, "fsetc");
    cr_assert_eq(g.c->ar[AR_FPSR] >> 32 & 0x7f, (controls & 0x3c) | 0x41);
    guest_execute(&g, &set, with_field(encoded(&set, 0, 0, 0, 0x40), 34, 2, 0)); /* td of sf0 */
    assert_fault(&g, VECTOR_GENERAL, RESERVED_FIELD, "fsetc");
    guest_execute(&g, &set, with_field(encoded(&set, 0, 0, 0, 0x04), 34, 2, 1)); /* pc = 1 */
    assert_fault(&g, VECTOR_GENERAL, RESERVED_FIELD, "fsetc");
    /* fchkf branches if a flag is not in sf0, or its trap is enabled */
    prepare(&g);
    uint64_t branch = with_field(with_field(encoded(&check, 0, 0, 0, 0), 34, 2, 3), 6, 20, 0x40);
    g.c->ar[AR_FPSR] |= (uint64_t)FLOAT_I << 13 | (uint64_t)FLOAT_I << (13 + 39);
    guest_execute(&g, &check, branch);
    assert_went_on(&g, "fchkf");
    g.c->ar[AR_FPSR] &= ~(uint64_t)FLOAT_I;
    guest_execute(&g, &check, branch);
    cr_assert_eq(g.c->ip, g.ip + 0x400);
    g.c->ar[AR_FPSR] = FPSR_DEFAULT | (uint64_t)FLOAT_O << (13 + 39);
    guest_execute(&g, &check, branch);
    cr_assert_eq(g.c->ip, g.ip + 0x400);
    guest_execute(&g, &clear, with_field(encoded(&clear, 0, 0, 0, 0), 34, 2, 3));
    cr_assert_eq(g.c->ar[AR_FPSR], FPSR_DEFAULT);
    guest_end(&g);
}

/* A reserved precision control faults where it is used. */
Test(ipf_float, reserved_precision)
{
    struct guest g = guest_new();
    prepare(&g);
    g.c->ar[AR_FPSR] = (FPSR_DEFAULT & ~(UINT64_C(3) << 8)) | 1 << 8;
    execute(&g, "fma", 0);
    assert_fault(&g, VECTOR_GENERAL, RESERVED_FIELD, "fma");
    execute(&g, "fma.s", 0);
    assert_went_on(&g, "fma.s");
    guest_end(&g);
}

/* ---- memory formats ---- */

static void load_forms(struct guest *g, const char *what, struct ipf_fr expected)
{
    struct row r;
    unsigned rows = 0;
    for (unsigned n = 0; row_at(n, &r); n++) {
        size_t length = strlen(what);
        if (strncmp(r.row->name, what, length) || !strchr(".", r.row->name[length]))
            continue;
        rows++;
        prepare(g);
        memset(g->c->alat, 0, sizeof g->c->alat);
        bool is_pair = r.row->format == IPF_FORMAT_M11 || r.row->format == IPF_FORMAT_M12_8 ||
                       r.row->format == IPF_FORMAT_M12_16;
        g->c->gr[4] = (struct ipf_gr){ GUEST_DATA, 0 }, g->c->gr[5] = (struct ipf_gr){ 24, 0 };
        guest_execute(g, &r, encoded(&r, 0, F1, is_pair ? F2 : 5, 4));
        assert_went_on(g, r.row->name);
        assert_fr(g, F1, expected);
        g->c->gr[4] = (struct ipf_gr){ GUEST_DATA, 1 };
        guest_execute(g, &r, encoded(&r, 0, F1, is_pair ? F2 : 5, 4));
        if (strstr(r.row->name, ".s"))
            assert_fr(g, F1, fr_natval);
        else
            assert_fault(g, VECTOR_NAT, 0x10 | ISR_READ, r.row->name);
        g->c->psr |= PSR_DFL;
        guest_execute(g, &r, encoded(&r, 0, F1, is_pair ? F2 : 5, 4));
        bool spec = strstr(r.row->name, ".s");
        assert_fault(g, VECTOR_DISABLED_FP, 1 | ISR_READ | (spec ? BIT(36) : 0), r.row->name);
        g->c->psr &= ~PSR_DFL;
        guest_execute(g, &r, encoded(&r, 0, 1, is_pair ? F2 : 5, 4));
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, r.row->name);
        if (is_pair) {
            guest_execute(g, &r, encoded(&r, 0, F1, F1 + 2, 4));
            assert_fault(g, VECTOR_GENERAL, ILLEGAL, r.row->name);
        }
    }
    cr_assert(rows, "%s", what);
}
static void store_forms(struct guest *g, const char *what, unsigned size, struct ipf_fr f)
{
    uint8_t before[16], after[16];
    mem_read(g->mem, GUEST_DATA, before, 16);
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        if (strcmp(r.row->name, what))
            continue;
        prepare(g);
        g->c->fr[F2] = f;
        g->c->gr[4] = (struct ipf_gr){ GUEST_DATA + 64, 0 };
        guest_execute(g, &r, encoded(&r, 0, 8, F2, 4));
        assert_went_on(g, what);
        mem_read(g->mem, GUEST_DATA + 64, after, 16);
        cr_assert_arr_eq(after, before, size, "%s", what);
        g->c->fr[F2] = fr_natval;
        g->c->gr[4] = (struct ipf_gr){ GUEST_DATA + 64, 0 };
        guest_execute(g, &r, encoded(&r, 0, 8, F2, 4));
        if (strcmp(what, "stf.spill"))
            assert_fault(g, VECTOR_NAT, 0x10 | ISR_WRITE, what);
        else
            assert_went_on(g, what);
    }
}

Test(ipf_float, memory_formats)
{
    static const struct {
        const char *load, *pair, *store;
        unsigned size;
        uint64_t low, high;
        struct ipf_fr f;
    } cases[] = {
        { "ldfs", "ldfps", "stfs", 4, 0xc0600000, 0, { UINT64_C(7) << 61, 0x10000, 1 } },
        { "ldfs", "ldfps", "stfs", 4, 0x00000001, 0, { BIT(40), 0xff81, 0 } },
        { "ldfd", "ldfpd", "stfd", 8, UINT64_C(0x7ff0000000000000), 0, { BIT(63), FR_SPECIAL, 0 } },
        { "ldfd", "ldfpd", "stfd", 8, UINT64_C(0x8000000000000001), 0, { BIT(11), 0xfc01, 1 } },
        { "ldf8", "ldfp8", "stf8", 8, UINT64_C(0x123456789abcdef), 0,
          { UINT64_C(0x123456789abcdef), FR_INTEGER, 0 } },
        { "ldfe", NULL, "stfe", 10, UINT64_C(0xc000000000000000), 0xbfff,
          { UINT64_C(3) << 62, 0xffff, 1 } },
        { "ldfe", NULL, "stfe", 10, 5, 0, { 5, 0, 0 } },
        { "ldf.fill", NULL, "stf.spill", 16, 77, 0x3ffff, { 77, FR_SPECIAL, 1 } },
    };
    struct guest g = guest_new();
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        mem_write_le(g.mem, GUEST_DATA, 8, cases[k].low);
        mem_write_le(g.mem, GUEST_DATA + 8, 8, cases[k].high);
        load_forms(&g, cases[k].load, cases[k].f);
        store_forms(&g, cases[k].store, cases[k].size, cases[k].f);
        if (cases[k].pair)
            load_forms(&g, cases[k].pair, cases[k].f);
    }
    guest_end(&g);
}
