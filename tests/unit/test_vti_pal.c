// SPDX-License-Identifier: Apache-2.0
// PAL's procedures for virtual processors: success and each error status.
#include "vti_guest.h"

static void setup(void) { machine_of("itanium2", 2); }
TestSuite(vti_pal, .init = setup, .fini = machine_end);

enum { INFO = 50, CREATE = 265, ENV_INFO, EXIT_ENV, INIT_ENV, REGISTER, RESTORE, SAVE, TERMINATE };
#define UNIMPLEMENTED ((uint64_t)-1)
#define INVALID ((uint64_t)-2)
#define ERROR ((uint64_t)-3)
#define NO_SET ((uint64_t)-8)
#define VM BIT(40)
#define VMSW BIT(54)

/* ---- features ---- */

Test(vti_pal, features)
{
    cr_assert_eq(pal(17, 0, 0, 0), 0);
    cr_assert_eq(c->gr[9].v, VM | VMSW);
    cr_assert_eq(c->gr[10].v, VM | VMSW);
    cr_assert_eq(c->gr[11].v, VM | VMSW);
    cr_assert_eq(pal(17, 0, 1, 0), NO_SET);
    cr_assert_eq(pal(18, 0, 1, 0), NO_SET);
    cr_assert_eq(pal(18, VM, 0, 0), 0);
    cr_assert_eq(pal(17, 0, 0, 0), 0);
    cr_assert_eq(c->gr[9].v, VM | VMSW);
    cr_assert_eq(c->gr[10].v, VM);
    cr_assert(c->vti.enabled && !c->vti.vmsw_enabled);
}

Test(vti_pal, models)
{
    static const struct {
        const char *model;
        uint64_t features;
        unsigned va_msb;
    } rows[] = {
        { "max", VM | VMSW, 60 },
        { "itanium2,-vti", 0, 60 },
        { "itanium2,-vmsw", VM, 60 },
        { "itanium2,-vti,+vmsw", 0, 60 },
        { "itanium2,-vti,+vti", VM | VMSW, 60 },
        { "itanium2,impl-va-msb=50", VM | VMSW, 50 },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
        machine_end();
        machine_new(rows[k].model);
        cr_assert_eq(c->va_msb, rows[k].va_msb, "%s", rows[k].model);
        c->va_msb = 60; /* the tests' host is there */
        cr_assert_eq(pal(17, 0, 0, 0), 0);
        cr_assert_eq(c->gr[9].v, rows[k].features, "%s", rows[k].model);
        cr_assert_eq(pal(18, VM | VMSW, 0, 0), 0);
        cr_assert_eq(pal(17, 0, 0, 0), 0);
        cr_assert_eq(c->gr[10].v, rows[k].features, "%s: on", rows[k].model);
    }
    static const char *const wrong[] = { "skylake",
                                         "itanium2,vti",
                                         "itanium2,+x",
                                         "itanium2,",
                                         "itanium2,impl-va-msb=49",
                                         "itanium2,impl-va-msb=61",
                                         "itanium2,impl-va-msb=",
                                         "itanium2,impl-va-msb=5x" };
    for (unsigned k = 0; k < ARRAY_SIZE(wrong); k++) {
        struct ipf_model model;
        struct sp_error e;
        cr_assert_not(ipf_model_parse(&model, wrong[k], &e), "%s", wrong[k]);
        cr_assert_eq(e.code, SP_EXIT_USAGE);
    }
}

/* PAL_VP_INFO is a monitor's to answer. */
Test(vti_pal, without_the_feature_all_are_unimplemented)
{
    cr_assert_eq(pal(INFO, 0, 0, 0), UNIMPLEMENTED);
    for (unsigned how = 0; how < 2; how++) {
        if (how)
            machine_end(), machine_new("itanium2,-vti");
        else
            cr_assert_eq(pal(18, VMSW, 0, 0), 0);
        for (unsigned n = CREATE; n <= TERMINATE; n++)
            cr_assert_eq(pal(n, 0, 0, 0), UNIMPLEMENTED, "%u", n);
    }
}

/* ---- the environment ---- */

Test(vti_pal, env_info)
{
    cr_assert_eq(pal(ENV_INFO, 0, 0, 0), 0);
    cr_assert_eq(c->gr[9].v, IPF_VP_BUFFER);
    cr_assert_eq(c->gr[10].v, BIT(8), "opcode, and nothing optional");
    cr_assert_eq(pal(ENV_INFO, 1, 0, 0), INVALID);
    cr_assert_eq(pal(ENV_INFO, 0, 1, 0), INVALID);
    cr_assert_eq(pal(ENV_INFO, 0, 0, 1), INVALID);
    cr_assert_eq(c->vti.calls[CALL_PAL_VP_ENV_INFO], 4);
}

Test(vti_pal, init_env)
{
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(c->gr[9].v, HOST + BUFFER, "the VSA base");
    cr_assert_eq(c->vti.misuses, 0, "%s", notes);
    cr_assert_eq(init_env(), ERROR, "this processor is in it");
    cr_assert_eq(pal(EXIT_ENV, 0, 0, 0), 0);
    cr_assert_eq(init_env(), 0, "nobody is in it any more");
}

Test(vti_pal, init_env_arguments)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        bool valid = bit <= 2 || bit == 9 || bit == 63;
        uint64_t options = (XEN_OPTIONS ^ BIT(bit)) | 1;
        if (valid)
            cr_assert_eq(pal(INIT_ENV, options, BUFFER, HOST + BUFFER), 0, "bit %u", bit);
        else
            cr_assert_eq(pal(INIT_ENV, options, BUFFER, HOST + BUFFER), INVALID, "bit %u", bit);
        if (valid)
            cr_assert_eq(pal(EXIT_ENV, 0, 0, 0), 0);
    }
    cr_assert_eq(pal(INIT_ENV, XEN_OPTIONS, BUFFER + 8, HOST + BUFFER), INVALID);
    cr_assert_eq(pal(INIT_ENV, XEN_OPTIONS, BUFFER, HOST + BUFFER + 0x800), INVALID);
    cr_assert_eq(pal(INIT_ENV, XEN_OPTIONS, BUFFER + 0x1000, HOST + BUFFER), INVALID, "not there");
    cr_assert_eq(pal(INIT_ENV, XEN_OPTIONS & ~UINT64_C(1), BUFFER, HOST + BUFFER), ERROR,
                 "nobody initialized it");
    cr_assert_eq(pal(INIT_ENV, XEN_OPTIONS, UNMAPPED + 8, HOST + UNMAPPED), INVALID);
    cr_assert_eq(pal(INIT_ENV, XEN_OPTIONS, UNMAPPED, HOST + UNMAPPED + 8), INVALID);
    cr_assert_eq(pal(INIT_ENV, XEN_OPTIONS, UNMAPPED, HOST + UNMAPPED), TOOK_FAULT);
    cr_assert_eq(c->ip, c->cr[CR_IVA] + 0x1000, "the monitor is asked for the translation");
    cr_assert_eq(c->cr[CR_IFA], HOST + UNMAPPED);
}

Test(vti_pal, init_env_of_other_processors)
{
    struct ipf_cpu *first = c, *second = second_processor();
    const uint64_t others = XEN_OPTIONS & ~UINT64_C(1);
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(pal(INIT_ENV, others, BUFFER, HOST + BUFFER), ERROR, "this processor is in it");
    c = second;
    cr_assert_eq(init_env(), ERROR, "it is there");
    cr_assert_eq(pal(INIT_ENV, others, BUFFER, BUFFER), INVALID, "another virtual address");
    cr_assert_eq(pal(INIT_ENV, others | 2, BUFFER + 0x1000, HOST + BUFFER + 0x1000), INVALID);
    cr_assert_eq(pal(INIT_ENV, others & ~BIT(9), BUFFER, HOST + BUFFER), INVALID);
    cr_assert_eq(pal(CREATE, vpd_at(0), ivt_of(0), 0), ERROR, "not in it yet");
    cr_assert_eq(pal(INIT_ENV, others, BUFFER, HOST + BUFFER), 0);
    cr_assert_eq(c->gr[9].v, HOST + BUFFER);
    cr_assert_eq(pal(EXIT_ENV, 0, 0, 0), 0);
    c = first;
}

Test(vti_pal, buffer_in_the_translation_cache)
{
    ipf_tlb_purge(c, IPF_DATA, HOST, RAM_LOG2, ipf_rid(c, HOST), true);
    struct ipf_translation t = ipf_translation(PTE_RW, RAM_LOG2 << 2, HOST, ipf_rid(c, HOST));
    ipf_tlb_insert(c, IPF_DATA, &t);
    cr_assert_eq(init_env(), 0);
    assert_noted("misuse: the virtual environment buffer at 0xf000000000040000 is not mapped by");
}

Test(vti_pal, exit_env)
{
    cr_assert_eq(pal(EXIT_ENV, 0, 0, 0), ERROR);
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(pal(EXIT_ENV, 0x4000, 0, 0), INVALID);
    uint64_t iva = c->cr[CR_IVA];
    cr_assert_eq(pal(EXIT_ENV, 0, 0, 0), 0);
    cr_assert_eq(c->cr[CR_IVA], iva);
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(create(0, 0, 0), 0);
    cr_assert_eq(pal(RESTORE, vpd_at(0), 0, 0), 0);
    cr_assert_eq(pal(EXIT_ENV, HOST + 0x8000, 0, 0), 0);
    cr_assert_eq(c->cr[CR_IVA], HOST + 0x8000);
    cr_assert_null(c->vti.vp);
    assert_noted("misuse: PAL_VP_EXIT_ENV with a virtual processor that is not saved");
    set_mode(HANDLER_PSR);
    enter(PAL_VPS_SYNC_READ, HOST + RETURN, vpd_at(0), 0, 0);
    cr_assert_eq(c->ip, HOST + 0x8000 + 0x2c00, "the services are breaks like any others");
}

/* ---- virtual processors ---- */

Test(vti_pal, create_)
{
    cr_assert_eq(create(0, VAC_OFFERED, VDC_D_VMSW), ERROR, "no environment");
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(create(0, VAC_OFFERED, VDC_D_VMSW), 0);
    cr_assert_eq(create(0, VAC_OFFERED, VDC_D_VMSW), ERROR, "it is one");
    cr_assert_eq(create(1, 0, 0), 0);
}

/* What CREATE and REGISTER check alike. */
static void check_arguments(unsigned procedure)
{
    const uint64_t at = vpd_at(0), iva = ivt_of(0);
    set_vpd(0x4000 + VPD_VIRT_ENV_VADDR, HOST + BUFFER);
    cr_assert_eq(pal(procedure, at + 0x4000, iva, 0), INVALID);
    cr_assert_eq(pal(procedure, at, iva + 0x4000, 0), INVALID);
    cr_assert_eq(pal(procedure, at, iva, 8), INVALID);
    for (unsigned bit = 0; bit < 64; bit++) {
        fill_vpd(0, BIT(bit), 0);
        if (!((uint64_t)VAC_OFFERED >> bit & 1))
            cr_assert_eq(pal(procedure, at, iva, 0), INVALID, "vac bit %u", bit);
        fill_vpd(0, 0, BIT(bit));
        if (!((uint64_t)VDC_OFFERED >> bit & 1))
            cr_assert_eq(pal(procedure, at, iva, 0), INVALID, "vdc bit %u", bit);
    }
    fill_vpd(0, VAC_A_INT, VDC_D_EXTINT);
    cr_assert_eq(pal(procedure, at, iva, 0), INVALID, "a_int with d_extint");
    fill_vpd(0, 0, 0);
    cr_assert_eq(pal(procedure, HOST + UNMAPPED, iva, 0), TOOK_FAULT);
    cr_assert_eq(c->cr[CR_IFA], HOST + UNMAPPED);
    cr_assert_eq(pal(procedure, HOST + (1 << RAM_LOG2) - 0x8000, iva, 0), TOOK_FAULT);
    cr_assert_eq(c->cr[CR_IFA], HOST + (1 << RAM_LOG2), "its second half");
}

Test(vti_pal, create_arguments)
{
    cr_assert_eq(init_env(), 0);
    check_arguments(CREATE);
    set_vpd(VPD_VIRT_ENV_VADDR, HOST + BUFFER + 0x1000);
    cr_assert_eq(pal(CREATE, vpd_at(0), ivt_of(0), 0), INVALID, "another buffer");
}

Test(vti_pal, every_vac_and_vdc_bit_that_is_offered)
{
    cr_assert_eq(init_env(), 0);
    for (unsigned bit = 0; bit < 7; bit++) {
        cr_assert_eq(create(0, BIT(bit), 0), 0);
        cr_assert_eq(pal(TERMINATE, vpd_at(0), 0, 0), 0);
        cr_assert_eq(create(0, 0, BIT(bit) & VDC_OFFERED), 0);
        cr_assert_eq(pal(TERMINATE, vpd_at(0), 0, 0), 0);
    }
}

Test(vti_pal, register_)
{
    fill_vpd(0, 0, 0);
    cr_assert_eq(pal(REGISTER, vpd_at(0), ivt_of(0), 0), ERROR, "no environment");
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(pal(REGISTER, vpd_at(0), ivt_of(0), 0), INVALID, "never created");
    cr_assert_eq(create(0, 0, 0), 0);
    check_arguments(REGISTER);
    fill_vpd(0, VAC_A_BSW, 0);
    cr_assert_eq(pal(REGISTER, vpd_at(0), ivt_of(0), 0), INVALID, "vac has changed");
    fill_vpd(0, 0, VDC_D_PMC);
    cr_assert_eq(pal(REGISTER, vpd_at(0), ivt_of(0), 0), INVALID, "vdc has changed");
    fill_vpd(0, 0, 0);
    cr_assert_eq(pal(RESTORE, vpd_at(0), 0, 0), 0);
    cr_assert_eq(pal(REGISTER, vpd_at(0), ivt_of(1), HOST + 0x5000), 0);
    cr_assert_eq(c->cr[CR_IVA], ivt_of(1));
    run_guest(MOV_FROM_PSR(8), false);
    cr_assert_eq(c->ip, HOST + 0x5000, "the handler for intercepts");
    run_guest(BREAK(0), false);
    cr_assert_eq(c->ip, ivt_of(1) + 0x2c00, "nothing but intercepts");
}

Test(vti_pal, restore_and_save)
{
    fill_vpd(0, 0, 0);
    cr_assert_eq(pal(RESTORE, vpd_at(0), 0, 0), ERROR, "no environment");
    cr_assert_eq(pal(SAVE, vpd_at(0), 0, 0), ERROR);
    cr_assert_eq(init_env(), 0);
    for (unsigned n = RESTORE; n <= SAVE; n++) {
        cr_assert_eq(pal(n, vpd_at(0), 0, 0), INVALID, "never created");
        cr_assert_eq(pal(n, vpd_at(0) + 8, 0, 0), INVALID);
        cr_assert_eq(pal(n, HOST + UNMAPPED, 0, 0), TOOK_FAULT);
    }
    cr_assert_eq(create(0, 0, 0), 0);
    cr_assert_eq(pal(SAVE, vpd_at(0), 0, 0), ERROR, "not restored");
    uint64_t misuses = c->vti.misuses;
    cr_assert_eq(pal(RESTORE, vpd_at(0), 0, 0), 0);
    cr_assert_eq(c->cr[CR_IVA], ivt_of(0));
    cr_assert_eq(pal(SAVE, vpd_at(0), 0, 0), 0);
    cr_assert_eq(c->cr[CR_IVA], ivt_of(0), "interruptions still go there");
    cr_assert_eq(c->vti.misuses, misuses, "%s", notes);
}

Test(vti_pal, terminate)
{
    cr_assert_eq(pal(TERMINATE, vpd_at(0), 0, 0), ERROR, "no environment");
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(pal(TERMINATE, vpd_at(0), 0, 0), INVALID);
    cr_assert_eq(create(0, 0, 0), 0);
    cr_assert_eq(pal(RESTORE, vpd_at(0), 0, 0), 0);
    cr_assert_eq(pal(TERMINATE, vpd_at(0), 0x10, 0), INVALID);
    cr_assert_eq(pal(TERMINATE, vpd_at(0), 0, 0), 0);
    cr_assert_eq(c->cr[CR_IVA], ivt_of(0));
    cr_assert_eq(pal(TERMINATE, vpd_at(0), 0, 0), INVALID, "it is none any more");
    cr_assert_eq(create(0, 0, 0), 0);
    cr_assert_eq(pal(TERMINATE, vpd_at(0), HOST + 0x8000, 0), 0);
    cr_assert_eq(c->cr[CR_IVA], HOST + 0x8000);
}

Test(vti_pal, only_so_many)
{
    cr_assert_eq(init_env(), 0);
    struct ipf_firmware *f = c->firmware_user;
    for (unsigned k = 0; k < IPF_VP_MAX; k++)
        f->environment.vp[k].used = true;
    cr_assert_eq(create(0, 0, 0), ERROR);
}
