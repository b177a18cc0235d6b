// SPDX-License-Identifier: Apache-2.0
// Bus locks (SDM vol. 3, "Bus Locking", "OS Bus-Lock Detection"): locked accesses that cross a line
// of 64 bytes.  Memory types are not computed, so that locked accesses to uncacheable memory that
// stay within a line are none here; nor are the processor's own accesses to descriptors.
#ifndef SP_CPU_BUS_LOCK_H
#define SP_CPU_BUS_LOCK_H

#include "cpu/access.h"

/* Whether what runs now, a hypervisor beneath it aside, wants to know of bus locks. */
bool bus_locks_matter(const struct cpu *c);
/* An instruction with LOCK, or XCHG with memory, which always locks. */
bool is_locked(const struct insn *i);
/* Whether the memory operand of a locked instruction crosses a line. */
bool lock_splits(const struct cpu *c, const struct insn *i);
/* Before such an instruction: FAULTED with #AC(0) if MSR_TEST_CTRL refuses split locks, or with
 * what comes before that; else RETIRED. */
enum outcome split_lock_begins(struct cpu *c, const struct insn *i);
/* After it: traps and VM exits become pending. */
void bus_lock_asserted(struct cpu *c);

/* Offset of the operand that BTS, BTR and BTC access in memory. */
uint64_t bit_word_offset(const struct cpu *c, const struct insn *i);

#endif
