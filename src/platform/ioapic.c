// SPDX-License-Identifier: Apache-2.0
#include "platform/ioapic.h"

#include <string.h>

#include "base/bits.h"

enum { REG_ID = 0x00, REG_VERSION = 0x01, REG_ARBITRATION = 0x02, REG_TABLE = 0x10 };
enum { WINDOW_INDEX = 0x00, WINDOW_DATA = 0x10, WINDOW_EOI = 0x40 };
#define VERSION (UINT32_C(0x20) | (IOAPIC_PINS - 1) << 16)
#define ENTRY_REMOTE_IRR BIT(14)
#define ENTRY_LEVEL BIT(15)
#define ENTRY_MASKED BIT(16)
#define ENTRY_READ_ONLY (BIT(12) | BIT(14))
#define ENTRY_BITS (UINT64_C(0xff00000000000000) | 0x1ffff)

/* Only fixed and lowest-priority interrupts can be level-triggered. */
static bool is_level(uint64_t entry)
{
    return entry & ENTRY_LEVEL && (entry >> 8 & 7) <= DELIVER_LOWEST;
}

static void send(struct ioapic *a, uint64_t entry)
{
    apic_bus_send(a->bus, &(struct apic_message){ .destination = (uint32_t)(entry >> 56),
                                                  .logical = entry & BIT(11),
                                                  .level = is_level(entry),
                                                  .mode = entry >> 8 & 7,
                                                  .vector = (uint8_t)entry });
}

/* A level input that is asserted, unmasked and not in service makes an interrupt. */
static void service_level(struct ioapic *a, unsigned pin)
{
    uint64_t e = a->entry[pin];
    if (!is_level(e) || e & (ENTRY_MASKED | ENTRY_REMOTE_IRR) || !(a->lines >> pin & 1))
        return;
    a->entry[pin] |= ENTRY_REMOTE_IRR;
    send(a, e);
}

/* Edges on a masked pin are lost, as in the 82093AA. */
void ioapic_set(struct ioapic *a, unsigned pin, bool level)
{
    if (pin >= IOAPIC_PINS)
        return;
    bool rising = level && !(a->lines >> pin & 1);
    a->lines = level ? a->lines | UINT32_C(1) << pin : a->lines & ~(UINT32_C(1) << pin);
    if (is_level(a->entry[pin]))
        service_level(a, pin);
    else if (rising && !(a->entry[pin] & ENTRY_MASKED))
        send(a, a->entry[pin]);
}

void ioapic_eoi(struct ioapic *a, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        if (is_level(a->entry[pin]) && (uint8_t)a->entry[pin] == vector) {
            a->entry[pin] &= ~ENTRY_REMOTE_IRR;
            service_level(a, pin);
        }
}

void ioapic_reset(struct ioapic *a, uint8_t id)
{
    a->id = id & 15;
    a->index = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        a->entry[pin] = ENTRY_MASKED;
}

/* Changing an entry to edge-triggered clears its remote IRR: how software ends an interrupt without
 * an EOI. */
static void write_entry(struct ioapic *a, unsigned reg, uint32_t v)
{
    unsigned pin = reg >> 1, shift = reg & 1 ? 32 : 0;
    if (pin >= IOAPIC_PINS)
        return;
    uint64_t old = a->entry[pin],
             mask = (UINT64_C(0xffffffff) << shift) & ENTRY_BITS & ~ENTRY_READ_ONLY;
    uint64_t entry = (old & ~mask) | ((uint64_t)v << shift & mask);
    if (!is_level(entry))
        entry &= ~ENTRY_REMOTE_IRR;
    a->entry[pin] = entry;
    service_level(a, pin);
}

static uint32_t read_indexed(const struct ioapic *a)
{
    unsigned pin = ((unsigned)a->index - REG_TABLE) >> 1;
    if (a->index == REG_ID || a->index == REG_ARBITRATION)
        return (uint32_t)a->id << 24;
    if (a->index == REG_VERSION)
        return VERSION;
    if (a->index < REG_TABLE || pin >= IOAPIC_PINS)
        return 0;
    return (uint32_t)(a->entry[pin] >> (a->index & 1 ? 32 : 0));
}

static uint64_t mmio_read(void *device, uint64_t offset, unsigned size)
{
    const struct ioapic *a = device;
    uint32_t v = offset == WINDOW_INDEX ? a->index : offset == WINDOW_DATA ? read_indexed(a) : 0;
    return v & size_mask(size);
}

static void mmio_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct ioapic *a = device;
    if (offset == WINDOW_INDEX)
        a->index = (uint8_t)value;
    else if (offset == WINDOW_EOI)
        ioapic_eoi(a, (uint8_t)value);
    else if (offset == WINDOW_DATA && a->index == REG_ID)
        a->id = value >> 24 & 15;
    else if (offset == WINDOW_DATA && a->index >= REG_TABLE)
        write_entry(a, a->index - REG_TABLE, (uint32_t)value);
}

const struct mmio_ops ioapic_mmio = { mmio_read, mmio_write };
