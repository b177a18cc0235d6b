// SPDX-License-Identifier: Apache-2.0
// Control registers, CR8 and the TPR shadow, I/O, in VMX non-root operation.
#include "vmx_modes.h"

/* ---- MOV CR ---- */

BARE_PROGRAM(guest_cr0, "mov %rbx, %cr0\n mov %cr0, %rcx\n smsw %edx\n vmcall\n");
Test(vmx_control, cr0_mask_and_shadow)
{
    struct vm v = VM(guest_cr0);
    put(&v, CR0_GUEST_HOST_MASK, CR0_TS | CR0_AM);
    put(&v, CR0_READ_SHADOW, CR0_AM);
    v.c->gpr[RBX] = (get(&v, GUEST_CR0) | CR0_AM | CR0_WP);
    cr_expect_eq(enter_guest(&v), 18);                  /* owned bits as in the shadow */
    cr_expect_eq(v.c->gpr[RCX] & (CR0_AM | CR0_WP | CR0_TS), CR0_AM | CR0_WP);
    cr_expect_eq(v.c->gpr[RDX] & CR0_AM, CR0_AM);
    cr_expect_eq(get(&v, GUEST_CR0) & (CR0_AM | CR0_WP), CR0_WP);
    v.c->gpr[RBX] |= CR0_TS;
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), RBX << 8);
    v.c->gpr[RBX] = get(&v, GUEST_CR0) & ~(uint64_t)CR0_NE;    /* fixed, and the guest's own */
    v.c->gpr[RBX] |= CR0_AM;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_GP));
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_cr4, "mov %r9, %cr4\n mov %cr4, %rcx\n vmcall\n");
Test(vmx_control, cr4_mask_and_fixed_bits)
{
    struct vm v = VM(guest_cr4);
    v.c->gpr[R9] = CR4_PAE | CR4_OSFXSR;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_GP));   /* VMXE may not become 0 */
    put(&v, CR4_GUEST_HOST_MASK, CR4_VMXE | CR4_PGE);
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 7);
    cr_expect_eq(v.c->gpr[RCX], CR4_PAE | CR4_OSFXSR);
    cr_expect(get(&v, GUEST_CR4) & CR4_VMXE);
    v.c->gpr[R9] |= CR4_PGE;
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 4 | R9 << 8);
    v.c->gpr[R9] = CR4_PAE | UINT64_C(1) << 30;          /* reserved */
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_GP));
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_cr3, "mov %rbx, %cr3\n mov %cr3, %r14\n vmcall\n");
Test(vmx_control, cr3_targets_and_store)
{
    struct vm v = VM(guest_cr3);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING);
    put(&v, CR3_TARGET_VALUE0 + 3, BARE_TABLES);
    put(&v, CR3_TARGET_COUNT, 3);
    v.c->gpr[RBX] = BARE_TABLES;
    cr_expect_eq(enter_guest(&v), 28);                  /* the fourth does not count */
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 3 | RBX << 8);
    put(&v, CR3_TARGET_COUNT, 4);
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 3 | 1 << 4 | R14 << 8);
    put(&v, CR3_TARGET_COUNT, 5);
    cr_expect_eq(enter_guest(&v), -1);
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 7);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_four_cr3, "mov %rax, %cr3\n mov %rbx, %cr3\n mov %rcx, %cr3\n mov %rdx, %cr3\n"
                             "vmcall\n");
Test(vmx_control, cr3_targets)
{
    static const uint8_t from[] = { RAX, RBX, RCX, RDX };
    struct vm v = VM(guest_four_cr3);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_CR3_LOAD_EXITING);
    put(&v, CR3_TARGET_COUNT, 4);
    for (unsigned k = 0; k < 4; k++) {
        put(&v, CR3_TARGET_VALUE0 + k, BARE_TABLES | k << 3);
        v.c->gpr[from[k]] = BARE_TABLES | k << 3;
    }
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_CR3), BARE_TABLES | 3 << 3);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_no_cr, "mov %rax, %cr1\n vmcall\n");
Test(vmx_control, undefined_register_is_not_an_exit)
{
    struct vm v = VM(guest_no_cr);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_UD));
    machine_destroy(v.m);
}

/* ---- CLTS, LMSW ---- */

BARE_PROGRAM(guest_clts, "clts\n vmcall\n");
Test(vmx_control, clts)
{
    struct vm v = VM(guest_clts);
    put_bits(&v, GUEST_CR0, CR0_TS);
    put(&v, CR0_GUEST_HOST_MASK, CR0_TS);
    cr_expect_eq(enter_guest(&v), 18);                  /* owned, shadow 0: nothing happens */
    cr_expect(get(&v, GUEST_CR0) & CR0_TS);
    put(&v, CR0_READ_SHADOW, CR0_TS);
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 2 << 4);
    put(&v, CR0_GUEST_HOST_MASK, 0);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_not(get(&v, GUEST_CR0) & CR0_TS);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_lmsw, "lmsw %bx\n vmcall\n");
BARE_PROGRAM(guest_lmsw_mem, "lmsw 4(%rsi)\n vmcall\n");
Test(vmx_control, lmsw)
{
    struct vm v = VM(guest_lmsw);
    put(&v, CR0_GUEST_HOST_MASK, CR0_PE | CR0_EM | CR0_AM);
    put(&v, CR0_READ_SHADOW, CR0_PE | CR0_AM);
    v.c->gpr[RBX] = 0xfff0 | CR0_TS;                    /* PE stays, bits above 3 do not count */
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_CR0) & (CR0_PE | CR0_MP | CR0_TS), CR0_PE | CR0_TS);
    put(&v, CR0_READ_SHADOW, 0);                        /* sets a PE that reads as 0 */
    v.c->gpr[RBX] = CR0_PE;
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 3 << 4 | CR0_PE << 16);
    v.c->gpr[RBX] = CR0_EM;
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 3 << 4 | CR0_EM << 16);
    machine_destroy(v.m);
}

Test(vmx_control, lmsw_from_memory)
{
    struct vm v = VM(guest_lmsw_mem);
    put(&v, CR0_GUEST_HOST_MASK, CR0_EM);
    store(&v, BARE_DATA + 4, 2, 0xabc4);
    v.c->gpr[RSI] = BARE_DATA;
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 3 << 4 | 1 << 6 | UINT64_C(0xabc4) << 16);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), BARE_DATA + 4);
    v.c->gpr[RSI] = 0x50000000;                         /* the operand is fetched first */
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_PF));
    machine_destroy(v.m);
}

/* ---- CR8 ---- */

BARE_PROGRAM(guest_cr8, "mov %rbx, %cr8\n mov %cr8, %rcx\n vmcall\n");
Test(vmx_control, cr8_exits)
{
    struct vm v = VM(guest_cr8);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING);
    v.c->gpr[RBX] = 0x10;                               /* the exit comes before its #GP */
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 8 | RBX << 8);
    skip_instruction(&v);
    cr_expect_eq(enter_guest(&v), 28);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 8 | 1 << 4 | RCX << 8);
    machine_destroy(v.m);
}

Test(vmx_control, tpr_shadow)
{
    struct vm v = VM(guest_cr8);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_TPR_SHADOW);
    put(&v, VIRTUAL_APIC_PAGE_ADDR, BITMAP);
    put(&v, TPR_THRESHOLD, 3);
    store(&v, BITMAP + 0x80, 4, 0x31323334);
    v.c->gpr[RBX] = 9;
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(load(&v, BITMAP + 0x80, 4), 0x90);
    cr_expect_eq(v.c->gpr[RCX], 9);
    cr_expect_eq(v.c->cr8, 0);
    v.c->gpr[RBX] = 0x10;
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_GP));
    v.c->gpr[RBX] = 3;                                  /* not below the threshold */
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);
    v.c->gpr[RBX] = 2;
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 43);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 4);
    machine_destroy(v.m);
}

/* ---- I/O ---- */

static struct vm io_guest(const uint8_t *start, const uint8_t *end)
{
    struct vm v = vm_create("max", start, end);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_IO_BITMAPS);
    put(&v, IO_BITMAP_A, BITMAP);
    put(&v, IO_BITMAP_B, BITMAP + 0x1000);
    return v;
}
#define IO_GUEST(program) io_guest(program##_start, program##_end)

BARE_PROGRAM(guest_io, "mov $0x7fff, %dx\n in %dx, %ax\n mov $0xffff, %dx\n out %al, %dx\n"
                       "out %eax, %dx\n vmcall\n");
Test(vmx_control, io_bitmaps_meet_and_wrap)
{
    struct vm v = IO_GUEST(guest_io);
    store(&v, BITMAP + 0x1000, 1, 1);                   /* port 8000H, the second byte of 7FFFH */
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), UINT64_C(0x7fff) << 16 | 1 << 3 | 1);
    skip_instruction(&v);
    cr_expect_eq(enter_guest(&v), 30);                  /* not FFFFH alone, but what wraps */
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), UINT64_C(0xffff) << 16 | 3);
    store(&v, BITMAP + 0x1fff, 1, 0x80);
    put(&v, GUEST_RIP, get(&v, GUEST_RIP) - 1);
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), UINT64_C(0xffff) << 16);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_io_imm, "out %al, $0x80\n in $0x81, %eax\n vmcall\n");
Test(vmx_control, unconditional_io_exiting)
{
    struct vm v = VM(guest_io_imm);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_UNCONDITIONAL_IO_EXITING);
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), UINT64_C(0x80) << 16 | 1 << 6);
    skip_instruction(&v);
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), UINT64_C(0x81) << 16 | 1 << 6 | 1 << 3 | 3);
    user_guest(&v);                                     /* IOPL 0, no bit map: #GP(0) first */
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(get(&v, GUEST_RIP), HANDLER(EXC_GP));
    put(&v, CPU_BASED_VM_EXEC_CONTROL, get(&v, CPU_BASED_VM_EXEC_CONTROL) | PROC_USE_IO_BITMAPS);
    put(&v, IO_BITMAP_A, BITMAP);
    put(&v, IO_BITMAP_B, BITMAP + 0x1000);
    use_segments(&v, 0xa09b, 0xc093, 0);
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);                  /* bitmaps beat "unconditional" */
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 4);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_string,
             "rep insw\n rep outsb %fs:(%rsi), %dx\n addr32 insl\n vmcall\n");
Test(vmx_control, string_io_64)
{
    struct vm v = VM(guest_string);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_UNCONDITIONAL_IO_EXITING);
    put(&v, GUEST_FS_BASE, 0x7000);
    v.c->gpr[RDX] = 0x1f0;
    v.c->gpr[RCX] = 2;
    v.c->gpr[RDI] = UINT64_C(0x90000000000);            /* not mapped: the exit comes first */
    v.c->gpr[RSI] = 0x123;
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x1f0 << 16 | 1 << 5 | 1 << 4 | 1 << 3 | 1);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), UINT64_C(0x90000000000));
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO) & 0x380, 2 << 7);
    skip_instruction(&v);
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x1f0 << 16 | 1 << 5 | 1 << 4);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), 0x7123);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), 2 << 7 | FS << 15);
    skip_instruction(&v);
    v.c->gpr[RDI] = UINT64_C(0x500001000);
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x1f0 << 16 | 1 << 4 | 1 << 3 | 3);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), 0x1000);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO) & 0x380, 1 << 7);
    put(&v, GUEST_RIP, GUEST_CODE);
    v.c->gpr[RCX] = 0;                                  /* no iteration, no exit */
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE + 6);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_string_16, ".code16\n outsw %ss:(%si), %dx\n .code64\n vmcall\n");
Test(vmx_control, string_io_in_real_mode)
{
    struct vm v = VM(guest_string_16);
    guest_real(&v);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_UNCONDITIONAL_IO_EXITING);
    put(&v, GUEST_SS_SELECTOR, 0x3000);
    put(&v, GUEST_SS_BASE, 0x30000);
    v.c->gpr[RDX] = 0x3f8;
    v.c->gpr[RSI] = 0xabcd0010;
    cr_expect_eq(enter_guest(&v), 30);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 0x3f8 << 16 | 1 << 4 | 1);
    cr_expect_eq(get(&v, GUEST_LINEAR_ADDRESS), 0x30010);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), SS << 15);
    machine_destroy(v.m);
}
