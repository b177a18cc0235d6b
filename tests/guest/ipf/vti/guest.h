// SPDX-License-Identifier: Apache-2.0
// The guest's kernel: what its assembly and its C share.
#ifndef GUEST_H
#define GUEST_H

#include "defs.h"

#define KERNEL 0xe000000000000000 // guest-physical 0, 16 MiB, in translation registers
#define KERNEL_PTE 0x7e1          // present, accessed, dirty; levels 0 to 3; read, write, execute
#define PAGE_LOG2 14

// What the handler of a fault left, and what it is to do.
#define R_VECTOR 0
#define R_ISR 8
#define R_IIP 16
#define R_IPSR 24
#define R_IFA 32
#define R_ITIR 40
#define R_IHA 48
#define R_IIM 56
#define R_IIPA 64
#define R_COUNT 72
#define R_ACTION 80
#define R_PTE 88
#define R_PTE_ITIR 96
#define R_TARGET 104
#define R_IFS 112
#define R_INTERRUPTS 120
#define R_KEEP_IN_SERVICE 128
#define R_LIST 136 // the vectors of 16 interrupts

#define ACTION_SKIP 0
#define ACTION_INSERT_D 1
#define ACTION_INSERT_I 2
#define ACTION_GO 3
#define ACTION_COVER 5

#ifndef __ASSEMBLER__
struct record {
    u64 vector, isr, iip, ipsr, ifa, itir, iha, iim, iipa, count;
    u64 action, pte, pte_itir, target, ifs, interrupts, keep_in_service, list[16];
};
extern struct record record;
_Static_assert(__builtin_offsetof(struct record, list) == R_LIST, "record");

// guest.S
u64 call(u64 function, u64 argument);
u64 deep(u64 depth); // sums what it finds in `depth` frames, yields in the last
u64 registers_survive(u64 seed, u64 function); // 0, or which did not
u64 banks(void);
u64 bank_nats(void);
u64 cover_frame(void);
u64 nested(u64 address); // a load with PSR.ic = 0
u64 go_to(u64 address);
u64 rfi_to(u64 address, u64 psr);
u64 load_physical(u64 address);
u64 step_over(u64 psr_bit);
u64 interruption_registers(u64 seed); // how many of CR16 to 25 do not hold what was written
extern char user_psr[], user_mixed[], landing[], page_code[];
extern u64 user_results[8];
#endif
#define USER_ENDS 0x99
#endif
