// SPDX-License-Identifier: Apache-2.0
// Ports that exist for tests and debugging: debugcon, isa-debug-exit, pc-testdev, POST codes.
#ifndef SP_PLATFORM_DEBUG_PORTS_H
#define SP_PLATFORM_DEBUG_PORTS_H

#include "mem/phys.h"
#include "platform/bus.h"
#include "platform/host.h"

/* One port, 0xe9 or 0x402: bytes written appear on the sink; reads give 0xe9, by which guests
 * detect it. */
struct debugcon { struct char_sink sink; };
extern const struct port_ops debugcon_ports;

/* isa-debug-exit: a write of v ends the run with exit code (v << 1) | 1. */
struct debug_exit { const struct platform_host *host; };
extern const struct port_ops debug_exit_ports;

/* Port 0x80: holds the last POST code. */
struct post_port { uint8_t code; };
extern const struct port_ops post_ports;

/* QEMU's pc-testdev, which kvm-unit-tests drives: scratch ports at 0xe0 (1, 2 and 4 bytes wide) and
 * 0xe8, interrupt lines at 0x2000 + n, scratch memory at 0xff000000.  The page-flushing port 0xe4
 * is accepted and does nothing: there is no host page table behind guest memory. */
enum { TESTDEV_LINES = 24, TESTDEV_MEMORY = 0x10000 };
struct testdev {
    struct irq_line line[TESTDEV_LINES];
    uint8_t scratch[16];
    uint8_t memory[TESTDEV_MEMORY];
};
extern const struct port_ops testdev_scratch_ports;    /* 12 ports at 0xe0, less debugcon's */
extern const struct port_ops testdev_line_ports;       /* 24 ports at 0x2000 */
extern const struct mmio_ops testdev_memory;

#endif
