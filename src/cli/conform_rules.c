// SPDX-License-Identifier: Apache-2.0
// The rules that conformance cases show.
#include <string.h>

#include "base/bits.h"
#include "cli/conform.h"

static const struct conform_rule rules[] = {
#define RULE(id, title, sentence) { id, title, sentence },
#include "conformance/rules.def"
#undef RULE
};

const struct conform_rule *conform_rule(const char *name)
{
    size_t n = strcspn(name, "/");
    for (size_t k = 0; k < ARRAY_SIZE(rules); k++)
        if (!strncmp(rules[k].id, name, n) && !rules[k].id[n])
            return &rules[k];
    return NULL;
}

size_t conform_area_length(const char *name) { return strcspn(name, "./"); }
