// SPDX-License-Identifier: Apache-2.0
// Checks of the other fields of controls (SDM vol. 3, "Checks on VMX Controls"): VM-instruction error
// 7.
#include "areas.h"
#include "suite.h"
#include "vm.h"

static void expect_valid(bool valid)
{
    if (valid)
        expect_entered();
    else
        expect_refused(ERROR_CONTROLS);
}

static void cr3_targets(void)
{
    unsigned most = cap.misc >> 16 & 0x1ff;
    const uint32_t counts[] = { 0, 1, 2, 3, 4, 5, 6, 255, 256, 257, 0x10004, 0xffffffff };
    for (unsigned k = 0; k < COUNT(counts); k++)
        CASE("controls.cr3-target-count", "%u", counts[k])
        {
            vm_reset(MODE_64);
            vmwrite(CR3_TARGET_COUNT, counts[k]);
            expect_valid(counts[k] <= most);
        }
}

/* ---- the TPR shadow ---- */

static void tpr_threshold(void)
{
    static const uint8_t vtprs[] = { 0x00, 0x0f, 0x10, 0x7f, 0x80, 0xf0 };
    for (unsigned bit = 4; bit < 32; bit++)
        CASE("controls.tpr-threshold-reserved", "bit-%u", bit)
        {
            if (lacks(TPR_SHADOW))
                continue;
            vm_reset(MODE_64);
            vm_set(TPR_SHADOW);
            vmwrite(TPR_THRESHOLD, BIT(bit));
            expect_refused(ERROR_CONTROLS);
        }
    for (unsigned v = 0; v < COUNT(vtprs); v++)
        for (unsigned threshold = 0; threshold < 16; threshold++)
            CASE("controls.tpr-threshold-vtpr", "threshold-%u-vtpr-0x%x", threshold, vtprs[v])
            {
                if (lacks(TPR_SHADOW))
                    continue;
                vm_reset(MODE_64);
                vm_set(TPR_SHADOW);
                *dword_at(GUEST_VIRTUAL_APIC + 0x80) = vtprs[v];
                vmwrite(TPR_THRESHOLD, threshold);
                expect_valid(threshold <= vtprs[v] >> 4);
            }
    CASE("controls.tpr-threshold-vtpr", "apic-accesses-virtualized")
    {
        if (lacks(TPR_SHADOW) || lacks(VIRTUALIZE_APIC_ACCESSES))
            continue;
        vm_reset(MODE_64);
        vm_set(TPR_SHADOW);
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        *dword_at(GUEST_VIRTUAL_APIC + 0x80) = 0;
        vmwrite(TPR_THRESHOLD, 15);
        expect_exit(REASON_TPR);
    }
    CASE("controls.tpr-threshold-reserved", "interrupt-delivery")
    {
        if (lacks(VIRTUAL_INTERRUPT_DELIVERY))
            continue;
        vm_reset(MODE_64);
        vm_set_valid(VIRTUAL_INTERRUPT_DELIVERY);
        vmwrite(TPR_THRESHOLD, 0xffffffff);
        expect_entered();
    }
    *dword_at(GUEST_VIRTUAL_APIC + 0x80) = 0;
}

/* ---- vectors and indices ---- */

static void vector_bits(const char *rule, enum control c, enum field f)
{
    for (unsigned bit = 0; bit < 16; bit++)
        CASE(rule, "bit-%u", bit)
        {
            if (lacks(c))
                continue;
            vm_reset(MODE_64);
            vm_set_valid(c);
            vmwrite(f, BIT(bit));
            expect_valid(bit < 8);
        }
}

static void vpid(void)
{
    for (unsigned bit = 0; bit < 17; bit++)
        CASE("controls.vpid", "0x%x", (unsigned)BIT(bit) & 0xffff)
        {
            if (lacks(ENABLE_VPID))
                continue;
            vm_reset(MODE_64);
            vm_set(ENABLE_VPID);
            vmwrite(VPID, BIT(bit));
            expect_valid(bit < 16);
        }
}

static void pid_table_end(void)
{
    static const uint16_t last[] = { 0, 1, 0xff, 0xffff };
    for (unsigned k = 0; k < COUNT(last); k++)
        for (unsigned over = 0; over < 2; over++)
            CASE("controls.pid-table-end", "last-%u-%s", last[k], over ? "beyond" : "within")
            {
                if (lacks(IPI_VIRTUALIZATION))
                    continue;
                vm_reset(MODE_64);
                vm_set_valid(IPI_VIRTUALIZATION);
                vmwrite(LAST_PID_POINTER_INDEX, last[k]);
                vmwrite(PID_POINTER_TABLE_ADDRESS,
                        BIT(cap.physical_bits) - 8 * UINT64_C(1) * last[k] - (over ? 0 : 8));
                expect_valid(!over);
            }
}

/* ---- EPTP and what belongs to EPT ---- */

static bool eptp_valid(uint64_t v)
{
    unsigned type = v & 7, levels = (v >> 3 & 7) + 1;
    return ((type == 0 && cap.ept_vpid & BIT(8)) || (type == 6 && cap.ept_vpid & BIT(14))) &&
           (levels == 4 || (levels == 5 && cap.ept_vpid & BIT(7))) &&
           (!(v & BIT(6)) || cap.ept_vpid & BIT(21)) && (!(v & BIT(7)) || cap.ept_vpid & BIT(23)) &&
           !(v & 0xf00) && !(v >> cap.physical_bits);
}
static void eptp_case(uint64_t v)
{
    if (lacks(EPT))
        return;
    vm_reset(MODE_64);
    vm_use_ept();
    vmwrite(EPT_POINTER, v);
    expect_valid(eptp_valid(v));
}

static void eptp(void)
{
    uint64_t good = ept_pointer(&ept);
    for (unsigned type = 0; type < 8; type++)
        CASE("controls.eptp.memory-type", "%u", type) { eptp_case((good & ~UINT64_C(7)) | type); }
    for (unsigned length = 0; length < 8; length++)
        CASE("controls.eptp.walk-length", "%u", length + 1)
        {
            eptp_case((good & ~UINT64_C(0x38)) | length << 3);
        }
    CASE("controls.eptp.accessed-dirty", "bit-6") { eptp_case(good | BIT(6)); }
    CASE("controls.eptp.shadow-stack", "bit-7") { eptp_case(good | BIT(7)); }
    for (unsigned bit = 8; bit < 64; bit += bit == 11 ? 36 - 11 : 1)
        CASE("controls.eptp.reserved", "bit-%u", bit)
        {
            if (!lacks_that(bit < 12 || bit >= cap.physical_bits, "a narrower physical address"))
                eptp_case(good | BIT(bit));
        }
}

static void hlat_pointer(void)
{
    for (unsigned bit = 0; bit < 64; bit += bit == 11 ? 36 - 11 : 1)
        CASE("controls.hlat-pointer", "bit-%u", bit)
        {
            if (lacks(HLAT))
                continue;
            vm_reset(MODE_64);
            vm_set_valid(HLAT);
            vmwrite(HLAT_POINTER, BIT(bit));
            expect_valid(bit == 3 || bit == 4 || (bit >= 12 && bit < cap.physical_bits));
        }
}

static void functions(void)
{
    for (unsigned bit = 0; bit < 64; bit++)
        CASE("controls.vm-function-controls", "bit-%u", bit)
        {
            if (lacks(VM_FUNCTIONS))
                continue;
            vm_reset(MODE_64);
            vm_use_ept();
            vm_set(VM_FUNCTIONS);
            vmwrite(VM_FUNCTION_CONTROLS, BIT(bit));
            expect_valid(cap.vmfunc >> bit & 1);
        }
    for (unsigned k = 0; k < 2; k++)
        CASE("controls.tsc-multiplier", "%u", k)
        {
            if (lacks(TSC_SCALING))
                continue;
            vm_reset(MODE_64);
            vm_set(TSC_SCALING);
            vmwrite(TSC_MULTIPLIER, k);
            expect_valid(k);
        }
    CASE("controls.pml-needs-accessed-dirty", "bit-6-clear")
    {
        if (lacks(PML))
            continue;
        vm_reset(MODE_64);
        vm_set_valid(PML);
        vmwrite(EPT_POINTER, ept_pointer(&ept));
        expect_entered();
    }
}

void area_control_values(void)
{
    cr3_targets();
    tpr_threshold();
    vector_bits("controls.posted-vector", POSTED_INTERRUPTS, NOTIFICATION_VECTOR);
    vector_bits("controls.virtual-timer-vector", APIC_TIMER_VIRTUALIZATION, VIRTUAL_TIMER_VECTOR);
    vpid();
    pid_table_end();
    eptp();
    hlat_pointer();
    functions();
}
