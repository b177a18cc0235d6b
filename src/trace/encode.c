// SPDX-License-Identifier: Apache-2.0
// From the words of a log to the streams of a chunk (docs/trace-format.md, "Streams").
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "trace/file.h"
#include "trace/log.h"

enum { PAGES = 64, GROUP_MAX = 64 };

/* One instruction's record or an item outside of instructions, with the accesses before it. */
struct piece {
    const uint64_t *at, *accesses;
    unsigned accesses_n;
};

struct trace_encoder {
    struct trace_file *file;
    struct trace_stream s[STREAMS];
    uint32_t chunk, codes;
    struct trace_code none;                  /* number 0: items before the first block            */
    struct trace_code *previous;
    uint64_t physical;                       /* of the last block that was described              */
    uint64_t last[TRACE_REGISTERS_MAX][2];   /* as explicit records gave them                     */
    uint64_t linear;                         /* of the last explicit access                       */
    struct { uint64_t linear, physical; } page[PAGES];
    uint64_t time;
    struct trace_chunk about;
    struct piece *pieces;
    size_t pieces_n, pieces_room;
    bool open, failed;           /* open: a chunk has begun                                      */
};

/* ---- numbers ---- */

static void put_byte(struct trace_stream *s, uint8_t b)
{
    if (trace_stream_reserve(s, 1))
        s->bytes[s->used++] = b;
}

static void put_number(struct trace_stream *s, uint64_t v)
{
    if (!trace_stream_reserve(s, TRACE_NUMBER_MAX))
        return;
    for (; v >= 0x80; v >>= 7)
        s->bytes[s->used++] = (uint8_t)(v | 0x80);
    s->bytes[s->used++] = (uint8_t)v;
}

static void put_signed(struct trace_stream *s, uint64_t v) { put_number(s, trace_fold(v)); }

/* ---- the words of a log ---- */

static unsigned kind_of(const uint64_t *w) { return *w & 7; }
static unsigned insn_of(const uint64_t *w) { return *w >> 40 & 0xff; }

static const uint64_t *after(const uint64_t *w)
{
    switch (kind_of(w)) {
    case LOG_BLOCK: return w + ((const struct trace_code *)(uintptr_t)*w)->words;
    case LOG_ACCESS: return w + 3 + ((*w >> 8 & 0xffff) + 7) / 8;
    case LOG_INSN: {
        unsigned n = *w >> 24 & 0xffff;
        for (w += 2; n--;)
            w += *w & TRACE_WIDE ? 3 : 2;
        return w;
    }
    case LOG_EVENT: return w + 2 + trace_kinds[*w >> 8 & 0xff].fields;
    case LOG_FILL: return w + 2;
    case LOG_CPU: return w + 3;
    default: return w + 1;
    }
}

/* ---- STREAM_CODE ---- */

static bool has_address(const struct trace_rule *r)
{
    return r->dst == OPERAND_MEMORY || r->src == OPERAND_MEMORY;
}

static void describe_rule(struct trace_stream *s, const struct trace_rule *r)
{
    const uint8_t head[] = { r->kind, r->size, r->from, r->dst, r->src };
    trace_stream_put(s, head, sizeof head);
    if (has_address(r)) {
        const uint8_t address[] = { r->base, r->index, r->scale };
        trace_stream_put(s, address, sizeof address);
        put_signed(s, (uint64_t)r->disp);
    }
    if (r->src == OPERAND_IMM || r->has_imm)
        put_signed(s, r->imm);
}

static void describe(struct trace_encoder *e, const struct trace_code *code)
{
    struct trace_stream *s = &e->s[STREAM_CODE];
    put_signed(s, code->physical - e->physical);
    e->physical = code->physical;
    put_signed(s, code->rip - code->physical);
    put_byte(s, code->bits);
    put_byte(s, (uint8_t)code->count);
    for (unsigned k = 0; k < code->count; k++) {
        const struct trace_code_insn *i = &code->insn[k];
        bool has_rule = i->rule.kind != RULE_EXPLICIT;
        put_byte(s, (uint8_t)(i->length | i->slot << 5 | has_rule << 7));
        trace_stream_put(s, i->bytes, i->length);
        if (has_rule) {
            put_byte(s, i->rule.has_imm);
            describe_rule(s, &i->rule);
        }
    }
}

/* ---- STREAM_TAGS and STREAM_VALUES ---- */

/* 0: as last time; 1 to 8: bytes of the difference; 9: the last difference again. */
static void put_value(struct trace_encoder *e, uint64_t v, uint64_t last[2])
{
    struct trace_stream *tags = &e->s[STREAM_TAGS], *values = &e->s[STREAM_VALUES];
    uint64_t difference = v - last[0];
    if (!trace_stream_reserve(tags, 1) || !trace_stream_reserve(values, 8))
        return;
    if (!difference) {
        tags->bytes[tags->used++] = 0;
        return;
    }
    if (difference == last[1]) {
        tags->bytes[tags->used++] = 9;
    } else {
        uint64_t folded = trace_fold(difference);
        unsigned n = (71 - (unsigned)__builtin_clzll(folded)) / 8;
        tags->bytes[tags->used++] = (uint8_t)n;
        memcpy(values->bytes + values->used, &folded, 8);
        values->used += n;
    }
    last[0] = v;
    last[1] = difference;
}

static void put_load(struct trace_encoder *e, struct trace_code *code, const struct trace_load *l,
                     const uint64_t *record)
{
    uint64_t v = record[l->room];
    put_value(e, l->size < 8 ? v & (BIT(8 * l->size) - 1) : v, code->last[l->room - 2]);
    if (l->size > 8)
        put_value(e, record[l->room + 1], code->last[l->room - 1]);
}

/* ---- STREAM_EXPLICIT ---- */

static void put_registers(struct trace_encoder *e, const uint64_t *word, unsigned n)
{
    struct trace_stream *s = &e->s[STREAM_EXPLICIT];
    put_number(s, n);
    for (unsigned k = 0; k < n; k++) {
        uint64_t *last = e->last[*word & (TRACE_REGISTERS_MAX - 1)];
        bool wide = *word & TRACE_WIDE;
        put_number(s, *word++ & (TRACE_REGISTERS_MAX - 1));
        for (unsigned half = 0; half <= wide; half++) {
            put_signed(s, *word - last[half]);
            last[half] = *word++;
        }
    }
}

static unsigned size_code(unsigned size)
{
    return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : size == 16 ? 4 : 5;
}

/* `before`: the access that the same record has before this one. */
static void put_access(struct trace_encoder *e, const uint64_t *w, const uint64_t *before)
{
    struct trace_stream *s = &e->s[STREAM_EXPLICIT];
    unsigned size = w[0] >> 8 & 0xffff;
    uint64_t linear = w[1], page = linear >> 12, physical = w[2] >> 12;
    bool known = e->page[page % PAGES].linear == page && e->page[page % PAGES].physical == physical;
    bool same = before && (before[0] >> 8 & 0xffff) == size && !memcmp(w + 3, before + 3, size);
    put_byte(s, (uint8_t)(size_code(size) | (w[0] >> 24 & 3) << 3 | known << 5 | same << 6));
    if (size_code(size) == 5)
        put_number(s, size);
    put_signed(s, linear - e->linear);
    if (!known)
        put_number(s, physical);
    if (!same)
        trace_stream_put(s, w + 3, size);
    e->linear = linear;
    e->page[page % PAGES].linear = page;
    e->page[page % PAGES].physical = physical;
}

static void put_explicit(struct trace_encoder *e, const struct piece *p)
{
    unsigned status = p->at[0] >> 8 & 0xff, registers = p->at[0] >> 24 & 0xffff;
    struct trace_stream *s = &e->s[STREAM_EXPLICIT];
    put_byte(s, (uint8_t)(status | (registers != 0) << 3 | (p->accesses_n != 0) << 4));
    if (registers)
        put_registers(e, p->at + 2, registers);
    if (p->accesses_n)
        put_number(s, p->accesses_n);
    const uint64_t *w = p->accesses, *before = NULL;
    for (unsigned k = 0; k < p->accesses_n; k++) {
        while (kind_of(w) != LOG_ACCESS)    /* other items may stand between */
            w = after(w);
        put_access(e, w, before);
        before = w;
        w = after(w);
    }
}

/* ---- items ---- */

/* The records after a block's, up to the next block's, without accesses. */
static const uint64_t *collect(struct trace_encoder *e, const uint64_t *w, const uint64_t *to)
{
    struct piece p = { 0 };
    e->pieces_n = 0;
    for (; w < to && kind_of(w) != LOG_BLOCK; w = after(w)) {
        if (kind_of(w) == LOG_ACCESS) {
            if (!p.accesses_n++)
                p.accesses = w;
            continue;
        }
        if (e->pieces_n == e->pieces_room) {
            size_t room = e->pieces_room ? 2 * e->pieces_room : 256;
            struct piece *more = realloc(e->pieces, room * sizeof *more);
            if (!more) {
                e->failed = true;
                return to;
            }
            e->pieces = more;
            e->pieces_room = room;
        }
        p.at = w;
        e->pieces[e->pieces_n++] = p;
        if (kind_of(w) == LOG_INSN)
            p = (struct piece){ 0 };
    }
    return w;
}

static bool is_instruction(const uint64_t *w)
{
    return kind_of(w) == LOG_INSN && insn_of(w) != LOG_OUTSIDE;
}

static void put_event(struct trace_encoder *e, const uint64_t *w, uint64_t time)
{
    struct trace_stream *s = &e->s[STREAM_ITEMS];
    unsigned kind = *w >> 8 & 0xff;
    put_byte(s, (uint8_t)kind);
    put_signed(s, w[1] - time);
    for (unsigned k = 0; k < trace_kinds[kind].fields; k++)
        put_number(s, w[2 + k]);
    e->about.events++;
    if (w[1] > e->about.last_time)
        e->about.last_time = w[1];
}

/* An item other than an instruction's record; `time` is that after the instructions before it. */
static void put_item(struct trace_encoder *e, const struct piece *p, unsigned done, uint64_t *time)
{
    static const uint8_t kinds[] = { [LOG_EVENT] = ITEM_EVENT, [LOG_FILL] = ITEM_FILL,
                                     [LOG_VIEW] = ITEM_VIEW, [LOG_CPU] = ITEM_CPU };
    struct trace_stream *s = &e->s[STREAM_ITEMS];
    const uint64_t *w = p->at;
    bool sync = kind_of(w) == LOG_INSN && (*w >> 8 & 0xff) == TRACE_SYNC;
    put_byte(s, kind_of(w) == LOG_INSN ? (sync ? ITEM_SYNC : ITEM_DELIVERY) : kinds[kind_of(w)]);
    put_number(s, done);
    switch (kind_of(w)) {
    case LOG_INSN:
        put_signed(s, w[1] - *time);
        *time = w[1];
        put_explicit(e, p);
        break;
    case LOG_EVENT: put_event(e, w, *time); break;
    case LOG_FILL:
        put_byte(s, (uint8_t)(*w >> 8));
        put_number(s, *w >> 16 & 0xffff);
        put_number(s, w[1] >> 12);
        break;
    case LOG_VIEW: put_byte(s, (uint8_t)(*w >> 8)); break;
    default:
        put_number(s, *w >> 8 & 0xffff);
        put_signed(s, w[1] - *time);
        put_number(s, w[2]);
        *time = w[1];
        break;
    }
}

/* The pieces [from, to) that come before the record of an instruction, or after the last one. */
static void put_group(struct trace_encoder *e, size_t from, size_t to, unsigned done, uint64_t *time)
{
    for (size_t k = from; k < to; k++)
        put_item(e, &e->pieces[k], done, time);
}

/* ---- a block and what belongs to it ---- */

struct shape {
    bool items;              /* there is more than the records of explicit instructions           */
    unsigned begun;          /* instructions of the block that were begun                         */
};

static struct shape shape_of(const struct trace_encoder *e, const struct trace_code *code)
{
    struct shape s = { .begun = code->count };
    for (size_t k = 0; k < e->pieces_n; k++) {
        const uint64_t *w = e->pieces[k].at;
        if (!is_instruction(w)) {
            s.items = true;
            continue;
        }
        s.items |= code->insn[insn_of(w)].rule.kind != RULE_EXPLICIT;
        if (*w >> 16 & 1)
            s.begun = insn_of(w) + 1;
    }
    return s;
}

/* Items and explicit records, in the reader's order: an instruction's record, then what happened in
 * it. */
static void put_pieces(struct trace_encoder *e, const struct trace_code *code, unsigned begun)
{
    size_t group = 0;
    uint64_t start = e->time, time = start;
    for (size_t k = 0; k < e->pieces_n; k++) {
        const uint64_t *w = e->pieces[k].at;
        if (!is_instruction(w))
            continue;
        unsigned n = insn_of(w);
        if (code->insn[n].rule.kind != RULE_EXPLICIT) {
            put_byte(&e->s[STREAM_ITEMS], ITEM_REPLACE);
            put_number(&e->s[STREAM_ITEMS], n);
        }
        put_explicit(e, &e->pieces[k]);
        time = start + n + 1;
        put_group(e, group, k, n + 1, &time);
        group = k + 1;
    }
    time = start + begun;
    put_group(e, group, e->pieces_n, begun, &time);
    e->time = time;
}

/* The loads of a block: all of them, or those that rules explain. */
static void put_loads(struct trace_encoder *e, struct trace_code *code, const uint64_t *record,
                      unsigned begun, bool some)
{
    size_t k = 0;
    for (unsigned j = 0; j < code->loads_n; j++) {
        const struct trace_load *l = &code->load[j];
        if (some) {
            if (l->insn >= begun)
                return;
            while (k < e->pieces_n &&
                   (!is_instruction(e->pieces[k].at) || insn_of(e->pieces[k].at) < l->insn))
                k++;
            if (k < e->pieces_n && insn_of(e->pieces[k].at) == l->insn)
                continue;
        }
        put_load(e, code, l, record);
    }
}

static void number_block(struct trace_encoder *e, struct trace_code *code, uint64_t rip)
{
    code->chunk = e->chunk;
    code->number = e->codes++;
    code->next = 0;
    code->rip = rip;
    if (code->words > 2)
        memset(code->last, 0, (code->words - 2) * sizeof *code->last);
    describe(e, code);
}

static const uint64_t *put_block(struct trace_encoder *e, struct trace_code *code,
                                 const uint64_t *record, const uint64_t *w, const uint64_t *to)
{
    struct shape s = { .begun = code->count };
    bool pieces = w < to && kind_of(w) != LOG_BLOCK;
    if (pieces) {
        w = collect(e, w, to);
        s = shape_of(e, code);
    }
    uint64_t rip = record ? record[1] : 0;
    bool is_new = code->chunk != e->chunk;
    if (is_new)
        number_block(e, code, rip);
    unsigned flags = (code->rip != rip ? IRREGULAR_RIP : 0) |
                     (s.begun != code->count ? IRREGULAR_LEFT : 0) | (s.items ? IRREGULAR_ITEMS : 0);
    if (!is_new && e->previous->next == code->number)
        put_byte(&e->s[STREAM_FLOW], flags != 0);
    else
        put_number(&e->s[STREAM_FLOW], 2 + ((uint64_t)code->number << 1 | (flags != 0)));
    e->previous->next = code->number;
    e->previous = code;
    if (flags) {
        struct trace_stream *items = &e->s[STREAM_ITEMS];
        put_byte(items, (uint8_t)flags);
        if (flags & IRREGULAR_RIP)
            put_signed(items, rip - code->rip);
        if (flags & IRREGULAR_LEFT)
            put_byte(items, (uint8_t)s.begun);
    }
    code->rip = rip;
    put_loads(e, code, record, s.begun, pieces);
    e->about.instructions += s.begun;
    if (pieces)
        put_pieces(e, code, s.begun);
    else
        e->time += s.begun;
    if (s.items)
        put_byte(&e->s[STREAM_ITEMS], ITEM_END);
    if (e->time > e->about.last_time)
        e->about.last_time = e->time;
    return w;
}

/* ---- a stretch ---- */

static void begin(struct trace_encoder *e, uint64_t time)
{
    e->chunk++;
    e->codes = 1;
    e->none = (struct trace_code){ .chunk = e->chunk, .words = 2 };
    e->previous = &e->none;
    e->physical = e->linear = 0;
    memset(e->last, 0, sizeof e->last);
    memset(e->page, 0, sizeof e->page);
    e->open = true;
    e->time = time;
    e->about = (struct trace_chunk){ .first_time = time, .last_time = time };
    for (unsigned k = 0; k < STREAMS; k++)
        e->s[k].used = 0;
}

struct trace_encoder *trace_encoder_create(struct trace_file *f)
{
    struct trace_encoder *e = calloc(1, sizeof *e);
    if (e)
        e->file = f;
    return e;
}

void trace_encoder_free(struct trace_encoder *e)
{
    if (!e)
        return;
    for (unsigned k = 0; k < STREAMS; k++)
        free(e->s[k].bytes);
    free(e->pieces);
    free(e);
}

/* Items at the start of a buffer belong to no block of it. */
static void put_stretch(struct trace_encoder *e, const uint64_t *from, const uint64_t *to)
{
    if (kind_of(from) != LOG_BLOCK)
        from = put_block(e, &e->none, NULL, from, to);
    while (from < to && !e->failed) {
        struct trace_code *code = (struct trace_code *)(uintptr_t)*from;
        const uint64_t *next = from + code->words;
        __builtin_prefetch((const void *)(uintptr_t)*next);     /* of a block; harmless of an item */
        from = code->count ? put_block(e, code, from, next, to)
                           : put_block(e, &e->none, NULL, next, to);
    }
}

void trace_encode(struct trace_encoder *e, const uint64_t *from, const uint64_t *to, bool ends_chunk)
{
    if (!e->open && from < to)
        begin(e, kind_of(from) == LOG_CPU ? from[1] : e->time);
    if (from < to)
        put_stretch(e, from, to);
    if (!ends_chunk || !e->open)
        return;
    e->open = false;
    if (e->failed)
        e->s[0].failed = true;
    trace_file_chunk(e->file, e->s, &e->about);
}
