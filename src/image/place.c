// SPDX-License-Identifier: Apache-2.0
#include "image/place.h"

#include <string.h>

#include "base/bits.h"

void place_begin(struct place *p, struct machine *m, const char *name)
{
    *p = (struct place){ .machine = m, .mem = machine_mem(m), .name = name };
    p->map_count = machine_memory_map(m, p->map, ARRAY_SIZE(p->map));
    if (p->map_count > ARRAY_SIZE(p->map))
        p->map_count = ARRAY_SIZE(p->map);
}

void place_begin_in(struct place *p, struct mem *mem, const char *name)
{
    const uint64_t high = UINT64_C(1) << 32;
    *p = (struct place){ .mem = mem, .name = name };
    p->map[p->map_count++] = (struct memory_range){ 0, mem_low_ram_end(mem), 1 };
    if (mem_high_ram_end(mem) > high)
        p->map[p->map_count++] = (struct memory_range){ high, mem_high_ram_end(mem) - high, 1 };
}

static bool is_usable(const struct place *p, uint64_t base, uint64_t end)
{
    for (size_t k = 0; k < p->map_count; k++)
        if (p->map[k].type == 1 && base >= p->map[k].base && end <= p->map[k].base + p->map[k].size)
            return true;
    return false;
}

static bool take(struct place *p, uint64_t base, uint64_t end)
{
    if (p->taken_count == PLACE_RANGES_MAX)
        return false;
    p->taken[p->taken_count].base = base;
    p->taken[p->taken_count++].end = end;
    if (end > p->top)
        p->top = end;
    return true;
}

bool place_claim(struct place *p, uint64_t base, uint64_t size, uint64_t offset, struct sp_error *e)
{
    uint64_t end;
    if (!size)
        return true;
    if (__builtin_add_overflow(base, size, &end) || !is_usable(p, base, end))
        return sp_fail(e, SP_EXIT_BAD_IMAGE,
                       "%s: offset %#llx: asks for %#llx bytes at address %#llx, which is not in "
                       "the guest's RAM",
                       p->name, (unsigned long long)offset, (unsigned long long)size,
                       (unsigned long long)base);
    if (!take(p, base, end))
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: offset %#llx: more than %d ranges of memory",
                       p->name, (unsigned long long)offset, PLACE_RANGES_MAX);
    return true;
}

/* The end of a claimed range that overlaps [base, end), or 0. */
static uint64_t overlap(const struct place *p, uint64_t base, uint64_t end)
{
    for (size_t k = 0; k < p->taken_count; k++)
        if (base < p->taken[k].end && p->taken[k].base < end)
            return p->taken[k].end;
    return 0;
}

/* The lowest fitting base in [low, high), or UINT64_MAX. */
static uint64_t find_in(const struct place *p, uint64_t size, uint64_t align, uint64_t low,
                        uint64_t high)
{
    for (uint64_t base = low;;) {
        uint64_t end, next;
        if (__builtin_add_overflow(base, align - 1, &base))
            return UINT64_MAX;
        base &= ~(align - 1);
        if (__builtin_add_overflow(base, size, &end) || end > high)
            return UINT64_MAX;
        if (!(next = overlap(p, base, end)))
            return base;
        base = next;
    }
}

/* Claims what was found; UINT64_MAX stands for nothing. */
static bool take_found(struct place *p, uint64_t found, uint64_t size, uint64_t *base,
                       struct sp_error *e)
{
    if (found == UINT64_MAX || !take(p, found, found + size))
        return sp_fail(e, SP_EXIT_BAD_IMAGE,
                       "%s: no room for %llu bytes in the guest's RAM (-m gives more)", p->name,
                       (unsigned long long)size);
    *base = found;
    return true;
}

typedef uint64_t find_fn(const struct place *p, uint64_t size, uint64_t align, uint64_t low,
                         uint64_t high);

/* The lowest, or highest, base that `find` offers in the RAM between low and high. */
static uint64_t best_in_ram(const struct place *p, find_fn *find, bool highest, uint64_t size,
                            uint64_t align, uint64_t low, uint64_t high)
{
    uint64_t best = UINT64_MAX;
    for (size_t k = 0; k < p->map_count; k++) {
        uint64_t start = p->map[k].base, end = start + p->map[k].size;
        if (p->map[k].type != 1)
            continue;
        uint64_t found = find(p, size, align, start > low ? start : low, end < high ? end : high);
        if (found != UINT64_MAX && (best == UINT64_MAX || (found > best) == highest))
            best = found;
    }
    return best;
}

bool place_find(struct place *p, uint64_t size, uint64_t align, uint64_t low, uint64_t high,
                uint64_t *base, struct sp_error *e)
{
    size += !size;
    return take_found(p, best_in_ram(p, find_in, false, size, align, low, high), size, base, e);
}

/* The start of a claimed range that overlaps [base, end), or UINT64_MAX. */
static uint64_t overlap_start(const struct place *p, uint64_t base, uint64_t end)
{
    for (size_t k = 0; k < p->taken_count; k++)
        if (base < p->taken[k].end && p->taken[k].base < end)
            return p->taken[k].base;
    return UINT64_MAX;
}

/* The highest fitting base in [low, high), or UINT64_MAX. */
static uint64_t find_last_in(const struct place *p, uint64_t size, uint64_t align, uint64_t low,
                             uint64_t high)
{
    while (high >= low && high - low >= size) {
        uint64_t base = (high - size) & ~(align - 1), below;
        if (base < low)
            break;
        if ((below = overlap_start(p, base, base + size)) == UINT64_MAX)
            return base;
        high = below;
    }
    return UINT64_MAX;
}

bool place_find_last(struct place *p, uint64_t size, uint64_t align, uint64_t low, uint64_t high,
                     uint64_t *base, struct sp_error *e)
{
    size += !size;
    return take_found(p, best_in_ram(p, find_last_in, true, size, align, low, high), size, base, e);
}

void place_zero(struct place *p, uint64_t base, uint64_t size)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint8_t now[PAGE_SIZE];
    while (size) {
        size_t n = PAGE_SIZE - (base & (PAGE_SIZE - 1));
        n = n < size ? n : size;
        mem_read(p->mem, base, now, n);
        if (memcmp(now, zeros, n))
            mem_write(p->mem, base, zeros, n);
        base += n, size -= n;
    }
}
