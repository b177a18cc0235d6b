// SPDX-License-Identifier: Apache-2.0
// What became of one instruction.
#ifndef SP_CPU_OUTCOME_H
#define SP_CPU_OUTCOME_H

enum outcome {
    RETIRED,   /* done; go on with the next instruction                                          */
    JUMPED,    /* done; c->rip holds the next instruction                                        */
    /* What follows takes its time, but does not retire. */
    FAULTED,   /* nothing was written; c->event says which exception                             */
    EXITED,    /* a VM exit (or failed VM entry) replaced the state; c->rip is the new one       */
    AGAIN,   /* a part of a REP was done; the same instruction goes on (counts as an instruction) */
};

#endif
