// SPDX-License-Identifier: Apache-2.0
// What native.c needs for 16- and 32-bit cases: the segments, and the way there.
#ifndef SP_TESTS_DIFF_NATIVE_LOW_H
#define SP_TESTS_DIFF_NATIVE_LOW_H

#include "case.h"

enum { NATIVE_CS = 0x33, NATIVE_SS = 0x2b };

/* Makes the LDT of this process; false with a message on stderr if the kernel refuses. */
bool native_ldt(void);
/* The running processor's number as the kernel puts it into a segment's limit (segments.h). */
uint32_t native_per_cpu(void);
/* Stays on that processor. */
void native_pin(uint32_t per_cpu);
/* Runs the case; the state after stands in *out. */
void native_run_low(const struct test_case *t, struct user_state *out);
/* In a signal handler: the selectors of the case, two of them from the signal's context. */
void native_save_selectors(uint16_t selector[6], uint64_t csgsfs);

#endif
