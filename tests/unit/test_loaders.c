// SPDX-License-Identifier: Apache-2.0
// Loaders: good images arrive where they should; damaged ones give exactly one error line and never
// a crash.
#include <criterion/criterion.h>
#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "cpu/cpu.h"
#include "image/image.h"
#include "machine/machine.h"

enum { MB1_MAGIC = 0x1badb002, KERNEL_AT = 0x100000, KERNEL_SIZE = 0x3000 };

static struct machine *new_machine(void)
{
    struct sp_error e = { 0 };
    struct machine_config config = { .ram_size = 16 << 20, .processors = 1, .cpu = "max" };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    return m;
}

static uint32_t word(struct machine *m, uint64_t at)
{
    return (uint32_t)mem_read_le(machine_mem(m), at, 4);
}

static void put32(uint8_t *p, size_t at, uint32_t v) { memcpy(p + at, &v, 4); }
static void put16(uint8_t *p, size_t at, uint16_t v) { memcpy(p + at, &v, 2); }

/* An ELF32 executable of one segment at 1 MiB, its multiboot 1 header at offset 0x1000. */
static void make_elf(uint8_t *p)
{
    static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', 1, 1, 1 };
    memset(p, 0, KERNEL_SIZE);
    memcpy(p, ident, sizeof ident);
    put16(p, 16, 2), put16(p, 18, 3), put32(p, 20, 1);          /* EXEC, 386, version */
    put32(p, 24, KERNEL_AT + 12), put32(p, 28, 52);             /* entry, program headers */
    put16(p, 40, 52), put16(p, 42, 32), put16(p, 44, 1);
    const uint32_t segment[] = { 1,      0x1000, KERNEL_AT, KERNEL_AT, KERNEL_SIZE - 0x1000,
                                 0x4000, 7,      0x1000 };
    memcpy(p + 52, segment, sizeof segment);
    put32(p, 0x1000, MB1_MAGIC), put32(p, 0x1004, 3), put32(p, 0x1008, -(MB1_MAGIC + 3u));
    memset(p + 0x100c, 0x90, 0x100);
}

/* Loads bytes as a kernel; the message is checked to be one line that names the file. */
static bool load(struct machine *m, const void *bytes, size_t size, const char *command_line,
                 struct sp_error *e)
{
    struct image i;
    memset(e, 0, sizeof *e);
    bool ok = image_copy(&i, "k.elf", bytes, size, e);
    if (ok) {
        ok = kernel_load(m, &i, command_line, NULL, 0, e);
        image_free(&i);
    }
    if (!ok) {
        cr_assert(strstr(e->message, "k.elf"), "message: %s", e->message);
        cr_assert_not(strchr(e->message, '\n'));
        cr_assert(e->code == SP_EXIT_BAD_IMAGE || e->code == SP_EXIT_NOT_MODELLED);
    }
    return ok;
}

Test(loaders, multiboot1_elf)
{
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    char text[64];
    struct machine *m = new_machine();
    make_elf(kernel);
    cr_assert(load(m, kernel, sizeof kernel, "one two", &e), "%s", e.message);
    struct cpu *c = machine_cpu(m, 0);
    cr_assert_eq(c->gpr[RAX], 0x2badb002);
    cr_assert_eq(c->rip, KERNEL_AT + 12);
    cr_assert(c->cr0 & CR0_PE);
    cr_assert_eq(word(m, KERNEL_AT), MB1_MAGIC);
    uint32_t info = (uint32_t)c->gpr[RBX];
    cr_assert_eq(word(m, info) & 0x245, 0x245, "flags %#x", word(m, info));
    mem_read(machine_mem(m), word(m, info + 16), text, sizeof text);
    cr_assert_str_eq(text, "k.elf one two");
    cr_assert_eq(word(m, word(m, info + 48)), 20, "size of the first entry of the memory map");
    machine_destroy(m);
}

Test(loaders, multiboot1_modules)
{
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    struct image i;
    struct image_module modules[2] = { { .text = (char *)"a x" }, { .text = (char *)"b" } };
    make_elf(kernel);
    cr_assert(image_copy(&i, "k", kernel, sizeof kernel, &e));
    cr_assert(image_copy(&modules[0].image, "a", "AAAAA", 5, &e));
    cr_assert(image_copy(&modules[1].image, "b", "BBBB", 4, &e));
    cr_assert(kernel_load(m, &i, NULL, modules, 2, &e), "%s", e.message);
    uint32_t info = (uint32_t)machine_cpu(m, 0)->gpr[RBX], list = word(m, info + 24);
    cr_assert_eq(word(m, info + 20), 2);
    for (unsigned k = 0; k < 2; k++) {
        uint32_t start = word(m, list + 16 * k);
        cr_assert_eq(start & 0xfff, 0);
        cr_assert_geq(start, KERNEL_AT + 0x4000);
        cr_assert_eq(word(m, list + 16 * k + 4) - start, 5 - k);
        cr_assert_eq(word(m, start) & 0xff, 'A' + k);
        image_free(&modules[k].image);
    }
    image_free(&i);
    machine_destroy(m);
}

Test(loaders, multiboot2_wins_over_multiboot1)
{
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    const uint32_t magic = 0xe85250d6;
    const uint32_t header[] = { magic, 0, 24, -(magic + 24), 0, 8 };
    make_elf(kernel);
    memcpy(kernel + 0x2000, header, sizeof header);
    cr_assert(load(m, kernel, sizeof kernel, "", &e), "%s", e.message);
    struct cpu *c = machine_cpu(m, 0);
    cr_assert_eq(c->gpr[RAX], 0x36d76289);
    uint64_t info = c->gpr[RBX], at = info + 8, end = info + word(m, info);
    unsigned seen = 0;
    for (; at < end && word(m, at); at += (word(m, at + 4) + 7) & ~7u)
        seen |= 1u << word(m, at);
    cr_assert_eq(at, end - 8, "the end tag is the last");
    cr_assert_eq(seen & 0x20c056, 0x20c056, "tags %#x", seen);
    machine_destroy(m);
}

Test(loaders, elf_cut_at_every_64th_byte)
{
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    make_elf(kernel);
    for (size_t n = 0; n < sizeof kernel; n += 64)
        cr_assert_not(load(m, kernel, n, "", &e), "%zu bytes", n);
    cr_assert(load(m, kernel, sizeof kernel, "", &e));
    machine_destroy(m);
}

/* Every 32-bit word of the headers replaced by hostile values: loads or fails, never crashes. */
Test(loaders, elf_and_multiboot_headers_with_hostile_words)
{
    static const uint32_t hostile[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff };
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    for (size_t at = 0; at < 84; at += 4)
        for (size_t k = 0; k < sizeof hostile / sizeof *hostile; k++) {
            make_elf(kernel);
            put32(kernel, at, hostile[k]);
            load(m, kernel, sizeof kernel, "", &e);
        }
    machine_destroy(m);
}

Test(loaders, multiboot1_addresses_that_are_absurd)
{
    static const struct { uint32_t header, load, load_end, bss_end, entry; } bad[] = {
        { 0x100000, 0x200000, 0, 0, 0 },                        /* load above the header       */
        { 0x100000, 0x000000, 0, 0, 0 },                        /* starts before the file      */
        { 0x100000, 0x100000, 0x0fffff, 0, 0 },                 /* ends before it starts       */
        { 0x100000, 0x100000, 0xfffffff0, 0, 0 },               /* ends beyond the file        */
        { 0x100000, 0x100000, 0, 0x100010, 0 },                 /* bss ends inside the data    */
        { 0x100000, 0x100000, 0, 0xfffffff0, 0 },               /* bss of 4 GiB                */
        { 0xfffff000, 0xfffff000, 0, 0, 0 },                    /* at the end of the addresses */
    };
    uint8_t kernel[0x1000] = { 0 };
    struct sp_error e;
    struct machine *m = new_machine();
    put32(kernel, 0, MB1_MAGIC), put32(kernel, 4, 0x10003),
        put32(kernel, 8, -(MB1_MAGIC + 0x10003u));
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        memcpy(kernel + 12, &bad[k], sizeof bad[k]);
        cr_assert_not(load(m, kernel, sizeof kernel, "", &e), "case %zu", k);
    }
    put32(kernel, 12, 0x100000), put32(kernel, 16, 0x100000), put32(kernel, 20, 0),
        put32(kernel, 24, 0x200000);
    put32(kernel, 28, 0x100020);
    cr_assert(load(m, kernel, sizeof kernel, "", &e), "%s", e.message);
    cr_assert_eq(machine_cpu(m, 0)->rip, 0x100020);
    machine_destroy(m);
}

Test(loaders, multiboot2_tags_that_are_absurd)
{
    static const uint32_t bad[][2] = {
        { 2, 0 }, { 2, 7 },  { 2, 8 },    { 2, 0xffffffff },
        { 3, 8 }, { 99, 8 }, { 1, 1000 }, { 1, 0xfffffff8 },
    };
    const uint32_t magic = 0xe85250d6, length = 32;
    uint8_t kernel[0x1000] = { 0 };
    struct sp_error e;
    struct machine *m = new_machine();
    put32(kernel, 0, magic), put32(kernel, 8, length), put32(kernel, 12, -(magic + length));
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        put32(kernel, 16, bad[k][0]), put32(kernel, 20, bad[k][1]);
        cr_assert_not(load(m, kernel, sizeof kernel, "", &e), "case %zu", k);
    }
    put32(kernel, 8, 0xfffffff0), put32(kernel, 12, -(magic + 0xfffffff0));
    cr_assert_not(load(m, kernel, sizeof kernel, "", &e));
    machine_destroy(m);
}

/* ---- compression ---- */

static size_t gzip(const uint8_t *in, size_t n, uint8_t *out, size_t room)
{
    z_stream z = { 0 };
    deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)in, z.avail_in = (uInt)n, z.next_out = out, z.avail_out = (uInt)room;
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return room - z.avail_out;
}

static size_t xz(const uint8_t *in, size_t n, uint8_t *out, size_t room)
{
    size_t used = 0;
    lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, in, n, out, &used, room);
    return used;
}

static size_t zstd(const uint8_t *in, size_t n, uint8_t *out, size_t room)
{
    return ZSTD_compress(out, room, in, n, 3);
}

static size_t lz4(const uint8_t *in, size_t n, uint8_t *out, size_t room)
{
    return LZ4F_compressFrame(out, room, in, n, NULL);
}

static size_t lz4_legacy(const uint8_t *in, size_t n, uint8_t *out, size_t room)
{
    int size = LZ4_compress_default((const char *)in, (char *)out + 8, (int)n, (int)room - 8);
    put32(out, 0, 0x184c2102), put32(out, 4, (uint32_t)size);
    return 8 + (size_t)size;
}

static size_t (*const compressors[])(const uint8_t *, size_t, uint8_t *,
                                     size_t) = { gzip, xz, zstd, lz4, lz4_legacy };

Test(loaders, compressed_images_are_opened)
{
    uint8_t kernel[KERNEL_SIZE], packed[2 * KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    make_elf(kernel);
    for (size_t k = 0; k < sizeof compressors / sizeof *compressors; k++) {
        size_t n = compressors[k](kernel, sizeof kernel, packed, sizeof packed);
        cr_assert(load(m, packed, n, "", &e), "%zu: %s", k, e.message);
    }
    machine_destroy(m);
}

Test(loaders, compressed_images_cut_at_every_byte)
{
    uint8_t kernel[KERNEL_SIZE], packed[2 * KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    make_elf(kernel);
    for (size_t k = 0; k < sizeof compressors / sizeof *compressors; k++) {
        size_t n = compressors[k](kernel, sizeof kernel, packed, sizeof packed);
        for (size_t cut = 0; cut < n; cut++)
            cr_assert_not(load(m, packed, cut, "", &e), "format %zu, %zu of %zu bytes", k, cut, n);
    }
    machine_destroy(m);
}

/* ---- flat binaries, firmware, files ---- */

Test(loaders, flat_and_firmware_bounds)
{
    struct sp_error e;
    uint8_t bytes[8192] = { 0xf4 };
    struct image i = { .name = (char *)"flat", .data = bytes, .size = sizeof bytes };
    struct machine *m = new_machine();
    cr_assert(flat_load(m, &i, 0x7c00, &e));
    cr_assert_not(flat_load(m, &i, (16 << 20) - 4096, &e));
    cr_assert_not(flat_load(m, &i, UINT64_MAX - 100, &e));
    cr_assert(flat_enter(m, 0x7c00, &e));
    cr_assert_eq(machine_cpu(m, 0)->rip, 0x7c00);
    cr_assert_eq(machine_cpu(m, 0)->seg[CS].selector, 0);
    cr_assert_not(flat_enter(m, 0x200000, &e));
    cr_assert(firmware_load(m, &i, &e));
    cr_assert_eq(word(m, 0xffffe000), 0xf4);
    cr_assert_eq(word(m, 0xfe000), 0xf4);
    i.size = 4097;
    cr_assert_not(firmware_load(m, &i, &e));
    machine_destroy(m);
}

Test(loaders, files_that_are_not_there)
{
    struct sp_error e = { 0 };
    struct image i, no_kernel = { 0 };
    struct image_module *modules;
    size_t count;
    cr_assert_not(image_read(&i, "/nonexistent/file", &e));
    cr_assert_eq(e.code, SP_EXIT_BAD_IMAGE);
    cr_assert_not(image_read(&i, "/", &e));
    cr_assert_not(image_modules_read("/nonexistent/a b,c", &no_kernel, &modules, &count, &e));
    cr_assert_not(image_modules_read(",", &no_kernel, &modules, &count, &e));
}
