// SPDX-License-Identifier: Apache-2.0
// A driver for one virtqueue, for unit tests: rings at fixed places in RAM, chains by number.
#ifndef SP_TESTS_VIRTIO_DRIVER_H
#define SP_TESTS_VIRTIO_DRIVER_H

#include <criterion/criterion.h>
#include <string.h>

#include "mem/phys.h"

enum { DRIVER_NEXT = 1, DRIVER_WRITE = 2, DRIVER_INDIRECT = 4 };
enum { DRIVER_RAM = 16 << 20, DRIVER_STRIDE = 0x10000, DRIVER_RINGS = 0x200000 };

struct driver {
    struct mem *mem;
    uint64_t descriptors, available, used;
    uint16_t size, index; /* index: of the available ring */
};

static inline struct driver driver_new(struct mem *m, unsigned queue, uint16_t size)
{
    uint64_t base = DRIVER_RINGS + (uint64_t)queue * DRIVER_STRIDE;
    return (struct driver){ m, base, base + 0x4000, base + 0x8000, size, 0 };
}

static inline void driver_descriptor(const struct driver *d, uint64_t table, unsigned k,
                                     uint64_t address, uint32_t size, uint16_t flags, uint16_t next)
{
    mem_write_le(d->mem, table + 16 * k, 8, address);
    mem_write_le(d->mem, table + 16 * k + 8, 4, size);
    mem_write_le(d->mem, table + 16 * k + 12, 2, flags);
    mem_write_le(d->mem, table + 16 * k + 14, 2, next);
}

/* Descriptor k of the queue's own table. */
static inline void driver_set(const struct driver *d, unsigned k, uint64_t address, uint32_t size,
                              uint16_t flags, uint16_t next)
{
    driver_descriptor(d, d->descriptors, k, address, size, flags, next);
}

/* Makes a chain available. */
static inline void driver_offer(struct driver *d, uint16_t head)
{
    mem_write_le(d->mem, d->available + 4 + 2 * (d->index % d->size), 2, head);
    mem_write_le(d->mem, d->available + 2, 2, ++d->index);
}

static inline uint16_t driver_used(const struct driver *d)
{
    return (uint16_t)mem_read_le(d->mem, d->used + 2, 2);
}

/* What the device returned as its n-th chain. */
static inline uint32_t driver_used_id(const struct driver *d, unsigned n)
{
    return (uint32_t)mem_read_le(d->mem, d->used + 4 + 8 * (n % d->size), 4);
}
static inline uint32_t driver_used_size(const struct driver *d, unsigned n)
{
    return (uint32_t)mem_read_le(d->mem, d->used + 8 + 8 * (n % d->size), 4);
}

#endif
