// SPDX-License-Identifier: Apache-2.0
// Who hears whom: interrupt lines, messages, and the page of the local APICs.
#include "base/bits.h"
#include "platform/internal.h"

/* ---- wires ---- */

/* An input of the 8259s: the ISA line, or PCI interrupts that are routed to it. */
static void update_pic(struct platform *p, unsigned irq)
{
    pic_set(&p->pic, irq, (p->isa_irqs | lpc_isa_irqs(&p->lpc)) >> irq & 1);
}

/* ISA interrupt n goes to the 8259s and to I/O APIC pin n, the timer to pin 2. */
static void isa_irq(void *context, unsigned irq, bool level)
{
    struct platform *p = context;
    if (irq == IRQ_CASCADE)
        return;
    if (irq < 16) {
        p->isa_irqs = (uint16_t)((p->isa_irqs & ~(1u << irq)) | (unsigned)level << irq);
        update_pic(p, irq);
    }
    ioapic_set(&p->ioapic, irq == IRQ_TIMER ? 2 : irq, level);
}

static void pci_routed(void *context)
{
    for (unsigned irq = 0; irq < 16; irq++)
        if (irq != IRQ_CASCADE)
            update_pic(context, irq);
}

static void pci_irq(void *context, unsigned pirq, bool level)
{
    ioapic_set(&((struct platform *)context)->ioapic, LPC_FIRST_PIN + pirq, level);
}

static void pci_pin(void *context, unsigned devfn, unsigned pin, bool level)
{
    lpc_pin(&((struct platform *)context)->lpc, devfn, pin, level);
}

/* SDM vol. 3, "Message Address Register Format" and "Message Data Register Format".  The
 * redirection hint lets the arbitration choose.  Other addresses are memory: only RAM takes the
 * write, so that no message can cause another. */
static void pci_message(void *context, uint64_t address, uint32_t data)
{
    struct platform *p = context;
    unsigned mode = data >> 8 & 7;
    if (address >> 20 != 0xfee) {
        if (mem_kind(p->config.mem, address) == PAGE_RAM)
            mem_write_le(p->config.mem, address, 4, data);
        return;
    }
    if (address & 8 && mode == DELIVER_FIXED)
        mode = DELIVER_LOWEST;
    apic_bus_send(&p->apics,
                  &(struct apic_message){ .destination = address >> 12 & 0xff,
                                          .logical = address & 4,
                                          .level = data >> 15 & 1 && mode <= DELIVER_LOWEST,
                                          .mode = (uint8_t)mode,
                                          .vector = (uint8_t)data });
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

static struct mem_region *make_window(struct platform *p)
{
    if (p->windows == APIC_WINDOWS)
        return NULL;
    struct apic_window *w = &p->window[p->windows++];
    *w = (struct apic_window){ .platform = p };
    return mem_region_mmio(p->config.mem, &apic_mmio, w);
}

bool platform_make_window(void *platform) { return make_window(platform); }

/* The first one is made with the platform. */
void platform_forget_windows(struct platform *p) { p->windows = 1; }

bool platform_map_apic(struct platform *p, uint64_t base)
{
    for (unsigned k = 0; k < p->windows; k++)
        if (p->window[k].base == base)
            return true;
    struct mem_region *r = make_window(p);
    if (!r)
        return false;
    p->window[p->windows - 1].base = base;
    mem_region_place(p->config.mem, r, base, PAGE_SIZE);
    return true;
}

bool platform_write_apic_base(struct platform *p, unsigned cpu, uint64_t value)
{
    struct lapic *l = platform_lapic(p, cpu);
    if (!l || !lapic_write_base(l, value, p->config.physical_bits))
        return false;
    if (!platform_map_apic(p, l->base & PAGE_MASK))
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

/* The ACPI tables that firmware will ask for tell where firmware put the window. */
static void express_moved(void *context, uint64_t base, unsigned buses)
{
    acpi_tables_set_express(&((struct platform *)context)->firmware.acpi, base, buses);
}

void platform_wire(struct platform *p)
{
    init_apics(p);
    init_hpet(p);
    p->mch.context = p->lpc.context = p;
    p->mch.express_moved = express_moved;
    p->lpc.pirq = pci_irq;
    p->lpc.route = pci_routed;
}

struct irq_line platform_isa_line(struct platform *p, unsigned irq)
{
    return wire(p, isa_irq, irq);
}

struct irq_line platform_replaceable_line(struct platform *p, unsigned irq)
{
    return wire(p, replaceable_irq, irq);
}

static void smi_pin(void *context, unsigned line, bool level)
{
    const struct platform *p = context;
    for (unsigned k = 0; k < p->config.processors; k++)
        p->host->smi(p->host->context, k);
}

struct irq_line platform_smi_line(struct platform *p)
{
    return p->config.smm ? wire(p, smi_pin, 0) : (struct irq_line){ 0 };
}

struct irq_line platform_pic_output(struct platform *p) { return wire(p, pic_intr, 0); }

struct pci_signals platform_pci_signals(struct platform *p)
{
    return (struct pci_signals){ p, pci_message, pci_pin };
}
