// SPDX-License-Identifier: Apache-2.0
#include "platform/iosapic.h"

#include "base/bits.h"

enum { REG_VERSION = 0x01, REG_TABLE = 0x10 };
enum { WINDOW_INDEX = 0x00, WINDOW_DATA = 0x10, WINDOW_EOI = 0x40 };
#define VERSION (UINT32_C(0x20) | (IOSAPIC_PINS - 1) << 16)
#define ENTRY_REMOTE_IRR BIT(14)
#define ENTRY_LEVEL BIT(15)
#define ENTRY_MASKED BIT(16)
#define ENTRY_READ_ONLY (BIT(12) | BIT(14))
#define ENTRY_BITS (UINT64_C(0xffff000000000000) | 0x1f7ff)

static void send(struct iosapic *a, uint64_t entry)
{
    a->send(a->context, (unsigned)(entry >> 48), entry >> 8 & 7, (uint8_t)entry);
}

/* A level input that is asserted, unmasked and not in service makes an interrupt. */
static void service_level(struct iosapic *a, unsigned pin)
{
    uint64_t e = a->entry[pin];
    if (!(e & ENTRY_LEVEL) || e & (ENTRY_MASKED | ENTRY_REMOTE_IRR) || !(a->lines >> pin & 1))
        return;
    a->entry[pin] |= ENTRY_REMOTE_IRR;
    send(a, e);
}

void iosapic_set(struct iosapic *a, unsigned pin, bool level)
{
    if (pin >= IOSAPIC_PINS)
        return;
    bool rising = level && !(a->lines >> pin & 1);
    a->lines = level ? a->lines | UINT32_C(1) << pin : a->lines & ~(UINT32_C(1) << pin);
    if (a->entry[pin] & ENTRY_LEVEL)
        service_level(a, pin);
    else if (rising && !(a->entry[pin] & ENTRY_MASKED))
        send(a, a->entry[pin]);
}

static void end_of_interrupt(struct iosapic *a, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOSAPIC_PINS; pin++)
        if (a->entry[pin] & ENTRY_LEVEL && (uint8_t)a->entry[pin] == vector) {
            a->entry[pin] &= ~ENTRY_REMOTE_IRR;
            service_level(a, pin);
        }
}

void iosapic_reset(struct iosapic *a)
{
    a->index = 0;
    for (unsigned pin = 0; pin < IOSAPIC_PINS; pin++)
        a->entry[pin] = ENTRY_MASKED;
}

static void write_entry(struct iosapic *a, unsigned reg, uint32_t v)
{
    unsigned pin = reg >> 1, shift = reg & 1 ? 32 : 0;
    if (pin >= IOSAPIC_PINS)
        return;
    uint64_t mask = (UINT64_C(0xffffffff) << shift) & ENTRY_BITS & ~ENTRY_READ_ONLY;
    uint64_t entry = (a->entry[pin] & ~mask) | ((uint64_t)v << shift & mask);
    a->entry[pin] = entry & ENTRY_LEVEL ? entry : entry & ~ENTRY_REMOTE_IRR;
    service_level(a, pin);
}

static uint32_t read_indexed(const struct iosapic *a)
{
    unsigned reg = (unsigned)a->index - REG_TABLE;
    if (a->index == REG_VERSION)
        return VERSION;
    if (a->index < REG_TABLE || reg >> 1 >= IOSAPIC_PINS)
        return 0;
    return (uint32_t)(a->entry[reg >> 1] >> (reg & 1 ? 32 : 0));
}

static uint64_t mmio_read(void *device, uint64_t offset, unsigned size)
{
    const struct iosapic *a = device;
    uint32_t v = offset == WINDOW_INDEX ? a->index : offset == WINDOW_DATA ? read_indexed(a) : 0;
    return v & size_mask(size);
}

static void mmio_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct iosapic *a = device;
    if (offset == WINDOW_INDEX)
        a->index = (uint8_t)value;
    else if (offset == WINDOW_EOI)
        end_of_interrupt(a, (uint8_t)value);
    else if (offset == WINDOW_DATA && a->index >= REG_TABLE)
        write_entry(a, a->index - REG_TABLE, (uint32_t)value);
}

const struct mmio_ops iosapic_mmio = { mmio_read, mmio_write };
