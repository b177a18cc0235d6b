// SPDX-License-Identifier: Apache-2.0
// MC146818 real-time clock and 128 bytes of CMOS memory (Motorola MC146818A data sheet).  The clock
// starts at 2026-01-01 00:00:00 and follows virtual time, so that two runs see the same dates.
#ifndef SP_PLATFORM_RTC_H
#define SP_PLATFORM_RTC_H

#include "platform/bus.h"
#include "platform/host.h"

struct rtc {
    const struct platform_host *host;
    struct irq_line irq;           /* IRQ 8 */
    uint8_t index;                 /* port 0x70, without the NMI mask bit */
    uint8_t cmos[128]; /* time registers: only while register B's SET bit freezes them */
    int64_t base;                  /* seconds since 1970 at tick 0 */
    uint64_t seen;                 /* tick up to which register C's flags are computed */
};

extern const struct port_ops rtc_ports;    /* 2 ports at 0x70 */

/* `low` and `high` are the ends of RAM below and above 4 GiB: the memory sizes that firmware
 * stores. */
void rtc_init(struct rtc *r, const struct platform_host *host, struct irq_line irq, uint64_t low,
              uint64_t high, unsigned processors);
void rtc_reset(struct rtc *r);
uint64_t rtc_deadline(const struct rtc *r);
void rtc_advance(struct rtc *r, uint64_t now);

#endif
