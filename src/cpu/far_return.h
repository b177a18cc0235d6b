// SPDX-License-Identifier: Apache-2.0
// Returns to another code segment: what RET far and IRET share.
#ifndef SP_CPU_FAR_RETURN_H
#define SP_CPU_FAR_RETURN_H

#include "cpu/stack.h"

struct shadow_move;

/* Where a return goes; checked and complete before anything is committed. */
struct far_return {
    uint64_t rip;
    uint16_t cs_selector;
    struct segment cs;
    bool outer;              /* to a less privileged level                                        */
    bool new_stack;          /* SS:rSP come from the stack, too                                   */
    struct segment ss;
    uint64_t rsp;
};

/* Checks the code segment of a return in protected or IA-32e mode, and RIP. */
bool far_return_code(struct cpu *c, struct far_return *r);
/* Checks the stack segment that a return to an outer level (or IRET in 64-bit mode) loads. */
bool far_return_stack(struct cpu *c, struct far_return *r, uint16_t selector);
/* The shadow-stack side of the return (cet.h), after the other checks. */
bool far_return_shadow(struct cpu *c, const struct far_return *r, bool iret, struct shadow_move *m);
/* Loads CS, RIP, CPL and SS:rSP; drops data segments that the outer level may not use.  Without a
 * new stack rSP moves up by `bytes`. */
void far_return_commit(struct cpu *c, const struct far_return *r, uint64_t bytes);

#endif
