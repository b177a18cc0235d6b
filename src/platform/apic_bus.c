// SPDX-License-Identifier: Apache-2.0
// Interprocessor interrupts and the messages of the I/O APIC: who is meant, and what happens there.
#include "base/bits.h"
#include "platform/lapic.h"

enum { ICR_LOGICAL = 1 << 11, ICR_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15 };
enum { SHORT_NONE, SHORT_SELF, SHORT_ALL, SHORT_OTHERS };

/* SDM "Logical Destination Mode" and "Logical Destination Mode in x2APIC Mode". */
static bool logical_match(const struct lapic *l, uint32_t destination)
{
    if (lapic_x2apic(l))
        return l->ldr >> 16 == destination >> 16 && l->ldr & destination & 0xffff;
    uint8_t id = (uint8_t)(l->ldr >> 24);
    if (l->dfr >> 28 == 0xf)
        return id & destination;                                          /* flat */
    return l->dfr >> 28 == 0 && id >> 4 == (destination >> 4 & 15) &&
           id & destination & 15; /* cluster */
}

static bool is_destination(const struct lapic *l, const struct apic_message *m)
{
    if (!lapic_enabled(l))
        return false;
    if (m->broadcast || m->destination == (m->wide ? UINT32_MAX : 0xff))
        return true;
    return m->logical ? logical_match(l, m->destination) : l->id == m->destination;
}

static void deliver(struct lapic *l, const struct apic_message *m)
{
    const struct platform_host *h = l->host;
    switch (m->mode) {
    case DELIVER_FIXED:
    case DELIVER_LOWEST: lapic_accept(l, m->vector, m->level); break;
    case DELIVER_SMI: h->smi(h->context, l->cpu); break;
    case DELIVER_NMI: h->nmi(h->context, l->cpu); break;
    case DELIVER_INIT: h->init(h->context, l->cpu); break;
    case DELIVER_STARTUP: h->startup(h->context, l->cpu, m->vector); break;
    case DELIVER_EXTINT: lapic_extint(l); break;
    default: break;                      /* reserved */
    }
}

/* Lowest-priority arbitration: the lowest processor priority, then the lowest index. */
static struct lapic *lowest_priority(struct apic_bus *b, const struct apic_message *m)
{
    struct lapic *best = NULL;
    for (unsigned k = 0; k < b->count; k++) {
        struct lapic *l = &b->lapic[k];
        if (is_destination(l, m) && lapic_software_enabled(l) &&
            (!best || lapic_ppr(l) < lapic_ppr(best)))
            best = l;
    }
    return best;
}

void apic_bus_send(struct apic_bus *b, const struct apic_message *m)
{
    if (m->mode == DELIVER_LOWEST) {
        struct lapic *l = lowest_priority(b, m);
        if (l)
            deliver(l, m);
        return;
    }
    for (unsigned k = 0; k < b->count; k++)
        if (is_destination(&b->lapic[k], m))
            deliver(&b->lapic[k], m);
}

static void send_others(struct lapic *from, const struct apic_message *m)
{
    for (unsigned k = 0; k < from->bus->count; k++)
        if (&from->bus->lapic[k] != from && lapic_enabled(&from->bus->lapic[k]))
            deliver(&from->bus->lapic[k], m);
}

/* SDM "Interrupt Command Register (ICR)". */
void apic_bus_command(struct lapic *l)
{
    uint32_t low = (uint32_t)l->icr;
    struct apic_message m = {
        .mode = low >> 8 & 7,
        .vector = (uint8_t)low,
        .logical = low & ICR_LOGICAL,
        .wide = lapic_x2apic(l),
        .destination = (uint32_t)(lapic_x2apic(l) ? l->icr >> 32 : l->icr >> 56),
    };
    bool fixed = m.mode == DELIVER_FIXED || m.mode == DELIVER_LOWEST;
    if (m.mode == DELIVER_INIT && low & ICR_LEVEL && !(low & ICR_ASSERT))
        return; /* INIT level de-assert: arbitration IDs, of old processors only */
    if (fixed && m.vector < 16) {
        lapic_error(l, ESR_SEND_ILLEGAL);
        return;
    }
    switch (low >> 18 & 3) {
    case SHORT_SELF:                     /* fixed only ("Valid Combinations for the ... ICR") */
        if (m.mode == DELIVER_FIXED)
            deliver(l, &m);
        break;
    case SHORT_OTHERS: send_others(l, &m); break;
    case SHORT_ALL: m.broadcast = true; apic_bus_send(l->bus, &m); break;
    default: apic_bus_send(l->bus, &m); break;
    }
}

/* SDM "Posted-Interrupt Processing", format of the descriptor: the notification destination is an
 * x2APIC ID, or in bits 15:8 an xAPIC ID. */
void apic_bus_notify(struct lapic *l, uint32_t ndst, uint8_t vector)
{
    bool wide = lapic_x2apic(l);
    if (!lapic_enabled(l))
        return;
    apic_bus_send(l->bus, &(struct apic_message){
                              .mode = DELIVER_FIXED,
                              .vector = vector,
                              .wide = wide,
                              .destination = wide ? ndst : ndst >> 8 & 0xff,
                          });
}
