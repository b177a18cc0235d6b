// SPDX-License-Identifier: Apache-2.0
// 8254 programmable interval timer (Intel 8254 data sheet) and the speaker port 0x61.
//
// Nothing counts: a channel remembers the clock at which its count began, and the output and the
// counting element follow from the time.  Deviation: in mode 3 a new count takes effect at the end
// of the whole cycle, not of the half cycle.
#ifndef SP_PLATFORM_PIT_H
#define SP_PLATFORM_PIT_H

#include "platform/bus.h"
#include "platform/host.h"

#define PIT_HZ UINT64_C(1193182)

struct pit_channel {
    uint8_t mode;              /* 0 to 5                                                       */
    uint8_t access;            /* 1 low byte, 2 high byte, 3 low then high                     */
    bool bcd, gate;
    bool write_high, read_high;
    bool loaded;               /* a count was written since the control word                   */
    bool running;              /* counting: modes 1 and 5 wait for a trigger                   */
    uint8_t low;               /* low byte, while the high byte is awaited                     */
    uint32_t count;            /* 1 to 65536 (10000 in BCD)                                    */
    uint64_t start;            /* clock at which the count began                               */
    uint64_t held;             /* clocks already counted when the gate stopped modes 0 and 4   */
    bool reload;               /* modes 2 and 3: next_count begins at next_start               */
    uint32_t next_count;
    uint64_t next_start;
    uint8_t latched;           /* bytes of `latch` still to be read                            */
    uint16_t latch;
    bool status_latched;
    uint8_t status;
};

struct pit {
    const struct platform_host *host;
    struct irq_line irq;       /* channel 0's output */
    struct pit_channel channel[3];
    bool speaker;
    uint64_t deadline;         /* the tick of channel 0's next edge */
};

extern const struct port_ops pit_ports;        /* 4 ports at 0x40 */
extern const struct port_ops speaker_ports;    /* port 0x61 */

void pit_init(struct pit *p, const struct platform_host *host, struct irq_line irq);
/* As a PC's firmware leaves it: channel 0 in mode 3 with count 65536 (18.2 Hz). */
void pit_reset(struct pit *p);
static inline uint64_t pit_deadline(const struct pit *p) { return p->deadline; }
void pit_advance(struct pit *p, uint64_t now);

#endif
