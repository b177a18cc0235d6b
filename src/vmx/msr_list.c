// SPDX-License-Identifier: Apache-2.0
// MSR areas of VM entry and VM exit (SDM vol. 3, "Loading MSRs", "Saving MSRs").  An entry has 16
// bytes: 31:0 index, 63:32 reserved, 127:64 value.
#include "mem/phys.h"
#include "vmx/internal.h"

/* The manual recommends at most 512 * (IA32_VMX_MISC[27:25] + 1) entries and leaves open what more
 * do.  Here the first one beyond cannot be loaded or stored, so that a guest cannot stall the host.
 */
static uint32_t list_limit(const struct cpu *c)
{
    return 512 * ((uint32_t)bits(c->vmx->cap[CAP_MISC], 27, 25) + 1);
}

static bool may_load(uint32_t index, uint32_t reserved)
{
    if (reserved || index == 0xc0000100 || index == 0xc0000101)   /* FS and GS base have fields */
        return false;
    return index >> 8 != 8 && index != 0x9e && index != 0x9b;     /* x2APIC, SMBASE, SMM control */
}

uint32_t msr_list_load(struct cpu *c, uint64_t address, uint32_t count, uint32_t *index,
                       uint64_t *value)
{
    for (uint32_t k = 0; k < count; k++, address += 16) {
        uint64_t head = mem_read_le(c->mem, address, 8);
        *index = (uint32_t)head;
        *value = mem_read_le(c->mem, address + 8, 8);
        /* Changing LME with paging on is refused by msr_write (SDM, "IA32_EFER"). */
        if (k >= list_limit(c) || !may_load(*index, head >> 32) || !msr_write(c, *index, *value))
            return k + 1;
    }
    return 0;
}

bool msr_list_store(struct cpu *c, uint64_t address, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++, address += 16) {
        uint64_t head = mem_read_le(c->mem, address, 8), value;
        if (k >= list_limit(c) || head >> 32 || (head & 0xffffffff) >> 8 == 8 ||
            !msr_read(c, (uint32_t)head, &value))
            return false;
        mem_write_le(c->mem, address + 8, 8, value);
    }
    return true;
}
