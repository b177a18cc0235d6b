// SPDX-License-Identifier: Apache-2.0
#include "debug/trace_convert.h"

#include <string.h>

#include "base/bits.h"

static const struct trace_format *const formats[] = {
    &trace_ctf, &trace_perfetto, &trace_folded, &trace_champsim, &trace_drmemtrace,
};

const struct trace_format *trace_format_find(const char *name)
{
    for (size_t k = 0; k < ARRAY_SIZE(formats); k++)
        if (!strcmp(name, formats[k]->name))
            return formats[k];
    return NULL;
}
