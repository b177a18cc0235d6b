// SPDX-License-Identifier: Apache-2.0
// Tracing of one processor's instructions.  A traced processor's mode has MODE_TRACE: its blocks begin
// with run_trace_block, loads of fast forms are put down where they are made, and everything else runs
// between two looks at the state.  Accessors find an empty TLB then, so that each access goes the slow
// way, which knows of traces; the real one serves it there, and the guest sees no difference.
#ifndef SP_CPU_TRACE_H
#define SP_CPU_TRACE_H

#include "cpu/access.h"
#include "cpu/code.h"
#include "cpu/invalidation.h"
#include "trace/log.h"

enum { TRACE_RUNNERS = 32 };

struct cpu_trace {
    struct trace_log *log;
    uint64_t reg[TRACE_REGISTERS_IA32][2];  /* as told last: all but general, XMM and flags           */
    uint64_t gpr[16], res, aux, rflags;  /* before what is being watched                          */
    union xmm xmm[16];
    uint64_t page[2 * VIEW_COUNT][TLB_SLOTS];    /* physical addresses of what the TLB holds      */
    run_fn *runner[TRACE_RUNNERS];       /* what run_traced stands for, by struct insn.inner      */
    unsigned runners;
    unsigned insn;                       /* that is watched, or LOG_OUTSIDE                       */
    unsigned view;
    uint32_t turns;                      /* of the log when all was told last                        */
    bool ends_rf;                        /* RFLAGS.RF goes with the watched instruction, if it is done */
    bool resumed;                        /* the watched instruction went on to the next one       */
    bool muted;                          /* the running block does not pass the filter            */
    uint64_t vmcs;                       /* of the last VM entry                                  */
    uint64_t unseen[2 * VIEW_COUNT][(TLB_SLOTS + 63) / 64];  /* pages that were not told then      */
    uint64_t scratch[2 + 2 * 64];        /* a record that nobody gets                             */
    bool told;                           /* the last exit belongs to an instruction               */
    bool accesses;                       /* that no record has taken yet                          */
    uint64_t *first_access;              /* of these, in a live log                               */
    uint64_t rip;                        /* before the instruction or delivery, if it is live     */
    bool begun;                          /* the instruction has been told, and is not over        */
};

/* Begins and ends the tracing of c's events; of its instructions, too, if the log's classes say so.
 * With a live log its hooks are called instead: see hooks.h.
 * Between runs only, and the code cache has to be restarted then. */
bool cpu_trace_begin(struct cpu *c, struct trace_log *log);
void cpu_trace_end(struct cpu *c);

/* The runners of traced blocks. */
run_fn run_trace_block, run_traced, run_traced_general;
run_fn *fast_form_traced(const struct mode *m, const struct insn *i, unsigned page_offset);
void fast_finish_traced(struct insn *block, unsigned n);

/* The rule of an instruction that has a fast form; false: it has none, and is to be watched. */
bool trace_rule_of(const struct insn *i, struct trace_rule *r);
/* Binds instruction i, whose runner was chosen, for a traced block; `fast`: it is a fast form. */
void trace_bind(struct cpu *c, struct insn *i, bool fast);
/* Describes a block whose instructions are complete, insn[0] being run_trace_block. */
void trace_describe(struct cpu *c, struct block *b, const struct mode *m);
/* All blocks were dropped, and none is running. */
void trace_forget(struct cpu *c);

/* Live logs (trace_live.c): instruction i, of the block that `code` describes, is about to begin;
 * it is over, and the block goes on or not; what went on between two instructions is over. */
void trace_live_begin(struct cpu *c, const struct insn *i, const struct trace_code *code);
void trace_live_end(struct cpu *c, const struct insn *i, bool goes_on);
void trace_live_between(struct cpu *c);

/* What the slow paths of accessors tell: one access in one page. */
void trace_access(struct cpu *c, uint64_t linear, uint64_t physical, unsigned n, bool write,
                  bool system, const void *bytes);
/* The TLB entry of a traced processor that holds [linear, linear + n), or NULL; tells the access, but for
 * writes, whose bytes come later. */
uint8_t *trace_lookup(struct cpu *c, enum access_kind kind, uint64_t linear, unsigned n,
                      uint64_t *physical);
void trace_fill(struct cpu *c, enum access_kind kind, uint64_t linear, uint64_t physical);
void trace_view(struct cpu *c);

/* Filters (trace_filter.c): whether the block that begins passes; whether a block has to end before
 * `linear`; the first time from now until `until` at which the run loop has to look again; and what
 * begins and ends the tracing. */
bool trace_passes(struct cpu *c, uint64_t now);
bool trace_cuts(const struct cpu *c, uint64_t linear);
uint64_t trace_deadline(const struct cpu *c, uint64_t now, uint64_t until);
void trace_event_happened(struct cpu *c, enum trace_kind kind);
bool trace_is_magic(const struct insn *i);
void trace_magic(struct cpu *c);

/* Around deliveries and VM exits between instructions. */
void trace_before(struct cpu *c);
void trace_after(struct cpu *c, bool exited);
/* All of the state, at the start of a run and of a buffer. */
void trace_sync(struct cpu *c);

/* An event; `fields` is its struct (trace/event.h).  To be called if its class is wanted. */
void trace_tell(struct cpu *c, enum trace_kind kind, const void *fields);
/* What is delivered to software, as an interrupt or an exception, if somebody wants it. */
void trace_exception(struct cpu *c, const struct event *e);
void trace_msr(struct cpu *c, uint32_t index, bool write, uint64_t value);
void trace_io(struct cpu *c, uint16_t port, unsigned size, bool write, uint32_t value);
void trace_invalidation(struct cpu *c, const struct invalidation *v);
/* The end of a run, which processor c had the last word in, at tick `now`. */
void trace_stop(struct cpu *c, uint64_t now, uint64_t reason);
static inline bool trace_wants(const struct cpu *c, uint32_t class_bit)
{
    return c->log && c->log->classes & class_bit;
}

#endif
