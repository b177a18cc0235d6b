// SPDX-License-Identifier: Apache-2.0
// The inside of struct platform, for platform.c, wires.c and build.c.
#ifndef SP_PLATFORM_INTERNAL_H
#define SP_PLATFORM_INTERNAL_H

#include "platform/acpi_pm.h"
#include "platform/debug_ports.h"
#include "platform/hpet.h"
#include "platform/i8042.h"
#include "platform/ioapic.h"
#include "platform/lpc.h"
#include "platform/mch.h"
#include "platform/pci.h"
#include "platform/pci_testdev.h"
#include "platform/pic.h"
#include "platform/pit.h"
#include "platform/platform.h"
#include "platform/rtc.h"
#include "platform/uart.h"
#include "platform/virtio_devices.h"

enum {
    APIC_WINDOWS = 16,
    IRQ_TIMER = 0,
    IRQ_KEYBOARD = 1,
    IRQ_CASCADE = 2,
    IRQ_COM1 = 4,
    IRQ_RTC = 8,
    IRQ_SCI = 9,
    IRQ_FERR = 13
};

/* A page where local APICs stand or stood. */
struct apic_window {
    struct platform *platform;
    uint64_t base;
};

struct platform {
    const struct platform_host *host;
    struct platform_config config;
    struct port_bus ports;
    struct uart uart;
    struct debugcon debugcon;
    struct debug_exit debug_exit;
    struct post_port post;
    struct testdev *testdev;
    struct pci_testdev *pci_testdev;
    struct pic_pair pic;
    struct pit pit;
    struct rtc rtc;
    struct i8042 i8042;
    struct system_ports system;
    struct ferr ferr;
    struct pci pci;
    struct mch mch;
    struct lpc lpc;
    struct virtio_devices *virtio;
    struct fw_cfg fw_cfg;
    struct firmware_files firmware;
    struct acpi_pm pm;
    struct hpet hpet;
    struct ioapic ioapic;
    struct apic_bus apics;
    struct apic_window window[APIC_WINDOWS];
    unsigned windows;
    uint16_t isa_irqs; /* levels of the ISA devices' lines */
    bool hpet_legacy;  /* the HPET took the timer's and the RTC's lines */
    uint64_t acpi_base;
};

/* The wires of wires.c: an ISA line; one that the HPET can take over; what hangs on the 8259s'
 * INTR; the PCI bus's pins and messages; and those of the APICs and the HPET. */
struct irq_line platform_isa_line(struct platform *p, unsigned irq);
struct irq_line platform_replaceable_line(struct platform *p, unsigned irq);
struct irq_line platform_pic_output(struct platform *p);
/* SMI# of the chipset to every processor; without function if the machine has none. */
struct irq_line platform_smi_line(struct platform *p);
struct pci_signals platform_pci_signals(struct platform *p);
void platform_wire(struct platform *p);
/* Local APICs appear at `base` too; false if they were at too many places. */
bool platform_map_apic(struct platform *p, uint64_t base);

#endif
