// SPDX-License-Identifier: Apache-2.0
// Every VMCS field, and every encoding that is none (SDM vol. 3, appendix "Field Encoding in VMCS";
// "VMREAD", "VMWRITE").
#include "areas.h"
#include "suite.h"
#include "vm.h"

enum { HIGHEST = 0x8000 };
enum width { WIDTH_16, WIDTH_64, WIDTH_32, WIDTH_NATURAL };

#define ALWAYS true
#define CAN(word, bit) can_bit(word, bit)
#define WITH_EPTP_SWITCHING (can(VM_FUNCTIONS) && cap.vmfunc & 1)
#define WITH_CR3_TARGET(n) ((cap.misc >> 16 & 0x1ff) > n)
#define WITH_FRED (can(LOAD_FRED) || can(SAVE_FRED))
#define FIELD(encoding, name, text, exists) static bool exists_##encoding(void) { return exists; }
#include "fields.def"

static const struct row {
    uint16_t encoding;
    const char *rule;
    bool (*exists)(void);
} rows[] = {
#define FIELD(encoding, name, text, exists) { encoding, "vmcs.field." text, exists_##encoding },
#include "fields.def"
};

static enum width width_of(uint64_t encoding) { return encoding >> 13 & 3; }
static bool read_only(uint64_t encoding) { return (encoding >> 10 & 3) == 1; }
static uint64_t mask_of(uint64_t encoding)
{
    switch (width_of(encoding)) {
    case WIDTH_16: return 0xffff;
    case WIDTH_32: return 0xffffffff;
    default: return encoding & 1 ? 0xffffffff : ~UINT64_C(0);
    }
}
static bool writable(uint64_t encoding) { return !read_only(encoding) || cap.misc & BIT(29); }

static bool fields[HIGHEST];          /* the encodings that exist, without those of high halves */

static void find_fields(void)
{
    for (unsigned k = 0; k < COUNT(rows); k++)
        fields[rows[k].encoding] = rows[k].exists();
}
static bool exists(uint64_t encoding)
{
    uint64_t low = width_of(encoding) == WIDTH_64 ? encoding & ~UINT64_C(1) : encoding;
    return low < HIGHEST && fields[low];
}

/* What VMREAD and VMWRITE of the encoding must do. */
static void expect_read(uint64_t encoding)
{
    uint64_t v = 0;
    expect_result(exists(encoding) ? SUCCEEDED : FAIL_VALID, ERROR_FIELD, try_vmread(encoding, &v));
}
static void expect_write(uint64_t encoding, uint64_t value)
{
    bool there = exists(encoding);
    expect_result(there && writable(encoding) ? SUCCEEDED : FAIL_VALID,
                  there ? ERROR_READ_ONLY : ERROR_FIELD, try_vmwrite(encoding, value));
}

static void expect_holds(uint64_t encoding, uint64_t written)
{
    uint64_t v = ~written;
    expect_result(SUCCEEDED, 0, try_vmwrite(encoding, written));
    expect_result(SUCCEEDED, 0, try_vmread(encoding, &v));
    expect("value", written & mask_of(encoding), v);
}

static void high_half(const struct row *r)
{
    uint64_t high = r->encoding | 1, v = 0;
    CASE(r->rule, "high-half")
    {
        if (!r->exists() || width_of(high) != WIDTH_64 || !writable(high)) {
            expect_read(high);
            expect_write(high, 0);
            continue;
        }
        expect_holds(r->encoding, UINT64_C(0x1122334455667788));
        expect_result(SUCCEEDED, 0, try_vmread(high, &v));
        expect("high half", 0x11223344, v);
        expect_result(SUCCEEDED, 0, try_vmwrite(high, UINT64_C(0xffffffff99aabbcc)));
        expect_result(SUCCEEDED, 0, try_vmread(r->encoding, &v));
        expect("whole field", UINT64_C(0x99aabbcc55667788), v);
    }
}

static void one_field(const struct row *r)
{
    uint64_t encoding = r->encoding;
    CASE(r->rule, "read") { expect_read(encoding); }
    CASE(r->rule, "write") { expect_write(encoding, 0); }
    CASE(r->rule, "width")
    {
        if (!r->exists() || !writable(encoding)) {
            expect_write(encoding, ~UINT64_C(0));
            continue;
        }
        expect_holds(encoding, ~UINT64_C(0));
        expect_holds(encoding, 0);
    }
    CASE(r->rule, "pattern")
    {
        if (!r->exists() || !writable(encoding)) {
            expect_read(encoding);
            continue;
        }
        expect_holds(encoding, UINT64_C(0xa5a5a5a55a5a5a5a));
        expect_holds(encoding, UINT64_C(0x5a5a5a5aa5a5a5a5));
    }
    high_half(r);
}

/* All encodings, existing or not, 256 a case. */
static void all_encodings(void)
{
    for (uint64_t from = 0; from < HIGHEST; from += 0x100) {
        CASE("vmread.encoding", "from-%x", (unsigned)from)
        {
            for (uint64_t e = from; e < from + 0x100 && !case_failed(); e++)
                expect_read(e);
        }
        CASE("vmwrite.encoding", "from-%x", (unsigned)from)
        {
            for (uint64_t e = from; e < from + 0x100 && !case_failed(); e++)
                expect_write(e, 0);
        }
    }
}

static void beyond_encodings(void)
{
    for (unsigned bit = 15; bit < 64; bit++) {
        uint64_t encoding = GUEST_RIP | BIT(bit), v = 0;
        CASE("vmread.encoding-reserved", "bit-%u", bit)
        {
            expect_result(FAIL_VALID, ERROR_FIELD, try_vmread(encoding, &v));
        }
        CASE("vmwrite.encoding-reserved", "bit-%u", bit)
        {
            expect_result(FAIL_VALID, ERROR_FIELD, try_vmwrite(encoding, 0));
        }
    }
    CASE("vmcs.enumeration", "highest-index")
    {
        unsigned highest = 0;
        for (unsigned k = 0; k < COUNT(rows); k++)
            if (rows[k].exists() && (rows[k].encoding >> 1 & 0x1ff) > highest)
                highest = rows[k].encoding >> 1 & 0x1ff;
        expect("highest index", highest, cap.enumeration >> 1 & 0x1ff);
    }
}

static void without_vmcs(void)
{
    uint64_t v = 0x1234;
    CASE("vmread.no-current-vmcs", "existing")
    {
        try_vmclear((uint64_t)&vmcs_region);
        expect_result(FAIL_INVALID, 0, try_vmread(GUEST_RIP, &v));
        expect("destination", 0x1234, v);
    }
    CASE("vmread.no-current-vmcs", "non-existing")
    {
        try_vmclear((uint64_t)&vmcs_region);
        expect_result(FAIL_INVALID, 0, try_vmread(0x7ffe, &v));
    }
    CASE("vmwrite.no-current-vmcs", "existing")
    {
        try_vmclear((uint64_t)&vmcs_region);
        expect_result(FAIL_INVALID, 0, try_vmwrite(GUEST_RIP, 0));
    }
    CASE("vmwrite.no-current-vmcs", "read-only")
    {
        try_vmclear((uint64_t)&vmcs_region);
        expect_result(FAIL_INVALID, 0, try_vmwrite(EXIT_REASON, 0));
    }
}

void area_fields(void)
{
    find_fields();
    vm_reset(MODE_64);
    for (unsigned k = 0; k < COUNT(rows); k++)
        one_field(&rows[k]);
    all_encodings();
    beyond_encodings();
    without_vmcs();
}
