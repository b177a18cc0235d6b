// SPDX-License-Identifier: Apache-2.0
// No-operations, fences, cache hints, undefined instructions and random numbers.
#include "cpu/access.h"
#include "cpu/ops.h"

/* NOP, hints, prefetches: a memory operand is never accessed.  Fences: processors take turns and
 * every access is done when its instruction retires. */
enum outcome op_nop(struct cpu *c, const struct insn *i)
{
    return RETIRED;
}

enum outcome op_ud(struct cpu *c, const struct insn *i)
{
    return cpu_raise(c, EXC_UD);
}

/* CLFLUSH is checked like a read of one byte, but reads nothing: a device must not notice. */
enum outcome op_clflush(struct cpu *c, const struct insn *i)
{
    uint64_t linear, pa;
    FAULT_IF(!seg_linear(c, insn_seg(i), insn_ea(c, i), 1, false, &linear) ||
             !linear_translate(c, linear, ACCESS_READ, c->cpl == 3, false, &pa));
    return RETIRED;
}

/* SplitMix64: the machine's seed decides every number, so that runs repeat. */
static uint64_t random_next(struct cpu *c)
{
    uint64_t z = c->seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* RDRAND and RDSEED always succeed: CF = 1, the other status flags 0. */
enum outcome op_rdrand(struct cpu *c, const struct insn *i)
{
    reg_write(c, i->rm, i->size, random_next(c));
    flags_set_status(c, FLAG_CF);
    return RETIRED;
}

enum outcome op_rdpid(struct cpu *c, const struct insn *i)
{
    reg_write(c, i->rm, i->size, c->msr.tsc_aux);
    return RETIRED;
}
