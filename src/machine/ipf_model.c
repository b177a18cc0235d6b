// SPDX-License-Identifier: Apache-2.0
#include "machine/ipf_model.h"

#include <stdlib.h>
#include <string.h>

#include "ipf/cpu.h"

enum { VA_MSB_MIN = 50, VA_MSB_MAX = 60 };

static bool is(const char *word, size_t n, const char *name)
{
    return n == strlen(name) && !strncmp(word, name, n);
}

static bool set_va_msb(struct ipf_model *m, const char *number, size_t n)
{
    char *end;
    unsigned long value = strtoul(number, &end, 10);
    m->va_msb = (unsigned)value;
    return n && end == number + n && *number >= '0' && *number <= '9' && value >= VA_MSB_MIN &&
           value <= VA_MSB_MAX;
}

static bool set(struct ipf_model *m, const char *word, size_t n)
{
    static const char va_msb[] = "impl-va-msb=";
    bool on = *word == '+', is_feature = on || *word == '-';
    if (is_feature && is(word + 1, n - 1, "vti"))
        m->vti = on;
    else if (is_feature && is(word + 1, n - 1, "vmsw"))
        m->vmsw = on;
    else if (n >= strlen(va_msb) && !strncmp(word, va_msb, strlen(va_msb)))
        return set_va_msb(m, word + strlen(va_msb), n - strlen(va_msb));
    else
        return false;
    return true;
}

bool ipf_model_parse(struct ipf_model *model, const char *text, struct sp_error *e)
{
    const char *word = text;
    size_t n = strcspn(word, ",");
    *model = (struct ipf_model){ .vti = true, .vmsw = true, .va_msb = VA_MSB_MAX };
    if (!is(word, n, IPF_MODEL_NAME) && !is(word, n, "max"))
        return sp_fail(e, SP_EXIT_USAGE, "-cpu %s: an Itanium machine has " IPF_MODEL_NAME, text);
    while (word[n]) {
        word += n + 1;
        n = strcspn(word, ",");
        if (!set(model, word, n))
            return sp_fail(e, SP_EXIT_USAGE,
                           "-cpu %s: %.*s: expected +vti, -vti, +vmsw, -vmsw or impl-va-msb=50 "
                           "to 60",
                           text, (int)n, word);
    }
    return true;
}

/* There is no vmsw without virtual machines. */
void ipf_model_apply(struct ipf_cpu *c, const struct ipf_model *model)
{
    c->vti.implemented = model->vti;
    c->vti.vmsw_implemented = model->vti && model->vmsw;
    ipf_vti_enable(c, true, true);
    c->va_msb = model->va_msb;
}
