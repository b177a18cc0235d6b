// SPDX-License-Identifier: Apache-2.0
// Live traces: hooks are called around each instruction.  All of them are watched then, none runs
// by a fast form, so that registers and memory are exact in every call.
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "cpu/insn.h"
#include "cpu/trace.h"

void trace_live_begin(struct cpu *c, const struct insn *i, const struct trace_code *code)
{
    const struct trace_code_insn *about = &code->insn[code->count - i->left];
    uint64_t rip = c->trace->rip = insn_rip(c, i);
    bool told = c->trace->begun;      /* the tracker of indirect branches has excused it since    */
    c->trace->begun = true;
    c->trace->accesses = false;       /* as in a trace, what it read for that is not told         */
    c->current = i;
    if (!c->hooks->insn || told)
        return;
    struct trace_insn n = {
        .address = in_64bit(c) ? rip : (uint32_t)(rip + c->seg[CS].base),
        .rip = rip,
        .physical = code->physical + i->off,
        .length = about->length,
        .bits = code->bits,
        .cpl = c->cpl,
        .world = c->vmx_nonroot ? TRACE_NONROOT : c->vmx_root ? TRACE_ROOT : TRACE_NO_VMX,
    };
    memcpy(n.bytes, about->bytes, about->length);
    c->hooks->insn(c->hooks->user, c, &n);
}

static void tell(struct cpu *c, bool between)
{
    struct cpu_trace *t = c->trace;
    struct trace_access a;
    if (!t->accesses)
        return;
    t->accesses = false;
    for (const uint64_t *at = t->first_access; (at = trace_log_next_access(t->log, at, &a));)
        if (c->hooks->access)
            c->hooks->access(c->hooks->user, c, t->rip, between, &a);
    t->log->at = t->first_access;
}

/* Who reads RIP and time sees them as they are behind the instruction. */
void trace_live_end(struct cpu *c, const struct insn *i, bool goes_on)
{
    c->trace->begun = false;
    c->current = goes_on ? i + 1 : NULL;
    tell(c, false);
    c->current = i;
}

void trace_live_between(struct cpu *c) { tell(c, true); }
