// SPDX-License-Identifier: Apache-2.0
// IRET in all modes: SDM vol. 2, "IRET/IRETD/IRETQ--Interrupt Return".
#include "cpu/cet.h"
#include "cpu/far_return.h"
#include "cpu/ops.h"
#include "cpu/task.h"
#include "cpu/vmx_ops.h"

enum {
    FLAGS_ANY_LEVEL = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT,
    FLAGS_ANY_LEVEL_32 = FLAG_RF | FLAG_AC | FLAG_ID,
    FLAGS_LEVEL_0_32 = FLAG_VIF | FLAG_VIP,
};

/* Loads the bits of RFLAGS in `mask`. */
static void load_flags(struct cpu *c, uint64_t value, uint64_t mask)
{
    cpu_set_rflags(c, (cpu_rflags(c) & ~mask) | (value & mask));
    c->attention |= ATTENTION_BOUNDARY;
}

/* What IRET at privilege level `cpl` (before the return) may change. */
static uint64_t writable_flags(const struct cpu *c, unsigned cpl, unsigned size)
{
    unsigned iopl = c->rflags >> 12 & 3;
    return FLAGS_ANY_LEVEL | (cpl <= iopl ? FLAG_IF : 0) | (cpl == 0 ? FLAG_IOPL : 0) |
           (size > 2 ? FLAGS_ANY_LEVEL_32 : 0) | (size > 2 && cpl == 0 ? FLAGS_LEVEL_0_32 : 0);
}

struct popped { uint64_t rip, cs, flags; };

static bool pop_three(struct cpu *c, const struct insn *i, struct popped *p)
{
    return stack_peek(c, 0, i->size, &p->rip) && stack_peek(c, i->size, i->size, &p->cs) &&
           stack_peek(c, 2u * i->size, i->size, &p->flags);
}

static enum outcome finish_real(struct cpu *c, const struct insn *i, const struct popped *p)
{
    stack_pointer_write(c, c->gpr[RSP] + 3u * i->size);
    c->seg[CS] = segment_real(c, CS, (uint16_t)p->cs);
    c->rip = p->rip;
    cpu_mode_changed(c);
    return JUMPED;
}

static enum outcome iret_real(struct cpu *c, const struct insn *i)
{
    struct popped p;
    FAULT_IF(!pop_three(c, i, &p));
    if (p.rip > c->seg[CS].limit)
        return cpu_raise_code(c, EXC_GP, 0);
    uint64_t keep = FLAG_VM | FLAG_VIF | FLAG_VIP | (i->size == 2 ? ~UINT64_C(0xffff) : 0);
    load_flags(c, p.flags, ~keep);
    return finish_real(c, i, &p);
}

/* With IOPL < 3 and VME, the 16-bit form works on VIF in IF's place. */
static enum outcome iret_v86(struct cpu *c, const struct insn *i)
{
    struct popped p;
    bool direct = (c->rflags & FLAG_IOPL) == FLAG_IOPL;
    if (!direct && (!(c->cr4 & CR4_VME) || i->size != 2))
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!pop_three(c, i, &p));
    if (p.rip > 0xffff)
        return cpu_raise_code(c, EXC_GP, 0);
    bool sets_if = p.flags & FLAG_IF;
    if (!direct && ((p.flags & FLAG_TF) || (sets_if && (c->rflags & FLAG_VIP))))
        return cpu_raise_code(c, EXC_GP, 0);
    uint64_t mask = FLAGS_ANY_LEVEL | (i->size == 4 ? FLAGS_ANY_LEVEL_32 : 0);
    if (direct)
        load_flags(c, p.flags, mask | FLAG_IF);
    else
        load_flags(c, (p.flags & 0xffff) | (sets_if ? FLAG_VIF : 0), mask | FLAG_VIF);
    return finish_real(c, i, &p);
}

static enum outcome iret_nested_task(struct cpu *c, const struct insn *i)
{
    uint16_t link;
    struct descriptor tss;
    if (in_long_mode(c))
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!linear_read_system(c, linear_wrap(c, c->seg[TR].base), &link, 2));
    if (link & 4 || is_null(link))
        return cpu_raise_code(c, EXC_TS, link & 0xfffc);
    FAULT_IF(!descriptor_fetch(c, link, EXC_TS, &tss));
    if (!is_busy_tss(&tss.seg))
        return cpu_raise_code(c, EXC_TS, link & 0xfffc);
    if (!seg_present(&tss.seg))
        return cpu_raise_code(c, EXC_NP, link & 0xfffc);
    return task_switch_insn(c, i, &tss, TASK_IRET);
}

/* From level 0 to virtual-8086 mode: nine doublewords. */
static enum outcome iret_to_v86(struct cpu *c, const struct insn *i, const struct popped *p)
{
    static const enum seg order[] = { SS, ES, DS, FS, GS };
    uint64_t esp, selector[5];
    struct shadow_move m;
    FAULT_IF(!stack_peek(c, 12, 4, &esp));
    for (unsigned k = 0; k < 5; k++)
        FAULT_IF(!stack_peek(c, 16 + 4 * k, 4, &selector[k]));
    if (p->rip > 0xffff)
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!shadow_return_to_v86(c, &m));
    shadow_commit(c, &m);
    cpu_set_rflags(c, p->flags);
    c->cpl = 3;
    c->seg[CS] = segment_real(c, CS, (uint16_t)p->cs);
    for (unsigned k = 0; k < 5; k++)
        c->seg[order[k]] = segment_real(c, order[k], (uint16_t)selector[k]);
    c->gpr[RSP] = (uint32_t)esp;
    c->rip = p->rip;
    c->attention |= ATTENTION_BOUNDARY;
    cpu_mode_changed(c);
    return JUMPED;
}

static enum outcome iret_protected(struct cpu *c, const struct insn *i)
{
    struct popped p;
    struct shadow_move m;
    uint64_t ss, sp;
    unsigned cpl = c->cpl;
    if (c->rflags & FLAG_NT)
        return iret_nested_task(c, i);
    FAULT_IF(!pop_three(c, i, &p));
    if (!in_long_mode(c) && i->size == 4 && (p.flags & FLAG_VM) && cpl == 0)
        return iret_to_v86(c, i, &p);
    struct far_return r = { .rip = p.rip, .cs_selector = (uint16_t)p.cs };
    FAULT_IF(!far_return_code(c, &r));
    if (r.outer || in_64bit(c)) {       /* 64-bit mode always pops SS:RSP */
        FAULT_IF(!stack_peek(c, 3u * i->size, i->size, &sp) ||
                 !stack_peek(c, 4u * i->size, i->size, &ss));
        FAULT_IF(!far_return_stack(c, &r, (uint16_t)ss));
        r.new_stack = true;
        r.rsp = sp;
    }
    if (!code_target_ok(c, &r.cs, r.rip))
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!far_return_shadow(c, &r, true, &m));
    uint64_t mask = writable_flags(c, cpl, i->size);
    shadow_commit(c, &m);
    far_return_commit(c, &r, 3u * i->size);
    load_flags(c, p.flags, mask);
    return JUMPED;
}

/* NMIs are unblocked even if the instruction faults (SDM vol. 3, "Handling Multiple NMIs"). */
enum outcome op_iret(struct cpu *c, const struct insn *i)
{
    if (c->vmx_nonroot)
        c->vmx_ops->iret(c);
    else
        c->nmi_blocked = false;
    if (c->pending & PEND_NMI)
        c->attention |= ATTENTION_BOUNDARY;
    if (!in_protected(c))
        return iret_real(c, i);
    return in_v86(c) ? iret_v86(c, i) : iret_protected(c, i);
}
