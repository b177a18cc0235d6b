// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "APIC-Timer Virtualization": the guest's IA32_TSC_DEADLINE has a timer of its own.
#include "vmx/internal.h"

static bool virtualizes(const struct cpu *c)
{
    return c->vmx->proc3 & PROC3_APIC_TIMER_VIRTUALIZATION;
}

static uint64_t tsc_now(const struct cpu *c) { return cpu_tick(c) + c->msr.tsc_offset; }

static void arm(struct cpu *c, uint64_t deadline)
{
    c->vmx->guest_deadline = deadline;
    c->attention |= ATTENTION_BOUNDARY;
}

void apic_timer_enter(struct cpu *c)
{
    arm(c, virtualizes(c) ? vmcs_field(c, GUEST_DEADLINE) : 0);
}

void apic_timer_leave(struct cpu *c)
{
    if (c->vmx->exists[GUEST_DEADLINE]) /* no control: always */
        c->vmx->vmcs.f[GUEST_DEADLINE] = c->vmx->guest_deadline;
    c->vmx->guest_deadline = 0;
}

/* In shutdown and wait-for-SIPI the timer waits. */
uint64_t apic_timer_due(const struct cpu *c)
{
    uint64_t deadline = c->vmx->guest_deadline, now = tsc_now(c);
    if (!deadline || c->activity == ACTIVITY_SHUTDOWN || c->activity == ACTIVITY_WAIT_SIPI)
        return UINT64_MAX;
    uint64_t tick = cpu_tick(c), left = deadline > now ? deadline - now : 0;
    return left < UINT64_MAX - tick ? tick + left : UINT64_MAX;
}

bool apic_timer_read(struct cpu *c, uint64_t *value)
{
    *value = vmcs_field(c, GUEST_DEADLINE_SHADOW);
    return virtualizes(c);
}

/* What the time-stamp counter is when the guest reads v: vmx_tsc() the other way round. */
static uint64_t physical_tsc(const struct cpu *c, uint64_t v)
{
    uint64_t multiplier = vmcs_field(c, TSC_MULTIPLIER);
    if (!(c->vmx->proc & PROC_TSC_OFFSETTING))
        return v;
    v -= vmcs_field(c, TSC_OFFSET);
    if (!(c->vmx->proc2 & PROC2_USE_TSC_SCALING))
        return v;
    unsigned __int128 scaled = (unsigned __int128)v << 48;
    return multiplier ? (uint64_t)(scaled / multiplier) : UINT64_MAX;
}

static void process(struct cpu *c)
{
    apic_request_virtual(c, vmcs_field(c, VIRTUAL_TIMER_VECTOR) & 0xff);
    c->vmx->guest_deadline = 0;
    c->vmx->vmcs.f[GUEST_DEADLINE_SHADOW] = 0;
}

bool apic_timer_write(struct cpu *c, uint64_t value)
{
    if (!virtualizes(c))
        return false;
    c->vmx->vmcs.f[GUEST_DEADLINE_SHADOW] = value;
    if (!value)
        arm(c, 0);
    else if (value > vmx_tsc(c, tsc_now(c)))
        arm(c, physical_tsc(c, value));
    else
        process(c);
    return true;
}

void apic_timer_expire(struct cpu *c)
{
    if (apic_timer_due(c) > cpu_tick(c))
        return;
    process(c);
    cpu_clear_pending(c, PEND_VMX_TIMER);
    if (c->activity == ACTIVITY_MWAIT)
        c->activity = ACTIVITY_ACTIVE;
}
