// SPDX-License-Identifier: Apache-2.0
// Packed integer instructions whose lanes mix: horizontal arithmetic, packing, interleaving,
// shuffling.
#include "cpu/ops.h"
#include "cpu/sse.h"

/* ---- sums of products and of differences ---- */

static void pmaddwd(union xmm *d, const union xmm *s, unsigned bytes)
{
    for (unsigned k = 0; k < bytes / 4; k++) {
        int32_t low = (int16_t)d->w[2 * k] * (int16_t)s->w[2 * k];
        int32_t high = (int16_t)d->w[2 * k + 1] * (int16_t)s->w[2 * k + 1];
        d->d[k] = (uint32_t)low + (uint32_t)high;
    }
}
PACKED_HANDLER(op_pmaddwd, pmaddwd)

static void pmaddubsw(union xmm *d, const union xmm *s, unsigned bytes)
{
    for (unsigned k = 0; k < bytes / 2; k++) {
        int32_t sum = d->b[2 * k] * (int8_t)s->b[2 * k] + d->b[2 * k + 1] * (int8_t)s->b[2 * k + 1];
        d->w[k] = (uint16_t)saturate_s16(sum);
    }
}
PACKED_HANDLER(op_pmaddubsw, pmaddubsw)

static uint16_t absolute_difference(uint8_t a, uint8_t b)
{
    return a > b ? (uint16_t)(a - b) : (uint16_t)(b - a);
}

static void psadbw(union xmm *d, const union xmm *s, unsigned bytes)
{
    for (unsigned k = 0; k < bytes / 8; k++) {
        uint64_t sum = 0;
        for (unsigned j = 8 * k; j < 8 * k + 8; j++)
            sum += absolute_difference(d->b[j], s->b[j]);
        d->q[k] = sum;
    }
}
PACKED_HANDLER(op_psadbw, psadbw)

enum outcome op_mpsadbw(struct cpu *c, const struct insn *i)
{
    union xmm s, *d = xmm_reg(c, i), a = *d;
    FAULT_IF(!xmm_source(c, i, &s));
    unsigned block = (i->imm & 3) * 4, start = (i->imm >> 2 & 1) * 4;
    for (unsigned k = 0; k < 8; k++) {
        uint16_t sum = 0;
        for (unsigned j = 0; j < 4; j++)
            sum = (uint16_t)(sum + absolute_difference(a.b[start + k + j], s.b[block + j]));
        d->w[k] = sum;
    }
    return RETIRED;
}

static void phminposuw(union xmm *d, const union xmm *s, unsigned bytes)
{
    unsigned best = 0;
    for (unsigned k = 1; k < bytes / 2; k++)
        if (s->w[k] < s->w[best])
            best = k;
    *d = (union xmm){ .w = { s->w[best], (uint16_t)best } };
}
PACKED_HANDLER(op_phminposuw, phminposuw)

/* PHADDx, PHSUBx: neighbours of the destination make the low half of the result, those of the
 * source the high half.  `expr` combines lanes a (even) and b (odd). */
#define HORIZONTAL(op, type, expr)                                                                 \
    static void op##_lanes(union xmm *d, const union xmm *s, unsigned bytes)                       \
    {                                                                                              \
        type in[32 / sizeof(type)], out[16 / sizeof(type)];                                        \
        memcpy(in, d, bytes);                                                                      \
        memcpy((char *)in + bytes, s, bytes);                                                      \
        for (unsigned k = 0; k < bytes / sizeof(type); k++) {                                      \
            type a = in[2 * k], b = in[2 * k + 1];                                                 \
            out[k] = (type)(expr);                                                                 \
        }                                                                                          \
        memcpy(d, out, bytes);                                                                     \
    }                                                                                              \
    PACKED_HANDLER(op, op##_lanes)

HORIZONTAL(op_phaddw, uint16_t, a + b)
HORIZONTAL(op_phaddd, uint32_t, a + b)
HORIZONTAL(op_phaddsw, int16_t, saturate_s16(a + b))
HORIZONTAL(op_phsubw, uint16_t, a - b)
HORIZONTAL(op_phsubd, uint32_t, a - b)
HORIZONTAL(op_phsubsw, int16_t, saturate_s16(a - b))

/* PACKxx: the destination's lanes, then the source's, saturated to half their width. */
#define PACK(op, wide, narrow, saturate)                                                           \
    static void op##_lanes(union xmm *d, const union xmm *s, unsigned bytes)                       \
    {                                                                                              \
        wide in[32 / sizeof(wide)];                                                                \
        narrow out[16 / sizeof(narrow)];                                                           \
        memcpy(in, d, bytes);                                                                      \
        memcpy((char *)in + bytes, s, bytes);                                                      \
        for (unsigned k = 0; k < bytes / sizeof(narrow); k++)                                      \
            out[k] = saturate(in[k]);                                                              \
        memcpy(d, out, bytes);                                                                     \
    }                                                                                              \
    PACKED_HANDLER(op, op##_lanes)

PACK(op_packsswb, int16_t, int8_t, saturate_s8)
PACK(op_packuswb, int16_t, uint8_t, saturate_u8)
PACK(op_packssdw, int32_t, int16_t, saturate_s16)
PACK(op_packusdw, int32_t, uint16_t, saturate_u16)

/* PUNPCKxx: lanes of destination and source by turns, from the low or the high half. */
static void interleave(union xmm *d, const union xmm *s, unsigned bytes, unsigned lane, bool high)
{
    union xmm a = *d;
    unsigned from = high ? bytes / 2 : 0;
    for (unsigned k = 0; k < bytes / (2 * lane); k++) {
        memcpy(&d->b[2 * k * lane], &a.b[from + k * lane], lane);
        memcpy(&d->b[(2 * k + 1) * lane], &s->b[from + k * lane], lane);
    }
}
#define UNPACK(op, lane, high)                                                                     \
    static void op##_lanes(union xmm *d, const union xmm *s, unsigned bytes)                       \
    {                                                                                              \
        interleave(d, s, bytes, lane, high);                                                       \
    }                                                                                              \
    PACKED_HANDLER(op, op##_lanes)

UNPACK(op_punpckhbw, 1, true)
UNPACK(op_punpckhwd, 2, true)
UNPACK(op_punpckhdq, 4, true)

/* The low unpacks of MMX read only 32 bits of memory (SDM vol. 2, "PUNPCKLBW/..."), those of SSE
 * 128. */
static enum outcome unpack_low(struct cpu *c, const struct insn *i, unsigned lane)
{
    union xmm s = { .q = { 0, 0 } };
    if (insn_is_xmm(i)) {
        FAULT_IF(!xmm_source(c, i, &s));
        interleave(xmm_reg(c, i), &s, 16, lane, false);
        return RETIRED;
    }
    MMX_CHECK(c);
    FAULT_IF(!mmx_read_rm(c, i, 4, &s.q[0]));
    union xmm d = { .q = { mmx_read(c, i->reg), 0 } };
    interleave(&d, &s, 8, lane, false);
    fpu_enter_mmx(c);
    mmx_write(c, i->reg, d.q[0]);
    return RETIRED;
}
enum outcome op_punpcklbw(struct cpu *c, const struct insn *i) { return unpack_low(c, i, 1); }
enum outcome op_punpcklwd(struct cpu *c, const struct insn *i) { return unpack_low(c, i, 2); }
enum outcome op_punpckldq(struct cpu *c, const struct insn *i) { return unpack_low(c, i, 4); }

/* UNPCKxPS, UNPCKxPD, PUNPCKxQDQ have no MMX form. */
#define UNPACK_XMM(op, lane, high)                                                                 \
    static void op##_lanes(union xmm *d, const union xmm *s, unsigned bytes)                       \
    {                                                                                              \
        interleave(d, s, bytes, lane, high);                                                       \
    }                                                                                              \
    XMM_HANDLER(op, op##_lanes)

UNPACK_XMM(op_unpcklps, 4, false)
UNPACK_XMM(op_unpckhps, 4, true)
UNPACK_XMM(op_unpcklpd, 8, false)
UNPACK_XMM(op_unpckhpd, 8, true)

/* ---- shuffles ---- */

static void pshufb(union xmm *d, const union xmm *s, unsigned bytes)
{
    union xmm a = *d;
    for (unsigned k = 0; k < bytes; k++)
        d->b[k] = s->b[k] & 0x80 ? 0 : a.b[s->b[k] & (bytes - 1)];
}
PACKED_HANDLER(op_pshufb, pshufb)

/* Four words from `first` on, each chosen by two bits of `order`. */
static void shuffle_words(union xmm *d, const union xmm *s, unsigned first, uint64_t order)
{
    for (unsigned k = 0; k < 4; k++)
        d->w[first + k] = s->w[first + (order >> 2 * k & 3)];
}
static enum outcome shuffle_half(struct cpu *c, const struct insn *i, unsigned first)
{
    union xmm s, r;
    FAULT_IF(!xmm_source(c, i, &s));
    r = s;
    shuffle_words(&r, &s, first, i->imm);
    *xmm_reg(c, i) = r;
    return RETIRED;
}
enum outcome op_pshuflw(struct cpu *c, const struct insn *i) { return shuffle_half(c, i, 0); }
enum outcome op_pshufhw(struct cpu *c, const struct insn *i) { return shuffle_half(c, i, 4); }

enum outcome op_pshufw(struct cpu *c, const struct insn *i)
{
    MMX_CHECK(c);
    union xmm s = { .q = { 0, 0 } }, r;
    FAULT_IF(!mmx_read_rm(c, i, 8, &s.q[0]));
    shuffle_words(&r, &s, 0, i->imm);
    fpu_enter_mmx(c);
    mmx_write(c, i->reg, r.q[0]);
    return RETIRED;
}

enum outcome op_pshufd(struct cpu *c, const struct insn *i)
{
    union xmm s, *d = xmm_reg(c, i);
    FAULT_IF(!xmm_source(c, i, &s));
    for (unsigned k = 0; k < 4; k++)
        d->d[k] = s.d[i->imm >> 2 * k & 3];
    return RETIRED;
}

enum outcome op_shufps(struct cpu *c, const struct insn *i)
{
    union xmm s, *d = xmm_reg(c, i), a = *d;
    FAULT_IF(!xmm_source(c, i, &s));
    for (unsigned k = 0; k < 4; k++)
        d->d[k] = (k < 2 ? &a : &s)->d[i->imm >> 2 * k & 3];
    return RETIRED;
}

enum outcome op_shufpd(struct cpu *c, const struct insn *i)
{
    union xmm s, *d = xmm_reg(c, i);
    FAULT_IF(!xmm_source(c, i, &s));
    *d = (union xmm){ .q = { d->q[i->imm & 1], s.q[i->imm >> 1 & 1] } };
    return RETIRED;
}

/* PALIGNR: bytes of destination:source from byte `shift` on, zeros beyond. */
static void align_right(union xmm *d, const union xmm *s, unsigned bytes, uint64_t shift)
{
    uint8_t in[32];
    memcpy(in, s, bytes);
    memcpy(in + bytes, d, bytes);
    for (unsigned k = 0; k < bytes; k++)
        d->b[k] = k + shift < 2 * bytes ? in[k + shift] : 0;
}

enum outcome op_palignr(struct cpu *c, const struct insn *i)
{
    union xmm s = { .q = { 0, 0 } };
    if (insn_is_xmm(i)) {
        FAULT_IF(!xmm_source(c, i, &s));
        align_right(xmm_reg(c, i), &s, 16, i->imm);
        return RETIRED;
    }
    MMX_CHECK(c);
    FAULT_IF(!mmx_read_rm(c, i, 8, &s.q[0]));
    union xmm d = { .q = { mmx_read(c, i->reg), 0 } };
    align_right(&d, &s, 8, i->imm);
    fpu_enter_mmx(c);
    mmx_write(c, i->reg, d.q[0]);
    return RETIRED;
}
