// SPDX-License-Identifier: Apache-2.0
// Memory types by the PAT and the MTRRs (SDM vol. 3, chapter "Memory Cache Control").  No caches
// are modelled: the types are computed for those who ask what a processor would do.
#ifndef SP_CPU_MEMORY_TYPE_H
#define SP_CPU_MEMORY_TYPE_H

#include "cpu/state.h"

/* Encodings as in the PAT, of which MTRRs and EPT entries know all but UC-. */
enum memory_type {
    MEMORY_UC = 0,
    MEMORY_WC = 1,
    MEMORY_WT = 4,
    MEMORY_WP = 5,
    MEMORY_WB = 6,
    MEMORY_UC_MINUS = 7,
    MEMORY_UNDEFINED = 8, /* MTRRs overlap in a way that the manual leaves undefined */
};
/* "WB" ... */
const char *memory_type_name(enum memory_type t);

/* What a range of physical memory and a page make together: table "Effective Page-Level Memory
 * Types for Pentium III and More Recent Processor Families".  `range` is the type by the MTRRs, or
 * by an EPT entry; `page` that of a PAT entry. */
enum memory_type memory_type_combine(enum memory_type range, enum memory_type page);

/* The PAT entry, 0 to 7, that a paging-structure entry selects which maps a page ("Selecting a
 * Memory Type from the PAT"); `large`: of more than 4 KBytes. */
unsigned pat_entry(uint64_t entry, bool large);
enum memory_type pat_memory_type(uint64_t pat, unsigned entry);

/* The type of a physical address by the MTRRs ("MTRR Precedences"). */
enum memory_type mtrr_memory_type(const struct msr_state *m, uint64_t physical);

#endif
