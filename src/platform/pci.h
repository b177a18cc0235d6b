// SPDX-License-Identifier: Apache-2.0
// PCI configuration mechanism #1 (PCI Local Bus Specification 3.0, section 3.2.2.3.2) and the
// functions on bus 0: an i440FX-like host bridge, a PIIX3-like ISA bridge and the PIIX4
// power-management function.
#ifndef SP_PLATFORM_PCI_H
#define SP_PLATFORM_PCI_H

#include "platform/bus.h"

enum { PCI_FUNCTIONS = 3, PCI_CONFIG_SIZE = 256 };

struct pci_function {
    uint8_t devfn;
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t writable[PCI_CONFIG_SIZE];    /* bits that configuration writes change */
};

struct pci {
    uint32_t address;                     /* port 0xcf8 */
    struct pci_function function[PCI_FUNCTIONS];
};

extern const struct port_ops pci_address_ports;    /* 4 ports at 0xcf8 */
extern const struct port_ops pci_data_ports;       /* 4 ports at 0xcfc */

/* `pm_base` is the I/O address of the ACPI registers, shown in function 00:01.3. */
void pci_init(struct pci *p, uint16_t pm_base);

#endif
