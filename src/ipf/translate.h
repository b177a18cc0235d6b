// SPDX-License-Identifier: Apache-2.0
// Translation of addresses and the checks of an access (SDM vol. 2, "Addressing and Protection").
// What an access is, is said by the bits that ISR would show: ISR_R, ISR_W, ISR_X, ISR_SP, ISR_RS,
// ISR_NA with the kind in bits 3:0.
#ifndef SP_IPF_TRANSLATE_H
#define SP_IPF_TRANSLATE_H

#include "ipf/state.h"

#define ISR_X BIT(32)
#define ISR_W BIT(33)
#define ISR_R BIT(34)
#define ISR_NA BIT(35)
#define ISR_SP BIT(36)
#define ISR_RS BIT(37)
#define ISR_IR BIT(38)
#define ISR_NI BIT(39)
#define ISR_EI_SHIFT 41
#define ISR_ED BIT(43)
/* Not bits of ISR: semaphores, ld16, st16 want alignment whatever PSR.ac says, and cacheable
 * memory; fetchadd is content with UCE; ld.a gets nothing from memory that forbids speculation. */
#define HOW_ATOMIC BIT(63)
#define HOW_FETCHADD BIT(62)
#define HOW_ADVANCED BIT(61)
#define HOW_ISR (BIT(61) - 1)
/* In a physical address, as in the addresses of physical mode: the access is uncacheable. */
#define PA_UNCACHED BIT(63)

/* Concurrent traps in ISR.code. */
enum { TRAP_FP = 1, TRAP_LP = 2, TRAP_TB = 4, TRAP_SS = 8, TRAP_UI = 16 };

/* Non-access operations (SDM vol. 2, "Non-access Interruptions"). */
enum { NA_TPA, NA_FC, NA_PROBE, NA_TAK, NA_LFETCH, NA_PROBE_FAULT };

/* Rows of interruption.def. */
enum ipf_interruption {
#define INTERRUPTION(name, vector, code, registers) INT_##name,
#include "ipf/interruption.def"
};

/* What came of an access: a fault is described in c->fault, nothing else has changed; a deferred
 * one leaves NaT in the target of a speculative load, 0 in that of an advanced one. */
enum ipf_data { DATA_DONE, DATA_FAULTS, DATA_DEFERRED };

/* The physical address behind a data address, with PA_UNCACHED.  Level: privilege level of the
 * access.  Alignment is checked too, if size is not 0. */
enum ipf_data ipf_translate(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how,
                            unsigned level, uint64_t *pa);
/* The same for an address that is virtual whatever PSR.dt says. */
enum ipf_data ipf_translate_virtual(struct ipf_cpu *c, uint64_t address, unsigned size,
                                    uint64_t how, unsigned level, uint64_t *pa);
/* The same for the bundle at ip. */
enum ipf_data ipf_translate_code(struct ipf_cpu *c, uint64_t ip, uint64_t *pa);
/* The translation of a data address, by the walker if need be; NULL: c->fault. */
const struct ipf_translation *ipf_search(struct ipf_cpu *c, enum ipf_side side, uint64_t address,
                                         uint64_t how, struct ipf_translation *room);
bool ipf_unimplemented(const struct ipf_cpu *c, uint64_t address, bool is_virtual);
/* Whether page rights let a level read (R), write (W) or execute (X): all of the bits. */
bool ipf_rights(const struct ipf_translation *t, unsigned level, uint64_t how);
/* Whether the protection key lets it. */
bool ipf_key_permits(const struct ipf_cpu *c, const struct ipf_translation *t, uint64_t how);
/* Whether the VHPT walker may read through a translation: level 0, keys. */
bool ipf_may_read(const struct ipf_cpu *c, const struct ipf_translation *t);
/* The ed bit of the page that the current instruction stands on. */
bool ipf_code_defers(const struct ipf_cpu *c);

/* ---- the VHPT (vhpt.c) ---- */

enum ipf_walk { WALK_FINDS, WALK_FAILS, WALK_TABLE_MISSES };
enum ipf_walk ipf_walk(struct ipf_cpu *c, enum ipf_side side, uint64_t va,
                       struct ipf_translation *found);
/* The entry where the walker looks for a page, and what it finds, without side effects. */
struct ipf_vhpt_entry {
    uint64_t at, pa;     /* of the entry: virtual, and, if readable, physical                 */
    uint64_t pte, itir;  /* short format: ITIR is the region's default                        */
    uint64_t tag;        /* long format                                                       */
    const char *verdict; /* why it is of no use; NULL: it is                                  */
    bool is_long, readable;
};
enum ipf_walk ipf_vhpt_look(const struct ipf_cpu *c, uint64_t va, struct ipf_vhpt_entry *e);
bool ipf_walker_enabled(const struct ipf_cpu *c, uint64_t va, uint64_t how);
uint64_t ipf_thash(const struct ipf_cpu *c, uint64_t va);
uint64_t ipf_ttag(const struct ipf_cpu *c, uint64_t va);
/* thash and ttag for values of PTA and of the region's register. */
uint64_t ipf_hash(uint64_t pta, uint64_t rr, uint64_t va);
uint64_t ipf_tag(uint64_t rr, uint64_t va);

#endif
