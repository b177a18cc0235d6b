// SPDX-License-Identifier: Apache-2.0
// `silverpool trace diff`.
#include <stdlib.h>
#include <string.h>

#include "cli/trace.h"
#include "debug/trace_diff.h"

typedef unsigned long long ull;

/* Prints up to n events of a side from p on, each line behind `mark`. */
static bool print_events(struct trace_diff *d, struct trace_job *j, unsigned side,
                         struct trace_position p, unsigned n, const char *mark, struct sp_error *e)
{
    struct bytes b = { 0 };
    struct trace_event event;
    enum trace_result result = TRACE_OK;
    if (!trace_diff_seek(d, side, p, e))
        return false;
    for (unsigned k = 0; k < n; k++) {
        if ((result = trace_diff_next(d, side, &event, e)) != TRACE_OK)
            break;
        text_put(&b, mark);
        trace_text_event(&j->in[side].text, &event, &b);
        bytes_flush(&b, j->out);
    }
    bytes_free(&b);
    return result != TRACE_BAD;
}

static bool print_sides(struct trace_diff *d, struct trace_job *j, struct sp_error *e)
{
    const struct trace_request *r = j->request;
    unsigned n = r->context ? r->context : 1;
    if (d->last_n) {
        unsigned oldest = (d->last_next + d->context - d->last_n) % d->context;
        if (!print_events(d, j, 0, d->last[oldest], d->last_n, "  ", e))
            return false;
    }
    for (unsigned side = 0; side < 2; side++) {
        const char *mark = side ? "+ " : "- ";
        if (d->ended[side])
            fprintf(j->out, "%s(the end of %s)\n", mark, r->file[side]);
        else if (!print_events(d, j, side, d->at[side], n, mark, e))
            return false;
    }
    return true;
}

/* The event at d->at as one JSON object. */
static bool json_side(struct trace_diff *d, const struct trace_job *j, unsigned side,
                      struct bytes *b, struct sp_error *e)
{
    struct trace_event event;
    text_put(b, side ? ",\"second\":" : ",\"first\":");
    if (d->ended[side]) {
        text_put(b, "null");
        return true;
    }
    if (!trace_diff_seek(d, side, d->at[side], e) ||
        trace_diff_next(d, side, &event, e) != TRACE_OK)
        return false;
    trace_json_event(&j->in[side].text, &event, b);
    b->size--; /* its newline */
    return true;
}

static bool print_json(struct trace_diff *d, struct trace_job *j, struct sp_error *e)
{
    struct bytes b = { 0 };
    bool ok = true;
    text_put(&b, d->differ ? "{\"differ\":true" : "{\"differ\":false");
    if (d->differ) {
        text_put(&b, ",\"what\":");
        text_json_string(&b, d->what);
        for (unsigned side = 0; side < 2 && ok; side++)
            ok = json_side(d, j, side, &b, e);
    }
    text_put(&b, ",\"stretches\":");
    text_number(&b, d->stretches);
    for (unsigned side = 0; side < 2; side++) {
        text_put(&b, side ? ",\"only_second\":" : ",\"only_first\":");
        text_number(&b, d->only[side]);
    }
    text_put(&b, "}\n");
    if (ok)
        bytes_flush(&b, j->out);
    bytes_free(&b);
    return ok;
}

static bool print_text(struct trace_diff *d, struct trace_job *j, struct sp_error *e)
{
    const struct trace_request *r = j->request;
    if (d->stretches)
        fprintf(j->out, "%llu stretches differ by timing alone: %llu events of %s, %llu of %s\n",
                (ull)d->stretches, (ull)d->only[0], r->file[0], (ull)d->only[1], r->file[1]);
    if (!d->differ) {
        fputs(r->window ? "the paths are equal\n" : "the traces are equal\n", j->out);
        return true;
    }
    fprintf(j->out, "the traces part at machine time %llu (%s) and %llu (%s): %s\n",
            (ull)d->at[0].time, r->file[0], (ull)d->at[1].time, r->file[1], d->what);
    return print_sides(d, j, e);
}

int trace_diff_verb(struct trace_job *j, struct sp_error *e)
{
    const struct trace_request *r = j->request;
    struct trace_diff *d = calloc(1, sizeof *d);
    if (!d) {
        sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
        return -1;
    }
    d->reader[0] = j->in[0].reader;
    d->reader[1] = j->in[1].reader;
    d->cpu = r->query.cpu;
    d->context = r->context < DIFF_CONTEXT_MAX ? r->context : DIFF_CONTEXT_MAX;
    d->window = r->window;
    bool ok = trace_output(j, e) && (r->window ? trace_diff_aligned : trace_diff_exact)(d, e) &&
              (r->json ? print_json : print_text)(d, j, e);
    int code = !ok ? -1 : d->differ ? SP_EXIT_VIOLATION : SP_EXIT_OK;
    free(d);
    return code;
}
