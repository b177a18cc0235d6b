// SPDX-License-Identifier: Apache-2.0
// Deciding checks of a partial VMCS.  A check that reads a missing field is undecided.  What is
// read before the checks (control words) or comes from elsewhere than the VMCS leaves no such
// trace: it is drawn at random many times, and a check that takes notice is undecided, too.
#include "debug/verdict.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

enum { ROUNDS = 512, PAIRS = 128 };

/* A VMCS without gaps, and the rest. */
struct input {
    struct vmcs v;
    uint64_t outside[OUTSIDE_COUNT];
};

struct trial {
    const struct cpu *c;
    const struct vmcs_dump *dump;
    uint64_t cap[VMX_CAPABILITY_MSRS];
    uint64_t random;
    struct input in;
    struct entry e;
    uint64_t lacking[SEEN_WORDS]; /* bit f: the dump lacks field f                   */
    uint64_t seen[SEEN_WORDS];    /* by one check; then only the missing ones        */
};

/* ---- inputs ---- */

/* The splitmix64 generator: the same dump always gives the same verdicts. */
static uint64_t draw(struct trial *t)
{
    uint64_t z = t->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void draw_field(struct trial *t, unsigned f)
{
    t->in.v.f[f] = draw(t) & size_mask(vmcs_width(vmcs_fields[f].encoding));
}

/* Values that can be right and values that can be wrong, each often. */
static void draw_outside(struct trial *t, unsigned o)
{
    uint64_t link = t->in.v.f[VMCS_LINK_POINTER], width = BIT(t->c->physical_bits) - 1;
    bool coin = draw(t) & 1;
    switch (o) {
    case OUTSIDE_LONG_MODE: t->in.outside[o] = coin; break;
    case OUTSIDE_VMCS_POINTER:
        t->in.outside[o] = (coin ? link : draw(t)) & width & ~0xfffull;
        break;
    case OUTSIDE_VTPR: t->in.outside[o] = draw(t) & 0xff; break;
    case OUTSIDE_LINK_REVISION:
        t->in.outside[o] = coin ? t->cap[CAP_BASIC] & 0x7fffffff : (uint32_t)draw(t);
        break;
    default: t->in.outside[o] = coin ? 0 : draw(t) | 1; break;
    }
}

static void draw_missing(struct trial *t)
{
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        if (!t->dump->known[f])
            draw_field(t, f);
    for (unsigned o = 0; o < OUTSIDE_COUNT; o++)
        if (!t->dump->outside_known[o])
            draw_outside(t, o);
}

/* As vm_enter() prepares what the checks look at. */
static void view_input(struct trial *t)
{
    struct entry *e = &t->e;
    entry_view(t->c, &t->in.v, e);
    e->cap = t->cap;
    e->seen = t->seen;
    e->long_mode = t->in.outside[OUTSIDE_LONG_MODE];
    e->vmcs_pointer = t->in.outside[OUTSIDE_VMCS_POINTER];
    e->vtpr = t->in.outside[OUTSIDE_VTPR] & 0xff;
    e->link_revision = (uint32_t)t->in.outside[OUTSIDE_LINK_REVISION];
    for (unsigned k = 0; k < 4; k++)
        e->pdpte[k] = e->proc2 & PROC2_ENABLE_EPT ? t->in.v.f[GUEST_PDPTE0 + k]
                                                  : t->in.outside[OUTSIDE_PDPTE0 + k];
}

/* Evaluates a check; t->seen then tells which missing fields it has read. */
static bool passes(struct trial *t, const struct entry_check *k)
{
    memset(t->seen, 0, sizeof t->seen);
    struct required r = k->bits ? k->bits(&t->e, k->arg) : (struct required){ 0 };
    bool pass = (k->bits && !(r.ones | r.zeros)) || entry_check_passes(&t->e, k);
    for (unsigned w = 0; w < SEEN_WORDS; w++)
        t->seen[w] &= t->lacking[w];
    return pass;
}

/* ---- verdicts ---- */

static const struct check_table *const tables[] = { &control_checks, &host_checks, &guest_checks };

static bool list_checks(struct verdicts *out)
{
    for (unsigned t = 0; t < ARRAY_SIZE(tables); t++)
        for (unsigned s = 0; s < tables[t]->count; s++)
            out->count += tables[t]->sections[s].count;
    out->check = calloc(out->count, sizeof *out->check);
    unsigned n = 0;
    for (unsigned t = 0; out->check && t < ARRAY_SIZE(tables); t++)
        for (unsigned s = 0; s < tables[t]->count; s++)
            for (unsigned k = 0; k < tables[t]->sections[s].count; k++, n++) {
                out->check[n].kind = tables[t]->kind;
                out->check[n].broken.section = &tables[t]->sections[s];
                out->check[n].broken.check = &tables[t]->sections[s].checks[k];
            }
    return out->check;
}

/* One round: a check whose outcome is not that of the round before is undecided. */
static void judge(struct trial *t, struct verdicts *out, bool first_round)
{
    view_input(t);
    for (unsigned n = 0; n < out->count; n++) {
        struct check_verdict *v = &out->check[n];
        enum verdict now = passes(t, v->broken.check) ? VERDICT_HOLDS : VERDICT_BROKEN;
        bool missing = false;
        for (unsigned k = 0; k < SEEN_WORDS; k++)
            missing |= t->seen[k] != 0;
        for (unsigned f = 0; missing && f < VMCS_FIELD_COUNT; f++)
            v->missing[f] |= t->seen[f / 64] >> f % 64 & 1;
        if (missing || (!first_round && now != v->verdict))
            now = VERDICT_UNDECIDED;
        if (first_round || v->verdict != VERDICT_UNDECIDED)
            v->verdict = now;
    }
}

/* Do the checks look at the same, but for the fields?  (Padding that differs costs only time.) */
static bool same_view(const struct entry *a, const struct entry *b)
{
    struct entry same = *b;
    same.v = a->v;
    same.cap = a->cap;
    same.seen = a->seen;
    return !memcmp(a, &same, sizeof same);
}

/* Changes one input and notes which undecided checks take notice. */
static void attribute(struct trial *t, struct verdicts *out, bool outside, unsigned which)
{
    struct trial *other = malloc(sizeof *other);
    for (unsigned pair = 0; other && pair < PAIRS; pair++) {
        draw_missing(t);
        *other = *t;
        if (outside)
            draw_outside(other, which);
        else
            draw_field(other, which);
        t->random = other->random;
        view_input(t);
        view_input(other);
        if (same_view(&t->e, &other->e))
            continue;
        for (unsigned n = 0; n < out->count; n++) {
            struct check_verdict *v = &out->check[n];
            if (v->verdict != VERDICT_UNDECIDED)
                continue;
            bool differ = passes(t, v->broken.check) != passes(other, v->broken.check) ||
                          memcmp(t->seen, other->seen, sizeof t->seen);
            *(outside ? &v->missing_outside[which] : &v->missing[which]) |= differ;
        }
    }
    free(other);
}

/* Control words and PDPTEs are read before the checks are. */
static void attribute_all(struct trial *t, struct verdicts *out)
{
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++) {
        bool early = vmcs_type(vmcs_fields[f].encoding) == VMCS_CONTROL ||
                     (f >= GUEST_PDPTE0 && f <= GUEST_PDPTE3);
        if (!t->dump->known[f] && early)
            attribute(t, out, false, f);
    }
    for (unsigned o = 0; o < OUTSIDE_COUNT; o++)
        if (!t->dump->outside_known[o])
            attribute(t, out, true, o);
}

static void conclude(struct trial *t, struct verdicts *out)
{
    view_input(t);
    for (unsigned n = 0; n < out->count; n++) {
        struct check_verdict *v = &out->check[n];
        const struct entry_check *k = v->broken.check;
        out->undecided += v->verdict == VERDICT_UNDECIDED;
        if (v->verdict != VERDICT_BROKEN)
            continue;
        entry_describe_broken(&t->e, v->broken.section, k, &v->broken);
        for (unsigned f = 0; f < k->fields; f++)
            v->broken.unknown |= (uint8_t)(!t->dump->known[k->field[f]] << f);
        if (!out->broken++) {
            out->first = n;
            out->doubts = out->undecided;
        }
    }
}

bool verdicts_reach(struct verdicts *out, const struct cpu *c, const struct vmcs_dump *dump)
{
    *out = (struct verdicts){ 0 };
    struct trial *t = calloc(1, sizeof *t);
    if (!t || !list_checks(out)) {
        free(t);
        return false;
    }
    t->c = c;
    t->dump = dump;
    t->in.v = dump->v;
    memcpy(t->in.outside, dump->outside, sizeof t->in.outside);
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        t->lacking[f / 64] |= (uint64_t)!dump->known[f] << f % 64;
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        t->cap[k] = dump->caps.known[k] ? dump->caps.value[k] : c->model->vmx_capability[k];
    bool partial = memchr(dump->known, false, sizeof dump->known) ||
                   memchr(dump->outside_known, false, sizeof dump->outside_known);
    for (unsigned round = 0; round < (partial ? ROUNDS : 1); round++) {
        draw_missing(t);
        judge(t, out, round == 0);
    }
    attribute_all(t, out);
    conclude(t, out);
    free(t);
    return true;
}

void verdicts_free(struct verdicts *v)
{
    free(v->check);
    *v = (struct verdicts){ 0 };
}

uint32_t verdict_error(const struct check_verdict *v)
{
    return v->kind == ENTRY_FAIL_CONTROLS ? 7 : v->kind == ENTRY_FAIL_HOST ? 8 : 33;
}
