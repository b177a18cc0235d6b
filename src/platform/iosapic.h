// SPDX-License-Identifier: Apache-2.0
// I/O SAPIC of Itanium platforms (Intel Itanium Processor Family Interrupt Architecture Guide, "I/O
// SAPIC"): an I/O APIC whose entries name a processor by its id and eid.
#ifndef SP_PLATFORM_IOSAPIC_H
#define SP_PLATFORM_IOSAPIC_H

#include "mem/phys.h"

#define IOSAPIC_BASE UINT64_C(0xfec00000)
enum { IOSAPIC_PINS = 24 };

struct iosapic {
    /* An interrupt message: target id << 8 | eid, delivery mode, vector. */
    void (*send)(void *context, unsigned target, unsigned mode, uint8_t vector);
    void *context;
    uint8_t index;
    uint64_t entry[IOSAPIC_PINS]; /* redirection table    */
    uint32_t lines;               /* levels of the inputs */
};

extern const struct mmio_ops iosapic_mmio;

void iosapic_reset(struct iosapic *a);
void iosapic_set(struct iosapic *a, unsigned pin, bool level);

#endif
