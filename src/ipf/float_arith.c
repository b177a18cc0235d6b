// SPDX-License-Identifier: Apache-2.0
// Multiply-add and rounding: the exact sum in 256 bits, rounded once (SDM vol. 1, "Floating-point
// Arithmetic").
#include "ipf/float_exact.h"

enum { EXTENDED_MINIMUM = -16382 }; /* of register exponent 0 */

static int leading_zeros(u128 v)
{
    return v >> 64 ? __builtin_clzll((uint64_t)(v >> 64)) : 64 + __builtin_clzll((uint64_t)v);
}

static bool exact_is_zero(const struct exact *x) { return !x->high && !x->low; }

static void shift_left(struct exact *x, unsigned n)
{
    if (n >= 128) {
        x->high = x->low;
        x->low = 0;
        n -= 128;
    }
    if (n) {
        x->high = x->high << n | x->low >> (128 - n);
        x->low <<= n;
    }
}
/* Bits shifted out leave a one at the right end: no later rounding misses them. */
static void shift_right(struct exact *x, unsigned n)
{
    bool lost = false;
    if (n > 255) {
        lost = !exact_is_zero(x);
        x->high = x->low = 0;
        n = 0;
    } else if (n >= 128) {
        lost = x->low || (n > 128 && x->high << (256 - n));
        x->low = n > 128 ? x->high >> (n - 128) : x->high;
        x->high = 0;
        n = 0;
    }
    if (n) {
        lost = x->low << (128 - n);
        x->low = x->low >> n | x->high << (128 - n);
        x->high >>= n;
    }
    x->low |= lost;
}

void exact_normalize(struct exact *x)
{
    if (exact_is_zero(x))
        return;
    unsigned n = (unsigned)(x->high ? leading_zeros(x->high) : 128 + leading_zeros(x->low));
    shift_left(x, n);
    x->exponent -= (int)n;
}

struct exact exact_of(const struct ipf_fr *f)
{
    struct exact x = {
        .sign = f->sign,
        .exponent = f->exponent ? (int)f->exponent - FR_BIAS : EXTENDED_MINIMUM,
        .high = (u128)f->significand << 64,
    };
    exact_normalize(&x);
    return x;
}

static struct exact multiply(const struct exact *a, const struct exact *b)
{
    struct exact x = {
        .sign = a->sign != b->sign,
        .exponent = a->exponent + b->exponent + 1,
        .high = (u128)(uint64_t)(a->high >> 64) * (uint64_t)(b->high >> 64),
    };
    exact_normalize(&x);
    return x;
}

/* Neither is zero. */
static struct exact add(struct exact a, struct exact b)
{
    if (a.exponent < b.exponent) {
        struct exact swap = a;
        a = b;
        b = swap;
    }
    /* One bit of room for the carry. */
    shift_right(&a, 1);
    shift_right(&b, 1);
    a.exponent++;
    shift_right(&b, (unsigned)(a.exponent - 1 - b.exponent));
    if (a.sign == b.sign) {
        a.low += b.low;
        a.high += b.high + (a.low < b.low);
    } else {
        bool smaller = a.high < b.high || (a.high == b.high && a.low < b.low);
        struct exact x = smaller ? b : a, y = smaller ? a : b;
        a.sign = x.sign;
        a.high = x.high - y.high - (x.low < y.low);
        a.low = x.low - y.low;
    }
    exact_normalize(&a);
    return a;
}

/* ---- rounding ---- */

static int minimum_exponent(unsigned range) { return 2 - (1 << (range - 1)); }
static int maximum_exponent(unsigned range)
{
    return range == 17 ? FR_NATVAL - FR_BIAS : (1 << (range - 1)) - 1;
}

static bool rounds_up(const struct float_env *e, bool sign, bool odd, u128 rest, u128 half)
{
    switch (e->rounding) {
    case ROUND_NEAREST: return rest > half || (rest == half && odd);
    case ROUND_UP: return rest && !sign;
    case ROUND_DOWN: return rest && sign;
    default: return false;
    }
}

/* Rounds to `precision` bits from bit 255; returns them left-justified, and the carry in *exponent.
 */
static uint64_t round_significand(struct float_env *e, const struct exact *x, int *exponent,
                                  bool *inexact)
{
    unsigned spare = 128 - e->precision;
    u128 high = x->high | (x->low ? 1 : 0), unit = (u128)1 << spare;
    u128 rest = high & (unit - 1), kept = high & ~(unit - 1);
    bool up = rounds_up(e, x->sign, kept & unit, rest, unit >> 1);
    *inexact = rest;
    e->away = up;
    *exponent = x->exponent;
    if (up)
        kept += unit;
    if (up && !kept) {
        kept = (u128)1 << 127;
        ++*exponent;
    }
    return (uint64_t)(kept >> 64);
}

static struct ipf_fr overflow(struct float_env *e, bool sign)
{
    bool to_infinity =
        e->rounding == ROUND_NEAREST || e->rounding == (sign ? ROUND_DOWN : ROUND_UP);
    struct ipf_fr infinity = { .significand = BIT(63), .exponent = FR_SPECIAL, .sign = sign };
    e->flags |= FLOAT_O | FLOAT_I;
    e->away = to_infinity;
    if (to_infinity)
        return infinity;
    return (struct ipf_fr){
        .significand = ~UINT64_C(0) << (64 - e->precision),
        .exponent = (uint32_t)(maximum_exponent(e->range) + FR_BIAS),
        .sign = sign,
    };
}

/* A result below the smallest normal number of the range, underflow masked. */
static struct ipf_fr tiny(struct float_env *e, struct exact x)
{
    int minimum = minimum_exponent(e->range), exponent;
    bool inexact;
    if (e->flush) {
        e->flags |= FLOAT_U | FLOAT_I;
        e->away = false;
        return (struct ipf_fr){ .sign = x.sign };
    }
    shift_right(&x, (unsigned)(minimum - x.exponent));
    x.exponent = minimum;
    struct ipf_fr r = { .sign = x.sign };
    r.significand = round_significand(e, &x, &exponent, &inexact);
    if (inexact)
        e->flags |= FLOAT_U | FLOAT_I;
    bool denormal = !(r.significand >> 63);
    if (r.significand)
        r.exponent = denormal && e->range == 15 ? 0 : (uint32_t)(minimum + FR_BIAS);
    return r;
}

struct ipf_fr exact_rounded(struct float_env *e, const struct exact *x)
{
    bool inexact;
    int exponent;
    uint64_t significand = round_significand(e, x, &exponent, &inexact);
    bool too_large = exponent > maximum_exponent(e->range);
    bool too_small = exponent < minimum_exponent(e->range);
    if (too_large && !(e->enabled & FLOAT_O))
        return overflow(e, x->sign);
    if (too_small && !(e->enabled & FLOAT_U))
        return tiny(e, *x);
    e->flags |= (inexact ? FLOAT_I : 0) | (too_large ? FLOAT_O : 0) | (too_small ? FLOAT_U : 0);
    return (struct ipf_fr){
        .significand = significand,
        .exponent = (uint32_t)(exponent + FR_BIAS) & 0x1ffff,
        .sign = x->sign,
    };
}

/* ---- operands that are no numbers ---- */

static struct ipf_fr quiet(const struct ipf_fr *f)
{
    struct ipf_fr r = *f;
    r.significand |= BIT(62);
    return r;
}

struct ipf_fr float_invalid(struct float_env *e)
{
    e->flags |= FLOAT_V;
    return fr_indefinite;
}

bool float_special(struct float_env *e, const struct ipf_fr *a, const struct ipf_fr *b,
                   const struct ipf_fr *c, struct ipf_fr *result)
{
    const struct ipf_fr *all[] = { b, c, a };
    const struct ipf_fr *nan = NULL;
    for (unsigned k = 0; k < 3; k++) {
        if (float_is_unsupported(all[k])) {
            *result = float_invalid(e);
            return true;
        }
        if (float_is_nan(all[k]) && !float_is_quiet(all[k]))
            e->flags |= FLOAT_V;
        if (!nan && float_is_nan(all[k]))
            nan = all[k];
    }
    if (nan)
        *result = quiet(nan);
    return nan;
}

void float_note_unnormals(struct float_env *e, const struct ipf_fr *a, const struct ipf_fr *b,
                          const struct ipf_fr *c)
{
    if (float_is_unnormal(a) || float_is_unnormal(b) || float_is_unnormal(c))
        e->flags |= FLOAT_D;
}

/* The sum of a product and an addend, both finite. */
static struct ipf_fr sum_of(struct float_env *e, const struct exact *x, const struct exact *z)
{
    bool no_product = exact_is_zero(x), no_addend = exact_is_zero(z);
    if (no_product && no_addend)
        return (struct ipf_fr){ .sign = x->sign == z->sign ? x->sign : e->rounding == ROUND_DOWN };
    struct exact sum = no_product ? *z : no_addend ? *x : add(*x, *z);
    if (exact_is_zero(&sum))
        return (struct ipf_fr){ .sign = e->rounding == ROUND_DOWN };
    return exact_rounded(e, &sum);
}

struct ipf_fr float_multiply_add(struct float_env *e, struct ipf_fr a, struct ipf_fr b,
                                 const struct ipf_fr *addend, bool negate_product,
                                 bool negate_addend)
{
    struct ipf_fr r, c = addend ? *addend : (struct ipf_fr){ 0 };
    if (float_is_natval(&a) || float_is_natval(&b) || float_is_natval(&c))
        return fr_natval;
    if (float_special(e, &a, &b, &c, &r))
        return r;
    bool sign = (a.sign != b.sign) != negate_product;
    bool infinite = float_is_infinity(&a) || float_is_infinity(&b);
    c.sign = addend ? c.sign ^ negate_addend : sign;
    if (infinite && (float_is_true_zero(&a) || float_is_true_zero(&b)))
        return float_invalid(e);
    if (infinite && float_is_infinity(&c) && c.sign != sign)
        return float_invalid(e);
    float_note_unnormals(e, &a, &b, &c);
    if (infinite)
        return (struct ipf_fr){ .significand = BIT(63), .exponent = FR_SPECIAL, .sign = sign };
    if (float_is_infinity(&c))
        return c;
    struct exact x = exact_of(&a), y = exact_of(&b), z = exact_of(&c);
    x = multiply(&x, &y);
    x.sign = sign;
    return sum_of(e, &x, &z);
}

/* ---- comparison, integers ---- */

static int compare_magnitudes(const struct exact *a, const struct exact *b)
{
    if (exact_is_zero(a) || exact_is_zero(b))
        return exact_is_zero(a) ? (exact_is_zero(b) ? 0 : -1) : 1;
    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -1 : 1;
    return a->high < b->high ? -1 : a->high > b->high;
}

int float_compare(struct float_env *e, const struct ipf_fr *a, const struct ipf_fr *b, bool signals)
{
    if (float_is_unsupported(a) || float_is_unsupported(b)) {
        e->flags |= FLOAT_V;
        return 2;
    }
    if (float_is_nan(a) || float_is_nan(b)) {
        bool quiet_only =
            (!float_is_nan(a) || float_is_quiet(a)) && (!float_is_nan(b) || float_is_quiet(b));
        e->flags |= signals || !quiet_only ? FLOAT_V : 0;
        return 2;
    }
    float_note_unnormals(e, a, b, a);
    struct exact x = exact_of(a), y = exact_of(b);
    if (exact_is_zero(&x) && exact_is_zero(&y))
        return 0;
    if (a->sign != b->sign)
        return a->sign ? -1 : 1;
    int magnitudes = compare_magnitudes(&x, &y);
    return a->sign ? -magnitudes : magnitudes;
}

static uint64_t invalid_integer(struct float_env *e, unsigned bits)
{
    e->flags = (e->flags & ~FLOAT_I) | FLOAT_V;
    return BIT(bits - 1);
}

uint64_t float_to_integer(struct float_env *e, const struct ipf_fr *a, unsigned bits,
                          bool is_signed)
{
    if (a->exponent == FR_SPECIAL)
        return invalid_integer(e, bits);
    struct exact x = exact_of(a);
    bool zero = exact_is_zero(&x), up = false;
    if (!zero && x.exponent >= (int)bits)
        return invalid_integer(e, bits);
    if (!zero) {
        /* The integer to the left of bit 128, the fraction below. */
        shift_right(&x, (unsigned)(127 - x.exponent));
        up = rounds_up(e, a->sign, x.high & 1, x.low, (u128)1 << 127);
    }
    u128 magnitude = x.high + up;
    u128 limit = is_signed ? ((u128)1 << (bits - 1)) - !a->sign : ((u128)1 << bits) - 1;
    if (magnitude > limit || (!is_signed && a->sign && magnitude))
        return invalid_integer(e, bits);
    float_note_unnormals(e, a, a, a);
    e->flags |= x.low ? FLOAT_I : 0;
    e->away = up;
    uint64_t v = a->sign ? -(uint64_t)magnitude : (uint64_t)magnitude;
    return bits < 64 ? v & (BIT(bits) - 1) : v;
}

struct ipf_fr float_from_integer(uint64_t significand)
{
    bool sign = significand >> 63;
    uint64_t magnitude = sign ? -significand : significand;
    if (!magnitude)
        return (struct ipf_fr){ 0 };
    unsigned n = (unsigned)__builtin_clzll(magnitude);
    return (struct ipf_fr){ magnitude << n, FR_INTEGER - n, sign };
}
