// SPDX-License-Identifier: Apache-2.0
// Shows: the way from a multiboot 1 loader (32-bit protected mode, no paging) to C in 64-bit mode.
// SDM vol. 3, "Initializing IA-32e Mode".  The low 4 GiB are mapped one to one with 2-MiB pages.
#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0x00000003       /* page-aligned modules, memory information */

#define CR0_PG_NE_ET_MP_PE 0x80000033
#define CR4_PAE_OSFXSR_OSXMMEXCPT 0x620
#define IA32_EFER 0xc0000080
#define EFER_LME 0x100
#define PAGE_TABLE 0x7                   /* present, writable, user */
#define PAGE_2M 0x87                     /* the same, and page size */

    .section .multiboot, "a"
    .align 4
    .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

    .code32
    .section .text.start, "ax"
    .globl _start
_start:
    cli
    mov     $stack_top, %esp

    movl    $(pdpt + PAGE_TABLE), pml4
    mov     $(page_directories + PAGE_TABLE), %eax
    xor     %ecx, %ecx
fill_pdpt:
    mov     %eax, pdpt(, %ecx, 8)
    add     $4096, %eax
    inc     %ecx
    cmp     $4, %ecx
    jb      fill_pdpt
    mov     $PAGE_2M, %eax
    xor     %ecx, %ecx
fill_directories:
    mov     %eax, page_directories(, %ecx, 8)
    add     $0x200000, %eax
    inc     %ecx
    cmp     $(4 * 512), %ecx
    jb      fill_directories

    mov     $CR4_PAE_OSFXSR_OSXMMEXCPT, %eax
    mov     %eax, %cr4
    mov     $pml4, %eax
    mov     %eax, %cr3
    mov     $IA32_EFER, %ecx
    rdmsr
    or      $EFER_LME, %eax
    wrmsr
    mov     $CR0_PG_NE_ET_MP_PE, %eax
    mov     %eax, %cr0
    lgdt    gdt_pointer
    ljmp    $8, $start_64bit

    .code64
start_64bit:
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %eax, %eax
    mov     %eax, %fs
    mov     %eax, %gs
    // A VM exit needs a task register with a base (SDM vol. 3, "Checks on Host Segment and
    // Descriptor-Table Registers"): fill in the TSS descriptor and load it.
    mov     $tss, %eax
    mov     %ax, gdt + 0x18 + 2
    shr     $16, %eax
    mov     %al, gdt + 0x18 + 4
    mov     %ah, gdt + 0x18 + 7
    mov     $0x18, %eax
    ltr     %ax
    lea     stack_top(%rip), %rsp
    xor     %ebp, %ebp
    call    hypervisor_main
park:
    cli
    hlt
    jmp     park

    .data
    .align 16
    .globl gdt
gdt:
    .quad 0
    .quad 0x00af9b000000ffff             /* 08: 64-bit code              */
    .quad 0x00cf93000000ffff             /* 10: data                     */
    .quad 0x0000890000000067, 0          /* 18: TSS, base filled in above */
gdt_pointer:
    .word . - gdt - 1
    .quad gdt

    .bss
    .align 4096
    .globl pml4, tss
pml4:
    .skip 4096
pdpt:
    .skip 4096
page_directories:
    .skip 4 * 4096
tss:
    .skip 104
    .align 4096
    .skip 16384
stack_top:

    .section .note.GNU-stack, "", @progbits
