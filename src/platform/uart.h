// SPDX-License-Identifier: Apache-2.0
// 16550A serial port (National Semiconductor PC16550D data sheet).  Bytes leave at once: the
// transmitter is always empty after a write, whatever the divisor says.
#ifndef SP_PLATFORM_UART_H
#define SP_PLATFORM_UART_H

#include "platform/bus.h"
#include "platform/host.h"

enum { UART_FIFO = 16 };

struct uart {
    const struct platform_host *host;
    struct char_sink sink;
    struct irq_line irq;
    uint8_t ier, lcr, mcr, lsr, msr, scratch, fcr;
    uint16_t divisor;
    uint8_t fifo[UART_FIFO];
    unsigned head, count;
    bool thre_pending; /* the THR-empty interrupt has not been acknowledged by reading IIR */
    uint64_t next_poll;         /* tick of the next look for input */
};

extern const struct port_ops uart_ports;    /* 8 ports */

void uart_init(struct uart *u, const struct platform_host *host, struct char_sink sink,
               struct irq_line irq);
void uart_reset(struct uart *u);
/* The tick at which the port wants to look for input again. */
uint64_t uart_deadline(const struct uart *u);
void uart_advance(struct uart *u, uint64_t now);
/* A byte from the line; false (and an overrun) if there is no room. */
bool uart_receive(struct uart *u, uint8_t byte);

#endif
