// SPDX-License-Identifier: Apache-2.0
#include "cpu/kept.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "mem/phys.h"

/* A guest can make up more translations than a host has memory for: at the limit all of them go,
 * as a processor may always do. */
enum { FIRST_PAGES = 1 << 12, MOST_PAGES = 1 << 20 };

struct slot {
    struct kept_page page;
    uint32_t next;              /* of the same bucket, or of the free ones: number + 1; 0: none */
};

struct kept_pages {
    struct slot *slot;
    uint32_t *bucket;           /* as many as slots; number of a slot + 1                       */
    uint32_t size;              /* a power of two                                               */
    uint32_t top;               /* slots from here on were never used                           */
    uint32_t free;
    uint32_t large;             /* mappings of large pages                                      */
};

struct kept_pages *kept_create(void)
{
    struct kept_pages *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->size = FIRST_PAGES;
    k->slot = malloc(k->size * sizeof *k->slot);
    k->bucket = calloc(k->size, sizeof *k->bucket);
    if (k->slot && k->bucket)
        return k;
    kept_destroy(k);
    return NULL;
}

void kept_destroy(struct kept_pages *k)
{
    if (!k)
        return;
    free(k->slot);
    free(k->bucket);
    free(k);
}

static uint32_t *bucket_of(const struct kept_pages *k, uint64_t page)
{
    uint64_t n = page >> PAGE_SHIFT;
    return &k->bucket[(n ^ n >> 15 ^ n >> 30) & (k->size - 1)];
}

static bool large(const struct kept_page *p) { return p->of.page_mask >= PAGE_SIZE; }

static void forget_all(struct kept_pages *k)
{
    memset(k->bucket, 0, k->size * sizeof *k->bucket);
    k->top = k->free = k->large = 0;
}

/* Twice the slots; false: not possible. */
static bool grow(struct kept_pages *k)
{
    uint32_t size = k->size * 2;
    if (size > MOST_PAGES)
        return false;
    struct slot *slot = realloc(k->slot, size * sizeof *slot);
    if (!slot)
        return false;
    k->slot = slot;
    uint32_t *bucket = calloc(size, sizeof *bucket);
    if (!bucket)
        return false;
    free(k->bucket);
    k->bucket = bucket;
    k->size = size;
    for (uint32_t n = 0; n < k->top; n++) {     /* all of them are in use: nothing was free */
        uint32_t *head = bucket_of(k, slot[n].page.of.page);
        slot[n].next = *head;
        *head = n + 1;
    }
    return true;
}

static struct slot *new_slot(struct kept_pages *k)
{
    if (k->free) {
        struct slot *s = &k->slot[k->free - 1];
        k->free = s->next;
        return s;
    }
    if (k->top == k->size && !grow(k))
        forget_all(k);
    return &k->slot[k->top++];
}

/* ---- one page ---- */

static uint64_t space_of(struct cpu *c) { return c->vmx_nonroot ? c->vmx_ops->space(c) : 0; }

static struct slot *find(const struct kept_pages *k, const struct mapping *m)
{
    for (uint32_t n = *bucket_of(k, m->page); n; n = k->slot[n - 1].next) {
        struct slot *s = &k->slot[n - 1];
        const struct mapping *o = &s->page.of;
        if (o->page == m->page && o->space == m->space && o->physical == m->physical &&
            (o->global || o->pcid == m->pcid))
            return s;
    }
    return NULL;
}

static struct mapping current_mapping(struct cpu *c, uint64_t address, bool physical)
{
    uint64_t space = space_of(c);
    return (struct mapping){
        .page = address & PAGE_MASK,
        .space = physical ? space & ~VPID_MASK : space,
        .pcid = physical ? 0 : tlb_pcid(c),
        .physical = physical,
    };
}

const struct kept_page *kept_linear(struct cpu *c, uint64_t linear)
{
    struct mapping m = current_mapping(c, linear, false);
    struct slot *s = find(c->kept, &m);
    return s ? &s->page : NULL;
}

const struct kept_page *kept_guest_physical(struct cpu *c, uint64_t gpa)
{
    struct mapping m = current_mapping(c, gpa, true);
    struct slot *s = find(c->kept, &m);
    return s ? &s->page : NULL;
}

static void add(struct cpu *c, const struct kept_page *p, bool physical)
{
    struct kept_pages *k = c->kept;
    struct mapping m = current_mapping(c, p->of.page, physical);
    struct slot *s = find(k, &m);
    if (!s) {
        s = new_slot(k);
        uint32_t *head = bucket_of(k, m.page);
        s->next = *head;
        *head = (uint32_t)(s - k->slot) + 1;
    } else {
        k->large -= large(&s->page);
    }
    m.page_mask = p->of.page_mask;
    m.global = p->of.global;
    s->page = *p;
    s->page.of = m;
    k->large += large(&s->page);
}

void kept_add_linear(struct cpu *c, const struct kept_page *p) { add(c, p, false); }
void kept_add_guest_physical(struct cpu *c, const struct kept_page *p) { add(c, p, true); }

/* ---- invalidations ---- */

/* Takes out the slot whose number stands at `at`. */
static void take_out(struct kept_pages *k, uint32_t *at)
{
    uint32_t n = *at;
    struct slot *s = &k->slot[n - 1];
    k->large -= large(&s->page);
    *at = s->next;
    s->next = k->free;
    k->free = n;
}

static void flush_bucket(struct kept_pages *k, uint32_t *head, const struct invalidation *v)
{
    while (*head) {
        struct slot *s = &k->slot[*head - 1];
        if (invalidates(v, &s->page.of))
            take_out(k, head);
        else
            head = &s->next;
    }
}

void kept_flush(struct cpu *c, const struct invalidation *v)
{
    struct kept_pages *k = c->kept;
    if (v->one_page && !k->large) {
        flush_bucket(k, bucket_of(k, v->linear), v);
        return;
    }
    for (uint32_t n = 0; n < k->size; n++)
        flush_bucket(k, &k->bucket[n], v);
}

void kept_flush_guest_physical(struct cpu *c, uint64_t gpa)
{
    struct kept_pages *k = c->kept;
    struct mapping m = current_mapping(c, gpa, true);
    struct slot *s = find(k, &m);
    if (!s)
        return;
    uint32_t *at = bucket_of(k, m.page);
    while (&k->slot[*at - 1] != s)
        at = &k->slot[*at - 1].next;
    take_out(k, at);
}
