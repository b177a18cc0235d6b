// SPDX-License-Identifier: Apache-2.0
// Comparison of 80-bit values (SDM vol. 2, FCOM, FUCOM).
#include "cpu/f80_round.h"

static enum f80_relation reversed(bool reverse, enum f80_relation r)
{
    return reverse ? (r == F80_LESS ? F80_GREATER : F80_LESS) : r;
}

/* Infinities compare as numbers with the largest exponent; -0 = +0. */
static enum f80_relation compare_ordered(struct f80 a, struct f80 b)
{
    struct wide x = wide_of(a), y = wide_of(b);
    if (x.sig == 0 && y.sig == 0)
        return F80_EQUAL;
    if (x.sig == 0)
        return y.sign ? F80_GREATER : F80_LESS;
    if (y.sig == 0 || x.sign != y.sign)
        return x.sign ? F80_LESS : F80_GREATER;
    if (x.exp != y.exp)
        return reversed(x.sign, x.exp < y.exp ? F80_LESS : F80_GREATER);
    if (x.sig != y.sig)
        return reversed(x.sign, x.sig < y.sig ? F80_LESS : F80_GREATER);
    return F80_EQUAL;
}

enum f80_relation f80_compare(struct f80_env *e, struct f80 a, struct f80 b, bool quiet)
{
    enum f80_class ka = f80_classify(a), kb = f80_classify(b);
    if (ka >= F80_QNAN || kb >= F80_QNAN) {
        if (!quiet || ka >= F80_SNAN || kb >= F80_SNAN)
            e->flags |= FPU_IE;
        return F80_UNORDERED;
    }
    f80_note_denormals(e, a, b);
    return compare_ordered(a, b);
}
