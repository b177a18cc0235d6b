// SPDX-License-Identifier: Apache-2.0
#include "base/saved.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

bool saved_fail(struct saved_stream *s, const char *format, ...)
{
    char text[400];
    va_list args;
    if (s->failed)
        return false;
    s->failed = true;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return sp_fail(s->error, SP_EXIT_BAD_IMAGE, "%s: offset %llu of the state: %s", s->file,
                   (unsigned long long)s->offset, text);
}

bool saved_bytes(struct saved_stream *s, void *bytes, size_t n)
{
    if (s->failed || !s->move(s, bytes, n)) {
        s->failed = true;
        return false;
    }
    s->offset += n;
    return true;
}

/* An unsigned number of `size` bytes at `at`, in the host's order. */
static uint64_t get(const uint8_t *at, size_t size)
{
    uint64_t v8;
    uint32_t v4;
    uint16_t v2;
    switch (size) {
    case 8: memcpy(&v8, at, size); return v8;
    case 4: memcpy(&v4, at, size); return v4;
    case 2: memcpy(&v2, at, size); return v2;
    default: return *at;
    }
}

static void put(uint8_t *at, size_t size, uint64_t v)
{
    const uint64_t v8 = v;
    const uint32_t v4 = (uint32_t)v;
    const uint16_t v2 = (uint16_t)v;
    const uint8_t v1 = (uint8_t)v;
    memcpy(at, size == 8 ? (const void *)&v8 : size == 4 ? (const void *)&v4
               : size == 2 ? (const void *)&v2 : (const void *)&v1, size);
}

static bool move_number(struct saved_stream *s, uint8_t *at, size_t size)
{
    uint8_t little[8];
    uint64_t v = s->loading ? 0 : get(at, size);
    for (size_t k = 0; k < size; k++)
        little[k] = (uint8_t)(v >> 8 * k);
    if (!saved_bytes(s, little, size))
        return false;
    if (!s->loading)
        return true;
    for (size_t k = 0; k < size; k++)
        v |= (uint64_t)little[k] << 8 * k;
    put(at, size, v);
    return true;
}

bool saved_number(struct saved_stream *s, uint64_t *v)
{
    return move_number(s, (uint8_t *)v, sizeof *v);
}

bool saved_flag(struct saved_stream *s, bool *v)
{
    uint8_t byte = !s->loading && *v;
    if (!saved_bytes(s, &byte, 1))
        return false;
    *v = byte & 1;
    return byte <= 1 || saved_fail(s, "%u where 0 or 1 must stand", byte);
}

bool saved_same(struct saved_stream *s, uint64_t v, const char *what)
{
    uint64_t there = v;
    return saved_number(s, &there) &&
           (there == v || saved_fail(s, "%s: %#llx, where this machine has %#llx", what,
                                     (unsigned long long)there, (unsigned long long)v));
}

/* ---- rows ---- */

/* A value that is too large is not stored: a bool may never hold 2. */
static bool move_checked(struct saved_stream *s, const struct saved_table *t,
                         const struct saved_row *r, uint8_t *at)
{
    uint64_t v = get(at, r->size);
    uint8_t *copy = (uint8_t[8]){ 0 };
    put(copy, r->size, v);
    if (!move_number(s, copy, r->size))
        return false;
    v = get(copy, r->size);
    if (v > r->most)
        return saved_fail(s, "%s.%s: %#llx, above %#llx", t->name, r->name, (unsigned long long)v,
                          (unsigned long long)r->most);
    if (s->loading)
        put(at, r->size, v);
    return true;
}

static bool move_row(struct saved_stream *s, const struct saved_table *t,
                     const struct saved_row *r, uint8_t *at)
{
    if (!r->part && r->size == 1 && r->most == UINT8_MAX)
        return saved_bytes(s, at, r->count);
    for (uint32_t k = 0; k < r->count; k++, at += r->size)
        if (r->part ? !saved_object(s, r->part(), at) : !move_checked(s, t, r, at))
            return false;
    return true;
}

bool saved_object(struct saved_stream *s, const struct saved_table *t, void *object)
{
    for (const struct saved_row *r = t->row; r < t->row + t->rows; r++)
        if (r->kind != SAVED_OTHER && !move_row(s, t, r, (uint8_t *)object + r->offset))
            return false;
    return true;
}

void saved_observe(const struct saved_table *t, const void *object,
                   void (*take)(void *context, const void *bytes, size_t n), void *context)
{
    for (const struct saved_row *r = t->row; r < t->row + t->rows; r++) {
        const uint8_t *at = (const uint8_t *)object + r->offset;
        if (r->kind != SAVED_STATE)
            continue;
        for (uint32_t k = 0; k < r->count; k++, at += r->size)
            if (r->part)
                saved_observe(r->part(), at, take, context);
            else
                take(context, at, r->size);
    }
}

/* FNV-1a */
static uint32_t mix(uint32_t h, const void *bytes, size_t n)
{
    for (size_t k = 0; k < n; k++)
        h = (h ^ ((const uint8_t *)bytes)[k]) * UINT32_C(0x01000193);
    return h;
}

uint32_t saved_layout(const struct saved_table *t, uint32_t seed)
{
    uint32_t h = mix(seed, t->name, strlen(t->name));
    for (const struct saved_row *r = t->row; r < t->row + t->rows; r++) {
        if (r->kind == SAVED_OTHER)
            continue;
        h = mix(h, r->name, strlen(r->name) + 1);
        h = mix(h, &r->count, sizeof r->count);
        h = r->part ? saved_layout(r->part(), h) : mix(h, &r->size, sizeof r->size);
    }
    return h;
}
