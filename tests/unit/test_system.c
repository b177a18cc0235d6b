// SPDX-License-Identifier: Apache-2.0
// System-level behaviour of the core: frames, gates, tasks, fault codes, fast calls.  Each test
// builds the descriptor tables it needs and looks at memory and registers afterwards.
#include <stdio.h>

#include "tables.h"
#include "vmx/capability.h"

static struct cpu *real_mode(struct machine *m)
{
    struct cpu *c = machine_cpu(m, 0);
    c->seg[CS].selector = 0;
    c->seg[CS].base = 0;
    c->idtr = (struct dtable){ 0, 0x3ff };
    c->gpr[RSP] = 0x8000;
    c->rip = 0x7c00;
    cpu_mode_changed(c);
    return c;
}

/* ---- real-address mode ---- */

BARE_PROGRAM(real_int, ".code16\n sti\n nop\n int $0x21\n mov $0x1234, %bx\n 1: jmp 1b");
BARE_PROGRAM(real_handler, ".code16\n pushf\n pop %ax\n iret");

Test(system, real_mode_int_and_iret)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = real_mode(m);
    PUT(m, 0x7c00, real_int);
    PUT(m, 0x9000, real_handler);
    mem_write_le(machine_mem(m), 4 * 0x21, 4, 0x9000);
    bare_run(m, 3);
    cr_assert_eq(c->rip, 0x9000);
    cr_assert_eq(c->gpr[RSP] & 0xffff, 0x7ffa);
    cr_assert_eq(word_at(m, 0x7ffa, 2), 0x7c04);
    cr_assert_eq(word_at(m, 0x7ffc, 2), 0);
    cr_assert_eq(word_at(m, 0x7ffe, 2), 0x202);
    bare_run(m, 10);
    cr_assert_eq(c->gpr[RAX] & 0xffff, 2, "IF is clear in the handler: %lx", c->gpr[RAX]);
    cr_assert_eq(c->gpr[RBX] & 0xffff, 0x1234);
    cr_assert(c->rflags & FLAG_IF);
    cr_assert_eq(c->gpr[RSP] & 0xffff, 0x8000);
    machine_destroy(m);
}

BARE_PROGRAM(real_loads, ".code16\n ljmp $0x7c0, $5\n mov %ax, %ds\n mov %ax, %fs\n int $0x21");

Test(system, real_mode_loads_leave_the_attributes_of_protected_mode)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = real_mode(m);
    PUT(m, 0x7c00, real_loads);
    mem_write_le(machine_mem(m), 4 * 0x21, 4, 0x1000 << 16);
    c->seg[CS].access = 0x9b;
    c->seg[DS] = (struct segment){ .limit = 0xffffffff, .access = 0xc091 };
    c->seg[FS] = (struct segment){ .access = SEG_UNUSABLE };
    cpu_mode_changed(c);
    bare_run(m, 1);
    cr_assert_eq(c->seg[CS].base, 0x7c00);
    cr_assert_eq(c->seg[CS].access, 0x9b, "a code segment after a far jump: %x", c->seg[CS].access);
    bare_run(m, 2);
    cr_assert_eq(c->seg[DS].limit, 0xffffffff);
    cr_assert_eq(c->seg[DS].access, 0xc091, "%x", c->seg[DS].access);
    cr_assert_eq(c->seg[FS].access, 0x93, "a load makes a segment usable: %x", c->seg[FS].access);
    bare_run(m, 1);
    cr_assert_eq(c->seg[CS].base, 0x10000);
    cr_assert_eq(c->seg[CS].access, 0x9b, "and after INT: %x", c->seg[CS].access);
    machine_destroy(m);
}

/* ---- interrupt gates ---- */

BARE_PROGRAM(int40, ".code32\n int $0x40\n mov $7, %ebx\n 1: jmp 1b");
BARE_PROGRAM(just_iret, ".code32\n iret");

Test(system, interrupt_gate_to_level_0_and_back)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 3);
    PUT(m, CODE3, int40);
    PUT(m, HANDLER, just_iret);
    set_gate(m, 0x40, gate(SEL_CODE0, HANDLER, GATE_INT, 3, 0));
    c->rflags |= FLAG_IF;
    bare_run(m, 1);
    cr_assert_eq(c->rip, HANDLER);
    cr_assert_eq(c->cpl, 0);
    cr_assert_eq(c->seg[CS].selector, SEL_CODE0);
    cr_assert_eq(c->seg[SS].selector, SEL_DATA0);
    cr_assert_not(c->rflags & FLAG_IF);
    cr_assert_eq(c->gpr[RSP], STACK0 - 20);
    static const uint32_t frame[] = { CODE3 + 2, SEL_CODE3, 0x202, STACK3, SEL_DATA3 };
    for (unsigned k = 0; k < 5; k++)
        cr_assert_eq(word_at(m, STACK0 - 20 + 4 * k, 4), frame[k], "word %u", k);
    bare_run(m, 3);
    cr_assert_eq(c->cpl, 3);
    cr_assert_eq(c->gpr[RBX], 7);
    cr_assert_eq(c->gpr[RSP], STACK3);
    cr_assert_eq(c->seg[SS].selector, SEL_DATA3);
    machine_destroy(m);
}

/* ---- error codes ---- */

/* Runs `code` at a level until its fault is delivered and returns the error code on the handler's
 * stack. */
static uint32_t error_of(const uint8_t *start, const uint8_t *end, unsigned cpl, unsigned vector)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, cpl);
    put_code(m, cpl ? CODE3 : CODE0, start, end);
    set_gate(m, 0x41, gate(SEL_CODE0, HANDLER, GATE_INT, 0, 0));
    for (unsigned v = 0; v < 32; v++)
        set_gate(m, v, gate(SEL_CODE0, FAULT_HANDLER + (v == vector ? 0 : 0x100), GATE_INT, 0, 0));
    bare_run(m, 4);
    cr_assert_eq(c->rip, FAULT_HANDLER, "rip %lx", c->rip);
    uint32_t error = (uint32_t)word_at(m, c->gpr[RSP], 4);
    cr_assert(word_at(m, c->gpr[RSP] + 12, 4) & FLAG_RF, "RF in the image of a fault");
    machine_destroy(m);
    return error;
}
#define ERROR_OF(name, cpl, vector) error_of(name##_start, name##_end, cpl, vector)

BARE_PROGRAM(int_dpl0, ".code32\n int $0x41");
BARE_PROGRAM(ds_beyond, ".code32\n mov $0x1007, %eax\n mov %eax, %ds");
BARE_PROGRAM(ds_beyond_gdt, ".code32\n mov $0x1003, %eax\n mov %eax, %ds");
BARE_PROGRAM(ds_level0, ".code32\n mov $0x10, %eax\n mov %eax, %ds");
BARE_PROGRAM(ds_absent, ".code32\n mov $0x40, %eax\n mov %eax, %ds");
BARE_PROGRAM(ss_absent, ".code32\n mov $0x40, %eax\n mov %eax, %ss");
BARE_PROGRAM(ss_null, ".code32\n xor %eax, %eax\n mov %eax, %ss");
BARE_PROGRAM(jmp_data, ".code32\n ljmp $0x10, $0");
BARE_PROGRAM(privileged, ".code32\n hlt");
BARE_PROGRAM(bad_msr, ".code32\n mov $0x12345678, %ecx\n rdmsr");
BARE_PROGRAM(out_port, ".code32\n out %al, $0x80");
BARE_PROGRAM(cli3, ".code32\n cli");
BARE_PROGRAM(ltr_busy, ".code32\n mov $0x28, %eax\n ltr %ax");
BARE_PROGRAM(cr4_reserved_bit, ".code32\n mov $0x8000000, %eax\n mov %eax, %cr4");
BARE_PROGRAM(pg_without_pe, ".code32\n mov $0x80000000, %eax\n mov %eax, %cr0");

Test(system, error_codes)
{
    cr_expect_eq(ERROR_OF(int_dpl0, 3, EXC_GP), 0x41 * 8 + 2);
    cr_expect_eq(ERROR_OF(ds_beyond, 0, EXC_GP), 0x1004);
    cr_expect_eq(ERROR_OF(ds_beyond_gdt, 0, EXC_GP), 0x1000);
    cr_expect_eq(ERROR_OF(ds_level0, 3, EXC_GP), 0x10);
    cr_expect_eq(ERROR_OF(ds_absent, 0, EXC_NP), 0x40);
    cr_expect_eq(ERROR_OF(ss_absent, 0, EXC_SS), 0x40);
    cr_expect_eq(ERROR_OF(ss_null, 0, EXC_GP), 0);
    cr_expect_eq(ERROR_OF(jmp_data, 0, EXC_GP), 0x10);
    cr_expect_eq(ERROR_OF(privileged, 3, EXC_GP), 0);
    cr_expect_eq(ERROR_OF(bad_msr, 0, EXC_GP), 0);
    cr_expect_eq(ERROR_OF(out_port, 3, EXC_GP), 0);
    cr_expect_eq(ERROR_OF(cli3, 3, EXC_GP), 0);
    cr_expect_eq(ERROR_OF(ltr_busy, 0, EXC_GP), 0x28);
    cr_expect_eq(ERROR_OF(cr4_reserved_bit, 0, EXC_GP), 0);
    cr_expect_eq(ERROR_OF(pg_without_pe, 0, EXC_GP), 0);
}

/* ---- double and triple faults ---- */

Test(system, contributory_twice_is_a_double_fault)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, jmp_data);
    set_gate(m, EXC_GP, 0);                   /* #GP while delivering #GP */
    set_gate(m, EXC_DF, gate(SEL_CODE0, HANDLER, GATE_INT, 0, 0));
    bare_run(m, 2);
    cr_assert_eq(c->rip, HANDLER);
    cr_assert_eq(word_at(m, c->gpr[RSP], 4), 0);
    cr_assert_eq(word_at(m, c->gpr[RSP] + 4, 4), CODE0);
    machine_destroy(m);
}

Test(system, a_fault_delivering_a_double_fault_stops_the_machine)
{
    struct machine *m = bare_machine("max");
    protected_mode(m, 0);
    PUT(m, CODE0, jmp_data);
    set_gate(m, EXC_GP, 0);
    set_gate(m, EXC_DF, 0);
    cr_assert_eq(bare_run(m, 10), STOP_TRIPLE_FAULT);
    machine_destroy(m);
}

/* ---- tasks ---- */

BARE_PROGRAM(task_body,
             ".code32\n mov $0x55, %eax\n pushf\n pop %ebx\n iret\n mov $0x66, %eax\n 1: jmp 1b");

static void write_task(struct machine *m, uint32_t eip)
{
    struct mem *mem = machine_mem(m);
    static const uint16_t selectors[] = { SEL_DATA0, SEL_CODE0, SEL_DATA0,
                                          SEL_DATA0, SEL_DATA0, SEL_DATA0 };
    mem_write_le(mem, TSS2 + 32, 4, eip);
    mem_write_le(mem, TSS2 + 36, 4, 2);
    mem_write_le(mem, TSS2 + 40 + 4 * RSP, 4, STACK0 - 0x1000);
    for (unsigned k = 0; k < 6; k++)
        mem_write_le(mem, TSS2 + 72 + 4 * k, 4, selectors[k]);
}

Test(system, task_gate_and_return)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, int40);
    PUT(m, HANDLER, task_body);
    write_task(m, HANDLER);
    set_gate(m, 0x40, gate(SEL_TSS2, 0, GATE_TASK, 0, 0));
    c->gpr[RSI] = 0x1111;
    bare_run(m, 1);
    cr_assert_eq(c->rip, HANDLER, "rip %lx", c->rip);
    cr_assert_eq(c->seg[TR].selector, SEL_TSS2);
    cr_assert_eq(word_at(m, TSS2, 2), SEL_TSS, "back link");
    cr_assert_eq(word_at(m, GDT + SEL_TSS2 + 5, 1), 0x8b, "new task busy");
    cr_assert_eq(word_at(m, GDT + SEL_TSS + 5, 1), 0x8b, "old task still busy");
    cr_assert_eq(word_at(m, TSS + 32, 4), CODE0 + 2, "EIP of the old task");
    cr_assert_eq(word_at(m, TSS + 40 + 4 * RSI, 4), 0x1111);
    cr_assert(c->rflags & FLAG_NT);
    cr_assert(c->cr0 & CR0_TS);
    bare_run(m, 6);
    cr_assert_eq(c->seg[TR].selector, SEL_TSS);
    cr_assert_eq(c->gpr[RBX], 7);
    cr_assert_eq(c->gpr[RSI], 0x1111);
    cr_assert_eq(word_at(m, GDT + SEL_TSS2 + 5, 1), 0x89, "the task is available again");
    cr_assert_not(word_at(m, TSS2 + 36, 4) & FLAG_NT);
    machine_destroy(m);
}

BARE_PROGRAM(jmp_task, ".code32\n ljmp $0x30, $0");

Test(system, a_bad_segment_of_the_new_task_faults_there)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, jmp_task);
    write_task(m, HANDLER);
    mem_write_le(machine_mem(m), TSS2 + 72 + 4 * DS, 4, 0x1000);
    bare_run(m, 1);
    cr_assert_eq(c->rip, FAULT_HANDLER);
    cr_assert_eq(c->seg[TR].selector, SEL_TSS2);
    cr_assert_eq(word_at(m, c->gpr[RSP], 4), 0x1000);
    cr_assert_eq(word_at(m, c->gpr[RSP] + 4, 4), HANDLER, "EIP of the new task");
    cr_assert_eq(word_at(m, GDT + SEL_TSS + 5, 1), 0x89, "JMP releases the old task");
    machine_destroy(m);
}

/* ---- call gates ---- */

BARE_PROGRAM(call_gate,
             ".code32\n push $0x1111\n push $0x2222\n lcall $0x3b, $0\n mov $9, %ebx\n 1: jmp 1b");
BARE_PROGRAM(gate_body, ".code32\n mov 8(%esp), %eax\n mov 12(%esp), %edx\n lret $8");

Test(system, call_gate_copies_parameters)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 3);
    PUT(m, CODE3, call_gate);
    PUT(m, HANDLER, gate_body);
    bare_run(m, 3);
    cr_assert_eq(c->cpl, 0);
    cr_assert_eq(c->gpr[RSP], STACK0 - 24);
    cr_assert_eq(word_at(m, STACK0 - 4, 4), SEL_DATA3);
    cr_assert_eq(word_at(m, STACK0 - 8, 4), STACK3 - 8);
    bare_run(m, 4);
    cr_assert_eq(c->gpr[RAX], 0x2222);
    cr_assert_eq(c->gpr[RDX], 0x1111);
    cr_assert_eq(c->gpr[RBX], 9);
    cr_assert_eq(c->cpl, 3);
    cr_assert_eq(c->gpr[RSP], STACK3, "RET n releases the parameters of both stacks");
    machine_destroy(m);
}

/* ---- 64-bit mode ---- */

BARE_PROGRAM(sysret_program, ".code64\n"
    "lea 1f(%rip), %rcx\n mov $0x202, %r11\n sysretq\n"
    "1: mov %cs, %eax\n mov %ss, %ebx\n syscall");
BARE_PROGRAM(syscall_entry, ".code64\n mov %cs, %esi\n mov %ss, %edi\n 1: jmp 1b");

Test(system, sysret_and_syscall)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, sysret_program_start, sysret_program_end);
    PUT(m, HANDLER, syscall_entry);
    cr_assert(msr_write(c, 0xc0000081, UINT64_C(0x0010000800000000)));
    cr_assert(msr_write(c, 0xc0000082, HANDLER));
    cr_assert(msr_write(c, 0xc0000084, FLAG_IF));
    bare_run(m, 3);
    cr_assert_eq(c->cpl, 3);
    cr_assert_eq(c->seg[CS].selector, 0x23);
    cr_assert(c->rflags & FLAG_IF);
    bare_run(m, 3);
    cr_assert_eq(c->rip, HANDLER);
    cr_assert_eq(c->gpr[RAX], 0x23);
    cr_assert_eq(c->gpr[RBX], 0x1b);
    cr_assert_eq(c->gpr[RCX], BARE_CODE + (uint64_t)(sysret_program_end - sysret_program_start));
    cr_assert_eq(c->gpr[R11], 0x202);
    bare_run(m, 2);
    cr_assert_eq(c->gpr[RSI], 8);
    cr_assert_eq(c->gpr[RDI], 16);
    cr_assert_not(c->rflags & FLAG_IF);
    machine_destroy(m);
}

Test(system, long_mode_frame_is_aligned_and_has_ss)
{
    BARE_PROGRAM(ud2_program, ".code64\n ud2");
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, ud2_program_start, ud2_program_end);
    struct mem *mem = machine_mem(m);
    write_tables(m);
    mem_write_le(mem, GDT + SEL_CODE0, 8, descriptor(0, 0xfffff, 0xa09b));
    mem_write_le(mem, IDT + 16 * EXC_UD, 8, gate(SEL_CODE0, HANDLER, GATE_INT, 0, 0));
    mem_write_le(mem, IDT + 16 * EXC_UD + 8, 8, 0);
    c->gdtr = (struct dtable){ GDT, GDT_SIZE - 1 };
    c->idtr = (struct dtable){ IDT, 0xfff };
    c->gpr[RSP] = BARE_STACK + 5;
    bare_run(m, 1);
    cr_assert_eq(c->rip, HANDLER, "rip %lx", c->rip);
    cr_assert_eq(c->gpr[RSP], BARE_STACK - 40);
    cr_assert_eq(word_at(m, BARE_STACK - 40, 8), BARE_CODE);
    cr_assert_eq(word_at(m, BARE_STACK - 16, 8), BARE_STACK + 5);
    cr_assert_eq(word_at(m, BARE_STACK - 8, 8), 16);
    machine_destroy(m);
}

/* ---- 64-bit mode: IST and IRETQ ---- */

BARE_PROGRAM(iretq_body, ".code64\n iretq");
BARE_PROGRAM(ud2_then_more, ".code64\n ud2");

Test(system, interrupt_stack_table_switches_without_a_level_change)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, ud2_then_more_start, ud2_then_more_end);
    struct mem *mem = machine_mem(m);
    write_tables(m);
    mem_write_le(mem, GDT + SEL_CODE0, 8, descriptor(0, 0xfffff, 0xa09b));
    mem_write_le(mem, IDT + 16 * EXC_UD, 8, gate(SEL_CODE0, HANDLER, GATE_TRAP, 0, 3));
    mem_write_le(mem, IDT + 16 * EXC_UD + 8, 8, 0);
    mem_write_le(mem, TSS + 36 + 8 * 2, 8, 0x70008);           /* IST3 */
    c->gdtr = (struct dtable){ GDT, GDT_SIZE - 1 };
    c->idtr = (struct dtable){ IDT, 0xfff };
    c->seg[TR] = (struct segment){ .base = TSS, .limit = 0x67, .access = 0x8b };
    c->rflags |= FLAG_IF;
    bare_run(m, 1);
    cr_assert_eq(c->rip, HANDLER, "rip %lx", c->rip);
    cr_assert_eq(c->gpr[RSP], 0x70000 - 40);
    cr_assert(c->rflags & FLAG_IF, "a trap gate keeps IF");
    machine_destroy(m);
}

enum { FS_BASE = 0x123456 };

/* IRETQ with the frame {rip, cs, rflags, rsp, ss}; returns the vector delivered, or -1. */
static int iretq(const uint64_t frame[5], uint32_t *error, struct cpu *end)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, iretq_body_start, iretq_body_end);
    struct mem *mem = machine_mem(m);
    write_tables(m);
    mem_write_le(mem, GDT + SEL_CODE0, 8, descriptor(0, 0xfffff, 0xa09b));
    mem_write_le(mem, GDT + (SEL_CODE3 & ~7), 8, descriptor(0, 0xfffff, 0xa0fb));
    for (unsigned v = 0; v < 32; v++) {
        mem_write_le(mem, IDT + 16 * v, 8, gate(SEL_CODE0, FAULT_HANDLER + 16 * v, GATE_INT, 0, 0));
        mem_write_le(mem, IDT + 16 * v + 8, 8, 0);
    }
    mem_write(mem, BARE_STACK, frame, 40);
    c->gdtr = (struct dtable){ GDT, GDT_SIZE - 1 };
    c->idtr = (struct dtable){ IDT, 0xfff };
    c->seg[FS].base = FS_BASE;
    bare_run(m, 1);
    *error = (uint32_t)word_at(m, c->gpr[RSP], 8);
    end->rip = c->rip;
    end->cpl = c->cpl;
    end->gpr[RSP] = c->gpr[RSP];
    end->seg[FS] = c->seg[FS];
    machine_destroy(m);
    return end->rip >= FAULT_HANDLER && end->rip < FAULT_HANDLER + 512 ?
               (int)(end->rip - FAULT_HANDLER) / 16 : -1;
}

Test(system, iretq_checks_and_returns)
{
    static struct cpu end;
    uint32_t error;
    uint64_t good[] = { CODE3, SEL_CODE3, 0x202, STACK3, SEL_DATA3 };
    uint64_t null_ss3[] = { CODE3, SEL_CODE3, 0x202, STACK3, 3 };
    uint64_t null_ss0[] = { CODE0, SEL_CODE0, 2, STACK0, 0 };
    uint64_t wild_rip[] = { UINT64_C(0x800000000000), SEL_CODE3, 2, STACK3, SEL_DATA3 };
    uint64_t ss_level0[] = { CODE3, SEL_CODE3, 2, STACK3, SEL_DATA0 };
    cr_expect_eq(iretq(good, &error, &end), -1);
    cr_expect_eq(end.cpl, 3);
    cr_expect_eq(end.gpr[RSP], STACK3);
    cr_expect_eq(end.seg[FS].selector, 0, "a segment of level 0");
    cr_expect(end.seg[FS].access & SEG_UNUSABLE);
    cr_expect_eq(end.seg[FS].base, FS_BASE, "only the selector becomes null");
    cr_expect_eq(iretq(null_ss3, &error, &end), EXC_GP);
    cr_expect_eq(error, 0);
    cr_expect_eq(iretq(null_ss0, &error, &end), -1, "a null SS is good below level 3");
    cr_expect_eq(iretq(wild_rip, &error, &end), EXC_GP);
    cr_expect_eq(error, 0);
    cr_expect_eq(iretq(ss_level0, &error, &end), EXC_GP);
    cr_expect_eq(error, SEL_DATA0);
}

/* ---- looking at descriptors, I/O permission, waiting ---- */

BARE_PROGRAM(look, ".code32\n"
    "mov $0x1b, %ebx\n lar %ebx, %eax\n sete %ch\n lsl %ebx, %edx\n verw %bx\n sete %cl\n"
    "mov $0x10, %ebx\n verr %bx\n sete %bl\n 1: jmp 1b");

Test(system, lar_lsl_verr_verw)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 3);
    PUT(m, CODE3, look);
    bare_run(m, 10);
    cr_assert_eq(c->gpr[RAX] & 0x00f0ff00, 0x00c0fb00);
    cr_assert_eq(c->gpr[RDX], 0xffffffff);
    cr_assert_eq(c->gpr[RCX] & 0xffff, 0x100, "LAR good, VERW of code not: %lx", c->gpr[RCX]);
    cr_assert_eq(c->gpr[RBX] & 0xff, 0, "level 0 data is not for level 3");
    machine_destroy(m);
}

BARE_PROGRAM(out_allowed, ".code32\n out %al, $0x80\n out %al, $0x81\n nop");

Test(system, io_permission_bitmap)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 3);
    PUT(m, CODE3, out_allowed);
    c->seg[TR].limit = 0x68 + 0x20;
    mem_write_le(machine_mem(m), TSS + 0x68 + 0x10, 2, 0xfffe);       /* port 80H only */
    bare_run(m, 2);
    cr_assert_eq(c->rip, FAULT_HANDLER);
    cr_assert_eq(word_at(m, c->gpr[RSP] + 4, 4), CODE3 + 2, "EIP of the second OUT");
    machine_destroy(m);
}

BARE_PROGRAM(monitor_mwait, ".code32\n"
    "mov $0x40000, %eax\n xor %ecx, %ecx\n xor %edx, %edx\n monitor\n mwait\n"
    "mov $5, %ebx\n 1: jmp 1b");

Test(system, a_store_to_the_monitored_line_ends_mwait)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, monitor_mwait);
    bare_run(m, 20);
    cr_assert_eq(c->activity, ACTIVITY_MWAIT);
    cr_assert(cpu_is_idle(c));
    mem_write_le(machine_mem(m), 0x4003c, 4, 1);
    cr_assert_not(cpu_is_idle(c));
    bare_run(m, 3);
    cr_assert_eq(c->gpr[RBX], 5);
    machine_destroy(m);
}

/* ---- virtual-8086 mode ---- */

BARE_PROGRAM(enter_v86, ".code32\n iret");
BARE_PROGRAM(v86_body, ".code16\n mov %cs, %ax\n int $0x21");

static struct cpu *into_v86(struct machine *m, uint32_t flags)
{
    struct cpu *c = protected_mode(m, 0);
    static const uint32_t zeroes[4];
    uint32_t frame[] = { 0, 0x1500, flags | FLAG_VM | 2, 0xfff0, 0x3000, 0x1111, 0x2222, 0, 0 };
    PUT(m, CODE0, enter_v86);
    PUT(m, 0x15000, v86_body);
    mem_write(machine_mem(m), STACK0 - sizeof frame, frame, sizeof frame);
    mem_write(machine_mem(m), TSS + 0x68, zeroes, sizeof zeroes);
    c->gpr[RSP] = STACK0 - sizeof frame;
    set_gate(m, 0x21, gate(SEL_CODE0, HANDLER, GATE_INT, 3, 0));
    return c;
}

Test(system, v86_interrupt_pushes_nine_words)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = into_v86(m, FLAG_IOPL);
    bare_run(m, 3);
    cr_assert_eq(c->rip, HANDLER, "rip %lx", c->rip);
    cr_assert_eq(c->gpr[RAX], 0x1500);
    cr_assert_eq(c->gpr[RSP], STACK0 - 36);
    static const uint32_t frame[] = { 4,      0x1500, FLAG_IOPL | FLAG_VM | 2, 0xfff0, 0x3000,
                                      0x1111, 0x2222 };
    for (unsigned k = 0; k < 7; k++)
        cr_assert_eq(word_at(m, STACK0 - 36 + 4 * k, 4), frame[k], "word %u", k);
    cr_assert(c->seg[DS].access & SEG_UNUSABLE);
    machine_destroy(m);
}

Test(system, v86_int_with_low_iopl_is_a_fault)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = into_v86(m, 0);
    bare_run(m, 3);
    cr_assert_eq(c->rip, FAULT_HANDLER);
    cr_assert_eq(word_at(m, c->gpr[RSP], 4), 0);
    cr_assert_eq(word_at(m, c->gpr[RSP] + 4, 4), 2, "EIP of INT n");
    machine_destroy(m);
}

Test(system, v86_extensions_redirect_and_virtualise_if)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = into_v86(m, FLAG_VIF);
    mem_write_le(machine_mem(m), TSS + 102, 2, 0x68 + 32); /* redirection map of zeroes at 68H */
    mem_write_le(machine_mem(m), 4 * 0x21, 4, 0x40001234);
    c->seg[TR].limit = 0x200;
    c->cr4 |= CR4_VME;
    memset(&c->gpr[RBX], 0, 8);
    bare_run(m, 3);
    cr_assert_eq(c->rip, 0x1234, "rip %lx", c->rip);
    cr_assert_eq(c->seg[CS].selector, 0x4000);
    cr_assert_eq(c->cpl, 3);
    cr_assert_eq(word_at(m, 0x30000 + 0xffee, 2), FLAG_IOPL | FLAG_IF | 2, "IF is VIF, IOPL is 3");
    cr_assert_not(c->rflags & FLAG_VIF);
    machine_destroy(m);
}

/* ---- MSRs and CPUID ---- */

Test(system, msr_checks)
{
    struct machine *m = bare_machine("skylake");
    struct cpu *c = machine_cpu(m, 0);
    uint64_t v;
    cr_expect(msr_read(c, 0x277, &v) && v == UINT64_C(0x0007040600070406));
    cr_expect_not(msr_write(c, 0x277, 2), "memory type 2 is reserved");
    cr_expect_not(msr_write(c, 0xc0000080, 1 << 3), "reserved bit of EFER");
    cr_expect_not(msr_write(c, 0xc0000082, UINT64_C(0x0000900000000000)), "not canonical");
    cr_expect_not(msr_write(c, 0xfe, 0), "read-only");
    cr_expect_not(msr_read(c, 0x12345678, &v));
    cr_expect(msr_read(c, 0xe2, &v) && v == 0, "no package C-states");
    cr_expect(msr_write(c, 0x3a, 5));
    cr_expect_not(msr_write(c, 0x3a, 5), "locked");
    cr_expect(msr_write(c, 0x200, 6) && msr_read(c, 0x200, &v) && v == 6);
    cr_expect_not(msr_write(c, 0x201, UINT64_C(1) << c->physical_bits));
    machine_destroy(m);
}

Test(system, netburst_has_no_package_c_states_to_configure)
{
    struct machine *m = bare_machine("prescott-vt");
    uint64_t v;
    cr_expect_not(msr_read(machine_cpu(m, 0), 0xe2, &v));
    machine_destroy(m);
}

Test(system, tsc_and_tsc_adjust_move_together)
{
    struct machine *m = bare_machine("skylake");
    struct cpu *c = machine_cpu(m, 0);
    uint64_t tsc, adjust;
    cr_assert(msr_write(c, 0x3b, 1000) && msr_read(c, 0x10, &tsc));
    cr_assert_eq(tsc - cpu_tick(c), 1000);
    cr_assert(msr_write(c, 0x10, cpu_tick(c) + 5) && msr_read(c, 0x3b, &adjust));
    cr_assert_eq(adjust, 5);
    machine_destroy(m);
}

Test(system, cpuid_mirrors_state)
{
    struct machine *m = bare_machine("skylake");
    struct cpu *c = machine_cpu(m, 0);
    uint32_t r[4];
    model_cpuid(c, 0, 0, r);
    cr_assert(!memcmp(&r[1], "Genu", 4) && !memcmp(&r[3], "ineI", 4) && !memcmp(&r[2], "ntel", 4));
    model_cpuid(c, 1, 0, r);
    cr_assert_eq(r[0], 0x506e3);
    cr_assert_not(r[2] >> 27 & 1);
    cpu_load_cr4(c, CR4_OSXSAVE);
    model_cpuid(c, 1, 0, r);
    cr_assert(r[2] >> 27 & 1);
    machine_destroy(m);
}

/* Leaves 1, 4 and 0BH: two threads on each of three cores, the APIC ID's fields 2 and 1 bits wide.
 */
Test(system, cpuid_topology)
{
    struct sp_error e;
    struct machine_config config = {
        .ram_size = 1 << 20, .processors = 6, .threads = 2, .cpu = "max", .bare = true
    };
    struct machine *m = machine_create(&config, &e);
    const struct cpu *c = machine_cpu(m, 5);
    uint32_t r[4];
    model_cpuid(c, 1, 0, r);
    cr_assert_eq(r[1] >> 16, 5 << 8 | 8, "APIC ID, and eight of them in a package");
    cr_assert(r[3] >> 28 & 1, "HTT");
    model_cpuid(c, 4, 0, r);
    cr_assert_eq(r[0] >> 26, 3, "core IDs of a package, less 1");
    cr_assert_eq(r[0] >> 14 & 0xfff, 1, "the first level serves a core");
    model_cpuid(c, 4, 3, r);
    cr_assert_eq(r[0] >> 14 & 0xfff, 7, "the last one the package");
    const uint32_t levels[3][4] = { { 1, 2, 0x100, 5 }, { 3, 6, 0x201, 5 }, { 0, 0, 2, 5 } };
    for (unsigned k = 0; k < 3; k++) {
        model_cpuid(c, 0xb, k, r);
        cr_assert_arr_eq(r, levels[k], sizeof r, "level %u", k);
    }
    machine_destroy(m);
    m = bare_machine("max");
    model_cpuid(machine_cpu(m, 0), 1, 0, r);
    cr_assert_not(r[3] >> 28 & 1, "one processor: no HTT");
    machine_destroy(m);
}

Test(system, model_options)
{
    struct cpu_model m;
    struct sp_error e;
    cr_assert(machine_parse_model(&m, "nehalem,+smep,-sse42,popcnt=off", &e));
    cr_expect(m.features[FEAT_SMEP] && !m.features[FEAT_SSE42] && !m.features[FEAT_POPCNT]);
    cr_expect(m.features[FEAT_SSSE3], "from an older profile");
    cr_expect_not(m.features[FEAT_FSGSBASE], "from a newer one");
    cr_expect_not(machine_parse_model(&m, "nehalem,+nonsense", &e));
    cr_expect_not(machine_parse_model(&m, "nehalem,+-smep", &e));
    cr_expect_not(machine_parse_model(&m, "nehalem,=on", &e));
    cr_expect_not(machine_parse_model(&m, "z80", &e));
}

/* QEMU's names of models, features and properties; what is not modelled is listed, or refused. */
Test(system, model_options_of_qemu)
{
    struct cpu_model m;
    struct sp_error e;
    cr_assert(machine_parse_model(&m, "Nehalem-IBRS,+tsc-deadline,-sse4.2,+pdpe1gb", &e));
    cr_expect(m.features[FEAT_TSC_DEADLINE] && !m.features[FEAT_SSE42] && m.features[FEAT_PAGE1GB]);
    cr_expect_str_eq(m.name, "nehalem");
    cr_expect_str_eq(m.unmodelled, "");
    cr_assert(machine_parse_model(&m, "Haswell-noTSX-v4,-adx,phys-bits=36,host-phys-bits=off", &e));
    cr_expect_str_eq(m.name, "skylake");
    cr_expect(m.features[FEAT_INVPCID] && !m.features[FEAT_SMAP]);
    cr_expect_eq(m.physical_bits, 36);
    cr_expect(strstr(m.unmodelled, "avx2"));
    cr_assert(machine_parse_model(&m, "max,-avx2,-vmx-mbec,hv_passthrough,+kvm-pv-ipi", &e));
    cr_expect_str_eq(m.unmodelled, "hv_passthrough, kvm-pv-ipi");
    cr_expect_not(machine_parse_model(&m, "max,+avx2,enforce", &e));
    cr_expect_eq(e.code, SP_EXIT_NOT_MODELLED);
    cr_expect_not(machine_parse_model(&m, "max,vendor=AuthenticAMD", &e));
    cr_expect_eq(e.code, SP_EXIT_NOT_MODELLED);
    cr_expect_not(machine_parse_model(&m, "EPYC-v2", &e));
    cr_expect_eq(e.code, SP_EXIT_NOT_MODELLED);
    cr_expect_not(machine_parse_model(&m, "max,phys-bits=99", &e));
    cr_expect_eq(e.code, SP_EXIT_USAGE);
    for (const char *const *name = machine_qemu_models(); *name; name++)
        cr_expect(machine_parse_model(&m, *name, &e), "%s: %s", *name, e.message);
}

/* A misspelt word in a profile's file would be lost without a trace. */
Test(system, profiles_name_features_that_exist)
{
    struct cpu_model m = { 0 };
    for (unsigned k = 0; model_at(k); k++) {
        char list[512], *word;
        const char *extends = model_at(k)->extends;
        cr_expect(!extends || model_profile(extends, strlen(extends)), "%s", extends);
        snprintf(list, sizeof list, "%s", model_at(k)->features);
        for (word = strtok(list, " "); word; word = strtok(NULL, " "))
            cr_expect(model_set_feature(&m, word, true), "%s: %s", model_at(k)->name, word);
    }
}

/* A feature that is modelled must not stand among those that are not. */
Test(system, features_are_modelled_or_not)
{
    static const char *const unmodelled[] = {
#define MODEL(name, spec)
#define OTHER(name)
#define UNMODELLED(name) name,
#include "machine/qemu.def"
    };
    struct cpu_model m;
    struct sp_error e;
    cr_assert(machine_parse_model(&m, "max", &e));
    for (size_t k = 0; k < sizeof unmodelled / sizeof *unmodelled; k++) {
        cr_expect_not(model_set_feature(&m, unmodelled[k], true), "%s", unmodelled[k]);
        cr_expect_not(vmx_model_option(&m, unmodelled[k], true), "%s", unmodelled[k]);
    }
}
