// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Extended-Page-Table Pointer (EPTP)": what VM entry, INVEPT and EPTP switching ask of
// one.
#include "vmx/eptp.h"

#include "base/bits.h"
#include "vmx/capability.h"

bool eptp_memory_type_valid(const uint64_t *cap, uint64_t eptp)
{
    uint64_t type = eptp & EPTP_TYPE;
    return (type == 0 && cap[CAP_EPT_VPID] & EPT_CAP_UC) ||
           (type == 6 && cap[CAP_EPT_VPID] & EPT_CAP_WB);
}

bool eptp_levels_valid(const uint64_t *cap, uint64_t eptp)
{
    unsigned levels = eptp_levels(eptp);
    return levels == 4 || (levels == 5 && cap[CAP_EPT_VPID] & EPT_CAP_WALK_5);
}

uint64_t eptp_flags_refused(const uint64_t *cap)
{
    return cap[CAP_EPT_VPID] & EPT_CAP_AD ? 0 : EPTP_AD;
}

uint64_t eptp_shadow_refused(const uint64_t *cap)
{
    return cap[CAP_EPT_VPID] & EPT_CAP_SHADOW_STACK ? 0 : EPTP_SHADOW_STACK;
}

uint64_t eptp_reserved(unsigned physical_bits) { return ~(BIT(physical_bits) - 1) | 0xf00; }

bool eptp_valid(const uint64_t *cap, unsigned physical_bits, uint64_t eptp)
{
    return eptp_memory_type_valid(cap, eptp) && eptp_levels_valid(cap, eptp) &&
           !(eptp & (eptp_flags_refused(cap) | eptp_shadow_refused(cap) |
                     eptp_reserved(physical_bits)));
}
