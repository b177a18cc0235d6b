// SPDX-License-Identifier: Apache-2.0
// 32-bit paging without large pages on both sides (SDM vol. 3, "32-Bit Paging"); CR0.WP is 1 while
// the guest runs.
#include "shadow.h"

enum { PRESENT = 1 << 0, WRITABLE = 1 << 1, USER = 1 << 2, ACCESSED = 1 << 5, DIRTY = 1 << 6 };
enum { ENTRIES = 1024, TABLES = 16 };
#define FRAME 0xfffff000u

typedef uint32_t page_table[ENTRIES] __attribute__((aligned(PAGE_SIZE)));

uint8_t guest_ram[GUEST_RAM_SIZE] __attribute__((aligned(PAGE_SIZE)));
static page_table directory, tables[TABLES];
static unsigned tables_used;
static uint32_t guest_cr3;
static bool guest_paging;

uint32_t shadow_root(void) { return (uint32_t)(uintptr_t)directory; }

static void empty(void)
{
    for (unsigned k = 0; k < ENTRIES; k++)
        directory[k] = 0;
    tables_used = 0;
}

void shadow_use(uint32_t cr3, bool paging)
{
    guest_cr3 = cr3;
    guest_paging = paging;
    empty();
}

/* Without VPIDs each VM entry invalidates what the processor's own TLB holds of the guest (SDM
 * vol. 3, "Operations that Invalidate Cached Mappings"); only the shadow has to be taken care of.
 */
void shadow_invalidate_page(uint32_t linear)
{
    uint32_t entry = directory[linear >> 22];
    if (entry & PRESENT)
        ((uint32_t *)(uintptr_t)(entry & FRAME))[linear >> 12 & 0x3ff] = 0;
}

/* The shadow's entry for a page; when all tables are in use, the shadow starts anew. */
static uint32_t *shadow_entry(uint32_t linear)
{
    uint32_t *entry = &directory[linear >> 22];
    if (!(*entry & PRESENT)) {
        if (tables_used == TABLES)
            empty();
        uint32_t *table = tables[tables_used++];
        for (unsigned k = 0; k < ENTRIES; k++)
            table[k] = 0;
        *entry = (uint32_t)(uintptr_t)table | PRESENT | WRITABLE | USER;
    }
    return &((uint32_t *)(uintptr_t)(*entry & FRAME))[linear >> 12 & 0x3ff];
}

/* An entry of the guest's paging structures, or a null pointer outside its memory. */
static uint32_t *guest_entry(uint32_t table, uint32_t index)
{
    uint32_t at = (table & FRAME) + 4 * index;
    return at < GUEST_RAM_SIZE ? (uint32_t *)(void *)&guest_ram[at] : 0;
}

static bool allows(uint32_t rights, uint32_t error)
{
    return (rights & USER || !(error & FAULT_USER)) &&
           (rights & WRITABLE || !(error & FAULT_WRITE));
}

/* The processor's walk, done by hand: *page is the guest's frame with the rights of both levels,
 * and without WRITABLE while the dirty flag is clear, so that the first write is seen. */
static enum fault_result walk(uint32_t linear, uint32_t *error, uint32_t *page)
{
    uint32_t *pde = guest_entry(guest_cr3, linear >> 22);
    if (!pde)
        return FAULT_NO_MEMORY;
    *error &= ~(uint32_t)FAULT_PRESENT;
    if (!(*pde & PRESENT))
        return FAULT_OF_GUEST;
    uint32_t *pte = guest_entry(*pde, linear >> 12 & 0x3ff);
    if (!pte)
        return FAULT_NO_MEMORY;
    if (!(*pte & PRESENT))
        return FAULT_OF_GUEST;
    uint32_t rights = *pde & *pte & (WRITABLE | USER);
    *error |= FAULT_PRESENT;
    if (!allows(rights, *error))
        return FAULT_OF_GUEST;
    *pde |= ACCESSED;
    *pte |= ACCESSED | (*error & FAULT_WRITE ? DIRTY : 0);
    *page = (*pte & FRAME) | (*pte & DIRTY ? rights : rights & ~(uint32_t)WRITABLE);
    return FAULT_FILLED;
}

enum fault_result shadow_fault(uint32_t linear, uint32_t *error)
{
    /* While the guest believes that paging is off, linear addresses are guest-physical.  The
     * processor cannot run it so: CR0.PG is fixed to 1 in VMX operation. */
    uint32_t page = (linear & FRAME) | WRITABLE | USER;
    if (guest_paging) {
        enum fault_result result = walk(linear, error, &page);
        if (result != FAULT_FILLED)
            return result;
    }
    if ((page & FRAME) >= GUEST_RAM_SIZE)
        return FAULT_NO_MEMORY;
    *shadow_entry(linear) = ((uint32_t)(uintptr_t)guest_ram + page) | PRESENT;
    return FAULT_FILLED;
}
