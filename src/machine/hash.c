// SPDX-License-Identifier: Apache-2.0
// The state hash: two runs agree if and only if (but for collisions) everything that a guest can
// observe of its processors and RAM agrees.  Members one by one, by their rows, so that padding,
// pointers and caches do not count.
#include <xxhash.h>

#include "cpu/flags.h"
#include "cpu/saved.h"
#include "machine/hash.h"
#include "machine/internal.h"
#include "vmx/saved.h"

static void put(void *hash, const void *bytes, size_t n) { XXH64_update(hash, bytes, n); }

static void put_number(XXH64_state_t *h, uint64_t v) { put(h, &v, sizeof v); }

/* What counters hold now does not depend on when they were brought up to date. */
static void put_counters(XXH64_state_t *h, const struct cpu *c)
{
    for (unsigned k = 0; k < PMU_COUNTERS; k++)
        put_number(h, pmu_value(c, k));
}

/* The rows of SAVED_STATE (cpu/saved.def, vmx/saved.def); the flags may stand in several forms. */
static void put_cpu(XXH64_state_t *h, const struct cpu *c)
{
    put_number(h, cpu_rflags(c));
    put_counters(h, c);
    saved_observe(saved_cpu(), c, put, h);
    if (c->vmx)
        saved_observe(saved_vmx(), c->vmx, put, h);
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
        put_number(h, pa);
        XXH64_update(h, page, PAGE_SIZE);
    }
}

void hash_memory(XXH64_state_t *h, const struct mem *m)
{
    put_ram(h, m, 0, mem_low_ram_end(m));
    put_ram(h, m, UINT64_C(1) << 32, mem_high_ram_end(m));
}

uint64_t machine_state_hash(const struct machine *m)
{
    XXH64_state_t *h = XXH64_createState();
    if (!h)
        return 0;
    XXH64_reset(h, 0);
    put_number(h, m->now);
    for (unsigned k = 0; k < m->cpus; k++)
        put_cpu(h, m->cpu[k]);
    hash_memory(h, m->mem);
    uint64_t digest = XXH64_digest(h);
    XXH64_freeState(h);
    return digest;
}
