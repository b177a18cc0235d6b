// SPDX-License-Identifier: Apache-2.0
// Scalar SSE arithmetic for the fast paths: sse_addsd(c, &d, s) and the like do the operation if
// it needs nothing but the result.  False means that d is unchanged and the general handler must
// do the instruction (flags to raise, other control bits than the host's, an unmasked exception).
#ifndef SP_CPU_SSE_SCALAR_H
#define SP_CPU_SSE_SCALAR_H

#include "cpu/sse_env.h"

#define SSE_SCALAR(insn, type)                                                                     \
    static inline bool sse_##insn(const struct cpu *c, type *d, type s)                            \
    {                                                                                              \
        type r = *d;                                                                               \
        uint32_t host;                                                                             \
        __asm__ volatile(#insn " %2, %0\n\tstmxcsr %1" : "+x"(r), "=m"(host) : "x"(s));            \
        if (unlikely(!sse_quiet(c, host)))                                                         \
            return false;                                                                          \
        *d = r;                                                                                    \
        return true;                                                                               \
    }
SSE_SCALAR(addsd, double)
SSE_SCALAR(subsd, double)
SSE_SCALAR(mulsd, double)
SSE_SCALAR(divsd, double)
SSE_SCALAR(addss, float)
SSE_SCALAR(subss, float)
SSE_SCALAR(mulss, float)
SSE_SCALAR(divss, float)
#undef SSE_SCALAR

#endif
