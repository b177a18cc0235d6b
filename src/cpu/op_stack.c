// SPDX-License-Identifier: Apache-2.0
// Stack instructions (SDM vol. 1, "Stack Manipulation Instructions").
#include "cpu/access.h"
#include "cpu/ops.h"
#include "cpu/stack.h"

/* PUSH rSP pushes the value before the decrement; PUSH r/m addresses with it, too. */
enum outcome op_push(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!dst_read(c, i, &v) || !push(c, i->size, v));
    return RETIRED;
}

enum outcome op_push_imm(struct cpu *c, const struct insn *i)
{
    FAULT_IF(!push(c, i->size, i->imm & size_mask(i->size)));
    return RETIRED;
}

/* rSP is incremented before the destination is addressed: POP rSP ends with the value.  While memory
 * is written, rSP is what it was: the write may fault or cause a VM exit. */
enum outcome op_pop(struct cpu *c, const struct insn *i)
{
    uint64_t v, sp = c->gpr[RSP];
    FAULT_IF(!stack_peek(c, 0, i->size, &v));
    stack_pointer_write(c, sp + i->size);
    if (insn_is_mem(i)) {
        uint64_t ea = insn_ea(c, i);
        c->gpr[RSP] = sp;
        FAULT_IF(!seg_write(c, insn_seg(i), ea, i->size, v));
        stack_pointer_write(c, sp + i->size);
    } else {
        reg_write(c, i->rm, i->size, v);
    }
    return RETIRED;
}

/* The slots may wrap around in a 16-bit stack.  As on silicon, a fault leaves rSP as it was, but
 * what came before it has been stored (PUSHA) or loaded (POPA). */
enum outcome op_pusha(struct cpu *c, const struct insn *i)
{
    uint64_t mask = size_mask(stack_asize(c)), sp = c->gpr[RSP];
    for (unsigned r = RAX; r <= RDI; r++)
        FAULT_IF(
            !seg_write(c, SS, (sp - (r + 1) * i->size) & mask, i->size, reg_read(c, r, i->size)));
    stack_pointer_write(c, sp - 8 * i->size);
    return RETIRED;
}

enum outcome op_popa(struct cpu *c, const struct insn *i)
{
    uint64_t v, mask = size_mask(stack_asize(c)), sp = c->gpr[RSP];
    for (unsigned n = 0; n < 8; n++) {
        FAULT_IF(!seg_read(c, SS, (sp + n * i->size) & mask, i->size, &v));
        if (RDI - n != RSP) /* read, but not loaded */
            reg_write(c, RDI - n, i->size, v);
    }
    stack_pointer_write(c, sp + 8 * i->size);
    return RETIRED;
}

/* The slots of ENTER below rSP: `sp` moves down from the old stack pointer, rSP itself last. */
static bool enter_push(struct cpu *c, uint64_t *sp, unsigned size, uint64_t value)
{
    *sp = (*sp - size) & size_mask(stack_asize(c));
    return seg_write(c, SS, *sp, size, value);
}

/* Copies the display: the frame pointers of the `level` - 1 enclosing procedures. */
static bool enter_display(struct cpu *c, uint64_t *sp, unsigned size, unsigned level)
{
    uint64_t from = c->gpr[RBP], pointer;
    while (--level > 0) {
        from = (from - size) & size_mask(stack_asize(c));
        if (!seg_read(c, SS, from, size, &pointer) || !enter_push(c, sp, size, pointer))
            return false;
    }
    return true;
}

/* The final rSP must be writable (SDM vol. 2, "ENTER", Protected Mode Exceptions, #PF). */
enum outcome op_enter(struct cpu *c, const struct insn *i)
{
    unsigned level = i->imm >> 16 & 31, size = i->size;
    uint64_t sp = c->gpr[RSP], mask = size_mask(stack_asize(c));
    FAULT_IF(!enter_push(c, &sp, size, reg_read(c, RBP, size)));
    uint64_t frame = (c->gpr[RSP] & ~mask) | sp; /* all of ESP, in a 16-bit stack, too */
    if (level)
        FAULT_IF(!enter_display(c, &sp, size, level) || !enter_push(c, &sp, size, frame));
    sp = (sp - (i->imm & 0xffff)) & mask;
    FAULT_IF(!seg_probe_write(c, SS, sp, size));
    reg_write(c, RBP, size, frame);
    stack_pointer_write(c, sp);
    return RETIRED;
}

enum outcome op_leave(struct cpu *c, const struct insn *i)
{
    uint64_t v, frame = c->gpr[RBP] & size_mask(stack_asize(c));
    FAULT_IF(!seg_read(c, SS, frame, i->size, &v));
    stack_pointer_write(c, frame + i->size);
    reg_write(c, RBP, i->size, v);
    return RETIRED;
}
