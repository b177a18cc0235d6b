// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "ipf/block.h"
#include "ipf/cpu.h"
#include "ipf/op.h"

struct ipf_cpu *ipf_create(struct mem *mem)
{
    struct ipf_cpu *c = calloc(1, sizeof *c);
    if (!c || !(c->code = ipf_code_create(mem))) {
        free(c);
        return NULL;
    }
    c->mem = mem;
    c->psr = PSR_BN;
    c->pr = 1;
    c->bof = IPF_STACK_BUFFER / 2;
    c->frame = c->stack + c->bof;
    c->fr[1] = (struct ipf_fr){ .significand = BIT(63), .exponent = 0xffff };
    c->ar[AR_FPSR] = UINT64_C(0x0009804c0270033f);
    return c;
}

void ipf_destroy(struct ipf_cpu *c)
{
    if (c)
        ipf_code_destroy(c->code);
    free(c);
}

/* A block runs whole only if it ends in time; else operation by operation. */
void ipf_run_until(struct ipf_cpu *c, uint64_t until)
{
    while (c->stop == IPF_RUNS && c->retired < until) {
        const struct ipf_block *b = ipf_block_at(c->code, c->ip, c->slot);
        if (!b) {
            c->stop = IPF_NOT_MODELLED;
            return;
        }
        if (unlikely(c->retired + b->ops > until))
            b = ipf_block_step(c->code, b);
        c->block = b;
        c->retired += b->op->run(c, b->op);
    }
}
