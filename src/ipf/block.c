// SPDX-License-Identifier: Apache-2.0
// Decoded blocks: bundles up to a branch that is always taken or the end of 4 KiB, found by the
// physical address of the first slot.
#include "ipf/block.h"

#include <stdlib.h>
#include <string.h>

#include "ipf/fast.h"
#include "mem/phys.h"

enum { CHAINS = 16384, OPS_MAX = 96 };
#ifdef SP_HOSTILE
enum { BLOCKS_MAX = 8 };
#else
enum { BLOCKS_MAX = 262144 };
#endif

struct ipf_code {
    struct mem *mem;
    struct ipf_block *chain[CHAINS]; /* by hash                                                 */
    unsigned blocks;
    struct ipf_block *step; /* room for one operation                                           */
    bool written; /* blocks may be old                                                          */
    struct ipf_cpu *first;
};

static void grow_old(struct ipf_code *code)
{
    struct ipf_cpu *c = code->first;
    code->written = true;
    do {
        c->attention |= ATTENTION_CODE;
        c = c->beside;
    } while (c != code->first);
}
static void code_written(void *context, uint64_t pa, size_t n)
{
    (void)pa, (void)n;
    grow_old(context);
}

/* With room for both lists of operations and their ends. */
static struct ipf_block *allocate(unsigned ops)
{
    return calloc(1, sizeof(struct ipf_block) + 2 * (ops + 1) * sizeof(struct ipf_op));
}

struct ipf_code *ipf_code_create(struct mem *mem, struct ipf_cpu *first)
{
    struct ipf_code *code = calloc(1, sizeof *code);
    if (!code || !(code->step = allocate(1))) {
        free(code);
        return NULL;
    }
    code->mem = mem;
    code->first = first;
    mem_watch_code(mem, code_written, code);
    return code;
}

/* Pages without blocks are plain data again. */
static void drop_all(struct ipf_code *code)
{
    for (unsigned k = 0; k < CHAINS; k++)
        for (struct ipf_block *b = code->chain[k]; b; b = code->chain[k]) {
            uint64_t *lines = mem_code_lines(code->mem, b->pa);
            if (lines)
                *lines = 0;
            code->chain[k] = b->other;
            free(b);
        }
    code->blocks = 0;
    code->written = false;
}
void ipf_code_drop(struct ipf_code *code)
{
    if (code->written)
        drop_all(code);
}

void ipf_code_destroy(struct ipf_code *code)
{
    if (!code)
        return;
    drop_all(code);
    free(code->step);
    free(code);
}

/* ---- decoding ---- */

/* What is wrong with the targets of an instruction whatever the frame (SDM vol. 3, the
 * instructions' "Illegal Operation fault"). */
static bool has_bad_target(const struct ipf_slot *s)
{
    bool bad = s->target == TARGET_GR ? !s->r[1] : s->target == TARGET_FR && s->r[1] < 2;
    bool base = s->updates && (!s->r[3] || (s->target == TARGET_GR && s->r[1] == s->r[3]));
    return bad || base;
}

/* Values of immediates that are reserved (SDM vol. 3, "Immediate Formation"): the count of pshladd2
 * and pshradd2, the permutation of mux1. */
static bool has_reserved_value(const struct ipf_slot *s)
{
    if (s->row->format == IPF_FORMAT_A10)
        return s->small[1] > 3;
    return s->row->format == IPF_FORMAT_I3 && s->small[1] && (s->small[1] < 8 || s->small[1] > 11);
}

static void bind(struct ipf_op *op, const struct ipf_slot *s, bool known, unsigned mode)
{
    bool legal = known && !has_bad_target(s) && !has_reserved_value(s);
    *op = (struct ipf_op){
        .run = legal ? s->row->run : ia_reserved,
        .imm = s->imm,
        .qp = s->qp,
        .r1 = s->r[1],
        .r2 = s->r[2],
        .r3 = s->r[3],
        .r4 = s->r[4],
        .s1 = s->small[1],
        .s2 = s->updates ? 1 : s->small[2],
        .sf = s->bits >> 34 & 3,
        .arg = known ? s->row->arg : 0,
    };
    if (mode)
        vti_bind(op, mode);
}

/* Decodes the operations of one bundle from a slot on; returns how many.  An L+X instruction is that
 * of slot 1: to return to slot 2 behind an L slot is illegal (SDM vol. 3, rfi). */
static unsigned decode_bundle(struct ipf_op *op, uint64_t low, uint64_t high, unsigned slot,
                              unsigned mode)
{
    struct ipf_bundle b = ipf_bundle(low, high);
    const struct ipf_template *t = ipf_template(b.template);
    bool reserved = t->unit[0] == IPF_L || (slot == 2 && t->unit[1] == IPF_L);
    unsigned n = 0;
    for (; slot < 3; slot++, n++) {
        bool is_long = t->unit[slot] == IPF_L;
        unsigned at = is_long && !reserved ? 2 : slot;
        struct ipf_slot s = { 0 };
        bool known = !reserved && ipf_decode((enum ipf_unit)t->unit[at], b.slot[at], b.slot[1], &s);
        bind(&op[n], &s, known, mode);
        op[n].slot = (uint8_t)slot;
        slot += is_long && !reserved;
    }
    return n;
}

/* Where the block may end: nothing behind an unconditional branch is reached through it. */
static bool ends_block(const struct ipf_op *op)
{
    return (op->run == ia_br_cond || op->run == ia_br_cond_b || op->run == ia_br_ret ||
            op->run == ia_br_call || op->run == ia_br_call_b || op->run == ia_rfi) &&
           !op->qp;
}

/* The line at pa holds code. */
static void mark(struct ipf_code *code, uint64_t pa)
{
    uint64_t *lines = mem_code_lines(code->mem, pa);
    struct ipf_cpu *c = code->first;
    if (!lines)
        return;
    if (!*lines)
        do {
            ipf_flush_lines(c);
            c = c->beside;
        } while (c != code->first);
    *lines |= BIT(pa >> CODE_LINE_SHIFT & 63);
}

static unsigned decode(struct ipf_code *code, uint64_t pa, unsigned slot, unsigned mode,
                       struct ipf_op *op)
{
    uint64_t end = (pa | 0xfff) + 1;
    unsigned n = 0, bundle = 0;
    for (bool ended = false; !ended && pa < end && n + 3 < OPS_MAX; pa += 16, bundle++, slot = 0) {
        unsigned count = decode_bundle(op + n, mem_read_le(code->mem, pa, 8),
                                       mem_read_le(code->mem, pa + 8, 8), slot, mode);
        mark(code, pa);
        for (unsigned k = 0; k < count; k++, n++) {
            op[n].bundle = (uint8_t)bundle;
            op[n].index = (uint8_t)n;
            ended |= ends_block(&op[n]);
        }
    }
    op[n] = (struct ipf_op){ .run = ia_end, .index = (uint8_t)n, .bundle = (uint8_t)bundle };
    return n;
}

static unsigned hash(uint64_t pa, unsigned slot)
{
    return (unsigned)((pa >> 4) ^ (pa >> 18) ^ slot << 12) % CHAINS;
}

const struct ipf_block *ipf_block_at(struct ipf_code *code, uint64_t pa, unsigned slot,
                                     unsigned mode)
{
    struct ipf_op op[OPS_MAX + 1];
    struct ipf_block **chain = &code->chain[hash(pa, slot)];
    for (struct ipf_block *b = *chain; b; b = b->other)
        if (b->pa == pa && b->first == slot && b->mode == mode)
            return b;
    if (code->blocks == BLOCKS_MAX)
        grow_old(code);
    unsigned n = decode(code, pa, slot, mode, op);
    struct ipf_block *b = allocate(n);
    if (!b)
        return NULL;
    *b = (struct ipf_block){ .pa = pa,
                             .mode = (uint16_t)mode,
                             .first = (uint8_t)slot,
                             .ops = (uint16_t)n,
                             .other = *chain };
    memcpy(b->op, op, (n + 1) * sizeof *op);
    b->fast = b->op + n + 1;
    ipf_fast_list(b);
    code->blocks++;
    return *chain = b;
}

const struct ipf_block *ipf_block_step(struct ipf_code *code, const struct ipf_block *from)
{
    struct ipf_block *b = code->step;
    struct ipf_op next = from->op[1];
    *b = (struct ipf_block){ .pa = from->pa, .first = from->first, .ops = 1 };
    b->op[0] = from->op[0];
    b->op[1] = next;
    b->op[1].run = ia_end;
    b->fast = b->op;
    return b;
}
