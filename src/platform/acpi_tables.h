// SPDX-License-Identifier: Apache-2.0
// The ACPI tables of the machine: RSDP, RSDT, XSDT, FADT, FACS, DSDT, MADT, HPET, MCFG.  They are built
// once, free of addresses: the places of their pointers and checksums are listed, so that they can
// be finished for an address in memory, or by the guest's firmware.
#ifndef SP_PLATFORM_ACPI_TABLES_H
#define SP_PLATFORM_ACPI_TABLES_H

#include "mem/phys.h"

enum { ACPI_TABLES_SIZE = 0x4000, ACPI_RSDP_ADDRESS = 0xf0000, ACPI_RSDP_SIZE = 36 };
enum { ACPI_POINTERS_MAX = 24, ACPI_SUMS_MAX = 12 };

enum acpi_block { ACPI_BODY, ACPI_RSDP };
/* A pointer of `size` bytes at offset `at`; it holds an offset in the body. */
struct acpi_pointer {
    enum acpi_block block;
    uint32_t at;
    unsigned size;
};
/* The byte at `at` makes [start, start + length) add up to 0; it holds 0 until then. */
struct acpi_sum {
    enum acpi_block block;
    uint32_t start, length, at;
};

struct acpi_tables {
    uint8_t rsdp[ACPI_RSDP_SIZE];
    uint8_t byte[ACPI_TABLES_SIZE]; /* the body: all other tables */
    size_t used, table;             /* bytes in the body; where the last table starts */
    uint32_t mcfg;                  /* where the MCFG table starts */
    struct acpi_pointer pointer[ACPI_POINTERS_MAX];
    struct acpi_sum sum[ACPI_SUMS_MAX]; /* in the order in which they are to be computed */
    unsigned pointers, sums;
};

void acpi_tables_build(struct acpi_tables *t, unsigned processors, uint8_t ioapic_id);
/* Where the memory-mapped configuration space of the first `buses` buses stands. */
void acpi_tables_set_express(struct acpi_tables *t, uint64_t base, unsigned buses);
/* Finishes the tables for [base, base + t->used) and writes them there, the RSDP to
 * ACPI_RSDP_ADDRESS. */
void acpi_tables_place(struct acpi_tables *t, struct mem *mem, uint64_t base);

#endif
