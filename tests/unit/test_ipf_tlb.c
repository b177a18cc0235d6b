// SPDX-License-Identifier: Apache-2.0
// Translation on Itanium: insertion, purges, rights, keys, the VHPT walker, and each fault with
// the registers that it loads.
#include <criterion/criterion.h>

#include "ipf_system.h"

static struct ipf_cpu *c;

static void setup(void)
{
    c = guest_create();
    for (unsigned k = 0; k < 8; k++)
        c->rr[k] = (uint64_t)(0x100 + k) << 8 | 14 << 2;
    set_psr(c, PSR_DT, 0);
}
static void teardown(void) { guest_destroy(c); }
TestSuite(ipf_tlb, .init = setup, .fini = teardown);

#define VA UINT64_C(0x2000000000010000)
#define RR_OF_VA UINT64_C(0x10138)

static void expect_fault(unsigned vector, uint64_t isr)
{
    cr_assert_eq(c->ip, TABLE + vector, "at %#lx, not in vector %#x", c->ip, vector);
    cr_assert_eq(c->cr[CR_ISR], isr, "ISR %#lx, not %#lx", c->cr[CR_ISR], isr);
    cr_assert_eq(c->cr[CR_IIP], CODE);
    cr_assert_eq(c->cr[CR_IPSR] >> PSR_RI_SHIFT & 3, 0);
    cr_assert_eq(c->psr & (PSR_IC | PSR_I | PSR_CPL), 0);
}
static void expect_address(uint64_t ifa, uint64_t itir)
{
    cr_assert_eq(c->cr[CR_IFA], ifa, "IFA %#lx", c->cr[CR_IFA]);
    cr_assert_eq(c->cr[CR_ITIR], itir, "ITIR %#lx", c->cr[CR_ITIR]);
}
static void load_from(uint64_t address)
{
    c->gr[8] = (struct ipf_gr){ address, 0 };
    run_m(c, LD8(10, 8));
}
static void store_to(uint64_t address)
{
    c->gr[8] = (struct ipf_gr){ address, 0 };
    c->gr[11] = (struct ipf_gr){ 0x1122334455667788, 0 };
    run_m(c, ST8(8, 11));
}
/* Back where the test program was. */
static void again(void)
{
    c->psr = (c->psr & PSR_BN) | PSR_IC | PSR_DT;
    ipf_switch_bank(c, true);
    ipf_mode_changed(c);
}

Test(ipf_tlb, data_goes_where_the_translation_says)
{
    insert(c, IPF_DATA, VA, DATA | PTE_RW, 14, 0);
    mem_write_le(c->mem, DATA + 0x3ff8, 8, 0xabcdef);
    load_from(VA + 0x3ff8);
    cr_assert_eq(c->gr[10].v, 0xabcdef);
    store_to(VA + 0x2000);
    cr_assert_eq(mem_read_le(c->mem, DATA + 0x2000, 8), 0x1122334455667788);
    load_from(VA + 0x4000);
    expect_fault(0x1000, ISR_R);
    expect_address(VA + 0x4000, RR_OF_VA);
}

Test(ipf_tlb, every_page_size)
{
    for (unsigned ps = 12; ps <= 32; ps++) {
        uint64_t last = (VA | ((UINT64_C(1) << ps) - 1)) & ~UINT64_C(7);
        if (!(IPF_PAGE_SIZES >> ps & 1))
            continue;
        insert(c, IPF_DATA, VA, PTE_RW, ps, 0);
        c->gr[8].v = last;
        run_m(c, TPA(10, 8));
        cr_assert_eq(c->gr[10].v, last & ((UINT64_C(1) << ps) - 1), "size %u", ps);
        c->gr[9].v = ps << 2;
        run_m(c, PTC_L(8, 9));
        run_m(c, TPA(10, 8));
        expect_fault(0x1000, ISR_NA | NA_TPA);
        again();
    }
}

Test(ipf_tlb, alternate_tlb_fault_for_each_kind_of_access)
{
    store_to(VA);
    expect_fault(0x1000, ISR_W);
    again();
    c->gr[8].v = VA;
    run_m(c, XCHG8(10, 8, 11));
    expect_fault(0x1000, ISR_R | ISR_W);
    again();
    run_m(c, FC(8));
    expect_fault(0x1000, ISR_R | ISR_NA | NA_FC);
    again();
    run_m(c, LFETCH_FAULT(8));
    expect_fault(0x1000, ISR_R | ISR_NA | NA_LFETCH);
    again();
    run_m(c, PROBE_W_IMM(10, 8, 3));
    expect_fault(0x1000, ISR_W | ISR_NA | NA_PROBE);
    again();
    run_m(c, PROBE_RW_FAULT(8, 3));
    expect_fault(0x1000, ISR_R | ISR_W | ISR_NA | NA_PROBE_FAULT);
    again();
    run_m(c, LFETCH(8));
    cr_assert_eq(c->ip, CODE);
    cr_assert_eq(c->slot, 1, "a plain lfetch does not fault");
}

Test(ipf_tlb, data_nested_tlb_changes_no_register)
{
    c->psr &= ~PSR_IC;
    for (unsigned k = CR_IPSR; k <= CR_IHA; k++)
        c->cr[k] = 0x1000 * k;
    load_from(VA);
    cr_assert_eq(c->ip, TABLE + 0x1400);
    for (unsigned k = CR_IPSR; k <= CR_IHA; k++)
        cr_assert_eq(c->cr[k], 0x1000 * k, "CR%u", k);
}

Test(ipf_tlb, faults_of_the_page_in_their_order)
{
    const struct {
        uint64_t pte;
        bool write;
        unsigned vector;
        uint64_t isr;
    } cases[] = {
        { PTE_RW & ~PTE_P, false, 0x5000, ISR_R },
        { PTE_RW | PTE_MA(7), true, 0x5600, ISR_W | 0x20 },
        { PTE_P | PTE_A | PTE_AR(0) | PTE_PL(3), true, 0x5300, ISR_W },
        { PTE_P | PTE_AR(2) | PTE_PL(3), true, 0x2000, ISR_W },
        { PTE_P | PTE_D | PTE_AR(2) | PTE_PL(3), true, 0x2800, ISR_W },
        { PTE_P | PTE_AR(2) | PTE_PL(3), false, 0x2800, ISR_R },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        insert(c, IPF_DATA, VA, DATA | cases[k].pte, 14, 0);
        (cases[k].write ? store_to : load_from)(VA + 8);
        expect_fault(cases[k].vector, cases[k].isr);
        expect_address(VA + 8, RR_OF_VA);
        again();
    }
}

/* PSR.da lets one access pass; an unaligned one comes after all checks of the page. */
Test(ipf_tlb, psr_da_and_unaligned)
{
    insert(c, IPF_DATA, VA, DATA | PTE_P | PTE_AR(2) | PTE_PL(3), 14, 0);
    c->psr |= PSR_DA;
    store_to(VA);
    cr_assert_eq(c->ip, CODE);
    cr_assert_eq(c->psr & PSR_DA, 0);
    store_to(VA);
    expect_fault(0x2000, ISR_W);
    again();
    store_to(VA + 9);
    expect_fault(0x2000, ISR_W);
    again();
    insert(c, IPF_DATA, VA, DATA | PTE_RW, 14, 0);
    store_to(VA + 9);
    expect_fault(0x5a00, ISR_W);
    cr_assert_eq(c->cr[CR_IFA], VA + 9);
    again();
    load_from(VA + 9);
    expect_fault(0x5a00, ISR_R);
}

/* SDM vol. 2, table "Page Access Rights": by ar and pl, what levels 3, 2, 1, 0 may do. */
Test(ipf_tlb, access_rights)
{
    static const char *const table[8][4][4] = {
        { { "-", "-", "-", "R" },
          { "-", "-", "R", "R" },
          { "-", "R", "R", "R" },
          { "R", "R", "R", "R" } },
        { { "-", "-", "-", "RX" },
          { "-", "-", "RX", "RX" },
          { "-", "RX", "RX", "RX" },
          { "RX", "RX", "RX", "RX" } },
        { { "-", "-", "-", "RW" },
          { "-", "-", "RW", "RW" },
          { "-", "RW", "RW", "RW" },
          { "RW", "RW", "RW", "RW" } },
        { { "-", "-", "-", "RWX" },
          { "-", "-", "RWX", "RWX" },
          { "-", "RWX", "RWX", "RWX" },
          { "RWX", "RWX", "RWX", "RWX" } },
        { { "-", "-", "-", "RW" },
          { "-", "-", "R", "RW" },
          { "-", "R", "RW", "RW" },
          { "R", "RW", "RW", "RW" } },
        { { "-", "-", "-", "RWX" },
          { "-", "-", "RX", "RWX" },
          { "-", "RX", "RWX", "RWX" },
          { "RX", "RWX", "RWX", "RWX" } },
        { { "-", "-", "-", "RW" },
          { "-", "-", "RWX", "RW" },
          { "-", "RWX", "RW", "RW" },
          { "RWX", "RW", "RW", "RW" } },
        { { "X", "X", "X", "RX" },
          { "X", "X", "X", "RX" },
          { "X", "X", "X", "RX" },
          { "X", "X", "X", "RX" } },
    };
    for (unsigned ar = 0; ar < 8; ar++)
        for (unsigned pl = 0; pl < 4; pl++) {
            struct ipf_translation t = { .ar = (uint8_t)ar, .pl = (uint8_t)pl };
            for (unsigned level = 0; level < 4; level++) {
                const char *may = table[ar][pl][3 - level];
                cr_assert_eq(ipf_rights(&t, level, ISR_R), strchr(may, 'R') != NULL, "%u %u %u", ar,
                             pl, level);
                cr_assert_eq(ipf_rights(&t, level, ISR_W), strchr(may, 'W') != NULL, "%u %u %u", ar,
                             pl, level);
                cr_assert_eq(ipf_rights(&t, level, ISR_X), strchr(may, 'X') != NULL, "%u %u %u", ar,
                             pl, level);
            }
        }
}

Test(ipf_tlb, probe_answers_for_a_level)
{
    insert(c, IPF_DATA, VA, DATA | PTE_P | PTE_A | PTE_AR(4) | PTE_PL(3), 14, 0);
    c->gr[8].v = VA;
    run_m(c, PROBE_R_IMM(10, 8, 3));
    cr_assert_eq(c->gr[10].v, 1);
    run_m(c, PROBE_W_IMM(10, 8, 3));
    cr_assert_eq(c->gr[10].v, 0);
    run_m(c, PROBE_W_IMM(10, 8, 0));
    cr_assert_eq(c->gr[10].v, 1, "a clean page: the dirty bit is not looked at");
    c->gr[12].v = 3;
    run_m(c, PROBE_W(10, 8, 12));
    cr_assert_eq(c->gr[10].v, 0);
    run_m(c, PROBE_W_FAULT(8, 3));
    expect_fault(0x5300, ISR_W | ISR_NA | NA_PROBE_FAULT);
    again();
    run_m(c, PROBE_W_FAULT(8, 0));
    expect_fault(0x2000, ISR_W | ISR_NA | NA_PROBE_FAULT);
}

Test(ipf_tlb, protection_keys)
{
    insert(c, IPF_DATA, VA, DATA | PTE_RW, 14, 0x55);
    set_psr(c, PSR_PK, 0);
    load_from(VA);
    expect_fault(0x1c00, ISR_R);
    again();
    c->gr[8].v = 3;
    c->gr[9].v = 0x5500 | 2 | 1; /* writes disabled */
    run_m(c, MOV_TO_PKR(8, 9));
    set_psr(c, PSR_PK, 0);
    load_from(VA);
    cr_assert_eq(c->ip, CODE);
    store_to(VA);
    expect_fault(0x5100, ISR_W);
    again();
    c->gr[8].v = 4;
    c->gr[9].v = 0x5500 | 1;
    run_m(c, MOV_TO_PKR(8, 9));
    cr_assert_eq(c->pkr[3] & 1, 0, "a key is valid in one register only");
    set_psr(c, PSR_PK, 0);
    store_to(VA);
    cr_assert_eq(c->ip, CODE);
    c->gr[8].v = VA;
    run_m(c, TAK(10, 8));
    cr_assert_eq(c->gr[10].v, 0x5500);
    c->gr[8].v = VA + 0x100000;
    run_m(c, TAK(10, 8));
    cr_assert_eq(c->gr[10].v, 1);
}

Test(ipf_tlb, purges)
{
    c->gr[8] = (struct ipf_gr){ VA, 0 };
    c->gr[9].v = 14 << 2;
    insert(c, IPF_DATA, VA, DATA | PTE_RW, 14, 0);
    load_from(VA);
    c->gr[9].v = 14 << 2;
    c->rr[1] ^= 0x100;
    run_m(c, PTC_L(8, 9));
    c->rr[1] ^= 0x100;
    set_psr(c, 0, 0);
    load_from(VA);
    cr_assert_eq(c->ip, CODE, "another region's translation stays");
    run_m(c, PTC_G(8, 9));
    load_from(VA);
    expect_fault(0x1000, ISR_R);
    again();

    insert(c, IPF_DATA, VA, DATA | PTE_RW, 14, 0);
    insert(c, IPF_DATA, VA + 0x10000, DATA | PTE_RW, 16, 0);
    c->gr[8].v = 0;
    run_m(c, PTC_E(8));
    load_from(VA + 0x10000);
    expect_fault(0x1000, ISR_R);
}

Test(ipf_tlb, translation_registers_survive_cache_purges)
{
    c->cr[CR_IFA] = VA;
    c->cr[CR_ITIR] = 16 << 2;
    c->gr[9].v = DATA | PTE_RW;
    c->gr[8].v = IPF_TR - 1;
    run_system(c, ITR_D(8, 9));
    c->gr[8].v = 0;
    run_m(c, PTC_E(8));
    load_from(VA + 0xfff8);
    cr_assert_eq(c->ip, CODE);
    c->gr[8].v = VA + 0x8000;
    c->gr[9].v = 12 << 2;
    run_m(c, PTR_D(8, 9));
    load_from(VA);
    expect_fault(0x1000, ISR_R);
    again();
    c->gr[8].v = IPF_TR;
    run_system(c, ITR_D(8, 9));
    cr_assert_eq(c->cr[CR_ISR], 0x30 | ISR_NI, "no such register");
}

Test(ipf_tlb, insertions_are_checked)
{
    const struct {
        uint64_t pte, itir;
        uint64_t isr;
    } cases[] = {
        { PTE_RW | 2, 14 << 2, 0x30 | ISR_NI },
        { PTE_RW | PTE_MA(1), 14 << 2, 0x30 | ISR_NI },
        { PTE_RW | UINT64_C(1) << 50, 14 << 2, 0x30 | ISR_NI },
        { PTE_RW, 15 << 2, 0x30 | ISR_NI },
        { PTE_RW & ~PTE_P, 11 << 2, 0x30 | ISR_NI },
    };
    c->cr[CR_IFA] = VA;
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        c->cr[CR_ITIR] = cases[k].itir;
        c->gr[9] = (struct ipf_gr){ cases[k].pte, 0 };
        run_system(c, ITC_D(9));
        cr_assert_eq(c->ip, TABLE + 0x5400, "case %u", k);
        cr_assert_eq(c->cr[CR_ISR], cases[k].isr, "case %u", k);
    }
    c->cr[CR_ITIR] = 14 << 2;
    c->gr[9] = (struct ipf_gr){ PTE_RW | 2, 1 };
    run_system(c, ITC_D(9));
    cr_assert_eq(c->ip, TABLE + 0x5600, "NaT comes before reserved fields");
    again();
    run_m(c, ITC_D(9));
    expect_fault(0x5400, 0);
}

/* A later insertion over an older one wins, whatever their sizes. */
Test(ipf_tlb, overlap)
{
    insert(c, IPF_DATA, VA, DATA | PTE_RW, 16, 0);
    insert(c, IPF_DATA, VA + 0x4000, (DATA + 0x100000) | PTE_RW, 14, 0);
    store_to(VA + 0x4000);
    cr_assert_eq(mem_read_le(c->mem, DATA + 0x100000, 8), 0x1122334455667788);
    load_from(VA);
    expect_fault(0x1000, ISR_R);
    again();
    insert(c, IPF_DATA, VA, (DATA + 0x200000) | PTE_RW, 20, 0);
    store_to(VA + 0x4000);
    cr_assert_eq(mem_read_le(c->mem, DATA + 0x200000 + 0x4000 + (VA & 0xf0000), 8),
                 0x1122334455667788);
}

Test(ipf_tlb, unimplemented_addresses)
{
    c->va_msb = 50;
    load_from(VA | UINT64_C(1) << 55);
    expect_fault(0x5400, ISR_R | 0x30);
    cr_assert_eq(c->cr[CR_IFA], VA | UINT64_C(1) << 55);
    again();
    c->gr[8].v = VA | UINT64_C(1) << 55;
    run_m(c, PROBE_R_IMM(10, 8, 0));
    cr_assert_eq(c->gr[10].v, 0);
    run_m(c, TPA(10, 8));
    expect_fault(0x5400, ISR_NA | NA_TPA | 0x30);
    again();
    run_m(c, THASH(10, 8));
    cr_assert_eq(c->gr[10].nat, 1);
    set_psr(c, 0, PSR_DT);
    load_from(UINT64_C(1) << 50);
    expect_fault(0x5400, ISR_R | 0x30);
}

/* ---- the VHPT ---- */

enum { VHPT = 0x600000 };
#define VHPT_VA UINT64_C(0x1ff0000000000000) /* offset inside each region */

static void short_vhpt(void)
{
    c->cr[CR_PTA] = VHPT_VA | 25 << 2 | 1;
    c->rr[1] |= 1;
    ipf_flush(c);
}

Test(ipf_tlb, short_format_walk)
{
    short_vhpt();
    uint64_t at = UINT64_C(0x2000000000000000) | VHPT_VA | (VA & 0x1fffffffffffffff) >> 14 << 3;
    c->gr[8].v = VA;
    run_m(c, THASH(10, 8));
    cr_assert_eq(c->gr[10].v, at, "%#lx", c->gr[10].v);
    load_from(VA);
    expect_fault(0x0000, ISR_R);
    expect_address(VA, RR_OF_VA);
    cr_assert_eq(c->cr[CR_IHA], at);
    again();
    insert(c, IPF_DATA, at, VHPT | PTE_RW, 14, 0);
    mem_write_le(c->mem, VHPT + (at & 0x3fff), 8, DATA | PTE_RW);
    mem_write_le(c->mem, DATA + 0x18, 8, 0x77);
    load_from(VA + 0x18);
    cr_assert_eq(c->gr[10].v, 0x77);
    cr_assert_eq(ipf_tlb_find(c, IPF_DATA, VA)->key, 0x101, "the key is the region's identifier");
    c->gr[9].v = 14 << 2;
    c->gr[8].v = VA;
    run_m(c, PTC_L(8, 9));
    mem_write_le(c->mem, VHPT + (at & 0x3fff), 8, DATA | PTE_RW | 2);
    load_from(VA + 0x18);
    expect_fault(0x0800, ISR_R);
    expect_address(VA + 0x18, RR_OF_VA);
    cr_assert_eq(c->cr[CR_IHA], at);
    again();
    mem_write_le(c->mem, VHPT + (at & 0x3fff), 8, 0);
    load_from(VA + 0x18);
    expect_fault(0x5000, ISR_R);
    again();
    mem_write_le(c->mem, VHPT + (at & 0x3fff), 8, DATA | PTE_RW);
    load_from(VA + 0x18);
    cr_assert_eq(c->ip, CODE, "nothing of the absent entry is kept");
}

Test(ipf_tlb, long_format_walk)
{
    c->cr[CR_PTA] = UINT64_C(0xa000000000000000) | 16 << 2 | 1 << 8 | 1;
    c->rr[1] |= 1;
    ipf_flush(c);
    c->gr[8].v = VA;
    run_m(c, THASH(10, 8));
    uint64_t at = c->gr[10].v;
    cr_assert_eq(at >> 16, 0xa00000000000, "%#lx", at);
    run_m(c, TTAG(10, 8));
    uint64_t tag = c->gr[10].v, pa = VHPT + (at & 0x3fff);
    cr_assert_eq(tag >> 63, 0);
    insert(c, IPF_DATA, at, VHPT | PTE_RW, 14, 0);
    mem_write_le(c->mem, pa, 8, DATA | PTE_RW);
    mem_write_le(c->mem, pa + 8, 8, 0x7700 | 16 << 2);
    mem_write_le(c->mem, pa + 16, 8, tag | UINT64_C(1) << 63);
    load_from(VA);
    expect_fault(0x0800, ISR_R);
    cr_assert_eq(c->cr[CR_IHA], at);
    again();
    mem_write_le(c->mem, pa + 16, 8, tag);
    load_from(VA + 0x3ff0);
    cr_assert_eq(c->ip, CODE);
    cr_assert_eq(ipf_tlb_find(c, IPF_DATA, VA)->key, 0x77);
    cr_assert_eq(ipf_tlb_find(c, IPF_DATA, VA)->ps, 16);
}

/* ---- instruction fetch ---- */

#define CODE_VA UINT64_C(0x4000000000020000)

static void run_at(uint64_t ip, uint64_t ticks)
{
    c->ip = ip;
    c->slot = 0;
    ipf_run_until(c, c->retired + ticks);
}

Test(ipf_tlb, code_is_fetched_by_translation)
{
    put_bundle(c, CODE, MII, ADDS(10, 5, 0), NOP_I, NOP_I);
    put_bundle(c, CODE + 0x1000, MII, ADDS(10, 7, 0), NOP_I, NOP_I);
    set_psr(c, PSR_IT, 0);
    run_at(CODE_VA, 1);
    cr_assert_eq(c->ip, TABLE + 0x0c00);
    cr_assert_eq(c->cr[CR_ISR], ISR_X);
    cr_assert_eq(c->cr[CR_IIP], CODE_VA);
    expect_address(CODE_VA, 0x10238);
    again();
    insert(c, IPF_INSTRUCTIONS, CODE_VA, CODE | PTE_RX, 12, 0);
    insert(c, IPF_INSTRUCTIONS, CODE_VA + 0x1000, (CODE + 0x1000) | PTE_RX, 12, 0);
    put_bundle(c, CODE, MII, ADDS(10, 5, 0), NOP_I, NOP_I);
    set_psr(c, PSR_IT, 0);
    run_at(CODE_VA, 3);
    cr_assert_eq(c->gr[10].v, 5);
    cr_assert_eq(c->ip, CODE_VA + 16);
    run_at(CODE_VA + 0x1000, 3);
    cr_assert_eq(c->gr[10].v, 7);
}

Test(ipf_tlb, faults_of_code_pages)
{
    const struct {
        uint64_t pte;
        uint64_t cpl;
        unsigned vector;
        uint64_t isr;
    } cases[] = {
        { PTE_RX & ~PTE_P, 0, 0x5000, ISR_X },
        { PTE_RX | PTE_MA(7), 0, 0x5600, ISR_X | 0x20 },
        { PTE_RW, 0, 0x5200, ISR_X },
        { PTE_P | PTE_A | PTE_AR(1) | PTE_PL(2), PSR_CPL, 0x5200, ISR_X },
        { PTE_RX & ~PTE_A, 0, 0x2400, ISR_X },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        insert(c, IPF_INSTRUCTIONS, CODE_VA, CODE | cases[k].pte, 12, 0);
        set_psr(c, PSR_IT | cases[k].cpl, 0);
        run_at(CODE_VA + 0x10, 1);
        cr_assert_eq(c->ip, TABLE + cases[k].vector, "case %u", k);
        cr_assert_eq(c->cr[CR_ISR], cases[k].isr, "case %u", k);
        expect_address(CODE_VA + 0x10, 0x10238);
        again();
    }
    insert(c, IPF_INSTRUCTIONS, CODE_VA, CODE | (PTE_RX & ~PTE_A), 12, 0);
    put_bundle(c, CODE, MII, ADDS(10, 5, 0), NOP_I, NOP_I);
    set_psr(c, PSR_IT | PSR_IA, 0);
    run_at(CODE_VA, 1);
    cr_assert_eq(c->gr[10].v, 5, "PSR.ia lets one instruction pass");
    cr_assert_eq(c->psr & PSR_IA, 0);
}

Test(ipf_tlb, keys_of_code_pages)
{
    insert(c, IPF_INSTRUCTIONS, CODE_VA, CODE | PTE_RX, 12, 0x66);
    set_psr(c, PSR_IT | PSR_PK, 0);
    run_at(CODE_VA, 1);
    cr_assert_eq(c->ip, TABLE + 0x1800);
    cr_assert_eq(c->cr[CR_ISR], ISR_X);
    expect_address(CODE_VA, 0x10238);
    again();
    c->pkr[0] = 0x6600 | 8 | 1; /* execution disabled */
    set_psr(c, PSR_IT | PSR_PK, 0);
    run_at(CODE_VA, 1);
    cr_assert_eq(c->ip, TABLE + 0x5100);
    cr_assert_eq(c->cr[CR_ISR], ISR_X);
}

/* The walker serves fetches too, while PSR.ic is 1. */
Test(ipf_tlb, walks_for_code)
{
    short_vhpt();
    c->rr[2] |= 1;
    uint64_t at =
        UINT64_C(0x4000000000000000) | VHPT_VA | (CODE_VA & 0x1fffffffffffffff) >> 14 << 3;
    set_psr(c, PSR_IT, 0);
    run_at(CODE_VA, 1);
    cr_assert_eq(c->ip, TABLE + 0x0000);
    cr_assert_eq(c->cr[CR_ISR], ISR_X);
    expect_address(CODE_VA, 0x10238);
    cr_assert_eq(c->cr[CR_IHA], at);
    again();
    insert(c, IPF_DATA, at, VHPT | PTE_RW, 14, 0);
    mem_write_le(c->mem, VHPT + (at & 0x3fff), 8, CODE | PTE_RX | 2);
    set_psr(c, PSR_IT, 0);
    run_at(CODE_VA, 1);
    cr_assert_eq(c->ip, TABLE + 0x0400);
    cr_assert_eq(c->cr[CR_IHA], at);
    again();
    mem_write_le(c->mem, VHPT + (at & 0x3fff), 8, CODE | PTE_RX);
    put_bundle(c, CODE, MII, ADDS(10, 5, 0), NOP_I, NOP_I);
    set_psr(c, PSR_IT, PSR_IC);
    run_at(CODE_VA, 1);
    cr_assert_eq(c->ip, TABLE + 0x0c00, "no walk with PSR.ic = 0");
    again();
    set_psr(c, PSR_IT, 0);
    run_at(CODE_VA, 1);
    cr_assert_eq(c->gr[10].v, 5);
}

Test(ipf_tlb, unimplemented_instruction_address)
{
    c->va_msb = 50;
    set_psr(c, PSR_IT, 0);
    run_at(CODE_VA | UINT64_C(1) << 55, 1);
    cr_assert_eq(c->ip, TABLE + 0x5e00);
    cr_assert_eq(c->cr[CR_ISR], TRAP_UI);
    cr_assert_eq(c->cr[CR_IFA], CODE_VA | UINT64_C(1) << 55);
    cr_assert_eq(c->cr[CR_IIP], CODE_VA | UINT64_C(1) << 55);
}

/* epc promotes to the level of an execute-only promotion page, and no further. */
Test(ipf_tlb, epc_promotes)
{
    put_bundle(c, CODE, BBB, EPC, NOP_B, NOP_B);
    insert(c, IPF_INSTRUCTIONS, CODE_VA, CODE | PTE_P | PTE_A | PTE_AR(7) | PTE_PL(1), 12, 0);
    put_bundle(c, CODE, BBB, EPC, NOP_B, NOP_B);
    set_psr(c, PSR_IT | PSR_CPL, 0);
    c->ar[AR_PFS] = UINT64_C(3) << 62;
    run_at(CODE_VA, 1);
    cr_assert_eq(c->psr >> PSR_CPL_SHIFT & 3, 1);
    c->ar[AR_PFS] = 0;
    run_at(CODE_VA, 1);
    cr_assert_eq(c->ip, TABLE + 0x5400, "AR.PFS.ppl below the current level");
}

/* ---- speculative loads ---- */

static void speculative_load(uint64_t address)
{
    c->gr[8] = (struct ipf_gr){ address, 0 };
    c->gr[10] = (struct ipf_gr){ 1, 0 };
    put_bundle(c, CODE, MII, LD8_S(10, 8), NOP_I, NOP_I);
    run_at(c->psr & PSR_IT ? CODE_VA : CODE, 1);
}
#define expect_deferred() cr_assert_eq(c->gr[10].nat, 1)
static void expect_not_deferred(uint64_t isr)
{
    cr_assert_eq(c->gr[10].v, 1);
    cr_assert_eq(c->cr[CR_ISR], isr, "ISR %#lx", c->cr[CR_ISR]);
}

Test(ipf_tlb, deferral)
{
    enum { DM = 1 << 8 };
    speculative_load(VA);
    expect_not_deferred(ISR_R | ISR_SP);
    again();
    c->cr[CR_DCR] = DM;
    speculative_load(VA);
    expect_not_deferred(ISR_R | ISR_SP); /* PSR.it is 0 */
    again();
    c->psr |= PSR_ED;
    speculative_load(VA);
    expect_deferred();
    cr_assert_eq(c->psr & PSR_ED, 0);
    insert(c, IPF_INSTRUCTIONS, CODE_VA, CODE | PTE_RX | PTE_ED, 12, 0);
    set_psr(c, PSR_IT, 0);
    speculative_load(VA);
    expect_deferred();
    c->cr[CR_DCR] = 0;
    speculative_load(VA);
    expect_not_deferred(ISR_R | ISR_SP | ISR_ED);
    again();
    insert(c, IPF_DATA, VA, DATA | PTE_RW | PTE_MA(7), 14, 0);
    set_psr(c, PSR_IT, 0);
    speculative_load(VA);
    expect_deferred(); /* a NaTPage, always */
    insert(c, IPF_DATA, VA, DATA | PTE_RW, 14, 0);
    set_psr(c, PSR_IT, 0);
    speculative_load(VA + 9);
    expect_deferred(); /* unaligned, by the page of the code */
    set_psr(c, 0, PSR_IC);
    speculative_load(VA + 0x100000);
    expect_deferred(); /* with PSR.ic = 0 everything */
}

/* A fault that is not deferred comes through although one of higher priority is. */
Test(ipf_tlb, deferral_does_not_hide_lower_faults)
{
    enum { DR = 1 << 12 };
    c->cr[CR_DCR] = DR;
    insert(c, IPF_INSTRUCTIONS, CODE_VA, CODE | PTE_RX | PTE_ED, 12, 0);
    insert(c, IPF_DATA, VA, DATA | PTE_P | PTE_AR(7) | PTE_PL(3), 14, 0);
    set_psr(c, PSR_IT | PSR_CPL, 0);
    speculative_load(VA);
    cr_assert_eq(c->ip, TABLE + 0x2800, "%#lx", c->ip);
    cr_assert_eq(c->cr[CR_ISR], ISR_R | ISR_SP | ISR_ED);
}

/* ---- memory attributes ---- */

Test(ipf_tlb, uncacheable_pages)
{
    mem_write_le(c->mem, DATA, 8, 0x77);
    insert(c, IPF_DATA, VA, DATA | PTE_RW | PTE_MA(4), 14, 0);
    load_from(VA);
    cr_assert_eq(c->gr[10].v, 0x77);
    run_m(c, op_memory(0x0b, 10, 0, 8)); /* ld8.a */
    cr_assert_eq(c->gr[10].v, 0);
    cr_assert_eq(c->gr[10].nat, 0);
    run_m(c, LD8_S(10, 8));
    cr_assert_eq(c->gr[10].nat, 1);
    run_m(c, XCHG8(10, 8, 11));
    expect_fault(0x5b00, ISR_R | ISR_W);
    cr_assert_eq(c->cr[CR_IFA], VA);
    again();
    run_m(c, op_memory(0x13, 10, 0, 8) | UINT64_C(1) << 27); /* fetchadd8 */
    expect_fault(0x5b00, ISR_R | ISR_W);
    again();
    insert(c, IPF_DATA, VA, DATA | PTE_RW | PTE_MA(5), 14, 0);
    c->gr[8].v = VA;
    run_m(c, op_memory(0x13, 10, 0, 8) | UINT64_C(1) << 27);
    cr_assert_eq(mem_read_le(c->mem, DATA, 8), 0x77 + 16);
    c->gr[8].v = VA;
    run_m(c, TPA(10, 8));
    cr_assert_eq(c->gr[10].v, DATA);
}

/* A page that held code is data again when the code is gone, and code again. */
Test(ipf_tlb, pages_of_code_that_are_written)
{
    put_bundle(c, CODE + 0x1000, MIB, ADDS(10, 1, 0), NOP_I, BR_COND(0x20));
    put_bundle(c, CODE + 0x1020, MII, NOP_M, NOP_I, NOP_I);
    insert(c, IPF_DATA, VA, CODE | PTE_RW, 14, 0);
    for (unsigned k = 2; k < 5; k++) {
        run_at(CODE + 0x1000, 3);
        cr_assert_eq(c->gr[10].v, k - 1);
        store_to(VA + 0x1ff8);
        c->gr[8].v = VA + 0x1000;
        run_m(c, LD8(11, 8));
        c->gr[11].v += UINT64_C(1) << (13 + 5); /* adds' immediate */
        run_m(c, ST8(8, 11));
    }
}
