// SPDX-License-Identifier: Apache-2.0
#include "cpu/stale.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

enum { RECORDS = 1 << 15, WAYS = 4 };
/* Accessed and dirty flags, which the processor changes itself. */
#define FLAGS_GUEST UINT64_C(0x60)
#define FLAGS_EPT UINT64_C(0x300)

struct record {
    bool used;
    uint8_t kinds; /* accesses that it allowed (1 << kind) */
    uint8_t count;
    struct mapping of;
    uint64_t pa;   /* of the 4-KByte page */
    uint64_t rights;
    struct stale_entry entry[STALE_ENTRIES];
};

struct stale_records {
    struct record record[RECORDS];
    unsigned next; /* way to give up next */
    /* The translation that goes on. */
    uint64_t linear, rip;
    enum access_kind kind;
    bool expects, nonroot; /* a record would have allowed it: */
    struct record expected;
    struct stale_entry read[STALE_ENTRIES];
    unsigned count;
};

struct stale_records *stale_create(void) { return calloc(1, sizeof(struct stale_records)); }
void stale_destroy(struct stale_records *s) { free(s); }
void stale_restart(struct stale_records *s) { memset(s, 0, sizeof *s); }

/* ---- the records ---- */

static uint64_t space_of(struct cpu *c) { return c->vmx_nonroot ? c->vmx_ops->space(c) : 0; }

static struct record *set_of(struct stale_records *s, uint64_t linear)
{
    uint64_t page = linear >> PAGE_SHIFT;
    return &s->record[((page ^ page >> 13 ^ page >> 27) * WAYS) & (RECORDS - 1)];
}

static struct record *find(struct cpu *c, uint64_t linear)
{
    struct record *r = set_of(c->stale, linear);
    uint64_t space = space_of(c);
    for (unsigned k = 0; k < WAYS; k++)
        if (r[k].used && r[k].of.page == (linear & PAGE_MASK) && r[k].of.space == space &&
            (r[k].of.global || r[k].of.pcid == tlb_pcid(c)))
            return &r[k];
    return NULL;
}

static struct record *room_for(struct stale_records *s, uint64_t linear)
{
    struct record *set = set_of(s, linear);
    for (unsigned k = 0; k < WAYS; k++)
        if (!set[k].used)
            return &set[k];
    return &set[s->next++ % WAYS];
}

/* ---- one translation ---- */

void stale_begin(struct cpu *c, uint64_t linear, enum access_kind kind)
{
    struct stale_records *s = c->stale;
    const struct record *r = find(c, linear);
    s->linear = linear & PAGE_MASK;
    s->kind = kind;
    s->rip = c->current ? insn_rip(c, c->current) : c->rip;
    s->nonroot = c->vmx_nonroot;
    s->count = 0;
    s->expects = r && r->kinds >> kind & 1;
    if (s->expects)
        s->expected = *r;
}

void stale_entry_read(struct cpu *c, uint64_t pa, uint64_t value, unsigned size, bool ept)
{
    struct stale_records *s = c->stale;
    if (s->count < STALE_ENTRIES)
        s->read[s->count++] = (struct stale_entry){ pa, value, (uint8_t)size, ept };
}

static bool has_changed(struct cpu *c, const struct stale_entry *e, uint64_t *now)
{
    uint64_t flags = e->ept ? FLAGS_EPT : FLAGS_GUEST;
    *now = mem_read_le(c->mem, e->pa, e->size);
    return (*now ^ e->value) & ~flags;
}

static void report(struct cpu *c, bool fails, uint64_t pa)
{
    const struct stale_records *s = c->stale;
    const struct record *r = &s->expected;
    struct stale_use use = {
        .rip = s->rip,
        .nonroot = s->nonroot,
        .pcid = r->of.pcid,
        .vpid = (uint16_t)(r->of.space >> SPACE_VPID_SHIFT),
        .linear = r->of.page,
        .old_pa = r->pa,
        .new_pa = pa & PAGE_MASK,
        .fails = fails,
        .kind = s->kind,
    };
    for (unsigned k = 0; k < r->count && !use.has_entry; k++)
        if (has_changed(c, &r->entry[k], &use.now)) {
            use.has_entry = true;
            use.entry = r->entry[k];
        }
    if (c->hooks && c->hooks->stale)
        c->hooks->stale(c->hooks->user, c, &use);
}

void stale_translated(struct cpu *c, uint64_t page_mask, bool global, uint64_t rights, uint64_t pa)
{
    struct stale_records *s = c->stale;
    struct record *r = find(c, s->linear);
    bool current = r && r->pa == (pa & PAGE_MASK);
    unsigned kinds = current ? r->kinds : 0;
    if (s->expects && s->expected.pa != (pa & PAGE_MASK))
        report(c, false, pa);
    if (!r)
        r = room_for(s, s->linear);
    *r = (struct record){
        .used = true,
        .count = (uint8_t)s->count,
        .kinds = (uint8_t)(kinds | 1u << s->kind),
        .of = { .space = space_of(c), .page = s->linear, .page_mask = page_mask,
                .pcid = tlb_pcid(c), .global = global },
        .pa = pa & PAGE_MASK,
        .rights = rights,
    };
    memcpy(r->entry, s->read, sizeof r->entry);
}

/* The old translation would refuse the access, too, if it had the same rights: the privilege, a
 * flag of a register or a key's rights are what has changed. */
void stale_refused(struct cpu *c, uint64_t rights)
{
    if (rights != c->stale->expected.rights)
        stale_failed(c);
}

void stale_failed(struct cpu *c)
{
    if (c->stale->expects)
        report(c, true, 0);
}

void stale_flush(struct cpu *c, const struct invalidation *v)
{
    for (unsigned k = 0; k < RECORDS; k++) {
        struct record *r = &c->stale->record[k];
        if (r->used && invalidates(v, &r->of))
            r->used = false;
    }
}
