// SPDX-License-Identifier: Apache-2.0
// What the three tables of entry checks share: row macros and the predicates that more than one
// uses.
#ifndef SP_VMX_ENTRY_PREDICATES_H
#define SP_VMX_ENTRY_PREDICATES_H

#include "cpu/state.h"
#include "vmx/entry.h"

#define COUNT_FIELDS(...) (sizeof((uint8_t[]){ __VA_ARGS__ }))
/* Rows: identifier, function, its argument, sentence, fields to print. */
#define CHECK(id_, pass_, arg_, sentence_, ...) \
    { .id = id_, .sentence = sentence_, .pass = pass_, .arg = arg_, .field = { __VA_ARGS__ }, \
      .fields = COUNT_FIELDS(__VA_ARGS__) }
/* The same for "these bits must be 1, those 0" in the first field. */
#define CHECK_BITS(id_, bits_, arg_, sentence_, ...) \
    { .id = id_, .sentence = sentence_, .bits = bits_, .arg = arg_, .field = { __VA_ARGS__ }, \
      .fields = COUNT_FIELDS(__VA_ARGS__) }
#define SECTION(number_, title_, rows, dirty_, qualification_) \
    { number_, title_, rows, ARRAY_SIZE(rows), dirty_, qualification_ }

static inline bool canonical(const struct entry *e, uint64_t a)
{
    unsigned k = 64 - e->linear_bits;
    return (uint64_t)((int64_t)(a << k) >> k) == a;
}
static inline uint64_t beyond_physical(const struct entry *e)
{
    return ~(BIT(e->physical_bits) - 1);
}

/* Bits 63:N identical, N the linear-address width: one bit laxer than canonical. */
static inline bool width_ok(const struct entry *e, uint64_t a)
{
    int64_t high = (int64_t)a >> e->linear_bits;
    return high == 0 || high == -1;
}
/* IA32_S_CET: SUPPRESS and TRACKER. */
#define S_CET_TRACKING (UINT64_C(3) << 10)

/* `arg` is the field. */
static inline bool field_canonical(const struct entry *e, unsigned arg)
{
    return canonical(e, field(e, arg));
}
/* SDM, "IA32_PAT MSR": memory types 0, 1, 4, 5, 6 and 7 exist. */
static inline bool pat_valid(uint64_t pat)
{
    for (unsigned k = 0; k < 64; k += 8) {
        uint64_t type = pat >> k & 0xff;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

#endif
