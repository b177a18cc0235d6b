// SPDX-License-Identifier: Apache-2.0
// PCI: configuration mechanism #1 (PCI Local Bus Specification 3.0, section 3.2.2.3.2), the memory-
// mapped one of PCI Express (Base Specification, "PCI Express Enhanced Configuration Access
// Mechanism"), base address registers, INTx and MSI-X, for the functions of bus 0.
#ifndef SP_PLATFORM_PCI_H
#define SP_PLATFORM_PCI_H

#include "base/error.h"
#include "mem/phys.h"
#include "platform/bus.h"
#include "platform/host.h"

enum { PCI_FUNCTIONS = 32, PCI_CONFIG_SIZE = 4096, PCI_BARS = 6, PCI_MSIX_VECTORS = 64 };
enum {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d
};
enum {
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_INTX_DISABLE = 1 << 10
};
enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY, PCI_BAR_MEMORY_64 };

/* What stands behind a base address register; `offset` of the accesses is relative to the BAR. */
struct pci_bar {
    enum pci_bar_kind kind;
    uint64_t size;                       /* a power of two; at least 4 KiB for memory, 4 for I/O */
    const struct mmio_ops *mmio;         /* memory                                               */
    const struct port_ops *ports;        /* I/O                                                  */
    void *device;
    uint64_t at;                         /* where it is mapped now                               */
    bool mapped;
    struct mem_region *region;
};

struct pci_msix { uint64_t address; uint32_t data, control; };

struct pci;
struct pci_function {
    struct pci *bus;
    void *device;                        /* for the owner */
    uint8_t devfn;
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t writable[PCI_CONFIG_SIZE];   /* bits that configuration writes change */
    uint8_t clears[PCI_CONFIG_SIZE];     /* bits that writing 1 clears            */
    uint8_t initial[PCI_CONFIG_SIZE];    /* config after pci_add(), for resets    */
    struct pci_bar bar[PCI_BARS];
    /* Called after a configuration write changed [offset, offset + size), and for the whole space
     * after a reset; may be NULL. */
    void (*written)(struct pci_function *f, unsigned offset, unsigned size);
    /* Called before a configuration read; may be NULL. */
    void (*reading)(struct pci_function *f, unsigned offset, unsigned size);
    unsigned next_capability, last_capability;
    unsigned msix_capability, msix_vectors; /* 0: none */
    struct pci_msix msix[PCI_MSIX_VECTORS];
    uint64_t msix_pending;
    bool intx;       /* the device asserts its INTx# pin               */
    bool pin_driven; /* and the pin does, too: not disabled, no MSI-X  */
};

/* A message signalled interrupt: a write of `data` to `address` (SDM vol. 3, "Message Signalled
 * Interrupts"). */
struct pci_signals {
    void *context;
    void (*message)(void *context, uint64_t address, uint32_t data);
    void (*pin)(void *context, unsigned devfn, unsigned pin /* 0: INTA# */, bool level);
};

/* ---- for devices ---- */

struct pci_identity {
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint32_t class_code;                 /* base class, subclass, interface: 24 bits */
    uint8_t revision, header, pin;       /* pin: 0 none, 1 INTA# */
};
/* Fills the header of configuration space.  Then the device adds BARs and capabilities, and at last
 * calls pci_add(). */
void pci_function_init(struct pci_function *f, uint8_t devfn, const struct pci_identity *id);
/* BAR `index` (a 64-bit one takes the next register too).  It decodes only while it lies wholly
 * where PCI is: ports up to FFFFH but 0, memory above low RAM and below FEC00000H (the I/O APIC and
 * its neighbours), or above all RAM. */
void pci_add_bar(struct pci_function *f, unsigned index, const struct pci_bar *bar);
/* Appends a capability of `size` bytes in all to the list; returns its offset. */
unsigned pci_add_capability(struct pci_function *f, uint8_t id, unsigned size);
/* MSI-X with its table in a memory BAR of its own, `index`, of 4 KiB: table at 0, pending bits at
 * 800H. */
void pci_add_msix(struct pci_function *f, unsigned index, unsigned vectors);
/* Puts the function on the bus. */
bool pci_add(struct pci *p, struct pci_function *f, struct sp_error *e);

bool pci_msix_enabled(const struct pci_function *f);
/* Sends the vector's message, or remembers it while it is masked or the function may not master
 * the bus.  Nothing if MSI-X is not enabled. */
void pci_msix_send(struct pci_function *f, unsigned vector);
/* The INTx# pin; it reaches the interrupt controllers unless Interrupt Disable is set. */
void pci_set_intx(struct pci_function *f, bool level);
static inline bool pci_is_master(const struct pci_function *f)
{
    return f->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

/* ---- for the platform ---- */

/* Where firmware puts BARs, from these addresses on. */
#define PCI_MEMORY_BASE UINT64_C(0xc0000000)
enum { PCI_PORTS_BASE = 0xc000 };

struct pci {
    struct mem *mem;
    struct port_bus *ports;
    struct pci_signals signals;
    uint32_t address;                    /* port 0xcf8 */
    struct pci_function *function[PCI_FUNCTIONS];
    unsigned functions;
};

extern const struct port_ops pci_address_ports;    /* 4 ports at 0xcf8 */
extern const struct port_ops pci_data_ports;       /* 4 ports at 0xcfc */
extern const struct mmio_ops pci_express_config;   /* 256 MiB: bus, device, function, register */

void pci_init(struct pci *p, struct mem *mem, struct port_bus *ports,
              const struct pci_signals *signals);
/* All functions as after power-on: BARs unmapped, configuration as at pci_add(). */
void pci_reset(struct pci *p);
/* What firmware does: gives every BAR an address (I/O from `ports` on, memory from `memory` on) and
 * enables decoding.  A BAR that does not fit stays disabled with all of its function. */
void pci_assign(struct pci *p, uint16_t ports, uint64_t memory);

#endif
