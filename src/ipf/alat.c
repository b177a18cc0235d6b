// SPDX-License-Identifier: Apache-2.0
// The advanced load address table (SDM vol. 1, "Control and Data Speculation"): 32 entries,
// replaced in turn.  A store looks at those of all processors of the machine: the filter of the one
// that runs has what may be in any of them, alat_own of each what may be in its own.
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
    c->alat_own |= ALAT_BIT(address);
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
    c->alat_own = 0;
    alat_gather(c);
}

void alat_clear_all(struct ipf_cpu *c)
{
    for (struct ipf_cpu *other = c->beside; other != c; other = other->beside)
        alat_clear(other);
    alat_clear(c);
}

void alat_gather(struct ipf_cpu *c)
{
    c->alat_filter = c->alat_own;
    for (const struct ipf_cpu *other = c->beside; other != c; other = other->beside)
        c->alat_filter |= other->alat_own;
}

/* What may be in it is made anew on the way: it forgets what has gone. */
static void search_one(struct ipf_cpu *c, uintptr_t address, unsigned size)
{
    c->alat_own = 0;
    for (unsigned k = 0; k < IPF_ALAT; k++) {
        struct ipf_alat_entry *e = &c->alat[k];
        if (e->size && address < e->address + e->size && e->address < address + size)
            *e = (struct ipf_alat_entry){ 0 };
        c->alat_own |= e->size ? ALAT_BIT(e->address) : 0;
    }
}
void alat_search(struct ipf_cpu *c, uintptr_t address, unsigned size)
{
    search_one(c, address, size);
    for (struct ipf_cpu *other = c->beside; other != c; other = other->beside)
        search_one(other, address, size);
    alat_gather(c);
}
