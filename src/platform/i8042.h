// SPDX-License-Identifier: Apache-2.0
// Keyboard controller (IBM PC AT technical reference, "Keyboard Controller") with nothing plugged
// in, and the system control ports 0x92, 0xcf9 and 0xf0.  The A20 gate follows whichever of the
// controller and port 0x92 was written last; it is open after a reset.
#ifndef SP_PLATFORM_I8042_H
#define SP_PLATFORM_I8042_H

#include "platform/bus.h"
#include "platform/host.h"

struct i8042 {
    const struct platform_host *host;
    struct irq_line irq;          /* IRQ 1 */
    uint8_t command_byte;         /* RAM byte 0 */
    uint8_t ram[32];
    uint8_t output_port;          /* bit 0: not reset, bit 1: A20 */
    uint8_t status;
    uint8_t data;                 /* output buffer */
    uint8_t command;              /* the command that waits for its data byte; 0: none */
};

extern const struct port_ops i8042_data_ports;       /* port 0x60 */
extern const struct port_ops i8042_command_ports;    /* port 0x64 */
void i8042_init(struct i8042 *k, const struct platform_host *host, struct irq_line irq);
void i8042_reset(struct i8042 *k);

struct system_ports {
    const struct platform_host *host;
    uint8_t a, reset_control;     /* ports 0x92 and 0xcf9 */
};
extern const struct port_ops port_92;
extern const struct port_ops port_cf9;

/* Port 0xf0: a write clears the x87 error interrupt. */
struct ferr { struct irq_line irq; };
extern const struct port_ops port_f0;

#endif
