// SPDX-License-Identifier: Apache-2.0
#include "trace/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "trace/decode.h"

enum { PAGES = 64 };

/* The accesses and registers of the event that was given last. */
struct shown {
    struct trace_register *registers;
    struct trace_access *accesses;
    size_t registers_n, registers_room, accesses_n, accesses_room;
    uint8_t *bytes;
    size_t bytes_n, bytes_room;
};

struct trace_reader {
    struct trace_source source;
    struct trace_streams streams;
    struct replay_cpu *cpus;
    unsigned chunk;                 /* the next one to load                                       */
    uint64_t skip;                  /* events before this time are not given                      */
    int cpl, world, vm, cs_base;        /* numbers of these registers, -1: the trace has none         */
    bool loaded;
    uint64_t surprises;
    /* The chunk's. */
    struct trace_code **codes;
    uint32_t codes_n;
    size_t codes_room;
    struct trace_code none, *code;  /* the block that goes on, NULL: the next one is to be begun  */
    struct trace_code *previous;
    uint64_t physical, linear, rip, start, time, offset;
    uint64_t last[TRACE_REGISTERS_MAX][2];
    struct { uint64_t linear, physical; } page[PAGES];
    unsigned cpu, done, begun;      /* instructions of the block: told, and told of               */
    bool items, replaced;
    int item;                       /* that comes next, -1: none was looked at                    */
    unsigned item_at;
    struct replay_effect effect;
    struct shown shown;
};

/* ---- life ---- */

static bool make_cpus(struct trace_reader *r, struct sp_error *e)
{
    const struct trace_header *h = &r->source.header;
    r->cpus = calloc(h->cpus, sizeof *r->cpus);
    return r->cpus || sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: out of memory", r->source.name);
}

/* Pages of a processor that the trace tells of; made when it first does. */
static bool make_pages(struct trace_reader *r, struct replay_cpu *c)
{
    for (unsigned a = 0; a < TLB_ARRAYS; a++)
        if (!c->page[a] && !(c->page[a] = calloc(r->source.header.tlb_slots, sizeof(uint64_t))))
            return false;
    return true;
}

static int register_named(const struct trace_reader *r, const char *name)
{
    const struct trace_header *h = &r->source.header;
    for (unsigned k = 0; k < h->registers_n; k++)
        if (!strcmp(h->registers[k].name, name))
            return (int)k;
    return -1;
}

static struct trace_reader *open_source(struct trace_reader *r, struct sp_error *e)
{
    r->item = -1;
    if (r->source.name && trace_source_open(&r->source, e) && make_cpus(r, e)) {
        r->cpl = register_named(r, "cpl");
        r->world = register_named(r, "vmx");
        r->vm = register_named(r, "vm");
        r->cs_base = register_named(r, "cs_base");
        return r;
    }
    trace_close(r);
    return NULL;
}

struct trace_reader *trace_open(const char *path, struct sp_error *e)
{
    struct trace_reader *r = calloc(1, sizeof *r);
    if (!r || !(r->source.in = fopen(path, "rb"))) {
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", path, strerror(errno));
        free(r);
        return NULL;
    }
    r->source.name = strdup(path);
    off_t size = fseeko(r->source.in, 0, SEEK_END) ? -1 : ftello(r->source.in);
    if (size < 0) {
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", path, strerror(errno));
        trace_close(r);
        return NULL;
    }
    r->source.size = (uint64_t)size;
    return open_source(r, e);
}

struct trace_reader *trace_open_memory(const void *bytes, size_t n, const char *name,
                                       struct sp_error *e)
{
    struct trace_reader *r = calloc(1, sizeof *r);
    if (!r) {
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: out of memory", name);
        return NULL;
    }
    r->source.memory = bytes;
    r->source.size = n;
    r->source.name = strdup(name);
    return open_source(r, e);
}

static void forget_codes(struct trace_reader *r)
{
    for (uint32_t k = 1; k < r->codes_n; k++)
        free(r->codes[k]);
    r->codes_n = 0;
}

void trace_close(struct trace_reader *r)
{
    if (!r)
        return;
    forget_codes(r);
    free(r->codes);
    for (unsigned k = 0; r->cpus && k < r->source.header.cpus; k++)
        for (unsigned a = 0; a < TLB_ARRAYS; a++)
            free(r->cpus[k].page[a]);
    free(r->cpus);
    free(r->shown.registers);
    free(r->shown.accesses);
    free(r->shown.bytes);
    trace_streams_free(&r->streams);
    trace_source_close(&r->source);
    free(r);
}

const struct trace_header *trace_header_of(const struct trace_reader *r)
{
    return &r->source.header;
}

const struct trace_chunk *trace_chunks(const struct trace_reader *r, unsigned *n)
{
    *n = r->source.chunks_n;
    return r->source.chunks;
}

const char *trace_truncated(const struct trace_reader *r) { return r->source.truncated; }

bool trace_register_value(const struct trace_reader *r, unsigned cpu, unsigned id,
                          uint64_t value[2])
{
    if (cpu >= r->source.header.cpus || id >= r->source.header.registers_n ||
        !r->cpus[cpu].known[id])
        return false;
    memcpy(value, r->cpus[cpu].reg[id], 2 * sizeof *value);
    return true;
}

uint64_t trace_surprises(const struct trace_reader *r) { return r->surprises; }

static void fault(struct trace_reader *r, const char *what)
{
    if (!r->streams.fault)
        r->streams.fault = what;
}

/* ---- explicit records ---- */

static bool grow(void **list, size_t *room, size_t used, size_t n, size_t size)
{
    if (*room - used >= n)
        return true;
    size_t more = 2 * *room + n + 16;
    void *larger = realloc(*list, more * size);
    if (!larger)
        return false;
    *list = larger;
    *room = more;
    return true;
}

static void take_registers(struct trace_reader *r, struct replay_cpu *c, bool sync)
{
    struct shown *v = &r->shown;
    uint64_t n = trace_take_number(&r->streams, STREAM_EXPLICIT);
    for (uint64_t k = 0; k < n && !r->streams.fault; k++) {
        uint64_t id = trace_take_number(&r->streams, STREAM_EXPLICIT);
        if (id >= r->source.header.registers_n ||
            !grow((void **)&v->registers, &v->registers_room, v->registers_n, 1,
                  sizeof *v->registers)) {
            fault(r, "a register that there is not");
            return;
        }
        bool wide = r->source.header.registers[id].bits > 64;
        for (unsigned half = 0; half <= wide; half++) {
            r->last[id][half] += trace_take_signed(&r->streams, STREAM_EXPLICIT);
            r->surprises += sync && c->known[id] && c->reg[id][half] != r->last[id][half];
            c->reg[id][half] = r->last[id][half];
        }
        c->known[id] = true;
        struct trace_register *t = &v->registers[v->registers_n++];
        t->id = (uint16_t)id;
        memcpy(t->value, c->reg[id], sizeof t->value);
    }
}

static void take_access(struct trace_reader *r)
{
    struct shown *v = &r->shown;
    struct trace_streams *s = &r->streams;
    uint8_t flags = trace_take_byte(s, STREAM_EXPLICIT);
    uint64_t size = (flags & 7) < 5 ? UINT64_C(1) << (flags & 7) : trace_take_number(s, STREAM_EXPLICIT);
    uint64_t linear = r->linear += trace_take_signed(s, STREAM_EXPLICIT), page = linear >> 12;
    uint64_t physical = r->page[page % PAGES].physical;
    if (!(flags & 32))
        physical = trace_take_number(s, STREAM_EXPLICIT);
    r->page[page % PAGES].physical = physical;
    if (size > 65535 || !grow((void **)&v->bytes, &v->bytes_room, v->bytes_n, size, 1) ||
        !grow((void **)&v->accesses, &v->accesses_room, v->accesses_n, 1, sizeof *v->accesses)) {
        fault(r, "an access of a strange size");
        return;
    }
    bool same = flags & 64;
    if (same && (!v->accesses_n || v->accesses[v->accesses_n - 1].size != size))
        fault(r, "an access like none before");
    else if (same)
        memcpy(v->bytes + v->bytes_n, v->bytes + v->bytes_n - size, size);
    else
        trace_take_bytes(s, STREAM_EXPLICIT, v->bytes + v->bytes_n, size);
    v->accesses[v->accesses_n++] = (struct trace_access){
        .linear = linear, .physical = physical << 12 | (linear & 0xfff), .size = (uint32_t)size,
        .write = flags >> 3 & 1, .system = flags >> 4 & 1,
        .bytes = (const uint8_t *)(uintptr_t)v->bytes_n,       /* until the bytes stay in place   */
    };
    v->bytes_n += size;
}

static enum trace_status take_explicit(struct trace_reader *r)
{
    struct shown *v = &r->shown;
    v->registers_n = v->accesses_n = v->bytes_n = 0;
    uint8_t head = trace_take_byte(&r->streams, STREAM_EXPLICIT);
    if (head & 8)
        take_registers(r, &r->cpus[r->cpu], (head & 7) == TRACE_SYNC);
    uint64_t n = head & 16 ? trace_take_number(&r->streams, STREAM_EXPLICIT) : 0;
    for (uint64_t k = 0; k < n && !r->streams.fault; k++)
        take_access(r);
    for (size_t k = 0; k < v->accesses_n; k++)
        v->accesses[k].bytes = v->bytes + (uintptr_t)v->accesses[k].bytes;
    if ((head & 7) > TRACE_SYNC)
        fault(r, "a status that there is not");
    return (enum trace_status)(head & 7);
}

/* ---- events ---- */

static void show(struct trace_reader *r, struct trace_event *event, bool explicit)
{
    uint32_t classes = r->source.header.classes;
    struct trace_insn *i = &event->insn;
    i->registers = explicit ? r->shown.registers : r->effect.registers;
    i->accesses = explicit ? r->shown.accesses : r->effect.accesses;
    i->registers_n = explicit ? (unsigned)r->shown.registers_n : r->effect.registers_n;
    i->accesses_n = explicit ? (unsigned)r->shown.accesses_n : r->effect.accesses_n;
    if (!(classes & TRACE_REGISTERS)) {
        i->registers = NULL;
        i->registers_n = 0;
    }
    if (!(classes & TRACE_MEMORY)) {
        i->accesses = NULL;
        i->accesses_n = 0;
    }
}

static void stamp(const struct trace_reader *r, struct trace_event *event, enum trace_kind kind)
{
    memset(event, 0, sizeof *event);
    event->kind = kind;
    event->cpu = r->cpu;
    event->index = r->cpus[r->cpu].index;
    event->time = r->time;
}

static uint64_t state(const struct trace_reader *r, int id)
{
    return id < 0 ? 0 : r->cpus[r->cpu].reg[id][0];
}

static void describe_state(const struct trace_reader *r, struct trace_insn *i)
{
    i->cpl = (uint8_t)state(r, r->cpl);
    i->world = (enum trace_world)(state(r, r->world) % (TRACE_NONROOT + 1));
    if (state(r, r->vm))
        i->world = TRACE_NONROOT;
}

static bool take_event(struct trace_reader *r, struct trace_event *event)
{
    struct trace_streams *s = &r->streams;
    unsigned number = trace_take_byte(s, STREAM_ITEMS);
    uint64_t moved = trace_take_signed(s, STREAM_ITEMS);
    if (number >= r->source.kinds) {
        fault(r, "an event that there is not");
        return false;
    }
    int kind = r->source.kind[number];
    stamp(r, event, kind > 0 ? (enum trace_kind)kind : TRACE_EVENT_STOP);
    event->time += moved;
    event->index += moved;
    for (unsigned k = 0; k < r->source.fields[number]; k++) {
        uint64_t v = trace_take_number(s, STREAM_ITEMS);
        if (kind > 0 && k < trace_kinds[kind].fields)
            event->field[k] = v;
    }
    return kind > 0 && !s->fault;
}

static bool take_delivery(struct trace_reader *r, struct trace_event *event, bool told)
{
    uint64_t moved = trace_take_signed(&r->streams, STREAM_ITEMS);
    r->time += moved;
    r->cpus[r->cpu].index += moved;
    stamp(r, event, TRACE_EVENT_INSN);
    event->insn.status = take_explicit(r);
    describe_state(r, &event->insn);
    show(r, event, true);
    return told && !r->streams.fault && r->source.header.classes & TRACE_INSTRUCTIONS &&
           (event->insn.registers_n || event->insn.accesses_n);
}

static void take_fill(struct trace_reader *r)
{
    struct trace_streams *s = &r->streams;
    struct replay_cpu *c = &r->cpus[r->cpu];
    unsigned array = trace_take_byte(s, STREAM_ITEMS);
    uint64_t slot = trace_take_number(s, STREAM_ITEMS), page = trace_take_number(s, STREAM_ITEMS);
    if (array >= TLB_ARRAYS || slot >= r->source.header.tlb_slots || !make_pages(r, c))
        fault(r, "a translation that cannot be");
    else
        c->page[array][slot] = page;
}

static void take_cpu(struct trace_reader *r)
{
    struct trace_streams *s = &r->streams;
    uint64_t cpu = trace_take_number(s, STREAM_ITEMS);
    r->time += trace_take_signed(s, STREAM_ITEMS);
    uint64_t index = trace_take_number(s, STREAM_ITEMS);
    if (cpu >= r->source.header.cpus) {
        fault(r, "a processor that there is not");
        return;
    }
    r->cpu = (unsigned)cpu;
    r->cpus[cpu].index = index;
    if (!make_pages(r, &r->cpus[cpu]))
        fault(r, "out of memory");
}

/* The item that was looked at; true if it is an event for the caller. */
static bool take_item(struct trace_reader *r, struct trace_event *event)
{
    int kind = r->item;
    r->item = -1;
    switch (kind) {
    case ITEM_END: r->items = false; return false;
    case ITEM_REPLACE: r->replaced = true; return false;
    case ITEM_EVENT: return take_event(r, event);
    case ITEM_DELIVERY: return take_delivery(r, event, true);
    case ITEM_SYNC: return take_delivery(r, event, false);
    case ITEM_FILL: take_fill(r); return false;
    case ITEM_VIEW: r->cpus[r->cpu].view = trace_take_byte(&r->streams, STREAM_ITEMS) % 3; return false;
    case ITEM_CPU: take_cpu(r); return false;
    default: fault(r, "an item that there is not"); return false;
    }
}

/* Whether an item stands at this point of the block. */
static bool item_is_due(struct trace_reader *r)
{
    if (!r->items || r->replaced)
        return false;
    if (r->item < 0) {
        r->item = trace_take_byte(&r->streams, STREAM_ITEMS);
        r->item_at = r->item == ITEM_END ? r->begun : (unsigned)trace_take_number(&r->streams, STREAM_ITEMS);
        if (r->item_at > r->begun || r->item_at < r->done)
            fault(r, "an item at a strange place");
    }
    return r->item_at == r->done;
}

/* ---- blocks ---- */

static bool add_code(struct trace_reader *r, struct trace_code *code)
{
    if (!grow((void **)&r->codes, &r->codes_room, r->codes_n, 1, sizeof(*r->codes))) {
        free(code);
        fault(r, "out of memory");
        return false;
    }
    r->codes[r->codes_n++] = code;
    return true;
}

static bool begin_block(struct trace_reader *r)
{
    struct trace_streams *s = &r->streams;
    uint64_t token = trace_take_number(s, STREAM_FLOW);
    uint32_t number = token < 2 ? r->previous->next : (uint32_t)((token - 2) >> 1);
    if (number == r->codes_n) {
        struct trace_code *code = trace_take_code(s, &r->physical);
        if (!code || !add_code(r, code))
            return false;
    }
    if (number >= r->codes_n) {
        fault(r, "a block that was not described");
        return false;
    }
    r->code = r->codes[number];
    r->previous->next = number;
    r->previous = r->code;
    r->done = 0;
    r->begun = r->code->count;
    unsigned flags = (token < 2 ? token : token - 2) & 1 ? trace_take_byte(s, STREAM_ITEMS) : 0;
    if (flags & IRREGULAR_RIP)
        r->code->rip += trace_take_signed(s, STREAM_ITEMS);
    if (flags & IRREGULAR_LEFT)
        r->begun = trace_take_byte(s, STREAM_ITEMS);
    if (r->begun > r->code->count)
        fault(r, "more instructions than a block has");
    r->items = flags & IRREGULAR_ITEMS;
    r->replaced = false;
    r->rip = r->code->rip;
    r->offset = 0;
    return !s->fault;
}

/* Instruction r->done of the block. */
static bool take_insn(struct trace_reader *r, struct trace_event *event)
{
    struct trace_code *code = r->code;
    const struct trace_code_insn *i = &code->insn[r->done];
    struct replay_cpu *c = &r->cpus[r->cpu];
    uint64_t offset = r->offset, load[2];
    stamp(r, event, TRACE_EVENT_INSN);
    struct trace_insn *out = &event->insn;
    memcpy(out->bytes, i->bytes, sizeof out->bytes);
    out->length = i->length;
    out->slot = i->slot;
    out->bits = code->bits;
    out->rip = r->rip + offset;
    out->physical = code->physical + offset;
    out->address = code->bits >= 64 ? out->rip : (uint32_t)(out->rip + state(r, r->cs_base));
    describe_state(r, out);
    bool explicit = i->rule.kind == RULE_EXPLICIT || r->replaced;
    r->replaced = false;
    if (explicit) {
        out->status = take_explicit(r);
    } else {
        trace_take_load(&r->streams, code, r->done, load);
        if (!make_pages(r, c)) {
            fault(r, "out of memory");
            return false;
        }
        replay_insn(c, code, i, r->rip, r->rip + offset + i->length, r->source.header.tlb_slots,
                    load, &r->effect);
    }
    show(r, event, explicit);
    r->done++;
    r->time++;
    c->index++;
    r->offset = code->bits == 128 ? 0 : offset + i->length;
    return !r->streams.fault && r->source.header.classes & TRACE_INSTRUCTIONS;
}

/* ---- chunks ---- */

static bool load_chunk(struct trace_reader *r, struct sp_error *e)
{
    const struct trace_chunk *c = &r->source.chunks[r->chunk];
    forget_codes(r);
    r->loaded = false;
    if (!trace_streams_load(&r->streams, &r->source, c, e))
        return false;
    if (!grow((void **)&r->codes, &r->codes_room, 0, 1, sizeof(*r->codes)))
        return trace_bad(&r->source, e, c->offset, "out of memory");
    r->none = (struct trace_code){ .bits = 64 };
    r->codes[0] = r->previous = &r->none;
    r->codes_n = 1;
    r->code = NULL;
    r->item = -1;
    r->items = r->replaced = false;
    r->physical = r->linear = 0;
    r->time = c->first_time;
    memset(r->last, 0, sizeof r->last);
    memset(r->page, 0, sizeof r->page);
    r->loaded = true;
    r->chunk++;
    return true;
}

/* One step within the chunk; true if *event is an event. */
static bool step(struct trace_reader *r, struct trace_event *event)
{
    if (!r->code) {
        begin_block(r);
        return false;
    }
    if (item_is_due(r))
        return !r->streams.fault && take_item(r, event);
    if (r->done < r->begun)
        return !r->streams.fault && take_insn(r, event);
    r->code = NULL;
    return false;
}

static bool chunk_is_over(const struct trace_reader *r)
{
    return !r->code && trace_at_end(&r->streams, STREAM_FLOW);
}

enum trace_result trace_next(struct trace_reader *r, struct trace_event *event, struct sp_error *e)
{
    const struct trace_header *h = &r->source.header;
    for (;;) {
        if (!r->loaded || chunk_is_over(r)) {
            if (r->chunk >= r->source.chunks_n)
                return TRACE_END;
            if (!load_chunk(r, e))
                return TRACE_BAD;
            continue;
        }
        bool found = step(r, event);
        if (r->streams.fault) {
            trace_bad(&r->source, e, r->source.chunks[r->chunk - 1].offset, "damaged: %s",
                      r->streams.fault);
            return TRACE_BAD;
        }
        if (found && event->time >= h->last)
            return TRACE_END;
        if (found && event->time >= h->first && event->time >= r->skip)
            return TRACE_OK;
    }
}

/* ---- finding and copying ---- */

void trace_seek(struct trace_reader *r, uint64_t time)
{
    unsigned low = 0, high = r->source.chunks_n;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (r->source.chunks[middle].last_time < time)
            low = middle + 1;
        else
            high = middle;
    }
    r->chunk = low;
    r->loaded = false;
    r->skip = time;
}

static bool copy_chunk(struct trace_reader *r, struct trace_file *f, const struct trace_chunk *c,
                       struct sp_error *e)
{
    struct trace_streams s = { 0 };
    uint8_t *bytes = trace_streams_load(&s, &r->source, c, e) ? malloc(c->bytes) : NULL;
    bool ok = bytes && trace_source_read(&r->source, c->offset, bytes, c->bytes, e);
    if (ok)
        trace_file_copy(f, bytes, c);
    else if (!bytes && s.bytes)
        trace_bad(&r->source, e, c->offset, "out of memory");
    free(bytes);
    trace_streams_free(&s);
    return ok;
}

bool trace_slice(struct trace_reader *r, uint64_t first, uint64_t last, const char *path,
                 struct sp_error *e)
{
    struct trace_header h = r->source.header;
    h.first = first > h.first ? first : h.first;
    h.last = last < h.last ? last : h.last;
    struct trace_file *f = trace_file_create(path, &h, e);
    bool ok = f;
    for (unsigned k = 0; ok && k < r->source.chunks_n; k++) {
        const struct trace_chunk *c = &r->source.chunks[k];
        if (c->last_time >= h.first && c->first_time < h.last)
            ok = copy_chunk(r, f, c, e);
    }
    return f && trace_file_close(f, ok ? e : NULL) && ok;
}
