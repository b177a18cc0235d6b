// SPDX-License-Identifier: Apache-2.0
// VM entry and VM exit.
#define HOST_RSP 0x6c14

    .text
// uint64_t vm_switch(uint64_t gpr[16], bool resume, uint64_t *rflags, uint64_t *rsp)
// Returns 0 after a VM exit, 1 after VMfailInvalid, 2 after VMfailValid; the other two get what a VM
// exit loaded.
    .globl vm_switch, vm_exit_point
vm_switch:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    push    %rdx
    push    %rcx
    push    %rdi
    mov     $HOST_RSP, %eax
    vmwrite %rsp, %rax
    test    %sil, %sil
    mov     0x00(%rdi), %rax
    mov     0x08(%rdi), %rcx
    mov     0x10(%rdi), %rdx
    mov     0x18(%rdi), %rbx
    mov     0x28(%rdi), %rbp
    mov     0x30(%rdi), %rsi
    mov     0x40(%rdi), %r8
    mov     0x48(%rdi), %r9
    mov     0x50(%rdi), %r10
    mov     0x58(%rdi), %r11
    mov     0x60(%rdi), %r12
    mov     0x68(%rdi), %r13
    mov     0x70(%rdi), %r14
    mov     0x78(%rdi), %r15
    mov     0x38(%rdi), %rdi
    jz      launch
    vmresume
    jmp     refused
launch:
    vmlaunch
refused:
    pop     %rdi
    pop     %rcx
    pop     %rdx
    mov     $2, %eax
    jz      leave
    mov     $1, %eax
    jmp     leave

vm_exit_point:
    pushfq
    push    %rdi                         /* the guest's */
    mov     16(%rsp), %rdi
    mov     %rax, 0x00(%rdi)
    mov     %rcx, 0x08(%rdi)
    mov     %rdx, 0x10(%rdi)
    mov     %rbx, 0x18(%rdi)
    mov     %rbp, 0x28(%rdi)
    mov     %rsi, 0x30(%rdi)
    mov     %r8, 0x40(%rdi)
    mov     %r9, 0x48(%rdi)
    mov     %r10, 0x50(%rdi)
    mov     %r11, 0x58(%rdi)
    mov     %r12, 0x60(%rdi)
    mov     %r13, 0x68(%rdi)
    mov     %r14, 0x70(%rdi)
    mov     %r15, 0x78(%rdi)
    pop     0x38(%rdi)
    pop     %rax
    mov     %rsp, %rbx
    pop     %rdi
    pop     %rcx
    pop     %rdx
    mov     %rax, (%rdx)
    mov     %rbx, (%rcx)
    xor     %eax, %eax
leave:
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

// void reload_segments(void): the selectors of the host's GDT.
    .globl reload_segments
reload_segments:
    pop     %rdx
    push    $0x08
    push    %rdx
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %eax, %eax
    mov     %eax, %fs
    mov     %eax, %gs
    lretq

    .section .note.GNU-stack, "", @progbits
