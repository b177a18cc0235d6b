// SPDX-License-Identifier: Apache-2.0
#include "image/multiboot.h"

bool boot_load_addresses(struct place *p, const struct image *i, uint64_t header_offset,
                         const struct boot_addresses *a, struct sp_error *e)
{
    uint64_t before = (uint64_t)a->header - a->load;      /* bytes that stand before the header */
    if (a->header < a->load || before > header_offset)
        return sp_fail(
            e, SP_EXIT_BAD_IMAGE,
            "%s: offset %#llx: multiboot load address %#x does not fit header address %#x", i->name,
            (unsigned long long)header_offset, a->load, a->header);
    uint64_t start = header_offset - before;
    if (a->load_end && a->load_end < a->load)
        return sp_fail(e, SP_EXIT_BAD_IMAGE,
                       "%s: offset %#llx: multiboot load end %#x lies before its start %#x",
                       i->name, (unsigned long long)header_offset, a->load_end, a->load);
    uint64_t size = a->load_end ? (uint64_t)a->load_end - a->load : i->size - start;
    if (!image_has(i, start, size))
        return sp_fail(e, SP_EXIT_BAD_IMAGE,
                       "%s: offset %#llx: multiboot load end %#x lies beyond the end of the file",
                       i->name, (unsigned long long)header_offset, a->load_end);
    if (a->bss_end && a->bss_end < a->load + size)
        return sp_fail(e, SP_EXIT_BAD_IMAGE,
                       "%s: offset %#llx: multiboot bss end %#x lies before the data's end",
                       i->name, (unsigned long long)header_offset, a->bss_end);
    uint64_t memory = a->bss_end ? (uint64_t)a->bss_end - a->load : size;
    if (!place_claim(p, a->load, memory, header_offset, e))
        return false;
    mem_write(p->mem, a->load, i->data + start, size);
    place_zero(p, a->load + size, memory - size);
    return true;
}

static bool load_module(struct place *p, const struct image *i, struct boot_module *out,
                        struct sp_error *e)
{
    uint64_t low = p->top > 0x100000 ? p->top : 0x100000, base;
    if (!place_find(p, i->size, PAGE_SIZE, low, UINT64_C(0x100000000), &base, e))
        return false;
    mem_write(p->mem, base, i->data, i->size);
    *out = (struct boot_module){ (uint32_t)base, (uint32_t)(base + i->size) };
    return true;
}

bool boot_load_modules(struct place *p, const struct boot_request *r, struct boot_module **out,
                       struct sp_error *e)
{
    *out = calloc(r->module_count + 1, sizeof **out);
    if (!*out)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory for its modules", p->name);
    for (size_t k = 0; k < r->module_count; k++) {
        p->name = r->modules[k].image.name;
        if (!load_module(p, &r->modules[k].image, &(*out)[k], e))
            return false;
    }
    p->name = r->kernel->name;
    return true;
}

void boot_memory_sizes(const struct place *p, uint32_t *lower, uint32_t *upper)
{
    *lower = *upper = 0;
    for (size_t k = 0; k < p->map_count; k++) {
        uint64_t base = p->map[k].base, end = base + p->map[k].size;
        if (p->map[k].type != 1)
            continue;
        if (base == 0)
            *lower = (uint32_t)((end < 0xa0000 ? end : 0xa0000) >> 10);
        if (base <= 0x100000 && end > 0x100000)
            *upper = (uint32_t)((end - 0x100000) >> 10);
    }
}

bool boot_place(struct place *p, const struct blob *b, uint64_t *address, struct sp_error *e)
{
    enum { FIRST = 0x10000 }; /* the pages below are popular for start-up code of processors */
    if (b->failed)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory for its boot information", p->name);
    return place_find(p, b->size, 4096, FIRST, UINT64_C(0x100000000), address, e);
}
