// SPDX-License-Identifier: Apache-2.0
// The operands of INVEPT and INVVPID (SDM vol. 3, "INVEPT", "INVVPID").
#include "areas.h"
#include "suite.h"
#include "vm.h"

enum { INVEPT_THERE = 20, INVVPID_THERE = 32, TYPES = 9 };

static bool lacks_invept(void)
{
    return lacks(EPT) || lacks_that(cap.ept_vpid & BIT(INVEPT_THERE), "ept-vpid-cap.20:invept");
}
static bool lacks_invvpid(void)
{
    return lacks(ENABLE_VPID) ||
           lacks_that(cap.ept_vpid & BIT(INVVPID_THERE), "ept-vpid-cap.32:invvpid");
}
static bool invept_type(uint64_t type)
{
    return (type == 1 && cap.ept_vpid & BIT(25)) || (type == 2 && cap.ept_vpid & BIT(26));
}
static bool invvpid_type(uint64_t type) { return type < 4 && cap.ept_vpid & BIT(40 + type); }

/* The type is a 64-bit register: `type` and types with a high bit set. */
static void types(void)
{
    const uint64_t ept_operand[2] = { ept_pointer(&ept), 0 }, vpid_operand[2] = { 1, 0 };
    for (unsigned k = 0; k < TYPES + 52; k++) {
        uint64_t type = k < TYPES ? k : 2 | BIT(k + 3);
        CASE("invept.type", "0x%lx", type)
        {
            if (lacks_invept())
                continue;
            expect_result(invept_type(type) ? SUCCEEDED : FAIL_VALID, ERROR_OPERAND,
                          try_invept(type, ept_operand));
        }
        CASE("invvpid.type", "0x%lx", type)
        {
            if (lacks_invvpid())
                continue;
            expect_result(invvpid_type(type) ? SUCCEEDED : FAIL_VALID, ERROR_OPERAND,
                          try_invvpid(type, vpid_operand));
        }
    }
}

static void invept_descriptor(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        CASE("invept.descriptor-high", "bit-%u", bit)
        {
            const uint64_t d[2] = { ept_pointer(&ept), BIT(bit) };
            if (lacks_invept())
                continue;
            expect_result(FAIL_VALID, ERROR_OPERAND, try_invept(cap.ept_vpid & BIT(26) ? 2 : 1, d));
        }
        CASE("invept.single-eptp", "bit-%u", bit)
        {
            const uint64_t d[2] = { ept_pointer(&ept) ^ BIT(bit), 0 };
            bool reserved = (bit >= 8 && bit < 12) || bit >= cap.physical_bits ||
                            (bit == 6 && !(cap.ept_vpid & BIT(21))) ||
                            (bit == 7 && !(cap.ept_vpid & BIT(23))) || bit == 3 || bit == 4;
            if (lacks_invept() || lacks_that(invept_type(1), "ept-vpid-cap.25:single-context") ||
                lacks_that(reserved, "a reserved bit of EPTP"))
                continue;
            expect_result(FAIL_VALID, ERROR_OPERAND, try_invept(1, d));
        }
    }
}

static void invept_memory_type(void)
{
    for (unsigned type = 1; type < 8; type++)
        CASE("invept.single-eptp", "memory-type-%u", type)
        {
            const uint64_t d[2] = { (ept_pointer(&ept) & ~UINT64_C(7)) | type, 0 };
            if (lacks_invept() || lacks_that(invept_type(1), "ept-vpid-cap.25:single-context") ||
                lacks_that(type != 6, "(write-back may be there)"))
                continue;
            expect_result(FAIL_VALID, ERROR_OPERAND, try_invept(1, d));
        }
}

static void invvpid_descriptor(void)
{
    for (uint64_t type = 0; type < 4; type++) {
        for (unsigned bit = 16; bit < 64; bit++)
            CASE("invvpid.descriptor-reserved", "type-%lu-bit-%u", type, bit)
            {
                const uint64_t d[2] = { 1 | BIT(bit), 0 };
                if (lacks_invvpid() || lacks_that(invvpid_type(type), "this type of INVVPID"))
                    continue;
                expect_result(FAIL_VALID, ERROR_OPERAND, try_invvpid(type, d));
            }
        CASE("invvpid.vpid-zero", "type-%lu", type)
        {
            const uint64_t d[2] = { 0, 0 };
            if (lacks_invvpid() || lacks_that(invvpid_type(type), "this type of INVVPID"))
                continue;
            expect_result(type == 2 ? SUCCEEDED : FAIL_VALID, ERROR_OPERAND, try_invvpid(type, d));
        }
        for (unsigned bit = 46; bit < 64; bit++)
            CASE("invvpid.canonical", "type-%lu-bit-%u", type, bit)
            {
                const uint64_t d[2] = { 1, BIT(bit) };
                bool canonical = bit < cap.linear_bits - 1;
                if (lacks_invvpid() || lacks_that(invvpid_type(type), "this type of INVVPID"))
                    continue;
                expect_result(type || canonical ? SUCCEEDED : FAIL_VALID, ERROR_OPERAND,
                              try_invvpid(type, d));
            }
    }
}

static void without_vmcs(void)
{
    const uint64_t bad[2] = { 0, 1 }, bad_vpid[2] = { BIT(20), 0 };
    CASE("invept.no-current-vmcs", "bad-type")
    {
        if (lacks_invept())
            continue;
        try_vmclear((uint64_t)&vmcs_region);
        expect_result(FAIL_INVALID, 0, try_invept(0, bad));
    }
    CASE("invvpid.no-current-vmcs", "bad-descriptor")
    {
        if (lacks_invvpid())
            continue;
        try_vmclear((uint64_t)&vmcs_region);
        expect_result(FAIL_INVALID, 0, try_invvpid(9, bad_vpid));
    }
    vm_reset(MODE_64);
    CASE("invept.unsupported", "without-ept")
    {
        if (lacks_that(!can(EPT), "no EPT"))
            continue;
        expect_result(FAULTED, EXC_UD, try_invept(2, bad));
    }
    CASE("invvpid.unsupported", "without-vpid")
    {
        if (lacks_that(!can(ENABLE_VPID), "no VPID"))
            continue;
        expect_result(FAULTED, EXC_UD, try_invvpid(2, bad));
    }
}

void area_invalidate(void)
{
    vm_reset(MODE_64);
    types();
    invept_descriptor();
    invept_memory_type();
    invvpid_descriptor();
    without_vmcs();
}
