// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, chapter "VM Entries": the checks, loading guest state, and what follows.
#include "cpu/cet.h"
#include "cpu/debug.h"
#include "cpu/hooks.h"
#include "cpu/interrupt.h"
#include "cpu/trace.h"
#include "cpu/uintr.h"
#include "mem/phys.h"
#include "vmx/entry.h"
#include "vmx/internal.h"

enum { ERROR_CONTROLS = 7, ERROR_HOST = 8, REASON_GUEST = 33, REASON_MSR = 34 };
#define INFO_VALID BIT(31)

/* ---- the view that the checks have ---- */

static bool pae_paging(const struct cpu *c)
{
    return !(vmcs_field(c, VM_ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST) &&
           vmcs_field(c, GUEST_CR0) & CR0_PG && vmcs_field(c, GUEST_CR4) & CR4_PAE;
}

/* What some checks need from memory; read only if they apply.  False: none does. */
static bool view_memory(struct cpu *c, struct entry *e)
{
    uint64_t link = field(e, VMCS_LINK_POINTER);
    bool pae = pae_paging(c);
    if (e->proc & PROC_USE_TPR_SHADOW)
        e->vtpr = (uint32_t)mem_read_le(c->mem, field(e, VIRTUAL_APIC_PAGE_ADDR) + 0x80, 1);
    if (link != NO_VMCS)
        e->link_revision = (uint32_t)mem_read_le(c->mem, link, 4);
    for (unsigned k = 0; pae && k < 4; k++)
        e->pdpte[k] = e->proc2 & PROC2_ENABLE_EPT ? field(e, GUEST_PDPTE0 + k) :
                      mem_read_le(c->mem, (field(e, GUEST_CR3) & 0xffffffe0) + 8 * k, 8);
    return pae || link != NO_VMCS || e->proc & PROC_USE_TPR_SHADOW;
}

void entry_view(const struct cpu *c, const struct vmcs *v, struct entry *e)
{
    *e = (struct entry){
        .v = v, .cap = c->model->vmx_capability,
        .pin = (uint32_t)v->f[PIN_BASED_VM_EXEC_CONTROL],
        .proc = (uint32_t)v->f[CPU_BASED_VM_EXEC_CONTROL],
        .exit = (uint32_t)v->f[VM_EXIT_CONTROLS],
        .entry = (uint32_t)v->f[VM_ENTRY_CONTROLS],
        .physical_bits = c->physical_bits, .linear_bits = c->linear_bits,
        .long_mode = in_long_mode(c),
        .efer_reserved = efer_reserved(c),
        .s_cet_reserved = cet_control_reserved(c->model),
        .debugctl_reserved = debugctl_reserved(c),
        .perf_global_reserved = pmu_global_reserved(c->model),
        .spec_ctrl_reserved = spec_ctrl_reserved(c),
    };
    if (e->proc & PROC_SECONDARY_CONTROLS)
        e->proc2 = (uint32_t)v->f[SECONDARY_VM_EXEC_CONTROL];
    if (e->proc & PROC_TERTIARY_CONTROLS)
        e->proc3 = v->f[TERTIARY_VM_EXEC_CONTROL];
    if (e->exit & EXIT_SECONDARY_CONTROLS)
        e->exit2 = v->f[SECONDARY_VM_EXIT_CONTROLS];
}

/* Returns the groups that have to be checked. */
static unsigned view(struct cpu *c, struct entry *e)
{
    const struct vmcs *v = &c->vmx->vmcs;
    entry_view(c, v, e);
    e->vmcs_pointer = c->vmx->current;
    return v->dirty | (view_memory(c, e) ? DIRTY_ALWAYS : 0);
}

/* A look must not be an access to a device. */
static bool looks_at_device(const struct cpu *c)
{
    static const enum vmcs_field addresses[] = { VIRTUAL_APIC_PAGE_ADDR, VMCS_LINK_POINTER,
                                                 GUEST_CR3 };
    bool device = false;
    for (unsigned k = 0; k < ARRAY_SIZE(addresses); k++)
        device |= mem_kind(c->mem, vmcs_field(c, addresses[k])) == PAGE_MMIO;
    return device;
}

bool vmx_view(struct cpu *c, struct entry *e)
{
    if (!c->vmx || c->vmx->current == NO_VMCS)
        return false;
    entry_view(c, &c->vmx->vmcs, e);
    e->vmcs_pointer = c->vmx->current;
    if (!looks_at_device(c))
        view_memory(c, e);
    if (c->vmx_nonroot)
        e->long_mode = c->vmx->long_mode;
    return true;
}

/* ---- failures ---- */

static void report(struct cpu *c, struct entry_failure *f)
{
    f->rip = guest_rip(c);
    c->vmx->stats.failures++;
    if (c->hooks && c->hooks->vm_entry_failure)
        c->hooks->vm_entry_failure(c->hooks->user, c, f);
    if (trace_wants(c, TRACE_VMX))
        vmx_trace_failure(c, f);
}

void vm_entry_refused(struct cpu *c, bool resume, uint32_t error)
{
    struct entry_failure f = { .kind = ENTRY_FAIL_INSTRUCTION, .error = error, .resume = resume };
    report(c, &f);
}

static void report_broken(struct cpu *c, const struct entry *e, const struct entry_check *first,
                          bool resume, enum entry_failure_kind kind, uint32_t error,
                          uint64_t qualification)
{
    struct entry_failure f = { .kind = kind, .error = error, .qualification = qualification,
                               .resume = resume };
    entry_list_broken(e, &f);
    for (unsigned k = 0; k < f.broken_count && k < BROKEN_MAX; k++)
        if (f.broken[k].check == first)
            f.first = k;
    report(c, &f);
}

/* ---- loading guest state (SDM, "Loading Guest State") ---- */

static void load_segments(struct cpu *c, const struct vmcs *v)
{
    for (unsigned s = ES; s < SEG_COUNT; s++)
        c->seg[s] = (struct segment){
            .base = v->f[GUEST_ES_BASE + s], .limit = (uint32_t)v->f[GUEST_ES_LIMIT + s],
            .access = (uint32_t)v->f[GUEST_ES_AR_BYTES + s],
            .selector = (uint16_t)v->f[GUEST_ES_SELECTOR + s],
        };
    c->gdtr = (struct dtable){ v->f[GUEST_GDTR_BASE], (uint16_t)v->f[GUEST_GDTR_LIMIT] };
    c->idtr = (struct dtable){ v->f[GUEST_IDTR_BASE], (uint16_t)v->f[GUEST_IDTR_LIMIT] };
    c->cpl = c->seg[SS].access >> SEG_DPL_SHIFT & 3;
}

static void load_registers(struct cpu *c, const struct vmcs *v, uint32_t entry)
{
    c->cr0 = (c->cr0 & CR0_KEPT) | (v->f[GUEST_CR0] & ~CR0_KEPT);
    c->cr3 = v->f[GUEST_CR3];
    c->cr4 = v->f[GUEST_CR4];
    c->msr.sysenter_cs = v->f[GUEST_SYSENTER_CS];
    c->msr.sysenter_esp = v->f[GUEST_SYSENTER_ESP];
    c->msr.sysenter_eip = v->f[GUEST_SYSENTER_EIP];
    if (entry & ENTRY_LOAD_DEBUG_CONTROLS) {
        c->dr[7] = dr7_loaded(v->f[GUEST_DR7]);
        cpu_load_debugctl(c, v->f[GUEST_IA32_DEBUGCTL]);
    }
    if (entry & ENTRY_LOAD_PERF_GLOBAL_CTRL)
        pmu_load_global_control(c, v->f[GUEST_IA32_PERF_GLOBAL_CTRL]);
    if (entry & ENTRY_LOAD_PAT)
        c->msr.pat = v->f[GUEST_IA32_PAT];
    if (entry & ENTRY_LOAD_PKRS)
        c->msr.pkrs = v->f[GUEST_IA32_PKRS];
    if (entry & ENTRY_LOAD_UINV)
        uintr_load_uinv(c, (uint8_t)v->f[GUEST_UINV]);
    if (entry & ENTRY_LOAD_SPEC_CTRL)
        c->msr.spec_ctrl = v->f[GUEST_IA32_SPEC_CTRL];
    if (entry & ENTRY_LOAD_CET_STATE) {
        c->msr.s_cet = v->f[GUEST_IA32_S_CET];
        c->ssp = v->f[GUEST_SSP];
        c->msr.interrupt_ssp_table = v->f[GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR];
    }
    if (entry & ENTRY_LOAD_EFER) {
        c->msr.efer = v->f[GUEST_IA32_EFER];
        return;
    }
    uint64_t wide = entry & ENTRY_IA32E_MODE_GUEST ? EFER_LMA | EFER_LME : 0;
    c->msr.efer = (c->msr.efer & ~(uint64_t)EFER_LMA) | (wide & EFER_LMA);
    if (c->cr0 & CR0_PG)
        c->msr.efer = (c->msr.efer & ~(uint64_t)EFER_LME) | (wide & EFER_LME);
}

static void load_nonregister(struct cpu *c, const struct vmcs *v)
{
    struct vmx *x = c->vmx;
    bool nmi = v->f[GUEST_INTERRUPTIBILITY_INFO] & 8, virtual = x->pin & PIN_VIRTUAL_NMIS;
    c->shadow = v->f[GUEST_INTERRUPTIBILITY_INFO] & (SHADOW_STI | SHADOW_MOV_SS);
    x->virtual_nmi_blocking = virtual && nmi;
    c->nmi_blocked = !virtual && nmi;
    c->init_blocked = true;                 /* INIT makes a VM exit, and nothing else */
    c->activity = (uint8_t)v->f[GUEST_ACTIVITY_STATE];
    c->declined = 0;                        /* nothing has failed to wake it yet */
    c->pending_debug = v->f[GUEST_PENDING_DBG_EXCEPTIONS];
    c->monitor_armed = false;
    x->unblocked_tick = 0;
    x->pausing = false;
}

/* Without VPIDs all mappings of VPID 0 go (SDM, "Operations that Invalidate Cached Mappings").
 * Translations of guests depend on VM-execution controls, too, and on which VMCS they are of. */
static void forget_vpid_0(struct cpu *c, unsigned dirty)
{
    if (dirty & DIRTY_CONTROLS)
        tlb_flush_vpid(c, 0);
    else
        tlb_refresh(c, 0, TLB_ANY_PCID);
}

/* vm_enter has loaded the words that a VM entry that fails needs, too. */
static void load_guest(struct cpu *c, const struct entry *e, unsigned dirty)
{
    struct vmx *x = c->vmx;
    x->proc = e->proc;
    x->proc3 = (uint32_t)e->proc3;
    load_registers(c, &x->vmcs, e->entry);
    load_segments(c, &x->vmcs);
    load_nonregister(c, &x->vmcs);
    if (pae_paging(c))
        for (unsigned k = 0; k < 4; k++)
            c->pdpte[k] = e->pdpte[k];
    c->gpr[RSP] = x->vmcs.f[GUEST_RSP];
    c->rip = x->vmcs.f[GUEST_RIP];
    c->rflags = (x->vmcs.f[GUEST_RFLAGS] & ~(uint64_t)FLAGS_STATUS) | 2;
    flags_set_status(c, x->vmcs.f[GUEST_RFLAGS]);
    c->vmx_root = false;
    c->vmx_nonroot = true;
    hlat_enter(c);
    intercept_prepare(c);
    if (!(x->proc2 & PROC2_ENABLE_VPID))
        forget_vpid_0(c, dirty);
    cpu_mode_changed(c);
}

/* ---- injection (SDM, "Event Injection") ---- */

/* Pending debug exceptions survive only the injection of a software event under MOV-SS blocking, or
 * none (SDM, "Delivery of Pending Debug Exceptions after VM Entry"). */
static void settle_pending_debug(struct cpu *c, uint64_t info)
{
    unsigned type = info >> 8 & 7;
    bool soft = type == EVENT_SOFTWARE_INT || type == EVENT_SOFTWARE_EXC;
    bool injects = info & INFO_VALID && type != EVENT_OTHER;
    bool asleep = c->activity == ACTIVITY_SHUTDOWN || c->activity == ACTIVITY_WAIT_SIPI;
    if (injects ? !(soft && c->shadow & SHADOW_MOV_SS) : asleep)
        c->pending_debug = 0;
    if (c->pending_debug & (BIT(12) | BIT(14)))
        c->pending |= PEND_DEBUG;
    else
        c->pending_debug = 0;
}

/* A software interrupt of a virtual-8086 guest with CR4.VME; what reading the bitmap runs into
 * belongs to its delivery. */
static void inject_redirected(struct cpu *c, struct event *e)
{
    c->delivering = *e;
    c->is_delivering = true;
    if (v86_redirects(c, e->vector, &e->redirected)) {
        cpu_deliver(c, e);
    } else if (!c->vm_exited) {
        struct event fault = c->event;
        c->vmx->injecting = false;
        cpu_deliver(c, &fault);
    }
}

/* SDM, "Interruptibility State" (of VM entries).  With "NMI exiting" but not "virtual NMIs" the
   blocking of NMIs is the host's: the interruptibility state alone decides, and the guest's IRET
   does not end it; so a NMI for the guest does not begin it either. */
static void block_nmis(struct cpu *c, const struct event *e)
{
    struct vmx *x = c->vmx;
    if (e->type != EVENT_NMI)
        return;
    if (x->pin & PIN_VIRTUAL_NMIS)
        x->virtual_nmi_blocking = true;
    else if (!(x->pin & PIN_NMI_EXITING))
        c->nmi_blocked = true;
}

static void inject(struct cpu *c, uint64_t info)
{
    struct vmx *x = c->vmx;
    struct event e = {
        .vector = (uint8_t)info, .type = info >> 8 & 7, .has_error = info >> 11 & 1,
        .error = (uint32_t)vmcs_field(c, VM_ENTRY_EXCEPTION_ERROR_CODE),
        .length = (uint8_t)vmcs_field(c, VM_ENTRY_INSTRUCTION_LEN),
        .injected = true,
    };
    c->activity = ACTIVITY_ACTIVE;
    c->shadow = 0;
    block_nmis(c, &e);
    x->injecting = true;
    if (e.type == EVENT_SOFTWARE_INT && in_v86(c) && c->cr4 & CR4_VME)
        inject_redirected(c, &e);
    else
        cpu_deliver(c, &e);
    x->injecting = false;
}

/* After the guest state and its MSRs are loaded. */
static void begin_guest(struct cpu *c)
{
    struct vmx *x = c->vmx;
    uint64_t info = vmcs_field(c, VM_ENTRY_INTR_INFO_FIELD);
    bool vectors = info & INFO_VALID && (info >> 8 & 7) != EVENT_OTHER;
    settle_pending_debug(c, info);
    timer_start(c);
    if (x->proc & (PROC_INTERRUPT_WINDOW_EXITING | PROC_NMI_WINDOW_EXITING))
        c->pending |= PEND_VMX_WINDOW;
    c->mtf_armed = x->proc & PROC_MONITOR_TRAP_FLAG;
    apic_enter(c);
    apic_timer_enter(c);
    x->stats.entries++;
    if (c->hooks && c->hooks->vm_entry)
        c->hooks->vm_entry(c->hooks->user, c);
    if (trace_wants(c, TRACE_VMX))
        vmx_trace_entry(c);
    if (info & INFO_VALID && !vectors)
        c->pending |= PEND_MTF;             /* SDM, "Injection of Pending MTF VM Exits" */
    if (vectors)
        inject(c, info);
    if (vectors && c->vmx_nonroot && c->mtf_armed)
        c->pending |= PEND_MTF;
    c->attention |= ATTENTION_BOUNDARY;
}

/* ---- VMLAUNCH and VMRESUME ---- */

/* False if the entry failed after the point where it is a VM exit. */
static bool load_msrs(struct cpu *c, uint32_t count, bool resume, uint64_t host_rip)
{
    struct entry_failure f = { .kind = ENTRY_FAIL_MSR, .error = REASON_MSR, .resume = resume };
    f.qualification = msr_list_load(c, vmcs_field(c, VM_ENTRY_MSR_LOAD_ADDR), count, &f.msr_index,
                                    &f.msr_value);
    if (!f.qualification)
        return true;
    c->rip = host_rip;
    report(c, &f);
    vm_exit_failed_entry(c, REASON_MSR, f.qualification);
    return false;
}

/* The groups that may have changed are checked.  The hostile build checks all of them at each VM
 * entry, and does not survive a difference: its tests prove that clean groups hide nothing. */
static const struct entry_check *first_broken(const struct entry *e, const struct check_table *t,
                                              unsigned dirty, const struct check_section **in)
{
    const struct entry_check *broken = entry_first_broken(e, t, dirty, in);
#ifdef SP_HOSTILE
    const struct check_section *in_all = NULL;
    if (entry_first_broken(e, t, ~0u, &in_all) != broken)
        __builtin_trap();
#endif
    return broken;
}

enum outcome vm_enter(struct cpu *c, bool resume)
{
    struct vmx *x = c->vmx;
    const struct check_section *in = NULL;
    struct entry e;
    unsigned dirty = view(c, &e);
    if (e.long_mode != x->long_mode)
        dirty = x->vmcs.dirty = DIRTY_ALL;
    x->long_mode = e.long_mode;
    const struct entry_check *broken = first_broken(&e, &control_checks, dirty, &in);
    if (broken) {
        report_broken(c, &e, broken, resume, ENTRY_FAIL_CONTROLS, ERROR_CONTROLS, 0);
        return vm_fail_valid(c, ERROR_CONTROLS);
    }
    if ((broken = first_broken(&e, &host_checks, dirty, &in))) {
        report_broken(c, &e, broken, resume, ENTRY_FAIL_HOST, ERROR_HOST, 0);
        return vm_fail_valid(c, ERROR_HOST);
    }
    x->pin = e.pin;
    x->proc2 = e.proc2;
    x->exit = e.exit;
    x->exit2 = (uint32_t)e.exit2;
    uint64_t rip = guest_rip(c);
    bool nmi_blocked = c->nmi_blocked;
    if ((broken = first_broken(&e, &guest_checks, dirty, &in))) {
        report_broken(c, &e, broken, resume, ENTRY_FAIL_GUEST, REASON_GUEST, in->qualification);
        vm_exit_failed_entry(c, REASON_GUEST, in->qualification);
        return EXITED;
    }
    x->vmcs.dirty = 0;
    c->current = NULL;                      /* from here on RIP is the guest's */
    if (c->pmu.counting)
        pmu_fold(c);                        /* the instruction retires, still in root operation */
    load_guest(c, &e, dirty);
    uint32_t msrs = (uint32_t)vmcs_field(c, VM_ENTRY_MSR_LOAD_COUNT);
    if (msrs && !load_msrs(c, msrs, resume, rip)) {
        c->nmi_blocked = nmi_blocked; /* SDM, "VM-Entry Failures During or After Loading ..." */
        return EXITED;
    }
    x->vmcs.launched = true;
    begin_guest(c);
    c->vm_exited = false;                   /* an exit during injection is told by EXITED */
    return EXITED;
}
