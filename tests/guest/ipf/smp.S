// SPDX-License-Identifier: Apache-2.0
// Several processors without an operating system: starts all others through SAL's rendezvous, counts
// them, sends an interrupt around (each processor waits in PAL_HALT_LIGHT, writes its number and
// sends the interrupt to the next one), and gives them back to SAL; twice.  Prints how many they are
// and the numbers in order.  smp.elf beside it is this, made by:
//   ia64-linux-gnu-as -x -o smp.o smp.S &&
//   ia64-linux-gnu-ld -z max-page-size=4096 -Ttext 0x100000 -s -o smp.elf smp.o
        .set PUTCHAR, 31
        .set EXIT, 66
        .set SAL_SET_VECTORS, 0x01000000
        .set OS_BOOT_RENDEZ, 2
        .set PAL_HALT_LIGHT, 29
        .set BLOCK, 0x80000000fee00000  // processor interrupt block, uncacheable
        .set VECTOR, 0x40
        .set COUNT, 0x200000            // processors that have come
        .set INDEX, 0x200008            // characters of TEXT
        .set PAL, 0x200010              // entry point
        .set TEXT, 0x200100

        .macro ssc number
        mov r15 = \number ;;
        break 0x80001 ;;
        .endm
        .macro load to, address
        movl r3 = \address ;;
        ld8 \to = [r3] ;;
        .endm
        .macro store address, from
        movl r3 = \address ;;
        st8 [r3] = \from ;;
        .endm
// Sends the interrupt in r17 to the processor whose id is in r16.
        .macro send
        shl r14 = r16, 12
        movl r3 = BLOCK ;;
        add r14 = r14, r3 ;;
        st8 [r14] = r17 ;;
        .endm
        .macro wait_for_vector
        movl r3 = 9f ;;
        mov b7 = r3
        br.cond.sptk.many wait ;;
9:
        .endm

        .text
        .explicit
        .global _start
        .proc _start
_start: alloc r2 = ar.pfs, 0, 1, 8, 0
        add r14 = 8, r28 ;;             // boot parameters: EFI's system table
        ld8 r14 = [r14] ;;
        add r14 = 112, r14 ;;
        ld8 r14 = [r14]                 // its vendor tables
        movl r16 = 0x11d32d88eb9d2d32 ;;
1:      ld8 r17 = [r14], 16 ;;
        ld8 r18 = [r14], 8
        cmp.ne p6, p7 = r16, r17
(p6)    br.cond.spnt 1b ;;
        add r14 = 104, r18              // SAL's: the entry points
        add r15 = 144, r18 ;;           // and how to wake processors up
        ld8 r19 = [r14], 8 ;;
        ld8 r20 = [r14]
        ld8 r21 = [r15], 8 ;;
        ld8 r22 = [r15]
        cmp.ne p6, p7 = 5, r21
(p6)    br.cond.spnt fail ;;
        store PAL, r19

        movl out0 = SAL_SET_VECTORS
        mov out1 = OS_BOOT_RENDEZ
        movl out2 = ap_start
        mov out3 = 0x123
        mov out4 = r0
        mov out5 = r0
        mov out6 = r0
        mov out7 = r0
        mov b6 = r20 ;;
        br.call.sptk.many b0 = b6 ;;
        cmp.ne p6, p7 = r0, r8
(p6)    br.cond.spnt fail ;;

        mov loc0 = 2 ;;
round:  store COUNT, r0
        mov r17 = r22                   // all that there may be
        mov r16 = 1 ;;
1:      send
        add r16 = 1, r16 ;;
        cmp.ne p6, p7 = 64, r16
(p6)    br.cond.sptk 1b ;;
        mov r14 = ar.itc
        movl r18 = 1000000 ;;
        add r18 = r18, r14 ;;
1:      mov r14 = ar.itc ;;
        cmp.ltu p6, p7 = r14, r18
(p6)    br.cond.sptk 1b ;;
        load r14, COUNT
        cmp.eq p6, p7 = 0, r14
(p6)    br.cond.spnt print ;;
        mov r16 = 1
        mov r17 = VECTOR ;;
        send
        wait_for_vector
        add loc0 = -1, loc0 ;;
        cmp.ne p6, p7 = 0, loc0
(p6)    br.cond.sptk round ;;

print:  load r18, COUNT
        add r18 = 1, r18
        mov r19 = 0x30 ;;
1:      cmp.ltu p6, p7 = 9, r18 ;;
(p6)    add r18 = -10, r18
(p6)    add r19 = 1, r19
(p6)    br.cond.sptk 1b ;;
        alloc r2 = ar.pfs, 4, 1, 0, 0 ;;
        mov r32 = r19 ;;
        ssc PUTCHAR
        add r32 = 0x30, r18 ;;
        ssc PUTCHAR
        mov r32 = 0x20 ;;
        ssc PUTCHAR
        movl r20 = TEXT ;;
1:      ld1 r32 = [r20], 1 ;;
        cmp.eq p6, p7 = 0, r32
(p6)    br.cond.spnt 2f ;;
        ssc PUTCHAR
        br.cond.sptk 1b ;;
2:      mov r32 = 10 ;;
        ssc PUTCHAR
        mov r32 = r0 ;;
        ssc EXIT
fail:   alloc r2 = ar.pfs, 4, 0, 0, 0 ;;
        mov r32 = 1 ;;
        ssc EXIT
        .endp _start

// Waits for the interrupt; external interrupts are disabled.  Returns to b7.
        .proc wait
wait:   load r14, PAL
        mov r28 = PAL_HALT_LIGHT
        mov r29 = r0
        mov r30 = r0
        mov r31 = r0
        movl r3 = 1f
        mov b6 = r14 ;;
        mov b0 = r3
        br.cond.sptk.many b6 ;;
1:      mov r14 = cr.ivr ;;
        srlz.d
        mov r15 = VECTOR ;;
        cmp.ne p6, p7 = r15, r14
(p6)    br.cond.sptk wait ;;
        mov cr.eoi = r0 ;;
        srlz.d ;;
        br.cond.sptk.many b7 ;;
        .endp wait

// A processor that SAL hands over, with 123H in r1; it goes back to SAL.
        .proc ap_start
ap_start:
        mov r24 = b0
        mov r25 = cr.lid
        movl r3 = COUNT ;;
        extr.u r25 = r25, 24, 8
        mov r15 = 0x123 ;;
        cmp.ne p6, p7 = r15, r1
(p6)    br.cond.spnt 1f ;;
        fetchadd8.acq r14 = [r3], 1
        wait_for_vector
        movl r3 = INDEX ;;
        fetchadd8.acq r14 = [r3], 1
        movl r15 = TEXT ;;
        add r15 = r15, r14
        add r14 = 0x30, r25 ;;
        st1.rel [r15] = r14
        load r14, COUNT
        cmp.ltu p6, p7 = r25, r14
        mov r17 = VECTOR
        mov r16 = r0 ;;
(p6)    add r16 = 1, r25 ;;
        send
1:      mov b0 = r24 ;;
        br.cond.sptk.many b0 ;;
        .endp ap_start
