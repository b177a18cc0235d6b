// SPDX-License-Identifier: Apache-2.0
// Exceptions, interrupts and other events in VMX non-root operation (SDM vol. 3, "Other Causes of
// VM Exits", "Priority Among Concurrent Events"), and the VMX-preemption timer.
#include "vmx/internal.h"

enum {
    REASON_EVENT = 0,
    REASON_EXTERNAL = 1,
    REASON_TRIPLE_FAULT = 2,
    REASON_INIT = 3,
    REASON_SIPI = 4,
    REASON_INTR_WINDOW = 7,
    REASON_NMI_WINDOW = 8,
    REASON_TASK_SWITCH = 9,
    REASON_MTF = 37,
    REASON_TIMER = 52,
    REASON_BUS_LOCK = 74,
    REASON_TIMEOUT = 75,
};
#define INFO_VALID UINT32_C(0x80000000)

/* ---- exceptions ---- */

static bool exception_intercepted(const struct cpu *c, const struct event *e)
{
    bool bit = vmcs_field(c, EXCEPTION_BITMAP) >> (e->vector & 31) & 1;
    if (e->vector != EXC_PF)
        return bit;
    uint64_t mask = vmcs_field(c, PAGE_FAULT_ERROR_CODE_MASK);
    bool match = (e->error & mask) == vmcs_field(c, PAGE_FAULT_ERROR_CODE_MATCH);
    return match ? bit : !bit;
}

/* The RF that the saved RFLAGS get is that of the image a delivery would push. */
bool event_pushes_rf(const struct event *e)
{
    return e->type == EVENT_HARDWARE && !e->injected && e->vector != EXC_DF &&
           e->vector != EXC_MC && (e->vector != EXC_DB || e->debug & BIT(13));
}

bool vmx_event_exit(struct cpu *c, const struct event *e)
{
    struct vmx *v = c->vmx;
    bool exception = e->type == EVENT_HARDWARE || e->type == EVENT_PRIVILEGED_SW ||
                     e->type == EVENT_SOFTWARE_EXC;
    if (v->injecting || !exception || !exception_intercepted(c, e)) {
        v->injecting = false;
        if (c->mtf_armed) /* the exit comes before the handler's first instruction */
            c->pending |= PEND_MTF;
        return false;
    }
    vm_exit(c, &(struct vm_exit){
                   .reason = REASON_EVENT,
                   .vectoring = e->vector != EXC_DF,
                   .has_length = e->type != EVENT_HARDWARE,
                   .at_rip = true,
                   .set_rf = event_pushes_rf(e),
                   .saves_debug = e->vector == EXC_MC,
                   .event_info = INFO_VALID | e->vector | (uint32_t)e->type << 8 |
                                 (uint32_t)e->has_error << 11,
                   .event_error = e->has_error ? e->error : 0,
                   .qualification = e->vector == EXC_PF   ? e->address
                                    : e->vector == EXC_DB ? e->debug & 0x680f
                                                          : 0,
               });
    return true;
}

void vmx_triple_fault_exit(struct cpu *c)
{
    vm_exit(c, &(struct vm_exit){ .reason = REASON_TRIPLE_FAULT, .at_rip = true });
}

bool vmx_task_switch_exit(struct cpu *c, uint16_t selector, unsigned source)
{
    vm_exit(c, &(struct vm_exit){
        .reason = REASON_TASK_SWITCH, .vectoring = true, .has_length = true,
        .set_rf = c->is_delivering && event_pushes_rf(&c->delivering),
        .qualification = selector | (uint64_t)source << 30,
    });
    return true;
}

/* ---- NMI blocking ---- */

void vmx_iret(struct cpu *c)
{
    struct vmx *v = c->vmx;
    bool virtual = v->pin & PIN_VIRTUAL_NMIS;
    if (v->pin & PIN_NMI_EXITING && !virtual)
        return;                             /* blocking by NMI is the host's */
    if (!(virtual ? v->virtual_nmi_blocking : c->nmi_blocked))
        return;
    v->virtual_nmi_blocking = c->nmi_blocked = false;
    v->unblocked_rip = guest_rip(c);
    v->unblocked_tick = cpu_tick(c);
    c->attention |= ATTENTION_BOUNDARY;
}

/* ---- the VMX-preemption timer: one count for each 2^rate TSC ticks ---- */

static uint64_t tsc_of(const struct cpu *c, uint64_t tick) { return tick + c->msr.tsc_offset; }

void timer_start(struct cpu *c)
{
    struct vmx *v = c->vmx;
    uint64_t now = cpu_tick(c), count = vmcs_field(c, VMX_PREEMPTION_TIMER_VALUE);
    unsigned rate = vmx_timer_rate(v->cap);
    uint64_t due = ((tsc_of(c, now) >> rate) + count) << rate;
    if (v->pin & PIN_PREEMPTION_TIMER)
        v->timer_due = count ? due - c->msr.tsc_offset : now;
    else
        v->timer_due = UINT64_MAX;
    c->attention |= ATTENTION_BOUNDARY;
}

uint64_t timer_value(const struct cpu *c)
{
    uint64_t now = cpu_tick(c), due = c->vmx->timer_due;
    unsigned rate = vmx_timer_rate(c->vmx->cap);
    return now >= due ? 0 : (tsc_of(c, due) >> rate) - (tsc_of(c, now) >> rate);
}

uint64_t vmx_deadline(struct cpu *c)
{
    uint64_t apic = apic_timer_due(c), due = c->vmx->timer_due;
    if (c->activity == ACTIVITY_WAIT_SIPI)
        return UINT64_MAX;
    return apic < due ? apic : due;
}

/* ---- instruction boundaries ---- */

/* An exit between instructions.  For interrupts and NMIs RF is that of the image which a delivery
 * would push: 1 between two iterations of a string instruction. */
static bool boundary_exit(struct cpu *c, uint32_t reason, uint32_t info, uint64_t qualification,
                          bool saves_debug)
{
    bool is_event = reason == REASON_EVENT || reason == REASON_EXTERNAL;
    vm_exit(c, &(struct vm_exit){ .reason = reason, .event_info = info, .at_rip = true,
                                  .set_rf = is_event && c->outcome == AGAIN,
                                  .qualification = qualification, .saves_debug = saves_debug });
    return true;
}

static bool nmi_exit(struct cpu *c)
{
    bool blocked = c->nmi_blocked || c->shadow & SHADOW_MOV_SS;
    if (!(c->vmx->pin & PIN_NMI_EXITING) || !(c->pending & PEND_NMI) || blocked)
        return false;
    cpu_clear_pending(c, PEND_NMI);
    return boundary_exit(c, REASON_EVENT, INFO_VALID | EXC_NMI | EVENT_NMI << 8, 0, false);
}

static bool nmi_window(const struct cpu *c)
{
    return c->vmx->proc & PROC_NMI_WINDOW_EXITING && !c->vmx->virtual_nmi_blocking && !c->shadow;
}

static bool interrupt_window(const struct cpu *c)
{
    return c->vmx->proc & PROC_INTERRUPT_WINDOW_EXITING && c->rflags & FLAG_IF && !c->shadow;
}

/* Blocking by STI and MOV SS holds the exit back, as it would the interrupt. */
static bool interrupt_exit(struct cpu *c)
{
    uint32_t info = 0;
    if (!(c->vmx->pin & PIN_EXTERNAL_INTERRUPT_EXITING) || !(c->pending & PEND_INTR) || c->shadow)
        return false;
    if (c->vmx->exit & EXIT_ACKNOWLEDGE_INTERRUPT) {
        int vector = c->bus && c->bus->interrupt_acknowledge ?
                     c->bus->interrupt_acknowledge(c->machine, c) : -1;
        if (vector < 0) {
            cpu_clear_pending(c, PEND_INTR);
            return false;
        }
        if (apic_is_notification(c, (unsigned)vector)) {
            apic_process_posted(c);
            return true;
        }
        info = INFO_VALID | (uint32_t)vector;
    }
    return boundary_exit(c, REASON_EXTERNAL, info, 0, false);
}

/* The preemption timer; PEND_VMX_TIMER may mean the virtual APIC timer. */
static bool timer_exit(struct cpu *c)
{
    if (!(c->pending & PEND_VMX_TIMER) || c->vmx->timer_due > cpu_tick(c))
        return false;
    cpu_clear_pending(c, PEND_VMX_TIMER);
    return boundary_exit(c, REASON_TIMER, 0, 0, false);
}

/* Guest-timer events come behind external interrupts and before virtual ones. */
static bool virtual_interrupt(struct cpu *c)
{
    if (!(c->pending & PEND_INTR) || c->shadow)
        apic_timer_expire(c);
    return apic_deliver_virtual(c);
}

static bool consume(struct cpu *c, uint32_t bit)
{
    bool is = c->pending & bit;
    cpu_clear_pending(c, bit);
    return is;
}

/* "Instruction timeout": the control counts the crystal clock. */
static bool times_out(const struct cpu *c)
{
    uint64_t unit = c->model->tsc_hz / CRYSTAL_HZ;
    return c->vmx->proc2 & PROC2_INSTRUCTION_TIMEOUT &&
           cpu_tick(c) - c->stall_tick >= vmcs_field(c, INSTRUCTION_TIMEOUT_CONTROL) * unit;
}

bool vmx_boundary(struct cpu *c, unsigned priority)
{
    uint64_t qualification;
    uint32_t reason;
    switch (priority) {
    case BOUNDARY_TRAP_EXITS:
        if (c->pending & PEND_VMX_APIC && apic_boundary(c, &qualification, &reason))
            return boundary_exit(c, reason, 0, qualification, true);
        return c->pending & PEND_BUS_LOCK && boundary_exit(c, REASON_BUS_LOCK, 0, 0, true);
    case BOUNDARY_INIT:
        return c->activity != ACTIVITY_WAIT_SIPI && consume(c, PEND_INIT) &&
               boundary_exit(c, REASON_INIT, 0, 0, true);
    case BOUNDARY_MTF:
        return consume(c, PEND_MTF) && boundary_exit(c, REASON_MTF, 0, 0, true);
    case BOUNDARY_TIMER: return timer_exit(c);
    case BOUNDARY_NMI_WINDOW:
        return nmi_window(c) && boundary_exit(c, REASON_NMI_WINDOW, 0, 0, false);
    case BOUNDARY_NMI: return nmi_exit(c);
    case BOUNDARY_INTR_WINDOW:
        if (interrupt_window(c))
            return boundary_exit(c, REASON_INTR_WINDOW, 0, 0, false);
        return virtual_interrupt(c);
    case BOUNDARY_INTR: return interrupt_exit(c);
    case BOUNDARY_SIPI:
        return c->activity == ACTIVITY_WAIT_SIPI && consume(c, PEND_SIPI) &&
               boundary_exit(c, REASON_SIPI, 0, c->sipi_vector, false);
    case BOUNDARY_STALL:
        return times_out(c) && boundary_exit(c, REASON_TIMEOUT, 0, 0, false);
    default: return false;
    }
}
