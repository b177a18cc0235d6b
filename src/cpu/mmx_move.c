// SPDX-License-Identifier: Apache-2.0
// MMX data movement, and the moves between MMX and XMM registers.
#include "cpu/ops.h"
#include "cpu/sse.h"

enum outcome op_emms(struct cpu *c, const struct insn *i)
{
    MMX_CHECK(c);
    c->fpu.tag = 0;
    c->fpu.top = 0;
    return RETIRED;
}

/* ---- MOVD, MOVQ ---- */

enum outcome op_movd_mmx_load(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    MMX_CHECK(c);
    FAULT_IF(!rm_read(c, i, i->size, &v));
    fpu_enter_mmx(c);
    mmx_write(c, i->reg, v);
    return RETIRED;
}
enum outcome op_movd_mmx_store(struct cpu *c, const struct insn *i)
{
    MMX_CHECK(c);
    FAULT_IF(!rm_write(c, i, i->size, mmx_read(c, i->reg) & size_mask(i->size)));
    fpu_enter_mmx(c);
    return RETIRED;
}
enum outcome op_movq_mmx_load(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    MMX_CHECK(c);
    FAULT_IF(!mmx_read_rm(c, i, 8, &v));
    fpu_enter_mmx(c);
    mmx_write(c, i->reg, v);
    return RETIRED;
}
enum outcome op_movq_mmx_store(struct cpu *c, const struct insn *i)
{
    MMX_CHECK(c);
    uint64_t v = mmx_read(c, i->reg);
    if (insn_is_mem(i))
        FAULT_IF(!seg_write(c, insn_seg(i), insn_ea(c, i), 8, v));
    fpu_enter_mmx(c);
    if (!insn_is_mem(i))
        mmx_write(c, i->rm, v);
    return RETIRED;
}

enum outcome op_movq2dq(struct cpu *c, const struct insn *i)
{
    MMX_CHECK(c);
    fpu_enter_mmx(c);
    *xmm_reg(c, i) = (union xmm){ .q = { mmx_read(c, i->rm), 0 } };
    return RETIRED;
}
enum outcome op_movdq2q(struct cpu *c, const struct insn *i)
{
    MMX_CHECK(c);
    fpu_enter_mmx(c);
    mmx_write(c, i->reg, c->fpu.xmm[i->rm & 15].q[0]);
    return RETIRED;
}

/* ---- lanes to and from general registers ---- */

enum outcome op_pmovmskb_mmx(struct cpu *c, const struct insn *i)
{
    MMX_CHECK(c);
    uint64_t v = mmx_read(c, i->rm), mask = 0;
    for (unsigned k = 0; k < 8; k++)
        mask |= (v >> (8 * k + 7) & 1) << k;
    fpu_enter_mmx(c);
    c->gpr[i->reg] = mask;
    return RETIRED;
}
enum outcome op_pinsrw_mmx(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    MMX_CHECK(c);
    FAULT_IF(!rm_read(c, i, 2, &v));
    unsigned shift = (i->imm & 3) * 16;
    fpu_enter_mmx(c);
    mmx_write(c, i->reg, (mmx_read(c, i->reg) & ~(UINT64_C(0xffff) << shift)) | v << shift);
    return RETIRED;
}
enum outcome op_pextrw_mmx(struct cpu *c, const struct insn *i)
{
    MMX_CHECK(c);
    fpu_enter_mmx(c);
    c->gpr[i->reg] = mmx_read(c, i->rm) >> (i->imm & 3) * 16 & 0xffff;
    return RETIRED;
}
