// SPDX-License-Identifier: Apache-2.0
// Addition, subtraction, multiplication, division, square root of 80-bit values.
// SDM vol. 2, tables "FADD/FADDP/FIADD Results", "FSUB...", "FMUL...", "FDIV...", "FSQRT Results".
#include "cpu/f80_round.h"

static bool is_infinity(struct f80 a) { return f80_classify(a) == F80_INFINITY; }

/* x + y of the same sign, or |x| > |y|: never 0. */
static struct wide wide_sum(struct wide x, struct wide y)
{
    unsigned distance = x.exp - y.exp > 200 ? 200 : (unsigned)(x.exp - y.exp);
    u128 sx = x.sig >> 1, sy = shift_right_jam(y.sig, distance + 1);   /* room for the carry */
    return wide_normalise(x.sign, x.exp + 1, x.sign == y.sign ? sx + sy : sx - sy);
}

static struct f80 add_finite(struct f80_env *e, struct f80 a, struct f80 b)
{
    struct wide x = wide_of(a), y = wide_of(b);
    if (x.sig == 0 || y.sig == 0) {
        if (x.sig == 0 && y.sig == 0)
            return f80_zero(x.sign == y.sign ? x.sign : f80_rc(e) == ROUND_DOWN);
        return f80_round(e, x.sig ? x : y);
    }
    if (x.exp < y.exp || (x.exp == y.exp && x.sig < y.sig)) {
        struct wide t = x;
        x = y;
        y = t;
    }
    if (x.sign != y.sign && x.exp == y.exp && x.sig == y.sig)
        return f80_zero(f80_rc(e) == ROUND_DOWN);
    return f80_round(e, wide_sum(x, y));
}

/* b has the sign with which it is added; NaNs keep their own. */
static struct f80 add_signed(struct f80_env *e, struct f80 a, struct f80 b)
{
    if (is_infinity(a) && is_infinity(b) && f80_sign(a) != f80_sign(b))
        return f80_invalid(e);
    f80_note_denormals(e, a, b);
    if (is_infinity(a) || is_infinity(b))
        return is_infinity(a) ? a : b;
    return add_finite(e, a, b);
}

struct f80 f80_add(struct f80_env *e, struct f80 a, struct f80 b)
{
    struct f80 r;
    return f80_special2(e, a, b, &r) ? r : add_signed(e, a, b);
}

struct f80 f80_sub(struct f80_env *e, struct f80 a, struct f80 b)
{
    struct f80 r;
    if (f80_special2(e, a, b, &r))
        return r;
    b.sexp ^= 0x8000;
    return add_signed(e, a, b);
}

struct f80 f80_mul(struct f80_env *e, struct f80 a, struct f80 b)
{
    struct f80 r;
    bool sign = f80_sign(a) != f80_sign(b);
    if (f80_special2(e, a, b, &r))
        return r;
    if (is_infinity(a) || is_infinity(b)) {
        if (a.frac == 0 || b.frac == 0)
            return f80_invalid(e);
        f80_note_denormals(e, a, b);
        return f80_infinity(sign);
    }
    f80_note_denormals(e, a, b);
    struct wide x = wide_of(a), y = wide_of(b);
    if (x.sig == 0 || y.sig == 0)
        return f80_zero(sign);
    u128 product = (x.sig >> 64) * (y.sig >> 64);
    return f80_round(e, wide_normalise(sign, x.exp + y.exp - F80_BIAS + 1, product));
}

/* x / y of 64-bit significands: 128 quotient bits, the last one sticky. */
static struct wide quotient(bool sign, struct wide x, struct wide y)
{
    uint64_t n = (uint64_t)(x.sig >> 64), d = (uint64_t)(y.sig >> 64);
    bool less = n < d;
    u128 dividend = (u128)n << (less ? 64 : 63);
    u128 rest = dividend % d << 64;
    u128 sig = dividend / d << 64 | rest / d | (rest % d != 0);
    return (struct wide){ sign, x.exp - y.exp + F80_BIAS - less, sig };
}

struct f80 f80_div(struct f80_env *e, struct f80 a, struct f80 b)
{
    struct f80 r;
    bool sign = f80_sign(a) != f80_sign(b);
    if (f80_special2(e, a, b, &r))
        return r;
    if ((is_infinity(a) && is_infinity(b)) || (a.frac == 0 && b.frac == 0))
        return f80_invalid(e);
    if (b.frac == 0 && !is_infinity(a)) {
        e->flags |= FPU_ZE;
        return f80_infinity(sign);
    }
    f80_note_denormals(e, a, b);
    if (is_infinity(a))
        return f80_infinity(sign);
    if (is_infinity(b) || a.frac == 0)
        return f80_zero(sign);
    return f80_round(e, quotient(sign, wide_of(a), wide_of(b)));
}

/* Integer square root, digit by digit; *rest = v - root^2. */
static uint64_t square_root(u128 v, u128 *rest)
{
    u128 root = 0;
    for (u128 bit = (u128)1 << 126; bit; bit >>= 2) {
        bool one = v >= root + bit;
        if (one)
            v -= root + bit;
        root = root >> 1 | (one ? bit : 0);
    }
    *rest = v;
    return (uint64_t)root;
}

struct f80 f80_sqrt(struct f80_env *e, struct f80 a)
{
    struct f80 r;
    if (f80_special(e, a, &r))
        return r;
    if (a.frac == 0)
        return a;
    if (f80_sign(a))
        return f80_invalid(e);
    f80_note_denormal(e, a);
    if (is_infinity(a))
        return a;
    struct wide x = wide_of(a);
    bool odd = (x.exp - F80_BIAS) & 1;
    u128 rest;
    uint64_t root = square_root(odd ? x.sig : x.sig >> 1, &rest);
    int exp = (x.exp - F80_BIAS - odd) / 2 + F80_BIAS;
    u128 sig = (u128)root << 64 | (u128)(rest > root) << 63 | (rest != 0);
    return f80_round(e, (struct wide){ false, exp, sig });
}
