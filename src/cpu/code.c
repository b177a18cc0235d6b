// SPDX-License-Identifier: Apache-2.0
#include "cpu/code.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/bus_lock.h"
#include "cpu/fast.h"
#include "cpu/flags.h"
#include "cpu/model.h"
#include "cpu/ops.h"
#include "cpu/run.h"
#include "cpu/saved.h"
#include "cpu/trace.h"

enum {
    HEADER_INSNS = (sizeof(struct block) + sizeof(struct insn) - 1) / sizeof(struct insn),
    SLOTS = 3
};
/* Tracing adds one to each block, which has at least one instruction. */
#define ARENA_BYTES (2 * (size_t)ARENA_INSNS * sizeof(struct insn))

static unsigned hash_of(uint64_t pa, unsigned mode)
{
    return (unsigned)(pa ^ pa >> 16 ^ mode * 0x9e37) & (BLOCK_HASH - 1);
}
static unsigned page_hash_of(uint64_t pa)
{
    return (unsigned)((pa >> PAGE_SHIFT) ^ pa >> 28) & (BLOCK_HASH - 1);
}

/* ---- dropping ---- */

static void clear_jumps(struct code_cache *k)
{
    for (unsigned n = 0; n < k->cpus; n++)
        for (unsigned j = 0; j < JUMP_SLOTS; j++)
            k->cpu[n]->jump[j].key = ~UINT64_C(0);
}

static void unmark_page(struct code_cache *k, uint64_t pa)
{
    uint64_t *lines = mem_code_lines(k->mem, pa);
    if (lines)
        *lines = 0;
}

static void drop_everything(struct code_cache *k)
{
    for (unsigned h = 0; h < BLOCK_HASH; h++) {
        for (struct block *b = k->hash[h]; b; b = b->next) {
            unmark_page(k, b->pa);
            if (b->pa2)
                unmark_page(k, b->pa2);
        }
        k->hash[h] = k->page_hash[h] = NULL;
    }
    k->crossing = NULL;
    k->arena_used = k->arena_extra = 0;
    k->drops++;
    clear_jumps(k);
}

/* The bytes [*from, *to) of block b that lie in the page of pa. */
static void extent_in_page(const struct block *b, uint64_t pa, unsigned *from, unsigned *to)
{
    unsigned start = b->pa & 0xfff, end = start + b->bytes;
    if (((b->pa ^ pa) & PAGE_MASK) == 0) {
        *from = start;
        *to = end < PAGE_SIZE ? end : PAGE_SIZE;
    } else {
        *from = 0;
        *to = end - PAGE_SIZE;
    }
}

static uint64_t lines_of(unsigned from, unsigned to)
{
    unsigned first = from >> CODE_LINE_SHIFT, last = (to - 1) >> CODE_LINE_SHIFT;
    return bits(~UINT64_C(0), last - first, 0) << first;
}

static void drop_block(struct code_cache *k, struct block *b)
{
    struct block **at = &k->hash[hash_of(b->pa, b->mode)];
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    for (unsigned j = 0; j < b->count + (unsigned)SLOTS; j++)
        b->insn[j].run = run_stale;
    for (unsigned j = 0; j < SLOTS; j++)
        b->insn[b->count + j].imm = (uintptr_t)&b->insn[b->count + j];
}

/* Drops the blocks of a list that a write to [pa, pa + n), within one page, touches; returns the
 * lines of the page that the others still hold. */
static uint64_t drop_touched(struct code_cache *k, struct block **at, uint64_t pa, size_t n)
{
    uint64_t left = 0;
    while (*at) {
        struct block *b = *at;
        unsigned from, to, start = pa & 0xfff;
        if (((b->pa ^ pa) & PAGE_MASK) && (!b->pa2 || ((b->pa2 ^ pa) & PAGE_MASK))) {
            at = &b->next_page;
            continue;
        }
        extent_in_page(b, pa, &from, &to);
        if (start < to && start + n > from) {
            *at = b->next_page;
            drop_block(k, b);
        } else {
            left |= lines_of(from, to);
            at = &b->next_page;
        }
    }
    return left;
}

/* The memory layer calls this before a write to [pa, pa + n), within one page, changes marked
 * lines. */
static void code_written(void *context, uint64_t pa, size_t n)
{
    struct code_cache *k = context;
    uint64_t *lines = mem_code_lines(k->mem, pa);
    uint64_t left = drop_touched(k, &k->page_hash[page_hash_of(pa)], pa, n);
    left |= drop_touched(k, &k->crossing, pa, n);
    if (lines)
        *lines = left;
}

void code_forget(struct code_cache *k, uint64_t base, uint64_t size)
{
    for (uint64_t done = 0; done < size; done += PAGE_SIZE)
        code_written(k, base + done, PAGE_SIZE);
}

/* ---- life ---- */

struct code_cache *code_cache_create(struct mem *m)
{
    struct code_cache *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->mem = m;
    k->arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (k->arena == MAP_FAILED || !decoder_init(&k->decoder)) {
        free(k);
        return NULL;
    }
    mem_watch_code(m, code_written, k);
    return k;
}

void code_cache_destroy(struct code_cache *k)
{
    if (!k)
        return;
    munmap(k->arena, ARENA_BYTES);
    decoder_free(&k->decoder);
    free(k);
}

void code_cache_add_cpu(struct code_cache *k, struct cpu *c)
{
    if (k->cpus < CODE_CPUS_MAX)
        k->cpu[k->cpus++] = c;
}

unsigned code_intern_mode(struct code_cache *k, const struct mode *m)
{
    for (unsigned n = 0; n < k->mode_count; n++)
        if (k->modes[n].bits == m->bits && k->modes[n].exits == m->exits &&
            k->modes[n].undefined == m->undefined)
            return n;
    if (k->mode_count == MODES_MAX) {
        drop_everything(k);
        k->mode_count = 0;
    }
    k->modes[k->mode_count] = *m;
    return k->mode_count++;
}

unsigned code_step_mode(struct cpu *c)
{
    struct mode m = mode_of(c, true);
    uint64_t drops = c->code->drops;
    unsigned mode = code_intern_mode(c->code, &m);
    if (c->code->drops != drops)
        cpu_mode_changed(c);
    return mode;
}

void code_cache_restart(struct code_cache *k)
{
    drop_everything(k);
    mem_restart_tables(k->mem);
    k->mode_count = 0;
    for (unsigned n = 0; n < k->cpus; n++) {
        struct cpu *c = k->cpu[n];
        flags_set_status(c, flags_status(c));
        tlb_restart(c);
    }
}

/* ---- binding ---- */

static bool undefined_in_mode(const struct cpu *c, const struct mode *m, const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    unsigned a = row->attributes;
    return !cpu_has(c, row->feature) || (a & A_PE && !(m->bits & MODE_PROTECTED)) ||
           (a & A_XSAVE && !(m->bits & MODE_OSXSAVE)) ||
           (a & A_FSGSBASE && !(m->bits & MODE_FSGSBASE)) ||
           (a & A_PKE && !(m->bits & MODE_PKE)) ||
           (a & A_SHADOW && !(m->bits & MODE_SHADOW_STACK)) ||
           (a & A_SSE && (m->bits & MODE_EM || !(m->bits & MODE_OSFXSR))) ||
           (a & A_MMX && m->bits & MODE_EM) ||
           (a & A_NO_REP && i->prefix & (PFX_REP | PFX_REPNE)) ||
           (row->exit != EXIT_NONE && m->undefined >> row->exit & 1);
}

static bool not_available_in_mode(const struct mode *m, const struct insn *i)
{
    unsigned a = insn_rows[i->row].attributes;
    return (a & (A_SSE | A_MMX) && m->bits & MODE_TS) ||
           (a & A_FPU && m->bits & (MODE_EM | MODE_TS)) ||
           (a & A_WAIT && m->bits & MODE_MP && m->bits & MODE_TS);
}

run_fn *bind_runner(const struct cpu *c, const struct mode *m, const struct insn *i,
                    unsigned page_offset)
{
    const struct insn_row *row = &insn_rows[i->row];
    bool exits = row->exit != EXIT_NONE && m->exits >> row->exit & 1;
    if (undefined_in_mode(c, m, i))
        return run_undefined;
    if (not_available_in_mode(m, i))
        return run_device_not_available;
    if (exits && row->attributes & A_EXIT_FIRST)
        return run_exit;
    if (row->attributes & A_CPL0 && !(m->bits & MODE_CPL0))
        return run_general_protection;
    if (row->attributes & A_UMIP && m->bits & MODE_UMIP && !(m->bits & MODE_CPL0))
        return run_general_protection;
    if (exits)
        return run_exit;
    if (m->bits & (MODE_SHADOW_STACK | MODE_ENDBRANCH)) {
        run_fn *cet = cet_form(m, row);
        if (cet)
            return cet;
    }
    if (m->bits & MODE_LOCKS && is_locked(i))
        return run_locked;
    run_fn *fast = m->bits & MODE_STEP    ? NULL
                   : m->bits & MODE_TRACE ? fast_form_traced(m, i, page_offset)
                                          : fast_form(m, i, page_offset);
    return fast ? fast : run_general;
}

/* What the tracker of indirect branches lets pass while it waits: its ENDBR, INT3 and INT1 (SDM
 * vol. 1, "INT3 Treatment"). */
static bool passes_tracker(const struct mode *m, const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];
    return row->op == (m->bits & MODE_CODE64 ? op_endbr64 : op_endbr32) ||
           (row->map == 0 && (row->opcode == 0xcc || row->opcode == 0xf1));
}

/* A missing ENDBR comes before what is wrong with the instruction. */
static run_fn *bind_decoded(const struct cpu *c, const struct mode *m, enum decode_result r,
                            const struct insn *i, unsigned page_offset)
{
    if (m->bits & MODE_WAIT && (r != DECODE_OK || !passes_tracker(m, i)))
        return run_missing_endbranch;
    return r == DECODE_OK          ? bind_runner(c, m, i, page_offset)
           : r == DECODE_UNDEFINED ? run_undefined
                                   : run_general_protection;
}

/* ---- building ---- */

/* A window of up to 15 bytes at linear/pa; the part on the next page is fetched when `cross`. */
struct window {
    uint8_t bytes[INSN_MAX_BYTES];
    unsigned n;
    uint64_t pa2;
};

static bool read_window(struct cpu *c, uint64_t linear, uint64_t pa, bool cross, struct window *w)
{
    unsigned room = PAGE_SIZE - (unsigned)(pa & 0xfff);
    w->n = room < INSN_MAX_BYTES ? room : INSN_MAX_BYTES;
    w->pa2 = 0;
    mem_read(c->mem, pa, w->bytes, w->n);
    if (!cross || w->n == INSN_MAX_BYTES)
        return true;
    uint64_t next = linear + w->n;
    if (!in_64bit(c))
        next = (uint32_t)next;
    if (!fetch_translate(c, next, &w->pa2))
        return false;
    mem_read(c->mem, w->pa2, w->bytes + w->n, INSN_MAX_BYTES - w->n);
    w->n = INSN_MAX_BYTES;
    return true;
}

static void fill_slots(struct block *b, const struct mode *m)
{
    struct insn *end = &b->insn[b->count];
    unsigned start = b->pa & 0xfff;
    const struct insn *last = end - 1;
    bool links = m->bits & MODE_FLAT && !(m->bits & MODE_STEP) && !b->pa2;
    for (unsigned j = 0; j < SLOTS; j++)
        end[j] = (struct insn){ .run = run_unresolved, .imm = (uintptr_t)&end[j] };
    end->off = (uint8_t)b->bytes;
    end->run = !links ? run_end_leave : start + b->bytes < PAGE_SIZE ? run_end : run_end_far;
    end[LINK_NEXT].disp = (int32_t)b->bytes;
    end[LINK_TARGET].disp = (int32_t)(last->off + last->len + (int64_t)last->imm);
}

static void mark_lines(struct cpu *c, const struct block *b, uint64_t pa)
{
    enum page_kind kind;
    uint64_t *lines = mem_code_lines(c->mem, pa);
    unsigned from, to;
    if (!lines)
        return;
    if (!*lines)
        for (unsigned k = 0; k < c->code->cpus; k++)
            tlb_forget_writes(c->code->cpu[k], mem_page(c->mem, pa, &kind));
    extent_in_page(b, pa, &from, &to);
    *lines |= lines_of(from, to);
}

static void publish(struct cpu *c, struct block *b)
{
    struct code_cache *k = c->code;
    struct block **h = &k->hash[hash_of(b->pa, b->mode)];
    struct block **p = b->pa2 ? &k->crossing : &k->page_hash[page_hash_of(b->pa)];
    b->next = *h;
    *h = b;
    b->next_page = *p;
    *p = b;
    mark_lines(c, b, b->pa);
    if (b->pa2)
        mark_lines(c, b, b->pa2);
    bool traced = k->modes[b->mode].bits & MODE_TRACE;
    k->arena_used += HEADER_INSNS + b->count - traced + SLOTS;
    k->arena_extra += traced;
}

/* Decodes the instruction at block offset b->bytes.  Returns false when the block must end before
 * it. */
static bool add_insn(struct cpu *c, struct block *b, const struct mode *m, uint64_t linear,
                     bool *end)
{
    struct insn *i = &b->insn[b->count];
    struct window w;
    read_window(c, linear + b->bytes, b->pa + b->bytes, false, &w);
    enum decode_result r = decode(&c->code->decoder, w.bytes, w.n, mode_code_bits(m), i);
    if (r == DECODE_TRUNCATED)
        return false;
    i->off = (uint8_t)b->bytes;
    if (i->rm == REG_BLOCK_RIP)
        i->disp += i->off + i->len;
    i->run = bind_decoded(c, m, r, i, b->pa & 0xfff);
    if (m->bits & MODE_TRACE)
        trace_bind(c, i, r == DECODE_OK && !(m->bits & MODE_STEP) &&
                         i->run == fast_form_traced(m, i, b->pa & 0xfff));
    *end = r != DECODE_OK || (m->bits & MODE_TRACE && trace_is_magic(i)) || insn_rows[i->row].attributes & A_END || m->bits & MODE_STEP;
    b->bytes = (uint16_t)(b->bytes + i->len);
    b->count++;
    return true;
}

/* The block's only instruction reaches into the next page. */
static bool add_crossing_insn(struct cpu *c, struct block *b, const struct mode *m, uint64_t linear)
{
    struct insn *i = &b->insn[b->count];
    struct window w;
    if (!read_window(c, linear, b->pa, true, &w))
        return false;
    enum decode_result r = decode(&c->code->decoder, w.bytes, w.n, mode_code_bits(m), i);
    if (i->rm == REG_BLOCK_RIP)
        i->disp += i->len;
    struct mode step = *m;
    step.bits |= MODE_STEP;             /* no links: they would skip the check of the second page */
    i->run = bind_decoded(c, &step, r, i, 0);
    if (m->bits & MODE_TRACE)
        trace_bind(c, i, false);
    b->bytes = i->len;
    b->count++;
    b->pa2 = w.pa2;
    return true;
}

static struct block *build(struct cpu *c, uint64_t linear, uint64_t pa, unsigned mode)
{
    struct code_cache *k = c->code;
    const struct mode *m = &k->modes[mode];
    bool traced = m->bits & MODE_TRACE;
    if (k->arena_used + HEADER_INSNS + BLOCK_INSNS_MAX + SLOTS > ARENA_INSNS)
        drop_everything(k);
    if (unlikely(traced) && !k->arena_used)
        trace_forget(c);
    struct block *b = (struct block *)&k->arena[k->arena_used + k->arena_extra];
    *b = (struct block){ .pa = pa, .mode = (uint16_t)mode };
    if (unlikely(traced))
        b->insn[b->count++] = (struct insn){ .run = run_trace_block };
    for (bool end = false; !end && b->count < BLOCK_INSNS_MAX + traced;) {
        if (b->bytes > BLOCK_BYTES_MAX - INSN_MAX_BYTES || (pa & 0xfff) + b->bytes >= PAGE_SIZE ||
            (traced && b->count > 1 && trace_cuts(c, linear + b->bytes)) ||
            !add_insn(c, b, m, linear, &end))
            break;
    }
    if (b->count == traced && !add_crossing_insn(c, b, m, linear))
        return NULL;
    for (unsigned j = 0; j < b->count; j++)
        b->insn[j].left = (uint8_t)(b->count - j);
    b->insn[0].left -= traced;              /* what records the block is no instruction */
    fill_slots(b, m);
    if (unlikely(traced))
        trace_describe(c, b, m);
    else if (!(m->bits & MODE_STEP))
        fast_finish(b->insn, b->count);
    publish(c, b);
    return b;
}

/* ---- finding ---- */

/* Outside flat modes a block may not reach beyond the CS limit: #GP(0) for the first instruction
 * that does (SDM vol. 3, "Limit Checking"). */
static const struct insn *check_limit(struct cpu *c, struct block *b, unsigned mode)
{
    const struct mode *m = &c->code->modes[mode];
    if (m->bits & MODE_FLAT || c->rip + b->bytes - 1 <= c->seg[CS].limit)
        return b->insn;
    if (m->bits & MODE_STEP || b->count == 1) {
        cpu_raise_code(c, EXC_GP, 0);
        return NULL;
    }
    return code_find(c, code_step_mode(c));
}

const struct insn *code_find(struct cpu *c, unsigned mode)
{
    struct code_cache *k = c->code;
    uint64_t linear = c->rip, pa, pa2;
    if (k->modes[mode].bits & MODE_CODE64 ? !is_canonical(c, linear) : c->rip > c->seg[CS].limit) {
        cpu_raise_code(c, EXC_GP, 0);
        return NULL;
    }
    if (!(k->modes[mode].bits & MODE_CODE64))
        linear = (uint32_t)(linear + c->seg[CS].base);
    if (!fetch_translate(c, linear, &pa))
        return NULL;
    for (struct block *b = k->hash[hash_of(pa, mode)]; b; b = b->next) {
        if (b->pa != pa || b->mode != mode)
            continue;
        if (!b->pa2)
            return check_limit(c, b, mode);
        if (!fetch_translate(c, linear + (PAGE_SIZE - (linear & 0xfff)), &pa2))
            return NULL;
        if ((pa2 & PAGE_MASK) == (b->pa2 & PAGE_MASK))
            return check_limit(c, b, mode);
    }
    struct block *b = build(c, linear, pa, mode);
    return b ? check_limit(c, b, mode) : NULL;
}

bool code_may_cache_jump(const struct cpu *c, const struct insn *first)
{
    const struct block *b =
        (const struct block *)((const char *)first - offsetof(struct block, insn));
    return (c->code->modes[c->mode].bits & (MODE_FLAT | MODE_STEP)) == MODE_FLAT &&
           b->mode == c->mode && !b->pa2;
}
