// SPDX-License-Identifier: Apache-2.0
// Filtered traces: blocks that do not pass run without a record.  Blocks end where an address of the
// filter begins, and the run loop stops at its times, so that all of a block passes, or nothing.
#include "cpu/trace.h"

#include "cpu/cpu.h"
#include "cpu/ops.h"

struct trace_filter trace_filter_all(void)
{
    return (struct trace_filter){ .until = UINT64_MAX, .high = UINT64_MAX, .cpus = UINT64_MAX,
                                  .levels = 15, .worlds = 7, .on = true };
}

static uint64_t linear_rip(const struct cpu *c)
{
    uint64_t rip = c->gpr[REG_BLOCK_RIP];
    return in_64bit(c) ? rip : (uint32_t)(rip + c->seg[CS].base);
}

static void pull(struct trace_filter *f, const struct trace_trigger *hit)
{
    f->on = hit == &f->start;
}

bool trace_passes(struct cpu *c, uint64_t now)
{
    struct trace_filter *f = c->log->filter;
    uint64_t at = linear_rip(c);
    unsigned world = c->vmx_nonroot ? TRACE_NONROOT : c->vmx_root ? TRACE_ROOT : TRACE_NO_VMX;
    if (f->stop.has_address && f->stop.address == at)
        pull(f, &f->stop);
    if (f->start.has_address && f->start.address == at)
        pull(f, &f->start);
    return f->on && now >= f->from && now < f->until && at >= f->low && at <= f->high &&
           f->cpus >> (c->index & 63) & 1 && f->levels >> c->cpl & 1 && f->worlds >> world & 1 &&
           (!f->has_vmcs || (c->vmx_nonroot && c->trace->vmcs == f->vmcs));
}

bool trace_cuts(const struct cpu *c, uint64_t linear)
{
    const struct trace_filter *f = c->log->filter;
    return f && (linear == f->low || linear == f->high + 1 ||
                 (f->start.has_address && linear == f->start.address) ||
                 (f->stop.has_address && linear == f->stop.address));
}

uint64_t trace_deadline(const struct cpu *c, uint64_t now, uint64_t until)
{
    const struct trace_filter *f = c->log->filter;
    if (!f)
        return until;
    if (f->from > now && f->from < until)
        until = f->from;
    return f->until > now && f->until < until ? f->until : until;
}

void trace_event_happened(struct cpu *c, enum trace_kind kind)
{
    struct trace_filter *f = c->log->filter;
    if (f->stop.kinds >> kind & 1)
        pull(f, &f->stop);
    if (f->start.kinds >> kind & 1)
        pull(f, &f->start);
}

/* XCHG BX, BX, which asks simulators for something. */
bool trace_is_magic(const struct insn *i)
{
    return i->row != ROW_NONE && insn_rows[i->row].map == 0 && i->opcode == 0x87 &&
           i->modrm == 0xdb && i->size == 2;
}

void trace_magic(struct cpu *c)
{
    struct trace_filter *f = c->log->filter;
    bool start = f && f->start.magic && (!f->on || !f->stop.magic);
    if (f && (f->start.magic || f->stop.magic))
        pull(f, start ? &f->start : &f->stop);
    if (trace_wants(c, TRACE_MARKS))
        trace_tell(c, TRACE_EVENT_MARK, &(struct trace_mark){ c->gpr[RAX] });
}
