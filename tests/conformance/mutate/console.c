// SPDX-License-Identifier: Apache-2.0
// Listens to what the conformance image says.
// MUTATE_MEETS=FILE asks which case meets which mutant: when the image is done, a line for each is
// appended to the file:
//   NAME <tab> how many cases met it <tab> some of them, separated by commas
// They are those most likely to notice: whose names have words of the mutant's, that meet few
// mutants, and that meet many; of each rule only one.
// MUTATE_TRIALS=FILE asks whether they do.  Its lines say which mutant is to live in which case:
//   CASE <tab> NAME
// When that case begins, a copy of the whole simulator goes through it with that mutant alive.  The
// first case that does not pass is appended to the file MUTATE_NOTICED:
//   NAME <tab> CASE
#define _GNU_SOURCE /* asprintf */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/mutate/mutate.h"
#include "machine/machine.h"

enum { NAMED_MAX = 48, LINE_MAX_LENGTH = 1024, TRIAL_PASSED = 77, TRIAL_US = 500000 };

struct seen_case {
    char *name;
    unsigned mutants;
    unsigned char met[MUTANTS_MAX / 8];
};

static struct seen_case **cases;
static size_t case_count, case_room;
static char *running;
static struct char_sink real;
static char line[LINE_MAX_LENGTH];
static size_t used;

static void end_case(void)
{
    if (case_count == case_room) {
        case_room = case_room ? 2 * case_room : 1024;
        cases = realloc(cases, case_room * sizeof *cases);
    }
    struct seen_case *s = calloc(1, sizeof *s);
    if (!cases || !s)
        abort();
    s->name = running;
    for (unsigned n = 0; n < MUTANTS_MAX; n++)
        if (mutate_met[n]) {
            s->met[n / 8] |= (unsigned char)(1 << n % 8);
            s->mutants++;
        }
    cases[case_count++] = s;
    running = NULL;
    memset(mutate_met, 0, sizeof mutate_met);
}

static int fewest_first(const void *a, const void *b)
{
    const struct seen_case *x = *(struct seen_case *const *)a, *y = *(struct seen_case *const *)b;
    return (x->mutants > y->mutants) - (x->mutants < y->mutants);
}

/* The words of a mutant's name, in small letters. */
struct words {
    char text[256], *word[16];
    unsigned count;
};

static void split(struct words *w, const char *name)
{
    unsigned n = 0;
    for (; name[n] && n + 1 < sizeof w->text; n++)
        w->text[n] = (char)tolower((unsigned char)name[n]);
    w->text[n] = 0;
    w->count = 0;
    for (char *t = strtok(w->text, " .:_"); t && w->count < 16; t = strtok(NULL, " .:_"))
        if (strlen(t) > 1)
            w->word[w->count++] = t;
}

static unsigned common(const struct words *w, const char *name)
{
    unsigned count = 0;
    for (unsigned k = 0; k < w->count; k++)
        count += strstr(name, w->word[k]) != NULL;
    return count;
}

/* Whether a case of the same rule is among those that are named. */
static bool has_rule(char *const *named, unsigned count, const char *name)
{
    size_t n = strcspn(name, "/") + 1;
    for (unsigned k = 0; k < count; k++)
        if (!strncmp(named[k], name, n))
            return true;
    return false;
}

struct choice {
    char *named[NAMED_MAX];
    unsigned count;
    struct words words;
};

/* Adds the case if it met the mutant and has at least so many words in common with it. */
static void consider(struct choice *h, int n, size_t k, unsigned words, unsigned most)
{
    if (h->count < most && cases[k]->met[n / 8] >> n % 8 & 1 &&
        common(&h->words, cases[k]->name) >= words && !has_rule(h->named, h->count, cases[k]->name))
        h->named[h->count++] = cases[k]->name;
}

static void write_mutant(FILE *out, int n)
{
    struct choice h = { .count = 0 };
    unsigned total = 0;
    for (size_t k = 0; k < case_count; k++)
        total += cases[k]->met[n / 8] >> n % 8 & 1;
    split(&h.words, mutate_name(n));
    for (unsigned words = h.words.count; words; words--)
        for (size_t k = 0; k < case_count; k++)
            consider(&h, n, k, words, NAMED_MAX / 3);
    for (size_t k = 0; k < case_count; k++)
        consider(&h, n, k, 0, 2 * NAMED_MAX / 3);
    for (size_t k = case_count; k--;)
        consider(&h, n, k, 0, NAMED_MAX);
    fprintf(out, "%s\t%u\t", mutate_name(n), total);
    for (unsigned k = 0; k < h.count; k++)
        fprintf(out, "%s%s", k ? "," : "", h.named[k]);
    fprintf(out, "\n");
}

static void write_all(void)
{
    FILE *out = fopen(getenv("MUTATE_MEETS"), "a");
    if (!out)
        abort();
    qsort(cases, case_count, sizeof *cases, fewest_first);
    for (int n = 0; mutate_name(n); n++)
        write_mutant(out, n);
    fclose(out);
}

/* ---- trials ---- */

static struct trial {
    char *name; /* of the case */
    int mutant;
} *trials;
static size_t trial_count;
static bool noticed[MUTANTS_MAX];
static bool is_trial; /* this process is one */

static int by_name(const void *a, const void *b)
{
    const struct trial *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->mutant > y->mutant) - (x->mutant < y->mutant);
}

static void read_trials(void)
{
    char text[LINE_MAX_LENGTH], name[LINE_MAX_LENGTH], mutant[LINE_MAX_LENGTH];
    FILE *in = fopen(getenv("MUTATE_TRIALS"), "r");
    size_t room = 0;
    while (in && fgets(text, sizeof text, in)) {
        if (trial_count == room)
            trials = realloc(trials, (room = room ? 2 * room : 1024) * sizeof *trials);
        if (!trials || sscanf(text, "%[^\t]\t%[^\n]", name, mutant) != 2)
            abort();
        trials[trial_count++] = (struct trial){ strdup(name), mutate_number(mutant) };
    }
    if (!in || !trials)
        abort();
    fclose(in);
    qsort(trials, trial_count, sizeof *trials, by_name);
}

/* True in the copy, where the case goes on with the mutant alive. */
static bool try_mutant(const struct trial *t, FILE *out)
{
    int status = 0;
    pid_t pid = fork();
    if (!pid) {
        struct itimerval limit = { .it_value.tv_usec = TRIAL_US };
        setitimer(ITIMER_PROF, &limit, NULL); /* its signal ends the process */
        mutate_chosen = t->mutant;
        return is_trial = true;
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != TRIAL_PASSED) {
        fprintf(out, "%s\t%s\n", mutate_name(t->mutant), t->name);
        noticed[t->mutant] = true;
    }
    return false;
}

static void try_mutants(const char *name)
{
    FILE *out = fopen(getenv("MUTATE_NOTICED"), "a");
    if (!out)
        abort();
    setvbuf(out, NULL, _IOLBF, 0);
    size_t first = 0, end = trial_count; /* the first trial of this case, by bisection */
    while (first < end) {
        size_t middle = (first + end) / 2;
        if (strcmp(trials[middle].name, name) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    for (size_t k = first; k < trial_count && !strcmp(trials[k].name, name); k++)
        if (!noticed[trials[k].mutant] && try_mutant(&trials[k], out))
            return;
    fclose(out);
}

/* ---- lines ---- */

static void take_line(void)
{
    if (is_trial && (!strncmp(line, "ok ", 3) || !strncmp(line, "skip ", 5)))
        _exit(TRIAL_PASSED);
    if (is_trial && !strncmp(line, "not ok ", 7))
        _exit(0);
    if (!strncmp(line, "run ", 4)) {
        running = strdup(line + 4);
        if (trials)
            try_mutants(running);
    } else if (running && (!strncmp(line, "ok ", 3) || !strncmp(line, "skip ", 5) ||
                           !strncmp(line, "not ok ", 7))) {
        end_case();
    } else if (!strncmp(line, "done ", 5) && case_count && getenv("MUTATE_MEETS")) {
        write_all();
    }
}

static void listen_and_write(void *user, const uint8_t *bytes, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (bytes[k] == '\n') {
            line[used] = 0;
            used = 0;
            take_line();
        } else if (used + 1 < sizeof line) {
            line[used++] = (char)bytes[k];
            line[used] = 0;
        }
    if (!is_trial)
        real.write(real.user, bytes, n);
}

/* conform_child.c calls this for machine_create(). */
struct machine *mutate_machine_create(const struct machine_config *config, struct sp_error *e);
struct machine *mutate_machine_create(const struct machine_config *config, struct sp_error *e)
{
    struct machine_config listening = *config;
    if (getenv("MUTATE_TRIALS"))
        read_trials();
    if (getenv("MUTATE_MEETS") || trials) {
        real = config->debugcon;
        listening.debugcon = (struct char_sink){ .write = listen_and_write };
    }
    return machine_create(&listening, e);
}
