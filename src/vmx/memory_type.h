// SPDX-License-Identifier: Apache-2.0
// The memory type of an access, with EPT and without it.
#ifndef SP_VMX_MEMORY_TYPE_H
#define SP_VMX_MEMORY_TYPE_H

#include "cpu/memory_type.h"

/* SDM vol. 3, "Memory Type Used for Accessing EPT Paging Structures". */
enum memory_type ept_structure_memory_type(uint64_t cr0, uint64_t eptp);
/* "Memory Type Used for Translated Guest-Physical Addresses", if CR0.CD is 0: `entry` is the EPT
 * entry that maps the page, `page` the type by the PAT. */
enum memory_type ept_memory_type(uint64_t entry, enum memory_type page);

enum memory_type_source {
    TYPE_BY_CD,     /* CR0.CD: caching is disabled                 */
    TYPE_BY_EPT,    /* the EPT entry and the PAT                    */
    TYPE_BY_IPAT,   /* the EPT entry alone: it says to ignore the PAT */
    TYPE_BY_MTRRS,  /* MTRRs and the PAT                            */
};
struct access_memory_type {
    uint64_t physical;              /* host-physical address                                */
    enum memory_type effective;
    enum memory_type_source source;
    enum memory_type range;         /* by the EPT entry or the MTRRs                        */
    enum memory_type page;          /* by the PAT; WB while paging is off                   */
    unsigned pat_entry;             /* that the guest's page selects, if paging is on       */
};
/* What an access to a linear address of c gets, as c's registers are now.  False if the address is
 * not mapped, by paging or by EPT; changes nothing. */
bool access_memory_type(struct cpu *c, uint64_t linear, struct access_memory_type *t);

#endif
