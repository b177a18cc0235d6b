// SPDX-License-Identifier: Apache-2.0
// Integer loads and stores, semaphores, lfetch (formats M1 to M5, M13 to M17).
#include "ipf/op.h"

static uint64_t in_order(const struct ipf_cpu *c, uint64_t value, unsigned size)
{
    return c->psr & PSR_BE ? __builtin_bswap64(value) >> (64 - 8 * size) : value;
}

static inline enum ipf_data load(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how,
                                 uint64_t *value)
{
    const uint8_t *host = line_hit(c->lines, address, size, false);
    *value = 0;
    if (likely(host != NULL)) {
        memcpy(value, host, size);
        return DATA_DONE;
    }
    enum ipf_data result = ipf_read(c, address, size, how, value);
    *value = in_order(c, *value, size);
    return result;
}
static enum ipf_data store(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t value)
{
    uint8_t *host = line_hit(c->lines, address, size, true);
    if (likely(host != NULL)) {
        alat_snoop(c, host, size);
        memcpy(host, &value, size);
        return DATA_DONE;
    }
    value = in_order(c, value, size);
    return ipf_write(c, address, size, ISR_W, &value);
}

/* ---- loads ---- */

enum kind { PLAIN, SPECULATIVE, ADVANCED, SPECULATIVE_ADVANCED, CHECK_CLEAR, CHECK_KEEP, FILL };

static inline bool is_speculative(enum kind kind)
{
    return kind == SPECULATIVE || kind == SPECULATIVE_ADVANCED;
}

/* What a load of a kind puts in r1.  A speculative one that is deferred leaves a NaT. */
static inline enum ipf_data loaded(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                                   unsigned size, enum kind kind, struct ipf_gr *r)
{
    uint64_t how = ISR_R | (is_speculative(kind) ? ISR_SP : 0) |
                   (kind == ADVANCED || kind == SPECULATIVE_ADVANCED ? HOW_ADVANCED : 0);
    bool always_deferred = is_speculative(kind) && c->psr & PSR_ED;
    enum ipf_data result = always_deferred ? DATA_DEFERRED : load(c, address, size, how, &r->v);
    r->nat = 0;
    if (result == DATA_FAULTS)
        return result;
    if (result == DATA_DEFERRED) {
        *r = (struct ipf_gr){ 0, is_speculative(kind) };
        alat_invalidate(c, op->r1, false);
    } else if (kind == ADVANCED || kind == SPECULATIVE_ADVANCED || kind == CHECK_KEEP) {
        alat_allocate(c, op->r1, false, ipf_host_address(c, address, size), size);
    }
    if (kind == FILL)
        r->nat = c->ar[AR_UNAT] >> (address >> 3 & 0x3f) & 1;
    return DATA_DONE;
}

/* Any load; `updates`: a form that changes its base. */
static inline unsigned load_any(struct ipf_cpu *c, const struct ipf_op *op, unsigned size,
                                enum kind kind, bool updates, struct ipf_gr increment)
{
    const struct ipf_gr base = *gr(c, op->r3);
    struct ipf_gr value = { 0, 1 };
    if (no_target(c, op->r1) || (updates && no_target(c, op->r3)))
        return illegal_operation(c, op);
    if (base.nat && !is_speculative(kind))
        return nat_consumption(c, op, ISR_R);
    if ((kind == CHECK_CLEAR || kind == CHECK_KEEP) &&
        alat_check(c, op->r1, false, kind == CHECK_CLEAR))
        value = *gr(c, op->r1);
    else if (base.nat)
        alat_invalidate(c, op->r1, false);
    else if (loaded(c, op, base.v, size, kind, &value) == DATA_FAULTS)
        return data_fault(c, op);
    *gr(c, op->r1) = value;
    if (updates)
        *gr(c, op->r3) = (struct ipf_gr){ base.v + increment.v, base.nat | increment.nat };
    NEXT_ATTENTIVE(c, op);
}

static unsigned load_slowly(struct ipf_cpu *c, const struct ipf_op *op, bool updates,
                            struct ipf_gr increment)
{
    return load_any(c, op, op->arg, PLAIN, updates, increment);
}

/* What nearly all loads are: plain, aligned, to a page that was found before. */
static inline unsigned do_load(struct ipf_cpu *c, const struct ipf_op *op, unsigned size,
                               enum kind kind, bool updates, struct ipf_gr increment)
{
    IF_PREDICATE(c, op);
    if (kind != PLAIN)
        return load_any(c, op, size, kind, updates, increment);
    struct ipf_gr *base = gr(c, op->r3);
    uint64_t address = base->v, value = 0;
    const uint8_t *host = line_hit(c->lines, address, size, false);
    bool good = host && !base->nat && !no_target(c, op->r1);
    if (unlikely(!good || (updates && no_target(c, op->r3))))
        return load_slowly(c, op, updates, increment);
    memcpy(&value, host, size);
    *gr(c, op->r1) = (struct ipf_gr){ value, 0 };
    if (updates)
        *base = (struct ipf_gr){ address + increment.v, increment.nat };
    NEXT(c, op);
}

/* r1 = r3 in a form that updates is an Illegal Operation fault, bound by the decoder. */
#define LOAD(name, kind, size)                                                                     \
    HANDLER(ia_ld_##name) { return do_load(c, op, size, kind, false, (struct ipf_gr){ 0, 0 }); }   \
    HANDLER(ia_ld_##name##_imm)                                                                    \
    {                                                                                              \
        return do_load(c, op, size, kind, true, (struct ipf_gr){ (uint64_t)op->imm, 0 });          \
    }                                                                                              \
    HANDLER(ia_ld_##name##_reg) { return do_load(c, op, size, kind, true, *gr(c, op->r2)); }
#define LOADS_OF(name, kind)                                                                       \
    LOAD(name##1, kind, 1)                                                                         \
    LOAD(name##2, kind, 2)                                                                         \
    LOAD(name##4, kind, 4)                                                                         \
    LOAD(name##8, kind, 8)
LOADS_OF(plain, PLAIN)
LOADS_OF(s, SPECULATIVE)
LOADS_OF(a, ADVANCED)
LOADS_OF(sa, SPECULATIVE_ADVANCED)
LOADS_OF(c_clr, CHECK_CLEAR)
LOADS_OF(c_nc, CHECK_KEEP)
LOAD(fill, FILL, 8)

/* Two words in the order in which they stand in memory, of which the first is `low`. */
static void pair_order(const struct ipf_cpu *c, uint64_t pair[2])
{
    if (!(c->psr & PSR_BE))
        return;
    uint64_t first = pair[0];
    pair[0] = __builtin_bswap64(pair[1]);
    pair[1] = __builtin_bswap64(first);
}

HANDLER(ia_ld16)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr base = *gr(c, op->r3);
    uint64_t pair[2];
    if (no_target(c, op->r1))
        return illegal_operation(c, op);
    if (base.nat)
        return nat_consumption(c, op, ISR_R);
    if (ipf_read(c, base.v, 16, ISR_R | HOW_ATOMIC, pair) != DATA_DONE)
        return data_fault(c, op);
    pair_order(c, pair);
    *gr(c, op->r1) = (struct ipf_gr){ pair[0], 0 };
    c->ar[AR_CSD] = pair[1];
    NEXT_ATTENTIVE(c, op);
}

/* ---- stores ---- */

static unsigned store_slowly(struct ipf_cpu *c, const struct ipf_op *op, bool spill, bool updates,
                             uint64_t increment)
{
    const struct ipf_gr base = *gr(c, op->r3), value = *gr(c, op->r2);
    if (updates && no_target(c, op->r3))
        return illegal_operation(c, op);
    if (base.nat || (value.nat && !spill))
        return nat_consumption(c, op, ISR_W);
    if (store(c, base.v, op->arg, value.v) != DATA_DONE)
        return data_fault(c, op);
    if (spill) {
        uint64_t bit = BIT(base.v >> 3 & 0x3f), *unat = &c->ar[AR_UNAT];
        *unat = value.nat ? *unat | bit : *unat & ~bit;
    }
    if (updates)
        gr(c, op->r3)->v = base.v + increment;
    NEXT_ATTENTIVE(c, op);
}

static inline unsigned do_store(struct ipf_cpu *c, const struct ipf_op *op, unsigned size,
                                bool updates, uint64_t increment)
{
    IF_PREDICATE(c, op);
    struct ipf_gr *base = gr(c, op->r3);
    const struct ipf_gr *value = gr(c, op->r2);
    uint64_t address = base->v;
    uint8_t *host = line_hit(c->lines, address, size, true);
    if (unlikely(!host || base->nat | value->nat || (updates && no_target(c, op->r3))))
        return store_slowly(c, op, false, updates, increment);
    alat_snoop(c, host, size);
    memcpy(host, &value->v, size);
    if (updates)
        base->v = address + increment;
    NEXT(c, op);
}
#define STORE(size)                                                                                \
    HANDLER(ia_st_plain##size) { return do_store(c, op, size, false, 0); }                         \
    HANDLER(ia_st_plain##size##_imm) { return do_store(c, op, size, true, (uint64_t)op->imm); }
STORE(1)
STORE(2)
STORE(4)
STORE(8)
HANDLER(ia_st_spill)
{
    IF_PREDICATE(c, op);
    return store_slowly(c, op, true, false, 0);
}
HANDLER(ia_st_spill_imm)
{
    IF_PREDICATE(c, op);
    return store_slowly(c, op, true, true, (uint64_t)op->imm);
}

HANDLER(ia_st16)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr *base = gr(c, op->r3), *value = gr(c, op->r2);
    uint64_t pair[2] = { value->v, c->ar[AR_CSD] };
    if (base->nat || value->nat)
        return nat_consumption(c, op, ISR_W);
    pair_order(c, pair);
    if (ipf_write(c, base->v, 16, ISR_W | HOW_ATOMIC, pair) != DATA_DONE)
        return data_fault(c, op);
    NEXT_ATTENTIVE(c, op);
}

/* ---- semaphores: they want natural alignment whatever PSR.ac says ---- */

/* Goes on if r1 may be written, and base read and written.  A page that no write may touch faults
 * although nothing is to be written. */
#define SEMAPHORE(size, other_nat, how)                                                            \
    IF_PREDICATE(c, op);                                                                           \
    const struct ipf_gr base = *gr(c, op->r3);                                                     \
    uint64_t old;                                                                                  \
    if (no_target(c, op->r1))                                                                      \
        return illegal_operation(c, op);                                                           \
    if (base.nat || (other_nat))                                                                   \
        return nat_consumption(c, op, ISR_R | ISR_W);                                              \
    if (!line_hit(c->lines, base.v, size, true) || !line_hit(c->lines, base.v, size, false))       \
        if (ipf_probe_semaphore(c, base.v, size, how) != DATA_DONE)                                \
            return data_fault(c, op);                                                              \
    load(c, base.v, size, ISR_R, &old)

HANDLER(ia_xchg)
{
    const struct ipf_gr value = *gr(c, op->r2);
    SEMAPHORE(op->arg, value.nat, HOW_ATOMIC);
    store(c, base.v, op->arg, value.v);
    *gr(c, op->r1) = (struct ipf_gr){ old, 0 };
    NEXT_ATTENTIVE(c, op);
}
HANDLER(ia_cmpxchg)
{
    const struct ipf_gr value = *gr(c, op->r2);
    SEMAPHORE(op->arg, value.nat, HOW_ATOMIC);
    if (old == c->ar[AR_CCV])
        store(c, base.v, op->arg, value.v);
    *gr(c, op->r1) = (struct ipf_gr){ old, 0 };
    NEXT_ATTENTIVE(c, op);
}
/* The 8 bytes at r3 are compared; the 16 bytes around them are written: r2, AR.CSD. */
HANDLER(ia_cmp8xchg16)
{
    const struct ipf_gr value = *gr(c, op->r2);
    SEMAPHORE(8, value.nat, HOW_ATOMIC);
    uint64_t pair[2] = { value.v, c->ar[AR_CSD] };
    pair_order(c, pair);
    if (old == c->ar[AR_CCV])
        ipf_write(c, base.v & ~UINT64_C(15), 16, ISR_W, pair);
    *gr(c, op->r1) = (struct ipf_gr){ old, 0 };
    NEXT_ATTENTIVE(c, op);
}
HANDLER(ia_fetchadd)
{
    static const int8_t increments[8] = { 16, 8, 4, 1, -16, -8, -4, -1 };
    SEMAPHORE(op->arg, 0, HOW_ATOMIC | HOW_FETCHADD);
    store(c, base.v, op->arg, old + (uint64_t)(int64_t)increments[op->s1 & 7]);
    *gr(c, op->r1) = (struct ipf_gr){ old, 0 };
    NEXT_ATTENTIVE(c, op);
}

/* ---- lfetch, fc: there are no caches; lfetch.fault (arg) faults as a load would, unless PSR.ed
 * makes it a plain one; lfetch updates its base ---- */

static unsigned lfetch(struct ipf_cpu *c, const struct ipf_op *op, struct ipf_gr increment)
{
    const struct ipf_gr base = *gr(c, op->r3);
    uint64_t how = ISR_R | ISR_NA | NA_LFETCH, pa;
    if (op->s2 && no_target(c, op->r3))
        return illegal_operation(c, op);
    if (op->arg && !(c->psr & PSR_ED)) {
        if (base.nat)
            return nat_consumption(c, op, how);
        if (ipf_translate(c, base.v, 0, how, cpl(c), &pa) != DATA_DONE)
            return data_fault(c, op);
    }
    if (op->s2)
        *gr(c, op->r3) = (struct ipf_gr){ base.v + increment.v, base.nat | increment.nat };
    NEXT(c, op);
}
HANDLER(ia_lfetch)
{
    IF_PREDICATE(c, op);
    return lfetch(c, op, (struct ipf_gr){ 0, 0 });
}
HANDLER(ia_lfetch_reg)
{
    IF_PREDICATE(c, op);
    return lfetch(c, op, *gr(c, op->r2));
}
HANDLER(ia_lfetch_imm)
{
    IF_PREDICATE(c, op);
    return lfetch(c, op, (struct ipf_gr){ (uint64_t)op->imm, 0 });
}
HANDLER(ia_fc)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr r3 = *gr(c, op->r3);
    uint64_t how = ISR_R | ISR_NA | NA_FC, pa;
    if (r3.nat)
        return nat_consumption(c, op, how);
    if (ipf_translate(c, r3.v, 0, how, cpl(c), &pa) != DATA_DONE)
        return data_fault(c, op);
    NEXT(c, op);
}
