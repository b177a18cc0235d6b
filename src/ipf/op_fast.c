// SPDX-License-Identifier: Apache-2.0
// Fast handlers of frequent integer operations that no predicate qualifies.  They do the usual case
// only: anything else (a NaT, a missing line, a rotated frame, no target) is handed over.  What
// they compute is that of op_alu.c, op_compare.c and op_memory.c.
#include "ipf/fast.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Each is made for registers that are all r0 to r31, or any, and for sources in memory or for one
 * that is `last`, which spares the host a store and a load in a chain of operations. */
#define FAST(name)                                                                                 \
    ALWAYS_INLINE unsigned name(struct ipf_cpu *c, const struct ipf_op *op, uint64_t last,         \
                                bool any, enum ipf_fast_last is);                                  \
    static HANDLER(name##_0) { return name(c, op, last, false, LAST_IS_NONE); }                    \
    static HANDLER(name##_1) { return name(c, op, last, false, LAST_IS_R2); }                      \
    static HANDLER(name##_2) { return name(c, op, last, false, LAST_IS_R3); }                      \
    static HANDLER(name##_3) { return name(c, op, last, true, LAST_IS_NONE); }                     \
    static HANDLER(name##_4) { return name(c, op, last, true, LAST_IS_R2); }                       \
    static HANDLER(name##_5) { return name(c, op, last, true, LAST_IS_R3); }                       \
    ALWAYS_INLINE unsigned name(struct ipf_cpu *c, const struct ipf_op *op,                        \
                                __attribute__((unused)) uint64_t last, bool any,                   \
                                __attribute__((unused)) enum ipf_fast_last is)

ALWAYS_INLINE struct ipf_gr *place(struct ipf_cpu *c, unsigned at, unsigned of, bool any)
{
    return (struct ipf_gr *)((char *)(any ? c->base[of] : c->gr) + at);
}
#define R1 place(c, op->at1, op->of1, any)
#define R2 (is == LAST_IS_R2 ? (struct ipf_gr){ last, 0 } : *place(c, op->at2, op->of2, any))
#define R3 (is == LAST_IS_R3 ? (struct ipf_gr){ last, 0 } : *place(c, op->at3, op->of3, any))
#define BASE place(c, op->at3, op->of3, any)
#define UNLESS(condition)                                                                          \
    if (unlikely(condition))                                                                       \
    return hand_over(c, op)
/* That registers of the frame stand where they are looked for, and those written to are in it. */
#define IN_REACH UNLESS(any && op->reach >= c->reach)

/* ---- integers ---- */

#define WRITE_R1(value)                                                                            \
    uint64_t result = (value);                                                                     \
    *R1 = (struct ipf_gr){ result, 0 };                                                            \
    NEXT_AFTER(c, op, result)
/* x is r2, y is r3, n the immediate. */
#define ALU_XY(name, expression)                                                                   \
    FAST(name)                                                                                     \
    {                                                                                              \
        IN_REACH;                                                                                  \
        const struct ipf_gr r2 = R2, r3 = R3;                                                      \
        const uint64_t x = r2.v, y = r3.v;                                                         \
        UNLESS(r2.nat | r3.nat);                                                                   \
        WRITE_R1(expression);                                                                      \
    }
#define ALU_X(name, expression)                                                                    \
    FAST(name)                                                                                     \
    {                                                                                              \
        IN_REACH;                                                                                  \
        const struct ipf_gr r2 = R2;                                                               \
        const uint64_t x = r2.v, n = (uint64_t)op->imm;                                            \
        UNLESS(r2.nat);                                                                            \
        WRITE_R1(expression);                                                                      \
    }
#define ALU_Y(name, expression)                                                                    \
    FAST(name)                                                                                     \
    {                                                                                              \
        IN_REACH;                                                                                  \
        const struct ipf_gr r3 = R3;                                                               \
        const uint64_t y = r3.v, n = (uint64_t)op->imm;                                            \
        (void)n;                                                                                   \
        UNLESS(r3.nat);                                                                            \
        WRITE_R1(expression);                                                                      \
    }
#define POINTER4(sum, base) (((sum)&0xffffffff) | ((base)&UINT64_C(0xc0000000)) << 31)

ALU_XY(fast_add, x + y)
ALU_XY(fast_sub, x - y)
ALU_XY(fast_and, x &y)
ALU_XY(fast_andcm, x & ~y)
ALU_XY(fast_or, x | y)
ALU_XY(fast_xor, x ^ y)
ALU_XY(fast_addp4, POINTER4(x + y, y))
ALU_XY(fast_shladd, (x << op->s1) + y)
ALU_Y(fast_addl, n + y)
ALU_Y(fast_sub_imm, n - y)
ALU_Y(fast_and_imm, n &y)
ALU_Y(fast_or_imm, n | y)
ALU_Y(fast_zxt1, y & 0xff)
ALU_Y(fast_zxt2, y & 0xffff)
ALU_Y(fast_zxt4, y & 0xffffffff)
ALU_Y(fast_sxt1, (uint64_t)(int8_t)y)
ALU_Y(fast_sxt2, (uint64_t)(int16_t)y)
ALU_Y(fast_sxt4, (uint64_t)(int32_t)y)
/* Shifts s1 and s2 and masks n that fast.c makes of position and length. */
ALU_Y(fast_extr, (uint64_t)((int64_t)(y << op->s1) >> op->s2))
ALU_Y(fast_extr_u, y >> op->s1 & n)
ALU_X(fast_dep_z, x << op->s1 & n)

FAST(fast_movl)
{
    IN_REACH;
    WRITE_R1((uint64_t)op->imm);
}

/* ---- compares that write both predicates ---- */

ALWAYS_INLINE void set_both(struct ipf_cpu *c, const struct ipf_op *op, bool holds)
{
    uint64_t rest = c->pr & ~(BIT(op->r1) | BIT(op->r4));
    c->pr = rest | BIT(holds ? op->r1 : op->r4) | 1;
}
#define COMPARE(name, type, relation)                                                              \
    FAST(fast_##name##_reg)                                                                        \
    {                                                                                              \
        IN_REACH;                                                                                  \
        const struct ipf_gr r2 = R2, r3 = R3;                                                      \
        const type x = (type)r2.v, y = (type)r3.v;                                                 \
        UNLESS(r2.nat | r3.nat);                                                                   \
        set_both(c, op, relation);                                                                 \
        NEXT(c, op);                                                                               \
    }                                                                                              \
    FAST(fast_##name##_imm)                                                                        \
    {                                                                                              \
        IN_REACH;                                                                                  \
        const struct ipf_gr r3 = R3;                                                               \
        const type x = (type)op->imm, y = (type)r3.v;                                              \
        UNLESS(r3.nat);                                                                            \
        set_both(c, op, relation);                                                                 \
        NEXT(c, op);                                                                               \
    }
COMPARE(cmp_lt, int64_t, x < y)
COMPARE(cmp_ltu, uint64_t, x < y)
COMPARE(cmp_eq, uint64_t, x == y)
COMPARE(cmp4_lt, int32_t, x < y)
COMPARE(cmp4_ltu, uint32_t, x < y)
COMPARE(cmp4_eq, uint32_t, x == y)

/* ---- loads and stores that hit a line ---- */

#define LOAD(name, size, updates)                                                                  \
    FAST(name)                                                                                     \
    {                                                                                              \
        IN_REACH;                                                                                  \
        const struct ipf_gr base = R3;                                                             \
        const uint8_t *host = line_hit(c->lines, base.v, size, false);                             \
        uint64_t value = 0;                                                                        \
        UNLESS(!host || base.nat);                                                                 \
        memcpy(&value, host, size);                                                                \
        if (updates)                                                                               \
            BASE->v = base.v + (uint64_t)op->imm;                                                  \
        WRITE_R1(value);                                                                           \
    }
#define STORE(name, size, updates)                                                                 \
    FAST(name)                                                                                     \
    {                                                                                              \
        IN_REACH;                                                                                  \
        const struct ipf_gr base = R3, value = R2;                                                 \
        uint8_t *host = line_hit(c->lines, base.v, size, true);                                    \
        UNLESS(!host || base.nat | value.nat);                                                     \
        alat_snoop(c, host, size);                                                                 \
        memcpy(host, &value.v, size);                                                              \
        if (updates)                                                                               \
            BASE->v = base.v + (uint64_t)op->imm;                                                  \
        NEXT(c, op);                                                                               \
    }
#define ACCESSES(size)                                                                             \
    LOAD(fast_ld_plain##size, size, false)                                                         \
    LOAD(fast_ld_plain##size##_imm, size, true)                                                    \
    STORE(fast_st_plain##size, size, false)                                                        \
    STORE(fast_st_plain##size##_imm, size, true)
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)

/* ---- which operation has which ---- */

#define ROW(name, reads, writes, fields)                                                           \
    {                                                                                              \
        ia_##name, { fast_##name##_0, fast_##name##_1, fast_##name##_2,                            \
                     fast_##name##_3, fast_##name##_4, fast_##name##_5 },                          \
            reads, writes, fields                                                                  \
    }
#define XY(name) ROW(name, READS_R2 | READS_R3, WRITES_R1, FIELDS_NONE)
#define Y(name) ROW(name, READS_R3, WRITES_R1, FIELDS_NONE)
#define COMPARE_ROWS(name)                                                                         \
    ROW(name##_reg, READS_R2 | READS_R3, WRITES_PREDICATES, FIELDS_NONE),                          \
        ROW(name##_imm, READS_R3, WRITES_PREDICATES, FIELDS_NONE)
#define SIZE(n)                                                                                    \
    ROW(ld_plain##n, READS_R3, WRITES_R1, FIELDS_NONE),                                            \
        ROW(ld_plain##n##_imm, READS_R3, WRITES_R1 | WRITES_R3, FIELDS_NONE),                      \
        ROW(st_plain##n, READS_R2 | READS_R3, 0, FIELDS_NONE),                                     \
        ROW(st_plain##n##_imm, READS_R2 | READS_R3, WRITES_R3, FIELDS_NONE)

const struct ipf_fast_row ipf_fast_rows[] = {
    XY(add),
    XY(sub),
    XY(and),
    XY(andcm),
    XY(or),
    XY(xor),
    XY(addp4),
    XY(shladd),
    Y(addl),
    Y(sub_imm),
    Y(and_imm),
    Y(or_imm),
    Y(zxt1),
    Y(zxt2),
    Y(zxt4),
    Y(sxt1),
    Y(sxt2),
    Y(sxt4),
    ROW(extr, READS_R3, WRITES_R1, FIELDS_EXTR),
    ROW(extr_u, READS_R3, WRITES_R1, FIELDS_EXTR_U),
    ROW(dep_z, READS_R2, WRITES_R1, FIELDS_DEP_Z),
    ROW(movl, 0, WRITES_R1, FIELDS_NONE),
    COMPARE_ROWS(cmp_lt),
    COMPARE_ROWS(cmp_ltu),
    COMPARE_ROWS(cmp_eq),
    COMPARE_ROWS(cmp4_lt),
    COMPARE_ROWS(cmp4_ltu),
    COMPARE_ROWS(cmp4_eq),
    SIZE(1),
    SIZE(2),
    SIZE(4),
    SIZE(8),
};
const unsigned ipf_fast_row_count = ARRAY_SIZE(ipf_fast_rows);
