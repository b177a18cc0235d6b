// SPDX-License-Identifier: Apache-2.0
// `silverpool trace convert` and `silverpool trace html`.
#include <string.h>

#include "cli/trace.h"
#include "debug/trace_convert.h"

static bool feed(struct trace_converter *c, struct trace_job *j, const struct trace_format *f,
                 struct sp_error *e)
{
    struct trace_event event;
    enum trace_result result;
    while ((result = trace_job_next(j, &event, e)) == TRACE_OK)
        if (!f->event(c, &event, e))
            return false;
    return result != TRACE_BAD;
}

/* What was read is written, even if the rest of the file is damaged. */
static int convert(struct trace_job *j, const struct trace_format *f, struct sp_error *e)
{
    const struct trace_request *r = j->request;
    const char *slash = strrchr(r->file[0], '/');
    struct trace_converter c = { .text = &j->in[0].text,
                                 .name = slash ? slash + 1 : r->file[0],
                                 .path = r->output,
                                 .cpu = r->query.cpu };
    struct sp_error late;
    if (!f->folder && !trace_output(j, e))
        return -1;
    c.out = j->out;
    bool ok = f->begin(&c, e);
    if (ok) {
        ok = feed(&c, j, f, e);
        if (!f->end(&c, &late) && ok) {
            *e = late;
            ok = false;
        }
    }
    f->free(&c);
    return ok ? SP_EXIT_OK : -1;
}

int trace_convert_verb(struct trace_job *j, struct sp_error *e)
{
    const char *to = j->request->to;
    const struct trace_format *f = to ? trace_format_find(to) : NULL;
    if (!f)
        sp_fail(e, SP_EXIT_USAGE,
                "trace convert: expected --to ctf, perfetto, folded, champsim or drmemtrace");
    else if (f->folder && !j->request->output)
        sp_fail(e, SP_EXIT_USAGE, "trace convert: --to %s: expected -o FOLDER", to);
    else
        return convert(j, f, e);
    return -1;
}

int trace_html_verb(struct trace_job *j, struct sp_error *e) { return convert(j, &trace_html, e); }
