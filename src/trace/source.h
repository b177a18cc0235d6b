// SPDX-License-Identifier: Apache-2.0
// The bytes of a trace that is read, and the parts that its ends are made of.
#ifndef SP_TRACE_SOURCE_H
#define SP_TRACE_SOURCE_H

#include <stdio.h>

#include "trace/file.h"

struct trace_source {
    FILE *in;                    /* or: */
    const uint8_t *memory;
    uint64_t size;
    char *name;
    /* What the header says; strings and tables belong to the source. */
    struct trace_header header;
    int kind[256];               /* number of an event in the file to enum trace_kind             */
    unsigned kinds, fields[256];
    struct trace_chunk *chunks;
    unsigned chunks_n;
    char *truncated;
};

/* Reads n bytes at `offset`; false and *e if they are not there. */
bool trace_source_read(struct trace_source *s, uint64_t offset, void *to, size_t n,
                       struct sp_error *e);
/* Header, then index or, without one, the chunks themselves. */
bool trace_source_open(struct trace_source *s, struct sp_error *e);
/* Reads and checks the header of a chunk: the sizes of its streams; *packed_size the bytes that
 * follow, *size the bytes that they unpack to, *check their XXH64. */
bool trace_source_chunk(struct trace_source *s, const struct trace_chunk *c,
                        uint32_t streams[STREAMS], uint32_t *packed_size, uint32_t *size,
                        uint64_t *check, struct sp_error *e);
void trace_source_close(struct trace_source *s);

/* "FILE: offset N: what"; returns false. */
bool trace_bad(const struct trace_source *s, struct sp_error *e, uint64_t offset, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

#endif
