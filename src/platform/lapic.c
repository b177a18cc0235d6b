// SPDX-License-Identifier: Apache-2.0
#include "platform/lapic.h"

#include <string.h>

#include "base/bits.h"

enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE };

static int highest(const uint32_t set[8])
{
    for (int k = 7; k >= 0; k--)
        if (set[k])
            return 32 * k + 31 - __builtin_clz(set[k]);
    return -1;
}
static void set_bit(uint32_t set[8], unsigned v) { set[v >> 5] |= UINT32_C(1) << (v & 31); }
static void clear_bit(uint32_t set[8], unsigned v) { set[v >> 5] &= ~(UINT32_C(1) << (v & 31)); }
static bool test_bit(const uint32_t set[8], unsigned v) { return set[v >> 5] >> (v & 31) & 1; }

/* SDM "Task and Processor Priorities". */
uint8_t lapic_ppr(const struct lapic *l)
{
    int isrv = highest(l->isr);
    unsigned serving = isrv < 0 ? 0 : (unsigned)isrv & 0xf0;
    return (uint8_t)((l->tpr & 0xf0) >= serving ? l->tpr : serving);
}

/* The vector in IRR whose class is above the processor priority, or -1. */
static int deliverable(const struct lapic *l)
{
    int v = highest(l->irr);
    return lapic_enabled(l) && v >= 0 && (v & 0xf0) > (lapic_ppr(l) & 0xf0) ? v : -1;
}

bool lapic_wants_extint(const struct lapic *l)
{
    uint32_t lint0 = l->lvt[LVT_LINT0];
    if (!lapic_enabled(l))
        return l->lint[0]; /* SDM "Enabling or Disabling the Local APIC": LINT0 is INTR */
    return l->extint || (l->lint[0] && !(lint0 & LVT_MASKED) && (lint0 >> 8 & 7) == DELIVER_EXTINT);
}

void lapic_update(struct lapic *l)
{
    l->host->interrupt(l->host->context, l->cpu, deliverable(l) >= 0 || lapic_wants_extint(l));
}

void lapic_init(struct lapic *l)
{
    l->tpr = 0;
    l->ldr = lapic_x2apic(l) ? (l->id >> 4) << 16 | UINT32_C(1) << (l->id & 15) : 0;
    l->dfr = UINT32_MAX;
    l->svr = 0xff;
    l->esr = l->esr_pending = l->initial = l->divide = 0;
    l->icr = l->tsc_deadline = 0;
    l->extint = false;
    l->due = NEVER;
    memset(l->isr, 0, sizeof l->isr);
    memset(l->tmr, 0, sizeof l->tmr);
    memset(l->irr, 0, sizeof l->irr);
    for (unsigned k = 0; k < LVT_COUNT; k++)
        l->lvt[k] = LVT_MASKED;
    lapic_update(l);
}

void lapic_reset(struct lapic *l)
{
    l->base = APIC_DEFAULT_BASE | APIC_BASE_ENABLE | (l->cpu ? 0 : APIC_BASE_BSP);
    l->id = l->cpu;
    lapic_init(l);
}

void lapic_hand_over(struct lapic *l)
{
    l->svr = SVR_ENABLED | 0x0f;
    l->lvt[LVT_LINT0] = DELIVER_EXTINT << 8;
    l->lvt[LVT_LINT1] = DELIVER_NMI << 8;
    lapic_update(l);
}

void lapic_accept(struct lapic *l, uint8_t vector, bool level)
{
    if (!lapic_software_enabled(l))
        return;
    if (vector < 16) {
        lapic_error(l, ESR_RECEIVED_ILLEGAL);
        return;
    }
    set_bit(l->irr, vector);
    if (level)
        set_bit(l->tmr, vector);
    else
        clear_bit(l->tmr, vector);
    lapic_update(l);
}

void lapic_extint(struct lapic *l)
{
    l->extint = lapic_enabled(l);
    lapic_update(l);
}

/* Delivers what a local vector table entry says. */
static void deliver_local(struct lapic *l, enum lvt which)
{
    uint32_t e = l->lvt[which];
    if (e & LVT_MASKED || !lapic_enabled(l))
        return;
    switch (which == LVT_TIMER || which == LVT_ERROR ? DELIVER_FIXED : e >> 8 & 7) {
    case DELIVER_FIXED: lapic_accept(l, (uint8_t)e, false); break;
    case DELIVER_SMI: l->host->smi(l->host->context, l->cpu); break;
    case DELIVER_NMI: l->host->nmi(l->host->context, l->cpu); break;
    case DELIVER_INIT: l->host->init(l->host->context, l->cpu); break;
    default: break; /* ExtINT is a level: lapic_wants_extint() */
    }
}

/* The entry masks itself. */
void lapic_performance(struct lapic *l)
{
    deliver_local(l, LVT_PERF);
    l->lvt[LVT_PERF] |= LVT_MASKED;
}

void lapic_set_lint(struct lapic *l, unsigned pin, bool level)
{
    bool rising = level && !l->lint[pin & 1];
    l->lint[pin & 1] = level;
    if (rising && lapic_enabled(l))
        deliver_local(l, pin & 1 ? LVT_LINT1 : LVT_LINT0);
    else if (rising && pin & 1)
        l->host->nmi(l->host->context, l->cpu);     /* with the APIC off, LINT1 is NMI */
    lapic_update(l);
}

int lapic_acknowledge(struct lapic *l)
{
    int v = deliverable(l);
    if (v < 0)
        return -1;
    clear_bit(l->irr, (unsigned)v);
    set_bit(l->isr, (unsigned)v);
    lapic_update(l);
    return v;
}

void lapic_eoi(struct lapic *l)
{
    int v = highest(l->isr);
    if (v < 0)
        return;
    clear_bit(l->isr, (unsigned)v);
    if (test_bit(l->tmr, (unsigned)v))
        l->bus->eoi(l->bus->eoi_context, (uint8_t)v);
    lapic_update(l);
}

void lapic_set_tpr(struct lapic *l, uint8_t tpr)
{
    l->tpr = tpr;
    lapic_update(l);
}

/* An error sets a bit that becomes visible at the next write of ESR, and interrupts. */
void lapic_error(struct lapic *l, uint32_t esr_bit)
{
    bool fresh = !(l->esr_pending & esr_bit);
    l->esr_pending |= esr_bit;
    if (fresh && (l->lvt[LVT_ERROR] & 0xff) >= 16)  /* an illegal error vector must not recurse */
        deliver_local(l, LVT_ERROR);
}

/* ---- timer (SDM "APIC Timer") ---- */

static unsigned timer_mode(const struct lapic *l) { return l->lvt[LVT_TIMER] >> 17 & 3; }

/* Ticks of one count: the divide configuration is bits 3, 1 and 0; 111b divides by 1. */
static uint64_t unit(const struct lapic *l)
{
    unsigned code = (l->divide >> 1 & 4) | (l->divide & 3);
    return (UINT64_C(1) << ((code + 1) & 7)) * LAPIC_TICKS_PER_CLOCK;
}

uint32_t lapic_timer_count(const struct lapic *l)
{
    uint64_t now = host_now(l->host);
    if (l->due == NEVER || timer_mode(l) == TIMER_TSC_DEADLINE || now >= l->due)
        return 0;
    return (uint32_t)((l->due - now + unit(l) - 1) / unit(l));
}

void lapic_timer_start(struct lapic *l, uint32_t initial)
{
    if (timer_mode(l) == TIMER_TSC_DEADLINE)
        return;                       /* ignored: "TSC-Deadline Mode" */
    l->initial = initial;
    l->due = initial ? host_now(l->host) + initial * unit(l) : NEVER;
    host_changed(l->host);
}

void lapic_timer_divide(struct lapic *l, uint32_t divide)
{
    uint32_t left = lapic_timer_count(l);
    l->divide = divide & 0x0b;
    if (left)
        l->due = host_now(l->host) + left * unit(l);
    host_changed(l->host);
}

/* Moving to or from TSC-deadline mode disarms the timer. */
void lapic_timer_write_lvt(struct lapic *l, uint32_t v)
{
    bool was = timer_mode(l) == TIMER_TSC_DEADLINE;
    l->lvt[LVT_TIMER] = v;
    if (was != (timer_mode(l) == TIMER_TSC_DEADLINE)) {
        l->due = NEVER;
        l->tsc_deadline = 0;
    }
    host_changed(l->host);
}

uint64_t lapic_tsc_deadline(const struct lapic *l)
{
    return timer_mode(l) == TIMER_TSC_DEADLINE ? l->tsc_deadline : 0;
}

void lapic_tsc_changed(struct lapic *l)
{
    if (timer_mode(l) != TIMER_TSC_DEADLINE || !l->tsc_deadline)
        return;
    uint64_t now = host_now(l->host), tsc = now + l->host->tsc_offset(l->host->context, l->cpu);
    uint64_t distance = l->tsc_deadline > tsc ? l->tsc_deadline - tsc : 0;
    l->due = now + distance < now ? NEVER : now + distance;
    host_changed(l->host);
}

void lapic_write_tsc_deadline(struct lapic *l, uint64_t tsc)
{
    if (timer_mode(l) != TIMER_TSC_DEADLINE)
        return;                       /* ignored: "TSC-Deadline Mode" */
    l->tsc_deadline = tsc;
    l->due = NEVER;
    lapic_tsc_changed(l);
    host_changed(l->host);
}

uint64_t lapic_deadline(const struct lapic *l) { return l->due; }

void lapic_advance(struct lapic *l, uint64_t now)
{
    if (now < l->due)
        return;
    uint64_t period = (uint64_t)l->initial * unit(l);
    if (timer_mode(l) == TIMER_PERIODIC && period)
        l->due += ((now - l->due) / period + 1) * period;
    else
        l->due = NEVER;
    l->tsc_deadline = 0;
    deliver_local(l, LVT_TIMER);
}
