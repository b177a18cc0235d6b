// SPDX-License-Identifier: Apache-2.0
// Guests that go from mode to mode, the way a second processor starts, and tasks.

// Reports CR0's PG and PE and EFER's LMA, as seen by the guest: PG << 31 | LMA << 4 | PE.
    .macro report_mode
    mov     $0xc0000080, %ecx
    rdmsr
    shr     $6, %eax
    and     $0x10, %eax
    mov     %eax, %ebx
    .if in_long
    mov     %cr0, %rax
    .else
    mov     %cr0, %eax
    .endif
    and     $0x80000001, %eax
    or      %ebx, %eax
    report
    .endm

// Real-address mode, protected mode, 32-bit paging, PAE, 64-bit mode, compatibility mode, and all the way back.
    .code16
    .set    in_long, 0
ENTRY(modes):
    report_mode
    lgdtl   %cs:O(gdt_pointer)
    mov     %cr0, %eax
    or      $1, %eax
    mov     %eax, %cr0
    ljmpl   $CODE32, $A(modes_32)
    .code32
modes_32:
    mov     $DATA32, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    report_mode
    mov     $0x10, %eax                      /* PSE */
    mov     %eax, %cr4
    mov     $DIRECTORY32, %eax
    mov     %eax, %cr3
    mov     %cr0, %eax
    or      $0x80000000, %eax
    mov     %eax, %cr0
    report_mode
    mov     DATA, %ebx
    mov     %cr0, %eax
    and     $0x7fffffff, %eax
    mov     %eax, %cr0
    mov     $0x20, %eax                      /* PAE */
    mov     %eax, %cr4
    mov     $PAE_PDPT, %eax
    mov     %eax, %cr3
    mov     %cr0, %eax
    or      $0x80000000, %eax
    mov     %eax, %cr0
    report_mode
    mov     DATA, %ebx
    mov     %cr0, %eax
    and     $0x7fffffff, %eax
    mov     %eax, %cr0
    call    enable_long_mode
    report_mode                              /* compatibility mode */
    ljmpl   $CODE64, $A(modes_64)
    .code64
    .set    in_long, 1
modes_64:
    report_mode
    movabs  $0x123456789abcdef0, %rax
    mov     %rax, DATA
    ljmpl   *A(far_compatibility)
    .code32
    .set    in_long, 0
modes_compatibility:
    report_mode
    mov     DATA, %eax
    report
    ljmpl   $CODE16, $O(modes_16)            /* 16-bit compatibility mode */
    .code16
modes_16:
    report_mode
    ljmpl   $CODE32, $A(modes_down)
    .code32
modes_down:
    mov     %cr0, %eax
    and     $0x7fffffff, %eax
    mov     %eax, %cr0                       /* leaves IA-32e mode */
    report_mode
    xor     %eax, %eax
    mov     %eax, %cr4
    ljmpl   $CODE16, $O(modes_16_protected)
    .code16
modes_16_protected:
    mov     $DATA16, %ax
    mov     %ax, %ss
    mov     %ax, %ds                         /* limit 64 KiB, which stays in real-address mode; ES keeps 4 GiB */
    mov     %cr0, %eax
    and     $0xfffffffe, %eax
    mov     %eax, %cr0
    ljmp    $(IMAGE >> 4), $O(modes_real)
modes_real:
    report_mode
    xor     %ax, %ax
    mov     %ax, %ds
    mov     %ax, %ss
    movl    $DATA, %ebx
    mov     %es:(%ebx), %eax                 /* above 1 MiB in real-address mode */
    report
    done

far_compatibility:
    .long   A(modes_compatibility)
    .word   CODE32
    .balign 4
gdt_pointer:
    .word   GDT_BYTES - 1
    .long   GDT

// From protected mode without paging to compatibility mode.
    .code32
enable_long_mode:
    mov     $0x620, %eax                     /* PAE, OSFXSR, OSXMMEXCPT */
    mov     %eax, %cr4
    mov     $PML4, %eax
    mov     %eax, %cr3
    mov     $0xc0000080, %ecx
    rdmsr
    or      $0x100, %eax                     /* LME */
    wrmsr
    mov     %cr0, %eax
    or      $0x80000000, %eax
    mov     %eax, %cr0
    ret

// The second processor: from INIT and SIPI to 64-bit mode, then what SHARED + 8 says.
    .code16
ap_start:
    cli
    lgdtl   %cs:O(gdt_pointer)
    mov     %cr0, %eax
    and     $0x9fffffff, %eax                /* CD and NW, which INIT leaves as they were */
    or      $1, %eax
    mov     %eax, %cr0
    ljmpl   $CODE32, $A(ap_32)
    .code32
ap_32:
    mov     $DATA32, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    mov     $(STACKS + 2 * STACK_SIZE), %esp
    lidtl   A(idt_pointer)
    call    enable_long_mode
    ljmpl   $CODE64, $A(ap_64)
    .code64
ap_64:
    jmp     *SHARED + 8
idt_pointer:
    .word   VECTORS * 16 - 1
    .long   IDT

// Hardware task switches: CALL and IRET, a task gate, JMP.
    .code32
ENTRY(tasks_32):
    movl    $A(task_2), TSS_2 + 0x20
    movl    $0x777, TSS_2 + 0x28             /* EAX */
    lcall   $TSS_2_SELECTOR, $0
    str     %ax
    movzwl  %ax, %eax
    report                                   /* TSS_SELECTOR */
    int     $TASK_VECTOR
    report_value 0x1111
    ljmp    $TSS_2_SELECTOR, $0
    report_value 0x2222
    mov     %cr0, %eax
    and     $8, %eax
    report                                   /* TS is set */
    clts
    done
task_2:
    report                                   /* EAX of the TSS */
1:  str     %ax
    movzwl  %ax, %eax
    report                                   /* TSS_2_SELECTOR */
    pushf
    pop     %eax
    and     $0x4000, %eax
    report                                   /* NT */
    movzwl  TSS_2, %eax
    report                                   /* the back link */
    iret
    str     %ax
    movzwl  %ax, %eax
    report
    pushf
    pop     %eax
    and     $0x4000, %eax
    report
    iret
    report_value 0x3333
    ljmp    $TSS_SELECTOR, $0
    jmp     1b

// Virtual-8086 mode: INT goes through the IDT, HLT faults.
ENTRY(vm86_32):
    movl    $A(vm86_left), LEAVE
    push    $0
    push    $0
    push    $0
    push    $0
    push    $0                               /* SS */
    push    $REAL_STACK
    push    $0x23002                         /* VM, IOPL 3 */
    push    $(IMAGE >> 4)
    push    $O(vm86)
    iret
vm86_left:
    mov     $STACKS + STACK_SIZE, %esp
    mov     $DATA32, %eax
    mov     %eax, %ds
    mov     %eax, %es
    done
    .code16
vm86:
    mov     %cs, %ax
    mov     $0x1200, %bx
    int     $0x50
    movw    $O(1f), RESUME
    hlt
1:  pushf
    pop     %ax
    mov     %ax, BUFFER
    int     $LEAVE_VECTOR
