// SPDX-License-Identifier: Apache-2.0
// Delivery of events through the IVT and the IDT; cpu_deliver() and cpu_boundary() are in cpu.h.
#ifndef SP_CPU_INTERRUPT_H
#define SP_CPU_INTERRUPT_H

#include "cpu/stack.h"

/* One attempt to deliver: true if the handler is entered, false if c->event holds a fault or a VM
 * exit happened.  c->rip is the RIP of the instruction; software events return behind it. */
bool deliver_real(struct cpu *c, const struct event *e);         /* real-address mode             */
bool deliver_idt(struct cpu *c, const struct event *e);          /* protected and IA-32e mode     */

/* Whether the redirection bitmap of a virtual-8086 task sends INT n to the task's own handler (SDM
 * vol. 3, "Handling Software Interrupts in Virtual-8086 Mode"); false with a fault or a VM exit. */
bool v86_redirects(struct cpu *c, uint8_t vector, bool *yes);
/* Delivery of such an event through the task's IVT. */
bool deliver_v86(struct cpu *c, const struct event *e);

static inline bool is_software(const struct event *e)
{
    return e->type >= EVENT_SOFTWARE_INT && e->type <= EVENT_SOFTWARE_EXC;
}
/* The delivery that goes on has led to e, of which there may be no end.  e is delivered at the next
 * tick, without an instruction in between. */
void cpu_stall(struct cpu *c, const struct event *e);

/* Where the handler returns to. */
static inline uint64_t return_rip(const struct cpu *c, const struct event *e)
{
    uint64_t rip = c->rip + (is_software(e) ? e->length : 0);
    return in_64bit(c) ? rip : (uint32_t)rip;
}
/* The pushed RFLAGS: RF = 1 for faults, so that an instruction breakpoint does not hit again on
 * return (SDM vol. 3, "Instruction-Breakpoint Exception Condition"). */
uint64_t pushed_flags(const struct cpu *c, const struct event *e);

#endif
