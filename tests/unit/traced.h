// SPDX-License-Identifier: Apache-2.0
// A machine whose run is traced, and the trace held against it.
#ifndef SP_TESTS_TRACED_H
#define SP_TESTS_TRACED_H

#include <stdlib.h>
#include <unistd.h>

#include "bare.h"
#include "cpu/flags.h"
#include "trace/log.h"

enum { TRACED_PAGES = 4096 };

struct traced {
    struct machine *m;
    struct trace_log *log;
    char path[32];
    uint8_t (*bytes)[4096];       /* memory as accesses have shown it                            */
    uint8_t (*known)[4096];
    unsigned events[TRACE_KINDS];
};

static inline void traced_begin(struct traced *t, struct machine *m, uint32_t classes)
{
    struct sp_error e = { 0 };
    const struct trace_header h = { .classes = classes, .cpus = machine_cpu_count(m),
                                    .tlb_slots = TLB_SLOTS, .last = UINT64_MAX };
    *t = (struct traced){ .m = m, .path = "/tmp/sp-traced-XXXXXX" };
    close(mkstemp(t->path));
    t->log = trace_log_open(t->path, &h, &e);
    cr_assert(t->log, "%s", e.message);
    cr_assert(machine_trace(m, t->log));
}

/* Ends the trace and opens it. */
static inline struct trace_reader *traced_end(struct traced *t)
{
    struct sp_error e = { 0 };
    machine_trace(t->m, NULL);
    cr_assert(trace_log_close(t->log, &e), "%s", e.message);
    struct trace_reader *r = trace_open(t->path, &e);
    cr_assert(r, "%s", e.message);
    unlink(t->path);
    return r;
}

/* Memory reads as what was read or written there before. */
static inline void traced_access(struct traced *t, const struct trace_event *event,
                                 const struct trace_access *a)
{
    uint64_t page = a->physical >> 12, at = a->physical & 4095;
    cr_assert_leq(at + a->size, 4096);
    for (unsigned k = 0; k < a->size && page < TRACED_PAGES; k++) {
        if (!a->write && t->known[page][at + k])
            cr_assert_eq(t->bytes[page][at + k], a->bytes[k], "time %lu: byte %u at %#lx",
                         event->time, k, a->physical);
        t->bytes[page][at + k] = a->bytes[k];
        t->known[page][at + k] = 1;
    }
}

/* The next event, whose accesses agree with those before it; false at the end. */
static inline bool traced_next(struct traced *t, struct trace_reader *r, struct trace_event *event)
{
    struct sp_error e = { 0 };
    enum trace_result result = trace_next(r, event, &e);
    cr_assert_neq(result, TRACE_BAD, "%s", e.message);
    if (result == TRACE_END)
        return false;
    t->events[event->kind]++;
    for (unsigned k = 0; event->kind == TRACE_EVENT_INSN && k < event->insn.accesses_n; k++)
        traced_access(t, event, &event->insn.accesses[k]);
    return true;
}

static inline void traced_register(struct trace_reader *r, const struct cpu *c, unsigned id,
                                   uint64_t want)
{
    uint64_t v[2] = { 0 };
    cr_assert(trace_register_value(r, c->index, id, v), "register %u", id);
    cr_assert_eq(v[0], want, "%s of processor %u: %#lx, not %#lx",
                 trace_header_of(r)->registers[id].name, c->index, v[0], want);
}

/* All of the trace, which ends with what the processor ended with: registers that only rules and
 * records have told, and memory that was written. */
static inline void traced_check(struct traced *t)
{
    struct trace_event event;
    t->bytes = calloc(TRACED_PAGES, sizeof *t->bytes);
    t->known = calloc(TRACED_PAGES, sizeof *t->known);
    struct trace_reader *r = traced_end(t);
    while (traced_next(t, r, &event))
        continue;
    cr_assert_eq(trace_surprises(r), 0);
    for (unsigned n = 0; n < machine_cpu_count(t->m); n++) {
        const struct cpu *c = machine_cpu(t->m, n);
        if (!c->retired)
            continue;
        for (unsigned k = 0; k < 16; k++) {
            traced_register(r, c, k, c->gpr[k]);
            traced_register(r, c, TREG_XMM0 + k, c->fpu.xmm[k].q[0]);
        }
        traced_register(r, c, TREG_RFLAGS, cpu_rflags(c));
        traced_register(r, c, TREG_CR0, c->cr0);
        traced_register(r, c, TREG_CS, c->seg[CS].selector);
    }
    for (uint64_t page = 0; page < TRACED_PAGES; page++)
        for (unsigned k = 0; k < 4096; k++)
            if (t->known[page][k])
                cr_assert_eq(t->bytes[page][k], mem_read_le(machine_mem(t->m), page << 12 | k, 1),
                             "memory at %#lx", page << 12 | k);
    trace_close(r);
    free(t->bytes);
    free(t->known);
}

#endif
