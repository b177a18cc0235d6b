// SPDX-License-Identifier: Apache-2.0
// Interruptions (SDM vol. 2, "Interruptions"): what a fault or trap stores, and where it goes.
#include <stdio.h>

#include "ipf/op.h"

enum {
    VECTOR_BREAK = 0x2c00,
    VECTOR_GENERAL_EXCEPTION = 0x5400,
    VECTOR_DISABLED_FP = 0x5500,
    VECTOR_NAT_CONSUMPTION = 0x5600,
    VECTOR_UNALIGNED = 0x5a00,
    VECTOR_UNSUPPORTED_DATA = 0x5b00,
    VECTOR_FLOAT_FAULT = 0x5c00,
    VECTOR_FLOAT_TRAP = 0x5d00,
};
enum { DCR_PP = 1, DCR_BE = 2 };
enum {
    CODE_ILLEGAL_OPERATION = 0x00,
    CODE_PRIVILEGED_OPERATION = 0x10,
    CODE_PRIVILEGED_REGISTER = 0x20,
    CODE_RESERVED_FIELD = 0x30,
    CODE_REGISTER_NAT = 0x10,
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

/* ip and slot say where the interrupted program goes on. */
static unsigned interrupt(struct ipf_cpu *c, const struct ipf_op *op, unsigned vector, uint64_t isr,
                          uint64_t ip, unsigned slot)
{
    uint64_t bundle = op_ip(c, op);
    if (c->psr & PSR_IC) {
        c->cr[CR_IPSR] = c->psr | (uint64_t)slot << PSR_RI_SHIFT;
        c->cr[CR_IIP] = ip;
        c->cr[CR_IIPA] = bundle;
        c->cr[CR_IFS] = 0;
    }
    c->cr[CR_ISR] = isr | (uint64_t)op->slot << 41 | (c->psr & PSR_IC ? 0 : BIT(39));
    ipf_switch_bank(c, false);
    c->psr = (c->psr & PSR_KEPT) | (c->cr[CR_DCR] & DCR_BE ? PSR_BE : 0) |
             (c->cr[CR_DCR] & DCR_PP ? PSR_PP : 0);
    return leave_to(c, op, c->cr[CR_IVA] + vector);
}

static unsigned fault(struct ipf_cpu *c, const struct ipf_op *op, unsigned vector, uint64_t isr)
{
    return interrupt(c, op, vector, isr, op_ip(c, op), op->slot);
}

unsigned illegal_operation(struct ipf_cpu *c, const struct ipf_op *op)
{
    return fault(c, op, VECTOR_GENERAL_EXCEPTION, CODE_ILLEGAL_OPERATION);
}
unsigned reserved_field(struct ipf_cpu *c, const struct ipf_op *op)
{
    return fault(c, op, VECTOR_GENERAL_EXCEPTION, CODE_RESERVED_FIELD);
}
unsigned privileged_operation(struct ipf_cpu *c, const struct ipf_op *op)
{
    return fault(c, op, VECTOR_GENERAL_EXCEPTION, CODE_PRIVILEGED_OPERATION);
}
unsigned privileged_register(struct ipf_cpu *c, const struct ipf_op *op)
{
    return fault(c, op, VECTOR_GENERAL_EXCEPTION, CODE_PRIVILEGED_REGISTER);
}
unsigned nat_consumption(struct ipf_cpu *c, const struct ipf_op *op, uint64_t access)
{
    return fault(c, op, VECTOR_NAT_CONSUMPTION, CODE_REGISTER_NAT | access);
}
unsigned disabled_fp(struct ipf_cpu *c, const struct ipf_op *op, bool high)
{
    return fault(c, op, VECTOR_DISABLED_FP, high ? 2 : 1);
}
unsigned float_fault(struct ipf_cpu *c, const struct ipf_op *op, unsigned code)
{
    return fault(c, op, VECTOR_FLOAT_FAULT, code);
}
unsigned float_trap(struct ipf_cpu *c, const struct ipf_op *op, unsigned code)
{
    return interrupt(c, op, VECTOR_FLOAT_TRAP, code, op_ip(c, op + 1), op[1].slot);
}

unsigned unaligned_reference(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                             uint64_t access)
{
    if (c->psr & PSR_IC)
        c->cr[CR_IFA] = address;
    return fault(c, op, VECTOR_UNALIGNED, access);
}
unsigned unsupported_data_reference(struct ipf_cpu *c, const struct ipf_op *op, uint64_t address,
                                    uint64_t access)
{
    if (c->psr & PSR_IC)
        c->cr[CR_IFA] = address;
    return fault(c, op, VECTOR_UNSUPPORTED_DATA, access);
}

unsigned break_instruction(struct ipf_cpu *c, const struct ipf_op *op, uint64_t number)
{
    if (c->psr & PSR_IC)
        c->cr[CR_IIM] = number;
    return fault(c, op, VECTOR_BREAK, 0);
}

unsigned not_modelled(struct ipf_cpu *c, const struct ipf_op *op, const char *what)
{
    c->stop = IPF_NOT_MODELLED;
    snprintf(c->stop_text, sizeof c->stop_text, "not modelled: %s, at ip 0x%llx slot %u", what,
             (unsigned long long)op_ip(c, op), op->slot);
    return leave_to(c, op, op_ip(c, op));
}
