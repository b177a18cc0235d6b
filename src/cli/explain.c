// SPDX-License-Identifier: Apache-2.0
// `silverpool explain`: which VM-entry checks a dumped VMCS breaks.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"
#include "cpu/cpu.h"
#include "debug/verdict_print.h"
#include "machine/msr_listing.h"

struct request {
    const char *file, *cpu, *listing;
    bool json, verbose, help;
};

static const char usage[] =
    "silverpool explain [-cpu NAME[,+F][,-F]] [--msrs FILE] [-v] [--json] FILE\n"
    "  FILE    a VMCS dump that KVM or Xen printed, or JSON; \"-\": standard input\n"
    "  -cpu    the processor whose checks are made (default: what the dump says, else max)\n"
    "  --msrs  a listing of capability MSRs that differ from that processor's\n"
    "  -v      list what the dump is too partial to decide, and what is missing\n"
    "  --json  one JSON object for each dump\n"
    "Exit code 0: no violation; 1: violations; 4: no dump; 2: usage.\n";

static bool parse(struct request *r, int argc, char **argv, int first, struct sp_error *e)
{
    for (int k = first; k < argc; k++) {
        const char *word = argv[k], *name = word + (word[0] == '-') + !strncmp(word, "--", 2);
        bool is_cpu = !strcmp(name, "cpu");
        if (word[0] != '-' || !word[1]) {
            if (r->file)
                return sp_fail(e, SP_EXIT_USAGE, "explain: %s: only one file at a time", word);
            r->file = word;
        } else if (is_cpu || !strcmp(name, "msrs")) {
            if (++k == argc)
                return sp_fail(e, SP_EXIT_USAGE, "explain: %s: needs a value", word);
            *(is_cpu ? &r->cpu : &r->listing) = argv[k];
        } else if (!strcmp(name, "v") || !strcmp(name, "verbose")) {
            r->verbose = true;
        } else if (!strcmp(name, "json")) {
            r->json = true;
        } else if (!strcmp(name, "h") || !strcmp(name, "help")) {
            r->help = true;
        } else {
            return sp_fail(e, SP_EXIT_USAGE, "explain: %s: unknown option (--help)", word);
        }
    }
    return r->file || r->help ||
           sp_fail(e, SP_EXIT_USAGE, "explain: expected a file with a VMCS dump (--help)");
}

/* ---- files ---- */

static char *read_stream(FILE *in, const char *name, size_t *size, struct sp_error *e)
{
    char *text = malloc(DUMP_SIZE_MAX + 1);
    *size = text ? fread(text, 1, DUMP_SIZE_MAX + 1, in) : 0;
    if (!text)
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: the host has no memory left", name);
    else if (ferror(in))
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", name, strerror(errno));
    else if (*size > DUMP_SIZE_MAX)
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: is larger than the limit of %u MiB", name,
                DUMP_SIZE_MAX >> 20);
    else
        return text;
    free(text);
    return NULL;
}

static char *read_file(const char *name, size_t *size, struct sp_error *e)
{
    if (!strcmp(name, "-"))
        return read_stream(stdin, "standard input", size, e);
    FILE *in = fopen(name, "rb");
    if (!in) {
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", name, strerror(errno));
        return NULL;
    }
    char *text = read_stream(in, name, size, e);
    fclose(in);
    return text;
}

/* ---- dumps ---- */

/* A machine that runs nothing: its processor is the one whose checks are made. */
static struct machine *make_machine(const char *cpu, struct sp_error *e)
{
    struct machine_config config = {
        .ram_size = 1 << 20, .processors = 1, .cpu = cpu, .bare = true
    };
    struct machine *m = machine_create(&config, e);
    if (!m)
        return NULL;
    const struct cpu_model *model = machine_cpu(m, 0)->model;
    if (model_has(model, FEAT_VMX)) {
        cli_warn_model(model);
        return m;
    }
    sp_fail(e, SP_EXIT_USAGE, "explain: -cpu %s: has no VMX", cpu);
    machine_destroy(m);
    return NULL;
}

static bool explain(const struct request *r, struct vmcs_dump *dump,
                    const struct vmx_listing *listed, bool *broken, struct sp_error *e)
{
    struct verdict_source from = { r->file, dump, *dump->cpu ? dump->cpu : "max" };
    struct verdicts v;
    if (r->cpu)
        from.cpu = r->cpu;
    struct machine *m = make_machine(from.cpu, e);
    if (!m)
        return false;
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (listed->known[k] && !dump->caps.known[k]) {
            dump->caps.known[k] = true;
            dump->caps.value[k] = listed->value[k];
        }
    bool ok = verdicts_reach(&v, machine_cpu(m, 0), dump) ||
              sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    if (ok && r->json)
        verdicts_print_json(stdout, &from, &v);
    else if (ok)
        verdicts_print(stdout, &from, &v, r->verbose);
    *broken |= ok && v.broken;
    verdicts_free(&v);
    machine_destroy(m);
    return ok;
}

static bool explain_all(const struct request *r, bool *broken, struct sp_error *e)
{
    struct vmx_listing listed = { 0 };
    struct dump_reader reader;
    struct vmcs_dump dump;
    size_t size;
    if (r->listing && !msr_listing_read(&listed, r->listing, e))
        return false;
    char *text = read_file(r->file, &size, e);
    bool ok = text && dump_open(&reader, r->file, text, size, e);
    if (ok) {
        while (ok && dump_next(&reader, &dump, e))
            ok = explain(r, &dump, &listed, broken, e);
        ok = ok && !e->code;
        dump_close(&reader);
    }
    free(text);
    return ok;
}

int cli_explain(int argc, char **argv, int first)
{
    struct request r = { 0 };
    struct sp_error e = { 0 };
    bool broken = false;
    if (!parse(&r, argc, argv, first, &e))
        return cli_fail(&e);
    if (r.help) {
        fputs(usage, stdout);
        return SP_EXIT_OK;
    }
    if (!explain_all(&r, &broken, &e))
        return cli_fail(&e);
    return broken ? SP_EXIT_VIOLATION : SP_EXIT_OK;
}
