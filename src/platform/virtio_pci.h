// SPDX-License-Identifier: Apache-2.0
// A virtio device as a PCI function (Virtual I/O Device 1.2, "Virtio Over PCI Bus"), without the
// legacy interface.
#ifndef SP_PLATFORM_VIRTIO_PCI_H
#define SP_PLATFORM_VIRTIO_PCI_H

#include "platform/pci.h"
#include "platform/virtio.h"

struct virtio_pci {
    struct pci_function function;
    struct virtio *virtio;
    uint32_t device_select, driver_select; /* which feature bits are shown   */
    uint16_t queue_select, config_vector;
    uint8_t isr;
    unsigned window; /* capability: PCI configuration access */
};

/* Wires `v`, which virtio_init() has seen, to a new function and puts it on the bus. */
bool virtio_pci_init(struct virtio_pci *p, struct virtio *v, struct pci *bus, uint8_t devfn,
                     struct sp_error *e);
/* As after power-on; pci_reset() sees to the function itself. */
void virtio_pci_reset(struct virtio_pci *p);

#endif
