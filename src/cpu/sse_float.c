// SPDX-License-Identifier: Apache-2.0
// SSE floating-point arithmetic and comparison, on the host's own unit (sse_env.h).
#include "cpu/ops.h"
#include "cpu/sse.h"
#include "cpu/sse_env.h"

static inline __attribute__((always_inline)) enum outcome
arith(struct cpu *c, const struct insn *i, const struct sse_op *o, unsigned n, unsigned align)
{
    union xmm s;
    FAULT_IF(!xmm_read_rm(c, i, n, align, &s));
    return sse_run(c, o, xmm_reg(c, i), &s) ? RETIRED : FAULTED;
}

/* A handler that runs the host instruction on destination and source. */
#define FLOAT_OP(op, host_insn, kind_, lane_, lanes_)                                              \
    SSE_FN(op##_run, host_insn " %2, %0")                                                          \
    static const struct sse_op op##_host = { op##_run, kind_, lane_, lanes_ };                     \
    enum outcome op(struct cpu *c, const struct insn *i)                                           \
    {                                                                                              \
        return arith(c, i, &op##_host, (lane_) * (lanes_), (lanes_) > 1 ? 16 : 0);                 \
    }

FLOAT_OP(op_addps, "addps", SSE_ADD, 4, 4)
FLOAT_OP(op_addpd, "addpd", SSE_ADD, 8, 2)
FLOAT_OP(op_addss, "addss", SSE_ADD, 4, 1)
FLOAT_OP(op_addsd, "addsd", SSE_ADD, 8, 1)
FLOAT_OP(op_subps, "subps", SSE_SUB, 4, 4)
FLOAT_OP(op_subpd, "subpd", SSE_SUB, 8, 2)
FLOAT_OP(op_subss, "subss", SSE_SUB, 4, 1)
FLOAT_OP(op_subsd, "subsd", SSE_SUB, 8, 1)
FLOAT_OP(op_mulps, "mulps", SSE_MUL, 4, 4)
FLOAT_OP(op_mulpd, "mulpd", SSE_MUL, 8, 2)
FLOAT_OP(op_mulss, "mulss", SSE_MUL, 4, 1)
FLOAT_OP(op_mulsd, "mulsd", SSE_MUL, 8, 1)
FLOAT_OP(op_divps, "divps", SSE_DIV, 4, 4)
FLOAT_OP(op_divpd, "divpd", SSE_DIV, 8, 2)
FLOAT_OP(op_divss, "divss", SSE_DIV, 4, 1)
FLOAT_OP(op_divsd, "divsd", SSE_DIV, 8, 1)
FLOAT_OP(op_minps, "minps", SSE_OTHER, 4, 4)
FLOAT_OP(op_minpd, "minpd", SSE_OTHER, 8, 2)
FLOAT_OP(op_minss, "minss", SSE_OTHER, 4, 1)
FLOAT_OP(op_minsd, "minsd", SSE_OTHER, 8, 1)
FLOAT_OP(op_maxps, "maxps", SSE_OTHER, 4, 4)
FLOAT_OP(op_maxpd, "maxpd", SSE_OTHER, 8, 2)
FLOAT_OP(op_maxss, "maxss", SSE_OTHER, 4, 1)
FLOAT_OP(op_maxsd, "maxsd", SSE_OTHER, 8, 1)
FLOAT_OP(op_sqrtps, "sqrtps", SSE_OTHER, 4, 4)
FLOAT_OP(op_sqrtpd, "sqrtpd", SSE_OTHER, 8, 2)
FLOAT_OP(op_sqrtss, "sqrtss", SSE_OTHER, 4, 1)
FLOAT_OP(op_sqrtsd, "sqrtsd", SSE_OTHER, 8, 1)
FLOAT_OP(op_rcpps, "rcpps", SSE_OTHER, 4, 4)
FLOAT_OP(op_rcpss, "rcpss", SSE_OTHER, 4, 1)
FLOAT_OP(op_rsqrtps, "rsqrtps", SSE_OTHER, 4, 4)
FLOAT_OP(op_rsqrtss, "rsqrtss", SSE_OTHER, 4, 1)
FLOAT_OP(op_haddps, "haddps", SSE_HADD, 4, 4)
FLOAT_OP(op_haddpd, "haddpd", SSE_HADD, 8, 2)
FLOAT_OP(op_hsubps, "hsubps", SSE_HSUB, 4, 4)
FLOAT_OP(op_hsubpd, "hsubpd", SSE_HSUB, 8, 2)
FLOAT_OP(op_addsubps, "addsubps", SSE_ADDSUB, 4, 4)
FLOAT_OP(op_addsubpd, "addsubpd", SSE_ADDSUB, 8, 2)

/* ---- comparison ---- */

/* Predicate 0 to 7 is bits 2:0 of imm8; the other bits do not count. */
#define COMPARE_OP(op, host_insn, n, align)                                                        \
    SSE_FN(op##_eq, host_insn " $0, %2, %0")                                                       \
    SSE_FN(op##_lt, host_insn " $1, %2, %0")                                                       \
    SSE_FN(op##_le, host_insn " $2, %2, %0")                                                       \
    SSE_FN(op##_unord, host_insn " $3, %2, %0")                                                    \
    SSE_FN(op##_neq, host_insn " $4, %2, %0")                                                      \
    SSE_FN(op##_nlt, host_insn " $5, %2, %0")                                                      \
    SSE_FN(op##_nle, host_insn " $6, %2, %0")                                                      \
    SSE_FN(op##_ord, host_insn " $7, %2, %0")                                                      \
    enum outcome op(struct cpu *c, const struct insn *i)                                           \
    {                                                                                              \
        static const struct sse_op predicate[8] = {                                                \
            { .run = op##_eq }, { .run = op##_lt }, { .run = op##_le }, { .run = op##_unord },     \
            { .run = op##_neq }, { .run = op##_nlt }, { .run = op##_nle }, { .run = op##_ord },    \
        };                                                                                         \
        return arith(c, i, &predicate[i->imm & 7], n, align);                                      \
    }

COMPARE_OP(op_cmpps, "cmpps", 16, 16)
COMPARE_OP(op_cmppd, "cmppd", 16, 16)
COMPARE_OP(op_cmpss, "cmpss", 4, 0)
COMPARE_OP(op_cmpsd_sse, "cmpsd", 8, 0)

/* COMISx, UCOMISx: the host's ZF, PF and CF, which LAHF puts where RFLAGS has them, become the
 * result. */
static inline __attribute__((always_inline)) enum outcome
compare_flags(struct cpu *c, const struct insn *i, const struct sse_op *o, unsigned n)
{
    union xmm s, r = *xmm_reg(c, i);
    FAULT_IF(!xmm_read_rm(c, i, n, 0, &s));
    if (!sse_run(c, o, &r, &s))
        return FAULTED;
    flags_set_status(c, r.d[0] & (FLAG_ZF | FLAG_PF | FLAG_CF));
    return RETIRED;
}
#define COMPARE_FLAGS_OP(op, host_insn, n)                                                         \
    SSE_SIMPLE(op, host_insn " %2, %0\n\tlahf\n\tmovzbl %%ah, %%eax\n\tmovd %%eax, %0", "rax")     \
    enum outcome op(struct cpu *c, const struct insn *i)                                           \
    {                                                                                              \
        return compare_flags(c, i, &op##_host, n);                                                 \
    }

COMPARE_FLAGS_OP(op_comiss, "comiss", 4)
COMPARE_FLAGS_OP(op_comisd, "comisd", 8)
COMPARE_FLAGS_OP(op_ucomiss, "ucomiss", 4)
COMPARE_FLAGS_OP(op_ucomisd, "ucomisd", 8)

/* ---- rounding to integral values ---- */

/* imm8: 3 suppresses #P, 2 takes MXCSR.RC, else 1:0 is the rounding control.  The host always
 * rounds by its MXCSR, into which the immediate's choice goes. */
static enum outcome round_op(struct cpu *c, const struct insn *i, const struct sse_op *o,
                             unsigned n, unsigned align)
{
    union xmm s;
    uint32_t control = c->fpu.mxcsr;
    FAULT_IF(!xmm_read_rm(c, i, n, align, &s));
    if (!(i->imm & 4))
        control = (control & ~(uint32_t)MXCSR_RC) | (uint32_t)(i->imm & 3) << MXCSR_RC_SHIFT;
    if (!sse_run_under(c, o, xmm_reg(c, i), &s, control, i->imm & 8 ? MXCSR_PE : 0))
        return FAULTED;
    return RETIRED;
}
#define ROUND_OP(op, host_insn, n, align)                                                          \
    SSE_SIMPLE(op, host_insn " $4, %2, %0", "cc")                                                  \
    enum outcome op(struct cpu *c, const struct insn *i)                                           \
    {                                                                                              \
        return round_op(c, i, &op##_host, n, align);                                               \
    }

ROUND_OP(op_roundps, "roundps", 16, 16)
ROUND_OP(op_roundpd, "roundpd", 16, 16)
ROUND_OP(op_roundss, "roundss", 4, 0)
ROUND_OP(op_roundsd, "roundsd", 8, 0)

/* ---- dot products ---- */

/* The lanes of `size` bytes, each changed for its neighbour. */
static union xmm swap_neighbours(const union xmm *v, unsigned size)
{
    union xmm r;
    for (unsigned k = 0; k < 16; k++)
        r.b[k] = v->b[k ^ size];
    return r;
}

static void clear_lanes(union xmm *v, unsigned size, uint64_t kept)
{
    for (unsigned k = 0; k < 16 / size; k++)
        if (!(kept >> k & 1))
            memset(&v->b[k * size], 0, size);
}

/* The products that imm8 7:4 selects; the others are +0, which is what zeroed operands give. */
static bool products(struct cpu *c, const struct insn *i, const struct sse_op *multiply,
                     unsigned size, union xmm *r)
{
    union xmm s;
    if (!xmm_source(c, i, &s))
        return false;
    *r = *xmm_reg(c, i);
    clear_lanes(r, size, i->imm >> 4);
    clear_lanes(&s, size, i->imm >> 4);
    return sse_run(c, multiply, r, &s);
}

/* Each step raises its exceptions before the next one starts.  Every lane makes the sum in an
 * order of its own, as silicon does: the order decides which of several NaNs is the result.  imm8
 * 3:0 selects the lanes that receive it. */
enum outcome op_dpps(struct cpu *c, const struct insn *i)
{
    union xmm r, s;
    FAULT_IF(!products(c, i, &op_mulps_host, 4, &r));
    s = swap_neighbours(&r, 4);
    FAULT_IF(!sse_run(c, &op_addps_host, &s, &r));
    r = swap_neighbours(&s, 8);
    FAULT_IF(!sse_run(c, &op_addps_host, &s, &r));
    clear_lanes(&s, 4, i->imm);
    *xmm_reg(c, i) = s;
    return RETIRED;
}
enum outcome op_dppd(struct cpu *c, const struct insn *i)
{
    union xmm r, s;
    FAULT_IF(!products(c, i, &op_mulpd_host, 8, &r));
    s = swap_neighbours(&r, 8);
    FAULT_IF(!sse_run(c, &op_addpd_host, &r, &s));
    clear_lanes(&r, 8, i->imm);
    *xmm_reg(c, i) = r;
    return RETIRED;
}
