// SPDX-License-Identifier: Apache-2.0
// Processor profiles and the names of features.
#include "cpu/model.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct profile profiles[] = {
#include "cpu/profiles.def"
};

static const char *const feature_names[] = {
    "",
#define FEATURE(name, leaf, subleaf, reg, bit) #name,
#include "cpu/features.def"
};

/* Other tools' names of some features. */
static const struct {
    const char *name;
    enum feature feature;
} synonyms[] = {
    { "pni", FEAT_SSE3 },
    { "sse4-1", FEAT_SSE41 },
    { "sse4-2", FEAT_SSE42 },
    { "clflush", FEAT_CLFSH },
    { "lahf-lm", FEAT_LAHF },
    { "pdpe1gb", FEAT_PAGE1GB },
    { "3dnowprefetch", FEAT_PREFETCHW },
    { "pmu", FEAT_ARCH_PERFMON },
    { "core-capability", FEAT_CORE_CAPABILITIES },
    { "split-lock-detect", FEAT_CORE_CAPABILITIES },
};

/* "tsc-deadline", "tsc_deadline" and "TSC_DEADLINE" are one name; so are "sse4.1" and "sse4-1". */
static bool same_name(const char *a, const char *b, size_t n)
{
    for (; n; n--, a++, b++) {
        bool separators = strchr("-_.", *a) && *a && strchr("-_.", *b) && *b;
        if (!separators && tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
    }
    return !*a;
}

/* A feature by its name; FEAT_NONE if there is none. */
static enum feature feature_by_name(const char *name, size_t n)
{
    for (unsigned f = 1; f < FEATURE_COUNT; f++)
        if (same_name(feature_names[f], name, n))
            return (enum feature)f;
    for (unsigned k = 0; k < ARRAY_SIZE(synonyms); k++)
        if (same_name(synonyms[k].name, name, n))
            return synonyms[k].feature;
    return FEAT_NONE;
}

const struct profile *model_at(unsigned k)
{
    return k < ARRAY_SIZE(profiles) ? &profiles[k] : NULL;
}

const struct profile *model_profile(const char *name, size_t n)
{
    for (size_t k = 0; k < ARRAY_SIZE(profiles); k++)
        if (strlen(profiles[k].name) == n && !strncmp(profiles[k].name, name, n))
            return &profiles[k];
    return NULL;
}

static void set_features(struct cpu_model *m, const char *list, bool on)
{
    while (*list) {
        size_t n = strcspn(list, " ");
        m->features[feature_by_name(list, n)] = on;
        list += n + strspn(list + n, " ");
    }
    m->features[FEAT_NONE] = 0;
}

static void add_profile(struct cpu_model *m, const struct profile *p)
{
    if (p->extends)
        add_profile(m, model_profile(p->extends, strlen(p->extends)));
    set_features(m, p->lacks ? p->lacks : "", false);
    set_features(m, p->features, true);
}

bool model_load(struct cpu_model *m, const char *name, size_t n)
{
    const struct profile *p = model_profile(name, n);
    memset(m, 0, sizeof *m);
    if (!p)
        return false;
    snprintf(m->name, sizeof m->name, "%s", p->name);
    snprintf(m->brand, sizeof m->brand, "%s", p->brand);
    m->family = p->family;
    m->model = p->model;
    m->stepping = p->stepping;
    m->physical_bits = p->physical_bits;
    m->linear_bits = 48;
    m->tsc_hz = UINT64_C(1000000000);
    memcpy(m->perfmon, p->perfmon, sizeof m->perfmon);
    m->perf_capabilities = p->perf_capabilities;
    pmu_settle(m);
    add_profile(m, p);
    return true;
}

/* Features that are parts of another one. */
static const struct { uint8_t feature, needs; } parts[] = {
    { FEAT_XSAVEOPT, FEAT_XSAVE }, { FEAT_XSAVEC, FEAT_XSAVE }, { FEAT_XGETBV1, FEAT_XSAVE },
    { FEAT_XSAVES, FEAT_XSAVEC },  { FEAT_CET_SSS, FEAT_SHSTK },
};

void model_settle_features(struct cpu_model *m)
{
    for (unsigned k = 0; k < ARRAY_SIZE(parts); k++)
        m->features[parts[k].feature] &= m->features[parts[k].needs];
}

bool model_set_feature(struct cpu_model *m, const char *name, bool on)
{
    enum feature f = feature_by_name(name, strlen(name));
    if (f)
        m->features[f] = on;
    return f;
}
