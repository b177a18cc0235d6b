// SPDX-License-Identifier: Apache-2.0
// Fast system calls: SYSCALL, SYSRET, SYSENTER, SYSEXIT; SWAPGS and the FS/GS base instructions.
#include "cpu/cet.h"
#include "cpu/descriptor.h"
#include "cpu/ops.h"

static enum outcome gp0(struct cpu *c) { return cpu_raise_code(c, EXC_GP, 0); }

/* CS and SS with fixed contents, then the new level. */
static enum outcome enter(struct cpu *c, uint16_t cs, uint16_t ss, unsigned cpl, bool long_mode,
                          uint64_t rip)
{
    if (cpl == 0)
        shadow_save_user(c);
    c->seg[CS] = segment_flat_code(cs, cpl, long_mode);
    c->seg[SS] = segment_flat_stack(ss, cpl);
    c->cpl = (uint8_t)cpl;
    c->rip = rip;
    if (cpl == 0) {
        shadow_enter_by_syscall(c);
        track_far(c);
    } else {
        shadow_return_by_syscall(c);
    }
    c->attention |= ATTENTION_BOUNDARY;
    cpu_mode_changed(c);
    return JUMPED;
}

/* After SYSCALL and SYSRET the processor looks at the TF that they loaded, not at the one before:
 * an FMASK with TF keeps the single-step trap out of the kernel, and SYSRET traps before the first
 * instruction of the program. */
static enum outcome step_by_new_flags(struct cpu *c, enum outcome o)
{
    if (c->rflags & FLAG_TF) {
        c->pending_debug |= BIT(14);
        cpu_set_pending(c, PEND_DEBUG);
    }
    return o;
}

enum outcome op_syscall(struct cpu *c, const struct insn *i)
{
    if (!in_64bit(c) || !(c->msr.efer & EFER_SCE))
        return cpu_raise(c, EXC_UD);
    uint64_t flags = cpu_rflags(c);
    uint16_t cs = (uint16_t)(c->msr.star >> 32 & 0xfffc);
    c->gpr[RCX] = insn_next_rip(c, i);
    c->gpr[R11] = flags;
    cpu_set_rflags(c, flags & ~c->msr.fmask & ~(uint64_t)FLAG_RF);
    return step_by_new_flags(c, enter(c, cs, (uint16_t)(cs + 8), 0, true, c->msr.lstar));
}

enum outcome op_sysret(struct cpu *c, const struct insn *i)
{
    bool wide = i->size == 8;
    if (!in_64bit(c) || !(c->msr.efer & EFER_SCE))
        return cpu_raise(c, EXC_UD);
    if (c->cpl || (wide && !is_canonical(c, c->gpr[RCX])))
        return gp0(c);
    uint16_t base = (uint16_t)(c->msr.star >> 48);
    uint64_t rip = wide ? c->gpr[RCX] : (uint32_t)c->gpr[RCX];
    cpu_set_rflags(c, c->gpr[R11] & 0x3c7fd7);
    return step_by_new_flags(c, enter(c, (uint16_t)(base + (wide ? 16 : 0)) | 3,
                                      (uint16_t)(base + 8) | 3, 3, wide, rip));
}

enum outcome op_sysenter(struct cpu *c, const struct insn *i)
{
    uint16_t cs = (uint16_t)(c->msr.sysenter_cs & 0xfffc);
    bool wide = in_long_mode(c);
    if (!in_protected(c) || !cs)
        return gp0(c);
    cpu_set_rflags(c, cpu_rflags(c) & ~(uint64_t)(FLAG_VM | FLAG_IF));
    c->gpr[RSP] = wide ? c->msr.sysenter_esp : (uint32_t)c->msr.sysenter_esp;
    return enter(c, cs, (uint16_t)(cs + 8), 0, wide,
                 wide ? c->msr.sysenter_eip : (uint32_t)c->msr.sysenter_eip);
}

enum outcome op_sysexit(struct cpu *c, const struct insn *i)
{
    uint16_t base = (uint16_t)(c->msr.sysenter_cs & 0xfffc);
    bool wide = i->size == 8;
    if (!in_protected(c) || !base || c->cpl)
        return gp0(c);
    if (wide && (!is_canonical(c, c->gpr[RDX]) || !is_canonical(c, c->gpr[RCX])))
        return gp0(c);
    uint16_t cs = (uint16_t)(base + (wide ? 32 : 16)) | 3;
    c->gpr[RSP] = wide ? c->gpr[RCX] : (uint32_t)c->gpr[RCX];
    return enter(c, cs, (uint16_t)(cs + 8), 3, wide, wide ? c->gpr[RDX] : (uint32_t)c->gpr[RDX]);
}

enum outcome op_swapgs(struct cpu *c, const struct insn *i)
{
    uint64_t base = c->seg[GS].base;
    c->seg[GS].base = c->msr.kernel_gs_base;
    c->msr.kernel_gs_base = base;
    return RETIRED;
}

/* F3 0F AE: /0 RDFSBASE, /1 RDGSBASE, /2 WRFSBASE, /3 WRGSBASE. */
static struct segment *based(struct cpu *c, const struct insn *i)
{
    return &c->seg[i->modrm & 8 ? GS : FS];
}

enum outcome op_rdbase(struct cpu *c, const struct insn *i)
{
    reg_write(c, i->rm, i->size, based(c, i)->base);
    return RETIRED;
}

enum outcome op_wrbase(struct cpu *c, const struct insn *i)
{
    uint64_t v = reg_read(c, i->rm, i->size);
    if (!is_canonical(c, v))
        return gp0(c);
    based(c, i)->base = v;
    return RETIRED;
}
