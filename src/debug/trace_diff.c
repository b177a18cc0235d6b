// SPDX-License-Identifier: Apache-2.0
#include "debug/trace_diff.h"

#include <stdio.h>
#include <string.h>

/* ---- reading both ---- */

static bool same_registers(const struct trace_header *a, const struct trace_header *b)
{
    if (a->registers_n != b->registers_n)
        return false;
    for (unsigned k = 0; k < a->registers_n; k++)
        if (strcmp(a->registers[k].name, b->registers[k].name) ||
            a->registers[k].bits != b->registers[k].bits)
            return false;
    return true;
}

bool trace_diff_begin(struct trace_diff *d, struct sp_error *e)
{
    const struct trace_header *a = trace_header_of(d->reader[0]),
                              *b = trace_header_of(d->reader[1]);
    if (a->arch != b->arch || !same_registers(a, b))
        return sp_fail(e, SP_EXIT_USAGE, "the traces cannot be compared: their registers differ");
    d->classes = a->classes & b->classes;
    return true;
}

enum trace_result trace_diff_next(struct trace_diff *d, unsigned side, struct trace_event *event,
                                  struct sp_error *e)
{
    for (;;) {
        enum trace_result result = trace_next(d->reader[side], event, e);
        if (result != TRACE_OK)
            return result;
        uint32_t class_bit = trace_kinds[event->kind].class_bit;
        if ((!class_bit || d->classes & class_bit) &&
            (d->cpu < 0 || event->cpu == (uint32_t)d->cpu))
            return TRACE_OK;
    }
}

void trace_position_step(struct trace_position *p, const struct trace_event *event)
{
    p->nth = p->time == event->time ? p->nth + 1 : 0;
    p->time = event->time;
}

void trace_diff_remember(struct trace_diff *d, struct trace_position p)
{
    if (!d->context)
        return;
    d->last[d->last_next] = p;
    d->last_next = (d->last_next + 1) % d->context;
    d->last_n += d->last_n < d->context;
}

bool trace_diff_seek(struct trace_diff *d, unsigned side, struct trace_position p,
                     struct sp_error *e)
{
    struct trace_event event;
    trace_seek(d->reader[side], p.time);
    for (uint64_t k = 0; k < p.nth; k++)
        if (trace_diff_next(d, side, &event, e) != TRACE_OK)
            return false;
    return true;
}

/* ---- equal chunks ---- */

static bool is_whole(const struct trace_header *h) { return !h->first && h->last == UINT64_MAX; }

/* The number of chunks that are equal from the start on; 0 where hashes cannot tell. */
static unsigned equal_chunks(const struct trace_diff *d, unsigned n[2])
{
    const struct trace_header *a = trace_header_of(d->reader[0]),
                              *b = trace_header_of(d->reader[1]);
    const struct trace_chunk *x = trace_chunks(d->reader[0], &n[0]);
    const struct trace_chunk *y = trace_chunks(d->reader[1], &n[1]);
    unsigned low = 0, high = n[0] < n[1] ? n[0] : n[1];
    if (a->classes != b->classes || a->cpus != b->cpus || !is_whole(a) || !is_whole(b))
        return 0;
    while (low < high) { /* the hashes are chained: equal ones stand before others */
        unsigned middle = (low + high) / 2;
        if (x[middle].running == y[middle].running)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- equal events ---- */

static bool same_bytes(const struct trace_access *a, const struct trace_access *b)
{
    return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

/* What differs between two instructions, in a word; NULL: nothing. */
static const char *insn_difference(const struct trace_diff *d, const struct trace_insn *a,
                                   const struct trace_insn *b)
{
    if (a->address != b->address || a->slot != b->slot || a->rip != b->rip)
        return "the address of the instruction";
    if (a->length != b->length || memcmp(a->bytes, b->bytes, a->length))
        return "the bytes of the instruction";
    if (a->physical != b->physical)
        return "the physical address of the instruction";
    if (a->bits != b->bits || a->cpl != b->cpl || a->world != b->world)
        return "mode or privilege";
    if (a->status != b->status)
        return "how the instruction ended";
    if (d->classes & TRACE_REGISTERS) {
        if (a->registers_n != b->registers_n)
            return "which registers were written";
        for (unsigned k = 0; k < a->registers_n; k++)
            if (a->registers[k].id != b->registers[k].id ||
                memcmp(a->registers[k].value, b->registers[k].value, sizeof a->registers[k].value))
                return "a register";
    }
    if (!(d->classes & TRACE_MEMORY))
        return NULL;
    if (a->accesses_n != b->accesses_n)
        return "the number of memory accesses";
    for (unsigned k = 0; k < a->accesses_n; k++) {
        const struct trace_access *x = &a->accesses[k], *y = &b->accesses[k];
        if (x->linear != y->linear || x->physical != y->physical || x->write != y->write ||
            x->system != y->system)
            return "the address of a memory access";
        if (!same_bytes(x, y))
            return "a value in memory";
    }
    return NULL;
}

static const char *difference(const struct trace_diff *d, const struct trace_event *a,
                              const struct trace_event *b)
{
    if (a->kind != b->kind)
        return "what happened";
    if (a->cpu != b->cpu)
        return "the processor";
    if (a->kind == TRACE_EVENT_INSN) {
        const char *what = insn_difference(d, &a->insn, &b->insn);
        if (what)
            return what;
    }
    for (unsigned k = 0; k < trace_kinds[a->kind].fields; k++)
        if (a->field[k] != b->field[k])
            return trace_kinds[a->kind].field[k];
    return a->time != b->time || a->index != b->index ? "the time" : NULL;
}

static bool compare(struct trace_diff *d, struct sp_error *e)
{
    struct trace_position p[2] = { { UINT64_MAX, 0 }, { UINT64_MAX, 0 } };
    for (;;) {
        struct trace_event event[2];
        const char *what = NULL;
        for (unsigned side = 0; side < 2; side++) {
            enum trace_result result = trace_diff_next(d, side, &event[side], e);
            if (result == TRACE_BAD)
                return false;
            d->ended[side] = result == TRACE_END;
            if (result == TRACE_OK)
                trace_position_step(&p[side], &event[side]);
        }
        if (d->ended[0] && d->ended[1])
            return true;
        if (d->ended[0] || d->ended[1])
            what = "one trace ends";
        else
            what = difference(d, &event[0], &event[1]);
        if (what) {
            d->differ = true;
            d->at[0] = p[0];
            d->at[1] = p[1];
            snprintf(d->what, sizeof d->what, "%s", what);
            return true;
        }
        trace_diff_remember(d, p[0]);
    }
}

bool trace_diff_exact(struct trace_diff *d, struct sp_error *e)
{
    unsigned n[2];
    if (!trace_diff_begin(d, e))
        return false;
    unsigned equal = equal_chunks(d, n);
    if (equal && equal == n[0] && equal == n[1])
        return true;
    /* One equal chunk is read, too, for what stands before the difference. */
    for (unsigned side = 0; side < 2 && equal > 1; side++)
        trace_seek(d->reader[side],
                   trace_chunks(d->reader[side], &n[side])[equal - 1].first_time);
    return compare(d, e);
}
