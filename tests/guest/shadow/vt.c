// SPDX-License-Identifier: Apache-2.0
// Shows: a VMCS for a 32-bit guest under a 64-bit hypervisor, with the controls that every
// processor with VT-x has.
#include "vt.h"

enum { CPUID_1_ECX_VMX = 1 << 5, CR4_VMXE = 1 << 13 };
enum { FEATURE_LOCK = 1 << 0, FEATURE_VMXON = 1 << 2 };   /* IA32_FEATURE_CONTROL */
enum { CODE_SELECTOR = 0x08, DATA_SELECTOR = 0x10, TSS_SELECTOR = 0x18 };
enum {   /* access rights, SDM vol. 3, "Guest Register State" */
    ACCESS_CODE32 = 0xc09b, ACCESS_DATA = 0xc093, ACCESS_BUSY_TSS = 0x008b,
    ACCESS_UNUSABLE = 0x10000,
};
enum { SEGMENTS = 6, SEGMENT_CS = 1, EXCEPTION_PAGE_FAULT = 14 };
#define CR0_PE 0x1u
#define CR0_ET 0x10u
#define CR0_WP 0x10000u
#define ALL_BITS 0xffffffffu

extern uint8_t tss[];                    /* demo/boot.S */

struct region { uint32_t revision, abort; uint8_t data[4088]; };
static struct region vmxon_region __attribute__((aligned(4096)));
static struct region vmcs_region __attribute__((aligned(4096)));

#define READ_CR(n) ({ uint64_t v_; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_)); v_; })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory")

const char *vt_enable(void)
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
    vmxon_region.revision = vmcs_region.revision = (uint32_t)rdmsr(IA32_VMX_BASIC);
    return vmxon(&vmxon_region) ? 0 : "VMXON failed";
}

/* Low half: bits that must be 1, high half: bits that may be.  These MSRs, unlike the TRUE ones of
 * later processors, have the default1 class as bits that must be 1: all that 2005 knew. */
static uint32_t allowed(enum msr capability, uint32_t wanted)
{
    uint64_t v = rdmsr(capability);
    return (wanted | (uint32_t)v) & (uint32_t)(v >> 32);
}

/* CPUID, RDMSR and WRMSR exit without being asked; so do MOV to and from CR3, whose controls are in
 * the default1 class.  Exits of INVLPG and of all page faults are what shadow paging adds. */
static void write_controls(void)
{
    vmwrite(PIN_CONTROLS, allowed(IA32_VMX_PINBASED, 0));
    vmwrite(PRIMARY_CONTROLS,
            allowed(IA32_VMX_PROCBASED, PRIMARY_HLT_EXITING | PRIMARY_INVLPG_EXITING |
                                            PRIMARY_CR3_LOAD_EXITING | PRIMARY_CR3_STORE_EXITING |
                                            PRIMARY_UNCONDITIONAL_IO));
    vmwrite(EXIT_CONTROLS, allowed(IA32_VMX_EXIT, EXIT_HOST_64BIT));
    vmwrite(ENTRY_CONTROLS, allowed(IA32_VMX_ENTRY, 0));
    vmwrite(EXCEPTION_BITMAP, 1u << EXCEPTION_PAGE_FAULT);
    vmwrite(PAGE_FAULT_MASK, 0);         /* error code & 0 == 0: every page fault */
    vmwrite(PAGE_FAULT_MATCH, 0);
    vmwrite(CR3_TARGET_COUNT, 0);
    vmwrite(EXIT_MSR_STORE_COUNT, 0);
    vmwrite(EXIT_MSR_LOAD_COUNT, 0);
    vmwrite(ENTRY_MSR_LOAD_COUNT, 0);
    vmwrite(ENTRY_INTERRUPTION_INFO, 0);
}

/* The guest loads GDTR and IDTR itself before it needs them. */
static void write_guest_segments(void)
{
    for (unsigned s = 0; s < SEGMENTS; s++) {
        vmwrite(GUEST_ES_SELECTOR + 2 * s, s == SEGMENT_CS ? CODE_SELECTOR : DATA_SELECTOR);
        vmwrite(GUEST_ES_LIMIT + 2 * s, 0xffffffff);
        vmwrite(GUEST_ES_ACCESS + 2 * s, s == SEGMENT_CS ? ACCESS_CODE32 : ACCESS_DATA);
        vmwrite(GUEST_ES_BASE + 2 * s, 0);
    }
    vmwrite(GUEST_ES_SELECTOR + 12, 0);
    vmwrite(GUEST_LDTR_LIMIT, 0);
    vmwrite(GUEST_LDTR_ACCESS, ACCESS_UNUSABLE);
    vmwrite(GUEST_LDTR_BASE, 0);
    vmwrite(GUEST_ES_SELECTOR + 14, 0);
    vmwrite(GUEST_TR_LIMIT, 103);
    vmwrite(GUEST_TR_ACCESS, ACCESS_BUSY_TSS);
    vmwrite(GUEST_TR_BASE, 0);
    vmwrite(GUEST_GDTR_LIMIT, 0);
    vmwrite(GUEST_GDTR_BASE, 0);
    vmwrite(GUEST_IDTR_LIMIT, 0);
    vmwrite(GUEST_IDTR_BASE, 0);
}

/* Every bit of CR0 and CR4 is the hypervisor's: the guest reads the read shadows, and a MOV that
 * would change one of them exits. */
static void write_guest_registers(uint32_t rip, uint32_t shadow_cr3)
{
    vmwrite(GUEST_CR0, rdmsr(IA32_VMX_CR0_FIXED0) | CR0_ET | CR0_WP);
    vmwrite(CR0_MASK, ALL_BITS);
    vmwrite(CR0_READ_SHADOW, CR0_PE | CR0_ET);
    vmwrite(GUEST_CR4, rdmsr(IA32_VMX_CR4_FIXED0));
    vmwrite(CR4_MASK, ALL_BITS);
    vmwrite(CR4_READ_SHADOW, 0);
    vmwrite(GUEST_CR3, shadow_cr3);
    vmwrite(GUEST_RIP, rip);
    vmwrite(GUEST_RSP, 0);
    vmwrite(GUEST_RFLAGS, 2);
    vmwrite(GUEST_DR7, 0x400);
    vmwrite(GUEST_DEBUGCTL, 0);
    vmwrite(GUEST_PENDING_DEBUG, 0);
    vmwrite(GUEST_INTERRUPTIBILITY, 0);
    vmwrite(GUEST_ACTIVITY, 0);
    vmwrite(GUEST_SYSENTER_CS, 0);
    vmwrite(GUEST_SYSENTER_ESP, 0);
    vmwrite(GUEST_SYSENTER_EIP, 0);
    vmwrite(VMCS_LINK_POINTER, ~0ul);
}

static void write_host(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) gdtr, idtr;
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdtr), "=m"(idtr));
    for (unsigned s = 0; s < SEGMENTS; s++)
        vmwrite(HOST_ES_SELECTOR + 2 * s, s == SEGMENT_CS ? CODE_SELECTOR : DATA_SELECTOR);
    vmwrite(HOST_ES_SELECTOR + 12, TSS_SELECTOR);
    vmwrite(HOST_FS_BASE, 0);
    vmwrite(HOST_GS_BASE, 0);
    vmwrite(HOST_TR_BASE, (uint64_t)tss);
    vmwrite(HOST_GDTR_BASE, gdtr.base);
    vmwrite(HOST_IDTR_BASE, idtr.base);
    vmwrite(HOST_CR0, READ_CR(0));
    vmwrite(HOST_CR3, READ_CR(3));
    vmwrite(HOST_CR4, READ_CR(4));
    vmwrite(HOST_SYSENTER_CS, 0);
    vmwrite(HOST_SYSENTER_ESP, 0);
    vmwrite(HOST_SYSENTER_EIP, 0);
}

bool vt_prepare(uint32_t rip, uint32_t shadow_cr3)
{
    if (!vmclear(&vmcs_region) || !vmptrld(&vmcs_region))
        return false;
    write_controls();
    write_guest_segments();
    write_guest_registers(rip, shadow_cr3);
    write_host();
    return true;
}
