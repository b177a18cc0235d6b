// SPDX-License-Identifier: Apache-2.0
// Shows: shadow paging, what a hypervisor does on a processor without EPT.  The processor walks
// page tables of the hypervisor's (the shadow), which map linear addresses of the guest to host
// frames.  They start empty and are filled on page faults from the guest's own tables; as the
// guest's tables may change without notice, the shadow is to the guest what a TLB is: INVLPG takes
// a page out, a load of CR3 takes all.
#ifndef SHADOW_SHADOW_H
#define SHADOW_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

enum { PAGE_SIZE = 4096, GUEST_RAM_SIZE = 1 << 20 };

extern uint8_t guest_ram[GUEST_RAM_SIZE];      /* guest-physical address 0 stands at its start */

/* Page-fault error codes (SDM vol. 3, "Page-Fault Exceptions"). */
enum { FAULT_PRESENT = 1 << 0, FAULT_WRITE = 1 << 1, FAULT_USER = 1 << 2 };

enum fault_result {
    FAULT_FILLED,       /* the shadow had a gap: it is closed, the guest tries again       */
    FAULT_OF_GUEST,     /* the guest's own tables deny the access: *error is what it gets  */
    FAULT_NO_MEMORY,    /* the guest's tables lead out of its memory                       */
};

/* CR3 that the guest runs with. */
uint32_t shadow_root(void);
/* What the guest believes: its CR3, and whether CR0.PG is set.  The shadow is emptied. */
void shadow_use(uint32_t guest_cr3, bool guest_paging);
void shadow_invalidate_page(uint32_t linear);
/* A page fault of the guest at `linear`, with the processor's error code. */
enum fault_result shadow_fault(uint32_t linear, uint32_t *error);

#endif
