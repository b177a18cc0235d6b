// SPDX-License-Identifier: Apache-2.0
// --last: the instructions before the end of the run, kept in a ring by the hook of a live trace.
#include <stdlib.h>

#include "cli/session.h"
#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "debug/trace_text.h"
#include "trace/log.h"

struct last {
    uint64_t count;                   /* of all instructions                                      */
    struct trace_event ring[];        /* the last ones                                            */
};

static void note(void *user, struct cpu *c, const struct trace_insn *n)
{
    struct session *s = user;
    struct trace_event *to = &s->last->ring[s->last->count++ % s->options->last];
    to->cpu = c->index;
    to->time = cpu_tick(c);
    to->index = to->time + c->cycle_offset;
    to->insn = *n;
    to->insn.status = TRACE_SYNC;     /* nobody knows yet how it ends */
}

bool session_last(struct session *s, struct sp_error *e)
{
    s->last = calloc(1, sizeof *s->last + s->options->last * sizeof *s->last->ring);
    s->trace = s->last ? trace_log_live() : NULL;
    machine_hooks(s->machine)->insn = note;
    return (s->trace && machine_trace(s->machine, s->trace)) ||
           sp_fail(e, SP_EXIT_USAGE, "--last %u: the host has no memory left", s->options->last);
}

void session_print_last(const struct session *s, FILE *out)
{
    const struct last *l = s->last;
    unsigned size = s->options->last;
    struct trace_text text = { .disasm = disasm_cache_create(), .symbols = { s->symbols },
                               .symbols_n = 1 };
    struct bytes b = { 0 };
    uint64_t first = l->count > size ? l->count - size : 0;
    if (!text.disasm)
        return;
    if (!s->options->json)
        fprintf(out, "  the last %llu instructions, oldest first:\n",
                (unsigned long long)(l->count - first));
    for (uint64_t k = first; k < l->count; k++) {
        text_put(&b, s->options->json ? "" : "  ");
        (s->options->json ? trace_json_event : trace_text_event)(&text, &l->ring[k % size], &b);
    }
    bytes_flush(&b, out);
    bytes_free(&b);
    disasm_cache_free(text.disasm);
}
