// SPDX-License-Identifier: Apache-2.0
// External interrupts and the interval timer (SDM vol. 2, "External Interrupt Control Registers",
// "Interval Timer Counter and Match Register").
#include "ipf/cpu.h"
#include "ipf/op.h"

enum { SPURIOUS = 15, NMI = 2, EXTINT = 0, TPR_MMI = 16, VECTOR_MASKED = 16 };

/* ---- priority: NMI, then ExtINT, then 255 down to 16 ---- */

static bool is_set(const uint64_t *set, unsigned vector)
{
    return set[vector / 64] >> (vector & 63) & 1;
}

static unsigned highest(const uint64_t *set)
{
    if (is_set(set, NMI))
        return NMI;
    if (is_set(set, EXTINT))
        return EXTINT;
    for (int k = 3; k >= 0; k--)
        if (set[k])
            return (unsigned)(64 * k + 63 - __builtin_clzll(set[k]));
    return SPURIOUS;
}
static unsigned rank(unsigned vector)
{
    return vector == NMI ? 257 : vector == EXTINT ? 256 : vector;
}

/* SDM vol. 2, table "Interrupt Priorities, Enabling, and Masking", but for PSR.i. */
static unsigned pending_unmasked(const struct ipf_cpu *c)
{
    unsigned vector = highest(c->irr), serviced = highest(c->in_service);
    uint64_t tpr = c->cr[CR_TPR];
    if (vector == SPURIOUS || (serviced != SPURIOUS && rank(vector) <= rank(serviced)))
        return SPURIOUS;
    bool by_tpr = vector != NMI &&
                  (tpr >> TPR_MMI & 1 || (vector != EXTINT && vector >> 4 <= bits(tpr, 7, 4)));
    return by_tpr ? SPURIOUS : vector;
}

unsigned ipf_pending(const struct ipf_cpu *c) { return pending_unmasked(c); }

void ipf_interrupts_changed(struct ipf_cpu *c)
{
    c->attention &= ~(unsigned)ATTENTION_INTERRUPT;
    if (pending_unmasked(c) != SPURIOUS)
        c->attention |= ATTENTION_INTERRUPT;
}

void ipf_post_interrupt(struct ipf_cpu *c, unsigned vector)
{
    if (vector > 255 || (vector < 16 && vector != NMI && vector != EXTINT))
        return;
    c->irr[vector / 64] |= BIT(vector & 63);
    ipf_interrupts_changed(c);
}

/* It ends a light halt, too (SDM vol. 2, PAL_HALT_LIGHT). */
void ipf_post_init(struct ipf_cpu *c)
{
    if (!c->init)
        return;
    c->attention |= ATTENTION_INIT;
    c->halted = false;
}

uint64_t ipf_read_ivr(struct ipf_cpu *c)
{
    unsigned vector = pending_unmasked(c);
    if (vector == SPURIOUS)
        return SPURIOUS;
    c->irr[vector / 64] &= ~BIT(vector & 63);
    c->in_service[vector / 64] |= BIT(vector & 63);
    ipf_interrupts_changed(c);
    return vector;
}

void ipf_end_of_interrupt(struct ipf_cpu *c)
{
    unsigned vector = highest(c->in_service);
    if (vector != SPURIOUS)
        c->in_service[vector / 64] &= ~BIT(vector & 63);
    ipf_interrupts_changed(c);
}

bool ipf_take_interrupt(struct ipf_cpu *c)
{
    if (!(c->attention & ATTENTION_INTERRUPT) || !(c->psr & PSR_I))
        return false;
    struct ipf_resume r = { c->ip, c->last_ip, c->slot, c->slot };
    ipf_interrupt(c, INT_EXTERNAL_INTERRUPT, 0, 0, &r);
    return true;
}

/* ---- the interval timer: an interrupt when AR.ITC reaches CR.ITM ---- */

static uint64_t ticks(const struct ipf_cpu *c, unsigned done)
{
    return c->retired + done + c->idle;
}

uint64_t ipf_itc(const struct ipf_cpu *c, unsigned done) { return ticks(c, done) + c->itc_offset; }

static void arm(struct ipf_cpu *c, unsigned done)
{
    uint64_t wait = c->cr[CR_ITM] - ipf_itc(c, done);
    c->timer_due = ticks(c, done) + wait;
    c->timer_on = c->timer_due >= wait; /* else not in the life of this processor */
}
void ipf_set_itc(struct ipf_cpu *c, unsigned done, uint64_t value)
{
    c->itc_offset = value - ticks(c, done);
    arm(c, done);
}
void ipf_set_itm(struct ipf_cpu *c, unsigned done, uint64_t value)
{
    c->cr[CR_ITM] = value;
    arm(c, done);
}

void ipf_poll_timer(struct ipf_cpu *c)
{
    if (!c->timer_on || ticks(c, 0) < c->timer_due)
        return;
    c->timer_on = false;
    if (!(c->cr[CR_ITV] >> VECTOR_MASKED & 1))
        ipf_post_interrupt(c, c->cr[CR_ITV] & 0xff);
}

uint64_t ipf_next_event(const struct ipf_cpu *c)
{
    if (c->attention & ATTENTION_INTERRUPT)
        return ticks(c, 0);
    return c->timer_on ? c->timer_due : UINT64_MAX;
}
