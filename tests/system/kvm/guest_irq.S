// SPDX-License-Identifier: Apache-2.0
// Guests with interrupts, NMIs and timers.

// Interrupts that the client injects, without an interrupt controller in the kernel.
    .macro  inject width
    .code\width
ENTRY(inject_\width):
    cli
    command COMMAND_INTERRUPT
    mov     $1000, %ecx
1:  dec     %ecx
    jnz     1b
    report_value 0xaa                        /* IF is 0 */
    sti
    mov     $0xbb, %eax                      /* the interrupt waits for this one */
    report
    command COMMAND_ON_HLT
    hlt
    report_value 0xcc
    int     $0x41
    report_value 0xdd
    cli
    done
    .endm
    inject  16
    inject  32
    inject  64

// The two 8259s: priority, mask, cascade.
    .macro  pic_setup
    mov     $0x11, %al
    outb    %al, $0x20
    outb    %al, $0xa0
    mov     $0x60, %al
    outb    %al, $0x21
    mov     $0x68, %al
    outb    %al, $0xa1
    mov     $4, %al
    outb    %al, $0x21
    mov     $2, %al
    outb    %al, $0xa1
    mov     $1, %al
    outb    %al, $0x21
    outb    %al, $0xa1
    xor     %al, %al
    outb    %al, $0x21
    outb    %al, $0xa1
    movl    $1, EOI_KIND
    .endm
    .macro  pic width
    .code\width
ENTRY(pic_\width):
    cli
    pic_setup
    command COMMAND_PULSE + 5
    command COMMAND_PULSE + 3
    command COMMAND_PULSE + 10
    report_value 0xaa
    sti
    nop
    nop
    cli
    report_value 0xbb
    mov     $0x20, %al                       /* mask 5 */
    outb    %al, $0x21
    command COMMAND_PULSE + 5
    command COMMAND_PULSE + 4
    sti
    nop
    nop
    cli
    report_value 0xcc
    xor     %al, %al
    outb    %al, $0x21
    sti
    nop
    nop
    cli
    done
    .endm
    pic     16
    pic     32
    pic     64

    .set    lapic, 0xfee00000
    .set    ioapic, 0xfec00000
    .macro  lapic_write offset, value
    mov     $(lapic + \offset), %edi
    movl    $\value, (%edi)
    .endm
    .macro  ioapic_write index, value
    mov     $ioapic, %edi
    movl    $\index, (%edi)
    movl    $\value, 0x10(%edi)
    .endm
// The local APIC on, the 8259s out of the way.
    .macro  apic_setup
    mov     $0xff, %al
    outb    %al, $0x21
    outb    %al, $0xa1
    lapic_write 0xf0, 0x1ff
    lapic_write 0x350, 0x10000               /* LINT0 */
    movl    $2, EOI_KIND
    .endm

// I/O APIC with an edge and a level, MSI, self-IPI, task priority.
    .macro  apic width
    .code\width
ENTRY(apic_\width):
    cli
    apic_setup
    ioapic_write 0x18, 0x44                  /* line 4: vector 44H, edge */
    ioapic_write 0x24, (0x8000 | LEVEL_VECTOR)
    command COMMAND_PULSE + 4
    command COMMAND_UP + LEVEL_LINE
    report_value 0xaa
    sti
    nop
    nop
    cli
    report_value 0xbb
    lapic_write 0x80, 0x40                   /* TPR: class 4 waits */
    command COMMAND_MSI
    sti
    nop
    nop
    report_value 0xcc
    lapic_write 0x80, 0
    nop
    cli
    report_value 0xdd
    lapic_write 0x300, 0x40046               /* to itself */
    lapic_write 0x300, 0x40066
    sti
    nop
    nop
    nop
    cli
    report_value 0xee
    mov     $(lapic + 0x30), %edi
    movzbl  (%edi), %eax
    report                                   /* version */
    mov     $(lapic + 0x20), %edi
    mov     (%edi), %eax
    shr     $24, %eax
    report                                   /* APIC ID */
    done
    .endm
    apic    32
    apic    64

    .code64
// CR8 is the class of the task priority; TPR shadow and TPR threshold.
ENTRY(cr8_64):
    cli
    apic_setup
    mov     $4, %eax
    mov     %rax, %cr8
    command COMMAND_MSI
    sti
    mov     $1000, %ecx
1:  loop    1b
    report_value 0xaa
    mov     $lapic + 0x80, %edi
    mov     (%rdi), %eax
    report                                   /* 40H */
    mov     $3, %eax
    mov     %rax, %cr8
    nop
    report_value 0xbb
    lapic_write 0x80, 0x50
    mov     %cr8, %rax
    report                                   /* 5 */
    cli
    done

// Waits, with the processor halted, for one more tick.
    .macro  wait_tick
    sti
1:  hlt
    cli
    .endm

// The local APIC's timer, once and periodically.
ENTRY(timer_64):
    cli
    apic_setup
    lapic_write 0x3e0, 0xb                   /* divide by 1 */
    lapic_write 0x320, 0x71
    rdtsc
    mov     %eax, %ebx
    lapic_write 0x380, 200000
    wait_tick
    mov     TICKS, %eax
    report                                   /* 1 */
    mov     $lapic + 0x390, %edi
    mov     (%rdi), %eax
    report                                   /* the count is 0 */
    lapic_write 0x320, 0x20072               /* periodic */
    lapic_write 0x380, 200000
    wait_tick
    wait_tick
    wait_tick
    lapic_write 0x380, 0
    mov     TICKS, %eax
    cmp     $4, %eax
    setae   %al
    movzbl  %al, %eax
    report                                   /* 1: one and three, or more if the client was slow */
    done

// The TSC deadline, by x2APIC.
ENTRY(deadline_64):
    cli
    mov     $0xff, %al
    outb    %al, $0x21
    outb    %al, $0xa1
    mov     $0x1b, %ecx
    rdmsr
    or      $0xc00, %eax                     /* x2APIC */
    wrmsr
    mov     $0x80f, %ecx
    mov     $0x1ff, %eax
    xor     %edx, %edx
    wrmsr
    mov     $0x832, %ecx
    mov     $0x40073, %eax
    wrmsr
    movl    $3, EOI_KIND
    mov     $5, %r8d
deadline_again:
    rdtsc
    shl     $32, %rdx
    or      %rdx, %rax
    add     $50000, %rax
    mov     %rax, %r9
    mov     %rax, %rdx
    shr     $32, %rdx
    mov     $0x6e0, %ecx
    wrmsr
    wait_tick
    rdtsc
    shl     $32, %rdx
    or      %rdx, %rax
    cmp     %r9, %rax
    jb      deadline_early
    dec     %r8d
    jnz     deadline_again
    mov     TICKS, %eax
    report                                   /* 5 */
    mov     $0x6e0, %ecx
    rdmsr
    report                                   /* 0: disarmed */
    done
deadline_early:
    report_value 0xbad
    done

// The 8254's channel 0 through the 8259.
    .macro  pit width
    .code\width
ENTRY(pit_\width):
    cli
    pic_setup
    mov     $0xfe, %al
    outb    %al, $0x21
    mov     $0x34, %al                       /* channel 0, mode 2 */
    outb    %al, $0x43
    mov     $(23860 & 0xff), %al
    outb    %al, $0x40
    mov     $(23860 >> 8), %al
    outb    %al, $0x40
    sti
    hlt
    hlt
    hlt
    cli
    mov     $0xff, %al
    outb    %al, $0x21
    report_value 0xaa
    done
    .endm
    pit     16
    pit     32

// NMIs: a second one waits for IRET; IF does not matter.  (IF is 1 at first because a KVM without virtual NMIs sees only
// then that NMIs are no longer blocked.)
    .macro  nmi width
    .code\width
ENTRY(nmi_guest_\width):
    sti
    command COMMAND_NMI
    nop
    report_value 0xaa
    cli
    command COMMAND_NMI
    nop
    report_value 0xbb
    done
    .endm
    nmi     32
    nmi     64
