// SPDX-License-Identifier: Apache-2.0
#include "values.h"

#include <string.h>

#include "base/bits.h"
#include "random.h"

enum { FSW_ES = 1 << 7, FSW_B = 1 << 15, FCW_DEFAULT = 0x37f };
enum { MXCSR_FLAGS = 0x3f, MXCSR_DAZ = 1 << 6, MXCSR_MASKS = 0x1f80, MXCSR_RC_FZ = 0xe000 };

uint64_t value_integer(uint64_t *random)
{
    static const uint64_t special[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
        0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xffffffff80000000,
    };
    uint64_t r = random_next(random);
    switch (random_below(random, 5)) {
    case 0: return special[r % ARRAY_SIZE(special)];
    case 1: return (uint64_t)(int64_t)(int8_t)r;
    case 2: return (uint32_t)r;
    default: return r;
    }
}

/* Exponents near 1.0 make sums and products that round; the ends of the range overflow and
 * underflow. */
static uint32_t value_single(uint64_t *random)
{
    static const uint32_t special[] = {
        0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 1, 0x007fffff, 0x00800000,
        0x7f7fffff, 0x3f800000, 0xbf800000, 0x4f000000, 0xcf000000, 0x5f000000,
    };
    uint64_t r = random_next(random);
    if (random_percent(random, 20))
        return special[r % ARRAY_SIZE(special)];
    if (random_percent(random, 20))
        return (uint32_t)r;
    return (uint32_t)(r & 0x807fffff) | (uint32_t)(127 - 12 + (r >> 40) % 36) << 23;
}

static uint64_t value_double(uint64_t *random)
{
    static const uint64_t special[] = {
        0, BIT(63), 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001,
        1, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x3ff0000000000000,
        0x41e0000000000000, 0xc1e0000000000000, 0x43e0000000000000, 0x36a0000000000000,
    };
    uint64_t r = random_next(random);
    if (random_percent(random, 20))
        return special[r % ARRAY_SIZE(special)];
    if (random_percent(random, 20))
        return r;
    return (r & 0x800fffffffffffff) | (uint64_t)(1023 - 30 + (r >> 52) % 100) << 52;
}

/* 80 bits: numbers, zeroes, denormals, infinities, NaNs, and encodings that are not supported. */
static void value_extended(uint64_t *random, uint8_t out[10])
{
    static const uint16_t exponents[] = {
        0, 1, 0x7fff, 0x7ffe, 0x3fff, 0x403e, 0x401e, 0x3f81, 0x3c01,
    };
    uint64_t r = random_next(random), frac = random_next(random) | BIT(63);
    uint16_t sexp = (uint16_t)((r & 0x8000) | (0x3fff - 40 + (r >> 16) % 110));
    if (random_percent(random, 30))
        sexp = (uint16_t)((r & 0x8000) | exponents[(r >> 16) % ARRAY_SIZE(exponents)]);
    if (random_percent(random, 15))
        frac = (r >> 40 & 3) << 62;
    else if (random_percent(random, 20))
        frac &= ~UINT64_C(0) << (r >> 40 & 63);
    else if (random_percent(random, 4))
        frac &= ~BIT(63);
    if (random_percent(random, 5)) {
        sexp &= 0x8000;
        frac = r & 1 ? 0 : frac;
    }
    memcpy(out, &frac, 8);
    memcpy(out + 8, &sexp, 2);
}

static void value_chunk(uint64_t *random, uint8_t out[16])
{
    for (unsigned k = 0; k < 16; k += 8) {
        uint64_t q = random_next(random);
        memcpy(out + k, &q, 8);
    }
    switch (random_below(random, 6)) {
    case 0: break;
    case 1:
        for (unsigned k = 0; k < 16; k += 4)
            memcpy(out + k, &(uint32_t){ value_single(random) }, 4);
        break;
    case 2: case 3:
        for (unsigned k = 0; k < 16; k += 8)
            memcpy(out + k, &(uint64_t){ value_double(random) }, 8);
        break;
    case 4: value_extended(random, out); break;
    default:
        for (unsigned k = 0; k < 16; k += 8)
            memcpy(out + k, &(uint64_t){ value_integer(random) }, 8);
    }
}

void value_pattern(uint64_t *random, uint8_t *pattern)
{
    for (unsigned k = 0; k < PATTERN_SIZE; k += 16)
        value_chunk(random, pattern + k);
}

static uint16_t value_fsw(uint64_t *random, uint16_t fcw)
{
    uint16_t fsw = (uint16_t)(random_next(random) & 0x7f00);         /* TOP and C0 to C3 */
    if (random_percent(random, 20))
        fsw |= (uint16_t)(random_next(random) & 0x7f);
    if (fsw & ~fcw & 0x3f)
        fsw |= FSW_ES | FSW_B;
    return fsw;
}

static uint32_t value_mxcsr(uint64_t *random)
{
    uint64_t r = random_next(random);
    if (random_percent(random, 60))
        return MXCSR_MASKS;
    uint32_t v = (uint32_t)(r & (MXCSR_RC_FZ | MXCSR_DAZ));
    v |= random_percent(random, 70) ? MXCSR_MASKS : (uint32_t)(r >> 16 & MXCSR_MASKS);
    return random_percent(random, 30) ? v | (uint32_t)(r >> 32 & MXCSR_FLAGS) : v;
}

void value_fx(uint64_t *random, uint8_t fx[512])
{
    uint64_t r = random_next(random);
    uint16_t fcw = FCW_DEFAULT, fsw;
    uint32_t mxcsr = value_mxcsr(random);
    memset(fx, 0, 512);
    if (random_percent(random, 40))
        fcw = (uint16_t)(0x40 | (r & 0x0f00) | (random_percent(random, 70) ? 0x3f : r & 0x3f));
    fsw = value_fsw(random, fcw);
    memcpy(fx + FX_FCW, &fcw, 2);
    memcpy(fx + FX_FSW, &fsw, 2);
    fx[FX_FTW] = random_percent(random, 60) ? 0xff : (uint8_t)random_next(random);
    memcpy(fx + FX_MXCSR, &mxcsr, 4);
    for (unsigned k = 0; k < 8; k++)
        value_extended(random, fx + FX_ST + 16 * k);
    for (unsigned k = 0; k < 16; k++)
        value_chunk(random, fx + FX_XMM + 16 * k);
}
