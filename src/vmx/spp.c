// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Sub-Page Write Permissions": which writes go by the sub-page permission table, and
// what it says of them.
// What the manual leaves to the model: writes to two pages go by the sub-pages of both; so do those
// of instructions and event delivery that write more than once.
#include "mem/phys.h"
#include "vmx/internal.h"

enum { SPP_LEVELS = 4, VALID = 1 };
#define EPT_SUB_PAGES BIT(61)
#define VECTOR_RESERVED UINT64_C(0xaaaaaaaaaaaaaaaa)

/* A page that cannot be read is left to EPT violations: the write may be a read-modify-write. */
bool spp_governs(const struct cpu *c, const struct ept_walk *w)
{
    bool is_pte = w->depth && w->depth == w->levels;
    return c->vmx->proc2 & PROC2_SUB_PAGE_WRITE && is_pte &&
           w->entry[w->depth - 1] & EPT_SUB_PAGES && (w->rights & (EPT_R | EPT_W)) == EPT_R;
}

bool spp_eligible(const struct cpu *c, const struct ept_walk *w, const struct guest_physical *g)
{
    return spp_governs(c, w) && g->kind == ACCESS_WRITE && !g->structure;
}

enum spp_result spp_walk(struct cpu *c, uint64_t gpa, struct spp_walk *w)
{
    uint64_t table = vmcs_field(c, SPPT_POINTER);
    uint64_t reserved = ~(BIT(c->physical_bits) - 1) | 0xffe;
    *w = (struct spp_walk){ .depth = 0 };
    for (unsigned level = SPP_LEVELS;; level--) {
        uint64_t pa = table + (gpa >> (12 + 9 * (level - 1)) & 0x1ff) * 8;
        uint64_t entry = mem_read_le(c->mem, pa, 8);
        w->entry_pa[w->depth] = pa;
        w->entry[w->depth++] = entry;
        if (level == 1) {
            w->verdict = entry & VECTOR_RESERVED ? "odd bits are reserved" : NULL;
            return w->verdict ? SPP_MISCONFIGURED : SPP_FOUND;
        }
        if (!(entry & VALID)) {
            w->verdict = "not valid";
            return SPP_MISS;
        }
        if (entry & reserved) {
            w->verdict = "reserved bits are set";
            return SPP_MISCONFIGURED;
        }
        table = entry & EPT_ADDRESS;
    }
}

bool spp_allows(const struct cpu *c, uint64_t gpa, uint64_t vector)
{
    unsigned first = gpa & 0xfff, last = first + c->access_bytes - 1;
    for (unsigned k = first >> SUB_PAGE_SHIFT; k < SUB_PAGES && k <= last >> SUB_PAGE_SHIFT; k++)
        if (!spp_writable(vector, k))
            return false;
    return true;
}
