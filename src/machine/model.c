// SPDX-License-Identifier: Apache-2.0
// -cpu NAME[,+f][,-f][,key=on|off]: CPUID features belong to the cpu layer, vmx-* keys to the vmx
// layer.
#include <stdio.h>
#include <string.h>

#include "machine/internal.h"
#include "vmx/capability.h"

enum { SPEC_MAX = 512, KEY_MAX = 64 };

static bool is_vmx_option(const char *s) { return !strncmp(s + strspn(s, "+-"), "vmx-", 4); }

/* Copies the parts of spec that the vmx layer does not own. */
static void without_vmx_options(char *out, const char *spec)
{
    size_t used = 0;
    for (bool first = true; *spec; first = false) {
        size_t n = strcspn(spec, ",");
        if (first || !is_vmx_option(spec))
            used += (size_t)snprintf(out + used, SPEC_MAX - used, "%s%.*s", first ? "" : ",",
                                     (int)n, spec);
        spec += n + (spec[n] == ',');
    }
}

/* "+vmx-ept", "-vmx-ept", "vmx-ept", "vmx-ept=on", "vmx-ept=off" */
static bool apply_vmx_option(struct cpu_model *m, const char *s, size_t n, struct sp_error *e)
{
    char key[KEY_MAX];
    size_t sign = strspn(s, "+-");
    snprintf(key, sizeof key, "%.*s", (int)(n - sign), s + sign);
    bool on = s[0] != '-';
    char *value = strchr(key, '=');
    if (value) {
        *value++ = 0;
        if (strcmp(value, "on") && strcmp(value, "off"))
            return sp_fail(e, SP_EXIT_USAGE, "-cpu: %s must be on or off, not '%s'", key, value);
        on = !strcmp(value, "on");
    }
    if (!vmx_model_option(m, key, on))
        return sp_fail(e, SP_EXIT_USAGE, "-cpu: '%s' is unknown or not possible on %s", key,
                       m->name);
    return true;
}

bool machine_parse_model(struct cpu_model *model, const char *spec, struct sp_error *e)
{
    char plain[SPEC_MAX] = "";
    if (strlen(spec) >= SPEC_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "-cpu: text longer than %d characters", SPEC_MAX - 1);
    without_vmx_options(plain, spec);
    if (!model_parse(model, plain, e))
        return false;
    vmx_model_capabilities(model);
    for (const char *s = strchr(spec, ','); s; s = strchr(s, ',')) {
        s++;
        if (is_vmx_option(s) && !apply_vmx_option(model, s, strcspn(s, ","), e))
            return false;
    }
    return true;
}
