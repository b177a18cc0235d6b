// SPDX-License-Identifier: Apache-2.0
#include "platform/virtio_pci.h"

#include <string.h>

enum {
    VENDOR_ID = 0x1af4,
    FIRST_DEVICE_ID = 0x1040,
    SUBSYSTEM_ID = 0x1100,
    CAPABILITY_VENDOR = 0x09,
    NO_VECTOR = 0xffff
};
/* BAR 1 holds the MSI-X table, BAR 4 the structures, a page each. */
enum { BAR_MSIX = 1, BAR_STRUCTURES = 4, BAR_SIZE = 0x4000, STRUCTURE_SHIFT = 12 };
enum { NOTIFY_MULTIPLIER = 4 };
enum structure { COMMON, ISR, DEVICE, NOTIFY };
enum cap_type { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_WINDOW };
/* "Virtio Structure PCI Capabilities": offsets in a capability */
enum { CAP_LENGTH = 2, CAP_TYPE = 3, CAP_BAR = 4, CAP_AT = 8, CAP_SIZE = 12, CAP_EXTRA = 16 };
enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

/* ---- notifications to the driver ---- */

static void update_pin(struct virtio_pci *p)
{
    pci_set_intx(&p->function, p->isr && !pci_msix_enabled(&p->function));
}

static void send(struct virtio_pci *p, uint16_t vector)
{
    if (vector < p->function.msix_vectors)
        pci_msix_send(&p->function, vector);
}

/* "Used Buffer Notifications" */
static void queue_used(void *context, unsigned queue)
{
    struct virtio_pci *p = context;
    if (pci_msix_enabled(&p->function)) {
        send(p, p->virtio->queue[queue].vector);
        return;
    }
    p->isr |= ISR_QUEUE;
    update_pin(p);
}

/* "Notification of Device Configuration Changes": the ISR bit is set in either case. */
static void config_changed(void *context)
{
    struct virtio_pci *p = context;
    p->isr |= ISR_CONFIG;
    if (pci_msix_enabled(&p->function))
        send(p, p->config_vector);
    update_pin(p);
}

static bool may_transfer(void *context)
{
    return pci_is_master(&((struct virtio_pci *)context)->function);
}

/* ---- the common configuration structure ---- */

static struct virtio_queue *selected(const struct virtio_pci *p)
{
    unsigned k = p->queue_select;
    return k < p->virtio->type->queues ? &p->virtio->queue[k] : NULL;
}

/* A queue's fields can be changed until it is enabled. */
static struct virtio_queue *writable(const struct virtio_pci *p)
{
    struct virtio_queue *q = selected(p);
    return q && !q->enabled ? q : NULL;
}

static uint32_t get_device_select(const struct virtio_pci *p) { return p->device_select; }
static void set_device_select(struct virtio_pci *p, uint32_t v) { p->device_select = v; }
static uint32_t get_device_feature(const struct virtio_pci *p)
{
    return virtio_features(p->virtio->offered, p->device_select);
}
static uint32_t get_driver_select(const struct virtio_pci *p) { return p->driver_select; }
static void set_driver_select(struct virtio_pci *p, uint32_t v) { p->driver_select = v; }
static uint32_t get_driver_feature(const struct virtio_pci *p)
{
    return virtio_features(p->virtio->accepted, p->driver_select);
}
static void set_driver_feature(struct virtio_pci *p, uint32_t v)
{
    virtio_accept(p->virtio, p->driver_select, v);
}

/* A vector that the device cannot send reads back as "none" ("MSI-X Vector Configuration"). */
static uint16_t vector(const struct virtio_pci *p, uint32_t v)
{
    return v < p->function.msix_vectors ? (uint16_t)v : NO_VECTOR;
}
static uint32_t get_config_vector(const struct virtio_pci *p) { return p->config_vector; }
static void set_config_vector(struct virtio_pci *p, uint32_t v) { p->config_vector = vector(p, v); }
static uint32_t get_queues(const struct virtio_pci *p) { return p->virtio->type->queues; }

static uint32_t get_status(const struct virtio_pci *p) { return p->virtio->status; }
static void set_status(struct virtio_pci *p, uint32_t v)
{
    virtio_write_status(p->virtio, (uint8_t)v);
    if (!v)
        virtio_pci_reset(p);
}

static uint32_t get_queue_select(const struct virtio_pci *p) { return p->queue_select; }
static void set_queue_select(struct virtio_pci *p, uint32_t v) { p->queue_select = (uint16_t)v; }

static uint32_t get_queue_size(const struct virtio_pci *p)
{
    const struct virtio_queue *q = selected(p);
    return q ? q->size : 0;
}
static void set_queue_size(struct virtio_pci *p, uint32_t v)
{
    struct virtio_queue *q = writable(p);
    if (q && v && v <= q->max && !(v & (v - 1)))
        q->size = (uint16_t)v;
}

static uint32_t get_queue_vector(const struct virtio_pci *p)
{
    const struct virtio_queue *q = selected(p);
    return q ? q->vector : NO_VECTOR;
}
static void set_queue_vector(struct virtio_pci *p, uint32_t v)
{
    struct virtio_queue *q = selected(p);
    if (q)
        q->vector = vector(p, v);
}

static uint32_t get_queue_enable(const struct virtio_pci *p)
{
    const struct virtio_queue *q = selected(p);
    return q && q->enabled;
}
static void set_queue_enable(struct virtio_pci *p, uint32_t v)
{
    if (v == 1 && writable(p))
        virtio_enable(p->virtio, p->queue_select);
}

static uint32_t get_notify_offset(const struct virtio_pci *p)
{
    return selected(p) ? p->queue_select : 0;
}

/* The three addresses, in halves. */
#define ADDRESS_HALF(member, name, shift)                                                          \
    static uint32_t get_##name(const struct virtio_pci *p)                                         \
    {                                                                                              \
        const struct virtio_queue *q = selected(p);                                                \
        return q ? (uint32_t)(q->member >> (shift)) : 0;                                           \
    }                                                                                              \
    static void set_##name(struct virtio_pci *p, uint32_t v)                                       \
    {                                                                                              \
        struct virtio_queue *q = writable(p);                                                      \
        if (q)                                                                                     \
            q->member = (q->member & ~((uint64_t)UINT32_MAX << (shift))) | (uint64_t)v << (shift); \
    }
ADDRESS_HALF(descriptors, descriptors_low, 0)
ADDRESS_HALF(descriptors, descriptors_high, 32)
ADDRESS_HALF(available, available_low, 0)
ADDRESS_HALF(available, available_high, 32)
ADDRESS_HALF(used, used_low, 0)
ADDRESS_HALF(used, used_high, 32)
#undef ADDRESS_HALF

/* "Common configuration structure layout" */
static const struct field {
    uint8_t offset, size;
    uint32_t (*get)(const struct virtio_pci *p);
    void (*set)(struct virtio_pci *p, uint32_t v); /* NULL: read-only */
} fields[] = {
    { 0, 4, get_device_select, set_device_select },
    { 4, 4, get_device_feature, NULL },
    { 8, 4, get_driver_select, set_driver_select },
    { 12, 4, get_driver_feature, set_driver_feature },
    { 16, 2, get_config_vector, set_config_vector },
    { 18, 2, get_queues, NULL },
    { 20, 1, get_status, set_status },
    /* 21: config_generation is always 0, for no device's configuration changes */
    { 22, 2, get_queue_select, set_queue_select },
    { 24, 2, get_queue_size, set_queue_size },
    { 26, 2, get_queue_vector, set_queue_vector },
    { 28, 2, get_queue_enable, set_queue_enable },
    { 30, 2, get_notify_offset, NULL },
    { 32, 4, get_descriptors_low, set_descriptors_low },
    { 36, 4, get_descriptors_high, set_descriptors_high },
    { 40, 4, get_available_low, set_available_low },
    { 44, 4, get_available_high, set_available_high },
    { 48, 4, get_used_low, set_used_low },
    { 52, 4, get_used_high, set_used_high },
    /* queue_notify_data and queue_reset belong to features that are not offered */
};
enum { COMMON_SIZE = 64 };

/* Drivers use accesses of a field's own width; others see the bytes that they cover. */
static uint64_t common_read(const struct virtio_pci *p, unsigned offset, unsigned size)
{
    uint8_t bytes[COMMON_SIZE + 8] = { 0 };
    uint64_t value = 0;
    for (size_t k = 0; k < ARRAY_SIZE(fields); k++) {
        uint32_t v = fields[k].get(p);
        memcpy(bytes + fields[k].offset, &v, fields[k].size);
    }
    memcpy(&value, bytes + offset, size);
    return value;
}

static void common_write(struct virtio_pci *p, unsigned offset, unsigned size, uint64_t value)
{
    for (size_t k = 0; k < ARRAY_SIZE(fields); k++) {
        const struct field *f = &fields[k];
        bool touched = f->set && f->offset < offset + size && offset < f->offset + f->size;
        uint32_t v = touched ? f->get(p) : 0;
        for (unsigned n = 0; touched && n < f->size; n++)
            if (f->offset + n - offset < size)
                ((uint8_t *)&v)[n] = (uint8_t)(value >> 8 * (f->offset + n - offset));
        if (touched)
            f->set(p, v);
    }
}

/* ---- the structures in BAR 4 ---- */

static uint64_t device_read(const struct virtio *v, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    for (unsigned k = 0; k < size && offset + k < v->config_size; k++)
        value |= (uint64_t)v->config[offset + k] << 8 * k;
    return value;
}

/* "ISR status capability": reading clears it and the interrupt. */
static uint8_t read_isr(struct virtio_pci *p)
{
    uint8_t isr = p->isr;
    p->isr = 0;
    update_pin(p);
    return isr;
}

static uint64_t structure_read(void *device, uint64_t offset, unsigned size)
{
    struct virtio_pci *p = device;
    unsigned at = (unsigned)offset & ((1 << STRUCTURE_SHIFT) - 1);
    switch ((enum structure)(offset >> STRUCTURE_SHIFT)) {
    case COMMON: return at < COMMON_SIZE ? common_read(p, at, size) : 0;
    case ISR: return at ? 0 : read_isr(p);
    case DEVICE: return device_read(p->virtio, at, size);
    case NOTIFY: break;
    }
    return 0;
}

static void structure_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio_pci *p = device;
    unsigned at = (unsigned)offset & ((1 << STRUCTURE_SHIFT) - 1);
    enum structure s = (enum structure)(offset >> STRUCTURE_SHIFT);
    if (s == COMMON && at < COMMON_SIZE)
        common_write(p, at, size, value);
    else if (s == NOTIFY)
        virtio_notify(p->virtio, at / NOTIFY_MULTIPLIER);
}

static const struct mmio_ops structures = { structure_read, structure_write };

/* ---- capabilities ---- */

static void put(struct virtio_pci *p, unsigned at, uint32_t v, unsigned n)
{
    memcpy(p->function.config + at, &v, n);
}

static uint32_t get(const struct virtio_pci *p, unsigned at)
{
    uint32_t v;
    memcpy(&v, p->function.config + at, sizeof v);
    return v;
}

static unsigned add_capability(struct virtio_pci *p, enum cap_type type, enum structure s,
                               unsigned size, unsigned extra)
{
    unsigned cap = pci_add_capability(&p->function, CAPABILITY_VENDOR, CAP_EXTRA + extra);
    put(p, cap + CAP_LENGTH, CAP_EXTRA + extra, 1);
    put(p, cap + CAP_TYPE, type, 1);
    put(p, cap + CAP_BAR, size ? BAR_STRUCTURES : 0, 1);
    put(p, cap + CAP_AT, size ? (uint32_t)s << STRUCTURE_SHIFT : 0, 4);
    put(p, cap + CAP_SIZE, size, 4);
    return cap;
}

static void add_capabilities(struct virtio_pci *p)
{
    unsigned queues = p->virtio->type->queues;
    add_capability(p, CAP_COMMON, COMMON, COMMON_SIZE, 0);
    add_capability(p, CAP_ISR, ISR, 4, 0);
    add_capability(p, CAP_DEVICE, DEVICE, (p->virtio->config_size + 3) & ~3u, 0);
    unsigned notify = add_capability(p, CAP_NOTIFY, NOTIFY, queues * NOTIFY_MULTIPLIER, 4);
    put(p, notify + CAP_EXTRA, NOTIFY_MULTIPLIER, 4);
    p->window = add_capability(p, CAP_WINDOW, COMMON, 0, 4);
    p->function.writable[p->window + CAP_BAR] = 0xff;
    memset(p->function.writable + p->window + CAP_AT, 0xff, 12);
}

/* ---- "PCI configuration access capability": a window from configuration space to a BAR ---- */

static bool touches_window(const struct virtio_pci *p, unsigned offset, unsigned size)
{
    unsigned data = p->window + CAP_EXTRA;
    return offset < data + 4 && data < offset + size;
}

/* Only our own structures can be reached; anything else reads as zero. */
static bool window(const struct virtio_pci *p, uint32_t *offset, uint32_t *size)
{
    *offset = get(p, p->window + CAP_AT);
    *size = get(p, p->window + CAP_SIZE);
    return p->function.config[p->window + CAP_BAR] == BAR_STRUCTURES &&
           (*size == 1 || *size == 2 || *size == 4) && !(*offset % *size) && *offset < BAR_SIZE;
}

static void config_reading(struct pci_function *f, unsigned offset, unsigned size)
{
    struct virtio_pci *p = f->device;
    uint32_t at, n;
    if (!touches_window(p, offset, size))
        return;
    put(p, p->window + CAP_EXTRA, window(p, &at, &n) ? (uint32_t)structure_read(p, at, n) : 0, 4);
}

static void config_written(struct pci_function *f, unsigned offset, unsigned size)
{
    struct virtio_pci *p = f->device;
    uint32_t at, n;
    if (touches_window(p, offset, size) && window(p, &at, &n))
        structure_write(p, at, n, get(p, p->window + CAP_EXTRA) & size_mask(n));
    update_pin(p); /* MSI-X may have been switched on or off */
}

/* ---- life ---- */

void virtio_pci_reset(struct virtio_pci *p)
{
    p->device_select = p->driver_select = 0;
    p->queue_select = 0;
    p->config_vector = NO_VECTOR;
    p->isr = 0;
    virtio_reset(p->virtio);
    update_pin(p);
}

bool virtio_pci_init(struct virtio_pci *p, struct virtio *v, struct pci *bus, uint8_t devfn,
                     struct sp_error *e)
{
    const struct pci_identity id = {
        .vendor = VENDOR_ID,
        .device = (uint16_t)(FIRST_DEVICE_ID + v->type->id),
        .subsystem_vendor = VENDOR_ID,
        .subsystem = SUBSYSTEM_ID,
        .class_code = v->type->pci_class,
        .revision = 1,
        .pin = 1,
    };
    const struct pci_bar bar = {
        .kind = PCI_BAR_MEMORY_64, .size = BAR_SIZE, .mmio = &structures, .device = p
    };
    p->virtio = v;
    v->transport = (struct virtio_transport){ p, queue_used, config_changed, may_transfer };
    pci_function_init(&p->function, devfn, &id);
    p->function.device = p;
    p->function.reading = config_reading;
    p->function.written = config_written;
    pci_add_bar(&p->function, BAR_STRUCTURES, &bar);
    pci_add_msix(&p->function, BAR_MSIX, v->type->queues + 1);
    add_capabilities(p);
    if (!pci_add(bus, &p->function, e))
        return false;
    virtio_pci_reset(p);
    return true;
}
