// SPDX-License-Identifier: Apache-2.0
// The run loop: instruction fetch, and what happens between two blocks.
#include <stdlib.h>
#include <string.h>

#include "ipf/block.h"
#include "ipf/cpu.h"
#include "ipf/fast.h"
#include "ipf/trace.h"

/* SDM vol. 1, "Processor Identification Registers": family and model of a 9100 series, and the
 * features that there are. */
enum { CPUID_LAST = 4, CPUID_MODEL = 1, CPUID_FAMILY = 0x20 };
#define CPUID_LONG_BRANCH BIT(0)
#define CPUID_ATOMIC_16 BIT(2)
#define CPUID_CLZ BIT(32)
#define CPUID_MPY4 BIT(33)

static void reset(struct ipf_cpu *c)
{
    c->psr = PSR_BN;
    c->pr = 1;
    c->globals = c->gr;
    c->bof = IPF_STACK_BUFFER / 2;
    c->frame = c->stack + c->bof;
    c->fr[1] = (struct ipf_fr){ .significand = BIT(63), .exponent = 0xffff };
    c->ar[AR_FPSR] = UINT64_C(0x0009804c0270033f);
    c->va_msb = 60;
    c->last_ip = IPF_NO_LAST;
    c->cr[CR_ITV] = c->cr[CR_PMV] = c->cr[CR_CMCV] = c->cr[CR_LRR0] = c->cr[CR_LRR1] = BIT(16);
    for (unsigned k = 0; k < 8; k++)
        c->rr[k] = 12 << 2;
    c->cr[CR_PTA] = 15 << 2;
    memcpy(c->cpuid, "GenuineIntel", 12);
    c->cpuid[3] = CPUID_LAST | CPUID_MODEL << 16 | CPUID_FAMILY << 24;
    c->cpuid[4] = CPUID_LONG_BRANCH | CPUID_ATOMIC_16 | CPUID_CLZ | CPUID_MPY4;
    c->vti.implemented = c->vti.vmsw_implemented = true;
    ipf_vti_enable(c, true, true);
    ipf_vp_load(c, NULL);
    c->contexts = IPF_CONTEXTS;
    ipf_flush(c);
    c->contexts = IPF_HOST_CONTEXTS;
}

struct ipf_cpu *ipf_create(struct mem *mem)
{
    struct ipf_cpu *c = calloc(1, sizeof *c);
    if (!c || !(c->code = ipf_code_create(mem, c))) {
        free(c);
        return NULL;
    }
    c->beside = c;
    c->mem = mem;
    reset(c);
    return c;
}

struct ipf_cpu *ipf_create_beside(struct ipf_cpu *first)
{
    struct ipf_cpu *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->code = first->code;
    c->mem = first->mem;
    c->beside = first->beside;
    first->beside = c;
    reset(c);
    return c;
}

void ipf_destroy(struct ipf_cpu *first)
{
    if (!first)
        return;
    ipf_code_destroy(first->code);
    while (first->beside != first) {
        struct ipf_cpu *c = first->beside;
        first->beside = c->beside;
        free(c);
    }
    free(first);
}

/* ---- instruction fetch ---- */

/* The block at c->ip by translation; NULL: there was a fault, or the host has no memory left. */
static const struct ipf_block *fetch(struct ipf_cpu *c)
{
    uint64_t pa;
    unsigned mode = c->psr & PSR_VM ? c->vti.mode : 0;
    if (ipf_translate_code(c, c->ip, &pa) != DATA_DONE) {
        ipf_fault_between(c);
        c->retired++; /* so that time passes whatever a guest does */
        return NULL;
    }
    const struct ipf_block *b = ipf_block_at(c->code, pa, c->slot, mode);
    if (!b)
        c->stop = IPF_NOT_MODELLED;
    return b;
}

static const struct ipf_block *block_here(struct ipf_cpu *c)
{
    uint64_t at = c->ip | c->slot;
    struct ipf_jump *j = jump_at(c, c->ip, c->slot);
    if (likely(j->at == at && j->key == c->fetch_key))
        return j->block;
    const struct ipf_block *b = fetch(c);
    if (b)
        *j = (struct ipf_jump){ at, c->fetch_key, b };
    return b;
}

/* ---- one operation, with what may surround it ---- */

/* What is done is counted at its end only: a block may go on with others, which count it. */
static void enter(struct ipf_cpu *c, const struct ipf_block *b)
{
    c->block = b;
    c->block_ip = c->ip;
    c->block_key = c->fetch_key;
    bool traced = unlikely(c->trace != NULL);
    unsigned done = traced ? ipf_trace_block(c, b) : b->fast->run(c, b->fast, 0);
    c->retired += done;
}

#define PSR_ONCE (PSR_ID | PSR_DA | PSR_DD | PSR_IA | PSR_ED)
#define PSR_TRAPS (PSR_SS | PSR_TB | PSR_LP)

static bool needs_step(const struct ipf_cpu *c)
{
    return c->psr & (PSR_ONCE | PSR_TRAPS) || (c->ibr_on && c->psr & PSR_DB);
}

/* SDM vol. 2, "Data and Instruction Breakpoint Registers". */
static bool instruction_breakpoint(const struct ipf_cpu *c)
{
    if (!(c->psr & PSR_DB) || c->psr & PSR_ID)
        return false;
    for (unsigned k = 0; k < ARRAY_SIZE(c->ibr); k += 2) {
        uint64_t mask = c->ibr[k + 1];
        uint64_t compared = ((mask & (BIT(56) - 1)) | UINT64_C(0xff) << 56) & ~UINT64_C(15);
        if (mask >> 63 && mask >> (56 + cpl(c)) & 1 && !((c->ip ^ c->ibr[k]) & compared))
            return true;
    }
    return false;
}

/* The trap of highest priority of an operation that has been done; ISR.code names all of them. */
static void trap(struct ipf_cpu *c, uint64_t before, unsigned slot)
{
    bool lower = before & PSR_LP && (before & PSR_CPL) < (c->psr & PSR_CPL);
    unsigned code = (lower ? TRAP_LP : 0) | (before & PSR_TB && c->branched ? TRAP_TB : 0) |
                    (before & PSR_SS ? TRAP_SS : 0);
    if (!code)
        return;
    struct ipf_resume r = { c->ip, c->last_ip, c->slot, slot };
    ipf_interrupt(c,
                  code & TRAP_LP   ? INT_LOWER_PRIVILEGE
                  : code & TRAP_TB ? INT_TAKEN_BRANCH
                                   : INT_SINGLE_STEP,
                  code, 0, &r);
}

static void step(struct ipf_cpu *c)
{
    uint64_t before = c->psr, interruptions = c->interruptions;
    unsigned slot = c->slot;
    const struct ipf_block *b = fetch(c);
    if (!b)
        return;
    if (c->ibr_on && instruction_breakpoint(c)) {
        c->fault = (struct ipf_fault){ INT_DEBUG, ISR_X, c->ip };
        ipf_fault_between(c);
        c->retired++;
        return;
    }
    b = ipf_block_step(c->code, b);
    c->branched = false;
    bool rfi = b->op->run == ia_rfi;
    c->alone = true;
    enter(c, b);
    c->alone = false;
    if (c->interruptions != interruptions || rfi)
        return;
    c->psr &= ~(before & PSR_ONCE);
    trap(c, before, slot);
}

/* ---- the loop ---- */

/* What is to be done before the next operation; false: the processor waits. */
static bool attend(struct ipf_cpu *c)
{
    ipf_poll_timer(c);
    if (c->attention & ATTENTION_CODE) {
        ipf_code_drop(c->code);
        if (c->trace)
            ipf_trace_code_written(c);
        c->attention &= ~(unsigned)ATTENTION_CODE;
        c->fetch_generation++;
        ipf_mode_changed(c);
    }
    if (c->halted && !(c->attention & ATTENTION_INTERRUPT))
        return false;
    c->halted = false;
    c->alone = true;
    if (c->attention & ATTENTION_FRAME && !rse_fill(c))
        ipf_fault_between(c);
    c->alone = false;
    if (c->attention & ATTENTION_INIT && !(c->psr & PSR_MC)) {
        c->attention &= ~(unsigned)ATTENTION_INIT;
        c->init(c->firmware_user, c);
        if (c->trace)
            ipf_trace_registers(c);
    }
    ipf_take_interrupt(c);
    return true;
}

/* Operations that blocks run in a row without coming back: handlers that the compiler does not leave
 * by a jump, all of them where it does not optimize, take stack until then. */
enum { ROW_MAX = 1024 };

/* A block runs whole only if it ends before the next event; else operation by operation. */
static void run_stretch(struct ipf_cpu *c, uint64_t end)
{
    do {
        if (unlikely(needs_step(c))) {
            step(c);
            continue;
        }
        const struct ipf_block *b = block_here(c);
        if (!b)
            continue;
        if (unlikely(c->retired + b->ops > end))
            b = ipf_block_step(c->code, b);
        c->end = end - c->retired > ROW_MAX ? c->retired + ROW_MAX : end;
        enter(c, b);
    } while (c->retired < end && !c->attention && c->stop == IPF_RUNS && !c->halted);
}

void ipf_run_until(struct ipf_cpu *c, uint64_t until)
{
    alat_gather(c);
    frame_changed(c);
    c->host_rounds_to_nearest = ipf_host_rounds_to_nearest();
    while (c->stop == IPF_RUNS && c->retired < until) {
        uint64_t end = until;
        if (!attend(c))
            return;
        if (c->timer_on && c->timer_due - c->idle < end)
            end = c->timer_due - c->idle;
        if (unlikely(c->attention & ATTENTION_ALONE)) {
            c->attention &= ~(unsigned)ATTENTION_ALONE;
            step(c);
        } else {
            run_stretch(c, end);
        }
        if (c->attention & ATTENTION_PAUSE) {
            c->attention &= ~(unsigned)ATTENTION_PAUSE;
            return;
        }
    }
}
