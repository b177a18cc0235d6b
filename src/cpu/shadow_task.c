// SPDX-License-Identifier: Apache-2.0
// Shadow stacks in task switches: SDM vol. 1, "Shadow Stack Usage on Task Switch"; vol. 3, "Task
// Switching".
#include "cpu/cet.h"
#include "cpu/descriptor.h"

enum { TSS_LIMIT_CET = 107 };

bool shadow_task_legal(struct cpu *c, const struct segment *tss, bool iret)
{
    if (iret && c->ssp & 7 && shadow_stack_enabled(c, c->cpl))
        return refuse(c, EXC_TS, c->seg[TR].selector & 0xfffc);
    bool fits = seg_type(tss) & 8 && tss->limit >= TSS_LIMIT_CET;
    return !(c->cr4 & CR4_CET) || fits || refuse(c, EXC_TS, tss->selector & 0xfffc);
}

/* A token that does not say busy stays as it is. */
static bool release(struct cpu *c, struct shadow_task *t, uint64_t at)
{
    bool busy;
    return shadow_plan_exchange(c, shadow_view(c), &t->leave, at, at, at | SHADOW_BUSY, &busy);
}

bool shadow_task_prepare(struct cpu *c, struct shadow_task *t, bool iret, bool links, unsigned cpl,
                         uint64_t next_rip)
{
    t->leave.ssp = c->ssp;
    t->enabled = shadow_stack_enabled(c, c->cpl);
    if (!t->enabled)
        return true;
    if (iret) {
        t->verifies = cpl == c->cpl || cpl < 3;
        t->leave.ssp = 0;
        if (t->verifies && !shadow_load_frame(c, &t->frame))
            return false;
        return release(c, t, c->ssp + (t->verifies ? SHADOW_FRAME : 0));
    }
    t->leave.saves_user = links && c->cpl == 3 && cpl < 3;
    t->pushes = links && !t->leave.saves_user;
    t->frame = (struct shadow_frame){ c->seg[CS].selector,
                                      (uint32_t)(c->seg[CS].base + next_rip), c->ssp };
    return true;
}

void shadow_task_leave(struct cpu *c, const struct shadow_task *t)
{
    if (t->enabled)
        shadow_commit(c, &t->leave);
}

static bool refuse_tss(struct cpu *c) { return refuse(c, EXC_TS, c->seg[TR].selector & 0xfffc); }
static bool bad_return(struct cpu *c) { return refuse(c, EXC_CP, CP_FAR_RET_IRET); }

/* Back in a task: the frame of the one that was left says where, and has the SSP. */
static bool resume(struct cpu *c, const struct shadow_task *t)
{
    uint64_t ssp = t->verifies ? t->frame.ssp : c->msr.pl_ssp[3];
    if (t->verifies && (t->frame.cs != c->seg[CS].selector ||
                        t->frame.lip != (uint32_t)(c->seg[CS].base + c->rip)))
        return bad_return(c);
    if (!shadow_stack_enabled(c, c->cpl))
        return true;
    if (ssp & 3 || ssp >> 32)
        return bad_return(c);
    c->ssp = ssp;
    return true;
}

bool shadow_task_enter(struct cpu *c, const struct shadow_task *t, bool iret)
{
    struct shadow_view s = { .user = c->cpl == 3 };
    struct shadow_move m = { .ssp = t->ssp };
    bool free;
    if (c->cr4 & CR4_CET && in_v86(c) && c->msr.u_cet & (CET_SH_STK_EN | CET_ENDBR_EN))
        return refuse_tss(c);
    if (iret)
        return resume(c, t);
    track_far(c);
    if (!shadow_stack_enabled(c, c->cpl))
        return true;
    if (!shadow_token_aligned(m.ssp))
        return refuse_tss(c);
    if (!shadow_plan_exchange(c, s, &m, m.ssp, m.ssp | SHADOW_BUSY, m.ssp, &free))
        return false;
    if (!free)
        return refuse_tss(c);
    if (t->pushes && !shadow_plan_frame(c, s, &m, &t->frame))
        return false;
    shadow_commit(c, &m);
    return true;
}
