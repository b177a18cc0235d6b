// SPDX-License-Identifier: Apache-2.0
#include "cli/values.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The number at the start of text; *rest is what follows it. */
static bool leading_number(const char *text, uint64_t *out, char **rest)
{
    errno = 0;
    *out = isdigit((unsigned char)*text) ? strtoull(text, rest, 0) : 0;
    return isdigit((unsigned char)*text) && !errno;
}

bool value_number(const char *text, uint64_t most, uint64_t *out)
{
    char *rest;
    return leading_number(text, out, &rest) && !*rest && *out <= most;
}

static bool scaled(const char *text, uint64_t unit, uint64_t without, uint64_t *out)
{
    static const char suffixes[] = "KMGT";
    char *rest;
    uint64_t scale = without;
    if (!leading_number(text, out, &rest))
        return false;
    if (*rest) {
        const char *s = strchr(suffixes, toupper((unsigned char)*rest));
        if (!s || rest[1])
            return false;
        for (scale = unit; s > suffixes; s--)
            scale *= unit;
    }
    return !__builtin_mul_overflow(*out, scale, out);
}

bool value_size(const char *text, uint64_t *out) { return scaled(text, 1024, 1 << 20, out); }
bool value_count(const char *text, uint64_t *out) { return scaled(text, 1000, 1, out); }

static bool one_key(const char *text, size_t n, const struct value_key *keys, size_t count)
{
    char number[32];
    for (size_t k = 0; k < count; k++) {
        size_t name = strlen(keys[k].name);
        if (n <= name || strncmp(text, keys[k].name, name) || text[name] != '=' ||
            n - name > sizeof number)
            continue;
        memcpy(number, text + name + 1, n - name - 1);
        number[n - name - 1] = 0;
        return value_number(number, keys[k].most, keys[k].out);
    }
    return false;
}

bool value_keys(const char *what, const char *text, const struct value_key *keys, size_t count,
                struct sp_error *e)
{
    while (*text) {
        size_t n = strcspn(text, ",");
        if (!one_key(text, n, keys, count))
            return sp_fail(e, SP_EXIT_USAGE, "%s: bad setting \"%.*s\"", what, (int)n, text);
        text += n + (text[n] == ',');
    }
    return true;
}
