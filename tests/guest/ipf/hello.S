// SPDX-License-Identifier: Apache-2.0
// What Ski's simulator calls offer: prints, shows its arguments, reads a file, and ends with status
// 42.  hello.elf beside it is this, made by:
//   ia64-linux-gnu-as -x -o hello.o hello.S &&
//   ia64-linux-gnu-ld -z max-page-size=4096 -Ttext 0x100000 -s -o hello.elf hello.o
        .set CONSOLE_INIT, 20
        .set PUTCHAR, 31
        .set OPEN, 50
        .set CLOSE, 51
        .set READ, 52
        .set WAIT_COMPLETION, 55
        .set EXIT, 66
        .set GET_ARGS, 75
        .set BUFFER, 0x200000           // 256 bytes
        .set REQUEST, 0x201000          // address and length of a transfer
        .set STATUS, 0x202000           // file, bytes moved
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
        ssc CONSOLE_INIT
        movl out0 = hello
        br.call.sptk.many b0 = print ;;

        movl in0 = BUFFER               // the arguments
        ssc GET_ARGS
        movl out0 = BUFFER
        br.call.sptk.many b0 = print ;;

        movl in0 = name                 // a file, to be read
        mov in1 = 1
        ssc OPEN
        cmp.gt p6, p7 = 0, r8
(p6)    br.cond.spnt end ;;
        mov loc0 = r8
        movl r16 = BUFFER
        movl r17 = REQUEST
        movl r18 = STATUS
        mov r19 = 100 ;;
        st8 [r17] = r16, 8 ;;
        st4 [r17] = r19
        st4 [r18] = loc0
        movl in2 = REQUEST
        mov in0 = loc0
        mov in1 = 1                     // one request
        mov in3 = 0 ;;                  // from the file's start
        ssc READ
        movl in0 = STATUS
        ssc WAIT_COMPLETION
        movl r18 = STATUS + 4
        movl r16 = BUFFER ;;
        ld4 r19 = [r18] ;;
        add r16 = r16, r19 ;;
        st1 [r16] = r0
        movl out0 = BUFFER
        br.call.sptk.many b0 = print ;;
        mov in0 = loc0
        ssc CLOSE
end:    mov in0 = 42
        ssc EXIT
        .endp _start

// Prints the text at in0 and a new line.
        .proc print
print:  alloc r2 = ar.pfs, 4, 2, 0, 0 ;;
        mov loc0 = in0 ;;
1:      ld1 in0 = [loc0], 1 ;;
        cmp.eq p6, p7 = 0, in0
(p6)    br.cond.spnt 2f ;;
        ssc PUTCHAR
        br.cond.sptk 1b ;;
2:      mov in0 = 10
        ssc PUTCHAR
        mov ar.pfs = r2
        br.ret.sptk.many b0 ;;
        .endp print

        .section .rodata
hello:  .asciz "hello"
name:   .asciz "/greeting"
