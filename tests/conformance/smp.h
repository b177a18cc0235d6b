// SPDX-License-Identifier: Apache-2.0
// A second processor, which runs functions for the first.
#ifndef CONFORMANCE_SMP_H
#define CONFORMANCE_SMP_H

#include "x86.h"

/* Starts one application processor, if the command line has the word smp and there is one. */
void smp_init(void);
/* Skips the case if there is no second processor. */
bool lacks_processor(void);
uint32_t smp_other_id(void);
/* Has the other processor run the function; the second waits for its end.  False: it does not end. */
void smp_start(void (*function)(void *), void *argument);
bool smp_wait(void);

#endif
