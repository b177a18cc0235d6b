// SPDX-License-Identifier: Apache-2.0
// Shows: EPT paging structures (SDM vol. 3, "EPT Translation Mechanism"): one PML4, one PDPT, four
// page directories, and page tables from a small pool for single pages.
#include "ept.h"

enum { EPT_RWX = 7, EPT_WRITE_BACK = 6 << 3, EPT_LARGE = 1 << 7 };
enum { EPTP_WRITE_BACK = 6, EPTP_WALK_4 = 3 << 3 };
enum { ENTRIES = 512, DIRECTORIES = 4, POOL = 4, IDENTITY_2M_PAGES = 8 };

#define PAGE __attribute__((aligned(4096)))
static uint64_t ept_pml4[ENTRIES] PAGE, ept_pdpt[ENTRIES] PAGE, ept_pd[DIRECTORIES][ENTRIES] PAGE;
static uint64_t table_pool[POOL][ENTRIES] PAGE;
static uint64_t page_pool[POOL][ENTRIES] PAGE;
static unsigned pages_used, tables_used;

static uint64_t link_to(const void *table)
{
    return (uint64_t)table | EPT_RWX;
}

uint64_t ept_create(void)
{
    ept_pml4[0] = link_to(ept_pdpt);
    for (unsigned k = 0; k < DIRECTORIES; k++)
        ept_pdpt[k] = link_to(ept_pd[k]);
    for (uint64_t k = 0; k < IDENTITY_2M_PAGES; k++)
        ept_pd[0][k] = k << 21 | EPT_LARGE | EPT_WRITE_BACK | EPT_RWX;
    return (uint64_t)ept_pml4 | EPTP_WALK_4 | EPTP_WRITE_BACK;
}

bool ept_map_fresh_page(uint64_t gpa)
{
    if (gpa >> 32 || pages_used == POOL)
        return false;
    uint64_t *directory = &ept_pd[gpa >> 30][gpa >> 21 & (ENTRIES - 1)];
    if (*directory & EPT_LARGE)
        return false;
    if (!*directory)
        *directory = link_to(table_pool[tables_used++]);
    uint64_t *table = (uint64_t *)(*directory & ~0xffful);
    uint64_t *entry = &table[gpa >> 12 & (ENTRIES - 1)];
    if (*entry)
        return false;
    *entry = link_to(page_pool[pages_used++]) | EPT_WRITE_BACK;
    return true;
}
