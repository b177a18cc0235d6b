// SPDX-License-Identifier: Apache-2.0
// x87 data transfer: FLD, FST, FILD, FIST, FISTTP, FBLD, FBSTP, FXCH, FCMOVcc, constants.
#include <string.h>

#include "cpu/ops.h"
#include "cpu/x87.h"

/* ---- loads ---- */

/* Pushes a converted operand unless an unmasked #IA refuses it; #D, masked or not, does not hinder
 * the load (silicon's behaviour).  A full stack comes first. */
static enum outcome load(struct cpu *c, struct f80_env *e, struct f80 v)
{
    if (fpu_is_empty(&c->fpu, 7))
        fpu_commit(c, e);
    if (!fpu_is_empty(&c->fpu, 7) || !f80_unmasked(e, FPU_IE))
        fpu_push(c, v);
    return RETIRED;
}

enum outcome op_fld_m32(struct cpu *c, const struct insn *i)
{
    uint32_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    return o != RETIRED ? o : load(c, &e, f80_load32(&e, m));
}

enum outcome op_fld_m64(struct cpu *c, const struct insn *i)
{
    uint64_t m;
    struct f80_env e = fpu_env(c);
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    return o != RETIRED ? o : load(c, &e, f80_load64(&e, m));
}

enum outcome op_fld_m80(struct cpu *c, const struct insn *i)
{
    uint8_t m[10];
    struct f80 v;
    enum outcome o = fpu_begin_read(c, i, m, sizeof(m));
    if (o != RETIRED)
        return o;
    memcpy(&v.frac, m, 8);
    memcpy(&v.sexp, m + 8, 2);
    fpu_push(c, v);
    return RETIRED;
}

enum outcome op_fild_m16(struct cpu *c, const struct insn *i)
{
    int16_t m;
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    if (o == RETIRED)
        fpu_push(c, f80_from_int(m));
    return o;
}

enum outcome op_fild_m32(struct cpu *c, const struct insn *i)
{
    int32_t m;
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    if (o == RETIRED)
        fpu_push(c, f80_from_int(m));
    return o;
}

enum outcome op_fild_m64(struct cpu *c, const struct insn *i)
{
    int64_t m;
    enum outcome o = fpu_begin_read(c, i, &m, sizeof(m));
    if (o == RETIRED)
        fpu_push(c, f80_from_int(m));
    return o;
}

/* Two accesses, each with its own checks: processors raise what is wrong with the low 8 bytes before
 * they look at the sign and the last two digits. */
enum outcome op_fbld(struct cpu *c, const struct insn *i)
{
    uint8_t m[10];
    enum seg s = insn_seg(i);
    uint64_t ea = insn_ea(c, i);
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    FAULT_IF(!seg_read_bytes(c, s, ea, m, 8, 0) || !seg_read_bytes(c, s, ea + 8, m + 8, 2, 0));
    fpu_record(c, i);
    fpu_push(c, f80_from_bcd(m));
    return RETIRED;
}

enum outcome op_fld_constant(struct cpu *c, const struct insn *i)
{
    struct f80_env e = fpu_env(c);
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    fpu_push(c, f80_constant(f80_rc(&e), i->modrm & 7));
    return RETIRED;
}

enum outcome op_fld_sti(struct cpu *c, const struct insn *i)
{
    struct fpu *f = &c->fpu;
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    if (!fpu_is_empty(f, i->modrm & 7))
        fpu_push(c, *fpu_st(f, i->modrm & 7));
    else if (fpu_stack_underflow(c)) {
        f->top = (f->top - 1) & 7;
        fpu_set(f, 0, f80_indefinite);
    }
    return RETIRED;
}

/* ---- stores ---- */

/* Writes ST(0) converted to memory.  `refused` by an unmasked exception leaves memory and the stack
 * as they are; memory is then not accessed at all, and so cannot fault. */
static enum outcome store(struct cpu *c, const struct insn *i, const struct f80_env *e,
                          const void *v, unsigned n, bool with_pop)
{
    enum seg s = insn_seg(i);
    uint64_t ea = insn_ea(c, i);
    bool empty = fpu_is_empty(&c->fpu, 0);
    bool refused = empty ? !(e->control & FPU_IE) : f80_unmasked(e, FPU_IE | FPU_OE | FPU_UE);
    FAULT_IF(!refused && !seg_write_bytes(c, s, ea, v, n, 0));
    fpu_record(c, i);
    if (empty)
        fpu_stack_underflow(c);
    else
        fpu_commit(c, e);
    if (with_pop && !refused)
        fpu_pop(&c->fpu);
    return RETIRED;
}

/* What a store converts: ST(0), or the indefinite that answers its absence. */
static struct f80 store_source(const struct cpu *c)
{
    return fpu_is_empty(&c->fpu, 0) ? f80_indefinite : c->fpu.st[c->fpu.top & 7];
}

static bool stores_and_pops(const struct insn *i) { return i->modrm >> 3 & 1; }

enum outcome op_fst_m32(struct cpu *c, const struct insn *i)
{
    struct f80_env e = fpu_env(c);
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    uint32_t v = f80_to_f32(&e, store_source(c));
    return store(c, i, &e, &v, sizeof(v), stores_and_pops(i));
}

enum outcome op_fst_m64(struct cpu *c, const struct insn *i)
{
    struct f80_env e = fpu_env(c);
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    uint64_t v = f80_to_f64(&e, store_source(c));
    return store(c, i, &e, &v, sizeof(v), stores_and_pops(i));
}

enum outcome op_fstp_m80(struct cpu *c, const struct insn *i)
{
    struct f80_env e = fpu_env(c);
    uint8_t m[10];
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    struct f80 v = store_source(c);
    memcpy(m, &v.frac, 8);
    memcpy(m + 8, &v.sexp, 2);
    return store(c, i, &e, m, sizeof(m), true);
}

static enum outcome store_int(struct cpu *c, const struct insn *i, unsigned size, bool chop,
                              bool with_pop)
{
    struct f80_env e = fpu_env(c);
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    int64_t v = f80_to_int(&e, store_source(c), size, chop ? ROUND_CHOP : f80_rc(&e));
    return store(c, i, &e, &v, size, with_pop);
}

enum outcome op_fist_m16(struct cpu *c, const struct insn *i)
{
    return store_int(c, i, 2, false, stores_and_pops(i));
}
enum outcome op_fist_m32(struct cpu *c, const struct insn *i)
{
    return store_int(c, i, 4, false, stores_and_pops(i));
}
enum outcome op_fistp_m64(struct cpu *c, const struct insn *i)
{
    return store_int(c, i, 8, false, true);
}
enum outcome op_fisttp_m16(struct cpu *c, const struct insn *i)
{
    return store_int(c, i, 2, true, true);
}
enum outcome op_fisttp_m32(struct cpu *c, const struct insn *i)
{
    return store_int(c, i, 4, true, true);
}
enum outcome op_fisttp_m64(struct cpu *c, const struct insn *i)
{
    return store_int(c, i, 8, true, true);
}

enum outcome op_fbstp(struct cpu *c, const struct insn *i)
{
    struct f80_env e = fpu_env(c);
    uint8_t m[10];
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    f80_to_bcd(&e, store_source(c), m);
    return store(c, i, &e, m, sizeof(m), true);
}

static enum outcome store_sti(struct cpu *c, const struct insn *i, bool with_pop)
{
    struct fpu *f = &c->fpu;
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    struct f80 v = store_source(c);
    if (fpu_is_empty(f, 0)) {
        if (!fpu_stack_underflow(c))
            return RETIRED;
    } else {
        fpu_conditions(f, FSW_C1, 0);
    }
    fpu_set(f, i->modrm & 7, v);
    if (with_pop)
        fpu_pop(f);
    return RETIRED;
}

/* D9 D8+i: as FSTP ST(i), but an empty ST(0) is no fault and leaves the destination alone. */
enum outcome op_fstpnce(struct cpu *c, const struct insn *i)
{
    if (!fpu_is_empty(&c->fpu, 0))
        return store_sti(c, i, true);
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    fpu_conditions(&c->fpu, FSW_C1, 0);
    fpu_pop(&c->fpu);
    return RETIRED;
}

enum outcome op_fst_sti(struct cpu *c, const struct insn *i) { return store_sti(c, i, false); }
enum outcome op_fstp_sti(struct cpu *c, const struct insn *i) { return store_sti(c, i, true); }

/* ---- exchanges and conditional moves ---- */

/* Both registers must hold something; with #IS masked, empty ones become the indefinite. */
static bool both_filled(struct cpu *c, unsigned n)
{
    struct fpu *f = &c->fpu;
    return (!fpu_is_empty(f, 0) && !fpu_is_empty(f, n)) || fpu_stack_underflow(c);
}

enum outcome op_fxch(struct cpu *c, const struct insn *i)
{
    struct fpu *f = &c->fpu;
    unsigned n = i->modrm & 7;
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    bool empty = fpu_is_empty(f, 0) || fpu_is_empty(f, n);
    if (!both_filled(c, n))
        return RETIRED;
    struct f80 a = store_source(c), b = fpu_is_empty(f, n) ? f80_indefinite : *fpu_st(f, n);
    if (!empty)
        fpu_conditions(f, FSW_C1, 0);
    fpu_set(f, 0, b);
    fpu_set(f, n, a);
    return RETIRED;
}

/* FCMOVB, E, BE, U and with DB their opposites.  C1 changes only with a stack fault. */
enum outcome op_fcmov(struct cpu *c, const struct insn *i)
{
    static const uint8_t condition[4] = { 2, 4, 6, 10 };
    struct fpu *f = &c->fpu;
    unsigned n = i->modrm & 7, cc = condition[i->modrm >> 3 & 3] | (i->opcode & 1);
    if (fpu_begin(c, i) != RETIRED)
        return FAULTED;
    bool empty = fpu_is_empty(f, 0) || fpu_is_empty(f, n);
    if (!both_filled(c, n))
        return RETIRED;
    if (empty)
        fpu_set(f, 0, f80_indefinite);
    else if (lazy_condition(cc, c->res, c->aux))
        fpu_set(f, 0, *fpu_st(f, n));
    return RETIRED;
}
