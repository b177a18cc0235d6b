// SPDX-License-Identifier: Apache-2.0
#include "platform/acpi_tables.h"

#include <string.h>

#include "base/bits.h"
#include "platform/acpi_pm.h"
#include "platform/hpet.h"
#include "platform/ioapic.h"

static const uint8_t dsdt_bytes[] = {
#include "platform/dsdt.hex.h"
};

enum { HEADER_SIZE = 36, HEADER_CHECKSUM = 9, SCI_IRQ = 9 };

static void put(struct acpi_tables *w, uint64_t v, unsigned n)
{
    if (w->used + n <= sizeof w->byte)
        memcpy(w->byte + w->used, &v, n);
    w->used += n;
}

static uint8_t *block_bytes(struct acpi_tables *w, enum acpi_block b)
{
    return b == ACPI_RSDP ? w->rsdp : w->byte;
}

/* A pointer to what stands at `target` in the tables. */
static void put_pointer(struct acpi_tables *w, enum acpi_block block, uint32_t at, unsigned size,
                        uint64_t target)
{
    memcpy(block_bytes(w, block) + at, &target, size);
    w->pointer[w->pointers++] = (struct acpi_pointer){ block, at, size };
}

static void put_sum(struct acpi_tables *w, enum acpi_block block, uint32_t start, uint32_t length,
                    uint32_t at)
{
    w->sum[w->sums++] = (struct acpi_sum){ block, start, length, at };
}

/* ACPI specification, "System Description Table Header"; the length comes at the end.  Returns
 * where the table stands. */
static uint64_t begin(struct acpi_tables *w, const char *signature, uint8_t revision)
{
    w->used = (w->used + 15) & ~(size_t)15;
    w->table = w->used;
    memcpy(w->byte + w->used, signature, 4);
    w->byte[w->used + 8] = revision;
    memcpy(w->byte + w->used + 10, "SILVERPOOL    ", 14);
    w->byte[w->used + 24] = 1;
    memcpy(w->byte + w->used + 28, "SLVP\1\0\0\0", 8);
    w->used += HEADER_SIZE;
    return w->table;
}

static void end(struct acpi_tables *w)
{
    uint32_t start = (uint32_t)w->table, length = (uint32_t)w->used - start;
    memcpy(w->byte + start + 4, &length, 4);
    put_sum(w, ACPI_BODY, start, length, start + HEADER_CHECKSUM);
}

/* Generic Address Structure of an I/O port. */
static void put_port(struct acpi_tables *w, uint64_t port, unsigned width)
{
    put(w, 1 | width << 8 | (width == 8 ? 1 : width == 16 ? 2 : 3) << 24, 4);
    put(w, port, 8);
}

/* One field of the FADT (ACPI specification, "Fixed ACPI Description Table"), in the order of
 * offsets. */
struct fadt_field { uint16_t offset; uint8_t size; uint32_t value; };
enum {
    FADT_SIZE = 244,
    FADT_FACS = 36,
    FADT_DSDT = 40,
    FADT_RESET = 116,
    FADT_X_FACS = 132,
    FADT_X_DSDT = 140,
    FADT_X_EVENT = 148,
    FADT_X_CONTROL = 172,
    FADT_X_TIMER = 208
};
enum { BOOT_LEGACY = 1, BOOT_8042 = 2 };
enum {
    FLAG_WBINVD = 1 << 0,
    FLAG_C1 = 1 << 2,
    FLAG_NO_POWER_BUTTON = 1 << 4,
    FLAG_NO_SLEEP_BUTTON = 1 << 5,
    FLAG_NO_FIXED_RTC = 1 << 6,
    FLAG_RESET_REGISTER = 1 << 10
};
static const struct fadt_field fadt[] = {
    { 46, 2, SCI_IRQ },
    { 48, 4, ACPI_APM_PORT },
    { 52, 1, ACPI_ENABLE },
    { 53, 1, ACPI_DISABLE },
    { 56, 4, ACPI_PM_BASE + ACPI_PM_EVENT },
    { 64, 4, ACPI_PM_BASE + ACPI_PM_CONTROL },
    { 76, 4, ACPI_PM_BASE + ACPI_PM_TIMER },
    { 88, 1, 4 },     /* PM1_EVT_LEN */
    { 89, 1, 2 },     /* PM1_CNT_LEN */
    { 91, 1, 4 },     /* PM_TMR_LEN */
    { 96, 2, 0xfff }, /* P_LVL2_LAT: no C2 */
    { 98, 2, 0xfff }, /* P_LVL3_LAT: no C3 */
    { 108, 1, 0x32 }, /* CENTURY */
    { 109, 2, BOOT_LEGACY | BOOT_8042 },
    { 112, 4,
      FLAG_WBINVD | FLAG_C1 | FLAG_NO_POWER_BUTTON | FLAG_NO_SLEEP_BUTTON | FLAG_NO_FIXED_RTC |
          FLAG_RESET_REGISTER },
    { 128, 1, 0x06 }, /* RESET_VALUE: hard reset through CF9H */
};

static uint64_t write_fadt(struct acpi_tables *w, uint64_t facs, uint64_t dsdt)
{
    uint64_t at = begin(w, "FACP", 3);
    uint32_t table = (uint32_t)at;
    for (size_t k = 0; k < ARRAY_SIZE(fadt); k++)
        memcpy(w->byte + at + fadt[k].offset, &fadt[k].value, fadt[k].size);
    put_pointer(w, ACPI_BODY, table + FADT_FACS, 4, facs);
    put_pointer(w, ACPI_BODY, table + FADT_DSDT, 4, dsdt);
    put_pointer(w, ACPI_BODY, table + FADT_X_FACS, 8, facs);
    put_pointer(w, ACPI_BODY, table + FADT_X_DSDT, 8, dsdt);
    w->used = w->table + FADT_RESET, put_port(w, 0xcf9, 8);
    w->used = w->table + FADT_X_EVENT, put_port(w, ACPI_PM_BASE + ACPI_PM_EVENT, 32);
    w->used = w->table + FADT_X_CONTROL, put_port(w, ACPI_PM_BASE + ACPI_PM_CONTROL, 16);
    w->used = w->table + FADT_X_TIMER, put_port(w, ACPI_PM_BASE + ACPI_PM_TIMER, 32);
    w->used = w->table + FADT_SIZE;
    end(w);
    return at;
}

/* Interrupt source override: ISA interrupt, global interrupt, polarity and trigger flags. */
static void put_override(struct acpi_tables *w, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    put(w, 2 | 10 << 8, 2);
    put(w, (uint64_t)irq << 8, 2);          /* bus 0 (ISA), source */
    put(w, gsi, 4);
    put(w, flags, 2);
}

static uint64_t write_madt(struct acpi_tables *w, unsigned processors, uint8_t ioapic_id)
{
    uint64_t at = begin(w, "APIC", 3);
    put(w, APIC_DEFAULT_BASE, 4);
    put(w, 1, 4);                           /* PCAT_COMPAT: there are 8259s too */
    for (unsigned k = 0; k < processors; k++) {
        put(w, 0 | 8 << 8 | k << 16 | k << 24, 4);
        put(w, 1, 4);                       /* enabled */
    }
    put(w, 1 | 12 << 8 | (uint32_t)ioapic_id << 16, 4);
    put(w, IOAPIC_BASE, 4);
    put(w, 0, 4);
    put_override(w, 0, 2, 0);               /* the timer sits at pin 2 */
    put_override(w, SCI_IRQ, SCI_IRQ, 0xd); /* active high, level */
    put(w, 4 | 6 << 8 | 0xff << 16, 4);     /* NMI at LINT1 of every processor */
    put(w, 1 << 8, 2);
    end(w);
    return at;
}

static uint64_t write_hpet(struct acpi_tables *w)
{
    uint64_t at = begin(w, "HPET", 1);
    put(w, HPET_ID, 4);
    put(w, 0 | 64 << 8, 4);                 /* GAS: memory, 64 bits */
    put(w, HPET_BASE, 8);
    put(w, 0, 1);                           /* HPET number */
    put(w, 100, 2);                         /* minimum tick */
    put(w, 0, 1);
    end(w);
    return at;
}

/* PCI Firmware Specification 3.0, "MCFG Table Description": segment 0, from bus 0 on. */
enum { MCFG_BASE = 44, MCFG_LAST_BUS = 55, MCFG_SIZE = 60 };
static uint64_t write_mcfg(struct acpi_tables *w)
{
    uint64_t at = begin(w, "MCFG", 1);
    w->mcfg = (uint32_t)at;
    w->used = at + MCFG_SIZE;
    end(w);
    return at;
}

void acpi_tables_set_express(struct acpi_tables *w, uint64_t base, unsigned buses)
{
    memcpy(w->byte + w->mcfg + MCFG_BASE, &base, 8);
    w->byte[w->mcfg + MCFG_LAST_BUS] = (uint8_t)(buses - 1);
}

static uint64_t write_facs(struct acpi_tables *w)
{
    w->used = (w->used + 63) & ~(size_t)63;
    uint64_t at = w->used;
    memcpy(w->byte + at, "FACS\100\0\0\0", 8);
    w->byte[at + 32] = 1; /* version */
    w->used += 64;
    return at;
}

/* The compiled DSDT has its length and checksum and holds no pointers. */
static uint64_t write_dsdt(struct acpi_tables *w)
{
    uint64_t at = w->used;
    memcpy(w->byte + at, dsdt_bytes, sizeof dsdt_bytes);
    w->used += sizeof dsdt_bytes;
    return at;
}

static uint64_t write_root(struct acpi_tables *w, const char *signature, const uint64_t *tables,
                           unsigned n, unsigned width)
{
    uint64_t at = begin(w, signature, 1);
    for (unsigned k = 0; k < n; k++, w->used += width)
        put_pointer(w, ACPI_BODY, (uint32_t)w->used, width, tables[k]);
    end(w);
    return at;
}

/* ACPI specification, "Root System Description Pointer": the first 20 bytes have a sum of their
 * own. */
static void write_rsdp(struct acpi_tables *w, uint64_t rsdt, uint64_t xsdt)
{
    uint8_t *r = w->rsdp;
    memcpy(r, "RSD PTR ", 8);
    memcpy(r + 9, "SILVER", 6);
    r[15] = 2;                              /* revision */
    r[20] = ACPI_RSDP_SIZE;
    put_pointer(w, ACPI_RSDP, 16, 4, rsdt);
    put_pointer(w, ACPI_RSDP, 24, 8, xsdt);
    put_sum(w, ACPI_RSDP, 0, 20, 8);
    put_sum(w, ACPI_RSDP, 0, ACPI_RSDP_SIZE, 32);
}

void acpi_tables_build(struct acpi_tables *w, unsigned processors, uint8_t ioapic_id)
{
    memset(w, 0, sizeof *w);
    uint64_t facs = write_facs(w), dsdt = write_dsdt(w);
    uint64_t tables[4];
    tables[0] = write_fadt(w, facs, dsdt);
    tables[1] = write_madt(w, processors, ioapic_id);
    tables[2] = write_hpet(w);
    tables[3] = write_mcfg(w);
    uint64_t rsdt = write_root(w, "RSDT", tables, ARRAY_SIZE(tables), 4);
    uint64_t xsdt = write_root(w, "XSDT", tables, ARRAY_SIZE(tables), 8);
    write_rsdp(w, rsdt, xsdt);
}

void acpi_tables_place(struct acpi_tables *w, struct mem *mem, uint64_t base)
{
    for (unsigned k = 0; k < w->pointers; k++) {
        const struct acpi_pointer *p = &w->pointer[k];
        uint64_t v = 0;
        memcpy(&v, block_bytes(w, p->block) + p->at, p->size);
        v += base;
        memcpy(block_bytes(w, p->block) + p->at, &v, p->size);
    }
    for (unsigned k = 0; k < w->sums; k++) {
        const struct acpi_sum *s = &w->sum[k];
        uint8_t *b = block_bytes(w, s->block), sum = 0;
        for (uint32_t n = 0; n < s->length; n++)
            sum = (uint8_t)(sum + b[s->start + n]);
        b[s->at] = (uint8_t)(b[s->at] - sum);
    }
    mem_write(mem, base, w->byte, w->used);
    mem_write(mem, ACPI_RSDP_ADDRESS, w->rsdp, sizeof w->rsdp);
}
