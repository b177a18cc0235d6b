// SPDX-License-Identifier: Apache-2.0
// Interruptions on Itanium: what they store, traps, breakpoints, external interrupts and the timer,
// and those of the register stack engine.
#include <criterion/criterion.h>

#include "ipf_system.h"

static struct ipf_cpu *c;

static void setup(void) { c = guest_create(); }
static void teardown(void) { guest_destroy(c); }
TestSuite(ipf_interrupts, .init = setup, .fini = teardown);

static void run_at(uint64_t ip, uint64_t ticks)
{
    c->ip = ip;
    c->slot = 0;
    ipf_run_until(c, c->retired + ticks);
}
static void expect(unsigned vector, uint64_t isr, uint64_t iip, unsigned ri, uint64_t iipa)
{
    cr_assert_eq(c->ip, TABLE + vector, "at %#lx, not in vector %#x", c->ip, vector);
    cr_assert_eq(c->slot, 0);
    cr_assert_eq(c->cr[CR_ISR], isr, "ISR %#lx, not %#lx", c->cr[CR_ISR], isr);
    cr_assert_eq(c->cr[CR_IIP], iip, "IIP %#lx", c->cr[CR_IIP]);
    cr_assert_eq(c->cr[CR_IPSR] >> PSR_RI_SHIFT & 3, ri);
    cr_assert_eq(c->cr[CR_IIPA], iipa, "IIPA %#lx", c->cr[CR_IIPA]);
    cr_assert_eq(c->cr[CR_IFS], 0);
}
static void again(void)
{
    c->psr = (c->psr & PSR_BN) | PSR_IC;
    ipf_switch_bank(c, true);
    ipf_mode_changed(c);
}
#define EI(slot) ((uint64_t)(slot) << ISR_EI_SHIFT)

/* ---- what every interruption does ---- */

Test(ipf_interrupts, psr_and_registers)
{
    put_bundle(c, CODE, MII, NOP_M, NOP_I, NOP_I);
    put_bundle(c, CODE + 16, MII, NOP_M, NOP_I, BREAK(0x12345));
    set_psr(c, PSR_UP | PSR_MFL | PSR_AC | PSR_I | PSR_PP | PSR_DFH | PSR_CPL, 0);
    c->gr[16].v = 0x16;
    c->bank[0].v = 0xb0;
    uint64_t before = c->psr;
    run_at(CODE, 6);
    expect(0x2c00, EI(2), CODE + 16, 2, CODE + 16);
    cr_assert_eq(c->cr[CR_IPSR], before | UINT64_C(2) << PSR_RI_SHIFT);
    cr_assert_eq(c->psr, PSR_UP | PSR_MFL);
    cr_assert_eq(c->cr[CR_IIM], 0x12345);
    cr_assert_eq(c->gr[16].v, 0xb0, "bank 0");
    cr_assert_eq(c->bank[0].v, 0x16);
    c->cr[CR_DCR] = DCR_PP | DCR_BE;
    again();
    run_at(CODE, 6);
    cr_assert_eq(c->psr, PSR_PP | PSR_BE);
}

Test(ipf_interrupts, iipa_is_the_bundle_of_the_last_instruction)
{
    put_bundle(c, CODE, MIB, NOP_M, NOP_I, BR_COND(0x40));
    put_bundle(c, CODE + 0x40, MII, BREAK(1), NOP_I, NOP_I);
    run_at(CODE, 4);
    expect(0x2c00, 0, CODE + 0x40, 0, CODE);
}

Test(ipf_interrupts, nothing_is_collected_with_ic_0)
{
    for (unsigned k = CR_IPSR; k <= CR_IHA; k++)
        c->cr[k] = 0x1000 * k;
    set_psr(c, 0, PSR_IC);
    put_bundle(c, CODE, MII, BREAK(1), NOP_I, NOP_I);
    run_at(CODE, 1);
    cr_assert_eq(c->cr[CR_ISR], ISR_NI);
    for (unsigned k = CR_IIP; k <= CR_IHA; k++)
        cr_assert_eq(c->cr[k], 0x1000 * k, "CR%u", k);
    cr_assert_eq(c->cr[CR_IPSR], 0x1000 * CR_IPSR);
}

Test(ipf_interrupts, break_b_has_no_immediate)
{
    c->cr[CR_IIM] = 5;
    put_bundle(c, CODE, BBB, NOP_B, BREAK(7), NOP_B);
    run_at(CODE, 2);
    expect(0x2c00, EI(1), CODE, 1, CODE);
    cr_assert_eq(c->cr[CR_IIM], 0);
}

Test(ipf_interrupts, rfi_goes_back_and_is_not_in_iipa)
{
    put_bundle(c, CODE, BBB, RFI, NOP_B, NOP_B);
    put_bundle(c, CODE + 0x100, MII, NOP_M, BREAK(3), NOP_I);
    set_psr(c, 0, PSR_IC);
    c->cr[CR_IPSR] = PSR_IC | PSR_BN | PSR_CPL | UINT64_C(1) << PSR_RI_SHIFT;
    c->cr[CR_IIP] = CODE + 0x10f;
    c->cr[CR_IIPA] = 0x1230;
    run_at(CODE, 1);
    cr_assert_eq(c->ip, CODE + 0x100);
    cr_assert_eq(c->slot, 1);
    cr_assert_eq(c->psr, PSR_IC | PSR_BN | PSR_CPL);
    ipf_run_until(c, c->retired + 1);
    expect(0x2c00, EI(1), CODE + 0x100, 1, 0x1230);
}

Test(ipf_interrupts, privileged_operations_and_registers)
{
    const uint64_t operations[] = {
        MOV_TO_CR(CR_DCR, 8), MOV_FROM_CR(8, CR_IVA),
        MOV_FROM_PSR(8),      MOV_TO_PSR_L(8),
        SSM(0x4000),          RSM(0x4000),
        PTC_L(8, 9),          PTC_E(8),
        MOV_TO_RR(8, 9),      MOV_TO_PKR(8, 9),
    };
    for (unsigned k = 0; k < ARRAY_SIZE(operations); k++) {
        set_psr(c, PSR_CPL, 0);
        c->last_ip = 0x10;
        run_m(c, operations[k]);
        expect(0x5400, 0x10, CODE, 0, 0x10);
        again();
    }
    set_psr(c, PSR_CPL, 0);
    run_m(c, MOV_TO_AR(AR_K0, 8));
    cr_assert_eq(c->cr[CR_ISR], 0x20);
    again();
    set_psr(c, PSR_CPL | PSR_SI, 0);
    run_m(c, MOV_FROM_AR(8, AR_ITC));
    cr_assert_eq(c->cr[CR_ISR], 0x20);
    again();
    set_psr(c, PSR_CPL, 0);
    c->last_ip = 0x10;
    run_m(c, TPA(10, 8));
    expect(0x5400, 0x10 | ISR_NA | NA_TPA, CODE, 0, 0x10);
}

Test(ipf_interrupts, reserved_fields)
{
    const struct {
        uint64_t slot, value;
    } cases[] = {
        { MOV_TO_CR(CR_DCR, 8), 8 },       { MOV_TO_CR(CR_PTA, 8), 15 << 2 | 2 },
        { MOV_TO_CR(CR_PTA, 8), 14 << 2 }, { MOV_TO_CR(CR_ITV, 8), 0x100 },
        { MOV_TO_CR(CR_TPR, 8), 0x100 },   { MOV_TO_PSR_L(8), 1 },
        { MOV_TO_PSR_L(8), 0x40 },         { SSM(0x40), 0 },
        { MOV_TO_RR(10, 8), 14 << 2 | 2 }, { MOV_TO_RR(10, 8), 15 << 2 },
        { MOV_TO_PKR(10, 8), 0x10 },       { MOV_TO_AR(AR_RSC, 8), 0x20 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        c->gr[8].v = cases[k].value;
        c->gr[10].v = 0;
        run_m(c, cases[k].slot);
        cr_assert_eq(c->ip, TABLE + 0x5400, "case %u", k);
        cr_assert_eq(c->cr[CR_ISR], 0x30, "case %u: %#lx", k, c->cr[CR_ISR]);
        again();
    }
    c->gr[8] = (struct ipf_gr){ 0x10, 1 };
    run_m(c, MOV_TO_PKR(10, 8));
    cr_assert_eq(c->ip, TABLE + 0x5600, "NaT comes first");
    again();
    c->gr[10].v = 16;
    c->gr[8] = (struct ipf_gr){ 0, 0 };
    run_m(c, MOV_FROM_PKR(8, 10));
    cr_assert_eq(c->cr[CR_ISR], 0x30, "no such key register");
}

Test(ipf_interrupts, control_registers_that_software_cannot_reach)
{
    run_m(c, MOV_TO_CR(CR_IVR, 8));
    cr_assert_eq(c->cr[CR_ISR], 0);
    cr_assert_eq(c->ip, TABLE + 0x5400);
    again();
    run_m(c, MOV_FROM_CR(8, CR_IIP));
    cr_assert_eq(c->ip, TABLE + 0x5400, "PSR.ic is 1");
    again();
    run_m(c, MOV_FROM_CR(8, 3));
    cr_assert_eq(c->ip, TABLE + 0x5400);
}

/* ---- traps ---- */

Test(ipf_interrupts, single_step)
{
    put_bundle(c, CODE, MII, ADDS(10, 5, 0), ADDS(10, 6, 0), NOP_I);
    set_psr(c, PSR_SS, 0);
    run_at(CODE, 1);
    expect(0x6000, TRAP_SS, CODE, 1, CODE);
    cr_assert_eq(c->gr[10].v, 5);
    cr_assert(c->cr[CR_IPSR] & PSR_SS);
    again();
    put_bundle(c, CODE, MII, NOP_M, NOP_I, ADDS(10, 7, 0));
    set_psr(c, PSR_SS, 0);
    c->ip = CODE;
    c->slot = 2;
    ipf_run_until(c, c->retired + 1);
    expect(0x6000, TRAP_SS | EI(2), CODE + 16, 0, CODE);
}

Test(ipf_interrupts, taken_branch_and_concurrent_single_step)
{
    put_bundle(c, CODE, MIB, NOP_M, NOP_I, BR_COND(0x40));
    set_psr(c, PSR_TB, 0);
    run_at(CODE, 3);
    expect(0x5f00, TRAP_TB | EI(2), CODE + 0x40, 0, CODE);
    again();
    set_psr(c, PSR_TB | PSR_SS, 0);
    c->ip = CODE;
    c->slot = 2;
    ipf_run_until(c, c->retired + 1);
    expect(0x5f00, TRAP_TB | TRAP_SS | EI(2), CODE + 0x40, 0, CODE);
}

Test(ipf_interrupts, lower_privilege_transfer)
{
    put_bundle(c, CODE, BBB, BR_RET(0), NOP_B, NOP_B);
    set_psr(c, PSR_LP | PSR_TB, 0);
    c->br[0] = CODE + 0x80;
    c->ar[AR_PFS] = UINT64_C(3) << 62;
    run_at(CODE, 1);
    expect(0x5e00, TRAP_LP | TRAP_TB, CODE + 0x80, 0, CODE);
    cr_assert_eq(c->cr[CR_IPSR] & PSR_CPL, PSR_CPL);
}

/* ---- breakpoints ---- */

Test(ipf_interrupts, instruction_breakpoint)
{
    put_bundle(c, CODE + 16, MII, ADDS(10, 5, 0), NOP_I, NOP_I);
    c->gr[8].v = 2;
    c->gr[9].v = CODE + 16;
    run_m(c, MOV_TO_IBR(8, 9));
    c->gr[8].v = 3;
    c->gr[9].v = UINT64_C(0x81ffffffffffffff);
    run_m(c, MOV_TO_IBR(8, 9));
    put_bundle(c, CODE, MII, NOP_M, NOP_I, NOP_I);
    set_psr(c, PSR_DB, 0);
    run_at(CODE, 4);
    expect(0x5900, ISR_X, CODE + 16, 0, CODE);
    cr_assert_eq(c->cr[CR_IFA], CODE + 16);
    again();
    set_psr(c, PSR_DB | PSR_ID, 0);
    run_at(CODE + 16, 1);
    cr_assert_eq(c->gr[10].v, 5);
    cr_assert_eq(c->psr & PSR_ID, 0);
}

Test(ipf_interrupts, data_breakpoint)
{
    c->gr[8].v = 0;
    c->gr[9].v = DATA + 4;
    run_m(c, MOV_TO_DBR(8, 9));
    c->gr[8].v = 1;
    c->gr[9].v = UINT64_C(0x41ffffffffffffff); /* writes, level 0 */
    run_m(c, MOV_TO_DBR(8, 9));
    set_psr(c, PSR_DB, 0);
    c->gr[8].v = DATA;
    run_m(c, LD8(10, 8));
    cr_assert_eq(c->ip, CODE);
    c->last_ip = 0x10;
    run_m(c, ST8(8, 11));
    expect(0x5900, ISR_W, CODE, 0, 0x10);
    cr_assert_eq(c->cr[CR_IFA], DATA);
    again();
    set_psr(c, PSR_DB | PSR_DD, 0);
    run_m(c, ST8(8, 11));
    cr_assert_eq(c->ip, CODE);
    cr_assert_eq(c->psr & PSR_DD, 0);
}

/* ---- external interrupts ---- */

static uint64_t read_cr(unsigned n)
{
    run_m(c, MOV_FROM_CR(10, n));
    return c->gr[10].v;
}
static void write_cr(unsigned n, uint64_t v)
{
    c->gr[10].v = v;
    run_m(c, MOV_TO_CR(n, 10));
}

Test(ipf_interrupts, delivered_at_the_instruction_that_permits_it)
{
    put_bundle(c, CODE, MMI, NOP_M, SSM(0x4000), NOP_I);
    ipf_post_interrupt(c, 0x31);
    run_at(CODE, 2);
    ipf_run_until(c, c->retired + 1);
    cr_assert_eq(c->cr[CR_ISR], EI(2));
    cr_assert_eq(c->cr[CR_IIP], CODE);
    cr_assert_eq(c->cr[CR_IPSR], PSR_IC | PSR_I | PSR_BN | UINT64_C(2) << PSR_RI_SHIFT);
    cr_assert_eq(c->ip & ~UINT64_C(0xff), TABLE + 0x3000);
}

Test(ipf_interrupts, priorities_service_and_end)
{
    ipf_post_interrupt(c, 0x31);
    ipf_post_interrupt(c, 0xf0);
    ipf_post_interrupt(c, 3);
    cr_assert_eq(read_cr(CR_IRR0), UINT64_C(1) << 0x31);
    cr_assert_eq(read_cr(CR_IRR0 + 3), UINT64_C(1) << 0x30);
    cr_assert_eq(read_cr(CR_IVR), 0xf0);
    cr_assert_eq(read_cr(CR_IVR), 15, "lower ones wait for the end of service");
    ipf_post_interrupt(c, 0);
    cr_assert_eq(read_cr(CR_IVR), 0, "ExtINT is above all numbers");
    ipf_post_interrupt(c, 2);
    cr_assert_eq(read_cr(CR_IVR), 2);
    write_cr(CR_EOI, 0);
    write_cr(CR_EOI, 0);
    cr_assert_eq(read_cr(CR_IVR), 15);
    write_cr(CR_EOI, 0);
    cr_assert_eq(read_cr(CR_IVR), 0x31);
    write_cr(CR_EOI, 0);
    cr_assert_eq(read_cr(CR_IVR), 15);
}

Test(ipf_interrupts, task_priority)
{
    ipf_post_interrupt(c, 0x31);
    write_cr(CR_TPR, 0x30);
    cr_assert_eq(read_cr(CR_TPR), 0x30);
    cr_assert_eq(read_cr(CR_IVR), 15);
    write_cr(CR_TPR, 0x10020);
    cr_assert_eq(read_cr(CR_IVR), 15);
    ipf_post_interrupt(c, 0);
    cr_assert_eq(read_cr(CR_IVR), 15);
    ipf_post_interrupt(c, 2);
    cr_assert_eq(read_cr(CR_IVR), 2, "no TPR masks NMI");
    write_cr(CR_EOI, 0);
    write_cr(CR_TPR, 0x20);
    cr_assert_eq(read_cr(CR_IVR), 0);
    write_cr(CR_EOI, 0);
    cr_assert_eq(read_cr(CR_IVR), 0x31);
}

Test(ipf_interrupts, interval_timer_at_its_tick)
{
    for (unsigned k = 0; k < 16; k++)
        put_bundle(c, CODE + 0x1000 + 16 * k, MII, NOP_M, NOP_I, NOP_I);
    write_cr(CR_ITV, 0xef);
    c->gr[8].v = 1000;
    run_m(c, MOV_TO_AR(AR_ITC, 8));
    write_cr(CR_ITM, 1000 + 20);
    set_psr(c, PSR_I, 0);
    uint64_t due = c->timer_due;
    run_at(CODE + 0x1000, due - c->retired);
    uint64_t at = 3 * ((c->ip - CODE - 0x1000) / 16) + c->slot;
    ipf_run_until(c, due + 1);
    cr_assert_eq(c->cr[CR_IIP], CODE + 0x1000 + 16 * (at / 3));
    cr_assert_eq(c->cr[CR_IPSR] >> PSR_RI_SHIFT & 3, at % 3);
    cr_assert_eq(c->cr[CR_ISR], EI(at % 3));
    again();
    cr_assert_eq(read_cr(CR_IVR), 0xef);
    write_cr(CR_EOI, 0);
    cr_assert_eq(c->timer_on, false);
    write_cr(CR_ITV, 0x100ef);
    write_cr(CR_ITM, ipf_next_event(c) == UINT64_MAX ? 5000 : 0);
    c->idle += 10000;
    cr_assert_eq(read_cr(CR_IVR), 15, "a masked one is discarded");
}

Test(ipf_interrupts, a_waiting_processor_wakes)
{
    c->halted = true;
    uint64_t retired = c->retired;
    c->ip = CODE;
    ipf_run_until(c, retired + 5);
    cr_assert_eq(c->retired, retired);
    c->halted = false;
    write_cr(CR_ITV, 0x20);
    c->gr[8].v = 1; /* behind CR.ITM */
    run_m(c, MOV_TO_AR(AR_ITC, 8));
    write_cr(CR_ITM, 5000);
    c->halted = true;
    ipf_run_until(c, c->retired + 5);
    cr_assert(c->halted);
    c->idle += ipf_next_event(c) - c->retired - c->idle;
    ipf_run_until(c, c->retired + 1);
    cr_assert(!c->halted, "whatever PSR.i says");
    cr_assert_eq(c->ip, CODE);
    cr_assert_eq(c->slot, 2);
}

/* ---- the register stack engine ---- */

#define BACKING_VA UINT64_C(0x6000000000000000)

/* Backing store at BACKING_VA, in virtual mode; the first page is there or not. */
static void virtual_stack(void)
{
    for (unsigned k = 0; k < 8; k++)
        c->rr[k] = (uint64_t)(0x100 + k) << 8 | 14 << 2;
    ipf_flush(c);
    c->bsp = c->bspstore = BACKING_VA;
    set_psr(c, PSR_RT, 0);
}

Test(ipf_interrupts, alloc_spills_and_its_fault_is_its_own)
{
    virtual_stack();
    run_m(c, ALLOC(32, 90, 90));
    run_b(c, UINT64_C(5) << 37 | (uint64_t)0x100 << 13 | 1 << 6); /* br.call b1 */
    cr_assert_eq(c->dirty, 90);
    c->last_ip = 0x10;
    run_m(c, ALLOC(32, 20, 0));
    expect(0x1000, ISR_W | ISR_RS, CODE, 0, 0x10);
    cr_assert_eq(c->cr[CR_IFA], BACKING_VA);
    again();
    insert(c, IPF_DATA, BACKING_VA, BACKING | PTE_RW, 14, 0);
    set_psr(c, PSR_RT, 0);
    run_m(c, ALLOC(32, 20, 0));
    cr_assert_eq(c->ip, CODE);
    cr_assert_eq(c->cfm.sof, 20);
    cr_assert_eq(c->bspstore, BACKING_VA + 14 * 8);
}

Test(ipf_interrupts, incomplete_frame)
{
    virtual_stack();
    insert(c, IPF_DATA, BACKING_VA, BACKING | PTE_RW, 14, 0);
    set_psr(c, PSR_RT, 0);
    run_m(c, ALLOC(32, 10, 10));
    for (unsigned k = 0; k < 10; k++)
        c->frame[k] = (struct ipf_gr){ 0x100 + k, k == 3 };
    run_b(c, UINT64_C(5) << 37 | (uint64_t)0x100 << 13 | 1 << 6);
    run_m(c, FLUSHRS);
    cr_assert_eq(c->bspstore, BACKING_VA + 80);
    cr_assert_eq(c->rnat, 8);
    c->dirty = 0;
    c->gr[8].v = BACKING_VA;
    c->gr[9].v = 14 << 2;
    run_m(c, PTC_L(8, 9));
    c->ar[AR_PFS] = 10 | 10 << 7;
    c->br[0] = CODE + 0x200;
    put_bundle(c, CODE + 0x200, MII, ADDS(10, 1, 33), NOP_I, NOP_I);
    run_b(c, BR_RET(0));
    cr_assert_eq(c->ip, CODE + 0x200);
    cr_assert_eq(c->bsp, BACKING_VA);
    ipf_run_until(c, c->retired + 1);
    cr_assert_eq(c->cr[CR_ISR], ISR_R | ISR_RS | ISR_IR);
    cr_assert_eq(c->cr[CR_IIP], CODE + 0x200);
    cr_assert_eq(c->cr[CR_IIPA], CODE);
    cr_assert_eq(c->cr[CR_IFA], BACKING_VA + 72);
    again();

    /* The handler covers the frame, maps the page and returns. */
    c->psr &= ~PSR_IC;
    run_b(c, COVER);
    cr_assert_eq(c->cr[CR_IFS], UINT64_C(1) << 63 | 10 | 10 << 7);
    cr_assert_eq(c->bsp, BACKING_VA + 80);
    cr_assert_eq(c->dirty, 0);
    insert(c, IPF_DATA, BACKING_VA, BACKING | PTE_RW, 14, 0);
    c->cr[CR_IPSR] = PSR_IC | PSR_BN | PSR_RT;
    c->cr[CR_IIP] = CODE + 0x200;
    run_b(c, RFI);
    ipf_run_until(c, c->retired + 1);
    cr_assert_eq(c->gr[10].v, 0x102);
    cr_assert_eq(c->frame[3].nat, 1);
    cr_assert_eq(c->frame[9].v, 0x109);
    cr_assert_eq(c->bspstore, BACKING_VA);
}

/* movl is one instruction of slots 1 and 2. */
Test(ipf_interrupts, the_middle_of_a_long_instruction_is_illegal)
{
    enum { MLX = 0x04 };
    const uint64_t movl = UINT64_C(6) << 37 | 7 << 6;
    for (unsigned slot = 1; slot < 3; slot++) {
        put_bundle(c, CODE + 0x200, MLX, NOP_M, 0, movl | UINT64_C(5) << 13);
        c->cr[CR_IPSR] = PSR_IC | PSR_BN | (uint64_t)slot << PSR_RI_SHIFT;
        c->cr[CR_IIP] = CODE + 0x200;
        c->gr[7] = (struct ipf_gr){ 1, 0 };
        c->psr &= ~PSR_IC;
        run_b(c, RFI);
        ipf_run_until(c, c->retired + 1);
        cr_assert_eq(c->gr[7].v, slot == 1 ? 5 : 1);
        cr_assert_eq(c->ip, slot == 1 ? CODE + 0x210 : TABLE + 0x5400);
    }
    cr_assert_eq(c->cr[CR_IIP], CODE + 0x200);
    cr_assert_eq(c->cr[CR_IPSR] >> PSR_RI_SHIFT & 3, 2);
    cr_assert_eq(c->cr[CR_ISR], UINT64_C(2) << ISR_EI_SHIFT);
}

/* ---- firmware ---- */

/* Number 8 finds that its caller's memory has no translation, 9 is not firmware's. */
static enum ipf_called firmware(void *user, struct ipf_cpu *cpu, uint64_t number)
{
    *(uint64_t *)user = number;
    cpu->fault = (struct ipf_fault){ INT_ALTERNATE_DATA_TLB, ISR_W, DATA };
    if (number >= 8)
        return number == 8 ? FIRMWARE_FAULTS : FIRMWARE_NONE;
    cpu->gr[8] = (struct ipf_gr){ 77, 0 };
    return FIRMWARE_DONE;
}
Test(ipf_interrupts, breaks_in_firmware_call_it)
{
    uint64_t number = 0;
    c->firmware = firmware;
    c->firmware_user = &number;
    c->firmware_base = CODE;
    c->firmware_end = CODE + 16;
    run_m(c, BREAK(0x100007));
    cr_assert_eq(number, 7);
    cr_assert_eq(c->gr[8].v, 77);
    cr_assert_eq(c->slot, 1);
    put_bundle(c, CODE + 16, MII, BREAK(0x100007), NOP_I, NOP_I);
    run_at(CODE + 16, 1);
    cr_assert_eq(c->ip, TABLE + 0x2c00);
    again();
    run_m(c, BREAK(0x100008));
    cr_assert_eq(c->ip, TABLE + 0x1000);
    cr_assert_eq(c->cr[CR_IFA], DATA);
    cr_assert_eq(c->cr[CR_IIP], CODE);
    again();
    run_m(c, BREAK(0x100009));
    cr_assert_eq(c->ip, TABLE + 0x2c00);
    cr_assert_eq(c->cr[CR_IIM], 0x100009);
}
