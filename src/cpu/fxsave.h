// SPDX-License-Identifier: Apache-2.0
// The 512 bytes with x87 and SSE state that FXSAVE writes, and with which an XSAVE area begins (SDM
// vol. 1, "FXSAVE Area" and "Legacy Region of an XSAVE Area").
#ifndef SP_CPU_FXSAVE_H
#define SP_CPU_FXSAVE_H

#include <stddef.h>

#include "cpu/access.h"
#include "cpu/cpu.h"

/* REX.W gives 64-bit pointers; without it bits 47:32 of each hold the selector. */
struct legacy_region {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    struct { uint64_t frac; uint16_t sexp, reserved[3]; } st[8];
    union xmm xmm[16];
};
enum { LEGACY_BYTES = 512, X87_BYTES = 24, MXCSR_AT = 24, ST_AT = 32, XMM_AT = 160 };
_Static_assert(offsetof(struct legacy_region, mxcsr) == MXCSR_AT &&
                   offsetof(struct legacy_region, st) == ST_AT &&
                   offsetof(struct legacy_region, xmm) == XMM_AT &&
                   sizeof(struct legacy_region) == 416,
               "the layout of the SDM's table");

/* Of XMM registers: outside 64-bit mode XMM8 to XMM15 are neither saved nor restored. */
static inline unsigned xmm_bytes(const struct cpu *c) { return in_64bit(c) ? 256 : 128; }

/* The image of x87 and SSE state that instruction i stores. */
void legacy_image(const struct cpu *c, const struct insn *i, struct legacy_region *m);
/* Loads x87 state from the image in which instruction i finds it. */
void legacy_load_x87(struct cpu *c, const struct insn *i, const struct legacy_region *m);
/* Gives x87 state its initial configuration, the data registers included. */
void legacy_init_x87(struct cpu *c);

/* Alignment and segment checks of the first `bytes` bytes of the area that is i's operand, which
 * come before any page fault; false with #GP or #SS. */
bool area_legal(struct cpu *c, const struct insn *i, unsigned bytes, unsigned align, bool write);
/* Offset within its segment of byte `at` of that area. */
static inline uint64_t area_offset(const struct cpu *c, const struct insn *i, unsigned at)
{
    return (insn_ea(c, i) + at) & size_mask(insn_asize(i));
}
/* Writes n bytes at byte `at` of that area.  They have been probed: it cannot fault. */
bool area_write(struct cpu *c, const struct insn *i, unsigned at, const void *bytes, unsigned n);

#endif
