// SPDX-License-Identifier: Apache-2.0
// Indirect branch tracking: what is tracked, what ENDBR is, no-track prefixes, legacy code pages,
// events and far transfers.
#include "cet_guest.h"

enum { ON = CET_ENDBR_EN, WAITS = CET_ENDBR_EN | CET_TRACKER };

/* The handler of #CP begins with ENDBR64. */
static void put_endbr_handler(struct machine *m, unsigned vector)
{
    mem_write_le(machine_mem(m), FAULTS + 16 * vector, 8, UINT64_C(0xf4fa1e0ff3));
}
#define TRACKED_RIP(vector) (FAULT_RIP(vector) + 4)

/* Runs into the handler of `vector` at CPL 3, whose level is not tracked. */
static void expect_cp(struct machine *m, struct cpu *c, uint64_t rip)
{
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_ENDBRANCH);
    cr_expect_eq(fault_rip(m, c), rip, "%lx", fault_rip(m, c));
    cr_expect(c->msr.u_cet & CET_TRACKER, "the tracker still waits");
}

Test(indirect_branch, msrs)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = machine_cpu(m, 0);
    uint64_t v;
    cr_expect(msr_write(c, IA32_S_CET, 0x12345000 | CET_TRACKER | 0x3f));
    cr_expect(msr_read(c, IA32_S_CET, &v) && v == (0x12345000 | CET_TRACKER | 0x3f));
    cr_expect(msr_write(c, IA32_U_CET, CET_SUPPRESS));
    cr_expect_not(msr_write(c, IA32_U_CET, CET_SUPPRESS | CET_TRACKER));
    cr_expect_not(msr_write(c, IA32_U_CET, BIT(47)));
    machine_destroy(m);
    m = bare_machine("max,-shstk");
    cr_expect_not(msr_write(machine_cpu(m, 0), IA32_U_CET, CET_SH_STK_EN));
    cr_expect(msr_write(machine_cpu(m, 0), IA32_U_CET, CET_ENDBR_EN));
    cr_expect_not(msr_read(machine_cpu(m, 0), IA32_PL3_SSP, &v));
    machine_destroy(m);
    m = bare_machine("max,-ibt");
    cr_expect_not(msr_write(machine_cpu(m, 0), IA32_U_CET, CET_ENDBR_EN));
    machine_destroy(m);
}

/* ---- near branches ---- */

BARE_PROGRAM(branches, "lea 1f(%rip), %rax\n jmp *%rax\n nop\n 1: endbr64\n lea 2f(%rip), %rax\n"
                       "call *%rax\n 3: hlt\n 2: endbr64\n call 4f\n ret\n 4: ret");

Test(indirect_branch, endbr_ends_an_indirect_branch)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 0, ON, branches);
    bare_run(m, 2);
    cr_expect_eq(c->msr.s_cet, WAITS);
    bare_run(m, 1);
    cr_expect_eq(c->msr.s_cet, ON);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_eq(c->msr.s_cet, ON);
    cr_expect_eq(c->rip, BARE_CODE + 24);
    machine_destroy(m);
}

Test(indirect_branch, endbr_is_a_nop_elsewhere)
{
    static const char *const models[] = { "max", "skylake", "prescott-vt" };
    for (unsigned k = 0; k < ARRAY_SIZE(models); k++) {
        struct machine *m = bare_machine(models[k]);
        bare_load(m, branches_start, branches_end);
        cr_expect_eq(bare_run(m, 100), STOP_HALTED);
        machine_destroy(m);
    }
}

BARE_PROGRAM(jump_to_nop, "lea 1f(%rip), %rax\n jmp *%rax\n 1: nop\n hlt");
BARE_PROGRAM(jump_by_memory, "lea 1f(%rip), %rax\n push %rax\n jmp *(%rsp)\n 1: nop\n hlt");
BARE_PROGRAM(call_to_nop, "lea 1f(%rip), %rax\n call *%rax\n 1: nop\n hlt");
BARE_PROGRAM(jump_to_endbr32, "lea 1f(%rip), %rax\n jmp *%rax\n 1: endbr32\n hlt");
BARE_PROGRAM(jump_to_ud2, "lea 1f(%rip), %rax\n jmp *%rax\n 1: ud2\n");
BARE_PROGRAM(jump_to_nothing, "lea 1f(%rip), %rax\n jmp *%rax\n 1: .byte 0x06\n");
BARE_PROGRAM(jump_to_int3, "lea 1f(%rip), %rax\n jmp *%rax\n 1: int3\n");

Test(indirect_branch, anything_else_is_refused)
{
    static const struct { const uint8_t *start, *end; unsigned offset; } of[] = {
        { jump_to_nop_start, jump_to_nop_end, 9 },
        { jump_by_memory_start, jump_by_memory_end, 11 },
        { call_to_nop_start, call_to_nop_end, 9 },
        { jump_to_endbr32_start, jump_to_endbr32_end, 9 },
        { jump_to_ud2_start, jump_to_ud2_end, 9 },
        { jump_to_nothing_start, jump_to_nothing_end, 9 },
    };
    struct machine *m = bare_machine("max");
    for (unsigned k = 0; k < ARRAY_SIZE(of); k++) {
        struct cpu *c = cet_load(m, 3, ON, of[k].start, of[k].end);
        expect_cp(m, c, BARE_CODE + of[k].offset);
    }
    struct cpu *c = CET(m, 3, ON, jump_to_int3);
    set_gate64(m, EXC_BP, FAULTS + 16 * EXC_BP, 3, 0);
    bare_run(m, 10);
    cr_expect_eq(c->rip, FAULT_RIP(EXC_BP), "INT3 comes first");
    cr_expect(c->msr.u_cet & CET_TRACKER);
    machine_destroy(m);
}

BARE_PROGRAM(jump_32, ".code32\n mov $0x10008, %eax\n jmp *%eax\n nop\n 1: endbr32\n"
                      "mov $0x10013, %eax\n jmp *%eax\n endbr64\n");

Test(indirect_branch, endbr32_is_for_32_bit_code)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 3, ON, jump_32);
    c->seg[CS].access = 0xc0fb;
    cpu_mode_changed(c);
    expect_cp(m, c, BARE_CODE + 0x13);
    machine_destroy(m);
}

BARE_PROGRAM(no_track, "lea 1f(%rip), %rax\n notrack jmp *%rax\n 1: nop\n lea 2f(%rip), %rax\n"
                       "notrack call *%rax\n 2: nop\n syscall");
BARE_PROGRAM(no_track_gs, "lea 1f(%rip), %rax\n .byte 0x65, 0x3e\n jmp *%rax\n 1: nop");

Test(indirect_branch, no_track_prefix)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 3, ON | CET_NO_TRACK_EN, no_track);
    c->msr.star = (uint64_t)SEL_CODE0 << 32;
    c->msr.lstar = FAULTS;
    cr_expect_eq(bare_run(m, 20), STOP_HALTED);
    cr_expect_eq(c->rip, FAULTS + 1);
    c = CET(m, 3, ON, no_track);
    expect_cp(m, c, BARE_CODE + 10);        /* it counts only when it is enabled */
    c = CET(m, 3, ON | CET_NO_TRACK_EN, no_track_gs);
    expect_cp(m, c, BARE_CODE + 11);
    machine_destroy(m);
}

/* ---- legacy code pages ---- */

BARE_PROGRAM(legacy, "lea 1f(%rip), %rax\n jmp *%rax\n 1: inc %ebx\n lea 2f(%rip), %rax\n"
                     "jmp *%rax\n 2: inc %ebx\n endbr64\n lea 3f(%rip), %rax\n jmp *%rax\n 3: inc %ebx\n hlt");

enum { BITMAP_BASE = SHADOW3 };     /* a page that the user can read */

static struct cpu *with_bitmap(struct machine *m, uint64_t control, unsigned byte)
{
    struct cpu *c = CET(m, 3, ON | CET_LEG_IW_EN | BITMAP_BASE | control, legacy);
    mem_write_le(machine_mem(m), BITMAP_BASE + (BARE_CODE >> 15), 1, byte);
    return c;
}

Test(indirect_branch, legacy_code_pages)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = with_bitmap(m, 0, 1 << (BARE_CODE >> 12 & 7));
    bare_run(m, 2);
    cr_expect(c->msr.u_cet & CET_TRACKER);
    bare_run(m, 1);
    cr_expect_eq(c->gpr[RBX], 1, "the excused instruction counts once");
    cr_expect_eq(c->msr.u_cet & (CET_TRACKER | CET_SUPPRESS), CET_SUPPRESS);
    bare_run(m, 3);
    cr_expect_eq(c->gpr[RBX], 2);
    cr_expect_eq(c->msr.u_cet & (CET_TRACKER | CET_SUPPRESS), CET_SUPPRESS, "not tracked");
    bare_run(m, 1);
    cr_expect_eq(c->msr.u_cet & CET_SUPPRESS, 0, "ENDBR ends the suppression");
    bare_run(m, 2);
    cr_expect(c->msr.u_cet & CET_TRACKER);
    c = with_bitmap(m, CET_SUPPRESS_DIS, 1 << (BARE_CODE >> 12 & 7));
    bare_run(m, 3);
    cr_expect_eq(c->msr.u_cet & (CET_TRACKER | CET_SUPPRESS), 0);
    c = with_bitmap(m, 0, 0xff & ~(1 << (BARE_CODE >> 12 & 7)));
    expect_cp(m, c, BARE_CODE + 9);
    c = with_bitmap(m, 0, 0xff);
    msr_write(c, IA32_U_CET, ON | CET_LEG_IW_EN | NOTHING);
    cr_expect_eq(fault_of(m, c, EXC_PF), 4);
    cr_expect_eq(c->cr2, NOTHING + (BARE_CODE >> 15));
    cr_expect_eq(fault_rip(m, c), BARE_CODE + 9);
    cr_expect(c->msr.u_cet & CET_TRACKER);
    machine_destroy(m);
}

Test(indirect_branch, a_single_step_takes_the_excused_instruction_along)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = with_bitmap(m, 0, 0xff);
    bare_run(m, 2);
    c->rflags |= FLAG_TF;
    bare_run(m, 10);
    cr_expect_eq(c->rip, FAULT_RIP(EXC_DB));
    cr_expect_eq(word_at(m, c->gpr[RSP], 8), BARE_CODE + 11);
    cr_expect_eq(c->gpr[RBX], 1);
    machine_destroy(m);
}

/* ---- events and far transfers ---- */

BARE_PROGRAM(int40, "int $0x40\n nop\n syscall");
BARE_PROGRAM(iretq_only, "endbr64\n iretq");
BARE_PROGRAM(no_endbr, "iretq");

Test(indirect_branch, handlers_begin_with_endbr)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 3, ON, int40);
    PUT(m, HANDLER, iretq_only);
    set_gate64(m, 0x40, HANDLER, 3, 0);
    msr_write(c, IA32_S_CET, ON | CET_SUPPRESS);
    bare_run(m, 1);
    cr_expect_eq(c->msr.s_cet, WAITS);
    cr_expect_eq(c->msr.u_cet, ON);
    bare_run(m, 2);
    cr_expect_eq(c->msr.s_cet, ON);
    cr_expect_eq(c->rip, BARE_CODE + 2);
    c = CET(m, 3, ON, int40);
    PUT(m, HANDLER, no_endbr);
    set_gate64(m, 0x40, HANDLER, 3, 0);
    msr_write(c, IA32_S_CET, ON);
    put_endbr_handler(m, EXC_CP);
    bare_run(m, 10);
    cr_expect_eq(c->rip, TRACKED_RIP(EXC_CP), "%lx", c->rip);
    cr_expect_eq(word_at(m, c->gpr[RSP], 8), CP_ENDBRANCH);
    cr_expect_eq(fault_rip(m, c), HANDLER);
    machine_destroy(m);
}

Test(indirect_branch, a_return_finds_the_tracker_as_it_was)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = CET(m, 3, ON, int40);
    PUT(m, HANDLER, no_endbr);
    set_gate64(m, 0x40, HANDLER, 3, 0);
    bare_run(m, 1);
    msr_write(c, IA32_U_CET, WAITS);        /* as if an event had come behind an indirect branch */
    expect_cp(m, c, BARE_CODE + 2);
    machine_destroy(m);
}

BARE_PROGRAM(far_jump, "rex.W ljmp *(%rax)");
BARE_PROGRAM(far_call, "rex.W lcall *(%rax)");

Test(indirect_branch, far_transfers_are_tracked)
{
    struct machine *m = bare_machine("max");
    for (unsigned k = 0; k < 2; k++) {
        struct cpu *c = k ? CET(m, 3, ON | CET_SUPPRESS, far_call)
                          : CET(m, 3, ON | CET_SUPPRESS, far_jump);
        mem_write_le(machine_mem(m), BARE_DATA, 8, HANDLER);
        mem_write_le(machine_mem(m), BARE_DATA + 8, 2, SEL_CODE3);
        c->gpr[RAX] = BARE_DATA;
        bare_run(m, 1);
        cr_expect_eq(c->rip, HANDLER);
        cr_expect_eq(c->msr.u_cet, WAITS);
    }
    machine_destroy(m);
}

BARE_PROGRAM(do_syscall, "syscall");
BARE_PROGRAM(do_sysenter, "sysenter");

Test(indirect_branch, system_calls_are_tracked)
{
    struct machine *m = bare_machine("max");
    for (unsigned k = 0; k < 2; k++) {
        struct cpu *c = k ? CET(m, 3, ON, do_sysenter) : CET(m, 3, ON, do_syscall);
        c->msr.star = (uint64_t)SEL_CODE0 << 32;
        c->msr.sysenter_cs = SEL_CODE0;
        c->msr.lstar = c->msr.sysenter_eip = HANDLER;
        msr_write(c, IA32_S_CET, ON);
        bare_run(m, 1);
        cr_expect_eq(c->msr.s_cet, WAITS);
        cr_expect_eq(c->msr.u_cet, ON);
    }
    machine_destroy(m);
}
