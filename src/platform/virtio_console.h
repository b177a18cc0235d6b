// SPDX-License-Identifier: Apache-2.0
// virtio-console with one port (Virtual I/O Device 1.2, "Console Device").
#ifndef SP_PLATFORM_VIRTIO_CONSOLE_H
#define SP_PLATFORM_VIRTIO_CONSOLE_H

#include "platform/virtio.h"

struct virtio_console {
    struct virtio virtio;
    struct char_sink sink;
    uint64_t next_poll; /* tick of the next look for input */
};

void virtio_console_init(struct virtio_console *c, const struct platform_host *host,
                         struct mem *mem, struct char_sink sink);

#endif
