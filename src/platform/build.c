// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/bits.h"
#include "platform/internal.h"

static void reset_interrupts(struct platform *p)
{
    for (unsigned k = 0; k < p->apics.count; k++)
        lapic_reset(&p->apics.lapic[k]);
    ioapic_reset(&p->ioapic, (uint8_t)(p->apics.count < 15 ? p->apics.count : 0));
    hpet_reset(&p->hpet);
}

static void init_devices(struct platform *p)
{
    const struct platform_config *c = &p->config;
    const struct platform_host *h = p->host;
    platform_wire(p);
    reset_interrupts(p);
    pic_init(&p->pic, platform_pic_output(p));
    pit_init(&p->pit, h, platform_replaceable_line(p, IRQ_TIMER));
    rtc_init(&p->rtc, h, platform_replaceable_line(p, IRQ_RTC), mem_low_ram_end(c->mem),
             mem_high_ram_end(c->mem), c->processors);
    uart_init(&p->uart, h, c->serial, platform_isa_line(p, IRQ_COM1));
    i8042_init(&p->i8042, h, platform_isa_line(p, IRQ_KEYBOARD));
    acpi_pm_init(&p->pm, h, platform_isa_line(p, IRQ_SCI), platform_smi_line(p));
    p->system.host = p->debug_exit.host = h;
    p->ferr.irq = platform_isa_line(p, IRQ_FERR);
    p->debugcon.sink = c->debugcon;
    fw_cfg_init(&p->fw_cfg, c->mem, c->ram_size, c->processors);
}

static bool add_pci(struct platform *p, struct sp_error *e)
{
    struct pci_signals signals = platform_pci_signals(p);
    pci_init(&p->pci, p->config.mem, &p->ports, &signals);
    return mch_init(&p->mch, &p->pci, e) && lpc_init(&p->lpc, &p->pci, &p->pm, e) &&
           (!p->pci_testdev || pci_testdev_init(p->pci_testdev, &p->pci, e));
}

static bool add_virtio(struct platform *p, struct sp_error *e)
{
    const struct virtio_devices_config config = {
        .disks = p->config.disks,
        .disk_count = p->config.disk_count,
        .console = p->config.virtio_console,
        .console_sink = p->config.virtio_console_sink,
    };
    p->virtio = virtio_devices_create(&config, p->host, p->config.mem, &p->pci, e);
    return p->virtio;
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
        { ACPI_APM_PORT, 2, &acpi_apm_ports, &p->pm },
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
           platform_map_apic(p, APIC_DEFAULT_BASE) &&
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
            p->testdev->line[k] = platform_isa_line(p, k);
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
    if (config->pci_testdev)
        p->pci_testdev = calloc(1, sizeof *p->pci_testdev);
    if (p->apics.lapic && (!config->pc_testdev || add_testdev(p)) &&
        (!config->pci_testdev || p->pci_testdev))
        return p;
    platform_destroy(p);
    return NULL;
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
    p->ports.fixed = p->ports.ranges;
    if (mapped && add_pci(p, e) && add_virtio(p, e) && add_files(p, e))
        return p;
    platform_destroy(p);
    return NULL;
}

void platform_destroy(struct platform *p)
{
    if (!p)
        return;
    virtio_devices_destroy(p->virtio);
    free(p->testdev);
    free(p->pci_testdev);
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
    pci_reset(&p->pci);
    virtio_devices_reset(p->virtio);
    p->system.a = p->system.reset_control = 0;
    p->acpi_base = 0;
}

void platform_smm(struct platform *p, bool smm) { mch_set_smm(&p->mch, smm); }

/* ---- what firmware does ---- */

void platform_set_firmware(struct platform *p, const uint8_t *bytes, size_t n)
{
    mch_set_rom(&p->mch, bytes, n);
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

/* PCI interrupts are level-triggered at the 8259s, and so is the SCI. */
static void hand_over_interrupts(struct platform *p)
{
    uint16_t level = lpc_hand_over(&p->lpc) | 1 << IRQ_SCI;
    lapic_hand_over(&p->apics.lapic[0]);
    bus_write(&p->ports, 0x4d0, 1, level & 0xff);
    bus_write(&p->ports, 0x4d1, 1, level >> 8);
    for (unsigned k = 0; k < p->pci.functions; k++) {
        struct pci_function *f = p->pci.function[k];
        unsigned pin = f->config[PCI_INTERRUPT_PIN];
        if (pin)
            f->config[PCI_INTERRUPT_LINE] = (uint8_t)lpc_isa_irq_of(&p->lpc, f->devfn, pin - 1);
    }
}

void platform_hand_over(struct platform *p)
{
    mch_hand_over(&p->mch);
    hand_over_interrupts(p);
    acpi_pm_enable(&p->pm, true);
    pci_assign(&p->pci, PCI_PORTS_BASE, PCI_MEMORY_BASE);
    p->acpi_base = place_acpi(p->firmware.acpi, p->config.mem);
}
