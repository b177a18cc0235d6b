// SPDX-License-Identifier: Apache-2.0
// Itanium branches and what changes the frame marker or the processor's mode beside them;
// test_ipf_frames.c has calls and loops that go on for longer.
#include "ipf_cases.h"

static void nothing(struct guest *g, const struct row *r)
{
    struct registers all = guest_randomize(g, 0);
    guest_execute(g, r, r->match);
    assert_went_on(g, name_of(r));
    assert_registers(g, &all, name_of(r));
}
static void bank(struct guest *g, const struct row *r)
{
    bool one = name_of(r)[4] == '1';
    prepare(g);
    set_gr(g, 20, 7);
    g->c->bank[4] = (struct ipf_gr){ 9, 0 };
    guest_execute(g, r, r->match);
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->gr[20].v, one ? 7 : 9);
    cr_assert_eq(!(g->c->psr & PSR_BN), !one);
}

/* ---- branches ---- */

/* Where a branch of the row goes. */
static uint64_t branch(struct guest *g, const struct row *r, uint64_t slot)
{
    struct ipf_slot s;
    cr_assert(ipf_decode(r->unit, slot, 0x100, &s));
    bool direct = ipf_format_text((enum ipf_format)r->row->format)[0] == '%' && s.imm;
    guest_place(g, r->unit, slot, 0x100);
    guest_step(g);
    return direct ? g->ip + (uint64_t)s.imm : GUEST_DATA;
}
static void branches(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->br[2] = GUEST_DATA + 5; /* the low bits are ignored */
    uint64_t target = branch(g, r, with_field(slot_of(r), 13, 7, 2));
    cr_assert_eq(g->c->ip, target, "%s", name_of(r));
    cr_assert_eq(g->c->slot, 0);
}
static void calls(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->cfm = (struct ipf_cfm){ 20, 12, 8, 3, 4, 5 };
    g->c->ar[AR_EC] = 9;
    g->c->pr = BIT(16) | BIT(2) | 1;
    g->c->br[2] = GUEST_DATA;
    g->c->frame[12] = (struct ipf_gr){ 77, 0 };
    uint64_t slot = with_field(with_field(slot_of(r), 6, 3, 1), 13, 7, 2);
    uint64_t bsp = g->c->bsp, target = branch(g, r, slot);
    cr_assert_eq(g->c->ip, target, "%s", name_of(r));
    cr_assert_eq(g->c->br[1], GUEST_CODE + 16);
    uint64_t pfm = 20 | 12 << 7 | 1 << 14 | 3 << 18 | 4 << 25 | UINT64_C(5) << 32;
    cr_assert_eq(g->c->ar[AR_PFS], pfm | UINT64_C(9) << 52);
    cr_assert_eq(g->c->cfm.sof, 8);
    cr_assert_eq(g->c->cfm.sol | g->c->cfm.sor | g->c->cfm.rrb_gr | g->c->cfm.rrb_pr, 0);
    cr_assert_eq(g->c->frame[0].v, 77);
    cr_assert_eq(g->c->bsp, bsp + 12 * 8 + (((bsp >> 3) % 64 + 12) / 63 ? 8 : 0));
    cr_assert_eq(g->c->pr, BIT(21) | BIT(2) | 1); /* rrb.pr became 0: pr16 is pr21 now */
    g->c->bspstore = g->c->bsp, g->c->dirty = 0;
}
static void returns(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->br[2] = GUEST_DATA;
    g->c->pr = BIT(21) | 1;
    g->c->ar[AR_PFS] = 20 | UINT64_C(5) << 32 | UINT64_C(9) << 52;
    branch(g, r, with_field(slot_of(r), 13, 7, 2));
    cr_assert_eq(g->c->ip, GUEST_DATA);
    cr_assert_eq(g->c->cfm.sof, 20);
    cr_assert_eq(g->c->cfm.rrb_pr, 5);
    cr_assert_eq(g->c->ar[AR_EC], 9);
    cr_assert_eq(g->c->pr, BIT(16) | 1);
}

/* SDM vol. 3, br: taken or not, LC, EC, and PR 63, which a rotation makes pr16. */
static void loops(struct guest *g, const struct row *r)
{
    const char *kind = name_of(r) + 3;
    bool is_while = kind[0] == 'w', is_exit = strstr(kind, "exit"), cloop = !strcmp(kind, "cloop");
    for (unsigned k = 0; k < 18; k++) {
        uint64_t lc = k % 3, ec = k / 3 % 3, condition = k / 9;
        bool more = is_while ? condition : lc, turn = more || ec;
        prepare(g);
        g->c->cfm.sor = 16, g->c->cfm.rrb_fr = 1;
        g->c->ar[AR_LC] = lc, g->c->ar[AR_EC] = ec;
        g->c->pr = BIT(20) | (condition ? BIT(9) : 0) | BIT(63) | 1;
        uint64_t slot = with_field(encoded(r, is_while ? 9 : 0, 0, 0, 0), 13, 20, 4);
        guest_execute(g, r, slot);
        bool taken = (more || ec > 1) != is_exit;
        taken = cloop ? lc : taken;
        cr_assert_eq(g->c->ip, taken ? g->ip + 0x40 : g->ip + 16, "%s %u", name_of(r), k);
        if (cloop) {
            cr_assert_eq(g->c->ar[AR_LC], lc ? lc - 1 : 0);
            continue;
        }
        cr_assert_eq(g->c->ar[AR_LC], !is_while && lc ? lc - 1 : lc, "%s %u", name_of(r), k);
        cr_assert_eq(g->c->ar[AR_EC], !more && ec ? ec - 1 : ec, "%s %u", name_of(r), k);
        uint64_t new = !is_while && lc; /* PR 63 before the rotation */
        uint64_t pr = (condition ? BIT(9) : 0) | 1;
        pr |= turn ? BIT(21) | new << 16 : BIT(20) | new << 63;
        cr_assert_eq(g->c->pr, pr, "%s %u: %" PRIx64, name_of(r), k, g->c->pr);
        cr_assert_eq(g->c->cfm.rrb_gr, turn ? 15 : 0);
        cr_assert_eq(g->c->cfm.rrb_fr, turn ? 0 : 1);
        cr_assert_eq(g->c->cfm.rrb_pr, turn ? 47 : 0);
    }
    /* only slot 2 can hold it */
    prepare(g);
    guest_execute(g, r, r->match);
    mem_write_le(g->mem, GUEST_CODE, 8, 0x17 | r->match << 5);
    g->slot = 0;
    guest_step(g);
    assert_fault(g, VECTOR_GENERAL, ILLEGAL, name_of(r));
}

static void covers(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->cfm = (struct ipf_cfm){ .sof = 10, .sol = 4, .rrb_pr = 3 };
    g->c->pr = BIT(16) | 1;
    g->c->cr[CR_IFS] = 0;
    uint64_t bsp = g->c->bsp = g->c->bspstore = GUEST_STACK;
    guest_execute(g, r, r->match);
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->bsp, bsp + 80);
    cr_assert_eq(g->c->cfm.sof | g->c->cfm.rrb_pr, 0);
    cr_assert_eq(g->c->cr[CR_IFS], 0); /* PSR.ic is 1 */
    cr_assert_eq(g->c->pr, BIT(19) | 1);
    g->c->bspstore = g->c->bsp, g->c->dirty = 0;
}
static void clears_bases(struct guest *g, const struct row *r)
{
    bool pr_only = strstr(name_of(r), ".pr");
    prepare(g);
    g->c->cfm = (struct ipf_cfm){ 32, 0, 8, 5, 6, 7 };
    g->c->pr = BIT(17) | 1;
    guest_execute(g, r, r->match);
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->cfm.rrb_gr, pr_only ? 5 : 0);
    cr_assert_eq(g->c->cfm.rrb_fr, pr_only ? 6 : 0);
    cr_assert_eq(g->c->cfm.rrb_pr, 0);
    cr_assert_eq(g->c->pr, BIT(24) | 1);
}
static void returns_from_interruption(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->cr[CR_IPSR] = PSR_BN | PSR_IC | PSR_AC | UINT64_C(2) << PSR_RI_SHIFT;
    g->c->cr[CR_IIP] = GUEST_DATA;
    g->c->cr[CR_IFS] = 0;
    guest_execute(g, r, r->match);
    cr_assert_eq(g->c->ip, GUEST_DATA);
    cr_assert_eq(g->c->slot, 2);
    cr_assert_eq(g->c->psr, PSR_BN | PSR_IC | PSR_AC);
}
static void promotes(struct guest *g, const struct row *r)
{
    prepare(g);
    g->c->ar[AR_PFS] = 0;
    guest_execute(g, r, r->match);
    assert_went_on(g, name_of(r));
    cr_assert_eq(g->c->psr & PSR_CPL, 0);
}
/* In physical mode no page permits it. */
static void is_virtualized(struct guest *g, const struct row *r)
{
    prepare(g);
    guest_execute(g, r, r->match);
    assert_fault(g, VECTOR_VIRTUALIZATION, 0, name_of(r));
}
/* There is no IA-32 instruction set: the machine stops and says so. */
static void stops(struct guest *g, const struct row *r)
{
    prepare(g);
    guest_execute(g, r, r->match);
    cr_assert_eq(g->c->stop, IPF_NOT_MODELLED);
    g->c->stop = IPF_RUNS;
}

/* ---- all rows ---- */

static const struct row_case cases[] = {
    CASE("br.cond", B1, B4, branches) CASE("brl.cond", X3, X3, branches)
    CASE("br.call", B3, B5, calls) CASE("brl.call", X4, X4, calls)
    CASE("br.ret", B4, B4, returns) CASE("br.ia", B4, B4, stops)
    CASE("br.w", B1, B1, loops) CASE("br.c", B2, B2, loops)
    CASE("cover", B8, B8, covers) CASE("clrrrb", B8, B8, clears_bases)
    CASE("rfi", B8, B8, returns_from_interruption) CASE("bsw", B8, B8, bank)
    CASE("epc", B8, B8, promotes) CASE("vmsw", B8, B8, is_virtualized)
    CASE("brp", B6, B7, nothing)
};

Test(ipf_branch, every_row_does_what_the_manual_says)
{
    struct guest g = guest_new();
    check_rows(&g, BRANCH, cases, ARRAY_SIZE(cases));
    guest_end(&g);
}
