// SPDX-License-Identifier: Apache-2.0
// Integer loads and stores, semaphores, lfetch (formats M1 to M5, M13 to M17).
#include "ipf/op.h"

#include "mem/phys.h"

static uint64_t in_order(const struct ipf_cpu *c, uint64_t value, unsigned size)
{
    return c->psr & PSR_BE ? __builtin_bswap64(value) >> (64 - 8 * size) : value;
}
static uint64_t load(struct ipf_cpu *c, uint64_t address, unsigned size)
{
    return in_order(c, ipf_load(c, address, size), size);
}
static void store(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t value)
{
    ipf_store(c, address, size, in_order(c, value, size));
}

/* With PSR.ac every unaligned reference faults; without it those within 16 bytes that are aligned
 * do not (implementation-specific: SDM vol. 2, "Unaligned Reference vector"). */
static bool is_unaligned(const struct ipf_cpu *c, uint64_t address, unsigned size)
{
    return unlikely(address & (size - 1)) && (c->psr & PSR_AC || (address & 15) + size > 16);
}

/* ---- loads ---- */

enum kind { PLAIN, SPECULATIVE, ADVANCED, SPECULATIVE_ADVANCED, CHECK_CLEAR, CHECK_KEEP, FILL };

/* The value that a load of a kind puts in r1; *faults if it did not. */
static inline struct ipf_gr loaded(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                                   unsigned size, enum kind kind)
{
    struct ipf_gr r = { load(c, address, size), 0 };
    if (kind == ADVANCED || kind == SPECULATIVE_ADVANCED)
        alat_allocate(c, op->r1, false, address & ~BIT(63), size);
    if (kind == CHECK_KEEP)
        alat_allocate(c, op->r1, false, address & ~BIT(63), size);
    if (kind == FILL)
        r.nat = c->ar[AR_UNAT] >> (address >> 3 & 0x3f) & 1;
    return r;
}

/* A speculative load that cannot be done leaves a NaT. */
static inline unsigned fails(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                             bool is_nat, enum kind kind)
{
    uint64_t access = ISR_R;
    return is_nat ? nat_consumption(c, op, access) : unaligned_reference(c, op, address, access);
    (void)kind;
}

static inline unsigned do_load(struct ipf_cpu *c, const struct ipf_op *op, unsigned size,
                               enum kind kind, uint64_t increment, uint64_t increment_nat)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr base = *gr(c, op->r3);
    bool bad = base.nat || is_unaligned(c, base.v, size);
    bool speculative = kind == SPECULATIVE || kind == SPECULATIVE_ADVANCED;
    struct ipf_gr value = { 0, 1 };
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    if ((kind == CHECK_CLEAR || kind == CHECK_KEEP) &&
        alat_check(c, op->r1, false, kind == CHECK_CLEAR))
        value = *gr(c, op->r1);
    else if (!bad)
        value = loaded(c, op, base.v, size, kind);
    else if (!speculative)
        return fails(c, op, base.v, base.nat, kind);
    else if (kind == SPECULATIVE_ADVANCED)
        alat_invalidate(c, op->r1, false);
    *gr(c, op->r1) = value;
    if (op->s2) /* a form that updates the base */
        *gr(c, op->r3) = (struct ipf_gr){ base.v + increment, base.nat | increment_nat };
    NEXT(c, op);
}

/* The forms that update their base: r1 = r3 is an Illegal Operation fault, bound by the decoder;
 * s2 is set by it, too. */
#define LOAD(name, kind)                                                                           \
    HANDLER(ia_ld_##name) { return do_load(c, op, op->arg, kind, 0, 0); }                          \
    HANDLER(ia_ld_##name##_imm) { return do_load(c, op, op->arg, kind, (uint64_t)op->imm, 0); }    \
    HANDLER(ia_ld_##name##_reg)                                                                    \
    {                                                                                              \
        const struct ipf_gr *r2 = gr(c, op->r2);                                                   \
        return do_load(c, op, op->arg, kind, r2->v, r2->nat);                                      \
    }
LOAD(plain, PLAIN)
LOAD(s, SPECULATIVE)
LOAD(a, ADVANCED)
LOAD(sa, SPECULATIVE_ADVANCED)
LOAD(c_clr, CHECK_CLEAR)
LOAD(c_nc, CHECK_KEEP)
LOAD(fill, FILL)

HANDLER(ia_ld16)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr base = *gr(c, op->r3);
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    if (base.nat)
        return nat_consumption(c, op, ISR_R);
    if (base.v & 15)
        return unaligned_reference(c, op, base.v, ISR_R);
    bool swapped = c->psr & PSR_BE;
    *gr(c, op->r1) = (struct ipf_gr){ load(c, base.v + (swapped ? 8 : 0), 8), 0 };
    c->ar[AR_CSD] = load(c, base.v + (swapped ? 0 : 8), 8);
    NEXT(c, op);
}

/* ---- stores ---- */

static inline unsigned do_store(struct ipf_cpu *c, const struct ipf_op *op, unsigned size,
                                bool spill, uint64_t increment)
{
    IF_PREDICATE(c, op);
    struct ipf_gr *base = gr(c, op->r3), value = *gr(c, op->r2);
    uint64_t address = base->v;
    if (op->s2 && no_target(c, op->r3))
        return illegal_operation(c, op);
    if (base->nat || (value.nat && !spill))
        return nat_consumption(c, op, ISR_W);
    if (is_unaligned(c, address, size))
        return unaligned_reference(c, op, address, ISR_W);
    store(c, address, size, value.v);
    if (spill) {
        uint64_t bit = BIT(address >> 3 & 0x3f), *unat = &c->ar[AR_UNAT];
        *unat = value.nat ? *unat | bit : *unat & ~bit;
    }
    if (op->s2)
        base->v = address + increment;
    NEXT(c, op);
}
HANDLER(ia_st_plain) { return do_store(c, op, op->arg, false, 0); }
HANDLER(ia_st_plain_imm) { return do_store(c, op, op->arg, false, (uint64_t)op->imm); }
HANDLER(ia_st_spill) { return do_store(c, op, 8, true, 0); }
HANDLER(ia_st_spill_imm) { return do_store(c, op, 8, true, (uint64_t)op->imm); }

HANDLER(ia_st16)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr *base = gr(c, op->r3), *value = gr(c, op->r2);
    if (base->nat || value->nat)
        return nat_consumption(c, op, ISR_W);
    if (base->v & 15)
        return unaligned_reference(c, op, base->v, ISR_W);
    bool swapped = c->psr & PSR_BE;
    store(c, base->v + (swapped ? 8 : 0), 8, value->v);
    store(c, base->v + (swapped ? 0 : 8), 8, c->ar[AR_CSD]);
    NEXT(c, op);
}

/* ---- semaphores: they want natural alignment whatever PSR.ac says ---- */

/* The address of a semaphore, or the fault that it makes. */
#define SEMAPHORE(size, other_nat)                                                                 \
    IF_PREDICATE(c, op);                                                                           \
    const struct ipf_gr base = *gr(c, op->r3);                                                     \
    if (no_target(c, op->r1))                                                                      \
        return illegal_operation(c, op);                                                           \
    if (base.nat || (other_nat))                                                                   \
        return nat_consumption(c, op, ISR_R | ISR_W);                                              \
    if (base.v & ((size)-1u))                                                                      \
    return unaligned_reference(c, op, base.v, ISR_R | ISR_W)

HANDLER(ia_xchg)
{
    const struct ipf_gr value = *gr(c, op->r2);
    SEMAPHORE(op->arg, value.nat);
    uint64_t old = load(c, base.v, op->arg);
    store(c, base.v, op->arg, value.v);
    *gr(c, op->r1) = (struct ipf_gr){ old, 0 };
    NEXT(c, op);
}
HANDLER(ia_cmpxchg)
{
    const struct ipf_gr value = *gr(c, op->r2);
    SEMAPHORE(op->arg, value.nat);
    uint64_t old = load(c, base.v, op->arg);
    if (old == c->ar[AR_CCV])
        store(c, base.v, op->arg, value.v);
    *gr(c, op->r1) = (struct ipf_gr){ old, 0 };
    NEXT(c, op);
}
/* The 8 bytes at r3 are compared; the 16 bytes around them are written: r2, AR.CSD. */
HANDLER(ia_cmp8xchg16)
{
    const struct ipf_gr value = *gr(c, op->r2);
    SEMAPHORE(8, value.nat);
    uint64_t old = load(c, base.v, 8), pair = base.v & ~UINT64_C(15);
    if (old == c->ar[AR_CCV]) {
        store(c, pair, 8, value.v);
        store(c, pair + 8, 8, c->ar[AR_CSD]);
    }
    *gr(c, op->r1) = (struct ipf_gr){ old, 0 };
    NEXT(c, op);
}
HANDLER(ia_fetchadd)
{
    static const int8_t increments[8] = { 16, 8, 4, 1, -16, -8, -4, -1 };
    SEMAPHORE(op->arg, 0);
    uint64_t old = load(c, base.v, op->arg);
    store(c, base.v, op->arg, old + (uint64_t)(int64_t)increments[op->s1 & 7]);
    *gr(c, op->r1) = (struct ipf_gr){ old, 0 };
    NEXT(c, op);
}

/* ---- lfetch, fc: there are no caches; lfetch updates its base ---- */

static inline unsigned lfetch(struct ipf_cpu *c, const struct ipf_op *op, uint64_t increment,
                              uint64_t nat)
{
    struct ipf_gr *base = gr(c, op->r3);
    if (no_target(c, op->r3))
        return illegal_operation(c, op);
    *base = (struct ipf_gr){ base->v + increment, base->nat | nat };
    NEXT(c, op);
}
HANDLER(ia_lfetch) { NEXT(c, op); }
HANDLER(ia_lfetch_reg)
{
    IF_PREDICATE(c, op);
    return lfetch(c, op, gr(c, op->r2)->v, gr(c, op->r2)->nat);
}
HANDLER(ia_lfetch_imm)
{
    IF_PREDICATE(c, op);
    return lfetch(c, op, (uint64_t)op->imm, 0);
}
HANDLER(ia_fc)
{
    IF_PREDICATE(c, op);
    if (gr(c, op->r3)->nat)
        return nat_consumption(c, op, ISR_NA | 1);
    NEXT(c, op);
}
