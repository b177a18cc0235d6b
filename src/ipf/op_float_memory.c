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
/* Extended values are aligned to 16 bytes, like spilled ones. */
static bool is_unaligned(const struct ipf_cpu *c, uint64_t address, unsigned memory)
{
    unsigned size = size_of(memory), alignment = size == 10 ? 16 : size;
    return address & (alignment - 1) && (c->psr & PSR_AC || (address & 15) + size > 16);
}

/* Value number n (0 to 63 bits at a time) of an item in memory, in the byte order in force. */
static uint64_t word(struct ipf_cpu *c, uint64_t address, unsigned size, unsigned at, unsigned n)
{
    uint64_t v = ipf_load(c, c->psr & PSR_BE ? address + size - at - n : address + at, n);
    return c->psr & PSR_BE ? __builtin_bswap64(v) >> (64 - 8 * n) : v;
}
static void put_word(struct ipf_cpu *c, uint64_t address, unsigned size, unsigned at, unsigned n,
                     uint64_t v)
{
    bool big = c->psr & PSR_BE;
    ipf_store(c, big ? address + size - at - n : address + at, n,
              big ? __builtin_bswap64(v) >> (64 - 8 * n) : v);
}

static struct ipf_fr from_memory(struct ipf_cpu *c, uint64_t address, unsigned memory)
{
    switch (memory) {
    case MEMORY_SINGLE: return float_from_single((uint32_t)word(c, address, 4, 0, 4));
    case MEMORY_DOUBLE: return float_from_double(word(c, address, 8, 0, 8));
    case MEMORY_EXTENDED:
        return float_from_extended(word(c, address, 10, 0, 8),
                                   (uint16_t)word(c, address, 10, 8, 2));
    case MEMORY_INTEGER: return (struct ipf_fr){ word(c, address, 8, 0, 8), FR_INTEGER, 0 };
    default: {
        uint64_t high = word(c, address, 16, 8, 8);
        return (struct ipf_fr){ word(c, address, 16, 0, 8), high & 0x1ffff, high >> 17 & 1 };
    }
    }
}

static void to_memory(struct ipf_cpu *c, uint64_t address, unsigned memory, const struct ipf_fr *f)
{
    switch (memory) {
    case MEMORY_SINGLE: put_word(c, address, 4, 0, 4, float_to_single(f)); break;
    case MEMORY_DOUBLE: put_word(c, address, 8, 0, 8, float_to_double(f)); break;
    case MEMORY_INTEGER: put_word(c, address, 8, 0, 8, f->significand); break;
    case MEMORY_EXTENDED:
        put_word(c, address, 10, 0, 8, f->significand);
        put_word(c, address, 10, 8, 2, float_to_extended_exponent(f));
        break;
    default:
        put_word(c, address, 16, 0, 8, f->significand);
        put_word(c, address, 16, 8, 8, f->exponent | (uint64_t)f->sign << 17);
        break;
    }
}

static bool takes_part(const struct ipf_cpu *c, unsigned n)
{
    return !(n > 1 && c->psr & (n < 32 ? PSR_DFL : PSR_DFH));
}

/* One register, or with `pair` two: the second stands behind the first in memory. */
static inline unsigned do_load(struct ipf_cpu *c, const struct ipf_op *op, enum kind kind,
                               bool pair, uint64_t increment, uint64_t increment_nat)
{
    IF_PREDICATE(c, op);
    const struct ipf_gr base = *gr(c, op->r3);
    unsigned size = size_of(op->arg);
    bool speculative = kind == SPECULATIVE || kind == SPECULATIVE_ADVANCED;
    bool check = kind == CHECK_CLEAR || kind == CHECK_KEEP;
    bool bad = base.nat || is_unaligned(c, base.v, op->arg);
    if (!takes_part(c, op->r1) || (pair && !takes_part(c, op->r2)))
        return disabled_fp(c, op, op->r1 >= 32);
    if ((pair && (op->r2 < 2 || !((op->r1 ^ op->r2) & 1))) || (op->s2 && no_target(c, op->r3)))
        return illegal_operation(c, op);
    if (!(check && alat_check(c, op->r1, true, kind == CHECK_CLEAR))) {
        if (bad && !speculative)
            return base.nat ? nat_consumption(c, op, ISR_R)
                            : unaligned_reference(c, op, base.v, ISR_R);
        set_fr(c, op->r1, bad ? fr_natval : from_memory(c, base.v, op->arg));
        if (pair)
            set_fr(c, op->r2, bad ? fr_natval : from_memory(c, base.v + size, op->arg));
        if (bad)
            alat_invalidate(c, op->r1, true);
        else if (kind == ADVANCED || kind == SPECULATIVE_ADVANCED || kind == CHECK_KEEP)
            alat_allocate(c, op->r1, true, base.v & ~BIT(63), pair ? 2 * size : size);
    }
    if (op->s2)
        *gr(c, op->r3) = (struct ipf_gr){ base.v + increment, base.nat | increment_nat };
    NEXT(c, op);
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

static inline unsigned do_store(struct ipf_cpu *c, const struct ipf_op *op, uint64_t increment)
{
    IF_PREDICATE(c, op);
    struct ipf_gr *base = gr(c, op->r3);
    const struct ipf_fr *f = fr(c, op->r2);
    if (!takes_part(c, op->r2))
        return disabled_fp(c, op, op->r2 >= 32);
    if (op->s2 && no_target(c, op->r3))
        return illegal_operation(c, op);
    if (base->nat || (float_is_natval(f) && op->arg != MEMORY_SPILL))
        return nat_consumption(c, op, ISR_W);
    if (is_unaligned(c, base->v, op->arg))
        return unaligned_reference(c, op, base->v, ISR_W);
    to_memory(c, base->v, op->arg, f);
    if (op->s2)
        base->v += increment;
    NEXT(c, op);
}
HANDLER(ia_stf) { return do_store(c, op, 0); }
HANDLER(ia_stf_imm) { return do_store(c, op, (uint64_t)op->imm); }
