// SPDX-License-Identifier: Apache-2.0
#include "platform/pic.h"

#include <string.h>

#include "base/bits.h"

enum { CASCADE = 2 };

/* Rank of an input: 0 is the highest priority. */
static unsigned rank(const struct pic *c, unsigned input) { return (input - c->lowest - 1) & 7; }

/* The highest-ranked input of `set`, or -1. */
static int highest(const struct pic *c, unsigned set)
{
    for (unsigned k = 1; k <= 8; k++) {
        unsigned input = (c->lowest + k) & 7;
        if (set >> input & 1)
            return (int)input;
    }
    return -1;
}

/* The input that the chip would present to the processor now, or -1. */
static int requested(const struct pic *c, bool master)
{
    int input = highest(c, c->irr & ~c->imr);
    unsigned serving = c->isr;
    if (c->special_mask)
        serving &= ~c->imr; /* special mask mode: masked levels in service block nothing */
    if (master && c->nested_special)
        serving &= ~(1u << CASCADE); /* special fully nested mode: the slave may interrupt itself */
    int busy = highest(c, serving);
    if (input < 0 || (busy >= 0 && rank(c, (unsigned)input) >= rank(c, (unsigned)busy)))
        return -1;
    return input;
}

static void chip_set(struct pic *c, unsigned input, bool level)
{
    uint8_t bit = (uint8_t)(1u << input);
    bool was = c->lines & bit;
    bool by_level = c->ltim || c->elcr & bit;
    if (by_level)
        c->irr = level ? c->irr | bit : c->irr & (uint8_t)~bit;
    else if (level && !was)
        c->irr |= bit;
    c->lines = level ? c->lines | bit : c->lines & (uint8_t)~bit;
}

bool pic_asserted(const struct pic_pair *p) { return requested(&p->chip[0], true) >= 0; }

static void update(struct pic_pair *p)
{
    chip_set(&p->chip[0], CASCADE, requested(&p->chip[1], false) >= 0);
    irq_set(&p->out, pic_asserted(p));
}

void pic_set(struct pic_pair *p, unsigned irq, bool level)
{
    chip_set(&p->chip[irq >> 3 & 1], irq & 7, level);
    update(p);
}

void pic_reset(struct pic_pair *p)
{
    for (unsigned k = 0; k < 2; k++) {
        uint8_t lines = p->chip[k].lines;
        p->chip[k] =
            (struct pic){ .imr = 0xff, .lowest = 7, .base = k ? 0x70 : 0x08, .lines = lines };
    }
    update(p);
}

void pic_init(struct pic_pair *p, struct irq_line out)
{
    memset(p, 0, sizeof *p);
    p->out = out;
    pic_reset(p);
}

/* Moves the presented input into service and returns it; 7 (spurious) if there is none. */
static unsigned take(struct pic *c, bool master)
{
    int input = requested(c, master);
    if (input < 0)
        return 7;
    uint8_t bit = (uint8_t)(1u << input);
    if (!(c->ltim || c->elcr & bit))
        c->irr &= (uint8_t)~bit;
    if (!c->auto_eoi)
        c->isr |= bit;
    else if (c->rotate_on_auto_eoi)
        c->lowest = (uint8_t)input;
    return (unsigned)input;
}

uint8_t pic_acknowledge(struct pic_pair *p)
{
    bool any = requested(&p->chip[0], true) >= 0;
    unsigned input = take(&p->chip[0], true);
    uint8_t vector = (uint8_t)(p->chip[0].base + input);
    if (any && input == CASCADE)
        vector = (uint8_t)(p->chip[1].base + take(&p->chip[1], false));
    update(p);
    return vector;
}

static void end_of_interrupt(struct pic *c, unsigned command, unsigned input)
{
    bool specific = command & 2;
    int served = specific ? (int)input : highest(c, c->special_mask ? c->isr & ~c->imr : c->isr);
    if (served < 0)
        return;
    c->isr &= (uint8_t)~(1u << served);
    if (command & 4)
        c->lowest = (uint8_t)served;
}

/* OCW2: R, SL, EOI in bits 7:5 (data sheet, "Operation Command Word 2"). */
static void write_ocw2(struct pic *c, uint8_t v)
{
    unsigned command = v >> 5, input = v & 7;
    switch (command) {
    case 0: c->rotate_on_auto_eoi = false; break;
    case 4: c->rotate_on_auto_eoi = true; break;
    case 6: c->lowest = (uint8_t)input; break;         /* set priority */
    case 2: break;                                     /* no operation */
    default: end_of_interrupt(c, command, input); break;
    }
}

static void write_ocw3(struct pic *c, uint8_t v)
{
    if (v & 0x40)
        c->special_mask = v & 0x20;
    if (v & 4)
        c->poll = true;
    else if (v & 2)
        c->read_isr = v & 1;
}

/* ICW1 clears the edge latches, the mask and the modes; level inputs that are asserted still
 * request. */
static void write_icw1(struct pic *c, uint8_t v)
{
    uint8_t lines = c->lines, elcr = c->elcr, base = c->base;
    *c = (struct pic){ .lines = lines, .elcr = elcr, .base = base, .lowest = 7, .icw_expected = 2,
                       .icw4_needed = v & 1, .single = v & 2, .ltim = v & 8 };
    c->irr = c->ltim ? lines : lines & elcr;
}

static void write_icw(struct pic *c, uint8_t v)
{
    switch (c->icw_expected) {
    case 2:
        c->base = v & 0xf8;
        c->icw_expected = c->single ? (c->icw4_needed ? 4 : 0) : 3;
        break;
    case 3:                               /* the cascade is wired, ICW3 changes nothing */
        c->icw_expected = c->icw4_needed ? 4 : 0;
        break;
    default:
        c->auto_eoi = v & 2;
        c->nested_special = v & 0x10;
        c->icw_expected = 0;
        break;
    }
}

static void chip_write(struct pic_pair *p, unsigned chip, unsigned a0, uint8_t v)
{
    struct pic *c = &p->chip[chip];
    if (a0 && c->icw_expected)
        write_icw(c, v);
    else if (a0)
        c->imr = v;
    else if (v & 0x10)
        write_icw1(c, v);
    else if (v & 8)
        write_ocw3(c, v);
    else
        write_ocw2(c, v);
    update(p);
}

static uint8_t chip_read(struct pic_pair *p, unsigned chip, unsigned a0)
{
    struct pic *c = &p->chip[chip];
    if (c->poll) {                        /* the read is the acknowledge */
        c->poll = false;
        bool any = requested(c, !chip) >= 0;
        uint8_t v = any ? (uint8_t)(0x80 | take(c, !chip)) : 0;
        update(p);
        return v;
    }
    return a0 ? c->imr : c->read_isr ? c->isr : c->irr;
}

static uint32_t master_read(void *d, uint16_t offset, unsigned size)
{
    return chip_read(d, 0, offset & 1);
}
static uint32_t slave_read(void *d, uint16_t offset, unsigned size)
{
    return chip_read(d, 1, offset & 1);
}
static void master_write(void *d, uint16_t offset, unsigned size, uint32_t value)
{
    chip_write(d, 0, offset & 1, (uint8_t)value);
}
static void slave_write(void *d, uint16_t offset, unsigned size, uint32_t value)
{
    chip_write(d, 1, offset & 1, (uint8_t)value);
}

const struct port_ops pic_ports = { master_read, master_write, 1 };
const struct port_ops pic_slave_ports = { slave_read, slave_write, 1 };

static uint32_t elcr_read(void *device, uint16_t offset, unsigned size)
{
    return ((struct pic_pair *)device)->chip[offset & 1].elcr;
}

/* Inputs 0, 1, 2, 8 and 13 are always edge-triggered. */
static void elcr_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct pic_pair *p = device;
    struct pic *c = &p->chip[offset & 1];
    c->elcr = (uint8_t)(value & (offset & 1 ? 0xde : 0xf8));
    c->irr = (uint8_t)((c->irr & ~c->elcr) | (c->lines & c->elcr));
    update(p);
}

const struct port_ops pic_elcr_ports = { elcr_read, elcr_write, 1 };
