// SPDX-License-Identifier: Apache-2.0
// The image that the client copies to IMAGE: handlers of exceptions and interrupts for all modes; the guests are in the
// files that it includes.  An exception is reported as vector << 16 | error code, a page fault's CR2 after it, and
// returns to RESUME; an interrupt is reported as 1000H | vector and returns where it came from.
#include "guest.h"

    .section .rodata.guest, "a"
    .globl  guest_image, guest_image_end, stubs_16, stubs_32, stubs_64
    .balign 4096
guest_image:

// A processor that is started by SIPI with vector IMAGE >> 12 begins here.
    .code16
    jmp     ap_start

// Every vector's stub pushes an error code, if the processor has not, and the vector; 16 bytes each.
// Vectors 8, 10 to 14 and 17 have error codes, but not in real-address mode.
    .macro stubs width, with_error
    .balign 16
stubs_\width:
    .set    vector, 0
    .rept   VECTORS
    .balign 16
    .if !(\with_error && (vector == 8 || (vector >= 10 && vector <= 14) || vector == 17))
    push    $0
    .endif
    push    $vector
    jmp     handler_\width
    .set    vector, vector + 1
    .endr
    .endm

    .code16
    stubs   16, 0
    .code32
    stubs   32, 1
    .code64
    stubs   64, 1

// Real-address mode: SS is 0, DS may be anything.  The stack has EBX, EAX, vector, error code, IP.
    .code16
handler_16:
    push    %eax
    push    %ebx
    mov     %sp, %bx
    movzwl  %ss:8(%bx), %eax
    cmp     $32, %ax
    jae     1f
    shl     $16, %eax
    report
    mov     %ss:RESUME, %ax
    mov     %ax, %ss:12(%bx)
    jmp     3f
1:  or      $0x1000, %ax
    report
    cmpb    $0, %ss:EOI_KIND
    je      3f
    test    $8, %al
    mov     $0x20, %al
    jz      2f
    out     %al, $0xa0
2:  out     %al, $0x20
3:  pop     %ebx
    pop     %eax
    add     $4, %sp
    iret

// handler WIDTH, P, WORD: P is the first letter of the registers of a stack's word, of WORD bytes.  The stack has
// rBX, rAX, vector, error code, rIP, CS, flags.
    .macro handler width, p, word
handler_\width:
    push    %\p\()ax
    push    %\p\()bx
    mov     %\p\()sp, %\p\()bx
    movl    %ss:2*\word(%\p\()bx), %eax
    cmp     $2, %eax
    je      nmi_\width
    cmp     $LEAVE_VECTOR, %eax
    je      leave_\width
    cmp     $SILENT_VECTOR, %eax
    jae     silent_\width
    cmp     $32, %eax
    jae     interrupt_\width
    shl     $16, %eax
    movw    %ss:3*\word(%\p\()bx), %ax
    report
    shr     $16, %eax
    cmp     $14, %eax
    jne     1f
    mov     %cr2, %\p\()ax
    report
1:  mov     %ss:RESUME, %\p\()ax
    mov     %\p\()ax, %ss:4*\word(%\p\()bx)
    andl    $~0x100, %ss:6*\word(%\p\()bx)       /* TF */
    jmp     return_\width
silent_\width:
    lock incl %ss:TICKS
    jmp     eoi_\width
interrupt_\width:
    or      $0x1000, %eax
    report
    cmp     $(0x1000 | LEVEL_VECTOR), %eax
    jne     eoi_\width
    incl    %ss:LEVELS
    cmpl    $2, %ss:LEVELS
    jne     eoi_\width
    command (COMMAND_DOWN + LEVEL_LINE)
eoi_\width:
    cmpb    $1, %ss:EOI_KIND
    jb      return_\width
    je      eoi_8259_\width
    cmpb    $2, %ss:EOI_KIND
    ja      eoi_x2apic_\width
    movl    $0xfee000b0, %eax
    movl    $0, (%\p\()ax)
    jmp     return_\width
eoi_x2apic_\width:
    push    %\p\()cx
    push    %\p\()dx
    mov     $0x80b, %ecx
    xor     %eax, %eax
    xor     %edx, %edx
    wrmsr
    pop     %\p\()dx
    pop     %\p\()cx
    jmp     return_\width
eoi_8259_\width:
    mov     $0x20, %al
    testb   $8, %ss:2*\word(%\p\()bx)
    jz      1f
    out     %al, $0xa0
1:  out     %al, $0x20
return_\width:
    pop     %\p\()bx
    pop     %\p\()ax
    add     $2*\word, %\p\()sp
    iret\()\p
leave_\width:                                /* from privilege level 3: the stack is the TSS's, thrown away */
    or      $0x1000, %eax
    report
    jmp     *%ss:LEAVE

// The first NMI asks for another, which must wait for IRET.
nmi_\width:
    report_value 0x1002
    incl    %ss:NMIS
    cmpl    $1, %ss:NMIS
    jne     return_\width
    command COMMAND_NMI
    nop
    report_value 0x2222
    jmp     return_\width
    .endm

// IRET by the first letter of its registers.
    .macro irete
    iretl
    .endm
    .macro iretr
    iretq
    .endm

    .code32
    handler 32, e, 4
    .code64
    handler 64, r, 8

#include "guest_io.S"
#include "guest_modes.S"
#include "guest_fault.S"
#include "guest_state.S"
#include "guest_irq.S"
#include "guest_smp.S"

    .balign 4096
guest_image_end:

    .section .note.GNU-stack, "", @progbits
