// SPDX-License-Identifier: Apache-2.0
    .section .rodata
    .globl timeline_html
    .hidden timeline_html
    .type timeline_html, @object
timeline_html:
    .incbin TIMELINE_HTML
    .byte 0
    .size timeline_html, . - timeline_html
    .section .note.GNU-stack, "", @progbits
