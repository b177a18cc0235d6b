// SPDX-License-Identifier: Apache-2.0
// Guests in real-address mode, virtual-8086 mode and 16-bit segments; triple faults (SDM vol. 3,
// "Unrestricted Guests", "8086 Emulation", "Exceptions and Interrupts").
#include "areas.h"
#include "exits.h"

enum { IOPL3 = 3 << 12, VALID_ERROR = 1 << 11 };

static void expect_vectoring_invalid(void)
{
    expect("vectoring valid", 0, vmread(IDT_VECTORING) >> 31);
}

/* ---- virtual-8086 mode ---- */

static void v86(void)
{
    for (unsigned v = 0x20; v < 256; v += 0x25)
        CASE("v86.int", "0x%x", v)
        {
            vm_reset(MODE_V86);
            vmwrite(GUEST_RFLAGS, 2 | FLAG_VM | IOPL3);
            qword_at(GUEST_IDT32)[v] |= UINT64_C(3) << 45;
            CODE(0xcd, v);
            bool exited = expect_exit(REASON_VMCALL);
            qword_at(GUEST_IDT32)[v] &= ~(UINT64_C(3) << 45);
            if (!exited)
                continue;
            volatile uint32_t *frame = dword_at(GUEST_KERNEL_STACK - 36);
            expect_field(GUEST_RIP, guest_handler(v));
            expect_field(GUEST_CS_SELECTOR, SEL_CODE32);
            expect_field(GUEST_RSP, GUEST_KERNEL_STACK - 36);
            expect("VM", 0, vmread(GUEST_RFLAGS) & FLAG_VM);
            expect_field(GUEST_DS_SELECTOR, 0);
            expect("DS unusable", 1, vmread(GUEST_DS_ACCESS_RIGHTS) >> 16 & 1);
            expect("EIP", 2, frame[0]);
            expect("CS", GUEST_CODE / 16, frame[1] & 0xffff);
            expect("EFLAGS", 2 | FLAG_VM | IOPL3, frame[2]);
            expect("ESP", GUEST_STACK_TOP - GUEST_CODE, frame[3]);
            expect("SS", GUEST_CODE / 16, frame[4] & 0xffff);
            expect("ES", GUEST_CODE / 16, frame[5] & 0xffff);
            expect("DS", GUEST_CODE / 16, frame[6] & 0xffff);
            expect("FS", GUEST_CODE / 16, frame[7] & 0xffff);
            expect("GS", GUEST_CODE / 16, frame[8] & 0xffff);
        }
}

static void v86_faults(void)
{
    static const struct { const char *name; uint8_t bytes[3], n; } sensitive[] = {
        { "int", { 0xcd, 0x21 }, 2 }, { "cli", { 0xfa }, 1 }, { "sti", { 0xfb }, 1 },
        { "pushf", { 0x9c }, 1 }, { "popf", { 0x9d }, 1 }, { "iret", { 0xcf }, 1 },
    };
    for (unsigned k = 0; k < COUNT(sensitive); k++)
        for (unsigned iopl = 0; iopl < 3; iopl++)
            CASE("v86.iopl", "%s-iopl-%u", sensitive[k].name, iopl)
            {
                vm_reset(MODE_V86);
                vmwrite(GUEST_RFLAGS, 2 | FLAG_VM | iopl << 12);
                guest_code(sensitive[k].bytes, sensitive[k].n);
                if (!expect_exception(EXC_GP))
                    continue;
                expect_field(EXIT_ERROR_CODE, 0);
                expect_field(GUEST_RIP, 0);
                expect_vectoring_invalid();
            }
    static const struct { const char *name; uint8_t bytes[3], n; } privileged[] = {
        { "hlt", { 0xf4 }, 1 }, { "mov-from-cr0", { 0x0f, 0x20, 0xc0 }, 3 },
        { "mov-to-cr3", { 0x0f, 0x22, 0xd8 }, 3 }, { "clts", { 0x0f, 0x06 }, 2 },
        { "rdmsr", { 0x0f, 0x32 }, 2 }, { "invd", { 0x0f, 0x08 }, 2 },
    };
    for (unsigned k = 0; k < COUNT(privileged); k++)
        CASE("v86.privilege", "%s", privileged[k].name)
        {
            vm_reset(MODE_V86);
            vmwrite(GUEST_RFLAGS, 2 | FLAG_VM | IOPL3);
            guest_code(privileged[k].bytes, privileged[k].n);
            if (expect_exception(EXC_GP))
                expect_field(EXIT_ERROR_CODE, 0);
        }
}

/* ---- real-address mode ---- */

static void real(void)
{
    for (unsigned v = 0; v < 256; v += 0x0f)
        CASE("real.int", "0x%x", v)
        {
            if (lacks_mode(MODE_REAL))
                continue;
            vm_reset(MODE_REAL);
            vmwrite(GUEST_RFLAGS, 2 | FLAG_IF | FLAG_CF);
            CODE(0xcd, v);
            if (!expect_exit(REASON_VMCALL))
                continue;
            uint64_t sp = GUEST_CODE + vmread(GUEST_RSP);
            expect_field(GUEST_RIP, guest_handler(v) - GUEST_CODE);
            expect_field(GUEST_RFLAGS, 2 | FLAG_CF);
            expect("IP", 2, *word_at(sp));
            expect("CS", GUEST_CODE / 16, *word_at(sp + 2));
            expect("FLAGS", 2 | FLAG_IF | FLAG_CF, *word_at(sp + 4));
        }
    static const struct { const char *name; uint8_t bytes[4], n, vector; } faults[] = {
        { "segment-limit", { 0x8b, 0x07 }, 2, EXC_GP },
        { "stack-limit", { 0x8b, 0x46, 0x00 }, 3, EXC_SS },
        { "undefined", { 0x0f, 0x0b }, 2, EXC_UD }, { "divide", { 0xf6, 0xf1 }, 2, EXC_DE },
        { "long-instruction", { 0x0f, 0x00, 0xd8 }, 3, EXC_UD },
    };
    for (unsigned k = 0; k < COUNT(faults); k++)
        CASE("real.exception", "%s", faults[k].name)
        {
            if (lacks_mode(MODE_REAL))
                continue;
            vm_reset(MODE_REAL);
            guest_code(faults[k].bytes, faults[k].n);
            gpr[RBX] = gpr[RBP] = 0xffff;
            if (!expect_exception(faults[k].vector))
                continue;
            expect("error code valid", 0, vmread(EXIT_INTERRUPTION) & VALID_ERROR);
            expect_field(GUEST_RIP, 0);
        }
}

static void real_leaves(void)
{
    CASE("real.protected", "lmsw-and-far-jump")
    {
        if (lacks_mode(MODE_REAL))
            continue;
        vm_reset(MODE_REAL);
        vmwrite(CR0_GUEST_HOST_MASK, 0);
        CODE(0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, 0x66, 0xea, 0x10, 0x00, 0x01, 0x00,
             SEL_CODE32, 0x00);
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_RIP, GUEST_CODE + 16);
        expect_field(GUEST_CS_SELECTOR, SEL_CODE32);
        expect_field(GUEST_CS_ACCESS_RIGHTS, 0xc09b);
        expect_field(GUEST_CS_BASE, 0);
        expect("PE", 1, vmread(GUEST_CR0) & CR0_PE);
    }
    CASE("real.long-mode", "paging-and-lme")
    {
        if (lacks_mode(MODE_FLAT) || lacks(ENTRY_LOAD_EFER))
            continue;
        vm_reset(MODE_FLAT);
        vm_set(ENTRY_LOAD_EFER);
        vmwrite(GUEST_EFER, EFER_LME);
        vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_PAE);
        vmwrite(GUEST_CR3, GUEST_PML4);
        CODE(0x0f, 0x22, 0xc0);
        gpr[RAX] = vmread(GUEST_CR0) | CR0_PG;
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect("PG", 1, vmread(GUEST_CR0) >> 31 & 1);
        expect("IA-32e mode guest", 1, vmread(ENTRY_CONTROLS) >> 9 & 1);
    }
}

/* ---- 16-bit segments ---- */

static void sixteen(void)
{
    static const enum mode modes[] = { MODE_16, MODE_V86, MODE_REAL };
    for (unsigned k = 0; k < COUNT(modes); k++) {
        enum mode m = modes[k];
        CASE("guest-16.stack", "%s-push", mode_name(m))
        {
            if (lacks_mode(m))
                continue;
            vm_reset(m);
            CODE(0x50);
            gpr[RAX] = 0x1234;
            expect_exit(REASON_VMCALL);
            expect_field(GUEST_RSP, (GUEST_STACK_TOP - GUEST_CODE - 2) & 0xffff);
            expect("memory", 0x1234, *word_at(GUEST_STACK_TOP - 2));
        }
        CASE("guest-16.stack", "%s-wraps", mode_name(m))
        {
            if (lacks_mode(m))
                continue;
            vm_reset(m);
            CODE(0x50);
            vmwrite(GUEST_RSP, m == MODE_16 ? 0xffff0000 : 0);
            uint16_t before = *word_at(GUEST_CODE + 0xfffe);
            expect_exit(REASON_VMCALL);
            expect_field(GUEST_RSP, m == MODE_16 ? 0xfffffffe : 0xfffe);
            *word_at(GUEST_CODE + 0xfffe) = before;
        }
        CASE("guest-16.operand-size", "%s-prefix", mode_name(m))
        {
            if (lacks_mode(m))
                continue;
            vm_reset(m);
            CODE(0x66, 0xb8, 0x78, 0x56, 0x34, 0x12, 0xbb, 0xbc, 0x9a);
            gpr[RBX] = 0x11112222;
            expect_exit(REASON_VMCALL);
            expect("EAX", 0x12345678, gpr[RAX]);
            expect("EBX", 0x11119abc, gpr[RBX]);
            expect("EIP", 9, vmread(GUEST_RIP));
        }
        CASE("guest-16.far-jump", "%s", mode_name(m))
        {
            if (lacks_mode(m) || lacks_that(m != MODE_16, "a segment of its own"))
                continue;
            vm_reset(m);
            CODE(0xea, 0x05, 0x00, GUEST_CODE / 16 & 0xff, GUEST_CODE >> 12);
            if (!expect_exit(REASON_VMCALL))
                continue;
            expect_field(GUEST_CS_SELECTOR, GUEST_CODE / 16);
            expect_field(GUEST_CS_BASE, GUEST_CODE);
            expect_field(GUEST_RIP, 5);
        }
    }
}

/* ---- triple faults ---- */

static void triple_faults(void)
{
    for (enum mode m = MODE_64; m < MODES; m++)
        CASE("exit.triple-fault", "%s", mode_name(m))
        {
            if (lacks_mode(m))
                continue;
            vm_reset(m);
            CODE(0x0f, 0x0b);
            vmwrite(EXCEPTION_BITMAP, 0);
            vmwrite(GUEST_IDTR_LIMIT, 0);
            uint64_t rip = vmread(GUEST_RIP), rsp = vmread(GUEST_RSP);
            if (!expect_exit(REASON_TRIPLE_FAULT))
                continue;
            expect_field(EXIT_QUALIFICATION, 0);
            expect_field(GUEST_RIP, rip);
            expect_field(GUEST_RSP, rsp);
            expect_field(GUEST_ACTIVITY_STATE, 0);
            expect("event valid", 0, vmread(EXIT_INTERRUPTION) >> 31);
            expect_vectoring_invalid();
        }
}

void area_guests(void)
{
    v86();
    v86_faults();
    real();
    real_leaves();
    sixteen();
    triple_faults();
}
