// SPDX-License-Identifier: Apache-2.0
// What instructions cost in the simulator: one class of instructions each, sixteen times the same in a
// loop.  The arguments choose: "a4 c0" runs loop a 1000 << 4 times and loop c 1000 times.
// bench.elf beside it is this, made by:
//   ia64-linux-gnu-as -x -o bench.o bench.S &&
//   ia64-linux-gnu-ld -z max-page-size=4096 -Ttext 0x100000 -s -o bench.elf bench.o
        .set EXIT, 66
        .set GET_ARGS, 75
        .set BUFFER, 0x200000           // 256 bytes
        .set MEMORY, 0x201000           // what is loaded and stored
        .set BACKING, 0x210000

        .macro ssc number
        mov r15 = \number ;;
        break 0x80001 ;;
        .endm

        .text
        .explicit
        .global _start
        .proc _start
_start: mov ar.rsc = 0
        movl r2 = BACKING ;;
        mov ar.bspstore = r2
        mov ar.rsc = 3 ;;
        alloc r2 = ar.pfs, 4, 8, 4, 0 ;;
        movl in0 = BUFFER
        ssc GET_ARGS
        movl loc0 = BUFFER
        movl r20 = MEMORY
        mov r21 = 5
        mov r22 = 7 ;;
next:   ld1 r14 = [loc0], 1 ;;
        cmp.eq p6, p0 = 0, r14
        cmp.eq p7, p0 = ' ', r14
(p6)    br.cond.spnt end
(p7)    br.cond.spnt next ;;
        ld1 r16 = [loc0], 1
        add r14 = -'a', r14
        movl r18 = loops
        mov r17 = 1000 ;;
        add r16 = -'0', r16
        shladd r18 = r14, 3, r18 ;;
        shl r17 = r17, r16
        ld8 r18 = [r18] ;;
        add r17 = -1, r17
        mov b6 = r18 ;;
        mov ar.lc = r17
        br.call.sptk.many b0 = b6 ;;
        br.cond.sptk next ;;
end:    mov in0 = 0
        ssc EXIT
        .endp _start

        .macro end_of_loop name
        br.cloop.sptk.few \name ;;
        br.ret.sptk.many b0 ;;
        .align 32
        .endm

        .align 32
nothing:
        end_of_loop nothing
adds:   .rept 16
        add r24 = r21, r22
        add r25 = r21, r22
        add r26 = r21, r22 ;;
        .endr
        end_of_loop adds
chain:  .rept 16
        add r24 = r24, r22 ;;
        .endr
        end_of_loop chain
loads:  .rept 16
        ld8 r24 = [r20] ;;
        .endr
        end_of_loop loads
stores: .rept 16
        st8 [r20] = r21 ;;
        .endr
        end_of_loop stores
branches:
        .rept 16
        cmp.eq p6, p7 = r21, r22 ;;
(p6)    br.cond.spnt end ;;
        .endr
        end_of_loop branches
fma:    .rept 16
        fma.d f6 = f1, f1, f6 ;;
        .endr
        end_of_loop fma
shifts: .rept 16
        shl r24 = r21, r22
        shladd r25 = r21, 3, r22 ;;
        .endr
        end_of_loop shifts
products:
        .rept 16
        xma.l f7 = f6, f6, f7 ;;
        .endr
        end_of_loop products
predicated:
        .rept 16
(p7)    add r24 = r21, r22
(p7)    add r25 = r21, r22
(p7)    add r26 = r21, r22 ;;
        .endr
        end_of_loop predicated
floats_loaded:
        .rept 16
        ldfd f8 = [r20] ;;
        .endr
        end_of_loop floats_loaded
calls:  mov r27 = ar.pfs
        mov r28 = b0 ;;
1:      .rept 16
        br.call.sptk.many b0 = leaf ;;
        .endr
        br.cloop.sptk.few 1b ;;
        mov ar.pfs = r27
        mov b0 = r28 ;;
        br.ret.sptk.many b0 ;;
leaf:   alloc r29 = ar.pfs, 2, 2, 0, 0 ;;
        mov ar.pfs = r29
        br.ret.sptk.many b0 ;;

        .section .rodata
        .align 8
loops:  data8 nothing, adds, chain, loads, stores, branches, fma, shifts
        data8 products, predicated, floats_loaded, calls
