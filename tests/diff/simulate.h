// SPDX-License-Identifier: Apache-2.0
// Runs cases on the simulator.
#ifndef SP_TESTS_DIFF_SIMULATE_H
#define SP_TESTS_DIFF_SIMULATE_H

#include "case.h"
#include "user_mode.h"

/* `bits` is the machine's mode: 64 (IA-32e, which runs all cases) or 32 (16- and 32-bit code only).
 */
bool simulate_create(struct user_machine *u, unsigned bits, struct sp_error *e);
/* The descriptor tables that 16- and 32-bit cases use; per_cpu as in segments.h. */
bool simulate_tables(struct user_machine *u, uint32_t per_cpu);
void simulate_case(struct user_machine *u, const uint8_t *pattern, const struct test_case *t,
                   struct result *r);

#endif
