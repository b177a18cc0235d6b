// SPDX-License-Identifier: Apache-2.0
// The state hash: two runs agree if and only if (but for collisions) everything that a guest can
// observe of its processors and RAM agrees.  Fields one by one, so that padding, pointers and
// caches do not count.
#include <xxhash.h>

#include "cpu/flags.h"
#include "machine/internal.h"

static void put(XXH64_state_t *h, uint64_t v) { XXH64_update(h, &v, sizeof v); }

static void put_segments(XXH64_state_t *h, const struct cpu *c)
{
    for (unsigned s = 0; s < SEG_COUNT; s++) {
        put(h, c->seg[s].base);
        put(h, (uint64_t)c->seg[s].limit << 32 | c->seg[s].access);
        put(h, c->seg[s].selector);
    }
    put(h, c->gdtr.base);
    put(h, c->gdtr.limit);
    put(h, c->idtr.base);
    put(h, c->idtr.limit);
}

static void put_fpu(XXH64_state_t *h, const struct fpu *f)
{
    for (unsigned k = 0; k < 8; k++) {
        put(h, f->st[k].frac);
        put(h, f->st[k].sexp);
    }
    put(h, (uint64_t)f->control << 48 | (uint64_t)f->status << 32 | (uint64_t)f->top << 24 |
               f->tag << 16 | f->opcode);
    put(h, (uint64_t)f->cs << 16 | f->ds);
    put(h, f->ip);
    put(h, f->dp);
    put(h, f->mxcsr);
    XXH64_update(h, f->xmm, sizeof f->xmm);
}

static void put_control(XXH64_state_t *h, const struct cpu *c)
{
    const uint64_t v[] = { c->cr0,      c->cr2,         c->cr3,         c->cr4,
                           c->cr8,      c->xcr0,        c->pending,     c->pending_debug,
                           c->cpl,      c->shadow,      c->nmi_blocked, c->init_blocked,
                           c->activity, c->sipi_vector, c->vmx_root,    c->vmx_nonroot,
                           c->retired,  c->seed };
    XXH64_update(h, v, sizeof v);
    XXH64_update(h, c->dr, sizeof c->dr);
    XXH64_update(h, c->pdpte, sizeof c->pdpte);
    XXH64_update(h, &c->msr, sizeof c->msr);         /* 64-bit members only: no padding */
}

static void put_cpu(XXH64_state_t *h, const struct cpu *c)
{
    XXH64_update(h, c->gpr, 16 * sizeof c->gpr[0]);
    put(h, c->rip);
    put(h, cpu_rflags(c));
    put_segments(h, c);
    put_control(h, c);
    put_fpu(h, &c->fpu);
}

/* RAM, write-protected or not, and ROM over it.  Pages of zeros do not count, so it does not matter
 * which pages were ever touched. */
static void put_ram(XXH64_state_t *h, const struct mem *m, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[PAGE_SIZE];
    for (uint64_t pa = from; pa < to; pa += PAGE_SIZE) {
        enum page_kind kind;
        const uint8_t *page = mem_page(m, pa, &kind);
        if (!page || !__builtin_memcmp(page, zeros, PAGE_SIZE))
            continue;
        put(h, pa);
        XXH64_update(h, page, PAGE_SIZE);
    }
}

uint64_t machine_state_hash(const struct machine *m)
{
    XXH64_state_t *h = XXH64_createState();
    if (!h)
        return 0;
    XXH64_reset(h, 0);
    put(h, m->now);
    for (unsigned k = 0; k < m->cpus; k++)
        put_cpu(h, m->cpu[k]);
    put_ram(h, m->mem, 0, mem_low_ram_end(m->mem));
    put_ram(h, m->mem, UINT64_C(1) << 32, mem_high_ram_end(m->mem));
    uint64_t digest = XXH64_digest(h);
    XXH64_freeState(h);
    return digest;
}
