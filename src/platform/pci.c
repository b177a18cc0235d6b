// SPDX-License-Identifier: Apache-2.0
#include "platform/pci.h"

#include <string.h>

#include "base/bits.h"

enum { VENDOR = 0x00, DEVICE = 0x02, COMMAND = 0x04, STATUS = 0x06, REVISION = 0x08, CLASS = 0x09,
       HEADER_TYPE = 0x0e, INTERRUPT_LINE = 0x3c, INTERRUPT_PIN = 0x3d };
enum { PAM0 = 0x59, SMRAM = 0x72, PIRQ_A = 0x60, PM_BASE = 0x40, PM_ENABLE = 0x80 };

struct identity {
    uint8_t devfn;
    uint16_t vendor, device;
    uint32_t class_code;
    uint8_t header, revision;
};

static const struct identity identities[PCI_FUNCTIONS] = {
    { 0x00, 0x8086, 0x1237, 0x060000, 0x00, 2 },     /* 00:00.0 host bridge              */
    { 0x08, 0x8086, 0x7000, 0x060100, 0x80, 0 },     /* 00:01.0 ISA bridge, multifunction */
    { 0x0b, 0x8086, 0x7113, 0x068000, 0x00, 3 },     /* 00:01.3 power management         */
};

static void put(uint8_t *at, uint32_t v, unsigned n) { memcpy(at, &v, n); }

static void identify(struct pci_function *f, const struct identity *id)
{
    f->devfn = id->devfn;
    put(f->config + VENDOR, id->vendor, 2);
    put(f->config + DEVICE, id->device, 2);
    put(f->config + COMMAND, 0x0007, 2);
    put(f->config + STATUS, 0x0280, 2);
    put(f->config + REVISION, id->revision, 1);
    put(f->config + CLASS, id->class_code, 3);
    put(f->config + HEADER_TYPE, id->header, 1);
    put(f->writable + COMMAND, 0x0107, 2);
    f->writable[INTERRUPT_LINE] = 0xff;
}

void pci_init(struct pci *p, uint16_t pm_base)
{
    memset(p, 0, sizeof *p);
    for (unsigned k = 0; k < PCI_FUNCTIONS; k++)
        identify(&p->function[k], &identities[k]);
    /* Shadowing of the BIOS area has no effect here: C0000H-FFFFFH is RAM (or ROM with -bios). */
    memset(p->function[0].writable + PAM0, 0xff, 7);
    p->function[0].writable[SMRAM] = 0x7f;
    memset(p->function[1].config + PIRQ_A, 0x80, 4);          /* not routed */
    memset(p->function[1].writable + PIRQ_A, 0x8f, 4);
    struct pci_function *pm = &p->function[2];
    put(pm->config + PM_BASE, pm_base | 1, 4);                /* fixed: the ACPI tables name it */
    pm->config[PM_ENABLE] = 1;
    pm->config[INTERRUPT_PIN] = 1;
    pm->config[INTERRUPT_LINE] = 9;
}

static struct pci_function *selected(struct pci *p)
{
    if (!(p->address & BIT(31)) || bits(p->address, 23, 16) != 0)
        return NULL;
    for (unsigned k = 0; k < PCI_FUNCTIONS; k++)
        if (p->function[k].devfn == bits(p->address, 15, 8))
            return &p->function[k];
    return NULL;
}

static uint32_t address_read(void *device, uint16_t offset, unsigned size)
{
    const struct pci *p = device;
    return p->address >> (8 * (offset & 3));
}

/* Only a whole doubleword reaches the register (section 3.2.2.3.2). */
static void address_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    if (size == 4 && offset == 0)
        ((struct pci *)device)->address = value & 0x80fffffc;
}

static uint32_t data_read(void *device, uint16_t offset, unsigned size)
{
    struct pci *p = device;
    const struct pci_function *f = selected(p);
    unsigned reg = (p->address & 0xfc) + (offset & 3);
    uint32_t v = UINT32_MAX;
    if (f && reg + size <= PCI_CONFIG_SIZE)
        memcpy(&v, f->config + reg, size);
    return v;
}

static void data_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct pci *p = device;
    struct pci_function *f = selected(p);
    unsigned reg = (p->address & 0xfc) + (offset & 3);
    if (!f || reg + size > PCI_CONFIG_SIZE)
        return;
    for (unsigned k = 0; k < size; k++) {
        uint8_t w = f->writable[reg + k];
        f->config[reg + k] = (uint8_t)((f->config[reg + k] & ~w) | (value >> (8 * k) & w));
    }
}

const struct port_ops pci_address_ports = { address_read, address_write, 4 };
const struct port_ops pci_data_ports = { data_read, data_write, 4 };
