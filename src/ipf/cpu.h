// SPDX-License-Identifier: Apache-2.0
// The Itanium processor as the layers above see it.
#ifndef SP_IPF_CPU_H
#define SP_IPF_CPU_H

#include "ipf/state.h"

/* A processor in physical mode at privilege level 0, PSR otherwise 0, bank 1, in the state in which
 * firmware enters a program: an empty frame, the register stack in lazy mode.  NULL: no memory. */
struct ipf_cpu *ipf_create(struct mem *mem);
void ipf_destroy(struct ipf_cpu *c);
/* Runs until c->stop says why it ended, or c->retired reaches `until`. */
void ipf_run_until(struct ipf_cpu *c, uint64_t until);

#endif
