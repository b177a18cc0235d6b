// SPDX-License-Identifier: Apache-2.0
// The x87 register stack, its words, and the rules that every x87 handler shares.
#ifndef SP_CPU_X87_H
#define SP_CPU_X87_H

#include "cpu/access.h"
#include "cpu/softfloat80.h"

/* FSW besides the exceptions of softfloat80.h.  TOP, bits 13:11, is kept in fpu.top. */
enum {
    FSW_SF = 1 << 6, FSW_ES = 1 << 7, FSW_C0 = 1 << 8, FSW_C1 = 1 << 9, FSW_C2 = 1 << 10,
    FSW_C3 = 1 << 14, FSW_B = 1 << 15, FSW_CONDITIONS = FSW_C0 | FSW_C1 | FSW_C2 | FSW_C3,
    FCW_INITIAL = 0x37f, FCW_RESERVED_ONE = 1 << 6, FCW_WRITABLE = 0x1f3f,
};

/* ---- for the whole processor ---- */

/* FNINIT: control, status and tag words and the pointers; the data registers stay. */
void fpu_init(struct cpu *c);
uint16_t fpu_status_word(const struct fpu *f); /* FSW with TOP                     */
/* ES and B follow from the exceptions and their masks: load FCW first. */
void fpu_set_status_word(struct fpu *f, uint16_t fsw);
void fpu_set_control_word(struct fpu *f, uint16_t fcw);
/* The 16-bit tag word of FSTENV (SDM vol. 1, "x87 FPU Tag Word"), computed from the registers, and
 * back: only "empty" is taken over. */
uint16_t fpu_full_tag(const struct fpu *f);
void fpu_set_full_tag(struct fpu *f, uint16_t tag);

/* An unmasked exception waits for the next waiting instruction. */
static inline bool fpu_pending(const struct cpu *c) { return c->fpu.status & FSW_ES; }
/* What waiting x87 and all MMX instructions do first: #MF for a pending exception, or FERR# if
 * CR0.NE = 0. RETIRED: go on. */
enum outcome fpu_check_pending(struct cpu *c);
/* Every MMX instruction but EMMS: TOP = 0, all registers valid. */
static inline void fpu_enter_mmx(struct cpu *c)
{
    c->fpu.top = 0;
    c->fpu.tag = 0xff;
}

/* ---- for x87 handlers ---- */

static inline struct f80 *fpu_st(struct fpu *f, unsigned n) { return &f->st[(f->top + n) & 7]; }
static inline bool fpu_is_empty(const struct fpu *f, unsigned n)
{
    return !(f->tag >> ((f->top + n) & 7) & 1);
}
static inline void fpu_set(struct fpu *f, unsigned n, struct f80 v)
{
    *fpu_st(f, n) = v;
    f->tag |= (uint8_t)(1 << ((f->top + n) & 7));
}
static inline void fpu_pop(struct fpu *f)
{
    f->tag &= (uint8_t)~(1 << (f->top & 7));
    f->top = (f->top + 1) & 7;
}

/* FOP, FIP and FDP of a non-control instruction. */
void fpu_record(struct cpu *c, const struct insn *i);
/* Takes an operation's exceptions and C1 into FSW.  True if the destination may be written. */
bool fpu_commit(struct cpu *c, const struct f80_env *e);
/* A source register is empty: #IS with C1 = 0.  True if masked: the result is the indefinite. */
bool fpu_stack_underflow(struct cpu *c);
/* A push finds its register in use: #IS with C1 = 1.  True if masked. */
bool fpu_stack_overflow(struct cpu *c);
/* Pushes v, or answers a stack overflow (#IS with C1 = 1).  C1 = 0 otherwise. */
void fpu_push(struct cpu *c, struct f80 v);
/* C3, C2, C1, C0 as told by `mask` take their values in `conditions`. */
static inline void fpu_conditions(struct fpu *f, unsigned mask, unsigned conditions)
{
    f->status = (uint16_t)((f->status & ~mask) | conditions);
}
static inline struct f80_env fpu_env(const struct cpu *c) { return f80_env_of(c->fpu.control); }

/* Starts a waiting, non-control instruction without a memory source. */
static inline enum outcome fpu_begin(struct cpu *c, const struct insn *i)
{
    if (fpu_check_pending(c) != RETIRED)
        return FAULTED;
    fpu_record(c, i);
    return RETIRED;
}
/* The same with n bytes of memory to read: pending exceptions, then the operand's faults. */
enum outcome fpu_begin_read(struct cpu *c, const struct insn *i, void *operand, unsigned n);

#endif
