// SPDX-License-Identifier: Apache-2.0
// The tables of the VMX layer: fields, exit reasons, capability MSRs of the profiles.
#include <criterion/criterion.h>
#include <string.h>

#include "mem/phys.h"
#include "vmx/capability.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"

static struct cpu_model model_named(const char *name)
{
    struct cpu_model m = { .physical_bits = 39 };
    strcpy(m.name, name);
    memset(m.features, 1, sizeof m.features);
    vmx_model_capabilities(&m);
    return m;
}
static const char *const names[] = {
    "prescott-vt", "penryn", "nehalem", "skylake", "icelake", "max"
};

/* ---- fields ---- */

Test(vmcs_fields, encodings_ascend_and_are_unique)
{
    for (unsigned f = 1; f < VMCS_FIELD_COUNT; f++)
        cr_assert_lt(vmcs_fields[f - 1].encoding, vmcs_fields[f].encoding, "%s",
                     vmcs_fields[f].name);
}

Test(vmcs_fields, encodings_find_their_rows)
{
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++) {
        bool high;
        cr_assert_eq(vmcs_find(vmcs_fields[f].encoding, &high), (int)f);
        cr_assert_not(high);
        int expected = vmcs_is_64(vmcs_fields[f].encoding) ? (int)f : -1;
        cr_assert_eq(vmcs_find(vmcs_fields[f].encoding | 1, &high), expected);
        cr_assert_eq(vmcs_find(vmcs_fields[f].encoding | 0x8000, &high), -1);
        cr_assert_eq(vmcs_find(vmcs_fields[f].encoding | BIT(40), &high), -1);
        cr_assert_eq(vmcs_find(vmcs_fields[f].encoding | 0x80, &high), -1);
    }
}

Test(vmcs_fields, values_keep_their_width_and_high_halves)
{
    struct vmcs v = { 0 };
    vmcs_set(&v, GUEST_ES_SELECTOR, false, 0x12345);
    cr_assert_eq(vmcs_get(&v, GUEST_ES_SELECTOR, false), 0x2345);
    vmcs_set(&v, TSC_OFFSET, false, UINT64_C(0x1122334455667788));
    cr_assert_eq(vmcs_get(&v, TSC_OFFSET, true), 0x11223344);
    vmcs_set(&v, TSC_OFFSET, true, UINT64_C(0xaaaaaaaabbbbbbbb));
    cr_assert_eq(vmcs_get(&v, TSC_OFFSET, false), UINT64_C(0xbbbbbbbb55667788));
    vmcs_set(&v, GUEST_CR0, false, 1);
    cr_assert(v.dirty & DIRTY_REGISTERS);
}

Test(vmcs_fields, exist_under_the_profiles_that_have_their_control)
{
    struct cpu_model old = model_named("prescott-vt"), new = model_named("max");
    static const enum vmcs_field later[] = {
        VIRTUAL_PROCESSOR_ID,
        MSR_BITMAP,
        EPT_POINTER,
        GUEST_IA32_PAT,
        GUEST_IA32_EFER,
        HOST_IA32_PAT,
        SECONDARY_VM_EXEC_CONTROL,
        VMX_PREEMPTION_TIMER_VALUE,
        GUEST_PDPTE0,
        GUEST_PHYSICAL_ADDRESS,
    };
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        cr_expect(vmcs_fields[f].exists(new.vmx_capability), "%s", vmcs_fields[f].name);
    for (unsigned k = 0; k < ARRAY_SIZE(later); k++)
        cr_expect_not(vmcs_fields[later[k]].exists(old.vmx_capability), "%s",
                      vmcs_fields[later[k]].name);
    cr_expect(vmcs_fields[CR3_TARGET_VALUE3].exists(old.vmx_capability));
}

Test(vmcs_fields, names_find_encodings)
{
    uint32_t encoding;
    cr_assert(vmcs_field_by_name("guest_rip", &encoding));
    cr_assert_eq(encoding, 0x681e);
    cr_assert_not(vmcs_field_by_name("guest_rap", &encoding));
}

Test(vmcs_image, survives_memory)
{
    struct mem *m = mem_create(1 << 20, NULL);
    struct vmcs v = { .launched = true }, w;
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        vmcs_set(&v, f, false, f * UINT64_C(0x0101010101010101));
    mem_write_le(m, 0x2000, 4, VMCS_REVISION);
    vmcs_store(&v, m, 0x2000);
    vmcs_load(&w, m, 0x2000);
    cr_assert(!memcmp(v.f, w.f, sizeof v.f));
    cr_assert(w.launched);
    cr_assert_eq(w.dirty, DIRTY_ALL);
    cr_assert_eq(mem_read_le(m, 0x2000, 4), VMCS_REVISION);
    vmcs_clear_region(m, 0x2000);
    vmcs_load(&w, m, 0x2000);
    cr_assert_not(w.launched);
    cr_assert(!memcmp(v.f, w.f, sizeof v.f));
    vmcs_load(&w, m, 0x3000);                      /* never written */
    cr_assert_eq(w.f[GUEST_RIP], 0);
    mem_destroy(m);
}

/* ---- exit reasons ---- */

Test(exit_reasons, ascend_and_have_names)
{
    static const unsigned numbers[] = {
#define REASON(number, name, qualification) number,
#include "vmx/exit_reasons.def"
    };
    for (unsigned k = 0; k < ARRAY_SIZE(numbers); k++) {
        cr_assert(k == 0 || numbers[k - 1] < numbers[k]);
        cr_assert_lt(numbers[k], EXIT_REASONS);
        cr_assert_str_neq(vmx_exit_name(numbers[k]), "UNKNOWN");
    }
    cr_assert_str_eq(vmx_exit_name(0x80000021), "ENTRY_FAILURE_GUEST_STATE");
    cr_assert_str_eq(vmx_exit_name(35), "UNKNOWN");
    cr_assert_str_eq(vmx_exit_name(0xffff), "UNKNOWN");
}

/* ---- capabilities ---- */

static const unsigned word_msr[WORD_COUNT] = {
    [WORD_PIN] = CAP_PIN,     [WORD_PROC] = CAP_PROC, [WORD_PROC2] = CAP_PROC2,
    [WORD_PROC3] = CAP_PROC3, [WORD_EXIT] = CAP_EXIT, [WORD_EXIT2] = CAP_EXIT2,
    [WORD_ENTRY] = CAP_ENTRY,
};
/* 64 bits that may be 1, and none that must. */
static bool only_allows(unsigned w) { return w == WORD_PROC3 || w == WORD_EXIT2; }
/* What an MSR lets be 1, and requires to be 1. */
static uint32_t may_be_1(const uint64_t *cap, unsigned w)
{
    return (uint32_t)(only_allows(w) ? cap[word_msr[w]] : cap[word_msr[w]] >> 32);
}
static uint32_t must_be_1(const uint64_t *cap, unsigned w)
{
    return only_allows(w) ? 0 : (uint32_t)cap[word_msr[w]];
}

static const uint32_t default1[WORD_COUNT] = {
    [WORD_PIN] = 0x16, [WORD_PROC] = 0x0401e172, [WORD_EXIT] = 0x36dff, [WORD_ENTRY] = 0x11ff
};

Test(capabilities, allowed_0_is_a_subset_of_allowed_1)
{
    for (unsigned n = 0; n < ARRAY_SIZE(names); n++) {
        struct cpu_model m = model_named(names[n]);
        for (unsigned w = 0; w < WORD_COUNT; w++)
            cr_expect_eq(vmx_allowed0(m.vmx_capability, w) & ~vmx_allowed1(m.vmx_capability, w), 0,
                         "%s word %u", names[n], w);
    }
}

Test(capabilities, old_msrs_report_the_default1_classes)
{
    for (unsigned n = 0; n < ARRAY_SIZE(names); n++) {
        struct cpu_model m = model_named(names[n]);
        for (unsigned w = 0; w < WORD_COUNT; w++)
            cr_expect_eq(must_be_1(m.vmx_capability, w), default1[w], "%s word %u", names[n], w);
    }
}

Test(capabilities, the_profile_of_2005)
{
    struct cpu_model m = model_named("prescott-vt");
    const uint64_t *cap = m.vmx_capability;
    cr_expect_eq(cap[CAP_BASIC] & (BASIC_INS_OUTS_INFO | BASIC_TRUE_CONTROLS), 0);
    cr_expect_eq(vmx_allowed0(cap, WORD_PROC), 0x0401e172);
    cr_expect_not(vmx_can(cap, WORD_PROC, PROC_USE_MSR_BITMAPS | PROC_SECONDARY_CONTROLS));
    for (unsigned k = CAP_PROC2; k < VMX_CAPABILITY_MSRS; k++) {
        cr_expect_eq(cap[k], 0);
        cr_expect_not(vmx_capability_exists(cap, k));
    }
}

Test(capabilities, newest_profile)
{
    struct cpu_model m = model_named("max");
    const uint64_t *cap = m.vmx_capability;
    cr_expect_eq(vmx_allowed0(cap, WORD_PROC), 0x04006172);
    cr_expect_eq(vmx_allowed0(cap, WORD_EXIT), 0x36dfb);
    cr_expect_eq(vmx_allowed0(cap, WORD_ENTRY), 0x11fb);
    cr_expect(vmx_can(cap, WORD_PROC2, PROC2_UNRESTRICTED_GUEST));
    cr_expect_eq(vmx_timer_rate(cap), 5);
    cr_expect_eq(cap[CAP_VMCS_ENUM], 0x4e); /* index 27H: the deadline shadow */
    cr_expect_eq(cap[CAP_PROC3],
                 PROC3_ENABLE_HLAT | PROC3_EPT_PAGING_WRITE | PROC3_GUEST_PAGING_VERIFICATION |
                     PROC3_IPI_VIRTUALIZATION | PROC3_ENABLE_MSR_LIST | PROC3_VIRTUALIZE_SPEC_CTRL |
                     PROC3_APIC_TIMER_VIRTUALIZATION);
    cr_expect_eq(bits(cap[CAP_EPT_VPID], 53, 48), 1, "the maximum HLAT prefix size");
    cr_expect_eq(cap[CAP_EXIT2], EXIT2_LOAD_SPEC_CTRL);
}

Test(capabilities, what_loses_its_base_goes)
{
    struct cpu_model m = model_named("max");
    cr_assert(vmx_model_option(&m, "vmx-flexpriority", false));
    cr_expect_not(vmx_can(m.vmx_capability, WORD_PROC2,
                          PROC2_VIRTUALIZE_X2APIC_MODE | PROC2_APIC_REGISTER_VIRTUALIZATION |
                              PROC2_VIRTUAL_INTERRUPT_DELIVERY));
    cr_expect_not(vmx_can(m.vmx_capability, WORD_PIN, PIN_PROCESS_POSTED_INTERRUPTS));
    cr_expect_not(vmx_can(m.vmx_capability, WORD_PROC3, PROC3_IPI_VIRTUALIZATION));
    m = model_named("max");
    cr_assert(vmx_model_option(&m, "vmx-ept", false));
    cr_expect_not(vmx_can(m.vmx_capability, WORD_PROC2,
                          PROC2_UNRESTRICTED_GUEST | PROC2_ENABLE_PML | PROC2_EPT_VIOLATION_VE |
                              PROC2_MODE_BASED_EXECUTE));
    cr_expect_not(vmx_can(m.vmx_capability, WORD_PROC3,
                          PROC3_ENABLE_HLAT | PROC3_EPT_PAGING_WRITE |
                              PROC3_GUEST_PAGING_VERIFICATION));
    cr_expect(vmx_can(m.vmx_capability, WORD_PROC3, PROC3_IPI_VIRTUALIZATION));
    cr_expect_eq(bits(m.vmx_capability[CAP_EPT_VPID], 53, 48), 0);
    m = model_named("max");
    cr_assert(vmx_model_option(&m, "vmx-hlat", false));
    cr_expect_eq(bits(m.vmx_capability[CAP_EPT_VPID], 53, 48), 0);
    cr_assert(vmx_model_option(&m, "vmx-hlat", true));
    cr_expect_eq(bits(m.vmx_capability[CAP_EPT_VPID], 53, 48), 1);
}

Test(capabilities, only_modelled_bits_are_advertised)
{
    uint32_t modelled[WORD_COUNT] = { 0 };
#define CONTROL(word, bit, name, key) modelled[WORD_##word] |= UINT32_C(1) << (bit);
#include "vmx/controls.def"
    for (unsigned n = 0; n < ARRAY_SIZE(names); n++) {
        struct cpu_model m = model_named(names[n]);
        for (unsigned w = 0; w < WORD_COUNT; w++)
            cr_expect_eq(vmx_allowed1(m.vmx_capability, w) & ~(modelled[w] | default1[w]), 0,
                         "%s word %u", names[n], w);
    }
}

Test(capabilities, a_profile_has_what_its_part_reports_and_no_more)
{
    for (unsigned n = 0; model_at(n); n++) {
        const uint64_t *part = model_at(n)->vmx;
        struct cpu_model m = model_named(model_at(n)->name);
        cr_expect_str_eq(names[n], m.name);
        for (unsigned w = 0; w < WORD_COUNT; w++)
            cr_expect_eq(vmx_allowed1(m.vmx_capability, w) & ~(may_be_1(part, w) | default1[w]), 0,
                         "%s word %u", m.name, w);
        cr_expect_eq(m.vmx_capability[CAP_EPT_VPID] & ~part[CAP_EPT_VPID], 0);
        cr_expect_eq(m.vmx_capability[CAP_BASIC] >> 54 & 3 & ~(part[CAP_BASIC] >> 54), 0);
        for (unsigned k = 0; k < VMX_CAPABILITY_MSRS;
             k++) /* less may be modelled, no less exists */
            if (n < 4 && part[k])
                cr_expect(vmx_capability_exists(m.vmx_capability, k), "%s: %s", m.name,
                          vmx_capability_name(k));
    }
}

/* What all of the parts have is not lost on the way: MSR 481H ... of a Nehalem, written out. */
Test(capabilities, the_words_of_nehalem)
{
    struct cpu_model m = model_named("nehalem");
    const uint64_t *cap = m.vmx_capability;
    cr_expect_eq(cap[CAP_PIN], 0x0000007f00000016);
    cr_expect_eq(cap[CAP_PROC], 0xfff9fffe0401e172);
    cr_expect_eq(cap[CAP_EXIT], 0x007fffff00036dff);
    cr_expect_eq(cap[CAP_ENTRY], 0x0000f3ff000011ff, "all but SMM");
    cr_expect_eq(cap[CAP_PROC2], 0x0000007f00000000);
    cr_expect_eq(cap[CAP_EPT_VPID], 0x00000f0106114141);
    cr_expect_eq(cap[CAP_TRUE_PROC], 0xfff9fffe04006172);
}

Test(capabilities, keys_are_unique)
{
    struct vmx_control_bit c, d;
    for (unsigned k = 0; vmx_control_bit(k, &c); k++)
        for (unsigned l = 0; l < k && vmx_control_bit(l, &d); l++)
            cr_expect((c.word != d.word || c.bit != d.bit) && strcmp(c.key, d.key), "%s", c.key);
    struct vmx_capability_bit a, b;
    for (unsigned k = 0; vmx_capability_bit(k, &a); k++) {
        for (unsigned l = 0; l < k && vmx_capability_bit(l, &b); l++)
            cr_expect((a.msr != b.msr || a.bit != b.bit) && strcmp(a.key, b.key), "%s", a.key);
        for (unsigned l = 0; vmx_control_bit(l, &c); l++)
            cr_expect_str_neq(a.key, c.key);
    }
}

Test(capabilities, what_is_absent_cannot_be_switched_on)
{
    struct cpu_model m = model_named("max");
    struct vmx_capability_bit bit;
    struct vmx_control_bit control;
    for (unsigned k = 0; vmx_capability_bit(k, &bit); k++) {
        cr_expect_eq(vmx_is_absent(bit.key), bit.kind == CAPABILITY_ABSENT);
        cr_expect(bit.kind != CAPABILITY_ABSENT || !vmx_model_option(&m, bit.key, true));
    }
    for (unsigned k = 0; vmx_control_bit(k, &control); k++) {
        cr_expect_eq(vmx_is_absent(control.key), !control.modelled);
        cr_expect(control.modelled || !vmx_model_option(&m, control.key, true));
    }
    cr_expect_not(vmx_is_absent("vmx-no-such-thing"));
}

Test(capabilities, without_the_feature_there_is_nothing)
{
    struct cpu_model m = model_named("max");
    m.features[FEAT_VMX] = 0;
    vmx_model_capabilities(&m);
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        cr_expect_eq(m.vmx_capability[k], 0);
    cr_expect_not(vmx_model_option(&m, "vmx-ept", true));
}

Test(capabilities, switches_take_their_dependants_along)
{
    struct cpu_model m = model_named("max");
    const uint64_t *cap = m.vmx_capability;
    cr_assert(vmx_model_option(&m, "vmx-ept", false));
    cr_expect_not(vmx_can(cap, WORD_PROC2, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST));
    cr_expect_eq(cap[CAP_EPT_VPID] & 0xffffffff, 0);
    cr_expect(vmx_can(cap, WORD_PROC2, PROC2_ENABLE_VPID));
    cr_assert(vmx_model_option(&m, "vmx-unrestricted-guest", true));
    cr_expect(vmx_can(cap, WORD_PROC2, PROC2_ENABLE_EPT));
    cr_assert(vmx_model_option(&m, "vmx-secondary-ctls", false));
    cr_expect_eq(cap[CAP_PROC2] | cap[CAP_EPT_VPID], 0);
    cr_assert(vmx_model_option(&m, "vmx-tertiary-ctls", false));
    cr_expect_eq(cap[CAP_PROC3], 0);
    cr_expect_not(vmx_capability_exists(cap, CAP_PROC3));
    cr_assert(vmx_model_option(&m, "vmx-ipi-virt", true));
    cr_expect(vmx_can(cap, WORD_PROC, PROC_TERTIARY_CONTROLS));
    cr_expect_eq(cap[CAP_PROC3], PROC3_IPI_VIRTUALIZATION);
    cr_assert(vmx_model_option(&m, "vmx-exit-secondary-ctls", false));
    cr_expect_eq(cap[CAP_EXIT2], 0);
    cr_expect_not(vmx_capability_exists(cap, CAP_EXIT2));
    cr_assert(vmx_model_option(&m, "vmx-exit-load-spec-ctrl", true));
    cr_expect(vmx_can(cap, WORD_EXIT, EXIT_SECONDARY_CONTROLS));
    cr_expect_eq(cap[CAP_EXIT2], EXIT2_LOAD_SPEC_CTRL);
    cr_assert(vmx_model_option(&m, "vmx-true-ctls", false));
    cr_expect_eq(vmx_allowed0(cap, WORD_PROC), 0x0401e172);
    cr_assert(vmx_model_option(&m, "vmx-true-ctls", true));
    cr_expect_eq(vmx_allowed0(cap, WORD_PROC), 0x04006172);
    cr_assert(vmx_model_option(&m, "vmx-cr3-load-noexit", false));
    cr_expect_eq(vmx_allowed0(cap, WORD_PROC), 0x0400e172);
    cr_assert_not(vmx_model_option(&m, "vmx-no-such-thing", true));
}
