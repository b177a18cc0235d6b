// SPDX-License-Identifier: Apache-2.0
#ifndef SP_CPU_FAST_SHIFT_H
#define SP_CPU_FAST_SHIFT_H

#include "cpu/insn.h"

/* The fast form of a shift or rotate by an immediate (opcode C1), or NULL. */
run_fn *fast_shift_form(const struct insn *i);

/* The twin of such a form that leaves the flags alone, or NULL for any other; *all says whether the
 * form writes all flags. */
run_fn *fast_shift_quiet(run_fn *form, bool *all);

/* The twin of either whose operand is what the instruction before has written, or NULL. */
run_fn *fast_shift_forward(run_fn *form);

#endif
