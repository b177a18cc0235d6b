// SPDX-License-Identifier: Apache-2.0
// `silverpool features`: what a processor profile has.
#include <ctype.h>
#include <string.h>

#include "cli/features.h"
#include "cli/session.h"
#include "vmx/vmx.h"

const char *features_name(enum feature f, char *out, size_t size)
{
    static const char *const names[FEATURE_COUNT] = {
        "",
#define FEATURE(name, leaf, subleaf, reg, bit) #name,
#include "cpu/features.def"
    };
    size_t n = 0;
    for (const char *p = names[f]; *p && n + 1 < size; p++)
        out[n++] = (char)tolower((unsigned char)*p);
    out[n] = 0;
    return out;
}

const char *features_word_name(enum control_word w)
{
    static const char *const names[WORD_COUNT] = {
        [WORD_PIN] = "pin-based",  [WORD_PROC] = "primary", [WORD_PROC2] = "secondary",
        [WORD_PROC3] = "tertiary", [WORD_EXIT] = "VM exit", [WORD_EXIT2] = "secondary VM exit",
        [WORD_ENTRY] = "VM entry",
    };
    return names[w];
}

/* Prints words in indented lines of at most 100 columns; *column is where the last one ended, 0 at
 * first. */
static void print_word(const char *word, unsigned *column)
{
    if (*column && *column + 1 + strlen(word) > 100) {
        printf("\n");
        *column = 0;
    }
    *column += (unsigned)printf("%s%s", *column ? " " : "    ", word);
}

void cli_print_profiles(void)
{
    unsigned column = 0;
    for (unsigned k = 0; model_at(k); k++)
        printf("%s\n", model_at(k)->name);
    printf("\nItanium machines have " IPF_MODEL_NAME
           ", with +vti, -vti, +vmsw, -vmsw, impl-va-msb=50 to 60 behind it.\n");
    printf(
        "\nQEMU's models, in any version, are the profile of their generation with fewer or more "
        "features:\n");
    for (const char *const *name = machine_qemu_models(); *name; name++)
        print_word(*name, &column);
    printf("\n");
}

static void print_features(const struct cpu_model *m)
{
    unsigned column = 0;
    char name[32];
    for (unsigned k = 1; k < FEATURE_COUNT; k++)
        if (m->features[k])
            print_word(features_name((enum feature)k, name, sizeof name), &column);
    printf("\n");
}

/* The controls that may be 1, by the keys that -cpu takes. */
static void print_controls(const struct cpu_model *m)
{
    for (unsigned word = 0; word < WORD_COUNT; word++) {
        struct vmx_control_bit row;
        unsigned column = 0;
        printf("VMX controls: %s\n", features_word_name(word));
        for (unsigned k = 0; vmx_control_bit(k, &row); k++)
            if (row.word == word && vmx_allowed1(m->vmx_capability, word) >> row.bit & 1)
                print_word(row.key, &column);
        printf("%s\n", column ? "" : "  none");
    }
}

/* The bits that are 1 in MSRs of single bits, by their keys. */
static void print_capability_bits(const struct cpu_model *m)
{
    for (unsigned msr = 0; msr < VMX_CAPABILITY_MSRS; msr++) {
        struct vmx_capability_bit row;
        unsigned column = 0;
        for (unsigned k = 0; vmx_capability_bit(k, &row); k++)
            if (row.msr == msr && m->vmx_capability[msr] >> row.bit & 1) {
                if (!column)
                    printf("VMX capabilities: %s\n", vmx_capability_name(msr));
                print_word(row.key, &column);
            }
        if (column)
            printf("\n");
    }
}

static void print_model(const struct cpu_model *m)
{
    printf("%s: %s\n"
           "  family %u, model %u, stepping %u; %u physical and %u linear address bits\n"
           "CPUID features\n",
           m->name, m->brand, m->family, m->model, m->stepping, m->physical_bits, m->linear_bits);
    print_features(m);
    if (!model_has(m, FEAT_VMX))
        return;
    printf("VMX capabilities\n");
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (vmx_capability_exists(m->vmx_capability, k))
            printf("  %-28s %#5x  %016llx\n", vmx_capability_name(k), 0x480 + k,
                   (unsigned long long)m->vmx_capability[k]);
    print_controls(m);
    print_capability_bits(m);
}

/* ---- the command line ---- */

struct request {
    const char *cpu;
    bool json, help;
};

static bool parse(struct request *r, int argc, char **argv, int first, struct sp_error *e)
{
    for (int k = first; k < argc; k++) {
        const char *word = argv[k], *name = word + (word[0] == '-') + !strncmp(word, "--", 2);
        if (word[0] == '-' && (!strcmp(name, "help") || !strcmp(name, "h")))
            r->help = true;
        else if (word[0] == '-' && !strcmp(name, "json"))
            r->json = true;
        else if (word[0] == '-' && !strcmp(name, "cpu") && k + 1 < argc)
            r->cpu = argv[++k];
        else
            return sp_fail(e, SP_EXIT_USAGE, "features: %s: expected -cpu NAME or --json", word);
    }
    return true;
}

int cli_features(int argc, char **argv, int first)
{
    struct request r = { .cpu = "max" };
    struct cpu_model model = { 0 };
    struct sp_error e;
    if (!parse(&r, argc, argv, first, &e))
        return cli_fail(&e);
    if (r.help) {
        printf("silverpool features [-cpu NAME[,+F][,-F][,vmx-msrs=FILE]] [--json]\n"
               "-cpu help lists the profiles.\n");
    } else if (!strcmp(r.cpu, "help")) {
        cli_print_profiles();
    } else if (!machine_parse_model(&model, r.cpu, &e)) {
        return cli_fail(&e);
    } else {
        cli_warn_model(&model);
        if (r.json)
            features_json(stdout, &model);
        else
            print_model(&model);
    }
    return SP_EXIT_OK;
}
