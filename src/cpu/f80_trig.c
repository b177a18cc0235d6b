// SPDX-License-Identifier: Apache-2.0
// FSIN, FCOS, FSINCOS, FPTAN, FPATAN.  SDM vol. 1, "Approximation of Pi": arguments are reduced
// with the 66-bit pi of the processor, which this file keeps; the functions of the reduced argument
// are then computed with 128 bits.
#include "cpu/f80_wide.h"

/* The 66-bit pi / 2 in units of 2^-65. */
#define HALF_PI_66 ((u128)3 << 64 | UINT64_C(0x243f6a8885a308d3))

/* |x| = quadrant * pi/2 + r with |r| <= pi/4. */
static struct wide reduce(struct wide x, unsigned *quadrant)
{
    int doublings = x.exp - F80_BIAS + 2;      /* x = significand * 2^doublings units */
    *quadrant = 0;
    x.sign = false;
    if (doublings < 0)                         /* less than 1/4 */
        return x;
    u128 r = x.sig >> 64;
    unsigned q = 0;
    for (int k = 0; k < doublings; k++) {
        r <<= 1;
        q = q << 1 | (r >= HALF_PI_66);
        r -= r >= HALF_PI_66 ? HALF_PI_66 : 0;
    }
    bool above = r > HALF_PI_66 / 2;           /* nearer to the next multiple */
    r = above ? HALF_PI_66 - r : r;
    *quadrant = (q + above) & 3;
    return r ? wide_normalise(above, F80_BIAS + 62, r) : (struct wide){ .sign = false };
}

/* Taylor series of sin(r) / r (first = 2) and of cos(r) (first = 1) in z = r^2, by Horner:
 * 1 - z/(first(first+1)) (1 - z/((first+2)(first+3)) (1 - ...)).  Never 1 exactly: r is not 0. */
static u128 alternating_series(u128 z, unsigned first)
{
    u128 t = FIX_ONE;
    for (unsigned n = first + 32; n >= first && n <= first + 32; n -= 2)
        t = FIX_ONE - fix_mul(z, t) / (n * (n + 1));
    return t == FIX_ONE ? t - 1 : t;
}

struct sin_cos { struct wide sine, cosine; };

/* Below this exponent silicon takes sin(x) = tan(x) = x and cos(x) = 1 in every rounding mode. */
enum { TINY = F80_BIAS - 68 };

static struct sin_cos sin_cos_of(struct f80 x)
{
    unsigned quadrant;
    if (wide_of(x).exp < TINY)
        return (struct sin_cos){ wide_of(x), wide_of_int(1) };
    struct wide r = reduce(wide_of(x), &quadrant);
    u128 small = fix_of_wide(r), z = fix_mul(small, small);
    struct wide s = wide_mul(r, wide_of_fix(alternating_series(z, 2)));
    struct wide c = wide_of_fix(alternating_series(z, 1));
    struct sin_cos v = quadrant & 1 ? (struct sin_cos){ c, wide_negate_if(true, s) }
                                    : (struct sin_cos){ s, c };
    v.sine.sign ^= (quadrant >> 1 & 1) != f80_sign(x);
    v.cosine.sign ^= quadrant >> 1 & 1;
    return v;
}

/* Operands without a reduction.  True: *r is the answer (or nothing, when *partial). */
static bool trig_special(struct f80_env *e, struct f80 x, struct f80 *r, bool *partial)
{
    *partial = false;
    if (f80_special(e, x, r))
        return true;
    if (f80_classify(x) == F80_INFINITY) {
        *r = f80_invalid(e);
        return true;
    }
    f80_note_denormal(e, x);
    *r = x;
    *partial = (x.sexp & F80_MAX_EXP) >= F80_BIAS + 63;
    return *partial || x.frac == 0;
}

void f80_sincos(struct f80_env *e, struct f80 x, struct f80 *sine, struct f80 *cosine,
                bool *partial)
{
    struct f80 r;
    if (trig_special(e, x, &r, partial)) {
        if (sine)
            *sine = r;
        if (cosine)
            *cosine = f80_classify(x) == F80_ZERO ? f80_one : r;
        return;
    }
    struct sin_cos v = sin_cos_of(x);
    if (sine)
        *sine = f80_round_inexact(e, v.sine);
    if (cosine)
        *cosine = f80_round_inexact(e, v.cosine);
}

struct f80 f80_tan(struct f80_env *e, struct f80 x, bool *partial)
{
    struct f80 r;
    if (trig_special(e, x, &r, partial))
        return r;
    struct sin_cos v = sin_cos_of(x);
    return f80_round_inexact(e, wide_div(v.sine, v.cosine));
}

/* atan(k / 8) */
#define ENTRY(exp, hi, lo) { false, F80_BIAS + (exp), WIDE_SIG(hi, lo) }
static const struct wide atan_eighths[9] = {
    { false, 0, 0 },
    ENTRY(-4, 0xfeadd4d5617b6e32, 0xc897989f3e888ef8),
    ENTRY(-3, 0xfadbafc96406eb15, 0x6dc79ef5f7a217e6),
    ENTRY(-2, 0xb7b0ca0f26f78473, 0x8aa32122dcfe4483),
    ENTRY(-2, 0xed63382b0dda7b45, 0x6fe445ecbc3a8d03),
    ENTRY(-1, 0x8f005d5ef7f59f9b, 0x5c835e1665c43748),
    ENTRY(-1, 0xa4bc7d1934f70924, 0x19a87f2a457dac9f),
    ENTRY(-1, 0xb8053e2bc2319e73, 0xcb2da55210a4443d),
    ENTRY(-1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1),
};
static const struct wide wide_pi = ENTRY(1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1);
static const struct wide wide_half_pi = ENTRY(0, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1);
static const struct wide wide_three_quarters_pi = ENTRY(1, 0x96cbe3f9990e91a7, 0x9394c9e8a0a5159d);

/* atan(t), 0 < t <= 1: atan(k/8) + atan(u), u = (t - k/8) / (1 + t k/8), |u| <= 1/15. */
static struct wide wide_atan(struct wide t)
{
    unsigned k = (unsigned)((fix_of_wide(t) + (FIX_ONE >> 4)) >> 124);
    struct wide c = wide_of_fix((u128)k << 124);
    c.sign = true;
    struct wide u = wide_add(t, c);
    c.sign = false;
    u = wide_div(u, wide_add(wide_of_int(1), wide_mul(t, c)));
    u128 small = fix_of_wide(u), z = fix_mul(small, small), series = FIX_ONE / 33;
    for (unsigned n = 31; n <= 31; n -= 2)     /* 1 - z/3 + z^2/5 - ... */
        series = FIX_ONE / n - fix_mul(z, series);
    series -= series == FIX_ONE;
    return wide_add(atan_eighths[k], wide_mul(u, wide_of_fix(series)));
}

/* SDM vol. 2, table "FPATAN Results": infinities and zeros. */
static struct wide atan2_special(enum f80_class ky, enum f80_class kx, bool x_negative)
{
    if (ky == F80_INFINITY && kx == F80_INFINITY)
        return x_negative ? wide_three_quarters_pi : atan_eighths[8];
    if (ky == F80_INFINITY || (kx == F80_ZERO && ky != F80_ZERO))
        return wide_half_pi;
    return x_negative ? wide_pi : (struct wide){ .sign = false };
}

struct f80 f80_atan2(struct f80_env *e, struct f80 y, struct f80 x)
{
    struct f80 r;
    if (f80_special2(e, y, x, &r))
        return r;
    f80_note_denormals(e, y, x);
    enum f80_class ky = f80_classify(y), kx = f80_classify(x);
    struct wide v;
    if (ky == F80_ZERO || kx == F80_ZERO || ky == F80_INFINITY || kx == F80_INFINITY) {
        v = atan2_special(ky, kx, f80_sign(x));
    } else {
        struct wide ay = wide_of(y), ax = wide_of(x);
        ay.sign = ax.sign = false;
        bool steep = ay.exp > ax.exp || (ay.exp == ax.exp && ay.sig > ax.sig);
        v = wide_atan(steep ? wide_div(ax, ay) : wide_div(ay, ax));
        if (steep)
            v = wide_add(wide_half_pi, wide_negate_if(true, v));
        if (f80_sign(x))
            v = wide_add(wide_pi, wide_negate_if(true, v));
    }
    v.sign = f80_sign(y);
    return f80_round64(e, v.sig ? wide_inexact(v) : v);
}
