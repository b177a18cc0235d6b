// SPDX-License-Identifier: Apache-2.0
// Interruptions (SDM vol. 2, "Interruptions"): what a fault or trap stores, and where it goes.
#include <stdio.h>

#include "ipf/cpu.h"
#include "ipf/op.h"
#include "ipf/trace.h"

enum { LOADS_IFA = 1, LOADS_ITIR = 2, LOADS_IHA = 4, LOADS_IIM = 8 };
static const struct {
    uint16_t vector;
    uint8_t code, loads;
} rows[] = {
#define INTERRUPTION(name, vector, code, registers) { vector, code, registers },
#include "ipf/interruption.def"
};
#define PSR_KEPT (PSR_UP | PSR_MFL | PSR_MFH | PSR_PK | PSR_DT | PSR_RT | PSR_MC | PSR_IT)

void ipf_switch_bank(struct ipf_cpu *c, bool bank1)
{
    if (!(c->psr & PSR_BN) == !bank1)
        return;
    for (unsigned k = 0; k < 16; k++) {
        struct ipf_gr r = c->gr[16 + k];
        c->gr[16 + k] = c->bank[k];
        c->bank[k] = r;
    }
    c->psr ^= PSR_BN;
}

static void load_registers(struct ipf_cpu *c, unsigned loads, uint64_t value)
{
    if (loads & LOADS_IFA)
        c->cr[CR_IFA] = value;
    if (loads & LOADS_ITIR)
        c->cr[CR_ITIR] = c->rr[value >> 61] & UINT64_C(0xfffffffc);
    if (loads & LOADS_IHA)
        c->cr[CR_IHA] = ipf_thash(c, value);
    if (loads & LOADS_IIM)
        c->cr[CR_IIM] = value;
}

/* ---- chains of interruptions ----
 *
 * An interruption leaves PSR.ic and PSR.i 0.  If the first instruction of its handler faults, no
 * register changes any more but IP, PSR (to what it is already) and ISR, and no interrupt comes in
 * between: which fault follows depends on which one came before, and there are fewer of them than
 * IPF_CHAIN_MAX.  So a chain of that length repeats itself for ever: nothing but time, which no fault
 * asks for, goes by.  (The VHPT walker may insert translations on the way, each once.)  Only another
 * processor could end it, by INIT or in memory: with several the run goes on. */
static void note_chain(struct ipf_cpu *c, unsigned what, const struct ipf_resume *r)
{
    bool first_of_handler = r->ip == c->chain_ip && !r->slot;
    c->chain = first_of_handler && c->retired == c->chain_retired + 1 ? c->chain + (c->chain < IPF_CHAIN_MAX) : 0;
    c->chain_ip = c->cr[CR_IVA] + rows[what].vector;
    c->chain_retired = c->retired;
    if (c->chain < IPF_CHAIN_MAX || c->beside != c)
        return;
    c->stop = IPF_CHAINED;
    snprintf(c->stop_text, sizeof c->stop_text,
             "interruption handlers that only fault themselves: at last %s at ip 0x%llx, for ever",
             ipf_interruption_name(what), (unsigned long long)r->ip);
}

/* Of a trap, the instruction is the one that has been done. */
static void tell(struct ipf_cpu *c, unsigned what, uint64_t isr, uint64_t value,
                 const struct ipf_resume *r)
{
    bool trap = what == INT_FLOAT_TRAP || what == INT_LOWER_PRIVILEGE ||
                what == INT_TAKEN_BRANCH || what == INT_SINGLE_STEP;
    struct ipf_event e = { what, isr, value, trap ? r->last : r->ip, r->ei };
    c->ip = e.ip; /* for whoever looks: in a block it is not kept */
    c->slot = e.slot;
    c->interrupting(c->interrupting_user, c, &e);
}

/* SDM vol. 2, "IVA-based Interruption Handling". */
void ipf_interrupt(struct ipf_cpu *c, unsigned what, uint64_t isr, uint64_t value,
                   const struct ipf_resume *r)
{
    bool frame_incomplete = c->attention & ATTENTION_FRAME;
    isr |= rows[what].code | (uint64_t)r->ei << ISR_EI_SHIFT | (c->psr & PSR_IC ? 0 : ISR_NI) |
           (frame_incomplete ? ISR_IR : 0);
    note_chain(c, what, r);
    if (unlikely(c->interrupting != NULL))
        tell(c, what, isr, value, r);
    if (unlikely(c->trace != NULL))
        ipf_trace_interruption(c, what, isr, value, r);
    if (c->psr & PSR_IC) {
        c->cr[CR_IPSR] = c->psr | (uint64_t)r->slot << PSR_RI_SHIFT;
        c->cr[CR_IIP] = r->ip;
        if (r->last != IPF_NO_LAST)
            c->cr[CR_IIPA] = r->last;
        c->cr[CR_IFS] = 0;
        load_registers(c, rows[what].loads, value);
    }
    if (what != INT_DATA_NESTED_TLB)
        c->cr[CR_ISR] = isr;
    ipf_switch_bank(c, false);
    c->psr = (c->psr & PSR_KEPT) | (c->cr[CR_DCR] & DCR_BE ? PSR_BE : 0) |
             (c->cr[CR_DCR] & DCR_PP ? PSR_PP : 0);
    c->attention &= ~(unsigned)ATTENTION_FRAME;
    c->interruptions++;
    c->ip = c->cr[CR_IVA] + rows[what].vector;
    c->slot = 0;
    ipf_mode_changed(c);
}

const char *ipf_interruption_name(unsigned what)
{
    static const char *const names[] = {
#define INTERRUPTION(name, vector, code, registers) #name,
#include "ipf/interruption.def"
    };
    return names[what];
}

unsigned ipf_interruption_vector(unsigned what) { return rows[what].vector; }

/* The bundle of the operation before op: the last that was executed. */
static uint64_t last_before(const struct ipf_cpu *c, const struct ipf_op *op)
{
    return op->index ? op_ip(c, in_block(c, op) - 1) : c->last_ip;
}

static unsigned raise_with(struct ipf_cpu *c, const struct ipf_op *op, unsigned what, uint64_t isr,
                           uint64_t value)
{
    struct ipf_resume r = { op_ip(c, op), last_before(c, op), op->slot, op->slot };
    ipf_interrupt(c, what, isr, value, &r);
    c->last_ip = r.last;
    return op->index + 1u;
}
static unsigned raise(struct ipf_cpu *c, const struct ipf_op *op, unsigned what, uint64_t isr)
{
    return raise_with(c, op, what, isr, 0);
}

/* In c->fault.what: no fault. */
enum { REPEAT_ALONE = ARRAY_SIZE(rows) };
bool ipf_repeat_alone(struct ipf_cpu *c)
{
    if (c->alone)
        return false;
    c->fault.what = REPEAT_ALONE;
    c->attention |= ATTENTION_ALONE;
    return true;
}
/* Leaves the block in front of op. */
static unsigned leave_before(struct ipf_cpu *c, const struct ipf_op *op)
{
    c->last_ip = last_before(c, op);
    c->ip = op_ip(c, op);
    c->slot = op->slot;
    return op->index;
}

unsigned data_fault(struct ipf_cpu *c, const struct ipf_op *op)
{
    if (unlikely(c->fault.what == REPEAT_ALONE))
        return leave_before(c, op);
    return raise_with(c, op, c->fault.what, c->fault.isr, c->fault.address);
}
void ipf_fault_between(struct ipf_cpu *c)
{
    struct ipf_resume r = { c->ip, c->last_ip, c->slot, c->slot };
    ipf_interrupt(c, c->fault.what, c->fault.isr, c->fault.address, &r);
}

unsigned illegal_operation(struct ipf_cpu *c, const struct ipf_op *op)
{
    return raise(c, op, INT_ILLEGAL_OPERATION, 0);
}
unsigned reserved_field(struct ipf_cpu *c, const struct ipf_op *op)
{
    return raise(c, op, INT_RESERVED_FIELD, 0);
}
unsigned privileged_operation(struct ipf_cpu *c, const struct ipf_op *op, uint64_t access)
{
    return raise(c, op, INT_PRIVILEGED_OPERATION, access);
}
unsigned privileged_register(struct ipf_cpu *c, const struct ipf_op *op)
{
    return raise(c, op, INT_PRIVILEGED_REGISTER, 0);
}
unsigned unimplemented_data_address(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                                    uint64_t access)
{
    return raise_with(c, op, INT_UNIMPLEMENTED_DATA_ADDRESS, access, address);
}
unsigned nat_consumption(struct ipf_cpu *c, const struct ipf_op *op, uint64_t access)
{
    return raise(c, op, INT_REGISTER_NAT, access);
}
unsigned disabled_fp(struct ipf_cpu *c, const struct ipf_op *op, uint64_t isr)
{
    return raise(c, op, INT_DISABLED_FP, isr);
}
unsigned float_fault(struct ipf_cpu *c, const struct ipf_op *op, unsigned code)
{
    return raise(c, op, INT_FLOAT_FAULT, code);
}
unsigned float_trap(struct ipf_cpu *c, const struct ipf_op *op, unsigned code)
{
    const struct ipf_op *next = in_block(c, op) + 1;
    struct ipf_resume r = { op_ip(c, next), op_ip(c, op), next->slot, op->slot };
    ipf_interrupt(c, INT_FLOAT_TRAP, code | TRAP_FP | (c->psr & PSR_SS ? TRAP_SS : 0), 0, &r);
    return op->index + 1u;
}
unsigned unsupported_data_reference(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                                    uint64_t access)
{
    return raise_with(c, op, INT_UNSUPPORTED_DATA, access, address);
}
unsigned virtualization_fault(struct ipf_cpu *c, const struct ipf_op *op, enum ipf_cause cause)
{
    unsigned done = raise(c, op, INT_VIRTUALIZATION, 0);
    vti_intercept(c, op, cause);
    return done;
}
unsigned break_instruction(struct ipf_cpu *c, const struct ipf_op *op, uint64_t number)
{
    return raise_with(c, op, INT_BREAK, 0, number);
}

unsigned not_modelled(struct ipf_cpu *c, const struct ipf_op *op, const char *what)
{
    c->stop = IPF_NOT_MODELLED;
    snprintf(c->stop_text, sizeof c->stop_text, "not modelled: %s, at ip 0x%llx slot %u", what,
             (unsigned long long)op_ip(c, op), op->slot);
    return leave_to(c, op, op_ip(c, op));
}
