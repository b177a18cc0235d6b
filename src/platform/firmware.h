// SPDX-License-Identifier: Apache-2.0
// What the machine tells its firmware through fw_cfg: the files whose names begin with "etc/" that
// SeaBIOS and OVMF look for.  "etc/table-loader" is a script in the form of QEMU's BIOS
// linker/loader: firmware chooses where the ACPI tables stand, the script says what to change in
// them then.
#ifndef SP_PLATFORM_FIRMWARE_H
#define SP_PLATFORM_FIRMWARE_H

#include "base/error.h"
#include "platform/acpi_tables.h"
#include "platform/fw_cfg.h"

enum { LOADER_COMMAND = 128, LOADER_COMMANDS = 2 + ACPI_POINTERS_MAX + ACPI_SUMS_MAX };
enum { E820_ENTRY = 20, E820_ENTRIES = 2 };

/* The files' contents. */
struct firmware_files {
    struct acpi_tables acpi;
    uint8_t loader[LOADER_COMMANDS * LOADER_COMMAND];
    uint8_t e820[E820_ENTRIES * E820_ENTRY];
    uint8_t feature_control[8], console_port[2], boot_fail_wait[4];
};

/* Adds the files; `f` lives as long as `cfg`, and f->acpi is built already.  A file of the same
 * name that is there already stays. */
bool firmware_files_add(struct firmware_files *f, struct fw_cfg *cfg, const struct mem *mem,
                        uint64_t feature_control, struct sp_error *e);

#endif
