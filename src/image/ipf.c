// SPDX-License-Identifier: Apache-2.0
#include "image/ipf.h"

#include "base/bits.h"
#include "image/elf.h"
#include "machine/ipf_tables.h"

bool ipf_image_is(const struct image *kernel) { return elf_is_itanium(kernel); }

/* The initrd goes as high as it can below 4 GiB, where 16 KiB pages begin. */
static bool place_initrd(struct place *p, const struct image *initrd, struct ipf_boot *b,
                         struct sp_error *e)
{
    if (!initrd)
        return true;
    if (!place_find_last(p, initrd->size, 0x4000, 0, UINT32_MAX, &b->initrd.base, e))
        return false;
    b->initrd.end = b->initrd.base + initrd->size;
    mem_write(p->mem, b->initrd.base, initrd->data, initrd->size);
    return true;
}

bool ipf_image_load(struct ipf_machine *m, const struct image *kernel, const char *command_line,
                    const struct image *initrd, struct sp_error *e)
{
    struct place p;
    struct elf_info elf;
    struct ipf_range loaded[PLACE_RANGES_MAX];
    struct ipf_boot b = { .command_line = command_line, .loaded = loaded };
    if (strlen(command_line) >= IPF_TEXT_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "-append: more than %d characters", IPF_TEXT_MAX - 1);
    place_begin_in(&p, ipf_machine_mem(m), kernel->name);
    if (!elf_load(&p, kernel, ELF_ITANIUM, &elf, e) || !place_initrd(&p, initrd, &b, e))
        return false;
    for (; b.loaded_count < p.taken_count; b.loaded_count++)
        loaded[b.loaded_count] =
            (struct ipf_range){ p.taken[b.loaded_count].base, p.taken[b.loaded_count].end };
    if (!place_find(&p, ipf_tables_size(ipf_machine_cpu_count(m)), 0x10000, 0x10000, UINT32_MAX,
                    &b.base, e))
        return false;
    if (!ipf_machine_boot(m, &b))
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: has too many segments", kernel->name);
    ipf_machine_cpu(m, 0)->ip = elf.entry & ~UINT64_C(15);
    return true;
}
