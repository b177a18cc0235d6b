// SPDX-License-Identifier: Apache-2.0
// The run loop and the runners that every block needs.
#include "cpu/run.h"

#include "cpu/bus_lock.h"
#include "cpu/decode.h"
#include "cpu/flags.h"
#include "cpu/hooks.h"
#include "cpu/ops.h"
#include "cpu/trace.h"
#include "cpu/vmx_ops.h"

/* ---- runners ---- */

/* The block was paid for whole: what did not run is given back.  An instruction that faults or exits
 * costs one tick like any other, so that time passes whatever a guest does. */
void run_finish(struct cpu *c, const struct insn *i, enum outcome o)
{
    c->budget += i->left - 1;
    c->outcome = (uint8_t)o;
    if (o == RETIRED)
        c->rip = insn_next_rip(c, i);
    else if (o == FAULTED || o == AGAIN)
        c->rip = insn_rip(c, i);
}

#define LEAVE do { c->res = res; c->aux = aux; return; } while (0)

RUN(run_general)
{
    c->res = res;
    c->aux = aux;
    c->current = i;
    enum outcome o = insn_rows[i->row].op(c, i);
    last = c->gpr[i->reg & 15]; /* it may stand for the fast form of a load */
    if (likely(o == RETIRED && !c->attention))
        GO(i + 1, c->res, c->aux);
    run_finish(c, i, o);
}

RUN(run_locked)
{
    c->res = res;
    c->aux = aux;
    c->current = i;
    bool splits = lock_splits(c, i);
    enum outcome o = splits ? split_lock_begins(c, i) : RETIRED;
    if (o == RETIRED)
        o = insn_rows[i->row].op(c, i);
    if (o == RETIRED && splits)
        bus_lock_asserted(c);
    if (likely(o == RETIRED && !c->attention))
        GO(i + 1, c->res, c->aux);
    run_finish(c, i, o);
}

static void finish_fault(struct cpu *c, const struct insn *i, uint64_t res, uint64_t aux,
                         enum exception vector, bool with_code)
{
    c->res = res;
    c->aux = aux;
    c->current = i;
    run_finish(c, i, with_code ? cpu_raise_code(c, vector, 0) : cpu_raise(c, vector));
}

RUN(run_undefined)
{
    c->current = i;
    if (i->row == ROW_NONE && c->hooks && c->hooks->unmodelled)
        c->hooks->unmodelled(c->hooks->user, c, UNMODELLED_INSN, 0);
    finish_fault(c, i, res, aux, EXC_UD, false);
}
RUN(run_general_protection) { finish_fault(c, i, res, aux, EXC_GP, true); }
RUN(run_device_not_available) { finish_fault(c, i, res, aux, EXC_NM, false); }

RUN(run_exit)
{
    c->res = res;
    c->aux = aux;
    c->current = i;
    enum outcome o = c->vmx_ops->instruction_exit(c, i, insn_rows[i->row].exit);
    if (o == RETIRED && !c->attention)
        GO(i + 1, c->res, c->aux);
    run_finish(c, i, o);
}

/* The block was dropped (its bytes changed): look it up again from here. */
RUN(run_stale)
{
    c->budget += i->left;
    c->rip = insn_rip(c, i);
    c->outcome = JUMPED;
    LEAVE;
}

RUN(run_budget_out)
{
    c->budget += i->left;
    c->rip = c->gpr[REG_BLOCK_RIP];
    c->outcome = JUMPED;
    LEAVE;
}

RUN(run_end_leave)
{
    c->rip = insn_rip(c, i);
    c->outcome = JUMPED;
    LEAVE;
}

RUN(run_end) { FOLLOW(i + LINK_NEXT, res, aux); }

RUN(run_end_far)
{
    FIND_JUMP(entry, insn_rip(c, i), TAIL run_end_leave(c, i, res, aux, last));
    TAKE_JUMP(entry, res, aux);
}

/* i is a link that was not resolved yet; REG_BLOCK_RIP has its target already. */
RUN(run_unresolved)
{
    c->res = res;
    c->aux = aux;
    c->current = NULL;
    c->rip = c->gpr[REG_BLOCK_RIP];
    c->outcome = JUMPED;
    if (c->budget <= 0)         /* events come before the fetch and its faults */
        return;
    uint64_t drops = c->code->drops;
    const struct insn *first = code_find(c, c->mode);
    if (!first) {
        c->outcome = (uint8_t)cpu_fault_outcome(c);
        c->budget--;
        return;
    }
    if (c->code->drops == drops && i->run == run_unresolved)
        ((struct insn *)(uintptr_t)i)->imm = (uintptr_t)first;   /* the cache owns its links */
}

/* ---- the loop ---- */

void cpu_leave(struct cpu *c) { c->attention |= ATTENTION_LEAVE; }

void cpu_set_pending(struct cpu *c, uint32_t pending)
{
    c->pending |= pending;
    c->attention |= ATTENTION_BOUNDARY;
}

void cpu_set_a20(struct cpu *c, bool open)
{
    if (c->a20_closed == !open)
        return;
    c->a20_closed = !open;
    tlb_flush_all(c);
}

void cpu_clear_pending(struct cpu *c, uint32_t pending) { c->pending &= ~pending; }

uint64_t cpu_tick(const struct cpu *c)
{
    return c->tick_end - (uint64_t)c->budget - (c->current ? c->current->left : 0);
}

/* Whether the next instruction needs company: it runs alone, with every check around it. */
static bool needs_step(const struct cpu *c)
{
    return c->shadow || c->rflags & (FLAG_TF | FLAG_RF) || c->mtf_armed || c->dr[7] & 0xff;
}

/* Instruction breakpoints (SDM vol. 3, "Instruction-Breakpoint Exception Condition"). */
static bool instruction_breakpoint(struct cpu *c)
{
    uint64_t linear = c->rip + c->seg[CS].base, hit = 0;
    if (c->rflags & FLAG_RF || c->shadow & SHADOW_MOV_SS)
        return false;
    for (unsigned k = 0; k < 4; k++)
        if (c->dr[7] >> (2 * k) & 3 && !(c->dr[7] >> (16 + 4 * k) & 3) && c->dr[k] == linear)
            hit |= BIT(k);
    if (!hit)
        return false;
    cpu_raise(c, EXC_DB);
    c->event.debug = hit;
    return true;
}

static void run_block(struct cpu *c, const struct insn *first)
{
    c->budget -= first->left;
    c->gpr[REG_BLOCK_RIP] = c->rip;
#if SP_TAIL_CALLS
    first->run(c, first, c->res, c->aux, 0);
#else
    for (c->next = first; c->next;) {
        const struct insn *i = c->next;
        c->next = NULL;
        i->run(c, i, c->res, c->aux, 0);
    }
#endif
}

/* INT n, INT3, INTO and INT1 clear TF on delivery: the trap of the instruction itself is lost.  An
 * INTO that finds OF = 0 delivers nothing.  SYSCALL and SYSRET see to it themselves. */
static bool loses_single_step(const struct cpu *c, const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    if (row->map != 0)
        return row->map == 1 && (row->opcode == 0x05 || row->opcode == 0x07);
    return row->opcode == 0xcc || row->opcode == 0xcd || row->opcode == 0xf1 ||
           (row->opcode == 0xce && lazy_of(c->aux));
}

/* DEBUGCTL.BTF: traps on branches only. */
static bool single_step_due(const struct cpu *c, const struct insn *i, uint64_t next_rip)
{
    if (loses_single_step(c, i))
        return false;
    return !(c->msr.debugctl & 2) || c->rip != next_rip;
}

/* IRET and UIRET: RF is what they have loaded. */
static bool loads_rf(const struct insn *i)
{
    op_fn *op = insn_rows[i->row].op;
    return op == op_iret || op == op_uiret;
}

/* One instruction with TF, RF, shadows, breakpoints and MTF around it. */
static void step(struct cpu *c)
{
    uint8_t shadow = c->shadow;
    bool trap = c->rflags & FLAG_TF, resume = c->rflags & FLAG_RF;
    if (c->dr[7] & 0xff && instruction_breakpoint(c)) {
        c->outcome = FAULTED;
        c->budget--;
        return;
    }
    const struct insn *first = code_find(c, code_step_mode(c));
    if (!first) {
        c->outcome = (uint8_t)cpu_fault_outcome(c);
        c->budget--;
        return;
    }
    struct insn copy = first[c->trace != NULL];     /* the block may be dropped by what it does */
    c->single_iteration = trap || c->mtf_armed;
    bool mtf = c->mtf_armed;
    if (unlikely(c->trace))
        c->trace->ends_rf = resume && copy.row != ROW_NONE && !loads_rf(&copy);
    run_block(c, first);
    if (unlikely(c->trace))
        c->trace->ends_rf = false;
    c->single_iteration = false;
    if (c->outcome == FAULTED || c->outcome == EXITED)
        return;
    c->shadow &= (uint8_t)~shadow;
    if (resume && c->outcome != AGAIN && c->rflags & FLAG_RF && !loads_rf(&copy))
        c->rflags &= ~(uint64_t)FLAG_RF;
    if (trap && single_step_due(c, &copy, c->gpr[REG_BLOCK_RIP] + copy.len)) {
        c->pending_debug |= BIT(14);
        c->pending |= PEND_DEBUG;
    }
    if (mtf)
        c->pending |= PEND_MTF;
}

static void run_from_here(struct cpu *c)
{
    struct jump_entry *entry = &c->jump[jump_slot(c->rip)];
    const struct insn *first = entry->first;
    if (entry->rip != c->rip || entry->key != c->jump_key || first->run == run_stale) {
        first = code_find(c, c->mode);
        if (!first) {
            c->outcome = (uint8_t)cpu_fault_outcome(c);
            c->budget--;
            return;
        }
        if (code_may_cache_jump(c, first))
            c->jump[jump_slot(c->rip)] = (struct jump_entry){ c->rip, c->jump_key, first };
    }
    if (first->left > c->budget)
        step(c);
    else
        run_block(c, first);
}

/* The VMX-preemption timer and performance counters cut the stretch that may run without a look at
 * events. */
static void set_deadline(struct cpu *c, uint64_t now, uint64_t until)
{
    if (c->vmx_nonroot) {
        uint64_t due = c->vmx_ops->deadline(c);
        if (due <= now) {
            c->pending |= PEND_VMX_TIMER;
        } else if (due < until) {
            until = due;
        }
    }
    if (unlikely(c->pmu.counting)) {
        uint64_t left = pmu_countdown(c);
        if (until > now && left < until - now)
            until = now + left;
    }
    if (unlikely(c->trace) && until > now)
        until = trace_deadline(c, now, until);
    c->tick_end = until;
    c->budget = (int64_t)(until - now);
}

/* One event after the other is taken before the handler's first instruction; bounded, because a
 * guest's trap gate may let the same interrupt in again and again. */
static void take_events(struct cpu *c)
{
    enum { EVENTS_MAX = 16 };
    for (unsigned k = 0; k < EVENTS_MAX && cpu_boundary(c); k++)
        continue;
}

uint64_t cpu_run(struct cpu *c, uint64_t now, uint64_t until)
{
    uint64_t start = now;
    c->current = NULL;
    cpu_mode_changed(c);
    c->tick_end = now;
    c->budget = 0;
    c->cycle_offset = c->retired - now;
    c->attention &= ~(uint32_t)ATTENTION_LEAVE;
    if (unlikely(c->trace))
        trace_sync(c);
    for (;;) {
        set_deadline(c, now, until);
        c->current = NULL;
        if (c->pending || c->activity != ACTIVITY_ACTIVE) {
            if (unlikely(c->trace))
                trace_before(c);
            take_events(c);
            if (unlikely(c->trace))
                trace_after(c, false);
            now = c->tick_end - (uint64_t)c->budget;
        }
        if (c->activity != ACTIVITY_ACTIVE || c->attention & ATTENTION_LEAVE || now >= until)
            break;
        c->attention &= ~(uint32_t)ATTENTION_BOUNDARY;
        if (c->budget > 0 && !(c->pending & PEND_STALL)) {
            if (needs_step(c))
                step(c);
            else
                run_from_here(c);
            c->current = NULL;
            c->vm_exited = false;
            if (unlikely(c->pmu.counting) && c->outcome >= FAULTED)
                pmu_not_retired(c);
            if (c->outcome == FAULTED) {
                struct event e = c->event;
                if (unlikely(c->trace))
                    trace_before(c);
                cpu_deliver(c, &e);
                if (unlikely(c->trace))
                    trace_after(c, false);
            } else if (unlikely(c->outcome == EXITED) && c->trace) {
                trace_after(c, true);
            }
        }
        now = c->tick_end - (uint64_t)c->budget;
    }
    c->attention &= ~(uint32_t)ATTENTION_LEAVE;
    if (unlikely(c->pmu.counting) && c->activity != ACTIVITY_ACTIVE)
        pmu_halted(c);
    c->retired += now - start;
    return now;
}
