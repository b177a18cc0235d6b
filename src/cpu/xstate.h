// SPDX-License-Identifier: Apache-2.0
// The state components that XSAVE and its kin manage, and where each lies in an XSAVE area: SDM
// vol. 1, "Managing State Using the XSAVE Feature Set".
#ifndef SP_CPU_XSTATE_H
#define SP_CPU_XSTATE_H

#include "cpu/cpu.h"

/* State-component bitmaps. */
enum { STATE_X87 = 1 << 0, STATE_SSE = 1 << 1, STATE_AVX = 1 << 2, STATE_UINTR = 1 << 14 };
#define STATE_LEGACY UINT64_C(3)     /* the components in the legacy region     */
#define COMPACTED BIT(63)            /* of XCOMP_BV: the area's format          */

enum { HEADER_AT = 512, EXTENDED_AT = 576 };

/* One component of the extended region.  Images have its size. */
struct xstate_component {
    uint8_t feature;                 /* enum feature: the processor has it with that            */
    bool supervisor;
    bool aligned;                    /* to 64 bytes in the compacted format                     */
    uint16_t size;                   /* in bytes; 0: there is no such component                 */
    uint16_t offset;                 /* in the standard format                                  */
    void (*save)(const struct cpu *c, void *image);
    /* Whether XRSTOR or XRSTORS may load the image; if not, #GP(0). */
    bool (*legal)(const struct cpu *c, const void *image);
    void (*load)(struct cpu *c, const void *image);
};
/* By number; defined in xstate.c from the rows of xstate.def. */
extern const struct xstate_component xstate_components[64];

enum {
    XSTATE_BYTES = 0                 /* of the images of all components together */
#define XSTATE(number, name, kind, size, offset, alignment, feature) + (size)
#include "cpu/xstate.def"
};

/* The components that have a row. */
static const uint64_t XSTATE_EXTENDED = 0
#define XSTATE(number, name, kind, size, offset, alignment, feature) | BIT(number)
#include "cpu/xstate.def"
    ;

/* Goes through the components of the extended region in a bitmap, n in ascending order; what has
 * no row is left out, for XCR0 may come from a made-up saved machine. */
#define EACH_EXTENDED(n, bitmap)                                                                   \
    for (uint64_t left_ = (bitmap) & XSTATE_EXTENDED; left_; left_ &= left_ - 1)                   \
        for (unsigned n = (unsigned)__builtin_ctzll(left_), once_ = 1; once_; once_ = 0)

/* The components that the processor can manage: the bits that XCR0 and IA32_XSS may have. */
uint64_t xstate_user(const struct cpu *c);
uint64_t xstate_supervisor(const struct cpu *c);
/* XINUSE (SDM vol. 1, "Processor Tracking of XSAVE-Managed State"): of the components in the
 * bitmap, those that are not in their initial configuration.  MXCSR does not count. */
uint64_t xstate_in_use(const struct cpu *c, uint64_t components);
/* Offset, in bytes, of component `number` (2 or more) in an area with this XCOMP_BV (SDM vol. 1,
 * "Extended Region of an XSAVE Area"). */
unsigned xstate_place(uint64_t xcomp_bv, unsigned number);
/* Bytes of an area for these components, with XCOMP_BV's bit 63 for the compacted format. */
unsigned xstate_area_size(uint64_t components);
/* CPUID leaf 0DH; `out` holds EAX to EDX. */
void xstate_cpuid(const struct cpu *c, uint32_t subleaf, uint32_t out[4]);

#endif
