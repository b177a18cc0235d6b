// SPDX-License-Identifier: Apache-2.0
// --trace-filter: KEY=VALUE,...; what it lets pass satisfies all of them.
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"
#include "cli/values.h"
#include "trace/filter.h"

enum { WORD_MAX = 256 };

/* A number or a symbol of the kernel. */
static bool address_of(const struct session *s, const char *text, uint64_t *v)
{
    return value_number(text, UINT64_MAX, v) || symbols_address(s->symbols, text, v);
}

/* A-B, A-, -B or A; `until`: B is not included. */
static bool range_of(const struct session *s, char *text, bool counts, uint64_t *low,
                     uint64_t *high)
{
    char *dash = strchr(text, '-');
    if (!dash && counts)
        return false;
    if (dash)
        *dash++ = '\0';
    const char *ends[2] = { text, dash ? dash : text };
    uint64_t *to[2] = { low, high };
    for (unsigned k = 0; k < 2; k++)
        if (*ends[k] && !(counts ? value_count(ends[k], to[k]) : address_of(s, ends[k], to[k])))
            return false;
    return *low <= *high;
}

/* One number after the other, joined by +, each below n, to bits. */
static bool bits_of(char *text, unsigned n, uint64_t *mask)
{
    uint64_t v;
    *mask = 0;
    for (char *word = strtok(text, "+"); word; word = strtok(NULL, "+")) {
        if (!value_number(word, n - 1, &v))
            return false;
        *mask |= UINT64_C(1) << v;
    }
    return *mask;
}

static bool worlds_of(const char *text, uint8_t *mask)
{
    static const char *const names[] = { [TRACE_NO_VMX] = "none", [TRACE_ROOT] = "root",
                                         [TRACE_NONROOT] = "non-root" };
    for (unsigned k = 0; k <= TRACE_NONROOT; k++)
        if (!strcmp(text, names[k])) {
            *mask = (uint8_t)(1u << k);
            return true;
        }
    return false;
}

static bool trigger_of(const struct session *s, const char *text, struct trace_trigger *t)
{
    t->any = true;
    if (!strcmp(text, "magic")) {
        t->magic = true;
        return true;
    }
    for (unsigned k = 1; k < TRACE_KINDS; k++)
        if (!strcmp(text, trace_kinds[k].name)) {
            t->kinds |= 1u << k;
            return true;
        }
    t->has_address = true;
    return address_of(s, text, &t->address);
}

static bool one(const struct session *s, struct trace_filter *f, const char *key, char *value)
{
    uint64_t mask;
    if (!strcmp(key, "time"))
        return range_of(s, value, true, &f->from, &f->until);
    if (!strcmp(key, "address"))
        return range_of(s, value, false, &f->low, &f->high);
    if (!strcmp(key, "cpu"))
        return bits_of(value, 64, &f->cpus);
    if (!strcmp(key, "cpl")) {
        bool ok = bits_of(value, 4, &mask);
        f->levels = (uint8_t)mask;
        return ok;
    }
    if (!strcmp(key, "operation"))
        return worlds_of(value, &f->worlds);
    if (!strcmp(key, "vmcs"))
        return f->has_vmcs = value_number(value, UINT64_MAX, &f->vmcs);
    if (!strcmp(key, "start"))
        return trigger_of(s, value, &f->start);
    return !strcmp(key, "stop") && trigger_of(s, value, &f->stop);
}

bool session_filter(const struct session *s, struct trace_filter *f, struct sp_error *e)
{
    const char *text = s->options->trace_filter;
    *f = trace_filter_all();
    while (*text) {
        char word[WORD_MAX];
        size_t n = strcspn(text, ",");
        snprintf(word, sizeof word, "%.*s", (int)n, text);
        char *value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        if (!value || n >= sizeof word || !one(s, f, word, value))
            return sp_fail(e, SP_EXIT_USAGE,
                           "--trace-filter %.*s: expected time=A-B, address=A[-B], cpl=N[+N], "
                           "cpu=N[+N], operation=root|non-root|none, vmcs=A, start=X or stop=X, "
                           "X a symbol, an address, an event or \"magic\"", (int)n, text);
        text += n + (text[n] == ',');
    }
    f->on = !f->start.any;
    return true;
}
