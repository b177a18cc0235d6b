// SPDX-License-Identifier: Apache-2.0
#include "vm.h"

#include "apic.h"
#include "fault.h"
#include "suite.h"

enum { CPUID_VMX = 1 << 5, FEATURE_LOCK = 1, FEATURE_VMXON = 1 << 2 };
enum { HOST_CODE = 8, HOST_DATA = 16, HOST_TSS = 24, TSS_LIMIT = 0x67 };

uint64_t gpr[16];
struct region vmxon_region __attribute__((aligned(4096)));
struct region vmcs_region __attribute__((aligned(4096)));
struct region other_vmcs __attribute__((aligned(4096)));
struct loaded loaded;
static bool on;
static struct { uint64_t cr0, cr3, cr4, efer, pat; } host;

extern char vm_exit_point[], host_tss[];
extern void reload_segments(void);
extern char host_gdt[];

/* ---- VMX operation ---- */

bool vm_on(void)
{
    vmxon_region.revision = cap.basic & 0x7fffffff;
    on = on || outcome(try_vmxon((uint64_t)&vmxon_region)) == SUCCEEDED;
    return on;
}

void vm_off(void)
{
    try_vmxoff();
    on = false;
}

const char *vm_init(void)
{
    if (!(cpuid(1, 0).c & CPUID_VMX))
        return "CPUID.1:ECX.VMX is 0";
    uint64_t control = rdmsr(IA32_FEATURE_CONTROL);
    if (!(control & FEATURE_LOCK))
        wrmsr(IA32_FEATURE_CONTROL, control | FEATURE_LOCK | FEATURE_VMXON);
    else if (!(control & FEATURE_VMXON))
        return "IA32_FEATURE_CONTROL is locked without VMXON";
    capabilities_read();
    WRITE_CR(0, (READ_CR(0) | CR0_WP | cap.cr0_fixed0) & cap.cr0_fixed1);
    WRITE_CR(4, (READ_CR(4) | CR4_OSFXSR | cap.cr4_fixed0 |
                 (cap.leaf1.c & BIT(26) ? CR4_OSXSAVE : 0)) & cap.cr4_fixed1);
    host.cr0 = READ_CR(0);
    host.cr3 = READ_CR(3);
    host.cr4 = READ_CR(4);
    host.efer = rdmsr(IA32_EFER);
    host.pat = rdmsr(IA32_PAT);
    guest_memory_init();
    ept_reset(&ept);
    return vm_on() ? 0 : "VMXON failed";
}

void vm_restore_host(void)
{
    struct table gdtr = { 0x2f, (uint64_t)host_gdt };
    if (READ_CR(4) != host.cr4)
        WRITE_CR(4, host.cr4);
    if (READ_CR(0) != host.cr0)
        WRITE_CR(0, host.cr0);
    __asm__ volatile("lgdt %0; lidt %1" : : "m"(gdtr), "m"(host_idt));
    reload_segments();
    WRITE_DR(7, 0x400);
    if (rdmsr(IA32_EFER) != host.efer)
        wrmsr(IA32_EFER, host.efer);
    if (rdmsr(IA32_PAT) != host.pat)
        wrmsr(IA32_PAT, host.pat);
}

/* ---- a VMCS that may be entered ---- */

static void write_controls(void)
{
    vmwrite(PIN_CONTROLS, cap.allowed0[PIN]);
    vmwrite(PROC_CONTROLS, cap.allowed0[PROC]);
    vmwrite(EXIT_CONTROLS, cap.allowed0[EXIT] | BIT(HOST_64 & 0xff));
    vmwrite(ENTRY_CONTROLS, cap.allowed0[ENTRY]);
    static const enum field zeroes[] = {
        PROC2_CONTROLS, PROC3_CONTROLS, EXIT2_CONTROLS, PAGE_FAULT_MASK, PAGE_FAULT_MATCH,
        CR3_TARGET_COUNT, EXIT_MSR_STORE_COUNT, EXIT_MSR_LOAD_COUNT, ENTRY_MSR_LOAD_COUNT,
        INJECTION_INFORMATION, INJECTION_ERROR_CODE, INJECTION_LENGTH, TPR_THRESHOLD,
        CR0_GUEST_HOST_MASK, CR4_GUEST_HOST_MASK, CR0_READ_SHADOW, CR4_READ_SHADOW, TSC_OFFSET,
        CR3_TARGET_VALUE_0, CR3_TARGET_VALUE_1, CR3_TARGET_VALUE_2, CR3_TARGET_VALUE_3,
        VPID, EPTP_INDEX, VM_FUNCTION_CONTROLS, XSS_EXITING_BITMAP, PLE_GAP, PLE_WINDOW,
        EOI_EXIT_BITMAP_0, EOI_EXIT_BITMAP_1, EOI_EXIT_BITMAP_2, EOI_EXIT_BITMAP_3,
        GUEST_INTERRUPT_STATUS, NOTIFICATION_VECTOR, SPEC_CTRL_MASK, SPEC_CTRL_SHADOW,
        HLAT_PREFIX_SIZE, LAST_PID_POINTER_INDEX, VIRTUAL_TIMER_VECTOR, EPT_POINTER, HLAT_POINTER,
        PREEMPTION_TIMER, GUEST_DEADLINE, GUEST_DEADLINE_SHADOW, INSTRUCTION_TIMEOUT_CONTROL,
    };
    for (unsigned k = 0; k < COUNT(zeroes); k++)
        vmwrite(zeroes[k], 0);
    static const struct { enum field field; uint32_t value; } addresses[] = {
        { IO_BITMAP_A_ADDRESS, GUEST_IO_BITMAPS }, { IO_BITMAP_B_ADDRESS, GUEST_IO_BITMAPS + 4096 },
        { MSR_BITMAP_ADDRESS, GUEST_MSR_BITMAP }, { EXIT_MSR_STORE_ADDRESS, GUEST_MSR_AREA },
        { EXIT_MSR_LOAD_ADDRESS, GUEST_MSR_AREA + 1024 },
        { ENTRY_MSR_LOAD_ADDRESS, GUEST_MSR_AREA + 2048 },
        { VIRTUAL_APIC_ADDRESS, GUEST_VIRTUAL_APIC }, { APIC_ACCESS_ADDRESS, GUEST_APIC_ACCESS },
        { POSTED_DESCRIPTOR_ADDRESS, GUEST_POSTED }, { PML_ADDRESS, GUEST_PML }, { PML_INDEX, 511 },
        { VE_INFORMATION_ADDRESS, GUEST_VE }, { EPTP_LIST_ADDRESS, GUEST_EPTP_LIST },
        { SPP_TABLE_POINTER, GUEST_SPP }, { VMREAD_BITMAP_ADDRESS, GUEST_SHADOW_BITMAPS },
        { VMWRITE_BITMAP_ADDRESS, GUEST_SHADOW_BITMAPS + 4096 }, { TSC_MULTIPLIER, 0 },
        { PID_POINTER_TABLE_ADDRESS, GUEST_POSTED + 2048 }, { EXCEPTION_BITMAP, 0xffffffff },
    };
    for (unsigned k = 0; k < COUNT(addresses); k++)
        vmwrite(addresses[k].field, addresses[k].value);
    vmwrite(TSC_MULTIPLIER, BIT(48));
}

static void write_host(void)
{
    static const uint16_t selectors[7] = { HOST_DATA, HOST_CODE, HOST_DATA, HOST_DATA, 0, 0,
                                           HOST_TSS };
    for (unsigned s = 0; s < COUNT(selectors); s++)
        vmwrite(HOST_ES_SELECTOR + 2 * s, selectors[s]);
    vmwrite(HOST_CR0, host.cr0);
    vmwrite(HOST_CR3, host.cr3);
    vmwrite(HOST_CR4, host.cr4);
    vmwrite(HOST_FS_BASE, 0);
    vmwrite(HOST_GS_BASE, 0);
    vmwrite(HOST_TR_BASE, (uint64_t)host_tss);
    vmwrite(HOST_GDTR_BASE, (uint64_t)host_gdt);
    vmwrite(HOST_IDTR_BASE, host_idt.base);
    vmwrite(HOST_SYSENTER_CS, 0);
    vmwrite(HOST_SYSENTER_ESP, 0);
    vmwrite(HOST_SYSENTER_EIP, 0);
    vmwrite(HOST_RIP, (uint64_t)vm_exit_point);
    vmwrite(HOST_EFER, host.efer);
    vmwrite(HOST_PAT, host.pat);
    static const enum field zeroes[] = { HOST_PERF_GLOBAL_CTRL, HOST_PKRS, HOST_SPEC_CTRL, HOST_S_CET,
                                         HOST_SSP, HOST_SSP_TABLE };
    for (unsigned k = 0; k < COUNT(zeroes); k++)
        vmwrite(zeroes[k], 0);
}

/* ---- the guest's modes ---- */

static const struct mode_row {
    const char *name;
    bool real, paged, wide;               /* segments by selector; CR0.PG; IA-32e mode */
    uint16_t code, data;                  /* selectors */
    uint32_t code_access, data_access;
    uint64_t cr4, cr3;
    uint32_t base, limit, idt, idt_limit;
} rows[MODES] = {
    [MODE_64] = { "64", 0, 1, 1, SEL_CODE64, SEL_DATA, 0xa09b, 0xc093, CR4_PAE, GUEST_PML4, 0,
                  0xffffffff, GUEST_IDT64, 0xfff },
    [MODE_COMPATIBILITY] = { "compatibility", 0, 1, 1, SEL_CODE32, SEL_DATA, 0xc09b, 0xc093, CR4_PAE,
                             GUEST_PML4, 0, 0xffffffff, GUEST_IDT64, 0xfff },
    [MODE_32] = { "32", 0, 1, 0, SEL_CODE32, SEL_DATA, 0xc09b, 0xc093, CR4_PSE, GUEST_PD32, 0,
                  0xffffffff, GUEST_IDT32, 0x7ff },
    [MODE_PAE] = { "pae", 0, 1, 0, SEL_CODE32, SEL_DATA, 0xc09b, 0xc093, CR4_PAE, GUEST_PDPT_PAE, 0,
                   0xffffffff, GUEST_IDT32, 0x7ff },
    [MODE_16] = { "16", 0, 1, 0, SEL_CODE16, SEL_DATA, 0x009b, 0x0093, CR4_PSE, GUEST_PD32,
                  GUEST_CODE, 0xffff, GUEST_IDT32, 0x7ff },
    [MODE_V86] = { "v86", 1, 1, 0, GUEST_CODE / 16, GUEST_CODE / 16, 0xf3, 0xf3, CR4_PSE, GUEST_PD32,
                   GUEST_CODE, 0xffff, GUEST_IDT32, 0x7ff },
    [MODE_REAL] = { "real", 1, 0, 0, GUEST_CODE / 16, GUEST_CODE / 16, 0x9b, 0x93, 0, 0, GUEST_CODE,
                    0xffff, GUEST_IVT, 0x3ff },
    [MODE_FLAT] = { "unpaged", 0, 0, 0, SEL_CODE32, SEL_DATA, 0xc09b, 0xc093, 0, 0, 0, 0xffffffff,
                    GUEST_IDT32, 0x7ff },
};

const char *mode_name(enum mode m) { return rows[m].name; }
bool lacks_mode(enum mode m)
{
    return m >= MODE_REAL && (lacks(EPT) || lacks(UNRESTRICTED_GUEST));
}

static void write_segments(const struct mode_row *m)
{
    for (unsigned s = 0; s < 6; s++) {
        bool code = s == 1;
        vmwrite(GUEST_ES_SELECTOR + 2 * s, code ? m->code : m->data);
        vmwrite(GUEST_ES_BASE + 2 * s, m->base);
        vmwrite(GUEST_ES_LIMIT + 2 * s, m->limit);
        vmwrite(GUEST_ES_ACCESS_RIGHTS + 2 * s, code ? m->code_access : m->data_access);
    }
    vmwrite(GUEST_LDTR_SELECTOR, 0);
    vmwrite(GUEST_LDTR_BASE, 0);
    vmwrite(GUEST_LDTR_LIMIT, 0);
    vmwrite(GUEST_LDTR_ACCESS_RIGHTS, 0x10000);
    vmwrite(GUEST_TR_SELECTOR, m->wide ? SEL_TSS : SEL_TSS32);
    vmwrite(GUEST_TR_BASE, m->wide ? GUEST_TSS : GUEST_TSS32);
    vmwrite(GUEST_TR_LIMIT, TSS_LIMIT);
    vmwrite(GUEST_TR_ACCESS_RIGHTS, 0x8b);
    vmwrite(GUEST_GDTR_BASE, GUEST_GDT);
    vmwrite(GUEST_GDTR_LIMIT, 0xff);
    vmwrite(GUEST_IDTR_BASE, m->idt);
    vmwrite(GUEST_IDTR_LIMIT, m->idt_limit);
}

static void write_registers(const struct mode_row *m, bool v86)
{
    uint64_t cr0 = (cap.cr0_fixed0 | CR0_PE | CR0_PG | CR0_NE | CR0_ET | CR0_WP) & cap.cr0_fixed1;
    if (!m->paged)
        cr0 &= ~CR0_PG;
    if (m->real && !v86)
        cr0 &= ~CR0_PE;
    vmwrite(GUEST_CR0, cr0);
    vmwrite(GUEST_CR3, m->cr3);
    vmwrite(GUEST_CR4, (cap.cr4_fixed0 | m->cr4) & cap.cr4_fixed1);
    vmwrite(GUEST_DR7, 0x400);
    vmwrite(GUEST_RIP, GUEST_CODE - m->base);
    vmwrite(GUEST_RSP, GUEST_STACK_TOP - m->base);
    vmwrite(GUEST_RFLAGS, v86 ? 2 | FLAG_VM : 2);
    vmwrite(GUEST_EFER, (m->wide ? EFER_LMA | EFER_LME : 0) | EFER_NXE);
    vmwrite(GUEST_PAT, host.pat);
    vmwrite(VMCS_LINK_POINTER, ~UINT64_C(0));
    static const enum field zeroes[] = {
        GUEST_DEBUGCTL, GUEST_PENDING_DEBUG, GUEST_INTERRUPTIBILITY, GUEST_ACTIVITY_STATE,
        GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP, GUEST_PERF_GLOBAL_CTRL,
        GUEST_PKRS, GUEST_UINV, GUEST_SPEC_CTRL, GUEST_S_CET, GUEST_SSP, GUEST_SSP_TABLE,
    };
    for (unsigned k = 0; k < COUNT(zeroes); k++)
        vmwrite(zeroes[k], 0);
    for (uint64_t k = 0; k < 4; k++)
        vmwrite(GUEST_PDPTE0 + 2 * k, (GUEST_PD + (k << 12)) | 1);
}

void vm_reset(enum mode mode)
{
    const struct mode_row *m = &rows[mode];
    vm_on();
    vmcs_region.revision = cap.basic & 0x7fffffff;
    try_vmclear((uint64_t)&vmcs_region);
    try_vmptrld((uint64_t)&vmcs_region);
    vm_launched = false;
    guest_memory_reset();
    zero(gpr, sizeof gpr);
    write_controls();
    write_host();
    write_segments(m);
    write_registers(m, mode == MODE_V86);
    if (m->wide)
        vm_set(IA32E_GUEST);
    if (mode >= MODE_REAL) {
        vm_use_ept();
        vm_set(UNRESTRICTED_GUEST);
    }
}

void vm_user(void)
{
    bool wide = vmread(ENTRY_CONTROLS) & BIT(IA32E_GUEST & 0xff);
    vmwrite(GUEST_CS_SELECTOR, (wide ? SEL_USER_CODE64 : SEL_USER_CODE32) | 3);
    vmwrite(GUEST_CS_ACCESS_RIGHTS, wide ? 0xa0fb : 0xc0fb);
    for (unsigned s = 0; s < 6; s++)
        if (s != 1) {
            vmwrite(GUEST_ES_SELECTOR + 2 * s, SEL_USER_DATA | 3);
            vmwrite(GUEST_ES_ACCESS_RIGHTS + 2 * s, 0xc0f3);
        }
}

/* ---- controls ---- */

static void change(enum control c, bool to)
{
    enum field f = word_field(c >> 8);
    uint64_t bit = BIT(c & 0xff), v = vmread(f);
    vmwrite(f, to ? v | bit : v & ~bit);
}

void vm_set(enum control c)
{
    if (c >> 8 == PROC2)
        change(ACTIVATE_SECONDARY, true);
    if (c >> 8 == PROC3)
        change(ACTIVATE_TERTIARY, true);
    if (c >> 8 == EXIT2)
        change(ACTIVATE_SECONDARY_EXIT, true);
    change(c, true);
}
void vm_clear(enum control c) { change(c, false); }

void vm_use_msr_bitmaps(void)
{
    vm_set(MSR_BITMAPS);
    zero((void *)byte_at(GUEST_MSR_BITMAP), 4096);
}

void vm_use_ept(void)
{
    ept_reset(&ept);
    vmwrite(EPT_POINTER, ept_pointer(&ept));
    vm_set(EPT);
    ept_invalidate();
}

void vm_skip(unsigned n) { vmwrite(GUEST_RIP, vmread(GUEST_RIP) + n); }
