// SPDX-License-Identifier: Apache-2.0
// Fast forms of the SSE instructions that compiled scalar code is made of.
#include "cpu/fast_sse.h"

#include "cpu/fast_mem.h"
#include "cpu/ops.h"
#include "cpu/sse_scalar.h"

#define XMM(r) c->fpu.xmm[r]

/* MOVSD and MOVSS: a load clears the rest of the register, a register move keeps it. */
static RUN(movsd_load) { LOAD(uint64_t, v) XMM(i->reg).q[0] = v; XMM(i->reg).q[1] = 0; NEXT; }
static RUN(movsd_store) { STORE(uint64_t, XMM(i->reg).q[0]) NEXT; }
static RUN(movsd_rr) { XMM(i->reg).q[0] = XMM(i->rm).q[0]; NEXT; }
static RUN(movss_load) { LOAD(uint32_t, v) XMM(i->reg).q[0] = v; XMM(i->reg).q[1] = 0; NEXT; }
static RUN(movss_store) { STORE(uint32_t, XMM(i->reg).d[0]) NEXT; }
static RUN(mov16_rr) { XMM(i->reg) = XMM(i->rm); NEXT; }
static RUN(mov16_load) { LOAD(union xmm, v) XMM(i->reg) = v; NEXT; }
static RUN(mov16_store)
{
    HOST(WRITES, EA, 16)
    memcpy(host_, &XMM(i->reg), 16);
    NEXT;
}
static RUN(mov16_load_aligned) { if (unlikely(EA & 15)) GENERAL; TAIL mov16_load(c, i, res, aux, last); }
static RUN(mov16_store_aligned) { if (unlikely(EA & 15)) GENERAL; TAIL mov16_store(c, i, res, aux, last); }
static RUN(pxor_rr)
{
    XMM(i->reg).q[0] ^= XMM(i->rm).q[0];
    XMM(i->reg).q[1] ^= XMM(i->rm).q[1];
    NEXT;
}

#define SCALAR(insn, type, lane)                                                                    \
    static RUN(insn##_rr)                                                                           \
    {                                                                                               \
        if (unlikely(!sse_##insn(c, &XMM(i->reg).lane[0], XMM(i->rm).lane[0])))                     \
            GENERAL;                                                                                \
        NEXT;                                                                                       \
    }                                                                                               \
    static RUN(insn##_rm)                                                                           \
    {                                                                                               \
        LOAD(type, v)                                                                               \
        if (unlikely(!sse_##insn(c, &XMM(i->reg).lane[0], v)))                                      \
            GENERAL;                                                                                \
        NEXT;                                                                                       \
    }
SCALAR(addsd, double, g)
SCALAR(subsd, double, g)
SCALAR(mulsd, double, g)
SCALAR(divsd, double, g)
SCALAR(addss, float, f)
SCALAR(subss, float, f)
SCALAR(mulss, float, f)
SCALAR(divss, float, f)

static const struct { op_fn *op; run_fn *reg, *mem; } forms[] = {
    { op_movsd_load, movsd_rr, movsd_load }, { op_movsd_store, NULL, movsd_store },
    { op_movss_load, NULL, movss_load }, { op_movss_store, NULL, movss_store },
    { op_movups_load, mov16_rr, mov16_load }, { op_movups_store, NULL, mov16_store },
    { op_movaps_load, mov16_rr, mov16_load_aligned }, { op_movaps_store, NULL, mov16_store_aligned },
    { op_pxor, pxor_rr, NULL }, { op_addsd, addsd_rr, addsd_rm }, { op_subsd, subsd_rr, subsd_rm },
    { op_mulsd, mulsd_rr, mulsd_rm }, { op_divsd, divsd_rr, divsd_rm }, { op_addss, addss_rr, addss_rm },
    { op_subss, subss_rr, subss_rm }, { op_mulss, mulss_rr, mulss_rm }, { op_divss, divss_rr, divss_rm },
};

run_fn *fast_sse_form(const struct insn_row *row, const struct insn *i, bool mem_ok)
{
    for (unsigned k = 0; k < ARRAY_SIZE(forms); k++)
        if (forms[k].op == row->op)
            return insn_is_mem(i) ? (mem_ok ? forms[k].mem : NULL) : forms[k].reg;
    return NULL;
}
