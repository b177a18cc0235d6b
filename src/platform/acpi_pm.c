// SPDX-License-Identifier: Apache-2.0
#include "platform/acpi_pm.h"

#include <string.h>

#define PM_TIMER_HZ UINT64_C(3579545)
enum { TMR_STS = 1, ENABLE_BITS = 0x0721 };                  /* TMR, GBL, PWRBTN, SLPBTN, RTC */
enum { SCI_EN = 1, SLP_TYP_SHIFT = 10, SLP_EN = 1 << 13, CONTROL_BITS = 0x1c03 };
enum { GLB_SMI_EN = 1 << 0, EOS = 1 << 1, APMC_EN = 1 << 5, APM_STS = APMC_EN };
enum { SMI_BITS = GLB_SMI_EN | EOS | APMC_EN, SMI_OWNED = GLB_SMI_EN | APMC_EN };
enum { MSB_SHIFT = 23 }; /* TMR_STS: bit 23 of the timer changed */

static uint64_t clock_at(uint64_t tick) { return scale_down(tick, PM_TIMER_HZ, TICKS_PER_SECOND); }

static void collect(struct acpi_pm *p, uint64_t now)
{
    uint64_t clk = clock_at(now);
    if (clk >> MSB_SHIFT != p->seen >> MSB_SHIFT)
        p->status |= TMR_STS;
    p->seen = clk;
}

static void update(struct acpi_pm *p)
{
    irq_set(&p->sci, p->control & SCI_EN && p->status & p->enable);
}

uint64_t acpi_pm_deadline(const struct acpi_pm *p)
{
    if (!(p->enable & TMR_STS) || p->status & TMR_STS)
        return NEVER;
    return scale_up(((p->seen >> MSB_SHIFT) + 1) << MSB_SHIFT, TICKS_PER_SECOND, PM_TIMER_HZ);
}

void acpi_pm_advance(struct acpi_pm *p, uint64_t now)
{
    if (now < acpi_pm_deadline(p))
        return;
    collect(p, now);
    update(p);
}

void acpi_pm_reset(struct acpi_pm *p)
{
    p->status = p->enable = p->control = 0;
    p->apm[0] = p->apm[1] = 0;
    p->smi_enable = p->smi.set ? EOS : SMI_OWNED;
    p->smi_status = 0;
    p->seen = clock_at(host_now(p->host));
    update(p);
}

void acpi_pm_init(struct acpi_pm *p, const struct platform_host *host, struct irq_line sci,
                  struct irq_line smi)
{
    memset(p, 0, sizeof *p);
    p->host = host;
    p->sci = sci;
    p->smi = smi;
    acpi_pm_reset(p);
}

void acpi_pm_enable(struct acpi_pm *p, bool on)
{
    p->control = (uint16_t)(on ? p->control | SCI_EN : p->control & ~SCI_EN);
    update(p);
}

/* The registers as little-endian words; what is not named reads 0. */
static uint32_t pm_read(void *device, uint16_t offset, unsigned size)
{
    struct acpi_pm *p = device;
    uint64_t now = host_now(p->host);
    collect(p, now);
    uint32_t timer = (uint32_t)clock_at(now) & 0xffffff;
    const uint16_t word[ACPI_PM_PORTS / 2 + 2] = { p->status,
                                                   p->enable,
                                                   p->control,
                                                   0,
                                                   (uint16_t)timer,
                                                   (uint16_t)(timer >> 16),
                                                   [ACPI_PM_SMI_EN / 2] = p->smi_enable,
                                                   [ACPI_PM_SMI_STS / 2] = p->smi_status };
    uint32_t v = 0;
    if (offset < ACPI_PM_PORTS)
        memcpy(&v, (const uint8_t *)word + offset, size);
    return v;
}

static void write_control(struct acpi_pm *p, uint16_t v)
{
    p->control = v & CONTROL_BITS;
    if (v & SLP_EN && (v >> SLP_TYP_SHIFT & 7) == ACPI_SLEEP_S5)
        p->host->stop(p->host->context, PLATFORM_POWER_OFF, 0,
                      "the guest powered the machine off (ACPI S5)");
}

/* SMI# goes low once, and again only after software has set EOS. */
static void update_smi(struct acpi_pm *p)
{
    uint16_t all = GLB_SMI_EN | EOS;
    if ((p->smi_enable & all) != all || !(p->smi_status & p->smi_enable & APM_STS))
        return;
    p->smi_enable &= (uint16_t)~EOS;
    irq_set(&p->smi, true);
}

static void write_smi(struct acpi_pm *p, unsigned offset, uint16_t v)
{
    if (!p->smi.set)
        return;
    if (offset == ACPI_PM_SMI_STS)
        p->smi_status &= (uint16_t)~v;
    else
        p->smi_enable = v & SMI_BITS;
    update_smi(p);
}

static void write_word(struct acpi_pm *p, unsigned offset, uint16_t v)
{
    switch (offset) {
    case ACPI_PM_EVENT: p->status &= (uint16_t)~v; break;           /* write 1 to clear */
    case ACPI_PM_EVENT + 2: p->enable = v & ENABLE_BITS; break;
    case ACPI_PM_CONTROL: write_control(p, v); break;
    case ACPI_PM_SMI_EN:
    case ACPI_PM_SMI_STS: write_smi(p, offset, v); break;
    default: break;
    }
}

/* Words as ACPI writes them; a byte changes its half, for the write-1-to-clear register with zeros.
 */
static void pm_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct acpi_pm *p = device;
    collect(p, host_now(p->host));
    if (size == 1) {
        uint16_t old = offset < ACPI_PM_EVENT + 2 ? 0
                       : offset < ACPI_PM_CONTROL ? p->enable
                       : offset < ACPI_PM_SMI_EN  ? p->control
                       : offset < ACPI_PM_SMI_STS ? p->smi_enable
                                                  : 0;
        unsigned shift = 8 * (offset & 1);
        write_word(p, offset & ~1u, (uint16_t)((old & ~(0xff << shift)) | value << shift));
    } else {
        for (unsigned k = 0; k < size; k += 2)
            write_word(p, offset + k, (uint16_t)(value >> (8 * k)));
    }
    update(p);
    host_changed(p->host);
}

const struct port_ops acpi_pm_ports = { pm_read, pm_write, 4 };

static uint32_t apm_read(void *device, uint16_t offset, unsigned size)
{
    return ((struct acpi_pm *)device)->apm[offset & 1];
}

static void apm_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct acpi_pm *p = device;
    p->apm[offset & 1] = (uint8_t)value;
    if (offset == 0 && p->smi.set && p->smi_enable & APMC_EN) {
        p->smi_status |= APM_STS;
        update_smi(p);
    }
    if (offset == 0 && !p->smi.set && (value == ACPI_ENABLE || value == ACPI_DISABLE))
        acpi_pm_enable(p, value == ACPI_ENABLE);
}

const struct port_ops acpi_apm_ports = { apm_read, apm_write, 1 };
