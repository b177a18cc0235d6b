// SPDX-License-Identifier: Apache-2.0
// The run loop has one virtual time for the whole machine: a tick passes for each instruction that
// any processor runs, and while all processors wait, time jumps to the next deadline.  Several
// processors take turns of a fixed number of ticks (run.c, for IA-32, does the same).
#include "machine/ipf_machine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/hash.h"
#include "machine/ipf_ssc.h"
#include "machine/ipf_tables.h"

/* A turn's length is prime: the length of no loop that guests spin in divides it. */
enum { QUANTUM = 4001, POLL_TICKS = 1000000, POLL_ROUNDS = 256 };

struct ipf_machine {
    struct mem *mem;
    struct ipf_cpu *cpu[IPF_CPUS_MAX];
    unsigned cpus;
    unsigned turn; /* whose quantum it is, with several processors */
    uint64_t turn_end;
    struct ipf_ssc ssc;
    struct ipf_platform platform;
    struct ipf_firmware firmware;
    atomic_bool stop_requested;
};

static bool create_cpus(struct ipf_machine *m, unsigned cpus)
{
    for (unsigned k = 0; k < cpus; k++) {
        struct ipf_cpu *c = k ? ipf_create_beside(m->cpu[k - 1]) : ipf_create(m->mem);
        if (!c)
            return false;
        c->index = k;
        c->cr[CR_LID] = ipf_lid(k);
        m->cpu[m->cpus++] = c;
    }
    return true;
}

struct ipf_machine *ipf_machine_create(const struct ipf_config *config, struct sp_error *e)
{
    struct ipf_machine *m = calloc(1, sizeof *m);
    if (!m) {
        sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
        return NULL;
    }
    m->mem = mem_create(config->ram_size, e);
    bool created = m->mem && create_cpus(m, config->cpus ? config->cpus : 1);
    if (m->mem && !created)
        sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    bool ok =
        created && ipf_platform_init(&m->platform, m->cpu[0], m->mem, config->serial) &&
        ssc_open(&m->ssc, m->mem, config->serial, config->command_line, config->ssc_folder, e);
    if (!ok) {
        ipf_destroy(m->cpu[0]);
        mem_destroy(m->mem);
        free(m);
        return NULL;
    }
    for (unsigned k = 0; k < m->cpus && config->model; k++)
        ipf_model_apply(m->cpu[k], config->model);
    for (unsigned k = 0; k < m->cpus && config->ssc; k++) {
        m->cpu[k]->ssc = ssc_call;
        m->cpu[k]->ssc_user = &m->ssc;
    }
    return m;
}

void ipf_machine_destroy(struct ipf_machine *m)
{
    if (!m)
        return;
    ssc_close(&m->ssc);
    ipf_destroy(m->cpu[0]);
    mem_destroy(m->mem);
    free(m);
}

struct mem *ipf_machine_mem(struct ipf_machine *m) { return m->mem; }
unsigned ipf_machine_cpu_count(const struct ipf_machine *m) { return m->cpus; }
struct ipf_cpu *ipf_machine_cpu(const struct ipf_machine *m, unsigned k) { return m->cpu[k]; }
uint64_t ipf_machine_now(const struct ipf_machine *m) { return ipf_platform_now(&m->platform); }

uint64_t ipf_machine_insns(const struct ipf_machine *m)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < m->cpus; k++)
        sum += m->cpu[k]->retired;
    return sum;
}

bool ipf_machine_boot(struct ipf_machine *m, const struct ipf_boot *b)
{
    ipf_firmware_init(&m->firmware, &m->platform, m->mem, b->base);
    return ipf_tables_write(&m->firmware, b);
}

uint64_t ipf_machine_state_hash(const struct ipf_machine *m)
{
    return hash_ipf(ipf_machine_now(m), m->cpu, m->cpus, m->mem);
}

void ipf_machine_stop_request(struct ipf_machine *m) { atomic_store(&m->stop_requested, true); }

/* ---- how a run ends ---- */

static void end(struct stop_report *r, enum machine_stop reason, const char *text)
{
    r->reason = reason;
    snprintf(r->text, sizeof r->text, "%s", text);
}

/* What the running processor or a device ended the run with. */
static bool ended(const struct ipf_machine *m, struct stop_report *r)
{
    const struct ipf_cpu *c = m->platform.running;
    if (m->platform.stopped)
        end(r, m->platform.reason == PLATFORM_RESET ? STOP_RESET : STOP_POWER_OFF,
            m->platform.text);
    else if (c->stop == IPF_EXIT)
        end(r, STOP_DEBUG_EXIT, "the program ended");
    else if (c->stop == IPF_HALTED)
        end(r, STOP_HALTED, "every processor waits and nothing can wake one");
    else if (c->stop == IPF_CHAINED)
        end(r, STOP_TRIPLE_FAULT, c->stop_text);
    else if (c->stop != IPF_RUNS)
        end(r, STOP_NOT_MODELLED, c->stop_text);
    else
        return false;
    r->cpu = c->index;
    r->value = (uint64_t)c->exit_status;
    return true;
}

/* ---- running ---- */

/* The processor whose turn it is, or the next one that can run; NULL if all wait. */
static struct ipf_cpu *pick(struct ipf_machine *m)
{
    uint64_t now = ipf_machine_now(m);
    if (now >= m->turn_end) {
        m->turn = (m->turn + 1) % m->cpus;
        m->turn_end = now + QUANTUM;
    }
    for (unsigned k = 0; k < m->cpus; k++) {
        unsigned index = (m->turn + k) % m->cpus;
        if (m->cpu[index]->halted && ipf_next_event(m->cpu[index]) > now)
            continue;
        if (k) {
            m->turn = index;
            m->turn_end = now + QUANTUM;
        }
        return m->cpu[index];
    }
    return NULL;
}

/* All processors wait: time jumps to the next event, or the run ends, for there will be none. */
static void skip_idle(struct ipf_machine *m)
{
    uint64_t due = ipf_platform_deadline(&m->platform), now = ipf_machine_now(m);
    for (unsigned k = 0; k < m->cpus; k++)
        due = earlier(due, ipf_next_event(m->cpu[k]));
    if (due == NEVER)
        m->platform.running->stop = IPF_HALTED;
    else
        m->platform.running->idle += due > now ? due - now : 0;
}

/* Runs to the next event, or at most `left` instructions; returns what of the budget is used up: a
 * jump over idle time counts as one, so that a guest that sleeps for ever ends, too. */
static uint64_t run_round(struct ipf_machine *m, uint64_t left)
{
    uint64_t now = ipf_machine_now(m);
    if (ipf_platform_deadline(&m->platform) <= now)
        ipf_platform_advance(&m->platform);
    struct ipf_cpu *c = pick(m);
    if (!c) {
        skip_idle(m);
        return 1;
    }
    uint64_t until = earlier(ipf_platform_deadline(&m->platform), now + POLL_TICKS);
    if (m->cpus > 1)
        until = earlier(until, m->turn_end);
    if (left < until - now)
        until = now + left;
    ipf_platform_switch(&m->platform, c);
    uint64_t before = c->retired;
    ipf_run_until(c, before + (until - now));
    return c->retired > before ? c->retired - before : 1;
}

void ipf_machine_run(struct ipf_machine *m, const struct machine_limits *l,
                     struct stop_report *report)
{
    uint64_t left = l->max_insns ? l->max_insns : UINT64_MAX, next_poll = 0;
    unsigned rounds = 0;
    *report = (struct stop_report){ .reason = STOP_BUDGET };
    while (left) {
        left -= run_round(m, left);
        if (ended(m, report))
            return;
        if (atomic_exchange(&m->stop_requested, false)) {
            end(report, STOP_REQUESTED, "a stop was requested");
            return;
        }
        if (ipf_machine_now(m) < next_poll && ++rounds < POLL_ROUNDS)
            continue;
        next_poll = ipf_machine_now(m) + POLL_TICKS;
        rounds = 0;
        if (l->poll && l->poll(l->poll_user)) {
            end(report, STOP_REQUESTED, "a stop was requested");
            return;
        }
    }
    snprintf(report->text, sizeof report->text, "the instruction budget of %llu is spent",
             (unsigned long long)l->max_insns);
}
