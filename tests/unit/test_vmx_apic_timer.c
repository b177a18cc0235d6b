// SPDX-License-Identifier: Apache-2.0
// APIC-timer virtualization: the guest's IA32_TSC_DEADLINE.
#include "vmx_apic_guest.h"

enum { TSC = 0x10, TSC_DEADLINE = 0x6e0, TIMER = 0x61, FAR = 100000, REASON_TIMER = 52 };

static uint64_t tsc(struct vm *v)
{
    uint64_t value;
    cr_assert(msr_read(v->c, TSC, &value));
    return value;
}

/* A guest that writes the MSR and reads it, then loops with interrupts enabled. */
BARE_PROGRAM(arm_and_loop, "wrmsr\n xor %edx, %edx\n rdmsr\n sti\n 1: jmp 1b\n");
BARE_PROGRAM(arm_and_halt, "wrmsr\n sti\n hlt\n ud2\n");
BARE_PROGRAM(halt, "sti\n hlt\n ud2\n");

static struct vm with_timer(struct vm v, uint64_t deadline)
{
    v = apic_vm(v, PROC2_VIRTUAL_INTERRUPT_DELIVERY);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS | PROC_TERTIARY_CONTROLS);
    put(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_APIC_TIMER_VIRTUALIZATION);
    put(&v, MSR_BITMAP, BITMAP);
    put(&v, VIRTUAL_TIMER_VECTOR, TIMER);
    v.c->gpr[RCX] = TSC_DEADLINE;
    v.c->gpr[RAX] = (uint32_t)deadline;
    v.c->gpr[RDX] = deadline >> 32;
    return v;
}

static void expect_interrupt(struct vm *v, uint64_t due, uint64_t slack)
{
    expect(v, 18, 0);
    cr_expect_eq(get(v, GUEST_RIP), HANDLER(TIMER));
    cr_expect_eq(get(v, GUEST_INTR_STATUS), TIMER << 8, "in service");
    cr_expect_eq(get(v, GUEST_DEADLINE), 0);
    cr_expect_eq(get(v, GUEST_DEADLINE_SHADOW), 0);
    cr_expect_geq(tsc(v), due);
    cr_expect_lt(tsc(v), due + slack);
}

Test(vmx_apic_timer, interrupt_at_the_deadline)
{
    struct vm v = VM(arm_and_loop);
    uint64_t due = tsc(&v) + 5000;
    v = with_timer(v, due);
    expect_interrupt(&v, due, 10);
    cr_expect_eq(v.c->gpr[RAX], (uint32_t)due, "it reads what it wrote");
    machine_destroy(v.m);
}

Test(vmx_apic_timer, deadline_that_has_passed)
{
    struct vm v = with_timer(VM(arm_and_loop), 1);
    uint64_t now = tsc(&v);
    expect_interrupt(&v, now, 50);
    cr_expect_eq(v.c->gpr[RAX], 0, "the shadow is 0 again");
    machine_destroy(v.m);
}

/* The guest's time runs at half the speed from 1000 on. */
Test(vmx_apic_timer, offset_and_scaling)
{
    struct vm v = VM(arm_and_loop);
    uint64_t due = tsc(&v) + 6000, offset = 1000;
    v = with_timer(v, due / 2 + offset);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_TSC_OFFSETTING);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_USE_TSC_SCALING);
    put(&v, TSC_OFFSET, offset);
    put(&v, TSC_MULTIPLIER, BIT(47));
    expect_interrupt(&v, due & ~UINT64_C(1), 10);
    machine_destroy(v.m);
}

Test(vmx_apic_timer, exit_saves_the_deadline_and_entry_loads_it)
{
    struct vm v = VM(arm_and_loop);
    uint64_t due = tsc(&v) + FAR;
    v = with_timer(v, due);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 200);
    expect(&v, REASON_TIMER, 0);
    cr_expect_eq(get(&v, GUEST_DEADLINE), due);
    cr_expect_eq(get(&v, GUEST_DEADLINE_SHADOW), due);
    cr_expect_lt(tsc(&v), due);
    clear_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    uint64_t sooner = tsc(&v) + 3000;
    put(&v, GUEST_DEADLINE, sooner);
    expect_interrupt(&v, sooner, 10);
    machine_destroy(v.m);
}

BARE_PROGRAM(read_deadline, "rdmsr\n vmcall\n");

Test(vmx_apic_timer, read_gives_the_shadow)
{
    struct vm v = with_timer(VM(read_deadline), 0);
    put(&v, GUEST_DEADLINE_SHADOW, UINT64_C(0x1234567890));
    expect(&v, 18, 0);
    cr_expect_eq(v.c->gpr[RAX], 0x34567890);
    cr_expect_eq(v.c->gpr[RDX], 0x12);
    machine_destroy(v.m);
}

Test(vmx_apic_timer, zero_disarms)
{
    struct vm v = with_timer(VM(arm_and_loop), 0);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 2000);
    put(&v, GUEST_DEADLINE, tsc(&v) + 200);
    put(&v, GUEST_DEADLINE_SHADOW, 12345);
    expect(&v, REASON_TIMER, 0);
    cr_expect_eq(get(&v, GUEST_DEADLINE), 0);
    cr_expect_eq(get(&v, GUEST_DEADLINE_SHADOW), 0);
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), 0);
    machine_destroy(v.m);
}

Test(vmx_apic_timer, wakes_from_hlt)
{
    struct vm v = VM(arm_and_halt);
    uint64_t due = tsc(&v) + FAR;
    v = with_timer(v, due);
    expect_interrupt(&v, due, 10);
    machine_destroy(v.m);
}

/* The request is made; the processor still halts, with the task priority above the vector. */
Test(vmx_apic_timer, masked_interrupt_does_not_wake)
{
    struct vm v = with_timer(VM(halt), 0);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 2000);
    put(&v, GUEST_DEADLINE, 1);
    set_reg(&v, TPR, 0x70);
    expect(&v, REASON_TIMER, 0);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), TIMER);
    cr_expect_eq(reg(&v, IRR + TIMER / 32 * 16), 1 << TIMER % 32);
    cr_expect_eq(get(&v, GUEST_DEADLINE), 0);
    machine_destroy(v.m);
}

/* An external interrupt that exits comes first; the event is kept in the field. */
Test(vmx_apic_timer, external_interrupt_comes_first)
{
    struct vm v = with_timer(VM(halt), 0);
    put(&v, GUEST_DEADLINE, 1);
    put(&v, GUEST_RFLAGS, 2 | FLAG_IF);
    cpu_set_pending(v.c, PEND_INTR);
    expect(&v, 1, 0);
    cr_expect_eq(get(&v, GUEST_DEADLINE), 1);
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), 0);
    machine_destroy(v.m);
}

/* This machine has no local APIC: its processor has no timer of its own that could answer. */
Test(vmx_apic_timer, without_the_control_it_is_the_processors)
{
    struct vm v = with_timer(VM(arm_and_halt), 12345);
    put(&v, TERTIARY_VM_EXEC_CONTROL, 0);
    put(&v, GUEST_DEADLINE, 1);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_GP);
    expect(&v, 0, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT_CODE(EVENT_HARDWARE, EXC_GP));
    cr_expect_eq(get(&v, GUEST_DEADLINE_SHADOW), 0);
    cr_expect_eq(get(&v, GUEST_DEADLINE), 0, "saved without the control, too");
    machine_destroy(v.m);
}
