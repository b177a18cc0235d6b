// SPDX-License-Identifier: Apache-2.0
// `silverpool conform`: options, and where reports go.
#define _GNU_SOURCE /* asprintf */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conform.h"
#include "cli/session.h"
#include "cli/values.h"
#include "cpu/model.h"
#include "machine/machine.h"

static const char usage[] =
    "silverpool conform [OPTIONS]             run the conformance cases\n"
    "silverpool conform merge FILE... [OPTIONS]   put JSON reports together\n"
    "which cases\n"
    "  --filter GLOB        those whose names match: --filter 'entry.host.*,vmread*'\n"
    "  --shard I/N          the Ith of N shares\n"
    "  --list               print their names, and run none\n"
    "where\n"
    "  -cpu NAME[,+F][,-F]  our machine with this processor (default max)\n"
    "  --cpu-matrix[=A,B]   on each of these profiles (default: all)\n"
    "  -smp N  -tlb exact|none|sticky   as in `silverpool run`\n"
    "  --target COMMAND     another machine: a shell command that writes what the image writes to\n"
    "                       COM1 on standard output; {image}, {iso}, {args} and {folder} are "
    "filled in\n"
    "  --name TEXT          what reports call the machine\n"
    "  --image FILE         another conformance image than the one built in\n"
    "how\n"
    "  -j N                 N machines at a time (default 1)\n"
    "  --timeout S          seconds without a word after which a machine is ended (default 60)\n"
    "  --fail-fast          end at the first failure\n"
    "reports (a file, or \"-\")\n"
    "  --tap                TAP 13 on standard output: the default if no other report is asked "
    "for\n"
    "  --junit F  --json F  --html F\n"
    "Exit code 0: no case failed; 1: some did; 2: usage; 4: the image did not run.\n";

/* ---- options ---- */

static bool take_shard(struct conform_options *o, const char *v)
{
    char extra;
    return sscanf(v, "%u/%u%c", &o->shard, &o->shards, &extra) == 2 && o->shard &&
           o->shard <= o->shards && o->shards <= 1000000;
}

static bool take_tlb(struct conform_options *o, const char *v)
{
    static const char *const names[] = { "exact", "none", "sticky" };
    for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
        if (!strcmp(v, names[k])) {
            o->tlb = (enum tlb_mode)k;
            return true;
        }
    return false;
}

static bool take_timeout(struct conform_options *o, const char *v)
{
    char *end;
    o->timeout = strtod(v, &end);
    return *v && !*end && o->timeout > 0 && o->timeout < 1e9;
}

static bool take_number(unsigned *out, const char *v, unsigned most)
{
    uint64_t value;
    bool ok = value_number(v, most, &value) && value;
    *out = ok ? (unsigned)value : 0;
    return ok;
}

/* Several --filter are one list.  The image's command line has 4095 characters. */
static bool take_filter(struct conform_options *o, const char *v)
{
    enum { FILTER_MAX = 3500 };
    char *all = NULL;
    if (strlen(v) + (o->filter ? strlen(o->filter) : 0) > FILTER_MAX)
        return false;
    if (!*v || strchr(v, ' ') ||
        asprintf(&all, "%s%s%s", o->filter ? o->filter : "", o->filter ? "," : "", v) < 0)
        return false;
    free(o->filter);
    o->filter = all;
    return true;
}

static bool take_value(struct conform_options *o, const char *name, const char *v)
{
    const struct {
        const char *name, **out;
    } texts[] = {
        { "cpu", &o->cpu },     { "target", &o->target }, { "name", &o->name },
        { "image", &o->image }, { "junit", &o->junit },   { "json", &o->json },
        { "html", &o->html },
    };
    for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
        if (!strcmp(name, texts[k].name)) {
            *texts[k].out = v;
            return *v;
        }
    return !strcmp(name, "filter")    ? take_filter(o, v)
           : !strcmp(name, "shard")   ? take_shard(o, v)
           : !strcmp(name, "smp")     ? take_number(&o->processors, v, 64)
           : !strcmp(name, "tlb")     ? take_tlb(o, v)
           : !strcmp(name, "timeout") ? take_timeout(o, v)
                                      : take_number(&o->jobs, v, 1024);
}

static bool has_value(const char *name)
{
    static const char *const names[] = { "cpu",  "target",  "name",   "image", "junit",
                                         "json", "html",    "filter", "shard", "smp",
                                         "tlb",  "timeout", "j" };
    for (size_t k = 0; k < ARRAY_SIZE(names); k++)
        if (!strcmp(name, names[k]))
            return true;
    return false;
}

static bool take_switch(struct conform_options *o, const char *name, const char *value)
{
    bool matrix = !strcmp(name, "cpu-matrix");
    if (value && !matrix)
        return false;
    if (matrix)
        o->matrix = value ? value : "";
    else if (!strcmp(name, "tap"))
        o->tap = true;
    else if (!strcmp(name, "list"))
        o->list = true;
    else if (!strcmp(name, "fail-fast"))
        o->fail_fast = true;
    else if (!strcmp(name, "h") || !strcmp(name, "help"))
        o->help = true;
    else
        return false;
    return true;
}

/* One option, with its value here or in the next word. */
static bool take(struct conform_options *o, int argc, char **argv, int *k, struct sp_error *e)
{
    char name[32];
    const char *word = argv[*k], *start = word + 1 + (word[1] == '-');
    const char *value = strchr(start, '=');
    int n = value ? (int)(value - start) : (int)strlen(start);
    snprintf(name, sizeof name, "%.*s", n, start);
    value += value != NULL;
    if (name[0] == 'j' && name[1] >= '0' && name[1] <= '9' && !value) { /* -j4, as make has it */
        value = start + 1;
        name[1] = 0;
    }
    if (!has_value(name))
        return take_switch(o, name, value) ||
               sp_fail(e, SP_EXIT_USAGE, "conform: %s: unknown option (--help)", word);
    if (!value && ++*k == argc)
        return sp_fail(e, SP_EXIT_USAGE, "conform: %s: needs a value", word);
    if (!value)
        value = argv[*k];
    return take_value(o, name, value) ||
           sp_fail(e, SP_EXIT_USAGE, "conform: %s %s: not a value of this option (--help)", word,
                   value);
}

/* The processors must exist before anything runs. */
static bool check_model(const char *cpu, struct sp_error *e)
{
    struct cpu_model model = { 0 };
    if (!machine_parse_model(&model, cpu, e))
        return false;
    return model_has(&model, FEAT_VMX) ||
           sp_fail(e, SP_EXIT_USAGE, "conform: -cpu %s: has no VMX", cpu);
}

/* Cuts the list of names at its commas; conform_run() finds the last one by an empty name. */
static bool check_machines(struct conform_options *o, char **names, struct sp_error *e)
{
    if (o->target && (o->cpu || o->matrix))
        return sp_fail(e, SP_EXIT_USAGE, "conform: --target is a machine of its own: no -cpu");
    if (!o->cpu)
        o->cpu = "max";
    if (!o->matrix || !*o->matrix)
        return o->target || check_model(o->cpu, e);
    *names = calloc(1, strlen(o->matrix) + 2);
    if (!*names)
        return sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    strcpy(*names, o->matrix);
    for (char *name = *names; *name; name += strlen(name) + 1) {
        name[strcspn(name, ",")] = 0;
        if (!check_model(name, e))
            return false;
    }
    o->matrix = *names;
    return true;
}

/* ---- reports ---- */

static bool write_report(const char *file, void (*form)(FILE *, const struct conform_report *),
                         const struct conform_report *r, struct sp_error *e)
{
    if (!file)
        return true;
    FILE *out = strcmp(file, "-") ? fopen(file, "w") : stdout;
    if (!out)
        return sp_fail(e, SP_EXIT_USAGE, "conform: %s: %s", file, strerror(errno));
    form(out, r);
    bool ok = !ferror(out);
    if (out == stdout)
        ok = !fflush(out) && ok;
    else
        ok = !fclose(out) && ok;
    return ok || sp_fail(e, SP_EXIT_USAGE, "conform: %s: %s", file, strerror(errno));
}

static void print_summary(const struct conform_report *r)
{
    double seconds = 0;
    for (size_t c = 0; c < r->column_count; c++)
        seconds += r->columns[c].seconds;
    fprintf(stderr, "silverpool: %zu cases: %zu passed, %zu failed, %zu skipped",
            r->count * r->column_count - conform_total(r, CONFORM_NOT_RUN),
            conform_total(r, CONFORM_PASSED), conform_total(r, CONFORM_FAILED),
            conform_total(r, CONFORM_SKIPPED));
    if (conform_total(r, CONFORM_DIED))
        fprintf(stderr, ", %zu took the machine along", conform_total(r, CONFORM_DIED));
    fprintf(stderr, "; %.1f s\n", seconds);
}

static bool write_reports(const struct conform_options *o, const struct conform_report *r,
                          struct sp_error *e)
{
    bool tap = o->tap || !(o->junit || o->json || o->html);
    if (o->list) {
        for (size_t k = 0; k < r->count; k++)
            printf("%s\n", r->cases[k].name);
        return true;
    }
    return write_report(tap ? "-" : NULL, conform_write_tap, r, e) &&
           write_report(o->junit, conform_write_junit, r, e) &&
           write_report(o->json, conform_write_json, r, e) &&
           write_report(o->html, conform_write_html, r, e);
}

/* ---- the verb ---- */

static bool merge(struct conform_report *r, int count, char **files, struct sp_error *e)
{
    if (!count)
        return sp_fail(e, SP_EXIT_USAGE, "conform merge: expected JSON reports (--help)");
    for (int k = 0; k < count; k++)
        if (!conform_read_json(r, files[k], e))
            return false;
    conform_sort(r);
    return true;
}

static int report(const struct conform_options *o, struct conform_report *r)
{
    struct sp_error e;
    if (!write_reports(o, r, &e))
        return cli_fail(&e);
    if (o->list)
        return SP_EXIT_OK;
    print_summary(r);
    return conform_total(r, CONFORM_FAILED) || conform_total(r, CONFORM_DIED) ? SP_EXIT_VIOLATION
                                                                              : SP_EXIT_OK;
}

static bool has_outcomes(const struct conform_report *r)
{
    return conform_total(r, CONFORM_NOT_RUN) < r->count * r->column_count;
}

int cli_conform(int argc, char **argv, int first)
{
    struct conform_options o = {
        .jobs = 1, .shard = 1, .shards = 1, .processors = 1, .timeout = 60
    };
    struct conform_report r = { 0 };
    struct sp_error e;
    bool merges = first < argc && !strcmp(argv[first], "merge"), ok = true;
    char *names = NULL;
    int files = 0;
    for (int k = first + merges; ok && k < argc; k++) {
        if (argv[k][0] == '-' && argv[k][1])
            ok = take(&o, argc, argv, &k, &e);
        else if (merges)
            argv[first + 1 + files++] = argv[k];
        else
            ok = sp_fail(&e, SP_EXIT_USAGE, "conform: %s: not an option (--help)", argv[k]);
    }
    int code = 0;
    bool help = ok && o.help;
    if (help)
        fputs(usage, stdout);
    else
        ok = ok && (merges ? merge(&r, files, argv + first + 1, &e)
                           : check_machines(&o, &names, &e) && conform_run(&o, &r, &e));
    if (!help && (ok || (!merges && has_outcomes(&r)))) /* also of a run that ended early */
        code = report(&o, &r);
    if (!ok)
        code = cli_fail(&e);
    conform_free(&r);
    free(o.filter);
    free(names);
    return code;
}
