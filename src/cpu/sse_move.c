// SPDX-License-Identifier: Apache-2.0
// SSE data movement: loads, stores, halves, scalars, masks.
#include "cpu/ops.h"
#include "cpu/sse.h"

/* ---- 128 bits ---- */

static enum outcome load(struct cpu *c, const struct insn *i, unsigned align)
{
    union xmm s;
    FAULT_IF(!xmm_read_rm(c, i, 16, align, &s));
    *xmm_reg(c, i) = s;
    return RETIRED;
}
static enum outcome store(struct cpu *c, const struct insn *i, unsigned align)
{
    if (insn_is_mem(i))
        FAULT_IF(!mem_store(c, i, xmm_reg(c, i), 16, align));
    else
        c->fpu.xmm[i->rm & 15] = *xmm_reg(c, i);
    return RETIRED;
}
enum outcome op_movups_load(struct cpu *c, const struct insn *i) { return load(c, i, 0); }
enum outcome op_movaps_load(struct cpu *c, const struct insn *i) { return load(c, i, 16); }
enum outcome op_movups_store(struct cpu *c, const struct insn *i) { return store(c, i, 0); }
enum outcome op_movaps_store(struct cpu *c, const struct insn *i) { return store(c, i, 16); }

/* ---- scalars: a load from memory clears the rest of the register, a register move keeps it ----
 */

static enum outcome load_scalar(struct cpu *c, const struct insn *i, unsigned n)
{
    union xmm s;
    FAULT_IF(!xmm_read_rm(c, i, n, 0, &s));
    if (insn_is_mem(i))
        *xmm_reg(c, i) = s;
    else
        memcpy(xmm_reg(c, i), &s, n);
    return RETIRED;
}
static enum outcome store_scalar(struct cpu *c, const struct insn *i, unsigned n)
{
    if (insn_is_mem(i))
        FAULT_IF(!mem_store(c, i, xmm_reg(c, i), n, 0));
    else
        memcpy(&c->fpu.xmm[i->rm & 15], xmm_reg(c, i), n);
    return RETIRED;
}
enum outcome op_movss_load(struct cpu *c, const struct insn *i) { return load_scalar(c, i, 4); }
enum outcome op_movsd_load(struct cpu *c, const struct insn *i) { return load_scalar(c, i, 8); }
enum outcome op_movss_store(struct cpu *c, const struct insn *i) { return store_scalar(c, i, 4); }
enum outcome op_movsd_store(struct cpu *c, const struct insn *i) { return store_scalar(c, i, 8); }

/* MOVQ between XMM registers and memory clears the upper half of a register in either direction. */
enum outcome op_movq_load(struct cpu *c, const struct insn *i)
{
    union xmm s;
    FAULT_IF(!xmm_read_rm(c, i, 8, 0, &s));
    *xmm_reg(c, i) = (union xmm){ .q = { s.q[0], 0 } };
    return RETIRED;
}
enum outcome op_movq_store(struct cpu *c, const struct insn *i)
{
    if (insn_is_mem(i))
        return store_scalar(c, i, 8);
    c->fpu.xmm[i->rm & 15] = (union xmm){ .q = { xmm_reg(c, i)->q[0], 0 } };
    return RETIRED;
}

/* MOVD, MOVQ: between an XMM register and a general register or memory, 4 or 8 bytes. */
enum outcome op_movd_load(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, i->size, &v));
    *xmm_reg(c, i) = (union xmm){ .q = { v, 0 } };
    return RETIRED;
}
enum outcome op_movd_store(struct cpu *c, const struct insn *i)
{
    FAULT_IF(!rm_write(c, i, i->size, xmm_reg(c, i)->q[0] & size_mask(i->size)));
    return RETIRED;
}

/* ---- halves ---- */

static enum outcome load_half(struct cpu *c, const struct insn *i, unsigned half)
{
    uint64_t v;
    FAULT_IF(!seg_read(c, insn_seg(i), insn_ea(c, i), 8, &v));
    xmm_reg(c, i)->q[half] = v;
    return RETIRED;
}
static enum outcome store_half(struct cpu *c, const struct insn *i, unsigned half)
{
    FAULT_IF(!seg_write(c, insn_seg(i), insn_ea(c, i), 8, xmm_reg(c, i)->q[half]));
    return RETIRED;
}
enum outcome op_movlps_load(struct cpu *c, const struct insn *i) { return load_half(c, i, 0); }
enum outcome op_movhps_load(struct cpu *c, const struct insn *i) { return load_half(c, i, 1); }
enum outcome op_movlps_store(struct cpu *c, const struct insn *i) { return store_half(c, i, 0); }
enum outcome op_movhps_store(struct cpu *c, const struct insn *i) { return store_half(c, i, 1); }

enum outcome op_movhlps(struct cpu *c, const struct insn *i)
{
    xmm_reg(c, i)->q[0] = c->fpu.xmm[i->rm & 15].q[1];
    return RETIRED;
}
enum outcome op_movlhps(struct cpu *c, const struct insn *i)
{
    xmm_reg(c, i)->q[1] = c->fpu.xmm[i->rm & 15].q[0];
    return RETIRED;
}

enum outcome op_movddup(struct cpu *c, const struct insn *i)
{
    union xmm s;
    FAULT_IF(!xmm_read_rm(c, i, 8, 0, &s));
    *xmm_reg(c, i) = (union xmm){ .q = { s.q[0], s.q[0] } };
    return RETIRED;
}
enum outcome op_movsldup(struct cpu *c, const struct insn *i)
{
    union xmm s;
    FAULT_IF(!xmm_source(c, i, &s));
    *xmm_reg(c, i) = (union xmm){ .d = { s.d[0], s.d[0], s.d[2], s.d[2] } };
    return RETIRED;
}
enum outcome op_movshdup(struct cpu *c, const struct insn *i)
{
    union xmm s;
    FAULT_IF(!xmm_source(c, i, &s));
    *xmm_reg(c, i) = (union xmm){ .d = { s.d[1], s.d[1], s.d[3], s.d[3] } };
    return RETIRED;
}

/* ---- sign masks ---- */

static enum outcome move_mask(struct cpu *c, const struct insn *i, unsigned bytes, unsigned lane)
{
    uint64_t mask = 0;
    for (unsigned k = 0; k < bytes / lane; k++)
        mask |= (uint64_t)(c->fpu.xmm[i->rm & 15].b[k * lane + lane - 1] >> 7) << k;
    c->gpr[i->reg] = mask;
    return RETIRED;
}
enum outcome op_movmskps(struct cpu *c, const struct insn *i) { return move_mask(c, i, 16, 4); }
enum outcome op_movmskpd(struct cpu *c, const struct insn *i) { return move_mask(c, i, 16, 8); }
enum outcome op_pmovmskb_xmm(struct cpu *c, const struct insn *i) { return move_mask(c, i, 16, 1); }

/* ---- masked stores ---- */

/* MASKMOVQ, MASKMOVDQU: the bytes of `data` whose mask byte has its sign set go to DS:rDI; the
 * others are neither written nor checked.  All checks come before the first write. */
static bool masked_store(struct cpu *c, const struct insn *i, const uint8_t *data,
                         const uint8_t *mask, unsigned n)
{
    uint64_t rdi = c->gpr[RDI], wrap = size_mask(insn_asize(i));
    if (!seg_check_alignment(c, insn_seg(i), rdi & wrap, 8))
        return false;
    for (unsigned k = 0; k < n; k++)
        if (mask[k] & 0x80 && !seg_probe_write(c, insn_seg(i), (rdi + k) & wrap, 1))
            return false;
    for (unsigned k = 0; k < n; k++)
        if (mask[k] & 0x80 && !seg_write(c, insn_seg(i), (rdi + k) & wrap, 1, data[k]))
            return false;
    return true;
}
enum outcome op_maskmovdqu(struct cpu *c, const struct insn *i)
{
    FAULT_IF(!masked_store(c, i, xmm_reg(c, i)->b, c->fpu.xmm[i->rm & 15].b, 16));
    return RETIRED;
}
enum outcome op_maskmovq(struct cpu *c, const struct insn *i)
{
    MMX_CHECK(c);
    union xmm data = { .q = { mmx_read(c, i->reg), 0 } }, mask = { .q = { mmx_read(c, i->rm), 0 } };
    FAULT_IF(!masked_store(c, i, data.b, mask.b, 8));
    fpu_enter_mmx(c);
    return RETIRED;
}

/* ---- MXCSR ---- */

enum outcome op_ldmxcsr(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, 4, &v));
    if (v >> 16)
        return cpu_raise_code(c, EXC_GP, 0);
    c->fpu.mxcsr = (uint32_t)v;
    return RETIRED;
}
enum outcome op_stmxcsr(struct cpu *c, const struct insn *i)
{
    FAULT_IF(!rm_write(c, i, 4, c->fpu.mxcsr));
    return RETIRED;
}
