// SPDX-License-Identifier: Apache-2.0
// --strict tlb: finds software that forgot an invalidation.  Every translation that was used stays
// on record, as in a TLB of unlimited size, until an invalidation takes it; every access is also
// translated afresh.  Where the two differ, a processor may still use the old one (SDM vol. 3,
// "Invalidation of TLBs and Paging-Structure Caches", "Invalidating Cached Translation
// Information").
#ifndef SP_CPU_STALE_H
#define SP_CPU_STALE_H

#include "cpu/invalidation.h"

struct stale_records;

/* Four of HLAT paging that is restarted, four of the guest's paging structures, for each of these
 * the EPT entry that maps it, and five of EPT. */
enum { STALE_ENTRIES = 21 };

/* A paging-structure entry that a translation rests on. */
struct stale_entry {
    uint64_t pa, value;         /* where it stands (host-physical), and what it held */
    uint8_t size;               /* 4 or 8 bytes */
    bool ept;
};

/* A use of a translation that an invalidation should have taken. */
struct stale_use {
    uint64_t rip;               /* of the instruction that makes the access */
    bool nonroot;               /* VMX non-root operation */
    uint16_t pcid, vpid;
    uint64_t linear, old_pa;    /* pages */
    uint64_t new_pa;            /* by the structures as they are now; if `fails`, there is none */
    bool fails;
    enum access_kind kind;
    bool has_entry;             /* the first entry that changed; else CR3, HLATP or the EPTP */
    struct stale_entry entry;
    uint64_t now;               /* what the entry holds now */
};

struct stale_records *stale_create(void);
void stale_destroy(struct stale_records *s);
/* As stale_create() makes it. */
void stale_restart(struct stale_records *s);

/* Around one translation of c: what is on record, what is read, and what comes of it: a page with
 * `rights` (write, user, execute-disable, protection key), rights that forbid the access, or
 * another fault or VM exit. */
void stale_begin(struct cpu *c, uint64_t linear, enum access_kind kind);
void stale_entry_read(struct cpu *c, uint64_t pa, uint64_t value, unsigned size, bool ept);
void stale_translated(struct cpu *c, uint64_t page_mask, bool global, uint64_t rights, uint64_t pa);
void stale_refused(struct cpu *c, uint64_t rights);
void stale_failed(struct cpu *c);

void stale_flush(struct cpu *c, const struct invalidation *v);

#endif
