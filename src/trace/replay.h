// SPDX-License-Identifier: Apache-2.0
// What an instruction with a rule did, from the registers before it and the value it loaded
// (docs/trace-format.md, "Rules").
#ifndef SP_TRACE_REPLAY_H
#define SP_TRACE_REPLAY_H

#include "trace/log.h"

enum { TLB_ARRAYS = 6 };

/* A processor as far as the trace has told. */
struct replay_cpu {
    uint64_t index;                              /* instructions begun                            */
    uint64_t reg[TRACE_REGISTERS_MAX][2];
    bool known[TRACE_REGISTERS_MAX];
    unsigned view;
    uint64_t *page[TLB_ARRAYS];                  /* physical pages by slot                        */
};

struct replay_effect {
    unsigned registers_n, accesses_n;
    struct trace_register registers[4];
    struct trace_access accesses[3];
    uint8_t bytes[3][16];
};

/* Does instruction i of a block at `rip` to c, and tells in *out what it was.  `load` is what it
 * loads; `next` the RIP after it; pages are looked up by tlb_slots. */
void replay_insn(struct replay_cpu *c, const struct trace_code *code,
                 const struct trace_code_insn *i, uint64_t rip, uint64_t next, unsigned tlb_slots,
                 const uint64_t load[2], struct replay_effect *out);

#endif
