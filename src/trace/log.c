// SPDX-License-Identifier: Apache-2.0
// Buffers go round between the engine and a thread that encodes them; what is in the file depends on the
// buffers alone.
#include "trace/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "trace/file.h"

/* SLACK holds what one instruction and the events around it log at most: a repeated string makes two
 * accesses of up to four words in each of its 4096 iterations. */
enum { BUFFERS = 4, BUFFER_WORDS = 1 << 17, CHUNK_BUFFERS = 8, SLACK = 1 << 17, CODE_MAX = 256 << 20 };

struct log_state {
    struct trace_encoder *encoder;
    uint64_t *buffer[BUFFERS];
    const uint64_t *end[BUFFERS];
    bool ends_chunk[BUFFERS];
    unsigned filled;                         /* buffers of the chunk                              */
    unsigned filling, encoding, full;        /* of the ring; `full` wait for the thread           */
    uint32_t turns;
    bool threaded, closing, overflow;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct block_room { struct block_room *next; } *rooms;   /* what trace_log_code() gave        */
    size_t code_bytes;
};

/* ---- the thread ---- */

static void *encode_buffers(void *log)
{
    struct log_state *s = ((struct trace_log *)log)->state;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->full && !s->closing)
            pthread_cond_wait(&s->changed, &s->lock);
        if (!s->full)
            break;
        unsigned k = s->encoding;
        pthread_mutex_unlock(&s->lock);
        trace_encode(s->encoder, s->buffer[k], s->end[k], s->ends_chunk[k]);
        pthread_mutex_lock(&s->lock);
        s->encoding = (k + 1) % BUFFERS;
        s->full--;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void wait_until(struct log_state *s, unsigned full)
{
    if (!s->threaded)
        return;
    pthread_mutex_lock(&s->lock);
    while (s->full > full)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* Hands the buffer that is being filled over. */
static void hand_over(struct trace_log *l, bool ends_chunk)
{
    struct log_state *s = l->state;
    s->end[s->filling] = l->at;
    s->ends_chunk[s->filling] = ends_chunk;
    if (!s->threaded) {
        trace_encode(s->encoder, s->buffer[s->filling], l->at, ends_chunk);
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->full++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    s->filling = (s->filling + 1) % BUFFERS;
    wait_until(s, BUFFERS - 1);
}

/* A buffer whose limit lies at its start: the next block has to begin it. */
static void use_buffer(struct trace_log *l)
{
    l->at = l->limit = l->state->buffer[l->state->filling];
}

static void begin_chunk(struct trace_log *l)
{
    l->state->turns++;
    l->state->filled = 0;
    use_buffer(l);
}

bool trace_log_begin(struct trace_log *l)
{
    struct log_state *s = l->state;
    if (l->live) {
        l->at = s->buffer[0];
        return false;
    }
    bool fresh = l->limit == s->buffer[s->filling];
    if (!fresh) {
        fresh = ++s->filled == CHUNK_BUFFERS;
        hand_over(l, fresh);
        if (fresh)
            begin_chunk(l);
        else
            use_buffer(l);
    }
    l->limit = s->buffer[s->filling] + BUFFER_WORDS;
    return fresh;
}

uint32_t trace_log_turns(const struct trace_log *l) { return l->state->turns; }

/* ---- life ---- */

static void free_state(struct log_state *s)
{
    for (unsigned k = 0; k < BUFFERS; k++)
        free(s->buffer[k]);
    while (s->rooms) {
        struct block_room *next = s->rooms->next;
        free(s->rooms);
        s->rooms = next;
    }
    trace_encoder_free(s->encoder);
    free(s);
}

static struct log_state *make_state(struct trace_file *file)
{
    struct log_state *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    bool ok = !file || (s->encoder = trace_encoder_create(file));
    for (unsigned k = 0; k < (file ? BUFFERS : 1); k++)
        ok &= (s->buffer[k] = malloc((BUFFER_WORDS + SLACK + 1) * sizeof(uint64_t))) != NULL;
    if (!ok) {
        free_state(s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    return s;
}

static void destroy_state(struct log_state *s)
{
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free_state(s);
}

struct trace_log *trace_log_open(const char *path, const struct trace_header *h, struct sp_error *e)
{
    struct trace_log *l = calloc(1, sizeof *l);
    if (!l || !(l->file = trace_file_create(path, h, e))) {
        if (!l)
            sp_fail(e, SP_EXIT_USAGE, "%s: out of memory", path);
        free(l);
        return NULL;
    }
    l->classes = h->classes;
    l->state = make_state(l->file);
    if (!l->state) {
        trace_file_close(l->file, NULL);
        free(l);
        sp_fail(e, SP_EXIT_USAGE, "%s: out of memory for the trace's buffers", path);
        return NULL;
    }
    begin_chunk(l);
    l->state->threaded = !pthread_create(&l->state->thread, NULL, encode_buffers, l);
    return l;
}

struct trace_log *trace_log_live(void)
{
    struct trace_log *l = calloc(1, sizeof *l);
    if (!l || !(l->state = make_state(NULL))) {
        free(l);
        return NULL;
    }
    l->live = true;
    l->classes = TRACE_INSTRUCTIONS;
    l->at = l->state->buffer[0];
    l->limit = l->at + BUFFER_WORDS;
    return l;
}

static bool close_live(struct trace_log *l)
{
    destroy_state(l->state);
    free(l);
    return true;
}

bool trace_log_close(struct trace_log *l, struct sp_error *e)
{
    struct log_state *s = l->state;
    if (l->live)
        return close_live(l);
    hand_over(l, true);
    if (s->threaded) {
        pthread_mutex_lock(&s->lock);
        s->closing = true;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    bool fits = !s->overflow;
    destroy_state(s);
    bool ok = trace_file_close(l->file, e);
    free(l);
    return ok && (fits || sp_fail(e, SP_EXIT_USAGE, "one instruction was too much for the trace"));
}

/* ---- blocks ---- */

struct trace_code *trace_log_code(struct trace_log *l, unsigned n)
{
    struct log_state *s = l->state;
    size_t size = trace_code_size(n);
    if (s->code_bytes + size > CODE_MAX)
        return NULL;
    struct block_room *room = calloc(1, sizeof *room + size);
    if (!room)
        return NULL;
    room->next = s->rooms;
    s->rooms = room;
    s->code_bytes += size;
    struct trace_code *code = (struct trace_code *)(room + 1);
    trace_code_place(code, n);
    return code;
}

void trace_log_forget(struct trace_log *l)
{
    struct log_state *s = l->state;
    if (!l->live) {
        hand_over(l, true);
        begin_chunk(l);
        wait_until(s, 0);
    }
    while (s->rooms) {
        struct block_room *next = s->rooms->next;
        free(s->rooms);
        s->rooms = next;
    }
    s->code_bytes = 0;
}

/* ---- items ---- */

/* Room for n words, which begin with `head`; NULL: the slack is used up, or nobody wants it. */
static uint64_t *item(struct trace_log *l, unsigned n, uint64_t head)
{
    uint64_t *w = l->at;
    if (l->live && (head & 7) != LOG_ACCESS)
        return NULL;
    if (w + n > l->state->buffer[l->state->filling] + BUFFER_WORDS + SLACK) {
        l->state->overflow = true;
        return NULL;
    }
    w[0] = head;
    l->at = w + n;
    return w;
}

void trace_log_access(struct trace_log *l, uint64_t linear, uint64_t physical, unsigned size,
                      bool write, bool system, const void *bytes)
{
    uint64_t *w = item(l, 3 + (size + 7) / 8, LOG_ACCESS | (uint64_t)size << 8 |
                       (uint64_t)write << 24 | (uint64_t)system << 25);
    if (!w)
        return;
    w[1] = linear;
    w[2] = physical;
    w[3 + (size - 1) / 8] = 0;
    memcpy(w + 3, bytes, size);
}

const uint64_t *trace_log_next_access(const struct trace_log *l, const uint64_t *at,
                                      struct trace_access *a)
{
    if (at >= l->at)
        return NULL;
    *a = (struct trace_access){ .linear = at[1], .physical = at[2], .size = at[0] >> 8 & 0xffff,
                                .write = at[0] >> 24 & 1, .system = at[0] >> 25 & 1,
                                .bytes = (const uint8_t *)(at + 3) };
    return at + 3 + (a->size + 7) / 8;
}

void trace_log_insn(struct trace_log *l, unsigned insn, enum trace_status status, bool last,
                    uint64_t time, const struct trace_register *r, unsigned n)
{
    unsigned words = 2;
    for (unsigned k = 0; k < n; k++)
        words += r[k].id & TRACE_WIDE_ID ? 3 : 2;
    uint64_t *w = item(l, words, LOG_INSN | (uint64_t)status << 8 | (uint64_t)last << 16 |
                       (uint64_t)n << 24 | (uint64_t)insn << 40);
    if (!w)
        return;
    w[1] = time;
    w += 2;
    for (unsigned k = 0; k < n; k++) {
        bool wide = r[k].id & TRACE_WIDE_ID;
        *w++ = (r[k].id & (TRACE_REGISTERS_MAX - 1)) | (wide ? TRACE_WIDE : 0);
        *w++ = r[k].value[0];
        if (wide)
            *w++ = r[k].value[1];
    }
}

void trace_log_event(struct trace_log *l, unsigned insn, uint64_t time, enum trace_kind kind,
                     const void *fields)
{
    unsigned n = trace_kinds[kind].fields;
    uint64_t *w = item(l, 2 + n, LOG_EVENT | (uint64_t)kind << 8 | (uint64_t)insn << 40);
    if (!w)
        return;
    w[1] = time;
    memcpy(w + 2, fields, n * sizeof *w);
}

void trace_log_fill(struct trace_log *l, unsigned insn, unsigned array, unsigned slot,
                    uint64_t physical)
{
    uint64_t *w = item(l, 2, LOG_FILL | array << 8 | (uint64_t)slot << 16 | (uint64_t)insn << 40);
    if (w)
        w[1] = physical;
}

void trace_log_view(struct trace_log *l, unsigned insn, unsigned view)
{
    item(l, 1, LOG_VIEW | view << 8 | (uint64_t)insn << 40);
}

void trace_log_cpu(struct trace_log *l, unsigned cpu, uint64_t time, uint64_t index)
{
    uint64_t *w = item(l, 3, LOG_CPU | (uint64_t)cpu << 8 | (uint64_t)LOG_OUTSIDE << 40);
    if (!w)
        return;
    w[1] = time;
    w[2] = index;
}
