// SPDX-License-Identifier: Apache-2.0
// Numbers with 128-bit significands, in which the transcendental functions compute.  Results are
// truncated; bit 0 of a significand is sticky where something was lost.
#ifndef SP_CPU_F80_WIDE_H
#define SP_CPU_F80_WIDE_H

#include "cpu/f80_round.h"

#define WIDE_SIG(hi, lo) ((u128)UINT64_C(hi) << 64 | UINT64_C(lo))

/* Fixed point for series: 1.0 = 2^127. */
#define FIX_ONE ((u128)1 << 127)
/* a * b in fixed point, truncated. */
u128 fix_mul(u128 a, u128 b);

struct wide wide_add(struct wide a, struct wide b);
struct wide wide_mul(struct wide a, struct wide b);
struct wide wide_div(struct wide a, struct wide b);        /* b is not 0 */
struct wide wide_of_int(int v);
/* A series' value in fixed point as a number. */
struct wide wide_of_fix(u128 v);
/* |a| < 2 in fixed point, truncated. */
u128 fix_of_wide(struct wide a);

static inline struct wide wide_negate_if(bool negate, struct wide a)
{
    a.sign ^= negate;
    return a;
}
/* A value that is never representable exactly: rounding shall see that. */
static inline struct wide wide_inexact(struct wide a)
{
    a.sig |= 1;
    return a;
}

#endif
