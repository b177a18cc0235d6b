// SPDX-License-Identifier: Apache-2.0
// Conversions between floating-point formats and integers, on the host's own unit (sse_env.h).
#include "cpu/ops.h"
#include "cpu/sse.h"
#include "cpu/sse_env.h"

/* ---- XMM to XMM ---- */

#define CONVERT_OP(op, host_insn, n, align, kind_, lanes_)                                         \
    SSE_FN(op##_run, host_insn " %2, %0")                                                          \
    static const struct sse_op op##_host = { op##_run, kind_, 8, lanes_ };                         \
    enum outcome op(struct cpu *c, const struct insn *i)                                           \
    {                                                                                              \
        union xmm s;                                                                               \
        FAULT_IF(!xmm_read_rm(c, i, n, align, &s));                                                \
        return sse_run(c, &op##_host, xmm_reg(c, i), &s) ? RETIRED : FAULTED;                      \
    }

CONVERT_OP(op_cvtss2sd, "cvtss2sd", 4, 0, SSE_OTHER, 0)
CONVERT_OP(op_cvtsd2ss, "cvtsd2ss", 8, 0, SSE_NARROW, 1)
CONVERT_OP(op_cvtps2pd, "cvtps2pd", 8, 0, SSE_OTHER, 0)
CONVERT_OP(op_cvtpd2ps, "cvtpd2ps", 16, 16, SSE_NARROW, 2)
CONVERT_OP(op_cvtdq2ps, "cvtdq2ps", 16, 16, SSE_OTHER, 0)
CONVERT_OP(op_cvtps2dq, "cvtps2dq", 16, 16, SSE_OTHER, 0)
CONVERT_OP(op_cvttps2dq, "cvttps2dq", 16, 16, SSE_OTHER, 0)
CONVERT_OP(op_cvtdq2pd, "cvtdq2pd", 8, 0, SSE_OTHER, 0)
CONVERT_OP(op_cvtpd2dq, "cvtpd2dq", 16, 16, SSE_OTHER, 0)
CONVERT_OP(op_cvttpd2dq, "cvttpd2dq", 16, 16, SSE_OTHER, 0)

/* ---- general register or memory to a scalar ---- */

static enum outcome from_integer(struct cpu *c, const struct insn *i, const struct sse_op *from32,
                                 const struct sse_op *from64)
{
    union xmm s = { .q = { 0, 0 } };
    FAULT_IF(!rm_read(c, i, i->size, &s.q[0]));
    return sse_run(c, i->size == 8 ? from64 : from32, xmm_reg(c, i), &s) ? RETIRED : FAULTED;
}
SSE_SIMPLE(cvtsi2ss_32, "movd %2, %%eax\n\tcvtsi2ssl %%eax, %0", "rax")
SSE_SIMPLE(cvtsi2ss_64, "movq %2, %%rax\n\tcvtsi2ssq %%rax, %0", "rax")
SSE_SIMPLE(cvtsi2sd_32, "movd %2, %%eax\n\tcvtsi2sdl %%eax, %0", "rax")
SSE_SIMPLE(cvtsi2sd_64, "movq %2, %%rax\n\tcvtsi2sdq %%rax, %0", "rax")
enum outcome op_cvtsi2ss(struct cpu *c, const struct insn *i)
{
    return from_integer(c, i, &cvtsi2ss_32_host, &cvtsi2ss_64_host);
}
enum outcome op_cvtsi2sd(struct cpu *c, const struct insn *i)
{
    return from_integer(c, i, &cvtsi2sd_32_host, &cvtsi2sd_64_host);
}

/* ---- scalar to general register ---- */

static enum outcome to_integer(struct cpu *c, const struct insn *i, unsigned n,
                               const struct sse_op *to32, const struct sse_op *to64)
{
    union xmm s, r = { .q = { 0, 0 } };
    FAULT_IF(!xmm_read_rm(c, i, n, 0, &s));
    if (!sse_run(c, i->size == 8 ? to64 : to32, &r, &s))
        return FAULTED;
    reg_write(c, i->reg, i->size, r.q[0]);
    return RETIRED;
}
#define TO_INTEGER_OP(op, host_insn, n)                                                            \
    SSE_SIMPLE(op##_32, host_insn " %2, %%eax\n\tmovd %%eax, %0", "rax")                           \
    SSE_SIMPLE(op##_64, host_insn " %2, %%rax\n\tmovq %%rax, %0", "rax")                           \
    enum outcome op(struct cpu *c, const struct insn *i)                                           \
    {                                                                                              \
        return to_integer(c, i, n, &op##_32_host, &op##_64_host);                                  \
    }

TO_INTEGER_OP(op_cvtss2si, "cvtss2si", 4)
TO_INTEGER_OP(op_cvttss2si, "cvttss2si", 4)
TO_INTEGER_OP(op_cvtsd2si, "cvtsd2si", 8)
TO_INTEGER_OP(op_cvttsd2si, "cvttsd2si", 8)

/* ---- MMX registers ---- */

/* With a memory source, no MMX register takes part: no x87 exception is waited for, and nothing
 * enters MMX state (SDM vol. 2, "CVTPI2PD", says so; CVTPI2PS does the same on silicon). */
static enum outcome read_mmx_pair(struct cpu *c, const struct insn *i, union xmm *s)
{
    *s = (union xmm){ .q = { 0, 0 } };
    if (!insn_is_mem(i))
        MMX_CHECK(c);
    FAULT_IF(!mmx_read_rm(c, i, 8, &s->q[0]));
    return RETIRED;
}
static void enter_mmx_pair(struct cpu *c, const struct insn *i)
{
    if (!insn_is_mem(i))
        fpu_enter_mmx(c);
}

/* Two doublewords to two singles; the upper half of the destination stays. */
enum outcome op_cvtpi2ps(struct cpu *c, const struct insn *i)
{
    union xmm s, r = { .q = { 0, 0 } };
    enum outcome o = read_mmx_pair(c, i, &s);
    if (o != RETIRED)
        return o;
    if (!sse_run(c, &op_cvtdq2ps_host, &r, &s))
        return FAULTED;
    enter_mmx_pair(c, i);
    xmm_reg(c, i)->q[0] = r.q[0];
    return RETIRED;
}

/* Exact. */
enum outcome op_cvtpi2pd(struct cpu *c, const struct insn *i)
{
    union xmm s;
    enum outcome o = read_mmx_pair(c, i, &s);
    if (o != RETIRED)
        return o;
    enter_mmx_pair(c, i);
    *xmm_reg(c, i) = (union xmm){ .g = { (int32_t)s.d[0], (int32_t)s.d[1] } };
    return RETIRED;
}

/* Two singles (8 bytes) or doubles (16) to two doublewords.  Lanes that do not count are 0 and
 * raise nothing. */
static enum outcome to_mmx(struct cpu *c, const struct insn *i, unsigned n, unsigned align,
                           const struct sse_op *o)
{
    union xmm s, r = { .q = { 0, 0 } };
    MMX_CHECK(c);
    FAULT_IF(!xmm_read_rm(c, i, n, align, &s));
    if (n == 8)
        s.q[1] = 0;
    if (!sse_run(c, o, &r, &s))
        return FAULTED;
    fpu_enter_mmx(c);
    mmx_write(c, i->reg, r.q[0]);
    return RETIRED;
}
enum outcome op_cvtps2pi(struct cpu *c, const struct insn *i)
{
    return to_mmx(c, i, 8, 0, &op_cvtps2dq_host);
}
enum outcome op_cvttps2pi(struct cpu *c, const struct insn *i)
{
    return to_mmx(c, i, 8, 0, &op_cvttps2dq_host);
}
enum outcome op_cvtpd2pi(struct cpu *c, const struct insn *i)
{
    return to_mmx(c, i, 16, 16, &op_cvtpd2dq_host);
}
enum outcome op_cvttpd2pi(struct cpu *c, const struct insn *i)
{
    return to_mmx(c, i, 16, 16, &op_cvttpd2dq_host);
}
