// SPDX-License-Identifier: Apache-2.0
// `silverpool features`: what a processor profile has.
#include <ctype.h>
#include <string.h>

#include "base/bits.h"
#include "cli/session.h"
#include "cpu/model.h"
#include "vmx/capability.h"
#include "vmx/vmx.h"

static const char *const feature_names[FEATURE_COUNT] = {
    NULL,
#define FEATURE(name, leaf, subleaf, reg, bit) #name,
#include "cpu/features.def"
};

static const char *const word_names[WORD_COUNT] = {
    [WORD_PIN] = "pin-based", [WORD_PROC] = "primary",   [WORD_PROC2] = "secondary",
    [WORD_EXIT] = "VM exit",  [WORD_ENTRY] = "VM entry",
};
static const struct { uint8_t word, bit; const char *key; } controls[] = {
#define CONTROL(word, bit, name, key) { WORD_##word, bit, key },
#include "vmx/controls.def"
};

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
    for (unsigned k = 1; k < FEATURE_COUNT; k++) {
        char name[32];
        size_t n = 0;
        if (!m->features[k])
            continue;
        for (const char *p = feature_names[k]; *p && n + 1 < sizeof name; p++)
            name[n++] = (char)tolower((unsigned char)*p);
        name[n] = 0;
        print_word(name, &column);
    }
    printf("\n");
}

/* The controls that may be 1, by the keys that -cpu takes. */
static void print_controls(const struct cpu_model *m)
{
    for (unsigned word = 0; word < WORD_COUNT; word++) {
        unsigned column = 0;
        printf("VMX controls: %s\n", word_names[word]);
        for (size_t k = 0; k < ARRAY_SIZE(controls); k++)
            if (controls[k].word == word &&
                vmx_allowed1(m->vmx_capability, word) >> controls[k].bit & 1)
                print_word(controls[k].key, &column);
        printf("%s\n", column ? "" : "  none");
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
}

int cli_features(int argc, char **argv, int first)
{
    const char *spec = "max";
    struct cpu_model model;
    struct sp_error e;
    for (int k = first; k < argc; k++) {
        const char *name = argv[k] + (argv[k][0] == '-') + (argv[k][0] == '-' && argv[k][1] == '-');
        if (!strcmp(name, "help") || !strcmp(name, "h")) {
            printf("silverpool features [-cpu NAME[,+F][,-F]]   (-cpu help lists the profiles)\n");
            return SP_EXIT_OK;
        }
        if (strcmp(name, "cpu") || name == argv[k] || k + 1 == argc) {
            sp_fail(&e, SP_EXIT_USAGE, "features: %s: expected -cpu NAME", argv[k]);
            return cli_fail(&e);
        }
        spec = argv[++k];
    }
    if (!strcmp(spec, "help")) {
        cli_print_profiles();
        return SP_EXIT_OK;
    }
    memset(&model, 0, sizeof model);
    if (!machine_parse_model(&model, spec, &e))
        return cli_fail(&e);
    cli_warn_model(&model);
    print_model(&model);
    return SP_EXIT_OK;
}
