// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "mem/phys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

enum { REGION_MAX = 96 };
#define LOW_RAM_MAX UINT64_C(0xc0000000)
#define FOUR_GIB (UINT64_C(1) << 32)

struct region {
    uint64_t base, size;
    const struct mmio_ops *ops;   /* NULL: ROM */
    void *device;
    uint8_t *rom;
};

struct mem {
    struct mem_head head;
    uint64_t ram_size, low_end, high_end;
    struct region region[REGION_MAX];
    unsigned regions;
    void (*code_written)(void *context, uint64_t pa, size_t n);
    void *code_context;
};

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

struct mem *mem_create(uint64_t ram_size, struct sp_error *e)
{
    struct mem *m = calloc(1, sizeof *m);
    if (m && !(ram_size & ~PAGE_MASK) && ram_size && ram_size < BIT(46)) {
        m->ram_size = ram_size;
        m->low_end = ram_size < LOW_RAM_MAX ? ram_size : LOW_RAM_MAX;
        m->high_end = FOUR_GIB + (ram_size - m->low_end);
        m->head.plain_end = m->low_end;
        m->head.ram = reserve(ram_size);
        m->head.code_lines =
            reserve(((ram_size >> PAGE_SHIFT) * sizeof *m->head.code_lines + 0xfff) & PAGE_MASK);
        if (m->head.ram && m->head.code_lines)
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
    for (unsigned k = 0; k < m->regions; k++)
        free(m->region[k].rom);
    free(m);
}

uint64_t mem_low_ram_end(const struct mem *m) { return m->low_end; }
uint64_t mem_high_ram_end(const struct mem *m) { return m->high_end; }

static bool add_region(struct mem *m, struct region r)
{
    if (m->regions == REGION_MAX || (r.base | r.size) & ~PAGE_MASK || r.base + r.size < r.base)
        return false;
    m->region[m->regions++] = r;
    if (r.base + r.size > 0x100000 && r.base < m->head.plain_end)
        m->head.plain_end = r.base > 0x100000 ? r.base : 0x100000;
    return true;
}

bool mem_map_mmio(struct mem *m, uint64_t base, uint64_t size, const struct mmio_ops *ops,
                  void *device)
{
    return add_region(m,
                      (struct region){ .base = base, .size = size, .ops = ops, .device = device });
}

bool mem_map_rom(struct mem *m, uint64_t base, const void *image, uint64_t size)
{
    uint64_t whole = (size + 0xfff) & PAGE_MASK;
    uint8_t *copy = calloc(1, whole);
    if (!copy)
        return false;
    memcpy(copy, image, size);
    if (add_region(m, (struct region){ .base = base, .size = whole, .rom = copy }))
        return true;
    free(copy);
    return false;
}

/* Index into m->head.ram of a RAM address, or UINT64_MAX. */
static inline uint64_t ram_offset(const struct mem *m, uint64_t pa)
{
    if (pa < m->low_end)
        return pa;
    if (pa >= FOUR_GIB && pa < m->high_end)
        return pa - FOUR_GIB + m->low_end;
    return UINT64_MAX;
}

static const struct region *find_region(const struct mem *m, uint64_t pa)
{
    if (pa >= 0x100000 && pa < m->head.plain_end)
        return NULL;
    for (unsigned k = m->regions; k-- > 0;)
        if (pa - m->region[k].base < m->region[k].size)
            return &m->region[k];
    return NULL;
}

uint8_t *mem_page(const struct mem *m, uint64_t pa, enum page_kind *kind)
{
    const struct region *r = find_region(m, pa);
    pa &= PAGE_MASK;
    if (r) {
        *kind = r->ops ? PAGE_MMIO : PAGE_ROM;
        return r->ops ? NULL : r->rom + (pa - r->base);
    }
    uint64_t offset = ram_offset(m, pa);
    *kind = offset == UINT64_MAX ? PAGE_ABSENT : PAGE_RAM;
    return offset == UINT64_MAX ? NULL : m->head.ram + offset;
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

static void device_read(const struct region *r, uint64_t pa, uint8_t *out, size_t n)
{
    while (n) {
        size_t k = mmio_piece(pa, n);
        uint64_t v = r->ops->read(r->device, pa - r->base, (unsigned)k);
        memcpy(out, &v, k);
        out += k, pa += k, n -= k;
    }
}

static void device_write(const struct region *r, uint64_t pa, const uint8_t *in, size_t n)
{
    while (n) {
        size_t k = mmio_piece(pa, n);
        uint64_t v = 0;
        memcpy(&v, in, k);
        r->ops->write(r->device, pa - r->base, (unsigned)k, v);
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

void mem_write(struct mem *m, uint64_t pa, const void *buffer, size_t n)
{
    for (const uint8_t *in = buffer; n;) {
        size_t k = in_page(pa, n);
        enum page_kind kind;
        uint8_t *page = mem_page(m, pa, &kind);
        if (kind == PAGE_RAM) {
            if (unlikely(*mem_code_lines(m, pa) & line_mask(pa, k)) && m->code_written)
                m->code_written(m->code_context, pa, k);
            memcpy(page + (pa & 0xfff), in, k);
        } else if (kind == PAGE_MMIO) {
            device_write(find_region(m, pa), pa, in, k);
        }
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
