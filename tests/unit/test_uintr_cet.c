// SPDX-License-Identifier: Apache-2.0
// User interrupts with shadow stacks and indirect branch tracking at CPL 3.  The handler's HLT, and
// that of the program, end in #GP.
#include "cet_guest.h"
#include "cpu/uintr.h"

enum { UI_HANDLER = BARE_CODE + 0x100, TARGET = BARE_CODE + 0x80 };

BARE_PROGRAM(nops, "nop\n hlt\n");
BARE_PROGRAM(uiret, "uiret\n hlt\n");

static struct cpu *receiver(struct machine *m, uint64_t control)
{
    struct cpu *c = CET(m, 3, control, nops);
    cpu_load_cr4(c, c->cr4 | CR4_UINTR);
    mem_write_le(machine_mem(m), UI_HANDLER, 8, UINT64_C(0xf4fa1e0ff3)); /* ENDBR64, HLT */
    c->msr.uintr_handler = UI_HANDLER;
    c->uif = true;
    uintr_load_requests(c, 1);
    return c;
}

Test(uintr_cet, delivery_pushes_on_the_shadow_stack)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = receiver(m, CET_SH_STK_EN);
    cr_expect_eq(fault_of(m, c, EXC_GP), 0);
    cr_expect_eq(fault_rip(m, c), UI_HANDLER + 4);
    cr_expect_eq(c->msr.pl_ssp[3], SSP3 - 8);
    cr_expect_eq(word_at(m, SSP3 - 8, 8), BARE_CODE);
    machine_destroy(m);
}

Test(uintr_cet, shadow_stack_fault_in_delivery)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = receiver(m, CET_SH_STK_EN);
    c->ssp = SHADOW0 + 0x1000;
    cr_expect_eq(fault_of(m, c, EXC_PF), 0x47); /* present, write, user, shadow stack */
    cr_expect_eq(fault_rip(m, c), BARE_CODE);
    cr_expect_eq(word_at(m, c->gpr[RSP] + 32, 8), BARE_STACK);
    cr_expect_eq(c->cr2, SHADOW0 + 0x1000 - 8);
    cr_expect_eq(c->msr.uintr_rr, 1);
    cr_expect(c->uif);
    machine_destroy(m);
}

Test(uintr_cet, handler_begins_with_endbr)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = receiver(m, CET_ENDBR_EN);
    cr_expect_eq(fault_of(m, c, EXC_GP), 0);
    cr_expect_eq(fault_rip(m, c), UI_HANDLER + 4);
    c = receiver(m, CET_ENDBR_EN);
    c->msr.uintr_handler = UI_HANDLER + 4;
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_ENDBRANCH);
    cr_expect_eq(fault_rip(m, c), UI_HANDLER + 4);
    machine_destroy(m);
}

static struct cpu *returner(struct machine *m, uint64_t shadow_rip)
{
    const uint64_t frame[] = { TARGET, 2, BARE_STACK };
    struct cpu *c = CET(m, 3, CET_SH_STK_EN, uiret);
    cpu_load_cr4(c, c->cr4 | CR4_UINTR);
    mem_write(machine_mem(m), BARE_STACK - sizeof frame, frame, sizeof frame);
    mem_write_le(machine_mem(m), SSP3, 8, shadow_rip);
    mem_write_le(machine_mem(m), TARGET, 1, 0xf4);
    c->gpr[RSP] = BARE_STACK - sizeof frame;
    return c;
}

Test(uintr_cet, uiret_compares)
{
    struct machine *m = bare_machine("max");
    struct cpu *c = returner(m, TARGET);
    cr_expect_eq(fault_of(m, c, EXC_GP), 0);
    cr_expect_eq(fault_rip(m, c), TARGET);
    cr_expect_eq(c->msr.pl_ssp[3], SSP3 + 8);
    cr_expect(c->uif);
    c = returner(m, TARGET + 1);
    c->uif = false;
    cr_expect_eq(fault_of(m, c, EXC_CP), CP_FAR_RET_IRET);
    cr_expect_eq(fault_rip(m, c), BARE_CODE);
    cr_expect_eq(c->msr.pl_ssp[3], SSP3);
    cr_expect_not(c->uif);
    machine_destroy(m);
}
