// SPDX-License-Identifier: Apache-2.0
#include "platform/rtc.h"

#include <string.h>

#include "base/bits.h"

enum {
    SECONDS,
    SECONDS_ALARM,
    MINUTES,
    MINUTES_ALARM,
    HOURS,
    HOURS_ALARM,
    WEEKDAY,
    DAY,
    MONTH,
    YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
    CENTURY = 0x32
};
enum {
    A_UIP = 0x80,
    B_SET = 0x80,
    B_PIE = 0x40,
    B_AIE = 0x20,
    B_UIE = 0x10,
    B_BINARY = 0x04,
    B_24H = 0x02
};
enum { C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10 };
enum { UIP_TICKS = 244000, SECONDS_PER_DAY = 86400, ALARM_ANY = 0xc0 };
#define EPOCH INT64_C(1767225600)      /* 2026-01-01 00:00:00 UTC */

struct calendar { int64_t year; unsigned month, day, weekday, hour, minute, second; };

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar; years start in March here,
 * so that the leap day is the last one. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2);
    unsigned m = (month + 9) % 12;
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           (153 * m + 2) / 5 + day - 1 - 719468;
}

static struct calendar calendar_of(int64_t seconds)
{
    int64_t days = seconds / SECONDS_PER_DAY;
    unsigned rest = (unsigned)(seconds % SECONDS_PER_DAY);
    struct calendar t = { .hour = rest / 3600, .minute = rest / 60 % 60, .second = rest % 60,
                          .weekday = (unsigned)((days + 4) % 7) + 1 };
    int64_t z = days + 719468, era = z / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    t.day = doy - (153 * mp + 2) / 5 + 1;
    t.month = mp < 10 ? mp + 3 : mp - 9;
    t.year = yoe + era * 400 + (t.month <= 2);
    return t;
}

static int64_t seconds_at(const struct rtc *r, uint64_t tick)
{
    return r->base + (int64_t)(tick / TICKS_PER_SECOND);
}

static uint8_t encode(const struct rtc *r, unsigned v)
{
    return (uint8_t)(r->cmos[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}
static unsigned decode(const struct rtc *r, uint8_t v)
{
    return r->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10u + (v & 15);
}

static uint8_t encode_hour(const struct rtc *r, unsigned hour)
{
    if (r->cmos[REG_B] & B_24H)
        return encode(r, hour);
    return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0);
}
static unsigned decode_hour(const struct rtc *r, uint8_t v)
{
    if (r->cmos[REG_B] & B_24H)
        return decode(r, v);
    return decode(r, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

/* Copies the running time into the registers ... */
static void freeze(struct rtc *r)
{
    struct calendar t = calendar_of(seconds_at(r, host_now(r->host)));
    r->cmos[SECONDS] = encode(r, t.second);
    r->cmos[MINUTES] = encode(r, t.minute);
    r->cmos[HOURS] = encode_hour(r, t.hour);
    r->cmos[WEEKDAY] = encode(r, t.weekday);
    r->cmos[DAY] = encode(r, t.day);
    r->cmos[MONTH] = encode(r, t.month);
    r->cmos[YEAR] = encode(r, (unsigned)(t.year % 100));
    r->cmos[CENTURY] = encode(r, (unsigned)(t.year / 100 % 100));
}

/* ... and starts the clock from what they say.  Fields out of range carry over: the guest's affair.
 */
static void thaw(struct rtc *r)
{
    unsigned month = decode(r, r->cmos[MONTH]);
    int64_t year = (int64_t)decode(r, r->cmos[CENTURY]) * 100 + decode(r, r->cmos[YEAR]);
    int64_t days = days_from_date(year < 1970 ? 1970 : year, month < 1 || month > 12 ? 1 : month,
                                  decode(r, r->cmos[DAY]));
    int64_t seconds = days * SECONDS_PER_DAY + decode_hour(r, r->cmos[HOURS]) * 3600 +
                      decode(r, r->cmos[MINUTES]) * 60 + decode(r, r->cmos[SECONDS]);
    r->base = seconds - (int64_t)(host_now(r->host) / TICKS_PER_SECOND);
    if (r->base < 0)
        r->base = 0;
}

static bool is_time(unsigned reg)
{
    return reg == SECONDS || reg == MINUTES ||
           (reg >= HOURS && reg <= YEAR && reg != HOURS_ALARM) || reg == CENTURY;
}

/* Ticks between periodic interrupts by register A's rate (data sheet, "Periodic Interrupt Rate");
 * 0: none. */
static uint64_t period(const struct rtc *r)
{
    unsigned rate = r->cmos[REG_A] & 15;
    if (!rate || (r->cmos[REG_A] & 0x70) != 0x20)
        return 0;
    return (UINT64_C(1) << (rate < 3 ? rate + 6 : rate - 1)) * TICKS_PER_SECOND / 32768;
}

static bool alarm_matches(const struct rtc *r, int64_t seconds)
{
    struct calendar t = calendar_of(seconds);
    const uint8_t *c = r->cmos;
    return (c[SECONDS_ALARM] >= ALARM_ANY || c[SECONDS_ALARM] == encode(r, t.second)) &&
           (c[MINUTES_ALARM] >= ALARM_ANY || c[MINUTES_ALARM] == encode(r, t.minute)) &&
           (c[HOURS_ALARM] >= ALARM_ANY || c[HOURS_ALARM] == encode_hour(r, t.hour));
}

/* Sets register C's flags for everything that happened in (seen, now]. */
static void collect(struct rtc *r, uint64_t now)
{
    uint64_t p = period(r);
    if (p && now / p != r->seen / p)
        r->cmos[REG_C] |= C_PF;
    if (!(r->cmos[REG_B] & B_SET) && now / TICKS_PER_SECOND != r->seen / TICKS_PER_SECOND) {
        int64_t last = seconds_at(r, now), first = seconds_at(r, r->seen) + 1;
        r->cmos[REG_C] |= C_UF;
        if (last - first > SECONDS_PER_DAY)          /* an alarm repeats every day at least */
            first = last - SECONDS_PER_DAY;
        for (int64_t s = first; s <= last && !(r->cmos[REG_C] & C_AF); s++)
            if (alarm_matches(r, s))
                r->cmos[REG_C] |= C_AF;
    }
    r->seen = now;
}

/* Register B's enables stand at the same bits as register C's flags. */
static void update(struct rtc *r)
{
    bool irq = r->cmos[REG_C] & r->cmos[REG_B] & (C_PF | C_AF | C_UF);
    r->cmos[REG_C] = (uint8_t)((r->cmos[REG_C] & ~C_IRQF) | (irq ? C_IRQF : 0));
    irq_set(&r->irq, irq);
}

uint64_t rtc_deadline(const struct rtc *r)
{
    uint64_t d = NEVER, p = period(r);
    if (r->cmos[REG_C] & C_IRQF)
        return NEVER;                    /* the line is high already */
    if (r->cmos[REG_B] & B_PIE && p)
        d = (r->seen / p + 1) * p;
    if (r->cmos[REG_B] & (B_AIE | B_UIE) && !(r->cmos[REG_B] & B_SET))
        d = earlier(d, (r->seen / TICKS_PER_SECOND + 1) * TICKS_PER_SECOND);
    return d;
}

void rtc_advance(struct rtc *r, uint64_t now)
{
    if (now < rtc_deadline(r))
        return;
    collect(r, now);
    update(r);
}

void rtc_reset(struct rtc *r)
{
    r->index = 0;
    r->cmos[REG_A] = 0x26;
    r->cmos[REG_B] = B_24H;
    r->cmos[REG_C] = 0;
    r->cmos[REG_D] = 0x80;               /* the battery is good */
    update(r);
}

static void put_le(uint8_t *at, uint64_t v, unsigned n)
{
    memcpy(at, &v, n);
}

void rtc_init(struct rtc *r, const struct platform_host *host, struct irq_line irq, uint64_t low,
              uint64_t high, unsigned processors)
{
    memset(r, 0, sizeof *r);
    r->host = host;
    r->irq = irq;
    r->base = EPOCH;
    uint64_t extended = low > BIT(20) ? (low - BIT(20)) >> 10 : 0;
    uint64_t above_16m = low > BIT(24) ? (low - BIT(24)) >> 16 : 0;
    r->cmos[0x14] = 0x02; /* equipment: an x87, no diskette drive */
    put_le(&r->cmos[0x15], 640, 2);
    put_le(&r->cmos[0x17], extended < 0xffff ? extended : 0xffff, 2);
    put_le(&r->cmos[0x30], extended < 0xffff ? extended : 0xffff, 2);
    put_le(&r->cmos[0x34], above_16m, 2);
    r->cmos[0x3d] = 0x12, r->cmos[0x38] = 0x30; /* boot from disk, diskette, CD, as in QEMU */
    put_le(&r->cmos[0x5b], (high - BIT(32)) >> 16, 3);
    r->cmos[0x5f] = (uint8_t)(processors - 1);
    r->cmos[CENTURY] = 0x20;
    rtc_reset(r);
}

static uint8_t read_register(struct rtc *r, unsigned reg, uint64_t now)
{
    uint8_t v;
    switch (reg) {
    case REG_A:
        return (uint8_t)(r->cmos[REG_A] |
                         (!(r->cmos[REG_B] & B_SET) &&
                          now % TICKS_PER_SECOND >= TICKS_PER_SECOND - UIP_TICKS ? A_UIP : 0));
    case REG_C:                           /* reading clears the flags and the line */
        collect(r, now);
        update(r);
        v = r->cmos[REG_C];
        r->cmos[REG_C] = 0;
        update(r);
        host_changed(r->host);
        return v;
    default:
        if (is_time(reg) && !(r->cmos[REG_B] & B_SET))
            freeze(r);
        return r->cmos[reg];
    }
}

static void write_b(struct rtc *r, uint8_t v)
{
    bool was_set = r->cmos[REG_B] & B_SET;
    if (v & B_SET && !was_set)
        freeze(r);
    if (v & B_SET)
        v &= (uint8_t)~B_UIE;             /* SET clears UIE */
    r->cmos[REG_B] = v;
    if (!(v & B_SET) && was_set)
        thaw(r);
}

static void write_register(struct rtc *r, unsigned reg, uint8_t v, uint64_t now)
{
    collect(r, now);
    if (reg == REG_A) {
        r->cmos[REG_A] = v & 0x7f;
    } else if (reg == REG_B) {
        write_b(r, v);
    } else if (is_time(reg) && !(r->cmos[REG_B] & B_SET)) {
        freeze(r);
        r->cmos[reg] = v;
        thaw(r);
    } else if (reg != REG_C && reg != REG_D) {
        r->cmos[reg] = v;
    }
    update(r);
    host_changed(r->host);
}

static uint32_t port_read(void *device, uint16_t offset, unsigned size)
{
    struct rtc *r = device;
    return offset ? read_register(r, r->index, host_now(r->host)) : 0xff;
}

static void port_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct rtc *r = device;
    if (offset)
        write_register(r, r->index, (uint8_t)value, host_now(r->host));
    else
        r->index = value & 0x7f;
}

const struct port_ops rtc_ports = { port_read, port_write, 1 };
