// SPDX-License-Identifier: Apache-2.0
// Instructions that exit: conditions, priorities, qualification, instruction information.
#include "vmx_modes.h"

/* Enters the guest and expects an exit with this reason, qualification and instruction length. */
static void expect_exit(struct vm *v, int64_t reason, uint64_t qualification, unsigned length)
{
    cr_expect_eq(enter_guest(v), reason, "%d, not %d", (int)get(v, VM_EXIT_REASON), (int)reason);
    cr_expect_eq(get(v, EXIT_QUALIFICATION), qualification, "%#llx, not %#llx",
                 (unsigned long long)get(v, EXIT_QUALIFICATION), (unsigned long long)qualification);
    cr_expect_eq(get(v, VM_EXIT_INSTRUCTION_LEN), length, "length %u",
                 (unsigned)get(v, VM_EXIT_INSTRUCTION_LEN));
    skip_instruction(v);
}

/* Enters the guest and expects it to fault: the VMCALL of the vector's handler exits. */
static void expect_fault(struct vm *v, unsigned vector)
{
    cr_expect_eq(enter_guest(v), 18);
    cr_expect_eq(get(v, GUEST_RIP), HANDLER(vector), "%#x", (unsigned)get(v, GUEST_RIP));
}

/* ---- unconditional, and by a control ---- */

BARE_PROGRAM(guest_unconditional, "cpuid\n invd\n xsetbv\n vmcall\n");
Test(vmx_exits, unconditional)
{
    struct vm v = VM(guest_unconditional);
    put_bits(&v, GUEST_CR4, CR4_OSXSAVE);
    expect_exit(&v, 10, 0, 2);
    expect_exit(&v, 13, 0, 2);
    expect_exit(&v, 55, 0, 3);
    expect_exit(&v, 18, 0, 3);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_getsec, "getsec\n vmcall\n");
Test(vmx_exits, getsec)
{
    struct vm v = VM(guest_getsec);
    expect_fault(&v, EXC_UD); /* CR4.SMXE = 0 */
    user_guest(&v);
    put(&v, GUEST_RIP, GUEST_CODE);
    put_bits(&v, GUEST_CR4, CR4_SMXE);
    v.c->gpr[RAX] = 0x12345678; /* no such leaf, and CPL 3 */
    expect_exit(&v, 11, 0, 2);
    machine_destroy(v.m);
    v = VM_ON("nehalem", guest_getsec); /* without SMX */
    expect_fault(&v, EXC_UD);
    machine_destroy(v.m);
}

BARE_PROGRAM(host_getsec, "getsec\n hlt\n");
Test(vmx_exits, getsec_of_a_processor_without_txt_chipset)
{
    struct vm v = VM(guest_getsec);
    v.c->gpr[RAX] = 0;
    cr_expect_eq(HOST_RUNS(&v, host_getsec), EXC_UD);
    cpu_load_cr4(v.c, v.c->cr4 | CR4_SMXE);
    for (unsigned index = 0; index < 2; index++) {
        v.c->gpr[RAX] = UINT64_C(0xffffffff00000000); /* CAPABILITIES */
        v.c->gpr[RBX] = index;
        cr_expect_eq(HOST_RUNS(&v, host_getsec), -1);
        cr_expect_eq(v.c->gpr[RAX], 0, "no chipset, and no other leaf");
    }
    for (unsigned leaf = 1; leaf < 10; leaf++) {
        v.c->gpr[RAX] = leaf;
        cr_expect_eq(HOST_RUNS(&v, host_getsec), EXC_UD, "leaf %u", leaf);
    }
    machine_destroy(v.m);
}

Test(vmx_exits, xsetbv_without_osxsave_is_undefined)
{
    struct vm v = VM(guest_unconditional);
    put(&v, GUEST_RIP, GUEST_CODE + 4);
    expect_fault(&v, EXC_UD);
    machine_destroy(v.m);
}

Test(vmx_exits, privilege_comes_before_the_exit)
{
    struct vm v = VM(guest_unconditional);
    user_guest(&v);
    put_bits(&v, GUEST_CR4, CR4_OSXSAVE);
    expect_exit(&v, 10, 0, 2);                          /* CPUID exits at any level */
    expect_fault(&v, EXC_GP);                           /* INVD */
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_controlled,
             "hlt\n rdtsc\n rdpmc\n pause\n wbinvd\n monitor\n mwait\n rdrand %r9d\n"
             "rdseed %rdx\n rdrand %bx\n rdtscp\n invlpg 0x10(%rsi)\n vmcall\n");
Test(vmx_exits, by_control_bits)
{
    struct vm v = VM(guest_controlled);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL,
             PROC_HLT_EXITING | PROC_RDTSC_EXITING | PROC_RDPMC_EXITING | PROC_PAUSE_EXITING |
                 PROC_MONITOR_EXITING | PROC_MWAIT_EXITING | PROC_INVLPG_EXITING);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL,
             PROC2_WBINVD_EXITING | PROC2_RDRAND_EXITING | PROC2_RDSEED_EXITING |
                 PROC2_ENABLE_RDTSCP);
    expect_exit(&v, 12, 0, 1);
    cr_expect_eq(get(&v, GUEST_ACTIVITY_STATE), ACTIVITY_ACTIVE);
    expect_exit(&v, 16, 0, 2);
    expect_exit(&v, 15, 0, 2);
    expect_exit(&v, 40, 0, 2);
    expect_exit(&v, 54, 0, 2);
    expect_exit(&v, 39, 0, 3);
    expect_exit(&v, 36, 0, 3);
    expect_exit(&v, 57, 0, 4);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), R9 << 3 | 1 << 11);
    expect_exit(&v, 61, 0, 4);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), RDX << 3 | 2 << 11);
    expect_exit(&v, 57, 0, 4);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), RBX << 3);
    expect_exit(&v, 51, 0, 3);
    v.c->gpr[RSI] = UINT64_C(0xffff900000000000);
    expect_exit(&v, 14, UINT64_C(0xffff900000000010), 4);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_rdtscp, "rdtscp\n vmcall\n");
BARE_PROGRAM(guest_rdpid, "rdpid %rax\n vmcall\n");
BARE_PROGRAM(guest_invpcid, "invpcid 0x40(%rdi), %r10\n vmcall\n");
Test(vmx_exits, disabled_instructions_are_undefined)
{
    struct vm v = VM(guest_rdtscp);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_RDTSC_EXITING | PROC_INVLPG_EXITING);
    expect_fault(&v, EXC_UD);
    machine_destroy(v.m);
    v = VM(guest_rdpid);
    expect_fault(&v, EXC_UD);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_RDTSCP);
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_exit(&v, 18, 0, 3);
    machine_destroy(v.m);
    v = VM(guest_invpcid);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_INVLPG_EXITING);
    expect_fault(&v, EXC_UD);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_INVPCID);
    put(&v, GUEST_RIP, GUEST_CODE);
    v.c->gpr[R10] = 2;
    expect_exit(&v, 58, 0x40, 7);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO),
                 2 << 7 | DS << 15 | 1 << 22 | RDI << 23 | UINT64_C(10) << 28);
    machine_destroy(v.m);
}

Test(vmx_exits, time_stamp_disable_comes_before_the_exit)
{
    struct vm v = VM(guest_rdtscp);
    user_guest(&v);
    put_bits(&v, GUEST_CR4, CR4_TSD);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_RDTSC_EXITING);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_RDTSCP);
    expect_fault(&v, EXC_GP);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_waits, "umwait %r9d\n tpause %ecx\n umonitor %rax\n umwait %ebx\n vmcall\n");
Test(vmx_exits, user_waits)
{
    struct vm v = VM(guest_waits);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_RDTSC_EXITING);
    expect_fault(&v, EXC_UD);           /* "enable user wait and pause" is 0 */
    put(&v, GUEST_RIP, GUEST_CODE + 9); /* UMONITOR */
    expect_fault(&v, EXC_UD);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_USER_WAIT_AND_PAUSE);
    put(&v, GUEST_RIP, GUEST_CODE);
    v.c->gpr[RCX] = 2; /* #GP, if the exit were not first */
    v.c->gpr[RAX] = BARE_DATA;
    expect_exit(&v, 67, 0, 5);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), R9 << 3);
    expect_exit(&v, 68, 0, 4);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), RCX << 3);
    expect_exit(&v, 67, 0, 4); /* UMONITOR has no exit */
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), RBX << 3);
    user_guest(&v);
    put_bits(&v, GUEST_CR4, CR4_TSD);
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_fault(&v, EXC_GP);
    machine_destroy(v.m);
}

/* The XSS-exiting bitmap counts for components that the mask asks for and IA32_XSS enables. */
BARE_PROGRAM(guest_supervisor_state,
             "xsaves 0x40(%rbx,%r9,4)\n xrstors64 %fs:-0x80(%r10)\n xsaves 0x40(%rbx)\n vmcall\n");
Test(vmx_exits, supervisor_state)
{
    struct vm v = VM(guest_supervisor_state);
    const uint64_t two = BIT(11) | BIT(14);     /* CET_U and user-interrupt state */
    put_bits(&v, GUEST_CR4, CR4_OSXSAVE);
    put(&v, XSS_EXITING_BITMAP, two);
    cr_assert(msr_write(v.c, 0xda0, two));
    v.c->gpr[RAX] = BIT(14);
    v.c->gpr[RDX] = 0;
    expect_fault(&v, EXC_UD);           /* "enable XSAVES/XRSTORS" is 0 */
    put(&v, GUEST_RIP, GUEST_CODE + 6);
    expect_fault(&v, EXC_UD);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_XSAVES);
    put_bits(&v, GUEST_CR0, CR0_TS);    /* #NM, if the exit were not first */
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_exit(&v, 63, 0x40, 6);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO),
                 2 | 2 << 7 | DS << 15 | R9 << 18 | RBX << 23);
    expect_exit(&v, 64, (uint64_t)-0x80, 6);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), 2 << 7 | FS << 15 | 1 << 22 | R10 << 23);
    cr_assert(msr_write(v.c, 0xda0, BIT(11)));
    expect_fault(&v, EXC_NM);           /* nothing that IA32_XSS enables: no exit */
    clear_bits(&v, GUEST_CR0, CR0_TS);
    v.c->gpr[RBX] = BARE_DATA;
    put(&v, GUEST_RIP, GUEST_CODE + 12);
    expect_exit(&v, 18, 0, 3);
    cr_expect_eq(load(&v, BARE_DATA + 0x40 + 520, 8), BIT(63));
    put(&v, GUEST_RIP, GUEST_CODE);
    user_guest(&v);
    v.c->gpr[RAX] = BIT(11);
    expect_fault(&v, EXC_GP);           /* privilege comes before the exit */
    clear_bits(&v, GUEST_CR4, CR4_OSXSAVE);
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_fault(&v, EXC_UD);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_monitor, "mov %rsi, %rax\n xor %ecx, %ecx\n xor %edx, %edx\n monitor\n mwait\n");
Test(vmx_exits, mwait_tells_whether_the_monitor_is_armed)
{
    struct vm v = VM(guest_monitor);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MWAIT_EXITING);
    v.c->gpr[RSI] = BARE_DATA;
    expect_exit(&v, 36, 1, 3);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_time, "rdtsc\n shl $32, %rdx\n or %rdx, %rax\n mov %rax, %rbx\n"
                         "mov $0x10, %ecx\n rdmsr\n shl $32, %rdx\n or %rdx, %rax\n vmcall\n");
Test(vmx_exits, tsc_offset)
{
    struct vm v = VM(guest_time);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_TSC_OFFSETTING | PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    put(&v, TSC_OFFSET, UINT64_C(1) << 40);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(v.c->gpr[RBX] >> 40, 1);
    cr_expect_eq(v.c->gpr[RAX] - v.c->gpr[RBX], 5);      /* instructions from RDTSC to RDMSR */
    machine_destroy(v.m);
}

/* ---- debug registers ---- */

BARE_PROGRAM(guest_dr, "mov %r11, %dr3\n mov %dr7, %rbx\n vmcall\n");
Test(vmx_exits, mov_dr)
{
    struct vm v = VM(guest_dr);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_MOV_DR_EXITING);
    use_debug_controls(&v);
    put(&v, GUEST_DR7, 0x2400);                         /* the exit beats general detect */
    expect_exit(&v, 29, 3 | 11 << 8, 4);
    expect_exit(&v, 29, 7 | 1 << 4 | RBX << 8, 3);
    cr_expect_eq(get(&v, GUEST_DR7), 0x2400);
    user_guest(&v);                                     /* ... and the privilege check */
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_exit(&v, 29, 3 | 11 << 8, 4);
    machine_destroy(v.m);
}

Test(vmx_exits, general_detect_in_a_guest)
{
    struct vm v = VM(guest_dr);
    use_debug_controls(&v);
    put(&v, GUEST_DR7, 0x2400);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_DB);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 1 << 13);
    cr_expect(get(&v, GUEST_RFLAGS) & FLAG_RF);
    cr_expect_eq(get(&v, GUEST_DR7), 0x2400);           /* a direct exit leaves GD alone */
    cr_expect_eq(get(&v, GUEST_PENDING_DBG_EXCEPTIONS), 0);
    machine_destroy(v.m);
}

/* ---- the first processors with VMX ---- */

BARE_PROGRAM(guest_2005, "mov %cr3, %r9\n mov %rdx, %cr3\n rdmsr\n wrmsr\n cpuid\n sidt (%rbx)\n"
                         "hlt\n");
Test(vmx_exits, of_2005)
{
    struct vm v = VM_ON("prescott-vt", guest_2005);
    expect_exit(&v, 28, 3 | 1 << 4 | R9 << 8, 4);
    expect_exit(&v, 28, 3 | RDX << 8, 3);
    expect_exit(&v, 31, 0, 2);
    expect_exit(&v, 32, 0, 2);
    expect_exit(&v, 10, 0, 2);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_HLT_EXITING);
    v.c->gpr[RBX] = BARE_DATA;
    expect_exit(&v, 12, 0, 1); /* SIDT never exits */
    cr_expect_eq(load(&v, BARE_DATA, 2), 0xfff);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    cr_expect_eq(enter_guest(&v), -1);
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 7);
    clear_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS | PROC_CR3_LOAD_EXITING);
    cr_expect_eq(enter_guest(&v), -1); /* it must be 1 */
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 7);
    machine_destroy(v.m);
}

/* ---- descriptor tables ---- */

BARE_PROGRAM(guest_tables,
             "lgdt -8(%rbx)\n lidt 4f(%rip)\n sgdt (%r8,%rax,8)\n sldt %ecx\n str (%rsp)\n"
             "lldt %ax\n ltr %fs:0x20(%rdx)\n vmcall\n 4:\n");
Test(vmx_exits, descriptor_tables_64)
{
    struct vm v = VM(guest_tables);
    const uint32_t size_bit = 1 << 11, asize = 2 << 7, no_index = 1 << 22;
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_DESCRIPTOR_TABLE_EXITING);
    expect_exit(&v, 46, (uint64_t)-8, 4);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO) & ~size_bit,
                 asize | DS << 15 | no_index | RBX << 23 | 2u << 28);
    expect_exit(&v, 46, GUEST_CODE + (uint64_t)(guest_tables_end - guest_tables_start), 7);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO) & ~size_bit,
                 asize | DS << 15 | no_index | 1 << 27 | 3u << 28);
    expect_exit(&v, 46, 0, 5);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO) & ~size_bit,
                 3 | asize | DS << 15 | RAX << 18 | R8 << 23);
    expect_exit(&v, 47, 0, 3);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), 1 << 10 | RCX << 3);
    expect_exit(&v, 47, 0, 4);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), asize | SS << 15 | no_index | RSP << 23 | 1u << 28);
    expect_exit(&v, 47, 0, 3);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), 1 << 10 | RAX << 3 | 2u << 28);
    expect_exit(&v, 47, 0x20, 5);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), asize | FS << 15 | no_index | RDX << 23 | 3u << 28);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_tables_32, ".code32\n sgdtw 0x1234(%ecx,%ebp,2)\n lidt %es:(%bx)\n vmcall\n");
Test(vmx_exits, descriptor_tables_32)
{
    struct vm v = VM(guest_tables_32);
    guest_32(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_DESCRIPTOR_TABLE_EXITING);
    expect_exit(&v, 46, 0x1234, 9);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), 1 | 1 << 7 | DS << 15 | RBP << 18 | RCX << 23);
    expect_exit(&v, 46, 0, 5);
    cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO),
                 1 << 11 | ES << 15 | 1 << 22 | RBX << 23 | 3u << 28);
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_sgdt, "sgdt (%rbx)\n vmcall\n");
Test(vmx_exits, umip_comes_before_the_exit)
{
    struct vm v = VM(guest_sgdt);
    user_guest(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_DESCRIPTOR_TABLE_EXITING);
    expect_exit(&v, 46, 0, 3);
    put(&v, GUEST_RIP, GUEST_CODE);
    put_bits(&v, GUEST_CR4, CR4_UMIP);
    expect_fault(&v, EXC_GP);
    machine_destroy(v.m);
}

/* ---- VMX instructions ---- */

BARE_PROGRAM(guest_vmx,
             "vmptrld 8(%rbx)\n vmclear (%rcx)\n vmptrst (%rcx)\n vmxon (%rcx)\n vmxoff\n"
             "vmlaunch\n vmresume\n vmread %rdx, (%rsi)\n vmread %rdx, %r12\n vmwrite %rax, %rbx\n"
             "invept (%rdi), %rcx\n invvpid (%rdi), %r9\n vmcall\n");
Test(vmx_exits, vmx_instructions_at_any_privilege)
{
    const uint32_t memory = 2 << 7 | DS << 15 | 1 << 22;
    for (unsigned user = 0; user < 2; user++) {
        struct vm v = VM(guest_vmx);
        if (user)
            user_guest(&v);
        expect_exit(&v, 21, 8, 4);
        cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), memory | RBX << 23);
        expect_exit(&v, 19, 0, 4);
        cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), memory | RCX << 23);
        expect_exit(&v, 22, 0, 3);
        cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), memory | RCX << 23);
        expect_exit(&v, 27, 0, 4);
        cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), memory | RCX << 23);
        expect_exit(&v, 26, 0, 3);
        expect_exit(&v, 20, 0, 3);
        expect_exit(&v, 24, 0, 3);
        expect_exit(&v, 23, 0, 3);
        cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), memory | RSI << 23 | RDX << 28);
        expect_exit(&v, 23, 0, 4);
        cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), 1 << 10 | R12 << 3 | RDX << 28);
        expect_exit(&v, 25, 0, 3);
        cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), 1 << 10 | RAX << 3 | RBX << 28);
        expect_exit(&v, 50, 0, 5);
        cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), memory | RDI << 23 | RCX << 28);
        expect_exit(&v, 53, 0, 6);
        cr_expect_eq(get(&v, VMX_INSTRUCTION_INFO), memory | RDI << 23 | UINT64_C(9) << 28);
        expect_exit(&v, 18, 0, 3);
        machine_destroy(v.m);
    }
}

/* ---- MSRs ---- */

BARE_PROGRAM(guest_msr, "rdmsr\n vmcall\n");
BARE_PROGRAM(guest_wrmsr, "wrmsr\n vmcall\n");
static void msr_quarter(unsigned at, bool write, uint32_t index)
{
    struct vm v = write ? VM(guest_wrmsr) : VM(guest_msr);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    store(&v, BITMAP + at + (index & 0x1fff) / 8, 1, 1u << (index & 7));
    v.c->gpr[RCX] = index | UINT64_C(0xabc00000000);    /* bits 63:32 do not count */
    expect_exit(&v, write ? 32 : 31, 0, 2);
    store(&v, BITMAP + at + (index & 0x1fff) / 8, 1, 0);
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);
    v.c->gpr[RCX] = 0x2000;                              /* outside both ranges */
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_exit(&v, write ? 32 : 31, 0, 2);
    v.c->gpr[RCX] = 0xc0002000;
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_exit(&v, write ? 32 : 31, 0, 2);
    machine_destroy(v.m);
}
Test(vmx_exits, msr_bitmap_quarters)
{
    msr_quarter(0, false, 0x174);
    msr_quarter(1024, false, 0xc0000082);
    msr_quarter(2048, true, 0x1fff);
    msr_quarter(3072, true, 0xc0001fff);
}

Test(vmx_exits, without_msr_bitmaps_every_access_exits)
{
    struct vm v = VM(guest_msr);
    v.c->gpr[RCX] = 0x10;
    expect_exit(&v, 31, 0, 2);
    user_guest(&v);
    put(&v, GUEST_RIP, GUEST_CODE);
    expect_fault(&v, EXC_GP);
    machine_destroy(v.m);
}
