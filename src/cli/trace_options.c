// SPDX-License-Identifier: Apache-2.0
// The words behind `silverpool trace`: two tables give parsing and --help.
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/trace.h"
#include "cli/values.h"

const struct trace_verb_row trace_verbs[TRACE_VERBS] = {
    [VERB_DUMP] = { "dump", "FILE", 1, trace_lines_verb,
                    "prints the trace, one line for each instruction and event" },
    [VERB_STAT] = { "stat", "FILE", 1, trace_stat_verb,
                    "prints tables of modes, events, VM exits, functions and VMCS fields:\n"
                    "  instructions by privilege and mode, VM exits by reason with their cost,\n"
                    "  hottest functions, fields read and written after each exit reason" },
    [VERB_GREP] = { "grep", "FILE", 1, trace_lines_verb,
                    "prints what satisfies all conditions; exit code 1 if nothing does" },
    [VERB_DIFF] = { "diff", "FILE FILE", 2, trace_diff_verb,
                    "shows where two traces part; exit code 1 if they do" },
    [VERB_SLICE] = { "slice", "FILE", 1, trace_slice_verb,
                     "writes a part of a trace as a trace of its own" },
    [VERB_CONVERT] = { "convert", "FILE", 1, trace_convert_verb,
                       "writes the trace in a format of other tools:\n"
                       "  ctf (a folder; events have KVM's names), perfetto, folded (stacks for\n"
                       "  flame graphs), champsim, drmemtrace (both of one processor)" },
    [VERB_HTML] = { "html", "FILE", 1, trace_html_verb,
                    "writes a page that shows VM entries and exits as a timeline" },
};

struct option_row {
    const char *name, *argument; /* argument NULL: takes none; "=X": optional, after '=' */
    unsigned verbs;              /* bits 1 << enum trace_verb */
    bool (*apply)(struct trace_request *r, const char *value);
    const char *help;
};

#define ON(verb) (1u << VERB_##verb)
enum { ALL = (1 << TRACE_VERBS) - 1, LINES = ON(DUMP) | ON(GREP) | ON(DIFF) };

/* ---- one function for each option: false if the value is not one ---- */

static bool opt_kernel(struct trace_request *r, const char *v)
{
    if (r->kernels == TRACE_SYMBOLS_MAX)
        return false;
    r->kernel[r->kernels++] = v;
    return true;
}
static bool opt_output(struct trace_request *r, const char *v)
{
    r->output = v;
    return true;
}
static bool opt_to(struct trace_request *r, const char *v)
{
    r->to = v;
    return true;
}
static bool opt_from(struct trace_request *r, const char *v) { return value_count(v, &r->from); }
static bool opt_until(struct trace_request *r, const char *v) { return value_count(v, &r->until); }
static bool opt_json(struct trace_request *r, const char *v) { return r->json = true; }
static bool opt_times(struct trace_request *r, const char *v) { return r->times = true; }
static bool opt_physical(struct trace_request *r, const char *v) { return r->physical = true; }
static bool opt_count(struct trace_request *r, const char *v) { return r->count = true; }
static bool opt_writes(struct trace_request *r, const char *v)
{
    r->query.writes = true;
    return true;
}
static bool opt_help(struct trace_request *r, const char *v) { return r->help = true; }
static bool opt_symbol(struct trace_request *r, const char *v)
{
    r->query.symbol = v;
    return true;
}

static bool opt_cpu(struct trace_request *r, const char *v)
{
    uint64_t cpu;
    bool ok = value_number(v, 0xffff, &cpu);
    r->query.cpu = ok ? (int)cpu : -1;
    return ok;
}

static bool small(const char *v, unsigned *out)
{
    uint64_t n;
    bool ok = value_number(v, 1000000, &n);
    *out = ok ? (unsigned)n : 0;
    return ok;
}
static bool opt_context(struct trace_request *r, const char *v) { return small(v, &r->context); }
static bool opt_top(struct trace_request *r, const char *v) { return small(v, &r->top); }

static bool opt_align(struct trace_request *r, const char *v)
{
    r->window = 100000;
    return !v || (value_count(v, &r->window) && r->window >= 100 && r->window <= 10000000);
}

static bool opt_address(struct trace_request *r, const char *v)
{
    return trace_range_parse(v, &r->query.address);
}
static bool opt_memory(struct trace_request *r, const char *v)
{
    return trace_range_parse(v, &r->query.memory);
}
static bool opt_exit(struct trace_request *r, const char *v)
{
    return trace_exit_parse(v, &r->query.exit);
}
static bool opt_operation(struct trace_request *r, const char *v)
{
    r->query.worlds |= trace_world_parse(v);
    return trace_world_parse(v);
}
static bool opt_event(struct trace_request *r, const char *v)
{
    return trace_kinds_parse(v, &r->query.kinds);
}

static bool opt_register(struct trace_request *r, const char *v)
{
    size_t n = strcspn(v, "=");
    if (!n || n >= sizeof r->query.reg)
        return false;
    memcpy(r->query.reg, v, n);
    r->query.reg[n] = 0;
    r->query.reg_value = v[n] == '=';
    return !v[n] || value_number(v + n + 1, UINT64_MAX, &r->query.value);
}

static const struct option_row rows[] = {
    { "kernel", "FILE", ALL & ~ON(SLICE), opt_kernel,
      "symbols of an ELF file; may stand several times, the first that knows an address names it" },
    { "from", "T", ALL & ~ON(DIFF), opt_from,
      "begin at this machine time (K, M, G: powers of 1000)" },
    { "until", "T", ALL & ~ON(DIFF), opt_until, "end before this machine time" },
    { "cpu", "N", ALL & ~ON(SLICE), opt_cpu, "this processor only" },
    { "event", "LIST", ON(GREP) | ON(DUMP), opt_event,
      "events (insn, vm_exit, msr ...) or classes as --trace-events names them" },
    { "address", "A[-B|+SIZE]", ON(GREP) | ON(DUMP), opt_address,
      "instructions at these linear addresses, events that name one as RIP" },
    { "symbol", "NAME", ON(GREP) | ON(DUMP), opt_symbol, "the same inside a function of --kernel" },
    { "operation", "root|non-root|none", ON(GREP) | ON(DUMP), opt_operation,
      "of instructions those in this operation only" },
    { "memory", "A[-B|+SIZE]", ON(GREP) | ON(DUMP), opt_memory,
      "instructions that access these linear addresses" },
    { "writes", NULL, ON(GREP) | ON(DUMP), opt_writes, "with --memory: that write there" },
    { "register", "NAME[=VALUE]", ON(GREP) | ON(DUMP), opt_register,
      "instructions that change a register, or change it to this value" },
    { "exit", "REASON", ON(GREP) | ON(DUMP), opt_exit,
      "VM exits with this basic reason, by name or number" },
    { "context", "N", ON(GREP) | ON(DIFF), opt_context, "so many lines around each (diff: 8)" },
    { "count", NULL, ON(GREP), opt_count, "print how many there are, and nothing else" },
    { "align", "=N", ON(DIFF), opt_align,
      "compare the path only, and go on where interrupts or waiting loops come at other moments;\n"
      "look for it N instructions and events ahead (default 100K)" },
    { "time", NULL, LINES, opt_times,
      "begin lines with the machine time, which --from and --until take" },
    { "physical", NULL, LINES, opt_physical, "physical addresses of accesses, too" },
    { "top", "N", ON(STAT), opt_top, "the N hottest symbols (default 20)" },
    { "to", "FORMAT", ON(CONVERT), opt_to, "ctf, perfetto, folded, champsim or drmemtrace" },
    { "o", "FILE", ON(DUMP) | ON(STAT) | ON(GREP) | ON(SLICE) | ON(CONVERT) | ON(HTML), opt_output,
      "write to a file (ctf: a folder that does not exist)" },
    { "json", NULL, LINES | ON(STAT), opt_json, "JSON: one object, or one in each line" },
    { "help", NULL, ALL, opt_help, "this text" },
    { "h", NULL, ALL, opt_help, NULL },
};

/* ---- parsing ---- */

static bool apply(struct trace_request *r, const struct option_row *row, const char *value,
                  struct sp_error *e)
{
    return row->apply(r, value) ||
           sp_fail(e, SP_EXIT_USAGE, "trace %s: --%s %s: expected %s", trace_verbs[r->verb].name,
                   row->name, value ? value : "", row->argument ? row->argument : "no value");
}

/* The option in argv[*k], which begins with a dash; *k moves to its value. */
static bool option(struct trace_request *r, int argc, char **argv, int *k, struct sp_error *e)
{
    const char *word = argv[*k], *name = word + 1 + (word[1] == '-');
    size_t n = strcspn(name, "=");
    for (size_t j = 0; j < ARRAY_SIZE(rows); j++) {
        const struct option_row *row = &rows[j];
        bool optional = row->argument && row->argument[0] == '=';
        if (strlen(row->name) != n || strncmp(row->name, name, n) || !(row->verbs >> r->verb & 1))
            continue;
        if (name[n] && row->argument)
            return apply(r, row, name + n + 1, e);
        if (name[n])
            break;
        if (!row->argument || optional)
            return apply(r, row, NULL, e);
        if (++*k == argc)
            return sp_fail(e, SP_EXIT_USAGE, "trace %s: %s: needs %s", trace_verbs[r->verb].name,
                           word, row->argument);
        return apply(r, row, argv[*k], e);
    }
    return sp_fail(e, SP_EXIT_USAGE, "trace %s: %s: unknown option (--help)",
                   trace_verbs[r->verb].name, word);
}

static bool is_help(const char *word)
{
    return !strcmp(word, "--help") || !strcmp(word, "-help") || !strcmp(word, "-h");
}

static bool find_verb(struct trace_request *r, const char *word, struct sp_error *e)
{
    for (r->verb = 0; r->verb < TRACE_VERBS; r->verb++)
        if (word && !strcmp(word, trace_verbs[r->verb].name))
            return true;
    r->help = word && is_help(word);
    return r->help ||
           sp_fail(e, SP_EXIT_USAGE,
                   "trace%s%s: expected dump, stat, grep, diff, slice, convert or html (--help)",
                   word ? " " : "", word ? word : "");
}

bool trace_options(struct trace_request *r, int argc, char **argv, int first, struct sp_error *e)
{
    *r = (struct trace_request){ .until = UINT64_MAX, .query.cpu = -1, .top = 20 };
    if (!find_verb(r, first < argc ? argv[first] : NULL, e))
        return false;
    if (r->help)
        return true;
    if (r->verb == VERB_DIFF)
        r->context = 8;
    for (int k = first + 1; k < argc; k++) {
        if (argv[k][0] == '-' && argv[k][1]) {
            if (!option(r, argc, argv, &k, e))
                return false;
        } else if (r->files == trace_verbs[r->verb].count) {
            return sp_fail(e, SP_EXIT_USAGE, "trace %s: %s: expected %s (--help)",
                           trace_verbs[r->verb].name, argv[k], trace_verbs[r->verb].files);
        } else {
            r->file[r->files++] = argv[k];
        }
    }
    return r->help || r->files == trace_verbs[r->verb].count ||
           sp_fail(e, SP_EXIT_USAGE, "trace %s: expected %s (--help)", trace_verbs[r->verb].name,
                   trace_verbs[r->verb].files);
}

/* ---- help ---- */

static void print_option(const struct option_row *row)
{
    char left[40];
    bool optional = row->argument && row->argument[0] == '=';
    const char *open = optional ? "[" : row->argument ? " " : "";
    snprintf(left, sizeof left, "%s%s%s%s%s", strlen(row->name) > 1 ? "--" : "-", row->name, open,
             row->argument ? row->argument : "", optional ? "]" : "");
    printf("  %-31s ", left);
    for (const char *p = row->help; *p; p++)
        *p == '\n' ? printf("\n%34s", "") : putchar(*p);
    printf("\n");
}

void trace_help(enum trace_verb verb)
{
    if (verb == TRACE_VERBS) {
        printf("silverpool trace VERB OPTIONS FILE: reads what -trace FILE wrote\n");
        for (unsigned k = 0; k < TRACE_VERBS; k++)
            printf("  %-8s %-10s %.*s\n", trace_verbs[k].name, trace_verbs[k].files,
                   (int)strcspn(trace_verbs[k].help, ":\n"), trace_verbs[k].help);
        printf("Each verb has --help.\n");
        return;
    }
    printf("silverpool trace %s OPTIONS %s\n  %s\n", trace_verbs[verb].name,
           trace_verbs[verb].files, trace_verbs[verb].help);
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (rows[k].help && rows[k].verbs >> verb & 1)
            print_option(&rows[k]);
    printf("Exit code 4: a file is damaged or cut off; what can be read of it has been printed.\n");
}
