// SPDX-License-Identifier: Apache-2.0
// ACPI fixed hardware (ACPI Specification 6.x, "ACPI Hardware Specification"): PM1a event and
// control blocks and the 24-bit power-management timer.  The machine is always in ACPI mode: SCI_EN
// reads 1.
#ifndef SP_PLATFORM_ACPI_PM_H
#define SP_PLATFORM_ACPI_PM_H

#include "platform/bus.h"
#include "platform/host.h"

enum {
    ACPI_PM_BASE = 0x600,
    ACPI_PM_EVENT = 0,
    ACPI_PM_CONTROL = 4,
    ACPI_PM_TIMER = 8,
    ACPI_PM_PORTS = 12
};
enum { ACPI_SLEEP_S5 = 0 };    /* the SLP_TYP value of \_S5 in dsdt.asl */

struct acpi_pm {
    const struct platform_host *host;
    struct irq_line sci;
    uint16_t status, enable, control;
    uint64_t seen;             /* clock up to which TMR_STS is computed */
};

extern const struct port_ops acpi_pm_ports;    /* ACPI_PM_PORTS at ACPI_PM_BASE */

void acpi_pm_init(struct acpi_pm *p, const struct platform_host *host, struct irq_line sci);
void acpi_pm_reset(struct acpi_pm *p);
uint64_t acpi_pm_deadline(const struct acpi_pm *p);
void acpi_pm_advance(struct acpi_pm *p, uint64_t now);

#endif
