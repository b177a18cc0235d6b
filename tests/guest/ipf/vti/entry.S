// SPDX-License-Identifier: Apache-2.0
// The hypervisor's start, its interruption vectors, and the way out of a guest and back into it.
#include "vmm.h"

// ---- start: physical mode, r28 the boot parameters ----

        .section .text.start, "ax"
        .global _start
        .proc _start
_start: mov r8 = r28
        mov r9 = r0
        br.cond.sptk 0f ;;
// Another processor comes from SAL's rendezvous.
        .global other_start
other_start:
        mov r9 = 1 ;;
0:      rsm psr.i | psr.ic ;;
        srlz.i ;;
        mov ar.rsc = 0
        movl r2 = RID_VMM << 8 | VMM_PAGE_LOG2 << 2
        movl r3 = VMM_OFFSET ;;
        mov rr[r3] = r2
        movl r3 = ENV_OTHER
        movl r2 = (RID_VMM + 1) << 8 | VMM_PAGE_LOG2 << 2 ;;
        mov rr[r3] = r2 ;;
        srlz.d ;;
        movl r2 = VMM_PAGE_LOG2 << 2 ;;
        mov cr.itir = r2
        movl r2 = VMM_OFFSET + VMM_BASE ;;
        mov cr.ifa = r2 ;;
        movl r3 = VMM_BASE | 0x661      // present, accessed, dirty, read, write and execute
        mov r2 = TR_VMM ;;
        itr.i itr[r2] = r3 ;;
        itr.d dtr[r2] = r3 ;;
        movl r2 = VMM_OFFSET ;;
        mov cr.ifa = r2 ;;
        movl r3 = 0x661                 // firmware and its tables
        mov r2 = TR_PAL ;;
        itr.i itr[r2] = r3 ;;
        itr.d dtr[r2] = r3 ;;
        srlz.i ;;
        movl r2 = host_ivt
        movl r3 = PSR_DT | PSR_RT | PSR_IT | PSR_BN ;;
        mov cr.iva = r2
        mov cr.ipsr = r3
        movl r2 = 1f ;;
        mov cr.iip = r2
        mov cr.ifs = r0 ;;
        rfi ;;
1:      movl r3 = 0x9804c8270033f
        cmp.ne p6, p7 = r0, r9 ;;
        mov ar.fpsr = r3
        mov r10 = r8
        mov r8 = r9
        mov r9 = r0
(p6)    br.cond.spnt own_stack
        movl r12 = boot_stack + 65536 - 32
        movl r2 = boot_store
        movl gp = __gp ;;
        mov ar.bspstore = r2
        alloc r2 = ar.pfs, 0, 0, 1, 0 ;;
        mov out0 = r10
        br.call.sptk.many b0 = main ;;
        break 0
        .endp _start

// idle(me, next): on the processor's own stack, because that of its virtual processor goes with it.
        .global idle
        .proc idle
idle:   .regstk 2, 0, 0, 0
        mov r8 = in0
        mov r9 = in1 ;;
own_stack:
        alloc r2 = ar.pfs, 0, 0, 0, 0 ;;
        mov ar.rsc = 0
        shl r10 = r8, 16
        movl r2 = idle_stores
        movl r12 = idle_stacks + 65536 - 32
        movl gp = __gp ;;
        loadrs
        add r2 = r2, r10
        add r12 = r12, r10 ;;
        mov ar.bspstore = r2 ;;
        alloc r2 = ar.pfs, 0, 0, 2, 0 ;;
        mov out0 = r8
        mov out1 = r9
        br.call.sptk.many b0 = wait_for_turn ;;
        break 0
        .endp idle
        .bss
        .align 16
boot_stack: .skip 65536
boot_store: .skip 65536
idle_stacks: .skip 2 * 65536
idle_stores: .skip 2 * 65536

// ---- calls ----

        .text
// Ski's simulator calls.
        .global ssc
        .proc ssc
ssc:    .regstk 5, 0, 0, 0
        mov r15 = in4 ;;
        break 0x80001 ;;
        br.ret.sptk.many b0
        .endp ssc

// A PAL procedure with static registers: number and arguments in r28 to r31, back by a branch to
// b0.
        .global pal_static
        .proc pal_static
pal_static:
        alloc r2 = ar.pfs, 5, 3, 0, 0 ;;
        mov loc0 = r2
        mov loc1 = b0
        mov r28 = in1
        mov r29 = in2
        mov r30 = in3
        mov r31 = in4
        mov b6 = in0
        movl r2 = 1f ;;
        mov b0 = r2 ;;
        br.cond.sptk b6 ;;
1:      mov b0 = loc1
        mov ar.pfs = loc0
        br.cond.sptk keep_results ;;
        .endp pal_static

// One with stacked registers, which also has the number in r28, or a procedure of SAL.  With
// PSR.ic = 1, as its callers in Xen and Linux have it.
        .global pal_stacked
        .proc pal_stacked
pal_stacked:
        alloc r2 = ar.pfs, 5, 3, 8, 0 ;;
        mov loc0 = r2
        mov loc1 = b0
        mov out4 = r0
        mov out5 = r0
        mov out6 = r0
        mov out7 = r0
        mov out0 = in1
        mov out1 = in2
        mov out2 = in3
        mov out3 = in4
        mov r28 = in1
        mov b6 = in0
        ssm psr.ic ;;
        srlz.i ;;
        br.call.sptk.many b0 = b6 ;;
        rsm psr.ic ;;
        srlz.i ;;
        mov b0 = loc1
        mov ar.pfs = loc0 ;;
        .endp pal_stacked
keep_results:
        movl r2 = pal_result ;;
        st8 [r2] = r9, 8 ;;
        st8 [r2] = r10, 8 ;;
        st8 [r2] = r11
        br.ret.sptk.many b0 ;;

// A PAL service that returns: its address in b6; r24 where to, r25 to r27 of bank 0 arguments.
// r31 of bank 0 is the result.
        .global vps_call
        .proc vps_call
vps_call:
        alloc r2 = ar.pfs, 4, 2, 0, 0 ;;
        mov loc0 = r2
        mov loc1 = b0
        mov b6 = in0
        bsw.0 ;;
        movl r24 = 1f
        mov r25 = in1
        mov r26 = in2
        mov r27 = in3 ;;
        br.cond.sptk b6 ;;
1:      mov r8 = r31 ;;
        bsw.1 ;;
        mov b0 = loc1
        mov ar.pfs = loc0 ;;
        br.ret.sptk.many b0
        .endp vps_call

        .global pin
        .proc pin
pin:    .regstk 4, 0, 0, 0
        mov cr.itir = in3
        mov cr.ifa = in1 ;;
        itr.i itr[in0] = in2 ;;
        itr.d dtr[in0] = in2 ;;
        srlz.i ;;
        srlz.d ;;
        br.ret.sptk.many b0
        .endp pin
        .global unpin
        .proc unpin
unpin:  .regstk 2, 0, 0, 0
        ptr.i in0, in1 ;;
        ptr.d in0, in1 ;;
        srlz.i ;;
        br.ret.sptk.many b0
        .endp unpin

// ---- out of a guest: bank 0, r31 its predicates, r30 the vector, r21 its struct vcpu ----

        .macro keep register, offset
        add r16 = \offset, r21 ;;
        st8 [r16] = \register ;;
        .endm
        .macro keep_from source, offset
        mov r20 = \source ;;
        keep r20, \offset
        .endm
        .macro take register, offset
        add r16 = \offset, r21 ;;
        ld8 \register = [r16] ;;
        .endm
        .macro take_to target, offset
        take r20, \offset
        mov \target = r20 ;;
        .endm
// Jumps to a PAL service by b0, as Xen and KVM do, which is the guest's no more.
        .macro service offset
        take r20, V_VSA
        movl r24 = 9f
        add r20 = \offset, r20
        take r25, V_VPD
        mov b0 = r20 ;;
        br.cond.sptk b0 ;;
9:
        .endm

        .global leave
leave:  mov r29 = cr.ipsr
        mov r28 = cr.isr ;;
        tbit.z p6, p7 = r29, PSR_VM_BIT
        tbit.nz p8, p9 = r28, ISR_NI_BIT ;; // guests run with PSR.ic = 1
(p6)    br.cond.spnt own_fault
(p8)    br.cond.spnt own_fault ;;
        keep r31, V_PR
        keep r30, V_VECTOR
        keep r24, V_CAUSE
        keep r25, V_OPCODE
        keep r29, V_IPSR
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7
        keep_from b\n, V_B + 8 * \n
        .endr
        keep_from ar.unat, V_UNAT
        keep_from ar.rsc, V_RSC
        keep_from ar.pfs, V_PFS
        keep_from ar.ccv, V_CCV
        keep_from ar.fpsr, V_FPSR
        keep_from ar.lc, V_LC
        keep_from ar.ec, V_EC
        keep_from cr.isr, V_ISR
        keep_from cr.iip, V_IIP
        keep_from cr.ifa, V_IFA
        keep_from cr.itir, V_ITIR
        keep_from cr.iipa, V_IIPA
        keep_from cr.iim, V_IIM
        keep_from cr.iha, V_IHA
        .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        add r16 = V_GR + 8 * \n, r21 ;;
        st8.spill [r16] = r\n ;;
        .endr
        .irp n, 6, 7, 8, 9, 10, 11
        add r16 = V_F + 16 * (\n - 6), r21 ;;
        stf.spill [r16] = f\n ;;
        .endr
        service VPS_SYNC_READ
        // The guest's register stack goes to our backing store.
        mov ar.rsc = 0 ;;
        cover ;;
        keep_from cr.ifs, V_IFS
        keep_from ar.bspstore, V_BSPSTORE
        keep_from ar.rnat, V_RNAT
        take r18, V_BSTORE
        mov ar.bspstore = r18 ;;
        mov r17 = ar.bsp ;;
        sub r17 = r17, r18 ;;
        keep r17, V_DIRTY
        ;;
        flushrs ;;
        keep_from ar.rnat, V_OWN_RNAT
        mov r2 = r21 ;;
        bsw.1 ;;
        .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        add r3 = V_GR + 8 * \n, r2 ;;
        st8.spill [r3] = r\n ;;
        .endr
        mov r16 = ar.unat
        add r3 = V_NAT, r2 ;;
        st8 [r3] = r16
        movl gp = __gp
        add r3 = V_STACK, r2 ;;
        ld8 r12 = [r3]
        movl r16 = 0x9804c8270033f ;;
        mov ar.fpsr = r16
        alloc r16 = ar.pfs, 0, 0, 1, 0 ;;
        mov out0 = r2
        br.call.sptk.many b0 = guest_left ;;
        br.cond.sptk back ;;

// ---- into a guest: r8 its struct vcpu; PSR.ic = 0, bank 1 ----

        .global enter
        .proc enter
enter:  .regstk 1, 0, 0, 0
        mov r8 = in0
        mov ar.rsc = 0 ;;
        alloc r2 = ar.pfs, 0, 0, 0, 0 ;;
        loadrs ;;                       // nothing of the caller's
back:   alloc r2 = ar.pfs, 0, 0, 0, 0 ;;
        mov ar.rsc = 0
        add r2 = V_BSTORE, r8
        add r3 = V_DIRTY, r8 ;;
        ld8 r2 = [r2]
        ld8 r3 = [r3] ;;
        add r2 = r2, r3
        shl r3 = r3, 16 ;;
        mov ar.bspstore = r2
        add r2 = V_OWN_RNAT, r8 ;;
        ld8 r2 = [r2] ;;
        mov ar.rnat = r2
        mov ar.rsc = r3 ;;
        loadrs ;;
        mov ar.rsc = 0
        add r2 = V_BSPSTORE, r8
        add r3 = V_RNAT, r8 ;;
        ld8 r2 = [r2]
        ld8 r3 = [r3] ;;
        mov ar.bspstore = r2 ;;
        mov ar.rnat = r3
        add r2 = V_NAT, r8 ;;
        ld8 r2 = [r2] ;;
        mov ar.unat = r2 ;;
        .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        add r2 = V_GR + 8 * \n, r8 ;;
        ld8.fill r\n = [r2] ;;
        .endr
        bsw.0 ;;
        mov r21 = r8 ;;
        .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        add r16 = V_GR + 8 * \n, r21 ;;
        ld8.fill r\n = [r16] ;;
        .endr
        .irp n, 6, 7, 8, 9, 10, 11
        add r16 = V_F + 16 * (\n - 6), r21 ;;
        ldf.fill f\n = [r16] ;;
        .endr
        service VPS_SYNC_WRITE
        .irp n, 1, 2, 3, 4, 5, 6, 7
        take_to b\n, V_B + 8 * \n
        .endr
        take_to ar.unat, V_UNAT
        take_to ar.pfs, V_PFS
        take_to ar.ccv, V_CCV
        take_to ar.fpsr, V_FPSR
        take_to ar.lc, V_LC
        take_to ar.ec, V_EC
        take_to cr.ipsr, V_IPSR
        take_to cr.iip, V_IIP
        take_to cr.iipa, V_IIPA
        take_to cr.ifs, V_IFS
        take_to ar.rsc, V_RSC
        take r31, V_PR
        take r24, V_B
        invala ;;

// r24 the guest's b0, r31 its predicates.
resume: take r25, V_VPD
        take r20, V_VSA
        add r16 = VPD_VPSR, r25 ;;
        ld8 r17 = [r16]
        ld8 r26 = [r25] ;;              // VAC; the frame at the target is complete
        tbit.z p6, p7 = r17, 13 ;;
(p6)    add r20 = VPS_RESUME_HANDLER, r20 ;;
        mov b0 = r20
        mov pr = r31, -2 ;;
        br.cond.sptk b0 ;;
        .endp enter

// ---- the hypervisor's own fault: the end ----

own_fault:
        bsw.1 ;;
        movl r12 = fault_stack + 65536 - 32
        movl gp = __gp ;;
        mov r2 = cr.iip
        mov r3 = cr.isr
        mov r8 = cr.ifa
        bsw.0 ;;
        mov r9 = r30 ;;
        bsw.1 ;;
        alloc r16 = ar.pfs, 0, 0, 4, 0 ;;
        mov out0 = r9
        mov out1 = r2
        mov out2 = r3
        mov out3 = r8
        br.call.sptk.many b0 = own_fault_ends ;;
        .bss
        .align 16
fault_stack: .skip 65536

// ---- virtualization faults that need no C: jumps by a table of 16 bytes a cause ----

        .text
        .macro slow
        nop.m 0
        nop.i 0
        br.cond.sptk virtualization_slow ;;
        .endm
        .align 32
causes: .rept 3                         // 0, which never comes; 1; 2
        slow
        .endr
        nop.m 0
        nop.i 0
        br.cond.sptk fast_from_itc ;;
        .rept 14                        // 4 to 17
        slow
        .endr
        nop.m 0
        nop.i 0
        br.cond.sptk fast_from_rr ;;
        .rept 22                        // 19 to 40
        slow
        .endr

virtualization_slow:
        mov b0 = r23
        br.cond.sptk leave ;;

// mov r1 = ar.itc
fast_from_itc:
        add r16 = V_FAST, r21 ;;
        ld8 r16 = [r16] ;;
        cmp.eq p6, p7 = 0, r16
(p6)    br.cond.spnt virtualization_slow ;;
        take r19, V_ITC_OFFSET
        mov r20 = ar.itc ;;
        add r19 = r19, r20
        br.cond.sptk fast_result ;;

// mov r1 = rr[r3]
fast_from_rr:
        add r16 = V_FAST, r21 ;;
        ld8 r16 = [r16] ;;
        cmp.eq p6, p7 = 0, r16
(p6)    br.cond.spnt virtualization_slow ;;
        extr.u r18 = r25, 20, 7
        movl r17 = read_register
        movl r22 = 1f ;;
        shladd r17 = r18, 4, r17 ;;
        mov b0 = r17 ;;
        br.cond.sptk b0 ;;
1:      extr.u r19 = r19, 61, 3
        add r16 = V_RR, r21 ;;
        shladd r16 = r19, 3, r16 ;;
        ld8 r19 = [r16] ;;

// r19 goes to the register of bits 12:6; then behind the instruction.
fast_result:
        extr.u r18 = r25, 6, 7
        movl r17 = write_register
        movl r22 = 1f ;;
        shladd r17 = r18, 4, r17 ;;
        mov b0 = r17 ;;
        br.cond.sptk b0 ;;
1:      add r16 = V_COUNT, r21 ;;
        shladd r16 = r24, 3, r16 ;;
        ld8 r17 = [r16] ;;
        add r17 = 1, r17 ;;
        st8 [r16] = r17
        mov r17 = cr.ipsr ;;
        extr.u r18 = r17, PSR_RI_SHIFT, 2 ;;
        cmp.eq p6, p7 = 2, r18 ;;
(p6)    mov r19 = cr.iip
(p7)    add r18 = 1, r18
(p6)    mov r18 = r0 ;;
(p6)    add r19 = 16, r19
        dep r17 = r18, r17, PSR_RI_SHIFT, 2 ;;
(p6)    mov cr.iip = r19
        mov cr.ipsr = r17
        mov r24 = r23 ;;
        br.cond.sptk resume ;;

// Entry n, of 16 bytes: moves between GR n of the guest and r19, then goes to r22.
        .macro banked register, write
        .if \write
        mov r29 = r2
        mov r2 = r19 ;;
        bsw.1 ;;
        mov \register = r2 ;;
        bsw.0 ;;
        mov r2 = r29
        .else
        mov r29 = r2
        bsw.1 ;;
        mov r2 = \register ;;
        bsw.0 ;;
        mov r19 = r2
        mov r2 = r29
        .endif
        mov b0 = r22 ;;
        br.cond.sptk b0 ;;
        .endm
        .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
read_banked_\n:
        banked r\n, 0
write_banked_\n:
        banked r\n, 1
        .endr
table_done:
        mov b0 = r22 ;;
        br.cond.sptk b0 ;;

        .macro plain_entry target, source
{       .mib
        mov \target = \source
        nop.i 0
        br.cond.sptk table_done
        ;; }
        .endm
        .macro banked_entry label
{       .mib
        nop.m 0
        nop.i 0
        br.cond.sptk \label
        ;; }
        .endm
        .macro table write
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        .if \write
        .if \n
        plain_entry r\n, r19
        .else
        banked_entry table_done
        .endif
        .else
        plain_entry r19, r\n
        .endif
        .endr
        .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        .if \write
        banked_entry write_banked_\n
        .else
        banked_entry read_banked_\n
        .endif
        .endr
        .altmacro
        .set number, 32
        .rept 96
        .if \write
        one %number, r19, 1
        .else
        one %number, r19, 0
        .endif
        .set number, number + 1
        .endr
        .noaltmacro
        .endm
        .macro one number, other, write
        .if \write
        plain_entry r\number, \other
        .else
        plain_entry \other, r\number
        .endif
        .endm
        .regstk 0, 96, 0, 0             // for the assembler: r32 to r127 are there
        .align 32
read_register:
        table 0
        .align 32
write_register:
        table 1

// ---- interruption vectors ----

        .macro vector offset
        .org \offset
        mov r31 = pr
        mov r30 = \offset
        br.cond.sptk leave ;;
        .endm
        .section .ivt, "ax"
        .align 32768
        .global own_ivt
own_ivt:
        .irp offset, 0x0000, 0x0400, 0x0800, 0x0c00, 0x1000
        vector \offset
        .endr
        .org 0x1400                     // guests run with PSR.ic = 1
        mov r31 = pr
        mov r30 = 0x1400
        br.cond.sptk own_fault ;;
        .irp offset, 0x1800, 0x1c00, 0x2000, 0x2400, 0x2800
        vector \offset
        .endr
        .irp offset, 0x2c00, 0x3000, 0x3400, 0x3800, 0x3c00, 0x4000, 0x4400, 0x4800, 0x4c00
        vector \offset
        .endr
        .irp offset, 0x5000, 0x5100, 0x5200, 0x5300, 0x5400, 0x5500, 0x5600, 0x5700
        vector \offset
        .endr
        .irp offset, 0x5800, 0x5900, 0x5a00, 0x5b00
        vector \offset
        .endr
        .irp offset, 0x5c00, 0x5d00, 0x5e00, 0x5f00, 0x6000
        vector \offset
        .endr
        .org 0x6100                     // GR24 the cause, GR25 the instruction; b0 is the guest's
        mov r31 = pr
        mov r30 = 0x6100
        mov r23 = b0
        movl r28 = causes ;;
        shladd r28 = r24, 4, r28 ;;
        mov b0 = r28 ;;
        br.cond.sptk b0 ;;
        .irp offset, 0x6200, 0x6300, 0x6400, 0x6500, 0x6600, 0x6700, 0x6800, 0x6900, 0x6a00, 0x6b00
        vector \offset
        .endr
        .org 0x8000

// The table while no virtual processor is here: every interruption is the end.
        .global host_ivt
host_ivt:
        .set at, 0
        .rept 128
        mov r31 = pr
        mov r30 = at
        br.cond.sptk own_fault ;;
        .set at, at + 256
        .org 0x8000 + at
        .endr
