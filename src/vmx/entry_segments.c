// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Checks on Guest Segment Registers".
#include "vmx/entry_guest.h"

static bool v86(const struct entry *e) { return field(e, GUEST_RFLAGS) & FLAG_VM; }
static bool ia32e(const struct entry *e) { return e->entry & ENTRY_IA32E_MODE_GUEST; }
static bool protected_mode(const struct entry *e) { return field(e, GUEST_CR0) & CR0_PE; }
static bool usable(const struct entry *e, unsigned s)
{
    return !(segment_access(e, s) & SEG_UNUSABLE);
}
static unsigned type_of(const struct entry *e, unsigned s)
{
    return segment_access(e, s) & SEG_TYPE;
}
static uint64_t selector(const struct entry *e, unsigned s)
{
    return field(e, GUEST_ES_SELECTOR + s);
}

/* Access rights are checked for CS, TR and usable others, outside virtual-8086 mode (TR, LDTR
 * always). */
static bool checked(const struct entry *e, unsigned s)
{
    return s == TR || (s == LDTR && usable(e, s)) ||
           (s < LDTR && !v86(e) && (s == CS || usable(e, s)));
}

/* ---- selectors and bases ---- */

static bool table_indicator(const struct entry *e, unsigned s)
{
    return !(selector(e, s) & 4) || (s == LDTR && !usable(e, s));
}
static bool ss_rpl(const struct entry *e, unsigned s)
{
    return v86(e) || unrestricted(e) || (selector(e, SS) & 3) == (selector(e, CS) & 3);
}
static bool v86_base(const struct entry *e, unsigned s)
{
    return !v86(e) || field(e, GUEST_ES_BASE + s) == selector(e, s) << 4;
}
static bool v86_limit(const struct entry *e, unsigned s)
{
    return !v86(e) || field(e, GUEST_ES_LIMIT + s) == 0xffff;
}
static bool v86_access(const struct entry *e, unsigned s)
{
    return !v86(e) || segment_access(e, s) == 0xf3;
}
static bool base_canonical(const struct entry *e, unsigned s)
{
    return (s == LDTR && !usable(e, s)) || canonical(e, field(e, GUEST_ES_BASE + s));
}
static struct required base_high(const struct entry *e, unsigned s)
{
    bool needed = s == CS || usable(e, s);
    return (struct required){ 0, needed ? UINT64_C(0xffffffff) << 32 : 0 };
}

/* ---- access rights ---- */

static bool cs_type(const struct entry *e, unsigned s)
{
    unsigned t = type_of(e, CS);
    return v86(e) || (t & 9) == 9 || (t == 3 && unrestricted(e));
}
static bool ss_type(const struct entry *e, unsigned s)
{
    return !checked(e, SS) || type_of(e, SS) == 3 || type_of(e, SS) == 7;
}
static bool data_type(const struct entry *e, unsigned s)
{
    unsigned t = type_of(e, s);
    return !checked(e, s) || (t & 1 && (!(t & 8) || t & 2));
}
/* S is 1 for code and data, 0 for LDTR and TR. */
static struct required s_bit(const struct entry *e, unsigned s)
{
    if (!checked(e, s))
        return (struct required){ 0, 0 };
    return s < LDTR ? (struct required){ SEG_S, 0 } : (struct required){ 0, SEG_S };
}
static bool cs_dpl(const struct entry *e, unsigned s)
{
    unsigned t = type_of(e, CS), dpl = segment_dpl(e, CS), ss = segment_dpl(e, SS);
    if (v86(e))
        return true;
    switch (t) {
    case 3: return dpl == 0;
    case 9: case 11: return dpl == ss;
    case 13: case 15: return dpl <= ss;
    default: return true;                   /* the type has a check of its own */
    }
}
static bool ss_dpl_rpl(const struct entry *e, unsigned s)
{
    return v86(e) || unrestricted(e) || segment_dpl(e, SS) == (selector(e, SS) & 3);
}
static bool ss_dpl_zero(const struct entry *e, unsigned s)
{
    bool zero = type_of(e, CS) == 3 || !protected_mode(e);
    return v86(e) || !zero || segment_dpl(e, SS) == 0;
}
static bool data_dpl(const struct entry *e, unsigned s)
{
    return !checked(e, s) || unrestricted(e) || type_of(e, s) > 11 ||
           segment_dpl(e, s) >= (selector(e, s) & 3);
}
static struct required present(const struct entry *e, unsigned s)
{
    return (struct required){ checked(e, s) ? SEG_P : 0, 0 };
}
static struct required reserved(const struct entry *e, unsigned s)
{
    return (struct required){ 0, checked(e, s) ? 0xfffe0f00 : 0 };
}
static bool cs_db(const struct entry *e, unsigned s)
{
    uint32_t both = SEG_L | SEG_DB;
    return v86(e) || !ia32e(e) || (segment_access(e, CS) & both) != both;
}
static bool granularity_low(const struct entry *e, unsigned s)
{
    return !checked(e, s) || (field(e, GUEST_ES_LIMIT + s) & 0xfff) == 0xfff ||
           !(segment_access(e, s) & SEG_G);
}
static bool granularity_high(const struct entry *e, unsigned s)
{
    return !checked(e, s) || !(field(e, GUEST_ES_LIMIT + s) >> 20) || segment_access(e, s) & SEG_G;
}
static bool tr_type(const struct entry *e, unsigned s)
{
    return type_of(e, TR) == 11 || (type_of(e, TR) == 3 && !ia32e(e));
}
static struct required tr_usable(const struct entry *e, unsigned s)
{
    return (struct required){ 0, SEG_UNUSABLE };
}
static bool ldtr_type(const struct entry *e, unsigned s)
{
    return !checked(e, LDTR) || type_of(e, LDTR) == 2;
}

/* ---- the table ---- */

#define V86(lower, name)                                                                           \
    CHECK("guest_v86_" lower "_base", v86_base, name,                                              \
          "In virtual-8086 mode the " #name " base must be "                                       \
          "the selector shifted left by 4.",                                                       \
          GUEST_##name##_BASE, GUEST_##name##_SELECTOR),                                           \
        CHECK("guest_v86_" lower "_limit", v86_limit, name,                                        \
              "In virtual-8086 mode the " #name " limit must "                                     \
              "be FFFFH.",                                                                         \
              GUEST_##name##_LIMIT),                                                               \
        CHECK("guest_v86_" lower "_access", v86_access, name,                                      \
              "In virtual-8086 mode the " #name " access "                                         \
              "rights must be F3H.",                                                               \
              GUEST_##name##_AR_BYTES)
#define CANONICAL(lower, name)                                                                     \
    CHECK("guest_" lower "_base", base_canonical, name, "The " #name " base must be canonical.",   \
          GUEST_##name##_BASE)
#define HIGH(lower, name)                                                                          \
    CHECK_BITS("guest_" lower "_base_high", base_high, name,                                       \
               "Bits 63:32 of the " #name " base must be "                                         \
               "0.",                                                                               \
               GUEST_##name##_BASE)
#define RIGHTS(lower, name, s_value)                                                               \
    CHECK_BITS("guest_" lower "_s", s_bit, name,                                                   \
               "S (bit 4) of the " #name " access rights must be " s_value ".",                    \
               GUEST_##name##_AR_BYTES),                                                           \
        CHECK_BITS("guest_" lower "_present", present, name,                                       \
                   "P (bit 7) of the " #name " access rights "                                     \
                   "must be 1.",                                                                   \
                   GUEST_##name##_AR_BYTES),                                                       \
        CHECK_BITS("guest_" lower "_reserved", reserved, name,                                     \
                   "Bits 11:8 and 31:17 of the " #name " access rights must be 0.",                \
                   GUEST_##name##_AR_BYTES),                                                       \
        CHECK("guest_" lower "_g_low", granularity_low, name,                                      \
              "If any of bits 11:0 of the " #name " limit "                                        \
              "is 0, G must be 0.",                                                                \
              GUEST_##name##_AR_BYTES, GUEST_##name##_LIMIT),                                      \
        CHECK("guest_" lower "_g_high", granularity_high, name,                                    \
              "If any of bits 31:20 of the " #name " limit is 1, G must be 1.",                    \
              GUEST_##name##_AR_BYTES, GUEST_##name##_LIMIT)
#define DATA(lower, name)                                                                          \
    CHECK("guest_" lower "_type", data_type, name,                                                 \
          "A usable " #name " must be accessed, and readable "                                     \
          "if it is code.",                                                                        \
          GUEST_##name##_AR_BYTES),                                                                \
        CHECK("guest_" lower "_dpl", data_dpl, name,                                               \
              "Without \"unrestricted guest\" the DPL of a usable " #name                          \
              " of type 0 to 11 must not be less than its RPL.",                                   \
              GUEST_##name##_AR_BYTES, GUEST_##name##_SELECTOR)

const struct entry_check segment_checks[SEGMENT_CHECKS] = {
    CHECK("guest_tr_ti", table_indicator, TR, "TI of the TR selector must be 0.",
          GUEST_TR_SELECTOR),
    CHECK("guest_ldtr_ti", table_indicator, LDTR, "TI of a usable LDTR's selector must be 0.",
          GUEST_LDTR_SELECTOR),
    CHECK("guest_ss_rpl", ss_rpl, 0,
          "Outside virtual-8086 mode and without \"unrestricted guest\", the "
          "RPL of SS must equal that of CS.",
          GUEST_SS_SELECTOR, GUEST_CS_SELECTOR),
    V86("cs", CS),
    V86("ss", SS),
    V86("ds", DS),
    V86("es", ES),
    V86("fs", FS),
    V86("gs", GS),
    CANONICAL("tr", TR),
    CANONICAL("fs", FS),
    CANONICAL("gs", GS),
    CANONICAL("ldtr", LDTR),
    HIGH("cs", CS),
    HIGH("ss", SS),
    HIGH("ds", DS),
    HIGH("es", ES),
    CHECK("guest_cs_type", cs_type, 0,
          "CS must be accessed code (type 9, 11, 13 or 15), or type 3 with "
          "\"unrestricted guest\".",
          GUEST_CS_AR_BYTES),
    CHECK("guest_ss_type", ss_type, 0, "A usable SS must be accessed, writable data (type 3 or 7).",
          GUEST_SS_AR_BYTES),
    DATA("ds", DS),
    DATA("es", ES),
    DATA("fs", FS),
    DATA("gs", GS),
    CHECK("guest_cs_dpl", cs_dpl, 0,
          "The DPL of CS must be 0 for type 3, that of SS for types 9 and 11, "
          "and not greater than that of SS for types 13 and 15.",
          GUEST_CS_AR_BYTES, GUEST_SS_AR_BYTES),
    CHECK("guest_ss_dpl_rpl", ss_dpl_rpl, 0,
          "Without \"unrestricted guest\" the DPL of SS must equal its "
          "RPL.",
          GUEST_SS_AR_BYTES, GUEST_SS_SELECTOR),
    CHECK("guest_ss_dpl_zero", ss_dpl_zero, 0,
          "The DPL of SS must be 0 if CS has type 3 or CR0.PE is 0.", GUEST_SS_AR_BYTES,
          GUEST_CS_AR_BYTES, GUEST_CR0),
    RIGHTS("cs", CS, "1"),
    RIGHTS("ss", SS, "1"),
    RIGHTS("ds", DS, "1"),
    RIGHTS("es", ES, "1"),
    RIGHTS("fs", FS, "1"),
    RIGHTS("gs", GS, "1"),
    CHECK("guest_cs_db", cs_db, 0, "In IA-32e mode CS must not have both D/B and L.",
          GUEST_CS_AR_BYTES),
    CHECK("guest_tr_type", tr_type, 0, "TR must be a busy TSS: type 11, or 3 outside IA-32e mode.",
          GUEST_TR_AR_BYTES),
    RIGHTS("tr", TR, "0"),
    CHECK_BITS("guest_tr_usable", tr_usable, 0, "TR must be usable.", GUEST_TR_AR_BYTES),
    CHECK("guest_ldtr_type", ldtr_type, 0, "A usable LDTR must have type 2.", GUEST_LDTR_AR_BYTES),
    RIGHTS("ldtr", LDTR, "0"),
};
_Static_assert(ARRAY_SIZE(segment_checks) == SEGMENT_CHECKS, "no row is missing");
