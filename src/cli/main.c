// SPDX-License-Identifier: Apache-2.0
// The `silverpool` program: finds the verb.
#include <string.h>

#include "base/bits.h"
#include "cli/session.h"

static const struct { const char *name; int (*run)(int argc, char **argv, int first); } verbs[] = {
    { "run", cli_run },
    { "features", cli_features },
    { "explain", cli_explain },
    { "disasm", cli_disasm },
    { "trace", cli_trace },
    { "conform", cli_conform },
};

int main(int argc, char **argv)
{
    struct sp_error e;
    if (argc < 2 || argv[1][0] == '-')
        return cli_run(argc, argv, 1);
    for (size_t k = 0; k < ARRAY_SIZE(verbs); k++)
        if (!strcmp(argv[1], verbs[k].name))
            return verbs[k].run(argc, argv, 2);
    sp_fail(&e, SP_EXIT_USAGE,
            "%s: neither a verb (run, features, explain, disasm, trace, conform) nor an option "
            "(--help)",
            argv[1]);
    return cli_fail(&e);
}
