// SPDX-License-Identifier: Apache-2.0
// Shows: the VMX vocabulary that a small hypervisor needs: VMCS fields (SDM vol. 3, appendix "Field
// Encoding in VMCS"), control bits, exit reasons (appendix "VMX Basic Exit Reasons"), instructions.
#ifndef DEMO_VMX_H
#define DEMO_VMX_H

#include <stdbool.h>
#include <stdint.h>

enum vmcs_field {
    GUEST_ES_SELECTOR = 0x0800,          /* ES CS SS DS FS GS LDTR TR follow in steps of 2 */
    HOST_ES_SELECTOR = 0x0c00,           /* ES CS SS DS FS GS TR                           */
    EPT_POINTER = 0x201a,
    GUEST_PHYSICAL_ADDRESS = 0x2400,
    VMCS_LINK_POINTER = 0x2800,
    GUEST_DEBUGCTL = 0x2802,
    PIN_CONTROLS = 0x4000,
    PRIMARY_CONTROLS = 0x4002,
    EXCEPTION_BITMAP = 0x4004,
    PAGE_FAULT_MASK = 0x4006,
    PAGE_FAULT_MATCH = 0x4008,
    CR3_TARGET_COUNT = 0x400a,
    EXIT_CONTROLS = 0x400c,
    EXIT_MSR_STORE_COUNT = 0x400e,
    EXIT_MSR_LOAD_COUNT = 0x4010,
    ENTRY_CONTROLS = 0x4012,
    ENTRY_MSR_LOAD_COUNT = 0x4014,
    ENTRY_INTERRUPTION_INFO = 0x4016,
    ENTRY_EXCEPTION_ERROR_CODE = 0x4018,
    ENTRY_INSTRUCTION_LENGTH = 0x401a,
    SECONDARY_CONTROLS = 0x401e,
    VM_INSTRUCTION_ERROR = 0x4400,
    EXIT_REASON = 0x4402,
    EXIT_INTERRUPTION_INFO = 0x4404,
    EXIT_INTERRUPTION_ERROR_CODE = 0x4406,
    IDT_VECTORING_INFO = 0x4408,
    IDT_VECTORING_ERROR_CODE = 0x440a,
    EXIT_INSTRUCTION_LENGTH = 0x440c,
    GUEST_ES_LIMIT = 0x4800,
    GUEST_LDTR_LIMIT = 0x480c,
    GUEST_TR_LIMIT = 0x480e,
    GUEST_GDTR_LIMIT = 0x4810,
    GUEST_IDTR_LIMIT = 0x4812,
    GUEST_ES_ACCESS = 0x4814,
    GUEST_LDTR_ACCESS = 0x4820,
    GUEST_TR_ACCESS = 0x4822,
    GUEST_INTERRUPTIBILITY = 0x4824,
    GUEST_ACTIVITY = 0x4826,
    GUEST_SYSENTER_CS = 0x482a,
    HOST_SYSENTER_CS = 0x4c00,
    CR0_MASK = 0x6000,
    CR4_MASK = 0x6002,
    CR0_READ_SHADOW = 0x6004,
    CR4_READ_SHADOW = 0x6006,
    EXIT_QUALIFICATION = 0x6400,
    GUEST_CR0 = 0x6800,
    GUEST_CR3 = 0x6802,
    GUEST_CR4 = 0x6804,
    GUEST_ES_BASE = 0x6806,
    GUEST_LDTR_BASE = 0x6812,
    GUEST_TR_BASE = 0x6814,
    GUEST_GDTR_BASE = 0x6816,
    GUEST_IDTR_BASE = 0x6818,
    GUEST_DR7 = 0x681a,
    GUEST_RSP = 0x681c,
    GUEST_RIP = 0x681e,
    GUEST_RFLAGS = 0x6820,
    GUEST_PENDING_DEBUG = 0x6822,
    GUEST_SYSENTER_ESP = 0x6824,
    GUEST_SYSENTER_EIP = 0x6826,
    HOST_CR0 = 0x6c00,
    HOST_CR3 = 0x6c02,
    HOST_CR4 = 0x6c04,
    HOST_FS_BASE = 0x6c06,
    HOST_GS_BASE = 0x6c08,
    HOST_TR_BASE = 0x6c0a,
    HOST_GDTR_BASE = 0x6c0c,
    HOST_IDTR_BASE = 0x6c0e,
    HOST_SYSENTER_ESP = 0x6c10,
    HOST_SYSENTER_EIP = 0x6c12,
};

enum {
    PIN_NMI_EXITING = 1 << 3,
    PIN_VIRTUAL_NMIS = 1 << 5,
    PRIMARY_HLT_EXITING = 1 << 7,
    PRIMARY_INVLPG_EXITING = 1 << 9,
    PRIMARY_CR3_LOAD_EXITING = 1 << 15,
    PRIMARY_CR3_STORE_EXITING = 1 << 16,
    PRIMARY_UNCONDITIONAL_IO = 1 << 24,
    SECONDARY_EPT = 1 << 1,
    EXIT_HOST_64BIT = 1 << 9,
    ENTRY_GUEST_64BIT = 1 << 9,
};
#define PRIMARY_SECONDARY (1u << 31)     /* "activate secondary controls" */

enum exit_reason {
    EXIT_EXCEPTION = 0, EXIT_CPUID = 10, EXIT_HLT = 12, EXIT_INVLPG = 14, EXIT_VMCALL = 18,
    EXIT_CR_ACCESS = 28, EXIT_IO = 30, EXIT_RDMSR = 31, EXIT_WRMSR = 32, EXIT_BAD_GUEST_STATE = 33,
    EXIT_EPT_VIOLATION = 48, EXIT_REASONS = 64,
};
#define EXIT_ENTRY_FAILURE (1u << 31)    /* bit 31 of the exit reason */

enum msr {
    IA32_FEATURE_CONTROL = 0x3a, IA32_VMX_BASIC = 0x480, IA32_VMX_PINBASED = 0x481,
    IA32_VMX_PROCBASED = 0x482, IA32_VMX_EXIT = 0x483, IA32_VMX_ENTRY = 0x484,
    IA32_VMX_CR0_FIXED0 = 0x486, IA32_VMX_CR0_FIXED1 = 0x487, IA32_VMX_CR4_FIXED0 = 0x488,
    IA32_VMX_CR4_FIXED1 = 0x489, IA32_VMX_PROCBASED2 = 0x48b,
};
#define IA32_LSTAR 0xc0000082u

/* How a VMX instruction ended (SDM vol. 3, "Conventions" of the VMX instruction reference). */
enum vm_result { VM_SUCCEED, VM_FAIL_INVALID, VM_FAIL_VALID, VM_EXITED };

/* General registers of the guest, which VM entries and exits leave to software; switch.S knows the
 * order.  RSP and RIP are VMCS fields. */
struct guest_registers { uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi; };

/* switch.S.  VM_EXITED after a VM exit, else how the entry failed. */
enum vm_result vm_enter(struct guest_registers *guest, bool launched);
/* switch.S.  A VMLAUNCH that is meant to fail. */
enum vm_result vmlaunch_broken(void);

static inline uint64_t rdmsr(uint32_t index)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
static inline uint64_t vmread(enum vmcs_field field)
{
    uint64_t value;
    __asm__ volatile("vmread %1, %0" : "=rm"(value) : "r"((uint64_t)field) : "cc");
    return value;
}
static inline void vmwrite(enum vmcs_field field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)field), "rm"(value) : "cc");
}
/* VMXON, VMCLEAR and VMPTRLD take the physical address from memory; CF or ZF says that they
 * failed. */
#define VMX_POINTER_INSTRUCTION(name)                                                            \
    static inline bool name(const void *region)                                                  \
    {                                                                                            \
        uint64_t address = (uint64_t)region;                                                     \
        bool ok;                                                                                 \
        __asm__ volatile(#name " %1" : "=@cca"(ok) : "m"(address) : "memory");                   \
        return ok;                                                                               \
    }
VMX_POINTER_INSTRUCTION(vmxon)
VMX_POINTER_INSTRUCTION(vmclear)
VMX_POINTER_INSTRUCTION(vmptrld)
#undef VMX_POINTER_INSTRUCTION

static inline void cpuid(uint32_t leaf, uint32_t out[4])
{
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(0));
}

#endif
