// SPDX-License-Identifier: Apache-2.0
// Floating-point loads and stores (formats M6 to M12).
#include "ipf/float_op.h"

enum kind { PLAIN, SPECULATIVE, ADVANCED, SPECULATIVE_ADVANCED, CHECK_CLEAR, CHECK_KEEP };

static unsigned size_of(unsigned memory)
{
    static const uint8_t sizes[] = {
        [MEMORY_SINGLE] = 4,  [MEMORY_DOUBLE] = 8, [MEMORY_EXTENDED] = 10,
        [MEMORY_INTEGER] = 8, [MEMORY_SPILL] = 16,
    };
    return sizes[memory];
}

/* Reverses an item of memory whose bytes stand in big-endian order; a pair is two items. */
static void reverse(uint8_t *bytes, unsigned size)
{
    for (unsigned k = 0; k < size / 2; k++) {
        uint8_t b = bytes[k];
        bytes[k] = bytes[size - 1 - k];
        bytes[size - 1 - k] = b;
    }
}

static struct ipf_fr from_memory(const uint8_t *bytes, unsigned memory)
{
    uint64_t low = 0, high = 0;
    memcpy(&low, bytes, size_of(memory) < 8 ? size_of(memory) : 8);
    if (size_of(memory) > 8)
        memcpy(&high, bytes + 8, size_of(memory) - 8);
    switch (memory) {
    case MEMORY_SINGLE: return float_from_single((uint32_t)low);
    case MEMORY_DOUBLE: return float_from_double(low);
    case MEMORY_EXTENDED: return float_from_extended(low, (uint16_t)high);
    case MEMORY_INTEGER: return (struct ipf_fr){ low, FR_INTEGER, 0 };
    default: return (struct ipf_fr){ low, high & 0x1ffff, high >> 17 & 1 };
    }
}

static void to_memory(uint8_t *bytes, unsigned memory, const struct ipf_fr *f)
{
    uint64_t low = f->significand, high = f->exponent | (uint64_t)f->sign << 17;
    if (memory == MEMORY_SINGLE)
        low = float_to_single(f);
    else if (memory == MEMORY_DOUBLE)
        low = float_to_double(f);
    else if (memory == MEMORY_EXTENDED)
        high = float_to_extended_exponent(f);
    memcpy(bytes, &low, 8);
    memcpy(bytes + 8, &high, 8);
}

static enum ipf_data load(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how,
                          uint8_t *bytes)
{
    const uint8_t *host = size == 10 ? NULL : line_hit(c->lines, address, size, false);
    if (!host)
        return ipf_read(c, address, size, how, bytes);
    memcpy(bytes, host, size);
    return DATA_DONE;
}

/* The load itself, into one register, or with `pair` two: the second stands behind the first. */
static enum ipf_data loaded(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                            enum kind kind, bool pair)
{
    uint8_t bytes[16] = { 0 };
    unsigned size = size_of(op->arg), all = pair ? 2 * size : size;
    bool speculative = kind == SPECULATIVE || kind == SPECULATIVE_ADVANCED;
    bool advanced = kind == ADVANCED || kind == SPECULATIVE_ADVANCED;
    uint64_t how = ISR_R | (speculative ? ISR_SP : 0) | (advanced ? HOW_ADVANCED : 0);
    enum ipf_data result =
        speculative && c->psr & PSR_ED ? DATA_DEFERRED : load(c, address, all, how, bytes);
    if (result == DATA_FAULTS)
        return result;
    for (unsigned k = 0; k < (pair ? 2 : 1) && c->psr & PSR_BE; k++)
        reverse(bytes + k * size, size);
    bool deferred = result == DATA_DEFERRED;
    struct ipf_fr nothing = speculative ? fr_natval : (struct ipf_fr){ 0 };
    set_fr(c, op->r1, deferred ? nothing : from_memory(bytes, op->arg));
    if (pair)
        set_fr(c, op->r2, deferred ? nothing : from_memory(bytes + size, op->arg));
    if (deferred)
        alat_invalidate(c, op->r1, true);
    else if (advanced || kind == CHECK_KEEP)
        alat_allocate(c, op->r1, true, ipf_host_address(c, address, all), all);
    return result;
}

static inline unsigned do_load(struct ipf_cpu *c, const struct ipf_op *op, enum kind kind,
                               bool pair, uint64_t increment, uint64_t increment_nat)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr base = *gr(c, op->r3);
    bool speculative = kind == SPECULATIVE || kind == SPECULATIVE_ADVANCED;
    bool check = kind == CHECK_CLEAR || kind == CHECK_KEEP;
    if ((pair && (op->r2 < 2 || !((op->r1 ^ op->r2) & 1))) || (op->s2 && no_target(c, op->r3)))
        return illegal_operation(c, op);
    unsigned disabled = fp_reg_disabled(c, op->r1, pair ? op->r2 : 0, 0, 0);
    if (unlikely(disabled))
        return disabled_fp(c, op, disabled | ISR_R | (speculative ? ISR_SP : 0));
    if (base.nat && !speculative)
        return nat_consumption(c, op, ISR_R);
    if (check && alat_check(c, op->r1, true, kind == CHECK_CLEAR)) {
        /* the value is there already */
    } else if (base.nat) {
        set_fr(c, op->r1, fr_natval);
        if (pair)
            set_fr(c, op->r2, fr_natval);
        alat_invalidate(c, op->r1, true);
    } else if (loaded(c, op, base.v, kind, pair) == DATA_FAULTS) {
        return data_fault(c, op);
    }
    if (op->s2)
        *gr(c, op->r3) = (struct ipf_gr){ base.v + increment, base.nat | increment_nat };
    NEXT_ATTENTIVE(c, op);
}
#define LOAD(name, kind)                                                                           \
    HANDLER(ia_ldf_##name) { return do_load(c, op, kind, false, 0, 0); }                           \
    HANDLER(ia_ldf_##name##_imm) { return do_load(c, op, kind, false, (uint64_t)op->imm, 0); }     \
    HANDLER(ia_ldf_##name##_reg)                                                                   \
    {                                                                                              \
        const struct ipf_gr *r2 = gr(c, op->r2);                                                   \
        return do_load(c, op, kind, false, r2->v, r2->nat);                                        \
    }                                                                                              \
    HANDLER(ia_ldfp_##name) { return do_load(c, op, kind, true, 0, 0); }                           \
    HANDLER(ia_ldfp_##name##_imm) { return do_load(c, op, kind, true, 2 * size_of(op->arg), 0); }
LOAD(plain, PLAIN)
LOAD(s, SPECULATIVE)
LOAD(a, ADVANCED)
LOAD(sa, SPECULATIVE_ADVANCED)
LOAD(c_clr, CHECK_CLEAR)
LOAD(c_nc, CHECK_KEEP)

static enum ipf_data store(struct ipf_cpu *c, uint64_t address, unsigned size, const uint8_t *bytes)
{
    uint8_t *host = size == 10 ? NULL : line_hit(c->lines, address, size, true);
    if (!host)
        return ipf_write(c, address, size, ISR_W, bytes);
    alat_snoop(c, host, size);
    memcpy(host, bytes, size);
    return DATA_DONE;
}

static inline unsigned do_store(struct ipf_cpu *c, const struct ipf_op *op, uint64_t increment)
{
    IF_PREDICATE(c, op);
    struct ipf_gr *base = gr(c, op->r3);
    const struct ipf_fr *f = fr(c, op->r2);
    if (op->s2 && no_target(c, op->r3))
        return illegal_operation(c, op);
    if (unlikely(fp_reg_disabled(c, op->r2, 0, 0, 0)))
        return disabled_fp(c, op, fp_reg_disabled(c, op->r2, 0, 0, 0) | ISR_W);
    if (base->nat || (float_is_natval(f) && op->arg != MEMORY_SPILL))
        return nat_consumption(c, op, ISR_W);
    uint8_t bytes[16];
    to_memory(bytes, op->arg, f);
    if (c->psr & PSR_BE)
        reverse(bytes, size_of(op->arg));
    if (store(c, base->v, size_of(op->arg), bytes) != DATA_DONE)
        return data_fault(c, op);
    if (op->s2)
        base->v += increment;
    NEXT_ATTENTIVE(c, op);
}
HANDLER(ia_stf) { return do_store(c, op, 0); }
HANDLER(ia_stf_imm) { return do_store(c, op, (uint64_t)op->imm); }
