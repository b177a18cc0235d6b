// SPDX-License-Identifier: Apache-2.0
// FXSAVE, FXRSTOR (SDM vol. 1, "FXSAVE and FXRSTOR Instructions") and XSAVE, XRSTOR of the x87
// and SSE state components (SDM vol. 1, "Managing State Using the XSAVE Feature Set").
#include <stddef.h>

#include "cpu/cpu.h"
#include "cpu/ops.h"
#include "cpu/sse.h"
#include "cpu/sse_env.h"

/* The legacy region.  REX.W gives 64-bit pointers; without it bits 47:32 of each hold the
 * selector. */
struct legacy_region {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    struct { uint64_t frac; uint16_t sexp, reserved[3]; } st[8];
    union xmm xmm[16];
};
_Static_assert(offsetof(struct legacy_region, st) == 32 &&
                   offsetof(struct legacy_region, xmm) == 160 &&
                   sizeof(struct legacy_region) == 416,
               "the layout of the SDM's table");

enum {
    LEGACY_BYTES = 512,
    XSAVE_BYTES = LEGACY_BYTES + 64,
    X87_BYTES = 24,
    MXCSR_AT = 24,
    ST_AT = 32,
    XMM_AT = 160
};
enum { STATE_X87 = 1 << 0, STATE_SSE = 1 << 1, STATE_AVX = 1 << 2 };

/* Outside 64-bit mode XMM8 to XMM15 are neither saved nor restored. */
static unsigned xmm_bytes(const struct cpu *c) { return in_64bit(c) ? 256 : 128; }

static uint64_t pack_pointer(const struct insn *i, uint64_t offset, uint16_t selector)
{
    return i->prefix & PFX_REX_W ? offset : (uint32_t)offset | (uint64_t)selector << 32;
}

static void image_of_state(const struct cpu *c, const struct insn *i, struct legacy_region *m)
{
    const struct fpu *f = &c->fpu;
    *m = (struct legacy_region){
        .fcw = f->control, .fsw = fpu_status_word(f), .ftw = f->tag, .fop = f->opcode,
        .fip = pack_pointer(i, f->ip, f->cs), .fdp = pack_pointer(i, f->dp, f->ds),
        .mxcsr = f->mxcsr, .mxcsr_mask = MXCSR_DEFINED,
    };
    for (unsigned k = 0; k < 8; k++) {
        m->st[k].frac = f->st[(f->top + k) & 7].frac;
        m->st[k].sexp = f->st[(f->top + k) & 7].sexp;
    }
    memcpy(m->xmm, f->xmm, sizeof m->xmm);
}

static void load_x87(struct cpu *c, const struct insn *i, const struct legacy_region *m)
{
    struct fpu *f = &c->fpu;
    bool wide = i->prefix & PFX_REX_W;
    fpu_set_control_word(f, m->fcw);
    fpu_set_status_word(f, m->fsw);
    f->tag = m->ftw;
    f->opcode = m->fop & 0x7ff;
    f->ip = wide ? m->fip : (uint32_t)m->fip;
    f->cs = wide ? 0 : (uint16_t)(m->fip >> 32);
    f->dp = wide ? m->fdp : (uint32_t)m->fdp;
    f->ds = wide ? 0 : (uint16_t)(m->fdp >> 32);
    for (unsigned k = 0; k < 8; k++)
        f->st[(f->top + k) & 7] = (struct f80){ .frac = m->st[k].frac, .sexp = m->st[k].sexp };
}

static void init_x87(struct cpu *c)
{
    fpu_init(c);
    memset(c->fpu.st, 0, sizeof c->fpu.st);
}

/* Alignment and segment checks of the whole area, which come before any page fault. */
static bool area_legal(struct cpu *c, const struct insn *i, unsigned bytes, unsigned align,
                       bool write)
{
    uint64_t linear, ea = insn_ea(c, i);
    return seg_aligned(c, insn_seg(i), ea, align) &&
           seg_linear(c, insn_seg(i), ea, bytes, write, &linear);
}

/* Writes a part of an area that has been probed: it cannot fault. */
static bool area_write(struct cpu *c, const struct insn *i, unsigned at, const void *bytes,
                       unsigned n)
{
    uint64_t offset = (insn_ea(c, i) + at) & size_mask(insn_asize(i));
    return seg_write_bytes(c, insn_seg(i), offset, bytes, n, 0);
}

enum outcome op_fxsave(struct cpu *c, const struct insn *i)
{
    struct legacy_region m;
    FAULT_IF(!area_legal(c, i, LEGACY_BYTES, 16, true));
    FAULT_IF(!seg_probe_write(c, insn_seg(i), insn_ea(c, i), LEGACY_BYTES));
    image_of_state(c, i, &m);
    FAULT_IF(!area_write(c, i, 0, &m, XMM_AT + xmm_bytes(c)));
    return RETIRED;
}

enum outcome op_fxrstor(struct cpu *c, const struct insn *i)
{
    uint8_t area[LEGACY_BYTES];
    struct legacy_region m;
    FAULT_IF(!seg_read_bytes(c, insn_seg(i), insn_ea(c, i), area, sizeof area, 16));
    memcpy(&m, area, sizeof m);
    if (m.mxcsr & ~(uint32_t)MXCSR_DEFINED)
        return cpu_raise_code(c, EXC_GP, 0);
    load_x87(c, i, &m);
    c->fpu.mxcsr = m.mxcsr;
    memcpy(c->fpu.xmm, m.xmm, xmm_bytes(c));
    return RETIRED;
}

/* ---- XSAVE ---- */

/* RFBM, the requested-feature bitmap. */
static uint64_t requested(const struct cpu *c)
{
    return c->xcr0 & (c->gpr[RDX] << 32 | (uint32_t)c->gpr[RAX]);
}

/* XINUSE: the components that are not in their initial configuration. */
static uint64_t in_use(const struct cpu *c)
{
    static const struct f80 zero_st[8];
    static const union xmm zero_xmm[16];
    const struct fpu *f = &c->fpu;
    bool x87 = f->control != FCW_INITIAL || fpu_status_word(f) || f->tag || f->opcode || f->ip ||
               f->dp || f->cs || f->ds;
    for (unsigned k = 0; k < 8; k++)
        x87 |= f->st[k].frac != zero_st[k].frac || f->st[k].sexp != zero_st[k].sexp;
    bool sse = memcmp(f->xmm, zero_xmm, xmm_bytes(c)) != 0;
    return (x87 ? STATE_X87 : 0) | (sse ? STATE_SSE : 0);
}

enum outcome op_xsave(struct cpu *c, const struct insn *i)
{
    struct legacy_region m;
    uint64_t rfbm = requested(c), bv, at = insn_ea(c, i);
    if (c->cr0 & CR0_TS)
        return cpu_raise(c, EXC_NM);
    FAULT_IF(!area_legal(c, i, XSAVE_BYTES, 64, true));
    FAULT_IF(!seg_probe_write(c, insn_seg(i), at, XSAVE_BYTES));
    FAULT_IF(!seg_read(c, insn_seg(i), (at + LEGACY_BYTES) & size_mask(insn_asize(i)), 8, &bv));
    image_of_state(c, i, &m);
    if (rfbm & STATE_X87) {
        FAULT_IF(!area_write(c, i, 0, &m, X87_BYTES));
        FAULT_IF(!area_write(c, i, ST_AT, m.st, sizeof m.st));
    }
    if (rfbm & (STATE_SSE | STATE_AVX))
        FAULT_IF(!area_write(c, i, MXCSR_AT, &m.mxcsr, 8));
    if (rfbm & STATE_SSE)
        FAULT_IF(!area_write(c, i, XMM_AT, m.xmm, xmm_bytes(c)));
    bv = (bv & ~rfbm) | (in_use(c) & rfbm);
    FAULT_IF(!area_write(c, i, LEGACY_BYTES, &bv, 8));
    return RETIRED;
}

/* The standard form's header: no component that XCR0 lacks, bytes 23:8 (XCOMP_BV among them)
 * zero. */
static bool header_legal(const struct cpu *c, const uint64_t header[3])
{
    return !(header[0] & ~c->xcr0) && !header[1] && !header[2];
}

enum outcome op_xrstor(struct cpu *c, const struct insn *i)
{
    uint8_t area[XSAVE_BYTES];
    struct legacy_region m;
    uint64_t header[3], rfbm = requested(c);
    if (c->cr0 & CR0_TS)
        return cpu_raise(c, EXC_NM);
    FAULT_IF(!area_legal(c, i, XSAVE_BYTES, 64, false));
    FAULT_IF(!seg_read_bytes(c, insn_seg(i), insn_ea(c, i), area, sizeof area, 0));
    memcpy(&m, area, sizeof m);
    memcpy(header, area + LEGACY_BYTES, sizeof header);
    bool mxcsr = rfbm & (STATE_SSE | STATE_AVX);        /* loaded whatever XSTATE_BV says */
    if (!header_legal(c, header) || (mxcsr && m.mxcsr & ~(uint32_t)MXCSR_DEFINED))
        return cpu_raise_code(c, EXC_GP, 0);

    if (rfbm & STATE_X87 && header[0] & STATE_X87)
        load_x87(c, i, &m);
    else if (rfbm & STATE_X87)
        init_x87(c);
    if (!(header[0] & STATE_SSE))
        memset(m.xmm, 0, sizeof m.xmm);
    if (rfbm & STATE_SSE)
        memcpy(c->fpu.xmm, m.xmm, xmm_bytes(c));
    if (mxcsr)
        c->fpu.mxcsr = m.mxcsr;
    return RETIRED;
}
