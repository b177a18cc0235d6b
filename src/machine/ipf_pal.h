// SPDX-License-Identifier: Apache-2.0
// PAL's parts among themselves: its procedures for virtual processors, and its virtualization
// services.
#ifndef SP_MACHINE_IPF_PAL_H
#define SP_MACHINE_IPF_PAL_H

#include "machine/ipf_firmware.h"

/* Status of procedures. */
enum { PAL_DONE = 0 };
#define PAL_UNIMPLEMENTED ((uint64_t)-1)
#define PAL_INVALID_ARGUMENT ((uint64_t)-2)
#define PAL_ERROR ((uint64_t)-3)
#define PAL_NO_INFORMATION ((uint64_t)-6)
#define PAL_NO_FEATURE_SET ((uint64_t)-8)

/* Bytes of the buffer that PAL_VP_INIT_ENV wants; the services stand at its beginning. */
enum { IPF_VP_BUFFER = 0x4000 };

/* A procedure PAL_VP_*: fills x->result, or sets x->faults.  False: the call is of another. */
bool ipf_pal_vp(struct ipf_call *x);

/* Writes the services' entry points to the buffer at a physical address. */
void ipf_vps_install(struct ipf_firmware *f, uint64_t pa);
/* The service whose entry point was reached.  Says where the caller goes on in x->c->ip and slot,
 * or sets x->faults. */
void ipf_vps(struct ipf_call *x, unsigned service);

/* The virtual processor whose descriptor stands at a physical address; NULL: none. */
struct ipf_vp *ipf_vp_find(struct ipf_environment *e, uint64_t vpd_pa);
/* Loads it on the caller's processor; `vpd` is the descriptor's virtual address there.  False: it
 * is loaded on another. */
bool ipf_vp_restore(struct ipf_call *x, struct ipf_vp *vp, uint64_t vpd, bool synchronize);
/* The reverse.  False: it is not loaded there. */
bool ipf_vp_save(struct ipf_call *x, const struct ipf_vp *vp);

#endif
