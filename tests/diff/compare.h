// SPDX-License-Identifier: Apache-2.0
#ifndef SP_TESTS_DIFF_COMPARE_H
#define SP_TESTS_DIFF_COMPARE_H

#include "case.h"

/* True if both results agree in all that is defined; else the differences stand in `text`, one a
 * line. */
bool compare_results(const struct test_case *t, const struct result *host,
                     const struct result *ours, char *text, size_t size);

#endif
