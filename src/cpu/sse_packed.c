// SPDX-License-Identifier: Apache-2.0
// Packed integer arithmetic, logic and comparison that work lane by lane; MMX and XMM alike.
#include "cpu/ops.h"
#include "cpu/sse.h"

static enum outcome packed_mmx(struct cpu *c, const struct insn *i, packed_fn *fn)
{
    MMX_CHECK(c);
    union xmm d = { .q = { mmx_read(c, i->reg), 0 } }, s = { .q = { 0, 0 } };
    FAULT_IF(!mmx_read_rm(c, i, 8, &s.q[0]));
    fn(&d, &s, 8);
    fpu_enter_mmx(c);
    mmx_write(c, i->reg, d.q[0]);
    return RETIRED;
}

enum outcome packed_xmm(struct cpu *c, const struct insn *i, packed_fn *fn)
{
    union xmm s;
    FAULT_IF(!xmm_source(c, i, &s));
    fn(xmm_reg(c, i), &s, 16);
    return RETIRED;
}

enum outcome packed_op(struct cpu *c, const struct insn *i, packed_fn *fn)
{
    return insn_is_xmm(i) ? packed_xmm(c, i, fn) : packed_mmx(c, i, fn);
}

/* ---- addition and subtraction ---- */

PACKED_LANES(op_paddb, uint8_t, a + b)
PACKED_LANES(op_paddw, uint16_t, a + b)
PACKED_LANES(op_paddd, uint32_t, a + b)
PACKED_LANES(op_paddq, uint64_t, a + b)
PACKED_LANES(op_psubb, uint8_t, a - b)
PACKED_LANES(op_psubw, uint16_t, a - b)
PACKED_LANES(op_psubd, uint32_t, a - b)
PACKED_LANES(op_psubq, uint64_t, a - b)
PACKED_LANES(op_paddsb, int8_t, saturate_s8(a + b))
PACKED_LANES(op_paddsw, int16_t, saturate_s16(a + b))
PACKED_LANES(op_paddusb, uint8_t, saturate_u8(a + b))
PACKED_LANES(op_paddusw, uint16_t, saturate_u16(a + b))
PACKED_LANES(op_psubsb, int8_t, saturate_s8(a - b))
PACKED_LANES(op_psubsw, int16_t, saturate_s16(a - b))
PACKED_LANES(op_psubusb, uint8_t, saturate_u8(a - b))
PACKED_LANES(op_psubusw, uint16_t, saturate_u16(a - b))

/* ---- multiplication ---- */

PACKED_LANES(op_pmullw, uint16_t, (uint32_t)a * b)
PACKED_LANES(op_pmulhw, int16_t, (int32_t)a * b >> 16)
PACKED_LANES(op_pmulhuw, uint16_t, (uint32_t)a * b >> 16)
PACKED_LANES(op_pmulhrsw, int16_t, (((int32_t)a * b >> 14) + 1) >> 1)
PACKED_LANES(op_pmulld, uint32_t, a * b)
PACKED_LANES(op_pmuludq, uint64_t, (uint64_t)(uint32_t)a * (uint32_t)b)
PACKED_LANES(op_pmuldq, int64_t, (int64_t)(int32_t)a * (int32_t)b)

/* ---- averages, minima, maxima, absolute values, signs ---- */

PACKED_LANES(op_pavgb, uint8_t, (a + b + 1) >> 1)
PACKED_LANES(op_pavgw, uint16_t, (a + b + 1) >> 1)
PACKED_LANES(op_pminub, uint8_t, a < b ? a : b)
PACKED_LANES(op_pminuw, uint16_t, a < b ? a : b)
PACKED_LANES(op_pminud, uint32_t, a < b ? a : b)
PACKED_LANES(op_pminsb, int8_t, a < b ? a : b)
PACKED_LANES(op_pminsw, int16_t, a < b ? a : b)
PACKED_LANES(op_pminsd, int32_t, a < b ? a : b)
PACKED_LANES(op_pmaxub, uint8_t, a > b ? a : b)
PACKED_LANES(op_pmaxuw, uint16_t, a > b ? a : b)
PACKED_LANES(op_pmaxud, uint32_t, a > b ? a : b)
PACKED_LANES(op_pmaxsb, int8_t, a > b ? a : b)
PACKED_LANES(op_pmaxsw, int16_t, a > b ? a : b)
PACKED_LANES(op_pmaxsd, int32_t, a > b ? a : b)
PACKED_LANES(op_pabsb, uint8_t, b & 0x80 ? -b : b)
PACKED_LANES(op_pabsw, uint16_t, b & 0x8000 ? -b : b)
PACKED_LANES(op_pabsd, uint32_t, b >> 31 ? -b : b)
PACKED_LANES(op_psignb, int8_t, b < 0 ? -a : b ? a : 0)
PACKED_LANES(op_psignw, int16_t, b < 0 ? -a : b ? a : 0)
PACKED_LANES(op_psignd, uint32_t, b >> 31 ? -a : b ? a : 0)

/* ---- comparison and logic: also of floating-point registers ---- */

PACKED_LANES(op_pcmpeqb, uint8_t, -(a == b))
PACKED_LANES(op_pcmpeqw, uint16_t, -(a == b))
PACKED_LANES(op_pcmpeqd, uint32_t, -(a == b))
PACKED_LANES(op_pcmpeqq, uint64_t, -(uint64_t)(a == b))
PACKED_LANES(op_pcmpgtb, int8_t, -(a > b))
PACKED_LANES(op_pcmpgtw, int16_t, -(a > b))
PACKED_LANES(op_pcmpgtd, int32_t, -(a > b))
PACKED_LANES(op_pcmpgtq, int64_t, -(int64_t)(a > b))
PACKED_LANES(op_pand, uint64_t, a & b)
PACKED_LANES(op_pandn, uint64_t, ~a & b)
PACKED_LANES(op_por, uint64_t, a | b)
PACKED_LANES(op_pxor, uint64_t, a ^ b)
XMM_HANDLER(op_andps, op_pand_lanes)
XMM_HANDLER(op_andnps, op_pandn_lanes)
XMM_HANDLER(op_orps, op_por_lanes)
XMM_HANDLER(op_xorps, op_pxor_lanes)
