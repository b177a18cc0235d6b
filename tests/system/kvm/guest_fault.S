// SPDX-License-Identifier: Apache-2.0
// Guests whose exceptions are checked: of instructions, of paging, of privilege levels.

    .code16
ENTRY(exceptions_16):
    resume_at_16 1f
    xor     %cx, %cx
    div     %cx
1:  resume_at_16 1f
    ud2
1:  resume_at_16 1f
    int3
1:  int     $0x41
    mov     $0x7fff, %ax
    add     %ax, %ax
    resume_at_16 1f
    into
    nop
1:  resume_at_16 1f
    mov     $0x10, %si
    bound   %si, %cs:O(bounds_16)
    nop
1:  resume_at_16 1f
    mov     0xffff, %ax                      /* beyond the limit: #GP */
1:  done
bounds_16:
    .word   1, 2

    .macro  exceptions width, p
    .code\width
ENTRY(exceptions_\width):
    resume_at 1f
    xor     %ecx, %ecx
    div     %ecx
1:  resume_at 1f
    ud2
1:  resume_at 1f
    int3
1:  resume_at 1f
    mov     $0xfff8, %eax
    mov     %eax, %ds                        /* beyond the GDT: #GP with the selector */
1:  resume_at 1f
    mov     $USER_CODE32, %eax
    mov     %eax, %ss                        /* not writable: #GP with the selector */
1:  resume_at 1f
    int     $0x7f                            /* no gate: #GP(7FH * 8 + 2) */
1:  resume_at 1f
    mov     %cr0, %\p\()ax
    mov     %\p\()ax, %\p\()bx
    or      $8, %eax
    mov     %\p\()ax, %cr0
    fld1                                     /* #NM */
1:  resume_at 1f
    movups  %xmm0, %xmm1                     /* #NM */
1:  clts
    fld1
    movups  %xmm0, %xmm1
    resume_at 1f
    mov     $0x12345, %ecx
    rdmsr                                    /* #GP */
1:  resume_at 1f
    mov     $0xc0000080, %ecx
    mov     $0xffffffff, %eax
    mov     %eax, %edx
    wrmsr                                    /* #GP: reserved bits */
1:  resume_at 1f
    mov     $0x80000000, %eax
    mov     %\p\()ax, %cr0                   /* #GP: PG without PE */
1:  resume_at 1f
    mov     %cr4, %\p\()ax
    or      $0x80000000, %eax
    mov     %\p\()ax, %cr4                   /* #GP: a reserved bit */
1:  resume_at 1f
    pushf
    orl     $0x100, (%\p\()sp)
    popf                                     /* TF: #DB after the next instruction */
    nop
    nop
1:  mov     %dr6, %\p\()ax
    and     $0x4000, %eax
    report                                   /* BS */
    resume_at 1f
    mov     $BUFFER, %\p\()ax
    mov     %\p\()ax, %dr1
    mov     $0xd00008, %eax                  /* G1, writes of 4 bytes: R/W = 01B, LEN = 11B */
    mov     %\p\()ax, %dr7
    incl    BUFFER
    nop
1:  mov     %dr6, %\p\()ax
    and     $0xf, %eax
    report
    xor     %eax, %eax
    mov     %\p\()ax, %dr7
    mov     %dr1, %\p\()ax
    report
    done
    .endm

    exceptions 32, e
    exceptions 64, r

// paging WIDTH, P, SHIFT: a page at 40000000H, mapped by a page table of our own; SHIFT is log2 of an entry's size.
    .set    page_table, SPARE_TABLES + 0x1000
    .macro  paging name, width, p, shift, top
    .code\width
ENTRY(\name):
    mov     %cr0, %\p\()ax
    or      $0x10000, %eax                   /* WP */
    mov     %\p\()ax, %cr0
    movl    $(page_table | 7), \top
    movl    $(DATA | 3), page_table
    mov     $0x40000000, %edi
    movl    $0xabcd, DATA
    mov     (%\p\()di), %eax
    report                                   /* ABCDH */
    mov     page_table, %eax
    and     $0x60, %eax
    report                                   /* A */
    movl    $0xef01, (%\p\()di)
    mov     DATA, %eax
    report
    mov     page_table, %eax
    and     $0x60, %eax
    report                                   /* A, D */
    movl    $0, page_table
    invlpg  (%\p\()di)
    resume_at 1f
    mov     (%\p\()di), %eax                 /* #PF(0), CR2 */
1:  resume_at 1f
    movl    $1, 8(%\p\()di)                  /* #PF(2), CR2 */
1:  movl    $(DATA | 1), page_table
    resume_at 1f
    movl    $1, 16(%\p\()di)                 /* #PF(3) */
1:  mov     %cr0, %\p\()ax
    and     $~0x10000, %eax
    mov     %\p\()ax, %cr0
    movl    $0x7777, 16(%\p\()di)            /* WP is 0 */
    mov     DATA + 16, %eax
    report
    mov     $5, %ecx                         /* the page walks through five frames */
    mov     $(DATA | 3), %eax
2:  add     $0x1000, %eax
    mov     %eax, page_table
    invlpg  (%\p\()di)
    mov     %ecx, (%\p\()di)
    loop    2b
    mov     %cr3, %\p\()ax
    mov     %\p\()ax, %cr3
    mov     DATA + 0x1000, %eax
    add     DATA + 0x5000, %eax
    report                                   /* 5 + 1 */
    movl    $(DATA | 3), page_table
    mov     %cr3, %\p\()ax
    mov     %\p\()ax, %cr3
    movl    $0xc3c3c3c3, (%\p\()di)          /* RET: code through the new page, then other code */
    call    *%\p\()di
    movl    $0xc34090c3, DATA
    .if \width == 64
    movl    $0xc3c0ffc3, DATA
    .endif
    xor     %eax, %eax
    inc     %edi
    call    *%\p\()di
    report                                   /* 1 */
    .if \shift == 3
    call    no_execute_\width
    .endif
    movl    $0, \top
    mov     %cr3, %\p\()ax
    mov     %\p\()ax, %cr3
    done
    .endm

    paging paging_32, 32, e, 2, DIRECTORY32 + 0x400
    paging paging_pae, 32, e, 3, DIRECTORIES + 0x1000
    paging paging_64, 64, r, 3, DIRECTORIES + 0x1000

// The execute-disable bit, and a reserved bit.  EDI is 40000001H.
    .macro  no_execute width, p
    .code\width
no_execute_\width:
    mov     $0xc0000080, %ecx
    rdmsr
    or      $0x800, %eax                     /* NXE */
    wrmsr
    movl    $0x80000000, page_table + 4
    invlpg  (%\p\()di)
    mov     (%\p\()di), %eax
    resume_at 1f
    jmp     *%\p\()di                        /* #PF(11H) */
1:  movl    $0x00080000, page_table + 4      /* bit 51 */
    invlpg  (%\p\()di)
    resume_at 1f
    mov     (%\p\()di), %eax                 /* #PF(9) */
1:  movl    $0, page_table + 4
    invlpg  (%\p\()di)
    ret
    .endm
    no_execute 32, e
    no_execute 64, r

// Privilege level 3 in 64-bit mode: IRET, SYSCALL and SYSRET, faults, an interrupt gate.
    .code64
ENTRY(user_64):
    mov     $0xc0000080, %ecx
    rdmsr
    or      $1, %eax                         /* SCE */
    wrmsr
    mov     $0xc0000081, %ecx                /* STAR */
    xor     %eax, %eax
    mov     $(USER_CODE32 << 16 | CODE64), %edx
    wrmsr
    inc     %ecx                             /* LSTAR */
    mov     $A(system_call_64), %eax
    xor     %edx, %edx
    wrmsr
    mov     $0xc0000084, %ecx                /* FMASK: IF */
    mov     $0x200, %eax
    wrmsr
    mov     $0xc0000101, %ecx                /* GS */
    mov     $0x1111, %eax
    wrmsr
    inc     %ecx                             /* KERNEL_GS_BASE */
    mov     $0x2222, %eax
    wrmsr
    movq    $A(user_64_left), LEAVE
    pushq   $(USER_DATA | 3)
    pushq   $STACK_3
    pushq   $0x202
    pushq   $(USER_CODE64 | 3)
    pushq   $A(user_code_64)
    iretq
user_code_64:
    mov     $0x7777, %eax
    syscall
    mov     %cs, %ebx
    mov     %ss, %edx
    shl     $16, %edx
    or      %ebx, %edx
    mov     %rdx, BUFFER
    resume_at 1f
    hlt                                      /* #GP */
1:  resume_at 1f
    in      $PORT_STREAM & 0xff, %al         /* #GP */
1:  resume_at 1f
    mov     %cr0, %rax                       /* #GP */
1:  resume_at 1f
    movabs  $0x800000000000, %rax
    mov     (%rax), %al                      /* #GP: not canonical */
1:  int     $0x50
    int     $LEAVE_VECTOR
system_call_64:
    report                                   /* 7777H */
    pushf
    pop     %rax
    and     $0x200, %eax
    report                                   /* 0 */
    mov     %r11d, %eax
    and     $0x200, %eax
    report                                   /* 200H */
    swapgs
    mov     %rcx, %r10
    mov     $0xc0000101, %ecx
    rdmsr
    report                                   /* 2222H */
    swapgs
    mov     %r10, %rcx
    sysretq
user_64_left:
    mov     $STACKS + STACK_SIZE, %esp
    mov     BUFFER, %eax
    report                                   /* SS << 16 | CS of privilege level 3 */
    done

// Privilege level 3 in 32-bit mode: IRET, SYSENTER and SYSEXIT, a call gate.
    .code32
ENTRY(user_32):
    mov     $0x174, %ecx                     /* SYSENTER_CS, _ESP, _EIP */
    mov     $CODE32, %eax
    xor     %edx, %edx
    wrmsr
    inc     %ecx
    mov     $STACK_0, %eax
    wrmsr
    inc     %ecx
    mov     $A(system_call_32), %eax
    wrmsr
    movl    $A(user_32_left), LEAVE
    movl    $(CODE32 << 16 | (A(gate_32) & 0xffff)), GDT + CALL_GATE
    movl    $(A(gate_32) & 0xffff0000 | 0xec01), GDT + CALL_GATE + 4  /* one parameter */
    push    $(USER_DATA | 3)
    push    $STACK_3
    push    $0x202
    push    $(USER_CODE32 | 3)
    push    $A(user_code_32)
    iret
user_code_32:
    mov     $(USER_DATA | 3), %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %esp, %ecx
    mov     $A(1f), %edx
    sysenter
1:  resume_at 1f
    hlt                                      /* #GP */
1:  resume_at 1f
    mov     $DATA32, %eax
    mov     %eax, %es                        /* #GP(10H) */
1:  push    $0x4567
    lcall   $(CALL_GATE | 3), $0
    mov     %esp, BUFFER
    int     $0x50
    int     $LEAVE_VECTOR
system_call_32:
    mov     %cs, %eax
    report
    sysexit
gate_32:
    mov     8(%esp), %eax
    report                                   /* the parameter */
    mov     16(%esp), %eax
    report                                   /* SS of privilege level 3 */
    lret    $4
user_32_left:
    mov     $DATA32, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     $STACKS + STACK_SIZE, %esp
    mov     BUFFER, %eax
    report                                   /* STACK_3 */
    done
