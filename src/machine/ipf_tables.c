// SPDX-License-Identifier: Apache-2.0
#include "machine/ipf_tables.h"

#include <stdlib.h>
#include <string.h>

#include "ipf/op.h"
#include "machine/ipf_acpi.h"

/* The block: where its parts stand, and as what the memory map lists them. */
enum {
    AT_CODE = 0x0000, /* the entry points                                            */
    AT_DATA = 0x1000, /* what runtime services need                                  */
    AT_ACPI = 0x4000,
    AT_BOOT = 0x8000,   /* boot parameters, command line, memory map                   */
    AT_STACK = 0x10000, /* backing store, upwards; and stack, downwards from the end */
    AT_AREAS = 0x20000, /* each processor's own                                      */
};
/* Inside AT_DATA. */
enum {
    AT_SYSTEM = AT_DATA,
    AT_SERVICES = AT_DATA + 0x100,
    AT_DESCRIPTORS = AT_DATA + 0x200,
    AT_CONFIGURATION = AT_DATA + 0x300,
    AT_SAL = AT_DATA + 0x400,
    AT_PCDP = AT_DATA + 0x500,
    AT_VENDOR = AT_DATA + 0x600,
};
/* Inside AT_BOOT. */
enum { AT_PARAMETERS = AT_BOOT, AT_TEXT = AT_BOOT + 0x1000, AT_MAP = AT_BOOT + 0x2000 };

/* UEFI Specification, "GetMemoryMap()". */
enum efi_memory {
    EFI_RESERVED = 0,
    EFI_LOADER_DATA = 2,
    EFI_RUNTIME_DATA = 6,
    EFI_CONVENTIONAL = 7,
    EFI_ACPI_RECLAIM = 9,
    EFI_MMIO = 11,
    EFI_PORT_SPACE = 12,
    EFI_PAL_CODE = 13,
};
#define EFI_UC UINT64_C(1)
#define EFI_WB UINT64_C(8)
#define EFI_RUNTIME BIT(63)
enum { DESCRIPTOR_SIZE = 40, MAP_ROOM = (AT_STACK - AT_MAP) / DESCRIPTOR_SIZE };

struct writer {
    struct ipf_firmware *f;
    uint64_t base;
};

static void put(const struct writer *w, uint64_t at, uint64_t v, unsigned n)
{
    mem_write_le(w->f->mem, w->base + at, n, v);
}
static void put_text(const struct writer *w, uint64_t at, const char *text)
{
    mem_write(w->f->mem, w->base + at, text, strlen(text));
}
/* The byte at `sum` makes [start, start + n) add up to 0. */
static void put_sum(const struct writer *w, uint64_t start, uint64_t n, uint64_t sum)
{
    uint8_t total = 0;
    for (uint64_t k = 0; k < n; k++)
        total = (uint8_t)(total + mem_read_le(w->f->mem, w->base + start + k, 1));
    put(w, sum, (uint8_t)-total, 1);
}

/* ---- EFI ---- */

/* The checksum of EFI's tables: CRC-32 of Ethernet, with its own field 0. */
static void put_crc(const struct writer *w, uint64_t start, uint64_t n)
{
    uint32_t crc = ~UINT32_C(0);
    for (uint64_t k = 0; k < n; k++) {
        crc ^= (uint32_t)mem_read_le(w->f->mem, w->base + start + k, 1);
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
    }
    put(w, start + 16, ~crc, 4);
}
static void put_header(const struct writer *w, uint64_t at, const char *signature, uint32_t size)
{
    enum { REVISION = 1 << 16 | 10 }; /* EFI 1.10 */
    put_text(w, at, signature);
    put(w, at + 8, REVISION, 4);
    put(w, at + 12, size, 4);
}

static void put_guid(const struct writer *w, uint64_t at, uint64_t low, uint64_t high)
{
    put(w, at, low, 8);
    put(w, at + 8, high, 8);
}

/* Vendor tables: what GUID names what. */
enum { VENDOR_TABLES = 3 };
static void put_configuration(const struct writer *w)
{
    static const struct {
        uint64_t low, high;
        uint32_t at;
    } rows[VENDOR_TABLES] = {
        { 0x11d32d88eb9d2d32, 0x4dc13f279000169a, AT_SAL },  /* SAL system table */
        { 0x11d3e4f18868e871, 0x81883cc7800022bc, AT_ACPI }, /* ACPI 2.0 RSDP    */
        { 0x42ef620bf951938d, 0x987861794ba87982, AT_PCDP },
    };
    for (unsigned k = 0; k < VENDOR_TABLES; k++) {
        put_guid(w, AT_CONFIGURATION + 24 * k, rows[k].low, rows[k].high);
        put(w, AT_CONFIGURATION + 24 * k + 16, w->base + rows[k].at, 8);
    }
}

/* A service is a pointer to a function descriptor: entry point and gp. */
static void put_services(const struct writer *w)
{
    enum { HEADER = 24, SIZE = HEADER + 8 * EFI_SERVICES };
    put_header(w, AT_SERVICES, "RUNTSERV", SIZE);
    for (unsigned k = 0; k < EFI_SERVICES; k++) {
        put(w, AT_SERVICES + HEADER + 8 * k, w->base + AT_DESCRIPTORS + 16 * k, 8);
        put(w, AT_DESCRIPTORS + 16 * k, ipf_firmware_entry(w->f, FIRMWARE_EFI + k), 8);
    }
    put_crc(w, AT_SERVICES, SIZE);
    w->f->services = w->base + AT_SERVICES;
}

static void put_system_table(const struct writer *w)
{
    static const char vendor[] = "Silverpool";
    enum { SIZE = 120, FIRMWARE_VENDOR = 24, SERVICES = 88, COUNT = 104, TABLES = 112 };
    for (size_t k = 0; k < sizeof vendor; k++)
        put(w, AT_VENDOR + 2 * k, (uint8_t)vendor[k], 2);
    put_header(w, AT_SYSTEM, "IBI SYST", SIZE);
    put(w, AT_SYSTEM + FIRMWARE_VENDOR, w->base + AT_VENDOR, 8);
    put(w, AT_SYSTEM + SERVICES, w->base + AT_SERVICES, 8);
    put(w, AT_SYSTEM + COUNT, VENDOR_TABLES, 8);
    put(w, AT_SYSTEM + TABLES, w->base + AT_CONFIGURATION, 8);
    put_crc(w, AT_SYSTEM, SIZE);
}

/* ---- SAL, PCDP ---- */

/* SAL Specification, "SAL System Table": the entry points; that an external interrupt wakes the
 * other processors up, and which. */
static void put_sal(const struct writer *w)
{
    enum { HEADER = 96, ENTRY = 48, WAKE_UP = 16, REVISION_3_20 = 0x0320 };
    enum { SIZE = HEADER + ENTRY + WAKE_UP, TYPE_WAKE_UP = 5 };
    put_text(w, AT_SAL, "SST_");
    put(w, AT_SAL + 4, SIZE, 4);
    put(w, AT_SAL + 8, REVISION_3_20, 2);
    put(w, AT_SAL + 10, 2, 2);
    put_text(w, AT_SAL + 24, "Silverpool");
    put_text(w, AT_SAL + 56, "Silverpool");
    put(w, AT_SAL + HEADER + 8, ipf_firmware_entry(w->f, FIRMWARE_PAL), 8);
    put(w, AT_SAL + HEADER + 16, ipf_firmware_entry(w->f, FIRMWARE_SAL), 8);
    put(w, AT_SAL + HEADER + ENTRY, TYPE_WAKE_UP, 1);
    put(w, AT_SAL + HEADER + ENTRY + 8, SAL_WAKE_UP, 8);
    put_sum(w, AT_SAL, SIZE, AT_SAL + 12);
}

/* DIG64 Primary Console and Debug Port Devices 2.0: COM1 is the console. */
static void put_pcdp(const struct writer *w)
{
    enum { HEADER = 40, UART = 48, SIZE = HEADER + UART, PRIMARY = 4 };
    put_text(w, AT_PCDP, "PCDP");
    put(w, AT_PCDP + 4, SIZE, 4);
    put(w, AT_PCDP + 8, 3, 1);
    put_text(w, AT_PCDP + 10, "SILVERPOOL    ");
    put(w, AT_PCDP + 36, 1, 4);
    put(w, AT_PCDP + HEADER + 1, 8, 1); /* data bits */
    put(w, AT_PCDP + HEADER + 2, 1, 1); /* no parity */
    put(w, AT_PCDP + HEADER + 3, 1, 1); /* stop bits */
    put(w, AT_PCDP + HEADER + 8, 115200, 8);
    put(w, AT_PCDP + HEADER + 16, 1 | 8 << 8, 4); /* GAS: an I/O port */
    put(w, AT_PCDP + HEADER + 20, IPF_COM1, 8);
    put(w, AT_PCDP + HEADER + 32, IPF_COM1_IRQ, 4);
    put(w, AT_PCDP + HEADER + 36, 1843200, 4);
    put(w, AT_PCDP + HEADER + 41, PRIMARY, 1);
    put_sum(w, AT_PCDP, SIZE, AT_PCDP + 9);
}

/* ---- the memory map ---- */

struct map_row {
    uint32_t type;
    uint64_t base, end, attribute;
};
struct map {
    struct map_row row[MAP_ROOM];
    size_t used;
    bool full;
};

static void add(struct map *m, uint32_t type, uint64_t base, uint64_t end, uint64_t attribute)
{
    if (base >= end)
        return;
    if (m->used < MAP_ROOM)
        m->row[m->used++] = (struct map_row){ type, base, end, attribute };
    else
        m->full = true;
}

static int by_base(const void *a, const void *b)
{
    const struct map_row *x = a, *y = b;
    return x->base < y->base ? -1 : x->base > y->base;
}

/* What is used, in whole pages and sorted. */
static void collect_used(struct map *m, const struct ipf_boot *b, uint64_t size)
{
    for (size_t k = 0; k < b->loaded_count; k++)
        add(m, EFI_LOADER_DATA, b->loaded[k].base & PAGE_MASK,
            (b->loaded[k].end + PAGE_SIZE - 1) & PAGE_MASK, EFI_WB);
    add(m, EFI_PAL_CODE, b->base, b->base + AT_DATA, EFI_WB | EFI_RUNTIME);
    add(m, EFI_RUNTIME_DATA, b->base + AT_DATA, b->base + AT_ACPI, EFI_WB | EFI_RUNTIME);
    add(m, EFI_ACPI_RECLAIM, b->base + AT_ACPI, b->base + AT_BOOT, EFI_WB);
    add(m, EFI_LOADER_DATA, b->base + AT_BOOT, b->base + AT_AREAS, EFI_WB);
    add(m, EFI_RUNTIME_DATA, b->base + AT_AREAS, b->base + size, EFI_WB | EFI_RUNTIME);
    add(m, EFI_RESERVED, 0, PAGE_SIZE, EFI_WB); /* address 0 is no good for anything */
    qsort(m->row, m->used, sizeof m->row[0], by_base);
}

/* RAM from `low` to `high`: the used rows in it, and what is free between them. */
static void add_ram(struct map *m, const struct map *used, uint64_t low, uint64_t high)
{
    uint64_t at = low;
    for (size_t k = 0; k < used->used; k++) {
        const struct map_row *u = &used->row[k];
        if (u->base < low || u->base >= high || u->end <= at)
            continue;
        add(m, EFI_CONVENTIONAL, at, u->base, EFI_WB);
        add(m, u->type, u->base > at ? u->base : at, u->end, u->attribute);
        at = u->end;
    }
    add(m, EFI_CONVENTIONAL, at, high, EFI_WB);
}

/* Returns its size in bytes, 0: there is no room. */
static uint64_t put_map(const struct writer *w, const struct ipf_boot *b)
{
    const uint64_t high = UINT64_C(1) << 32;
    struct map used = { .used = 0 }, m = { .used = 0 };
    collect_used(&used, b, ipf_tables_size(w->f->platform->cpus));
    add_ram(&m, &used, 0, mem_low_ram_end(w->f->mem));
    add(&m, EFI_MMIO, IOSAPIC_BASE, IOSAPIC_BASE + PAGE_SIZE, EFI_UC);
    add(&m, EFI_MMIO, IPF_INTERRUPT_BLOCK, IPF_INTERRUPT_BLOCK + IPF_INTERRUPT_BLOCK_SIZE, EFI_UC);
    add_ram(&m, &used, high, mem_high_ram_end(w->f->mem));
    add(&m, EFI_PORT_SPACE, IPF_PORTS, IPF_PORTS + IPF_PORTS_SIZE, EFI_UC);
    for (size_t k = 0; k < m.used; k++) {
        uint64_t at = AT_MAP + k * DESCRIPTOR_SIZE;
        put(w, at, m.row[k].type, 4);
        put(w, at + 8, m.row[k].base, 8);
        put(w, at + 24, (m.row[k].end - m.row[k].base) >> PAGE_SHIFT, 8);
        put(w, at + 32, m.row[k].attribute, 8);
    }
    return used.full || m.full ? 0 : m.used * DESCRIPTOR_SIZE;
}

/* ---- the boot loader's part ---- */

/* Linux, "struct ia64_boot_param". */
static void put_parameters(const struct writer *w, const struct ipf_boot *b, uint64_t map_size)
{
    const uint64_t initrd_size = b->initrd.end - b->initrd.base;
    const struct {
        uint8_t at, size;
        uint64_t value;
    } fields[] = {
        { 0, 8, w->base + AT_TEXT },
        { 8, 8, w->base + AT_SYSTEM },
        { 16, 8, w->base + AT_MAP },
        { 24, 8, map_size },
        { 32, 8, DESCRIPTOR_SIZE },
        { 40, 4, 1 },  /* version of descriptors            */
        { 44, 2, 80 }, /* columns, rows, x, y of a console  */
        { 46, 2, 25 },
        { 64, 8, initrd_size ? b->initrd.base : 0 },
        { 72, 8, initrd_size },
    };
    for (size_t k = 0; k < ARRAY_SIZE(fields); k++)
        put(w, AT_PARAMETERS + fields[k].at, fields[k].value, fields[k].size);
    put_text(w, AT_TEXT, b->command_line);
}

/* Processors but the first wait to be woken up; each has its own backing store. */
static void put_waiting(struct ipf_firmware *f)
{
    const struct ipf_cpu *first = f->platform->cpu;
    for (struct ipf_cpu *c = first->beside; c != first; c = c->beside) {
        c->ip = ipf_firmware_entry(f, FIRMWARE_RENDEZVOUS);
        c->halted = true;
        rse_set_bspstore(c, ipf_firmware_area(f, c) + IPF_AREA_STACK);
    }
}

bool ipf_tables_write(struct ipf_firmware *f, const struct ipf_boot *b)
{
    struct ipf_cpu *c = f->platform->cpu;
    const struct writer w = { f, b->base };
    uint64_t map_size = put_map(&w, b);
    put_services(&w);
    put_configuration(&w);
    put_system_table(&w);
    put_sal(&w);
    put_pcdp(&w);
    ipf_acpi_write(f->mem, b->base + AT_ACPI, f->platform->cpus);
    put_parameters(&w, b, map_size);
    f->areas = b->base + AT_AREAS;
    put_waiting(f);
    c->gr[28].v = b->base + AT_PARAMETERS;
    c->gr[12].v = b->base + AT_AREAS - 16;
    c->ar[AR_K0] = IPF_PORTS;
    rse_set_bspstore(c, b->base + AT_STACK);
    return map_size;
}
