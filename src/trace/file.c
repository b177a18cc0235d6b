// SPDX-License-Identifier: Apache-2.0
#include "trace/file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

enum { LEVEL = -3 };

struct trace_file {
    FILE *out;
    char *path;
    int error;                       /* errno of the first failure, 0: none                       */
    uint64_t offset, running;
    struct trace_chunk *chunks;
    size_t chunks_n, chunks_room;
    struct trace_stream whole, packed;
    ZSTD_CCtx *context;
};

/* ---- streams ---- */

bool trace_stream_grow(struct trace_stream *s, size_t n)
{
    size_t room = 2 * s->room + n + 4096;
    uint8_t *more = s->failed ? NULL : realloc(s->bytes, room);
    if (!more) {
        s->failed = true;
        return false;
    }
    s->bytes = more;
    s->room = room;
    return true;
}

void trace_stream_put(struct trace_stream *s, const void *bytes, size_t n)
{
    if (!n || !trace_stream_reserve(s, n))
        return;
    memcpy(s->bytes + s->used, bytes, n);
    s->used += n;
}

/* ---- header ---- */

static json_t *hex(uint64_t v)
{
    return json_sprintf("0x%" PRIx64, v);
}

static json_t *registers_json(const struct trace_header *h)
{
    static const struct trace_register_row ia32[] = {
#define REGISTER(NAME, name, bits) { #name, bits },
#include "trace/registers.def"
#undef REGISTER
    };
    const struct trace_register_row *rows = h->registers_n ? h->registers : ia32;
    unsigned n = h->registers_n ? h->registers_n : TRACE_REGISTERS_IA32;
    json_t *list = json_array();
    for (unsigned k = 0; k < n; k++)
        json_array_append_new(list, json_pack("[s,i]", rows[k].name, (int)rows[k].bits));
    return list;
}

static json_t *events_json(void)
{
    json_t *list = json_array();
    for (unsigned k = 0; k < TRACE_KINDS; k++) {
        json_t *fields = json_array();
        for (unsigned j = 0; j < trace_kinds[k].fields; j++)
            json_array_append_new(fields, json_string(trace_kinds[k].field[j]));
        json_array_append_new(list, json_pack("[s,o]", trace_kinds[k].name, fields));
    }
    return list;
}

static json_t *classes_json(uint32_t mask)
{
    json_t *list = json_array();
    for (unsigned k = 0; k < TRACE_CLASSES; k++)
        if (mask >> k & 1)
            json_array_append_new(list, json_string(trace_class_name(k)));
    return list;
}

/* NULL when memory runs out or a string is not UTF-8. */
static char *header_text(const struct trace_header *h)
{
    json_t *j = json_pack(
        "{s:s, s:s, s:o, s:i, s:i, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o}",
        "program", h->program ? h->program : "", "arch", h->arch == TRACE_IPF ? "ipf" : "ia32",
        "classes", classes_json(h->classes), "cpus", (int)h->cpus,
        "tlb_slots", h->tlb_slots ? (int)h->tlb_slots : 1, "seed", hex(h->seed),
        "image_hash", hex(h->image_hash), "profile", h->profile ? h->profile : "",
        "options", h->options ? h->options : "", "filter", h->filter ? h->filter : "",
        "first", hex(h->first), "last", hex(h->last), "registers", registers_json(h),
        "events", events_json());
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

static void write_all(struct trace_file *f, const void *bytes, size_t n)
{
    if (!f->error && n && fwrite(bytes, 1, n, f->out) != n)
        f->error = errno ? errno : EIO;
    f->offset += n;
}

static void write_header(struct trace_file *f, const char *text)
{
    uint8_t head[24] = TRACE_MAGIC;
    size_t n = strlen(text);
    XXH64_state_t *hash = XXH64_createState();
    trace_put_le(head + 8, 4, TRACE_VERSION);
    trace_put_le(head + 12, 4, n);
    XXH64_reset(hash, 0);
    XXH64_update(hash, head, 16);
    XXH64_update(hash, text, n);
    trace_put_le(head + 16, 8, XXH64_digest(hash));
    XXH64_freeState(hash);
    write_all(f, head, sizeof head);
    write_all(f, text, n);
}

struct trace_file *trace_file_create(const char *path, const struct trace_header *h,
                                     struct sp_error *e)
{
    struct trace_file *f = calloc(1, sizeof *f);
    char *text = header_text(h);
    FILE *out = f && text ? fopen(path, "wb") : NULL;
    if (!out) {
        sp_fail(e, SP_EXIT_USAGE, "%s: cannot be written: %s", path,
                f && text ? strerror(errno) : "out of memory, or a name in it is not UTF-8");
        free(f);
        free(text);
        return NULL;
    }
    f->out = out;
    f->path = strdup(path);
    f->context = ZSTD_createCCtx();
    write_header(f, text);
    free(text);
    return f;
}

/* ---- chunks ---- */

static void remember(struct trace_file *f, const struct trace_chunk *c)
{
    if (f->chunks_n == f->chunks_room) {
        size_t room = 2 * f->chunks_room + 64;
        struct trace_chunk *more = realloc(f->chunks, room * sizeof *more);
        if (!more) {
            f->error = ENOMEM;
            return;
        }
        f->chunks = more;
        f->chunks_room = room;
    }
    f->chunks[f->chunks_n++] = *c;
}

static uint64_t chain(uint64_t running, uint64_t hash)
{
    uint8_t both[16];
    trace_put_le(both, 8, running);
    trace_put_le(both + 8, 8, hash);
    return XXH64(both, sizeof both, 0);
}

/* All streams in a row, compressed; false: no memory. */
static bool pack(struct trace_file *f, const struct trace_stream s[STREAMS])
{
    f->whole.used = f->packed.used = 0;
    for (unsigned k = 0; k < STREAMS; k++) {
        trace_stream_put(&f->whole, s[k].bytes, s[k].used);
        if (s[k].failed)
            return false;
    }
    if (f->whole.failed || !trace_stream_reserve(&f->packed, ZSTD_compressBound(f->whole.used)))
        return false;
    size_t n = ZSTD_compressCCtx(f->context, f->packed.bytes, f->packed.room, f->whole.bytes,
                                 f->whole.used, LEVEL);
    f->packed.used = ZSTD_isError(n) ? 0 : n;
    return !ZSTD_isError(n);
}

void trace_file_chunk(struct trace_file *f, const struct trace_stream streams[STREAMS],
                      const struct trace_chunk *about)
{
    struct trace_chunk c = *about;
    uint8_t head[TRACE_CHUNK_HEADER] = TRACE_CHUNK_MAGIC;
    if (!pack(f, streams)) {
        f->error = f->error ? f->error : ENOMEM;
        return;
    }
    c.offset = f->offset;
    c.bytes = TRACE_CHUNK_HEADER + f->packed.used;
    c.hash = XXH64(f->whole.bytes, f->whole.used, 0);
    c.running = f->running = chain(f->running, c.hash);
    trace_put_le(head + 8, 4, f->packed.used);
    trace_put_le(head + 12, 4, f->whole.used);
    for (unsigned k = 0; k < STREAMS; k++)
        trace_put_le(head + 16 + 4 * k, 4, streams[k].used);
    const uint64_t words[] = { c.first_time, c.last_time, c.instructions, c.events, c.hash,
                               c.running, XXH64(f->packed.bytes, f->packed.used, 0) };
    for (unsigned k = 0; k < sizeof words / 8; k++)
        trace_put_le(head + 40 + 8 * k, 8, words[k]);
    trace_put_le(head + 104, 8, XXH64(head, 104, 0));
    write_all(f, head, sizeof head);
    write_all(f, f->packed.bytes, f->packed.used);
    remember(f, &c);
}

void trace_file_copy(struct trace_file *f, const uint8_t *bytes, const struct trace_chunk *from)
{
    struct trace_chunk c = *from;
    uint8_t head[TRACE_CHUNK_HEADER];
    memcpy(head, bytes, sizeof head);
    c.offset = f->offset;
    c.running = f->running = chain(f->running, c.hash);
    trace_put_le(head + 80, 8, c.running);
    trace_put_le(head + 104, 8, XXH64(head, 104, 0));
    write_all(f, head, sizeof head);
    write_all(f, bytes + sizeof head, c.bytes - sizeof head);
    remember(f, &c);
}

/* ---- index ---- */

static void write_index(struct trace_file *f)
{
    uint64_t at = f->offset;
    uint8_t head[16] = TRACE_INDEX_MAGIC, entry[TRACE_INDEX_ENTRY], trailer[TRACE_TRAILER];
    XXH64_state_t *hash = XXH64_createState();
    XXH64_reset(hash, 0);
    trace_put_le(head + 8, 8, f->chunks_n);
    XXH64_update(hash, head, sizeof head);
    write_all(f, head, sizeof head);
    for (size_t k = 0; k < f->chunks_n; k++) {
        const struct trace_chunk *c = &f->chunks[k];
        const uint64_t words[8] = { c->offset, c->bytes, c->first_time, c->last_time,
                                    c->instructions, c->events, c->hash, c->running };
        for (unsigned j = 0; j < 8; j++)
            trace_put_le(entry + 8 * j, 8, words[j]);
        XXH64_update(hash, entry, sizeof entry);
        write_all(f, entry, sizeof entry);
    }
    trace_put_le(trailer, 8, at);
    trace_put_le(trailer + 8, 8, XXH64_digest(hash));
    trace_put_le(trailer + 16, 8, XXH64(trailer, 16, 0));
    memcpy(trailer + 24, TRACE_TRAILER_MAGIC, 8);
    XXH64_freeState(hash);
    write_all(f, trailer, sizeof trailer);
}

bool trace_file_close(struct trace_file *f, struct sp_error *e)
{
    write_index(f);
    if (fclose(f->out) && !f->error)
        f->error = errno;
    bool ok = !f->error || sp_fail(e, SP_EXIT_USAGE, "%s: cannot be written: %s", f->path,
                                   strerror(f->error));
    ZSTD_freeCCtx(f->context);
    free(f->whole.bytes);
    free(f->packed.bytes);
    free(f->chunks);
    free(f->path);
    free(f);
    return ok;
}
