// SPDX-License-Identifier: Apache-2.0
// Shows: the hypervisor's answer to each VM exit.
#ifndef DEMO_EXITS_H
#define DEMO_EXITS_H

#include "vmx.h"

enum next {
    RESUME_NEXT,       /* after the instruction that exited */
    RESUME_SAME,       /* with that instruction again       */
    STOP,
};

/* Handles the exit that the current VMCS describes, and counts it. */
enum next handle_exit(struct guest_registers *guest);
/* Prints how often each reason occurred. */
void print_exit_counts(void);

#endif
