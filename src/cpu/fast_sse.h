// SPDX-License-Identifier: Apache-2.0
#ifndef SP_CPU_FAST_SSE_H
#define SP_CPU_FAST_SSE_H

#include "cpu/insn.h"

/* The fast form of an SSE instruction, or NULL; mem_ok as in fast.c. */
run_fn *fast_sse_form(const struct insn_row *row, const struct insn *i, bool mem_ok);

#endif
