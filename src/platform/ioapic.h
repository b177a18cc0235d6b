// SPDX-License-Identifier: Apache-2.0
// I/O APIC (Intel 82093AA data sheet) with 24 pins, and the EOI register of version 20H.
#ifndef SP_PLATFORM_IOAPIC_H
#define SP_PLATFORM_IOAPIC_H

#include "mem/phys.h"
#include "platform/lapic.h"

#define IOAPIC_BASE UINT64_C(0xfec00000)
enum { IOAPIC_PINS = 24 };

struct ioapic {
    struct apic_bus *bus;
    uint8_t id, index;
    uint64_t entry[IOAPIC_PINS];      /* redirection table */
    uint32_t lines;                   /* levels of the inputs */
};

extern const struct mmio_ops ioapic_mmio;

void ioapic_reset(struct ioapic *a, uint8_t id);
void ioapic_set(struct ioapic *a, unsigned pin, bool level);
/* A processor ended a level-triggered interrupt with this vector. */
void ioapic_eoi(struct ioapic *a, uint8_t vector);

#endif
