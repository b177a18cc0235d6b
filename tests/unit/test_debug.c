// SPDX-License-Identifier: Apache-2.0
// Debug exceptions: single-step, breakpoints, and what MOV SS holds back.
#include "tables.h"

/* ---- shadows and single-step ---- */

BARE_PROGRAM(sti_nop, ".code32\n sti\n nop\n nop\n 1: jmp 1b");

Test(debug, mov_ss_blocks_an_nmi_for_one_instruction)
{
    BARE_PROGRAM(mov_ss, ".code32\n mov %ss, %eax\n mov %eax, %ss\n nop\n nop");
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, mov_ss);
    bare_run(m, 2);
    cpu_set_pending(c, PEND_NMI);
    bare_run(m, 2);
    cr_assert_eq(c->rip, FAULT_HANDLER);
    cr_assert_eq(word_at(m, c->gpr[RSP], 4), CODE0 + 5, "after the instruction that follows");
    cr_assert(c->nmi_blocked);
    machine_destroy(m);
}

Test(debug, single_step_traps_after_the_instruction)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, sti_nop);
    c->rflags |= FLAG_TF;
    bare_run(m, 2);
    cr_assert_eq(c->rip, FAULT_HANDLER);
    cr_assert_eq(word_at(m, c->gpr[RSP], 4), CODE0 + 1);
    cr_assert_eq(c->dr[6] & 0xf00f, 0x4000);
    cr_assert_not(c->rflags & FLAG_TF);
    machine_destroy(m);
}

/* A trap between two iterations of a string instruction pushes RF = 1; the NMI that comes before
 * its handler's first instruction interrupts no string instruction. */
Test(debug, an_nmi_behind_a_trap_between_iterations)
{
    BARE_PROGRAM(fill, ".code32\n rep stosb\n 1: jmp 1b");
    BARE_PROGRAM(stay, ".code32\n 1: jmp 1b");
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, fill);
    PUT(m, FAULT_HANDLER, stay);
    c->gpr[RCX] = 5;
    c->gpr[RDI] = 0x3000;
    c->rflags |= FLAG_TF;
    c->shadow = SHADOW_MOV_SS;          /* holds the NMI back until then */
    cpu_set_pending(c, PEND_NMI);
    bare_run(m, 3);
    cr_assert_eq(word_at(m, c->gpr[RSP], 4), FAULT_HANDLER, "#DB, then the NMI");
    cr_expect_not(word_at(m, c->gpr[RSP] + 8, 4) & FLAG_RF);
    cr_expect(word_at(m, c->gpr[RSP] + 20, 4) & FLAG_RF);
    machine_destroy(m);
}

/* MOV SS holds a data breakpoint back.  INT1 is a #DB itself and takes it along; INT n is not, and
 * the breakpoint strikes before the handler's first instruction. */
Test(debug, mov_ss_with_a_watched_operand)
{
    BARE_PROGRAM(watch_int1, ".code32\n mov %eax, %dr0\n mov %ecx, %dr7\n mov (%eax), %ss\n"
                             ".byte 0xf1\n 1: jmp 1b");
    BARE_PROGRAM(watch_int, ".code32\n mov %eax, %dr0\n mov %ecx, %dr7\n mov (%eax), %ss\n"
                            "int $1\n 1: jmp 1b");
    BARE_PROGRAM(count, ".code32\n inc %ebx\n iret\n");
    enum { WATCHED = 0x3000, DR7_READ_2_BYTES = 0x70401 };
    for (unsigned k = 0; k < 2; k++) {
        struct machine *m = bare_machine("max");
        struct cpu *c = protected_mode(m, 0);
        if (k)
            PUT(m, CODE0, watch_int);
        else
            PUT(m, CODE0, watch_int1);
        PUT(m, FAULT_HANDLER, count);
        mem_write_le(machine_mem(m), WATCHED, 2, SEL_DATA0);
        c->gpr[RAX] = WATCHED, c->gpr[RCX] = DR7_READ_2_BYTES, c->gpr[RBX] = 0;
        bare_run(m, 20);
        cr_assert_eq(c->gpr[RBX], k + 1, "case %u: %llu", k, (unsigned long long)c->gpr[RBX]);
        cr_assert_eq(c->dr[6] & 0xf00f, 1);
        machine_destroy(m);
    }
}

/* A general-detect fault under MOV SS reports BD alone: the single step held back is lost. */
Test(debug, general_detect_under_mov_ss)
{
    BARE_PROGRAM(count_and_stop, ".code32\n inc %ebx\n 1: jmp 1b");
    BARE_PROGRAM(mov_dr, ".code32\n mov %ss, %eax\n mov %eax, %ss\n mov %eax, %dr6\n");
    struct machine *m = bare_machine("max");
    struct cpu *c = protected_mode(m, 0);
    PUT(m, CODE0, mov_dr);
    PUT(m, FAULT_HANDLER, count_and_stop);
    bare_run(m, 1);
    c->gpr[RBX] = 0;
    c->dr[7] |= 1 << 13;
    c->rflags |= FLAG_TF;
    bare_run(m, 10);
    cr_assert_eq(c->gpr[RBX], 1);
    cr_assert_eq(c->dr[6] & 0xf00f, 0x2000);
    cr_assert_eq(word_at(m, c->gpr[RSP], 4), CODE0 + 4);
    cr_assert_eq(c->dr[7] & 1 << 13, 0);
    machine_destroy(m);
}

/* Runs two instructions of a 64-bit program with a #DB gate and FMASK, RFLAGS.TF set or not;
 * returns the return address of the #DB, or 0 if there was none. */
static uint64_t debug_trap(const uint8_t *start, const uint8_t *end, uint64_t fmask, uint64_t flags)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, start, end);
    struct mem *mem = machine_mem(m);
    write_tables(m);
    mem_write_le(mem, GDT + SEL_CODE0, 8, descriptor(0, 0xfffff, 0xa09b));
    mem_write_le(mem, IDT + 16 * EXC_DB, 8, gate(SEL_CODE0, FAULT_HANDLER, GATE_INT, 0, 0));
    mem_write_le(mem, IDT + 16 * EXC_DB + 8, 8, 0);
    mem_write_le(mem, TSS + 4, 8, STACK0);
    c->gdtr = (struct dtable){ GDT, GDT_SIZE - 1 };
    c->idtr = (struct dtable){ IDT, 0xfff };
    c->seg[TR] = (struct segment){ .base = TSS, .limit = 0x67, .access = 0x8b };
    cr_assert(msr_write(c, 0xc0000081, UINT64_C(0x0010000800000000)));
    cr_assert(msr_write(c, 0xc0000082, HANDLER));
    cr_assert(msr_write(c, 0xc0000084, fmask));
    c->gpr[RCX] = CODE3, c->gpr[R11] = 2 | FLAG_TF;
    c->rflags |= flags;
    bare_run(m, 2);
    uint64_t at = c->rip == FAULT_HANDLER ? word_at(m, c->gpr[RSP], 8) : 0;
    if (at)
        cr_assert_eq(c->dr[6] & 0xf00f, 0x4000);
    machine_destroy(m);
    return at;
}

Test(debug, single_step_over_syscall_and_sysret)
{
    BARE_PROGRAM(only_syscall, ".code64\n syscall");
    BARE_PROGRAM(only_sysret, ".code64\n sysretq");
    cr_assert_eq(debug_trap(only_syscall_start, only_syscall_end, FLAG_TF, FLAG_TF), 0);
    cr_assert_eq(debug_trap(only_syscall_start, only_syscall_end, 0, FLAG_TF), HANDLER);
    cr_assert_eq(debug_trap(only_sysret_start, only_sysret_end, 0, 0), CODE3);
}
