// SPDX-License-Identifier: Apache-2.0
// Floating-point arithmetic on the 82-bit register format (SDM vol. 1, "Floating-point Programming
// Model").  Pure functions: values and the rules in force go in, values and flags come out.
#ifndef SP_IPF_FLOAT_H
#define SP_IPF_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

#include "ipf/state.h"

enum {
    FR_BIAS = 0xffff,
    FR_SPECIAL = 0x1ffff, /* exponent of infinities and NaNs          */
    FR_NATVAL = 0x1fffe,  /* exponent of NaTVal                       */
    FR_INTEGER = 0x1003e, /* exponent of integers in the significand  */
};

/* Status flags, as in AR.FPSR. */
enum {
    FLOAT_V = 1 << 0, /* invalid operation */
    FLOAT_D = 1 << 1, /* denormal or unnormal operand */
    FLOAT_Z = 1 << 2, /* division by zero */
    FLOAT_O = 1 << 3, /* overflow */
    FLOAT_U = 1 << 4, /* underflow */
    FLOAT_I = 1 << 5, /* inexact */
    FLOAT_FAULTS = FLOAT_V | FLOAT_D | FLOAT_Z,
};
enum { ROUND_NEAREST, ROUND_DOWN, ROUND_UP, ROUND_ZERO };

/* What a result must fit, and what happened on the way. */
struct float_env {
    uint8_t precision; /* bits of the significand: 24, 53 or 64                           */
    uint8_t range;     /* bits of the exponent: 8, 11, 15 or 17                           */
    uint8_t rounding;  /* ROUND_*                                                         */
    bool flush;        /* tiny results become zero                                        */
    uint8_t enabled;   /* flags whose fault or trap is enabled                            */
    uint8_t flags;     /* out: flags raised                                               */
    bool away;         /* out: the significand was rounded up (ISR.fpa)                   */
};

extern const struct ipf_fr fr_natval, fr_indefinite;

static inline bool float_is_nan(const struct ipf_fr *f)
{
    return f->exponent == FR_SPECIAL && f->significand >> 63 && f->significand << 1;
}
static inline bool float_is_quiet(const struct ipf_fr *f)
{
    return float_is_nan(f) && f->significand >> 62 & 1;
}
static inline bool float_is_infinity(const struct ipf_fr *f)
{
    return f->exponent == FR_SPECIAL && f->significand == BIT(63);
}
static inline bool float_is_natval(const struct ipf_fr *f)
{
    return f->exponent == FR_NATVAL && !f->sign && !f->significand;
}
/* Encodings that arithmetic refuses: infinities and NaNs without integer bit. */
static inline bool float_is_unsupported(const struct ipf_fr *f)
{
    return f->exponent == FR_SPECIAL && !(f->significand >> 63);
}
/* Zeros and pseudo-zeros, which arithmetic takes for zeros. */
static inline bool float_is_zero(const struct ipf_fr *f)
{
    return f->exponent != FR_SPECIAL && !f->significand;
}
/* A pseudo-zero times infinity is infinity, a zero times infinity is invalid. */
static inline bool float_is_true_zero(const struct ipf_fr *f)
{
    return !f->exponent && !f->significand;
}
/* Unnormalized numbers, pseudo-zeros among them, and double-extended (pseudo-)denormals. */
static inline bool float_is_unnormal(const struct ipf_fr *f)
{
    if (f->exponent == FR_SPECIAL || float_is_true_zero(f))
        return false;
    return !f->exponent || !(f->significand >> 63);
}

/* a * b + *c, -(a * b) + *c or a * b - *c, rounded once.  NULL: nothing is added, not even a zero,
 * so that the product keeps its sign (SDM vol. 3, fma: f2 is f0). */
struct ipf_fr float_multiply_add(struct float_env *e, struct ipf_fr a, struct ipf_fr b,
                                 const struct ipf_fr *c, bool negate_product, bool negate_addend);
/* -1, 0, 1 for a < b, a == b, a > b; 2 if they are unordered.  `signals`: a quiet NaN is invalid,
 * too. */
int float_compare(struct float_env *e, const struct ipf_fr *a, const struct ipf_fr *b,
                  bool signals);
/* To a 64- or 32-bit integer; an invalid one is the most negative. */
uint64_t float_to_integer(struct float_env *e, const struct ipf_fr *a, unsigned bits,
                          bool is_signed);
struct ipf_fr float_from_integer(uint64_t significand);
/* Approximations to 1/b and 1/sqrt(b) (SDM vol. 3, frcpa, frsqrta).  True: *result is to be
 * refined; false: it is the quotient a / b or the square root of b itself, correctly rounded where
 * exponents are too extreme for the refinement. */
bool float_reciprocal(struct float_env *e, struct ipf_fr a, struct ipf_fr b, struct ipf_fr *result);
bool float_reciprocal_sqrt(struct float_env *e, struct ipf_fr b, struct ipf_fr *result);
/* The same for one half of fprcpa and fprsqrta; false: *result is no more than the approximation,
 * or what stands for it if it is no single-precision number. */
bool float_reciprocal_single(struct float_env *e, struct ipf_fr a, struct ipf_fr b,
                             struct ipf_fr *result);
bool float_reciprocal_sqrt_single(struct float_env *e, struct ipf_fr b, struct ipf_fr *result);

/* Between registers and memory formats: no rounding, no flags. */
struct ipf_fr float_from_single(uint32_t bits);
struct ipf_fr float_from_double(uint64_t bits);
struct ipf_fr float_from_extended(uint64_t significand, uint16_t sign_exponent);
uint32_t float_to_single(const struct ipf_fr *f);
uint64_t float_to_double(const struct ipf_fr *f);
uint16_t float_to_extended_exponent(const struct ipf_fr *f);

#endif
