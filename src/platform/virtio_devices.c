// SPDX-License-Identifier: Apache-2.0
#include "platform/virtio_devices.h"

#include <stdlib.h>

enum { FIRST_SLOT = 2 };

static bool add(struct virtio_devices *d, struct virtio *v, struct pci *bus, struct sp_error *e)
{
    uint8_t devfn = (uint8_t)((FIRST_SLOT + d->count) << 3);
    if (!virtio_pci_init(&d->function[d->count], v, bus, devfn, e))
        return false;
    d->count++;
    return true;
}

static bool build(struct virtio_devices *d, const struct virtio_devices_config *c,
                  const struct platform_host *host, struct mem *mem, struct pci *bus,
                  struct sp_error *e)
{
    if (c->disk_count > VIRTIO_DISKS_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "a machine has at most %d disks, not %zu",
                       VIRTIO_DISKS_MAX, c->disk_count);
    d->disk = calloc(c->disk_count + 1, sizeof *d->disk);
    if (!d->disk)
        return sp_fail(e, SP_EXIT_USAGE, "out of host memory");
    for (size_t k = 0; k < c->disk_count; k++) {
        virtio_blk_init(&d->disk[k], host, mem, &c->disks[k]);
        if (!add(d, &d->disk[k].virtio, bus, e))
            return false;
    }
    if (!c->console)
        return true;
    virtio_console_init(&d->console, host, mem, c->console_sink);
    return add(d, &d->console.virtio, bus, e);
}

struct virtio_devices *virtio_devices_create(const struct virtio_devices_config *config,
                                             const struct platform_host *host, struct mem *mem,
                                             struct pci *bus, struct sp_error *e)
{
    struct virtio_devices *d = calloc(1, sizeof *d);
    if (!d)
        sp_fail(e, SP_EXIT_USAGE, "out of host memory");
    else if (build(d, config, host, mem, bus, e))
        return d;
    virtio_devices_destroy(d);
    return NULL;
}

void virtio_devices_destroy(struct virtio_devices *d)
{
    if (d)
        free(d->disk);
    free(d);
}

void virtio_devices_reset(struct virtio_devices *d)
{
    for (unsigned k = 0; k < d->count; k++)
        virtio_pci_reset(&d->function[k]);
}

uint64_t virtio_devices_deadline(const struct virtio_devices *d)
{
    uint64_t due = NEVER;
    for (unsigned k = 0; k < d->count; k++)
        due = earlier(due, virtio_deadline(d->function[k].virtio));
    return due;
}

void virtio_devices_advance(struct virtio_devices *d, uint64_t now)
{
    for (unsigned k = 0; k < d->count; k++)
        virtio_advance(d->function[k].virtio, now);
}
