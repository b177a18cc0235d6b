// SPDX-License-Identifier: Apache-2.0
// Runs cases on the host's processor, in a child process that can do no harm: it has the code and
// data areas at their fixed addresses and recovers from every fault (native_child.c).
#ifndef SP_TESTS_DIFF_NATIVE_H
#define SP_TESTS_DIFF_NATIVE_H

#include <sys/types.h>

#include "case.h"

enum { BATCH = 500, NATIVE_FD = 3 };

/* Shared between parent and child: one batch runs while the other is compared. */
struct batch {
    unsigned count;
    volatile unsigned done;              /* cases finished: tells which one killed the child */
    struct test_case cases[BATCH];
    struct result results[BATCH];
};
struct native_shared {
    struct batch batch[2];
    uint8_t pattern[PATTERN_SIZE];
    unsigned bits;    /* of the cases' code segment                    */
    uint32_t per_cpu; /* for segments.h: the processor that runs cases */
};
struct native {
    struct native_shared *shared;
    int memory; /* the file descriptor behind it */
    pid_t child;
    int to_child, from_child;
};

/* False with a message on stderr if the host cannot do it. */
bool native_create(struct native *n, unsigned bits);
void native_destroy(struct native *n);
/* Starts the child; call it after the pattern is filled, and again after native_wait said false. */
bool native_start(struct native *n);
void native_run(struct native *n, unsigned which);
/* Waits until that batch is done; false if the child died of it. */
bool native_wait(struct native *n);

#endif
