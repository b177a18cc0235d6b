// SPDX-License-Identifier: Apache-2.0
#include "debug/trace_stats.h"

#include <stdlib.h>
#include <string.h>

/* ---- instructions by address ---- */

struct stats_count {
    uint64_t address, count;
}; /* count 0: free */

static struct stats_count *slot(struct stats_count *counts, size_t capacity, uint64_t address)
{
    size_t k = (size_t)(address * 0x9e3779b97f4a7c15ull >> 32) & (capacity - 1);
    while (counts[k].count && counts[k].address != address)
        k = (k + 1) & (capacity - 1);
    return &counts[k];
}

static bool grow(struct trace_stats *s)
{
    size_t capacity = s->capacity ? 2 * s->capacity : 1 << 12;
    struct stats_count *bigger = calloc(capacity, sizeof *bigger);
    if (!bigger)
        return false;
    for (size_t k = 0; k < s->capacity; k++)
        if (s->counts[k].count)
            *slot(bigger, capacity, s->counts[k].address) = s->counts[k];
    free(s->counts);
    s->counts = bigger;
    s->capacity = capacity;
    return true;
}

static bool count_address(struct trace_stats *s, uint64_t address)
{
    if (2 * s->counts_n >= s->capacity && !grow(s))
        return false;
    struct stats_count *c = slot(s->counts, s->capacity, address);
    s->counts_n += !c->count;
    c->address = address;
    c->count++;
    return true;
}

/* ---- events ---- */

struct trace_stats *trace_stats_create(const struct trace_header *h)
{
    struct trace_stats *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->cpus = h->cpus;
    s->last_exit = malloc((h->cpus + 1) * sizeof *s->last_exit);
    if (!s->last_exit || !grow(s)) {
        trace_stats_free(s);
        return NULL;
    }
    for (unsigned k = 0; k < s->cpus; k++)
        s->last_exit[k] = STATS_BEFORE;
    return s;
}

void trace_stats_free(struct trace_stats *s)
{
    if (!s)
        return;
    free(s->last_exit);
    free(s->counts);
    free(s);
}

static unsigned bits_index(unsigned bits)
{
    return bits == 16 ? 0 : bits == 32 ? 1 : bits == 64 ? 2 : 3;
}

static void add_exit(struct trace_stats *s, uint32_t cpu, const struct trace_vm_exit *v)
{
    unsigned reason = v->reason & 0xffff;
    if (reason >= EXIT_REASONS)
        return;
    s->exits[reason].count++;
    if (!(v->reason >> 31)) /* not a failed entry */
        s->exits[reason].guest += v->guest_instructions;
    s->last_exit[cpu] = reason;
}

static void add_entry(struct trace_stats *s, uint32_t cpu, const struct trace_vm_entry *v)
{
    struct stats_exits *x = &s->exits[s->last_exit[cpu]];
    uint64_t host = v->host_instructions;
    x->least = x->entered && x->least < host ? x->least : host;
    x->most = x->most > host ? x->most : host;
    x->host += host;
    x->entered++;
}

static void add_field(struct trace_stats *s, uint32_t cpu, uint64_t encoding, bool write)
{
    bool high;
    int field = vmcs_find(encoding, &high);
    struct stats_exits *x = &s->exits[s->last_exit[cpu]];
    if (field >= 0)
        (write ? x->writes : x->reads)[field]++;
}

bool trace_stats_ipf(enum trace_kind kind, unsigned *shift)
{
    enum { VECTOR_SHIFT = 8 }; /* vectors are multiples of 256 */
    *shift = 0;
    switch (kind) {
    case TRACE_EVENT_INTERRUPTION:
    case TRACE_EVENT_EXTERNAL_INTERRUPT: *shift = VECTOR_SHIFT; return true;
    case TRACE_EVENT_PAL_CALL:
    case TRACE_EVENT_VPS_CALL:
    case TRACE_EVENT_VIRTUALIZATION:
    case TRACE_EVENT_ACCELERATED: return true;
    default: return false;
    }
}

bool trace_stats_add(struct trace_stats *s, const struct trace_event *event)
{
    const struct trace_insn *i = &event->insn;
    if (event->cpu >= s->cpus || (event->kind == TRACE_EVENT_INSN && !trace_is_instruction(event)))
        return true;
    unsigned shift;
    s->kind[event->kind]++;
    if (trace_stats_ipf(event->kind, &shift))
        s->ipf[event->kind][event->field[0] >> shift & (STATS_IPF - 1)]++;
    switch (event->kind) {
    case TRACE_EVENT_INSN:
        s->instructions++;
        s->mode[i->world][i->cpl & 3][bits_index(i->bits)]++;
        return count_address(s, i->address);
    case TRACE_EVENT_EXCEPTION: s->exception[event->exception.vector & 255]++; return true;
    case TRACE_EVENT_INTERRUPT: s->interrupt[event->interrupt.vector & 255]++; return true;
    case TRACE_EVENT_VM_EXIT: add_exit(s, event->cpu, &event->vm_exit); return true;
    case TRACE_EVENT_VM_ENTRY: add_entry(s, event->cpu, &event->vm_entry); return true;
    case TRACE_EVENT_VMCS_READ:
        add_field(s, event->cpu, event->vmcs_read.encoding, false);
        return true;
    case TRACE_EVENT_VMCS_WRITE:
        add_field(s, event->cpu, event->vmcs_write.encoding, true);
        return true;
    default: return true;
    }
}

/* ---- the hottest places ---- */

static int by_place(const void *a, const void *b)
{
    const struct stats_place *x = a, *y = b;
    if (!x->symbol != !y->symbol)
        return x->symbol ? -1 : 1;
    if (x->symbol)
        return strcmp(x->symbol, y->symbol);
    return x->page < y->page ? -1 : x->page > y->page;
}

static int by_heat(const void *a, const void *b)
{
    const struct stats_place *x = a, *y = b;
    if (x->instructions != y->instructions)
        return x->instructions > y->instructions ? -1 : 1;
    return by_place(a, b);
}

size_t trace_stats_places(const struct trace_stats *s, const struct trace_text *t,
                          struct stats_place *place, size_t n)
{
    struct stats_place *all = malloc((s->counts_n + 1) * sizeof *all);
    size_t count = 0, merged = 0;
    if (!all)
        return 0;
    for (size_t k = 0; k < s->capacity; k++) {
        uint64_t distance, address = s->counts[k].address;
        if (s->counts[k].count)
            all[count++] = (struct stats_place){ trace_symbol(t, address, &distance),
                                                 address & ~UINT64_C(0xfff), s->counts[k].count };
    }
    qsort(all, count, sizeof *all, by_place);
    for (size_t k = 0; k < count; k++)
        if (merged && !by_place(&all[merged - 1], &all[k]))
            all[merged - 1].instructions += all[k].instructions;
        else
            all[merged++] = all[k];
    qsort(all, merged, sizeof *all, by_heat);
    n = n < merged ? n : merged;
    memcpy(place, all, n * sizeof *all);
    free(all);
    return n;
}
