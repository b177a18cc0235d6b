// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mem/saved.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "mem/internal.h"

#define SAVED_ROWS "mem/saved.def"
#include "base/saved_tables.h"

#define NO_PAGE UINT64_MAX

void mem_built(struct mem *m) { m->built = m->regions; }

/* Nothing is decoded any more. */
static void forget_code(struct mem *m)
{
    mem_clear(m->head.code_lines, (m->ram_size >> PAGE_SHIFT) * sizeof *m->head.code_lines);
}

/* ---- RAM: pages with their place, then NO_PAGE ---- */

static bool save_ram(struct mem *m, struct saved_stream *s)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint64_t end = NO_PAGE;
    for (uint64_t at = 0; at < m->ram_size; at += PAGE_SIZE)
        if (memcmp(m->head.ram + at, zeros, PAGE_SIZE) &&
            (!saved_number(s, &at) || !saved_bytes(s, m->head.ram + at, PAGE_SIZE)))
            return false;
    return saved_number(s, &end);
}

static bool load_ram(struct mem *m, struct saved_stream *s)
{
    uint64_t at;
    mem_clear(m->head.ram, m->ram_size);
    while (saved_number(s, &at) && at != NO_PAGE) {
        if (at >= m->ram_size || at & (PAGE_SIZE - 1))
            return saved_fail(s, "a page at %#llx of RAM", (unsigned long long)at);
        if (!saved_bytes(s, m->head.ram + at, PAGE_SIZE))
            return false;
    }
    return !s->failed;
}

/* ---- regions ---- */

enum region_kind { REGION_DEVICE, REGION_SHADOW, REGION_HOLE, REGION_ROM };
enum { ROM_MAX = 16 << 20 };

static enum region_kind kind_of(const struct mem_region *r)
{
    return r->ops ? REGION_DEVICE : r->hole ? REGION_HOLE : r->rom ? REGION_ROM : REGION_SHADOW;
}

static bool make_region(struct mem *m, struct saved_stream *s, enum region_kind kind,
                        uint64_t rom_size, bool (*make_device)(void *context), void *context)
{
    unsigned before = m->regions;
    if (kind == REGION_DEVICE && make_device)
        make_device(context);
    else if (kind == REGION_ROM && rom_size <= ROM_MAX)
        mem_region_rom(m, NULL, rom_size);
    return m->regions == before + 1 || saved_fail(s, "a memory region of unknown kind");
}

/* Region k: of the same kind as in the saved machine, or made so. */
static bool region_there(struct mem *m, struct saved_stream *s, unsigned k,
                         bool (*make_device)(void *context), void *context)
{
    const struct mem_region *r = &m->region[k];
    uint64_t kind, rom_size;
    if (k < m->regions)
        return saved_same(s, kind_of(r), "kind of a memory region") &&
               saved_same(s, r->rom_size, "size of a ROM");
    return saved_number(s, &kind) && saved_number(s, &rom_size) &&
           make_region(m, s, (enum region_kind)kind, rom_size, make_device, context);
}

static bool rom_fits(const struct mem_region *r)
{
    return !r->rom || r->size <= r->rom_size;
}

static bool region_saved(struct mem_region *r, struct saved_stream *s)
{
    uint64_t end;
    if (!saved_object(s, saved_mem_region(), r) || (r->rom && !saved_bytes(s, r->rom, r->rom_size)))
        return false;
    bool sane = !((r->base | r->size) & ~PAGE_MASK) && rom_fits(r) &&
                !__builtin_add_overflow(r->base, r->size, &end);
    if (!sane)
        r->size = 0;
    return sane || saved_fail(s, "a memory region that cannot stand where it should");
}

static void forget_later_regions(struct mem *m)
{
    while (m->regions > m->built) {
        struct mem_region *r = &m->region[--m->regions];
        free(r->rom);
        *r = (struct mem_region){ 0 };
    }
}

bool mem_saved(struct mem *m, struct saved_stream *s, bool (*make_device)(void *context),
               void *context)
{
    uint64_t count = m->regions;
    forget_code(m);
    if (!(s->loading ? load_ram(m, s) : save_ram(m, s)) || !saved_number(s, &count))
        return false;
    if (s->loading)
        forget_later_regions(m);
    if (count < m->built || count > REGION_MAX)
        return saved_fail(s, "%llu memory regions", (unsigned long long)count);
    for (unsigned k = 0; k < count; k++)
        if (!region_there(m, s, k, make_device, context) || !region_saved(&m->region[k], s))
            return false;
    mem_update_bounds(m);
    return true;
}
