// SPDX-License-Identifier: Apache-2.0
// From C into a case and back.  The case may change every register; so the way back addresses its
// memory relative to RIP and uses no register before it has saved it. The offsets are those of
// struct user_state (case.h).
#define RFLAGS 128
#define FS_BASE 144
#define GS_BASE 152
#define FX 160

    .text
// void native_enter(const struct user_state *rdi, uint64_t rsi = first instruction)
    .globl native_enter
native_enter:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, host_rsp(%rip)
    rdfsbase %rax
    mov     %rax, host_fs(%rip)
    mov     %rsi, entry(%rip)
    mov     FS_BASE(%rdi), %rax
    wrfsbase %rax
    mov     GS_BASE(%rdi), %rax
    wrgsbase %rax
    fxrstor64 FX(%rdi)
    pushq   RFLAGS(%rdi)
    popfq
    mov     0(%rdi), %rax
    mov     8(%rdi), %rcx
    mov     16(%rdi), %rdx
    mov     24(%rdi), %rbx
    mov     32(%rdi), %rsp
    mov     40(%rdi), %rbp
    mov     48(%rdi), %rsi
    mov     64(%rdi), %r8
    mov     72(%rdi), %r9
    mov     80(%rdi), %r10
    mov     88(%rdi), %r11
    mov     96(%rdi), %r12
    mov     104(%rdi), %r13
    mov     112(%rdi), %r14
    mov     120(%rdi), %r15
    mov     56(%rdi), %rdi
    jmp     *entry(%rip)

// The signal handler returns to here.
    .globl native_resume
native_resume:
    fnclex
    fninit
    ldmxcsr default_mxcsr(%rip)
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

// Signal handler: gives C its thread pointer and sane flags first (the kernel keeps AC).
    .globl native_signal
native_signal:
    pushq   $0x202
    popfq
    call    save_bases
    jmp     native_fault

save_bases:
    rdfsbase %rax
    mov     %rax, native_out + FS_BASE(%rip)
    rdgsbase %rax
    mov     %rax, native_out + GS_BASE(%rip)
    mov     host_fs(%rip), %rax
    wrfsbase %rax
    ret

    .section .rodata
    .align 4
default_mxcsr:
    .long 0x1f80

    .bss
    .align 16
    .globl native_out, host_rsp, host_fs
native_out:
    .skip 160 + 512 + 16
host_rsp:
    .skip 8
host_fs:
    .skip 8
entry:
    .skip 8

    .section .note.GNU-stack, "", @progbits
