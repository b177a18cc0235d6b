// SPDX-License-Identifier: Apache-2.0
// What a hypervisor can take into its hands of a guest's paging: HLAT, the EPT paging-write control
// and guest-paging verification.  Where the manual leaves room:
// - Behind a restart of HLAT paging, verification looks at the structures of ordinary paging alone,
//   like everything else that the restarted translation decides.
// - Verification goes by bit 58 as the EPT paging-write control has it: ignored while that is 0.
// - Paging-write access takes the place of bit 1 (W) in the entry that maps the page; those
//   above it must have bit 1, as for supervisor shadow stacks.
#include "cpu/stale.h"
#include "vmx/internal.h"

#define EPT_VERIFY BIT(57)
#define EPT_PAGING_WRITE BIT(58)

/* SDM vol. 3, "Ordinary Paging and HLAT Paging": with a maximum prefix size of 1, any that is not 0
 * asks for the addresses whose bit 63 is 1. */
void hlat_enter(struct cpu *c)
{
    bool on = c->vmx->proc3 & PROC3_ENABLE_HLAT;
    c->hlat_root = vmcs_field(c, HLAT_POINTER) & bits(~UINT64_C(0), 51, 12) << 12;
    c->hlat = !on ? HLAT_NONE : vmcs_field(c, HLAT_PREFIX_SIZE) ? HLAT_BIT_63 : HLAT_ALL;
}

bool ept_paging_write(const struct cpu *c, uint64_t leaf)
{
    return c->vmx->proc3 & PROC3_EPT_PAGING_WRITE && leaf & EPT_PAGING_WRITE;
}

unsigned ept_access_rights(const struct cpu *c, const struct ept_walk *w,
                           const struct guest_physical *g)
{
    unsigned above = EPT_W;
    if (!g->structure || !(c->vmx->proc3 & PROC3_EPT_PAGING_WRITE) ||
        !ept_paging_write(c, w->entry[w->depth - 1]))
        return w->rights;
    for (unsigned k = 0; k + 1 < w->depth; k++)
        above &= (unsigned)w->entry[k];
    return w->rights | above;
}

/* SDM vol. 3, "EPT Violations": a page whose entry has bit 57 may be reached only by guest paging
 * structures that guest paging may update. */
bool ept_verify(const struct cpu *c, struct guest_physical *g, const struct ept_walk *w)
{
    if (!(c->vmx->proc3 & PROC3_GUEST_PAGING_VERIFICATION))
        return true;
    uint64_t leaf = w->entry[w->depth - 1];
    if (g->structure)
        g->unverified |= !ept_paging_write(c, leaf);
    return g->structure || !g->unverified || !(leaf & EPT_VERIFY);
}

bool ept_is_verified(struct cpu *c, uint64_t gpa)
{
    struct ept_walk w;
    return !c->vmx_nonroot || !(c->vmx->proc3 & PROC3_GUEST_PAGING_VERIFICATION) ||
           (ept_walk(c, gpa, &w) == EPT_MAPPED && ept_paging_write(c, w.entry[w.depth - 1]));
}

void ept_record(struct cpu *c, const struct guest_physical *g, const struct ept_walk *w)
{
    unsigned first = g->structure && w->depth ? w->depth - 1 : 0;
    bool verifies = c->vmx->proc3 & PROC3_GUEST_PAGING_VERIFICATION && g->kind == ACCESS_READ;
    for (unsigned k = first; (!g->structure || verifies) && k < w->depth; k++)
        stale_entry_read(c, w->entry_pa[k], w->entry[k], 8, true);
}
