// SPDX-License-Identifier: Apache-2.0
// The summary of a run of an Itanium machine: what its virtual machines did.
#include <inttypes.h>

#include "cli/session.h"

/* Counters of all processors. */
static struct ipf_vti sums(const struct session *s)
{
    struct ipf_vti sum = { 0 };
    for (unsigned k = 0; k < ipf_machine_cpu_count(s->ipf); k++) {
        const struct ipf_vti *v = &ipf_machine_cpu(s->ipf, k)->vti;
        for (unsigned n = 0; n < CAUSES; n++) {
            sum.faults[n] += v->faults[n];
            sum.accelerated[n] += v->accelerated[n];
        }
        for (unsigned n = 0; n < VP_CALLS; n++)
            sum.calls[n] += v->calls[n];
        sum.interrupts += v->interrupts;
        sum.misuses += v->misuses;
    }
    return sum;
}

static const char *call_name(unsigned n) { return ipf_vp_call_name((enum ipf_vp_call)n); }
static const char *cause_name(unsigned n) { return ipf_cause_name((enum ipf_cause)n); }

/* Counters that have a name each. */
struct counters {
    const char *title, *key;
    const uint64_t *count;
    unsigned number;
    const char *(*name)(unsigned n);
};
enum { KINDS = 3 };
static void kinds(struct counters out[KINDS], const struct ipf_vti *v)
{
    const struct counters all[KINDS] = {
        { "virtualization faults", "virtualization_faults", v->faults, CAUSES, cause_name },
        { "instructions accelerated", "accelerated", v->accelerated, CAUSES, cause_name },
        { "calls of PAL for virtual processors", "pal_calls", v->calls, VP_CALLS, call_name },
    };
    for (unsigned k = 0; k < KINDS; k++)
        out[k] = all[k];
}

static uint64_t total(const struct counters *k)
{
    uint64_t sum = 0;
    for (unsigned n = 0; n < k->number; n++)
        sum += k->count[n];
    return sum;
}

static void print_kind(const struct counters *k)
{
    if (!total(k))
        return;
    printf("%16" PRIu64 "  %s\n", total(k), k->title);
    for (unsigned n = 0; n < k->number; n++)
        if (k->count[n] && k->name == cause_name)
            printf("%16" PRIu64 "    %2u %s\n", k->count[n], n, k->name(n));
        else if (k->count[n])
            printf("%16" PRIu64 "    %s\n", k->count[n], k->name(n));
}

void session_stats_vti(const struct session *s)
{
    const struct ipf_vti v = sums(s);
    struct counters all[KINDS];
    kinds(all, &v);
    for (unsigned k = 0; k < KINDS; k++)
        print_kind(&all[k]);
    if (v.interrupts)
        printf("%16" PRIu64 "  virtual external interrupts\n", v.interrupts);
    if (v.misuses)
        printf("%16" PRIu64 "  misuses of PAL's interface (-d vti names them)\n", v.misuses);
}

static void print_json_kind(const struct counters *k)
{
    const char *comma = "";
    printf(",\"%s\":{", k->key);
    for (unsigned n = 0; n < k->number; n++)
        if (k->count[n]) {
            printf("%s\"%s\":%" PRIu64, comma, k->name(n), k->count[n]);
            comma = ",";
        }
    printf("}");
}

void session_json_vti(const struct session *s)
{
    const struct ipf_vti v = sums(s);
    struct counters all[KINDS];
    kinds(all, &v);
    for (unsigned k = 0; k < KINDS; k++)
        print_json_kind(&all[k]);
    printf(",\"virtual_interrupts\":%" PRIu64 ",\"misuses\":%" PRIu64, v.interrupts, v.misuses);
}
