// SPDX-License-Identifier: Apache-2.0
// The interrupt controller and the interval timer of a guest.
#include "vmm.h"

enum { CR_ITM = 1, CR_IVA = 2, CR_LID = 64, CR_IVR = 65, CR_TPR = 66, CR_IRR0 = 68, CR_ITV = 72 };
enum { VECTOR_EXTERNAL = 0, VECTOR_NMI = 2, SPURIOUS = 15, OWN_TIMER = 0xf0, NONE = -1 };
#define VHPI_EXTERNAL 16
#define VHPI_NMI 32

static int highest(const u64 *set)
{
    if (set[0] >> VECTOR_NMI & 1)
        return VECTOR_NMI;
    if (set[0] & 1)
        return VECTOR_EXTERNAL;
    for (int k = 3; k >= 0; k--)
        if (set[k])
            return 64 * k + 63 - __builtin_clzl(set[k]);
    return NONE;
}
static int priority(int vector)
{
    return vector == VECTOR_NMI ? 257 : vector == VECTOR_EXTERNAL ? 256 : vector;
}

// The pending interrupt that nothing in service holds back; NONE.
static int next_interrupt(struct vcpu *v)
{
    int pending = highest(v->irr), busy = highest(v->in_service);
    return pending != NONE && (busy == NONE || priority(pending) > priority(busy)) ? pending : NONE;
}
static int masked_by_tpr(struct vcpu *v, int vector)
{
    u64 tpr = *vcr(v, CR_TPR);
    if (vector == VECTOR_NMI)
        return 0;
    return tpr >> 16 & 1 || (vector != VECTOR_EXTERNAL && (u64)vector >> 4 <= (tpr >> 4 & 15));
}

// With accelerated interrupts PAL watches vpsr.i and vtpr: it has to know what is pending.  One
// that is not here learns it when it is restored.
void pending_changed(struct vcpu *v)
{
    int n = next_interrupt(v);
    if (!(v->mode & MODE_ACCELERATED) || !v->here)
        return;
    *vpd(v, VPD_VHPI) = n == NONE              ? 0
                        : n == VECTOR_NMI      ? VHPI_NMI
                        : n == VECTOR_EXTERNAL ? VHPI_EXTERNAL
                                               : (u64)n >> 4;
    service(v, VPS_SET_PENDING_INTERRUPT, 0, 0);
}

void pend(struct vcpu *v, unsigned vector)
{
    v->irr[vector / 64] |= 1ul << (vector % 64);
    pending_changed(v);
}

u64 read_ivr(struct vcpu *v)
{
    int n = next_interrupt(v);
    if (n == NONE || masked_by_tpr(v, n))
        return SPURIOUS;
    v->irr[n / 64] &= ~(1ul << (n % 64));
    v->in_service[n / 64] |= 1ul << (n % 64);
    pending_changed(v);
    return (u64)n;
}
void end_of_interrupt(struct vcpu *v)
{
    int n = highest(v->in_service);
    if (n != NONE)
        v->in_service[n / 64] &= ~(1ul << (n % 64));
    pending_changed(v);
}

// Without acceleration: whatever let it through, the interrupt is taken now.
void deliver(struct vcpu *v)
{
    int n = next_interrupt(v);
    if (v->mode & MODE_ACCELERATED || n == NONE || masked_by_tpr(v, n) || !(*vpsr(v) & PSR_I))
        return;
    inject(v, 0x3000, (v->ipsr & PSR_RI)); // ISR.ei is where PSR.ri is
}

// ---- the timer ----

void program_timer(struct vcpu *v)
{
    if (v->mode & MODE_DISABLED)
        return; // it is the guest's
    u64 itm = *vcr(v, CR_ITM), now = read_itc() + v->itc_offset;
    if (*vcr(v, CR_ITV) >> 16 & 1 || !itm)
        return;
    if ((long)(itm - now) <= 0 && (long)(itm - v->timer_set) > 0) {
        pend(v, (u8)*vcr(v, CR_ITV)); // it passed while the virtual processor was away
    } else {
        write_itv(OWN_TIMER);
        write_itm(itm - v->itc_offset);
    }
    v->timer_set = now;
}

// An interrupt of the machine: the timer's, for the virtual processor that runs.
void external_interrupt(struct vcpu *v)
{
    u64 vector = read_host_ivr();
    if (vector == SPURIOUS)
        return;
    write_host_eoi(0);
    if (vector == OWN_TIMER)
        program_timer(v); // its own may have passed, or that of another that was here before
    else
        pend(v, (u8)vector);
}
