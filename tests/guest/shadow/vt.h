// SPDX-License-Identifier: Apache-2.0
// Shows: VT-x as the first processors had it (2005): no EPT, no VPIDs, no secondary controls, no
// MSR bitmaps, no TRUE capability MSRs, no unrestricted guest.
#ifndef SHADOW_VT_H
#define SHADOW_VT_H

#include "vmx.h"

/* What VM entry and VM exit leave to software, by the register numbers of exit qualifications;
 * gpr[RSP] is the VMCS's. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
struct guest { uint64_t gpr[8]; uint64_t cr2; };

/* Enters VMX root operation.  NULL, or the sentence that says why it cannot. */
const char *vt_enable(void);
/* Makes the VMCS clear and current and fills every field: a guest in flat protected mode. */
bool vt_prepare(uint32_t rip, uint32_t shadow_cr3);
/* switch.S */
bool guest_enter(struct guest *g, bool launched);

#endif
