// SPDX-License-Identifier: Apache-2.0
// What VT-i does here where the manual could not be consulted, or says what its users contradict:
// one test for each such decision, so that it can be found and changed.
#include "vti_guest.h"

TestSuite(vti_assumptions, .fini = machine_end);

enum { TARGET = 8, SOURCE = 9, INDEX = 10 };

/* The operations of mov cr, itc and itr check PSR.ic first.  Xen and KVM run their guests with
 * PSR.ic = 1 while vpsr.ic is 0, and emulate these instructions: they get the intercept. */
Test(vti_assumptions, psr_ic_does_not_make_a_guests_instruction_illegal)
{
    const uint64_t slots[] = { ITC_D(SOURCE),
                               ITC_I(SOURCE),
                               ITR_D(INDEX, SOURCE),
                               ITR_I(INDEX, SOURCE),
                               MOV_TO_CR(CR_IFA, SOURCE),
                               MOV_FROM_CR(TARGET, CR_IPSR) };
    virtual_processor(0, 0);
    c->cr[CR_ITIR] = 12 << 2;
    for (unsigned k = 0; k < ARRAY_SIZE(slots); k++) {
        c->gr[SOURCE] = c->gr[INDEX] = (struct ipf_gr){ 0, 0 };
        run_guest(slots[k], false);
        cr_assert_eq(c->ip, ivt_of(0) + 0x6100, "%u: at %#lx", k, c->ip);
    }
}

/* The address of an insert is checked when CR.IFA is written ("impl_check_mov_ifa"), for CR.IFA
 * often holds the monitor's own when its guest executes itc. */
Test(vti_assumptions, insert_of_a_guest_does_not_look_at_cr_ifa)
{
    virtual_processor(0, 0);
    c->cr[CR_ITIR] = 12 << 2;
    c->cr[CR_IFA] = HOST;
    c->gr[SOURCE] = (struct ipf_gr){ 0, 0 };
    run_guest(ITC_D(SOURCE), false);
    assert_intercept("itc.d", CAUSE_ITC_D);
}

/* The VHPT walker reads the monitor's table while the guest runs, though its address is hidden from
 * the guest: Xen's stands there. */
Test(vti_assumptions, vhpt_walker_reads_what_is_hidden_from_the_guest)
{
    enum { TABLE_PA = 0x700000, LONG = 1 << 8, WALK = 1, SIZE = 15 << 2 };
    const uint64_t va = UINT64_C(0x2000000000004000);
    virtual_processor(0, 0);
    c->rr[1] = 5 << 8 | 12 << 2 | WALK;
    c->cr[CR_PTA] = (HOST + TABLE_PA) | LONG | SIZE | WALK;
    uint64_t entry = ipf_thash(c, va) - HOST;
    mem_write_le(mem, entry, 8, PTE_RW | DATA);
    mem_write_le(mem, entry + 8, 8, 12 << 2);
    mem_write_le(mem, entry + 16, 8, ipf_ttag(c, va));
    mem_write_le(mem, DATA, 8, 0x7777);
    c->gr[INDEX] = (struct ipf_gr){ va, 0 };
    run_guest(LD8(TARGET, INDEX), false);
    assert_no_intercept("ld8");
    cr_assert_eq(c->gr[TARGET].v, 0x7777);
}

/* tpa looks at its address behind the Virtualization fault, as the operation of tak has it: the
 * monitor raises the fault for an unimplemented one. */
Test(vti_assumptions, tpa_of_a_hidden_address_is_an_intercept)
{
    virtual_processor(0, 0);
    c->gr[INDEX] = (struct ipf_gr){ HOST, 0 };
    run_guest(TPA(TARGET, INDEX), false);
    assert_intercept("tpa", CAUSE_TPA);
}

/* GR25 marks the unit in its uppermost bits: b is bit 63, m bit 62. */
Test(vti_assumptions, opcode_flags)
{
    virtual_processor(0, 0);
    run_guest(COVER, true);
    cr_assert_eq(c->gr[25].v >> 41, UINT64_C(1) << 22);
    run_guest(MOV_FROM_PSR(TARGET), false);
    cr_assert_eq(c->gr[25].v >> 41, UINT64_C(1) << 21);
}

/* ISR of a Virtualization fault: the code is 0, and no bit for an access is set. */
Test(vti_assumptions, isr)
{
    virtual_processor(0, 0);
    run_guest(TPA(TARGET, INDEX), false);
    cr_assert_eq(c->cr[CR_ISR], 0);
}

/* a_from_psr shows the user mask of the processor, which the guest changes without an intercept. */
Test(vti_assumptions, mov_from_psr_merges_the_user_mask)
{
    virtual_processor(VAC_A_FROM_PSR, 0);
    put_guest(CODE, MMI, MASK(4u, PSR_AC), MOV_FROM_PSR(TARGET), NOP_I);
    set_vpd(VPD_VPSR, PSR_IC | PSR_BN | PSR_UP);
    resume_at(CODE, GUEST_PSR);
    ipf_run_until(c, c->retired + 2);
    cr_assert_eq(c->gr[TARGET].v, PSR_IC | PSR_AC);
}

/* ssm and rsm with a mask that has more than psr.i go to the monitor as a whole. */
Test(vti_assumptions, a_int_takes_masks_of_psr_i_alone)
{
    virtual_processor(VAC_A_INT, 0);
    run_guest(RSM(PSR_I | PSR_PP), false);
    assert_intercept("rsm", CAUSE_RSM);
}

/* vhpi 32 is not masked by vtpr, 16 by vtpr.mmi only, and nothing depends on vpsr.ic. */
Test(vti_assumptions, virtual_interrupts_do_not_wait_for_vpsr_ic)
{
    virtual_processor(VAC_A_INT, 0);
    set_vpd(VPD_VHPI, 1);
    vps(PAL_VPS_SET_PENDING_INTERRUPT, vpd_at(0), 0, 0);
    set_vpd(VPD_VPSR, PSR_BN | PSR_I);
    run_guest(NOP_M, false);
    cr_assert_eq(c->ip, ivt_of(0) + 0x3400);
}

/* d_itm leaves CR.ITV to the guest as it does CR.ITM. */
Test(vti_assumptions, d_itm_covers_itv)
{
    virtual_processor(0, VDC_D_ITM);
    run_guest(MOV_FROM_CR(TARGET, CR_ITV), false);
    assert_no_intercept("mov =cr.itv");
    c->gr[SOURCE] = (struct ipf_gr){ 0x10040, 0 };
    run_guest(MOV_TO_CR(CR_ITV, SOURCE), false);
    assert_no_intercept("mov cr.itv");
    cr_assert_eq(c->cr[CR_ITV], 0x10040);
}

/* mov from cpuid is virtualized at every level; cover at level 0 only. */
Test(vti_assumptions, levels)
{
    virtual_processor(0, 0);
    c->gr[INDEX] = (struct ipf_gr){ 0, 0 };
    put_guest(CODE, MIB, op_m(0x17, TARGET, 0, INDEX), NOP_I, COVER);
    resume_at(CODE, GUEST_PSR | PSR_CPL);
    ipf_run_until(c, c->retired + 1);
    assert_intercept("cpuid", CAUSE_MOV_FROM_CPUID);
    resume_at(CODE, GUEST_PSR | PSR_CPL | UINT64_C(2) << PSR_RI_SHIFT);
    ipf_run_until(c, c->retired + 1);
    cr_assert_eq(c->ip, CODE + 16);
}

/* The features can be switched off by PAL_PROC_SET_FEATURES; PSR.vm stays 0 then. */
Test(vti_assumptions, disabled_features_keep_psr_vm_0)
{
    machine_new("itanium2");
    cr_assert_eq(pal(18, 0, 0, 0), 0);
    set_mode(HANDLER_PSR);
    put_guest(CODE, BBB, RFI, NOP_B, NOP_B);
    c->cr[CR_IPSR] = GUEST_PSR;
    c->cr[CR_IIP] = CODE + 16;
    c->cr[CR_IFS] = 0;
    c->ip = CODE;
    c->slot = 0;
    ipf_run_until(c, c->retired + 1);
    cr_assert_eq(c->ip, CODE + 16);
    cr_assert_eq(c->psr, GUEST_PSR & ~PSR_VM);
}

/* Without the feature PSR.vm is a reserved bit, in CR.IPSR, too. */
Test(vti_assumptions, psr_vm_is_reserved_without_the_feature)
{
    for (unsigned has = 0; has < 2; has++) {
        machine_new(has ? "itanium2" : "itanium2,-vti");
        set_mode(HANDLER_PSR);
        put_guest(CODE, MII, MOV_TO_CR(CR_IPSR, SOURCE), NOP_I, NOP_I);
        c->gr[SOURCE] = (struct ipf_gr){ GUEST_PSR, 0 };
        c->ip = CODE;
        c->slot = 0;
        ipf_run_until(c, c->retired + 1);
        if (has)
            cr_assert(c->ip == CODE && c->slot == 1);
        else
            cr_assert_eq(c->ip, c->cr[CR_IVA] + 0x5400);
        if (!has)
            machine_end();
    }
}

/* config_options.be is bit 2; vac bits 7 and 8, vdc bit 6 are those of optional features, which are
 * not offered; neither is gitc (bit 10 of config_options). */
Test(vti_assumptions, numbers_of_optional_features)
{
    machine_new("itanium2");
    cr_assert_eq(VAC_A_TF, 1 << 7);
    cr_assert_eq(VAC_A_IC_UM, 1 << 8);
    cr_assert_eq(VDC_D_PSR_I, 1 << 6);
    cr_assert_eq(VAC_OFFERED, 0x7f);
    cr_assert_eq(VDC_OFFERED, 0x3f);
    cr_assert_eq(pal(268, XEN_OPTIONS | BIT(10), BUFFER, HOST + BUFFER), (uint64_t)-2);
    cr_assert_eq(pal(268, XEN_OPTIONS | BIT(2), BUFFER, HOST + BUFFER), 0);
}

/* Statuses that the manual leaves open: -3 for what comes at the wrong time. */
Test(vti_assumptions, statuses)
{
    machine_new("itanium2");
    cr_assert_eq(create(0, 0, 0), (uint64_t)-3, "before PAL_VP_INIT_ENV");
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(init_env(), (uint64_t)-3, "a second time");
    cr_assert_eq(pal(270, vpd_at(0), 0, 0), (uint64_t)-2, "never created");
}

/* A descriptor that is not mapped for a procedure faults as any data of the monitor's would. */
Test(vti_assumptions, unmapped_descriptor_faults)
{
    machine_new("itanium2");
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(pal(265, HOST + 0x2000000, ivt_of(0), 0), TOOK_FAULT);
    cr_assert_eq(c->cr[CR_IFA], HOST + 0x2000000);
    assert_noted("misuse: 0xf000000002000000 is not mapped for PAL");
}
