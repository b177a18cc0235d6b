// SPDX-License-Identifier: Apache-2.0
// A hypervisor in a test's hands: a bare machine in VMX root operation, a VMCS that enters a 64-bit
// guest, and a run that lasts until the next VM exit.
#ifndef SP_TESTS_VMX_GUEST_H
#define SP_TESTS_VMX_GUEST_H

#include "bare.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"
#include "vmx/capability.h"
#include "vmx/vmcs.h"
#include "vmx/vmx.h"
#include "vmx_sabotage.h"

enum {
    VMXON_REGION = 0x200000, VMCS_REGION = 0x201000, GUEST_CODE = 0x20000, GUEST_STACK = 0x70000,
    GUEST_IDT = 0x30000, GUEST_GDT = 0x31000, GUEST_HANDLERS = 0x32000, EPT_TABLES = 0x210000,
    HOST_CODE = BARE_CODE,
};

/* 0: VMXON, VMCLEAR, VMPTRLD, HLT; then VMLAUNCH, HLT; VMRESUME, HLT; the host's entry point, a
 * HLT. */
BARE_PROGRAM(vmx_host,
             "sub $16, %rsp\n"
             "movq $0x200000, (%rsp)\n vmxon (%rsp)\n"
             "movq $0x201000, (%rsp)\n vmclear (%rsp)\n vmptrld (%rsp)\n hlt\n"
             ".balign 64\n vmlaunch\n hlt\n"
             ".balign 64\n vmresume\n hlt\n"
             ".balign 64\n hlt\n");
enum { HOST_LAUNCH = HOST_CODE + 64, HOST_RESUME = HOST_CODE + 128, HOST_EXIT = HOST_CODE + 192 };

struct vm { struct machine *m; struct cpu *c; struct mem *mem; bool launched; };

static inline void put(struct vm *v, enum vmcs_field f, uint64_t value)
{
    cr_assert(vmcs_write(v->c, vmcs_fields[f].encoding, value), "%s", vmcs_fields[f].name);
}
static inline uint64_t get(struct vm *v, enum vmcs_field f)
{
    uint64_t value;
    cr_assert(vmcs_read(v->c, vmcs_fields[f].encoding, &value), "%s", vmcs_fields[f].name);
    return value;
}
static inline void put_bits(struct vm *v, enum vmcs_field f, uint64_t ones)
{
    put(v, f, get(v, f) | ones);
}

static inline void wake_at(struct vm *v, uint64_t rip)
{
    v->c->activity = ACTIVITY_ACTIVE;
    v->c->rip = rip;
    cpu_mode_changed(v->c);
    cr_assert_eq(bare_run(v->m, 100000), STOP_HALTED);
}

/* VMLAUNCH or VMRESUME, and on until the host halts.  The exit reason, or -1 if the entry VMfailed.
 */
static inline int64_t enter_guest(struct vm *v)
{
    sabotage_controls(v->c);
    sabotage_fields(v->c);
    wake_at(v, v->launched ? HOST_RESUME : HOST_LAUNCH);
    if (v->c->rip != HOST_EXIT + 1)
        return -1;
    int64_t reason = (int64_t)get(v, VM_EXIT_REASON);
    v->launched |= !(reason >> 31);
    sabotage_exit(v->c);
    return reason;
}

static inline void skip_instruction(struct vm *v)
{
    put(v, GUEST_RIP, get(v, GUEST_RIP) + get(v, VM_EXIT_INSTRUCTION_LEN));
}

static inline void vm_controls(struct vm *v)
{
    const uint64_t *cap = v->c->model->vmx_capability;
    put(v, PIN_BASED_VM_EXEC_CONTROL, vmx_allowed0(cap, WORD_PIN));
    put(v, CPU_BASED_VM_EXEC_CONTROL,
        vmx_allowed0(cap, WORD_PROC) | (vmx_allowed1(cap, WORD_PROC) & PROC_SECONDARY_CONTROLS));
    put(v, VM_EXIT_CONTROLS, vmx_allowed0(cap, WORD_EXIT) | EXIT_HOST_ADDRESS_SPACE_SIZE);
    put(v, VM_ENTRY_CONTROLS, vmx_allowed0(cap, WORD_ENTRY) | ENTRY_IA32E_MODE_GUEST);
    put(v, VMCS_LINK_POINTER, ~UINT64_C(0));
}

static inline void vm_host(struct vm *v)
{
    put(v, HOST_CR0, v->c->cr0);
    put(v, HOST_CR3, v->c->cr3);
    put(v, HOST_CR4, v->c->cr4);
    put(v, HOST_CS_SELECTOR, 8);
    put(v, HOST_SS_SELECTOR, 16);
    put(v, HOST_TR_SELECTOR, 24);
    put(v, HOST_RSP, BARE_STACK);
    put(v, HOST_RIP, HOST_EXIT);
}

/* The host's page tables; an IDT whose vectors each lead to a VMCALL at GUEST_HANDLERS + 4 *
 * vector. */
static inline void vm_guest(struct vm *v)
{
    put(v, GUEST_CR0, v->c->cr0);
    put(v, GUEST_CR3, v->c->cr3);
    put(v, GUEST_CR4, v->c->cr4);
    put(v, GUEST_RFLAGS, 2);
    put(v, GUEST_RSP, GUEST_STACK);
    put(v, GUEST_RIP, GUEST_CODE);
    put(v, GUEST_DR7, 0x400);
    for (unsigned s = ES; s <= GS; s++) {
        put(v, GUEST_ES_SELECTOR + s, s == CS ? 8 : 16);
        put(v, GUEST_ES_LIMIT + s, 0xffffffff);
        put(v, GUEST_ES_AR_BYTES + s, s == CS ? 0xa09b : 0xc093);
    }
    put(v, GUEST_LDTR_AR_BYTES, SEG_UNUSABLE);
    put(v, GUEST_TR_SELECTOR, 24);
    put(v, GUEST_TR_LIMIT, 0x67);
    put(v, GUEST_TR_AR_BYTES, 0x8b);
    put(v, GUEST_IDTR_BASE, GUEST_IDT);
    put(v, GUEST_IDTR_LIMIT, 0xfff);
    put(v, GUEST_GDTR_BASE, GUEST_GDT);
    put(v, GUEST_GDTR_LIMIT, 0x1f);
    mem_write_le(v->mem, GUEST_GDT + 8, 8, UINT64_C(0x00af9b000000ffff));
    mem_write_le(v->mem, GUEST_GDT + 16, 8, UINT64_C(0x00cf93000000ffff));
    for (unsigned n = 0; n < 256; n++) {
        uint64_t at = GUEST_HANDLERS + 4 * n;
        mem_write_le(v->mem, GUEST_IDT + 16 * n, 8,
                     (at & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 | (at >> 16) << 48);
        mem_write_le(v->mem, GUEST_IDT + 16 * n + 8, 8, 0);
        mem_write_le(v->mem, at, 4, 0x90c1010f);
    }
}

/* Identity map of 1 GiB in 2-MByte pages, all rights, write-back. */
static inline void use_ept(struct vm *v)
{
    mem_write_le(v->mem, EPT_TABLES, 8, (EPT_TABLES + 0x1000) | 7);
    mem_write_le(v->mem, EPT_TABLES + 0x1000, 8, (EPT_TABLES + 0x2000) | 7);
    for (uint64_t k = 0; k < 512; k++)
        mem_write_le(v->mem, EPT_TABLES + 0x2000 + 8 * k, 8, k << 21 | 0xb7);
    put(v, EPT_POINTER, EPT_TABLES | 3 << 3 | 6);
    put_bits(v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_EPT);
}

static inline struct vm vm_create_on(struct machine *m, const uint8_t *start, const uint8_t *end)
{
    struct vm v = { .m = m };
    v.mem = machine_mem(v.m);
    v.c = bare_load(v.m, vmx_host_start, vmx_host_end);
    mem_write(v.mem, GUEST_CODE, start, (size_t)(end - start));
    mem_write_le(v.mem, VMXON_REGION, 4, VMCS_REVISION);
    mem_write_le(v.mem, VMCS_REGION, 4, VMCS_REVISION);
    v.c->msr.feature_control = 5;
    cpu_load_cr4(v.c, v.c->cr4 | CR4_VMXE);
    wake_at(&v, HOST_CODE);
    cr_assert_eq(vmx_current_vmcs(v.c), VMCS_REGION);
    vm_controls(&v);
    vm_host(&v);
    vm_guest(&v);
    return v;
}
static inline struct vm vm_create(const char *cpu, const uint8_t *start, const uint8_t *end)
{
    return vm_create_on(bare_machine(cpu), start, end);
}
#define VM_ON(cpu, program) vm_create(cpu, program##_start, program##_end)
#define VM(program) VM_ON("max", program)

#endif
