// SPDX-License-Identifier: Apache-2.0
#include "platform/pci_testdev.h"

#include <string.h>

#include "base/bits.h"

enum { MEMORY_SIZE = 4096, PORTS = 256, MEMORY_TESTS_AT = 2048, PORT_TESTS_AT = 128 };
enum {
    HEADER_TEST = 0,
    HEADER_WIDTH = 1,
    HEADER_OFFSET = 4,
    HEADER_DATA = 8,
    HEADER_COUNT = 12,
    HEADER_NAME = 16,
    HEADER_SIZE = 48
};
enum { WIDTH = 1, DATA = 0xfa, OTHER_DATA = 0xce };

/* The names are those that kvm-unit-tests prints for QEMU; how QEMU hears of a write is all that
 * its tests differ in, but for the last, which wants one value only. */
static const struct {
    const char *name;
    uint8_t data;
    bool match;
} tests[PCI_TESTDEV_TESTS] = {
    { "no-eventfd", OTHER_DATA, false },
    { "wildcard-eventfd", OTHER_DATA, false },
    { "datamatch-eventfd", DATA, true },
};

static uint32_t target(const struct pci_testdev *t)
{
    return (t->ports ? PORT_TESTS_AT : MEMORY_TESTS_AT) + t->test;
}

static void make_header(const struct pci_testdev *t, uint8_t h[HEADER_SIZE])
{
    uint32_t offset = target(t), data = tests[t->test].data;
    h[HEADER_WIDTH] = WIDTH;
    memcpy(h + HEADER_OFFSET, &offset, 4);
    memcpy(h + HEADER_DATA, &data, 4);
    memcpy(h + HEADER_COUNT, &t->count, 4);
    strcpy((char *)h + HEADER_NAME, t->ports ? "portio-" : "mmio-");
    strcat((char *)h + HEADER_NAME, tests[t->test].name);
}

static uint64_t bar_read(const struct pci_testdev_bar *b, uint64_t offset, unsigned size)
{
    const struct pci_testdev *t = b->owner;
    uint8_t header[HEADER_SIZE] = { 0 };
    uint64_t v = 0;
    if (t->running && t->ports == b->ports)
        make_header(t, header);
    if (offset + size <= sizeof header)
        memcpy(&v, header + offset, size);
    return v;
}

static void bar_write(const struct pci_testdev_bar *b, uint64_t offset, unsigned size, uint64_t v)
{
    struct pci_testdev *t = b->owner;
    if (offset == HEADER_TEST) {
        t->running = (uint8_t)v < ARRAY_SIZE(tests);
        t->ports = b->ports;
        t->test = t->running ? (uint8_t)v : 0;
        t->count = 0;
    } else if (t->running && t->ports == b->ports && offset == target(t) && size == WIDTH &&
               (!tests[t->test].match || (uint8_t)v == tests[t->test].data)) {
        t->count++;
    }
}

static uint64_t memory_read(void *device, uint64_t offset, unsigned size)
{
    return bar_read(device, offset, size);
}
static void memory_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    bar_write(device, offset, size, value);
}
static uint32_t ports_read(void *device, uint16_t offset, unsigned size)
{
    return (uint32_t)bar_read(device, offset, size);
}
static void ports_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    bar_write(device, offset, size, value);
}

static const struct mmio_ops memory_ops = { memory_read, memory_write };
static const struct port_ops port_ops = { ports_read, ports_write, 4 };

static void written(struct pci_function *f, unsigned offset, unsigned size)
{
    if (size == PCI_CONFIG_SIZE) /* a reset */
        ((struct pci_testdev *)f->device)->running = false;
}

bool pci_testdev_init(struct pci_testdev *t, struct pci *p, struct sp_error *e)
{
    static const struct pci_identity id = { .vendor = 0x1b36,
                                            .device = 0x0005,
                                            .subsystem_vendor = 0x1af4,
                                            .subsystem = 0x1100,
                                            .class_code = 0x00ff00 };
    struct pci_function *f = &t->function;
    pci_function_init(f, PCI_TESTDEV_DEVFN, &id);
    f->device = t;
    f->written = written;
    for (unsigned k = 0; k < PCI_TESTDEV_BARS; k++)
        t->bar[k] = (struct pci_testdev_bar){ t, k == 1 };
    pci_add_bar(f, 0,
                &(struct pci_bar){ .kind = PCI_BAR_MEMORY,
                                   .size = MEMORY_SIZE,
                                   .mmio = &memory_ops,
                                   .device = &t->bar[0] });
    pci_add_bar(f, 1,
                &(struct pci_bar){
                    .kind = PCI_BAR_IO, .size = PORTS, .ports = &port_ops, .device = &t->bar[1] });
    return pci_add(p, f, e);
}
