// SPDX-License-Identifier: Apache-2.0
// Near branches, calls and returns, loops, BOUND (SDM vol. 1, "Control Transfer Instructions").
#include "cpu/access.h"
#include "cpu/ops.h"

static enum outcome jump_relative(struct cpu *c, const struct insn *i)
{
    return jump_near(c, insn_next_rip(c, i) + i->imm, i->size);
}

enum outcome op_jmp(struct cpu *c, const struct insn *i)
{
    return jump_relative(c, i);
}

enum outcome op_jmp_indirect(struct cpu *c, const struct insn *i)
{
    uint64_t target;
    FAULT_IF(!rm_read(c, i, i->size, &target));
    return jump_near(c, target, i->size);
}

enum outcome op_jcc(struct cpu *c, const struct insn *i)
{
    if (!lazy_condition(i->opcode & 15, c->res, c->aux))
        return RETIRED;
    return jump_relative(c, i);
}

/* rCX has the address size. */
enum outcome op_jcxz(struct cpu *c, const struct insn *i)
{
    if (reg_read(c, RCX, insn_asize(i)))
        return RETIRED;
    return jump_relative(c, i);
}

/* LOOPNE (E0), LOOPE (E1), LOOP (E2) */
enum outcome op_loop(struct cpu *c, const struct insn *i)
{
    unsigned n = insn_asize(i);
    uint64_t count = (reg_read(c, RCX, n) - 1) & size_mask(n);
    bool taken = count != 0 && (i->opcode == 0xe2 || lazy_zf(c->res) == (i->opcode & 1));
    if (taken) {
        enum outcome o = jump_relative(c, i);
        if (o != JUMPED)
            return o;
    }
    reg_write(c, RCX, n, count);
    return taken ? JUMPED : RETIRED;
}

/* As on silicon, faults of the push come before the #GP for a bad target, and then the return
 * address has been stored; rSP has not changed. */
static enum outcome call_near(struct cpu *c, const struct insn *i, uint64_t target)
{
    uint64_t sp = c->gpr[RSP];
    FAULT_IF(!push(c, i->size, insn_next_rip(c, i)));
    if (!branch_target(c, &target, i->size)) {
        c->gpr[RSP] = sp;
        return cpu_fault_outcome(c);
    }
    c->rip = target;
    return JUMPED;
}

enum outcome op_call(struct cpu *c, const struct insn *i)
{
    return call_near(c, i, insn_next_rip(c, i) + i->imm);
}

enum outcome op_call_indirect(struct cpu *c, const struct insn *i)
{
    uint64_t target;
    FAULT_IF(!rm_read(c, i, i->size, &target));
    return call_near(c, i, target);
}

/* Both RET forms: imm is 0 in the one without. */
enum outcome op_ret(struct cpu *c, const struct insn *i)
{
    uint64_t target, sp = c->gpr[RSP];
    FAULT_IF(!pop(c, i->size, &target));
    enum outcome o = jump_near(c, target, i->size);
    if (o == JUMPED)
        stack_pointer_write(c, c->gpr[RSP] + i->imm);
    else
        c->gpr[RSP] = sp;
    return o;
}

/* The index is signed; both bounds stand in memory, the lower one first. */
enum outcome op_bound(struct cpu *c, const struct insn *i)
{
    uint64_t ea = insn_ea(c, i), low, high;
    uint64_t second = (ea + i->size) & size_mask(insn_asize(i));
    int64_t index = sign_extend(c->gpr[i->reg], i->size);
    FAULT_IF(!seg_read(c, insn_seg(i), ea, i->size, &low));
    if (index < sign_extend(low, i->size))
        return cpu_raise(c, EXC_BR); /* without a look at the upper bound */
    FAULT_IF(!seg_read(c, insn_seg(i), second, i->size, &high));
    if (index > sign_extend(high, i->size))
        return cpu_raise(c, EXC_BR);
    return RETIRED;
}
