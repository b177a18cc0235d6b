// SPDX-License-Identifier: Apache-2.0
#include "platform/saved.h"

#define SAVED_ROWS "platform/saved.def"
#include "base/saved_tables.h"

/* ---- port ranges: those that come and go belong to the LPC bridge or to a BAR ---- */

enum range_owner { RANGE_FREE, RANGE_PM, RANGE_BAR };

static struct pci_bar *bar_at(const struct platform *p, uint64_t n)
{
    return n / PCI_BARS < p->pci.functions ? &p->pci.function[n / PCI_BARS]->bar[n % PCI_BARS]
                                           : NULL;
}

static uint64_t owner_of(const struct platform *p, const struct port_range *r)
{
    if (!r->count)
        return RANGE_FREE;
    for (uint64_t n = 0; bar_at(p, n); n++)
        if (bar_at(p, n)->ports == r->ops && bar_at(p, n)->device == r->device)
            return RANGE_BAR + n;
    return RANGE_PM;
}

static bool set_owner(struct platform *p, struct port_range *r, uint64_t owner)
{
    const struct pci_bar *bar = owner >= RANGE_BAR ? bar_at(p, owner - RANGE_BAR) : NULL;
    if (owner == RANGE_PM)
        r->ops = &acpi_pm_ports, r->device = &p->pm;
    else if (bar && bar->kind == PCI_BAR_IO)
        r->ops = bar->ports, r->device = bar->device;
    return (!r->count && owner == RANGE_FREE) ||
           (r->count && r->ops && r->base + r->count <= 0x10000);
}

static bool range_saved(struct platform *p, struct saved_stream *s, struct port_range *r)
{
    uint64_t owner = s->loading ? 0 : owner_of(p, r);
    if (s->loading)
        *r = (struct port_range){ 0 };
    if (!saved_object(s, saved_port_range(), r) || !saved_number(s, &owner))
        return false;
    if (!s->loading || set_owner(p, r, owner))
        return true;
    *r = (struct port_range){ 0 };
    return saved_fail(s, "a port range of nobody");
}

static bool ports_saved(struct platform *p, struct saved_stream *s)
{
    struct port_bus *b = &p->ports;
    uint64_t ranges = b->ranges;
    if (!saved_same(s, b->fixed, "fixed port ranges") || !saved_number(s, &ranges))
        return false;
    if (ranges < b->fixed || ranges > BUS_RANGES)
        return saved_fail(s, "%llu port ranges", (unsigned long long)ranges);
    for (unsigned k = b->fixed + 1; k <= ranges; k++)
        if (!range_saved(p, s, &b->range[k]))
            return false;
    for (unsigned k = (unsigned)ranges + 1; k <= BUS_RANGES; k++)
        b->range[k] = (struct port_range){ 0 };
    b->ranges = (unsigned)ranges;
    return true;
}

/* ---- virtio ---- */

/* Why a queue broke was said when it did. */
static bool virtio_saved(struct virtio *v, struct saved_stream *s)
{
    for (unsigned k = 0; k < VIRTIO_QUEUES_MAX; k++) {
        struct virtio_queue *q = &v->queue[k];
        bool broken = q->fault;
        if (!saved_flag(s, &broken))
            return false;
        if (s->loading)
            q->fault = broken ? "it was broken when the machine was saved" : NULL;
    }
    return true;
}

/* What the guest wrote, if that stays in memory. */
static bool disk_saved(struct virtio_blk *b, struct saved_stream *s)
{
    const struct block_store *store = &b->store;
    return saved_object(s, saved_virtio_blk(), b) &&
           (!store->saved || store->saved(store->user, s));
}

static bool virtio_devices_saved(struct virtio_devices *d, struct saved_stream *s)
{
    if (!saved_same(s, d->count, "virtio devices") ||
        !saved_object(s, saved_virtio_devices(), d))
        return false;
    for (unsigned k = 0; k < d->count; k++) {
        struct virtio *v = d->function[k].virtio;
        if (v != &d->console.virtio && !disk_saved(&d->disk[k], s))
            return false;
        if (!virtio_saved(v, s))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

static bool apics_saved(struct platform *p, struct saved_stream *s)
{
    for (unsigned k = 0; k < p->apics.count; k++)
        if (!saved_object(s, saved_lapic(), &p->apics.lapic[k]))
            return false;
    return true;
}

bool platform_saved(struct platform *p, struct saved_stream *s)
{
    return saved_object(s, saved_platform(), p) && ports_saved(p, s) && apics_saved(p, s) &&
           (!p->testdev || saved_object(s, saved_testdev(), p->testdev)) &&
           (!p->pci_testdev || saved_object(s, saved_pci_testdev(), p->pci_testdev)) &&
           virtio_devices_saved(p->virtio, s);
}
