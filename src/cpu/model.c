// SPDX-License-Identifier: Apache-2.0
// Processor profiles and the -cpu syntax NAME[,+f][,-f][,f=on|off].
#include "cpu/model.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct profile {
    const char *name, *brand;
    uint32_t family, model, stepping, physical_bits;
    const char *adds;
};
static const struct profile profiles[] = {
#define PROFILE(name, brand, family, model, stepping, physical_bits, adds) \
    { name, brand, family, model, stepping, physical_bits, adds },
#include "cpu/profiles.def"
};

static const char *const feature_names[] = {
    "",
#define FEATURE(name, leaf, subleaf, reg, bit) #name,
#include "cpu/features.def"
};

/* A feature by its name in any case; FEAT_NONE if there is none. */
static enum feature feature_by_name(const char *name, size_t n)
{
    for (unsigned f = 1; f < FEATURE_COUNT; f++)
        if (strlen(feature_names[f]) == n && !strncasecmp(feature_names[f], name, n))
            return (enum feature)f;
    return FEAT_NONE;
}

const char *const *model_names(void)
{
    static const char *const names[] = {
#define PROFILE(name, brand, family, model, stepping, physical_bits, adds) name,
#include "cpu/profiles.def"
        NULL
    };
    return names;
}

static void add_features(struct cpu_model *m, const char *list)
{
    while (*list) {
        size_t n = strcspn(list, " ");
        m->features[feature_by_name(list, n)] = 1;
        list += n + strspn(list + n, " ");
    }
    m->features[FEAT_NONE] = 0;
}

static bool load_profile(struct cpu_model *m, const char *name, size_t n)
{
    memset(m, 0, sizeof *m);
    for (size_t k = 0; k < ARRAY_SIZE(profiles); k++) {
        const struct profile *p = &profiles[k];
        add_features(m, p->adds);
        if (strlen(p->name) != n || strncmp(p->name, name, n))
            continue;
        snprintf(m->name, sizeof m->name, "%s", p->name);
        snprintf(m->brand, sizeof m->brand, "%s", p->brand);
        m->family = p->family;
        m->model = p->model;
        m->stepping = p->stepping;
        m->physical_bits = p->physical_bits;
        m->linear_bits = 48;
        m->tsc_hz = UINT64_C(1000000000);
        return true;
    }
    return false;
}

/* One option: +f, -f, f, f=on, f=off. */
static bool apply_option(struct cpu_model *m, const char *s, size_t n, struct sp_error *e)
{
    const char *name = s;
    size_t length = n;
    bool on = true, valid = true;
    if (n && (*s == '+' || *s == '-')) {
        on = *s == '+';
        name++;
        length--;
    } else {
        const char *equals = memchr(s, '=', n);
        if (equals) {
            size_t v = n - (size_t)(equals - s) - 1;
            length = (size_t)(equals - s);
            on = v == 2 && !strncmp(equals + 1, "on", 2);
            valid = on || (v == 3 && !strncmp(equals + 1, "off", 3));
        }
    }
    enum feature f = feature_by_name(name, length);
    if (!f || !valid)
        return sp_fail(e, SP_EXIT_USAGE, "-cpu: '%.*s' is not a processor feature (see -cpu help)",
                       (int)n, s);
    m->features[f] = on;
    return true;
}

bool model_parse(struct cpu_model *m, const char *spec, struct sp_error *e)
{
    size_t n = strcspn(spec, ",");
    if (!load_profile(m, spec, n))
        return sp_fail(e, SP_EXIT_USAGE, "-cpu: '%.*s' is not a processor profile (see -cpu help)",
                       (int)n, spec);
    for (spec += n; *spec; spec += n) {
        n = strcspn(++spec, ",");
        if (!apply_option(m, spec, n, e))
            return false;
    }
    return true;
}
