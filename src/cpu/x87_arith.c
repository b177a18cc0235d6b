// SPDX-License-Identifier: Apache-2.0
// x87 arithmetic: FADD ... FDIVR in all operand forms; FSQRT, FRNDINT, FCHS, FABS, FSCALE, FPREM.
#include "cpu/ops.h"
#include "cpu/x87.h"

/* ModRM.reg of D8, DA, DC (memory), DE (memory): which operation.  2 and 3 are comparisons. */
enum { ARITH_ADD, ARITH_MUL, ARITH_SUB = 4, ARITH_SUBR, ARITH_DIV, ARITH_DIVR };

static unsigned arith_kind(const struct insn *i) { return i->modrm >> 3 & 7; }

static struct f80 arith(struct f80_env *e, unsigned kind, struct f80 a, struct f80 b)
{
    switch (kind) {
    case ARITH_ADD: return f80_add(e, a, b);
    case ARITH_MUL: return f80_mul(e, a, b);
    case ARITH_SUB: return f80_sub(e, a, b);
    case ARITH_SUBR: return f80_sub(e, b, a);
    case ARITH_DIV: return f80_div(e, a, b);
    default: return f80_div(e, b, a);
    }
}

/* ST(dst) = ST(dst) op b.  False: an unmasked exception keeps the destination and the stack. */
static bool arith_to(struct cpu *c, struct f80_env *e, unsigned kind, unsigned dst, struct f80 b)
{
    struct f80 r = arith(e, kind, *fpu_st(&c->fpu, dst), b);
    bool write = fpu_commit(c, e);
    if (write)
        fpu_set(&c->fpu, dst, r);
    return write;
}

/* ST(0) = ST(0) op memory; b was widened under e. */
static enum outcome arith_memory(struct cpu *c, const struct insn *i, struct f80_env *e,
                                 struct f80 b)
{
    if (!fpu_is_empty(&c->fpu, 0))
        arith_to(c, e, arith_kind(i), 0, b);
    else if (fpu_stack_underflow(c))
        fpu_set(&c->fpu, 0, f80_indefinite);
    return RETIRED;
}

enum outcome op_farith_m32(struct cpu *c, const struct insn *i)
{
    uint32_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    return o != RETIRED ? o : arith_memory(c, i, &e, f80_widen32(&e, m));
}

enum outcome op_farith_m64(struct cpu *c, const struct insn *i)
{
    uint64_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    return o != RETIRED ? o : arith_memory(c, i, &e, f80_widen64(&e, m));
}

enum outcome op_farith_i16(struct cpu *c, const struct insn *i)
{
    int16_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    return o != RETIRED ? o : arith_memory(c, i, &e, f80_from_int(m));
}

enum outcome op_farith_i32(struct cpu *c, const struct insn *i)
{
    int32_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    return o != RETIRED ? o : arith_memory(c, i, &e, f80_from_int(m));
}

/* ST(dst) = ST(dst) op ST(src); true if the destination was written (so that a pop may follow). */
static bool arith_registers(struct cpu *c, unsigned kind, unsigned dst, unsigned src)
{
    struct fpu *f = &c->fpu;
    struct f80_env e = fpu_env(c);
    if (!fpu_is_empty(f, dst) && !fpu_is_empty(f, src))
        return arith_to(c, &e, kind, dst, *fpu_st(f, src));
    bool masked = fpu_stack_underflow(c);
    if (masked)
        fpu_set(f, dst, f80_indefinite);
    return masked;
}

enum outcome op_farith_st0(struct cpu *c, const struct insn *i)
{
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    arith_registers(c, arith_kind(i), 0, i->modrm & 7);
    return RETIRED;
}

/* DC and DE have the reversed forms first: E0 is FSUBR, E8 FSUB, F0 FDIVR, F8 FDIV. */
static unsigned arith_kind_sti(const struct insn *i)
{
    unsigned kind = arith_kind(i);
    return kind >= ARITH_SUB ? kind ^ 1 : kind;
}

enum outcome op_farith_sti(struct cpu *c, const struct insn *i)
{
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    arith_registers(c, arith_kind_sti(i), i->modrm & 7, 0);
    return RETIRED;
}

enum outcome op_farith_sti_pop(struct cpu *c, const struct insn *i)
{
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    if (arith_registers(c, arith_kind_sti(i), i->modrm & 7, 0))
        fpu_pop(&c->fpu);
    return RETIRED;
}

/* ---- one operand: ST(0) = f(ST(0)) ---- */

typedef struct f80 unary_fn(struct f80_env *e, struct f80 a);

static enum outcome unary(struct cpu *c, const struct insn *i, unary_fn *function)
{
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    struct f80_env e = fpu_env(c);
    if (fpu_is_empty(&c->fpu, 0)) {
        if (fpu_stack_underflow(c))
            fpu_set(&c->fpu, 0, f80_indefinite);
        return RETIRED;
    }
    struct f80 r = function(&e, *fpu_st(&c->fpu, 0));
    if (fpu_commit(c, &e))
        fpu_set(&c->fpu, 0, r);
    return RETIRED;
}

static struct f80 change_sign(struct f80_env *e, struct f80 a)
{
    a.sexp ^= 0x8000;
    return a;
}
static struct f80 absolute(struct f80_env *e, struct f80 a)
{
    a.sexp &= 0x7fff;
    return a;
}

enum outcome op_fchs(struct cpu *c, const struct insn *i) { return unary(c, i, change_sign); }
enum outcome op_fabs(struct cpu *c, const struct insn *i) { return unary(c, i, absolute); }
enum outcome op_fsqrt(struct cpu *c, const struct insn *i) { return unary(c, i, f80_sqrt); }
enum outcome op_frndint(struct cpu *c, const struct insn *i)
{
    return unary(c, i, f80_round_to_int);
}
enum outcome op_f2xm1(struct cpu *c, const struct insn *i) { return unary(c, i, f80_2xm1); }

/* ---- two operands: FSCALE, FPREM, FPREM1 ---- */

/* Both operands of ST(0) = f(ST(0), ST(1)); false: a stack underflow was answered. */
static bool two_operands(struct cpu *c)
{
    if (!fpu_is_empty(&c->fpu, 0) && !fpu_is_empty(&c->fpu, 1))
        return true;
    if (fpu_stack_underflow(c))
        fpu_set(&c->fpu, 0, f80_indefinite);
    return false;
}

enum outcome op_fscale(struct cpu *c, const struct insn *i)
{
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    if (!two_operands(c))
        return RETIRED;
    struct f80_env e = fpu_env(c);
    struct f80 r = f80_scale(&e, *fpu_st(&c->fpu, 0), *fpu_st(&c->fpu, 1));
    if (fpu_commit(c, &e))
        fpu_set(&c->fpu, 0, r);
    return RETIRED;
}

static enum outcome remainder_step(struct cpu *c, const struct insn *i, bool nearest)
{
    unsigned q;
    bool partial;
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    fpu_conditions(&c->fpu, FSW_C2, 0);
    if (!two_operands(c))
        return RETIRED;
    struct f80_env e = fpu_env(c);
    struct f80 r = f80_rem(&e, *fpu_st(&c->fpu, 0), *fpu_st(&c->fpu, 1), nearest, &q, &partial);
    if (fpu_commit(c, &e))
        fpu_set(&c->fpu, 0, r);
    if (!f80_refused(&e) && f80_classify(r) < F80_QNAN)
        fpu_conditions(&c->fpu, FSW_CONDITIONS, (q & 4 ? FSW_C0 : 0) | (q & 2 ? FSW_C3 : 0) |
                                                (q & 1 ? FSW_C1 : 0) | (partial ? FSW_C2 : 0));
    return RETIRED;
}

enum outcome op_fprem(struct cpu *c, const struct insn *i) { return remainder_step(c, i, false); }
enum outcome op_fprem1(struct cpu *c, const struct insn *i) { return remainder_step(c, i, true); }
