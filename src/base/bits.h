// SPDX-License-Identifier: Apache-2.0
// Bit helpers shared by every layer.
#ifndef SP_BASE_BITS_H
#define SP_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIT(n) (UINT64_C(1) << (n))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The low `size` bytes set; size is 1, 2, 4 or 8. */
static inline uint64_t size_mask(unsigned size)
{
    return ~UINT64_C(0) >> (64 - 8 * size);
}

/* Sign-extends the low `size` bytes of v (1, 2, 4 or 8) to 64 bits. */
static inline int64_t sign_extend(uint64_t v, unsigned size)
{
    unsigned k = 64 - 8 * size;
    return (int64_t)(v << k) >> k;
}

/* Bits hi..lo of v, right-aligned. */
static inline uint64_t bits(uint64_t v, unsigned hi, unsigned lo)
{
    return v >> lo & (~UINT64_C(0) >> (63 - (hi - lo)));
}

#endif
