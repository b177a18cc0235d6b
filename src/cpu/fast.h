// SPDX-License-Identifier: Apache-2.0
// Fast forms: threaded runners for the shapes that real code is made of.  A fast form does exactly
// what the row's general handler does when nothing unusual happens, and hands over to it otherwise.
#ifndef SP_CPU_FAST_H
#define SP_CPU_FAST_H

#include "cpu/mode.h"
#include "cpu/insn.h"

/* The fast form of i for mode m, or NULL.  i is legal there and does not exit; page_offset is where
 * its block starts within the page. */
run_fn *fast_form(const struct mode *m, const struct insn *i, unsigned page_offset);

/* Second look at a complete block of n instructions: joins compare and branch, drops dead flags. */
void fast_finish(struct insn *block, unsigned n);

#endif
