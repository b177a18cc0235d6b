// SPDX-License-Identifier: Apache-2.0
// Multiboot2 specification 2.0, sections 3.1 "OS image format" and 3.6 "Boot information format".
#include "image/elf.h"
#include "image/entry.h"
#include "image/multiboot.h"

#define HEADER_MAGIC UINT32_C(0xe85250d6)
enum { SEARCH = 32768, BOOT_MAGIC = 0x36d76289, ARCHITECTURE_I386 = 0, TAG_OPTIONAL = 1 };
enum header_tag {
    HEADER_END, HEADER_REQUEST, HEADER_ADDRESS, HEADER_ENTRY, HEADER_CONSOLE, HEADER_FRAMEBUFFER,
    HEADER_ALIGN, HEADER_EFI_SERVICES, HEADER_EFI32_ENTRY, HEADER_EFI64_ENTRY, HEADER_RELOCATABLE,
};
enum info_tag {
    INFO_END = 0, INFO_COMMAND_LINE = 1, INFO_LOADER = 2, INFO_MODULE = 3, INFO_MEMORY = 4,
    INFO_MAP = 6, INFO_ACPI_OLD = 14, INFO_ACPI_NEW = 15, INFO_LOAD_BASE = 21,
};

/* What the header's tags ask for. */
struct header {
    struct boot_addresses addresses;
    bool has_addresses, has_entry;
    uint32_t entry;
};

int64_t multiboot2_find(const struct image *i)
{
    for (uint32_t at = 0; at + 16 <= SEARCH && image_has(i, at, 16); at += 8)
        if (image_u32(i, at) == HEADER_MAGIC && image_u32(i, at + 4) == ARCHITECTURE_I386 &&
            HEADER_MAGIC + image_u32(i, at + 4) + image_u32(i, at + 8) + image_u32(i, at + 12) == 0)
            return at;
    return -1;
}

static bool bad_tag(const struct image *i, uint64_t at, const char *what, struct sp_error *e)
{
    return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: offset %#llx: %s", i->name, (unsigned long long)at,
                   what);
}

static bool is_provided(uint32_t info_tag)
{
    const uint32_t provided = 1u << INFO_END | 1u << INFO_COMMAND_LINE | 1u << INFO_LOADER |
                              1u << INFO_MODULE | 1u << INFO_MEMORY | 1u << INFO_MAP |
                              1u << INFO_ACPI_OLD | 1u << INFO_ACPI_NEW | 1u << INFO_LOAD_BASE;
    return info_tag < 32 && provided >> info_tag & 1;
}

static bool check_request(const struct image *i, uint64_t at, uint32_t size, struct sp_error *e)
{
    for (uint64_t k = at + 8; k + 4 <= at + size; k += 4)
        if (!is_provided(image_u32(i, k)))
            return sp_fail(
                e, SP_EXIT_NOT_MODELLED,
                "%s: offset %#llx: requires multiboot2 information tag %u, which is not provided",
                i->name, (unsigned long long)k, image_u32(i, k));
    return true;
}

static bool read_tag(const struct image *i, uint64_t at, uint32_t type, uint32_t size,
                     bool optional, struct header *h, struct sp_error *e)
{
    switch (type) {
    case HEADER_REQUEST:
        return optional || check_request(i, at, size, e);
    case HEADER_ADDRESS:
        h->has_addresses = size >= 24 && image_get(i, at + 8, &h->addresses, sizeof h->addresses);
        return h->has_addresses || bad_tag(i, at, "the multiboot2 address tag is cut short", e);
    case HEADER_ENTRY:
        h->has_entry = size >= 12 && image_get(i, at + 8, &h->entry, sizeof h->entry);
        return h->has_entry || bad_tag(i, at, "the multiboot2 entry tag is cut short", e);
    case HEADER_CONSOLE: case HEADER_FRAMEBUFFER: case HEADER_ALIGN: case HEADER_EFI_SERVICES:
    case HEADER_EFI32_ENTRY: case HEADER_EFI64_ENTRY: case HEADER_RELOCATABLE:
        return true; /* preferences, or about EFI; modules are aligned, the link address is kept */
    default:
        return optional ||
               bad_tag(i, at, "a multiboot2 header tag that does not exist is required", e);
    }
}

static bool read_header(const struct image *i, uint64_t header, struct header *h,
                        struct sp_error *e)
{
    uint64_t end = header + image_u32(i, header + 8), at = header + 16;
    if (end - header < 16 || !image_has(i, header, end - header))
        return bad_tag(i, header, "the multiboot2 header is cut short", e);
    while (end - at >= 8) {
        uint32_t word = image_u32(i, at), size = image_u32(i, at + 4);
        if ((word & 0xffff) == HEADER_END)
            return true;
        if (size < 8 || size > end - at)
            return bad_tag(i, at, "a multiboot2 header tag has an impossible size", e);
        if (!read_tag(i, at, word & 0xffff, size, word >> 16 & TAG_OPTIONAL, h, e))
            return false;
        uint64_t step = ((uint64_t)size + 7) & ~UINT64_C(7);
        if (step > end - at)
            break;
        at += step;
    }
    return bad_tag(i, at, "the multiboot2 header has no end tag", e);
}

static bool load_body(struct place *p, const struct image *i, uint64_t header, struct header *h,
                      uint64_t *base, struct sp_error *e)
{
    struct elf_info elf;
    if (h->has_addresses) {
        *base = h->addresses.load;
        if (!h->has_entry)
            return bad_tag(i, header, "a multiboot2 address tag without an entry tag", e);
        return boot_load_addresses(p, i, header, &h->addresses, e);
    }
    if (!elf_is(i))
        return bad_tag(i, header,
                       "the multiboot2 header gives no addresses and the file is not ELF", e);
    if (!elf_load(p, i, ELF_X86, &elf, e))
        return false;
    *base = elf.lowest;
    if (!h->has_entry && elf.entry > UINT32_MAX)
        return bad_tag(i, 0x18, "the entry point lies above 4 GiB", e);
    if (!h->has_entry)
        h->entry = (uint32_t)elf.entry;
    return true;
}

/* Appends one tag of the boot information; tags start on 8 bytes, their size counts header and
 * data. */
static void put_tag(struct blob *b, uint32_t type, const void *head, size_t head_size,
                    const void *tail, size_t tail_size)
{
    uint32_t start[2] = { type, (uint32_t)(8 + head_size + tail_size) };
    blob_add(b, start, sizeof start, 8);
    blob_add(b, head, head_size, 1);
    blob_add(b, tail, tail_size, 1);
}

static void put_text(struct blob *b, uint32_t type, const char *text)
{
    put_tag(b, type, text, strlen(text) + 1, "", 0);
}

static void put_map(struct blob *b, const struct place *p)
{
    struct { uint64_t base, length; uint32_t type, zero; } entry[64];
    uint32_t head[2] = { sizeof entry[0], 0 };          /* entry size, version */
    for (size_t k = 0; k < p->map_count; k++) {
        entry[k].base = p->map[k].base, entry[k].length = p->map[k].size;
        entry[k].type = p->map[k].type, entry[k].zero = 0;
    }
    put_tag(b, INFO_MAP, head, sizeof head, entry, p->map_count * sizeof entry[0]);
}

/* ACPI, "Root System Description Pointer": 20 bytes in revision 0, 36 from revision 2. */
static void put_acpi(struct blob *b, const struct place *p)
{
    uint8_t rsdp[36];
    uint64_t at = machine_rsdp(p->machine);
    if (!at)
        return;
    mem_read(p->mem, at, rsdp, sizeof rsdp);
    put_tag(b, INFO_ACPI_OLD, rsdp, 20, "", 0);
    if (rsdp[15] >= 2)
        put_tag(b, INFO_ACPI_NEW, rsdp, 36, "", 0);
}

static void put_all(struct blob *b, const struct place *p, const struct boot_request *r,
                    const struct boot_module *modules, uint64_t base)
{
    uint32_t load_base = (uint32_t)base, memory[2];
    boot_memory_sizes(p, &memory[0], &memory[1]);
    blob_add(b, NULL, 8, 8);
    put_text(b, INFO_COMMAND_LINE, r->command_line);
    put_text(b, INFO_LOADER, BOOT_LOADER_NAME);
    for (size_t k = 0; k < r->module_count; k++)
        put_tag(b, INFO_MODULE, &modules[k], sizeof modules[k], r->modules[k].text,
                strlen(r->modules[k].text) + 1);
    put_tag(b, INFO_MEMORY, memory, sizeof memory, "", 0);
    put_map(b, p);
    put_acpi(b, p);
    put_tag(b, INFO_LOAD_BASE, &load_base, sizeof load_base, "", 0);
    put_tag(b, INFO_END, "", 0, "", 0);
    blob_put_u32(b, 0, (uint32_t)b->size);
}

bool multiboot2_load(struct place *p, const struct boot_request *r, int64_t header,
                     struct sp_error *e)
{
    struct header h = { 0 };
    struct boot_module *modules = NULL;
    struct blob blob = { 0 };
    uint64_t base = 0, address;
    bool ok = read_header(r->kernel, (uint64_t)header, &h, e) &&
              load_body(p, r->kernel, (uint64_t)header, &h, &base, e) &&
              boot_load_modules(p, r, &modules, e);
    if (ok) {
        put_all(&blob, p, r, modules, base);
        ok = boot_place(p, &blob, &address, e);
    }
    if (ok) {
        mem_write(p->mem, address, blob.bytes, blob.size);
        entry_protected(p->machine, h.entry, BOOT_MAGIC, (uint32_t)address);
    }
    free(blob.bytes);
    free(modules);
    return ok;
}
