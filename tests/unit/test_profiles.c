// SPDX-License-Identifier: Apache-2.0
// Imported listings of capability MSRs: the forms in which tools print them, and what becomes of
// them.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cpu/model.h"
#include "machine/msr_listing.h"

static bool parse(struct vmx_listing *l, const char *text, struct sp_error *e)
{
    return msr_listing_parse(l, text, strlen(text), "listing", e);
}

Test(listing, forms_of_a_line)
{
    static const char *const lines[] = {
        "0x48b: 0x001ffcff00000000",
        "48b 1ffcff00000000",
        "0000048B=001FFCFF00000000h",
        "IA32_VMX_PROCBASED_CTLS2 0x1ffcff00000000",
        "  ia32_vmx_procbased_ctls2     0x48b  001ffcff00000000",
        "0x48b IA32_VMX_PROCBASED_CTLS2 1ffcff00000000",
        "00:00:04.288705 HM: MSR_IA32_VMX_PROCBASED_CTLS2 = 0x1ffcff00000000\r",
        "CPU(0x00): RDMSR(0x0000048b) = 0x001ffcff00000000",
        "  IA32_VMX_PROCBASED_CTLS2, value=0x1ffcff`00000000",
        "{\"IA32_VMX_PROCBASED_CTLS2\":\"0x001ffcff00000000\"}",
    };
    for (unsigned k = 0; k < sizeof lines / sizeof *lines; k++) {
        struct vmx_listing l;
        struct sp_error e = { 0 };
        cr_expect(parse(&l, lines[k], &e), "%s: %s", lines[k], e.message);
        cr_expect(l.known[CAP_PROC2], "%s", lines[k]);
        cr_expect_eq(l.value[CAP_PROC2], 0x001ffcff00000000, "%s", lines[k]);
    }
}

Test(listing, other_lines_are_ignored)
{
    struct vmx_listing l;
    struct sp_error e = { 0 };
    cr_assert(parse(&l,
                    "# a comment with 480 in it: 5\n\n0x3a: 5\nRDMSR(0x491) = unavailable\n"
                    "MSR_IA32_VMX_MISC_MAX_MSR = 0x0\n480: da040000000004\n"
                    "0x480: 0x00da040000000004\n0x494: 1",
                    &e),
              "%s", e.message);
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        cr_expect_eq(l.known[k], k == CAP_BASIC, "%u", k);
    cr_expect_eq(l.value[CAP_BASIC], 0x00da040000000004);
}

Test(listing, bad_ones)
{
    struct vmx_listing l;
    struct sp_error e;
    static const char *const empty[] = {
        "", "\n\n", "nothing here\n", "0x480: none\n", "`\n", "0x480: 12345678901234567\n"
    };
    for (unsigned k = 0; k < sizeof empty / sizeof *empty; k++) {
        cr_expect_not(parse(&l, empty[k], &e), "%s", empty[k]);
        cr_expect(strstr(e.message, "listing: no line"), "%s", e.message);
    }
    cr_expect_not(parse(&l, "480: 1\n\n480: 2\n", &e));
    cr_expect(strstr(e.message, "listing:3: IA32_VMX_BASIC"), "%s", e.message);
    cr_expect_eq(e.code, SP_EXIT_BAD_IMAGE);
}

/* ---- what the model makes of it ---- */

static void note(void *user, const char *key)
{
    strcat(user, key);
    strcat(user, " ");
}

static struct cpu_model imported(const char *profile, const char *text, char *absent)
{
    struct cpu_model m;
    struct vmx_listing l;
    struct sp_error e;
    cr_assert(model_load(&m, profile, strlen(profile)));
    vmx_model_capabilities(&m);
    cr_assert(parse(&l, text, &e), "%s", e.message);
    *absent = 0;
    vmx_model_import(&m, &l, note, absent);
    return m;
}

/* A Xeon X5482: the same as the profile of its generation. */
Test(import, penryn)
{
    char absent[1024];
    struct cpu_model p, m = imported("max",
                                     "480: 5a08000000000d\n481: 3f00000016\n482: f7f9fffe0401e172\n"
                                     "483: 3ffff00036dff\n484: 3fff000011ff\n485: 403c0\n"
                                     "486: 80000021\n487: ffffffff\n488: 2000\n489: 27ff\n"
                                     "48a: 2c\n48b: 4100000000\n",
                                     absent);
    cr_expect_str_eq(absent, "vmx-dual-monitor vmx-entry-smm vmx-entry-no-dual-monitor ");
    cr_assert(model_load(&p, "penryn", 6));
    vmx_model_capabilities(&p);
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (k != CAP_CR4_FIXED1) /* follows from CPUID */
            cr_expect_eq(m.vmx_capability[k], p.vmx_capability[k], "MSR %#x", 0x480 + k);
}

Test(import, only_what_is_modelled)
{
    char absent[1024];
    struct cpu_model m =
        imported("max", "0x48b: 0xffffffff00000000\n0x48c: 0xf0106f341c1\n0x491: 0xff\n", absent);
    const uint64_t *cap = m.vmx_capability;
    cr_expect(strstr(absent, "vmx-pasid-translation "));
    cr_expect(cap[CAP_EPT_VPID] & EPT_CAP_WALK_5);
    cr_expect_eq(cap[CAP_PROC2] >> 32 & 1 << 21, 0);
    cr_expect(vmx_can(cap, WORD_PROC2, PROC2_MODE_BASED_EXECUTE));
    cr_expect_eq(cap[CAP_VMFUNC], VMFUNC_EPTP_SWITCHING);
}

/* All 64 bits of IA32_VMX_PROCBASED_CTLS3 are controls that may be 1, the low ones too. */
Test(import, tertiary_controls)
{
    char absent[1024];
    struct cpu_model m = imported("max", "0x492: 0x1000000011\n", absent);
    cr_expect_str_eq(absent, "vmx-loadiwkey-exit ");
    cr_expect_eq(m.vmx_capability[CAP_PROC3], PROC3_IPI_VIRTUALIZATION);
    m = imported("max", "0x492: 0x1000000000\n", absent);
    cr_expect_eq(m.vmx_capability[CAP_PROC3], 0, "bit 36 is not bit 4");
    m = imported("icelake", "0x492: 0x10\n", absent);
    cr_expect_eq(m.vmx_capability[CAP_PROC3], 0, "nothing activates them");
    cr_expect_not(vmx_capability_exists(m.vmx_capability, CAP_PROC3));
}

/* A hypervisor's capabilities for its guests: controls that must be 1, and TRUE MSRs alone. */
Test(import, what_must_be_1)
{
    char absent[1024];
    struct cpu_model m = imported("max", "0x48e: 0xfff9fffe040061f2\n0x485: 0x1ff01e3\n", absent);
    const uint64_t *cap = m.vmx_capability;
    cr_expect_eq(vmx_allowed0(cap, WORD_PROC), 0x040061f2);
    cr_expect_eq((uint32_t)cap[CAP_PROC], 0x0401e1f2, "HLT exiting is fixed in both");
    cr_expect_eq(cap[CAP_MISC] >> 16 & 0x1ff, 4, "the VMCS has four CR3-target values");
    cr_expect_eq(vmx_timer_rate(cap), 3);
}

/* CPUID is the profile's: a control for an instruction that is not there does not come back. */
Test(import, features_decide)
{
    char absent[1024];
    struct cpu_model m = imported("nehalem", "0x48b: 0x001ffcff00000000\n", absent);
    cr_expect_not(vmx_can(m.vmx_capability, WORD_PROC2, PROC2_ENABLE_INVPCID));
    cr_expect(vmx_can(m.vmx_capability, WORD_PROC2, PROC2_UNRESTRICTED_GUEST));
}
