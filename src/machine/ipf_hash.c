// SPDX-License-Identifier: Apache-2.0
// The state hash of an Itanium machine: fields one by one, so that padding, pointers and caches do
// not count.
#include "ipf/op.h"
#include "machine/hash.h"

static void put(XXH64_state_t *h, uint64_t v) { XXH64_update(h, &v, sizeof v); }

static void put_gr(XXH64_state_t *h, const struct ipf_gr *r)
{
    put(h, r->v);
    put(h, r->nat);
}

/* The registers of the frame by their numbers, and those below it that are not in memory yet. */
static void put_stack(XXH64_state_t *h, struct ipf_cpu *c)
{
    for (unsigned k = 0; k < c->cfm.sof; k++)
        put_gr(h, stacked(c, k));
    for (int k = -(int)c->dirty; k < 0; k++)
        put_gr(h, c->frame + k);
    put(h, c->bsp);
    put(h, c->bspstore);
    put(h, c->rnat);
    put(h, cfm_pack(&c->cfm));
}

static void put_float(XXH64_state_t *h, const struct ipf_cpu *c)
{
    for (unsigned k = 0; k < 128; k++) {
        put(h, c->fr[k].significand);
        put(h, (uint64_t)c->fr[k].sign << 32 | c->fr[k].exponent);
    }
}

static void put_cpu(XXH64_state_t *h, struct ipf_cpu *c)
{
    for (unsigned k = 0; k < 32; k++)
        put_gr(h, &c->gr[k]);
    for (unsigned k = 0; k < 16; k++)
        put_gr(h, &c->bank[k]);
    put_stack(h, c);
    put_float(h, c);
    const uint64_t v[] = { c->ip, c->slot, c->psr, c->pr, c->retired, c->itc_offset, c->halted };
    XXH64_update(h, v, sizeof v);
    XXH64_update(h, c->irr, sizeof c->irr);
    XXH64_update(h, c->in_service, sizeof c->in_service);
    XXH64_update(h, c->br, sizeof c->br);
    XXH64_update(h, c->ar, sizeof c->ar);
    XXH64_update(h, c->cr, sizeof c->cr);
    XXH64_update(h, c->rr, sizeof c->rr);
    XXH64_update(h, c->pkr, sizeof c->pkr);
    XXH64_update(h, c->ibr, sizeof c->ibr);
    XXH64_update(h, c->dbr, sizeof c->dbr);
    if (c->vti.vp)
        put(h, c->vti.vp->vpd_pa);
}

uint64_t hash_ipf(uint64_t now, struct ipf_cpu *const *cpus, unsigned count, const struct mem *mem)
{
    XXH64_state_t *h = XXH64_createState();
    if (!h)
        return 0;
    XXH64_reset(h, 0);
    put(h, now);
    for (unsigned k = 0; k < count; k++)
        put_cpu(h, cpus[k]);
    hash_memory(h, mem);
    uint64_t digest = XXH64_digest(h);
    XXH64_freeState(h);
    return digest;
}
