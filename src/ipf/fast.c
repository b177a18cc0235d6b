// SPDX-License-Identifier: Apache-2.0
// The fast list of a block: what runs when a block runs whole.  It leaves nops out, branches and
// the block's end go on with the next block by themselves, and frequent operations that nothing
// qualifies have handlers that know where their registers are (op_fast.c, float_fast.c).  What
// these do not do goes to the same operation of the block's full list, which then goes on to the
// end of the block.  All other operations have their one handler in both lists.
#include "ipf/fast.h"

static const struct {
    ipf_run *run, *on;
} branches[] = {
    { ia_br_cond, ia_br_cond_on }, { ia_br_cond_b, ia_br_cond_b_on },
    { ia_br_call, ia_br_call_on }, { ia_br_call_b, ia_br_call_b_on },
    { ia_br_ret, ia_br_ret_on },   { ia_br_cloop, ia_br_cloop_on },
    { ia_br_ctop, ia_br_ctop_on }, { ia_br_cexit, ia_br_cexit_on },
    { ia_br_wtop, ia_br_wtop_on }, { ia_br_wexit, ia_br_wexit_on },
    { ia_end, ia_end_on },
};

/* Position (s1) and length (s2), which is cut at bit 63, as shifts and a mask. */
static void bind_fields(struct ipf_op *op, enum ipf_fast_fields fields)
{
    if (fields == FIELDS_NONE)
        return;
    unsigned position = op->s1;
    unsigned length = position + op->s2 > 64 ? 64 - position : op->s2;
    uint64_t mask = ~UINT64_C(0) >> (64 - length);
    switch (fields) {
    case FIELDS_NONE: break;
    case FIELDS_EXTR:
        op->s1 = (uint8_t)(64 - position - length);
        op->s2 = (uint8_t)(64 - length);
        break;
    case FIELDS_EXTR_U: op->imm = (int64_t)mask; break;
    case FIELDS_DEP_Z: op->imm = (int64_t)(mask << position); break;
    }
}

static uint16_t place_of(unsigned r, uint8_t *of)
{
    *of = r >= 32;
    return (uint16_t)((r < 32 ? r : r - 32) * sizeof(struct ipf_gr));
}
static void bind_registers(struct ipf_op *op, const struct ipf_fast_row *row)
{
    op->at1 = place_of(op->r1, &op->of1);
    op->at2 = place_of(op->r2, &op->of2);
    op->at3 = place_of(op->r3, &op->of3);
    if (row->writes & WRITES_R1 && op->of1)
        op->reach = op->r1;
    if (row->writes & WRITES_R3 && op->of3 && op->r3 > op->reach)
        op->reach = op->r3;
}

enum { NO_REGISTER = 0xff };

/* last: the register that the operation before leaves in `last`.  Returns the same for this one. */
static unsigned bind_row(struct ipf_op *op, const struct ipf_fast_row *row, unsigned last)
{
    bool r2 = row->reads & READS_R2, r3 = row->reads & READS_R3, r1 = row->writes & WRITES_R1;
    if (row->writes & WRITES_PREDICATES && op->r1 == op->r4)
        return NO_REGISTER;
    bind_fields(op, (enum ipf_fast_fields)row->fields);
    bind_registers(op, row);
    enum ipf_fast_last is = r2 && op->r2 == last   ? LAST_IS_R2
                            : r3 && op->r3 == last ? LAST_IS_R3
                                                   : LAST_IS_NONE;
    bool any = (r1 && op->of1) || (r2 && op->of2) || (r3 && op->of3);
    op->run = row->run_fast[any * LASTS + is];
    return r1 ? op->r1 : NO_REGISTER;
}

static unsigned bind(struct ipf_op *op, unsigned last)
{
    for (size_t k = 0; k < ARRAY_SIZE(branches); k++)
        if (branches[k].run == op->run) {
            op->run = branches[k].on;
            return NO_REGISTER;
        }
    if (op->qp || ipf_fast_float(op))
        return NO_REGISTER;
    for (unsigned k = 0; k < ipf_fast_row_count; k++)
        if (ipf_fast_rows[k].run == op->run)
            return bind_row(op, &ipf_fast_rows[k], last);
    return NO_REGISTER;
}

void ipf_fast_list(struct ipf_block *b)
{
    struct ipf_op *to = b->fast;
    unsigned last = NO_REGISTER;
    for (const struct ipf_op *from = b->op; from <= &b->op[b->ops]; from++) {
        if (from->run == ia_nop)
            continue;
        *to = *from;
        last = bind(to++, last);
    }
}
