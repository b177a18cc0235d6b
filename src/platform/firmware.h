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
enum { FIRMWARE_E820_ENTRY = 20, FIRMWARE_E820_ENTRIES = 2 };

struct firmware_settings {
    bool boot_menu;           /* offer a boot menu ...                                   */
    uint16_t boot_menu_wait;  /* ... for so many milliseconds; 0: as the firmware likes */
    uint64_t feature_control; /* what to write to IA32_FEATURE_CONTROL; 0: nothing      */
};

/* The files' contents. */
struct firmware_files {
    struct acpi_tables acpi;
    uint8_t loader[LOADER_COMMANDS * LOADER_COMMAND];
    uint8_t e820[FIRMWARE_E820_ENTRIES * FIRMWARE_E820_ENTRY];
    uint8_t feature_control[8], console_port[2], boot_fail_wait[4], boot_menu_wait[2];
};

/* Adds the files; `f` lives as long as `cfg`, and f->acpi is built already.  A file of the same
 * name that is there already stays. */
bool firmware_files_add(struct firmware_files *f, struct fw_cfg *cfg, const struct mem *mem,
                        const struct firmware_settings *settings, struct sp_error *e);

#endif
