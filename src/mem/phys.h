// SPDX-License-Identifier: Apache-2.0
// The physical address space of one machine: RAM, ROM and memory-mapped devices.  This is the
// single accessor to guest memory: every byte that the simulator reads or writes for a guest passes
// here, or through a host pointer to one whole RAM page that mem_page() handed out.
#ifndef SP_MEM_PHYS_H
#define SP_MEM_PHYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

enum { PAGE_SHIFT = 12, PAGE_SIZE = 4096, CODE_LINE_SHIFT = 6 };
#define PAGE_MASK (~UINT64_C(0xfff))

/* A memory-mapped device: `offset` is relative to the region's base, size is 1, 2, 4 or 8.
 * Unaligned and odd-sized accesses are accepted; a device answers what its manual says. */
struct mmio_ops {
    uint64_t (*read)(void *device, uint64_t offset, unsigned size);
    void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
};

enum page_kind { PAGE_ABSENT, PAGE_RAM, PAGE_ROM, PAGE_MMIO };

/* The head of struct mem: RAM from 1 MiB up that no region covers, for the accessors that are
 * inline. */
struct mem_head {
    uint8_t *ram;                 /* host address of physical address 0                          */
    uint64_t *code_lines;         /* one word for each RAM page                                  */
    uint8_t *tables;              /* one byte for each: TABLE_WATCHED, and how often it was told  */
    uint64_t table_serial;
    uint64_t plain_end;           /* [1 MiB, plain_end) is plain                                 */
};
struct mem;

/* Creates an address space with `ram_size` bytes of RAM (a multiple of 4 KiB): all of it
 * from 0 if it is smaller than 0xb0000000, else 2 GiB there and the rest from 4 GiB up.  NULL and
 * *e (code SP_EXIT_USAGE) when the host cannot. */
struct mem *mem_create(uint64_t ram_size, struct sp_error *e);
void mem_destroy(struct mem *m);

uint64_t mem_low_ram_end(const struct mem *m);    /* end of RAM below 4 GiB */
uint64_t mem_high_ram_end(const struct mem *m);   /* end of RAM above 4 GiB, or 4 GiB when none */

/* A region over the address space: a device, or ROM. */
struct mem_region;

/* Maps a device (or a ROM copied from `image`) over [base, base+size), both multiples of 4 KiB;
 * later mappings win over earlier ones and over RAM.  False when the table of regions is full. */
bool mem_map_mmio(struct mem *m, uint64_t base, uint64_t size, const struct mmio_ops *ops,
                  void *device);
bool mem_map_rom(struct mem *m, uint64_t base, const void *image, uint64_t size);

/* The same for regions that come and go while the machine runs: created unmapped, NULL when the
 * table is full.  A ROM of size 0 takes its bytes from the RAM below it (shadow RAM that is
 * write-protected); one without image holds zeros. */
struct mem_region *mem_region_mmio(struct mem *m, const struct mmio_ops *ops, void *device);
struct mem_region *mem_region_rom(struct mem *m, const void *image, uint64_t size);
/* Hides the RAM below it: nothing answers there. */
struct mem_region *mem_region_hole(struct mem *m);
/* Writes to a ROM region reach the RAM below it (true) or nothing (false, the default). */
void mem_region_write_through(struct mem *m, struct mem_region *r, bool on);
/* Changes the bytes of a ROM that has an image; the caller keeps within its size, and does so
 * before the machine runs. */
void mem_region_fill(struct mem_region *r, uint64_t offset, const void *bytes, uint64_t n);
/* Shows a region at [base, base+size), or not at all (size 0). */
void mem_region_place(struct mem *m, struct mem_region *r, uint64_t base, uint64_t size);
/* `changed` runs after every change of [base, base+size) that mem_region_place() or
 * mem_region_write_through() made: cached translations and decoded code must go. */
void mem_watch_map(struct mem *m, void (*changed)(void *context, uint64_t base, uint64_t size),
                   void *context);

/* What stands at a physical address, and the host address of its 4 KiB page (RAM and ROM; else
 * NULL). */
enum page_kind mem_kind(const struct mem *m, uint64_t pa);
uint8_t *mem_page(const struct mem *m, uint64_t pa, enum page_kind *kind);

/* Reads or writes n bytes at pa, across pages and regions.  Absent memory reads as all ones and
 * swallows writes, as on a PC.  Writes to RAM that holds decoded code tell the code cache. */
void mem_read(struct mem *m, uint64_t pa, void *buffer, size_t n);
void mem_write(struct mem *m, uint64_t pa, const void *buffer, size_t n);
uint64_t mem_read_le_slow(struct mem *m, uint64_t pa, unsigned size);
void mem_write_le(struct mem *m, uint64_t pa, unsigned size, uint64_t value);

/* Host address of pa if that and the next n - 1 bytes are plain RAM of one page, else NULL. */
static inline uint8_t *mem_plain(const struct mem *m, uint64_t pa, unsigned n)
{
    const struct mem_head *h = (const struct mem_head *)m;
    bool plain = pa >= 0x100000 && pa < h->plain_end && (pa & (PAGE_SIZE - 1)) + n <= PAGE_SIZE;
    return plain ? h->ram + pa : NULL;
}
enum { TABLE_WATCHED = 0x80 };
/* The same for writing: the page holds neither decoded code nor watched paging structures. */
static inline uint8_t *mem_plain_for_write(const struct mem *m, uint64_t pa, unsigned n)
{
    const struct mem_head *h = (const struct mem_head *)m;
    uint8_t *host = mem_plain(m, pa, n);
    bool watched =
        host && (h->code_lines[pa >> PAGE_SHIFT] || h->tables[pa >> PAGE_SHIFT] & TABLE_WATCHED);
    return watched ? NULL : host;
}
/* A little-endian value of 1, 2, 4 or 8 bytes. */
static inline uint64_t mem_read_le(struct mem *m, uint64_t pa, unsigned size)
{
    uint64_t v = 0;
    const uint8_t *host = mem_plain(m, pa, size);
    if (!host)
        return mem_read_le_slow(m, pa, size);
    memcpy(&v, host, size);
    return v;
}

/* Code tracking: one bit for each 64-byte line of a RAM page that decoded blocks were read from.
 * mem_code_lines() points at the word of the page of pa, or is NULL where there is no RAM.
 * The watcher runs before the bytes change, for writes that touch a marked line. */
uint64_t *mem_code_lines(struct mem *m, uint64_t pa);
void mem_watch_code(struct mem *m, void (*written)(void *context, uint64_t pa, size_t n),
                    void *context);

/* Tracking of paging structures, for those who keep what they read there.  mem_watch_table() makes
 * sure that the serial changes before anything is written to the page of pa; false: it will not, for
 * there is no RAM, or it was written so often that watching does not pay.  *fresh: it was not
 * watched before, so that writers who know the page's host address have to forget it. */
bool mem_watch_table(struct mem *m, uint64_t pa, bool *fresh);
/* Whether it is watched; false may be wrong for RAM that is not plain. */
static inline bool mem_table_watched(const struct mem *m, uint64_t pa)
{
    const struct mem_head *h = (const struct mem_head *)m;
    return pa >= 0x100000 && pa < h->plain_end && h->tables[pa >> PAGE_SHIFT] & TABLE_WATCHED;
}
/* Changes with every write to a watched page. */
static inline uint64_t mem_table_serial(const struct mem *m)
{
    return ((const struct mem_head *)m)->table_serial;
}
/* Sets bits of a byte of RAM as a page walk sets accessed and dirty flags: the serial stays. */
void mem_set_flags(struct mem *m, uint64_t pa, uint8_t flags);
/* Whether writes to the page of pa have to come through mem_write(): it holds decoded code or
 * watched paging structures, or is no RAM. */
bool mem_watches_writes(struct mem *m, uint64_t pa);
/* Watches nothing, as at the beginning. */
void mem_restart_tables(struct mem *m);

#endif
