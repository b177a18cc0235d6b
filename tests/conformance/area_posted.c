// SPDX-License-Identifier: Apache-2.0
// Interrupts that need no VM exit (SDM vol. 3, "Posted-Interrupt Processing", "IPI Virtualization",
// "Virtualizing WRMSR", "TPR Virtualization").
#include "apic.h"
#include "areas.h"
#include "exits.h"
#include "virtual_apic.h"

enum { DESCRIPTOR = GUEST_POSTED, ON = 32, NOTIFICATION = 0x52, OTHER = 0x53, HLT_STATE = 1 };

static void clean(void)
{
    vm_reset(MODE_64);
    zero((void *)qword_at(PAGE), 4096);
    zero((void *)qword_at(GUEST_POSTED), 4096);
}
static unsigned host_irr(unsigned vector)
{
    return apic_read(APIC_IRR + vector / 32 * 16) >> vector % 32 & 1;
}
static unsigned host_isr(unsigned vector)
{
    return apic_read(APIC_ISR + vector / 32 * 16) >> vector % 32 & 1;
}

/* ---- posted interrupts ---- */

/* The descriptor has the vector, and the interrupt is pending in the local APIC. */
static bool posted(unsigned vector, unsigned interrupt)
{
    if (lacks(POSTED_INTERRUPTS))
        return false;
    clean();
    vm_set_valid(POSTED_INTERRUPTS);
    vmwrite(NOTIFICATION_VECTOR, NOTIFICATION);
    vmwrite(POSTED_DESCRIPTOR_ADDRESS, DESCRIPTOR);
    vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
    *dword_at(DESCRIPTOR + vector / 32 * 4) = 1u << vector % 32;
    *dword_at(DESCRIPTOR + ON) = 1;
    apic_self(interrupt);
    return true;
}

static void expect_descriptor_taken(unsigned vector)
{
    expect("PIR", 0, *dword_at(DESCRIPTOR + vector / 32 * 4));
    expect("outstanding notification", 0, *dword_at(DESCRIPTOR + ON) & 1);
    expect("notification pending in the local APIC", 0, host_irr(NOTIFICATION));
    expect("notification in service in the local APIC", 0, host_isr(NOTIFICATION));
}

static void posted_delivery(void)
{
    for (unsigned v = 16; v < 256; v += 15)
        CASE("posted.delivered", "0x%x", v)
        {
            if (!posted(v, NOTIFICATION))
                continue;
            if (expect_exit(REASON_VMCALL))
                expect_field(GUEST_RIP, guest_handler(v));
            expect_field(GUEST_INTERRUPT_STATUS, v << 8);
            expect("VISR", 1u << v % 32, *dword_at(PAGE + ISR + v / 32 * 16));
            expect("VIRR", 0, *dword_at(PAGE + IRR + v / 32 * 16));
            expect_descriptor_taken(v);
            apic_drain();
        }
}

static void posted_pending(void)
{
    CASE("posted.not-delivered", "if-clear")
    {
        if (!posted(0x61, NOTIFICATION))
            continue;
        vmwrite(GUEST_RFLAGS, 2);
        expect_passes(0);
        expect_field(GUEST_INTERRUPT_STATUS, 0x61);
        expect("VIRR", 2, *dword_at(PAGE + IRR + 0x30));
        expect_descriptor_taken(0x61);
        apic_drain();
    }
    CASE("posted.not-delivered", "tpr")
    {
        if (!posted(0x61, NOTIFICATION))
            continue;
        *dword_at(PAGE + TPR) = 0x60;
        expect_passes(0);
        expect_field(GUEST_INTERRUPT_STATUS, 0x61);
        expect_descriptor_taken(0x61);
        apic_drain();
    }
    CASE("posted.request-vector", "keeps-the-higher")
    {
        if (!posted(0x61, NOTIFICATION))
            continue;
        vmwrite(GUEST_RFLAGS, 2);
        vmwrite(GUEST_INTERRUPT_STATUS, 0x91);
        *dword_at(PAGE + IRR + 0x40) = 1 << 17;
        expect_passes(0);
        expect_field(GUEST_INTERRUPT_STATUS, 0x91);
        expect("VIRR", 2, *dword_at(PAGE + IRR + 0x30));
        apic_drain();
    }
    CASE("posted.request-vector", "takes-the-highest")
    {
        if (!posted(0x61, NOTIFICATION))
            continue;
        vmwrite(GUEST_RFLAGS, 2);
        *dword_at(DESCRIPTOR + 28) = 1 << 31;
        expect_passes(0);
        expect_field(GUEST_INTERRUPT_STATUS, 0xff);
        expect("VIRR of vector FFH", UINT64_C(0x80000000), *dword_at(PAGE + IRR + 0x70));
        expect("VIRR of vector 61H", 2, *dword_at(PAGE + IRR + 0x30));
        apic_drain();
    }
}

static void posted_otherwise(void)
{
    CASE("posted.descriptor", "other-bits-stay")
    {
        if (!posted(0x61, NOTIFICATION))
            continue;
        *dword_at(DESCRIPTOR + ON) = 0xfffffffd;
        for (unsigned k = 36; k < 64; k += 4)
            *dword_at(DESCRIPTOR + k) = 0xffffffff;
        expect_exit(REASON_VMCALL);
        expect("bits 287:256", 0xfffffffc, *dword_at(DESCRIPTOR + ON));
        expect("bits 319:288", 0xffffffff, *dword_at(DESCRIPTOR + 36));
        expect("bits 511:480", 0xffffffff, *dword_at(DESCRIPTOR + 60));
        apic_drain();
    }
    CASE("posted.hlt", "wakes")
    {
        if (!posted(0x61, NOTIFICATION))
            continue;
        vmwrite(GUEST_ACTIVITY_STATE, HLT_STATE);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(0x61));
        expect_field(GUEST_ACTIVITY_STATE, 0);
        apic_drain();
    }
    CASE("posted.hlt", "goes-on-waiting")
    {
        if (!posted(0x61, NOTIFICATION))
            continue;
        if (lacks(ACTIVATE_TIMER))
            continue;
        vm_set_valid(ACTIVATE_TIMER);
        vmwrite(PREEMPTION_TIMER, 100);
        *dword_at(PAGE + TPR) = 0x60;
        vmwrite(GUEST_ACTIVITY_STATE, HLT_STATE);
        if (expect_exit(REASON_TIMER))
            expect_field(GUEST_ACTIVITY_STATE, HLT_STATE);
        expect_field(GUEST_INTERRUPT_STATUS, 0x61);
        apic_drain();
    }
    CASE("posted.other-vector", "exits")
    {
        if (!posted(0x61, OTHER))
            continue;
        expect_exit(REASON_EXTERNAL_INTERRUPT);
        expect_field(EXIT_INTERRUPTION, EVENT(EVENT_EXTERNAL, OTHER));
        expect("PIR", 2, *dword_at(DESCRIPTOR + 12));
        expect("outstanding notification", 1, *dword_at(DESCRIPTOR + ON));
        apic_drain();
    }
}

/* ---- virtual interrupts: more ways ---- */

static void virtual_requests(void)
{
    CASE("apic.virtual-interrupt-hlt", "wakes")
    {
        if (lacks(VIRTUAL_INTERRUPT_DELIVERY))
            continue;
        clean();
        vm_set_valid(VIRTUAL_INTERRUPT_DELIVERY);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
        vmwrite(GUEST_INTERRUPT_STATUS, 0x61);
        *dword_at(PAGE + IRR + 0x30) = 2;
        vmwrite(GUEST_ACTIVITY_STATE, HLT_STATE);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(0x61));
    }
    CASE("apic.tpr-virtualization", "cr8-lowers")
    {
        if (lacks(VIRTUAL_INTERRUPT_DELIVERY))
            continue;
        clean();
        vm_set_valid(VIRTUAL_INTERRUPT_DELIVERY);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
        vmwrite(GUEST_INTERRUPT_STATUS, 0x61);
        *dword_at(PAGE + IRR + 0x30) = 2;
        *dword_at(PAGE + TPR) = 0x70;
        CODE(0x44, 0x0f, 0x22, 0xc1);
        gpr[RCX] = 5;
        if (expect_exit(REASON_VMCALL)) {
            expect_field(GUEST_RIP, guest_handler(0x61));
            expect("RIP on the stack", GUEST_CODE + 4, qword_at(vmread(GUEST_RSP))[0]);
            expect("VTPR", 0x50, *dword_at(PAGE + TPR));
        }
    }
    for (unsigned threshold = 0; threshold < 8; threshold++)
        CASE("exit.tpr-at-entry", "threshold-%u", threshold)
        {
            if (lacks(TPR_SHADOW) || lacks(VIRTUALIZE_APIC_ACCESSES))
                continue;
            clean();
            vm_set(TPR_SHADOW);
            vm_set(VIRTUALIZE_APIC_ACCESSES);
            vmwrite(TPR_THRESHOLD, threshold);
            *dword_at(PAGE + TPR) = 0x4f;
            expect_exit(threshold > 4 ? REASON_TPR : REASON_VMCALL);
            expect_field(GUEST_RIP, GUEST_CODE);
        }
}

/* ---- WRMSR in virtualized x2APIC mode ---- */

static bool x2apic_write(uint32_t index, uint64_t value)
{
    if (lacks(VIRTUALIZE_X2APIC) || lacks(MSR_BITMAPS) || lacks(VIRTUAL_INTERRUPT_DELIVERY))
        return false;
    clean();
    vm_set_valid(VIRTUALIZE_X2APIC);
    vm_set_valid(VIRTUAL_INTERRUPT_DELIVERY);
    vm_use_msr_bitmaps();
    gpr[RCX] = index;
    gpr[RAX] = (uint32_t)value;
    gpr[RDX] = value >> 32;
    CODE(0x0f, 0x30);
    return true;
}

static void x2apic_writes(void)
{
    for (unsigned exits = 0; exits < 2; exits++)
        CASE("apic.x2apic-eoi", "bitmap-%u", exits)
        {
            if (!x2apic_write(0x80b, 0))
                continue;
            vmwrite(GUEST_INTERRUPT_STATUS, 0x61 << 8);
            *dword_at(PAGE + ISR + 0x30) = 2;
            vmwrite(EOI_EXIT_BITMAP_1, exits ? BIT(0x61 - 64) : 0);
            if (!exits)
                expect_passes(2);
            else if (expect_exit(REASON_EOI))
                expect_field(EXIT_QUALIFICATION, 0x61);
            expect_field(GUEST_INTERRUPT_STATUS, 0);
            expect("VISR", 0, *dword_at(PAGE + ISR + 0x30));
        }
    for (unsigned bit = 0; bit < 64; bit += 9)
        CASE("apic.x2apic-eoi", "reserved-bit-%u", bit)
        {
            if (x2apic_write(0x80b, BIT(bit)))
                expect_fault_at(EXC_GP);
        }
    for (unsigned v = 0; v < 256; v += 0x0f)
        CASE("apic.x2apic-self-ipi", "0x%x", v)
        {
            if (!x2apic_write(0x83f, v))
                continue;
            if (v < 16) {
                if (expect_exit(REASON_APIC_WRITE))
                    expect_field(EXIT_QUALIFICATION, SELF_IPI);
                continue;
            }
            expect_passes(2);
            expect_field(GUEST_INTERRUPT_STATUS, v);
            expect("VIRR", 1u << v % 32, *dword_at(PAGE + IRR + v / 32 * 16));
        }
    for (unsigned bit = 8; bit < 64; bit++)
        CASE("apic.x2apic-self-ipi", "reserved-bit-%u", bit)
        {
            if (x2apic_write(0x83f, BIT(bit) | 0x51))
                expect_fault_at(EXC_GP);
        }
    for (unsigned bit = 8; bit < 64; bit++)
        CASE("apic.x2apic-tpr", "reserved-bit-%u", bit)
        {
            if (x2apic_write(0x808, BIT(bit)))
                expect_fault_at(EXC_GP);
        }
}

/* ---- IPI virtualization ---- */

static void x2apic_ipi(uint64_t icr, bool posts)
{
    CASE(posts ? "ipi.x2apic" : "ipi.x2apic-exits", "0x%lx", icr)
    {
        if (lacks(IPI_VIRTUALIZATION) || lacks(APIC_REGISTER_VIRTUALIZATION) ||
            !x2apic_write(0x830, icr))
            continue;
        vm_set(APIC_REGISTER_VIRTUALIZATION);
        vm_set(IPI_VIRTUALIZATION);
        vmwrite(PID_POINTER_TABLE_ADDRESS, PID_TABLE);
        vmwrite(LAST_PID_POINTER_INDEX, LAST);
        qword_at(PID_TABLE)[LAST] = TARGET | 1;
        *byte_at(TARGET + ON) = 1;
        if (posts) {
            expect_passes(2);
            expect("PIR", 1u << (icr & 31), *dword_at(TARGET + (icr & 0xff) / 32 * 4));
        } else if (expect_exit(REASON_APIC_WRITE)) {
            expect_field(EXIT_QUALIFICATION, ICR);
            expect("ICR", icr, *qword_at(PAGE + ICR));
        }
    }
}

/* The guest writes the low half of its ICR; virtual processor LAST has the only descriptor. */
static bool ipi(uint32_t icr, uint32_t id, uint64_t pointer)
{
    if (lacks(IPI_VIRTUALIZATION) || lacks(VIRTUALIZE_APIC_ACCESSES))
        return false;
    clean();
    vm_set_valid(IPI_VIRTUALIZATION);
    vm_set(VIRTUALIZE_APIC_ACCESSES);
    vmwrite(PID_POINTER_TABLE_ADDRESS, PID_TABLE);
    vmwrite(LAST_PID_POINTER_INDEX, LAST);
    qword_at(PID_TABLE)[LAST] = pointer;
    qword_at(PID_TABLE)[LAST + 1] = TARGET | 1;
    *byte_at(TARGET + 34) = NOTIFICATION;
    *dword_at(TARGET + 36) = apic_id() << 8;
    *dword_at(PAGE + ICR + 0x10) = id << 24;
    gpr[RAX] = GUEST_APIC_ACCESS + ICR;
    gpr[RCX] = icr;
    CODE(0x89, 0x08);
    return true;
}

static void expect_ipi_exit(uint32_t icr)
{
    if (!expect_exit(REASON_APIC_WRITE))
        return;
    expect_field(EXIT_QUALIFICATION, ICR);
    expect_field(GUEST_RIP, GUEST_CODE + 2);
    expect("ICR", icr, *dword_at(PAGE + ICR));
    for (unsigned k = 0; k < 32; k += 4)
        expect("PIR", 0, *dword_at(TARGET + k));
}

static void ipis(void)
{
    for (unsigned v = 16; v < 256; v += 15)
        CASE("ipi.posted", "0x%x", v)
        {
            if (!ipi(v, LAST, TARGET | 1))
                continue;
            expect_passes(2);
            expect("PIR", 1u << v % 32, *dword_at(TARGET + v / 32 * 4));
            expect("outstanding notification", 1, *byte_at(TARGET + ON));
            expect("notification sent", 1, host_irr(NOTIFICATION));
            apic_drain();
        }
    for (unsigned bit = 0; bit < 2; bit++)
        CASE("ipi.no-notification", bit ? "suppressed" : "outstanding")
        {
            if (!ipi(0x51, LAST, TARGET | 1))
                continue;
            *byte_at(TARGET + ON) = (uint8_t)(1 << bit);
            expect_passes(2);
            expect("PIR", 1 << 17, *dword_at(TARGET + 8));
            expect("ON and SN", 1 << bit, *byte_at(TARGET + ON));
            expect("notification sent", 0, host_irr(NOTIFICATION));
        }
    for (unsigned v = 0; v < 16; v++)
        CASE("ipi.exits", "vector-%u", v)
        {
            if (ipi(v, LAST, TARGET | 1))
                expect_ipi_exit(v);
        }
    for (unsigned bit = 8; bit < 32; bit++) {
        if (bit == 14 || bit == 18)          /* ignored; a self-IPI */
            continue;
        CASE("ipi.exits", "icr-bit-%u", bit)
        {
            if (ipi((uint32_t)BIT(bit) | 0x51, LAST, TARGET | 1))
                expect_ipi_exit((uint32_t)BIT(bit) | 0x51);
        }
    }
    CASE("ipi.exits", "beyond-the-table")
    {
        if (ipi(0x51, LAST + 1, TARGET | 1))
            expect_ipi_exit(0x51);
    }
    CASE("ipi.exits", "entry-not-valid")
    {
        if (ipi(0x51, LAST, TARGET))
            expect_ipi_exit(0x51);
    }
    for (unsigned bit = 1; bit < 64; bit++)
        CASE("ipi.exits", "entry-bit-%u", bit)
        {
            if (lacks_that(bit < 6 || bit >= cap.physical_bits, "(a bit of the address)"))
                continue;
            if (ipi(0x51, LAST, TARGET | 1 | BIT(bit)))
                expect_ipi_exit(0x51);
        }
}

static void x2apic_ipis(void)
{
    const uint64_t id = (uint64_t)LAST << 32;
    for (unsigned v = 16; v < 256; v += 30)
        x2apic_ipi(id | v, true);
    for (unsigned v = 0; v < 16; v += 5)
        x2apic_ipi(id | v, false);
    for (unsigned bit = 8; bit < 12; bit++)
        x2apic_ipi(id | BIT(bit) | 0x51, false);
    x2apic_ipi(id | BIT(15) | 0x51, false);
    x2apic_ipi(id | BIT(19) | 0x51, false);
    x2apic_ipi(((uint64_t)LAST + 1) << 32 | 0x51, false);
    x2apic_ipi(UINT64_C(0xffffffff00000051), false);
}

void area_posted(void)
{
    posted_delivery();
    posted_pending();
    posted_otherwise();
    virtual_requests();
    x2apic_writes();
    ipis();
    x2apic_ipis();
    apic_drain();
}
