// SPDX-License-Identifier: Apache-2.0
// Double precision in the fast list of a block (fast.c): loads and stores of normal numbers, and
// multiply-add by the host's, where that is provably the same.  IEEE 754 has one correctly rounded
// result for it: if the operands are doubles, the rounding is to nearest and the result is a normal
// double, the inexact flag is all that is open; it must be set already, or the result be exact.
#include <fenv.h>
#include <math.h>

#include "ipf/fast.h"
#include "ipf/float_op.h"

enum { DOUBLE_BIAS = 1023, DOUBLE_MAX = 0x7fe, EXPONENT = FR_BIAS - DOUBLE_BIAS, LOST = 0x7ff };

bool ipf_host_rounds_to_nearest(void) { return fegetround() == FE_TONEAREST; }

/* Zeros and normal numbers of double precision; false: it is none. */
static inline bool to_host(const struct ipf_fr *f, double *d)
{
    uint64_t exponent = (uint64_t)f->exponent - EXPONENT, v = (uint64_t)f->sign << 63;
    if (f->significand >> 63 && exponent - 1 < DOUBLE_MAX && !(f->significand & LOST))
        v |= exponent << 52 | (f->significand >> 11 & (BIT(52) - 1));
    else if (!float_is_true_zero(f))
        return false;
    memcpy(d, &v, sizeof v);
    return true;
}
/* Normal numbers that are not the smallest, which a tiny number may have been rounded to. */
static inline bool from_host(double d, struct ipf_fr *f)
{
    uint64_t v;
    memcpy(&v, &d, sizeof v);
    uint64_t exponent = v >> 52 & 0x7ff;
    *f = (struct ipf_fr){ BIT(63) | v << 11, (uint32_t)(exponent + EXPONENT), (uint32_t)(v >> 63) };
    return exponent > 1 && exponent <= DOUBLE_MAX;
}

/* Round to nearest, the inexact trap off whatever td says (SDM vol. 1, "Floating-point Status
 * Register"), and all registers enabled. */
enum { SF_RC = 0x30, SF_I = 0x1000, TRAP_I = 0x20 };
static inline uint64_t status(const struct ipf_cpu *c, const struct ipf_op *op)
{
    return c->ar[AR_FPSR] >> (6 + 13 * op->sf);
}
static inline bool host_may(const struct ipf_cpu *c, const struct ipf_op *op)
{
    return !(status(c, op) & SF_RC) && c->ar[AR_FPSR] & TRAP_I && !(c->psr & (PSR_DFL | PSR_DFH)) &&
           c->host_rounds_to_nearest;
}
/* Whether x * y + z is r exactly, or it does not matter.  The product's error is a double unless it
 * is tiny, and so is the sum's; true is right whenever both are 0. */
static inline bool inexact_is_known(uint64_t status, double x, double y, double z, double r)
{
    const double tiny = 0x1p-900;
    if (status & SF_I)
        return true;
    double product = x * y, without = r - product;
    if (fma(x, y, -product) != 0 || (fabs(product) < tiny && x != 0 && y != 0))
        return false;
    return (product - (r - without)) + (z - without) == 0;
}

#define MULTIPLY_ADD(name, product_sign, addend_sign)                                              \
    static HANDLER(fast_##name)                                                                    \
    {                                                                                              \
        struct ipf_fr r;                                                                           \
        double x, y, z = 0, sum = 0;                                                               \
        bool good = host_may(c, op) && to_host(fr(c, op->r3), &x) && to_host(fr(c, op->r4), &y) && \
                    (!op->r2 || to_host(fr(c, op->r2), &z)) &&                                     \
                    from_host(sum = fma(product_sign x, y, addend_sign z), &r) &&                  \
                    inexact_is_known(status(c, op), product_sign x, y, addend_sign z, sum);        \
        if (unlikely(!good))                                                                       \
            return hand_over(c, op);                                                               \
        *fr(c, op->r1) = r;                                                                        \
        c->psr |= op->r1 < 32 ? PSR_MFL : PSR_MFH;                                                 \
        NEXT(c, op);                                                                               \
    }
MULTIPLY_ADD(fma_d, +, +)
MULTIPLY_ADD(fms_d, +, -)
MULTIPLY_ADD(fnma_d, -, +)

static HANDLER(fast_ldfd)
{
    struct ipf_gr *base = gr(c, op->r3);
    uint64_t address = base->v, v = 0;
    const uint8_t *host = line_hit(c->lines, address, sizeof v, false);
    if (unlikely(!host || base->nat || c->psr & (PSR_DFL | PSR_DFH) || no_target(c, op->r3)))
        return hand_over(c, op);
    memcpy(&v, host, sizeof v);
    uint64_t exponent = v >> 52 & 0x7ff;
    struct ipf_fr r = { BIT(63) | v << 11, (uint32_t)(exponent + EXPONENT), (uint32_t)(v >> 63) };
    if (!(v << 1))
        r.significand = r.exponent = 0;
    else if (unlikely(exponent - 1 >= DOUBLE_MAX))
        return hand_over(c, op);
    *fr(c, op->r1) = r;
    c->psr |= op->r1 < 32 ? PSR_MFL : PSR_MFH;
    base->v = address + (uint64_t)op->imm;
    NEXT(c, op);
}

/* What is lost of a significand is not rounded. */
static HANDLER(fast_stfd)
{
    struct ipf_gr *base = gr(c, op->r3);
    const struct ipf_fr *f = fr(c, op->r2);
    uint64_t address = base->v, v = float_to_double(f);
    uint8_t *host = line_hit(c->lines, address, sizeof v, true);
    if (unlikely(!host || base->nat || float_is_natval(f) || c->psr & (PSR_DFL | PSR_DFH) ||
                 no_target(c, op->r3)))
        return hand_over(c, op);
    alat_snoop(c, host, sizeof v);
    memcpy(host, &v, sizeof v);
    base->v = address + (uint64_t)op->imm;
    NEXT(c, op);
}

/* An immediate of 0 makes a form that updates its base of one that does not. */
static bool bind_memory(struct ipf_op *op)
{
    bool load = op->run == ia_ldf_plain || op->run == ia_ldf_plain_imm;
    if (op->arg != MEMORY_DOUBLE || (!load && op->run != ia_stf && op->run != ia_stf_imm))
        return false;
    op->run = load ? fast_ldfd : fast_stfd;
    op->imm = op->s2 ? op->imm : 0;
    return true;
}

bool ipf_fast_float(struct ipf_op *op)
{
    static const struct {
        ipf_run *run, *fast;
    } rows[] = {
        { ia_fma_d, fast_fma_d },
        { ia_fms_d, fast_fms_d },
        { ia_fnma_d, fast_fnma_d },
    };
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (rows[k].run == op->run) {
            op->run = rows[k].fast;
            return true;
        }
    return bind_memory(op);
}
