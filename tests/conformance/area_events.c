// SPDX-License-Identifier: Apache-2.0
// Events around VM entry and in VMX non-root operation: injection, windows, the monitor trap flag, the
// preemption timer, interrupts, NMIs, pending debug exceptions, and which comes first (SDM vol. 3,
// "Event Injection", "Other Causes of VM Exits").
#include "apic.h"
#include "areas.h"
#include "exits.h"
#include "fault.h"

enum { VECTOR = 0x51, STI = 1, MOV_SS = 2, NMI_BLOCKED = 8 };
#define VALID BIT(31)

/* ---- injection ---- */

static uint64_t stack_at(unsigned k) { return qword_at(vmread(GUEST_RSP))[k]; }

static void injection(void)
{
    static const struct { const char *name; unsigned type, vector; bool code, length; } events[] = {
        { "external", EVENT_EXTERNAL, 0x30, 0, 0 }, { "nmi", EVENT_NMI, 2, 0, 0 },
        { "exception", EVENT_HARDWARE, EXC_UD, 0, 0 },
        { "exception-code", EVENT_HARDWARE, EXC_GP, 1, 0 },
        { "software", EVENT_SOFTWARE_INT, 0x80, 0, 1 },
        { "privileged", EVENT_PRIVILEGED, EXC_DB, 0, 1 },
        { "software-exception", EVENT_SOFTWARE_EXCEPTION, EXC_BP, 0, 1 },
    };
    for (unsigned k = 0; k < COUNT(events); k++)
        for (unsigned rf = 0; rf < 2; rf++)
            CASE("inject.delivery", "%s-rf-%u", events[k].name, rf)
            {
                uint64_t flags = 2 | FLAG_IF | (rf ? FLAG_RF : 0);
                vm_reset(MODE_64);
                vmwrite(GUEST_RFLAGS, flags);
                vmwrite(INJECTION_INFORMATION, EVENT(events[k].type, events[k].vector) |
                                                   (events[k].code ? EVENT_CODE : 0));
                vmwrite(INJECTION_ERROR_CODE, 0x1234);
                vmwrite(INJECTION_LENGTH, 5);
                if (!expect_exit(REASON_VMCALL))
                    continue;
                unsigned code = events[k].code;
                expect_field(GUEST_RIP, guest_handler(events[k].vector));
                expect_field(GUEST_RSP, GUEST_STACK_TOP - 40 - 8 * code);
                if (code)
                    expect("error code", 0x1234, stack_at(0));
                expect("RIP", GUEST_CODE + (events[k].length ? 5 : 0), stack_at(code));
                expect("CS", SEL_CODE64, stack_at(code + 1));
                expect("RFLAGS", flags, stack_at(code + 2));
                expect("RSP", GUEST_STACK_TOP, stack_at(code + 3));
                expect("injection", 0, vmread(INJECTION_INFORMATION) >> 31);
                expect("vectoring", 0, vmread(IDT_VECTORING) >> 31);
                expect_field(GUEST_INTERRUPTIBILITY, events[k].type == EVENT_NMI ? NMI_BLOCKED : 0);
            }
}

static void injection_otherwise(void)
{
    CASE("inject.not-intercepted", "exception-bitmap")
    {
        vm_reset(MODE_64);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_UD));
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(EXC_UD));
    }
    CASE("inject.real-mode", "external")
    {
        if (lacks_mode(MODE_REAL))
            continue;
        vm_reset(MODE_REAL);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_EXTERNAL, 0x30));
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_RIP, guest_handler(0x30) - GUEST_CODE);
        uint64_t sp = GUEST_CODE + vmread(GUEST_RSP);
        expect_field(GUEST_RSP, GUEST_STACK_TOP - GUEST_CODE - 6);
        expect("IP", 0, *word_at(sp));
        expect("CS", GUEST_CODE / 16, *word_at(sp + 2));
        expect("FLAGS", 2 | FLAG_IF, *word_at(sp + 4));
    }
    CASE("inject.mtf", "type-7")
    {
        if (lacks(MONITOR_TRAP_FLAG))
            continue;
        vm_reset(MODE_64);
        CODE(0x90);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_OTHER, 0));
        if (expect_exit(REASON_MTF))
            expect_field(GUEST_RIP, GUEST_CODE);
    }
}

/* ---- windows ---- */

static void windows(void)
{
    for (unsigned flag = 0; flag < 2; flag++)
        for (unsigned blocking = 0; blocking <= MOV_SS; blocking++) {
            if (blocking == STI && !flag)
                continue;
            CASE("exit.interrupt-window", "if-%u-blocking-%u", flag, blocking)
            {
                vm_reset(MODE_64);
                CODE(0x90, 0x90);
                vm_set(INTERRUPT_WINDOW_EXITING);
                vmwrite(GUEST_RFLAGS, flag ? 2 | FLAG_IF : 2);
                vmwrite(GUEST_INTERRUPTIBILITY, blocking);
                if (!flag) {
                    expect_passes(2);
                } else if (expect_exit(REASON_INTERRUPT_WINDOW)) {
                    expect_field(GUEST_RIP, GUEST_CODE + (blocking ? 1 : 0));
                    expect_field(EXIT_QUALIFICATION, 0);
                }
            }
        }
    CASE("exit.interrupt-window", "after-sti")
    {
        vm_reset(MODE_64);
        CODE(0xfb, 0x90, 0x90);
        vm_set(INTERRUPT_WINDOW_EXITING);
        if (expect_exit(REASON_INTERRUPT_WINDOW))
            expect_field(GUEST_RIP, GUEST_CODE + 2);
    }
    CASE("exit.interrupt-window", "in-hlt")
    {
        if (lacks_that(cap.misc & BIT(6), "misc.6:hlt"))
            continue;
        vm_reset(MODE_64);
        vm_set(INTERRUPT_WINDOW_EXITING);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
        vmwrite(GUEST_ACTIVITY_STATE, 1);
        if (expect_exit(REASON_INTERRUPT_WINDOW))
            expect_field(GUEST_ACTIVITY_STATE, 1);
    }
}

static void nmi_windows(void)
{
    for (unsigned blocked = 0; blocked < 2; blocked++)
        CASE("exit.nmi-window", "blocked-%u", blocked)
        {
            if (lacks(NMI_WINDOW_EXITING) || lacks(VIRTUAL_NMIS))
                continue;
            vm_reset(MODE_64);
            vm_set_valid(NMI_WINDOW_EXITING);
            vmwrite(GUEST_INTERRUPTIBILITY, blocked ? NMI_BLOCKED : 0);
            if (blocked) {
                expect_passes(0);
            } else if (expect_exit(REASON_NMI_WINDOW)) {
                expect_field(GUEST_RIP, GUEST_CODE);
                expect_field(EXIT_QUALIFICATION, 0);
            }
        }
    CASE("exit.nmi-window", "behind-mov-ss")
    {
        if (lacks(NMI_WINDOW_EXITING) || lacks(VIRTUAL_NMIS))
            continue;
        vm_reset(MODE_64);
        CODE(0x90, 0x90);
        vm_set_valid(NMI_WINDOW_EXITING);
        vmwrite(GUEST_INTERRUPTIBILITY, MOV_SS);
        if (expect_exit(REASON_NMI_WINDOW))
            expect_field(GUEST_RIP, GUEST_CODE + 1);
    }
    CASE("exit.nmi-window", "after-iret")
    {
        if (lacks(NMI_WINDOW_EXITING) || lacks(VIRTUAL_NMIS))
            continue;
        vm_reset(MODE_64);
        CODE(0x48, 0xcf);
        vm_set_valid(NMI_WINDOW_EXITING);
        vmwrite(GUEST_INTERRUPTIBILITY, NMI_BLOCKED);
        uint64_t sp = GUEST_STACK_TOP - 40;
        qword_at(sp)[0] = GUEST_CODE + 2;
        qword_at(sp)[1] = SEL_CODE64;
        qword_at(sp)[2] = 2;
        qword_at(sp)[3] = GUEST_STACK_TOP;
        qword_at(sp)[4] = SEL_DATA;
        vmwrite(GUEST_RSP, sp);
        if (expect_exit(REASON_NMI_WINDOW))
            expect_field(GUEST_RIP, GUEST_CODE + 2);
    }
}

/* ---- monitor trap flag ---- */

static void monitor_trap(void)
{
    static const struct { const char *name; uint8_t bytes[4], n, after; } rows[] = {
        { "nop", { 0x90, 0x90 }, 2, 1 }, { "rep-movs", { 0xf3, 0xa4 }, 2, 0 },
        { "sti", { 0xfb, 0x90 }, 2, 1 }, { "jmp", { 0xeb, 0x00 }, 2, 2 },
    };
    for (unsigned k = 0; k < COUNT(rows); k++)
        CASE("exit.monitor-trap-flag", "%s", rows[k].name)
        {
            if (lacks(MONITOR_TRAP_FLAG))
                continue;
            vm_reset(MODE_64);
            vm_set(MONITOR_TRAP_FLAG);
            guest_code(rows[k].bytes, rows[k].n);
            gpr[RCX] = 3;
            gpr[RSI] = gpr[RDI] = GUEST_DATA;
            if (!expect_exit(REASON_MTF))
                continue;
            expect_field(GUEST_RIP, GUEST_CODE + rows[k].after);
            expect_field(EXIT_QUALIFICATION, 0);
            if (k == 1)
                expect("RCX", 2, gpr[RCX]);
        }
    CASE("exit.monitor-trap-flag", "after-injection")
    {
        if (lacks(MONITOR_TRAP_FLAG))
            continue;
        vm_reset(MODE_64);
        vm_set(MONITOR_TRAP_FLAG);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_UD));
        if (expect_exit(REASON_MTF))
            expect_field(GUEST_RIP, guest_handler(EXC_UD));
    }
    CASE("exit.monitor-trap-flag", "fault-delivered")
    {
        if (lacks(MONITOR_TRAP_FLAG))
            continue;
        vm_reset(MODE_64);
        vm_set(MONITOR_TRAP_FLAG);
        vmwrite(EXCEPTION_BITMAP, 0);
        CODE(0x0f, 0x0b);
        if (expect_exit(REASON_MTF))
            expect_field(GUEST_RIP, guest_handler(EXC_UD));
    }
    CASE("priority.mtf-other-exit", "cpuid")
    {
        if (lacks(MONITOR_TRAP_FLAG))
            continue;
        vm_reset(MODE_64);
        vm_set(MONITOR_TRAP_FLAG);
        CODE(0x0f, 0xa2);
        expect_instruction(REASON_CPUID, 0, 2);
    }
}

/* ---- preemption timer ---- */

static void timer(void)
{
    CASE("exit.preemption-timer", "zero")
    {
        if (lacks(ACTIVATE_TIMER))
            continue;
        vm_reset(MODE_64);
        vm_set(ACTIVATE_TIMER);
        if (!expect_exit(REASON_TIMER))
            continue;
        expect_field(GUEST_RIP, GUEST_CODE);
        expect_field(EXIT_QUALIFICATION, 0);
        expect_field(PREEMPTION_TIMER, 0);
    }
    CASE("exit.preemption-timer", "counts")
    {
        if (lacks(ACTIVATE_TIMER))
            continue;
        vm_reset(MODE_64);
        CODE(0xeb, 0xfe);
        vm_set(ACTIVATE_TIMER);
        vmwrite(PREEMPTION_TIMER, 20);
        uint64_t before = rdtsc();
        expect_exit(REASON_TIMER);
        uint64_t rate = cap.misc & 31, least = (uint64_t)19 << rate;
        expect("enough time", 1, rdtsc() - before >= least);
        expect_field(PREEMPTION_TIMER, 20);
    }
}

static void timer_in_states(void)
{
    CASE("exit.preemption-timer", "in-hlt")
    {
        if (lacks(ACTIVATE_TIMER) || lacks_that(cap.misc & BIT(6), "misc.6:hlt"))
            continue;
        vm_reset(MODE_64);
        vm_set(ACTIVATE_TIMER);
        vmwrite(PREEMPTION_TIMER, 20);
        vmwrite(GUEST_ACTIVITY_STATE, 1);
        if (expect_exit(REASON_TIMER))
            expect_field(GUEST_ACTIVITY_STATE, 1);
    }
    CASE("exit.preemption-timer", "in-shutdown")
    {
        if (lacks(ACTIVATE_TIMER) || lacks_that(cap.misc & BIT(7), "misc.7:shutdown"))
            continue;
        vm_reset(MODE_64);
        vm_set(ACTIVATE_TIMER);
        vmwrite(PREEMPTION_TIMER, 20);
        vmwrite(GUEST_ACTIVITY_STATE, 2);
        if (expect_exit(REASON_TIMER))
            expect_field(GUEST_ACTIVITY_STATE, 2);
    }
    CASE("exit.preemption-timer", "saved")
    {
        if (lacks(ACTIVATE_TIMER) || lacks(SAVE_TIMER))
            continue;
        vm_reset(MODE_64);
        CODE(0xff, 0xc9, 0x75, 0xfc);
        gpr[RCX] = 0x2000;
        vm_set(ACTIVATE_TIMER);
        vm_set(SAVE_TIMER);
        vmwrite(PREEMPTION_TIMER, 0x7fffffff);
        expect_exit(REASON_VMCALL);
        uint64_t left = vmread(PREEMPTION_TIMER);
        expect("counted down", 1, left < 0x7fffffff && left > 0x70000000);
    }
}

static void timer_priorities(void)
{
    CASE("exit.preemption-timer", "after-injection")
    {
        if (lacks(ACTIVATE_TIMER))
            continue;
        vm_reset(MODE_64);
        vm_set(ACTIVATE_TIMER);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_UD));
        if (expect_exit(REASON_TIMER))
            expect_field(GUEST_RIP, guest_handler(EXC_UD));
    }
    CASE("priority.timer-window", "nmi-window")
    {
        if (lacks(ACTIVATE_TIMER) || lacks(NMI_WINDOW_EXITING))
            continue;
        vm_reset(MODE_64);
        vm_set(ACTIVATE_TIMER);
        vm_set_valid(NMI_WINDOW_EXITING);
        expect_exit(REASON_TIMER);
    }
    CASE("priority.nmi-window-interrupt-window", "both")
    {
        if (lacks(NMI_WINDOW_EXITING))
            continue;
        vm_reset(MODE_64);
        vm_set_valid(NMI_WINDOW_EXITING);
        vm_set(INTERRUPT_WINDOW_EXITING);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
        expect_exit(REASON_NMI_WINDOW);
    }
}

/* ---- external interrupts and NMIs ---- */

static void interrupts(void)
{
    for (unsigned flag = 0; flag < 2; flag++)
        for (unsigned acknowledge = 0; acknowledge < 2; acknowledge++)
            CASE("exit.external-interrupt", "if-%u-acknowledge-%u", flag, acknowledge)
            {
                vm_reset(MODE_64);
                vm_set(EXTERNAL_INTERRUPT_EXITING);
                if (acknowledge)
                    vm_set(ACKNOWLEDGE_INTERRUPT);
                vmwrite(GUEST_RFLAGS, flag ? 2 | FLAG_IF : 2);
                apic_self(VECTOR);
                expect_exit(REASON_EXTERNAL_INTERRUPT);
                uint32_t irr = apic_read(APIC_IRR + VECTOR / 32 * 16) >> VECTOR % 32 & 1;
                expect("pending in the local APIC", !acknowledge, irr);
                expect_field(EXIT_QUALIFICATION, 0);
                expect_field(GUEST_RIP, GUEST_CODE);
                if (acknowledge)
                    expect_field(EXIT_INTERRUPTION, VALID | VECTOR);
                else
                    expect("event valid", 0, vmread(EXIT_INTERRUPTION) >> 31);
                apic_drain();
            }
    CASE("exit.external-interrupt", "in-hlt")
    {
        if (lacks_that(cap.misc & BIT(6), "misc.6:hlt"))
            continue;
        vm_reset(MODE_64);
        vm_set(EXTERNAL_INTERRUPT_EXITING);
        vmwrite(GUEST_ACTIVITY_STATE, 1);
        apic_self(VECTOR);
        if (expect_exit(REASON_EXTERNAL_INTERRUPT))
            expect_field(GUEST_ACTIVITY_STATE, 1);
        apic_drain();
    }
}

static void deliveries(void)
{
    for (unsigned flag = 0; flag < 2; flag++)
        CASE("no-exit.external-interrupt", "if-%u", flag)
        {
            if (lacks_that(can_clear(EXTERNAL_INTERRUPT_EXITING), "pin.0 clear"))
                continue;
            vm_reset(MODE_64);
            vmwrite(GUEST_RFLAGS, flag ? 2 | FLAG_IF : 2);
            apic_self(VECTOR);
            if (expect_exit(REASON_VMCALL))
                expect_field(GUEST_RIP, flag ? guest_handler(VECTOR) : GUEST_CODE);
            apic_drain();
        }
    CASE("exit.nmi", "exiting")
    {
        vm_reset(MODE_64);
        vm_set(NMI_EXITING);
        unsigned before = taken[EXC_NMI];
        if (lacks(ACTIVATE_TIMER))
            continue;
        vm_set_valid(ACTIVATE_TIMER);
        /* the guest sends it to itself: its local APIC is the real one */
        CODE(0xc7, 0x00, 0x00, 0x44, 0x00, 0x00, 0xeb, 0xfe);
        gpr[RAX] = 0xfee00300;
        apic_write(APIC_ICR_HIGH, apic_id() << 24);
        if (!expect_exit(REASON_EXCEPTION))
            continue;
        expect_field(EXIT_INTERRUPTION, VALID | EVENT_NMI << 8 | EXC_NMI);
        expect("NMIs of the host", before, taken[EXC_NMI]);
        end_nmi();
    }
}

/* ---- pending debug exceptions ---- */

static void pending_debug(void)
{
    CASE("pending-debug.delivered", "bs")
    {
        vm_reset(MODE_64);
        CODE(0x90);
        vmwrite(GUEST_PENDING_DEBUG, BIT(14));
        if (!expect_exception(EXC_DB))
            continue;
        expect_field(EXIT_QUALIFICATION, BIT(14));
        expect_field(GUEST_RIP, GUEST_CODE);
        expect_field(GUEST_PENDING_DEBUG, 0);
    }
    for (unsigned b = 0; b < 4; b++)
        CASE("pending-debug.delivered", "enabled-b%u", b)
        {
            vm_reset(MODE_64);
            vmwrite(GUEST_PENDING_DEBUG, BIT(12) | BIT(b));
            if (expect_exception(EXC_DB))
                expect_field(EXIT_QUALIFICATION, BIT(b));
        }
    CASE("pending-debug.not-enabled", "b0")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_PENDING_DEBUG, 1);
        expect_passes(0);
    }
}

static void pending_debug_kept(void)
{
    CASE("pending-debug.mov-ss", "held")
    {
        vm_reset(MODE_64);
        CODE(0x90, 0x90);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_TF);
        vmwrite(GUEST_INTERRUPTIBILITY, MOV_SS);
        vmwrite(GUEST_PENDING_DEBUG, BIT(14));
        if (expect_exception(EXC_DB))
            expect_field(GUEST_RIP, GUEST_CODE + 1);
    }
    CASE("pending-debug.saved", "mov-ss-exit")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_TF);
        vmwrite(GUEST_INTERRUPTIBILITY, MOV_SS);
        vmwrite(GUEST_PENDING_DEBUG, BIT(14));
        if (!expect_exit(REASON_VMCALL))
            continue;
        expect_field(GUEST_INTERRUPTIBILITY, MOV_SS);
        expect_field(GUEST_PENDING_DEBUG, BIT(14));
    }
    CASE("pending-debug.dropped", "injection")
    {
        vm_reset(MODE_64);
        vmwrite(GUEST_PENDING_DEBUG, BIT(14));
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_UD));
        if (expect_exit(REASON_VMCALL))
            expect_field(GUEST_RIP, guest_handler(EXC_UD));
    }
    CASE("priority.pending-debug-timer", "timer-zero")
    {
        if (lacks(ACTIVATE_TIMER))
            continue;
        vm_reset(MODE_64);
        vm_set(ACTIVATE_TIMER);
        vmwrite(GUEST_PENDING_DEBUG, BIT(14));
        expect_exception(EXC_DB);
    }
}

void area_events(void)
{
    injection();
    injection_otherwise();
    windows();
    nmi_windows();
    monitor_trap();
    timer();
    timer_in_states();
    timer_priorities();
    interrupts();
    deliveries();
    pending_debug();
    pending_debug_kept();
}
