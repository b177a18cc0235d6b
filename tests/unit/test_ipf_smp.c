// SPDX-License-Identifier: Apache-2.0
// Several Itanium processors: what they share, messages between them, SAL's rendezvous, INIT, and
// that a run is a function of its inputs alone.
#include <criterion/criterion.h>

#include "ipf/op.h"
#include "ipf_system.h"
#include "machine/ipf_machine.h"
#include "machine/ipf_tables.h"

/* ---- two processors on one memory ---- */

static struct ipf_cpu *a, *b;

static void pair_setup(void)
{
    a = guest_create();
    b = ipf_create_beside(a);
    b->cr[CR_IVA] = TABLE;
    b->psr |= PSR_IC;
    b->bsp = b->bspstore = BACKING + 0x10000;
}
static void pair_teardown(void) { guest_destroy(a); }
TestSuite(ipf_pair, .init = pair_setup, .fini = pair_teardown);

#define LD8_A(r1, r3) op_memory(0x0b, r1, 0, r3)
#define LD8_C_NC(r1, r3) op_memory(0x27, r1, 0, r3)

Test(ipf_pair, a_store_removes_advanced_loads_of_both)
{
    a->gr[8].v = b->gr[8].v = DATA;
    a->gr[9].v = b->gr[9].v = DATA + 0x400; /* the same bit of the filter */
    run_m(a, LD8_A(10, 8));
    run_m(b, LD8_A(10, 9));
    a->gr[10].v = b->gr[10].v = 0x77;
    run_m(b, ST8(9, 0));
    run_m(a, LD8_C_NC(10, 8));
    cr_assert_eq(a->gr[10].v, 0x77, "another address");
    run_m(b, LD8_C_NC(10, 9));
    cr_assert_eq(b->gr[10].v, 0, "its own store");
    b->gr[11].v = 0x1234;
    run_m(b, ST8(8, 11));
    run_m(a, LD8_C_NC(10, 8));
    cr_assert_eq(a->gr[10].v, 0x1234, "the other's store");
}

/* b has stored to the page before a's code was decoded there. */
Test(ipf_pair, code_that_the_other_has_written)
{
    enum { THERE = CODE + 0x1000 };
    b->gr[8].v = THERE + 0x100;
    run_m(b, ST8(8, 0));
    put_bundle(a, DATA, MII, ADDS(10, 6, 0), NOP_I, NOP_I);
    put_bundle(a, THERE, MII, ADDS(10, 5, 0), NOP_I, NOP_I);
    a->ip = THERE;
    ipf_run_until(a, a->retired + 1);
    cr_assert_eq(a->gr[10].v, 5);
    b->gr[8].v = THERE;
    b->gr[11].v = mem_read_le(a->mem, DATA, 8);
    run_m(b, ST8(8, 11));
    for (unsigned k = 0; k < 2; k++) {
        struct ipf_cpu *c = k ? b : a;
        c->ip = THERE;
        c->slot = 0;
        ipf_run_until(c, c->retired + 1);
        cr_assert_eq(c->gr[10].v, 6);
    }
}

Test(ipf_pair, global_purges_reach_the_other)
{
    const uint64_t va = UINT64_C(0x4000000000300000), fixed = va + 0x100000;
    for (unsigned k = 0; k < 2; k++) {
        struct ipf_cpu *c = k ? b : a;
        insert(c, IPF_DATA, va, DATA | PTE_RW, 14, 0);
        c->gr[8].v = va;
        set_psr(c, PSR_DT, 0);
        run_m(c, LD8(10, 8));
        cr_assert_eq(c->ip, CODE);
    }
    b->cr[CR_IFA] = fixed;
    b->gr[9].v = DATA | PTE_RW;
    b->gr[10].v = 3;
    run_system(b, ITR_D(10, 9));
    run_m(b, LD8_A(12, 8));
    a->gr[9].v = 20 << 2;
    run_m(a, PTC_G(8, 9));
    a->gr[8].v = fixed;
    run_m(a, PTC_G(8, 9));
    cr_assert_null(ipf_tlb_find(b, IPF_DATA, va));
    cr_assert_not_null(ipf_tlb_find(b, IPF_DATA, fixed), "translation registers stay");
    cr_assert(alat_check(b, 12, false, false));
    run_m(b, LD8(10, 8));
    cr_assert_eq(b->ip, TABLE + 0x1000, "Alternate Data TLB");
    a->gr[8].v = va;
    run_m(a, op_m(0x0b, 0, 9, 8)); /* ptc.ga */
    cr_assert(!alat_check(b, 12, false, false));
}

/* ---- a machine of three ---- */

enum { BASE = 0x10000, RAM = 16 << 20 };

static struct ipf_machine *m;
static struct ipf_cpu *c[3];
static struct mem *mem;
static struct stop_report report;

static void setup(void)
{
    struct sp_error e;
    const struct ipf_config config = { .cpus = 3, .ram_size = RAM };
    const struct ipf_boot boot = { .base = BASE, .command_line = "" };
    m = ipf_machine_create(&config, &e);
    cr_assert_eq(ipf_machine_cpu_count(m), 3);
    for (unsigned k = 0; k < 3; k++)
        c[k] = ipf_machine_cpu(m, k);
    mem = ipf_machine_mem(m);
    cr_assert(ipf_machine_boot(m, &boot));
    c[0]->ip = CODE;
}
static void teardown(void) { ipf_machine_destroy(m); }
TestSuite(ipf_smp, .init = setup, .fini = teardown);

static void run(uint64_t insns)
{
    const struct machine_limits limits = { .max_insns = insns };
    ipf_machine_run(m, &limits, &report);
}
/* A branch to itself. */
static void put_loop(uint64_t at) { put_bundle(c[0], at, MIB, NOP_M, NOP_I, BR_COND(0)); }
static void message(unsigned cpu, uint64_t data)
{
    mem_write_le(mem, IPF_INTERRUPT_BLOCK + ((uint64_t)cpu << 12), 8, data);
}
/* A SAL procedure, called by the first processor in physical mode, which goes back to its loop. */
static uint64_t sal(uint64_t number, const uint64_t *in)
{
    uint64_t system = mem_read_le(mem, c[0]->gr[28].v + 8, 8);
    uint64_t table = mem_read_le(mem, mem_read_le(mem, system + 112, 8) + 16, 8);
    c[0]->cfm = (struct ipf_cfm){ .sof = 8 };
    *gr(c[0], 32) = (struct ipf_gr){ number, 0 };
    for (unsigned k = 1; k < 8; k++)
        *gr(c[0], 32 + k) = (struct ipf_gr){ in[k - 1], 0 };
    c[0]->ar[AR_PFS] = 0;
    c[0]->br[0] = CODE;
    c[0]->ip = mem_read_le(mem, table + 112, 8);
    c[0]->slot = 0;
    put_loop(CODE);
    run(20);
    cr_assert_eq(c[0]->ip, CODE);
    return c[0]->gr[8].v;
}

Test(ipf_smp, messages_name_a_processor_by_its_id)
{
    put_loop(CODE);
    c[2]->cr[CR_LID] = UINT64_C(7) << 24 | 5 << 16;
    mem_write_le(mem, IPF_INTERRUPT_BLOCK + 0x7050, 8, 0x31);
    cr_assert_eq(c[2]->irr[0], BIT(0x31));
    message(2, 0x32);
    message(1, 0x33);
    cr_assert_eq(c[2]->irr[0], BIT(0x31));
    cr_assert_eq(c[1]->irr[0], BIT(0x33));
    message(1, 4 << 8 | 0x99);
    cr_assert_eq(c[1]->irr[0], BIT(0x33) | BIT(2), "NMI");
    message(1, 7 << 8 | 0x99);
    cr_assert_eq(c[1]->irr[0], BIT(0x33) | BIT(2) | BIT(0), "ExtINT");
    message(1, 1 << 8 | 0x34);
    message(1, 3 << 8 | 0x34);
    message(1, 2 << 8 | 0x34);
    cr_assert_eq(c[1]->irr[0], BIT(0x33) | BIT(2) | BIT(0), "reserved modes, and PMI");
    cr_assert_eq(c[0]->irr[0], 0);
}

/* One M instruction on one processor, while the others wait. */
static void execute(unsigned cpu, uint64_t slot)
{
    uint64_t at = CODE + 0x1000 * (cpu + 1);
    put_bundle(c[0], at, MII, slot, NOP_I, NOP_I);
    put_loop(at + 16);
    for (unsigned k = 0; k < 3; k++)
        c[k]->halted = k != cpu;
    c[cpu]->ip = at;
    c[cpu]->slot = 0;
    run(3);
    c[cpu]->halted = true;
}

Test(ipf_smp, redirectable_messages_go_to_the_lowest_task_priority)
{
    const uint64_t redirect = IPF_INTERRUPT_BLOCK + 8;
    mem_write_le(mem, redirect, 8, 0x40);
    cr_assert_eq(ipf_read_ivr(c[0]), 0x40, "equal: the one that is named");
    ipf_end_of_interrupt(c[0]);
    for (unsigned k = 0; k < 3; k++) {
        c[k]->gr[8].v = IPF_INTERRUPT_BLOCK + 0x1e0008;
        c[k]->gr[9].v = k == 2 ? 0xf3 : 9;
        execute(k, op_memory(0x30, 0, 9, 8)); /* st1 */
    }
    mem_write_le(mem, redirect, 8, 0x41);
    cr_assert_eq(c[2]->irr[1], BIT(1));
    message(0, 0x42);
    cr_assert_eq(c[0]->irr[1], BIT(2), "not redirectable");
}

Test(ipf_smp, the_io_sapic_names_a_processor)
{
    const uint64_t port = IPF_PORTS | (uint64_t)(IPF_COM1 >> 2) << 12;
    const uint64_t entry = 0x10 + 2 * IPF_COM1_IRQ;
    mem_write_le(mem, IOSAPIC_BASE, 4, entry);
    mem_write_le(mem, IOSAPIC_BASE + 0x10, 4, 0x45);
    mem_write_le(mem, IOSAPIC_BASE, 4, entry + 1);
    mem_write_le(mem, IOSAPIC_BASE + 0x10, 4, 2 << 24);
    mem_write_le(mem, (port | 0x1000) + (IPF_COM1 & 0xfff) + 4, 1, 8); /* OUT2 */
    mem_write_le(mem, port + (IPF_COM1 & 0xfff) + 1, 1, 2);            /* interrupt when empty */
    cr_assert_eq(c[2]->irr[1], BIT(5));
    cr_assert_eq(c[0]->irr[1], 0);
}

/* ---- SAL's rendezvous ---- */

enum { HANDLER = 0x600000 };
#define BR_COND_B0 (UINT64_C(0x20) << 27)

Test(ipf_smp, rendezvous)
{
    const uint64_t vectors[7] = { SAL_OS_BOOT_RENDEZ, HANDLER, 0x1234560 };
    put_loop(CODE);
    message(1, SAL_WAKE_UP);
    run(30000);
    cr_assert(c[1]->halted, "nobody has registered anything");
    cr_assert_eq(sal(0x01000000, vectors), 0, "SAL_SET_VECTORS");
    put_bundle(c[0], HANDLER, MIB, ADDS(10, 1, 10), NOP_I, BR_COND_B0);
    run(30000);
    cr_assert(c[1]->halted, "the message before is forgotten");
    message(1, 0x80);
    message(2, SAL_WAKE_UP);
    run(30000);
    cr_assert_eq(c[1]->gr[10].v, 0, "another vector");
    cr_assert_eq(c[2]->gr[10].v, 1);
    cr_assert_eq(c[2]->gr[1].v, 0x1234560);
    cr_assert(c[2]->halted, "it is back");
    cr_assert_eq(c[2]->psr & (PSR_IT | PSR_DT | PSR_RT | PSR_I), 0);
    message(2, SAL_WAKE_UP);
    message(1, SAL_WAKE_UP);
    run(30000);
    cr_assert_eq(c[1]->gr[10].v, 1);
    cr_assert_eq(c[2]->gr[10].v, 2);
}

Test(ipf_smp, sal_checks_its_arguments)
{
    const uint64_t none[7] = { SAL_VECTORS }, rendezvous[7] = { 1, 1, 0xe8 };
    const uint64_t vector[7] = { 1, 1, 8 }, type[7] = { 4, 1, 0xe8 };
    cr_assert_eq(sal(0x01000000, none), (uint64_t)-2);
    cr_assert_eq(sal(0x01000005, rendezvous), 0, "SAL_MC_SET_PARAMS");
    cr_assert_eq(sal(0x01000005, vector), (uint64_t)-2);
    cr_assert_eq(sal(0x01000005, type), (uint64_t)-2);
}

/* ---- time ---- */

Test(ipf_smp, each_has_its_interval_time_counter)
{
    put_loop(CODE);
    run(1000);
    execute(1, MOV_FROM_AR(10, AR_ITC));
    cr_assert_eq(c[1]->gr[10].v, 1000, "time is the machine's");
    c[1]->gr[9].v = 5000000;
    execute(1, MOV_TO_AR(AR_ITC, 9));
    execute(2, MOV_FROM_AR(10, AR_ITC));
    cr_assert_eq(c[2]->gr[10].v, 1006);
    execute(1, MOV_FROM_AR(10, AR_ITC));
    cr_assert_eq(c[1]->gr[10].v, 5000006);
}

Test(ipf_smp, processors_that_wait_take_no_instructions)
{
    for (unsigned k = 0; k < 3; k++) {
        c[k]->cr[CR_ITV] = 0x50 + k;
        c[k]->gr[9].v = UINT64_C(1000000) * (3 - k);
        execute(k, MOV_TO_CR(CR_ITM, 9));
    }
    uint64_t insns = ipf_machine_insns(m);
    run(3);
    cr_assert_eq(ipf_machine_insns(m) - insns, 2, "the first wait counts as one");
    cr_assert(!c[2]->halted, "its timer was the first");
    cr_assert(c[0]->halted && c[1]->halted);
    cr_assert_eq(ipf_machine_now(m), 1000002);
    c[2]->halted = true;
    ipf_read_ivr(c[2]);
    run(3);
    cr_assert(!c[1]->halted);
    c[1]->halted = true;
    ipf_read_ivr(c[1]);
    run(3);
    cr_assert(!c[0]->halted);
    cr_assert_eq(ipf_machine_now(m), 3000002);
    c[0]->halted = true;
    ipf_read_ivr(c[0]);
    run(3);
    cr_assert_eq(report.reason, STOP_HALTED);
}

/* ---- a run is a function of its inputs, however it is cut ---- */

#define FETCHADD8(r1, r3) (op_memory(0x13, r1, 3, r3) | UINT64_C(1) << 27)
enum { COUNTER = DATA, TIMER_PORT = ACPI_PM_BASE + ACPI_PM_TIMER };

/* All three count in memory and read the power-management timer. */
static void put_counting(void)
{
    const uint64_t port = IPF_PORTS | (uint64_t)(TIMER_PORT >> 2) << 12 | (TIMER_PORT & 0xfff);
    put_bundle(c[0], CODE, MMI, FETCHADD8(10, 8), LD4(11, 9), NOP_I);
    put_bundle(c[0], CODE + 16, MIB, ADDS(12, 1, 11), NOP_I, BR_COND(-16));
    for (unsigned k = 0; k < 3; k++) {
        c[k]->gr[8].v = COUNTER;
        c[k]->gr[9].v = port | BIT(63);
        c[k]->ip = CODE;
        c[k]->slot = 0;
        c[k]->halted = false;
    }
}

Test(ipf_smp, cutting_a_run_changes_nothing)
{
    enum { INSNS = 60001 };
    uint64_t hash[3];
    for (unsigned k = 0; k < 3; k++) {
        const unsigned pieces[3] = { INSNS, 1, 997 };
        if (k) {
            teardown();
            setup();
        }
        put_counting();
        for (unsigned done = 0; done < INSNS; done += pieces[k])
            run(done + pieces[k] < INSNS ? pieces[k] : INSNS - done);
        cr_assert_eq(ipf_machine_insns(m), INSNS);
        hash[k] = ipf_machine_state_hash(m);
    }
    cr_assert_eq(mem_read_le(mem, COUNTER, 8) / 10, INSNS / 60, "semaphores lose nothing");
    cr_assert_geq(c[2]->retired, INSNS / 4, "each has its turns");
    cr_assert_eq(hash[0], hash[1]);
    cr_assert_eq(hash[0], hash[2]);
}

/* A device is read at the instruction's tick, not at that of its block. */
Test(ipf_smp, devices_see_the_exact_tick)
{
    const uint64_t port = IPF_PORTS | (uint64_t)(TIMER_PORT >> 2) << 12 | (TIMER_PORT & 0xfff);
    for (unsigned k = 0; k < 200; k++)
        put_bundle(c[0], CODE + 16 * k, MMI, k == 190 ? LD4(11, 9) : NOP_M, NOP_M, NOP_I);
    put_loop(CODE + 16 * 200);
    c[0]->gr[9].v = port | BIT(63);
    run(1000);
    cr_assert_eq(c[0]->gr[11].v, 570u * 3579545 / 1000000000);
}

/* ---- INIT ---- */

enum { MONARCH = 0x700000, SLAVE = 0x710000, INIT = 5 << 8 };

static void register_init(void)
{
    const uint64_t vectors[7] = { SAL_OS_INIT, MONARCH, 0x111, 0, SLAVE, 0x222, 0 };
    cr_assert_eq(sal(0x01000000, vectors), 0);
    put_loop(MONARCH);
    put_loop(SLAVE);
}

/* A processor in the middle of something; returns with it in its loop. */
static void make_busy(unsigned k, uint64_t psr)
{
    put_loop(CODE + 0x8000);
    c[k]->halted = false;
    c[k]->ip = CODE + 0x8000;
    c[k]->psr = psr | PSR_BN;
    ipf_flush(c[k]);
    c[k]->cfm = (struct ipf_cfm){ .sof = 20, .sol = 12, .sor = 8, .rrb_gr = 3, .rrb_pr = 7 };
    for (unsigned r = 1; r < 52; r++)
        *gr(c[k], r) = (struct ipf_gr){ 0x1000 + r, r % 5 == 0 };
    for (unsigned r = 0; r < 16; r++)
        c[k]->bank[r] = (struct ipf_gr){ 0x2000 + r, r % 3 == 0 };
    c[k]->pr = 0x123456789abcdef1;
    c[k]->br[0] = 0xb0;
    c[k]->br[1] = 0xb1;
    c[k]->cr[CR_IIP] = 0x11110;
    c[k]->cr[CR_IPSR] = PSR_IC;
    c[k]->cr[CR_IFS] = 0x55;
    run(30000);
}
static void go_back(unsigned k)
{
    c[k]->gr[8].v = 0;
    c[k]->gr[22].v = c[k]->gr[17].v;
    c[k]->ip = c[k]->gr[12].v;
    c[k]->slot = 0;
}

Test(ipf_smp, init_reaches_os_init_and_returns)
{
    static struct ipf_cpu before;
    register_init();
    for (unsigned ic = 0; ic < 2; ic++) {
        make_busy(1, ic ? PSR_IC | PSR_MFL : 0);
        before = *c[1];
        message(1, INIT);
        run(30000);
        cr_assert_eq(c[1]->ip, MONARCH);
        cr_assert_eq(c[1]->psr, PSR_MC);
        cr_assert_eq(c[1]->gr[1].v, 0x111);
        cr_assert_eq(c[1]->gr[11].v, 0, "reason");
        cr_assert_eq(c[1]->cfm.sof, 0, "covered");
        cr_assert_eq(c[1]->bsp, rse_skip(before.bsp, 20));
        uint64_t area = c[1]->gr[17].v & ~BIT(63);
        cr_assert_eq(mem_read_le(mem, area + 8 * 12, 8), 0x1000 + 12, "GR12");
        cr_assert_eq(mem_read_le(mem, area + 8 * 16, 8), 0x2000, "GR16 of bank 0");
        cr_assert_eq(mem_read_le(mem, area + 8 * 32, 8), 0x1000 + 16, "GR16 of bank 1");
        cr_assert_eq(mem_read_le(mem, area + 8 * (ic ? 51 : 54), 8), CODE + 0x8000, "IIP or XIP");
        if (!ic)
            cr_assert_eq(mem_read_le(mem, area + 8 * 51, 8), 0x11110, "IIP is the guest's");
        go_back(1);
        run(30000);
        cr_assert_eq(c[1]->ip, CODE + 0x8000);
        cr_assert_eq(c[1]->psr, before.psr);
        cr_assert_eq(c[1]->pr, before.pr);
        cr_assert_eq(c[1]->bsp, before.bsp);
        cr_assert_eq(c[1]->ar[AR_RSC], before.ar[AR_RSC]);
        cr_assert_eq(c[1]->br[0], 0xb0);
        cr_assert_eq(c[1]->br[1], 0xb1);
        cr_assert_eq(cfm_pack(&c[1]->cfm), cfm_pack(&before.cfm));
        for (unsigned r = 1; r < 52; r++) {
            cr_assert_eq(gr(c[1], r)->v, 0x1000 + r, "r%u", r);
            cr_assert_eq(gr(c[1], r)->nat, r % 5 == 0, "NaT of r%u", r);
        }
        cr_assert_arr_eq(c[1]->bank, before.bank, sizeof before.bank);
        if (!ic)
            cr_assert_eq(c[1]->cr[CR_IFS], 0x55);
    }
}

Test(ipf_smp, one_processor_is_the_monarch_and_inits_wait)
{
    register_init();
    make_busy(1, 0);
    make_busy(2, 0);
    message(1, INIT);
    run(30000);
    message(2, INIT);
    message(1, INIT);
    run(30000);
    cr_assert_eq(c[1]->ip, MONARCH);
    cr_assert_eq(c[2]->ip, SLAVE);
    cr_assert_eq(c[2]->gr[1].v, 0x222);
    cr_assert(c[1]->attention & ATTENTION_INIT, "PSR.mc");
    go_back(1);
    run(30000);
    cr_assert_eq(c[1]->ip, SLAVE, "the other is still there");
    go_back(1);
    go_back(2);
    run(30000);
    message(2, INIT);
    run(30000);
    cr_assert_eq(c[2]->ip, MONARCH);
    go_back(2);
    c[2]->gr[8].v = (uint64_t)-1;
    run(30000);
    cr_assert_eq(report.reason, STOP_RESET, "%s", report.text);
}

Test(ipf_smp, init_without_a_handler_resets_the_machine)
{
    put_loop(CODE);
    message(0, INIT);
    run(10);
    cr_assert_eq(report.reason, STOP_RESET);
}
