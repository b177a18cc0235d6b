// SPDX-License-Identifier: Apache-2.0
// F2XM1, FYL2X, FYL2XP1, computed with 128 bits.
#include "cpu/f80_wide.h"

static const struct wide ln2 = { false, F80_BIAS - 1,
                                 WIDE_SIG(0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af) };
static const struct wide two_over_ln2 = {
    false, F80_BIAS + 1, WIDE_SIG(0xb8aa3b295c17f0bb, 0xbe87fed0691d3e89)
};

/* (e^z - 1) / z = 1 + z/2 (1 + z/3 (1 + ...)), |z| < 0.7, in fixed point; never 1 exactly. */
static u128 exponential_series(u128 z, bool negative)
{
    u128 t = FIX_ONE;
    for (unsigned n = 36; n >= 2; n--) {
        u128 term = fix_mul(z, t) / n;
        t = negative ? FIX_ONE - term : FIX_ONE + term;
    }
    if (t == FIX_ONE)
        return negative ? t - 1 : t + 1;
    return t;
}

struct f80 f80_2xm1(struct f80_env *e, struct f80 x)
{
    static const struct f80 minus_half = { UINT64_C(0x8000000000000000), 0x8000 | (F80_BIAS - 1) };
    struct f80 r;
    if (f80_special(e, x, &r))
        return r;
    f80_note_denormal(e, x);
    if (x.frac == 0)
        return x;
    if (f80_classify(x) == F80_INFINITY)
        return f80_sign(x) ? (struct f80){ f80_one.frac, f80_one.sexp | 0x8000 } : x;
    struct wide w = wide_of(x);
    if (w.exp >= F80_BIAS) {                   /* |x| > 1 is undefined: silicon leaves x */
        e->flags |= FPU_PE;
        return w.sign && w.exp == F80_BIAS && x.frac == BIT(63) ? minus_half : x;
    }
    struct wide z = wide_mul(w, ln2);
    z = wide_mul(z, wide_of_fix(exponential_series(fix_of_wide(z), w.sign)));
    return f80_round64(e, wide_inexact(z));
}

/* 2 atanh(s) / ln 2 = log2((1 + s) / (1 - s)), |s| < 0.21. */
static struct wide log2_series(struct wide s)
{
    u128 small = fix_of_wide(s), z = fix_mul(small, small), t = FIX_ONE / 57;
    for (unsigned n = 55; n <= 55; n -= 2)
        t = FIX_ONE / n + fix_mul(z, t);
    return wide_mul(wide_mul(s, two_over_ln2), wide_of_fix(t));
}

/* log2(x), x > 0: the exponent plus the logarithm of a number between sqrt(1/2) and sqrt(2). */
static struct wide wide_log2(struct wide x)
{
    static const u128 sqrt2 = WIDE_SIG(0xb504f333f9de6484, 0x597d89b3754abe9f);
    bool upper = x.sig > sqrt2;
    int exponent = x.exp - F80_BIAS + upper;
    struct wide m = { false, F80_BIAS - upper, x.sig }, one = wide_of_int(1);
    struct wide difference = wide_add(m, wide_negate_if(true, one));
    if (difference.sig == 0)
        return wide_of_int(exponent);
    struct wide s = wide_div(difference, wide_add(m, one));
    return wide_inexact(wide_add(wide_of_int(exponent), log2_series(s)));
}

/* y * log, log not 0 unless exactly so; y may be 0 or infinite. */
static struct f80 log_product(struct f80_env *e, struct wide log, struct f80 y)
{
    if (f80_classify(y) == F80_INFINITY)
        return log.sig ? f80_infinity(log.sign != f80_sign(y)) : f80_invalid(e);
    if (log.sig == 0 || y.frac == 0)
        return f80_zero(log.sign != f80_sign(y));
    return f80_round_inexact(e, wide_mul(wide_of(y), log));
}

/* SDM vol. 2, table "FYL2X Results". */
struct f80 f80_yl2x(struct f80_env *e, struct f80 x, struct f80 y)
{
    struct f80 r;
    if (f80_special2(e, x, y, &r))
        return r;
    enum f80_class kx = f80_classify(x), ky = f80_classify(y);
    if ((f80_sign(x) && kx != F80_ZERO) || (kx == F80_INFINITY && ky == F80_ZERO) ||
        (kx == F80_ZERO && ky == F80_ZERO) ||
        (ky == F80_INFINITY && x.frac == f80_one.frac && x.sexp == f80_one.sexp))
        return f80_invalid(e);
    if (kx == F80_ZERO) {
        if (ky != F80_INFINITY)
            e->flags |= FPU_ZE;
        return f80_infinity(!f80_sign(y));
    }
    f80_note_denormals(e, x, y);
    if (kx == F80_INFINITY)
        return f80_infinity(f80_sign(y));
    return log_product(e, wide_log2(wide_of(x)), y);
}

/* SDM vol. 2, table "FYL2XP1 Results".  |x| > 1 - sqrt(1/2) is undefined; we go on as far as the
 * logarithm exists. */
struct f80 f80_yl2xp1(struct f80_env *e, struct f80 x, struct f80 y)
{
    struct f80 r;
    if (f80_special2(e, x, y, &r))
        return r;
    enum f80_class kx = f80_classify(x), ky = f80_classify(y);
    if ((kx == F80_ZERO && ky == F80_INFINITY) ||
        (kx == F80_INFINITY && (f80_sign(x) || ky == F80_ZERO)))
        return f80_invalid(e);
    f80_note_denormals(e, x, y);
    if (kx == F80_INFINITY)
        return f80_infinity(f80_sign(y));
    if (kx == F80_ZERO || ky == F80_ZERO)
        return f80_zero(f80_sign(x) != f80_sign(y));
    if (ky == F80_INFINITY)
        return f80_infinity(f80_sign(x) != f80_sign(y));
    struct wide w = wide_of(x), sum = wide_add(w, wide_of_int(1));
    if (sum.sig == 0 || sum.sign) {
        e->flags |= FPU_PE;                    /* undefined; silicon answers x */
        return x;
    }
    bool near =
        w.exp < F80_BIAS - 2 || (w.exp == F80_BIAS - 2 && x.frac < UINT64_C(0x95f619980c433000));
    struct wide log = near ? log2_series(wide_div(w, wide_add(w, wide_of_int(2)))) : wide_log2(sum);
    return log_product(e, wide_inexact(log), y);
}
