// SPDX-License-Identifier: Apache-2.0
// Decoded operations and what their handlers use.  A handler does one instruction and calls the
// next operation's handler in tail position; the last one of a block, a taken branch and a fault
// return the number of operations of the block that are done.
#ifndef SP_IPF_OP_H
#define SP_IPF_OP_H

#include <stddef.h>
#include <string.h>

#include "ipf/decode.h"
#include "ipf/state.h"

struct ipf_op {
    ipf_run *run;
    int64_t imm;
    uint8_t qp, r1, r2, r3, r4; /* as in struct ipf_slot; r4 is p2 where there are predicates */
    uint8_t s1, s2;  /* small immediates                                                */
    uint8_t arg;     /* the row's                                                       */
    uint16_t index;  /* in the block                                                    */
    uint16_t bundle; /* in the block                                                    */
    uint8_t slot;
    uint8_t sf; /* status field of a floating-point operation                      */
};

struct ipf_block {
    uint64_t ip;   /* of the first bundle                                             */
    uint8_t first; /* first slot                                                      */
    uint16_t ops;  /* operations, without the one that ends the block                 */
    struct ipf_op op[];
};

#define NEXT(c, op) return (op)[1].run((c), (op) + 1)
/* Every handler but those of .unc and of br.cloop and its kind begins with it. */
#define IF_PREDICATE(c, op)                                                                        \
    if (!((c)->pr >> (op)->qp & 1))                                                                \
    NEXT(c, op)

static inline uint64_t op_ip(const struct ipf_cpu *c, const struct ipf_op *op)
{
    return c->block->ip + 16u * op->bundle;
}
/* Leaves the block behind op: the processor goes on at a bundle. */
static inline unsigned leave_to(struct ipf_cpu *c, const struct ipf_op *op, uint64_t ip)
{
    c->ip = ip;
    c->slot = 0;
    return op->index + 1u;
}
/* Leaves it to look around, and goes on with the next operation. */
static inline unsigned leave_behind(struct ipf_cpu *c, const struct ipf_op *op)
{
    c->ip = op_ip(c, op + 1);
    c->slot = op[1].slot;
    return op->index + 1u;
}

/* ---- registers ---- */

static inline struct ipf_gr *stacked(struct ipf_cpu *c, unsigned n)
{
    if (unlikely(n < c->cfm.sor)) {
        n += c->cfm.rrb_gr;
        n -= n >= c->cfm.sor ? c->cfm.sor : 0;
    }
    return c->frame + n;
}
static inline struct ipf_gr *gr(struct ipf_cpu *c, unsigned n)
{
    return likely(n < 32) ? &c->gr[n] : stacked(c, n - 32);
}
/* Whether n is no target: r0 is found when a block is decoded, a register beyond the frame here
 * (SDM vol. 1, "Register Stack": Illegal Operation fault). */
static inline bool no_target(const struct ipf_cpu *c, unsigned n)
{
    return unlikely(n >= 32u + c->cfm.sof);
}

static inline struct ipf_fr *fr(struct ipf_cpu *c, unsigned n)
{
    if (n < 32)
        return &c->fr[n];
    n = n - 32 + c->cfm.rrb_fr;
    return &c->fr[32 + (n >= 96 ? n - 96 : n)];
}

static inline void set_pr(struct ipf_cpu *c, unsigned n, bool value)
{
    c->pr = n ? (c->pr & ~BIT(n)) | (uint64_t)value << n : c->pr;
}

static inline unsigned cpl(const struct ipf_cpu *c) { return c->psr >> PSR_CPL_SHIFT & 3; }

/* ---- faults (fault.c): each returns what the handler returns ---- */

/* PSR.bn, and gr[16] to gr[31] with it. */
void ipf_switch_bank(struct ipf_cpu *c, bool bank1);
unsigned illegal_operation(struct ipf_cpu *c, const struct ipf_op *op);
unsigned reserved_field(struct ipf_cpu *c, const struct ipf_op *op);
unsigned privileged_operation(struct ipf_cpu *c, const struct ipf_op *op);
unsigned privileged_register(struct ipf_cpu *c, const struct ipf_op *op);
unsigned nat_consumption(struct ipf_cpu *c, const struct ipf_op *op, uint64_t access);
unsigned disabled_fp(struct ipf_cpu *c, const struct ipf_op *op, bool high);
unsigned unaligned_reference(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                             uint64_t access);
unsigned break_instruction(struct ipf_cpu *c, const struct ipf_op *op, uint64_t number);
/* Floating-point fault or trap with its ISR.code (SDM vol. 1, "Floating-point Exceptions"). */
unsigned float_fault(struct ipf_cpu *c, const struct ipf_op *op, unsigned code);
unsigned float_trap(struct ipf_cpu *c, const struct ipf_op *op, unsigned code);
unsigned unsupported_data_reference(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                                    uint64_t access);
/* Access bits of ISR. */
#define ISR_X BIT(32)
#define ISR_W BIT(33)
#define ISR_R BIT(34)
#define ISR_NA BIT(35)
#define ISR_SP BIT(36)
/* Stops the machine: something that a bare-metal program may do is not modelled. */
unsigned not_modelled(struct ipf_cpu *c, const struct ipf_op *op, const char *what);
/* The calls of break 0x80001 (ssc.c); false: not one of them, or not enabled. */
bool ssc_call(struct ipf_cpu *c, uint64_t number);

/* ---- memory (memory.c) ---- */

uint64_t ipf_load(struct ipf_cpu *c, uint64_t address, unsigned size);
void ipf_store(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t value);

/* ---- the register stack engine (rse.c) ---- */

/* Address n registers beyond (n < 0: before) a backing-store address. */
uint64_t rse_skip(uint64_t bsp, int n);
/* Makes room for a frame of sof registers at bof: mandatory stores. */
void rse_ensure(struct ipf_cpu *c, unsigned sof);
void rse_advance(struct ipf_cpu *c, unsigned registers); /* br.call, cover: bof and BSP go up */
void rse_retreat(struct ipf_cpu *c,
                 unsigned registers); /* br.ret, rfi: down, with mandatory loads */
void rse_flush(struct ipf_cpu *c);
void rse_load(struct ipf_cpu *c);
void rse_set_bspstore(struct ipf_cpu *c, uint64_t value);

uint64_t cfm_pack(const struct ipf_cfm *cfm);
struct ipf_cfm cfm_unpack(uint64_t value);

/* ---- advanced loads (alat.c) ---- */

void alat_allocate(struct ipf_cpu *c, unsigned reg, bool is_fr, uint64_t address, unsigned size);
bool alat_check(struct ipf_cpu *c, unsigned reg, bool is_fr, bool clear);
void alat_invalidate(struct ipf_cpu *c, unsigned reg, bool is_fr);
void alat_clear(struct ipf_cpu *c);
/* A store: entries that it touches go. */
void alat_snoop(struct ipf_cpu *c, uint64_t address, unsigned size);

/* ---- handlers: those that the rows name, and a few of the decoder's own ---- */

#define HANDLER(name) unsigned name(struct ipf_cpu *c, const struct ipf_op *op)
/* Formats of floating-point values in memory. */
enum memory_format {
    MEMORY_SINGLE,
    MEMORY_DOUBLE,
    MEMORY_EXTENDED,
    MEMORY_INTEGER,
    MEMORY_SPILL,
};
#define SLOT(format, name, handler, arg, fields) ipf_run handler;
#include "ipf/insn.def"
ipf_run ia_end, ia_reserved;

#endif
