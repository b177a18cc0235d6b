// SPDX-License-Identifier: Apache-2.0
// The system tables' registers: LGDT LIDT SGDT SIDT, LLDT LTR SLDT STR.
#include "cpu/descriptor.h"
#include "cpu/ops.h"
#include "cpu/task.h"

static struct dtable *table_of(struct cpu *c, const struct insn *i)
{
    return i->modrm >> 3 & 1 ? &c->idtr : &c->gdtr;      /* /0 and /2 GDT, /1 and /3 IDT */
}

/* Limit, then four bytes of base, eight in 64-bit mode. */
enum outcome op_store_table(struct cpu *c, const struct insn *i)
{
    const struct dtable *t = table_of(c, i);
    uint8_t b[10] = { (uint8_t)t->limit, (uint8_t)(t->limit >> 8) };
    for (unsigned k = 0; k < 8; k++)
        b[2 + k] = (uint8_t)(t->base >> (8 * k));
    FAULT_IF(!seg_write_bytes(c, insn_seg(i), insn_ea(c, i), b, in_64bit(c) ? 10 : 6, 0));
    return RETIRED;
}

enum outcome op_load_table(struct cpu *c, const struct insn *i)
{
    uint8_t b[10] = { 0 };
    uint64_t base = 0;
    FAULT_IF(!seg_read_bytes(c, insn_seg(i), insn_ea(c, i), b, in_64bit(c) ? 10 : 6, 0));
    for (unsigned k = 0; k < 8; k++)
        base |= (uint64_t)b[2 + k] << (8 * k);
    if (!in_64bit(c) && i->size == 2)
        base &= 0xffffff;
    if (!is_canonical(c, base))
        return cpu_raise_code(c, EXC_GP, 0);
    *table_of(c, i) = (struct dtable){ .base = base, .limit = (uint16_t)(b[0] | b[1] << 8) };
    return RETIRED;
}

/* SLDT and STR: /0 and /1. */
enum outcome op_store_selector(struct cpu *c, const struct insn *i)
{
    unsigned size = insn_is_mem(i) ? 2 : i->size;
    FAULT_IF(!rm_write(c, i, size, c->seg[i->modrm >> 3 & 1 ? TR : LDTR].selector));
    return RETIRED;
}

enum outcome op_lldt(struct cpu *c, const struct insn *i)
{
    uint64_t selector;
    struct segment ldt;
    FAULT_IF(!rm_read(c, i, 2, &selector));
    FAULT_IF(!segment_prepare_ldt(c, (uint16_t)selector, EXC_GP, &ldt));
    c->seg[LDTR] = ldt;
    return RETIRED;
}

enum outcome op_ltr(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    struct descriptor d;
    FAULT_IF(!rm_read(c, i, 2, &v));
    uint16_t selector = (uint16_t)v, code = selector & 0xfffc;
    if (is_null(selector) || selector & 4)
        return cpu_raise_code(c, EXC_GP, code);
    FAULT_IF(!descriptor_fetch(c, selector, EXC_GP, &d));
    if (!is_available_tss(&d.seg) || (in_long_mode(c) && seg_type(&d.seg) != SYS_TSS32) ||
        !descriptor_high_ok(&d))
        return cpu_raise_code(c, EXC_GP, code);
    if (!seg_present(&d.seg))
        return cpu_raise_code(c, EXC_NP, code);
    if (!is_canonical(c, d.seg.base))
        return cpu_raise_code(c, EXC_GP, code);
    FAULT_IF(!descriptor_write_type(c, &d, TSS_BUSY_BIT, 0));
    c->seg[TR] = d.seg;
    c->seg[TR].access |= TSS_BUSY_BIT;
    return RETIRED;
}
