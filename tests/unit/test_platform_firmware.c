// SPDX-License-Identifier: Apache-2.0
// The fw_cfg files for firmware: a small linker/loader as firmware has one runs the script, and the
// tables that come out must hang together.
#include <criterion/criterion.h>

#include "base/bits.h"
#include "platform/firmware.h"

static struct bench {
    struct mem *mem;
    struct fw_cfg cfg;
    struct firmware_files files;
} b;

static void set_up(void)
{
    struct sp_error e;
    b.mem = mem_create(16 << 20, &e);
    cr_assert(b.mem);
    fw_cfg_init(&b.cfg, b.mem, 16 << 20, 2);
    acpi_tables_build(&b.files.acpi, 2, 2);
}
static void tear_down(void) { mem_destroy(b.mem); }

TestSuite(firmware, .init = set_up, .fini = tear_down);

static void add_files(void)
{
    const struct firmware_settings settings = { .boot_menu_wait = 1500, .feature_control = 5 };
    struct sp_error e;
    cr_assert(firmware_files_add(&b.files, &b.cfg, b.mem, &settings, &e), "%s", e.message);
}

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Reads a file through the ports, as the guest does; its size, or -1. */
static int read_file(const char *name, uint8_t *out, size_t room)
{
    for (unsigned k = 0; k < b.cfg.files; k++) {
        const uint8_t *entry = b.cfg.directory + 4 + 64 * k;
        uint32_t size = big_endian(entry);
        if (strcmp((const char *)entry + 8, name) || size > room)
            continue;
        fw_cfg_ports.write(&b.cfg, 0, 2, (uint32_t)entry[4] << 8 | entry[5]);
        for (uint32_t n = 0; n < size; n++)
            out[n] = (uint8_t)fw_cfg_ports.read(&b.cfg, 1, 1);
        return (int)size;
    }
    return -1;
}

static uint64_t get(const uint8_t *at, unsigned n)
{
    uint64_t v = 0;
    memcpy(&v, at, n);
    return v;
}

struct blob {
    const char *name;
    uint64_t base;
    uint8_t byte[ACPI_TABLES_SIZE];
};

static struct blob *find(struct blob *blobs, const uint8_t *name)
{
    for (unsigned k = 0; k < 2; k++)
        if (blobs[k].name && !strcmp(blobs[k].name, (const char *)name))
            return &blobs[k];
    cr_assert(false, "the script names %s", (const char *)name);
    return NULL;
}

static uint8_t sum(const uint8_t *at, size_t n)
{
    uint8_t s = 0;
    while (n--)
        s = (uint8_t)(s + *at++);
    return s;
}

/* One command: 1 allocate, 2 add pointer, 3 add checksum. */
static void execute(struct blob *blobs, const uint8_t *c)
{
    static const char *const known[] = { "etc/acpi/rsdp", "etc/acpi/tables" };
    unsigned allocated = !!blobs[0].name + !!blobs[1].name;
    uint64_t code = get(c, 4);
    if (code == 1) {
        cr_assert_str_eq((const char *)c + 4, known[allocated]);
        struct blob *blob = &blobs[allocated];
        *blob = (struct blob){ .name = known[allocated], .base = allocated ? 0xabc000 : 0xf1230 };
        cr_assert_gt(read_file(blob->name, blob->byte, sizeof blob->byte), 0);
        cr_assert_eq(blob->base & (get(c + 60, 4) - 1), 0);
        return;
    }
    struct blob *into = find(blobs, c + 4);
    if (code == 2) {
        uint8_t *at = into->byte + get(c + 116, 4);
        uint64_t v = get(at, c[120]) + find(blobs, c + 60)->base;
        memcpy(at, &v, c[120]);
    } else {
        cr_assert_eq(code, 3);
        uint8_t *at = into->byte + get(c + 60, 4);
        cr_assert_eq(*at, 0);
        *at = (uint8_t)-sum(into->byte + get(c + 64, 4), get(c + 68, 4));
    }
}

/* The table that a pointer of `size` bytes at `at` leads to. */
static const uint8_t *follow(const struct blob *tables, const uint8_t *at, unsigned size)
{
    uint64_t offset = get(at, size) - tables->base;
    cr_assert_lt(offset, b.files.acpi.used);
    return tables->byte + offset;
}

static void check_table(const uint8_t *t, const char *signature)
{
    cr_assert_eq(memcmp(t, signature, 4), 0, "%.4s, not %s", (const char *)t, signature);
    cr_assert_eq(sum(t, get(t + 4, 4)), 0, "%s", signature);
}

Test(firmware, loader_script_makes_tables)
{
    static struct blob blobs[2];
    uint8_t script[sizeof b.files.loader];
    add_files();
    int size = read_file("etc/table-loader", script, sizeof script);
    cr_assert(size > 0 && size % 128 == 0);
    for (int at = 0; at < size; at += 128)
        execute(blobs, script + at);
    const uint8_t *rsdp = blobs[0].byte;
    cr_assert_eq(sum(rsdp, 20), 0);
    cr_assert_eq(sum(rsdp, 36), 0);
    check_table(follow(&blobs[1], rsdp + 16, 4), "RSDT");
    const uint8_t *xsdt = follow(&blobs[1], rsdp + 24, 8), *fadt = follow(&blobs[1], xsdt + 36, 8);
    check_table(xsdt, "XSDT");
    check_table(fadt, "FACP");
    check_table(follow(&blobs[1], xsdt + 44, 8), "APIC");
    check_table(follow(&blobs[1], fadt + 40, 4), "DSDT");
    check_table(follow(&blobs[1], fadt + 140, 8), "DSDT");
    cr_assert_eq(memcmp(follow(&blobs[1], fadt + 36, 4), "FACS", 4), 0);
}

Test(firmware, placed_tables_equal_loaded_ones)
{
    static struct acpi_tables t;
    t = b.files.acpi;
    acpi_tables_place(&t, b.mem, 0xabc000);
    uint64_t xsdt = mem_read_le(b.mem, ACPI_RSDP_ADDRESS + 24, 8);
    cr_assert_eq(sum(t.byte + (xsdt - 0xabc000), 36 + 4 * 8), 0);
    cr_assert_eq(mem_read_le(b.mem, xsdt, 4), 0x54445358, "XSDT");
}

Test(firmware, memory_map_and_small_files)
{
    uint8_t v[64];
    add_files();
    cr_assert_eq(read_file("etc/e820", v, sizeof v), 20, "no RAM above 4 GiB, no entry for it");
    cr_assert(get(v, 8) == 0 && get(v + 8, 8) == 16 << 20 && get(v + 16, 4) == 1);
    cr_assert_eq(read_file("etc/msr_feature_control", v, sizeof v), 8);
    cr_assert_eq(get(v, 8), 5);
    cr_assert_eq(read_file("etc/sercon-port", v, sizeof v), 2);
    cr_assert_eq(get(v, 2), 0x3f8);
    cr_assert_eq(read_file("etc/boot-menu-wait", v, sizeof v), 2);
    cr_assert_eq(get(v, 2), 1500);
}

Test(firmware, files_of_the_user_come_first)
{
    static const uint8_t none[2] = { 0 };
    const struct fw_cfg_file file = { "etc/sercon-port", none, sizeof none };
    struct sp_error e;
    uint8_t v[2];
    cr_assert(fw_cfg_add(&b.cfg, &file, &e));
    add_files();
    cr_assert_eq(read_file("etc/sercon-port", v, sizeof v), 2);
    cr_assert_eq(get(v, 2), 0);
    unsigned found = 0;
    for (unsigned k = 0; k < b.cfg.files; k++)
        found += !strcmp((const char *)b.cfg.directory + 4 + 64 * k + 8, file.name);
    cr_assert_eq(found, 1);
}
