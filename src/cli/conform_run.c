// SPDX-License-Identifier: Apache-2.0
// Runs the conformance image in child processes, so that a case which takes its machine along, or
// the simulator itself, costs one case; several at a time.
#define _GNU_SOURCE /* pipe2, nftw */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/conform_job.h"
#include "cpu/model.h"
#include "image/image.h"

enum { SHARES_PER_WORKER = 4, WORDS_MAX = 4096, TICK_MS = 200 };

/* tests/conformance/conform.elf, put in by conform_data.S. */
extern const uint8_t conform_image[], conform_image_end[];

struct run {
    const struct conform_options *options;
    struct conform_report *report;
    struct image image;
    struct conform_job *jobs;
    size_t job_count;
    unsigned started;
    char folder[256]; /* temporary files of a target; "" if there are none */
    struct timespec shown;
};

static volatile sig_atomic_t stopped;
static void on_signal(int number) { stopped = number; }

static struct timespec now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
}

static double since(const struct timespec *from)
{
    struct timespec t = now();
    return (double)(t.tv_sec - from->tv_sec) + (double)(t.tv_nsec - from->tv_nsec) / 1e9;
}

/* ---- one start ---- */

static void write_words(const struct run *r, const struct conform_job *j, char *out, size_t size)
{
    const struct conform_options *o = r->options;
    size_t n = (size_t)snprintf(out, size, "%s%s", j->lists ? "list" : "verbose",
                                o->processors > 1 ? " smp" : "");
    if (o->filter && (!j->lists || o->list)) /* an order is that of all cases */
        n += (size_t)snprintf(out + n, size - n, " filter=%s", o->filter);
    if (j->lists)
        return;
    if (j->shards > 1)
        n += (size_t)snprintf(out + n, size - n, " shard=%u/%u", j->shard, j->shards);
    if (j->from)
        snprintf(out + n, size - n, " from=%.200s", r->report->cases[j->from].name);
}

/* The child's side. */
static _Noreturn void be_child(const struct conform_start *s, int out)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    dup2(out, STDOUT_FILENO);
    if (s->cpu)
        conform_child_machine(s);
    conform_child_target(s);
}

static bool start(struct run *r, struct conform_job *j, struct sp_error *e)
{
    int ends[2];
    char words[WORDS_MAX];
    write_words(r, j, words, sizeof words);
    struct conform_start s = {
        .options = r->options,
        .cpu = r->report->columns[j->column].cpu,
        .words = words,
        .folder = r->folder,
        .number = r->started++,
        .image = &r->image,
    };
    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC))
        return sp_fail(e, SP_EXIT_USAGE, "conform: %s", strerror(errno));
    j->pid = fork();
    if (!j->pid)
        be_child(&s, ends[1]);
    close(ends[1]);
    if (j->pid < 0) {
        close(ends[0]);
        j->pid = 0;
        return sp_fail(e, SP_EXIT_USAGE, "conform: %s", strerror(errno));
    }
    setpgid(j->pid, j->pid);
    j->fd = ends[0];
    j->used = j->results = j->listed = 0;
    j->spoke = j->done = j->hung = j->reset = false;
    j->in_case = NO_CASE;
    j->end[0] = j->last[0] = 0;
    j->started = j->heard = now();
    return true;
}

/* Ends the child and all that it has started; returns what waitpid() says. */
static int end(struct run *r, struct conform_job *j)
{
    int status = 0;
    kill(-j->pid, SIGKILL);
    waitpid(j->pid, &status, 0);
    close(j->fd);
    r->report->columns[j->column].seconds += since(&j->started);
    j->pid = 0;
    return status;
}

/* ---- listening ---- */

static void take_bytes(struct run *r, struct conform_job *j, const char *bytes, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (bytes[k] != '\n') {
            if (j->used + 1 < sizeof j->line)
                j->line[j->used++] = bytes[k] ? bytes[k] : ' ';
            continue;
        }
        j->line[j->used] = 0;
        j->used = 0;
        if (!j->reset)
            conform_take_line(r->report, j, j->line);
    }
}

/* Takes what can be read.  False: there will be no more. */
static bool listen_to(struct run *r, struct conform_job *j)
{
    char bytes[65536];
    ssize_t n = read(j->fd, bytes, sizeof bytes);
    if (n > 0) {
        take_bytes(r, j, bytes, (size_t)n);
        j->heard = now();
    }
    bool over = j->reset || (j->done && !r->report->columns[j->column].cpu);
    return n > 0 ? !over : n < 0 && errno == EINTR;
}

static void show_progress(struct run *r, bool last)
{
    size_t total[CONFORM_STATUSES], all = 0;
    if (!isatty(STDERR_FILENO) || (!last && since(&r->shown) < 0.5))
        return;
    r->shown = now();
    for (unsigned s = 0; s < CONFORM_STATUSES; s++)
        all += total[s] = conform_total(r->report, (enum conform_status)s);
    if (last)
        fprintf(stderr, "\r\033[K");
    else
        fprintf(stderr, "\r%zu of %zu cases, %zu failed\033[K", all - total[CONFORM_NOT_RUN], all,
                total[CONFORM_FAILED] + total[CONFORM_DIED]);
}

/* ---- all jobs ---- */

static bool start_waiting(struct run *r, unsigned most, struct sp_error *e)
{
    unsigned running = 0;
    for (size_t k = 0; k < r->job_count; k++)
        running += r->jobs[k].pid != 0;
    for (size_t k = 0; k < r->job_count && running < most; k++)
        if (!r->jobs[k].pid && !r->jobs[k].finished) {
            if (!start(r, &r->jobs[k], e))
                return false;
            running++;
        }
    return true;
}

static bool conclude(struct run *r, struct conform_job *j, struct sp_error *e)
{
    int status = end(r, j);
    return conform_conclude(r->report, r->options, j, status, e);
}

/* Waits for lines, and takes them.  False on failure. */
static bool serve(struct run *r, struct pollfd *fds, struct sp_error *e)
{
    nfds_t n = 0;
    for (size_t k = 0; k < r->job_count; k++)
        if (r->jobs[k].pid)
            fds[n++] = (struct pollfd){ .fd = r->jobs[k].fd, .events = POLLIN };
    poll(fds, n, TICK_MS);
    n = 0;
    for (size_t k = 0; k < r->job_count; k++) {
        struct conform_job *j = &r->jobs[k];
        if (!j->pid)
            continue;
        bool ready = fds[n++].revents;
        bool ended = ready && !listen_to(r, j);
        j->hung = !ended && since(&j->heard) > r->options->timeout;
        if ((ended || j->hung) && !conclude(r, j, e))
            return false;
    }
    return true;
}

static bool is_over(const struct run *r)
{
    if (r->options->fail_fast && r->report->has_failed)
        return true;
    for (size_t k = 0; k < r->job_count; k++)
        if (!r->jobs[k].finished)
            return false;
    return true;
}

static bool run_jobs(struct run *r, struct sp_error *e)
{
    struct pollfd *fds = calloc(r->job_count + 1, sizeof *fds);
    bool ok = fds || sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    while (ok && !is_over(r)) {
        ok = start_waiting(r, r->options->jobs, e) && serve(r, fds, e);
        show_progress(r, false);
        if (ok && stopped)
            ok = sp_fail(e, 128 + stopped, "conform: ended by a signal");
    }
    show_progress(r, true);
    for (size_t k = 0; k < r->job_count; k++)
        if (r->jobs[k].pid)
            end(r, &r->jobs[k]);
    free(fds);
    return ok;
}

/* ---- before and after ---- */

/* The names of all cases in the image's order, whatever part of them will run.  They are needed to
 * put shares together, and to go on behind a case that ends its machine: not for --fail-fast. */
static bool list_cases(struct run *r, struct sp_error *e)
{
    struct conform_job job = { .lists = true };
    const struct conform_options *o = r->options;
    if ((o->target && !conform_target_starts(o->target)) ||
        (o->fail_fast && !o->list && o->jobs == 1 && o->shards == 1))
        return true;
    r->jobs = &job;
    r->job_count = 1;
    bool ok = run_jobs(r, e);
    r->jobs = NULL;
    r->job_count = 0;
    r->report->columns[0].seconds = 0;
    return ok &&
           (r->report->count || sp_fail(e, SP_EXIT_BAD_IMAGE, "conform: the image has no cases"));
}

/* Each worker gets several shares, so that all end at about the same time. */
static bool make_jobs(struct run *r, struct sp_error *e)
{
    const struct conform_options *o = r->options;
    size_t columns = r->report->column_count, shares = 1;
    if (o->jobs > 1)
        shares = (SHARES_PER_WORKER * o->jobs + columns - 1) / columns;
    r->jobs = calloc(columns * shares, sizeof *r->jobs);
    if (!r->jobs)
        return sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    for (size_t c = 0; c < columns; c++)
        for (size_t k = 0; k < shares; k++)
            r->jobs[r->job_count++] = (struct conform_job){
                .column = c,
                .shard = o->shard + (unsigned)k * o->shards,
                .shards = o->shards * (unsigned)shares,
            };
    return true;
}

static void add_machine(struct run *r, const char *cpu)
{
    static const char *const tlb[] = { "", " -tlb none", " -tlb sticky" };
    const struct conform_options *o = r->options;
    char name[256], smp[32] = "";
    if (o->processors > 1)
        snprintf(smp, sizeof smp, " -smp %u", o->processors);
    snprintf(name, sizeof name, "%.64s%s%s", cpu, tlb[o->tlb], smp);
    conform_add_column(r->report, o->name ? o->name : name)->cpu = cpu;
}

/* The columns; names are those of profiles, or -cpu texts, which have commas in them. */
static void add_columns(struct run *r)
{
    const struct conform_options *o = r->options;
    if (o->target)
        conform_add_column(r->report, o->name ? o->name : "target");
    else if (!o->matrix)
        add_machine(r, o->cpu);
    else if (!*o->matrix)
        for (unsigned k = 0; model_at(k); k++)
            add_machine(r, model_at(k)->name);
    else
        for (const char *name = o->matrix; *name; name += strlen(name) + 1)
            add_machine(r, name);
}

static bool load_image(struct run *r, struct sp_error *e)
{
    if (r->options->image)
        return image_read(&r->image, r->options->image, e);
    return image_copy(&r->image, "conform.elf", conform_image,
                      (size_t)(conform_image_end - conform_image), e);
}

static bool make_folder(struct run *r, struct sp_error *e)
{
    const char *base = getenv("TMPDIR");
    if (!r->options->target)
        return true;
    snprintf(r->folder, sizeof r->folder, "%.200s/silverpool-XXXXXX", base ? base : "/tmp");
    if (mkdtemp(r->folder))
        return true;
    bool ok = sp_fail(e, SP_EXIT_USAGE, "conform: %s: %s", r->folder, strerror(errno));
    r->folder[0] = 0;
    return ok;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

bool conform_run(const struct conform_options *o, struct conform_report *report, struct sp_error *e)
{
    struct run r = { .options = o, .report = report };
    struct sigaction catch = { .sa_handler = on_signal };
    sigaction(SIGINT, &catch, NULL);
    sigaction(SIGTERM, &catch, NULL);
    r.shown = now();
    add_columns(&r);
    bool ok = load_image(&r, e) && make_folder(&r, e) && list_cases(&r, e) &&
              (o->list || (make_jobs(&r, e) && run_jobs(&r, e)));
    if (*r.folder)
        nftw(r.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    image_free(&r.image);
    free(r.jobs);
    return ok;
}
