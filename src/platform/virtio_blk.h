// SPDX-License-Identifier: Apache-2.0
// virtio-blk (Virtual I/O Device 1.2, "Block Device").  Requests complete at once, in the order in
// which they were made available.
#ifndef SP_PLATFORM_VIRTIO_BLK_H
#define SP_PLATFORM_VIRTIO_BLK_H

#include "platform/block.h"
#include "platform/virtio.h"

enum { VIRTIO_BLK_CONFIG = 60, VIRTIO_BLK_ID = 20, VIRTIO_BLK_BUFFER = 65536 };

struct virtio_blk {
    struct virtio virtio;
    struct block_store store;
    char id[VIRTIO_BLK_ID]; /* padded with zeros */
    uint8_t config[VIRTIO_BLK_CONFIG];
    uint8_t buffer[VIRTIO_BLK_BUFFER]; /* on the way between guest and storage */
};

void virtio_blk_init(struct virtio_blk *b, const struct platform_host *host, struct mem *mem,
                     const struct block_disk *disk);

#endif
