// SPDX-License-Identifier: Apache-2.0
// The run loop.  One virtual time for the whole machine: a tick passes for each instruction that
// any processor runs, and while all processors wait, time jumps to the next deadline.  Several
// processors take turns of a fixed number of ticks, so that a run is a function of its inputs alone
// and time never runs backwards between processors.
#include "cpu/vmx_ops.h"
#include "machine/internal.h"
#include "vmx/vmx.h"

/* A turn's length is prime: the length of no loop that guests spin in divides it, so that turns
 * begin and end at every point of such a loop. */
enum { QUANTUM = 4001, POLL_TICKS = 1000000, POLL_ROUNDS = 256 };

/* When the VMX-preemption timer of a waiting processor runs out.  It does not in wait-for-SIPI
 * (SDM vol. 3, "VMX-Preemption Timer"). */
static uint64_t vmx_deadline(const struct machine *m, struct cpu *c)
{
    bool waits = c->activity != ACTIVITY_ACTIVE && c->activity != ACTIVITY_WAIT_SIPI;
    return waits && c->vmx_nonroot ? c->vmx_ops->deadline(c) : NEVER;
}

/* A waiting processor whose deadline has passed can run: it waits for its turn, and for no time. */
static uint64_t next_deadline(const struct machine *m)
{
    uint64_t d = m->platform ? platform_deadline(m->platform) : NEVER;
    for (unsigned k = 0; k < m->cpus; k++) {
        uint64_t due = vmx_deadline(m, m->cpu[k]);
        d = due > m->now ? earlier(d, due) : d;
    }
    return d;
}

static bool runnable(const struct machine *m, struct cpu *c)
{
    return !cpu_is_idle(c) || vmx_deadline(m, c) <= m->now;
}

/* The processor whose turn it is, or the next one that can run; NULL if all wait. */
static struct cpu *pick(struct machine *m)
{
    if (m->now >= m->turn_end) {
        m->turn = (m->turn + 1) % m->cpus;
        m->turn_end = m->now + QUANTUM;
    }
    for (unsigned k = 0; k < m->cpus; k++) {
        unsigned index = (m->turn + k) % m->cpus;
        if (!runnable(m, m->cpu[index]))
            continue;
        if (k) {
            m->turn = index;
            m->turn_end = m->now + QUANTUM;
        }
        return m->cpu[index];
    }
    return NULL;
}

/* Whether anything but the end of the world can wake a waiting processor. */
static bool can_wake(const struct machine *m, const struct cpu *c)
{
    if (c->vmx_nonroot)
        return true;
    if (c->activity != ACTIVITY_HLT && c->activity != ACTIVITY_MWAIT)
        return false;
    return c->rflags & FLAG_IF || c->mwait_breaks_masked ||
           (m->platform && platform_nmi_possible(m->platform));
}

/* All processors wait: time jumps.  False if nothing can ever happen again. */
static bool skip_idle(struct machine *m)
{
    uint64_t due = next_deadline(m);
    bool hope = false;
    for (unsigned k = 0; k < m->cpus; k++)
        hope |= can_wake(m, m->cpu[k]);
    if (!hope || due == NEVER)
        return false;
    if (due > m->now)
        m->now = due;
    return true;
}

/* Runs c for one stretch of at most `left` instructions; returns how many it ran. */
static uint64_t run_stretch(struct machine *m, struct cpu *c, uint64_t left)
{
    uint64_t start = m->now, until = earlier(next_deadline(m), start + POLL_TICKS);
    if (m->cpus > 1)
        until = earlier(until, m->turn_end);
    if (left < until - start)
        until = start + left;
    m->until = until;
    m->running = c;
    if (m->platform)
        platform_smm(m->platform, c->smm);
    m->now = cpu_run(c, start, until);
    m->running = NULL;
    return m->now - start;
}

/* Asks the embedder now and then, by virtual time and by rounds (idle time flies). */
struct poll_state { uint64_t next; unsigned rounds; };
static bool poll_says_stop(const struct machine *m, const struct machine_limits *l,
                           struct poll_state *p)
{
    if (!l || !l->poll || (m->now < p->next && ++p->rounds < POLL_ROUNDS))
        return false;
    *p = (struct poll_state){ .next = m->now + POLL_TICKS };
    return l->poll(l->poll_user);
}

static void check_limits(struct machine *m, const struct machine_limits *l, uint64_t left,
                         struct poll_state *p)
{
    if (!left)
        machine_stop(m, STOP_BUDGET, m->turn, 0, "the instruction budget of %llu is spent",
                     (unsigned long long)l->max_insns);
    else if (atomic_exchange(&m->stop_requested, false) || poll_says_stop(m, l, p))
        machine_stop(m, STOP_REQUESTED, m->turn, 0, "a stop was requested");
}

/* A VMX abort leaves the processor in shutdown until a reset: the run ends there. */
static void check_abort(struct machine *m, const struct cpu *c)
{
    uint32_t indicator = vmx_abort_indicator(c);
    if (c->activity == ACTIVITY_SHUTDOWN && indicator)
        machine_stop(m, STOP_VMX_ABORT, c->index, indicator,
                     "VMX abort %u on processor %u at RIP %#llx", indicator, c->index,
                     (unsigned long long)c->rip);
}

static void run_round(struct machine *m, uint64_t *left)
{
    if (m->platform && platform_deadline(m->platform) <= m->now)
        platform_advance(m->platform, m->now);
    struct cpu *c = pick(m);
    if (c) {
        *left -= run_stretch(m, c, *left);
        check_abort(m, c);
    } else if (skip_idle(m)) {
        (*left)--;      /* a jump counts once: a guest that sleeps for ever comes to its end, too */
    } else {
        machine_stop(
            m, STOP_HALTED, m->turn, 0,
            "every processor waits and nothing can wake it: processor 0 halted at RIP %#llx",
            (unsigned long long)m->cpu[0]->rip);
    }
}

void machine_run(struct machine *m, const struct machine_limits *limits, struct stop_report *report)
{
    uint64_t left = limits && limits->max_insns ? limits->max_insns : UINT64_MAX;
    struct poll_state poll = { .next = m->now + POLL_TICKS };
    m->stopped = false;
    do {
        check_limits(m, limits, left, &poll);
        if (!m->stopped)
            run_round(m, &left);
    } while (!m->stopped);
    *report = m->stop;
}
