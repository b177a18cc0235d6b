// SPDX-License-Identifier: Apache-2.0
// Results, flags, faults and traps of Itanium floating-point instructions; tests/ipf/float_check.c
// judges the arithmetic.
#include <stdio.h>

#include "ipf_float_guest.h"

/* ---- multiply-add ---- */

Test(ipf_float, multiply_add_in_all_precisions)
{
    static const struct {
        const char *name;
        double expected;
    } cases[] = { { "fma", 7 }, { "fms", 5 }, { "fnma", -5 } };
    struct guest g = guest_new();
    for (size_t k = 0; k < 3; k++)
        for (unsigned tail = 0; tail < 3; tail++) {
            char name[16];
            static const char *const tails[] = { "", ".s", ".d" };
            snprintf(name, sizeof name, "%s%s", cases[k].name, tails[tail]);
            prepare(&g);
            g.c->fr[F2] = number(1), g.c->fr[F3] = number(2), g.c->fr[F4] = number(3);
            execute(&g, name, 0);
            assert_went_on(&g, name);
            cr_assert_eq(value_of(&g.c->fr[F1]), cases[k].expected, "%s", name);
            cr_assert_eq(g.c->ar[AR_FPSR], FPSR_DEFAULT);
            cr_assert(g.c->psr & PSR_MFL && !(g.c->psr & PSR_MFH));
            /* 1/3 in the precision of the completer, or of the status field */
            g.c->fr[F2] = (struct ipf_fr){ 0 }, g.c->fr[F3] = number(1);
            g.c->fr[F4] = (struct ipf_fr){ UINT64_C(0xaaaaaaaaaaaaaaaa), 0xfffd, 0 };
            g.c->ar[AR_FPSR] = FPSR_DEFAULT;
            execute(&g, name, 2);
            static const uint64_t third[] = { UINT64_C(0xaaaaaaaaaaaaaaaa),
                                              UINT64_C(0xaaaaab0000000000),
                                              UINT64_C(0xaaaaaaaaaaaaa800) };
            cr_assert_eq(g.c->fr[F1].significand, third[tail], "%s", name);
            cr_assert_eq(sf_flags(&g, 2), tail ? FLOAT_I : 0);
        }
    guest_end(&g);
}

/* SDM vol. 3, fma: with f0 as addend (fmpy) nothing is added: -1 * 0 is -0. */
Test(ipf_float, a_product_keeps_the_sign_of_zero)
{
    struct guest g = guest_new();
    struct row r = float_row("fma.d");
    prepare(&g);
    g.c->fr[F3] = number(-1), g.c->fr[F4] = (struct ipf_fr){ 0 };
    guest_execute(&g, &r, with_field(float_slot(&r, 0), 13, 7, 0));
    assert_fr(&g, F1, (struct ipf_fr){ .sign = 1 });
    g.c->fr[F2] = (struct ipf_fr){ 0 };
    guest_execute(&g, &r, float_slot(&r, 0));
    assert_fr(&g, F1, (struct ipf_fr){ .sign = 0 });
    guest_end(&g);
}

/* Wrapped exponents of 17 bits, fpa, and the inexact bit that goes with the trap. */
Test(ipf_float, traps_leave_the_wrapped_result)
{
    struct guest g = guest_new();
    prepare(&g);
    g.c->ar[AR_FPSR] &= ~(uint64_t)FLOAT_O;
    g.c->fr[F2] = (struct ipf_fr){ BIT(63), 0xffff - 100, 0 };
    g.c->fr[F3] = (struct ipf_fr){ BIT(63), 0xffff + 1000, 0 };
    g.c->fr[F4] = (struct ipf_fr){ ~UINT64_C(0), 0xffff + 500, 1 };
    execute(&g, "fma.d", 0);
    cr_assert(faulted(&g, VECTOR_FLOAT_TRAP));
    cr_assert_eq(g.c->cr[CR_ISR], UINT64_C(1) << 41 | 1 | 1 << 11 | 1 << 13 | 1 << 14);
    cr_assert_eq(g.c->cr[CR_IIP], g.ip);
    cr_assert_eq(g.c->cr[CR_IPSR] >> PSR_RI_SHIFT & 3, 2);
    assert_fr(&g, F1, (struct ipf_fr){ BIT(63), 0xffff + 1501, 1 });
    cr_assert_eq(sf_flags(&g, 0), FLOAT_O | FLOAT_I);
    /* the same masked */
    prepare(&g);
    execute(&g, "fma.d", 0);
    assert_went_on(&g, "fma.d");
    assert_fr(&g, F1, (struct ipf_fr){ BIT(63), FR_SPECIAL, 1 });
    guest_end(&g);
}

/* Traps that are disabled for a status field (td) do not happen, though FPSR enables them. */
Test(ipf_float, td_disables_traps_of_its_field)
{
    struct guest g = guest_new();
    prepare(&g);
    g.c->ar[AR_FPSR] &= ~(uint64_t)FPSR_TRAPS_OFF;
    g.c->ar[AR_FPSR] |= BIT(6 + 13 + 6);
    g.c->fr[F2] = number(1), g.c->fr[F3] = g.c->fr[F4] = number(0.1);
    execute(&g, "fma.s", 1);
    assert_went_on(&g, "fma.s.s1");
    cr_assert_eq(sf_flags(&g, 1), FLOAT_I);
    execute(&g, "fma.s", 2);
    assert_went_on(&g, "fma.s.s2"); /* FPSR's initial value has td in sf1 to sf3 */
    execute(&g, "fma.s", 0);
    cr_assert(faulted(&g, VECTOR_FLOAT_TRAP));
    guest_end(&g);
}

/* ---- results of the rows that are not arithmetic ---- */

#define A UINT64_C(0x8123456789abcdef)
#define B UINT64_C(0x7edcba98f6543210)
#undef C /* insn.def has one */
#define C UINT64_C(0xf0f0f0f00f0f0f0f)
static const struct {
    const char *name;
    uint64_t expected; /* of significands f2 = A, f3 = B, f4 = C */
} bit_cases[] = {
    { "fmix.lr", UINT64_C(0x81234567f6543210) },
    { "fmix.r", UINT64_C(0x89abcdeff6543210) },
    { "fmix.l", UINT64_C(0x812345677edcba98) },
    { "fsxt.r", UINT64_C(0xfffffffff6543210) },
    { "fsxt.l", UINT64_C(0xffffffff7edcba98) },
    { "fswap", UINT64_C(0xf654321081234567) },
    { "fswap.nl", UINT64_C(0x7654321081234567) },
    { "fswap.nr", UINT64_C(0xf654321001234567) },
    { "fand", A &B },
    { "fandcm", A & ~B },
    { "for", A | B },
    { "fxor", A ^ B },
    { "fselect", (B & A) | (C & ~A) },
    { "fpmerge.s", UINT64_C(0xfedcba98f6543210) },
    { "fpmerge.ns", UINT64_C(0x7edcba9876543210) },
    { "fpmerge.se", UINT64_C(0x815cba9889d43210) },
    { "xma.l", 0 }, /* these are computed below */
    { "xma.h", 0 },
    { "xma.hu", 0 },
};
static uint64_t multiplied(const char *name)
{
    __int128 s = (__int128)(int64_t)B * (int64_t)C;
    unsigned __int128 u = (unsigned __int128)B * C;
    if (!strcmp(name, "xma.l"))
        return (uint64_t)(u + A);
    return (uint64_t)((strcmp(name, "xma.hu") ? (unsigned __int128)s + A : u + A) >> 64);
}

Test(ipf_float, registers_as_bits)
{
    struct guest g = guest_new();
    for (size_t k = 0; k < ARRAY_SIZE(bit_cases); k++) {
        const char *name = bit_cases[k].name;
        prepare(&g);
        g.c->fr[F2] = (struct ipf_fr){ A, 0x10123, 1 };
        g.c->fr[F3] = (struct ipf_fr){ B, 0x0ffff, 0 };
        g.c->fr[F4] = (struct ipf_fr){ C, 0x0ffff, 0 };
        execute(&g, name, 0);
        assert_went_on(&g, name);
        uint64_t expected = strncmp(name, "xma", 3) ? bit_cases[k].expected : multiplied(name);
        cr_assert(same(&g.c->fr[F1], (struct ipf_fr){ expected, FR_INTEGER, 0 }),
                  "%s: %" PRIx64 " for %" PRIx64, name, g.c->fr[F1].significand, expected);
    }
    execute(&g, "fmerge.s", 0);
    assert_fr(&g, F1, (struct ipf_fr){ B, 0x0ffff, 1 });
    execute(&g, "fmerge.ns", 0);
    assert_fr(&g, F1, (struct ipf_fr){ B, 0x0ffff, 0 });
    execute(&g, "fmerge.se", 0);
    assert_fr(&g, F1, (struct ipf_fr){ B, 0x10123, 1 });
    g.c->fr[F2] = number(1.5), g.c->fr[F3] = number(-0.25);
    execute(&g, "fpack", 0);
    assert_fr(&g, F1, pair(0x3fc00000, 0xbe800000));
    guest_end(&g);
}

Test(ipf_float, moves_between_register_files)
{
    struct guest g = guest_new();
    prepare(&g);
    g.c->gr[F2] = (struct ipf_gr){ UINT64_C(0xc00c000000027fff), 0 };
    execute(&g, "setf.sig", 0);
    assert_fr(&g, F1, (struct ipf_fr){ UINT64_C(0xc00c000000027fff), FR_INTEGER, 0 });
    execute(&g, "setf.exp", 0);
    assert_fr(&g, F1, (struct ipf_fr){ BIT(63), 0x07fff, 1 });
    execute(&g, "setf.d", 0);
    assert_fr(&g, F1, float_from_double(UINT64_C(0xc00c000000027fff)));
    execute(&g, "setf.s", 0);
    assert_fr(&g, F1, float_from_single(0x00027fff));
    g.c->gr[F2].nat = 1;
    execute(&g, "setf.d", 0);
    assert_fr(&g, F1, fr_natval);
    g.c->fr[F2] = number(-3.5);
    execute(&g, "getf.d", 0);
    cr_assert_eq(g.c->gr[F1].v, UINT64_C(0xc00c000000000000));
    execute(&g, "getf.s", 0);
    cr_assert_eq(g.c->gr[F1].v, 0xc0600000);
    execute(&g, "getf.sig", 0);
    cr_assert_eq(g.c->gr[F1].v, UINT64_C(0xe000000000000000));
    execute(&g, "getf.exp", 0);
    cr_assert_eq(g.c->gr[F1].v, 0x30000);
    guest_end(&g);
}

/* ---- comparisons, classes, choices ---- */

static unsigned compared(struct guest *g, const char *name, struct ipf_fr x, struct ipf_fr y)
{
    struct row r = float_row(name);
    prepare(g);
    g->c->fr[F2] = x, g->c->fr[F3] = y;
    uint64_t slot = with_field(with_field(encoded(&r, 0, 0, F2, F3), 6, 6, 20), 27, 6, 21);
    guest_execute(g, &r, (slot & ~r.mask) | r.match);
    assert_went_on(g, name);
    return (unsigned)(g->c->pr >> 20 & 3);
}
static const struct ipf_fr quiet_nan = { UINT64_C(3) << 62 | 5, FR_SPECIAL, 0 };
static const struct ipf_fr signaling_nan = { UINT64_C(2) << 62 | 5, FR_SPECIAL, 0 };

Test(ipf_float, comparisons)
{
    static const struct {
        const char *name;
        unsigned less, equal, greater, unordered; /* p1 */
        bool signals;
    } cases[] = {
        { "fcmp.eq", 0, 1, 0, 0, false },        { "fcmp.lt", 1, 0, 0, 0, true },
        { "fcmp.le", 1, 1, 0, 0, true },         { "fcmp.unord", 0, 0, 0, 1, false },
        { "fcmp.eq.unc", 0, 1, 0, 0, false },    { "fcmp.lt.unc", 1, 0, 0, 0, true },
        { "fcmp.le.unc", 1, 1, 0, 0, true },     { "fcmp.unord.unc", 0, 0, 0, 1, false },
    };
    struct guest g = guest_new();
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        const char *name = cases[k].name;
        cr_assert_eq(compared(&g, name, number(-2), number(1)), 2 - cases[k].less, "%s", name);
        cr_assert_eq(compared(&g, name, number(1), number(1)), 2 - cases[k].equal, "%s", name);
        cr_assert_eq(compared(&g, name, number(1), number(-2)), 2 - cases[k].greater, "%s", name);
        cr_assert_eq(compared(&g, name, number(1), quiet_nan), 2 - cases[k].unordered, "%s", name);
        cr_assert_eq(sf_flags(&g, 0), cases[k].signals ? FLOAT_V : 0, "%s", name);
        compared(&g, name, signaling_nan, number(1));
        cr_assert_eq(sf_flags(&g, 0), FLOAT_V, "%s", name);
        /* equal predicates; a false one */
        struct row r = float_row(name);
        uint64_t slot = with_field(with_field(encoded(&r, 3, 0, F2, F3), 6, 6, 20), 27, 6, 20);
        bool unconditional = strstr(name, ".unc");
        guest_execute(&g, &r, slot);
        if (unconditional)
            assert_fault(&g, VECTOR_GENERAL, ILLEGAL, name);
        else
            assert_went_on(&g, name);
        g.c->pr = UINT64_C(3) << 20 | 1;
        guest_execute(&g, &r, with_field(slot, 27, 6, 21));
        cr_assert_eq(g.c->pr >> 20, unconditional ? 0 : 3, "%s", name);
    }
    guest_end(&g);
}

Test(ipf_float, classes)
{
    static const struct {
        struct ipf_fr f;
        unsigned class; /* the bits of fclass9 that it is */
    } cases[] = {
        { { 0, 0, 0 }, 0x005 },
        { { 0, 0, 1 }, 0x006 },
        { { 0, 5, 0 }, 0x009 },               /* pseudo-zero: unnormal   */
        { { BIT(62), 0xffff, 1 }, 0x00a },
        { { BIT(63), 0, 0 }, 0x009 },         /* pseudo-denormal         */
        { { BIT(63), 0xffff, 0 }, 0x011 },
        { { BIT(63), FR_SPECIAL, 1 }, 0x022 },
        { { BIT(63) | 1, FR_SPECIAL, 0 }, 0x040 },
        { { UINT64_C(3) << 62, FR_SPECIAL, 1 }, 0x080 },
        { { 0, FR_NATVAL, 0 }, 0x100 },
        { { 0, FR_NATVAL, 1 }, 0x00a },
        { { 1, FR_SPECIAL, 0 }, 0 },          /* unsupported: no class   */
    };
    struct guest g = guest_new();
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++)
        for (unsigned class = 0; class < 0x200; class++)
            for (unsigned u = 0; u < 2; u++) {
                struct row r = float_row(u ? "fclass.m.unc" : "fclass.m");
                prepare(&g);
                g.c->fr[F2] = cases[k].f;
                uint64_t slot = with_field(encoded(&r, 0, 20, F2, 0), 27, 6, 21);
                slot = with_field(with_field(slot, 33, 2, class), 20, 7, class >> 2);
                guest_execute(&g, &r, slot);
                unsigned is = cases[k].class, common = is & class;
                bool signs = is & 3, member = signs ? common & 3 && common & ~3u : common != 0;
                bool natval = is == 0x100 && !(class & 0x100);
                unsigned expected = natval ? 0 : member ? 1 : 2;
                cr_assert_eq(g.c->pr >> 20 & 3, expected, "case %zu class %x", k, class);
            }
    guest_end(&g);
}

Test(ipf_float, minimum_and_maximum)
{
    static const struct {
        const char *name;
        double first, second; /* of (-3, 2) and (2, -3) */
    } cases[] = { { "fmin", -3, -3 }, { "fmax", 2, 2 }, { "famin", 2, 2 }, { "famax", -3, -3 } };
    struct guest g = guest_new();
    for (size_t k = 0; k < 4; k++) {
        const char *name = cases[k].name;
        prepare(&g);
        g.c->fr[F2] = number(-3), g.c->fr[F3] = number(2);
        execute(&g, name, 0);
        cr_assert_eq(value_of(&g.c->fr[F1]), cases[k].first, "%s", name);
        g.c->fr[F2] = number(2), g.c->fr[F3] = number(-3);
        execute(&g, name, 0);
        cr_assert_eq(value_of(&g.c->fr[F1]), cases[k].second, "%s", name);
        /* equal or unordered: f3 */
        g.c->fr[F2] = number(0), g.c->fr[F3] = (struct ipf_fr){ .sign = 1 };
        execute(&g, name, 0);
        assert_fr(&g, F1, (struct ipf_fr){ .sign = 1 });
        g.c->fr[F2] = quiet_nan, g.c->fr[F3] = number(5);
        execute(&g, name, 3);
        cr_assert_eq(value_of(&g.c->fr[F1]), 5);
        cr_assert_eq(sf_flags(&g, 3), FLOAT_V);
        /* both halves of the parallel form */
        char parallel[8];
        snprintf(parallel, sizeof parallel, "fp%s", name + 1);
        g.c->fr[F2] = pair(0xc0400000, 0x40000000), g.c->fr[F3] = pair(0x40000000, 0xc0400000);
        execute(&g, parallel, 0);
        bool low = cases[k].first == -3;
        assert_fr(&g, F1, pair(low ? 0xc0400000 : 0x40000000, low ? 0xc0400000 : 0x40000000));
    }
    guest_end(&g);
}

/* ---- conversions ---- */

Test(ipf_float, conversions)
{
    static const struct {
        const char *name;
        uint64_t positive, negative; /* of 2.5 and -2.5 */
        unsigned flags;              /* of -2.5         */
    } cases[] = {
        { "fcvt.fx", 2, (uint64_t)-2, FLOAT_I },
        { "fcvt.fx.trunc", 2, (uint64_t)-2, FLOAT_I },
        { "fcvt.fxu", 2, BIT(63), FLOAT_V },
        { "fcvt.fxu.trunc", 2, BIT(63), FLOAT_V },
        { "fpcvt.fx", UINT64_C(0x300000002), UINT64_C(0xfffffffdfffffffe), FLOAT_I },
        { "fpcvt.fx.trunc", UINT64_C(0x200000002), UINT64_C(0xfffffffefffffffe), FLOAT_I },
        { "fpcvt.fxu", UINT64_C(0x300000002), UINT64_C(0x8000000080000000), FLOAT_V },
        { "fpcvt.fxu.trunc", UINT64_C(0x200000002), UINT64_C(0x8000000080000000), FLOAT_V },
    };
    struct guest g = guest_new();
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        bool parallel = cases[k].name[1] == 'p';
        prepare(&g);
        g.c->fr[F2] = parallel ? pair(0x40266666, 0x40200000) : number(2.5); /* 2.6, 2.5 */
        execute(&g, cases[k].name, 1);
        assert_fr(&g, F1, (struct ipf_fr){ cases[k].positive, FR_INTEGER, 0 });
        cr_assert_eq(sf_flags(&g, 1), FLOAT_I);
        g.c->fr[F2] = parallel ? pair(0xc0266666, 0xc0200000) : number(-2.5);
        execute(&g, cases[k].name, 2);
        assert_fr(&g, F1, (struct ipf_fr){ cases[k].negative, FR_INTEGER, 0 });
        cr_assert_eq(sf_flags(&g, 2), cases[k].flags, "%s", cases[k].name);
    }
    g.c->fr[F2] = (struct ipf_fr){ (uint64_t)-40, FR_INTEGER, 0 };
    execute(&g, "fcvt.xf", 0);
    assert_fr(&g, F1, number(-40));
    guest_end(&g);
}

/* ---- approximations ---- */

/* A quotient as compilers compute it (SDM vol. 3, frcpa; "Divide and Square Root"), to a few units
 * in the last place; float_check.c looks at the approximation itself. */
static bool approximate(struct guest *g, const char *name, struct ipf_fr x, struct ipf_fr y)
{
    struct row r = float_row(name);
    prepare(g);
    g->c->fr[F2] = x, g->c->fr[F3] = y;
    guest_execute(g, &r, with_field(encoded(&r, 0, F1, F2, F3), 27, 6, 20));
    assert_went_on(g, name);
    return g->c->pr >> 20 & 1;
}

Test(ipf_float, approximations)
{
    struct guest g = guest_new();
    const struct ipf_fr plus = { BIT(63), FR_SPECIAL, 0 }, minus = { BIT(63), FR_SPECIAL, 1 };
    cr_assert(approximate(&g, "frcpa", number(1), number(3)));
    assert_fr(&g, F1, (struct ipf_fr){ UINT64_C(0xaa80000000000000), 0xfffd, 0 });
    cr_assert(approximate(&g, "frsqrta", number(0), number(2)));
    assert_fr(&g, F1, (struct ipf_fr){ UINT64_C(0xb4a0000000000000), 0xfffe, 0 });
    cr_assert(!approximate(&g, "frcpa", number(1), number(0)));
    assert_fr(&g, F1, plus);
    cr_assert_eq(sf_flags(&g, 0), FLOAT_Z);
    cr_assert(!approximate(&g, "frcpa", number(-1), plus));
    assert_fr(&g, F1, (struct ipf_fr){ .sign = 1 });
    cr_assert(!approximate(&g, "frcpa", number(0), number(0)));
    cr_assert_eq(sf_flags(&g, 0), FLOAT_V);
    cr_assert(!approximate(&g, "frsqrta", number(0), number(-1)));
    assert_fr(&g, F1, fr_indefinite);
    cr_assert(!approximate(&g, "frsqrta", number(0), (struct ipf_fr){ .sign = 1 }));
    assert_fr(&g, F1, (struct ipf_fr){ .sign = 1 });
    /* the halves: of a reciprocal root zero gives infinity and infinity zero */
    cr_assert(!approximate(&g, "fprsqrta", number(0), pair(0x80000000, 0x7f800000)));
    assert_fr(&g, F1, pair(0xff800000, 0));
    cr_assert(approximate(&g, "fprsqrta", number(0), pair(0x40800000, 0x40000000)));
    assert_fr(&g, F1, pair(0x3eff8000, 0x3f34a000));
    const struct ipf_fr ones = pair(0x3f800000, 0x3f800000);
    cr_assert(approximate(&g, "fprcpa", ones, pair(0x40400000, 0xc0400000)));
    assert_fr(&g, F1, pair(0x3eaa8000, 0xbeaa8000));
    /* a denormal divisor and one whose reciprocal would be denormal */
    cr_assert(!approximate(&g, "fprcpa", ones, pair(0x80000001, 0xfe000000)));
    assert_fr(&g, F1, pair(0xff800000, 0x80000000));
    cr_assert_eq(sf_flags(&g, 0), FLOAT_D);
    cr_assert(!approximate(&g, "frcpa", plus, minus));
    assert_fr(&g, F1, fr_indefinite);
    guest_end(&g);
}

/* p2 is cleared by a false predicate. */
Test(ipf_float, approximations_clear_p2)
{
    static const char *const names[] = { "frcpa", "frsqrta", "fprcpa", "fprsqrta" };
    struct guest g = guest_new();
    for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
        struct row r = float_row(names[k]);
        prepare(&g);
        g.c->pr = BIT(20) | BIT(21) | 1;
        struct ipf_fr before = g.c->fr[F1] = number(9);
        guest_execute(&g, &r, with_field(encoded(&r, 3, F1, F2, F3), 27, 6, 20));
        cr_assert_eq(g.c->pr, BIT(21) | 1, "%s", names[k]);
        assert_fr(&g, F1, before);
    }
    guest_end(&g);
}

/* ---- parallel arithmetic ---- */

Test(ipf_float, parallel_multiply_add)
{
    struct guest g = guest_new();
    static const struct {
        const char *name;
        uint32_t high, low;
    } cases[] = {
        { "fpma", 0x40e00000, 0xc0a00000 },  /* 3 * 2 + 1 = 7,   -3 * 2 + 1 = -5  */
        { "fpms", 0x40a00000, 0xc0e00000 },  /* 3 * 2 - 1 = 5,   -3 * 2 - 1 = -7  */
        { "fpnma", 0xc0a00000, 0x40e00000 }, /* -(3 * 2) + 1 = -5, 3 * 2 + 1 = 7  */
    };
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        prepare(&g);
        g.c->fr[F2] = pair(0x3f800000, 0x3f800000);
        g.c->fr[F3] = pair(0x40400000, 0xc0400000);
        g.c->fr[F4] = pair(0x40000000, 0x40000000);
        execute(&g, cases[k].name, 0);
        assert_fr(&g, F1, pair(cases[k].high, cases[k].low));
    }
    /* a fault of both halves: V of the high one, D of the low one */
    prepare(&g);
    g.c->ar[AR_FPSR] &= ~(uint64_t)(FLOAT_V | FLOAT_D);
    g.c->fr[F2] = pair(0x7f800001, 0x00000001);
    execute(&g, "fpma", 0);
    assert_fault(&g, VECTOR_FLOAT_FAULT, 0x21, "fpma");
    /* a trap of the low half: its exponent is wrapped to 8 bits */
    prepare(&g);
    g.c->ar[AR_FPSR] &= ~(uint64_t)FLOAT_O;
    g.c->fr[F2] = pair(0, 0);
    g.c->fr[F3] = pair(0x3f800000, 0x7f000000);
    g.c->fr[F4] = pair(0x3f800000, 0x40800000);
    execute(&g, "fpma", 0);
    cr_assert(faulted(&g, VECTOR_FLOAT_TRAP));
    cr_assert_eq(g.c->cr[CR_ISR] & 0xffff, 1 << 7 | 1);
    assert_fr(&g, F1, pair(0x3f800000, 0x00000000));
    guest_end(&g);
}

Test(ipf_float, parallel_comparisons)
{
    static const struct {
        const char *name;
        unsigned less, equal, unordered;
    } cases[] = {
        { "fpcmp.eq", 0, 1, 0 },  { "fpcmp.lt", 1, 0, 0 },  { "fpcmp.le", 1, 1, 0 },
        { "fpcmp.unord", 0, 0, 1 }, { "fpcmp.neq", 1, 0, 1 }, { "fpcmp.nlt", 0, 1, 1 },
        { "fpcmp.nle", 0, 0, 1 }, { "fpcmp.ord", 1, 1, 0 },
    };
    struct guest g = guest_new();
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        prepare(&g);
        g.c->fr[F2] = pair(0x3f800000, 0x40000000), g.c->fr[F3] = pair(0x40000000, 0x40000000);
        execute(&g, cases[k].name, 0);
        assert_fr(&g, F1, pair(-cases[k].less, -cases[k].equal));
        g.c->fr[F2] = pair(0x7fc00000, 0x3f800000);
        execute(&g, cases[k].name, 0);
        assert_fr(&g, F1, pair(-cases[k].unordered, -cases[k].less));
    }
    guest_end(&g);
}
