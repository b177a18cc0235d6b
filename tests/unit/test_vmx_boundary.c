// SPDX-License-Identifier: Apache-2.0
// Between two instructions: interrupts, NMIs, windows, the monitor trap flag, the preemption timer,
// activity states, INIT and SIPI.
#include "vmx_modes.h"

/* An interrupt controller that has one vector to give. */
static int acknowledge(void *machine, struct cpu *c)
{
    cpu_clear_pending(c, PEND_INTR);
    return 0x55;
}
static const struct cpu_bus one_interrupt = { .interrupt_acknowledge = acknowledge };
static void raise_interrupt(struct vm *v)
{
    v->c->bus = (struct cpu_bus *)&one_interrupt;
    cpu_set_pending(v->c, PEND_INTR);
}

static void expect_exit(struct vm *v, int64_t reason, uint64_t rip)
{
    cr_expect_eq(enter_guest(v), reason, "exit %d, not %d", (int)get(v, VM_EXIT_REASON),
                 (int)reason);
    cr_expect_eq(get(v, GUEST_RIP), rip, "RIP %#x", (unsigned)get(v, GUEST_RIP));
}

/* Lets the guest run a little, makes something pending, and says what came of it. */
static void expect_exit_after(struct vm *v, uint32_t pending, int64_t reason)
{
    sabotage_controls(v->c);
    sabotage_fields(v->c);
    v->c->activity = ACTIVITY_ACTIVE;
    v->c->rip = v->launched ? HOST_RESUME : HOST_LAUNCH;
    bare_run(v->m, 1 + (v->c->gpr[RCX] >> 18));
    cr_expect(v->c->vmx_nonroot);
    v->launched = true;
    cpu_set_pending(v->c, pending);
    cr_assert_eq(bare_run(v->m, 1000), STOP_HALTED);
    sabotage_exit(v->c);
    cr_expect_eq((int64_t)get(v, VM_EXIT_REASON), reason, "%d", (int)get(v, VM_EXIT_REASON));
}

/* ---- external interrupts ---- */

BARE_PROGRAM(guest_nops, "nop\n nop\n nop\n vmcall\n");
Test(vmx_boundary, interrupt_exits_whatever_if_says)
{
    struct vm v = VM(guest_nops);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_EXTERNAL_INTERRUPT_EXITING);
    raise_interrupt(&v);
    expect_exit(&v, 1, GUEST_CODE);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), 0);
    cr_expect(v.c->pending & PEND_INTR);                /* not acknowledged */
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_ACKNOWLEDGE_INTERRUPT);
    expect_exit(&v, 1, GUEST_CODE);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(0, 0x55));
    cr_expect_not(v.c->pending & PEND_INTR);
    expect_exit(&v, 18, GUEST_CODE + 3);
    machine_destroy(v.m);
}

Test(vmx_boundary, interrupt_delivered_by_the_guest)
{
    struct vm v = VM(guest_nops);
    raise_interrupt(&v);
    expect_exit(&v, 18, GUEST_CODE + 3);                /* IF = 0 */
    put(&v, GUEST_RIP, GUEST_CODE);
    put_bits(&v, GUEST_RFLAGS, FLAG_IF);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, SHADOW_STI);
    expect_exit(&v, 18, HANDLER(0x55));
    cr_expect_eq(load(&v, GUEST_STACK - 40, 8), GUEST_CODE + 1);
    machine_destroy(v.m);
}

Test(vmx_boundary, interrupt_in_hlt)
{
    struct vm v = VM(guest_nops);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_EXTERNAL_INTERRUPT_EXITING);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
    raise_interrupt(&v);
    expect_exit(&v, 1, GUEST_CODE);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_rep, "rep stosb\n vmcall\n");
Test(vmx_boundary, monitor_trap_between_iterations)
{
    struct vm v = VM(guest_rep);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    v.c->gpr[RDI] = BARE_DATA;
    v.c->gpr[RCX] = 2;
    expect_exit(&v, 37, GUEST_CODE);
    cr_expect_eq(v.c->gpr[RCX], 1);
    expect_exit(&v, 37, GUEST_CODE + 2);
    expect_exit(&v, 18, GUEST_CODE + 2);                /* an exit of the instruction itself */
    machine_destroy(v.m);
}

Test(vmx_boundary, interrupt_between_iterations_sets_rf)
{
    struct vm v = VM(guest_rep);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_EXTERNAL_INTERRUPT_EXITING);
    v.c->gpr[RDI] = BARE_DATA;
    v.c->gpr[RCX] = 1 << 20;
    expect_exit_after(&v, PEND_INTR, 1);
    cr_expect(v.c->gpr[RCX] != 0);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    cr_expect_eq(get(&v, GUEST_RFLAGS), 2 | FLAG_RF);
    cpu_clear_pending(v.c, PEND_INTR);
    expect_exit(&v, 18, GUEST_CODE + 2);
    machine_destroy(v.m);
}

/* ---- windows ---- */

BARE_PROGRAM(guest_sti, "sti\n nop\n nop\n vmcall\n");
BARE_PROGRAM(guest_popf, "push $0x202\n popf\n nop\n vmcall\n");
Test(vmx_boundary, interrupt_window)
{
    struct vm v = VM(guest_sti);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_INTERRUPT_WINDOW_EXITING);
    expect_exit(&v, 7, GUEST_CODE + 2);
    put(&v, GUEST_RIP, GUEST_CODE + 1);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, SHADOW_STI);
    expect_exit(&v, 7, GUEST_CODE + 2);
    put(&v, GUEST_RIP, GUEST_CODE + 1);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, SHADOW_MOV_SS);
    expect_exit(&v, 7, GUEST_CODE + 2);
    inject_event(&v, EVENT(3, EXC_UD), 0);              /* the gate clears IF */
    expect_exit(&v, 18, HANDLER(EXC_UD));
    put_bits(&v, GUEST_RFLAGS, FLAG_IF);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
    expect_exit(&v, 7, HANDLER(EXC_UD));
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
    machine_destroy(v.m);
    v = VM(guest_popf);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_INTERRUPT_WINDOW_EXITING);
    expect_exit(&v, 7, GUEST_CODE + 6);                 /* POPF makes no shadow */
    machine_destroy(v.m);
}

static void use_virtual_nmis(struct vm *v)
{
    put_bits(v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
    put_bits(v, CPU_BASED_VM_EXEC_CONTROL, PROC_NMI_WINDOW_EXITING);
}

Test(vmx_boundary, nmi_window)
{
    struct vm v = VM(guest_nops);
    use_virtual_nmis(&v);
    expect_exit(&v, 8, GUEST_CODE);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, SHADOW_MOV_SS);
    expect_exit(&v, 8, GUEST_CODE + 1);
    inject_event(&v, EVENT(3, EXC_UD), 0);
    expect_exit(&v, 8, HANDLER(EXC_UD));
    put(&v, GUEST_INTERRUPTIBILITY_INFO, 8);            /* blocked: no window */
    expect_exit(&v, 18, HANDLER(EXC_UD));
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 8);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, 0);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
    expect_exit(&v, 8, HANDLER(EXC_UD));
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_SHUTDOWN);
    expect_exit(&v, 8, HANDLER(EXC_UD));
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_SHUTDOWN);
    machine_destroy(v.m);
}

/* ---- NMIs ---- */

BARE_PROGRAM(guest_iret, "iretq\n vmcall\n");

static void push_frame(struct vm *v, uint64_t rip)
{
    const uint64_t frame[] = { rip, 8, 2, GUEST_STACK, 16 };
    mem_write(v->mem, GUEST_STACK - 64, frame, sizeof frame);
    put(v, GUEST_RSP, GUEST_STACK - 64);
}

Test(vmx_boundary, iret_unblocks_virtual_nmis)
{
    struct vm v = VM(guest_iret);
    use_virtual_nmis(&v);
    push_frame(&v, GUEST_CODE + 2);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, 8);
    expect_exit(&v, 8, GUEST_CODE + 2);
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 0);
    machine_destroy(v.m);
}

Test(vmx_boundary, faulting_iret_tells_that_it_unblocked)
{
    struct vm v = VM(guest_iret);
    use_virtual_nmis(&v);
    put(&v, GUEST_RSP, 0x50000000);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, 8);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_PF);
    expect_exit(&v, 0, GUEST_CODE);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT_CODE(3, EXC_PF) | 1 << 12);
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 0);
    clear_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_NMI_WINDOW_EXITING);
    expect_exit(&v, 0, GUEST_CODE);                     /* there was nothing to unblock */
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT_CODE(3, EXC_PF));
    machine_destroy(v.m);
}

Test(vmx_boundary, iret_and_an_ept_violation)
{
    struct vm v = VM(guest_iret);
    use_virtual_nmis(&v);
    clear_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_NMI_WINDOW_EXITING);
    use_small_ept(&v);
    push_frame(&v, GUEST_CODE + 2);
    store(&v, ept_pte(GUEST_STACK - 64), 8, 0);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, 8);
    expect_exit(&v, 48, GUEST_CODE);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1 | 15 << 7 | 1 << 12);
    machine_destroy(v.m);
}

Test(vmx_boundary, iret_leaves_the_hosts_blocking_alone)
{
    struct vm v = VM(guest_iret);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING);
    push_frame(&v, GUEST_CODE + 2);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, 8);
    cpu_set_pending(v.c, PEND_NMI);
    v.c->nmi_blocked = true;
    expect_exit(&v, 18, GUEST_CODE + 2);
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 8);
    cr_expect(v.c->pending & PEND_NMI);
    machine_destroy(v.m);
}

Test(vmx_boundary, nmi_delivered_by_the_guest)
{
    struct vm v = VM(guest_nops);
    cpu_set_pending(v.c, PEND_NMI);
    v.c->nmi_blocked = true;
    expect_exit(&v, 18, HANDLER(2));
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 8);
    cr_expect(v.c->nmi_blocked);                        /* in the host, too */
    machine_destroy(v.m);
}

/* Nothing in the guest could end that blocking: IRET must not touch the host's. */
Test(vmx_boundary, injected_nmi_does_not_block_those_of_the_host)
{
    struct vm v = VM(guest_nops);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING);
    inject_event(&v, EVENT(2, 2), 0);
    expect_exit(&v, 18, HANDLER(2));
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 0);
    cr_expect_not(v.c->nmi_blocked);
    machine_destroy(v.m);
}

Test(vmx_boundary, injected_nmi_blocks)
{
    struct vm v = VM(guest_nops);
    inject_event(&v, EVENT(2, 2), 0);
    expect_exit(&v, 18, HANDLER(2));
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 8);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, 0);
    use_virtual_nmis(&v);
    clear_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_NMI_WINDOW_EXITING);
    inject_event(&v, EVENT(2, 2), 0);
    v.c->nmi_blocked = false;
    expect_exit(&v, 18, HANDLER(2));
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 8);
    cr_expect_not(v.c->nmi_blocked);                    /* the blocking was virtual */
    inject_event(&v, EVENT(2, 2), 0);
    cr_expect_eq(enter_guest(&v), 0x80000021);
    machine_destroy(v.m);
}

/* ---- monitor trap flag ---- */

BARE_PROGRAM(guest_mtf, "int $0x80\n ud2\n hlt\n vmcall\n");
Test(vmx_boundary, monitor_trap_after_delivery)
{
    struct vm v = VM(guest_mtf);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    expect_exit(&v, 37, HANDLER(0x80));
    put(&v, GUEST_RIP, GUEST_CODE + 2);
    expect_exit(&v, 37, HANDLER(EXC_UD));
    put(&v, GUEST_RIP, GUEST_CODE);
    put_bits(&v, GUEST_RFLAGS, FLAG_IF);
    raise_interrupt(&v);                                /* delivered before any instruction */
    expect_exit(&v, 37, HANDLER(0x55));
    put(&v, GUEST_RIP, GUEST_CODE);
    put(&v, GUEST_PENDING_DBG_EXCEPTIONS, 1 << 14);
    expect_exit(&v, 37, HANDLER(EXC_DB));
    machine_destroy(v.m);
}

Test(vmx_boundary, monitor_trap_in_hlt)
{
    struct vm v = VM(guest_mtf);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    put(&v, GUEST_RIP, GUEST_CODE + 4);
    expect_exit(&v, 37, GUEST_CODE + 5);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
    inject_event(&v, EVENT(7, 0), 0);                   /* wakes nothing */
    expect_exit(&v, 37, GUEST_CODE + 5);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
    machine_destroy(v.m);
}

Test(vmx_boundary, monitor_trap_beats_the_debug_trap)
{
    struct vm v = VM(guest_nops);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    put_bits(&v, GUEST_RFLAGS, FLAG_TF);
    expect_exit(&v, 37, GUEST_CODE + 1);
    cr_expect_eq(get(&v, GUEST_PENDING_DBG_EXCEPTIONS), 1 << 14);
    clear_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_DB);
    expect_exit(&v, 0, GUEST_CODE + 1);
    machine_destroy(v.m);
}

Test(vmx_boundary, monitor_trap_is_lost_to_another_exit)
{
    struct vm v = VM(guest_mtf);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_UD);
    put(&v, GUEST_RIP, GUEST_CODE + 2);
    expect_exit(&v, 0, GUEST_CODE + 2);
    clear_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    put(&v, GUEST_RIP, GUEST_CODE + 5);
    expect_exit(&v, 18, GUEST_CODE + 5);
    machine_destroy(v.m);
}

/* ---- VMX-preemption timer ---- */

Test(vmx_boundary, timer_of_zero)
{
    struct vm v = VM(guest_nops);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    inject_event(&v, EVENT(3, EXC_UD), 0);              /* injection comes first */
    expect_exit(&v, 52, HANDLER(EXC_UD));
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    put(&v, GUEST_PENDING_DBG_EXCEPTIONS, 1 << 14);     /* so do debug traps */
    expect_exit(&v, 52, HANDLER(EXC_DB));
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_SHUTDOWN);
    expect_exit(&v, 52, HANDLER(EXC_DB));
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_SHUTDOWN);
    cr_expect_eq(get(&v, VMX_PREEMPTION_TIMER_VALUE), 0);
    machine_destroy(v.m);
}

Test(vmx_boundary, timer_value_is_saved_only_if_asked)
{
    struct vm v = VM(guest_nops);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 5000);
    expect_exit(&v, 18, GUEST_CODE + 3);
    cr_expect_eq(get(&v, VMX_PREEMPTION_TIMER_VALUE), 5000);
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_SAVE_PREEMPTION_TIMER);
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_exit(&v, 18, GUEST_CODE + 3);
    uint64_t left = get(&v, VMX_PREEMPTION_TIMER_VALUE);
    cr_expect(left == 5000 || left == 4999, "%u", (unsigned)left);
    machine_destroy(v.m);
}

/* Another processor runs, and has the turn when the timer of the one that waits runs out. */
Test(vmx_boundary, timer_of_a_waiting_guest_beside_another_processor, .timeout = 10)
{
    struct sp_error e = { 0 };
    struct machine_config config = { .ram_size = 16 << 20, .processors = 2, .cpu = "max",
                                     .bare = true };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    struct cpu *other = machine_cpu(m, 1);
    struct vm v = vm_create_on(m, guest_nops_start, guest_nops_end);
    mem_write_le(v.mem, 0x9000, 2, 0xfeeb);             /* JMP to itself */
    other->activity = ACTIVITY_ACTIVE;
    other->seg[CS].base = 0;
    other->rip = 0x9000;
    cpu_mode_changed(other);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 20);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
    v.c->activity = ACTIVITY_ACTIVE;
    v.c->rip = HOST_LAUNCH;
    cpu_mode_changed(v.c);
    cr_expect_eq(bare_run(m, 20000), STOP_BUDGET);
    cr_expect_eq(get(&v, VM_EXIT_REASON), 52);
    cr_expect_eq(v.c->rip, HOST_EXIT + 1);
    cr_expect_eq(other->rip, 0x9000);
    machine_destroy(m);
}

/* ---- INIT, SIPI, activity states ---- */

Test(vmx_boundary, init_exits)
{
    struct vm v = VM(guest_nops);
    cpu_set_pending(v.c, PEND_INIT);                    /* waits while in root operation */
    expect_exit(&v, 3, GUEST_CODE);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    cr_expect_not(v.c->pending & PEND_INIT);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_SHUTDOWN);
    cpu_set_pending(v.c, PEND_INIT);
    expect_exit(&v, 3, GUEST_CODE);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_SHUTDOWN);
    machine_destroy(v.m);
}

Test(vmx_boundary, sipi_exits_only_from_wait_for_sipi)
{
    struct vm v = VM(guest_nops);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_WAIT_SIPI);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL,
             PIN_PREEMPTION_TIMER | PIN_NMI_EXITING | PIN_EXTERNAL_INTERRUPT_EXITING);
    v.c->bus = (struct cpu_bus *)&one_interrupt;
    v.c->nmi_blocked = true;                            /* for the host's sake */
    v.c->sipi_vector = 0x9a;
    expect_exit_after(&v, PEND_SIPI | PEND_INTR | PEND_NMI, 4);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x9a);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_WAIT_SIPI);
    cpu_clear_pending(v.c, PEND_INTR | PEND_NMI);
    clear_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
    cpu_set_pending(v.c, PEND_SIPI);                    /* dropped */
    expect_exit(&v, 18, GUEST_CODE + 3);
    machine_destroy(v.m);
}

Test(vmx_boundary, shutdown_ignores_interrupts)
{
    struct vm v = VM(guest_nops);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_SHUTDOWN);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING | PIN_EXTERNAL_INTERRUPT_EXITING);
    v.c->bus = (struct cpu_bus *)&one_interrupt;
    expect_exit_after(&v, PEND_INTR | PEND_NMI, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(2, 2));
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_SHUTDOWN);
    machine_destroy(v.m);
}

Test(vmx_boundary, hlt_wakes_for_a_debug_trap)
{
    struct vm v = VM(guest_nops);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
    put_bits(&v, GUEST_RFLAGS, FLAG_TF);
    put(&v, GUEST_PENDING_DBG_EXCEPTIONS, 1 << 14);
    expect_exit(&v, 18, HANDLER(EXC_DB));
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_ACTIVE);
    machine_destroy(v.m);
}
