// SPDX-License-Identifier: Apache-2.0
// Shadow stacks in far transfers and event delivery: SDM vol. 1, "Supervisor Shadow Stack Token";
// vol. 2, the pseudocode of CALL, RET, "INT n/INTO/INT3/INT1" and IRET.  A token and the frame
// under it lie in one page, so the frame's stores succeed if the token can be taken: no stack
// becomes prematurely busy.
#include "cpu/cet.h"
#include "cpu/descriptor.h"

static bool plan_push(struct cpu *c, struct shadow_view s, struct shadow_move *m, uint64_t value)
{
    m->ssp -= 8;
    return shadow_plan(c, s, m, m->ssp, 8, value);
}

bool shadow_plan_frame(struct cpu *c, struct shadow_view s, struct shadow_move *m,
                       const struct shadow_frame *f)
{
    return plan_push(c, s, m, f->cs) && plan_push(c, s, m, f->lip) && plan_push(c, s, m, f->ssp);
}

/* ---- tokens ---- */

static bool acquire(struct cpu *c, struct shadow_view s, struct shadow_move *m, uint64_t ssp)
{
    bool free;
    if (!shadow_token_aligned(ssp) || (!s.wide && ssp >> 32))
        return refuse(c, EXC_GP, 0);
    if (!shadow_plan_exchange(c, s, m, ssp, ssp | SHADOW_BUSY, ssp, &free))
        return false;
    m->ssp = ssp;
    return free || refuse(c, EXC_GP, 0);
}

/* A stack that is not busy is left as it is. */
static bool release(struct cpu *c, struct shadow_view s, struct shadow_move *m, uint64_t ssp)
{
    bool busy;
    return shadow_plan_exchange(c, s, m, ssp, ssp, ssp | SHADOW_BUSY, &busy);
}

/* ---- to a procedure or handler ---- */

static bool wide_code(const struct cpu *c, const struct segment *cs)
{
    return in_long_mode(c) && cs->access & SEG_L;
}

/* ShadowStackEnabled(cpl) once the transfer is out of virtual-8086 mode. */
static bool enabled_at(const struct cpu *c, unsigned cpl)
{
    return c->cr4 & CR4_CET && in_protected(c) && cet_control(c, cpl) & CET_SH_STK_EN;
}

bool shadow_call_prepare(struct cpu *c, const struct shadow_call *t, struct shadow_move *m)
{
    struct shadow_view s = { .wide = wide_code(c, t->cs), .user = t->cpl == 3 };
    const struct shadow_frame f = { c->seg[CS].selector, t->return_lip, c->ssp };
    bool inner = t->cpl != c->cpl;
    *m = (struct shadow_move){ .ssp = c->ssp };
    m->saves_user = inner && c->cpl == 3 && shadow_stack_enabled(c, 3);
    if (!enabled_at(c, t->cpl))
        return true;
    if (t->switches && !acquire(c, s, m, t->ssp))
        return false;
    if (inner)
        return c->cpl == 3 || shadow_plan_frame(c, s, m, &f);
    if (!shadow_plan(c, s, m, m->ssp - 4, 4, 0))
        return false;
    m->ssp &= ~UINT64_C(7);
    return shadow_plan_frame(c, s, m, &f);
}

/* ---- back ---- */

bool shadow_load_frame(struct cpu *c, struct shadow_frame *f)
{
    struct shadow_view s = shadow_view(c);
    return shadow_load(c, s, c->ssp + 16, 8, &f->cs) && shadow_load(c, s, c->ssp + 8, 8, &f->lip) &&
           shadow_load(c, s, c->ssp, 8, &f->ssp);
}

static bool bad_return(struct cpu *c) { return refuse(c, EXC_CP, CP_FAR_RET_IRET); }

/* The frame at SSP must say what the data stack says; *previous is the SSP in it. */
static bool verify_frame(struct cpu *c, const struct shadow_return *t, uint64_t *previous)
{
    uint64_t at = wide_code(c, t->cs) ? t->rip : (uint32_t)(t->cs->base + t->rip);
    struct shadow_frame f;
    if (!shadow_load_frame(c, &f))
        return false;
    *previous = f.ssp;
    return (f.cs == t->selector && f.lip == at && !(f.ssp & 3)) || bad_return(c);
}

bool shadow_return_prepare(struct cpu *c, const struct shadow_return *t, struct shadow_move *m)
{
    bool outer = t->cpl != c->cpl, to_user = outer && t->cpl == 3;
    bool from = shadow_stack_enabled(c, c->cpl);
    uint64_t previous = c->msr.pl_ssp[3], token = c->ssp;
    *m = (struct shadow_move){ .ssp = c->ssp };
    if (from && c->ssp & 7)
        return bad_return(c);
    if (from && !to_user) {
        if (!verify_frame(c, t, &previous))
            return false;
        token += SHADOW_FRAME;
    }
    if (shadow_stack_enabled(c, t->cpl)) {
        if (wide_code(c, t->cs) ? !is_canonical(c, previous) : previous >> 32)
            return refuse(c, EXC_GP, 0);
        m->ssp = previous;
    }
    bool left = outer || (t->iret && in_long_mode(c) && previous != token);
    return !from || !left || release(c, shadow_view(c), m, token);
}

bool shadow_return_to_v86(struct cpu *c, struct shadow_move *m)
{
    *m = (struct shadow_move){ .ssp = c->ssp };
    if (c->cr4 & CR4_CET && c->msr.u_cet & (CET_SH_STK_EN | CET_ENDBR_EN))
        return refuse(c, EXC_GP, 0);
    if (!shadow_stack_enabled(c, 0))
        return true;
    return c->ssp & 7 ? bad_return(c) : release(c, shadow_view(c), m, c->ssp);
}

/* ---- fast system calls ---- */

/* Bits above the linear-address width follow the highest below it. */
void shadow_save_user(struct cpu *c)
{
    unsigned k = 64 - c->linear_bits;
    if (shadow_stack_enabled(c, c->cpl))
        c->msr.pl_ssp[3] = in_long_mode(c) ? (uint64_t)((int64_t)(c->ssp << k) >> k) : c->ssp;
}

void shadow_enter_by_syscall(struct cpu *c)
{
    if (shadow_stack_enabled(c, c->cpl))
        c->ssp = 0;
}

void shadow_return_by_syscall(struct cpu *c)
{
    if (shadow_stack_enabled(c, c->cpl))
        c->ssp = c->msr.pl_ssp[3];
}
