// SPDX-License-Identifier: Apache-2.0
// Functions, their configuration spaces and INTx# pins.
#include "platform/pci.h"

#include <string.h>

#include "base/bits.h"
#include "platform/pci_parts.h"

enum { COMMAND_PARITY = 1 << 6, COMMAND_SERR = 1 << 8 };
enum { STATUS_INTERRUPT = 1 << 3, STATUS_CAPABILITIES = 1 << 4 };
enum { FIRST_CAPABILITY = 0x40, CAPABILITIES_END = 0x100 };

/* ---- construction ---- */

void pci_function_init(struct pci_function *f, uint8_t devfn, const struct pci_identity *id)
{
    memset(f, 0, sizeof *f);
    f->devfn = devfn;
    pci_put(f->config + PCI_VENDOR, id->vendor, 2);
    pci_put(f->config + PCI_DEVICE, id->device, 2);
    pci_put(f->config + PCI_SUBSYSTEM_VENDOR, id->subsystem_vendor, 2);
    pci_put(f->config + PCI_SUBSYSTEM, id->subsystem, 2);
    pci_put(f->config + PCI_CLASS, id->class_code, 3);
    f->config[PCI_REVISION] = id->revision;
    f->config[PCI_HEADER_TYPE] = id->header;
    f->config[PCI_INTERRUPT_PIN] = id->pin;
    f->writable[PCI_INTERRUPT_LINE] = 0xff;
    pci_put(f->writable + PCI_COMMAND,
            PCI_COMMAND_MASTER | COMMAND_PARITY | COMMAND_SERR | PCI_COMMAND_INTX_DISABLE, 2);
    f->next_capability = FIRST_CAPABILITY;
}

unsigned pci_add_capability(struct pci_function *f, uint8_t id, unsigned size)
{
    unsigned at = f->next_capability;
    if (at + size > CAPABILITIES_END)
        return 0;
    f->config[at] = id;
    f->config[f->last_capability ? f->last_capability + 1 : PCI_CAPABILITIES] = (uint8_t)at;
    f->config[PCI_STATUS] |= STATUS_CAPABILITIES;
    f->last_capability = at;
    f->next_capability = (at + size + 3) & ~3u;
    return at;
}

static struct pci_function *find(const struct pci *p, unsigned devfn)
{
    for (unsigned k = 0; k < p->functions; k++)
        if (p->function[k]->devfn == devfn)
            return p->function[k];
    return NULL;
}

bool pci_add(struct pci *p, struct pci_function *f, struct sp_error *e)
{
    if (p->functions == PCI_FUNCTIONS)
        return sp_fail(e, SP_EXIT_USAGE, "more than %d PCI functions", PCI_FUNCTIONS);
    if (find(p, f->devfn))
        return sp_fail(e, SP_EXIT_USAGE, "two PCI devices at 00:%02x.%u", f->devfn >> 3,
                       f->devfn & 7);
    f->bus = p;
    if (!pci_bars_create(f))
        return sp_fail(e, SP_EXIT_USAGE, "too many PCI devices");
    memcpy(f->initial, f->config, sizeof f->initial);
    pci_msix_reset(f);
    p->function[p->functions++] = f;
    return true;
}

void pci_init(struct pci *p, struct mem *mem, struct port_bus *ports,
              const struct pci_signals *signals)
{
    *p = (struct pci){ .mem = mem, .ports = ports, .signals = *signals };
}

/* ---- INTx ---- */

/* Interrupt Disable and MSI-X silence the pin, not the status bit. */
static void update_pin(struct pci_function *f)
{
    unsigned pin = f->config[PCI_INTERRUPT_PIN];
    f->config[PCI_STATUS] =
        (uint8_t)((f->config[PCI_STATUS] & ~STATUS_INTERRUPT) | (f->intx ? STATUS_INTERRUPT : 0));
    bool drive = f->intx && pin && !(pci_get(f, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) &&
                 !pci_msix_enabled(f);
    if (drive == f->pin_driven)
        return;
    f->pin_driven = drive;
    f->bus->signals.pin(f->bus->signals.context, f->devfn, pin - 1, drive);
}

void pci_set_intx(struct pci_function *f, bool level)
{
    f->intx = level;
    if (f->bus)
        update_pin(f);
}

/* ---- configuration space ---- */

static void config_changed(struct pci_function *f, unsigned offset, unsigned size)
{
    pci_bars_update(f);
    update_pin(f);
    pci_msix_update(f);
    if (f->written)
        f->written(f, offset, size);
}

static uint32_t config_read(struct pci_function *f, unsigned offset, unsigned size)
{
    if (!f || offset + size > PCI_CONFIG_SIZE)
        return UINT32_MAX; /* nobody answered: master abort */
    if (f->reading)
        f->reading(f, offset, size);
    return pci_get(f, offset, size);
}

static void config_write(struct pci_function *f, unsigned offset, unsigned size, uint32_t value)
{
    if (!f || offset + size > PCI_CONFIG_SIZE)
        return;
    for (unsigned k = 0; k < size; k++) {
        uint8_t *at = &f->config[offset + k], byte = (uint8_t)(value >> (8 * k));
        uint8_t writable = f->writable[offset + k];
        *at = (uint8_t)((*at & ~writable) | (byte & writable));
        *at &= (uint8_t) ~(byte & f->clears[offset + k]);
    }
    config_changed(f, offset, size);
}

static void reset_function(struct pci_function *f)
{
    memcpy(f->config, f->initial, sizeof f->config);
    f->intx = false;
    pci_msix_reset(f);
    config_changed(f, 0, PCI_CONFIG_SIZE);
}

void pci_reset(struct pci *p)
{
    p->address = 0;
    for (unsigned k = 0; k < p->functions; k++)
        reset_function(p->function[k]);
}

/* ---- mechanism #1 ---- */

static struct pci_function *selected(const struct pci *p)
{
    bool bus_0 = p->address & BIT(31) && bits(p->address, 23, 16) == 0;
    return bus_0 ? find(p, bits(p->address, 15, 8)) : NULL;
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
    return config_read(selected(p), (p->address & 0xfc) + (offset & 3), size);
}

static void data_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct pci *p = device;
    config_write(selected(p), (p->address & 0xfc) + (offset & 3), size, value);
}

const struct port_ops pci_address_ports = { address_read, address_write, 4 };
const struct port_ops pci_data_ports = { data_read, data_write, 4 };

/* ---- the memory-mapped mechanism: bits 27:20 bus, 19:12 device and function, 11:0 register ----
 */

static struct pci_function *addressed(const struct pci *p, uint64_t offset)
{
    return offset >> 20 ? NULL : find(p, (unsigned)(offset >> 12));
}

static uint64_t express_read(void *device, uint64_t offset, unsigned size)
{
    struct pci_function *f = addressed(device, offset);
    unsigned reg = offset & 0xfff, first = size < 4 ? size : 4;
    uint64_t v = config_read(f, reg, first);
    return size > 4 ? v | (uint64_t)config_read(f, reg + 4, size - 4) << 32 : v;
}

static void express_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_function *f = addressed(device, offset);
    unsigned reg = offset & 0xfff, first = size < 4 ? size : 4;
    config_write(f, reg, first, (uint32_t)value);
    if (size > 4)
        config_write(f, reg + 4, size - 4, (uint32_t)(value >> 32));
}

const struct mmio_ops pci_express_config = { express_read, express_write };
