// SPDX-License-Identifier: Apache-2.0
// Firmware of an Itanium machine: PAL (SDM vol. 2, "Processor Abstraction Layer"), SAL (Intel
// Itanium Processor Family System Abstraction Layer Specification) and EFI's runtime services are
// native code behind entry points in guest memory, each a bundle with a break and a return.
#ifndef SP_MACHINE_IPF_FIRMWARE_H
#define SP_MACHINE_IPF_FIRMWARE_H

#include "machine/ipf_platform.h"

/* Entry points, in this order from struct ipf_firmware's base on. */
enum { FIRMWARE_PAL, FIRMWARE_SAL, FIRMWARE_EFI };
enum { EFI_SERVICES = 14, FIRMWARE_ENTRIES = FIRMWARE_EFI + EFI_SERVICES };
enum { FIRMWARE_ENTRY_SIZE = 32, FIRMWARE_PAGE = 4096 };

struct ipf_firmware {
    struct ipf_platform *platform;
    struct mem *mem;
    uint64_t code;     /* physical address of the page of entry points             */
    uint64_t services; /* of EFI's table of runtime services                       */
    uint64_t moved;    /* what SetVirtualAddressMap added to their addresses, or 0 */
};

/* Writes the entry points to the page at `code` and makes the processor call them. */
void ipf_firmware_init(struct ipf_firmware *f, struct ipf_platform *p, struct mem *mem,
                       uint64_t code);
static inline uint64_t ipf_firmware_entry(const struct ipf_firmware *f, unsigned entry)
{
    return f->code + (uint64_t)entry * FIRMWARE_ENTRY_SIZE;
}

/* What a call is given and gives. */
struct ipf_call {
    struct ipf_firmware *firmware;
    struct ipf_cpu *c;
    uint64_t in[8];     /* SAL, EFI: in0 to in7; PAL: in[0] is the number, in[1] to in[3] */
    uint64_t result[4]; /* r8 to r11                                                      */
    bool faults;        /* c->fault is to be raised                                       */
};
void ipf_pal(struct ipf_call *x);
void ipf_sal(struct ipf_call *x);
void ipf_efi(struct ipf_call *x, unsigned service);

/* Copies to a data address of the caller.  False: x->faults. */
bool ipf_call_store(struct ipf_call *x, uint64_t address, const void *bytes, size_t n);

#endif
