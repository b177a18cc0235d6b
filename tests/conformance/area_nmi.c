// SPDX-License-Identifier: Apache-2.0
// NMIs and virtual NMIs, and which event comes first (SDM vol. 3, "NMI Unblocking Due to IRET",
// "Changes to Instruction Behavior in VMX Non-Root Operation", "Priority Among Concurrent Events").
#include "apic.h"
#include "areas.h"
#include "exits.h"
#include "fault.h"

enum { NMI_BLOCKED = 8, UNBLOCKED = 1 << 12, VECTOR = 0x51, BS = 1 << 14, MOV_SS = 2 };

/* ---- IRET and blocking by NMI ---- */

enum kind { REAL, EXITING, VIRTUAL, KINDS };        /* the two controls: neither, the first, both */
static const char *const kinds[] = { "real", "exiting", "virtual" };

/* The guest executes IRETQ to the instruction behind it, with blocking by NMI. */
static bool iret(enum kind k, bool blocked)
{
    if ((k != REAL && lacks(NMI_EXITING)) || (k == VIRTUAL && lacks(VIRTUAL_NMIS)))
        return false;
    vm_reset(MODE_64);
    if (k != REAL)
        vm_set(NMI_EXITING);
    if (k == VIRTUAL)
        vm_set(VIRTUAL_NMIS);
    vmwrite(GUEST_INTERRUPTIBILITY, blocked ? NMI_BLOCKED : 0);
    const uint64_t frame[5] = { GUEST_CODE + 2, SEL_CODE64, 2, GUEST_STACK_TOP, SEL_DATA };
    copy((void *)qword_at(GUEST_DATA), frame, sizeof frame);
    vmwrite(GUEST_RSP, GUEST_DATA);
    CODE(0x48, 0xcf);
    return true;
}

/* Faults behind the IRET that unblocked NMIs. */
static void unblocking_past(void)
{
    for (enum kind k = REAL; k < KINDS; k++) {
        if (k == EXITING)                    /* the bit is undefined */
            continue;
        CASE("nmi.iret-fault", "%s-next-instruction", kinds[k])
        {
            if (!iret(k, true))
                continue;
            CODE(0x48, 0xcf, 0x0f, 0x0b);
            if (expect_exception(EXC_UD))
                expect("unblocked", 0, vmread(EXIT_INTERRUPTION) & UNBLOCKED);
        }
        /* The first IRET returns to a jump to itself, with a stack that the second refuses. */
        CASE("nmi.iret-fault", "%s-second-iret", kinds[k])
        {
            if (!iret(k, true))
                continue;
            CODE(0x48, 0xcf, 0x90, 0x90, 0xeb, 0xfa);
            qword_at(GUEST_DATA)[3] = GUEST_DATA + 0x100;
            if (!expect_exception(EXC_GP))
                continue;
            expect_field(GUEST_RIP, GUEST_CODE);
            expect("unblocked", 0, vmread(EXIT_INTERRUPTION) & UNBLOCKED);
        }
    }
}

enum { ACCESSED = 1 << 8, DIRTY = 1 << 9, SUB_PAGES_BIT = 61, CODE_ACCESSED_BIT = 40 };

/* IRET reads a page whose accessed flag is to be set, or writes to a descriptor. */
static void unblocking_memory(void)
{
    CASE("nmi.iret-memory", "pml-full")
    {
        if (lacks(PML) || lacks_that(cap.ept_vpid & BIT(21), "ept-vpid-cap.21:a/d") ||
            !iret(VIRTUAL, true))
            continue;
        ept_changed = true;
        vm_set_valid(PML);
        vmwrite(PML_INDEX, 0xffff);
        ept.pml4[0] |= ACCESSED;
        ept.pdpt[0] |= ACCESSED;
        ept.pd[0][0] |= ACCESSED;
        for (unsigned p = 0; p < 512; p++)
            ept.pt[p] |= ACCESSED | DIRTY;
        *ept_leaf(GUEST_DATA) &= ~(uint64_t)(ACCESSED | DIRTY);
        if (expect_exit(REASON_PML_FULL))
            expect_field(EXIT_QUALIFICATION, UNBLOCKED);
    }
    CASE("nmi.iret-memory", "spp-miss")
    {
        if (lacks(SUB_PAGE_WRITE) || !iret(VIRTUAL, true))
            continue;
        vm_set_valid(SUB_PAGE_WRITE);
        zero((void *)qword_at(GUEST_SPP), 4096);
        qword_at(GUEST_GDT)[SEL_CODE64 / 8] &= ~BIT(CODE_ACCESSED_BIT);
        uint64_t *leaf = ept_leaf(GUEST_GDT);
        *leaf = (*leaf & ~UINT64_C(6)) | BIT(SUB_PAGES_BIT);
        if (expect_exit(REASON_SPP))
            expect_field(EXIT_QUALIFICATION, 1 << 11 | UNBLOCKED);
    }
}

static void unblocking(void)
{
    for (enum kind k = REAL; k < KINDS; k++) {
        CASE("nmi.iret", "%s", kinds[k])
        {
            if (!iret(k, true))
                continue;
            if (expect_exit(REASON_VMCALL))
                expect_field(GUEST_RIP, GUEST_CODE + 2);
            expect_field(GUEST_INTERRUPTIBILITY, k == EXITING ? NMI_BLOCKED : 0);
        }
        for (unsigned blocked = 0; blocked < 2; blocked++) {
            if (k == EXITING)                /* the bit is undefined */
                continue;
            CASE("nmi.iret-fault", "%s-blocked-%u", kinds[k], blocked)
            {
                if (!iret(k, blocked))
                    continue;
                *guest_pte(GUEST_DATA) = 0;
                if (!expect_exception(EXC_PF))
                    continue;
                expect("unblocked", blocked ? UNBLOCKED : 0, vmread(EXIT_INTERRUPTION) & UNBLOCKED);
                expect_field(GUEST_INTERRUPTIBILITY, 0);
                expect_field(GUEST_RIP, GUEST_CODE);
            }
            CASE("nmi.iret-ept-violation", "%s-blocked-%u", kinds[k], blocked)
            {
                if (lacks(EPT) || !iret(k, blocked))
                    continue;
                vm_use_ept();
                *ept_leaf(GUEST_DATA) = 0;
                if (!expect_exit(REASON_EPT_VIOLATION))
                    continue;
                expect("unblocked", blocked ? UNBLOCKED : 0,
                       vmread(EXIT_QUALIFICATION) & UNBLOCKED);
                expect_field(GUEST_INTERRUPTIBILITY, 0);
            }
        }
    }
    unblocking_past();
    unblocking_memory();
    CASE("nmi.injection-blocks", "virtual")
    {
        if (lacks(VIRTUAL_NMIS))
            continue;
        vm_reset(MODE_64);
        vm_set_valid(VIRTUAL_NMIS);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_NMI, EXC_NMI));
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(EXC_NMI));
        expect_field(GUEST_INTERRUPTIBILITY, NMI_BLOCKED);
    }
}

/* The guest sends an NMI to itself; its local APIC is the real one. */
static bool self_nmi(void)
{
    if (lacks(ACTIVATE_TIMER))
        return false;
    vm_reset(MODE_64);
    vm_set(ACTIVATE_TIMER);
    vmwrite(PREEMPTION_TIMER, 0x10000);
    CODE(0xc7, 0x00, 0x00, 0x44, 0x00, 0x00, 0xeb, 0xfe);
    gpr[RAX] = 0xfee00300;
    apic_write(APIC_ICR_HIGH, apic_id() << 24);
    return true;
}

static void arrival(void)
{
    CASE("no-exit.nmi", "delivered")
    {
        if (!self_nmi() || lacks_that(can_clear(NMI_EXITING), "pin.3 clear"))
            continue;
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(EXC_NMI));
        expect_field(GUEST_INTERRUPTIBILITY, NMI_BLOCKED);
        end_nmi();
    }
    CASE("nmi.virtual-blocking", "does-not-hold-the-exit")
    {
        if (lacks(VIRTUAL_NMIS) || !self_nmi())
            continue;
        vm_set_valid(VIRTUAL_NMIS);
        vmwrite(GUEST_INTERRUPTIBILITY, NMI_BLOCKED);
        if (expect_exit(REASON_EXCEPTION))
            expect_field(EXIT_INTERRUPTION, EVENT(EVENT_NMI, EXC_NMI));
        expect_field(GUEST_INTERRUPTIBILITY, NMI_BLOCKED);
        end_nmi();
    }
    CASE("nmi.exit-blocks", "host")
    {
        if (!self_nmi())
            continue;
        vm_set(NMI_EXITING);
        expect_exit(REASON_EXCEPTION);
        unsigned before = taken[EXC_NMI];
        apic_send(apic_id(), IPI_NMI | IPI_ASSERT);
        expect("NMIs that the host takes", before, taken[EXC_NMI]);
        end_nmi();
        expect("NMIs behind IRET", before + 1, taken[EXC_NMI]);
    }
    CASE("nmi.blocking", "holds-the-exit")
    {
        if (!self_nmi())
            continue;
        vm_set(NMI_EXITING);
        vmwrite(GUEST_INTERRUPTIBILITY, NMI_BLOCKED);
        expect_exit(REASON_TIMER);
        expect_field(GUEST_INTERRUPTIBILITY, NMI_BLOCKED);
        end_nmi();
    }
}

/* ---- priorities ---- */

static void exits_first(void)
{
    CASE("priority.mtf-debug", "single-step")
    {
        if (lacks(MONITOR_TRAP_FLAG))
            continue;
        vm_reset(MODE_64);
        CODE(0x90, 0x90);
        vm_set(MONITOR_TRAP_FLAG);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_TF);
        if (!expect_exit(REASON_MTF))
            continue;
        expect_field(GUEST_RIP, GUEST_CODE + 1);
        expect_field(GUEST_PENDING_DEBUG, BS);
        vm_clear(MONITOR_TRAP_FLAG);
        if (expect_exception(EXC_DB))
            expect_field(GUEST_RIP, GUEST_CODE + 1);
    }
    CASE("priority.mtf-debug", "injected")
    {
        if (lacks(MONITOR_TRAP_FLAG))
            continue;
        vm_reset(MODE_64);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_OTHER, 0));
        vmwrite(GUEST_RFLAGS, 2 | FLAG_TF);
        vmwrite(GUEST_PENDING_DEBUG, BS);
        if (expect_exit(REASON_MTF))
            expect_field(GUEST_PENDING_DEBUG, BS);
    }
    CASE("priority.mtf-timer", "injected")
    {
        if (lacks(MONITOR_TRAP_FLAG) || lacks(ACTIVATE_TIMER))
            continue;
        vm_reset(MODE_64);
        vm_set(ACTIVATE_TIMER);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_OTHER, 0));
        expect_exit(REASON_MTF);
    }
}

static void other_exits_first(void)
{
    CASE("priority.tpr-timer", "at-entry")
    {
        if (lacks(TPR_SHADOW) || lacks(VIRTUALIZE_APIC_ACCESSES) || lacks(ACTIVATE_TIMER))
            continue;
        vm_reset(MODE_64);
        zero((void *)qword_at(GUEST_VIRTUAL_APIC), 4096);
        vm_set(TPR_SHADOW);
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        vm_set(ACTIVATE_TIMER);
        vmwrite(TPR_THRESHOLD, 3);
        expect_exit(REASON_TPR);
    }
    CASE("priority.debug-nmi-window", "pending")
    {
        if (lacks(NMI_WINDOW_EXITING))
            continue;
        vm_reset(MODE_64);
        vm_set_valid(NMI_WINDOW_EXITING);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_TF);
        vmwrite(GUEST_PENDING_DEBUG, BS);
        expect_exception(EXC_DB);
    }
}

/* An external interrupt is pending in the local APIC. */
static void interrupt_waits(void)
{
    vm_reset(MODE_64);
    vm_set(EXTERNAL_INTERRUPT_EXITING);
    vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
    apic_self(VECTOR);
}

static void before_interrupts(void)
{
    CASE("priority.interrupt", "timer-first")
    {
        if (lacks(ACTIVATE_TIMER))
            continue;
        interrupt_waits();
        vm_set(ACTIVATE_TIMER);
        expect_exit(REASON_TIMER);
        apic_drain();
    }
    CASE("priority.interrupt", "nmi-window-first")
    {
        if (lacks(NMI_WINDOW_EXITING))
            continue;
        interrupt_waits();
        vm_set_valid(NMI_WINDOW_EXITING);
        expect_exit(REASON_NMI_WINDOW);
        apic_drain();
    }
    CASE("priority.interrupt", "interrupt-window-first")
    {
        interrupt_waits();
        vm_set(INTERRUPT_WINDOW_EXITING);
        expect_exit(REASON_INTERRUPT_WINDOW);
        apic_drain();
    }
    CASE("priority.interrupt", "pending-debug-first")
    {
        interrupt_waits();
        vmwrite(GUEST_RFLAGS, 2 | FLAG_IF | FLAG_TF);
        vmwrite(GUEST_PENDING_DEBUG, BS);
        expect_exception(EXC_DB);
        apic_drain();
    }
}

static void interrupts_first(void)
{
    CASE("priority.interrupt", "before-the-instruction")
    {
        interrupt_waits();
        CODE(0x0f, 0xa2);
        if (expect_exit(REASON_EXTERNAL_INTERRUPT))
            expect_field(GUEST_RIP, GUEST_CODE);
        apic_drain();
    }
    for (unsigned blocking = 1; blocking <= MOV_SS; blocking++)
        CASE("priority.interrupt", "behind-blocking-%u", blocking)
        {
            interrupt_waits();
            CODE(0x90, 0x90);
            vmwrite(GUEST_INTERRUPTIBILITY, blocking);
            if (expect_exit(REASON_EXTERNAL_INTERRUPT))
                expect_field(GUEST_RIP, GUEST_CODE + 1);
            apic_drain();
        }
    CASE("priority.interrupt", "injection-first")
    {
        interrupt_waits();
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_UD));
        if (expect_exit(REASON_EXTERNAL_INTERRUPT))
            expect_field(GUEST_RIP, guest_handler(EXC_UD));
        expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
        apic_drain();
    }
    CASE("priority.interrupt", "page-fault-behind")
    {
        interrupt_waits();
        vmwrite(GUEST_RIP, GUEST_DATA);
        *guest_pte(GUEST_DATA) = 0;
        if (expect_exit(REASON_EXTERNAL_INTERRUPT))
            expect_field(GUEST_RIP, GUEST_DATA);
        apic_drain();
    }
}

void area_nmi(void)
{
    unblocking();
    arrival();
    exits_first();
    other_exits_first();
    before_interrupts();
    interrupts_first();
}
