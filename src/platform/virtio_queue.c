// SPDX-License-Identifier: Apache-2.0
#include "platform/virtio_queue.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, DESC_SIZE = 16 };
enum { AVAIL_NO_INTERRUPT = 1 };
/* Offsets in the rings; each ring ends with the other side's event index. */
enum { RING_FLAGS = 0, RING_INDEX = 2, RING_ENTRIES = 4, AVAIL_ENTRY = 2, USED_ENTRY = 8 };

struct descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags, next;
};
_Static_assert(sizeof(struct descriptor) == DESC_SIZE, "as it stands in memory");

/* A table of descriptors: the queue's own, or one that a descriptor refers to. */
struct table {
    uint64_t base;
    uint32_t entries;
    bool indirect;
};

static bool broken(struct virtio_queue *q, const char *why)
{
    if (!q->fault)
        q->fault = why;
    return false;
}

/* Only RAM: a buffer over a device's registers could start the device again in the middle of its
 * own work. */
static bool in_ram(const struct virtio_queue *q, uint64_t pa, uint64_t n)
{
    if (pa + n < pa)
        return false;
    for (uint64_t page = pa & PAGE_MASK; n && page < pa + n; page += PAGE_SIZE)
        if (mem_kind(q->mem, page) != PAGE_RAM)
            return false;
    return true;
}

static bool load(struct virtio_queue *q, uint64_t pa, void *out, size_t n)
{
    if (!in_ram(q, pa, n))
        return broken(q, "a ring or a table of descriptors is not in RAM");
    mem_read(q->mem, pa, out, n);
    return true;
}

static bool store(struct virtio_queue *q, uint64_t pa, const void *bytes, size_t n)
{
    if (!in_ram(q, pa, n))
        return broken(q, "the used ring is not in RAM");
    mem_write(q->mem, pa, bytes, n);
    return true;
}

void virtio_queue_reset(struct virtio_queue *q, struct mem *mem, uint16_t max)
{
    *q = (struct virtio_queue){ .mem = mem, .max = max, .size = max, .vector = 0xffff };
}

/* ---- the descriptor table ---- */

static bool add_buffer(struct virtio_queue *q, struct virtio_chain *c, const struct descriptor *d)
{
    bool writable = d->flags & DESC_WRITE;
    if (c->readable + c->writable == q->max)
        return broken(q, "a chain is longer than the queue");
    if (!writable && c->writable)
        return broken(q, "a readable buffer follows a writable one");
    if (!in_ram(q, d->address, d->size))
        return broken(q, "a buffer is not in RAM");
    c->buffer[c->readable + c->writable] = (struct virtio_buffer){ d->address, d->size };
    *(writable ? &c->writable : &c->readable) += 1;
    *(writable ? &c->write_size : &c->read_size) += d->size;
    if (c->read_size + c->write_size > UINT64_C(1) << 32)
        return broken(q, "a chain is longer than 2^32 bytes");
    return true;
}

/* "Indirect Descriptors" */
static bool enter_indirect(struct virtio_queue *q, struct table *t, const struct descriptor *d)
{
    if (!q->indirect)
        return broken(q, "an indirect descriptor, though the feature was not negotiated");
    if (t->indirect)
        return broken(q, "an indirect descriptor in an indirect table");
    if (d->flags & DESC_NEXT)
        return broken(q, "a descriptor is both indirect and chained");
    if (!d->size || d->size % DESC_SIZE)
        return broken(q, "the size of an indirect table is not a multiple of 16");
    *t = (struct table){ d->address, d->size / DESC_SIZE, true };
    return true;
}

/* At most q->max buffers and one indirect descriptor are ever looked at. */
static bool walk(struct virtio_queue *q, struct virtio_chain *c)
{
    struct table t = { q->descriptors, q->size, false };
    struct descriptor d;
    uint16_t at = c->head;
    for (;;) {
        if (at >= t.entries)
            return broken(q, "the number of a descriptor is beyond its table");
        if (!load(q, t.base + DESC_SIZE * (uint64_t)at, &d, sizeof d))
            return false;
        if (d.flags & DESC_INDIRECT) {
            if (!enter_indirect(q, &t, &d))
                return false;
            at = 0;
            continue;
        }
        if (!add_buffer(q, c, &d))
            return false;
        if (!(d.flags & DESC_NEXT))
            return true;
        at = d.next;
    }
}

/* ---- the rings ---- */

static bool available_index(struct virtio_queue *q, uint16_t *index)
{
    if (q->fault || !q->enabled || !load(q, q->available + RING_INDEX, index, 2))
        return false;
    return (uint16_t)(*index - q->next_available) <= q->size ||
           broken(q, "the available ring runs ahead by more than its size");
}

bool virtio_queue_waiting(struct virtio_queue *q)
{
    uint16_t index;
    return available_index(q, &index) && index != q->next_available;
}

/* The available event index follows, so that the driver notifies for each chain that it adds
 * ("Available Buffer Notification Suppression"): all that are there were or will be taken. */
bool virtio_queue_take(struct virtio_queue *q, struct virtio_chain *c)
{
    uint16_t slot = q->next_available & (q->size - 1);
    if (!virtio_queue_waiting(q))
        return false;
    c->readable = c->writable = 0;
    c->read_size = c->write_size = 0;
    if (!load(q, q->available + RING_ENTRIES + AVAIL_ENTRY * (uint64_t)slot, &c->head, 2) ||
        !walk(q, c))
        return false;
    q->next_available++;
    return !q->event_index ||
           store(q, q->used + RING_ENTRIES + USED_ENTRY * (uint64_t)q->size, &q->next_available, 2);
}

void virtio_queue_return(struct virtio_queue *q, const struct virtio_chain *c, uint32_t written)
{
    const uint32_t entry[2] = { c->head, written };
    uint16_t slot = q->next_used & (q->size - 1), index = (uint16_t)(q->next_used + 1);
    if (!store(q, q->used + RING_ENTRIES + USED_ENTRY * (uint64_t)slot, entry, sizeof entry) ||
        !store(q, q->used + RING_INDEX, &index, 2))
        return;
    q->next_used = index;
}

/* "Used Buffer Notification Suppression": was the entry that the driver named among the new ones?
 */
bool virtio_queue_wants_notice(struct virtio_queue *q)
{
    uint16_t word, fresh = (uint16_t)(q->next_used - q->decided);
    uint64_t event = q->available + RING_ENTRIES + AVAIL_ENTRY * (uint64_t)q->size;
    if (!fresh || q->fault ||
        !load(q, q->event_index ? event : q->available + RING_FLAGS, &word, 2))
        return false;
    q->decided = q->next_used;
    if (!q->event_index)
        return !(word & AVAIL_NO_INTERRUPT);
    return (uint16_t)(q->next_used - word - 1) < fresh;
}

/* ---- the bytes of a chain ---- */

struct virtio_stream virtio_readable(const struct virtio_queue *q, const struct virtio_chain *c)
{
    return (struct virtio_stream){ q->mem, c->buffer, c->readable, 0 };
}

struct virtio_stream virtio_writable(const struct virtio_queue *q, const struct virtio_chain *c)
{
    return (struct virtio_stream){ q->mem, c->buffer + c->readable, c->writable, 0 };
}

/* The next piece of at most n bytes, in one buffer; 0 at the end. */
static size_t piece(struct virtio_stream *s, size_t n, uint64_t *address)
{
    while (s->left && s->done == s->at->size) {
        s->at++, s->left--;
        s->done = 0;
    }
    if (!s->left)
        return 0;
    size_t room = s->at->size - s->done;
    *address = s->at->address + s->done;
    n = n < room ? n : room;
    s->done += (uint32_t)n;
    return n;
}

size_t virtio_read(struct virtio_stream *s, void *bytes, size_t n)
{
    uint64_t address;
    size_t done = 0;
    for (size_t k; (k = piece(s, n - done, &address)); done += k)
        mem_read(s->mem, address, (uint8_t *)bytes + done, k);
    return done;
}

size_t virtio_write(struct virtio_stream *s, const void *bytes, size_t n)
{
    uint64_t address;
    size_t done = 0;
    for (size_t k; (k = piece(s, n - done, &address)); done += k)
        mem_write(s->mem, address, (const uint8_t *)bytes + done, k);
    return done;
}
