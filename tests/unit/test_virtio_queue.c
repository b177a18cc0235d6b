// SPDX-License-Identifier: Apache-2.0
// Split rings: what a chain becomes, and how a queue breaks.
#include "virtio_driver.h"

#include "platform/virtio_queue.h"

enum { SIZE = 8, DATA = 0x300000, TABLE = 0x400000 };

static struct mem *mem;
static struct virtio_queue q;
static struct driver d;
static struct virtio_chain c;

static void set_up(void)
{
    struct sp_error e;
    mem = mem_create(DRIVER_RAM, &e);
    cr_assert(mem);
    d = driver_new(mem, 0, SIZE);
    virtio_queue_reset(&q, mem, VIRTIO_CHAIN_MAX);
    q.size = SIZE;
    q.enabled = q.indirect = true;
    q.descriptors = d.descriptors;
    q.available = d.available;
    q.used = d.used;
}

static void tear_down(void) { mem_destroy(mem); }

TestSuite(virtio_queue, .init = set_up, .fini = tear_down);

static void expect_fault(const char *text)
{
    cr_assert_not(virtio_queue_take(&q, &c));
    cr_assert(q.fault && strstr(q.fault, text), "%s, not %s", q.fault ? q.fault : "nothing", text);
    cr_assert_not(virtio_queue_waiting(&q), "a broken queue has nothing");
    cr_assert_eq(driver_used(&d), 0);
}

Test(virtio_queue, empty_has_no_chain)
{
    cr_assert_not(virtio_queue_waiting(&q));
    cr_assert_not(virtio_queue_take(&q, &c));
    cr_assert_null(q.fault);
}

Test(virtio_queue, disabled_has_no_chain)
{
    driver_set(&d, 0, DATA, 4, 0, 0);
    driver_offer(&d, 0);
    q.enabled = false;
    cr_assert_not(virtio_queue_take(&q, &c));
}

Test(virtio_queue, chain_is_read_then_written)
{
    uint8_t bytes[12] = "abcdefghijkl", back[12];
    driver_set(&d, 5, DATA, 3, DRIVER_NEXT, 2);
    driver_set(&d, 2, DATA + 0x1000, 5, DRIVER_NEXT, 7);
    driver_set(&d, 7, DATA + 0x2ffd, 10, DRIVER_WRITE, 0);
    mem_write(mem, DATA, bytes, 3);
    mem_write(mem, DATA + 0x1000, bytes + 3, 5);
    driver_offer(&d, 5);
    cr_assert(virtio_queue_take(&q, &c));
    cr_assert_eq(c.head, 5);
    cr_assert_eq(c.readable, 2);
    cr_assert_eq(c.writable, 1);
    cr_assert_eq(c.read_size, 8);
    cr_assert_eq(c.write_size, 10);
    struct virtio_stream in = virtio_readable(&q, &c), out = virtio_writable(&q, &c);
    cr_assert_eq(virtio_read(&in, back, 4), 4);
    cr_assert_eq(virtio_read(&in, back + 4, 8), 4, "there are only 8 bytes");
    cr_assert_arr_eq(back, bytes, 8);
    cr_assert_eq(virtio_write(&out, bytes, 12), 10);
    mem_read(mem, DATA + 0x2ffd, back, 10);
    cr_assert_arr_eq(back, bytes, 10);
    virtio_queue_return(&q, &c, 10);
    cr_assert_eq(driver_used(&d), 1);
    cr_assert_eq(driver_used_id(&d, 0), 5);
    cr_assert_eq(driver_used_size(&d, 0), 10);
}

Test(virtio_queue, counters_wrap)
{
    driver_set(&d, 3, DATA, 4, 0, 0);
    q.next_available = q.next_used = q.decided = d.index = 0xfffe;
    for (unsigned k = 0; k < 4; k++) {
        driver_offer(&d, 3);
        cr_assert(virtio_queue_take(&q, &c), "%u", k);
        virtio_queue_return(&q, &c, 0);
        cr_assert(virtio_queue_wants_notice(&q));
    }
    cr_assert_eq(driver_used(&d), 2);
}

Test(virtio_queue, indirect_table_follows_chained_descriptors)
{
    driver_set(&d, 0, DATA, 16, DRIVER_NEXT, 1);
    /* The write flag of the referring descriptor means nothing. */
    driver_set(&d, 1, TABLE, 3 * 16, DRIVER_INDIRECT | DRIVER_WRITE, 0);
    driver_descriptor(&d, TABLE, 0, DATA + 16, 8, DRIVER_NEXT, 2);
    driver_descriptor(&d, TABLE, 2, DATA + 32, 1, DRIVER_WRITE, 0);
    driver_offer(&d, 0);
    cr_assert(virtio_queue_take(&q, &c));
    cr_assert_eq(c.readable, 2);
    cr_assert_eq(c.writable, 1);
    cr_assert_eq(c.read_size, 24);
}

Test(virtio_queue, buffers_of_no_bytes_count_for_nothing)
{
    uint8_t bytes[4];
    driver_set(&d, 0, DATA, 0, DRIVER_NEXT, 1);
    driver_set(&d, 1, DATA + 1, 2, DRIVER_NEXT, 2);
    driver_set(&d, 2, UINT64_MAX, 0, 0, 0);
    driver_offer(&d, 0);
    cr_assert(virtio_queue_take(&q, &c));
    struct virtio_stream in = virtio_readable(&q, &c);
    cr_assert_eq(virtio_read(&in, bytes, 4), 2);
    cr_assert_eq(virtio_read(&in, bytes, 4), 0);
}

/* ---- hostile rings ---- */

Test(virtio_queue, loop_breaks)
{
    driver_set(&d, 0, DATA, 4, DRIVER_NEXT, 1);
    driver_set(&d, 1, DATA, 4, DRIVER_NEXT, 0);
    driver_offer(&d, 0);
    expect_fault("longer than the queue");
}

Test(virtio_queue, loop_in_an_indirect_table_breaks)
{
    driver_set(&d, 0, TABLE, 16, DRIVER_INDIRECT, 0);
    driver_descriptor(&d, TABLE, 0, DATA, 4, DRIVER_NEXT, 0);
    driver_offer(&d, 0);
    expect_fault("longer than the queue");
}

Test(virtio_queue, head_beyond_the_table_breaks)
{
    driver_offer(&d, SIZE);
    expect_fault("beyond its table");
}

Test(virtio_queue, next_beyond_the_table_breaks)
{
    driver_set(&d, 0, DATA, 4, DRIVER_NEXT, 0xffff);
    driver_offer(&d, 0);
    expect_fault("beyond its table");
}

Test(virtio_queue, next_beyond_the_indirect_table_breaks)
{
    driver_set(&d, 0, TABLE, 16, DRIVER_INDIRECT, 0);
    driver_descriptor(&d, TABLE, 0, DATA, 4, DRIVER_NEXT, 1);
    driver_offer(&d, 0);
    expect_fault("beyond its table");
}

Test(virtio_queue, nested_indirect_table_breaks)
{
    driver_set(&d, 0, TABLE, 16, DRIVER_INDIRECT, 0);
    driver_descriptor(&d, TABLE, 0, TABLE, 16, DRIVER_INDIRECT, 0);
    driver_offer(&d, 0);
    expect_fault("in an indirect table");
}

Test(virtio_queue, indirect_and_next_breaks)
{
    driver_set(&d, 0, TABLE, 16, DRIVER_INDIRECT | DRIVER_NEXT, 1);
    driver_offer(&d, 0);
    expect_fault("both indirect and chained");
}

Test(virtio_queue, odd_size_of_an_indirect_table_breaks)
{
    driver_set(&d, 0, TABLE, 24, DRIVER_INDIRECT, 0);
    driver_offer(&d, 0);
    expect_fault("multiple of 16");
}

Test(virtio_queue, indirect_needs_the_feature)
{
    q.indirect = false;
    driver_set(&d, 0, TABLE, 16, DRIVER_INDIRECT, 0);
    driver_offer(&d, 0);
    expect_fault("not negotiated");
}

Test(virtio_queue, readable_after_writable_breaks)
{
    driver_set(&d, 0, DATA, 4, DRIVER_NEXT | DRIVER_WRITE, 1);
    driver_set(&d, 1, DATA, 4, 0, 0);
    driver_offer(&d, 0);
    expect_fault("follows a writable one");
}

Test(virtio_queue, buffers_outside_ram_break)
{
    static const struct {
        uint64_t address;
        uint32_t size;
    } bad[] = {
        { DRIVER_RAM - 4, 5 }, { UINT64_C(0xfee00000), 4 },
        { UINT64_MAX - 1, 4 }, { UINT64_C(0xfffffffffffff000), 0xfff },
        { DATA, UINT32_MAX },
    };
    for (unsigned k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        tear_down();
        set_up();
        driver_set(&d, 0, bad[k].address, bad[k].size, 0, 0);
        driver_offer(&d, 0);
        expect_fault("a buffer is not in RAM");
    }
}

Test(virtio_queue, rings_outside_ram_break)
{
    driver_set(&d, 0, DATA, 4, 0, 0);
    driver_offer(&d, 0);
    q.available = UINT64_MAX - 4;
    expect_fault("not in RAM");
    q.fault = NULL;
    q.available = d.available, q.descriptors = UINT64_C(1) << 40;
    expect_fault("not in RAM");
    q.fault = NULL;
    q.descriptors = d.descriptors, q.used = DRIVER_RAM - 4;
    cr_assert(virtio_queue_take(&q, &c));
    virtio_queue_return(&q, &c, 0);
    cr_assert(strstr(q.fault, "used ring"));
}

static uint64_t no_read(void *x, uint64_t offset, unsigned size)
{
    cr_assert_fail("a device was read");
    return 0;
}
static void no_write(void *x, uint64_t offset, unsigned size, uint64_t v)
{
    cr_assert_fail("a device was written");
}

Test(virtio_queue, devices_are_not_memory)
{
    static const struct mmio_ops ops = { no_read, no_write };
    cr_assert(mem_map_mmio(mem, 0x500000, 0x1000, &ops, NULL));
    driver_set(&d, 0, 0x4ffffe, 4, 0, 0);
    driver_offer(&d, 0);
    expect_fault("a buffer is not in RAM");
}

Test(virtio_queue, available_ring_ahead_of_its_size_breaks)
{
    mem_write_le(mem, d.available + 2, 2, SIZE + 1);
    expect_fault("ahead");
}

Test(virtio_queue, chain_of_more_than_4_gib_breaks)
{
    tear_down();
    struct sp_error e;
    mem = mem_create(UINT64_C(1) << 31, &e);
    d.mem = q.mem = mem;
    for (unsigned k = 0; k < 5; k++)
        driver_set(&d, k, 0, 0x40000000, DRIVER_NEXT, (uint16_t)(k + 1));
    driver_offer(&d, 0);
    expect_fault("2^32 bytes");
}

/* ---- notifications ---- */

static void serve_one(void)
{
    driver_set(&d, 0, DATA, 4, 0, 0);
    driver_offer(&d, 0);
    cr_assert(virtio_queue_take(&q, &c));
    virtio_queue_return(&q, &c, 0);
}

Test(virtio_queue, flag_suppresses_notices)
{
    cr_assert_not(virtio_queue_wants_notice(&q), "nothing was returned");
    mem_write_le(mem, d.available, 2, 1);
    serve_one();
    cr_assert_not(virtio_queue_wants_notice(&q));
    mem_write_le(mem, d.available, 2, 0);
    cr_assert_not(virtio_queue_wants_notice(&q), "that chance is gone");
    serve_one();
    cr_assert(virtio_queue_wants_notice(&q));
}

Test(virtio_queue, event_index_says_when_to_notify)
{
    uint64_t used_event = d.available + 4 + 2 * SIZE, avail_event = d.used + 4 + 8 * SIZE;
    q.event_index = true;
    mem_write_le(mem, d.available, 2, 1); /* ignored */
    serve_one();
    cr_assert(virtio_queue_wants_notice(&q), "event 0 is the first chain");
    cr_assert_eq(mem_read_le(mem, avail_event, 2), 1);
    mem_write_le(mem, used_event, 2, 3);
    serve_one(), serve_one();
    cr_assert_not(virtio_queue_wants_notice(&q));
    serve_one();
    cr_assert(virtio_queue_wants_notice(&q));
    mem_write_le(mem, used_event, 2, 5);
    serve_one(), serve_one(), serve_one();
    cr_assert(virtio_queue_wants_notice(&q), "5 was among 4, 5, 6");
    cr_assert_eq(mem_read_le(mem, avail_event, 2), 7);
}
