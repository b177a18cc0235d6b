// SPDX-License-Identifier: Apache-2.0
#include "platform/hpet.h"

#include <string.h>

#include "base/bits.h"

enum {
    REG_CAPABILITIES = 0x00,
    REG_CONFIG = 0x10,
    REG_STATUS = 0x20,
    REG_COUNTER = 0xf0,
    REG_TIMER0 = 0x100
};
enum { TIMER_CONFIG = 0, TIMER_COMPARATOR = 8 };
enum { CONFIG_ENABLE = 1, CONFIG_LEGACY = 2 };
enum {
    T_LEVEL = 1 << 1,
    T_ENABLE = 1 << 2,
    T_PERIODIC = 1 << 3,
    T_PERIODIC_CAP = 1 << 4,
    T_SIZE_CAP = 1 << 5,
    T_SET = 1 << 6,
    T_32BIT = 1 << 8,
    T_ROUTE_SHIFT = 9,
    T_WRITABLE = 0x3f4e
};
#define PERIOD_FS UINT64_C(10000000)
#define ROUTE_CAP (UINT64_C(0x00f00004) << 32)     /* I/O APIC pins 2 and 20 to 23 */

static bool running(const struct hpet *h) { return h->config & CONFIG_ENABLE; }

static uint64_t counter_at(const struct hpet *h, uint64_t tick)
{
    return h->counter + (running(h) ? (tick - h->origin) / HPET_TICKS_PER_COUNT : 0);
}

static uint64_t width_mask(const struct hpet_timer *t)
{
    return t->config & T_32BIT ? UINT32_MAX : UINT64_MAX;
}

/* The first counter value after `counter` that matches the comparator. */
static void schedule(struct hpet_timer *t, uint64_t counter)
{
    uint64_t mask = width_mask(t), distance = (t->comparator - counter) & mask;
    if (!distance)
        distance = mask;                  /* after a whole turn */
    t->due = counter + distance < counter ? NEVER : counter + distance;
}

static const struct irq_line *line_of(const struct hpet *h, unsigned n)
{
    if (h->config & CONFIG_LEGACY && n < 2)
        return &h->legacy[n];
    unsigned route = (unsigned)(h->timer[n].config >> T_ROUTE_SHIFT & 31);
    return route < HPET_PINS && ROUTE_CAP >> (32 + route) & 1 ? &h->pin[route] : NULL;
}

static void set_line(struct hpet *h, unsigned n, bool level)
{
    const struct irq_line *l = line_of(h, n);
    if (l)
        irq_set(l, level);
}

static void fire(struct hpet *h, unsigned n)
{
    struct hpet_timer *t = &h->timer[n];
    if (t->config & T_LEVEL)
        h->status |= BIT(n);              /* the status bit is for level mode only */
    if (!(t->config & T_ENABLE))
        return;
    set_line(h, n, true);
    if (!(t->config & T_LEVEL))
        set_line(h, n, false);            /* edge: a pulse */
}

uint64_t hpet_deadline(const struct hpet *h)
{
    uint64_t due = NEVER;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        if (h->timer[n].config & (T_ENABLE | T_LEVEL))
            due = earlier(due, h->timer[n].due);
    if (!running(h) || due == NEVER ||
        due - h->counter > (NEVER - h->origin) / HPET_TICKS_PER_COUNT)
        return NEVER;
    return h->origin + (due - h->counter) * HPET_TICKS_PER_COUNT;
}

/* A periodic comparator moves on by its period at each match; one interrupt for several missed
 * periods. */
static void match(struct hpet *h, unsigned n, uint64_t counter)
{
    struct hpet_timer *t = &h->timer[n];
    if (t->due > counter)
        return;
    if (t->config & T_PERIODIC && t->period) {
        uint64_t steps = (counter - t->due) / t->period + 1;
        t->comparator = (t->comparator + steps * t->period) & width_mask(t);
    }
    schedule(t, counter);
    fire(h, n);
}

void hpet_advance(struct hpet *h, uint64_t now)
{
    if (now < hpet_deadline(h))
        return;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        match(h, n, counter_at(h, now));
}

void hpet_reset(struct hpet *h)
{
    h->config = h->status = h->counter = h->origin = 0;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        h->timer[n] = (struct hpet_timer){ .config = ROUTE_CAP | T_PERIODIC_CAP | T_SIZE_CAP,
                                           .comparator = UINT64_MAX, .due = NEVER };
    h->route_legacy(h->route_context, false);
}

static uint64_t read_register(const struct hpet *h, unsigned reg)
{
    const struct hpet_timer *t =
        &h->timer[reg >= REG_TIMER0 ? (reg - REG_TIMER0) / 0x20 % HPET_TIMERS : 0];
    switch (reg) {
    case REG_CAPABILITIES: return PERIOD_FS << 32 | HPET_ID;
    case REG_CONFIG: return h->config;
    case REG_STATUS: return h->status;
    case REG_COUNTER: return counter_at(h, host_now(h->host));
    default: break;
    }
    if (reg < REG_TIMER0 || reg >= REG_TIMER0 + 0x20 * HPET_TIMERS)
        return 0;
    return reg % 0x20 == TIMER_CONFIG       ? t->config
           : reg % 0x20 == TIMER_COMPARATOR ? t->comparator
                                            : 0;
}

static void write_config(struct hpet *h, uint64_t v)
{
    uint64_t now = host_now(h->host), counter = counter_at(h, now);
    bool legacy = (v ^ h->config) & CONFIG_LEGACY;
    h->config = v & (CONFIG_ENABLE | CONFIG_LEGACY);
    h->counter = counter;
    h->origin = now;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        schedule(&h->timer[n], counter);
    if (legacy)
        h->route_legacy(h->route_context, v & CONFIG_LEGACY);
}

static void write_status(struct hpet *h, uint64_t v)
{
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        if (v & h->status & BIT(n)) {
            h->status &= ~BIT(n);
            set_line(h, n, false);
        }
}

static void write_timer_config(struct hpet *h, unsigned n, uint64_t v)
{
    struct hpet_timer *t = &h->timer[n];
    set_line(h, n, false);                /* the old route must not stay asserted */
    t->config = (t->config & ~(uint64_t)T_WRITABLE) | (v & T_WRITABLE);
    t->comparator &= width_mask(t);
    schedule(t, counter_at(h, host_now(h->host)));
    set_line(h, n, t->config & T_ENABLE && h->status & BIT(n));
}

/* Section 2.3.9.2.2: in periodic mode a write sets the period, with Tn_VAL_SET_CNF also the
 * comparator. */
static void write_comparator(struct hpet *h, unsigned n, uint64_t v)
{
    struct hpet_timer *t = &h->timer[n];
    v &= width_mask(t);
    if (!(t->config & T_PERIODIC) || t->config & T_SET)
        t->comparator = v;
    if (t->config & T_PERIODIC)
        t->period = v;
    t->config &= ~(uint64_t)T_SET;
    schedule(t, counter_at(h, host_now(h->host)));
}

static void write_register(struct hpet *h, unsigned reg, uint64_t v)
{
    unsigned n = reg >= REG_TIMER0 ? (reg - REG_TIMER0) / 0x20 : HPET_TIMERS;
    if (reg == REG_CONFIG)
        write_config(h, v);
    else if (reg == REG_STATUS)
        write_status(h, v);
    else if (reg == REG_COUNTER && !running(h))
        h->counter = v;
    else if (n < HPET_TIMERS && reg % 0x20 == TIMER_CONFIG)
        write_timer_config(h, n, v);
    else if (n < HPET_TIMERS && reg % 0x20 == TIMER_COMPARATOR)
        write_comparator(h, n, v);
}

static uint64_t mmio_read(void *device, uint64_t offset, unsigned size)
{
    unsigned reg = offset & 0x3f8, shift = 8 * (offset & 7);
    return read_register(device, reg) >> shift & size_mask(size);
}

/* A 32-bit write changes its half; the status register's other half must not be cleared by its own
 * value. */
static void mmio_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct hpet *h = device;
    unsigned reg = offset & 0x3f8, shift = 8 * (offset & 7);
    uint64_t old = reg == REG_STATUS ? 0 : read_register(h, reg), mask = size_mask(size) << shift;
    if (size < 4)
        return;                           /* section 2.3: 32- and 64-bit accesses only */
    write_register(h, reg, (old & ~mask) | (value << shift & mask));
    host_changed(h->host);
}

const struct mmio_ops hpet_mmio = { mmio_read, mmio_write };
