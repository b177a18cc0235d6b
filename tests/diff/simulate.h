// SPDX-License-Identifier: Apache-2.0
// Runs cases on the simulator.
#ifndef SP_TESTS_DIFF_SIMULATE_H
#define SP_TESTS_DIFF_SIMULATE_H

#include "case.h"
#include "user_mode.h"

bool simulate_create(struct user_machine *u, struct sp_error *e);
void simulate_case(struct user_machine *u, const uint8_t *pattern, const struct test_case *t,
                   struct result *r);

#endif
