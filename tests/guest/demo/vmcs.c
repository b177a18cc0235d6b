// SPDX-License-Identifier: Apache-2.0
// Shows: entering VMX operation (SDM vol. 3, "Enabling and Entering VMX Operation"), choosing
// controls with the capability MSRs, and the guest- and host-state areas of a 64-bit guest.
#include "vmcs.h"

#include "vmx.h"

enum { CPUID_1_ECX_VMX = 1 << 5, CR4_VMXE = 1 << 13 };
enum { FEATURE_LOCK = 1 << 0, FEATURE_VMXON = 1 << 2 };   /* IA32_FEATURE_CONTROL */
enum { CODE_SELECTOR = 0x08, DATA_SELECTOR = 0x10, TSS_SELECTOR = 0x18, TSS_LIMIT = 103 };
enum {   /* access rights, SDM vol. 3, "Guest Register State" */
    ACCESS_CODE64 = 0xa09b, ACCESS_DATA = 0xc093, ACCESS_BUSY_TSS = 0x008b,
    ACCESS_UNUSABLE = 0x10000,
};
enum { SEGMENTS = 6, SEGMENT_CS = 1 };
#define VMX_BASIC_TRUE_CONTROLS (1ul << 55)
#define DR7_ALWAYS_1 0x400
#define RFLAGS_ALWAYS_1 2

extern uint8_t tss[];                    /* boot.S */

struct region { uint32_t revision, abort; uint8_t data[4088]; };
static struct region vmxon_region __attribute__((aligned(4096)));
static struct region vmcs_region __attribute__((aligned(4096)));

#define READ_CR(n) ({ uint64_t v_; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_)); v_; })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory")

const char *vmx_enable(void)
{
    uint32_t r[4];
    cpuid(1, r);
    if (!(r[2] & CPUID_1_ECX_VMX))
        return "CPUID.1:ECX.VMX is 0";
    uint64_t control = rdmsr(IA32_FEATURE_CONTROL);
    if (!(control & FEATURE_LOCK))
        wrmsr(IA32_FEATURE_CONTROL, control | FEATURE_LOCK | FEATURE_VMXON);
    else if (!(control & FEATURE_VMXON))
        return "IA32_FEATURE_CONTROL is locked without VMXON";
    WRITE_CR(0, (READ_CR(0) | rdmsr(IA32_VMX_CR0_FIXED0)) & rdmsr(IA32_VMX_CR0_FIXED1));
    WRITE_CR(4, (READ_CR(4) | CR4_VMXE | rdmsr(IA32_VMX_CR4_FIXED0)) & rdmsr(IA32_VMX_CR4_FIXED1));
    vmxon_region.revision = (uint32_t)rdmsr(IA32_VMX_BASIC);
    return vmxon(&vmxon_region) ? 0 : "VMXON failed";
}

/* `wanted` plus what must be 1, less what must be 0 (SDM vol. 3, appendix "VMX Capability Reporting
 * Facility"): the low half of a capability MSR has the bits that must be 1, the high half those
 * that may be.  With the "true" MSRs, which stand 12 further on, default1 bits can be left 0. */
static uint32_t allowed(enum msr capability, uint32_t wanted)
{
    bool has_true = rdmsr(IA32_VMX_BASIC) & VMX_BASIC_TRUE_CONTROLS;
    bool paired = capability != IA32_VMX_PROCBASED2;
    uint64_t m = rdmsr(has_true && paired ? capability + 12 : capability);
    return (wanted | (uint32_t)m) & (uint32_t)(m >> 32);
}

static void write_controls(uint64_t eptp)
{
    const uint32_t primary = PRIMARY_HLT_EXITING | PRIMARY_UNCONDITIONAL_IO | PRIMARY_SECONDARY;
    vmwrite(PIN_CONTROLS, allowed(IA32_VMX_PINBASED, 0));
    vmwrite(PRIMARY_CONTROLS, allowed(IA32_VMX_PROCBASED, primary));
    vmwrite(SECONDARY_CONTROLS, allowed(IA32_VMX_PROCBASED2, SECONDARY_EPT));
    vmwrite(EXIT_CONTROLS, allowed(IA32_VMX_EXIT, EXIT_HOST_64BIT));
    vmwrite(ENTRY_CONTROLS, allowed(IA32_VMX_ENTRY, ENTRY_GUEST_64BIT));
    vmwrite(EPT_POINTER, eptp);
    vmwrite(EXCEPTION_BITMAP, 0);
    vmwrite(CR3_TARGET_COUNT, 0);
    vmwrite(EXIT_MSR_STORE_COUNT, 0);
    vmwrite(EXIT_MSR_LOAD_COUNT, 0);
    vmwrite(ENTRY_MSR_LOAD_COUNT, 0);
    vmwrite(ENTRY_INTERRUPTION_INFO, 0);
    vmwrite(CR0_MASK, 0);
    vmwrite(CR4_MASK, 0);
}

/* Guest and host share GDT, TSS and page tables: what EPT does not map the guest cannot reach. */
static void write_segments(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) gdtr, idtr;
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdtr), "=m"(idtr));
    for (unsigned s = 0; s < SEGMENTS; s++) {
        uint16_t selector = s == SEGMENT_CS ? CODE_SELECTOR : DATA_SELECTOR;
        vmwrite(GUEST_ES_SELECTOR + 2 * s, selector);
        vmwrite(GUEST_ES_LIMIT + 2 * s, 0xffffffff);
        vmwrite(GUEST_ES_ACCESS + 2 * s, s == SEGMENT_CS ? ACCESS_CODE64 : ACCESS_DATA);
        vmwrite(GUEST_ES_BASE + 2 * s, 0);
        vmwrite(HOST_ES_SELECTOR + 2 * s, selector);
    }
    vmwrite(GUEST_ES_SELECTOR + 12, 0);
    vmwrite(GUEST_LDTR_LIMIT, 0);
    vmwrite(GUEST_LDTR_ACCESS, ACCESS_UNUSABLE);
    vmwrite(GUEST_LDTR_BASE, 0);
    vmwrite(GUEST_ES_SELECTOR + 14, TSS_SELECTOR);
    vmwrite(GUEST_TR_LIMIT, TSS_LIMIT);
    vmwrite(GUEST_TR_ACCESS, ACCESS_BUSY_TSS);
    vmwrite(GUEST_TR_BASE, (uint64_t)tss);
    vmwrite(GUEST_GDTR_LIMIT, gdtr.limit);
    vmwrite(GUEST_GDTR_BASE, gdtr.base);
    vmwrite(GUEST_IDTR_LIMIT, idtr.limit);
    vmwrite(GUEST_IDTR_BASE, idtr.base);
    vmwrite(HOST_ES_SELECTOR + 12, TSS_SELECTOR);
    vmwrite(HOST_FS_BASE, 0);
    vmwrite(HOST_GS_BASE, 0);
    vmwrite(HOST_TR_BASE, (uint64_t)tss);
    vmwrite(HOST_GDTR_BASE, gdtr.base);
    vmwrite(HOST_IDTR_BASE, idtr.base);
}

static void write_registers(uint64_t rip, uint64_t rsp)
{
    vmwrite(GUEST_CR0, READ_CR(0));
    vmwrite(GUEST_CR3, READ_CR(3));
    vmwrite(GUEST_CR4, READ_CR(4));
    vmwrite(HOST_CR0, READ_CR(0));
    vmwrite(HOST_CR3, READ_CR(3));
    vmwrite(HOST_CR4, READ_CR(4));
    vmwrite(GUEST_RIP, rip);
    vmwrite(GUEST_RSP, rsp);
    vmwrite(GUEST_RFLAGS, RFLAGS_ALWAYS_1);
    vmwrite(GUEST_DR7, DR7_ALWAYS_1);
    vmwrite(GUEST_DEBUGCTL, 0);
    vmwrite(GUEST_PENDING_DEBUG, 0);
    vmwrite(GUEST_INTERRUPTIBILITY, 0);
    vmwrite(GUEST_ACTIVITY, 0);
    vmwrite(GUEST_SYSENTER_CS, 0);
    vmwrite(GUEST_SYSENTER_ESP, 0);
    vmwrite(GUEST_SYSENTER_EIP, 0);
    vmwrite(HOST_SYSENTER_CS, 0);
    vmwrite(HOST_SYSENTER_ESP, 0);
    vmwrite(HOST_SYSENTER_EIP, 0);
    vmwrite(VMCS_LINK_POINTER, ~0ul);    /* no shadow VMCS */
}

bool vmcs_prepare(uint64_t rip, uint64_t rsp, uint64_t eptp)
{
    vmcs_region.revision = (uint32_t)rdmsr(IA32_VMX_BASIC);
    if (!vmclear(&vmcs_region) || !vmptrld(&vmcs_region))
        return false;
    write_controls(eptp);
    write_segments();
    write_registers(rip, rsp);
    return true;
}
