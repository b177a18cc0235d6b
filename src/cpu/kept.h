// SPDX-License-Identifier: Apache-2.0
// -tlb sticky: every translation that was used stays until an invalidation takes it, and is used
// again whatever the paging structures say by then (SDM vol. 3, "Invalidation of TLBs and
// Paging-Structure Caches", "Invalidating Cached Translation Information").  The TLB proper stands
// before it and holds a part of it.
#ifndef SP_CPU_KEPT_H
#define SP_CPU_KEPT_H

#include "cpu/invalidation.h"

struct kept_pages;

struct kept_page {
    struct mapping of;
    uint64_t pa;            /* host-physical address of the 4-KByte page                        */
    uint64_t rights;        /* linear: W, U and XD of all levels; guest-physical: those of EPT  */
    bool dirty;             /* a write sets no dirty flag                                       */
    uint8_t accesses;       /* linear: what EPT allows (1 << kind)                              */
};

struct kept_pages *kept_create(void);       /* NULL: no memory */
void kept_destroy(struct kept_pages *k);

/* The linear or combined mapping that c uses for `linear`, or the guest-physical mapping for `gpa`;
 * NULL if none is kept.  Valid until the next call for c. */
const struct kept_page *kept_linear(struct cpu *c, uint64_t linear);
const struct kept_page *kept_guest_physical(struct cpu *c, uint64_t gpa);
/* Keeps a mapping of c's current address space, VPID, PCID and EPTRTA; p->of needs `page`, and for
 * linear addresses `page_mask` and `global`.  It takes the place of one for the same page. */
void kept_add_linear(struct cpu *c, const struct kept_page *p);
void kept_add_guest_physical(struct cpu *c, const struct kept_page *p);

void kept_flush(struct cpu *c, const struct invalidation *v);
/* Guest-physical mappings of one page of the current EPTRTA (SDM, "Operations that Invalidate
 * Cached Mappings": EPT violations). */
void kept_flush_guest_physical(struct cpu *c, uint64_t gpa);

#endif
