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
unsigned float_trap_code(const struct float_env *e);
/* Whether PSR.dfl or dfh disables one of the first `count` registers of r1, r2, r3, r4; then the
 * fault has happened and *done is what the handler returns. */
bool float_disabled(struct ipf_cpu *c, const struct ipf_op *op, unsigned count, unsigned *done);
/* Writes a register, and PSR.mfl or mfh. */
void set_fr(struct ipf_cpu *c, unsigned n, struct ipf_fr value);
unsigned float_finish(struct ipf_cpu *c, const struct ipf_op *op, const struct float_env *e,
                      struct ipf_fr result);

#endif
