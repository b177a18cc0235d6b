// SPDX-License-Identifier: Apache-2.0
// The hardware task switch (SDM vol. 3, "Task Switching").
#ifndef SP_CPU_TASK_H
#define SP_CPU_TASK_H

#include "cpu/descriptor.h"

/* Sources in the numbering of the exit qualification of task switches. */
enum task_source { TASK_CALL, TASK_IRET, TASK_JMP, TASK_GATE };

enum task_result {
    TASK_REFUSED, /* a fault in the old task (or a VM exit): nothing changed                   */
    TASK_SWITCHED,
    TASK_FAULTED, /* a fault in the context of the new task; c->rip is the new one             */
};

/* Switches to the task of a TSS descriptor that the caller has found available (busy, for IRET) and
 * present.  `next_rip` is what the old task's EIP gets. */
enum task_result task_switch(struct cpu *c, const struct descriptor *tss, enum task_source source,
                             uint64_t next_rip);
/* The same for an instruction: its outcome. */
enum outcome task_switch_insn(struct cpu *c, const struct insn *i, const struct descriptor *tss,
                              enum task_source source);
/* Finds the TSS that a task gate names and switches to it.  Faults name the TSS selector. */
bool task_gate_tss(struct cpu *c, const struct descriptor *gate, struct descriptor *tss);
static inline bool is_available_tss(const struct segment *s)
{
    return seg_is_system(s) && (seg_type(s) == SYS_TSS16 || seg_type(s) == SYS_TSS32);
}
static inline bool is_busy_tss(const struct segment *s)
{
    return seg_is_system(s) && (seg_type(s) == SYS_TSS16_BUSY || seg_type(s) == SYS_TSS32_BUSY);
}

#endif
