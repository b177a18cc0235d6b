// SPDX-License-Identifier: Apache-2.0
// The host's processor as oracle: random user-mode instructions and short sequences of them run
// natively in a child process and in the simulator; registers, flags, memory and faults must agree.
//
//   host-diff [--bits 64|32|16] [--count N] [--seed N] [--only MNEMONIC] [--show N] [--rows]
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "generate.h"
#include "image.h"
#include "lists.h"
#include "native.h"
#include "simulate.h"
#include "values.h"

enum { EXIT_SKIPPED = 77, RESTARTS_MAX = 100 };

struct options {
    uint64_t count, seed, show;
    unsigned bits;
    const char *only;
    bool rows;               /* print how often each mnemonic differed */
};

struct run {
    struct options options;
    struct generator generator;
    struct native native;
    struct user_machine user, legacy; /* IA-32e mode; and without it, for 16- and 32-bit cases */
    uint64_t cases, faults, different;
    unsigned restarts;
    uint32_t *row_cases, *row_different;
};

static void show_case(const struct test_case *t, uint32_t vector, const char *differences)
{
    printf("case of %u:", t->count);
    for (unsigned k = 0; k < t->count; k++) {
        unsigned end = k + 1u < t->count ? t->offset[k + 1] : t->length;
        printf(" %s", insn_rows[t->row[k]].name);
        for (unsigned b = t->offset[k]; b < end; b++)
            printf("%s%02x", b == t->offset[k] ? " [" : " ", t->code[b]);
        printf("]");
    }
    printf("\n    start    rip %" PRIx64 " rflags %" PRIx64 " fcw %02x%02x mxcsr %02x%02x, "
           "host's vector %x\n",
           case_origin(t) + t->start, t->in.rflags, t->in.fx[FX_FCW + 1], t->in.fx[FX_FCW],
           t->in.fx[FX_MXCSR + 1], t->in.fx[FX_MXCSR], vector);
    if (t->bits < 64)
        for (unsigned k = 0; k < 6; k++)
            printf("%s%s=%x%s", k ? " " : "    ",
                   (const char *[]){ "es", "cs", "ss", "ds", "fs", "gs" }[k], t->in.selector[k],
                   k == 5 ? "\n" : "");
    for (unsigned k = 0; k < 16; k++)
        printf("%s%" PRIx64, k % 8 ? " " : k ? "\n             " : "    rax-r15  ", t->in.gpr[k]);
    printf("\n%s", differences);
}

static void check_case(struct run *r, const struct test_case *t, struct result *host)
{
    static struct result ours;           /* large; the program has one thread */
    char text[2048];
    simulate_case(t->bits < 64 && r->cases & 1 ? &r->legacy : &r->user, r->native.shared->pattern,
                  t, &ours);
    r->cases++;
    r->faults += host->vector != NO_EXCEPTION;
    r->row_cases[t->row[t->count - 1]]++;
    image_clear_open(t, host, &ours);
    if (compare_results(t, host, &ours, text, sizeof text))
        return;
    r->row_different[t->row[t->count - 1]]++;
    if (r->different++ < r->options.show)
        show_case(t, host->vector, text);
}

static void fill_batch(struct run *r, unsigned which)
{
    struct batch *b = &r->native.shared->batch[which];
    b->count = BATCH;
    for (unsigned k = 0; k < BATCH; k++)
        generate_case(&r->generator, &b->cases[k]);
    native_run(&r->native, which);
}

/* A branch to a register that the case has changed may loop for ever. */
static bool is_endless(struct run *r, const struct test_case *t)
{
    static struct result ours;
    simulate_case(&r->user, r->native.shared->pattern, t, &ours);
    return ours.vector == STILL_RUNNING;
}

/* The case that killed the child is a difference if it ends; the rest of its batch is lost. */
static bool restart(struct run *r, struct batch *b)
{
    if (b->done < b->count && !is_endless(r, &b->cases[b->done]) &&
        r->different++ < r->options.show)
        show_case(&b->cases[b->done], NO_EXCEPTION, "    the native process did not survive it\n");
    b->count = b->done;
    return r->restarts++ < RESTARTS_MAX && native_start(&r->native);
}

/* One batch runs in the child while the other is simulated and compared. */
static bool run_all(struct run *r)
{
    unsigned which = 0;
    fill_batch(r, which);
    while (r->cases < r->options.count) {
        struct batch *b = &r->native.shared->batch[which];
        if (!native_wait(&r->native) && !restart(r, b))
            return false;
        which ^= 1;
        fill_batch(r, which);
        for (unsigned k = 0; k < b->count; k++)
            check_case(r, &b->cases[k], &b->results[k]);
    }
    return true;
}

static void print_rows(const struct run *r)
{
    for (unsigned k = 0; k < insn_row_count; k++)
        if (r->row_different[k])
            printf("%8u of %8u  %s (map %u, %02x)\n", r->row_different[k], r->row_cases[k],
                   insn_rows[k].name, insn_rows[k].map, insn_rows[k].opcode);
}

static bool parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){ .count = 1000000, .seed = 1, .show = 50, .bits = 64 };
    for (int k = 1; k < argc; k++) {
        bool more = k + 1 < argc;
        if (!strcmp(argv[k], "--count") && more)
            o->count = strtoull(argv[++k], NULL, 0);
        else if (!strcmp(argv[k], "--bits") && more)
            o->bits = (unsigned)strtoul(argv[++k], NULL, 0);
        else if (!strcmp(argv[k], "--seed") && more)
            o->seed = strtoull(argv[++k], NULL, 0);
        else if (!strcmp(argv[k], "--show") && more)
            o->show = strtoull(argv[++k], NULL, 0);
        else if (!strcmp(argv[k], "--only") && more)
            o->only = argv[++k];
        else if (!strcmp(argv[k], "--rows"))
            o->rows = true;
        else
            return false;
    }
    return o->bits == 64 || o->bits == 32 || o->bits == 16;
}

static bool create_machines(struct run *r, struct sp_error *e)
{
    *e = (struct sp_error){ 0 };
    if (!simulate_create(&r->user, 64, e))
        return false;
    return r->options.bits == 64 || (simulate_tables(&r->user, r->native.shared->per_cpu) &&
                                     simulate_create(&r->legacy, 32, e) &&
                                     simulate_tables(&r->legacy, r->native.shared->per_cpu));
}

static int prepare(struct run *r)
{
    struct sp_error e;
    if (!generator_init(&r->generator, r->options.bits, r->options.seed, r->options.only)) {
        fprintf(stderr, "there is no such instruction\n");
        return 2;
    }
    if (!native_create(&r->native, r->options.bits))
        return EXIT_SKIPPED;
    value_pattern(&r->generator.random, r->native.shared->pattern);
    if (!create_machines(r, &e)) {
        fprintf(stderr, "%s\n", e.message);
        return EXIT_FAILURE;
    }
    r->row_cases = calloc(insn_row_count, sizeof *r->row_cases);
    r->row_different = calloc(insn_row_count, sizeof *r->row_different);
    return r->row_cases && r->row_different && native_start(&r->native) ? 0 : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct run r;
    if (!parse(argc, argv, &r.options)) {
        fprintf(stderr,
                "usage: %s [--bits 64|32|16] [--count N] [--seed N] [--only MNEMONIC] [--show N] "
                "[--rows]\n",
                argv[0]);
        return 2;
    }
    int status = prepare(&r);
    if (status)
        return status;
    bool ok = run_all(&r);
    if (r.options.rows)
        print_rows(&r);
    printf("%" PRIu64 " cases, %" PRIu64 " with a fault, %u instruction rows, %" PRIu64
           " differences\n", r.cases, r.faults, r.generator.row_count, r.different);
    native_destroy(&r.native);
    user_destroy(&r.user);
    if (r.options.bits < 64)
        user_destroy(&r.legacy);
    generator_free(&r.generator);
    free(r.row_cases);
    free(r.row_different);
    return ok && !r.different ? EXIT_SUCCESS : EXIT_FAILURE;
}
