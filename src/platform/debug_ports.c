// SPDX-License-Identifier: Apache-2.0
#include "platform/debug_ports.h"

#include <string.h>

static uint32_t debugcon_read(void *device, uint16_t offset, unsigned size) { return 0xe9; }

static void debugcon_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct debugcon *d = device;
    uint8_t byte = (uint8_t)value;
    if (d->sink.write)
        d->sink.write(d->sink.user, &byte, 1);
}

const struct port_ops debugcon_ports = { debugcon_read, debugcon_write, 1 };

static uint32_t exit_read(void *device, uint16_t offset, unsigned size) { return 0; }

static void exit_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct debug_exit *d = device;
    d->host->stop(d->host->context, PLATFORM_DEBUG_EXIT, (uint64_t)value << 1 | 1,
                  "the guest wrote to isa-debug-exit");
}

const struct port_ops debug_exit_ports = { exit_read, exit_write, 4 };

static uint32_t post_read(void *device, uint16_t offset, unsigned size)
{
    return ((struct post_port *)device)->code;
}

static void post_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    ((struct post_port *)device)->code = (uint8_t)value;
}

const struct port_ops post_ports = { post_read, post_write, 1 };

static uint32_t scratch_read(void *device, uint16_t offset, unsigned size)
{
    struct testdev *t = device;
    uint32_t v = 0;
    if (offset + size <= sizeof t->scratch)
        memcpy(&v, t->scratch + offset, size);
    return v;
}

static void scratch_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct testdev *t = device;
    if (offset + size <= sizeof t->scratch)
        memcpy(t->scratch + offset, &value, size);
}

const struct port_ops testdev_scratch_ports = { scratch_read, scratch_write, 4 };

static uint32_t line_read(void *device, uint16_t offset, unsigned size) { return 0xff; }

static void line_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
    struct testdev *t = device;
    if (offset < TESTDEV_LINES)
        irq_set(&t->line[offset], value != 0);
}

const struct port_ops testdev_line_ports = { line_read, line_write, 1 };

static uint64_t memory_read(void *device, uint64_t offset, unsigned size)
{
    struct testdev *t = device;
    uint64_t v = 0;
    if (offset <= TESTDEV_MEMORY - size)
        memcpy(&v, t->memory + offset, size);
    return v;
}

static void memory_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct testdev *t = device;
    if (offset <= TESTDEV_MEMORY - size)
        memcpy(t->memory + offset, &value, size);
}

const struct mmio_ops testdev_memory = { memory_read, memory_write };
