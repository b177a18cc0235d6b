// SPDX-License-Identifier: Apache-2.0
// The devices of a PC around the processors, wired together.
#ifndef SP_PLATFORM_PLATFORM_H
#define SP_PLATFORM_PLATFORM_H

#include "base/error.h"
#include "mem/phys.h"
#include "platform/block.h"
#include "platform/firmware.h"
#include "platform/host.h"
#include "platform/lapic.h"

struct platform_config {
    struct mem *mem;
    uint64_t ram_size;
    unsigned processors;
    unsigned physical_bits; /* of physical addresses: reserved bits of IA32_APIC_BASE */
    bool x2apic, tsc_deadline;              /* what the processors' CPUID says */
    struct char_sink serial, debugcon;
    uint16_t debugcon_port;                 /* 0: absent */
    uint16_t debug_exit_port;               /* 0: absent */
    uint8_t debug_exit_size;
    bool pc_testdev, pci_testdev;
    bool smm;                               /* firmware may have SMIs from the APM port */
    struct firmware_settings firmware;
    const struct fw_cfg_file *files;
    size_t file_count;
    const struct block_disk *disks;
    size_t disk_count;
    bool virtio_console;
    struct char_sink virtio_console_sink;
};

struct platform;

/* Builds the devices in their power-on state.  `host` must outlive the platform; its functions may
 * be called during creation.  NULL and *e on failure. */
struct platform *platform_create(const struct platform_config *config,
                                 const struct platform_host *host, struct sp_error *e);
void platform_destroy(struct platform *p);
/* The power-on state again. */
void platform_reset(struct platform *p);
/* What firmware leaves behind: PCI configured, interrupts routed, ACPI mode, ACPI tables in RAM. */
void platform_hand_over(struct platform *p);
/* The image of a firmware that ends at 4 GiB: its end shows below 1 MiB, too. */
void platform_set_firmware(struct platform *p, const uint8_t *bytes, size_t n);

/* True if a device answers at the port. */
bool platform_has_port(const struct platform *p, uint16_t port);
uint32_t platform_io_read(struct platform *p, uint16_t port, unsigned size);
void platform_io_write(struct platform *p, uint16_t port, unsigned size, uint32_t value);

/* The processor that accesses memory from now on is in SMM, or is not: SMRAM shows. */
void platform_smm(struct platform *p, bool smm);

/* The earliest tick at which a device wants platform_advance(), NEVER if none does. */
uint64_t platform_deadline(const struct platform *p);
/* Lets every timer whose time has come act. */
void platform_advance(struct platform *p, uint64_t now);

struct lapic *platform_lapic(struct platform *p, unsigned cpu);
/* Interrupt acknowledge cycle of a processor: a vector of its local APIC or the 8259s, -1 if none.
 */
int platform_acknowledge(struct platform *p, unsigned cpu);
/* IA32_APIC_BASE; false: #GP(0). */
bool platform_write_apic_base(struct platform *p, unsigned cpu, uint64_t value);
/* FERR#: an unmasked x87 error with CR0.NE = 0 raises IRQ 13 until the guest writes port F0H. */
void platform_ferr(struct platform *p);
/* True if a device could send an NMI: processors that wait with interrupts off may then wake up. */
bool platform_nmi_possible(const struct platform *p);

/* The physical address of the RSDP, and that of the tables; 0 before platform_hand_over(), or if
 * RAM was too small for them. */
uint64_t platform_rsdp(const struct platform *p);
uint64_t platform_acpi_base(const struct platform *p);

/* Saves or loads the state of all devices.  Before loading, platform_forget_windows(); then
 * mem_saved() with platform_make_window(). */
struct saved_stream;
bool platform_saved(struct platform *p, struct saved_stream *s);
void platform_forget_windows(struct platform *p);
bool platform_make_window(void *platform);

#endif
