// SPDX-License-Identifier: Apache-2.0
// The translation buffers of one Itanium processor: translation registers, translation caches, and
// the lines that data accesses hit (SDM vol. 2, "Virtual Addressing").
#ifndef SP_IPF_TLB_H
#define SP_IPF_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

struct ipf_cpu;

/* Page sizes that can be inserted and purged: 4K, 8K, 16K, 64K, 256K, 1M, 4M, 16M, 64M, 256M, 1G,
 * 4G (PAL_VM_PAGE_SIZE), and the sizes of everything else that PAL_VM_SUMMARY reports. */
#define IPF_PAGE_SIZES UINT64_C(0x155557000)
enum {
    IPF_TR = 64, /* of each kind                                        */
    IPF_TC_SETS = 64,
    IPF_TC_WAYS = 4,
    IPF_KEYS = 16,
    IPF_RID_BITS = 24,
    IPF_PA_BITS = 50,
};

/* One translation (SDM vol. 2, "Translation Insertion Format"). */
struct ipf_translation {
    uint64_t va;   /* first byte, bits 60:0                               */
    uint64_t mask; /* bits of an address that say which page it is in     */
    uint64_t pa;
    uint32_t rid, key;
    uint8_t ps, ar, pl, ma;
    bool valid, present, accessed, dirty, ed;
};

enum ipf_side { IPF_INSTRUCTIONS, IPF_DATA };

struct ipf_tlb {
    struct ipf_translation tr[IPF_TR];
    struct ipf_translation tc[IPF_TC_SETS][IPF_TC_WAYS];
    uint8_t next[IPF_TC_SETS]; /* way to be replaced                                  */
    unsigned tr_end;           /* behind the last register in use                     */
    uint64_t sizes;            /* page sizes that tc may hold                         */
};

/* A line of the software TLB: one 4 KiB page of host memory that accesses of one kind and level
 * reach without another look.  A tag is the page's address, or IPF_NO_TAG. */
#ifdef SP_HOSTILE
enum { IPF_LINES = 2 };
#else
enum { IPF_LINES = 256 };
#endif
enum { IPF_CONTEXTS = 10, IPF_HOST_CONTEXTS = 6 };
#define IPF_NO_TAG UINT64_C(0x800) /* no address with its low bits but the lowest masked */
struct ipf_line {
    uint64_t read, write;
    uintptr_t addend;
};
/* The line of an address, the same in all regions; arrays a megabyte apart do not fight. */
static inline unsigned ipf_line_of(uint64_t address)
{
    return (unsigned)(address >> 12 ^ address >> 20) % IPF_LINES;
}

/* Memory attributes (SDM vol. 2, "Memory Attributes"). */
enum { MA_WB = 0, MA_UC = 4, MA_UCE = 5, MA_WC = 6, MA_NAT_PAGE = 7 };

/* A translation from the operand of itc and itr (or a VHPT entry) and ITIR, for the page of va in
 * region rid. */
struct ipf_translation ipf_translation(uint64_t pte, uint64_t itir, uint64_t va, uint32_t rid);
/* Whether they have reserved bits or encodings. */
bool ipf_translation_reserved(uint64_t pte, uint64_t itir);

/* The region's identifier of a virtual address. */
uint32_t ipf_rid(const struct ipf_cpu *c, uint64_t va);
/* The translation of a virtual address in the TLB of one side; NULL: none. */
const struct ipf_translation *ipf_tlb_find(const struct ipf_cpu *c, enum ipf_side side,
                                           uint64_t va);
/* Insertions drop what overlaps in the cache of that side.  A cached translation that overlaps a
 * register (a machine check) is not inserted, an overlapping older register is dropped. */
void ipf_tlb_insert(struct ipf_cpu *c, enum ipf_side side, const struct ipf_translation *t);
void ipf_tlb_insert_register(struct ipf_cpu *c, enum ipf_side side, unsigned n,
                             const struct ipf_translation *t);
/* Drops the cached translations that overlap [va, va + 2^ps) of region rid, registers too if
 * asked. */
void ipf_tlb_purge(struct ipf_cpu *c, enum ipf_side side, uint64_t va, unsigned ps, uint32_t rid,
                   bool registers);
/* ptc.e: all cached translations of both sides. */
void ipf_tlb_purge_all(struct ipf_cpu *c);

/* The lines: all of them go, or those of [va, va + 2^ps). */
void ipf_flush_lines(struct ipf_cpu *c);
/* All that was derived from translations and the protection of pages, code included. */
void ipf_flush(struct ipf_cpu *c);

#endif
