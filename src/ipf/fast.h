// SPDX-License-Identifier: Apache-2.0
// How a block runs whole: a second list of its operations, which is shorter.
#ifndef SP_IPF_FAST_H
#define SP_IPF_FAST_H

#include "ipf/block.h"
#include "ipf/op.h"

/* Makes b->fast of b->op: room for b->ops + 1. */
void ipf_fast_list(struct ipf_block *b);
/* For a fast handler that does the usual case only: the block's full list does this operation and
 * those behind it. */
static inline unsigned hand_over(struct ipf_cpu *c, const struct ipf_op *op)
{
    op = in_block(c, op);
    return op->run(c, op, 0);
}
/* Binds an operation without predicate to its fast handler; false: it has none in float_fast.c. */
bool ipf_fast_float(struct ipf_op *op);
/* What c->host_rounds_to_nearest is to be: the program that we are in may round otherwise. */
bool ipf_host_rounds_to_nearest(void);

/* ---- op_fast.c ---- */

/* Which source of an operation is what the operation before has written: it comes in `last`. */
enum ipf_fast_last { LAST_IS_NONE, LAST_IS_R2, LAST_IS_R3, LASTS };
enum { READS_R2 = 1, READS_R3 = 2 };
enum { WRITES_R1 = 1, WRITES_R3 = 2, WRITES_PREDICATES = 4 };
enum ipf_fast_fields { FIELDS_NONE, FIELDS_EXTR, FIELDS_EXTR_U, FIELDS_DEP_Z };

struct ipf_fast_row {
    ipf_run *run;
    ipf_run *run_fast[2 * LASTS]; /* with r0 to r31 only; with any registers */
    uint8_t reads, writes, fields;
};
extern const struct ipf_fast_row ipf_fast_rows[];
extern const unsigned ipf_fast_row_count;

/* ---- from block to block ---- */

/* Where the block that is entered at an address would be found. */
static inline struct ipf_jump *jump_at(struct ipf_cpu *c, uint64_t ip, unsigned slot)
{
    return &c->jump[(ip >> 4 ^ ip >> 16 ^ slot << 10) % IPF_JUMPS];
}

/* Where control goes behind the operations of a block that are done. */
struct ipf_way {
    unsigned done;
    uint64_t last_ip; /* bundle of the last of them */
    uint64_t ip;
    unsigned slot;
};
static inline unsigned leave_by(struct ipf_cpu *c, struct ipf_way w)
{
    c->last_ip = w.last_ip;
    c->ip = w.ip;
    c->slot = w.slot;
    return w.done;
}
/* Goes on with block b, if nothing is to be done before: what run.c asks between two blocks. */
static inline unsigned go_into(struct ipf_cpu *c, struct ipf_way w, const struct ipf_block *b)
{
    uint64_t retired = c->retired + w.done;
    if (unlikely(c->attention || retired + b->ops > c->end))
        return leave_by(c, w);
    c->retired = retired;
    c->last_ip = w.last_ip;
    c->block = b;
    c->block_ip = w.ip;
    return b->fast->run(c, b->fast, 0);
}
/* Goes on behind op with the block that is known at w.ip.  near: it is always the same distance
 * away.  In the same page it is always the same block then, if code is translated as it was when
 * op's own block was entered. */
static inline __attribute__((always_inline)) unsigned
go_on(struct ipf_cpu *c, const struct ipf_op *op, struct ipf_way w, bool near)
{
    near = near && c->block_key == c->fetch_key;
    if (near && likely(op->link != NULL))
        return go_into(c, w, op->link);
    const struct ipf_jump *j = jump_at(c, w.ip, w.slot);
    if (j->at != (w.ip | w.slot) || j->key != c->fetch_key)
        return leave_by(c, w);
    if (near && !((w.ip ^ c->block_ip) >> 12))
        c->block->fast[op - c->block->fast].link = j->block;
    c->block_key = c->fetch_key;
    return go_into(c, w, j->block);
}

/* Branches and ia_end that go on (op_branch.c). */
ipf_run ia_br_cond_on, ia_br_cond_b_on, ia_br_call_on, ia_br_call_b_on, ia_br_ret_on;
ipf_run ia_br_cloop_on, ia_br_ctop_on, ia_br_cexit_on, ia_br_wtop_on, ia_br_wexit_on, ia_end_on;

#endif
