// SPDX-License-Identifier: Apache-2.0
// flags.h: lazy flags against flags computed bit by bit.
#include <criterion/criterion.h>

#include "cpu/flags.h"

static const unsigned sizes[] = { 1, 2, 4, 8 };

static uint64_t status_of(unsigned k)      /* k = 0..63: one of the 64 combinations */
{
    static const uint64_t bit[6] = { FLAG_CF, FLAG_PF, FLAG_AF, FLAG_ZF, FLAG_SF, FLAG_OF };
    uint64_t f = 0;
    for (unsigned n = 0; n < 6; n++)
        f |= k >> n & 1 ? bit[n] : 0;
    return f;
}

/* SF, ZF and PF of r. */
static uint64_t result_flags(uint64_t r, unsigned size)
{
    r &= size_mask(size);
    return (r == 0 ? FLAG_ZF : 0) | (r >> (8 * size - 1) ? FLAG_SF : 0) |
           (__builtin_popcountll(r & 0xff) % 2 ? 0 : FLAG_PF);
}

/* A ripple adder: a + (b ^ invert) + carry, bit after bit; inverted carries are borrows. */
static uint64_t truth(uint64_t a, uint64_t b, unsigned carry, unsigned size, bool subtract)
{
    uint64_t r = 0, f;
    unsigned before = 0, k = carry ^ subtract;
    bool half = false;
    for (unsigned n = 0; n < 8 * size; n++) {
        unsigned sum = (unsigned)(a >> n & 1) + ((unsigned)(b >> n & 1) ^ subtract) + k;
        r |= (uint64_t)(sum & 1) << n;
        before = k;
        k = sum >> 1;
        if (n == 3)
            half = k ^ subtract;
    }
    f = result_flags(r, size) | (half ? FLAG_AF : 0);
    return f | (k ^ subtract ? FLAG_CF : 0) | (before != k ? FLAG_OF : 0);
}

/* Values with every interesting pair of neighbours at every size, then pseudo-random ones. */
static uint64_t sample(unsigned k)
{
    static const uint64_t edge[] = {
        0, 1, 2, 7, 8, 0xf, 0x10, 0x7f, 0x80, 0x81, 0xff, 0x100, 0x7fff, 0x8000, 0xffff,
        0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX,
    };
    if (k < ARRAY_SIZE(edge))
        return edge[k];
    uint64_t z = (k + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    return (z ^ z >> 29) >> k % 64;
}
enum { SAMPLES = 160 };

Test(flags, any_combination_survives_a_round_trip)
{
    static struct cpu c;
    for (unsigned k = 0; k < 64; k++) {
        flags_set_status(&c, status_of(k));
        cr_assert_eq(flags_status(&c), status_of(k), "%#lx", (unsigned long)status_of(k));
    }
}

Test(flags, add_and_subtract_equal_a_ripple_adder)
{
    static struct cpu c;
    for (unsigned s = 0; s < 4; s++)
        for (unsigned k = 0; k < SAMPLES * SAMPLES * 2; k++) {
            uint64_t mask = size_mask(sizes[s]);
            uint64_t a = sample(k / 2 / SAMPLES) & mask, b = sample(k / 2 % SAMPLES) & mask;
            flags_add(&c, a, b, k & 1, sizes[s]);
            cr_assert_eq(flags_status(&c), truth(a, b, k & 1, sizes[s], false));
            cr_assert_eq(c.res & mask, (a + b + (k & 1)) & mask);
            flags_sub(&c, a, b, k & 1, sizes[s]);
            cr_assert_eq(flags_status(&c), truth(a, b, k & 1, sizes[s], true));
            cr_assert_eq(c.res & mask, (a - b - (k & 1)) & mask);
        }
}

Test(flags, logic_clears_carry_and_overflow)
{
    static struct cpu c;
    for (unsigned s = 0; s < 4; s++)
        for (unsigned k = 0; k < SAMPLES; k++) {
            flags_set_status(&c, FLAGS_STATUS);
            flags_logic(&c, sample(k) & size_mask(sizes[s]), sizes[s]);
            cr_assert_eq(flags_status(&c), result_flags(sample(k), sizes[s]));
        }
}

Test(flags, shift_sets_carry_and_overflow_as_told)
{
    static struct cpu c;
    for (unsigned k = 0; k < 4 * SAMPLES; k++) {
        flags_shift(&c, sample(k / 4), 4, k & 1, k & 2);
        cr_assert_eq(flags_status(&c), result_flags(sample(k / 4), 4) | (k & 1 ? FLAG_CF : 0) |
                                           (k & 2 ? FLAG_OF : 0));
    }
}

Test(flags, replacing_carry_and_overflow_keeps_the_others)
{
    static struct cpu c;
    for (unsigned k = 0; k < 256; k++) {
        uint64_t f = status_of(k & 63), others = f & ~(uint64_t)(FLAG_CF | FLAG_OF);
        flags_set_status(&c, f);
        flags_set_cf_of(&c, k & 64, k & 128);
        cr_assert_eq(flags_status(&c),
                     others | (k & 64 ? FLAG_CF : 0) | (k & 128 ? FLAG_OF : 0));
        flags_set_status(&c, f);
        flags_set_cf(&c, k & 64);
        cr_assert_eq(flags_status(&c), (f & ~(uint64_t)FLAG_CF) | (k & 64 ? FLAG_CF : 0));
    }
}

Test(flags, replace_changes_the_mask_only)
{
    static struct cpu c;
    for (unsigned k = 0; k < 64 * 64; k++) {
        uint64_t from = status_of(k & 63), to = ~from & FLAGS_STATUS, mask = status_of(k >> 6);
        flags_set_status(&c, from);
        flags_replace(&c, mask, to);
        cr_assert_eq(flags_status(&c), (from & ~mask) | (to & mask));
    }
}

/* SDM vol. 1, appendix B "EFLAGS Condition Codes": each even code, and its negation after it. */
Test(flags, conditions_follow_their_definitions)
{
    static struct cpu c;
    for (unsigned k = 0; k < 64; k++) {
        uint64_t f = status_of(k);
        bool cf = f & FLAG_CF, pf = f & FLAG_PF, zf = f & FLAG_ZF;
        bool sf = f & FLAG_SF, of = f & FLAG_OF;
        bool expected[8] = { of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of };
        flags_set_status(&c, f);
        for (unsigned cc = 0; cc < 16; cc++)
            cr_assert_eq(lazy_condition(cc, c.res, c.aux), expected[cc / 2] ^ (cc & 1),
                         "condition %x, flags %#lx", cc, (unsigned long)f);
    }
}
