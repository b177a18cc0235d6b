// SPDX-License-Identifier: Apache-2.0
// Shows: VM entry and VM exit.  A VM exit loads RSP and RIP from the host-state area only, so the
// entry code writes there its own stack pointer and the address of the code that follows it.
#define HOST_RSP 0x6c14
#define HOST_RIP 0x6c16

#define VM_FAIL_INVALID 1
#define VM_FAIL_VALID 2
#define VM_EXITED 3

    .text
// enum vm_result vm_enter(struct guest_registers *rdi, bool esi)
    .globl vm_enter
vm_enter:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    push    %rdi
    mov     $HOST_RSP, %eax
    vmwrite %rsp, %rax
    mov     $HOST_RIP, %eax
    lea     vm_exited(%rip), %rdx
    vmwrite %rdx, %rax
    test    %sil, %sil                   /* ZF: not launched yet; MOV keeps it */
    mov     0x00(%rdi), %rax
    mov     0x08(%rdi), %rcx
    mov     0x10(%rdi), %rdx
    mov     0x18(%rdi), %rbx
    mov     0x20(%rdi), %rbp
    mov     0x28(%rdi), %rsi
    mov     0x30(%rdi), %rdi
    jz      launch
    vmresume
    jmp     vm_entry_failed
launch:
    vmlaunch
vm_entry_failed:
    pop     %rdi
    call    entry_failure_kind
    jmp     restore_host
vm_exited:
    push    %rdi                         /* the guest's */
    mov     8(%rsp), %rdi
    mov     %rax, 0x00(%rdi)
    mov     %rcx, 0x08(%rdi)
    mov     %rdx, 0x10(%rdi)
    mov     %rbx, 0x18(%rdi)
    mov     %rbp, 0x20(%rdi)
    mov     %rsi, 0x28(%rdi)
    pop     0x30(%rdi)
    pop     %rdi
    mov     $VM_EXITED, %eax
restore_host:
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

// enum vm_result vmlaunch_broken(void): the entry fails in one of two ways.  Bad controls or host
// state: execution goes on after VMLAUNCH (VMfail).  Bad guest state: a VM exit to HOST_RIP, reason
// 33.
    .globl vmlaunch_broken
vmlaunch_broken:
    mov     $HOST_RSP, %eax
    vmwrite %rsp, %rax
    mov     $HOST_RIP, %eax
    lea     broken_entry_exited(%rip), %rdx
    vmwrite %rdx, %rax
    vmlaunch
    jmp     entry_failure_kind
broken_entry_exited:
    mov     $VM_EXITED, %eax
    ret

// VMfailInvalid sets CF, VMfailValid sets ZF (SDM vol. 3, "VMX Instruction Reference,
// Conventions").
entry_failure_kind:
    mov     $VM_FAIL_VALID, %eax
    jz      1f
    mov     $VM_FAIL_INVALID, %eax
1:  ret

    .section .note.GNU-stack, "", @progbits
