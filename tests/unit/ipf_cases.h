// SPDX-License-Identifier: Apache-2.0
// What the tests of single branches and moves share: tables of functions that check a kind of row.
#ifndef SP_TESTS_IPF_CASES_H
#define SP_TESTS_IPF_CASES_H

#include "ipf_insn.h"

enum { R1 = 8, R2 = 9, R3 = 10 };

static inline void prepare(struct guest *g)
{
    g->c->cfm = (struct ipf_cfm){ .sof = 96 };
    g->c->pr = 1;
    g->c->psr = PSR_BN | PSR_IC;
    for (unsigned n = 1; n < 32; n++)
        g->c->gr[n] = (struct ipf_gr){ 0, 0 };
}
static inline void set_gr(struct guest *g, unsigned n, uint64_t v)
{
    g->c->gr[n] = (struct ipf_gr){ v, 0 };
}
static inline uint64_t slot_of(const struct row *r) { return encoded(r, 0, R1, R2, R3); }
static inline const char *name_of(const struct row *r) { return r->row->name; }

/* Names that begin so, of formats from first to last, are checked by a function. */
struct row_case {
    const char *start;
    enum ipf_format first, last;
    void (*check)(struct guest *g, const struct row *r);
};
#define CASE(start, first, last, check) { start, IPF_FORMAT_##first, IPF_FORMAT_##last, check },

/* Checks all rows of a topic; each must have exactly one case. */
static inline void check_rows(struct guest *g, enum topic topic, const struct row_case *cases,
                              size_t count)
{
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++) {
        unsigned found = 0;
        for (size_t k = 0; k < count && topic_of(r.row) == topic; k++) {
            bool fits = !strncmp(r.row->name, cases[k].start, strlen(cases[k].start));
            if (!fits || r.row->format < cases[k].first || r.row->format > cases[k].last)
                continue;
            cases[k].check(g, &r);
            found++;
        }
        cr_assert_eq(found, topic_of(r.row) == topic, "%u cases for %s%s", found, r.row->name,
                     ipf_format_text((enum ipf_format)r.row->format));
    }
}

#endif
