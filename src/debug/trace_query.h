// SPDX-License-Identifier: Apache-2.0
// Which events of a trace somebody looks for.
#ifndef SP_DEBUG_TRACE_QUERY_H
#define SP_DEBUG_TRACE_QUERY_H

#include "debug/trace_text.h"

struct trace_range {
    uint64_t first, last;
    bool given;
}; /* both ends belong to it */

/* All zeros but cpu, which is -1, finds everything.  Several conditions must all hold. */
struct trace_query {
    int cpu;                    /* of this processor; -1: of any */
    struct trace_range address; /* an instruction there, or an event that names it */
    struct trace_range memory;  /* an instruction that accesses any byte of it */
    bool writes;                /* with memory: writes only */
    const char *symbol;         /* inside of this function */
    uint32_t kinds;             /* events of these kinds: bits 1 << enum trace_kind */
    struct trace_range exit;    /* VM exits with these basic reasons */
    char reg[24];               /* instructions that change this register; "": not given */
    bool reg_value;             /* ... and this value */
    uint64_t value;
    unsigned worlds; /* instructions in these operations, bits 1 << enum trace_world; 0: in any;
                        other events are not asked */
};

/* "A", "A-B" or "A+SIZE"; numbers as C writes them. */
bool trace_range_parse(const char *text, struct trace_range *range);
/* A list of names of events ("insn,vm_exit") and classes ("vmx"), to bits. */
bool trace_kinds_parse(const char *text, uint32_t *kinds);
/* An exit reason by name ("EPT violation", "ept_violation") or number. */
bool trace_exit_parse(const char *text, struct trace_range *range);
/* "none", "root" or "non-root", to a bit; 0: none of them. */
unsigned trace_world_parse(const char *text);

bool trace_query_matches(const struct trace_query *q, const struct trace_text *t,
                         const struct trace_event *event);

#endif
