// SPDX-License-Identifier: Apache-2.0
// The state before a case: random, but such that the instructions mostly reach the data area, find
// meaningful operands, and branch to where the case goes on.
#ifndef SP_TESTS_DIFF_AIM_H
#define SP_TESTS_DIFF_AIM_H

#include "case.h"

/* A branch whose target is still open: what will hold it. */
struct link {
    enum { LINK_NONE, LINK_RELATIVE, LINK_REGISTER, LINK_POKE } kind;
    uint8_t at, size; /* offset in the code, register, or index of the poke; bytes */
};

struct aim {
    struct test_case *t;
    uint64_t *random;
    uint32_t claimed; /* registers (bit n) and segment registers (bit 16 + n) that instructions of
                         the case already rely on */
    uint32_t targets; /* registers that hold a branch's target */
    uint64_t stack;   /* linear */
};

/* Random registers, segments, x87 and SSE state; t->bits is given. */
void aim_begin(struct aim *a, struct test_case *t, uint64_t *random);
/* The base of the segment as the case begins. */
uint64_t aim_base(const struct test_case *t, enum seg s);
/* Makes a segment begin near the data area if 16-bit addresses could not reach it otherwise. */
void aim_segment(struct aim *a, const struct insn *i);
/* Registers and memory that the case's next instruction reads. */
void aim_insn(struct aim *a, const struct insn *i);
/* For a branch whose bytes end at t->length; `tail` is the size of its relative displacement or 0.
 * It first goes to the next instruction or, rarely, astray. */
void aim_branch(struct aim *a, const struct insn *i, unsigned tail, struct link *link);
/* Would this branch jump to itself for ever? */
bool aim_loops(const struct aim *a, const struct insn *i);
/* Sets the target: an offset in the case's code. */
void aim_link(struct test_case *t, const struct link *link, unsigned target);
/* INS to OUTS of map 0. */
bool is_string(const struct insn_row *row);

#endif
