// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mem/phys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mem/internal.h"

#define LOW_RAM_MAX UINT64_C(0xb0000000)
#define LOW_RAM_SPLIT UINT64_C(0x80000000)
#define ONE_MIB UINT64_C(0x100000)
#define FOUR_GIB (UINT64_C(1) << 32)

/* Lazily committed zero pages; a guest's RAM costs nothing until it is touched.  Large host pages
 * where the host has them: guests with large pages would otherwise miss the host's TLB at every
 * step. */
static void *reserve(uint64_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, size, MADV_HUGEPAGE);
    return p;
}

/* Private anonymous memory that was given back reads as zeros. */
void mem_clear(void *at, uint64_t n)
{
    if (madvise(at, n, MADV_DONTNEED))
        memset(at, 0, n);
}

static uint64_t table_bytes(const struct mem *m)
{
    return ((m->ram_size >> PAGE_SHIFT) + 0xfff) & PAGE_MASK;
}

struct mem *mem_create(uint64_t ram_size, struct sp_error *e)
{
    struct mem *m = calloc(1, sizeof *m);
    if (m && !(ram_size & ~PAGE_MASK) && ram_size && ram_size < BIT(46)) {
        m->ram_size = ram_size;
        m->low_end = ram_size < LOW_RAM_MAX ? ram_size : LOW_RAM_SPLIT;
        m->high_end = FOUR_GIB + (ram_size - m->low_end);
        m->head.plain_end = m->low_end;
        m->head.ram = reserve(ram_size);
        m->head.code_lines =
            reserve(((ram_size >> PAGE_SHIFT) * sizeof *m->head.code_lines + 0xfff) & PAGE_MASK);
        m->head.tables = reserve(table_bytes(m));
        if (m->head.ram && m->head.code_lines && m->head.tables)
            return m;
    }
    mem_destroy(m);
    sp_fail(e, SP_EXIT_USAGE, "cannot reserve %llu bytes of guest memory",
            (unsigned long long)ram_size);
    return NULL;
}

void mem_destroy(struct mem *m)
{
    if (!m)
        return;
    if (m->head.ram)
        munmap(m->head.ram, m->ram_size);
    if (m->head.code_lines)
        munmap(m->head.code_lines,
               ((m->ram_size >> PAGE_SHIFT) * sizeof *m->head.code_lines + 0xfff) & PAGE_MASK);
    if (m->head.tables)
        munmap(m->head.tables, table_bytes(m));
    for (unsigned k = 0; k < m->regions; k++)
        free(m->region[k].rom);
    free(m);
}

uint64_t mem_low_ram_end(const struct mem *m) { return m->low_end; }
uint64_t mem_high_ram_end(const struct mem *m) { return m->high_end; }

/* ---- regions ---- */

void mem_update_bounds(struct mem *m)
{
    uint64_t plain = m->low_end, top = 0;
    for (const struct mem_region *r = m->region; r < m->region + m->regions; r++) {
        uint64_t end = r->base + r->size;
        if (r->size && end > ONE_MIB && r->base < plain)
            plain = r->base > ONE_MIB ? r->base : ONE_MIB;
        if (r->size && end > top)
            top = end;
    }
    m->head.plain_end = plain;
    m->regions_end = top;
}

static struct mem_region *new_region(struct mem *m)
{
    return m->regions < REGION_MAX ? &m->region[m->regions++] : NULL;
}

struct mem_region *mem_region_mmio(struct mem *m, const struct mmio_ops *ops, void *device)
{
    struct mem_region *r = new_region(m);
    if (r)
        *r = (struct mem_region){ .ops = ops, .device = device };
    return r;
}

struct mem_region *mem_region_rom(struct mem *m, const void *image, uint64_t size)
{
    uint64_t pages = (size + 0xfff) & PAGE_MASK;
    uint8_t *copy = size ? calloc(1, pages) : NULL;
    struct mem_region *r = size && !copy ? NULL : new_region(m);
    if (!r) {
        free(copy);
        return NULL;
    }
    if (copy && image)
        memcpy(copy, image, size);
    *r = (struct mem_region){ .rom = copy, .rom_size = pages };
    return r;
}

struct mem_region *mem_region_hole(struct mem *m)
{
    struct mem_region *r = new_region(m);
    if (r)
        *r = (struct mem_region){ .hole = true };
    return r;
}

void mem_region_fill(struct mem_region *r, uint64_t offset, const void *bytes, uint64_t n)
{
    memcpy(r->rom + offset, bytes, n);
}

static void tell(const struct mem *m, uint64_t base, uint64_t size)
{
    if (size && m->map_changed)
        m->map_changed(m->map_context, base, size);
}

void mem_region_write_through(struct mem *m, struct mem_region *r, bool on)
{
    if (r->through == on)
        return;
    r->through = on;
    tell(m, r->base, r->size);
}

void mem_region_place(struct mem *m, struct mem_region *r, uint64_t base, uint64_t size)
{
    uint64_t old_base = r->base, old_size = r->size, end;
    if ((base | size) & ~PAGE_MASK || __builtin_add_overflow(base, size, &end))
        size = 0;
    if (size == old_size && (!size || base == old_base))
        return;
    r->base = base;
    r->size = size;
    mem_update_bounds(m);
    tell(m, old_base, old_size);
    tell(m, base, size);
}

void mem_watch_map(struct mem *m, void (*changed)(void *context, uint64_t base, uint64_t size),
                   void *context)
{
    m->map_changed = changed;
    m->map_context = context;
}

bool mem_map_mmio(struct mem *m, uint64_t base, uint64_t size, const struct mmio_ops *ops,
                  void *device)
{
    struct mem_region *r = mem_region_mmio(m, ops, device);
    if (r)
        mem_region_place(m, r, base, size);
    return r;
}

bool mem_map_rom(struct mem *m, uint64_t base, const void *image, uint64_t size)
{
    struct mem_region *r = mem_region_rom(m, image, size);
    if (r)
        mem_region_place(m, r, base, (size + 0xfff) & PAGE_MASK);
    return r;
}

/* ---- what stands where ---- */

/* Index into m->head.ram of a RAM address, or UINT64_MAX. */
static inline uint64_t ram_offset(const struct mem *m, uint64_t pa)
{
    if (pa < m->low_end)
        return pa;
    if (pa >= FOUR_GIB && pa < m->high_end)
        return pa - FOUR_GIB + m->low_end;
    return UINT64_MAX;
}

static uint8_t *ram_page(const struct mem *m, uint64_t pa)
{
    uint64_t offset = ram_offset(m, pa & PAGE_MASK);
    return offset == UINT64_MAX ? NULL : m->head.ram + offset;
}

/* The region that answers at pa.  One that reads and writes the RAM below hides nothing. */
static const struct mem_region *find_region(const struct mem *m, uint64_t pa)
{
    if ((pa >= ONE_MIB && pa < m->head.plain_end) || pa >= m->regions_end)
        return NULL;
    for (unsigned k = m->regions; k-- > 0;) {
        const struct mem_region *r = &m->region[k];
        if (pa - r->base < r->size && (r->ops || r->rom || !r->through))
            return r;
    }
    return NULL;
}

uint8_t *mem_page(const struct mem *m, uint64_t pa, enum page_kind *kind)
{
    const struct mem_region *r = find_region(m, pa);
    uint8_t *ram = ram_page(m, pa);
    if (!r) {
        *kind = ram ? PAGE_RAM : PAGE_ABSENT;
        return ram;
    }
    *kind = r->ops ? PAGE_MMIO : r->hole ? PAGE_ABSENT : PAGE_ROM;
    if (r->ops || r->hole)
        return NULL;
    return r->rom ? r->rom + ((pa & PAGE_MASK) - r->base) : ram;
}

enum page_kind mem_kind(const struct mem *m, uint64_t pa)
{
    enum page_kind kind;
    mem_page(m, pa, &kind);
    return kind;
}

uint64_t *mem_code_lines(struct mem *m, uint64_t pa)
{
    uint64_t offset = find_region(m, pa) ? UINT64_MAX : ram_offset(m, pa);
    return offset == UINT64_MAX ? NULL : &m->head.code_lines[offset >> PAGE_SHIFT];
}

void mem_watch_code(struct mem *m, void (*written)(void *context, uint64_t pa, size_t n),
                    void *context)
{
    m->code_written = written;
    m->code_context = context;
}

/* ---- paging structures ---- */

/* A page that was written this often while it was watched is not watched again. */
enum { TABLE_WRITES_MAX = 4 };

static uint8_t *table_state(struct mem *m, uint64_t pa)
{
    uint64_t offset = find_region(m, pa) ? UINT64_MAX : ram_offset(m, pa);
    return offset == UINT64_MAX ? NULL : &m->head.tables[offset >> PAGE_SHIFT];
}

bool mem_watch_table(struct mem *m, uint64_t pa, bool *fresh)
{
    uint8_t *state = table_state(m, pa);
    *fresh = false;
    if (!state || *state == TABLE_WRITES_MAX)
        return false;
    *fresh = !(*state & TABLE_WATCHED);
    *state |= TABLE_WATCHED;
    return true;
}

static void table_written(struct mem *m, uint64_t pa)
{
    uint8_t *state = table_state(m, pa);
    if (likely(!state || !(*state & TABLE_WATCHED)))
        return;
    *state = (uint8_t)((*state & ~TABLE_WATCHED) + 1);
    m->head.table_serial++;
}

bool mem_watches_writes(struct mem *m, uint64_t pa)
{
    const uint64_t *lines = mem_code_lines(m, pa);
    return !lines || *lines || *table_state(m, pa) & TABLE_WATCHED;
}

void mem_restart_tables(struct mem *m)
{
    mem_clear(m->head.tables, table_bytes(m));
    m->head.table_serial++;
}

/* Devices see aligned power-of-two pieces, at most 8 bytes each. */
static size_t mmio_piece(uint64_t pa, size_t n)
{
    size_t piece = n >= 8 ? 8 : n >= 4 ? 4 : n >= 2 ? 2 : 1;
    while (piece > 1 && pa & (piece - 1))
        piece >>= 1;
    return piece;
}

/* The part of [pa, pa + n) that lies in pa's page. */
static size_t in_page(uint64_t pa, size_t n)
{
    size_t room = PAGE_SIZE - (pa & (PAGE_SIZE - 1));
    return n < room ? n : room;
}

/* The device may move its own region: the offset counts from where it stood. */
static void device_read(const struct mem_region *r, uint64_t pa, uint8_t *out, size_t n)
{
    const uint64_t base = r->base;
    while (n) {
        size_t k = mmio_piece(pa, n);
        uint64_t v = r->ops->read(r->device, pa - base, (unsigned)k);
        memcpy(out, &v, k);
        out += k, pa += k, n -= k;
    }
}

static void device_write(const struct mem_region *r, uint64_t pa, const uint8_t *in, size_t n)
{
    const uint64_t base = r->base;
    while (n) {
        size_t k = mmio_piece(pa, n);
        uint64_t v = 0;
        memcpy(&v, in, k);
        r->ops->write(r->device, pa - base, (unsigned)k, v);
        in += k, pa += k, n -= k;
    }
}

void mem_read(struct mem *m, uint64_t pa, void *buffer, size_t n)
{
    for (uint8_t *out = buffer; n;) {
        size_t k = in_page(pa, n);
        enum page_kind kind;
        uint8_t *page = mem_page(m, pa, &kind);
        if (page)
            memcpy(out, page + (pa & 0xfff), k);
        else if (kind == PAGE_MMIO)
            device_read(find_region(m, pa), pa, out, k);
        else
            memset(out, 0xff, k);
        out += k, pa += k, n -= k;
    }
}

/* The lines of 64 bytes that [pa, pa + n), within one page, touches. */
static uint64_t line_mask(uint64_t pa, size_t n)
{
    unsigned first = (pa & 0xfff) >> CODE_LINE_SHIFT,
             last = ((pa & 0xfff) + n - 1) >> CODE_LINE_SHIFT;
    return bits(~UINT64_C(0), last - first, 0) << first;
}

static void write_ram_quietly(struct mem *m, uint64_t pa, const uint8_t *in, size_t n)
{
    uint64_t *lines = mem_code_lines(m, pa);
    if (unlikely(lines && *lines & line_mask(pa, n)) && m->code_written)
        m->code_written(m->code_context, pa, n);
    uint8_t *page = ram_page(m, pa);
    if (page)
        memcpy(page + (pa & 0xfff), in, n);
}

static void write_ram(struct mem *m, uint64_t pa, const uint8_t *in, size_t n)
{
    table_written(m, pa);
    write_ram_quietly(m, pa, in, n);
}

void mem_set_flags(struct mem *m, uint64_t pa, uint8_t flags)
{
    uint8_t byte;
    mem_read(m, pa, &byte, 1);
    byte |= flags;
    if (find_region(m, pa))
        mem_write(m, pa, &byte, 1);
    else
        write_ram_quietly(m, pa, &byte, 1);
}

void mem_write(struct mem *m, uint64_t pa, const void *buffer, size_t n)
{
    for (const uint8_t *in = buffer; n;) {
        size_t k = in_page(pa, n);
        const struct mem_region *r = find_region(m, pa);
        if (!r || r->through)
            write_ram(m, pa, in, k);
        else if (r->ops)
            device_write(r, pa, in, k);
        in += k, pa += k, n -= k;
    }
}

uint64_t mem_read_le_slow(struct mem *m, uint64_t pa, unsigned size)
{
    uint64_t v = 0;
    mem_read(m, pa, &v, size);
    return v;
}

void mem_write_le(struct mem *m, uint64_t pa, unsigned size, uint64_t value)
{
    mem_write(m, pa, &value, size);
}
