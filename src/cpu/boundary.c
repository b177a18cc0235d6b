// SPDX-License-Identifier: Apache-2.0
// Events at an instruction boundary, in the order of SDM vol. 3, "Priority Among Concurrent Events"
// and "Priority of VM Exits".
#include <string.h>

#include "cpu/interrupt.h"
#include "cpu/uintr.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

/* Blocking by STI and by MOV SS does not hold an SMI; RSM brings it back. */
static bool take_smi(struct cpu *c)
{
    if (!(c->pending & PEND_SMI) || c->smm)
        return false;
    cpu_smi(c);
    return true;
}

static bool take_init(struct cpu *c)
{
    if (c->init_blocked || !(c->pending & PEND_INIT))
        return false;
    cpu_init(c);
    return true;
}

static bool take_sipi(struct cpu *c)
{
    if (!(c->pending & PEND_SIPI))
        return false;
    cpu_clear_pending(c, PEND_SIPI);
    cpu_startup(c, c->sipi_vector);
    return true;
}

/* Pushed onto what it watches, #DB comes again before the handler's first instruction. */
static void deliver(struct cpu *c, const struct event *e)
{
    cpu_deliver(c, e);
    if (e->vector != EXC_DB || !(c->pending & PEND_DEBUG) || !(c->pending_debug & BIT(12)) ||
        c->pending & PEND_MTF)
        return;
    struct event again = { .vector = EXC_DB, .type = EVENT_HARDWARE,
                           .debug = c->pending_debug & ~BIT(12) };
    c->pending_debug = 0;
    cpu_clear_pending(c, PEND_DEBUG);
    cpu_stall(c, &again);
}

/* The delivery that stalls goes on.  Only a VM exit ends it that limits its time: there is no
 * instruction boundary for others, nor for interrupts. */
static bool redeliver(struct cpu *c)
{
    if (c->budget <= 0)
        return false;
    if (c->vmx_nonroot && c->vmx_ops->boundary(c, BOUNDARY_STALL)) {
        c->vm_exited = false;
        return true;
    }
    c->budget--;
    struct event e = c->redelivery;
    cpu_clear_pending(c, PEND_STALL);
    deliver(c, &e);
    if (!(c->pending & PEND_STALL))
        c->stall_tick = 0;
    return true;
}

/* Bits 3:0 alone do not trap unless one of them was enabled: bit 12 says so. */
static bool take_debug(struct cpu *c)
{
    if (!(c->pending & PEND_DEBUG) || c->shadow & SHADOW_MOV_SS)
        return false;
    uint64_t reported = c->pending_debug;
    c->pending_debug = 0;
    cpu_clear_pending(c, PEND_DEBUG);
    if (!(reported & (BIT(12) | BIT(14) | BIT(15))))
        return false;
    struct event e = { .vector = EXC_DB, .type = EVENT_HARDWARE, .debug = reported & ~BIT(12) };
    deliver(c, &e);
    return true;
}

static bool take_nmi(struct cpu *c)
{
    if (!(c->pending & PEND_NMI) || c->nmi_blocked || c->shadow & SHADOW_MOV_SS)
        return false;
    cpu_clear_pending(c, PEND_NMI);
    c->nmi_blocked = true;
    struct event e = { .vector = EXC_NMI, .type = EVENT_NMI };
    cpu_deliver(c, &e);
    return true;
}

static bool take_interrupt(struct cpu *c)
{
    if (!(c->pending & PEND_INTR) || !(c->rflags & FLAG_IF) || c->shadow)
        return false;
    int vector = c->bus && c->bus->interrupt_acknowledge ?
                 c->bus->interrupt_acknowledge(c->machine, c) : -1;
    if (vector < 0) {
        cpu_clear_pending(c, PEND_INTR);
        return false;
    }
    if (uintr_is_notification(c, (unsigned)vector)) {
        if (c->bus->apic_eoi)
            c->bus->apic_eoi(c->machine, c);
        uintr_process_notification(c);
        return true;
    }
    struct event e = { .vector = (uint8_t)vector, .type = EVENT_EXTERNAL };
    cpu_deliver(c, &e);
    return true;
}

/* One rank of the priority table: the activity states in which it is looked at, and who takes it
 * when no VM exit did. */
#define IN(activity) (1u << ACTIVITY_##activity)
enum { AWAKE = IN(ACTIVE) | IN(HLT) | IN(MWAIT), ALMOST_ALL = AWAKE | IN(SHUTDOWN) };
static const struct rank {
    enum boundary boundary;
    unsigned activities;
    bool (*take)(struct cpu *c);
} ranks[] = {
    { BOUNDARY_SIPI,        IN(WAIT_SIPI),              take_sipi },
    { BOUNDARY_TRAP_EXITS,  AWAKE,                      NULL },
    { BOUNDARY_SMI,         ALMOST_ALL,                 take_smi },
    { BOUNDARY_INIT,        ALMOST_ALL | IN(WAIT_SIPI), take_init },
    { BOUNDARY_MTF,         ALMOST_ALL,                 NULL },
    { BOUNDARY_DEBUG,       AWAKE,                      take_debug },
    { BOUNDARY_TIMER,       ALMOST_ALL,                 NULL },
    { BOUNDARY_NMI_WINDOW,  ALMOST_ALL,                 NULL },
    { BOUNDARY_NMI,         ALMOST_ALL,                 take_nmi },
    { BOUNDARY_INTR_WINDOW, AWAKE,                      NULL },
    { BOUNDARY_INTR,        AWAKE,                      take_interrupt },
    { BOUNDARY_USER,        IN(ACTIVE),                 uintr_deliver },
};

static bool monitored_line_changed(const struct cpu *c)
{
    uint8_t now[sizeof c->monitor_line];
    mem_read(c->mem, c->monitor_address, now, sizeof now);
    return memcmp(now, c->monitor_line, sizeof now) != 0;
}

/* MWAIT ends when the monitored line changes; ECX[0] lets a masked interrupt end it, too. */
static bool wakes_mwait(const struct cpu *c)
{
    return c->activity == ACTIVITY_MWAIT &&
           (!c->monitor_armed || monitored_line_changed(c) ||
            (c->mwait_breaks_masked && c->pending & PEND_INTR));
}

/* A SIPI is lost unless the processor waits for it, or an INIT that came before makes it wait. */
static void drop_stale(struct cpu *c)
{
    if (c->activity != ACTIVITY_WAIT_SIPI && !(c->pending & PEND_INIT))
        cpu_clear_pending(c, PEND_SIPI);
    if (c->activity != ACTIVITY_MWAIT)
        cpu_clear_pending(c, PEND_MWAIT);
}

bool cpu_boundary(struct cpu *c)
{
    if (c->pending & PEND_STALL)
        return redeliver(c);
    drop_stale(c);
    for (unsigned k = 0; k < ARRAY_SIZE(ranks); k++) {
        const struct rank *r = &ranks[k];
        if (!(r->activities >> c->activity & 1))
            continue;
        if (c->vmx_nonroot && c->vmx_ops->boundary(c, r->boundary)) {
            c->vm_exited = false;
            return true;
        }
        if (r->take && r->take(c))
            return true;
    }
    if (wakes_mwait(c)) {
        c->activity = ACTIVITY_ACTIVE;
        cpu_clear_pending(c, PEND_MWAIT);
    }
    if (c->activity != ACTIVITY_ACTIVE)
        c->declined = c->pending;
    return false;
}

bool cpu_is_idle(const struct cpu *c)
{
    return c->activity != ACTIVITY_ACTIVE && !(c->pending & ~(c->declined | PEND_MWAIT)) &&
           !wakes_mwait(c);
}
