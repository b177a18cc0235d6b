// SPDX-License-Identifier: Apache-2.0
// Itanium loads, stores and semaphores.  What a row does is read from its name; floating-point
// memory formats are in test_ipf_float.c.
#include "ipf_insn.h"

enum { BASE = 40, VALUE = 41, TARGET = 42, STEP = 43 };

struct named {
    char what[10];    /* ld, st, ldfe, xchg ...        */
    unsigned size;    /* bytes; 0: in what             */
    const char *type; /* behind the first dot, or ""   */
};
static struct named named(const struct ipf_row *row)
{
    struct named n = { .type = "" };
    size_t length = strcspn(row->name, "0123456789.");
    bool is_float = !strncmp(row->name, "ldf", 3) || !strncmp(row->name, "stf", 3);
    length = is_float ? strcspn(row->name, ".") : length;
    if (!strncmp(row->name, "cmp8", 4))
        length = strlen("cmp8xchg16");
    memcpy(n.what, row->name, length < 9 ? length : 9);
    n.size = (unsigned)strtoul(row->name + length, NULL, 10);
    const char *dot = strchr(row->name, '.');
    n.type = dot ? dot + 1 : "";
    return n;
}
static bool is_integer(const struct named *n)
{
    return !strcmp(n->what, "ld") || !strcmp(n->what, "st");
}
static bool speculative(const char *type) { return !strcmp(type, "s") || !strcmp(type, "sa"); }

static bool updates(const struct ipf_row *row)
{
    switch (row->format) {
    case IPF_FORMAT_M2: case IPF_FORMAT_M3: case IPF_FORMAT_M5: case IPF_FORMAT_M7:
    case IPF_FORMAT_M8: case IPF_FORMAT_M10: case IPF_FORMAT_M12_8: case IPF_FORMAT_M12_16:
    case IPF_FORMAT_M14: case IPF_FORMAT_M15: return true;
    default: return false;
    }
}
static bool by_register(const struct ipf_row *row)
{
    return row->format == IPF_FORMAT_M2 || row->format == IPF_FORMAT_M7 ||
           row->format == IPF_FORMAT_M14;
}
static bool is_store(const struct ipf_row *row) { return !strncmp(row->name, "st", 2); }

/* A slot with random completers and immediates, and the registers above. */
static uint64_t slot_of(struct guest *g, const struct row *r, struct ipf_slot *s)
{
    uint64_t slot = random_bits(g) & (BIT(41) - 1);
    bool store = is_store(r->row);
    if (!store || r->row->format == IPF_FORMAT_M4)
        slot = with_field(slot, 6, 7, TARGET);
    if (by_register(r->row))
        slot = with_field(slot, 13, 7, STEP);
    else if (store || r->row->format == IPF_FORMAT_M16 || r->row->format == IPF_FORMAT_M16_pair ||
             r->row->format == IPF_FORMAT_M16_xchg || r->row->format == IPF_FORMAT_M4_pair)
        slot = with_field(slot, 13, 7, VALUE);
    slot = with_field(with_field(slot, 20, 7, BASE), 0, 6, 0);
    slot = (slot & ~r->mask) | r->match;
    cr_assert(ipf_decode(r->unit, slot, 0, s) && s->row == r->row);
    return slot;
}
static uint64_t increment_of(const struct ipf_row *row, const struct ipf_slot *s,
                             const struct registers *all)
{
    if (row->format == IPF_FORMAT_M12_8 || row->format == IPF_FORMAT_M12_16)
        return row->format == IPF_FORMAT_M12_8 ? 8 : 16;
    return !updates(row) ? 0 : by_register(row) ? all->r[STEP].v : (uint64_t)s->imm;
}

static struct registers prepared(struct guest *g, unsigned size)
{
    struct registers all = guest_randomize(g, 0);
    uint64_t address = GUEST_DATA + size * random_below(g, 64);
    all.r[BASE] = *guest_gr(g, BASE) = (struct ipf_gr){ address, 0 };
    mem_write_le(g->mem, address & ~UINT64_C(7), 8, random_bits(g));
    mem_write_le(g->mem, (address & ~UINT64_C(7)) + 8, 8, random_bits(g));
    g->c->ar[AR_UNAT] = random_bits(g);
    memset(g->c->alat, 0, sizeof g->c->alat);
    return all;
}

/* ---- integer loads and stores ---- */

static void load_case(struct guest *g, const struct row *r)
{
    struct named n = named(r->row);
    struct registers all = prepared(g, n.size);
    struct ipf_slot s;
    uint64_t slot = slot_of(g, r, &s), address = all.r[BASE].v;
    all.r[STEP].nat = guest_gr(g, STEP)->nat = !random_below(g, 4);
    guest_execute(g, r, slot);
    assert_went_on(g, r->row->name);
    all.r[TARGET] = (struct ipf_gr){ mem_read_le(g->mem, address, n.size), 0 };
    if (!strcmp(n.type, "fill"))
        all.r[TARGET].nat = g->c->ar[AR_UNAT] >> (address / 8 % 64) & 1;
    all.r[BASE].v += increment_of(r->row, &s, &all);
    all.r[BASE].nat = by_register(r->row) ? all.r[STEP].nat : 0;
    assert_registers(g, &all, r->row->name);
}

static void store_case(struct guest *g, const struct row *r)
{
    struct named n = named(r->row);
    struct registers all = prepared(g, n.size);
    struct ipf_slot s;
    uint64_t slot = slot_of(g, r, &s), address = all.r[BASE].v, unat = g->c->ar[AR_UNAT];
    bool spill = !strcmp(n.type, "spill"), nat = spill && random_below(g, 2);
    all.r[VALUE].nat = guest_gr(g, VALUE)->nat = nat;
    uint64_t mask = n.size == 8 ? 0 : ~UINT64_C(0) << 8 * n.size;
    uint64_t before = mem_read_le(g->mem, address, 8);
    guest_execute(g, r, slot);
    assert_went_on(g, r->row->name);
    uint64_t after = (before & mask) | (all.r[VALUE].v & ~mask);
    cr_assert_eq(mem_read_le(g->mem, address, 8), after, "%s", r->row->name);
    if (spill)
        unat = (unat & ~BIT(address / 8 % 64)) | (uint64_t)nat << address / 8 % 64;
    cr_assert_eq(g->c->ar[AR_UNAT], unat, "%s", r->row->name);
    all.r[BASE].v += increment_of(r->row, &s, &all);
    assert_registers(g, &all, r->row->name);
}

/* NaT addresses and values, unaligned addresses, frames, forms that update r0 or their target. */
static void check_faults(struct guest *g, const struct row *r, unsigned size)
{
    struct named n = named(r->row);
    bool store = is_store(r->row), spec = speculative(n.type);
    uint64_t access = store ? ISR_WRITE : ISR_READ;
    struct registers all = prepared(g, 16);
    struct ipf_slot s;
    uint64_t slot = slot_of(g, r, &s);

    guest_gr(g, BASE)->nat = 1;
    guest_execute(g, r, slot);
    if (spec) {
        assert_went_on(g, r->row->name);
        cr_assert(guest_gr(g, TARGET)->nat, "%s", r->row->name);
    } else {
        assert_fault(g, VECTOR_NAT, 0x10 | access, r->row->name);
    }
    all = prepared(g, 16);
    guest_gr(g, VALUE)->nat = 1;
    guest_execute(g, r, slot);
    if (store && strcmp(n.type, "spill"))
        assert_fault(g, VECTOR_NAT, 0x10 | access, r->row->name);
    else
        assert_went_on(g, r->row->name);
    for (unsigned k = 1; k < size && !spec; k++) {
        all = prepared(g, 16);
        guest_gr(g, BASE)->v += k;
        g->c->psr |= PSR_AC;
        guest_execute(g, r, slot);
        g->c->psr &= ~PSR_AC;
        assert_fault(g, VECTOR_UNALIGNED, access, r->row->name);
        cr_assert_eq(g->c->cr[CR_IFA], all.r[BASE].v + k);
    }
}

static void check_targets(struct guest *g, const struct row *r)
{
    struct ipf_slot s;
    bool store = is_store(r->row), change = updates(r->row);
    uint64_t slot = slot_of(g, r, &s);
    prepared(g, 16);
    g->c->cfm.sof = TARGET - 32; /* the base is in the frame, the target is not */
    guest_execute(g, r, slot);
    if (!store)
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
    prepared(g, 16);
    g->c->cfm.sof = BASE - 32;
    guest_execute(g, r, store ? slot : with_field(slot, 6, 7, 8));
    if (change)
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
    else
        assert_went_on(g, r->row->name);
    prepared(g, 16);
    if (!store) {
        guest_execute(g, r, with_field(slot, 6, 7, 0));
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
        guest_execute(g, r, with_field(slot, 6, 7, BASE));
        if (change)
            assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
        else
            assert_went_on(g, r->row->name);
    }
    if (change) {
        guest_execute(g, r, with_field(slot, 20, 7, 0));
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
    }
}

/* A false predicate: nothing happens, whatever the address. */
static void check_predicate(struct guest *g, const struct row *r)
{
    struct ipf_slot s;
    uint64_t slot = with_field(slot_of(g, r, &s), 0, 6, 5);
    struct registers all = prepared(g, 16);
    g->c->pr = all.pr &= ~BIT(5);
    guest_gr(g, BASE)->nat = all.r[BASE].nat = 1;
    guest_execute(g, r, slot);
    assert_went_on(g, r->row->name);
    assert_registers(g, &all, r->row->name);
}

Test(ipf_memory, integer_loads_and_stores)
{
    struct guest g = guest_new();
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        struct named name = named(r.row);
        if (topic_of(r.row) != MEMORY || !is_integer(&name) || name.size == 16)
            continue;
        for (unsigned k = 0; k < 100; k++)
            (is_store(r.row) ? store_case : load_case)(&g, &r);
        check_faults(&g, &r, name.size);
        check_targets(&g, &r);
        check_predicate(&g, &r);
    }
    guest_end(&g);
}

Test(ipf_memory, pairs_go_through_ar_csd)
{
    struct guest g = guest_new();
    struct row r;
    unsigned rows = 0;
    for (unsigned n = 0; row_at(n, &r); n++) {
        if (r.row->format != IPF_FORMAT_M1_pair && r.row->format != IPF_FORMAT_M4_pair)
            continue;
        bool store = r.row->format == IPF_FORMAT_M4_pair;
        struct ipf_slot s;
        struct registers all = prepared(&g, 16);
        uint64_t slot = slot_of(&g, &r, &s), at = all.r[BASE].v, csd = random_bits(&g);
        g.c->ar[AR_CSD] = csd;
        guest_execute(&g, &r, slot);
        assert_went_on(&g, r.row->name);
        uint64_t low = mem_read_le(g.mem, at, 8), high = mem_read_le(g.mem, at + 8, 8);
        cr_assert(store ? low == all.r[VALUE].v && high == csd
                        : guest_gr(&g, TARGET)->v == low && g.c->ar[AR_CSD] == high);
        guest_gr(&g, BASE)->v += 8;
        guest_execute(&g, &r, slot);
        assert_fault(&g, VECTOR_UNALIGNED, store ? ISR_WRITE : ISR_READ, r.row->name);
        guest_gr(&g, BASE)->nat = 1;
        guest_execute(&g, &r, slot);
        assert_fault(&g, VECTOR_NAT, 0x10 | (store ? ISR_WRITE : ISR_READ), r.row->name);
        rows++;
    }
    cr_assert_eq(rows, 4);
    guest_end(&g);
}

/* ---- semaphores ---- */

/* What memory holds afterwards. */
static uint64_t exchanged(const struct ipf_row *row, const struct ipf_slot *s,
                          const struct registers *all, uint64_t old, uint64_t ccv)
{
    static const int added[] = { 16, 8, 4, 1, -16, -8, -4, -1 };
    if (!strncmp(row->name, "fetchadd", 8))
        return old + (uint64_t)(int64_t)added[s->small[1]];
    return !strncmp(row->name, "xchg", 4) || old == ccv ? all->r[VALUE].v : old;
}

static void semaphore_case(struct guest *g, const struct row *r, unsigned size)
{
    struct ipf_slot s;
    struct registers all = prepared(g, size);
    uint64_t slot = slot_of(g, r, &s), at = all.r[BASE].v, old = mem_read_le(g->mem, at, size);
    bool pair = r->row->format == IPF_FORMAT_M16_pair, equal = random_below(g, 2);
    uint64_t csd = g->c->ar[AR_CSD] = random_bits(g);
    uint64_t ccv = g->c->ar[AR_CCV] = equal ? old : old ^ BIT(random_below(g, 64));
    uint64_t mask = size == 8 ? ~UINT64_C(0) : BIT(8 * size) - 1;
    uint64_t expected = exchanged(r->row, &s, &all, old, ccv) & mask;
    guest_execute(g, r, slot);
    assert_went_on(g, r->row->name);
    all.r[TARGET] = (struct ipf_gr){ old, 0 };
    assert_registers(g, &all, r->row->name);
    if (!pair || !equal) {
        cr_assert_eq(mem_read_le(g->mem, at, size), expected, "%s", r->row->name);
    } else {
        cr_assert_eq(mem_read_le(g->mem, at & ~UINT64_C(8), 8), all.r[VALUE].v);
        cr_assert_eq(mem_read_le(g->mem, at | 8, 8), csd);
    }
    all = prepared(g, 16);
    guest_gr(g, BASE)->v += size / 2;
    guest_execute(g, r, slot);
    if (size > 1)
        assert_fault(g, VECTOR_UNALIGNED, ISR_READ | ISR_WRITE, r->row->name);
    guest_gr(g, BASE)->nat = 1;
    guest_execute(g, r, slot);
    assert_fault(g, VECTOR_NAT, 0x10 | ISR_READ | ISR_WRITE, r->row->name);
    guest_execute(g, r, with_field(slot, 6, 7, 0));
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
}

Test(ipf_memory, semaphores)
{
    struct guest g = guest_new();
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        struct named name = named(r.row);
        bool semaphore = r.row->format >= IPF_FORMAT_M16 && r.row->format <= IPF_FORMAT_M17;
        for (unsigned k = 0; k < 50 && semaphore; k++)
            semaphore_case(&g, &r, r.row->format == IPF_FORMAT_M16_pair ? 8 : name.size);
        if (semaphore)
            check_predicate(&g, &r);
    }
    guest_end(&g);
}

/* ---- prefetches ---- */

Test(ipf_memory, prefetches_only_move_their_base)
{
    struct guest g = guest_new();
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        if (r.row->format < IPF_FORMAT_M13 || r.row->format > IPF_FORMAT_M15)
            continue;
        struct ipf_slot s;
        struct registers all = prepared(&g, 1);
        uint64_t slot = slot_of(&g, &r, &s);
        guest_execute(&g, &r, slot);
        assert_went_on(&g, r.row->name);
        all.r[BASE].v += increment_of(r.row, &s, &all);
        assert_registers(&g, &all, r.row->name);
        check_predicate(&g, &r);
    }
    guest_end(&g);
}

/* ---- advanced loads ---- */

static const struct row *load8(struct row *room, const char *type)
{
    *room = row_named(type, IPF_FORMAT_M1);
    return room;
}

Test(ipf_memory, an_advanced_load_holds_until_a_store_touches_it)
{
    struct guest g = guest_new();
    struct row ld_a, ld_c, st = row_named("st1", IPF_FORMAT_M4);
    load8(&ld_a, "ld8.a"), load8(&ld_c, "ld8.c.nc");
    for (unsigned k = 0; k < 24; k++) {
        prepared(&g, 16);
        uint64_t at = guest_gr(&g, BASE)->v;
        guest_execute(&g, &ld_a, encoded(&ld_a, 0, TARGET, 0, BASE));
        *guest_gr(&g, STEP) = (struct ipf_gr){ at + k - 8, 0 };
        guest_execute(&g, &st, encoded(&st, 0, 0, VALUE, STEP));
        assert_went_on(&g, "st1");
        uint64_t now = mem_read_le(g.mem, at, 8);
        *guest_gr(&g, TARGET) = (struct ipf_gr){ 1, 0 };
        guest_execute(&g, &ld_c, encoded(&ld_c, 0, TARGET, 0, BASE));
        cr_assert_eq(guest_gr(&g, TARGET)->v, k < 8 || k > 15 ? 1 : now, "at %u", k);
    }
    guest_end(&g);
}

/* A check load faults on a NaT address even if the ALAT has the register (SDM vol. 3, ld). */
Test(ipf_memory, a_check_load_looks_at_its_address)
{
    struct guest g = guest_new();
    struct row ld_a, ld_c;
    load8(&ld_a, "ld8.a"), load8(&ld_c, "ld8.c.clr");
    prepared(&g, 8);
    guest_execute(&g, &ld_a, encoded(&ld_a, 0, TARGET, 0, BASE));
    guest_gr(&g, BASE)->nat = 1;
    guest_execute(&g, &ld_c, encoded(&ld_c, 0, TARGET, 0, BASE));
    assert_fault(&g, VECTOR_NAT, 0x10 | ISR_READ, "ld8.c.clr");
    guest_end(&g);
}

/* The clearing check forgets the register, the other one does not. */
Test(ipf_memory, check_loads_clear_or_keep)
{
    struct guest g = guest_new();
    struct row ld_a, clear, keep;
    load8(&ld_a, "ld8.a"), load8(&clear, "ld8.c.clr"), load8(&keep, "ld8.c.nc");
    prepared(&g, 8);
    uint64_t at = guest_gr(&g, BASE)->v;
    guest_execute(&g, &ld_a, encoded(&ld_a, 0, TARGET, 0, BASE));
    guest_gr(&g, TARGET)->v = 7;
    guest_execute(&g, &keep, encoded(&keep, 0, TARGET, 0, BASE));
    guest_execute(&g, &keep, encoded(&keep, 0, TARGET, 0, BASE));
    cr_assert_eq(guest_gr(&g, TARGET)->v, 7);
    guest_execute(&g, &clear, encoded(&clear, 0, TARGET, 0, BASE));
    cr_assert_eq(guest_gr(&g, TARGET)->v, 7);
    guest_execute(&g, &clear, encoded(&clear, 0, TARGET, 0, BASE));
    cr_assert_eq(guest_gr(&g, TARGET)->v, mem_read_le(g.mem, at, 8));
    guest_end(&g);
}

/* The same physical register of another frame, 96 registers away, is another register. */
Test(ipf_memory, the_alat_tells_frames_apart)
{
    struct guest g = guest_new();
    struct row ld_a, keep;
    load8(&ld_a, "ld8.a"), load8(&keep, "ld8.c.nc");
    prepared(&g, 8);
    guest_execute(&g, &ld_a, encoded(&ld_a, 0, TARGET, 0, BASE));
    g.c->bsp += 8 * 97; /* 96 registers and a collection */
    g.c->gr[9] = *guest_gr(&g, BASE);
    guest_gr(&g, TARGET)->v = 7;
    guest_execute(&g, &keep, encoded(&keep, 0, TARGET, 0, 9));
    cr_assert_neq(guest_gr(&g, TARGET)->v, 7);
    guest_end(&g);
}

/* PSR.be reverses what is loaded and stored. */
Test(ipf_memory, big_endian)
{
    struct guest g = guest_new();
    struct row ld = row_named("ld4", IPF_FORMAT_M1), st = row_named("st2", IPF_FORMAT_M4);
    struct row um = row_named("sum", IPF_FORMAT_M44);
    prepared(&g, 16);
    uint64_t at = guest_gr(&g, BASE)->v;
    mem_write_le(g.mem, at, 8, UINT64_C(0x8877665544332211));
    guest_execute(&g, &um, with_field(encoded(&um, 0, 0, 0, 0), 6, 20, PSR_BE));
    assert_went_on(&g, "sum");
    guest_execute(&g, &ld, encoded(&ld, 0, TARGET, 0, BASE));
    cr_assert_eq(guest_gr(&g, TARGET)->v, 0x11223344);
    guest_gr(&g, VALUE)->v = 0xabcd;
    guest_execute(&g, &st, encoded(&st, 0, 0, VALUE, BASE));
    cr_assert_eq(mem_read_le(g.mem, at, 4), 0x4433cdab);
    guest_end(&g);
}

/* Every row of the topic is one of those above, or floating point. */
Test(ipf_memory, no_row_is_left_out)
{
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        struct named name = named(r.row);
        bool is_float = !strncmp(name.what, "ldf", 3) || !strncmp(name.what, "stf", 3);
        bool tested = is_integer(&name) || is_float || r.row->format >= IPF_FORMAT_M13;
        cr_assert(topic_of(r.row) != MEMORY || tested, "%s", r.row->name);
    }
}
