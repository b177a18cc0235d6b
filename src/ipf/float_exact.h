// SPDX-License-Identifier: Apache-2.0
// Exact values before they are rounded: what the files of floating-point arithmetic share.
#ifndef SP_IPF_FLOAT_EXACT_H
#define SP_IPF_FLOAT_EXACT_H

#include "ipf/float.h"

typedef unsigned __int128 u128;

/* A finite number: sign, and high:low * 2^(exponent - 255); bit 255 is set unless it is zero. */
struct exact {
    bool sign;
    int exponent;
    u128 high, low;
};

/* The value of a register that is no infinity and no NaN. */
struct exact exact_of(const struct ipf_fr *f);
/* Moves the leading one to bit 255. */
void exact_normalize(struct exact *x);
/* Rounds a value that is not zero as *e says. */
struct ipf_fr exact_rounded(struct float_env *e, const struct exact *x);

/* SDM vol. 1, "NaNs": the result if one of the operands is no number: of several NaNs the first of
 * b, c, a; a signaling one is invalid.  False: all are numbers. */
bool float_special(struct float_env *e, const struct ipf_fr *a, const struct ipf_fr *b,
                   const struct ipf_fr *c, struct ipf_fr *result);
struct ipf_fr float_invalid(struct float_env *e);
void float_note_unnormals(struct float_env *e, const struct ipf_fr *a, const struct ipf_fr *b,
                          const struct ipf_fr *c);

#endif
