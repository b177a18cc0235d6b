// SPDX-License-Identifier: Apache-2.0
// The pair of 8259A interrupt controllers of a PC (Intel 8259A data sheet), with the edge/level
// registers at 0x4d0 and 0x4d1.  The slave hangs on the master's input 2.
#ifndef SP_PLATFORM_PIC_H
#define SP_PLATFORM_PIC_H

#include "platform/bus.h"
#include "platform/host.h"

struct pic {
    uint8_t irr, isr, imr;
    uint8_t lines;            /* levels of the inputs                                   */
    uint8_t elcr;             /* 1: level-triggered                                     */
    uint8_t base;             /* ICW2                                                   */
    uint8_t lowest;           /* the input with the lowest priority; 7 after ICW1       */
    uint8_t icw_expected;     /* 0: none, 2 to 4                                        */
    bool icw4_needed, single, ltim, auto_eoi, rotate_on_auto_eoi, nested_special, special_mask;
    bool read_isr, poll;
};

struct pic_pair {
    struct pic chip[2];       /* master, slave */
    struct irq_line out;      /* INTR          */
};

extern const struct port_ops pic_ports;         /* 2 ports each at 0x20 (device: the pair) ...  */
extern const struct port_ops pic_slave_ports;   /* ... and at 0xa0                              */
extern const struct port_ops pic_elcr_ports;    /* 2 ports at 0x4d0                             */

void pic_init(struct pic_pair *p, struct irq_line out);
/* As a PC's firmware leaves the pair: vectors 8 and 0x70, everything masked. */
void pic_reset(struct pic_pair *p);
void pic_set(struct pic_pair *p, unsigned irq, bool level);     /* irq 0 to 15 */
bool pic_asserted(const struct pic_pair *p);                    /* INTR */
/* The interrupt-acknowledge cycle: the vector, spurious input 7 if nothing is requested any more.
 */
uint8_t pic_acknowledge(struct pic_pair *p);

#endif
