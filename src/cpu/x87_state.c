// SPDX-License-Identifier: Apache-2.0
// The x87 register stack and status; exceptions (SDM vol. 1, "x87 FPU Exception Conditions").
#include "cpu/x87.h"

/* ES and B: an exception is raised and not masked. */
static void update_summary(struct fpu *f)
{
    bool pending = f->status & ~f->control & FPU_EXCEPTIONS;
    f->status &= (uint16_t)~(FSW_ES | FSW_B);
    f->status |= pending ? FSW_ES | FSW_B : 0;
}

void fpu_init(struct cpu *c)
{
    struct fpu *f = &c->fpu;
    f->control = FCW_INITIAL;
    f->status = 0;
    f->top = 0;
    f->tag = 0;
    f->opcode = f->cs = f->ds = 0;
    f->ip = f->dp = 0;
}

uint16_t fpu_status_word(const struct fpu *f)
{
    return (uint16_t)(f->status | (f->top & 7) << 11);
}

void fpu_set_status_word(struct fpu *f, uint16_t fsw)
{
    f->status = fsw & (uint16_t)~(7 << 11);
    f->top = fsw >> 11 & 7;
    update_summary(f);
}

void fpu_set_control_word(struct fpu *f, uint16_t fcw)
{
    f->control = (fcw & FCW_WRITABLE) | FCW_RESERVED_ONE;
    update_summary(f);
}

static unsigned full_tag_of(struct f80 a)
{
    enum f80_class k = f80_classify(a);
    return k == F80_NORMAL ? 0 : k == F80_ZERO ? 1 : 2;
}

uint16_t fpu_full_tag(const struct fpu *f)
{
    unsigned tag = 0;
    for (unsigned n = 0; n < 8; n++)
        tag |= (f->tag >> n & 1 ? full_tag_of(f->st[n]) : 3u) << (2 * n);
    return (uint16_t)tag;
}

void fpu_set_full_tag(struct fpu *f, uint16_t tag)
{
    f->tag = 0;
    for (unsigned n = 0; n < 8; n++)
        f->tag |= (uint8_t)(((tag >> (2 * n) & 3) != 3) << n);
}

enum outcome fpu_check_pending(struct cpu *c)
{
    if (!fpu_pending(c))
        return RETIRED;
    if (c->cr0 & CR0_NE)
        return cpu_raise(c, EXC_MF);
    if (c->bus && c->bus->ignne)
        c->bus->ignne(c->machine, c);
    return RETIRED;
}

void fpu_record(struct cpu *c, const struct insn *i)
{
    struct fpu *f = &c->fpu;
    f->opcode = (uint16_t)((i->opcode & 7) << 8 | i->modrm);
    f->ip = insn_rip(c, i);
    f->cs = c->seg[CS].selector;
    if (insn_is_mem(i)) {
        f->dp = insn_ea(c, i);
        f->ds = c->seg[insn_seg(i)].selector;
    }
}

enum outcome fpu_begin_read(struct cpu *c, const struct insn *i, void *operand, unsigned n)
{
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    FAULT_IF(!seg_read_bytes(c, insn_seg(i), insn_ea(c, i), operand, n, 0));
    fpu_record(c, i);
    return RETIRED;
}

bool fpu_commit(struct cpu *c, const struct f80_env *e)
{
    struct fpu *f = &c->fpu;
    bool refused = f80_refused(e);     /* then what was computed does not count */
    fpu_conditions(f, FSW_C1, e->rounded_up && !refused ? FSW_C1 : 0);
    f->status |= refused ? e->flags & (FPU_IE | FPU_DE | FPU_ZE) : e->flags;
    update_summary(f);
    return !refused;
}

static bool stack_fault(struct cpu *c, unsigned c1)
{
    struct fpu *f = &c->fpu;
    f->status |= FPU_IE | FSW_SF;
    fpu_conditions(f, FSW_C1, c1);
    update_summary(f);
    return f->control & FPU_IE;
}

bool fpu_stack_underflow(struct cpu *c)
{
    return stack_fault(c, 0);
}

bool fpu_stack_overflow(struct cpu *c)
{
    return stack_fault(c, FSW_C1);
}

void fpu_push(struct cpu *c, struct f80 v)
{
    struct fpu *f = &c->fpu;
    if (!fpu_is_empty(f, 7)) {
        if (!fpu_stack_overflow(c))
            return;
        v = f80_indefinite;
    } else {
        fpu_conditions(f, FSW_C1, 0);
    }
    f->top = (f->top - 1) & 7;
    fpu_set(f, 0, v);
}
