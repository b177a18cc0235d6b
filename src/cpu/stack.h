// SPDX-License-Identifier: Apache-2.0
// Frames on a stack that may not be the current one: interrupt and call-gate frames go on the stack
// of an inner level before that level is entered, so that a fault finds the old state untouched.
#ifndef SP_CPU_STACK_H
#define SP_CPU_STACK_H

#include "cpu/descriptor.h"

enum { FRAME_ENTRIES = 40 };

/* Values in the order of their pushes, each `size` bytes. */
struct frame {
    unsigned size, count;
    uint64_t value[FRAME_ENTRIES];
};

struct stack {
    struct segment ss;
    uint64_t sp;
    unsigned asize;        /* bytes of the stack pointer that count: 2, 4 or 8                    */
    unsigned cpl;          /* the privilege that its pushes have                                  */
    bool current;          /* this is the stack that SS:rSP names now                             */
    uint16_t error;        /* error code of #SS                                                   */
};

static inline void frame_add(struct frame *f, uint64_t v)
{
    if (f->count < FRAME_ENTRIES)
        f->value[f->count++] = v;
}

/* The stack that SS:rSP names. */
struct stack stack_current(const struct cpu *c);
/* The stack ss:sp for privilege level cpl; in IA-32e mode always 64 bits wide. */
struct stack stack_inner(const struct cpu *c, const struct segment *ss, uint64_t sp, unsigned cpl);
/* Pushes the frame and moves s->sp; on a fault memory is untouched. */
bool stack_push_frame(struct cpu *c, struct stack *s, const struct frame *f);
/* SS and rSP become those of the stack. */
void stack_commit(struct cpu *c, const struct stack *s);
/* Reads at rSP + displacement of the current stack. */
bool stack_peek(struct cpu *c, uint64_t displacement, unsigned size, uint64_t *value);

/* SS and rSP of an inner level from the current TSS (SDM vol. 3, "Stack Switching"). */
bool tss_stack(struct cpu *c, unsigned dpl, uint16_t *ss, uint64_t *sp);
/* Slot 0..2: RSP0..2; 3 + n: IST n (n >= 1) of the 64-bit TSS. */
bool tss_stack64(struct cpu *c, unsigned slot, uint64_t *sp);

#endif
