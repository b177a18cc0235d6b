// SPDX-License-Identifier: Apache-2.0
// The host's exceptions and interrupts: an instruction may fault and tell of it, and what nobody
// expects ends the case at hand.
#ifndef CONFORMANCE_FAULT_H
#define CONFORMANCE_FAULT_H

#include "x86.h"

struct frame {
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* The last fault of a guarded instruction; `vector` is NO_FAULT before it. */
struct fault { unsigned vector, error; uint64_t rip, address; };
extern struct fault fault;
/* Where a guarded instruction ends; 0 outside one. */
extern uint64_t recover_rip;
/* How often the host took the vector as an interrupt or NMI. */
extern unsigned taken[256];
extern struct table host_idt;

/* Fills the IDT, loads it, silences the 8259s. */
void fault_init(void);
void fault_isr(struct frame *f);
/* An IRET: the host takes NMIs again. */
void end_nmi(void);

/* An instruction between these two may fault; r11 is lost. */
#define GUARD "movq $9f, recover_rip(%%rip)\n\t"
#define UNGUARD "\n9:\tmovq $0, recover_rip(%%rip)"

#endif
