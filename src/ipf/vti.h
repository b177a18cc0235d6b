// SPDX-License-Identifier: Apache-2.0
// VT-i: what a processor knows of virtual machines (Itanium SDM vol. 2, "Processor Virtualization"
// and "PAL Virtualization Support").  PSR.vm, the hidden address bit and the Virtualization fault
// are hardware; everything beyond is PAL's: the hand-off of intercepts, accelerations, disables.
// Here PAL's part works on the Virtual Processor Descriptor in memory itself, so that nothing has
// to be synchronized.
#ifndef SP_IPF_VTI_H
#define SP_IPF_VTI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

struct ipf_cpu;

/* Fields of the descriptor, by their offsets. */
enum {
#define VPD_FIELD(name, offset, count, size) VPD_##name = offset,
#include "ipf/vpd.def"
    VPD_SIZE = 0x10000,
    VPD_ALIGNMENT = 0x8000,
};
enum {
#define VAC(bit, name, offered) VAC_##name = 1 << (bit),
#include "ipf/vpd.def"
#define VAC(bit, name, offered) (offered) << (bit) |
    VAC_OFFERED =
#include "ipf/vpd.def"
        0,
};
enum {
#define VDC(bit, name, offered) VDC_##name = 1 << (bit),
#include "ipf/vpd.def"
#define VDC(bit, name, offered) (offered) << (bit) |
    VDC_OFFERED =
#include "ipf/vpd.def"
        0,
};
enum ipf_cause {
    CAUSE_NONE,
#define CAUSE(number, name, instruction) CAUSE_##name = number,
#include "ipf/vpd.def"
    CAUSES,
};
enum ipf_vps {
#define VPS(offset, name) name = offset,
#include "ipf/vpd.def"
};

/* PAL's procedures and services, for counters and names. */
enum ipf_vp_call {
#define VP_PROCEDURE(number, name) CALL_##name,
#include "ipf/vpd.def"
#define VPS(offset, name) CALL_##name,
#include "ipf/vpd.def"
    VP_CALLS,
};

/* A virtual processor, which PAL_VP_CREATE makes of a descriptor. */
struct ipf_vp {
    bool used;
    uint64_t vpd, vpd_pa; /* addresses of the descriptor: the host's virtual one, the physical */
    uint64_t vac, vdc;    /* as they were when it was created                                 */
    uint64_t host_iva, opt_handler;
    uint64_t vhpi;      /* what PAL was told last                                           */
    struct ipf_cpu *on; /* the logical processor that it is loaded on; NULL: none           */
};

/* Of one logical processor. */
struct ipf_vti {
    bool implemented, vmsw_implemented; /* PAL_PROC_GET_FEATURES, bits 40 and 54 */
    bool enabled, vmsw_enabled;         /* PAL_PROC_SET_FEATURES                 */
    struct ipf_vp *vp;                  /* loaded here, or NULL                  */
    unsigned mode;                      /* IPF_VM with vp's vac and vdc          */
    bool in_environment;                /* PAL_VP_INIT_ENV was called            */
    bool tells_cause, big_endian;       /* its config_options                    */
    uint64_t faults[CAUSES], accelerated[CAUSES], calls[VP_CALLS];
    uint64_t interrupts, misuses; /* virtual external interrupts                 */
    /* Told in one line each of faults, calls, virtual interrupts and misuse; NULL: nobody. */
    void (*note)(void *user, struct ipf_cpu *c, const char *text);
    void *note_user;
};

/* What code is decoded for: 0 with PSR.vm = 0. */
#define IPF_VM 1u
#define IPF_MODE_VAC(mode) ((mode) >> 1 & 0x7f)
#define IPF_MODE_VDC(mode) ((mode) >> 8 & 0x3f)
enum { IPF_MODE_BITS = 14 };
static inline unsigned ipf_vm_mode(uint64_t vac, uint64_t vdc)
{
    return IPF_VM | (unsigned)vac << 1 | (unsigned)vdc << 8;
}

/* Loads a virtual processor (NULL: none) on a logical one: its accelerations and disables hold. */
void ipf_vp_load(struct ipf_cpu *c, struct ipf_vp *vp);
/* A word of the loaded virtual processor's descriptor. */
uint64_t ipf_vpd_read(const struct ipf_cpu *c, unsigned offset);
void ipf_vpd_write(struct ipf_cpu *c, unsigned offset, uint64_t value);
/* Takes the virtual external interrupt between two instructions of the guest, if vac.a_int is set
 * and vhpi is unmasked. */
bool ipf_take_virtual_interrupt(struct ipf_cpu *c);
/* Enables or disables the features, as PAL_PROC_SET_FEATURES does. */
void ipf_vti_enable(struct ipf_cpu *c, bool vti, bool vmsw);

const char *ipf_cause_name(enum ipf_cause cause);    /* "mov psr.l=r2" */
const char *ipf_vp_call_name(enum ipf_vp_call call); /* "PAL_VP_CREATE" */
/* Sends a line to c->vti.note, if anybody listens; the second counts it as misuse. */
__attribute__((format(printf, 2, 3))) void ipf_vti_note(struct ipf_cpu *c, const char *format, ...);
__attribute__((format(printf, 2, 3))) void ipf_vti_misuse(struct ipf_cpu *c, const char *format,
                                                          ...);

#endif
