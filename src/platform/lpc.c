// SPDX-License-Identifier: Apache-2.0
#include "platform/lpc.h"

#include <string.h>

#include "base/bits.h"
#include "platform/pci_parts.h"

enum {
    PMBASE = 0x40,
    ACPI_CNTL = 0x44,
    PIRQ_A = 0x60,
    PIRQ_E = 0x68,
    GEN_PMCON_1 = 0xa0,
    RCBA = 0xf0
};
enum { ACPI_ENABLED = 0x80, NOT_ROUTED = 0x80, ROUTE_BITS = 0x8f, SMI_LOCK = 0x10 };
/* The inputs that a route register may name. */
enum { ROUTABLE = 0xdef8 };

static unsigned pirq_of(unsigned devfn, unsigned pin) { return 4 + ((devfn >> 3) + pin) % 4; }

static unsigned route_register(unsigned pirq)
{
    return pirq < 4 ? PIRQ_A + pirq : PIRQ_E + pirq - 4;
}

/* 0: to no input. */
static unsigned route_of(const struct lpc *l, unsigned pirq)
{
    uint8_t v = l->function.config[route_register(pirq)];
    return v & NOT_ROUTED || !(ROUTABLE >> (v & 15) & 1) ? 0 : v & 15;
}

void lpc_pin(struct lpc *l, unsigned devfn, unsigned pin, bool level)
{
    unsigned pirq = pirq_of(devfn, pin), before = l->asserted[pirq];
    l->asserted[pirq] = level ? before + 1 : before - 1;
    if (before && l->asserted[pirq])
        return; /* another pin holds it */
    l->pirq(l->context, pirq, level);
    l->route(l->context);
}

uint16_t lpc_isa_irqs(const struct lpc *l)
{
    uint16_t irqs = 0;
    for (unsigned k = 0; k < LPC_PIRQS; k++)
        if (l->asserted[k] && route_of(l, k))
            irqs |= (uint16_t)(1u << route_of(l, k));
    return irqs;
}

unsigned lpc_isa_irq_of(const struct lpc *l, unsigned devfn, unsigned pin)
{
    return route_of(l, pirq_of(devfn, pin));
}

static void update_pm(struct lpc *l)
{
    const struct pci_function *f = &l->function;
    struct port_bus *ports = f->bus->ports;
    uint16_t at = pci_get(f, PMBASE, 2) & 0xff80;
    if (!(f->config[ACPI_CNTL] & ACPI_ENABLED))
        at = 0;
    if (at == l->pm_at)
        return;
    if (l->pm_at)
        bus_unmap(ports, l->pm_at, &acpi_pm_ports, l->pm);
    l->pm_at = at && bus_map(ports, at, ACPI_PM_PORTS, &acpi_pm_ports, l->pm) ? at : 0;
}

static void written(struct pci_function *f, unsigned offset, unsigned size)
{
    struct lpc *l = f->device;
    update_pm(l);
    l->route(l->context);
}

bool lpc_init(struct lpc *l, struct pci *p, struct acpi_pm *pm, struct sp_error *e)
{
    static const struct pci_identity id = {
        .vendor = 0x8086, .device = 0x2918, .class_code = 0x060100, .revision = 2
    };
    struct pci_function *f = &l->function;
    pci_function_init(f, LPC_DEVFN, &id);
    f->device = l;
    f->written = written;
    f->config[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    f->writable[PCI_COMMAND] &= (uint8_t)~PCI_COMMAND_MASTER;
    f->config[PMBASE] = 1;
    pci_put(f->writable + PMBASE, 0xff80, 2);
    f->writable[ACPI_CNTL] = 0x87;
    for (unsigned k = 0; k < LPC_PIRQS; k++) {
        f->config[route_register(k)] = NOT_ROUTED;
        f->writable[route_register(k)] = ROUTE_BITS;
    }
    f->config[GEN_PMCON_1] = pm->smi.set ? 0 : SMI_LOCK; /* see acpi_pm.h */
    pci_put(f->writable + RCBA, 0xffffc001, 4);
    l->pm = pm;
    return pci_add(p, f, e);
}

uint16_t lpc_hand_over(struct lpc *l)
{
    static const uint8_t irqs[4] = { 10, 10, 11, 11 };
    struct pci_function *f = &l->function;
    pci_put(f->config + PMBASE, ACPI_PM_BASE | 1, 2);
    f->config[ACPI_CNTL] = ACPI_ENABLED;
    for (unsigned k = 0; k < LPC_PIRQS; k++)
        f->config[route_register(k)] = irqs[k % 4];
    written(f, 0, PCI_CONFIG_SIZE);
    return 1 << 10 | 1 << 11;
}
