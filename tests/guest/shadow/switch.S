// SPDX-License-Identifier: Apache-2.0
// Shows: VM entry and VM exit with what the VMCS does not hold: the general registers and CR2.  A
// guest outside 64-bit mode cannot reach R8 to R15, which therefore stay the hypervisor's.
#define HOST_RSP 0x6c14
#define HOST_RIP 0x6c16
#define GUEST_CR2 0x40                   /* struct guest, after gpr[8] */

    .text
// bool guest_enter(struct guest *rdi, bool esi): false if the VM entry failed before the guest ran.
    .globl guest_enter
guest_enter:
    push    %rbx
    push    %rbp
    mov     %rdi, %r8
    mov     $HOST_RSP, %eax
    vmwrite %rsp, %rax
    mov     $HOST_RIP, %eax
    lea     vm_exited(%rip), %rdx
    vmwrite %rdx, %rax
    mov     GUEST_CR2(%r8), %rax
    mov     %rax, %cr2
    test    %sil, %sil                   /* ZF: not launched yet; MOV keeps it */
    mov     0x00(%r8), %rax
    mov     0x08(%r8), %rcx
    mov     0x10(%r8), %rdx
    mov     0x18(%r8), %rbx
    mov     0x28(%r8), %rbp
    mov     0x30(%r8), %rsi
    mov     0x38(%r8), %rdi
    jz      launch
    vmresume
    jmp     vm_entry_failed
launch:
    vmlaunch
vm_entry_failed:
    xor     %eax, %eax
    jmp     restore_host
vm_exited:
    mov     %rax, 0x00(%r8)
    mov     %rcx, 0x08(%r8)
    mov     %rdx, 0x10(%r8)
    mov     %rbx, 0x18(%r8)
    mov     %rbp, 0x28(%r8)
    mov     %rsi, 0x30(%r8)
    mov     %rdi, 0x38(%r8)
    mov     %cr2, %rax
    mov     %rax, GUEST_CR2(%r8)
    mov     $1, %eax
restore_host:
    pop     %rbp
    pop     %rbx
    ret

    .section .note.GNU-stack, "", @progbits
