// SPDX-License-Identifier: Apache-2.0
#include "trace/source.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/bits.h"

enum { HEADER = 24, HEADER_MAX = 1 << 20, CPUS_MAX = 256, TLB_SLOTS_MAX = 1 << 12 };
enum { UNPACKED_MAX = 1 << 30 };

bool trace_bad(const struct trace_source *s, struct sp_error *e, uint64_t offset, const char *format,
               ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: offset %" PRIu64 ": %s", s->name, offset, what);
}

bool trace_source_read(struct trace_source *s, uint64_t offset, void *to, size_t n,
                       struct sp_error *e)
{
    if (offset > s->size || n > s->size - offset)
        return trace_bad(s, e, s->size, "the file ends too early");
    if (!n)
        return true;
    if (s->memory) {
        memcpy(to, s->memory + offset, n);
        return true;
    }
    if (fseeko(s->in, (off_t)offset, SEEK_SET) || fread(to, 1, n, s->in) != n)
        return trace_bad(s, e, offset, "cannot be read: %s",
                         ferror(s->in) ? strerror(errno) : "the file became shorter");
    return true;
}

/* ---- header ---- */

static bool number_of(const json_t *j, const char *key, uint64_t *v)
{
    const char *text = json_string_value(json_object_get(j, key));
    char *end;
    if (!text || text[0] != '0' || text[1] != 'x')
        return false;
    errno = 0;
    *v = strtoull(text, &end, 16);
    return !errno && !*end;
}

static bool string_of(const json_t *j, const char *key, const char **v)
{
    const char *text = json_string_value(json_object_get(j, key));
    *v = text ? strdup(text) : NULL;
    return *v;
}

static bool count_of(const json_t *j, const char *key, unsigned max, unsigned *v)
{
    const json_t *n = json_object_get(j, key);
    json_int_t value = json_integer_value(n);
    *v = (unsigned)value;
    return json_is_integer(n) && value >= 1 && value <= (json_int_t)max;
}

static bool read_classes(const json_t *list, uint32_t *mask)
{
    *mask = 0;
    if (!json_is_array(list))
        return false;
    for (size_t k = 0; k < json_array_size(list); k++) {
        const char *name = json_string_value(json_array_get(list, k));
        for (unsigned c = 0; name && c < TRACE_CLASSES; c++)
            if (!strcmp(name, trace_class_name(c)))
                *mask |= 1u << c;
    }
    return true;
}

static bool read_registers(const json_t *list, struct trace_header *h)
{
    size_t n = json_array_size(list);
    struct trace_register_row *rows = calloc(n + 1, sizeof *rows);
    h->registers = rows;
    if (!rows || n > TRACE_REGISTERS_MAX || !json_is_array(list))
        return false;
    for (size_t k = 0; k < n; k++) {
        const json_t *row = json_array_get(list, k);
        const char *name = json_string_value(json_array_get(row, 0));
        json_int_t bits = json_integer_value(json_array_get(row, 1));
        rows[k].name = name ? strdup(name) : NULL;
        rows[k].bits = (unsigned)bits;
        h->registers_n = (unsigned)k + 1;
        if (!rows[k].name || bits < 1 || bits > 128)
            return false;
    }
    return h->arch == TRACE_IPF || n >= TRACE_REGISTERS_IA32;
}

/* Events keep their numbers; those that this version does not know are skipped. */
static bool read_events(const json_t *list, struct trace_source *s)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > ARRAY_SIZE(s->kind))
        return false;
    s->kinds = (unsigned)n;
    for (size_t k = 0; k < n; k++) {
        const json_t *row = json_array_get(list, k);
        const char *name = json_string_value(json_array_get(row, 0));
        const json_t *fields = json_array_get(row, 1);
        s->kind[k] = -1;
        s->fields[k] = (unsigned)json_array_size(fields);
        if (!name || !json_is_array(fields) || s->fields[k] > 256)
            return false;
        for (unsigned j = 0; j < TRACE_KINDS; j++)
            if (!strcmp(name, trace_kinds[j].name) && s->fields[k] >= trace_kinds[j].fields)
                s->kind[k] = (int)j;
    }
    return true;
}

static const char *read_json(struct trace_source *s, const json_t *j)
{
    struct trace_header *h = &s->header;
    const char *arch = json_string_value(json_object_get(j, "arch"));
    if (!arch || (strcmp(arch, "ia32") && strcmp(arch, "ipf")))
        return "an architecture that is neither ia32 nor ipf";
    h->arch = strcmp(arch, "ipf") ? TRACE_IA32 : TRACE_IPF;
    if (!read_classes(json_object_get(j, "classes"), &h->classes))
        return "no classes";
    if (!count_of(j, "cpus", CPUS_MAX, &h->cpus))
        return "a wrong number of processors";
    if (!count_of(j, "tlb_slots", TLB_SLOTS_MAX, &h->tlb_slots) || h->tlb_slots & (h->tlb_slots - 1))
        return "a wrong number of TLB slots";
    if (!number_of(j, "seed", &h->seed) || !number_of(j, "image_hash", &h->image_hash) ||
        !number_of(j, "first", &h->first) || !number_of(j, "last", &h->last) ||
        !string_of(j, "profile", &h->profile) || !string_of(j, "options", &h->options) ||
        !string_of(j, "filter", &h->filter) || !string_of(j, "program", &h->program))
        return "an entry is missing";
    if (!read_registers(json_object_get(j, "registers"), h))
        return "a wrong table of registers";
    return read_events(json_object_get(j, "events"), s) ? NULL : "a wrong table of events";
}

static bool read_header(struct trace_source *s, uint64_t *end, struct sp_error *e)
{
    uint8_t head[HEADER];
    if (s->size < 8)
        return trace_bad(s, e, s->size, "no trace: the file ends in its first 8 bytes");
    if (!trace_source_read(s, 0, head, 8, e))
        return false;
    if (memcmp(head, TRACE_MAGIC, 8))
        return trace_bad(s, e, 0, "no trace: it begins with other bytes");
    if (!trace_source_read(s, 0, head, sizeof head, e))
        return false;
    uint64_t version = trace_get_le(head + 8, 4), n = trace_get_le(head + 12, 4);
    if (n > HEADER_MAX)
        return trace_bad(s, e, 12, "damaged: the header's size cannot be");
    uint8_t *all = malloc(HEADER + n);
    if (!all || !trace_source_read(s, 0, all, HEADER + n, e)) {
        free(all);
        return all ? false : trace_bad(s, e, 0, "out of memory");
    }
    memmove(all + 16, all + HEADER, n);
    bool whole = XXH64(all, 16 + n, 0) == trace_get_le(head + 16, 8);
    json_t *j = whole ? json_loadb((const char *)all + 16, n, 0, NULL) : NULL;
    const char *wrong = !whole ? "the header's checksum is wrong"
                        : version != TRACE_VERSION ? NULL
                        : j ? read_json(s, j) : "the header is no JSON";
    json_decref(j);
    free(all);
    *end = HEADER + n;
    s->header.version = (unsigned)version;
    if (whole && version != TRACE_VERSION)
        return trace_bad(s, e, 8, "version %" PRIu64 ", this program reads version %d", version,
                         TRACE_VERSION);
    return !wrong || trace_bad(s, e, HEADER, "damaged: %s", wrong);
}

/* ---- chunks ---- */

/* The header of the chunk at `offset`; false: damaged, or *cut: the file ends in it. */
static bool parse_chunk(struct trace_source *s, uint64_t offset, struct trace_chunk *c,
                        uint32_t streams[STREAMS], uint32_t *packed, uint32_t *size,
                        uint64_t *check, struct sp_error *e)
{
    uint8_t h[TRACE_CHUNK_HEADER];
    uint64_t sum = 0;
    if (!trace_source_read(s, offset, h, sizeof h, e))
        return false;
    if (memcmp(h, TRACE_CHUNK_MAGIC, 8) || XXH64(h, 104, 0) != trace_get_le(h + 104, 8))
        return trace_bad(s, e, offset, "damaged: the head of a chunk is wrong");
    *packed = (uint32_t)trace_get_le(h + 8, 4);
    *size = (uint32_t)trace_get_le(h + 12, 4);
    for (unsigned k = 0; k < STREAMS; k++)
        sum += streams[k] = (uint32_t)trace_get_le(h + 16 + 4 * k, 4);
    if (sum != *size || *size > UNPACKED_MAX)
        return trace_bad(s, e, offset, "damaged: the sizes of a chunk do not fit together");
    *c = (struct trace_chunk){
        .offset = offset, .bytes = TRACE_CHUNK_HEADER + (uint64_t)*packed,
        .first_time = trace_get_le(h + 40, 8), .last_time = trace_get_le(h + 48, 8),
        .instructions = trace_get_le(h + 56, 8), .events = trace_get_le(h + 64, 8),
        .hash = trace_get_le(h + 72, 8), .running = trace_get_le(h + 80, 8),
    };
    *check = trace_get_le(h + 88, 8);
    return true;
}

bool trace_source_chunk(struct trace_source *s, const struct trace_chunk *c,
                        uint32_t streams[STREAMS], uint32_t *packed, uint32_t *size,
                        uint64_t *check, struct sp_error *e)
{
    struct trace_chunk found;
    if (!parse_chunk(s, c->offset, &found, streams, packed, size, check, e))
        return false;
    return !memcmp(&found, c, sizeof found) ||
           trace_bad(s, e, c->offset, "damaged: the index tells another chunk");
}

/* ---- index ---- */

static bool read_entries(struct trace_source *s, uint64_t at, uint64_t n, struct sp_error *e)
{
    s->chunks = calloc(n + 1, sizeof *s->chunks);
    if (!s->chunks)
        return trace_bad(s, e, at, "out of memory");
    for (uint64_t k = 0; k < n; k++) {
        uint8_t entry[TRACE_INDEX_ENTRY];
        uint64_t word[8];
        if (!trace_source_read(s, at + 16 + k * sizeof entry, entry, sizeof entry, e))
            return false;
        for (unsigned j = 0; j < 8; j++)
            word[j] = trace_get_le(entry + 8 * j, 8);
        s->chunks[k] = (struct trace_chunk){ word[0], word[1], word[2], word[3],
                                             word[4], word[5], word[6], word[7] };
        if (word[0] > at || word[1] > at - word[0])
            return trace_bad(s, e, at + 16 + k * sizeof entry, "damaged: the index is wrong");
    }
    s->chunks_n = (unsigned)n;
    return true;
}

static uint64_t hash_range(struct trace_source *s, uint64_t at, uint64_t n)
{
    XXH64_state_t *hash = XXH64_createState();
    uint8_t piece[4096];
    XXH64_reset(hash, 0);
    while (n) {
        size_t part = n < sizeof piece ? (size_t)n : sizeof piece;
        if (!trace_source_read(s, at, piece, part, NULL))
            break;
        XXH64_update(hash, piece, part);
        at += part;
        n -= part;
    }
    uint64_t h = XXH64_digest(hash);
    XXH64_freeState(hash);
    return h;
}

/* *whole: a trailer stands at the end, and the index it points at is right. */
static bool read_trailer(struct trace_source *s, uint64_t header_end, bool *whole, struct sp_error *e)
{
    uint8_t t[TRACE_TRAILER], head[16];
    *whole = false;
    if (s->size < header_end + TRACE_TRAILER + sizeof head)
        return true;
    uint64_t end = s->size - TRACE_TRAILER;
    if (!trace_source_read(s, end, t, sizeof t, e))
        return false;
    uint64_t at = trace_get_le(t, 8);
    if (memcmp(t + 24, TRACE_TRAILER_MAGIC, 8) || XXH64(t, 16, 0) != trace_get_le(t + 16, 8) ||
        at < header_end || at > end - sizeof head)
        return true;
    if (!trace_source_read(s, at, head, sizeof head, e))
        return false;
    uint64_t n = trace_get_le(head + 8, 8);
    if (memcmp(head, TRACE_INDEX_MAGIC, 8) || n > s->size / TRACE_INDEX_ENTRY ||
        at + sizeof head + n * TRACE_INDEX_ENTRY != end ||
        hash_range(s, at, end - at) != trace_get_le(t + 8, 8))
        return trace_bad(s, e, at, "damaged: the index is wrong");
    *whole = true;
    return read_entries(s, at, n, e);
}

/* ---- without an index ---- */

static bool add_chunk(struct trace_source *s, const struct trace_chunk *c)
{
    struct trace_chunk *more = realloc(s->chunks, (s->chunks_n + 1) * sizeof *more);
    if (!more)
        return false;
    s->chunks = more;
    s->chunks[s->chunks_n++] = *c;
    return true;
}

static bool tell_truncated(struct trace_source *s, uint64_t at)
{
    size_t room = strlen(s->name) + 160;
    s->truncated = malloc(room);
    if (s->truncated)
        snprintf(s->truncated, room,
                 "%s: offset %" PRIu64 ": the file ends before its index; %u whole chunks, to time "
                 "%" PRIu64 ", can be read", s->name, at, s->chunks_n,
                 s->chunks_n ? s->chunks[s->chunks_n - 1].last_time : 0);
    return s->truncated;
}

/* The chunks one after the other, until the file ends in one of them or in its index.  A file whose index
 * is there, and yet was not accepted, is damaged, and not cut off. */
static bool scan(struct trace_source *s, uint64_t at, struct sp_error *e)
{
    for (;;) {
        uint8_t magic[8];
        uint64_t left = s->size - at;
        if (left >= 8) {
            if (!trace_source_read(s, at, magic, 8, e))
                return false;
            if (!memcmp(magic, TRACE_INDEX_MAGIC, 8)) {
                uint8_t count[8];
                if (left < 16)
                    break;
                if (!trace_source_read(s, at + 8, count, 8, e))
                    return false;
                uint64_t n = trace_get_le(count, 8);
                if (n == s->chunks_n && left < 16 + n * TRACE_INDEX_ENTRY + TRACE_TRAILER)
                    break;
                return trace_bad(s, e, at, "damaged: the index is wrong");
            }
            if (memcmp(magic, TRACE_CHUNK_MAGIC, 8))
                return trace_bad(s, e, at, "damaged: neither a chunk nor an index begins here");
        }
        if (left < TRACE_CHUNK_HEADER)
            break;
        struct trace_chunk c;
        uint32_t streams[STREAMS], packed, size;
        uint64_t check;
        if (!parse_chunk(s, at, &c, streams, &packed, &size, &check, e))
            return false;
        if (c.bytes > left)
            break;
        if (!add_chunk(s, &c))
            return trace_bad(s, e, at, "out of memory");
        at += c.bytes;
    }
    return tell_truncated(s, at) || trace_bad(s, e, at, "out of memory");
}

bool trace_source_open(struct trace_source *s, struct sp_error *e)
{
    uint64_t end = 0;
    bool whole;
    if (!read_header(s, &end, e) || !read_trailer(s, end, &whole, e))
        return false;
    return whole || scan(s, end, e);
}

void trace_source_close(struct trace_source *s)
{
    struct trace_header *h = &s->header;
    for (unsigned k = 0; k < h->registers_n; k++)
        free((char *)(uintptr_t)h->registers[k].name);
    free((void *)(uintptr_t)h->registers);
    free((char *)(uintptr_t)h->profile);
    free((char *)(uintptr_t)h->options);
    free((char *)(uintptr_t)h->filter);
    free((char *)(uintptr_t)h->program);
    free(s->chunks);
    free(s->truncated);
    free(s->name);
    if (s->in)
        fclose(s->in);
}
