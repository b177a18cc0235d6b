// SPDX-License-Identifier: Apache-2.0
// VMCS shadowing, time-stamp offsetting and scaling, translations and their invalidation (SDM vol. 3,
// "Changes to Instruction Behavior in VMX Non-Root Operation", "Caching Translation Information").
#include "areas.h"
#include "exits.h"

/* ---- VMCS shadowing ---- */

/* The guest reads or writes a field of the shadow VMCS; the encoding's bit in both bitmaps is `bit`. */
static void shadowing(uint64_t encoding, bool bit)
{
    vm_reset(MODE_64);
    zero(&other_vmcs, sizeof other_vmcs);
    other_vmcs.revision = vmcs_region.revision;
    try_vmclear((uint64_t)&other_vmcs);
    try_vmptrld((uint64_t)&other_vmcs);
    vmwrite(GUEST_RIP, 0x5555);
    try_vmclear((uint64_t)&other_vmcs);
    other_vmcs.revision |= 0x80000000;
    try_vmptrld((uint64_t)&vmcs_region);
    vm_set(VMCS_SHADOWING);
    vmwrite(VMCS_LINK_POINTER, (uint64_t)&other_vmcs);
    for (unsigned k = 0; k < 0x2000; k++)
        *byte_at(GUEST_SHADOW_BITMAPS + k) = bit ? 0 : 0xff;
    for (unsigned which = 0; which < 2; which++)
        *byte_at(GUEST_SHADOW_BITMAPS + which * 4096 + (encoding & 0x7fff) / 8) ^=
            (uint8_t)(1 << encoding % 8);
    gpr[RAX] = encoding;
    gpr[RCX] = 0x7777;
}

enum { HIGH_HALF = 1 };

static void shadow_halves(void)
{
    CASE("shadow.vmread", "bitmaps-differ")
    {
        if (lacks(VMCS_SHADOWING))
            continue;
        shadowing(GUEST_RIP, false);
        for (unsigned k = 0; k < 0x1000; k++)
            *byte_at(GUEST_SHADOW_BITMAPS + 0x1000 + k) = 0xff;
        CODE(0x0f, 0x78, 0xc1);
        expect_passes(3);
        expect("RCX", 0x5555, gpr[RCX]);
    }
    /* The guest writes the high half, then reads it and all. */
    CASE("shadow.vmwrite", "high-half")
    {
        if (lacks(VMCS_SHADOWING))
            continue;
        shadowing(GUEST_PAT | HIGH_HALF, false);
        zero((void *)byte_at(GUEST_SHADOW_BITMAPS), 0x2000);
        CODE(0x0f, 0x79, 0xc1, 0x0f, 0x78, 0xc2, 0x0f, 0x78, 0xeb);
        gpr[RCX] = 0x12345678;
        gpr[RBP] = GUEST_PAT;
        expect_passes(9);
        expect("high half", 0x12345678, gpr[RDX]);
        expect("field", UINT64_C(0x1234567800000000), gpr[RBX]);
    }
}

static void shadow_bitmaps(void)
{
    for (unsigned write = 0; write < 2; write++) {
        const char *rule = write ? "shadow.vmwrite" : "shadow.vmread";
        for (unsigned bit = 0; bit < 2; bit++)
            CASE(rule, "bit-%u", bit)
            {
                if (lacks(VMCS_SHADOWING))
                    continue;
                shadowing(GUEST_RIP, bit);
                CODE(0x0f, write ? 0x79 : 0x78, 0xc1);
                if (write)
                    CODE(0x0f, 0x79, 0xc1);
                if (bit) {
                    expect_exit(write ? REASON_VMWRITE : REASON_VMREAD);
                    continue;
                }
                expect_passes(3);
                if (!write)
                    expect("RCX", 0x5555, gpr[RCX]);
                other_vmcs.revision &= 0x7fffffff;
                try_vmclear((uint64_t)&other_vmcs);
                try_vmptrld((uint64_t)&other_vmcs);
                expect_field(GUEST_RIP, write ? 0x7777 : 0x5555);
            }
        for (unsigned high = 15; high < 64; high += 7)
            CASE(rule, "encoding-bit-%u", high)
            {
                if (lacks(VMCS_SHADOWING))
                    continue;
                shadowing(GUEST_RIP, false);
                CODE(0x0f, write ? 0x79 : 0x78, 0xc1);
                gpr[RAX] |= BIT(high);
                expect_exit(write ? REASON_VMWRITE : REASON_VMREAD);
            }
        CASE(rule, "no-link")
        {
            if (lacks(VMCS_SHADOWING))
                continue;
            shadowing(GUEST_RIP, false);
            vmwrite(VMCS_LINK_POINTER, ~UINT64_C(0));
            CODE(0x0f, write ? 0x79 : 0x78, 0xc1);
            expect_passes(3);
            expect("VMfailInvalid", FLAG_CF, vmread(GUEST_RFLAGS) & FLAGS_STATUS);
        }
        CASE(rule, "no-such-field")
        {
            if (lacks(VMCS_SHADOWING))
                continue;
            shadowing(0x7ffe, false);
            CODE(0x0f, write ? 0x79 : 0x78, 0xc1);
            expect_passes(3);
            expect("VMfailValid", FLAG_ZF, vmread(GUEST_RFLAGS) & FLAGS_STATUS);
        }
    }
}

static void shadow_not_launchable(void)
{
    CASE("shadow.not-launchable", "vmlaunch")
    {
        if (lacks(VMCS_SHADOWING))
            continue;
        shadowing(GUEST_RIP, false);
        try_vmptrld((uint64_t)&other_vmcs);
        expect_result(FAIL_INVALID, 0, try_vmlaunch());
    }
}

/* ---- the time-stamp counter ---- */

static uint64_t guest_tsc(void) { return gpr[RAX] | gpr[RDX] << 32; }

static void expect_between(const char *what, uint64_t low, uint64_t v, uint64_t high)
{
    if (v < low || v > high)
        expect(what, low, v);
}

static void tsc(void)
{
    static const uint64_t offsets[] = { 0, 0x100000000000, UINT64_C(0x8000000000000000), -BIT(40) };
    for (unsigned k = 0; k < COUNT(offsets); k++)
        for (unsigned how = 0; how < 2; how++)
            CASE("tsc.offset", "%s-%u", how ? "rdmsr" : "rdtsc", k)
            {
                if (lacks(TSC_OFFSETTING) || (how && lacks(MSR_BITMAPS)) ||
                    lacks_that(can_clear(RDTSC_EXITING), "primary.12 clear"))
                    continue;
                vm_reset(MODE_64);
                vm_set(TSC_OFFSETTING);
                if (how) {
                    zero((void *)byte_at(GUEST_MSR_BITMAP), 4096);
                    vm_set(MSR_BITMAPS);
                    gpr[RCX] = IA32_TSC;
                }
                vmwrite(TSC_OFFSET, offsets[k]);
                CODE(0x0f, how ? 0x32 : 0x31);
                uint64_t before = rdtsc();
                expect_passes(2);
                expect_between("TSC", before, guest_tsc() - offsets[k], rdtsc());
            }
    for (unsigned shift = 46; shift <= 50; shift++)
        CASE("tsc.scaling", "multiplier-bit-%u", shift)
        {
            if (lacks(TSC_SCALING) || lacks(TSC_OFFSETTING))
                continue;
            vm_reset(MODE_64);
            vm_set(TSC_OFFSETTING);
            vm_set(TSC_SCALING);
            vmwrite(TSC_MULTIPLIER, BIT(shift));
            vmwrite(TSC_OFFSET, 0x1000000);
            CODE(0x0f, 0x31);
            unsigned __int128 before = (unsigned __int128)rdtsc() << shift >> 48;
            expect_passes(2);
            unsigned __int128 after = (unsigned __int128)rdtsc() << shift >> 48;
            expect_between("TSC", (uint64_t)before, guest_tsc() - 0x1000000, (uint64_t)after);
        }
    CASE("tsc.scaling", "without-offsetting")
    {
        if (lacks(TSC_SCALING))
            continue;
        vm_reset(MODE_64);
        vm_set(TSC_SCALING);
        vmwrite(TSC_MULTIPLIER, BIT(56));
        CODE(0x0f, 0x31);
        uint64_t before = rdtsc();
        expect_passes(2);
        expect_between("TSC", before, guest_tsc(), rdtsc());
    }
}

/* ---- translations ---- */

/* The guest reads the first bytes of GUEST_DATA, and again after the host let its page table point to
 * GUEST_DATA2 and did what is said to be enough. */
static void expect_other_page(uint64_t *entry, uint64_t to, void (*invalidate)(void))
{
    gpr[RAX] = GUEST_DATA;
    *dword_at(GUEST_DATA) = 1;
    *dword_at(GUEST_DATA2) = 2;
    CODE(0x8b, 0x08);
    expect_passes(2);
    expect("first page", 1, gpr[RCX]);
    *entry = to;
    if (invalidate)
        invalidate();
    vmwrite(GUEST_RIP, GUEST_CODE);
    expect_passes(2);
    expect("second page", 2, gpr[RCX]);
}

static void invvpid(uint64_t type)
{
    const uint64_t d[2] = { 1, GUEST_DATA };
    try_invvpid(type, d);
}
static void invvpid_address(void) { invvpid(0); }
static void invvpid_single(void) { invvpid(1); }
static void invvpid_all(void) { invvpid(2); }
static void invvpid_locals(void) { invvpid(3); }

static void translations(void)
{
    static void (*const how[4])(void) = { invvpid_address, invvpid_single, invvpid_all,
                                          invvpid_locals };
    CASE("translation.without-vpid", "entry-flushes")
    {
        vm_reset(MODE_64);
        expect_other_page(guest_pte(GUEST_DATA), GUEST_DATA2 | 7, 0);
    }
    for (unsigned type = 0; type < 4; type++)
        CASE("translation.invvpid", "type-%u", type)
        {
            if (lacks(ENABLE_VPID) || lacks_that(cap.ept_vpid & BIT(32) &&
                                                 cap.ept_vpid & BIT(40 + type), "this INVVPID"))
                continue;
            vm_reset(MODE_64);
            vm_set_valid(ENABLE_VPID);
            expect_other_page(guest_pte(GUEST_DATA), GUEST_DATA2 | 7, how[type]);
        }
    for (unsigned vpid = 0; vpid < 2; vpid++)
        CASE("translation.invept", "vpid-%u", vpid)
        {
            if (lacks(EPT) || (vpid && lacks(ENABLE_VPID)) ||
                lacks_that(cap.ept_vpid & BIT(20), "ept-vpid-cap.20:invept"))
                continue;
            vm_reset(MODE_64);
            vm_use_ept();
            if (vpid)
                vm_set_valid(ENABLE_VPID);
            expect_other_page(ept_leaf(GUEST_DATA), (*ept_leaf(GUEST_DATA) & 0xfff) | GUEST_DATA2,
                              ept_invalidate);
        }
    CASE("translation.ept-violation", "rights-raised")
    {
        if (lacks(EPT))
            continue;
        vm_reset(MODE_64);
        vm_use_ept();
        gpr[RAX] = GUEST_DATA;
        CODE(0x8b, 0x08);
        uint64_t leaf = *ept_leaf(GUEST_DATA);
        *ept_leaf(GUEST_DATA) = 0;
        if (!expect_exit(REASON_EPT_VIOLATION))
            continue;
        *ept_leaf(GUEST_DATA) = leaf;                    /* no invalidation is owed */
        expect_passes(2);
    }
}

void area_shadow(void)
{
    shadow_bitmaps();
    shadow_halves();
    shadow_not_launchable();
    tsc();
    translations();
}
