// SPDX-License-Identifier: Apache-2.0
// -trace: its header, its beginning and its end.
#include <string.h>
#include <xxhash.h>

#include "cli/session.h"
#include "cpu/cpu.h"
#include "cpu/trace.h"
#include "ipf/trace.h"
#include "trace/registers_ipf.h"

/* All images, in the order in which they are put into memory. */
uint64_t session_hash_images(const struct session *s)
{
    XXH64_state_t *h = XXH64_createState();
    if (!h)
        return 0;
    XXH64_reset(h, 0);
    XXH64_update(h, s->kernel.data, s->kernel.size);
    XXH64_update(h, s->firmware.data, s->firmware.size);
    for (unsigned k = 0; k < s->options->loads; k++)
        XXH64_update(h, s->load[k].data, s->load[k].size);
    for (size_t k = 0; k < s->module_count; k++)
        XXH64_update(h, s->modules[k].image.data, s->modules[k].image.size);
    uint64_t hash = XXH64_digest(h);
    XXH64_freeState(h);
    return hash;
}

static bool attach(struct session *s, struct sp_error *e)
{
    bool ok = s->ipf ? ipf_trace_begin(ipf_machine_cpu(s->ipf, 0), s->trace)
                     : machine_trace(s->machine, s->trace);
    return ok || sp_fail(e, SP_EXIT_USAGE, "%s: out of memory", s->options->trace);
}

bool session_trace(struct session *s, struct sp_error *e)
{
    const struct options *o = s->options;
    if (!o->trace)
        return !o->last || session_last(s, e);
    const struct trace_header h = {
        .arch = s->ipf ? TRACE_IPF : TRACE_IA32,
        .classes = o->trace_events | (o->trace_filter ? TRACE_VMX : 0),
        .cpus = s->ipf ? ipf_machine_cpu_count(s->ipf) : machine_cpu_count(s->machine),
        .seed = o->seed,
        .image_hash = session_hash_images(s),
        .profile = o->cpu,
        .options = o->line ? o->line : "",
        .filter = o->trace_filter ? o->trace_filter : "",
        .program = "silverpool " SP_VERSION,
        .registers_n = s->ipf ? TRACE_REGISTERS_IPF : 0,
        .registers = s->ipf ? trace_ipf_registers() : NULL,
        .tlb_slots = s->ipf ? 1 : TLB_SLOTS,
        .last = UINT64_MAX,
    };
    if (o->trace_filter && !session_filter(s, &s->filter, e))
        return false;
    s->trace = trace_log_open(o->trace, &h, e);
    if (s->trace && o->trace_filter)
        s->trace->filter = &s->filter;
    return s->trace && attach(s, e);
}

/* The last event, and the engine lets go of the log. */
static void detach(struct session *s, const struct stop_report *r)
{
    uint64_t code = (uint64_t)session_stop_code(s, r);
    if (s->ipf) {
        struct ipf_cpu *c = ipf_machine_cpu(s->ipf, r->cpu);
        if (c->trace)
            ipf_trace_stop(c, code);
        ipf_trace_end(c);
        return;
    }
    struct cpu *c = s->machine ? machine_cpu(s->machine, r->cpu) : NULL;
    if (c)
        trace_stop(c, machine_now(s->machine), code);
    if (s->machine)
        machine_trace(s->machine, NULL);
}

bool session_trace_end(struct session *s, const struct stop_report *r, struct sp_error *e)
{
    if (!s->trace)
        return true;
    detach(s, r);
    struct trace_log *log = s->trace;
    s->trace = NULL;
    return trace_log_close(log, e);
}
