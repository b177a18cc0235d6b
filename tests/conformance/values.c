// SPDX-License-Identifier: Apache-2.0
#include "values.h"

uint64_t canonical_value(unsigned k, char name[32])
{
    uint64_t half = BIT(cap.linear_bits - 1);
    const struct { const char *name; uint64_t value; } edges[] = {
        { "zero", 0 },
        { "last-low", half - 1 },
        { "first-bad", half },
        { "last-bad", ~half },
        { "first-high", -half },
        { "all-ones", ~UINT64_C(0) },
        { "top-bit-clear", INT64_MAX },
    };
    if (k < COUNT(edges)) {
        text_put(name, 32, "%s", edges[k].name);
        return edges[k].value;
    }
    unsigned bit = 47 + k - COUNT(edges);
    text_put(name, 32, "bit-%u", bit);
    return BIT(bit);
}
_Static_assert(CANONICAL_VALUES == 7 + 17, "the edges, and bits 47 to 63");

uint64_t pat_value(unsigned k, char name[32], bool *valid)
{
    static const uint8_t types[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x86 };
    unsigned byte = k / COUNT(types), type = types[k % COUNT(types)];
    text_put(name, 32, "byte-%u-0x%x", byte, type);
    *valid = type < 8 && type != 2 && type != 3;
    return (UINT64_C(0x0007040600070406) & ~(UINT64_C(0xff) << 8 * byte)) |
           (uint64_t)type << 8 * byte;
}

bool msr_takes(uint32_t index, uint64_t value, uint64_t normal)
{
    bool taken = try_wrmsr(index, value).fault == NO_FAULT;
    if (taken)
        wrmsr(index, normal);
    return taken;
}

void expect_host(bool valid)
{
    if (valid)
        expect_entered();
    else
        expect_refused(ERROR_HOST);
}

void expect_guest(bool valid, uint64_t qualification)
{
    if (valid)
        expect_entered();
    else
        expect_entry_failure(REASON_GUEST_STATE, qualification);
}
