// SPDX-License-Identifier: Apache-2.0
// Segment registers as operands: MOV, PUSH, POP, LDS and its family; LAR, LSL, VERR, VERW, ARPL.
#include "cpu/descriptor.h"
#include "cpu/ops.h"
#include "cpu/stack.h"

/* Loads a segment register with everything that follows from it. */
static enum outcome load(struct cpu *c, enum seg s, uint16_t selector)
{
    struct segment v;
    FAULT_IF(!segment_prepare(c, s, selector, &v));
    c->seg[s] = v;
    if (s == SS)      /* SDM vol. 3, "Masking Exceptions and Interrupts When Switching Stacks" */
        c->shadow |= SHADOW_MOV_SS;
    cpu_mode_changed(c);
    return RETIRED;
}

static enum seg modrm_seg(const struct insn *i) { return (enum seg)(i->modrm >> 3 & 7); }

/* The segment register of a PUSH or POP opcode: 06 to 1F, 0F A0 to 0F A9. */
static enum seg opcode_seg(const struct insn *i)
{
    return (enum seg)(i->opcode >> 3 & (i->opcode >= 0xa0 ? 5 : 3));
}

enum outcome op_mov_from_seg(struct cpu *c, const struct insn *i)
{
    unsigned size = insn_is_mem(i) ? 2 : i->size;
    FAULT_IF(!rm_write(c, i, size, c->seg[modrm_seg(i)].selector));
    return RETIRED;
}

enum outcome op_mov_to_seg(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, 2, &v));
    return load(c, modrm_seg(i), (uint16_t)v);
}

/* With 32-bit operands recent processors write only the selector and leave the upper half alone. */
enum outcome op_push_seg(struct cpu *c, const struct insn *i)
{
    uint64_t v = c->seg[opcode_seg(i)].selector;
    uint64_t sp = (c->gpr[RSP] - i->size) & size_mask(stack_asize(c));
    FAULT_IF(!seg_write(c, SS, sp, i->size == 4 ? 2 : i->size, v));
    stack_pointer_write(c, sp);
    return RETIRED;
}

enum outcome op_pop_seg(struct cpu *c, const struct insn *i)
{
    uint64_t selector;
    FAULT_IF(!stack_peek(c, 0, 2, &selector));
    uint64_t mask = size_mask(stack_asize(c)); /* of the stack before POP SS */
    enum outcome o = load(c, opcode_seg(i), (uint16_t)selector);
    if (o == RETIRED)
        c->gpr[RSP] = (c->gpr[RSP] & ~mask) | ((c->gpr[RSP] + i->size) & mask);
    return o;
}

enum outcome op_load_far(struct cpu *c, const struct insn *i)
{
    static const uint8_t by_opcode[8] = { [0xb2 & 7] = SS, [0xb4 & 7] = FS, [0xb5 & 7] = GS };
    enum seg s = i->opcode == 0xc4   ? ES
                 : i->opcode == 0xc5 ? DS
                                     : (enum seg)by_opcode[i->opcode & 7];
    uint64_t offset;
    uint16_t selector;
    FAULT_IF(!far_pointer_read(c, i, &offset, &selector));
    uint8_t shadow = c->shadow;
    enum outcome o = load(c, s, selector);
    c->shadow = shadow;                      /* LSS does not block interrupts */
    if (o == RETIRED)
        reg_write(c, i->reg, i->size, offset);
    return o;
}

/* ---- looking at descriptors without faults ---- */

static void set_zf(struct cpu *c, bool zf)
{
    uint64_t f = flags_status(c) & ~(uint64_t)FLAG_ZF;
    flags_set_status(c, f | (zf ? FLAG_ZF : 0));
}

/* The privilege rule of LAR, LSL, VERR and VERW. */
static bool visible_at(const struct cpu *c, uint16_t selector, const struct segment *s)
{
    unsigned dpl = seg_dpl(s);
    return seg_is_conforming(s) || (dpl >= c->cpl && dpl >= selector_rpl(selector));
}

/* Types that LAR and LSL accept, as bit sets; gates have no limit. */
enum {
    LSL_TYPES = 1 << SYS_TSS16 | 1 << SYS_LDT | 1 << SYS_TSS16_BUSY | 1 << SYS_TSS32 |
                1 << SYS_TSS32_BUSY,
    LAR_TYPES = LSL_TYPES | 1 << SYS_CALL16 | 1 << SYS_TASK_GATE | 1 << SYS_CALL32,
    LONG_MODE_TYPES = 1 << SYS_LDT | 1 << SYS_TSS32 | 1 << SYS_TSS32_BUSY | 1 << SYS_CALL32,
};

/* Reads the selector operand and its descriptor; *ok says whether the instruction may use it. */
static bool examine(struct cpu *c, const struct insn *i, unsigned types, struct descriptor *d,
                    bool *ok)
{
    uint64_t selector;
    *ok = false;
    if (!rm_read(c, i, 2, &selector))
        return false;
    if (is_null((uint16_t)selector))
        return true;
    if (!descriptor_probe(c, (uint16_t)selector, d, ok))
        return false;
    if (!*ok)
        return true;
    if (in_long_mode(c))
        types &= LONG_MODE_TYPES;
    bool type_ok = !seg_is_system(&d->seg) || (types >> seg_type(&d->seg) & 1);
    *ok = type_ok && visible_at(c, (uint16_t)selector, &d->seg);
    return true;
}

enum outcome op_lar(struct cpu *c, const struct insn *i)
{
    struct descriptor d;
    bool ok;
    FAULT_IF(!examine(c, i, LAR_TYPES, &d, &ok));
    set_zf(c, ok);
    if (ok)
        reg_write(c, i->reg, i->size, d.raw >> 32 & 0x00ffff00);
    return RETIRED;
}

enum outcome op_lsl(struct cpu *c, const struct insn *i)
{
    struct descriptor d;
    bool ok;
    FAULT_IF(!examine(c, i, LSL_TYPES, &d, &ok));
    set_zf(c, ok);
    if (ok)
        reg_write(c, i->reg, i->size, d.seg.limit);
    return RETIRED;
}

enum outcome op_verr(struct cpu *c, const struct insn *i)
{
    struct descriptor d;
    bool ok;
    FAULT_IF(!examine(c, i, 0, &d, &ok));
    set_zf(c, ok && seg_is_readable(&d.seg));
    return RETIRED;
}

enum outcome op_verw(struct cpu *c, const struct insn *i)
{
    struct descriptor d;
    bool ok;
    FAULT_IF(!examine(c, i, 0, &d, &ok));
    set_zf(c, ok && seg_is_writable_data(&d.seg));
    return RETIRED;
}

enum outcome op_arpl(struct cpu *c, const struct insn *i)
{
    uint64_t v, rpl = reg_read(c, i->reg, 2) & 3;
    FAULT_IF(!rm_read(c, i, 2, &v));
    bool raises = (v & 3) < rpl;
    if (raises)
        FAULT_IF(!rm_write(c, i, 2, (v & ~UINT64_C(3)) | rpl));
    set_zf(c, raises);
    return RETIRED;
}
