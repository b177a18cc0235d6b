// SPDX-License-Identifier: Apache-2.0
// What the conformance image says, line by line (docs/conformance.md), and what its silence
// means.
#include "cli/conform_job.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* The rest of the line behind a first word, or NULL if that is another one. */
static char *after(char *line, const char *word)
{
    size_t n = strlen(word);
    return !strncmp(line, word, n) && (!line[n] || line[n] == ' ') ? line + n + (line[n] == ' ')
                                                                   : NULL;
}

/* Cuts the first word off; returns what follows it. */
static char *cut(char *text)
{
    char *end = text + strcspn(text, " ");
    if (*end)
        *end++ = 0;
    return end;
}

static void result(struct conform_report *r, struct conform_job *j, enum conform_status status,
                   char *name)
{
    char *text = cut(name), *observed = strstr(text, "observed=");
    if (!*name)
        return;
    size_t k = conform_find_case(r, name, (unsigned)r->count);
    if (observed) {
        if (observed > text)
            observed[-1] = 0;
        observed += strlen("observed=");
    }
    if (!strncmp(text, "expected=", 9))
        text += 9;
    r->has_failed |= status == CONFORM_FAILED;
    if (status == CONFORM_FAILED)
        conform_set(&r->columns[j->column], k, status, text, observed ? observed : "");
    else
        conform_set(&r->columns[j->column], k, status, NULL,
                    status == CONFORM_SKIPPED ? text : NULL);
    j->in_case = NO_CASE;
    j->last_case = k;
    j->results++;
}

/* Lines that a serial line has lost would be cases that nobody misses. */
static void finish(struct conform_job *j, const char *numbers)
{
    size_t run = strtoul(numbers, NULL, 10);
    j->done = true;
    if (!j->lists && run != j->results)
        fprintf(stderr, "silverpool: the image says that it ran %zu cases, but %zu were heard of\n",
                run, j->results);
}

void conform_take_line(struct conform_report *r, struct conform_job *j, char *line)
{
    struct conform_column *c = &r->columns[j->column];
    char *rest;
    line[strcspn(line, "\r")] = 0;
    if ((rest = after(line, "ok"))) {
        result(r, j, CONFORM_PASSED, rest);
    } else if ((rest = after(line, "not ok"))) {
        result(r, j, CONFORM_FAILED, rest);
    } else if ((rest = after(line, "skip"))) {
        result(r, j, CONFORM_SKIPPED, rest);
    } else if ((rest = after(line, "run"))) {
        j->in_case = *rest ? conform_find_case(r, rest, (unsigned)r->count) : NO_CASE;
    } else if ((rest = after(line, "case")) && j->lists) {
        cut(rest);
        conform_find_case(r, rest, (unsigned)j->listed++);
    } else if ((rest = after(line, "info"))) {
        char *value = cut(rest);
        conform_add_fact(c, rest, value);
    } else if ((rest = after(line, "done"))) {
        finish(j, rest);
    } else if ((rest = after(line, "end"))) {
        snprintf(j->end, sizeof j->end, "%s", rest);
    } else if (after(line, "conform")) {
        j->reset = j->spoke;
        j->spoke = true;
    } else if (*line) {
        snprintf(j->last, sizeof j->last, "%.*s", (int)sizeof j->last - 1, line);
    }
}

/* ---- the end ---- */

/* Why the machine ended, as well as it is known. */
static const char *end_of(const struct conform_job *j, int wait_status, char *out, size_t size)
{
    if (j->hung)
        snprintf(out, size, "nothing happened any more");
    else if (j->reset)
        snprintf(out, size, "the machine was reset");
    else if (*j->end)
        snprintf(out, size, "%s", j->end);
    else if (WIFSIGNALED(wait_status))
        snprintf(out, size, "the simulator was killed by signal %d", WTERMSIG(wait_status));
    else
        snprintf(out, size, "the simulator ended with exit code %d", WEXITSTATUS(wait_status));
    return out;
}

/* The end may have cut the line that names the case: the first one that may be meant. */
static size_t case_of_cut_line(const struct conform_report *r, const struct conform_job *j)
{
    size_t n = j->used > 4 && !memcmp(j->line, "run ", 4) ? j->used - 4 : 0;
    for (size_t k = j->results ? j->last_case + 1 : j->from; n && k < r->count; k++)
        if (!strncmp(r->cases[k].name, j->line + 4, n))
            return k;
    return NO_CASE;
}

bool conform_conclude(struct conform_report *r, const struct conform_options *o,
                      struct conform_job *j, int wait_status, struct sp_error *e)
{
    char how[512];
    struct conform_column *c = &r->columns[j->column];
    end_of(j, wait_status, how, sizeof how);
    for (size_t k = 0; k < c->fact_count; k++)
        if (!strcmp(c->facts[k].key, "problem"))
            return sp_fail(e, SP_EXIT_BAD_IMAGE, "conform: %s: %s", c->name, c->facts[k].value);
    if (j->done) {
        j->finished = true;
        return true;
    }
    if (j->in_case == NO_CASE)
        j->in_case = case_of_cut_line(r, j);
    if (j->in_case == NO_CASE) {
        const char *when = !j->spoke                 ? "before the conformance image said anything"
                           : j->lists || !j->results ? "before the first case"
                                                     : "between two cases";
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "conform: %s: %s %s%s%s", c->name, how, when,
                       *j->last ? "; the last line: " : "", j->last);
    }
    conform_set(c, j->in_case, CONFORM_DIED, NULL, how);
    r->has_failed = true;
    j->from = j->in_case + 1;
    j->finished = j->from >= r->count || (o->target && !conform_target_starts(o->target));
    return true;
}
