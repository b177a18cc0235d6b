// SPDX-License-Identifier: Apache-2.0
// RET far, and the checks that it shares with IRET: SDM vol. 2, "RET--Return From Procedure" and
// "IRET/IRETD/IRETQ--Interrupt Return".
#include "cpu/far_return.h"

#include "cpu/cet.h"
#include "cpu/ops.h"

bool far_return_code(struct cpu *c, struct far_return *r)
{
    struct descriptor d;
    uint16_t selector = r->cs_selector, code = selector & 0xfffc;
    unsigned rpl = selector_rpl(selector);
    if (is_null(selector))
        return refuse(c, EXC_GP, 0);
    if (!descriptor_fetch(c, selector, EXC_GP, &d))
        return false;
    unsigned dpl = seg_dpl(&d.seg);
    if (!seg_is_code(&d.seg) || rpl < c->cpl)
        return refuse(c, EXC_GP, code);
    if (seg_is_conforming(&d.seg) ? dpl > rpl : dpl != rpl)
        return refuse(c, EXC_GP, code);
    if (in_long_mode(c) && (d.seg.access & (SEG_L | SEG_DB)) == (SEG_L | SEG_DB))
        return refuse(c, EXC_GP, code);
    if (!seg_present(&d.seg))
        return refuse(c, EXC_NP, code);
    if (!descriptor_set_accessed(c, &d))
        return false;
    r->cs = d.seg;
    r->outer = rpl > c->cpl;
    if (!(in_long_mode(c) && (d.seg.access & SEG_L)))
        r->rip = (uint32_t)r->rip;
    return true;
}

bool far_return_stack(struct cpu *c, struct far_return *r, uint16_t selector)
{
    unsigned rpl = selector_rpl(r->cs_selector);
    bool to_64bit = in_long_mode(c) && (r->cs.access & SEG_L);
    if (is_null(selector) && to_64bit && rpl != 3) {
        if (selector_rpl(selector) != rpl)
            return refuse(c, EXC_GP, selector & 0xfffc);
        r->ss = segment_null(selector, rpl);
        return true;
    }
    return segment_prepare_stack(c, selector, rpl, EXC_GP, &r->ss);
}

bool far_return_shadow(struct cpu *c, const struct far_return *r, bool iret, struct shadow_move *m)
{
    const struct shadow_return back = { .cs = &r->cs, .selector = r->cs_selector, .rip = r->rip,
                                        .cpl = selector_rpl(r->cs_selector), .iret = iret };
    return shadow_return_prepare(c, &back, m);
}

void far_return_commit(struct cpu *c, const struct far_return *r, uint64_t bytes)
{
    if (!r->new_stack)
        stack_pointer_write(c, c->gpr[RSP] + bytes);
    c->seg[CS] = r->cs;
    c->cpl = (uint8_t)selector_rpl(r->cs_selector);
    c->rip = r->rip;
    if (r->new_stack) {
        c->seg[SS] = r->ss;
        if (stack_asize(c) == 2)            /* a 16-bit stack keeps the upper part of ESP */
            stack_pointer_write(c, r->rsp);
        else
            c->gpr[RSP] = r->rsp & size_mask(stack_asize(c));
    }
    if (r->outer)
        segments_drop_privileged(c);
    cpu_mode_changed(c);
}

static enum outcome ret_real(struct cpu *c, const struct insn *i, uint64_t rip, uint16_t cs,
                             uint64_t release)
{
    if (rip > (in_v86(c) ? 0xffff : c->seg[CS].limit))
        return cpu_raise_code(c, EXC_GP, 0);
    stack_pointer_write(c, c->gpr[RSP] + 2u * i->size + release);
    c->seg[CS] = segment_real(c, CS, cs);
    c->rip = rip;
    cpu_mode_changed(c);
    return JUMPED;
}

enum outcome op_ret_far(struct cpu *c, const struct insn *i)
{
    uint64_t cs, ss, sp, release = i->opcode == 0xca ? i->imm & 0xffff : 0;
    struct far_return r = { 0 };
    struct shadow_move m;
    FAULT_IF(!stack_peek(c, 0, i->size, &r.rip) || !stack_peek(c, i->size, i->size, &cs));
    r.cs_selector = (uint16_t)cs;
    if (in_real_or_v86(c))
        return ret_real(c, i, r.rip, r.cs_selector, release);
    FAULT_IF(!far_return_code(c, &r));
    if (r.outer) {
        uint64_t at = 2u * i->size + release;
        FAULT_IF(!stack_peek(c, at, i->size, &sp) || !stack_peek(c, at + i->size, i->size, &ss));
        FAULT_IF(!far_return_stack(c, &r, (uint16_t)ss));
        r.new_stack = true;
        r.rsp = sp + release;
    }
    if (!code_target_ok(c, &r.cs, r.rip))
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!far_return_shadow(c, &r, false, &m));
    shadow_commit(c, &m);
    far_return_commit(c, &r, 2u * i->size + release);
    return JUMPED;
}
