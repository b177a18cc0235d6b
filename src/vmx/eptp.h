// SPDX-License-Identifier: Apache-2.0
// The EPTP's format (SDM vol. 3, "Extended-Page-Table Pointer (EPTP)"):
//   2:0 memory type of EPT paging structures, 5:3 page-walk length - 1, 6 accessed and dirty flags,
//   7 supervisor shadow-stack control, 51:12 address of the root.
#ifndef SP_VMX_EPTP_H
#define SP_VMX_EPTP_H

#include <stdbool.h>
#include <stdint.h>

enum { EPTP_TYPE = 7, EPTP_LEVELS_SHIFT = 3, EPTP_AD = 1 << 6,
       EPTP_SHADOW_STACK = 1 << 7 };

/* The page-walk length: 4 or 5 in a valid one. */
static inline unsigned eptp_levels(uint64_t eptp) { return (eptp >> EPTP_LEVELS_SHIFT & 7) + 1; }

/* The parts of eptp_valid(), each of which is an entry check: bits 2:0, 5:3; which of bits
 * 6 and 7 and which other bits must be 0. */
bool eptp_memory_type_valid(const uint64_t *cap, uint64_t eptp);
bool eptp_levels_valid(const uint64_t *cap, uint64_t eptp);
uint64_t eptp_flags_refused(const uint64_t *cap);
uint64_t eptp_shadow_refused(const uint64_t *cap);
uint64_t eptp_reserved(unsigned physical_bits);
/* Whether VM entry takes this EPTP, on a processor with these capability MSRs and this
 * physical-address width; INVEPT and EPTP switching ask the same. */
bool eptp_valid(const uint64_t *cap, unsigned physical_bits, uint64_t eptp);

#endif
