// SPDX-License-Identifier: Apache-2.0
// One chunk while it is read: its streams, and the blocks that it has described so far.
#ifndef SP_TRACE_DECODE_H
#define SP_TRACE_DECODE_H

#include "trace/replay.h"
#include "trace/source.h"

struct trace_cursor { const uint8_t *at, *end; };

/* A chunk's streams.  `fault` is set by the first read beyond an end or value that cannot be; from
 * then on everything reads as 0. */
struct trace_streams {
    uint8_t *bytes;
    struct trace_cursor s[STREAMS];
    const char *fault;
};

/* Unpacks a chunk; false and *e. */
bool trace_streams_load(struct trace_streams *s, struct trace_source *source,
                        const struct trace_chunk *c, struct sp_error *e);
void trace_streams_free(struct trace_streams *s);

uint8_t trace_take_byte(struct trace_streams *s, unsigned stream);
uint64_t trace_take_number(struct trace_streams *s, unsigned stream);
uint64_t trace_take_signed(struct trace_streams *s, unsigned stream);
void trace_take_bytes(struct trace_streams *s, unsigned stream, void *to, size_t n);
bool trace_at_end(const struct trace_streams *s, unsigned stream);

/* The next block of STREAM_CODE; NULL with s->fault. */
struct trace_code *trace_take_code(struct trace_streams *s, uint64_t *physical);
/* A load, by what the block has loaded there before. */
void trace_take_load(struct trace_streams *s, struct trace_code *code, unsigned insn,
                     uint64_t value[2]);

#endif
