// SPDX-License-Identifier: Apache-2.0
// The local APIC of this processor, in xAPIC mode.
#ifndef CONFORMANCE_APIC_H
#define CONFORMANCE_APIC_H

#include "x86.h"

enum {
    APIC_ID = 0x20, APIC_TPR = 0x80, APIC_EOI = 0xb0, APIC_SPURIOUS = 0xf0, APIC_ISR = 0x100,
    APIC_IRR = 0x200, APIC_ICR = 0x300, APIC_ICR_HIGH = 0x310, APIC_LVT_TIMER = 0x320,
};
enum { IPI_FIXED = 0, IPI_NMI = 4 << 8, IPI_INIT = 5 << 8, IPI_STARTUP = 6 << 8 };
enum { IPI_ASSERT = 1 << 14, IPI_LEVEL = 1 << 15, IPI_SELF = 1 << 18, IPI_OTHERS = 3 << 18 };

void apic_init(void);
uint32_t apic_read(unsigned offset);
void apic_write(unsigned offset, uint32_t value);
void apic_eoi(void);
/* Sends `command` to the processor with the APIC identifier, and waits until it is sent. */
void apic_send(uint32_t id, uint32_t command);
uint32_t apic_id(void);
/* Makes the vector pending in this local APIC's IRR. */
void apic_self(unsigned vector);
/* Takes whatever is pending or in service until nothing is. */
void apic_drain(void);

#endif
