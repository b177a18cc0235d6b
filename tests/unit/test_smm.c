// SPDX-License-Identifier: Apache-2.0
// System-management mode outside VMX operation.
#include "smm_guest.h"

BARE_PROGRAM(halts, "hlt\n inc %eax\n hlt\n");

static struct machine *halted(void)
{
    struct machine *m = bare_machine("max");
    bare_load(m, halts_start, halts_end);
    smm_load(m, smm_handler_start, smm_handler_end);
    cr_assert_eq(bare_run(m, 100), STOP_HALTED);
    return m;
}

Test(smm, the_environment_of_the_handler)
{
    struct machine *m = halted();
    struct cpu *c = machine_cpu(m, 0);
    c->dr[7] = 0x455;
    c->cr0 |= CR0_EM | CR0_TS | CR0_WP | CR0_AM;
    smi(m);
    cr_expect_eq(c->rip, 0x8001);
    cr_expect_eq(c->seg[CS].selector, 0x3000);
    cr_expect_eq(c->seg[CS].base, SMRAM);
    for (unsigned s = ES; s <= GS; s++) {
        cr_expect_eq(c->seg[s].limit, 0xffffffff);
        cr_expect(s == CS || (!c->seg[s].selector && !c->seg[s].base));
    }
    cr_expect_eq(c->cr0, CR0_ET | CR0_MP | CR0_NE | CR0_WP | CR0_AM);
    cr_expect_eq(c->cr4, 0);
    cr_expect_eq(c->msr.efer, 0);
    cr_expect_eq(c->dr[7], 0x400);
    cr_expect_eq(cpu_rflags(c), 2);
    cr_expect_eq(c->cpl, 0);
    machine_destroy(m);
}

Test(smm, the_save_state_area)
{
    struct machine *m = halted();
    struct cpu *c = machine_cpu(m, 0);
    c->gpr[R15] = 0xf00d00000000cafe, c->gpr[RAX] = 0x1122334455667788, c->gpr[RDI] = 0xd1;
    c->seg[TR].selector = 0x48;
    uint64_t cr0 = c->cr0, cr4 = c->cr4, efer = c->msr.efer;
    smi(m);
    cr_expect_eq(saved(m, S_CR0, 8), cr0);
    cr_expect_eq(saved(m, S_CR3, 8), BARE_TABLES);
    cr_expect_eq(saved(m, S_CR4, 8), cr4);
    cr_expect_eq(saved(m, S_EFER, 8), efer);
    cr_expect_eq(saved(m, S_RFLAGS, 8), 2);
    cr_expect_eq(saved(m, S_RIP, 8), BARE_CODE + 1);
    cr_expect_eq(saved(m, S_DR7, 4), 0x400);
    cr_expect_eq(saved(m, S_R15, 8), 0xf00d00000000cafe);
    cr_expect_eq(saved(m, S_RAX, 8), 0x1122334455667788);
    cr_expect_eq(saved(m, S_RDI, 8), 0xd1);
    cr_expect_eq(saved(m, S_ES, 4), 16);
    cr_expect_eq(saved(m, S_CS, 4), 8);
    cr_expect_eq(saved(m, S_TR, 4), 0x48);
    cr_expect_eq(saved(m, S_EPT, 4), 0);
    cr_expect_eq(saved(m, S_IO_MISC, 4), 0);
    cr_expect_eq(saved(m, S_SMBASE, 4), SMRAM);
    cr_expect_eq(saved(m, S_REVISION, 4), 0x30101);
    cr_expect_eq(saved(m, S_AUTO_HALT, 2), 1);
    machine_destroy(m);
}

Test(smm, rsm_brings_everything_back)
{
    struct machine *m = halted();
    struct cpu *c = machine_cpu(m, 0), before;
    c->seg[FS].base = 0x123456789000;
    c->gpr[R9] = 9;
    memcpy(&before, c, sizeof before);
    smi(m);
    c->gpr[R9] = 0;
    smm_continue(m);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED, "the HLT goes on");
    cr_expect(!c->smm && c->rip == before.rip && c->cr0 == before.cr0 && c->cr4 == before.cr4);
    cr_expect(c->cr3 == before.cr3 && c->msr.efer == before.msr.efer);
    cr_expect_eq(memcmp(c->seg, before.seg, sizeof c->seg), 0);
    cr_expect_eq(memcmp(c->gpr, before.gpr, 16 * sizeof c->gpr[0]), 0);
    cr_expect_eq(memcmp(c->dr, before.dr, sizeof c->dr), 0);
    machine_destroy(m);
}

Test(smm, what_the_handler_may_change)
{
    struct machine *m = halted();
    struct cpu *c = machine_cpu(m, 0);
    smi(m);
    save_as(m, S_AUTO_HALT, 2, 0);
    save_as(m, S_RAX, 8, 41);
    save_as(m, S_SMBASE, 4, 0x48000);
    smm_continue(m);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_eq(c->gpr[RAX], 42, "the instruction after HLT ran");
    mem_write_le(machine_mem(m), 0x50000, 1, 0xf4);
    smi(m);
    cr_expect_eq(c->seg[CS].base, 0x48000);
    cr_expect_eq(c->seg[CS].selector, 0x4800);
    cr_expect_eq(mem_read_le(machine_mem(m), 0x50000 + S_SMBASE, 4), 0x48000);
    machine_destroy(m);
}

/* ---- RSM's checks, and RSM elsewhere ---- */

Test(smm, rsm_shuts_down)
{
    const struct { unsigned offset; uint64_t value; } cases[] = {
        { S_CR4, CR4_PAE | BIT(15) }, { S_CR4, CR4_PAE | CR4_VMXE }, { S_CR4, 0 },
        { S_CR0, CR0_PG | CR0_ET }, { S_CR0, CR0_PE | CR0_PG | CR0_NW },
        { S_CR0, BIT(32) | CR0_PE | CR0_PG }, { S_EFER, EFER_LME },
        { S_EFER, EFER_LME | EFER_LMA | BIT(2) },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        struct machine *m = halted();
        smi(m);
        save_as(m, cases[k].offset, 8, cases[k].value);
        smm_continue(m);
        cr_expect_eq(bare_run(m, 100), STOP_TRIPLE_FAULT, "%u", k);
        cr_expect_eq(machine_cpu(m, 0)->activity, ACTIVITY_SHUTDOWN);
        machine_destroy(m);
    }
}

/* ---- in SMM ---- */

enum { IVT_HANDLER = 0x7000 };

/* Runs code in SMM that ends in HLT: where it stops. */
static uint64_t run_in_smm(const char *cpu, const uint8_t *start, const uint8_t *end, uint64_t *rax)
{
    struct machine *m = bare_machine(cpu);
    bare_load(m, halts_start, halts_end);
    smm_load(m, start, end);
    for (unsigned vector = 0; vector < 32; vector++)
        mem_write_le(machine_mem(m), 4 * vector, 4, IVT_HANDLER + 16 * vector);
    for (unsigned vector = 0; vector < 32; vector++)
        mem_write_le(machine_mem(m), IVT_HANDLER + 16 * vector, 1, 0xf4);
    smi(m);
    uint64_t at = machine_cpu(m, 0)->seg[CS].base + machine_cpu(m, 0)->rip - 1;
    *rax = machine_cpu(m, 0)->gpr[RAX];
    machine_destroy(m);
    return at;
}
#define RUN_IN_SMM(cpu, program, rax) run_in_smm(cpu, program##_start, program##_end, rax)

BARE_PROGRAM(sets_vmxe, ".code16\n mov $0x2000, %eax\n mov %eax, %cr4\n hlt\n");
BARE_PROGRAM(executes_vmxon, ".code16\n vmxon (%bx)\n hlt\n");
BARE_PROGRAM(executes_vmcall, ".code16\n vmcall\n hlt\n");
BARE_PROGRAM(reads_smbase, ".code16\n mov $0x9e, %ecx\n rdmsr\n hlt\n");

Test(smm, vmx_is_out_of_reach)
{
    uint64_t rax;
    cr_expect_eq(RUN_IN_SMM("max", sets_vmxe, &rax), IVT_HANDLER + 16 * EXC_GP);
    cr_expect_eq(RUN_IN_SMM("max", executes_vmxon, &rax), IVT_HANDLER + 16 * EXC_UD);
    cr_expect_eq(RUN_IN_SMM("max", executes_vmcall, &rax), IVT_HANDLER + 16 * EXC_UD);
}

Test(smm, smbase_can_be_read_where_vmx_misc_says_so)
{
    uint64_t rax;
    cr_expect_eq(RUN_IN_SMM("max", reads_smbase, &rax), SMM_HANDLER + 8);
    cr_expect_eq(rax, SMRAM);
    cr_expect_eq(RUN_IN_SMM("nehalem", reads_smbase, &rax), IVT_HANDLER + 16 * EXC_GP);
    cr_expect_eq(RUN_IN_SMM("max,-vmx-rdmsr-smbase-smm", reads_smbase, &rax),
                 IVT_HANDLER + 16 * EXC_GP);
    struct machine *m = halted();
    cr_expect_not(msr_read(machine_cpu(m, 0), 0x9e, &rax), "outside SMM");
    machine_destroy(m);
}

/* ---- what is blocked ---- */

Test(smm, a_second_smi_waits)
{
    struct machine *m = halted();
    struct cpu *c = machine_cpu(m, 0);
    smi(m);
    cpu_set_pending(c, PEND_SMI);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect(c->pending & PEND_SMI);
    smm_continue(m);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect(c->smm && !(c->pending & PEND_SMI) && c->rip == 0x8001, "it follows RSM at once");
    machine_destroy(m);
}

Test(smm, init_waits_for_rsm)
{
    struct machine *m = halted();
    struct cpu *c = machine_cpu(m, 0);
    smi(m);
    cpu_set_pending(c, PEND_INIT);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_eq(c->rip, 0x8001);
    smm_continue(m);
    bare_run(m, 1);
    bare_run(m, 1);
    cr_expect_eq(c->cr0, CR0_ET);
    cr_expect_eq(c->msr.smbase, SMRAM);
    machine_destroy(m);
}

/* NMIs wait for RSM, after which blocking by NMI is what it was. */
BARE_PROGRAM(spins, "1: jmp 1b\n");

Test(smm, nmis_wait_for_rsm)
{
    for (unsigned blocked = 0; blocked <= 1; blocked++) {
        struct machine *m = halted();
        struct cpu *c = machine_cpu(m, 0);
        mem_write(machine_mem(m), BARE_CODE, spins_start, 2);
        mem_write_le(machine_mem(m), 0x28020, 8, UINT64_C(0x00008e0000087000));
        mem_write_le(machine_mem(m), 0x7000, 1, 0xf4);
        mem_write_le(machine_mem(m), 0x29008, 8, UINT64_C(0x00af9b000000ffff));
        c->gdtr = (struct dtable){ 0x29000, 0xff };
        c->idtr = (struct dtable){ 0x28000, 0xfff };
        c->rip = BARE_CODE;
        c->activity = ACTIVITY_ACTIVE;
        c->nmi_blocked = blocked;
        smi(m);
        cpu_set_pending(c, PEND_NMI);
        cr_expect_eq(bare_run(m, 100), STOP_HALTED, "not in SMM");
        smm_continue(m);
        cr_expect_eq(bare_run(m, 100), blocked ? STOP_BUDGET : STOP_HALTED);
        cr_expect_eq(c->rip, blocked ? BARE_CODE : 0x7001);
        machine_destroy(m);
    }
}

/* ... unless the handler executes IRET. */
BARE_PROGRAM(irets, ".code16\n pushfw\n pushw %cs\n callw 1f\n hlt\n 1: iretw\n");

Test(smm, iret_lets_nmis_in)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, halts_start, halts_end);
    smm_load(m, irets_start, irets_end);
    mem_write_le(machine_mem(m), 4 * EXC_NMI, 4, IVT_HANDLER);
    mem_write_le(machine_mem(m), IVT_HANDLER, 1, 0xf4);
    cpu_set_pending(c, PEND_NMI);
    smi(m);
    cr_expect_eq(c->seg[CS].base + c->rip, IVT_HANDLER + 1);
    cr_expect(c->smm);
    machine_destroy(m);
}

/* ---- an SMI between STI and what it shields ---- */

BARE_PROGRAM(shield, "sti\n nop\n hlt\n");

Test(smm, blocking_by_sti_survives)
{
    struct machine *m = halted();
    struct cpu *c = machine_cpu(m, 0);
    bare_load(m, shield_start, shield_end);
    c->activity = ACTIVITY_ACTIVE;
    bare_run(m, 1);
    cr_assert_eq(c->shadow, SHADOW_STI);
    smi(m);
    cr_expect_eq(c->shadow, 0);
    smm_continue(m);
    bare_run(m, 1);
    cr_expect_eq(c->shadow, SHADOW_STI);
    cr_expect_eq(c->rip, BARE_CODE + 1);
    machine_destroy(m);
}

/* ---- who sends SMIs ---- */

enum { REAL_CODE = 0x20000 };

/* A machine with its platform, processor 0 in real-address mode with flat segments. */
static struct machine *whole_machine(bool smm, const uint8_t *start, const uint8_t *end)
{
    struct sp_error e;
    struct machine_config config = {
        .ram_size = 16 << 20, .processors = 1, .cpu = "max", .smm = smm
    };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m);
    struct cpu *c = machine_cpu(m, 0);
    mem_write(machine_mem(m), REAL_CODE, start, (size_t)(end - start));
    for (unsigned s = ES; s <= GS; s++)
        c->seg[s] = (struct segment){ .limit = 0xffffffff, .access = 0x8093 };
    c->rip = REAL_CODE;
    c->gpr[RSP] = 0x8000;
    cpu_mode_changed(c);
    return m;
}
#define WHOLE_MACHINE(smm, program) whole_machine(smm, program##_start, program##_end)

BARE_PROGRAM(counts, ".code16\n incw %cs:0x100\n rsm\n");
static unsigned counted(struct machine *m)
{
    return (unsigned)mem_read_le(machine_mem(m), SMRAM + 0x100, 2);
}

/* The local APIC's ICR: delivery mode 2, to its own ID. */
BARE_PROGRAM(sends_smi, ".code16\n mov $0x200, %eax\n mov $0xfee00300, %ebx\n"
                        "addr32 mov %eax, (%ebx)\n hlt\n");

Test(smm, the_local_apic_sends_smis)
{
    struct machine *m = WHOLE_MACHINE(false, sends_smi);
    smm_load(m, counts_start, counts_end);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_eq(counted(m), 1);
    cr_expect_not(machine_cpu(m, 0)->smm);
    machine_destroy(m);
}

/* Writes a byte of the configuration space of a function of bus 0. */
#define CONFIG(devfn, at, size, value)                                                             \
    "mov $(0x80000000 | " #devfn " << 8 | (" #at " & ~3)), %eax\n mov $0xcf8, %dx\n"               \
    "out %eax, %dx\n mov $(0xcfc | (" #at " & 3)), %dx\n mov $(" #value "), %eax\n"                \
    "out %" size ", %dx\n"
#define SMI_EN "mov $0x630, %dx\n"
#define SMI_STS "mov $0x634, %dx\n"
#define PM_AT_600 CONFIG(0xf8, 0x40, "eax", 0x601) CONFIG(0xf8, 0x44, "al", 0x80)

/* GLB_SMI_EN, EOS, APMC_EN; two commands; after the second, status cleared and EOS set, a third. */
BARE_PROGRAM(apm, ".code16\n" PM_AT_600 SMI_EN "mov $0x23, %eax\n out %eax, %dx\n"
                  "mov $0x77, %al\n out %al, $0xb2\n out %al, $0xb2\n"
                  SMI_STS "mov $0x20, %eax\n out %eax, %dx\n" SMI_EN "mov $0x23, %eax\n"
                  "out %eax, %dx\n mov $0x78, %al\n mov $0xb2, %dx\n out %al, %dx\n hlt\n");

Test(smm, the_apm_port_sends_smis)
{
    struct machine *m = WHOLE_MACHINE(true, apm);
    smm_load(m, counts_start, counts_end);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_eq(counted(m), 2, "%u", counted(m));
    cr_expect_eq(saved(m, S_IO_MISC, 4), 1 | 1 << 1 | 0 << 4 | 0xb2u << 16, "OUT DX, AL");
    cr_expect_eq(saved(m, S_IO_RIP, 8), machine_cpu(m, 0)->rip - 2);
    machine_destroy(m);
    m = WHOLE_MACHINE(false, apm);
    smm_load(m, counts_start, counts_end);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_eq(counted(m), 0, "SMIs are somebody else's");
    machine_destroy(m);
}

/* The handler asks for the OUT again, once: it clears the status and sets EOS. */
BARE_PROGRAM(restarts, ".code16\n incw %cs:0x100\n movb $0xff, %cs:0xff00\n"
                       "cmpw $1, %cs:0x100\n je 1f\n movb $0, %cs:0xff00\n"
                       "1:" SMI_STS "mov $0x20, %eax\n out %eax, %dx\n" SMI_EN
                       "mov $0x23, %eax\n out %eax, %dx\n rsm\n");
BARE_PROGRAM(outs, ".code16\n" PM_AT_600 SMI_EN "mov $0x23, %eax\n out %eax, %dx\n"
                   "mov $0xb2, %dx\n mov $0x7000, %si\n mov $1, %cx\n rep outsb\n hlt\n");

Test(smm, an_io_instruction_is_restarted)
{
    struct machine *m = WHOLE_MACHINE(true, outs);
    struct cpu *c = machine_cpu(m, 0);
    smm_load(m, restarts_start, restarts_end);
    cr_expect_eq(bare_run(m, 200), STOP_HALTED);
    cr_expect_eq(counted(m), 2);
    cr_expect_eq(saved(m, S_IO_MISC, 4), 1 | 1 << 1 | 6 << 4 | 0xb2u << 16, "REP OUTS");
    cr_expect_eq(saved(m, S_IO_MEM, 8), 0x7000);
    cr_expect_eq(saved(m, S_IO_RIP, 8), c->rip - 3);
    cr_expect_eq(c->gpr[RSI], 0x7001);
    cr_expect_eq(c->gpr[RCX], 0);
    machine_destroy(m);
}

/* SMRAM at A0000H: written while it is open, then closed and locked. */
BARE_PROGRAM(closes_smram, ".code16\n" CONFIG(0, 0x9d, "al", 0x4a) "hlt\n"
                           CONFIG(0, 0x9d, "al", 0x1a) "hlt\n");

Test(smm, compatible_smram_shows_in_smm_alone)
{
    struct machine *m = WHOLE_MACHINE(false, closes_smram);
    struct cpu *c = machine_cpu(m, 0);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    mem_write(machine_mem(m), 0xa8000, smm_handler_start, 3);
    c->activity = ACTIVITY_ACTIVE;
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_eq(mem_read_le(machine_mem(m), 0xa8000, 4), UINT32_MAX, "closed");
    c->msr.smbase = 0xa0000;
    smi(m);
    cr_expect_eq(c->seg[CS].base + c->rip, 0xa8001);
    cr_expect_eq(mem_read_le(machine_mem(m), 0xa8000 + S_SMBASE, 4), 0xa0000);
    smm_continue(m);
    cr_expect_eq(bare_run(m, 100), STOP_HALTED);
    cr_expect_not(c->smm);
    cr_expect_eq(mem_read_le(machine_mem(m), 0xa8000, 4), UINT32_MAX, "closed again");
    machine_destroy(m);
}
