// SPDX-License-Identifier: Apache-2.0
// Itanium instructions as text, in the notation of the Itanium SDM vol. 3.
#ifndef SP_IPF_DISASM_H
#define SP_IPF_DISASM_H

#include <stddef.h>

#include "ipf/decode.h"

/* Writes a decoded slot as the assembler takes it, with its qualifying predicate: "(p06) adds
 * r12=-16,r12".  ip is the address of its bundle, for branch targets.  Returns the length, or what
 * it would have been (as snprintf). */
size_t ipf_print(char *text, size_t size, const struct ipf_slot *slot, uint64_t ip);

/* Names of application and control registers: "ar.lc", "cr.iva"; NULL if there is none. */
const char *ipf_ar_name(unsigned number);
const char *ipf_cr_name(unsigned number);

#endif
