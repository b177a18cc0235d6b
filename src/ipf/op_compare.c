// SPDX-License-Identifier: Apache-2.0
// Compares and bit tests (formats A6 to A8, I16, I17, I30; SDM vol. 1, "Compare Instructions and
// Predication").
#include "ipf/op.h"

/* How a result is written to p1 and p2, by the type of the compare.  With a NaT source the relation
 * is false, but both targets are cleared (none, unc, and) or left alone (or, or.andcm). */
static void write_plain(struct ipf_cpu *c, const struct ipf_op *op, bool holds, bool nat)
{
    set_pr(c, op->r1, holds && !nat);
    set_pr(c, op->r4, !holds && !nat);
}
static void write_and(struct ipf_cpu *c, const struct ipf_op *op, bool holds, bool nat)
{
    if (nat || !holds) {
        set_pr(c, op->r1, false);
        set_pr(c, op->r4, false);
    }
}
static void write_or(struct ipf_cpu *c, const struct ipf_op *op, bool holds, bool nat)
{
    if (!nat && holds) {
        set_pr(c, op->r1, true);
        set_pr(c, op->r4, true);
    }
}
static void write_or_andcm(struct ipf_cpu *c, const struct ipf_op *op, bool holds, bool nat)
{
    if (!nat && holds) {
        set_pr(c, op->r1, true);
        set_pr(c, op->r4, false);
    }
}

/* p1 = p2 is an Illegal Operation fault for the types that write both (SDM vol. 3, cmp): unc
 * faults even if its predicate is false. */
#define COMPARE(name, sources, relation, write)                                                    \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        sources;                                                                                   \
        if (unlikely(op->r1 == op->r4))                                                            \
            return illegal_operation(c, op);                                                       \
        write(c, op, relation, nat);                                                               \
        NEXT(c, op);                                                                               \
    }
#define COMPARE_UNC(name, sources, relation)                                                       \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        bool executes = c->pr >> op->qp & 1;                                                       \
        sources;                                                                                   \
        if (unlikely(op->r1 == op->r4))                                                            \
            return illegal_operation(c, op);                                                       \
        write_plain(c, op, relation, nat || !executes);                                            \
        NEXT(c, op);                                                                               \
    }

/* x is the first source, y is r3; cmp4 compares their low halves. */
#define REGISTERS(type)                                                                            \
    const struct ipf_gr *r2 = gr(c, op->r2), *r3 = gr(c, op->r3);                                  \
    type x = (type)r2->v, y = (type)r3->v;                                                         \
    bool nat = r2->nat | r3->nat
#define IMMEDIATE(type)                                                                            \
    const struct ipf_gr *r3 = gr(c, op->r3);                                                       \
    type x = (type)op->imm, y = (type)r3->v;                                                       \
    bool nat = r3->nat
#define ZERO(type)                                                                                 \
    const struct ipf_gr *r3 = gr(c, op->r3);                                                       \
    type x = 0, y = (type)r3->v;                                                                   \
    bool nat = r3->nat

#define RELATION(cmp, name, source, from, type, relation)                                          \
    COMPARE(ia_##cmp##_##name##_##from, source(type), relation, write_plain)                       \
    COMPARE_UNC(ia_##cmp##_##name##_unc_##from, source(type), relation)
#define PARALLEL_COMPARE(cmp, name, source, from, type, relation)                                  \
    COMPARE(ia_##cmp##_##name##_and_##from, source(type), relation, write_and)                     \
    COMPARE(ia_##cmp##_##name##_or_##from, source(type), relation, write_or)                       \
    COMPARE(ia_##cmp##_##name##_or_andcm_##from, source(type), relation, write_or_andcm)
#define COMPARES_OF(cmp, bits)                                                                     \
    RELATION(cmp, lt, REGISTERS, reg, int##bits##_t, x < y)                                        \
    RELATION(cmp, ltu, REGISTERS, reg, uint##bits##_t, x < y)                                      \
    RELATION(cmp, eq, REGISTERS, reg, uint##bits##_t, x == y)                                      \
    RELATION(cmp, lt, IMMEDIATE, imm, int##bits##_t, x < y)                                        \
    RELATION(cmp, ltu, IMMEDIATE, imm, uint##bits##_t, x < y)                                      \
    RELATION(cmp, eq, IMMEDIATE, imm, uint##bits##_t, x == y)                                      \
    PARALLEL_COMPARE(cmp, eq, REGISTERS, reg, uint##bits##_t, x == y)                              \
    PARALLEL_COMPARE(cmp, ne, REGISTERS, reg, uint##bits##_t, x != y)                              \
    PARALLEL_COMPARE(cmp, eq, IMMEDIATE, imm, uint##bits##_t, x == y)                              \
    PARALLEL_COMPARE(cmp, ne, IMMEDIATE, imm, uint##bits##_t, x != y)                              \
    PARALLEL_COMPARE(cmp, gt, ZERO, zero, int##bits##_t, x > y)                                    \
    PARALLEL_COMPARE(cmp, le, ZERO, zero, int##bits##_t, x <= y)                                   \
    PARALLEL_COMPARE(cmp, ge, ZERO, zero, int##bits##_t, x >= y)                                   \
    PARALLEL_COMPARE(cmp, lt, ZERO, zero, int##bits##_t, x < y)
COMPARES_OF(cmp, 64)
COMPARES_OF(cmp4, 32)

/* ---- tbit, tnat, tf: whether a bit is set ---- */

#define BIT_OF(r3_)                                                                                \
    const struct ipf_gr *r3 = r3_;                                                                 \
    bool set = r3->v >> op->s1 & 1, nat = r3->nat
#define NAT_OF(r3_) bool set = (r3_)->nat, nat = false
/* A bit of CPUID[4]{63:32}. */
#define FEATURE_OF(unused) bool set = c->cpuid[4] >> op->s1 & 1, nat = false
#define BIT_TEST(name, source)                                                                     \
    COMPARE(ia_##name##_z, source(gr(c, op->r3)), !set, write_plain)                               \
    COMPARE_UNC(ia_##name##_z_unc, source(gr(c, op->r3)), !set)                                    \
    COMPARE(ia_##name##_z_and, source(gr(c, op->r3)), !set, write_and)                             \
    COMPARE(ia_##name##_nz_and, source(gr(c, op->r3)), set, write_and)                             \
    COMPARE(ia_##name##_z_or, source(gr(c, op->r3)), !set, write_or)                               \
    COMPARE(ia_##name##_nz_or, source(gr(c, op->r3)), set, write_or)                               \
    COMPARE(ia_##name##_z_or_andcm, source(gr(c, op->r3)), !set, write_or_andcm)                   \
    COMPARE(ia_##name##_nz_or_andcm, source(gr(c, op->r3)), set, write_or_andcm)
BIT_TEST(tbit, BIT_OF)
BIT_TEST(tnat, NAT_OF)
BIT_TEST(tf, FEATURE_OF)
