// SPDX-License-Identifier: Apache-2.0
#include "cpu/trace.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "cpu/run.h"
#include "mem/phys.h"

/* ---- registers that no rule changes ---- */

static void put_fpu(const struct cpu *c, uint64_t v[][2])
{
    const struct fpu *f = &c->fpu;
    v[TREG_MXCSR][0] = f->mxcsr;
    for (unsigned k = 0; k < 8; k++) {
        v[TREG_FPR0 + k][0] = f->st[k].frac;
        v[TREG_FPR0 + k][1] = f->st[k].sexp;
    }
    v[TREG_FCW][0] = f->control;
    v[TREG_FSW][0] = f->status | (uint64_t)(f->top & 7) << 11;
    v[TREG_FTW][0] = f->tag;
    v[TREG_FOP][0] = f->opcode;
    v[TREG_FIP][0] = f->ip;
    v[TREG_FDP][0] = f->dp;
}

static void put_system(const struct cpu *c, uint64_t v[][2])
{
    const uint64_t some[] = { c->cr0, c->cr2, c->cr3, c->cr4, c->cr8, c->dr[0], c->dr[1], c->dr[2],
                              c->dr[3], c->dr[6], c->dr[7], c->xcr0, c->msr.efer, c->ssp, c->pkru,
                              c->uif };
    v[TREG_CPL][0] = c->cpl;
    v[TREG_VMX][0] = c->vmx_nonroot ? TRACE_NONROOT : c->vmx_root ? TRACE_ROOT : TRACE_NO_VMX;
    for (unsigned k = 0; k < ARRAY_SIZE(some); k++)
        v[TREG_CR0 + k][0] = some[k];
    for (unsigned s = 0; s < SEG_COUNT; s++) {
        v[TREG_ES + s][0] = c->seg[s].selector;
        v[TREG_ES_BASE + s][0] = c->seg[s].base;
        v[TREG_ES_LIMIT + s][0] = c->seg[s].limit;
        v[TREG_ES_ACCESS + s][0] = c->seg[s].access;
    }
    v[TREG_GDTR_BASE][0] = c->gdtr.base;
    v[TREG_IDTR_BASE][0] = c->idtr.base;
    v[TREG_GDTR_LIMIT][0] = c->gdtr.limit;
    v[TREG_IDTR_LIMIT][0] = c->idtr.limit;
}

/* ---- what changed ---- */

struct changes { struct trace_register r[TREG_GDTR_LIMIT + 2]; unsigned n; };

static void change(struct changes *h, unsigned id, uint64_t low, uint64_t high)
{
    unsigned wide = trace_ia32_bits(id) > 64 ? TRACE_WIDE_ID : 0;
    h->r[h->n++] = (struct trace_register){ (uint16_t)(id | wide), { low, high } };
}

static void look(struct cpu *c)
{
    struct cpu_trace *t = c->trace;
    memcpy(t->gpr, c->gpr, sizeof t->gpr);
    t->res = c->res;
    t->aux = c->aux;
    t->rflags = c->rflags;
}

static uint64_t flags_before(const struct cpu_trace *t)
{
    struct cpu old = { .res = t->res, .aux = t->aux };
    return t->rflags | flags_status(&old);
}

static void compare_general(struct cpu *c, struct changes *h, bool ends_rf)
{
    const struct cpu_trace *t = c->trace;
    for (unsigned k = 0; k < 16; k++)
        if (c->gpr[k] != t->gpr[k])
            change(h, k, c->gpr[k], 0);
    if (c->res == t->res && c->aux == t->aux && c->rflags == t->rflags && !ends_rf)
        return;
    uint64_t flags = cpu_rflags(c) & ~(ends_rf ? (uint64_t)FLAG_RF : 0);
    if (flags != flags_before(t))
        change(h, TREG_RFLAGS, flags, 0);
}

static void compare_vectors(struct cpu *c, struct changes *h)
{
    const struct cpu_trace *t = c->trace;
    for (unsigned k = 0; k < 16; k++)
        if (memcmp(&c->fpu.xmm[k], &t->xmm[k], sizeof t->xmm[k]))
            change(h, TREG_XMM0 + k, c->fpu.xmm[k].q[0], c->fpu.xmm[k].q[1]);
}

/* Of the registers [first, last], what is not as it was told. */
static void compare_told(struct cpu *c, struct changes *h, uint64_t v[][2], unsigned first,
                         unsigned last)
{
    struct cpu_trace *t = c->trace;
    for (unsigned k = first; k <= last; k++) {
        if (v[k][0] == t->reg[k][0] && v[k][1] == t->reg[k][1])
            continue;
        memcpy(t->reg[k], v[k], sizeof t->reg[k]);
        change(h, k, v[k][0], v[k][1]);
    }
}

static void compare_fpu(struct cpu *c, struct changes *h)
{
    uint64_t v[TREG_GDTR_LIMIT + 2][2] = { 0 };
    put_fpu(c, v);
    compare_told(c, h, v, TREG_MXCSR, TREG_FDP);
}

static void compare_system(struct cpu *c, struct changes *h)
{
    uint64_t v[TREG_GDTR_LIMIT + 2][2] = { 0 };
    put_fpu(c, v);
    put_system(c, v);
    compare_told(c, h, v, TREG_CPL, TREG_VMX);
    compare_told(c, h, v, TREG_MXCSR, TREG_IDTR_LIMIT);
}

/* ---- instructions that are watched ---- */

enum { INTEGER_ROWS = 0
#define INSN(map, opcode, form, name, op, operands, attributes, feature, exit) + 1
#include "cpu/insn_int.def"
#undef INSN
};

struct watch { bool vectors, fpu, system; };

static struct watch watch_of(const struct cpu *c, const struct insn *i)
{
    if (i->row == ROW_NONE)
        return (struct watch){ 0 };
    const struct insn_row *row = &insn_rows[i->row];
    bool vectors = row->attributes & (A_SSE | A_MMX | A_FPU | A_WAIT | A_XSAVE);
    bool system = i->row >= INTEGER_ROWS && (!vectors || row->attributes & A_XSAVE);
    system |= (c->cr4 & CR4_CET) != 0;
    return (struct watch){ vectors || system, vectors || system, system };
}

static RUN(run_resume)
{
    c->res = res;
    c->aux = aux;
    c->trace->resumed = true;
}

static void record(struct cpu *c, struct watch w, bool last)
{
    static const uint8_t status[] = { [RETIRED] = TRACE_RETIRED, [JUMPED] = TRACE_RETIRED,
                                      [FAULTED] = TRACE_FAULTED, [EXITED] = TRACE_EXITED,
                                      [AGAIN] = TRACE_PARTIAL };
    struct cpu_trace *t = c->trace;
    struct changes h;
    h.n = 0;
    unsigned how = last ? status[c->outcome] : TRACE_RETIRED;
    bool system = w.system || how == TRACE_EXITED;
    compare_general(c, &h, t->ends_rf && how == TRACE_RETIRED);
    if (system)
        compare_system(c, &h);
    if (w.vectors)
        compare_vectors(c, &h);
    if (w.fpu && !system)
        compare_fpu(c, &h);
    trace_log_insn(t->log, t->insn, how, last, 0, h.r, h.n);
    t->insn = LOG_OUTSIDE;
    t->accesses = false;
    t->told = last;
}

/* The tracker of indirect branches has excused the instruction: another block does it. */
static bool is_superseded(const struct cpu *c, const uint64_t *running)
{
#if !SP_TAIL_CALLS
    if (c->next)
        return true;
#endif
    return c->record != running;
}

/* Instruction i, done by `inner` on a copy that is followed by run_resume. */
static void watch(struct cpu *c, const struct insn *i, uint64_t res, uint64_t aux, run_fn *inner,
                  bool *resumed)
{
    struct cpu_trace *t = c->trace;
    uint64_t *running = c->record;
    const struct trace_code *code = (const struct trace_code *)(uintptr_t)running[0];
    struct insn pair[2] = { *i, { .run = run_resume } };
    struct watch w = watch_of(c, i);
    pair[0].run = inner;
    t->insn = t->muted ? LOG_OUTSIDE : code->count - i->left;
    t->resumed = false;
    c->res = res;
    c->aux = aux;
    if (t->log->live) {
        trace_live_begin(c, i, code);
    } else if (!t->muted) {
        look(c);
        if (w.vectors)
            memcpy(t->xmm, c->fpu.xmm, sizeof t->xmm);
    }
    if (unlikely(trace_is_magic(i)))
        trace_magic(c);
    inner(c, pair, res, aux, 0);
#if !SP_TAIL_CALLS
    if (c->next == &pair[1]) {
        c->next = NULL;
        t->resumed = true;
    }
#endif
    *resumed = t->resumed;
    if (is_superseded(c, running)) {
        running[0] = (uintptr_t)&trace_code_void;
        return;
    }
    c->current = i;
    if (t->log->live)
        trace_live_end(c, i, t->resumed);
    else if (!t->muted)
        record(c, w, !t->resumed || i[1].run == run_stale);
}

/* Somebody who has seen the instruction wants the run to end. */
static bool leaves(struct cpu *c, const struct insn *i)
{
    if (likely(!c->trace->log->live || !(c->attention & ATTENTION_LEAVE)))
        return false;
    run_finish(c, i, RETIRED);
    return true;
}

RUN(run_traced)
{
    bool resumed;
    watch(c, i, res, aux, c->trace->runner[i->inner], &resumed);
    if (resumed && !leaves(c, i))
        GO(i + 1, c->res, c->aux);
}

RUN(run_traced_general)
{
    bool resumed;
    watch(c, i, res, aux, run_general, &resumed);
    if (resumed && !leaves(c, i))
        GO(i + 1, c->res, c->aux);
}

/* ---- blocks ---- */

static void tell_pages(struct cpu *c)
{
    struct cpu_trace *t = c->trace;
    for (unsigned a = 0; a < 2 * VIEW_COUNT; a++)
        for (unsigned k = 0; k < TLB_SLOTS; k++)
            if (t->page[a][k])
                trace_log_fill(t->log, LOG_OUTSIDE, 2 * (a % VIEW_COUNT) + a / VIEW_COUNT, k,
                               t->page[a][k]);
}

static void tell_state(struct cpu *c)
{
    struct cpu_trace *t = c->trace;
    struct changes h;
    uint64_t now = cpu_tick(c);
    h.n = 0;
    trace_log_cpu(t->log, c->index, now, now + c->cycle_offset);
    if (t->view < VIEW_COUNT)
        trace_log_view(t->log, LOG_OUTSIDE, t->view);
    for (unsigned k = 0; k < 16; k++)
        change(&h, k, c->gpr[k], 0);
    change(&h, TREG_RFLAGS, cpu_rflags(c), 0);
    put_fpu(c, t->reg);
    put_system(c, t->reg);
    change(&h, TREG_CPL, t->reg[TREG_CPL][0], 0);
    change(&h, TREG_VMX, t->reg[TREG_VMX][0], 0);
    for (unsigned k = 0; k < 16; k++)
        change(&h, TREG_XMM0 + k, c->fpu.xmm[k].q[0], c->fpu.xmm[k].q[1]);
    for (unsigned k = TREG_MXCSR; k <= TREG_IDTR_LIMIT; k++)
        change(&h, k, t->reg[k][0], t->reg[k][1]);
    trace_log_insn(t->log, LOG_OUTSIDE, TRACE_SYNC, false, now, h.r, h.n);
    t->accesses = false;
    if (t->turns != trace_log_turns(t->log))
        tell_pages(c);
    t->turns = trace_log_turns(t->log);
}

void trace_sync(struct cpu *c)
{
    if (c->trace->muted)
        return;
    if (c->log->at >= c->log->limit)
        trace_log_begin(c->log);
    tell_state(c);
}

/* The budget has been charged with the whole block already. */
static void begin_buffer(struct cpu *c, const struct insn *i, uint64_t res, uint64_t aux)
{
    const struct insn *current = c->current;
    c->res = res;
    c->aux = aux;
    c->current = i;
    if (trace_log_begin(c->log))
        tell_state(c);
    c->current = current;
}

/* The state that was told last, less what has changed since. */
static void tell_changes(struct cpu *c)
{
    struct cpu_trace *t = c->trace;
    struct changes h;
    uint64_t now = cpu_tick(c);
    h.n = 0;
    trace_log_cpu(t->log, c->index, now, now + c->cycle_offset);
    compare_general(c, &h, false);
    compare_system(c, &h);
    compare_vectors(c, &h);
    trace_log_insn(t->log, LOG_OUTSIDE, TRACE_SYNC, false, now, h.r, h.n);
    if (t->view < VIEW_COUNT)
        trace_log_view(t->log, LOG_OUTSIDE, t->view);
    for (unsigned a = 0; a < 2 * VIEW_COUNT; a++)
        for (unsigned k = 0; k < TLB_SLOTS; k++)
            if (t->unseen[a][k / 64] >> k % 64 & 1)
                trace_log_fill(t->log, LOG_OUTSIDE, 2 * (a % VIEW_COUNT) + a / VIEW_COUNT, k,
                               t->page[a][k]);
}

/* The block that begins passes the filter, or not.  What the log knows of the state is kept. */
static void filter_block(struct cpu *c, const struct insn *i, uint64_t res, uint64_t aux)
{
    struct cpu_trace *t = c->trace;
    const struct insn *current = c->current;
    c->res = res;
    c->aux = aux;
    c->current = i;
    bool muted = !trace_passes(c, cpu_tick(c));
    if (muted && !t->muted) {
        look(c);
        memcpy(t->xmm, c->fpu.xmm, sizeof t->xmm);
    } else if (!muted && t->muted) {
        bool fresh = c->log->at >= c->log->limit && trace_log_begin(c->log);
        t->muted = false;
        if (fresh || t->turns != trace_log_turns(c->log))
            tell_state(c);
        else
            tell_changes(c);
        memset(t->unseen, 0, sizeof t->unseen);
    }
    t->muted = muted;
    c->current = current;
}

RUN(run_trace_block)
{
    const struct trace_code *code = (const struct trace_code *)(uintptr_t)i->imm;
    struct trace_log *l = c->log;
    if (unlikely(l->filter != NULL)) {
        filter_block(c, i, res, aux);
        if (c->trace->muted) {
            c->trace->scratch[0] = (uintptr_t)code;
            c->record = c->trace->scratch;
            NEXT;
        }
    }
    if (unlikely(l->at >= l->limit))
        begin_buffer(c, i, res, aux);
    uint64_t *at = l->at;
    at[0] = (uintptr_t)code;
    at[1] = c->gpr[REG_BLOCK_RIP];
    c->record = at;
    l->at = at + code->words;
    NEXT;
}

void trace_bind(struct cpu *c, struct insn *i, bool fast)
{
    struct cpu_trace *t = c->trace;
    struct trace_rule rule;
    if (fast && !t->log->live && trace_rule_of(i, &rule))
        return;
    run_fn *inner = fast ? run_general : i->run;
    unsigned k = 0;
    while (k < t->runners && t->runner[k] != inner)
        k++;
    if (k == t->runners)
        t->runner[t->runners++] = inner;
    i->inner = (uint8_t)k;
    i->run = run_traced;
}

void trace_forget(struct cpu *c)
{
    trace_log_forget(c->log);
    trace_sync(c);
}

void trace_describe(struct cpu *c, struct block *b, const struct mode *m)
{
    unsigned n = b->count - 1u;
    struct trace_code *code = trace_log_code(c->log, n);
    if (!code)
        abort();             /* the cache drops its blocks before: no memory at all              */
    code->physical = b->pa;
    code->bits = (uint8_t)mode_code_bits(m);
    for (unsigned k = 0; k < n; k++) {
        const struct insn *i = &b->insn[k + 1];
        struct trace_code_insn *to = &code->insn[k];
        unsigned first = PAGE_SIZE - ((b->pa + i->off) & 0xfff);
        to->length = i->len;
        mem_read(c->mem, b->pa + i->off, to->bytes, i->len < first ? i->len : first);
        if (i->len > first)
            mem_read(c->mem, b->pa2 & PAGE_MASK, to->bytes + first, i->len - first);
        if (i->run != run_traced)
            trace_rule_of(i, &to->rule);
    }
    trace_code_ready(code);
    for (unsigned k = 0; k < n; k++)
        b->insn[k + 1].room = code->insn[k].room;
    b->insn[0].imm = (uintptr_t)code;
    if (!(m->bits & MODE_STEP))
        fast_finish_traced(b->insn + 1, n);
}

/* ---- accesses ---- */

void trace_access(struct cpu *c, uint64_t linear, uint64_t physical, unsigned n, bool write,
                  bool system, const void *bytes)
{
    if (c->trace->muted || (c->log->live && !c->hooks->access))
        return;
    if (!c->trace->accesses)
        c->trace->first_access = c->log->at;
    c->trace->accesses = true;
    trace_log_access(c->log, linear, physical, n, write, system, bytes);
}

uint8_t *trace_lookup(struct cpu *c, enum access_kind kind, uint64_t linear, unsigned n,
                      uint64_t *physical)
{
    bool write = kind == ACCESS_WRITE;
    uint8_t *host = tlb_lookup(c, write ? c->traced_write : c->traced_read, linear, n);
    if (host && c->view < VIEW_COUNT)
        *physical = c->trace->page[(write ? VIEW_COUNT : 0) + c->view]
                                  [(linear >> PAGE_SHIFT) & (TLB_SLOTS - 1)] | (linear & 0xfff);
    return host;
}

void trace_fill(struct cpu *c, enum access_kind kind, uint64_t linear, uint64_t physical)
{
    struct cpu_trace *t = c->trace;
    bool write = kind == ACCESS_WRITE;
    unsigned slot = (linear >> PAGE_SHIFT) & (TLB_SLOTS - 1);
    unsigned array = (write ? VIEW_COUNT : 0) + c->view;
    t->page[array][slot] = physical & PAGE_MASK;
    if (t->muted)
        t->unseen[array][slot / 64] |= BIT(slot % 64);
    else
        trace_log_fill(t->log, t->insn, 2 * c->view + write, slot, physical & PAGE_MASK);
}

void trace_view(struct cpu *c)
{
    struct cpu_trace *t = c->trace;
    c->traced_read = c->tlb_read;
    c->traced_write = c->tlb_write;
    c->tlb_read = c->tlb_write = c->tlb[2 * VIEW_COUNT];
    if (c->view == t->view || c->view == VIEW_NONE)
        return;
    t->view = c->view;
    if (!t->muted)
        trace_log_view(t->log, t->insn, t->view);
}

/* ---- between instructions ---- */

void trace_before(struct cpu *c)
{
    c->trace->rip = c->rip;
    if (!c->trace->muted && !c->log->live)
        look(c);
    c->trace->insn = LOG_OUTSIDE;
}

void trace_after(struct cpu *c, bool exited)
{
    struct cpu_trace *t = c->trace;
    struct changes h;
    h.n = 0;
    if (t->log->live) {
        trace_live_between(c);
        return;
    }
    if (t->muted || (exited && t->told)) {
        t->told = false;
        return;
    }
    if (exited) {            /* nobody looked before: a fetch has led to it                      */
        change(&h, TREG_RSP, c->gpr[RSP], 0);
        change(&h, TREG_RFLAGS, cpu_rflags(c), 0);
    } else {
        compare_general(c, &h, false);
    }
    compare_system(c, &h);
    if (h.n || t->accesses)
        trace_log_insn(t->log, LOG_OUTSIDE, TRACE_DELIVERED, false, cpu_tick(c), h.r, h.n);
    t->accesses = false;
    t->told = false;
}

/* ---- life ---- */

bool cpu_trace_begin(struct cpu *c, struct trace_log *log)
{
    c->log = log;
    if (!(log->classes & TRACE_INSTRUCTIONS))
        return true;
    c->trace = calloc(1, sizeof *c->trace);
    if (!c->trace)
        return false;
    c->trace->log = log;
    c->trace->insn = LOG_OUTSIDE;
    c->trace->view = VIEW_NONE;
    c->trace->muted = log->filter != NULL;
    return true;
}

void cpu_trace_end(struct cpu *c)
{
    free(c->trace);
    c->trace = NULL;
    c->log = NULL;
}
