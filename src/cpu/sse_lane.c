// SPDX-License-Identifier: Apache-2.0
// Single lanes: insertion, extraction, blending, widening (SSE2 and SSE4.1), PTEST.
#include "cpu/ops.h"
#include "cpu/sse.h"

/* ---- insertion and extraction ---- */

static enum outcome insert(struct cpu *c, const struct insn *i, unsigned n)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, n, &v));
    memcpy(&xmm_reg(c, i)->b[n * (i->imm & (16 / n - 1))], &v, n);
    return RETIRED;
}
enum outcome op_pinsrb(struct cpu *c, const struct insn *i) { return insert(c, i, 1); }
enum outcome op_pinsrw(struct cpu *c, const struct insn *i) { return insert(c, i, 2); }
enum outcome op_pinsrd(struct cpu *c, const struct insn *i) { return insert(c, i, i->size); }

static uint64_t lane(const union xmm *v, unsigned n, uint64_t index)
{
    uint64_t r = 0;
    memcpy(&r, &v->b[n * (index & (16 / n - 1))], n);
    return r;
}

/* To memory n bytes, to a register zero-extended. */
static enum outcome extract(struct cpu *c, const struct insn *i, unsigned n)
{
    uint64_t v = lane(xmm_reg(c, i), n, i->imm);
    FAULT_IF(!rm_write(c, i, insn_is_mem(i) ? n : 8, v));
    return RETIRED;
}
enum outcome op_pextrb(struct cpu *c, const struct insn *i) { return extract(c, i, 1); }
enum outcome op_pextrw_rm(struct cpu *c, const struct insn *i) { return extract(c, i, 2); }
enum outcome op_pextrd(struct cpu *c, const struct insn *i) { return extract(c, i, i->size); }
enum outcome op_extractps(struct cpu *c, const struct insn *i) { return extract(c, i, 4); }

/* 0F C5: the general register is ModRM.reg. */
enum outcome op_pextrw(struct cpu *c, const struct insn *i)
{
    c->gpr[i->reg] = lane(&c->fpu.xmm[i->rm & 15], 2, i->imm);
    return RETIRED;
}

/* imm8: 7:6 source lane (0 for memory), 5:4 destination lane, 3:0 lanes to clear. */
enum outcome op_insertps(struct cpu *c, const struct insn *i)
{
    union xmm s, *d = xmm_reg(c, i);
    FAULT_IF(!xmm_read_rm(c, i, 4, 0, &s));
    d->d[i->imm >> 4 & 3] = s.d[insn_is_mem(i) ? 0 : i->imm >> 6 & 3];
    for (unsigned k = 0; k < 4; k++)
        if (i->imm >> k & 1)
            d->d[k] = 0;
    return RETIRED;
}

/* ---- blending ---- */

/* Lanes of n bytes whose bit in `mask` is set come from s. */
static void blend(union xmm *d, const union xmm *s, unsigned n, uint64_t mask)
{
    for (unsigned k = 0; k < 16 / n; k++)
        if (mask >> k & 1)
            memcpy(&d->b[k * n], &s->b[k * n], n);
}
static enum outcome blend_imm(struct cpu *c, const struct insn *i, unsigned n)
{
    union xmm s;
    FAULT_IF(!xmm_source(c, i, &s));
    blend(xmm_reg(c, i), &s, n, i->imm);
    return RETIRED;
}
/* The mask is the sign bits of XMM0's lanes. */
static enum outcome blend_xmm0(struct cpu *c, const struct insn *i, unsigned n)
{
    union xmm s;
    uint64_t mask = 0;
    FAULT_IF(!xmm_source(c, i, &s));
    for (unsigned k = 0; k < 16 / n; k++)
        mask |= (uint64_t)(c->fpu.xmm[0].b[k * n + n - 1] >> 7) << k;
    blend(xmm_reg(c, i), &s, n, mask);
    return RETIRED;
}
enum outcome op_blendps(struct cpu *c, const struct insn *i) { return blend_imm(c, i, 4); }
enum outcome op_blendpd(struct cpu *c, const struct insn *i) { return blend_imm(c, i, 8); }
enum outcome op_pblendw(struct cpu *c, const struct insn *i) { return blend_imm(c, i, 2); }
enum outcome op_pblendvb(struct cpu *c, const struct insn *i) { return blend_xmm0(c, i, 1); }
enum outcome op_blendvps(struct cpu *c, const struct insn *i) { return blend_xmm0(c, i, 4); }
enum outcome op_blendvpd(struct cpu *c, const struct insn *i) { return blend_xmm0(c, i, 8); }

/* ---- widening ---- */

/* The low 16 / to lanes of `from` bytes become lanes of `to` bytes. */
static enum outcome widen(struct cpu *c, const struct insn *i, unsigned from, unsigned to,
                          bool is_signed)
{
    union xmm s, r;
    FAULT_IF(!xmm_read_rm(c, i, 16 / to * from, 0, &s));
    for (unsigned k = 0; k < 16 / to; k++) {
        uint64_t v = lane(&s, from, k);
        if (is_signed)
            v = (uint64_t)sign_extend(v, from);
        memcpy(&r.b[k * to], &v, to);
    }
    *xmm_reg(c, i) = r;
    return RETIRED;
}
enum outcome op_pmovsxbw(struct cpu *c, const struct insn *i) { return widen(c, i, 1, 2, true); }
enum outcome op_pmovsxbd(struct cpu *c, const struct insn *i) { return widen(c, i, 1, 4, true); }
enum outcome op_pmovsxbq(struct cpu *c, const struct insn *i) { return widen(c, i, 1, 8, true); }
enum outcome op_pmovsxwd(struct cpu *c, const struct insn *i) { return widen(c, i, 2, 4, true); }
enum outcome op_pmovsxwq(struct cpu *c, const struct insn *i) { return widen(c, i, 2, 8, true); }
enum outcome op_pmovsxdq(struct cpu *c, const struct insn *i) { return widen(c, i, 4, 8, true); }
enum outcome op_pmovzxbw(struct cpu *c, const struct insn *i) { return widen(c, i, 1, 2, false); }
enum outcome op_pmovzxbd(struct cpu *c, const struct insn *i) { return widen(c, i, 1, 4, false); }
enum outcome op_pmovzxbq(struct cpu *c, const struct insn *i) { return widen(c, i, 1, 8, false); }
enum outcome op_pmovzxwd(struct cpu *c, const struct insn *i) { return widen(c, i, 2, 4, false); }
enum outcome op_pmovzxwq(struct cpu *c, const struct insn *i) { return widen(c, i, 2, 8, false); }
enum outcome op_pmovzxdq(struct cpu *c, const struct insn *i) { return widen(c, i, 4, 8, false); }

/* ZF: no bit in common; CF: every bit of the source is set in the destination. */
enum outcome op_ptest(struct cpu *c, const struct insn *i)
{
    union xmm s;
    const union xmm *d = xmm_reg(c, i);
    FAULT_IF(!xmm_source(c, i, &s));
    bool zf = ((d->q[0] & s.q[0]) | (d->q[1] & s.q[1])) == 0;
    bool cf = ((~d->q[0] & s.q[0]) | (~d->q[1] & s.q[1])) == 0;
    flags_set_status(c, (zf ? FLAG_ZF : 0) | (cf ? FLAG_CF : 0));
    return RETIRED;
}
