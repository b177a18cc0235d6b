// SPDX-License-Identifier: Apache-2.0
#include "cpu/memory_type.h"

const char *memory_type_name(enum memory_type t)
{
    static const char *const names[] = {
        [MEMORY_UC] = "UC", [MEMORY_WC] = "WC", [MEMORY_WT] = "WT",
        [MEMORY_WP] = "WP", [MEMORY_WB] = "WB", [MEMORY_UC_MINUS] = "UC-",
    };
    return t <= MEMORY_UC_MINUS && names[t] ? names[t] : "undefined";
}

enum memory_type memory_type_combine(enum memory_type range, enum memory_type page)
{
    enum { U = MEMORY_UC, C = MEMORY_WC, T = MEMORY_WT, P = MEMORY_WP, B = MEMORY_WB,
           X = MEMORY_UNDEFINED };
    static const uint8_t effective[7][8] = {
        /* page:       UC WC       WT WP WB UC- */
        [MEMORY_UC] = { U, C, X, X, U, U, U, U },
        [MEMORY_WC] = { U, C, X, X, U, U, C, C },
        [2] = { X, X, X, X, X, X, X, X },
        [3] = { X, X, X, X, X, X, X, X },
        [MEMORY_WT] = { U, C, X, X, T, P, T, U },
        [MEMORY_WP] = { U, C, X, X, T, P, P, C },
        [MEMORY_WB] = { U, C, X, X, T, P, B, U },
    };
    return range <= MEMORY_WB && page <= MEMORY_UC_MINUS ? effective[range][page] : X;
}

/* ---- the PAT ---- */

unsigned pat_entry(uint64_t entry, bool large)
{
    unsigned pat = entry >> (large ? 12 : 7) & 1;
    return pat << 2 | (entry >> 3 & 3);        /* PCD is bit 4, PWT bit 3 */
}

enum memory_type pat_memory_type(uint64_t pat, unsigned entry)
{
    return (enum memory_type)(pat >> (8 * entry) & 7);
}

/* ---- MTRRs ---- */

enum { DEF_TYPE = 0xff, FIXED_ENABLE = 1 << 10, ENABLE = 1 << 11, VALID = 1 << 11 };
enum { FIXED_END = 0x100000 };

static enum memory_type fixed_type(const struct msr_state *m, uint64_t physical)
{
    unsigned range = physical < 0x80000   ? (unsigned)(physical >> 16)
                     : physical < 0xc0000 ? 8 + (unsigned)((physical - 0x80000) >> 14)
                                          : 24 + (unsigned)((physical - 0xc0000) >> 12);
    return (enum memory_type)(m->mtrr_fixed[range / 8] >> (8 * (range % 8)) & 0xff);
}

/* Two ranges that overlap. */
static enum memory_type overlap(enum memory_type a, enum memory_type b)
{
    if (a == b || a == MEMORY_UC)
        return a;
    if (b == MEMORY_UC)
        return b;
    bool through = (a == MEMORY_WT && b == MEMORY_WB) || (a == MEMORY_WB && b == MEMORY_WT);
    return through ? MEMORY_WT : MEMORY_UNDEFINED;
}

enum memory_type mtrr_memory_type(const struct msr_state *m, uint64_t physical)
{
    enum memory_type type = MEMORY_UNDEFINED;
    bool matched = false;
    if (!(m->mtrr_def_type & ENABLE))
        return MEMORY_UC;
    if (m->mtrr_def_type & FIXED_ENABLE && physical < FIXED_END)
        return fixed_type(m, physical);
    for (unsigned k = 0; k < ARRAY_SIZE(m->mtrr_base); k++) {
        uint64_t mask = m->mtrr_mask[k] & ~UINT64_C(0xfff);
        if (!(m->mtrr_mask[k] & VALID) || (physical ^ m->mtrr_base[k]) & mask)
            continue;
        enum memory_type t = (enum memory_type)(m->mtrr_base[k] & 0xff);
        type = matched ? overlap(type, t) : t;
        matched = true;
    }
    return matched ? type : (enum memory_type)(m->mtrr_def_type & DEF_TYPE);
}
