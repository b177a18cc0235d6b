// SPDX-License-Identifier: Apache-2.0
// `silverpool conform`: the conformance image (tests/conformance) on our machines or on somebody
// else's, and reports of what it found.  One program at one time: nothing here is shared with runs.
#ifndef SP_CLI_CONFORM_H
#define SP_CLI_CONFORM_H

#include <stdio.h>
#include <sys/types.h>

#include "base/error.h"
#include "cpu/state.h" /* enum tlb_mode */

/* ---- what is known of the cases ---- */

enum conform_status {
    CONFORM_NOT_RUN,
    CONFORM_PASSED,
    CONFORM_FAILED,
    CONFORM_SKIPPED,
    CONFORM_DIED, /* the machine ended or hung in this case */
    CONFORM_STATUSES,
};

struct conform_outcome {
    enum conform_status status;
    /* Passed: both NULL.  Failed: what was expected and observed, as the image says it.  Skipped:
     * `observed` names the capability that is missing.  Died: `observed` says how. */
    char *expected, *observed;
};

/* A case and its place in the image's order. */
struct conform_case {
    char *name; /* RULE/VARIANT */
    unsigned order;
};

struct conform_fact {
    char *key, *value; /* the image's "info" lines */
};

/* One machine that ran cases: a column of the matrix. */
struct conform_column {
    char *name;                      /* as reports show it */
    const char *cpu;                 /* for our machines */
    struct conform_outcome *outcome; /* one for each case of the report */
    struct conform_fact *facts;
    size_t fact_count;
    double seconds; /* of all its jobs together */
};

struct conform_report {
    struct conform_case *cases; /* in the image's order */
    size_t count, room;
    size_t *slots; /* hash table: indices of cases + 1, 2 * room of them */
    struct conform_column *columns;
    size_t column_count;
    bool has_failed; /* some case did, or died, in this run */
};

/* A sentence of the manual that cases show: a row of tests/conformance/rules.def. */
struct conform_rule {
    const char *id, *title, *sentence;
};

/* The rule of the case with this name, or NULL. */
const struct conform_rule *conform_rule(const char *name);
/* How many characters of the name are its area: up to the first dot or slash. */
size_t conform_area_length(const char *name);

/* ---- conform_report.c ---- */

/* Adds a column; the first one before the first case.  Returns it; the host's memory ending ends
 * the program, as everywhere here. */
struct conform_column *conform_add_column(struct conform_report *r, const char *name);
/* The index of the case, which is added at the end if it is not there. */
size_t conform_find_case(struct conform_report *r, const char *name, unsigned order);
/* Sets an outcome; texts are copied and may be NULL. */
void conform_set(struct conform_column *c, size_t index, enum conform_status status,
                 const char *expected, const char *observed);
void conform_add_fact(struct conform_column *c, const char *key, const char *value);
/* Puts cases into the order of their numbers. */
void conform_sort(struct conform_report *r);
size_t conform_total(const struct conform_report *r, enum conform_status status);
void conform_free(struct conform_report *r);
const char *conform_status_name(enum conform_status status);

/* ---- the forms of a report ---- */

void conform_write_tap(FILE *out, const struct conform_report *r);
void conform_write_junit(FILE *out, const struct conform_report *r);
void conform_write_json(FILE *out, const struct conform_report *r);
void conform_write_html(FILE *out, const struct conform_report *r);
/* Adds what a JSON report holds to *r; the same column in several reports is one.  False: the file
 * is not such a report. */
bool conform_read_json(struct conform_report *r, const char *file, struct sp_error *e);

/* ---- options ---- */

struct conform_options {
    char *filter;                 /* globs, separated by commas; NULL: everything */
    const char *cpu, *matrix;     /* matrix: names, "": all profiles; NULL: only cpu */
    const char *target, *name;    /* a command instead of our machines, and its column's name */
    const char *image;            /* a file instead of the image that is built in */
    unsigned jobs, shard, shards; /* shard 1 to shards */
    unsigned processors;
    enum tlb_mode tlb;
    double timeout; /* seconds without a line */
    bool fail_fast;
    const char *junit, *json, *html;
    bool tap, list, help;
};

/* ---- running (conform_run.c) ---- */

/* Runs all cases that the options ask for and fills *r. */
bool conform_run(const struct conform_options *o, struct conform_report *r, struct sp_error *e);

/* One start of the image. */
struct conform_start {
    const struct conform_options *options;
    const char *cpu;    /* NULL: the target's command */
    const char *words;  /* the image's command line */
    const char *folder; /* for files of this start */
    unsigned number;    /* tells starts apart */
    const struct image *image;
};
/* In a child process: run the image and write its lines to standard output; they do not return.
 * Our machine adds the line "end REASON". */
_Noreturn void conform_child_machine(const struct conform_start *s);
_Noreturn void conform_child_target(const struct conform_start *s);
/* Whether the command takes the image at all: a serial console cannot be started anew. */
bool conform_target_starts(const char *command);

#endif
