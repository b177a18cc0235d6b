// SPDX-License-Identifier: Apache-2.0
// Machines that are saved while a disk is in use: the queue, and what the guest wrote.
#include "save.h"

#include "image/disk.h"
#include "platform/mch.h"
#include "platform/virtio.h"
#include "virtio_driver.h"

enum { DEVICE = 2 << 15, BAR4 = 0x20, NOTIFY_AT = 0x3000, SECTORS = 1024, QUEUE = 16 };
enum { HEADER = 0x300000, DATA = 0x310000, STATUS = 0x3f0000, READ = 0, WRITE = 1, ZEROES = 13 };

struct box {
    struct machine *m;
    struct disk *disk;
    struct driver d;
    uint64_t bar;
};

static struct box box_new(const char *image)
{
    struct box b = { 0 };
    struct sp_error e;
    b.disk = disk_open(image, DISK_OVERLAY, &e);
    cr_assert(b.disk, "%s", e.message);
    struct block_disk disk = { disk_store(b.disk), "serial" };
    struct machine_config c = { .ram_size = DRIVER_RAM, .processors = 1, .cpu = "max",
                                .disks = &disk, .disk_count = 1, .virtio_console = true };
    b.m = machine_create(&c, &e);
    cr_assert(b.m, "%s", e.message);
    b.d = driver_new(machine_mem(b.m), 0, QUEUE);
    return b;
}

static void box_free(struct box *b)
{
    machine_destroy(b->m);
    disk_close(b->disk);
}

static void reg(const struct box *b, unsigned at, unsigned size, uint64_t v)
{
    mem_write_le(machine_mem(b->m), b->bar + at, size, v);
}

/* What a driver does to the common configuration structure. */
static void start(struct box *b)
{
    struct mem *m = machine_mem(b->m);
    machine_hand_over(b->m);
    mem_write_le(m, MCH_EXPRESS_BASE + DEVICE + 4, 2, 6);
    b->bar = mem_read_le(m, MCH_EXPRESS_BASE + DEVICE + BAR4, 4) & ~UINT64_C(15);
    reg(b, 20, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    reg(b, 8, 4, 0);
    reg(b, 12, 4, 0x4000); /* VIRTIO_BLK_F_WRITE_ZEROES */
    reg(b, 8, 4, 1);
    reg(b, 12, 4, 1);      /* VIRTIO_F_VERSION_1 */
    reg(b, 20, 1, VIRTIO_FEATURES_OK);
    reg(b, 22, 2, 0);
    reg(b, 24, 2, QUEUE);
    reg(b, 32, 8, b->d.descriptors);
    reg(b, 40, 8, b->d.available);
    reg(b, 48, 8, b->d.used);
    reg(b, 28, 2, 1);
    reg(b, 20, 1, VIRTIO_DRIVER_OK);
    cr_assert_eq(mem_read_le(m, b->bar + 20, 1) & VIRTIO_DRIVER_OK, VIRTIO_DRIVER_OK);
}

static void request(struct box *b, unsigned type, uint64_t sector, unsigned bytes)
{
    struct mem *m = machine_mem(b->m);
    uint16_t data = type == READ ? DRIVER_NEXT | DRIVER_WRITE : DRIVER_NEXT;
    mem_write_le(m, HEADER, 4, type);
    mem_write_le(m, HEADER + 8, 8, sector);
    mem_write_le(m, STATUS, 1, 0xff);
    driver_set(&b->d, 0, HEADER, 16, DRIVER_NEXT, 1);
    driver_set(&b->d, 1, DATA, bytes, data, 2);
    driver_set(&b->d, 2, STATUS, 1, DRIVER_WRITE, 0);
    driver_offer(&b->d, 0);
}

static void notify(struct box *b)
{
    reg(b, NOTIFY_AT, 2, 0);
    cr_expect_eq(mem_read_le(machine_mem(b->m), STATUS, 1), 0);
}

static void write_sector(struct box *b, uint64_t sector, uint8_t fill)
{
    for (unsigned k = 0; k < 512; k++)
        mem_write_le(machine_mem(b->m), DATA + k, 1, fill);
    request(b, WRITE, sector, 512);
    notify(b);
}

static unsigned read_sector(struct box *b, uint64_t sector)
{
    request(b, READ, sector, 512);
    notify(b);
    return (unsigned)mem_read_le(machine_mem(b->m), DATA + 511, 1);
}

static char *make_image(void)
{
    static uint8_t bytes[SECTORS * 512];
    char *image = temporary_name();
    memset(bytes, 0x11, sizeof bytes);
    put_file(image, bytes, sizeof bytes);
    return image;
}

static void drop(char *name)
{
    unlink(name);
    free(name);
}

Test(save_disk, a_disk_in_use_goes_on)
{
    char *image = make_image(), *name = temporary_name();
    struct box a = box_new(image), b = box_new(image);
    start(&a);
    write_sector(&a, 5, 0x22);
    mem_write_le(machine_mem(a.m), DATA, 8, 600); /* sectors 600 to 855: a whole piece of 64 KiB */
    mem_write_le(machine_mem(a.m), DATA + 8, 8, 256);
    request(&a, ZEROES, 0, 16);
    notify(&a);
    request(&a, WRITE, 7, 512);                   /* offered, and the device does not know it yet */
    mem_write_le(machine_mem(a.m), DATA + 511, 1, 0x33);
    save_to(a.m, name);
    restore_from(b.m, name);
    b.d.index = a.d.index;
    b.bar = a.bar;
    notify(&a);
    notify(&b);
    cr_expect_eq(driver_used(&b.d), 3);
    same_state(a.m, b.m, "after the request that was offered before");
    cr_expect_eq(read_sector(&b, 5), 0x22);
    cr_expect_eq(read_sector(&b, 6), 0x11);
    cr_expect_eq(read_sector(&b, 7), 0x33);
    cr_expect_eq(read_sector(&b, 700), 0);
    box_free(&a);
    box_free(&b);
    drop(name);
    drop(image);
}

/* What machine b wrote before is gone: the overlay is the saved one. */
Test(save_disk, the_overlay_is_replaced)
{
    char *image = make_image(), *name = temporary_name();
    struct box a = box_new(image);
    start(&a);
    write_sector(&a, 5, 0x22);
    save_to(a.m, name);
    write_sector(&a, 5, 0x44);
    write_sector(&a, 900, 0x44);
    a.d.index = 1;
    restore_from(a.m, name);
    cr_expect_eq(read_sector(&a, 5), 0x22);
    cr_expect_eq(read_sector(&a, 900), 0x11);
    box_free(&a);
    drop(name);
    drop(image);
}

Test(save_disk, another_disk_is_another_machine)
{
    char *image = make_image(), *other = make_image(), *name = temporary_name();
    struct sp_error e;
    put_file(other, "", 0);
    cr_assert_not(truncate(other, 512 * 100));
    struct box a = box_new(image), b = box_new(other);
    save_to(a.m, name);
    cr_assert_not(machine_restore(b.m, name, &e));
    cr_expect_eq(e.code, SP_EXIT_USAGE);
    cr_expect(strstr(e.message, "disk 0: 524288 bytes") && strstr(e.message, "51200 bytes"), "%s",
              e.message);
    box_free(&a);
    box_free(&b);
    drop(name);
    drop(image);
    drop(other);
}
