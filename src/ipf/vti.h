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

#endif
