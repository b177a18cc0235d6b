// SPDX-License-Identifier: Apache-2.0
// Which loader an image needs; flat binaries and firmware.
#include <stdio.h>

#include "image/elf.h"
#include "image/entry.h"
#include "image/linux.h"
#include "image/multiboot.h"
#include "image/pvh.h"

static bool load_elf(struct place *p, const struct boot_request *r, struct sp_error *e)
{
    struct elf_info elf;
    if (!elf_load(p, r->kernel, ELF_X86, &elf, e))
        return false;
    if (elf.has_pvh_entry)
        return pvh_load(p, r, &elf, e);
    if (elf.is_linux && elf.is_64)
        return linux_load_elf(p, r, elf.entry, e);
    if (r->module_count)
        return sp_fail(e, SP_EXIT_NOT_MODELLED,
                       "%s: is a plain ELF file, which takes no -initrd (multiboot and PVH kernels "
                       "do)",
                       p->name);
    return entry_elf(p, elf.is_64, elf.entry, r->command_line, e);
}

static bool load_by_format(struct place *p, const struct boot_request *r, struct sp_error *e)
{
    int64_t header;
    if ((header = multiboot2_find(r->kernel)) >= 0)
        return multiboot2_load(p, r, header, e);
    if ((header = multiboot1_find(r->kernel)) >= 0)
        return multiboot1_load(p, r, header, e);
    if (elf_is(r->kernel))
        return load_elf(p, r, e);
    if (linux_is(r->kernel))
        return linux_load(p, r, e);
    return sp_fail(e, SP_EXIT_BAD_IMAGE,
                   "%s: offset 0: neither multiboot nor ELF nor a Linux bzImage (a flat binary "
                   "goes with --load FILE@ADDRESS)",
                   p->name);
}

bool kernel_opens_modules(const struct image *kernel)
{
    return multiboot2_find(kernel) < 0 && multiboot1_find(kernel) < 0;
}

bool kernel_load(struct machine *m, const struct image *kernel, const char *command_line,
                 const struct image_module *modules, size_t count, struct sp_error *e)
{
    struct place p;
    size_t size = strlen(kernel->name) + 1 + (command_line ? strlen(command_line) : 0) + 1;
    char *text = malloc(size);
    if (!text)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory for its command line", kernel->name);
    snprintf(text, size, "%s%s%s", kernel->name, command_line && *command_line ? " " : "",
             command_line ? command_line : "");
    struct boot_request r = { kernel, text, command_line ? command_line : "", modules, count };
    entry_firmware(m);
    place_begin(&p, m, kernel->name);
    bool ok = load_by_format(&p, &r, e);
    free(text);
    return ok;
}

void flat_begin(struct machine *m) { entry_firmware(m); }

bool flat_load(struct machine *m, const struct image *flat, uint64_t address, struct sp_error *e)
{
    struct mem *mem = machine_mem(m);
    uint64_t end;
    bool ok = !__builtin_add_overflow(address, flat->size, &end);
    for (uint64_t a = address & PAGE_MASK; ok && a < end; a += PAGE_SIZE)
        ok = mem_kind(mem, a) == PAGE_RAM;
    if (!ok)
        return sp_fail(e, SP_EXIT_BAD_IMAGE,
                       "%s: its %zu bytes at address %#llx do not fit the guest's RAM", flat->name,
                       flat->size, (unsigned long long)address);
    mem_write(mem, address, flat->data, flat->size);
    return true;
}

bool flat_enter(struct machine *m, uint64_t address, struct sp_error *e)
{
    if (address > 0xffff0 + 0xffff)
        return sp_fail(e, SP_EXIT_USAGE,
                       "entry address %#llx cannot be reached in real-address mode",
                       (unsigned long long)address);
    if (address < 0x10000)
        entry_real(m, 0, (uint16_t)address);
    else if (address < 0x100000)
        entry_real(m, (uint16_t)(address >> 4 & 0xf000), (uint16_t)address);
    else
        entry_real(m, 0xffff, (uint16_t)(address - 0xffff0));
    return true;
}

bool firmware_load(struct machine *m, const struct image *rom, struct sp_error *e)
{
    enum { LARGEST = 16 << 20 };
    if (!rom->size || rom->size % PAGE_SIZE || rom->size > LARGEST)
        return sp_fail(e, SP_EXIT_BAD_IMAGE,
                       "%s: firmware is a multiple of 4 KiB, at most 16 MiB; this has %zu bytes",
                       rom->name, rom->size);
    if (!machine_set_firmware(m, rom->data, rom->size))
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no room in the table of memory regions",
                       rom->name);
    return true;
}
