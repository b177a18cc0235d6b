// SPDX-License-Identifier: Apache-2.0
// Parallel floating point: two single-precision values in a significand.
#include "ipf/float_op.h"

struct pair {
    struct ipf_fr high, low;
};
static struct pair pair_of(const struct ipf_fr *f)
{
    return (struct pair){ float_from_single((uint32_t)(f->significand >> 32)),
                          float_from_single((uint32_t)f->significand) };
}
static struct ipf_fr packed(uint64_t high, uint64_t low)
{
    return (struct ipf_fr){ high << 32 | low, FR_INTEGER, 0 };
}

/* ISR.code of both halves: faults of the high one in bits 3:0, of the low one in 7:4; traps of the
 * high one from bit 11, of the low one from bit 7. */
static unsigned finish(struct ipf_cpu *c, const struct ipf_op *op, const struct float_env *high,
                       const struct float_env *low, struct ipf_fr result)
{
    unsigned faults = float_fault_code(high) | float_fault_code(low) << 4;
    unsigned traps = float_trap_code(high) | float_trap_code(low) >> 4;
    if (faults)
        return float_fault(c, op, faults);
    set_fr(c, op->r1, result);
    float_raise(c, op, high->flags | low->flags);
    if (traps)
        return float_trap(c, op, traps);
    NEXT(c, op);
}

/* r2, r3 and r4 as pairs x, y, z; NaTVal if one of the first `count` - 1 is. */
#define PAIRS(name, count, body)                                                                   \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        struct float_env h, l;                                                                     \
        FP_REGISTERS(c, op, op->r1, op->r2, (count) > 2 ? op->r3 : 0, (count) > 3 ? op->r4 : 0);   \
        const struct ipf_fr *f2 = fr(c, op->r2), *f3 = fr(c, op->r3), *f4 = fr(c, op->r4);         \
        struct pair x = pair_of(f2), y = pair_of(f3), z = pair_of(f4);                             \
        (void)y, (void)z;                                                                          \
        float_begin(c, op, FLOAT_PARALLEL, &h);                                                    \
        l = h;                                                                                     \
        if (float_is_natval(f2) || ((count) > 2 && float_is_natval(f3)) ||                         \
            ((count) > 3 && float_is_natval(f4)))                                                  \
            return finish(c, op, &h, &l, fr_natval);                                               \
        body;                                                                                      \
    }

/* A rounded half.  After the trap of an overflow or underflow the exponent is the right one modulo
 * 256. */
static uint32_t rounded_single(const struct float_env *e, const struct ipf_fr *f)
{
    uint32_t v = float_to_single(f);
    if (!(e->flags & e->enabled & (FLOAT_O | FLOAT_U)))
        return v;
    return (v & 0x807fffff) | ((f->exponent - FR_BIAS + 127) & 0xff) << 23;
}
#define PARALLEL_MULTIPLY_ADD(name, negate_product, negate_addend)                                 \
    PAIRS(name, 4, {                                                                               \
        struct ipf_fr high = float_multiply_add(&h, y.high, z.high, op->r2 ? &x.high : NULL,       \
                                                negate_product, negate_addend);                    \
        struct ipf_fr low = float_multiply_add(&l, y.low, z.low, op->r2 ? &x.low : NULL,           \
                                               negate_product, negate_addend);                     \
        return finish(c, op, &h, &l, packed(rounded_single(&h, &high), rounded_single(&l, &low))); \
    })
PARALLEL_MULTIPLY_ADD(ia_fpma, false, false)
PARALLEL_MULTIPLY_ADD(ia_fpms, false, true)
PARALLEL_MULTIPLY_ADD(ia_fpnma, true, false)

/* ---- comparisons: a half of ones or zeros ---- */

static uint64_t compared(struct float_env *e, const struct ipf_fr *a, const struct ipf_fr *b,
                         unsigned relation, bool negated)
{
    int order = float_compare(e, a, b, relation == RELATION_LT || relation == RELATION_LE);
    bool holds = relation == RELATION_EQ   ? order == 0
                 : relation == RELATION_LT ? order == -1
                 : relation == RELATION_LE ? order == 0 || order == -1
                                           : order == 2;
    return holds != negated ? 0xffffffff : 0;
}
#define PARALLEL_COMPARE(name, relation, negated)                                                  \
    PAIRS(name, 3, {                                                                               \
        uint64_t high = compared(&h, &x.high, &y.high, relation, negated);                         \
        uint64_t low = compared(&l, &x.low, &y.low, relation, negated);                            \
        return finish(c, op, &h, &l, packed(high, low));                                           \
    })
PARALLEL_COMPARE(ia_fpcmp_eq, RELATION_EQ, false)
PARALLEL_COMPARE(ia_fpcmp_lt, RELATION_LT, false)
PARALLEL_COMPARE(ia_fpcmp_le, RELATION_LE, false)
PARALLEL_COMPARE(ia_fpcmp_unord, RELATION_UNORDERED, false)
PARALLEL_COMPARE(ia_fpcmp_neq, RELATION_EQ, true)
PARALLEL_COMPARE(ia_fpcmp_nlt, RELATION_LT, true)
PARALLEL_COMPARE(ia_fpcmp_nle, RELATION_LE, true)
PARALLEL_COMPARE(ia_fpcmp_ord, RELATION_UNORDERED, true)

/* ---- minimum and maximum ---- */

static uint64_t chosen(struct float_env *e, struct ipf_fr a, struct ipf_fr b, bool magnitudes,
                       int wanted)
{
    struct ipf_fr x = a, y = b;
    x.sign &= !magnitudes;
    y.sign &= !magnitudes;
    return float_to_single(float_compare(e, &x, &y, true) == wanted ? &a : &b);
}
#define PARALLEL_CHOOSE(name, magnitudes, wanted)                                                  \
    PAIRS(name, 3, {                                                                               \
        uint64_t high = chosen(&h, x.high, y.high, magnitudes, wanted);                            \
        uint64_t low = chosen(&l, x.low, y.low, magnitudes, wanted);                               \
        return finish(c, op, &h, &l, packed(high, low));                                           \
    })
PARALLEL_CHOOSE(ia_fpmin, false, -1)
PARALLEL_CHOOSE(ia_fpmax, false, 1)
PARALLEL_CHOOSE(ia_fpamin, true, -1)
PARALLEL_CHOOSE(ia_fpamax, true, 1)

/* ---- conversions to 32-bit integers ---- */

#define PARALLEL_CONVERT(name, is_signed, truncates)                                               \
    PAIRS(name, 2, {                                                                               \
        h.rounding = l.rounding = truncates ? ROUND_ZERO : h.rounding;                             \
        uint64_t high = float_to_integer(&h, &x.high, 32, is_signed);                              \
        uint64_t low = float_to_integer(&l, &x.low, 32, is_signed);                                \
        return finish(c, op, &h, &l, packed(high, low));                                           \
    })
PARALLEL_CONVERT(ia_fpcvt_fx, true, false)
PARALLEL_CONVERT(ia_fpcvt_fxu, false, false)
PARALLEL_CONVERT(ia_fpcvt_fx_trunc, true, true)
PARALLEL_CONVERT(ia_fpcvt_fxu_trunc, false, true)

/* ---- approximations: p2 only if both halves are to be refined ---- */

static unsigned approximated(struct ipf_cpu *c, const struct ipf_op *op, const struct float_env *h,
                             const struct float_env *l, struct ipf_fr result, bool refine)
{
    if (!float_fault_code(h) && !float_fault_code(l))
        set_pr(c, op->r4, refine);
    return finish(c, op, h, l, result);
}
#define UNLESS_PREDICATE_CLEAR_P2                                                                  \
    if (!(c->pr >> op->qp & 1)) {                                                                  \
        set_pr(c, op->r4, false);                                                                  \
        NEXT(c, op);                                                                               \
    }

HANDLER(ia_fprcpa)
{
    UNLESS_PREDICATE_CLEAR_P2;
    struct float_env h, l;
    struct ipf_fr high, low;
    FP_REGISTERS(c, op, op->r1, op->r2, op->r3, 0);
    const struct ipf_fr *f2 = fr(c, op->r2), *f3 = fr(c, op->r3);
    struct pair x = pair_of(f2), y = pair_of(f3);
    float_begin(c, op, FLOAT_PARALLEL, &h);
    l = h;
    if (float_is_natval(f2) || float_is_natval(f3))
        return approximated(c, op, &h, &l, fr_natval, false);
    bool refine = float_reciprocal_single(&h, x.high, y.high, &high);
    refine &= float_reciprocal_single(&l, x.low, y.low, &low);
    struct ipf_fr r = packed(float_to_single(&high), float_to_single(&low));
    return approximated(c, op, &h, &l, r, refine);
}
HANDLER(ia_fprsqrta)
{
    UNLESS_PREDICATE_CLEAR_P2;
    struct float_env h, l;
    struct ipf_fr high, low;
    FP_REGISTERS(c, op, op->r1, op->r3, 0, 0);
    const struct ipf_fr *f3 = fr(c, op->r3);
    struct pair y = pair_of(f3);
    float_begin(c, op, FLOAT_PARALLEL, &h);
    l = h;
    if (float_is_natval(f3))
        return approximated(c, op, &h, &l, fr_natval, false);
    bool refine = float_reciprocal_sqrt_single(&h, y.high, &high);
    refine &= float_reciprocal_sqrt_single(&l, y.low, &low);
    struct ipf_fr r = packed(float_to_single(&high), float_to_single(&low));
    return approximated(c, op, &h, &l, r, refine);
}
