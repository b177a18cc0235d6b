// SPDX-License-Identifier: Apache-2.0
// -cpu NAME[,+F][,-F][,KEY=VALUE]: CPUID features belong to the cpu layer, vmx-* keys to the vmx
// layer; QEMU's names are understood.  vmx-msrs=FILE imports capability MSRs.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "machine/internal.h"
#include "machine/msr_listing.h"
#include "vmx/capability.h"

enum { SPEC_MAX = 1024, KEY_MAX = 64, VALUE_MAX = 512 };

static const struct qemu_model {
    const char *name, *spec;
} qemu_models[] = {
#define MODEL(name, spec) { name, spec },
#define OTHER(name)
#define UNMODELLED(name)
#include "machine/qemu.def"
};
static const char *const other_models[] = {
#define MODEL(name, spec)
#define OTHER(name) name,
#define UNMODELLED(name)
#include "machine/qemu.def"
};
static const char *const unmodelled[] = {
#define MODEL(name, spec)
#define OTHER(name)
#define UNMODELLED(name) name,
#include "machine/qemu.def"
};

/* One part of the text: "+key", "-key", "key" or "key=value". */
struct option {
    char key[KEY_MAX], value[VALUE_MAX];
    bool is_switch, on; /* key=on and key=off are switches, too */
};

static bool split(struct option *o, const char *s, size_t n, struct sp_error *e)
{
    size_t sign = n && (*s == '+' || *s == '-');
    const char *equals = memchr(s, '=', n);
    size_t key = (equals ? (size_t)(equals - s) : n) - sign;
    size_t value = equals ? n - sign - key - 1 : 0;
    if (!key || key >= KEY_MAX || value >= VALUE_MAX || (sign && equals))
        return sp_fail(e, SP_EXIT_USAGE, "-cpu: '%.*s' is not +FEATURE, -FEATURE or KEY=VALUE",
                       (int)n, s);
    snprintf(o->key, sizeof o->key, "%.*s", (int)key, s + sign);
    snprintf(o->value, sizeof o->value, "%.*s", (int)value, equals ? equals + 1 : "");
    o->is_switch = !equals || !strcmp(o->value, "on") || !strcmp(o->value, "off");
    o->on = equals ? !strcmp(o->value, "on") : *s != '-';
    return true;
}

/* ---- what is not modelled ---- */

static bool is_listed(const char *const *names, size_t count, const char *name)
{
    for (size_t k = 0; k < count; k++)
        if (!strcmp(names[k], name))
            return true;
    return false;
}

/* Features of QEMU and of the hypervisors that it can be. */
static bool is_unmodelled(const char *key)
{
    char name[KEY_MAX];
    size_t n = 0;
    for (; key[n]; n++)
        name[n] = key[n] == '_' ? '-' : (char)tolower((unsigned char)key[n]);
    name[n] = 0;
    return !strncmp(name, "kvm", 3) || !strncmp(name, "hv-", 3) || vmx_is_absent(name) ||
           is_listed(unmodelled, ARRAY_SIZE(unmodelled), name);
}

static void note_unmodelled(void *model, const char *key)
{
    struct cpu_model *m = model;
    size_t used = strlen(m->unmodelled);
    snprintf(m->unmodelled + used, sizeof m->unmodelled - used, "%s%s", used ? ", " : "", key);
}

/* ---- options that are not features ---- */

struct property {
    const char *key;
    bool (*apply)(struct cpu_model *m, const char *value); /* NULL: changes nothing here */
};

static bool set_number(uint32_t *member, const char *value, unsigned long least, unsigned long most)
{
    char *end;
    unsigned long v = strtoul(value, &end, 0);
    if (!isdigit((unsigned char)*value) || *end || v < least || v > most)
        return false;
    *member = (uint32_t)v;
    return true;
}

static bool set_vendor(struct cpu_model *m, const char *v) { return !strcmp(v, "GenuineIntel"); }
static bool set_family(struct cpu_model *m, const char *v)
{
    return set_number(&m->family, v, 0, 15 + 0xff);
}
static bool set_model(struct cpu_model *m, const char *v)
{
    return set_number(&m->model, v, 0, 0xff);
}
static bool set_stepping(struct cpu_model *m, const char *v)
{
    return set_number(&m->stepping, v, 0, 15);
}
static bool set_physical_bits(struct cpu_model *m, const char *v)
{
    return set_number(&m->physical_bits, v, 32, 52);
}
static bool set_brand(struct cpu_model *m, const char *v)
{
    return (size_t)snprintf(m->brand, sizeof m->brand, "%s", v) < sizeof m->brand;
}
static bool set_enforce(struct cpu_model *m, const char *v) { return m->enforce = true; }

static const struct property properties[] = {
    { "vendor", set_vendor },
    { "family", set_family },
    { "model", set_model },
    { "stepping", set_stepping },
    { "phys-bits", set_physical_bits },
    { "model-id", set_brand },
    { "enforce", set_enforce },
    { "check", NULL },
    { "migratable", NULL },
    { "host-phys-bits", NULL },
    { "host-phys-bits-limit", NULL },
    { "host-cache-info", NULL },
    { "l3-cache", NULL },
    { "legacy-cache", NULL },
};

static const struct property *find_property(const char *key)
{
    for (size_t k = 0; k < ARRAY_SIZE(properties); k++)
        if (!strcmp(properties[k].key, key))
            return &properties[k];
    return NULL;
}

static bool apply_property(struct cpu_model *m, const struct property *p, const struct option *o,
                           struct sp_error *e)
{
    if (!p->apply || (p->apply == set_enforce && o->is_switch && !o->on) || p->apply(m, o->value))
        return true;
    return sp_fail(e, p->apply == set_vendor ? SP_EXIT_NOT_MODELLED : SP_EXIT_USAGE,
                   "-cpu: %s cannot be '%s'", o->key, o->value);
}

/* ---- the whole text ---- */

static bool apply_feature(struct cpu_model *m, const struct option *o, struct sp_error *e)
{
    const struct property *p = find_property(o->key);
    if (p)
        return apply_property(m, p, o, e);
    if (o->is_switch && model_set_feature(m, o->key, o->on))
        return true;
    if (!o->is_switch || !is_unmodelled(o->key))
        return sp_fail(e, SP_EXIT_USAGE,
                       "-cpu: '%s' is not a processor feature (see silverpool features)", o->key);
    if (o->on)
        note_unmodelled(m, o->key);
    return true;
}

static bool apply_vmx(struct cpu_model *m, const struct option *o, struct sp_error *e)
{
    if (!o->is_switch)
        return sp_fail(e, SP_EXIT_USAGE, "-cpu: %s must be on or off, not '%s'", o->key, o->value);
    if (is_unmodelled(o->key)) {
        if (o->on)
            note_unmodelled(m, o->key);
        return true;
    }
    return vmx_model_option(m, o->key, o->on) ||
           sp_fail(e, SP_EXIT_USAGE, "-cpu: '%s' is unknown or not possible on %s", o->key,
                   m->name);
}

/* vmx-msrs=FILE: the capability MSRs of some processor in place of the profile's. */
static bool import_msrs(struct cpu_model *m, const struct option *o, struct sp_error *e)
{
    struct vmx_listing listing;
    if (!model_has(m, FEAT_VMX))
        return sp_fail(e, SP_EXIT_USAGE, "-cpu: %s: this processor has no VMX", o->key);
    if (!msr_listing_read(&listing, o->value, e))
        return false;
    vmx_model_import(m, &listing, note_unmodelled, m);
    return true;
}

/* Features come first, for they decide which VMX controls there can be; switches come last. */
static const struct pass {
    bool (*apply)(struct cpu_model *m, const struct option *o, struct sp_error *e);
} passes[] = { { apply_feature }, { import_msrs }, { apply_vmx } };

static const struct pass *pass_of(const struct option *o)
{
    return &passes[strncmp(o->key, "vmx-", 4) ? 0 : strcmp(o->key, "vmx-msrs") ? 2 : 1];
}

static bool apply_all(struct cpu_model *m, const char *spec, const struct pass *pass,
                      struct sp_error *e)
{
    struct option o;
    for (const char *s = strchr(spec, ','); s; s = strchr(s, ',')) {
        size_t n = strcspn(++s, ",");
        if (!split(&o, s, n, e) || (pass_of(&o) == pass && !pass->apply(m, &o, e)))
            return false;
    }
    return true;
}

/* QEMU's models come in versions, and in variants that differ in what we do not model:
 * NAME[-noTSX][-IBRS][-vN]. */
static size_t without_variant(const char *name, size_t n)
{
    size_t digits = 0;
    while (digits < n && isdigit((unsigned char)name[n - 1 - digits]))
        digits++;
    if (digits && n > digits + 2 && !strncmp(name + n - digits - 2, "-v", 2))
        n -= digits + 2;
    if (n > 5 && !strncmp(name + n - 5, "-IBRS", 5))
        n -= 5;
    if (n > 6 && !strncmp(name + n - 6, "-noTSX", 6))
        n -= 6;
    return n;
}

/* Writes the text with QEMU's name replaced by what it stands for. */
static bool expand(char *out, const char *spec, struct sp_error *e)
{
    char name[KEY_MAX];
    size_t n = strcspn(spec, ","), room = SPEC_MAX;
    snprintf(name, sizeof name, "%.*s", (int)without_variant(spec, n), spec);
    if (is_listed(other_models, ARRAY_SIZE(other_models), name))
        return sp_fail(e, SP_EXIT_NOT_MODELLED, "-cpu: '%s' is not modelled (see -cpu help)", name);
    size_t used = 0;
    for (size_t k = 0; k < ARRAY_SIZE(qemu_models) && !used; k++)
        if (!strcmp(qemu_models[k].name, name))
            used = (size_t)snprintf(out, room, "%s%s", qemu_models[k].spec, spec + n);
    if (!used)
        used = (size_t)snprintf(out, room, "%s", spec);
    return used < room ||
           sp_fail(e, SP_EXIT_USAGE, "-cpu: text longer than %d characters", SPEC_MAX - 1);
}

bool machine_parse_model(struct cpu_model *model, const char *spec, struct sp_error *e)
{
    char text[SPEC_MAX];
    if (!expand(text, spec, e))
        return false;
    size_t n = strcspn(text, ",");
    if (!model_load(model, text, n))
        return sp_fail(e, SP_EXIT_USAGE, "-cpu: '%.*s' is not a processor profile (see -cpu help)",
                       (int)n, text);
    for (size_t k = 0; k < ARRAY_SIZE(passes); k++) {
        if (!apply_all(model, text, &passes[k], e))
            return false;
        if (passes[k].apply == apply_feature) {
            model_settle_features(model);
            vmx_model_capabilities(model);
        }
    }
    return !model->enforce || !*model->unmodelled ||
           sp_fail(e, SP_EXIT_NOT_MODELLED, "-cpu: enforce: not modelled: %s", model->unmodelled);
}

const char *const *machine_qemu_models(void)
{
    static const char *const names[] = {
#define MODEL(name, spec) name,
#define OTHER(name)
#define UNMODELLED(name)
#include "machine/qemu.def"
        NULL,
    };
    return names;
}
