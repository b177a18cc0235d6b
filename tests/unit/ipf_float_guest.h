// SPDX-License-Identifier: Apache-2.0
// What the tests of Itanium floating-point instructions share.
#ifndef SP_TESTS_IPF_FLOAT_GUEST_H
#define SP_TESTS_IPF_FLOAT_GUEST_H

#include "ipf/float.h"
#include "ipf_insn.h"

enum { FPSR_TRAPS_OFF = 0x3f };
#define FPSR_DEFAULT UINT64_C(0x0009804c0270033f)

static inline uint64_t sf_flags(const struct guest *g, unsigned sf)
{
    return g->c->ar[AR_FPSR] >> (13 + 13 * sf) & 0x3f;
}
static inline void prepare(struct guest *g)
{
    g->c->cfm = (struct ipf_cfm){ .sof = 96 };
    g->c->pr = 1;
    g->c->ar[AR_FPSR] = FPSR_DEFAULT;
    g->c->psr &= ~(PSR_DFL | PSR_DFH | PSR_MFL | PSR_MFH);
}
static inline struct ipf_fr number(double d)
{
    uint64_t v;
    memcpy(&v, &d, 8);
    return float_from_double(v);
}
static inline double value_of(const struct ipf_fr *f)
{
    uint64_t v = float_to_double(f);
    double d;
    memcpy(&d, &v, 8);
    return d;
}
static inline struct ipf_fr pair(uint32_t high, uint32_t low)
{
    return (struct ipf_fr){ (uint64_t)high << 32 | low, FR_INTEGER, 0 };
}
static inline bool same(const struct ipf_fr *a, struct ipf_fr b)
{
    return a->significand == b.significand && a->exponent == b.exponent && a->sign == b.sign;
}
#define assert_fr(g, n, ...)                                                                       \
    do {                                                                                           \
        const struct ipf_fr *f_ = &(g)->c->fr[n];                                                  \
        cr_assert(same(f_, __VA_ARGS__), "f%u is %u.%05x.%016" PRIx64, n, f_->sign, f_->exponent,  \
                  f_->significand);                                                                \
    } while (0)

/* f6 = f(f7, f8, f9): numbers of the operands f2, f3, f4, in status field sf. */
enum { F1 = 6, F2 = 7, F3 = 8, F4 = 9 };
static inline uint64_t float_slot(const struct row *r, unsigned sf)
{
    uint64_t slot = with_field(with_field(encoded(r, 0, F1, F2, F3), 27, 7, F4), 34, 2, sf);
    return (slot & ~r->mask) | r->match;
}
static inline struct row float_row(const char *name)
{
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++)
        if (!strcmp(r.row->name, name))
            return r;
    cr_assert_fail("no row %s", name);
    return r;
}
static inline void execute(struct guest *g, const char *name, unsigned sf)
{
    struct row r = float_row(name);
    guest_execute(g, &r, float_slot(&r, sf));
}

#endif
