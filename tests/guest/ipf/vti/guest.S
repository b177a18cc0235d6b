// SPDX-License-Identifier: Apache-2.0
// The guest's kernel in assembly: start in physical mode, interruption vectors, what C cannot say.
#include "guest.h"

        .section .text.start, "ax"
        .global _start
        .proc _start
_start: rsm psr.i | psr.ic ;;
        srlz.i ;;
        mov ar.rsc = 0
        mov r16 = 0
        movl r17 = 0x100 << 8 | PAGE_LOG2 << 2
        movl r18 = 1 << 61
        mov r19 = 8 ;;
1:      mov rr[r16] = r17 ;;
        add r16 = r16, r18
        add r19 = -1, r19
        add r17 = 0x100, r17 ;;
        cmp.ne p6, p7 = 0, r19
(p6)    br.cond.sptk 1b ;;
        srlz.d ;;
        movl r16 = 24 << 2
        movl r17 = KERNEL
        movl r18 = KERNEL_PTE ;;
        mov cr.itir = r16
        mov cr.ifa = r17
        mov r19 = 0 ;;
        itr.i itr[r19] = r18 ;;
        itr.d dtr[r19] = r18 ;;
        srlz.i ;;
        movl r16 = ivt
        movl r17 = PSR_DT | PSR_RT | PSR_IT | PSR_BN | PSR_IC
        movl r18 = 1f ;;
        mov cr.iva = r16
        mov cr.ipsr = r17
        mov cr.iip = r18
        mov cr.ifs = r0 ;;
        rfi ;;
1:      movl r12 = stack + 65536 - 32
        movl r2 = store
        movl gp = __gp
        mov ar.unat = r0 ;;
        mov ar.bspstore = r2 ;;
        mov ar.rnat = r0
        mov ar.rsc = 3 ;;
        br.call.sptk.many b0 = main ;;
        break 0
        .endp _start
        .bss
        .align 512
store:  .skip 65536
stack:  .skip 65536
        .global record
        .align 16
record: .skip 512
saved:  .skip 64
nested_at: .skip 16
        .global user_results
user_results: .skip 64

// ---- faults and interrupts: bank 0, r31 predicates, r30 the vector ----

        .text
        .macro put source, offset
        mov r17 = \source
        add r18 = \offset, r16 ;;
        st8 [r18] = r17 ;;
        .endm
fault:  movl r16 = record ;;
        put r30, R_VECTOR
        put cr.isr, R_ISR
        put cr.iip, R_IIP
        put cr.ipsr, R_IPSR
        put cr.ifa, R_IFA
        put cr.itir, R_ITIR
        put cr.iha, R_IHA
        put cr.iim, R_IIM
        put cr.iipa, R_IIPA
        add r18 = R_COUNT, r16 ;;
        ld8 r17 = [r18] ;;
        add r17 = 1, r17 ;;
        st8 [r18] = r17
        add r18 = R_ACTION, r16 ;;
        ld8 r19 = [r18]
        add r18 = R_PTE, r16 ;;
        ld8 r20 = [r18], 8 ;;
        ld8 r22 = [r18], 8 ;;
        ld8 r23 = [r18]
        cmp.eq p6, p0 = ACTION_INSERT_D, r19
        cmp.eq p7, p0 = ACTION_INSERT_I, r19
        cmp.eq p8, p0 = ACTION_GO, r19
        cmp.eq p9, p0 = ACTION_COVER, r19
(p6)    br.cond.spnt insert_d ;;
(p7)    br.cond.spnt insert_i ;;
(p8)    br.cond.spnt go ;;
(p9)    br.cond.spnt do_cover ;;
skip:   mov r17 = cr.ipsr ;;
        extr.u r18 = r17, PSR_RI_SHIFT, 2 ;;
        cmp.eq p6, p7 = 2, r18 ;;
(p6)    mov r19 = cr.iip
(p7)    add r18 = 1, r18
(p6)    mov r18 = r0 ;;
(p6)    add r19 = 16, r19
        dep r17 = r18, r17, PSR_RI_SHIFT, 2 ;;
(p6)    mov cr.iip = r19
        mov cr.ipsr = r17 ;;
done:   mov pr = r31, -1 ;;
        rfi ;;
insert_d:
        mov cr.itir = r22 ;;
        itc.d r20 ;;
        srlz.d ;;
        br.cond.sptk done ;;
insert_i:
        mov cr.itir = r22 ;;
        itc.i r20 ;;
        srlz.i ;;
        br.cond.sptk done ;;
go:     movl r17 = PSR_DT | PSR_RT | PSR_IT | PSR_BN | PSR_IC ;;
        mov cr.ipsr = r17
        mov cr.iip = r23 ;;
        br.cond.sptk done ;;
do_cover:
        cover ;;
        mov r17 = cr.ifs
        add r18 = R_IFS, r16 ;;
        st8 [r18] = r17
        alloc r17 = ar.pfs, 0, 8, 0, 0 ;;
        mov loc0 = r30
        mov loc7 = r30 ;;
        alloc r18 = ar.pfs, 0, 0, 0, 0 ;;
        mov ar.pfs = r17 ;;
        br.cond.sptk skip ;;

// An external interrupt: its vector goes to the list.
interrupt:
        mov r17 = cr.ivr ;;
        movl r16 = record ;;
        add r18 = R_INTERRUPTS, r16 ;;
        ld8 r19 = [r18] ;;
        add r20 = 1, r19
        and r19 = 15, r19 ;;
        st8 [r18] = r20
        add r18 = R_LIST, r16 ;;
        shladd r18 = r19, 3, r18 ;;
        st8 [r18] = r17
        add r18 = R_KEEP_IN_SERVICE, r16 ;;
        ld8 r18 = [r18] ;;
        cmp.eq p6, p7 = 0, r18
        mov r19 = 15 ;;
(p6)    cmp.ne.unc p6, p7 = r17, r19 ;;
        srlz.d ;;
(p6)    mov cr.eoi = r0 ;;
        br.cond.sptk done ;;

// Data Nested TLB: nothing was stored; on at nested_at, whose PSR has ic again.
nested_fault:
        movl r16 = nested_at
        movl r17 = PSR_DT | PSR_RT | PSR_IT | PSR_BN | PSR_IC ;;
        ld8 r18 = [r16]
        mov cr.ipsr = r17 ;;
        mov cr.iip = r18 ;;
        br.cond.sptk done ;;

        .section .ivt, "ax"
        .align 32768
ivt:
        .set at, 0
        .rept 128
        .org at
        .if (at < 0x5000 && at % 0x400 == 0) || at >= 0x5000
        mov r31 = pr
        mov r30 = at
        .if at == 0x3000
        br.cond.sptk interrupt ;;
        .elseif at == 0x1400
        br.cond.sptk nested_fault ;;
        .else
        br.cond.sptk fault ;;
        .endif
        .endif
        .set at, at + 256
        .endr
        .org 0x8000

// ---- for C ----

        .text
        .global call
        .proc call
call:   alloc r2 = ar.pfs, 2, 2, 1, 0 ;;
        mov loc0 = r2
        mov loc1 = b0
        mov out0 = in1
        mov b6 = in0 ;;
        br.call.sptk.many b0 = b6 ;;
        mov b0 = loc1
        mov ar.pfs = loc0 ;;
        br.ret.sptk.many b0 ;;
        .endp call

// A yield to the other virtual processor below `depth` frames of eight registers: each has its own
// depth in all of them, and adds them up afterwards.
        .global deep
        .proc deep
deep:   alloc r2 = ar.pfs, 1, 7, 1, 0 ;;
        mov loc0 = r2
        mov loc1 = b0
        mov loc2 = in0
        mov loc3 = in0
        mov loc4 = in0
        mov loc5 = in0
        add out0 = -1, in0
        cmp.eq p6, p7 = 0, in0 ;;
(p6)    mov r15 = CALL_YIELD
(p6)    break HYPERCALL
(p6)    mov r8 = 0
(p7)    br.call.sptk.many b0 = deep ;;
        add r8 = r8, loc2 ;;
        add r8 = r8, loc3 ;;
        add r8 = r8, loc4 ;;
        add r8 = r8, loc5
        mov b0 = loc1
        mov ar.pfs = loc0 ;;
        br.ret.sptk.many b0 ;;
        .endp deep

// Fills registers of every kind, makes the call of in1 (argument 0), and counts those that changed.
        .global registers_survive
        .proc registers_survive
registers_survive:
        alloc r2 = ar.pfs, 2, 10, 0, 0 ;;
        mov loc0 = r2
        mov loc1 = b0
        mov loc2 = pr
        mov loc3 = r4
        mov loc4 = r5
        mov loc5 = ar.lc
        mov loc6 = ar.unat
        mov loc7 = in0
        mov loc8 = b1
        mov loc9 = r6 ;;
        .macro filled
        .irp n, 3, 4, 5, 6, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23, 24
        each \n
        .endr
        .irp n, 25, 26, 27, 28, 29, 30, 31
        each \n
        .endr
        .endm
        .macro each n
        add r\n = \n, in0
        .endm
        filled
        .purgem each
        mov b1 = in0
        mov b6 = in0
        mov b7 = in0
        mov ar.lc = in0
        mov ar.ccv = in0
        mov ar.unat = in0
        setf.sig f6 = in0
        setf.sig f11 = in0
        movl r2 = 0x5a5a << 1 ;;
        mov pr = r2, 0x1fffe
        mov r15 = in1
        mov r14 = 0
        mov r2 = in0 ;;
        break HYPERCALL ;;
        mov r8 = pr
        movl r15 = 0x5a5a << 1
        movl r14 = 0xfffe ;;
        and r8 = r8, r14 ;;
        cmp.ne p6, p7 = r8, r15 ;;
        mov r8 = 0 ;;
(p6)    add r8 = 1, r8
        mov r15 = in0
        .macro each n
        add r14 = \n, in0 ;;
        cmp.ne p6, p7 = r14, r\n ;;
(p6)    add r8 = 1, r8 ;;
        .endm
        filled
        .irp source, b1, b6, b7, ar.lc, ar.ccv, ar.unat
        mov r14 = \source ;;
        cmp.ne p6, p7 = r14, in0 ;;
(p6)    add r8 = 1, r8 ;;
        .endr
        .irp n, 6, 11
        getf.sig r14 = f\n ;;
        cmp.ne p6, p7 = r14, in0 ;;
(p6)    add r8 = 1, r8 ;;
        .endr
        cmp.ne p6, p7 = loc7, in0
        cmp.ne p8, p9 = r2, in0 ;;
(p6)    add r8 = 1, r8 ;;
(p8)    add r8 = 1, r8
        mov r6 = loc9
        mov b1 = loc8
        mov ar.unat = loc6
        mov ar.lc = loc5
        mov r5 = loc4
        mov r4 = loc3
        mov pr = loc2, -1
        mov b0 = loc1
        mov ar.pfs = loc0 ;;
        br.ret.sptk.many b0 ;;
        .endp registers_survive

// rfi to in0 with PSR in1; returns when something goes to `landing`.
        .global rfi_to
        .proc rfi_to
rfi_to: .regstk 2, 0, 0, 0
        movl r2 = saved
        mov r3 = b0 ;;
        st8 [r2] = r3
        rsm psr.ic ;;
        srlz.i ;;
        mov cr.ipsr = in1
        mov cr.iip = in0
        mov cr.ifs = r0 ;;
        rfi ;;
        .endp rfi_to
        .global landing
landing:
        movl r2 = saved ;;
        ld8 r3 = [r2]
        mov r8 = 1 ;;
        mov b0 = r3 ;;
        br.ret.sptk.many b0 ;;

        .global go_to
        .proc go_to
go_to:  .regstk 1, 0, 0, 0
        movl r2 = saved
        mov r3 = b0
        mov b6 = in0 ;;
        st8 [r2] = r3
        br.cond.sptk b6 ;;
        .endp go_to

// Bank 1 gets 0x100 + n, bank 0 0x200 + n: how many are wrong after two switches.
        .global banks
        .proc banks
banks:  mov r8 = 0
        .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        mov r\n = 0x100 + \n
        .endr
        ;;
        bsw.0 ;;
        .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        mov r\n = 0x200 + \n
        .endr
        ;;
        bsw.1 ;;
        .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        mov r14 = 0x100 + \n ;;
        cmp.ne p6, p7 = r14, r\n ;;
(p6)    add r8 = 1, r8 ;;
        .endr
        bsw.0 ;;
        .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        mov r14 = 0x200 + \n ;;
        cmp.ne p6, p7 = r14, r\n ;;
(p6)    add r8 = 1, r8 ;;
        .endr
        bsw.1 ;;
        br.ret.sptk.many b0 ;;
        .endp banks

// NaT bits of r17 in bank 1 and of r18 in bank 0 stay where they are.
        .global bank_nats
        .proc bank_nats
bank_nats:
        mov r15 = ar.unat
        movl r14 = saved + 8
        movl r2 = -1 ;;
        st8 [r14] = r0
        mov ar.unat = r2
        mov r8 = 0 ;;
        ld8.fill r17 = [r14]
        mov r18 = 0 ;;
        bsw.0 ;;
        ld8.fill r18 = [r14]
        mov r17 = 0 ;;
        bsw.1 ;;
        tnat.z p6, p7 = r17
        tnat.nz p8, p9 = r18 ;;
(p6)    add r8 = 1, r8 ;;
(p8)    add r8 = 2, r8 ;;
        bsw.0 ;;
        tnat.nz p6, p7 = r17
        tnat.z p8, p9 = r18 ;;
(p6)    add r8 = 4, r8 ;;
(p8)    add r8 = 8, r8
        mov r18 = 0 ;;
        bsw.1 ;;
        mov r17 = 0
        mov ar.unat = r15 ;;
        br.ret.sptk.many b0 ;;
        .endp bank_nats

// cover with PSR.ic = 0 in a frame of 9 registers, 5 of them local: what CR.IFS has.  The frame
// is given back by the rfi.
        .global cover_frame
        .proc cover_frame
cover_frame:
        alloc r2 = ar.pfs, 1, 4, 4, 0 ;;
        mov loc0 = r2
        mov out3 = 77
        rsm psr.ic ;;
        srlz.i ;;
        cover ;;
        mov r8 = cr.ifs
        movl r3 = 1f
        movl r14 = PSR_DT | PSR_RT | PSR_IT | PSR_BN | PSR_IC ;;
        mov cr.iip = r3
        mov cr.ipsr = r14 ;;
        rfi ;;
1:      cmp.ne p6, p7 = 77, out3 ;;
(p6)    mov r8 = 0
        mov ar.pfs = loc0 ;;
        br.ret.sptk.many b0 ;;
        .endp cover_frame

        .global nested
        .proc nested
nested: .regstk 1, 0, 0, 0
        movl r2 = nested_at
        movl r3 = 1f ;;
        st8 [r2] = r3
        mov r8 = 0
        rsm psr.ic ;;
        srlz.d ;;
        ld8 r8 = [in0] ;;
        ssm psr.ic ;;
        srlz.d ;;
        br.ret.sptk.many b0 ;;
1:      mov r8 = 1
        br.ret.sptk.many b0 ;;
        .endp nested

        .global load_physical
        .proc load_physical
load_physical:
        .regstk 1, 0, 0, 0
        rsm psr.dt ;;
        srlz.d ;;
        ld8 r8 = [in0] ;;
        ssm psr.dt ;;
        srlz.d ;;
        br.ret.sptk.many b0 ;;
        .endp load_physical

// One instruction with PSR bits in0 (ss or tb); the trap's handler goes to `landing`.
        .global step_over
        .proc step_over
step_over:
        .regstk 1, 0, 0, 0
        movl r2 = saved
        mov r3 = b0 ;;
        st8 [r2] = r3
        rsm psr.ic
        movl r14 = PSR_DT | PSR_RT | PSR_IT | PSR_BN | PSR_IC ;;
        srlz.i ;;
        or r14 = r14, in0
        movl r3 = 1f ;;
        mov cr.ipsr = r14
        mov cr.iip = r3
        mov cr.ifs = r0
        mov r8 = 5 ;;
        rfi ;;
1:      br.cond.sptk 2f ;;
2:      add r8 = 1, r8
        nop.i 0
        br.cond.sptk landing ;;
        .endp step_over

// Interruption control registers keep what is written with PSR.ic = 0.
        .global interruption_registers
        .proc interruption_registers
interruption_registers:
        .regstk 1, 0, 0, 0
        mov r8 = 0
        movl r2 = 0x0000000800000fff
        movl r3 = 0xfffffffffffffff0 ;;
        and r3 = r3, in0 
        rsm psr.ic ;;
        srlz.d ;;
        mov cr.isr = r2
        mov cr.iip = r3
        mov cr.ifa = in0
        mov cr.iipa = r3
        mov cr.iim = in0
        mov cr.iha = in0
        mov r14 = PAGE_LOG2 << 2 ;;
        mov cr.itir = r14
        movl r15 = 1 << 63 | 5
        movl r9 = PSR_DT | PSR_RT | PSR_IT | PSR_BN | PSR_IC ;;
        mov cr.ifs = r15
        mov cr.ipsr = r9 ;;
        srlz.d ;;
        .macro compare register, value
        mov r10 = \register ;;
        cmp.ne p6, p7 = r10, \value ;;
(p6)    add r8 = 1, r8 ;;
        .endm
        compare cr.isr, r2
        compare cr.iip, r3
        compare cr.ifa, in0
        compare cr.iipa, r3
        compare cr.iim, in0
        compare cr.itir, r14
        compare cr.ifs, r15
        compare cr.ipsr, r9
        mov r10 = cr.iha
        and r11 = -4, in0 ;;
        and r10 = -4, r10 ;;
        cmp.ne p6, p7 = r10, r11 ;;
(p6)    add r8 = 1, r8
        ssm psr.ic ;;
        srlz.d ;;
        br.ret.sptk.many b0 ;;
        .endp interruption_registers

// ---- privilege level 3 ----

        .global user_psr
user_psr:
        mov r8 = psr ;;                 // Privileged Operation
        break USER_ENDS ;;
        .global user_mixed
user_mixed:
        alloc r2 = ar.pfs, 0, 0, 0, 0 ;;
        movl r14 = user_results
        mov r15 = 1
        mov r16 = 1 << 14 ;;
        mov r17 = cpuid[r15]
        thash r18 = r16
        ttag r19 = r16 ;;
        st8 [r14] = r17, 8 ;;
        st8 [r14] = r18, 8 ;;
        st8 [r14] = r19, 8
        cover ;;
        sum psr.ac ;;
        rum psr.ac ;;
        mov r17 = psr.um ;;
        st8 [r14] = r17, 8
        break USER_ENDS ;;

// ---- one page of code, to be mapped elsewhere ----

        .section .page, "ax"
        .align 16384
        .global page_code
page_code:
        mov r8 = 42
        br.ret.sptk.many b0 ;;
        .skip 16384 - 32
