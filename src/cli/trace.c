// SPDX-License-Identifier: Apache-2.0
// `silverpool trace`: files in and out, and the verbs dump, grep, stat and slice.
#include "cli/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/session.h"
#include "debug/trace_stats.h"

/* ---- files ---- */

static bool read_symbols(struct trace_text *t, const char *name, struct sp_error *e)
{
    struct image image;
    if (!image_read(&image, name, e))
        return false;
    struct symbols *s = symbols_read(&image);
    image_free(&image);
    if (!s)
        return sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    t->symbols[t->symbols_n++] = s;
    return true;
}

static bool open_input(struct trace_input *in, const struct trace_request *r, const char *file,
                       struct sp_error *e)
{
    if (!(in->reader = trace_open(file, e)))
        return false;
    in->text = (struct trace_text){ .header = trace_header_of(in->reader),
                                    .times = r->times,
                                    .physical = r->physical,
                                    .disasm = disasm_cache_create() };
    bool ok = in->text.disasm || sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    for (unsigned k = 0; ok && k < r->kernels; k++)
        ok = read_symbols(&in->text, r->kernel[k], e);
    if (ok && r->from)
        trace_seek(in->reader, r->from);
    return ok;
}

static void close_input(struct trace_input *in)
{
    for (unsigned k = 0; k < in->text.symbols_n; k++)
        symbols_free(in->text.symbols[k]);
    disasm_cache_free(in->text.disasm);
    trace_close(in->reader);
}

enum trace_result trace_job_next(struct trace_job *j, struct trace_event *event, struct sp_error *e)
{
    const struct trace_request *r = j->request;
    enum trace_result result;
    do
        result = trace_next(j->in[0].reader, event, e);
    while (result == TRACE_OK && r->query.cpu >= 0 && event->cpu != (uint32_t)r->query.cpu);
    return result == TRACE_OK && event->time >= r->until ? TRACE_END : result;
}

bool trace_output(struct trace_job *j, struct sp_error *e)
{
    const char *path = j->request->output;
    j->out = path ? fopen(path, "wb") : stdout;
    return j->out || sp_fail(e, SP_EXIT_USAGE, "%s: %s", path, strerror(errno));
}

static bool close_output(struct trace_job *j, struct sp_error *e)
{
    bool ok = !fflush(j->out) && !ferror(j->out);
    if (j->out != stdout)
        ok &= !fclose(j->out);
    return ok ||
           sp_fail(e, SP_EXIT_USAGE, "%s: cannot be written: %s",
                   j->request->output ? j->request->output : "standard output", strerror(errno));
}

/* What could be read has been written; now it is said if files were cut off. */
static bool inputs_are_whole(const struct trace_job *j, struct sp_error *e)
{
    for (unsigned k = 0; k < j->request->files; k++) {
        const char *why = trace_truncated(j->in[k].reader);
        if (why)
            return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s", why);
    }
    return true;
}

/* Writing into what is being read would destroy it. */
static bool output_is_no_input(const struct trace_request *r, struct sp_error *e)
{
    struct stat out, in;
    if (!r->output || stat(r->output, &out) || !S_ISREG(out.st_mode))
        return true;
    for (unsigned k = 0; k < r->files; k++)
        if (!stat(r->file[k], &in) && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
            return sp_fail(e, SP_EXIT_USAGE, "-o %s: is the trace that is to be read", r->output);
    return true;
}

static int run(const struct trace_request *r, struct sp_error *e)
{
    struct trace_job j = { .request = r };
    struct sp_error late;
    bool opened = output_is_no_input(r, e);
    for (unsigned k = 0; k < r->files && opened; k++)
        opened = open_input(&j.in[k], r, r->file[k], e);
    int code = opened ? trace_verbs[r->verb].run(&j, e) : -1;
    if (j.out && !close_output(&j, &late) && code >= 0) {
        *e = late;
        code = -1;
    }
    if (code >= 0 && !inputs_are_whole(&j, e))
        code = -1;
    for (unsigned k = 0; k < r->files; k++)
        close_input(&j.in[k]);
    return code;
}

int cli_trace(int argc, char **argv, int first)
{
    struct trace_request r;
    struct sp_error e;
    if (!trace_options(&r, argc, argv, first, &e))
        return cli_fail(&e);
    if (r.help) {
        trace_help(r.verb);
        return SP_EXIT_OK;
    }
    int code = run(&r, &e);
    return code < 0 ? cli_fail(&e) : code;
}

/* ---- dump and grep ---- */

enum { FLUSH_AT = 1 << 16 };

/* Lines, those that wait to be the context of a later one, and what is found. */
struct lines {
    const struct trace_request *request;
    struct bytes text;      /* to be written */
    struct bytes *before;   /* a ring of r->context lines */
    unsigned waiting, next; /* in it, and where the next goes */
    unsigned after;         /* lines still to print behind a match */
    bool gap;               /* lines were left out since the last printed one */
    uint64_t found;
};

static void put_event(struct lines *l, const struct trace_text *t, const struct trace_event *event,
                      struct bytes *b)
{
    if (l->request->json)
        trace_json_event(t, event, b);
    else
        trace_text_event(t, event, b);
}

static void keep_line(struct lines *l, const struct trace_text *t, const struct trace_event *event)
{
    unsigned n = l->request->context;
    if (!n) {
        l->gap = true;
        return;
    }
    l->gap |= l->waiting == n;
    bytes_clear(&l->before[l->next]);
    put_event(l, t, event, &l->before[l->next]);
    l->next = (l->next + 1) % n;
    l->waiting += l->waiting < n;
}

static void print_kept(struct lines *l)
{
    unsigned n = l->request->context;
    if (l->gap && l->found > 1 && n && !l->request->json)
        text_put(&l->text, "--\n");
    for (; l->waiting; l->waiting--) {
        const struct bytes *b = &l->before[(l->next + n - l->waiting) % n];
        bytes_put(&l->text, b->data, b->size);
    }
    l->gap = false;
}

static void take(struct lines *l, const struct trace_text *t, const struct trace_event *event)
{
    if (trace_query_matches(&l->request->query, t, event)) {
        l->found++;
        if (l->request->count)
            return;
        print_kept(l);
        put_event(l, t, event, &l->text);
        l->after = l->request->context;
    } else if (l->after) {
        l->after--;
        put_event(l, t, event, &l->text);
    } else if (!l->request->count) {
        keep_line(l, t, event);
    }
}

int trace_lines_verb(struct trace_job *j, struct sp_error *e)
{
    const struct trace_request *r = j->request;
    struct lines l = { .request = r, .before = calloc(r->context + 1, sizeof(struct bytes)) };
    struct trace_event event;
    enum trace_result result = TRACE_BAD;
    if (!l.before)
        sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    if (l.before && trace_output(j, e))
        while ((result = trace_job_next(j, &event, e)) == TRACE_OK && !ferror(j->out)) {
            take(&l, &j->in[0].text, &event);
            if (l.text.size >= FLUSH_AT)
                bytes_flush(&l.text, j->out);
        }
    if (r->count) {
        text_number(&l.text, l.found);
        text_put(&l.text, "\n");
    }
    if (j->out)
        bytes_flush(&l.text, j->out);
    if (l.text.failed && result != TRACE_BAD) {
        sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
        result = TRACE_BAD;
    }
    bytes_free(&l.text);
    for (unsigned k = 0; l.before && k < r->context; k++)
        bytes_free(&l.before[k]);
    free(l.before);
    if (result == TRACE_BAD)
        return -1;
    return r->verb == VERB_GREP && !l.found ? SP_EXIT_VIOLATION : SP_EXIT_OK;
}

/* ---- stat ---- */

static bool collect(struct trace_stats *s, struct trace_job *j, struct sp_error *e)
{
    struct trace_event event;
    enum trace_result result;
    while ((result = trace_job_next(j, &event, e)) == TRACE_OK)
        if (!trace_stats_add(s, &event))
            return sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    return result != TRACE_BAD;
}

int trace_stat_verb(struct trace_job *j, struct sp_error *e)
{
    const struct trace_text *t = &j->in[0].text;
    struct trace_stats *s = trace_stats_create(t->header);
    struct bytes text = { 0 };
    bool ok = s || sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    ok = ok && collect(s, j, e) && trace_output(j, e);
    if (ok) {
        (j->request->json ? trace_stats_json : trace_stats_print)(s, t, j->request->top, &text);
        bytes_flush(&text, j->out);
    }
    bytes_free(&text);
    trace_stats_free(s);
    return ok ? SP_EXIT_OK : -1;
}

/* ---- slice ---- */

int trace_slice_verb(struct trace_job *j, struct sp_error *e)
{
    const struct trace_request *r = j->request;
    bool ok = r->output || sp_fail(e, SP_EXIT_USAGE, "trace slice: expected -o FILE (--help)");
    ok = ok && trace_slice(j->in[0].reader, r->from, r->until, r->output, e);
    return ok ? SP_EXIT_OK : -1;
}
