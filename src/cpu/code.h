// SPDX-License-Identifier: Apache-2.0
// The decode cache: blocks of decoded instructions, keyed by the physical address of their first
// byte and the mode they were bound for.  One cache serves all processors of a machine.
//
// A block's instructions are followed by three slots that are instructions to the runners:
//
//   [n]    the end: falls through to the next block by way of the next slot
//   [n+1]  link to the block that follows in memory    disp = bytes from this block's start,
//   [n+2]  link to the target of a direct branch       imm  = first instruction of that block
//
// An unresolved link's imm points at the link itself.  Dropping a block overwrites its runners with
// run_stale, so links, jump caches and even the running processor notice at the next instruction.
#ifndef SP_CPU_CODE_H
#define SP_CPU_CODE_H

#include "cpu/decode.h"
#include "cpu/mode.h"

#ifdef SP_HOSTILE
enum { BLOCK_INSNS_MAX = 4, ARENA_INSNS = 256, BLOCK_HASH = 2, MODES_MAX = 8 };
#else
enum { BLOCK_INSNS_MAX = 64, ARENA_INSNS = 1 << 20, BLOCK_HASH = 1 << 16, MODES_MAX = 512 };
#endif
enum { BLOCK_BYTES_MAX = 240, LINK_NEXT = 1, LINK_TARGET = 2, CODE_CPUS_MAX = 64 };

struct block {
    uint64_t pa;              /* of the first byte */
    uint64_t pa2;             /* page of the last byte if the only instruction crosses, else 0 */
    struct block *next;       /* same hash */
    struct block *next_page;  /* same hash of the page number; blocks with pa2 are in `crossing` */
    uint16_t mode;
    uint16_t count;           /* instructions */
    uint16_t bytes;
    struct insn insn[];
};

struct code_cache {
    struct mem *mem;
    struct decoder decoder;
    struct mode modes[MODES_MAX];
    unsigned mode_count;
    struct cpu *cpu[CODE_CPUS_MAX];
    unsigned cpus;
    struct insn *arena;       /* blocks are carved from it; full: everything is dropped */
    unsigned arena_used;
    unsigned arena_extra;     /* taken by tracing, over and above: blocks must be dropped at the same
                                 moments with and without it */
    uint64_t drops;           /* how often everything was dropped */
    struct block *hash[BLOCK_HASH];
    struct block *page_hash[BLOCK_HASH];
    struct block *crossing;   /* blocks on two pages */
};

/* The index of mode m; may drop the whole cache when the table is full. */
unsigned code_intern_mode(struct code_cache *k, const struct mode *m);

/* The same for c's state with MODE_STEP; c->mode stays right if the table had to be emptied. */
unsigned code_step_mode(struct cpu *c);

/* Other memory shows at [base, base + size), whole pages: drops the blocks that were read there. */
void code_forget(struct code_cache *k, uint64_t base, uint64_t size);

/* First instruction of the block at c->rip for mode `mode`, decoding it if needed.  NULL: c->event
 * holds the fault of the fetch (or a VM exit happened).  Never called from inside a block but by
 * links. */
const struct insn *code_find(struct cpu *c, unsigned mode);

/* Whether RIP -> first may be remembered in the jump cache: no check of code_find depends on more
 * than the jump key. */
bool code_may_cache_jump(const struct cpu *c, const struct insn *first);

/* Binds a decoded instruction to its runner for a mode: legality, privilege, interception, fast
 * form. page_offset is where the instruction's block starts within its page. */
run_fn *bind_runner(const struct cpu *c, const struct mode *m, const struct insn *i,
                    unsigned page_offset);

#endif
