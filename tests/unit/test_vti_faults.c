// SPDX-License-Identifier: Apache-2.0
// Virtualization faults as the hardware raises them, without PAL: every virtualized instruction
// with PSR.vm = 0 and 1, at privilege levels 0 and 3, against each fault that comes before it.
#include <criterion/criterion.h>

#include "ipf/op.h"
#include "ipf_system.h"

/* As the function, in a constant. */
#define op_m(x6, r1, r2, r3)                                                                       \
    (UINT64_C(1) << 37 | (uint64_t)(x6) << 27 | (uint64_t)(r3) << 20 | (uint64_t)(r2) << 13 |      \
     (uint64_t)(r1) << 6)

static struct ipf_cpu *c;
static void setup(void) { c = guest_create(); }
static void teardown(void) { guest_destroy(c); }
TestSuite(vti_faults, .init = setup, .fini = teardown);

/* ---- the instructions: r8 is the target, r9 is r2, r10 is r3 ---- */

enum { TARGET = 8, SOURCE = 9, INDEX = 10, OUTSIDE = 40 /* beyond the frame */ };
enum { PAGE = DATA + 0x10000 };
#define MOV_TO_ITC_IMM (UINT64_C(2) << 31 | UINT64_C(8) << 27 | (uint64_t)AR_ITC << 20 | 5 << 13)
#define BSW_0 (UINT64_C(0x0c) << 27)
#define BSW_1 (UINT64_C(0x0d) << 27)
#define VMSW_0 (UINT64_C(0x18) << 27)
#define VMSW_1 (UINT64_C(0x19) << 27)
#define FROM(x6) op_m(x6, TARGET, 0, INDEX)
#define INTO(x6) op_m(x6, 0, SOURCE, INDEX)

enum { B_UNIT = 1, IC_RULE = 2, UNPREDICATED = 4, ADDRESS = 8, ONLY_LEVEL_0 = 16, NEEDS_SI = 32 };
enum level { ANY, LEVEL, REGISTER }; /* at level 3: allowed, Privileged Operation, Register      */
enum { TPA = 0, TAK = 3 };           /* non-access codes that ISR shows beside the level's fault  */

static const struct row {
    const char *name;
    uint64_t slot;
    enum ipf_cause cause;
    enum level level;
    unsigned flags;
    bool has_target, nat2, nat3; /* r1; a NaT in r2, in r3 faults                                */
    uint64_t good2, good3;       /* operands                                                     */
    uint64_t reserved2;          /* a value of r2 that is reserved, or 0                         */
    uint64_t reserved3;          /* an index that is                                             */
    uint64_t na;                 /* in ISR of the level's and the NaT fault                      */
} rows[] = {
#define R1 .has_target = true
#define N2 .nat2 = true
#define N3 .nat3 = true
    { "mov ar.itc=r2", MOV_TO_AR(AR_ITC, SOURCE), CAUSE_MOV_TO_AR, REGISTER, 0, N2 },
    { "mov ar.itc=imm", MOV_TO_ITC_IMM, CAUSE_MOV_TO_AR_IMM, REGISTER, 0, .na = 0 },
    { "mov r1=ar.itc", MOV_FROM_AR(TARGET, AR_ITC), CAUSE_MOV_FROM_AR, REGISTER, NEEDS_SI, R1 },
    { "mov cr.dcr=r2", MOV_TO_CR(CR_DCR, SOURCE), CAUSE_MOV_TO_CR, LEVEL, 0, N2,
      .reserved2 = 0x80 },
    { "mov cr.itm=r2", MOV_TO_CR(CR_ITM, SOURCE), CAUSE_MOV_TO_CR, LEVEL, 0, N2 },
    { "mov cr.iva=r2", MOV_TO_CR(CR_IVA, SOURCE), CAUSE_MOV_TO_CR, LEVEL, 0, N2, .good2 = TABLE },
    { "mov cr.pta=r2", MOV_TO_CR(CR_PTA, SOURCE), CAUSE_MOV_TO_CR, LEVEL, 0, N2, .good2 = 15 << 2,
      .reserved2 = 2 },
    { "mov cr.ipsr=r2", MOV_TO_CR(CR_IPSR, SOURCE), CAUSE_MOV_TO_CR, LEVEL, IC_RULE, N2,
      .reserved2 = 1 },
    { "mov cr.ifa=r2", MOV_TO_CR(CR_IFA, SOURCE), CAUSE_MOV_TO_CR, LEVEL, IC_RULE, N2 },
    { "mov cr.iha=r2", MOV_TO_CR(CR_IHA, SOURCE), CAUSE_MOV_TO_CR, LEVEL, IC_RULE, N2 },
    { "mov cr.tpr=r2", MOV_TO_CR(CR_TPR, SOURCE), CAUSE_MOV_TO_CR, LEVEL, 0, N2,
      .reserved2 = 0x100 },
    { "mov cr.eoi=r2", MOV_TO_CR(CR_EOI, SOURCE), CAUSE_MOV_TO_CR, LEVEL, 0, N2 },
    { "mov cr.itv=r2", MOV_TO_CR(CR_ITV, SOURCE), CAUSE_MOV_TO_CR, LEVEL, 0, N2, .good2 = 0x10000,
      .reserved2 = 0x100 },
    { "mov r1=cr.ipsr", MOV_FROM_CR(TARGET, CR_IPSR), CAUSE_MOV_FROM_CR, LEVEL, IC_RULE, R1 },
    { "mov r1=cr.iha", MOV_FROM_CR(TARGET, CR_IHA), CAUSE_MOV_FROM_CR, LEVEL, IC_RULE, R1 },
    { "mov r1=cr.dcr", MOV_FROM_CR(TARGET, CR_DCR), CAUSE_MOV_FROM_CR, LEVEL, 0, R1 },
    { "mov r1=cr.ivr", MOV_FROM_CR(TARGET, CR_IVR), CAUSE_MOV_FROM_CR, LEVEL, 0, R1 },
    { "mov r1=cr.tpr", MOV_FROM_CR(TARGET, CR_TPR), CAUSE_MOV_FROM_CR, LEVEL, 0, R1 },
    { "mov psr.l=r2", MOV_TO_PSR_L(SOURCE), CAUSE_MOV_TO_PSR, LEVEL, 0, N2, .good2 = PSR_IC,
      .reserved2 = 1 },
    { "mov r1=psr", MOV_FROM_PSR(TARGET), CAUSE_MOV_FROM_PSR, LEVEL, 0, R1 },
    { "itc.d", ITC_D(SOURCE), CAUSE_ITC_D, LEVEL, IC_RULE, N2, .reserved2 = 3 },
    { "itc.i", ITC_I(SOURCE), CAUSE_ITC_I, LEVEL, IC_RULE, N2, .reserved2 = 3 },
    { "mov rr=r2", INTO(0x00), CAUSE_MOV_TO_RR, LEVEL, 0, N2, N3, .good2 = 12 << 2,
      .reserved2 = 2 },
    { "mov dbr=r2", INTO(0x01), CAUSE_MOV_TO_DBR, LEVEL, 0, N2, N3, .reserved3 = 8 },
    { "mov ibr=r2", INTO(0x02), CAUSE_MOV_TO_IBR, LEVEL, 0, N2, N3, .reserved3 = 8 },
    { "mov pkr=r2", INTO(0x03), CAUSE_MOV_TO_PKR, LEVEL, 0, N2, N3, .reserved2 = 0x10,
      .reserved3 = 16 },
    { "mov pmc=r2", INTO(0x04), CAUSE_MOV_TO_PMC, LEVEL, 0, N2, N3 },
    { "mov pmd=r2", INTO(0x05), CAUSE_MOV_TO_PMD, LEVEL, 0, N2, N3 },
    { "itr.d", ITR_D(INDEX, SOURCE), CAUSE_ITR_D, LEVEL, IC_RULE, N2, N3, .reserved2 = 3,
      .reserved3 = IPF_TR },
    { "itr.i", ITR_I(INDEX, SOURCE), CAUSE_ITR_I, LEVEL, IC_RULE, N2, N3, .reserved2 = 3,
      .reserved3 = IPF_TR },
    { "mov r1=rr", FROM(0x10), CAUSE_MOV_FROM_RR, LEVEL, 0, R1, N3 },
    { "mov r1=dbr", FROM(0x11), CAUSE_MOV_FROM_DBR, LEVEL, 0, R1, N3, .reserved3 = 8 },
    { "mov r1=ibr", FROM(0x12), CAUSE_MOV_FROM_IBR, LEVEL, 0, R1, N3, .reserved3 = 8 },
    { "mov r1=pkr", FROM(0x13), CAUSE_MOV_FROM_PKR, LEVEL, 0, R1, N3, .reserved3 = 16 },
    { "mov r1=pmc", FROM(0x14), CAUSE_MOV_FROM_PMC, LEVEL, 0, R1, N3 },
    { "mov r1=cpuid", FROM(0x17), CAUSE_MOV_FROM_CPUID, ANY, 0, R1, N3, .reserved3 = 5 },
    { "ssm", SSM(PSR_IC), CAUSE_SSM, LEVEL, 0, .na = 0 },
    { "rsm", RSM(PSR_PP), CAUSE_RSM, LEVEL, 0, .na = 0 },
    { "ptc.l", PTC_L(INDEX, SOURCE), CAUSE_PTC_L, LEVEL, ADDRESS, N2, N3, .good2 = 12 << 2 },
    { "ptc.g", PTC_G(INDEX, SOURCE), CAUSE_PTC_G, LEVEL, ADDRESS, N2, N3, .good2 = 12 << 2 },
    { "ptc.ga", op_m(0x0b, 0, SOURCE, INDEX), CAUSE_PTC_GA, LEVEL, ADDRESS, N2, N3,
      .good2 = 12 << 2 },
    { "ptr.d", PTR_D(INDEX, SOURCE), CAUSE_PTR_D, LEVEL, ADDRESS, N2, N3, .good2 = 12 << 2 },
    { "ptr.i", PTR_I(INDEX, SOURCE), CAUSE_PTR_I, LEVEL, ADDRESS, N2, N3, .good2 = 12 << 2 },
    { "thash", THASH(TARGET, INDEX), CAUSE_THASH, ANY, 0, R1 },
    { "ttag", TTAG(TARGET, INDEX), CAUSE_TTAG, ANY, 0, R1 },
    { "tpa", TPA(TARGET, INDEX), CAUSE_TPA, LEVEL, 0, R1, N3, .good3 = PAGE, .na = ISR_NA | TPA },
    { "tak", TAK(TARGET, INDEX), CAUSE_TAK, LEVEL, 0, R1, N3, .na = ISR_NA | TAK },
    { "ptc.e", PTC_E(INDEX), CAUSE_PTC_E, LEVEL, 0, N3 },
    { "cover", COVER, CAUSE_COVER, ANY, B_UNIT | UNPREDICATED | ONLY_LEVEL_0, .na = 0 },
    { "rfi", RFI, CAUSE_RFI, LEVEL, B_UNIT | UNPREDICATED, .na = 0 },
    { "bsw.0", BSW_0, CAUSE_BSW_0, LEVEL, B_UNIT | UNPREDICATED, .na = 0 },
    { "bsw.1", BSW_1, CAUSE_BSW_1, LEVEL, B_UNIT | UNPREDICATED, .na = 0 },
};
#define FOR_ROWS(r) for (const struct row *r = rows; r < rows + ARRAY_SIZE(rows); r++)

/* ---- executing one ---- */

static void prepare(const struct row *r, bool vm, unsigned level)
{
    ipf_switch_bank(c, true);
    c->psr = PSR_BN | PSR_IC | (vm ? PSR_VM : 0) | (uint64_t)level << PSR_CPL_SHIFT |
             (r->flags & NEEDS_SI ? PSR_SI : 0);
    c->gr[SOURCE] = (struct ipf_gr){ r->good2, 0 };
    c->gr[INDEX] = (struct ipf_gr){ r->good3, 0 };
    c->cfm = (struct ipf_cfm){ 0 };
    c->cr[CR_ITIR] = 12 << 2;
    c->cr[CR_IFA] = DATA;
    c->cr[CR_IVA] = TABLE;
    c->cr[CR_IPSR] = c->psr | UINT64_C(1) << PSR_RI_SHIFT; /* rfi: to the next slot */
    c->cr[CR_IIP] = CODE;
    c->cr[CR_IFS] = 0;
    ipf_mode_changed(c);
}
static void execute_slot(const struct row *r, uint64_t slot)
{
    if (r->flags & B_UNIT)
        run_b(c, slot);
    else
        run_m(c, slot);
}
static void execute(const struct row *r) { execute_slot(r, r->slot); }

static void assert_done(const struct row *r, const char *how)
{
    cr_assert(c->ip == CODE && c->slot == 1, "%s, %s: at %#lx slot %u, ISR %#lx", r->name, how,
              c->ip, c->slot, c->cr[CR_ISR]);
}
static void assert_vector(const struct row *r, unsigned vector, uint64_t isr, const char *how)
{
    cr_assert_eq(c->ip, TABLE + vector, "%s, %s: at %#lx", r->name, how, c->ip);
    cr_assert_eq(c->cr[CR_ISR], isr, "%s, %s: ISR %#lx", r->name, how, c->cr[CR_ISR]);
    cr_assert_eq(c->cr[CR_IIP], CODE, "%s, %s", r->name, how);
    cr_assert_eq(c->psr & (PSR_VM | PSR_BN | PSR_IC | PSR_I | PSR_CPL), 0, "%s, %s", r->name, how);
}
static void assert_virtualized(const struct row *r, const char *how)
{
    uint64_t before = c->vti.faults[r->cause];
    execute(r);
    assert_vector(r, 0x6100, 0, how);
    cr_assert(c->cr[CR_IPSR] & PSR_VM, "%s", r->name);
    cr_assert_eq(c->vti.faults[r->cause], before + 1, "%s, %s", r->name, how);
}

/* ---- alone ---- */

Test(vti_faults, level_0)
{
    FOR_ROWS(r)
    {
        prepare(r, false, 0);
        if (r->flags & IC_RULE)
            c->psr &= ~PSR_IC;
        if (r->cause == CAUSE_TPA)
            insert(c, IPF_DATA, PAGE, PTE_RW, 12, 0);
        execute(r);
        assert_done(r, "PSR.vm = 0");
        prepare(r, true, 0);
        assert_virtualized(r, "PSR.vm = 1");
    }
}

Test(vti_faults, level_3)
{
    FOR_ROWS(r)
    {
        for (unsigned vm = 0; vm < 2; vm++) {
            prepare(r, vm, 3);
            if (r->flags & IC_RULE)
                c->psr &= ~PSR_IC;
            if (r->level == ANY && vm && !(r->flags & ONLY_LEVEL_0)) {
                assert_virtualized(r, "level 3");
                continue;
            }
            execute(r);
            if (r->level == ANY)
                assert_done(r, "level 3");
            else if (r->flags & IC_RULE)
                cr_assert_eq(c->ip, TABLE + 0x5400, "%s: at %#lx", r->name, c->ip);
            else
                assert_vector(r, 0x5400, (r->level == REGISTER ? 0x20 : 0x10) | r->na, "level 3");
            cr_assert_eq(c->vti.faults[r->cause], 0, "%s", r->name);
        }
    }
}

Test(vti_faults, false_predicate)
{
    FOR_ROWS(r)
    {
        if (r->flags & UNPREDICATED)
            continue;
        for (unsigned level = 0; level <= 3; level += 3) {
            prepare(r, true, level);
            execute_slot(r, r->slot | 6);
            assert_done(r, "p6 = 0");
        }
    }
}

/* Nothing but mov from ar.itc looks at PSR.si. */
Test(vti_faults, time_without_psr_si)
{
    const struct row *r = &rows[2];
    for (unsigned level = 0; level <= 3; level += 3) {
        prepare(r, true, level);
        c->psr &= ~PSR_SI;
        execute(r);
        assert_done(r, "PSR.si = 0");
        cr_assert_eq(c->gr[TARGET].v, c->retired - 1);
    }
}

/* ---- against faults of higher priority, at both levels ---- */

#define ILLEGAL 0x00
#define PRIVILEGED(r) ((r)->level == REGISTER ? 0x20 : 0x10)

Test(vti_faults, bad_target_beats_all)
{
    FOR_ROWS(r)
    {
        if (!r->has_target)
            continue;
        for (unsigned level = 0; level <= 3; level += 3) {
            prepare(r, true, level);
            c->gr[INDEX].nat = 1;
            execute_slot(r, (r->slot & ~(UINT64_C(0x7f) << 6)) | OUTSIDE << 6);
            assert_vector(r, 0x5400, ILLEGAL, "target beyond the frame");
        }
    }
}

Test(vti_faults, nat_beats_virtualization)
{
    FOR_ROWS(r)
    {
        for (unsigned which = 2; which <= 3; which++) {
            if (!(which == 2 ? r->nat2 : r->nat3))
                continue;
            struct ipf_gr *operand = &c->gr[which == 2 ? SOURCE : INDEX];
            prepare(r, true, 0);
            operand->nat = 1;
            operand->v = which == 2 ? r->reserved2 : r->reserved3; /* it beats these, too */
            execute(r);
            assert_vector(r, 0x5600, 0x10 | r->na, "NaT");
            prepare(r, true, 3);
            operand->nat = 1;
            execute(r);
            if (r->level == ANY)
                assert_vector(r, 0x5600, 0x10 | r->na, "NaT at level 3");
            else
                assert_vector(r, 0x5400, PRIVILEGED(r) | r->na, "NaT at level 3");
        }
    }
}

Test(vti_faults, reserved_beats_virtualization)
{
    FOR_ROWS(r)
    {
        for (unsigned which = 2; which <= 3; which++) {
            uint64_t bad = which == 2 ? r->reserved2 : r->reserved3;
            for (unsigned level = 0; level <= 3 && bad; level += 3) {
                bool privileged = level && r->level != ANY;
                prepare(r, true, level);
                c->gr[which == 2 ? SOURCE : INDEX].v = bad;
                execute(r);
                assert_vector(r, 0x5400, privileged ? PRIVILEGED(r) : 0x30, "reserved");
            }
        }
    }
    static const struct row masks[] = { { "ssm", SSM(0x10000), CAUSE_SSM, LEVEL, 0, .na = 0 },
                                        { "rsm", RSM(0x40), CAUSE_RSM, LEVEL, 0, .na = 0 } };
    for (unsigned k = 0; k < ARRAY_SIZE(masks); k++) {
        prepare(&masks[k], true, 0);
        execute(&masks[k]);
        assert_vector(&masks[k], 0x5400, 0x30, "reserved mask");
    }
}

Test(vti_faults, unimplemented_address_beats_virtualization)
{
    FOR_ROWS(r)
    {
        if (!(r->flags & ADDRESS))
            continue;
        prepare(r, true, 0);
        c->gr[INDEX].v = BIT(60); /* hidden from a virtual machine only */
        execute(r);
        assert_vector(r, 0x5400, 0x30, "unimplemented");
        cr_assert_eq(c->cr[CR_IFA], BIT(60));
        prepare(r, true, 3);
        c->gr[INDEX].v = BIT(60);
        execute(r);
        assert_vector(r, 0x5400, 0x10, "unimplemented at level 3");
    }
}

/* thash and ttag ask for the address only when they are not virtualized; tpa and tak search. */
Test(vti_faults, virtualization_beats_the_address)
{
    FOR_ROWS(r)
    {
        if (r->cause < CAUSE_THASH || r->cause > CAUSE_TAK)
            continue;
        prepare(r, true, 0);
        c->gr[INDEX].v = BIT(60);
        assert_virtualized(r, "unimplemented");
        if (r->cause > CAUSE_TTAG)
            continue;
        prepare(r, true, 0);
        c->gr[INDEX].nat = 1;
        assert_virtualized(r, "NaT");
    }
}

Test(vti_faults, registers_that_are_not_there)
{
    static const uint64_t slots[] = {
        MOV_TO_CR(3, SOURCE),      MOV_TO_CR(18, SOURCE),      MOV_TO_CR(26, SOURCE),
        MOV_TO_CR(CR_IVR, SOURCE), MOV_TO_CR(CR_IRR0, SOURCE), MOV_FROM_CR(TARGET, 3),
        MOV_FROM_CR(TARGET, 18),   MOV_TO_AR(22, SOURCE),      MOV_FROM_AR(TARGET, 22),
        MOV_TO_AR(AR_BSP, SOURCE),
    };
    for (unsigned k = 0; k < ARRAY_SIZE(slots); k++)
        for (unsigned level = 0; level <= 3; level += 3) {
            const struct row r = { "reserved register", slots[k], 0, LEVEL, 0, .na = 0 };
            prepare(&r, true, level);
            c->gr[SOURCE].nat = 1;
            execute(&r);
            assert_vector(&r, 0x5400, ILLEGAL, "");
        }
}

/* ---- vmsw: SDM vol. 3 ---- */

enum { PROMOTE = 7, VIRTUAL = 0x8000000 };

static const struct row vmsw_rows[] = { { "vmsw.0", VMSW_0, CAUSE_VMSW, LEVEL, B_UNIT, .na = 0 },
                                        { "vmsw.1", VMSW_1, CAUSE_VMSW, LEVEL, B_UNIT, .na = 0 } };
/* Executes it on a page with rights `ar`, at the virtual address VIRTUAL + CODE. */
static void execute_virtual(const struct row *r, bool vm, unsigned level, unsigned ar)
{
    c->psr &= ~PSR_VM;
    insert(c, IPF_INSTRUCTIONS, VIRTUAL + CODE, (PTE_RX & ~PTE_AR(7)) | PTE_AR(ar) | CODE, 12, 0);
    prepare(r, vm, level);
    set_psr(c, PSR_IT, 0);
    put_bundle(c, CODE, BBB, r->slot, NOP_B, NOP_B);
    c->ip = VIRTUAL + CODE;
    c->slot = 0;
    ipf_run_until(c, c->retired + 1);
}
static bool done_with(uint64_t vm)
{
    return c->ip == VIRTUAL + CODE && c->slot == 1 && (c->psr & PSR_VM) == vm &&
           (c->psr & (PSR_BN | PSR_IC | PSR_IT)) == (PSR_BN | PSR_IC | PSR_IT);
}

Test(vti_faults, vmsw_switches_on_a_page_for_promotion)
{
    for (unsigned vm = 0; vm < 2; vm++)
        for (unsigned to = 0; to < 2; to++) {
            execute_virtual(&vmsw_rows[to], vm, 0, PROMOTE);
            cr_assert(done_with(to ? PSR_VM : 0), "from %u to %u: at %#lx", vm, to, c->ip);
        }
    cr_assert_eq(c->vti.faults[CAUSE_VMSW], 0);
}

Test(vti_faults, vmsw_faults)
{
    for (unsigned k = 0; k < 2; k++)
        for (unsigned vm = 0; vm < 2; vm++) {
            const struct row *r = &vmsw_rows[k];
            execute_virtual(r, vm, 0, 1);
            cr_assert_eq(c->ip, TABLE + 0x6100, "access rights 1");
            cr_assert_eq(!(c->cr[CR_IPSR] & PSR_VM), !vm);
            prepare(r, vm, 0);
            execute(r);
            assert_vector(r, 0x6100, 0, "PSR.it = 0");
            prepare(r, vm, 3);
            execute(r);
            assert_vector(r, 0x5400, 0x10, "level 3");
            ipf_vti_enable(c, true, false);
            execute_virtual(r, vm, 0, PROMOTE);
            cr_assert_eq(c->ip, TABLE + 0x6100, "the instruction is disabled");
            ipf_vti_enable(c, false, true);
            execute_virtual(r, vm, 0, PROMOTE);
            cr_assert_eq(c->ip, TABLE + 0x6100, "virtual machines are disabled");
            ipf_vti_enable(c, true, true);
        }
    cr_assert_eq(c->vti.faults[CAUSE_VMSW], 16);
}

Test(vti_faults, vmsw_without_the_feature_is_illegal)
{
    c->vti.implemented = false;
    for (unsigned k = 0; k < 2; k++)
        for (unsigned level = 0; level <= 3; level += 3) {
            prepare(&vmsw_rows[k], false, level);
            execute(&vmsw_rows[k]);
            assert_vector(&vmsw_rows[k], 0x5400, ILLEGAL, "");
        }
}

/* What follows is decoded again. */
Test(vti_faults, vmsw_takes_effect_at_once)
{
    insert(c, IPF_INSTRUCTIONS, VIRTUAL + CODE, PTE_P | PTE_A | PTE_AR(PROMOTE) | CODE, 12, 0);
    prepare(&vmsw_rows[1], false, 0);
    set_psr(c, PSR_IT, 0);
    put_bundle(c, CODE, BBB, VMSW_1, BSW_0, NOP_B);
    c->ip = VIRTUAL + CODE;
    c->slot = 0;
    ipf_run_until(c, c->retired + 2);
    cr_assert_eq(c->ip, TABLE + 0x6100);
    cr_assert_eq(c->cr[CR_IPSR] >> PSR_RI_SHIFT & 3, 1);
    cr_assert_eq(c->vti.faults[CAUSE_BSW_0], 1);
}

/* Code is decoded for each of the two. */
Test(vti_faults, the_same_code_with_and_without_psr_vm)
{
    const struct row r = { "bsw.1", BSW_1, CAUSE_BSW_1, LEVEL, B_UNIT, .na = 0 };
    put_bundle(c, CODE, BBB, r.slot, NOP_B, NOP_B);
    for (unsigned turn = 0; turn < 4; turn++) {
        prepare(&r, turn & 1, 0);
        c->ip = CODE;
        c->slot = 0;
        ipf_run_until(c, c->retired + 1);
        if (turn & 1)
            assert_vector(&r, 0x6100, 0, "PSR.vm = 1");
        else
            assert_done(&r, "PSR.vm = 0");
    }
}

/* ---- what is never virtualized ---- */

Test(vti_faults, never)
{
    static const struct {
        const char *name;
        uint64_t slot;
        bool b_unit;
    } plain[] = {
        { "mov r1=pmd", op_m(0x15, TARGET, 0, INDEX), false },
        { "sum", MASK(4u, PSR_AC), false },
        { "rum", MASK(5u, PSR_AC), false },
        { "mov psr.um=r2", op_m(0x29, 0, SOURCE, 0), false },
        { "mov r1=psr.um", op_m(0x21, TARGET, 0, 0), false },
        { "mov ar.k0=r2", MOV_TO_AR(AR_K0, SOURCE), false },
        { "mov r1=ar.k0", MOV_FROM_AR(TARGET, AR_K0), false },
        { "mov ar.rsc=r2", MOV_TO_AR(AR_RSC, SOURCE), false },
        { "probe.r", PROBE_R_IMM(TARGET, INDEX, 0), false },
        { "probe.w.fault", PROBE_W_FAULT(INDEX, 0), false },
        { "fc", FC(INDEX), false },
        { "invala", UINT64_C(1) << 31, false },
        { "srlz.i", UINT64_C(3) << 31 | UINT64_C(1) << 27, false },
        { "mf", UINT64_C(2) << 31 | UINT64_C(2) << 27, false },
        { "alloc", ALLOC(TARGET, 0, 0), false },
        { "flushrs", FLUSHRS, false },
        { "epc", EPC, true },
        { "clrrrb", UINT64_C(4) << 27, true },
    };
    insert(c, IPF_DATA, DATA, PTE_RW, 12, 0);
    for (unsigned k = 0; k < ARRAY_SIZE(plain); k++) {
        const struct row r = { plain[k].name, plain[k].slot, 0, ANY, plain[k].b_unit ? B_UNIT : 0,
                               .good3 = DATA };
        prepare(&r, true, 0);
        execute(&r);
        assert_done(&r, "PSR.vm = 1");
        cr_assert(c->psr & PSR_VM);
    }
}

/* A break in a virtual machine is the monitor's, whatever it may call outside. */
static bool call_simulator(void *user, struct ipf_cpu *cpu, uint64_t number) { return true; }
Test(vti_faults, break_calls_nobody)
{
    const struct row r = { "break", BREAK(0x80001), 0, ANY, 0, .na = 0 };
    c->ssc = call_simulator;
    prepare(&r, false, 0);
    execute(&r);
    assert_done(&r, "PSR.vm = 0");
    prepare(&r, true, 0);
    execute(&r);
    assert_vector(&r, 0x2c00, 0, "PSR.vm = 1");
    cr_assert_eq(c->cr[CR_IIM], 0x80001);
    cr_assert(c->cr[CR_IPSR] & PSR_VM);
}

/* ---- the table ---- */

Test(vti_faults, every_cause_has_a_row)
{
    for (unsigned cause = 1; cause < CAUSES; cause++) {
        unsigned found = cause == CAUSE_VMSW;
        FOR_ROWS(r) found += r->cause == cause;
        cr_assert(found, "%s", ipf_cause_name(cause));
    }
}

/* ---- PSR.vm itself ---- */

Test(vti_faults, rfi_sets_and_every_interruption_clears_it)
{
    const struct row rfi = { "rfi", RFI, CAUSE_RFI, LEVEL, B_UNIT, .na = 0 };
    prepare(&rfi, false, 0);
    c->cr[CR_IPSR] |= PSR_VM;
    execute(&rfi);
    assert_done(&rfi, "IPSR.vm = 1");
    cr_assert(c->psr & PSR_VM);
    for (unsigned what = 0; what <= INT_VIRTUALIZATION; what++) {
        struct ipf_resume at = { CODE, CODE, 0, 0 };
        c->psr |= PSR_VM | PSR_IC;
        ipf_interrupt(c, what, 0, 0, &at);
        cr_assert_eq(c->psr & PSR_VM, 0, "%s", ipf_interruption_name(what));
        cr_assert(c->cr[CR_IPSR] & PSR_VM, "%s", ipf_interruption_name(what));
    }
}

/* Neither ssm, rsm, mov psr.l nor sum reach it, and mov from psr does not show it. */
Test(vti_faults, moves_do_not_touch_it)
{
    const struct row read = { "mov r1=psr", MOV_FROM_PSR(TARGET), 0, LEVEL, 0, .na = 0 };
    const struct row write = { "mov psr.l", MOV_TO_PSR_L(SOURCE), 0, LEVEL, 0, .na = 0 };
    prepare(&write, false, 0);
    c->gr[SOURCE].v = ~UINT64_C(0) << 32 | PSR_IC;
    execute(&write);
    assert_done(&write, "");
    cr_assert_eq(c->psr & (PSR_VM | PSR_CPL), 0);
    prepare(&read, false, 0);
    c->psr |= PSR_MC;
    execute(&read);
    cr_assert_eq(c->gr[TARGET].v, PSR_IC | PSR_MC);
}
