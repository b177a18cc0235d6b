// SPDX-License-Identifier: Apache-2.0
// Recording: each operation is a block of its own in the log, with a record that says all.
#include "ipf/trace.h"

#include <stdio.h>
#include <stdlib.h>

#include "ipf/cpu.h"
#include "mem/phys.h"
#include "trace/registers_ipf.h"

enum { HASHES = 1 << 16 };

/* An operation that ran: its bytes as they stood in memory then. */
struct known {
    struct known *other; /* with the same hash                              */
    struct trace_code *code;
    uint64_t pa;
    uint64_t bundle[2];
    uint32_t generation; /* the bundle was compared with memory in this one */
    uint8_t slot;
    struct ipf_writes writes;
};

/* What the processors of a machine share. */
struct shared {
    struct trace_log *log;
    struct ipf_cpu *running;
    struct known *known[HASHES];
    uint32_t generation; /* changes when blocks are dropped                 */
};

struct ipf_trace {
    struct shared *shared;
    struct trace_log *log;
    struct ipf_told told;
    uint64_t time, index; /* what readers take them to be                   */
    uint32_t turns;       /* of the chunk that has this processor's state   */
    unsigned done;        /* operations of the block                        */
    bool inside;          /* an operation runs                              */
    bool went_on;         /* to the one behind it                           */
    bool faulted;
    bool between; /* something happened between operations                  */
};

static uint64_t now(const struct ipf_cpu *c) { return c->retired + c->idle + c->trace->done; }

/* ---- places in the log ---- */

static unsigned number_of(const struct trace_register *r) { return r->id & ~TRACE_WIDE_ID; }

static void log_registers(struct ipf_trace *t, unsigned insn, enum trace_status status,
                          uint64_t time)
{
    struct trace_register *r = t->told.changed;
    for (unsigned k = 1; k < t->told.n; k++) /* nearly in order already */
        for (unsigned j = k; j && number_of(&r[j]) < number_of(&r[j - 1]); j--) {
            struct trace_register other = r[j];
            r[j] = r[j - 1];
            r[j - 1] = other;
        }
    trace_log_insn(t->log, insn, status, false, time, r, t->told.n);
}

static void place(struct ipf_cpu *c)
{
    struct ipf_trace *t = c->trace;
    t->time = now(c);
    t->index = c->retired + t->done;
    t->shared->running = c;
    trace_log_cpu(t->log, c->index, t->time, t->index);
}

static void tell_state(struct ipf_cpu *c)
{
    struct ipf_trace *t = c->trace;
    place(c);
    t->turns = trace_log_turns(t->log);
    t->between = false;
    if (!(t->log->classes & TRACE_INSTRUCTIONS))
        return;
    ipf_trace_whole(&t->told, c);
    log_registers(t, LOG_OUTSIDE, TRACE_SYNC, t->time);
}

/* What happened since the last operation. */
static void tell_between(struct ipf_cpu *c)
{
    static const struct ipf_writes any = { .others = WRITES_ANY };
    struct ipf_trace *t = c->trace;
    t->between = false;
    if (!(t->log->classes & TRACE_INSTRUCTIONS))
        return;
    t->told.n = 0;
    ipf_trace_compare(&t->told, c, &any);
    if (t->shared->running != c)
        place(c);
    if (now(c) - t->time == c->retired + t->done - t->index) {
        t->time = now(c);
        t->index = c->retired + t->done;
    }
    log_registers(t, LOG_OUTSIDE, TRACE_DELIVERED, t->time);
}

/* Between operations: the log goes on here. */
static void arrive(struct ipf_cpu *c)
{
    struct ipf_trace *t = c->trace;
    struct trace_log *l = t->log;
    bool fresh = l->at >= l->limit && trace_log_begin(l);
    if (fresh || t->turns != trace_log_turns(l)) {
        tell_state(c);
        return;
    }
    if (t->between || c->psr != t->told.value[IREG_PSR][0])
        tell_between(c);
    if (t->shared->running != c || t->time != now(c) || t->index != c->retired + t->done)
        place(c);
}

/* ---- code ---- */

static void read_bundle(const struct ipf_cpu *c, uint64_t pa, uint64_t bundle[2])
{
    bundle[0] = mem_read_le(c->mem, pa, 8);
    bundle[1] = mem_read_le(c->mem, pa + 8, 8);
}

static struct ipf_writes writes_of(const struct known *k)
{
    struct ipf_bundle b = ipf_bundle(k->bundle[0], k->bundle[1]);
    const struct ipf_template *t = ipf_template(b.template);
    bool is_long = t->unit[1] == IPF_L && k->slot == 1;
    unsigned at = is_long ? 2 : k->slot;
    struct ipf_slot s = { 0 };
    if (t->unit[0] == IPF_L || !ipf_decode((enum ipf_unit)t->unit[at], b.slot[at], b.slot[1], &s))
        s.row = NULL;
    return ipf_trace_writes(&s);
}

static struct trace_code *describe(struct trace_log *l, const struct known *k)
{
    struct trace_code *code = trace_log_code(l, 1);
    if (!code)
        return NULL;
    code->physical = k->pa;
    code->bits = 128;
    code->insn[0].length = 16;
    code->insn[0].slot = k->slot;
    memcpy(code->insn[0].bytes, k->bundle, 16);
    trace_code_ready(code);
    return code;
}

static void forget(struct shared *s)
{
    for (unsigned n = 0; n < HASHES; n++)
        while (s->known[n]) {
            struct known *k = s->known[n];
            s->known[n] = k->other;
            free(k);
        }
}

/* The operation at a slot; NULL: there is too much code in the log, or no memory. */
static struct known *find(struct ipf_cpu *c, uint64_t pa, unsigned slot)
{
    struct shared *s = c->trace->shared;
    struct known **chain = &s->known[(pa >> 4 ^ pa >> 18 ^ slot << 14) % HASHES], *k = *chain;
    while (k && (k->pa != pa || k->slot != slot))
        k = k->other;
    if (likely(k && k->generation == s->generation))
        return k;
    uint64_t bundle[2];
    read_bundle(c, pa, bundle);
    if (!k) {
        k = calloc(1, sizeof *k);
        if (!k)
            return NULL;
        *k = (struct known){ .other = *chain, .pa = pa, .slot = (uint8_t)slot };
        *chain = k;
    }
    if (!k->code || memcmp(bundle, k->bundle, sizeof bundle)) {
        memcpy(k->bundle, bundle, sizeof bundle);
        k->writes = writes_of(k);
        k->code = describe(s->log, k);
    }
    k->generation = s->generation;
    return k->code ? k : NULL;
}

/* The same; if there is too much, from the beginning.  NULL: no memory. */
static struct known *find_or_forget(struct ipf_cpu *c, uint64_t pa, unsigned slot)
{
    struct known *k = find(c, pa, slot);
    if (k)
        return k;
    forget(c->trace->shared);
    trace_log_forget(c->trace->log);
    arrive(c);
    return find(c, pa, slot);
}

/* The run ends behind this operation, which is not in the trace. */
static void out_of_memory(struct ipf_cpu *c)
{
    c->stop = IPF_NOT_MODELLED;
    snprintf(c->stop_text, sizeof c->stop_text, "the host has no memory left for the trace");
}

/* ---- operations ---- */

static unsigned behind(struct ipf_cpu *c, const struct ipf_op *op,
                       __attribute__((unused)) uint64_t last)
{
    c->trace->went_on = true;
    return op->index;
}

static void record(struct ipf_cpu *c, const struct known *k, bool left)
{
    struct ipf_trace *t = c->trace;
    struct ipf_writes w = k->writes;
    if (left && w.others == WRITES_LITTLE)
        w.others = WRITES_ANY;
    if (t->faulted)
        w = (struct ipf_writes){ .others = WRITES_ANY };
    ipf_trace_compare(&t->told, c, &w);
    log_registers(t, 0, t->faulted ? TRACE_FAULTED : TRACE_RETIRED, 0);
    t->time++;
    t->index++;
}

/* Operation op of block b.  One that is to be done over, alone, has done nothing. */
static unsigned run_one(struct ipf_cpu *c, const struct ipf_block *b, const struct ipf_op *op)
{
    struct ipf_trace *t = c->trace;
    struct ipf_op pair[2] = { *op, { .run = behind, .index = (uint8_t)(op->index + 1) } };
    bool wanted = t->log->classes & TRACE_INSTRUCTIONS;
    struct known *k = NULL;
    uint64_t *at = NULL;
    t->done = op->index;
    if (wanted) {
        arrive(c);
        k = find_or_forget(c, b->pa + 16u * op->bundle, op->slot);
        wanted = k != NULL;
        if (!k)
            out_of_memory(c);
    }
    if (wanted) {
        at = t->log->at;
        at[0] = (uintptr_t)k->code;
        at[1] = op_ip(c, op);
        t->log->at = at + k->code->words;
        ipf_trace_look(&t->told, c, &k->writes);
    }
    t->inside = true;
    t->went_on = t->faulted = false;
    unsigned done = pair[0].run(c, pair, 0);
    t->inside = false;
    if (wanted && !t->went_on && done == op->index)
        at[0] = (uintptr_t)&trace_code_void;
    else if (wanted)
        record(c, k, !t->went_on);
    return done;
}

unsigned ipf_trace_block(struct ipf_cpu *c, const struct ipf_block *b)
{
    struct ipf_trace *t = c->trace;
    unsigned done = 0;
    for (unsigned k = 0; k < b->ops; k++) {
        done = run_one(c, b, &b->op[k]);
        if (!t->went_on)
            break;
    }
    if (t->went_on)
        done = b->op[b->ops].run(c, &b->op[b->ops], 0);
    t->done = 0;
    return done;
}

void ipf_trace_code_written(struct ipf_cpu *c) { c->trace->shared->generation++; }
void ipf_trace_registers(struct ipf_cpu *c) { c->trace->between = true; }

void ipf_trace_access(struct ipf_cpu *c, uint64_t address, uint64_t pa, unsigned size, bool write,
                      bool rse, const void *bytes)
{
    struct ipf_trace *t = c->trace;
    if (!(t->log->classes & TRACE_MEMORY))
        return;
    if (!t->inside && !t->between) {
        arrive(c);
        t->between = true;
    }
    trace_log_access(t->log, address, pa, size, write, rse, bytes);
}

/* ---- events ---- */

void ipf_trace_event(struct ipf_cpu *c, enum trace_kind kind, const void *fields)
{
    struct ipf_trace *t = c->trace;
    if (trace_kinds[kind].class_bit && !(t->log->classes & trace_kinds[kind].class_bit))
        return;
    if (!t->inside || !(t->log->classes & TRACE_INSTRUCTIONS))
        arrive(c);
    bool in_record = t->inside && t->log->classes & TRACE_INSTRUCTIONS;
    trace_log_event(t->log, in_record ? 0 : LOG_OUTSIDE, now(c), kind, fields);
}

void ipf_trace_interruption(struct ipf_cpu *c, unsigned what, uint64_t isr, uint64_t value,
                            const struct ipf_resume *r)
{
    struct ipf_trace *t = c->trace;
    unsigned vector = ipf_interruption_vector(what);
    uint64_t handler = c->cr[CR_IVA] + vector;
    if (what == INT_EXTERNAL_INTERRUPT || what == INT_VIRTUAL_EXTERNAL_INTERRUPT) {
        uint64_t pending = what == INT_EXTERNAL_INTERRUPT ? ipf_pending(c)
                                                          : ipf_vpd_read(c, VPD_VHPI);
        const struct trace_external_interrupt e = { vector,  pending, r->ip,
                                                    r->slot, c->psr,  handler };
        ipf_trace_event(c, TRACE_EVENT_EXTERNAL_INTERRUPT, &e);
    } else {
        const struct trace_interruption e = { vector, isr, value, r->ip, r->slot, c->psr, handler };
        ipf_trace_event(c, TRACE_EVENT_INTERRUPTION, &e);
        t->faulted = t->inside && what != INT_FLOAT_TRAP &&
                     what != INT_UNIMPLEMENTED_INSTRUCTION_ADDRESS;
    }
    t->between = !t->inside;
}

void ipf_trace_insert(struct ipf_cpu *c, enum ipf_side side, uint64_t reg,
                      const struct ipf_translation *x)
{
    uint64_t rights = x->ar | (uint64_t)x->pl << 3 | (uint64_t)x->ma << 5 |
                      (uint64_t)x->present << 8 | (uint64_t)x->accessed << 9 |
                      (uint64_t)x->dirty << 10 | (uint64_t)x->ed << 11;
    const struct trace_tlb_insert e = { side, reg, x->va, x->pa, x->ps, x->rid, x->key, rights };
    ipf_trace_event(c, TRACE_EVENT_TLB_INSERT, &e);
}

void ipf_trace_purge(struct ipf_cpu *c, unsigned scope, uint64_t va, unsigned ps)
{
    const struct trace_tlb_purge e = { scope, va, ps, ipf_rid(c, va) };
    ipf_trace_event(c, TRACE_EVENT_TLB_PURGE, &e);
}

void ipf_trace_virtualized(struct ipf_cpu *c, const struct ipf_op *op, enum ipf_cause cause,
                           uint64_t opcode)
{
    uint64_t vpd = c->vti.vp ? c->vti.vp->vpd : 0, ip = op_ip(c, op);
    const struct trace_virtualization fault = { cause, opcode, ip, op->slot, vpd };
    const struct trace_accelerated done = { cause, ip, op->slot, vpd };
    ipf_trace_event(c, opcode ? TRACE_EVENT_VIRTUALIZATION : TRACE_EVENT_ACCELERATED,
                    opcode ? (const void *)&fault : &done);
}

/* ---- life ---- */

bool ipf_trace_begin(struct ipf_cpu *first, struct trace_log *log)
{
    struct shared *s = calloc(1, sizeof *s);
    struct ipf_cpu *c = first;
    if (!s)
        return false;
    s->log = log;
    do {
        c->trace = calloc(1, sizeof *c->trace);
        if (!c->trace) {
            if (c == first)
                free(s);
            ipf_trace_end(first);
            return false;
        }
        *c->trace = (struct ipf_trace){ .shared = s, .log = log };
        ipf_flush_lines(c);
        c = c->beside;
    } while (c != first);
    return true;
}

void ipf_trace_stop(struct ipf_cpu *c, uint64_t reason)
{
    const struct trace_stop e = { reason, c->ip };
    ipf_trace_event(c, TRACE_EVENT_STOP, &e);
}

void ipf_trace_end(struct ipf_cpu *first)
{
    struct ipf_cpu *c = first;
    struct shared *s = c->trace ? c->trace->shared : NULL;
    if (s)
        forget(s);
    free(s);
    do {
        free(c->trace);
        c->trace = NULL;
        c = c->beside;
    } while (c != first);
}
