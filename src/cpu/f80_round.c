// SPDX-License-Identifier: Apache-2.0
// Classes, NaNs and rounding of 80-bit values.
// SDM vol. 1, "Handling of x87 FPU Exceptions in Software", "Operating on SNaNs and QNaNs".
#include "cpu/f80_round.h"

const struct f80 f80_indefinite = { UINT64_C(0xc000000000000000), 0xffff };
const struct f80 f80_one = { UINT64_C(0x8000000000000000), F80_BIAS };

enum f80_class f80_classify_other(struct f80 a)
{
    unsigned exponent = a.sexp & F80_MAX_EXP;
    if (exponent == 0)
        return a.frac ? F80_DENORMAL : F80_ZERO;
    if (!(a.frac >> 63))
        return F80_UNSUPPORTED;      /* unnormal, pseudo-NaN, pseudo-infinity */
    if (a.frac << 1 == 0)
        return F80_INFINITY;
    return a.frac & BIT(62) ? F80_QNAN : F80_SNAN;
}

struct f80 f80_invalid(struct f80_env *e)
{
    e->flags |= FPU_IE;
    return f80_indefinite;
}

static struct f80 quieted(struct f80 a)
{
    a.frac |= BIT(62);
    return a;
}

bool f80_special(struct f80_env *e, struct f80 a, struct f80 *r)
{
    enum f80_class k = f80_classify(a);
    if (k == F80_UNSUPPORTED || k == F80_SNAN)
        e->flags |= FPU_IE;
    *r = k == F80_UNSUPPORTED ? f80_indefinite : k >= F80_QNAN ? quieted(a) : a;
    return k >= F80_QNAN;
}

/* SDM vol. 1, table "Rules for Handling NaNs": a NaN beats a number, a QNaN beats an SNaN, else the
 * larger significand wins, and of equal ones the positive. */
static struct f80 nan_choice(struct f80 a, enum f80_class ka, struct f80 b, enum f80_class kb)
{
    bool a_nan = ka == F80_QNAN || ka == F80_SNAN, b_nan = kb == F80_QNAN || kb == F80_SNAN;
    if (!a_nan || !b_nan)
        return quieted(a_nan ? a : b);
    if (ka != kb)
        return ka == F80_QNAN ? a : b;
    if (a.frac != b.frac)
        return quieted(a.frac > b.frac ? a : b);
    return quieted(f80_sign(a) ? b : a);
}

bool f80_special2_other(struct f80_env *e, struct f80 a, struct f80 b, struct f80 *r)
{
    enum f80_class ka = f80_classify(a), kb = f80_classify(b);
    if (ka < F80_QNAN && kb < F80_QNAN)
        return false;
    if (ka >= F80_SNAN || kb >= F80_SNAN)
        e->flags |= FPU_IE;
    *r = ka == F80_UNSUPPORTED || kb == F80_UNSUPPORTED ? f80_indefinite : nan_choice(a, ka, b, kb);
    return true;
}

bool round_sig(u128 *sig, unsigned drop, enum f80_rounding rc, bool sign, bool *up)
{
    u128 low = drop > 127 ? *sig : *sig & (((u128)1 << drop) - 1);
    u128 half = (u128)1 << (drop - 1);
    bool odd = drop <= 127 && (*sig >> drop & 1);
    *up = low && (rc == ROUND_NEAREST ? low > half || (low == half && odd)
                                      : rc == (sign ? ROUND_DOWN : ROUND_UP));
    *sig -= low;
    if (*up && drop <= 127)
        *sig += (u128)1 << drop;
    return low;
}

/* The masked response to overflow: infinity, or the largest number of that precision. */
static struct f80 overflow(struct f80_env *e, bool sign, unsigned bits)
{
    enum f80_rounding rc = f80_rc(e);
    e->flags |= FPU_OE | FPU_PE;
    e->rounded_up = rc == ROUND_NEAREST || rc == (sign ? ROUND_DOWN : ROUND_UP);
    if (e->rounded_up)
        return f80_infinity(sign);
    return f80_make(sign, F80_MAX_EXP - 1, ~UINT64_C(0) << (64 - bits));
}

/* The masked response to underflow: a denormal, rounded at the position that its precision has in
 * the format.  UE is raised only if that is inexact. */
static struct f80 underflow(struct f80_env *e, struct wide w, unsigned bits)
{
    u128 sig = shift_right_jam(w.sig, w.exp < -200 ? 200 : (unsigned)(1 - w.exp));
    if (round_sig(&sig, 128 - bits, f80_rc(e), w.sign, &e->rounded_up))
        e->flags |= FPU_UE | FPU_PE;
    return f80_make(w.sign, (unsigned)(sig >> 127), (uint64_t)(sig >> 64));
}

static inline struct f80 round_bits(struct f80_env *e, struct wide w, unsigned bits)
{
    if (w.sig == 0)
        return f80_zero(w.sign);
    u128 sig = w.sig;
    int exp = w.exp;
    bool inexact = round_sig(&sig, 128 - bits, f80_rc(e), w.sign, &e->rounded_up);
    if (sig == 0) {                            /* carried out: 1.11..1 became 10.0 */
        sig = (u128)1 << 127;
        exp++;
    }
    if (exp >= F80_MAX_EXP) {
        if (e->control & FPU_OE)
            return overflow(e, w.sign, bits);
        e->flags |= FPU_OE;
        exp -= F80_BIAS_ADJUST;
    } else if (exp < 1) {                      /* tiny after rounding */
        if (e->control & FPU_UE)
            return underflow(e, w, bits);
        e->flags |= FPU_UE;
        exp += F80_BIAS_ADJUST;
    }
    e->flags |= inexact ? FPU_PE : 0;
    return f80_make(w.sign, (unsigned)exp & F80_MAX_EXP, (uint64_t)(sig >> 64));
}

struct f80 f80_round(struct f80_env *e, struct wide w)
{
    switch (e->control >> 8 & 3) {
    case 0: return round_bits(e, w, 24);
    case 2: return round_bits(e, w, 53);
    default: return round_bits(e, w, 64);      /* 1 is reserved: silicon takes it as 3 */
    }
}

struct f80 f80_round64(struct f80_env *e, struct wide w)
{
    return round_bits(e, w, 64);
}

struct f80 f80_round_inexact(struct f80_env *e, struct wide w)
{
    struct f80 r = round_bits(e, w, 64);
    e->flags |= f80_classify(r) == F80_DENORMAL ? FPU_UE | FPU_PE : FPU_PE;
    return r;
}
