// SPDX-License-Identifier: Apache-2.0
// Events of a trace that the processor itself makes.
#include "cpu/cpu.h"
#include "cpu/trace.h"
#include "cpu/vmx_ops.h"

/* In the middle of an instruction, that counts as begun. */
void trace_tell(struct cpu *c, enum trace_kind kind, const void *fields)
{
    uint64_t now = cpu_tick(c) + (c->current != NULL);
    if (c->trace && kind == TRACE_EVENT_VM_ENTRY)
        c->trace->vmcs = ((const struct trace_vm_entry *)fields)->vmcs;
    if (c->log->filter)
        trace_event_happened(c, kind);
    if (c->trace && c->trace->muted && !(trace_kinds[kind].class_bit & TRACE_VMX))
        return;
    if (!c->trace || c->trace->muted) {
        if (c->log->at >= c->log->limit)
            trace_log_begin(c->log);
        trace_log_cpu(c->log, c->index, now, now + c->cycle_offset);
    }
    trace_log_event(c->log, c->trace ? c->trace->insn : LOG_OUTSIDE, now, kind, fields);
}

void trace_stop(struct cpu *c, uint64_t now, uint64_t reason)
{
    struct trace_stop t = { reason, c->rip };
    if (c->log->at >= c->log->limit)
        trace_log_begin(c->log);
    trace_log_cpu(c->log, c->index, now, c->retired);
    trace_log_event(c->log, LOG_OUTSIDE, now, TRACE_EVENT_STOP, &t);
}

void trace_exception(struct cpu *c, const struct event *e)
{
    if (e->type == EVENT_EXTERNAL || e->type == EVENT_NMI || e->type == EVENT_SOFTWARE_INT) {
        struct trace_interrupt t = { .vector = e->vector, .type = e->type, .rip = c->rip,
                                     .injected = e->injected };
        if (trace_wants(c, TRACE_INTERRUPTS))
            trace_tell(c, TRACE_EVENT_INTERRUPT, &t);
        return;
    }
    struct trace_exception t = { .vector = e->vector, .type = e->type, .has_error = e->has_error,
                                 .error = e->error, .rip = c->rip, .injected = e->injected };
    if (e->type == EVENT_HARDWARE && e->vector == EXC_PF)
        t.address = e->address;
    if (trace_wants(c, TRACE_EXCEPTIONS))
        trace_tell(c, TRACE_EVENT_EXCEPTION, &t);
}

void trace_msr(struct cpu *c, uint32_t index, bool write, uint64_t value)
{
    trace_tell(c, TRACE_EVENT_MSR, &(struct trace_msr){ index, write, value });
}

void trace_io(struct cpu *c, uint16_t port, unsigned size, bool write, uint32_t value)
{
    trace_tell(c, TRACE_EVENT_IO, &(struct trace_io){ port, size, write, value });
}

void trace_invalidation(struct cpu *c, const struct invalidation *v)
{
    const uint64_t any = ~UINT64_C(0);
    struct trace_tlb t = {
        .scope = (uint64_t)v->one_page | (uint64_t)v->physical << 1 |
                 (uint64_t)v->spares_globals << 2 | (uint64_t)v->spares_vpid_0 << 3,
        .linear = v->one_page ? v->linear : 0,
        .vpid = (v->mask & VPID_MASK) == VPID_MASK ? v->key >> SPACE_VPID_SHIFT : any,
        .pcid = v->pcid == TLB_ANY_PCID ? any : (uint64_t)v->pcid,
        .eptrta = v->mask & SPACE_EPTRTA ? (v->key & SPACE_EPTRTA) << 11 : any,
    };
    trace_tell(c, TRACE_EVENT_TLB, &t);
}
