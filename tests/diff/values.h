// SPDX-License-Identifier: Apache-2.0
// Random register and memory contents, with the values that instructions treat specially.
#ifndef SP_TESTS_DIFF_VALUES_H
#define SP_TESTS_DIFF_VALUES_H

#include "case.h"

uint64_t value_integer(uint64_t *random);
/* Fills the bytes that become the data area of the cases. */
void value_pattern(uint64_t *random, uint8_t *pattern);
/* A random x87, MMX and SSE state that FXRSTOR accepts. */
void value_fx(uint64_t *random, uint8_t fx[512]);

#endif
