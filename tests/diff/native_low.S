// SPDX-License-Identifier: Apache-2.0
// As native_switch.S, for cases in 16- and 32-bit code segments: a far jump leads there, a fault back.
// The offsets are those of struct user_state (case.h).
#define RFLAGS 128
#define FX 160
#define SELECTOR 672

    .text
// void native_enter_low(const struct user_state *rdi, uint32_t esi = first instruction's offset)
    .globl native_enter_low
native_enter_low:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, host_rsp(%rip)
    rdfsbase %rax
    mov     %rax, host_fs(%rip)
    mov     %esi, entry(%rip)
    mov     SELECTOR + 2(%rdi), %ax
    mov     %ax, entry + 4(%rip)
    mov     SELECTOR + 0(%rdi), %es
    mov     SELECTOR + 6(%rdi), %ds
    mov     SELECTOR + 8(%rdi), %fs
    mov     SELECTOR + 10(%rdi), %gs
    mov     SELECTOR + 4(%rdi), %ss
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
    mov     56(%rdi), %rdi
    ljmpl   *entry(%rip)

// void native_reset_segments(void): the selectors of a 64-bit process again
    .globl native_reset_segments
native_reset_segments:
    xor     %eax, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %fs
    mov     %eax, %gs
    mov     $0x2b, %eax
    mov     %eax, %ss
    mov     host_fs(%rip), %rax
    wrfsbase %rax
    ret

    .bss
    .align 8
entry:
    .skip 8

    .section .note.GNU-stack, "", @progbits
