// SPDX-License-Identifier: Apache-2.0
// Explanations of Itanium interruptions: each rule of ipf_rules.def is broken by one instruction,
// and named; chains of interruptions end the run.
#include <stdio.h>
#include <stdlib.h>

#include "debug/ipf_explain.h"
#include "debug/ipf_walk.h"
#include "ipf/translate.h"
#include "ipf_cases.h"

static struct guest g;
static struct ipf_note noted;
static unsigned events;
static char *walk;

static void note_first(void *user, struct ipf_cpu *c, const struct ipf_event *e)
{
    size_t n;
    FILE *out;
    (void)user;
    if (events++)
        return;
    noted = ipf_note(c, e);
    if (!noted.rule)
        noted.rule = ipf_broken_rule(c, e, &noted.code);
    out = ipf_walk_explains(e) ? open_memstream(&walk, &n) : NULL;
    if (out) {
        ipf_walk_print(out, c, c->psr, e);
        fclose(out);
    }
}
static void setup(void)
{
    g = guest_new();
    prepare(&g);
    g.c->interrupting = note_first;
    events = 0;
    free(walk);
    walk = NULL;
}
static void teardown(void)
{
    guest_end(&g);
    free(walk);
    walk = NULL;
}
TestSuite(ipf_rules, .init = setup, .fini = teardown);

/* ---- what a case prepares ---- */

#define VA UINT64_C(0x2000000000010000)
enum { PAGE_12 = 12 << 2, P = 1, A = 0x20, D = 0x40, RW = 2 << 9, RX = 1 << 9 };

static void set(unsigned n, uint64_t v) { g.c->gr[n] = (struct ipf_gr){ v, 0 }; }
static void psr(uint64_t v) { g.c->psr |= v; }
static void level_3(void) { psr(PSR_CPL); }
static void no_ic(void) { g.c->psr &= ~PSR_IC; }
static void no_vti(void) { g.c->vti.implemented = false; }
static void virtual_machine(void) { psr(PSR_VM); }
static void small_frame(void) { g.c->cfm = (struct ipf_cfm){ .sof = 4 }; }
static void ones(void) { set(R2, ~UINT64_C(0)); }
static void map(enum ipf_side side, uint64_t va, uint64_t pte)
{
    struct ipf_translation t = ipf_translation(pte, PAGE_12, va, ipf_rid(g.c, va));
    ipf_tlb_insert(g.c, side, &t);
}
static void template_6(void) { mem_write_le(g.mem, GUEST_CODE, 1, 0x06); }
static void slot_0_of_bbb(void)
{
    uint64_t bits = mem_read_le(g.mem, GUEST_CODE + 8, 8) >> 23;
    mem_write_le(g.mem, GUEST_CODE, 8, 0x16 | bits << 5);
    g.slot = 0;
}
static void enforced_lazy_off(void) { g.c->ar[AR_RSC] = 3; }
static void loadrs_8(void) { g.c->ar[AR_RSC] = 8 << 16; }
static void loadrs_all(void)
{
    g.c->cfm.sof = 0;
    g.c->ar[AR_RSC] = 0x3fff << 16;
}
static void timer_secured(void) { psr(PSR_CPL | PSR_SI); }
static void rotated(void) { g.c->cfm = (struct ipf_cfm){ .sof = 96, .sor = 16, .rrb_gr = 1 }; }
static void key_200(void) { set(R3, 200); }
static void tr_255(void)
{
    no_ic();
    set(R3, 255);
}
static void itir_0(void)
{
    no_ic();
    g.c->cr[CR_ITIR] = 0;
}
static void pte_2(void)
{
    no_ic();
    g.c->cr[CR_ITIR] = PAGE_12;
    set(R2, P | 2);
}
static void precision_1(void) { g.c->ar[AR_FPSR] = (g.c->ar[AR_FPSR] & ~UINT64_C(0x300)) | 0x100; }
static void beyond_va(void)
{
    g.c->va_msb = 50;
    psr(PSR_DT);
    set(R3, BIT(55));
}
static void hidden_va(void)
{
    psr(PSR_DT | PSR_VM);
    set(R3, BIT(60));
}
static void beyond_pa(void) { set(R3, BIT(55)); }
static void low_off(void) { psr(PSR_DFL); }
static void high_off(void) { psr(PSR_DFH); }
static void nat_base(void) { g.c->gr[R3] = (struct ipf_gr){ 0, 1 }; }
static void break_here(void)
{
    psr(PSR_DB);
    g.c->ibr[0] = GUEST_CODE;
    g.c->ibr[1] = UINT64_C(0x81ffffffffffffff);
    g.c->ibr_on = true;
}
static void watch_data(void)
{
    psr(PSR_DB);
    set(R3, GUEST_DATA);
    g.c->dbr[0] = GUEST_DATA;
    g.c->dbr[1] = UINT64_C(0xc1ffffffffffffff);
    g.c->dbr_on = true;
    ipf_flush(g.c);
}
static void odd(void) { set(R3, GUEST_DATA + 1); }
static void odd_checked(void)
{
    psr(PSR_AC);
    odd();
}
static void crossing(void) { set(R3, GUEST_DATA + 12); }
static void uncached(void) { set(R3, BIT(63) | GUEST_DATA); }

/* f8, f9, f10 are the operands of fma: f9 * f10 + f8 */
static void floats(unsigned masked, struct ipf_fr a, struct ipf_fr b, struct ipf_fr addend)
{
    g.c->ar[AR_FPSR] = (g.c->ar[AR_FPSR] & ~UINT64_C(0x3f)) | masked;
    g.c->fr[8] = addend;
    g.c->fr[9] = a;
    g.c->fr[10] = b;
}
#define FR(exponent) ((struct ipf_fr){ BIT(63), exponent, 0 })
#define FR_0 ((struct ipf_fr){ 0, 0, 0 })
static void infinity_times_0(void) { floats(0x3e, FR(0x1ffff), FR_0, FR_0); }
static void one_by_0(void) { floats(0x3b, FR(0xffff), FR_0, FR(0xffff)); }
static void unnormal(void) { floats(0x3d, (struct ipf_fr){ 1, 0xffff, 0 }, FR(0xffff), FR_0); }
static void huge_squared(void) { floats(0x37, FR(0x1fff0), FR(0x1fff0), FR_0); }
static void tiny_squared(void) { floats(0x2f, FR(5), FR(5), FR_0); }
static void tiny_added(void) { floats(0x1f, FR(0xffff), FR(0xffff), FR(0x8000)); }

static void to_level_3(void)
{
    psr(PSR_LP);
    g.c->ar[AR_PFS] = UINT64_C(3) << 62;
    g.c->br[0] = GUEST_CODE;
}
static void trap_branches(void) { psr(PSR_TB); }
static void trap_all(void) { psr(PSR_SS); }
static void zeros(void)
{
    mem_write_le(g.mem, GUEST_CODE, 8, 0);
    mem_write_le(g.mem, GUEST_CODE + 8, 8, 0);
}
static void nowhere(void) { g.ip = BIT(55); }
static void hidden_ip(void)
{
    psr(PSR_IT | PSR_VM);
    g.ip = BIT(60);
}

/* Virtual data at VA, the walker off. */
static void data_at_va(void)
{
    psr(PSR_DT);
    set(R3, VA);
}
static void data_page(uint64_t pte)
{
    data_at_va();
    map(IPF_DATA, VA, GUEST_DATA | pte);
}
static void code_page(uint64_t pte)
{
    psr(PSR_IT);
    g.ip = VA;
    map(IPF_INSTRUCTIONS, VA, GUEST_CODE | pte);
}
static void walker_on(void)
{
    for (unsigned n = 0; n < 8; n++)
        g.c->rr[n] = PAGE_12 | 1;
    g.c->cr[CR_PTA] = GUEST_DATA | 1u << 8 | 15 << 2 | 1;
}
static void code_walk(void)
{
    psr(PSR_DT | PSR_IT);
    g.ip = VA;
    walker_on();
}
static void data_walk(void)
{
    data_at_va();
    walker_on();
}
static void map_vhpt(void)
{
    for (uint64_t at = 0; at < 0x8000; at += 0x1000)
        map(IPF_DATA, GUEST_DATA + at, (GUEST_DATA + at) | P | A | D | RW);
}
static void code_tag(void)
{
    code_walk();
    map_vhpt();
}
static void data_tag(void)
{
    data_walk();
    map_vhpt();
}
static void code_unmapped(void)
{
    psr(PSR_IT);
    g.ip = VA;
}
static void nested(void)
{
    no_ic();
    data_at_va();
}
static void code_keyed(void)
{
    psr(PSR_PK);
    code_page(P | A | RX);
}
static void data_keyed(void)
{
    psr(PSR_PK);
    data_page(P | A | D | RW);
}
static void data_locked(void)
{
    g.c->pkr[3] = 1 | 4;
    data_keyed();
}
static void data_clean(void) { data_page(P | A | RW); }
static void code_old(void) { code_page(P | RX); }
static void data_old(void) { data_page(P | D | RW); }
static void data_absent(void) { data_page(0); }
static void code_not_executable(void) { code_page(P | A); }
static void data_read_only(void) { data_page(P | A | D); }
static void data_nat_page(void) { data_page(P | A | D | RW | 7 << 2); }

/* ---- the cases ---- */

static const struct {
    const char *rule, *name;
    enum ipf_format format;
    uint8_t r1, r2, r3;
    uint64_t more; /* bits of the slot, or with name NULL all of them */
    void (*prepare)(void);
    const char *decides; /* the end of the line of the walk that says so */
} cases[] = {
/* clang-format off */
#define ROW(id, mnemonic, f, a, b, c, ...)                                                         \
    { .rule = #id, .name = mnemonic, .format = IPF_FORMAT_##f, .r1 = a, .r2 = b, .r3 = c,          \
      __VA_ARGS__ },
    ROW(reserved_template, "add", A1, R1, R2, R3, .prepare = template_6)
    { "reserved_encoding", .more = UINT64_C(3) << 37 },
    ROW(vmsw, "vmsw.0", B8, 0, 0, 0, .prepare = no_vti)
    ROW(vmsw_conditions, "vmsw.0", B8, 0, 0, 0, .more = 0)
    ROW(virtualized_instruction, "bsw.0", B8, 0, 0, 0, .prepare = virtual_machine)
    ROW(target_r0, "add", A1, 0, R2, R3, .more = 0)
    ROW(target_f0_f1, "fma", F1, 1, 2, 3, .more = 0)
    ROW(base_r0, "ld8", M3, R1, R2, 0, .more = 0)
    ROW(base_is_target, "ld8", M3, R1, R2, R1, .more = 0)
    ROW(reserved_value, "mux1", I3, R1, R2, 1, .more = 0)
    ROW(alloc_sizes, "alloc", M34, 32, 97, 0, .more = 0)
    ROW(alloc_target, "alloc", M34, 40, 4, 0, .more = 0)
    ROW(loop_branch_slot, "br.cloop", B2, 0, 0, 0, .prepare = slot_0_of_bbb)
    ROW(epc_level, "epc", B8, 0, 0, 0, .prepare = level_3)
    ROW(loadrs_mode, "loadrs", M25, 0, 0, 0, .prepare = enforced_lazy_off)
    ROW(loadrs_frame, "loadrs", M25, 0, 0, 0, .prepare = loadrs_8)
    ROW(loadrs_size, "loadrs", M25, 0, 0, 0, .prepare = loadrs_all)
    ROW(pair_banks, "ldfps", M11, 2, 4, R3, .more = 0)
    ROW(same_predicates, "cmp.eq", A6, 6, R2, R3, .more = 6 << 27)
    ROW(insert_with_ic, "itc.d", M41, 0, R2, 0, .more = 0)
    ROW(cr_read_only, "mov", M32, 0, R2, CR_IVR, .more = 0)
    ROW(cr_with_ic, "mov", M32, 0, R2, CR_IPSR, .more = 0)
    ROW(cr_unknown, "mov", M32, 0, R2, 3, .more = 0)
    ROW(ar_read_only, "mov.m", M29, 0, R2, AR_BSP, .more = 0)
    ROW(ar_rse_mode, "mov.m", M29, 0, R2, AR_BSPSTORE, .prepare = enforced_lazy_off)
    ROW(ar_unit, "mov.m", M29, 0, R2, AR_LC, .more = 0)
    ROW(ar_unknown, "mov.m", M29, 0, R2, 8, .more = 0)
    ROW(base_beyond_frame, "ld8", M3, R1, 0, 40, .prepare = small_frame)
    ROW(target_beyond_frame, "add", A1, 40, R2, R3, .prepare = small_frame)
    ROW(privileged_instruction, "mov", M36, R1, 0, 0, .prepare = level_3)
    ROW(interval_timer, "mov.m", M31, R1, 0, AR_ITC, .prepare = timer_secured)
    ROW(kernel_register, "mov.m", M29, 0, R2, AR_K0, .prepare = level_3)
    ROW(cr_field, "mov", M32, 0, R2, CR_DCR, .prepare = ones)
    ROW(psr_field, "mov", M35_l, 0, R2, 0, .prepare = ones)
    ROW(mask_field, "ssm", M44, 0, 0, 0, .more = 1 << 12)
    ROW(alloc_rotates, "alloc", M34, 32, 96, 0, .more = 1 << 27, .prepare = rotated)
    ROW(ar_field, "mov.m", M29, 0, R2, AR_RSC, .prepare = ones)
    ROW(register_number, "mov", M42_pkr, 0, R2, R3, .prepare = key_200)
    ROW(rr_field, "mov", M42_rr, 0, R2, R3, .prepare = ones)
    ROW(pkr_field, "mov", M42_pkr, 0, R2, R3, .prepare = ones)
    ROW(tr_number, "itr.d", M42_dtr, 0, R2, R3, .prepare = tr_255)
    ROW(insert_page_size, "itc.d", M41, 0, R2, 0, .prepare = itir_0)
    ROW(insert_field, "itc.d", M41, 0, R2, 0, .prepare = pte_2)
    ROW(fsetc_controls, "fsetc", F12, 0, 0, 4, .more = 0)
    ROW(float_precision, "fma", F1, 8, 8, 9, .prepare = precision_1)
    ROW(hidden_data, "ld8", M1, R1, 0, R3, .prepare = hidden_va)
    ROW(unimplemented_virtual, "ld8", M1, R1, 0, R3, .prepare = beyond_va)
    ROW(unimplemented_physical, "ld8", M1, R1, 0, R3, .prepare = beyond_pa)
    ROW(low_fp_disabled, "fma", F1, 8, 8, 9, .prepare = low_off)
    ROW(high_fp_disabled, "fma", F1, 33, 8, 9, .prepare = high_off)
    ROW(register_nat, "ld8", M1, R1, 0, R3, .prepare = nat_base)
    ROW(instruction_breakpoint, "add", A1, R1, R2, R3, .prepare = break_here)
    ROW(data_breakpoint, "ld8", M1, R1, 0, R3, .prepare = watch_data)
    ROW(unaligned_semaphore, "xchg8", M16_xchg, R1, R2, R3, .prepare = odd)
    ROW(unaligned_checked, "ld8", M1, R1, 0, R3, .prepare = odd_checked)
    ROW(unaligned_crossing, "ld8", M1, R1, 0, R3, .prepare = crossing)
    ROW(uncacheable_extended, "ldfe", M6, 8, 0, R3, .prepare = uncached)
    ROW(uncacheable_semaphore, "xchg8", M16_xchg, R1, R2, R3, .prepare = uncached)
    ROW(float_invalid, "fma", F1, 11, 8, 9, .more = 10 << 27, .prepare = infinity_times_0)
    ROW(float_zero_divide, "frcpa", F6, 11, 8, 10, .more = 6 << 27, .prepare = one_by_0)
    ROW(float_denormal, "fma", F1, 11, 8, 9, .more = 10 << 27, .prepare = unnormal)
    ROW(float_overflow, "fma", F1, 11, 8, 9, .more = 10 << 27, .prepare = huge_squared)
    ROW(float_underflow, "fma", F1, 11, 8, 9, .more = 10 << 27, .prepare = tiny_squared)
    ROW(float_inexact, "fma", F1, 11, 8, 9, .more = 10 << 27, .prepare = tiny_added)
    ROW(lower_privilege, "br.ret", B4, 4, 0, 0, .prepare = to_level_3)
    ROW(taken_branch, "br.cond", B1, 0, 0, 0, .prepare = trap_branches)
    ROW(single_step, "add", A1, R1, R2, R3, .prepare = trap_all)
    ROW(zero_bundle, "add", A1, R1, R2, R3, .prepare = zeros)
    ROW(ssc_call, "break.m", M37, 1, 0, 0, .more = UINT64_C(1) << 25)
    ROW(break_instruction, "break.m", M37, 5, 0, 0, .more = 0)
    ROW(hidden_code, "add", A1, R1, R2, R3, .prepare = hidden_ip)
    ROW(unimplemented_code, "add", A1, R1, R2, R3, .prepare = nowhere)
    ROW(vhpt_of_code, "add", A1, R1, R2, R3, .prepare = code_walk,
        .decides = "no translation for the entry's address")
    ROW(vhpt_of_data, "ld8", M1, R1, 0, R3, .prepare = data_walk,
        .decides = "no translation for the entry's address")
    ROW(no_code_entry, "add", A1, R1, R2, R3, .prepare = code_tag,
        .decides = "the tag is another page's")
    ROW(no_data_entry, "ld8", M1, R1, 0, R3, .prepare = data_tag,
        .decides = "the tag is another page's")
    ROW(no_code_walk, "add", A1, R1, R2, R3, .prepare = code_unmapped,
        .decides = "PTA.ve is 0: the VHPT walker is off")
    ROW(no_data_walk, "ld8", M1, R1, 0, R3, .prepare = data_at_va,
        .decides = "PTA.ve is 0: the VHPT walker is off")
    ROW(nested_miss, "ld8", M1, R1, 0, R3, .prepare = nested,
        .decides = "PTA.ve is 0: the VHPT walker is off")
    ROW(code_key_miss, "add", A1, R1, R2, R3, .prepare = code_keyed,
        .decides = "key 0  <-- no valid key register holds it")
    ROW(data_key_miss, "ld8", M1, R1, 0, R3, .prepare = data_keyed,
        .decides = "key 0  <-- no valid key register holds it")
    ROW(key_permission, "ld8", M1, R1, 0, R3, .prepare = data_locked,
        .decides = "key 0 rd  <-- it forbids the access")
    ROW(not_dirty, "st8", M4, 0, R2, R3, .prepare = data_clean,
        .decides = "p a  <-- d is 0: not dirty")
    ROW(code_not_accessed, "add", A1, R1, R2, R3, .prepare = code_old,
        .decides = "p  <-- a is 0: not accessed")
    ROW(data_not_accessed, "ld8", M1, R1, 0, R3, .prepare = data_old,
        .decides = "p d  <-- a is 0: not accessed")
    ROW(not_present, "ld8", M1, R1, 0, R3, .prepare = data_absent,
        .decides = "<-- p is 0: not present")
    ROW(code_rights, "add", A1, R1, R2, R3, .prepare = code_not_executable,
        .decides = "ar 0 pl 0 give level 0: R--  <-- forbidden")
    ROW(data_rights, "st8", M4, 0, R2, R3, .prepare = data_read_only,
        .decides = "ar 0 pl 0 give level 0: R--  <-- forbidden")
    ROW(nat_page, "ld8", M1, R1, 0, R3, .prepare = data_nat_page,
        .decides = "ma NaTPage p a d  <-- ma is NaTPage")
#undef ROW
/* clang-format on */
};

static void run_case(size_t k)
{
    struct row r = { .unit = IPF_M };
    uint64_t slot = cases[k].more;
    if (cases[k].name) {
        r = row_named(cases[k].name, cases[k].format);
        slot |= encoded(&r, 0, cases[k].r1, cases[k].r2, cases[k].r3);
    }
    guest_place(&g, r.unit == IPF_A ? IPF_M : r.unit, slot, 0);
    if (cases[k].prepare)
        cases[k].prepare();
    g.c->ip = g.ip;
    g.c->slot = g.slot;
    ipf_mode_changed(g.c);
    ipf_run_until(g.c, g.c->retired + 1);
}

Test(ipf_rules, each_rule_is_named_when_it_is_broken)
{
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        setup();
        run_case(k);
        cr_assert_eq(events, 1, "%s: %u interruptions", cases[k].rule, events);
        cr_assert(noted.rule, "%s: no rule", cases[k].rule);
        cr_assert_str_eq(noted.rule->id, cases[k].rule);
        cr_assert_eq(noted.rule->what, noted.event.what);
        if (cases[k].decides)
            cr_assert(walk && strstr(walk, cases[k].decides), "%s:\n%s", cases[k].rule, walk);
        teardown();
    }
    setup();
}

Test(ipf_rules, each_rule_has_a_case)
{
    const struct ipf_rule *rule;
    for (unsigned n = 0; (rule = ipf_rule_at(n)); n++) {
        unsigned found = 0;
        for (size_t k = 0; k < ARRAY_SIZE(cases); k++)
            found += !strcmp(cases[k].rule, rule->id);
        cr_assert_eq(found, 1, "%u cases of %s", found, rule->id);
    }
}

Test(ipf_rules, each_interruption_but_the_external_ones_has_a_rule)
{
    const struct ipf_rule *rule;
    for (unsigned what = 0; what <= INT_SINGLE_STEP; what++) {
        bool found = what == INT_EXTERNAL_INTERRUPT || what == INT_VIRTUAL_EXTERNAL_INTERRUPT;
        for (unsigned n = 0; (rule = ipf_rule_at(n)); n++)
            found |= rule->what == what;
        cr_assert(found, "no rule for %s", ipf_interruption_name(what));
    }
}

/* ---- chains ---- */

Test(ipf_rules, handlers_that_only_fault_end_the_run)
{
    struct row r = row_named("mov", IPF_FORMAT_M32);
    guest_place(&g, IPF_M, encoded(&r, 0, 0, R2, 3), 0); /* illegal, then break in zeros */
    g.c->ip = g.ip;
    g.c->slot = g.slot;
    ipf_run_until(g.c, 1000000);
    cr_assert_eq(g.c->stop, IPF_CHAINED);
    cr_assert_lt(g.c->retired, 2 + IPF_CHAIN_MAX + 2);
    cr_assert(strstr(g.c->stop_text, "BREAK at ip 0x42c00"), "%s", g.c->stop_text);
}

static void put_in_handler(unsigned vector, const char *name, enum ipf_format format)
{
    struct row r = row_named(name, format);
    guest_place(&g, r.unit, encoded(&r, 0, R1, R2, R3), 0);
    for (unsigned k = 0; k < 32; k += 8)
        mem_write_le(g.mem, GUEST_IVA + vector + k, 8, mem_read_le(g.mem, GUEST_CODE + k, 8));
}

Test(ipf_rules, a_handler_that_does_one_instruction_before_it_faults_is_no_chain)
{
    put_in_handler(VECTOR_BREAK, "break.i", IPF_FORMAT_I19); /* behind a nop */
    zeros();
    g.c->ip = GUEST_CODE;
    g.c->slot = 0;
    ipf_run_until(g.c, 100000);
    cr_assert_eq(g.c->stop, IPF_RUNS);
    cr_assert_eq(g.c->retired, 100000);
}

Test(ipf_rules, a_handler_that_loops_without_a_fault_is_no_chain)
{
    put_in_handler(VECTOR_BREAK, "add", IPF_FORMAT_A1);
    zeros();
    g.c->ip = GUEST_CODE;
    g.c->slot = 0;
    ipf_run_until(g.c, 100000);
    cr_assert_eq(g.c->stop, IPF_RUNS);
}
