// SPDX-License-Identifier: Apache-2.0
// MSI-X (PCI Local Bus Specification 3.0, section 6.8.2).
#include <string.h>

#include "base/bits.h"
#include "platform/pci_parts.h"

enum { CAPABILITY_ID = 0x11, CAPABILITY_SIZE = 12, CONTROL = 2, TABLE = 4, PENDING = 8 };
enum { CONTROL_MASKED = 1 << 14, CONTROL_ENABLED = 1 << 15 };
enum { BAR_SIZE = 4096, PENDING_AT = 0x800, ENTRY_MASKED = 1 };

static unsigned control(const struct pci_function *f)
{
    return f->msix_capability ? pci_get(f, f->msix_capability + CONTROL, 2) : 0;
}

bool pci_msix_enabled(const struct pci_function *f) { return control(f) & CONTROL_ENABLED; }

void pci_msix_update(struct pci_function *f)
{
    unsigned now = control(f);
    if (!(now & CONTROL_ENABLED) || now & CONTROL_MASKED || !pci_is_master(f))
        return;
    for (unsigned k = 0; k < f->msix_vectors; k++) {
        const struct pci_msix *v = &f->msix[k];
        if (!(f->msix_pending >> k & 1) || v->control & ENTRY_MASKED)
            continue;
        f->msix_pending &= ~BIT(k);
        f->bus->signals.message(f->bus->signals.context, v->address, v->data);
    }
}

void pci_msix_send(struct pci_function *f, unsigned vector)
{
    if (vector >= f->msix_vectors || !pci_msix_enabled(f))
        return;
    f->msix_pending |= BIT(vector);
    pci_msix_update(f);
}

void pci_msix_reset(struct pci_function *f)
{
    f->msix_pending = 0;
    for (unsigned k = 0; k < PCI_MSIX_VECTORS; k++)
        f->msix[k] = (struct pci_msix){ .control = ENTRY_MASKED };
}

/* ---- the table and the pending bits in memory ---- */

static uint64_t table_read(void *device, uint64_t offset, unsigned size)
{
    const struct pci_function *f = device;
    uint64_t v = 0;
    if (offset + size <= f->msix_vectors * sizeof f->msix[0])
        memcpy(&v, (const uint8_t *)f->msix + offset, size);
    else if (offset >= PENDING_AT && offset + size <= PENDING_AT + sizeof f->msix_pending)
        memcpy(&v, (const uint8_t *)&f->msix_pending + (offset - PENDING_AT), size);
    return v;
}

/* Only whole doublewords and quadwords are defined; the pending bits are read-only. */
static void table_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_function *f = device;
    if (size < 4 || offset + size > f->msix_vectors * sizeof f->msix[0])
        return;
    struct pci_msix *v = &f->msix[offset / sizeof f->msix[0]];
    memcpy((uint8_t *)f->msix + offset, &value, size);
    v->address &= ~UINT64_C(3);
    v->control &= ENTRY_MASKED;
    pci_msix_update(f);
}

static const struct mmio_ops table_ops = { table_read, table_write };

_Static_assert(sizeof(struct pci_msix) == 16, "an entry of the table as guests see it");

void pci_add_msix(struct pci_function *f, unsigned index, unsigned vectors)
{
    if (vectors < 1 || vectors > PCI_MSIX_VECTORS)
        return;
    unsigned at = pci_add_capability(f, CAPABILITY_ID, CAPABILITY_SIZE);
    if (!at)
        return;
    pci_add_bar(f, index,
                &(struct pci_bar){
                    .kind = PCI_BAR_MEMORY, .size = BAR_SIZE, .mmio = &table_ops, .device = f });
    pci_put(f->config + at + CONTROL, vectors - 1, 2);
    pci_put(f->writable + at + CONTROL, CONTROL_ENABLED | CONTROL_MASKED, 2);
    pci_put(f->config + at + TABLE, index, 4);
    pci_put(f->config + at + PENDING, PENDING_AT | index, 4);
    f->msix_capability = at;
    f->msix_vectors = vectors;
}
