// SPDX-License-Identifier: Apache-2.0
// Why a run went wrong, in English: VM entries that failed, and triple faults.
#ifndef SP_DEBUG_EXPLAIN_H
#define SP_DEBUG_EXPLAIN_H

#include <stdio.h>

#include "cpu/state.h"
#include "debug/disasm.h"
#include "debug/symbols.h"

struct entry_failure;
struct stale_use;

/* "#GP" and the like, by the vector of an exception. */
const char *explain_vector(unsigned vector);
/* "#GP(0x10)" and the like. */
const char *explain_exception(const struct event *e, char *out, size_t size);

/* RIP of the instruction that processor c is at, inside or outside a block. */
uint64_t explain_rip(const struct cpu *c);

/* The last events that a processor delivered: a triple fault is explained by the last three. */
enum { EXPLAIN_EVENTS = 4 };
struct explain_event {
    struct event event;
    uint64_t rip, rsp;
    bool guest;                       /* VMX non-root operation */
    struct code_bytes code;           /* the instruction        */
};
struct explain_log {
    struct explain_event last[EXPLAIN_EVENTS];
    uint64_t count;
};

/* Notes an exception; to be called by the exception hook, before it is delivered. */
void explain_note(struct explain_log *log, struct cpu *c, const struct event *e);

void explain_triple_fault(FILE *out, const struct explain_log *log, struct cpu *c,
                          const struct symbols *symbols);
/* Check, section, field, actual and required value, and where the VMLAUNCH or VMRESUME stands. */
void explain_entry_failure(FILE *out, struct cpu *c, const struct entry_failure *failure,
                           const struct symbols *symbols);

/* Which translation, what changed beneath it, and the invalidation that is owed. */
void explain_stale_use(FILE *out, struct cpu *c, const struct stale_use *use,
                       const struct symbols *symbols);

#endif
