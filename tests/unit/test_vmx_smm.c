// SPDX-License-Identifier: Apache-2.0
// SMIs in VMX operation: SDM vol. 3, "Default Treatment of SMIs and SMM with VMX Operation and SMX
// Operation".  Software that uses VMX sees nothing of them but the time that they take.
#include "vmx_modes.h"   /* its program has to be the first */

#include "smm_guest.h"

static void smi_at_entry(void *user, struct cpu *c) { cpu_set_pending(c, PEND_SMI); }

/* Enters a guest, which an SMI interrupts at once; the handler halts. */
static void enter_with_smi(struct vm *v)
{
    smm_load(v->m, smm_handler_start, smm_handler_end);
    machine_hooks(v->m)->vm_entry = smi_at_entry;
    cr_expect_eq(enter_guest(v), -1);
    machine_hooks(v->m)->vm_entry = NULL;
    cr_assert(v->c->smm);
}

/* Lets the handler return, and the guest go on to its next VM exit. */
static int64_t return_from_smm(struct vm *v)
{
    v->launched = true;
    smm_continue(v->m);
    cr_assert_eq(bare_run(v->m, 100000), STOP_HALTED);
    cr_expect_eq(v->c->rip, HOST_EXIT + 1);
    return (int64_t)get(v, VM_EXIT_REASON);
}

BARE_PROGRAM(calls, "vmcall\n");

Test(vmx_smm, a_guest_is_interrupted_and_goes_on)
{
    struct vm v = VM(calls);
    use_ept(&v);
    enter_with_smi(&v);
    cr_expect(!v.c->vmx_root && !v.c->vmx_nonroot);
    cr_expect_eq(v.c->cr4, 0);
    cr_expect_eq(saved(v.m, S_RIP, 8), GUEST_CODE);
    cr_expect_eq(saved(v.m, S_CR4, 8) & CR4_VMXE, 0, "CR4.VMXE is kept inside");
    cr_expect_eq(saved(v.m, S_EPT, 4), 1);
    cr_expect_eq(saved(v.m, S_EPTP, 8), EPT_TABLES | 3 << 3 | 6);
    cr_expect_eq(return_from_smm(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    cr_expect(get(&v, GUEST_CR4) & CR4_VMXE);
    cr_expect(v.c->vmx_root && v.c->init_blocked);
    machine_destroy(v.m);
}

Test(vmx_smm, root_operation_goes_on)
{
    struct vm v = VM(calls);
    smm_load(v.m, smm_handler_start, smm_handler_end);
    smi(v.m);
    cr_expect(!v.c->vmx_root && v.c->init_blocked);
    cr_expect_eq(saved(v.m, S_EPT, 4), 0);
    save_as(v.m, S_CR0, 8, saved(v.m, S_CR0, 8) & ~(uint64_t)CR0_NE);
    save_as(v.m, S_CS, 4, 8 | 3), save_as(v.m, S_SS, 4, 16 | 3);
    smm_continue(v.m);
    cr_assert_eq(bare_run(v.m, 100), STOP_HALTED);
    cr_expect(v.c->vmx_root && v.c->init_blocked && v.c->cr4 & CR4_VMXE);
    cr_expect(v.c->cr0 & CR0_NE, "fixed to 1 in VMX operation");
    cr_expect_eq(v.c->seg[CS].selector, 8, "RPL is the privilege level");
    cr_expect_eq(v.c->seg[SS].selector, 16);
    cr_expect_eq(vmx_current_vmcs(v.c), VMCS_REGION);
    cr_expect_eq(enter_guest(&v), 18);
    machine_destroy(v.m);
}

/* CR0.PE and CR0.PG keep what SMRAM says only for an unrestricted guest. */
Test(vmx_smm, unrestricted_guests_may_be_in_real_mode)
{
    struct vm v = VM(calls);
    guest_real(&v);
    enter_with_smi(&v);
    cr_expect_eq(saved(v.m, S_CR0, 8) & (CR0_PE | CR0_PG), 0);
    cr_expect_eq(return_from_smm(&v), 18);
    cr_expect_eq(get(&v, GUEST_CR0) & (CR0_PE | CR0_PG), 0);
    machine_destroy(v.m);
}

BARE_PROGRAM(v86_hlt, ".code16\n hlt\n");

Test(vmx_smm, virtual_8086_mode_is_kept_inside)
{
    struct vm v = VM(v86_hlt);
    guest_v86(&v, 0);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_GP);
    enter_with_smi(&v);
    cr_expect(saved(v.m, S_RFLAGS, 8) & FLAG_VM);
    save_as(v.m, S_RFLAGS, 8, saved(v.m, S_RFLAGS, 8) & ~(uint64_t)FLAG_VM);
    cr_expect_eq(return_from_smm(&v), 0, "HLT is #GP at privilege level 3");
    cr_expect(get(&v, GUEST_RFLAGS) & FLAG_VM);
    machine_destroy(v.m);
}

/* ---- events that wait ---- */

Test(vmx_smm, blocking_and_virtual_nmi_blocking)
{
    for (unsigned nmi = 0; nmi <= 1; nmi++) {
        struct vm v = VM(calls);
        put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
        put(&v, GUEST_RFLAGS, 2 | FLAG_IF);
        put(&v, GUEST_INTERRUPTIBILITY_INFO, nmi ? 8 : 1);
        enter_with_smi(&v);
        cr_expect_eq(v.c->shadow, 0);
        cr_expect_eq(return_from_smm(&v), 18);
        cr_expect_eq(get(&v, GUEST_INTERRUPTIBILITY_INFO), nmi ? 8 : 1);
        machine_destroy(v.m);
    }
}

/* A pending MTF VM exit stays pending; it wakes the HLT state. */
Test(vmx_smm, a_pending_mtf_exit)
{
    struct vm v = VM(calls);
    inject_event(&v, EVENT(7, 0), 0);
    enter_with_smi(&v);
    cr_expect_eq(return_from_smm(&v), 37);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    machine_destroy(v.m);
}

Test(vmx_smm, the_preemption_timer_goes_on)
{
    struct vm v = VM(calls);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_PREEMPTION_TIMER);
    put(&v, VMX_PREEMPTION_TIMER_VALUE, 1);
    enter_with_smi(&v);
    cr_expect_not(v.c->vmx_root, "it makes no VM exit in SMM");
    for (unsigned k = 0; k < 100; k++)      /* time passes in the handler */
        smm_continue(v.m), v.c->rip = 0x8000, bare_run(v.m, 1);
    cr_expect_eq(return_from_smm(&v), 52);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    machine_destroy(v.m);
}

Test(vmx_smm, interrupt_window)
{
    struct vm v = VM(calls);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_INTERRUPT_WINDOW_EXITING);
    put(&v, GUEST_RFLAGS, 2 | FLAG_IF);
    enter_with_smi(&v);
    cr_expect_eq(return_from_smm(&v), 7);
    machine_destroy(v.m);
}

Test(vmx_smm, the_hlt_state)
{
    struct vm v = VM(calls);
    put(&v, GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
    put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_NMI_EXITING);
    enter_with_smi(&v);
    cr_expect_eq(saved(v.m, S_AUTO_HALT, 2), 1);
    v.launched = true;
    smm_continue(v.m);
    cr_expect_neq(bare_run(v.m, 1), STOP_HALTED);
    cr_expect(v.c->vmx_nonroot && v.c->activity == ACTIVITY_HLT);
    cpu_set_pending(v.c, PEND_NMI);
    cr_expect_eq(bare_run(v.m, 100), STOP_HALTED);
    cr_expect_eq(get(&v, VM_EXIT_REASON), 0);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
    machine_destroy(v.m);
}

/* ---- RSM in a guest ---- */

BARE_PROGRAM(rsm, "rsm\n");

Test(vmx_smm, rsm_outside_smm_is_undefined)
{
    struct vm v = VM(rsm);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_UD);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO) & 0xff, EXC_UD);
    machine_destroy(v.m);
}
