// SPDX-License-Identifier: Apache-2.0
// The inside of struct mem, for the files of this folder.
#ifndef SP_MEM_INTERNAL_H
#define SP_MEM_INTERNAL_H

#include "base/bits.h"
#include "mem/phys.h"

enum { REGION_MAX = 128 };

struct mem_region {
    uint64_t base, size;        /* size 0: not shown                     */
    const struct mmio_ops *ops; /* NULL: ROM                             */
    void *device;
    uint8_t *rom;               /* NULL: the RAM below                   */
    uint64_t rom_size;          /* whole pages                           */
    bool through;               /* writes to the ROM go to the RAM below */
    bool hole;                  /* nothing answers                       */
};

struct mem {
    struct mem_head head;
    uint64_t ram_size, low_end, high_end;
    struct mem_region region[REGION_MAX];
    unsigned regions;
    unsigned built;             /* regions that every machine of this configuration has */
    uint64_t regions_end;       /* no region reaches beyond */
    void (*code_written)(void *context, uint64_t pa, size_t n);
    void *code_context;
    void (*map_changed)(void *context, uint64_t base, uint64_t size);
    void *map_context;
};

/* Makes whole pages zeros. */
void mem_clear(void *at, uint64_t n);
/* Recomputes what depends on where regions stand. */
void mem_update_bounds(struct mem *m);

#endif
