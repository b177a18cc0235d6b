// SPDX-License-Identifier: Apache-2.0
// --cpu-matrix: the same image on several processors in turn, and a table of how each run ended.
#include "cli/matrix.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/model.h"

enum { RUNS_MAX = 64, PATH_MAX_LENGTH = 1024 };

/* One run.  What the guest prints is lost, or goes to a file of its own: file:F to F.NAME. */
struct matrix_run {
    char cpu[64];
    struct options options;
    char serial[PATH_MAX_LENGTH], debugcon[PATH_MAX_LENGTH], console[PATH_MAX_LENGTH],
        log[PATH_MAX_LENGTH];
    struct run_result result;
};

static const char *own_file(char *out, const char *file, const char *cpu)
{
    snprintf(out, PATH_MAX_LENGTH, "%s.%s", file, cpu);
    return out;
}

static const char *own_console(char *out, const char *spec, const char *cpu)
{
    return spec && !strncmp(spec, "file:", 5) ? own_file(out, spec, cpu) : "none";
}

static int run_one(struct matrix_run *r, const struct options *o)
{
    struct session s = { .options = &r->options, .result = &r->result };
    r->options = *o;
    r->options.cpu = r->cpu;
    r->options.serial = own_console(r->serial, o->serial, r->cpu);
    r->options.debugcon = own_console(r->debugcon, o->debugcon, r->cpu);
    r->options.devices.console = own_console(r->console, o->devices.console, r->cpu);
    if (o->log_file)
        r->options.log_file = own_file(r->log, o->log_file, r->cpu);
    return session_run(&s);
}

/* ---- which processors ---- */

static bool add(struct matrix_run *runs, unsigned *count, const char *name, size_t n,
                struct sp_error *e)
{
    struct cpu_model model = { 0 };
    struct matrix_run *r = &runs[*count];
    if (*count == RUNS_MAX || n >= sizeof r->cpu)
        return sp_fail(e, SP_EXIT_USAGE,
                       "--cpu-matrix: more than %d processors, or a name too long", RUNS_MAX);
    snprintf(r->cpu, sizeof r->cpu, "%.*s", (int)n, name);
    ++*count;
    return machine_parse_model(&model, r->cpu, e);
}

/* The names of the list, or all profiles if it is empty; all are looked at before the first run. */
static bool choose(struct matrix_run *runs, unsigned *count, const char *list, struct sp_error *e)
{
    for (unsigned k = 0; !*list && model_at(k); k++)
        if (!add(runs, count, model_at(k)->name, strlen(model_at(k)->name), e))
            return false;
    while (*list) {
        size_t n = strcspn(list, ",");
        if (!add(runs, count, list, n, e))
            return false;
        list += n + (list[n] == ',');
    }
    return true;
}

/* Each run starts with the same disks. */
static bool disks_stay(const struct options *o, struct sp_error *e)
{
    for (unsigned k = 0; k < o->devices.disks; k++)
        if (!o->devices.disk[k].source->snapshot && !o->devices.disk[k].source->read_only)
            return sp_fail(e, SP_EXIT_USAGE,
                           "--cpu-matrix: a disk with snapshot=off would not be the same for all");
    return true;
}

/* ---- the table ---- */

static void print_table(const struct matrix_run *runs, unsigned count)
{
    printf("%-16s %4s  %-18s %14s %11s %8s %11s  %s\n", "processor", "exit", "end", "instructions",
           "VM entries", "failures", "VM exits", "first failure");
    for (unsigned k = 0; k < count; k++) {
        const struct run_result *r = &runs[k].result;
        printf("%-16s %4d  %-18s %14" PRIu64 " %11" PRIu64 " %8" PRIu64 " %11" PRIu64 "%s%s\n",
               runs[k].cpu, r->code, r->end, r->totals.insns, r->totals.vmx.entries,
               r->totals.vmx.failures, r->totals.exits, *r->failure ? "  " : "", r->failure);
    }
}

/* One object a line. */
static void print_json(const struct matrix_run *runs, unsigned count)
{
    for (unsigned k = 0; k < count; k++) {
        const struct run_result *r = &runs[k].result;
        printf("{\"cpu\":\"%s\",\"exit_code\":%d,\"end\":\"%s\",\"instructions\":%" PRIu64
               ",\"vm_entries\":%" PRIu64 ",\"vm_entry_failures\":%" PRIu64 ",\"vm_exits\":%" PRIu64
               ",\"first_failure\":%s%s%s}\n",
               runs[k].cpu, r->code, r->end, r->totals.insns, r->totals.vmx.entries,
               r->totals.vmx.failures, r->totals.exits, *r->failure ? "\"" : "",
               *r->failure ? r->failure : "null", *r->failure ? "\"" : "");
    }
}

static int verdict(const struct matrix_run *runs, unsigned count)
{
    for (unsigned k = 1; k < count; k++)
        if (runs[k].result.code != runs[0].result.code ||
            strcmp(runs[k].result.end, runs[0].result.end))
            return SP_EXIT_VIOLATION;
    return SP_EXIT_OK;
}

int matrix_run(const struct options *o)
{
    struct sp_error e;
    unsigned count = 0, done = 0;
    int stopped = 0;
    struct matrix_run *runs = calloc(RUNS_MAX, sizeof *runs);
    if (!runs)
        sp_fail(&e, SP_EXIT_USAGE, "the host has no memory left");
    if (!runs || !choose(runs, &count, o->matrix, &e) || !disks_stay(o, &e)) {
        free(runs);
        return cli_fail(&e);
    }
    while (done < count && !stopped) {
        int code = run_one(&runs[done], o);
        bool ran = runs[done].result.end;
        done += ran;
        stopped = !ran || runs[done - 1].result.interrupted ? code : 0;
    }
    if (o->json || o->stats == STATS_JSON)
        print_json(runs, done);
    else if (done)
        print_table(runs, done);
    int code = stopped ? stopped : verdict(runs, done);
    free(runs);
    return code;
}
