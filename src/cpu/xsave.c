// SPDX-License-Identifier: Apache-2.0
// XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS, XGETBV and XSETBV: SDM vol. 1, "Managing State
// Using the XSAVE Feature Set".  What that chapter leaves to the processor: the init optimization
// knows each initial configuration exactly; there is no modified optimization (XMODIFIED is all
// ones); the whole legacy region and header are accessed, and of the extended region the components
// that are saved or loaded.
#include <string.h>

#include "cpu/fxsave.h"
#include "cpu/ops.h"
#include "cpu/sse_env.h"
#include "cpu/uintr.h"
#include "cpu/vmx_ops.h"
#include "cpu/x87.h"
#include "cpu/xstate.h"

static enum outcome gp0(struct cpu *c) { return cpu_raise_code(c, EXC_GP, 0); }

/* ---- saving ---- */

struct saving {
    uint64_t rfbm;           /* the requested-feature bitmap                                   */
    uint64_t saved;          /* components to be written                                       */
    uint64_t header[2];      /* XSTATE_BV and XCOMP_BV that the area gets                      */
    bool mxcsr;
};

/* All checks of the accesses, so that nothing is written before the last of them. */
static bool probe_area(struct cpu *c, const struct insn *i, uint64_t saved, uint64_t xcomp_bv)
{
    unsigned end = EXTENDED_AT;
    EACH_EXTENDED(n, saved) {
        unsigned to = xstate_place(xcomp_bv, n) + xstate_components[n].size;
        end = to > end ? to : end;
    }
    if (!area_legal(c, i, end, 64, true) ||
        !seg_probe_write(c, insn_seg(i), insn_ea(c, i), EXTENDED_AT))
        return false;
    EACH_EXTENDED(n, saved) {
        uint64_t at = area_offset(c, i, xstate_place(xcomp_bv, n));
        if (!seg_probe_write(c, insn_seg(i), at, xstate_components[n].size))
            return false;
    }
    return true;
}

static bool write_area(struct cpu *c, const struct insn *i, const struct saving *s)
{
    struct legacy_region m;
    bool ok = true;
    legacy_image(c, i, &m);
    if (s->saved & STATE_X87)
        ok = area_write(c, i, 0, &m, X87_BYTES) && area_write(c, i, ST_AT, m.st, sizeof m.st);
    if (ok && s->mxcsr)
        ok = area_write(c, i, MXCSR_AT, &m.mxcsr, 8);
    if (ok && s->saved & STATE_SSE)
        ok = area_write(c, i, XMM_AT, m.xmm, xmm_bytes(c));
    EACH_EXTENDED(n, s->saved) {
        uint8_t image[1 + XSTATE_BYTES];
        xstate_components[n].save(c, image);
        ok = ok && area_write(c, i, xstate_place(s->header[1], n), image,
                              xstate_components[n].size);
    }
    return ok && area_write(c, i, HEADER_AT, s->header, s->header[1] ? 16 : 8);
}

/* XSAVE and XSAVEOPT: the standard format. */
static enum outcome save_standard(struct cpu *c, const struct insn *i, bool optimized)
{
    struct saving s = { .rfbm = c->xcr0 & pair_read(c) };
    uint64_t in_use = xstate_in_use(c, s.rfbm), old;
    if (c->cr0 & CR0_TS)
        return cpu_raise(c, EXC_NM);
    s.saved = optimized ? in_use : s.rfbm;
    s.mxcsr = s.rfbm & (STATE_SSE | STATE_AVX);
    FAULT_IF(!probe_area(c, i, s.saved, 0));
    FAULT_IF(!seg_read(c, insn_seg(i), area_offset(c, i, HEADER_AT), 8, &old));
    s.header[0] = (old & ~s.rfbm) | in_use;
    FAULT_IF(!write_area(c, i, &s));
    return RETIRED;
}

/* XSAVEC and XSAVES: the compacted format, with MXCSR as a part of SSE state. */
static enum outcome save_compacted(struct cpu *c, const struct insn *i, uint64_t enabled)
{
    struct saving s = { .rfbm = enabled & pair_read(c) };
    if (c->cr0 & CR0_TS)
        return cpu_raise(c, EXC_NM);
    s.saved = xstate_in_use(c, s.rfbm);
    if (c->fpu.mxcsr != MXCSR_INIT)
        s.saved |= s.rfbm & STATE_SSE;
    s.mxcsr = s.saved & STATE_SSE;
    s.header[0] = s.saved;
    s.header[1] = s.rfbm | COMPACTED;
    FAULT_IF(!probe_area(c, i, s.saved, s.header[1]));
    FAULT_IF(!write_area(c, i, &s));
    if (s.saved & STATE_UINTR) /* "XSAVES": no notification may change what has been saved */
        uintr_load_uinv(c, 0);
    return RETIRED;
}

enum outcome op_xsave(struct cpu *c, const struct insn *i) { return save_standard(c, i, false); }
enum outcome op_xsaveopt(struct cpu *c, const struct insn *i) { return save_standard(c, i, true); }
enum outcome op_xsavec(struct cpu *c, const struct insn *i)
{
    return save_compacted(c, i, c->xcr0);
}
enum outcome op_xsaves(struct cpu *c, const struct insn *i)
{
    if (c->vmx_nonroot && c->vmx_ops->xss_exit(c, i, pair_read(c), EXIT_XSAVES))
        return EXITED;
    return save_compacted(c, i, c->xcr0 | c->msr.xss);
}

/* ---- restoring ---- */

/* What is read, and checked, before anything is loaded. */
struct restoring {
    uint64_t rfbm;           /* the requested-feature bitmap                                   */
    uint64_t header[8];      /* XSTATE_BV, XCOMP_BV, reserved                                  */
    uint64_t loaded;         /* components that come from memory: RFBM and XSTATE_BV           */
    struct legacy_region legacy;
    uint8_t images[1 + XSTATE_BYTES];          /* of the loaded extended ones, in ascending order */
};

/* "Standard Form of XRSTOR": no component that XCR0 lacks, bytes 23:8 (XCOMP_BV among them) 0. */
static bool standard_header_legal(const struct cpu *c, const uint64_t header[8])
{
    return !(header[0] & ~c->xcr0) && !header[1] && !header[2];
}

/* "Compacted Form of XRSTOR", "Operation of XRSTORS": no component that is not enabled, none that
 * the layout lacks, bytes 63:16 are 0. */
static bool compacted_header_legal(const uint64_t header[8], uint64_t enabled)
{
    uint64_t reserved = 0;
    for (unsigned k = 2; k < 8; k++)
        reserved |= header[k];
    return header[1] & COMPACTED && !(header[1] & ~(enabled | COMPACTED)) &&
           !(header[0] & (~header[1] | COMPACTED)) && !reserved;
}

/* The standard form loads MXCSR whatever XSTATE_BV says, the compacted form as a part of SSE. */
static bool loads_mxcsr(const struct restoring *r)
{
    return r->header[1] & COMPACTED ? r->loaded & STATE_SSE : r->rfbm & (STATE_SSE | STATE_AVX);
}

static bool read_legacy(struct cpu *c, const struct insn *i, struct restoring *r)
{
    uint8_t area[EXTENDED_AT];
    if (!area_legal(c, i, sizeof area, 64, false) ||
        !seg_read_bytes(c, insn_seg(i), insn_ea(c, i), area, sizeof area, 0))
        return false;
    memcpy(&r->legacy, area, sizeof r->legacy);
    memcpy(r->header, area + HEADER_AT, sizeof r->header);
    r->loaded = r->rfbm & r->header[0];
    return true;
}

static bool read_extended(struct cpu *c, const struct insn *i, struct restoring *r)
{
    uint8_t *image = r->images;
    EACH_EXTENDED(n, r->loaded) {
        unsigned at = xstate_place(r->header[1], n), size = xstate_components[n].size;
        if (!area_legal(c, i, at + size, 0, false) ||
            !seg_read_bytes(c, insn_seg(i), area_offset(c, i, at), image, size, 0))
            return false;
        image += size;
    }
    return true;
}

static bool images_legal(const struct cpu *c, const struct restoring *r)
{
    const uint8_t *image = r->images;
    EACH_EXTENDED(n, r->loaded) {
        if (!xstate_components[n].legal(c, image))
            return false;
        image += xstate_components[n].size;
    }
    return true;
}

static void load(struct cpu *c, const struct insn *i, const struct restoring *r)
{
    static const union xmm zero_xmm[16];
    static const uint8_t zeros[1 + XSTATE_BYTES];
    const uint8_t *image = r->images;
    if (r->loaded & STATE_X87)
        legacy_load_x87(c, i, &r->legacy);
    else if (r->rfbm & STATE_X87)
        legacy_init_x87(c);
    if (r->rfbm & STATE_SSE)
        memcpy(c->fpu.xmm, r->loaded & STATE_SSE ? r->legacy.xmm : zero_xmm, xmm_bytes(c));
    if (loads_mxcsr(r))
        c->fpu.mxcsr = r->legacy.mxcsr;
    else if (r->rfbm & STATE_SSE)
        c->fpu.mxcsr = MXCSR_INIT;
    EACH_EXTENDED(n, r->rfbm) {
        xstate_components[n].load(c, r->loaded & BIT(n) ? image : zeros);
        image += r->loaded & BIT(n) ? xstate_components[n].size : 0;
    }
}

/* `compacted`: the other form is #GP(0). */
static enum outcome restore(struct cpu *c, const struct insn *i, uint64_t enabled, bool compacted)
{
    struct restoring r = { .rfbm = enabled & pair_read(c) };
    if (c->cr0 & CR0_TS)
        return cpu_raise(c, EXC_NM);
    FAULT_IF(!read_legacy(c, i, &r));
    compacted |= r.header[1] & COMPACTED && cpu_has(c, FEAT_XSAVEC);
    if (!(compacted ? compacted_header_legal(r.header, enabled) :
                      standard_header_legal(c, r.header)))
        return gp0(c);
    if (loads_mxcsr(&r) && r.legacy.mxcsr & ~(uint32_t)MXCSR_DEFINED)
        return gp0(c);
    FAULT_IF(!read_extended(c, i, &r));
    if (!images_legal(c, &r))
        return gp0(c);
    load(c, i, &r);
    return RETIRED;
}

enum outcome op_xrstor(struct cpu *c, const struct insn *i)
{
    return restore(c, i, c->xcr0, false);
}
enum outcome op_xrstors(struct cpu *c, const struct insn *i)
{
    if (c->vmx_nonroot && c->vmx_ops->xss_exit(c, i, pair_read(c), EXIT_XRSTORS))
        return EXITED;
    return restore(c, i, c->xcr0 | c->msr.xss, true);
}

/* ---- XCR0 ---- */

/* XCR0; or, by index 1, XINUSE of its components, where MXCSR counts as SSE state. */
enum outcome op_xgetbv(struct cpu *c, const struct insn *i)
{
    uint32_t index = (uint32_t)c->gpr[RCX];
    if (index > 1 || (index && !cpu_has(c, FEAT_XGETBV1)))
        return gp0(c);
    uint64_t v = index ? xstate_in_use(c, c->xcr0) : c->xcr0;
    if (index && c->fpu.mxcsr != MXCSR_INIT)
        v |= c->xcr0 & STATE_SSE;
    pair_write(c, v);
    return RETIRED;
}

enum outcome op_xsetbv(struct cpu *c, const struct insn *i)
{
    uint64_t v = pair_read(c);
    if ((uint32_t)c->gpr[RCX] || !(v & STATE_X87) || v & ~xstate_user(c))
        return gp0(c);
    c->xcr0 = v;
    return RETIRED;
}
