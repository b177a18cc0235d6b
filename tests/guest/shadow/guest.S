// SPDX-License-Identifier: Apache-2.0
// The guest: a 32-bit kernel in miniature that knows nothing of a hypervisor until it calls CPUID.
// It stands at guest-physical 8000H and starts in flat protected mode with paging off.
#define BASE 0x8000
#define AT(label) (label - guest_image + BASE)
#define STACK_TOP 0x7000
#define DIRECTORY 0x20000
#define TABLE 0x21000                    /* maps the first 4 MiB                      */
#define DIRECTORY_2 0x22000              /* a second address space                    */
#define TABLE_2 0x23000
#define FRAME_A 0x30000
#define FRAME_B 0x31000
#define WINDOW 0x300000                  /* the page that gets mapped here and there  */
#define WINDOW_PTE (TABLE + 4 * (WINDOW >> 12))
#define WINDOW_PTE_2 (TABLE_2 + 4 * (WINDOW >> 12))
#define READ_ONLY 1                      /* of entries: present                       */
#define WRITABLE 3
#define ACCESSED 0x20
#define DIRTY 0x40
#define CR0_PG 0x80000000
#define CR0_WP 0x00010000
#define COM1 0x3f8
#define IA32_PAT 0x277

#define SAY(label) mov $AT(label), %esi; call print
// The guest goes on only while what it reads is what the architecture says.
#define EXPECT(register, value) cmp $(value), register; jne failed

    .section .rodata
    .code32
    .globl guest_image, guest_image_end
guest_image:
    mov     $STACK_TOP, %esp
    lgdt    AT(gdtr)
    lidt    AT(idtr)
    SAY(text_protected)

    // Identity map of the first MiB in both address spaces.
    movl    $(TABLE + WRITABLE), DIRECTORY
    movl    $(TABLE_2 + WRITABLE), DIRECTORY_2
    xor     %ecx, %ecx
    mov     $WRITABLE, %eax
1:  mov     %eax, TABLE(, %ecx, 4)
    mov     %eax, TABLE_2(, %ecx, 4)
    add     $0x1000, %eax
    inc     %ecx
    cmp     $256, %ecx
    jb      1b
    movl    $0xaaaa, FRAME_A
    movl    $0xbbbb, FRAME_B
    mov     $DIRECTORY, %eax
    mov     %eax, %cr3
    mov     %cr0, %eax
    EXPECT(%eax, 0x11)
    or      $(CR0_PG | CR0_WP), %eax
    mov     %eax, %cr0
    mov     %cr0, %edx
    cmp     %eax, %edx
    jne     failed
    mov     %cr3, %eax                   // the guest's CR3, not that of the shadow
    EXPECT(%eax, DIRECTORY)
    SAY(text_paging)

    // A translation that is in use changes when INVLPG says so; while the guest has not said it,
    // it sees the old frame, as with a TLB.
    movl    $(FRAME_A + WRITABLE), WINDOW_PTE
    mov     WINDOW, %eax
    EXPECT(%eax, 0xaaaa)
    movl    $(FRAME_B + WRITABLE), WINDOW_PTE
    mov     WINDOW, %eax
    EXPECT(%eax, 0xaaaa)
    invlpg  WINDOW
    mov     WINDOW, %eax
    EXPECT(%eax, 0xbbbb)
    SAY(text_invlpg)

    // Accessed and dirty flags are set by whoever walks the tables: here the hypervisor.
    mov     WINDOW_PTE, %eax
    EXPECT(%eax, FRAME_B + WRITABLE + ACCESSED)
    movl    $0xb0b0, WINDOW
    mov     WINDOW_PTE, %eax
    EXPECT(%eax, FRAME_B + WRITABLE + ACCESSED + DIRTY)
    mov     FRAME_B, %eax
    EXPECT(%eax, 0xb0b0)
    SAY(text_flags)

    // Page faults of the guest's own: a page that is not there, then one that is read-only.  The
    // handler mends the entry from EBX, and the instruction runs again.
    movl    $0, WINDOW_PTE
    invlpg  WINDOW
    mov     $(FRAME_A + READ_ONLY), %ebx
    mov     WINDOW + 8, %eax
    EXPECT(%edi, 0)                      // error code: not present, read
    EXPECT(%ebp, WINDOW + 8)             // CR2
    mov     $(FRAME_A + WRITABLE), %ebx
    movl    $0xa0a0, WINDOW
    EXPECT(%edi, 3)                      // error code: present, write
    EXPECT(%ebp, WINDOW)
    mov     FRAME_A, %eax
    EXPECT(%eax, 0xa0a0)
    SAY(text_faults)

    // Another address space: the window shows another frame.  Right after the load of CR3 the
    // shadow is empty, so that this fault's delivery needs the IDT, the GDT and the stack anew.
    movl    $(FRAME_B + WRITABLE), WINDOW_PTE_2
    mov     $DIRECTORY_2, %eax
    mov     %eax, %cr3
    mov     WINDOW, %eax
    EXPECT(%eax, 0xb0b0)
    movl    $0, WINDOW_PTE
    mov     $(FRAME_A + WRITABLE), %ebx
    mov     $DIRECTORY, %eax
    mov     %eax, %cr3
    mov     WINDOW, %eax
    EXPECT(%eax, 0xa0a0)
    EXPECT(%edi, 0)
    SAY(text_spaces)

    mov     $0x40000000, %eax
    cpuid
    EXPECT(%ebx, 0x35303032)             // "2005"
    mov     $1, %eax
    cpuid
    test    $(1 << 5), %ecx              // no VMX for guests
    jnz     failed
    mov     $IA32_PAT, %ecx
    mov     $0x01020304, %eax
    mov     $0x05060700, %edx
    wrmsr
    xor     %eax, %eax
    xor     %edx, %edx
    rdmsr
    EXPECT(%eax, 0x01020304)
    EXPECT(%edx, 0x05060700)
    SAY(text_msr)
    hlt
    SAY(text_done)
    xor     %eax, %eax
    vmcall

failed:
    SAY(text_failed)
    mov     $1, %eax
    vmcall

// Page fault: maps the window by EBX, invalidates; EDI gets the error code, EBP CR2.
page_fault:
    pop     %edi
    mov     %cr2, %ebp
    mov     %ebx, WINDOW_PTE
    invlpg  WINDOW
    iret

print:
    mov     $COM1, %edx
1:  lodsb
    test    %al, %al
    jz      2f
    out     %al, (%dx)
    jmp     1b
2:  ret

text_protected: .asciz "guest: 32-bit protected mode, paging off\n"
text_paging:    .asciz "guest: paging on\n"
text_invlpg:    .asciz "guest: INVLPG shows what a page table says\n"
text_flags:     .asciz "guest: accessed and dirty flags\n"
text_faults:    .asciz "guest: page faults, not present and read-only\n"
text_spaces:    .asciz "guest: two address spaces\n"
text_msr:       .asciz "guest: CPUID and an MSR\n"
text_done:      .asciz "guest: done\n"
text_failed:    .asciz "guest: something is not as it must be\n"

    .align 8
gdt:
    .quad   0
    .quad   0x00cf9b000000ffff           // 08: code
    .quad   0x00cf93000000ffff           // 10: data
gdtr:
    .word   gdtr - gdt - 1
    .long   AT(gdt)
    .align 8
idt:
    .fill   14, 8, 0
    .word   AT(page_fault), 8, 0x8e00, 0 // 14: interrupt gate
idtr:
    .word   idtr - idt - 1
    .long   AT(idt)
guest_image_end:

    .section .note.GNU-stack, "", @progbits
