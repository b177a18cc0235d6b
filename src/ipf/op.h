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
#include "ipf/translate.h"

struct ipf_op {
    ipf_run *run;
    int64_t imm;
    uint8_t qp, r1, r2, r3, r4; /* as in struct ipf_slot; r4 is p2 where there are predicates */
    uint8_t s1, s2;  /* small immediates                                                */
    uint8_t arg;     /* the row's                                                       */
    uint8_t index;   /* in the block                                                    */
    uint8_t bundle;  /* in the block                                                    */
    uint8_t slot;
    uint8_t sf;          /* status field of a floating-point operation                      */
    uint8_t cause;       /* enum ipf_cause, if it is virtualized where it was decoded       */
    uint8_t accelerated; /* VAC_... that is set and covers it                               */
    union {
        /* Of fast handlers (op_fast.c): r1, r2, r3 in bytes from c->base[of1] and so on; the
         * highest register of the frame that is written to. */
        struct {
            uint16_t at1, at2, at3;
            uint8_t of1, of2, of3, reach;
        };
        const struct ipf_block *link; /* of branches: the block at the target (fast.h)          */
    };
};

struct ipf_block {
    struct ipf_block *other; /* with the same hash                                         */
    uint64_t pa;             /* of the first bundle                                        */
    uint16_t mode;           /* c->vti.mode, or 0 with PSR.vm = 0                          */
    uint8_t first;           /* first slot                                                 */
    uint16_t ops;            /* operations, without the one that ends the block            */
    struct ipf_op *fast;     /* where a run of the whole block begins: behind op[] (fast.c)  */
    struct ipf_op op[];
};

#define NEXT(c, op) NEXT_AFTER(c, op, 0)
#define NEXT_AFTER(c, op, last) return (op)[1].run((c), (op) + 1, (last))
/* Every handler but those of .unc and of br.cloop and its kind begins with it. */
#define IF_PREDICATE(c, op)                                                                        \
    if (!((c)->pr >> (op)->qp & 1))                                                                \
    NEXT(c, op)

static inline uint64_t op_ip(const struct ipf_cpu *c, const struct ipf_op *op)
{
    return c->block_ip + 16u * op->bundle;
}
/* The operation in op[] of the block that runs, with its neighbours. */
static inline const struct ipf_op *in_block(const struct ipf_cpu *c, const struct ipf_op *op)
{
    return &c->block->op[op->index];
}
/* Leaves the block behind op: the processor goes on at a bundle. */
static inline unsigned leave_to(struct ipf_cpu *c, const struct ipf_op *op, uint64_t ip)
{
    c->last_ip = op_ip(c, op);
    c->ip = ip;
    c->slot = 0;
    return op->index + 1u;
}
/* Leaves it to look around, and goes on with the next operation. */
static inline unsigned leave_behind(struct ipf_cpu *c, const struct ipf_op *op)
{
    c->last_ip = op_ip(c, op);
    c->ip = op_ip(c, in_block(c, op) + 1);
    c->slot = in_block(c, op)[1].slot;
    return op->index + 1u;
}
/* Goes on with the next operation, after something that may have posted an interrupt. */
#define NEXT_ATTENTIVE(c, op)                                                                      \
    do {                                                                                           \
        if (unlikely((c)->attention))                                                              \
            return leave_behind((c), (op));                                                        \
        NEXT((c), (op));                                                                           \
    } while (0)

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

/* CFM was written. */
static inline void frame_changed(struct ipf_cpu *c)
{
    c->reach = c->cfm.rrb_gr ? 0 : 32u + c->cfm.sof;
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

/* The predicates by their places in the register file, where CFM.rrb.pr is `base`; `base` = 48 - rrb
 * turns them back. */
static inline uint64_t rotated_pr(uint64_t pr, unsigned base)
{
    uint64_t rotating = pr >> 16;
    if (base % 48)
        rotating = (rotating << base % 48 | rotating >> (48 - base % 48)) & (BIT(48) - 1);
    return (pr & 0xffff) | rotating << 16;
}

static inline unsigned cpl(const struct ipf_cpu *c) { return c->psr >> PSR_CPL_SHIFT & 3; }

/* ---- faults (fault.c): each returns what the handler returns ---- */

unsigned illegal_operation(struct ipf_cpu *c, const struct ipf_op *op);
unsigned reserved_field(struct ipf_cpu *c, const struct ipf_op *op);
unsigned privileged_operation(struct ipf_cpu *c, const struct ipf_op *op, uint64_t access);
unsigned privileged_register(struct ipf_cpu *c, const struct ipf_op *op);
unsigned nat_consumption(struct ipf_cpu *c, const struct ipf_op *op, uint64_t access);
/* isr: the code, and the access. */
unsigned disabled_fp(struct ipf_cpu *c, const struct ipf_op *op, uint64_t isr);
unsigned unimplemented_data_address(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                                    uint64_t access);
/* The fault in c->fault. */
unsigned data_fault(struct ipf_cpu *c, const struct ipf_op *op);
unsigned break_instruction(struct ipf_cpu *c, const struct ipf_op *op, uint64_t number);
/* Floating-point fault or trap with its ISR.code (SDM vol. 1, "Floating-point Exceptions"). */
unsigned float_fault(struct ipf_cpu *c, const struct ipf_op *op, unsigned code);
unsigned float_trap(struct ipf_cpu *c, const struct ipf_op *op, unsigned code);
unsigned unsupported_data_reference(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                                    uint64_t access);
unsigned virtualization_fault(struct ipf_cpu *c, const struct ipf_op *op, enum ipf_cause cause);

/* Where the interrupted program goes on, the last bundle that it executed (or IPF_NO_LAST), and
 * the slot to report. */
struct ipf_resume {
    uint64_t ip, last;
    unsigned slot, ei;
};
/* Any interruption; value: what IFA or IIM gets. */
void ipf_interrupt(struct ipf_cpu *c, unsigned what, uint64_t isr, uint64_t value,
                   const struct ipf_resume *r);
/* The fault in c->fault, of no operation: an instruction fetch, a fill of the frame. */
void ipf_fault_between(struct ipf_cpu *c);
/* For an operation that is about to show somebody the time (a device, firmware): c->retired counts
 * whole blocks, so it is to be done over, alone, which needs no more than a data_fault(). False: it
 * runs alone. */
bool ipf_repeat_alone(struct ipf_cpu *c);
/* Stops the machine: something that a bare-metal program may do is not modelled. */
unsigned not_modelled(struct ipf_cpu *c, const struct ipf_op *op, const char *what);

/* ---- virtual machines (vti.c, vti_accelerate.c) ---- */

/* Tells an operation that is being decoded whether it is virtualized. */
void vti_bind(struct ipf_op *op, unsigned mode);
/* A virtualized operation that no other fault stops: PAL does it, or it faults. */
unsigned virtualized(struct ipf_cpu *c, const struct ipf_op *op);
#define VIRTUALIZED_HERE(c, op)                                                                    \
    if (unlikely((op)->cause))                                                                     \
    return virtualized((c), (op))
/* Behind a Virtualization fault: PAL's hand-off to the monitor. */
void vti_intercept(struct ipf_cpu *c, const struct ipf_op *op, enum ipf_cause cause);
/* PAL does it.  False: it cannot, and nothing has happened. */
bool vti_accelerate(struct ipf_cpu *c, const struct ipf_op *op);
/* Whether a virtual external interrupt is pending and unmasked. */
bool vti_interrupt_is_due(const struct ipf_cpu *c);

/* ---- control registers (op_control.c), frames (op_branch.c) ---- */

uint64_t cr_writable(unsigned n, uint64_t value); /* without the ignored fields */

/* ---- memory (memory.c) ---- */

/* Reads or writes 1 to 16 bytes; `how` as in translate.h.  A fault is in c->fault, and nothing has
 * been read or written. */
enum ipf_data ipf_read(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how,
                       void *bytes);
enum ipf_data ipf_write(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how,
                        const void *bytes);
/* For a semaphore (how: HOW_ATOMIC, HOW_FETCHADD): checks that it may read and write. */
enum ipf_data ipf_probe_semaphore(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how);
/* The same for the register stack engine: 8 bytes, PSR.rt, RSC.pl, RSC.be. */
enum ipf_data ipf_rse_read(struct ipf_cpu *c, uint64_t address, uint64_t *value);
enum ipf_data ipf_rse_write(struct ipf_cpu *c, uint64_t address, uint64_t value);
/* Where an aligned access of `size` bytes hits a line; NULL: try ipf_read or ipf_write. */
static inline uint8_t *line_hit(const struct ipf_line *lines, uint64_t address, unsigned size,
                                bool write)
{
    const struct ipf_line *l = &lines[ipf_line_of(address)];
    uint64_t tag = address & (~UINT64_C(0xfff) | (size - 1));
    return likely(tag == (write ? l->write : l->read)) ? (uint8_t *)(l->addend + address) : NULL;
}
/* The host address of a data address that was just read, for the ALAT; 0: no memory. */
uintptr_t ipf_host_address(struct ipf_cpu *c, uint64_t address, unsigned size);

/* ---- the register stack engine (rse.c) ---- */

/* Address n registers beyond (n < 0: before) a backing-store address. */
uint64_t rse_skip(uint64_t bsp, int n);
/* Makes room for a frame of sof registers at bof: mandatory stores.  False: c->fault. */
bool rse_ensure(struct ipf_cpu *c, unsigned sof);
void rse_advance(struct ipf_cpu *c, unsigned registers); /* br.call, cover: bof and BSP go up */
/* br.ret, rfi: down.  What is not in registers is to be filled: ATTENTION_FRAME. */
void rse_retreat(struct ipf_cpu *c, unsigned registers);
/* The mandatory loads that complete the frame.  False: c->fault. */
bool rse_fill(struct ipf_cpu *c);
/* The same as part of br.ret and rfi: a fault waits until these are done. */
static inline void rse_try_fill(struct ipf_cpu *c)
{
    if (unlikely(c->dirty < 0))
        rse_fill(c);
}
bool rse_flush(struct ipf_cpu *c);
/* loadrs, and whether the registers that it asks for are there. */
bool rse_load_fits(const struct ipf_cpu *c);
bool rse_load(struct ipf_cpu *c);
void rse_set_bspstore(struct ipf_cpu *c, uint64_t value);

/* cover: an empty frame behind the current one; returns what CR.IFS gets. */
uint64_t ipf_cover(struct ipf_cpu *c);
/* rfi: goes to a bundle with a PSR, its slot in PSR.ri, and a frame if IFS.v is set. */
void ipf_return_to(struct ipf_cpu *c, uint64_t ip, uint64_t psr, uint64_t ifs);

uint64_t cfm_pack(const struct ipf_cfm *cfm);
struct ipf_cfm cfm_unpack(uint64_t value);

/* ---- advanced loads (alat.c) ---- */

/* address: the host's, 0 where nothing can be entered. */
void alat_allocate(struct ipf_cpu *c, unsigned reg, bool is_fr, uintptr_t address, unsigned size);
bool alat_check(struct ipf_cpu *c, unsigned reg, bool is_fr, bool clear);
void alat_invalidate(struct ipf_cpu *c, unsigned reg, bool is_fr);
void alat_clear(struct ipf_cpu *c);
/* Those of all processors of the machine: something else than a processor wrote memory. */
void alat_clear_all(struct ipf_cpu *c);
/* The processor begins to run: what others have entered meanwhile. */
void alat_gather(struct ipf_cpu *c);
/* A store: entries that it touches go, those of the processors beside, too.  Neither entries nor
 * stores cross 16 aligned bytes. */
#define ALAT_BIT(address) BIT((address) >> 4 & 63)
void alat_search(struct ipf_cpu *c, uintptr_t address, unsigned size);
static inline void alat_snoop(struct ipf_cpu *c, const uint8_t *host, unsigned size)
{
    if (unlikely(c->alat_filter & ALAT_BIT((uintptr_t)host)))
        alat_search(c, (uintptr_t)host, size);
}

/* ---- external interrupts and the interval timer (interrupt.c) ---- */

uint64_t ipf_itc(const struct ipf_cpu *c, unsigned done); /* done: operations of this block */
void ipf_set_itc(struct ipf_cpu *c, unsigned done, uint64_t value);
void ipf_set_itm(struct ipf_cpu *c, unsigned done, uint64_t value);
uint64_t ipf_read_ivr(struct ipf_cpu *c);
/* What it would return, and nothing else. */
unsigned ipf_pending(const struct ipf_cpu *c);
void ipf_end_of_interrupt(struct ipf_cpu *c);
/* TPR, IRR or what is in service changed: ATTENTION_INTERRUPT. */
void ipf_interrupts_changed(struct ipf_cpu *c);
/* The timer, if it is due. */
void ipf_poll_timer(struct ipf_cpu *c);
/* Delivers a pending interrupt between two instructions, if PSR.i permits. */
bool ipf_take_interrupt(struct ipf_cpu *c);

/* ---- handlers: those that the rows name, and a few of the decoder's own ---- */

#define HANDLER(name)                                                                              \
    unsigned name(struct ipf_cpu *c, const struct ipf_op *op, __attribute__((unused)) uint64_t last)
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
