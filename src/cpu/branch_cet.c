// SPDX-License-Identifier: Apache-2.0
// Near CALL, RET and indirect JMP where shadow stacks or the tracking of indirect branches are
// enabled: SDM vol. 2, "CALL--Call Procedure", "RET--Return From Procedure", "JMP--Jump".  Blocks
// of such a mode are bound to these runners.
#include "cpu/cet.h"
#include "cpu/ops.h"
#include "cpu/run.h"
#include "cpu/stack.h"

/* A shadow stack is as wide as the mode. */
static unsigned entry_size(const struct cpu *c) { return in_64bit(c) ? 8 : 4; }

static uint64_t moved(const struct cpu *c, uint64_t by)
{
    return (c->ssp + by) & size_mask(entry_size(c));
}

/* As without shadow stacks, the return address is stored before the target is looked at.  `keeps`:
 * the shadow stack gets it, too. */
static enum outcome call(struct cpu *c, const struct insn *i, uint64_t target, bool keeps)
{
    uint64_t sp = (c->gpr[RSP] - i->size) & size_mask(stack_asize(c)), next = insn_next_rip(c, i);
    unsigned n = entry_size(c);
    FAULT_IF(!seg_write(c, SS, sp, i->size, next) || !branch_target(c, &target, i->size));
    if (keeps && shadow_stack_enabled(c, c->cpl)) {
        uint64_t ssp = moved(c, -(uint64_t)n);
        FAULT_IF(!shadow_store(c, shadow_view(c), ssp, n, next & size_mask(i->size)));
        c->ssp = ssp;
    }
    stack_pointer_write(c, sp);
    c->rip = target;
    return JUMPED;
}

/* A call of the next instruction only asks where it is: the shadow stack gets nothing. */
static enum outcome call_relative(struct cpu *c, const struct insn *i)
{
    return call(c, i, insn_next_rip(c, i) + i->imm, i->imm != 0);
}

static enum outcome call_indirect(struct cpu *c, const struct insn *i)
{
    uint64_t target;
    FAULT_IF(!rm_read(c, i, i->size, &target));
    enum outcome o = call(c, i, target, true);
    if (o == JUMPED)
        track_near(c, i->imm);
    return o;
}

static enum outcome jump_indirect(struct cpu *c, const struct insn *i)
{
    enum outcome o = op_jmp_indirect(c, i);
    if (o == JUMPED)
        track_near(c, i->imm);
    return o;
}

static enum outcome ret(struct cpu *c, const struct insn *i)
{
    uint64_t target, shadow;
    unsigned n = entry_size(c);
    FAULT_IF(!stack_peek(c, 0, i->size, &target) ||
             !shadow_load(c, shadow_view(c), c->ssp, n, &shadow));
    if (target != shadow)
        return cpu_raise_code(c, EXC_CP, CP_NEAR_RET);
    FAULT_IF(!branch_target(c, &target, i->size));
    c->ssp = moved(c, n);
    stack_pointer_write(c, c->gpr[RSP] + i->size + i->imm);
    c->rip = target;
    return JUMPED;
}

#define RUNNER(op)                        \
    static RUN(run_##op)                  \
    {                                     \
        c->res = res;                     \
        c->aux = aux;                     \
        c->current = i;                   \
        run_finish(c, i, op(c, i));       \
    }
RUNNER(call_relative)
RUNNER(call_indirect)
RUNNER(jump_indirect)
RUNNER(ret)

run_fn *cet_form(const struct mode *m, const struct insn_row *row)
{
    static const struct { op_fn *op; run_fn *run; uint32_t modes; } forms[] = {
        { op_call, run_call_relative, MODE_SHADOW_STACK },
        { op_call_indirect, run_call_indirect, MODE_SHADOW_STACK | MODE_ENDBRANCH },
        { op_jmp_indirect, run_jump_indirect, MODE_ENDBRANCH },
        { op_ret, run_ret, MODE_SHADOW_STACK },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(forms); k++)
        if (forms[k].op == row->op && m->bits & forms[k].modes)
            return forms[k].run;
    return NULL;
}

/* An excused instruction goes on at once, bound as if nothing waited: no event comes between. */
RUN(run_missing_endbranch)
{
    c->res = res;
    c->aux = aux;
    c->current = i;
    if (!endbranch_excused(c, insn_rip(c, i))) {
        run_finish(c, i, cpu_fault_outcome(c));
        return;
    }
    c->rip = insn_rip(c, i);
    c->current = NULL;
    const struct insn *same = code_find(c, code_step_mode(c));
    if (!same) {
        c->outcome = (uint8_t)cpu_fault_outcome(c);
        return;
    }
    GO(same, c->res, c->aux);
}
