// SPDX-License-Identifier: Apache-2.0
#include "machine/ipf_platform.h"

#include <string.h>

/* ---- what devices ask for ---- */

/* Exact: a device is reached only by an operation that runs alone (ipf_repeat_alone()). */
uint64_t ipf_platform_now(const struct ipf_platform *p)
{
    return p->running->retired + p->running->idle;
}
void ipf_platform_switch(struct ipf_platform *p, struct ipf_cpu *c)
{
    c->idle = ipf_platform_now(p) - c->retired;
    p->running = c;
}

static uint64_t now(void *context) { return ipf_platform_now(context); }

/* A deadline may have moved: the processor comes back to the machine. */
static void changed(void *context)
{
    struct ipf_platform *p = context;
    p->running->attention |= ATTENTION_PAUSE;
}

void ipf_platform_stop(struct ipf_platform *p, enum platform_stop reason, const char *text)
{
    if (!p->stopped) {
        p->reason = reason;
        p->text = text;
    }
    p->stopped = true;
    changed(p);
}

static void stop(void *context, enum platform_stop reason, uint64_t value, const char *text)
{
    ipf_platform_stop(context, reason, text);
}

/* ---- interrupts (SDM vol. 2, "Interrupt Messages") ---- */

enum { MODE_INT = 0, MODE_LOWEST = 1, MODE_PMI = 2, MODE_NMI = 4, MODE_INIT = 5, MODE_EXTINT = 7 };

static struct ipf_cpu *find(const struct ipf_platform *p, unsigned id_eid)
{
    struct ipf_cpu *c = p->cpu;
    do {
        if ((c->cr[CR_LID] >> 16 & 0xffff) == id_eid)
            return c;
        c = c->beside;
    } while (c != p->cpu);
    return NULL;
}

/* A message that may be redirected goes to the processor whose XTP is the lowest; between equals,
 * to the one that it names. */
static struct ipf_cpu *redirect(const struct ipf_platform *p, struct ipf_cpu *named)
{
    struct ipf_cpu *best = named;
    for (struct ipf_cpu *c = named->beside; c != named; c = c->beside)
        if (p->xtp[c->index] < p->xtp[best->index])
            best = c;
    return best;
}

static void deliver(void *context, unsigned target, unsigned mode, uint8_t vector)
{
    const struct ipf_platform *p = context;
    struct ipf_cpu *c = find(p, target);
    if (!c)
        return;
    switch (mode) {
    case MODE_INT: ipf_post_interrupt(c, vector); break;
    case MODE_LOWEST: ipf_post_interrupt(redirect(p, c), vector); break;
    case MODE_PMI: break; /* SAL's handler has nothing to do */
    case MODE_NMI: ipf_post_interrupt(c, 2); break;
    case MODE_INIT: ipf_post_init(c); break;
    case MODE_EXTINT: ipf_post_interrupt(c, 0); break;
    default: break;
    }
}

static void pin(void *context, unsigned line, bool level)
{
    struct ipf_platform *p = context;
    iosapic_set(&p->iosapic, line, level);
}

/* SDM vol. 2, "Processor Interrupt Block".  The lower half sends: address bits 19:12 are the
 * target's id, 11:4 its eid, 3 that it may be redirected.  The upper half has the INTA byte, which
 * finds no 8259 behind it, and XTP, the task priority that a processor tells the platform. */
enum { BLOCK_HALF = 0x100000, BLOCK_INTA = 0x1e0000, BLOCK_XTP = 0x1e0008, SPURIOUS = 15 };
static uint64_t block_read(void *device, uint64_t offset, unsigned size)
{
    return offset == BLOCK_INTA && size == 1 ? SPURIOUS : 0;
}
static void block_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct ipf_platform *p = device;
    unsigned mode = value >> 8 & 7;
    bool redirectable = offset >> 3 & 1 && mode == MODE_INT;
    if (offset == BLOCK_XTP && size == 1)
        p->xtp[p->running->index] = value & 0xf;
    else if (offset < BLOCK_HALF && size == 8 && mode != MODE_LOWEST)
        deliver(p, offset >> 4 & 0xffff, redirectable ? MODE_LOWEST : mode, (uint8_t)value);
}
static const struct mmio_ops block_ops = { block_read, block_write };

/* ---- the I/O port space (SDM vol. 2, "I/O Port Space Model") ---- */

static uint16_t port_of(uint64_t offset) { return (uint16_t)((offset >> 12) << 2 | (offset & 3)); }
static uint64_t ports_read(void *device, uint64_t offset, unsigned size)
{
    struct ipf_platform *p = device;
    return size == 8 ? UINT64_MAX : bus_read(&p->ports, port_of(offset), size);
}
static void ports_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct ipf_platform *p = device;
    if (size != 8)
        bus_write(&p->ports, port_of(offset), size, (uint32_t)value);
}
static const struct mmio_ops ports_ops = { ports_read, ports_write };

/* ---- life ---- */

bool ipf_platform_init(struct ipf_platform *p, struct ipf_cpu *cpu, struct mem *mem,
                       struct char_sink serial)
{
    memset(p, 0, sizeof *p);
    p->cpu = p->running = cpu;
    for (const struct ipf_cpu *c = cpu; p->cpus == 0 || c != cpu; c = c->beside)
        p->cpus++;
    p->host = (struct platform_host){ .context = p, .now = now, .changed = changed, .stop = stop };
    p->iosapic.send = deliver;
    p->iosapic.context = p;
    iosapic_reset(&p->iosapic);
    uart_init(&p->uart, &p->host, serial, (struct irq_line){ pin, p, IPF_COM1_IRQ });
    acpi_pm_init(&p->pm, &p->host, (struct irq_line){ pin, p, IPF_SCI_IRQ },
                 (struct irq_line){ 0 });
    acpi_pm_enable(&p->pm, true);
    return bus_map(&p->ports, IPF_COM1, 8, &uart_ports, &p->uart) &&
           bus_map(&p->ports, ACPI_PM_BASE, ACPI_PM_PORTS, &acpi_pm_ports, &p->pm) &&
           mem_map_mmio(mem, IOSAPIC_BASE, 0x1000, &iosapic_mmio, &p->iosapic) &&
           mem_map_mmio(mem, IPF_INTERRUPT_BLOCK, IPF_INTERRUPT_BLOCK_SIZE, &block_ops, p) &&
           mem_map_mmio(mem, IPF_PORTS, IPF_PORTS_SIZE, &ports_ops, p);
}

uint64_t ipf_platform_deadline(const struct ipf_platform *p)
{
    return earlier(uart_deadline(&p->uart), acpi_pm_deadline(&p->pm));
}

void ipf_platform_advance(struct ipf_platform *p)
{
    uart_advance(&p->uart, ipf_platform_now(p));
    acpi_pm_advance(&p->pm, ipf_platform_now(p));
}
