// SPDX-License-Identifier: Apache-2.0
// The advanced load address table (SDM vol. 1, "Control and Data Speculation"): 32 entries,
// replaced in turn.
#include "ipf/op.h"

/* Names the register: a stacked one by its place in the backing store, so that the same name in
 * another frame is another register, however deep calls go. */
static uint64_t tag(struct ipf_cpu *c, unsigned reg, bool is_fr)
{
    if (is_fr)
        return (uint64_t)(fr(c, reg) - c->fr);
    if (reg < 32)
        return reg;
    uint64_t below = (c->bsp >> 3) - (c->bsp >> 9); /* without the NaT collections */
    return 32 + below + (uint64_t)(gr(c, reg) - c->frame);
}

static struct ipf_alat_entry *find(struct ipf_cpu *c, unsigned reg, bool is_fr)
{
    uint64_t t = tag(c, reg, is_fr);
    for (unsigned k = 0; k < IPF_ALAT; k++) {
        struct ipf_alat_entry *e = &c->alat[k];
        if (e->size && e->reg == t && e->fr == is_fr)
            return e;
    }
    return NULL;
}

void alat_invalidate(struct ipf_cpu *c, unsigned reg, bool is_fr)
{
    struct ipf_alat_entry *e = find(c, reg, is_fr);
    if (e)
        *e = (struct ipf_alat_entry){ 0 };
}

void alat_allocate(struct ipf_cpu *c, unsigned reg, bool is_fr, uintptr_t address, unsigned size)
{
    alat_invalidate(c, reg, is_fr);
    if (!address)
        return;
    c->alat[c->alat_next++ % IPF_ALAT] = (struct ipf_alat_entry){
        .address = address,
        .size = (uint8_t)size,
        .reg = tag(c, reg, is_fr),
        .fr = is_fr,
    };
    c->alat_filter |= ALAT_BIT(address);
}

bool alat_check(struct ipf_cpu *c, unsigned reg, bool is_fr, bool clear)
{
    struct ipf_alat_entry *e = find(c, reg, is_fr);
    if (!e)
        return false;
    if (clear)
        *e = (struct ipf_alat_entry){ 0 };
    return true;
}

void alat_clear(struct ipf_cpu *c)
{
    for (unsigned k = 0; k < IPF_ALAT; k++)
        c->alat[k] = (struct ipf_alat_entry){ 0 };
    c->alat_filter = 0;
}

/* The filter is made anew on the way: it forgets what has gone. */
void alat_search(struct ipf_cpu *c, uintptr_t address, unsigned size)
{
    c->alat_filter = 0;
    for (unsigned k = 0; k < IPF_ALAT; k++) {
        struct ipf_alat_entry *e = &c->alat[k];
        if (e->size && address < e->address + e->size && e->address < address + size)
            *e = (struct ipf_alat_entry){ 0 };
        c->alat_filter |= e->size ? ALAT_BIT(e->address) : 0;
    }
}
