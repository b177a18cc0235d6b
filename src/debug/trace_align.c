// SPDX-License-Identifier: Apache-2.0
// Comparing paths: two runs whose timers do not agree do the same things with interrupts in other
// places, and wait longer or shorter.
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "debug/trace_diff.h"
#include "vmx/vmx.h"

enum {
    GRAM = 24,        /* so many equal events in a row: the paths are the same again */
    PERIOD_MAX = 256, /* the longest round of a waiting loop, in events */
    BEHIND = PERIOD_MAX,
    NEAR = 1000, /* look there before the whole window */
};

struct item {
    uint64_t key; /* equal where the path is the same */
    struct trace_position at;
    bool asynchronous; /* an interrupt, or a VM exit by one */
};

/* A window on one trace: items [0, behind) were compared, [behind, count) are to come. */
struct stream {
    struct item *item;
    size_t behind, count, capacity;
    struct trace_position last;
    bool ended;
};

struct align {
    struct trace_diff *diff;
    struct stream stream[2];
    struct place {
        uint64_t gram;
        uint32_t where;
        bool used;
    } * table;
    size_t table_size;
};

/* ---- events to items ---- */

static bool is_asynchronous(const struct trace_event *event)
{
    uint32_t reason = (uint32_t)event->vm_exit.reason & 0xffff;
    if (event->kind == TRACE_EVENT_INTERRUPT)
        return event->interrupt.type != 4; /* INT n */
    return event->kind == TRACE_EVENT_VM_EXIT &&
           (reason == 1 || reason == 7 || reason == 8 ||
            reason == 52 || /* interrupt, windows, timer */
            (reason == 0 && (event->vm_exit.intr_info >> 8 & 7) == 2)); /* NMI */
}

static uint64_t key_of(const struct trace_event *event)
{
    const struct trace_insn *i = &event->insn;
    uint64_t word[6] = { event->kind, event->cpu };
    switch (event->kind) {
    case TRACE_EVENT_INSN:
        word[2] = i->address;
        word[3] =
            i->bits | (uint64_t)i->cpl << 8 | (uint64_t)i->world << 16 | (uint64_t)i->slot << 24;
        return XXH64(i->bytes, i->length, XXH64(word, sizeof word, 0));
    case TRACE_EVENT_EXCEPTION:
    case TRACE_EVENT_INTERRUPT:
        word[2] = event->field[0]; /* the vector */
        break;
    case TRACE_EVENT_VM_EXIT: word[2] = event->vm_exit.reason; break;
    case TRACE_EVENT_VMCS_READ:
    case TRACE_EVENT_VMCS_WRITE:
        word[2] = event->field[1]; /* the encoding */
        break;
    case TRACE_EVENT_MSR:
    case TRACE_EVENT_IO: word[2] = event->field[0]; break;
    default: break;
    }
    return XXH64(word, sizeof word, 0);
}

/* Reads until `wanted` items are to come. */
static bool fill(struct align *a, unsigned side, size_t wanted, struct sp_error *e)
{
    struct stream *s = &a->stream[side];
    struct trace_event event;
    if (s->behind + wanted > s->capacity) { /* keep what loops are compared with */
        size_t drop = s->behind > BEHIND ? s->behind - BEHIND : 0;
        memmove(s->item, s->item + drop, (s->count - drop) * sizeof *s->item);
        s->behind -= drop;
        s->count -= drop;
    }
    while (s->count - s->behind < wanted && !s->ended) {
        enum trace_result result = trace_diff_next(a->diff, side, &event, e);
        if (result == TRACE_BAD)
            return false;
        s->ended = result == TRACE_END;
        if (s->ended)
            break;
        trace_position_step(&s->last, &event);
        if (event.kind == TRACE_EVENT_INSN &&
            (event.insn.status == TRACE_PARTIAL || event.insn.status == TRACE_DELIVERED))
            continue; /* an interrupt may cut a string instruction in parts */
        s->item[s->count++] = (struct item){ key_of(&event), s->last, is_asynchronous(&event) };
    }
    return true;
}

static size_t ahead(const struct stream *s) { return s->count - s->behind; }

/* ---- where the paths meet again ---- */

static uint64_t gram_at(const struct stream *s, size_t n)
{
    uint64_t key[GRAM];
    for (size_t k = 0; k < GRAM; k++)
        key[k] = s->item[s->behind + n + k].key;
    return XXH64(key, sizeof key, 1);
}

static struct place *find_place(struct align *a, uint64_t gram)
{
    size_t k = (size_t)gram & (a->table_size - 1);
    while (a->table[k].used && a->table[k].gram != gram)
        k = (k + 1) & (a->table_size - 1);
    return &a->table[k];
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* The least skip[0] + skip[1] after which GRAM events are equal, within the next `window`. */
static bool meet(struct align *a, size_t window, size_t skip[2])
{
    size_t n[2] = { least(ahead(&a->stream[0]), window), least(ahead(&a->stream[1]), window) };
    size_t best = SIZE_MAX;
    a->table_size = 1024;
    while (a->table_size < 2 * n[0])
        a->table_size *= 2;
    memset(a->table, 0, a->table_size * sizeof *a->table);
    for (size_t i = 0; i + GRAM <= n[0]; i++) {
        uint64_t gram = gram_at(&a->stream[0], i);
        struct place *p = find_place(a, gram);
        if (!p->used)
            *p = (struct place){ gram, (uint32_t)i, true };
    }
    for (size_t j = 0; j + GRAM <= n[1] && j < best; j++) {
        struct place *p = find_place(a, gram_at(&a->stream[1], j));
        if (p->used && p->where + j < best) {
            best = p->where + j;
            skip[0] = p->where;
            skip[1] = j;
        }
    }
    return best != SIZE_MAX;
}

/* Whether the next n items only go on with the rounds of a loop. */
static bool is_loop(const struct stream *s, size_t n)
{
    for (size_t period = 1; period <= PERIOD_MAX && period <= s->behind; period++) {
        size_t k = 0;
        while (k < n && s->item[s->behind + k].key == s->item[s->behind + k - period].key)
            k++;
        if (k == n)
            return true;
    }
    return false;
}

static bool is_timing(const struct stream *s, size_t n)
{
    return !n || s->item[s->behind].asynchronous || is_loop(s, n);
}

/* ---- all of it ---- */

static void part(struct align *a, const char *what)
{
    struct trace_diff *d = a->diff;
    d->differ = true;
    for (unsigned side = 0; side < 2; side++) {
        const struct stream *s = &a->stream[side];
        d->ended[side] = !ahead(s);
        d->at[side] = ahead(s) ? s->item[s->behind].at : s->last;
    }
    strcpy(d->what, what);
}

/* The streams differ at their next items: true, if it is but timing, and they stand behind it. */
static bool step_over(struct align *a, bool *over, struct sp_error *e)
{
    size_t skip[2] = { 0, 0 };
    bool found = false;
    *over = false;
    for (size_t window = NEAR; !found && window < NEAR * a->diff->window; window *= NEAR) {
        window = least(window, a->diff->window);
        for (unsigned side = 0; side < 2; side++)
            if (!fill(a, side, window, e))
                return false;
        found = meet(a, window, skip);
    }
    if (!found)
        return true;
    for (unsigned side = 0; side < 2; side++)
        if (!is_timing(&a->stream[side], skip[side]))
            return true;
    for (unsigned side = 0; side < 2; side++) {
        a->stream[side].behind += skip[side];
        a->diff->only[side] += skip[side];
    }
    a->diff->stretches++;
    *over = true;
    return true;
}

static bool walk(struct align *a, struct sp_error *e)
{
    struct stream *x = &a->stream[0], *y = &a->stream[1];
    for (;;) {
        bool over = true;
        if (!fill(a, 0, 1, e) || !fill(a, 1, 1, e))
            return false;
        if (!ahead(x) && !ahead(y))
            return true;
        if (!ahead(x) || !ahead(y)) {
            part(a, "one trace ends");
            return true;
        }
        if (x->item[x->behind].key == y->item[y->behind].key) {
            trace_diff_remember(a->diff, x->item[x->behind].at);
            x->behind++;
            y->behind++;
            continue;
        }
        if (!step_over(a, &over, e))
            return false;
        if (!over) {
            part(a, "the path");
            return true;
        }
    }
}

bool trace_diff_aligned(struct trace_diff *d, struct sp_error *e)
{
    struct align a = { .diff = d };
    if (!trace_diff_begin(d, e))
        return false;
    bool ok = (a.table = malloc((4 * d->window + 1024) * sizeof *a.table)) != NULL;
    for (unsigned side = 0; side < 2; side++) {
        struct stream *s = &a.stream[side];
        s->capacity = 2 * d->window + BEHIND;
        s->last.time = UINT64_MAX;
        s->item = malloc(s->capacity * sizeof *s->item);
        ok &= s->item != NULL;
    }
    ok = ok ? walk(&a, e) : sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    free(a.table);
    free(a.stream[0].item);
    free(a.stream[1].item);
    return ok;
}
