// SPDX-License-Identifier: Apache-2.0
// Registers that VM entry loads and VM exit saves only if a control says so.
#include "vmx_modes.h"

/* RBX: what the guest finds; then it writes RSI. */
BARE_PROGRAM(guest_msr, "rdmsr\n mov %rax, %rbx\n mov %esi, %eax\n shld $32, %rsi, %rdx\n wrmsr\n"
                        "vmcall\n");
BARE_PROGRAM(guest_dr7, "mov %dr7, %rbx\n mov %rsi, %dr7\n vmcall\n");

struct state_row {
    uint32_t msr; /* 0: DR7 */
    uint32_t load, save;
    enum vmcs_field field;
    uint64_t host, loaded, written;
};
#define WIDE (EFER_LME | EFER_LMA)
static const struct state_row rows[] = {
    { 0x277, ENTRY_LOAD_PAT, EXIT_SAVE_PAT, GUEST_IA32_PAT, UINT64_C(0x0007040600070406),
      UINT64_C(0x0101010101010101), UINT64_C(0x0404040404040404) },
    { 0xc0000080, ENTRY_LOAD_EFER, EXIT_SAVE_EFER, GUEST_IA32_EFER, WIDE | EFER_SCE | EFER_NXE,
      WIDE | EFER_SCE, WIDE },
    { 0x38f, ENTRY_LOAD_PERF_GLOBAL_CTRL, EXIT_SAVE_PERF_GLOBAL_CTRL, GUEST_IA32_PERF_GLOBAL_CTRL,
      0xff, 3, 5 },
    { 0x1d9, ENTRY_LOAD_DEBUG_CONTROLS, EXIT_SAVE_DEBUG_CONTROLS, GUEST_IA32_DEBUGCTL, 0, 2, 1 },
    { 0, ENTRY_LOAD_DEBUG_CONTROLS, EXIT_SAVE_DEBUG_CONTROLS, GUEST_DR7, 0x400, 0x700, 0x500 },
};

static void load_and_save(const struct state_row *r, bool load, bool save)
{
    struct vm v = r->msr ? VM(guest_msr) : VM(guest_dr7);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    put_bits(&v, VM_ENTRY_CONTROLS, load ? r->load : 0);
    put_bits(&v, VM_EXIT_CONTROLS, save ? r->save : 0);
    put(&v, r->field, r->loaded);
    v.c->gpr[RCX] = r->msr;
    v.c->gpr[RSI] = r->written;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq((uint32_t)v.c->gpr[RBX], (uint32_t)(load ? r->loaded : r->host),
                 "MSR %#x, load %d: %#x", r->msr, load, (unsigned)v.c->gpr[RBX]);
    cr_expect_eq(get(&v, r->field), save ? r->written : r->loaded, "MSR %#x, save %d: %#llx",
                 r->msr, save, (unsigned long long)get(&v, r->field));
    machine_destroy(v.m);
}

Test(vmx_state, loaded_and_saved_by_controls)
{
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++)
        for (unsigned n = 0; n < 4; n++)
            load_and_save(&rows[k], n & 1, n & 2);
}

Test(vmx_state, reserved_bits_of_dr7)
{
    struct vm v = VM(guest_dr7);
    use_debug_controls(&v);
    put(&v, GUEST_DR7, 0xd900); /* bits 15:14, 12 and 11 are not loaded */
    v.c->gpr[RSI] = 0x400;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RBX], 0x500);
    machine_destroy(v.m);
}

/* VM exits save IA32_PKRS whatever the controls are. */
static void key_rights_of_supervisors(bool load_guest, bool load_host)
{
    struct vm v = VM(guest_msr);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    put_bits(&v, VM_ENTRY_CONTROLS, load_guest ? ENTRY_LOAD_PKRS : 0);
    put_bits(&v, VM_EXIT_CONTROLS, load_host ? EXIT_LOAD_PKRS : 0);
    put(&v, GUEST_IA32_PKRS, 0x44444444);
    put(&v, HOST_IA32_PKRS, 0x55555554);
    v.c->msr.pkrs = 0x11111110;
    v.c->gpr[RCX] = 0x6e1;
    v.c->gpr[RSI] = 0x88888888;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RBX], load_guest ? 0x44444444 : 0x11111110);
    cr_expect_eq(get(&v, GUEST_IA32_PKRS), 0x88888888);
    cr_expect_eq(v.c->msr.pkrs, load_host ? 0x55555554 : 0x88888888);
    machine_destroy(v.m);
}

Test(vmx_state, supervisor_key_rights)
{
    for (unsigned n = 0; n < 4; n++)
        key_rights_of_supervisors(n & 1, n & 2);
}

/* ---- always loaded ---- */

#define FAR(n) (UINT64_C(0xffff800000000000) + (n))

/* SDM vol. 3, "Loading Host State". */
Test(vmx_state, host_registers)
{
    struct vm v = VM(guest_dr7);
    static const struct {
        enum vmcs_field field;
        uint64_t value;
    } host[] = {
        { HOST_ES_SELECTOR, 0x40 },         { HOST_DS_SELECTOR, 0x48 },
        { HOST_FS_SELECTOR, 0x50 },         { HOST_GS_SELECTOR, 0x58 },
        { HOST_FS_BASE, FAR(1) },           { HOST_GS_BASE, FAR(2) },
        { HOST_TR_BASE, FAR(3) },           { HOST_GDTR_BASE, FAR(4) },
        { HOST_IDTR_BASE, FAR(5) },         { HOST_RSP, FAR(6) },
        { HOST_IA32_SYSENTER_CS, 7 },       { HOST_IA32_SYSENTER_ESP, FAR(8) },
        { HOST_IA32_SYSENTER_EIP, FAR(9) },
    };
    const struct cpu *c = v.c;
    for (unsigned k = 0; k < ARRAY_SIZE(host); k++)
        put(&v, host[k].field, host[k].value);
    cr_expect_eq(enter_guest(&v), 18);
    const uint64_t loaded[] = {
        c->seg[ES].selector, c->seg[DS].selector, c->seg[FS].selector, c->seg[GS].selector,
        c->seg[FS].base,     c->seg[GS].base,     c->seg[TR].base,     c->gdtr.base,
        c->idtr.base,        c->gpr[RSP],         c->msr.sysenter_cs,  c->msr.sysenter_esp,
        c->msr.sysenter_eip,
    };
    for (unsigned k = 0; k < ARRAY_SIZE(host); k++)
        cr_expect_eq(loaded[k], host[k].value, "%s", vmcs_fields[host[k].field].name);
    cr_expect_eq(c->seg[LDTR].access, SEG_UNUSABLE);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_registers, "sldt %r8d\n mov $0xc, %eax\n lsl %eax, %r9d\n"
                              "mov $0x174, %ecx\n rdmsr\n mov %eax, %r10d\n"
                              "inc %ecx\n rdmsr\n mov %eax, %r11d\n"
                              "inc %ecx\n rdmsr\n mov %eax, %r12d\n"
                              "mov %cr4, %r13\n vmcall\n");
Test(vmx_state, guest_registers)
{
    struct vm v = VM(guest_registers);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    put(&v, GUEST_LDTR_SELECTOR, 0x68);
    put(&v, GUEST_LDTR_BASE, LIST);
    put(&v, GUEST_LDTR_LIMIT, 0xf);
    put(&v, GUEST_LDTR_AR_BYTES, 0x82);
    store(&v, LIST + 8, 8, UINT64_C(0x0040930000001234)); /* a data segment's limit */
    put(&v, GUEST_SYSENTER_CS, 0x11);
    put(&v, GUEST_SYSENTER_ESP, 0x22);
    put(&v, GUEST_SYSENTER_EIP, 0x33);
    put(&v, CR4_GUEST_HOST_MASK, CR4_VMXE | CR4_PSE);
    put(&v, CR4_READ_SHADOW, CR4_PSE);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[R8], 0x68);
    cr_expect_eq(v.c->gpr[R9], 0x1234);
    cr_expect_eq(v.c->gpr[R10], 0x11);
    cr_expect_eq(v.c->gpr[R11], 0x22);
    cr_expect_eq(v.c->gpr[R12], 0x33);
    cr_expect_eq(v.c->gpr[R13] & (CR4_VMXE | CR4_PSE), CR4_PSE);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_gigabytes, ".code32\n mov 0x100000, %eax\n mov 0x40100000, %ebx\n"
                              "mov 0x80100000, %ecx\n mov 0xc0100000, %edx\n vmcall\n .code64\n");
Test(vmx_state, pdptes)
{
    struct vm v = VM(guest_gigabytes);
    guest_pae(&v);
    use_ept(&v);
    for (unsigned k = 0; k < 4; k++) {
        uint64_t directory = HOST_TABLES + 0x1000 * k;
        store(&v, directory, 8, UINT64_C(0x200000) * k | 0xe7);
        put(&v, GUEST_PDPTE0 + k, (k ? directory : GUEST_TABLES + 0x1000) | 1);
        store(&v, 0x100000 + 0x200000 * k, 4, 0x10 + k);
    }
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RAX], 0x10);
    cr_expect_eq(v.c->gpr[RBX], 0x11);
    cr_expect_eq(v.c->gpr[RCX], 0x12);
    cr_expect_eq(v.c->gpr[RDX], 0x13);
    machine_destroy(v.m);
}
