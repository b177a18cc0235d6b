// SPDX-License-Identifier: Apache-2.0
#include "platform/virtio_console.h"

enum { RECEIVE, TRANSMIT, QUEUES };
enum { PCI_CLASS_COMMUNICATION = 0x078000, DEVICE_CONSOLE = 3 };
enum { POLL_TICKS = 1000000, PIECE = 512 }; /* input is looked for every millisecond */

static uint32_t serve(struct virtio *v, unsigned queue, const struct virtio_chain *c)
{
    const struct virtio_console *con = (struct virtio_console *)v;
    struct virtio_stream s = virtio_readable(&v->queue[queue], c);
    uint8_t bytes[PIECE];
    for (size_t n; con->sink.write && (n = virtio_read(&s, bytes, sizeof bytes));)
        con->sink.write(con->sink.user, bytes, n);
    return 0;
}

/* Fills one chain with what there is to read; `first` was read already. */
static uint32_t fill(struct virtio_console *con, const struct virtio_chain *c, int first)
{
    struct virtio_stream s = virtio_writable(&con->virtio.queue[RECEIVE], c);
    uint32_t n = 0;
    for (int byte = first; byte >= 0; byte = con->sink.read(con->sink.user)) {
        uint8_t b = (uint8_t)byte;
        virtio_write(&s, &b, 1);
        if (++n == c->write_size)
            break;
    }
    return n;
}

/* Input is taken only when there is room for it. */
static void receive(struct virtio_console *con)
{
    struct virtio *v = &con->virtio;
    struct virtio_queue *q = &v->queue[RECEIVE];
    struct virtio_chain c;
    int byte;
    for (unsigned k = 0;
         k < q->size && virtio_queue_waiting(q) && (byte = con->sink.read(con->sink.user)) >= 0;
         k++) {
        if (!virtio_queue_take(q, &c))
            break;
        if (!c.write_size) {
            virtio_break(v, RECEIVE, "a receive buffer without room");
            return;
        }
        virtio_queue_return(q, &c, fill(con, &c, byte));
    }
    virtio_tell(v, RECEIVE);
}

static uint64_t deadline(const struct virtio *v)
{
    const struct virtio_console *con = (const struct virtio_console *)v;
    return con->sink.read && virtio_ready(v, RECEIVE) ? con->next_poll : NEVER;
}

static void advance(struct virtio *v, uint64_t now)
{
    struct virtio_console *con = (struct virtio_console *)v;
    con->next_poll = now + POLL_TICKS;
    receive(con);
}

static const struct virtio_type console = {
    .id = DEVICE_CONSOLE,
    .pci_class = PCI_CLASS_COMMUNICATION,
    .queues = QUEUES,
    .served = 1 << TRANSMIT,
    .serve = serve,
    .deadline = deadline,
    .advance = advance,
};

/* "Device configuration layout": cols, rows, max_nr_ports, emerg_wr; each belongs to a feature that
 * is not offered. */
static const uint8_t no_config[12];

void virtio_console_init(struct virtio_console *c, const struct platform_host *host,
                         struct mem *mem, struct char_sink sink)
{
    *c = (struct virtio_console){
        .virtio = { .type = &console,
                    .host = host,
                    .mem = mem,
                    .config = no_config,
                    .config_size = sizeof no_config },
        .sink = sink,
    };
    virtio_init(&c->virtio);
}
