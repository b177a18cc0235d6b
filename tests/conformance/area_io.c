// SPDX-License-Identifier: Apache-2.0
// I/O instructions and RDMSR, WRMSR with their bitmaps (SDM vol. 3, "Instructions That Cause VM Exits
// Conditionally", "Exit Qualification for I/O Instructions").
#include "areas.h"
#include "exits.h"

enum { PORT = 0x5678, IN = 1 << 3, STRING = 1 << 4, REP = 1 << 5, IMMEDIATE = 1 << 6 };

static uint64_t io_qualification(unsigned size, unsigned port, unsigned flags)
{
    return (size - 1) | flags | (uint64_t)port << 16;
}

static void at(enum mode m, enum control how)
{
    vm_reset(m);
    zero((void *)byte_at(GUEST_IO_BITMAPS), 0x2000);
    vm_set(how);
    if (how == IO_BITMAPS)
        for (unsigned k = 0; k < 0x2000; k++)
            *byte_at(GUEST_IO_BITMAPS + k) = 0xff;
    gpr[RDX] = PORT;
    gpr[RCX] = 3;
    gpr[RSI] = gpr[RDI] = GUEST_DATA;
}

/* ---- operands ---- */

static const struct io_row { const char *name; uint8_t bytes[5], length, size, flags; } io_rows[] = {
    { "in-byte-dx", { 0xec }, 1, 1, IN }, { "in-word-dx", { 0x66, 0xed }, 2, 2, IN },
    { "in-dword-dx", { 0xed }, 1, 4, IN }, { "out-byte-dx", { 0xee }, 1, 1, 0 },
    { "out-word-dx", { 0x66, 0xef }, 2, 2, 0 }, { "out-dword-dx", { 0xef }, 1, 4, 0 },
    { "in-byte-immediate", { 0xe4, 0x71 }, 2, 1, IN | IMMEDIATE },
    { "in-word-immediate", { 0x66, 0xe5, 0x71 }, 3, 2, IN | IMMEDIATE },
    { "in-dword-immediate", { 0xe5, 0x71 }, 2, 4, IN | IMMEDIATE },
    { "out-byte-immediate", { 0xe6, 0x71 }, 2, 1, IMMEDIATE },
    { "out-word-immediate", { 0x66, 0xe7, 0x71 }, 3, 2, IMMEDIATE },
    { "out-dword-immediate", { 0xe7, 0x71 }, 2, 4, IMMEDIATE },
    { "ins-byte", { 0x6c }, 1, 1, IN | STRING }, { "ins-word", { 0x66, 0x6d }, 2, 2, IN | STRING },
    { "ins-dword", { 0x6d }, 1, 4, IN | STRING }, { "outs-byte", { 0x6e }, 1, 1, STRING },
    { "outs-word", { 0x66, 0x6f }, 2, 2, STRING }, { "outs-dword", { 0x6f }, 1, 4, STRING },
    { "rep-ins-byte", { 0xf3, 0x6c }, 2, 1, IN | STRING | REP },
    { "rep-ins-dword", { 0xf3, 0x6d }, 2, 4, IN | STRING | REP },
    { "rep-outs-byte", { 0xf3, 0x6e }, 2, 1, STRING | REP },
    { "rep-outs-word", { 0x66, 0xf3, 0x6f }, 3, 2, STRING | REP },
    { "repne-outs-byte", { 0xf2, 0x6e }, 2, 1, STRING | REP },
};

static void operands(const struct io_row *r, enum control how)
{
    const char *rule = how == IO_BITMAPS ? "exit.io-bitmap" : "exit.io-unconditional";
    unsigned port = r->flags & IMMEDIATE ? 0x71 : PORT;
    for (enum mode m = MODE_64; m <= MODE_PAE; m++)
        CASE(rule, "%s-%s", r->name, mode_name(m))
        {
            if (lacks(how))
                continue;
            at(m, how);
            guest_code(r->bytes, r->length);
            expect_instruction(REASON_IO, io_qualification(r->size, port, r->flags), r->length);
            if (r->flags & STRING)
                expect_field(GUEST_LINEAR_ADDRESS, GUEST_DATA);
        }
}

/* IA32_VMX_BASIC[54]: bits 9:7 are the address size, 17:15 the segment of OUTS. */
static void string_information(void)
{
    static const struct { uint8_t prefix; const char *name; unsigned segment; } segments[] = {
        { 0x26, "es", 0 }, { 0x2e, "cs", 1 }, { 0x36, "ss", 2 }, { 0x3e, "ds", 3 }, { 0x64, "fs", 4 },
        { 0x65, "gs", 5 },
    };
    for (unsigned k = 0; k < COUNT(segments); k++)
        for (unsigned narrow = 0; narrow < 2; narrow++)
            CASE("information.outs", "%s-address-%u", segments[k].name, narrow ? 16 : 32)
            {
                if (lacks_that(cap.basic & BIT(54), "basic.54:ins-outs-information") ||
                    lacks(UNCONDITIONAL_IO_EXITING))
                    continue;
                at(MODE_32, UNCONDITIONAL_IO_EXITING);
                vmwrite(GUEST_ES_BASE + 2 * segments[k].segment,
                        segments[k].segment == 1 ? 0 : 0x40000);
                if (narrow)
                    CODE(segments[k].prefix, 0x67, 0x6e);
                else
                    CODE(segments[k].prefix, 0x6e);
                if (!expect_exit(REASON_IO))
                    continue;
                expect("address size and segment", (narrow ? 0 : 1 << 7) | segments[k].segment << 15,
                       vmread(EXIT_INSTRUCTION_INFORMATION) & 0x38380);
                expect_field(GUEST_LINEAR_ADDRESS,
                             (segments[k].segment == 1 ? 0 : 0x40000) +
                                 (narrow ? GUEST_DATA & 0xffff : GUEST_DATA));
            }
    CASE("information.ins", "address-64")
    {
        if (lacks_that(cap.basic & BIT(54), "basic.54:ins-outs-information") ||
            lacks(UNCONDITIONAL_IO_EXITING))
            continue;
        at(MODE_64, UNCONDITIONAL_IO_EXITING);
        CODE(0x6c);
        if (expect_exit(REASON_IO))
            expect("address size", 2 << 7, vmread(EXIT_INSTRUCTION_INFORMATION) & 0x380);
    }
}

/* ---- the bitmaps ---- */

static void one_port(unsigned port, unsigned size, unsigned set)
{
    static const uint8_t codes[5] = { 0, 0xec, 0xed, 0, 0xed };
    bool hit = set >= port && set < port + size;
    bool wraps = port + size > 0x10000;
    CASE("exit.io-bitmap-bit", "port-0x%x-size-%u-bit-0x%x", port, size, set)
    {
        if (lacks(IO_BITMAPS))
            continue;
        at(MODE_64, IO_BITMAPS);
        zero((void *)byte_at(GUEST_IO_BITMAPS), 0x2000);
        *byte_at(GUEST_IO_BITMAPS + set / 8) = (uint8_t)(1 << set % 8);
        gpr[RDX] = port;
        if (size == 2)
            CODE(0x66, codes[size]);
        else
            CODE(codes[size]);
        if (hit || wraps)
            expect_instruction(REASON_IO, io_qualification(size, port, IN), size == 2 ? 2 : 1);
        else
            expect_passes(size == 2 ? 2 : 1);
    }
}

static void bitmaps(void)
{
    static const uint16_t ports[] = { 0x80, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xed00, 0xfff8 };
    for (unsigned k = 0; k < COUNT(ports); k++)
        for (unsigned size = 1; size <= 4; size *= 2)
            for (unsigned near = 0; near <= size + 1; near++)
                one_port(ports[k], size, ports[k] - 1 + near);
    one_port(0xffff, 2, 0x1234);
    one_port(0xfffe, 4, 0x1234);
    one_port(0xfffd, 4, 0x1234);
    CASE("exit.io-bitmap-over-unconditional", "bitmap-clear")
    {
        if (lacks(IO_BITMAPS) || lacks(UNCONDITIONAL_IO_EXITING))
            continue;
        at(MODE_64, UNCONDITIONAL_IO_EXITING);
        vm_set(IO_BITMAPS);
        gpr[RDX] = 0x80;
        CODE(0xec);
        expect_passes(1);
    }
    CASE("no-exit.io", "out")
    {
        if (lacks_that(can_clear(UNCONDITIONAL_IO_EXITING), "primary.24 clear"))
            continue;
        vm_reset(MODE_64);
        gpr[RDX] = 0x80;
        CODE(0xee);
        expect_passes(1);
    }
    CASE("priority.io-permission", "cpl-3")
    {
        if (lacks(UNCONDITIONAL_IO_EXITING))
            continue;
        at(MODE_64, UNCONDITIONAL_IO_EXITING);
        CODE(0xec);
        vm_user();
        expect_fault_at(EXC_GP);
    }
}

/* ---- MSRs ---- */

static void msr(bool write, uint32_t index, bool set)
{
    bool low = index < 0x2000, high = index >= 0xc0000000 && index < 0xc0002000;
    unsigned bit = (write ? 0x4000 : 0) + (high ? 0x2000 : 0) + (index & 0x1fff);
    CASE(write ? "exit.wrmsr-bitmap" : "exit.rdmsr-bitmap", "0x%x-bit-%u", index, set)
    {
        if (lacks(MSR_BITMAPS))
            continue;
        vm_reset(MODE_64);
        vm_set(MSR_BITMAPS);
        for (unsigned k = 0; k < 0x1000; k++)
            *byte_at(GUEST_MSR_BITMAP + k) = set ? 0 : 0xff;
        *byte_at(GUEST_MSR_BITMAP + bit / 8) ^= (uint8_t)(1 << bit % 8);
        gpr[RCX] = index;
        if (write)
            CODE(0x0f, 0x30);
        else
            CODE(0x0f, 0x32);
        if (set || !(low || high)) {
            expect_instruction(write ? REASON_WRMSR : REASON_RDMSR, 0, 2);
        } else if (vm_enter() == VM_EXITED) {            /* it may exist, or #GP */
            uint64_t reason = vmread(EXIT_REASON);
            expect("no RDMSR or WRMSR exit", 1,
                   reason == REASON_VMCALL || reason == REASON_EXCEPTION);
        }
    }
}

static void msrs(void)
{
    static const uint32_t indices[] = { 0, 1, 0x10, 0x174, 0x1fff, 0x2000, 0x10000, 0x40000000,
                                        0xbfffffff, 0xc0000000, 0xc0000082, 0xc0000102, 0xc0001fff,
                                        0xc0002000, 0xffffffff };
    for (unsigned k = 0; k < COUNT(indices); k++)
        for (unsigned set = 0; set < 2; set++) {
            msr(false, indices[k], set);
            msr(true, indices[k], set);
        }
    CASE("no-exit.msr", "write-and-read")
    {
        if (lacks(MSR_BITMAPS))
            continue;
        vm_reset(MODE_64);
        zero((void *)byte_at(GUEST_MSR_BITMAP), 0x1000);
        vm_set(MSR_BITMAPS);
        CODE(0x0f, 0x30, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x32);
        gpr[RCX] = IA32_KERNEL_GS_BASE;
        gpr[RAX] = 0x12345678;
        gpr[RDX] = 0x7fff;
        expect_passes(8);
        expect("EAX", 0x12345678, gpr[RAX]);
        expect("EDX", 0x7fff, gpr[RDX]);
        expect("MSR", 0x7fff12345678, rdmsr(IA32_KERNEL_GS_BASE));
        wrmsr(IA32_KERNEL_GS_BASE, 0);
    }
}

void area_io(void)
{
    for (unsigned k = 0; k < COUNT(io_rows); k++) {
        operands(&io_rows[k], UNCONDITIONAL_IO_EXITING);
        operands(&io_rows[k], IO_BITMAPS);
    }
    string_information();
    bitmaps();
    msrs();
}
