// SPDX-License-Identifier: Apache-2.0
// Compressed images.  Each format is one row: its magic and a function that pulls the next output
// bytes.  The loop in inflate_all() owns the buffer, its growth and the limit, so that no format can
// forget them.
#include "image/decompress.h"

#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bits.h"

/* Input and output of one decompression; a step advances both and sets `done` at the end of the
 * data. */
struct flow {
    const uint8_t *in;
    size_t in_left;
    uint8_t *out;            /* where the next bytes go */
    size_t out_left;
    bool done;
    void *state;
    const char *problem;
};

struct format {
    const char *name;
    uint8_t magic[6];
    uint8_t magic_size;
    bool (*begin)(struct flow *f);
    bool (*step)(struct flow *f);
    void (*end)(struct flow *f);
};

static bool gzip_begin(struct flow *f)
{
    z_stream *z = calloc(1, sizeof *z);
    f->state = z;
    return z && inflateInit2(z, 16 + MAX_WBITS) == Z_OK;
}

static bool gzip_step(struct flow *f)
{
    z_stream *z = f->state;
    uInt in = f->in_left > 1 << 30 ? 1 << 30 : (uInt)f->in_left;
    uInt out = f->out_left > 1 << 30 ? 1 << 30 : (uInt)f->out_left;
    z->next_in = (Bytef *)f->in, z->avail_in = in;
    z->next_out = f->out, z->avail_out = out;
    int r = inflate(z, Z_NO_FLUSH);
    f->in += in - z->avail_in, f->in_left -= in - z->avail_in;
    f->out += out - z->avail_out, f->out_left -= out - z->avail_out;
    f->done = r == Z_STREAM_END;
    f->problem = z->msg;
    return r == Z_OK || r == Z_STREAM_END;
}

static void gzip_end(struct flow *f)
{
    if (f->state)
        inflateEnd(f->state);
    free(f->state);
}

static bool xz_begin(struct flow *f)
{
    lzma_stream *s = calloc(1, sizeof *s);
    f->state = s;
    return s && lzma_stream_decoder(s, UINT64_C(256) << 20, 0) == LZMA_OK;
}

static bool xz_step(struct flow *f)
{
    lzma_stream *s = f->state;
    s->next_in = f->in, s->avail_in = f->in_left;
    s->next_out = f->out, s->avail_out = f->out_left;
    lzma_ret r = lzma_code(s, LZMA_RUN);
    f->in = s->next_in, f->in_left = s->avail_in;
    f->out = s->next_out, f->out_left = s->avail_out;
    f->done = r == LZMA_STREAM_END;
    return r == LZMA_OK || r == LZMA_STREAM_END;
}

static void xz_end(struct flow *f)
{
    if (f->state)
        lzma_end(f->state);
    free(f->state);
}

static bool zstd_begin(struct flow *f)
{
    f->state = ZSTD_createDStream();
    return f->state && !ZSTD_isError(ZSTD_initDStream(f->state));
}

static bool zstd_step(struct flow *f)
{
    ZSTD_inBuffer in = { f->in, f->in_left, 0 };
    ZSTD_outBuffer out = { f->out, f->out_left, 0 };
    size_t r = ZSTD_decompressStream(f->state, &out, &in);
    f->in += in.pos, f->in_left -= in.pos;
    f->out += out.pos, f->out_left -= out.pos;
    f->done = r == 0;
    if (ZSTD_isError(r))
        f->problem = ZSTD_getErrorName(r);
    return !ZSTD_isError(r);
}

static void zstd_end(struct flow *f) { ZSTD_freeDStream(f->state); }

static bool lz4_begin(struct flow *f)
{
    LZ4F_dctx *d = NULL;
    bool ok = !LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION));
    f->state = d;
    return ok;
}

static bool lz4_step(struct flow *f)
{
    size_t in = f->in_left, out = f->out_left;
    size_t r = LZ4F_decompress(f->state, f->out, &out, f->in, &in, NULL);
    if (LZ4F_isError(r)) {
        f->problem = LZ4F_getErrorName(r);
        return false;
    }
    f->in += in, f->in_left -= in;
    f->out += out, f->out_left -= out;
    f->done = r == 0;
    return true;
}

static void lz4_end(struct flow *f) { LZ4F_freeDecompressionContext(f->state); }

/* The format that Linux's build uses: the magic, then blocks of {u32 size, bytes}, each of which
 * holds 8 MiB of output but the last. */
enum { LZ4_LEGACY_BLOCK = 8 << 20 };

static bool lz4_legacy_begin(struct flow *f)
{
    f->in += 4, f->in_left -= 4;
    f->state = malloc(LZ4_LEGACY_BLOCK);
    return f->state;
}

static bool lz4_legacy_step(struct flow *f)
{
    uint32_t size;
    if (f->in_left < sizeof size)
        return false;
    memcpy(&size, f->in, sizeof size);
    if (size > f->in_left - sizeof size || size > LZ4_COMPRESSBOUND(LZ4_LEGACY_BLOCK))
        return false;
    int n = LZ4_decompress_safe((const char *)f->in + sizeof size, f->state, (int)size,
                                LZ4_LEGACY_BLOCK);
    if (n < 0)
        return false;
    if ((size_t)n > f->out_left)
        return true;                     /* no progress: the caller gives more room */
    memcpy(f->out, f->state, (size_t)n);
    f->out += n, f->out_left -= (size_t)n;
    f->in += sizeof size + size, f->in_left -= sizeof size + size;
    f->done = f->in_left == 0;
    return true;
}

static void lz4_legacy_end(struct flow *f) { free(f->state); }

static const struct format formats[] = {
    { "gzip", { 0x1f, 0x8b }, 2, gzip_begin, gzip_step, gzip_end },
    { "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, xz_begin, xz_step, xz_end },
    { "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, zstd_begin, zstd_step, zstd_end },
    { "lz4", { 0x04, 0x22, 0x4d, 0x18 }, 4, lz4_begin, lz4_step, lz4_end },
    { "lz4", { 0x02, 0x21, 0x4c, 0x18 }, 4, lz4_legacy_begin, lz4_legacy_step, lz4_legacy_end },
};

/* Doubles the buffer; false when the limit is reached or the host has no memory. */
static bool grow(struct flow *f, uint8_t **buffer, size_t *capacity)
{
    size_t used = *capacity - f->out_left, wanted = *capacity * 2;
    if (wanted > IMAGE_SIZE_MAX)
        wanted = IMAGE_SIZE_MAX;
    uint8_t *p = wanted > *capacity ? realloc(*buffer, wanted) : NULL;
    if (!p)
        return false;
    *buffer = p, f->out = p + used, f->out_left = wanted - used, *capacity = wanted;
    return true;
}

static bool inflate_all(const struct format *format, struct flow *f, struct image *image,
                        uint8_t **buffer, size_t *size, struct sp_error *e)
{
    size_t capacity = 16 << 20;
    if (!(*buffer = malloc(capacity)))
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory to decompress it", image->name);
    f->out = *buffer, f->out_left = capacity;
    while (!f->done) {
        size_t in = f->in_left, out = f->out_left;
        if (!format->step(f) || (!f->done && !f->in_left && f->out_left == out))
            return sp_fail(e, SP_EXIT_BAD_IMAGE,
                           "%s: %s data is damaged or cut short at offset %zu%s%s", image->name,
                           format->name, (size_t)(f->in - image->data), f->problem ? ": " : "",
                           f->problem ? f->problem : "");
        bool stuck = in == f->in_left && out == f->out_left;
        if (!f->done && (!f->out_left || stuck) && !grow(f, buffer, &capacity))
            return sp_fail(e, SP_EXIT_BAD_IMAGE,
                           "%s: decompressed size is above the limit of %llu MiB", image->name,
                           (unsigned long long)(IMAGE_SIZE_MAX >> 20));
    }
    *size = capacity - f->out_left;
    return true;
}

static bool decompress_as(const struct format *format, struct image *image, struct sp_error *e)
{
    struct flow f = { .in = image->data, .in_left = image->size };
    uint8_t *buffer = NULL;
    size_t size = 0;
    bool ok = format->begin(&f)
                  ? inflate_all(format, &f, image, &buffer, &size, e)
                  : sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory to decompress it", image->name);
    format->end(&f);
    if (!ok) {
        free(buffer);
        return false;
    }
    free(image->data);
    image->data = buffer, image->size = size;
    return true;
}

bool image_decompress(struct image *image, struct sp_error *e)
{
    for (size_t k = 0; k < ARRAY_SIZE(formats); k++)
        if (image->size >= formats[k].magic_size &&
            !memcmp(image->data, formats[k].magic, formats[k].magic_size))
            return decompress_as(&formats[k], image, e);
    return true;
}
