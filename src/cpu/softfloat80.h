// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the x87 FPU on 80-bit values: pure functions, bit-exact with silicon in result
// and exceptions (transcendental functions: within one unit in the last place).
//
// Each takes a struct f80_env: its control word in, its exception flags and C1 out.  A masked
// exception gives the masked response of SDM vol. 1, "x87 FPU Exception Handling".  An unmasked
// overflow or underflow gives the bias-adjusted result.  After an unmasked invalid, divide or
// denormal exception (f80_refused) the returned value is meaningless and must not be stored.
#ifndef SP_CPU_SOFTFLOAT80_H
#define SP_CPU_SOFTFLOAT80_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/state.h"

/* Exception bits: the same positions in FSW (raised) and FCW (masked). */
enum {
    FPU_IE = 1 << 0, FPU_DE = 1 << 1, FPU_ZE = 1 << 2, FPU_OE = 1 << 3, FPU_UE = 1 << 4,
    FPU_PE = 1 << 5, FPU_EXCEPTIONS = 0x3f,
};
enum f80_rounding { ROUND_NEAREST, ROUND_DOWN, ROUND_UP, ROUND_CHOP };   /* FCW.RC */

struct f80_env {
    uint16_t control;         /* FCW: exception masks, precision control, rounding control      */
    uint16_t flags;           /* exceptions raised, FPU_*                                       */
    bool rounded_up;          /* C1: the magnitude was rounded up                               */
    bool source_denormal;     /* an operand was a denormal single or double in memory           */
};

static inline struct f80_env f80_env_of(uint16_t control)
{
    return (struct f80_env){ .control = control };
}
static inline enum f80_rounding f80_rc(const struct f80_env *e)
{
    return (enum f80_rounding)(e->control >> 10 & 3);
}
static inline bool f80_unmasked(const struct f80_env *e, unsigned flags)
{
    return e->flags & flags & ~e->control;
}
/* An unmasked exception found before the computation: operands and destination stay as they are. */
static inline bool f80_refused(const struct f80_env *e)
{
    return f80_unmasked(e, FPU_IE | FPU_DE | FPU_ZE);
}

/* ---- kinds of values (SDM vol. 1, "Unsupported Double Extended-Precision ... Encodings") ---- */

enum f80_class {
    F80_ZERO,
    F80_NORMAL,
    F80_DENORMAL /* pseudo-denormals among them */,
    F80_INFINITY,
    F80_QNAN,
    F80_SNAN,
    F80_UNSUPPORTED,
};
enum f80_class f80_classify_other(struct f80 a);      /* of what is not normal */
static inline bool f80_is_normal(struct f80 a)
{
    return a.frac >> 63 && (((unsigned)a.sexp + 1) & 0x7fff) > 1;
}
static inline enum f80_class f80_classify(struct f80 a)
{
    return likely(f80_is_normal(a)) ? F80_NORMAL : f80_classify_other(a);
}

extern const struct f80 f80_indefinite, f80_one;
static inline bool f80_sign(struct f80 a) { return a.sexp >> 15; }
static inline struct f80 f80_make(bool sign, unsigned exponent, uint64_t frac)
{
    return (struct f80){ frac, (uint16_t)(sign << 15 | exponent) };
}
static inline struct f80 f80_zero(bool sign) { return f80_make(sign, 0, 0); }
static inline struct f80 f80_infinity(bool sign) { return f80_make(sign, 0x7fff, BIT(63)); }

/* ---- arithmetic (f80_arith.c), rounded to the precision of FCW.PC ---- */

struct f80 f80_add(struct f80_env *e, struct f80 a, struct f80 b);
struct f80 f80_sub(struct f80_env *e, struct f80 a, struct f80 b);
struct f80 f80_mul(struct f80_env *e, struct f80 a, struct f80 b);
struct f80 f80_div(struct f80_env *e, struct f80 a, struct f80 b);
struct f80 f80_sqrt(struct f80_env *e, struct f80 a);

/* ---- steps of range reduction and scaling (f80_steps.c) ---- */

/* FPREM (nearest = false) and FPREM1: the (partial) remainder of a / b.  *quotient gets the three
 * low quotient bits; *partial (C2) says that the reduction is not complete. */
struct f80 f80_rem(struct f80_env *e, struct f80 a, struct f80 b, bool nearest, unsigned *quotient,
                   bool *partial);
struct f80 f80_round_to_int(struct f80_env *e, struct f80 a);               /* FRNDINT */
struct f80 f80_scale(struct f80_env *e, struct f80 a, struct f80 b);        /* FSCALE  */
/* FXTRACT: returns the significand, *exponent gets the exponent. */
struct f80 f80_extract(struct f80_env *e, struct f80 a, struct f80 *exponent);

/* ---- comparison (f80_compare.c) ---- */

enum f80_relation { F80_GREATER, F80_LESS, F80_EQUAL, F80_UNORDERED };
/* quiet (FUCOM): QNaN operands raise nothing. */
enum f80_relation f80_compare(struct f80_env *e, struct f80 a, struct f80 b, bool quiet);

/* ---- conversions (f80_convert.c) ---- */

/* Singles and doubles to extended: exact.  They raise nothing, so that an arithmetic instruction
 * can rank the exceptions of both operands; they note denormals in e->source_denormal. */
struct f80 f80_widen32(struct f80_env *e, uint32_t a);
struct f80 f80_widen64(struct f80_env *e, uint64_t a);
/* FLD m32, m64: the same, with #D for denormals and #IA for SNaNs. */
struct f80 f80_load32(struct f80_env *e, uint32_t a);
struct f80 f80_load64(struct f80_env *e, uint64_t a);
/* Extended to single and double by FCW.RC.  Not to be stored after an unmasked #O or #U. */
uint32_t f80_to_f32(struct f80_env *e, struct f80 a);
uint64_t f80_to_f64(struct f80_env *e, struct f80 a);
struct f80 f80_from_int(int64_t v);
/* To a signed integer of 2, 4 or 8 bytes; the integer indefinite if it does not fit. */
int64_t f80_to_int(struct f80_env *e, struct f80 a, unsigned size, enum f80_rounding rc);
/* Packed BCD: 18 digits in 9 bytes and a sign byte. */
struct f80 f80_from_bcd(const uint8_t bcd[10]);
void f80_to_bcd(struct f80_env *e, struct f80 a, uint8_t bcd[10]);

/* ---- transcendental functions (f80_exp.c, f80_trig.c): always to 64 bits ---- */

struct f80 f80_2xm1(struct f80_env *e, struct f80 x);
struct f80 f80_yl2x(struct f80_env *e, struct f80 x, struct f80 y);
struct f80 f80_yl2xp1(struct f80_env *e, struct f80 x, struct f80 y);
/* Sine, cosine and tangent of the reduced argument; *partial (C2) if |x| >= 2^63: then x is
 * unchanged and none of the results is to be used.  Any of the destinations may be NULL. */
void f80_sincos(struct f80_env *e, struct f80 x, struct f80 *sine, struct f80 *cosine,
                bool *partial);
struct f80 f80_tan(struct f80_env *e, struct f80 x, bool *partial);
struct f80 f80_atan2(struct f80_env *e, struct f80 y, struct f80 x);
/* FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ in the order of their ModRM bytes. */
struct f80 f80_constant(enum f80_rounding rc, unsigned which);

#endif
