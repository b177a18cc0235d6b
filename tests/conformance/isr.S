// SPDX-License-Identifier: Apache-2.0
// Stubs of the host's interrupt descriptor table, one every 16 bytes.
    .text
    .globl isr_stubs, crash
    .balign 16
isr_stubs:
    .set    vector, 0
    .rept   256
    .balign 16
    .if     (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21)
    push    $0
    .endif
    .if     vector < 128
    push    $vector
    .else
    pushq   $vector
    .endif
    jmp     isr_common
    .set    vector, vector + 1
    .endr

isr_common:
    push    %rax
    push    %rcx
    push    %rdx
    push    %rbx
    push    %rbp
    push    %rsi
    push    %rdi
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    lea     88(%rsp), %rdi
    mov     %rsp, %rbx
    and     $-16, %rsp
    call    fault_isr
    mov     %rbx, %rsp
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %rbp
    pop     %rbx
    pop     %rdx
    pop     %rcx
    pop     %rax
    add     $16, %rsp
    iretq

// Where an unexpected fault goes on: the case is given up.
crash:
    call    case_abandon

    .section .note.GNU-stack, "", @progbits
