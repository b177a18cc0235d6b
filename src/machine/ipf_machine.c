// SPDX-License-Identifier: Apache-2.0
#include "machine/ipf_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/hash.h"
#include "machine/ipf_ssc.h"
#include "machine/ipf_tables.h"

enum { POLL_TICKS = 1000000 };

struct ipf_machine {
    struct mem *mem;
    struct ipf_cpu *cpu;
    struct ipf_ssc ssc;
    struct ipf_platform platform;
    struct ipf_firmware firmware;
};

struct ipf_machine *ipf_machine_create(const struct ipf_config *config, struct sp_error *e)
{
    struct ipf_machine *m = calloc(1, sizeof *m);
    if (!m) {
        sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
        return NULL;
    }
    m->mem = mem_create(config->ram_size, e);
    m->cpu = m->mem ? ipf_create(m->mem) : NULL;
    bool ok =
        m->cpu && ipf_platform_init(&m->platform, m->cpu, m->mem, config->serial) &&
        ssc_open(&m->ssc, m->mem, config->serial, config->command_line, config->ssc_folder, e);
    if (!ok) {
        if (m->mem && !m->cpu)
            sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
        ipf_destroy(m->cpu);
        mem_destroy(m->mem);
        free(m);
        return NULL;
    }
    if (config->ssc) {
        m->cpu->ssc = ssc_call;
        m->cpu->ssc_user = &m->ssc;
    }
    return m;
}

void ipf_machine_destroy(struct ipf_machine *m)
{
    if (!m)
        return;
    ssc_close(&m->ssc);
    ipf_destroy(m->cpu);
    mem_destroy(m->mem);
    free(m);
}

struct mem *ipf_machine_mem(struct ipf_machine *m) { return m->mem; }
struct ipf_cpu *ipf_machine_cpu(struct ipf_machine *m) { return m->cpu; }
uint64_t ipf_machine_insns(const struct ipf_machine *m) { return m->cpu->retired; }
uint64_t ipf_machine_now(const struct ipf_machine *m) { return ipf_platform_now(&m->platform); }

bool ipf_machine_boot(struct ipf_machine *m, const struct ipf_boot *b)
{
    ipf_firmware_init(&m->firmware, &m->platform, m->mem, b->base);
    return ipf_tables_write(&m->firmware, b);
}

uint64_t ipf_machine_state_hash(const struct ipf_machine *m)
{
    return hash_ipf(ipf_machine_now(m), &m->cpu, 1, m->mem);
}

/* ---- running ---- */

static void end(struct stop_report *r, enum machine_stop reason, const char *text)
{
    r->reason = reason;
    snprintf(r->text, sizeof r->text, "%s", text);
}

/* What the processor or a device ended the run with. */
static bool ended(const struct ipf_machine *m, struct stop_report *r)
{
    const struct ipf_cpu *c = m->cpu;
    if (m->platform.stopped)
        end(r, m->platform.reason == PLATFORM_RESET ? STOP_RESET : STOP_POWER_OFF,
            m->platform.text);
    else if (c->stop == IPF_EXIT)
        end(r, STOP_DEBUG_EXIT, "the program ended");
    else if (c->stop != IPF_RUNS)
        end(r, STOP_NOT_MODELLED, c->stop_text);
    r->value = (uint64_t)c->exit_status;
    return m->platform.stopped || c->stop != IPF_RUNS;
}

/* The processor waits: time jumps to the next event.  False: there will be none. */
static bool skip_idle(struct ipf_machine *m)
{
    uint64_t now = ipf_platform_now(&m->platform);
    uint64_t due = earlier(ipf_platform_deadline(&m->platform), ipf_next_event(m->cpu));
    if (due == NEVER)
        return false;
    m->cpu->idle += due > now ? due - now : 0;
    return true;
}

/* Runs to the next event or to `until` (retired instructions); returns what of the budget is used
 * up: a jump over idle time counts as one, so that a guest that sleeps for ever ends, too. */
static uint64_t run_round(struct ipf_machine *m, uint64_t until, struct stop_report *r)
{
    struct ipf_cpu *c = m->cpu;
    uint64_t before = c->retired, deadline = ipf_platform_deadline(&m->platform);
    if (deadline != NEVER && deadline - c->idle < until)
        until = deadline - c->idle;
    ipf_run_until(c, until);
    if (!ended(m, r) && c->halted && c->retired == before && !skip_idle(m)) {
        end(r, STOP_HALTED, "the processor waits and nothing can wake it");
        c->stop = IPF_HALTED;
    }
    ipf_platform_advance(&m->platform);
    return c->retired > before ? c->retired - before : 1;
}

void ipf_machine_run(struct ipf_machine *m, const struct machine_limits *l,
                     struct stop_report *report)
{
    enum { POLL_ROUNDS = 256 };
    uint64_t left = l->max_insns ? l->max_insns : UINT64_MAX, next_poll = 0;
    unsigned rounds = 0;
    *report = (struct stop_report){ .reason = STOP_BUDGET };
    while (left) {
        uint64_t retired = m->cpu->retired;
        left -= run_round(m, retired + (left < POLL_TICKS ? left : POLL_TICKS), report);
        if (m->platform.stopped || m->cpu->stop != IPF_RUNS)
            return;
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
