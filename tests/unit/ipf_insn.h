// SPDX-License-Identifier: Apache-2.0
// One Itanium processor for unit tests, in physical mode, which executes single instructions: rows
// of insn.def with random operands.  Every row has a topic, and the tests of a topic fail if they
// have no case for one of its rows: so none is left out.
#ifndef SP_TESTS_IPF_INSN_H
#define SP_TESTS_IPF_INSN_H

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "ipf/cpu.h"
#include "ipf/decode.h"
#include "ipf_traced.h"
#include "mem/phys.h"

enum { GUEST_CODE = 0x10000, GUEST_IVA = 0x40000, GUEST_STACK = 0x80000, GUEST_DATA = 0x100000 };
enum {
    VECTOR_BREAK = 0x2c00,
    VECTOR_GENERAL = 0x5400,
    VECTOR_DISABLED_FP = 0x5500,
    VECTOR_NAT = 0x5600,
    VECTOR_UNALIGNED = 0x5a00,
    VECTOR_FLOAT_FAULT = 0x5c00,
    VECTOR_FLOAT_TRAP = 0x5d00,
    VECTOR_VIRTUALIZATION = 0x6100,
};
/* ISR.code of the General Exception vector. */
enum { ILLEGAL = 0x00, PRIVILEGED = 0x10, PRIVILEGED_REGISTER = 0x20, RESERVED_FIELD = 0x30 };
#define ISR_READ BIT(34)
#define ISR_WRITE BIT(33)

struct guest {
    struct mem *mem;
    struct ipf_cpu *c;
    uint64_t random;
    uint64_t ip;   /* of the instruction last executed */
    unsigned slot; /* and its slot                     */
};

static inline struct guest guest_new(void)
{
    struct sp_error e = { 0 };
    struct guest g = { .mem = mem_create(16 << 20, &e), .random = UINT64_C(88172645463325252) };
    cr_assert(g.mem, "%s", e.message);
    g.c = ipf_create(g.mem);
    cr_assert(g.c);
    g.c->cr[CR_IVA] = GUEST_IVA;
    g.c->psr |= PSR_IC;
    g.c->bsp = g.c->bspstore = GUEST_STACK;
    traced_if_asked(g.c);
    return g;
}
static inline void guest_end(struct guest *g)
{
    ipf_destroy(g->c);
    mem_destroy(g->mem);
}

/* ---- random values ---- */

static inline uint64_t random_bits(struct guest *g)
{
    g->random ^= g->random << 13;
    g->random ^= g->random >> 7;
    g->random ^= g->random << 17;
    return g->random * UINT64_C(0x2545f4914f6cdd1d);
}
static inline unsigned random_below(struct guest *g, unsigned n)
{
    return (unsigned)((random_bits(g) >> 32) % n);
}
/* Values near the ends of all element sizes are frequent. */
static inline uint64_t random_value(struct guest *g)
{
    static const uint8_t bytes[] = { 0, 0, 1, 2, 0x7e, 0x7f, 0x80, 0x81, 0xfe, 0xff, 0xff };
    uint64_t v = random_bits(g);
    switch (random_below(g, 4)) {
    case 0: return v;
    case 1: return v & 0x7f;
    case 2: return (uint64_t)((int64_t)v >> random_below(g, 64));
    default:
        for (unsigned k = 0; k < 8; k++) {
            uint64_t byte = bytes[random_below(g, sizeof bytes)];
            v = random_below(g, 8) ? (v & ~(UINT64_C(0xff) << 8 * k)) | byte << 8 * k : v;
        }
        return v;
    }
}

/* ---- rows ---- */

struct row {
    const struct ipf_row *row;
    enum ipf_unit unit;
    uint64_t mask, match;
};
static inline bool row_at(unsigned n, struct row *r)
{
    return ipf_row_at(n, &r->row, &r->unit, &r->mask, &r->match);
}
/* The row with a name and format. */
static inline struct row row_named(const char *name, enum ipf_format format)
{
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++)
        if (!strcmp(r.row->name, name) && r.row->format == format)
            return r;
    cr_assert_fail("no row %s of format %s", name, ipf_format_text(format));
    return r;
}

/* TRANSLATION: instructions that translate addresses, which have tests of their own. */
enum topic { INTEGER, COMPARE, MEMORY, FLOAT, CONTROL, BRANCH, TRANSLATION };
static inline enum topic topic_of(const struct ipf_row *row)
{
    enum ipf_format f = (enum ipf_format)row->format;
    if (f >= IPF_FORMAT_A6 && f <= IPF_FORMAT_A8)
        return COMPARE;
    if (f == IPF_FORMAT_I16 || f == IPF_FORMAT_I17 || f == IPF_FORMAT_I30)
        return COMPARE;
    if (f <= IPF_FORMAT_I15 || f == IPF_FORMAT_I29 || f == IPF_FORMAT_X2)
        return INTEGER;
    if (f >= IPF_FORMAT_M1 && f <= IPF_FORMAT_M17)
        return MEMORY;
    if (f == IPF_FORMAT_M18 || f == IPF_FORMAT_M19)
        return FLOAT;
    if (f >= IPF_FORMAT_F1 && f <= IPF_FORMAT_F14)
        return FLOAT;
    if ((f >= IPF_FORMAT_B1 && f <= IPF_FORMAT_B8) || f == IPF_FORMAT_X3 || f == IPF_FORMAT_X4)
        return BRANCH;
    if (f == IPF_FORMAT_M38 || f == IPF_FORMAT_M39 || f == IPF_FORMAT_M40 || f == IPF_FORMAT_M41)
        return TRANSLATION;
    if (f >= IPF_FORMAT_M45 && f <= IPF_FORMAT_M47)
        return TRANSLATION;
    if (f == IPF_FORMAT_M42_dtr || f == IPF_FORMAT_M42_itr)
        return TRANSLATION;
    return CONTROL;
}

/* ---- encoding and executing ---- */

static inline uint64_t with_field(uint64_t bits, unsigned lsb, unsigned length, uint64_t value)
{
    uint64_t mask = (BIT(length) - 1) << lsb;
    return (bits & ~mask) | (value << lsb & mask);
}
/* A slot of the row with registers r1, r2, r3 where most formats have them, and predicate qp. */
static inline uint64_t encoded(const struct row *r, unsigned qp, unsigned r1, unsigned r2,
                               unsigned r3)
{
    uint64_t bits = with_field(with_field(with_field(qp, 6, 7, r1), 13, 7, r2), 20, 7, r3);
    return (bits & ~r->mask) | r->match;
}

/* Puts a slot where its unit stands, nops beside it, and a branch behind it that ends the block. */
static inline void guest_place(struct guest *g, enum ipf_unit unit, uint64_t slot, uint64_t low)
{
    const uint64_t nop = BIT(27), nop_b = UINT64_C(2) << 37, to_itself = UINT64_C(4) << 37;
    uint64_t s[3] = { nop, nop, nop };
    unsigned at = unit == IPF_B || unit == IPF_X ? 2 : unit == IPF_I || unit == IPF_F ? 1 : 0;
    uint64_t template = unit == IPF_B   ? 0x11
                        : unit == IPF_F ? 0x0d
                        : unit == IPF_X ? 0x05
                                        : 0x01;
    s[at] = slot;
    if (unit == IPF_X)
        s[1] = low;
    g->ip = GUEST_CODE;
    g->slot = unit == IPF_X ? 1 : at;
    mem_write_le(g->mem, g->ip, 8, template | s[0] << 5 | s[1] << 46);
    mem_write_le(g->mem, g->ip + 8, 8, s[1] >> 18 | s[2] << 23);
    mem_write_le(g->mem, g->ip + 16, 8, 0x17 | nop_b << 5 | nop_b << 46);
    mem_write_le(g->mem, g->ip + 24, 8, nop_b >> 18 | to_itself << 23);
}
static inline void guest_step(struct guest *g)
{
    g->c->psr |= PSR_IC | PSR_BN; /* a fault before cleared them */
    g->c->ip = g->ip;
    g->c->slot = g->slot;
    ipf_run_until(g->c, g->c->retired + 1);
}
static inline void guest_execute(struct guest *g, const struct row *r, uint64_t slot)
{
    guest_place(g, r->unit, slot, 0);
    guest_step(g);
}

/* ---- what happened ---- */

static inline bool went_on(const struct guest *g)
{
    bool last = g->slot == 2 || (mem_read_le(g->mem, g->ip, 1) & 0x1e) == 4;
    return g->c->ip == g->ip + (last ? 16 : 0) && g->c->slot == (last ? 0 : g->slot + 1);
}
static inline bool faulted(const struct guest *g, unsigned vector)
{
    return g->c->ip == GUEST_IVA + vector && !g->c->slot;
}
#define assert_went_on(g, what)                                                                    \
    cr_assert(went_on(g), "%s: ip %" PRIx64 ".%u, ISR %" PRIx64, what, (g)->c->ip, (g)->c->slot,   \
              (g)->c->cr[CR_ISR])
/* A fault of the instruction: vector, ISR without ei, where it is to be taken up again. */
#define assert_fault(g, vector, isr, what)                                                         \
    do {                                                                                           \
        const struct ipf_cpu *c_ = (g)->c;                                                         \
        uint64_t isr_ = (isr) | (uint64_t)(g)->slot << 41;                                         \
        cr_assert(faulted(g, vector), "%s: ip %" PRIx64, what, c_->ip);                            \
        cr_assert(c_->cr[CR_ISR] == isr_, "%s: ISR %" PRIx64 " for %" PRIx64, what,                \
                  c_->cr[CR_ISR], isr_);                                                           \
        cr_assert(c_->cr[CR_IIP] == (g)->ip, "%s: IIP %" PRIx64, what, c_->cr[CR_IIP]);            \
        cr_assert((c_->cr[CR_IPSR] >> PSR_RI_SHIFT & 3) == (g)->slot, "%s: IPSR.ri", what);        \
    } while (0)

/* ---- a frame of 96 registers, all of known values ---- */

struct registers {
    struct ipf_gr r[128];
    uint64_t pr;
};
static inline struct ipf_gr *guest_gr(struct guest *g, unsigned n)
{
    return n < 32 ? &g->c->gr[n] : &g->c->frame[n - 32];
}
/* Random values everywhere, a NaT bit in one of `nats` registers (0: in none). */
static inline struct registers guest_randomize(struct guest *g, unsigned nats)
{
    struct registers all = { .pr = random_bits(g) | 1 };
    g->c->cfm = (struct ipf_cfm){ .sof = 96 };
    for (unsigned n = 1; n < 128; n++) {
        all.r[n] = (struct ipf_gr){ random_value(g), nats && !random_below(g, nats) };
        *guest_gr(g, n) = all.r[n];
    }
    g->c->pr = all.pr;
    return all;
}
/* Compares all registers and predicates with what they are to be. */
static inline void assert_registers(struct guest *g, const struct registers *all, const char *what)
{
    for (unsigned n = 0; n < 128; n++) {
        const struct ipf_gr *r = guest_gr(g, n);
        cr_assert(r->nat == all->r[n].nat && (r->v == all->r[n].v || (r->nat && n)),
                  "%s: r%u is %" PRIx64 ".%u, not %" PRIx64 ".%u", what, n, r->v, (unsigned)r->nat,
                  all->r[n].v, (unsigned)all->r[n].nat);
    }
    cr_assert(g->c->pr == all->pr, "%s: pr %" PRIx64 " for %" PRIx64, what, g->c->pr, all->pr);
}

#endif
