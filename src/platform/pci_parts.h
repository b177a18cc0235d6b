// SPDX-License-Identifier: Apache-2.0
// What the files of the PCI core ask of each other.
#ifndef SP_PLATFORM_PCI_PARTS_H
#define SP_PLATFORM_PCI_PARTS_H

#include "platform/pci.h"

static inline uint32_t pci_get(const struct pci_function *f, unsigned reg, unsigned size)
{
    uint32_t v = 0;
    memcpy(&v, f->config + reg, size);
    return v;
}
static inline void pci_put(uint8_t *at, uint32_t v, unsigned size) { memcpy(at, &v, size); }

/* Makes the memory regions of the BARs; false if their table is full. */
bool pci_bars_create(struct pci_function *f);
/* Maps and unmaps by what the command register and the BARs say now. */
void pci_bars_update(struct pci_function *f);

void pci_msix_reset(struct pci_function *f);
/* Sends what waited and is allowed now. */
void pci_msix_update(struct pci_function *f);

#endif
