// SPDX-License-Identifier: Apache-2.0
// Saving processors: their rows (saved.def), and the caches that stand beside them.
#ifndef SP_CPU_SAVED_H
#define SP_CPU_SAVED_H

#include "base/saved.h"
#include "cpu/state.h"

const struct saved_table *saved_segment(void);
const struct saved_table *saved_dtable(void);
const struct saved_table *saved_event(void);
const struct saved_table *saved_f80(void);
const struct saved_table *saved_fpu(void);
const struct saved_table *saved_msr_state(void);
const struct saved_table *saved_pmu(void);
const struct saved_table *saved_smm_io(void);
const struct saved_table *saved_smm_saved(void);
const struct saved_table *saved_cpu(void);

/* Puts all that does not depend on the guest alone in one form: the caches of the processors that
 * share `k` are as those of new ones in the same state, so that what they will hold is the same
 * from here on whatever they held.  Between runs only. */
void code_cache_restart(struct code_cache *k);

#endif
