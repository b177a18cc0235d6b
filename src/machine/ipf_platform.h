// SPDX-License-Identifier: Apache-2.0
// The devices of an Itanium machine: processor interrupt block, I/O SAPIC, and in the I/O port
// space a 16550 and ACPI's fixed hardware.
#ifndef SP_MACHINE_IPF_PLATFORM_H
#define SP_MACHINE_IPF_PLATFORM_H

#include "ipf/cpu.h"
#include "platform/acpi_pm.h"
#include "platform/bus.h"
#include "platform/iosapic.h"
#include "platform/uart.h"

#define IPF_INTERRUPT_BLOCK UINT64_C(0xfee00000)
#define IPF_INTERRUPT_BLOCK_SIZE UINT64_C(0x200000)
#define IPF_PORTS UINT64_C(0xffffc000000) /* port p stands at (p >> 2) << 12 | (p & 0xfff) */
#define IPF_PORTS_SIZE UINT64_C(0x4000000)
enum { IPF_COM1 = 0x3f8, IPF_COM1_IRQ = 4, IPF_SCI_IRQ = 9 };

enum { IPF_CPUS_MAX = 64 };

struct ipf_platform {
    struct ipf_cpu *cpu; /* the first one; the others are beside it                */
    unsigned cpus;
    struct ipf_cpu *running; /* the one whose accesses devices see, and whose time it is */
    struct platform_host host;
    struct port_bus ports;
    struct uart uart;
    struct acpi_pm pm;
    struct iosapic iosapic;
    uint8_t xtp[IPF_CPUS_MAX]; /* task priorities, 0 to 15 */
    bool stopped; /* the guest asked for power-off or reset */
    enum platform_stop reason;
    const char *text;
};

/* CR.LID as firmware sets it: the id is the processor's number, the eid 0. */
static inline uint64_t ipf_lid(unsigned index) { return (uint64_t)index << 24; }

/* False: the table of memory regions is full. */
bool ipf_platform_init(struct ipf_platform *p, struct ipf_cpu *cpu, struct mem *mem,
                       struct char_sink serial);
uint64_t ipf_platform_now(const struct ipf_platform *p);
/* Another processor runs from now on: for it the others' time was idle. */
void ipf_platform_switch(struct ipf_platform *p, struct ipf_cpu *c);
/* The tick at which a device wants to act. */
uint64_t ipf_platform_deadline(const struct ipf_platform *p);
void ipf_platform_advance(struct ipf_platform *p);
/* Ends the run behind the current instruction. */
void ipf_platform_stop(struct ipf_platform *p, enum platform_stop reason, const char *text);

#endif
