// SPDX-License-Identifier: Apache-2.0
// User interrupts in VMX operation: UINV in the VMCS, what virtualizes notifications and SENDUIPI's
// interrupts, and VM exits in the middle of notification processing and of delivery.
#include "uintr_guest.h"
#include "vmx_apic_guest.h"

enum { ICR_HIGH = 0x310 };

BARE_PROGRAM(nops, "nop\n nop\n vmcall\n");
BARE_PROGRAM(reads_misc, "mov $0x988, %ecx\n rdmsr\n vmcall\n");
BARE_PROGRAM(senduipi, "senduipi %r11\n vmcall\n");
BARE_PROGRAM(halts, "sti\n hlt\n vmcall\n");

/* ---- UINV ---- */

Test(vmx_uintr, uinv_is_loaded_saved_and_cleared)
{
    for (unsigned k = 0; k < 4; k++) {
        bool loads = k & 1, clears = k & 2;
        struct vm v = VM(reads_misc);
        put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
        put(&v, MSR_BITMAP, BITMAP);
        v.c->msr.uintr_misc = UINT64_C(0x31) << 32 | 0x1234;
        put(&v, GUEST_UINV, loads ? 0x72 : 0xff72);
        put_bits(&v, VM_ENTRY_CONTROLS, loads ? ENTRY_LOAD_UINV : 0);
        put_bits(&v, VM_EXIT_CONTROLS, clears ? EXIT_CLEAR_UINV : 0);
        cr_expect_eq(enter_guest(&v), 18);
        cr_expect_eq(v.c->gpr[RAX], 0x1234);
        cr_expect_eq(v.c->gpr[RDX], loads ? 0x72 : 0x31);
        cr_expect_eq(get(&v, GUEST_UINV), loads ? 0x72 : 0x31);
        cr_expect_eq(v.c->msr.uintr_misc, 0x1234 | (clears ? 0 : v.c->gpr[RDX] << 32));
        machine_destroy(v.m);
    }
}

/* The field exists with one of the two controls. */
Test(vmx_uintr, field_exists_with_a_control)
{
    static const struct { const char *cpu; bool exists; } rows[] = {
        { "max,vmx-exit-clear-uinv=off", true }, { "max,vmx-entry-load-uinv=off", true },
        { "max,vmx-exit-clear-uinv=off,vmx-entry-load-uinv=off", false }, { "icelake", false },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        struct vm v = VM_ON(rows[k].cpu, nops);
        uint64_t value;
        cr_expect_eq(vmcs_read(v.c, 0x0814, &value), rows[k].exists, "%s", rows[k].cpu);
        machine_destroy(v.m);
    }
}

/* ---- notifications ---- */

static struct vm with_notification(struct vm v)
{
    v = uintr_vm(v);
    put(&v, GUEST_RFLAGS, 2 | FLAG_IF);
    put_bits(&v, VM_ENTRY_CONTROLS, ENTRY_LOAD_UINV);
    put(&v, GUEST_UINV, NV);
    v.c->uif = true;
    store(&v, UPID, 8, UPID_ON | NV << 16);
    store(&v, UPID + 8, 8, BIT(9));
    raise_interrupt(&v, NV);
    return v;
}

Test(vmx_uintr, external_interrupt_exiting_comes_first)
{
    struct vm v = with_notification(VM(nops));
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_EXTERNAL_INTERRUPT_EXITING);
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_ACKNOWLEDGE_INTERRUPT);
    expect_exit(&v, 1, GUEST_CODE);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(EVENT_EXTERNAL, NV));
    cr_expect_eq(load(&v, UPID, 8), UPID_ON | NV << 16);
    cr_expect_eq(ipi.eois, 0);
    machine_destroy(v.m);
    v = with_notification(VM(nops));
    expect_exit(&v, 18, HANDLER_CODE);
    cr_expect_eq(ipi.eois, 1);
    machine_destroy(v.m);
}

/* The virtual interrupt is dismissed at once; the EOI-exit bitmap does not count, and the next
 * virtual interrupt is recognized. */
Test(vmx_uintr, virtual_notification)
{
    struct vm v = apic_vm(with_notification(VM(nops)), PROC2_VIRTUAL_INTERRUPT_DELIVERY);
    cpu_clear_pending(v.c, PEND_INTR);
    put(&v, GUEST_INTR_STATUS, NV);
    put(&v, EOI_EXIT_BITMAP0 + NV / 64, BIT(NV % 64));
    set_reg(&v, IRR + (NV >> 5) * 16, 1u << (NV & 31));
    expect_exit(&v, 18, HANDLER_CODE);
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), 0);
    cr_expect_eq(reg(&v, ISR + (NV >> 5) * 16), 0);
    cr_expect_eq(reg(&v, IRR + (NV >> 5) * 16), 0);
    cr_expect_eq(reg(&v, PPR), 0);
    cr_expect_eq(load(&v, UPID, 8), NV << 16);
    cr_expect_eq(load(&v, GUEST_STACK - 32, 8), 9);
    cr_expect_eq(ipi.eois, 0);
    put(&v, GUEST_RIP, GUEST_CODE);
    store(&v, UPID + 8, 8, 0);
    put(&v, GUEST_INTR_STATUS, NV);
    set_reg(&v, IRR + (NV >> 5) * 16, 1u << (NV & 31));
    set_reg(&v, IRR + (0x42 >> 5) * 16, 1u << (0x42 & 31));
    expect_exit(&v, 18, HANDLER(0x42));
    cr_expect_eq(get(&v, GUEST_INTR_STATUS), 0x4200);
    machine_destroy(v.m);
    v = apic_vm(with_notification(VM(nops)), PROC2_VIRTUAL_INTERRUPT_DELIVERY);
    cpu_clear_pending(v.c, PEND_INTR); /* another vector goes through the IDT */
    put(&v, GUEST_INTR_STATUS, NV - 1);
    set_reg(&v, IRR + ((NV - 1) >> 5) * 16, 1u << ((NV - 1) & 31));
    expect_exit(&v, 18, HANDLER(NV - 1));
    machine_destroy(v.m);
}

static void forbid_page(struct vm *v, uint64_t gpa)
{
    store(v, EPT_TABLES + 0x2000 + 8 * (gpa >> 21), 8, PAGE_START(gpa) | 0xb1);
}

/* For the IDT-vectoring information it is the delivery of the interrupt. */
Test(vmx_uintr, exit_in_notification_processing)
{
    struct vm v = with_notification(VM(nops));
    use_ept(&v);
    forbid_page(&v, UPID);
    expect_exit(&v, 48, GUEST_CODE);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x78a, "%#llx",
                 (unsigned long long)get(&v, EXIT_QUALIFICATION));
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), EVENT(EVENT_EXTERNAL, NV));
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), UPID);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), UPID);
    cr_expect_eq(ipi.eois, 1);
    machine_destroy(v.m);
    v = with_notification(VM(nops)); /* so is a page fault of it that exits */
    put(&v, EXCEPTION_BITMAP, 1u << EXC_PF);
    store(&v, PAGE_OF(UPID), 8, 0);
    expect_exit(&v, 0, GUEST_CODE);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT_CODE(EVENT_HARDWARE, EXC_PF));
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 2);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), EVENT(EVENT_EXTERNAL, NV));
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), UPID);
    machine_destroy(v.m);
}

static struct vm halted(void)
{
    struct vm v = with_notification(VM(halts));
    use_segments(&v, 0xa09b, 0xc093, 0);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
    return v;
}

/* HLT goes on after the processing, and is the activity state of an exit in it. */
Test(vmx_uintr, notification_in_hlt)
{
    struct vm v = halted();
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 10);
    expect_exit(&v, 52, GUEST_CODE);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
    cr_expect_eq(v.c->msr.uintr_rr, BIT(9));
    machine_destroy(v.m);
    v = halted();
    use_ept(&v);
    forbid_page(&v, UPID);
    expect_exit(&v, 48, GUEST_CODE);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
    machine_destroy(v.m);
}

/* ---- delivery ---- */

static struct vm with_request(struct vm v)
{
    v = uintr_vm(v);
    v.c->uif = true;
    v.c->msr.uintr_stackadjust = ALTERNATE_STACK | UINTR_STACK_LOAD;
    uintr_load_requests(v.c, BIT(3));
    return v;
}

static void expect_still_requested(struct vm *v)
{
    cr_expect_eq(get(v, IDT_VECTORING_INFO_FIELD), 0);
    cr_expect_eq(get(v, VM_EXIT_INSTRUCTION_LEN), 0);
    cr_expect_eq(get(v, GUEST_RSP), GUEST_STACK);
    cr_expect_eq(v->c->msr.uintr_rr, BIT(3));
    cr_expect(v->c->uif);
}

/* Bit 16 of the exit qualification: asynchronous to the execution of instructions. */
Test(vmx_uintr, exit_in_delivery)
{
    struct vm v = with_request(VM(nops));
    use_ept(&v);
    forbid_page(&v, ALTERNATE_STACK);
    expect_exit(&v, 48, GUEST_CODE);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x1078a, "%#llx",
                 (unsigned long long)get(&v, EXIT_QUALIFICATION));
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), ALTERNATE_STACK - 32);
    expect_still_requested(&v);
    use_ept(&v);
    expect_exit(&v, 18, HANDLER_CODE);
    machine_destroy(v.m);
    v = apic_vm(with_request(VM(nops)), PROC2_VIRTUALIZE_APIC_ACCESSES);
    put(&v, APIC_ACCESS_ADDR, ALTERNATE_STACK & ~0xfff);
    expect_exit(&v, 44, GUEST_CODE);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1 << 16 | 1 << 12 | ((ALTERNATE_STACK - 32) & 0xfff));
    expect_still_requested(&v);
    machine_destroy(v.m);
    v = with_request(VM(nops)); /* nor does a page fault of it come with vectoring information */
    put(&v, EXCEPTION_BITMAP, 1u << EXC_PF);
    store(&v, PAGE_OF(ALTERNATE_STACK), 8, 0);
    expect_exit(&v, 0, GUEST_CODE);
    expect_still_requested(&v);
    machine_destroy(v.m);
}

Test(vmx_uintr, monitor_trap_flag_after_delivery)
{
    struct vm v = with_request(VM(nops));
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    expect_exit(&v, 37, HANDLER_CODE);
    machine_destroy(v.m);
}

/* Exits and entries keep what is recognized. */
Test(vmx_uintr, request_survives_exits)
{
    struct vm v = with_request(VM(nops));
    v.c->uif = false;
    expect_exit(&v, 18, GUEST_CODE + 2);
    v.c->uif = true;
    cr_expect(v.c->pending & PEND_USER);
    expect_exit(&v, 18, HANDLER_CODE);
    machine_destroy(v.m);
}

/* ---- the interrupts of SENDUIPI ---- */

static struct vm sender(uint32_t proc2)
{
    struct vm v = apic_vm(uintr_vm(VM(senduipi)), proc2);
    use_target(&v, 0, UINT64_C(0x12345678) << 32 | NV << 16);
    set_reg(&v, ICR, 0x11111111);
    set_reg(&v, ICR + 4, 0x22222222);
    set_reg(&v, ICR_HIGH, 0x33333333);
    return v;
}

Test(vmx_uintr, senduipi_writes_the_virtual_icr)
{
    struct vm v = sender(PROC2_VIRTUALIZE_APIC_ACCESSES);
    expect_exit(&v, 56, GUEST_CODE + 5);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), ICR);
    cr_expect_eq(reg(&v, ICR), NV);
    cr_expect_eq(reg(&v, ICR_HIGH), 0x56000000);
    cr_expect_eq(load(&v, UPID, 1), UPID_ON);
    machine_destroy(v.m);
    v = sender(PROC2_VIRTUALIZE_X2APIC_MODE);
    expect_exit(&v, 56, GUEST_CODE + 5);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), ICR);
    cr_expect_eq(load(&v, VAPIC + ICR, 8), UINT64_C(0x12345678) << 32 | NV);
    cr_expect_eq(reg(&v, ICR_HIGH), 0x33333333);
    cr_expect_eq(ipi.count, 0);
    machine_destroy(v.m);
}

Test(vmx_uintr, senduipi_and_ipi_virtualization)
{
    enum { PID_TABLE = 0x252000, DESCRIPTOR = 0x253040, ID = 0x56 };
    struct vm v = sender(PROC2_VIRTUALIZE_APIC_ACCESSES);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_TERTIARY_CONTROLS);
    put(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_IPI_VIRTUALIZATION);
    put(&v, PID_POINTER_TABLE, PID_TABLE);
    put(&v, LAST_PID_POINTER_INDEX, ID);
    store(&v, PID_TABLE + 8 * ID, 8, DESCRIPTOR | 1);
    store(&v, DESCRIPTOR + 34, 1, NOTIFICATION);
    expect_exit(&v, 18, GUEST_CODE + 5);
    cr_expect_eq(load(&v, DESCRIPTOR + NV / 8, 1), 1 << NV % 8);
    cr_expect_eq(ipi.count, 1);
    cr_expect_eq(ipi.vector, NOTIFICATION);
    machine_destroy(v.m);
}
