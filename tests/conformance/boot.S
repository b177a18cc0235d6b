// SPDX-License-Identifier: Apache-2.0
// From a multiboot 1 or 2 loader (32-bit protected mode, no paging) to C in 64-bit mode (SDM vol. 3,
// "Initializing IA-32e Mode"), and the way of an application processor there.  The low 4 GiB are
// mapped one to one with 2-MiB supervisor pages.
#define MULTIBOOT1_MAGIC 0x1badb002
#define MULTIBOOT1_FLAGS 0x00000003      /* page-aligned modules, memory information */
#define MULTIBOOT2_MAGIC 0xe85250d6

#define CR0_PG_NE_ET_MP_PE 0x80000033
#define CR4_PAE 0x20
#define IA32_EFER 0xc0000080
#define EFER_NXE_LME 0x900
#define PAGE_TABLE 0x3                   /* present, writable */
#define PAGE_2M 0x83                     /* the same, and page size */

    .section .multiboot, "a"
    .align 8
multiboot2:
    .long MULTIBOOT2_MAGIC, 0, multiboot2_end - multiboot2
    .long -(MULTIBOOT2_MAGIC + (multiboot2_end - multiboot2))
    .long 0, 8                           /* the end tag */
multiboot2_end:
    .align 4
    .long MULTIBOOT1_MAGIC, MULTIBOOT1_FLAGS, -(MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)

    .code32
    .section .text.start, "ax"
    .globl _start
_start:
    cli
    cld
    mov     $stack_top, %esp
    mov     %eax, boot_magic
    mov     %ebx, boot_information

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
    call    enter_ia32e
    lgdt    gdt_pointer
    ljmp    $8, $start_64bit

enter_ia32e:
    mov     $CR4_PAE, %eax
    mov     %eax, %cr4
    mov     $pml4, %eax
    mov     %eax, %cr3
    mov     $IA32_EFER, %ecx
    rdmsr
    or      $EFER_NXE_LME, %eax
    wrmsr
    mov     $CR0_PG_NE_ET_MP_PE, %eax
    mov     %eax, %cr0
    ret

    .code64
load_data_segments:
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %eax, %eax
    mov     %eax, %fs
    mov     %eax, %gs
    ret

start_64bit:
    lea     stack_top(%rip), %rsp
    call    load_data_segments
    // A VM exit needs a task register (SDM vol. 3, "Checks on Host Segment and Descriptor-Table
    // Registers"): fill in the TSS descriptor and load it.
    mov     $host_tss, %eax
    mov     %ax, host_gdt + 0x18 + 2
    shr     $16, %eax
    mov     %al, host_gdt + 0x18 + 4
    mov     %ah, host_gdt + 0x18 + 7
    mov     $0x18, %eax
    ltr     %ax
    xor     %ebp, %ebp
    mov     boot_magic(%rip), %edi
    mov     boot_information(%rip), %esi
    call    conformance_main
park:
    cli
    hlt
    jmp     park

// The first code of an application processor, in real-address mode; smp.c copies it below 1 MiB, to
// a page boundary.  It addresses itself from the start of that page.
    .code16
    .globl ap_start, ap_end
ap_start:
    cli
    mov     %cs, %ax
    mov     %ax, %ds
    lgdtl   ap_gdt_pointer - ap_start
    mov     $0x11, %eax                  /* ET, PE */
    mov     %eax, %cr0
    ljmpl   $0x28, $ap_protected
    .align 8
ap_gdt_pointer:
    .word   host_gdt_end - host_gdt - 1
    .long   host_gdt
ap_end:

    .code32
ap_protected:
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %ss
    mov     $1, %eax
    xchg    %eax, ap_taken               /* only the first of them has a stack */
    test    %eax, %eax
    jnz     ap_park
    mov     $ap_stack_top, %esp
    call    enter_ia32e
    ljmp    $8, $ap_64bit
ap_park:
    cli
    hlt
    jmp     ap_park
    .code64
ap_64bit:
    lea     ap_stack_top(%rip), %rsp
    lgdt    gdt_pointer(%rip)
    call    load_data_segments
    xor     %ebp, %ebp
    call    ap_main
    jmp     park

    .data
    .align 16
    .globl host_gdt
host_gdt:
    .quad 0
    .quad 0x00af9b000000ffff             /* 08: 64-bit code               */
    .quad 0x00cf93000000ffff             /* 10: data                      */
    .quad 0x0000890000000067, 0          /* 18: TSS, base filled in above */
    .quad 0x00cf9b000000ffff             /* 28: 32-bit code               */
host_gdt_end:
gdt_pointer:
    .word host_gdt_end - host_gdt - 1
    .quad host_gdt
boot_magic:
    .long 0
boot_information:
    .long 0
ap_taken:
    .long 0

    .bss
    .align 4096
    .globl pml4, host_tss
pml4:
    .skip 4096
pdpt:
    .skip 4096
page_directories:
    .skip 4 * 4096
host_tss:
    .skip 104
    .align 4096
    .skip 4096
ap_stack_top:
    .skip 32768
stack_top:

    .section .note.GNU-stack, "", @progbits
