// SPDX-License-Identifier: Apache-2.0
// What all virtio devices have in common (Virtual I/O Device 1.2, "Basic Facilities of a Virtio
// Device"), whatever bus they hang on: status, feature negotiation, queues, configuration.
#ifndef SP_PLATFORM_VIRTIO_H
#define SP_PLATFORM_VIRTIO_H

#include "base/bits.h"
#include "platform/host.h"
#include "platform/virtio_queue.h"

enum { VIRTIO_QUEUES_MAX = 2 };
enum virtio_status {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 0x40,
    VIRTIO_FAILED = 0x80
};
#define VIRTIO_F_INDIRECT_DESC BIT(28)
#define VIRTIO_F_EVENT_IDX BIT(29)
#define VIRTIO_F_VERSION_1 BIT(32)

struct virtio;

/* A kind of device. */
struct virtio_type {
    uint16_t id;        /* "Device Types"                                     */
    uint32_t pci_class; /* base class, subclass, interface                    */
    unsigned queues;
    uint32_t served; /* queues whose chains serve() takes, one bit each    */
    /* Does what a chain asks for; returns how many of its writable bytes it filled, from the first
     * on.  May call virtio_break(). */
    uint32_t (*serve)(struct virtio *v, unsigned queue, const struct virtio_chain *c);
    /* For devices that act of themselves: when they want to, and then.  NULL: never. */
    uint64_t (*deadline)(const struct virtio *v);
    void (*advance)(struct virtio *v, uint64_t now);
};

/* The bus: how the driver is told, with the queue's vector or the configuration's. */
struct virtio_transport {
    void *context;
    void (*queue_used)(void *context, unsigned queue);
    void (*config_changed)(void *context);
    bool (*may_transfer)(void *context); /* memory may be accessed */
};

struct virtio {
    const struct virtio_type *type;
    const struct platform_host *host;
    struct mem *mem;
    struct virtio_transport transport;
    uint64_t offered, accepted; /* feature bits                                       */
    uint8_t status;             /* enum virtio_status                                 */
    const uint8_t *config;      /* the device's configuration; constant and read-only */
    unsigned config_size;
    struct virtio_queue queue[VIRTIO_QUEUES_MAX];
    uint32_t waiting; /* queues with chains left for a later tick           */
    uint64_t resume;  /* that tick                                          */
};

/* The caller has set the type, host, mem, config and the device's features in `offered`. */
void virtio_init(struct virtio *v);
/* As after power-on and after the driver writes 0 to the status. */
void virtio_reset(struct virtio *v);

/* ---- for the transport ---- */

void virtio_write_status(struct virtio *v, uint8_t status);
/* Feature bits 32 * half on. */
uint32_t virtio_features(uint64_t features, uint32_t half);
void virtio_accept(struct virtio *v, uint32_t half, uint32_t features);
/* The driver has filled a queue's fields: they are frozen, the device may use it. */
void virtio_enable(struct virtio *v, unsigned queue);
/* The driver says that there are new chains in a queue. */
void virtio_notify(struct virtio *v, unsigned queue);
uint64_t virtio_deadline(const struct virtio *v);
void virtio_advance(struct virtio *v, uint64_t now);

/* ---- for devices ---- */

static inline bool virtio_has(const struct virtio *v, uint64_t feature)
{
    return v->accepted & feature;
}
/* Whether the driver runs, the device is whole, and the queue is in use. */
bool virtio_ready(const struct virtio *v, unsigned queue);
/* Tells the driver of the chains that were returned, if it wants to know. */
void virtio_tell(struct virtio *v, unsigned queue);
/* The driver did what leaves no way on: DEVICE_NEEDS_RESET ("Device Status Field"). */
void virtio_break(struct virtio *v, unsigned queue, const char *why);

#endif
