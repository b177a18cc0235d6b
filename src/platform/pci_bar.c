// SPDX-License-Identifier: Apache-2.0
// Base address registers (PCI Local Bus Specification 3.0, section 6.2.5.1).
#include "base/bits.h"
#include "platform/pci_parts.h"

enum { BAR_IO = 1, BAR_64 = 4, BAR_IO_FLAGS = 3, BAR_MEMORY_FLAGS = 15 };
#define MEMORY_WINDOW_END UINT64_C(0xfec00000)
#define PORTS_END 0x10000

static bool is_memory(const struct pci_bar *b) { return b->kind >= PCI_BAR_MEMORY; }
static uint32_t flags_of(const struct pci_bar *b)
{
    return is_memory(b) ? BAR_MEMORY_FLAGS : BAR_IO_FLAGS;
}
static unsigned reg_of(unsigned index) { return PCI_BAR0 + 4 * index; }

void pci_add_bar(struct pci_function *f, unsigned index, const struct pci_bar *bar)
{
    uint64_t address_bits = ~(bar->size - 1);
    uint8_t *config = f->config + reg_of(index), *writable = f->writable + reg_of(index);
    f->bar[index] = *bar;
    f->bar[index].mapped = false;
    pci_put(config,
            bar->kind == PCI_BAR_IO          ? BAR_IO
            : bar->kind == PCI_BAR_MEMORY_64 ? BAR_64
                                             : 0,
            4);
    pci_put(writable, (uint32_t)address_bits, 4);
    if (bar->kind == PCI_BAR_MEMORY_64)
        pci_put(writable + 4, (uint32_t)(address_bits >> 32), 4);
    f->writable[PCI_COMMAND] |= is_memory(bar) ? PCI_COMMAND_MEMORY : PCI_COMMAND_IO;
}

bool pci_bars_create(struct pci_function *f)
{
    for (struct pci_bar *b = f->bar; b < f->bar + PCI_BARS; b++)
        if (is_memory(b) && !(b->region = mem_region_mmio(f->bus->mem, b->mmio, b->device)))
            return false;
    return true;
}

/* ---- decoding ---- */

static uint64_t address_in(const struct pci_function *f, unsigned index)
{
    uint64_t low = pci_get(f, reg_of(index), 4);
    if (f->bar[index].kind == PCI_BAR_MEMORY_64)
        low |= (uint64_t)pci_get(f, reg_of(index + 1), 4) << 32;
    return low & ~(uint64_t)flags_of(&f->bar[index]);
}

static bool decodes(const struct pci_function *f, const struct pci_bar *b, uint64_t at)
{
    const struct mem *m = f->bus->mem;
    uint8_t command = f->config[PCI_COMMAND];
    uint64_t end = at + b->size;
    if (b->kind == PCI_BAR_NONE || end < at)
        return false;
    if (b->kind == PCI_BAR_IO)
        return command & PCI_COMMAND_IO && at && end <= PORTS_END;
    return command & PCI_COMMAND_MEMORY &&
           ((at >= mem_low_ram_end(m) && end <= MEMORY_WINDOW_END) || at >= mem_high_ram_end(m));
}

static void hide(struct pci_function *f, struct pci_bar *b)
{
    if (b->mapped && b->kind == PCI_BAR_IO)
        bus_unmap(f->bus->ports, (uint16_t)b->at, b->ports, b->device);
    else if (b->mapped)
        mem_region_place(f->bus->mem, b->region, 0, 0);
    b->mapped = false;
}

static void show(struct pci_function *f, struct pci_bar *b, uint64_t at)
{
    b->at = at;
    b->mapped = true;
    if (is_memory(b))
        mem_region_place(f->bus->mem, b->region, at, b->size);
    else
        b->mapped = bus_map(f->bus->ports, (uint16_t)at, (unsigned)b->size, b->ports, b->device);
}

void pci_bars_update(struct pci_function *f)
{
    for (unsigned k = 0; k < PCI_BARS; k++) {
        struct pci_bar *b = &f->bar[k];
        uint64_t at = address_in(f, k);
        bool on = decodes(f, b, at);
        if (on == b->mapped && (!on || at == b->at))
            continue;
        hide(f, b);
        if (on)
            show(f, b, at);
    }
}

/* ---- firmware's part ---- */

struct room {
    uint64_t next, end;
};

static bool assign_bar(struct pci_function *f, unsigned index, struct room *room)
{
    uint64_t size = f->bar[index].size, at = (room->next + size - 1) & ~(size - 1);
    if (at + size > room->end)
        return false;
    pci_put(f->config + reg_of(index),
            (f->config[reg_of(index)] & flags_of(&f->bar[index])) | (uint32_t)at, 4);
    if (f->bar[index].kind == PCI_BAR_MEMORY_64)
        pci_put(f->config + reg_of(index + 1), 0, 4);
    room->next = at + size;
    return true;
}

static void assign_function(struct pci_function *f, struct room *io, struct room *window)
{
    bool all = true;
    for (unsigned k = 0; k < PCI_BARS; k++)
        if (f->bar[k].kind != PCI_BAR_NONE)
            all &= assign_bar(f, k, is_memory(&f->bar[k]) ? window : io);
    if (all)
        f->config[PCI_COMMAND] |= f->writable[PCI_COMMAND] & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    pci_bars_update(f);
}

void pci_assign(struct pci *p, uint16_t ports, uint64_t memory)
{
    struct room io = { ports, PORTS_END }, window = { memory, MEMORY_WINDOW_END };
    for (unsigned k = 0; k < p->functions; k++)
        assign_function(p->function[k], &io, &window);
}
