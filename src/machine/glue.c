// SPDX-License-Identifier: Apache-2.0
// What processors ask of the platform, and what devices ask of the processors.
#include <stdarg.h>
#include <stdio.h>

#include "cpu/access.h"
#include "cpu/code.h"
#include "machine/internal.h"

enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0 };

void machine_stop(struct machine *m, enum machine_stop reason, unsigned cpu, uint64_t value,
                  const char *format, ...)
{
    if (m->running)
        cpu_leave(m->running);
    if (m->stopped)
        return;
    m->stopped = true;
    m->stop.reason = reason;
    m->stop.cpu = cpu;
    m->stop.value = value;
    va_list args;
    va_start(args, format);
    vsnprintf(m->stop.text, sizeof m->stop.text, format, args);
    va_end(args);
}

/* ---- processor to platform ---- */

static void tell_port(struct machine *m, struct cpu *c, enum unmodelled kind, uint16_t port)
{
    if (m->hooks.unmodelled && !platform_has_port(m->platform, port))
        m->hooks.unmodelled(m->hooks.user, c, kind, port);
}

static uint32_t io_read(void *machine, struct cpu *c, uint16_t port, unsigned size)
{
    tell_port(machine, c, UNMODELLED_IN, port);
    return platform_io_read(((struct machine *)machine)->platform, port, size);
}

static void io_write(void *machine, struct cpu *c, uint16_t port, unsigned size, uint32_t value)
{
    tell_port(machine, c, UNMODELLED_OUT, port);
    platform_io_write(((struct machine *)machine)->platform, port, size, value);
}

static int interrupt_acknowledge(void *machine, struct cpu *c)
{
    return platform_acknowledge(((struct machine *)machine)->platform, c->index);
}

static struct lapic *lapic_of(void *machine, const struct cpu *c)
{
    return platform_lapic(((struct machine *)machine)->platform, c->index);
}

static bool apic_msr_read(void *machine, struct cpu *c, uint32_t index, uint64_t *value)
{
    const struct lapic *l = lapic_of(machine, c);
    switch (index) {
    case MSR_APIC_BASE: *value = l->base; return true;
    case MSR_TSC_DEADLINE: *value = lapic_tsc_deadline(l); return true;
    default: return lapic_msr_read(lapic_of(machine, c), index, value);
    }
}

static bool write_apic_base(struct machine *m, struct cpu *c, uint64_t value)
{
    if (!platform_write_apic_base(m->platform, c->index, value))
        return false;
    c->msr.apic_base = lapic_of(m, c)->base;
    return true;
}

static bool apic_msr_write(void *machine, struct cpu *c, uint32_t index, uint64_t value)
{
    switch (index) {
    case MSR_APIC_BASE: return write_apic_base(machine, c, value);
    case MSR_TSC_DEADLINE: lapic_write_tsc_deadline(lapic_of(machine, c), value); return true;
    default: return lapic_msr_write(lapic_of(machine, c), index, value);
    }
}

static uint8_t tpr_read(void *machine, struct cpu *c) { return lapic_of(machine, c)->tpr >> 4; }

static void tpr_write(void *machine, struct cpu *c, uint8_t cr8)
{
    lapic_set_tpr(lapic_of(machine, c), (uint8_t)(cr8 << 4));
}

static void apic_eoi(void *machine, struct cpu *c) { lapic_eoi(lapic_of(machine, c)); }

static void apic_notify(void *machine, struct cpu *c, uint32_t ndst, uint8_t vector)
{
    apic_bus_notify(lapic_of(machine, c), ndst, vector);
}

static void ignne(void *machine, struct cpu *c)
{
    platform_ferr(((struct machine *)machine)->platform);
}

static void init_taken(void *machine, struct cpu *c)
{
    lapic_init(lapic_of(machine, c));
    c->msr.apic_base = lapic_of(machine, c)->base;     /* INIT keeps IA32_APIC_BASE */
}

static void tsc_moved(void *machine, struct cpu *c) { lapic_tsc_changed(lapic_of(machine, c)); }

static void performance_interrupt(void *machine, struct cpu *c)
{
    lapic_performance(lapic_of(machine, c));
}

static const char *vector_name(unsigned vector)
{
    static const char *const names[] = {
        "#DE", "#DB", "NMI", "#BP", "#OF",       "#BR", "#UD", "#NM", "#DF", "vector 9", "#TS",
        "#NP", "#SS", "#GP", "#PF", "vector 15", "#MF", "#AC", "#MC", "#XM", "#VE",
        "#CP"
    };
    return vector < ARRAY_SIZE(names) ? names[vector] : "an interrupt";
}

static void triple_fault(void *machine, struct cpu *c)
{
    const struct event *last = &c->event, *outer = &c->delivering;
    machine_stop(
        machine, STOP_TRIPLE_FAULT, c->index, last->vector,
        "triple fault on processor %u at RIP %#llx: %s(%#x) while delivering %s; CR2 %#llx",
        c->index, (unsigned long long)c->rip, vector_name(last->vector),
        last->has_error ? last->error : 0, vector_name(outer->vector), (unsigned long long)c->cr2);
}

static void smm_changed(void *machine, struct cpu *c)
{
    platform_smm(((struct machine *)machine)->platform, c->smm);
}

static void bad_rsm(void *machine, struct cpu *c, const char *why)
{
    machine_stop(machine, STOP_TRIPLE_FAULT, c->index, 0,
                 "RSM shuts processor %u down: %s in the save-state area at SMBASE %#llx", c->index,
                 why, (unsigned long long)c->msr.smbase);
}

/* ---- platform to processor ---- */

/* A device or ROM appeared, moved or went. */
static void map_changed(void *context, uint64_t base, uint64_t size)
{
    struct machine *m = context;
    for (unsigned k = 0; k < m->cpus; k++)
        tlb_flush_all(m->cpu[k]);
    code_forget(m->code, base, size);
}

static uint64_t host_tick(void *context)
{
    const struct machine *m = context;
    return m->running ? cpu_tick(m->running) : m->now;
}

/* A deadline inside the running stretch shortens it. */
static void deadline_changed(void *context)
{
    struct machine *m = context;
    if (m->running && platform_deadline(m->platform) < m->until)
        cpu_leave(m->running);
}

static unsigned current(void *context)
{
    const struct machine *m = context;
    return m->running ? m->running->index : 0;
}

static void set_interrupt(void *context, unsigned cpu, bool level)
{
    struct cpu *c = machine_cpu(context, cpu);
    if (level && !(c->pending & PEND_INTR))
        cpu_set_pending(c, PEND_INTR);
    else if (!level && c->pending & PEND_INTR)
        cpu_clear_pending(c, PEND_INTR);
}

static void send_nmi(void *context, unsigned cpu)
{
    cpu_set_pending(machine_cpu(context, cpu), PEND_NMI);
}

static void send_smi(void *context, unsigned cpu)
{
    cpu_set_pending(machine_cpu(context, cpu), PEND_SMI);
}

/* A processor that waits for SIPI is in the state that INIT makes; the wait blocks other INITs. */
static void send_init(void *context, unsigned cpu)
{
    struct cpu *c = machine_cpu(context, cpu);
    if (c->activity != ACTIVITY_WAIT_SIPI)
        cpu_set_pending(c, PEND_INIT);
}

/* A startup IPI is lost unless the processor waits for it, or will after an INIT that is on its
 * way. */
static void send_startup(void *context, unsigned cpu, uint8_t vector)
{
    struct cpu *c = machine_cpu(context, cpu);
    if (c->activity != ACTIVITY_WAIT_SIPI && !(c->pending & PEND_INIT))
        return;
    c->sipi_vector = vector;
    cpu_set_pending(c, PEND_SIPI);
}

static uint64_t tsc_offset(void *context, unsigned cpu)
{
    return machine_cpu(context, cpu)->msr.tsc_offset;
}

/* The gate masks address bit 20 of every processor (SDM vol. 3, "A20M# pin"). */
static void set_a20(void *context, bool open)
{
    struct machine *m = context;
    for (unsigned k = 0; k < m->cpus; k++)
        cpu_set_a20(m->cpu[k], open);
}

static void platform_stops(void *context, enum platform_stop reason, uint64_t value,
                           const char *text)
{
    static const enum machine_stop reasons[] = {
        [PLATFORM_DEBUG_EXIT] = STOP_DEBUG_EXIT, [PLATFORM_POWER_OFF] = STOP_POWER_OFF,
        [PLATFORM_RESET] = STOP_RESET, [PLATFORM_NOT_MODELLED] = STOP_NOT_MODELLED,
    };
    machine_stop(context, reasons[reason], current(context), value, "%s", text);
}

void machine_connect(struct machine *m)
{
    m->host = (struct platform_host){
        .context = m, .now = host_tick, .changed = deadline_changed, .current = current,
        .interrupt = set_interrupt, .nmi = send_nmi, .smi = send_smi,
        .init = send_init, .startup = send_startup,
        .tsc_offset = tsc_offset, .a20 = set_a20, .stop = platform_stops,
    };
    m->bus = (struct cpu_bus){ .triple_fault = triple_fault, .bad_rsm = bad_rsm };
    mem_watch_map(m->mem, map_changed, m);
    if (!m->platform)
        return;
    m->bus.io_read = io_read;
    m->bus.io_write = io_write;
    m->bus.interrupt_acknowledge = interrupt_acknowledge;
    m->bus.apic_msr_read = apic_msr_read;
    m->bus.apic_msr_write = apic_msr_write;
    m->bus.tpr_read = tpr_read;
    m->bus.tpr_write = tpr_write;
    m->bus.apic_eoi = apic_eoi;
    m->bus.apic_notify = apic_notify;
    m->bus.ignne = ignne;
    m->bus.init = init_taken;
    m->bus.tsc_moved = tsc_moved;
    m->bus.performance_interrupt = performance_interrupt;
    m->bus.smm = smm_changed;
}
