// SPDX-License-Identifier: Apache-2.0
// The devices, driven directly: no processor runs here.  Time is a variable.
#include <criterion/criterion.h>
#include <string.h>

#include "base/bits.h"
#include "platform/platform.h"

enum { CPUS = 2 };
#define APIC UINT64_C(0xfee00000)
#define IOAPIC UINT64_C(0xfec00000)
#define HPET UINT64_C(0xfed00000)
#define EXPRESS UINT64_C(0xb0000000)
#define LPC UINT64_C(0xf8000)

static struct bench {
    struct mem *mem;
    struct platform *p;
    struct platform_host host;
    uint64_t now;
    unsigned current;
    bool intr[CPUS];
    unsigned nmis, smis, inits, sipi;
    bool a20_closed;
    int stop;
    uint64_t stop_value;
    char out[64];
    size_t out_used;
    const char *in;
} b;

static uint64_t now(void *x) { return b.now; }
static void changed(void *x) { }
static unsigned current(void *x) { return b.current; }
static void interrupt(void *x, unsigned cpu, bool level) { b.intr[cpu] = level; }
static void nmi(void *x, unsigned cpu) { b.nmis++; }
static void smi(void *x, unsigned cpu) { b.smis++; }
static void init(void *x, unsigned cpu) { b.inits++; }
static void startup(void *x, unsigned cpu, uint8_t vector) { b.sipi = cpu << 8 | vector; }
static void a20(void *x, bool open) { b.a20_closed = !open; }
static uint64_t tsc_offset(void *x, unsigned cpu) { return 5000; }
static void stop(void *x, enum platform_stop reason, uint64_t value, const char *text)
{
    b.stop = (int)reason;
    b.stop_value = value;
}

static void put_char(void *x, const uint8_t *bytes, size_t n)
{
    if (b.out_used + n < sizeof b.out)
        memcpy(b.out + b.out_used, bytes, n);
    b.out_used += n;
}
static int get_char(void *x) { return b.in && *b.in ? *b.in++ : -1; }

static const uint8_t file_data[] = { 1, 2, 3, 4, 5 };
static const struct fw_cfg_file file = { "opt/test", file_data, sizeof file_data };

static void set_up(void)
{
    struct sp_error e;
    b = (struct bench){ .stop = -1 };
    b.host = (struct platform_host){ .now = now,
                                     .changed = changed,
                                     .current = current,
                                     .interrupt = interrupt,
                                     .nmi = nmi,
                                     .smi = smi,
                                     .init = init,
                                     .startup = startup,
                                     .tsc_offset = tsc_offset,
                                     .a20 = a20,
                                     .stop = stop };
    b.mem = mem_create(16 << 20, &e);
    struct platform_config c = { .mem = b.mem,
                                 .ram_size = 16 << 20,
                                 .processors = CPUS,
                                 .physical_bits = 39,
                                 .x2apic = true,
                                 .tsc_deadline = true,
                                 .serial = { put_char, get_char, NULL },
                                 .debugcon = { put_char, NULL, NULL },
                                 .debugcon_port = 0xe9,
                                 .debug_exit_port = 0xf4,
                                 .debug_exit_size = 4,
                                 .pc_testdev = true,
                                 .files = &file,
                                 .file_count = 1 };
    b.p = platform_create(&c, &b.host, &e);
    cr_assert(b.p, "%s", e.message);
    platform_hand_over(b.p);
}

static void tear_down(void)
{
    platform_destroy(b.p);
    mem_destroy(b.mem);
}

TestSuite(platform, .init = set_up, .fini = tear_down);

static void out(uint16_t port, uint8_t v) { platform_io_write(b.p, port, 1, v); }
static uint8_t in(uint16_t port) { return (uint8_t)platform_io_read(b.p, port, 1); }

/* Moves time on, through every deadline on the way. */
static void run_until(uint64_t t)
{
    for (uint64_t d; (d = platform_deadline(b.p)) <= t;) {
        b.now = d > b.now ? d : b.now;
        platform_advance(b.p, b.now);
    }
    b.now = t;
}

static uint32_t apic_read(unsigned reg) { return (uint32_t)mem_read_le(b.mem, APIC + reg, 4); }
static void apic_write(unsigned reg, uint32_t v) { mem_write_le(b.mem, APIC + reg, 4, v); }
static void ioapic_write(unsigned reg, uint32_t v)
{
    mem_write_le(b.mem, IOAPIC, 4, reg);
    mem_write_le(b.mem, IOAPIC + 0x10, 4, v);
}
static uint32_t ioapic_read(unsigned reg)
{
    mem_write_le(b.mem, IOAPIC, 4, reg);
    return (uint32_t)mem_read_le(b.mem, IOAPIC + 0x10, 4);
}

static void program_pics(void)
{
    static const uint8_t icw[2][4] = { { 0x11, 0x20, 0x04, 0x01 }, { 0x11, 0x28, 0x02, 0x01 } };
    for (unsigned chip = 0; chip < 2; chip++) {
        uint16_t port = chip ? 0xa0 : 0x20;
        out(port, icw[chip][0]);
        for (unsigned k = 1; k < 4; k++)
            out(port + 1, icw[chip][k]);
        out(port + 1, 0);
    }
    out(0x43, 0x32);       /* PIT channel 0 to mode 1: its output is high and stays so */
    platform_acknowledge(b.p, 0);
    out(0x20, 0x20);
}

static void line(unsigned n, bool level) { out((uint16_t)(0x2000 + n), level); }

/* ---- 8259 ---- */

Test(platform, pic_delivers_by_priority)
{
    program_pics();
    line(7, true), line(3, true), line(12, true);
    cr_assert(b.intr[0]);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x2c);    /* the slave hangs on input 2, above 3 */
    out(0xa0, 0x20), out(0x20, 0x20);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x23);
    cr_assert_not(b.intr[0], "7 waits for 3's end");
    out(0x20, 0x20);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x27);
}

Test(platform, pic_rotation_changes_priority)
{
    program_pics();
    out(0x20, 0xc0 | 3); /* set priority: 3 is the lowest, 4 the highest */
    line(3, true), line(4, true);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x24);
    out(0x20, 0xa0); /* rotate on non-specific EOI: 4 is the lowest */
    line(4, false), line(4, true);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x23);
}

Test(platform, pic_special_mask_lets_lower_levels_through)
{
    program_pics();
    line(3, true);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x23);
    line(5, true);
    cr_assert_not(b.intr[0]);
    out(0x21, 0x08), out(0x20, 0x68);                    /* mask 3, special mask mode */
    cr_assert(b.intr[0]);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x25);
}

Test(platform, pic_poll_acknowledges)
{
    program_pics();
    line(6, true);
    out(0x20, 0x0c);
    cr_assert_eq(in(0x20), 0x86);
    out(0x20, 0x0b);
    cr_assert_eq(in(0x20), 0x40, "in service");
}

Test(platform, pic_level_input_withdrawn_is_spurious)
{
    program_pics();
    out(0x4d0, 0x20);
    line(5, true);
    cr_assert(b.intr[0]);
    line(5, false);
    cr_assert_not(b.intr[0]);
    cr_assert_eq(platform_acknowledge(b.p, 0), -1);
}

/* ---- 8254 ---- */

Test(platform, pit_channel_0_interrupts_at_its_rate)
{
    program_pics();
    out(0x43, 0x34), out(0x40, 0x9b), out(0x40, 0x2e);  /* mode 2, 11931: 100 Hz */
    unsigned interrupts = 0;
    for (uint64_t t = b.now; b.now < t + 1000000000;) {
        run_until(b.now + 100000);
        if (b.intr[0]) {
            cr_assert_eq(platform_acknowledge(b.p, 0), 0x20);
            out(0x20, 0x20);
            interrupts++;
        }
    }
    cr_assert_eq(interrupts, 100);
}

Test(platform, pit_read_back_latches_status_and_count)
{
    out(0x43, 0xb0), out(0x42, 0x00), out(0x42, 0x10);  /* channel 2, mode 0, 4096 */
    out(0x61, 1);
    run_until(b.now + 1000000);                          /* 1 ms: 1193 clocks */
    out(0x43, 0xc8);                                     /* status and count of channel 2 */
    run_until(b.now + 500000);
    cr_assert_eq(in(0x42), 0x30, "output low, count loaded, both bytes, mode 0");
    unsigned count = in(0x42);
    count |= (unsigned)in(0x42) << 8;
    cr_assert_eq(count, 4096 - 1193);
    run_until(b.now + 3000000);
    cr_assert(in(0x61) & 0x20, "the output went high at terminal count");
}

Test(platform, pit_gate_stops_mode_0)
{
    out(0x43, 0xb0), out(0x42, 0xff), out(0x42, 0xff);
    run_until(b.now + 5000000);
    out(0x43, 0x80);
    cr_assert_eq(in(0x42) | in(0x42) << 8, 0xffff, "the gate is low: nothing counts");
}

/* ---- local APIC ---- */

static void enable_apic(void)
{
    apic_write(0xf0, 0x1ff);
}

Test(platform, lapic_timer_fires_at_the_tick)
{
    enable_apic();
    apic_write(0x3e0, 0x0b);                             /* divide by 1 */
    apic_write(0x320, 0x40);
    apic_write(0x380, 1000);                             /* 40000 ticks */
    uint64_t start = b.now;
    run_until(start + 20000);
    cr_assert_eq(apic_read(0x390), 500);
    run_until(start + 39999);
    cr_assert_not(b.intr[0]);
    run_until(start + 40000);
    cr_assert(b.intr[0]);
    cr_assert_eq(apic_read(0x390), 0);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x40);
    apic_write(0xb0, 0);
}

Test(platform, lapic_tsc_deadline_follows_the_tsc)
{
    struct lapic *l = platform_lapic(b.p, 0);
    enable_apic();
    apic_write(0x320, 2 << 17 | 0x41);
    lapic_write_tsc_deadline(l, 5000 + 70000);           /* the TSC is 5000 ahead of the tick */
    run_until(69999);
    cr_assert_not(b.intr[0]);
    cr_assert_eq(lapic_tsc_deadline(l), 75000);
    run_until(70000);
    cr_assert(b.intr[0]);
    cr_assert_eq(lapic_tsc_deadline(l), 0);
}

Test(platform, lapic_priorities_nest)
{
    struct lapic *l = platform_lapic(b.p, 0);
    enable_apic();
    lapic_accept(l, 0x55, false);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x55);
    lapic_accept(l, 0x5f, false);
    cr_assert_not(b.intr[0], "the same class waits");
    lapic_accept(l, 0x61, false);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x61);
    cr_assert_eq(apic_read(0xa0), 0x60);
    apic_write(0xb0, 0), apic_write(0xb0, 0);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x5f);
    apic_write(0xb0, 0);
    lapic_set_tpr(l, 0x70);
    lapic_accept(l, 0x75, false);
    cr_assert_not(b.intr[0]);
}

Test(platform, lapic_ipis_reach_their_destinations)
{
    b.current = 1, enable_apic();
    b.current = 0, enable_apic();
    apic_write(0x310, 1 << 24), apic_write(0x300, 0x200);     /* SMI */
    cr_assert_eq(b.smis, 1);
    apic_write(0x300, 0x4500);                                /* INIT */
    cr_assert_eq(b.inits, 1);
    apic_write(0x300, 0x4608);                                /* SIPI */
    cr_assert_eq(b.sipi, 0x108);
    apic_write(0x300, 3 << 18 | 0x4033);                      /* all but self */
    cr_assert(b.intr[1] && !b.intr[0]);
    apic_write(0x300, 1 << 18 | 0x4034);                      /* self */
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x34);
    apic_write(0x300, 0x4003);                                /* vector 3 is illegal */
    apic_write(0x280, 0);
    cr_assert_eq(apic_read(0x280), 0x20);
}

/* The NDST of a posted-interrupt descriptor. */
Test(platform, notifications_reach_an_apic_id_of_the_senders_mode)
{
    struct lapic *l = platform_lapic(b.p, 0);
    b.current = 1, enable_apic();
    b.current = 0, enable_apic();
    apic_bus_notify(l, 0xabcd00ef, 0x44); /* bits 15:8 of an xAPIC's */
    cr_assert(b.intr[0] && !b.intr[1]);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x44);
    apic_bus_notify(l, 0x100, 0x45);
    cr_assert_eq(platform_acknowledge(b.p, 1), 0x45);
    cr_assert(platform_write_apic_base(b.p, 0, APIC | 0xc00));
    cr_assert(platform_write_apic_base(b.p, 1, APIC | 0xc00));
    apic_bus_notify(l, 0x10001, 0x56);
    cr_assert(!b.intr[0] && !b.intr[1]);
    apic_bus_notify(l, 1, 0x56);
    cr_assert_eq(platform_acknowledge(b.p, 1), 0x56);
    cr_assert(platform_write_apic_base(b.p, 0, APIC));
    apic_bus_notify(l, 1, 0x66);
    cr_assert_not(b.intr[1], "a disabled APIC sends nothing");
}

Test(platform, x2apic_transitions_and_reserved_bits)
{
    struct lapic *l = platform_lapic(b.p, 1);
    uint64_t v;
    b.current = 1;
    cr_assert_not(lapic_msr_read(l, 0x802, &v), "not in x2APIC mode");
    cr_assert_not(platform_write_apic_base(b.p, 1, APIC | 0x400), "x2APIC without enable");
    cr_assert(platform_write_apic_base(b.p, 1, APIC | 0xc00));
    cr_assert(lapic_msr_read(l, 0x802, &v) && v == 1);
    cr_assert(lapic_msr_read(l, 0x80d, &v) && v == 2, "logical ID derives from the ID");
    cr_assert_not(lapic_msr_write(l, 0x80b, 1), "EOI takes 0 only");
    cr_assert_not(lapic_msr_write(l, 0x831, 0), "there is no ICR high");
    cr_assert_not(lapic_msr_write(l, 0x80f, 0x1000), "reserved bit");
    cr_assert(lapic_msr_write(l, 0x80f, 0x1ff) && lapic_msr_write(l, 0x83f, 0x77));
    cr_assert_eq(platform_acknowledge(b.p, 1), 0x77);
    cr_assert_not(platform_write_apic_base(b.p, 1, APIC | 0x800), "back to xAPIC only through off");
    cr_assert_eq(mem_read_le(b.mem, APIC + 0x20, 4), UINT32_MAX,
                 "no memory-mapped registers in x2APIC mode");
}

Test(platform, lapic_moves)
{
    cr_assert(platform_write_apic_base(b.p, 0, 0xfed40000 | 0x900));
    cr_assert_eq(mem_read_le(b.mem, 0xfed40030, 4) & 0xff, 0x15);
    cr_assert_eq(apic_read(0x30), UINT32_MAX);
    b.current = 1;
    cr_assert_eq(apic_read(0x30) & 0xff, 0x15, "the other processor's stays");
    cr_assert_not(platform_write_apic_base(b.p, 0, BIT(39) | 0x900), "beyond the physical width");
}

/* ---- I/O APIC ---- */

Test(platform, ioapic_level_interrupt_repeats_after_eoi)
{
    enable_apic();
    ioapic_write(0x10 + 2 * 10, 0x8000 | 0x60);
    line(10, true);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x60);
    cr_assert(ioapic_read(0x10 + 2 * 10) & 0x4000, "remote IRR");
    apic_write(0xb0, 0);
    cr_assert(b.intr[0], "the line is still asserted");
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x60);
    line(10, false);
    apic_write(0xb0, 0);
    cr_assert_not(b.intr[0]);
    cr_assert_not(ioapic_read(0x10 + 2 * 10) & 0x4000);
}

Test(platform, ioapic_edge_delivers_once_and_not_while_masked)
{
    enable_apic();
    line(11, true), line(11, false);
    ioapic_write(0x10 + 2 * 11, 0x61);
    cr_assert_not(b.intr[0]);
    line(11, true);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x61);
    apic_write(0xb0, 0);
    cr_assert_not(b.intr[0]);
}

Test(platform, ioapic_ignores_indexes_out_of_range)
{
    for (unsigned reg = 0; reg < 256; reg++)
        ioapic_write(reg, UINT32_MAX);
    cr_assert_eq(ioapic_read(0x40), 0);
    cr_assert_eq(ioapic_read(1), 0x00170020);
}

/* ---- RTC ---- */

static uint8_t cmos(uint8_t index)
{
    out(0x70, index);
    return in(0x71);
}
static void cmos_write(uint8_t index, uint8_t v)
{
    out(0x70, index);
    out(0x71, v);
}

Test(platform, rtc_starts_in_2026_and_runs)
{
    run_until(UINT64_C(1000000000) * (31 * 86400 + 3661));    /* February 1st, 01:01:01 */
    cr_assert_eq(cmos(0), 0x01);
    cr_assert_eq(cmos(2), 0x01);
    cr_assert_eq(cmos(4), 0x01);
    cr_assert_eq(cmos(6), 1, "a Sunday");
    cr_assert_eq(cmos(7), 0x01);
    cr_assert_eq(cmos(8), 0x02);
    cr_assert_eq(cmos(9), 0x26);
    cr_assert_eq(cmos(0x32), 0x20);
}

Test(platform, rtc_can_be_set)
{
    cmos_write(11, 0x82);
    static const uint8_t date[][2] = { { 0, 0x58 }, { 2, 0x59 }, { 4, 0x23 },
                                       { 7, 0x29 }, { 8, 0x02 }, { 9, 0x28 } };
    for (size_t k = 0; k < 6; k++)
        cmos_write(date[k][0], date[k][1]);
    cmos_write(11, 0x02);
    run_until(b.now + UINT64_C(3000000000));
    cr_assert_eq(cmos(7), 0x01, "after February 29th, 2028");
    cr_assert_eq(cmos(8), 0x03);
}

Test(platform, rtc_interrupts)
{
    program_pics();
    cmos_write(10, 0x26), cmos_write(11, 0x42);               /* periodic, 1024 Hz */
    run_until(b.now + 1000000);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x28);
    cr_assert_eq(cmos(12) & 0xf0, 0xc0);
    cmos_write(11, 0x12);                                     /* update-ended */
    out(0xa0, 0x20), out(0x20, 0x20);
    run_until(UINT64_C(2000000000) - 1);
    cmos(12);
    run_until(UINT64_C(2000000000));
    cr_assert(b.intr[0]);
    cr_assert_eq(cmos(12) & 0x90, 0x90);
}

Test(platform, rtc_alarm)
{
    cmos_write(1, 0x05), cmos_write(3, 0xff), cmos_write(5, 0xff);
    cmos_write(11, 0x22);
    run_until(UINT64_C(4999999999));
    cr_assert_not(cmos(12) & 0x20);
    run_until(UINT64_C(5000000000));
    cr_assert_eq(cmos(12) & 0xa0, 0xa0);
}

/* ---- UART and debug ports ---- */

Test(platform, uart_sends_and_receives)
{
    program_pics();
    out(0x3f8, 'x'), out(0xe9, 'y');
    cr_assert_eq(memcmp(b.out, "xy", 2), 0);
    cr_assert_eq(in(0xe9), 0xe9);
    out(0x3fc, 0x0b), out(0x3f9, 0x01);
    b.in = "ab";
    run_until(b.now + 1000000);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x24);
    cr_assert_eq(in(0x3fa) & 0x0f, 0x04);
    cr_assert_eq(in(0x3f8), 'a');
    run_until(b.now + 1000000);
    cr_assert_eq(in(0x3fd) & 1, 1);
    cr_assert_eq(in(0x3f8), 'b');
    cr_assert_eq(in(0x3fd), 0x60);
}

Test(platform, uart_thre_interrupt_and_loopback)
{
    program_pics();
    out(0x3fc, 0x0b), out(0x3f9, 0x02);
    cr_assert_eq(in(0x3fa) & 0x0f, 0x02);
    cr_assert_eq(in(0x3fa) & 0x0f, 0x01, "reading IIR clears it");
    out(0x3fc, 0x1e);
    cr_assert_eq(in(0x3fe) & 0xf0, 0xd0, "loopback: CTS, RI, DCD");
    out(0x3f8, 'z');
    cr_assert_eq(in(0x3f8), 'z');
    cr_assert_eq(b.out_used, 0);
}

Test(platform, debug_exit_power_off_and_resets_stop)
{
    platform_io_write(b.p, 0xf4, 4, 0x10);
    cr_assert(b.stop == PLATFORM_DEBUG_EXIT && b.stop_value == 0x21);
    platform_io_write(b.p, 0x604, 2, 0x2000);
    cr_assert_eq(b.stop, PLATFORM_POWER_OFF);
    out(0xcf9, 0x06);
    cr_assert_eq(b.stop, PLATFORM_RESET);
    b.stop = -1, out(0x64, 0xfe);
    cr_assert_eq(b.stop, PLATFORM_RESET);
    b.stop = -1, out(0x92, 0x03);
    cr_assert_eq(b.stop, PLATFORM_RESET);
}

Test(platform, the_a20_gate_follows_its_last_writer)
{
    out(0x92, 0x00);
    cr_assert(b.a20_closed);
    out(0x64, 0xd1), out(0x60, 0x03);
    cr_assert_not(b.a20_closed);
    out(0x64, 0xdd);
    cr_assert(b.a20_closed);
    out(0x92, 0x02);
    cr_assert_not(b.a20_closed);
}

Test(platform, keyboard_controller_answers_without_a_keyboard)
{
    out(0x64, 0xaa);
    cr_assert_eq(in(0x64) & 1, 1);
    cr_assert_eq(in(0x60), 0x55);
    cr_assert_eq(in(0x64) & 1, 0);
    out(0x60, 0xff);
    cr_assert_eq(in(0x64) & 0x41, 0x41, "time-out");
}

/* ---- timers ---- */

Test(platform, pm_timer_runs_at_3_58_mhz)
{
    uint32_t first = platform_io_read(b.p, 0x608, 4);
    run_until(b.now + 1000000000);
    cr_assert_eq((platform_io_read(b.p, 0x608, 4) - first) & 0xffffff, 3579545);
}

Test(platform, pm_timer_overflow_makes_an_sci)
{
    enable_apic();
    ioapic_write(0x10 + 2 * 9, 0x8000 | 0x39);
    platform_io_write(b.p, 0x602, 2, 1);
    run_until(UINT64_C(2400000000));
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x39);
    platform_io_write(b.p, 0x600, 2, 1);
    apic_write(0xb0, 0);
    cr_assert_not(b.intr[0]);
}

Test(platform, hpet_periodic_timer)
{
    enable_apic();
    ioapic_write(0x10 + 2 * 20, 0x50);
    mem_write_le(b.mem, HPET + 0x100, 4, 20 << 9 | 1 << 6 | 1 << 3 | 1 << 2);
    mem_write_le(b.mem, HPET + 0x108, 8, 1000);
    mem_write_le(b.mem, HPET + 0x108, 8, 1000);
    mem_write_le(b.mem, HPET + 0x10, 4, 1);
    unsigned interrupts = 0;
    for (uint64_t t = b.now; b.now < t + 1000000; ) {         /* 1 ms, a match every 10 us */
        run_until(b.now + 5000);
        if (b.intr[0]) {
            cr_assert_eq(platform_acknowledge(b.p, 0), 0x50);
            apic_write(0xb0, 0);
            interrupts++;
        }
    }
    cr_assert_eq(interrupts, 100);
    cr_assert_eq(mem_read_le(b.mem, HPET + 0xf0, 8), 100000);
}

Test(platform, hpet_legacy_replacement_takes_irq_0)
{
    program_pics();
    mem_write_le(b.mem, HPET + 0x100, 4, 1 << 2);
    mem_write_le(b.mem, HPET + 0x108, 8, 500);
    mem_write_le(b.mem, HPET + 0x10, 4, 3);
    run_until(b.now + 5000);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x20);
}

/* ---- fw_cfg and PCI ---- */

static void select_item(uint16_t s) { platform_io_write(b.p, 0x510, 2, s); }

Test(platform, fw_cfg_reads_items_and_bounds_selectors)
{
    static const char signature[] = "QEMU";
    select_item(0);
    for (unsigned k = 0; k < 4; k++)
        cr_assert_eq(in(0x511), signature[k]);
    cr_assert_eq(in(0x511), 0, "zeros after the end");
    select_item(0x20);
    cr_assert(in(0x511) == 1 && in(0x511) == 2);
    for (unsigned s = 0x60; s < 0x10000; s += 0x3d) {
        select_item((uint16_t)s);
        cr_assert_eq(in(0x511), 0, "selector %x", s);
    }
}

Test(platform, fw_cfg_dma)
{
    static const uint8_t good[] = { 0, 0x20, 0, 0x0a, 0, 0, 0, 5, 0, 0, 0, 0, 0, 2, 0, 0 };
    static const uint8_t absurd[] = { 0, 0x20, 0, 0x0a, 0xff, 0xff, 0xff, 0xff,
                                      0, 0,    0, 0,    0,    2,    0,    0 };
    mem_write(b.mem, 0x10000, good, sizeof good);
    platform_io_write(b.p, 0x514, 4, 0);
    platform_io_write(b.p, 0x518, 4, __builtin_bswap32(0x10000));
    cr_assert_eq(mem_read_le(b.mem, 0x10000, 4), 0);
    cr_assert_eq(mem_read_le(b.mem, 0x20000, 4), 0x04030201);
    mem_write(b.mem, 0x10000, absurd, sizeof absurd);
    platform_io_write(b.p, 0x518, 4, __builtin_bswap32(0x10000));
    cr_assert_eq(mem_read_le(b.mem, 0x10000, 4), 0x01000000, "the error bit, big-endian");
}

Test(platform, pci_functions)
{
    static const uint32_t expect[][2] = { { 0x80000000, 0x29c08086 }, { 0x8000f800, 0x29188086 },
                                          { 0x80000800, UINT32_MAX }, { 0x8000fb00, UINT32_MAX },
                                          { 0x80010000, UINT32_MAX }, { 0x00000000, UINT32_MAX } };
    for (size_t k = 0; k < ARRAY_SIZE(expect); k++) {
        platform_io_write(b.p, 0xcf8, 4, expect[k][0]);
        cr_assert_eq(platform_io_read(b.p, 0xcfc, 4), expect[k][1]);
    }
    platform_io_write(b.p, 0xcf8, 4, 0x8000f8fc);
    platform_io_write(b.p, 0xcff, 4, 0);                      /* past the end: no harm */
    cr_assert_eq(in(0xcfb), 0x80);
}

/* ---- tables ---- */

static uint8_t sum(uint64_t at, unsigned n)
{
    uint8_t s = 0;
    while (n--)
        s = (uint8_t)(s + mem_read_le(b.mem, at++, 1));
    return s;
}

Test(platform, acpi_tables_have_good_checksums)
{
    uint64_t rsdp = platform_rsdp(b.p);
    cr_assert_eq(sum(rsdp, 20), 0);
    cr_assert_eq(sum(rsdp, 36), 0);
    uint64_t xsdt = mem_read_le(b.mem, rsdp + 24, 8);
    uint32_t length = (uint32_t)mem_read_le(b.mem, xsdt + 4, 4);
    cr_assert_eq(sum(xsdt, length), 0);
    cr_assert_eq(length, 36 + 4 * 8);
    for (unsigned k = 0; k < 4; k++) {
        uint64_t t = mem_read_le(b.mem, xsdt + 36 + 8 * k, 8);
        cr_assert_eq(sum(t, (unsigned)mem_read_le(b.mem, t + 4, 4)), 0, "table %u", k);
    }
}

/* Whatever a guest writes anywhere, nothing breaks (run under the sanitizers). */
Test(platform, random_accesses_are_harmless)
{
    uint64_t r = 88172645463325252u;
    static const uint64_t pages[] = { APIC, IOAPIC, HPET, 0xff000000, EXPRESS, EXPRESS + LPC };
    for (unsigned k = 0; k < 300000; k++) {
        r ^= r << 13, r ^= r >> 7, r ^= r << 17;
        unsigned size = 1u << (r >> 60 & 1) << (r >> 61 & 1);
        if (r >> 50 & 1)
            platform_io_write(b.p, (uint16_t)(r >> 52 & 3 ? r & 0xfff : r), size,
                              (uint32_t)(r >> 16));
        else
            mem_write_le(b.mem, pages[(r >> 56 & 7) % ARRAY_SIZE(pages)] + (r & 0xfff),
                         size << (r & 1), r >> 12);
        platform_io_read(b.p, (uint16_t)(r >> 20 & 0xfff), size);
        mem_read_le(b.mem, pages[(r >> 40 & 7) % ARRAY_SIZE(pages)] + (r >> 8 & 0xff8), 8);
        b.current = r >> 30 & 1;
        platform_acknowledge(b.p, b.current);
        if (!(k & 15))
            run_until(b.now + (r >> 44 & 0xffff));
    }
}
