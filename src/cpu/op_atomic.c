// SPDX-License-Identifier: Apache-2.0
// Compare-and-exchange and exchange-and-add.  Processors take turns, so that LOCK adds nothing.
#include "cpu/access.h"
#include "cpu/ops.h"

/* When the values differ, memory gets its own value back, but a register destination stays as it is
 * (its upper half too, with 32-bit operands), and so does the accumulator when they are equal. */
enum outcome op_cmpxchg(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    uint64_t accumulator = reg_read(c, RAX, i->size);
    flags_sub(c, accumulator, d.value, 0, i->size);
    if (accumulator == d.value) {
        rmw_write(c, &d, reg_read(c, i->reg, i->size));
        return RETIRED;
    }
    if (d.is_mem)
        rmw_write(c, &d, d.value);
    reg_write(c, RAX, i->size, d.value);
    return RETIRED;
}

/* When both operands are the same register it ends with the sum. */
enum outcome op_xadd(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!dst_rmw(c, i, &d));
    flags_add(c, d.value, reg_read(c, i->reg, i->size), 0, i->size);
    reg_write(c, i->reg, i->size, d.value);
    rmw_write(c, &d, c->res);
    return RETIRED;
}

/* Of the flags only ZF changes. */
enum outcome op_cmpxchg8b(struct cpu *c, const struct insn *i)
{
    struct rmw d;
    FAULT_IF(!rmw_read(c, insn_seg(i), insn_ea(c, i), 8, &d));
    bool equal = d.value == (reg_read(c, RAX, 4) | c->gpr[RDX] << 32);
    flags_replace(c, FLAG_ZF, equal ? FLAG_ZF : 0);
    rmw_write(c, &d, equal ? reg_read(c, RBX, 4) | c->gpr[RCX] << 32 : d.value);
    if (!equal) {
        reg_write(c, RAX, 4, d.value);
        reg_write(c, RDX, 4, d.value >> 32);
    }
    return RETIRED;
}

/* 64-bit mode only.  The operand must be aligned: #GP(0) before any other fault of its address. */
enum outcome op_cmpxchg16b(struct cpu *c, const struct insn *i)
{
    enum seg s = insn_seg(i);
    uint64_t ea = insn_ea(c, i), base = s < FS ? 0 : c->seg[s].base, v[2];
    if ((base + ea) & 15)
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!seg_probe_write(c, s, ea, 16) || !seg_read_bytes(c, s, ea, v, 16, 0));
    bool equal = v[0] == c->gpr[RAX] && v[1] == c->gpr[RDX];
    uint64_t next[2] = { equal ? c->gpr[RBX] : v[0], equal ? c->gpr[RCX] : v[1] };
    FAULT_IF(!seg_write_bytes(c, s, ea, next, 16, 0));
    flags_replace(c, FLAG_ZF, equal ? FLAG_ZF : 0);
    if (!equal) {
        c->gpr[RAX] = v[0];
        c->gpr[RDX] = v[1];
    }
    return RETIRED;
}
