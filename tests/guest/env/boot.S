// SPDX-License-Identifier: Apache-2.0
// Shows: a multiboot 1 image as kvm-unit-tests builds them: an ELF32 file, entered in protected
// mode, that goes to 64-bit mode at once.  The first GiB is mapped one to one.
#define MULTIBOOT_MAGIC 0x1badb002
#define CR0_PG_ET_PE 0x80000011
#define CR4_PAE 0x20
#define IA32_EFER 0xc0000080
#define EFER_LME 0x100

    .section .multiboot, "a"
    .align 4
    .long MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC

    .code32
    .section .text.start, "ax"
    .globl _start
_start:
    lgdt    gdt_pointer
    mov     $stack_top, %esp
    mov     %eax, %edi                   /* start_64's arguments */
    mov     %ebx, %esi
    mov     $CR4_PAE, %eax
    mov     %eax, %cr4
    mov     $pml4, %eax
    mov     %eax, %cr3
    mov     $IA32_EFER, %ecx
    rdmsr
    or      $EFER_LME, %eax
    wrmsr
    mov     $CR0_PG_ET_PE, %eax
    mov     %eax, %cr0
    ljmp    $8, $in_64_bit_mode

    .code64
in_64_bit_mode:
    mov     $16, %eax
    mov     %eax, %ss
    call    start_64
halt:
    hlt
    jmp     halt

    .data
    .align 4096
pml4:
    .quad   pdpt + 3
    .fill   511, 8, 0
pdpt:
    .quad   directory + 3
    .fill   511, 8, 0
directory:
    .set    page, 0
    .rept   512
    .quad   page + 0x83
    .set    page, page + 0x200000
    .endr
gdt:
    .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word   gdt_pointer - gdt - 1
    .long   gdt

    .bss
    .align 16
    .skip   4096
stack_top:

    .section .note.GNU-stack, "", @progbits
