// SPDX-License-Identifier: Apache-2.0
// The file of a trace while it is written: header, compressed chunks, index.
#ifndef SP_TRACE_FILE_H
#define SP_TRACE_FILE_H

#include <stddef.h>

#include "trace/format.h"

/* Bytes that grow.  `failed` stays when memory ran out. */
struct trace_stream {
    uint8_t *bytes;
    size_t used, room;
    bool failed;
};
/* Makes room for n more bytes. */
bool trace_stream_grow(struct trace_stream *s, size_t n);
static inline bool trace_stream_reserve(struct trace_stream *s, size_t n)
{
    return s->room - s->used >= n || trace_stream_grow(s, n);
}
void trace_stream_put(struct trace_stream *s, const void *bytes, size_t n);

struct trace_file;

struct trace_file *trace_file_create(const char *path, const struct trace_header *h,
                                     struct sp_error *e);
/* Writes a chunk: `c` has its times and counts, the rest is filled in.  Failures stay until the file is
 * closed. */
void trace_file_chunk(struct trace_file *f, const struct trace_stream streams[STREAMS],
                      const struct trace_chunk *c);
/* Copies a chunk as it stands in another file, header and all, for a slice: `bytes` are its
 * c->bytes bytes. */
void trace_file_copy(struct trace_file *f, const uint8_t *bytes, const struct trace_chunk *c);
/* Index and trailer; false and *e if anything was not written. */
bool trace_file_close(struct trace_file *f, struct sp_error *e);

/* Turns a stretch of a log into streams (encode.c). */
struct trace_encoder;
struct trace_log;
struct trace_encoder *trace_encoder_create(struct trace_file *f);
void trace_encoder_free(struct trace_encoder *e);
/* The next stretch, and whether the chunk ends with it. */
void trace_encode(struct trace_encoder *e, const uint64_t *from, const uint64_t *to,
                  bool ends_chunk);

/* Little-endian values at any address. */
static inline void trace_put_le(uint8_t *p, unsigned n, uint64_t v)
{
    for (unsigned k = 0; k < n; k++)
        p[k] = (uint8_t)(v >> (8 * k));
}
static inline uint64_t trace_get_le(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned k = 0; k < n; k++)
        v |= (uint64_t)p[k] << (8 * k);
    return v;
}

#endif
