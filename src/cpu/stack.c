// SPDX-License-Identifier: Apache-2.0
// Frames on current and inner stacks, and the stack pointers in the TSS.
#include "cpu/stack.h"

#include "mem/phys.h"

struct stack stack_current(const struct cpu *c)
{
    return (struct stack){ .ss = c->seg[SS], .sp = c->gpr[RSP], .asize = stack_asize(c),
                           .cpl = c->cpl, .current = true };
}

struct stack stack_inner(const struct cpu *c, const struct segment *ss, uint64_t sp, unsigned cpl)
{
    unsigned asize = in_long_mode(c) ? 8 : ss->access & SEG_DB ? 4 : 2;
    return (struct stack){ .ss = *ss, .sp = sp, .asize = asize, .cpl = cpl,
                           .error = ss->selector & 0xfffc };
}

static void set_pointer(struct stack *s, uint64_t sp)
{
    s->sp = s->asize == 2 ? (s->sp & ~UINT64_C(0xffff)) | (sp & 0xffff) : sp & size_mask(s->asize);
}

/* One stretch of at most a page: checked and translated, its bytes not written yet. */
struct piece { uint64_t linear, pa; const uint8_t *bytes; unsigned n; };
enum { PIECES = 2 * FRAME_ENTRIES };
struct plan { struct piece piece[PIECES]; unsigned count; };

static bool plan_stretch(struct cpu *c, const struct stack *s, uint64_t offset,
                         const uint8_t *bytes, unsigned n, struct plan *p)
{
    bool flat = s->asize == 8;
    if (flat ? !is_canonical(c, offset) || !is_canonical(c, offset + n - 1)
             : !segment_covers(&s->ss, offset, n))
        return refuse(c, EXC_SS, s->error);
    uint64_t linear = flat ? offset : (uint32_t)(s->ss.base + offset);
    while (n && p->count < PIECES) {
        struct piece *x = &p->piece[p->count++];
        unsigned room = PAGE_SIZE - (linear & (PAGE_SIZE - 1));
        x->linear = linear;
        x->bytes = bytes;
        x->n = n < room ? n : room;
        c->access_bytes = (unsigned)x->n;
        if (!linear_translate(c, linear, ACCESS_WRITE, s->cpl == 3, false, &x->pa))
            return false;
        bytes += x->n;
        n -= x->n;
        linear = linear_wrap(c, linear + x->n);
    }
    return true;
}

static bool push_inner(struct cpu *c, struct stack *s, const uint8_t *bytes, unsigned total,
                       unsigned unit)
{
    struct plan p = { .count = 0 };
    uint64_t low = (s->sp - total) & size_mask(s->asize);
    bool contiguous = low + total - 1 <= size_mask(s->asize) && low + total > low;
    unsigned step = contiguous ? total : unit;     /* a frame that wraps is checked word by word */
    for (unsigned k = 0; k < total; k += step)
        if (!plan_stretch(c, s, (low + k) & size_mask(s->asize), bytes + k, step, &p))
            return false;
    for (unsigned k = 0; k < p.count; k++) {
        located_push(c, p.piece[k].linear, p.piece[k].pa, p.piece[k].bytes, p.piece[k].n);
        check_data_breakpoints(c, p.piece[k].linear, p.piece[k].n, true);
    }
    set_pointer(s, low);
    return true;
}

static bool push_current(struct cpu *c, struct stack *s, const uint8_t *bytes, unsigned total,
                         unsigned unit)
{
    uint64_t mask = size_mask(s->asize), low = (s->sp - total) & mask;
    if (low + total - 1 <= mask && low + total > low) {
        if (!seg_check_alignment(c, SS, low, unit) || !seg_write_bytes(c, SS, low, bytes, total, 0))
            return false;
    } else {
        for (unsigned k = 0; k < total; k += unit)
            if (!seg_probe_write(c, SS, (low + k) & mask, unit))
                return false;
        for (unsigned k = 0; k < total; k += unit)
            if (!seg_write_bytes(c, SS, (low + k) & mask, bytes + k, unit, 0))
                return false;
    }
    set_pointer(s, low);
    return true;
}

bool stack_push_frame(struct cpu *c, struct stack *s, const struct frame *f)
{
    uint8_t bytes[8 * FRAME_ENTRIES];
    unsigned total = f->size * f->count;
    for (unsigned k = 0; k < f->count; k++)
        for (unsigned b = 0; b < f->size; b++)
            bytes[total - (k + 1) * f->size + b] = (uint8_t)(f->value[k] >> (8 * b));
    return s->current ? push_current(c, s, bytes, total, f->size)
                      : push_inner(c, s, bytes, total, f->size);
}

void stack_commit(struct cpu *c, const struct stack *s)
{
    c->seg[SS] = s->ss;
    c->gpr[RSP] = s->sp;
}

bool stack_peek(struct cpu *c, uint64_t displacement, unsigned size, uint64_t *value)
{
    uint64_t offset = (c->gpr[RSP] + displacement) & size_mask(stack_asize(c));
    return seg_read(c, SS, offset, size, value);
}

bool tss_stack(struct cpu *c, unsigned dpl, uint16_t *ss, uint64_t *sp)
{
    const struct segment *tr = &c->seg[TR];
    bool wide = seg_type(tr) & 8;
    uint32_t offset = wide ? dpl * 8 + 4 : dpl * 4 + 2;
    uint8_t b[6];
    if (offset + (wide ? 5 : 3) > tr->limit)
        return refuse(c, EXC_TS, tr->selector & 0xfffc);
    if (!linear_read_system(c, linear_wrap(c, tr->base + offset), b, wide ? 6 : 4))
        return false;
    *sp = b[0] | b[1] << 8;
    if (wide)
        *sp |= (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    *ss = wide ? b[4] | b[5] << 8 : b[2] | b[3] << 8;
    return true;
}

bool tss_stack64(struct cpu *c, unsigned slot, uint64_t *sp)
{
    const struct segment *tr = &c->seg[TR];
    uint32_t offset = slot < 3 ? slot * 8 + 4 : (slot - 3) * 8 + 28;
    if (offset + 7 > tr->limit)
        return refuse(c, EXC_TS, tr->selector & 0xfffc);
    return linear_read_system(c, tr->base + offset, sp, 8);
}
