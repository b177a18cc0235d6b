// SPDX-License-Identifier: Apache-2.0
// Events on their way: VM exits, nested faults, double and triple faults (SDM vol. 3, "Interrupt 8
// -- Double Fault Exception (#DF)").
#include "cpu/interrupt.h"

#include "cpu/debug.h"
#include "cpu/hooks.h"
#include "cpu/trace.h"
#include "cpu/vmx_ops.h"

enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum severity severity_of(const struct event *e)
{
    if (e->type != EVENT_HARDWARE)
        return BENIGN;
    switch (e->vector) {
    case EXC_DE: case EXC_TS: case EXC_NP: case EXC_SS: case EXC_GP: case EXC_CP:
        return CONTRIBUTORY;
    case EXC_PF: case EXC_VE:
        return PAGE_FAULT;
    case EXC_DF:
        return DOUBLE_FAULT;
    default:
        return BENIGN;
    }
}

/* Table "Conditions for Generating a Double Fault": rows first, columns second. */
static bool makes_double_fault(enum severity first, enum severity second)
{
    switch (first) {
    case CONTRIBUTORY: return second == CONTRIBUTORY;
    case PAGE_FAULT: return second == CONTRIBUTORY || second == PAGE_FAULT;
    default: return false;
    }
}

/* Faults but not aborts, and of the debug exceptions only general detect. */
static bool is_fault(const struct event *e)
{
    if (e->type != EVENT_HARDWARE || e->vector == EXC_DF || e->vector == EXC_MC)
        return false;
    return e->vector != EXC_DB || (e->debug & BIT(13));
}

uint64_t pushed_flags(const struct cpu *c, const struct event *e)
{
    uint64_t flags = cpu_rflags(c);
    if (e->injected)      /* SDM vol. 3, "Details of Vectored-Event Injection": RF as it is */
        return flags;
    /* Interrupts and traps between two iterations of a string instruction push RF = 1, too. */
    bool between = !c->current && c->outcome == AGAIN && !is_software(e);
    return is_fault(e) || between ? flags | FLAG_RF : flags;
}

/* A #DB, INT1's too, takes along what MOV SS held back: breakpoints join it in DR6, a single step
 * is lost.  So MOV SS with a watched operand and INT1 enter the handler once. */
static void record_debug(struct cpu *c, const struct event *e)
{
    uint64_t held = c->pending_debug & BIT(12) ? c->pending_debug & 0xf : 0;
    c->pending_debug = 0;
    cpu_clear_pending(c, PEND_DEBUG);
    if (e->type == EVENT_HARDWARE || held)
        c->dr[6] = ((c->dr[6] & ~UINT64_C(0xf)) | (e->debug & 0xe00f) | held) &
                   ~(e->debug & DR6_BLD);
    c->dr[7] &= ~UINT64_C(0x2000);      /* GD */
    c->msr.debugctl &= ~UINT64_C(2);    /* BTF */
}

/* What an exception leaves in registers when it is delivered, but not when it makes a VM exit or
 * was injected by VM entry. */
static void record(struct cpu *c, const struct event *e)
{
    if (e->injected)
        return;
    if (e->type == EVENT_HARDWARE && e->vector == EXC_PF)
        c->cr2 = e->address;
    if (e->type == EVENT_PRIVILEGED_SW || (e->type == EVENT_HARDWARE && e->vector == EXC_DB))
        record_debug(c, e);
}

static enum outcome shutdown(struct cpu *c)
{
    c->is_delivering = false;
    if (c->vmx_nonroot) {
        c->vmx_ops->triple_fault_exit(c);
        c->vm_exited = false;
        return EXITED;
    }
    c->activity = ACTIVITY_SHUTDOWN;
    c->declined = 0;
    if (c->bus && c->bus->triple_fault)
        c->bus->triple_fault(c->machine, c);
    cpu_leave(c);
    return JUMPED;
}

static enum outcome delivered(struct cpu *c, enum outcome o)
{
    c->is_delivering = false;
    c->vm_exited = false;
    if (o == JUMPED) {
        c->activity = ACTIVITY_ACTIVE;
        c->shadow = 0;
        if (!c->current)
            c->outcome = JUMPED; /* what comes before the handler's first instruction */
    }
    return o;
}

static bool attempt(struct cpu *c, const struct event *e)
{
    if (e->redirected)
        return deliver_v86(c, e);
    return in_protected(c) ? deliver_idt(c, e) : deliver_real(c, e);
}

void cpu_stall(struct cpu *c, const struct event *e)
{
    if (!c->stall_tick)
        c->stall_tick = cpu_tick(c);
    c->redelivery = *e;
    cpu_set_pending(c, PEND_STALL);
}

/* A benign exception (#AC) may come again and again: each needs a tick.  What leads to others ends
 * in a double fault. */
static enum outcome stalled(struct cpu *c, const struct event *nested)
{
    if (c->vmx_nonroot && c->vmx_ops->event_exit(c, nested))
        return delivered(c, EXITED);
    cpu_stall(c, nested);
    return delivered(c, JUMPED);
}

enum outcome cpu_deliver(struct cpu *c, const struct event *e)
{
    struct event now = *e;
    for (;;) {
        if (c->vmx_nonroot && c->vmx_ops->event_exit(c, &now))
            return delivered(c, EXITED);
        c->exceptions++;
        if (c->hooks && c->hooks->exception)
            c->hooks->exception(c->hooks->user, c, &now);
        if (unlikely(c->log))
            trace_exception(c, &now);
        record(c, &now);
        c->delivering = now;
        c->is_delivering = true;
        if (attempt(c, &now))
            return delivered(c, JUMPED);
        if (c->vm_exited)
            return delivered(c, EXITED);

        struct event nested = c->event;
        /* An intercepted nested exception exits before it can become a double fault. */
        enum severity first = severity_of(&now), second = severity_of(&nested);
        if (second == BENIGN)
            return stalled(c, &nested);
        if (first == DOUBLE_FAULT && (second == CONTRIBUTORY || second == PAGE_FAULT))
            return c->vmx_nonroot && c->vmx_ops->event_exit(c, &nested) ? delivered(c, EXITED)
                                                                        : shutdown(c);
        if (makes_double_fault(first, second)) {
            if (c->vmx_nonroot && c->vmx_ops->event_exit(c, &nested))
                return delivered(c, EXITED);
            c->is_delivering = false;       /* a #DF exit is not "during event delivery" */
            nested = (struct event){ .vector = EXC_DF, .type = EVENT_HARDWARE,
                                     .has_error = in_protected(c) };
        }
        now = nested;
    }
}
