// SPDX-License-Identifier: Apache-2.0
// The flags of SSE arithmetic with an unmasked overflow or underflow.  The processor then hands
// out the result as if the exponent were unbounded, and PE tells whether that one is inexact. 
// SSE cannot show it, so each lane is computed again in the x87 format, whose exponent is wide
// enough for every operation here.
#include "cpu/softfloat80.h"
#include "cpu/sse_env.h"

SSE_FN(addss, "addss %2, %0")
SSE_FN(addsd, "addsd %2, %0")
SSE_FN(subss, "subss %2, %0")
SSE_FN(subsd, "subsd %2, %0")
SSE_FN(mulss, "mulss %2, %0")
SSE_FN(mulsd, "mulsd %2, %0")
SSE_FN(divss, "divss %2, %0")
SSE_FN(divsd, "divsd %2, %0")
SSE_FN(cvtsd2ss, "cvtsd2ss %2, %0")

/* One lane's operation: kind is one of ADD to NARROW. */
struct lane {
    enum sse_kind kind;
    union xmm a, b;           /* in the lowest lane */
};

static void take_lane(union xmm *to, const union xmm *from, unsigned index, unsigned size)
{
    *to = (union xmm){ .q = { 0, 0 } };
    for (unsigned k = 0; k < size; k++)
        to->b[k] = from->b[(index * size + k) & 15];
}

static struct lane lane_of(const struct sse_op *o, const union xmm *d, const union xmm *s,
                           unsigned index)
{
    struct lane l = { .kind = o->kind };
    bool horizontal = o->kind == SSE_HADD || o->kind == SSE_HSUB;
    if (horizontal) {
        const union xmm *both = index < o->lanes / 2 ? d : s;
        unsigned even = 2 * (index % (o->lanes / 2));
        take_lane(&l.a, both, even, o->lane);
        take_lane(&l.b, both, even + 1, o->lane);
        l.kind = o->kind == SSE_HADD ? SSE_ADD : SSE_SUB;
        return l;
    }
    take_lane(&l.a, d, index, o->lane);
    take_lane(&l.b, s, index, o->lane);
    if (o->kind == SSE_ADDSUB)
        l.kind = index & 1 ? SSE_ADD : SSE_SUB;
    return l;
}

static sse_fn *scalar_fn(enum sse_kind kind, unsigned size)
{
    bool wide = size == 8;
    switch (kind) {
    case SSE_ADD: return wide ? addsd : addss;
    case SSE_SUB: return wide ? subsd : subss;
    case SSE_MUL: return wide ? mulsd : mulss;
    case SSE_DIV: return wide ? divsd : divss;
    default: return cvtsd2ss;
    }
}

/* Exact; DAZ makes denormals zeros of their sign. */
static struct f80 widen(const union xmm *v, unsigned size, uint32_t control)
{
    struct f80_env e = f80_env_of(0x37f);
    struct f80 r = size == 8 ? f80_widen64(&e, v->q[0]) : f80_widen32(&e, v->d[0]);
    return e.source_denormal && control & MXCSR_DAZ ? f80_zero(r.sexp >> 15) : r;
}

/* Is the lane's result inexact when only its precision is bounded? */
static bool is_inexact(const struct lane *l, unsigned size, uint32_t control)
{
    struct f80_env e = f80_env_of(0x37f);
    struct f80 a = widen(&l->a, size, control), b = widen(&l->b, size, control), r = b;
    switch (l->kind) {
    case SSE_ADD: r = f80_add(&e, a, b); break;
    case SSE_SUB: r = f80_sub(&e, a, b); break;
    case SSE_MUL: r = f80_mul(&e, a, b); break;
    case SSE_DIV: r = f80_div(&e, a, b); break;
    default: break;
    }
    unsigned precision = size == 8 && l->kind != SSE_NARROW ? 53 : 24;
    return e.flags & FPU_PE || r.frac << precision;
}

uint32_t sse_unmasked_flags(const struct sse_op *o, const union xmm *d, const union xmm *s,
                            uint32_t control)
{
    uint32_t all = 0, unmasked = ~(control >> MXCSR_MASK_SHIFT) & (MXCSR_OE | MXCSR_UE);
    for (unsigned k = 0; k < o->lanes; k++) {
        struct lane l = lane_of(o, d, s, k);
        union xmm r = l.a;
        uint32_t flags = sse_flags(scalar_fn(l.kind, o->lane), &r, &l.b, control);
        if (flags & unmasked)
            flags =
                (flags & ~(uint32_t)MXCSR_PE) | (is_inexact(&l, o->lane, control) ? MXCSR_PE : 0);
        all |= flags;
    }
    return all;
}
