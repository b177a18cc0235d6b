// SPDX-License-Identifier: Apache-2.0
// For tests of CET: a bare machine in 64-bit mode with shadow-stack pages, descriptor tables, and
// handlers that halt.
#ifndef SP_TESTS_CET_GUEST_H
#define SP_TESTS_CET_GUEST_H

#include "cpu/cet.h"
#include "tables.h"

enum {
    FAULTS = 0x14000, IST_STACK = 0x28000, SSP_TABLE = 0x9000,
    /* 2-MByte pages: a supervisor shadow stack, a user one, and none at all. */
    SHADOW0 = 0x400000, SHADOW3 = 0x600000, NOTHING = 0x800000,
    SSP0 = SHADOW0 + 0x1000, SSP3 = SHADOW3 + 0x1000, SSP_IST = SHADOW0 + 0x2000,
};
enum {
    IA32_U_CET = 0x6a0, IA32_S_CET = 0x6a2, IA32_PL0_SSP = 0x6a4, IA32_PL3_SSP = 0x6a7,
    IA32_INTERRUPT_SSP_TABLE_ADDR = 0x6a8,
};
#define PAGE_ENTRY(address) (BARE_TABLES + 0x2000 + 8 * ((address) >> 21))
#define FAULT_RIP(vector) (FAULTS + 16u * (vector) + 1)   /* behind the HLT of its handler */

static inline void set_gate64(struct machine *m, unsigned vector, uint64_t at, unsigned dpl,
                              unsigned ist)
{
    mem_write_le(machine_mem(m), IDT + 16 * vector, 8,
                 gate(SEL_CODE0, (uint32_t)at, GATE_INT, dpl, ist));
    mem_write_le(machine_mem(m), IDT + 16 * vector + 8, 8, 0);
}

static inline void write_tables64(struct machine *m)
{
    struct mem *mem = machine_mem(m);
    static const uint32_t access[] = { 0xa09b, 0xc093, 0xa0fb, 0xc0f3 };
    for (unsigned k = 0; k < 4; k++)
        mem_write_le(mem, GDT + 8 + 8 * k, 8, descriptor(0, 0xfffff, access[k]));
    mem_write_le(mem, TSS + 4, 8, STACK0);
    mem_write_le(mem, TSS + 36, 8, IST_STACK);
    for (unsigned v = 0; v < 256; v++) {
        set_gate64(m, v, FAULTS + 16 * v, v < 32 ? 0 : 3, 0);
        mem_write_le(mem, FAULTS + 16 * v, 1, 0xf4);
    }
    mem_write_le(mem, PAGE_ENTRY(SHADOW0), 8, SHADOW0 | 0xe1);
    mem_write_le(mem, PAGE_ENTRY(SHADOW3), 8, SHADOW3 | 0xe5);
    mem_write_le(mem, PAGE_ENTRY(NOTHING), 8, 0);
}

static inline void set_level(struct cpu *c, unsigned cpl)
{
    for (unsigned s = ES; s <= GS; s++) {
        c->seg[s].access = (s == CS ? 0xa09b : 0xc093) | cpl << 5;
        c->seg[s].selector = s == CS ? (cpl ? SEL_CODE3 : SEL_CODE0) : cpl ? SEL_DATA3 : SEL_DATA0;
    }
    c->cpl = (uint8_t)cpl;
}

/* The program at BARE_CODE, at level cpl, with CR4.CET and `control` in the MSR of its level. */
static inline struct cpu *cet_load(struct machine *m, unsigned cpl, uint64_t control,
                                   const uint8_t *start, const uint8_t *end)
{
    cpu_reset(machine_cpu(m, 0));
    struct cpu *c = bare_load(m, start, end);
    write_tables64(m);
    c->gdtr = (struct dtable){ GDT, GDT_SIZE - 1 };
    c->idtr = (struct dtable){ IDT, 0xfff };
    c->seg[TR] = (struct segment){ .base = TSS, .limit = 0x67, .access = 0x8b,
                                   .selector = SEL_TSS };
    set_level(c, cpl);
    cpu_load_cr0(c, c->cr0 | CR0_WP);
    cpu_load_cr4(c, c->cr4 | CR4_CET);
    c->ssp = cpl ? SSP3 : SSP0;
    cr_assert(msr_write(c, cpl ? IA32_U_CET : IA32_S_CET, control));
    return c;
}
#define CET(m, cpl, control, program) cet_load(m, cpl, control, program##_start, program##_end)

/* Runs until a handler halts, which must be that of `vector`; returns the error code. */
static inline uint64_t fault_of(struct machine *m, struct cpu *c, unsigned vector)
{
    bare_run(m, 1000);
    cr_expect_eq(c->rip, FAULT_RIP(vector), "rip %lx", c->rip);
    return word_at(m, c->gpr[RSP], 8);
}
/* RIP of the instruction that faulted with an error code. */
static inline uint64_t fault_rip(struct machine *m, struct cpu *c)
{
    return word_at(m, c->gpr[RSP] + 8, 8);
}

#endif
