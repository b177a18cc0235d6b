// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "EPT Translation Mechanism" and "EPT Misconfigurations": from a guest-physical address
// down the EPT paging structures.  The walk changes nothing; ept.c decides what comes of it.
#include "mem/phys.h"
#include "vmx/eptp.h"
#include "vmx/internal.h"

enum { LARGE = 1 << 7 };

static bool is_leaf(uint64_t entry, unsigned level)
{
    return level == 1 || (level <= 3 && entry & LARGE);
}

/* The bits of an entry that give access; any of them makes it present. */
static unsigned rights_mask(const struct cpu *c)
{
    return EPT_RWX | (c->vmx->proc2 & PROC2_MODE_BASED_EXECUTE ? EPT_XU : 0);
}

/* Why a present entry is misconfigured, in words, or NULL. */
static const char *misconfiguration(const struct cpu *c, uint64_t entry, unsigned level)
{
    uint64_t cap = c->vmx->cap[CAP_EPT_VPID];
    unsigned type = entry >> EPT_TYPE_SHIFT & 7;
    if ((entry & (EPT_R | EPT_W)) == EPT_W)
        return "bit 1 (W) without bit 0 (R)";
    if (!(entry & EPT_R) && entry & rights_mask(c) && !(cap & EPT_CAP_EXECUTE_ONLY))
        return "execute-only, which IA32_VMX_EPT_VPID_CAP[0] does not offer";
    if (entry & EPT_ADDRESS & ~(BIT(c->physical_bits) - 1))
        return "the address exceeds the physical-address width";
    if (!is_leaf(entry, level))
        return entry & (level >= 4 ? 0xf8 : 0x78) ? "reserved bits of 7:3 are set" : NULL;
    if (!(entry & EPT_R) && ept_paging_write(c, entry))
        return "bit 58 (paging-write access) without bit 0 (R)";
    if (type == 2 || type == 3 || type == 7)
        return "memory type (bits 5:3) is 2, 3 or 7";
    if (level == 3 && !(cap & EPT_CAP_1G))
        return "bit 7: there are no 1-GByte pages (IA32_VMX_EPT_VPID_CAP[17])";
    if (level == 2 && !(cap & EPT_CAP_2M))
        return "bit 7: there are no 2-MByte pages (IA32_VMX_EPT_VPID_CAP[16])";
    if (level > 1 && entry & (BIT(12 + 9 * (level - 1)) - 1) & EPT_ADDRESS)
        return "low address bits of a large page are set";
    return NULL;
}

enum ept_result ept_walk(struct cpu *c, uint64_t gpa, struct ept_walk *w)
{
    uint64_t eptp = vmcs_field(c, EPT_POINTER), table = eptp & EPT_ADDRESS;
    *w = (struct ept_walk){ .levels = eptp_levels(eptp), .rights = rights_mask(c) };
    if (gpa >> (12 + 9 * w->levels)) {
        w->rights = 0;
        w->verdict = "four levels translate 48 bits: bits 51:48 must be 0";
        return EPT_NOT_PRESENT;
    }
    for (unsigned level = w->levels;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t pa = table + (gpa >> shift & 0x1ff) * 8, entry = mem_read_le(c->mem, pa, 8);
        w->entry_pa[w->depth] = pa;
        w->entry[w->depth++] = entry;
        w->rights &= (unsigned)entry;
        w->verdict = "not present";
        if (!(entry & rights_mask(c)))
            return EPT_NOT_PRESENT;
        w->verdict = misconfiguration(c, entry, level);
        if (w->verdict)
            return EPT_MISCONFIGURED;
        table = entry & EPT_ADDRESS;
        if (is_leaf(entry, level)) {
            uint64_t offset = BIT(shift) - 1;
            w->hpa = (table & ~offset) | (gpa & offset);
            w->mapped = true;
            w->verdict = "the page";
            return EPT_MAPPED;
        }
    }
}
