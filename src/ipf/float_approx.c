// SPDX-License-Identifier: Apache-2.0
// Approximations to reciprocals and reciprocal square roots, from which programs make quotients and
// square roots (SDM vol. 3, frcpa, frsqrta, fprcpa, fprsqrta).
#include "ipf/float_exact.h"

/* Entry n of the table of reciprocals is the middle of its interval, to 10 bits. */
static uint64_t reciprocal_bits(unsigned n)
{
    unsigned d = 513 + 2 * n;
    return ((2 << 20) + d) / (2 * d) - 1024;
}
/* Of square roots: n counts 128 intervals of [2, 4), then 128 of [1, 2). */
static uint64_t reciprocal_sqrt_bits(unsigned n)
{
    uint64_t square = (UINT64_C(4) << 20) * (n < 128 ? 512 : 1024) / (257 + 2 * (n & 127)),
             root = 0;
    for (uint64_t bit = 1 << 13; bit; bit >>= 1)
        if ((root | bit) * (root | bit) <= square)
            root |= bit;
    return (root + 1) / 2 - 1024;
}

/* Approximations to 1/x and 1/sqrt(x); x is positive or negative, and normal in a register. */
static struct ipf_fr reciprocal(const struct exact *x)
{
    unsigned n = (unsigned)(x->high >> 119) & 0xff;
    return (struct ipf_fr){
        .significand = BIT(63) | reciprocal_bits(n) << 53,
        .exponent = (uint32_t)(FR_BIAS - 1 - x->exponent),
        .sign = x->sign,
    };
}
static struct ipf_fr reciprocal_sqrt(const struct exact *x)
{
    unsigned even = x->exponent & 1 ? 0 : 1; /* the register's exponent is odd then */
    unsigned n = even << 7 | ((unsigned)(x->high >> 120) & 0x7f);
    return (struct ipf_fr){
        .significand = BIT(63) | reciprocal_sqrt_bits(n) << 53,
        .exponent = (uint32_t)(FR_BIAS - 1 - (x->exponent >> 1)),
    };
}

/* ---- exact quotients and square roots: 128 bits, and whether there are more ---- */

static struct exact quotient(const struct exact *a, const struct exact *b)
{
    uint64_t divisor = (uint64_t)(b->high >> 64);
    u128 dividend = a->high >> 1, rest = dividend % divisor << 64;
    struct exact x = {
        .sign = a->sign != b->sign,
        .exponent = a->exponent - b->exponent,
        .high = dividend / divisor << 64 | rest / divisor,
        .low = rest % divisor != 0,
    };
    exact_normalize(&x);
    return x;
}

static struct exact square_root(const struct exact *x)
{
    u128 square = x->exponent & 1 ? x->high : x->high >> 1;
    uint64_t root = 0;
    for (uint64_t bit = BIT(63); bit; bit >>= 1)
        if ((u128)(root | bit) * (root | bit) <= square)
            root |= bit;
    u128 rest = square - (u128)root * root; /* the next bit is one if it is above the root */
    return (struct exact){
        .exponent = x->exponent >> 1,
        .high = (u128)root << 64 | (rest > root ? BIT(63) : 0),
        .low = rest != 0,
    };
}

/* ---- the rules ---- */

static struct ipf_fr infinity(bool sign)
{
    return (struct ipf_fr){ BIT(63), FR_SPECIAL, sign };
}

/* Whether a / b needs no division: *result is it. */
static bool is_plain_quotient(struct float_env *e, const struct ipf_fr *a, const struct ipf_fr *b,
                              struct ipf_fr *result)
{
    bool sign = a->sign != b->sign, a_infinite = float_is_infinity(a);
    *result = fr_natval;
    if (float_is_natval(a) || float_is_natval(b) || float_special(e, b, a, b, result))
        return true;
    if ((a_infinite && float_is_infinity(b)) || (float_is_zero(a) && float_is_zero(b))) {
        *result = float_invalid(e);
        return true;
    }
    if (float_is_zero(b) && !a_infinite)
        e->flags |= FLOAT_Z;
    else
        float_note_unnormals(e, a, b, a);
    *result = a_infinite || float_is_zero(b) ? infinity(sign) : (struct ipf_fr){ .sign = sign };
    return a_infinite || float_is_zero(b) || float_is_infinity(b) || float_is_zero(a);
}

enum { REGISTER_MINIMUM = 1 - FR_BIAS, REGISTER_MAXIMUM = FR_BIAS };

/* Whether Newton's iteration might leave the range of registers: the manual's limits check, in
 * which processors ask software for the quotient. */
static bool is_extreme(const struct exact *a, const struct exact *b)
{
    int difference = a->exponent - b->exponent;
    return b->exponent < REGISTER_MINIMUM || b->exponent >= REGISTER_MAXIMUM - 2 ||
           difference >= REGISTER_MAXIMUM || difference <= REGISTER_MINIMUM + 1 ||
           a->exponent < REGISTER_MINIMUM + 64;
}

bool float_reciprocal(struct float_env *e, struct ipf_fr a, struct ipf_fr b, struct ipf_fr *result)
{
    if (is_plain_quotient(e, &a, &b, result))
        return false;
    struct exact x = exact_of(&a), y = exact_of(&b), q;
    if (is_extreme(&x, &y)) {
        q = quotient(&x, &y);
        *result = exact_rounded(e, &q);
        return false;
    }
    *result = reciprocal(&y);
    return true;
}

/* A reciprocal that is no normal single-precision number is infinity or zero, with b's sign. */
bool float_reciprocal_single(struct float_env *e, struct ipf_fr a, struct ipf_fr b,
                             struct ipf_fr *result)
{
    enum { MAXIMUM = 127, PRECISION = 24 };
    if (is_plain_quotient(e, &a, &b, result))
        return false;
    struct exact x = exact_of(&a), y = exact_of(&b);
    int difference = x.exponent - y.exponent;
    if (float_is_unnormal(&b) || y.exponent >= MAXIMUM - 2) {
        *result = float_is_unnormal(&b) ? infinity(b.sign) : (struct ipf_fr){ .sign = b.sign };
        return false;
    }
    *result = reciprocal(&y);
    return difference < MAXIMUM && difference > 2 - MAXIMUM && x.exponent > PRECISION - MAXIMUM;
}

/* Whether b has no square root to be approximated: *result is a NaN, or b. */
static bool is_plain_root(struct float_env *e, const struct ipf_fr *b, struct ipf_fr *result)
{
    *result = fr_natval;
    if (float_is_natval(b) || float_special(e, b, b, b, result))
        return true;
    if (b->sign && !float_is_zero(b)) {
        *result = float_invalid(e);
        return true;
    }
    float_note_unnormals(e, b, b, b);
    *result = float_is_zero(b) ? (struct ipf_fr){ .sign = b->sign } : *b;
    return float_is_zero(b) || float_is_infinity(b);
}

bool float_reciprocal_sqrt(struct float_env *e, struct ipf_fr b, struct ipf_fr *result)
{
    if (is_plain_root(e, &b, result))
        return false;
    struct exact x = exact_of(&b);
    if (x.exponent < REGISTER_MINIMUM + 64) {
        x = square_root(&x);
        *result = exact_rounded(e, &x);
        return false;
    }
    *result = reciprocal_sqrt(&x);
    return true;
}

/* The halves of fprsqrta give 1/sqrt(b) where the whole gives sqrt(b): of zero it is infinity. */
bool float_reciprocal_sqrt_single(struct float_env *e, struct ipf_fr b, struct ipf_fr *result)
{
    enum { SMALL = 24 - 127 };
    if (is_plain_root(e, &b, result)) {
        if (float_is_infinity(result))
            *result = (struct ipf_fr){ 0 };
        else if (float_is_zero(result))
            *result = infinity(result->sign);
        return false;
    }
    struct exact x = exact_of(&b);
    *result = reciprocal_sqrt(&x);
    return x.exponent > SMALL;
}
