// SPDX-License-Identifier: Apache-2.0
// ACPI tables of an Itanium machine.
#ifndef SP_MACHINE_IPF_ACPI_H
#define SP_MACHINE_IPF_ACPI_H

#include "mem/phys.h"

enum { IPF_ACPI_SIZE = 0x2000 };

/* Writes them to [base, base + IPF_ACPI_SIZE), the RSDP first. */
void ipf_acpi_write(struct mem *mem, uint64_t base, unsigned processors);

#endif
