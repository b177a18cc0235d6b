// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, chapter "APIC Virtualization and Virtual Interrupts".
#include "areas.h"
#include "exits.h"
#include "virtual_apic.h"

static void start(void)
{
    vm_reset(MODE_64);
    zero((void *)qword_at(PAGE), 4096);
    gpr[RAX] = gpr[RBX] = GUEST_APIC_ACCESS;
}

/* ---- the TPR shadow ---- */

static void tpr_shadow(void)
{
    for (unsigned v = 0; v < 16; v += 3) {
        CASE("apic.cr8-read", "0x%x", v)
        {
            if (lacks(TPR_SHADOW))
                continue;
            start();
            vm_set(TPR_SHADOW);
            *dword_at(PAGE + TPR) = v << 4 | 0xb;
            CODE(0x44, 0x0f, 0x20, 0xc1);
            expect_passes(4);
            expect("CR8", v, gpr[RCX]);
        }
        CASE("apic.cr8-write", "0x%x", v)
        {
            if (lacks(TPR_SHADOW))
                continue;
            start();
            vm_set(TPR_SHADOW);
            *dword_at(PAGE + TPR) = 0xff;
            CODE(0x44, 0x0f, 0x22, 0xc1);
            gpr[RCX] = v;
            expect_passes(4);
            expect("VTPR", v << 4, *dword_at(PAGE + TPR));
        }
    }
    for (unsigned threshold = 0; threshold < 16; threshold += 5)
        for (unsigned v = 0; v < 16; v += 5)
            CASE("exit.tpr-below-threshold", "threshold-%u-cr8-%u", threshold, v)
            {
                if (lacks(TPR_SHADOW))
                    continue;
                start();
                vm_set(TPR_SHADOW);
                *dword_at(PAGE + TPR) = 0xf0;
                vmwrite(TPR_THRESHOLD, threshold);
                CODE(0x44, 0x0f, 0x22, 0xc1);
                gpr[RCX] = v;
                if (v < threshold) {
                    if (!expect_exit(REASON_TPR))
                        continue;
                    expect_field(GUEST_RIP, GUEST_CODE + 4);     /* a trap */
                    expect_field(EXIT_QUALIFICATION, 0);
                } else {
                    expect_passes(4);
                }
            }
}

/* ---- the APIC-access page ---- */

static void expect_access(unsigned offset, unsigned type)
{
    if (!expect_exit(REASON_APIC_ACCESS))
        return;
    expect_field(EXIT_QUALIFICATION, offset | type << 12);
    expect_field(GUEST_RIP, GUEST_CODE);
}

static void access_page(void)
{
    static const uint16_t offsets[] = { 0, 0x20, 0x30, 0x80, 0xb0, 0xd0, 0xf0, 0x100, 0x280, 0x300,
                                        0x320, 0x380, 0x390, 0x3e0, 0x400, 0xff0 };
    for (unsigned k = 0; k < COUNT(offsets); k++)
        for (unsigned write = 0; write < 2; write++) {
            CASE("exit.apic-access", "%s-0x%x", write ? "write" : "read", offsets[k])
            {
                if (lacks(VIRTUALIZE_APIC_ACCESSES))
                    continue;
                start();
                vm_set(VIRTUALIZE_APIC_ACCESSES);
                CODE(write ? 0x89 : 0x8b, 0x08);
                gpr[RAX] += offsets[k];
                expect_access(offsets[k], write);
            }
            CASE("apic.access-tpr-shadow", "%s-0x%x", write ? "write" : "read", offsets[k])
            {
                if (lacks(VIRTUALIZE_APIC_ACCESSES) || lacks(TPR_SHADOW))
                    continue;
                start();
                vm_set(VIRTUALIZE_APIC_ACCESSES);
                vm_set(TPR_SHADOW);
                CODE(write ? 0x89 : 0x8b, 0x08);
                gpr[RAX] += offsets[k];
                gpr[RCX] = 0x35;
                *dword_at(PAGE + offsets[k]) = 0x47;
                if (offsets[k] != TPR) {
                    expect_access(offsets[k], write);
                    continue;
                }
                expect_passes(2);
                expect(write ? "VTPR" : "ECX", write ? 0x35 : 0x47,
                       write ? *dword_at(PAGE + TPR) : gpr[RCX]);
            }
        }
}

static void access_page_by_others(void)
{
    CASE("exit.apic-access", "fetch")
    {
        if (lacks(VIRTUALIZE_APIC_ACCESSES))
            continue;
        start();
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        vmwrite(GUEST_RIP, GUEST_APIC_ACCESS + 0x40);
        if (expect_exit(REASON_APIC_ACCESS))
            expect_field(EXIT_QUALIFICATION, 0x40 | 2 << 12);
    }
    CASE("exit.apic-access", "event-delivery")
    {
        if (lacks(VIRTUALIZE_APIC_ACCESSES))
            continue;
        start();
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        CODE(0xcd, 0x80);
        vmwrite(GUEST_RSP, GUEST_APIC_ACCESS + 0x800);
        if (!expect_exit(REASON_APIC_ACCESS))
            continue;
        expect("type", 3, vmread(EXIT_QUALIFICATION) >> 12 & 15);
        expect_field(IDT_VECTORING, EVENT(EVENT_SOFTWARE_INT, 0x80));
        expect_field(EXIT_INSTRUCTION_LENGTH, 2);
    }
}

/* Accesses that are not within the low 32 bits of a register. */
static void wide_accesses(void)
{
    static const struct { const char *name; uint8_t bytes[3], n; unsigned offset; } rows[] = {
        { "8-bytes", { 0x48, 0x8b, 0x08 }, 3, TPR }, { "offset-1", { 0x8b, 0x08 }, 2, TPR + 1 },
        { "offset-4", { 0x8b, 0x08 }, 2, TPR + 4 }, { "offset-12", { 0x8a, 0x08 }, 2, TPR + 12 },
    };
    for (unsigned k = 0; k < COUNT(rows); k++)
        CASE("exit.apic-access-width", "%s", rows[k].name)
        {
            if (lacks(VIRTUALIZE_APIC_ACCESSES) || lacks(TPR_SHADOW))
                continue;
            start();
            vm_set(VIRTUALIZE_APIC_ACCESSES);
            vm_set(TPR_SHADOW);
            guest_code(rows[k].bytes, rows[k].n);
            gpr[RAX] += rows[k].offset;
            expect_access(rows[k].offset, 0);
        }
    static const uint8_t parts[] = { 1, 2, 4 };
    for (unsigned k = 0; k < COUNT(parts); k++)
        CASE("apic.access-part", "%u-bytes", parts[k])
        {
            if (lacks(VIRTUALIZE_APIC_ACCESSES) || lacks(TPR_SHADOW))
                continue;
            start();
            vm_set(VIRTUALIZE_APIC_ACCESSES);
            vm_set(TPR_SHADOW);
            *dword_at(PAGE + TPR) = 0x12345678;
            CODE(parts[k] == 2 ? 0x66 : 0x90, parts[k] == 1 ? 0x8a : 0x8b, 0x08);
            gpr[RAX] += TPR;
            expect_passes(3);
            expect("CL, CX, ECX", 0x12345678 & (BIT(8 * parts[k]) - 1), gpr[RCX]);
        }
}

static void physical_accesses(void)
{
    CASE("exit.apic-access-physical", "paging-structure")
    {
        if (lacks(VIRTUALIZE_APIC_ACCESSES) || lacks(EPT))
            continue;
        start();
        vm_use_ept();
        vm_set(VIRTUALIZE_APIC_ACCESSES);
        vmwrite(GUEST_CR3, GUEST_APIC_ACCESS);
        copy((void *)qword_at(GUEST_APIC_ACCESS), (const void *)qword_at(GUEST_PML4), 8);
        if (expect_exit(REASON_APIC_ACCESS))
            expect("type", 15, vmread(EXIT_QUALIFICATION) >> 12 & 15);
        *qword_at(GUEST_APIC_ACCESS) = 0;
    }
    CASE("apic.cr8-physical", "without-tpr-shadow")
    {
        if (lacks_that(can_clear(CR8_LOAD_EXITING) && can_clear(CR8_STORE_EXITING),
                       "primary.19 and 20 clear"))
            continue;
        start();
        vm_clear(CR8_LOAD_EXITING);
        vm_clear(CR8_STORE_EXITING);
        CODE(0x44, 0x0f, 0x20, 0xc1, 0x44, 0x0f, 0x22, 0xc2);
        WRITE_CR(8, 5);
        gpr[RDX] = 3;
        expect_passes(8);
        expect("CR8 that the guest reads", 5, gpr[RCX]);
        expect("CR8 that it leaves", 3, READ_CR(8));
        WRITE_CR(8, 0);
    }
}

/* ---- APIC-register virtualization ---- */

static bool read_virtualized(unsigned o)
{
    return o == 0x20 || o == 0x30 || o == 0x80 || o == 0xb0 || o == 0xd0 || o == 0xe0 || o == 0xf0 ||
           (o >= 0x100 && o <= 0x170) || (o >= 0x180 && o <= 0x1f0) || (o >= 0x200 && o <= 0x270) ||
           o == 0x280 || o == 0x300 || o == 0x310 || (o >= 0x320 && o <= 0x370) || o == 0x380 ||
           o == 0x3e0;
}
static bool write_virtualized(unsigned o)
{
    return o == 0x20 || o == 0x80 || o == 0xb0 || o == 0xd0 || o == 0xe0 || o == 0xf0 || o == 0x280 ||
           o == 0x300 || o == 0x310 || (o >= 0x320 && o <= 0x370) || o == 0x380 || o == 0x3e0;
}

static void registers(void)
{
    for (unsigned o = 0; o < 0x400; o += 0x10) {
        CASE("apic.register-read", "0x%x", o)
        {
            if (lacks(APIC_REGISTER_VIRTUALIZATION) || lacks(VIRTUALIZE_APIC_ACCESSES))
                continue;
            start();
            vm_set_valid(APIC_REGISTER_VIRTUALIZATION);
            vm_set(VIRTUALIZE_APIC_ACCESSES);
            CODE(0x8b, 0x08);
            gpr[RAX] += o;
            *dword_at(PAGE + o) = 0x12345678;
            if (!read_virtualized(o)) {
                expect_access(o, 0);
                continue;
            }
            expect_passes(2);
            expect("ECX", 0x12345678, gpr[RCX]);
        }
        CASE("apic.register-write", "0x%x", o)
        {
            if (lacks(APIC_REGISTER_VIRTUALIZATION) || lacks(VIRTUALIZE_APIC_ACCESSES))
                continue;
            start();
            vm_set_valid(APIC_REGISTER_VIRTUALIZATION);
            vm_set(VIRTUALIZE_APIC_ACCESSES);
            CODE(0x89, 0x08);
            gpr[RAX] += o;
            gpr[RCX] = 0x30;
            if (!write_virtualized(o)) {
                expect_access(o, 1);
            } else if (o == TPR || o == 0x310) {
                expect_passes(2);
            } else if (expect_exit(REASON_APIC_WRITE)) {
                expect_field(EXIT_QUALIFICATION, o);
                expect_field(GUEST_RIP, GUEST_CODE + 2);
                expect("register", 0x30, *dword_at(PAGE + o));
            }
        }
    }
}

/* ---- virtual-interrupt delivery ---- */

static void delivery_with(unsigned rvi, unsigned svi)
{
    start();
    vm_set_valid(VIRTUAL_INTERRUPT_DELIVERY);
    vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
    vmwrite(GUEST_INTERRUPT_STATUS, rvi | svi << 8);
    *dword_at(PAGE + IRR + rvi / 32 * 16) = 1u << rvi % 32;
}

static void delivery(void)
{
    static const uint8_t vectors[] = { 0x20, 0x31, 0x7f, 0xff };
    for (unsigned k = 0; k < COUNT(vectors); k++)
        CASE("apic.virtual-interrupt", "0x%x", vectors[k])
        {
            if (lacks(VIRTUAL_INTERRUPT_DELIVERY))
                continue;
            unsigned v = vectors[k];
            delivery_with(v, 0);
            if (!expect_exit(REASON_VMCALL))
                continue;
            expect_field(GUEST_RIP, guest_handler(v));
            expect_field(GUEST_INTERRUPT_STATUS, v << 8);
            expect("VISR", 1u << v % 32, *dword_at(PAGE + ISR + v / 32 * 16));
            expect("VIRR", 0, *dword_at(PAGE + IRR + v / 32 * 16));
            expect("VPPR", v & 0xf0, *dword_at(PAGE + PPR));
        }
}

static void delivery_held(void)
{
    CASE("apic.virtual-interrupt-priority", "tpr-masks")
    {
        if (lacks(VIRTUAL_INTERRUPT_DELIVERY))
            continue;
        delivery_with(0x51, 0);
        *dword_at(PAGE + TPR) = 0x50;
        expect_passes(0);
        expect("VPPR", 0x50, *dword_at(PAGE + PPR));
    }
    CASE("apic.virtual-interrupt-priority", "service-masks")
    {
        if (lacks(VIRTUAL_INTERRUPT_DELIVERY))
            continue;
        delivery_with(0x51, 0x5f);
        expect_passes(0);
        expect("VPPR", 0x50, *dword_at(PAGE + PPR));
    }
    CASE("apic.virtual-interrupt-blocked", "if-clear")
    {
        if (lacks(VIRTUAL_INTERRUPT_DELIVERY))
            continue;
        delivery_with(0x51, 0);
        vmwrite(GUEST_RFLAGS, 2);
        expect_passes(0);
    }
    CASE("apic.virtual-interrupt-blocked", "interrupt-window-exiting")
    {
        if (lacks(VIRTUAL_INTERRUPT_DELIVERY))
            continue;
        delivery_with(0x51, 0);
        vm_set(INTERRUPT_WINDOW_EXITING);
        expect_exit(REASON_INTERRUPT_WINDOW);
        expect_field(GUEST_INTERRUPT_STATUS, 0x51);
    }
}

static void end_of_interrupt(void)
{
    for (unsigned exits = 0; exits < 2; exits++)
        CASE("exit.virtualized-eoi", "bitmap-%u", exits)
        {
            if (lacks(VIRTUAL_INTERRUPT_DELIVERY) || lacks(VIRTUALIZE_APIC_ACCESSES))
                continue;
            start();
            vm_set_valid(VIRTUAL_INTERRUPT_DELIVERY);
            vm_set(VIRTUALIZE_APIC_ACCESSES);
            vmwrite(GUEST_INTERRUPT_STATUS, 0x61 << 8);
            *dword_at(PAGE + ISR + 0x30) = 1 << 1;
            *dword_at(PAGE + ISR + 0x10) = 1 << 5;           /* vector 25H */
            vmwrite(EOI_EXIT_BITMAP_1, exits ? BIT(0x61 - 64) : ~BIT(0x61 - 64));
            CODE(0x89, 0x08);
            gpr[RAX] += EOI;
            if (exits) {
                if (expect_exit(REASON_EOI)) {
                    expect_field(EXIT_QUALIFICATION, 0x61);
                    expect_field(GUEST_RIP, GUEST_CODE + 2);
                }
            } else {
                expect_passes(2);
            }
            expect_field(GUEST_INTERRUPT_STATUS, 0x25 << 8);
            expect("VISR", 0, *dword_at(PAGE + ISR + 0x30));
            expect("VPPR", 0x20, *dword_at(PAGE + PPR));
        }
    for (unsigned v = 0x15; v < 256; v += 0x24)
        CASE("exit.virtualized-eoi", "vector-0x%x", v)
        {
            if (lacks(VIRTUAL_INTERRUPT_DELIVERY) || lacks(VIRTUALIZE_APIC_ACCESSES))
                continue;
            start();
            vm_set_valid(VIRTUAL_INTERRUPT_DELIVERY);
            vm_set(VIRTUALIZE_APIC_ACCESSES);
            vmwrite(GUEST_INTERRUPT_STATUS, v << 8);
            *dword_at(PAGE + ISR + v / 32 * 16) = 1u << v % 32;
            vmwrite(EOI_EXIT_BITMAP_0 + 2 * (v / 64), BIT(v % 64));
            CODE(0x89, 0x08);
            gpr[RAX] += EOI;
            if (expect_exit(REASON_EOI))
                expect_field(EXIT_QUALIFICATION, v);
        }
}

static void self_ipis(void)
{
    for (unsigned v = 0; v < 256; v += 0x0f)
        CASE("apic.self-ipi", "0x%x", v)
        {
            if (lacks(VIRTUAL_INTERRUPT_DELIVERY) || lacks(VIRTUALIZE_APIC_ACCESSES))
                continue;
            start();
            vm_set_valid(VIRTUAL_INTERRUPT_DELIVERY);
            vm_set(VIRTUALIZE_APIC_ACCESSES);
            CODE(0x89, 0x08);
            gpr[RAX] += ICR;
            gpr[RCX] = 0x40000 | v;
            if (v < 16) {
                if (expect_exit(REASON_APIC_WRITE))
                    expect_field(EXIT_QUALIFICATION, ICR);
                continue;
            }
            expect_passes(2);
            expect_field(GUEST_INTERRUPT_STATUS, v);
            expect("VIRR", 1u << v % 32, *dword_at(PAGE + IRR + v / 32 * 16));
        }
}

/* ---- x2APIC mode ---- */

static void x2apic(void)
{
    for (unsigned index = 0x800; index < 0x840; index++)
        CASE("apic.x2apic-read", "0x%x", index)
        {
            if (lacks(VIRTUALIZE_X2APIC) || lacks(MSR_BITMAPS) ||
                lacks(APIC_REGISTER_VIRTUALIZATION))
                continue;
            start();
            vm_set_valid(VIRTUALIZE_X2APIC);
            vm_set(APIC_REGISTER_VIRTUALIZATION);
            vm_use_msr_bitmaps();
            *qword_at(PAGE + (index & 0xff) * 16) = UINT64_C(0x1122334455667788);
            gpr[RCX] = index;
            CODE(0x0f, 0x32);
            expect_passes(2);
            expect("EAX", 0x55667788, gpr[RAX]);
        }
}

static void x2apic_alone(void)
{
    /* without register virtualization, and without the control, these are the MSRs of a local APIC
     * in xAPIC mode, which do not exist */
    for (unsigned index = 0x800; index < 0x840; index++)
        CASE("apic.x2apic-not-virtualized", "read-0x%x", index)
        {
            if (lacks(VIRTUALIZE_X2APIC) || lacks(MSR_BITMAPS))
                continue;
            start();
            vm_set_valid(VIRTUALIZE_X2APIC);
            vm_use_msr_bitmaps();
            *dword_at(PAGE + TPR) = 0x47;
            gpr[RCX] = index;
            CODE(0x0f, 0x32);
            if (index != X2APIC_TPR) {
                expect_fault_at(EXC_GP);
                continue;
            }
            expect_passes(2);
            expect("EAX", 0x47, gpr[RAX]);
        }
    for (unsigned index = 0x800; index < 0x840; index++)
        CASE("apic.x2apic-not-virtualized", "write-0x%x", index)
        {
            if (lacks(VIRTUALIZE_X2APIC) || lacks(MSR_BITMAPS))
                continue;
            start();
            vm_set_valid(VIRTUALIZE_X2APIC);
            vm_use_msr_bitmaps();
            gpr[RCX] = index;
            gpr[RAX] = 0;
            CODE(0x0f, 0x30);
            if (index == X2APIC_TPR)
                expect_passes(2);
            else
                expect_fault_at(EXC_GP);
        }
    CASE("apic.x2apic-not-virtualized", "control-clear")
    {
        if (lacks(MSR_BITMAPS))
            continue;
        start();
        vm_use_msr_bitmaps();
        gpr[RCX] = X2APIC_TPR;
        CODE(0x0f, 0x32);
        expect_fault_at(EXC_GP);
    }
}

static void x2apic_tpr(void)
{
    CASE("apic.x2apic-tpr", "write")
    {
        if (lacks(VIRTUALIZE_X2APIC) || lacks(MSR_BITMAPS))
            continue;
        start();
        vm_set_valid(VIRTUALIZE_X2APIC);
        vm_use_msr_bitmaps();
        gpr[RCX] = X2APIC_TPR;
        gpr[RAX] = 0x5a;
        gpr[RDX] = 0;
        CODE(0x0f, 0x30);
        expect_passes(2);
        expect("VTPR", 0x5a, *dword_at(PAGE + TPR));
    }
    CASE("apic.x2apic-tpr", "reserved-bits")
    {
        if (lacks(VIRTUALIZE_X2APIC) || lacks(MSR_BITMAPS))
            continue;
        start();
        vm_set_valid(VIRTUALIZE_X2APIC);
        vm_use_msr_bitmaps();
        gpr[RCX] = X2APIC_TPR;
        gpr[RAX] = 0x100;
        CODE(0x0f, 0x30);
        expect_fault_at(EXC_GP);
    }
}

void area_apic(void)
{
    tpr_shadow();
    access_page();
    access_page_by_others();
    wide_accesses();
    physical_accesses();
    registers();
    delivery();
    delivery_held();
    end_of_interrupt();
    self_ipis();
    x2apic();
    x2apic_alone();
    x2apic_tpr();
}
