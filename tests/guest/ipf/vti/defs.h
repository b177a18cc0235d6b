// SPDX-License-Identifier: Apache-2.0
// What the hypervisor and its guests both know, in C and assembly.
#ifndef DEFS_H
#define DEFS_H

// The hypervisor lives where bit 60 of an address differs from bit 59: such addresses do not exist
// while PSR.vm = 1.
#define VMM_OFFSET 0xf000000000000000 // from physical addresses below 512 MiB to the hypervisor's
#define VMM_BASE 0x4000000            // physical: code, data

// PSR.
#define PSR_BE 0x2
#define PSR_UP 0x4
#define PSR_AC 0x8
#define PSR_MFL 0x10
#define PSR_MFH 0x20
#define PSR_IC 0x2000
#define PSR_I 0x4000
#define PSR_DT 0x20000
#define PSR_SI 0x800000
#define PSR_RT 0x8000000
#define PSR_CPL 0x300000000
#define PSR_CPL_SHIFT 32
#define PSR_IT 0x1000000000
#define PSR_RI_SHIFT 41
#define PSR_RI 0x60000000000
#define PSR_BN 0x100000000000
#define PSR_BN_BIT 44
#define PSR_VM 0x400000000000
#define PSR_VM_BIT 46
#define ISR_NI_BIT 39

// Calls of a guest: break HYPERCALL; function in r15, argument in r14, result in r8.
#define HYPERCALL 0x1000
#define CALL_PUT 1       // print up to 8 bytes, the lowest first
#define CALL_MODE 2      // how this virtual processor runs: MODE_ bits
#define CALL_COUNT 3     // virtualization faults of a cause so far
#define CALL_YIELD 4     // let the other virtual processor run
#define CALL_INTERRUPT 5 // an external interrupt becomes pending here
#define CALL_NUMBER 6    // of this virtual processor
#define CALL_MOVE 7      // go to another logical processor, or leave this one and come back
#define CALL_NMI 8
#define CALL_SEND 9     // as CALL_INTERRUPT, for the other virtual processor
#define CALL_VIRTUAL 10 // virtual external interrupts (vector 3400) so far
#define CALL_WHERE 11   // the logical processor
#define CALL_CPUS 12    // how many there are
#define CALL_END 15     // the argument: 0 if all is well

#define MODE_ACCELERATED 1
#define MODE_KVM 2
#define MODE_DISABLED 4
#define MODE_BENCH 8

#ifndef __ASSEMBLER__
typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;
#endif
#endif
