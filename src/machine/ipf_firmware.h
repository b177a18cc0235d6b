// SPDX-License-Identifier: Apache-2.0
// Firmware of an Itanium machine: PAL (SDM vol. 2, "Processor Abstraction Layer"), SAL (Intel
// Itanium Processor Family System Abstraction Layer Specification) and EFI's runtime services are
// native code behind entry points in guest memory, each a bundle with a break and a return.
#ifndef SP_MACHINE_IPF_FIRMWARE_H
#define SP_MACHINE_IPF_FIRMWARE_H

#include "machine/ipf_platform.h"

/* Entry points, in this order from struct ipf_firmware's base on; OS_INIT returns to INIT_DONE. */
enum { FIRMWARE_PAL, FIRMWARE_SAL, FIRMWARE_RENDEZVOUS, FIRMWARE_INIT_DONE, FIRMWARE_EFI };
enum { EFI_SERVICES = 14, FIRMWARE_ENTRIES = FIRMWARE_EFI + EFI_SERVICES };
enum { FIRMWARE_ENTRY_SIZE = 32, FIRMWARE_PAGE = 4096 };
/* PAL's virtualization services have numbers from here on, and stand elsewhere (ipf_vps.c). */
enum { FIRMWARE_VPS = 0x100, FIRMWARE_SERVICES = 9 };

/* The virtual environment of a machine (SDM vol. 2, PAL_VP_INIT_ENV). */
enum { IPF_VP_MAX = 256 };
struct ipf_environment {
    unsigned processors; /* logical processors in it; 0: there is none */
    uint64_t pa, va;     /* of the buffer                              */
    uint64_t options;
    struct ipf_vp vp[IPF_VP_MAX];
};

/* Each processor's own memory of firmware: its min-state save area, and a backing store. */
enum { IPF_AREA_SIZE = 0x2000, IPF_AREA_STACK = 0x1000 };

/* Entry points of the operating system (SAL_SET_VECTORS), physical; 0: there is none. */
enum { SAL_OS_MCA, SAL_OS_INIT, SAL_OS_BOOT_RENDEZ, SAL_VECTORS };
struct sal_vector {
    uint64_t entry, gp;
    uint64_t slave_entry, slave_gp; /* SAL_OS_INIT only */
};
/* The external interrupt that takes a processor out of the rendezvous. */
enum { SAL_WAKE_UP = 0xff };

struct ipf_firmware {
    struct ipf_platform *platform;
    struct mem *mem;
    uint64_t code;     /* physical address of the page of entry points             */
    uint64_t services; /* of EFI's table of runtime services                       */
    uint64_t moved;    /* what SetVirtualAddressMap added to their addresses, or 0 */
    uint64_t areas;    /* of the first processor's own memory                      */
    struct sal_vector vector[SAL_VECTORS];
    unsigned in_init; /* processors that are in OS_INIT */
    struct ipf_environment environment;
};

/* Writes the entry points to the page at `code` and makes the processor call them. */
void ipf_firmware_init(struct ipf_firmware *f, struct ipf_platform *p, struct mem *mem,
                       uint64_t code);
static inline uint64_t ipf_firmware_entry(const struct ipf_firmware *f, unsigned entry)
{
    return f->code + (uint64_t)entry * FIRMWARE_ENTRY_SIZE;
}

static inline uint64_t ipf_firmware_area(const struct ipf_firmware *f, const struct ipf_cpu *c)
{
    return f->areas + (uint64_t)c->index * IPF_AREA_SIZE;
}

/* Writes a bundle that calls firmware with a number, at a physical address. */
void ipf_firmware_bundle(struct ipf_firmware *f, uint64_t pa, unsigned number);

/* What a call is given and gives. */
struct ipf_call {
    struct ipf_firmware *firmware;
    struct ipf_cpu *c;
    uint64_t in[8];     /* SAL, EFI: in0 to in7; PAL: in[0] is the number, in[1] to in[3] */
    uint64_t result[4]; /* r8 to r11                                                      */
    bool faults;        /* c->fault is to be raised                                       */
    bool goes;          /* it does not return: c->ip is where the processor goes on       */
};
void ipf_pal(struct ipf_call *x);
void ipf_sal(struct ipf_call *x);
void ipf_efi(struct ipf_call *x, unsigned service);

/* SAL's rendezvous, and what takes a processor out of it (ipf_rendezvous.c). */
enum ipf_called ipf_rendezvous(struct ipf_firmware *f, struct ipf_cpu *c);
/* Hands a processor that got an INIT to the operating system, and takes it back (ipf_init.c). */
void ipf_init_begin(void *firmware, struct ipf_cpu *c);
enum ipf_called ipf_init_done(struct ipf_firmware *f, struct ipf_cpu *c);
/* PAL_MC_RESUME: the state that PAL saved at a physical address becomes the processor's. */
void ipf_init_resume(struct ipf_firmware *f, struct ipf_cpu *c, uint64_t saved);

/* Copies to a data address of the caller.  False: x->faults. */
bool ipf_call_store(struct ipf_call *x, uint64_t address, const void *bytes, size_t n);

#endif
