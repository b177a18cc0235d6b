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

struct ipf_cfm cfm_unpack(uint64_t v)
{
    return (struct ipf_cfm){
        .sof = bits(v, 6, 0),
        .sol = bits(v, 13, 7),
        .sor = (uint8_t)(bits(v, 17, 14) * 8),
        .rrb_gr = bits(v, 24, 18),
        .rrb_fr = bits(v, 31, 25),
        .rrb_pr = bits(v, 37, 32),
    };
}

/* Moves the live part of the buffer so that it begins at `first`. */
static void slide(struct ipf_cpu *c, unsigned first)
{
    memmove(c->stack + first, c->stack + c->bof - c->dirty,
            (c->dirty + IPF_STACKED) * sizeof *c->stack);
    c->bof = first + c->dirty;
    c->frame = c->stack + c->bof;
}

static void store_one(struct ipf_cpu *c)
{
    if ((c->bspstore & NAT_COLLECTION) == NAT_COLLECTION) {
        ipf_store(c, c->bspstore, 8, c->rnat);
        c->rnat = 0;
    } else {
        const struct ipf_gr *r = &c->stack[c->bof - c->dirty--];
        uint64_t bit = BIT(c->bspstore >> 3 & 0x3f);
        ipf_store(c, c->bspstore, 8, r->v);
        c->rnat = r->nat ? c->rnat | bit : c->rnat & ~bit;
    }
    c->bspstore += 8;
}

/* Loads the register below AR.BSPSTORE; the caller has room below. */
static void load_one(struct ipf_cpu *c)
{
    c->bspstore -= 8;
    if ((c->bspstore & NAT_COLLECTION) == NAT_COLLECTION) {
        c->rnat = ipf_load(c, c->bspstore, 8);
        c->bspstore -= 8;
    }
    c->stack[c->bof - ++c->dirty] = (struct ipf_gr){
        ipf_load(c, c->bspstore, 8),
        c->rnat >> (c->bspstore >> 3 & 0x3f) & 1,
    };
}

void rse_ensure(struct ipf_cpu *c, unsigned sof)
{
    while (c->dirty + sof > IPF_STACKED)
        store_one(c);
}

void rse_advance(struct ipf_cpu *c, unsigned n)
{
    c->bsp = rse_skip(c->bsp, (int)n);
    c->bof += n;
    c->dirty += n;
    rse_ensure(c, 0);
    c->frame = c->stack + c->bof;
    if (c->bof + IPF_STACKED > IPF_STACK_BUFFER)
        slide(c, IPF_STACKED);
}

void rse_retreat(struct ipf_cpu *c, unsigned n)
{
    if (c->bof < c->dirty + 2 * IPF_STACKED)
        slide(c, IPF_STACK_BUFFER / 2);
    while (c->dirty < n)
        load_one(c);
    c->dirty -= n;
    c->bof -= n;
    c->frame = c->stack + c->bof;
    c->bsp = rse_skip(c->bsp, -(int)n);
    if (!c->dirty)
        c->bspstore = c->bsp;
}

void rse_flush(struct ipf_cpu *c)
{
    while (c->bspstore != c->bsp)
        store_one(c);
}

/* SDM vol. 3, loadrs: the RSC.loadrs bytes below BSP are in registers, and no others. */
void rse_load(struct ipf_cpu *c)
{
    uint64_t from = c->bsp - (c->ar[AR_RSC] >> 16 & 0x3ff8);
    if (c->bof < c->dirty + 2 * IPF_STACKED)
        slide(c, IPF_STACK_BUFFER / 2);
    while (c->bspstore < from) {
        c->dirty -= (c->bspstore & NAT_COLLECTION) != NAT_COLLECTION;
        c->bspstore += 8;
    }
    while (c->bspstore > from && c->dirty < IPF_STACKED)
        load_one(c);
}

void rse_set_bspstore(struct ipf_cpu *c, uint64_t value)
{
    c->bspstore = value & ~UINT64_C(7);
    c->bsp = rse_skip(c->bspstore, (int)c->dirty);
}
