// SPDX-License-Identifier: Apache-2.0
// The decode mode: everything, beside the bytes, that the binding of an instruction depends on.
// Modes are interned: a block belongs to one, a VM entry switches an integer.
#ifndef SP_CPU_MODE_H
#define SP_CPU_MODE_H

#include "cpu/state.h"

enum mode_bits {
    MODE_CODE32 = 1 << 0, MODE_CODE64 = 1 << 1,     /* neither: 16-bit code */
    MODE_PROTECTED = 1 << 2,                        /* CR0.PE and not virtual-8086 */
    MODE_CPL0 = 1 << 3, MODE_USER = 1 << 4,         /* CPL 0; CPL 3 */
    MODE_EM = 1 << 5, MODE_TS = 1 << 6, MODE_MP = 1 << 7,
    MODE_OSFXSR = 1 << 8, MODE_OSXSAVE = 1 << 9, MODE_UMIP = 1 << 10, MODE_FSGSBASE = 1 << 11,
    MODE_FLAT = 1 << 12,    /* no segment check or base can matter but those of FS and GS */
    MODE_STACK64 = 1 << 13, MODE_STACK32 = 1 << 14,
    MODE_STEP = 1 << 15,    /* blocks of one instruction, general handlers only */
    MODE_LINEAR32 = 1 << 16, /* linear addresses have 32 bits: not in IA-32e mode */
    MODE_PKE = 1 << 17,
    MODE_LOCKS = 1 << 18,    /* locked accesses are looked at: bus_lock.h */
    MODE_SHADOW_STACK = 1 << 19, MODE_ENDBRANCH = 1 << 20, /* CET, as enabled at this CPL */
    MODE_WAIT = 1 << 21,    /* the tracker waits for ENDBR; with MODE_STEP */
    MODE_TRACE = 1 << 22,   /* instructions are traced: trace.h */
};

struct mode {
    uint64_t exits;         /* exit reasons that instructions take unconditionally (non-root) */
    uint64_t undefined;     /* exit columns that controls (non-root) or CR4 make undefined */
    uint32_t bits;          /* MODE_* */
};

/* The mode that c's state asks for. */
struct mode mode_of(const struct cpu *c, bool step);

static inline unsigned mode_code_bits(const struct mode *m)
{
    return m->bits & MODE_CODE64 ? 64 : m->bits & MODE_CODE32 ? 32 : 16;
}

#endif
