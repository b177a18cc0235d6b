// SPDX-License-Identifier: Apache-2.0
#include "platform/firmware_data.h"

#include "platform/acpi_tables.h"

enum { BIOS_SEGMENT = 0xf000, BIOS_OFFSET = 0x100, VECTORS = 256 };
enum { BDA_COM1 = 0x400, BDA_EBDA = 0x40e, BDA_MEMORY_KB = 0x413 };
#define RAM_NEEDED UINT64_C(0x200000)

/* push bp; mov bp, sp; or word [bp+6], 1 (CF in the pushed FLAGS); pop bp; iret */
static const uint8_t not_supported[] = { 0x55, 0x89, 0xe5, 0x83, 0x4e, 0x06, 0x01, 0x5d, 0xcf };

static void write_bios(struct mem *m)
{
    mem_write(m, (BIOS_SEGMENT << 4) + BIOS_OFFSET, not_supported, sizeof not_supported);
    for (unsigned k = 0; k < VECTORS; k++)
        mem_write_le(m, 4 * k, 4, (uint32_t)BIOS_SEGMENT << 16 | BIOS_OFFSET);
}

uint64_t firmware_data_write(struct mem *m, unsigned processors, uint8_t ioapic_id)
{
    uint64_t end = mem_low_ram_end(m);
    if (end < RAM_NEEDED)
        return 0;
    write_bios(m);
    mem_write_le(m, BDA_COM1, 2, 0x3f8);
    mem_write_le(m, BDA_EBDA, 2, 0x9fc0);
    mem_write_le(m, BDA_MEMORY_KB, 2, 639);
    acpi_tables_write(m, end - ACPI_TABLES_SIZE, processors, ioapic_id);
    return end - ACPI_TABLES_SIZE;
}
