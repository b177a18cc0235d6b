// SPDX-License-Identifier: Apache-2.0
// The tables of saved.def.
#ifndef SP_PLATFORM_SAVED_H
#define SP_PLATFORM_SAVED_H

#include "base/saved.h"
#include "platform/internal.h"

const struct saved_table *saved_uart(void);
const struct saved_table *saved_post_port(void);
const struct saved_table *saved_testdev(void);
const struct saved_table *saved_pic(void);
const struct saved_table *saved_pic_pair(void);
const struct saved_table *saved_pit_channel(void);
const struct saved_table *saved_pit(void);
const struct saved_table *saved_rtc(void);
const struct saved_table *saved_i8042(void);
const struct saved_table *saved_system_ports(void);
const struct saved_table *saved_acpi_pm(void);
const struct saved_table *saved_hpet_timer(void);
const struct saved_table *saved_hpet(void);
const struct saved_table *saved_ioapic(void);
const struct saved_table *saved_lapic(void);
const struct saved_table *saved_pci_bar(void);
const struct saved_table *saved_pci_msix(void);
const struct saved_table *saved_pci_function(void);
const struct saved_table *saved_pci(void);
const struct saved_table *saved_mch(void);
const struct saved_table *saved_lpc(void);
const struct saved_table *saved_pci_testdev(void);
const struct saved_table *saved_virtio_queue(void);
const struct saved_table *saved_virtio(void);
const struct saved_table *saved_virtio_blk(void);
const struct saved_table *saved_virtio_console(void);
const struct saved_table *saved_virtio_pci(void);
const struct saved_table *saved_virtio_devices(void);
const struct saved_table *saved_fw_cfg(void);
const struct saved_table *saved_acpi_tables(void);
const struct saved_table *saved_firmware_files(void);
const struct saved_table *saved_port_range(void);
const struct saved_table *saved_port_bus(void);
const struct saved_table *saved_apic_window(void);
const struct saved_table *saved_platform(void);

#endif
