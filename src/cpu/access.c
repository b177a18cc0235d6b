// SPDX-License-Identifier: Apache-2.0
// Memory accesses by segment and offset: segment checks, canonical addresses, alignment, data
// breakpoints, translation, and the bytes.
#include "cpu/access.h"

#include <string.h>

#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "cpu/run.h"
#include "cpu/trace.h"

/* ---- segments (SDM vol. 3, "Limit Checking" and "Type Checking") ---- */

static bool segment_fault(struct cpu *c, enum seg s)
{
    cpu_raise_code(c, s == SS ? EXC_SS : EXC_GP, 0);
    return false;
}

static bool type_allows(const struct cpu *c, const struct segment *s, bool write)
{
    if (s->access & SEG_UNUSABLE)
        return false;
    if (in_real_or_v86(c))
        return true;
    bool code = s->access & 8, rw = s->access & 2;
    return write ? !code && rw : !code || rw;
}

static bool limit_allows(const struct segment *s, uint64_t offset, unsigned n)
{
    uint64_t last = offset + n - 1;
    bool expand_down = (s->access & 0xc) == 4;
    if (!expand_down) /* operands wrap around the end of a flat segment */
        return last <= s->limit || (s->limit == 0xffffffff && !s->base);
    uint64_t top = s->access & SEG_DB ? 0xffffffff : 0xffff;
    return offset > s->limit && last <= top;
}

bool seg_linear(struct cpu *c, enum seg s, uint64_t offset, unsigned n, bool write,
                uint64_t *linear)
{
    const struct segment *g = &c->seg[s];
    if (in_64bit(c)) {
        *linear = offset + (s >= FS ? g->base : 0);
        if (is_canonical(c, *linear) && is_canonical(c, *linear + n - 1))
            return true;
        return segment_fault(c, s);
    }
    if (!type_allows(c, g, write) || !limit_allows(g, offset, n))
        return segment_fault(c, s);
    *linear = (uint32_t)(g->base + offset);
    return true;
}

/* ---- data breakpoints (SDM vol. 3, "Data Memory and I/O Breakpoint Exception Conditions") ---- */

void check_data_breakpoints(struct cpu *c, uint64_t linear, unsigned n, bool write)
{
    static const uint8_t length[4] = { 1, 2, 8, 4 };
    for (unsigned k = 0; k < 4; k++) {
        unsigned rw = c->dr[7] >> (16 + 4 * k) & 3, len = length[c->dr[7] >> (18 + 4 * k) & 3];
        uint64_t start = c->dr[k] & ~(uint64_t)(len - 1);
        if (!(c->dr[7] >> (2 * k) & 3) || !(rw == 3 || (rw == 1 && write)))
            continue;
        if (linear < start + len && start < linear + n) {
            c->pending_debug |= BIT(k) | BIT(12);
            c->pending |= PEND_DEBUG;
            c->attention |= ATTENTION_BOUNDARY;
        }
    }
}

/* SDM vol. 3, table "Alignment Requirements by Data Type"; vectors that may be unaligned are
 * exempt. */
static unsigned alignment_unit(unsigned n)
{
    switch (n) {
    case 10: return 8;                    /* double extended */
    case 14: case 94: return 2;           /* FLDENV, FRSTOR with 16-bit operands */
    case 28: case 108: return 4;          /* the same with 32-bit operands */
    default: return n > 8 || n & (n - 1) ? 1 : n;
    }
}

/* #AC: SDM vol. 3, "Interrupt 17 - Alignment Check Exception". */
static bool aligned(struct cpu *c, uint64_t linear, unsigned n)
{
    unsigned unit = alignment_unit(n);
    if (c->cpl != 3 || !(c->cr0 & CR0_AM) || !(c->rflags & FLAG_AC) || !(linear & (unit - 1)))
        return true;
    cpu_raise_code(c, EXC_AC, 0);
    return false;
}

/* ---- translation of a range that lies in at most two pages ---- */

struct range { uint64_t pa[2]; unsigned first, n; uint64_t linear; bool system; };

static bool translate_range(struct cpu *c, uint64_t linear, unsigned n, enum access_kind kind,
                            bool system, struct range *r)
{
    bool user = !system && c->cpl == 3;
    unsigned room = PAGE_SIZE - (unsigned)(linear & 0xfff);
    r->n = n;
    r->linear = linear;
    r->system = system;
    r->first = n < room ? n : room;
    c->access_bytes = r->first;
    if (!linear_translate(c, linear, kind, user, system, &r->pa[0]))
        return false;
    if (r->first == n)
        return true;
    uint64_t next = linear + r->first;
    if (!in_64bit(c) && !system)
        next = (uint32_t)next;
    c->access_bytes = n - r->first;
    return linear_translate(c, next, kind, user, system, &r->pa[1]);
}

static void tell_absent(struct cpu *c, const struct range *r, enum unmodelled kind)
{
    if (c->hooks && c->hooks->unmodelled && mem_kind(c->mem, r->pa[0]) == PAGE_ABSENT)
        c->hooks->unmodelled(c->hooks->user, c, kind, r->pa[0]);
}

/* Each page's part of an access is one of its own. */
static void trace_range(struct cpu *c, const struct range *r, bool write, const uint8_t *bytes)
{
    trace_access(c, r->linear, r->pa[0], r->first, write, r->system, bytes);
    if (r->first < r->n)
        trace_access(c, r->linear + r->first, r->pa[1], r->n - r->first, write, r->system,
                     bytes + r->first);
}

static void read_plain(struct cpu *c, const struct range *r, uint8_t *out)
{
    const uint8_t *host = r->first == r->n ? mem_plain(c->mem, r->pa[0], r->n) : NULL;
    if (likely(host)) {
        memcpy(out, host, r->n);
        return;
    }
    tell_absent(c, r, UNMODELLED_LOAD);
    mem_read(c->mem, r->pa[0], out, r->first);
    if (r->first < r->n)
        mem_read(c->mem, r->pa[1], out + r->first, r->n - r->first);
}

static void read_range(struct cpu *c, const struct range *r, uint8_t *out)
{
    read_plain(c, r, out);
    if (unlikely(c->trace))
        trace_range(c, r, false, out);
}

static void write_range(struct cpu *c, const struct range *r, const uint8_t *in)
{
    if (unlikely(c->trace))
        trace_range(c, r, true, in);

    uint8_t *host = r->first == r->n ? mem_plain_for_write(c->mem, r->pa[0], r->n) : NULL;
    if (likely(host)) {
        memcpy(host, in, r->n);
        return;
    }
    tell_absent(c, r, UNMODELLED_STORE);
    mem_write(c->mem, r->pa[0], in, r->first);
    if (r->first < r->n)
        mem_write(c->mem, r->pa[1], in + r->first, r->n - r->first);
}

static bool slow_read(struct cpu *c, uint64_t linear, void *out, unsigned n)
{
    struct range r;
    uint64_t pa;
    const uint8_t *host = c->trace ? trace_lookup(c, ACCESS_READ, linear, n, &pa) : NULL;
    if (host) {
        memcpy(out, host, n);
        trace_access(c, linear, pa, n, false, false, out);
        return true;
    }
    if (!aligned(c, linear, n) || !translate_range(c, linear, n, ACCESS_READ, false, &r))
        return false;
    read_range(c, &r, out);
    if (c->view == VIEW_NONE)
        check_data_breakpoints(c, linear, n, false);
    return true;
}

static bool slow_write(struct cpu *c, uint64_t linear, const void *in, unsigned n)
{
    struct range r;
    uint64_t pa;
    uint8_t *host = c->trace ? trace_lookup(c, ACCESS_WRITE, linear, n, &pa) : NULL;
    if (host) {
        memcpy(host, in, n);
        trace_access(c, linear, pa, n, true, false, in);
        return true;
    }
    if (!aligned(c, linear, n) || !translate_range(c, linear, n, ACCESS_WRITE, false, &r))
        return false;
    write_range(c, &r, in);
    if (c->view == VIEW_NONE)
        check_data_breakpoints(c, linear, n, true);
    return true;
}

/* ---- the accessors ---- */

bool seg_read(struct cpu *c, enum seg s, uint64_t offset, unsigned size, uint64_t *value)
{
    uint64_t linear;
    *value = 0;
    if (!seg_linear(c, s, offset, size, false, &linear))
        return false;
    const uint8_t *host = tlb_lookup(c, c->tlb_read, linear, size);
    if (unlikely(!host))
        return slow_read(c, linear, value, size);
    memcpy(value, host, size);
    return true;
}

bool seg_write(struct cpu *c, enum seg s, uint64_t offset, unsigned size, uint64_t value)
{
    uint64_t linear;
    if (!seg_linear(c, s, offset, size, true, &linear))
        return false;
    uint8_t *host = tlb_lookup(c, c->tlb_write, linear, size);
    if (unlikely(!host))
        return slow_write(c, linear, &value, size);
    memcpy(host, &value, size);
    return true;
}

/* This #GP comes before the #SS of a limit or of a non-canonical address. */
bool seg_aligned(struct cpu *c, enum seg s, uint64_t offset, unsigned align)
{
    uint64_t base = in_64bit(c) && s < FS ? 0 : c->seg[s].base;
    if (!align || !((base + offset) & (align - 1)))
        return true;
    cpu_raise_code(c, EXC_GP, 0);
    return false;
}

bool seg_read_bytes(struct cpu *c, enum seg s, uint64_t offset, void *buffer, unsigned n,
                    unsigned align)
{
    uint64_t linear;
    if (!seg_aligned(c, s, offset, align) || !seg_linear(c, s, offset, n, false, &linear))
        return false;
    const uint8_t *host = tlb_lookup(c, c->tlb_read, linear, n);
    if (unlikely(!host))
        return slow_read(c, linear, buffer, n);
    memcpy(buffer, host, n);
    return true;
}

bool seg_write_bytes(struct cpu *c, enum seg s, uint64_t offset, const void *buffer, unsigned n,
                     unsigned align)
{
    uint64_t linear;
    if (!seg_aligned(c, s, offset, align) || !seg_linear(c, s, offset, n, true, &linear))
        return false;
    uint8_t *host = tlb_lookup(c, c->tlb_write, linear, n);
    if (unlikely(!host))
        return slow_write(c, linear, buffer, n);
    memcpy(host, buffer, n);
    return true;
}

bool seg_probe_write(struct cpu *c, enum seg s, uint64_t offset, unsigned n)
{
    uint64_t linear, pa;
    struct range r;
    return seg_linear(c, s, offset, n, true, &linear) && aligned(c, linear, n) &&
           (tlb_lookup(c, c->tlb_write, linear, n) ||
            (c->trace && trace_lookup(c, ACCESS_WRITE, linear, n, &pa)) ||
            translate_range(c, linear, n, ACCESS_WRITE, false, &r));
}

bool seg_check_alignment(struct cpu *c, enum seg s, uint64_t offset, unsigned unit)
{
    uint64_t linear;
    return seg_linear(c, s, offset, 1, true, &linear) && aligned(c, linear, unit);
}

static uint64_t host_linear(const struct cpu *c, enum seg s, uint64_t offset)
{
    uint64_t linear = offset + (s >= FS || !in_64bit(c) ? c->seg[s].base : 0);
    return in_64bit(c) ? linear : (uint32_t)linear;
}

uint8_t *linear_host(struct cpu *c, enum seg s, uint64_t offset, unsigned n, enum access_kind kind)
{
    const struct segment *g = &c->seg[s];
    uint64_t linear = host_linear(c, s, offset), pa;
    if (!in_64bit(c) && (!type_allows(c, g, kind == ACCESS_WRITE) || !limit_allows(g, offset, n)))
        return NULL;
    if (unlikely(c->trace))
        return trace_lookup(c, kind, linear, n, &pa);
    return tlb_lookup(c, kind == ACCESS_WRITE ? c->tlb_write : c->tlb_read, linear, n);
}

void linear_host_used(struct cpu *c, enum seg s, uint64_t offset, unsigned n, enum access_kind kind)
{
    uint64_t linear = host_linear(c, s, offset), pa;
    const uint8_t *host = c->trace ? trace_lookup(c, kind, linear, n, &pa) : NULL;
    if (host)
        trace_access(c, linear, pa, n, kind == ACCESS_WRITE, false, host);
}

bool rmw_read(struct cpu *c, enum seg s, uint64_t offset, unsigned size, struct rmw *r)
{
    uint64_t linear;
    struct range range;
    *r = (struct rmw){ .size = (uint8_t)size, .is_mem = true };
    if (!seg_linear(c, s, offset, size, true, &linear))
        return false;
    r->host = tlb_lookup(c, c->tlb_write, linear, size);
    if (likely(r->host)) {
        memcpy(&r->value, r->host, size);
        return true;
    }
    if (unlikely(c->trace) &&
        (r->host = trace_lookup(c, ACCESS_WRITE, linear, size, &r->pa[0])) != NULL) {
        memcpy(&r->value, r->host, size);
        trace_access(c, linear, r->pa[0], size, false, false, &r->value);
        r->linear = linear;
        r->first = (uint8_t)size;
        r->host = NULL;     /* for rmw_write() to tell */
        return true;
    }
    if (!aligned(c, linear, size) || !translate_range(c, linear, size, ACCESS_WRITE, false, &range))
        return false;
    r->linear = linear;
    read_range(c, &range, (uint8_t *)&r->value);
    r->pa[0] = range.pa[0];
    r->pa[1] = range.pa[1];
    r->first = (uint8_t)range.first;
    if (c->view == VIEW_NONE)
        check_data_breakpoints(c, linear, size, true);
    return true;
}

void rmw_write(struct cpu *c, const struct rmw *r, uint64_t value)
{
    if (!r->is_mem) {
        reg_write(c, r->reg, r->size, value);
    } else if (likely(r->host)) {
        memcpy(r->host, &value, r->size);
    } else {
        struct range range = { { r->pa[0], r->pa[1] }, r->first, r->size, r->linear, false };
        write_range(c, &range, (const uint8_t *)&value);
    }
}

bool linear_read_system(struct cpu *c, uint64_t linear, void *buffer, unsigned n)
{
    struct range r;
    if (!in_long_mode(c))
        linear = (uint32_t)linear;
    if (!translate_range(c, linear, n, ACCESS_READ, true, &r))
        return false;
    read_range(c, &r, buffer);
    return true;
}

bool linear_write_system(struct cpu *c, uint64_t linear, const void *buffer, unsigned n)
{
    struct range r;
    if (!in_long_mode(c))
        linear = (uint32_t)linear;
    if (!translate_range(c, linear, n, ACCESS_WRITE, true, &r))
        return false;
    write_range(c, &r, buffer);
    return true;
}

uint64_t located_load(struct cpu *c, uint64_t linear, uint64_t pa, unsigned n)
{
    uint64_t value = mem_read_le(c->mem, pa, n);
    if (unlikely(c->trace))
        trace_access(c, linear, pa, n, false, true, &value);
    return value;
}

void located_store(struct cpu *c, uint64_t linear, uint64_t pa, unsigned n, uint64_t value)
{
    if (unlikely(c->trace))
        trace_access(c, linear, pa, n, true, true, &value);
    mem_write_le(c->mem, pa, n, value);
}

void located_push(struct cpu *c, uint64_t linear, uint64_t pa, const uint8_t *bytes, unsigned n)
{
    if (unlikely(c->trace))
        trace_access(c, linear, pa, n, true, false, bytes);
    mem_write(c->mem, pa, bytes, n);
}
