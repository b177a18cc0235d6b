// SPDX-License-Identifier: Apache-2.0
// Cases, machines and outcomes: what reports are written from.
#include <stdlib.h>
#include <string.h>

#include "cli/conform.h"

/* A report that does not fit the host's memory is of no use: there is nothing to go on with. */
static void *must(void *memory)
{
    if (memory)
        return memory;
    fprintf(stderr, "silverpool: the host has no memory left\n");
    exit(SP_EXIT_USAGE);
}

static char *copy(const char *text) { return text ? must(strdup(text)) : NULL; }

const char *conform_status_name(enum conform_status status)
{
    static const char *const names[CONFORM_STATUSES] = {
        [CONFORM_NOT_RUN] = "not run", [CONFORM_PASSED] = "passed", [CONFORM_FAILED] = "failed",
        [CONFORM_SKIPPED] = "skipped", [CONFORM_DIED] = "died",
    };
    return names[status];
}

struct conform_column *conform_add_column(struct conform_report *r, const char *name)
{
    size_t size = (r->column_count + 1) * sizeof *r->columns;
    r->columns = must(realloc(r->columns, size));
    struct conform_column *c = &r->columns[r->column_count++];
    *c = (struct conform_column){ .name = copy(name) };
    if (r->room)
        c->outcome = must(calloc(r->room, sizeof *c->outcome));
    return c;
}

/* Where the name stands in the hash table, or where it would. */
static size_t slot_of(const struct conform_report *r, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    size_t at = hash % (2 * r->room);
    while (r->slots[at] && strcmp(r->cases[r->slots[at] - 1].name, name))
        at = (at + 1) % (2 * r->room);
    return at;
}

static void fill_slots(struct conform_report *r)
{
    free(r->slots);
    r->slots = must(calloc(2 * r->room, sizeof *r->slots));
    for (size_t k = 0; k < r->count; k++)
        r->slots[slot_of(r, r->cases[k].name)] = k + 1;
}

static void grow(struct conform_report *r)
{
    size_t room = r->room ? 2 * r->room : 1024;
    r->cases = must(realloc(r->cases, room * sizeof *r->cases));
    for (size_t k = 0; k < r->column_count; k++) {
        struct conform_column *c = &r->columns[k];
        c->outcome = must(realloc(c->outcome, room * sizeof *c->outcome));
        memset(c->outcome + r->room, 0, (room - r->room) * sizeof *c->outcome);
    }
    r->room = room;
    fill_slots(r);
}

size_t conform_find_case(struct conform_report *r, const char *name, unsigned order)
{
    if (r->count == r->room)
        grow(r);
    size_t slot = slot_of(r, name);
    if (r->slots[slot])
        return r->slots[slot] - 1;
    r->cases[r->count] = (struct conform_case){ copy(name), order };
    r->slots[slot] = r->count + 1;
    return r->count++;
}

void conform_set(struct conform_column *c, size_t index, enum conform_status status,
                 const char *expected, const char *observed)
{
    struct conform_outcome *o = &c->outcome[index];
    free(o->expected);
    free(o->observed);
    *o = (struct conform_outcome){ status, copy(expected), copy(observed) };
}

void conform_add_fact(struct conform_column *c, const char *key, const char *value)
{
    for (size_t k = 0; k < c->fact_count; k++)
        if (!strcmp(c->facts[k].key, key))
            return;
    c->facts = must(realloc(c->facts, (c->fact_count + 1) * sizeof *c->facts));
    c->facts[c->fact_count++] = (struct conform_fact){ copy(key), copy(value) };
}

/* ---- order ---- */

struct place {
    unsigned order;
    size_t index;
};

static int by_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

void conform_sort(struct conform_report *r)
{
    if (!r->count)
        return;
    struct place *places = must(calloc(r->count, sizeof *places));
    struct conform_case *cases = must(calloc(r->room, sizeof *cases));
    for (size_t k = 0; k < r->count; k++)
        places[k] = (struct place){ r->cases[k].order, k };
    qsort(places, r->count, sizeof *places, by_order);
    for (size_t k = 0; k < r->count; k++)
        cases[k] = r->cases[places[k].index];
    for (size_t c = 0; c < r->column_count; c++) {
        struct conform_outcome *moved = must(calloc(r->room, sizeof *moved));
        for (size_t k = 0; k < r->count; k++)
            moved[k] = r->columns[c].outcome[places[k].index];
        free(r->columns[c].outcome);
        r->columns[c].outcome = moved;
    }
    free(r->cases);
    r->cases = cases;
    fill_slots(r);
    free(places);
}

size_t conform_total(const struct conform_report *r, enum conform_status status)
{
    size_t total = 0;
    for (size_t c = 0; c < r->column_count; c++)
        for (size_t k = 0; k < r->count; k++)
            total += r->columns[c].outcome[k].status == status;
    return total;
}

void conform_free(struct conform_report *r)
{
    for (size_t k = 0; k < r->column_count; k++) {
        struct conform_column *c = &r->columns[k];
        for (size_t n = 0; c->outcome && n < r->count; n++) {
            free(c->outcome[n].expected);
            free(c->outcome[n].observed);
        }
        for (size_t n = 0; n < c->fact_count; n++) {
            free(c->facts[n].key);
            free(c->facts[n].value);
        }
        free(c->outcome);
        free(c->facts);
        free(c->name);
    }
    for (size_t k = 0; k < r->count; k++)
        free(r->cases[k].name);
    free(r->columns);
    free(r->cases);
    free(r->slots);
    *r = (struct conform_report){ 0 };
}
