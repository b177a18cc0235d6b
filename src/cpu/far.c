// SPDX-License-Identifier: Apache-2.0
// Far JMP and CALL, direct and indirect: SDM vol. 2, "JMP--Jump", "CALL--Call Procedure"; vol. 3,
// "Privilege Level Checking When Transferring Program Control Between Code Segments".
#include "cpu/cet.h"
#include "cpu/ops.h"
#include "cpu/stack.h"
#include "cpu/task.h"

/* A far transfer on its way. */
struct far {
    const struct insn *i;
    uint16_t selector;
    uint64_t offset;
    bool call;
};

static enum outcome gp(struct cpu *c, uint16_t selector)
{
    return cpu_raise_code(c, EXC_GP, selector & 0xfffc);
}

/* Pushes CS and the return address on s, in words of `size` bytes. */
static bool push_return(struct cpu *c, const struct insn *i, struct stack *s, unsigned size)
{
    struct frame f = { .size = size };
    frame_add(&f, c->seg[CS].selector);
    frame_add(&f, insn_next_rip(c, i));
    return stack_push_frame(c, s, &f);
}

static enum outcome enter(struct cpu *c, const struct segment *cs, unsigned cpl, uint64_t rip)
{
    c->seg[CS] = *cs;
    c->cpl = (uint8_t)cpl;
    c->rip = rip;
    cpu_mode_changed(c);
    return JUMPED;
}

/* Far transfers are tracked whatever their prefixes; a direct JMP is none that could be led
 * astray. */
static enum outcome enter_tracked(struct cpu *c, const struct far *t, const struct segment *cs,
                                  unsigned cpl, uint64_t rip)
{
    c->cpl = (uint8_t)cpl;
    if (t->call || insn_is_mem(t->i))
        track_far(c);
    return enter(c, cs, cpl, rip);
}

/* The linear address that the procedure returns to. */
static uint64_t return_lip(const struct cpu *c, const struct insn *i)
{
    uint64_t rip = insn_next_rip(c, i);
    return in_64bit(c) ? rip : (uint32_t)(c->seg[CS].base + rip);
}

/* The shadow-stack side of a transfer to cs at level cpl; JMP has none. */
static bool prepare_shadow(struct cpu *c, const struct far *t, const struct segment *cs,
                           unsigned cpl, struct shadow_move *m)
{
    const struct shadow_call call = { .cs = cs, .cpl = cpl, .return_lip = return_lip(c, t->i),
                                      .switches = cpl != c->cpl, .ssp = c->msr.pl_ssp[cpl] };
    *m = (struct shadow_move){ .ssp = c->ssp };
    return !t->call || shadow_call_prepare(c, &call, m);
}

/* ---- real-address and virtual-8086 mode ---- */

static enum outcome far_real(struct cpu *c, const struct far *t)
{
    struct stack s = stack_current(c);
    if (t->offset > (in_v86(c) ? 0xffff : c->seg[CS].limit))
        return cpu_raise_code(c, EXC_GP, 0);
    if (t->call)
        FAULT_IF(!push_return(c, t->i, &s, t->i->size));
    stack_commit(c, &s);
    struct segment cs = segment_real(c, CS, t->selector);
    return enter(c, &cs, c->cpl, t->offset);
}

/* ---- code segments ---- */

static bool both_l_and_d(const struct cpu *c, const struct segment *s)
{
    return in_long_mode(c) && (s->access & (SEG_L | SEG_DB)) == (SEG_L | SEG_DB);
}

/* A shadow stack that goes on in 32-bit code must stand below 4 GiB; JMP asks for it, too. */
static bool shadow_below_4g(struct cpu *c, const struct segment *cs)
{
    bool wide = in_long_mode(c) && cs->access & SEG_L;
    return wide || !(c->ssp >> 32) || !shadow_stack_enabled(c, c->cpl) || refuse(c, EXC_GP, 0);
}

static enum outcome far_code(struct cpu *c, const struct far *t, struct descriptor *d)
{
    struct segment *cs = &d->seg;
    struct stack s = stack_current(c);
    struct shadow_move m;
    unsigned dpl = seg_dpl(cs);
    if (both_l_and_d(c, cs))
        return gp(c, t->selector);
    if (seg_is_conforming(cs) ? dpl > c->cpl : selector_rpl(t->selector) > c->cpl || dpl != c->cpl)
        return gp(c, t->selector);
    if (!seg_present(cs))
        return cpu_raise_code(c, EXC_NP, t->selector & 0xfffc);
    uint64_t rip = in_long_mode(c) && (cs->access & SEG_L) ? t->offset : (uint32_t)t->offset;
    if (!code_target_ok(c, cs, rip))
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!descriptor_set_accessed(c, d));
    if (t->call)
        FAULT_IF(!push_return(c, t->i, &s, t->i->size));
    FAULT_IF(!shadow_below_4g(c, cs) || !prepare_shadow(c, t, cs, c->cpl, &m));
    stack_commit(c, &s);
    shadow_commit(c, &m);
    cs->selector = (uint16_t)((t->selector & 0xfffc) | c->cpl);
    return enter_tracked(c, t, cs, c->cpl, rip);
}

/* ---- call gates ---- */

struct call_gate {
    unsigned size;            /* of what it pushes */
    unsigned cpl;             /* of the procedure */
    struct gate gate;
    struct descriptor code;
};

static bool gate_code(struct cpu *c, const struct far *t, struct call_gate *g)
{
    uint16_t selector = g->gate.selector, code = selector & 0xfffc;
    const struct segment *cs = &g->code.seg;
    if (is_null(selector))
        return refuse(c, EXC_GP, 0);
    if (!descriptor_fetch(c, selector, EXC_GP, &g->code))
        return false;
    bool stays = seg_is_conforming(cs) || t->call;     /* JMP cannot change the level */
    if (!seg_is_code(cs) || (stays ? seg_dpl(cs) > c->cpl : seg_dpl(cs) != c->cpl))
        return refuse(c, EXC_GP, code);
    if (in_long_mode(c) && (cs->access & (SEG_L | SEG_DB)) != SEG_L)
        return refuse(c, EXC_GP, code);
    if (!seg_present(cs))
        return refuse(c, EXC_NP, code);
    g->cpl = seg_is_conforming(cs) ? c->cpl : seg_dpl(cs);
    return code_target_ok(c, cs, g->gate.offset) || refuse(c, EXC_GP, 0);
}

static bool inner_stack(struct cpu *c, unsigned cpl, struct stack *s)
{
    uint16_t selector;
    uint64_t sp;
    struct segment ss;
    if (in_long_mode(c)) {
        ss = segment_null((uint16_t)cpl, cpl);
        if (!tss_stack64(c, cpl, &sp))
            return false;
    } else if (!tss_stack(c, cpl, &selector, &sp) ||
               !segment_prepare_stack(c, selector, cpl, EXC_TS, &ss)) {
        return false;
    }
    *s = stack_inner(c, &ss, sp, cpl);
    return true;
}

/* SS:rSP, the parameters in their order, CS:rIP. */
static bool inner_frame(struct cpu *c, const struct far *t, const struct call_gate *g,
                        struct frame *f)
{
    unsigned parameters = in_long_mode(c) ? 0 : g->gate.count;
    *f = (struct frame){ .size = g->size };
    frame_add(f, c->seg[SS].selector);
    frame_add(f, c->gpr[RSP]);
    for (unsigned k = parameters; k-- > 0;) {
        uint64_t v;
        if (!stack_peek(c, k * g->size, g->size, &v))
            return false;
        frame_add(f, v);
    }
    frame_add(f, c->seg[CS].selector);
    frame_add(f, insn_next_rip(c, t->i));
    return true;
}

static bool gate_stack(struct cpu *c, const struct far *t, const struct call_gate *g,
                       struct stack *s)
{
    struct frame f;
    *s = stack_current(c);
    if (!t->call)
        return true;
    if (g->cpl == c->cpl)
        return push_return(c, t->i, s, g->size);
    return inner_stack(c, g->cpl, s) && inner_frame(c, t, g, &f) && stack_push_frame(c, s, &f);
}

static enum outcome far_call_gate(struct cpu *c, const struct far *t, const struct descriptor *d)
{
    struct call_gate g = { .gate = descriptor_gate(c, d) };
    struct stack s;
    struct shadow_move m;
    g.size = in_long_mode(c) ? 8 : seg_type(&d->seg) == SYS_CALL32 ? 4 : 2;
    if (!descriptor_high_ok(d))
        return gp(c, t->selector);
    FAULT_IF(!gate_code(c, t, &g) || !descriptor_set_accessed(c, &g.code));
    FAULT_IF(!gate_stack(c, t, &g, &s) || !prepare_shadow(c, t, &g.code.seg, g.cpl, &m));
    stack_commit(c, &s);
    shadow_commit(c, &m);
    g.code.seg.selector = (uint16_t)((g.gate.selector & 0xfffc) | g.cpl);
    return enter_tracked(c, t, &g.code.seg, g.cpl, g.gate.offset);
}

/* ---- dispatch on the descriptor ---- */

static enum outcome far_system(struct cpu *c, const struct far *t, const struct descriptor *d)
{
    struct descriptor tss;
    unsigned type = seg_type(&d->seg), dpl = seg_dpl(&d->seg);
    enum task_source source = t->call ? TASK_CALL : TASK_JMP;
    bool task = is_available_tss(&d->seg) || type == SYS_TASK_GATE;
    bool gate = type == SYS_CALL32 || (type == SYS_CALL16 && !in_long_mode(c));
    if (!gate && !(task && !in_long_mode(c)))
        return gp(c, t->selector);
    if (dpl < c->cpl || dpl < selector_rpl(t->selector))
        return gp(c, t->selector);
    if (!seg_present(&d->seg))
        return cpu_raise_code(c, EXC_NP, t->selector & 0xfffc);
    if (gate)
        return far_call_gate(c, t, d);
    if (type != SYS_TASK_GATE && (t->selector & 4))
        return gp(c, t->selector);
    if (type != SYS_TASK_GATE)
        return task_switch_insn(c, t->i, d, source);
    FAULT_IF(!task_gate_tss(c, d, &tss));
    return task_switch_insn(c, t->i, &tss, source);
}

static enum outcome far_transfer(struct cpu *c, const struct far *t)
{
    struct descriptor d;
    if (in_real_or_v86(c))
        return far_real(c, t);
    if (is_null(t->selector))
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!descriptor_fetch(c, t->selector, EXC_GP, &d));
    if (seg_is_system(&d.seg))
        return far_system(c, t, &d);
    if (!seg_is_code(&d.seg))
        return gp(c, t->selector);
    return far_code(c, t, &d);
}

/* ---- the instructions ---- */

static enum outcome far_direct(struct cpu *c, const struct insn *i, bool call)
{
    struct far t = { i, (uint16_t)(i->imm >> 32), i->imm & size_mask(i->size == 2 ? 2 : 4), call };
    return far_transfer(c, &t);
}

static enum outcome far_indirect(struct cpu *c, const struct insn *i, bool call)
{
    struct far t = { .i = i, .call = call };
    FAULT_IF(!far_pointer_read(c, i, &t.offset, &t.selector));
    return far_transfer(c, &t);
}

enum outcome op_jmp_far(struct cpu *c, const struct insn *i) { return far_direct(c, i, false); }
enum outcome op_call_far(struct cpu *c, const struct insn *i) { return far_direct(c, i, true); }
enum outcome op_jmp_far_mem(struct cpu *c, const struct insn *i)
{
    return far_indirect(c, i, false);
}
enum outcome op_call_far_mem(struct cpu *c, const struct insn *i)
{
    return far_indirect(c, i, true);
}
