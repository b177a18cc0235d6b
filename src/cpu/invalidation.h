// SPDX-License-Identifier: Apache-2.0
// What an invalidation takes, for those who keep translations of their own beside the TLB: -tlb
// sticky (kept.h) and --strict tlb (stale.h).
#ifndef SP_CPU_INVALIDATION_H
#define SP_CPU_INVALIDATION_H

#include "cpu/vmx_ops.h"

/* What a cached mapping is of (SDM vol. 3, "Information That May Be Cached" in the chapter on VMX
 * support for address translation). */
struct mapping {
    uint64_t space;         /* VPID and EPTRTA, as vmx_ops.space() has them                     */
    uint64_t page;          /* linear address of a 4-KByte page; if `physical`, guest-physical  */
    uint64_t page_mask;     /* offset bits of the page that the paging structures map           */
    uint16_t pcid;
    bool global;
    bool physical;          /* a guest-physical mapping: of an EPTRTA, whatever the VPID        */
};

struct invalidation {
    uint64_t mask, key;     /* of the address spaces that are `key` under `mask`                */
    bool spares_vpid_0;
    bool spares_globals;    /* else they go whatever the PCID                                   */
    int pcid;               /* or TLB_ANY_PCID                                                  */
    bool one_page;          /* only the page at `linear`                                        */
    uint64_t linear;
    bool physical;          /* guest-physical mappings, too                                     */
};

#define VPID_MASK (UINT64_C(0xffff) << SPACE_VPID_SHIFT)

static inline bool invalidates(const struct invalidation *v, const struct mapping *m)
{
    if (m->physical)
        return v->physical && !((m->space ^ v->key) & v->mask & ~VPID_MASK);
    if ((m->space ^ v->key) & v->mask || (v->spares_vpid_0 && !(m->space & VPID_MASK)))
        return false;
    if (v->one_page && (m->page ^ v->linear) & ~(m->page_mask | 0xfff))
        return false;
    if (m->global)
        return !v->spares_globals;
    return v->pcid == TLB_ANY_PCID || m->pcid == v->pcid;
}

#endif
