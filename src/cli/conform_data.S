// SPDX-License-Identifier: Apache-2.0
// Files that `silverpool conform` has in itself; CMakeLists.txt says where they are.
    .section .rodata
    .balign 16
    .globl conform_image, conform_image_end, conform_page, conform_page_end
    .hidden conform_image, conform_image_end, conform_page, conform_page_end
conform_image:
    .incbin CONFORM_IMAGE
conform_image_end:
conform_page:
    .incbin CONFORM_PAGE
conform_page_end:
    .section .note.GNU-stack, "", @progbits
