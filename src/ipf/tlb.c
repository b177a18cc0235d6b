// SPDX-License-Identifier: Apache-2.0
#include "ipf/tlb.h"

#include "ipf/trace.h"

#define VA_BITS (BIT(61) - 1)
#define PTE_RESERVED (BIT(1) | UINT64_C(3) << 50)

uint32_t ipf_rid(const struct ipf_cpu *c, uint64_t va) { return bits(c->rr[va >> 61], 31, 8); }

/* SDM vol. 2, "Translation Insertion Format" and "Page Sizes". */
bool ipf_translation_reserved(uint64_t pte, uint64_t itir)
{
    unsigned ma = bits(pte, 4, 2), ps = bits(itir, 7, 2);
    if (!(IPF_PAGE_SIZES >> ps & 1))
        return true;
    if (!(pte & 1))
        return false;
    bool unimplemented = bits(pte, 49, 12) << 12 >> IPF_PA_BITS;
    return pte & PTE_RESERVED || itir & ~UINT64_C(0xfffffffc) || (ma >= 1 && ma <= 3) ||
           unimplemented;
}

struct ipf_translation ipf_translation(uint64_t pte, uint64_t itir, uint64_t va, uint32_t rid)
{
    unsigned ps = bits(itir, 7, 2);
    uint64_t offset = BIT(ps) - 1;
    return (struct ipf_translation){
        .va = va & VA_BITS & ~offset,
        .mask = VA_BITS & ~offset,
        .pa = (bits(pte, 49, 12) << 12) & ~offset,
        .rid = rid,
        .key = bits(itir, 31, 8),
        .ps = (uint8_t)ps,
        .ar = bits(pte, 11, 9),
        .pl = bits(pte, 8, 7),
        .ma = bits(pte, 4, 2),
        .valid = true,
        .present = pte & 1,
        .accessed = pte >> 5 & 1,
        .dirty = pte >> 6 & 1,
        .ed = pte >> 52 & 1,
    };
}

/* ---- finding: the region's number is no part of the match, its identifier is ---- */

static bool matches(const struct ipf_translation *t, uint64_t va, uint32_t rid)
{
    return !((va ^ t->va) & t->mask) && t->rid == rid && t->valid;
}

static unsigned set_of(uint64_t va, unsigned ps, uint32_t rid)
{
    return (unsigned)((va & VA_BITS) >> ps ^ rid ^ ps) % IPF_TC_SETS;
}

const struct ipf_translation *ipf_tlb_find(const struct ipf_cpu *c, enum ipf_side side, uint64_t va)
{
    const struct ipf_tlb *tlb = &c->tlb[side];
    uint32_t rid = ipf_rid(c, va);
    for (unsigned k = 0; k < tlb->tr_end; k++)
        if (matches(&tlb->tr[k], va, rid))
            return &tlb->tr[k];
    for (uint64_t sizes = tlb->sizes; sizes; sizes &= sizes - 1) {
        const struct ipf_translation *set =
            tlb->tc[set_of(va, (unsigned)__builtin_ctzll(sizes), rid)];
        for (unsigned k = 0; k < IPF_TC_WAYS; k++)
            if (matches(&set[k], va, rid))
                return &set[k];
    }
    return NULL;
}

/* ---- what was derived from translations ---- */

static void empty_line(struct ipf_cpu *c, unsigned n)
{
    for (unsigned context = 0; context < c->contexts; context++)
        c->line[context][n].read = c->line[context][n].write = IPF_NO_TAG;
}
void ipf_flush_lines(struct ipf_cpu *c)
{
    for (unsigned n = 0; n < IPF_LINES; n++)
        empty_line(c, n);
}
static void flush_page(struct ipf_cpu *c, const struct ipf_translation *t)
{
    uint64_t pages = BIT(t->ps - 12);
    if (pages >= IPF_LINES)
        ipf_flush_lines(c);
    else
        for (uint64_t k = 0; k < pages; k++)
            empty_line(c, ipf_line_of(t->va + (k << 12)));
}

void ipf_flush(struct ipf_cpu *c)
{
    ipf_flush_lines(c);
    c->fetch_generation++;
    ipf_mode_changed(c);
}

/* A translation goes: so do the lines of its page, in whatever region. */
static void drop(struct ipf_cpu *c, enum ipf_side side, struct ipf_translation *t)
{
    t->valid = false;
    if (side == IPF_INSTRUCTIONS) {
        c->fetch_generation++;
        ipf_mode_changed(c);
    } else {
        flush_page(c, t);
    }
}

/* ---- insertions and purges ---- */

static bool overlaps(const struct ipf_translation *t, uint64_t va, uint64_t mask, uint32_t rid)
{
    return !((va ^ t->va) & t->mask & mask) && t->rid == rid && t->valid;
}

static void purge_cache(struct ipf_cpu *c, enum ipf_side side, uint64_t va, uint64_t mask,
                        uint32_t rid)
{
    struct ipf_tlb *tlb = &c->tlb[side];
    for (unsigned set = 0; set < IPF_TC_SETS; set++)
        for (unsigned k = 0; k < IPF_TC_WAYS; k++)
            if (overlaps(&tlb->tc[set][k], va, mask, rid))
                drop(c, side, &tlb->tc[set][k]);
}

static bool purge_registers(struct ipf_cpu *c, enum ipf_side side, uint64_t va, uint64_t mask,
                            uint32_t rid, bool look_only)
{
    struct ipf_tlb *tlb = &c->tlb[side];
    bool found = false;
    for (unsigned k = 0; k < tlb->tr_end; k++) {
        if (!overlaps(&tlb->tr[k], va, mask, rid))
            continue;
        found = true;
        if (!look_only)
            drop(c, side, &tlb->tr[k]);
    }
    return found;
}

void ipf_tlb_insert(struct ipf_cpu *c, enum ipf_side side, const struct ipf_translation *t)
{
    struct ipf_tlb *tlb = &c->tlb[side];
    unsigned set = set_of(t->va, t->ps, t->rid), way = IPF_TC_WAYS;
    if (purge_registers(c, side, t->va, t->mask, t->rid, true))
        return;
    purge_cache(c, side, t->va, t->mask, t->rid);
    for (unsigned k = 0; k < IPF_TC_WAYS && way == IPF_TC_WAYS; k++)
        if (!tlb->tc[set][k].valid)
            way = k;
    if (way == IPF_TC_WAYS) {
        way = tlb->next[set]++ % IPF_TC_WAYS;
        drop(c, side, &tlb->tc[set][way]);
    }
    tlb->tc[set][way] = *t;
    tlb->sizes |= BIT(t->ps);
    if (unlikely(c->trace != NULL))
        ipf_trace_insert(c, side, UINT64_MAX, t);
}

void ipf_tlb_insert_register(struct ipf_cpu *c, enum ipf_side side, unsigned n,
                             const struct ipf_translation *t)
{
    struct ipf_tlb *tlb = &c->tlb[side];
    if (tlb->tr[n].valid)
        drop(c, side, &tlb->tr[n]);
    purge_registers(c, side, t->va, t->mask, t->rid, false);
    purge_cache(c, side, t->va, t->mask, t->rid);
    tlb->tr[n] = *t;
    tlb->tr_end = n >= tlb->tr_end ? n + 1 : tlb->tr_end;
    if (unlikely(c->trace != NULL))
        ipf_trace_insert(c, side, n, t);
}

void ipf_tlb_purge(struct ipf_cpu *c, enum ipf_side side, uint64_t va, unsigned ps, uint32_t rid,
                   bool registers)
{
    uint64_t mask = VA_BITS & ~(BIT(ps) - 1);
    if (registers)
        purge_registers(c, side, va, mask, rid, false);
    purge_cache(c, side, va, mask, rid);
}

void ipf_tlb_purge_all(struct ipf_cpu *c)
{
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned set = 0; set < IPF_TC_SETS; set++)
            for (unsigned k = 0; k < IPF_TC_WAYS; k++)
                c->tlb[side].tc[set][k].valid = false;
        c->tlb[side].sizes = 0;
    }
    ipf_flush(c);
}
