// SPDX-License-Identifier: Apache-2.0
// Local APIC (SDM vol. 3, chapter "Advanced Programmable Interrupt Controller"): xAPIC and x2APIC
// modes, six local vector table entries, the timer in all three modes.
//
// Not modelled, and not advertised in the version register: EOI-broadcast suppression, the CMCI
// entry.
#ifndef SP_PLATFORM_LAPIC_H
#define SP_PLATFORM_LAPIC_H

#include "mem/phys.h"
#include "platform/host.h"

enum lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };
enum { LVT_MASKED = 1 << 16, LVT_LEVEL = 1 << 15, LVT_REMOTE_IRR = 1 << 14 };
enum delivery {
    DELIVER_FIXED,
    DELIVER_LOWEST,
    DELIVER_SMI,
    DELIVER_NMI = 4,
    DELIVER_INIT,
    DELIVER_STARTUP,
    DELIVER_EXTINT
};
enum { APIC_BASE_BSP = 1 << 8, APIC_BASE_X2APIC = 1 << 10, APIC_BASE_ENABLE = 1 << 11 };
enum { SVR_ENABLED = 1 << 8 };
enum { ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVED_ILLEGAL = 1 << 6, ESR_ILLEGAL_REGISTER = 1 << 7 };
#define APIC_DEFAULT_BASE UINT64_C(0xfee00000)
/* The timer counts core crystal clocks: 25 MHz, as CPUID leaf 15H says. */
enum { LAPIC_TICKS_PER_CLOCK = 40 };

struct apic_bus;

struct lapic {
    const struct platform_host *host;
    struct apic_bus *bus;
    unsigned cpu;                   /* index = APIC ID after reset */
    bool tsc_deadline_allowed, x2apic_allowed;
    uint64_t base;                  /* IA32_APIC_BASE */
    uint32_t id;                    /* xAPIC: 8 bits */
    uint8_t tpr;
    uint32_t ldr, dfr, svr, esr, esr_pending;
    uint32_t isr[8], tmr[8], irr[8];
    uint64_t icr;
    uint32_t lvt[LVT_COUNT];
    bool lint[2];                   /* levels of LINT0 (the 8259's INTR) and LINT1 */
    bool extint;                    /* an ExtINT message from the I/O APIC waits */
    uint32_t initial, divide;
    uint64_t due;                   /* tick of the next timer interrupt, NEVER if stopped */
    uint64_t tsc_deadline;
};

/* ---- state (lapic.c) ---- */

void lapic_reset(struct lapic *l);           /* power-on */
void lapic_init(struct lapic *l);            /* INIT: keeps the ID and IA32_APIC_BASE */
/* As a PC's firmware leaves the bootstrap processor's APIC: enabled, LINT0 ExtINT, LINT1 NMI. */
void lapic_hand_over(struct lapic *l);
static inline bool lapic_enabled(const struct lapic *l) { return l->base & APIC_BASE_ENABLE; }
static inline bool lapic_x2apic(const struct lapic *l) { return l->base & APIC_BASE_X2APIC; }
static inline bool lapic_software_enabled(const struct lapic *l)
{
    return lapic_enabled(l) && l->svr & SVR_ENABLED;
}

/* A fixed interrupt arrives. */
void lapic_accept(struct lapic *l, uint8_t vector, bool level);
void lapic_extint(struct lapic *l);
/* The level of a LINT pin changed. */
void lapic_set_lint(struct lapic *l, unsigned pin, bool level);
/* A performance counter overflowed (SDM vol. 3, "Local Vector Table"). */
void lapic_performance(struct lapic *l);
uint8_t lapic_ppr(const struct lapic *l);
/* True if the 8259's request reaches the processor: LINT0 as ExtINT, or APIC off. */
bool lapic_wants_extint(const struct lapic *l);
/* Interrupt acknowledge: the vector now in service, or -1 if the APIC itself requests none. */
int lapic_acknowledge(struct lapic *l);
void lapic_eoi(struct lapic *l);
void lapic_set_tpr(struct lapic *l, uint8_t tpr);
/* Recomputes the processor's INTR. */
void lapic_update(struct lapic *l);
void lapic_error(struct lapic *l, uint32_t esr_bit);

uint64_t lapic_deadline(const struct lapic *l);
void lapic_advance(struct lapic *l, uint64_t now);
uint32_t lapic_timer_count(const struct lapic *l);
void lapic_timer_start(struct lapic *l, uint32_t initial);
void lapic_timer_divide(struct lapic *l, uint32_t divide);
void lapic_timer_write_lvt(struct lapic *l, uint32_t v);
uint64_t lapic_tsc_deadline(const struct lapic *l);
void lapic_write_tsc_deadline(struct lapic *l, uint64_t tsc);
/* The processor's TSC jumped: an armed TSC deadline moves. */
void lapic_tsc_changed(struct lapic *l);

/* ---- registers (lapic_regs.c) ---- */

uint32_t lapic_mmio_read(struct lapic *l, uint64_t offset, unsigned size);
void lapic_mmio_write(struct lapic *l, uint64_t offset, unsigned size, uint32_t value);
/* MSRs 800H to 8FFH; false: #GP(0). */
bool lapic_msr_read(struct lapic *l, uint32_t index, uint64_t *value);
bool lapic_msr_write(struct lapic *l, uint32_t index, uint64_t value);
/* IA32_APIC_BASE with the transition rules of "x2APIC State Transitions"; false: #GP(0). */
bool lapic_write_base(struct lapic *l, uint64_t value, unsigned physical_bits);

/* ---- messages between APICs (apic_bus.c) ---- */

struct apic_bus {
    struct lapic *lapic;
    unsigned count;
    void (*eoi)(void *context, uint8_t vector);     /* broadcast of an EOI for a level interrupt */
    void *eoi_context;
};
struct apic_message {
    uint32_t destination;
    bool logical, broadcast, level, wide;    /* wide: a 32-bit x2APIC destination */
    uint8_t mode;                            /* enum delivery */
    uint8_t vector;
};
void apic_bus_send(struct apic_bus *b, const struct apic_message *m);
/* Writing the interrupt command register of l sends; its value stands in l->icr. */
void apic_bus_command(struct lapic *l);
/* l sends the interrupt that a posted-interrupt descriptor asks for; ndst is read by l's mode. */
void apic_bus_notify(struct lapic *l, uint32_t ndst, uint8_t vector);

#endif
