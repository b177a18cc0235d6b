// SPDX-License-Identifier: Apache-2.0
// Itanium checks of speculation, moves between register files, masks, alloc, nops and breaks.
#include "ipf_cases.h"

/* ---- nops ---- */

static void nothing(struct guest *g, const struct row *r)
{
    struct registers all = guest_randomize(g, 0);
    guest_execute(g, r, (random_bits(g) & (BIT(36) - 1) & ~r->mask & ~UINT64_C(0x3f)) | r->match);
    assert_went_on(g, name_of(r));
    assert_registers(g, &all, name_of(r));
}

/* SDM vol. 3, break: bits 20:0 of the immediate are in CR.IIM; break.b leaves 0 there. */
static void breaks(struct guest *g, const struct row *r)
{
    struct ipf_slot s;
    prepare(g);
    uint64_t slot = with_field(slot_of(r), 6, 20, 0x12345);
    cr_assert(ipf_decode(r->unit, slot, 7, &s));
    guest_place(g, r->unit, slot, 7);
    guest_step(g);
    assert_fault(g, VECTOR_BREAK, 0, name_of(r));
    cr_assert_eq(g->c->cr[CR_IIM], r->unit == IPF_B ? 0 : s.imm & 0x1fffff, "%s", name_of(r));
}

/* ---- checks ---- */

static void check_speculation(struct guest *g, const struct row *r)
{
    prepare(g);
    struct ipf_slot s;
    uint64_t slot = slot_of(r); /* r2, f2 */
    cr_assert(ipf_decode(r->unit, slot, 0, &s) && s.imm);
    g->c->fr[R2] = (struct ipf_fr){ BIT(63), 0xffff, 0 };
    guest_execute(g, r, slot);
    assert_went_on(g, name_of(r));
    g->c->gr[R2].nat = 1;
    g->c->fr[R2] = (struct ipf_fr){ .exponent = 0x1fffe }; /* NaTVal */
    guest_execute(g, r, slot);
    cr_assert_eq(g->c->ip, g->ip + (uint64_t)s.imm, "%s", name_of(r));
    if (r->row->format == IPF_FORMAT_M21) {
        g->c->psr |= PSR_DFL;
        guest_execute(g, r, slot);
        assert_fault(g, VECTOR_DISABLED_FP, 1, name_of(r));
    }
}

static void check_advanced(struct guest *g, const struct row *r)
{
    bool is_fr = r->row->format == IPF_FORMAT_M23, clear = strstr(name_of(r), "clr");
    struct row load = row_named(is_fr ? "ldfd.a" : "ld8.a", is_fr ? IPF_FORMAT_M6 : IPF_FORMAT_M1);
    prepare(g);
    memset(g->c->alat, 0, sizeof g->c->alat);
    set_gr(g, R3, GUEST_DATA);
    uint64_t slot = with_field(slot_of(r), 13, 20, 4);
    guest_execute(g, r, slot);
    cr_assert_eq(g->c->ip, g->ip + 0x40, "%s", name_of(r));
    guest_execute(g, &load, encoded(&load, 0, R1, 0, R3));
    guest_execute(g, r, slot);
    assert_went_on(g, name_of(r));
    guest_execute(g, r, slot);
    cr_assert_eq(g->c->ip == g->ip + 0x40, clear, "%s", name_of(r));
}

static void invalidate(struct guest *g, const struct row *r)
{
    bool is_fr = r->row->format == IPF_FORMAT_M27;
    struct row load = row_named(is_fr ? "ldfd.a" : "ld8.a", is_fr ? IPF_FORMAT_M6 : IPF_FORMAT_M1);
    struct row check = row_named("chk.a.nc", is_fr ? IPF_FORMAT_M23 : IPF_FORMAT_M22);
    prepare(g);
    set_gr(g, R3, GUEST_DATA);
    guest_execute(g, &load, encoded(&load, 0, R1, 0, R3));
    guest_execute(g, &load, encoded(&load, 0, R1 + 1, 0, R3));
    guest_execute(g, r, encoded(r, 0, R1, 0, 0));
    assert_went_on(g, name_of(r));
    for (unsigned n = 0; n < 2; n++) {
        guest_execute(g, &check, with_field(encoded(&check, 0, R1 + n, 0, 0), 13, 20, 4));
        bool gone = !n || r->row->format == IPF_FORMAT_M24;
        cr_assert_eq(went_on(g), !gone, "%s %u", name_of(r), n);
    }
}

static void flush_cache(struct guest *g, const struct row *r)
{
    prepare(g);
    set_gr(g, R3, GUEST_DATA);
    guest_execute(g, r, slot_of(r));
    assert_went_on(g, name_of(r));
    g->c->gr[R3].nat = 1;
    guest_execute(g, r, slot_of(r));
    cr_assert(faulted(g, VECTOR_NAT));
    cr_assert_eq(g->c->cr[CR_ISR] & (BIT(35) | 0xff), BIT(35) | 0x11);
}

/* ---- branch registers, predicates, ip ---- */

static void to_br(struct guest *g, const struct row *r)
{
    prepare(g);
    set_gr(g, R2, 0x1234567);
    guest_execute(g, r, with_field(slot_of(r), 6, 3, 5));
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->br[5], 0x1234567);
    g->c->gr[R2].nat = 1;
    guest_execute(g, r, with_field(slot_of(r), 6, 3, 5));
    assert_fault(g, VECTOR_NAT, 0x10, name_of(r));
}

/* A move to r1 gives a value, and is illegal for r0 and beyond the frame. */
static void gives(struct guest *g, const struct row *r, uint64_t slot, uint64_t value)
{
    guest_execute(g, r, slot);
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->gr[R1].v, value, "%s: %" PRIx64, name_of(r), g->c->gr[R1].v);
    cr_assert_eq(g->c->gr[R1].nat, 0);
    guest_execute(g, r, with_field(slot, 6, 7, 0));
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
    g->c->cfm.sof = 8;
    guest_execute(g, r, with_field(slot, 6, 7, 40));
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
    g->c->cfm.sof = 96;
}
static void from_br(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->br[5] = 0x55;
    gives(g, r, with_field(slot_of(r), 13, 7, 5), 0x55);
}
static void from_ip(struct guest *g, const struct row *r)
{
    prepare(g);
    gives(g, r, slot_of(r), GUEST_CODE);
}

/* All of these see the rotating predicates as if CFM.rrb.pr were 0: pr16 is in place 16 + rrb. */
static void from_pr(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->pr = BIT(16) | BIT(20) | BIT(5) | 1;
    gives(g, r, slot_of(r), BIT(16) | BIT(20) | BIT(5) | 1);
    g->c->cfm.rrb_pr = 45;
    gives(g, r, slot_of(r), BIT(61) | BIT(17) | BIT(5) | 1);
}
static void to_pr(struct guest *g, const struct row *r)
{
    prepare(g);
    set_gr(g, R2, ~UINT64_C(0));
    uint64_t slot = slot_of(r); /* mask17: bits 7 to 1 at 6, 15 to 8 at 24, 16 at 36 */
    slot = with_field(with_field(slot, 6, 7, 0x12), 24, 8, 0);
    guest_execute(g, r, slot);
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->pr, 0x12 << 1 | 1);
    g->c->cfm.rrb_pr = 2;
    set_gr(g, R2, BIT(18) | BIT(16) | 0xff);
    guest_execute(g, r, with_field(slot, 36, 1, 1) & ~(UINT64_C(0x7f) << 6));
    cr_assert_eq(g->c->pr, BIT(16) | BIT(62) | 0x12 << 1 | 1);
    g->c->gr[R2].nat = 1;
    guest_execute(g, r, slot);
    assert_fault(g, VECTOR_NAT, 0x10, name_of(r));
}
static void to_pr_rot(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->pr = 0x31;
    g->c->cfm.rrb_pr = 1;
    guest_execute(g, r, with_field(slot_of(r), 6, 27, 5));
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->pr, BIT(17) | BIT(63) | 0x31);
}

/* ---- application registers ---- */

enum { NOBODY, BY_M, BY_I, BY_BOTH };
static unsigned reached_by(unsigned n)
{
    if (n <= 7 || (n >= 16 && n <= 19) || n == 21 || (n >= 24 && n <= 30) || n == 32 || n == 36 ||
        n == 40 || n == 44)
        return BY_M;
    if (n >= 64 && n <= 66)
        return BY_I;
    return (n >= 48 && n <= 63) || n >= 112 ? BY_BOTH : NOBODY;
}
static bool reaches(const struct row *r, unsigned n)
{
    return reached_by(n) & (r->unit == IPF_M ? BY_M : BY_I);
}

static void from_ar(struct guest *g, const struct row *r)
{
    for (unsigned n = 0; n < 128; n++) {
        prepare(g);
        if (n == 45)
            continue;
        g->c->ar[AR_RSC] = 0;
        uint64_t slot = encoded(r, 0, R1, 0, n);
        guest_execute(g, r, slot);
        if (!reaches(r, n))
            assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
        else
            assert_went_on(g, name_of(r));
        g->c->ar[AR_RSC] = 3; /* neither BSPSTORE nor RNAT unless in lazy mode */
        guest_execute(g, r, slot);
        if (n == AR_BSPSTORE || n == AR_RNAT)
            assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
    }
}
/* What a register that keeps what is written to it keeps; those with other rules are below. */
static bool keeps(unsigned n) { return n <= 7 || n == 25 || n == 32 || n == 36 || n == AR_LC; }

static void to_ar(struct guest *g, const struct row *r)
{
    for (unsigned n = 0; n < 128; n++) {
        prepare(g);
        if (n == 45)
            continue;
        g->c->ar[AR_RSC] = 0;
        set_gr(g, R2, 0x15);
        uint64_t slot = encoded(r, 0, 0, R2, n);
        guest_execute(g, r, slot);
        if (!reaches(r, n) || n == AR_BSP) {
            assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
            continue;
        }
        assert_went_on(g, name_of(r));
        cr_assert(!keeps(n) || g->c->ar[n] == 0x15, "ar%u", n);
        g->c->gr[R2].nat = 1;
        guest_execute(g, r, slot);
        assert_fault(g, VECTOR_NAT, 0x10, name_of(r));
    }
    static const struct {
        unsigned ar;
        uint64_t reserved;
    } bad[] = { { AR_RSC, 0x20 }, { AR_FPSR, BIT(58) }, { AR_PFS, BIT(38) }, { AR_PFS, BIT(58) } };
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
        prepare(g);
        set_gr(g, R2, bad[k].reserved);
        guest_execute(g, r, encoded(r, 0, 0, R2, bad[k].ar));
        if (reaches(r, bad[k].ar))
            assert_fault(g, VECTOR_GENERAL, RESERVED_FIELD, name_of(r));
    }
    g->c->ar[AR_RSC] = 0;
    g->c->ar[AR_FPSR] = UINT64_C(0x0009804c0270033f);
}
static void to_ar_imm(struct guest *g, const struct row *r)
{
    unsigned n = r->unit == IPF_M ? AR_CCV : AR_LC;
    prepare(g);
    guest_execute(g, r, with_field(with_field(encoded(r, 0, 0, 0, n), 13, 7, 0x7b), 36, 1, 1));
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->ar[n], (uint64_t)-5);
    guest_execute(g, r, encoded(r, 0, 0, 0, r->unit == IPF_M ? AR_LC : AR_CCV));
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
}

/* ---- control registers, PSR, indirect registers: privileged ---- */

static void to_cr(struct guest *g, const struct row *r)
{
    prepare(g);
    set_gr(g, R2, 0x123456789);
    guest_execute(g, r, encoded(r, 0, 0, R2, CR_IFA)); /* PSR.ic is 1 */
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
    guest_execute(g, r, encoded(r, 0, 0, R2, CR_DCR + 5)); /* no such register */
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
    guest_execute(g, r, encoded(r, 0, 0, R2, CR_IVR)); /* read-only */
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
}
static void from_cr(struct guest *g, const struct row *r)
{
    prepare(g);
    guest_execute(g, r, encoded(r, 0, R1, 0, CR_IVA));
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->gr[R1].v, GUEST_IVA);
    guest_execute(g, r, encoded(r, 0, R1, 0, CR_IIP));
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
}
static void from_psr(struct guest *g, const struct row *r)
{
    bool um = r->row->format == IPF_FORMAT_M36_um;
    prepare(g);
    g->c->psr |= PSR_AC | PSR_UP;
    gives(g, r, slot_of(r), PSR_AC | PSR_UP | (um ? 0 : PSR_IC));
}
static void to_psr(struct guest *g, const struct row *r)
{
    bool um = r->row->format == IPF_FORMAT_M35_um;
    prepare(g);
    set_gr(g, R2, PSR_AC | PSR_MFH | (um ? 0 : PSR_IC | PSR_I));
    guest_execute(g, r, slot_of(r));
    cr_assert(went_on(g) || g->c->ip == g->ip, "%s", name_of(r));
    uint64_t psr = PSR_BN | PSR_IC | PSR_AC | PSR_MFH | (um ? 0 : PSR_I);
    cr_assert_eq(g->c->psr, psr, "%s", name_of(r));
    prepare(g);
    set_gr(g, R2, 1);
    guest_execute(g, r, slot_of(r));
    assert_fault(g, VECTOR_GENERAL, RESERVED_FIELD, name_of(r));
    prepare(g);
    g->c->gr[R2].nat = 1;
    guest_execute(g, r, slot_of(r));
    assert_fault(g, VECTOR_NAT, 0x10, name_of(r));
}
/* sum and ssm set, rum and rsm reset. */
static void mask(struct guest *g, const struct row *r)
{
    bool sets = name_of(r)[0] == 's';
    prepare(g);
    uint64_t other = sets ? 0 : PSR_AC | PSR_UP;
    g->c->psr |= other;
    guest_execute(g, r, with_field(encoded(r, 0, 0, 0, 0), 6, 20, PSR_AC));
    cr_assert(!faulted(g, VECTOR_GENERAL));
    cr_assert_eq(g->c->psr, PSR_BN | PSR_IC | (sets ? PSR_AC : PSR_UP), "%s", name_of(r));
    guest_execute(g, r, with_field(encoded(r, 0, 0, 0, 0), 6, 20, 1));
    assert_fault(g, VECTOR_GENERAL, RESERVED_FIELD, name_of(r));
}
static uint64_t *file_of(struct guest *g, const struct row *r)
{
    const char *text = ipf_format_text((enum ipf_format)r->row->format);
    return strstr(text, "rr[")    ? g->c->rr
           : strstr(text, "ibr[") ? g->c->ibr
           : strstr(text, "dbr[") ? g->c->dbr
           : strstr(text, "pkr[") ? g->c->pkr
           : strstr(text, "pmc[") ? g->c->pmc
           : strstr(text, "pmd[") ? g->c->pmd
                                  : g->c->cpuid;
}
/* The index is in bits 7:0.  Beyond the registers it is a reserved field, but for performance
 * monitors, whose number varies. */
static void indirect(struct guest *g, const struct row *r)
{
    bool writes = r->row->format <= IPF_FORMAT_M42_pmd, is_rr = file_of(g, r) == g->c->rr;
    prepare(g);
    uint64_t index = is_rr ? UINT64_C(3) << 61 : 0x103;
    file_of(g, r)[3] = 0;
    set_gr(g, R2, is_rr ? 0x30 : 0), set_gr(g, R3, index);
    if (writes) {
        guest_execute(g, r, slot_of(r));
        assert_went_on(g, ipf_format_text((enum ipf_format)r->row->format));
        cr_assert_eq(file_of(g, r)[3], is_rr ? 0x30 : 0);
        g->c->gr[R2].nat = 1;
        guest_execute(g, r, slot_of(r));
        assert_fault(g, VECTOR_NAT, 0x10, name_of(r));
        g->c->gr[R2].nat = 0;
    } else {
        gives(g, r, slot_of(r), 0);
    }
    if (!is_rr && file_of(g, r) != g->c->pmc && file_of(g, r) != g->c->pmd) {
        set_gr(g, R3, 0xff);
        guest_execute(g, r, slot_of(r));
        assert_fault(g, VECTOR_GENERAL, RESERVED_FIELD, name_of(r));
    }
    g->c->gr[R3].nat = 1;
    guest_execute(g, r, slot_of(r));
    assert_fault(g, VECTOR_NAT, 0x10, name_of(r));
}

/* ---- frames ---- */

static void allocates(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->ar[AR_PFS] = 0x77;
    uint64_t slot = with_field(encoded(r, 0, 34, 30, 20), 27, 4, 2);
    guest_execute(g, r, slot);
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->cfm.sof, 30);
    cr_assert_eq(g->c->cfm.sol, 20);
    cr_assert_eq(g->c->cfm.sor, 16);
    cr_assert_eq(g->c->frame[2].v, 0x77);
    static const struct {
        unsigned r1, sof, sol, sor;
    } bad[] = {
        { 34, 97, 0, 0 }, { 34, 8, 9, 0 }, { 34, 7, 0, 1 }, { 40, 8, 0, 0 }, { 0, 8, 0, 0 },
    };
    for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
        slot = with_field(encoded(r, 0, bad[k].r1, bad[k].sof, bad[k].sol), 27, 4, bad[k].sor);
        guest_execute(g, r, slot);
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, "alloc");
        cr_assert_eq(g->c->cfm.sof, 30);
    }
    g->c->cfm.rrb_fr = 1; /* the rotating part may not change then */
    guest_execute(g, r, with_field(encoded(r, 0, 34, 30, 20), 27, 4, 1));
    assert_fault(g, VECTOR_GENERAL, RESERVED_FIELD, "alloc");
    guest_execute(g, r, with_field(encoded(r, 0, 34, 40, 20), 27, 4, 2));
    assert_went_on(g, "alloc");
}
static void flushes(struct guest *g, const struct row *r)
{
    prepare(g);
    struct row call = row_named("br.call", IPF_FORMAT_B3);
    g->c->bsp = g->c->bspstore = GUEST_STACK;
    g->c->dirty = 0, g->c->rnat = 0;
    g->c->cfm.sol = 3;
    g->c->frame[0] = (struct ipf_gr){ 11, 0 }, g->c->frame[1] = (struct ipf_gr){ 12, 1 };
    guest_execute(g, &call, slot_of(&call));
    guest_execute(g, r, r->match);
    assert_went_on(g, name_of(r));
    cr_assert_eq(mem_read_le(g->mem, GUEST_STACK, 8), 11);
    cr_assert_eq(g->c->bspstore, GUEST_STACK + 24);
    cr_assert_eq(g->c->rnat, 2);
}
/* The bytes that RSC.loadrs says come from memory, and nothing else is dirty. */
static void loads_stack(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->cfm.sof = 0;
    g->c->bsp = g->c->bspstore = GUEST_STACK + 0x100;
    g->c->dirty = 0;
    g->c->ar[AR_RSC] = 16 << 16;
    mem_write_le(g->mem, GUEST_STACK + 0xf8, 8, 5), mem_write_le(g->mem, GUEST_STACK + 0xf0, 8, 6);
    guest_execute(g, r, r->match);
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->bspstore, GUEST_STACK + 0xf0);
    cr_assert_eq(g->c->frame[-1].v, 5);
    cr_assert_eq(g->c->frame[-2].v, 6);
    g->c->cfm.sof = 1;
    guest_execute(g, r, r->match);
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
    g->c->cfm.sof = 0, g->c->ar[AR_RSC] |= 3;
    guest_execute(g, r, r->match);
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
    g->c->ar[AR_RSC] = 0;
    g->c->bsp = g->c->bspstore = GUEST_STACK, g->c->dirty = 0;
}

/* ---- all rows ---- */

static const struct row_case cases[] = {
    CASE("nop", I18, X5, nothing) CASE("hint", I18, X5, nothing)
    CASE("break", I19, X1, breaks) CASE("fwb", M24, M24, nothing)
    CASE("mf", M24, M24, nothing) CASE("srlz", M24, M24, nothing)
    CASE("sync.i", M24, M24, nothing) CASE("chk.s", I20, M21, check_speculation)
    CASE("chk.a", M22, M23, check_advanced) CASE("invala", M24, M27, invalidate)
    CASE("fc", M28, M28, flush_cache) CASE("mov", I21, I21, to_br)
    CASE("mov", I22, I22, from_br) CASE("mov", I23, I23, to_pr)
    CASE("mov", I24, I24, to_pr_rot) CASE("mov", I25_ip, I25_ip, from_ip)
    CASE("mov", I25_pr, I25_pr, from_pr) CASE("mov", I26, I26, to_ar)
    CASE("mov", I27, I27, to_ar_imm) CASE("mov", I28, I28, from_ar)
    CASE("mov", M29, M29, to_ar) CASE("mov", M30, M30, to_ar_imm)
    CASE("mov", M31, M31, from_ar) CASE("mov", M32, M32, to_cr)
    CASE("mov", M33, M33, from_cr) CASE("alloc", M34, M34, allocates)
    CASE("mov", M35_l, M35_um, to_psr) CASE("mov", M36, M36_um, from_psr)
    CASE("sum", M44, M44, mask) CASE("rum", M44, M44, mask)
    CASE("ssm", M44, M44, mask) CASE("rsm", M44, M44, mask)
    CASE("mov", M42_rr, M43_cpuid, indirect) CASE("loadrs", M25, M25, loads_stack)
    CASE("flushrs", M25, M25, flushes)
};

Test(ipf_control, every_row_does_what_the_manual_says)
{
    struct guest g = guest_new();
    check_rows(&g, CONTROL, cases, ARRAY_SIZE(cases));
    guest_end(&g);
}

/* Rows with a predicate do nothing if it is false. */
Test(ipf_control, a_false_predicate_stops_everything)
{
    struct guest g = guest_new();
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        enum ipf_format f = (enum ipf_format)r.row->format;
        bool always = (r.mask & 0x3f) || f == IPF_FORMAT_M34 || f == IPF_FORMAT_B6 ||
                      f == IPF_FORMAT_B7 || strstr(r.row->name, "br.w");
        if ((topic_of(r.row) != CONTROL && topic_of(r.row) != BRANCH) || always)
            continue;
        struct registers all = guest_randomize(&g, 2);
        g.c->pr = all.pr &= ~BIT(9);
        guest_execute(&g, &r, encoded(&r, 9, R1, R2, R3));
        assert_went_on(&g, r.row->name);
        assert_registers(&g, &all, r.row->name);
    }
    guest_end(&g);
}

/* Slots that are no instruction: an Illegal Operation fault, unless the predicate is false. */
Test(ipf_control, reserved_encodings)
{
    struct guest g = guest_new();
    for (enum ipf_unit unit = IPF_I; unit <= IPF_F; unit++) {
        unsigned tried = 0;
        for (unsigned k = 0; k < 20000; k++) {
            uint64_t slot = random_bits(&g) & (BIT(41) - 1);
            struct ipf_slot s;
            if (ipf_decode(unit, slot, 0, &s))
                continue;
            tried++;
            prepare(&g);
            guest_place(&g, unit, slot & ~UINT64_C(0x3f), 0);
            if (ipf_decode(unit, slot & ~UINT64_C(0x3f), 0, &s))
                continue;
            guest_step(&g);
            assert_fault(&g, VECTOR_GENERAL, ILLEGAL, "reserved");
        }
        cr_assert(tried > 100, "unit %d", unit);
    }
    /* a reserved template */
    prepare(&g);
    mem_write_le(g.mem, GUEST_CODE, 8, 6);
    g.ip = GUEST_CODE, g.slot = 0;
    guest_step(&g);
    assert_fault(&g, VECTOR_GENERAL, ILLEGAL, "template");
    guest_end(&g);
}
