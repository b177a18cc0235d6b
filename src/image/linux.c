// SPDX-License-Identifier: Apache-2.0
// The Linux/x86 boot protocol.  The kernel's own real-mode code does not run: as the 32-bit and the
// 64-bit boot protocol allow, the loader fills the boot parameters and enters the rest directly.
// Headers before 2.06 (Linux 2.6.22), which say less about themselves, are refused.
#include "image/linux.h"

#include "image/entry.h"

enum { VERSION_MIN = 0x206, VERSION_RELOCATION = 0x20a, VERSION_XLOADFLAGS = 0x20c };
enum { PARAGRAPH = 16, SECTOR = 512, DEFAULT_SETUP_SECTORS = 4 };
enum { LOADED_HIGH = 1 << 0, XLF_KERNEL_64 = 1 << 0 };
enum { LOADER_UNDEFINED = 0xff, ENTRY_64 = 0x200 };
enum { BOOT_FLAG = 0xaa55, MAGIC = 0x53726448 /* "HdrS" */ };
#define ONE_MIB UINT64_C(0x100000)
#define FOUR_GIB UINT64_C(0x100000000)

/* "The Real-Mode Kernel Header": offsets in the file, and in the boot parameters too. */
enum {
    AT_HEADER = 0x1f1,
    AT_BOOT_FLAG = 0x1fe,
    AT_JUMP = 0x201, /* header's size: the distance of the jump over it */
    AT_MAGIC = 0x202,
    AT_VERSION = 0x206,
    AT_LOADER = 0x210,
    AT_LOAD_FLAGS = 0x211,
    AT_RAMDISK = 0x218,
    AT_RAMDISK_SIZE = 0x21c,
    AT_COMMAND_LINE = 0x228,
    AT_INITRD_MAX = 0x22c,
    AT_COMMAND_LINE_MAX = 0x238,
    HEADER_END_MAX = 0x290, /* what the boot parameters have room for */
};
/* Linux's zero-page.rst: the boot parameters around the header. */
enum {
    PARAMS_SIZE = 4096,
    AT_ACPI_RSDP = 0x70,
    AT_E820_COUNT = 0x1e8,
    AT_E820 = 0x2d0,
    E820_ENTRY = 20,
};

struct header {
    uint64_t setup_size;               /* boot sector and real-mode code: the rest is the kernel */
    uint64_t size;                     /* of the kernel, in whole paragraphs                     */
    uint64_t in_file;                  /* of it in the file: the last paragraph may be a part    */
    uint64_t memory;                   /* what it needs from its address on                      */
    uint64_t address;                  /* preferred                                              */
    uint64_t alignment;                /* of any other address; 0: must stay where it is         */
    uint64_t initrd_max;               /* highest address of an initrd's last byte               */
    uint32_t command_line_max;         /* without the final 0                                    */
    uint32_t end;                      /* of the header in the file; 0: there is none            */
    bool is_64;
    uint64_t entry; /* where it starts                                        */
};

bool linux_is(const struct image *i)
{
    return image_u32(i, AT_MAGIC) == MAGIC && (uint16_t)image_u32(i, AT_BOOT_FLAG) == BOOT_FLAG;
}

static bool bad(const struct image *i, unsigned offset, int code, const char *what,
                struct sp_error *e)
{
    return sp_fail(e, code, "%s: offset %#x: Linux boot protocol: %s", i->name, offset, what);
}

/* Reads the members that every accepted header has; the file holds all of the header. */
static void read_header(const struct image *i, unsigned version, struct header *h)
{
    unsigned sectors = i->data[AT_HEADER] ? i->data[AT_HEADER] : DEFAULT_SETUP_SECTORS;
    uint32_t init_size = image_u32(i, 0x260);
    *h = (struct header){
        .setup_size = (sectors + 1) * SECTOR,
        .size = (uint64_t)PARAGRAPH * image_u32(i, 0x1f4),
        .address = ONE_MIB,
        .initrd_max = image_u32(i, AT_INITRD_MAX),
        .alignment = i->data[0x234] ? image_u32(i, 0x230) : 0,
        .command_line_max = image_u32(i, AT_COMMAND_LINE_MAX),
        .end = AT_MAGIC + i->data[AT_JUMP],
        .is_64 = version >= VERSION_XLOADFLAGS && i->data[0x236] & XLF_KERNEL_64,
    };
    if (version >= VERSION_RELOCATION)
        h->address = image_u32(i, 0x258) | (uint64_t)image_u32(i, 0x25c) << 32;
    h->memory = version >= VERSION_RELOCATION && init_size > h->size ? init_size : h->size;
}

/* syssize counts 16-byte paragraphs, the last of which need not be whole in the file. */
static bool find_in_file(const struct image *i, struct header *h)
{
    if (!h->size || !image_has(i, h->setup_size, h->size - (PARAGRAPH - 1)))
        return false;
    uint64_t rest = i->size - h->setup_size;
    h->in_file = rest < h->size ? rest : h->size;
    return true;
}

static bool check_header(const struct image *i, struct header *h, struct sp_error *e)
{
    unsigned version = (uint16_t)image_u32(i, AT_VERSION);
    if (!image_has(i, 0, HEADER_END_MAX))
        return bad(i, AT_MAGIC, SP_EXIT_BAD_IMAGE, "the header is cut short", e);
    if (version < VERSION_MIN)
        return bad(i, AT_VERSION, SP_EXIT_NOT_MODELLED, "versions before 2.06 are not modelled", e);
    if (!(i->data[AT_LOAD_FLAGS] & LOADED_HIGH))
        return bad(i, AT_LOAD_FLAGS, SP_EXIT_NOT_MODELLED,
                   "kernels loaded low (zImage) are not modelled", e);
    read_header(i, version, h);
    if (h->end > HEADER_END_MAX || h->end < 0x23c)
        return bad(i, AT_JUMP, SP_EXIT_BAD_IMAGE, "the header's size makes no sense", e);
    if (!find_in_file(i, h))
        return bad(i, 0x1f4, SP_EXIT_BAD_IMAGE,
                   "the kernel's size goes beyond the end of the file, which was cut short", e);
    if (h->alignment & (h->alignment - 1))
        return bad(i, 0x230, SP_EXIT_BAD_IMAGE, "the alignment is not a power of two", e);
    return true;
}

/* At the preferred address; if that is not free and the kernel allows it, at a higher one. */
static bool place_kernel(struct place *p, const struct image *i, struct header *h,
                         struct sp_error *e)
{
    uint64_t base = h->address;
    bool ok = h->alignment ? place_find(p, h->memory, h->alignment, base, FOUR_GIB, &base, e)
                           : place_claim(p, base, h->memory, 0x258, e);
    if (!ok)
        return false;
    if (base < ONE_MIB || base + h->memory > FOUR_GIB)
        return bad(i, 0x258, SP_EXIT_BAD_IMAGE, "the address is not between 1 MiB and 4 GiB", e);
    h->address = base;
    h->entry = base + (h->is_64 ? ENTRY_64 : 0);
    mem_write(p->mem, base, i->data + h->setup_size, h->in_file);
    place_zero(p, base + h->in_file, h->memory - h->in_file);
    return true;
}

bool linux_place_initrd(struct place *p, const struct boot_request *r, uint64_t end,
                        uint64_t *address, uint64_t *size, struct sp_error *e)
{
    *address = *size = 0;
    for (size_t k = 0; k < r->module_count; k++)
        *size = (*size + 3 + r->modules[k].image.size) & ~UINT64_C(3);
    if (!*size)
        return true;
    p->name = r->modules[0].image.name;
    if (!place_find_last(p, *size, PAGE_SIZE, ONE_MIB, end, address, e))
        return false;
    p->name = r->kernel->name;
    place_zero(p, *address, *size);
    uint64_t at = *address;
    for (size_t k = 0; k < r->module_count; k++) {
        const struct image *i = &r->modules[k].image;
        mem_write(p->mem, at, i->data, i->size);
        at = (at + i->size + 3) & ~UINT64_C(3);
    }
    return true;
}

static void put_memory_map(struct blob *params, const struct place *p)
{
    for (size_t k = 0; k < p->map_count; k++) {
        size_t at = AT_E820 + E820_ENTRY * k;
        blob_put_u32(params, at, (uint32_t)p->map[k].base);
        blob_put_u32(params, at + 4, (uint32_t)(p->map[k].base >> 32));
        blob_put_u32(params, at + 8, (uint32_t)p->map[k].size);
        blob_put_u32(params, at + 12, (uint32_t)(p->map[k].size >> 32));
        blob_put_u32(params, at + 16, p->map[k].type);
    }
    params->bytes[AT_E820_COUNT] = (uint8_t)p->map_count;
}

/* An ELF file has no header: this one says only that it is one. */
static void put_made_up_header(struct blob *params, const struct header *h)
{
    blob_put_u32(params, AT_BOOT_FLAG, BOOT_FLAG);
    blob_put_u32(params, AT_MAGIC, MAGIC);
    blob_put_u32(params, AT_VERSION, VERSION_XLOADFLAGS);
    blob_put_u32(params, AT_INITRD_MAX, (uint32_t)h->initrd_max);
    blob_put_u32(params, AT_COMMAND_LINE_MAX, h->command_line_max);
    params->bytes[AT_LOAD_FLAGS] = LOADED_HIGH;
}

/* The header goes into the parameters as it stands in the file, then what a loader has to say. */
static void put_params(struct blob *params, const struct place *p, const struct image *i,
                       const struct header *h)
{
    uint64_t rsdp = machine_rsdp(p->machine);
    if (h->end)
        memcpy(params->bytes + AT_HEADER, i->data + AT_HEADER, h->end - AT_HEADER);
    else
        put_made_up_header(params, h);
    params->bytes[AT_LOADER] = LOADER_UNDEFINED;
    blob_put_u32(params, 0x214, (uint32_t)h->address);
    blob_put_u32(params, AT_ACPI_RSDP, (uint32_t)rsdp);
    blob_put_u32(params, AT_ACPI_RSDP + 4, (uint32_t)(rsdp >> 32));
    put_memory_map(params, p);
}

static bool finish(struct place *p, const struct boot_request *r, const struct header *h,
                   struct blob *params, struct sp_error *e)
{
    uint64_t at, initrd, initrd_size;
    if (strlen(r->arguments) > h->command_line_max)
        return sp_fail(e, SP_EXIT_USAGE, "%s: takes a command line of at most %u characters",
                       p->name, h->command_line_max);
    blob_add(params, NULL, PARAMS_SIZE, 1);
    blob_add(params, r->arguments, strlen(r->arguments) + 1, 1);
    if (params->failed)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory for its boot parameters", p->name);
    put_params(params, p, r->kernel, h);
    if (!linux_place_initrd(p, r, h->initrd_max + 1, &initrd, &initrd_size, e) ||
        !boot_place(p, params, &at, e))
        return false;
    blob_put_u32(params, AT_RAMDISK, (uint32_t)initrd);
    blob_put_u32(params, AT_RAMDISK_SIZE, (uint32_t)initrd_size);
    blob_put_u32(params, AT_COMMAND_LINE, (uint32_t)(at + PARAMS_SIZE));
    mem_write(p->mem, at, params->bytes, params->size);
    return entry_linux(p, h->is_64, h->entry, at, e);
}

bool linux_load(struct place *p, const struct boot_request *r, struct sp_error *e)
{
    struct header h = { 0 };
    struct blob params = { 0 };
    if (!check_header(r->kernel, &h, e))
        return false;
    bool ok = place_kernel(p, r->kernel, &h, e) && finish(p, r, &h, &params, e);
    free(params.bytes);
    return ok;
}

bool linux_load_elf(struct place *p, const struct boot_request *r, uint64_t entry,
                    struct sp_error *e)
{
    /* The limits are those that Linux states in its own headers since 2.6.29. */
    const struct header h = { .initrd_max = 0x7fffffff,
                              .command_line_max = 2047,
                              .is_64 = true,
                              .address = entry,
                              .entry = entry };
    struct blob params = { 0 };
    bool ok = finish(p, r, &h, &params, e);
    free(params.bytes);
    return ok;
}
