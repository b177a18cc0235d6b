// SPDX-License-Identifier: Apache-2.0
// The file of a saved machine.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "machine/saved.h"

enum { BUFFER = 1 << 16, HEADER = 16, TRAILER = 24, LEVEL = 3 };
static const char magic[8] = "SILVPOOL";

struct saved_file {
    struct saved_stream stream;
    char *name, *part;                /* `part` takes the bytes of a new file                     */
    FILE *file;
    XXH64_state_t *hash;
    ZSTD_CCtx *pack;                  /* saving                                                   */
    ZSTD_DCtx *unpack;                /* loading                                                  */
    uint64_t packed;                  /* bytes of the frame: written, or left to be read          */
    uint64_t plain;                   /* bytes of the state by the trailer                        */
    bool ended;
    size_t at, used;                  /* of `state`                                               */
    ZSTD_inBuffer frame;              /* of `raw`, loading                                        */
    uint8_t state[BUFFER], raw[BUFFER];
};

static void put(uint8_t *at, unsigned n, uint64_t v)
{
    for (unsigned k = 0; k < n; k++)
        at[k] = (uint8_t)(v >> 8 * k);
}

static uint64_t get(const uint8_t *at, unsigned n)
{
    uint64_t v = 0;
    for (unsigned k = 0; k < n; k++)
        v |= (uint64_t)at[k] << 8 * k;
    return v;
}

static bool fail_at(struct saved_file *f, uint64_t offset, const char *what)
{
    f->stream.failed = true;
    return sp_fail(f->stream.error, SP_EXIT_BAD_IMAGE, "%s: offset %llu: %s", f->name,
                   (unsigned long long)offset, what);
}

/* ---- saving ---- */

static bool fail_to_write(struct saved_file *f)
{
    f->stream.failed = true;
    return sp_fail(f->stream.error, SP_EXIT_USAGE, "%s: %s", f->name,
                   errno ? strerror(errno) : "cannot be written");
}

static bool write_raw(struct saved_file *f, const void *bytes, size_t n)
{
    errno = 0;
    XXH64_update(f->hash, bytes, n);
    return fwrite(bytes, 1, n, f->file) == n || fail_to_write(f);
}

static bool compress(struct saved_file *f, ZSTD_EndDirective how)
{
    ZSTD_inBuffer in = { f->state, f->used, 0 };
    size_t left;
    do {
        ZSTD_outBuffer out = { f->raw, sizeof f->raw, 0 };
        left = ZSTD_compressStream2(f->pack, &out, &in, how);
        if (ZSTD_isError(left))
            return fail_to_write(f);
        if (!write_raw(f, f->raw, out.pos))
            return false;
        f->packed += out.pos;
    } while (how == ZSTD_e_end ? left : in.pos < in.size);
    f->used = 0;
    return true;
}

static bool save(struct saved_stream *s, void *bytes, size_t n)
{
    struct saved_file *f = (struct saved_file *)s;
    for (const uint8_t *from = bytes; n;) {
        size_t k = BUFFER - f->used < n ? BUFFER - f->used : n;
        memcpy(f->state + f->used, from, k);
        f->used += k;
        from += k, n -= k;
        if (f->used == BUFFER && !compress(f, ZSTD_e_continue))
            return false;
    }
    return true;
}

static bool end_saving(struct saved_file *f)
{
    uint8_t trailer[TRAILER];
    if (f->stream.failed || !compress(f, ZSTD_e_end))
        return false;
    put(trailer, 8, f->packed);
    put(trailer + 8, 8, f->stream.offset);
    if (!write_raw(f, trailer, 16))
        return false;
    put(trailer + 16, 8, XXH64_digest(f->hash));
    if (!write_raw(f, trailer + 16, 8))
        return false;
    FILE *file = f->file;
    f->file = NULL;
    errno = 0;
    f->ended = !fclose(file) && !rename(f->part, f->name);
    return f->ended || fail_to_write(f);
}

/* ---- loading ---- */

static bool fill_raw(struct saved_file *f)
{
    size_t n = f->packed < BUFFER ? f->packed : BUFFER;
    if (n && fread(f->raw, 1, n, f->file) != n)
        return fail_at(f, (uint64_t)ftello(f->file), "the file cannot be read");
    f->packed -= n;
    f->frame = (ZSTD_inBuffer){ f->raw, n, 0 };
    return true;
}

static bool decompress(struct saved_file *f)
{
    ZSTD_outBuffer out = { f->state, BUFFER, 0 };
    while (!out.pos) {
        if (f->frame.pos == f->frame.size && !fill_raw(f))
            return false;
        size_t before = f->frame.pos;
        if (ZSTD_isError(ZSTD_decompressStream(f->unpack, &out, &f->frame)))
            return fail_at(f, (uint64_t)ftello(f->file) - f->frame.size + before,
                           "the compressed state is damaged");
        if (!out.pos && f->frame.pos == f->frame.size && !f->packed)
            return fail_at(f, (uint64_t)ftello(f->file), "the state ends too early");
    }
    f->at = 0;
    f->used = out.pos;
    return true;
}

static bool load(struct saved_stream *s, void *bytes, size_t n)
{
    struct saved_file *f = (struct saved_file *)s;
    for (uint8_t *to = bytes; n;) {
        if (f->at == f->used && !decompress(f))
            return false;
        size_t k = f->used - f->at < n ? f->used - f->at : n;
        memcpy(to, f->state + f->at, k);
        f->at += k;
        to += k, n -= k;
    }
    return true;
}

static bool end_loading(struct saved_file *f)
{
    return !f->stream.failed && ((f->at == f->used && f->stream.offset == f->plain) ||
                                 saved_fail(&f->stream, "more follows than a machine has"));
}

static bool check_header(struct saved_file *f, uint32_t layout)
{
    uint8_t header[HEADER];
    if (fread(header, 1, HEADER, f->file) != HEADER)
        return fail_at(f, 0, "not a saved machine: shorter than a header");
    XXH64_update(f->hash, header, HEADER);
    if (memcmp(header, magic, sizeof magic))
        return fail_at(f, 0, "not a saved machine");
    if (get(header + 8, 4) != SAVED_VERSION)
        return fail_at(f, 8, "a machine saved in a format of another version");
    if (get(header + 12, 4) != layout)
        return fail_at(f, 12, "a machine saved by another version of silverpool");
    return true;
}

static bool check_sum(struct saved_file *f, const uint8_t *trailer)
{
    uint64_t offset = HEADER;
    for (size_t k; offset < HEADER + f->packed; offset += k) {
        uint64_t left = HEADER + f->packed - offset;
        k = left < BUFFER ? (size_t)left : BUFFER;
        if (fread(f->raw, 1, k, f->file) != k)
            return fail_at(f, offset, "the file cannot be read");
        XXH64_update(f->hash, f->raw, k);
    }
    XXH64_update(f->hash, trailer, 16);
    return XXH64_digest(f->hash) == get(trailer + 16, 8) ||
           fail_at(f, offset + 16, "damaged: the checksum is wrong");
}

/* Everything is checked before a byte of it counts. */
static bool check_file(struct saved_file *f, uint32_t layout)
{
    uint8_t trailer[TRAILER];
    struct stat st;
    if (fstat(fileno(f->file), &st) || !S_ISREG(st.st_mode))
        return fail_at(f, 0, "not a regular file");
    if (!check_header(f, layout))
        return false;
    uint64_t size = (uint64_t)st.st_size;
    if (size < HEADER + TRAILER || fseeko(f->file, -TRAILER, SEEK_END) ||
        fread(trailer, 1, TRAILER, f->file) != TRAILER)
        return fail_at(f, size, "truncated: the file ends in the middle");
    f->packed = get(trailer, 8);
    f->plain = get(trailer + 8, 8);
    if (f->packed != size - HEADER - TRAILER)
        return fail_at(f, size - TRAILER, "truncated or damaged: the lengths do not agree");
    rewind(f->file);
    return !fseeko(f->file, HEADER, SEEK_SET) && check_sum(f, trailer) &&
           !fseeko(f->file, HEADER, SEEK_SET);
}

/* ---- life ---- */

static struct saved_file *allocate(const char *name, bool loading, struct sp_error *e)
{
    struct saved_file *f = calloc(1, sizeof *f);
    if (f) {
        f->stream = (struct saved_stream){ .loading = loading, .move = loading ? load : save,
                                           .error = e };
        f->stream.file = f->name = strdup(name);
        f->hash = XXH64_createState();
        f->pack = loading ? NULL : ZSTD_createCCtx();
        f->unpack = loading ? ZSTD_createDCtx() : NULL;
        bool named = loading || asprintf(&f->part, "%s.part", name) > 0;
        if (f->name && f->hash && (f->pack || f->unpack) && named) {
            XXH64_reset(f->hash, 0);
            return f;
        }
    }
    saved_file_close(f);
    sp_fail(e, SP_EXIT_USAGE, "%s: no memory", name);
    return NULL;
}

struct saved_file *saved_file_create(const char *name, uint32_t layout, struct sp_error *e)
{
    uint8_t header[HEADER];
    struct saved_file *f = allocate(name, false, e);
    if (!f)
        return NULL;
    memcpy(header, magic, sizeof magic);
    put(header + 8, 4, SAVED_VERSION);
    put(header + 12, 4, layout);
    ZSTD_CCtx_setParameter(f->pack, ZSTD_c_compressionLevel, LEVEL);
    f->file = fopen(f->part, "wb");
    if (f->file ? write_raw(f, header, HEADER) : fail_to_write(f))
        return f;
    saved_file_close(f);
    return NULL;
}

struct saved_file *saved_file_open(const char *name, uint32_t layout, struct sp_error *e)
{
    struct saved_file *f = allocate(name, true, e);
    if (!f)
        return NULL;
    f->file = fopen(name, "rb");
    if (f->file ? check_file(f, layout)
                : sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", name, strerror(errno)))
        return f;
    saved_file_close(f);
    return NULL;
}

struct saved_stream *saved_file_stream(struct saved_file *f) { return &f->stream; }

bool saved_file_end(struct saved_file *f)
{
    return f->stream.loading ? end_loading(f) : end_saving(f);
}

void saved_file_close(struct saved_file *f)
{
    if (!f)
        return;
    if (f->file)
        fclose(f->file);
    if (f->part && !f->ended)
        unlink(f->part);
    XXH64_freeState(f->hash);
    ZSTD_freeCCtx(f->pack);
    ZSTD_freeDCtx(f->unpack);
    free(f->name);
    free(f->part);
    free(f);
}
