// SPDX-License-Identifier: Apache-2.0
// For tests of the core: descriptor tables in a bare machine's memory, and 32-bit protected mode with
// them.
#ifndef SP_TESTS_TABLES_H
#define SP_TESTS_TABLES_H

#include <string.h>

#include "bare.h"

enum {
    GDT = 0x5000, IDT = 0x6000, TSS = 0xa000, TSS2 = 0xa200, CODE0 = 0x10000, CODE3 = 0x11000,
    HANDLER = 0x12000, FAULT_HANDLER = 0x13000, STACK0 = 0x20000, STACK3 = 0x30000,
    SEL_CODE0 = 0x08, SEL_DATA0 = 0x10, SEL_CODE3 = 0x1b, SEL_DATA3 = 0x23, SEL_TSS = 0x28,
    SEL_TSS2 = 0x30, SEL_CALL_GATE = 0x3b, SEL_ABSENT = 0x40, GDT_SIZE = 0x60,
};
enum { GATE_TASK = 5, GATE_CALL = 12, GATE_INT = 14, GATE_TRAP = 15 };

static inline uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t access)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(access & 0xff) << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(access >> 12 & 15) << 52 |
           (uint64_t)(base >> 24) << 56;
}

static inline uint64_t gate(uint16_t selector, uint32_t offset, unsigned type, unsigned dpl,
                            unsigned count)
{
    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)count << 32 |
           (uint64_t)(0x80 | dpl << 5 | type) << 40 | (uint64_t)(offset >> 16) << 48;
}

static inline void put_code(struct machine *m, uint64_t at, const uint8_t *start, const uint8_t *end)
{
    mem_write(machine_mem(m), at, start, (size_t)(end - start));
}
#define PUT(m, at, name) put_code(m, at, name##_start, name##_end)

static inline void set_gate(struct machine *m, unsigned vector, uint64_t g)
{
    mem_write_le(machine_mem(m), IDT + 8 * vector, 8, g);
}

static inline uint64_t word_at(struct machine *m, uint64_t at, unsigned size)
{
    return mem_read_le(machine_mem(m), at, size);
}

BARE_PROGRAM(loop_forever, "1: jmp 1b");

static inline void write_tables(struct machine *m)
{
    struct mem *mem = machine_mem(m);
    static const uint32_t access[] = { 0xc09b, 0xc093, 0xc0fb, 0xc0f3 };
    for (unsigned k = 0; k < 4; k++)
        mem_write_le(mem, GDT + 8 + 8 * k, 8, descriptor(0, 0xfffff, access[k]));
    mem_write_le(mem, GDT + SEL_TSS, 8, descriptor(TSS, 0x67, 0x8b));
    mem_write_le(mem, GDT + SEL_TSS2, 8, descriptor(TSS2, 0x67, 0x89));
    mem_write_le(mem, GDT + (SEL_CALL_GATE & ~7), 8, gate(SEL_CODE0, HANDLER, GATE_CALL, 3, 2));
    mem_write_le(mem, GDT + SEL_ABSENT, 8, descriptor(0, 0xfffff, 0xc013));
    mem_write_le(mem, TSS + 4, 4, STACK0);
    mem_write_le(mem, TSS + 8, 4, SEL_DATA0);
    mem_write_le(mem, TSS + 102, 2, 0x68);      /* the I/O map lies beyond the limit */
    PUT(m, HANDLER, loop_forever);
    PUT(m, FAULT_HANDLER, loop_forever);
    for (unsigned v = 0; v < 32; v++)
        set_gate(m, v, gate(SEL_CODE0, FAULT_HANDLER, GATE_INT, 0, 0));
}

/* 32-bit protected mode without paging at privilege level cpl, about to run at CODE0 or CODE3. */
static inline struct cpu *protected_mode(struct machine *m, unsigned cpl)
{
    struct cpu *c = machine_cpu(m, 0);
    uint32_t dpl = cpl << 5;
    write_tables(m);
    c->gdtr = (struct dtable){ GDT, GDT_SIZE - 1 };
    c->idtr = (struct dtable){ IDT, 0x7ff };
    for (unsigned s = ES; s <= GS; s++)
        c->seg[s] = (struct segment){ .limit = 0xffffffff,
                                      .access = (s == CS ? 0xc09b : 0xc093) | dpl };
    c->seg[CS].selector = cpl ? SEL_CODE3 : SEL_CODE0;
    for (unsigned s = ES; s <= GS; s++)
        if (s != CS)
            c->seg[s].selector = cpl ? SEL_DATA3 : SEL_DATA0;
    c->seg[TR] = (struct segment){ .base = TSS, .limit = 0x67, .access = 0x8b,
                                   .selector = SEL_TSS };
    cpu_load_cr0(c, CR0_PE | CR0_NE);
    c->cpl = (uint8_t)cpl;
    c->gpr[RSP] = cpl ? STACK3 : STACK0;
    c->rip = cpl ? CODE3 : CODE0;
    cpu_mode_changed(c);
    return c;
}

#endif
