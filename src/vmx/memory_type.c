// SPDX-License-Identifier: Apache-2.0
#include "vmx/memory_type.h"

#include "vmx/eptp.h"
#include "vmx/internal.h"

#define EPT_IGNORES_PAT BIT(6)

static enum memory_type entry_type(uint64_t entry)
{
    return (enum memory_type)(entry >> EPT_TYPE_SHIFT & 7);
}

enum memory_type ept_structure_memory_type(uint64_t cr0, uint64_t eptp)
{
    return cr0 & CR0_CD ? MEMORY_UC : (enum memory_type)(eptp & EPTP_TYPE);
}

enum memory_type ept_memory_type(uint64_t entry, enum memory_type page)
{
    return entry & EPT_IGNORES_PAT ? entry_type(entry)
                                   : memory_type_combine(entry_type(entry), page);
}

static bool type_by_ept(struct cpu *c, uint64_t guest_physical, struct access_memory_type *t)
{
    struct ept_walk w;
    if (ept_walk(c, guest_physical, &w) != EPT_MAPPED)
        return false;
    uint64_t entry = w.entry[w.depth - 1];
    t->range = entry_type(entry);
    t->effective = ept_memory_type(entry, t->page);
    t->source = entry & EPT_IGNORES_PAT ? TYPE_BY_IPAT : TYPE_BY_EPT;
    return true;
}

bool access_memory_type(struct cpu *c, uint64_t linear, struct access_memory_type *t)
{
    struct linear_page p;
    if (!linear_peek_page(c, linear, &p))
        return false;
    bool paging = c->cr0 & CR0_PG;
    *t = (struct access_memory_type){
        .physical = p.physical,
        .pat_entry = p.pat_entry,
        .page = paging ? pat_memory_type(c->msr.pat, p.pat_entry) : MEMORY_WB,
        .source = TYPE_BY_MTRRS,
    };
    if (c->vmx_nonroot && vmx_ept_enabled(c)) {
        if (!type_by_ept(c, p.guest_physical, t))
            return false;
    } else {
        t->range = cpu_has(c, FEAT_MTRR) ? mtrr_memory_type(&c->msr, p.physical) : MEMORY_WB;
        t->effective = memory_type_combine(t->range, t->page);
    }
    if (c->cr0 & CR0_CD) {
        t->effective = MEMORY_UC;
        t->source = TYPE_BY_CD;
    }
    return true;
}
