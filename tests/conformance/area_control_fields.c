// SPDX-License-Identifier: Apache-2.0
// Checks of the fields that controls use, and of controls that need each other (SDM vol. 3, "Checks
// on VMX Controls"): all fail with VM-instruction error 7.
#include "areas.h"
#include "suite.h"
#include "vm.h"

enum { LOWEST_WIDTH = 36, NO_CONTROL = -1 };

static bool lacks_valid(enum control c)
{
    return lacks(c) || (c == PML && lacks_that(cap.ept_vpid & BIT(21), "ept-vpid-cap.21:a/d"));
}

/* ---- addresses ---- */

static void eptp_switching(void) { vmwrite(VM_FUNCTION_CONTROLS, 1); }

static const struct address {
    const char *rule, *text;
    enum control control;
    enum field field;
    unsigned aligned;                    /* how many low bits must be 0 */
    void (*prepare)(void);
} addresses[] = {
    { "controls.address.io-bitmap-a", "a", IO_BITMAPS, IO_BITMAP_A_ADDRESS, 12, 0 },
    { "controls.address.io-bitmap-b", "b", IO_BITMAPS, IO_BITMAP_B_ADDRESS, 12, 0 },
    { "controls.address.msr-bitmap", "", MSR_BITMAPS, MSR_BITMAP_ADDRESS, 12, 0 },
    { "controls.address.virtual-apic", "", TPR_SHADOW, VIRTUAL_APIC_ADDRESS, 12, 0 },
    { "controls.address.apic-access", "", VIRTUALIZE_APIC_ACCESSES, APIC_ACCESS_ADDRESS, 12, 0 },
    { "controls.address.posted-descriptor", "", POSTED_INTERRUPTS, POSTED_DESCRIPTOR_ADDRESS, 6, 0 },
    { "controls.address.pml", "", PML, PML_ADDRESS, 12, 0 },
    { "controls.address.vmread-bitmap", "", VMCS_SHADOWING, VMREAD_BITMAP_ADDRESS, 12, 0 },
    { "controls.address.vmwrite-bitmap", "", VMCS_SHADOWING, VMWRITE_BITMAP_ADDRESS, 12, 0 },
    { "controls.address.ve-information", "", EPT_VIOLATION_VE, VE_INFORMATION_ADDRESS, 12, 0 },
    { "controls.address.spp-table", "", SUB_PAGE_WRITE, SPP_TABLE_POINTER, 12, 0 },
    { "controls.address.eptp-list", "", VM_FUNCTIONS, EPTP_LIST_ADDRESS, 12, eptp_switching },
    { "controls.address.pid-table", "", IPI_VIRTUALIZATION, PID_POINTER_TABLE_ADDRESS, 3, 0 },
};

static bool lacks_address(const struct address *a)
{
    return lacks_valid(a->control) ||
           (a->prepare == eptp_switching && lacks_that(cap.vmfunc & 1, "vmfunc.0:eptp-switching"));
}
static void use_address(const struct address *a)
{
    vm_reset(MODE_64);
    vm_set_valid(a->control);
    if (a->prepare == eptp_switching)
        vm_use_ept();
    if (a->prepare)
        a->prepare();
}

static void address_cases(const struct address *a)
{
    for (unsigned bit = 0; bit < 64; bit += bit == 11 ? LOWEST_WIDTH - 11 : 1) {
        bool bad = bit < a->aligned || bit >= cap.physical_bits;
        CASE(a->rule, "bit-%u", bit)
        {
            if (lacks_address(a))
                continue;
            use_address(a);
            vmwrite(a->field, vmread(a->field) | BIT(bit));
            if (bad)
                expect_refused(ERROR_CONTROLS);
            else
                expect_entered();
        }
    }
    CASE(a->rule, "unused")
    {
        if (lacks_address(a))
            continue;
        vm_reset(MODE_64);
        vmwrite(a->field, ~UINT64_C(0));
        expect_entered();
    }
}

/* ---- areas of MSRs ---- */

static const struct area { const char *name; enum field address, count; } areas[] = {
    { "controls.msr-area.exit-store", EXIT_MSR_STORE_ADDRESS, EXIT_MSR_STORE_COUNT },
    { "controls.msr-area.exit-load", EXIT_MSR_LOAD_ADDRESS, EXIT_MSR_LOAD_COUNT },
    { "controls.msr-area.entry-load", ENTRY_MSR_LOAD_ADDRESS, ENTRY_MSR_LOAD_COUNT },
};

static void area_of_one(const struct area *a, uint64_t address, uint64_t count)
{
    vm_reset(MODE_64);
    qword_at(GUEST_MSR_AREA)[0] = qword_at(GUEST_MSR_AREA + 1024)[0] = IA32_KERNEL_GS_BASE;
    qword_at(GUEST_MSR_AREA + 2048)[0] = IA32_KERNEL_GS_BASE;
    vmwrite(a->address, address);
    vmwrite(a->count, count);
}

static void area_cases(const struct area *a)
{
    for (unsigned bit = 0; bit < 64; bit += bit == 3 ? LOWEST_WIDTH - 3 : 1) {
        CASE(a->name, "bit-%u", bit)
        {
            if (bit >= 4 && lacks_that(bit >= cap.physical_bits, "a narrower physical address"))
                continue;
            area_of_one(a, GUEST_MSR_AREA | BIT(bit), 1);
            expect_refused(ERROR_CONTROLS);
        }
        CASE(a->name, "unused-bit-%u", bit)
        {
            area_of_one(a, GUEST_MSR_AREA | BIT(bit), 0);
            expect_entered();
        }
    }
    uint64_t top = BIT(cap.physical_bits);
    CASE(a->name, "end-beyond-width")
    {
        area_of_one(a, top - 16, 2);
        expect_refused(ERROR_CONTROLS);
    }
    CASE(a->name, "end-far-beyond-width")
    {
        area_of_one(a, top - 0x10000, 0x1001);
        expect_refused(ERROR_CONTROLS);
    }
    CASE(a->name, "one-entry")
    {
        area_of_one(a, GUEST_MSR_AREA, 1);
        expect_entered();
    }
}

/* ---- controls that need others, or exclude them ---- */

static const struct need { const char *rule; enum control set, without; } needs[] = {
    { "controls.needs.virtual-nmis-nmi-exiting", VIRTUAL_NMIS, NMI_EXITING },
    { "controls.needs.nmi-window-virtual-nmis", NMI_WINDOW_EXITING, VIRTUAL_NMIS },
    { "controls.needs.posted-delivery", POSTED_INTERRUPTS, VIRTUAL_INTERRUPT_DELIVERY },
    { "controls.needs.posted-acknowledge", POSTED_INTERRUPTS, ACKNOWLEDGE_INTERRUPT },
    { "controls.needs.delivery-exiting", VIRTUAL_INTERRUPT_DELIVERY, EXTERNAL_INTERRUPT_EXITING },
    { "controls.needs.delivery-tpr-shadow", VIRTUAL_INTERRUPT_DELIVERY, TPR_SHADOW },
    { "controls.needs.x2apic-tpr-shadow", VIRTUALIZE_X2APIC, TPR_SHADOW },
    { "controls.needs.registers-tpr-shadow", APIC_REGISTER_VIRTUALIZATION, TPR_SHADOW },
    { "controls.needs.ipi-tpr-shadow", IPI_VIRTUALIZATION, TPR_SHADOW },
    { "controls.needs.timer-delivery", APIC_TIMER_VIRTUALIZATION, VIRTUAL_INTERRUPT_DELIVERY },
    { "controls.needs.unrestricted-ept", UNRESTRICTED_GUEST, EPT },
    { "controls.needs.pml-ept", PML, EPT },
    { "controls.needs.mode-based-execute-ept", MODE_BASED_EXECUTE, EPT },
    { "controls.needs.sub-page-ept", SUB_PAGE_WRITE, EPT },
    { "controls.needs.hlat-ept", HLAT, EPT },
    { "controls.needs.paging-write-ept", EPT_PAGING_WRITE, EPT },
    { "controls.needs.paging-verification-ept", GUEST_PAGING_VERIFICATION, EPT },
    { "controls.needs.save-timer-timer", SAVE_TIMER, ACTIVATE_TIMER },
};

static void need_cases(void)
{
    for (unsigned k = 0; k < COUNT(needs); k++) {
        const struct need *n = &needs[k];
        CASE(n->rule, "without")
        {
            if (lacks_valid(n->set))
                continue;
            vm_reset(MODE_64);
            vm_set_valid(n->set);
            vm_clear(n->without);
            expect_refused(ERROR_CONTROLS);
        }
        CASE(n->rule, "with")
        {
            if (lacks_valid(n->set))
                continue;
            vm_reset(MODE_64);
            vm_set_valid(n->set);
            expect_entered();
        }
    }
    CASE("controls.excludes.x2apic-apic-accesses", "both")
    {
        if (lacks(VIRTUALIZE_X2APIC) || lacks(VIRTUALIZE_APIC_ACCESSES))
            continue;
        vm_reset(MODE_64);
        vm_set_valid(VIRTUALIZE_X2APIC);
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        expect_refused(ERROR_CONTROLS);
    }
    CASE("controls.excludes.timer-rdtsc", "both")
    {
        if (lacks(APIC_TIMER_VIRTUALIZATION))
            continue;
        vm_reset(MODE_64);
        vm_set_valid(APIC_TIMER_VIRTUALIZATION);
        vm_set(RDTSC_EXITING);
        expect_refused(ERROR_CONTROLS);
    }
    CASE("controls.needs.eptp-switching-ept", "without")
    {
        if (lacks(VM_FUNCTIONS) || lacks_that(cap.vmfunc & 1, "vmfunc.0:eptp-switching"))
            continue;
        vm_reset(MODE_64);
        vm_set(VM_FUNCTIONS);
        vmwrite(VM_FUNCTION_CONTROLS, 1);
        expect_refused(ERROR_CONTROLS);
    }
}

void area_control_fields(void)
{
    for (unsigned k = 0; k < COUNT(addresses); k++)
        address_cases(&addresses[k]);
    for (unsigned k = 0; k < COUNT(areas); k++)
        area_cases(&areas[k]);
    need_cases();
}
