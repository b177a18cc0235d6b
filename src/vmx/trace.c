// SPDX-License-Identifier: Apache-2.0
// VM entries, VM exits and VMCS accesses in a trace.
#include "cpu/flags.h"
#include "cpu/trace.h"
#include "vmx/entry.h"
#include "vmx/internal.h"

enum { ENTRY_FAILED = 1u << 31 };

/* Instructions of this processor since its last VM entry or exit, or since power-on. */
static uint64_t since_last(struct cpu *c)
{
    uint64_t now = cpu_cycles(c) + (c->current != NULL), before = c->vmx->traced;
    c->vmx->traced = now;
    return now - before;
}

static uint64_t vpid(const struct cpu *c)
{
    return c->vmx->proc2 & PROC2_ENABLE_VPID ? vmcs_field(c, VIRTUAL_PROCESSOR_ID) : 0;
}

static uint64_t eptp(const struct cpu *c)
{
    return c->vmx->proc2 & PROC2_ENABLE_EPT ? vmcs_field(c, EPT_POINTER) : 0;
}

void vmx_trace_entry(struct cpu *c)
{
    trace_tell(c, TRACE_EVENT_VM_ENTRY, &(struct trace_vm_entry){
        .vmcs = c->vmx->current, .vpid = vpid(c), .eptp = eptp(c),
        .guest_rip = c->rip, .guest_rsp = c->gpr[RSP], .guest_rflags = cpu_rflags(c),
        .guest_cr3 = c->cr3,
        .activity = vmcs_field(c, GUEST_ACTIVITY_STATE),
        .interruptibility = vmcs_field(c, GUEST_INTERRUPTIBILITY_INFO),
        .intr_info = vmcs_field(c, VM_ENTRY_INTR_INFO_FIELD),
        .intr_error = vmcs_field(c, VM_ENTRY_EXCEPTION_ERROR_CODE),
        .instruction_length = vmcs_field(c, VM_ENTRY_INSTRUCTION_LEN),
        .host_instructions = since_last(c),
    });
}

void vmx_trace_failure(struct cpu *c, const struct entry_failure *f)
{
    bool exits = f->kind == ENTRY_FAIL_GUEST || f->kind == ENTRY_FAIL_MSR;
    trace_tell(c, TRACE_EVENT_VM_ENTRY_FAILURE, &(struct trace_vm_entry_failure){
        .vmcs = c->vmx->current, .error = exits ? 0 : f->error,
        .reason = exits ? ENTRY_FAILED | f->error : 0,
        .qualification = f->qualification, .rip = f->rip,
    });
}

void vmx_trace_exit(struct cpu *c, uint32_t reason)
{
    const uint64_t *f = c->vmx->vmcs.f;
    trace_tell(c, TRACE_EVENT_VM_EXIT, &(struct trace_vm_exit){
        .vmcs = c->vmx->current, .vpid = vpid(c), .eptp = eptp(c),
        .reason = reason, .qualification = f[EXIT_QUALIFICATION],
        .guest_rip = f[GUEST_RIP], .guest_rsp = f[GUEST_RSP], .guest_rflags = f[GUEST_RFLAGS],
        .guest_cr3 = f[GUEST_CR3],
        .guest_linear = f[GUEST_LINEAR_ADDRESS], .guest_physical = f[GUEST_PHYSICAL_ADDRESS],
        .intr_info = f[VM_EXIT_INTR_INFO], .intr_error = f[VM_EXIT_INTR_ERROR_CODE],
        .idt_info = f[IDT_VECTORING_INFO_FIELD], .idt_error = f[IDT_VECTORING_ERROR_CODE],
        .instruction_length = f[VM_EXIT_INSTRUCTION_LEN],
        .instruction_info = f[VMX_INSTRUCTION_INFO],
        .io_rcx = f[IO_RCX], .io_rsi = f[IO_RSI], .io_rdi = f[IO_RDI], .io_rip = f[IO_RIP],
        .host_rip = f[HOST_RIP], .guest_instructions = since_last(c),
    });
}

void vmx_trace_access(struct cpu *c, uint64_t vmcs, uint64_t encoding, uint64_t value, bool write)
{
    struct trace_vmcs_read t = { vmcs, encoding, value, c->vmx_nonroot };
    trace_tell(c, write ? TRACE_EVENT_VMCS_WRITE : TRACE_EVENT_VMCS_READ, &t);
}
