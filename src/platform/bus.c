// SPDX-License-Identifier: Apache-2.0
#include "platform/bus.h"

#include "base/bits.h"

static unsigned free_row(struct port_bus *b)
{
    for (unsigned k = 1; k <= b->ranges; k++)
        if (!b->range[k].count)
            return k;
    return b->ranges < BUS_RANGES ? ++b->ranges : 0;
}

bool bus_map(struct port_bus *b, uint16_t base, unsigned count, const struct port_ops *ops,
             void *device)
{
    if (!count || base + count > 0x10000)
        return false;
    unsigned row = free_row(b);
    if (!row)
        return false;
    b->range[row] = (struct port_range){ ops, device, base, count };
    for (unsigned k = 0; k < count; k++)
        b->owner[base + k] = (uint8_t)row;
    return true;
}

/* The last range of the table that holds the port, 0 if none does. */
static unsigned owner_of(const struct port_bus *b, unsigned port)
{
    unsigned row = b->ranges;
    while (row && !(port - b->range[row].base < b->range[row].count))
        row--;
    return row;
}

void bus_unmap(struct port_bus *b, uint16_t base, const struct port_ops *ops, const void *device)
{
    for (unsigned row = 1; row <= b->ranges; row++) {
        struct port_range *r = &b->range[row];
        if (!r->count || r->base != base || r->ops != ops || r->device != device)
            continue;
        unsigned count = r->count;
        *r = (struct port_range){ 0 };
        for (unsigned k = 0; k < count; k++)
            if (b->owner[base + k] == row)
                b->owner[base + k] = (uint8_t)owner_of(b, base + k);
        return;
    }
}

/* The bytes of an access at `port` that one cycle carries: at most `left`, at most the device's
 * width, and naturally aligned. */
static unsigned piece(const struct port_range *r, uint16_t port, unsigned left)
{
    unsigned n = r->ops ? r->ops->width : 1;
    while (n > left || port & (n - 1))
        n >>= 1;
    return n;
}

uint32_t bus_read(struct port_bus *b, uint16_t port, unsigned size)
{
    uint32_t value = 0;
    for (unsigned done = 0, n; done < size; done += n) {
        uint16_t p = (uint16_t)(port + done);
        const struct port_range *r = &b->range[b->owner[p]];
        n = piece(r, p, size - done);
        uint64_t v = r->ops ? r->ops->read(r->device, (uint16_t)(p - r->base), n) : ~UINT64_C(0);
        value |= (uint32_t)((v & size_mask(n)) << (8 * done));
    }
    return value;
}

void bus_write(struct port_bus *b, uint16_t port, unsigned size, uint32_t value)
{
    for (unsigned done = 0, n; done < size; done += n) {
        uint16_t p = (uint16_t)(port + done);
        const struct port_range *r = &b->range[b->owner[p]];
        n = piece(r, p, size - done);
        if (r->ops)
            r->ops->write(r->device, (uint16_t)(p - r->base), n,
                          (uint32_t)(value >> (8 * done) & size_mask(n)));
    }
}
