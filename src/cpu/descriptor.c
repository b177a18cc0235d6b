// SPDX-License-Identifier: Apache-2.0
// Descriptors in memory: fetching them, their accessed and busy bits, gates.
#include "cpu/descriptor.h"

bool segment_covers(const struct segment *s, uint64_t offset, unsigned n)
{
    uint64_t last = offset + n - 1;
    if ((s->access & (TYPE_CODE | TYPE_EXPAND_DOWN | SEG_S)) == (TYPE_EXPAND_DOWN | SEG_S))
        return offset > s->limit && last <= (s->access & SEG_DB ? 0xffffffffu : 0xffffu);
    return last <= s->limit || (s->limit == 0xffffffff && !s->base);      /* flat: they wrap */
}

bool code_target_ok(const struct cpu *c, const struct segment *cs, uint64_t offset)
{
    if (in_long_mode(c) && (cs->access & SEG_L))
        return is_canonical(c, offset);
    return offset <= cs->limit;
}

static void decode_descriptor(struct descriptor *d)
{
    uint64_t r = d->raw;
    uint32_t limit = (uint32_t)(bits(r, 51, 48) << 16 | bits(r, 15, 0));
    d->seg.base = bits(r, 63, 56) << 24 | bits(r, 39, 16) | bits(d->high, 31, 0) << 32;
    d->seg.access = (uint32_t)(bits(r, 47, 40) | bits(r, 55, 52) << 12);
    d->seg.limit = d->seg.access & SEG_G ? limit << 12 | 0xfff : limit;
}

/* In IA-32e mode these take two slots of the table ("System Descriptor Types"). */
static bool is_wide(const struct cpu *c, const struct segment *s)
{
    unsigned type = seg_type(s);
    return in_long_mode(c) && seg_is_system(s) &&
           (type == SYS_LDT || type == SYS_TSS32 || type == SYS_TSS32_BUSY || type == SYS_CALL32);
}

bool descriptor_probe(struct cpu *c, uint16_t selector, struct descriptor *d, bool *found)
{
    bool local = selector & 4;
    uint64_t base = local ? c->seg[LDTR].base : c->gdtr.base;
    uint32_t limit = local ? c->seg[LDTR].limit : c->gdtr.limit;
    uint32_t offset = selector & 0xfff8u;
    *found = !(local && (c->seg[LDTR].access & SEG_UNUSABLE)) && offset + 7 <= limit;
    if (!*found)
        return true;
    *d = (struct descriptor){ .linear = linear_wrap(c, base + offset), .seg.selector = selector };
    if (!linear_read_system(c, d->linear, &d->raw, 8))
        return false;
    decode_descriptor(d);
    if (is_wide(c, &d->seg)) {
        *found = offset + 15 <= limit;
        if (*found && !linear_read_system(c, d->linear + 8, &d->high, 8))
            return false;
        decode_descriptor(d);
    }
    return true;
}

bool descriptor_fetch(struct cpu *c, uint16_t selector, enum exception vector, struct descriptor *d)
{
    bool found;
    if (!descriptor_probe(c, selector, d, &found))
        return false;
    return found || refuse(c, vector, selector & 0xfffc);
}

bool descriptor_write_type(struct cpu *c, const struct descriptor *d, unsigned set, unsigned clear)
{
    uint8_t access = (uint8_t)((bits(d->raw, 47, 40) | set) & ~clear);
    return linear_write_system(c, linear_wrap(c, d->linear + 5), &access, 1);
}

bool descriptor_set_accessed(struct cpu *c, struct descriptor *d)
{
    if (d->seg.access & TYPE_ACCESSED)
        return true;
    if (!descriptor_write_type(c, d, TYPE_ACCESSED, 0))
        return false;
    d->raw |= BIT(40);
    d->seg.access |= TYPE_ACCESSED;
    return true;
}

struct gate descriptor_gate(const struct cpu *c, const struct descriptor *d)
{
    uint64_t r = d->raw;
    struct gate g = { .selector = (uint16_t)bits(r, 31, 16), .count = bits(r, 36, 32) };
    g.offset = bits(r, 15, 0);
    if (seg_type(&d->seg) & 8)                     /* 16-bit gates have 16-bit offsets */
        g.offset |= bits(r, 63, 48) << 16;
    if (in_long_mode(c))
        g.offset |= bits(d->high, 31, 0) << 32;
    return g;
}
