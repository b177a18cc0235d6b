// SPDX-License-Identifier: Apache-2.0
#include "platform/i8042.h"

#include <string.h>

enum {
    ST_OBF = 1,
    ST_SYSTEM = 4,
    ST_COMMAND = 8,
    ST_UNLOCKED = 0x10,
    ST_AUX = 0x20,
    ST_TIMEOUT = 0x40
};
enum { CB_IRQ1 = 1, CB_SYSTEM = 4, CB_NO_KEYBOARD = 0x10, CB_NO_MOUSE = 0x20, CB_TRANSLATE = 0x40 };
enum { OUT_NOT_RESET = 1, OUT_A20 = 2 };
enum { ANSWER_RESEND = 0xfe };

static void reset_machine(const struct platform_host *host, const char *text)
{
    host->stop(host->context, PLATFORM_RESET, 0, text);
}

static void update(struct i8042 *k)
{
    irq_set(&k->irq, k->status & ST_OBF && !(k->status & ST_AUX) && k->command_byte & CB_IRQ1);
}

static void answer(struct i8042 *k, uint8_t v, uint8_t status)
{
    k->data = v;
    k->status = (uint8_t)((k->status & ~(ST_AUX | ST_TIMEOUT)) | ST_OBF | status);
    update(k);
}

void i8042_reset(struct i8042 *k)
{
    memset(k->ram, 0, sizeof k->ram);
    k->command_byte = CB_SYSTEM | CB_NO_KEYBOARD | CB_NO_MOUSE | CB_TRANSLATE;
    k->output_port = OUT_NOT_RESET | OUT_A20;
    k->status = ST_SYSTEM | ST_UNLOCKED;
    k->command = k->data = 0;
    update(k);
}

void i8042_init(struct i8042 *k, const struct platform_host *host, struct irq_line irq)
{
    memset(k, 0, sizeof *k);
    k->host = host;
    k->irq = irq;
    i8042_reset(k);
}

static void write_output_port(struct i8042 *k, uint8_t v)
{
    k->output_port = v;
    k->host->a20(k->host->context, v & OUT_A20);
    if (!(v & OUT_NOT_RESET))
        reset_machine(k->host, "the guest reset the machine through the keyboard controller");
}

static void write_ram(struct i8042 *k, unsigned index, uint8_t v)
{
    if (index)
        k->ram[index & 31] = v;
    else
        k->command_byte = v;
    k->status = (uint8_t)((k->status & ~ST_SYSTEM) | (k->command_byte & CB_SYSTEM));
}

static void run_command(struct i8042 *k, uint8_t c)
{
    k->command = 0;
    if (c >= 0x20 && c < 0x40) {
        answer(k, c == 0x20 ? k->command_byte : k->ram[c & 31], 0);
        return;
    }
    switch (c) {
    case 0xa7: k->command_byte |= CB_NO_MOUSE; break;
    case 0xa8: k->command_byte &= (uint8_t)~CB_NO_MOUSE; break;
    case 0xa9: answer(k, 0x00, 0); break;            /* auxiliary interface test: good */
    case 0xaa: answer(k, 0x55, 0); break;            /* self-test: good */
    case 0xab: answer(k, 0x00, 0); break;            /* keyboard interface test: good */
    case 0xad: k->command_byte |= CB_NO_KEYBOARD; break;
    case 0xae: k->command_byte &= (uint8_t)~CB_NO_KEYBOARD; break;
    case 0xc0: answer(k, 0x80, 0); break;            /* input port: not inhibited */
    case 0xd0: answer(k, k->output_port, 0); break;
    case 0xdd: write_output_port(k, (uint8_t)(k->output_port & ~OUT_A20)); break;
    case 0xdf: write_output_port(k, k->output_port | OUT_A20); break;
    default:
        if ((c >= 0x60 && c < 0x80) || (c >= 0xd1 && c <= 0xd4))
            k->command = c;                          /* a data byte follows */
        else if (c >= 0xf0 && !(c & 1))              /* pulse output bit 0: 0xfe and its like */
            reset_machine(k->host, "the guest reset the machine through the keyboard controller");
        break;
    }
    update(k);
}

static void run_data(struct i8042 *k, uint8_t v)
{
    uint8_t c = k->command;
    k->command = 0;
    if (c >= 0x60 && c < 0x80)
        write_ram(k, c & 31, v);
    else if (c == 0xd1)
        write_output_port(k, v);
    else if (c == 0xd2)
        answer(k, v, 0);                             /* as if the keyboard had sent it */
    else if (c == 0xd3)
        answer(k, v, ST_AUX);
    else                                             /* to a device that is not there */
        answer(k, ANSWER_RESEND, (uint8_t)(ST_TIMEOUT | (c == 0xd4 ? ST_AUX : 0)));
    update(k);
}

static uint32_t data_read(void *device, uint16_t offset, unsigned size)
{
    struct i8042 *k = device;
    k->status &= (uint8_t)~(ST_OBF | ST_AUX | ST_TIMEOUT);
    update(k);
    return k->data;
}

static void data_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct i8042 *k = device;
    k->status &= (uint8_t)~ST_COMMAND;
    run_data(k, (uint8_t)value);
}

static uint32_t status_read(void *device, uint16_t offset, unsigned size)
{
    return ((struct i8042 *)device)->status;
}

static void command_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct i8042 *k = device;
    k->status |= ST_COMMAND;
    run_command(k, (uint8_t)value);
}

const struct port_ops i8042_data_ports = { data_read, data_write, 1 };
const struct port_ops i8042_command_ports = { status_read, command_write, 1 };

/* Port 92H: bit 0 resets on its rising edge, bit 1 is A20. */
static uint32_t a_read(void *device, uint16_t offset, unsigned size)
{
    return ((struct system_ports *)device)->a;
}

static void a_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct system_ports *s = device;
    if (value & ~s->a & 1)
        reset_machine(s->host, "the guest reset the machine through port 92H");
    s->a = (uint8_t)value & 0xfe;
    s->host->a20(s->host->context, value & 2);
}

/* Reset control register: a 0-to-1 edge of bit 2 resets; bit 1 asks for a hard reset. */
static uint32_t cf9_read(void *device, uint16_t offset, unsigned size)
{
    return ((struct system_ports *)device)->reset_control;
}

static void cf9_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct system_ports *s = device;
    if (value & ~s->reset_control & 4)
        reset_machine(s->host, "the guest reset the machine through port CF9H");
    s->reset_control = (uint8_t)value & 0x0e;
}

const struct port_ops port_92 = { a_read, a_write, 1 };
const struct port_ops port_cf9 = { cf9_read, cf9_write, 1 };

static uint32_t f0_read(void *device, uint16_t offset, unsigned size) { return 0xff; }

static void f0_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    irq_set(&((struct ferr *)device)->irq, false);
}

const struct port_ops port_f0 = { f0_read, f0_write, 1 };
