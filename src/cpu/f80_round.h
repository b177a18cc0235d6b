// SPDX-License-Identifier: Apache-2.0
// Inside the 80-bit arithmetic: numbers taken apart, operands that are not numbers, and rounding.
#ifndef SP_CPU_F80_ROUND_H
#define SP_CPU_F80_ROUND_H

#include "cpu/softfloat80.h"

typedef unsigned __int128 u128;

enum { F80_BIAS = 16383, F80_MAX_EXP = 0x7fff, F80_BIAS_ADJUST = 24576 };

/* (-1)^sign * sig / 2^127 * 2^(exp - bias).  sig is 0 or has bit 127 set; its bit 0 may stand for
 * any number of ones further down ("sticky"). */
struct wide {
    bool sign;
    int exp;
    u128 sig;
};

static inline unsigned clz128(u128 v)
{
    uint64_t hi = (uint64_t)(v >> 64);
    return hi ? (unsigned)__builtin_clzll(hi) : 64 + (unsigned)__builtin_clzll((uint64_t)v);
}
/* v >> n; what falls out leaves a trace in bit 0. */
static inline u128 shift_right_jam(u128 v, unsigned n)
{
    if (n == 0)
        return v;
    if (n > 127)
        return v != 0;
    return v >> n | ((v << (128 - n)) != 0);
}
/* Brings bit 127 of a number to 1 (sig must not be 0). */
static inline struct wide wide_normalise(bool sign, int exp, u128 sig)
{
    unsigned n = clz128(sig);
    return (struct wide){ sign, exp - (int)n, sig << n };
}
/* A finite value taken apart; zeros have sig = 0. */
static inline struct wide wide_of(struct f80 a)
{
    int exponent = a.sexp & F80_MAX_EXP;
    unsigned n = a.frac ? (unsigned)__builtin_clzll(a.frac) : 0;
    return (struct wide){ f80_sign(a), (exponent ? exponent : 1) - (int)n,
                          (u128)(a.frac << n) << 64 };
}

/* Rounds to the precision of FCW.PC, or to 64 bits whatever it says. */
struct f80 f80_round(struct f80_env *e, struct wide w);
struct f80 f80_round64(struct f80_env *e, struct wide w);
/* The same for a transcendental result: always inexact, and a denormal an underflow. */
struct f80 f80_round_inexact(struct f80_env *e, struct wide w);

/* Drops the low `drop` bits (1 to 128) of sig by the rounding rule; the result keeps its position
 * and wraps to 0 when it carries out of bit 127.  Sets *up when the magnitude grew; true if
 * inexact. */
bool round_sig(u128 *sig, unsigned drop, enum f80_rounding rc, bool sign, bool *up);

/* #IA: the masked response. */
struct f80 f80_invalid(struct f80_env *e);
/* True when an operand is unsupported or a NaN: *r is the result, #IA was raised where due. */
bool f80_special(struct f80_env *e, struct f80 a, struct f80 *r);
bool f80_special2_other(struct f80_env *e, struct f80 a, struct f80 b, struct f80 *r);
static inline bool f80_special2(struct f80_env *e, struct f80 a, struct f80 b, struct f80 *r)
{
    return !(f80_is_normal(a) && f80_is_normal(b)) && f80_special2_other(e, a, b, r);
}
/* #D if an operand is denormal.  To be called when no invalid operation and no division by zero was
 * found: they rank higher (SDM vol. 1, "Floating-Point Exception Priority"). */
static inline void f80_note_denormal(struct f80_env *e, struct f80 a)
{
    if (e->source_denormal || f80_classify(a) == F80_DENORMAL)
        e->flags |= FPU_DE;
}
static inline void f80_note_denormals(struct f80_env *e, struct f80 a, struct f80 b)
{
    f80_note_denormal(e, a);
    f80_note_denormal(e, b);
}

#endif
