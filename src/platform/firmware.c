// SPDX-License-Identifier: Apache-2.0
#include "platform/firmware.h"

#include <string.h>

#include "base/bits.h"

/* Commands of the linker/loader script, 128 bytes each, and where their fields stand. */
enum { COMMAND_ALLOCATE = 1, COMMAND_ADD_POINTER = 2, COMMAND_ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };
enum { FILE_NAME = 56, FIELDS = 4 };

static const char *const block_names[] = {
    [ACPI_BODY] = "etc/acpi/tables", [ACPI_RSDP] = "etc/acpi/rsdp"
};

static void put_le(uint8_t *at, uint64_t v, unsigned n) { memcpy(at, &v, n); }

static uint8_t *command(uint8_t **next, unsigned code, enum acpi_block block)
{
    uint8_t *c = *next;
    *next += LOADER_COMMAND;
    put_le(c, code, 4);
    strcpy((char *)c + FIELDS, block_names[block]);
    return c + FIELDS + FILE_NAME;
}

static void allocate(uint8_t **next, enum acpi_block block, uint32_t alignment, uint8_t zone)
{
    uint8_t *c = command(next, COMMAND_ALLOCATE, block);
    put_le(c, alignment, 4);
    c[4] = zone;
}

/* Firmware allocates the blocks, adds their addresses to the pointers, then computes the sums.
 * Returns the script's size. */
static size_t write_loader(struct firmware_files *f)
{
    const struct acpi_tables *t = &f->acpi;
    uint8_t *next = f->loader;
    allocate(&next, ACPI_RSDP, 16, ZONE_FSEG);
    allocate(&next, ACPI_BODY, 64, ZONE_HIGH); /* the FACS wants 64 bytes */
    for (unsigned k = 0; k < t->pointers; k++) {
        const struct acpi_pointer *p = &t->pointer[k];
        uint8_t *c = command(&next, COMMAND_ADD_POINTER, p->block);
        strcpy((char *)c, block_names[ACPI_BODY]);
        put_le(c + FILE_NAME, p->at, 4);
        c[FILE_NAME + 4] = (uint8_t)p->size;
    }
    for (unsigned k = 0; k < t->sums; k++) {
        const struct acpi_sum *s = &t->sum[k];
        uint8_t *c = command(&next, COMMAND_ADD_CHECKSUM, s->block);
        put_le(c, s->at, 4);
        put_le(c + 4, s->start, 4);
        put_le(c + 8, s->length, 4);
    }
    return (size_t)(next - f->loader);
}

static void put_ram(uint8_t *at, uint64_t base, uint64_t size)
{
    put_le(at, base, 8);
    put_le(at + 8, size, 8);
    put_le(at + 16, 1, 4);
}

/* RAM as it is; what of it is reserved, the firmware itself decides.  Returns the map's size. */
static size_t write_e820(struct firmware_files *f, const struct mem *mem)
{
    uint64_t high = mem_high_ram_end(mem) - BIT(32);
    put_ram(f->e820, 0, mem_low_ram_end(mem));
    put_ram(f->e820 + FIRMWARE_E820_ENTRY, BIT(32), high);
    return high ? 2 * FIRMWARE_E820_ENTRY : FIRMWARE_E820_ENTRY;
}

bool firmware_files_add(struct firmware_files *f, struct fw_cfg *cfg, const struct mem *mem,
                        const struct firmware_settings *settings, struct sp_error *e)
{
    cfg->boot_menu[0] = settings->boot_menu;
    put_le(f->boot_menu_wait, settings->boot_menu_wait, 2);
    put_le(f->feature_control, settings->feature_control, 8);
    put_le(f->console_port, 0x3f8, 2);        /* there is no screen, but COM1 */
    put_le(f->boot_fail_wait, UINT32_MAX, 4); /* nothing to boot: no restart  */
    const struct fw_cfg_file files[] = {
        { block_names[ACPI_RSDP], f->acpi.rsdp, ACPI_RSDP_SIZE },
        { block_names[ACPI_BODY], f->acpi.byte, f->acpi.used },
        { "etc/table-loader", f->loader, write_loader(f) },
        { "etc/e820", f->e820, write_e820(f, mem) },
        { "etc/msr_feature_control", f->feature_control, settings->feature_control ? 8 : 0 },
        { "etc/boot-menu-wait", f->boot_menu_wait, settings->boot_menu_wait ? 2 : 0 },
        { "etc/sercon-port", f->console_port, sizeof f->console_port },
        { "etc/boot-fail-wait", f->boot_fail_wait, sizeof f->boot_fail_wait },
    };
    for (size_t k = 0; k < ARRAY_SIZE(files); k++)
        if (files[k].size && !fw_cfg_has(cfg, files[k].name) && !fw_cfg_add(cfg, &files[k], e))
            return false;
    return true;
}
