// SPDX-License-Identifier: Apache-2.0
// virtio devices as PCI functions, seen from the ports and memory of a whole platform; and a driver
// that does anything at all.
#include "virtio_driver.h"

#include "base/bits.h"
#include "platform/platform.h"

enum { COMMON, ISR, DEVICE, NOTIFY, STRUCTURES };
enum { CAP_TYPE = 3, CAP_BAR = 4, CAP_AT = 8, CAP_SIZE = 12, CAP_EXTRA = 16 };
enum { BLOCK = 2, CONSOLE = 3 }; /* slots */
enum { HEADER = 0x300000, DATA = 0x310000, STATUS = 0x3f0000, TABLE = 0x400000, SECTORS = 64 };
#define APIC UINT64_C(0xfee00000)

static struct bench {
    struct mem *mem;
    struct platform *p;
    struct platform_host host;
    uint64_t now;
    bool intr;
    uint8_t disk[SECTORS * 512];
    uint64_t at[STRUCTURES]; /* of the function that find_structures() saw */
    unsigned window;
    uint32_t random;
} b;

static uint64_t now(void *x) { return b.now; }
static void changed(void *x) {}
static unsigned current(void *x) { return 0; }
static void interrupt(void *x, unsigned cpu, bool level) { b.intr = level; }
static void ignore(void *x, unsigned cpu) {}
static void startup(void *x, unsigned cpu, uint8_t vector) {}
static uint64_t tsc_offset(void *x, unsigned cpu) { return 0; }
static void a20(void *x, bool open) {}
static void stop(void *x, enum platform_stop reason, uint64_t value, const char *text) {}

static bool store_read(void *x, uint64_t offset, void *bytes, size_t n)
{
    cr_assert(offset + n <= sizeof b.disk);
    memcpy(bytes, b.disk + offset, n);
    return true;
}
static bool store_write(void *x, uint64_t offset, const void *bytes, size_t n)
{
    cr_assert(offset + n <= sizeof b.disk);
    memcpy(b.disk + offset, bytes, n);
    return true;
}
static bool store_zero(void *x, uint64_t offset, uint64_t n)
{
    cr_assert(offset + n <= sizeof b.disk);
    memset(b.disk + offset, 0, n);
    return true;
}
static bool store_flush(void *x) { return true; }
static void put_chars(void *x, const uint8_t *bytes, size_t n) {}
static int get_char(void *x) { return (b.random += 77777) >> 9 & 1 ? 'x' : -1; }

static void set_up(void)
{
    struct sp_error e;
    b = (struct bench){ .host = { NULL, now, changed, current, interrupt, ignore, ignore, ignore,
                                  startup, tsc_offset, a20, stop },
                        .random = 1 };
    b.mem = mem_create(DRIVER_RAM, &e);
    const struct block_disk disk = {
        { NULL, sizeof b.disk, false, store_read, store_write, store_zero, store_flush, NULL },
        "serial"
    };
    const struct platform_config c = { .mem = b.mem,
                                       .ram_size = DRIVER_RAM,
                                       .processors = 1,
                                       .physical_bits = 39,
                                       .disks = &disk,
                                       .disk_count = 1,
                                       .virtio_console = true,
                                       .virtio_console_sink = { put_chars, get_char, NULL } };
    b.p = platform_create(&c, &b.host, &e);
    cr_assert(b.p, "%s", e.message);
    platform_hand_over(b.p);
}

static void tear_down(void)
{
    platform_destroy(b.p);
    mem_destroy(b.mem);
}

TestSuite(virtio_pci, .init = set_up, .fini = tear_down);

/* ---- configuration space ---- */

static void select_register(unsigned slot, unsigned offset)
{
    platform_io_write(b.p, 0xcf8, 4, 0x80000000u | slot << 11 | (offset & 0xfc));
}
static uint32_t config_read(unsigned slot, unsigned offset, unsigned size)
{
    select_register(slot, offset);
    return platform_io_read(b.p, (uint16_t)(0xcfc + (offset & 3)), size);
}
static void config_write(unsigned slot, unsigned offset, unsigned size, uint32_t v)
{
    select_register(slot, offset);
    platform_io_write(b.p, (uint16_t)(0xcfc + (offset & 3)), size, v);
}

static unsigned find_capability(unsigned slot, uint8_t id, uint8_t type)
{
    for (unsigned at = config_read(slot, 0x34, 1); at; at = config_read(slot, at + 1, 1))
        if (config_read(slot, at, 1) == id &&
            (!type || config_read(slot, at + CAP_TYPE, 1) == type))
            return at;
    return 0;
}

static uint64_t bar(unsigned slot, unsigned index)
{
    uint64_t low = config_read(slot, 0x10 + 4 * index, 4) & ~UINT32_C(15);
    bool wide = config_read(slot, 0x10 + 4 * index, 4) & 4;
    return low | (wide ? (uint64_t)config_read(slot, 0x14 + 4 * index, 4) << 32 : 0);
}

static void find_structures(unsigned slot)
{
    static const uint8_t type[STRUCTURES] = { 1, 3, 4, 2 };
    for (unsigned k = 0; k < STRUCTURES; k++) {
        unsigned cap = find_capability(slot, 9, type[k]);
        cr_assert(cap, "%u", k);
        b.at[k] =
            bar(slot, config_read(slot, cap + CAP_BAR, 1)) + config_read(slot, cap + CAP_AT, 4);
    }
    b.window = find_capability(slot, 9, 5);
    cr_assert(b.window);
}

static uint64_t get(unsigned structure, unsigned offset, unsigned size)
{
    return mem_read_le(b.mem, b.at[structure] + offset, size);
}
static void put(unsigned structure, unsigned offset, unsigned size, uint64_t v)
{
    mem_write_le(b.mem, b.at[structure] + offset, size, v);
}

Test(virtio_pci, functions_say_what_they_are)
{
    cr_assert_eq(config_read(BLOCK, 0, 4), 0x10421af4);
    cr_assert_eq(config_read(CONSOLE, 0, 4), 0x10431af4);
    cr_assert_geq(config_read(BLOCK, 8, 1), 1, "revision");
    cr_assert_eq(config_read(BLOCK, 9, 2), 0x0000);
    cr_assert_eq(config_read(BLOCK, 11, 1), 0x01, "mass storage");
    cr_assert_eq(config_read(BLOCK, 0x3d, 1), 1, "INTA#");
    unsigned notify = find_capability(BLOCK, 9, 2), cap = find_capability(BLOCK, 0x11, 0);
    cr_assert_eq(config_read(BLOCK, notify + CAP_EXTRA, 4), 4);
    cr_assert_eq(config_read(BLOCK, notify + 2, 1), 20);
    cr_assert_eq(config_read(BLOCK, cap + 2, 2) & 0x7ff, 1, "a vector for the queue and one more");
}

/* ---- a driver ---- */

static void set_queue(const struct driver *d, unsigned queue)
{
    put(COMMON, 22, 2, queue);
    put(COMMON, 24, 2, d->size);
    put(COMMON, 32, 8, d->descriptors);
    put(COMMON, 40, 4, d->available);
    put(COMMON, 44, 4, 0);
    put(COMMON, 48, 8, d->used);
    put(COMMON, 28, 2, 1);
}

/* Up to DRIVER_OK, with the features of VERSION_1 and `low`. */
static struct driver start(unsigned slot, uint32_t low, uint16_t vector)
{
    struct driver d = driver_new(b.mem, 0, 16);
    config_write(slot, 4, 2, 6); /* memory, bus master */
    find_structures(slot);
    put(COMMON, 20, 1, 0);
    put(COMMON, 20, 1, 3);
    put(COMMON, 8, 4, 0);
    put(COMMON, 12, 4, low);
    put(COMMON, 8, 4, 1);
    put(COMMON, 12, 4, 1);
    put(COMMON, 20, 1, 11);
    cr_assert_eq(get(COMMON, 20, 1), 11);
    put(COMMON, 22, 2, 0);
    put(COMMON, 26, 2, vector);
    set_queue(&d, 0);
    put(COMMON, 20, 1, 15);
    return d;
}

/* Reads the first sector. */
static void read_sector(struct driver *d)
{
    mem_write_le(b.mem, HEADER, 8, 0);
    mem_write_le(b.mem, HEADER + 8, 8, 0);
    mem_write_le(b.mem, STATUS, 1, 0xff);
    driver_set(d, 0, HEADER, 16, DRIVER_NEXT, 1);
    driver_set(d, 1, DATA, 512, DRIVER_NEXT | DRIVER_WRITE, 2);
    driver_set(d, 2, STATUS, 1, DRIVER_WRITE, 0);
    driver_offer(d, 0);
    put(NOTIFY, 0, 2, 0);
    cr_assert_eq(mem_read_le(b.mem, STATUS, 1), 0);
}

Test(virtio_pci, features_are_shown_in_halves)
{
    find_structures(BLOCK);
    put(COMMON, 0, 4, 0);
    uint32_t low = (uint32_t)get(COMMON, 4, 4);
    cr_assert(low & BIT(28) && low & BIT(29) && low & BIT(9));
    put(COMMON, 0, 4, 1);
    cr_assert_eq(get(COMMON, 4, 4), 1, "VERSION_1");
    put(COMMON, 0, 4, 2);
    cr_assert_eq(get(COMMON, 4, 4), 0);
    cr_assert_eq(get(DEVICE, 0, 8), SECTORS);
    cr_assert_eq(get(DEVICE, 12, 4), 126);
}

Test(virtio_pci, queue_fields_keep_what_is_valid)
{
    find_structures(BLOCK);
    cr_assert_eq(get(COMMON, 18, 2), 1);
    cr_assert_eq(get(COMMON, 24, 2), 128);
    put(COMMON, 24, 2, 100);
    cr_assert_eq(get(COMMON, 24, 2), 128, "not a power of 2");
    put(COMMON, 24, 2, 256);
    cr_assert_eq(get(COMMON, 24, 2), 128, "too large");
    put(COMMON, 24, 2, 32);
    cr_assert_eq(get(COMMON, 24, 2), 32);
    put(COMMON, 26, 2, 1);
    cr_assert_eq(get(COMMON, 26, 2), 1);
    put(COMMON, 26, 2, 2);
    cr_assert_eq(get(COMMON, 26, 2), 0xffff, "there is no such vector");
    put(COMMON, 32, 8, UINT64_C(0x1122334455667780));
    cr_assert_eq(get(COMMON, 32, 8), UINT64_C(0x1122334455667780));
    put(COMMON, 28, 2, 1);
    put(COMMON, 32, 8, 0);
    put(COMMON, 24, 2, 64);
    cr_assert_eq(get(COMMON, 32, 4), 0x55667780, "frozen");
    cr_assert_eq(get(COMMON, 24, 2), 32);
    put(COMMON, 22, 2, 1);
    cr_assert_eq(get(COMMON, 24, 2), 0, "there is no queue 1");
    put(COMMON, 28, 2, 1);
    cr_assert_eq(get(COMMON, 28, 2), 0);
}

Test(virtio_pci, interrupt_pin_follows_the_isr_status)
{
    struct driver d = start(BLOCK, 0, 0xffff);
    memset(b.disk, 0x5a, 512);
    read_sector(&d);
    cr_assert_eq(mem_read_le(b.mem, DATA + 511, 1), 0x5a);
    cr_assert_eq(config_read(BLOCK, 6, 2) & 8, 8, "Interrupt Status");
    cr_assert_eq(get(ISR, 0, 1), 1);
    cr_assert_eq(get(ISR, 0, 1), 0, "reading clears it");
    cr_assert_eq(config_read(BLOCK, 6, 2) & 8, 0);
}

Test(virtio_pci, message_reaches_the_local_apic)
{
    unsigned msix = find_capability(BLOCK, 0x11, 0);
    uint64_t table = bar(BLOCK, 1);
    config_write(BLOCK, 4, 2, 6);
    config_write(BLOCK, msix + 2, 2, 0x8000);
    mem_write_le(b.mem, table + 16, 8, APIC);
    mem_write_le(b.mem, table + 24, 4, 0x41);
    mem_write_le(b.mem, table + 28, 4, 0);
    mem_write_le(b.mem, APIC + 0xf0, 4, 0x1ff);
    struct driver d = start(BLOCK, 0, 1);
    read_sector(&d);
    cr_assert(b.intr);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x41);
    cr_assert_eq(get(ISR, 0, 1), 0, "not used");
}

Test(virtio_pci, broken_queue_tells_the_driver)
{
    struct driver d = start(BLOCK, 0, 0xffff);
    driver_offer(&d, 77);
    put(NOTIFY, 0, 2, 0);
    cr_assert_eq(get(COMMON, 20, 1), 0x4f, "DEVICE_NEEDS_RESET");
    cr_assert_eq(get(ISR, 0, 1), 2);
    put(COMMON, 20, 1, 0);
    cr_assert_eq(get(COMMON, 20, 1), 0);
    d = start(BLOCK, 0, 0xffff);
    mem_write_le(b.mem, d.available + 2, 2, 0);
    read_sector(&d);
}

Test(virtio_pci, reset_of_the_machine_resets_the_device)
{
    start(BLOCK, 0, 0xffff);
    platform_reset(b.p);
    platform_hand_over(b.p);
    find_structures(BLOCK);
    cr_assert_eq(get(COMMON, 20, 1), 0);
    cr_assert_eq(get(COMMON, 28, 2), 0);
    cr_assert_eq(get(COMMON, 16, 2), 0xffff);
}

/* ---- "PCI configuration access capability" ---- */

static void aim(uint8_t index, uint32_t offset, uint32_t size)
{
    config_write(BLOCK, b.window + CAP_BAR, 1, index);
    config_write(BLOCK, b.window + CAP_AT, 4, offset);
    config_write(BLOCK, b.window + CAP_SIZE, 4, size);
}

Test(virtio_pci, window_reaches_the_structures)
{
    find_structures(BLOCK);
    config_write(BLOCK, 4, 2, 0); /* the BARs are closed */
    uint32_t common = (uint32_t)(b.at[COMMON] - bar(BLOCK, 4));
    aim(4, (uint32_t)(b.at[DEVICE] - bar(BLOCK, 4)), 4);
    cr_assert_eq(config_read(BLOCK, b.window + CAP_EXTRA, 4), SECTORS);
    aim(4, common + 20, 1);
    config_write(BLOCK, b.window + CAP_EXTRA, 4, 0xffffff03);
    cr_assert_eq(config_read(BLOCK, b.window + CAP_EXTRA, 4), 3);
    aim(4, common + 22, 2);
    config_write(BLOCK, b.window + CAP_EXTRA, 2, 5);
    cr_assert_eq(config_read(BLOCK, b.window + CAP_EXTRA, 2), 5);
}

Test(virtio_pci, window_to_nowhere_reads_zero)
{
    static const struct {
        uint8_t index;
        uint32_t offset, size;
    } bad[] = {
        { 4, 0x4000, 4 }, { 4, 0xfffffffc, 4 }, { 4, 2, 4 }, { 4, 0, 3 },
        { 4, 0, 8 },      { 4, 0, 0 },          { 0, 0, 4 }, { 255, 0, 4 },
    };
    find_structures(BLOCK);
    for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
        aim(bad[k].index, bad[k].offset, bad[k].size);
        config_write(BLOCK, b.window + CAP_EXTRA, 4, UINT32_MAX);
        cr_assert_eq(config_read(BLOCK, b.window + CAP_EXTRA, 4), 0, "%u", k);
    }
}

/* ---- a driver that does anything ---- */

static uint32_t any(void)
{
    b.random = b.random * 1664525u + 1013904223u;
    return b.random >> 8;
}
static uint32_t below(uint32_t n) { return any() % n; }

/* Mostly in or near what is there, sometimes anywhere. */
static uint64_t any_address(void)
{
    switch (below(8)) {
    case 0: return (uint64_t)any() << 40 | any();
    case 1: return DRIVER_RAM - below(64);
    case 2: return b.at[below(STRUCTURES)] + below(64);
    case 3: return DRIVER_RINGS + below(3 * DRIVER_STRIDE);
    case 4: return TABLE + below(256);
    default: return DATA + below(0x10000);
    }
}

static void any_descriptor(void)
{
    struct driver d = driver_new(b.mem, below(2), 16);
    uint64_t table = below(4) ? d.descriptors : DATA;
    uint32_t size = below(6) ? below(4) * 16 + below(2) * 496 : any() << below(9);
    driver_descriptor(&d, table, below(18), any_address(), size, (uint16_t)below(9),
                      (uint16_t)below(18));
}

/* A chain as drivers make it, in the table or beside it: header, buffers, status. */
static void sane_chain(struct driver *d, unsigned slot)
{
    static const uint8_t types[] = { 0, 1, 4, 8, 11, 13, 2 };
    uint8_t type = types[below(sizeof types)];
    unsigned count = below(4), at = 1, write = type == 0 || type == 8 ? DRIVER_WRITE : 0;
    uint64_t table = below(2) ? TABLE : d->descriptors;
    mem_write_le(b.mem, HEADER, 8, type);
    mem_write_le(b.mem, HEADER + 8, 8, below(SECTORS + 2));
    mem_write_le(b.mem, DATA, 8, below(SECTORS + 2));
    mem_write_le(b.mem, DATA + 8, 8, below(8) | (uint64_t)below(3) << 32);
    if (slot == CONSOLE)
        write = d->used == driver_new(b.mem, 0, 16).used ? DRIVER_WRITE : 0;
    driver_descriptor(d, table, 0, HEADER, 16,
                      (uint16_t)(DRIVER_NEXT | (slot == CONSOLE ? write : 0)), 1);
    for (; at <= count; at++)
        driver_descriptor(d, table, at, DATA + 512 * at - 512, type < 2 ? 512 : 16,
                          (uint16_t)(DRIVER_NEXT | write), (uint16_t)(at + 1));
    driver_descriptor(d, table, at, STATUS, 1, slot == CONSOLE ? (uint16_t)write : DRIVER_WRITE, 0);
    if (table == TABLE)
        driver_set(d, 0, TABLE, 16 * (at + 1), DRIVER_INDIRECT, 0);
}

static void any_chain(unsigned slot)
{
    unsigned queue = below(slot == CONSOLE ? 2 : 1);
    struct driver d = driver_new(b.mem, queue, 16);
    d.index = (uint16_t)mem_read_le(b.mem, d.available + 2, 2);
    sane_chain(&d, slot);
    if (!below(4))
        any_descriptor();
    driver_offer(&d, (uint16_t)(below(8) ? 0 : below(17)));
    if (!below(64))
        mem_write_le(b.mem, d.available + 2, 2, any());
    if (below(8))
        put(NOTIFY, 4 * queue, 2, queue);
}

static void any_common(void)
{
    static const uint8_t offset[] = { 0, 4, 8, 12, 16, 18, 20, 21, 22, 24, 26, 28, 30, 32, 40, 48 };
    unsigned size = 1u << below(4), at = below(4) ? offset[below(16)] : below(72);
    put(COMMON, at & ~(size - 1), size, below(2) ? below(20) : any_address());
    get(COMMON, at & ~(size - 1), size);
}

static void any_config(unsigned slot)
{
    unsigned at = below(2) ? b.window + 4 * below(6) : 0x40 + below(0xc0);
    config_write(slot, at & ~3u, 1u << below(3), below(2) ? below(0x5000) : any());
    config_read(slot, at & ~3u, 4);
}

static void any_step(unsigned slot)
{
    switch (below(8)) {
    case 0: any_common(); break;
    case 1: any_config(slot); break;
    case 2: any_descriptor(); break;
    case 3:
    case 4: any_chain(slot); break;
    case 5: put(NOTIFY, 4 * below(3), 2, below(3)); break;
    case 6: get(below(STRUCTURES), below(0x40) * 8, 8); break;
    default:
        b.now = earlier(platform_deadline(b.p), b.now + below(2000000));
        platform_advance(b.p, b.now);
    }
}

static void anything(unsigned slot, uint32_t features)
{
    for (unsigned round = 0; round < 5000; round++) {
        for (unsigned queue = 0; queue < 2; queue++)
            mem_write_le(b.mem, driver_new(b.mem, queue, 16).available + 2, 2, 0);
        start(slot, features & any() << 8, (uint16_t)below(3));
        if (slot == CONSOLE) {
            struct driver second = driver_new(b.mem, 1, 16);
            set_queue(&second, 1);
        }
        for (unsigned k = 0; k < 20; k++)
            any_step(slot);
    }
}

Test(virtio_pci, block_survives_anything) { anything(BLOCK, 0x30006244); }
Test(virtio_pci, console_survives_anything) { anything(CONSOLE, 0x30000000); }
