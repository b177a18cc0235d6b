// SPDX-License-Identifier: Apache-2.0
// Virtqueues: split rings (Virtual I/O Device 1.2, "Split Virtqueues").  Everything in guest memory
// is untrusted: a ring or a buffer that is not in RAM, a number out of range, a loop of descriptors
// breaks the queue; nothing is transferred then.
#ifndef SP_PLATFORM_VIRTIO_QUEUE_H
#define SP_PLATFORM_VIRTIO_QUEUE_H

#include "mem/phys.h"

enum { VIRTIO_CHAIN_MAX = 128 }; /* the largest queue, so the longest chain */

struct virtio_queue {
    struct mem *mem;
    uint16_t max;    /* entries that the device offers           */
    uint16_t size;   /* entries that the driver wants            */
    uint16_t vector; /* for the transport                        */
    bool enabled;
    bool indirect, event_index; /* negotiated                               */
    uint64_t descriptors, available, used;
    uint16_t next_available, next_used; /* counters of the rings, modulo 2^16       */
    uint16_t decided;                   /* next_used at the last decision to notify */
    const char *fault;                  /* why the queue is broken; NULL: it is not */
};

struct virtio_buffer {
    uint64_t address;
    uint32_t size;
};

/* A chain of descriptors: its device-readable buffers, then its device-writable ones.  All of them
 * are in RAM. */
struct virtio_chain {
    uint16_t head;
    unsigned readable, writable;    /* numbers of buffers */
    uint64_t read_size, write_size; /* bytes              */
    struct virtio_buffer buffer[VIRTIO_CHAIN_MAX];
};

/* A place in the bytes of a chain's readable or writable buffers, however they are cut ("Message
 * Framing"). */
struct virtio_stream {
    struct mem *mem;
    const struct virtio_buffer *at;
    unsigned left; /* buffers from `at` on */
    uint32_t done; /* bytes of *at         */
};

/* The queue as after a device reset: disabled, of the largest size. */
void virtio_queue_reset(struct virtio_queue *q, struct mem *mem, uint16_t max);
/* Whether the driver has made a chain available that was not taken. */
bool virtio_queue_waiting(struct virtio_queue *q);
/* Takes the next chain; false if there is none or the queue broke. */
bool virtio_queue_take(struct virtio_queue *q, struct virtio_chain *c);
/* Returns a chain, of whose writable bytes the first `written` were filled. */
void virtio_queue_return(struct virtio_queue *q, const struct virtio_chain *c, uint32_t written);
/* Whether the driver wants to be notified of what was returned since this was asked last. */
bool virtio_queue_wants_notice(struct virtio_queue *q);

struct virtio_stream virtio_readable(const struct virtio_queue *q, const struct virtio_chain *c);
struct virtio_stream virtio_writable(const struct virtio_queue *q, const struct virtio_chain *c);
/* Moves up to n bytes from or to the place; returns how many there were. */
size_t virtio_read(struct virtio_stream *s, void *bytes, size_t n);
size_t virtio_write(struct virtio_stream *s, const void *bytes, size_t n);

#endif
