// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Checks on the Guest State Area", all but the segment registers: a broken one is exit
// reason 33.
#include "vmx/entry_guest.h"

#include "cpu/debug.h"

static bool ia32e(const struct entry *e) { return e->entry & ENTRY_IA32E_MODE_GUEST; }

/* ---- control registers, debug registers, MSRs ---- */

static struct required cr0_fixed(const struct entry *e, unsigned arg)
{
    uint64_t free = unrestricted(e) ? CR0_PE | CR0_PG : 0; /* CR0.NW and CR0.CD are never fixed */
    return (struct required){ e->cap[CAP_CR0_FIXED0] & ~free, ~e->cap[CAP_CR0_FIXED1] };
}
static bool cr0_paging_needs_protection(const struct entry *e, unsigned arg)
{
    return !(field(e, GUEST_CR0) & CR0_PG) || field(e, GUEST_CR0) & CR0_PE;
}
static struct required cr4_fixed(const struct entry *e, unsigned arg)
{
    return (struct required){ e->cap[CAP_CR4_FIXED0], ~e->cap[CAP_CR4_FIXED1] };
}
static struct required debugctl_reserved(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->entry & ENTRY_LOAD_DEBUG_CONTROLS ? e->debugctl_reserved : 0 };
}
static struct required ia32e_cr0(const struct entry *e, unsigned arg)
{
    return (struct required){ ia32e(e) ? CR0_PG : 0, 0 };
}
static struct required ia32e_cr4(const struct entry *e, unsigned arg)
{
    return (struct required){ ia32e(e) ? CR4_PAE : 0, 0 };
}
static struct required legacy_cr4(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, ia32e(e) ? 0 : CR4_PCIDE };
}
static struct required cr3_width(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, beyond_physical(e) };
}
static struct required dr7_high(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->entry & ENTRY_LOAD_DEBUG_CONTROLS ? UINT64_C(0xffffffff) << 32
                                                                      : 0 };
}
static struct required perf_global_reserved(const struct entry *e, unsigned arg)
{
    return (struct required){
        0, e->entry & ENTRY_LOAD_PERF_GLOBAL_CTRL ? e->perf_global_reserved : 0
    };
}
static bool pat(const struct entry *e, unsigned arg)
{
    return !(e->entry & ENTRY_LOAD_PAT) || pat_valid(field(e, GUEST_IA32_PAT));
}
static struct required efer_reserved_bits(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->entry & ENTRY_LOAD_EFER ? e->efer_reserved : 0 };
}
static struct required efer_lma(const struct entry *e, unsigned arg)
{
    if (!(e->entry & ENTRY_LOAD_EFER))
        return (struct required){ 0, 0 };
    return ia32e(e) ? (struct required){ EFER_LMA, 0 } : (struct required){ 0, EFER_LMA };
}
static bool efer_lme(const struct entry *e, unsigned arg)
{
    if (!(e->entry & ENTRY_LOAD_EFER) || !(field(e, GUEST_CR0) & CR0_PG))
        return true;
    uint64_t efer = field(e, GUEST_IA32_EFER);
    return !(efer & EFER_LME) == !(efer & EFER_LMA);
}
static struct required cet_needs_wp(const struct entry *e, unsigned arg)
{
    return (struct required){ field(e, GUEST_CR4) & CR4_CET ? CR0_WP : 0, 0 };
}
static struct required s_cet_reserved(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->entry & ENTRY_LOAD_CET_STATE ? e->s_cet_reserved : 0 };
}
static bool s_cet_tracking(const struct entry *e, unsigned arg)
{
    return !(e->entry & ENTRY_LOAD_CET_STATE) || ~field(e, GUEST_IA32_S_CET) & S_CET_TRACKING;
}
static bool ssp_table(const struct entry *e, unsigned arg)
{
    return !(e->entry & ENTRY_LOAD_CET_STATE) ||
           canonical(e, field(e, GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR));
}

static struct required pkrs(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->entry & ENTRY_LOAD_PKRS ? UINT64_C(0xffffffff) << 32 : 0 };
}

static struct required uinv(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->entry & ENTRY_LOAD_UINV ? 0xff00 : 0 };
}

static struct required spec_ctrl(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->entry & ENTRY_LOAD_SPEC_CTRL ? e->spec_ctrl_reserved : 0 };
}

/* ---- descriptor-table registers, RIP, RFLAGS, SSP ---- */

static struct required table_limit(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, 0xffff0000 };
}
static bool code_64(const struct entry *e)
{
    return ia32e(e) && field(e, GUEST_CS_AR_BYTES) & SEG_L;
}
static struct required rip_high(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, code_64(e) ? 0 : UINT64_C(0xffffffff) << 32 };
}
static bool rip_width(const struct entry *e, unsigned arg)
{
    return !code_64(e) || width_ok(e, field(e, GUEST_RIP));
}
static struct required ssp_aligned(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, e->entry & ENTRY_LOAD_CET_STATE ? 3 : 0 };
}
static bool ssp_width(const struct entry *e, unsigned arg)
{
    return !(e->entry & ENTRY_LOAD_CET_STATE) || width_ok(e, field(e, GUEST_SSP));
}
static struct required rflags_reserved(const struct entry *e, unsigned arg)
{
    return (struct required){ 2, ~UINT64_C(0x3fffff) | BIT(15) | BIT(5) | BIT(3) };
}
static struct required rflags_vm(const struct entry *e, unsigned arg)
{
    bool refused = ia32e(e) || !(field(e, GUEST_CR0) & CR0_PE);
    return (struct required){ 0, refused ? FLAG_VM : 0 };
}

/* ---- non-register state ---- */

static bool injects(const struct entry *e) { return field(e, VM_ENTRY_INTR_INFO_FIELD) >> 31 & 1; }
static bool injects_type(const struct entry *e, unsigned type)
{
    return injects(e) && (field(e, VM_ENTRY_INTR_INFO_FIELD) >> 8 & 7) == type;
}
static unsigned blocking(const struct entry *e)
{
    return field(e, GUEST_INTERRUPTIBILITY_INFO) & (SHADOW_STI | SHADOW_MOV_SS);
}

static struct required rflags_if(const struct entry *e, unsigned arg)
{
    return (struct required){ injects_type(e, EVENT_EXTERNAL) ? FLAG_IF : 0, 0 };
}
static bool activity_supported(const struct entry *e, unsigned arg)
{
    uint64_t a = field(e, GUEST_ACTIVITY_STATE);
    return a == ACTIVITY_ACTIVE ||
           (a <= ACTIVITY_WAIT_SIPI && e->cap[CAP_MISC] & (MISC_HLT << (a - ACTIVITY_HLT)));
}
static bool activity_hlt_privilege(const struct entry *e, unsigned arg)
{
    return field(e, GUEST_ACTIVITY_STATE) != ACTIVITY_HLT || segment_dpl(e, SS) == 0;
}
static bool activity_blocking(const struct entry *e, unsigned arg)
{
    return !blocking(e) || field(e, GUEST_ACTIVITY_STATE) == ACTIVITY_ACTIVE;
}
static bool activity_injection(const struct entry *e, unsigned arg)
{
    unsigned vector = field(e, VM_ENTRY_INTR_INFO_FIELD) & 0xff;
    if (!injects(e))
        return true;
    switch (field(e, GUEST_ACTIVITY_STATE)) {
    case ACTIVITY_HLT:
        return injects_type(e, EVENT_EXTERNAL) || injects_type(e, EVENT_NMI) ||
               injects_type(e, EVENT_OTHER) ||
               (injects_type(e, EVENT_HARDWARE) && (vector == EXC_DB || vector == EXC_MC));
    case ACTIVITY_SHUTDOWN:
        return injects_type(e, EVENT_NMI) || (injects_type(e, EVENT_HARDWARE) && vector == EXC_MC);
    case ACTIVITY_WAIT_SIPI: return false;
    default: return true;
    }
}
static struct required interruptibility_reserved(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, 0xffffffe0 | 1 << 4 };         /* bit 4 needs SGX */
}
static bool not_both_blockings(const struct entry *e, unsigned arg)
{
    return blocking(e) != (SHADOW_STI | SHADOW_MOV_SS);
}
static struct required sti_needs_if(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, field(e, GUEST_RFLAGS) & FLAG_IF ? 0 : SHADOW_STI };
}
static struct required external_blocking(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, injects_type(e, EVENT_EXTERNAL) ? SHADOW_STI | SHADOW_MOV_SS : 0 };
}
static struct required nmi_blocking(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, injects_type(e, EVENT_NMI) ? SHADOW_MOV_SS : 0 };
}
static struct required smi_blocking(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, 1 << 2 };
}
static struct required virtual_nmi_blocking(const struct entry *e, unsigned arg)
{
    bool injected = e->pin & PIN_VIRTUAL_NMIS && injects_type(e, EVENT_NMI);
    return (struct required){ 0, injected ? 1 << 3 : 0 };
}
static struct required pending_debug_reserved(const struct entry *e, unsigned arg)
{
    bool bus_locks = !(e->debugctl_reserved & DEBUGCTL_BUS_LOCK_DETECT);
    return (struct required){ 0, ~(uint64_t)PENDING_DEBUG_BITS | (bus_locks ? 0 : DR6_BLD) };
}
/* With STI or MOV-SS blocking or in HLT, BS must tell whether a single-step trap is due. */
static struct required pending_debug_step(const struct entry *e, unsigned arg)
{
    if (!blocking(e) && field(e, GUEST_ACTIVITY_STATE) != ACTIVITY_HLT)
        return (struct required){ 0, 0 };
    bool stepping = field(e, GUEST_RFLAGS) & FLAG_TF && !(field(e, GUEST_IA32_DEBUGCTL) & 2);
    return stepping ? (struct required){ BIT(14), 0 } : (struct required){ 0, BIT(14) };
}

static bool linked(const struct entry *e) { return field(e, VMCS_LINK_POINTER) != ~UINT64_C(0); }
static struct required link_address(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, linked(e) ? beyond_physical(e) | 0xfff : 0 };
}
static bool link_revision(const struct entry *e, unsigned arg)
{
    uint64_t shadow = e->proc2 & PROC2_VMCS_SHADOWING ? VMCS_SHADOW : 0;
    return !linked(e) || e->link_revision == ((e->cap[CAP_BASIC] & 0x7fffffff) | shadow);
}
static bool link_not_current(const struct entry *e, unsigned arg)
{
    return field(e, VMCS_LINK_POINTER) != e->vmcs_pointer;
}

/* PAE paging: reserved bits of a present PDPTE are 2:1, 8:5 and those beyond the width. */
static bool pdpte_reserved(const struct entry *e, unsigned arg)
{
    bool pae = !ia32e(e) && field(e, GUEST_CR0) & CR0_PG && field(e, GUEST_CR4) & CR4_PAE;
    return !pae || !(e->pdpte[arg] & 1) || !(e->pdpte[arg] & (beyond_physical(e) | 0x1e6));
}

/* ---- the tables ---- */

static const struct entry_check register_checks[] = {
    CHECK_BITS("guest_cr0_fixed", cr0_fixed, 0,
               "Guest CR0 must not set a bit that VMX operation does not "
               "support; PE and PG are free with \"unrestricted guest\".",
               GUEST_CR0),
    CHECK("guest_cr0_pg_pe", cr0_paging_needs_protection, 0, "If CR0.PG is 1, CR0.PE must be 1.",
          GUEST_CR0),
    CHECK_BITS("guest_cr4_fixed", cr4_fixed, 0,
               "Guest CR4 must not set a bit that VMX operation does not "
               "support.",
               GUEST_CR4),
    CHECK_BITS("guest_debugctl", debugctl_reserved, 0,
               "If \"load debug controls\" is 1, reserved bits of "
               "IA32_DEBUGCTL must be 0.",
               GUEST_IA32_DEBUGCTL),
    CHECK_BITS("guest_ia32e_paging", ia32e_cr0, 0,
               "If \"IA-32e mode guest\" is 1, CR0.PG must be 1.", GUEST_CR0, VM_ENTRY_CONTROLS),
    CHECK_BITS("guest_ia32e_pae", ia32e_cr4, 0, "If \"IA-32e mode guest\" is 1, CR4.PAE must be 1.",
               GUEST_CR4, VM_ENTRY_CONTROLS),
    CHECK_BITS("guest_legacy_pcide", legacy_cr4, 0,
               "If \"IA-32e mode guest\" is 0, CR4.PCIDE must be 0.", GUEST_CR4, VM_ENTRY_CONTROLS),
    CHECK_BITS("guest_cr3_width", cr3_width, 0,
               "Bits of guest CR3 beyond the physical-address width must "
               "be 0.",
               GUEST_CR3),
    CHECK_BITS("guest_dr7", dr7_high, 0,
               "If \"load debug controls\" is 1, bits 63:32 of DR7 must be 0.", GUEST_DR7),
    CHECK("guest_sysenter_esp", field_canonical, GUEST_SYSENTER_ESP,
          "Guest IA32_SYSENTER_ESP must be canonical.", GUEST_SYSENTER_ESP),
    CHECK("guest_sysenter_eip", field_canonical, GUEST_SYSENTER_EIP,
          "Guest IA32_SYSENTER_EIP must be canonical.", GUEST_SYSENTER_EIP),
    CHECK_BITS("guest_perf_global_ctrl", perf_global_reserved, 0,
               "If \"load IA32_PERF_GLOBAL_CTRL\" (entry) is 1, reserved bits of guest "
               "IA32_PERF_GLOBAL_CTRL must be 0.",
               GUEST_IA32_PERF_GLOBAL_CTRL),
    CHECK("guest_pat", pat, 0,
          "If \"load IA32_PAT\" (entry) is 1, each byte of guest IA32_PAT must be 0, "
          "1, 4, 5, 6 or 7.",
          GUEST_IA32_PAT),
    CHECK_BITS("guest_efer_reserved", efer_reserved_bits, 0,
               "If \"load IA32_EFER\" (entry) is 1, reserved "
               "bits of guest IA32_EFER must be 0.",
               GUEST_IA32_EFER),
    CHECK_BITS("guest_efer_lma", efer_lma, 0,
               "If \"load IA32_EFER\" (entry) is 1, LMA of guest IA32_EFER "
               "must equal \"IA-32e mode guest\".",
               GUEST_IA32_EFER, VM_ENTRY_CONTROLS),
    CHECK("guest_efer_lme", efer_lme, 0,
          "If \"load IA32_EFER\" (entry) and CR0.PG are 1, LME of guest "
          "IA32_EFER must equal LMA.",
          GUEST_IA32_EFER, GUEST_CR0),
    CHECK_BITS("guest_pkrs", pkrs, 0,
               "If \"load PKRS\" (entry) is 1, bits 63:32 of guest IA32_PKRS must be 0.",
               GUEST_IA32_PKRS),
    CHECK_BITS("guest_uinv", uinv, 0,
               "If \"load UINV\" (entry) is 1, bits 15:8 of guest UINV must be 0.", GUEST_UINV),
    CHECK_BITS("guest_spec_ctrl", spec_ctrl, 0,
               "If \"load IA32_SPEC_CTRL\" (entry) is 1, reserved bits of guest IA32_SPEC_CTRL must "
               "be 0.",
               GUEST_IA32_SPEC_CTRL),
    CHECK_BITS("guest_cet_wp", cet_needs_wp, 0, "If CR4.CET is 1, CR0.WP must be 1.", GUEST_CR0,
               GUEST_CR4),
    CHECK_BITS("guest_s_cet_reserved", s_cet_reserved, 0,
               "If \"load CET state\" (entry) is 1, reserved bits of guest IA32_S_CET must be 0.",
               GUEST_IA32_S_CET),
    CHECK("guest_s_cet_tracking", s_cet_tracking, 0,
          "If \"load CET state\" (entry) is 1, SUPPRESS (bit 10) and TRACKER (bit 11) of guest "
          "IA32_S_CET must not both be 1.",
          GUEST_IA32_S_CET),
    CHECK("guest_ssp_table", ssp_table, 0,
          "If \"load CET state\" (entry) is 1, guest IA32_INTERRUPT_SSP_TABLE_ADDR must be "
          "canonical.",
          GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR),
};

static const struct entry_check table_checks[] = {
    CHECK("guest_gdtr_base", field_canonical, GUEST_GDTR_BASE, "The GDTR base must be canonical.",
          GUEST_GDTR_BASE),
    CHECK("guest_idtr_base", field_canonical, GUEST_IDTR_BASE, "The IDTR base must be canonical.",
          GUEST_IDTR_BASE),
    CHECK_BITS("guest_gdtr_limit", table_limit, 0, "Bits 31:16 of the GDTR limit must be 0.",
               GUEST_GDTR_LIMIT),
    CHECK_BITS("guest_idtr_limit", table_limit, 0, "Bits 31:16 of the IDTR limit must be 0.",
               GUEST_IDTR_LIMIT),
};

static const struct entry_check rip_checks[] = {
    CHECK_BITS("guest_rip_high", rip_high, 0, "Bits 63:32 of RIP must be 0 outside 64-bit mode.",
               GUEST_RIP, GUEST_CS_AR_BYTES, VM_ENTRY_CONTROLS),
    CHECK("guest_rip_width", rip_width, 0,
          "In 64-bit mode the bits of RIP from the linear-address width "
          "up must be identical.",
          GUEST_RIP),
    CHECK_BITS("guest_rflags_reserved", rflags_reserved, 0,
               "RFLAGS bit 1 must be 1; bits 63:22, 15, 5 and "
               "3 must be 0.",
               GUEST_RFLAGS),
    CHECK_BITS("guest_rflags_vm", rflags_vm, 0,
               "RFLAGS.VM must be 0 if \"IA-32e mode guest\" is 1 or "
               "CR0.PE is 0.",
               GUEST_RFLAGS, GUEST_CR0, VM_ENTRY_CONTROLS),
    CHECK_BITS("guest_rflags_if", rflags_if, 0,
               "RFLAGS.IF must be 1 if an external interrupt is injected.", GUEST_RFLAGS,
               VM_ENTRY_INTR_INFO_FIELD),
    CHECK_BITS("guest_ssp_aligned", ssp_aligned, 0,
               "If \"load CET state\" (entry) is 1, bits 1:0 of SSP must be 0.", GUEST_SSP),
    CHECK("guest_ssp_width", ssp_width, 0,
          "If \"load CET state\" (entry) is 1, the bits of SSP from the linear-address width up "
          "must be identical.",
          GUEST_SSP),
};

static const struct entry_check nonregister_checks[] = {
    CHECK("guest_activity", activity_supported, 0,
          "The activity state must be 0 to 3 and one that "
          "IA32_VMX_MISC reports.",
          GUEST_ACTIVITY_STATE),
    CHECK("guest_activity_hlt", activity_hlt_privilege, 0,
          "The activity state must not be HLT if the DPL "
          "of SS is not 0.",
          GUEST_ACTIVITY_STATE, GUEST_SS_AR_BYTES),
    CHECK("guest_activity_blocking", activity_blocking, 0,
          "The activity state must be active if there is "
          "blocking by STI or MOV SS.",
          GUEST_ACTIVITY_STATE, GUEST_INTERRUPTIBILITY_INFO),
    CHECK("guest_activity_injection", activity_injection, 0,
          "The injected event must be one that the "
          "activity state does not block.",
          GUEST_ACTIVITY_STATE, VM_ENTRY_INTR_INFO_FIELD),
    CHECK_BITS("guest_interruptibility_reserved", interruptibility_reserved, 0,
               "Reserved bits (31:4) of "
               "the interruptibility state must be 0.",
               GUEST_INTERRUPTIBILITY_INFO),
    CHECK("guest_sti_and_mov_ss", not_both_blockings, 0,
          "There must not be blocking by STI and by MOV SS "
          "at once.",
          GUEST_INTERRUPTIBILITY_INFO),
    CHECK_BITS("guest_sti_needs_if", sti_needs_if, 0,
               "Blocking by STI must be 0 if RFLAGS.IF is 0.", GUEST_INTERRUPTIBILITY_INFO,
               GUEST_RFLAGS),
    CHECK_BITS("guest_external_blocking", external_blocking, 0,
               "Blocking by STI and by MOV SS must be 0 "
               "if an external interrupt is injected.",
               GUEST_INTERRUPTIBILITY_INFO, VM_ENTRY_INTR_INFO_FIELD),
    CHECK_BITS("guest_nmi_blocking", nmi_blocking, 0,
               "Blocking by MOV SS must be 0 if an NMI is injected.", GUEST_INTERRUPTIBILITY_INFO,
               VM_ENTRY_INTR_INFO_FIELD),
    CHECK_BITS("guest_smi_blocking", smi_blocking, 0, "Blocking by SMI must be 0 outside SMM.",
               GUEST_INTERRUPTIBILITY_INFO),
    CHECK_BITS("guest_virtual_nmi_blocking", virtual_nmi_blocking, 0,
               "With \"virtual NMIs\", blocking by "
               "NMI must be 0 if an NMI is injected.",
               GUEST_INTERRUPTIBILITY_INFO, VM_ENTRY_INTR_INFO_FIELD),
    CHECK_BITS("guest_pending_debug_reserved", pending_debug_reserved, 0,
               "Bits 10:4, 13 and 63:15 of the pending debug "
               "exceptions must be 0, and bit 11 without bus-lock detection.",
               GUEST_PENDING_DBG_EXCEPTIONS),
    CHECK_BITS("guest_pending_debug_bs", pending_debug_step, 0,
               "With blocking by STI or MOV SS, or in HLT, "
               "BS must be 1 exactly if RFLAGS.TF is 1 and IA32_DEBUGCTL.BTF is 0.",
               GUEST_PENDING_DBG_EXCEPTIONS, GUEST_RFLAGS, GUEST_IA32_DEBUGCTL,
               GUEST_INTERRUPTIBILITY_INFO),
};

static const struct entry_check link_checks[] = {
    CHECK_BITS("guest_link_address", link_address, 0,
               "A VMCS link pointer other than all ones must be "
               "4-KByte aligned and within the physical-address width.",
               VMCS_LINK_POINTER),
    CHECK("guest_link_revision", link_revision, 0,
          "The VMCS that is linked must begin with the "
          "processor's VMCS revision identifier.",
          VMCS_LINK_POINTER),
    CHECK("guest_link_not_current", link_not_current, 0,
          "The VMCS link pointer must not be the current "
          "VMCS.",
          VMCS_LINK_POINTER),
};

#define PDPTE(n)                                                                                   \
    CHECK("guest_pdpte" #n, pdpte_reserved, n,                                                     \
          "With PAE paging, reserved bits of PDPTE" #n " must be 0 if it is present.", GUEST_CR3,  \
          GUEST_PDPTE##n)
static const struct entry_check pdpte_checks[] = { PDPTE(0), PDPTE(1), PDPTE(2), PDPTE(3) };
#undef PDPTE

static const struct check_section sections[] = {
    SECTION("26.3.1.1", "Checks on Guest Control Registers, Debug Registers, and MSRs",
            register_checks, DIRTY_REGISTERS, 0),
    { "26.3.1.2", "Checks on Guest Segment Registers", segment_checks, SEGMENT_CHECKS,
      DIRTY_SEGMENTS, 0 },
    SECTION("26.3.1.3", "Checks on Guest Descriptor-Table Registers", table_checks, DIRTY_SEGMENTS,
            0),
    SECTION("26.3.1.4", "Checks on Guest RIP, RFLAGS, and SSP", rip_checks,
            DIRTY_RIP | DIRTY_INJECTION, 0),
    SECTION("26.3.1.5", "Checks on Guest Non-Register State", nonregister_checks,
            DIRTY_NONREGISTER | DIRTY_INJECTION, 0),
    SECTION("26.3.1.5", "Checks on Guest Non-Register State", link_checks, DIRTY_ALWAYS, 4),
    SECTION("26.3.1.6", "Checks on Guest Page-Directory-Pointer-Table Entries", pdpte_checks,
            DIRTY_ALWAYS, 2),
};
const struct check_table guest_checks = { sections, ARRAY_SIZE(sections), ENTRY_FAIL_GUEST };
