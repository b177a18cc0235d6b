// SPDX-License-Identifier: Apache-2.0
// SDM vol. 1, "Floating-point Register Encodings" and "Memory to floating-point register data
// translation".
#include "ipf/float.h"

enum {
    SINGLE_BIAS = 127,
    DOUBLE_BIAS = 1023,
    EXTENDED_BIAS = 16383,
    SINGLE_DENORMAL = FR_BIAS - SINGLE_BIAS + 1,
    DOUBLE_DENORMAL = FR_BIAS - DOUBLE_BIAS + 1,
};

const struct ipf_fr fr_natval = { .exponent = FR_NATVAL };
const struct ipf_fr fr_indefinite = {
    .significand = UINT64_C(3) << 62,
    .exponent = FR_SPECIAL,
    .sign = 1,
};

/* fraction: left-justified below the integer bit. */
static struct ipf_fr from_ieee(bool sign, unsigned exponent, unsigned all_ones, uint64_t fraction,
                               unsigned bias)
{
    struct ipf_fr r = { .significand = fraction, .sign = sign };
    if (exponent == all_ones) {
        r.exponent = FR_SPECIAL;
        r.significand |= BIT(63);
    } else if (exponent) {
        r.exponent = exponent + FR_BIAS - bias;
        r.significand |= BIT(63);
    } else if (fraction) {
        r.exponent = FR_BIAS - bias + 1;
    }
    return r;
}

struct ipf_fr float_from_single(uint32_t v)
{
    return from_ieee(v >> 31, v >> 23 & 0xff, 0xff, (uint64_t)(v & 0x7fffff) << 40, SINGLE_BIAS);
}
struct ipf_fr float_from_double(uint64_t v)
{
    return from_ieee(v >> 63, v >> 52 & 0x7ff, 0x7ff, (v & (BIT(52) - 1)) << 11, DOUBLE_BIAS);
}
struct ipf_fr float_from_extended(uint64_t significand, uint16_t sign_exponent)
{
    uint32_t exponent = sign_exponent & 0x7fff;
    return (struct ipf_fr){
        .significand = significand,
        .sign = sign_exponent >> 15,
        .exponent = exponent == 0x7fff ? FR_SPECIAL
                    : exponent         ? exponent + FR_BIAS - EXTENDED_BIAS
                                       : 0,
    };
}

/* The exponent field loses the middle bits of the register's exponent. */
uint32_t float_to_single(const struct ipf_fr *f)
{
    uint32_t exponent = f->significand >> 63 ? (f->exponent >> 9 & 0x80) | (f->exponent & 0x7f) : 0;
    return f->sign << 31 | exponent << 23 | (uint32_t)(f->significand >> 40 & 0x7fffff);
}
uint64_t float_to_double(const struct ipf_fr *f)
{
    uint64_t exponent =
        f->significand >> 63 ? (f->exponent >> 6 & 0x400) | (f->exponent & 0x3ff) : 0;
    return (uint64_t)f->sign << 63 | exponent << 52 | (f->significand >> 11 & (BIT(52) - 1));
}
uint16_t float_to_extended_exponent(const struct ipf_fr *f)
{
    uint32_t exponent = (f->exponent >> 2 & 0x4000) | (f->exponent & 0x3fff);
    return (uint16_t)(f->sign << 15 | (f->exponent ? exponent : 0));
}
