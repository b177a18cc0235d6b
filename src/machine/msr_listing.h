// SPDX-License-Identifier: Apache-2.0
// Listings of the IA32_VMX_* MSRs of a processor, as tools and logs print them.
#ifndef SP_MACHINE_MSR_LISTING_H
#define SP_MACHINE_MSR_LISTING_H

#include <stddef.h>

#include "base/error.h"
#include "vmx/capability.h"

/* Reads a listing.  A line counts if it names a capability MSR, by its name ("IA32_VMX_BASIC",
 * "MSR_IA32_VMX_BASIC") or its number ("0x480" anywhere, "480" at the start), and has a hexadecimal
 * number after it: the value.  All other lines are ignored.  False if there is no such line, or two
 * that contradict each other; `file` is for the message. */
bool msr_listing_parse(struct vmx_listing *out, const char *text, size_t n, const char *file,
                       struct sp_error *e);
/* The same from a file of at most 1 MiB. */
bool msr_listing_read(struct vmx_listing *out, const char *file, struct sp_error *e);

#endif
