// SPDX-License-Identifier: Apache-2.0
// MSRs that VM entry and VM exit load and save (SDM vol. 3, "Loading Guest Control Registers, Debug
// Registers, and MSRs", "Saving Control Registers, Debug Registers, and MSRs", "Loading Host
// Control Registers, Debug Registers, MSRs"), IA32_SPEC_CTRL virtualization, and lists of MSRs.
#include "areas.h"
#include "exits.h"
#include "values.h"

enum { ALWAYS = -1, NEVER = -2 };
#define LONG_MODE (EFER_LME | EFER_LMA)

/* An MSR with the controls that load and save it, two values that differ from the host's. */
static const struct row {
    const char *name;
    uint32_t msr;
    int load;
    enum field guest;
    int save, exit_load;
    enum field host;
    uint64_t value, other;
} rows[] = {
    { "sysenter-cs", IA32_SYSENTER_CS, ALWAYS, GUEST_SYSENTER_CS, ALWAYS, ALWAYS, HOST_SYSENTER_CS,
      0x1234, 0x4321 },
    { "sysenter-esp", IA32_SYSENTER_ESP, ALWAYS, GUEST_SYSENTER_ESP, ALWAYS, ALWAYS,
      HOST_SYSENTER_ESP, 0xffff800000001234, 0x7fff00004321 },
    { "sysenter-eip", IA32_SYSENTER_EIP, ALWAYS, GUEST_SYSENTER_EIP, ALWAYS, ALWAYS,
      HOST_SYSENTER_EIP, 0xffff800000005678, 0x7fff00008765 },
    { "pat", IA32_PAT, ENTRY_LOAD_PAT, GUEST_PAT, SAVE_PAT, EXIT_LOAD_PAT, HOST_PAT,
      0x0007040600070400, 0x0007040600070401 },
    { "efer", IA32_EFER, ENTRY_LOAD_EFER, GUEST_EFER, SAVE_EFER, EXIT_LOAD_EFER, HOST_EFER,
      LONG_MODE | 1, LONG_MODE | EFER_NXE | 1 },
    { "debugctl", IA32_DEBUGCTL, LOAD_DEBUG, GUEST_DEBUGCTL, SAVE_DEBUG, NEVER, GUEST_DEBUGCTL,
      2, 0 },
    { "perf-global-ctrl", IA32_PERF_GLOBAL_CTRL, ENTRY_LOAD_PERF_GLOBAL, GUEST_PERF_GLOBAL_CTRL,
      SAVE_PERF_GLOBAL, EXIT_LOAD_PERF_GLOBAL, HOST_PERF_GLOBAL_CTRL, 1, 2 },
    { "pkrs", IA32_PKRS, ENTRY_LOAD_PKRS, GUEST_PKRS, ALWAYS, EXIT_LOAD_PKRS, HOST_PKRS, 0x55555555,
      0xaaaaaaaa },
    { "s-cet", IA32_S_CET, ENTRY_LOAD_CET, GUEST_S_CET, ALWAYS, EXIT_LOAD_CET, HOST_S_CET, 2, 0 },
    { "ssp-table", IA32_INTERRUPT_SSP_TABLE, ENTRY_LOAD_CET, GUEST_SSP_TABLE, ALWAYS, EXIT_LOAD_CET,
      HOST_SSP_TABLE, 0x5000, 0xffff800000006000 },
    { "spec-ctrl", IA32_SPEC_CTRL, ENTRY_LOAD_SPEC_CTRL, GUEST_SPEC_CTRL, ALWAYS,
      EXIT_LOAD_SPEC_CTRL, HOST_SPEC_CTRL, 1, 2 },
};

static bool lacks_control(int c) { return c >= 0 && lacks((enum control)c); }
static void set_control(int c)
{
    if (c >= 0)
        vm_set((enum control)c);
}

/* MSRs without exits; the guest reads or writes the row's. */
static bool start(const struct row *r)
{
    if (lacks(MSR_BITMAPS) || lacks_control(r->load) ||
        lacks_that(r->msr != IA32_PERF_GLOBAL_CTRL || msr_takes(r->msr, 3, rdmsr(r->msr)),
                   "two performance counters"))
        return false;
    vm_reset(MODE_64);
    vm_use_msr_bitmaps();
    gpr[RCX] = r->msr;
    return true;
}
static void guest_reads(void) { CODE(0x0f, 0x32); }
static void guest_writes(uint64_t v)
{
    gpr[RAX] = (uint32_t)v;
    gpr[RDX] = v >> 32;
    CODE(0x0f, 0x30);
}
static uint64_t guest_value(void) { return gpr[RAX] | gpr[RDX] << 32; }
/* What the VM exit left in the MSR. */
static uint64_t host_value(const struct row *r)
{
    return r->msr == IA32_EFER ? loaded.efer : r->msr == IA32_PAT ? loaded.pat : rdmsr(r->msr);
}

static void one_msr(const struct row *r)
{
    uint64_t before = 0;
    CASE("entry-load.msr", "%s", r->name)
    {
        if (!start(r))
            continue;
        try_rdmsr(r->msr, &before);
        set_control(r->load);
        vmwrite(r->guest, r->value);
        guest_reads();
        expect_passes(2);
        expect("MSR", r->value, guest_value());
        try_wrmsr(r->msr, before);
    }
    CASE("entry-load.msr-off", "%s", r->name)
    {
        if (!start(r) || lacks_that(r->load >= 0 && can_clear((enum control)r->load),
                                    "the control's being 0"))
            continue;
        before = rdmsr(r->msr);
        vmwrite(r->guest, r->value);
        vm_clear((enum control)r->load);
        guest_reads();
        expect_passes(2);
        expect("MSR", before, guest_value());
    }
    for (unsigned save = 0; save < 2; save++)
        CASE(save ? "guest-save.msr" : "guest-save.msr-off", "%s", r->name)
        {
            if (!start(r) || lacks_control(r->save) ||
                lacks_that(save || (r->save >= 0 && can_clear((enum control)r->save)),
                           "the control's being 0"))
                continue;
            try_rdmsr(r->msr, &before);
            set_control(r->load);
            if (r->save >= 0)
                save ? set_control(r->save) : vm_clear((enum control)r->save);
            vmwrite(r->guest, r->value);
            guest_writes(r->other);
            expect_passes(2);
            expect_field(r->guest, save ? r->other : r->value);
            try_wrmsr(r->msr, before);
        }
}

static void one_host_msr(const struct row *r)
{
    uint64_t before = 0;
    for (unsigned loads = 0; loads < 2; loads++)
        CASE(loads ? "host-load.msr" : "host-load.msr-off", "%s", r->name)
        {
            if (!start(r) || lacks_control(r->exit_load) ||
                lacks_that(r->exit_load != NEVER, "a control") ||
                lacks_that(loads || (r->exit_load >= 0 && can_clear((enum control)r->exit_load)),
                           "the control's being 0"))
                continue;
            try_rdmsr(r->msr, &before);
            set_control(r->load);
            vmwrite(r->guest, r->value);
            if (r->exit_load >= 0)
                loads ? set_control(r->exit_load) : vm_clear((enum control)r->exit_load);
            vmwrite(r->host, r->other);
            expect_passes(0);
            expect("MSR", loads ? r->other : r->value, host_value(r));
            try_wrmsr(r->msr, before);
        }
}

static void debugctl(void)
{
    CASE("host-load.debugctl", "cleared")
    {
        if (lacks(LOAD_DEBUG))
            continue;
        vm_reset(MODE_64);
        vm_set(LOAD_DEBUG);
        vmwrite(GUEST_DEBUGCTL, 2);
        expect_passes(0);
        expect("IA32_DEBUGCTL", 0, rdmsr(IA32_DEBUGCTL));
    }
    for (unsigned clears = 0; clears < 2; clears++)
        CASE("guest-save.uinv", clears ? "cleared" : "saved")
        {
            if (lacks(LOAD_UINV) || lacks(CLEAR_UINV))
                continue;
            vm_reset(MODE_64);
            vm_set(LOAD_UINV);
            vm_set(CLEAR_UINV);
            vmwrite(GUEST_UINV, 0x7b);
            expect_passes(0);
            expect_field(GUEST_UINV, 0x7b);
            vm_clear(LOAD_UINV);
            expect_passes(0);
            expect_field(GUEST_UINV, 0);
        }
}

/* ---- IA32_SPEC_CTRL virtualization ---- */

static bool spec_ctrl(uint64_t host, uint64_t mask, uint64_t shadow)
{
    if (lacks(VIRTUALIZE_SPEC_CTRL) || lacks(MSR_BITMAPS))
        return false;
    wrmsr(IA32_SPEC_CTRL, host);
    vm_reset(MODE_64);
    vm_use_msr_bitmaps();
    vm_set(VIRTUALIZE_SPEC_CTRL);
    vmwrite(SPEC_CTRL_MASK, mask);
    vmwrite(SPEC_CTRL_SHADOW, shadow);
    gpr[RCX] = IA32_SPEC_CTRL;
    return true;
}

static void virtual_spec_ctrl(void)
{
    for (unsigned bit = 0; bit < 64; bit += 7)
        CASE("spec-ctrl.read", "shadow-bit-%u", bit)
        {
            if (!spec_ctrl(1, 1, BIT(bit)))
                continue;
            guest_reads();
            expect_passes(2);
            expect("MSR", BIT(bit), guest_value());
            wrmsr(IA32_SPEC_CTRL, 0);
        }
    for (unsigned mask = 0; mask < 4; mask++)
        for (unsigned v = 0; v < 4; v++)
            CASE("spec-ctrl.write", "mask-%u-value-%u", mask, v)
            {
                if (!spec_ctrl(1, mask, 0))
                    continue;
                guest_writes(v);
                expect_passes(2);
                expect("MSR", (1 & mask) | (v & ~mask), rdmsr(IA32_SPEC_CTRL));
                expect_field(SPEC_CTRL_SHADOW, v);
                wrmsr(IA32_SPEC_CTRL, 0);
            }
}

/* ---- RDMSRLIST and WRMSRLIST ---- */

enum { ADDRESSES = GUEST_DATA, DATA = GUEST_DATA2, LIST_LENGTH = 4 };

static bool list(bool write)
{
    if (lacks(MSR_LIST) || lacks(MSR_BITMAPS))
        return false;
    vm_reset(MODE_64);
    vm_use_msr_bitmaps();
    vm_set(MSR_LIST);
    qword_at(ADDRESSES)[0] = IA32_SYSENTER_CS;
    qword_at(ADDRESSES)[3] = IA32_KERNEL_GS_BASE;
    qword_at(DATA)[0] = 0x11;
    qword_at(DATA)[3] = 0x33;
    vmwrite(GUEST_SYSENTER_CS, 0x99);
    gpr[RSI] = ADDRESSES;
    gpr[RDI] = DATA;
    gpr[RCX] = 9;
    CODE(write ? 0xf3 : 0xf2, 0x0f, 0x01, 0xc6);
    return true;
}

static void expect_list_exit(bool write, uint64_t qualification, uint64_t rcx)
{
    expect_instruction(write ? REASON_WRMSRLIST : REASON_RDMSRLIST, qualification, LIST_LENGTH);
    expect("RCX", rcx, gpr[RCX]);
}

static void list_exits(bool write)
{
    const char *name = write ? "wrmsrlist" : "rdmsrlist";
    CASE("msr-list-instruction.done", "%s", name)
    {
        if (!list(write))
            continue;
        wrmsr(IA32_KERNEL_GS_BASE, 0x88);
        expect_passes(LIST_LENGTH);
        expect("RCX", 0, gpr[RCX]);
        if (write)
            expect_field(GUEST_SYSENTER_CS, 0x11);
        else
            expect("data", 0x99, qword_at(DATA)[0]);
        expect(write ? "MSR" : "data", write ? 0x33 : 0x88,
               write ? rdmsr(IA32_KERNEL_GS_BASE) : qword_at(DATA)[3]);
        wrmsr(IA32_KERNEL_GS_BASE, 0);
    }
    CASE("msr-list-instruction.bitmap", "%s", name)
    {
        if (!list(write))
            continue;
        uint64_t bits = GUEST_MSR_BITMAP + (write ? 3072 : 1024);
        *byte_at(bits + (IA32_KERNEL_GS_BASE & 0x1fff) / 8) = 1 << (IA32_KERNEL_GS_BASE & 7);
        expect_list_exit(write, IA32_KERNEL_GS_BASE, 8);
        if (write)
            expect_field(MSR_DATA, 0x33);
    }
    CASE("msr-list-instruction.bitmap", "%s-no-bitmaps", name)
    {
        if (!list(write))
            continue;
        vm_clear(MSR_BITMAPS);
        expect_list_exit(write, 0, 9);
    }
}

static void list_faults(bool write)
{
    const char *name = write ? "wrmsrlist" : "rdmsrlist";
    CASE("msr-list-instruction.fault", "%s-undefined", name)
    {
        if (!list(write))
            continue;
        vm_clear(MSR_LIST);
        expect_fault_at(EXC_UD);
    }
    CASE("msr-list-instruction.fault", "%s-user", name)
    {
        if (!list(write))
            continue;
        vm_user();
        vm_clear(MSR_BITMAPS);
        expect_fault_at(EXC_GP);
    }
    CASE("msr-list-instruction.fault", "%s-alignment", name)
    {
        if (!list(write))
            continue;
        gpr[RSI] += 4;
        expect_fault_at(EXC_GP);
    }
    CASE("msr-list-instruction.fault", "%s-no-such-msr", name)
    {
        if (!list(write))
            continue;
        qword_at(ADDRESSES)[3] |= BIT(32);
        expect_fault_at(EXC_GP);
        expect("RCX", 8, gpr[RCX]);
    }
}

void area_msrs(void)
{
    for (unsigned k = 0; k < COUNT(rows); k++) {
        one_msr(&rows[k]);
        one_host_msr(&rows[k]);
    }
    debugctl();
    virtual_spec_ctrl();
    for (unsigned write = 0; write < 2; write++) {
        list_exits(write);
        list_faults(write);
    }
}
