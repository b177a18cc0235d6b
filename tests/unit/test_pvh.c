// SPDX-License-Identifier: Apache-2.0
// The loader of PVH kernels: note, start information, modules and the state at the entry.
#include <criterion/criterion.h>
#include <string.h>

#include "cpu/cpu.h"
#include "image/image.h"
#include "machine/machine.h"

enum { KERNEL_AT = 0x200000, KERNEL_SIZE = 0x2000, ENTRY = KERNEL_AT + 0x40, NOTES = 0x200 };

/* LINUX_ELFNOTE_BUILD_SALT */
static const uint8_t linux_note[] = { 6,   0,   0,   0,   4,   0, 0, 0, 0, 1, 0, 0,
                                      'L', 'i', 'n', 'u', 'x', 0, 0, 0, 0, 0, 0, 0 };

static void put32(uint8_t *p, size_t at, uint32_t v) { memcpy(p + at, &v, 4); }
static void put64(uint8_t *p, size_t at, uint64_t v) { memcpy(p + at, &v, 8); }

/* One note of type `type` and owner "Xen" at p; returns its size. */
static size_t put_note(uint8_t *p, uint32_t type, uint32_t size, uint64_t value)
{
    put32(p, 0, 4), put32(p, 4, size), put32(p, 8, type);
    memcpy(p + 12, "Xen", 4);
    memcpy(p + 16, &value, size);
    return 16 + size;
}

/* An ELF64 executable, linked high, of one segment at 2 MiB; its notes are XEN_ELFNOTE_GUEST_OS (6)
 * and XEN_ELFNOTE_PHYS32_ENTRY (18). */
static void make_kernel(uint8_t *p, uint32_t descriptor_size)
{
    static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
    const uint64_t high = UINT64_C(0xffffffff80000000);
    memset(p, 0, KERNEL_SIZE);
    memcpy(p, ident, sizeof ident);
    put32(p, 16, 62 << 16 | 2), put32(p, 20, 1);      /* x86-64, EXEC; version    */
    put64(p, 24, high + KERNEL_AT), put64(p, 32, 64); /* entry, program headers   */
    put32(p, 52, 56 << 16 | 64), put32(p, 56, 2);     /* sizes and number of them */
    uint64_t load[7] = { 7ull << 32 | 1, 0x1000, high + KERNEL_AT, KERNEL_AT, 0x1000, 0x3000, 16 };
    size_t n = put_note(p + NOTES, 6, 8, 0);
    n += put_note(p + NOTES + n, 18, descriptor_size, ENTRY);
    uint64_t note[7] = { 4ull << 32 | 4, NOTES, 0, 0, n, n, 4 };
    memcpy(p + 64, load, sizeof load);
    memcpy(p + 120, note, sizeof note);
    memset(p + 0x1000, 0x90, 0x1000);
}

static struct machine *new_machine(void)
{
    struct sp_error e = { 0 };
    struct machine_config config = { .ram_size = 16 << 20, .processors = 1, .cpu = "max" };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    return m;
}

static uint64_t word(struct machine *m, uint64_t at) { return mem_read_le(machine_mem(m), at, 8); }
static uint32_t word32(struct machine *m, uint64_t at) { return (uint32_t)word(m, at); }

static bool load(struct machine *m, uint8_t *bytes, const struct image_module *modules,
                 size_t count, struct sp_error *e)
{
    struct image i = { (char *)"vmlinux", bytes, KERNEL_SIZE };
    memset(e, 0, sizeof *e);
    return kernel_load(m, &i, "a=1 b", modules, count, e);
}

/* docs/misc/pvh.pandoc, "x86/HVM direct boot ABI" */
Test(pvh, state_at_the_entry)
{
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    make_kernel(kernel, 4);
    cr_assert(load(m, kernel, NULL, 0, &e), "%s", e.message);
    const struct cpu *c = machine_cpu(m, 0);
    cr_assert_eq(c->rip, ENTRY);
    cr_assert_eq(c->cr0, CR0_PE | CR0_ET);
    cr_assert_eq(c->cr4, 0);
    cr_assert_eq(c->msr.efer, 0);
    cr_assert_eq(c->rflags & (1 << 17 | 1 << 9 | 1 << 8), 0);
    for (unsigned s = ES; s <= DS; s++) {
        cr_assert_eq(c->seg[s].base, 0);
        cr_assert_eq(c->seg[s].limit, 0xffffffff);
        cr_assert_eq(c->seg[s].access, s == CS ? 0xc09b : 0xc093);
    }
    cr_assert_eq(c->seg[TR].base, 0);
    cr_assert_eq(c->seg[TR].limit, 0x67);
    cr_assert_eq(c->seg[TR].access, 0x8b, "an active 32-bit TSS");
    machine_destroy(m);
}

/* start_info.h, version 1 */
Test(pvh, start_information)
{
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    char text[16];
    struct machine *m = new_machine();
    struct memory_range map[16];
    make_kernel(kernel, 8);
    cr_assert(load(m, kernel, NULL, 0, &e), "%s", e.message);
    size_t n = machine_memory_map(m, map, 16);
    uint64_t info = machine_cpu(m, 0)->gpr[RBX];
    cr_assert_eq(word32(m, info), 0x336ec578);
    cr_assert_eq(word32(m, info + 4), 1);
    cr_assert_eq(word32(m, info + 8), 0, "no privileged domain");
    cr_assert_eq(word32(m, info + 12), 0);
    cr_assert_eq(word(m, info + 16), 0, "no modules, no list");
    mem_read(machine_mem(m), word(m, info + 24), text, sizeof text);
    cr_assert_str_eq(text, "a=1 b");
    cr_assert_eq(word(m, info + 32), machine_rsdp(m));
    cr_assert_eq(word32(m, info + 48), n);
    uint64_t at = word(m, info + 40);
    for (size_t k = 0; k < n; k++, at += 24) {
        cr_assert_eq(word(m, at), map[k].base);
        cr_assert_eq(word(m, at + 8), map[k].size);
        cr_assert_eq(word(m, at + 16), map[k].type);
    }
    machine_destroy(m);
}

Test(pvh, modules_are_listed_in_order)
{
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    char text[8];
    struct machine *m = new_machine();
    struct image_module modules[2] = {
        { { (char *)"initrd 0", (uint8_t *)"AAAAA", 5 }, (char *)"file x y" },
        { { (char *)"initrd 1", (uint8_t *)"BBBB", 4 }, (char *)"other" },
    };
    make_kernel(kernel, 4);
    cr_assert(load(m, kernel, modules, 2, &e), "%s", e.message);
    uint64_t info = machine_cpu(m, 0)->gpr[RBX], list = word(m, info + 16);
    cr_assert_eq(word32(m, info + 12), 2);
    for (unsigned k = 0; k < 2; k++, list += 32) {
        cr_assert_geq(word(m, list), KERNEL_AT + 0x3000);
        cr_assert_eq(word(m, list) & 0xfff, 0);
        cr_assert_eq(word(m, list + 8), 5 - k);
        cr_assert_eq(word32(m, word(m, list)), k ? 0x42424242 : 0x41414141);
        mem_read(machine_mem(m), word(m, list + 16), text, sizeof text);
        cr_assert_str_eq(text, k ? "" : "x y", "the file's name is no argument");
        cr_assert_eq(word(m, list + 24), 0);
    }
    machine_destroy(m);
}

/* Linux unpacks only the first module: its initrds become one. */
Test(pvh, modules_of_linux_are_one)
{
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    struct image_module modules[2] = {
        { { (char *)"initrd 0", (uint8_t *)"AAAAA", 5 }, (char *)"a" },
        { { (char *)"initrd 1", (uint8_t *)"BBBB", 4 }, (char *)"b" },
    };
    make_kernel(kernel, 8);
    put32(kernel, 152, 48 + 24), put32(kernel, 160, 48 + 24); /* room for one note more */
    memcpy(kernel + NOTES + 48, linux_note, sizeof linux_note);
    cr_assert(load(m, kernel, modules, 2, &e), "%s", e.message);
    cr_assert_eq(machine_cpu(m, 0)->rip, ENTRY);
    uint64_t info = machine_cpu(m, 0)->gpr[RBX], list = word(m, info + 16);
    cr_assert_eq(word32(m, info + 12), 1);
    cr_assert_eq(word(m, list + 8), 12);
    cr_assert_eq(word(m, word(m, list)), UINT64_C(0x0000004141414141));
    cr_assert_eq(word32(m, word(m, list) + 8), 0x42424242);
    machine_destroy(m);
}

Test(pvh, multiboot_comes_first_and_plain_elf_last)
{
    const uint32_t magic = 0x1badb002;
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    struct image_module module = { { (char *)"initrd", (uint8_t *)"A", 1 }, (char *)"" };
    make_kernel(kernel, 4);
    put32(kernel, 0x1000, magic), put32(kernel, 0x1004, 0), put32(kernel, 0x1008, -magic);
    cr_assert(load(m, kernel, NULL, 0, &e), "%s", e.message);
    cr_assert_eq(machine_cpu(m, 0)->gpr[RAX], 0x2badb002);
    make_kernel(kernel, 4);
    kernel[NOTES + 24 + 12] = 'x'; /* the note of somebody else */
    cr_assert_not(load(m, kernel, &module, 1, &e));
    cr_assert_eq(e.code, SP_EXIT_NOT_MODELLED);
    cr_assert(load(m, kernel, NULL, 0, &e), "%s", e.message);
    cr_assert_eq(machine_cpu(m, 0)->rip, KERNEL_AT);
    cr_assert(machine_cpu(m, 0)->msr.efer & EFER_LMA);
    machine_destroy(m);
}

/* A vmlinux without the entry's note has Linux's own notes: it gets the 64-bit boot protocol. */
Test(pvh, linux_without_the_note)
{
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    char text[8];
    struct machine *m = new_machine();
    struct image_module module = { { (char *)"initrd", (uint8_t *)"ABCD", 4 }, (char *)"" };
    make_kernel(kernel, 8);
    memcpy(kernel + NOTES, linux_note, sizeof linux_note);
    put32(kernel, NOTES + 24 + 8, 5); /* XEN_ELFNOTE_XEN_VERSION */
    cr_assert(load(m, kernel, &module, 1, &e), "%s", e.message);
    const struct cpu *c = machine_cpu(m, 0);
    cr_assert_eq(c->rip, KERNEL_AT);
    cr_assert(c->msr.efer & EFER_LMA);
    cr_assert_eq(c->seg[CS].selector, 0x10);
    uint64_t p = c->gpr[RSI];
    cr_assert_eq(word32(m, p + 0x202), 0x53726448);
    cr_assert_eq(word32(m, p + 0x1fe) & 0xffff, 0xaa55);
    cr_assert_eq(word32(m, p + 0x21c), 4);
    cr_assert_eq(word32(m, word32(m, p + 0x218)), 0x44434241);
    mem_read(machine_mem(m), word32(m, p + 0x228), text, sizeof text);
    cr_assert_str_eq(text, "a=1 b");
    cr_assert_gt(word32(m, p + 0x1e8) & 0xff, 0);
    machine_destroy(m);
}

/* Every word of the program headers and notes replaced: loads or fails, never crashes. */
Test(pvh, hostile_words)
{
    static const uint32_t hostile[] = { 0, 1, 3, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff };
    uint8_t kernel[KERNEL_SIZE];
    struct sp_error e;
    struct machine *m = new_machine();
    for (size_t at = 64; at < NOTES + 0x40; at += at == 172 ? NOTES - 172 : 4)
        for (size_t k = 0; k < sizeof hostile / sizeof *hostile; k++) {
            make_kernel(kernel, 4);
            put32(kernel, at, hostile[k]);
            load(m, kernel, NULL, 0, &e);
        }
    machine_destroy(m);
}
