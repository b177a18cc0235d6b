// SPDX-License-Identifier: Apache-2.0
// Virtual processors that run: the hand-off of intercepts, PAL's virtualization services, what is
// called misuse, and virtual processors that move between logical ones.
#include "vti_guest.h"

static void setup(void) { machine_of("itanium2", 2); }
TestSuite(vti_vps, .init = setup, .fini = machine_end);

enum { INIT_ENV = 268, RESTORE = 270, SAVE, TERMINATE };
#define ERROR ((uint64_t)-3)
#define RESUMED_ALL (VAC_A_INT | VAC_A_BSW)

/* ---- the hand-off of an intercept ---- */

static void one_processor(uint64_t vac, uint64_t vdc)
{
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(create(0, vac, vdc), 0);
    cr_assert_eq(pal(RESTORE, vpd_at(0), 0, 0), 0);
}

/* Bank 0's GR16 to GR23 are the monitor's, everything else the guest's. */
Test(vti_vps, handoff_state)
{
    one_processor(0, 0);
    put_guest(CODE, MII, MOV_TO_PSR_L(9), NOP_I, NOP_I);
    resume_at(CODE, GUEST_PSR);
    cr_assert_eq(c->br[0], GUEST_B0);
    cr_assert_eq(c->psr, GUEST_PSR);
    for (unsigned k = 0; k < 16; k++)
        c->bank[k] = (struct ipf_gr){ 0x700 + k, 0 };
    for (unsigned k = 16; k < 32; k++)
        c->gr[k] = (struct ipf_gr){ 0x100 + k, k & 1 };
    c->gr[9] = (struct ipf_gr){ 0x2000, 0 };
    c->pr = 0x1235;
    ipf_run_until(c, c->retired + 1);
    assert_intercept("mov psr.l", CAUSE_MOV_TO_PSR);
    cr_assert_eq(c->gr[25].v, MOV_TO_PSR_L(9) | BIT(62));
    cr_assert_eq(c->cr[CR_IPSR], GUEST_PSR);
    cr_assert_eq(c->cr[CR_IIP], CODE);
    cr_assert_eq(c->cr[CR_ISR], 0);
    cr_assert_eq(c->psr, HANDLER_PSR);
    cr_assert_eq(c->pr, 0x1235);
    cr_assert_eq(c->br[0], GUEST_B0);
    for (unsigned k = 16; k < 24; k++)
        cr_assert_eq(c->gr[k].v, 0x700 + k - 16, "r%u of bank 0", k);
    for (unsigned k = 16; k < 32; k++)
        cr_assert(c->bank[k - 16].v == 0x100 + k && c->bank[k - 16].nat == (k & 1), "r%u", k);
    cr_assert_eq(c->vti.misuses, 0, "%s", notes);
}

Test(vti_vps, handoff_of_each_slot)
{
    one_processor(0, 0);
    put_guest(CODE, BBB, NOP_B, NOP_B, COVER);
    resume_at(CODE, GUEST_PSR | UINT64_C(2) << PSR_RI_SHIFT);
    ipf_run_until(c, c->retired + 1);
    assert_intercept("cover", CAUSE_COVER);
    cr_assert_eq(c->gr[25].v, COVER | BIT(63));
    cr_assert_eq(c->cr[CR_ISR], UINT64_C(2) << ISR_EI_SHIFT);
    put_guest(CODE, MMI, NOP_M, THASH(8, 9), NOP_I);
    resume_at(CODE, GUEST_PSR | UINT64_C(1) << PSR_RI_SHIFT);
    ipf_run_until(c, c->retired + 1);
    assert_intercept("thash", CAUSE_THASH);
    cr_assert_eq(c->gr[25].v, THASH(8, 9) | BIT(62));
}

/* In the middle of a block, too. */
Test(vti_vps, handoff_inside_a_block)
{
    one_processor(0, 0);
    put_guest(CODE, MMI, NOP_M, NOP_M, NOP_I);
    put_guest(CODE + 16, MMI, NOP_M, MOV_FROM_PSR(8), NOP_I);
    resume_at(CODE, GUEST_PSR);
    ipf_run_until(c, c->retired + 5);
    assert_intercept("mov psr", CAUSE_MOV_FROM_PSR);
    cr_assert_eq(c->cr[CR_IIP], CODE + 16);
    cr_assert_eq(c->gr[25].v, MOV_FROM_PSR(8) | BIT(62));
}

Test(vti_vps, handoff_without_cause)
{
    cr_assert_eq(pal(INIT_ENV, XEN_OPTIONS & ~BIT(9), BUFFER, HOST + BUFFER), 0);
    cr_assert_eq(create(0, 0, 0), 0);
    cr_assert_eq(pal(RESTORE, vpd_at(0), 0, 0), 0);
    run_guest(MOV_FROM_PSR(8), false);
    cr_assert_eq(c->ip, ivt_of(0) + 0x6100);
    cr_assert_eq(c->gr[24].v, GUEST_B0, "as the monitor left it");
    cr_assert_eq(c->gr[25].v, MOV_FROM_PSR(8) | BIT(62));
}

/* Where CR.IVA is another's there is no PAL in front of the Virtualization vector. */
Test(vti_vps, another_iva_gets_the_fault_itself)
{
    one_processor(VAC_OFFERED, 0);
    c->cr[CR_IVA] = ivt_of(1);
    run_guest(MOV_FROM_PSR(8), false);
    cr_assert_eq(c->ip, ivt_of(1) + 0x6100);
    cr_assert_eq(c->gr[25].v, vpd_at(0));
    assert_noted("with CR.IVA = 0xf000000000608000, which is not the virtual processor's");
    cr_assert_eq(pal(SAVE, vpd_at(0), 0, 0), 0);
    run_guest(MOV_FROM_PSR(8), false);
    cr_assert_eq(c->ip, ivt_of(1) + 0x6100);
    cr_assert_eq(c->vti.accelerated[CAUSE_MOV_FROM_PSR], 0);
}

/* ---- services ---- */

Test(vti_vps, services_stand_at_their_offsets)
{
    one_processor(0, 0);
    static const unsigned offsets[] = { 0,      0x400,  0x800,  0xc00, 0x1000,
                                        0x1400, 0x1800, 0x1c00, 0x2000 };
    for (unsigned k = 0; k < ARRAY_SIZE(offsets); k++)
        cr_assert_neq(mem_read_le(mem, BUFFER + offsets[k], 8), 0);
}

Test(vti_vps, services_that_return)
{
    one_processor(VAC_OFFERED, VDC_D_VMSW);
    for (unsigned bank1 = 0; bank1 < 2; bank1++)
        for (unsigned s = PAL_VPS_SYNC_READ; s <= PAL_VPS_SET_PENDING_INTERRUPT; s += 0x400) {
            set_mode(HANDLER_PSR | (bank1 ? PSR_BN : 0));
            c->pr = 0xabcd;
            c->gr[21].v = 0xc0de;
            enter(s, HOST + RETURN + 8, vpd_at(0), 0, 0);
            cr_assert_eq(c->ip, HOST + RETURN);
            cr_assert_eq(c->slot, 0);
            cr_assert_eq(c->pr, 0xabcd);
            cr_assert_eq(c->gr[21].v, 0xc0de);
            cr_assert_eq(c->psr, HANDLER_PSR | (bank1 ? PSR_BN : 0));
        }
    cr_assert_eq(c->vti.misuses, 0, "%s", notes);
    cr_assert_eq(c->vti.calls[CALL_PAL_VPS_SYNC_READ], 2);
}

Test(vti_vps, hash_services_are_thash_and_ttag)
{
    one_processor(0, 0);
    static const uint64_t ptas[] = { UINT64_C(0x2000000000000000) | 20 << 2,
                                     UINT64_C(0xf400000000000000) | 1 << 8 | 16 << 2 };
    for (unsigned k = 0; k < 2; k++) {
        const uint64_t rr = 0x1234 << 8 | 14 << 2, va = UINT64_C(0x2000000012345678);
        uint64_t hash = vps(PAL_VPS_THASH, va, rr, ptas[k]), tag = vps(PAL_VPS_TTAG, va, rr, 0);
        c->rr[1] = rr;
        c->cr[CR_PTA] = ptas[k];
        c->gr[9].v = va;
        for (unsigned n = 0; n < 2; n++) {
            set_mode(HOST_PSR);
            put_guest(CODE, MII, n ? TTAG(8, 9) : THASH(8, 9), NOP_I, NOP_I);
            c->ip = CODE;
            c->slot = 0;
            ipf_run_until(c, c->retired + 1);
            cr_assert_eq(c->gr[8].v, n ? tag : hash);
        }
    }
}

Test(vti_vps, restore_and_save_services)
{
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(create(0, 0, 0), 0);
    for (unsigned skip = 0; skip < 2; skip++) {
        c->cr[CR_IVA] = 0;
        vps(PAL_VPS_RESTORE, vpd_at(0), skip, 0);
        cr_assert_eq(c->cr[CR_IVA], ivt_of(0));
        run_guest(MOV_FROM_PSR(8), false);
        assert_intercept("restored", CAUSE_MOV_FROM_PSR);
        vps(PAL_VPS_SAVE, vpd_at(0), skip, 0);
        cr_assert_null(c->vti.vp);
    }
    cr_assert_eq(c->vti.misuses, 0, "%s", notes);
}

/* Without the implicit synchronization PAL knows vhpi as it was. */
Test(vti_vps, restore_synchronizes)
{
    one_processor(VAC_A_INT, 0);
    for (unsigned skip = 0; skip < 2; skip++) {
        vps(PAL_VPS_SAVE, vpd_at(0), 0, 0);
        set_vpd(VPD_VHPI, 3 + skip);
        vps(PAL_VPS_RESTORE, vpd_at(0), skip, 0);
        run_guest(NOP_M, false);
        cr_assert_eq(c->vti.misuses, skip, "%s", notes);
    }
    assert_noted("vhpi changed without PAL_VPS_SET_PENDING_INTERRUPT");
}

Test(vti_vps, services_of_others)
{
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(create(0, 0, 0), 0);
    vps(PAL_VPS_SYNC_READ, vpd_at(0), 0, 0);
    assert_noted("PAL_VPS_SYNC_READ of VPD 0xf000000000080000, which is not restored here");
    vps(PAL_VPS_SAVE, vpd_at(0), 0, 0);
    assert_noted("PAL_VPS_SAVE of VPD 0xf000000000080000, which is not restored here");
    vps(PAL_VPS_RESTORE, vpd_at(1), 0, 0);
    assert_noted("PAL_VPS_RESTORE of VPD 0xf000000000090000, which was never created");
    cr_assert_null(c->vti.vp);
    set_mode(HANDLER_PSR);
    enter(PAL_VPS_RESTORE, HOST + RETURN, HOST + UNMAPPED, 0, 0);
    cr_assert_eq(c->ip, c->cr[CR_IVA] + 0x1400, "Data Nested TLB: PSR.ic is 0");
    assert_noted("PAL_VPS_RESTORE of VPD 0xf000000002000000, which is not mapped");
    cr_assert_eq(c->vti.misuses, 4);
}

/* A program at level 3 gets a break. */
Test(vti_vps, services_are_the_monitors)
{
    one_processor(0, 0);
    set_mode(HOST_PSR | PSR_CPL);
    enter(PAL_VPS_SAVE, HOST + RETURN, vpd_at(0), 0, 0);
    cr_assert_eq(c->ip, ivt_of(0) + 0x2c00);
    cr_assert_not_null(c->vti.vp);
}

Test(vti_vps, resume_restores_what_rfi_does)
{
    one_processor(0, 0);
    put_guest(CODE, MII, NOP_M, NOP_I, NOP_I);
    set_mode(HANDLER_PSR);
    c->cfm = (struct ipf_cfm){ 0 };
    c->dirty = 20;
    c->bsp = rse_skip(c->bspstore, 20);
    c->cr[CR_IPSR] = GUEST_PSR | PSR_AC | UINT64_C(2) << PSR_RI_SHIFT;
    c->cr[CR_IIP] = CODE;
    c->cr[CR_IFS] = BIT(63) | 4 << 7 | 12;
    c->bank[3].v = 0x1919;
    enter(PAL_VPS_RESUME_NORMAL, GUEST_B0, vpd_at(0), 0, 0);
    cr_assert_eq(c->psr, GUEST_PSR | PSR_AC);
    cr_assert(c->ip == CODE && c->slot == 2);
    cr_assert(c->cfm.sof == 12 && c->cfm.sol == 4);
    cr_assert_eq(c->bsp, rse_skip(c->bspstore, 8));
    cr_assert_eq(c->gr[19].v, 0x1919, "bank 1");
    cr_assert_eq(c->br[0], GUEST_B0);
    cr_assert_eq(c->vti.misuses, 0, "%s", notes);
}

/* ---- misuse ---- */

static void resume_with(uint64_t psr, enum ipf_vps service, uint64_t vac, uint64_t ipsr)
{
    put_guest(CODE, MII, NOP_M, NOP_I, NOP_I);
    *notes = 0;
    set_mode(psr);
    c->cr[CR_IPSR] = ipsr;
    c->cr[CR_IIP] = CODE;
    c->cr[CR_IFS] = BIT(63);
    enter(service, 0, vpd_at(0), vac, 0);
}

Test(vti_vps, misuse_of_resume)
{
    one_processor(RESUMED_ALL, 0);
    resume_with(HANDLER_PSR, PAL_VPS_RESUME_NORMAL, 0, GUEST_PSR);
    cr_assert_eq(c->vti.misuses, 0, "%s", notes);
    resume_with(HANDLER_PSR, PAL_VPS_RESUME_HANDLER, RESUMED_ALL, GUEST_PSR);
    assert_noted("misuse: PAL_VPS_RESUME_HANDLER with vpsr.ic = 1");
    resume_with(HANDLER_PSR, PAL_VPS_RESUME_NORMAL, 0, GUEST_PSR & ~PSR_VM);
    assert_noted("misuse: PAL_VPS_RESUME_NORMAL with IPSR = ");
    cr_assert_eq(c->vti.misuses, 2);
    set_vpd(VPD_VPSR, PSR_BN);
    resume_with(HANDLER_PSR, PAL_VPS_RESUME_NORMAL, 0, GUEST_PSR);
    assert_noted("misuse: PAL_VPS_RESUME_NORMAL with vpsr.ic = 0");
    resume_with(HANDLER_PSR, PAL_VPS_RESUME_HANDLER, RESUMED_ALL | BIT(63), GUEST_PSR);
    cr_assert_eq(c->vti.misuses, 3, "bit 63 is the frame's: %s", notes);
    resume_with(HANDLER_PSR, PAL_VPS_RESUME_HANDLER, VAC_A_INT, GUEST_PSR);
    assert_noted("misuse: PAL_VPS_RESUME_HANDLER with a VAC copy that differs from the VPD's");
    set_vpd(VPD_VHPI, 7);
    resume_with(HANDLER_PSR, PAL_VPS_RESUME_HANDLER, RESUMED_ALL, GUEST_PSR);
    assert_noted("vhpi changed without PAL_VPS_SET_PENDING_INTERRUPT");
    vps(PAL_VPS_SET_PENDING_INTERRUPT, vpd_at(0), 0, 0);
    set_vpd(VPD_VDC, VDC_D_PMC);
    resume_with(HANDLER_PSR, PAL_VPS_RESUME_HANDLER, RESUMED_ALL, GUEST_PSR);
    assert_noted("the VPD's vac or vdc changed since PAL_VP_CREATE");
    cr_assert_eq(c->vti.misuses, 6, "%s", notes);
    set_vpd(VPD_VHPI, 17);
    vps(PAL_VPS_SET_PENDING_INTERRUPT, vpd_at(0), 0, 0);
    assert_noted("misuse: PAL_VPS_SET_PENDING_INTERRUPT with vhpi = 17");
}

Test(vti_vps, misuse_of_psr)
{
    static const struct {
        uint64_t psr;
        const char *note;
    } rows[] = {
        { HANDLER_PSR | PSR_IC, "PSR.ic = 1" },  { HANDLER_PSR | PSR_BN, "PSR.bn = 1" },
        { HANDLER_PSR | PSR_I, "PSR.i = 1" },    { HANDLER_PSR | PSR_BE, "PSR.be = 1" },
        { HANDLER_PSR & ~PSR_DT, "PSR.dt = 0" }, { HANDLER_PSR & ~PSR_RT, "PSR.rt = 0" },
        { HANDLER_PSR | PSR_DB, "PSR.db = 1" },
    };
    one_processor(0, 0);
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        resume_with(rows[k].psr, PAL_VPS_RESUME_NORMAL, 0, GUEST_PSR);
        assert_noted(rows[k].note);
        cr_assert_eq(c->vti.misuses, k + 1, "%s", notes);
        cr_assert_eq(c->psr, GUEST_PSR, "it resumes nevertheless");
    }
}

Test(vti_vps, restore_over_another)
{
    one_processor(0, 0);
    cr_assert_eq(create(1, 0, 0), 0);
    cr_assert_eq(pal(RESTORE, vpd_at(1), 0, 0), 0);
    assert_noted("misuse: the virtual processor of VPD 0xf000000000080000 is not saved");
    cr_assert_eq(pal(SAVE, vpd_at(0), 0, 0), ERROR);
    cr_assert_eq(c->cr[CR_IVA], ivt_of(1));
}

Test(vti_vps, ia32_guest_is_not_modelled)
{
    one_processor(0, 0);
    resume_with(HANDLER_PSR, PAL_VPS_RESUME_NORMAL, 0, GUEST_PSR | PSR_IS);
    cr_assert_eq(c->stop, IPF_NOT_MODELLED);
    c->stop = IPF_RUNS;
}

/* ---- the log ---- */

Test(vti_vps, notes_name_calls_and_faults)
{
    one_processor(0, 0);
    assert_noted("PAL_VP_INIT_ENV(0x8000000000000303, 0x40000, 0xf000000000040000) = 0");
    assert_noted("PAL_VP_CREATE(0xf000000000080000, 0xf000000000600000, 0x0) = 0");
    run_guest(MOV_FROM_PSR(8), false);
    assert_noted("PAL_VPS_RESUME_NORMAL(0xb0b0b0, 0xf000000000080000, 0x0)");
    assert_noted("fault: mov r1=psr (7) at 0x200000 slot 0");
}

/* ---- several ---- */

/* Two virtual processors of different accelerations change places on two logical ones; what PAL has
 * of them moves with them. */
Test(vti_vps, virtual_processors_move)
{
    struct ipf_cpu *cpu[2] = { c, second_processor() };
    const uint64_t vac[2] = { VAC_A_FROM_PSR, VAC_A_FROM_CPUID };
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(create(0, vac[0], 0), 0);
    cr_assert_eq(create(1, vac[1], 0), 0);
    c = cpu[1];
    cr_assert_eq(pal(INIT_ENV, XEN_OPTIONS & ~UINT64_C(1), BUFFER, HOST + BUFFER), 0);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned n = 0; n < 2; n++) {
            unsigned vp = n ^ (round & 1);
            c = cpu[n];
            vps(PAL_VPS_RESTORE, vpd_at(vp), 1, 0);
            put_guest(CODE, MMI, vp ? op_m(0x17, 8, 0, 10) : MOV_FROM_PSR(8),
                      vp ? MOV_FROM_PSR(8) : op_m(0x17, 8, 0, 10), NOP_I);
            c->gr[10].v = 0;
            set_mode(HANDLER_PSR);
            c->cr[CR_IPSR] = GUEST_PSR;
            c->cr[CR_IIP] = CODE;
            enter(PAL_VPS_RESUME_NORMAL, 0, vpd_at(vp), 0, 0);
            ipf_run_until(c, c->retired + 2);
            cr_assert_eq(c->ip, ivt_of(vp) + 0x6100, "at %#lx", c->ip);
            cr_assert_eq(c->gr[24].v, vp ? CAUSE_MOV_FROM_PSR : CAUSE_MOV_FROM_CPUID);
        }
        c = cpu[0];
        cr_assert_eq(pal(RESTORE, vpd_at(1 ^ (round & 1)), 0, 0), ERROR, "the other has it");
        cr_assert_eq(pal(TERMINATE, vpd_at(1 ^ (round & 1)), 0, 0), ERROR);
        for (unsigned n = 0; n < 2; n++) {
            c = cpu[n];
            vps(PAL_VPS_SAVE, vpd_at(n ^ (round & 1)), 1, 0);
        }
    }
    cr_assert_eq(cpu[0]->vti.accelerated[CAUSE_MOV_FROM_PSR], 2);
    cr_assert_eq(cpu[1]->vti.accelerated[CAUSE_MOV_FROM_CPUID], 2);
    cr_assert_eq(cpu[0]->vti.misuses + cpu[1]->vti.misuses, 0, "%s", notes);
    c = cpu[0];
}
