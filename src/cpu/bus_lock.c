// SPDX-License-Identifier: Apache-2.0
#include "cpu/bus_lock.h"

#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/ops.h"
#include "cpu/vmx_ops.h"

enum { LINE = 64, TEST_CTRL_SPLIT_LOCK = 1 << 29 };

static bool os_detects(const struct cpu *c)
{
    return c->cpl && c->msr.debugctl & DEBUGCTL_BUS_LOCK_DETECT;
}

bool bus_locks_matter(const struct cpu *c)
{
    return os_detects(c) || c->msr.test_ctrl & TEST_CTRL_SPLIT_LOCK;
}

bool is_locked(const struct insn *i)
{
    return insn_is_mem(i) && (i->prefix & PFX_LOCK || insn_rows[i->row].op == op_xchg);
}

static void lock_operand(const struct cpu *c, const struct insn *i, uint64_t *offset,
                         unsigned *size)
{
    op_fn *op = insn_rows[i->row].op;
    bool bits = op == op_bts || op == op_btr || op == op_btc;
    *offset = bits ? bit_word_offset(c, i) : insn_ea(c, i);
    *size = op == op_cmpxchg8b ? 8 : i->size;
}

/* The operand of CMPXCHG16B is aligned, or there is a #GP(0). */
bool lock_splits(const struct cpu *c, const struct insn *i)
{
    uint64_t offset;
    unsigned size;
    enum seg s = insn_seg(i);
    lock_operand(c, i, &offset, &size);
    uint64_t linear = offset + (!in_64bit(c) || s >= FS ? c->seg[s].base : 0);
    return insn_rows[i->row].op != op_cmpxchg16b && linear % LINE + size > LINE;
}

enum outcome split_lock_begins(struct cpu *c, const struct insn *i)
{
    uint64_t offset, linear;
    unsigned size;
    if (!(c->msr.test_ctrl & TEST_CTRL_SPLIT_LOCK))
        return RETIRED;
    lock_operand(c, i, &offset, &size);
    FAULT_IF(!seg_linear(c, insn_seg(i), offset, size, true, &linear));
    return cpu_raise_code(c, EXC_AC, 0);
}

void bus_lock_asserted(struct cpu *c)
{
    if (os_detects(c)) {
        c->pending_debug |= DR6_BLD | BIT(12);
        cpu_set_pending(c, PEND_DEBUG);
    }
    if (c->vmx_nonroot && c->vmx_ops->exit_mask(c) >> EXIT_BUS_LOCK & 1)
        cpu_set_pending(c, PEND_BUS_LOCK);
}
