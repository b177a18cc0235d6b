// SPDX-License-Identifier: Apache-2.0
// Macros of the guests' source.
#ifndef KVM_CLIENT_GUEST_H
#define KVM_CLIENT_GUEST_H
#include "layout.h"

// The address of a label in the guest, and its offset in the segment that real-address mode uses.
#define A(label) ((label) - guest_image + IMAGE)
#define O(label) ((label) - guest_image)

// A guest's entry point: the client finds it by name.
#define ENTRY(name) .globl name; name

// Reports EAX.
    .macro report
    outl    %eax, $PORT_REPORT
    .endm

    .macro report_value value
    movl    $\value, %eax
    report
    .endm

    .macro command number
    movb    $\number, %al
    outb    %al, $PORT_COMMAND
    .endm

    .macro done
    outb    %al, $PORT_DONE
    .endm

// The next exception is expected; its handler reports it and goes on at the label.
    .macro resume_at label
    movl    $A(\label), RESUME
    .endm
    .macro resume_at_16 label
    movl    $O(\label), RESUME
    .endm
#endif
