// SPDX-License-Identifier: Apache-2.0
// Shadow-stack loads and stores.
#include "cpu/cet.h"
#include "cpu/descriptor.h"
#include "mem/phys.h"

/* The access's bytes: SSP is a multiple of 4, so that a page's end can only halve eight of them. */
struct place { uint64_t linear[2], pa[2]; unsigned first, n; };

static bool locate(struct cpu *c, struct shadow_view s, uint64_t linear, unsigned n,
                   enum access_kind kind, struct place *p)
{
    uint64_t last = linear + n - 4;
    if (!s.wide) {
        linear = (uint32_t)linear;
        last = (uint32_t)last;
    } else if (!is_canonical(c, linear) || !is_canonical(c, last)) {
        return refuse(c, EXC_GP, 0);
    }
    bool crosses = (linear ^ last) & PAGE_MASK;
    p->n = n;
    p->linear[0] = linear;
    p->linear[1] = last;
    p->first = crosses ? 4 : n;
    c->access_bytes = p->first;
    return shadow_translate(c, linear, kind, s.user, &p->pa[0]) &&
           (!crosses || shadow_translate(c, last, kind, s.user, &p->pa[1]));
}

bool shadow_load(struct cpu *c, struct shadow_view s, uint64_t linear, unsigned n, uint64_t *value)
{
    struct place p;
    if (!locate(c, s, linear, n, ACCESS_READ, &p))
        return false;
    *value = located_load(c, p.linear[0], p.pa[0], p.first);
    if (p.first < n)
        *value |= located_load(c, p.linear[1], p.pa[1], 4) << 32;
    return true;
}

bool shadow_store(struct cpu *c, struct shadow_view s, uint64_t linear, unsigned n, uint64_t value)
{
    struct place p;
    if (!locate(c, s, linear, n, ACCESS_WRITE, &p))
        return false;
    located_store(c, p.linear[0], p.pa[0], p.first, value);
    if (p.first < n)
        located_store(c, p.linear[1], p.pa[1], 4, value >> 32);
    return true;
}

/* ---- stores that are made later ---- */

bool shadow_plan(struct cpu *c, struct shadow_view s, struct shadow_move *m, uint64_t linear,
                 unsigned n, uint64_t value)
{
    struct place p;
    if (!locate(c, s, linear, n, ACCESS_WRITE, &p))
        return false;
    m->store[m->stores].linear = p.linear[0];
    m->store[m->stores].pa = p.pa[0];
    m->store[m->stores].n = n;
    m->store[m->stores++].value = value;
    return true;
}

uint64_t shadow_planned(struct cpu *c, const struct shadow_move *m)
{
    const struct shadow_store *s = &m->store[m->stores - 1];
    return located_load(c, s->linear, s->pa, s->n);
}

bool shadow_plan_exchange(struct cpu *c, struct shadow_view s, struct shadow_move *m,
                          uint64_t linear, uint64_t value, uint64_t expected, bool *is)
{
    if (!shadow_plan(c, s, m, linear, 8, value))
        return false;
    *is = shadow_planned(c, m) == expected;
    if (!*is)
        m->stores--;
    return true;
}

void shadow_commit(struct cpu *c, const struct shadow_move *m)
{
    for (unsigned k = 0; k < m->stores; k++)
        located_store(c, m->store[k].linear, m->store[k].pa, m->store[k].n, m->store[k].value);
    if (m->saves_user)
        shadow_save_user(c);
    c->ssp = m->ssp;
}
