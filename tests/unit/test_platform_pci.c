// SPDX-License-Identifier: Apache-2.0
// The PCI bus of a whole platform: configuration by both mechanisms, BARs, interrupts by pin and by
// message, the chipset's registers.  No processor runs here.
#include <criterion/criterion.h>
#include <string.h>

#include "base/bits.h"
#include "platform/internal.h"

#define EXPRESS UINT64_C(0xb0000000)
#define APIC UINT64_C(0xfee00000)
#define IOAPIC UINT64_C(0xfec00000)
enum { RAM = 16 << 20, MCH = 0, LPC = 0xf8, CARD = 0x10, TESTDEV = PCI_TESTDEV_DEVFN };
enum { PCIEXBAR = 0x60, PAM0 = 0x90, SMRAM = 0x9d, PIRQ_E = 0x68 };

static struct bench {
    struct mem *mem;
    struct platform *p;
    struct platform_host host;
    bool intr;
    unsigned map_changes;
    struct pci_function card; /* a 64-bit memory BAR, ports, MSI-X, INTA# */
    uint64_t last_write;
} b;

static uint64_t zero(void *x) { return 0; }
static void nothing(void *x) {}
static unsigned current(void *x) { return 0; }
static void interrupt(void *x, unsigned cpu, bool level) { b.intr = level; }
static void to_cpu(void *x, unsigned cpu) {}
static void startup(void *x, unsigned cpu, uint8_t vector) {}
static uint64_t tsc_offset(void *x, unsigned cpu) { return 0; }
static void a20(void *x, bool open) {}
static void stop(void *x, enum platform_stop reason, uint64_t value, const char *text) {}
static void map_changed(void *x, uint64_t base, uint64_t size) { b.map_changes++; }

static uint64_t card_read(void *x, uint64_t offset, unsigned size) { return 0x5a00 | offset; }
static void card_write(void *x, uint64_t offset, unsigned size, uint64_t v) { b.last_write = v; }
static uint32_t port_read(void *x, uint16_t offset, unsigned size) { return 0xc0 | offset; }
static void port_write(void *x, uint16_t offset, unsigned size, uint32_t v) { b.last_write = v; }
static const struct mmio_ops card_mmio = { card_read, card_write };
static const struct port_ops card_ports = { port_read, port_write, 4 };

static void add_card(void)
{
    static const struct pci_identity id = { .vendor = 0x1234, .device = 0x5678, .pin = 1 };
    struct sp_error e;
    pci_function_init(&b.card, CARD, &id);
    pci_add_bar(&b.card, 0,
                &(struct pci_bar){ .kind = PCI_BAR_MEMORY_64, .size = 0x4000, .mmio = &card_mmio });
    pci_add_bar(&b.card, 2,
                &(struct pci_bar){ .kind = PCI_BAR_IO, .size = 32, .ports = &card_ports });
    pci_add_msix(&b.card, 3, 2);
    cr_assert(pci_add(&b.p->pci, &b.card, &e));
}

static void power_on(void)
{
    struct sp_error e;
    memset(&b, 0, sizeof b);
    b.host = (struct platform_host){ .now = zero,
                                     .changed = nothing,
                                     .current = current,
                                     .interrupt = interrupt,
                                     .nmi = to_cpu,
                                     .smi = to_cpu,
                                     .init = to_cpu,
                                     .startup = startup,
                                     .tsc_offset = tsc_offset,
                                     .a20 = a20,
                                     .stop = stop };
    b.mem = mem_create(RAM, &e);
    struct platform_config c = {
        .mem = b.mem, .ram_size = RAM, .processors = 1, .physical_bits = 39, .pci_testdev = true
    };
    b.p = platform_create(&c, &b.host, &e);
    cr_assert(b.p, "%s", e.message);
    add_card();
    mem_watch_map(b.mem, map_changed, NULL);
}

static void handed_over(void)
{
    power_on();
    platform_hand_over(b.p);
}

static void tear_down(void)
{
    platform_destroy(b.p);
    mem_destroy(b.mem);
}

TestSuite(pci, .init = handed_over, .fini = tear_down);
TestSuite(pci_power_on, .init = power_on, .fini = tear_down);

static uint32_t get(unsigned devfn, unsigned reg, unsigned size)
{
    platform_io_write(b.p, 0xcf8, 4, 0x80000000 | devfn << 8 | (reg & 0xfc));
    return platform_io_read(b.p, (uint16_t)(0xcfc + (reg & 3)), size);
}
static void set(unsigned devfn, unsigned reg, unsigned size, uint32_t v)
{
    platform_io_write(b.p, 0xcf8, 4, 0x80000000 | devfn << 8 | (reg & 0xfc));
    platform_io_write(b.p, (uint16_t)(0xcfc + (reg & 3)), size, v);
}
static uint64_t at(unsigned devfn, unsigned reg) { return EXPRESS + (devfn << 12) + reg; }
static uint64_t word(uint64_t pa) { return mem_read_le(b.mem, pa, 4); }

/* ---- configuration space ---- */

Test(pci, both_mechanisms_reach_the_same_registers)
{
    cr_assert_eq(word(at(MCH, 0)), 0x29c08086);
    cr_assert_eq(word(at(CARD, 0)), get(CARD, 0, 4));
    mem_write_le(b.mem, at(CARD, PCI_INTERRUPT_LINE), 1, 7);
    cr_assert_eq(get(CARD, PCI_INTERRUPT_LINE, 1), 7);
    cr_assert_eq(mem_read_le(b.mem, at(CARD, 0), 8) >> 32, get(CARD, 4, 4));
    cr_assert_eq(word(EXPRESS + 0x100000), UINT32_MAX, "bus 1 is empty");
    cr_assert_eq(word(at(CARD + 8, 0)), UINT32_MAX);
    set(CARD, PCI_VENDOR, 4, 0);
    cr_assert_eq(get(CARD, PCI_VENDOR, 4), 0x56781234, "read-only");
}

Test(pci_power_on, the_express_window_follows_its_register)
{
    cr_assert_eq(mem_kind(b.mem, EXPRESS), PAGE_ABSENT);
    set(MCH, PCIEXBAR, 4, 0xe0000003); /* 128 MiB */
    cr_assert_eq(word(0xe0000000), 0x29c08086);
    cr_assert_eq(mem_kind(b.mem, 0xe7fff000), PAGE_MMIO);
    cr_assert_eq(mem_kind(b.mem, 0xe8000000), PAGE_ABSENT);
    set(MCH, PCIEXBAR, 4, 0);
    cr_assert_eq(mem_kind(b.mem, 0xe0000000), PAGE_ABSENT);
    cr_assert(b.map_changes);
}

/* ---- BARs ---- */

Test(pci_power_on, bars_are_sized_moved_and_switched_off)
{
    set(CARD, PCI_BAR0, 4, UINT32_MAX);
    set(CARD, PCI_BAR0 + 4, 4, UINT32_MAX);
    set(CARD, PCI_BAR0 + 8, 4, UINT32_MAX);
    cr_assert_eq(get(CARD, PCI_BAR0, 4), 0xffffc004);
    cr_assert_eq(get(CARD, PCI_BAR0 + 4, 4), UINT32_MAX);
    cr_assert_eq(get(CARD, PCI_BAR0 + 8, 4), 0xffffffe1);
    set(CARD, PCI_BAR0, 4, 0xc0008000);
    set(CARD, PCI_BAR0 + 4, 4, 0);
    set(CARD, PCI_BAR0 + 8, 4, 0xc040);
    cr_assert_eq(word(0xc0008010), UINT32_MAX, "decoding is off");
    set(CARD, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
    cr_assert_eq(word(0xc0008010), 0x5a10);
    cr_assert_eq(platform_io_read(b.p, 0xc042, 1), 0xc2);
    set(CARD, PCI_BAR0, 4, 0);
    set(CARD, PCI_BAR0 + 4, 4, 4); /* 16 GiB */
    cr_assert_eq(word(0xc0008010), UINT32_MAX);
    cr_assert_eq(word(UINT64_C(0x400000010)), 0x5a10);
    set(CARD, PCI_COMMAND, 2, 0);
    cr_assert_eq(word(UINT64_C(0x400000010)), UINT32_MAX);
    cr_assert_eq(platform_io_read(b.p, 0xc042, 1), 0xff);
}

Test(pci, bars_over_ram_or_the_chipset_do_not_decode)
{
    set(CARD, PCI_BAR0, 4, 0x100000);
    cr_assert_eq(word(0x100010), 0, "RAM");
    set(CARD, PCI_BAR0, 4, 0xfec00000);
    mem_write_le(b.mem, IOAPIC, 4, 1);
    cr_assert_eq(word(IOAPIC + 0x10) >> 16, 23, "the I/O APIC");
    set(CARD, PCI_BAR0 + 8, 4, 0x3e1);
    cr_assert_eq(platform_io_read(b.p, 0x3fa, 1), 0xda, "the card's port");
    set(CARD, PCI_BAR0 + 8, 4, 0xc001);
    cr_assert_eq(platform_io_read(b.p, 0x3fa, 1), 1, "COM1 again");
}

Test(pci, firmware_gives_every_bar_a_place)
{
    uint32_t memory = get(CARD, PCI_BAR0, 4), ports = get(CARD, PCI_BAR0 + 8, 4);
    cr_assert_eq(memory & 0xc0003fff, 0xc0000004);
    cr_assert_eq(word((memory & ~15u) + 4), 0x5a04);
    cr_assert_eq(platform_io_read(b.p, (uint16_t)(ports & ~3u), 1), 0xc0);
    cr_assert_eq(get(CARD, PCI_INTERRUPT_LINE, 1), 11, "slot 2, INTA#: PIRQG");
}

Test(pci, reset_forgets_everything)
{
    uint64_t memory = get(CARD, PCI_BAR0, 4) & ~15u;
    pci_set_intx(&b.card, true);
    platform_reset(b.p);
    cr_assert_eq(word(memory), UINT32_MAX);
    cr_assert_eq(get(CARD, PCI_BAR0, 4), 4);
    cr_assert_eq(get(CARD, PCI_COMMAND, 2), 0);
    cr_assert_eq(word(EXPRESS), UINT32_MAX);
    cr_assert_not(b.p->lpc.asserted[6]);
    cr_assert_eq(platform_io_read(b.p, 0x604, 2), 0xffff, "PMBASE is not set");
}

/* ---- interrupts ---- */

static void ioapic_write(unsigned reg, uint32_t v)
{
    mem_write_le(b.mem, IOAPIC, 4, reg);
    mem_write_le(b.mem, IOAPIC + 0x10, 4, v);
}

Test(pci, pins_share_a_level_at_the_io_apic)
{
    enum { PIN = 22, VECTOR = 0x61 };
    ioapic_write(0x10 + 2 * PIN, 1 << 15 | 1 << 13 | VECTOR);
    pci_set_intx(&b.card, true);
    lpc_pin(&b.p->lpc, CARD + (4 << 3), 0, true); /* another card on the same wire */
    cr_assert_eq(platform_acknowledge(b.p, 0), VECTOR);
    pci_set_intx(&b.card, false);
    cr_assert_neq(get(CARD, PCI_STATUS, 2) & 1 << 3, 1 << 3);
    mem_write_le(b.mem, APIC + 0xb0, 4, 0);
    cr_assert_eq(platform_acknowledge(b.p, 0), VECTOR, "the other one still pulls");
    lpc_pin(&b.p->lpc, CARD + (4 << 3), 0, false);
    mem_write_le(b.mem, APIC + 0xb0, 4, 0);
    cr_assert_eq(platform_acknowledge(b.p, 0), -1);
}

Test(pci, interrupt_disable_silences_the_pin_only)
{
    pci_set_intx(&b.card, true);
    cr_assert_eq(b.p->lpc.asserted[6], 1);
    set(CARD, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
    cr_assert_eq(b.p->lpc.asserted[6], 0);
    cr_assert(get(CARD, PCI_STATUS, 2) & 1 << 3);
    set(CARD, PCI_COMMAND, 2, 0);
    cr_assert_eq(b.p->lpc.asserted[6], 1);
}

Test(pci, route_registers_lead_to_the_8259s)
{
    pci_set_intx(&b.card, true);
    cr_assert_eq(lpc_isa_irqs(&b.p->lpc), 1 << 11);
    cr_assert(b.p->pic.chip[1].lines & 1 << 3);
    set(LPC, PIRQ_E + 2, 1, 5);
    cr_assert_not(b.p->pic.chip[1].lines & 1 << 3);
    cr_assert(b.p->pic.chip[0].lines & 1 << 5);
    set(LPC, PIRQ_E + 2, 1, 0x80);
    cr_assert_not(b.p->pic.chip[0].lines & 1 << 5);
    set(LPC, PIRQ_E + 2, 1, 8);
    cr_assert_eq(lpc_isa_irqs(&b.p->lpc), 0, "the RTC's input is reserved");
    cr_assert_eq(platform_io_read(b.p, 0x4d1, 1), 0x0e, "9, 10 and 11 are level-triggered");
}

Test(pci, msix_masks_remembers_and_sends)
{
    uint64_t table = get(CARD, PCI_BAR0 + 12, 4) & ~15u;
    unsigned capability = get(CARD, PCI_CAPABILITIES, 1);
    cr_assert_eq(get(CARD, capability, 1), 0x11);
    cr_assert_eq(get(CARD, capability + 2, 2), 1);
    mem_write_le(b.mem, table + 16, 8, APIC);
    mem_write_le(b.mem, table + 24, 4, 0x55);
    set(CARD, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    pci_msix_send(&b.card, 1);
    cr_assert_eq(word(table + 0x800), 0, "not enabled: nothing");
    set(CARD, capability + 2, 2, 1 << 15);
    pci_msix_send(&b.card, 1);
    cr_assert_eq(word(table + 0x800), 2, "masked in the table");
    cr_assert_not(b.intr);
    set(CARD, capability + 2, 2, 3 << 14);
    mem_write_le(b.mem, table + 28, 4, 0);
    cr_assert_not(b.intr, "the whole function is masked");
    set(CARD, capability + 2, 2, 1 << 15);
    cr_assert(b.intr);
    cr_assert_eq(word(table + 0x800), 0);
    cr_assert_eq(platform_acknowledge(b.p, 0), 0x55);
    pci_set_intx(&b.card, true);
    cr_assert_eq(b.p->lpc.asserted[6], 0, "no pin while MSI-X is enabled");
    pci_msix_send(&b.card, 2);
    pci_msix_send(&b.card, UINT32_MAX);
}

Test(pci, messages_elsewhere_are_writes_to_memory)
{
    struct pci_signals *s = &b.p->pci.signals;
    s->message(s->context, 0x200000, 0x12345678);
    cr_assert_eq(word(0x200000), 0x12345678);
    s->message(s->context, IOAPIC, 0xff); /* not to devices */
    s->message(s->context, UINT64_C(0x12345678abc), 1);
}

/* ---- the chipset ---- */

Test(pci_power_on, pam_switches_between_rom_and_ram)
{
    static uint8_t rom[64 << 10];
    memset(rom, 0x77, sizeof rom);
    cr_assert_eq(word(0xf0000), UINT32_MAX, "no firmware");
    platform_set_firmware(b.p, rom, sizeof rom);
    cr_assert_eq(word(0xf0000), 0x77777777);
    cr_assert_eq(word(0xec000), UINT32_MAX);
    mem_write_le(b.mem, 0xf0000, 4, 1);
    set(MCH, PAM0, 1, 0x10);
    cr_assert_eq(word(0xf0000), 0, "the write went nowhere");
    set(MCH, PAM0, 1, 0x20);
    mem_write_le(b.mem, 0xf0000, 4, 2);
    cr_assert_eq(word(0xf0000), 0x77777777, "writes to RAM, reads from ROM");
    set(MCH, PAM0, 1, 0x10);
    cr_assert_eq(word(0xf0000), 2);
    mem_write_le(b.mem, 0xf0000, 4, 3);
    cr_assert_eq(word(0xf0000), 2, "write-protected");
    set(MCH, PAM0, 1, 0x30);
    mem_write_le(b.mem, 0xf0000, 4, 3);
    cr_assert_eq(word(0xf0000), 3);
    cr_assert_eq(mem_kind(b.mem, 0xf0000), PAGE_RAM);
    set(MCH, PAM0 + 6, 1, 0x03); /* E8000H only */
    cr_assert_eq(mem_kind(b.mem, 0xe8000), PAGE_RAM);
    cr_assert_eq(mem_kind(b.mem, 0xec000), PAGE_ROM);
}

Test(pci, smram_locks)
{
    cr_assert_eq(word(0xa0000), UINT32_MAX);
    cr_assert_eq(mem_kind(b.mem, 0xa0000), PAGE_ABSENT);
    set(MCH, SMRAM, 1, 0x4a);
    cr_assert_eq(word(0xa0000), 0, "open");
    set(MCH, SMRAM, 1, 0x1a);
    cr_assert_eq(word(0xa0000), UINT32_MAX);
    set(MCH, SMRAM, 1, 0x42);
    cr_assert_eq(get(MCH, SMRAM, 1), 0x1a, "locked");
    cr_assert_eq(word(0xa0000), UINT32_MAX);
    platform_reset(b.p);
    cr_assert_eq(get(MCH, SMRAM, 1), 0x02);
    set(MCH, SMRAM, 1, 0x4a);
    cr_assert_eq(word(0xa0000), 0);
}

Test(pci_power_on, acpi_registers_follow_pmbase_and_mode_follows_the_apm_port)
{
    cr_assert_eq(platform_io_read(b.p, 0x604, 2), 0xffff);
    set(LPC, 0x40, 4, 0x601);
    set(LPC, 0x44, 1, 0x80);
    cr_assert_eq(platform_io_read(b.p, 0x604, 2), 0);
    platform_io_write(b.p, 0xb2, 1, ACPI_ENABLE);
    cr_assert_eq(platform_io_read(b.p, 0x604, 2), 1);
    cr_assert_eq(platform_io_read(b.p, 0xb2, 1), ACPI_ENABLE);
    platform_io_write(b.p, 0xb2, 1, ACPI_DISABLE);
    cr_assert_eq(platform_io_read(b.p, 0x604, 2), 0);
    cr_assert_eq(platform_io_read(b.p, 0x630, 4), 0x21, "SMIs belong to somebody");
    set(LPC, 0x40, 4, 0x1001);
    cr_assert_eq(platform_io_read(b.p, 0x604, 2), 0xffff);
    cr_assert_eq(platform_io_read(b.p, 0x1030, 4), 0x21);
}

/* ---- pci-testdev ---- */

Test(pci, testdev_counts_writes)
{
    uint64_t memory = get(TESTDEV, PCI_BAR0, 4) & ~15u;
    uint16_t ports = get(TESTDEV, PCI_BAR0 + 4, 4) & 0xfffc;
    cr_assert_eq(mem_read_le(b.mem, memory + 1, 1), 0, "no test is chosen");
    for (unsigned test = 0; test < 3; test++) {
        mem_write_le(b.mem, memory, 1, test);
        cr_assert_eq(mem_read_le(b.mem, memory + 1, 1), 1);
        uint64_t offset = word(memory + 4), data = word(memory + 8);
        mem_write_le(b.mem, memory + offset, 1, data);
        mem_write_le(b.mem, memory + offset, 1, data ^ 1);
        platform_io_write(b.p, (uint16_t)(ports + offset), 1, (uint8_t)data);
        cr_assert_eq(word(memory + 12), test == 2 ? 1 : 2);
        cr_assert_eq(platform_io_read(b.p, ports + 1, 1), 0, "the other BAR has none");
    }
    mem_write_le(b.mem, memory, 1, 3);
    cr_assert_eq(mem_read_le(b.mem, memory + 1, 1), 0, "the last test was 2");
    platform_io_write(b.p, ports, 1, 0);
    cr_assert_eq(platform_io_read(b.p, ports + 16, 4), 0x74726f70, "\"port\"");
    platform_io_write(b.p, (uint16_t)(ports + platform_io_read(b.p, ports + 4, 4)), 1, 9);
    cr_assert_eq(platform_io_read(b.p, ports + 12, 4), 1);
}

/* ---- memory regions ---- */

Test(pci, unmapped_ranges_show_what_they_covered)
{
    cr_assert_eq(platform_io_read(b.p, 0x3fa, 1), 1);
    cr_assert(bus_map(&b.p->ports, 0x3f0, 16, &card_ports, NULL));
    cr_assert(bus_map(&b.p->ports, 0x3fa, 1, &card_ports, &b));
    bus_unmap(&b.p->ports, 0x3f0, &card_ports, NULL);
    cr_assert_eq(platform_io_read(b.p, 0x3fa, 1), 0xc0);
    bus_unmap(&b.p->ports, 0x3fa, &card_ports, &b);
    cr_assert_eq(platform_io_read(b.p, 0x3fa, 1), 1);
    for (unsigned k = 0; k < 1000; k++) {
        cr_assert(bus_map(&b.p->ports, 0x8000, 4, &card_ports, NULL));
        bus_unmap(&b.p->ports, 0x8000, &card_ports, NULL);
    }
}
