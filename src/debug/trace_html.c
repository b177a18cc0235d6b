// SPDX-License-Identifier: Apache-2.0
// A page that shows VM entries and exits on a line of time (timeline.html, with the data put in).
// Of each exit it keeps what the page shows.  When there are too many, neighbours become one, so
// that a page never has more than SPANS_MAX for each processor.
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "debug/timeline.h"
#include "debug/trace_convert.h"
#include "vmx/vmx.h"

enum { SPANS_MAX = 1 << 20, MACHINES_MAX = 1024, PLACES_MAX = 1 << 16 };

/* From an exit to the entry that follows it; `merged` of these are one. */
struct span {
    uint64_t exit, entry, qualification, merged;
    uint64_t busy;    /* time out of the guest: all of it, but between those that are merged */
    uint64_t longest; /* of those that are merged; reason and machine are its */
    uint32_t place;
    uint16_t reason, machine;
};

struct lane {
    struct span *span;
    size_t count, capacity;
    uint64_t first;   /* the first VM entry */
    uint64_t merge;   /* exits that become one span */
    struct span last; /* the exit that no entry has followed yet */
    bool entered, open;
};

struct html {
    unsigned cpus;
    struct lane *lane;
    uint64_t machine[MACHINES_MAX]; /* VMCS */
    unsigned machines;
    uint64_t *place; /* guest RIPs, by number; 0 is "elsewhere" */
    uint32_t places, *place_table;
    uint64_t exits[EXIT_REASONS], time[EXIT_REASONS];
    uint64_t begin, end;
    bool begun;
};

/* ---- collecting ---- */

static unsigned machine_of(struct html *h, uint64_t vmcs)
{
    unsigned k = 0;
    while (k < h->machines && h->machine[k] != vmcs)
        k++;
    if (k == h->machines && k < MACHINES_MAX)
        h->machine[h->machines++] = vmcs;
    return k < MACHINES_MAX ? k : MACHINES_MAX - 1;
}

static uint32_t place_of(struct html *h, uint64_t rip)
{
    uint32_t mask = 2 * PLACES_MAX - 1, k = (uint32_t)(rip * 0x9e3779b97f4a7c15ull >> 40) & mask;
    while (h->place_table[k] && h->place[h->place_table[k]] != rip)
        k = (k + 1) & mask;
    if (!h->place_table[k] && h->places < PLACES_MAX) {
        h->place[h->places] = rip;
        h->place_table[k] = h->places++;
    }
    return h->place_table[k];
}

/* Joins b to a, which stands before it. */
static void join(struct span *a, const struct span *b)
{
    a->entry = b->entry;
    a->merged += b->merged;
    a->busy += b->busy;
    if (b->longest > a->longest) {
        a->longest = b->longest;
        a->reason = b->reason;
        a->machine = b->machine;
    }
}

static void halve(struct lane *l)
{
    size_t n = 0;
    for (size_t k = 0; k < l->count; k += 2) {
        l->span[n] = l->span[k];
        if (k + 1 < l->count)
            join(&l->span[n], &l->span[k + 1]);
        n++;
    }
    l->count = n;
    l->merge *= 2;
}

static bool add_span(struct lane *l, const struct span *s)
{
    if (l->count && l->span[l->count - 1].merged < l->merge) {
        join(&l->span[l->count - 1], s);
        return true;
    }
    if (l->count == SPANS_MAX)
        halve(l);
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 1024;
        struct span *p = realloc(l->span, capacity * sizeof *p);
        if (!p)
            return false;
        l->span = p;
        l->capacity = capacity;
    }
    l->span[l->count++] = *s;
    return true;
}

/* The processor enters again, or the trace ends. */
static bool close_span(struct html *h, struct lane *l, uint64_t time)
{
    if (!l->open)
        return true;
    l->open = false;
    l->last.entry = time > l->last.exit ? time : l->last.exit;
    l->last.busy = l->last.longest = l->last.entry - l->last.exit;
    h->time[l->last.reason] += l->last.longest;
    return add_span(l, &l->last);
}

static void exited(struct html *h, struct lane *l, const struct trace_event *event)
{
    const struct trace_vm_exit *v = &event->vm_exit;
    uint16_t reason = (uint16_t)(v->reason & 0xffff);
    if (reason >= EXIT_REASONS)
        reason = EXIT_REASONS - 1;
    h->exits[reason]++;
    l->open = true;
    l->last = (struct span){ .exit = event->time,
                             .merged = 1,
                             .reason = reason,
                             .machine = (uint16_t)machine_of(h, v->vmcs),
                             .place = place_of(h, v->guest_rip),
                             .qualification = v->qualification };
}

static bool add_event(struct html *h, const struct trace_event *event)
{
    struct lane *l = &h->lane[event->cpu];
    if (event->kind != TRACE_EVENT_VM_ENTRY && event->kind != TRACE_EVENT_VM_EXIT)
        return true;
    if (!l->entered)
        l->first = event->time;
    l->entered = true;
    bool ok = close_span(h, l, event->time);
    if (event->kind == TRACE_EVENT_VM_EXIT)
        exited(h, l, event);
    return ok;
}

/* ---- writing ---- */

static void put_base64(FILE *out, const struct bytes *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t k = 0; k < b->size; k += 3) {
        uint32_t n = b->size - k < 3 ? (uint32_t)(b->size - k) : 3, word = 0;
        for (uint32_t j = 0; j < 3; j++)
            word = word << 8 | (j < n ? b->data[k + j] : 0);
        for (uint32_t j = 0; j < 4; j++)
            putc(j <= n ? digits[word >> (18 - 6 * j) & 63] : '=', out);
    }
}

/* The reasons that occur get numbers in their order. */
static unsigned reason_numbers(const struct html *h, uint8_t *number)
{
    unsigned n = 0;
    for (unsigned k = 0; k < EXIT_REASONS; k++)
        if (h->exits[k])
            number[k] = (uint8_t)n++;
    return n;
}

static bool put_lane(FILE *out, const struct html *h, unsigned cpu, const uint8_t *number)
{
    const struct lane *l = &h->lane[cpu];
    struct bytes b = { 0 };
    uint64_t time = l->first;
    for (size_t k = 0; k < l->count; k++) {
        const struct span *s = &l->span[k];
        bytes_varint(&b, s->exit - time);
        bytes_varint(&b, s->entry - s->exit);
        bytes_varint(&b, number[s->reason]);
        bytes_varint(&b, s->machine);
        bytes_varint(&b, s->place);
        bytes_varint(&b, s->merged - 1);
        bytes_varint(&b, s->entry - s->exit - s->busy);
        bytes_varint(&b, s->qualification);
        time = s->entry;
    }
    fprintf(out, "{\"cpu\":%u,\"first\":%llu,\"spans\":%zu,\"data\":\"", cpu,
            (unsigned long long)l->first, l->count);
    put_base64(out, &b);
    fprintf(out, "\"}");
    bool ok = !b.failed;
    bytes_free(&b);
    return ok;
}

static void put_tables(struct trace_converter *c, struct bytes *b)
{
    const struct html *h = c->state;
    const char *mark = "";
    uint64_t distance;
    text_put(b, ",\"reasons\":[");
    for (unsigned k = 0; k < EXIT_REASONS; k++)
        if (h->exits[k]) {
            char text[120];
            snprintf(text, sizeof text, "%s[%u,\"%s\",%llu,%llu]", mark, k, trace_exit_name(k),
                     (unsigned long long)h->exits[k], (unsigned long long)h->time[k]);
            text_put(b, text);
            mark = ",";
        }
    text_put(b, "],\"machines\":[");
    for (unsigned k = 0; k < h->machines; k++) {
        text_put(b, k ? ",\"0x" : "\"0x");
        text_hex(b, h->machine[k], 1);
        text_put(b, "\"");
    }
    text_put(b, "],\"places\":[\"guest RIP is not listed\"");
    for (uint32_t k = 1; k < h->places; k++) {
        const char *name = trace_symbol(c->text, h->place[k], &distance);
        struct bytes place = { 0 };
        text_put(&place, "guest RIP 0x");
        text_hex(&place, h->place[k], 1);
        if (name) {
            text_put(&place, " ");
            text_put(&place, name);
            text_put(&place, "+0x");
            text_hex(&place, distance, 1);
        }
        bytes_put(&place, "", 1);
        text_put(b, ",");
        text_json_string(b, place.data ? (const char *)place.data : "");
        bytes_free(&place);
    }
    text_put(b, "]");
}

static bool put_data(struct trace_converter *c)
{
    const struct html *h = c->state;
    struct bytes b = { 0 };
    uint8_t number[EXIT_REASONS] = { 0 };
    uint64_t merged = 1;
    const char *mark = "";
    bool ok = true;
    reason_numbers(h, number);
    for (unsigned k = 0; k < h->cpus; k++)
        merged = h->lane[k].merge > merged ? h->lane[k].merge : merged;
    text_put(&b, "{\"name\":");
    text_json_string(&b, c->name);
    text_put(&b, ",\"begin\":");
    text_number(&b, h->begin);
    text_put(&b, ",\"end\":");
    text_number(&b, h->end);
    text_put(&b, ",\"merged\":");
    text_number(&b, merged);
    put_tables(c, &b);
    text_put(&b, ",\"lanes\":[");
    bytes_flush(&b, c->out);
    ok = !b.failed;
    bytes_free(&b);
    for (unsigned k = 0; k < h->cpus; k++)
        if (h->lane[k].entered) {
            fputs(mark, c->out);
            ok &= put_lane(c->out, h, k, number);
            mark = ",";
        }
    fputs("]}", c->out);
    return ok;
}

/* ---- the converter ---- */

static bool html_begin(struct trace_converter *c, struct sp_error *e)
{
    struct html *h = c->state = calloc(1, sizeof *h);
    if (h) {
        h->cpus = c->text->header->cpus;
        h->lane = calloc(h->cpus + 1, sizeof *h->lane);
        h->place = malloc(PLACES_MAX * sizeof *h->place);
        h->place_table = calloc(2 * PLACES_MAX, sizeof *h->place_table);
        h->places = 1;
    }
    if (!h || !h->lane || !h->place || !h->place_table)
        return sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    for (unsigned k = 0; k < h->cpus; k++)
        h->lane[k].merge = 1;
    return true;
}

static bool html_event(struct trace_converter *c, const struct trace_event *event,
                       struct sp_error *e)
{
    struct html *h = c->state;
    if (!h->begun)
        h->begin = event->time;
    h->begun = true;
    h->end = event->time > h->end ? event->time : h->end;
    if (event->cpu >= h->cpus)
        return true;
    return add_event(h, event) || sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
}

static bool html_end(struct trace_converter *c, struct sp_error *e)
{
    static const char mark[] = "@DATA@";
    struct html *h = c->state;
    const char *at = strstr(timeline_html, mark);
    fwrite(timeline_html, 1, (size_t)(at - timeline_html), c->out);
    bool ok = true;
    for (unsigned k = 0; k < h->cpus; k++)
        ok &= close_span(h, &h->lane[k], h->end);
    ok &= put_data(c);
    fputs(at + sizeof mark - 1, c->out);
    return ok || sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
}

static void html_free(struct trace_converter *c)
{
    struct html *h = c->state;
    for (unsigned k = 0; h && h->lane && k < h->cpus; k++)
        free(h->lane[k].span);
    if (!h)
        return;
    free(h->lane);
    free(h->place);
    free(h->place_table);
    free(h);
}

const struct trace_format trace_html = {
    .name = "html",
    .begin = html_begin,
    .event = html_event,
    .end = html_end,
    .free = html_free,
};
