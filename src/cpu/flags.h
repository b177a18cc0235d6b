// SPDX-License-Identifier: Apache-2.0
// Lazy status flags.  Two words stand for the six flags until somebody asks:
//
//   res  the result, sign-extended from the operand size
//   aux  bit 0  carry into the most significant bit (OF = bit 0 ^ bit 1)
//        bit 1  CF
//        bit 5  AF
//        bits 15:8  XORed with res[7:0] before the parity is taken
//        bit 16 XORed with the sign of res
//
//   ZF = (res == 0); the two XOR parts exist only so that POPF can load any combination.
#ifndef SP_CPU_FLAGS_H
#define SP_CPU_FLAGS_H

#include "cpu/state.h"

enum {
    AUX_CIN = 1 << 0,
    AUX_CF = 1 << 1,
    AUX_AF = 1 << 5,
    AUX_PARITY_SHIFT = 8,
    AUX_SIGN = 1 << 16
};

/* aux of an addition or subtraction from its carry-out vector (bit k = carry out of bit k). */
static inline uint64_t aux_of_carries(uint64_t carries, unsigned size)
{
    if (size == 8)
        return (carries << 2 | carries >> 62) & (AUX_CIN | AUX_CF | AUX_AF);
    return (carries >> (8 * size - 2) & 3) | (carries & 8) << 2;
}
static inline uint64_t carries_of_add(uint64_t a, uint64_t b, uint64_t r)
{
    return (a & b) | ((a | b) & ~r);
}
static inline uint64_t carries_of_sub(uint64_t a, uint64_t b, uint64_t r)   /* r = a - b, borrows */
{
    return (~a & b) | (~(a ^ b) & r);
}

static inline bool lazy_cf(uint64_t aux) { return aux >> 1 & 1; }
static inline bool lazy_of(uint64_t aux) { return (aux ^ aux >> 1) & 1; }
static inline bool lazy_af(uint64_t aux) { return aux >> 5 & 1; }
static inline bool lazy_zf(uint64_t res) { return res == 0; }
static inline bool lazy_sf(uint64_t res, uint64_t aux) { return (res >> 63 ^ aux >> 16) & 1; }
static inline bool lazy_pf(uint64_t res, uint64_t aux)
{
    return !__builtin_parity((res ^ aux >> AUX_PARITY_SHIFT) & 0xff);
}

/* Condition code 0..15 of Jcc, SETcc, CMOVcc (SDM vol. 1, appendix B "EFLAGS Condition Codes"). */
static inline bool lazy_condition(unsigned cc, uint64_t res, uint64_t aux)
{
    bool v;
    switch (cc >> 1) {
    case 0: v = lazy_of(aux); break;
    case 1: v = lazy_cf(aux); break;
    case 2: v = lazy_zf(res); break;
    case 3: v = lazy_cf(aux) || lazy_zf(res); break;
    case 4: v = lazy_sf(res, aux); break;
    case 5: v = lazy_pf(res, aux); break;
    case 6: v = lazy_sf(res, aux) != lazy_of(aux); break;
    default: v = lazy_zf(res) || lazy_sf(res, aux) != lazy_of(aux); break;
    }
    return v ^ (cc & 1);
}

/* For general handlers: the flags of c. */
static inline void flags_add(struct cpu *c, uint64_t a, uint64_t b, uint64_t carry, unsigned size)
{
    uint64_t r = a + b + carry;
    c->aux = aux_of_carries(carries_of_add(a, b, r), size);
    c->res = (uint64_t)sign_extend(r, size);
}
static inline void flags_sub(struct cpu *c, uint64_t a, uint64_t b, uint64_t borrow, unsigned size)
{
    uint64_t r = a - b - borrow;
    c->aux = aux_of_carries(carries_of_sub(a, b, r), size);
    c->res = (uint64_t)sign_extend(r, size);
}
static inline void flags_logic(struct cpu *c, uint64_t r, unsigned size)   /* CF = OF = AF = 0   */
{
    c->aux = 0;
    c->res = (uint64_t)sign_extend(r, size);
}
static inline bool flag_cf(const struct cpu *c) { return lazy_cf(c->aux); }
/* CF and OF replaced, the others kept. */
static inline void flags_set_cf_of(struct cpu *c, bool cf, bool of)
{
    c->aux = (c->aux & ~(uint64_t)(AUX_CF | AUX_CIN)) | (uint64_t)cf << 1 | (uint64_t)(cf ^ of);
}
static inline void flags_set_cf(struct cpu *c, bool cf)
{
    flags_set_cf_of(c, cf, lazy_of(c->aux));
}

/* Shifts, rotates through flags, multiplications: SF, ZF, PF from r; CF and OF given; AF = 0. */
static inline void flags_shift(struct cpu *c, uint64_t r, unsigned size, bool cf, bool of)
{
    c->aux = (uint64_t)cf << 1 | (uint64_t)(cf ^ of);
    c->res = (uint64_t)sign_extend(r, size);
}

/* The six status flags at their RFLAGS positions, and their reverse. */
static inline uint64_t flags_status(const struct cpu *c)
{
    uint64_t res = c->res, aux = c->aux;
    return (lazy_cf(aux) ? FLAG_CF : 0) | (lazy_pf(res, aux) ? FLAG_PF : 0) |
           (lazy_af(aux) ? FLAG_AF : 0) | (lazy_zf(res) ? FLAG_ZF : 0) |
           (lazy_sf(res, aux) ? FLAG_SF : 0) | (lazy_of(aux) ? FLAG_OF : 0);
}
static inline void flags_set_status(struct cpu *c, uint64_t f)
{
    bool cf = f & FLAG_CF, of = f & FLAG_OF, zf = f & FLAG_ZF, sf = f & FLAG_SF;
    c->res = zf ? 0 : BIT(32);      /* low byte 0: even parity; sign clear */
    c->aux = (uint64_t)cf << 1 | (uint64_t)(cf ^ of) | (f & FLAG_AF ? AUX_AF : 0) |
             (f & FLAG_PF ? 0 : UINT64_C(1) << AUX_PARITY_SHIFT) | (sf ? AUX_SIGN : 0);
}
/* The status flags in `mask` take their values in `f`; the others are kept. */
static inline void flags_replace(struct cpu *c, uint64_t mask, uint64_t f)
{
    flags_set_status(c, (flags_status(c) & ~mask) | (f & mask));
}
static inline uint64_t cpu_rflags(const struct cpu *c) { return c->rflags | flags_status(c); }

/* Loads all of RFLAGS and what depends on it (mode, TLB view, single-step, interrupt windows).
 * Bits that do not exist are forced.  (cpu/control.c) */
void cpu_set_rflags(struct cpu *c, uint64_t value);

#endif
