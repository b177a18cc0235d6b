// SPDX-License-Identifier: Apache-2.0
#include "platform/pit.h"

#include <string.h>

enum { REFRESH_TICKS = 15085 };   /* port 61H bit 4 follows channel 1, the memory refresh */

static uint64_t tick_to_clock(uint64_t tick) { return scale_down(tick, PIT_HZ, TICKS_PER_SECOND); }
static uint64_t clock_to_tick(uint64_t clk) { return scale_up(clk, TICKS_PER_SECOND, PIT_HZ); }

static bool is_periodic(const struct pit_channel *c) { return c->mode == 2 || c->mode == 3; }
static bool is_triggered(const struct pit_channel *c) { return c->mode == 1 || c->mode == 5; }

/* Makes a count that waited for the end of the cycle the current one. */
static void settle(struct pit_channel *c, uint64_t clk)
{
    if (c->reload && clk >= c->next_start) {
        c->count = c->next_count;
        c->start = c->next_start;
        c->reload = false;
    }
}

static uint64_t elapsed(const struct pit_channel *c, uint64_t clk)
{
    if (!c->gate && !is_triggered(c))
        return is_periodic(c) ? 0 : c->held;
    return clk - c->start;
}

/* Data sheet, "Mode Definitions". */
static bool output(const struct pit_channel *c, uint64_t clk)
{
    uint64_t e = elapsed(c, clk);
    switch (c->mode) {
    case 0: return c->running && e >= c->count;
    case 1: return !(c->running && e < c->count);
    case 2: return !c->running || !c->gate || c->count == 1 || e % c->count != c->count - 1;
    case 3: return !c->running || !c->gate || e % c->count < (c->count + 1) / 2;
    default: return !(c->running && e == c->count);
    }
}

/* The clock at which the output changes next, NEVER if only the guest can change it. */
static uint64_t next_edge(const struct pit_channel *c, uint64_t clk)
{
    uint64_t e = elapsed(c, clk), n = c->count, pos = e % n,
             half = c->mode == 2 ? n - 1 : (n + 1) / 2;
    if (!c->running || (!c->gate && !is_triggered(c)))
        return NEVER;
    if (is_periodic(c))
        return n == 1 ? NEVER : c->start + (e - pos) + (pos < half ? half : n);
    if (e < n)
        return c->start + n;
    return e == n && c->mode >= 4 ? c->start + n + 1 : NEVER;
}

/* What the counting element holds, as two bytes of the guest's radix. */
static uint16_t counting_element(const struct pit_channel *c, uint64_t clk)
{
    uint64_t e = c->running ? elapsed(c, clk) : 0, modulus = c->bcd ? 10000 : 0x10000, v;
    uint64_t pos = e % c->count, half = (c->count + 1) / 2;
    if (c->mode == 2)
        v = c->count - pos;
    else if (c->mode == 3)
        v = (c->count & ~1u) - 2 * (pos < half ? pos : pos - half);
    else
        v = modulus + c->count - e % modulus;
    v %= modulus;
    if (!c->bcd)
        return (uint16_t)v;
    return (uint16_t)(v / 1000 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

/* Brings channel 0's output line up to `clk` and finds the next edge. */
static void update(struct pit *p, uint64_t clk)
{
    struct pit_channel *c = &p->channel[0];
    settle(c, clk);
    irq_set(&p->irq, output(c, clk));
    uint64_t edge = next_edge(c, clk);
    p->deadline = edge == NEVER ? NEVER : clock_to_tick(edge);
}

void pit_advance(struct pit *p, uint64_t now)
{
    if (now >= p->deadline)
        update(p, tick_to_clock(now));
}

/* Two BCD digits a byte; digits above 9 count as they stand, as in the hardware. */
static uint32_t count_value(const struct pit_channel *c, uint16_t raw)
{
    uint32_t v = raw;
    if (c->bcd)
        v = (raw >> 12) * 1000u + (raw >> 8 & 15) * 100u + (raw >> 4 & 15) * 10u + (raw & 15);
    return v ? v : c->bcd ? 10000 : 0x10000;
}

static void load(struct pit_channel *c, uint64_t clk, uint16_t raw)
{
    uint32_t count = count_value(c, raw);
    if (is_periodic(c) && c->running && c->gate) {     /* the present cycle ends first */
        c->next_count = count;
        c->next_start = clk + (c->count - elapsed(c, clk) % c->count);
        c->reload = true;
    } else if (is_triggered(c) && c->running && elapsed(c, clk) < c->count) {
        c->next_count = count;                         /* the present pulse ends first */
        c->next_start = NEVER;
    } else {
        c->count = count;
        c->start = clk;
        c->held = 0;
        c->running = !is_triggered(c);
    }
    c->loaded = true;
}

static void write_count(struct pit_channel *c, uint64_t clk, uint8_t v)
{
    settle(c, clk);
    if (c->access == 3 && !c->write_high) {
        c->low = v;
        c->write_high = true;
        if (c->mode == 0)
            c->running = false;       /* the first byte stops a mode 0 count */
        return;
    }
    uint16_t raw = (uint16_t)(c->access == 3 ? v << 8 | c->low : c->access == 2 ? v << 8 : v);
    c->write_high = false;
    load(c, clk, raw);
}

static void latch_count(struct pit_channel *c, uint64_t clk)
{
    if (c->latched)
        return;                       /* a latched count stays until it is read */
    settle(c, clk);
    c->latch = counting_element(c, clk);
    c->latched = c->access == 3 ? 2 : 1;
    c->read_high = c->access == 2;
}

static void latch_status(struct pit_channel *c, uint64_t clk)
{
    if (c->status_latched)
        return;
    settle(c, clk);
    bool null_count = !c->loaded || c->write_high || c->reload;
    c->status =
        (uint8_t)(output(c, clk) << 7 | null_count << 6 | c->access << 4 | c->mode << 1 | c->bcd);
    c->status_latched = true;
}

/* Data sheet, "Read-Back Command": D5 = 0 latches counts, D4 = 0 latches status, D3:1 choose
 * counters. */
static void read_back(struct pit *p, uint64_t clk, uint8_t v)
{
    for (unsigned k = 0; k < 3; k++) {
        if (!(v >> (k + 1) & 1))
            continue;
        if (!(v & 0x20))
            latch_count(&p->channel[k], clk);
        if (!(v & 0x10))
            latch_status(&p->channel[k], clk);
    }
}

static void write_control(struct pit *p, uint64_t clk, uint8_t v)
{
    if (v >> 6 == 3) {
        read_back(p, clk, v);
        return;
    }
    struct pit_channel *c = &p->channel[v >> 6];
    if (!(v & 0x30)) {
        latch_count(c, clk);
        return;
    }
    uint8_t mode = v >> 1 & 7;
    *c = (struct pit_channel){ .access = v >> 4 & 3,
                               .mode = mode > 5 ? mode - 4 : mode,
                               .bcd = v & 1,
                               .gate = c->gate,
                               .count = c->count,
                               .start = clk };
}

static uint8_t read_count(struct pit_channel *c, uint64_t clk)
{
    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    settle(c, clk);
    uint16_t v = c->latched ? c->latch : counting_element(c, clk);
    bool high = c->access == 2 || (c->access == 3 && c->read_high);
    if (c->access == 3)
        c->read_high = !c->read_high;
    if (c->latched)
        c->latched--;
    return (uint8_t)(high ? v >> 8 : v);
}

/* Data sheet, "Gate Pin Operations Summary". */
static void set_gate(struct pit_channel *c, uint64_t clk, bool gate)
{
    settle(c, clk);
    if (gate == c->gate)
        return;
    if (!gate) {
        c->held = elapsed(c, clk);
    } else if (is_triggered(c) || is_periodic(c)) {
        if (c->reload || (is_triggered(c) && c->next_count))
            c->count = c->next_count;
        c->reload = false;
        c->next_count = 0;
        c->start = clk;
        c->running = c->loaded;
    } else {
        c->start = clk - c->held;
    }
    c->gate = gate;
}

void pit_reset(struct pit *p)
{
    uint64_t clk = tick_to_clock(host_now(p->host));
    for (unsigned k = 0; k < 3; k++)
        p->channel[k] = (struct pit_channel){ .access = 3,
                                              .mode = 3,
                                              .count = 0x10000,
                                              .gate = k != 2,
                                              .start = clk,
                                              .running = k == 0,
                                              .loaded = k == 0 };
    p->speaker = false;
    update(p, clk);
}

void pit_init(struct pit *p, const struct platform_host *host, struct irq_line irq)
{
    memset(p, 0, sizeof *p);
    p->host = host;
    p->irq = irq;
    pit_reset(p);
}

static uint32_t pit_read(void *device, uint16_t offset, unsigned size)
{
    struct pit *p = device;
    return offset == 3 ? 0xff
                       : read_count(&p->channel[offset & 3], tick_to_clock(host_now(p->host)));
}

static void pit_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct pit *p = device;
    uint64_t clk = tick_to_clock(host_now(p->host));
    if (offset == 3)
        write_control(p, clk, (uint8_t)value);
    else
        write_count(&p->channel[offset & 3], clk, (uint8_t)value);
    update(p, clk);
    host_changed(p->host);
}

const struct port_ops pit_ports = { pit_read, pit_write, 1 };

static uint32_t speaker_read(void *device, uint16_t offset, unsigned size)
{
    struct pit *p = device;
    struct pit_channel *c = &p->channel[2];
    uint64_t now = host_now(p->host), clk = tick_to_clock(now);
    settle(c, clk);
    return (uint32_t)(c->gate | p->speaker << 1 | (now / REFRESH_TICKS & 1) << 4 |
                      output(c, clk) << 5);
}

static void speaker_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct pit *p = device;
    p->speaker = value & 2;
    set_gate(&p->channel[2], tick_to_clock(host_now(p->host)), value & 1);
}

const struct port_ops speaker_ports = { speaker_read, speaker_write, 1 };
