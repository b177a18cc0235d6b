// SPDX-License-Identifier: Apache-2.0
// The loader of Linux bzImages: kernel, initrd and boot parameters arrive where the boot protocol
// says; damaged headers give one error line and never a crash.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "image/image.h"
#include "machine/machine.h"

enum { RAM = 64 << 20, SETUP = 2 * 512, KERNEL = 0x2000, FILE_SIZE = SETUP + KERNEL };
enum { PREFERRED = 0x1000000, INIT_SIZE = 0x400000, ALIGNMENT = 0x200000 };

static void put32(uint8_t *p, size_t at, uint32_t v) { memcpy(p + at, &v, 4); }
static void put16(uint8_t *p, size_t at, uint16_t v) { memcpy(p + at, &v, 2); }

/* One sector of setup code, header 2.15, relocatable, with a 64-bit entry; the kernel's bytes count
 * up, so that a misplaced one shows. */
static void make_bzimage(uint8_t *p)
{
    memset(p, 0, FILE_SIZE);
    p[0x1f1] = SETUP / 512 - 1;
    put32(p, 0x1f4, KERNEL / 16);
    put16(p, 0x1fe, 0xaa55);
    p[0x200] = 0xeb, p[0x201] = 0x6a;
    memcpy(p + 0x202, "HdrS", 4);
    put16(p, 0x206, 0x20f);
    p[0x211] = 1;
    put32(p, 0x22c, 0x7fffffff);
    put32(p, 0x230, ALIGNMENT);
    p[0x234] = 1;
    put16(p, 0x236, 1);
    put32(p, 0x238, 2047);
    put32(p, 0x258, PREFERRED);
    put32(p, 0x260, INIT_SIZE);
    for (unsigned k = 0; k < KERNEL; k += 4)
        put32(p, SETUP + k, 0x5eed0000 + k);
}

static struct machine *new_machine(uint64_t ram, const char *cpu)
{
    struct sp_error e = { 0 };
    struct machine_config config = { .ram_size = ram, .processors = 1, .cpu = cpu };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    return m;
}

static uint32_t word(struct machine *m, uint64_t at)
{
    return (uint32_t)mem_read_le(machine_mem(m), at, 4);
}

/* Loads bytes as a kernel; the message is checked to be one line that names a file. */
static bool load(struct machine *m, const uint8_t *bytes, size_t size, const char *arguments,
                 const struct image_module *initrds, size_t count, struct sp_error *e)
{
    struct image i = { (char *)"vmlinuz", (uint8_t *)bytes, size };
    memset(e, 0, sizeof *e);
    bool ok = kernel_load(m, &i, arguments, initrds, count, e);
    if (!ok) {
        cr_assert(strstr(e->message, "vmlinuz") || strstr(e->message, "initrd"), "%s", e->message);
        cr_assert_not(strchr(e->message, '\n'));
    }
    return ok;
}

Test(bzimage, kernel_and_entry_in_64_bit_mode)
{
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    struct machine *m = new_machine(RAM, "max");
    make_bzimage(kernel);
    cr_assert(load(m, kernel, sizeof kernel, "a=1 b", NULL, 0, &e), "%s", e.message);
    struct cpu *c = machine_cpu(m, 0);
    cr_assert_eq(c->rip, PREFERRED + 0x200);
    cr_assert(c->msr.efer & EFER_LMA);
    cr_assert_eq(c->seg[CS].selector, 0x10);
    cr_assert_eq(c->seg[DS].selector, 0x18);
    cr_assert_eq(word(m, c->gdtr.base + 0x14), 0x00af9b00);
    cr_assert_eq(word(m, c->gdtr.base + 0x1c), 0x00cf9300);
    cr_assert_eq(word(m, PREFERRED), 0x5eed0000);
    cr_assert_eq(word(m, PREFERRED + KERNEL - 4), 0x5eed0000 + KERNEL - 4);
    machine_destroy(m);
}

Test(bzimage, boot_parameters)
{
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    char text[16];
    struct machine *m = new_machine(RAM, "max");
    make_bzimage(kernel);
    cr_assert(load(m, kernel, sizeof kernel, "a=1 b", NULL, 0, &e), "%s", e.message);
    uint64_t p = machine_cpu(m, 0)->gpr[RSI];
    cr_assert_eq(p & 0xfff, 0);
    cr_assert_eq(word(m, p + 0x202), 0x53726448);
    cr_assert_eq(word(m, p + 0x210) & 0xff, 0xff, "type_of_loader");
    cr_assert_eq(word(m, p + 0x214), PREFERRED, "code32_start");
    cr_assert_eq(word(m, p + 0x21c), 0, "ramdisk_size");
    cr_assert_eq(word(m, p + 0x1ef) & 0xff, 0, "sentinel");
    cr_assert_eq(word(m, p + 0x070), machine_rsdp(m));
    mem_read(machine_mem(m), word(m, p + 0x228), text, sizeof text);
    cr_assert_str_eq(text, "a=1 b", "the file's name is no part of Linux's command line");
    struct memory_range map[16];
    size_t n = machine_memory_map(m, map, 16);
    cr_assert_eq(word(m, p + 0x1e8) & 0xff, n);
    for (size_t k = 0; k < n; k++) {
        cr_assert_eq(mem_read_le(machine_mem(m), p + 0x2d0 + 20 * k, 8), map[k].base);
        cr_assert_eq(mem_read_le(machine_mem(m), p + 0x2d8 + 20 * k, 8), map[k].size);
        cr_assert_eq(word(m, p + 0x2e0 + 20 * k), map[k].type);
    }
    machine_destroy(m);
}

Test(bzimage, entry_in_protected_mode)
{
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    struct machine *m = new_machine(RAM, "max");
    make_bzimage(kernel);
    put16(kernel, 0x236, 0);
    cr_assert(load(m, kernel, sizeof kernel, NULL, NULL, 0, &e), "%s", e.message);
    struct cpu *c = machine_cpu(m, 0);
    cr_assert_eq(c->rip, PREFERRED);
    cr_assert_eq(c->cr0 & (CR0_PE | CR0_PG), CR0_PE);
    cr_assert_eq(c->seg[CS].selector, 0x10);
    cr_assert_eq(c->gpr[RBX] | c->gpr[RBP] | c->gpr[RDI], 0);
    cr_assert_eq(word(m, c->gpr[RSI] + 0x202), 0x53726448);
    machine_destroy(m);
}

Test(bzimage, initrds_stand_behind_each_other_high)
{
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    struct machine *m = new_machine(RAM, "max");
    struct image_module initrds[2] = {
        { { (char *)"initrd 0", (uint8_t *)"AAAAA", 5 }, (char *)"" },
        { { (char *)"initrd 1", (uint8_t *)"BBBB", 4 }, (char *)"" },
    };
    make_bzimage(kernel);
    cr_assert(load(m, kernel, sizeof kernel, "", initrds, 2, &e), "%s", e.message);
    uint64_t p = machine_cpu(m, 0)->gpr[RSI];
    uint32_t at = word(m, p + 0x218);
    cr_assert_eq(word(m, p + 0x21c), 12);
    cr_assert_eq(at & 0xfff, 0);
    cr_assert_gt(at, RAM - (1 << 20), "initrd at %#x", at);
    cr_assert_eq(word(m, at), 0x41414141);
    cr_assert_eq(word(m, at + 4), 0x41, "zeros between archives");
    cr_assert_eq(word(m, at + 8), 0x42424242);
    put32(kernel, 0x22c, PREFERRED + INIT_SIZE + 11);         /* its last byte at the limit   */
    cr_assert(load(m, kernel, sizeof kernel, "", initrds, 2, &e), "%s", e.message);
    cr_assert_eq(word(m, machine_cpu(m, 0)->gpr[RSI] + 0x218), PREFERRED + INIT_SIZE);
    put32(kernel, 0x22c, PREFERRED + INIT_SIZE + 10);         /* now only below the kernel    */
    cr_assert(load(m, kernel, sizeof kernel, "", initrds, 2, &e), "%s", e.message);
    cr_assert_eq(word(m, machine_cpu(m, 0)->gpr[RSI] + 0x218), PREFERRED - 0x1000);
    put32(kernel, 0x22c, 0xfffff);                        /* nowhere                      */
    cr_assert_not(load(m, kernel, sizeof kernel, "", initrds, 2, &e));
    machine_destroy(m);
}

/* syssize is in paragraphs of 16 bytes: a file may end anywhere in the last one. */
Test(bzimage, last_paragraph_in_part)
{
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    struct machine *m = new_machine(RAM, "max");
    make_bzimage(kernel);
    for (size_t n = 1; n < 16; n++) {
        uint8_t *file = memcpy(malloc(FILE_SIZE - n), kernel, FILE_SIZE - n);
        cr_assert(load(m, file, FILE_SIZE - n, "", NULL, 0, &e), "%s", e.message);
        for (size_t at = KERNEL - 16; at < KERNEL; at++)
            cr_assert_eq(mem_read_le(machine_mem(m), PREFERRED + at, 1),
                         at < KERNEL - n ? kernel[SETUP + at] : 0);
        free(file);
    }
    cr_assert_not(load(m, kernel, FILE_SIZE - 16, "", NULL, 0, &e));
    cr_assert_eq(e.code, SP_EXIT_BAD_IMAGE);
    machine_destroy(m);
}

Test(bzimage, cut_at_every_64th_byte)
{
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    struct machine *m = new_machine(RAM, "max");
    make_bzimage(kernel);
    for (size_t n = 0; n < sizeof kernel; n += 64) {
        cr_assert_not(load(m, kernel, n, "", NULL, 0, &e), "%zu bytes", n);
        cr_assert_eq(e.code, SP_EXIT_BAD_IMAGE, "%zu bytes: %s", n, e.message);
    }
    machine_destroy(m);
}

/* Every 16-bit word of the header replaced by hostile values: loads or fails, never crashes. */
Test(bzimage, headers_with_hostile_words)
{
    static const uint16_t hostile[] = { 0, 1, 0x7fff, 0x8000, 0xfff0, 0xffff };
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    struct machine *m = new_machine(RAM, "max");
    for (size_t at = 0x1f1; at < 0x290; at++)
        for (size_t k = 0; k < sizeof hostile / sizeof *hostile; k++) {
            make_bzimage(kernel);
            put16(kernel, at, hostile[k]);
            load(m, kernel, sizeof kernel, "x", NULL, 0, &e);
        }
    machine_destroy(m);
}

Test(bzimage, headers_that_are_refused)
{
    static const struct { unsigned at; uint32_t value; int code; } bad[] = {
        { 0x206, 0x205, SP_EXIT_NOT_MODELLED },          /* too old                       */
        { 0x210, 0, SP_EXIT_NOT_MODELLED },              /* zImage                        */
        { 0x200, 0x6448ffeb, SP_EXIT_BAD_IMAGE },        /* a header larger than its room */
        { 0x1f4, 0, SP_EXIT_BAD_IMAGE },                 /* no kernel                     */
        { 0x1f4, KERNEL / 16 + 1, SP_EXIT_BAD_IMAGE },   /* more than the file has        */
        { 0x1f4, 0xffffffff, SP_EXIT_BAD_IMAGE },
        { 0x230, 0x300000, SP_EXIT_BAD_IMAGE },          /* alignment not a power of two  */
        { 0x258, 0xfff00000, SP_EXIT_BAD_IMAGE },        /* preferred address beyond RAM  */
        { 0x25c, 0xffffffff, SP_EXIT_BAD_IMAGE },
        { 0x260, RAM, SP_EXIT_BAD_IMAGE },               /* needs more than there is      */
        { 0x238, 2, SP_EXIT_USAGE },                     /* command line too long         */
    };
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    struct machine *m = new_machine(RAM, "max");
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        make_bzimage(kernel);
        put32(kernel, bad[k].at, bad[k].value);
        cr_assert_not(load(m, kernel, sizeof kernel, "abc", NULL, 0, &e), "case %zu", k);
        cr_assert_eq(e.code, bad[k].code, "case %zu: %s", k, e.message);
    }
    machine_destroy(m);
}

/* Where the preferred address is not free, a relocatable kernel moves up, another one fails. */
Test(bzimage, relocation)
{
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    struct machine *m = new_machine(RAM, "max");
    make_bzimage(kernel);
    put32(kernel, 0x258, PREFERRED + 0x1000);
    cr_assert(load(m, kernel, sizeof kernel, "", NULL, 0, &e), "%s", e.message);
    cr_assert_eq(machine_cpu(m, 0)->rip, PREFERRED + ALIGNMENT + 0x200);
    kernel[0x234] = 0;
    cr_assert(load(m, kernel, sizeof kernel, "", NULL, 0, &e), "%s", e.message);
    cr_assert_eq(machine_cpu(m, 0)->rip, PREFERRED + 0x1000 + 0x200);
    put32(kernel, 0x258, 0x8000);
    cr_assert_not(load(m, kernel, sizeof kernel, "", NULL, 0, &e));
    machine_destroy(m);
}

Test(bzimage, needs_a_processor_with_64_bit_mode)
{
    uint8_t kernel[FILE_SIZE];
    struct sp_error e;
    struct machine *m = new_machine(RAM, "max,-lm");
    make_bzimage(kernel);
    cr_assert_not(load(m, kernel, sizeof kernel, "", NULL, 0, &e));
    cr_assert_eq(e.code, SP_EXIT_USAGE);
    put16(kernel, 0x236, 0);
    cr_assert(load(m, kernel, sizeof kernel, "", NULL, 0, &e), "%s", e.message);
    machine_destroy(m);
}
