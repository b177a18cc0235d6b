// SPDX-License-Identifier: Apache-2.0
// A bare Itanium processor for tests, and an encoder for the few instructions that they run.  Slots
// are written as the instruction formats of the manual have them.
#ifndef IPF_SYSTEM_H
#define IPF_SYSTEM_H

#include "ipf/cpu.h"
#include "ipf/translate.h"
#include "ipf_traced.h"
#include "mem/phys.h"

enum { CODE = 0x200000, TABLE = 0x300000 /* CR.IVA */, DATA = 0x400000, BACKING = 0x500000 };

/* ---- slots ---- */

static inline uint64_t op_m(unsigned x6, unsigned r1, unsigned r2, unsigned r3)
{
    return UINT64_C(1) << 37 | (uint64_t)x6 << 27 | r3 << 20 | r2 << 13 | r1 << 6;
}
static inline uint64_t op_memory(unsigned x6, unsigned r1, unsigned r2, unsigned r3)
{
    return UINT64_C(4) << 37 | (uint64_t)x6 << 30 | r3 << 20 | r2 << 13 | r1 << 6;
}
#define NOP_M (UINT64_C(1) << 27)
#define NOP_I (UINT64_C(1) << 27)
#define NOP_B (UINT64_C(2) << 37)
#define LD8(r1, r3) op_memory(0x03, r1, 0, r3)
#define LD4(r1, r3) op_memory(0x02, r1, 0, r3)
#define LD8_S(r1, r3) op_memory(0x07, r1, 0, r3)
#define LD8_SA(r1, r3) op_memory(0x0f, r1, 0, r3)
#define ST8(r3, r2) op_memory(0x33, 0, r2, r3)
#define XCHG8(r1, r3, r2) (op_memory(0x0b, r1, r2, r3) | UINT64_C(1) << 27)
#define LFETCH(r3) (UINT64_C(6) << 37 | UINT64_C(0x2c) << 30 | (uint64_t)(r3) << 20)
#define LFETCH_FAULT(r3) (UINT64_C(6) << 37 | UINT64_C(0x2e) << 30 | (uint64_t)(r3) << 20)
#define FC(r3) op_m(0x30, 0, 0, r3)
#define MOV_TO_CR(cr, r2) op_m(0x2c, 0, r2, cr)
#define MOV_FROM_CR(r1, cr) op_m(0x24, r1, 0, cr)
#define MOV_TO_AR(ar, r2) op_m(0x2a, 0, r2, ar)
#define MOV_FROM_AR(r1, ar) op_m(0x22, r1, 0, ar)
#define MOV_TO_PSR_L(r2) op_m(0x2d, 0, r2, 0)
#define MOV_FROM_PSR(r1) op_m(0x25, r1, 0, 0)
#define ITC_D(r2) op_m(0x2e, 0, r2, 0)
#define ITC_I(r2) op_m(0x2f, 0, r2, 0)
#define ITR_D(r3, r2) op_m(0x0e, 0, r2, r3)
#define ITR_I(r3, r2) op_m(0x0f, 0, r2, r3)
#define PTC_L(r3, r2) op_m(0x09, 0, r2, r3)
#define PTC_G(r3, r2) op_m(0x0a, 0, r2, r3)
#define PTC_E(r3) op_m(0x34, 0, 0, r3)
#define PTR_D(r3, r2) op_m(0x0c, 0, r2, r3)
#define PTR_I(r3, r2) op_m(0x0d, 0, r2, r3)
#define THASH(r1, r3) op_m(0x1a, r1, 0, r3)
#define TTAG(r1, r3) op_m(0x1b, r1, 0, r3)
#define TPA(r1, r3) op_m(0x1e, r1, 0, r3)
#define TAK(r1, r3) op_m(0x1f, r1, 0, r3)
#define PROBE_R(r1, r3, r2) op_m(0x38, r1, r2, r3)
#define PROBE_W(r1, r3, r2) op_m(0x39, r1, r2, r3)
#define PROBE_R_IMM(r1, r3, level) op_m(0x18, r1, level, r3)
#define PROBE_W_IMM(r1, r3, level) op_m(0x19, r1, level, r3)
#define PROBE_RW_FAULT(r3, level) op_m(0x31, 0, level, r3)
#define PROBE_R_FAULT(r3, level) op_m(0x32, 0, level, r3)
#define PROBE_W_FAULT(r3, level) op_m(0x33, 0, level, r3)
#define MOV_TO_RR(r3, r2) op_m(0x00, 0, r2, r3)
#define MOV_TO_DBR(r3, r2) op_m(0x01, 0, r2, r3)
#define MOV_TO_IBR(r3, r2) op_m(0x02, 0, r2, r3)
#define MOV_TO_PKR(r3, r2) op_m(0x03, 0, r2, r3)
#define MOV_FROM_PKR(r1, r3) op_m(0x13, r1, 0, r3)
#define MASK(x4, imm)                                                                              \
    ((uint64_t)(x4) << 27 | ((imm)&0x1fffff) << 6 | ((imm) >> 21 & 3) << 31 |                      \
     (uint64_t)((imm) >> 23 & 1) << 36)
#define SSM(imm) MASK(6u, (uint64_t)(imm))
#define RSM(imm) MASK(7u, (uint64_t)(imm))
#define BREAK(imm) (((uint64_t)(imm)&0xfffff) << 6 | ((uint64_t)(imm) >> 20 & 1) << 36)
#define ADDS(r1, imm, r3)                                                                          \
    (UINT64_C(8) << 37 | UINT64_C(2) << 34 | ((uint64_t)(imm)&0x7f) << 13 | (r3) << 20 | (r1) << 6)
#define ALLOC(r1, sof, sol)                                                                        \
    (UINT64_C(1) << 37 | UINT64_C(6) << 33 | (uint64_t)(sol) << 20 | (sof) << 13 | (r1) << 6)
#define FLUSHRS (UINT64_C(0xc) << 27)
#define COVER (UINT64_C(0x02) << 27)
#define RFI (UINT64_C(0x08) << 27)
#define EPC (UINT64_C(0x10) << 27)
#define BR_RET(b2) (UINT64_C(0x21) << 27 | (uint64_t)(b2) << 13 | UINT64_C(4) << 6)
#define BR_COND(distance)                                                                          \
    (UINT64_C(4) << 37 | ((uint64_t)(distance) >> 4 & 0xfffff) << 13 |                             \
     (uint64_t)((distance) < 0) << 36)

enum { MII = 0x00, MMI = 0x08, MIB = 0x10, BBB = 0x16 };

/* ---- the processor ---- */

static inline void put_bundle(struct ipf_cpu *c, uint64_t pa, unsigned template, uint64_t s0,
                              uint64_t s1, uint64_t s2)
{
    mem_write_le(c->mem, pa, 8, template | s0 << 5 | s1 << 46);
    mem_write_le(c->mem, pa + 8, 8, s1 >> 18 | s2 << 23);
}

/* In physical mode, PSR.ic set, its vectors at TABLE, backing store at BACKING. */
static inline struct ipf_cpu *guest_create(void)
{
    struct sp_error e;
    struct ipf_cpu *c = ipf_create(mem_create(16 << 20, &e));
    c->cr[CR_IVA] = TABLE;
    c->psr |= PSR_IC;
    c->bsp = c->bspstore = BACKING;
    for (unsigned vector = 0; vector < 0x8000; vector += 0x100)
        put_bundle(c, TABLE + vector, MII, NOP_M, NOP_I, NOP_I);
    ipf_mode_changed(c);
    return traced_if_asked(c);
}
static inline void guest_destroy(struct ipf_cpu *c)
{
    struct mem *m = c->mem;
    ipf_destroy(c);
    mem_destroy(m);
}

static inline void set_psr(struct ipf_cpu *c, uint64_t set, uint64_t clear)
{
    c->psr = (c->psr | set) & ~clear;
    ipf_flush(c);
}

/* One M instruction, in slot 0 of the bundle at CODE. */
static inline void run_m(struct ipf_cpu *c, uint64_t slot)
{
    put_bundle(c, CODE, MII, slot, NOP_I, NOP_I);
    c->ip = CODE;
    c->slot = 0;
    ipf_run_until(c, c->retired + 1);
}
static inline void run_b(struct ipf_cpu *c, uint64_t slot)
{
    put_bundle(c, CODE, BBB, slot, NOP_B, NOP_B);
    c->ip = CODE;
    c->slot = 0;
    ipf_run_until(c, c->retired + 1);
}

/* Runs the M instruction with PSR.ic = 0, as system code does. */
static inline void run_system(struct ipf_cpu *c, uint64_t slot)
{
    uint64_t psr = c->psr;
    c->psr &= ~(PSR_IC | PSR_CPL | PSR_IT);
    ipf_mode_changed(c);
    run_m(c, slot);
    c->psr = psr;
    ipf_mode_changed(c);
}

/* The format of translations. */
#define PTE_P UINT64_C(1)
#define PTE_A (UINT64_C(1) << 5)
#define PTE_D (UINT64_C(1) << 6)
#define PTE_MA(ma) ((uint64_t)(ma) << 2)
#define PTE_PL(pl) ((uint64_t)(pl) << 7)
#define PTE_AR(ar) ((uint64_t)(ar) << 9)
#define PTE_ED (UINT64_C(1) << 52)
#define PTE_RW (PTE_P | PTE_A | PTE_D | PTE_AR(2) | PTE_PL(3))
#define PTE_RX (PTE_P | PTE_A | PTE_AR(1) | PTE_PL(3))

/* itc.d or itc.i (side) of a page of 2^ps bytes. */
static inline void insert(struct ipf_cpu *c, enum ipf_side side, uint64_t va, uint64_t pte,
                          unsigned ps, unsigned key)
{
    c->cr[CR_IFA] = va;
    c->cr[CR_ITIR] = (uint64_t)key << 8 | ps << 2;
    c->gr[9] = (struct ipf_gr){ pte, 0 };
    run_system(c, side == IPF_DATA ? ITC_D(9) : ITC_I(9));
}

#endif
