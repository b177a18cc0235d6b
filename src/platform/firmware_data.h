// SPDX-License-Identifier: Apache-2.0
// What a PC's firmware would have left in low memory: interrupt vectors with a minimal BIOS behind
// them, the BIOS data area, the ACPI tables.
#ifndef SP_PLATFORM_FIRMWARE_DATA_H
#define SP_PLATFORM_FIRMWARE_DATA_H

#include "mem/phys.h"

/* Writes it all; returns the address of the ACPI tables, 0 if RAM is too small for any of it.
 *
 * Every BIOS service says "not supported" (carry set, registers kept).  Kernels that a multiboot
 * loader starts may still call the BIOS (Xen's trampoline asks for the memory map, disks and
 * video); they fall back to what the loader told them. */
uint64_t firmware_data_write(struct mem *m, unsigned processors, uint8_t ioapic_id);

#endif
