// SPDX-License-Identifier: Apache-2.0
// Operands of MMX and SSE instructions.
#ifndef SP_CPU_SSE_H
#define SP_CPU_SSE_H

#include <string.h>

#include "cpu/access.h"
#include "cpu/x87.h"

static inline union xmm *xmm_reg(struct cpu *c, const struct insn *i)
{
    return &c->fpu.xmm[i->reg & 15];
}

/* The r/m operand: a whole register, or n bytes of memory (the rest 0) aligned to `align` (0:
 * any). */
static inline bool xmm_read_rm(struct cpu *c, const struct insn *i, unsigned n, unsigned align,
                               union xmm *v)
{
    if (!insn_is_mem(i)) {
        *v = c->fpu.xmm[i->rm & 15];
        return true;
    }
    *v = (union xmm){ .q = { 0, 0 } };
    return seg_read_bytes(c, insn_seg(i), insn_ea(c, i), v, n, align);
}
/* The usual 128-bit source: memory must be aligned. */
static inline bool xmm_source(struct cpu *c, const struct insn *i, union xmm *v)
{
    return xmm_read_rm(c, i, 16, 16, v);
}
static inline bool mem_store(struct cpu *c, const struct insn *i, const void *v, unsigned n,
                             unsigned align)
{
    return seg_write_bytes(c, insn_seg(i), insn_ea(c, i), v, n, align);
}

/* MMX registers are the fractions of the x87 registers; a write sets sign and exponent to ones
 * (SDM vol. 1, "Effect of MMX and x87 FPU Instructions on the x87 FPU Tag Word").  REX does not
 * extend them. */
static inline uint64_t mmx_read(const struct cpu *c, unsigned r) { return c->fpu.st[r & 7].frac; }
static inline void mmx_write(struct cpu *c, unsigned r, uint64_t v)
{
    c->fpu.st[r & 7] = (struct f80){ .frac = v, .sexp = 0xffff };
}
static inline bool mmx_read_rm(struct cpu *c, const struct insn *i, unsigned n, uint64_t *v)
{
    *v = mmx_read(c, i->rm);
    return insn_is_mem(i) ? seg_read(c, insn_seg(i), insn_ea(c, i), n, v) : true;
}
/* Pending x87 exceptions come before everything that an MMX instruction does. */
#define MMX_CHECK(c)                                                                               \
    do {                                                                                           \
        enum outcome pending_ = fpu_check_pending(c);                                              \
        if (pending_ != RETIRED)                                                                   \
            return pending_;                                                                       \
    } while (0)

/* The MMX form of a packed instruction has no prefix, the XMM form has 66. */
static inline bool insn_is_xmm(const struct insn *i) { return i->prefix & PFX_66; }

/* The effect of a packed integer instruction on its destination; s never overlaps d.  `bytes` is
 * 8 for MMX (the upper half of d is then ignored) and 16 for XMM; operations that work lane by
 * lane ignore it. */
typedef void packed_fn(union xmm *d, const union xmm *s, unsigned bytes);

/* Runs fn on the operands of i, MMX or XMM.  (sse_packed.c) */
enum outcome packed_op(struct cpu *c, const struct insn *i, packed_fn *fn);

/* A handler from a packed_fn. */
#define PACKED_HANDLER(op, fn)                                                                     \
    enum outcome op(struct cpu *c, const struct insn *i)                                           \
    {                                                                                              \
        return packed_op(c, i, fn);                                                                \
    }

/* The same for an instruction that has only the XMM form, whatever its prefix. */
enum outcome packed_xmm(struct cpu *c, const struct insn *i, packed_fn *fn);
#define XMM_HANDLER(op, fn)                                                                        \
    enum outcome op(struct cpu *c, const struct insn *i)                                           \
    {                                                                                              \
        return packed_xmm(c, i, fn);                                                               \
    }

/* A handler that computes each lane of `type` by `expr` from lane a of the destination and lane b
 * of the source. */
#define PACKED_LANES(op, type, expr)                                                               \
    static void op##_lanes(union xmm *d, const union xmm *s, unsigned bytes)                       \
    {                                                                                              \
        type x[16 / sizeof(type)], y[16 / sizeof(type)];                                           \
        memcpy(x, d, 16);                                                                          \
        memcpy(y, s, 16);                                                                          \
        for (unsigned k = 0; k < 16 / sizeof(type); k++) {                                         \
            type a = x[k], b = y[k];                                                               \
            (void)a;                                                                               \
            x[k] = (type)(expr);                                                                   \
        }                                                                                          \
        memcpy(d, x, 16);                                                                          \
    }                                                                                              \
    PACKED_HANDLER(op, op##_lanes)

static inline int8_t saturate_s8(int32_t v)
{
    return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}
static inline uint8_t saturate_u8(int32_t v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }
static inline int16_t saturate_s16(int32_t v)
{
    return (int16_t)(v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v);
}
static inline uint16_t saturate_u16(int32_t v)
{
    return (uint16_t)(v < 0 ? 0 : v > UINT16_MAX ? UINT16_MAX : v);
}

#endif
