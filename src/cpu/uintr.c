// SPDX-License-Identifier: Apache-2.0
// User interrupts as events: recognition, delivery, notifications, and their XSAVE component.
#include "cpu/uintr.h"

#include <string.h>

#include "cpu/cet.h"
#include "cpu/interrupt.h"
#include "mem/phys.h"

/* ---- recognition ---- */

/* CR4.UINTR and the mode count only when one is to be delivered. */
void uintr_load_requests(struct cpu *c, uint64_t requests)
{
    c->msr.uintr_rr = requests;
    if (requests)
        cpu_set_pending(c, PEND_USER);
    else
        cpu_clear_pending(c, PEND_USER);
}

/* SENDUIPI is bound at decode. */
void uintr_load_table(struct cpu *c, uint64_t value)
{
    c->msr.uintr_tt = value;
    cpu_mode_changed(c);
}

/* ---- delivery ---- */

/* STI does not block it. */
static bool deliverable(const struct cpu *c)
{
    return c->msr.uintr_rr && c->cr4 & CR4_UINTR && c->uif && c->cpl == 3 && in_64bit(c) &&
           !(c->shadow & SHADOW_MOV_SS);
}

/* The attempt met a fault or a VM exit; the interrupt stays recognized. */
static void undelivered(struct cpu *c)
{
    struct event e = c->event;
    if (!c->vm_exited)
        cpu_deliver(c, &e);
    c->is_delivering = c->vm_exited = false;
}

/* RSP moves when nothing can fault any more; what lies below it may have been written. */
static bool push_frame(struct cpu *c, unsigned vector)
{
    uint64_t adjust = c->msr.uintr_stackadjust, flags = cpu_rflags(c);
    struct stack s = stack_current(c);
    struct frame f = { .size = 8 };
    s.sp = (adjust & UINTR_STACK_LOAD ? adjust : s.sp - adjust) & ~UINT64_C(15);
    if (c->outcome == AGAIN) /* between two iterations of a string instruction */
        flags |= FLAG_RF;
    frame_add(&f, c->gpr[RSP]);
    frame_add(&f, flags);
    frame_add(&f, c->rip);
    frame_add(&f, vector);
    if (!stack_push_frame(c, &s, &f))
        return false;
    if (shadow_stack_enabled(c, 3)) {
        if (!shadow_store(c, shadow_view(c), c->ssp - 8, 8, c->rip))
            return false;
        c->ssp -= 8;
    }
    stack_commit(c, &s);
    return true;
}

static bool enter_handler(struct cpu *c)
{
    unsigned vector = 63 - (unsigned)__builtin_clzll(c->msr.uintr_rr);
    if (!is_canonical(c, c->msr.uintr_handler))
        return refuse(c, EXC_GP, 0);
    if (!push_frame(c, vector))
        return false;
    uintr_load_requests(c, c->msr.uintr_rr & ~BIT(vector));
    c->uif = false;
    c->shadow = 0; /* nor does what STI has held back stay blocked */
    c->rflags &= ~(uint64_t)(FLAG_TF | FLAG_RF);
    c->rip = c->msr.uintr_handler;
    c->outcome = JUMPED;
    if (endbranch_enabled(c, 3)) {
        track_far(c);
        cpu_mode_changed(c);
    }
    return true;
}

bool uintr_deliver(struct cpu *c)
{
    if (!deliverable(c))
        return false;
    c->delivering_user = true;
    bool entered = enter_handler(c);
    c->delivering_user = false;
    if (!entered)
        undelivered(c);
    else if (c->mtf_armed)
        cpu_set_pending(c, PEND_MTF);
    return true;
}

/* ---- notifications ---- */

bool uintr_is_notification(const struct cpu *c, unsigned vector)
{
    return c->cr4 & CR4_UINTR && in_long_mode(c) && vector == uintr_uinv(c);
}

/* Both quadwords lie in one page.  They are read and written with supervisor privilege. */
static bool take_requests(struct cpu *c, uint64_t *requests)
{
    uint64_t at = c->msr.uintr_pd, pa;
    if (!is_canonical(c, at))
        return refuse(c, EXC_GP, 0);
    c->access_bytes = 8;
    if (!linear_translate(c, at, ACCESS_WRITE, false, true, &pa))
        return false;
    located_store(c, at, pa, 8, located_load(c, at, pa, 8) & ~(uint64_t)UPID_ON);
    *requests = located_load(c, at + 8, pa + 8, 8);
    located_store(c, at + 8, pa + 8, 8, 0);
    return true;
}

/* For error codes and IDT-vectoring information it is the delivery of the interrupt.  HLT goes on
 * afterwards; between two iterations of a string instruction RF becomes 1. */
void uintr_process_notification(struct cpu *c)
{
    uint64_t requests;
    if (c->outcome == AGAIN)
        c->rflags |= FLAG_RF;
    if (c->activity == ACTIVITY_MWAIT)
        c->activity = ACTIVITY_ACTIVE;
    c->delivering = (struct event){ .vector = (uint8_t)uintr_uinv(c), .type = EVENT_EXTERNAL };
    c->is_delivering = true;
    if (!take_requests(c, &requests)) {
        undelivered(c);
        return;
    }
    c->is_delivering = false;
    if (requests)
        uintr_load_requests(c, c->msr.uintr_rr | requests);
}

/* ---- the XSAVE component ---- */

struct image {
    uint64_t handler, stackadjust, misc /* and UIF */, pd, rr, tt;
};
_Static_assert(sizeof(struct image) == 48, "the component has 48 bytes");
#define IMAGE_UIF BIT(63)

void save_UINTR(const struct cpu *c, void *image)
{
    const struct msr_state *m = &c->msr;
    const struct image s = {
        m->uintr_handler, m->uintr_stackadjust, m->uintr_misc | (c->uif ? IMAGE_UIF : 0),
        m->uintr_pd, m->uintr_rr, m->uintr_tt,
    };
    memcpy(image, &s, sizeof s);
}

static bool address_legal(const struct cpu *c, uint64_t v, uint64_t reserved)
{
    return is_canonical(c, v) && !(v & reserved);
}

/* The MSRs' rules; UINV must be 0 before. */
bool legal_UINTR(const struct cpu *c, const void *image)
{
    struct image s;
    memcpy(&s, image, sizeof s);
    return !uintr_uinv(c) && address_legal(c, s.handler, 0) &&
           address_legal(c, s.stackadjust, UINTR_STACK_RESERVED) &&
           !(s.misc & UINTR_MISC_RESERVED & ~IMAGE_UIF) &&
           address_legal(c, s.pd, UINTR_PD_RESERVED) && address_legal(c, s.tt, UINTR_TT_RESERVED);
}

void load_UINTR(struct cpu *c, const void *image)
{
    struct image s;
    memcpy(&s, image, sizeof s);
    c->msr.uintr_handler = s.handler;
    c->msr.uintr_stackadjust = s.stackadjust;
    c->msr.uintr_misc = s.misc & ~IMAGE_UIF;
    c->msr.uintr_pd = s.pd;
    c->uif = s.misc & IMAGE_UIF;
    uintr_load_requests(c, s.rr);
    uintr_load_table(c, s.tt);
}
