// SPDX-License-Identifier: Apache-2.0
#include "platform/virtio_blk.h"

#include <string.h>

#define F_SEG_MAX BIT(2)
#define F_RO BIT(5)
#define F_BLK_SIZE BIT(6)
#define F_FLUSH BIT(9)
#define F_DISCARD BIT(13)
#define F_WRITE_ZEROES BIT(14)

/* "Device configuration layout" */
enum {
    CONFIG_CAPACITY = 0,
    CONFIG_SEG_MAX = 12,
    CONFIG_BLK_SIZE = 20,
    CONFIG_QUEUES = 34,
    CONFIG_DISCARD_SECTORS = 36,
    CONFIG_DISCARD_SEGMENTS = 40,
    CONFIG_DISCARD_ALIGNMENT = 44,
    CONFIG_ZERO_SECTORS = 48,
    CONFIG_ZERO_SEGMENTS = 52,
    CONFIG_ZERO_UNMAPS = 56
};
/* 32 MiB at once: a file without holes takes that long. */
enum { ZERO_SECTORS_MAX = 1 << 16, ZERO_SEGMENTS_MAX = 1 };

enum request_type { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZERO = 13 };
enum status { S_OK, S_IOERR, S_UNSUPP };
enum { PCI_CLASS_STORAGE = 0x010000, DEVICE_BLOCK = 2 };

struct header {
    uint32_t type, reserved;
    uint64_t sector;
};
struct range {
    uint64_t sector;
    uint32_t sectors, flags;
};
enum { RANGE_UNMAP = 1 };

/* A request while it is worked on. */
struct request {
    struct virtio_blk *blk;
    struct header header;
    struct virtio_stream in, out; /* from and to the driver, behind the header */
    uint64_t in_size, out_size;   /* bytes there, without the status           */
    uint32_t filled;              /* bytes of `out` so far                     */
};

static bool inside(const struct virtio_blk *b, uint64_t sector, uint64_t bytes)
{
    uint64_t sectors = b->store.size / BLOCK_SIZE;
    return !(bytes % BLOCK_SIZE) && sector <= sectors && bytes / BLOCK_SIZE <= sectors - sector;
}

static size_t next_piece(uint64_t left)
{
    return left < VIRTIO_BLK_BUFFER ? left : VIRTIO_BLK_BUFFER;
}

static enum status do_read(struct request *r)
{
    struct virtio_blk *b = r->blk;
    uint64_t at = r->header.sector * BLOCK_SIZE;
    if (!inside(b, r->header.sector, r->out_size))
        return S_IOERR;
    for (uint64_t left = r->out_size; left;) {
        size_t n = next_piece(left);
        if (!b->store.read(b->store.user, at, b->buffer, n))
            return S_IOERR;
        virtio_write(&r->out, b->buffer, n);
        r->filled += (uint32_t)n;
        at += n, left -= n;
    }
    return S_OK;
}

/* Writes are stable at once for a driver that cannot ask for a flush ("Device Operation"). */
static enum status settle(const struct virtio_blk *b)
{
    return virtio_has(&b->virtio, F_FLUSH) || b->store.flush(b->store.user) ? S_OK : S_IOERR;
}

static enum status do_write(struct request *r)
{
    struct virtio_blk *b = r->blk;
    uint64_t at = r->header.sector * BLOCK_SIZE;
    if (b->store.read_only || !inside(b, r->header.sector, r->in_size))
        return S_IOERR;
    for (uint64_t left = r->in_size; left;) {
        size_t n = next_piece(left);
        virtio_read(&r->in, b->buffer, n);
        if (!b->store.write(b->store.user, at, b->buffer, n))
            return S_IOERR;
        at += n, left -= n;
    }
    return settle(b);
}

static enum status do_flush(struct request *r)
{
    const struct block_store *s = &r->blk->store;
    return s->read_only || s->flush(s->user) ? S_OK : S_IOERR;
}

static enum status do_get_id(struct request *r)
{
    r->filled = (uint32_t)virtio_write(&r->out, r->blk->id,
                                       r->out_size < VIRTIO_BLK_ID ? r->out_size : VIRTIO_BLK_ID);
    return S_OK;
}

static enum status zero_range(struct virtio_blk *b, const struct range *range, uint32_t known)
{
    uint64_t bytes = (uint64_t)range->sectors * BLOCK_SIZE;
    if (range->flags & ~known)
        return S_UNSUPP;
    if (range->sectors > ZERO_SECTORS_MAX || !inside(b, range->sector, bytes))
        return S_IOERR;
    return b->store.zero(b->store.user, range->sector * BLOCK_SIZE, bytes) ? S_OK : S_IOERR;
}

/* DISCARD and WRITE_ZEROES: what is discarded reads as zeros, too. */
static enum status do_zero(struct request *r)
{
    bool zero = r->header.type == T_ZERO;
    struct virtio_blk *b = r->blk;
    struct range range;
    if (!virtio_has(&b->virtio, zero ? F_WRITE_ZEROES : F_DISCARD))
        return S_UNSUPP;
    if (b->store.read_only || !r->in_size || r->in_size % sizeof range ||
        r->in_size > ZERO_SEGMENTS_MAX * sizeof range)
        return S_IOERR;
    while (virtio_read(&r->in, &range, sizeof range)) {
        enum status s = zero_range(b, &range, zero ? RANGE_UNMAP : 0);
        if (s != S_OK)
            return s;
    }
    return settle(b);
}

static const struct {
    uint32_t type;
    enum status (*run)(struct request *r);
} requests[] = {
    { T_IN, do_read },       { T_OUT, do_write },    { T_FLUSH, do_flush },
    { T_GET_ID, do_get_id }, { T_DISCARD, do_zero }, { T_ZERO, do_zero },
};

static enum status run(struct request *r)
{
    for (size_t k = 0; k < ARRAY_SIZE(requests); k++)
        if (requests[k].type == r->header.type)
            return requests[k].run(r);
    return S_UNSUPP;
}

/* The status is the last writable byte, wherever the other bytes are cut ("Message Framing"). */
static void write_status(const struct virtio_queue *q, const struct virtio_chain *c, uint8_t status)
{
    const struct virtio_buffer *last = &c->buffer[c->readable + c->writable - 1];
    while (!last->size)
        last--;
    mem_write(q->mem, last->address + last->size - 1, &status, 1);
}

static uint32_t serve(struct virtio *v, unsigned queue, const struct virtio_chain *c)
{
    struct virtio_blk *b = (struct virtio_blk *)v;
    const struct virtio_queue *q = &v->queue[queue];
    struct request r = { .blk = b, .in = virtio_readable(q, c), .out = virtio_writable(q, c) };
    if (c->read_size < sizeof r.header || !c->write_size) {
        virtio_break(v, queue, "a block request without a header or room for its status");
        return 0;
    }
    virtio_read(&r.in, &r.header, sizeof r.header);
    r.in_size = c->read_size - sizeof r.header;
    r.out_size = c->write_size - 1;
    write_status(q, c, (uint8_t)run(&r));
    return r.filled + (r.filled == r.out_size);
}

static const struct virtio_type block = {
    .id = DEVICE_BLOCK,
    .pci_class = PCI_CLASS_STORAGE,
    .queues = 1,
    .served = 1,
    .serve = serve,
};

static void put(struct virtio_blk *b, unsigned at, uint64_t v, unsigned n)
{
    memcpy(b->config + at, &v, n);
}

static void fill_config(struct virtio_blk *b)
{
    put(b, CONFIG_CAPACITY, b->store.size / BLOCK_SIZE, 8);
    put(b, CONFIG_SEG_MAX, VIRTIO_CHAIN_MAX - 2, 4); /* less header and status */
    put(b, CONFIG_BLK_SIZE, BLOCK_SIZE, 4);
    put(b, CONFIG_QUEUES, 1, 2);
    if (b->store.read_only)
        return;
    put(b, CONFIG_DISCARD_SECTORS, ZERO_SECTORS_MAX, 4);
    put(b, CONFIG_DISCARD_SEGMENTS, ZERO_SEGMENTS_MAX, 4);
    put(b, CONFIG_DISCARD_ALIGNMENT, 1, 4);
    put(b, CONFIG_ZERO_SECTORS, ZERO_SECTORS_MAX, 4);
    put(b, CONFIG_ZERO_SEGMENTS, ZERO_SEGMENTS_MAX, 4);
    put(b, CONFIG_ZERO_UNMAPS, 1, 1);
}

void virtio_blk_init(struct virtio_blk *b, const struct platform_host *host, struct mem *mem,
                     const struct block_disk *disk)
{
    memset(b, 0, sizeof *b);
    b->store = disk->store;
    if (disk->serial)
        memcpy(b->id, disk->serial, strnlen(disk->serial, VIRTIO_BLK_ID));
    fill_config(b);
    b->virtio = (struct virtio){
        .type = &block,
        .host = host,
        .mem = mem,
        .config = b->config,
        .config_size = sizeof b->config,
        .offered = F_SEG_MAX | F_BLK_SIZE | F_FLUSH |
                   (b->store.read_only ? F_RO : F_DISCARD | F_WRITE_ZEROES),
    };
    virtio_init(&b->virtio);
}
