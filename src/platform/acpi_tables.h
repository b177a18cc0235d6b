// SPDX-License-Identifier: Apache-2.0
// The ACPI tables that a PC's firmware would have left in memory: RSDP, RSDT, XSDT, FADT, FACS,
// DSDT, MADT, HPET.
#ifndef SP_PLATFORM_ACPI_TABLES_H
#define SP_PLATFORM_ACPI_TABLES_H

#include "mem/phys.h"

enum { ACPI_TABLES_SIZE = 0x4000, ACPI_RSDP_ADDRESS = 0xf0000 };

/* Writes the tables to [base, base + ACPI_TABLES_SIZE) and the RSDP to ACPI_RSDP_ADDRESS. */
void acpi_tables_write(struct mem *mem, uint64_t base, unsigned processors, uint8_t ioapic_id);

#endif
