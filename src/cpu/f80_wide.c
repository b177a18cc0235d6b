// SPDX-License-Identifier: Apache-2.0
#include "cpu/f80_wide.h"

/* The high half of a 128 by 128 bit product; *low tells whether the low half is not zero. */
static u128 mul_high(u128 a, u128 b, bool *low)
{
    uint64_t ah = (uint64_t)(a >> 64), al = (uint64_t)a, bh = (uint64_t)(b >> 64), bl = (uint64_t)b;
    u128 ll = (u128)al * bl, lh = (u128)al * bh, hl = (u128)ah * bl;
    u128 middle = (ll >> 64) + (uint64_t)lh + (uint64_t)hl;
    *low = (uint64_t)ll || (uint64_t)middle;
    return (u128)ah * bh + (lh >> 64) + (hl >> 64) + (middle >> 64);
}

u128 fix_mul(u128 a, u128 b)
{
    bool low;
    return mul_high(a, b, &low) << 1;
}

struct wide wide_mul(struct wide a, struct wide b)
{
    bool sign = a.sign != b.sign, low;
    if (a.sig == 0 || b.sig == 0)
        return (struct wide){ .sign = sign };
    u128 high = mul_high(a.sig, b.sig, &low);
    struct wide r = wide_normalise(sign, a.exp + b.exp - F80_BIAS + 1, high);
    r.sig |= low;
    return r;
}

/* Bit by bit: 128 steps are few beside a series. */
struct wide wide_div(struct wide a, struct wide b)
{
    bool sign = a.sign != b.sign, less = a.sig < b.sig;
    if (a.sig == 0)
        return (struct wide){ .sign = sign };
    u128 rest = less ? a.sig : a.sig - b.sig, q = !less;
    for (int k = less ? 128 : 127; k > 0; k--) {
        bool carry = rest >> 127;
        rest <<= 1;
        bool one = carry || rest >= b.sig;
        rest -= one ? b.sig : 0;
        q = q << 1 | one;
    }
    return (struct wide){ sign, a.exp - b.exp + F80_BIAS - less, q | (rest != 0) };
}

static bool smaller(struct wide a, struct wide b)
{
    return a.sig == 0 || (b.sig != 0 && (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)));
}

struct wide wide_add(struct wide a, struct wide b)
{
    struct wide x = smaller(a, b) ? b : a, y = smaller(a, b) ? a : b;
    if (y.sig == 0)
        return x;
    unsigned distance = x.exp - y.exp > 200 ? 200 : (unsigned)(x.exp - y.exp);
    u128 sx = x.sig >> 1 | (x.sig & 1), sy = shift_right_jam(y.sig, distance + 1);
    u128 sum = x.sign == y.sign ? sx + sy : sx - sy;
    if (sum == 0)
        return (struct wide){ .sign = false };
    return wide_normalise(x.sign, x.exp + 1, sum);
}

struct wide wide_of_int(int v)
{
    return wide_of(f80_from_int(v));
}

struct wide wide_of_fix(u128 v)
{
    return v ? wide_normalise(false, F80_BIAS, v) : (struct wide){ .sign = false };
}

u128 fix_of_wide(struct wide a)
{
    int shift = F80_BIAS - a.exp;
    return shift > 127 ? 0 : a.sig >> shift;
}
