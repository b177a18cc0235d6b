// SPDX-License-Identifier: Apache-2.0
// QEMU's firmware configuration device (docs/specs/fw_cfg): items chosen by a selector, read byte
// by byte or by DMA.
#ifndef SP_PLATFORM_FW_CFG_H
#define SP_PLATFORM_FW_CFG_H

#include "base/error.h"
#include "mem/phys.h"
#include "platform/bus.h"

/* A file that the user gives; the data must outlive the machine. */
struct fw_cfg_file { const char *name; const uint8_t *data; size_t size; };

enum { FW_CFG_FILES = 64, FW_CFG_NAME = 56 };

struct fw_cfg_item { const uint8_t *data; size_t size; };

struct fw_cfg {
    struct mem *mem;
    uint16_t selector;
    uint64_t offset;                            /* within the chosen item */
    uint64_t dma_address;
    uint8_t ram_size[8], processors[2], id[4], boot_menu[2];
    struct fw_cfg_item file[FW_CFG_FILES];
    unsigned files;
    uint8_t directory[4 + FW_CFG_FILES * 64];
    bool in_dma;
};

extern const struct port_ops fw_cfg_ports;         /* 2 ports at 0x510: selector, data */
extern const struct port_ops fw_cfg_dma_ports;     /* 8 ports at 0x514 */

void fw_cfg_init(struct fw_cfg *f, struct mem *mem, uint64_t ram_size, unsigned processors);
/* False and *e if the table is full or the name is too long. */
bool fw_cfg_add(struct fw_cfg *f, const struct fw_cfg_file *file, struct sp_error *e);
bool fw_cfg_has(const struct fw_cfg *f, const char *name);

#endif
