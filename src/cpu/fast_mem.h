// SPDX-License-Identifier: Apache-2.0
// Memory operands of fast forms: a TLB hit, or the general handler.
#ifndef SP_CPU_FAST_MEM_H
#define SP_CPU_FAST_MEM_H

#include <string.h>

#include "cpu/run.h"

/* In traced blocks the accessors' TLB is empty, and the real one stands beside it; what is loaded goes
 * to the trace (trace.h). */
#ifdef SP_TRACED
#define READS c->traced_read
#define WRITES c->traced_write
#define LOADED(at, n) memcpy(&c->record[i->room], at, n);
#undef GENERAL
#define GENERAL TAIL run_traced_general(c, i, res, aux, last)
#define FORWARDS 0      /* run_traced_general() does not tell the next what it has loaded */
#else
#define READS c->tlb_read
#define WRITES c->tlb_write
#define LOADED(at, n)
#define FORWARDS SP_TAIL_CALLS
#endif

#define EA_OF(base, index) ((base) + ((index) << (i->sib & 3)) + (uint64_t)(int64_t)i->disp)
#define EA EA_OF(c->gpr[i->rm], c->gpr[i->index])
#define EA_BY_BASE EA_OF(last, c->gpr[i->index])
#define EA_BY_INDEX EA_OF(c->gpr[i->rm], last)

/* host_ = the host address of the n bytes at `at`; anything unusual goes the general way. */
#define HOST(tlb, at, n)                                                    \
    const uint64_t at_ = (at);                                              \
    const struct tlb_entry *slot_ = tlb_slot(tlb, at_);                     \
    if (unlikely(!tlb_hit(c, slot_, at_, n)))                               \
        GENERAL;                                                            \
    uint8_t *host_ = (uint8_t *)(at_ + slot_->addend);
/* Declares `var` of type T, loaded from i's memory operand. */
#define LOAD(T, var) LOAD_AT(T, var, EA)
#define LOAD_BY_BASE(T, var) LOAD_AT(T, var, EA_BY_BASE)
#define LOAD_BY_INDEX(T, var) LOAD_AT(T, var, EA_BY_INDEX)
#define LOAD_AT(T, var, ea)                                                 \
    T var;                                                                  \
    {                                                                       \
        HOST(READS, ea, sizeof(T))                                          \
        memcpy(&var, host_, sizeof(T));                                     \
        LOADED(&var, sizeof(T))                                             \
    }
#define STORE(T, value)                                                     \
    {                                                                       \
        T value_ = (T)(value);                                              \
        HOST(WRITES, EA, sizeof(T))                                         \
        memcpy(host_, &value_, sizeof(T));                                  \
    }

#endif
