// SPDX-License-Identifier: Apache-2.0
// Folded stacks for flame graphs: "root;main;handle_exit 123", the number counting instructions.
// Stacks come from calls and returns alone.  A return goes back to the frame whose return address
// it takes; if there is none, as after a switch of stacks, the stack begins anew.
#include <stdlib.h>
#include <string.h>

#include "debug/branch.h"
#include "debug/trace_convert.h"

enum { DEPTH_MAX = 128, STACKS = 6, CACHE_BITS = 12 };

struct frame {
    uint64_t function, return_rip;
};

/* Of one processor in one world, at CPL 3 or below it. */
struct stack {
    struct frame frame[DEPTH_MAX]; /* callers; the running function stands above them */
    unsigned depth;
};

struct processor {
    struct stack stack[STACKS];
    struct trace_insn last; /* without its arrays */
    bool has_last;
    unsigned running; /* the stack of the last instruction */
};

/* The stacks as a tree.  Node 0 is none; nodes 1 to STACKS are the roots, one for each kind of
 * stack. */
struct node {
    uint64_t function, count;
    uint32_t parent;
};

struct folded {
    unsigned cpus;
    struct processor *cpu;
    struct node *node;
    uint32_t nodes, capacity;
    uint32_t *table; /* ids of nodes, by a hash of parent and function */
    struct {
        uint64_t address, function;
    } cache[1 << CACHE_BITS];
};

/* ---- functions: by the address of their symbol, or of their page ---- */

static uint64_t hash(uint64_t x) { return x * 0x9e3779b97f4a7c15ull; }

static uint64_t function_of(struct trace_converter *c, uint64_t address)
{
    struct folded *f = c->state;
    size_t k = (size_t)(hash(address) >> (64 - CACHE_BITS));
    uint64_t distance;
    if (f->cache[k].address != address || !f->cache[k].function) {
        const char *name = trace_symbol(c->text, address, &distance);
        f->cache[k].address = address;
        f->cache[k].function = name ? address - distance : address & ~UINT64_C(0xfff);
    }
    return f->cache[k].function;
}

/* ---- the tree ---- */

static uint32_t *table_slot(struct folded *f, uint32_t parent, uint64_t function)
{
    uint32_t mask = 2 * f->capacity - 1, k = (uint32_t)(hash(hash(function) + parent) >> 32) & mask;
    while (f->table[k] &&
           (f->node[f->table[k]].parent != parent || f->node[f->table[k]].function != function))
        k = (k + 1) & mask;
    return &f->table[k];
}

static bool grow(struct folded *f)
{
    uint32_t capacity = f->capacity ? 2 * f->capacity : 1 << 12;
    struct node *node = realloc(f->node, capacity * sizeof *node);
    uint32_t *table = calloc(2 * capacity, sizeof *table);
    f->node = node ? node : f->node;
    if (!node || !table) {
        free(table);
        return false;
    }
    free(f->table);
    f->table = table;
    f->capacity = capacity;
    for (uint32_t id = 1; id < f->nodes; id++)
        *table_slot(f, f->node[id].parent, f->node[id].function) = id;
    return true;
}

/* 0: no memory. */
static uint32_t child(struct folded *f, uint32_t parent, uint64_t function)
{
    uint32_t *slot = table_slot(f, parent, function), id = *slot;
    if (id)
        return id;
    if (f->nodes == f->capacity) {
        if (f->capacity > 1u << 26 || !grow(f))
            return 0;
        slot = table_slot(f, parent, function);
    }
    f->node[f->nodes] = (struct node){ .function = function, .parent = parent };
    return *slot = f->nodes++;
}

/* ---- calls and returns ---- */

static void push(struct stack *s, uint64_t function, uint64_t return_rip)
{
    if (s->depth == DEPTH_MAX) { /* the oldest one goes */
        memmove(s->frame, s->frame + 1, (DEPTH_MAX - 1) * sizeof *s->frame);
        s->depth--;
    }
    s->frame[s->depth++] = (struct frame){ function, return_rip };
}

static void return_to(struct stack *s, uint64_t rip)
{
    for (unsigned k = s->depth; k; k--)
        if (s->frame[k - 1].return_rip == rip) {
            s->depth = k - 1;
            return;
        }
    s->depth = 0;
}

static unsigned stack_of(const struct trace_insn *i)
{
    return 2 * (unsigned)i->world + (i->cpl == 3);
}

/* What the last instruction did shows in where the next one stands. */
static void follow(struct trace_converter *c, struct processor *p, const struct trace_insn *next)
{
    const struct trace_insn *last = &p->last;
    unsigned level = stack_of(next);
    struct stack *s = &p->stack[level];
    if (level != p->running) {
        if (!(level & 1) && (p->running ^ level) == 1)
            s->depth = 0; /* from user mode: the kernel's stack begins anew */
        return;
    }
    if (next->rip == last->rip + last->length || next->rip == last->rip)
        return;
    switch (branch_kind(last->bytes, last->length, last->bits)) {
    case BRANCH_CALL:
    case BRANCH_INDIRECT_CALL:
        push(s, function_of(c, last->address), last->rip + last->length);
        break;
    case BRANCH_RETURN: return_to(s, next->rip); break;
    default: break;
    }
}

static bool count(struct trace_converter *c, const struct stack *s, unsigned level,
                  uint64_t address)
{
    struct folded *f = c->state;
    uint32_t id = 1 + level;
    for (unsigned k = 0; k < s->depth && id; k++)
        id = child(f, id, s->frame[k].function);
    id = id ? child(f, id, function_of(c, address)) : 0;
    f->node[id].count++;
    return id;
}

/* ---- the converter ---- */

static bool folded_begin(struct trace_converter *c, struct sp_error *e)
{
    struct folded *f = c->state = calloc(1, sizeof *f);
    if (!f || !(f->cpu = calloc(c->text->header->cpus + 1, sizeof *f->cpu)) || !grow(f))
        return sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    f->cpus = c->text->header->cpus;
    f->nodes = 1 + STACKS;
    for (uint32_t k = 0; k < f->nodes; k++)
        f->node[k] = (struct node){ .function = k };
    return true;
}

static bool folded_event(struct trace_converter *c, const struct trace_event *event,
                         struct sp_error *e)
{
    struct folded *f = c->state;
    if (event->cpu >= f->cpus)
        return true;
    struct processor *p = &f->cpu[event->cpu];
    if (event->kind == TRACE_EVENT_EXCEPTION || event->kind == TRACE_EVENT_INTERRUPT) {
        /* The handler is called by whatever ran; IRET returns to it. */
        uint64_t rip =
            event->kind == TRACE_EVENT_EXCEPTION ? event->exception.rip : event->interrupt.rip;
        if (p->has_last)
            push(&p->stack[p->running], function_of(c, p->last.address), rip);
        p->has_last = false;
        return true;
    }
    if (!trace_is_instruction(event))
        return true;
    if (p->has_last)
        follow(c, p, &event->insn);
    p->last = event->insn;
    p->has_last = true;
    p->running = stack_of(&event->insn);
    return count(c, &p->stack[p->running], p->running, event->insn.address) ||
           sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
}

static void put_name(struct trace_converter *c, uint64_t function, struct bytes *b)
{
    uint64_t distance;
    const char *name = trace_symbol(c->text, function, &distance);
    if (name && !distance) {
        text_put(b, name);
    } else {
        text_put(b, "0x");
        text_hex(b, function, 1);
    }
}

static void put_stack(struct trace_converter *c, uint32_t id, struct bytes *b)
{
    static const char *const roots[STACKS] = { "no VMX",     "no VMX, user", "root",
                                               "root, user", "non-root",     "non-root, user" };
    const struct folded *f = c->state;
    uint32_t path[DEPTH_MAX + 2];
    unsigned n = 0;
    for (; id > STACKS; id = f->node[id].parent)
        path[n++] = id;
    text_put(b, roots[id - 1]);
    while (n) {
        text_put(b, ";");
        put_name(c, f->node[path[--n]].function, b);
    }
}

static bool folded_end(struct trace_converter *c, struct sp_error *e)
{
    const struct folded *f = c->state;
    struct bytes b = { 0 };
    for (uint32_t id = 1 + STACKS; id < f->nodes; id++)
        if (f->node[id].count) {
            put_stack(c, id, &b);
            text_put(&b, " ");
            text_number(&b, f->node[id].count);
            text_put(&b, "\n");
            bytes_flush(&b, c->out);
        }
    bytes_free(&b);
    return true;
}

static void folded_free(struct trace_converter *c)
{
    struct folded *f = c->state;
    if (!f)
        return;
    free(f->cpu);
    free(f->node);
    free(f->table);
    free(f);
}

const struct trace_format trace_folded = {
    .name = "folded",
    .begin = folded_begin,
    .event = folded_event,
    .end = folded_end,
    .free = folded_free,
};
