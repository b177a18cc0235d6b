// SPDX-License-Identifier: Apache-2.0
// RSDP, XSDT, FADT, FACS, MADT, SRAT and DSDT (ACPI Specification, "System Description Tables").
#include "machine/ipf_acpi.h"

#include "machine/ipf_platform.h"

static const uint8_t dsdt_bytes[] = {
#include "platform/dsdt_ipf.hex.h"
};

enum { HEADER = 36, RSDP = 0, RSDP_SIZE = 36, FACS = 64, FACS_SIZE = 64, TABLES = 128 };

struct writer {
    uint8_t byte[IPF_ACPI_SIZE];
    uint64_t base;
    uint32_t table, used; /* where the current table begins, where the next byte goes */
};

static void put(struct writer *w, uint64_t v, unsigned n)
{
    memcpy(w->byte + w->used, &v, n);
    w->used += n;
}
static void put_at(struct writer *w, uint32_t at, uint64_t v, unsigned n)
{
    memcpy(w->byte + at, &v, n);
}

/* The byte at `at` makes the sum of [start, start + n) zero. */
static void put_sum(struct writer *w, uint32_t start, uint32_t n, uint32_t at)
{
    uint8_t sum = 0;
    for (uint32_t k = 0; k < n; k++)
        sum = (uint8_t)(sum + w->byte[start + k]);
    w->byte[at] = (uint8_t)(w->byte[at] - sum);
}

static void begin(struct writer *w, const char *signature, uint8_t revision)
{
    w->table = w->used = (w->used + 15) & ~UINT32_C(15);
    memcpy(w->byte + w->table, signature, 4);
    w->byte[w->table + 8] = revision;
    memcpy(w->byte + w->table + 10, "SILVERPOOL    ", 14);
    w->byte[w->table + 24] = 1;
    memcpy(w->byte + w->table + 28, "SLVP\1\0\0\0", 8);
    w->used += HEADER;
}
/* Returns the table's address. */
static uint64_t end(struct writer *w)
{
    put_at(w, w->table + 4, w->used - w->table, 4);
    put_sum(w, w->table, w->used - w->table, w->table + 9);
    return w->base + w->table;
}

/* Generic Address Structure of an I/O port. */
static void put_port(struct writer *w, uint32_t at, uint64_t port, unsigned width)
{
    put_at(w, at, 1 | width << 8 | (width == 16 ? 2 : 3) << 24, 4);
    put_at(w, at + 4, port, 8);
}

static uint64_t write_fadt(struct writer *w, uint64_t dsdt)
{
    enum { SIZE = 244, NO_POWER_BUTTON = 1 << 4, NO_SLEEP_BUTTON = 1 << 5, NO_RTC = 1 << 6 };
    enum { WBINVD = 1 << 0 };
    static const struct {
        uint16_t at;
        uint8_t size;
        uint32_t value;
    } fields[] = {
        { 46, 2, IPF_SCI_IRQ },
        { 56, 4, ACPI_PM_BASE + ACPI_PM_EVENT },
        { 64, 4, ACPI_PM_BASE + ACPI_PM_CONTROL },
        { 76, 4, ACPI_PM_BASE + ACPI_PM_TIMER },
        { 88, 1, 4 },     /* PM1_EVT_LEN                              */
        { 89, 1, 2 },     /* PM1_CNT_LEN                              */
        { 91, 1, 4 },     /* PM_TMR_LEN                               */
        { 96, 2, 0xfff }, /* no C2; there is no SMI_CMD: always ACPI  */
        { 98, 2, 0xfff }, /* no C3                                    */
        { 112, 4, WBINVD | NO_POWER_BUTTON | NO_SLEEP_BUTTON | NO_RTC },
    };
    begin(w, "FACP", 3);
    for (size_t k = 0; k < ARRAY_SIZE(fields); k++)
        put_at(w, w->table + fields[k].at, fields[k].value, fields[k].size);
    put_at(w, w->table + 40, dsdt, 4);
    put_at(w, w->table + 132, w->base + FACS, 8);
    put_at(w, w->table + 140, dsdt, 8);
    put_port(w, w->table + 148, ACPI_PM_BASE + ACPI_PM_EVENT, 32);
    put_port(w, w->table + 172, ACPI_PM_BASE + ACPI_PM_CONTROL, 16);
    put_port(w, w->table + 208, ACPI_PM_BASE + ACPI_PM_TIMER, 32);
    w->used = w->table + SIZE;
    return end(w);
}

/* A local SAPIC for each processor, whose id is its number; one I/O SAPIC. */
static uint64_t write_madt(struct writer *w, unsigned processors)
{
    enum { IO_SAPIC = 6, LOCAL_SAPIC = 7, ENABLED = 1 };
    begin(w, "APIC", 3);
    put(w, IPF_INTERRUPT_BLOCK, 4);
    put(w, 0, 4); /* no 8259s */
    for (unsigned k = 0; k < processors; k++) {
        put(w, LOCAL_SAPIC | 20 << 8 | k << 16 | k << 24, 4);
        put(w, 0, 4); /* eid */
        put(w, ENABLED, 4);
        put(w, k, 4);
        put(w, '0' + k % 10, 4); /* the same as a string */
    }
    put(w, IO_SAPIC | 16 << 8, 4);
    put(w, 0, 4); /* its interrupts begin with 0 */
    put(w, IOSAPIC_BASE, 8);
    return end(w);
}

static void put_memory(struct writer *w, uint64_t base, uint64_t end)
{
    enum { MEMORY = 1, SIZE = 40, ENABLED = 1 };
    if (base >= end)
        return;
    put(w, MEMORY | SIZE << 8, 2);
    put(w, 0, 6); /* proximity domain */
    put(w, base, 8);
    put(w, end - base, 8);
    put(w, 0, 4);
    put(w, ENABLED, 4);
    put(w, 0, 8);
}

/* All is in one proximity domain.  Linux counts processors by this table: without it, up to 32. */
static uint64_t write_srat(struct writer *w, const struct mem *mem, unsigned processors)
{
    enum { LOCAL_SAPIC = 0, SIZE = 16, ENABLED = 1 };
    begin(w, "SRAT", 2);
    put(w, 1, 4);
    put(w, 0, 8);
    for (unsigned k = 0; k < processors; k++) {
        put(w, LOCAL_SAPIC | SIZE << 8 | k << 24, 4);
        put(w, ENABLED, 4);
        put(w, 0, 8); /* eid and the rest of the domain's number */
    }
    put_memory(w, 0, mem_low_ram_end(mem));
    put_memory(w, UINT64_C(1) << 32, mem_high_ram_end(mem));
    return end(w);
}

static void write_rsdp(struct writer *w, uint64_t xsdt)
{
    memcpy(w->byte + RSDP, "RSD PTR ", 8);
    memcpy(w->byte + RSDP + 9, "SILVER", 6);
    w->byte[RSDP + 15] = 2; /* revision */
    w->byte[RSDP + 20] = RSDP_SIZE;
    put_at(w, RSDP + 24, xsdt, 8);
    put_sum(w, RSDP, 20, RSDP + 8);
    put_sum(w, RSDP, RSDP_SIZE, RSDP + 32);
}

void ipf_acpi_write(struct mem *mem, uint64_t base, unsigned processors)
{
    struct writer w = { .base = base, .used = TABLES };
    memcpy(w.byte + FACS, "FACS\100\0\0\0", 8);
    w.byte[FACS + 32] = 1;                                  /* version */
    memcpy(w.byte + w.used, dsdt_bytes, sizeof dsdt_bytes); /* has its length and checksum */
    uint64_t dsdt = base + w.used;
    w.used += sizeof dsdt_bytes;
    uint64_t fadt = write_fadt(&w, dsdt), madt = write_madt(&w, processors);
    uint64_t srat = write_srat(&w, mem, processors);
    begin(&w, "XSDT", 1);
    put(&w, fadt, 8);
    put(&w, madt, 8);
    put(&w, srat, 8);
    write_rsdp(&w, end(&w));
    mem_write(mem, base, w.byte, sizeof w.byte);
}
