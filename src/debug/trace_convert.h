// SPDX-License-Identifier: Apache-2.0
// Traces in the formats of other tools.  A converter gets every event in order.
#ifndef SP_DEBUG_TRACE_CONVERT_H
#define SP_DEBUG_TRACE_CONVERT_H

#include <stdio.h>

#include "debug/trace_text.h"

struct trace_converter {
    const struct trace_text *text;
    const char *name; /* of the trace, for titles */
    const char *path; /* where it goes: a file, for CTF a folder that does not exist */
    FILE *out;        /* the file; NULL for CTF */
    int cpu;          /* formats of one processor: which; -1: the first that shows */
    void *state;      /* the format's own */
};

struct trace_format {
    const char *name;
    bool folder; /* writes a folder: `out` is NULL */
    bool one_cpu;
    /* False and *e: the host has no memory, or a file cannot be made. */
    bool (*begin)(struct trace_converter *c, struct sp_error *e);
    bool (*event)(struct trace_converter *c, const struct trace_event *event, struct sp_error *e);
    bool (*end)(struct trace_converter *c, struct sp_error *e);
    void (*free)(struct trace_converter *c); /* c->state, which may be NULL */
};

extern const struct trace_format
    trace_ctf,        /* CTF 1.8: VM entries and exits under KVM's names, all but instructions */
    trace_perfetto,   /* Perfetto's protobuf: a track for each processor and each VMCS */
    trace_folded,     /* "a;b;c N": stacks of functions, for flame graphs */
    trace_champsim,   /* 64-byte records of instructions */
    trace_drmemtrace, /* DynamoRIO's memory traces, version 5, of one thread */
    trace_html;       /* a page with a timeline */

/* NULL: there is no format of this name. */
const struct trace_format *trace_format_find(const char *name);

#endif
