// SPDX-License-Identifier: Apache-2.0
// Parallel integer instructions (formats A9, A10, I1 to I8).
#include "ipf/op.h"

#define VECTOR(name, expression)                                                                   \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        const struct ipf_gr *r2 = gr(c, op->r2), *r3 = gr(c, op->r3);                              \
        uint64_t x = r2->v, y = r3->v, nat = r2->nat | r3->nat;                                    \
        (void)x, (void)y;                                                                          \
        if (no_target(c, op->r1))                                                                  \
            return illegal_operation(c, op);                                                       \
        *gr(c, op->r1) = (struct ipf_gr){ (expression), nat };                                     \
        NEXT(c, op);                                                                               \
    }

/* Element n of a vector of elements of `bits` bits, sign- or zero-extended; and one in its place.
 */
static int64_t s_element(uint64_t v, unsigned bits, unsigned n)
{
    return (int64_t)(v << (64 - bits * (n + 1))) >> (64 - bits);
}
static int64_t u_element(uint64_t v, unsigned bits, unsigned n)
{
    return (int64_t)(v << (64 - bits * (n + 1)) >> (64 - bits));
}
static uint64_t in_place(int64_t value, unsigned bits, unsigned n)
{
    return ((uint64_t)value & ~UINT64_C(0) >> (64 - bits)) << bits * n;
}
static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* A vector of which every element is `expression` of a and b, the elements of x and y. */
#define ELEMENTS(name, bits, of_a, of_b, expression)                                               \
    static uint64_t name(uint64_t x, uint64_t y)                                                   \
    {                                                                                              \
        uint64_t result = 0;                                                                       \
        for (unsigned k = 0; k < 64 / (bits); k++) {                                               \
            int64_t a = of_a(x, bits, k), b = of_b(y, bits, k);                                    \
            (void)a, (void)b;                                                                      \
            result |= in_place((expression), bits, k);                                             \
        }                                                                                          \
        return result;                                                                             \
    }                                                                                              \
    VECTOR(ia_##name, name(x, y))

#define SIGNED_MAX(bits) (INT64_C(1) << ((bits)-1)) - 1
#define UNSIGNED_MAX(bits) (INT64_C(1) << (bits)) - 1
#define S_CLAMP(v, bits) clamp(v, -(INT64_C(1) << ((bits)-1)), SIGNED_MAX(bits))
#define U_CLAMP(v, bits) clamp(v, 0, UNSIGNED_MAX(bits))

#define BYTES_AND_HALVES(size, bits)                                                               \
    ELEMENTS(padd##size, bits, u_element, u_element, a + b)                                        \
    ELEMENTS(padd##size##_sss, bits, s_element, s_element, S_CLAMP(a + b, bits))                   \
    ELEMENTS(padd##size##_uuu, bits, u_element, u_element, U_CLAMP(a + b, bits))                   \
    ELEMENTS(padd##size##_uus, bits, u_element, s_element, U_CLAMP(a + b, bits))                   \
    ELEMENTS(psub##size, bits, u_element, u_element, a - b)                                        \
    ELEMENTS(psub##size##_sss, bits, s_element, s_element, S_CLAMP(a - b, bits))                   \
    ELEMENTS(psub##size##_uuu, bits, u_element, u_element, U_CLAMP(a - b, bits))                   \
    ELEMENTS(psub##size##_uus, bits, u_element, s_element, U_CLAMP(a - b, bits))                   \
    ELEMENTS(pavg##size, bits, u_element, u_element, (a + b) >> 1 | ((a + b) & 1))                 \
    ELEMENTS(pavg##size##_raz, bits, u_element, u_element, (a + b + 1) >> 1)                       \
    ELEMENTS(pavgsub##size, bits, u_element, u_element, (a - b) >> 1 | ((a - b) & 1))              \
    ELEMENTS(pcmp##size##_eq, bits, u_element, u_element, a == b ? -1 : 0)                         \
    ELEMENTS(pcmp##size##_gt, bits, s_element, s_element, a > b ? -1 : 0)
BYTES_AND_HALVES(1, 8)
BYTES_AND_HALVES(2, 16)
ELEMENTS(padd4, 32, u_element, u_element, a + b)
ELEMENTS(psub4, 32, u_element, u_element, a - b)
ELEMENTS(pcmp4_eq, 32, u_element, u_element, a == b ? -1 : 0)
ELEMENTS(pcmp4_gt, 32, s_element, s_element, a > b ? -1 : 0)
ELEMENTS(pmin1_u, 8, u_element, u_element, a < b ? a : b)
ELEMENTS(pmax1_u, 8, u_element, u_element, a > b ? a : b)
ELEMENTS(pmin2, 16, s_element, s_element, a < b ? a : b)
ELEMENTS(pmax2, 16, s_element, s_element, a > b ? a : b)

/* An element that the left shift saturates stays so. */
static uint64_t shift_add(uint64_t x, uint64_t y, unsigned count, bool right)
{
    uint64_t result = 0;
    for (unsigned k = 0; k < 4; k++) {
        int64_t a = s_element(x, 16, k), b = s_element(y, 16, k);
        int64_t shifted = right ? a >> count : a * (1 << count);
        bool saturated = shifted != (int16_t)shifted;
        result |= in_place(S_CLAMP(saturated ? shifted : shifted + b, 16), 16, k);
    }
    return result;
}
VECTOR(ia_pshladd2, shift_add(x, y, op->s1, false))
VECTOR(ia_pshradd2, shift_add(x, y, op->s1, true))

static uint64_t sum_of_differences(uint64_t x, uint64_t y)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < 8; k++) {
        int64_t d = u_element(x, 8, k) - u_element(y, 8, k);
        sum += (uint64_t)(d < 0 ? -d : d);
    }
    return sum;
}
VECTOR(ia_psad1, sum_of_differences(x, y))

/* ---- multiplies ---- */

static uint64_t multiply_shift(uint64_t x, uint64_t y, unsigned code, bool is_unsigned)
{
    static const uint8_t counts[4] = { 0, 7, 15, 16 };
    uint64_t result = 0;
    for (unsigned k = 0; k < 4; k++) {
        int64_t product = is_unsigned ? u_element(x, 16, k) * u_element(y, 16, k)
                                      : s_element(x, 16, k) * s_element(y, 16, k);
        result |= in_place(product >> counts[code & 3], 16, k);
    }
    return result;
}
VECTOR(ia_pmpyshr2, multiply_shift(x, y, op->s1, false))
VECTOR(ia_pmpyshr2_u, multiply_shift(x, y, op->s1, true))

/* Products of elements 0 and 2 (.r) or 1 and 3 (.l). */
static uint64_t multiply_pairs(uint64_t x, uint64_t y, unsigned first)
{
    int64_t low = s_element(x, 16, first) * s_element(y, 16, first);
    int64_t high = s_element(x, 16, first + 2) * s_element(y, 16, first + 2);
    return in_place(low, 32, 0) | in_place(high, 32, 1);
}
VECTOR(ia_pmpy2_r, multiply_pairs(x, y, 0))
VECTOR(ia_pmpy2_l, multiply_pairs(x, y, 1))
VECTOR(ia_mpy4, (x & 0xffffffff) * (y & 0xffffffff))
VECTOR(ia_mpyshl4, (x >> 32) * (y & 0xffffffff) << 32)

/* ---- rearranging ---- */

/* mix: alternating elements of x and y, the even (.r, low) or odd (.l, high) ones. */
static uint64_t mix(uint64_t x, uint64_t y, unsigned bits, bool high)
{
    uint64_t result = 0;
    for (unsigned k = 0; k < 64 / bits; k += 2) {
        result |= in_place(u_element(y, bits, k + high), bits, k);
        result |= in_place(u_element(x, bits, k + high), bits, k + 1);
    }
    return result;
}
VECTOR(ia_mix1_r, mix(x, y, 8, false))
VECTOR(ia_mix2_r, mix(x, y, 16, false))
VECTOR(ia_mix4_r, mix(x, y, 32, false))
VECTOR(ia_mix1_l, mix(x, y, 8, true))
VECTOR(ia_mix2_l, mix(x, y, 16, true))
VECTOR(ia_mix4_l, mix(x, y, 32, true))

static uint64_t unpack(uint64_t x, uint64_t y, unsigned bits, bool high)
{
    unsigned count = 64 / bits, first = high ? count / 2 : 0;
    uint64_t result = 0;
    for (unsigned k = 0; k < count / 2; k++) {
        result |= in_place(u_element(y, bits, first + k), bits, 2 * k);
        result |= in_place(u_element(x, bits, first + k), bits, 2 * k + 1);
    }
    return result;
}
VECTOR(ia_unpack1_h, unpack(x, y, 8, true))
VECTOR(ia_unpack2_h, unpack(x, y, 16, true))
VECTOR(ia_unpack4_h, unpack(x, y, 32, true))
VECTOR(ia_unpack1_l, unpack(x, y, 8, false))
VECTOR(ia_unpack2_l, unpack(x, y, 16, false))
VECTOR(ia_unpack4_l, unpack(x, y, 32, false))

/* pack: the elements of x, then those of y, saturated to half their width. */
static uint64_t pack(uint64_t x, uint64_t y, unsigned bits, bool to_unsigned)
{
    unsigned count = 64 / bits, half = bits / 2;
    uint64_t result = 0;
    for (unsigned k = 0; k < 2 * count; k++) {
        int64_t v = k < count ? s_element(x, bits, k) : s_element(y, bits, k - count);
        result |= in_place(to_unsigned ? U_CLAMP(v, half) : S_CLAMP(v, half), half, k);
    }
    return result;
}
VECTOR(ia_pack2_uss, pack(x, y, 16, true))
VECTOR(ia_pack2_sss, pack(x, y, 16, false))
VECTOR(ia_pack4_sss, pack(x, y, 32, false))

/* SDM vol. 3, mux: which byte goes where, from byte 0 up. */
static uint64_t permute_bytes(uint64_t x, unsigned kind)
{
    static const uint8_t from[16][8] = {
        [0x0] = { 0, 0, 0, 0, 0, 0, 0, 0 }, /* @brcst */
        [0x8] = { 0, 4, 2, 6, 1, 5, 3, 7 }, /* @mix   */
        [0x9] = { 0, 4, 1, 5, 2, 6, 3, 7 }, /* @shuf  */
        [0xa] = { 0, 2, 4, 6, 1, 3, 5, 7 }, /* @alt   */
        [0xb] = { 7, 6, 5, 4, 3, 2, 1, 0 }, /* @rev   */
    };
    uint64_t result = 0;
    for (unsigned k = 0; k < 8; k++)
        result |= in_place(u_element(x, 8, from[kind & 15][k]), 8, k);
    return result;
}
VECTOR(ia_mux1, permute_bytes(x, op->s1))

static uint64_t permute_halves(uint64_t x, unsigned code)
{
    uint64_t result = 0;
    for (unsigned k = 0; k < 4; k++)
        result |= in_place(u_element(x, 16, code >> 2 * k & 3), 16, k);
    return result;
}
VECTOR(ia_mux2, permute_halves(x, op->s1))

/* ---- shifts; counts beyond the element shift everything out ---- */

static uint64_t shift(uint64_t v, uint64_t count, unsigned bits, bool left, bool is_signed)
{
    uint64_t result = 0;
    for (unsigned k = 0; k < 64 / bits; k++) {
        int64_t a = is_signed ? s_element(v, bits, k) : u_element(v, bits, k);
        unsigned by = count < bits ? (unsigned)count : bits;
        result |= in_place(left ? (int64_t)((uint64_t)a << by) : a >> by, bits, k);
    }
    return result;
}
#define SHIFTS(size, bits)                                                                         \
    VECTOR(ia_pshl##size##_reg, shift(x, y, bits, true, false))                                    \
    VECTOR(ia_pshl##size##_imm, shift(x, op->s1, bits, true, false))                               \
    VECTOR(ia_pshr##size##_reg, shift(y, x, bits, false, true))                                    \
    VECTOR(ia_pshr##size##_imm, shift(y, op->s1, bits, false, true))                               \
    VECTOR(ia_pshr##size##_u_reg, shift(y, x, bits, false, false))                                 \
    VECTOR(ia_pshr##size##_u_imm, shift(y, op->s1, bits, false, false))
SHIFTS(2, 16)
SHIFTS(4, 32)
