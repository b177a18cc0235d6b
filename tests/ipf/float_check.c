// SPDX-License-Identifier: Apache-2.0
// float_check TIMES [SEED]: Itanium floating-point arithmetic on random operands, judged by MPFR.
// Every operation is computed exactly there, rounded by this program's own reading of the manual
// (SDM vol. 1, "Floating-point Arithmetic" and "Floating-point Exceptions"), and compared with
// result, flags and the direction of rounding.  Ends with status 1 at the first difference.
#include <inttypes.h>
#include <math.h>
#include <mpfr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipf/float.h"

enum { PRECISION = 280000 }; /* bits: exact sums of any two products */

static uint64_t state;
static uint64_t random_bits(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545f4914f6cdd1d);
}
static unsigned below(unsigned n) { return (unsigned)((random_bits() >> 33) % n); }

/* ---- operands ---- */

/* Exponents near the limits of all formats, and near those of another operand. */
static uint32_t random_exponent(uint32_t near)
{
    static const uint32_t limits[] = {
        0,       1,       2,       64,      0xc001,  0xfc01,  0xff81, 0xffff, 0x1003e,
        0x1007e, 0x103fe, 0x13ffe, 0x1fffd, 0x1fffe, 0x1ffff, 0xffff, 0xfffe, 0x10000,
    };
    switch (below(5)) {
    case 0: return (uint32_t)random_bits() & 0x1ffff;
    case 1: return (limits[below(ARRAY_SIZE(limits))] + below(130) - 65) & 0x1ffff;
    case 2: return (near + below(140) - 70) & 0x1ffff;
    case 3: return limits[below(ARRAY_SIZE(limits))];
    default: return 0xffff + below(64) - 32;
    }
}
static uint64_t random_significand(void)
{
    static const uint64_t corners[] = {
        0, 1, BIT(63), BIT(63) | 1, ~UINT64_C(0), BIT(62), UINT64_C(3) << 62, BIT(63) - 1,
        UINT64_C(0xffffff0000000000), UINT64_C(0xffffff8000000000),
        UINT64_C(0xfffffffffffff800), UINT64_C(0xfffffffffffffc00),
    };
    uint64_t v = random_bits();
    switch (below(6)) {
    case 0: return corners[below(ARRAY_SIZE(corners))];
    case 1: return v;
    case 2: return v | BIT(63);
    case 3: return (v | BIT(63)) & ~UINT64_C(0) << below(64);
    case 4: return BIT(63) | (v & 0xff) << below(56);
    default: return ~(v & 0xff) | BIT(63);
    }
}
static struct ipf_fr random_fr(uint32_t near)
{
    return (struct ipf_fr){
        .significand = random_significand(),
        .exponent = random_exponent(near),
        .sign = below(2),
    };
}

static struct float_env random_env(void)
{
    static const uint8_t formats[][2] = { { 24, 8 },  { 53, 11 }, { 64, 15 }, { 24, 17 },
                                          { 53, 17 }, { 64, 17 }, { 24, 15 }, { 53, 15 } };
    const uint8_t *f = formats[below(ARRAY_SIZE(formats))];
    struct float_env e = { .precision = f[0], .range = f[1], .rounding = (uint8_t)below(4) };
    e.enabled = below(3) ? 0 : (uint8_t)below(64);
    e.flush = !below(4) && !(e.enabled & FLOAT_U);
    return e;
}

static void print_fr(const char *name, const struct ipf_fr *f)
{
    printf("  %s %u.%05x.%016" PRIx64 "\n", name, f->sign, f->exponent, f->significand);
}
static bool same(const struct ipf_fr *a, const struct ipf_fr *b)
{
    return a->sign == b->sign && a->exponent == b->exponent && a->significand == b->significand;
}

/* ---- the judge ---- */

struct judged {
    struct ipf_fr value;
    unsigned flags;
    bool away;
};

static bool is_finite(const struct ipf_fr *f) { return f->exponent != FR_SPECIAL; }
static void to_mpfr(mpfr_t x, const struct ipf_fr *f)
{
    long exponent = f->exponent ? (long)f->exponent : 0xc001;
    mpfr_set_uj_2exp(x, f->significand, exponent - FR_BIAS - 63, MPFR_RNDN);
    if (f->sign)
        mpfr_neg(x, x, MPFR_RNDN);
}

static const mpfr_rnd_t directions[] = { MPFR_RNDN, MPFR_RNDD, MPFR_RNDU, MPFR_RNDZ };

/* x, which is not 0, rounded to a multiple of 2^lsb; the return value says whether that is not x,
 * *away whether it is greater in magnitude. */
static bool round_to(mpfr_t r, const mpfr_t x, long lsb, unsigned rounding, bool *away)
{
    mpfr_t scaled;
    mpfr_init2(scaled, PRECISION);
    mpfr_mul_2si(scaled, x, -lsb, MPFR_RNDN);
    if (rounding == ROUND_NEAREST)
        mpfr_roundeven(r, scaled);
    else
        mpfr_rint(r, scaled, directions[rounding]);
    *away = mpfr_cmpabs(r, scaled) > 0;
    bool inexact = !mpfr_equal_p(r, scaled);
    mpfr_mul_2si(r, r, lsb, MPFR_RNDN);
    mpfr_clear(scaled);
    return inexact;
}
/* Number of the leading bit of x, 0 for 1 <= x < 2. */
static long exponent_of(const mpfr_t x) { return (long)mpfr_get_exp(x) - 1; }

/* A rounded number as a register, with the leading bit, or for a denormal the bit of weight
 * 2^least, at bit 63. */
static struct ipf_fr to_register(const mpfr_t x, long least, uint32_t mask)
{
    if (mpfr_zero_p(x))
        return (struct ipf_fr){ .sign = mpfr_signbit(x) != 0 };
    long exponent = exponent_of(x) < least ? least : exponent_of(x);
    mpfr_t s;
    mpfr_init2(s, 128);
    mpfr_mul_2si(s, x, 63 - exponent, MPFR_RNDN);
    mpfr_abs(s, s, MPFR_RNDN);
    struct ipf_fr f = {
        .significand = mpfr_get_uj(s, MPFR_RNDN),
        .exponent = (uint32_t)(exponent + FR_BIAS) & mask,
        .sign = mpfr_signbit(x) != 0,
    };
    mpfr_clear(s);
    return f;
}

static struct ipf_fr overflowed(const struct float_env *e, bool negative, long greatest, bool *away)
{
    unsigned outwards = negative ? ROUND_DOWN : ROUND_UP;
    *away = e->rounding == ROUND_NEAREST || e->rounding == outwards;
    if (*away)
        return (struct ipf_fr){ BIT(63), FR_SPECIAL, negative };
    return (struct ipf_fr){ ~UINT64_C(0) << (64 - e->precision), (uint32_t)(greatest + FR_BIAS),
                            negative };
}

/* Rounds x, which is not 0. */
static struct judged rounded(const struct float_env *e, const mpfr_t x)
{
    long greatest = e->range == 17 ? 65535 : (1L << (e->range - 1)) - 1;
    long least = e->range == 17 ? -65534 : 1 - greatest;
    bool negative = mpfr_signbit(x) != 0, inexact;
    struct judged j = { .flags = 0 };
    mpfr_t r;
    mpfr_init2(r, PRECISION);
    inexact = round_to(r, x, exponent_of(x) - e->precision + 1, e->rounding, &j.away);
    bool huge = exponent_of(r) > greatest, small = exponent_of(r) < least;
    if (huge && !(e->enabled & FLOAT_O)) {
        j.value = overflowed(e, negative, greatest, &j.away);
        j.flags = FLOAT_O | FLOAT_I;
    } else if (small && e->flush) {
        j = (struct judged){ { .sign = negative }, FLOAT_U | FLOAT_I, false };
    } else if (small && !(e->enabled & FLOAT_U)) {
        inexact = round_to(r, x, least - e->precision + 1, e->rounding, &j.away);
        j.value = to_register(r, least, 0x1ffff);
        j.value.sign = negative;
        if (e->range == 15 && !(j.value.significand >> 63))
            j.value.exponent = 0;
        j.flags = inexact ? FLOAT_U | FLOAT_I : 0;
    } else {
        j.value = to_register(r, -10000000, 0x1ffff);
        j.flags = (inexact ? FLOAT_I : 0) | (huge ? FLOAT_O : 0) | (small ? FLOAT_U : 0);
    }
    mpfr_clear(r);
    return j;
}

static bool is_unsupported(const struct ipf_fr *f)
{
    return f->exponent == FR_SPECIAL && f->significand < BIT(63);
}
static bool is_nan(const struct ipf_fr *f)
{
    return f->exponent == FR_SPECIAL && f->significand > BIT(63);
}
static bool is_infinity(const struct ipf_fr *f)
{
    return f->exponent == FR_SPECIAL && f->significand == BIT(63);
}
static bool is_unnormal(const struct ipf_fr *f)
{
    bool denormal = f->exponent == 0 && f->significand != 0;
    return is_finite(f) && (denormal || (f->exponent != 0 && f->significand < BIT(63)));
}
static const struct ipf_fr indefinite = { UINT64_C(3) << 62, FR_SPECIAL, 1 };

/* The first of n operands in the manual's order that is a NaN decides; false: none is. */
static bool nan_result(const struct ipf_fr *const *f, unsigned n, struct judged *j)
{
    const struct ipf_fr *first = NULL;
    *j = (struct judged){ .flags = 0 };
    for (unsigned k = 0; k < n; k++)
        if (is_unsupported(f[k])) {
            *j = (struct judged){ indefinite, FLOAT_V, false };
            return true;
        }
    for (unsigned k = n; k-- > 0;) {
        first = is_nan(f[k]) ? f[k] : first;
        if (is_nan(f[k]) && !(f[k]->significand & BIT(62)))
            j->flags = FLOAT_V;
    }
    if (first) {
        j->value = *first;
        j->value.significand |= BIT(62);
    }
    return first != NULL;
}

static struct judged judged_sum(const struct float_env *e, const struct ipf_fr *a,
                                const struct ipf_fr *b, const struct ipf_fr *c, bool product_sign)
{
    mpfr_t x, y, z;
    mpfr_inits2(PRECISION, x, y, z, NULL);
    to_mpfr(x, a), to_mpfr(y, b);
    mpfr_mul(x, x, y, MPFR_RNDN);
    mpfr_setsign(x, x, product_sign, MPFR_RNDN);
    bool zero_product = mpfr_zero_p(x);
    if (c) {
        to_mpfr(z, c);
        mpfr_add(x, x, z, MPFR_RNDN);
    }
    struct judged j;
    if (!mpfr_zero_p(x))
        j = rounded(e, x);
    else if (!c || (zero_product && !c->significand && c->sign == product_sign))
        j = (struct judged){ { .sign = product_sign }, 0, false };
    else
        j = (struct judged){ { .sign = e->rounding == ROUND_DOWN }, 0, false };
    mpfr_clears(x, y, z, NULL);
    return j;
}

/* a * b + c as fma computes f3 * f4 + f2. */
static struct judged judged_fma(const struct float_env *e, struct ipf_fr a, struct ipf_fr b,
                                const struct ipf_fr *addend, bool negate_product,
                                bool negate_addend)
{
    const struct ipf_fr zero = { 0 };
    struct ipf_fr c = addend ? *addend : zero;
    struct judged j;
    bool sign = a.sign ^ b.sign ^ negate_product;
    if (nan_result((const struct ipf_fr *[]){ &b, &c, &a }, 3, &j))
        return j;
    c.sign ^= negate_addend;
    bool infinite = is_infinity(&a) || is_infinity(&b);
    bool zeros = same(&(struct ipf_fr){ a.significand, a.exponent, 0 }, &zero) ||
                 same(&(struct ipf_fr){ b.significand, b.exponent, 0 }, &zero);
    if (infinite && (zeros || (is_infinity(&c) && c.sign != sign)))
        return (struct judged){ indefinite, FLOAT_V, false };
    unsigned d = is_unnormal(&a) || is_unnormal(&b) || is_unnormal(&c) ? FLOAT_D : 0;
    if (infinite)
        return (struct judged){ { BIT(63), FR_SPECIAL, sign }, d, false };
    if (is_infinity(&c))
        return (struct judged){ c, d, false };
    j = judged_sum(e, &a, &b, addend ? &c : NULL, sign);
    j.flags |= d;
    return j;
}

/* ---- comparisons of what both say ---- */

static unsigned long differences;

static void report(const char *what, const struct float_env *e, const struct ipf_fr *got,
                   const struct float_env *after, const struct judged *j)
{
    printf("%s: precision %u, range %u, rounding %u, flush %d, enabled %02x\n", what, e->precision,
           e->range, e->rounding, e->flush, e->enabled);
    print_fr("got     ", got);
    print_fr("expected", &j->value);
    printf("  flags %02x for %02x, away %d for %d\n", after->flags, j->flags, after->away, j->away);
    differences++;
}

static struct ipf_fr not_natval(struct ipf_fr f)
{
    f.sign |= float_is_natval(&f);
    return f;
}

static void check_fma(void)
{
    struct float_env e = random_env(), after = e;
    struct ipf_fr a = not_natval(random_fr(0xffff)), b = not_natval(random_fr(a.exponent));
    struct ipf_fr c = not_natval(random_fr((a.exponent + b.exponent - FR_BIAS) & 0x1ffff));
    bool negate_product = below(2), negate_addend = below(2), no_addend = !below(8);
    if (!below(8)) { /* cancellation */
        b = (struct ipf_fr){ BIT(63), FR_BIAS, 0 };
        c = a;
        c.significand ^= below(4) * UINT64_C(1);
    }
    c = not_natval(c);
    const struct ipf_fr *addend = no_addend ? NULL : &c;
    struct judged j = judged_fma(&e, a, b, addend, negate_product, negate_addend);
    struct ipf_fr r = float_multiply_add(&after, a, b, addend, negate_product, negate_addend);
    bool faults = j.flags & e.enabled & FLOAT_FAULTS;
    if (after.flags == j.flags && (faults || (same(&r, &j.value) && after.away == j.away)))
        return;
    print_fr("a", &a), print_fr("b", &b), print_fr("c", &c);
    printf("  no addend %d, negated %d %d\n", no_addend, negate_product, negate_addend);
    report("multiply-add", &e, &r, &after, &j);
}

static void check_compare(void)
{
    struct float_env e = { 0 };
    struct ipf_fr a = not_natval(random_fr(0xffff)), b = not_natval(random_fr(a.exponent));
    if (!below(3))
        b = a;
    bool signals = below(2);
    struct judged j;
    int expected = 2;
    if (nan_result((const struct ipf_fr *[]){ &a, &b }, 2, &j)) {
        j.flags |= signals ? FLOAT_V : 0;
    } else {
        mpfr_t x, y;
        mpfr_inits2(128, x, y, NULL);
        is_infinity(&a) ? mpfr_set_inf(x, a.sign ? -1 : 1) : to_mpfr(x, &a);
        is_infinity(&b) ? mpfr_set_inf(y, b.sign ? -1 : 1) : to_mpfr(y, &b);
        expected = mpfr_cmp(x, y);
        expected = expected < 0 ? -1 : expected > 0;
        j.flags = is_unnormal(&a) || is_unnormal(&b) ? FLOAT_D : 0;
        mpfr_clears(x, y, NULL);
    }
    int order = float_compare(&e, &a, &b, signals);
    if (order == expected && e.flags == j.flags)
        return;
    print_fr("a", &a), print_fr("b", &b);
    printf("compare: %d for %d, flags %02x for %02x\n", order, expected, e.flags, j.flags);
    differences++;
}

static void check_to_integer(void)
{
    struct float_env e = random_env(), after = e;
    struct ipf_fr a = random_fr(FR_INTEGER);
    unsigned bits = below(2) ? 64 : 32, flags = FLOAT_V;
    bool is_signed = below(2), away = false;
    uint64_t expected = BIT(bits - 1);
    mpfr_t x, r, low, high;
    mpfr_inits2(PRECISION, x, r, low, high, NULL);
    mpfr_set_ui_2exp(high, 1, bits - is_signed, MPFR_RNDN);
    mpfr_set_ui(low, 0, MPFR_RNDN);
    is_signed ? mpfr_neg(low, high, MPFR_RNDN) : 0;
    if (is_finite(&a)) {
        to_mpfr(x, &a);
        bool inexact = round_to(r, x, 0, e.rounding, &away);
        if (mpfr_greaterequal_p(r, low) && mpfr_less_p(r, high)) {
            flags = (is_unnormal(&a) ? FLOAT_D : 0) | (inexact ? FLOAT_I : 0);
            expected = is_signed ? (uint64_t)mpfr_get_sj(r, MPFR_RNDN) : mpfr_get_uj(r, MPFR_RNDN);
            expected &= bits == 64 ? ~UINT64_C(0) : UINT32_MAX;
        }
    }
    mpfr_clears(x, r, low, high, NULL);
    uint64_t v = float_to_integer(&after, &a, bits, is_signed);
    if (v == expected && after.flags == flags && (flags == FLOAT_V || after.away == away))
        return;
    print_fr("a", &a);
    printf("to integer %u %d rounding %u: %" PRIx64 " for %" PRIx64 ", flags %02x for %02x\n", bits,
           is_signed, e.rounding, v, expected, after.flags, flags);
    differences++;
}

/* The extreme cases give the quotient, the others an approximation whose relative error is below
 * 2^-8.886 (SDM vol. 3, frcpa). */
static void check_reciprocal(void)
{
    struct float_env e = random_env(), after = e;
    struct ipf_fr a = random_fr(0xffff), b = random_fr(a.exponent), r;
    a.significand |= 1, b.significand |= 1;
    a.exponent %= FR_SPECIAL, b.exponent %= FR_SPECIAL;
    unsigned d = is_unnormal(&a) || is_unnormal(&b) ? FLOAT_D : 0;
    mpfr_t x, y, q;
    mpfr_inits2(PRECISION, x, y, q, NULL);
    to_mpfr(x, &a), to_mpfr(y, &b);
    long ea = exponent_of(x), eb = exponent_of(y);
    bool extreme = eb < -65534 || eb >= 65533 || ea - eb >= 65535 || ea - eb <= -65533 ||
                   ea <= -65471;
    bool refine = float_reciprocal(&after, a, b, &r);
    struct judged j = { .flags = d };
    if (extreme) {
        mpfr_set_prec(q, 300);
        int inexact = mpfr_div(q, x, y, MPFR_RNDZ);
        mpfr_prec_round(q, 400, MPFR_RNDN);
        if (inexact) /* a bit that no rounding misses */
            mpfr_signbit(q) ? mpfr_nextbelow(q) : mpfr_nextabove(q);
        j = rounded(&e, q);
        j.flags |= d;
        if (refine || !same(&r, &j.value) || after.flags != j.flags)
            report("quotient", &e, &r, &after, &j);
    } else {
        to_mpfr(q, &r);
        mpfr_mul(q, q, y, MPFR_RNDN);
        mpfr_sub_ui(q, q, 1, MPFR_RNDN);
        double error = fabs(mpfr_get_d(q, MPFR_RNDA));
        if (!refine || error >= exp2(-8.886) || after.flags != d || r.significand & (BIT(53) - 1)) {
            printf("error %g\n", error);
            report("reciprocal", &e, &r, &after, &j);
        }
    }
    mpfr_clears(x, y, q, NULL);
}

/* Likewise the root; the bound is 2^-8.831 (SDM vol. 3, frsqrta). */
static void check_root(void)
{
    struct float_env e = random_env(), after = e;
    struct ipf_fr a = random_fr(64), r;
    a.significand |= 1, a.sign = 0;
    a.exponent %= FR_SPECIAL;
    mpfr_t x, q;
    mpfr_inits2(PRECISION, x, q, NULL);
    to_mpfr(x, &a);
    bool extreme = exponent_of(x) <= -65471, refine = float_reciprocal_sqrt(&after, a, &r);
    struct judged j = { .flags = 0 };
    if (extreme) {
        mpfr_set_prec(q, 300);
        int inexact = mpfr_sqrt(q, x, MPFR_RNDZ);
        mpfr_prec_round(q, 400, MPFR_RNDN);
        if (inexact)
            mpfr_nextabove(q);
        j = rounded(&e, q);
        j.flags |= is_unnormal(&a) ? FLOAT_D : 0;
        if (refine || !same(&r, &j.value) || after.flags != j.flags)
            report("square root", &e, &r, &after, &j);
    } else {
        to_mpfr(q, &r);
        mpfr_mul(q, q, q, MPFR_RNDN);
        mpfr_mul(q, q, x, MPFR_RNDN);
        double error = fabs(sqrt(mpfr_get_d(q, MPFR_RNDA)) - 1);
        if (!refine || error >= exp2(-8.831) || r.significand & (BIT(53) - 1)) {
            printf("error %g\n", error);
            report("reciprocal square root", &e, &r, &after, &j);
        }
    }
    mpfr_clears(x, q, NULL);
}

/* ---- division and square root as programs do them ---- */

static const struct float_env wide = { .precision = 64, .range = 17 };
static struct ipf_fr madd(struct ipf_fr a, struct ipf_fr b, struct ipf_fr c)
{
    struct float_env e = wide;
    return float_multiply_add(&e, a, b, &c, false, false);
}
static struct ipf_fr nmadd(struct ipf_fr a, struct ipf_fr b, struct ipf_fr c)
{
    struct float_env e = wide;
    return float_multiply_add(&e, a, b, &c, true, false);
}
static const struct ipf_fr zero = { 0 }, one = { BIT(63), FR_BIAS, 0 },
                           half = { BIT(63), FR_BIAS - 1, 0 };

/* The refinement in registers, the last step in double precision with the rounding asked for. */
static struct ipf_fr divided(struct float_env *e, struct ipf_fr a, struct ipf_fr b)
{
    struct ipf_fr y, q, r;
    if (!float_reciprocal(e, a, b, &y))
        return y;
    for (unsigned k = 0; k < 4; k++)
        y = madd(nmadd(b, y, one), y, y);
    q = madd(a, y, zero);
    q = madd(nmadd(b, q, a), y, q);
    r = nmadd(b, q, a);
    return float_multiply_add(e, r, y, &q, false, false);
}
static struct ipf_fr rooted(struct float_env *e, struct ipf_fr a)
{
    struct ipf_fr y, g, h, r;
    if (!float_reciprocal_sqrt(e, a, &y))
        return y;
    g = madd(a, y, zero), h = madd(half, y, zero);
    for (unsigned k = 0; k < 4; k++) {
        r = nmadd(g, h, half);
        g = madd(g, r, g), h = madd(h, r, h);
    }
    g = madd(nmadd(g, g, a), h, g);
    r = nmadd(g, g, a);
    return float_multiply_add(e, r, h, &g, false, false);
}

/* Doubles in, a double out: correctly rounded in every direction, inexact when it is. */
static void check_sequences(void)
{
    struct float_env e = { .precision = 53, .range = 11, .rounding = (uint8_t)below(4) }, after = e;
    bool root = below(2);
    struct ipf_fr a = { random_significand(), 0xff00 + below(512), 0 };
    struct ipf_fr b = { random_significand(), 0xff00 + below(512), below(2) };
    a.significand = (a.significand | BIT(63)) & ~UINT64_C(0x7ff);
    b.significand = (b.significand | BIT(63)) & ~UINT64_C(0x7ff);
    mpfr_t x, y, q;
    mpfr_inits2(400, x, y, q, NULL);
    to_mpfr(x, &a), to_mpfr(y, &b);
    int inexact = root ? mpfr_sqrt(q, x, MPFR_RNDZ) : mpfr_div(q, x, y, MPFR_RNDZ);
    if (inexact) /* a bit that no rounding misses */
        mpfr_signbit(q) ? mpfr_nextbelow(q) : mpfr_nextabove(q);
    struct judged j = rounded(&e, q);
    struct ipf_fr r = root ? rooted(&after, a) : divided(&after, a, b);
    if (!same(&r, &j.value) || after.flags != j.flags) {
        print_fr("a", &a), print_fr("b", &b);
        report(root ? "square root" : "division", &e, &r, &after, &j);
    }
    mpfr_clears(x, y, q, NULL);
}

/* Memory formats, by what MPFR's numbers of 24 and 53 bits say. */
static void check_formats(void)
{
    uint64_t bits = below(2) ? random_bits() : random_significand();
    double d;
    float f;
    uint32_t low = (uint32_t)(bits >> below(33));
    memcpy(&d, &bits, 8);
    memcpy(&f, &low, 4);
    struct ipf_fr rd = float_from_double(bits), rf = float_from_single(low);
    mpfr_t x, y;
    mpfr_inits2(128, x, y, NULL);
    if (d - d == 0) {
        mpfr_set_d(x, d, MPFR_RNDN);
        to_mpfr(y, &rd);
        differences += mpfr_equal_p(x, y) ? 0 : (unsigned long)printf("double %" PRIx64 "\n", bits);
    }
    if (f - f == 0) {
        mpfr_set_flt(x, f, MPFR_RNDN);
        to_mpfr(y, &rf);
        differences += mpfr_equal_p(x, y) ? 0 : (unsigned long)printf("single %x\n", low);
    }
    mpfr_clears(x, y, NULL);
    if (float_to_double(&rd) != bits || float_to_single(&rf) != low)
        differences += (unsigned long)printf("%" PRIx64 " or %x does not come back\n", bits, low);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3)
        return 2;
    unsigned long times = strtoul(argv[1], NULL, 0);
    state = argc > 2 ? strtoull(argv[2], NULL, 0) | 1 : UINT64_C(88172645463325253);
    mpfr_set_emin(mpfr_get_emin_min());
    mpfr_set_emax(mpfr_get_emax_max());
    static void (*const checks[])(void) = {
        check_fma,        check_fma,        check_compare, check_root,
        check_to_integer, check_reciprocal, check_formats, check_sequences,
    };
    for (unsigned long k = 0; k < times && differences < 10; k++)
        checks[k % ARRAY_SIZE(checks)]();
    printf("%lu operations, %lu differences\n", times, differences);
    return differences != 0;
}
