// SPDX-License-Identifier: Apache-2.0
// The processor as the machine sees it.
#ifndef SP_CPU_CPU_H
#define SP_CPU_CPU_H

#include "base/error.h"
#include "cpu/model.h"
#include "cpu/state.h"

/* ---- life (reset.c, code.c) ---- */

/* The decode cache that the processors of a machine share; bound to its memory's code watcher. */
struct code_cache *code_cache_create(struct mem *m);
void code_cache_destroy(struct code_cache *k);
/* Makes a processor known to the cache, which drops its write TLB entries for pages of code. */
void code_cache_add_cpu(struct code_cache *k, struct cpu *c);

/* Power-on state (SDM vol. 3, "Processor State After Reset"); surroundings (mem, code, bus, model,
 * vmx_ops, machine, index) must be set before. */
void cpu_reset(struct cpu *c);
void cpu_init(struct cpu *c);                        /* state after INIT */
void cpu_startup(struct cpu *c, uint8_t vector);     /* SIPI in wait-for-SIPI */

/* ---- running (run.c) ---- */

/* Runs c from tick `now` until tick `until` at most; returns the tick reached.  Returns early when
 * the processor halts (activity not active and nothing pending) or c->attention was raised by
 * cpu_leave(). Exact: events are taken at instruction boundaries, whatever the blocks are. */
uint64_t cpu_run(struct cpu *c, uint64_t now, uint64_t until);
/* Makes cpu_run return after the current instruction (devices call it when their deadlines
 * changed). */
void cpu_leave(struct cpu *c);
enum { ATTENTION_BOUNDARY = 1 /* look at events */, ATTENTION_LEAVE = 2 /* return from cpu_run */ };
/* The exact tick (= retired instructions + idle time) in the middle of an instruction. */
uint64_t cpu_tick(const struct cpu *c);
/* The ticks that this processor did not wait and was not kept waiting by others. */
static inline uint64_t cpu_cycles(const struct cpu *c) { return cpu_tick(c) + c->cycle_offset; }
/* Sets or clears bits of c->pending from outside (devices) and wakes the boundary check. */
void cpu_set_pending(struct cpu *c, uint32_t bits);
void cpu_clear_pending(struct cpu *c, uint32_t bits);
void cpu_set_a20(struct cpu *c, bool open);     /* the A20 gate (A20M#); VMX operation ignores it */
bool cpu_is_idle(const struct cpu *c);               /* halted, and nothing pending would wake it */

/* ---- events (interrupt.c) ---- */

/* Delivers an event through the IDT or IVT (SDM vol. 3, chapter "Interrupt and Exception
 * Handling"), with double and triple faults, task gates, VMX interception.  Returns JUMPED or
 * EXITED.  c->rip must be the RIP of the instruction (of the next one, for traps and interrupts);
 * the handler of a software event returns e->length behind it. */
enum outcome cpu_deliver(struct cpu *c, const struct event *e);
/* Events at an instruction boundary, in the SDM's priority order; true if something was taken.
 * c->shadow must be what the last instruction left; the caller drops it once the next one retired.
 */
bool cpu_boundary(struct cpu *c);

/* Takes the SMI that waits (PEND_SMI): saves the state in SMRAM and starts the handler.  Only at an
 * instruction boundary, and not in SMM, which blocks SMIs (smm.c). */
void cpu_smi(struct cpu *c);
/* The OUT or OUTS that runs has caused the SMI that waits: what the save-state area says of it, and
 * what I/O instruction restart needs.  `type` and `linear` as in IO_MISC and IO_MEM_ADDR; the
 * registers are those before the instruction. */
enum { SMM_OUT_DX = 0, SMM_OUTS = 2, SMM_OUT_IMMEDIATE = 8, SMM_REP = 4 };
void cpu_smi_by_io(struct cpu *c, uint16_t port, unsigned size, unsigned type, uint64_t linear);

/* ---- control (control.c, msr.c) ---- */

bool msr_read(struct cpu *c, uint32_t index, uint64_t *value);     /* false: #GP(0); no VMX exits */
bool msr_write(struct cpu *c, uint32_t index, uint64_t value);
bool msr_is_modelled(uint32_t index); /* some profile has it */
/* Raw loads for VM entry/exit and API users: no checks, all derived state updated. */
void cpu_load_cr0(struct cpu *c, uint64_t v);
void cpu_load_cr3(struct cpu *c, uint64_t v);
void cpu_load_cr4(struct cpu *c, uint64_t v);
void cpu_load_efer(struct cpu *c, uint64_t v);
void cpu_load_debugctl(struct cpu *c, uint64_t v); /* keeps the bits that exist */
void cpu_load_pkru(struct cpu *c, uint32_t v);
void cpu_load_pkrs(struct cpu *c, uint32_t v);
/* False: a reserved bit is set. */
bool cpu_load_pdptes(struct cpu *c, uint64_t cr3, uint64_t out[4]);
/* The crystal clock that CPUID leaf 15H enumerates. */
enum { CRYSTAL_HZ = 25000000 };
/* Bits that MOV to CR and WRMSR refuse on this processor. */
uint64_t cr0_reserved(const struct cpu *c);
uint64_t cr4_reserved(const struct cpu *c);
uint64_t efer_reserved(const struct cpu *c);
uint64_t spec_ctrl_reserved(const struct cpu *c);
uint64_t debugctl_reserved(const struct cpu *c);

static inline bool is_canonical(const struct cpu *c, uint64_t a)
{
    unsigned k = 64 - c->linear_bits;
    return (uint64_t)((int64_t)(a << k) >> k) == a;
}
static inline bool in_long_mode(const struct cpu *c) { return c->msr.efer & EFER_LMA; }
static inline bool in_64bit(const struct cpu *c)
{
    return (c->msr.efer & EFER_LMA) && (c->seg[CS].access & SEG_L);
}
/* Whether 4-level paging of this linear address is HLAT paging, unless that says otherwise. */
static inline bool uses_hlat(const struct cpu *c, uint64_t linear)
{
    return c->hlat && (c->hlat == HLAT_ALL || linear >> 63);
}
static inline bool in_protected(const struct cpu *c) { return c->cr0 & CR0_PE; }
static inline bool in_v86(const struct cpu *c) { return c->rflags & FLAG_VM; }
static inline bool in_real_or_v86(const struct cpu *c) { return !in_protected(c) || in_v86(c); }

#endif
