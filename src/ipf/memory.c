// SPDX-License-Identifier: Apache-2.0
// Data accesses in physical mode: bit 63 of the address says that the access is uncacheable (SDM
// vol. 2, "Physical Addressing").
#include "ipf/op.h"

#include "mem/phys.h"

uint64_t ipf_load(struct ipf_cpu *c, uint64_t address, unsigned size)
{
    return mem_read_le(c->mem, address & ~BIT(63), size);
}

void ipf_store(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t value)
{
    uint64_t pa = address & ~BIT(63);
    uint8_t *host = mem_plain_for_write(c->mem, pa, size);
    if (unlikely(c->alat_used))
        alat_snoop(c, pa, size);
    if (likely(host != NULL))
        memcpy(host, &value, size);
    else
        mem_write_le(c->mem, pa, size, value);
}
