// SPDX-License-Identifier: Apache-2.0
// String instructions and their REP prefixes (SDM vol. 1, "String Instructions"; vol. 2, "REP").
//
// An instruction does at most REP_LIMIT iterations, then says AGAIN, so that events get their turn;
// how many it does never depends on which path does them.  A fault leaves the registers at the
// iteration that faulted, and the status flags as they were before the instruction.
#include <string.h>

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/ops.h"
#include "mem/phys.h"

enum { REP_LIMIT = 4096, BULK_MINIMUM = 4 };

/* ---- operands: source DS (or override):rSI, destination ES:rDI ---- */

static uint64_t string_offset(const struct cpu *c, const struct insn *i, enum reg r)
{
    return c->gpr[r] & size_mask(insn_asize(i));
}
static bool source_read(struct cpu *c, const struct insn *i, uint64_t *v)
{
    return seg_read(c, insn_seg(i), string_offset(c, i, RSI), i->size, v);
}
static bool destination_read(struct cpu *c, const struct insn *i, uint64_t *v)
{
    return seg_read(c, ES, string_offset(c, i, RDI), i->size, v);
}
static bool destination_write(struct cpu *c, const struct insn *i, uint64_t v)
{
    return seg_write(c, ES, string_offset(c, i, RDI), i->size, v);
}
/* Moves an index register over n elements in the direction of DF. */
static void advance(struct cpu *c, const struct insn *i, enum reg r, uint64_t n)
{
    uint64_t bytes = n * i->size;
    reg_write(c, r, insn_asize(i), c->gpr[r] + (c->rflags & FLAG_DF ? -bytes : bytes));
}

/* ---- one iteration each; false on a fault, with nothing changed ---- */

typedef bool iteration_fn(struct cpu *c, const struct insn *i);

static bool movs(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    if (!source_read(c, i, &v) || !destination_write(c, i, v))
        return false;
    advance(c, i, RSI, 1);
    advance(c, i, RDI, 1);
    return true;
}

static bool stos(struct cpu *c, const struct insn *i)
{
    if (!destination_write(c, i, c->gpr[RAX] & size_mask(i->size)))
        return false;
    advance(c, i, RDI, 1);
    return true;
}

static bool lods(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    if (!source_read(c, i, &v))
        return false;
    reg_write(c, RAX, i->size, v);
    advance(c, i, RSI, 1);
    return true;
}

static bool cmps(struct cpu *c, const struct insn *i)
{
    uint64_t a, b;
    if (!destination_read(c, i, &b) || !source_read(c, i, &a))     /* the order of Intel's faults */
        return false;
    flags_sub(c, a, b, 0, i->size);
    advance(c, i, RSI, 1);
    advance(c, i, RDI, 1);
    return true;
}

static bool scas(struct cpu *c, const struct insn *i)
{
    uint64_t b;
    if (!destination_read(c, i, &b))
        return false;
    flags_sub(c, reg_read(c, RAX, i->size), b, 0, i->size);
    advance(c, i, RDI, 1);
    return true;
}

/* ---- REP ---- */

static bool has_rep(const struct insn *i)
{
    return i->prefix & (PFX_REP | PFX_REPNE);
}
static unsigned iteration_limit(const struct cpu *c)
{
    return c->single_iteration ? 1 : REP_LIMIT;
}
/* The count.  With 32-bit addresses the upper half of RCX is cleared even when it is 0. */
static uint64_t count_begin(struct cpu *c, const struct insn *i)
{
    uint64_t count = reg_read(c, RCX, insn_asize(i));
    reg_write(c, RCX, insn_asize(i), count);
    return count;
}
static void count_subtract(struct cpu *c, const struct insn *i, uint64_t n)
{
    reg_write(c, RCX, insn_asize(i), c->gpr[RCX] - n);
}

/* The next *n elements of s:r, forward, as bytes of one page in host memory; *n is reduced if the
 * page or the offset range ends before.  NULL: the slow path must do it. */
static uint8_t *bulk_bytes(struct cpu *c, const struct insn *i, enum seg s, enum reg r, unsigned *n)
{
    uint64_t offset = string_offset(c, i, r);
    uint64_t base = in_64bit(c) && s < FS ? 0 : c->seg[s].base;
    uint64_t page_left = PAGE_SIZE - ((base + offset) & (PAGE_SIZE - 1));
    uint64_t range_left = size_mask(insn_asize(i)) - offset;
    uint64_t fit = (page_left < range_left ? page_left : range_left) / i->size;
    if (*n > fit)
        *n = (unsigned)fit;
    enum access_kind kind = r == RSI ? ACCESS_READ : ACCESS_WRITE;
    return *n < BULK_MINIMUM ? NULL : linear_host(c, s, offset, *n * i->size, kind);
}

/* To traces, n elements as one access. */
static void tell(struct cpu *c, const struct insn *i, enum seg s, enum reg r, unsigned n)
{
    if (unlikely(c->trace))
        linear_host_used(c, s, string_offset(c, i, r), n * i->size,
                         r == RSI ? ACCESS_READ : ACCESS_WRITE);
}

/* A bulk step does up to n iterations at once and returns how many: 0 if it cannot. */
typedef unsigned bulk_fn(struct cpu *c, const struct insn *i, unsigned n);

/* As a copy of one element after the other: a destination a little above the source replicates. */
static void copy_forward(uint8_t *to, const uint8_t *from, unsigned bytes, unsigned size)
{
    if ((uintptr_t)to - (uintptr_t)from >= bytes) {
        memmove(to, from, bytes);
        return;
    }
    for (unsigned k = 0; k < bytes; k += size) {
        uint64_t element;
        memcpy(&element, from + k, size);
        memcpy(to + k, &element, size);
    }
}

static unsigned movs_bulk(struct cpu *c, const struct insn *i, unsigned n)
{
    uint8_t *to = bulk_bytes(c, i, ES, RDI, &n);
    const uint8_t *from = to ? bulk_bytes(c, i, insn_seg(i), RSI, &n) : NULL;
    if (!from)
        return 0;
    /* What was read stands in the source afterwards where the copy replicates, and else before. */
    bool replicates = (uintptr_t)to - (uintptr_t)from < n * i->size;
    if (!replicates)
        tell(c, i, insn_seg(i), RSI, n);
    copy_forward(to, from, n * i->size, i->size);
    if (replicates)
        tell(c, i, insn_seg(i), RSI, n);
    tell(c, i, ES, RDI, n);
    advance(c, i, RSI, n);
    advance(c, i, RDI, n);
    return n;
}

static void fill(uint8_t *to, uint64_t v, unsigned bytes, unsigned size)
{
    if (size == 1 || v == (v & 0xff) * (size_mask(size) / 0xff)) {
        memset(to, (int)(v & 0xff), bytes);
        return;
    }
    for (unsigned k = 0; k < bytes; k += size)
        memcpy(to + k, &v, size);
}

static unsigned stos_bulk(struct cpu *c, const struct insn *i, unsigned n)
{
    uint8_t *to = bulk_bytes(c, i, ES, RDI, &n);
    if (!to)
        return 0;
    fill(to, reg_read(c, RAX, i->size), n * i->size, i->size);
    tell(c, i, ES, RDI, n);
    advance(c, i, RDI, n);
    return n;
}

/* Bulk steps leave out the alignment check and go forward only. */
static bool bulk_allowed(const struct cpu *c)
{
    return !(c->rflags & (FLAG_DF | FLAG_AC));
}

/* REP MOVS, STOS, LODS */
static enum outcome repeat(struct cpu *c, const struct insn *i, iteration_fn *iteration,
                           bulk_fn *bulk)
{
    if (!has_rep(i)) {
        FAULT_IF(!iteration(c, i));
        return RETIRED;
    }
    unsigned left = iteration_limit(c);
    uint64_t count = count_begin(c, i);
    while (count && left) {
        unsigned n = count < left ? (unsigned)count : left;
        unsigned done = bulk && n >= BULK_MINIMUM && bulk_allowed(c) ? bulk(c, i, n) : 0;
        if (!done) {
            FAULT_IF(!iteration(c, i));
            done = 1;
        }
        count_subtract(c, i, done);
        count -= done;
        left -= done;
    }
    return count ? AGAIN : RETIRED;
}

/* REPE and REPNE CMPS, SCAS end on the count or on ZF.  A fault restores the flags (SDM vol. 2,
 * "REP"); so does a trap or an interrupt between two iterations, on Intel processors. */
static enum outcome repeat_while(struct cpu *c, const struct insn *i, iteration_fn *iteration)
{
    if (!has_rep(i)) {
        FAULT_IF(!iteration(c, i));
        return RETIRED;
    }
    uint64_t res = c->res, aux = c->aux, count = count_begin(c, i);
    bool go_on_zf = i->prefix & PFX_REP, fault = false;
    for (unsigned left = iteration_limit(c); count && left; left--) {
        fault = !iteration(c, i);
        if (unlikely(fault))
            break;
        count_subtract(c, i, 1);
        count--;
        if (lazy_zf(c->res) != go_on_zf)
            return RETIRED;
    }
    if (!count)
        return RETIRED;
    c->res = res;
    c->aux = aux;
    return fault ? cpu_fault_outcome(c) : AGAIN;
}

/* REP MOVS and REP STOS begin by clearing the upper halves of 32-bit index registers: Intel
 * processors show it when the count is 0 and when the first iteration faults.  The other strings
 * leave them. */
static void index_begin(struct cpu *c, const struct insn *i, enum reg r)
{
    if (has_rep(i))
        advance(c, i, r, 0);
}

enum outcome op_movs(struct cpu *c, const struct insn *i)
{
    index_begin(c, i, RSI);
    index_begin(c, i, RDI);
    return repeat(c, i, movs, movs_bulk);
}

enum outcome op_stos(struct cpu *c, const struct insn *i)
{
    index_begin(c, i, RDI);
    return repeat(c, i, stos, stos_bulk);
}

enum outcome op_lods(struct cpu *c, const struct insn *i) { return repeat(c, i, lods, NULL); }
enum outcome op_cmps(struct cpu *c, const struct insn *i) { return repeat_while(c, i, cmps); }
enum outcome op_scas(struct cpu *c, const struct insn *i) { return repeat_while(c, i, scas); }
