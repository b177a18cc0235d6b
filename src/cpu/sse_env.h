// SPDX-License-Identifier: Apache-2.0
// How SSE arithmetic runs: on the host's own SSE unit, under the guest's MXCSR (SDM vol. 1, "SIMD
// Floating-Point Exceptions").  The host must be x86-64 with SSE4.1.
//
// Every operation is a function that executes one host instruction and reads the host's MXCSR
// back in the same asm statement, so that the compiler can move nothing between the two.  It is
// run first as the host stands: when the host's control bits equal the guest's and the host shows
// no exception flag that the guest has not raised already, the result stands and nothing else is
// to be done.  Otherwise sse_run_exact() runs it again with the guest's control bits and clean
// flags.
#ifndef SP_CPU_SSE_ENV_H
#define SP_CPU_SSE_ENV_H

#include <emmintrin.h>

#include "cpu/access.h"

enum {
    MXCSR_IE = 1 << 0,
    MXCSR_DE = 1 << 1,
    MXCSR_ZE = 1 << 2,
    MXCSR_OE = 1 << 3,
    MXCSR_UE = 1 << 4,
    MXCSR_PE = 1 << 5,
    MXCSR_FLAGS = 0x3f,
    MXCSR_DAZ = 1 << 6,
    MXCSR_MASK_SHIFT = 7,
    MXCSR_UM = 1 << 11,
    MXCSR_MASKS = 0x1f80,
    MXCSR_RC_SHIFT = 13,
    MXCSR_RC = 3 << 13,
    MXCSR_FZ = 1 << 15,
    MXCSR_DEFINED = 0xffff, /* what FXSAVE stores as MXCSR_MASK */
    MXCSR_INIT = MXCSR_MASKS,
};

/* One host operation: d and s are its operands, d also its result.  With `load`, *mxcsr is loaded
 * first; in either case it holds the host's MXCSR afterwards. */
typedef void sse_fn(union xmm *d, const union xmm *s, uint32_t *mxcsr, bool load);

/* Defines an sse_fn from asm text over %0 (destination register) and %2 (source register), which
 * may use the scratch register that `clobber` names. */
#define SSE_FN_USING(fn, text, clobber)                                                            \
    static inline void fn(union xmm *d, const union xmm *s, uint32_t *mxcsr, bool load)            \
    {                                                                                              \
        __m128i r = _mm_loadu_si128((const __m128i *)d), v = _mm_loadu_si128((const __m128i *)s);  \
        if (load)                                                                                  \
            __asm__ volatile("ldmxcsr %1\n\t" text "\n\tstmxcsr %1"                                \
                             : "+x"(r), "+m"(*mxcsr) : "x"(v) : clobber);                          \
        else                                                                                       \
            __asm__ volatile(text "\n\tstmxcsr %1"                                                 \
                             : "+x"(r), "=m"(*mxcsr) : "x"(v) : clobber);                          \
        _mm_storeu_si128((__m128i *)d, r);                                                         \
    }
#define SSE_FN(fn, text) SSE_FN_USING(fn, text, "cc")

/* Defines op##_host, a struct sse_op that cannot overflow or underflow, from asm text. */
#define SSE_SIMPLE(op, text, clobber)                                                              \
    SSE_FN_USING(op##_run, text, clobber)                                                          \
    static const struct sse_op op##_host = { .run = op##_run };

/* Nothing happened that the guest's MXCSR does not show already, under the guest's own control
 * bits. */
static inline bool sse_quiet(const struct cpu *c, uint32_t host)
{
    uint32_t guest = c->fpu.mxcsr;
    return (((host ^ guest) & ~(uint32_t)MXCSR_FLAGS) | (host & ~guest)) == 0;
}

/* What an operation computes in its lanes: needed only when overflow or underflow is unmasked. */
enum sse_kind {
    SSE_OTHER,                              /* cannot overflow or underflow                      */
    SSE_ADD, SSE_SUB, SSE_MUL, SSE_DIV,     /* lane by lane                                      */
    SSE_NARROW,                             /* double to single                                  */
    SSE_ADDSUB,                             /* even lanes subtract, odd ones add                 */
    SSE_HADD, SSE_HSUB,                     /* neighbours of the destination, then of the source */
};
struct sse_op {
    sse_fn *run;
    enum sse_kind kind;
    unsigned lane;                          /* bytes of an operand's lane */
    unsigned lanes;
};

/* Runs o under the guest's MXCSR; flags are collected.  Returns false, with *d unchanged and the
 * exception in c->event, when an unmasked exception results. */
bool sse_run_exact(struct cpu *c, const struct sse_op *o, union xmm *d, const union xmm *s);

/* The same under other control bits than MXCSR's (ROUNDPS's own rounding); `unreported` flags are
 * ignored. */
bool sse_run_under(struct cpu *c, const struct sse_op *o, union xmm *d, const union xmm *s,
                   uint32_t control, uint32_t unreported);

/* The flags that fn raises under `control`, whose masks count only for underflow; its result in
 * *r.  The host's MXCSR is left changed. */
uint32_t sse_flags(sse_fn *fn, union xmm *r, const union xmm *s, uint32_t control);

/* The flags of o when an unmasked overflow or underflow is among them: PE then says whether the
 * result would be inexact with an unbounded exponent (SDM vol. 1, "Numeric Overflow Exception
 * (#O)" and "Numeric Underflow Exception (#U)").  (sse_unmasked.c) */
uint32_t sse_unmasked_flags(const struct sse_op *o, const union xmm *d, const union xmm *s,
                            uint32_t control);

static inline __attribute__((always_inline)) bool sse_run(struct cpu *c, const struct sse_op *o,
                                                          union xmm *d, const union xmm *s)
{
    union xmm r = *d;
    uint32_t host;
    o->run(&r, s, &host, false);
    if (unlikely(!sse_quiet(c, host)))
        return sse_run_exact(c, o, d, s);
    *d = r;
    return true;
}

#endif
