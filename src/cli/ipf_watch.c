// SPDX-License-Identifier: Apache-2.0
// What the command line observes of an Itanium machine: -d int, -d walk and -d vti, and the
// interruptions that explain a bad end.
#include "cli/session.h"
#include "debug/ipf_explain.h"
#include "debug/ipf_walk.h"
#include "ipf/cpu.h"

static void log_interruption(struct session *s, struct ipf_cpu *c, const struct ipf_event *e)
{
    struct ipf_note n = ipf_note(c, e);
    bool walk = s->options->log & LOG_WALK && ipf_walk_explains(e);
    if (!walk && !(s->options->log & LOG_INT))
        return;
    fprintf(s->log, "%llu cpu%u int ", (unsigned long long)session_insns(s), c->index);
    ipf_note_print(s->log, &n, s->symbols);
    fputs("\n", s->log);
    if (ipf_rule_needs_registers(e))
        ipf_note_rule(s->log, c, &n);
    if (walk)
        ipf_walk_print(s->log, c, c->psr, e);
}

static void on_interruption(void *user, struct ipf_cpu *c, const struct ipf_event *e)
{
    struct session *s = user;
    ipf_explain_note(&s->ipf_faults[c->index], c, e);
    if (s->log && s->options->log & (LOG_INT | LOG_WALK))
        log_interruption(s, c, e);
}

static void log_vti(void *user, struct ipf_cpu *c, const char *text)
{
    struct session *s = user;
    fprintf(s->log, "%llu cpu%u vti %s\n", (unsigned long long)session_insns(s), c->index, text);
}

void session_watch_ipf(struct session *s)
{
    for (unsigned k = 0; k < ipf_machine_cpu_count(s->ipf); k++) {
        struct ipf_cpu *c = ipf_machine_cpu(s->ipf, k);
        c->interrupting = on_interruption;
        c->interrupting_user = s;
        c->vti.note = s->log && s->options->log & LOG_VTI ? log_vti : NULL;
        c->vti.note_user = s;
    }
    if (s->log && *s->options->notes && s->options->log & LOG_UNMODELLED)
        fprintf(s->log, "options that change nothing here: %s\n", s->options->notes);
}

static void explain(const struct session *s, unsigned cpu, const char *event)
{
    const struct ipf_cpu *c = ipf_machine_cpu(s->ipf, cpu);
    if (s->options->json)
        ipf_explain_end_json(stderr, event, &s->ipf_faults[cpu], c, s->symbols);
    else
        ipf_explain_end(stderr, &s->ipf_faults[cpu], c, s->symbols);
}

void session_explain_ipf(const struct session *s, const struct stop_report *r)
{
    const char *nested = "nested_interruptions";
    if (r->reason != STOP_BUDGET && r->reason != STOP_REQUESTED) {
        explain(s, r->cpu,
                r->reason == STOP_TRIPLE_FAULT ? nested
                : r->reason == STOP_HALTED     ? "halted"
                                               : "not_modelled");
        return;
    }
    for (unsigned k = 0; k < ipf_machine_cpu_count(s->ipf); k++)
        if (ipf_machine_cpu(s->ipf, k)->chain == IPF_CHAIN_MAX)
            explain(s, k, nested);
}
