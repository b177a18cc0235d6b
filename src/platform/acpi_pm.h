// SPDX-License-Identifier: Apache-2.0
// ACPI fixed hardware (ACPI Specification 6.x, "ACPI Hardware Specification"): PM1a event and
// control blocks and the 24-bit power-management timer, in the register block of the ICH9 (data
// sheet, "Power Management I/O Registers"), and the APM ports by which software asks for ACPI mode.
//
// A write to APM_CNT makes an SMI if the machine offers that to its firmware.  If not, SMI_EN says
// that a handler owns SMIs (APMC_EN, GLB_SMI_EN set and locked), and the write that would call the
// handler has the effect that it would have.
#ifndef SP_PLATFORM_ACPI_PM_H
#define SP_PLATFORM_ACPI_PM_H

#include "platform/bus.h"
#include "platform/host.h"

enum {
    ACPI_PM_BASE = 0x600,
    ACPI_PM_EVENT = 0,
    ACPI_PM_CONTROL = 4,
    ACPI_PM_TIMER = 8,
    ACPI_PM_SMI_EN = 0x30,
    ACPI_PM_SMI_STS = 0x34,
    ACPI_PM_PORTS = 128
};
enum { ACPI_APM_PORT = 0xb2, ACPI_ENABLE = 2, ACPI_DISABLE = 3 };
enum { ACPI_SLEEP_S5 = 0 };    /* the SLP_TYP value of \_S5 in dsdt.asl */

struct acpi_pm {
    const struct platform_host *host;
    struct irq_line sci;
    struct irq_line smi;       /* SMI#, to all processors; not set: firmware gets no SMIs */
    uint16_t status, enable, control;
    uint16_t smi_enable, smi_status; /* low halves */
    uint64_t seen;             /* clock up to which TMR_STS is computed */
    uint8_t apm[2];            /* APM_CNT, APM_STS */
};

extern const struct port_ops acpi_pm_ports;  /* ACPI_PM_PORTS where PMBASE says */
extern const struct port_ops acpi_apm_ports; /* 2 at ACPI_APM_PORT */

/* A `smi` without function: there are no SMIs. */
void acpi_pm_init(struct acpi_pm *p, const struct platform_host *host, struct irq_line sci,
                  struct irq_line smi);
void acpi_pm_reset(struct acpi_pm *p);
/* The ACPI mode that firmware may leave on: events make SCIs. */
void acpi_pm_enable(struct acpi_pm *p, bool on);
uint64_t acpi_pm_deadline(const struct acpi_pm *p);
void acpi_pm_advance(struct acpi_pm *p, uint64_t now);

#endif
