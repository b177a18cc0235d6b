// SPDX-License-Identifier: Apache-2.0
// One attempt to enter a handler through the IVT or the IDT: SDM vol. 2, "INT
// n/INTO/INT3/INT1--Call to Interrupt Procedure"; vol. 3, "Exception and Interrupt Handling" and
// "... in 64-Bit Mode".
#include "cpu/interrupt.h"

#include "cpu/cet.h"
#include "cpu/task.h"

/* ---- real-address mode ---- */

/* Pushes FLAGS, CS, IP and goes through the four-byte vector at `table`. */
static bool enter_vector(struct cpu *c, uint64_t table, uint64_t flags, uint64_t rip)
{
    uint32_t target;
    struct stack s = stack_current(c);
    struct frame f = { .size = 2 };
    if (!linear_read_system(c, table, &target, 4))
        return false;
    frame_add(&f, flags);
    frame_add(&f, c->seg[CS].selector);
    frame_add(&f, rip);
    if (!stack_push_frame(c, &s, &f))
        return false;
    stack_commit(c, &s);
    c->seg[CS] = segment_real(c, CS, (uint16_t)(target >> 16));
    c->rip = target & 0xffff;
    return true;
}

bool deliver_real(struct cpu *c, const struct event *e)
{
    if (e->vector * 4u + 3 > c->idtr.limit)
        return refuse(c, EXC_GP, 0);
    if (!enter_vector(c, linear_wrap(c, c->idtr.base + e->vector * 4u), cpu_rflags(c),
                      return_rip(c, e)))
        return false;
    c->rflags &= ~(uint64_t)(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
    cpu_mode_changed(c);
    return true;
}

/* ---- virtual-8086 mode extensions ---- */

bool v86_redirects(struct cpu *c, uint8_t vector, bool *yes)
{
    const struct segment *tr = &c->seg[TR];
    uint16_t base;
    uint8_t map;
    if (!(seg_type(tr) & 8) || tr->limit < 103)
        return refuse(c, EXC_GP, 0);
    if (!linear_read_system(c, linear_wrap(c, tr->base + 102), &base, 2))
        return false;
    uint32_t at = base - 32u + vector / 8u;
    if (base < 32 || at > tr->limit)
        return refuse(c, EXC_GP, 0);
    if (!linear_read_system(c, linear_wrap(c, tr->base + at), &map, 1))
        return false;
    *yes = !(map >> (vector & 7) & 1);
    return true;
}

bool deliver_v86(struct cpu *c, const struct event *e)
{
    bool low_iopl = (c->rflags & FLAG_IOPL) != FLAG_IOPL;
    uint64_t flags = cpu_rflags(c);
    if (low_iopl)       /* the task sees its virtual interrupt flag, and IOPL 3 */
        flags = (flags & ~(uint64_t)FLAG_IF) | FLAG_IOPL | (flags & FLAG_VIF ? FLAG_IF : 0);
    if (!enter_vector(c, e->vector * 4u, flags, return_rip(c, e)))
        return false;
    c->rflags &= ~(uint64_t)(FLAG_TF | FLAG_RF | (low_iopl ? FLAG_VIF : FLAG_IF));
    cpu_mode_changed(c);
    return true;
}

/* ---- the IDT ---- */

struct entry {
    const struct event *e;
    unsigned gate_type;
    struct gate gate;
    struct descriptor code;     /* the handler's segment */
    unsigned cpl;               /* the handler's privilege level */
    bool switches_shadow;       /* takes the shadow stack whose token stands at `ssp` */
    uint64_t ssp;
};

/* Error code that names the gate: index, IDT bit; EXT comes from raise_code. */
static bool refuse_gate(struct cpu *c, enum exception vector, const struct event *e)
{
    return refuse(c, vector, e->vector * 8u + 2);
}

static bool fetch_gate(struct cpu *c, const struct event *e, struct descriptor *d)
{
    unsigned size = in_long_mode(c) ? 16 : 8;
    uint32_t offset = e->vector * size;
    *d = (struct descriptor){ 0 };
    if (offset + size - 1 > c->idtr.limit)
        return refuse_gate(c, EXC_GP, e);
    d->linear = linear_wrap(c, c->idtr.base + offset);
    uint64_t raw[2] = { 0, 0 };
    if (!linear_read_system(c, d->linear, raw, size))
        return false;
    d->raw = raw[0];
    d->high = raw[1];
    d->seg.access = (uint32_t)bits(raw[0], 47, 40);
    return true;
}

static bool check_gate(struct cpu *c, const struct event *e, const struct descriptor *d)
{
    unsigned type = seg_type(&d->seg);
    bool is_gate = type == SYS_INT32 || type == SYS_TRAP32 ||
                   (!in_long_mode(c) &&
                    (type == SYS_INT16 || type == SYS_TRAP16 || type == SYS_TASK_GATE));
    if (!seg_is_system(&d->seg) || !is_gate)
        return refuse_gate(c, EXC_GP, e);
    if ((e->type == EVENT_SOFTWARE_INT || e->type == EVENT_SOFTWARE_EXC) &&
        seg_dpl(&d->seg) < c->cpl)
        return refuse_gate(c, EXC_GP, e);
    return seg_present(&d->seg) || refuse_gate(c, EXC_NP, e);
}

static bool check_code(struct cpu *c, struct entry *t)
{
    uint16_t selector = t->gate.selector, code = selector & 0xfffc;
    const struct segment *s = &t->code.seg;
    if (is_null(selector))
        return refuse(c, EXC_GP, 0);
    if (!descriptor_fetch(c, selector, EXC_GP, &t->code))
        return false;
    if (!seg_is_code(s) || seg_dpl(s) > c->cpl)
        return refuse(c, EXC_GP, code);
    if (in_long_mode(c) && (s->access & (SEG_L | SEG_DB)) != SEG_L)
        return refuse(c, EXC_GP, code);
    if (!seg_present(s))
        return refuse(c, EXC_NP, code);
    t->cpl = seg_is_conforming(s) ? c->cpl : seg_dpl(s);
    if (in_v86(c) && t->cpl != 0)
        return refuse(c, EXC_GP, code);
    return true;
}

/* ---- the handler's stack ---- */

/* The table that IA32_INTERRUPT_SSP_TABLE_ADDR points to has an SSP for each IST. */
static bool choose_shadow_stack(struct cpu *c, struct entry *t)
{
    unsigned ist = in_long_mode(c) ? t->gate.count & 7 : 0;
    t->switches_shadow = t->cpl != c->cpl || ist;
    t->ssp = c->msr.pl_ssp[t->cpl];
    return !ist || !shadow_stack_enabled(c, t->cpl) ||
           linear_read_system(c, c->msr.interrupt_ssp_table + ist * 8, &t->ssp, 8);
}

static bool prepare_shadow(struct cpu *c, const struct entry *t, struct shadow_move *m)
{
    uint64_t rip = return_rip(c, t->e);
    const struct shadow_call call = {
        .cs = &t->code.seg, .cpl = t->cpl, .switches = t->switches_shadow, .ssp = t->ssp,
        .return_lip = in_64bit(c) ? rip : (uint32_t)(c->seg[CS].base + rip),
    };
    return shadow_call_prepare(c, &call, m);
}

static bool choose_stack64(struct cpu *c, const struct entry *t, struct stack *s)
{
    uint64_t sp = c->gpr[RSP];
    unsigned ist = t->gate.count & 7;
    struct segment ss = c->seg[SS];
    if (ist ? !tss_stack64(c, 3 + ist, &sp) : t->cpl != c->cpl && !tss_stack64(c, t->cpl, &sp))
        return false;
    if (t->cpl != c->cpl)
        ss = segment_null((uint16_t)t->cpl, t->cpl);
    *s = stack_inner(c, &ss, sp & ~UINT64_C(15), t->cpl);
    s->error = 0;
    return true;
}

static bool choose_stack(struct cpu *c, const struct entry *t, struct stack *s)
{
    uint16_t selector;
    uint64_t sp;
    struct segment ss;
    if (t->cpl == c->cpl) {
        *s = stack_current(c);
        return true;
    }
    if (!tss_stack(c, t->cpl, &selector, &sp) ||
        !segment_prepare_stack(c, selector, t->cpl, EXC_TS, &ss))
        return false;
    *s = stack_inner(c, &ss, sp, t->cpl);
    return true;
}

static void build_frame(struct cpu *c, const struct entry *t, struct frame *f)
{
    static const enum seg v86_segments[] = { GS, FS, DS, ES };
    const struct event *e = t->e;
    f->count = 0;
    f->size = in_long_mode(c) ? 8 : t->gate_type & 8 ? 4 : 2;
    for (unsigned k = 0; in_v86(c) && k < ARRAY_SIZE(v86_segments); k++)
        frame_add(f, c->seg[v86_segments[k]].selector);
    if (in_long_mode(c) || t->cpl != c->cpl) {
        frame_add(f, c->seg[SS].selector);
        frame_add(f, c->gpr[RSP]);
    }
    frame_add(f, pushed_flags(c, e));
    frame_add(f, c->seg[CS].selector);
    frame_add(f, return_rip(c, e));
    if (e->has_error)
        frame_add(f, e->error);
}

static void commit(struct cpu *c, const struct entry *t, const struct stack *s)
{
    if (in_v86(c))
        for (unsigned k = ES; k <= GS; k++)
            if (k != CS && k != SS)
                c->seg[k] = segment_null(0, 0);
    stack_commit(c, s);
    c->seg[CS] = t->code.seg;
    c->seg[CS].selector = (uint16_t)((t->gate.selector & 0xfffc) | t->cpl);
    c->cpl = (uint8_t)t->cpl;
    c->rip = t->gate.offset;
    c->rflags &= ~(uint64_t)(FLAG_TF | FLAG_VM | FLAG_RF | FLAG_NT);
    if (!(t->gate_type & 1))               /* interrupt gates have even types */
        c->rflags &= ~(uint64_t)FLAG_IF;
    track_far(c);
    cpu_mode_changed(c);
}

static bool enter_gate(struct cpu *c, struct entry *t)
{
    struct stack s;
    struct frame f;
    struct shadow_move m;
    if (!check_code(c, t) ||
        !(in_long_mode(c) ? choose_stack64(c, t, &s) : choose_stack(c, t, &s)) ||
        !choose_shadow_stack(c, t))
        return false;
    if (!code_target_ok(c, &t->code.seg, t->gate.offset))
        return refuse(c, EXC_GP, 0);
    build_frame(c, t, &f);
    if (!descriptor_set_accessed(c, &t->code) || !stack_push_frame(c, &s, &f) ||
        !prepare_shadow(c, t, &m))
        return false;
    shadow_commit(c, &m);
    commit(c, t, &s);
    return true;
}

/* ---- task gates ---- */

static bool push_error(struct cpu *c, const struct event *e)
{
    struct stack s = stack_current(c);
    struct frame f = { .size = seg_type(&c->seg[TR]) & 8 ? 4 : 2 };
    frame_add(&f, e->error);
    if (!stack_push_frame(c, &s, &f))
        return false;
    stack_commit(c, &s);
    return true;
}

static bool enter_task_gate(struct cpu *c, const struct event *e, const struct descriptor *gate)
{
    struct descriptor tss;
    if (!task_gate_tss(c, gate, &tss) ||
        task_switch(c, &tss, TASK_GATE, return_rip(c, e)) != TASK_SWITCHED)
        return false;
    return !e->has_error || push_error(c, e);
}

bool deliver_idt(struct cpu *c, const struct event *e)
{
    struct descriptor d;
    struct entry t = { .e = e };
    if (!fetch_gate(c, e, &d) || !check_gate(c, e, &d))
        return false;
    t.gate_type = seg_type(&d.seg);
    if (t.gate_type == SYS_TASK_GATE)
        return enter_task_gate(c, e, &d);
    t.gate = descriptor_gate(c, &d);
    return enter_gate(c, &t);
}
