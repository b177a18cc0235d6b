// SPDX-License-Identifier: Apache-2.0
// Between the two files of guest-state checks.
#ifndef SP_VMX_ENTRY_GUEST_H
#define SP_VMX_ENTRY_GUEST_H

#include "vmx/entry_predicates.h"

enum { SEGMENT_CHECKS = 86 };
extern const struct entry_check segment_checks[SEGMENT_CHECKS];   /* entry_segments.c */

static inline bool unrestricted(const struct entry *e)
{
    return e->proc2 & PROC2_UNRESTRICTED_GUEST;
}

/* Segment registers in the numbering of enum seg: ES to GS, LDTR, TR. */
static inline uint32_t segment_access(const struct entry *e, unsigned s)
{
    return (uint32_t)field(e, GUEST_ES_AR_BYTES + s);
}
static inline unsigned segment_dpl(const struct entry *e, unsigned s)
{
    return segment_access(e, s) >> SEG_DPL_SHIFT & 3;
}

#endif
