// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Checks on VMX Controls": a broken one is VM-instruction error 7.
#include "vmx/entry_predicates.h"
#include "vmx/eptp.h"

/* ---- predicates: VM-execution controls ---- */

static struct required word_bits(const struct entry *e, unsigned w)
{
    if (w == WORD_PROC2 && !(e->proc & PROC_SECONDARY_CONTROLS))
        return (struct required){ 0, 0 };
    return (struct required){ vmx_allowed0(e->cap, w), (uint32_t)~vmx_allowed1(e->cap, w) };
}

static bool cr3_target_count(const struct entry *e, unsigned arg)
{
    return field(e, CR3_TARGET_COUNT) <= bits(e->cap[CAP_MISC], 24, 16);
}

static struct required tertiary_bits(const struct entry *e, unsigned arg)
{
    bool active = e->proc & PROC_TERTIARY_CONTROLS;
    return (struct required){ 0, active ? ~(uint64_t)vmx_allowed1(e->cap, WORD_PROC3) : 0 };
}

static struct required page_address(const struct entry *e, bool used)
{
    return (struct required){ 0, used ? beyond_physical(e) | 0xfff : 0 };
}
static struct required io_bitmap(const struct entry *e, unsigned arg)
{
    return page_address(e, e->proc & PROC_USE_IO_BITMAPS);
}
static struct required msr_bitmap(const struct entry *e, unsigned arg)
{
    return page_address(e, e->proc & PROC_USE_MSR_BITMAPS);
}
static struct required virtual_apic_page(const struct entry *e, unsigned arg)
{
    return page_address(e, e->proc & PROC_USE_TPR_SHADOW);
}

static struct required tpr_threshold_reserved(const struct entry *e, unsigned arg)
{
    bool used = e->proc & PROC_USE_TPR_SHADOW && !(e->proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY);
    return (struct required){ 0, used ? 0xfffffff0 : 0 };
}
static bool tpr_threshold_vtpr(const struct entry *e, unsigned arg)
{
    const uint32_t exempt = PROC2_VIRTUALIZE_APIC_ACCESSES | PROC2_VIRTUAL_INTERRUPT_DELIVERY;
    return !(e->proc & PROC_USE_TPR_SHADOW) || e->proc2 & exempt ||
           (field(e, TPR_THRESHOLD) & 0xf) <= e->vtpr >> 4;
}

static struct required apic_access_address(const struct entry *e, unsigned arg)
{
    return page_address(e, e->proc2 & PROC2_VIRTUALIZE_APIC_ACCESSES);
}
static bool needs_tpr_shadow(const struct entry *e, unsigned arg)
{
    const uint32_t users = PROC2_VIRTUALIZE_X2APIC_MODE | PROC2_APIC_REGISTER_VIRTUALIZATION |
                           PROC2_VIRTUAL_INTERRUPT_DELIVERY;
    return !(e->proc2 & users) || e->proc & PROC_USE_TPR_SHADOW;
}
static bool one_apic_mode(const struct entry *e, unsigned arg)
{
    const uint32_t both = PROC2_VIRTUALIZE_X2APIC_MODE | PROC2_VIRTUALIZE_APIC_ACCESSES;
    return (e->proc2 & both) != both;
}
static bool delivery_needs_exiting(const struct entry *e, unsigned arg)
{
    return !(e->proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY) ||
           e->pin & PIN_EXTERNAL_INTERRUPT_EXITING;
}

static bool posts(const struct entry *e) { return e->pin & PIN_PROCESS_POSTED_INTERRUPTS; }
static bool posting_needs_delivery(const struct entry *e, unsigned arg)
{
    return !posts(e) || e->proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY;
}
static bool posting_needs_acknowledge(const struct entry *e, unsigned arg)
{
    return !posts(e) || e->exit & EXIT_ACKNOWLEDGE_INTERRUPT;
}
static struct required posting_vector(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, posts(e) ? 0xff00 : 0 };
}
static struct required posting_descriptor(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, posts(e) ? beyond_physical(e) | 0x3f : 0 };
}

static bool sends(const struct entry *e) { return e->proc3 & PROC3_IPI_VIRTUALIZATION; }
static bool sending_needs_tpr_shadow(const struct entry *e, unsigned arg)
{
    return !sends(e) || e->proc & PROC_USE_TPR_SHADOW;
}
static struct required pid_table(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, sends(e) ? beyond_physical(e) | 7 : 0 };
}
static bool pid_table_end(const struct entry *e, unsigned arg)
{
    return !sends(e) || !((field(e, PID_POINTER_TABLE) + 8 * field(e, LAST_PID_POINTER_INDEX)) &
                          beyond_physical(e));
}

/* The controls of the tertiary word whose bit is `arg` make sense only with EPT. */
static bool tertiary_needs_ept(const struct entry *e, unsigned arg)
{
    return !(e->proc3 & BIT(arg)) || e->proc2 & PROC2_ENABLE_EPT;
}
/* SDM, "Hypervisor-Managed Linear-Address Translation Controls": the format of HLATP. */
static struct required hlat_pointer(const struct entry *e, unsigned arg)
{
    bool used = e->proc3 & PROC3_ENABLE_HLAT;
    return (struct required){ 0, used ? beyond_physical(e) | 0xfe7 : 0 };
}
static bool times_apic(const struct entry *e)
{
    return e->proc3 & PROC3_APIC_TIMER_VIRTUALIZATION;
}
static bool timing_needs_delivery(const struct entry *e, unsigned arg)
{
    return !times_apic(e) || e->proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY;
}
static bool timing_needs_rdtsc(const struct entry *e, unsigned arg)
{
    return !times_apic(e) || !(e->proc & PROC_RDTSC_EXITING);
}
static struct required timer_vector(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, times_apic(e) ? 0xff00 : 0 };
}

static bool vnmi_needs_nmi_exiting(const struct entry *e, unsigned arg)
{
    return !(e->pin & PIN_VIRTUAL_NMIS) || e->pin & PIN_NMI_EXITING;
}
static bool nmi_window_needs_vnmi(const struct entry *e, unsigned arg)
{
    return !(e->proc & PROC_NMI_WINDOW_EXITING) || e->pin & PIN_VIRTUAL_NMIS;
}

static bool vpid_not_zero(const struct entry *e, unsigned arg)
{
    return !(e->proc2 & PROC2_ENABLE_VPID) || field(e, VIRTUAL_PROCESSOR_ID) != 0;
}

static bool uses_ept(const struct entry *e) { return e->proc2 & PROC2_ENABLE_EPT; }
static bool eptp_memory_type(const struct entry *e, unsigned arg)
{
    return !uses_ept(e) || eptp_memory_type_valid(e->cap, field(e, EPT_POINTER));
}
static bool eptp_walk_length(const struct entry *e, unsigned arg)
{
    return !uses_ept(e) || eptp_levels_valid(e->cap, field(e, EPT_POINTER));
}
static struct required eptp_accessed_dirty(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, uses_ept(e) ? eptp_flags_refused(e->cap) : 0 };
}
static struct required eptp_shadow_stack(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, uses_ept(e) ? eptp_shadow_refused(e->cap) : 0 };
}
static struct required eptp_reserved_bits(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, uses_ept(e) ? eptp_reserved(e->physical_bits) : 0 };
}
/* The controls whose bits are in `arg` make sense only with EPT. */
static bool needs_ept(const struct entry *e, unsigned arg)
{
    return !(e->proc2 & BIT(arg)) || e->proc2 & PROC2_ENABLE_EPT;
}
static struct required pml_address(const struct entry *e, unsigned arg)
{
    return page_address(e, e->proc2 & PROC2_ENABLE_PML);
}
static struct required spp_table(const struct entry *e, unsigned arg)
{
    return page_address(e, e->proc2 & PROC2_SUB_PAGE_WRITE);
}
static struct required ve_address(const struct entry *e, unsigned arg)
{
    return page_address(e, e->proc2 & PROC2_EPT_VIOLATION_VE);
}
static struct required shadowing_bitmap(const struct entry *e, unsigned arg)
{
    return page_address(e, e->proc2 & PROC2_VMCS_SHADOWING);
}

static bool switches_eptp(const struct entry *e)
{
    return e->proc2 & PROC2_ENABLE_VM_FUNCTIONS &&
           field(e, VM_FUNCTION_CONTROL) & VMFUNC_EPTP_SWITCHING;
}
static struct required vm_functions(const struct entry *e, unsigned arg)
{
    bool used = e->proc2 & PROC2_ENABLE_VM_FUNCTIONS;
    return (struct required){ 0, used ? ~e->cap[CAP_VMFUNC] : 0 };
}
static bool eptp_switching_needs_ept(const struct entry *e, unsigned arg)
{
    return !switches_eptp(e) || e->proc2 & PROC2_ENABLE_EPT;
}
static struct required eptp_list(const struct entry *e, unsigned arg)
{
    return page_address(e, switches_eptp(e));
}
static bool tsc_multiplier(const struct entry *e, unsigned arg)
{
    return !(e->proc2 & PROC2_USE_TSC_SCALING) || field(e, TSC_MULTIPLIER);
}

/* ---- predicates: VM-exit and VM-entry controls ---- */

static bool save_timer_needs_timer(const struct entry *e, unsigned arg)
{
    return !(e->exit & EXIT_SAVE_PREEMPTION_TIMER) || e->pin & PIN_PREEMPTION_TIMER;
}

static struct required secondary_exit_bits(const struct entry *e, unsigned arg)
{
    bool active = e->exit & EXIT_SECONDARY_CONTROLS;
    return (struct required){ 0, active ? ~(uint64_t)vmx_allowed1(e->cap, WORD_EXIT2) : 0 };
}

/* `arg` is the field with the count; the area's address is in field[0] of the row. */
static enum vmcs_field area_address(unsigned count_field)
{
    return count_field == VM_EXIT_MSR_STORE_COUNT ? VM_EXIT_MSR_STORE_ADDR :
           count_field == VM_EXIT_MSR_LOAD_COUNT ? VM_EXIT_MSR_LOAD_ADDR : VM_ENTRY_MSR_LOAD_ADDR;
}
static struct required msr_area_address(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, field(e, arg) ? beyond_physical(e) | 0xf : 0 };
}
static bool msr_area_end(const struct entry *e, unsigned arg)
{
    uint64_t count = field(e, arg);
    return !count || !((field(e, area_address(arg)) + count * 16 - 1) & beyond_physical(e));
}

/* ---- predicates: injection (SDM, "VM-Entry Controls for Event Injection") ---- */

static bool injects(const struct entry *e) { return field(e, VM_ENTRY_INTR_INFO_FIELD) >> 31 & 1; }
static unsigned inject_type(const struct entry *e)
{
    return field(e, VM_ENTRY_INTR_INFO_FIELD) >> 8 & 7;
}
static unsigned inject_vector(const struct entry *e)
{
    return field(e, VM_ENTRY_INTR_INFO_FIELD) & 0xff;
}
static bool inject_has_code(const struct entry *e)
{
    return field(e, VM_ENTRY_INTR_INFO_FIELD) >> 11 & 1;
}

static bool injection_type(const struct entry *e, unsigned arg)
{
    bool mtf = vmx_can(e->cap, WORD_PROC, PROC_MONITOR_TRAP_FLAG);
    return !injects(e) || (inject_type(e) != 1 && (inject_type(e) != EVENT_OTHER || mtf));
}
static bool injection_vector(const struct entry *e, unsigned arg)
{
    unsigned v = inject_vector(e);
    if (!injects(e))
        return true;
    switch (inject_type(e)) {
    case EVENT_NMI: return v == EXC_NMI;
    case EVENT_HARDWARE: return v <= 31;
    case EVENT_OTHER: return v == 0;
    default: return true;
    }
}
static bool injection_error_code_bit(const struct entry *e, unsigned arg)
{
    unsigned v = inject_vector(e);
    bool real = e->proc2 & PROC2_UNRESTRICTED_GUEST && !(field(e, GUEST_CR0) & CR0_PE);
    bool pushes = v == EXC_DF || (v >= EXC_TS && v <= EXC_PF) || v == EXC_AC;
    bool possible = inject_type(e) == EVENT_HARDWARE && !real;
    if (!injects(e))
        return true;
    if (e->cap[CAP_BASIC] & BASIC_ANY_ERROR_CODE)
        return possible || !inject_has_code(e);
    return inject_has_code(e) == (possible && pushes);
}
static struct required injection_reserved(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, injects(e) ? 0x7ffff000 : 0 };
}
static struct required injection_error_code(const struct entry *e, unsigned arg)
{
    return (struct required){ 0, injects(e) && inject_has_code(e) ? 0xffff0000 : 0 };
}
static bool injection_length(const struct entry *e, unsigned arg)
{
    unsigned type = inject_type(e);
    uint64_t length = field(e, VM_ENTRY_INSTRUCTION_LEN);
    if (!injects(e) || type < EVENT_SOFTWARE_INT || type > EVENT_SOFTWARE_EXC)
        return true;
    return length <= 15 && (length || e->cap[CAP_MISC] & MISC_ZERO_LENGTH);
}

/* ---- the tables ---- */

static const struct entry_check execution_checks[] = {
    CHECK_BITS("ctl_pin_reserved", word_bits, WORD_PIN,
               "Pin-based VM-execution controls: reserved bits must have the values that "
               "IA32_VMX_(TRUE_)PINBASED_CTLS reports.",
               PIN_BASED_VM_EXEC_CONTROL),
    CHECK_BITS(
        "ctl_proc_reserved", word_bits, WORD_PROC,
        "Primary processor-based VM-execution controls: reserved bits must have the values that "
        "IA32_VMX_(TRUE_)PROCBASED_CTLS reports.",
        CPU_BASED_VM_EXEC_CONTROL),
    CHECK_BITS(
        "ctl_proc2_reserved", word_bits, WORD_PROC2,
        "Secondary processor-based VM-execution controls: bits that IA32_VMX_PROCBASED_CTLS2 does "
        "not allow to be 1 must be 0.",
        SECONDARY_VM_EXEC_CONTROL),
    CHECK_BITS("ctl_proc3_reserved", tertiary_bits, 0,
               "If \"activate tertiary controls\" is 1, bits that IA32_VMX_PROCBASED_CTLS3 does "
               "not allow to be 1 must be 0.",
               TERTIARY_VM_EXEC_CONTROL),
    CHECK("ctl_cr3_target_count", cr3_target_count, 0,
          "The CR3-target count must not exceed the number in IA32_VMX_MISC[24:16].",
          CR3_TARGET_COUNT),
    CHECK_BITS("ctl_io_bitmap_a", io_bitmap, 0,
               "If \"use I/O bitmaps\" is 1, the address of I/O bitmap A "
               "must be 4-KByte aligned and within the physical-address width.",
               IO_BITMAP_A),
    CHECK_BITS("ctl_io_bitmap_b", io_bitmap, 0,
               "If \"use I/O bitmaps\" is 1, the address of I/O bitmap B "
               "must be 4-KByte aligned and within the physical-address width.",
               IO_BITMAP_B),
    CHECK_BITS("ctl_msr_bitmap", msr_bitmap, 0,
               "If \"use MSR bitmaps\" is 1, the MSR-bitmap address must "
               "be 4-KByte aligned and within the physical-address width.",
               MSR_BITMAP),
    CHECK_BITS(
        "ctl_virtual_apic_page", virtual_apic_page, 0,
        "If \"use TPR shadow\" is 1, the "
        "virtual-APIC address must be 4-KByte aligned and within the physical-address width.",
        VIRTUAL_APIC_PAGE_ADDR),
    CHECK_BITS("ctl_tpr_threshold_reserved", tpr_threshold_reserved, 0,
               "If \"use TPR shadow\" is 1 and "
               "\"virtual-interrupt delivery\" is 0, bits 31:4 of the TPR threshold must be 0.",
               TPR_THRESHOLD),
    CHECK_BITS("ctl_apic_access_address", apic_access_address, 0,
               "If \"virtualize APIC accesses\" is 1, the APIC-access address must be 4-KByte "
               "aligned and within the physical-address width.",
               APIC_ACCESS_ADDR),
    CHECK(
        "ctl_apic_needs_tpr_shadow", needs_tpr_shadow, 0,
        "If \"use TPR shadow\" is 0, \"virtualize x2APIC mode\", \"APIC-register virtualization\" "
        "and \"virtual-interrupt delivery\" must be 0.",
        SECONDARY_VM_EXEC_CONTROL, CPU_BASED_VM_EXEC_CONTROL),
    CHECK("ctl_one_apic_mode", one_apic_mode, 0,
          "If \"virtualize x2APIC mode\" is 1, \"virtualize APIC accesses\" must be 0.",
          SECONDARY_VM_EXEC_CONTROL),
    CHECK("ctl_delivery_needs_exiting", delivery_needs_exiting, 0,
          "If \"virtual-interrupt delivery\" is 1, \"external-interrupt exiting\" must be 1.",
          SECONDARY_VM_EXEC_CONTROL, PIN_BASED_VM_EXEC_CONTROL),
    CHECK("ctl_posting_needs_delivery", posting_needs_delivery, 0,
          "If \"process posted interrupts\" is 1, \"virtual-interrupt delivery\" must be 1.",
          PIN_BASED_VM_EXEC_CONTROL, SECONDARY_VM_EXEC_CONTROL),
    CHECK("ctl_posting_needs_acknowledge", posting_needs_acknowledge, 0,
          "If \"process posted interrupts\" is 1, \"acknowledge interrupt on exit\" must be 1.",
          PIN_BASED_VM_EXEC_CONTROL, VM_EXIT_CONTROLS),
    CHECK_BITS(
        "ctl_posting_vector", posting_vector, 0,
        "If \"process posted interrupts\" is 1, bits 15:8 of the notification vector must be "
        "0.",
        POSTED_INTR_NV),
    CHECK_BITS("ctl_posting_descriptor", posting_descriptor, 0,
               "If \"process posted interrupts\" is 1, the descriptor's address must be 64-byte "
               "aligned and within the physical-address width.",
               POSTED_INTR_DESC_ADDR),
    CHECK("ctl_ipi_needs_tpr_shadow", sending_needs_tpr_shadow, 0,
          "If \"use TPR shadow\" is 0, \"IPI virtualization\" must be 0.", TERTIARY_VM_EXEC_CONTROL,
          CPU_BASED_VM_EXEC_CONTROL),
    CHECK_BITS("ctl_pid_table", pid_table, 0,
               "If \"IPI virtualization\" is 1, the PID-pointer table must be 8-byte aligned and "
               "within the physical-address width.",
               PID_POINTER_TABLE),
    CHECK("ctl_pid_table_end", pid_table_end, 0,
          "If \"IPI virtualization\" is 1, the last PID-pointer must be within the "
          "physical-address width.",
          PID_POINTER_TABLE, LAST_PID_POINTER_INDEX),
    CHECK("ctl_apic_timer_needs_delivery", timing_needs_delivery, 0,
          "If \"APIC-timer virtualization\" is 1, \"virtual-interrupt delivery\" must be 1.",
          TERTIARY_VM_EXEC_CONTROL, SECONDARY_VM_EXEC_CONTROL),
    CHECK("ctl_apic_timer_needs_rdtsc", timing_needs_rdtsc, 0,
          "If \"APIC-timer virtualization\" is 1, \"RDTSC exiting\" must be 0.",
          TERTIARY_VM_EXEC_CONTROL, CPU_BASED_VM_EXEC_CONTROL),
    CHECK_BITS("ctl_virtual_timer_vector", timer_vector, 0,
               "If \"APIC-timer virtualization\" is 1, bits 15:8 of the virtual timer vector "
               "must be 0.",
               VIRTUAL_TIMER_VECTOR),
    CHECK("ctl_vnmi_needs_nmi_exiting", vnmi_needs_nmi_exiting, 0,
          "If \"NMI exiting\" is 0, \"virtual NMIs\" must be 0.", PIN_BASED_VM_EXEC_CONTROL),
    CHECK("ctl_nmi_window_needs_vnmi", nmi_window_needs_vnmi, 0,
          "If \"virtual NMIs\" is 0, \"NMI-window exiting\" must be 0.", CPU_BASED_VM_EXEC_CONTROL,
          PIN_BASED_VM_EXEC_CONTROL),
    CHECK("ctl_vpid_not_zero", vpid_not_zero, 0,
          "If \"enable VPID\" is 1, the VPID must not be 0000H.", VIRTUAL_PROCESSOR_ID),
    CHECK("ctl_eptp_memory_type", eptp_memory_type, 0,
          "If \"enable EPT\" is 1, EPTP bits 2:0 must be a "
          "memory type that IA32_VMX_EPT_VPID_CAP reports (0 UC, 6 WB).",
          EPT_POINTER),
    CHECK("ctl_eptp_walk_length", eptp_walk_length, 0,
          "If \"enable EPT\" is 1, EPTP bits 5:3 must be 3 "
          "(page-walk length 4), or 4 (length 5) if IA32_VMX_EPT_VPID_CAP[7] is 1.",
          EPT_POINTER),
    CHECK_BITS("ctl_eptp_accessed_dirty", eptp_accessed_dirty, 0,
               "If \"enable EPT\" is 1, EPTP bit 6 must "
               "be 0 if IA32_VMX_EPT_VPID_CAP[21] is 0.",
               EPT_POINTER),
    CHECK_BITS("ctl_eptp_shadow_stack", eptp_shadow_stack, 0,
               "If \"enable EPT\" is 1, EPTP bit 7 must be 0 if IA32_VMX_EPT_VPID_CAP[23] is 0.",
               EPT_POINTER),
    CHECK_BITS("ctl_eptp_reserved", eptp_reserved_bits, 0,
               "If \"enable EPT\" is 1, EPTP bits 11:8 and those "
               "beyond the physical-address width must be 0.",
               EPT_POINTER),
    CHECK("ctl_pml_needs_ept", needs_ept, 17, "If \"enable PML\" is 1, \"enable EPT\" must be 1.",
          SECONDARY_VM_EXEC_CONTROL),
    CHECK_BITS("ctl_pml_address", pml_address, 0,
               "If \"enable PML\" is 1, the PML address must be 4-KByte aligned and within the "
               "physical-address width.",
               PML_ADDRESS),
    CHECK("ctl_unrestricted_needs_ept", needs_ept, 7,
          "If \"unrestricted guest\" is 1, \"enable EPT\" must be 1.", SECONDARY_VM_EXEC_CONTROL),
    CHECK("ctl_mbec_needs_ept", needs_ept, 22,
          "If \"mode-based execute control for EPT\" is 1, \"enable EPT\" must be 1.",
          SECONDARY_VM_EXEC_CONTROL),
    CHECK("ctl_spp_needs_ept", needs_ept, 23,
          "If \"sub-page write permissions for EPT\" is 1, \"enable EPT\" must be 1.",
          SECONDARY_VM_EXEC_CONTROL),
    CHECK_BITS("ctl_spp_table", spp_table, 0,
               "If \"sub-page write permissions for EPT\" is 1, the sub-page-permission-table "
               "pointer must be 4-KByte aligned and within the physical-address width.",
               SPPT_POINTER),
    CHECK("ctl_hlat_needs_ept", tertiary_needs_ept, 1,
          "If \"enable HLAT\" is 1, \"enable EPT\" must be 1.", TERTIARY_VM_EXEC_CONTROL,
          SECONDARY_VM_EXEC_CONTROL),
    CHECK("ctl_paging_write_needs_ept", tertiary_needs_ept, 2,
          "If \"EPT paging-write control\" is 1, \"enable EPT\" must be 1.",
          TERTIARY_VM_EXEC_CONTROL, SECONDARY_VM_EXEC_CONTROL),
    CHECK("ctl_verification_needs_ept", tertiary_needs_ept, 3,
          "If \"guest-paging verification\" is 1, \"enable EPT\" must be 1.",
          TERTIARY_VM_EXEC_CONTROL, SECONDARY_VM_EXEC_CONTROL),
    CHECK_BITS(
        "ctl_vm_functions", vm_functions, 0,
        "If \"enable VM functions\" is 1, VM-function controls that IA32_VMX_VMFUNC does not "
        "allow to be 1 must be 0.",
        VM_FUNCTION_CONTROL),
    CHECK("ctl_eptp_switching_needs_ept", eptp_switching_needs_ept, 0,
          "If \"EPTP switching\" is 1, \"enable EPT\" must be 1.", VM_FUNCTION_CONTROL,
          SECONDARY_VM_EXEC_CONTROL),
    CHECK_BITS(
        "ctl_eptp_list", eptp_list, 0,
        "If \"EPTP switching\" is 1, the EPTP-list address must be 4-KByte aligned and within "
        "the physical-address width.",
        EPTP_LIST_ADDRESS),
    CHECK_BITS("ctl_vmread_bitmap", shadowing_bitmap, 0,
               "If \"VMCS shadowing\" is 1, the VMREAD-bitmap address must be 4-KByte aligned and "
               "within the physical-address width.",
               VMREAD_BITMAP),
    CHECK_BITS("ctl_vmwrite_bitmap", shadowing_bitmap, 0,
               "If \"VMCS shadowing\" is 1, the VMWRITE-bitmap address must be 4-KByte aligned and "
               "within the physical-address width.",
               VMWRITE_BITMAP),
    CHECK_BITS("ctl_ve_address", ve_address, 0,
               "If \"EPT-violation #VE\" is 1, the virtualization-exception information address "
               "must be 4-KByte aligned and within the physical-address width.",
               VIRT_EXCEPTION_INFO),
    CHECK_BITS("ctl_hlat_pointer", hlat_pointer, 0,
               "If \"enable HLAT\" is 1, HLATP bits 2:0, 11:5 and those beyond the "
               "physical-address width must be 0.",
               HLAT_POINTER),
    CHECK("ctl_tsc_multiplier", tsc_multiplier, 0,
          "If \"use TSC scaling\" is 1, the TSC multiplier must not be 0.", TSC_MULTIPLIER),
};
static const struct entry_check virtual_tpr_checks[] = {
    CHECK("ctl_tpr_threshold_vtpr", tpr_threshold_vtpr, 0,
          "If \"use TPR shadow\" is 1 and \"virtualize "
          "APIC accesses\" and \"virtual-interrupt delivery\" are 0, bits 3:0 of the TPR threshold "
          "must "
          "not be greater than bits 7:4 of VTPR.",
          TPR_THRESHOLD, VIRTUAL_APIC_PAGE_ADDR),
};
static const struct entry_check exit_checks[] = {
    CHECK_BITS("exit_reserved", word_bits, WORD_EXIT,
               "VM-exit controls: reserved bits must have the "
               "values that IA32_VMX_(TRUE_)EXIT_CTLS reports.",
               VM_EXIT_CONTROLS),
    CHECK_BITS("exit2_reserved", secondary_exit_bits, 0,
               "If \"activate secondary controls\" (exit) is 1, secondary VM-exit controls that "
               "IA32_VMX_EXIT_CTLS2 does not allow to be 1 must be 0.",
               SECONDARY_VM_EXIT_CONTROLS),
    CHECK("exit_save_timer", save_timer_needs_timer, 0,
          "If \"activate VMX-preemption timer\" is 0, "
          "\"save VMX-preemption timer value\" must be 0.",
          VM_EXIT_CONTROLS, PIN_BASED_VM_EXEC_CONTROL),
    CHECK_BITS(
        "exit_msr_store_address", msr_area_address, VM_EXIT_MSR_STORE_COUNT,
        "If the VM-exit "
        "MSR-store count is not 0, the area's address must be 16-byte aligned and within the "
        "physical-address width.",
        VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_STORE_COUNT),
    CHECK("exit_msr_store_end", msr_area_end, VM_EXIT_MSR_STORE_COUNT,
          "The last byte of the VM-exit "
          "MSR-store area must be within the physical-address width.",
          VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_STORE_COUNT),
    CHECK_BITS("exit_msr_load_address", msr_area_address, VM_EXIT_MSR_LOAD_COUNT,
               "If the VM-exit "
               "MSR-load count is not 0, the area's address must be 16-byte aligned and within the "
               "physical-address width.",
               VM_EXIT_MSR_LOAD_ADDR, VM_EXIT_MSR_LOAD_COUNT),
    CHECK("exit_msr_load_end", msr_area_end, VM_EXIT_MSR_LOAD_COUNT,
          "The last byte of the VM-exit "
          "MSR-load area must be within the physical-address width.",
          VM_EXIT_MSR_LOAD_ADDR, VM_EXIT_MSR_LOAD_COUNT),
};
static const struct entry_check entry_checks[] = {
    CHECK_BITS("entry_reserved", word_bits, WORD_ENTRY,
               "VM-entry controls: reserved bits must have the "
               "values that IA32_VMX_(TRUE_)ENTRY_CTLS reports.",
               VM_ENTRY_CONTROLS),
    CHECK_BITS("entry_msr_load_address", msr_area_address, VM_ENTRY_MSR_LOAD_COUNT,
               "If the VM-entry "
               "MSR-load count is not 0, the area's address must be 16-byte aligned and within the "
               "physical-address width.",
               VM_ENTRY_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_COUNT),
    CHECK("entry_msr_load_end", msr_area_end, VM_ENTRY_MSR_LOAD_COUNT,
          "The last byte of the VM-entry "
          "MSR-load area must be within the physical-address width.",
          VM_ENTRY_MSR_LOAD_ADDR, VM_ENTRY_MSR_LOAD_COUNT),
};
static const struct entry_check injection_checks[] = {
    CHECK("inject_type", injection_type, 0,
          "Interruption type 1 is reserved; type 7 needs the \"monitor "
          "trap flag\" control to be supported.",
          VM_ENTRY_INTR_INFO_FIELD),
    CHECK("inject_vector", injection_vector, 0,
          "The vector must be 2 for an NMI, at most 31 for a "
          "hardware exception, 0 for type 7 (other event).",
          VM_ENTRY_INTR_INFO_FIELD),
    CHECK("inject_error_code_bit", injection_error_code_bit, 0,
          "Deliver-error-code (bit 11) must be 1 "
          "exactly for hardware exceptions 8, 10 to 14 and 17 (with IA32_VMX_BASIC[56] it may be 1 "
          "for all of them and for none), and 0 if the guest's CR0.PE is 0.",
          VM_ENTRY_INTR_INFO_FIELD, GUEST_CR0),
    CHECK_BITS("inject_reserved", injection_reserved, 0,
               "Bits 30:12 of the VM-entry "
               "interruption-information field must be 0.",
               VM_ENTRY_INTR_INFO_FIELD),
    CHECK_BITS("inject_error_code", injection_error_code, 0,
               "If an error code is delivered, bits 31:16 of "
               "the VM-entry exception error code must be 0.",
               VM_ENTRY_EXCEPTION_ERROR_CODE, VM_ENTRY_INTR_INFO_FIELD),
    CHECK("inject_length", injection_length, 0,
          "For software interrupts and exceptions (types 4, 5, 6) "
          "the VM-entry instruction length must be 1 to 15 (0 if IA32_VMX_MISC[30] is 1).",
          VM_ENTRY_INSTRUCTION_LEN, VM_ENTRY_INTR_INFO_FIELD),
};

static const struct check_section sections[] = {
    SECTION("26.2.1.1", "VM-Execution Control Fields", execution_checks, DIRTY_CONTROLS, 0),
    SECTION("26.2.1.1", "VM-Execution Control Fields", virtual_tpr_checks, DIRTY_ALWAYS, 0),
    SECTION("26.2.1.2", "VM-Exit Control Fields", exit_checks, DIRTY_CONTROLS, 0),
    SECTION("26.2.1.3", "VM-Entry Control Fields", entry_checks, DIRTY_CONTROLS, 0),
    SECTION("26.2.1.3", "VM-Entry Control Fields", injection_checks, DIRTY_INJECTION, 0),
};
const struct check_table control_checks = { sections, ARRAY_SIZE(sections), ENTRY_FAIL_CONTROLS };
