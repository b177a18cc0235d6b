// SPDX-License-Identifier: Apache-2.0
// Integer ALU (formats A1 to A5), shifts and bit fields (I5, I7, I9 to I15), extensions (I29).
#include "ipf/op.h"

/* r1 = expression of x (r2), y (r3) and n (the immediate); its NaT bit is that of all sources. */
#define ALU(name, expression)                                                                      \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        const struct ipf_gr *r2 = gr(c, op->r2), *r3 = gr(c, op->r3);                              \
        uint64_t x = r2->v, y = r3->v, nat = r2->nat | r3->nat;                                    \
        uint64_t n = (uint64_t)op->imm;                                                            \
        (void)x, (void)y, (void)n;                                                                 \
        if (no_target(c, op->r1))                                                                  \
            return illegal_operation(c, op);                                                       \
        *gr(c, op->r1) = (struct ipf_gr){ (expression), nat };                                     \
        NEXT(c, op);                                                                               \
    }

/* "addp4": bits 31:0 of the sum, with the region (bits 31:30) of the base in bits 62:61. */
static uint64_t pointer4(uint64_t sum, uint64_t base)
{
    return (sum & 0xffffffff) | (base & UINT64_C(0xc0000000)) << 31;
}

/* In the forms with one register source r2 is 0: r0 adds no NaT. */
ALU(ia_add, x + y)
ALU(ia_add1, x + y + 1)
ALU(ia_sub, x - y)
ALU(ia_sub1, x - y - 1)
ALU(ia_addp4, pointer4(x + y, y))
ALU(ia_and, x &y)
ALU(ia_andcm, x & ~y)
ALU(ia_or, x | y)
ALU(ia_xor, x ^ y)
ALU(ia_shladd, (x << op->s1) + y)
ALU(ia_shladdp4, pointer4((x << op->s1) + y, y))
ALU(ia_sub_imm, n - y)
ALU(ia_and_imm, n &y)
ALU(ia_andcm_imm, n & ~y)
ALU(ia_or_imm, n | y)
ALU(ia_xor_imm, n ^ y)
ALU(ia_addl, n + y)
ALU(ia_addp4_imm, pointer4(n + y, y))

/* ---- shifts: counts beyond 63 shift everything out ---- */

static uint64_t shift_right(uint64_t v, uint64_t count)
{
    return (uint64_t)((int64_t)v >> (count > 63 ? 63 : count));
}
ALU(ia_shl_reg, y > 63 ? 0 : x << y)
ALU(ia_shr_reg, shift_right(y, x))
ALU(ia_shr_u_reg, x > 63 ? 0 : y >> x)
ALU(ia_shrp, op->s1 ? x << (64 - op->s1) | y >> op->s1 : y)
ALU(ia_popcnt, (uint64_t)__builtin_popcountll(y))
ALU(ia_clz, y ? (uint64_t)__builtin_clzll(y) : 64)

/* ---- bit fields: s1 is the position, s2 the length, cut at bit 63 ---- */

static uint64_t low_mask(unsigned length) { return ~UINT64_C(0) >> (64 - length); }
static unsigned within(const struct ipf_op *op)
{
    return op->s1 + op->s2 > 64 ? 64u - op->s1 : op->s2;
}
static uint64_t extract_signed(uint64_t v, const struct ipf_op *op)
{
    unsigned length = within(op);
    return (uint64_t)((int64_t)(v << (64 - op->s1 - length)) >> (64 - length));
}
static uint64_t deposit(uint64_t field, uint64_t into, const struct ipf_op *op)
{
    uint64_t mask = low_mask(within(op)) << op->s1;
    return (into & ~mask) | (field << op->s1 & mask);
}
ALU(ia_extr, extract_signed(y, op))
ALU(ia_extr_u, y >> op->s1 & low_mask(within(op)))
ALU(ia_dep_z, deposit(x, 0, op))
ALU(ia_dep_z_imm, deposit(n, 0, op))
ALU(ia_dep, deposit(x, y, op))
ALU(ia_dep_imm, deposit(n, y, op))

/* ---- extensions; the index of the first zero element ---- */

ALU(ia_zxt1, y & 0xff)
ALU(ia_zxt2, y & 0xffff)
ALU(ia_zxt4, y & 0xffffffff)
ALU(ia_sxt1, (uint64_t)(int8_t)y)
ALU(ia_sxt2, (uint64_t)(int16_t)y)
ALU(ia_sxt4, (uint64_t)(int32_t)y)

/* Index of the first zero element of `bits` bits, from the left (most significant) or the right. */
static uint64_t zero_index(uint64_t v, unsigned bits, bool left)
{
    unsigned count = 64 / bits, n = 0;
    while (n < count && v >> bits * (left ? count - 1 - n : n) & low_mask(bits))
        n++;
    return n;
}
ALU(ia_czx1_l, zero_index(y, 8, true))
ALU(ia_czx2_l, zero_index(y, 16, true))
ALU(ia_czx1_r, zero_index(y, 8, false))
ALU(ia_czx2_r, zero_index(y, 16, false))

/* ---- movl ---- */

HANDLER(ia_movl)
{
    IF_PREDICATE(c, op);
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    *gr(c, op->r1) = (struct ipf_gr){ (uint64_t)op->imm, 0 };
    NEXT(c, op);
}
