// SPDX-License-Identifier: Apache-2.0
// SDM vol. 1, "Handling SIMD Floating-Point Exceptions" and "SIMD Floating-Point Exception
// Conditions".
#include "cpu/sse_env.h"

enum { PRE_COMPUTATION = MXCSR_IE | MXCSR_DE | MXCSR_ZE };

/* fn with every exception masked. */
static uint32_t run_masked(sse_fn *fn, union xmm *r, const union xmm *s, uint32_t control)
{
    uint32_t m = (control & ~(uint32_t)MXCSR_FLAGS) | MXCSR_MASKS;
    fn(r, s, &m, true);
    return m & MXCSR_FLAGS;
}

/* An unmasked underflow overrides FZ and is reported for exact tiny results too; flushing to zero
 * is what shows them. */
uint32_t sse_flags(sse_fn *fn, union xmm *r, const union xmm *s, uint32_t control)
{
    if (control & MXCSR_UM)
        return run_masked(fn, r, s, control);
    union xmm flushed = *r;
    uint32_t flags = run_masked(fn, r, s, control & ~(uint32_t)MXCSR_FZ);
    return flags | (run_masked(fn, &flushed, s, control | MXCSR_FZ) & MXCSR_UE);
}

bool sse_run_under(struct cpu *c, const struct sse_op *o, union xmm *d, const union xmm *s,
                   uint32_t control, uint32_t unreported)
{
    uint32_t host = _mm_getcsr() & ~(uint32_t)MXCSR_FLAGS;
    union xmm r = *d;
    uint32_t flags = sse_flags(o->run, &r, s, control) & ~unreported;
    uint32_t unmasked = flags & ~(control >> MXCSR_MASK_SHIFT);
    if (unmasked & PRE_COMPUTATION)
        flags &= PRE_COMPUTATION;            /* the computation does not take place */
    else if (unmasked & (MXCSR_OE | MXCSR_UE))
        flags = sse_unmasked_flags(o, d, s, control);
    _mm_setcsr(host);

    c->fpu.mxcsr |= flags;
    if (unmasked) {
        cpu_raise(c, c->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
        return false;
    }
    *d = r;
    return true;
}

bool sse_run_exact(struct cpu *c, const struct sse_op *o, union xmm *d, const union xmm *s)
{
    return sse_run_under(c, o, d, s, c->fpu.mxcsr, 0);
}
