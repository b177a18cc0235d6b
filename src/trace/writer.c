// SPDX-License-Identifier: Apache-2.0
// Events one by one: every instruction is a block of its own, and nothing follows from rules.
#include "trace/writer.h"

#include <stdlib.h>
#include <string.h>

#include "trace/log.h"

enum { SLOTS = 4096 };

/* What the file's reader knows of a processor. */
struct known { bool any; uint64_t time, index, cpl, world, cs_base; };

struct trace_writer {
    struct trace_log *log;
    struct trace_header header;
    const struct trace_code *code[SLOTS];
    struct known *cpu;
    uint32_t on, turn;           /* processor and buffer                                          */
    uint64_t time;
    bool begun;
    int cpl, world, cs_base;     /* numbers of these registers                                    */
};

static int register_named(const struct trace_header *h, const char *name)
{
    static const char *const ia32[] = {
#define REGISTER(NAME, name_, bits) #name_,
#include "trace/registers.def"
#undef REGISTER
    };
    unsigned n = h->registers_n ? h->registers_n : TRACE_REGISTERS_IA32;
    for (unsigned k = 0; k < n; k++)
        if (!strcmp(h->registers_n ? h->registers[k].name : ia32[k], name))
            return (int)k;
    return -1;
}

struct trace_writer *trace_writer_open(const char *path, const struct trace_header *from,
                                       struct sp_error *e)
{
    struct trace_header h = *from;
    h.program = "silverpool";
    h.first = 0;
    h.last = UINT64_MAX;
    struct trace_writer *w = calloc(1, sizeof *w);
    if (!w || !(w->cpu = calloc(h.cpus, sizeof *w->cpu)) || !(w->log = trace_log_open(path, &h, e))) {
        if (w && w->cpu)
            free(w->cpu);
        else
            sp_fail(e, SP_EXIT_USAGE, "%s: out of memory", path);
        free(w);
        return NULL;
    }
    w->header = h;
    w->cpl = register_named(&h, "cpl");
    w->world = register_named(&h, "vmx");
    w->cs_base = register_named(&h, "cs_base");
    return w;
}

/* Tells the reader which processor is where, if it does not follow from what was written. */
static struct known *place(struct trace_writer *w, const struct trace_event *event)
{
    struct trace_log *l = w->log;
    struct known *k = &w->cpu[event->cpu % w->header.cpus];
    if (l->at >= l->limit)
        trace_log_begin(l);
    if (w->turn != trace_log_turns(l))
        memset(w->cpu, 0, w->header.cpus * sizeof *w->cpu);
    if (w->turn != trace_log_turns(l) || w->on != event->cpu || w->time != event->time ||
        k->index != event->index || !w->begun)
        trace_log_cpu(l, event->cpu, event->time, event->index);
    w->turn = trace_log_turns(l);
    w->begun = true;
    w->on = event->cpu;
    w->time = event->time;
    k->index = event->index;
    return k;
}

static void add(struct trace_register *r, unsigned *n, int id, uint64_t *known, uint64_t value,
                bool always)
{
    if (id < 0 || (*known == value && !always))
        return;
    r[(*n)++] = (struct trace_register){ .id = (uint16_t)id, .value = { value } };
    *known = value;
}

static void tell_state(struct trace_writer *w, struct known *k, const struct trace_event *event)
{
    const struct trace_insn *i = &event->insn;
    struct trace_register r[3];
    unsigned n = 0;
    add(r, &n, w->cpl, &k->cpl, i->cpl, !k->any);
    add(r, &n, w->world, &k->world, i->world, !k->any);
    if (i->length && i->bits < 64)
        add(r, &n, w->cs_base, &k->cs_base, i->address - i->rip, !k->any);
    k->any = true;
    if (n)
        trace_log_insn(w->log, LOG_OUTSIDE, TRACE_SYNC, false, event->time, r, n);
}

static const struct trace_code *code_of(struct trace_writer *w, const struct trace_insn *i)
{
    unsigned slot = (unsigned)(i->physical * 3 + i->slot) % SLOTS;
    const struct trace_code *c = w->code[slot];
    if (c && c->physical == i->physical && c->bits == i->bits && c->insn[0].slot == i->slot &&
        c->insn[0].length == i->length && !memcmp(c->insn[0].bytes, i->bytes, i->length))
        return c;
    struct trace_code *made = trace_log_code(w->log, 1);
    if (!made)
        return NULL;
    made->physical = i->physical;
    made->bits = i->bits;
    made->insn[0].length = i->length;
    made->insn[0].slot = i->slot;
    memcpy(made->insn[0].bytes, i->bytes, sizeof made->insn[0].bytes);
    trace_code_ready(made);
    return w->code[slot] = made;
}

static void put_effect(struct trace_writer *w, const struct trace_event *event, unsigned insn)
{
    const struct trace_insn *i = &event->insn;
    for (unsigned k = 0; k < i->accesses_n; k++) {
        const struct trace_access *a = &i->accesses[k];
        trace_log_access(w->log, a->linear, a->physical, a->size, a->write, a->system, a->bytes);
    }
    struct trace_register r[TRACE_REGISTERS_MAX];
    unsigned n = 0;
    for (; n < i->registers_n && n < TRACE_REGISTERS_MAX; n++) {
        unsigned id = i->registers[n].id;
        unsigned bits = w->header.registers_n ? w->header.registers[id].bits : trace_ia32_bits(id);
        r[n] = i->registers[n];
        r[n].id = (uint16_t)(id | (bits > 64 ? TRACE_WIDE_ID : 0));
    }
    trace_log_insn(w->log, insn, i->status, true, event->time, r, n);
}

static void put_insn(struct trace_writer *w, const struct trace_event *event)
{
    struct known *k = place(w, event);
    tell_state(w, k, event);
    if (!event->insn.length) {
        put_effect(w, event, LOG_OUTSIDE);
        return;
    }
    const struct trace_code *code = code_of(w, &event->insn);
    if (!code) {
        memset(w->code, 0, sizeof w->code);
        trace_log_forget(w->log);
        tell_state(w, k = place(w, event), event);
        if (!(code = code_of(w, &event->insn)))
            return;
    }
    uint64_t *at = w->log->at;
    at[0] = (uintptr_t)code;
    at[1] = event->insn.rip;
    w->log->at = at + code->words;
    put_effect(w, event, 0);
    w->time++;
    k->index++;
}

void trace_writer_event(struct trace_writer *w, const struct trace_event *event)
{
    if (event->kind == TRACE_EVENT_INSN) {
        put_insn(w, event);
        return;
    }
    place(w, event);
    trace_log_event(w->log, LOG_OUTSIDE, event->time, event->kind, event->field);
}

bool trace_writer_close(struct trace_writer *w, struct sp_error *e)
{
    bool ok = trace_log_close(w->log, e);
    free(w->cpu);
    free(w);
    return ok;
}
