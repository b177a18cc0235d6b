// SPDX-License-Identifier: Apache-2.0
// CET in VMX operation: the state that entries and exits load and save, #CP, shadow-stack accesses
// and EPT.
#include "cpu/cet.h"
#include "vmx_modes.h"

enum { SHADOW = 0x400000, SSP = SHADOW + 0x1000, VECTOR_CP = 21, EXIT_VMCALL = 18 };
#define PAGE(address) (BARE_TABLES + 0x2000 + 8 * ((address) >> 21))

/* A guest whose supervisor has a shadow stack at SSP. */
static struct vm cet_guest(const uint8_t *start, const uint8_t *end)
{
    struct vm v = vm_create("max", start, end);
    store(&v, PAGE(SHADOW), 8, SHADOW | 0xe1);
    put_bits(&v, VM_ENTRY_CONTROLS, ENTRY_LOAD_CET_STATE);
    put_bits(&v, GUEST_CR0, CR0_WP);
    put_bits(&v, GUEST_CR4, CR4_CET);
    put(&v, GUEST_IA32_S_CET, CET_SH_STK_EN);
    put(&v, GUEST_SSP, SSP);
    return v;
}
#define CET_GUEST(program) cet_guest(program##_start, program##_end)

BARE_PROGRAM(guest_reads, "rdsspq %rsi\n mov $0x6a2, %ecx\n rdmsr\n mov %eax, %ebx\n"
                          "mov $0x6a8, %ecx\n rdmsr\n mov %eax, %edi\n"
                          "mov $0x6a8, %ecx\n mov $0x5000, %eax\n xor %edx, %edx\n wrmsr\n"
                          "call 1f\n 1: vmcall\n call 2f\n nop\n 2: vmcall\n");

Test(vmx_cet, state_is_loaded_and_saved)
{
    struct vm v = CET_GUEST(guest_reads);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    put(&v, GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR, 0x4000);
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_LOAD_CET_STATE);
    put(&v, HOST_IA32_S_CET, CET_WR_SHSTK_EN);
    put(&v, HOST_SSP, 0x7000);
    put(&v, HOST_IA32_INTERRUPT_SSP_TABLE_ADDR, 0x8000);
    cr_expect_eq(enter_guest(&v), EXIT_VMCALL);
    cr_expect_eq(v.c->gpr[RSI], SSP);
    cr_expect_eq(v.c->gpr[RBX], CET_SH_STK_EN);
    cr_expect_eq(v.c->gpr[RDI], 0x4000);
    cr_expect_eq(get(&v, GUEST_IA32_S_CET), CET_SH_STK_EN);
    cr_expect_eq(get(&v, GUEST_SSP), SSP);
    cr_expect_eq(get(&v, GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR), 0x5000);
    cr_expect_eq(v.c->msr.s_cet, CET_WR_SHSTK_EN);
    cr_expect_eq(v.c->ssp, 0x7000);
    cr_expect_eq(v.c->msr.interrupt_ssp_table, 0x8000);
    skip_instruction(&v);
    cr_expect_eq(enter_guest(&v), EXIT_VMCALL);
    cr_expect_eq(get(&v, GUEST_SSP), SSP - 8);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_vmcall, "vmcall\n");

Test(vmx_cet, without_the_controls_state_stays_and_is_saved)
{
    struct vm v = VM(guest_vmcall);
    put(&v, GUEST_IA32_S_CET, CET_WR_SHSTK_EN);
    put(&v, GUEST_SSP, 0x1000);
    put(&v, GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR, 0x1000);
    v.c->msr.s_cet = CET_SH_STK_EN;
    v.c->ssp = 0x2000;
    v.c->msr.interrupt_ssp_table = 0x3000;
    cr_expect_eq(enter_guest(&v), EXIT_VMCALL);
    cr_expect_eq(get(&v, GUEST_IA32_S_CET), CET_SH_STK_EN);
    cr_expect_eq(get(&v, GUEST_SSP), 0x2000);
    cr_expect_eq(get(&v, GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR), 0x3000);
    cr_expect_eq(v.c->msr.s_cet, CET_SH_STK_EN);
    cr_expect_eq(v.c->ssp, 0x2000);
    cr_expect_eq(v.c->msr.interrupt_ssp_table, 0x3000);
    machine_destroy(v.m);
}

Test(vmx_cet, only_where_the_processor_has_it)
{
    static const char *const models[] = { "icelake", "max,-shstk,-ibt" };
    for (unsigned k = 0; k < ARRAY_SIZE(models); k++) {
        struct vm v = vm_create(models[k], guest_vmcall_start, guest_vmcall_end);
        uint64_t value;
        cr_expect_not(vmcs_read(v.c, 0x6828, &value));
        cr_expect_not(vmcs_read(v.c, 0x682a, &value));
        cr_expect_not(vmcs_read(v.c, 0x6c1c, &value));
        machine_destroy(v.m);
    }
}

/* ---- #CP ---- */

BARE_PROGRAM(guest_return, "call 1f\n hlt\n 1: incq (%rsp)\n ret\n");

Test(vmx_cet, control_protection_exits)
{
    struct vm v = CET_GUEST(guest_return);
    put(&v, EXCEPTION_BITMAP, 1u << VECTOR_CP);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT_CODE(3, VECTOR_CP));
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), CP_NEAR_RET);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 10);
    cr_expect_eq(get(&v, GUEST_RSP), GUEST_STACK - 8);
    cr_expect_eq(get(&v, GUEST_SSP), SSP - 8);
    cr_expect(get(&v, GUEST_RFLAGS) & FLAG_RF);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_jump, "lea 1f(%rip), %rax\n jmp *%rax\n 1: vmcall\n endbr64\n vmcall\n");

Test(vmx_cet, the_tracker_is_part_of_the_state)
{
    struct vm v = CET_GUEST(guest_jump);
    put(&v, GUEST_IA32_S_CET, CET_ENDBR_EN);
    put(&v, EXCEPTION_BITMAP, 1u << VECTOR_CP);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), CP_ENDBRANCH);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 9);
    cr_expect_eq(get(&v, GUEST_IA32_S_CET), CET_ENDBR_EN | CET_TRACKER);
    cr_expect_eq(enter_guest(&v), 0, "the entry loads it");
    put(&v, GUEST_RIP, GUEST_CODE + 12);
    cr_expect_eq(enter_guest(&v), EXIT_VMCALL);
    cr_expect_eq(get(&v, GUEST_IA32_S_CET), CET_ENDBR_EN);
    machine_destroy(v.m);
}

Test(vmx_cet, an_injected_exception_may_have_an_error_code_or_none)
{
    static const uint32_t events[] = { EVENT_CODE(3, VECTOR_CP), EVENT(3, EXC_GP) };
    for (unsigned k = 0; k < ARRAY_SIZE(events); k++) {
        struct vm v = VM(guest_vmcall);
        inject_event(&v, events[k], 0);
        put(&v, VM_ENTRY_EXCEPTION_ERROR_CODE, 3);
        cr_expect_eq(enter_guest(&v), EXIT_VMCALL);
        cr_expect_eq(get(&v, GUEST_RIP), HANDLER(k ? EXC_GP : VECTOR_CP));
        cr_expect_eq(get(&v, GUEST_RSP), GUEST_STACK - (k ? 40 : 48));
        machine_destroy(v.m);
    }
    struct vm v = VM_ON("max,vmx-any-errcode=off", guest_vmcall);
    inject_event(&v, EVENT_CODE(3, VECTOR_CP), 0);
    cr_expect_eq(enter_guest(&v), -1);
    machine_destroy(v.m);
}

/* ---- shadow stacks and EPT ---- */

#define EPT_LEAF(address) (EPT_TABLES + 0x2000 + 8 * ((address) >> 21))
enum { QUAL_WRITE = 2, QUAL_SHADOW = 1 << 13, QUAL_MARKED = 1 << 14, QUAL_LINEAR_FINAL = 0x180,
       QUAL_READABLE = 1 << 3, QUAL_WRITABLE = 1 << 4, QUAL_PAGE = 0xe00 };
#define MARK BIT(60)

/* The exit qualification of the EPT violation of a CALL, or 0 if the guest gets to its VMCALL. */
static uint64_t violation_of_call(struct vm *v, uint64_t leaf, uint64_t eptp)
{
    use_ept(v);
    store(v, EPT_LEAF(SHADOW), 8, SHADOW | leaf);
    put_bits(v, EPT_POINTER, eptp);
    int64_t reason = enter_guest(v);
    if (reason == EXIT_VMCALL) {
        cr_expect_eq(get(v, GUEST_SSP), SSP - 8);
        return 0;
    }
    cr_expect_eq(reason, 48);
    cr_expect_eq(get(v, GUEST_SSP), SSP, "nothing has happened");
    cr_expect_eq(get(v, GUEST_RSP), GUEST_STACK);
    cr_expect_eq(get(v, GUEST_RIP), GUEST_CODE);
    cr_expect_eq(get(v, GUEST_PHYSICAL_ADDRESS), SSP - 8);
    cr_expect_eq(get(v, GUEST_LINEAR_ADDRESS), SSP - 8);
    return get(v, EXIT_QUALIFICATION) & ~(uint64_t)QUAL_PAGE;
}

BARE_PROGRAM(guest_call, "call 1f\n hlt\n 1: vmcall\n");

Test(vmx_cet, supervisor_shadow_stack_control)
{
    enum { LEAF_R = 0xb1, LEAF_RW = 0xb3, CONTROL = 1 << 7,
           BASE = QUAL_WRITE | QUAL_SHADOW | QUAL_LINEAR_FINAL | QUAL_READABLE };
    static const struct { uint64_t leaf, eptp, qualification; } of[] = {
        { LEAF_RW, 0, 0 },
        { LEAF_R, 0, BASE },
        { LEAF_R | MARK, 0, BASE },                 /* bit 60 means nothing without the control */
        { LEAF_RW, CONTROL, BASE | QUAL_WRITABLE },
        { LEAF_R | MARK, CONTROL, 0 },
        { LEAF_RW | MARK, CONTROL, 0 },
        { 0xb0 | MARK, CONTROL, QUAL_WRITE | QUAL_SHADOW | QUAL_LINEAR_FINAL },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(of); k++) {
        struct vm v = CET_GUEST(guest_call);
        uint64_t q = violation_of_call(&v, of[k].leaf, of[k].eptp);
        cr_expect_eq(q, of[k].qualification, "%u: %#lx", k, q);
        machine_destroy(v.m);
    }
}

BARE_PROGRAM(guest_store, "mov %rax, (%rbx)\n vmcall\n");

Test(vmx_cet, a_marked_page_is_named_for_other_accesses_too)
{
    struct vm v = VM(guest_store);
    use_ept(&v);
    store(&v, EPT_LEAF(SHADOW), 8, SHADOW | 0xb1 | MARK);
    put_bits(&v, EPT_POINTER, 1 << 7);
    v.c->gpr[RBX] = SHADOW;
    cr_expect_eq(enter_guest(&v), 48);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION) & ~(uint64_t)QUAL_PAGE,
                 QUAL_WRITE | QUAL_READABLE | QUAL_LINEAR_FINAL | QUAL_MARKED);
    machine_destroy(v.m);
}
