// SPDX-License-Identifier: Apache-2.0
// Shows: keeping what a multiboot 1 loader passes in EAX and EBX before the demonstration's boot.S
// runs; and the code of the virtual machines.
    .code32
    .text
    .globl bench_start
bench_start:
    mov     %eax, boot_magic
    mov     %ebx, boot_information
    jmp     _start

    .code64
    .globl guest_exits, guest_calls
guest_exits:                             /* a VM exit each round */
    cpuid
    jmp     guest_exits
guest_calls:                             /* the function in RDI with the argument RSI; VMCALL */
    mov     %rdi, %rax
    mov     %rsi, %rdi
    call    *%rax
    vmcall

    .data
    .globl boot_magic, boot_information
boot_magic:
    .long 0
boot_information:
    .long 0
    .section .note.GNU-stack, "", @progbits
