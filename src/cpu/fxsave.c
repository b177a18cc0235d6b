// SPDX-License-Identifier: Apache-2.0
// FXSAVE, FXRSTOR: SDM vol. 1, "FXSAVE and FXRSTOR Instructions".
#include "cpu/fxsave.h"

#include "cpu/ops.h"
#include "cpu/sse.h"
#include "cpu/sse_env.h"

static uint64_t pack_pointer(const struct insn *i, uint64_t offset, uint16_t selector)
{
    return i->prefix & PFX_REX_W ? offset : (uint32_t)offset | (uint64_t)selector << 32;
}

void legacy_image(const struct cpu *c, const struct insn *i, struct legacy_region *m)
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

void legacy_load_x87(struct cpu *c, const struct insn *i, const struct legacy_region *m)
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

void legacy_init_x87(struct cpu *c)
{
    fpu_init(c);
    memset(c->fpu.st, 0, sizeof c->fpu.st);
}

bool area_legal(struct cpu *c, const struct insn *i, unsigned bytes, unsigned align, bool write)
{
    uint64_t linear, ea = insn_ea(c, i);
    return seg_aligned(c, insn_seg(i), ea, align) &&
           seg_linear(c, insn_seg(i), ea, bytes, write, &linear);
}

bool area_write(struct cpu *c, const struct insn *i, unsigned at, const void *bytes, unsigned n)
{
    return seg_write_bytes(c, insn_seg(i), area_offset(c, i, at), bytes, n, 0);
}

enum outcome op_fxsave(struct cpu *c, const struct insn *i)
{
    struct legacy_region m;
    FAULT_IF(!area_legal(c, i, LEGACY_BYTES, 16, true));
    FAULT_IF(!seg_probe_write(c, insn_seg(i), insn_ea(c, i), LEGACY_BYTES));
    legacy_image(c, i, &m);
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
    legacy_load_x87(c, i, &m);
    c->fpu.mxcsr = m.mxcsr;
    memcpy(c->fpu.xmm, m.xmm, xmm_bytes(c));
    return RETIRED;
}
