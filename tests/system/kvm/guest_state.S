// SPDX-License-Identifier: Apache-2.0
// Guests that look at the state that a hypervisor gives them and keeps for them: CPUID, MSRs, control and debug
// registers, descriptor tables, floating point, code that changes itself.

    .code64
// The leaves that the client makes, KVM's own and the hypervisor bit.
ENTRY(cpuid_64):
    mov     $0x40000010, %eax
    mov     $3, %ecx
    cpuid
    report
    mov     %ebx, %eax
    report
    mov     %ecx, %eax
    report
    mov     %edx, %eax
    report
    mov     $0x40000000, %eax
    cpuid
    mov     %ebx, %eax
    report                                   /* "KVMK" */
    mov     $1, %eax
    cpuid
    mov     %ecx, %eax
    and     $0x80000000, %eax
    report
    done

// MSRs that KVM loads and stores, intercepts, or keeps in the VMCS: written and read back.
    .macro  msr number, low, high
    mov     $\number, %ecx
    mov     $\low, %eax
    mov     $\high, %edx
    wrmsr
    xor     %eax, %eax
    xor     %edx, %edx
    rdmsr
    report
    mov     %edx, %eax
    report
    .endm
ENTRY(msrs_64):
    msr     0xc0000081, 0x00000001, 0x00180008   /* STAR */
    msr     0xc0000082, 0x12345678, 0xffffffff   /* LSTAR */
    msr     0xc0000084, 0x00047700, 0            /* FMASK */
    msr     0xc0000100, 0x89abcdef, 0x00001234   /* FS_BASE */
    msr     0xc0000101, 0x76543210, 0xffff8000   /* GS_BASE */
    msr     0xc0000102, 0x11223344, 0x00000055   /* KERNEL_GS_BASE */
    msr     0x174, 0x10, 0                       /* SYSENTER_CS */
    msr     0x175, 0x33445566, 0xffffffff        /* SYSENTER_ESP */
    msr     0x176, 0x778899aa, 0xffffff00        /* SYSENTER_EIP */
    msr     0x277, 0x00070406, 0x00070406        /* PAT */
    msr     0x2ff, 0xc06, 0                      /* MTRR_DEF_TYPE */
    resume_at 1f
    mov     $0xc0000082, %ecx
    mov     $0x80000000, %edx
    wrmsr                                        /* #GP: not canonical */
1:  resume_at 1f
    mov     $0x277, %ecx
    mov     $0x00000002, %eax
    wrmsr                                        /* #GP: no memory type 2 */
1:  rdmsr
    report
    resume_at 1f
    mov     %gs:0, %ecx                          /* GS_BASE is not mapped: #PF */
1:  done

// RDTSC goes on, and follows what is written to it.
ENTRY(tsc_64):
    rdtsc
    mov     %eax, %ebx
    mov     $1000, %ecx
1:  loop    1b
    rdtsc
    sub     %ebx, %eax
    shr     $24, %eax
    report                                   /* 0: a thousand rounds take less than 2^24 ticks */
    mov     $0x10, %ecx
    xor     %eax, %eax
    mov     $0x100, %edx
    wrmsr
    rdtsc
    mov     %edx, %eax
    report                                   /* 100H */
    done

// Control registers, descriptor-table registers, LMSW, debug registers.
ENTRY(control_64):
    sgdt    BUFFER
    movzwl  BUFFER, %eax
    report
    mov     BUFFER + 2, %eax
    report
    sidt    BUFFER
    mov     BUFFER + 2, %eax
    report
    sldt    %eax
    report
    mov     $(USER_DATA), %eax
    lar     %eax, %eax
    and     $0xfeff, %eax
    report
    mov     $7, %eax
    mov     %rax, %cr8
    xor     %eax, %eax
    mov     %cr8, %rax
    report
    xor     %eax, %eax
    mov     %rax, %cr8
    mov     %cr0, %rax
    mov     %rax, %rbx
    or      $0xa, %eax                       /* TS, MP */
    lmsw    %ax
    smsw    %eax
    and     $0xf, %eax
    report                                   /* BH */
    clts
    mov     %cr0, %rax
    and     $0xf, %eax
    report                                   /* 3 */
    mov     $0x60000000, %eax
    or      %rbx, %rax
    mov     %rax, %cr0                       /* caches off */
    mov     %cr0, %rax
    shr     $29, %eax
    report
    wbinvd
    mov     %rbx, %cr0
    mov     $0x12345678, %eax
    mov     %rax, %dr3
    xor     %eax, %eax
    mov     %dr3, %rax
    report
    mov     %dr6, %rax
    report                                   /* FFFF0FF0H */
    mov     %dr7, %rax
    report                                   /* 400H */
    done

// Floating-point state stays with its processor, whatever the other one and the client do.
ENTRY(float_64):
    fninit
    mov     %ebx, BUFFER(, %rbx, 4)          /* RBX: the number of the vCPU */
    fildl   BUFFER(, %rbx, 4)
    movd    %ebx, %xmm7
    mov     $20, %ecx
1:  fld1
    faddp
    mov     $1, %eax
    movd    %eax, %xmm0
    paddd   %xmm0, %xmm7
    command COMMAND_NOTHING                  /* any exit to the client */
    mov     $2000, %edx
2:  dec     %edx
    jnz     2b
    loop    1b
    movd    %xmm7, %eax
    report
    fistpl  BUFFER + 64(, %rbx, 4)
    mov     BUFFER + 64(, %rbx, 4), %eax
    report
    done

// Code that is overwritten just before it runs, by itself and through RAM that a loop writes.
ENTRY(code_64):
    mov     $DATA, %edi
    mov     $100, %ecx
    xor     %esi, %esi
1:  movb    $0xb8, (%rdi)                    /* MOV EAX, count; RET */
    mov     %ecx, 1(%rdi)
    movb    $0xc3, 5(%rdi)
    call    *%rdi
    add     %eax, %esi
    loop    1b
    mov     %esi, %eax
    report                                   /* 5050 */
    done

// A hypercall that does not exist.
ENTRY(hypercall_64):
    mov     $0x777, %eax
    vmcall
    report                                   /* -1000 */
    done

// XCR0.
ENTRY(xcr0_64):
    mov     %cr4, %rax
    or      $0x40000, %eax                   /* OSXSAVE */
    mov     %rax, %cr4
    xor     %ecx, %ecx
    mov     $3, %eax
    xor     %edx, %edx
    xsetbv
    xgetbv
    report                                   /* 3 */
    resume_at 1f
    mov     $2, %eax
    xsetbv                                   /* #GP: x87 must be on */
1:  resume_at 1f
    mov     $1, %ecx
    mov     $3, %eax
    xsetbv                                   /* #GP: no XCR1 */
1:  done

// A fault without a way to report it: shutdown.
    .code32
ENTRY(shutdown_32):
    lidt    A(no_idt)
    int3
    .code64
ENTRY(shutdown_64):
    lidt    A(no_idt)
    ud2
no_idt:
    .word   0
    .quad   0

// The client steps through these.
ENTRY(steps_64):
    nop
    nop
    nop
    nop
    done

// The client has a breakpoint in DR0 at INT3 and takes INT3 for a breakpoint of its own.
ENTRY(break_64):
    nop
    int3
    nop
    done

// Many exits of different kinds, and memory touched for the first time: what the client reads must be what was written.
ENTRY(touch_64):
    mov     $0x400000, %edi
    mov     $0x400, %ecx
1:  mov     %ecx, (%rdi)
    add     $0x1000, %edi
    loop    1b
    xor     %eax, %eax
    mov     $0x400000, %edi
    mov     $0x400, %ecx
1:  add     (%rdi), %eax
    add     $0x1000, %edi
    loop    1b
    report                                   /* 400H * 401H / 2 */
    done

// System management mode, which KVM emulates: the handler is at 38000H.
ENTRY(smm_64):
    movl    $0x4566c031, 0x38000             /* 16-bit: XOR AX, AX; INC EBP; OUT; RSM */
    movl    $0xaa0fe0e7, 0x38004
    mov     $0x1000, %ebp
    command COMMAND_SMI
    nop
    mov     %ebp, %eax
    report                                   /* RSM has brought it back */
    done
