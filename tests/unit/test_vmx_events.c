// SPDX-License-Identifier: Apache-2.0
// Exceptions and their exits, event injection, IDT-vectoring information.
#include "vmx_modes.h"

static void expect_handler(struct vm *v, unsigned vector)
{
    cr_expect_eq(enter_guest(v), 18, "exit %d", (int)get(v, VM_EXIT_REASON));
    cr_expect_eq(get(v, GUEST_RIP), HANDLER(vector), "%#x", (unsigned)get(v, GUEST_RIP));
}
static void expect_event(struct vm *v, uint32_t info, uint64_t rip, unsigned length)
{
    cr_expect_eq(enter_guest(v), 0, "exit %d", (int)get(v, VM_EXIT_REASON));
    cr_expect_eq(get(v, VM_EXIT_INTR_INFO), info, "%#x", (unsigned)get(v, VM_EXIT_INTR_INFO));
    cr_expect_eq(get(v, GUEST_RIP), rip);
    if (length)
        cr_expect_eq(get(v, VM_EXIT_INSTRUCTION_LEN), length);
}
/* What the exit says about the event that was being delivered. */
static void expect_vectoring(struct vm *v, uint32_t info, uint32_t code, unsigned length)
{
    cr_expect_eq(get(v, IDT_VECTORING_INFO_FIELD), info, "%#x",
                 (unsigned)get(v, IDT_VECTORING_INFO_FIELD));
    if (info & 1 << 11)
        cr_expect_eq(get(v, IDT_VECTORING_ERROR_CODE), code);
    if (length)
        cr_expect_eq(get(v, VM_EXIT_INSTRUCTION_LEN), length);
}

/* ---- exceptions that exit ---- */

BARE_PROGRAM(guest_soft, "int3\n .byte 0xcd, 3\n int $1\n .byte 0xf1\n vmcall\n");
Test(vmx_events, software_exceptions)
{
    struct vm v = VM(guest_soft);
    put(&v, EXCEPTION_BITMAP, ~UINT64_C(0) >> 32);
    expect_event(&v, EVENT(6, EXC_BP), GUEST_CODE, 1);
    cr_expect_not(get(&v, GUEST_RFLAGS) & FLAG_RF);
    skip_instruction(&v);
    expect_handler(&v, EXC_BP);                         /* INT 3 is no exception */
    put(&v, GUEST_RIP, GUEST_CODE + 3);
    expect_handler(&v, EXC_DB);
    put(&v, GUEST_RIP, GUEST_CODE + 5);
    expect_event(&v, EVENT(5, EXC_DB), GUEST_CODE + 5, 1);      /* INT1 */
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_into, ".code32\n into\n vmcall\n .code64\n");
Test(vmx_events, into)
{
    struct vm v = VM(guest_into);
    guest_32(&v);
    put_bits(&v, GUEST_RFLAGS, FLAG_OF);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_OF);
    expect_event(&v, EVENT(6, EXC_OF), GUEST_CODE, 1);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_gp, "mov %eax, %ds\n vmcall\n");
Test(vmx_events, error_code)
{
    struct vm v = VM(guest_gp);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_GP);
    v.c->gpr[RAX] = 0x1238;
    expect_event(&v, EVENT_CODE(3, EXC_GP), GUEST_CODE, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 0x1238);
    cr_expect(get(&v, GUEST_RFLAGS) & FLAG_RF);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_step, "nop\n nop\n mov %eax, %ss\n nop\n nop\n vmcall\n");
Test(vmx_events, single_step_exit)
{
    struct vm v = VM(guest_step);
    v.c->dr[6] = 0xffff0ff0;
    put_bits(&v, GUEST_RFLAGS, FLAG_TF);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_DB);
    expect_event(&v, EVENT(3, EXC_DB), GUEST_CODE + 1, 0);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1 << 14);
    cr_expect_eq(get(&v, GUEST_PENDING_DBG_EXCEPTIONS), 0);
    cr_expect_not(get(&v, GUEST_RFLAGS) & FLAG_RF);
    cr_expect_eq(v.c->dr[6], 0xffff0ff0);
    expect_event(&v, EVENT(3, EXC_DB), GUEST_CODE + 2, 0);
    v.c->gpr[RAX] = 16;
    expect_event(&v, EVENT(3, EXC_DB), GUEST_CODE + 5, 0);      /* held behind MOV SS */
    machine_destroy(v.m);
}

Test(vmx_events, single_step_delivered)
{
    struct vm v = VM(guest_step);
    put_bits(&v, GUEST_RFLAGS, FLAG_TF);
    v.c->dr[6] = 0xffff0ff0;
    expect_handler(&v, EXC_DB);
    cr_expect_eq(v.c->dr[6], 0xffff4ff0);
    cr_expect_eq(load(&v, GUEST_STACK - 40, 8), GUEST_CODE + 1);
    machine_destroy(v.m);
}

Test(vmx_events, instruction_breakpoint_exit)
{
    struct vm v = VM(guest_step);
    use_debug_controls(&v);
    v.c->dr[1] = GUEST_CODE + 1;
    put(&v, GUEST_DR7, 0x404);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_DB);
    expect_event(&v, EVENT(3, EXC_DB), GUEST_CODE + 1, 0);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 2);
    put_bits(&v, GUEST_RFLAGS, FLAG_RF);
    v.c->gpr[RAX] = 16;
    cr_expect_eq(enter_guest(&v), 18);
    machine_destroy(v.m);
}

/* ---- vectoring: an exit while an event is delivered ---- */

/* The gate of vector n leads to a page that EPT does not map. */
static void hide_idt(struct vm *v)
{
    use_small_ept(v);
    store(v, ept_pte(GUEST_IDT), 8, 0);
}

BARE_PROGRAM(guest_int, "nop\n int $0x80\n int3\n ud2\n mov %eax, %ds\n .byte 0xf1\n");
Test(vmx_events, vectoring_of_instructions)
{
    static const struct { uint32_t rip, info, length; } of[] = {
        { 1, EVENT(4, 0x80), 2 }, { 3, EVENT(6, EXC_BP), 1 }, { 4, EVENT(3, EXC_UD), 0 },
        { 6, EVENT_CODE(3, EXC_GP), 0 }, { 8, EVENT(5, EXC_DB), 1 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(of); k++) {
        struct vm v = VM(guest_int);
        hide_idt(&v);
        v.c->gpr[RAX] = 0x5550;
        put(&v, GUEST_RIP, GUEST_CODE + of[k].rip);
        cr_expect_eq(enter_guest(&v), 48);
        expect_vectoring(&v, of[k].info, 0x5550, of[k].length);
        cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + of[k].rip);
        cr_expect_eq(get(&v, GUEST_RSP), GUEST_STACK);
        cr_expect_eq(!!(get(&v, GUEST_RFLAGS) & FLAG_RF), (of[k].info >> 8 & 7) == 3);
        cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), 0);
        machine_destroy(v.m);
    }
}

Test(vmx_events, vectoring_of_injected_events)
{
    static const struct { uint32_t info; unsigned length; } of[] = {
        { EVENT(0, 0x41), 0 }, { EVENT(2, 2), 0 }, { EVENT(3, EXC_UD), 0 },
        { EVENT_CODE(3, EXC_PF), 0 }, { EVENT(4, 0x80), 2 }, { EVENT(5, 1), 1 },
        { EVENT(6, EXC_BP), 1 }, { EVENT(4, 3), 7 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(of); k++) {
        struct vm v = VM(guest_int);
        hide_idt(&v);
        put_bits(&v, GUEST_RFLAGS, FLAG_IF);
        inject_event(&v, of[k].info, of[k].length);
        put(&v, VM_ENTRY_EXCEPTION_ERROR_CODE, 0x15);
        cr_expect_eq(enter_guest(&v), 48);
        expect_vectoring(&v, of[k].info, 0x15, of[k].length);
        cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
        cr_expect_eq(get(&v, VM_ENTRY_INTR_INFO_FIELD), of[k].info & ~VALID);
        cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), of[k].info == EVENT(2, 2) ? 8 : 0);
        machine_destroy(v.m);
    }
}

Test(vmx_events, nested_exception_that_exits)
{
    struct vm v = VM(guest_int);
    put(&v, GUEST_IDTR_LIMIT, 0x7ff);                   /* no gate for 80H */
    put(&v, EXCEPTION_BITMAP, 1 << EXC_GP);
    put(&v, GUEST_RIP, GUEST_CODE + 1);
    expect_event(&v, EVENT_CODE(3, EXC_GP), GUEST_CODE + 1, 2);
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 0x80 * 8 + 2);       /* IDT, not EXT */
    expect_vectoring(&v, EVENT(4, 0x80), 0, 0);
    put_bits(&v, GUEST_RFLAGS, FLAG_IF);
    inject_event(&v, EVENT(0, 0x81), 0);
    expect_event(&v, EVENT_CODE(3, EXC_GP), GUEST_CODE + 1, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 0x81 * 8 + 3);       /* EXT */
    expect_vectoring(&v, EVENT(0, 0x81), 0, 0);
    machine_destroy(v.m);
}

Test(vmx_events, page_fault_in_delivery)
{
    struct vm v = VM(guest_int);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_PF);
    put(&v, GUEST_IDTR_BASE, 0x50000000);
    put(&v, GUEST_RIP, GUEST_CODE + 4);                 /* UD2 */
    v.c->cr2 = 0x111;
    expect_event(&v, EVENT_CODE(3, EXC_PF), GUEST_CODE + 4, 0);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x50000000 + 16 * EXC_UD);
    cr_expect_eq(v.c->cr2, 0x111);
    expect_vectoring(&v, EVENT(3, EXC_UD), 0, 0);
    machine_destroy(v.m);
}

/* IA32_VMX_MISC[30]: software interrupts may be injected as if their instruction had no bytes. */
Test(vmx_events, injection_of_length_zero)
{
    struct vm v = VM(guest_int);
    inject_event(&v, EVENT(4, 0x80), 0);
    expect_handler(&v, 0x80);
    cr_expect_eq(load(&v, GUEST_STACK - 40, 8), GUEST_CODE);
    machine_destroy(v.m);
    v = VM_ON("nehalem", guest_int);
    inject_event(&v, EVENT(4, 0x80), 0);
    cr_expect_eq(enter_guest(&v), -1);
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 7);
    inject_event(&v, EVENT(4, 0x80), 2);
    expect_handler(&v, 0x80);
    machine_destroy(v.m);
}

enum { ACCESS_PAGE = 0x600000, PML_LOG = 0x250000 };
static void idt_on_the_access_page(struct vm *v)
{
    put_bits(v, SECONDARY_VM_EXEC_CONTROL, PROC2_VIRTUALIZE_APIC_ACCESSES);
    put(v, APIC_ACCESS_ADDR, ACCESS_PAGE);
    put(v, GUEST_IDTR_BASE, ACCESS_PAGE);
}
static void idt_misconfigured(struct vm *v)
{
    store(v, ept_pte(GUEST_IDT), 8, GUEST_IDT | 0x32); /* W without R */
}
static void log_full(struct vm *v)
{
    put_bits(v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_PML);
    put(v, EPT_POINTER, EPT_TABLES | 1 << 6 | 3 << 3 | 6);
    put(v, PML_ADDRESS, PML_LOG);
    put(v, GUEST_PML_INDEX, 0xffff);
}
/* SDM, "Information for VM Exits During Event Delivery". */
Test(vmx_events, exits_of_memory_accesses_in_delivery)
{
    static const struct {
        void (*prepare)(struct vm *v);
        int64_t reason;
        uint64_t qualification;
    } exits[] = {
        { idt_on_the_access_page, 44, 3 << 12 | 16 * EXC_UD },
        { idt_misconfigured, 49, 0 },
        { log_full, 62, 0 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(exits); k++) {
        struct vm v = VM(guest_int);
        use_small_ept(&v);
        exits[k].prepare(&v);
        inject_event(&v, EVENT(6, EXC_UD), 2);
        cr_expect_eq(enter_guest(&v), exits[k].reason, "%d", (int)get(&v, VM_EXIT_REASON));
        cr_expect_eq(get(&v, EXIT_QUALIFICATION), exits[k].qualification);
        cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), 0);
        expect_vectoring(&v, EVENT(6, EXC_UD), 0, 2);
        machine_destroy(v.m);
    }
}

Test(vmx_events, double_and_triple_faults)
{
    struct vm v = VM(guest_int);
    put(&v, GUEST_IDTR_BASE, 0x50000000);
    put(&v, GUEST_RIP, GUEST_CODE + 6);                 /* #GP, then #PF, then #DF */
    v.c->gpr[RAX] = 0x5550;
    put(&v, EXCEPTION_BITMAP, 1 << EXC_DF);
    expect_event(&v, EVENT_CODE(3, EXC_DF), GUEST_CODE + 6, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 0);
    expect_vectoring(&v, 0, 0, 0);
    put(&v, EXCEPTION_BITMAP, 0);
    cr_expect_eq(enter_guest(&v), 2);
    expect_vectoring(&v, 0, 0, 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), 0);
    inject_event(&v, EVENT_CODE(3, EXC_DF), 0);         /* the #PF of an injected #DF exits ... */
    put(&v, VM_ENTRY_EXCEPTION_ERROR_CODE, 0);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_PF);
    expect_event(&v, EVENT_CODE(3, EXC_PF), GUEST_CODE + 6, 0);
    expect_vectoring(&v, EVENT_CODE(3, EXC_DF), 0, 0);
    inject_event(&v, EVENT_CODE(3, EXC_DF), 0);
    put(&v, EXCEPTION_BITMAP, 0);
    cr_expect_eq(enter_guest(&v), 2);                   /* ... or is a triple fault */
    machine_destroy(v.m);
}

/* ---- injection ---- */

BARE_PROGRAM(guest_nops, "nop\n nop\n vmcall\n");
Test(vmx_events, privilege_of_injected_software_events)
{
    struct vm v = VM(guest_nops);
    user_guest(&v);
    inject_event(&v, EVENT(4, 0x80), 2);
    expect_handler(&v, EXC_GP);                         /* the gate has DPL 0 */
    cr_expect_eq(load(&v, KERNEL_STACK - 48, 8), 0x80 * 8 + 2);
    cr_expect_eq(load(&v, KERNEL_STACK - 40, 8), GUEST_CODE);
    user_guest(&v);
    put(&v, GUEST_RSP, GUEST_STACK);
    put(&v, GUEST_RIP, GUEST_CODE);
    inject_event(&v, EVENT(5, EXC_DB), 1);              /* INT1 does not care */
    expect_handler(&v, EXC_DB);
    cr_expect_eq(load(&v, KERNEL_STACK - 40, 8), GUEST_CODE + 1);
    machine_destroy(v.m);
}

Test(vmx_events, injection_leaves_debug_registers_alone)
{
    struct vm v = VM(guest_nops);
    use_debug_controls(&v);
    v.c->dr[6] = 0xffff0ff0;
    put(&v, GUEST_DR7, 0x2400);
    put(&v, GUEST_IA32_DEBUGCTL, 2);
    put_bits(&v, GUEST_RFLAGS, FLAG_RF);
    inject_event(&v, EVENT(3, EXC_DB), 0);
    expect_handler(&v, EXC_DB);
    cr_expect_eq(v.c->dr[6], 0xffff0ff0);
    cr_expect_eq(get(&v, GUEST_DR7), 0x2400);
    cr_expect_eq(get(&v, GUEST_IA32_DEBUGCTL), 2);
    cr_expect_eq(load(&v, GUEST_STACK - 24, 8), 2 | FLAG_RF);
    machine_destroy(v.m);
}

Test(vmx_events, injection_wakes_hlt)
{
    struct vm v = VM(guest_nops);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
    put_bits(&v, GUEST_RFLAGS, FLAG_IF);
    inject_event(&v, EVENT(0, 0x41), 0);
    expect_handler(&v, 0x41);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_ACTIVE);
    cr_expect_eq(load(&v, GUEST_STACK - 40, 8), GUEST_CODE);
    machine_destroy(v.m);
}

Test(vmx_events, injection_into_real_mode)
{
    struct vm v = VM(guest_nops);
    guest_real(&v);
    inject_event(&v, EVENT(3, EXC_GP), 0);              /* no error code */
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_CS_BASE) + get(&v, GUEST_RIP), HANDLER(EXC_GP));
    cr_expect_eq(get(&v, GUEST_RSP), 0x1000 - 6);
    put(&v, GUEST_RSP, 0x1000);
    inject_event(&v, EVENT(4, 0x21), 2);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(load(&v, GUEST_CODE + 0xffa, 2), 4 * EXC_GP + 2);
    machine_destroy(v.m);
}

Test(vmx_events, injection_into_virtual_8086_mode)
{
    struct vm v = VM(guest_nops);
    guest_v86(&v, 0);
    store(&v, GUEST_IDT + 8 * 0x21 + 5, 1, 0xee);       /* the gate has DPL 3 */
    inject_event(&v, EVENT(4, 0x21), 2);                /* IOPL does not matter */
    expect_handler(&v, 0x21);
    cr_expect_not(get(&v, GUEST_RFLAGS) & FLAG_VM);
    cr_expect_eq(load(&v, KERNEL_STACK - 36, 4), 2);
    machine_destroy(v.m);
}

Test(vmx_events, injection_through_the_redirection_bitmap)
{
    struct vm v = VM(guest_nops);
    guest_v86(&v, 0);
    put_bits(&v, GUEST_CR4, CR4_VME);
    put(&v, GUEST_TR_LIMIT, 0x100);
    store(&v, GUEST_TSS + 102, 2, 0x88); /* bitmap at 68H: vector 21H is the task's */
    store(&v, 4 * 0x21, 4, (GUEST_CODE >> 4) << 16 | 2);
    inject_event(&v, EVENT(4, 0x21), 2);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect(get(&v, GUEST_RFLAGS) & FLAG_VM);
    cr_expect_eq(get(&v, GUEST_RIP), 2);
    cr_expect_eq(load(&v, GUEST_CODE + 0x1000 - 6, 2), 2);
    cr_expect_eq(load(&v, GUEST_CODE + 0x1000 - 2, 2), 2 | FLAG_IOPL);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_int_21, ".code16\n int $0x21\n .code64\n vmcall\n");
Test(vmx_events, redirected_interrupt_that_meets_an_ept_violation)
{
    struct vm v = VM(guest_int_21);
    guest_v86(&v, 3);
    use_small_ept(&v);
    put_bits(&v, GUEST_CR4, CR4_VME);
    put(&v, GUEST_TR_LIMIT, 0x100);
    store(&v, GUEST_TSS + 102, 2, 0x88);
    store(&v, ept_pte(0), 8, 0);                        /* the IVT */
    put(&v, GUEST_RIP, 0);
    cr_expect_eq(enter_guest(&v), 48);
    cr_expect_eq(get(&v, GUEST_RIP), 0);
    expect_vectoring(&v, EVENT(4, 0x21), 0, 2);
    machine_destroy(v.m);
}

/* ---- pending debug exceptions ---- */

Test(vmx_events, pending_debug_exceptions_at_entry)
{
    struct vm v = VM(guest_nops);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_DB);
    put(&v, GUEST_PENDING_DBG_EXCEPTIONS, 1 << 14);
    expect_event(&v, EVENT(3, EXC_DB), GUEST_CODE, 0);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1 << 14);
    put(&v, GUEST_PENDING_DBG_EXCEPTIONS, 1 << 12 | 5);
    expect_event(&v, EVENT(3, EXC_DB), GUEST_CODE, 0);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 5);
    put(&v, GUEST_PENDING_DBG_EXCEPTIONS, 5);           /* not enabled: no trap */
    cr_expect_eq(enter_guest(&v), 18);
    put(&v, GUEST_RIP, GUEST_CODE);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, SHADOW_MOV_SS);
    put(&v, GUEST_PENDING_DBG_EXCEPTIONS, 1 << 12 | 1);
    expect_event(&v, EVENT(3, EXC_DB), GUEST_CODE + 1, 0);
    put(&v, GUEST_RIP, GUEST_CODE);
    put(&v, GUEST_PENDING_DBG_EXCEPTIONS, 1 << 14);
    inject_event(&v, EVENT(3, EXC_UD), 0);              /* takes their place */
    expect_handler(&v, EXC_UD);
    put(&v, GUEST_RIP, GUEST_CODE);
    put(&v, GUEST_INTERRUPTIBILITY_INFO, SHADOW_MOV_SS);
    put(&v, GUEST_PENDING_DBG_EXCEPTIONS, 1 << 12 | 1);
    inject_event(&v, EVENT(4, 0x80), 2);                /* they follow it */
    expect_event(&v, EVENT(3, EXC_DB), HANDLER(0x80), 0);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_cpuid_ss, "mov %eax, %ss\n cpuid\n vmcall\n");
Test(vmx_events, pending_debug_exceptions_are_saved_behind_mov_ss)
{
    struct vm v = VM(guest_cpuid_ss);
    put_bits(&v, GUEST_RFLAGS, FLAG_TF);
    v.c->gpr[RAX] = 16;
    cr_expect_eq(enter_guest(&v), 10);
    cr_expect_eq(get(&v, GUEST_PENDING_DBG_EXCEPTIONS), 1 << 14);
    cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), SHADOW_MOV_SS);
    cr_expect_eq(enter_guest(&v), 10);                  /* and can be entered again */
    machine_destroy(v.m);
}
