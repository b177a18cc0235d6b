// SPDX-License-Identifier: Apache-2.0
#include "platform/platform.h"

#include "base/bits.h"
#include "platform/internal.h"

/* ---- use ---- */

bool platform_has_port(const struct platform *p, uint16_t port)
{
    return bus_claims(&p->ports, port);
}
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
    d = earlier(d, earlier(uart_deadline(&p->uart), virtio_devices_deadline(p->virtio)));
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
    virtio_devices_advance(p->virtio, now);
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
