// SPDX-License-Identifier: Apache-2.0
// Task switches, which always exit: qualification, length, vectoring, and the checks before.
#include "vmx_modes.h"

enum { OLD_TSS_SELECTOR = 0x18, NEW_TSS = 0x36000, NEW_SELECTOR = 0x20, GATE_SELECTOR = 0x28 };
enum { SOURCE_CALL, SOURCE_IRET, SOURCE_JMP, SOURCE_GATE };

static uint64_t tss_descriptor(uint32_t base, uint32_t limit, uint32_t access)
{
    return limit | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
           (uint64_t)(base >> 24) << 56;
}
static uint64_t task_gate(unsigned dpl)
{
    return (uint64_t)NEW_SELECTOR << 16 | (uint64_t)(0x85 | dpl << 5) << 40;
}

static struct vm task_guest(const uint8_t *start, const uint8_t *end)
{
    struct vm v = vm_create("max", start, end);
    guest_32(&v);
    put(&v, GUEST_GDTR_LIMIT, 0x2f);
    store(&v, GUEST_GDT + OLD_TSS_SELECTOR, 8, tss_descriptor(GUEST_TSS, 0x67, 0x8b));
    store(&v, GUEST_GDT + NEW_SELECTOR, 8, tss_descriptor(NEW_TSS, 0x67, 0x89));
    store(&v, GUEST_GDT + GATE_SELECTOR, 8, task_gate(0));
    store(&v, GUEST_IDT + 8 * EXC_GP, 8, task_gate(0));
    store(&v, GUEST_IDT + 8 * 0x80, 8, task_gate(0));
    return v;
}
#define TASK_GUEST(program) task_guest(program##_start, program##_end)

static void expect_switch(struct vm *v, unsigned source, uint64_t rip, unsigned length,
                          uint32_t vectoring)
{
    cr_expect_eq(enter_guest(v), 9, "exit %d", (int)get(v, VM_EXIT_REASON));
    cr_expect_eq(get(v, EXIT_QUALIFICATION), NEW_SELECTOR | (uint64_t)source << 30, "%#x",
                 (unsigned)get(v, EXIT_QUALIFICATION));
    cr_expect_eq(get(v, GUEST_RIP), rip);
    if (length)
        cr_expect_eq(get(v, VM_EXIT_INSTRUCTION_LEN), length);
    cr_expect_eq(get(v, IDT_VECTORING_INFO_FIELD), vectoring, "%#x",
                 (unsigned)get(v, IDT_VECTORING_INFO_FIELD));
    cr_expect_eq(get(v, GUEST_TR_SELECTOR), OLD_TSS_SELECTOR);      /* nothing has changed */
    cr_expect_eq(load(v, GUEST_GDT + NEW_SELECTOR + 5, 1) & 2, source == SOURCE_IRET ? 2 : 0);
}
static void expect_handler(struct vm *v, unsigned vector, uint32_t code)
{
    cr_expect_eq(enter_guest(v), 18, "exit %d", (int)get(v, VM_EXIT_REASON));
    cr_expect_eq(get(v, GUEST_RIP), HANDLER(vector));
    cr_expect_eq(load(v, get(v, GUEST_RSP), 4), code);
}

BARE_PROGRAM(guest_call, ".code32\n lcall $0x20, $0\n lcall $0x28, $0\n ljmp $0x20, $0\n"
                         " ljmp $0x28, $0\n int $0x80\n .code64\n");
Test(vmx_tasks, call_and_jmp)
{
    struct vm v = TASK_GUEST(guest_call);
    expect_switch(&v, SOURCE_CALL, GUEST_CODE, 7, 0);
    skip_instruction(&v);
    expect_switch(&v, SOURCE_CALL, GUEST_CODE + 7, 7, 0);   /* by a gate: the TSS is named */
    skip_instruction(&v);
    expect_switch(&v, SOURCE_JMP, GUEST_CODE + 14, 7, 0);
    skip_instruction(&v);
    expect_switch(&v, SOURCE_JMP, GUEST_CODE + 21, 7, 0);
    skip_instruction(&v);
    expect_switch(&v, SOURCE_GATE, GUEST_CODE + 28, 2, EVENT(4, 0x80));
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_iret, ".code32\n iretl\n .code64\n");
Test(vmx_tasks, iret)
{
    struct vm v = TASK_GUEST(guest_iret);
    put_bits(&v, GUEST_RFLAGS, FLAG_NT);
    store(&v, GUEST_TSS, 2, NEW_SELECTOR);
    expect_handler(&v, EXC_TS, NEW_SELECTOR);           /* the other task is not busy */
    store(&v, GUEST_GDT + NEW_SELECTOR, 8, tss_descriptor(NEW_TSS, 0x67, 0x8b));
    put(&v, GUEST_RIP, GUEST_CODE);
    put_bits(&v, GUEST_RFLAGS, FLAG_NT);
    expect_switch(&v, SOURCE_IRET, GUEST_CODE, 1, 0);
    cr_expect(get(&v, GUEST_RFLAGS) & FLAG_NT);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_gp, ".code32\n mov %eax, %ds\n .code64\n");
Test(vmx_tasks, gates_of_events)
{
    struct vm v = TASK_GUEST(guest_gp);
    v.c->gpr[RAX] = 0x1230;
    expect_switch(&v, SOURCE_GATE, GUEST_CODE, 0, EVENT_CODE(3, EXC_GP));
    cr_expect_eq(get(&v, IDT_VECTORING_ERROR_CODE), 0x1230);
    cr_expect(get(&v, GUEST_RFLAGS) & FLAG_RF);
    clear_bits(&v, GUEST_RFLAGS, FLAG_RF);
    put_bits(&v, GUEST_RFLAGS, FLAG_IF);
    inject_event(&v, EVENT(0, 0x80), 0);
    expect_switch(&v, SOURCE_GATE, GUEST_CODE, 0, EVENT(0, 0x80));
    cr_expect_not(get(&v, GUEST_RFLAGS) & FLAG_RF);
    inject_event(&v, EVENT(4, 0x80), 5);
    expect_switch(&v, SOURCE_GATE, GUEST_CODE, 5, EVENT(4, 0x80));
    machine_destroy(v.m);
}

Test(vmx_tasks, refused_switches_fault)
{
    static const struct { uint64_t descriptor; unsigned vector; } of[] = {
        { (uint64_t)0x09 << 40 | 0x67, EXC_NP },        /* not present */
        { (uint64_t)0x89 << 40 | 0x66, EXC_TS },        /* too small */
    };
    for (unsigned k = 0; k < ARRAY_SIZE(of); k++) {
        struct vm v = TASK_GUEST(guest_call);
        store(&v, GUEST_GDT + NEW_SELECTOR, 8, of[k].descriptor);
        expect_handler(&v, of[k].vector, NEW_SELECTOR);
        machine_destroy(v.m);
    }
}

Test(vmx_tasks, a_gate_that_the_program_may_not_use)
{
    struct vm v = TASK_GUEST(guest_call);
    store(&v, GUEST_IDT + 8 * EXC_GP, 8,
          (HANDLER(EXC_GP) & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 |
              (uint64_t)(HANDLER(EXC_GP) >> 16) << 48);
    use_segments(&v, 0xc09b, 0xc093, 3);
    put(&v, GUEST_RIP, GUEST_CODE + 28);                /* INT 80H at CPL 3, DPL 0 */
    expect_handler(&v, EXC_GP, 0x80 * 8 + 2);
    machine_destroy(v.m);
}
