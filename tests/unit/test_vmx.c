// SPDX-License-Identifier: Apache-2.0
// VM entries and exits, as a hypervisor sees them.
#include "vmx_guest.h"

enum { VECTORED = (int)0x80000000 };

/* ---- instructions ---- */

BARE_PROGRAM(guest_cpuid, "cpuid\n vmcall\n");
Test(vmx, cpuid_exits_and_resumes)
{
    struct vm v = VM(guest_cpuid);
    cr_expect_eq(enter_guest(&v), 10);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    cr_expect_eq(get(&v, VM_EXIT_INSTRUCTION_LEN), 2);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    skip_instruction(&v);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, VM_EXIT_INSTRUCTION_LEN), 3);
    cr_expect_eq(vmx_stats(v.c)->exits[10], 1);
    cr_expect_eq(vmx_stats(v.c)->entries, 2);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_in, "in $0x60, %al\n mov $0x3f8, %dx\n rep outsb\n vmcall\n");
Test(vmx, io_bitmaps_and_qualification)
{
    struct vm v = VM(guest_in);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_IO_BITMAPS);
    put(&v, IO_BITMAP_A, 0x220000);
    put(&v, IO_BITMAP_B, 0x221000);
    mem_write_le(v.mem, 0x220000 + 0x60 / 8, 1, 1);
    mem_write_le(v.mem, 0x220000 + 0x3f8 / 8, 1, 1);
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x60 << 16 | 1 << 6 | 1 << 3);
    skip_instruction(&v);
    v.c->gpr[RCX] = 3;
    v.c->gpr[RSI] = BARE_DATA;
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x3f8 << 16 | 1 << 5 | 1 << 4);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), BARE_DATA);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), 2 << 7 | DS << 15);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_rdmsr, "mov $0x174, %ecx\n rdmsr\n mov $0xc0000082, %ecx\n wrmsr\n vmcall\n");
Test(vmx, msr_bitmap)
{
    struct vm v = VM(guest_rdmsr);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, 0x220000);
    mem_write_le(v.mem, 0x220000 + 3072 + 0x82 / 8, 1, 1 << 2);
    cr_expect_eq(enter_guest(&v), 32);
    cr_expect_eq((uint32_t)v.c->gpr[RCX], 0xc0000082);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_cr,
             "mov %cr0, %rax\n mov %rax, %cr0\n clts\n mov %rbx, %cr3\n mov %cr4, %rdx\n vmcall\n");
Test(vmx, control_register_masks_and_shadows)
{
    struct vm v = VM(guest_cr);
    put(&v, CR0_GUEST_HOST_MASK, CR0_TS | CR0_NE);
    put(&v, CR0_READ_SHADOW, CR0_TS);
    put(&v, CR4_GUEST_HOST_MASK, CR4_VMXE);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_CR3_LOAD_EXITING);
    put(&v, CR3_TARGET_COUNT, 1);
    put(&v, CR3_TARGET_VALUE0, BARE_TABLES);
    v.c->gpr[RBX] = BARE_TABLES;
    cr_expect_eq(enter_guest(&v), 28);                 /* CLTS: TS is owned, and its shadow is 1 */
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 2 << 4);
    cr_expect(v.c->gpr[RAX] & CR0_TS);
    cr_expect_not(v.c->gpr[RAX] & CR0_NE);
    cr_expect(get(&v, GUEST_CR0) & CR0_NE);
    skip_instruction(&v);
    cr_expect_eq(enter_guest(&v), 18);                 /* the CR3 target makes no exit */
    cr_expect_not(v.c->gpr[RDX] & CR4_VMXE);
    put(&v, GUEST_RIP, get(&v, GUEST_RIP) - 6);
    v.c->gpr[RBX] = 0x5000;
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 3 | RBX << 8);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_desc, "sidt 8(%rsi,%rdi,4)\n vmcall\n");
Test(vmx, descriptor_table_exit_tells_its_operand)
{
    struct vm v = VM(guest_desc);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_DESCRIPTOR_TABLE_EXITING);
    cr_expect_eq(enter_guest(&v), 46);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 8);
    uint64_t info = get(&v, VMX_INSTRUCTION_INFO),
             size_bit = 1 << 11; /* undefined in 64-bit mode */
    cr_expect_eq(info & ~size_bit, 2 | 2 << 7 | DS << 15 | RDI << 18 | RSI << 23 | 1 << 28, "%#x",
                 (unsigned)info);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_tpr, "mov $2, %eax\n mov %rax, %cr8\n vmcall\n");
Test(vmx, tpr_shadow_and_threshold)
{
    struct vm v = VM(guest_tpr);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_TPR_SHADOW);
    put(&v, VIRTUAL_APIC_PAGE_ADDR, 0x220000);
    mem_write_le(v.mem, 0x220080, 1, 0x50);
    put(&v, TPR_THRESHOLD, 4);
    cr_expect_eq(enter_guest(&v), 43);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 9);   /* a trap: behind the MOV */
    cr_expect_eq(mem_read_le(v.mem, 0x220080, 1), 0x20);
    cr_expect_eq(enter_guest(&v), -1);                  /* threshold above VTPR */
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 7);
    machine_destroy(v.m);
}

/* ---- events ---- */

BARE_PROGRAM(guest_ud, "ud2\n vmcall\n");
Test(vmx, exception_bitmap)
{
    struct vm v = VM(guest_ud);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_UD);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), (uint32_t)VECTORED | 3 << 8 | EXC_UD);
    cr_expect(get(&v, GUEST_RFLAGS) & FLAG_RF);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), 0);
    put(&v, EXCEPTION_BITMAP, 0);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_HANDLERS + 4 * EXC_UD);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_pf, "movb 0x40000000, %dl\n movb %dl, 0x40000000\n vmcall\n");
Test(vmx, page_fault_filter)
{
    struct vm v = VM(guest_pf);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_PF);
    put(&v, PAGE_FAULT_ERROR_CODE_MASK, 2);             /* writes only */
    put(&v, PAGE_FAULT_ERROR_CODE_MATCH, 2);
    v.c->cr2 = 0x1234;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->cr2, 0x40000000);
    put(&v, GUEST_RIP, GUEST_CODE);
    put(&v, PAGE_FAULT_ERROR_CODE_MATCH, 0);
    v.c->cr2 = 0x1234;
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x40000000);
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 0);
    cr_expect_eq(v.c->cr2, 0x1234);
    put(&v, GUEST_RIP, GUEST_CODE + 7);
    cr_expect_eq(enter_guest(&v), 18); /* the write: error code 2 */
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_HANDLERS + 4 * EXC_PF);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_nops, "nop\n nop\n nop\n nop\n vmcall\n");
Test(vmx, injection_goes_through_the_guest_idt)
{
    struct vm v = VM(guest_nops);
    put(&v, GUEST_RFLAGS, 2 | FLAG_IF);
    put(&v, VM_ENTRY_INTR_INFO_FIELD, (uint32_t)VECTORED | 0x41);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_HANDLERS + 4 * 0x41);
    cr_expect_eq(mem_read_le(v.mem, GUEST_STACK - 40, 8), GUEST_CODE);
    cr_expect_eq(get(&v, VM_ENTRY_INTR_INFO_FIELD), 0x41);
    machine_destroy(v.m);
}

Test(vmx, injected_software_interrupt_returns_behind_itself)
{
    struct vm v = VM(guest_nops);
    put(&v, VM_ENTRY_INTR_INFO_FIELD, (uint32_t)VECTORED | 4 << 8 | 0x80);
    put(&v, VM_ENTRY_INSTRUCTION_LEN, 2);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(mem_read_le(v.mem, GUEST_STACK - 40, 8), GUEST_CODE + 2);
    machine_destroy(v.m);
}

Test(vmx, injected_page_fault_keeps_cr2_and_rf)
{
    struct vm v = VM(guest_nops);
    v.c->cr2 = 0x77;
    put(&v, VM_ENTRY_INTR_INFO_FIELD, (uint32_t)VECTORED | 1 << 11 | 3 << 8 | EXC_PF);
    put(&v, VM_ENTRY_EXCEPTION_ERROR_CODE, 5);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->cr2, 0x77);
    cr_expect_eq(mem_read_le(v.mem, GUEST_STACK - 48, 8), 5);
    cr_expect_eq(mem_read_le(v.mem, GUEST_STACK - 24, 8), 2);
    machine_destroy(v.m);
}

Test(vmx, ept_violation_during_delivery_reports_the_event)
{
    struct vm v = VM(guest_nops);
    use_ept(&v);
    mem_write_le(v.mem, EPT_TABLES + 0x2000, 8, (EPT_TABLES + 0x3000) | 7);
    for (uint64_t k = 0; k < 512; k++)
        mem_write_le(v.mem, EPT_TABLES + 0x3000 + 8 * k, 8,
                     k << 12 | (k == (GUEST_IDT >> 12) ? 0 : 0x37));
    put(&v, VM_ENTRY_INTR_INFO_FIELD, (uint32_t)VECTORED | 4 << 8 | 0x80);
    put(&v, VM_ENTRY_INSTRUCTION_LEN, 2);
    cr_expect_eq(enter_guest(&v), 48);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), (uint32_t)VECTORED | 4 << 8 | 0x80);
    cr_expect_eq(get(&v, VM_EXIT_INSTRUCTION_LEN), 2);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), GUEST_IDT + 0x800);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1 | 15 << 7);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    cr_expect_not(get(&v, GUEST_RFLAGS) & FLAG_RF);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_two_faults, "ud2\n");
Test(vmx, triple_fault)
{
    struct vm v = VM(guest_two_faults);
    put(&v, GUEST_IDTR_LIMIT, 0);
    cr_expect_eq(enter_guest(&v), 2);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), 0);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    machine_destroy(v.m);
}

Test(vmx, intercepted_double_fault_has_no_vectoring_information)
{
    struct vm v = VM(guest_two_faults);
    put(&v, GUEST_IDTR_LIMIT, 0xdf); /* vectors 0 to 13; the gates of #UD and #GP are empty */
    mem_write_le(v.mem, GUEST_IDT + 16 * EXC_GP, 8, 0);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_DF);
    mem_write_le(v.mem, GUEST_IDT + 16 * EXC_UD, 8, 0);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), (uint32_t)VECTORED | 1 << 11 | 3 << 8 | EXC_DF);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), 0);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_sti, "sti\n nop\n nop\n vmcall\n");
Test(vmx, interrupt_window_opens_behind_the_sti_shadow)
{
    struct vm v = VM(guest_sti);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_INTERRUPT_WINDOW_EXITING);
    cr_expect_eq(enter_guest(&v), 7);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 2);
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), 0);
    machine_destroy(v.m);
}

Test(vmx, virtual_nmi_blocking_ends_with_iret)
{
    struct vm v = VM(guest_nops);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_NMI_WINDOW_EXITING);
    put(&v, VM_ENTRY_INTR_INFO_FIELD, (uint32_t)VECTORED | 2 << 8 | 2);
    mem_write_le(v.mem, GUEST_HANDLERS + 4 * 2, 4, 0xcf489090);      /* nop; nop; iretq */
    cr_expect_eq(enter_guest(&v), 8);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    machine_destroy(v.m);
}

Test(vmx, nmi_exits)
{
    struct vm v = VM(guest_nops);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING);
    v.c->pending |= PEND_NMI;
    v.c->nmi_blocked = true;                    /* in the host */
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), (uint32_t)VECTORED | 2 << 8 | 2);
    cr_expect(v.c->nmi_blocked);
    machine_destroy(v.m);
}

Test(vmx, monitor_trap_flag)
{
    struct vm v = VM(guest_nops);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MONITOR_TRAP_FLAG);
    for (unsigned k = 1; k <= 4; k++) {
        cr_expect_eq(enter_guest(&v), 37);
        cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + k);
        cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    }
    put(&v, VM_ENTRY_INTR_INFO_FIELD, (uint32_t)VECTORED | 4 << 8 | 0x80);
    put(&v, VM_ENTRY_INSTRUCTION_LEN, 2);
    cr_expect_eq(enter_guest(&v), 37);          /* before the handler's first instruction */
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_HANDLERS + 4 * 0x80);
    machine_destroy(v.m);
}

Test(vmx, injected_mtf_exits_at_once)
{
    struct vm v = VM(guest_nops);
    put(&v, VM_ENTRY_INTR_INFO_FIELD, (uint32_t)VECTORED | 7 << 8);
    cr_expect_eq(enter_guest(&v), 37);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_spin, "1: jmp 1b\n");
BARE_PROGRAM(guest_hlt, "hlt\n vmcall\n");
Test(vmx, preemption_timer_interrupts_a_loop)
{
    struct vm v = VM(guest_spin);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_SAVE_PREEMPTION_TIMER);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 100);
    uint64_t start = machine_now(v.m);
    cr_expect_eq(enter_guest(&v), 52);
    uint64_t ticks = machine_now(v.m) - start;
    uint64_t rate = vmx_timer_rate(v.c->model->vmx_capability);
    cr_expect(ticks > UINT64_C(99) << rate && ticks < UINT64_C(102) << rate, "%d", (int)ticks);
    cr_expect_eq(get(&v, VMX_PREEMPTION_TIMER_VALUE), 0);
    cr_expect_eq(enter_guest(&v), 52);          /* 0: before any instruction */
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    machine_destroy(v.m);
}

Test(vmx, preemption_timer_wakes_hlt)
{
    struct vm v = VM(guest_hlt);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 1000);
    cr_expect_eq(enter_guest(&v), 52);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 1);
    machine_destroy(v.m);
}

/* ---- EPT and unrestricted guests ---- */

BARE_PROGRAM(guest_store, "movl $0x55, 0x600010\n vmcall\n");
Test(vmx, ept_violation_and_repair)
{
    struct vm v = VM(guest_store);
    use_ept(&v);
    uint64_t entry = EPT_TABLES + 0x2000 + 8 * 3;
    mem_write_le(v.mem, entry, 8, 0x600000 | 0xb5);     /* readable, executable */
    cr_expect_eq(enter_guest(&v), 48);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 2 | 5 << 3 | 15 << 7);
    cr_expect_eq(get(&v, GUEST_PHYSICAL_ADDRESS), 0x600010);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), 0x600010);
    cr_expect(get(&v, GUEST_RFLAGS) & FLAG_RF);
    mem_write_le(v.mem, entry, 8, 0x800000 | 0xb7);     /* elsewhere */
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(mem_read_le(v.mem, 0x800010, 4), 0x55);
    machine_destroy(v.m);
}

Test(vmx, ept_misconfiguration)
{
    struct vm v = VM(guest_store);
    use_ept(&v);
    mem_write_le(v.mem, EPT_TABLES + 0x2000 + 8 * 3, 8, 0x600000 | 0xb6);      /* W without R */
    cr_expect_eq(enter_guest(&v), 49);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    machine_destroy(v.m);
}

Test(vmx, ept_accessed_and_dirty_flags)
{
    struct vm v = VM(guest_store);
    use_ept(&v);
    put(&v, EPT_POINTER, get(&v, EPT_POINTER) | 1 << 6);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(mem_read_le(v.mem, EPT_TABLES + 0x2000 + 8 * 3, 8), 0x600000 | 0x3b7);
    cr_expect_eq(mem_read_le(v.mem, EPT_TABLES + 0x2000 + 8 * 4, 8), 0x800000 | 0xb7);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_real, ".code16\n mov $0x1234, %ax\n int $0x21\n .code64\n");
Test(vmx, unrestricted_guest_in_real_mode)
{
    struct vm v = VM(guest_real);
    use_ept(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_UNRESTRICTED_GUEST);
    put(&v, VM_ENTRY_CONTROLS, get(&v, VM_ENTRY_CONTROLS) & ~(uint64_t)ENTRY_IA32E_MODE_GUEST);
    put(&v, GUEST_CR0, CR0_NE);
    for (unsigned s = ES; s <= GS; s++) {
        put(&v, GUEST_ES_SELECTOR + s, 0x2000);
        put(&v, GUEST_ES_BASE + s, 0x20000);
        put(&v, GUEST_ES_LIMIT + s, 0xffff);
        put(&v, GUEST_ES_AR_BYTES + s, 0x93);
    }
    put(&v, GUEST_RIP, 0);
    put(&v, GUEST_RSP, 0x1000);
    put(&v, GUEST_IDTR_BASE, 0);
    put(&v, GUEST_IDTR_LIMIT, 0x3ff);
    mem_write_le(v.mem, 0x21 * 4, 4, 0x32000010);       /* 3200:0010 */
    mem_write_le(v.mem, 0x32010, 4, 0x90c1010f);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_CS_SELECTOR), 0x3200);
    cr_expect_eq(get(&v, GUEST_RIP), 0x10);
    cr_expect_eq((uint16_t)v.c->gpr[RAX], 0x1234);
    cr_expect_eq(mem_read_le(v.mem, 0x20000 + 0xffa, 2), 5);
    cr_expect_eq(enter_guest(&v), 18);                  /* what was saved can be entered again */
    machine_destroy(v.m);
}

/* ---- failures ---- */

Test(vmx, invalid_guest_state_is_exit_33)
{
    static const enum vmcs_field left_alone[] = {
        VM_EXIT_INTR_INFO,
        VM_EXIT_INTR_ERROR_CODE,
        IDT_VECTORING_INFO_FIELD,
        IDT_VECTORING_ERROR_CODE,
        VM_EXIT_INSTRUCTION_LEN,
        VMX_INSTRUCTION_INFO,
        GUEST_LINEAR_ADDRESS,
        GUEST_PHYSICAL_ADDRESS,
        VM_INSTRUCTION_ERROR,
        GUEST_RSP,
        GUEST_RIP,
        GUEST_CS_LIMIT,
    };
    struct vm v = VM(guest_nops);
    for (unsigned k = 0; k < ARRAY_SIZE(left_alone); k++)
        put(&v, left_alone[k], 0x777 + k);
    put(&v, GUEST_CS_AR_BYTES, 0x209b); /* G = 0 suits the limit */
    put(&v, GUEST_RFLAGS, 0);
    cr_expect_eq(enter_guest(&v), 0x80000021);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    for (unsigned k = 0; k < ARRAY_SIZE(left_alone); k++)
        cr_expect_eq(get(&v, left_alone[k]), 0x777 + k, "%s", vmcs_fields[left_alone[k]].name);
    put(&v, GUEST_RIP, GUEST_CODE);
    put(&v, GUEST_RSP, GUEST_STACK);
    put(&v, GUEST_RFLAGS, 2);
    put(&v, VMCS_LINK_POINTER, VMCS_REGION);
    cr_expect_eq(enter_guest(&v), 0x80000021);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 4);
    put(&v, VMCS_LINK_POINTER, ~UINT64_C(0));
    cr_expect_eq(enter_guest(&v), 18); /* still VMLAUNCH: it never became launched */
    machine_destroy(v.m);
}

Test(vmx, msr_load_failure_is_exit_34)
{
    struct vm v = VM(guest_nops);
    put(&v, VM_ENTRY_MSR_LOAD_COUNT, 2);
    put(&v, VM_ENTRY_MSR_LOAD_ADDR, 0x220000);
    mem_write_le(v.mem, 0x220000, 8, 0x174);
    mem_write_le(v.mem, 0x220008, 8, 0x10);
    mem_write_le(v.mem, 0x220010, 8, 0xc0000100);
    cr_expect_eq(enter_guest(&v), 0x80000022);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 2);
    put(&v, VM_ENTRY_MSR_LOAD_COUNT, 1);
    put(&v, VM_EXIT_MSR_STORE_COUNT, 1);
    put(&v, VM_EXIT_MSR_STORE_ADDR, 0x221000);
    mem_write_le(v.mem, 0x221000, 8, 0x174);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(mem_read_le(v.mem, 0x221008, 8), 0x10);
    machine_destroy(v.m);
}

Test(vmx, invalid_host_state_is_error_8)
{
    struct vm v = VM(guest_nops);
    put(&v, HOST_TR_SELECTOR, 0);
    cr_expect_eq(enter_guest(&v), -1);
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 8);
    cr_expect_eq(flags_status(v.c), FLAG_ZF);
    put(&v, HOST_TR_SELECTOR, 24);
    cr_expect_eq(enter_guest(&v), 18);
    v.launched = false;
    cr_expect_eq(enter_guest(&v), -1);
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 4);
    machine_destroy(v.m);
}
