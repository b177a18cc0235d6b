// SPDX-License-Identifier: Apache-2.0
// The virtio devices of one machine: its disks and its console, a PCI slot each.
#ifndef SP_PLATFORM_VIRTIO_DEVICES_H
#define SP_PLATFORM_VIRTIO_DEVICES_H

#include "platform/block.h"
#include "platform/pci.h"
#include "platform/virtio_blk.h"
#include "platform/virtio_console.h"
#include "platform/virtio_pci.h"

enum { VIRTIO_DISKS_MAX = 16, VIRTIO_DEVICES_MAX = VIRTIO_DISKS_MAX + 1 };

struct virtio_devices_config {
    const struct block_disk *disks;
    size_t disk_count; /* at most VIRTIO_DISKS_MAX */
    bool console;
    struct char_sink console_sink;
};

struct virtio_devices {
    struct virtio_blk *disk; /* the first functions are theirs */
    struct virtio_console console;
    struct virtio_pci function[VIRTIO_DEVICES_MAX];
    unsigned count;
};

/* Puts the devices on the bus.  NULL and *e on failure. */
struct virtio_devices *virtio_devices_create(const struct virtio_devices_config *config,
                                             const struct platform_host *host, struct mem *mem,
                                             struct pci *bus, struct sp_error *e);
/* NULL is accepted. */
void virtio_devices_destroy(struct virtio_devices *d);
/* As after power-on; pci_reset() sees to the functions' configuration. */
void virtio_devices_reset(struct virtio_devices *d);
uint64_t virtio_devices_deadline(const struct virtio_devices *d);
void virtio_devices_advance(struct virtio_devices *d, uint64_t now);

#endif
