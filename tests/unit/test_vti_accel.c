// SPDX-License-Identifier: Apache-2.0
// Accelerations and disables of a virtual processor: the intercept without each, none with it, and
// what the guest and the monitor see.
#include "vti_guest.h"

TestSuite(vti_accel, .fini = machine_end);

enum { TARGET = 8, SOURCE = 9, INDEX = 10 };
#define BSW_0 (UINT64_C(0x0c) << 27)
#define BSW_1 (UINT64_C(0x0d) << 27)
#define IC_0 PSR_BN /* a virtual PSR */
#define IC_1 (PSR_BN | PSR_IC)

struct one {
    const char *name;
    uint64_t slot, vpsr, source, index;
    enum ipf_cause cause;
    bool b_unit;
};
static void run_one(const struct one *o)
{
    c->cfm = (struct ipf_cfm){ 0 };
    set_mode(HOST_PSR);
    c->gr[SOURCE] = (struct ipf_gr){ o->source, 0 };
    c->gr[INDEX] = (struct ipf_gr){ o->index, 0 };
    set_vpd(VPD_VPSR, o->vpsr);
    run_guest(o->slot, o->b_unit);
}

/* ---- each bit alone ---- */

Test(vti_accel, each_acceleration)
{
    const struct {
        uint64_t vac;
        struct one one;
    } rows[] = {
        { VAC_A_INT, { "ssm psr.i", SSM(PSR_I), IC_1, 0, 0, CAUSE_SSM, false } },
        { VAC_A_INT, { "rsm psr.i", RSM(PSR_I), IC_1, 0, 0, CAUSE_RSM, false } },
        { VAC_A_INT,
          { "mov psr.l", MOV_TO_PSR_L(9), IC_1, PSR_IC | PSR_I, 0, CAUSE_MOV_TO_PSR, false } },
        { VAC_A_INT,
          { "mov cr.tpr", MOV_TO_CR(CR_TPR, 9), IC_1, 0x50, 0, CAUSE_MOV_TO_CR, false } },
        { VAC_A_INT,
          { "mov =cr.tpr", MOV_FROM_CR(8, CR_TPR), IC_1, 0, 0, CAUSE_MOV_FROM_CR, false } },
        { VAC_A_FROM_INT_CR,
          { "mov =cr.ipsr", MOV_FROM_CR(8, CR_IPSR), IC_0, 0, 0, CAUSE_MOV_FROM_CR, false } },
        { VAC_A_FROM_INT_CR,
          { "mov =cr.iha", MOV_FROM_CR(8, CR_IHA), IC_0, 0, 0, CAUSE_MOV_FROM_CR, false } },
        { VAC_A_TO_INT_CR,
          { "mov cr.ipsr", MOV_TO_CR(CR_IPSR, 9), IC_0, PSR_IC, 0, CAUSE_MOV_TO_CR, false } },
        { VAC_A_TO_INT_CR,
          { "mov cr.iha", MOV_TO_CR(CR_IHA, 9), IC_0, 8, 0, CAUSE_MOV_TO_CR, false } },
        { VAC_A_FROM_PSR, { "mov =psr", MOV_FROM_PSR(8), IC_1, 0, 0, CAUSE_MOV_FROM_PSR, false } },
        { VAC_A_FROM_CPUID,
          { "mov =cpuid[2]", op_m(0x17, 8, 0, 10), IC_1, 0, 2, CAUSE_MOV_FROM_CPUID, false } },
        { VAC_A_COVER, { "cover", COVER, IC_1, 0, 0, CAUSE_COVER, true } },
        { VAC_A_BSW, { "bsw.0", BSW_0, IC_1, 0, 0, CAUSE_BSW_0, true } },
        { VAC_A_BSW, { "bsw.1", BSW_1, IC_1, 0, 0, CAUSE_BSW_1, true } },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        const struct one *o = &rows[k].one;
        virtual_processor(VAC_OFFERED & ~rows[k].vac, 0);
        run_one(o);
        assert_intercept(o->name, o->cause);
        cr_assert_eq(c->vti.faults[o->cause], 1);
        cr_assert_eq(c->vti.accelerated[o->cause], 0);
        machine_end();
        virtual_processor(rows[k].vac, 0);
        run_one(o);
        assert_no_intercept(o->name);
        cr_assert_eq(c->vti.faults[o->cause], 0);
        cr_assert_eq(c->vti.accelerated[o->cause], 1);
        cr_assert_eq(c->vti.misuses, 0, "%s", notes);
        if (k + 1 < ARRAY_SIZE(rows))
            machine_end();
    }
}

Test(vti_accel, each_disable)
{
    const struct {
        uint64_t vdc;
        struct one one;
    } rows[] = {
        { VDC_D_EXTINT,
          { "mov =cr.ivr", MOV_FROM_CR(8, CR_IVR), IC_1, 0, 0, CAUSE_MOV_FROM_CR, false } },
        { VDC_D_EXTINT,
          { "mov =cr.tpr", MOV_FROM_CR(8, CR_TPR), IC_1, 0, 0, CAUSE_MOV_FROM_CR, false } },
        { VDC_D_EXTINT,
          { "mov cr.tpr", MOV_TO_CR(CR_TPR, 9), IC_1, 0x10, 0, CAUSE_MOV_TO_CR, false } },
        { VDC_D_EXTINT,
          { "mov cr.eoi", MOV_TO_CR(CR_EOI, 9), IC_1, 0, 0, CAUSE_MOV_TO_CR, false } },
        { VDC_D_EXTINT,
          { "mov =cr.irr3", MOV_FROM_CR(8, CR_IRR0 + 3), IC_1, 0, 0, CAUSE_MOV_FROM_CR, false } },
        { VDC_D_IBR_DBR, { "mov ibr", op_m(0x02, 0, 9, 10), IC_1, 0, 1, CAUSE_MOV_TO_IBR, false } },
        { VDC_D_IBR_DBR, { "mov dbr", op_m(0x01, 0, 9, 10), IC_1, 0, 1, CAUSE_MOV_TO_DBR, false } },
        { VDC_D_IBR_DBR,
          { "mov =ibr", op_m(0x12, 8, 0, 10), IC_1, 0, 1, CAUSE_MOV_FROM_IBR, false } },
        { VDC_D_IBR_DBR,
          { "mov =dbr", op_m(0x11, 8, 0, 10), IC_1, 0, 1, CAUSE_MOV_FROM_DBR, false } },
        { VDC_D_PMC, { "mov pmc", op_m(0x04, 0, 9, 10), IC_1, 0, 4, CAUSE_MOV_TO_PMC, false } },
        { VDC_D_PMC, { "mov =pmc", op_m(0x14, 8, 0, 10), IC_1, 0, 4, CAUSE_MOV_FROM_PMC, false } },
        { VDC_D_TO_PMD, { "mov pmd", op_m(0x05, 0, 9, 10), IC_1, 0, 4, CAUSE_MOV_TO_PMD, false } },
        { VDC_D_ITM, { "mov cr.itm", MOV_TO_CR(CR_ITM, 9), IC_1, 0, 0, CAUSE_MOV_TO_CR, false } },
        { VDC_D_ITM,
          { "mov =cr.itm", MOV_FROM_CR(8, CR_ITM), IC_1, 0, 0, CAUSE_MOV_FROM_CR, false } },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        const struct one *o = &rows[k].one;
        virtual_processor(0, VDC_OFFERED & ~rows[k].vdc);
        run_one(o);
        assert_intercept(o->name, o->cause);
        machine_end();
        virtual_processor(0, rows[k].vdc);
        run_one(o);
        assert_no_intercept(o->name);
        cr_assert_eq(c->vti.faults[o->cause] + c->vti.accelerated[o->cause], 0);
        if (k + 1 < ARRAY_SIZE(rows))
            machine_end();
    }
}

/* A disable gives the guest the processor's own registers. */
Test(vti_accel, disabled_registers_are_the_processors)
{
    virtual_processor(0, VDC_D_ITM | VDC_D_EXTINT | VDC_D_IBR_DBR);
    run_one(&(struct one){ "", MOV_TO_CR(CR_TPR, 9), IC_1, 0x1234000000000051, 0, 0, false });
    cr_assert_eq(c->cr[CR_TPR], 0x50);
    c->cr[CR_ITM] = 77;
    run_one(&(struct one){ "", MOV_FROM_CR(8, CR_ITM), IC_1, 0, 0, 0, false });
    cr_assert_eq(c->gr[8].v, 77);
    run_one(&(struct one){ "", op_m(0x02, 0, 9, 10), IC_1, 0x123, 3, 0, false });
    cr_assert_eq(c->ibr[3], 0x123);
}

/* d_vmsw: whatever PSR.vm is.  Without it both the monitor and the guest may. */
Test(vti_accel, vmsw)
{
    const uint64_t vmsw_1 = UINT64_C(0x19) << 27, vmsw_0 = UINT64_C(0x18) << 27;
    for (unsigned disabled = 0; disabled < 2; disabled++) {
        virtual_processor(0, disabled ? VDC_D_VMSW : 0);
        struct ipf_translation t =
            ipf_translation(PTE_P | PTE_A | PTE_AR(7), RAM_LOG2 << 2, 0, ipf_rid(c, 0));
        ipf_tlb_insert_register(c, IPF_INSTRUCTIONS, 1, &t);
        run_guest(vmsw_0, true);
        if (disabled)
            assert_intercept("vmsw.0 of the guest", CAUSE_VMSW);
        else
            cr_assert(c->ip == CODE && c->slot == 1 && !(c->psr & PSR_VM));
        set_mode(HOST_PSR);
        put_guest(CODE, BBB, vmsw_1, NOP_B, NOP_B);
        c->ip = CODE;
        c->slot = 0;
        ipf_run_until(c, c->retired + 1);
        if (disabled)
            assert_intercept("vmsw.1 of the monitor", CAUSE_VMSW);
        else
            cr_assert(c->ip == CODE && c->slot == 1 && c->psr & PSR_VM);
        if (!disabled)
            machine_end();
    }
}

/* ---- a_int ---- */

Test(vti_accel, psr_i)
{
    virtual_processor(VAC_A_INT, 0);
    run_one(&(struct one){ "", SSM(PSR_I), IC_1, 0, 0, 0, false });
    cr_assert_eq(vpd(VPD_VPSR), IC_1 | PSR_I);
    cr_assert(c->psr & PSR_I, "that of the processor stays");
    run_one(&(struct one){ "", RSM(PSR_I), IC_1 | PSR_I, 0, 0, 0, false });
    cr_assert_eq(vpd(VPD_VPSR), IC_1);
    run_one(&(struct one){ "", MOV_TO_PSR_L(9), IC_1 | PSR_I, PSR_IC, 0, 0, false });
    assert_no_intercept("mov psr.l");
    cr_assert_eq(vpd(VPD_VPSR), IC_1);
}

/* Masks and values that touch anything else go to the monitor, and nothing has changed. */
Test(vti_accel, psr_i_with_other_bits)
{
    virtual_processor(VAC_A_INT, 0);
    run_one(&(struct one){ "", SSM(PSR_I | PSR_IC), IC_1, 0, 0, 0, false });
    assert_intercept("ssm", CAUSE_SSM);
    run_one(&(struct one){ "", RSM(PSR_I | PSR_IC), IC_1 | PSR_I, 0, 0, 0, false });
    assert_intercept("rsm", CAUSE_RSM);
    cr_assert_eq(vpd(VPD_VPSR), IC_1 | PSR_I);
    run_one(&(struct one){ "", MOV_TO_PSR_L(9), IC_1, PSR_I, 0, 0, false });
    assert_intercept("mov psr.l", CAUSE_MOV_TO_PSR);
}

Test(vti_accel, task_priority)
{
    virtual_processor(VAC_A_INT, 0);
    c->cr[CR_TPR] = 0xa0;
    run_one(&(struct one){ "", MOV_TO_CR(CR_TPR, 9), IC_1, 0xffffffffffff00ff, 0, 0, false });
    cr_assert_eq(vpd(VPD_VCR + 8 * CR_TPR), 0x100f0);
    cr_assert_eq(c->cr[CR_TPR], 0xa0);
    run_one(&(struct one){ "", MOV_FROM_CR(8, CR_TPR), IC_1, 0, 0, 0, false });
    cr_assert_eq(c->gr[8].v, 0x100f0);
    run_one(&(struct one){ "", MOV_TO_CR(CR_TPR, 9), IC_1, 0x100, 0, 0, false });
    cr_assert_eq(c->ip, ivt_of(0) + 0x5400, "reserved bits fault first");
    run_one(&(struct one){ "", MOV_FROM_CR(8, CR_IVR), IC_1, 0, 0, 0, false });
    assert_intercept("IVR", CAUSE_MOV_FROM_CR);
}

static void assert_interrupted(uint64_t ip, unsigned slot, const char *how)
{
    cr_assert_eq(c->ip, ivt_of(0) + 0x3400, "%s: at %#lx", how, c->ip);
    cr_assert_eq(c->cr[CR_IIP], ip, "%s", how);
    cr_assert_eq(c->cr[CR_IPSR], GUEST_PSR | (uint64_t)slot << PSR_RI_SHIFT, "%s", how);
    cr_assert_eq(c->cr[CR_ISR], (uint64_t)slot << ISR_EI_SHIFT, "%s", how);
    cr_assert_eq(c->psr & (PSR_VM | PSR_BN | PSR_IC | PSR_I), 0, "%s", how);
}
static void pend(uint64_t vhpi)
{
    set_vpd(VPD_VHPI, vhpi);
    vps(PAL_VPS_SET_PENDING_INTERRUPT, vpd_at(0), 0, 0);
}

Test(vti_accel, interrupt_when_unmasked)
{
    virtual_processor(VAC_A_INT, 0);
    pend(5);
    run_one(&(struct one){ "", SSM(PSR_I), IC_1, 0, 0, 0, false });
    assert_interrupted(CODE, 1, "ssm");
    cr_assert_eq(vpd(VPD_VPSR), IC_1 | PSR_I);
    set_vpd(VPD_VCR + 8 * CR_TPR, 0x50);
    run_one(&(struct one){ "", MOV_TO_CR(CR_TPR, 9), IC_1 | PSR_I, 0x40, 0, 0, false });
    assert_interrupted(CODE, 1, "mov cr.tpr");
    run_one(&(struct one){ "", NOP_M, IC_1 | PSR_I, 0, 0, 0, false });
    assert_interrupted(CODE, 0, "resume");
    cr_assert_eq(c->vti.interrupts, 3);
    cr_assert_eq(c->vti.misuses, 0, "%s", notes);
    run_one(&(struct one){ "", NOP_M, IC_1, 0, 0, 0, false });
    assert_no_intercept("vpsr.i = 0");
}

/* Class against vtpr.mic, ExtINT and NMI against vtpr.mmi. */
Test(vti_accel, interrupt_priorities)
{
    static const struct {
        uint64_t vhpi, vtpr;
        bool due;
    } rows[] = {
        { 0, 0, false },        { 1, 0, true },     { 5, 0x50, false },     { 6, 0x50, true },
        { 15, 0xf0, false },    { 15, 0xe0, true }, { 15, 0x10000, false }, { 16, 0xf0, true },
        { 16, 0x10000, false }, { 32, 0xf0, true }, { 32, 0x100f0, true },
    };
    virtual_processor(VAC_A_INT, 0);
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        pend(rows[k].vhpi);
        set_vpd(VPD_VCR + 8 * CR_TPR, rows[k].vtpr);
        c->cr[CR_IIPA] = 0x1230;
        c->last_ip = HOST + RETURN;
        run_one(&(struct one){ "", NOP_M, IC_1 | PSR_I, 0, 0, 0, false });
        if (rows[k].due)
            assert_interrupted(CODE, 0, "resume");
        else
            assert_no_intercept("masked");
        cr_assert_eq(c->cr[CR_IIPA], 0x1230, "the guest executed no bundle before it");
    }
}

/* A monitor that resumes itself by mistake is not interrupted. */
Test(vti_accel, no_interrupt_with_psr_vm_0)
{
    virtual_processor(VAC_A_INT, 0);
    pend(32);
    set_vpd(VPD_VPSR, IC_1 | PSR_I);
    put_guest(CODE, MII, NOP_M, NOP_I, NOP_I);
    resume_at(HOST + CODE, GUEST_PSR & ~PSR_VM);
    cr_assert_eq(c->ip, HOST + CODE);
}

Test(vti_accel, no_interrupt_without_a_int)
{
    virtual_processor(VAC_OFFERED & ~VAC_A_INT, 0);
    pend(32);
    run_one(&(struct one){ "", NOP_M, IC_1 | PSR_I, 0, 0, 0, false });
    assert_no_intercept("a_int = 0");
}

/* ---- interruption registers ---- */

Test(vti_accel, interruption_registers)
{
    virtual_processor(VAC_A_FROM_INT_CR | VAC_A_TO_INT_CR, 0);
    for (unsigned n = CR_IPSR; n <= CR_IHA; n++) {
        if (n == 18)
            continue;
        uint64_t host = c->cr[n];
        run_one(&(struct one){ "", MOV_TO_CR(n, 9), IC_0, 0x2000, 0, 0, false });
        assert_no_intercept("write");
        cr_assert_eq(vpd(VPD_VCR + 8 * n), 0x2000, "cr%u", n);
        if (n > CR_IIP && n != CR_IFS)
            cr_assert_eq(c->cr[n], host, "cr%u", n);
        set_vpd(VPD_VCR + 8 * n, 0x1000 + n);
        run_one(&(struct one){ "", MOV_FROM_CR(8, n), IC_0, 0, 0, 0, false });
        assert_no_intercept("read");
        cr_assert_eq(c->gr[8].v, 0x1000 + n);
        run_one(&(struct one){ "", MOV_FROM_CR(8, n), IC_1, 0, 0, 0, false });
        assert_intercept("vpsr.ic = 1", CAUSE_MOV_FROM_CR);
        run_one(&(struct one){ "", MOV_TO_CR(n, 9), IC_1, 0, 0, 0, false });
        assert_intercept("vpsr.ic = 1", CAUSE_MOV_TO_CR);
        cr_assert_eq(vpd(VPD_VCR + 8 * n), 0x1000 + n);
    }
    run_one(&(struct one){ "", MOV_TO_CR(CR_ISR, 9), IC_0, BIT(63), 0, 0, false });
    cr_assert_eq(c->ip, ivt_of(0) + 0x5400, "a reserved bit");
    run_one(&(struct one){ "", MOV_FROM_CR(8, CR_DCR), IC_0, 0, 0, 0, false });
    assert_intercept("DCR", CAUSE_MOV_FROM_CR);
}

/* ---- psr, cpuid, cover, bsw ---- */

Test(vti_accel, psr)
{
    virtual_processor(VAC_A_FROM_PSR, 0);
    uint64_t vpsr = IC_0 | PSR_DFH | PSR_PP | PSR_MC | PSR_IT | PSR_DD | PSR_CPL;
    run_one(&(struct one){ "", MOV_FROM_PSR(8), vpsr, 0, 0, 0, false });
    cr_assert_eq(c->gr[8].v, PSR_DFH | PSR_PP | PSR_MC | PSR_IT);
}

Test(vti_accel, cpuid)
{
    virtual_processor(VAC_A_FROM_CPUID, 0);
    for (uint64_t n = 0; n < 5; n++) {
        set_vpd(VPD_VCPUID + 8 * (unsigned)n, 0x1111 * n);
        run_one(&(struct one){ "", op_m(0x17, 8, 0, 10), IC_1, 0, 0xabc00 | n, 0, false });
        cr_assert_eq(c->gr[8].v, 0x1111 * n);
    }
    run_one(&(struct one){ "", op_m(0x17, 8, 0, 10), IC_1, 0, 5, 0, false });
    cr_assert_eq(c->ip, ivt_of(0) + 0x5400, "there is no cpuid[5]");
}

Test(vti_accel, cover)
{
    virtual_processor(VAC_A_COVER, 0);
    for (unsigned ic = 0; ic < 2; ic++) {
        uint64_t bsp = c->bsp, ifs = 0xbad;
        set_vpd(VPD_VCR + 8 * CR_IFS, ifs);
        set_vpd(VPD_VPSR, ic ? IC_1 : IC_0);
        put_guest(CODE, BBB, COVER, NOP_B, NOP_B);
        resume_at(CODE, GUEST_PSR);
        c->cfm = (struct ipf_cfm){ .sof = 10, .sol = 3 };
        ipf_run_until(c, c->retired + 1);
        assert_no_intercept("cover");
        cr_assert_eq(c->cfm.sof, 0);
        cr_assert_eq(c->bsp, bsp + 80);
        cr_assert_eq(vpd(VPD_VCR + 8 * CR_IFS), ic ? ifs : BIT(63) | 3 << 7 | 10);
    }
}

Test(vti_accel, banks)
{
    virtual_processor(VAC_A_BSW, 0);
    set_vpd(VPD_VNAT, 0xdead0000);
    set_vpd(VPD_VBNAT, UINT64_C(0x80000000) | 0xbeef);
    for (unsigned k = 0; k < 16; k++)
        set_vpd(VPD_VBGR + 8 * k, 0xb0 + k);
    put_guest(CODE, BBB, BSW_0, BSW_0, BSW_1);
    resume_at(CODE, GUEST_PSR);
    for (unsigned k = 0; k < 16; k++)
        c->gr[16 + k] = (struct ipf_gr){ 0xa0 + k, k == 2 };
    ipf_run_until(c, c->retired + 2); /* the second changes nothing */
    cr_assert_eq(vpd(VPD_VPSR), PSR_IC);
    cr_assert(c->psr & PSR_BN, "the processor's own bank stays");
    cr_assert_eq(vpd(VPD_VNAT), 0xdead0004);
    for (unsigned k = 0; k < 16; k++) {
        cr_assert_eq(c->gr[16 + k].v, 0xb0 + k);
        cr_assert_eq(c->gr[16 + k].nat, k == 15);
        cr_assert_eq(vpd(VPD_VGR + 8 * k), 0xa0 + k);
    }
    c->gr[16] = (struct ipf_gr){ 0xc0, 1 };
    ipf_run_until(c, c->retired + 1);
    cr_assert_eq(vpd(VPD_VPSR), PSR_IC | PSR_BN);
    cr_assert_eq(vpd(VPD_VBGR), 0xc0);
    cr_assert_eq(vpd(VPD_VBNAT), UINT64_C(0x80010000) | 0xbeef);
    cr_assert(c->gr[18].v == 0xa2 && c->gr[18].nat == 1 && c->gr[31].v == 0xaf);
}

/* ---- together ---- */

/* As Xen and KVM set them: everything but what must be intercepted goes on. */
Test(vti_accel, all)
{
    virtual_processor(VAC_OFFERED, VDC_D_VMSW);
    set_vpd(VPD_VCR + 8 * CR_IIP, 0x4321);
    run_one(&(struct one){ "", MOV_FROM_CR(8, CR_IIP), IC_0, 0, 0, 0, false });
    cr_assert_eq(c->gr[8].v, 0x4321);
    run_one(&(struct one){ "", BSW_0, IC_1, 0, 0, 0, true });
    assert_no_intercept("bsw.0");
    c->cr[CR_ITIR] = 12 << 2; /* as the monitor's last interruption left it */
    run_one(&(struct one){ "", ITC_D(9), IC_0, PTE_RW, 0, 0, false });
    assert_intercept("itc.d", CAUSE_ITC_D);
    cr_assert_eq(c->gr[25].v, ITC_D(9) | BIT(62));
    run_one(&(struct one){ "", RFI, IC_0, 0, 0, 0, true });
    assert_intercept("rfi", CAUSE_RFI);
    cr_assert_eq(c->gr[25].v, RFI | BIT(63));
    cr_assert_eq(c->vti.misuses, 0, "%s", notes);
}

/* The descriptor may be big endian. */
Test(vti_accel, big_endian)
{
    machine_new("itanium2");
    cr_assert_eq(pal(268, XEN_OPTIONS | 4, BUFFER, HOST + BUFFER), 0);
    set_vpd(VPD_VAC, __builtin_bswap64(VAC_A_FROM_PSR));
    set_vpd(VPD_VIRT_ENV_VADDR, __builtin_bswap64(HOST + BUFFER));
    cr_assert_eq(pal(265, vpd_at(0), ivt_of(0), 0), 0);
    cr_assert_eq(pal(270, vpd_at(0), 0, 0), 0);
    set_vpd(VPD_VPSR, __builtin_bswap64(PSR_DFH | PSR_IC));
    put_guest(CODE, MII, MOV_FROM_PSR(8), NOP_I, NOP_I);
    set_mode(HANDLER_PSR);
    c->cr[CR_IPSR] = GUEST_PSR;
    c->cr[CR_IIP] = CODE;
    enter(PAL_VPS_RESUME_NORMAL, 0, vpd_at(0), 0, 0);
    ipf_run_until(c, c->retired + 1);
    cr_assert_eq(c->gr[8].v, PSR_DFH | PSR_IC);
}
