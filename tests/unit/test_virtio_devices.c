// SPDX-License-Identifier: Apache-2.0
// Block device and console behind their queues; the bus is a fake that counts notifications.
#include "virtio_driver.h"

#include "platform/virtio_blk.h"
#include "platform/virtio_console.h"

enum { HEADER = 0x300000, DATA = 0x310000, STATUS = 0x3f0000, SECTORS = 256 };
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZERO = 13 };
#define FEATURE_FLUSH BIT(9)
#define FEATURES_ZERO (BIT(13) | BIT(14))

static struct bench {
    struct mem *mem;
    struct platform_host host;
    uint64_t now;
    unsigned told, config_told, flushes;
    bool master, fails;
    uint8_t disk[SECTORS * 512];
    struct virtio_blk blk;
    struct virtio_console console;
    struct driver d[2];
    char out[64];
    const char *in;
} b;

static uint64_t now(void *x) { return b.now; }
static void changed(void *x) {}
static void queue_used(void *x, unsigned queue) { b.told++; }
static void config_changed(void *x) { b.config_told++; }
static bool may_transfer(void *x) { return b.master; }

static bool store_read(void *x, uint64_t offset, void *bytes, size_t n)
{
    cr_assert(offset + n <= sizeof b.disk);
    memcpy(bytes, b.disk + offset, n);
    return !b.fails;
}
static bool store_write(void *x, uint64_t offset, const void *bytes, size_t n)
{
    cr_assert(offset + n <= sizeof b.disk);
    memcpy(b.disk + offset, bytes, n);
    return !b.fails;
}
static bool store_zero(void *x, uint64_t offset, uint64_t n)
{
    cr_assert(offset + n <= sizeof b.disk);
    memset(b.disk + offset, 0, n);
    return !b.fails;
}
static bool store_flush(void *x)
{
    b.flushes++;
    return !b.fails;
}

static void put_chars(void *x, const uint8_t *bytes, size_t n)
{
    strncat(b.out, (const char *)bytes, n < sizeof b.out - strlen(b.out) - 1 ? n : 0);
}
static int get_char(void *x) { return b.in && *b.in ? (uint8_t)*b.in++ : -1; }

/* What a driver does ("Driver Requirements: Device Initialization"). */
static void start(struct virtio *v, uint64_t features)
{
    v->transport = (struct virtio_transport){ NULL, queue_used, config_changed, may_transfer };
    b.master = true;
    virtio_write_status(v, VIRTIO_ACKNOWLEDGE);
    virtio_write_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    virtio_accept(v, 0, (uint32_t)features);
    virtio_accept(v, 1, (uint32_t)((features | VIRTIO_F_VERSION_1) >> 32));
    virtio_write_status(v, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    cr_assert(v->status & VIRTIO_FEATURES_OK);
    for (unsigned k = 0; k < v->type->queues; k++) {
        b.d[k] = driver_new(b.mem, k, 16);
        v->queue[k].size = 16;
        v->queue[k].descriptors = b.d[k].descriptors;
        v->queue[k].available = b.d[k].available;
        v->queue[k].used = b.d[k].used;
        virtio_enable(v, k);
    }
    virtio_write_status(v, v->status | VIRTIO_DRIVER_OK);
}

static void make_blk(bool read_only, uint64_t features)
{
    const struct block_disk disk = { { NULL, sizeof b.disk, read_only, store_read, store_write,
                                       store_zero, store_flush, NULL },
                                     "serial-0123456789abcdef" };
    for (size_t k = 0; k < sizeof b.disk; k++)
        b.disk[k] = (uint8_t)(k * 7 + k / 512);
    virtio_blk_init(&b.blk, &b.host, b.mem, &disk);
    start(&b.blk.virtio, features);
}

static void set_up(void)
{
    struct sp_error e;
    b = (struct bench){ .host = { .now = now, .changed = changed } };
    b.mem = mem_create(DRIVER_RAM, &e);
    cr_assert(b.mem);
}

static void tear_down(void) { mem_destroy(b.mem); }

TestSuite(virtio_devices, .init = set_up, .fini = tear_down);

/* ---- block device ---- */

static void put_header(uint32_t type, uint64_t sector)
{
    mem_write_le(b.mem, HEADER, 4, type);
    mem_write_le(b.mem, HEADER + 8, 8, sector);
    mem_write_le(b.mem, STATUS, 1, 0xff);
}

static unsigned kick(void)
{
    driver_offer(&b.d[0], 0);
    virtio_notify(&b.blk.virtio, 0);
    return (unsigned)mem_read_le(b.mem, STATUS, 1);
}

/* One request of header, data and status; returns the status, 255 if there is none. */
static unsigned request(uint32_t type, uint64_t sector, uint32_t size)
{
    bool from_device = type == IN || type == GET_ID;
    put_header(type, sector);
    driver_set(&b.d[0], 0, HEADER, 16, DRIVER_NEXT, size ? 1 : 2);
    driver_set(&b.d[0], 1, DATA, size, DRIVER_NEXT | (from_device ? DRIVER_WRITE : 0), 2);
    driver_set(&b.d[0], 2, STATUS, 1, DRIVER_WRITE, 0);
    return kick();
}

static void expect_data(uint64_t offset, size_t n)
{
    uint8_t *bytes = malloc(n);
    mem_read(b.mem, DATA, bytes, n);
    cr_assert_arr_eq(bytes, b.disk + offset, n);
    free(bytes);
}

static void expect_broken(const char *text)
{
    const struct virtio *v = &b.blk.virtio;
    cr_assert(v->status & VIRTIO_NEEDS_RESET);
    cr_assert_eq(b.config_told, 1);
    cr_assert(strstr(v->queue[0].fault, text), "%s", v->queue[0].fault);
    cr_assert_eq(driver_used(&b.d[0]), 0);
}

Test(virtio_devices, block_reads_sectors)
{
    make_blk(false, 0);
    cr_assert_eq(request(IN, 3, 1024), 0);
    expect_data(3 * 512, 1024);
    cr_assert_eq(driver_used_size(&b.d[0], 0), 1025);
    cr_assert_eq(b.told, 1);
    cr_assert_eq(request(IN, 0, sizeof b.disk), 0);
    expect_data(0, sizeof b.disk);
}

Test(virtio_devices, block_writes_sectors)
{
    uint8_t bytes[512];
    make_blk(false, FEATURE_FLUSH);
    memset(bytes, 0xa5, sizeof bytes);
    mem_write(b.mem, DATA, bytes, sizeof bytes);
    cr_assert_eq(request(OUT, SECTORS - 1, 512), 0);
    cr_assert_arr_eq(b.disk + sizeof b.disk - 512, bytes, 512);
    cr_assert_eq(driver_used_size(&b.d[0], 0), 1);
    cr_assert_eq(b.flushes, 0);
    cr_assert_eq(request(FLUSH, 0, 0), 0);
    cr_assert_eq(b.flushes, 1);
}

Test(virtio_devices, block_writes_are_stable_without_the_flush_feature)
{
    make_blk(false, 0);
    cr_assert_eq(request(OUT, 0, 512), 0);
    cr_assert_eq(b.flushes, 1);
}

/* "Message Framing": no arrangement of descriptors matters. */
Test(virtio_devices, block_takes_any_framing)
{
    make_blk(false, 0);
    put_header(IN, 9);
    driver_set(&b.d[0], 0, HEADER, 3, DRIVER_NEXT, 1);
    driver_set(&b.d[0], 1, HEADER + 3, 13, DRIVER_NEXT, 2);
    driver_set(&b.d[0], 2, DATA, 100, DRIVER_NEXT | DRIVER_WRITE, 3);
    driver_set(&b.d[0], 3, DATA + 100, 413, DRIVER_NEXT | DRIVER_WRITE, 4);
    driver_set(&b.d[0], 4, 0, 0, DRIVER_WRITE, 0);
    mem_write_le(b.mem, DATA + 512, 1, 0xff);
    kick();
    expect_data(9 * 512, 512);
    cr_assert_eq(mem_read_le(b.mem, DATA + 512, 1), 0, "the status is the last byte");
}

Test(virtio_devices, block_refuses_what_lies_beyond_its_end)
{
    make_blk(false, 0);
    cr_assert_eq(request(IN, SECTORS, 512), 1);
    cr_assert_eq(driver_used_size(&b.d[0], 0), 0, "no byte of data was filled");
    cr_assert_eq(request(IN, SECTORS - 1, 1024), 1);
    cr_assert_eq(request(IN, UINT64_MAX, 512), 1);
    cr_assert_eq(request(IN, UINT64_MAX / 512 + 1, 512), 1);
    cr_assert_eq(request(OUT, SECTORS, 512), 1);
    cr_assert_eq(request(IN, 0, 100), 1, "not whole sectors");
    cr_assert_eq(request(IN, SECTORS, 0), 0);
}

Test(virtio_devices, block_reports_errors_of_its_storage)
{
    make_blk(false, FEATURE_FLUSH);
    b.fails = true;
    cr_assert_eq(request(IN, 0, 512), 1);
    cr_assert_eq(request(OUT, 0, 512), 1);
    cr_assert_eq(request(FLUSH, 0, 0), 1);
}

Test(virtio_devices, block_tells_its_id)
{
    char id[20];
    make_blk(false, 0);
    cr_assert_eq(request(GET_ID, 0, 20), 0);
    mem_read(b.mem, DATA, id, sizeof id);
    cr_assert_arr_eq(id, "serial-0123456789abc", 20);
    cr_assert_eq(driver_used_size(&b.d[0], 0), 21);
    cr_assert_eq(request(GET_ID, 0, 4), 0);
}

Test(virtio_devices, block_does_not_know_other_requests)
{
    make_blk(false, 0);
    cr_assert_eq(request(2, 0, 512), 2);
    cr_assert_eq(request(UINT32_MAX, 0, 512), 2);
    cr_assert_eq(request(DISCARD, 0, 16), 2, "not negotiated");
}

static unsigned zero_request(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    mem_write_le(b.mem, DATA, 8, sector);
    mem_write_le(b.mem, DATA + 8, 4, sectors);
    mem_write_le(b.mem, DATA + 12, 4, flags);
    return request(type, 0, 16);
}

Test(virtio_devices, block_zeroes_and_discards)
{
    make_blk(false, FEATURES_ZERO | FEATURE_FLUSH);
    cr_assert_eq(zero_request(ZERO, 2, 3, 1), 0);
    for (unsigned k = 2 * 512; k < 5 * 512; k++)
        cr_assert_eq(b.disk[k], 0);
    cr_assert_neq(b.disk[5 * 512 + 1], 0);
    cr_assert_eq(zero_request(DISCARD, 10, 1, 0), 0);
    cr_assert_eq(zero_request(DISCARD, 10, 1, 1), 2, "unmap does not go with discard");
    cr_assert_eq(zero_request(ZERO, 10, 1, 2), 2, "an unknown flag");
    cr_assert_eq(zero_request(ZERO, SECTORS - 1, 2, 0), 1);
    cr_assert_eq(zero_request(ZERO, UINT64_MAX, UINT32_MAX, 0), 1);
    cr_assert_eq(request(ZERO, 0, 15), 1);
    cr_assert_eq(request(ZERO, 0, 0), 1);
    cr_assert_eq(request(ZERO, 0, 64), 1, "more segments than it said");
}

Test(virtio_devices, read_only_block_device_is_not_written)
{
    make_blk(true, FEATURE_FLUSH);
    uint8_t first = b.disk[0];
    mem_write_le(b.mem, DATA, 1, first ^ 0xffu);
    cr_assert(b.blk.virtio.offered & BIT(5));
    cr_assert_not(b.blk.virtio.offered & FEATURES_ZERO);
    cr_assert_eq(request(OUT, 0, 512), 1);
    cr_assert_eq(b.disk[0], first);
    cr_assert_eq(request(FLUSH, 0, 0), 0);
    cr_assert_eq(request(IN, 0, 512), 0);
}

Test(virtio_devices, block_request_without_header_or_status_breaks_the_device)
{
    make_blk(false, 0);
    driver_set(&b.d[0], 0, HEADER, 15, DRIVER_NEXT, 1);
    driver_set(&b.d[0], 1, STATUS, 1, DRIVER_WRITE, 0);
    kick();
    expect_broken("without a header");
    virtio_notify(&b.blk.virtio, 0);
    cr_assert_eq(b.config_told, 1);
    virtio_write_status(&b.blk.virtio, 0);
    cr_assert_eq(b.blk.virtio.status, 0, "a reset mends it");
    cr_assert_null(b.blk.virtio.queue[0].fault);
}

Test(virtio_devices, block_request_in_a_loop_breaks_the_device)
{
    make_blk(false, 0);
    driver_set(&b.d[0], 0, HEADER, 16, DRIVER_NEXT, 0);
    kick();
    expect_broken("longer than the queue");
}

Test(virtio_devices, nothing_moves_before_driver_ok_or_without_bus_mastering)
{
    make_blk(false, 0);
    b.master = false;
    cr_assert_eq(request(IN, 0, 512), 0xff);
    b.master = true;
    virtio_notify(&b.blk.virtio, 0);
    cr_assert_eq(mem_read_le(b.mem, STATUS, 1), 0);
    b.blk.virtio.status &= (uint8_t)~VIRTIO_DRIVER_OK;
    cr_assert_eq(request(IN, 0, 512), 0xff);
}

Test(virtio_devices, features_must_be_offered_and_modern)
{
    make_blk(false, 0);
    struct virtio *v = &b.blk.virtio;
    virtio_write_status(v, 0);
    virtio_accept(v, 1, 1);
    virtio_accept(v, 0, 1u << 31);
    virtio_write_status(v, VIRTIO_FEATURES_OK);
    cr_assert_not(v->status & VIRTIO_FEATURES_OK, "bit 31 was not offered");
    virtio_accept(v, 0, 0);
    virtio_accept(v, 1, 0);
    virtio_write_status(v, VIRTIO_FEATURES_OK);
    cr_assert_not(v->status & VIRTIO_FEATURES_OK, "a legacy driver");
    virtio_accept(v, 1, 1);
    virtio_write_status(v, VIRTIO_FEATURES_OK);
    cr_assert(v->status & VIRTIO_FEATURES_OK);
    virtio_accept(v, 0, 1u << 31);
    cr_assert_eq(v->accepted, VIRTIO_F_VERSION_1, "the negotiation is over");
}

/* Reads that write their own ring: each makes one more chain available and changes its own header,
 * so that the queue never runs dry.  The device comes back after each round of the ring. */
Test(virtio_devices, ring_that_feeds_itself_does_not_hang)
{
    unsigned rounds = 0;
    make_blk(false, 0);
    struct virtio *v = &b.blk.virtio;
    memset(b.disk, 0, sizeof b.disk);
    for (unsigned k = 0; k < SECTORS; k++) {
        uint16_t index = (uint16_t)(k + 2);
        uint64_t next = k + 1;
        memcpy(b.disk + k * 512 + 2, &index, 2);
        memcpy(b.disk + k * 512 + 256 + 8, &next, 8);
    }
    driver_set(&b.d[0], 0, b.d[0].available + 256, 16, DRIVER_NEXT, 1);
    driver_set(&b.d[0], 1, b.d[0].available, 512, DRIVER_NEXT | DRIVER_WRITE, 2);
    driver_set(&b.d[0], 2, STATUS, 1, DRIVER_WRITE, 0);
    driver_offer(&b.d[0], 0);
    virtio_notify(v, 0);
    cr_assert_eq(driver_used(&b.d[0]), 16);
    for (; virtio_deadline(v) != NEVER; rounds++)
        virtio_advance(v, b.now = virtio_deadline(v));
    cr_assert_eq(rounds, SECTORS / 16, "until the disk ends");
}

Test(virtio_devices, long_work_is_cut_into_rounds)
{
    make_blk(false, 0);
    struct virtio *v = &b.blk.virtio;
    put_header(GET_ID, 0);
    /* 16 chains that each write to 8 MiB of buffers: 64 MiB a round. */
    driver_set(&b.d[0], 0, HEADER, 16, DRIVER_NEXT, 1);
    driver_set(&b.d[0], 1, 0x600000, 8 << 20, DRIVER_WRITE, 0);
    for (unsigned k = 0; k < 16; k++)
        driver_offer(&b.d[0], 0);
    virtio_notify(v, 0);
    cr_assert_eq(driver_used(&b.d[0]), 8);
    cr_assert_neq(virtio_deadline(v), NEVER);
    b.now = virtio_deadline(v);
    virtio_advance(v, b.now);
    cr_assert_eq(driver_used(&b.d[0]), 16);
    cr_assert_eq(virtio_deadline(v), NEVER);
}

/* ---- console ---- */

static void make_console(void)
{
    virtio_console_init(&b.console, &b.host, b.mem,
                        (struct char_sink){ put_chars, get_char, NULL });
    start(&b.console.virtio, 0);
}

Test(virtio_devices, console_writes_what_is_transmitted)
{
    make_console();
    mem_write(b.mem, DATA, "hello, world", 12);
    driver_set(&b.d[1], 0, DATA, 7, DRIVER_NEXT, 1);
    driver_set(&b.d[1], 1, DATA + 7, 5, 0, 0);
    driver_offer(&b.d[1], 0);
    virtio_notify(&b.console.virtio, 1);
    cr_assert_str_eq(b.out, "hello, world");
    cr_assert_eq(driver_used_size(&b.d[1], 0), 0);
    cr_assert_eq(b.told, 1);
}

Test(virtio_devices, console_receives_when_it_looks)
{
    char text[8] = { 0 };
    struct virtio *v = &b.console.virtio;
    make_console();
    b.in = "keys";
    virtio_advance(v, b.now = virtio_deadline(v));
    cr_assert_eq(*b.in, 'k', "no buffer, no byte");
    driver_set(&b.d[0], 0, DATA, 3, DRIVER_WRITE, 0);
    driver_set(&b.d[0], 1, DATA + 3, 5, DRIVER_WRITE, 0);
    driver_offer(&b.d[0], 0);
    driver_offer(&b.d[0], 1);
    virtio_advance(v, b.now);
    cr_assert_eq(*b.in, 'k', "not before its time");
    virtio_advance(v, b.now = virtio_deadline(v));
    mem_read(b.mem, DATA, text, 7);
    cr_assert_str_eq(text, "keys");
    cr_assert_eq(driver_used_size(&b.d[0], 0), 3);
    cr_assert_eq(driver_used_size(&b.d[0], 1), 1);
    cr_assert_eq(b.told, 1);
}

Test(virtio_devices, console_looks_only_while_a_driver_runs)
{
    make_console();
    virtio_write_status(&b.console.virtio, 0);
    cr_assert_eq(virtio_deadline(&b.console.virtio), NEVER);
}

Test(virtio_devices, receive_buffer_without_room_breaks_the_console)
{
    struct virtio *v = &b.console.virtio;
    make_console();
    b.in = "k";
    driver_set(&b.d[0], 0, DATA, 3, 0, 0);
    driver_offer(&b.d[0], 0);
    virtio_advance(v, b.now = virtio_deadline(v));
    cr_assert(v->status & VIRTIO_NEEDS_RESET);
    cr_assert_eq(virtio_deadline(v), NEVER);
}
