// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Checks on Host-State Area": a broken one is VM-instruction error 8.
#include "vmx/entry_predicates.h"

static bool host_64(const struct entry *e) { return e->exit & EXIT_HOST_ADDRESS_SPACE_SIZE; }

/* ---- control registers and MSRs ---- */

static struct required cr0_fixed(const struct entry *e, unsigned arg)
{
    return (struct required){ e->cap[CAP_CR0_FIXED0], ~e->cap[CAP_CR0_FIXED1] };
}
static struct required cr4_fixed(const struct entry *e, unsigned arg)
{
    return (struct required){ e->cap[CAP_CR4_FIXED0], ~e->cap[CAP_CR4_FIXED1] };
}
static struct required cr3_width(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, beyond_physical(e) };
}
static struct required perf_global_reserved(const struct entry *e, unsigned arg)
{
    return (struct required){
        0, e->exit & EXIT_LOAD_PERF_GLOBAL_CTRL ? e->perf_global_reserved : 0
    };
}
static bool pat(const struct entry *e, unsigned arg)
{
    return !(e->exit & EXIT_LOAD_PAT) || pat_valid(field(e, HOST_IA32_PAT));
}
static struct required efer_reserved_bits(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->exit & EXIT_LOAD_EFER ? e->efer_reserved : 0 };
}
static struct required spec_ctrl(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->exit2 & EXIT2_LOAD_SPEC_CTRL ? e->spec_ctrl_reserved : 0 };
}
/* `arg` is the bit: LMA and LME must equal "host address-space size". */
static struct required efer_mode(const struct entry *e, unsigned arg)
{
    if (!(e->exit & EXIT_LOAD_EFER))
        return (struct required){ 0, 0 };
    return host_64(e) ? (struct required){ BIT(arg), 0 } : (struct required){ 0, BIT(arg) };
}
static bool loads_cet(const struct entry *e) { return e->exit & EXIT_LOAD_CET_STATE; }
static struct required cet_needs_wp(const struct entry *e, unsigned arg)
{
    return (struct required){ field(e, HOST_CR4) & CR4_CET ? CR0_WP : 0, 0 };
}
static struct required s_cet_reserved(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, loads_cet(e) ? e->s_cet_reserved : 0 };
}
static bool s_cet_tracking(const struct entry *e, unsigned arg)
{
    return !loads_cet(e) || ~field(e, HOST_IA32_S_CET) & S_CET_TRACKING;
}
static struct required ssp_aligned(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, loads_cet(e) ? 3 : 0 };
}
static bool ssp_table(const struct entry *e, unsigned arg)
{
    return !loads_cet(e) || canonical(e, field(e, HOST_IA32_INTERRUPT_SSP_TABLE_ADDR));
}

static struct required pkrs(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->exit & EXIT_LOAD_PKRS ? UINT64_C(0xffffffff) << 32 : 0 };
}

/* ---- segment and descriptor-table registers ---- */

static struct required selector_rpl_ti(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, 7 };
}
static bool selector_not_null(const struct entry *e, unsigned arg) { return field(e, arg) != 0; }
static bool ss_not_null(const struct entry *e, unsigned arg)
{
    return host_64(e) || field(e, HOST_SS_SELECTOR) != 0;
}

/* ---- address-space size ---- */

static bool long_mode_needs_host_64(const struct entry *e, unsigned arg)
{
    return !e->long_mode || host_64(e);
}
static bool legacy_mode_refuses_64(const struct entry *e, unsigned arg)
{
    return e->long_mode || !(host_64(e) || e->entry & ENTRY_IA32E_MODE_GUEST);
}
static bool host_32_refuses_guest_64(const struct entry *e, unsigned arg)
{
    return host_64(e) || !(e->entry & ENTRY_IA32E_MODE_GUEST);
}
static struct required host_32_pcide(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, host_64(e) ? 0 : CR4_PCIDE };
}
static struct required host_32_rip(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, host_64(e) ? 0 : UINT64_C(0xffffffff) << 32 };
}
static struct required host_64_pae(const struct entry *e, unsigned arg)
{
    return (struct required){ host_64(e) ? CR4_PAE : 0, 0 };
}
static bool host_64_rip(const struct entry *e, unsigned arg)
{
    return !host_64(e) || canonical(e, field(e, HOST_RIP));
}
/* `arg` is the field, IA32_S_CET or SSP: as wide as the host. */
static struct required host_32_cet(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, loads_cet(e) && !host_64(e) ? UINT64_C(0xffffffff) << 32 : 0 };
}
static bool host_64_cet(const struct entry *e, unsigned arg)
{
    return !loads_cet(e) || !host_64(e) || canonical(e, field(e, arg));
}

/* ---- the tables ---- */

static const struct entry_check register_checks[] = {
    CHECK_BITS("host_cr0_fixed", cr0_fixed, 0,
               "Host CR0 must not set a bit that VMX operation does not "
               "support (IA32_VMX_CR0_FIXED0 and FIXED1).",
               HOST_CR0),
    CHECK_BITS("host_cr4_fixed", cr4_fixed, 0,
               "Host CR4 must not set a bit that VMX operation does not "
               "support (IA32_VMX_CR4_FIXED0 and FIXED1).",
               HOST_CR4),
    CHECK_BITS("host_cr3_width", cr3_width, 0,
               "Bits of host CR3 beyond the physical-address width must "
               "be 0.",
               HOST_CR3),
    CHECK("host_sysenter_esp", field_canonical, HOST_IA32_SYSENTER_ESP,
          "Host IA32_SYSENTER_ESP must be canonical.", HOST_IA32_SYSENTER_ESP),
    CHECK("host_sysenter_eip", field_canonical, HOST_IA32_SYSENTER_EIP,
          "Host IA32_SYSENTER_EIP must be canonical.", HOST_IA32_SYSENTER_EIP),
    CHECK_BITS("host_perf_global_ctrl", perf_global_reserved, 0,
               "If \"load IA32_PERF_GLOBAL_CTRL\" (exit) is 1, reserved bits of host "
               "IA32_PERF_GLOBAL_CTRL must be 0.",
               HOST_IA32_PERF_GLOBAL_CTRL),
    CHECK("host_pat", pat, 0,
          "If \"load IA32_PAT\" (exit) is 1, each byte of host IA32_PAT must be 0, 1, "
          "4, 5, 6 or 7.",
          HOST_IA32_PAT),
    CHECK_BITS("host_efer_reserved", efer_reserved_bits, 0,
               "If \"load IA32_EFER\" (exit) is 1, reserved "
               "bits of host IA32_EFER must be 0.",
               HOST_IA32_EFER),
    CHECK_BITS("host_efer_lma", efer_mode, 10,
               "If \"load IA32_EFER\" (exit) is 1, LMA of host IA32_EFER "
               "must equal \"host address-space size\".",
               HOST_IA32_EFER, VM_EXIT_CONTROLS),
    CHECK_BITS("host_efer_lme", efer_mode, 8,
               "If \"load IA32_EFER\" (exit) is 1, LME of host IA32_EFER "
               "must equal \"host address-space size\".",
               HOST_IA32_EFER, VM_EXIT_CONTROLS),
    CHECK_BITS("host_pkrs", pkrs, 0,
               "If \"load PKRS\" (exit) is 1, bits 63:32 of host IA32_PKRS must be 0.",
               HOST_IA32_PKRS),
    CHECK_BITS("host_spec_ctrl", spec_ctrl, 0,
               "If \"load IA32_SPEC_CTRL\" (exit) is 1, reserved bits of host IA32_SPEC_CTRL must "
               "be 0.",
               HOST_IA32_SPEC_CTRL, SECONDARY_VM_EXIT_CONTROLS),
    CHECK_BITS("host_cet_wp", cet_needs_wp, 0, "If host CR4.CET is 1, host CR0.WP must be 1.",
               HOST_CR0, HOST_CR4),
    CHECK_BITS("host_s_cet_reserved", s_cet_reserved, 0,
               "If \"load CET state\" (exit) is 1, reserved bits of host IA32_S_CET must be 0.",
               HOST_IA32_S_CET),
    CHECK("host_s_cet_tracking", s_cet_tracking, 0,
          "If \"load CET state\" (exit) is 1, SUPPRESS (bit 10) and TRACKER (bit 11) of host "
          "IA32_S_CET must not both be 1.",
          HOST_IA32_S_CET),
    CHECK_BITS("host_ssp_aligned", ssp_aligned, 0,
               "If \"load CET state\" (exit) is 1, bits 1:0 of host SSP must be 0.", HOST_SSP),
    CHECK("host_ssp_table", ssp_table, 0,
          "If \"load CET state\" (exit) is 1, host IA32_INTERRUPT_SSP_TABLE_ADDR must be "
          "canonical.",
          HOST_IA32_INTERRUPT_SSP_TABLE_ADDR),
};

#define SELECTOR(id, name)                                                                         \
    CHECK_BITS(id, selector_rpl_ti, 0, "RPL and TI of host " #name " must be 0.",                  \
               HOST_##name##_SELECTOR)
#define BASE(id, name) \
    CHECK(id, field_canonical, HOST_##name##_BASE, "The host " #name " base must be canonical.", \
          HOST_##name##_BASE)
static const struct entry_check segment_checks[] = {
    SELECTOR("host_es_rpl_ti", ES),
    SELECTOR("host_cs_rpl_ti", CS),
    SELECTOR("host_ss_rpl_ti", SS),
    SELECTOR("host_ds_rpl_ti", DS),
    SELECTOR("host_fs_rpl_ti", FS),
    SELECTOR("host_gs_rpl_ti", GS),
    SELECTOR("host_tr_rpl_ti", TR),
    CHECK("host_cs_not_null", selector_not_null, HOST_CS_SELECTOR,
          "The host CS selector must not be "
          "0000H.",
          HOST_CS_SELECTOR),
    CHECK("host_tr_not_null", selector_not_null, HOST_TR_SELECTOR,
          "The host TR selector must not be "
          "0000H.",
          HOST_TR_SELECTOR),
    CHECK("host_ss_not_null", ss_not_null, 0,
          "If \"host address-space size\" is 0, the host SS selector "
          "must not be 0000H.",
          HOST_SS_SELECTOR, VM_EXIT_CONTROLS),
    BASE("host_fs_base", FS),
    BASE("host_gs_base", GS),
    BASE("host_gdtr_base", GDTR),
    BASE("host_idtr_base", IDTR),
    BASE("host_tr_base", TR),
};
#undef SELECTOR
#undef BASE

static const struct entry_check space_checks[] = {
    CHECK("host_long_mode", long_mode_needs_host_64, 0,
          "In IA-32e mode, \"host address-space size\" must "
          "be 1.",
          VM_EXIT_CONTROLS),
    CHECK("host_legacy_mode", legacy_mode_refuses_64, 0,
          "Outside IA-32e mode, \"IA-32e mode guest\" and "
          "\"host address-space size\" must be 0.",
          VM_EXIT_CONTROLS, VM_ENTRY_CONTROLS),
    CHECK("host_32_guest_64", host_32_refuses_guest_64, 0,
          "If \"host address-space size\" is 0, \"IA-32e "
          "mode guest\" must be 0.",
          VM_ENTRY_CONTROLS, VM_EXIT_CONTROLS),
    CHECK_BITS("host_32_pcide", host_32_pcide, 0,
               "If \"host address-space size\" is 0, CR4.PCIDE must be "
               "0.",
               HOST_CR4, VM_EXIT_CONTROLS),
    CHECK_BITS("host_32_rip", host_32_rip, 0,
               "If \"host address-space size\" is 0, bits 63:32 of host RIP "
               "must be 0.",
               HOST_RIP, VM_EXIT_CONTROLS),
    CHECK_BITS("host_64_pae", host_64_pae, 0,
               "If \"host address-space size\" is 1, CR4.PAE must be 1.", HOST_CR4,
               VM_EXIT_CONTROLS),
    CHECK("host_64_rip", host_64_rip, 0,
          "If \"host address-space size\" is 1, host RIP must be canonical.", HOST_RIP,
          VM_EXIT_CONTROLS),
    CHECK_BITS("host_32_s_cet", host_32_cet, HOST_IA32_S_CET,
               "If \"host address-space size\" is 0 and \"load CET state\" (exit) is 1, bits 63:32 "
               "of host IA32_S_CET must be 0.",
               HOST_IA32_S_CET, VM_EXIT_CONTROLS),
    CHECK_BITS("host_32_ssp", host_32_cet, HOST_SSP,
               "If \"host address-space size\" is 0 and \"load CET state\" (exit) is 1, bits 63:32 "
               "of host SSP must be 0.",
               HOST_SSP, VM_EXIT_CONTROLS),
    CHECK("host_64_s_cet", host_64_cet, HOST_IA32_S_CET,
          "If \"host address-space size\" and \"load CET state\" (exit) are 1, host IA32_S_CET "
          "must be canonical.",
          HOST_IA32_S_CET, VM_EXIT_CONTROLS),
    CHECK("host_64_ssp", host_64_cet, HOST_SSP,
          "If \"host address-space size\" and \"load CET state\" (exit) are 1, host SSP must be "
          "canonical.",
          HOST_SSP, VM_EXIT_CONTROLS),
};

static const struct check_section sections[] = {
    SECTION("26.2.2", "Checks on Host Control Registers and MSRs", register_checks, DIRTY_HOST, 0),
    SECTION("26.2.3", "Checks on Host Segment and Descriptor-Table Registers", segment_checks,
            DIRTY_HOST, 0),
    SECTION("26.2.4", "Checks Related to Address-Space Size", space_checks, DIRTY_HOST, 0),
};
const struct check_table host_checks = { sections, ARRAY_SIZE(sections), ENTRY_FAIL_HOST };
