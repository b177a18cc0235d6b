// SPDX-License-Identifier: Apache-2.0
// One case for each VM-entry check: it breaks that check and no other one.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cpu/state.h"
#include "vmx/entry.h"

enum base { BASE_64, BASE_32, BASE_V86 };   /* the guest's mode; hosts have 64, 32 and 64 bits */

struct fixture {
    struct cpu_model model;
    struct vmcs v;
    struct entry e;
};

/* ---- a VMCS that passes every check ---- */

static void set(struct fixture *x, enum vmcs_field f, uint64_t value) { x->v.f[f] = value; }

static void base_controls(struct fixture *x)
{
    const uint64_t *cap = x->model.vmx_capability;
    set(x, PIN_BASED_VM_EXEC_CONTROL, vmx_allowed0(cap, WORD_PIN) | PIN_EXTERNAL_INTERRUPT_EXITING |
        PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER);
    set(x, CPU_BASED_VM_EXEC_CONTROL, vmx_allowed0(cap, WORD_PROC) | PROC_USE_TPR_SHADOW |
        PROC_USE_IO_BITMAPS | PROC_USE_MSR_BITMAPS | PROC_SECONDARY_CONTROLS);
    set(x, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_EPT | PROC2_ENABLE_VPID);
    set(x, VM_EXIT_CONTROLS,
        vmx_allowed0(cap, WORD_EXIT) | EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_LOAD_PAT |
            EXIT_LOAD_EFER | EXIT_LOAD_PKRS | EXIT_SAVE_PREEMPTION_TIMER |
            EXIT_LOAD_CET_STATE);
    set(x, VM_ENTRY_CONTROLS, vmx_allowed0(cap, WORD_ENTRY) | ENTRY_IA32E_MODE_GUEST |
        ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER | ENTRY_LOAD_PKRS |
        ENTRY_LOAD_CET_STATE);
    set(x, VIRTUAL_PROCESSOR_ID, 1);
    set(x, EPT_POINTER, 0x1000 | 3 << 3 | 6);
    set(x, VMCS_LINK_POINTER, ~UINT64_C(0));
}

static void base_host(struct fixture *x)
{
    set(x, HOST_CR0, CR0_PE | CR0_NE | CR0_PG);
    set(x, HOST_CR4, CR4_VMXE | CR4_PAE);
    set(x, HOST_IA32_PAT, UINT64_C(0x0007040600070406));
    set(x, HOST_IA32_EFER, EFER_LMA | EFER_LME);
    set(x, HOST_CS_SELECTOR, 8);
    set(x, HOST_SS_SELECTOR, 16);
    set(x, HOST_TR_SELECTOR, 24);
}

static void base_guest(struct fixture *x)
{
    set(x, GUEST_CR0, CR0_PE | CR0_NE | CR0_PG);
    set(x, GUEST_CR4, CR4_VMXE | CR4_PAE);
    set(x, GUEST_DR7, 0x400);
    set(x, GUEST_RFLAGS, 2 | FLAG_IF);
    set(x, GUEST_IA32_PAT, UINT64_C(0x0007040600070406));
    set(x, GUEST_IA32_EFER, EFER_LMA | EFER_LME);
    for (unsigned s = ES; s <= GS; s++) {
        set(x, GUEST_ES_SELECTOR + s, 16);
        set(x, GUEST_ES_LIMIT + s, 0xffffffff);
        set(x, GUEST_ES_AR_BYTES + s, 0xc093);
    }
    set(x, GUEST_CS_SELECTOR, 8);
    set(x, GUEST_CS_AR_BYTES, 0xa09b);
    set(x, GUEST_LDTR_SELECTOR, 32);
    set(x, GUEST_LDTR_AR_BYTES, 0x82);
    set(x, GUEST_TR_SELECTOR, 40);
    set(x, GUEST_TR_LIMIT, 0x67);
    set(x, GUEST_TR_AR_BYTES, 0x8b);
}

static void make_32(struct fixture *x)
{
    x->v.f[VM_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_IA32E_MODE_GUEST;
    x->v.f[VM_EXIT_CONTROLS] &= ~(uint64_t)EXIT_HOST_ADDRESS_SPACE_SIZE;
    set(x, HOST_IA32_EFER, 0);
    set(x, GUEST_IA32_EFER, 0);
    set(x, GUEST_CS_AR_BYTES, 0xc09b);
    x->e.long_mode = false;
}

static void make_v86(struct fixture *x)
{
    x->v.f[VM_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_IA32E_MODE_GUEST;
    set(x, GUEST_IA32_EFER, 0);
    set(x, GUEST_RFLAGS, 2 | FLAG_IF | FLAG_VM);
    for (unsigned s = ES; s <= GS; s++) {
        set(x, GUEST_ES_SELECTOR + s, 0x1000);
        set(x, GUEST_ES_BASE + s, 0x10000);
        set(x, GUEST_ES_LIMIT + s, 0xffff);
        set(x, GUEST_ES_AR_BYTES + s, 0xf3);
    }
}

static void valid_entry(struct fixture *x, enum base base)
{
    memset(x, 0, sizeof *x);
    strcpy(x->model.name, "max");
    memset(x->model.features, 1, sizeof x->model.features);
    vmx_model_capabilities(&x->model);
    x->e =
        (struct entry){ .v = &x->v,
                        .cap = x->model.vmx_capability,
                        .physical_bits = 39,
                        .linear_bits = 48,
                        .long_mode = true,
                        .vmcs_pointer = 0x4000,
                        .link_revision = VMCS_REVISION,
                        .debugctl_reserved = ~UINT64_C(3),
                        .perf_global_reserved = ~UINT64_C(0x7000000ff),
                        .spec_ctrl_reserved = ~UINT64_C(7),
                        .s_cet_reserved = 0x3c0,
                        .efer_reserved = ~(uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE) };
    base_controls(x);
    base_host(x);
    base_guest(x);
    if (base == BASE_32)
        make_32(x);
    else if (base == BASE_V86)
        make_v86(x);
}

static void refresh(struct fixture *x)
{
    x->e.pin = (uint32_t)x->v.f[PIN_BASED_VM_EXEC_CONTROL];
    x->e.proc = (uint32_t)x->v.f[CPU_BASED_VM_EXEC_CONTROL];
    x->e.proc2 =
        x->e.proc & PROC_SECONDARY_CONTROLS ? (uint32_t)x->v.f[SECONDARY_VM_EXEC_CONTROL] : 0;
    x->e.proc3 = x->e.proc & PROC_TERTIARY_CONTROLS ? x->v.f[TERTIARY_VM_EXEC_CONTROL] : 0;
    x->e.exit = (uint32_t)x->v.f[VM_EXIT_CONTROLS];
    x->e.exit2 = x->e.exit & EXIT_SECONDARY_CONTROLS ? x->v.f[SECONDARY_VM_EXIT_CONTROLS] : 0;
    x->e.entry = (uint32_t)x->v.f[VM_ENTRY_CONTROLS];
}

/* ---- the cases ---- */

struct change { enum { END, XOR, SET } how; enum vmcs_field field; uint64_t value; };
struct check_case {
    const char *id;
    enum base base;
    struct change change[6];
    void (*more)(struct fixture *x);
    const char *companion;          /* a check that cannot hold when this one is broken */
};

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"   /* a case names what it has */

#define S(f, v) { SET, f, v }
#define X(f, v) { XOR, f, v }
#define HIGH BIT(47)                /* not canonical */
#define INFO(v) S(VM_ENTRY_INTR_INFO_FIELD, 0x80000000 | (v))

static void no_ept_flags(struct fixture *x)
{
    x->model.vmx_capability[CAP_EPT_VPID] &= ~EPT_CAP_AD;
}
static void no_shadow_control(struct fixture *x)
{
    x->model.vmx_capability[CAP_EPT_VPID] &= ~EPT_CAP_SHADOW_STACK;
}
static void no_free_error_codes(struct fixture *x)
{
    x->model.vmx_capability[CAP_BASIC] &= ~BASIC_ANY_ERROR_CODE;
}
static void long_mode(struct fixture *x) { x->e.long_mode = true; }
static void legacy_mode(struct fixture *x) { x->e.long_mode = false; }
static void wrong_revision(struct fixture *x) { x->e.link_revision = 0; }
static void pdpte0(struct fixture *x) { x->e.pdpte[0] = 3; }
static void pdpte1(struct fixture *x) { x->e.pdpte[1] = 3; }
static void pdpte2(struct fixture *x) { x->e.pdpte[2] = 1 | 1 << 5; }
static void pdpte3(struct fixture *x) { x->e.pdpte[3] = 1 | BIT(50); }

#define UNRESTRICTED X(SECONDARY_VM_EXEC_CONTROL, 1 << 7)
#define V86_CASES(lower, name) \
    { "guest_v86_" lower "_base", BASE_V86, { S(GUEST_##name##_BASE, 0x10010) } }, \
    { "guest_v86_" lower "_limit", BASE_V86, { S(GUEST_##name##_LIMIT, 0xfffe) } }, \
    { "guest_v86_" lower "_access", BASE_V86, { S(GUEST_##name##_AR_BYTES, 0xf7) } }
#define RIGHTS_CASES(lower, name) \
    { "guest_" lower "_s", BASE_64, { X(GUEST_##name##_AR_BYTES, 0x10) } }, \
    { "guest_" lower "_present", BASE_64, { X(GUEST_##name##_AR_BYTES, 0x80) } }, \
    { "guest_" lower "_reserved", BASE_64, { X(GUEST_##name##_AR_BYTES, 0x100) } }
#define LIMIT_CASES(lower, name) \
    { "guest_" lower "_g_low", BASE_64, { S(GUEST_##name##_LIMIT, 0xfff00000) } }, \
    { "guest_" lower "_g_high", BASE_64, { X(GUEST_##name##_AR_BYTES, SEG_G) } }
#define SYSTEM_LIMIT_CASES(lower, name)                                                            \
    { "guest_" lower "_g_low",                                                                     \
      BASE_64,                                                                                     \
      { S(GUEST_##name##_LIMIT, 0x67), X(GUEST_##name##_AR_BYTES, SEG_G) } },                      \
    {                                                                                              \
        "guest_" lower "_g_high", BASE_64, { S(GUEST_##name##_LIMIT, 0x100067) }                   \
    }
#define DATA_CASES(lower, name) \
    { "guest_" lower "_type", BASE_64, { S(GUEST_##name##_AR_BYTES, 0xc092) } }, \
    { "guest_" lower "_dpl", BASE_64, { X(GUEST_##name##_SELECTOR, 3) } }

#define POSTING                                                                                    \
    X(PIN_BASED_VM_EXEC_CONTROL, 1 << 7), X(SECONDARY_VM_EXEC_CONTROL, 1 << 9),                    \
        X(VM_EXIT_CONTROLS, 1 << 15)

#define TERTIARY(bits) X(CPU_BASED_VM_EXEC_CONTROL, 1 << 17), S(TERTIARY_VM_EXEC_CONTROL, bits)
#define SENDING TERTIARY(1 << 4)
#define TIMING TERTIARY(1 << 8)

static const struct check_case cases[] = {
    { "ctl_pin_reserved", BASE_64, { X(PIN_BASED_VM_EXEC_CONTROL, 1 << 8) } },
    { "ctl_proc_reserved", BASE_64, { X(CPU_BASED_VM_EXEC_CONTROL, 1 << 0) } },
    { "ctl_proc2_reserved", BASE_64, { X(SECONDARY_VM_EXEC_CONTROL, UINT32_C(1) << 29) } },
    { "ctl_proc3_reserved",
      BASE_64,
      { X(CPU_BASED_VM_EXEC_CONTROL, 1 << 17), S(TERTIARY_VM_EXEC_CONTROL, BIT(32)) } },
    { "ctl_cr3_target_count", BASE_64, { S(CR3_TARGET_COUNT, 5) } },
    { "ctl_io_bitmap_a", BASE_64, { S(IO_BITMAP_A, 0x1800) } },
    { "ctl_io_bitmap_b", BASE_64, { S(IO_BITMAP_B, BIT(39)) } },
    { "ctl_msr_bitmap", BASE_64, { S(MSR_BITMAP, 1) } },
    { "ctl_virtual_apic_page", BASE_64, { S(VIRTUAL_APIC_PAGE_ADDR, 0x10) } },
    { "ctl_tpr_threshold_reserved", BASE_64, { S(TPR_THRESHOLD, 0x10) } },
    { "ctl_tpr_threshold_vtpr", BASE_64, { S(TPR_THRESHOLD, 5) } },
    { "ctl_apic_access_address",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 0), S(APIC_ACCESS_ADDR, BIT(39)) } },
    { "ctl_apic_needs_tpr_shadow",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 8), X(CPU_BASED_VM_EXEC_CONTROL, 1 << 21) } },
    { "ctl_one_apic_mode", BASE_64, { X(SECONDARY_VM_EXEC_CONTROL, 1 << 0 | 1 << 4) } },
    { "ctl_delivery_needs_exiting",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 9), X(PIN_BASED_VM_EXEC_CONTROL, 1 << 0) } },
    { "ctl_posting_needs_delivery",
      BASE_64,
      { X(PIN_BASED_VM_EXEC_CONTROL, 1 << 7), X(VM_EXIT_CONTROLS, 1 << 15) } },
    { "ctl_posting_needs_acknowledge",
      BASE_64,
      { X(PIN_BASED_VM_EXEC_CONTROL, 1 << 7), X(SECONDARY_VM_EXEC_CONTROL, 1 << 9) } },
    { "ctl_posting_vector", BASE_64, { POSTING, S(POSTED_INTR_NV, 0x100) } },
    { "ctl_posting_descriptor", BASE_64, { POSTING, S(POSTED_INTR_DESC_ADDR, 0x20) } },
    { "ctl_ipi_needs_tpr_shadow", BASE_64, { SENDING, X(CPU_BASED_VM_EXEC_CONTROL, 1 << 21) } },
    { "ctl_pid_table", BASE_64, { SENDING, S(PID_POINTER_TABLE, 4) } },
    { "ctl_pid_table_end",
      BASE_64,
      { SENDING, S(PID_POINTER_TABLE, BIT(39) - 8), S(LAST_PID_POINTER_INDEX, 1) } },
    { "ctl_apic_timer_needs_delivery", BASE_64, { TIMING } },
    { "ctl_apic_timer_needs_rdtsc",
      BASE_64,
      { X(CPU_BASED_VM_EXEC_CONTROL, 1 << 17 | 1 << 12), S(TERTIARY_VM_EXEC_CONTROL, 1 << 8),
        X(SECONDARY_VM_EXEC_CONTROL, 1 << 9) } },
    { "ctl_virtual_timer_vector",
      BASE_64,
      { TIMING, X(SECONDARY_VM_EXEC_CONTROL, 1 << 9), S(VIRTUAL_TIMER_VECTOR, 0x100) } },
    { "ctl_vnmi_needs_nmi_exiting", BASE_64, { X(PIN_BASED_VM_EXEC_CONTROL, 1 << 3) } },
    { "ctl_nmi_window_needs_vnmi",
      BASE_64,
      { X(PIN_BASED_VM_EXEC_CONTROL, 1 << 5), X(CPU_BASED_VM_EXEC_CONTROL, 1 << 22) } },
    { "ctl_vpid_not_zero", BASE_64, { S(VIRTUAL_PROCESSOR_ID, 0) } },
    { "ctl_eptp_memory_type", BASE_64, { S(EPT_POINTER, 3 << 3 | 1) } },
    { "ctl_eptp_walk_length", BASE_64, { S(EPT_POINTER, 2 << 3 | 6) } },
    { "ctl_eptp_accessed_dirty", BASE_64, { X(EPT_POINTER, 1 << 6) }, no_ept_flags },
    { "ctl_eptp_shadow_stack", BASE_64, { X(EPT_POINTER, 1 << 7) }, no_shadow_control },
    { "ctl_eptp_reserved", BASE_64, { X(EPT_POINTER, 1 << 8) } },
    { "ctl_pml_needs_ept", BASE_64, { X(SECONDARY_VM_EXEC_CONTROL, 1 << 17 | 1 << 1) } },
    { "ctl_pml_address", BASE_64, { X(SECONDARY_VM_EXEC_CONTROL, 1 << 17), S(PML_ADDRESS, 8) } },
    { "ctl_mbec_needs_ept", BASE_64, { X(SECONDARY_VM_EXEC_CONTROL, 1 << 22 | 1 << 1) } },
    { "ctl_hlat_needs_ept", BASE_64, { TERTIARY(1 << 1), X(SECONDARY_VM_EXEC_CONTROL, 1 << 1) } },
    { "ctl_paging_write_needs_ept",
      BASE_64,
      { TERTIARY(1 << 2), X(SECONDARY_VM_EXEC_CONTROL, 1 << 1) } },
    { "ctl_verification_needs_ept",
      BASE_64,
      { TERTIARY(1 << 3), X(SECONDARY_VM_EXEC_CONTROL, 1 << 1) } },
    { "ctl_vm_functions",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 13), S(VM_FUNCTION_CONTROL, 2) } },
    { "ctl_spp_needs_ept", BASE_64, { X(SECONDARY_VM_EXEC_CONTROL, 1 << 23 | 1 << 1) } },
    { "ctl_spp_table",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 23), S(SPPT_POINTER, BIT(39)) } },
    { "ctl_eptp_switching_needs_ept",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 13 | 1 << 1), S(VM_FUNCTION_CONTROL, 1) } },
    { "ctl_eptp_list",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 13), S(VM_FUNCTION_CONTROL, 1),
        S(EPTP_LIST_ADDRESS, BIT(39)) } },
    { "ctl_vmread_bitmap",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 14), S(VMREAD_BITMAP, 0x800) } },
    { "ctl_vmwrite_bitmap",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 14), S(VMWRITE_BITMAP, 0x800) } },
    { "ctl_ve_address",
      BASE_64,
      { X(SECONDARY_VM_EXEC_CONTROL, 1 << 18), S(VIRT_EXCEPTION_INFO, 0x40) } },
    { "ctl_hlat_pointer", BASE_64, { TERTIARY(1 << 1), S(HLAT_POINTER, BIT(39)) } },
    { "ctl_tsc_multiplier", BASE_64, { X(SECONDARY_VM_EXEC_CONTROL, 1 << 25) } },
    { "ctl_unrestricted_needs_ept", BASE_64, { X(SECONDARY_VM_EXEC_CONTROL, 1 << 7 | 1 << 1) } },
    { "exit_reserved", BASE_64, { X(VM_EXIT_CONTROLS, 1 << 25) } },
    { "exit2_reserved",
      BASE_64,
      { X(VM_EXIT_CONTROLS, BIT(31)), S(SECONDARY_VM_EXIT_CONTROLS, BIT(40)) } },
    { "exit_save_timer", BASE_64, { X(PIN_BASED_VM_EXEC_CONTROL, 1 << 6) } },
    { "exit_msr_store_address",
      BASE_64,
      { S(VM_EXIT_MSR_STORE_COUNT, 1), S(VM_EXIT_MSR_STORE_ADDR, 8) } },
    { "exit_msr_store_end",
      BASE_64,
      { S(VM_EXIT_MSR_STORE_COUNT, 2), S(VM_EXIT_MSR_STORE_ADDR, BIT(39) - 16) } },
    { "exit_msr_load_address",
      BASE_64,
      { S(VM_EXIT_MSR_LOAD_COUNT, 1), S(VM_EXIT_MSR_LOAD_ADDR, 8) } },
    { "exit_msr_load_end",
      BASE_64,
      { S(VM_EXIT_MSR_LOAD_COUNT, 2), S(VM_EXIT_MSR_LOAD_ADDR, BIT(39) - 16) } },
    { "entry_reserved", BASE_64, { X(VM_ENTRY_CONTROLS, 1 << 10) } },
    { "entry_msr_load_address",
      BASE_64,
      { S(VM_ENTRY_MSR_LOAD_COUNT, 1), S(VM_ENTRY_MSR_LOAD_ADDR, 8) } },
    { "entry_msr_load_end",
      BASE_64,
      { S(VM_ENTRY_MSR_LOAD_COUNT, 2), S(VM_ENTRY_MSR_LOAD_ADDR, BIT(39) - 16) } },
    { "inject_type", BASE_64, { INFO(1 << 8 | 0x20) } },
    { "inject_vector", BASE_64, { INFO(3 << 8 | 32) } },
    { "inject_error_code_bit", BASE_64, { INFO(3 << 8 | 13) }, no_free_error_codes },
    { "inject_reserved", BASE_64, { INFO(1 << 12 | 0x20) } },
    { "inject_error_code",
      BASE_64,
      { INFO(1 << 11 | 3 << 8 | 13), S(VM_ENTRY_EXCEPTION_ERROR_CODE, 0x10000) } },
    { "inject_length", BASE_64, { INFO(4 << 8 | 0x80), S(VM_ENTRY_INSTRUCTION_LEN, 16) } },

    { "host_cr0_fixed", BASE_64, { X(HOST_CR0, CR0_NE) } },
    { "host_cr4_fixed", BASE_64, { X(HOST_CR4, CR4_VMXE) } },
    { "host_cr3_width", BASE_64, { S(HOST_CR3, BIT(50)) } },
    { "host_sysenter_esp", BASE_64, { S(HOST_IA32_SYSENTER_ESP, HIGH) } },
    { "host_sysenter_eip", BASE_64, { S(HOST_IA32_SYSENTER_EIP, HIGH) } },
    { "host_perf_global_ctrl", BASE_64, { X(VM_EXIT_CONTROLS, 1 << 12),
                                          S(HOST_IA32_PERF_GLOBAL_CTRL, 1 << 8) } },
    { "host_pat", BASE_64, { S(HOST_IA32_PAT, 2) } },
    { "host_efer_reserved", BASE_64, { X(HOST_IA32_EFER, 2) } },
    { "host_efer_lma", BASE_64, { X(HOST_IA32_EFER, EFER_LMA) } },
    { "host_efer_lme", BASE_64, { X(HOST_IA32_EFER, EFER_LME) } },
    { "host_pkrs", BASE_64, { X(HOST_IA32_PKRS, HIGH) } },
    { "host_spec_ctrl",
      BASE_64,
      { X(VM_EXIT_CONTROLS, BIT(31)), S(SECONDARY_VM_EXIT_CONTROLS, 1 << 2),
        S(HOST_IA32_SPEC_CTRL, 1 << 3) } },
    { "host_cet_wp", BASE_64, { X(HOST_CR4, CR4_CET) } },
    { "host_s_cet_reserved", BASE_64, { S(HOST_IA32_S_CET, 1 << 6) } },
    { "host_s_cet_tracking", BASE_64, { S(HOST_IA32_S_CET, 3 << 10) } },
    { "host_ssp_aligned", BASE_64, { S(HOST_SSP, 2) } },
    { "host_ssp_table", BASE_64, { S(HOST_IA32_INTERRUPT_SSP_TABLE_ADDR, HIGH) } },
    { "host_es_rpl_ti", BASE_64, { X(HOST_ES_SELECTOR, 4) } },
    { "host_cs_rpl_ti", BASE_64, { X(HOST_CS_SELECTOR, 1) } },
    { "host_ss_rpl_ti", BASE_64, { X(HOST_SS_SELECTOR, 2) } },
    { "host_ds_rpl_ti", BASE_64, { X(HOST_DS_SELECTOR, 3) } },
    { "host_fs_rpl_ti", BASE_64, { X(HOST_FS_SELECTOR, 4) } },
    { "host_gs_rpl_ti", BASE_64, { X(HOST_GS_SELECTOR, 7) } },
    { "host_tr_rpl_ti", BASE_64, { X(HOST_TR_SELECTOR, 4) } },
    { "host_cs_not_null", BASE_64, { S(HOST_CS_SELECTOR, 0) } },
    { "host_tr_not_null", BASE_64, { S(HOST_TR_SELECTOR, 0) } },
    { "host_ss_not_null", BASE_32, { S(HOST_SS_SELECTOR, 0) } },
    { "host_fs_base", BASE_64, { S(HOST_FS_BASE, HIGH) } },
    { "host_gs_base", BASE_64, { S(HOST_GS_BASE, HIGH) } },
    { "host_gdtr_base", BASE_64, { S(HOST_GDTR_BASE, HIGH) } },
    { "host_idtr_base", BASE_64, { S(HOST_IDTR_BASE, HIGH) } },
    { "host_tr_base", BASE_64, { S(HOST_TR_BASE, HIGH) } },
    { "host_long_mode", BASE_32, { { END } }, long_mode },
    { "host_legacy_mode", BASE_64, { { END } }, legacy_mode },
    { "host_32_guest_64",
      BASE_32,
      { X(VM_ENTRY_CONTROLS, 1 << 9 | 1 << 15) },
      NULL,
      "host_legacy_mode" },
    { "host_32_pcide", BASE_32, { X(HOST_CR4, CR4_PCIDE) } },
    { "host_32_rip", BASE_32, { S(HOST_RIP, BIT(32)) } },
    { "host_64_pae", BASE_64, { X(HOST_CR4, CR4_PAE) } },
    { "host_64_rip", BASE_64, { S(HOST_RIP, HIGH) } },
    { "host_32_s_cet", BASE_32, { S(HOST_IA32_S_CET, BIT(32)) } },
    { "host_32_ssp", BASE_32, { S(HOST_SSP, BIT(32)) } },
    { "host_64_s_cet", BASE_64, { S(HOST_IA32_S_CET, HIGH) } },
    { "host_64_ssp", BASE_64, { S(HOST_SSP, HIGH) } },

    { "guest_cr0_fixed", BASE_64, { X(GUEST_CR0, CR0_NE) } },
    { "guest_cr0_pg_pe", BASE_64, { UNRESTRICTED, X(GUEST_CR0, CR0_PE) } },
    { "guest_cr4_fixed", BASE_64, { X(GUEST_CR4, BIT(26)) } },
    { "guest_debugctl", BASE_64, { S(GUEST_IA32_DEBUGCTL, 1 << 2) } },
    { "guest_ia32e_paging", BASE_64, { UNRESTRICTED, X(GUEST_CR0, CR0_PG) } },
    { "guest_ia32e_pae", BASE_64, { X(GUEST_CR4, CR4_PAE) } },
    { "guest_legacy_pcide", BASE_32, { X(GUEST_CR4, CR4_PCIDE) } },
    { "guest_cr3_width", BASE_64, { S(GUEST_CR3, BIT(50)) } },
    { "guest_dr7", BASE_64, { S(GUEST_DR7, BIT(40)) } },
    { "guest_sysenter_esp", BASE_64, { S(GUEST_SYSENTER_ESP, HIGH) } },
    { "guest_sysenter_eip", BASE_64, { S(GUEST_SYSENTER_EIP, HIGH) } },
    { "guest_perf_global_ctrl", BASE_64, { X(VM_ENTRY_CONTROLS, 1 << 13),
                                           S(GUEST_IA32_PERF_GLOBAL_CTRL, BIT(35)) } },
    { "guest_pat", BASE_64, { S(GUEST_IA32_PAT, 3) } },
    { "guest_efer_reserved", BASE_64, { X(GUEST_IA32_EFER, 2) } },
    { "guest_efer_lma", BASE_64, { S(GUEST_IA32_EFER, 0) } },
    { "guest_efer_lme", BASE_64, { X(GUEST_IA32_EFER, EFER_LME) } },
    { "guest_pkrs", BASE_64, { X(GUEST_IA32_PKRS, HIGH) } },
    { "guest_uinv", BASE_64, { X(VM_ENTRY_CONTROLS, 1 << 19), S(GUEST_UINV, 0x100) } },
    { "guest_spec_ctrl",
      BASE_64,
      { X(VM_ENTRY_CONTROLS, 1 << 24), S(GUEST_IA32_SPEC_CTRL, BIT(63)) } },
    { "guest_cet_wp", BASE_64, { X(GUEST_CR4, CR4_CET) } },
    { "guest_s_cet_reserved", BASE_64, { S(GUEST_IA32_S_CET, 1 << 9) } },
    { "guest_s_cet_tracking", BASE_64, { S(GUEST_IA32_S_CET, 3 << 10) } },
    { "guest_ssp_table", BASE_64, { S(GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR, HIGH) } },
    { "guest_tr_ti", BASE_64, { X(GUEST_TR_SELECTOR, 4) } },
    { "guest_ldtr_ti", BASE_64, { X(GUEST_LDTR_SELECTOR, 4) } },
    { "guest_ss_rpl", BASE_64, { X(GUEST_CS_SELECTOR, 1) } },
    V86_CASES("cs", CS),
    V86_CASES("ss", SS),
    V86_CASES("ds", DS),
    V86_CASES("es", ES),
    V86_CASES("fs", FS),
    V86_CASES("gs", GS),
    { "guest_tr_base", BASE_64, { S(GUEST_TR_BASE, HIGH) } },
    { "guest_fs_base", BASE_64, { S(GUEST_FS_BASE, HIGH) } },
    { "guest_gs_base", BASE_64, { S(GUEST_GS_BASE, HIGH) } },
    { "guest_ldtr_base", BASE_64, { S(GUEST_LDTR_BASE, HIGH) } },
    { "guest_cs_base_high", BASE_64, { S(GUEST_CS_BASE, BIT(32)) } },
    { "guest_ss_base_high", BASE_64, { S(GUEST_SS_BASE, BIT(32)) } },
    { "guest_ds_base_high", BASE_64, { S(GUEST_DS_BASE, BIT(32)) } },
    { "guest_es_base_high", BASE_64, { S(GUEST_ES_BASE, BIT(32)) } },
    { "guest_cs_type", BASE_64, { S(GUEST_CS_AR_BYTES, 0xa098) } },
    { "guest_ss_type", BASE_64, { S(GUEST_SS_AR_BYTES, 0xc091) } },
    DATA_CASES("ds", DS),
    DATA_CASES("es", ES),
    DATA_CASES("fs", FS),
    DATA_CASES("gs", GS),
    { "guest_cs_dpl", BASE_64, { S(GUEST_CS_AR_BYTES, 0xa0bb) } },
    { "guest_ss_dpl_rpl", BASE_64, { S(GUEST_CS_AR_BYTES, 0xa09f), S(GUEST_SS_AR_BYTES, 0xc0b3) } },
    { "guest_ss_dpl_zero",
      BASE_64,
      { UNRESTRICTED, S(GUEST_CS_AR_BYTES, 0xa093), S(GUEST_SS_AR_BYTES, 0xc0b3) } },
    RIGHTS_CASES("cs", CS),
    RIGHTS_CASES("ss", SS),
    RIGHTS_CASES("ds", DS),
    RIGHTS_CASES("es", ES),
    RIGHTS_CASES("fs", FS),
    RIGHTS_CASES("gs", GS),
    RIGHTS_CASES("tr", TR),
    RIGHTS_CASES("ldtr", LDTR),
    LIMIT_CASES("cs", CS),
    LIMIT_CASES("ss", SS),
    LIMIT_CASES("ds", DS),
    LIMIT_CASES("es", ES),
    LIMIT_CASES("fs", FS),
    LIMIT_CASES("gs", GS),
    SYSTEM_LIMIT_CASES("tr", TR),
    SYSTEM_LIMIT_CASES("ldtr", LDTR),
    { "guest_cs_db", BASE_64, { X(GUEST_CS_AR_BYTES, SEG_DB) } },
    { "guest_tr_type", BASE_64, { S(GUEST_TR_AR_BYTES, 0x83) } },
    { "guest_tr_usable", BASE_64, { X(GUEST_TR_AR_BYTES, SEG_UNUSABLE) } },
    { "guest_ldtr_type", BASE_64, { S(GUEST_LDTR_AR_BYTES, 0x83) } },
    { "guest_gdtr_base", BASE_64, { S(GUEST_GDTR_BASE, HIGH) } },
    { "guest_idtr_base", BASE_64, { S(GUEST_IDTR_BASE, HIGH) } },
    { "guest_gdtr_limit", BASE_64, { S(GUEST_GDTR_LIMIT, 0x10000) } },
    { "guest_idtr_limit", BASE_64, { S(GUEST_IDTR_LIMIT, 0x10000) } },
    { "guest_rip_high", BASE_32, { S(GUEST_RIP, BIT(32)) } },
    { "guest_rip_width", BASE_64, { S(GUEST_RIP, BIT(48)) } },
    { "guest_rflags_reserved", BASE_64, { X(GUEST_RFLAGS, 2) } },
    { "guest_rflags_vm", BASE_V86, { UNRESTRICTED, X(GUEST_CR0, CR0_PE | CR0_PG) } },
    { "guest_rflags_if", BASE_64, { INFO(0x20), S(GUEST_RFLAGS, 2) } },
    { "guest_ssp_aligned", BASE_64, { S(GUEST_SSP, 1) } },
    { "guest_ssp_width", BASE_64, { S(GUEST_SSP, BIT(48)) } },
    { "guest_activity", BASE_64, { S(GUEST_ACTIVITY_STATE, 4) } },
    { "guest_activity_hlt",
      BASE_64,
      { S(GUEST_CS_SELECTOR, 0x33), S(GUEST_CS_AR_BYTES, 0xa0fb), S(GUEST_SS_SELECTOR, 0x2b),
        S(GUEST_SS_AR_BYTES, 0xc0f3), S(GUEST_ACTIVITY_STATE, 1) } },
    { "guest_activity_blocking",
      BASE_64,
      { S(GUEST_ACTIVITY_STATE, 1), S(GUEST_INTERRUPTIBILITY_INFO, 1) } },
    { "guest_activity_injection",
      BASE_64,
      { S(GUEST_ACTIVITY_STATE, 1), INFO(1 << 11 | 3 << 8 | 13) } },
    { "guest_interruptibility_reserved", BASE_64, { S(GUEST_INTERRUPTIBILITY_INFO, 1 << 5) } },
    { "guest_sti_and_mov_ss", BASE_64, { S(GUEST_INTERRUPTIBILITY_INFO, 3) } },
    { "guest_sti_needs_if", BASE_64, { S(GUEST_RFLAGS, 2), S(GUEST_INTERRUPTIBILITY_INFO, 1) } },
    { "guest_external_blocking", BASE_64, { INFO(0x20), S(GUEST_INTERRUPTIBILITY_INFO, 2) } },
    { "guest_nmi_blocking", BASE_64, { INFO(2 << 8 | 2), S(GUEST_INTERRUPTIBILITY_INFO, 2) } },
    { "guest_smi_blocking", BASE_64, { S(GUEST_INTERRUPTIBILITY_INFO, 4) } },
    { "guest_virtual_nmi_blocking",
      BASE_64,
      { INFO(2 << 8 | 2), S(GUEST_INTERRUPTIBILITY_INFO, 8) } },
    { "guest_pending_debug_reserved", BASE_64, { S(GUEST_PENDING_DBG_EXCEPTIONS, 1 << 5) } },
    { "guest_pending_debug_bs",
      BASE_64,
      { S(GUEST_PENDING_DBG_EXCEPTIONS, 1 << 14), S(GUEST_INTERRUPTIBILITY_INFO, 1) } },
    { "guest_link_address", BASE_64, { S(VMCS_LINK_POINTER, 0x5001) } },
    { "guest_link_revision", BASE_64, { S(VMCS_LINK_POINTER, 0x5000) }, wrong_revision },
    { "guest_link_not_current", BASE_64, { S(VMCS_LINK_POINTER, 0x4000) } },
    { "guest_pdpte0", BASE_32, { { END } }, pdpte0 },
    { "guest_pdpte1", BASE_32, { { END } }, pdpte1 },
    { "guest_pdpte2", BASE_32, { { END } }, pdpte2 },
    { "guest_pdpte3", BASE_32, { { END } }, pdpte3 },
};

static void apply(struct fixture *x, const struct check_case *k)
{
    valid_entry(x, k->base);
    for (unsigned n = 0; n < ARRAY_SIZE(k->change) && k->change[n].how != END; n++) {
        uint64_t *f = &x->v.f[k->change[n].field];
        *f = k->change[n].how == SET ? k->change[n].value : *f ^ k->change[n].value;
    }
    if (k->more)
        k->more(x);
    refresh(x);
}

static const char *broken_list(struct entry_failure *f, const struct entry *e)
{
    static char text[512];
    text[0] = 0;
    entry_list_broken(e, f);
    for (unsigned k = 0; k < f->broken_count && k < 8; k++)
        strcat(strcat(text, f->broken[k].check->id), " ");
    return text;
}

Test(entry_checks, valid_entries_pass)
{
    static struct fixture x;
    static struct entry_failure f;
    for (enum base b = BASE_64; b <= BASE_V86; b++) {
        valid_entry(&x, b);
        refresh(&x);
        cr_assert_str_eq(broken_list(&f, &x.e), "", "base %d", b);
    }
}

Test(entry_checks, each_case_breaks_only_its_check)
{
    static struct fixture x;
    static struct entry_failure f;
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        char expected[128];
        const char *companion = cases[k].companion ? cases[k].companion : "";
        apply(&x, &cases[k]);
        snprintf(expected, sizeof expected, "%s%s%s ", companion, *companion ? " " : "",
                 cases[k].id);
        cr_expect_str_eq(broken_list(&f, &x.e), expected);
    }
}

Test(entry_checks, every_check_has_a_case)
{
    const struct check_table *const tables[] = { &control_checks, &host_checks, &guest_checks };
    unsigned checks = 0;
    for (unsigned t = 0; t < 3; t++)
        for (unsigned s = 0; s < tables[t]->count; s++)
            for (unsigned k = 0; k < tables[t]->sections[s].count; k++, checks++) {
                const char *id = tables[t]->sections[s].checks[k].id;
                unsigned found = 0;
                cr_assert_not_null(id);
                for (unsigned n = 0; n < ARRAY_SIZE(cases); n++)
                    found += !strcmp(cases[n].id, id);
                cr_expect_eq(found, 1, "%s has %u cases", id, found);
            }
    cr_expect_eq(checks, ARRAY_SIZE(cases));
}

/* A group that is clean may be left out only because nothing it reads has changed: so each change
 * that VMWRITE can make must dirty a section with the check that it breaks. */
Test(entry_checks, vmwrite_dirties_the_groups_of_its_checks)
{
    static struct fixture x;
    for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
        const struct check_table *const tables[] = { &control_checks, &host_checks, &guest_checks };
        const struct check_section *section;
        const struct entry_check *broken = NULL;
        unsigned dirty = DIRTY_ALWAYS | (cases[k].more ? DIRTY_ALL : 0);
        apply(&x, &cases[k]);
        for (unsigned n = 0; n < ARRAY_SIZE(cases[k].change) && cases[k].change[n].how != END; n++)
            dirty |= vmcs_fields[cases[k].change[n].field].dirty;
        for (unsigned t = 0; t < 3 && !broken; t++)
            broken = entry_first_broken(&x.e, tables[t], dirty, &section);
        cr_expect_not_null(broken, "%s is not checked again", cases[k].id);
    }
}

/* The fields that a check prints are those that it reads: a write to any of them dirties its
 * section. */
Test(entry_checks, printed_fields_dirty_their_section)
{
    const struct check_table *const tables[] = { &control_checks, &host_checks, &guest_checks };
    for (unsigned t = 0; t < 3; t++)
        for (unsigned s = 0; s < tables[t]->count; s++) {
            const struct check_section *in = &tables[t]->sections[s];
            for (unsigned k = 0; k < in->count; k++)
                for (unsigned n = 0; n < in->checks[k].fields; n++)
                    cr_expect(in->dirty == DIRTY_ALWAYS ||
                              vmcs_fields[in->checks[k].field[n]].dirty & in->dirty,
                              "%s: %s", in->checks[k].id, vmcs_fields[in->checks[k].field[n]].name);
        }
}

Test(entry_checks, explanation_names_check_section_and_values)
{
    static struct fixture x;
    static struct entry_failure f = { .kind = ENTRY_FAIL_GUEST, .error = 33, .rip = 0x401a2c };
    char text[4096];
    apply(&x, &(struct check_case){ "guest_rflags_reserved", BASE_64, { S(GUEST_RFLAGS, 0) } });
    entry_list_broken(&x.e, &f);
    size_t n = entry_explain(&f, text, sizeof text);
    cr_assert_eq(n, strlen(text));
    cr_expect(strstr(text, "guest_rflags_reserved"));
    cr_expect(strstr(text, "26.3.1.4 \"Checks on Guest RIP, RFLAGS, and SSP\""));
    cr_expect(strstr(text, "GUEST_RFLAGS (6820H) = 0000000000000000H; required: bits 2H = 1"));
    cr_expect(strstr(text, "0000000000401A2CH"));
    cr_expect_eq(entry_explain(&f, NULL, 0), n);
}
