// SPDX-License-Identifier: Apache-2.0
// What follows an access to the virtual APIC, and user interrupts in guests with one (SDM vol. 3,
// "APIC-Write Emulation", "Self-IPI Virtualization", "EOI Virtualization", "Virtual-Interrupt
// Delivery", "User Interrupts and VMX Operation").
#include "apic.h"
#include "areas.h"
#include "exits.h"
#include "fault.h"
#include "virtual_apic.h"

enum { SUPPRESSED = 2 };

/* The guest writes ECX to the APIC-access page at RAX. */
static void start(void)
{
    vm_reset(MODE_64);
    zero((void *)qword_at(PAGE), 4096);
    zero((void *)qword_at(GUEST_POSTED), 4096);
    gpr[RAX] = GUEST_APIC_ACCESS;
    CODE(0x89, 0x08);
}
static void request(unsigned vector)
{
    *dword_at(PAGE + IRR + vector / 32 * 16) |= 1u << vector % 32;
}

/* ---- APIC-write emulation ---- */

static bool writes(enum control c, unsigned offset, uint32_t value)
{
    if (lacks(VIRTUALIZE_APIC_ACCESSES) || lacks(c))
        return false;
    start();
    vm_set_valid(c);
    vm_set(VIRTUALIZE_APIC_ACCESSES);
    gpr[RAX] += offset;
    gpr[RCX] = value;
    return true;
}

static void expect_apic_write(unsigned offset)
{
    if (!expect_exit(REASON_APIC_WRITE))
        return;
    expect_field(EXIT_QUALIFICATION, offset);
    expect_field(GUEST_RIP, GUEST_CODE + 2);
}

static void emulation(void)
{
    CASE("apic.write-emulation", "tpr-upper-bytes")
    {
        if (!writes(TPR_SHADOW, TPR, 0x12345630))
            continue;
        expect_passes(2);
        expect("VTPR", 0x30, *dword_at(PAGE + TPR));
    }
    CASE("apic.write-emulation", "tpr-below-threshold")
    {
        if (!writes(TPR_SHADOW, TPR, 0x30))
            continue;
        *dword_at(PAGE + TPR) = 0xf0;
        vmwrite(TPR_THRESHOLD, 4);
        if (expect_exit(REASON_TPR))
            expect_field(GUEST_RIP, GUEST_CODE + 2);
    }
    CASE("apic.write-emulation", "icr-high")
    {
        if (!writes(APIC_REGISTER_VIRTUALIZATION, ICR_HIGH, 0x12345678))
            continue;
        expect_passes(2);
        expect("VICR_HI", 0x12000000, *dword_at(PAGE + ICR_HIGH));
    }
    CASE("apic.write-emulation", "eoi-is-cleared")
    {
        if (!writes(VIRTUAL_INTERRUPT_DELIVERY, EOI, 5))
            continue;
        vmwrite(GUEST_INTERRUPT_STATUS, 0x5100);
        *dword_at(PAGE + ISR + 0x51 / 32 * 16) = 1u << 0x51 % 32;
        expect_passes(2);
        expect("VEOI", 0, *dword_at(PAGE + EOI));
        expect_field(GUEST_INTERRUPT_STATUS, 0);
    }
}

static void not_emulated(void)
{
    /* What only "virtual-interrupt delivery" or "IPI virtualization" would do. */
    static const struct { const char *name; uint32_t value; } plain[] = {
        { "self-ipi", 0x40051 }, { "ipi", 0x51 },
    };
    for (unsigned k = 0; k < COUNT(plain); k++)
        CASE("apic.write-emulation", "%s-not-virtualized", plain[k].name)
        {
            if (!writes(APIC_REGISTER_VIRTUALIZATION, ICR, plain[k].value))
                continue;
            *qword_at(PID_TABLE) = TARGET | 1;
            *qword_at(TARGET + 32) = SUPPRESSED;
            expect_apic_write(ICR);
            expect("request", 0, *dword_at(TARGET + 0x51 / 32 * 4));
        }
    CASE("apic.access-in-turn", "tpr-then-id")
    {
        if (!writes(TPR_SHADOW, TPR, 0))
            continue;
        CODE(0x8b, 0x08, 0x8b, 0x0b);
        gpr[RBX] = GUEST_APIC_ACCESS + 0x20;
        if (!expect_exit(REASON_APIC_ACCESS))
            continue;
        expect_field(EXIT_QUALIFICATION, 0x20);
        expect_field(GUEST_RIP, GUEST_CODE + 2);
    }
    CASE("exit.tpr-below-threshold", "without-tpr-shadow")
    {
        if (lacks(VIRTUALIZE_APIC_ACCESSES) || lacks(TPR_SHADOW))
            continue;
        start();
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        vmwrite(TPR_THRESHOLD, 0xf);
        CODE(0x90);
        expect_passes(1);
    }
}

/* Bits of the ICR with which a write is no self-IPI; bits 19:18 are the shorthand "self". */
static void self_ipis(void)
{
    for (unsigned bit = 8; bit < 32; bit++)
        CASE("apic.self-ipi-form", "bit-%u", bit)
        {
            bool allowed = bit == 11 || bit == 14;
            if (!writes(VIRTUAL_INTERRUPT_DELIVERY, ICR, 0x40051 ^ (uint32_t)BIT(bit)))
                continue;
            if (!allowed) {
                expect_apic_write(ICR);
                continue;
            }
            expect_passes(2);
            expect_field(GUEST_INTERRUPT_STATUS, 0x51);
        }
    CASE("apic.self-ipi", "lower-than-what-is-requested")
    {
        if (!writes(VIRTUAL_INTERRUPT_DELIVERY, ICR, 0x40031))
            continue;
        request(0x61);
        vmwrite(GUEST_INTERRUPT_STATUS, 0x61);
        expect_passes(2);
        expect_field(GUEST_INTERRUPT_STATUS, 0x61);
        expect("VIRR", 1u << 0x31 % 32, *dword_at(PAGE + IRR + 0x31 / 32 * 16));
    }
}

/* ---- delivery ---- */

static bool delivers(unsigned rvi, unsigned svi)
{
    if (!writes(VIRTUAL_INTERRUPT_DELIVERY, EOI, 0))
        return false;
    vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
    vmwrite(GUEST_INTERRUPT_STATUS, rvi | svi << 8);
    request(rvi);
    return true;
}

static void delivery(void)
{
    CASE("apic.virtual-interrupt-priority", "eoi-lets-the-next-in")
    {
        if (!delivers(0x31, 0x51))
            continue;
        *dword_at(PAGE + ISR + 0x51 / 32 * 16) = 1u << 0x51 % 32;
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_RIP, guest_handler(0x31));
        expect_field(GUEST_INTERRUPT_STATUS, 0x3100);
    }
    CASE("apic.virtual-interrupt-priority", "tpr-is-raised")
    {
        if (!delivers(0x51, 0))
            continue;
        vmwrite(GUEST_RFLAGS, 2);
        CODE(0x44, 0x0f, 0x22, 0xc1, 0xfb, 0x90);
        gpr[RCX] = 5;
        expect_passes(6);
    }
    CASE("apic.virtual-interrupt-blocked", "sti")
    {
        if (!delivers(0x51, 0))
            continue;
        vmwrite(GUEST_INTERRUPTIBILITY, 1);
        CODE(0x90, 0x90);
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_RIP, guest_handler(0x51));
        expect("return address", GUEST_CODE + 1, *qword_at(vmread(GUEST_RSP)));
    }
    CASE("apic.virtual-interrupt", "once")
    {
        if (!delivers(0x51, 0))
            continue;
        volatile uint64_t *handler = qword_at(guest_handler(0x51));
        uint64_t as_it_was = *handler;
        *handler = 0xf4f4f4c1010f90fb;       /* STI, NOP, VMCALL */
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(0x51) + 2);
        *handler = as_it_was;
    }
}

/* ---- user interrupts ---- */

enum { IA32_UINTR_RR = 0x985, IA32_UINTR_MISC = 0x988, IA32_UINTR_PD = 0x989, IA32_UINTR_TT = 0x98a };
enum { UPID = GUEST_SCRATCH, TABLE = GUEST_SCRATCH + 0x100, USER_VECTOR = 5, NV = 0x45, ID = 3 };
#define CR4_UINTR BIT(25)

static bool lacks_user_interrupts(void)
{
    return lacks_that(cap.leaf7.d & BIT(5), "cpuid.7.0:edx.5:uintr");
}

/* The virtual interrupt is the notification of user interrupts; a lower one waits. */
static void notification(void)
{
    CASE("apic.user-notification", "processed")
    {
        if (lacks_user_interrupts() || lacks(LOAD_UINV) || !delivers(0x51, 0))
            continue;
        request(0x31);
        vm_set(LOAD_UINV);
        vmwrite(GUEST_UINV, 0x51);
        vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_UINTR);
        wrmsr(IA32_UINTR_PD, UPID);
        *qword_at(UPID) = 1;
        *qword_at(UPID + 8) = BIT(USER_VECTOR);
        if (expect_exit(REASON_VMCALL)) {
            expect_field(GUEST_RIP, guest_handler(0x31));
            expect_field(GUEST_INTERRUPT_STATUS, 0x3100);
            expect("VISR", 0, *dword_at(PAGE + ISR + 0x51 / 32 * 16));
            expect("outstanding notification", 0, *qword_at(UPID));
            expect("posted requests", 0, *qword_at(UPID + 8));
            expect("UIRR", BIT(USER_VECTOR), rdmsr(IA32_UINTR_RR));
        }
        wrmsr(IA32_UINTR_RR, 0);
        wrmsr(IA32_UINTR_MISC, 0);
    }
}

/* SENDUIPI of a user-mode guest; the physical ID of the target is in bits 15:8, too. */
static bool sends(unsigned id)
{
    if (lacks_user_interrupts())
        return false;
    start();
    vm_user();
    vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_UINTR);
    wrmsr(IA32_UINTR_TT, TABLE | 1);
    qword_at(TABLE)[0] = USER_VECTOR << 8 | 1;
    qword_at(TABLE)[1] = UPID;
    *qword_at(UPID) = (uint64_t)id << 40 | NV << 16;
    *qword_at(UPID + 8) = 0;
    gpr[RAX] = 0;
    CODE(0xf3, 0x0f, 0xc7, 0xf0);
    return true;
}

static void expect_sent(unsigned reason)
{
    if (expect_exit(reason))
        expect_field(GUEST_RIP, GUEST_CODE + 4);
    expect("outstanding notification", 1, *qword_at(UPID) & 1);
    expect("posted requests", BIT(USER_VECTOR), *qword_at(UPID + 8));
    wrmsr(IA32_UINTR_TT, 0);
}

static void user_ipis(void)
{
    CASE("apic.senduipi", "apic-accesses-virtualized")
    {
        if (lacks(VIRTUALIZE_APIC_ACCESSES) || !sends(ID))
            continue;
        vm_set(TPR_SHADOW);
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        expect_sent(REASON_APIC_WRITE);
        expect_field(EXIT_QUALIFICATION, ICR);
        expect("VICR_LO", NV, *dword_at(PAGE + ICR));
        expect("VICR_HI", ID << 24, *dword_at(PAGE + ICR_HIGH));
    }
    CASE("apic.senduipi", "x2apic-virtualized")
    {
        if (lacks(VIRTUALIZE_X2APIC) || !sends(ID))
            continue;
        vm_set_valid(VIRTUALIZE_X2APIC);
        expect_sent(REASON_APIC_WRITE);
        expect_field(EXIT_QUALIFICATION, ICR);
        expect("VICR", NV | (uint64_t)ID << 40, *qword_at(PAGE + ICR));
    }
    CASE("apic.senduipi", "ipis-virtualized")
    {
        if (lacks(IPI_VIRTUALIZATION) || lacks(VIRTUALIZE_APIC_ACCESSES) || !sends(ID))
            continue;
        vm_set_valid(IPI_VIRTUALIZATION);
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        vmwrite(PID_POINTER_TABLE_ADDRESS, PID_TABLE);
        vmwrite(LAST_PID_POINTER_INDEX, LAST);
        qword_at(PID_TABLE)[ID] = TARGET | 1;
        *qword_at(TARGET + 32) = SUPPRESSED;
        expect_sent(REASON_VMCALL);
        expect("request", 1u << NV % 32, *dword_at(TARGET + NV / 32 * 4));
    }
    CASE("apic.senduipi", "not-virtualized")
    {
        if (lacks_that(cap.leaf1.d & BIT(9), "cpuid.1:edx.9:apic") || !sends(apic_id()))
            continue;
        unsigned before = taken[NV];
        expect_sent(REASON_VMCALL);
        expect("VICR_LO", 0, *dword_at(PAGE + ICR));
        __asm__ volatile("sti; nop; nop; cli" : : : "memory");
        expect("interrupts that the host takes", before + 1, taken[NV]);
    }
}

/* ---- MSRs ---- */

static void msrs(void)
{
    CASE("apic.x2apic-tpr", "below-threshold")
    {
        if (lacks(VIRTUALIZE_X2APIC) || lacks(MSR_BITMAPS))
            continue;
        start();
        vm_set_valid(VIRTUALIZE_X2APIC);
        vm_use_msr_bitmaps();
        *dword_at(PAGE + TPR) = 0xf0;
        vmwrite(TPR_THRESHOLD, 5);
        CODE(0x0f, 0x30);
        gpr[RCX] = X2APIC_TPR;
        gpr[RAX] = 0x20;
        if (expect_exit(REASON_TPR))
            expect_field(GUEST_RIP, GUEST_CODE + 2);
    }
    CASE("apic.x2apic-read", "other-msr")
    {
        if (lacks(VIRTUALIZE_X2APIC) || lacks(APIC_REGISTER_VIRTUALIZATION) || lacks(MSR_BITMAPS))
            continue;
        start();
        vm_set_valid(VIRTUALIZE_X2APIC);
        vm_set(APIC_REGISTER_VIRTUALIZATION);
        vm_use_msr_bitmaps();
        *qword_at(PAGE + 0x770) = 0x5555;
        CODE(0x0f, 0x32);
        gpr[RCX] = IA32_PAT;
        expect_passes(2);
        expect("IA32_PAT", rdmsr(IA32_PAT), gpr[RAX] | gpr[RDX] << 32);
    }
    CASE("apic.x2apic-not-virtualized", "write-control-clear")
    {
        if (lacks(TPR_SHADOW) || lacks(MSR_BITMAPS) ||
            lacks_that(!(rdmsr(IA32_APIC_BASE) & BIT(10)), "an APIC that is not in x2APIC mode"))
            continue;
        start();
        vm_set(TPR_SHADOW);
        vm_use_msr_bitmaps();
        CODE(0x0f, 0x30);
        gpr[RCX] = X2APIC_TPR;
        gpr[RAX] = 0x20;
        expect_fault_at(EXC_GP);
    }
}

void area_virtual_apic(void)
{
    emulation();
    not_emulated();
    self_ipis();
    delivery();
    notification();
    user_ipis();
    msrs();
}
