// SPDX-License-Identifier: Apache-2.0
// Deliveries without end, and the VM exit that limits their time.
#include "vmx_modes.h"

enum {
    REASON_TIMEOUT = 75, REASON_TIMER = 52, NMI_UNBLOCKED = 1 << 12,
    WATCHED = KERNEL_STACK - 8, TICKS_IN_UNIT = 40,
};

static void expect(struct vm *v, int64_t reason)
{
    int64_t got = enter_guest(v);
    cr_expect_eq(got, reason, "%d, not %d", (int)got, (int)reason);
}

static void use_timeout(struct vm *v, uint32_t window)
{
    put_bits(v, SECONDARY_VM_EXEC_CONTROL, PROC2_INSTRUCTION_TIMEOUT);
    put(v, INSTRUCTION_TIMEOUT_CONTROL, window);
}

/* ---- #AC in the delivery of #AC ---- */

BARE_PROGRAM(misaligned_read, ".code32\n mov 1(%edi), %eax\n vmcall\n");
BARE_PROGRAM(misaligned_int, ".code32\n int $0x30\n vmcall\n");
BARE_PROGRAM(misaligned_iret, ".code32\n iret\n vmcall\n");

/* 32-bit code at CPL 3 on a misaligned stack, whose handlers for #AC and INT 30H have CPL 3, too. */
static struct vm misaligned(struct vm v)
{
    guest_32(&v);
    use_segments(&v, 0xc09b, 0xc093, 3);
    store(&v, GUEST_GDT + 24, 8, UINT64_C(0x00cffb000000ffff));
    store(&v, GUEST_IDT + 8 * EXC_AC + 2, 2, 0x1b);
    store(&v, GUEST_IDT + 8 * 0x30 + 2, 4, 0xee00001b);
    put_bits(&v, GUEST_CR0, CR0_AM);
    put_bits(&v, GUEST_RFLAGS, FLAG_AC);
    put(&v, GUEST_RSP, GUEST_STACK - 2);
    v.c->gpr[RDI] = BARE_DATA;
    return v;
}

Test(vmx_stall, alignment_check_without_end)
{
    struct vm v = misaligned(VM(misaligned_read));
    use_timeout(&v, 10);
    expect(&v, REASON_TIMEOUT);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    cr_expect_eq(get(&v, GUEST_RSP), GUEST_STACK - 2);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), 0);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), 0);
    cr_expect_eq(get(&v, GUEST_PENDING_DBG_EXCEPTIONS), 0);
    put(&v, GUEST_RSP, GUEST_STACK);
    expect(&v, 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_AC));
    machine_destroy(v.m);
}

/* Instructions of the host included. */
static uint64_t ticks_of_window(uint32_t window)
{
    struct vm v = misaligned(VM(misaligned_read));
    use_timeout(&v, window);
    uint64_t start = v.c->retired;
    expect(&v, REASON_TIMEOUT);
    uint64_t ticks = v.c->retired - start;
    machine_destroy(v.m);
    return ticks;
}

Test(vmx_stall, window_counts_the_crystal_clock)
{
    uint64_t least = ticks_of_window(0);
    cr_expect_lt(least, 10);
    cr_expect_eq(ticks_of_window(1), least + TICKS_IN_UNIT);
    cr_expect_eq(ticks_of_window(1000), least + 1000 * TICKS_IN_UNIT);
}

/* There is no instruction boundary: neither for interrupts nor for the timer. */
Test(vmx_stall, nothing_else_breaks_in)
{
    struct vm v = misaligned(VM(misaligned_read));
    use_timeout(&v, 100);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL,
             PIN_PREEMPTION_TIMER | PIN_NMI_EXITING | PIN_EXTERNAL_INTERRUPT_EXITING);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 20);
    expect(&v, REASON_TIMEOUT);
    put(&v, GUEST_RSP, GUEST_STACK);
    put(&v, GUEST_RIP, GUEST_CODE + 3);
    store(&v, GUEST_CODE + 3, 2, 0xfeeb);       /* to itself */
    expect(&v, REASON_TIMER);
    machine_destroy(v.m);
}

Test(vmx_stall, without_the_control_the_limit_of_instructions_ends_it)
{
    struct vm v = misaligned(VM(misaligned_read));
    v.c->activity = ACTIVITY_ACTIVE;
    v.c->rip = HOST_LAUNCH;
    uint64_t start = v.c->retired;
    cr_expect_eq(bare_run(v.m, 1000), STOP_BUDGET);
    cr_expect_eq(v.c->retired - start, 1000);
    cpu_set_pending(v.c, PEND_NMI | PEND_INIT);
    cr_expect_eq(bare_run(v.m, 1000), STOP_BUDGET);
    cr_expect(v.c->vmx_nonroot);
    cr_expect_eq(v.c->rip, GUEST_CODE);
    machine_destroy(v.m);
}

Test(vmx_stall, intercepted_alignment_check_in_delivery)
{
    struct vm v = misaligned(VM(misaligned_int));
    put(&v, EXCEPTION_BITMAP, 1u << EXC_AC);
    expect(&v, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT_CODE(EVENT_HARDWARE, EXC_AC));
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), EVENT(EVENT_SOFTWARE_INT, 0x30));
    cr_expect_eq(get(&v, VM_EXIT_INSTRUCTION_LEN), 2);
    machine_destroy(v.m);
}

/* An alignment check in the delivery of another event is no stall if its own delivery succeeds. */
Test(vmx_stall, delivery_that_ends)
{
    struct vm v = misaligned(VM(misaligned_int));
    use_timeout(&v, 1);
    store(&v, GUEST_IDT + 8 * EXC_AC + 2, 2, 8);    /* at CPL 0, on an aligned stack */
    expect(&v, 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_AC));
    cr_expect_eq(load(&v, KERNEL_STACK - 20, 4), GUEST_CODE, "the INT did not complete");
    machine_destroy(v.m);
}

Test(vmx_stall, nmi_unblocking_by_iret)
{
    struct vm v = misaligned(VM(misaligned_iret));
    use_timeout(&v, 10);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, 1 << 3);
    expect(&v, REASON_TIMEOUT);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), NMI_UNBLOCKED);
    machine_destroy(v.m);
}

/* ---- #DB in the delivery of #DB ---- */

BARE_PROGRAM(write_watched, "mov %rax, (%rdi)\n vmcall\n");

/* The stack of the #DB handler starts at what DR0 watches for writes of eight bytes. */
static struct vm watched(void)
{
    struct vm v = VM(write_watched);
    use_debug_controls(&v);
    put(&v, GUEST_DR7, 0x90401);
    put(&v, GUEST_TR_BASE, GUEST_TSS);
    store(&v, GUEST_TSS + 36, 8, KERNEL_STACK);
    store(&v, GUEST_IDT + 16 * EXC_DB + 4, 1, 1);   /* IST1 */
    v.c->dr[0] = v.c->gpr[RDI] = WATCHED;
    return v;
}

Test(vmx_stall, debug_exception_without_end)
{
    struct vm v = watched();
    use_timeout(&v, 10);
    expect(&v, REASON_TIMEOUT);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_DB));
    cr_expect_eq(load(&v, KERNEL_STACK - 40, 8), HANDLER(EXC_DB), "it interrupts itself");
    cr_expect_eq(v.c->dr[6] & 0xf, 1);
    expect(&v, 18);
    machine_destroy(v.m);
}

Test(vmx_stall, intercepted_debug_exception_does_not_stall)
{
    struct vm v = watched();
    use_timeout(&v, 10);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_DB);
    expect(&v, 0);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 3);
    machine_destroy(v.m);
}

Test(vmx_stall, debug_exception_without_end_or_control)
{
    struct vm v = watched();
    v.c->activity = ACTIVITY_ACTIVE;
    v.c->rip = HOST_LAUNCH;
    cr_expect_eq(bare_run(v.m, 1000), STOP_BUDGET);
    cr_expect_eq(v.c->rip, HANDLER(EXC_DB));
    cr_expect(v.c->vmx_nonroot);
    machine_destroy(v.m);
}
