// SPDX-License-Identifier: Apache-2.0
// The LPC interface bridge (Intel I/O Controller Hub 9 data sheet, "LPC Interface Bridge
// Registers"), function 00:1f.0: where the ACPI registers stand, and the way of the PCI interrupts.
//
// Every slot's pins are wired to PIRQE# to PIRQH#, one further on for each slot, as the traces of a
// board do it: INTx# of slot s is PIRQ[E + (s + x) mod 4].  PIRQA# to PIRQH# always reach pins 16
// to 23 of the I/O APIC, and the 8259 input that the route registers name.
#ifndef SP_PLATFORM_LPC_H
#define SP_PLATFORM_LPC_H

#include "platform/acpi_pm.h"
#include "platform/pci.h"

enum { LPC_DEVFN = 0x1f << 3, LPC_PIRQS = 8, LPC_FIRST_PIN = 16 };

struct lpc {
    struct pci_function function;
    struct acpi_pm *pm;
    uint16_t pm_at;               /* where the ACPI registers are mapped, 0: nowhere */
    unsigned asserted[LPC_PIRQS]; /* how many pins pull each PIRQ# */
    /* The owner sets these before lpc_init(): a PIRQ# changed; the 8259 inputs have to be looked at
     * again. */
    void (*pirq)(void *context, unsigned pirq, bool level);
    void (*route)(void *context);
    void *context;
};

bool lpc_init(struct lpc *l, struct pci *p, struct acpi_pm *pm, struct sp_error *e);
/* A pin of a PCI slot: its number counts from INTA# = 0. */
void lpc_pin(struct lpc *l, unsigned devfn, unsigned pin, bool level);
/* The 8259 inputs that PIRQs ask for, as a bit mask. */
uint16_t lpc_isa_irqs(const struct lpc *l);
/* The 8259 input of a slot's pin, 0 if it is not routed. */
unsigned lpc_isa_irq_of(const struct lpc *l, unsigned devfn, unsigned pin);
/* What firmware does: maps the ACPI registers and routes the interrupts to IRQ 10 and 11.  Returns
 * the routed inputs, which must be level-triggered, as a bit mask. */
uint16_t lpc_hand_over(struct lpc *l);

#endif
