// SPDX-License-Identifier: Apache-2.0
// One start of the conformance image after another, until a share of the cases is done.
#ifndef SP_CLI_CONFORM_JOB_H
#define SP_CLI_CONFORM_JOB_H

#include <time.h>

#include "cli/conform.h"

enum { CONFORM_LINE_MAX = 2048 };

struct conform_job {
    size_t column;
    unsigned shard, shards; /* this job's share */
    size_t from;            /* the first case of the next start */
    bool lists;             /* asks for the names of the cases, and runs none */
    bool finished;
    pid_t pid; /* 0: not running */
    int fd;
    char line[CONFORM_LINE_MAX];
    size_t used;
    char last[128];   /* the last line that says nothing to us */
    char end[256];    /* why our machine ended */
    bool spoke, done; /* since the last start: "conform 1", "done" */
    bool hung, reset;
    size_t in_case;         /* the case that runs; NO_CASE: none */
    size_t last_case;       /* the one that had a result last    */
    size_t results, listed; /* lines since the last start */
    struct timespec started, heard;
};
#define NO_CASE ((size_t)-1)

/* Takes a line of the image. */
void conform_take_line(struct conform_report *r, struct conform_job *j, char *line);
/* After the image has ended, or was ended: what is known of the case in which it did, and where to
 * go on.  False: it cannot go on; *e says why. */
bool conform_conclude(struct conform_report *r, const struct conform_options *o,
                      struct conform_job *j, int wait_status, struct sp_error *e);

#endif
