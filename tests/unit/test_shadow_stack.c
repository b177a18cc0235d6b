// SPDX-License-Identifier: Apache-2.0
// Shadow stacks: near and far transfers, events, tokens, pages, and the instructions that manage
// them.
#include "cet_guest.h"

enum { ON = CET_SH_STK_EN, WRITES = CET_SH_STK_EN | CET_WR_SHSTK_EN };

/* ---- control registers and MSRs ---- */

BARE_PROGRAM(load_cr0_cr4, "mov %rax, %cr0\n mov %rbx, %cr4\n hlt");

Test(shadow_stack, cet_needs_write_protection)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, 0, load_cr0_cr4);
    c->gpr[RAX] = c->cr0 & ~(uint64_t)CR0_WP;
    cr_expect_eq(fault_of(m, c, EXC_GP), 0);
    c = CET(m, 0, 0, load_cr0_cr4);
    cpu_load_cr4(c, c->cr4 & ~(uint64_t)CR4_CET);
    c->gpr[RAX] = c->cr0 & ~(uint64_t)CR0_WP;
    c->gpr[RBX] = c->cr4 | CR4_CET;
    cr_expect_eq(fault_of(m, c, EXC_GP), 0);
    cr_expect_eq(fault_rip(m, c), BARE_CODE + 3);
    machine_destroy(m);
    m = bare_machine("icelake");
    cr_expect(cr4_reserved(machine_cpu(m, 0)) & CR4_CET);
    machine_destroy(m);
}

Test(shadow_stack, msrs)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = machine_cpu(m, 0);
    uint64_t v;
    cr_expect(msr_write(c, IA32_U_CET, 3) && msr_read(c, IA32_U_CET, &v) && v == 3);
    cr_expect(msr_write(c, IA32_S_CET, 1) && msr_read(c, IA32_S_CET, &v) && v == 1);
    for (unsigned bit = 6; bit <= 9; bit++)
        cr_expect_not(msr_write(c, IA32_S_CET, BIT(bit)));
    for (unsigned k = 0; k < 4; k++) {
        cr_expect(msr_write(c, IA32_PL0_SSP + k, 0x1004 * (k + 1)));
        cr_expect(msr_read(c, IA32_PL0_SSP + k, &v) && v == 0x1004 * (k + 1));
        cr_expect_not(msr_write(c, IA32_PL0_SSP + k, 0x1002));
        cr_expect_not(msr_write(c, IA32_PL0_SSP + k, BIT(47)));
    }
    cr_expect(msr_write(c, IA32_INTERRUPT_SSP_TABLE_ADDR, 0x1001));
    cr_expect_not(msr_write(c, IA32_INTERRUPT_SSP_TABLE_ADDR, BIT(47)));
    machine_destroy(m);
    m = bare_machine("icelake");
    for (unsigned index = IA32_U_CET; index <= IA32_INTERRUPT_SSP_TABLE_ADDR; index++)
        cr_expect_not(msr_read(machine_cpu(m, 0), index, &v), "%x", index);
    machine_destroy(m);
}

Test(shadow_stack, cpuid)
{
    struct machine *m = bare_machine("max");
    uint32_t out[4];
    model_cpuid(machine_cpu(m, 0), 7, 0, out);
    cr_expect(out[0] == 1 && out[2] >> 7 & 1 && out[3] >> 20 & 1, "SHSTK and IBT");
    model_cpuid(machine_cpu(m, 0), 7, 1, out);
    cr_expect(out[3] >> 18 & 1, "no stack becomes prematurely busy");
    machine_destroy(m);
    m = bare_machine("icelake");
    model_cpuid(machine_cpu(m, 0), 7, 0, out);
    cr_expect(out[0] == 0 && !(out[2] >> 7 & 1) && !(out[3] >> 20 & 1));
    machine_destroy(m);
}

/* ---- near calls and returns ---- */

BARE_PROGRAM(calls, "call 1f\n lea 1f(%rip), %rax\n call *%rax\n call 2f\n 2: pop %rcx\n hlt\n"
                    "1: rdsspq %rdx\n mov %rsp, %rbx\n ret");

Test(shadow_stack, near_calls_and_returns)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, calls);
    bare_run(m, 1);
    cr_expect_eq(c->ssp, SSP0 - 8);
    cr_expect_eq(word_at(m, SSP0 - 8, 8), BARE_CODE + 5);
    bare_run(m, 3);
    cr_expect_eq(c->gpr[RDX], SSP0 - 8);
    cr_expect_eq(c->gpr[RBX], BARE_STACK - 8);
    cr_expect_eq(c->ssp, SSP0);
    cr_expect_eq(c->rip, BARE_CODE + 5);
    bare_run(m, 2);
    cr_expect_eq(word_at(m, SSP0 - 8, 8), BARE_CODE + 14);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_eq(c->ssp, SSP0, "a call of the next instruction pushes nothing");
    cr_expect_eq(c->gpr[RCX], BARE_CODE + 19);
    cr_expect_eq(c->gpr[RSP], BARE_STACK);
    machine_destroy(m);
}

BARE_PROGRAM(calls_32, ".code32\n call 1f\n hlt\n 1: rdsspd %edx\n incsspd %ecx\n ret\n");

Test(shadow_stack, entries_of_4_bytes_in_compatibility_mode)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, calls_32);
    c->seg[CS].access = 0xc09b;
    c->gpr[RDX] = UINT64_MAX;
    cpu_mode_changed(c);
    bare_run(m, 2);
    cr_expect_eq(c->gpr[RDX], SSP0 - 4);
    cr_expect_eq(word_at(m, SSP0 - 4, 4), BARE_CODE + 5);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_eq(c->ssp, SSP0);
    cr_expect_eq(c->gpr[RSP], BARE_STACK);
    machine_destroy(m);
}

BARE_PROGRAM(wrong_return, "call 1f\n hlt\n 1: incq (%rsp)\n ret $16");
BARE_PROGRAM(user_return, "call 1f\n 1: ret");

Test(shadow_stack, a_return_elsewhere_is_refused)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, wrong_return);
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_NEAR_RET);
    cr_expect_eq(fault_rip(m, c), BARE_CODE + 10);
    cr_expect_eq(word_at(m, c->gpr[RSP] + 32, 8), BARE_STACK - 8, "RSP has not moved");
    cr_expect_eq(word_at(m, c->ssp, 8), SSP0 - 8, "nor SSP: the frame of the fault has it");
    c = CET(m, 3, ON, user_return);
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_NEAR_RET);
    cr_expect_eq(c->msr.pl_ssp[3], SSP3);
    machine_destroy(m);
}

BARE_PROGRAM(crosses, "call 1f\n hlt\n 1: ret");

Test(shadow_stack, an_entry_may_lie_in_two_pages)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, crosses);
    c->ssp = SSP0 + 4;
    bare_run(m, 1);
    cr_expect_eq(word_at(m, SSP0 - 4, 8), BARE_CODE + 5);
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(c->ssp, SSP0 + 4);
    c = CET(m, 3, ON, crosses);
    c->ssp = SHADOW3 + 4;       /* four bytes of it belong to a supervisor page */
    cr_expect_eq(fault_of(m, c, EXC_PF), 0x47);
    cr_expect_eq(c->cr2, SHADOW3 - 4);
    machine_destroy(m);
}

/* ---- pages ---- */

BARE_PROGRAM(one_call, "call 1f\n 2: hlt\n 1: hlt");

/* The page fault of a CALL at `cpl` whose shadow stack is at `ssp`; its handler has none. */
static uint64_t call_fault(unsigned cpl, uint64_t ssp, uint64_t entry)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, cpl, ON, one_call);
    c->ssp = ssp;
    mem_write_le(machine_mem(m), PAGE_ENTRY(ssp), 8, entry);
    set_gate64(m, EXC_PF, FAULTS + 16 * EXC_PF, 0, 0);
    if (cpl == 0) {     /* the handler takes a shadow stack of its own */
        mem_write_le(machine_mem(m), SSP_TABLE + 8, 8, SSP_IST - 8);
        mem_write_le(machine_mem(m), SSP_IST - 8, 8, SSP_IST - 8);
        msr_write(c, IA32_INTERRUPT_SSP_TABLE_ADDR, SSP_TABLE);
        set_gate64(m, EXC_PF, FAULTS + 16 * EXC_PF, 0, 1);
    }
    uint64_t error = fault_of(m, c, EXC_PF);
    cr_expect_eq(fault_rip(m, c), BARE_CODE);
    cr_expect_eq(c->cr2, ssp - 8);
    cr_expect_eq(word_at(m, c->gpr[RSP] + 32, 8), BARE_STACK);
    machine_destroy(m);
    return error;
}

Test(shadow_stack, page_faults)
{
    enum { AT = NOTHING + 0x1000, P = 1, W = 2, U = 4, SHADOW = 0x40 };
    cr_expect_eq(call_fault(0, AT, 0), SHADOW | W, "not present");
    cr_expect_eq(call_fault(0, AT, NOTHING | 0xe3), SHADOW | P | W, "an ordinary page");
    cr_expect_eq(call_fault(0, AT, NOTHING | 0xa1), SHADOW | P | W, "not dirty");
    cr_expect_eq(call_fault(0, AT, NOTHING | 0xe5), SHADOW | P | W, "the user's");
    cr_expect_eq(call_fault(0, AT, NOTHING | 0x1000e1), SHADOW | P | W | 8, "a reserved bit");
    cr_expect_eq(call_fault(3, AT, 0), SHADOW | W | U);
    cr_expect_eq(call_fault(3, AT, NOTHING | 0xe7), SHADOW | P | W | U);
    cr_expect_eq(call_fault(3, AT, NOTHING | 0xe1), SHADOW | P | W | U, "the supervisor's");
}

Test(shadow_stack, the_levels_above_must_be_writable)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 3, ON, one_call);
    mem_write_le(machine_mem(m), BARE_TABLES + 0x1000, 8, (BARE_TABLES + 0x2000) | 5);
    mem_write_le(machine_mem(m), TSS + 4, 8, SHADOW0);  /* a stack that #PF cannot be pushed to */
    bare_run(m, 10);
    cr_expect_eq(c->activity, ACTIVITY_SHUTDOWN);
    machine_destroy(m);
}

BARE_PROGRAM(plain_access, "mov (%rax), %rbx\n mov %rbx, (%rax)\n hlt");

Test(shadow_stack, ordinary_accesses_only_read)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, plain_access);
    c->gpr[RAX] = SSP0 + 0x100;
    mem_write_le(machine_mem(m), SSP0 + 0x100, 8, 77);
    cr_expect_eq(fault_of(m, c, EXC_PF), 3);
    cr_expect_eq(c->gpr[RBX], 77);
    cr_expect_eq(fault_rip(m, c), BARE_CODE + 3);
    machine_destroy(m);
}

/* ---- the instructions ---- */

BARE_PROGRAM(rdssp_only, "rdsspq %rax\n rdsspd %ebx\n hlt");

Test(shadow_stack, rdssp_is_a_nop_without_shadow_stacks)
{
    static const char *const models[] = { "max", "max,-shstk", "skylake" };
    for (unsigned k = 0; k < ARRAY_SIZE(models); k++) {
        struct machine *m = bare_machine(models[k]);
        struct cpu *c = bare_load(m, rdssp_only_start, rdssp_only_end);
        c->gpr[RAX] = c->gpr[RBX] = UINT64_MAX;
        c->ssp = 8;
        cr_expect_eq(bare_run(m, 10), STOP_HALTED);
        cr_expect_eq(c->gpr[RAX], UINT64_MAX);
        cr_expect_eq(c->gpr[RBX], UINT64_MAX);
        machine_destroy(m);
    }
}

BARE_PROGRAM(do_incssp, "incsspq %rax\n hlt");
BARE_PROGRAM(do_saveprevssp, "saveprevssp\n hlt");
BARE_PROGRAM(do_rstorssp, "rstorssp (%rax)\n hlt");
BARE_PROGRAM(do_wrss, "wrssq %rbx, (%rax)\n hlt");
BARE_PROGRAM(do_wrssd, "wrssd %ebx, (%rax)\n hlt");
BARE_PROGRAM(do_wruss, "wrussq %rbx, (%rax)\n hlt");
BARE_PROGRAM(do_setssbsy, "setssbsy\n hlt");
BARE_PROGRAM(do_clrssbsy, "clrssbsy (%rax)\n hlt");

Test(shadow_stack, undefined_where_shadow_stacks_are_off)
{
    static const struct { const uint8_t *start, *end; bool needs_only_cr4; } of[] = {
        { do_incssp_start, do_incssp_end, false },
        { do_saveprevssp_start, do_saveprevssp_end, false },
        { do_rstorssp_start, do_rstorssp_end, false },
        { do_wrss_start, do_wrss_end, false },
        { do_setssbsy_start, do_setssbsy_end, false },
        { do_clrssbsy_start, do_clrssbsy_end, false },
        { do_wruss_start, do_wruss_end, true },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(of); k++)
        for (unsigned cet = 0; cet < 2; cet++) {
            struct machine *m = bare_machine("max");
            struct cpu *c = cet_load(m, 0, cet ? 0 : WRITES, of[k].start, of[k].end);
            c->gpr[RAX] = SHADOW3;
            if (!cet)
                cpu_load_cr4(c, c->cr4 & ~(uint64_t)CR4_CET);
            bare_run(m, 10);
            bool works = cet && of[k].needs_only_cr4;
            cr_expect_eq(c->rip == FAULT_RIP(EXC_UD), !works, "%u %u: %lx", k, cet, c->rip);
            machine_destroy(m);
        }
}

Test(shadow_stack, incssp)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, do_incssp);
    c->gpr[RAX] = 0xf03;        /* only bits 7:0 count */
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(c->ssp, SSP0 + 24);
    c = CET(m, 3, ON, do_incssp);
    c->gpr[RAX] = 255;
    c->ssp = NOTHING - 255 * 8 + 8;     /* its last entry is not there */
    cr_expect_eq(fault_of(m, c, EXC_PF), 0x44);
    cr_expect_eq(c->cr2, NOTHING);
    cr_expect_eq(c->msr.pl_ssp[3], NOTHING - 255 * 8 + 8, "SSP has not moved");
    machine_destroy(m);
}

BARE_PROGRAM(switch_stacks, "rstorssp (%rax)\n setc %bl\n rdsspq %rcx\n saveprevssp\n hlt");

Test(shadow_stack, rstorssp_and_saveprevssp_switch)
{
    enum { TOP = SHADOW0 + 0x4000, TOKEN = TOP - 8 };
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, switch_stacks);
    mem_write_le(machine_mem(m), TOKEN, 8, TOP | 1);
    c->gpr[RAX] = TOKEN;
    bare_run(m, 3);
    cr_expect_eq(c->gpr[RCX], TOKEN);
    cr_expect_eq(c->gpr[RBX] & 0xff, 0);
    cr_expect_eq(word_at(m, TOKEN, 8), SSP0 | 3, "the previous-ssp token");
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(c->ssp, TOP);
    cr_expect_eq(word_at(m, SSP0 - 8, 8), SSP0 | 1, "the restore token of the old stack");
    machine_destroy(m);
}

Test(shadow_stack, rstorssp_checks_the_token)
{
    enum { TOP = SHADOW0 + 0x4000, TOKEN = TOP - 8 };
    static const uint64_t bad[] = { TOP, TOP | 3, (TOP + 8) | 1, (TOP - 8) | 1, 0 };
    struct machine *m = bare_machine("max");
    for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
        struct cpu *c = CET(m, 0, ON, do_rstorssp);
        mem_write_le(machine_mem(m), TOKEN, 8, bad[k]);
        c->gpr[RAX] = TOKEN;
        cr_expect_eq(fault_of(m, c, EXC_CP), CP_RSTORSSP, "%u", k);
        cr_expect_eq(word_at(m, TOKEN, 8), bad[k]);
        cr_expect_eq(word_at(m, c->ssp, 8), SSP0);
    }
    struct cpu *c = CET(m, 0, ON, do_rstorssp);
    mem_write_le(machine_mem(m), TOKEN, 8, (TOP + 4) | 1);      /* a hole of four bytes */
    c->gpr[RAX] = TOKEN;
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(cpu_rflags(c) & FLAGS_STATUS, FLAG_CF);
    c = CET(m, 0, ON, do_rstorssp);
    c->gpr[RAX] = TOKEN + 4;
    cr_expect_eq(fault_of(m, c, EXC_GP), 0);
    machine_destroy(m);
}

Test(shadow_stack, saveprevssp_checks_the_token)
{
    static const struct { uint64_t ssp, token; bool carry; } bad[] = {
        { SSP0 + 4, SHADOW0 | 3, false }, { SSP0, (SHADOW0 + 0x800) | 1, false },
        { SSP0, (SHADOW0 + 0x800) | 3, true },
    };
    struct machine *m = bare_machine("max");
    for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
        struct cpu *c = CET(m, 0, ON, do_saveprevssp);
        c->ssp = bad[k].ssp;
        mem_write_le(machine_mem(m), SSP0, 8, bad[k].token);
        flags_set_status(c, bad[k].carry ? FLAG_CF : 0);
        cr_expect_eq(fault_of(m, c, EXC_GP), 0, "%u", k);
    }
    machine_destroy(m);
}

Test(shadow_stack, wrss_and_wruss_write)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, WRITES, do_wrss);
    c->gpr[RAX] = SHADOW0 + 8;
    c->gpr[RBX] = UINT64_C(0x1122334455667788);
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(word_at(m, SHADOW0 + 8, 8), c->gpr[RBX]);
    c = CET(m, 0, ON, do_wrss);
    bare_run(m, 10);
    cr_expect_eq(c->rip, FAULT_RIP(EXC_UD), "WR_SHSTK_EN is 0");
    c = CET(m, 0, WRITES, do_wrss);
    c->gpr[RAX] = SHADOW0 + 4;
    cr_expect_eq(fault_of(m, c, EXC_GP), 0);
    c = CET(m, 3, WRITES, do_wrssd);
    c->gpr[RAX] = SHADOW3 + 4;
    c->gpr[RBX] = 9;
    bare_run(m, 1);
    cr_expect_eq(word_at(m, SHADOW3 + 4, 8), 9);
    c = CET(m, 0, WRITES, do_wrss);
    c->gpr[RAX] = SHADOW3;
    cr_expect_eq(fault_of(m, c, EXC_PF), 0x43);
    c = CET(m, 0, 0, do_wruss);
    c->gpr[RAX] = SHADOW3 + 16;
    c->gpr[RBX] = 5;
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(word_at(m, SHADOW3 + 16, 8), 5);
    c = CET(m, 0, 0, do_wruss);
    c->gpr[RAX] = SHADOW0;
    cr_expect_eq(fault_of(m, c, EXC_PF), 0x47, "as a user's access");
    c = CET(m, 3, WRITES, do_wruss);
    cr_expect_eq(fault_of(m, c, EXC_GP), 0);
    machine_destroy(m);
}

Test(shadow_stack, setssbsy_and_clrssbsy)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, do_setssbsy);
    c->msr.pl_ssp[0] = SHADOW0 + 0x800;
    mem_write_le(machine_mem(m), SHADOW0 + 0x800, 8, SHADOW0 + 0x800);
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(c->ssp, SHADOW0 + 0x800);
    cr_expect_eq(word_at(m, SHADOW0 + 0x800, 8), SHADOW0 + 0x801);
    c = CET(m, 0, ON, do_setssbsy);
    c->msr.pl_ssp[0] = SHADOW0 + 0x800;
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_SETSSBSY);
    c = CET(m, 0, ON, do_setssbsy);
    c->msr.pl_ssp[0] = SHADOW0 + 0x804;
    cr_expect_eq(fault_of(m, c, EXC_GP), 0);
    c = CET(m, 0, ON, do_clrssbsy);
    c->gpr[RAX] = SHADOW0 + 0x800;
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(word_at(m, SHADOW0 + 0x800, 8), SHADOW0 + 0x800);
    cr_expect_eq(cpu_rflags(c) & FLAGS_STATUS, 0);
    cr_expect_eq(c->ssp, 0);
    c = CET(m, 0, ON, do_clrssbsy);
    c->gpr[RAX] = SHADOW0 + 0x800;
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(cpu_rflags(c) & FLAGS_STATUS, FLAG_CF, "it was not busy");
    c = CET(m, 3, ON, do_clrssbsy);
    msr_write(c, IA32_S_CET, ON);
    c->msr.pl_ssp[0] = SSP_IST - 8;
    mem_write_le(machine_mem(m), SSP_IST - 8, 8, SSP_IST - 8);
    cr_expect_eq(fault_of(m, c, EXC_GP), 0, "only for CPL 0");
    machine_destroy(m);
}

/* ---- events and far transfers ---- */

BARE_PROGRAM(int40_long, "int $0x40\n nop\n hlt");
BARE_PROGRAM(iretq_only, "iretq");

Test(shadow_stack, an_interrupt_takes_the_supervisors_stack_and_gives_it_back)
{
    enum { TOKEN = SSP0 - 8 };
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 3, ON, int40_long);
    PUT(m, HANDLER, iretq_only);
    set_gate64(m, 0x40, HANDLER, 3, 0);
    msr_write(c, IA32_S_CET, ON);
    msr_write(c, IA32_PL0_SSP, TOKEN);
    mem_write_le(machine_mem(m), TOKEN, 8, TOKEN);
    bare_run(m, 1);
    cr_expect_eq(c->cpl, 0);
    cr_expect_eq(c->ssp, TOKEN, "nothing is pushed for a program");
    cr_expect_eq(word_at(m, TOKEN, 8), TOKEN | 1, "busy");
    cr_expect_eq(c->msr.pl_ssp[3], SSP3);
    c->msr.pl_ssp[3] = SSP3 - 64;
    bare_run(m, 1);
    cr_expect_eq(c->cpl, 3);
    cr_expect_eq(c->ssp, SSP3 - 64);
    cr_expect_eq(word_at(m, TOKEN, 8), TOKEN, "free");
    machine_destroy(m);
}

/* The #GP(0) of INT from CPL 3 leads to the same token: a double fault, and that to shutdown. */
static void expect_no_entry(uint64_t pl0_ssp, uint64_t token)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 3, ON, int40_long);
    msr_write(c, IA32_S_CET, ON);
    c->msr.pl_ssp[0] = pl0_ssp;
    mem_write_le(machine_mem(m), pl0_ssp & ~UINT64_C(7), 8, token);
    bare_run(m, 10);
    cr_expect_eq(c->activity, ACTIVITY_SHUTDOWN);
    cr_expect_eq(c->rip, BARE_CODE);
    cr_expect_eq(c->ssp, SSP3, "nothing has changed");
    cr_expect_eq(c->event.vector, EXC_GP);
    cr_expect_eq(word_at(m, pl0_ssp & ~UINT64_C(7), 8), token);
    machine_destroy(m);
}

Test(shadow_stack, the_token_is_checked)
{
    expect_no_entry(SSP0 - 8, (SSP0 - 8) | 1);
    expect_no_entry(SSP0 - 8, SSP0);
    expect_no_entry(SSP0 - 4, SSP0 - 8);
    expect_no_entry(SSP0 - 16, SSP0 - 16);      /* a frame would not fit in its 32 bytes */
}

Test(shadow_stack, an_event_at_the_same_level_pushes_a_frame)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, int40_long);
    PUT(m, HANDLER, iretq_only);
    set_gate64(m, 0x40, HANDLER, 3, 0);
    c->ssp = SSP0 - 4;          /* aligned down, over four bytes of zero */
    mem_write_le(machine_mem(m), SSP0 - 8, 8, UINT64_MAX);
    bare_run(m, 1);
    cr_expect_eq(c->ssp, SSP0 - 32);
    cr_expect_eq(word_at(m, SSP0 - 8, 4), 0);
    cr_expect_eq(word_at(m, SSP0 - 16, 8), SEL_CODE0);
    cr_expect_eq(word_at(m, SSP0 - 24, 8), BARE_CODE + 2);
    cr_expect_eq(word_at(m, SSP0 - 32, 8), SSP0 - 4);
    bare_run(m, 1);
    cr_expect_eq(c->ssp, SSP0 - 4);
    cr_expect_eq(c->rip, BARE_CODE + 2);
    machine_destroy(m);
}

BARE_PROGRAM(bad_iretq, "incq (%rsp)\n iretq");

/* IRET at level 0 with something wrong in the frame at `offset` from SSP. */
static void expect_bad_iret(unsigned offset, uint64_t value)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, int40_long);
    PUT(m, HANDLER, iretq_only);
    set_gate64(m, 0x40, HANDLER, 3, 0);
    bare_run(m, 1);
    uint64_t ssp = c->ssp;
    mem_write_le(machine_mem(m), ssp + offset, 8, value);
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_FAR_RET_IRET, "%u", offset);
    cr_expect_eq(fault_rip(m, c), HANDLER);
    cr_expect_eq(word_at(m, c->ssp, 8), ssp);
    machine_destroy(m);
}

Test(shadow_stack, iret_compares)
{
    expect_bad_iret(16, SEL_CODE0 | BIT(16));
    expect_bad_iret(8, BARE_CODE + 3);
    expect_bad_iret(0, SSP0 + 2);
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, int40_long);
    PUT(m, HANDLER, bad_iretq);
    set_gate64(m, 0x40, HANDLER, 3, 0);
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_FAR_RET_IRET);
    c = CET(m, 0, ON, int40_long);
    PUT(m, HANDLER, iretq_only);
    set_gate64(m, 0x40, HANDLER, 3, 0);
    bare_run(m, 1);
    c->ssp += 4;
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_FAR_RET_IRET, "SSP must be aligned");
    c = CET(m, 0, ON, int40_long);
    set_gate64(m, 0x40, HANDLER, 3, 0);
    bare_run(m, 1);
    mem_write_le(machine_mem(m), c->ssp, 8, BIT(47));
    cr_expect_eq(fault_of(m, c, EXC_GP), 0, "the SSP of before must be canonical");
    machine_destroy(m);
}

Test(shadow_stack, the_interrupt_ssp_table)
{
    enum { TOKEN = SSP_IST - 8 };
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, int40_long);
    PUT(m, HANDLER, iretq_only);
    set_gate64(m, 0x40, HANDLER, 3, 1);
    msr_write(c, IA32_INTERRUPT_SSP_TABLE_ADDR, SSP_TABLE);
    mem_write_le(machine_mem(m), SSP_TABLE + 8, 8, TOKEN);
    mem_write_le(machine_mem(m), TOKEN, 8, TOKEN);
    bare_run(m, 1);
    cr_expect_eq(c->gpr[RSP], IST_STACK - 40);
    cr_expect_eq(c->ssp, TOKEN - 24);
    cr_expect_eq(word_at(m, TOKEN, 8), TOKEN | 1);
    cr_expect_eq(word_at(m, TOKEN - 24, 8), SSP0);
    bare_run(m, 1);
    cr_expect_eq(c->ssp, SSP0);
    cr_expect_eq(word_at(m, TOKEN, 8), TOKEN, "IRET frees a stack that it leaves");
    c = CET(m, 3, ON, int40_long);
    set_gate64(m, 0x40, HANDLER, 3, 1);
    msr_write(c, IA32_S_CET, ON);
    msr_write(c, IA32_INTERRUPT_SSP_TABLE_ADDR, SSP_TABLE);
    bare_run(m, 1);
    cr_expect_eq(c->ssp, TOKEN, "from level 3, too");
    machine_destroy(m);
}

BARE_PROGRAM(far_calls, "rex.W lcall *(%rax)\n hlt");
BARE_PROGRAM(lretq_only, "lretq");

Test(shadow_stack, far_call_and_return)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, far_calls);
    PUT(m, HANDLER, lretq_only);
    mem_write_le(machine_mem(m), BARE_DATA, 8, HANDLER);
    mem_write_le(machine_mem(m), BARE_DATA + 8, 2, SEL_CODE0);
    c->gpr[RAX] = BARE_DATA;
    bare_run(m, 1);
    cr_expect_eq(c->rip, HANDLER);
    cr_expect_eq(c->ssp, SSP0 - 24);
    cr_expect_eq(word_at(m, SSP0 - 8, 8), SEL_CODE0);
    cr_expect_eq(word_at(m, SSP0 - 16, 8), BARE_CODE + 3);
    cr_expect_eq(word_at(m, SSP0 - 24, 8), SSP0);
    cr_expect_eq(bare_run(m, 10), STOP_HALTED);
    cr_expect_eq(c->ssp, SSP0);
    c = CET(m, 0, ON, far_calls);
    PUT(m, HANDLER, lretq_only);
    c->gpr[RAX] = BARE_DATA;
    bare_run(m, 1);
    mem_write_le(machine_mem(m), SSP0 - 16, 8, 0);
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_FAR_RET_IRET);
    machine_destroy(m);
}

BARE_PROGRAM(far_call_32, "lcall *(%rax)\n hlt");

Test(shadow_stack, call_gates_switch)
{
    enum { TOKEN = SSP0 - 8 };
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 3, ON, far_call_32);
    PUT(m, HANDLER, lretq_only);
    mem_write_le(machine_mem(m), GDT + (SEL_CALL_GATE & ~7), 8,
                 gate(SEL_CODE0, HANDLER, GATE_CALL, 3, 0));
    mem_write_le(machine_mem(m), GDT + (SEL_CALL_GATE & ~7) + 8, 8, 0);
    mem_write_le(machine_mem(m), BARE_DATA + 4, 2, SEL_CALL_GATE);
    msr_write(c, IA32_S_CET, ON);
    msr_write(c, IA32_PL0_SSP, TOKEN);
    mem_write_le(machine_mem(m), TOKEN, 8, TOKEN);
    c->gpr[RAX] = BARE_DATA;
    bare_run(m, 1);
    cr_expect_eq(c->cpl, 0);
    cr_expect_eq(c->ssp, TOKEN);
    cr_expect_eq(word_at(m, TOKEN, 8), TOKEN | 1);
    bare_run(m, 1);
    cr_expect_eq(c->cpl, 3);
    cr_expect_eq(c->ssp, SSP3);
    cr_expect_eq(word_at(m, TOKEN, 8), TOKEN);
    machine_destroy(m);
}

BARE_PROGRAM(syscalls, "syscall\n hlt");
BARE_PROGRAM(sysret_only, "sysretq");
BARE_PROGRAM(sysenters, "sysenter\n hlt");
BARE_PROGRAM(sysexit_only, "sysexitq");

Test(shadow_stack, fast_system_calls)
{
    struct machine *m = bare_machine("max");
    for (unsigned k = 0; k < 2; k++) {
        struct cpu *c = k ? CET(m, 3, ON, sysenters) : CET(m, 3, ON, syscalls);
        if (k)
            PUT(m, HANDLER, sysexit_only);
        else
            PUT(m, HANDLER, sysret_only);
        c->msr.lstar = c->msr.sysenter_eip = HANDLER;
        c->msr.star = (uint64_t)SEL_CODE0 << 32 | (uint64_t)(SEL_DATA0 | 3) << 48;
        c->msr.sysenter_cs = SEL_CODE0;
        msr_write(c, IA32_S_CET, ON);
        bare_run(m, 1);
        cr_expect_eq(c->cpl, 0);
        cr_expect_eq(c->msr.pl_ssp[3], SSP3);
        cr_expect_eq(c->ssp, 0);
        c->gpr[RCX] = c->gpr[RDX] = BARE_CODE;
        bare_run(m, 1);
        cr_expect_eq(c->cpl, 3);
        cr_expect_eq(c->ssp, SSP3);
    }
    machine_destroy(m);
}

/* ---- task switches, in 32-bit mode without paging ---- */

BARE_PROGRAM(call_task, ".code32\n lcall $0x30, $0\n hlt");
BARE_PROGRAM(iret_task, ".code32\n iret");

enum { TASK_SSP = 0x2000 - 8, OLD_SSP = 0x3000 };

static struct cpu *two_tasks(struct machine *m)
{
    cpu_reset(machine_cpu(m, 0));
    struct cpu *c = protected_mode(m, 0);
    struct mem *mem = machine_mem(m);
    PUT(m, CODE0, call_task);
    PUT(m, HANDLER, iret_task);
    mem_write_le(mem, GDT + SEL_TSS, 8, descriptor(TSS, 0x6b, 0x8b));
    mem_write_le(mem, GDT + SEL_TSS2, 8, descriptor(TSS2, 0x6b, 0x89));
    mem_write_le(mem, TSS2 + 32, 4, HANDLER);
    mem_write_le(mem, TSS2 + 36, 4, 2);
    mem_write_le(mem, TSS2 + 56, 4, STACK3);
    for (unsigned k = 0; k < 6; k++)
        mem_write_le(mem, TSS2 + 72 + 4 * k, 4, k == CS ? SEL_CODE0 : SEL_DATA0);
    mem_write_le(mem, TSS2 + 104, 4, TASK_SSP);
    mem_write_le(mem, TASK_SSP, 8, TASK_SSP);
    cpu_load_cr0(c, c->cr0 | CR0_WP);
    cpu_load_cr4(c, CR4_CET);
    msr_write(c, IA32_S_CET, ON);
    c->ssp = OLD_SSP;
    return c;
}

Test(shadow_stack, tasks)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = two_tasks(m);
    bare_run(m, 1);
    cr_expect_eq(c->seg[TR].selector, SEL_TSS2);
    cr_expect_eq(c->ssp, TASK_SSP - 24);
    cr_expect_eq(word_at(m, TASK_SSP, 8), TASK_SSP | 1);
    cr_expect_eq(word_at(m, TASK_SSP - 8, 8), SEL_CODE0);
    cr_expect_eq(word_at(m, TASK_SSP - 16, 8), CODE0 + 7);
    cr_expect_eq(word_at(m, TASK_SSP - 24, 8), OLD_SSP);
    bare_run(m, 1);
    cr_expect_eq(c->seg[TR].selector, SEL_TSS);
    cr_expect_eq(c->rip, CODE0 + 7);
    cr_expect_eq(c->ssp, OLD_SSP);
    cr_expect_eq(word_at(m, TASK_SSP, 8), TASK_SSP);
    machine_destroy(m);
}

/* A switch that ends in a fault; the faults' handler must not need a shadow stack's token. */
static uint32_t task_fault(struct machine *m, struct cpu *c, unsigned insns, unsigned vector)
{
    set_gate(m, vector, gate(SEL_CODE0, FAULT_HANDLER + 0x100, GATE_INT, 0, 0));
    bare_run(m, insns);
    cr_expect_eq(c->rip, FAULT_HANDLER + 0x100, "rip %lx", c->rip);
    return (uint32_t)word_at(m, c->gpr[RSP], 4);
}

Test(shadow_stack, what_a_task_switch_checks)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = two_tasks(m);
    mem_write_le(machine_mem(m), GDT + SEL_TSS2, 8, descriptor(TSS2, 0x6a, 0x89));
    cr_expect_eq(task_fault(m, c, 1, EXC_TS), SEL_TSS2, "no room for the SSP");
    cr_expect_eq(c->seg[TR].selector, SEL_TSS);
    c = two_tasks(m);
    mem_write_le(machine_mem(m), GDT + SEL_TSS2, 8, descriptor(TSS2, 0x6b, 0x81));
    cr_expect_eq(task_fault(m, c, 1, EXC_TS), SEL_TSS2, "a 16-bit TSS");
    c = two_tasks(m);
    bare_run(m, 1);
    c->ssp += 4;
    cr_expect_eq(task_fault(m, c, 1, EXC_TS), SEL_TSS2, "IRET with an unaligned SSP");
    c = two_tasks(m);
    bare_run(m, 1);
    mem_write_le(machine_mem(m), TASK_SSP - 16, 8, CODE0);
    cr_expect_eq(task_fault(m, c, 1, EXC_CP), CP_FAR_RET_IRET);
    cr_expect_eq(c->seg[TR].selector, SEL_TSS, "the fault is the other task's");
    machine_destroy(m);
}
