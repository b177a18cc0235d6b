// SPDX-License-Identifier: Apache-2.0
// The instructions that manage shadow stacks: SDM vol. 2, each under its name.  Those that work at
// any level where shadow stacks are enabled are #UD elsewhere by their rows.
#include "cpu/cet.h"
#include "cpu/descriptor.h"
#include "cpu/ops.h"

enum { TOKEN_MODE = 1 /* 64-bit mode */, TOKEN_PREVIOUS = 2, TOKEN_BITS = 3 };

static enum outcome gp0(struct cpu *c) { return cpu_raise_code(c, EXC_GP, 0); }

/* The linear address of the memory operand, a multiple of `align`. */
static bool operand_linear(struct cpu *c, const struct insn *i, unsigned align, uint64_t *linear)
{
    return seg_linear(c, insn_seg(i), insn_ea(c, i), align, true, linear) &&
           (!(*linear & (align - 1)) || refuse(c, EXC_GP, 0));
}

/* Without shadow stacks a NOP, as on processors that do not have them. */
enum outcome op_rdssp(struct cpu *c, const struct insn *i)
{
    if (shadow_stack_enabled(c, c->cpl))
        reg_write(c, i->rm, i->size, c->ssp);
    return RETIRED;
}

/* The first and the last entry that it skips are read. */
enum outcome op_incssp(struct cpu *c, const struct insn *i)
{
    struct shadow_view s = shadow_view(c);
    uint64_t count = c->gpr[i->rm] & 0xff, last = count ? count - 1 : 0, unused;
    FAULT_IF(!shadow_load(c, s, c->ssp, i->size, &unused) ||
             !shadow_load(c, s, c->ssp + last * i->size, i->size, &unused));
    c->ssp = (c->ssp + count * i->size) & size_mask(s.wide ? 8 : 4);
    return RETIRED;
}

/* The second half of a switch: the stack that the previous-ssp token names gets a restore token. */
enum outcome op_saveprevssp(struct cpu *c, const struct insn *i)
{
    struct shadow_view s = shadow_view(c);
    struct shadow_move m = { .ssp = c->ssp + 8 };
    bool hole = cpu_rflags(c) & FLAG_CF;
    uint64_t token, zero = 0;
    if (c->ssp & 7)
        return gp0(c);
    FAULT_IF(!shadow_load(c, s, c->ssp, 8, &token));
    if (hole && s.wide)
        return gp0(c);
    if (hole) {
        FAULT_IF(!shadow_load(c, s, m.ssp, 4, &zero));
        m.ssp += 4;
    }
    if (zero || !(token & TOKEN_PREVIOUS) || (!s.wide && token >> 32))
        return gp0(c);
    uint64_t old = token & ~(uint64_t)TOKEN_BITS;
    FAULT_IF(!shadow_plan(c, s, &m, old - 4, 4, 0) ||
             !shadow_plan(c, s, &m, (old & ~UINT64_C(7)) - 8, 8, old | (s.wide ? TOKEN_MODE : 0)));
    m.ssp &= size_mask(s.wide ? 8 : 4);
    shadow_commit(c, &m);
    return RETIRED;
}

/* CF tells SAVEPREVSSP of a hole of four bytes above the token. */
enum outcome op_rstorssp(struct cpu *c, const struct insn *i)
{
    struct shadow_view s = shadow_view(c);
    struct shadow_move m = { 0 };
    uint64_t mode = s.wide ? TOKEN_MODE : 0;
    FAULT_IF(!operand_linear(c, i, 8, &m.ssp) ||
             !shadow_plan(c, s, &m, m.ssp, 8, c->ssp | mode | TOKEN_PREVIOUS));
    uint64_t token = shadow_planned(c, &m), top = (token & ~UINT64_C(1)) - 8;
    if ((token & TOKEN_BITS) != mode || (!s.wide && token >> 32) || (top & ~UINT64_C(7)) != m.ssp)
        return cpu_raise_code(c, EXC_CP, CP_RSTORSSP);
    shadow_commit(c, &m);
    flags_set_status(c, token & 4 ? FLAG_CF : 0);
    return RETIRED;
}

enum outcome op_wrss(struct cpu *c, const struct insn *i)
{
    uint64_t linear;
    if (!(cet_control(c, c->cpl) & CET_WR_SHSTK_EN))
        return cpu_raise(c, EXC_UD);
    FAULT_IF(!operand_linear(c, i, i->size, &linear) ||
             !shadow_store(c, shadow_view(c), linear, i->size, reg_read(c, i->reg, i->size)));
    return RETIRED;
}

/* Writes as a program would, at CPL 0 and without need for a shadow stack of its own. */
enum outcome op_wruss(struct cpu *c, const struct insn *i)
{
    struct shadow_view user = { .wide = in_64bit(c), .user = true };
    uint64_t linear;
    if (!(c->cr4 & CR4_CET))
        return cpu_raise(c, EXC_UD);
    if (c->cpl)
        return gp0(c);
    FAULT_IF(!operand_linear(c, i, i->size, &linear) ||
             !shadow_store(c, user, linear, i->size, reg_read(c, i->reg, i->size)));
    return RETIRED;
}

/* SETSSBSY and CLRSSBSY are there when the supervisor has shadow stacks, and only for CPL 0. */
static bool busy_insn_legal(struct cpu *c)
{
    if (!shadow_stack_enabled(c, 0)) {
        cpu_raise(c, EXC_UD);
        return false;
    }
    return c->cpl == 0 || refuse(c, EXC_GP, 0);
}

enum outcome op_setssbsy(struct cpu *c, const struct insn *i)
{
    struct shadow_view s = shadow_view(c);
    struct shadow_move m = { .ssp = c->msr.pl_ssp[0] };
    bool free;
    FAULT_IF(!busy_insn_legal(c));
    if (m.ssp & 7)
        return gp0(c);
    if (!s.wide && m.ssp >> 32)
        return cpu_raise_code(c, EXC_CP, CP_SETSSBSY);
    FAULT_IF(!shadow_plan_exchange(c, s, &m, m.ssp, m.ssp | SHADOW_BUSY, m.ssp, &free));
    if (!free)
        return cpu_raise_code(c, EXC_CP, CP_SETSSBSY);
    shadow_commit(c, &m);
    return RETIRED;
}

/* A token that is not busy is told by CF, not by an exception. */
enum outcome op_clrssbsy(struct cpu *c, const struct insn *i)
{
    struct shadow_move m = { 0 };
    uint64_t linear;
    bool busy;
    FAULT_IF(!busy_insn_legal(c) || !operand_linear(c, i, 8, &linear) ||
             !shadow_plan_exchange(c, shadow_view(c), &m, linear, linear, linear | SHADOW_BUSY,
                                   &busy));
    shadow_commit(c, &m);
    flags_set_status(c, busy ? 0 : FLAG_CF);
    return RETIRED;
}
