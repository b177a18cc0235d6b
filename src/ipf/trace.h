// SPDX-License-Identifier: Apache-2.0
// Traces of Itanium processors (docs/trace-format.md).  A processor with a trace (ipf_cpu.trace)
// runs the full list of each block operation by operation, and all its accesses go by ipf_read() and
// ipf_write(); others do not know of it.
#ifndef SP_IPF_TRACE_H
#define SP_IPF_TRACE_H

#include "ipf/op.h"
#include "trace/log.h"

struct ipf_trace;

/* Gives the processors of c's ring a trace each, all with the same log.  False: no memory. */
bool ipf_trace_begin(struct ipf_cpu *c, struct trace_log *log);
/* The end of the run: the last event, with the exit code; then the traces go. */
void ipf_trace_stop(struct ipf_cpu *c, uint64_t reason);
void ipf_trace_end(struct ipf_cpu *c);

/* As c->block->fast->run() for a block that has been entered. */
unsigned ipf_trace_block(struct ipf_cpu *c, const struct ipf_block *b);
/* Blocks were dropped: memory may hold other code than it did. */
void ipf_trace_code_written(struct ipf_cpu *c);
/* Registers change between operations, without an interruption. */
void ipf_trace_registers(struct ipf_cpu *c);

/* An access that has been done. */
void ipf_trace_access(struct ipf_cpu *c, uint64_t address, uint64_t pa, unsigned size, bool write,
                      bool rse, const void *bytes);
/* An interruption that is about to be delivered. */
void ipf_trace_interruption(struct ipf_cpu *c, unsigned what, uint64_t isr, uint64_t value,
                            const struct ipf_resume *r);
/* Any event, if its class is wanted: fields as struct trace_... of its kind has them. */
void ipf_trace_event(struct ipf_cpu *c, enum trace_kind kind, const void *fields);
void ipf_trace_insert(struct ipf_cpu *c, enum ipf_side side, uint64_t reg,
                      const struct ipf_translation *t);
/* The bits of struct trace_tlb_purge. */
enum {
    PURGES_CODE = 1, PURGES_DATA = 2, PURGES_REGISTERS = 4, PURGES_EVERYWHERE = 8, PURGES_ALL = 16
};
void ipf_trace_purge(struct ipf_cpu *c, unsigned scope, uint64_t va, unsigned ps);
/* A Virtualization fault, or what PAL did in its place (opcode 0). */
void ipf_trace_virtualized(struct ipf_cpu *c, const struct ipf_op *op, enum ipf_cause cause,
                           uint64_t opcode);

/* ---- registers (trace_registers.c) ---- */

/* What an operation writes, as far as its encoding says: 0 is none. */
struct ipf_writes {
    uint8_t gr1, gr3, fr1, fr2;
    enum { WRITES_LITTLE, WRITES_BRANCH, WRITES_ANY } others;
};
struct ipf_writes ipf_trace_writes(const struct ipf_slot *s);

/* What the trace has told of a processor's registers. */
struct ipf_told {
    uint64_t value[512][2];
    struct trace_register changed[512];
    unsigned n;
};
/* Before an operation: the registers of the frame that it writes; after it: fills `changed`. */
void ipf_trace_look(struct ipf_told *t, struct ipf_cpu *c, const struct ipf_writes *w);
void ipf_trace_compare(struct ipf_told *t, struct ipf_cpu *c, const struct ipf_writes *w);
/* All registers, changed or not. */
void ipf_trace_whole(struct ipf_told *t, struct ipf_cpu *c);

#endif
