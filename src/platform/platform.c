// SPDX-License-Identifier: Apache-2.0
#include "platform/platform.h"

#include <stdlib.h>

#include "platform/acpi_pm.h"
#include "platform/debug_ports.h"
#include "platform/hpet.h"
#include "platform/i8042.h"
#include "platform/ioapic.h"
#include "platform/pci.h"
#include "platform/pic.h"
#include "platform/pit.h"
#include "platform/rtc.h"
#include "platform/uart.h"

enum {
    APIC_WINDOWS = 16,
    IRQ_TIMER = 0,
    IRQ_KEYBOARD = 1,
    IRQ_CASCADE = 2,
    IRQ_COM1 = 4,
    IRQ_RTC = 8,
    IRQ_SCI = 9,
    IRQ_FERR = 13
};

/* A page where local APICs stand or stood. */
struct apic_window { struct platform *platform; uint64_t base; };

struct platform {
    const struct platform_host *host;
    struct platform_config config;
    struct port_bus ports;
    struct uart uart;
    struct debugcon debugcon;
    struct debug_exit debug_exit;
    struct post_port post;
    struct testdev *testdev;
    struct pic_pair pic;
    struct pit pit;
    struct rtc rtc;
    struct i8042 i8042;
    struct system_ports system;
    struct ferr ferr;
    struct pci pci;
    struct fw_cfg fw_cfg;
    struct firmware_files firmware;
    struct acpi_pm pm;
    struct hpet hpet;
    struct ioapic ioapic;
    struct apic_bus apics;
    struct apic_window window[APIC_WINDOWS];
    unsigned windows;
    bool hpet_legacy;             /* the HPET took the timer's and the RTC's lines */
    uint64_t acpi_base;
};

/* ---- wires ---- */

/* ISA interrupt n goes to the 8259s and to I/O APIC pin n, the timer to pin 2. */
static void isa_irq(void *context, unsigned irq, bool level)
{
    struct platform *p = context;
    if (irq < 16 && irq != IRQ_CASCADE)
        pic_set(&p->pic, irq, level);
    if (irq != IRQ_CASCADE)
        ioapic_set(&p->ioapic, irq == IRQ_TIMER ? 2 : irq, level);
}

/* The same for the devices that the HPET can replace. */
static void replaceable_irq(void *context, unsigned irq, bool level)
{
    struct platform *p = context;
    if (!p->hpet_legacy)
        isa_irq(p, irq, level);
}

static void route_legacy(void *context, bool on)
{
    struct platform *p = context;
    p->hpet_legacy = on;
    isa_irq(p, IRQ_TIMER, false);
    isa_irq(p, IRQ_RTC, false);
}

static void ioapic_pin(void *context, unsigned pin, bool level)
{
    ioapic_set(&((struct platform *)context)->ioapic, pin, level);
}

/* The 8259s' INTR goes to LINT0 of every processor and to I/O APIC pin 0. */
static void pic_intr(void *context, unsigned line, bool level)
{
    struct platform *p = context;
    for (unsigned k = 0; k < p->apics.count; k++)
        lapic_set_lint(&p->apics.lapic[k], 0, level);
    ioapic_set(&p->ioapic, 0, level);
}

static void broadcast_eoi(void *context, uint8_t vector)
{
    ioapic_eoi(&((struct platform *)context)->ioapic, vector);
}

static struct irq_line wire(struct platform *p, void (*set)(void *, unsigned, bool), unsigned line)
{
    return (struct irq_line){ set, p, line };
}

/* ---- the local APIC's page ---- */

/* The APIC that the running processor sees in a window, NULL if its own stands elsewhere. */
static struct lapic *apic_in_window(const struct apic_window *w)
{
    struct platform *p = w->platform;
    unsigned cpu = p->host->current(p->host->context);
    struct lapic *l = cpu < p->apics.count ? &p->apics.lapic[cpu] : NULL;
    bool here = l && lapic_enabled(l) && !lapic_x2apic(l) && (l->base & PAGE_MASK) == w->base;
    return here ? l : NULL;
}

static uint64_t window_read(void *device, uint64_t offset, unsigned size)
{
    struct lapic *l = apic_in_window(device);
    return l ? lapic_mmio_read(l, offset, size) : UINT64_MAX;
}

static void window_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct lapic *l = apic_in_window(device);
    if (l)
        lapic_mmio_write(l, offset, size, (uint32_t)value);
}

static const struct mmio_ops apic_mmio = { window_read, window_write };

static bool map_window(struct platform *p, uint64_t base)
{
    for (unsigned k = 0; k < p->windows; k++)
        if (p->window[k].base == base)
            return true;
    if (p->windows == APIC_WINDOWS)
        return false;
    struct apic_window *w = &p->window[p->windows++];
    *w = (struct apic_window){ p, base };
    return mem_map_mmio(p->config.mem, base, PAGE_SIZE, &apic_mmio, w);
}

bool platform_write_apic_base(struct platform *p, unsigned cpu, uint64_t value)
{
    struct lapic *l = platform_lapic(p, cpu);
    if (!l || !lapic_write_base(l, value, p->config.physical_bits))
        return false;
    if (!map_window(p, l->base & PAGE_MASK))
        p->host->stop(p->host->context, PLATFORM_NOT_MODELLED, l->base,
                      "the local APIC was moved to more than 16 addresses");
    return true;
}

/* ---- construction ---- */

static void init_apics(struct platform *p)
{
    p->apics.eoi = broadcast_eoi;
    p->apics.eoi_context = p;
    p->ioapic.bus = &p->apics;
    for (unsigned k = 0; k < p->apics.count; k++) {
        struct lapic *l = &p->apics.lapic[k];
        l->host = p->host;
        l->bus = &p->apics;
        l->cpu = k;
        l->x2apic_allowed = p->config.x2apic;
        l->tsc_deadline_allowed = p->config.tsc_deadline;
    }
}

static void init_hpet(struct platform *p)
{
    p->hpet.host = p->host;
    p->hpet.route_legacy = route_legacy;
    p->hpet.route_context = p;
    p->hpet.legacy[0] = wire(p, isa_irq, IRQ_TIMER);
    p->hpet.legacy[1] = wire(p, isa_irq, IRQ_RTC);
    for (unsigned k = 0; k < HPET_PINS; k++)
        p->hpet.pin[k] = wire(p, ioapic_pin, k);
}

static void reset_interrupts(struct platform *p)
{
    for (unsigned k = 0; k < p->apics.count; k++)
        lapic_reset(&p->apics.lapic[k]);
    lapic_hand_over(&p->apics.lapic[0]);
    ioapic_reset(&p->ioapic, (uint8_t)(p->apics.count < 15 ? p->apics.count : 0));
    hpet_reset(&p->hpet);
}

static void init_devices(struct platform *p)
{
    const struct platform_config *c = &p->config;
    const struct platform_host *h = p->host;
    init_apics(p);
    init_hpet(p);
    reset_interrupts(p);
    pic_init(&p->pic, wire(p, pic_intr, 0));
    pit_init(&p->pit, h, wire(p, replaceable_irq, IRQ_TIMER));
    rtc_init(&p->rtc, h, wire(p, replaceable_irq, IRQ_RTC), mem_low_ram_end(c->mem),
             mem_high_ram_end(c->mem), c->processors);
    uart_init(&p->uart, h, c->serial, wire(p, isa_irq, IRQ_COM1));
    i8042_init(&p->i8042, h, wire(p, isa_irq, IRQ_KEYBOARD));
    acpi_pm_init(&p->pm, h, wire(p, isa_irq, IRQ_SCI));
    pci_init(&p->pci, ACPI_PM_BASE);
    p->system.host = p->debug_exit.host = h;
    p->ferr.irq = wire(p, isa_irq, IRQ_FERR);
    p->debugcon.sink = c->debugcon;
    fw_cfg_init(&p->fw_cfg, c->mem, c->ram_size, c->processors);
}

/* One row for each device of the port space; a later row wins. */
static bool map_ports(struct platform *p)
{
    const struct {
        uint16_t base, count;
        const struct port_ops *ops;
        void *device;
    } map[] = {
        { 0x0020, 2, &pic_ports, &p->pic },
        { 0x0040, 4, &pit_ports, &p->pit },
        { 0x0060, 1, &i8042_data_ports, &p->i8042 },
        { 0x0061, 1, &speaker_ports, &p->pit },
        { 0x0064, 1, &i8042_command_ports, &p->i8042 },
        { 0x0070, 2, &rtc_ports, &p->rtc },
        { 0x0080, 1, &post_ports, &p->post },
        { 0x0092, 1, &port_92, &p->system },
        { 0x00a0, 2, &pic_slave_ports, &p->pic },
        { 0x00f0, 1, &port_f0, &p->ferr },
        { 0x00e0, p->testdev ? 12 : 0, &testdev_scratch_ports, p->testdev },
        { p->config.debugcon_port, p->config.debugcon_port ? 1 : 0, &debugcon_ports, &p->debugcon },
        { 0x03f8, 8, &uart_ports, &p->uart },
        { 0x04d0, 2, &pic_elcr_ports, &p->pic },
        { 0x0510, 2, &fw_cfg_ports, &p->fw_cfg },
        { 0x0514, 8, &fw_cfg_dma_ports, &p->fw_cfg },
        { ACPI_PM_BASE, ACPI_PM_PORTS, &acpi_pm_ports, &p->pm },
        { 0x0cf8, 4, &pci_address_ports, &p->pci },
        { 0x0cf9, 1, &port_cf9, &p->system },
        { 0x0cfc, 4, &pci_data_ports, &p->pci },
        { 0x2000, p->testdev ? TESTDEV_LINES : 0, &testdev_line_ports, p->testdev },
        { p->config.debug_exit_port, p->config.debug_exit_port ? p->config.debug_exit_size : 0,
          &debug_exit_ports, &p->debug_exit },
    };
    for (size_t k = 0; k < sizeof map / sizeof map[0]; k++)
        if (map[k].count &&
            !bus_map(&p->ports, map[k].base, map[k].count, map[k].ops, map[k].device))
            return false;
    return true;
}

static bool map_memory(struct platform *p)
{
    struct mem *m = p->config.mem;
    return mem_map_mmio(m, IOAPIC_BASE, PAGE_SIZE, &ioapic_mmio, &p->ioapic) &&
           mem_map_mmio(m, HPET_BASE, PAGE_SIZE, &hpet_mmio, &p->hpet) &&
           map_window(p, APIC_DEFAULT_BASE) &&
           (!p->testdev ||
            mem_map_mmio(m, 0xff000000, TESTDEV_MEMORY, &testdev_memory, p->testdev));
}

static bool add_files(struct platform *p, struct sp_error *e)
{
    for (size_t k = 0; k < p->config.file_count; k++)
        if (!fw_cfg_add(&p->fw_cfg, &p->config.files[k], e))
            return false;
    return firmware_files_add(&p->firmware, &p->fw_cfg, p->config.mem, &p->config.firmware, e);
}

static bool add_testdev(struct platform *p)
{
    p->testdev = calloc(1, sizeof *p->testdev);
    if (p->testdev)
        for (unsigned k = 0; k < TESTDEV_LINES; k++)
            p->testdev->line[k] = wire(p, isa_irq, k);
    return p->testdev;
}

static struct platform *allocate(const struct platform_config *config,
                                 const struct platform_host *host)
{
    struct platform *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->host = host;
    p->config = *config;
    p->apics.lapic = calloc(config->processors, sizeof *p->apics.lapic);
    p->apics.count = config->processors;
    if (p->apics.lapic && (!config->pc_testdev || add_testdev(p)))
        return p;
    platform_destroy(p);
    return NULL;
}

/* The ACPI tables go to the top of low RAM; returns where, or 0 if RAM is too small for them. */
static uint64_t place_acpi(struct acpi_tables t, struct mem *m)
{
    const uint64_t end = mem_low_ram_end(m), needed = 2 << 20;
    if (end < needed)
        return 0;
    acpi_tables_place(&t, m, end - ACPI_TABLES_SIZE);
    return end - ACPI_TABLES_SIZE;
}

struct platform *platform_create(const struct platform_config *config,
                                 const struct platform_host *host, struct sp_error *e)
{
    struct platform *p = allocate(config, host);
    if (!p) {
        sp_fail(e, SP_EXIT_USAGE, "out of host memory");
        return NULL;
    }
    init_devices(p);
    acpi_tables_build(&p->firmware.acpi, config->processors, p->ioapic.id);
    bool mapped = map_ports(p) && map_memory(p);
    if (!mapped)
        sp_fail(e, SP_EXIT_USAGE, "a device does not fit: its port range leaves the port space");
    if (!mapped || !add_files(p, e)) {
        platform_destroy(p);
        return NULL;
    }
    p->acpi_base = place_acpi(p->firmware.acpi, config->mem);
    return p;
}

void platform_destroy(struct platform *p)
{
    if (!p)
        return;
    free(p->testdev);
    free(p->apics.lapic);
    free(p);
}

void platform_reset(struct platform *p)
{
    reset_interrupts(p);
    pic_reset(&p->pic);
    pit_reset(&p->pit);
    rtc_reset(&p->rtc);
    uart_reset(&p->uart);
    i8042_reset(&p->i8042);
    acpi_pm_reset(&p->pm);
    pci_init(&p->pci, ACPI_PM_BASE);
    p->system.a = p->system.reset_control = 0;
}

/* ---- use ---- */

uint32_t platform_io_read(struct platform *p, uint16_t port, unsigned size)
{
    return bus_read(&p->ports, port, size);
}
void platform_io_write(struct platform *p, uint16_t port, unsigned size, uint32_t value)
{
    bus_write(&p->ports, port, size, value);
}

uint64_t platform_deadline(const struct platform *p)
{
    uint64_t d = earlier(earlier(pit_deadline(&p->pit), rtc_deadline(&p->rtc)),
                         earlier(hpet_deadline(&p->hpet), acpi_pm_deadline(&p->pm)));
    d = earlier(d, uart_deadline(&p->uart));
    for (unsigned k = 0; k < p->apics.count; k++)
        d = earlier(d, lapic_deadline(&p->apics.lapic[k]));
    return d;
}

void platform_advance(struct platform *p, uint64_t now)
{
    pit_advance(&p->pit, now);
    rtc_advance(&p->rtc, now);
    hpet_advance(&p->hpet, now);
    acpi_pm_advance(&p->pm, now);
    uart_advance(&p->uart, now);
    for (unsigned k = 0; k < p->apics.count; k++)
        lapic_advance(&p->apics.lapic[k], now);
}

struct lapic *platform_lapic(struct platform *p, unsigned cpu)
{
    return cpu < p->apics.count ? &p->apics.lapic[cpu] : NULL;
}

int platform_acknowledge(struct platform *p, unsigned cpu)
{
    struct lapic *l = platform_lapic(p, cpu);
    int vector = l ? lapic_acknowledge(l) : -1;
    if (vector >= 0 || !l || !lapic_wants_extint(l))
        return vector;
    l->extint = false;
    vector = pic_acknowledge(&p->pic);
    lapic_update(l);
    return vector;
}

void platform_ferr(struct platform *p) { irq_set(&p->ferr.irq, true); }

bool platform_nmi_possible(const struct platform *p)
{
    for (unsigned k = 0; k < IOAPIC_PINS; k++)
        if (!(p->ioapic.entry[k] & LVT_MASKED) && (p->ioapic.entry[k] >> 8 & 7) == DELIVER_NMI)
            return true;
    for (unsigned k = 0; k < p->apics.count; k++) {
        uint32_t lint0 = p->apics.lapic[k].lvt[LVT_LINT0];
        if (!(lint0 & LVT_MASKED) && (lint0 >> 8 & 7) == DELIVER_NMI)
            return true;
    }
    return false;
}

uint64_t platform_rsdp(const struct platform *p) { return p->acpi_base ? ACPI_RSDP_ADDRESS : 0; }
uint64_t platform_acpi_base(const struct platform *p) { return p->acpi_base; }
