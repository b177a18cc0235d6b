// SPDX-License-Identifier: Apache-2.0
#include "platform/uart.h"

#include <string.h>

enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };
enum { IER_RDA = 1, IER_THRE = 2, IER_LINE = 4, IER_MODEM = 8 };
enum {
    IIR_NONE = 1,
    IIR_MODEM = 0,
    IIR_THRE = 2,
    IIR_RDA = 4,
    IIR_LINE = 6,
    IIR_TIMEOUT = 12,
    IIR_FIFO = 0xc0
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16 };
enum { LSR_DR = 1, LSR_OE = 2, LSR_ERRORS = 0x1e, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
enum { MSR_DELTAS = 0x0f, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };
enum { POLL_TICKS = 100000 };   /* 0.1 ms: about one byte at 115200 bit/s */

static unsigned trigger_level(const struct uart *u)
{
    static const uint8_t level[4] = { 1, 4, 8, 14 };
    return u->fcr & FCR_ENABLE ? level[u->fcr >> 6] : 1;
}

/* The highest-priority pending interrupt (data sheet, table "Interrupt Control Functions"). */
static uint8_t identify(const struct uart *u)
{
    if (u->ier & IER_LINE && u->lsr & LSR_ERRORS)
        return IIR_LINE;
    if (u->ier & IER_RDA && u->count >= trigger_level(u))
        return IIR_RDA;
    if (u->ier & IER_RDA && u->count)
        return IIR_TIMEOUT;
    if (u->ier & IER_THRE && u->thre_pending)
        return IIR_THRE;
    if (u->ier & IER_MODEM && u->msr & MSR_DELTAS)
        return IIR_MODEM;
    return IIR_NONE;
}

/* On a PC, OUT2 gates the interrupt line. */
static void update(struct uart *u)
{
    irq_set(&u->irq, identify(u) != IIR_NONE && u->mcr & MCR_OUT2 && !(u->mcr & MCR_LOOP));
}

void uart_reset(struct uart *u)
{
    u->ier = u->lcr = u->mcr = u->fcr = u->scratch = 0;
    u->lsr = LSR_THRE | LSR_TEMT;
    u->msr = MSR_CTS | MSR_DSR | MSR_DCD;
    u->divisor = 1;                       /* 115200 bit/s */
    u->head = u->count = 0;
    u->thre_pending = false;
    u->next_poll = 0;
    update(u);
}

void uart_init(struct uart *u, const struct platform_host *host, struct char_sink sink,
               struct irq_line irq)
{
    memset(u, 0, sizeof *u);
    u->host = host;
    u->sink = sink;
    u->irq = irq;
    uart_reset(u);
}

static unsigned capacity(const struct uart *u) { return u->fcr & FCR_ENABLE ? UART_FIFO : 1; }

bool uart_receive(struct uart *u, uint8_t byte)
{
    bool room = u->count < capacity(u);
    if (room)
        u->fifo[(u->head + u->count++) % UART_FIFO] = byte;
    else
        u->lsr |= LSR_OE;
    u->lsr |= LSR_DR;
    update(u);
    return room;
}

/* Looks for input when it is time to; the guest's own polling of LSR does not look more often. */
static void poll_input(struct uart *u, uint64_t now)
{
    if (!u->sink.read || now < u->next_poll || u->mcr & MCR_LOOP)
        return;
    u->next_poll = now + POLL_TICKS;
    for (int byte; u->count < capacity(u) && (byte = u->sink.read(u->sink.user)) >= 0;)
        uart_receive(u, (uint8_t)byte);
}

uint64_t uart_deadline(const struct uart *u)
{
    return u->sink.read && u->ier & IER_RDA && !(u->mcr & MCR_LOOP) ? u->next_poll : NEVER;
}

void uart_advance(struct uart *u, uint64_t now)
{
    if (now >= uart_deadline(u))
        poll_input(u, now);
}

static uint8_t read_byte(struct uart *u)
{
    uint8_t byte = 0;
    if (u->count) {
        byte = u->fifo[u->head];
        u->head = (u->head + 1) % UART_FIFO;
        u->count--;
    }
    if (!u->count)
        u->lsr &= (uint8_t)~LSR_DR;
    return byte;
}

/* In loopback the modem control outputs feed the modem status inputs. */
static uint8_t modem_status(const struct uart *u)
{
    uint8_t m = u->mcr;
    if (!(m & MCR_LOOP))
        return u->msr;
    return (uint8_t)((m & MCR_RTS ? MSR_CTS : 0) | (m & MCR_DTR ? MSR_DSR : 0) |
                     (m & MCR_OUT1 ? MSR_RI : 0) | (m & MCR_OUT2 ? MSR_DCD : 0) |
                     (u->msr & MSR_DELTAS));
}

static uint8_t read_iir(struct uart *u)
{
    uint8_t id = identify(u);
    if (id == IIR_THRE)
        u->thre_pending = false;
    return id | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t read_register(struct uart *u, unsigned reg)
{
    uint8_t v = 0;
    switch (reg) {
    case RBR_THR: return u->lcr & LCR_DLAB ? (uint8_t)u->divisor : read_byte(u);
    case IER: return u->lcr & LCR_DLAB ? (uint8_t)(u->divisor >> 8) : u->ier;
    case IIR_FCR: return read_iir(u);
    case LCR: return u->lcr;
    case MCR: return u->mcr;
    case LSR:
        v = u->lsr;
        u->lsr &= (uint8_t)~LSR_ERRORS;
        return v;
    case MSR:
        v = modem_status(u);
        u->msr &= (uint8_t)~MSR_DELTAS;
        return v;
    default: return u->scratch;
    }
}

static uint32_t port_read(void *device, uint16_t offset, unsigned size)
{
    struct uart *u = device;
    poll_input(u, host_now(u->host));
    uint8_t v = read_register(u, offset & 7);
    update(u);
    return v;
}

static void transmit(struct uart *u, uint8_t byte)
{
    if (u->mcr & MCR_LOOP)
        uart_receive(u, byte);
    else if (u->sink.write)
        u->sink.write(u->sink.user, &byte, 1);
    u->thre_pending = true;
}

static void write_fcr(struct uart *u, uint8_t v)
{
    if ((u->fcr ^ v) & FCR_ENABLE || v & FCR_CLEAR_RX) {
        u->head = u->count = 0;
        u->lsr &= (uint8_t)~LSR_DR;
    }
    u->fcr = v & FCR_ENABLE ? v & 0xc9 : 0;
}

/* Enabling the THR-empty interrupt while the holding register is empty raises it at once. */
static void write_ier(struct uart *u, uint8_t v)
{
    if (v & ~u->ier & IER_THRE)
        u->thre_pending = true;
    u->ier = v & 0x0f;
}

static void write_register(struct uart *u, unsigned reg, uint8_t v)
{
    bool dlab = u->lcr & LCR_DLAB;
    switch (reg) {
    case RBR_THR:
        if (dlab)
            u->divisor = (uint16_t)((u->divisor & 0xff00) | v);
        else
            transmit(u, v);
        break;
    case IER:
        if (dlab)
            u->divisor = (uint16_t)((u->divisor & 0xff) | v << 8);
        else
            write_ier(u, v);
        break;
    case IIR_FCR: write_fcr(u, v); break;
    case LCR: u->lcr = v; break;
    case MCR: u->mcr = v & 0x1f; break;
    case SCR: u->scratch = v; break;
    default: break;      /* LSR and MSR are read-only */
    }
}

static void port_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct uart *u = device;
    write_register(u, offset & 7, (uint8_t)value);
    update(u);
    host_changed(u->host);
}

const struct port_ops uart_ports = { port_read, port_write, 1 };
