// SPDX-License-Identifier: Apache-2.0
#include "platform/fw_cfg.h"

#include <string.h>

#include "base/bits.h"

enum {
    ITEM_SIGNATURE = 0x00,
    ITEM_ID = 0x01,
    ITEM_RAM_SIZE = 0x03,
    ITEM_NB_CPUS = 0x05,
    ITEM_BOOT_MENU = 0x0e,
    ITEM_MAX_CPUS = 0x0f,
    ITEM_DIRECTORY = 0x19,
    ITEM_FILE_FIRST = 0x20,
    ITEM_IRQ0_OVERRIDE = 0x8002
};
enum { ID_TRADITIONAL = 1, ID_DMA = 2 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
#define DMA_SIGNATURE UINT64_C(0x51454d5520434647)    /* "QEMU CFG" */

void fw_cfg_init(struct fw_cfg *f, struct mem *mem, uint64_t ram_size, unsigned processors)
{
    memset(f, 0, sizeof *f);
    f->mem = mem;
    f->id[0] = ID_TRADITIONAL | ID_DMA;
    memcpy(f->ram_size, &ram_size, 8);
    f->processors[0] = (uint8_t)processors;
}

static void put_be(uint8_t *at, uint64_t v, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        at[k] = (uint8_t)(v >> (8 * (n - 1 - k)));
}

static uint64_t get_be(const uint8_t *at, unsigned n)
{
    uint64_t v = 0;
    for (unsigned k = 0; k < n; k++)
        v = v << 8 | at[k];
    return v;
}

bool fw_cfg_add(struct fw_cfg *f, const struct fw_cfg_file *file, struct sp_error *e)
{
    if (f->files == FW_CFG_FILES)
        return sp_fail(e, SP_EXIT_USAGE, "fw_cfg: more than %d files", FW_CFG_FILES);
    if (strlen(file->name) >= FW_CFG_NAME || file->size > UINT32_MAX)
        return sp_fail(e, SP_EXIT_USAGE,
                       "fw_cfg: '%s': name longer than %d characters or file too large", file->name,
                       FW_CFG_NAME - 1);
    uint8_t *entry = f->directory + 4 + f->files * 64;      /* size, selector, reserved, name */
    put_be(entry, file->size, 4);
    put_be(entry + 4, ITEM_FILE_FIRST + f->files, 2);
    strcpy((char *)entry + 8, file->name);
    f->file[f->files++] = (struct fw_cfg_item){ file->data, file->size };
    put_be(f->directory, f->files, 4);
    return true;
}

bool fw_cfg_has(const struct fw_cfg *f, const char *name)
{
    for (unsigned k = 0; k < f->files; k++)
        if (!strcmp((const char *)f->directory + 4 + k * 64 + 8, name))
            return true;
    return false;
}

/* The item behind a selector; an empty one for selectors that mean nothing. */
static struct fw_cfg_item item(const struct fw_cfg *f, uint16_t selector)
{
    static const uint8_t signature[4] = { 'Q', 'E', 'M', 'U' };
    static const uint8_t irq0_override = 1; /* the timer sits at I/O APIC pin 2 */
    switch (selector) {
    case ITEM_SIGNATURE: return (struct fw_cfg_item){ signature, 4 };
    case ITEM_ID: return (struct fw_cfg_item){ f->id, 4 };
    case ITEM_RAM_SIZE: return (struct fw_cfg_item){ f->ram_size, 8 };
    case ITEM_NB_CPUS:
    case ITEM_MAX_CPUS: return (struct fw_cfg_item){ f->processors, 2 };
    case ITEM_BOOT_MENU: return (struct fw_cfg_item){ f->boot_menu, 2 };
    case ITEM_IRQ0_OVERRIDE: return (struct fw_cfg_item){ &irq0_override, 1 };
    case ITEM_DIRECTORY: return (struct fw_cfg_item){ f->directory, 4 + f->files * 64 };
    default: break;
    }
    if (selector >= ITEM_FILE_FIRST && selector < ITEM_FILE_FIRST + f->files)
        return f->file[selector - ITEM_FILE_FIRST];
    return (struct fw_cfg_item){ NULL, 0 };
}

/* The next n bytes of the chosen item; zeros after its end. */
static void take(struct fw_cfg *f, uint8_t *out, size_t n)
{
    struct fw_cfg_item i = item(f, f->selector);
    size_t have = f->offset < i.size ? i.size - f->offset : 0;
    size_t k = have < n ? have : n;
    if (k)
        memcpy(out, i.data + f->offset, k);
    memset(out + k, 0, n - k);
    f->offset += n;
}

static uint32_t port_read(void *device, uint16_t offset, unsigned size)
{
    uint8_t byte;
    if (offset != 1)
        return 0;
    take(device, &byte, 1);
    return byte;
}

static void select_item(struct fw_cfg *f, uint16_t selector)
{
    f->selector = selector;
    f->offset = 0;
}

/* The selector takes 16-bit writes; data writes are ignored (read-only since QEMU 2.4). */
static void port_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    if (offset == 0 && size == 2)
        select_item(device, (uint16_t)value);
}

const struct port_ops fw_cfg_ports = { port_read, port_write, 2 };

static bool dma_copy(struct fw_cfg *f, uint32_t length, uint64_t address)
{
    uint8_t page[4096];
    if (address + length < address || mem_kind(f->mem, address) != PAGE_RAM)
        return false;
    while (length) {
        uint32_t n = length < sizeof page ? length : sizeof page;
        if (mem_kind(f->mem, address) != PAGE_RAM || mem_kind(f->mem, address + n - 1) != PAGE_RAM)
            return false;                       /* ends an absurd length at the end of RAM */
        take(f, page, n);
        mem_write(f->mem, address, page, n);
        address += n, length -= n;
    }
    return true;
}

/* The descriptor in guest memory: control, length, address, all big-endian. */
static void dma_run(struct fw_cfg *f, uint64_t at)
{
    uint8_t d[16];
    mem_read(f->mem, at, d, sizeof d);
    uint32_t control = (uint32_t)get_be(d, 4), length = (uint32_t)get_be(d + 4, 4), result = 0;
    if (control & DMA_SELECT)
        select_item(f, (uint16_t)(control >> 16));
    if (control & DMA_READ)
        result = !length || dma_copy(f, length, get_be(d + 8, 8)) ? 0 : DMA_ERROR;
    else if (control & DMA_WRITE)
        result = DMA_ERROR;                     /* no item is writable */
    else if (control & DMA_SKIP)
        f->offset += length;
    put_be(d, result, 4);
    mem_write(f->mem, at, d, 4);
}

static uint32_t dma_read(void *device, uint16_t offset, unsigned size)
{
    uint8_t signature[8];
    put_be(signature, DMA_SIGNATURE, 8);
    uint32_t v = 0;
    if (offset + size <= 8)
        memcpy(&v, signature + offset, size);
    return v;
}

/* Big-endian address; writing the low half starts the transfer. */
static void dma_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct fw_cfg *f = device;
    if (size != 4 || f->in_dma)
        return;
    uint32_t half = __builtin_bswap32(value);
    if (offset == 0) {
        f->dma_address = (uint64_t)half << 32;
        return;
    }
    f->in_dma = true;                           /* the transfer may hit this very device */
    dma_run(f, f->dma_address | half);
    f->in_dma = false;
    f->dma_address = 0;
}

const struct port_ops fw_cfg_dma_ports = { dma_read, dma_write, 4 };
