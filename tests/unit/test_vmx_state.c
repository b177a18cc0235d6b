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
