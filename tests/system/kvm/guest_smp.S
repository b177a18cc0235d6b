// SPDX-License-Identifier: Apache-2.0
// Guests of two processors.

    .code64
    .set    counter, SHARED + 16
    .set    stage, SHARED + 24
    .set    rounds, 10000

// Without an interrupt controller both begin here: they count together.
ENTRY(count_64):
    mov     $rounds, %ecx
1:  lock incl counter
    loop    1b
1:  pause
    cmpl    $(2 * rounds), counter
    jne     1b
    mov     counter, %eax
    report
    done

// Starts the other processor by INIT and SIPI; it goes on at \where.
    .macro  start_other where
    cli
    apic_setup
    movq    $A(\where), SHARED + 8
    lapic_write 0x310, 0x01000000
    lapic_write 0x300, 0xc500                /* INIT */
    lapic_write 0x310, 0x01000000
    lapic_write 0x300, (0x4600 | (IMAGE >> 12))
    .endm

// IPIs there and back, both processors halted in between.
ENTRY(ipi_64):
    start_other ipi_other
1:  pause
    cmpl    $1, stage
    jne     1b
    mov     $50, %ebx
    cli
1:  lapic_write 0x310, 0x01000000
    lapic_write 0x300, 0x4074
2:  sti
    hlt
    cli
    mov     TICKS, %eax                      /* two for each round: the other's and ours */
    mov     $51, %ecx
    sub     %ebx, %ecx
    shl     $1, %ecx
    cmp     %ecx, %eax
    jb      2b
    dec     %ebx
    jnz     1b
    movl    $2, stage
    lapic_write 0x310, 0x01000000
    lapic_write 0x300, 0x4075                /* wakes it a last time */
    mov     TICKS, %eax
    and     $~1, %eax
    report                                   /* 100 */
    done
ipi_other:
    lapic_write 0xf0, 0x1ff
    mov     $lapic + 0x20, %edi
    mov     (%rdi), %eax
    shr     $24, %eax
    report                                   /* 1 */
    movl    $1, stage
    xor     %ebx, %ebx
1:  sti
    hlt
    cli
    cmpl    $2, stage
    je      2f
    inc     %ebx
    lapic_write 0x310, 0
    lapic_write 0x300, 0x4076
    jmp     1b
2:  mov     %ebx, %eax
    report                                   /* 50 */
    done

// Broadcast to all but itself, logical destination, and an NMI to the other.
ENTRY(broadcast_64):
    movl    $1, NMIS
    start_other broadcast_other
1:  pause
    cmpl    $1, stage
    jne     1b
    lapic_write 0x300, 0xc0047
1:  pause
    cmpl    $2, stage
    jne     1b
    lapic_write 0x310, 0x02000000            /* logical, the second's bit */
    lapic_write 0x300, 0x4848
1:  pause
    cmpl    $3, stage
    jne     1b
    lapic_write 0x310, 0x01000000
    lapic_write 0x300, 0x4400                /* NMI */
1:  pause
    cmpl    $4, stage
    jne     1b
    done
broadcast_other:
    lapic_write 0xf0, 0x1ff
    lapic_write 0xd0, 0x02000000             /* logical ID */
    movl    $1, stage
    sti
    hlt
    cli
    movl    $2, stage
    sti
    hlt
    cli
    movl    $3, stage
1:  pause
    cmpl    $2, NMIS
    jne     1b
    movl    $4, stage
    done

// A translation that one processor changes and the other drops when it is told.
ENTRY(shootdown_64):
    movl    $(page_table | 7), DIRECTORIES + 0x1000
    movl    $(DATA | 3), page_table
    movl    $1, DATA
    movl    $2, DATA + 0x1000
    start_other shootdown_other
1:  pause
    cmpl    $1, stage
    jne     1b
    movl    $(DATA + 0x1003), page_table
    movl    $2, stage
1:  pause
    cmpl    $3, stage
    jne     1b
    done
shootdown_other:
    mov     0x40000000, %eax
    report                                   /* 1 */
    movl    $1, stage
1:  pause
    cmpl    $2, stage
    jne     1b
    invlpg  0x40000000
    mov     0x40000000, %eax
    report                                   /* 2 */
    movl    $3, stage
    done
