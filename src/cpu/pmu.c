// SPDX-License-Identifier: Apache-2.0
// Performance counters: what they count, when, and their overflow (SDM vol. 3, "Architectural
// Performance Monitoring").
//
// An instruction that changes what is counted counts by what it changes it to: the WRMSR that
// enables a counter is its first instruction, an IRET to CPL 3 is one of CPL 3.
#include "cpu/pmu.h"

#include <string.h>

#include "cpu/cpu.h"

/* ---- the counters ---- */

static bool is_fixed(unsigned k) { return k >= PMU_GENERAL; }

/* Bit of IA32_PERF_GLOBAL_CTRL and IA32_PERF_GLOBAL_STATUS. */
static uint64_t global_bit(unsigned k)
{
    return is_fixed(k) ? BIT(32 + k - PMU_GENERAL) : BIT(k);
}

uint64_t pmu_counter_mask(const struct cpu *c, unsigned k)
{
    const uint32_t *leaf = c->model->perfmon;
    return BIT(is_fixed(k) ? bits(leaf[3], 12, 5) : bits(leaf[0], 23, 16)) - 1;
}

/* The control block of a fixed-function counter in IA32_FIXED_CTR_CTRL. */
static unsigned fixed_block(const struct pmu *p, unsigned k)
{
    return (unsigned)(p->fixed_control >> 4 * (k - PMU_GENERAL)) & 0xf;
}

static enum pmu_counts event_of(const struct pmu *p, unsigned k)
{
    static const struct { uint16_t code; uint8_t counts; } events[] = {
#define PERF_EVENT(bit, name, event, umask, counts) { (umask) << 8 | (event), PMU_##counts },
#include "cpu/perf_events.def"
    };
    if (is_fixed(k))            /* instructions retired; core cycles; reference cycles */
        return k == PMU_GENERAL ? PMU_INSTRUCTIONS : PMU_CYCLES;
    for (unsigned e = 0; e < ARRAY_SIZE(events); e++)
        if (events[e].code == (p->select[k] & 0xffff))
            return events[e].counts;
    return PMU_NOTHING;
}

static bool asks_for_interrupt(const struct pmu *p, unsigned k)
{
    return is_fixed(k) ? fixed_block(p, k) & FIXED_PMI : p->select[k] & SELECT_INT;
}

/* Whether counter k runs at CPL 0, or at the others. */
static bool is_active(const struct pmu *p, unsigned k, bool user)
{
    if (!(p->global_control & global_bit(k)) || p->global_status & STATUS_CTR_FRZ)
        return false;
    if (is_fixed(k))
        return fixed_block(p, k) & (user ? FIXED_USR : FIXED_OS);
    return p->select[k] & SELECT_EN && p->select[k] & (user ? SELECT_USR : SELECT_OS) &&
           event_of(p, k) != PMU_NOTHING;
}

/* What a cycle in which an instruction retired, or none did, adds: "Counter mask (CMASK)" compares
 * its events, of which there is one at most; "Invert (INV)" turns that round. */
static bool condition(const struct pmu *p, unsigned k, bool retired)
{
    unsigned happens = event_of(p, k) == PMU_CYCLES || retired;
    unsigned mask = is_fixed(k) ? 0 : (unsigned)(p->select[k] >> 24) & 0xff;
    if (!mask)
        return happens;
    return (happens >= mask) == (!(p->select[k] & SELECT_INV));
}

/* What n equal cycles add to counter k. */
static uint64_t increments(const struct pmu *p, unsigned k, uint64_t n, bool retired)
{
    if (!n || !condition(p, k, retired))
        return 0;
    bool edge = !is_fixed(k) && p->select[k] & SELECT_EDGE;
    return edge ? !(p->high >> k & 1) : n;
}

/* ---- overflow ---- */

/* SDM vol. 3, "Freezing LBR and Performance Counters on PMI": up to version 3 the processor clears
 * IA32_PERF_GLOBAL_CTRL, from version 4 on it sets CTR_Frz. */
static void freeze(struct cpu *c)
{
    if (!(c->msr.debugctl & DEBUGCTL_FREEZE_PERFMON))
        return;
    if (pmu_version(c->model) >= 4)
        c->pmu.global_status |= STATUS_CTR_FRZ;
    else
        c->pmu.global_control = 0;
    pmu_changed(c);
}

static void overflow(struct cpu *c, unsigned counters)
{
    struct pmu *p = &c->pmu;
    bool interrupt = false;
    for (unsigned k = 0; k < PMU_COUNTERS; k++)
        if (counters >> k & 1) {
            p->global_status |= global_bit(k);
            interrupt |= asks_for_interrupt(p, k);
        }
    if (!interrupt)
        return;
    freeze(c);
    if (c->bus && c->bus->performance_interrupt)
        c->bus->performance_interrupt(c->machine, c);
}

/* ---- folding ---- */

/* A counter makes one step in a cycle at most. */
static void schedule(struct cpu *c)
{
    struct pmu *p = &c->pmu;
    p->due = UINT64_MAX;
    for (unsigned k = 0; k < PMU_COUNTERS; k++) {
        uint64_t left = pmu_counter_mask(c, k) + 1 - p->counter[k];
        if (p->active[p->user] >> k & 1 && left < p->due - p->folded)
            p->due = p->folded + left;
    }
}

/* Counts the cycles up to `cycle`, in each of which an instruction retired, or in none. */
static void fold(struct cpu *c, uint64_t cycle, bool retired)
{
    struct pmu *p = &c->pmu;
    uint64_t n = cycle > p->folded ? cycle - p->folded : 0;
    unsigned overflowed = 0, active = p->active[p->user];
    if (!n)
        return;
    p->folded = cycle;
    for (unsigned k = 0; k < PMU_COUNTERS; k++) {
        if (!(active >> k & 1))
            continue;
        uint64_t v = p->counter[k] + increments(p, k, n, retired), mask = pmu_counter_mask(c, k);
        p->counter[k] = v & mask;
        overflowed |= (unsigned)(v > mask) << k;
        p->high = (uint16_t)((p->high & ~(1u << k)) | (unsigned)condition(p, k, retired) << k);
    }
    schedule(c);
    if (overflowed)
        overflow(c, overflowed);
}

void pmu_fold(struct cpu *c) { fold(c, cpu_cycles(c), true); }

void pmu_changed(struct cpu *c)
{
    struct pmu *p = &c->pmu;
    p->active[0] = p->active[1] = 0;
    for (unsigned k = 0; k < PMU_COUNTERS; k++) {
        p->active[0] |= (uint16_t)((unsigned)is_active(p, k, false) << k);
        p->active[1] |= (uint16_t)((unsigned)is_active(p, k, true) << k);
    }
    p->counting = p->active[0] | p->active[1];
    p->by_ring = p->active[0] != p->active[1];
    p->user = c->cpl != 0;
    p->high &= p->active[p->user];
    schedule(c);
    c->attention |= ATTENTION_BOUNDARY;
}

void pmu_privilege_changed(struct cpu *c)
{
    if (c->pmu.user == (c->cpl != 0))
        return;
    pmu_fold(c);
    c->pmu.user = c->cpl != 0;
    c->pmu.high &= c->pmu.active[c->pmu.user];
    schedule(c);
}

void pmu_not_retired(struct cpu *c)
{
    uint64_t now = cpu_cycles(c);
    fold(c, now - 1, true);
    fold(c, now, false);
}

void pmu_halted(struct cpu *c)
{
    pmu_fold(c);
    c->pmu.high = 0;
}

uint64_t pmu_countdown(struct cpu *c)
{
    uint64_t now = cpu_cycles(c);
    if (now >= c->pmu.due)
        pmu_fold(c);
    return c->pmu.due - now;
}

uint64_t pmu_value(const struct cpu *c, unsigned k)
{
    const struct pmu *p = &c->pmu;
    uint64_t now = cpu_cycles(c), n = now > p->folded ? now - p->folded : 0;
    bool counts = p->active[p->user] >> k & 1;
    return (p->counter[k] + (counts ? increments(p, k, n, true) : 0)) & pmu_counter_mask(c, k);
}

void pmu_reset(struct cpu *c)
{
    memset(&c->pmu, 0, sizeof c->pmu);
    c->pmu.folded = cpu_cycles(c);
    c->pmu.global_control = pmu_version(c->model) ? BIT(pmu_general(c->model)) - 1 : 0;
    pmu_changed(c);
}
