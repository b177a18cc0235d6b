// SPDX-License-Identifier: Apache-2.0
// What floating-point handlers share.
#ifndef SP_IPF_FLOAT_OP_H
#define SP_IPF_FLOAT_OP_H

#include "ipf/float.h"
#include "ipf/op.h"

enum { RELATION_EQ, RELATION_LT, RELATION_LE, RELATION_UNORDERED };
enum float_result { FLOAT_BY_PC, FLOAT_SINGLE, FLOAT_DOUBLE, FLOAT_PARALLEL };

/* The rules of the operation's status field for a kind of result; false: its precision control is
 * reserved. */
bool float_begin(const struct ipf_cpu *c, const struct ipf_op *op, enum float_result kind,
                 struct float_env *e);
/* Sets flags of the operation's status field. */
void float_raise(struct ipf_cpu *c, const struct ipf_op *op, unsigned flags);
/* ISR.code of the trap that an operation makes as a whole or in its high half; 0: none. */
unsigned float_trap_code(const struct float_env *e);
/* ISR.code of the fault that it makes, likewise. */
static inline unsigned float_fault_code(const struct float_env *e)
{
    return e->flags & e->enabled & FLOAT_FAULTS;
}
/* ISR.code of a Disabled FP-Register fault because PSR.dfl or dfh disables one of four registers;
 * 0: none.  f0 and f1 always work: they stand for no register. */
static inline unsigned fp_reg_disabled(const struct ipf_cpu *c, unsigned a, unsigned b, unsigned d,
                                       unsigned e)
{
    if (likely(!(c->psr & (PSR_DFL | PSR_DFH))))
        return 0;
    bool low = (a > 1 && a < 32) || (b > 1 && b < 32) || (d > 1 && d < 32) || (e > 1 && e < 32);
    bool high = a >= 32 || b >= 32 || d >= 32 || e >= 32;
    return (c->psr & PSR_DFL && low ? 1 : 0) | (c->psr & PSR_DFH && high ? 2 : 0);
}
/* Faults if one of the registers is disabled. */
#define FP_REGISTERS(c, op, a, b, d, e)                                                            \
    do {                                                                                           \
        unsigned code_ = fp_reg_disabled(c, a, b, d, e);                                           \
        if (unlikely(code_))                                                                       \
            return disabled_fp(c, op, code_);                                                      \
    } while (0)
/* Writes a register, and PSR.mfl or mfh. */
void set_fr(struct ipf_cpu *c, unsigned n, struct ipf_fr value);
unsigned float_finish(struct ipf_cpu *c, const struct ipf_op *op, const struct float_env *e,
                      struct ipf_fr result);

#endif
