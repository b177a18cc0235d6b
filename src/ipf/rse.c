// SPDX-License-Identifier: Apache-2.0
// The register stack engine (SDM vol. 2, "Register Stack Engine"), in lazy mode whatever RSC.mode
// says: it moves registers only when it must, which the other modes permit.  Registers stand in a
// buffer in the order of their backing store; the buffer's ends never show.
#include <string.h>

#include "ipf/op.h"

enum { NAT_COLLECTION = 0x1f8 }; /* address bits 8:3 of the word behind 63 registers */

uint64_t rse_skip(uint64_t bsp, int n)
{
    int slot = (int)(bsp >> 3 & 0x3f) + n;
    int collections = n < 0 ? (slot - 62) / 63 : slot / 63;
    return bsp + 8 * (uint64_t)(int64_t)(n + collections);
}

uint64_t cfm_pack(const struct ipf_cfm *m)
{
    return m->sof | (uint64_t)m->sol << 7 | (uint64_t)(m->sor / 8) << 14 |
           (uint64_t)m->rrb_gr << 18 | (uint64_t)m->rrb_fr << 25 | (uint64_t)m->rrb_pr << 32;
}

/* A frame that cannot be (AR.PFS and CR.IFS take any value) becomes an empty one. */
struct ipf_cfm cfm_unpack(uint64_t v)
{
    struct ipf_cfm m = {
        .sof = bits(v, 6, 0),
        .sol = bits(v, 13, 7),
        .sor = (uint8_t)(bits(v, 17, 14) * 8),
        .rrb_gr = bits(v, 24, 18),
        .rrb_fr = bits(v, 31, 25),
        .rrb_pr = bits(v, 37, 32),
    };
    bool sizes = m.sof <= IPF_STACKED && m.sol <= m.sof && m.sor <= m.sof;
    bool bases = (!m.rrb_gr || m.rrb_gr < m.sor) && m.rrb_fr < 96 && m.rrb_pr < 48;
    return sizes && bases ? m : (struct ipf_cfm){ 0 };
}

/* Moves the live part of the buffer so that it begins at `first`. */
static void slide(struct ipf_cpu *c, unsigned first)
{
    unsigned below = c->dirty > 0 ? (unsigned)c->dirty : 0;
    memmove(c->stack + first, c->stack + c->bof - below, (below + IPF_STACKED) * sizeof *c->stack);
    c->bof = first + below;
    c->frame = c->stack + c->bof;
}

static bool store_one(struct ipf_cpu *c)
{
    if ((c->bspstore & NAT_COLLECTION) == NAT_COLLECTION) {
        if (ipf_rse_write(c, c->bspstore, c->rnat) != DATA_DONE)
            return false;
        c->rnat = 0;
    } else {
        const struct ipf_gr *r = &c->stack[(int)c->bof - c->dirty];
        uint64_t bit = BIT(c->bspstore >> 3 & 0x3f);
        if (ipf_rse_write(c, c->bspstore, r->v) != DATA_DONE)
            return false;
        c->rnat = r->nat ? c->rnat | bit : c->rnat & ~bit;
        c->dirty--;
    }
    c->bspstore += 8;
    return true;
}

/* Loads the register below AR.BSPSTORE; the caller has room below. */
static bool load_one(struct ipf_cpu *c)
{
    uint64_t at = c->bspstore - 8, rnat = c->rnat, v;
    if ((at & NAT_COLLECTION) == NAT_COLLECTION) {
        if (ipf_rse_read(c, at, &rnat) != DATA_DONE)
            return false;
        at -= 8;
    }
    if (ipf_rse_read(c, at, &v) != DATA_DONE)
        return false;
    c->rnat = rnat;
    c->bspstore = at;
    c->dirty++;
    c->stack[(int)c->bof - c->dirty] = (struct ipf_gr){ v, rnat >> (at >> 3 & 0x3f) & 1 };
    return true;
}

bool rse_ensure(struct ipf_cpu *c, unsigned sof)
{
    while (c->dirty + (int)sof > IPF_STACKED)
        if (!store_one(c))
            return false;
    return true;
}

void rse_advance(struct ipf_cpu *c, unsigned n)
{
    c->bsp = rse_skip(c->bsp, (int)n);
    c->bof += n;
    c->dirty += (int)n;
    c->frame = c->stack + c->bof;
    if (c->bof + 2 * IPF_STACKED > IPF_STACK_BUFFER)
        slide(c, IPF_STACKED);
}

/* A frame that lies in memory altogether, and more below it, comes from handlers that return
 * before an incomplete frame is filled; nothing says what they get (SDM vol. 2, "RSE
 * Interruptions"). */
void rse_retreat(struct ipf_cpu *c, unsigned n)
{
    if (c->bof < 3 * IPF_STACKED)
        slide(c, IPF_STACK_BUFFER / 2);
    c->dirty -= (int)n;
    c->bof -= n;
    c->frame = c->stack + c->bof;
    c->bsp = rse_skip(c->bsp, -(int)n);
    if (c->dirty < -IPF_STACKED) {
        c->dirty = 0;
        c->bspstore = c->bsp;
    }
    if (c->dirty < 0)
        c->attention |= ATTENTION_FRAME;
}

bool rse_fill(struct ipf_cpu *c)
{
    while (c->dirty < 0)
        if (!load_one(c))
            return false;
    c->attention &= ~(unsigned)ATTENTION_FRAME;
    if (!c->dirty)
        c->bspstore = c->bsp;
    return true;
}

bool rse_flush(struct ipf_cpu *c)
{
    while (c->dirty > 0 || c->bspstore < c->bsp)
        if (!store_one(c))
            return false;
    return true;
}

static uint64_t load_limit(const struct ipf_cpu *c)
{
    return c->bsp - (c->ar[AR_RSC] >> 16 & 0x3ff8);
}
bool rse_load_fits(const struct ipf_cpu *c)
{
    return rse_skip(load_limit(c), IPF_STACKED) >= c->bsp;
}

/* SDM vol. 3, loadrs: the RSC.loadrs bytes below BSP are in registers, and no others. */
bool rse_load(struct ipf_cpu *c)
{
    uint64_t from = load_limit(c);
    if (c->bof < 3 * IPF_STACKED)
        slide(c, IPF_STACK_BUFFER / 2);
    while (c->bspstore < from) {
        c->dirty -= (c->bspstore & NAT_COLLECTION) != NAT_COLLECTION;
        c->bspstore += 8;
    }
    while (c->bspstore > from && c->dirty < IPF_STACKED)
        if (!load_one(c))
            return false;
    return true;
}

void rse_set_bspstore(struct ipf_cpu *c, uint64_t value)
{
    c->bspstore = value & ~UINT64_C(7);
    c->bsp = rse_skip(c->bspstore, c->dirty);
}
