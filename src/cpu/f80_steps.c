// SPDX-License-Identifier: Apache-2.0
// FPREM, FPREM1, FRNDINT, FSCALE, FXTRACT.
#include "cpu/f80_round.h"

/* An operand as result: no underflow; a pseudo-denormal gets the exponent that it means. */
static struct f80 unchanged(struct f80 a)
{
    a.sexp |= (a.sexp & F80_MAX_EXP) == 0 && a.frac >> 63;
    return a;
}

/* Long division of significands: `steps` quotient bits.  *rest < d on return. */
static uint64_t divide_steps(uint64_t n, uint64_t d, unsigned steps, uint64_t *rest)
{
    u128 r = n;
    uint64_t q = 0;
    for (unsigned k = 0; k < steps; k++) {
        r <<= k != 0;
        q = q << 1 | (r >= d);
        r -= r >= d ? d : 0;
    }
    *rest = (uint64_t)r;
    return q;
}

/* rest * 2^exp with the sign of the dividend. */
static struct f80 remainder_of(struct f80_env *e, bool sign, int exp, u128 rest)
{
    if (rest == 0)
        return f80_zero(sign);
    return f80_round64(e, wide_normalise(sign, exp + 127, rest));
}

/* SDM vol. 2, FPREM: when the exponents differ by 64 or more, a multiple of the divisor is
 * subtracted that lowers the difference by N, "an implementation-dependent number between 32 and
 * 63". */
static struct f80 partial_remainder(struct f80_env *e, struct wide x, struct wide y)
{
    unsigned n = ((unsigned)(x.exp - y.exp) & 31) | 32;
    uint64_t rest;
    divide_steps((uint64_t)(x.sig >> 64), (uint64_t)(y.sig >> 64), n + 1, &rest);
    return remainder_of(e, x.sign, x.exp - (int)n - 63, rest);
}

static struct f80 final_remainder(struct f80_env *e, struct wide x, struct wide y, bool nearest,
                                  unsigned *quotient)
{
    int distance = x.exp - y.exp;
    uint64_t n = (uint64_t)(x.sig >> 64), d = (uint64_t)(y.sig >> 64), rest = n, q = 0;
    if (distance >= 0)
        q = divide_steps(n, d, (unsigned)distance + 1, &rest);
    /* Both in units of half the divisor's last place, so that distance -1 fits as well. */
    u128 twice = distance >= 0 ? (u128)rest << 1 : rest, divisor = (u128)d << 1;
    bool sign = x.sign;
    if (nearest && (twice > d || (twice == d && (q & 1)))) {
        twice = divisor - twice;
        sign = !sign;
        q++;
    }
    *quotient = q & 7;
    return remainder_of(e, twice ? sign : x.sign, y.exp - 64, twice);
}

struct f80 f80_rem(struct f80_env *e, struct f80 a, struct f80 b, bool nearest, unsigned *quotient,
                   bool *partial)
{
    struct f80 r;
    *quotient = 0;
    *partial = false;
    if (f80_special2(e, a, b, &r))
        return r;
    if (f80_classify(a) == F80_INFINITY || b.frac == 0)
        return f80_invalid(e);
    f80_note_denormals(e, a, b);
    struct wide x = wide_of(a), y = wide_of(b);
    if (a.frac == 0 || f80_classify(b) == F80_INFINITY)
        return unchanged(a);
    if (x.exp < y.exp - 1)
        return f80_round64(e, x);
    *partial = x.exp - y.exp >= 64;
    if (*partial)
        return partial_remainder(e, x, y);
    return final_remainder(e, x, y, nearest, quotient);
}

struct f80 f80_round_to_int(struct f80_env *e, struct f80 a)
{
    struct f80 r;
    if (f80_special(e, a, &r))
        return r;
    struct wide x = wide_of(a);
    f80_note_denormal(e, a);
    if (a.frac == 0 || x.exp >= F80_BIAS + 63)
        return a;
    /* Fixed point: the integer in the upper half. */
    unsigned shift = x.exp < F80_BIAS - 64 ? 127 : (unsigned)(F80_BIAS + 63 - x.exp);
    u128 fixed = shift_right_jam(x.sig, shift);
    if (round_sig(&fixed, 64, f80_rc(e), x.sign, &e->rounded_up))
        e->flags |= FPU_PE;
    if (fixed == 0)
        return f80_zero(x.sign);
    x = wide_normalise(x.sign, F80_BIAS + 63, fixed);
    return f80_make(x.sign, (unsigned)x.exp, (uint64_t)(x.sig >> 64));
}

/* SDM vol. 2, table "FSCALE Results". */
static struct f80 scale_by_infinity(struct f80_env *e, struct f80 a, bool negative)
{
    enum f80_class k = f80_classify(a);
    if (k == (negative ? F80_INFINITY : F80_ZERO))
        return f80_invalid(e);
    f80_note_denormal(e, a);
    return negative ? f80_zero(f80_sign(a)) : f80_infinity(f80_sign(a));
}

/* Beyond what the bias adjustment of an unmasked overflow or underflow can bring back, the result
 * is infinity or zero (SDM vol. 1, "Numeric Overflow Exception (#O)", "Numeric Underflow Exception
 * (#U)"). */
static struct f80 scaled(struct f80_env *e, struct wide x)
{
    bool huge = x.exp >= F80_MAX_EXP + F80_BIAS_ADJUST && !(e->control & FPU_OE);
    bool tiny = x.exp <= -F80_BIAS_ADJUST && !(e->control & FPU_UE);
    if (!huge && !tiny)
        return f80_round64(e, x);
    e->flags |= FPU_PE | (huge ? FPU_OE : FPU_UE);
    e->rounded_up = huge;
    return huge ? f80_infinity(x.sign) : f80_zero(x.sign);
}

struct f80 f80_scale(struct f80_env *e, struct f80 a, struct f80 b)
{
    struct f80 r;
    if (f80_special2(e, a, b, &r))
        return r;
    if (f80_classify(b) == F80_INFINITY)
        return scale_by_infinity(e, a, f80_sign(b));
    f80_note_denormals(e, a, b);
    struct wide x = wide_of(a), y = wide_of(b);
    if (x.sig == 0 || y.sig == 0 || f80_classify(a) == F80_INFINITY)
        return unchanged(a);
    int by = 0;
    if (y.exp >= F80_BIAS)
        by = y.exp > F80_BIAS + 16 ? 0x20000 : (int)(y.sig >> (127 - (y.exp - F80_BIAS)));
    x.exp += y.sign ? -by : by;
    return scaled(e, x);
}

struct f80 f80_extract(struct f80_env *e, struct f80 a, struct f80 *exponent)
{
    struct f80 r;
    bool nan = f80_special(e, a, &r);
    *exponent = r;
    if (nan)
        return r;
    if (a.frac == 0) {
        e->flags |= FPU_ZE;
        *exponent = f80_infinity(true);
        return a;
    }
    f80_note_denormal(e, a);
    *exponent = f80_infinity(false);
    if (f80_classify(a) == F80_INFINITY)
        return a;
    struct wide x = wide_of(a);
    *exponent = f80_from_int(x.exp - F80_BIAS);
    return f80_make(x.sign, F80_BIAS, (uint64_t)(x.sig >> 64));
}
