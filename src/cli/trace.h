// SPDX-License-Identifier: Apache-2.0
// `silverpool trace VERB`: what the command line asked for, and the verbs.
#ifndef SP_CLI_TRACE_H
#define SP_CLI_TRACE_H

#include <stdio.h>

#include "debug/trace_query.h"
#include "debug/trace_text.h"

enum trace_verb {
    VERB_DUMP,
    VERB_STAT,
    VERB_GREP,
    VERB_DIFF,
    VERB_SLICE,
    VERB_CONVERT,
    VERB_HTML,
    TRACE_VERBS
};

struct trace_request {
    enum trace_verb verb;
    const char *file[2]; /* the second: of diff */
    unsigned files;
    const char *kernel[TRACE_SYMBOLS_MAX];
    unsigned kernels;
    const char *output;       /* -o, or NULL */
    const char *to;           /* --to, or NULL */
    uint64_t from, until;     /* machine time: [from, until) */
    struct trace_query query; /* with the processor of --cpu */
    unsigned context, top;
    uint64_t window; /* of --align; 0: not given */
    bool json, times, physical, count, help;
};

/* A trace that is being read, and how its events are printed. */
struct trace_input {
    struct trace_reader *reader;
    struct trace_text text;
};

/* A verb at work. */
struct trace_job {
    const struct trace_request *request;
    struct trace_input in[2]; /* at --from; the second is diff's */
    FILE *out;                /* what trace_output() opened, or NULL */
};

/* A verb.  `run` gives an exit code, or -1 and *e. */
struct trace_verb_row {
    const char *name, *files;
    unsigned count; /* of files */
    int (*run)(struct trace_job *j, struct sp_error *e);
    const char *help;
};
extern const struct trace_verb_row trace_verbs[TRACE_VERBS];

/* Fills *r from the words behind `silverpool trace`.  False: *e, a usage error. */
bool trace_options(struct trace_request *r, int argc, char **argv, int first, struct sp_error *e);
/* Prints the help of a verb, or of all of them (TRACE_VERBS). */
void trace_help(enum trace_verb verb);

/* The next event of the first input before --until, of the processor of --cpu. */
enum trace_result trace_job_next(struct trace_job *j, struct trace_event *event,
                                 struct sp_error *e);
/* Opens the file of -o for writing; without -o standard output.  Errors of writing show when the
 * job ends.  False: *e. */
bool trace_output(struct trace_job *j, struct sp_error *e);

int trace_diff_verb(struct trace_job *j, struct sp_error *e);
int trace_convert_verb(struct trace_job *j, struct sp_error *e);
int trace_html_verb(struct trace_job *j, struct sp_error *e);
/* dump and grep; stat; slice */
int trace_lines_verb(struct trace_job *j, struct sp_error *e);
int trace_stat_verb(struct trace_job *j, struct sp_error *e);
int trace_slice_verb(struct trace_job *j, struct sp_error *e);

#endif
