// SPDX-License-Identifier: Apache-2.0
// x87 comparisons: FCOM, FUCOM, FICOM, FTST to the condition codes; FCOMI, FUCOMI to RFLAGS; FXAM.
#include "cpu/ops.h"
#include "cpu/x87.h"

static const uint16_t relation_conditions[4] = {
    [F80_GREATER] = 0,
    [F80_LESS] = FSW_C0,
    [F80_EQUAL] = FSW_C3,
    [F80_UNORDERED] = FSW_C3 | FSW_C2 | FSW_C0,
};
static const uint8_t relation_flags[4] = {
    [F80_GREATER] = 0, [F80_LESS] = FLAG_CF, [F80_EQUAL] = FLAG_ZF,
    [F80_UNORDERED] = FLAG_ZF | FLAG_PF | FLAG_CF,
};

/* Compares ST(0) with *b (NULL: an empty register).  The relation is delivered even if an unmasked
 * exception was raised (the SDM's operation sections say otherwise; silicon does so); false then:
 * nothing is popped. */
static bool compare(struct cpu *c, struct f80_env *e, const struct f80 *b, bool quiet,
                    enum f80_relation *r)
{
    *r = F80_UNORDERED;
    if (fpu_is_empty(&c->fpu, 0) || !b)
        return fpu_stack_underflow(c);
    *r = f80_compare(e, *fpu_st(&c->fpu, 0), *b, quiet);
    return fpu_commit(c, e);
}

/* To C3, C2, C0; then pops. */
static enum outcome compare_fsw(struct cpu *c, struct f80_env *e, const struct f80 *b, bool quiet,
                                unsigned pops)
{
    enum f80_relation r;
    bool may_pop = compare(c, e, b, quiet, &r);
    fpu_conditions(&c->fpu, FSW_C3 | FSW_C2 | FSW_C0, relation_conditions[r]);
    while (may_pop && pops--)
        fpu_pop(&c->fpu);
    return RETIRED;
}

static const struct f80 *sti_or_null(struct fpu *f, const struct insn *i)
{
    return fpu_is_empty(f, i->modrm & 7) ? NULL : fpu_st(f, i->modrm & 7);
}

static enum outcome compare_sti(struct cpu *c, const struct insn *i, bool quiet, unsigned pops)
{
    struct f80_env e = fpu_env(c);
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    return compare_fsw(c, &e, sti_or_null(&c->fpu, i), quiet, pops);
}

enum outcome op_fcom(struct cpu *c, const struct insn *i) { return compare_sti(c, i, false, 0); }
enum outcome op_fcomp(struct cpu *c, const struct insn *i) { return compare_sti(c, i, false, 1); }
enum outcome op_fcompp(struct cpu *c, const struct insn *i) { return compare_sti(c, i, false, 2); }
enum outcome op_fucom(struct cpu *c, const struct insn *i) { return compare_sti(c, i, true, 0); }
enum outcome op_fucomp(struct cpu *c, const struct insn *i) { return compare_sti(c, i, true, 1); }
enum outcome op_fucompp(struct cpu *c, const struct insn *i) { return compare_sti(c, i, true, 2); }

/* FCOM and FCOMP with memory: ModRM.reg 2 and 3. */
static unsigned memory_pops(const struct insn *i) { return i->modrm >> 3 & 1; }

enum outcome op_fcom_m32(struct cpu *c, const struct insn *i)
{
    uint32_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    if (o != RETIRED)
        return o;
    struct f80 b = f80_widen32(&e, m);
    return compare_fsw(c, &e, &b, false, memory_pops(i));
}

enum outcome op_fcom_m64(struct cpu *c, const struct insn *i)
{
    uint64_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    if (o != RETIRED)
        return o;
    struct f80 b = f80_widen64(&e, m);
    return compare_fsw(c, &e, &b, false, memory_pops(i));
}

enum outcome op_ficom_i16(struct cpu *c, const struct insn *i)
{
    int16_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    if (o != RETIRED)
        return o;
    struct f80 b = f80_from_int(m);
    return compare_fsw(c, &e, &b, false, memory_pops(i));
}

enum outcome op_ficom_i32(struct cpu *c, const struct insn *i)
{
    int32_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    if (o != RETIRED)
        return o;
    struct f80 b = f80_from_int(m);
    return compare_fsw(c, &e, &b, false, memory_pops(i));
}

enum outcome op_ftst(struct cpu *c, const struct insn *i)
{
    struct f80 zero = f80_zero(false);
    struct f80_env e = fpu_env(c);
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    return compare_fsw(c, &e, &zero, false, 0);
}

/* C1 changes only with a stack fault. */
static enum outcome compare_rflags(struct cpu *c, const struct insn *i, bool quiet, bool with_pop)
{
    enum f80_relation r;
    struct fpu *f = &c->fpu;
    struct f80_env e = fpu_env(c);
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    unsigned c1 = f->status & FSW_C1;
    const struct f80 *b = sti_or_null(f, i);
    bool may_pop = compare(c, &e, b, quiet, &r);
    if (b && !fpu_is_empty(f, 0))
        fpu_conditions(f, FSW_C1, c1);
    flags_set_status(c, relation_flags[r]);
    if (with_pop && may_pop)
        fpu_pop(f);
    return RETIRED;
}

enum outcome op_fcomi(struct cpu *c, const struct insn *i)
{
    return compare_rflags(c, i, false, false);
}
enum outcome op_fcomip(struct cpu *c, const struct insn *i)
{
    return compare_rflags(c, i, false, true);
}
enum outcome op_fucomi(struct cpu *c, const struct insn *i)
{
    return compare_rflags(c, i, true, false);
}
enum outcome op_fucomip(struct cpu *c, const struct insn *i)
{
    return compare_rflags(c, i, true, true);
}

/* SDM vol. 2, table "FXAM Results": C3 C2 C0 tell the class, C1 the sign (of empty ones, too). */
enum outcome op_fxam(struct cpu *c, const struct insn *i)
{
    static const uint16_t class_conditions[] = {
        [F80_ZERO] = FSW_C3,
        [F80_NORMAL] = FSW_C2,
        [F80_DENORMAL] = FSW_C3 | FSW_C2,
        [F80_INFINITY] = FSW_C2 | FSW_C0,
        [F80_QNAN] = FSW_C0,
        [F80_SNAN] = FSW_C0,
        [F80_UNSUPPORTED] = 0,
    };
    struct fpu *f = &c->fpu;
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    struct f80 a = *fpu_st(f, 0);
    unsigned class = fpu_is_empty(f, 0) ? FSW_C3 | FSW_C0 : class_conditions[f80_classify(a)];
    fpu_conditions(f, FSW_CONDITIONS, class | (f80_sign(a) ? FSW_C1 : 0));
    return RETIRED;
}
