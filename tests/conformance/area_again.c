// SPDX-License-Identifier: Apache-2.0
// What VM entry looks at each time, what it does not load, what VM exits leave behind for the host
// and for the next VM entry (SDM vol. 3, chapters "VM Entries" and "VM Exits").
#include "apic.h"
#include "areas.h"
#include "exits.h"
#include "fault.h"
#include "values.h"

/* ---- memory that checks look at: it changes without a VMWRITE ---- */

static void memory_again(void)
{
    CASE("entry.memory-again", "link-pointer")
    {
        vm_reset(MODE_64);
        zero(&other_vmcs, sizeof other_vmcs);
        other_vmcs.revision = vmcs_region.revision;
        vmwrite(VMCS_LINK_POINTER, (uint64_t)&other_vmcs);
        if (!expect_exit(REASON_VMCALL))
            continue;
        other_vmcs.revision ^= 1;
        expect_entry_failure(REASON_GUEST_STATE, 4);
    }
    CASE("entry.memory-again", "pdpte")
    {
        vm_reset(MODE_PAE);
        if (!expect_exit(REASON_VMCALL))
            continue;
        guest_paging_changed = true;
        qword_at(GUEST_PDPT_PAE)[1] |= 2;
        expect_entry_failure(REASON_GUEST_STATE, 2);
    }
    CASE("entry.memory-again", "vtpr")
    {
        if (lacks(TPR_SHADOW))
            continue;
        vm_reset(MODE_64);
        vm_set(TPR_SHADOW);
        vmwrite(TPR_THRESHOLD, 3);
        *dword_at(GUEST_VIRTUAL_APIC + 0x80) = 0x30;
        if (!expect_exit(REASON_VMCALL))
            continue;
        *dword_at(GUEST_VIRTUAL_APIC + 0x80) = 0x20;
        expect_refused(ERROR_CONTROLS);
    }
}

/* ---- fields that do not count ---- */

static const struct unused {
    const char *rule;
    int needs;
    enum field field;
    uint64_t value;
    bool host;
} unused[] = {
    { "guest.pat", ENTRY_LOAD_PAT, GUEST_PAT, 2, false },
    { "guest.s-cet", ENTRY_LOAD_CET, GUEST_S_CET, BIT(10) | BIT(11), false },
    { "guest.ssp-table", ENTRY_LOAD_CET, GUEST_SSP_TABLE, BIT(63), false },
    { "guest.ssp", ENTRY_LOAD_CET, GUEST_SSP, BIT(62) | 1, false },
    { "entry.host.pat", EXIT_LOAD_PAT, HOST_PAT, 2, true },
    { "entry.host.s-cet", EXIT_LOAD_CET, HOST_S_CET, BIT(10) | BIT(11), true },
    { "entry.host.s-cet", EXIT_LOAD_CET, HOST_S_CET, BIT(63), true },
    { "entry.host.ssp-table", EXIT_LOAD_CET, HOST_SSP_TABLE, BIT(63), true },
    { "entry.host.ssp", EXIT_LOAD_CET, HOST_SSP, BIT(63) | 3, true },
    { "controls.tpr-threshold-reserved", TPR_SHADOW, TPR_THRESHOLD, 0xfffffff0, true },
    { "controls.tpr-threshold-vtpr", TPR_SHADOW, TPR_THRESHOLD, 0xf, true },
};

static void fields_not_used(void)
{
    for (unsigned k = 0; k < COUNT(unused); k++)
        CASE(unused[k].rule, "without-the-control-%s-0x%lx", unused[k].host ? "host" : "guest",
             unused[k].value)
        {
            if (lacks((enum control)unused[k].needs) ||
                lacks_that(can_clear((enum control)unused[k].needs), "the control clear"))
                continue;
            vm_reset(MODE_64);
            *dword_at(GUEST_VIRTUAL_APIC + 0x80) = 0;
            vmwrite(unused[k].field, unused[k].value);
            expect_entered();
        }
    static const struct { const char *name; uint64_t information; unsigned length; } events[] = {
        { "nmi-vector-5", EVENT(EVENT_NMI, 5), 0 },
        { "exception-without-error-code", EVENT(EVENT_HARDWARE, EXC_GP), 0 },
        { "exception-vector-32", EVENT(EVENT_HARDWARE, 32), 0 },
        { "nmi-with-error-code", EVENT(EVENT_NMI, EXC_NMI) | EVENT_CODE, 0 },
        { "software-length-16", EVENT(EVENT_SOFTWARE_INT, 0x80), 16 },
    };
    for (unsigned k = 0; k < COUNT(events); k++)
        CASE("inject.invalid-ignored", "%s", events[k].name)
        {
            vm_reset(MODE_64);
            vmwrite(INJECTION_INFORMATION, events[k].information & ~BIT(31));
            vmwrite(INJECTION_LENGTH, events[k].length);
            expect_passes(0);
        }
}

static void error_codes(void)
{
    CASE("inject.real-mode-error-code", "cr0-is-refused-first-without-unrestricted-guest")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_CR0, vmread(GUEST_CR0) & ~CR0_PE);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_GP) | EVENT_CODE);
        expect_entry_failure(REASON_GUEST_STATE, 0);
    }
    CASE("inject.real-mode-error-code", "unpaged")
    {
        if (lacks_mode(MODE_FLAT))
            continue;
        vm_reset(MODE_FLAT);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_GP) | EVENT_CODE);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(EXC_GP));
    }
    CASE("vmfunc.call", "controls-without-the-control")
    {
        if (lacks(VM_FUNCTIONS))
            continue;
        vm_reset(MODE_64);
        vmwrite(VM_FUNCTION_CONTROLS, 1);
        vmwrite(EPTP_LIST_ADDRESS, 1);
        expect_entered();
    }
}

/* An LDTR or data segment that is unusable may have anything in its other parts. */
static void unusable_segments(void)
{
    static const struct { const char *rule; enum field field; uint64_t value; } rows[] = {
        { "guest.segment.ldtr.selector", GUEST_LDTR_SELECTOR, 4 },
        { "guest.segment.ldtr.base", GUEST_LDTR_BASE, BIT(63) },
        { "guest.segment.ldtr.granularity", GUEST_LDTR_LIMIT, 0xfffffffe },
        { "guest.segment.ds.base", GUEST_DS_BASE, BIT(63) },
        { "guest.segment.ds.granularity", GUEST_DS_LIMIT, 0xffe },
        { "guest.segment.ds.privilege", GUEST_DS_SELECTOR, SEL_DATA | 3 },
    };
    for (unsigned k = 0; k < COUNT(rows); k++)
        CASE(rows[k].rule, "unusable-0x%lx", rows[k].value)
        {
            vm_reset(MODE_64);
            vmwrite(k < 3 ? GUEST_LDTR_ACCESS_RIGHTS : GUEST_DS_ACCESS_RIGHTS,
                    BIT(16) | (k < 3 ? 0x82 : 0xc093));
            vmwrite(rows[k].field, rows[k].value);
            expect_guest(true, 0);
        }
    CASE("guest.rip-high", "32-with-cs-l")
    {
        vm_reset(MODE_32);
        vmwrite(GUEST_CS_ACCESS_RIGHTS, 0xa09b);
        vmwrite(GUEST_RIP, BIT(32) | GUEST_CODE);
        expect_guest(false, 0);
    }
}

/* ---- what a VM exit loads ---- */

static void loaded_by_exits(void)
{
    CASE("host-load.selector", "tr")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_TR_SELECTOR, SEL_TSS32);
        if (expect_exit(REASON_VMCALL))
            expect("TR", vmread(HOST_TR_SELECTOR), loaded.tr);
    }
    CASE("host-load.registers", "ldtr-of-the-guest")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_LDTR_SELECTOR, 0x40);
        vmwrite(GUEST_LDTR_ACCESS_RIGHTS, 0x82);
        if (expect_exit(REASON_VMCALL))
            expect("LDTR", 0, loaded.ldtr);
    }
    /* A guest for which SSP is not loaded has the host's. */
    CASE("host-load.msr", "ssp")
    {
        if (lacks(EXIT_LOAD_CET) || lacks(ENTRY_LOAD_CET))
            continue;
        vm_reset(MODE_64);
        vm_set(EXIT_LOAD_CET);
        vmwrite(HOST_SSP, 0x12340);
        if (!expect_exit(REASON_VMCALL))
            continue;
        vmwrite(GUEST_SSP, 0);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_SSP, 0x12340);
    }
    CASE("guest-save.pdptes", "without-ept")
    {
        if (lacks(EPT))
            continue;
        vm_reset(MODE_PAE);
        vmwrite(GUEST_PDPTE0, 0x5555001);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_PDPTE0, 0x5555001);
    }
    CASE("nmi.exit-blocks", "exceptions-do-not")
    {
        if (lacks_that(cap.leaf1.d & BIT(9), "cpuid.1:edx.9:apic"))
            continue;
        vm_reset(MODE_64);
        CODE(0x0f, 0x0b);
        if (!expect_exception(EXC_UD))
            continue;
        unsigned before = taken[EXC_NMI];
        apic_write(APIC_ICR_HIGH, apic_id() << 24);
        apic_send(apic_id(), IPI_NMI | IPI_ASSERT);
        expect("NMIs that the host takes", before + 1, taken[EXC_NMI]);
        end_nmi();
    }
}

/* ---- what is left for the next VM entry ---- */

static void left_behind(void)
{
    CASE("msr-list.entry-failure", "not-launched")
    {
        vm_reset(MODE_64);
        volatile uint64_t *e = qword_at(GUEST_MSR_AREA + 2048);
        e[0] = IA32_FS_BASE;
        e[1] = 0;
        vmwrite(ENTRY_MSR_LOAD_COUNT, 1);
        if (!expect_entry_failure(REASON_MSR_LOADING, 1))
            continue;
        vmwrite(ENTRY_MSR_LOAD_COUNT, 0);
        if (expect("ending of VMRESUME", VM_VALID, vm_enter_as(true)))
            expect_field(VM_INSTRUCTION_ERROR, ERROR_RESUME_NOT_LAUNCHED);
    }
    CASE("exit.monitor-trap-flag", "not-behind-an-injection-that-exits")
    {
        if (lacks(MONITOR_TRAP_FLAG) || lacks(EPT))
            continue;
        vm_reset(MODE_64);
        ept_changed = true;
        vm_use_ept();
        vm_set(MONITOR_TRAP_FLAG);
        uint64_t *leaf = ept_leaf(GUEST_STACK_TOP - 4096), all = *leaf;
        *leaf &= ~UINT64_C(2);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_UD));
        if (!expect_exit(REASON_EPT_VIOLATION))
            continue;
        *leaf = all;
        ept_invalidate();
        vm_clear(MONITOR_TRAP_FLAG);
        expect_passes(0);
    }
    CASE("exit.mwait", "armed-by-the-host")
    {
        if (lacks_that(cap.leaf1.c & BIT(3), "CPUID.1:ECX.MONITOR") || lacks(MWAIT_EXITING))
            continue;
        vm_reset(MODE_64);
        vm_set(MWAIT_EXITING);
        CODE(0x0f, 0x01, 0xc9);
        __asm__ volatile("monitor" : : "a"(GUEST_SCRATCH), "c"(0), "d"(0) : "memory");
        expect_instruction(REASON_MWAIT, 0, 3);
    }
    CASE("vmfunc.in-root", "behind-a-guest-that-has-it")
    {
        if (lacks(VM_FUNCTIONS))
            continue;
        vm_reset(MODE_64);
        vm_set(VM_FUNCTIONS);
        if (expect_exit(REASON_VMCALL))
            expect_result(FAULTED, EXC_UD, try_vmfunc());
    }
}

/* ---- pending debug exceptions behind INT n that is injected ---- */

static void pending_debug(void)
{
    static const struct { const char *name; uint8_t type, vector, length; } events[] = {
        { "software-interrupt", EVENT_SOFTWARE_INT, 0x80, 2 },
        { "software-exception", EVENT_SOFTWARE_EXCEPTION, EXC_BP, 1 },
    };
    for (unsigned k = 0; k < COUNT(events); k++)
        for (unsigned shadow = 0; shadow < 2; shadow++)
            CASE(shadow ? "pending-debug.mov-ss" : "pending-debug.dropped", "injected-%s",
                 events[k].name)
            {
                vm_reset(MODE_64);
                vmwrite(GUEST_INTERRUPTIBILITY, shadow ? 2 : 0);
                vmwrite(GUEST_PENDING_DEBUG, BIT(12) | 1);
                vmwrite(INJECTION_INFORMATION, EVENT(events[k].type, events[k].vector));
                vmwrite(INJECTION_LENGTH, events[k].length);
                if (!shadow)
                    expect_exit(REASON_VMCALL);
                else if (expect_exception(EXC_DB))
                    expect_field(EXIT_QUALIFICATION, 1);
                expect_field(GUEST_RIP, guest_handler(events[k].vector));
            }
}

/* ---- INT n that is injected into a virtual-8086 guest with CR4.VME ---- */

enum { VECTOR = 0x80, HANDLER = 0x40, IO_MAP = 0x88, REDIRECTION = 0x68 };
#define CR4_VME BIT(0)
#define IOPL_3 (3u << 12)

static bool redirection(unsigned limit)
{
    if (lacks_that(cap.cr4_fixed1 & CR4_VME, "CR4.VME"))
        return false;
    vm_reset(MODE_V86);
    vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_VME);
    vmwrite(GUEST_RFLAGS, 2 | FLAG_VM | IOPL_3);
    vmwrite(GUEST_TR_LIMIT, limit);
    *word_at(GUEST_TSS32 + 0x66) = IO_MAP;
    *guest_pte32(0) = GUEST_DATA2 | 0x67;    /* the guest's interrupt vectors */
    *dword_at(GUEST_DATA2 + 4 * VECTOR) = GUEST_CODE / 16 << 16 | HANDLER;
    *dword_at(GUEST_CODE + HANDLER) = 0xf4c1010f;
    vmwrite(INJECTION_INFORMATION, EVENT(EVENT_SOFTWARE_INT, VECTOR));
    vmwrite(INJECTION_LENGTH, 2);
    return true;
}

static void redirected_interrupts(void)
{
    CASE("inject.redirection", "bit-0")
    {
        if (!redirection(0x1ff) || !expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_RIP, HANDLER);
        expect_field(GUEST_CS_SELECTOR, GUEST_CODE / 16);
        expect("VM", 1, vmread(GUEST_RFLAGS) >> 17 & 1);
        expect_field(GUEST_RSP, GUEST_STACK_TOP - GUEST_CODE - 6);
    }
    CASE("inject.redirection", "bit-1")      /* the gate is of privilege level 0 */
    {
        if (!redirection(0x1ff))
            continue;
        *byte_at(GUEST_TSS32 + REDIRECTION + VECTOR / 8) = 1 << VECTOR % 8;
        if (expect_exception(EXC_GP))
            expect_field(IDT_VECTORING, EVENT(EVENT_SOFTWARE_INT, VECTOR));
    }
    CASE("inject.redirection", "bitmap-beyond-the-limit")
    {
        if (!redirection(0x67))
            continue;
        if (expect_exception(EXC_GP))
            expect_field(IDT_VECTORING, EVENT(EVENT_SOFTWARE_INT, VECTOR));
    }
    CASE("inject.redirection", "without-vme")
    {
        if (!redirection(0x1ff))
            continue;
        vmwrite(GUEST_CR4, vmread(GUEST_CR4) & ~CR4_VME);
        if (expect_exception(EXC_GP))
            expect_field(IDT_VECTORING, EVENT(EVENT_SOFTWARE_INT, VECTOR));
    }
}

/* The bitmap is for INT n of virtual-8086 mode alone. */
static void not_redirected(void)
{
    CASE("inject.redirection", "hardware-exception")
    {
        if (!redirection(0x1ff))
            continue;
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_UD));
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(EXC_UD));
    }
    CASE("inject.redirection", "protected-mode")
    {
        if (lacks_that(cap.cr4_fixed1 & CR4_VME, "CR4.VME"))
            continue;
        vm_reset(MODE_32);
        vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_VME);
        vmwrite(GUEST_TR_LIMIT, 0x1ff);
        *word_at(GUEST_TSS32 + 0x66) = IO_MAP;
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_SOFTWARE_INT, VECTOR));
        vmwrite(INJECTION_LENGTH, 2);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(VECTOR));
    }
}

/* ---- instructions ---- */

static void linear_addresses(void)
{
    CASE("exit.invlpg", "fs-base")
    {
        if (lacks(INVLPG_EXITING))
            continue;
        vm_reset(MODE_64);
        vm_set(INVLPG_EXITING);
        vmwrite(GUEST_FS_BASE, 0x123000);
        CODE(0x64, 0x0f, 0x01, 0x38);
        gpr[RAX] = 0x456;
        expect_instruction(REASON_INVLPG, 0x123456, 4);
    }
    CASE("exit.invlpg", "ds-base-64")
    {
        if (lacks(INVLPG_EXITING))
            continue;
        vm_reset(MODE_64);
        vm_set(INVLPG_EXITING);
        vmwrite(GUEST_DS_BASE, 0x123000);
        CODE(0x0f, 0x01, 0x38);
        gpr[RAX] = 0xfff000456;
        expect_instruction(REASON_INVLPG, 0xfff000456, 3);
    }
    CASE("exit.invlpg", "ds-base-32")
    {
        if (lacks(INVLPG_EXITING))
            continue;
        vm_reset(MODE_32);
        vm_set(INVLPG_EXITING);
        vmwrite(GUEST_DS_BASE, 0xfffff000);
        CODE(0x0f, 0x01, 0x38);
        gpr[RAX] = 0x2345;
        expect_instruction(REASON_INVLPG, 0x1345, 3);
    }
}

static void instructions(void)
{
    CASE("exit.mov-to-dr", "dr8-is-undefined")
    {
        if (lacks(MOV_DR_EXITING))
            continue;
        vm_reset(MODE_64);
        vm_set(MOV_DR_EXITING);
        CODE(0x44, 0x0f, 0x23, 0xc0);
        expect_fault_at(EXC_UD);
    }
    CASE("exit.io-unconditional", "in-with-rep-prefix")
    {
        if (lacks(UNCONDITIONAL_IO_EXITING))
            continue;
        vm_reset(MODE_64);
        vm_set(UNCONDITIONAL_IO_EXITING);
        CODE(0xf3, 0xec);
        gpr[RDX] = 0x80;
        expect_instruction(REASON_IO, 0x80 << 16 | 8, 2);
    }
    CASE("exit.lmsw", "owned-bit-stays")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_CR0, vmread(GUEST_CR0) & ~CR0_MP);
        vmwrite(CR0_GUEST_HOST_MASK, CR0_MP);
        vmwrite(CR0_READ_SHADOW, CR0_MP);
        CODE(0x0f, 0x01, 0xf0);
        gpr[RAX] = CR0_PE | CR0_MP;
        expect_passes(3);
        expect("CR0.MP", 0, vmread(GUEST_CR0) & CR0_MP);
    }
    CASE("vmxon.alignment", "with-a-revision")
    {
        zero(&other_vmcs, sizeof other_vmcs);
        vm_reset(MODE_64);
        *(uint32_t *)&other_vmcs.data[56] = vmcs_region.revision;
        vm_off();
        struct result r = try_vmxon((uint64_t)&other_vmcs + 64);
        if (!expect_result(FAIL_INVALID, 0, r))
            try_vmxoff();
    }
}

void area_again(void)
{
    error_codes();
    not_redirected();
    linear_addresses();
    instructions();

    memory_again();
    fields_not_used();
    unusable_segments();
    loaded_by_exits();
    left_behind();
    pending_debug();
    redirected_interrupts();
}
