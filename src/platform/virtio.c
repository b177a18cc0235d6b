// SPDX-License-Identifier: Apache-2.0
#include "platform/virtio.h"

/* A notification serves the queue once around and about this many bytes; the rest waits for a later
 * tick, so that no driver can hold the machine for ever (requests may write to the ring itself). */
enum { BYTES_AT_ONCE = 64 << 20, PAUSE_TICKS = 1000 };

void virtio_reset(struct virtio *v)
{
    v->status = 0;
    v->accepted = 0;
    v->waiting = 0;
    v->resume = NEVER;
    for (unsigned k = 0; k < v->type->queues; k++)
        virtio_queue_reset(&v->queue[k], v->mem, VIRTIO_CHAIN_MAX);
}

void virtio_init(struct virtio *v)
{
    v->offered |= VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
    virtio_reset(v);
}

/* ---- status and features ---- */

/* FEATURES_OK stays clear if the driver took what was not offered, or would be a legacy driver
 * ("Driver Requirements: Device Initialization", "Legacy Interface").  No bit but by reset is taken
 * back. */
void virtio_write_status(struct virtio *v, uint8_t status)
{
    if (!status) {
        virtio_reset(v);
    } else {
        bool sane = virtio_has(v, VIRTIO_F_VERSION_1) && !(v->accepted & ~v->offered);
        if (!sane && !(v->status & VIRTIO_FEATURES_OK))
            status &= (uint8_t)~VIRTIO_FEATURES_OK;
        v->status |= status & (uint8_t)~VIRTIO_NEEDS_RESET;
    }
    host_changed(v->host);
}

uint32_t virtio_features(uint64_t features, uint32_t half)
{
    return half < 2 ? (uint32_t)(features >> (32 * half)) : 0;
}

void virtio_accept(struct virtio *v, uint32_t half, uint32_t features)
{
    if (half > 1 || v->status & VIRTIO_FEATURES_OK)
        return;
    v->accepted &= ~((uint64_t)UINT32_MAX << (32 * half));
    v->accepted |= (uint64_t)features << (32 * half);
}

/* ---- queues ---- */

void virtio_enable(struct virtio *v, unsigned queue)
{
    struct virtio_queue *q = &v->queue[queue];
    q->indirect = virtio_has(v, VIRTIO_F_INDIRECT_DESC);
    q->event_index = virtio_has(v, VIRTIO_F_EVENT_IDX);
    q->enabled = true;
}

bool virtio_ready(const struct virtio *v, unsigned queue)
{
    const uint8_t running = VIRTIO_DRIVER_OK | VIRTIO_FEATURES_OK;
    return (v->status & (running | VIRTIO_NEEDS_RESET)) == running && v->queue[queue].enabled &&
           v->transport.may_transfer(v->transport.context);
}

void virtio_break(struct virtio *v, unsigned queue, const char *why)
{
    if (!v->queue[queue].fault)
        v->queue[queue].fault = why;
    if (v->status & VIRTIO_NEEDS_RESET)
        return;
    v->status |= VIRTIO_NEEDS_RESET;
    v->waiting = 0;
    v->transport.config_changed(v->transport.context);
}

void virtio_tell(struct virtio *v, unsigned queue)
{
    struct virtio_queue *q = &v->queue[queue];
    if (virtio_queue_wants_notice(q))
        v->transport.queue_used(v->transport.context, queue);
    if (q->fault)
        virtio_break(v, queue, q->fault);
}

static void serve(struct virtio *v, unsigned queue)
{
    struct virtio_queue *q = &v->queue[queue];
    struct virtio_chain c;
    uint64_t moved = 0;
    for (unsigned k = 0; k < q->size && moved < BYTES_AT_ONCE && virtio_queue_take(q, &c); k++) {
        uint32_t written = v->type->serve(v, queue, &c);
        if (v->status & VIRTIO_NEEDS_RESET)
            return;
        virtio_queue_return(q, &c, written);
        moved += c.read_size + c.write_size;
    }
    if (virtio_queue_waiting(q))
        v->waiting |= (uint32_t)BIT(queue);
    virtio_tell(v, queue);
}

void virtio_notify(struct virtio *v, unsigned queue)
{
    if (queue >= v->type->queues || !(v->type->served & BIT(queue)) || !virtio_ready(v, queue))
        return;
    serve(v, queue);
    v->resume = v->waiting ? host_now(v->host) + PAUSE_TICKS : NEVER;
    host_changed(v->host);
}

uint64_t virtio_deadline(const struct virtio *v)
{
    return earlier(v->resume, v->type->deadline ? v->type->deadline(v) : NEVER);
}

void virtio_advance(struct virtio *v, uint64_t now)
{
    if (now >= v->resume) {
        uint32_t waiting = v->waiting;
        v->waiting = 0;
        v->resume = NEVER;
        for (unsigned k = 0; k < v->type->queues; k++)
            if (waiting & BIT(k))
                virtio_notify(v, k);
    }
    if (v->type->deadline && now >= v->type->deadline(v))
        v->type->advance(v, now);
}
