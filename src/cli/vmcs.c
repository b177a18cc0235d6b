// SPDX-License-Identifier: Apache-2.0
// --dump-vmcs: the current VMCS when a VM entry fails and when the run ends.  A file in JSON is one
// list, which `silverpool explain` reads; elsewhere each is a line.
#include <errno.h>
#include <string.h>

#include "cli/session.h"
#include "cpu/cpu.h"
#include "debug/explain_json.h"
#include "debug/vmcs_print.h"

bool session_open_vmcs_file(struct session *s, struct sp_error *e)
{
    const char *name = s->options->dump_vmcs_file;
    if (!name || s->result || (s->vmcs_file = fopen(name, "w")))
        return true;
    return sp_fail(e, SP_EXIT_USAGE, "%s: %s", name, strerror(errno));
}

static void dump_json(struct session *s, FILE *out, struct cpu *c, const char *about)
{
    json_t *o = vmcs_json(c, about);
    if (o && s->vmcs_file)
        fputs(s->vmcs_dumps++ ? "," : "[", out);
    if (o)
        explain_json_line(out, o);
}

void session_dump_vmcs(struct session *s, struct cpu *c, const char *about)
{
    FILE *out = s->vmcs_file ? s->vmcs_file : s->log ? s->log : stderr;
    if (!s->options->dump_vmcs || s->result)
        return;
    if (s->options->json)
        dump_json(s, out, c, about);
    else
        vmcs_print(out, c, about);
}

void session_dump_end(struct session *s, const struct stop_report *r)
{
    for (unsigned k = 0; s->machine && k < machine_cpu_count(s->machine); k++)
        session_dump_vmcs(s, machine_cpu(s->machine, k),
                          r->reason == STOP_TRIPLE_FAULT && r->cpu == k ? "triple fault"
                                                                        : "end of the run");
    if (s->vmcs_file && s->options->json)
        fputs(s->vmcs_dumps ? "]\n" : "[]\n", s->vmcs_file);
}
