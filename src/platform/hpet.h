// SPDX-License-Identifier: Apache-2.0
// High-precision event timers (IA-PC HPET Specification 1.0a): a 64-bit counter at 100 MHz and
// three timers, all of which can be periodic.
#ifndef SP_PLATFORM_HPET_H
#define SP_PLATFORM_HPET_H

#include "mem/phys.h"
#include "platform/host.h"

#define HPET_BASE UINT64_C(0xfed00000)
#define HPET_ID \
    UINT32_C(0x8086a201) /* capabilities 31:0: vendor, legacy, 64-bit, 3 timers, revision */
enum { HPET_TIMERS = 3, HPET_TICKS_PER_COUNT = 10, HPET_PINS = 24 };

struct hpet_timer {
    uint64_t config, comparator, period;
    uint64_t due;                        /* counter value of the next match, NEVER if none */
};

struct hpet {
    const struct platform_host *host;
    struct irq_line pin[HPET_PINS];      /* I/O APIC inputs */
    struct irq_line legacy[2];           /* IRQ 0 and 8 in legacy replacement mode */
    void (*route_legacy)(void *context, bool on);
    void *route_context;
    uint64_t config, status;
    uint64_t counter;                    /* its value while halted, and at tick `origin` ... */
    uint64_t origin;                     /* ... from where it runs                           */
    struct hpet_timer timer[HPET_TIMERS];
};

extern const struct mmio_ops hpet_mmio;

void hpet_reset(struct hpet *h);
uint64_t hpet_deadline(const struct hpet *h);
void hpet_advance(struct hpet *h, uint64_t now);

#endif
