// SPDX-License-Identifier: Apache-2.0
// Conversions of 80-bit values to and from singles, doubles, integers, packed BCD; constants.
#include "cpu/f80_round.h"

/* A narrower IEEE format: significand bits (implied one included), exponent bias, all-ones
 * exponent. */
struct format { unsigned bits; int bias, max_exp; };
static const struct format single_format = { 24, 127, 0xff }, double_format = { 53, 1023, 0x7ff };

static struct f80 widen(struct f80_env *e, uint64_t a, const struct format *f)
{
    unsigned fraction_bits = f->bits - 1;
    int exp = (int)(a >> fraction_bits) & f->max_exp;
    bool sign = a >> fraction_bits > (uint64_t)f->max_exp;
    uint64_t frac = a << (64 - fraction_bits) >> 1;          /* below the integer bit */
    if (exp == f->max_exp)
        return f80_make(sign, F80_MAX_EXP, BIT(63) | frac);
    if (exp)
        return f80_make(sign, (unsigned)(exp - f->bias + F80_BIAS), BIT(63) | frac);
    if (frac == 0)
        return f80_zero(sign);
    e->source_denormal = true;
    unsigned n = (unsigned)__builtin_clzll(frac);
    return f80_make(sign, (unsigned)(1 - f->bias + F80_BIAS) - n, frac << n);
}

struct f80 f80_widen32(struct f80_env *e, uint32_t a) { return widen(e, a, &single_format); }
struct f80 f80_widen64(struct f80_env *e, uint64_t a) { return widen(e, a, &double_format); }

static struct f80 loaded(struct f80_env *e, struct f80 a)
{
    struct f80 r;
    if (f80_special(e, a, &r))
        return r;
    f80_note_denormal(e, a);
    return a;
}
struct f80 f80_load32(struct f80_env *e, uint32_t a) { return loaded(e, f80_widen32(e, a)); }
struct f80 f80_load64(struct f80_env *e, uint64_t a) { return loaded(e, f80_widen64(e, a)); }

static uint64_t pack(const struct format *f, bool sign, int exp, uint64_t significand)
{
    unsigned n = f->bits - 1;
    return ((uint64_t)sign * ((uint64_t)f->max_exp + 1) + (uint64_t)exp) << n |
           (significand & (BIT(n) - 1));
}

static uint64_t narrow_overflow(struct f80_env *e, bool sign, const struct format *f)
{
    enum f80_rounding rc = f80_rc(e);
    e->flags |= FPU_OE;
    if (f80_unmasked(e, FPU_OE)) {
        e->rounded_up = false;
        return 0;
    }
    e->flags |= FPU_PE;
    e->rounded_up = rc == ROUND_NEAREST || rc == (sign ? ROUND_DOWN : ROUND_UP);
    return e->rounded_up ? pack(f, sign, f->max_exp, 0)
                         : pack(f, sign, f->max_exp - 1, ~UINT64_C(0));
}

static uint64_t narrow_underflow(struct f80_env *e, struct wide x, int exp, const struct format *f)
{
    e->rounded_up = false;
    if (!(e->control & FPU_UE)) {
        e->flags |= FPU_UE;
        return 0;
    }
    u128 sig = shift_right_jam(x.sig, exp < -100 ? 127 : (unsigned)(1 - exp));
    if (round_sig(&sig, 128 - f->bits, f80_rc(e), x.sign, &e->rounded_up))
        e->flags |= FPU_UE | FPU_PE;
    return pack(f, x.sign, (int)(sig >> 127), (uint64_t)(sig >> (128 - f->bits)));
}

static uint64_t narrow(struct f80_env *e, struct f80 a, const struct format *f)
{
    struct f80 r;
    if (f80_special(e, a, &r) || f80_classify(a) == F80_INFINITY)
        return pack(f, f80_sign(r), f->max_exp, r.frac >> (64 - f->bits));
    struct wide x = wide_of(a);
    if (x.sig == 0)
        return pack(f, x.sign, 0, 0);
    u128 sig = x.sig;
    int exp = x.exp - F80_BIAS + f->bias;
    bool inexact = round_sig(&sig, 128 - f->bits, f80_rc(e), x.sign, &e->rounded_up);
    int rounded = exp + (sig == 0);
    if (rounded >= f->max_exp)
        return narrow_overflow(e, x.sign, f);
    if (rounded < 1)
        return narrow_underflow(e, x, exp, f);
    e->flags |= inexact ? FPU_PE : 0;
    return pack(f, x.sign, rounded, (uint64_t)(sig >> (128 - f->bits)));
}

uint32_t f80_to_f32(struct f80_env *e, struct f80 a)
{
    return (uint32_t)narrow(e, a, &single_format);
}
uint64_t f80_to_f64(struct f80_env *e, struct f80 a) { return narrow(e, a, &double_format); }

struct f80 f80_from_int(int64_t v)
{
    if (v == 0)
        return f80_zero(false);
    uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    unsigned n = (unsigned)__builtin_clzll(magnitude);
    return f80_make(v < 0, F80_BIAS + 63 - n, magnitude << n);
}

/* Rounds |a| to an integer; false with #IA if it is no number or exceeds `limit`. */
static bool to_magnitude(struct f80_env *e, struct f80 a, enum f80_rounding rc, uint64_t limit,
                         uint64_t *magnitude)
{
    struct wide x = wide_of(a);
    bool number = f80_classify(a) < F80_INFINITY && x.exp < F80_BIAS + 64;
    bool up = false, inexact = false;
    *magnitude = 0;
    if (number) {      /* fixed point: the integer in the upper half */
        unsigned shift = x.exp < F80_BIAS - 64 ? 127 : (unsigned)(F80_BIAS + 63 - x.exp);
        u128 fixed = shift_right_jam(x.sig, shift);
        inexact = round_sig(&fixed, 64, rc, x.sign, &up);
        *magnitude = (uint64_t)(fixed >> 64);
    }
    if (!number || *magnitude > limit) {
        e->flags |= FPU_IE;
        return false;
    }
    e->flags |= inexact ? FPU_PE : 0;
    e->rounded_up = up;
    return true;
}

int64_t f80_to_int(struct f80_env *e, struct f80 a, unsigned size, enum f80_rounding rc)
{
    uint64_t magnitude, half = BIT(8 * size - 1);
    if (!to_magnitude(e, a, rc, f80_sign(a) ? half : half - 1, &magnitude))
        return sign_extend(half, size);                      /* integer indefinite */
    return (int64_t)(f80_sign(a) ? 0 - magnitude : magnitude);
}

struct f80 f80_from_bcd(const uint8_t bcd[10])
{
    uint64_t v = 0;
    for (int k = 8; k >= 0; k--)
        v = v * 100 + (bcd[k] >> 4) * 10u + (bcd[k] & 15);
    struct f80 r = f80_from_int((int64_t)v);
    r.sexp |= (uint16_t)((bcd[9] & 0x80) << 8);
    return r;
}

void f80_to_bcd(struct f80_env *e, struct f80 a, uint8_t bcd[10])
{
    static const uint8_t indefinite[10] = { 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff };
    uint64_t v;
    bool fits = to_magnitude(e, a, f80_rc(e), UINT64_C(999999999999999999), &v);
    for (int k = 0; k < 9; k++, v /= 100)
        bcd[k] = fits ? (uint8_t)(v % 100 / 10 << 4 | v % 10) : indefinite[k];
    bcd[9] = fits ? (uint8_t)(f80_sign(a) << 7) : indefinite[9];
}

/* SDM vol. 2, FLD1 ...: the constants are held with more than 64 bits and rounded by FCW.RC.  `up`
 * tells whether rounding to nearest goes up; each lies strictly between its two neighbours. */
struct f80 f80_constant(enum f80_rounding rc, unsigned which)
{
    static const struct { uint64_t below; uint16_t exp; bool up; } table[7] = {
        [1] = { UINT64_C(0xd49a784bcd1b8afe), 0x4000, false },   /* log2(10)  */
        [2] = { UINT64_C(0xb8aa3b295c17f0bb), 0x3fff, true },    /* log2(e)   */
        [3] = { UINT64_C(0xc90fdaa22168c234), 0x4000, true },    /* pi        */
        [4] = { UINT64_C(0x9a209a84fbcff798), 0x3ffd, true },    /* log10(2)  */
        [5] = { UINT64_C(0xb17217f7d1cf79ab), 0x3ffe, true },    /* ln(2)     */
    };
    if (which == 0)
        return f80_one;
    if (which >= 6)
        return f80_zero(false);
    bool up = rc == ROUND_UP || (rc == ROUND_NEAREST && table[which].up);
    return f80_make(false, table[which].exp, table[which].below + up);
}
