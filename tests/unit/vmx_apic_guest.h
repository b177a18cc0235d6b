// SPDX-License-Identifier: Apache-2.0
// Guests whose APIC accesses are virtualized.
#ifndef SP_TESTS_VMX_APIC_GUEST_H
#define SP_TESTS_VMX_APIC_GUEST_H

#include "vmx_modes.h"

enum { ACCESS_PAGE = 0x600000, VAPIC = 0x250000, PID = 0x251040, NOTIFICATION = 0xf2 };
enum { TPR = 0x80, PPR = 0xa0, EOI = 0xb0, ISR = 0x100, IRR = 0x200, ICR = 0x300 };

/* Enters the guest: this exit follows. */
static inline void expect(struct vm *v, int64_t reason, uint64_t qualification)
{
    int64_t got = enter_guest(v);
    cr_expect_eq(got, reason, "%d, not %d", (int)got, (int)reason);
    cr_expect_eq(get(v, EXIT_QUALIFICATION), qualification, "%#llx",
                 (unsigned long long)get(v, EXIT_QUALIFICATION));
}

/* v with EPT, a TPR shadow and these secondary controls. */
static inline struct vm apic_vm(struct vm v, uint32_t proc2)
{
    use_ept(&v);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_TPR_SHADOW);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, proc2);
    if (proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY)
        put_bits(&v, PIN_BASED_VM_EXEC_CONTROL, PIN_EXTERNAL_INTERRUPT_EXITING);
    put(&v, VIRTUAL_APIC_PAGE_ADDR, VAPIC);
    put(&v, APIC_ACCESS_ADDR, ACCESS_PAGE);
    return v;
}
static inline uint32_t reg(struct vm *v, unsigned offset)
{
    return (uint32_t)load(v, VAPIC + offset, 4);
}
static inline void set_reg(struct vm *v, unsigned offset, uint32_t value)
{
    store(v, VAPIC + offset, 4, value);
}

BARE_PROGRAM(reader, "mov (%rdi), %eax\n vmcall\n");
BARE_PROGRAM(writer, "mov %eax, (%rdi)\n vmcall\n");
BARE_PROGRAM(msr_writer, "wrmsr\n rdmsr\n vmcall\n");

/* A guest that writes an MSR and reads it; #GP exits. */
static inline struct vm msr_vm(uint32_t proc2, uint32_t index, uint32_t value)
{
    struct vm v = apic_vm(VM(msr_writer), proc2 | PROC2_VIRTUALIZE_X2APIC_MODE);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    put(&v, EXCEPTION_BITMAP, 1u << EXC_GP);
    v.c->gpr[RCX] = index;
    v.c->gpr[RAX] = value;
    v.c->gpr[RDX] = 0;
    return v;
}

#endif
