// SPDX-License-Identifier: Apache-2.0
// Operands by the shape that decoding gave an instruction, the stack, and near branch targets.
#include "cpu/access.h"
#include "cpu/cpu.h"

bool src_read(struct cpu *c, const struct insn *i, uint64_t *v)
{
    switch (i->shape >> 2) {
    case SRC_REG: *v = reg_read(c, i->reg, i->size); return true;
    case SRC_RM: return rm_read(c, i, i->size, v);
    case SRC_IMM: *v = i->imm & size_mask(i->size); return true;
    case SRC_CL: *v = c->gpr[RCX] & 0xff; return true;
    default: *v = 0; return true;
    }
}

static unsigned dst_register(const struct insn *i)
{
    return (i->shape & 3) == DST_REG ? i->reg : i->rm;
}
static bool dst_is_mem(const struct insn *i)
{
    return (i->shape & 3) == DST_RM && insn_is_mem(i);
}

bool dst_rmw(struct cpu *c, const struct insn *i, struct rmw *r)
{
    if (dst_is_mem(i))
        return rmw_read(c, insn_seg(i), insn_ea(c, i), i->size, r);
    r->is_mem = false;
    r->size = i->size;
    r->reg = (uint8_t)dst_register(i);
    r->value = reg_read(c, r->reg, r->size);
    return true;
}

bool dst_read(struct cpu *c, const struct insn *i, uint64_t *v)
{
    if (dst_is_mem(i))
        return seg_read(c, insn_seg(i), insn_ea(c, i), i->size, v);
    *v = reg_read(c, dst_register(i), i->size);
    return true;
}

/* ---- stack (SDM vol. 1, "Address-Size Attributes for Stack Accesses") ---- */

unsigned stack_asize(const struct cpu *c)
{
    if (in_64bit(c))
        return 8;
    return c->seg[SS].access & SEG_DB ? 4 : 2;
}

bool push(struct cpu *c, unsigned size, uint64_t value)
{
    uint64_t sp = (c->gpr[RSP] - size) & size_mask(stack_asize(c));
    if (!seg_write(c, SS, sp, size, value))
        return false;
    stack_pointer_write(c, sp);
    return true;
}

bool pop(struct cpu *c, unsigned size, uint64_t *value)
{
    uint64_t sp = c->gpr[RSP] & size_mask(stack_asize(c));
    if (!seg_read(c, SS, sp, size, value))
        return false;
    stack_pointer_write(c, sp + size);
    return true;
}

/* ---- branches ---- */

bool branch_target(struct cpu *c, uint64_t *rip, unsigned opsize)
{
    *rip &= size_mask(opsize);
    bool ok = in_64bit(c) ? is_canonical(c, *rip) : *rip <= c->seg[CS].limit;
    if (!ok)
        cpu_raise_code(c, EXC_GP, 0);
    return ok;
}

enum outcome jump_near(struct cpu *c, uint64_t rip, unsigned opsize)
{
    FAULT_IF(!branch_target(c, &rip, opsize));
    c->rip = rip;
    return JUMPED;
}
