// SPDX-License-Identifier: Apache-2.0
// The address bit that a virtual machine has not (SDM vol. 2, "Processor Virtualization"): for all
// IMPL_VA_MSB the same address with PSR.vm = 0 and 1, in every kind of reference.
#include <criterion/criterion.h>

#include "ipf/op.h"
#include "ipf_system.h"

static struct ipf_cpu *c;
static void setup(void) { c = guest_create(); }
static void teardown(void) { guest_destroy(c); }
TestSuite(vti_addresses, .init = setup, .fini = teardown);

enum { TARGET = 8, SOURCE = 9, INDEX = 10 };

static void mode(uint64_t psr)
{
    ipf_switch_bank(c, true);
    c->psr = PSR_BN | PSR_IC | psr;
    c->cfm = (struct ipf_cfm){ 0 };
    ipf_mode_changed(c);
}
static void run_with(uint64_t slot, uint64_t address, uint64_t psr)
{
    mode(psr);
    c->gr[SOURCE] = (struct ipf_gr){ 0x55, 0 };
    c->gr[INDEX] = (struct ipf_gr){ address, 0 };
    run_m(c, slot);
}
static bool went_on(void) { return c->ip == CODE && c->slot == 1; }
static bool unimplemented(uint64_t isr, uint64_t address)
{
    return c->ip == TABLE + 0x5400 && c->cr[CR_ISR] == (0x30 | isr) && c->cr[CR_IFA] == address;
}

/* ---- data: lines of the software TLB must not outlive a change of PSR.vm ---- */

Test(vti_addresses, loads_and_stores_for_every_size_of_address)
{
    for (unsigned msb = 50; msb <= 60; msb++) {
        c->va_msb = msb;
        const uint64_t region = UINT64_C(0x2000000000000000), offset = BIT(61) - 1;
        const struct {
            uint64_t address;
            bool host, guest;
        } rows[] = {
            { BIT(msb - 1) - 0x1000, true, true },
            { BIT(msb - 1), true, false },
            { BIT(msb) - 0x1000, true, false },
            { BIT(msb), msb == 60, false }, /* up to bit 59 it must be sign-extended */
            { offset & ~(BIT(msb) - 1), true, false },
            { offset & ~(BIT(msb - 1) - 1), true, true },
            { offset & ~UINT64_C(0xfff), true, true },
        };
        for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
            uint64_t at = region | rows[k].address;
            struct ipf_translation t = ipf_translation(PTE_RW | DATA, 12 << 2, at, ipf_rid(c, at));
            ipf_tlb_insert(c, IPF_DATA, &t);
            for (unsigned turn = 0; turn < 4; turn++) {
                bool vm = turn & 1, allowed = vm ? rows[k].guest : rows[k].host;
                uint64_t psr = PSR_DT | (vm ? PSR_VM : 0);
                run_with(LD8(TARGET, INDEX), at, psr);
                cr_assert(allowed ? went_on() : unimplemented(ISR_R, at), "msb %u row %u vm %u",
                          msb, k, vm);
                run_with(ST8(INDEX, SOURCE), at, psr);
                cr_assert(allowed ? went_on() : unimplemented(ISR_W, at), "msb %u row %u vm %u",
                          msb, k, vm);
            }
        }
    }
}

#define HIDDEN (UINT64_C(0x2000000000000000) | BIT(60))
static void map_hidden(enum ipf_side side, uint64_t pa)
{
    struct ipf_translation t =
        ipf_translation(PTE_P | PTE_A | PTE_D | PTE_AR(3) | PTE_PL(3) | PTE_ED | pa, 12 << 2,
                        HIDDEN, ipf_rid(c, HIDDEN));
    ipf_tlb_insert(c, side, &t);
}

/* Nothing is written in between, which would empty the lines. */
Test(vti_addresses, what_the_monitor_has_used_stays_hidden)
{
    map_hidden(IPF_DATA, DATA);
    run_with(LD8(TARGET, INDEX), HIDDEN, PSR_DT);
    cr_assert(went_on());
    for (unsigned vm = 0; vm < 2; vm++) {
        mode(PSR_DT | (vm ? PSR_VM : 0));
        c->ip = CODE;
        c->slot = 0;
        ipf_run_until(c, c->retired + 1);
        cr_assert(vm ? unimplemented(ISR_R, HIDDEN) : went_on(), "vm %u: at %#lx", vm, c->ip);
    }
}

Test(vti_addresses, every_kind_of_reference)
{
    static const struct {
        const char *name;
        uint64_t isr;
    } rows[] = {
        { "xchg8", ISR_R | ISR_W },
        { "lfetch.fault", ISR_R | ISR_NA | NA_LFETCH },
        { "fc", ISR_R | ISR_NA | NA_FC },
        { "probe.r.fault", ISR_R | ISR_NA | NA_PROBE_FAULT },
    };
    const uint64_t slots[] = { XCHG8(TARGET, INDEX, SOURCE), LFETCH_FAULT(INDEX), FC(INDEX),
                               PROBE_R_FAULT(INDEX, 0) };
    map_hidden(IPF_DATA, DATA);
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        run_with(slots[k], HIDDEN, PSR_DT);
        cr_assert(went_on(), "%s: at %#lx", rows[k].name, c->ip);
        run_with(slots[k], HIDDEN, PSR_DT | PSR_VM);
        cr_assert(unimplemented(rows[k].isr, HIDDEN), "%s: at %#lx, ISR %#lx", rows[k].name, c->ip,
                  c->cr[CR_ISR]);
    }
}

/* They get NaT, nothing, or "no". */
Test(vti_addresses, references_that_do_not_fault)
{
    map_hidden(IPF_DATA, DATA);
    mem_write_le(c->mem, DATA, 8, 0x1234);
    for (unsigned vm = 0; vm < 2; vm++) {
        uint64_t psr = PSR_DT | (vm ? PSR_VM : 0);
        run_with(LD8_S(TARGET, INDEX), HIDDEN, psr);
        cr_assert(went_on() && c->gr[TARGET].nat == vm && (vm || c->gr[TARGET].v == 0x1234));
        run_with(LFETCH(INDEX), HIDDEN, psr);
        cr_assert(went_on());
        run_with(PROBE_R_IMM(TARGET, INDEX, 0), HIDDEN, psr);
        cr_assert(went_on() && c->gr[TARGET].v == !vm);
    }
}

/* Physical addresses have all their bits. */
Test(vti_addresses, physical_mode)
{
    mode(PSR_VM);
    run_with(LD8(TARGET, INDEX), BIT(IPF_PA_BITS) - 8, PSR_VM);
    cr_assert(went_on());
    run_with(LD8(TARGET, INDEX), DATA | BIT(63), PSR_VM);
    cr_assert(went_on());
}

/* ---- the register stack engine ---- */

Test(vti_addresses, register_stack)
{
    map_hidden(IPF_DATA, DATA);
    for (unsigned vm = 0; vm < 2; vm++) {
        mode(PSR_RT | (vm ? PSR_VM : 0));
        c->bspstore = HIDDEN;
        c->dirty = 2;
        c->bsp = HIDDEN + 16;
        run_m(c, FLUSHRS);
        cr_assert(vm ? unimplemented(ISR_W | ISR_RS, HIDDEN) : went_on(), "vm %u: at %#lx", vm,
                  c->ip);
    }
}

/* ---- instructions ---- */

static void put_everywhere(uint64_t pa) { put_bundle(c, pa, BBB, NOP_B, NOP_B, NOP_B); }
static bool no_instruction_at(uint64_t ip)
{
    return c->ip == TABLE + 0x5e00 && c->cr[CR_ISR] == TRAP_UI && c->cr[CR_IIP] == ip &&
           c->cr[CR_IPSR] & PSR_VM;
}

/* rfi: PSR.vm of the target counts. */
Test(vti_addresses, return_from_interruption)
{
    map_hidden(IPF_INSTRUCTIONS, DATA);
    put_everywhere(DATA);
    for (unsigned vm = 0; vm < 2; vm++) {
        mode(0);
        c->cr[CR_IPSR] = PSR_BN | PSR_IC | PSR_IT | (vm ? PSR_VM : 0);
        c->cr[CR_IIP] = HIDDEN;
        c->cr[CR_IFS] = 0;
        put_bundle(c, CODE, BBB, RFI, NOP_B, NOP_B);
        c->ip = CODE;
        c->slot = 0;
        ipf_run_until(c, c->retired + 2);
        if (vm)
            cr_assert(no_instruction_at(HIDDEN), "at %#lx", c->ip);
        else
            cr_assert(c->ip == HIDDEN && c->slot == 1, "at %#lx", c->ip);
    }
}

/* A branch, and the step from the last bundle that there is. */
Test(vti_addresses, branch_and_fall_through)
{
    const uint64_t last = UINT64_C(0x2000000000000000) + BIT(59) - 16;
    struct ipf_translation t = ipf_translation(PTE_RX | DATA, 12 << 2, last, ipf_rid(c, last));
    struct ipf_translation next =
        ipf_translation(PTE_RX | (DATA + 0x1000), 12 << 2, last + 16, ipf_rid(c, last));
    ipf_tlb_insert(c, IPF_INSTRUCTIONS, &t);
    ipf_tlb_insert(c, IPF_INSTRUCTIONS, &next);
    put_everywhere(DATA + 0xff0);
    put_everywhere(DATA + 0x1000);
    for (unsigned branch = 0; branch < 2; branch++)
        for (unsigned vm = 0; vm < 2; vm++) {
            mode(PSR_IT | (vm ? PSR_VM : 0));
            put_bundle(c, DATA + 0xff0, BBB, NOP_B, NOP_B, branch ? BR_COND(16) : NOP_B);
            c->ip = last;
            c->slot = 2;
            ipf_run_until(c, c->retired + 2);
            if (vm)
                cr_assert(no_instruction_at(last + 16), "branch %u: at %#lx", branch, c->ip);
            else
                cr_assert(c->ip == last + 16 && c->slot == 1);
        }
}

/* ---- insertion ---- */

Test(vti_addresses, ifa_is_checked_when_it_is_written)
{
    c->va_msb = 55;
    const uint64_t hidden = BIT(54), nowhere = BIT(55);
    mode(0);
    c->psr &= ~PSR_IC;
    c->gr[SOURCE] = (struct ipf_gr){ hidden, 0 };
    run_m(c, MOV_TO_CR(CR_IFA, SOURCE));
    cr_assert(went_on() && c->cr[CR_IFA] == hidden);
    mode(PSR_VM);
    c->gr[SOURCE] = (struct ipf_gr){ hidden, 0 };
    run_m(c, MOV_TO_CR(CR_IFA, SOURCE));
    cr_assert(unimplemented(0, hidden), "before the Virtualization fault: at %#lx", c->ip);
    mode(0);
    c->psr &= ~PSR_IC;
    c->gr[SOURCE] = (struct ipf_gr){ nowhere, 0 };
    run_m(c, MOV_TO_CR(CR_IFA, SOURCE));
    cr_assert_eq(c->ip, TABLE + 0x5400);
}
