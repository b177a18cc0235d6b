// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, chapter "VM Exits": recording information, saving guest state, loading host state.
#include "cpu/debug.h"
#include "cpu/hooks.h"
#include "cpu/trace.h"
#include "cpu/uintr.h"
#include "mem/phys.h"
#include "vmx/internal.h"

enum { ABORT_SAVING_MSR = 1, ABORT_HOST_PDPTE = 2, ABORT_LOADING_MSR = 4, ABORT_HOST_32 = 6 };
enum {
    REASON_ENTRY_FAILURE = (int)0x80000000,
    REASON_AFTER_BUS_LOCK = 1 << 26,
    EVENT_VALID = (int)0x80000000,
    NMI_UNBLOCKED = 1 << 12
};

/* SDM, "VMX Aborts": the processor stays in shutdown until reset. */
static void vmx_abort(struct cpu *c, uint32_t indicator)
{
    mem_write_le(c->mem, c->vmx->current + 4, 4, indicator);
    c->vmx->abort = indicator;
    c->activity = ACTIVITY_SHUTDOWN;
    c->nmi_blocked = c->init_blocked = true;
    c->rflags &= ~(uint64_t)FLAG_IF;
    c->attention |= ATTENTION_LEAVE;
}

/* ---- information about the exit ---- */

/* SDM, "Information for VM Exits During Event Delivery": not for an event that exits itself
 * (event_exit says so by x->vectoring). */
static uint32_t vectoring_info(const struct cpu *c, const struct vm_exit *x)
{
    const struct event *e = &c->delivering;
    if (!x->vectoring || !c->is_delivering)
        return 0;
    return EVENT_VALID | e->vector | (uint32_t)e->type << 8 | (uint32_t)e->has_error << 11;
}

static bool is_software_event(const struct event *e)
{
    return e->type >= EVENT_SOFTWARE_INT && e->type <= EVENT_SOFTWARE_EXC;
}

static uint32_t instruction_length(const struct cpu *c, const struct vm_exit *x)
{
    if (x->vectoring && c->is_delivering)
        return is_software_event(&c->delivering) ? c->delivering.length : 0;
    return x->has_length && c->current ? c->current->len : 0;
}

/* "NMI unblocking due to IRET": the fault belongs to the IRET that has just unblocked NMIs. */
static bool unblocked_by_iret(const struct cpu *c)
{
    const struct vmx *v = c->vmx;
    uint64_t tick = c->pending & PEND_STALL ? c->stall_tick : cpu_tick(c);
    return v->unblocked_rip == guest_rip(c) && tick - v->unblocked_tick <= 1 &&
           v->unblocked_tick && (!(v->pin & PIN_NMI_EXITING) || v->pin & PIN_VIRTUAL_NMIS);
}

static void record(struct cpu *c, const struct vm_exit *x)
{
    uint64_t *f = c->vmx->vmcs.f;
    uint32_t vectoring = vectoring_info(c, x);
    f[VM_EXIT_REASON] = x->reason | (c->pending & PEND_BUS_LOCK ? REASON_AFTER_BUS_LOCK : 0);
    f[EXIT_QUALIFICATION] = x->qualification;
    f[VM_EXIT_INTR_INFO] = x->event_info;
    f[VM_EXIT_INTR_ERROR_CODE] = x->event_error;
    f[IDT_VECTORING_INFO_FIELD] = vectoring;
    f[IDT_VECTORING_ERROR_CODE] = vectoring ? c->delivering.error : 0;
    f[VM_EXIT_INSTRUCTION_LEN] = instruction_length(c, x);
    f[VMX_INSTRUCTION_INFO] = x->instruction_info;
    if (x->has_linear)
        f[GUEST_LINEAR_ADDRESS] = x->linear;
    if (x->has_physical)
        f[GUEST_PHYSICAL_ADDRESS] = x->physical;
    if (!vectoring && unblocked_by_iret(c)) {
        if (x->event_info & EVENT_VALID && (x->event_info & 0xff) != EXC_DF)
            f[VM_EXIT_INTR_INFO] |= NMI_UNBLOCKED;
        else if (x->reason == 48 || x->reason == 62 || x->reason == 66 || x->reason == 75)
            f[EXIT_QUALIFICATION] |= NMI_UNBLOCKED;
    }
}

/* ---- saving guest state ---- */

static void save_segments(struct cpu *c, struct vmcs *v)
{
    for (unsigned s = ES; s < SEG_COUNT; s++) {
        const struct segment *g = &c->seg[s];
        vmcs_save(v, GUEST_ES_SELECTOR + s, g->selector, DIRTY_SEGMENTS);
        vmcs_save(v, GUEST_ES_BASE + s, g->base, DIRTY_SEGMENTS);
        vmcs_save(v, GUEST_ES_LIMIT + s, g->limit, DIRTY_SEGMENTS);
        vmcs_save(v, GUEST_ES_AR_BYTES + s, g->access,
                  DIRTY_SEGMENTS | DIRTY_RIP | DIRTY_NONREGISTER);
    }
    vmcs_save(v, GUEST_GDTR_BASE, c->gdtr.base, DIRTY_SEGMENTS);
    vmcs_save(v, GUEST_GDTR_LIMIT, c->gdtr.limit, DIRTY_SEGMENTS);
    vmcs_save(v, GUEST_IDTR_BASE, c->idtr.base, DIRTY_SEGMENTS);
    vmcs_save(v, GUEST_IDTR_LIMIT, c->idtr.limit, DIRTY_SEGMENTS);
}

static void save_registers(struct cpu *c, struct vmcs *v)
{
    const struct vmx *x = c->vmx;
    vmcs_save(v, GUEST_CR0, c->cr0, DIRTY_REGISTERS | DIRTY_SEGMENTS | DIRTY_RIP | DIRTY_INJECTION);
    vmcs_save(v, GUEST_CR3, c->cr3, DIRTY_REGISTERS);
    vmcs_save(v, GUEST_CR4, c->cr4, DIRTY_REGISTERS);
    vmcs_save(v, GUEST_SYSENTER_ESP, c->msr.sysenter_esp, DIRTY_REGISTERS);
    vmcs_save(v, GUEST_SYSENTER_EIP, c->msr.sysenter_eip, DIRTY_REGISTERS);
    v->f[GUEST_SYSENTER_CS] = (uint32_t)c->msr.sysenter_cs;
    if (x->exit & EXIT_SAVE_DEBUG_CONTROLS) {
        vmcs_save(v, GUEST_DR7, c->dr[7], DIRTY_REGISTERS);
        vmcs_save(v, GUEST_IA32_DEBUGCTL, c->msr.debugctl, DIRTY_REGISTERS | DIRTY_NONREGISTER);
    }
    if (x->exit & EXIT_SAVE_PERF_GLOBAL_CTRL)
        vmcs_save(v, GUEST_IA32_PERF_GLOBAL_CTRL, c->pmu.global_control, DIRTY_REGISTERS);
    if (x->exit & EXIT_SAVE_PAT)
        vmcs_save(v, GUEST_IA32_PAT, c->msr.pat, DIRTY_REGISTERS);
    if (x->exit & EXIT_SAVE_EFER)
        vmcs_save(v, GUEST_IA32_EFER, c->msr.efer, DIRTY_REGISTERS);
    if (x->exists[GUEST_IA32_PKRS])         /* no control asks for it */
        vmcs_save(v, GUEST_IA32_PKRS, c->msr.pkrs, DIRTY_REGISTERS);
    if (x->exists[GUEST_UINV])              /* nor for this */
        vmcs_save(v, GUEST_UINV, uintr_uinv(c), DIRTY_REGISTERS);
    if (x->exists[GUEST_IA32_SPEC_CTRL]) /* no control: always */
        vmcs_save(v, GUEST_IA32_SPEC_CTRL, c->msr.spec_ctrl, DIRTY_REGISTERS);
    if (vmx_can(x->cap, WORD_ENTRY, ENTRY_LOAD_CET_STATE)) {   /* whatever its setting */
        vmcs_save(v, GUEST_IA32_S_CET, c->msr.s_cet, DIRTY_REGISTERS);
        vmcs_save(v, GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR, c->msr.interrupt_ssp_table,
                  DIRTY_REGISTERS);
        vmcs_save(v, GUEST_SSP, c->ssp, DIRTY_RIP);
    }
    if (x->cap[CAP_MISC] & MISC_STORES_LMA) {
        uint64_t lma = c->msr.efer & EFER_LMA ? ENTRY_IA32E_MODE_GUEST : 0;
        vmcs_save(v, VM_ENTRY_CONTROLS,
                  (v->f[VM_ENTRY_CONTROLS] & ~(uint64_t)ENTRY_IA32E_MODE_GUEST) | lma, DIRTY_ALL);
    }
}

static void save_flow(struct cpu *c, struct vmcs *v, const struct vm_exit *x)
{
    uint64_t flags = cpu_rflags(c), old = v->f[GUEST_RFLAGS];
    if (x->set_rf)
        flags |= FLAG_RF;
    else if (x->clear_rf)
        flags &= ~(uint64_t)FLAG_RF;
    vmcs_save(v, GUEST_RIP, x->at_rip ? c->rip : guest_rip(c), DIRTY_RIP);
    vmcs_save(v, GUEST_RFLAGS, flags, DIRTY_RIP);
    if ((flags ^ old) & (FLAG_VM | FLAG_IF | FLAG_TF))
        v->dirty |= DIRTY_SEGMENTS | DIRTY_NONREGISTER;
    v->f[GUEST_RSP] = c->gpr[RSP];
}

/* SDM, "Saving Non-Register State". */
static void save_nonregister(struct cpu *c, struct vmcs *v, const struct vm_exit *x)
{
    bool nmi = c->vmx->pin & PIN_VIRTUAL_NMIS ? c->vmx->virtual_nmi_blocking : c->nmi_blocked;
    bool debug = x->saves_debug || c->shadow & SHADOW_MOV_SS;
    unsigned activity = c->activity <= ACTIVITY_WAIT_SIPI ? c->activity : ACTIVITY_ACTIVE;
    vmcs_save(v, GUEST_ACTIVITY_STATE, activity, DIRTY_NONREGISTER);
    vmcs_save(v, GUEST_INTERRUPTIBILITY_INFO, c->shadow | (uint64_t)nmi << 3, DIRTY_NONREGISTER);
    vmcs_save(v, GUEST_PENDING_DBG_EXCEPTIONS, debug ? c->pending_debug & PENDING_DEBUG_BITS : 0,
              DIRTY_NONREGISTER);
    apic_timer_leave(c);
    if (c->vmx->exit & EXIT_SAVE_PREEMPTION_TIMER)
        v->f[VMX_PREEMPTION_TIMER_VALUE] = timer_value(c);
    if (c->vmx->proc2 & PROC2_ENABLE_EPT && c->cr0 & CR0_PG && c->cr4 & CR4_PAE && !in_long_mode(c))
        for (unsigned k = 0; k < 4; k++)
            v->f[GUEST_PDPTE0 + k] = c->pdpte[k];
}

/* ---- loading host state ---- */

/* SDM, "Loading Host Segment and Descriptor-Table Registers". */
static void load_host_segment(struct cpu *c, enum seg s, enum vmcs_field selector, uint64_t base,
                              uint32_t limit, uint32_t access)
{
    uint16_t value = (uint16_t)vmcs_field(c, selector);
    if (!value && s != CS && s != TR)
        access = SEG_UNUSABLE;
    c->seg[s] =
        (struct segment){ .base = base, .limit = limit, .access = access, .selector = value };
}

static void load_host_segments(struct cpu *c)
{
    bool wide = c->vmx->exit & EXIT_HOST_ADDRESS_SPACE_SIZE;
    uint32_t code = 0xb | SEG_S | SEG_P | SEG_G | (wide ? SEG_L : SEG_DB);
    uint32_t data = 0x3 | SEG_S | SEG_P | SEG_G | SEG_DB;
    load_host_segment(c, CS, HOST_CS_SELECTOR, 0, 0xffffffff, code);
    load_host_segment(c, SS, HOST_SS_SELECTOR, 0, 0xffffffff, data);
    load_host_segment(c, DS, HOST_DS_SELECTOR, 0, 0xffffffff, data);
    load_host_segment(c, ES, HOST_ES_SELECTOR, 0, 0xffffffff, data);
    load_host_segment(c, FS, HOST_FS_SELECTOR, vmcs_field(c, HOST_FS_BASE), 0xffffffff, data);
    load_host_segment(c, GS, HOST_GS_SELECTOR, vmcs_field(c, HOST_GS_BASE), 0xffffffff, data);
    load_host_segment(c, TR, HOST_TR_SELECTOR, vmcs_field(c, HOST_TR_BASE), 0x67, 0xb | SEG_P);
    c->seg[LDTR] = (struct segment){ .access = SEG_UNUSABLE };
    c->gdtr = (struct dtable){ vmcs_field(c, HOST_GDTR_BASE), 0xffff };
    c->idtr = (struct dtable){ vmcs_field(c, HOST_IDTR_BASE), 0xffff };
    c->cpl = 0;
}

static void load_host_registers(struct cpu *c)
{
    const struct vmx *x = c->vmx;
    bool wide = x->exit & EXIT_HOST_ADDRESS_SPACE_SIZE;
    c->cr0 = (c->cr0 & CR0_KEPT) | (vmcs_field(c, HOST_CR0) & ~CR0_KEPT) | CR0_NE;
    c->cr3 = vmcs_field(c, HOST_CR3);
    c->cr4 = vmcs_field(c, HOST_CR4) | CR4_VMXE | (wide ? CR4_PAE : 0);
    if (!wide)
        c->cr4 &= ~(uint64_t)CR4_PCIDE;
    c->dr[7] = 0x400;
    c->msr.debugctl = 0;
    c->msr.sysenter_cs = vmcs_field(c, HOST_IA32_SYSENTER_CS);
    c->msr.sysenter_esp = vmcs_field(c, HOST_IA32_SYSENTER_ESP);
    c->msr.sysenter_eip = vmcs_field(c, HOST_IA32_SYSENTER_EIP);
    if (x->exit & EXIT_LOAD_PERF_GLOBAL_CTRL)
        pmu_load_global_control(c, vmcs_field(c, HOST_IA32_PERF_GLOBAL_CTRL));
    if (x->exit & EXIT_LOAD_EFER)
        c->msr.efer = vmcs_field(c, HOST_IA32_EFER);
    c->msr.efer &= ~(uint64_t)(EFER_LMA | EFER_LME);
    c->msr.efer |= wide ? EFER_LMA | EFER_LME : 0;
    if (x->exit & EXIT_LOAD_PAT)
        c->msr.pat = vmcs_field(c, HOST_IA32_PAT);
    if (x->exit & EXIT_LOAD_PKRS)
        c->msr.pkrs = vmcs_field(c, HOST_IA32_PKRS);
    if (x->exit & EXIT_CLEAR_UINV)
        uintr_load_uinv(c, 0);
    if (x->exit2 & EXIT2_LOAD_SPEC_CTRL)
        c->msr.spec_ctrl = vmcs_field(c, HOST_IA32_SPEC_CTRL);
    if (x->exit & EXIT_LOAD_CET_STATE) {
        c->msr.s_cet = vmcs_field(c, HOST_IA32_S_CET);
        c->ssp = vmcs_field(c, HOST_SSP);
        c->msr.interrupt_ssp_table = vmcs_field(c, HOST_IA32_INTERRUPT_SSP_TABLE_ADDR);
    }
}

static void leave_nonroot(struct cpu *c)
{
    c->vmx_nonroot = false;
    c->vmx_root = true;
    c->hlat = HLAT_NONE;
    c->init_blocked = true;
    c->mtf_armed = false;
    c->is_delivering = false;
    c->shadow = 0;
    c->activity = ACTIVITY_ACTIVE;
    c->monitor_armed = false;
    c->pending_debug = 0;
    c->pending &= ~(uint32_t)(PEND_MTF | PEND_DEBUG | PEND_VMX_TIMER | PEND_VMX_WINDOW |
                              PEND_VMX_APIC | PEND_VIRTUAL | PEND_BUS_LOCK | PEND_STALL);
    c->stall_tick = 0;
}

/* Host state, MSR list; false: VMX abort. */
static bool load_host(struct cpu *c)
{
    uint32_t index;
    uint64_t value;
    bool wide_guest = in_long_mode(c);
    load_host_registers(c);
    load_host_segments(c);
    c->gpr[RSP] = vmcs_field(c, HOST_RSP);
    c->rip = vmcs_field(c, HOST_RIP);
    c->rflags = 2;
    flags_set_status(c, 0);
    leave_nonroot(c);
    if (wide_guest && !(c->vmx->exit & EXIT_HOST_ADDRESS_SPACE_SIZE)) {
        vmx_abort(c, ABORT_HOST_32);
        return false;
    }
    /* Without VPIDs all mappings of VPID 0 go (SDM, "Operations that Invalidate Cached Mappings").
     */
    if (!(c->vmx->proc2 & PROC2_ENABLE_VPID))
        tlb_refresh(c, 0, TLB_ANY_PCID);
    if (c->cr0 & CR0_PG && c->cr4 & CR4_PAE && !in_long_mode(c) &&
        !cpu_load_pdptes(c, c->cr3, c->pdpte)) {
        vmx_abort(c, ABORT_HOST_PDPTE);
        return false;
    }
    cpu_mode_changed(c);
    if (vmcs_field(c, VM_EXIT_MSR_LOAD_COUNT) &&
        msr_list_load(c, vmcs_field(c, VM_EXIT_MSR_LOAD_ADDR),
                      (uint32_t)vmcs_field(c, VM_EXIT_MSR_LOAD_COUNT), &index, &value)) {
        vmx_abort(c, ABORT_LOADING_MSR);
        return false;
    }
    return true;
}

/* ---- the exits ---- */

static void tell_hooks(struct cpu *c, uint32_t reason, uint64_t qualification)
{
    if ((reason & 0xffff) < EXIT_REASONS)
        c->vmx->stats.exits[reason & 0xffff]++;
    if (c->hooks && c->hooks->vm_exit)
        c->hooks->vm_exit(c->hooks->user, c, reason, qualification);
    if (trace_wants(c, TRACE_VMX))
        vmx_trace_exit(c, (uint32_t)c->vmx->vmcs.f[VM_EXIT_REASON]);
}

void vm_exit(struct cpu *c, const struct vm_exit *x)
{
    struct vmx *vmx = c->vmx;
    struct vmcs *v = &vmx->vmcs;
    bool is_nmi = x->reason == 0 && (x->event_info >> 8 & 7) == EVENT_NMI;
    record(c, x);
    if (v->f[VM_ENTRY_INTR_INFO_FIELD] & BIT(31)) {
        v->f[VM_ENTRY_INTR_INFO_FIELD] &= ~BIT(31);
        v->dirty |= DIRTY_INJECTION | DIRTY_NONREGISTER;
    }
    save_registers(c, v);
    save_segments(c, v);
    save_flow(c, v, x);
    save_nonregister(c, v, x);
    tell_hooks(c, x->reason, v->f[EXIT_QUALIFICATION]);
    vmx->injecting = false;
    if (!msr_list_store(c, v->f[VM_EXIT_MSR_STORE_ADDR], (uint32_t)v->f[VM_EXIT_MSR_STORE_COUNT])) {
        leave_nonroot(c);
        vmx_abort(c, ABORT_SAVING_MSR);
        return;
    }
    load_host(c);
    c->nmi_blocked = c->nmi_blocked || is_nmi;
}

void vm_exit_failed_entry(struct cpu *c, uint32_t reason, uint64_t qualification)
{
    uint64_t *f = c->vmx->vmcs.f;
    f[VM_EXIT_REASON] = (uint32_t)REASON_ENTRY_FAILURE | reason;
    f[EXIT_QUALIFICATION] = qualification;
    tell_hooks(c, (uint32_t)f[VM_EXIT_REASON], qualification);
    load_host(c);
}
