// SPDX-License-Identifier: Apache-2.0
// Floating-point arithmetic (formats F1 to F8, F10 to F14) on whole registers.
#include "ipf/float.h"
#include "ipf/float_op.h"
#include "ipf/op.h"

/* ---- AR.FPSR (SDM vol. 1, "Floating-point Status Register") ---- */

enum {
    SF_FTZ = 1 << 0,
    SF_WRE = 1 << 1,
    SF_PC = 2,
    SF_RC = 4,
    SF_TD = 1 << 6,
    SF_FLAGS = 7,
    SF_BITS = 13,
    SF_CONTROLS = 0x7f,
};
static unsigned sf_shift(unsigned sf) { return 6 + SF_BITS * sf; }
static unsigned sf_value(const struct ipf_cpu *c, unsigned sf)
{
    return c->ar[AR_FPSR] >> sf_shift(sf) & ((1 << SF_BITS) - 1);
}

bool float_begin(const struct ipf_cpu *c, const struct ipf_op *op, enum float_result kind,
                 struct float_env *e)
{
    static const uint8_t precisions[4] = { 24, 0, 53, 64 };
    static const struct {
        uint8_t precision, range;
    } fixed[] = {
        [FLOAT_SINGLE] = { 24, 8 },
        [FLOAT_DOUBLE] = { 53, 11 },
        [FLOAT_PARALLEL] = { 24, 8 },
        [FLOAT_BY_PC] = { 0, 15 },
    };
    unsigned sf = sf_value(c, op->sf);
    *e = (struct float_env){
        .precision = fixed[kind].precision,
        .range = fixed[kind].range,
        .rounding = sf >> SF_RC & 3,
    };
    if (kind == FLOAT_BY_PC)
        e->precision = precisions[sf >> SF_PC & 3];
    if (kind != FLOAT_PARALLEL && sf & SF_WRE)
        e->range = 17;
    e->enabled = sf & SF_TD && op->sf ? 0 : ~c->ar[AR_FPSR] & 0x3f;
    e->flush = sf & SF_FTZ && !(e->enabled & FLOAT_U);
    return e->precision;
}

/* The order of flags in AR.FPSR is V, D, Z, O, U, I, as in struct float_env. */
void float_raise(struct ipf_cpu *c, const struct ipf_op *op, unsigned flags)
{
    c->ar[AR_FPSR] |= (uint64_t)flags << (sf_shift(op->sf) + SF_FLAGS);
}

/* O, U, I in bits 11 to 13, and 14: the result was rounded up.  With the trap of an overflow or
 * underflow goes whether the result is inexact, whatever the inexact trap. */
unsigned float_trap_code(const struct float_env *e)
{
    unsigned traps = e->flags & e->enabled & (FLOAT_O | FLOAT_U | FLOAT_I);
    if (traps & (FLOAT_O | FLOAT_U))
        traps |= e->flags & FLOAT_I;
    return traps ? traps >> 3 << 11 | (e->away ? 1u << 14 : 0) : 0;
}

void set_fr(struct ipf_cpu *c, unsigned n, struct ipf_fr value)
{
    *fr(c, n) = value;
    c->psr |= n < 32 ? PSR_MFL : PSR_MFH;
}

/* Ends an operation: a fault, or the result and perhaps a trap. */
unsigned float_finish(struct ipf_cpu *c, const struct ipf_op *op, const struct float_env *e,
                      struct ipf_fr result)
{
    unsigned faults = float_fault_code(e), trap = float_trap_code(e);
    if (unlikely(faults))
        return float_fault(c, op, faults);
    set_fr(c, op->r1, result);
    float_raise(c, op, e->flags);
    if (unlikely(trap))
        return float_trap(c, op, trap);
    NEXT(c, op);
}

/* ---- fma and its family: f1 = f3 * f4 + f2 ---- */

#define MULTIPLY_ADD(name, kind, negate_product, negate_addend)                                    \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        struct float_env e;                                                                        \
        FP_REGISTERS(c, op, op->r1, op->r2, op->r3, op->r4);                                       \
        if (unlikely(!float_begin(c, op, kind, &e)))                                               \
            return reserved_field(c, op);                                                          \
        const struct ipf_fr *addend = op->r2 ? fr(c, op->r2) : NULL;                               \
        struct ipf_fr r = float_multiply_add(&e, *fr(c, op->r3), *fr(c, op->r4), addend,           \
                                             negate_product, negate_addend);                       \
        return float_finish(c, op, &e, r);                                                         \
    }
MULTIPLY_ADD(ia_fma, FLOAT_BY_PC, false, false)
MULTIPLY_ADD(ia_fma_s, FLOAT_SINGLE, false, false)
MULTIPLY_ADD(ia_fma_d, FLOAT_DOUBLE, false, false)
MULTIPLY_ADD(ia_fms, FLOAT_BY_PC, false, true)
MULTIPLY_ADD(ia_fms_s, FLOAT_SINGLE, false, true)
MULTIPLY_ADD(ia_fms_d, FLOAT_DOUBLE, false, true)
MULTIPLY_ADD(ia_fnma, FLOAT_BY_PC, true, false)
MULTIPLY_ADD(ia_fnma_s, FLOAT_SINGLE, true, false)
MULTIPLY_ADD(ia_fnma_d, FLOAT_DOUBLE, true, false)

/* ---- comparisons and classes ---- */

static bool relation_holds(int order, unsigned relation)
{
    switch (relation) {
    case RELATION_EQ: return order == 0;
    case RELATION_LT: return order == -1;
    case RELATION_LE: return order == 0 || order == -1;
    default: return order == 2;
    }
}

/* p1 = p2 is illegal; unc clears both, and faults, even if the predicate is false. */
static unsigned float_compared(struct ipf_cpu *c, const struct ipf_op *op, unsigned relation,
                               bool unconditional)
{
    bool executes = c->pr >> op->qp & 1, holds = false, nat = true;
    struct float_env e = { 0 };
    if (!executes && !unconditional)
        NEXT(c, op);
    if (op->r1 == op->r4)
        return illegal_operation(c, op);
    if (executes) {
        FP_REGISTERS(c, op, op->r2, op->r3, 0, 0);
        const struct ipf_fr *a = fr(c, op->r2), *b = fr(c, op->r3);
        float_begin(c, op, FLOAT_BY_PC, &e);
        nat = float_is_natval(a) || float_is_natval(b);
        bool signals = relation == RELATION_LT || relation == RELATION_LE;
        holds = !nat && relation_holds(float_compare(&e, a, b, signals), relation);
    }
    if (float_fault_code(&e))
        return float_fault(c, op, float_fault_code(&e));
    float_raise(c, op, e.flags);
    set_pr(c, op->r1, holds && !nat);
    set_pr(c, op->r4, !holds && !nat);
    NEXT(c, op);
}
#define FLOAT_COMPARE(name, relation)                                                              \
    HANDLER(ia_fcmp_##name) { return float_compared(c, op, relation, false); }                     \
    HANDLER(ia_fcmp_##name##_unc) { return float_compared(c, op, relation, true); }
FLOAT_COMPARE(eq, RELATION_EQ)
FLOAT_COMPARE(lt, RELATION_LT)
FLOAT_COMPARE(le, RELATION_LE)
FLOAT_COMPARE(unord, RELATION_UNORDERED)

/* SDM vol. 3, fclass: the bits of fclass9. */
enum {
    CLASS_POSITIVE = 1,
    CLASS_NEGATIVE = 2,
    CLASS_ZERO = 4,
    CLASS_UNNORMAL = 8,
    CLASS_NORMAL = 0x10,
    CLASS_INFINITY = 0x20,
    CLASS_SNAN = 0x40,
    CLASS_QNAN = 0x80,
    CLASS_NATVAL = 0x100,
};
static bool is_member(const struct ipf_fr *f, unsigned class)
{
    if (float_is_natval(f))
        return class & CLASS_NATVAL;
    if (float_is_nan(f))
        return class & (float_is_quiet(f) ? CLASS_QNAN : CLASS_SNAN);
    if (!(class & (f->sign ? CLASS_NEGATIVE : CLASS_POSITIVE)) || float_is_unsupported(f))
        return false;
    return class & (float_is_true_zero(f)  ? CLASS_ZERO
                    : float_is_infinity(f) ? CLASS_INFINITY
                    : float_is_unnormal(f) ? CLASS_UNNORMAL
                                           : CLASS_NORMAL);
}
static unsigned classified(struct ipf_cpu *c, const struct ipf_op *op, bool unconditional)
{
    bool executes = c->pr >> op->qp & 1;
    const struct ipf_fr *f = fr(c, op->r2);
    if (!executes && !unconditional)
        NEXT(c, op);
    if (op->r1 == op->r4)
        return illegal_operation(c, op);
    if (executes)
        FP_REGISTERS(c, op, op->r2, 0, 0, 0);
    bool member = is_member(f, (unsigned)op->imm);
    bool nat = float_is_natval(f) && !(op->imm & CLASS_NATVAL);
    set_pr(c, op->r1, executes && member && !nat);
    set_pr(c, op->r4, executes && !member && !nat);
    NEXT(c, op);
}
HANDLER(ia_fclass_m) { return classified(c, op, false); }
HANDLER(ia_fclass_m_unc) { return classified(c, op, true); }

/* ---- minimum and maximum: f3 if the operands are unordered or equal ---- */

static unsigned chosen(struct ipf_cpu *c, const struct ipf_op *op, bool magnitudes, int wanted)
{
    struct ipf_fr a = *fr(c, op->r2), b = *fr(c, op->r3), x = a, y = b;
    struct float_env e;
    float_begin(c, op, FLOAT_BY_PC, &e);
    if (float_is_natval(&a) || float_is_natval(&b))
        return float_finish(c, op, &e, fr_natval);
    x.sign &= !magnitudes;
    y.sign &= !magnitudes;
    int order = float_compare(&e, &x, &y, true);
    return float_finish(c, op, &e, order == wanted ? a : b);
}
#define CHOOSE(name, magnitudes, wanted)                                                           \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        FP_REGISTERS(c, op, op->r1, op->r2, op->r3, 0);                                            \
        return chosen(c, op, magnitudes, wanted);                                                  \
    }
CHOOSE(ia_fmin, false, -1)
CHOOSE(ia_fmax, false, 1)
CHOOSE(ia_famin, true, -1)
CHOOSE(ia_famax, true, 1)

/* ---- conversions between floating point and integers ---- */

static unsigned to_integer(struct ipf_cpu *c, const struct ipf_op *op, bool is_signed,
                           bool truncates)
{
    IF_PREDICATE(c, op);
    struct float_env e;
    const struct ipf_fr *f = fr(c, op->r2);
    FP_REGISTERS(c, op, op->r1, op->r2, 0, 0);
    float_begin(c, op, FLOAT_BY_PC, &e);
    if (float_is_natval(f))
        return float_finish(c, op, &e, fr_natval);
    if (truncates)
        e.rounding = ROUND_ZERO;
    uint64_t v = float_to_integer(&e, f, 64, is_signed);
    return float_finish(c, op, &e, (struct ipf_fr){ .significand = v, .exponent = FR_INTEGER });
}
HANDLER(ia_fcvt_fx) { return to_integer(c, op, true, false); }
HANDLER(ia_fcvt_fxu) { return to_integer(c, op, false, false); }
HANDLER(ia_fcvt_fx_trunc) { return to_integer(c, op, true, true); }
HANDLER(ia_fcvt_fxu_trunc) { return to_integer(c, op, false, true); }

HANDLER(ia_fcvt_xf)
{
    IF_PREDICATE(c, op);
    const struct ipf_fr *f = fr(c, op->r2);
    FP_REGISTERS(c, op, op->r1, op->r2, 0, 0);
    set_fr(c, op->r1, float_is_natval(f) ? fr_natval : float_from_integer(f->significand));
    NEXT(c, op);
}

/* ---- approximations: p2 says that f1 is to be refined ---- */

static unsigned approximated(struct ipf_cpu *c, const struct ipf_op *op, const struct float_env *e,
                             struct ipf_fr result, bool refine)
{
    if (float_fault_code(e))
        return float_fault(c, op, float_fault_code(e));
    set_pr(c, op->r4, refine);
    return float_finish(c, op, e, result);
}
/* Only a final quotient or square root is rounded; with a reserved precision control, which the
 * approximation does not look at, to a full significand. */
static void approximation_begin(const struct ipf_cpu *c, const struct ipf_op *op,
                                struct float_env *e)
{
    if (!float_begin(c, op, FLOAT_BY_PC, e))
        e->precision = 64;
}
/* p2 is cleared even if the predicate is false. */
#define UNLESS_PREDICATE_CLEAR_P2                                                                  \
    if (!(c->pr >> op->qp & 1)) {                                                                  \
        set_pr(c, op->r4, false);                                                                  \
        NEXT(c, op);                                                                               \
    }
HANDLER(ia_frcpa)
{
    UNLESS_PREDICATE_CLEAR_P2;
    struct float_env e;
    struct ipf_fr result;
    FP_REGISTERS(c, op, op->r1, op->r2, op->r3, 0);
    approximation_begin(c, op, &e);
    bool refine = float_reciprocal(&e, *fr(c, op->r2), *fr(c, op->r3), &result);
    return approximated(c, op, &e, result, refine);
}
HANDLER(ia_frsqrta)
{
    UNLESS_PREDICATE_CLEAR_P2;
    struct float_env e;
    struct ipf_fr result;
    FP_REGISTERS(c, op, op->r1, op->r3, 0, 0);
    approximation_begin(c, op, &e);
    bool refine = float_reciprocal_sqrt(&e, *fr(c, op->r3), &result);
    return approximated(c, op, &e, result, refine);
}

/* ---- status fields ---- */

HANDLER(ia_fsetc)
{
    IF_PREDICATE(c, op);
    unsigned controls = (sf_value(c, 0) & op->r2) | op->r3, shift = sf_shift(op->sf);
    if ((controls >> SF_PC & 3) == 1 || (!op->sf && controls & SF_TD))
        return reserved_field(c, op);
    c->ar[AR_FPSR] = (c->ar[AR_FPSR] & ~((uint64_t)SF_CONTROLS << shift)) |
                     (uint64_t)(controls & SF_CONTROLS) << shift;
    NEXT(c, op);
}
HANDLER(ia_fclrf)
{
    IF_PREDICATE(c, op);
    c->ar[AR_FPSR] &= ~(UINT64_C(0x3f) << (sf_shift(op->sf) + SF_FLAGS));
    NEXT(c, op);
}
HANDLER(ia_fchkf)
{
    IF_PREDICATE(c, op);
    unsigned flags = sf_value(c, op->sf) >> SF_FLAGS, main = sf_value(c, 0) >> SF_FLAGS;
    unsigned enabled = ~c->ar[AR_FPSR] & 0x3f;
    if (flags & (enabled | ~main) & 0x3f)
        return leave_to(c, op, op_ip(c, op) + (uint64_t)op->imm);
    NEXT(c, op);
}
