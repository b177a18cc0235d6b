// SPDX-License-Identifier: Apache-2.0
// Flag instructions of user mode (SDM vol. 1, "Flag Control (EFLAG) Instructions"; vol. 2, "PUSHF",
// "POPF"; vol. 3, "8086 Emulation" for virtual-8086 mode).
#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/ops.h"

enum outcome op_clc(struct cpu *c, const struct insn *i)
{
    flags_set_cf(c, false);
    return RETIRED;
}

enum outcome op_stc(struct cpu *c, const struct insn *i)
{
    flags_set_cf(c, true);
    return RETIRED;
}

enum outcome op_cmc(struct cpu *c, const struct insn *i)
{
    flags_set_cf(c, !flag_cf(c));
    return RETIRED;
}

enum outcome op_cld(struct cpu *c, const struct insn *i)
{
    c->rflags &= ~(uint64_t)FLAG_DF;
    return RETIRED;
}

enum outcome op_std(struct cpu *c, const struct insn *i)
{
    c->rflags |= FLAG_DF;
    return RETIRED;
}

enum outcome op_lahf(struct cpu *c, const struct insn *i)
{
    reg_write(c, REG_HIGH + RAX, 1, cpu_rflags(c));
    return RETIRED;
}

enum outcome op_sahf(struct cpu *c, const struct insn *i)
{
    flags_replace(c, FLAGS_STATUS & ~FLAG_OF, reg_read(c, REG_HIGH + RAX, 1));
    return RETIRED;
}

/* Virtual-8086 mode with IOPL < 3: #GP(0), VIF instead of IF with 16-bit operands and CR4.VME. */
static bool v86_restricted(const struct cpu *c)
{
    return in_v86(c) && (c->rflags & FLAG_IOPL) != FLAG_IOPL;
}
static bool v86_virtual_if(const struct cpu *c, const struct insn *i)
{
    return c->cr4 & CR4_VME && i->size == 2;
}

enum outcome op_pushf(struct cpu *c, const struct insn *i)
{
    uint64_t f = cpu_rflags(c) & ~(uint64_t)(FLAG_VM | FLAG_RF);
    if (v86_restricted(c)) {
        if (!v86_virtual_if(c, i))
            return cpu_raise_code(c, EXC_GP, 0);
        f = (f & ~(uint64_t)FLAG_IF) | FLAG_IOPL | (f & FLAG_VIF ? FLAG_IF : 0);
    }
    FAULT_IF(!push(c, i->size, f & size_mask(i->size)));
    return RETIRED;
}

/* The flags that POPF may change, VIF apart.  IOPL needs CPL 0, IF needs CPL <= IOPL. */
static uint64_t popf_mask(const struct cpu *c, unsigned size)
{
    uint64_t mask = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
    unsigned cpl = in_protected(c) ? c->cpl : 0;
    if (cpl == 0)
        mask |= FLAG_IOPL;
    if (cpl <= (c->rflags & FLAG_IOPL) >> 12)
        mask |= FLAG_IF;
    return mask & size_mask(size);
}

/* RF is cleared whatever was popped. */
static void popf_load(struct cpu *c, uint64_t mask, uint64_t value)
{
    uint64_t f = (cpu_rflags(c) & ~(mask | FLAG_RF)) | (value & mask);
    cpu_set_rflags(c, f);
    if (f & (FLAG_IF | FLAG_TF))
        c->attention |= ATTENTION_BOUNDARY;
}

/* SDM vol. 2, "POPF", virtual-8086 mode with CR4.VME: IF goes to VIF. */
static enum outcome popf_virtual(struct cpu *c, uint64_t value)
{
    if (value & FLAG_TF || (c->rflags & FLAG_VIP && value & FLAG_IF))
        return cpu_raise_code(c, EXC_GP, 0);
    uint64_t mask = popf_mask(c, 2) & ~(uint64_t)FLAG_IF;
    popf_load(c, mask | FLAG_VIF, (value & mask) | (value & FLAG_IF ? FLAG_VIF : 0));
    return RETIRED;
}

enum outcome op_popf(struct cpu *c, const struct insn *i)
{
    uint64_t value, sp = c->gpr[RSP];
    if (v86_restricted(c) && !v86_virtual_if(c, i))
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!pop(c, i->size, &value));
    if (v86_restricted(c)) {
        enum outcome o = popf_virtual(c, value);
        if (o != RETIRED)
            c->gpr[RSP] = sp;
        return o;
    }
    popf_load(c, popf_mask(c, i->size), value);
    return RETIRED;
}
