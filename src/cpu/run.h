// SPDX-License-Identifier: Apache-2.0
// Threading: how one runner goes on to the next instruction.  With optimisation each runner calls
// the next in tail position; without it, and under sanitizers, the loop in run.c makes the call.
#ifndef SP_CPU_RUN_H
#define SP_CPU_RUN_H

#include "cpu/access.h"
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "mem/phys.h"

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(SP_NO_TAIL_CALLS)
#define SP_TAIL_CALLS 1
#else
#define SP_TAIL_CALLS 0
#endif

#if SP_TAIL_CALLS && defined(__clang__)
#define TAIL __attribute__((musttail)) return
#else
#define TAIL return
#endif

/* last: what the instruction before has written to its destination, for a runner that was chosen
 * because that is one of its sources (fast_forward.h); else anything. */
#define RUN(name)                                                                    \
    void name(struct cpu *c, const struct insn *i, uint64_t res, uint64_t aux, uint64_t last)

#if SP_TAIL_CALLS
#define GO(n, res, aux) TAIL (n)->run(c, (n), res, aux, last)
#else
#define GO(n, res_, aux_) do { c->next = (n); c->res = (res_); c->aux = (aux_); return; } while (0)
#endif
#define NEXT GO(i + 1, res, aux)
/* Hands the instruction to its general handler: a fast form met something unusual. */
#define GENERAL TAIL run_general(c, i, res, aux, last)

run_fn run_general, run_locked, run_undefined, run_general_protection, run_device_not_available,
    run_exit, run_stale, run_end, run_end_leave, run_end_far, run_unresolved, run_budget_out,
    run_missing_endbranch;

/* Leaves the block after instruction i with outcome o. */
void run_finish(struct cpu *c, const struct insn *i, enum outcome o);
/* The runner of a near branch where CET watches it; NULL: CET does not (branch_cet.c). */
run_fn *cet_form(const struct mode *m, const struct insn_row *row);

/* Follows a link slot: the target block is paid for, or the run loop is asked. */
#define FOLLOW(link, res, aux)                                                       \
    do {                                                                             \
        const struct insn *slot_ = (link);                                           \
        const struct insn *target_ = (const struct insn *)(uintptr_t)slot_->imm;     \
        c->gpr[REG_BLOCK_RIP] += (uint64_t)(int64_t)slot_->disp;                     \
        c->budget -= target_->left;                                                  \
        if (unlikely(c->budget < 0))                                                 \
            TAIL run_budget_out(c, target_, res, aux, last);                               \
        GO(target_, res, aux);                                                       \
    } while (0)

/* Looks `rip` up in the jump cache.  A miss runs `miss`, before anything was changed. */
#define FIND_JUMP(entry, target_rip, miss)                                           \
    const uint64_t rip_ = (target_rip);                                              \
    const struct jump_entry *entry = &c->jump[jump_slot(rip_)];                      \
    if (unlikely(entry->rip != rip_ || entry->key != c->jump_key))                   \
        miss
#define TAKE_JUMP(entry, res, aux)                                                   \
    do {                                                                             \
        const struct insn *target_ = (entry)->first;                                 \
        c->gpr[REG_BLOCK_RIP] = rip_;                                                \
        c->budget -= target_->left;                                                  \
        if (unlikely(c->budget < 0))                                                 \
            TAIL run_budget_out(c, target_, res, aux, last);                               \
        GO(target_, res, aux);                                                       \
    } while (0)

static inline unsigned jump_slot(uint64_t rip)
{
    return (unsigned)(rip ^ rip >> 12) & (JUMP_SLOTS - 1);
}
/* The TLB entry that may hold `linear`, and whether it holds all n bytes there: one compare and one
 * addition on a hit.  The compare is made with the last byte's page, so that an access across pages
 * misses. */
static inline const struct tlb_entry *tlb_slot(const struct tlb_entry *tlb, uint64_t linear)
{
    return &tlb[(linear >> PAGE_SHIFT) & (TLB_SLOTS - 1)];
}
static inline bool tlb_hit(const struct cpu *c, const struct tlb_entry *t, uint64_t linear,
                           unsigned n)
{
    return likely((((linear + n - 1) & PAGE_MASK) | c->tlb_generation) == t->tag);
}
/* Host address of [linear, linear + n) by the TLB, or NULL. */
static inline uint8_t *tlb_lookup(const struct cpu *c, const struct tlb_entry *tlb, uint64_t linear,
                                  unsigned n)
{
    const struct tlb_entry *t = tlb_slot(tlb, linear);
    return tlb_hit(c, t, linear, n) ? (uint8_t *)(linear + t->addend) : NULL;
}

#endif
