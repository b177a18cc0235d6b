// SPDX-License-Identifier: Apache-2.0
// The I/O port space: ranges of ports, each with the functions of one device.
#ifndef SP_PLATFORM_BUS_H
#define SP_PLATFORM_BUS_H

#include <stdbool.h>
#include <stdint.h>

/* `offset` is relative to the range's first port, size is 1, 2 or 4. */
struct port_ops {
    uint32_t (*read)(void *device, uint16_t offset, unsigned size);
    void (*write)(void *device, uint16_t offset, unsigned size, uint32_t value);
    unsigned width;      /* widest access that reaches the device whole: 1, 2 or 4 */
};

enum { BUS_RANGES = 127 };

struct port_range {
    const struct port_ops *ops;
    void *device;
    uint16_t base;
    uint32_t count; /* 0: a free row of the table */
};

struct port_bus {
    struct port_range range[BUS_RANGES + 1];    /* [0]: no device */
    unsigned ranges;                            /* rows in use, or freed behind one in use */
    unsigned fixed;                             /* the first rows, which never change */
    uint8_t owner[0x10000];                     /* index into range, by port */
};

/* Gives [base, base + count) to a device; later ranges win.  False if the table is full or the
 * range leaves the port space. */
bool bus_map(struct port_bus *b, uint16_t base, unsigned count, const struct port_ops *ops,
             void *device);
/* Takes a range away again; what it covered shows. */
void bus_unmap(struct port_bus *b, uint16_t base, const struct port_ops *ops, const void *device);
/* True if a device answers at the port. */
static inline bool bus_claims(const struct port_bus *b, uint16_t port) { return b->owner[port]; }
/* An access of 1, 2 or 4 bytes, cut into pieces of the device's width as a bus does for narrow
 * devices. Ports without a device read all ones. */
uint32_t bus_read(struct port_bus *b, uint16_t port, unsigned size);
void bus_write(struct port_bus *b, uint16_t port, unsigned size, uint32_t value);

#endif
