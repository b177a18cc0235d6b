// SPDX-License-Identifier: Apache-2.0
// x87 instructions with two results or two popped operands: FXTRACT, FSIN, FCOS, FSINCOS, FPTAN,
// FPATAN, FYL2X, FYL2XP1.
#include "cpu/ops.h"
#include "cpu/x87.h"

/* ST(0) becomes `below`, `top` is pushed: FXTRACT, FPTAN, FSINCOS. */
static void replace_and_push(struct cpu *c, struct f80 below, struct f80 top)
{
    fpu_set(&c->fpu, 0, below);
    c->fpu.top = (c->fpu.top - 1) & 7;
    fpu_set(&c->fpu, 0, top);
}

/* Operand and room for those; false: a stack fault was answered. */
static bool operand_and_room(struct cpu *c)
{
    if (fpu_is_empty(&c->fpu, 0)) {
        if (fpu_stack_underflow(c))
            replace_and_push(c, f80_indefinite, f80_indefinite);
        return false;
    }
    if (fpu_is_empty(&c->fpu, 7))
        return true;
    if (fpu_stack_overflow(c))
        replace_and_push(c, f80_indefinite, f80_indefinite);
    return false;
}

enum outcome op_fxtract(struct cpu *c, const struct insn *i)
{
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    if (!operand_and_room(c))
        return RETIRED;
    struct f80_env e = fpu_env(c);
    struct f80 exponent, significand = f80_extract(&e, *fpu_st(&c->fpu, 0), &exponent);
    if (fpu_commit(c, &e))
        replace_and_push(c, exponent, significand);
    return RETIRED;
}

static enum outcome one_reduced(struct cpu *c, const struct insn *i, bool cosine)
{
    bool partial;
    struct f80 r = { 0 };
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    fpu_conditions(&c->fpu, FSW_C2, 0);
    if (fpu_is_empty(&c->fpu, 0)) {
        if (fpu_stack_underflow(c))
            fpu_set(&c->fpu, 0, f80_indefinite);
        return RETIRED;
    }
    struct f80_env e = fpu_env(c);
    f80_sincos(&e, *fpu_st(&c->fpu, 0), cosine ? NULL : &r, cosine ? &r : NULL, &partial);
    if (!fpu_commit(c, &e))
        return RETIRED;
    fpu_conditions(&c->fpu, FSW_C2, partial ? FSW_C2 : 0);
    if (!partial)
        fpu_set(&c->fpu, 0, r);
    return RETIRED;
}

enum outcome op_fsin(struct cpu *c, const struct insn *i) { return one_reduced(c, i, false); }
enum outcome op_fcos(struct cpu *c, const struct insn *i) { return one_reduced(c, i, true); }

/* FSINCOS leaves the sine below the cosine, FPTAN the tangent below 1.0. */
static enum outcome two_reduced(struct cpu *c, const struct insn *i, bool tangent)
{
    bool partial;
    struct f80 below, top;
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    fpu_conditions(&c->fpu, FSW_C2, 0);
    if (!operand_and_room(c))
        return RETIRED;
    struct f80_env e = fpu_env(c);
    struct f80 x = *fpu_st(&c->fpu, 0);
    if (tangent) {
        below = f80_tan(&e, x, &partial);
        top = f80_classify(below) >= F80_QNAN ? below : f80_one;
    } else {
        f80_sincos(&e, x, &below, &top, &partial);
    }
    if (!fpu_commit(c, &e))
        return RETIRED;
    fpu_conditions(&c->fpu, FSW_C2, partial ? FSW_C2 : 0);
    if (!partial)
        replace_and_push(c, below, top);
    return RETIRED;
}

enum outcome op_fsincos(struct cpu *c, const struct insn *i) { return two_reduced(c, i, false); }
enum outcome op_fptan(struct cpu *c, const struct insn *i) { return two_reduced(c, i, true); }

/* FYL2X, FYL2XP1, FPATAN: ST(1) = f(ST(0), ST(1)), then pop. */
typedef struct f80 binary_fn(struct f80_env *e, struct f80 st0, struct f80 st1);

static enum outcome binary_pop(struct cpu *c, const struct insn *i, binary_fn *function)
{
    struct fpu *f = &c->fpu;
    struct f80 r = f80_indefinite;
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    struct f80_env e = fpu_env(c);
    bool empty = fpu_is_empty(f, 0) || fpu_is_empty(f, 1);
    if (!empty)
        r = function(&e, *fpu_st(f, 0), *fpu_st(f, 1));
    if (empty ? fpu_stack_underflow(c) : fpu_commit(c, &e)) {
        fpu_set(f, 1, r);
        fpu_pop(f);
    }
    return RETIRED;
}

static struct f80 arctangent(struct f80_env *e, struct f80 st0, struct f80 st1)
{
    return f80_atan2(e, st1, st0);
}

enum outcome op_fyl2x(struct cpu *c, const struct insn *i) { return binary_pop(c, i, f80_yl2x); }
enum outcome op_fyl2xp1(struct cpu *c, const struct insn *i)
{
    return binary_pop(c, i, f80_yl2xp1);
}
enum outcome op_fpatan(struct cpu *c, const struct insn *i) { return binary_pop(c, i, arctangent); }
