// SPDX-License-Identifier: Apache-2.0
// Controls of later processors: XSAVES and XRSTORS, PAUSE loops, bus locks, shadow stacks, the
// virtual APIC timer (SDM vol. 3, "Instructions That Cause VM Exits Conditionally", "Other
// Causes of VM Exits", "Virtualizing the APIC Timer").
#include "areas.h"
#include "exits.h"

/* ---- XSAVES and XRSTORS ---- */

enum { XSAVE_LEAF = 0xd, XSAVES_THERE = 1 << 3, AREA_SIZE = 4096 };

static uint32_t supervisor_states(void)
{
    if (!(cap.leaf1.c & BIT(26)) || !(cpuid(XSAVE_LEAF, 1).a & XSAVES_THERE))
        return 0;
    return cpuid(XSAVE_LEAF, 1).c;
}

/* The guest executes one of them with these values of IA32_XSS, the bitmap and EDX:EAX. */
static bool state_instruction(bool restores, uint64_t xss, uint64_t bitmap, uint64_t mask)
{
    if (lacks(XSAVES) || lacks_that((supervisor_states() & xss) == xss, "this bit of IA32_XSS"))
        return false;
    vm_reset(MODE_64);
    vm_set(XSAVES);
    vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_OSXSAVE);
    vmwrite(XSS_EXITING_BITMAP, bitmap);
    wrmsr(IA32_XSS, xss);
    zero((void *)qword_at(GUEST_SCRATCH), AREA_SIZE);
    gpr[RAX] = (uint32_t)mask;
    gpr[RDX] = mask >> 32;
    gpr[RBX] = GUEST_SCRATCH;
    CODE(0x0f, 0xc7, restores ? 0x1b : 0x2b);
    return true;
}

static void state_exits(void)
{
    for (unsigned restores = 0; restores < 2; restores++) {
        const char *rule = restores ? "exit.xrstors" : "exit.xsaves";
        unsigned reason = restores ? REASON_XRSTORS : REASON_XSAVES;
        for (unsigned bit = 8; bit < 16; bit++)
            CASE(rule, "state-%u", bit)
            {
                if (!state_instruction(restores, BIT(bit), BIT(bit), BIT(bit)))
                    continue;
                expect_instruction(reason, 0, 3);
                wrmsr(IA32_XSS, 0);
            }
        CASE(rule, "displacement")
        {
            uint32_t all = supervisor_states();
            if (lacks_that(all, "a supervisor state") ||
                !state_instruction(restores, all, all, all))
                continue;
            CODE(0x0f, 0xc7, restores ? 0x5b : 0x6b, 0x40);
            expect_instruction(reason, 0x40, 4);
            /* base RBX, no index, segment DS, 64-bit addresses */
            expect("operand", 3 << 23 | 1 << 22 | 3 << 15 | 2 << 7,
                   vmread(EXIT_INSTRUCTION_INFORMATION) & 0x0fc38380);
            wrmsr(IA32_XSS, 0);
        }
        CASE(rule, "undefined")
        {
            if (!state_instruction(restores, 0, 0, 0))
                continue;
            vm_clear(XSAVES);
            expect_fault_at(EXC_UD);
        }
        CASE(rule, "user")
        {
            uint32_t all = supervisor_states();
            if (lacks_that(all, "a supervisor state") ||
                !state_instruction(restores, all, all, all))
                continue;
            vm_user();
            expect_fault_at(EXC_GP);
            wrmsr(IA32_XSS, 0);
        }
    }
    static const char *const names[] = { "bitmap-clear", "xss-clear", "mask-clear" };
    for (unsigned k = 0; k < COUNT(names); k++)
        CASE("no-exit.xsaves", "%s", names[k])
        {
            uint32_t all = supervisor_states();
            if (lacks_that(all, "a supervisor state") ||
                !state_instruction(false, k == 1 ? 0 : all, k == 0 ? 0 : all, k == 2 ? 0 : all))
                continue;
            expect_passes(3);
            wrmsr(IA32_XSS, 0);
        }
}

/* ---- PAUSE loops ---- */

static bool pauses(uint32_t gap, uint32_t window)
{
    if (lacks(PAUSE_LOOP_EXITING) || lacks_that(can_clear(PAUSE_EXITING), "primary.30 clear"))
        return false;
    vm_reset(MODE_64);
    vm_set(PAUSE_LOOP_EXITING);
    vmwrite(PLE_GAP, gap);
    vmwrite(PLE_WINDOW, window);
    CODE(0xf3, 0x90, 0x90, 0x90, 0x90, 0xf3, 0x90, 0x90, 0x90, 0x90, 0xf3, 0x90);
    return true;
}

static void pause_loops(void)
{
    CASE("exit.pause-loop", "window-0")
    {
        if (!pauses(0xffffffff, 0))
            continue;
        vmwrite(GUEST_RIP, GUEST_CODE);
        if (expect_exit(REASON_PAUSE)) {
            expect_field(GUEST_RIP, GUEST_CODE + 5);
            expect_field(EXIT_QUALIFICATION, 0);
            expect_field(EXIT_INSTRUCTION_LENGTH, 2);
        }
    }
    CASE("exit.pause-loop", "first-pause-starts")
    {
        if (!pauses(0xffffffff, 0))
            continue;
        CODE(0xf3, 0x90);
        expect_passes(2);
    }
    CASE("no-exit.pause-loop", "window-large")
    {
        if (pauses(0xffffffff, 0xffffffff))
            expect_passes(12);
    }
    CASE("no-exit.pause-loop", "gap-0")
    {
        if (pauses(0, 0))
            expect_passes(12);
    }
    CASE("no-exit.pause-loop", "user")
    {
        if (!pauses(0xffffffff, 0))
            continue;
        vm_user();
        expect_passes(12);
    }
}

/* ---- bus locks ---- */

enum { SPLIT = GUEST_DATA + 62, WHOLE = GUEST_DATA + 60 };
#define AFTER_BUS_LOCK BIT(26)

static void bus_lock_case(const char *name, uint64_t address, const uint8_t bytes[4], unsigned n,
                          bool control, bool exits)
{
    CASE(exits ? "exit.bus-lock" : "no-exit.bus-lock", "%s", name)
    {
        if (lacks(BUS_LOCK_DETECTION))
            continue;
        vm_reset(MODE_64);
        if (control)
            vm_set(BUS_LOCK_DETECTION);
        guest_code(bytes, n);
        gpr[RAX] = address;
        gpr[RCX] = 0x11223344;
        if (!exits) {
            expect_passes(n);
        } else if (expect_exit(REASON_BUS_LOCK | AFTER_BUS_LOCK)) {
            expect_field(GUEST_RIP, GUEST_CODE + n);
            expect_field(EXIT_QUALIFICATION, 0);
        }
        expect("memory", 0x11223344, *(volatile uint32_t *)address);
    }
}

static void bus_locks(void)
{
    static const uint8_t add[4] = { 0xf0, 0x01, 0x08 }, xchg[4] = { 0x87, 0x08 },
                         or[4] = { 0xf0, 0x09, 0x08 }, plain[4] = { 0x01, 0x08 };
    bus_lock_case("lock-add", SPLIT, add, 3, true, true);
    bus_lock_case("lock-or", SPLIT, or, 3, true, true);
    bus_lock_case("xchg", SPLIT, xchg, 2, true, true);
    bus_lock_case("within-a-line", WHOLE, add, 3, true, false);
    bus_lock_case("no-lock", SPLIT, plain, 2, true, false);
    bus_lock_case("control-clear", SPLIT, add, 3, false, false);
}

/* ---- shadow stacks ---- */

enum { SH_STK_EN = 1, WR_SHSTK_EN = 2, ENDBR_EN = 4 };

static bool shadow_stack(uint64_t s_cet)
{
    if (lacks(ENTRY_LOAD_CET) || lacks(EXIT_LOAD_CET))
        return false;
    vm_reset(MODE_64);
    vm_set(ENTRY_LOAD_CET);
    vm_set(EXIT_LOAD_CET);
    vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_CET);
    vmwrite(GUEST_S_CET, s_cet);
    vmwrite(GUEST_SSP, GUEST_DATA + 0x800);
    /* pages of shadow stacks are not writable and dirty */
    *guest_pte(GUEST_DATA) = GUEST_DATA | 0x61;
    return true;
}

static void control_flow(void)
{
    CASE("cet.shadow-stack", "call")
    {
        if (!shadow_stack(SH_STK_EN))
            continue;
        CODE(0xe8, 1, 0, 0, 0, 0x90);
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_SSP, GUEST_DATA + 0x7f8);
        expect("shadow stack", GUEST_CODE + 5, *qword_at(GUEST_DATA + 0x7f8));
    }
    CASE("cet.shadow-stack", "call-of-the-next-instruction")
    {
        if (!shadow_stack(SH_STK_EN))
            continue;
        CODE(0xe8, 0, 0, 0, 0);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_SSP, GUEST_DATA + 0x800);
    }
    CASE("cet.shadow-stack", "return")
    {
        if (!shadow_stack(SH_STK_EN))
            continue;
        CODE(0xc3);
        *qword_at(GUEST_STACK_TOP - 8) = GUEST_CODE + 1;
        *qword_at(GUEST_DATA + 0x800) = GUEST_CODE + 1;
        vmwrite(GUEST_RSP, GUEST_STACK_TOP - 8);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_SSP, GUEST_DATA + 0x808);
    }
}

static void control_protection(void)
{
    CASE("cet.exception", "return-differs")
    {
        if (!shadow_stack(SH_STK_EN))
            continue;
        CODE(0xc3);
        *qword_at(GUEST_STACK_TOP - 8) = GUEST_CODE + 1;
        vmwrite(GUEST_RSP, GUEST_STACK_TOP - 8);
        if (expect_exception(EXC_CP))
            expect_field(EXIT_ERROR_CODE, 1);
    }
    CASE("cet.exception", "branch-without-endbr")
    {
        if (!shadow_stack(ENDBR_EN))
            continue;
        CODE(0xff, 0xe0);
        gpr[RAX] = GUEST_CODE + 2;
        if (!expect_exception(EXC_CP))
            continue;
        expect_field(EXIT_ERROR_CODE, 3);
        expect_field(GUEST_RIP, GUEST_CODE + 2);
    }
    CASE("cet.exception", "branch-to-endbr")
    {
        if (!shadow_stack(ENDBR_EN))
            continue;
        CODE(0xff, 0xe0, 0xf3, 0x0f, 0x1e, 0xfa);
        gpr[RAX] = GUEST_CODE + 2;
        expect_passes(6);
    }
    CASE("cet.off", "cr4-clear")
    {
        if (!shadow_stack(SH_STK_EN))
            continue;
        vmwrite(GUEST_CR4, vmread(GUEST_CR4) & ~CR4_CET);
        CODE(0xe8, 1, 0, 0, 0, 0x90);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_SSP, GUEST_DATA + 0x800);
    }
}

/* ---- the virtual APIC timer ---- */

enum { TSC_DEADLINE = 0x6e0, TIMER_VECTOR = 0x61 };

static bool virtual_timer(void)
{
    if (lacks(APIC_TIMER_VIRTUALIZATION) || lacks(MSR_BITMAPS))
        return false;
    vm_reset(MODE_64);
    zero((void *)qword_at(GUEST_VIRTUAL_APIC), 4096);
    vm_set_valid(APIC_TIMER_VIRTUALIZATION);
    vm_use_msr_bitmaps();
    vmwrite(VIRTUAL_TIMER_VECTOR, TIMER_VECTOR);
    vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
    gpr[RCX] = TSC_DEADLINE;
    return true;
}

static void timer_accesses(void)
{
    CASE("apic-timer.read", "shadow")
    {
        if (!virtual_timer())
            continue;
        vmwrite(GUEST_DEADLINE_SHADOW, UINT64_C(0x123456789abcdef0));
        CODE(0x0f, 0x32);
        expect_passes(2);
        expect("MSR", UINT64_C(0x123456789abcdef0), gpr[RAX] | gpr[RDX] << 32);
    }
    CASE("apic-timer.write", "far")
    {
        if (!virtual_timer())
            continue;
        gpr[RAX] = 0x11223344;
        gpr[RDX] = 0x70000000;
        CODE(0x0f, 0x30);
        expect_passes(2);
        expect_field(GUEST_DEADLINE_SHADOW, UINT64_C(0x7000000011223344));
        expect_field(GUEST_DEADLINE, UINT64_C(0x7000000011223344));
    }
    CASE("apic-timer.write", "zero")
    {
        if (!virtual_timer())
            continue;
        vmwrite(GUEST_DEADLINE, UINT64_C(0x7000000000000000));
        vmwrite(GUEST_DEADLINE_SHADOW, UINT64_C(0x7000000000000000));
        CODE(0x0f, 0x30);
        expect_passes(2);
        expect_field(GUEST_DEADLINE_SHADOW, 0);
        expect_field(GUEST_DEADLINE, 0);
    }
}

static void timer_scaling(void)
{
    for (unsigned scaled = 0; scaled < 2; scaled++)
        CASE("apic-timer.write", scaled ? "scaled" : "offset")
        {
            if (!virtual_timer() || lacks(TSC_OFFSETTING) || (scaled && lacks(TSC_SCALING)))
                continue;
            vm_set(TSC_OFFSETTING);
            vmwrite(TSC_OFFSET, 0x11223344);
            if (scaled) {
                vm_set(TSC_SCALING);
                vmwrite(TSC_MULTIPLIER, BIT(49));
            }
            gpr[RAX] = 0x11223344;
            gpr[RDX] = 0x70000000;
            CODE(0x0f, 0x30);
            expect_passes(2);
            expect_field(GUEST_DEADLINE_SHADOW, UINT64_C(0x7000000011223344));
            expect_field(GUEST_DEADLINE, UINT64_C(0x7000000000000000) >> scaled);
        }
    for (unsigned scaled = 0; scaled < 2; scaled++)
        CASE("apic-timer.write", "%s-not-used", scaled ? "multiplier" : "offset")
        {
            if (!virtual_timer() || lacks(TSC_OFFSETTING) || lacks(TSC_SCALING))
                continue;
            vmwrite(TSC_OFFSET, 0x11223344);
            vmwrite(TSC_MULTIPLIER, BIT(49));
            if (scaled)
                vm_set(TSC_OFFSETTING);
            gpr[RAX] = 0x11223344;
            gpr[RDX] = 0x70000000;
            CODE(0x0f, 0x30);
            expect_passes(2);
            expect_field(GUEST_DEADLINE, UINT64_C(0x7000000000000000) + (scaled ? 0 : 0x11223344));
        }
}

static void timer_interrupts(void)
{
    CASE("apic-timer.interrupt", "deadline-in-the-past")
    {
        if (!virtual_timer())
            continue;
        CODE(0x0f, 0x30, 0xeb, 0xfe);
        gpr[RAX] = 1;
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(TIMER_VECTOR));
        expect_field(GUEST_DEADLINE, 0);
        expect_field(GUEST_DEADLINE_SHADOW, 0);
    }
    CASE("apic-timer.interrupt", "deadline-passed")
    {
        if (!virtual_timer())
            continue;
        CODE(0xeb, 0xfe);
        vmwrite(GUEST_DEADLINE, 1);
        vmwrite(GUEST_DEADLINE_SHADOW, 0x1234);
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(TIMER_VECTOR));
        expect_field(GUEST_INTERRUPT_STATUS, TIMER_VECTOR << 8);
        expect_field(GUEST_DEADLINE, 0);
        expect_field(GUEST_DEADLINE_SHADOW, 0);
    }
}

/* ---- instruction timeout ---- */

enum { TSC_LEAF = 0x15 };

/* The delivery of a debug exception writes what DR0 watches, and so on for ever.  The control
 * counts the crystal clock, of which CPUID.15H tells how many make the TSC. */
static void instruction_timeout(void)
{
    for (unsigned clocks = 10; clocks <= 1000; clocks *= 100)
        CASE("exit.instruction-timeout", clocks == 10 ? "debug-exceptions" : "debug-exceptions-1000")
        {
            const struct cpuid ratio = cpuid(TSC_LEAF, 0);
            uint64_t timeout = ratio.a ? (uint64_t)clocks * ratio.b / ratio.a : 0;
            if (lacks(INSTRUCTION_TIMEOUT) || lacks(LOAD_DEBUG))
                continue;
            vm_reset(MODE_64);
            vm_set(INSTRUCTION_TIMEOUT);
            vm_set(LOAD_DEBUG);
            vmwrite(INSTRUCTION_TIMEOUT_CONTROL, clocks);
            vmwrite(EXCEPTION_BITMAP, 0);
            vmwrite(GUEST_DR7, 0x90401);
            *(volatile uint64_t *)(GUEST_TSS + 36L) = GUEST_KERNEL_STACK;
            qword_at(GUEST_IDT64)[2 * EXC_DB] |= BIT(32);
            WRITE_DR(0, GUEST_KERNEL_STACK - 8);
            CODE(0x48, 0x89, 0x07);
            gpr[RDI] = GUEST_KERNEL_STACK - 8;
            uint64_t before = rdtsc();
            expect_exit(REASON_TIMEOUT);
            expect("before the time", 0, rdtsc() - before < timeout);
            expect("context is valid", 0, vmread(EXIT_QUALIFICATION) & 1);
            expect_field(GUEST_RIP, guest_handler(EXC_DB));
            qword_at(GUEST_IDT64)[2 * EXC_DB] &= ~BIT(32);
        }
}

void area_later(void)
{
    instruction_timeout();
    state_exits();
    pause_loops();
    bus_locks();
    control_flow();
    control_protection();
    timer_accesses();
    timer_scaling();
    timer_interrupts();
}
