// SPDX-License-Identifier: Apache-2.0
// Each floating-point row once with operands whose result everybody knows, and each row of
// translation with what it does and with its faults: none may be left out.
#include "ipf/translate.h"
#include "ipf_float_guest.h"

/* ---- floating point: f6 = f(f7, f8, f9), the operands f2, f3, f4 ---- */

#define N(d) number(d)
#define I(v) ((struct ipf_fr){ (v), FR_INTEGER, 0 })
#define P(high, low) two(high, low)
static struct ipf_fr two(float high, float low)
{
    uint32_t h, l;
    memcpy(&h, &high, 4);
    memcpy(&l, &low, 4);
    return pair(h, l);
}

enum kind { SCALARS, PAIRS, BITS, PREDICATES, OTHER };
struct float_case {
    const char *name;
    enum kind kind;
    struct ipf_fr result;
    unsigned predicates; /* p1, p2 in bits 0, 1 */
};

/* SCALARS: 1, 2, 3.  PAIRS: (1, -2), (3, -4), (5, 6).  BITS: below. */
static const uint64_t bits2 = 0x00000000800000ff, bits3 = 0x8000000000001234, bits4 = 6;

static const struct float_case *float_cases(size_t *count)
{
    static struct float_case cases[96];
    const struct float_case all[] = {
        { "fma", SCALARS, N(7), 0 },
        { "fma.s", SCALARS, N(7), 0 },
        { "fma.d", SCALARS, N(7), 0 },
        { "fms", SCALARS, N(5), 0 },
        { "fms.s", SCALARS, N(5), 0 },
        { "fms.d", SCALARS, N(5), 0 },
        { "fnma", SCALARS, N(-5), 0 },
        { "fnma.s", SCALARS, N(-5), 0 },
        { "fnma.d", SCALARS, N(-5), 0 },
        { "fpma", PAIRS, P(16, -26), 0 },
        { "fpms", PAIRS, P(14, -22), 0 },
        { "fpnma", PAIRS, P(-14, 22), 0 },
        { "xma.l", BITS, I(0x1234 * 6 + 0x800000ff), 0 },
        { "xma.hu", BITS, I(3), 0 },
        { "xma.h", BITS, I(~UINT64_C(0) - 2), 0 },
        { "fselect", BITS, I(0x34), 0 },
        { "fcmp.eq", PREDICATES, N(0), 2 },
        { "fcmp.eq.unc", PREDICATES, N(0), 2 },
        { "fcmp.lt", PREDICATES, N(0), 1 },
        { "fcmp.lt.unc", PREDICATES, N(0), 1 },
        { "fcmp.le", PREDICATES, N(0), 1 },
        { "fcmp.le.unc", PREDICATES, N(0), 1 },
        { "fcmp.unord", PREDICATES, N(0), 2 },
        { "fcmp.unord.unc", PREDICATES, N(0), 2 },
        { "fmin", SCALARS, N(1), 0 },
        { "fmax", SCALARS, N(2), 0 },
        { "famin", SCALARS, N(1), 0 },
        { "famax", SCALARS, N(2), 0 },
        { "fpmin", PAIRS, P(1, -4), 0 },
        { "fpmax", PAIRS, P(3, -2), 0 },
        { "fpamin", PAIRS, P(1, -2), 0 },
        { "fpamax", PAIRS, P(3, -4), 0 },
        { "fpcmp.eq", PAIRS, pair(0, 0), 0 },
        { "fpcmp.lt", PAIRS, pair(~0u, 0), 0 },
        { "fpcmp.le", PAIRS, pair(~0u, 0), 0 },
        { "fpcmp.unord", PAIRS, pair(0, 0), 0 },
        { "fpcmp.neq", PAIRS, pair(~0u, ~0u), 0 },
        { "fpcmp.nlt", PAIRS, pair(0, ~0u), 0 },
        { "fpcmp.nle", PAIRS, pair(0, ~0u), 0 },
        { "fpcmp.ord", PAIRS, pair(~0u, ~0u), 0 },
        { "fmerge.s", SCALARS, N(2), 0 },
        { "fmerge.ns", SCALARS, N(-2), 0 },
        { "fmerge.se", SCALARS, N(1), 0 },
        { "fmix.lr", PAIRS, P(1, -4), 0 },
        { "fmix.r", PAIRS, P(-2, -4), 0 },
        { "fmix.l", PAIRS, P(1, 3), 0 },
        { "fsxt.r", BITS, pair(~0u, 0x1234), 0 },
        { "fsxt.l", BITS, pair(0, 0x80000000), 0 },
        { "fpack", SCALARS, P(1, 2), 0 },
        { "fswap", PAIRS, P(-4, 1), 0 },
        { "fswap.nl", PAIRS, P(4, 1), 0 },
        { "fswap.nr", PAIRS, P(-4, -1), 0 },
        { "fand", BITS, I(0x34), 0 },
        { "fandcm", BITS, I(0x800000cb), 0 },
        { "for", BITS, I(0x80000000800012ff), 0 },
        { "fxor", BITS, I(0x80000000800012cb), 0 },
        { "fpmerge.s", PAIRS, P(3, -4), 0 },
        { "fpmerge.ns", PAIRS, P(-3, 4), 0 },
        { "fpmerge.se", PAIRS, pair(0x3fc00000, 0xc0000000), 0 },
        { "fcvt.fx", SCALARS, I(1), 0 },
        { "fcvt.fxu", SCALARS, I(1), 0 },
        { "fcvt.fx.trunc", SCALARS, I(1), 0 },
        { "fcvt.fxu.trunc", SCALARS, I(1), 0 },
        { "fpcvt.fx", PAIRS, pair(1, (uint32_t)-2), 0 },
        { "fpcvt.fx.trunc", PAIRS, pair(1, (uint32_t)-2), 0 },
        { "fpcvt.fxu", PAIRS, pair(1, 0x80000000), 0 },
        { "fpcvt.fxu.trunc", PAIRS, pair(1, 0x80000000), 0 },
        { "fcvt.xf", BITS, (struct ipf_fr){ UINT64_C(0x800000ff) << 32, 0xffff + 31, 0 }, 0 },
        /* in test_ipf_float.c: test "moves_between_register_files" */
        { "setf.sig", OTHER, N(0), 0 },
        { "setf.exp", OTHER, N(0), 0 },
        { "setf.s", OTHER, N(0), 0 },
        { "setf.d", OTHER, N(0), 0 },
        { "getf.sig", OTHER, N(0), 0 },
        { "getf.exp", OTHER, N(0), 0 },
        { "getf.s", OTHER, N(0), 0 },
        { "getf.d", OTHER, N(0), 0 },
        /* "classes", "approximations", "status_fields" */
        { "fclass.m", OTHER, N(0), 0 },
        { "fclass.m.unc", OTHER, N(0), 0 },
        { "frcpa", OTHER, N(0), 0 },
        { "fprcpa", OTHER, N(0), 0 },
        { "frsqrta", OTHER, N(0), 0 },
        { "fprsqrta", OTHER, N(0), 0 },
        { "fsetc", OTHER, N(0), 0 },
        { "fclrf", OTHER, N(0), 0 },
        { "fchkf", OTHER, N(0), 0 },
    };
    memcpy(cases, all, sizeof all);
    *count = ARRAY_SIZE(all);
    return cases;
}

static void operands(struct guest *g, enum kind kind)
{
    prepare(g);
    struct ipf_fr *f = g->c->fr;
    f[F2] = kind == PAIRS ? P(1, -2) : kind == BITS ? I(bits2) : N(1);
    f[F3] = kind == PAIRS ? P(3, -4) : kind == BITS ? I(bits3) : N(2);
    f[F4] = kind == PAIRS ? P(5, 6) : kind == BITS ? I(bits4) : N(3);
}

Test(ipf_rows, every_floating_point_row_has_its_result)
{
    size_t count;
    const struct float_case *x = float_cases(&count);
    struct guest g = guest_new();
    for (size_t k = 0; k < count; k++) {
        struct row r = float_row(x[k].name);
        uint64_t slot = float_slot(&r, 0);
        if (x[k].kind == OTHER)
            continue;
        operands(&g, x[k].kind);
        if (x[k].kind == PREDICATES) {
            slot = with_field(with_field(slot, 6, 6, 20), 27, 6, 21);
            slot = (slot & ~r.mask) | r.match;
        }
        guest_execute(&g, &r, slot);
        assert_went_on(&g, x[k].name);
        const struct ipf_fr *f = &g.c->fr[F1];
        if (x[k].kind == PREDICATES)
            cr_assert_eq(g.c->pr >> 20 & 3, x[k].predicates, "%s", x[k].name);
        else
            cr_assert(same(f, x[k].result), "%s: %u.%05x.%016" PRIx64, x[k].name, f->sign,
                      f->exponent, f->significand);
    }
    guest_end(&g);
}

Test(ipf_rows, no_floating_point_row_is_left_out)
{
    size_t count;
    const struct float_case *x = float_cases(&count);
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        unsigned found = 0;
        for (size_t k = 0; k < count && topic_of(r.row) == FLOAT; k++)
            found += !strcmp(x[k].name, r.row->name);
        cr_assert_eq(found, topic_of(r.row) == FLOAT, "%s", r.row->name);
    }
}

/* ---- translation: a page of 4 KiB at VA, r8 = target, r9 = other operand, r10 = address ---- */

#define VA UINT64_C(0x2000000000010000)
enum { PAGE_12 = 12 << 2, PTE = 1 | 0x20 | 0x40 | 2 << 9 | 3 << 7, KEY = 0x77 };
enum { TARGET = 8, OTHER_OPERAND = 9, ADDRESS = 10 };

static struct guest translating(void)
{
    struct guest g = guest_new();
    struct ipf_translation t = ipf_translation(GUEST_DATA | PTE, PAGE_12 | KEY << 8, VA, 0);
    g.c->cfm = (struct ipf_cfm){ .sof = 96 };
    g.c->psr |= PSR_DT;
    for (unsigned n = 0; n < 8; n++)
        g.c->rr[n] = PAGE_12;
    ipf_flush(g.c);
    ipf_tlb_insert(g.c, IPF_DATA, &t);
    ipf_tlb_insert(g.c, IPF_INSTRUCTIONS, &t);
    g.c->gr[ADDRESS].v = VA + 0x123;
    g.c->gr[OTHER_OPERAND].v = 0;
    return g;
}
/* Not guest_execute(): PSR.ic stays what it is. */
static void once(struct guest *g, const struct row *r)
{
    guest_place(g, IPF_M, encoded(r, 0, TARGET, OTHER_OPERAND, ADDRESS), 0);
    g->c->ip = g->ip;
    g->c->slot = g->slot;
    ipf_mode_changed(g->c);
    ipf_run_until(g->c, g->c->retired + 1);
}
static bool translated(struct guest *g, enum ipf_side side) { return ipf_tlb_find(g->c, side, VA); }
static void expect_value(const struct row *r, uint64_t value)
{
    struct guest g = translating();
    once(&g, r);
    assert_went_on(&g, r->row->name);
    cr_assert_eq(g.c->gr[TARGET].v, value, "%s: %" PRIx64, r->row->name, g.c->gr[TARGET].v);
    guest_end(&g);
}
static void expect_nat_fault(const struct row *r, uint64_t isr)
{
    struct guest g = translating();
    g.c->gr[ADDRESS].nat = g.c->gr[OTHER_OPERAND].nat = 1;
    once(&g, r);
    assert_fault(&g, VECTOR_NAT, 0x10 | isr, r->row->name);
    guest_end(&g);
}
static void expect_privileged(const struct row *r, uint64_t isr)
{
    struct guest g = translating();
    g.c->psr |= PSR_CPL;
    once(&g, r);
    assert_fault(&g, VECTOR_GENERAL, PRIVILEGED | isr, r->row->name);
    guest_end(&g);
}
static uint64_t access_of(const struct row *r)
{
    return (r->row->arg & 1 ? ISR_R : 0) | (r->row->arg & 2 ? ISR_W : 0) | ISR_NA;
}
static void expect_miss(const struct row *r, uint64_t isr)
{
    enum { VECTOR_ALTERNATE_DATA = 0x1000 };
    struct guest g = translating();
    g.c->gr[ADDRESS].v = VA + 0x10000;
    once(&g, r);
    assert_fault(&g, VECTOR_ALTERNATE_DATA, isr, r->row->name);
    cr_assert_eq(g.c->cr[CR_IFA], VA + 0x10000, "%s", r->row->name);
    guest_end(&g);
}

static void check_probe(const struct row *r)
{
    expect_value(r, 1);
    expect_nat_fault(r, access_of(r) | NA_PROBE);
    expect_miss(r, access_of(r) | NA_PROBE);
}
static void check_probe_fault(const struct row *r)
{
    expect_value(r, 0);
    expect_nat_fault(r, access_of(r) | NA_PROBE_FAULT);
    expect_miss(r, access_of(r) | NA_PROBE_FAULT);
}
static void check_insert(const struct row *r)
{
    struct guest g = translating();
    enum ipf_side side = r->row->arg;
    ipf_tlb_purge_all(g.c);
    g.c->psr &= ~PSR_IC;
    g.c->cr[CR_IFA] = VA;
    g.c->cr[CR_ITIR] = PAGE_12 | KEY << 8;
    g.c->gr[OTHER_OPERAND].v = GUEST_DATA | PTE;
    g.c->gr[ADDRESS].v = 5; /* the register of itr */
    once(&g, r);
    assert_went_on(&g, r->row->name);
    cr_assert(translated(&g, side) && !translated(&g, !side), "%s", r->row->name);
    bool is_register = !strncmp(r->row->name, "itr", 3);
    cr_assert_eq(ipf_tlb_find(g.c, side, VA) == &g.c->tlb[side].tr[5], is_register);
    g.c->psr |= PSR_IC;
    once(&g, r);
    assert_fault(&g, VECTOR_GENERAL, ILLEGAL, r->row->name);
    guest_end(&g);
}
static void check_purge(const struct row *r)
{
    struct guest g = translating();
    bool data = strcmp(r->row->name, "ptr.i"), code = strcmp(r->row->name, "ptr.d");
    g.c->gr[OTHER_OPERAND].v = PAGE_12;
    once(&g, r);
    cr_assert_eq(translated(&g, IPF_DATA), !data, "%s", r->row->name);
    cr_assert_eq(translated(&g, IPF_INSTRUCTIONS), !code, "%s", r->row->name);
    guest_end(&g);
    expect_nat_fault(r, 0);
    expect_privileged(r, 0);
}
static void check_hash(const struct row *r)
{
    struct guest g = translating();
    uint64_t (*function)(const struct ipf_cpu *, uint64_t) =
        !strcmp(r->row->name, "thash") ? ipf_thash : ipf_ttag;
    expect_value(r, function(g.c, VA + 0x123));
    g.c->gr[ADDRESS].nat = 1;
    once(&g, r);
    assert_went_on(&g, r->row->name);
    cr_assert_eq(g.c->gr[TARGET].nat, 1, "%s", r->row->name);
    guest_end(&g);
}
static void check_tpa(const struct row *r)
{
    expect_value(r, GUEST_DATA + 0x123);
    expect_nat_fault(r, ISR_NA | NA_TPA);
    expect_privileged(r, ISR_NA | NA_TPA);
    expect_miss(r, ISR_NA | NA_TPA);
}
static void check_tak(const struct row *r)
{
    expect_value(r, KEY << 8);
    expect_nat_fault(r, ISR_NA | NA_TAK);
    expect_privileged(r, ISR_NA | NA_TAK);
}
static void check_lfetch_fault(const struct row *r)
{
    struct guest g = translating();
    once(&g, r);
    assert_went_on(&g, r->row->name);
    guest_end(&g);
    expect_nat_fault(r, ISR_R | ISR_NA | NA_LFETCH);
    expect_miss(r, ISR_R | ISR_NA | NA_LFETCH);
}

static const struct {
    const char *start;
    void (*check)(const struct row *r);
} cases[] = {
    { "probe.r", check_probe },
    { "probe.w", check_probe },
    { "probe.rw.fault", check_probe_fault },
    { "probe.r.fault", check_probe_fault },
    { "probe.w.fault", check_probe_fault },
    { "itc.d", check_insert },
    { "itc.i", check_insert },
    { "itr.d", check_insert },
    { "itr.i", check_insert },
    { "ptc.l", check_purge },
    { "ptc.g", check_purge },
    { "ptc.ga", check_purge },
    { "ptr.d", check_purge },
    { "ptr.i", check_purge },
    { "ptc.e", check_purge },
    { "thash", check_hash },
    { "ttag", check_hash },
    { "tpa", check_tpa },
    { "tak", check_tak },
    { "lfetch.fault", check_lfetch_fault },
    { "lfetch.fault.excl", check_lfetch_fault },
};

Test(ipf_rows, every_row_of_translation_works_and_faults)
{
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        bool wanted = topic_of(r.row) == TRANSLATION || !strncmp(r.row->name, "lfetch.fault", 12);
        unsigned found = 0;
        for (size_t k = 0; k < ARRAY_SIZE(cases); k++)
            if (!strcmp(cases[k].start, r.row->name)) {
                cases[k].check(&r);
                found++;
            }
        cr_assert_eq(found, wanted, "%u cases of %s", found, r.row->name);
    }
}

Test(ipf_rows, every_row_names_its_major_opcode)
{
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++)
        cr_assert_eq(r.mask >> 37, 15, "%s: the decoder would not find it", r.row->name);
}
