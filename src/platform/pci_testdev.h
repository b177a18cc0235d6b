// SPDX-License-Identifier: Apache-2.0
// QEMU's pci-testdev (docs/specs/pci-testdev), which kvm-unit-tests drives: BAR 0 is memory, BAR 1
// ports.  A test is chosen by number; the header at the BAR's start then says where to write what,
// and counts the writes that came.
#ifndef SP_PLATFORM_PCI_TESTDEV_H
#define SP_PLATFORM_PCI_TESTDEV_H

#include "platform/pci.h"

enum { PCI_TESTDEV_DEVFN = 0x1e << 3, PCI_TESTDEV_BARS = 2, PCI_TESTDEV_TESTS = 3 };

struct pci_testdev_bar {
    struct pci_testdev *owner;
    bool ports;
};

struct pci_testdev {
    struct pci_function function;
    struct pci_testdev_bar bar[PCI_TESTDEV_BARS];
    bool running, ports; /* a test was chosen, at BAR 1 */
    unsigned test;
    uint32_t count;
};

bool pci_testdev_init(struct pci_testdev *t, struct pci *p, struct sp_error *e);

#endif
