// SPDX-License-Identifier: Apache-2.0
// The guest's virtual-APIC page, and the descriptors of posted interrupts beside it.
#ifndef CONFORMANCE_VIRTUAL_APIC_H
#define CONFORMANCE_VIRTUAL_APIC_H

#include "guest.h"

/* Offsets in the page. */
enum {
    PAGE = GUEST_VIRTUAL_APIC, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, ISR = 0x100, IRR = 0x200,
    ICR = 0x300, ICR_HIGH = 0x310, SELF_IPI = 0x3f0,
};
/* The PID-pointer table, the descriptor of another processor, the highest index of the table. */
enum { PID_TABLE = GUEST_POSTED + 2048, TARGET = GUEST_POSTED + 64, LAST = 5 };
enum { X2APIC_TPR = 0x808 };

#endif
