// SPDX-License-Identifier: Apache-2.0
#include "segments.h"

#include "case.h"
#include "random.h"

enum { CODE = 2, CONFORMING = 3, DOWN = 1, DATA = 0, WINDOW_LEAD = 0x800, SEGMENT_PAGES = 0xfffff };

const struct ldt_row ldt_rows[LDT_COUNT] = {
    [LDT_NULL] = { 0, 0, DATA, .restricted = true, .absent = true },
    [LDT_CODE32] = { 0, SEGMENT_PAGES, CODE, .big = true, .pages = true },
    [LDT_DATA32] = { 0, SEGMENT_PAGES, DATA, .big = true, .pages = true },
    [LDT_WINDOW32] = { DATA_BASE - WINDOW_LEAD, WINDOW_LEAD + DATA_SIZE - 1, DATA, .big = true },
    [LDT_SHORT32] = { DATA_BASE, DATA_SIZE / 2 - 1, DATA, .big = true },
    [LDT_DOWN32] = { DATA_BASE, 0x3ff, DOWN, .big = true },
    [LDT_READ_ONLY] = { 0, SEGMENT_PAGES, DATA, .big = true, .pages = true, .restricted = true },
    [LDT_EXECUTE_ONLY] = { 0, SEGMENT_PAGES, CODE, .big = true, .pages = true, .restricted = true },
    [LDT_ABSENT] = { 0, SEGMENT_PAGES, DATA, .big = true, .pages = true, .absent = true },
    [LDT_CODE16] = { CODE_BASE, CODE_SIZE - 1, CODE, .restricted = true },
    [LDT_DATA16] = { DATA_BASE, DATA_SIZE - 1, DATA, .big = false },
    [LDT_DOWN16] = { DATA_BASE, 0x3ff, DOWN, .big = false },
    [LDT_CONFORMING] = { 0, SEGMENT_PAGES, CONFORMING, .big = true, .pages = true, .absent = true },
    [LDT_FAR32] = { DATA_BASE - 0x10000, SEGMENT_PAGES, DATA, .big = true, .pages = true },
    [LDT_WINDOW_CODE] = { DATA_BASE, DATA_SIZE - 1, CODE, .big = true },
};

/* access: bits 47:40 and 55:52 of the descriptor, as struct segment has them. */
static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t access)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(access & 0xff) << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(access >> 12 & 15) << 52 |
           (uint64_t)(base >> 24) << 56;
}

uint64_t ldt_descriptor(enum ldt_entry entry)
{
    const struct ldt_row *r = &ldt_rows[entry];
    uint32_t access =
        SEG_S | 3 << SEG_DPL_SHIFT | SEG_AVL | 1 /* accessed */ | (uint32_t)r->contents << 2;
    if (entry == LDT_NULL)
        return 0;
    access |= (r->restricted ? 0 : 2) | (r->absent ? 0 : SEG_P) | (r->big ? SEG_DB : 0) |
              (r->pages ? SEG_G : 0);
    return descriptor(r->base, r->limit, access);
}

/* The rest of Linux's GDT is of the kernel's privilege, or not present: the same to a user. */
uint64_t gdt_descriptor(unsigned entry, uint32_t per_cpu)
{
    switch (entry) {
    case SEL_CODE32 >> 3: return descriptor(0, SEGMENT_PAGES, 0xc0fb);
    case SEL_DATA32 >> 3: return descriptor(0, SEGMENT_PAGES, 0xc0f3);
    case SEL_CODE64 >> 3: return descriptor(0, SEGMENT_PAGES, 0xa0fb);
    case SEL_PER_CPU >> 3: return descriptor(0, per_cpu, 0x40f5);
    default: return 0;
    }
}

struct segment segment_of(uint16_t selector)
{
    unsigned entry = selector >> 3;
    uint64_t d = !(selector & 4)     ? gdt_descriptor(entry & 15, 0)
                 : entry < LDT_COUNT ? ldt_descriptor(entry)
                                     : 0;
    struct segment s = { .selector = selector, .access = SEG_UNUSABLE };
    if (!d)
        return s;
    s.access = (d >> 40 & 0xff) | (d >> 52 & 15) << 12;
    s.base = (d >> 16 & 0xffffff) | (d >> 56) << 24;
    s.limit = (uint32_t)((d & 0xffff) | (d >> 48 & 15) << 16);
    if (s.access & SEG_G)
        s.limit = s.limit << 12 | 0xfff;
    return s;
}

uint16_t value_selector(uint64_t *random)
{
    static const uint8_t global[] = { 0x23, 0x2b, 0x33, 0x10, 0x18, 0x40,
                                      0x50, 0x63, 0,    1,    2,    3 };
    uint64_t r = random_next(random) >> 16;
    if (random_percent(random, 5))
        return (uint16_t)r;
    if (random_percent(random, 35))
        return global[r % sizeof global];
    return (uint16_t)(LDT_SELECTOR(r % (LDT_COUNT + 1)) &
                      ~(random_percent(random, 25) ? r >> 8 & 3 : 0));
}
