// SPDX-License-Identifier: Apache-2.0
// How an Itanium processor translates an address, entry by entry.
#ifndef SP_DEBUG_IPF_WALK_H
#define SP_DEBUG_IPF_WALK_H

#include <stdio.h>

#include "ipf/state.h"

/* Whether an interruption is one of translation: a miss, or what a page's entry, key or rights
 * forbid. */
bool ipf_walk_explains(const struct ipf_event *e);
/* Prints the way of the event's address: region register, TLB (TRn or TC), the VHPT's entry, then
 * the page's attributes, protection key and rights; behind what decided, why (SDM vol. 2,
 * "Translation Searching").  psr: that of the interrupted program.  Changes nothing. */
void ipf_walk_print(FILE *out, const struct ipf_cpu *c, uint64_t psr, const struct ipf_event *e);

#endif
