// SPDX-License-Identifier: Apache-2.0
// Floating-point registers as bits: merges, logic, integer multiply-add, moves, loads and stores
// (formats F2, F3, F9, M6 to M12, M18, M19).
#include "ipf/float_op.h"

#define HIGH(v) ((v) >> 32)
#define LOW(v) ((v)&0xffffffff)
#define SIGN32 UINT64_C(0x80000000)

/* f1 = expression of the registers f2, f3, f4; NaTVal if one that it uses is. */
#define BITS(name, count, expression)                                                              \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        FP_REGISTERS(c, op, op->r1, op->r2, op->r3, (count) == 4 ? op->r4 : 0);                    \
        const struct ipf_fr *x = fr(c, op->r2), *y = fr(c, op->r3), *z = fr(c, op->r4);            \
        bool nat =                                                                                 \
            float_is_natval(x) || float_is_natval(y) || ((count) == 4 && float_is_natval(z));      \
        struct ipf_fr r = expression;                                                              \
        set_fr(c, op->r1, nat ? fr_natval : r);                                                    \
        NEXT(c, op);                                                                               \
    }
#define INTEGER(value)                                                                             \
    {                                                                                              \
        (value), FR_INTEGER, 0                                                                     \
    }
#define PAIR(high, low) INTEGER((uint64_t)(high) << 32 | (low))

BITS(ia_fmerge_s, 3, ((struct ipf_fr){ y->significand, y->exponent, x->sign }))
BITS(ia_fmerge_ns, 3, ((struct ipf_fr){ y->significand, y->exponent, !x->sign }))
BITS(ia_fmerge_se, 3, ((struct ipf_fr){ y->significand, x->exponent, x->sign }))
BITS(ia_fmix_lr, 3, PAIR(HIGH(x->significand), LOW(y->significand)))
BITS(ia_fmix_r, 3, PAIR(LOW(x->significand), LOW(y->significand)))
BITS(ia_fmix_l, 3, PAIR(HIGH(x->significand), HIGH(y->significand)))
BITS(ia_fsxt_r, 3, PAIR(x->significand &SIGN32 ? 0xffffffff : 0, LOW(y->significand)))
BITS(ia_fsxt_l, 3, PAIR(x->significand >> 63 ? 0xffffffff : 0, HIGH(y->significand)))
BITS(ia_fpack, 3, PAIR(float_to_single(x), float_to_single(y)))
BITS(ia_fswap, 3, PAIR(LOW(y->significand), HIGH(x->significand)))
BITS(ia_fswap_nl, 3, PAIR(LOW(y->significand) ^ SIGN32, HIGH(x->significand)))
BITS(ia_fswap_nr, 3, PAIR(LOW(y->significand), HIGH(x->significand) ^ SIGN32))
BITS(ia_fand, 3, INTEGER(x->significand & y->significand))
BITS(ia_fandcm, 3, INTEGER(x->significand & ~y->significand))
BITS(ia_for, 3, INTEGER(x->significand | y->significand))
BITS(ia_fxor, 3, INTEGER(x->significand ^ y->significand))
BITS(ia_fselect, 4, INTEGER((y->significand & x->significand) | (z->significand & ~x->significand)))

/* Both halves at once: signs, or signs and exponents, of x with the rest of y. */
#define SIGNS (SIGN32 << 32 | SIGN32)
#define EXPONENTS UINT64_C(0xff800000ff800000)
BITS(ia_fpmerge_s, 3, INTEGER((x->significand & SIGNS) | (y->significand & ~SIGNS)))
BITS(ia_fpmerge_ns, 3, INTEGER((~x->significand & SIGNS) | (y->significand & ~SIGNS)))
BITS(ia_fpmerge_se, 3, INTEGER((x->significand & EXPONENTS) | (y->significand & ~EXPONENTS)))

/* ---- integer multiply-add: f3 * f4 + f2 ---- */

static uint64_t product_high(uint64_t a, uint64_t b, uint64_t addend, bool is_signed)
{
    unsigned __int128 product = is_signed ? (unsigned __int128)((__int128)(int64_t)a * (int64_t)b)
                                          : (unsigned __int128)a * b;
    return (uint64_t)((product + addend) >> 64);
}
BITS(ia_xma_l, 4, INTEGER(y->significand * z->significand + x->significand))
BITS(ia_xma_h, 4, INTEGER(product_high(y->significand, z->significand, x->significand, true)))
BITS(ia_xma_hu, 4, INTEGER(product_high(y->significand, z->significand, x->significand, false)))

/* ---- moves between the register files ---- */

#define SETF(name, expression)                                                                     \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        const struct ipf_gr *r2 = gr(c, op->r2);                                                   \
        FP_REGISTERS(c, op, op->r1, 0, 0, 0);                                                      \
        uint64_t v = r2->v;                                                                        \
        struct ipf_fr r = expression;                                                              \
        set_fr(c, op->r1, r2->nat ? fr_natval : r);                                                \
        NEXT(c, op);                                                                               \
    }
SETF(ia_setf_sig, INTEGER(v))
SETF(ia_setf_exp, ((struct ipf_fr){ BIT(63), v & 0x1ffff, v >> 17 & 1 }))
SETF(ia_setf_s, float_from_single((uint32_t)v))
SETF(ia_setf_d, float_from_double(v))

#define GETF(name, expression)                                                                     \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        const struct ipf_fr *f = fr(c, op->r2);                                                    \
        if (no_target(c, op->r1))                                                                  \
            return illegal_operation(c, op);                                                       \
        FP_REGISTERS(c, op, op->r2, 0, 0, 0);                                                      \
        *gr(c, op->r1) = (struct ipf_gr){ (expression), float_is_natval(f) };                      \
        NEXT(c, op);                                                                               \
    }
GETF(ia_getf_sig, f->significand)
GETF(ia_getf_exp, f->exponent | (uint64_t)f->sign << 17)
GETF(ia_getf_s, float_to_single(f))
GETF(ia_getf_d, float_to_double(f))
