// SPDX-License-Identifier: Apache-2.0
// Itanium compares and bit tests.  What a row does is read from its name: operation, relation,
// type.
#include "ipf_insn.h"

enum { TIMES = 200 };

struct named {
    char operation[8], relation[8]; /* cmp, cmp4, tbit, tnat, tf; lt, ltu, eq, ..., z, nz */
    const char *type;               /* "", "unc", "and", "or", "or.andcm"                 */
};
static struct named named(const struct ipf_row *row)
{
    struct named n = { .type = "" };
    const char *dot = strchr(row->name, '.'), *end = dot + strcspn(dot + 1, ".") + 1;
    memcpy(n.operation, row->name, (size_t)(dot - row->name));
    memcpy(n.relation, dot + 1, (size_t)(end - dot - 1));
    n.type = *end ? end + 1 : "";
    return n;
}

static bool compares(const char *relation, uint64_t x, uint64_t y, unsigned bits)
{
    uint64_t ux = x << (64 - bits), uy = y << (64 - bits);
    int64_t sx = (int64_t)ux, sy = (int64_t)uy;
    if (!strcmp(relation, "lt"))
        return sx < sy;
    if (!strcmp(relation, "ltu"))
        return ux < uy;
    if (!strcmp(relation, "le"))
        return sx <= sy;
    if (!strcmp(relation, "gt"))
        return sx > sy;
    if (!strcmp(relation, "ge"))
        return sx >= sy;
    return (ux == uy) != !strcmp(relation, "ne");
}

/* The relation, and whether a source is NaT. */
static bool relation_of(const struct named *n, const struct ipf_slot *s,
                        const struct registers *all, uint64_t features, bool *nat)
{
    const struct ipf_gr *r2 = &all->r[s->r[2]], *r3 = &all->r[s->r[3]];
    bool negated = !strcmp(n->relation, "z");
    *nat = r3->nat;
    if (!strcmp(n->operation, "tbit"))
        return (r3->v >> s->small[1] & 1) != negated;
    *nat = false;
    if (!strcmp(n->operation, "tnat"))
        return r3->nat != negated;
    if (!strcmp(n->operation, "tf"))
        return (features >> s->small[1] & 1) != negated;
    *nat = r2->nat | r3->nat;
    uint64_t x = s->row->format == IPF_FORMAT_A8 ? (uint64_t)s->imm : r2->v;
    return compares(n->relation, x, r3->v, strcmp(n->operation, "cmp4") ? 64 : 32);
}

static void set(struct registers *all, unsigned p, bool value)
{
    all->pr = p ? (all->pr & ~BIT(p)) | (uint64_t)value << p : all->pr;
}
/* SDM vol. 1, "Compare Types". */
static void expect(struct registers *all, const char *type, const struct ipf_slot *s, bool holds,
                   bool nat)
{
    unsigned p1 = s->r[1], p2 = s->r[4];
    bool both = !*type || !strcmp(type, "unc");
    if (both || (!strcmp(type, "and") && (nat || !holds))) {
        set(all, p1, both && holds && !nat);
        set(all, p2, both && !holds && !nat);
    } else if (strcmp(type, "and") && holds && !nat) {
        set(all, p1, true);
        set(all, p2, !strcmp(type, "or"));
    }
}

static void run_case(struct guest *g, const struct row *r)
{
    struct named n = named(r->row);
    struct registers all = guest_randomize(g, 6);
    uint64_t slot = (random_bits(g) & (BIT(41) - 1) & ~r->mask) | r->match;
    if (random_below(g, 3))
        slot = with_field(slot, 0, 6, 0);
    if (!random_below(g, 8))
        slot = with_field(slot, 27, 6, slot >> 6);
    struct ipf_slot s;
    cr_assert(ipf_decode(r->unit, slot, 0, &s) && s.row == r->row);
    if (s.r[3] && !random_below(g, 3))
        all.r[s.r[3]] = *guest_gr(g, s.r[3]) = all.r[s.r[2]];
    g->c->cpuid[4] = random_bits(g);
    bool executes = all.pr >> s.qp & 1, unconditional = !strcmp(n.type, "unc"), nat;
    bool holds = relation_of(&n, &s, &all, g->c->cpuid[4], &nat);
    guest_execute(g, r, slot);
    if (s.r[1] == s.r[4] && (executes || unconditional)) {
        assert_fault(g, VECTOR_GENERAL, ILLEGAL, r->row->name);
        cr_assert_eq(g->c->pr, all.pr);
        return;
    }
    assert_went_on(g, r->row->name);
    if (executes)
        expect(&all, n.type, &s, holds, nat);
    else if (unconditional)
        expect(&all, n.type, &s, false, true);
    assert_registers(g, &all, r->row->name);
}

Test(ipf_compare, every_row_writes_its_predicates)
{
    struct guest g = guest_new();
    struct row r;
    for (unsigned n = 0; row_at(n, &r); n++)
        for (unsigned k = 0; k < TIMES && topic_of(r.row) == COMPARE; k++)
            run_case(&g, &r);
    guest_end(&g);
}
