// SPDX-License-Identifier: Apache-2.0
// Multiboot specification 0.6.96, sections 3.1 "OS image format" and 3.3 "Boot information format".
#include "image/elf.h"
#include "image/entry.h"
#include "image/multiboot.h"

enum { SEARCH = 8192, HEADER_MAGIC = 0x1badb002, BOOT_MAGIC = 0x2badb002 };
enum { /* header flags */
       HEADER_ALIGN = 1 << 0,
       HEADER_MEMORY = 1 << 1,
       HEADER_VIDEO = 1 << 2,
       HEADER_ADDRESSES = 1 << 16,
       HEADER_KNOWN = HEADER_ALIGN | HEADER_MEMORY | HEADER_VIDEO,
};
enum { /* information flags and the offsets of the members they announce */
       INFO_MEMORY = 1 << 0,
       INFO_COMMAND_LINE = 1 << 2,
       INFO_MODULES = 1 << 3,
       INFO_MAP = 1 << 6,
       INFO_LOADER = 1 << 9,
       AT_FLAGS = 0,
       AT_LOWER = 4,
       AT_UPPER = 8,
       AT_COMMAND_LINE = 16,
       AT_MODULE_COUNT = 20,
       AT_MODULES = 24,
       AT_MAP_SIZE = 44,
       AT_MAP = 48,
       AT_LOADER = 64,
       INFO_SIZE = 120,
};

int64_t multiboot1_find(const struct image *i)
{
    for (uint32_t at = 0; at + 12 <= SEARCH && image_has(i, at, 12); at += 4)
        if (image_u32(i, at) == HEADER_MAGIC &&
            HEADER_MAGIC + image_u32(i, at + 4) + image_u32(i, at + 8) == 0)
            return at;
    return -1;
}

static bool load_body(struct place *p, const struct image *i, uint64_t header, uint32_t flags,
                      uint32_t *entry, struct sp_error *e)
{
    struct elf_info elf;
    if (flags & HEADER_ADDRESSES) {
        struct boot_addresses a;
        if (!image_get(i, header + 12, &a, sizeof a) ||
            !image_get(i, header + 28, entry, sizeof *entry))
            return sp_fail(e, SP_EXIT_BAD_IMAGE,
                           "%s: offset %#llx: the multiboot header is cut short", i->name,
                           (unsigned long long)header);
        return boot_load_addresses(p, i, header, &a, e);
    }
    if (!elf_is(i))
        return sp_fail(
            e, SP_EXIT_BAD_IMAGE,
            "%s: offset %#llx: the multiboot header gives no addresses and the file is not ELF",
            i->name, (unsigned long long)header);
    if (!elf_load(p, i, ELF_X86, &elf, e))
        return false;
    *entry = (uint32_t)elf.entry;
    return elf.entry <= UINT32_MAX ||
           sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: entry point %#llx lies above 4 GiB", i->name,
                   (unsigned long long)elf.entry);
}

/* Members that hold addresses are first written as offsets into the blob; `fix` lists them. */
struct info {
    struct blob blob;
    size_t *fix;
    size_t fix_count;
};

static void put_pointer(struct info *info, size_t member, size_t offset)
{
    blob_put_u32(&info->blob, member, (uint32_t)offset);
    info->fix[info->fix_count++] = member;
}

static void put_modules(struct info *info, const struct boot_request *r,
                        const struct boot_module *m)
{
    size_t table = blob_add(&info->blob, NULL, 16 * r->module_count, 8);
    blob_put_u32(&info->blob, AT_MODULE_COUNT, (uint32_t)r->module_count);
    put_pointer(info, AT_MODULES, table);
    for (size_t k = 0; k < r->module_count; k++) {
        const char *text = r->modules[k].text;
        blob_put_u32(&info->blob, table + 16 * k, m[k].start);
        blob_put_u32(&info->blob, table + 16 * k + 4, m[k].end);
        put_pointer(info, table + 16 * k + 8, blob_add(&info->blob, text, strlen(text) + 1, 1));
    }
}

static void put_map(struct info *info, const struct place *p)
{
    size_t first = blob_add(&info->blob, NULL, 0, 8);
    for (size_t k = 0; k < p->map_count; k++) {
        struct {
            uint32_t size;
            uint64_t base, length;
            uint32_t type;
        } __attribute__((packed)) entry = {
            20,
            p->map[k].base,
            p->map[k].size,
            p->map[k].type,
        };
        blob_add(&info->blob, &entry, sizeof entry, 1);
    }
    blob_put_u32(&info->blob, AT_MAP_SIZE, (uint32_t)(info->blob.size - first));
    put_pointer(info, AT_MAP, first);
}

static void put_all(struct info *info, const struct place *p, const struct boot_request *r,
                    const struct boot_module *modules)
{
    uint32_t lower, upper;
    boot_memory_sizes(p, &lower, &upper);
    blob_add(&info->blob, NULL, INFO_SIZE, 8);
    blob_put_u32(&info->blob, AT_FLAGS, INFO_MEMORY | INFO_COMMAND_LINE | INFO_MAP | INFO_LOADER |
                                            (r->module_count ? INFO_MODULES : 0));
    blob_put_u32(&info->blob, AT_LOWER, lower);
    blob_put_u32(&info->blob, AT_UPPER, upper);
    put_pointer(info, AT_COMMAND_LINE,
                blob_add(&info->blob, r->command_line, strlen(r->command_line) + 1, 1));
    put_pointer(info, AT_LOADER,
                blob_add(&info->blob, BOOT_LOADER_NAME, sizeof BOOT_LOADER_NAME, 1));
    if (r->module_count)
        put_modules(info, r, modules);
    put_map(info, p);
}

static bool finish(struct place *p, struct info *info, uint64_t *address, struct sp_error *e)
{
    if (!boot_place(p, &info->blob, address, e))
        return false;
    for (size_t k = 0; k < info->fix_count; k++) {
        uint32_t offset;
        memcpy(&offset, info->blob.bytes + info->fix[k], sizeof offset);
        blob_put_u32(&info->blob, info->fix[k], offset + (uint32_t)*address);
    }
    mem_write(p->mem, *address, info->blob.bytes, info->blob.size);
    return true;
}

bool multiboot1_load(struct place *p, const struct boot_request *r, int64_t header,
                     struct sp_error *e)
{
    uint32_t flags = image_u32(r->kernel, (uint64_t)header + 4), entry = 0;
    if (flags & 0xffff & ~HEADER_KNOWN)
        return sp_fail(e, SP_EXIT_NOT_MODELLED,
                       "%s: offset %#llx: multiboot flags %#x ask for features that do not exist",
                       p->name, (unsigned long long)header + 4, flags & 0xffff & ~HEADER_KNOWN);
    struct boot_module *modules = NULL;
    struct info info = { .fix = calloc(r->module_count + 8, sizeof *info.fix) };
    uint64_t address;
    bool ok = info.fix && load_body(p, r->kernel, (uint64_t)header, flags, &entry, e) &&
              boot_load_modules(p, r, &modules, e);
    if (ok) {
        put_all(&info, p, r, modules);
        ok = finish(p, &info, &address, e);
    }
    if (ok)
        entry_protected(p->machine, entry, BOOT_MAGIC, (uint32_t)address);
    free(info.fix);
    free(info.blob.bytes);
    free(modules);
    return ok;
}
