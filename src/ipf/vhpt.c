// SPDX-License-Identifier: Apache-2.0
// The virtual hash page table and its walker (SDM vol. 2, "Virtual Hash Page Table (VHPT)").
#include "ipf/cpu.h"
#include "ipf/translate.h"

#include "mem/phys.h"

enum { PTA_VE = 1, RR_VE = 1 };
#define TAG_INVALID BIT(63)
#define REGION (UINT64_C(7) << 61)
#define OFFSET (BIT(61) - 1)
#define PTA_VF(pta) ((pta) >> 8 & 1) /* the long format */

static bool is_long(const struct ipf_cpu *c) { return PTA_VF(c->cr[CR_PTA]); }
static uint64_t page_number(uint64_t rr, uint64_t va) { return (va & OFFSET) >> bits(rr, 7, 2); }

/* Short format: a linear table in the region of va itself.  Long format: a table of 32-byte
 * entries; the hash is the implementation's choice. */
uint64_t ipf_hash(uint64_t pta, uint64_t rr, uint64_t va)
{
    uint64_t window = BIT(bits(pta, 7, 2)) - 1, base = pta & ~UINT64_C(0x7fff) & ~window;
    if (PTA_VF(pta))
        return base | (((page_number(rr, va) ^ bits(rr, 31, 8)) << 5) & window);
    return (va & REGION) | ((base | ((page_number(rr, va) << 3) & window)) & OFFSET);
}
uint64_t ipf_thash(const struct ipf_cpu *c, uint64_t va)
{
    return ipf_hash(c->cr[CR_PTA], c->rr[va >> 61], va);
}

/* With the hash it tells all page numbers and region identifiers apart. */
uint64_t ipf_tag(uint64_t rr, uint64_t va)
{
    return (page_number(rr, va) ^ (uint64_t)bits(rr, 31, 8) << 39) & ~TAG_INVALID;
}
uint64_t ipf_ttag(const struct ipf_cpu *c, uint64_t va) { return ipf_tag(c->rr[va >> 61], va); }

bool ipf_walker_enabled(const struct ipf_cpu *c, uint64_t va, uint64_t how)
{
    uint64_t needs = how & ISR_X ? PSR_IT | PSR_IC : how & ISR_RS ? PSR_RT : PSR_DT;
    return c->cr[CR_PTA] & PTA_VE && c->rr[va >> 61] & RR_VE && (c->psr & needs) == needs;
}

static uint64_t entry_word(const struct ipf_cpu *c, uint64_t pa)
{
    uint64_t v = mem_read_le(c->mem, pa, 8);
    return c->cr[CR_DCR] & DCR_BE ? __builtin_bswap64(v) : v;
}

/* The table may stand where PSR.vm = 1 hides addresses: monitors let the walker use their own while a
 * guest runs (Xen does; not verified against the manual). */
enum ipf_walk ipf_vhpt_look(const struct ipf_cpu *c, uint64_t va, struct ipf_vhpt_entry *e)
{
    *e = (struct ipf_vhpt_entry){ .at = ipf_thash(c, va), .is_long = is_long(c) };
    const struct ipf_translation *t = ipf_tlb_find(c, IPF_DATA, e->at);
    if (!t)
        return e->verdict = "no translation for the entry's address", WALK_TABLE_MISSES;
    if (!t->present || !t->accessed || t->ma != MA_WB || !ipf_may_read(c, t))
        return e->verdict = "the walker may not read there", WALK_FAILS;
    e->readable = true;
    e->pa = t->pa | (e->at & ~t->mask & OFFSET);
    e->pte = entry_word(c, e->pa);
    e->itir = e->is_long ? entry_word(c, e->pa + 8) : c->rr[va >> 61] & UINT64_C(0xfffffffc);
    e->tag = e->is_long ? entry_word(c, e->pa + 16) : 0;
    if (e->is_long && e->tag != ipf_ttag(c, va))
        return e->verdict = "the tag is another page's", WALK_FAILS;
    if (ipf_translation_reserved(e->pte, e->itir))
        return e->verdict = "reserved bits or encodings are set", WALK_FAILS;
    return WALK_FINDS;
}

enum ipf_walk ipf_walk(struct ipf_cpu *c, enum ipf_side side, uint64_t va,
                       struct ipf_translation *found)
{
    struct ipf_vhpt_entry e;
    enum ipf_walk result = ipf_vhpt_look(c, va, &e);
    if (result != WALK_FINDS)
        return result;
    *found = ipf_translation(e.pte, e.itir, va, ipf_rid(c, va));
    /* An entry that says "not present" could be kept, too: whoever changes it would have to purge
     * then.  Here it is lost again at once. */
    if (found->present)
        ipf_tlb_insert(c, side, found);
    return WALK_FINDS;
}

bool ipf_peek(const struct ipf_cpu *c, enum ipf_side side, uint64_t address, uint64_t *pa)
{
    struct ipf_vhpt_entry e;
    struct ipf_translation room;
    const struct ipf_translation *t = ipf_tlb_find(c, side, address);
    bool is_virtual = c->psr & (side == IPF_DATA ? PSR_DT : PSR_IT);
    uint64_t how = side == IPF_DATA ? ISR_R : ISR_X;
    if (!is_virtual)
        return *pa = address & ~PA_UNCACHED, true;
    if (!t && ipf_walker_enabled(c, address, how) && ipf_vhpt_look(c, address, &e) == WALK_FINDS) {
        room = ipf_translation(e.pte, e.itir, address, ipf_rid(c, address));
        t = &room;
    }
    if (!t || !t->present)
        return false;
    *pa = t->pa | (address & ~t->mask & OFFSET);
    return true;
}
