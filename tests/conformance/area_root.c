// SPDX-License-Identifier: Apache-2.0
// VMX instructions in VMX root operation and outside VMX operation (SDM vol. 3, "VMX Instruction
// Reference").
#include "areas.h"
#include "suite.h"
#include "vm.h"

enum { PAGE_BITS = 12 };

static uint64_t address_of(struct region *r) { return (uint64_t)r; }
static uint64_t current_vmcs(void)
{
    uint64_t p = 0;
    try_vmptrst(&p);
    return p;
}
static struct region *fresh(struct region *r)
{
    zero(r, sizeof *r);
    r->revision = cap.basic & 0x7fffffff;
    return r;
}

/* ---- VMXON and VMXOFF ---- */

static void vmxon_address(const char *rule, unsigned bit)
{
    CASE(rule, "bit-%u", bit)
    {
        if (bit >= PAGE_BITS && lacks_that(bit >= cap.physical_bits, "a narrower physical address"))
            continue;
        vm_off();
        expect_result(FAIL_INVALID, 0, try_vmxon(address_of(&vmxon_region) ^ BIT(bit)));
    }
    vm_reset(MODE_64);
}

static void vmxon_failures(void)
{
    for (unsigned bit = 0; bit < PAGE_BITS; bit++)
        vmxon_address("vmxon.alignment", bit);
    for (unsigned bit = 36; bit < 64; bit++)
        vmxon_address("vmxon.width", bit);
    for (unsigned bit = 0; bit < 32; bit++) {
        CASE("vmxon.revision", "bit-%u", bit)
        {
            vm_off();
            vmxon_region.revision ^= 1u << bit;
            expect_result(FAIL_INVALID, 0, try_vmxon(address_of(&vmxon_region)));
        }
        vm_reset(MODE_64);
    }
    CASE("vmxon.in-root", "with-current-vmcs")
    {
        vm_reset(MODE_64);
        expect_result(FAIL_VALID, ERROR_VMXON_ROOT, try_vmxon(address_of(&vmxon_region)));
    }
    CASE("vmxon.in-root", "without-current-vmcs")
    {
        try_vmclear(address_of(&vmcs_region));
        expect_result(FAIL_INVALID, 0, try_vmxon(address_of(&vmxon_region)));
    }
}

static void vmxon_faults(void)
{
    CASE("vmxon.cr4-vmxe", "clear")
    {
        vm_off();
        expect("fault", NO_FAULT, try_mov_cr4(READ_CR(4) & ~CR4_VMXE).fault);
        expect_result(FAULTED, EXC_UD, try_vmxon(address_of(&vmxon_region)));
    }
    vm_restore_host();
    CASE("vmxon.cr0-fixed", "ne-clear")
    {
        vm_off();
        if (lacks_that(cap.cr0_fixed0 & CR0_NE, "CR0.NE fixed to 1"))
            continue;
        expect("fault", NO_FAULT, try_mov_cr0(READ_CR(0) & ~CR0_NE).fault);
        expect_result(FAULTED, EXC_GP, try_vmxon(address_of(&vmxon_region)));
    }
    vm_reset(MODE_64);
    CASE("vmxon.no-current-vmcs", "after")
    {
        vm_off();
        vm_on();
        expect("current VMCS", ~UINT64_C(0), current_vmcs());
    }
}

static struct result outside(unsigned which)
{
    const uint64_t descriptor[2] = { 0 };
    uint64_t v = 0;
    switch (which) {
    case 0: return try_vmxoff();
    case 1: return try_vmclear(address_of(&vmcs_region));
    case 2: return try_vmptrld(address_of(&vmcs_region));
    case 3: return try_vmptrst(&v);
    case 4: return try_vmread(GUEST_RIP, &v);
    case 5: return try_vmwrite(GUEST_RIP, 0);
    case 6: return try_vmlaunch();
    case 7: return try_vmresume();
    case 8: return try_vmcall();
    case 9: return try_invept(2, descriptor);
    default: return try_invvpid(2, descriptor);
    }
}

static void outside_vmx(void)
{
    static const char *const names[] = { "vmxoff", "vmclear", "vmptrld", "vmptrst", "vmread",
                                         "vmwrite", "vmlaunch", "vmresume", "vmcall", "invept",
                                         "invvpid" };
    for (unsigned k = 0; k < COUNT(names); k++)
        CASE("vmx.outside", "%s", names[k])
        {
            vm_off();
            expect_result(FAULTED, EXC_UD, outside(k));
        }
    vm_reset(MODE_64);
    CASE("vmxoff.success", "flags")
    {
        expect_result(SUCCEEDED, 0, try_vmxoff());
        vm_off();
    }
    vm_reset(MODE_64);
    CASE("vmfunc.in-root", "vmfunc") { expect_result(FAULTED, EXC_UD, try_vmfunc()); }
    CASE("vmcall.in-root", "with-current-vmcs")
    {
        expect_result(FAIL_VALID, ERROR_VMCALL_ROOT, try_vmcall());
    }
    CASE("vmcall.in-root", "without-current-vmcs")
    {
        try_vmclear(address_of(&vmcs_region));
        expect_result(FAIL_INVALID, 0, try_vmcall());
    }
}

/* In VMX operation CR0 and CR4 keep what the capability MSRs fix. */
static void fixed_bits(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        CASE("vmx.cr0-fixed", "bit-%u", bit)
        {
            uint64_t set = cap.cr0_fixed0, clear = ~cap.cr0_fixed1;
            if (lacks_that((set | clear) >> bit & 1, "a fixed bit"))
                continue;
            expect_result(FAULTED, EXC_GP, try_mov_cr0(READ_CR(0) ^ BIT(bit)));
        }
        CASE("vmx.cr4-fixed", "bit-%u", bit)
        {
            uint64_t set = cap.cr4_fixed0, clear = ~cap.cr4_fixed1;
            if (lacks_that((set | clear) >> bit & 1, "a fixed bit"))
                continue;
            expect_result(FAULTED, EXC_GP, try_mov_cr4(READ_CR(4) ^ BIT(bit)));
        }
    }
}

/* ---- VMPTRLD, VMPTRST and VMCLEAR ---- */

static void pointer_address(const char *load_rule, const char *clear_rule, unsigned bit)
{
    uint64_t address = address_of(fresh(&other_vmcs)) ^ BIT(bit);
    bool beyond = bit < PAGE_BITS || bit >= cap.physical_bits;
    CASE(load_rule, "bit-%u", bit)
    {
        vm_reset(MODE_64);
        if (lacks_that(beyond, "a narrower physical address"))
            continue;
        expect_result(FAIL_VALID, ERROR_VMPTRLD_ADDRESS, try_vmptrld(address));
        expect("current VMCS", address_of(&vmcs_region), current_vmcs());
    }
    CASE(clear_rule, "bit-%u", bit)
    {
        vm_reset(MODE_64);
        if (lacks_that(beyond, "a narrower physical address"))
            continue;
        expect_result(FAIL_VALID, ERROR_VMCLEAR_ADDRESS, try_vmclear(address));
        expect("current VMCS", address_of(&vmcs_region), current_vmcs());
    }
}

static void pointer_failures(void)
{
    for (unsigned bit = 0; bit < PAGE_BITS; bit++)
        pointer_address("vmptrld.alignment", "vmclear.alignment", bit);
    for (unsigned bit = 36; bit < 64; bit++)
        pointer_address("vmptrld.width", "vmclear.width", bit);
    for (unsigned bit = 0; bit < 32; bit++)
        CASE("vmptrld.revision", "bit-%u", bit)
        {
            vm_reset(MODE_64);
            fresh(&other_vmcs)->revision ^= 1u << bit;
            if (bit == 31 && lacks_that(!can(VMCS_SHADOWING), "no VMCS shadowing"))
                continue;
            expect_result(FAIL_VALID, ERROR_VMPTRLD_REVISION, try_vmptrld(address_of(&other_vmcs)));
            expect("current VMCS", address_of(&vmcs_region), current_vmcs());
        }
    CASE("vmptrld.vmxon-pointer", "current")
    {
        vm_reset(MODE_64);
        expect_result(FAIL_VALID, ERROR_VMPTRLD_VMXON, try_vmptrld(address_of(&vmxon_region)));
        expect("current VMCS", address_of(&vmcs_region), current_vmcs());
    }
    CASE("vmclear.vmxon-pointer", "current")
    {
        vm_reset(MODE_64);
        expect_result(FAIL_VALID, ERROR_VMCLEAR_VMXON, try_vmclear(address_of(&vmxon_region)));
        expect("current VMCS", address_of(&vmcs_region), current_vmcs());
    }
    CASE("vmptrld.alignment", "without-current-vmcs")
    {
        try_vmclear(address_of(&vmcs_region));
        expect_result(FAIL_INVALID, 0, try_vmptrld(address_of(&other_vmcs) + 8));
    }
    CASE("vmclear.alignment", "without-current-vmcs")
    {
        try_vmclear(address_of(&vmcs_region));
        expect_result(FAIL_INVALID, 0, try_vmclear(address_of(&other_vmcs) + 8));
    }
}

static void pointers(void)
{
    CASE("vmptrst.pointer", "current")
    {
        vm_reset(MODE_64);
        uint64_t p = 0;
        expect_result(SUCCEEDED, 0, try_vmptrst(&p));
        expect("current VMCS", address_of(&vmcs_region), p);
    }
    CASE("vmptrst.pointer", "none")
    {
        expect_result(SUCCEEDED, 0, try_vmclear(address_of(&vmcs_region)));
        expect("current VMCS", ~UINT64_C(0), current_vmcs());
    }
    CASE("vmclear.current", "another-stays")
    {
        vm_reset(MODE_64);
        expect_result(SUCCEEDED, 0, try_vmclear(address_of(fresh(&other_vmcs))));
        expect("current VMCS", address_of(&vmcs_region), current_vmcs());
    }
    CASE("vmptrld.switch", "fields-stay")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_RIP, 0x12345678);
        try_vmclear(address_of(fresh(&other_vmcs)));
        expect_result(SUCCEEDED, 0, try_vmptrld(address_of(&other_vmcs)));
        vmwrite(GUEST_RIP, 0x87654321);
        try_vmptrld(address_of(&vmcs_region));
        expect_field(GUEST_RIP, 0x12345678);
        try_vmptrld(address_of(&other_vmcs));
        expect_field(GUEST_RIP, 0x87654321);
    }
    CASE("vmclear.writes-back", "fields-stay")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_RIP, 0x12345678);
        vmwrite(HOST_CR3, 0x1000);
        try_vmclear(address_of(&vmcs_region));
        try_vmptrld(address_of(&vmcs_region));
        expect_field(GUEST_RIP, 0x12345678);
        expect_field(HOST_CR3, 0x1000);
    }
    CASE("vmclear.writes-back", "revision-stays")
    {
        vm_reset(MODE_64);
        try_vmclear(address_of(&vmcs_region));
        expect("revision", cap.basic & 0x7fffffff, vmcs_region.revision);
    }
}

/* ---- launch state ---- */

static void launch_state(void)
{
    CASE("vmlaunch.launch-state", "launched")
    {
        vm_reset(MODE_64);
        expect_exit(REASON_VMCALL);
        vm_launched = false;
        expect_refused(ERROR_LAUNCH_NOT_CLEAR);
    }
    CASE("vmresume.launch-state", "clear")
    {
        vm_reset(MODE_64);
        vm_launched = true;
        expect_refused(ERROR_RESUME_NOT_LAUNCHED);
    }
    CASE("vmresume.launch-state", "launched")
    {
        vm_reset(MODE_64);
        expect_exit(REASON_VMCALL);
        expect_exit(REASON_VMCALL);
    }
}

static void launch_state_kept(void)
{
    CASE("vmclear.launch-state", "becomes-clear")
    {
        vm_reset(MODE_64);
        expect_exit(REASON_VMCALL);
        try_vmclear(address_of(&vmcs_region));
        try_vmptrld(address_of(&vmcs_region));
        expect_refused(ERROR_RESUME_NOT_LAUNCHED);
        vm_launched = false;
        expect_exit(REASON_VMCALL);
    }
    CASE("vmptrld.launch-state", "stays-launched")
    {
        vm_reset(MODE_64);
        expect_exit(REASON_VMCALL);
        try_vmclear(address_of(fresh(&other_vmcs)));
        try_vmptrld(address_of(&other_vmcs));
        try_vmptrld(address_of(&vmcs_region));
        expect_exit(REASON_VMCALL);
    }
    CASE("vmlaunch.launch-state", "stays-clear-after-failure")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_RFLAGS, 0);
        expect_entry_failure(REASON_GUEST_STATE, 0);
        vmwrite(GUEST_RFLAGS, 2);
        vm_launched = true;
        expect_refused(ERROR_RESUME_NOT_LAUNCHED);
    }
    for (unsigned resume = 0; resume < 2; resume++) {
        CASE("entry.no-current-vmcs", "%s", resume ? "vmresume" : "vmlaunch")
        {
            try_vmclear(address_of(&vmcs_region));
            vm_launched = resume;
            expect_invalid();
        }
        CASE("entry.mov-ss", "%s", resume ? "vmresume" : "vmlaunch")
        {
            vm_reset(MODE_64);
            if (resume)
                expect_exit(REASON_VMCALL);
            expect_result(FAIL_VALID, ERROR_MOV_SS,
                          resume ? try_vmresume_shadowed() : try_vmlaunch_shadowed());
        }
        CASE("entry.mov-ss", "%s-before-launch-state", resume ? "vmresume" : "vmlaunch")
        {
            vm_reset(MODE_64);
            if (!resume)
                expect_exit(REASON_VMCALL);
            expect_result(FAIL_VALID, ERROR_MOV_SS,
                          resume ? try_vmresume_shadowed() : try_vmlaunch_shadowed());
        }
    }
}

void area_root(void)
{
    vm_reset(MODE_64);
    vmxon_failures();
    vmxon_faults();
    outside_vmx();
    fixed_bits();
    pointer_failures();
    pointers();
    launch_state();
    launch_state_kept();
}
