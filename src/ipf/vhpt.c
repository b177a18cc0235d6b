// SPDX-License-Identifier: Apache-2.0
// The virtual hash page table and its walker (SDM vol. 2, "Virtual Hash Page Table (VHPT)").
#include "ipf/translate.h"

#include "mem/phys.h"

enum { PTA_VE = 1, RR_VE = 1 };
#define TAG_INVALID BIT(63)
#define REGION (UINT64_C(7) << 61)
#define OFFSET (BIT(61) - 1)

static bool is_long(const struct ipf_cpu *c) { return c->cr[CR_PTA] >> 8 & 1; }
static uint64_t page_number(const struct ipf_cpu *c, uint64_t va)
{
    return (va & OFFSET) >> bits(c->rr[va >> 61], 7, 2);
}

/* Short format: a linear table in the region of va itself.  Long format: a table of 32-byte
 * entries; the hash is the implementation's choice. */
uint64_t ipf_thash(const struct ipf_cpu *c, uint64_t va)
{
    uint64_t pta = c->cr[CR_PTA], window = BIT(bits(pta, 7, 2)) - 1;
    uint64_t base = pta & ~UINT64_C(0x7fff) & ~window;
    if (is_long(c))
        return base | (((page_number(c, va) ^ ipf_rid(c, va)) << 5) & window);
    return (va & REGION) | ((base | ((page_number(c, va) << 3) & window)) & OFFSET);
}

/* With the hash it tells all page numbers and region identifiers apart. */
uint64_t ipf_ttag(const struct ipf_cpu *c, uint64_t va)
{
    return (page_number(c, va) ^ (uint64_t)ipf_rid(c, va) << 39) & ~TAG_INVALID;
}

bool ipf_walker_enabled(const struct ipf_cpu *c, uint64_t va, uint64_t how)
{
    uint64_t needs = how & ISR_X ? PSR_IT | PSR_IC : how & ISR_RS ? PSR_RT : PSR_DT;
    return c->cr[CR_PTA] & PTA_VE && c->rr[va >> 61] & RR_VE && (c->psr & needs) == needs;
}

/* Where an entry stands in physical memory; *missing: there is no translation for it.  False: the
 * walk goes no further. */
static bool entry_address(struct ipf_cpu *c, uint64_t at, uint64_t *pa, bool *missing)
{
    const struct ipf_translation *t = ipf_tlb_find(c, IPF_DATA, at);
    *missing = !t;
    if (!t || !t->present || !t->accessed || t->ma != MA_WB || !ipf_may_read(c, t))
        return false;
    *pa = t->pa | (at & ~t->mask & OFFSET);
    return true;
}

static uint64_t entry_word(struct ipf_cpu *c, uint64_t pa)
{
    uint64_t v = mem_read_le(c->mem, pa, 8);
    return c->cr[CR_DCR] & DCR_BE ? __builtin_bswap64(v) : v;
}

enum ipf_walk ipf_walk(struct ipf_cpu *c, enum ipf_side side, uint64_t va,
                       struct ipf_translation *found)
{
    uint64_t at = ipf_thash(c, va), pa, itir;
    bool missing;
    if (!entry_address(c, at, &pa, &missing))
        return missing ? WALK_TABLE_MISSES : WALK_FAILS;
    uint64_t pte = entry_word(c, pa);
    if (is_long(c)) {
        itir = entry_word(c, pa + 8);
        if (entry_word(c, pa + 16) != ipf_ttag(c, va))
            return WALK_FAILS;
    } else {
        itir = c->rr[va >> 61] & UINT64_C(0xfffffffc);
    }
    if (ipf_translation_reserved(pte, itir))
        return WALK_FAILS;
    *found = ipf_translation(pte, itir, va, ipf_rid(c, va));
    /* An entry that says "not present" could be kept, too: whoever changes it would have to purge
     * then.  Here it is lost again at once. */
    if (found->present)
        ipf_tlb_insert(c, side, found);
    return WALK_FINDS;
}
