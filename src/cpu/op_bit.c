// SPDX-License-Identifier: Apache-2.0
// Bit tests and bit scans (SDM vol. 1, "Bit and Byte Instructions").
#include "cpu/access.h"
#include "cpu/bus_lock.h"
#include "cpu/ops.h"

/* SDM vol. 2, "Bit(BitBase, BitOffset)".  A register bit offset reaches beyond a memory operand:
 * the word that holds the bit is addressed relative to the effective address.  An immediate offset
 * is taken modulo the operand size. */
struct bit_operand { uint64_t offset, mask; };

static struct bit_operand bit_operand(const struct cpu *c, const struct insn *i)
{
    bool immediate = i->shape >> 2 == SRC_IMM;
    int64_t bit = immediate ? (int64_t)i->imm : sign_extend(c->gpr[i->reg], i->size);
    unsigned width = 8 * i->size;
    struct bit_operand b = { .mask = BIT((uint64_t)bit & (width - 1)) };
    if (insn_is_mem(i)) {
        int64_t beyond = immediate ? 0 : (bit & -(int64_t)width) / 8;
        b.offset = (insn_ea(c, i) + (uint64_t)beyond) & size_mask(insn_asize(i));
    }
    return b;
}

uint64_t bit_word_offset(const struct cpu *c, const struct insn *i)
{
    return bit_operand(c, i).offset;
}

static bool bit_rmw(struct cpu *c, const struct insn *i, const struct bit_operand *b, struct rmw *d)
{
    if (insn_is_mem(i))
        return rmw_read(c, insn_seg(i), b->offset, i->size, d);
    return dst_rmw(c, i, d);
}

enum outcome op_bt(struct cpu *c, const struct insn *i)
{
    struct bit_operand b = bit_operand(c, i);
    uint64_t v;
    if (insn_is_mem(i))
        FAULT_IF(!seg_read(c, insn_seg(i), b.offset, i->size, &v));
    else
        v = reg_read(c, i->rm, i->size);
    flags_set_cf(c, v & b.mask);
    return RETIRED;
}

enum outcome op_bts(struct cpu *c, const struct insn *i)
{
    struct bit_operand b = bit_operand(c, i);
    struct rmw d;
    FAULT_IF(!bit_rmw(c, i, &b, &d));
    flags_set_cf(c, d.value & b.mask);
    rmw_write(c, &d, d.value | b.mask);
    return RETIRED;
}

enum outcome op_btr(struct cpu *c, const struct insn *i)
{
    struct bit_operand b = bit_operand(c, i);
    struct rmw d;
    FAULT_IF(!bit_rmw(c, i, &b, &d));
    flags_set_cf(c, d.value & b.mask);
    rmw_write(c, &d, d.value & ~b.mask);
    return RETIRED;
}

enum outcome op_btc(struct cpu *c, const struct insn *i)
{
    struct bit_operand b = bit_operand(c, i);
    struct rmw d;
    FAULT_IF(!bit_rmw(c, i, &b, &d));
    flags_set_cf(c, d.value & b.mask);
    rmw_write(c, &d, d.value ^ b.mask);
    return RETIRED;
}

/* BSF and BSR of 0 set ZF and leave the destination as it is.  The other flags are undefined; Intel
 * processors clear them, but for PF, the parity of the bit's number. */
static enum outcome scan(struct cpu *c, const struct insn *i, bool reverse)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, i->size, &v));
    if (v == 0) {
        flags_set_status(c, FLAG_ZF | FLAG_PF);
        return RETIRED;
    }
    unsigned bit = (unsigned)(reverse ? 63 - __builtin_clzll(v) : __builtin_ctzll(v));
    flags_set_status(c, __builtin_parity(bit) ? 0 : FLAG_PF);
    reg_write(c, i->reg, i->size, bit);
    return RETIRED;
}

enum outcome op_bsf(struct cpu *c, const struct insn *i) { return scan(c, i, false); }
enum outcome op_bsr(struct cpu *c, const struct insn *i) { return scan(c, i, true); }

/* ZF = the source is 0; the other five flags are cleared. */
enum outcome op_popcnt(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!rm_read(c, i, i->size, &v));
    flags_set_status(c, v ? 0 : FLAG_ZF);
    reg_write(c, i->reg, i->size, (uint64_t)__builtin_popcountll(v));
    return RETIRED;
}
