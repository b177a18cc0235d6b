// SPDX-License-Identifier: Apache-2.0
// The summary of a run.  Everything but the last line of the table depends on the guest alone, and
// that line is printed on a terminal only: the same run prints the same bytes.
#include <inttypes.h>
#include <unistd.h>

#include "cli/session.h"
#include "vmx/vmx.h"

struct session_totals session_totals(const struct session *s)
{
    struct session_totals t = { .insns = session_insns(s) };
    for (unsigned k = 0; s->ipf && k < ipf_machine_cpu_count(s->ipf); k++)
        t.exceptions += ipf_machine_cpu(s->ipf, k)->interruptions;
    for (unsigned k = 0; s->machine && k < machine_cpu_count(s->machine); k++) {
        const struct cpu *c = machine_cpu(s->machine, k);
        const struct vmx_stats *v = vmx_stats(c);
        t.exceptions += c->exceptions;
        t.vmx.entries += v ? v->entries : 0;
        t.vmx.failures += v ? v->failures : 0;
        for (unsigned reason = 0; v && reason < EXIT_REASONS; reason++) {
            t.vmx.exits[reason] += v->exits[reason];
            t.exits += v->exits[reason];
        }
    }
    return t;
}

static uint64_t state_hash(const struct session *s)
{
    return s->ipf ? ipf_machine_state_hash(s->ipf) : machine_state_hash(s->machine);
}

static void print_table(const struct session *s, const struct session_totals *t)
{
    printf("%16" PRIu64 "  instructions\n%16" PRIu64 "  exceptions and interrupts\n", t->insns,
           t->exceptions);
    if (t->vmx.entries || t->vmx.failures)
        printf("%16" PRIu64 "  VM entries\n%16" PRIu64 "  VM-entry failures\n%16" PRIu64
               "  VM exits\n",
               t->vmx.entries, t->vmx.failures, t->exits);
    for (unsigned k = 0; k < EXIT_REASONS; k++)
        if (t->vmx.exits[k])
            printf("%16" PRIu64 "    %2u %s\n", t->vmx.exits[k], k, vmx_exit_name(k));
    if (s->ipf)
        session_stats_vti(s);
    printf("%016" PRIx64 "  state hash\n", state_hash(s));
    if (isatty(STDOUT_FILENO))
        printf("%16.1f  million instructions a second\n",
               (double)t->insns / session_seconds(s) / 1e6);
}

/* One line, the last of the output. */
static void print_json(const struct session *s, const struct session_totals *t)
{
    const char *comma = "";
    printf("{\"instructions\":%" PRIu64 ",\"exceptions\":%" PRIu64 ",\"vm_entries\":%" PRIu64
           ",\"vm_entry_failures\":%" PRIu64 ",\"vm_exits\":%" PRIu64 ",\"exits_by_reason\":{",
           t->insns, t->exceptions, t->vmx.entries, t->vmx.failures, t->exits);
    for (unsigned k = 0; k < EXIT_REASONS; k++)
        if (t->vmx.exits[k]) {
            printf("%s\"%s\":%" PRIu64, comma, vmx_exit_name(k), t->vmx.exits[k]);
            comma = ",";
        }
    printf("}");
    if (s->ipf)
        session_json_vti(s);
    printf(",\"state_hash\":\"%016" PRIx64 "\"}\n", state_hash(s));
}

void session_stats(const struct session *s)
{
    struct session_totals t = session_totals(s);
    if (s->options->stats == STATS_TABLE)
        print_table(s, &t);
    else if (s->options->stats == STATS_JSON)
        print_json(s, &t);
    fflush(stdout);
}
