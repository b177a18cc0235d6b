// SPDX-License-Identifier: Apache-2.0
// Going through the tables of entry checks.
#include "vmx/entry.h"

bool entry_check_passes(const struct entry *e, const struct entry_check *k)
{
    if (k->pass)
        return k->pass(e, k->arg);
    struct required r = k->bits(e, k->arg);
    uint64_t v = field(e, k->field[0]);
    return (v & r.ones) == r.ones && !(v & r.zeros);
}

const struct entry_check *entry_first_broken(const struct entry *e, const struct check_table *t,
                                             unsigned dirty, const struct check_section **section)
{
    for (unsigned s = 0; s < t->count; s++) {
        const struct check_section *in = &t->sections[s];
        if (!(in->dirty & dirty))
            continue;
        for (unsigned k = 0; k < in->count; k++)
            if (!entry_check_passes(e, &in->checks[k])) {
                *section = in;
                return &in->checks[k];
            }
    }
    return NULL;
}

void entry_describe_broken(const struct entry *e, const struct check_section *s,
                           const struct entry_check *k, struct broken_check *b)
{
    *b = (struct broken_check){ .section = s, .check = k };
    if (k->bits)
        b->required = k->bits(e, k->arg);
    for (unsigned n = 0; n < k->fields; n++)
        b->value[n] = field(e, k->field[n]);
}

void entry_list_broken(const struct entry *e, struct entry_failure *f)
{
    const struct check_table *const tables[] = { &control_checks, &host_checks, &guest_checks };
    f->broken_count = f->first = 0;
    for (unsigned t = 0; t < ARRAY_SIZE(tables); t++)
        for (unsigned s = 0; s < tables[t]->count; s++) {
            const struct check_section *in = &tables[t]->sections[s];
            for (unsigned k = 0; k < in->count; k++)
                if (!entry_check_passes(e, &in->checks[k]) && f->broken_count++ < BROKEN_MAX)
                    entry_describe_broken(e, in, &in->checks[k], &f->broken[f->broken_count - 1]);
        }
}
