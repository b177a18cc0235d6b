// SPDX-License-Identifier: Apache-2.0
// The VM-entry checks of a dumped VMCS: which hold, which are broken, and which cannot be decided
// because the dump lacks something.  The checks are the rows that VMLAUNCH goes through.
#ifndef SP_DEBUG_VERDICT_H
#define SP_DEBUG_VERDICT_H

#include "debug/dump.h"
#include "vmx/entry.h"

struct cpu;

enum verdict { VERDICT_HOLDS, VERDICT_BROKEN, VERDICT_UNDECIDED };

struct check_verdict {
    enum verdict verdict;
    enum entry_failure_kind kind;
    struct broken_check broken;        /* section and check; the values if it is broken    */
    /* What decides an undecided check. */
    bool missing[VMCS_FIELD_COUNT];
    bool missing_outside[OUTSIDE_COUNT];
};

struct verdicts {
    struct check_verdict *check;       /* in the manual's order                            */
    unsigned count, broken, undecided;
    unsigned first;                    /* the first broken one, if there is any            */
    unsigned doubts;                   /* undecided checks before it                       */
};

/* Goes through all checks as processor c would, with the dump's capability MSRs over the model's.
 * False: no memory. */
bool verdicts_reach(struct verdicts *out, const struct cpu *c, const struct vmcs_dump *dump);
void verdicts_free(struct verdicts *v);

/* The failure that a table of checks leads to: VM-instruction error 7 or 8, or exit reason 33. */
uint32_t verdict_error(const struct check_verdict *v);

#endif
