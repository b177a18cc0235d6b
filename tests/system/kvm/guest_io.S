// SPDX-License-Identifier: Apache-2.0
// Guests that use ports and memory-mapped I/O, each assembled for 16, 32 and 64 bits.

    .macro  io_guests width
    .code\width

// Single and string I/O of all sizes, upwards and downwards.
ENTRY(ports_\width):
    mov     $PORT_STREAM, %edx
    mov     $0x5a, %al
    outb    %al, %dx
    xor     %eax, %eax
    inb     %dx, %al
    report
    inw     %dx, %ax
    report
    inl     %dx, %eax
    report
    cld
    mov     $BUFFER, %edi
    mov     $10, %ecx
    rep insb
    mov     $BUFFER, %esi
    mov     $3, %ecx
    rep outsw
    mov     $BUFFER + 60, %edi
    mov     $4, %ecx
    std
    rep insl
    cld
    movl    BUFFER + 48, %eax
    report
    movl    BUFFER + 60, %eax
    report
    mov     %edi, %eax
    report
    command COMMAND_SUM
    done

// String I/O that crosses a page and a count of 0.
ENTRY(ports_long_\width):
    mov     $PORT_STREAM, %edx
    cld
    mov     $0x2f00, %edi
    mov     $600, %ecx
    rep insb
    mov     $0x2f00, %esi
    mov     $300, %ecx
    rep outsw
    xor     %ecx, %ecx
    rep outsb
    rep insl
    mov     %edi, %eax
    report
    mov     %esi, %eax
    report
    command COMMAND_SUM
    done

// Memory-mapped I/O: every kind of access that hypervisors decode.  ES:EDI is the window.
ENTRY(mmio_\width):
    .if \width == 16
    mov     $(MMIO >> 4), %ax
    mov     %ax, %es
    xor     %edi, %edi
    .else
    mov     $MMIO, %edi
    .endif
    cld
    movl    $0x11223344, %es:(%edi)
    movb    $0x55, %es:1(%edi)
    movzwl  %es:(%edi), %eax
    report                                   /* 5544H */
    movw    $0x6677, %es:4(%edi)
    movsbl  %es:1(%edi), %eax
    report                                   /* 55H */
    addl    $0x01010101, %es:(%edi)
    orb     $0x80, %es:3(%edi)
    movl    %es:(%edi), %eax
    report                                   /* 92235645H */
    notw    %es:4(%edi)
    incb    %es:4(%edi)
    shll    $4, %es:(%edi)
    btsl    $1, %es:(%edi)
    cmpl    $0x22356452, %es:(%edi)
    sete    %al
    movzbl  %al, %eax
    report                                   /* 1 */
    movl    %es:4(%edi), %eax
    report                                   /* 9989H */
    movl    $0x22356452, %eax
    movl    $0xcafe1234, %ecx
    cmpxchgl %ecx, %es:(%edi)
    setz    %al
    movzbl  %al, %eax
    report                                   /* 1 */
    movl    %es:(%edi), %eax
    report                                   /* CAFE1234H */
    command COMMAND_MMIO
    done

// String instructions between RAM and memory-mapped I/O, in both directions.
ENTRY(mmio_string_\width):
    .if \width == 16
    .set    window, 0
    mov     $(MMIO >> 4), %ax
    mov     %ax, %es
    .else
    .set    window, MMIO
    .endif
    cld
    mov     $BUFFER, %esi
    movl    $0x03020100, (%esi)
    movl    $0x07060504, 4(%esi)
    mov     $(window + 16), %edi
    mov     $4, %ecx
    rep movsw                                /* RAM to MMIO */
    mov     $0xa5a5a5a5, %eax
    stosl
    mov     %edi, %eax
    sub     $window, %eax
    report                                   /* 1CH */
    mov     $(window + 16), %esi
    xor     %eax, %eax
    .byte   0x26
    lodsl
    report                                   /* 03020100H */
    mov     $0x04, %al
    mov     $(window + 16), %edi
    mov     $100, %ecx
    repne scasb
    mov     %ecx, %eax
    report                                   /* 100 - 5 */
    .if \width == 16
    mov     %es, %ax
    mov     %ax, %ds
    xor     %ax, %ax
    mov     %ax, %es
    .endif
    mov     $(window + 18), %esi
    mov     $(BUFFER + 32), %edi
    mov     $7, %ecx
    rep movsb                                /* MMIO to RAM */
    .if \width == 16
    mov     %ax, %ds
    .endif
    mov     BUFFER + 32, %eax
    report                                   /* 05040302H */
    mov     BUFFER + 36, %eax
    and     $0xffffff, %eax
    report                                   /* A50706H */
    done
    .endm

    io_guests 16
    io_guests 32
    io_guests 64

// Accesses that are part RAM, part MMIO; 64-bit and 128-bit ones.
    .code64
ENTRY(mmio_wide_64):
    mov     $MMIO, %edi
    movl    $0x44332211, -2(%rdi)
    movzwl  -2(%rdi), %eax
    report                                   /* 2211H */
    movzwl  (%rdi), %eax
    report                                   /* 4433H */
    mov     -2(%rdi), %eax
    report
    movabs  $0x1122334455667788, %rbx
    mov     %rbx, 8(%rdi)
    mov     8(%rdi), %rax
    cmp     %rax, %rbx
    sete    %al
    movzbl  %al, %eax
    report                                   /* 1 */
    movslq  12(%rdi), %rax
    report                                   /* 11223344H */
    movq    %rbx, %xmm0
    punpcklqdq %xmm0, %xmm0
    movups  %xmm0, 32(%rdi)
    movups  32(%rdi), %xmm1
    pcmpeqb %xmm0, %xmm1
    pmovmskb %xmm1, %eax
    report                                   /* FFFFH */
    mov     44(%rdi), %eax
    report                                   /* 11223344H */
    done

// A page that the guest may read but not write: the write is an MMIO exit.
ENTRY(rom_64):
    mov     $ROM, %edi
    mov     (%rdi), %eax
    report
    movl    $0x12345678, (%rdi)
    mov     (%rdi), %eax
    report
    command COMMAND_ROM
    mov     (%rdi), %eax
    report
    command COMMAND_MMIO
    done

// Writes to the first byte of pages 0, 3, 6 ... 27 of DATA; then to page 5, twice.
ENTRY(dirty_64):
    mov     $DATA, %edi
    mov     $10, %ecx
1:  movb    $1, (%rdi)
    add     $0x3000, %edi
    loop    1b
    command COMMAND_DIRTY
    movl    $1, DATA + 0x5000
    movl    $1, DATA + 0x5004
    command COMMAND_DIRTY
    command COMMAND_DIRTY
    done
