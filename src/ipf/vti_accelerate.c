// SPDX-License-Identifier: Apache-2.0
// What PAL does in a virtual processor's place (SDM vol. 2, "Virtualization Accelerations").  The
// instruction has passed all checks that come before the Virtualization fault.
#include "ipf/op.h"

#define VPD_CR(n) (VPD_VCR + 8u * (n))

static bool vpsr_ic(const struct ipf_cpu *c) { return ipf_vpd_read(c, VPD_VPSR) & PSR_IC; }

static bool read_to_r1(struct ipf_cpu *c, const struct ipf_op *op, uint64_t value)
{
    *gr(c, op->r1) = (struct ipf_gr){ value, 0 };
    return true;
}

/* The user mask is that of the processor, which the guest changes without asking; that a read shows
 * it is not verified against the manual. */
static uint64_t guest_psr(const struct ipf_cpu *c)
{
    return (ipf_vpd_read(c, VPD_VPSR) & ~PSR_USER_MASK) | (c->psr & PSR_USER_MASK);
}

/* ---- a_int: vtpr, and what changes vpsr.i and nothing else ---- */

static bool change_psr_i(struct ipf_cpu *c, uint64_t changed, uint64_t value)
{
    if (changed & ~PSR_I)
        return false;
    uint64_t vpsr = ipf_vpd_read(c, VPD_VPSR);
    ipf_vpd_write(c, VPD_VPSR, (vpsr & ~changed) | (value & changed));
    return true;
}
static bool interrupts(struct ipf_cpu *c, const struct ipf_op *op)
{
    uint64_t value;
    switch (op->cause) {
    case CAUSE_SSM: return change_psr_i(c, (uint64_t)op->imm, PSR_I);
    case CAUSE_RSM: return change_psr_i(c, (uint64_t)op->imm, 0);
    case CAUSE_MOV_TO_PSR:
        value = gr(c, op->r2)->v;
        return change_psr_i(c, (guest_psr(c) ^ value) & UINT64_C(0xffffffff), value);
    case CAUSE_MOV_FROM_CR: return read_to_r1(c, op, ipf_vpd_read(c, VPD_CR(CR_TPR)));
    default: ipf_vpd_write(c, VPD_CR(CR_TPR), cr_writable(CR_TPR, gr(c, op->r2)->v)); return true;
    }
}

/* ---- a_from_int_cr, a_to_int_cr: with vpsr.ic = 1 the monitor is to raise a fault ---- */

static bool read_interruption_cr(struct ipf_cpu *c, const struct ipf_op *op)
{
    return !vpsr_ic(c) && read_to_r1(c, op, ipf_vpd_read(c, VPD_CR(op->r3)));
}
static bool write_interruption_cr(struct ipf_cpu *c, const struct ipf_op *op)
{
    if (vpsr_ic(c))
        return false;
    ipf_vpd_write(c, VPD_CR(op->r3), gr(c, op->r2)->v);
    return true;
}

/* ---- a_from_psr, a_from_cpuid ---- */

static bool read_psr(struct ipf_cpu *c, const struct ipf_op *op)
{
    return read_to_r1(c, op, guest_psr(c) & PSR_READABLE);
}
static bool read_cpuid(struct ipf_cpu *c, const struct ipf_op *op)
{
    return read_to_r1(c, op, ipf_vpd_read(c, VPD_VCPUID + 8 * (gr(c, op->r3)->v & 0xff)));
}

/* ---- a_cover ---- */

static bool cover(struct ipf_cpu *c)
{
    uint64_t ifs = ipf_cover(c);
    if (!vpsr_ic(c))
        ipf_vpd_write(c, VPD_CR(CR_IFS), ifs);
    return true;
}

/* ---- a_bsw: the guest's active bank is bank 1 of the processor, the other is in memory ---- */

static void bank_to_vpd(struct ipf_cpu *c, unsigned registers, unsigned nats, unsigned shift)
{
    uint64_t nat = ipf_vpd_read(c, nats) & ~(UINT64_C(0xffff) << shift);
    for (unsigned k = 0; k < 16; k++) {
        ipf_vpd_write(c, registers + 8 * k, c->gr[16 + k].v);
        nat |= c->gr[16 + k].nat << (shift + k);
    }
    ipf_vpd_write(c, nats, nat);
}
static void bank_from_vpd(struct ipf_cpu *c, unsigned registers, unsigned nats, unsigned shift)
{
    uint64_t nat = ipf_vpd_read(c, nats) >> shift;
    for (unsigned k = 0; k < 16; k++)
        c->gr[16 + k] = (struct ipf_gr){ ipf_vpd_read(c, registers + 8 * k), nat >> k & 1 };
}
static bool switch_bank(struct ipf_cpu *c, const struct ipf_op *op)
{
    enum { BANK1_NAT = 0, BANK0_NAT = 16 }; /* lowest bits of vnat, of vbnat */
    uint64_t vpsr = ipf_vpd_read(c, VPD_VPSR);
    bool to_bank1 = op->cause == CAUSE_BSW_1;
    if (!(vpsr & PSR_BN) == !to_bank1)
        return true;
    if (to_bank1) {
        bank_to_vpd(c, VPD_VBGR, VPD_VBNAT, BANK0_NAT);
        bank_from_vpd(c, VPD_VGR, VPD_VNAT, BANK1_NAT);
    } else {
        bank_to_vpd(c, VPD_VGR, VPD_VNAT, BANK1_NAT);
        bank_from_vpd(c, VPD_VBGR, VPD_VBNAT, BANK0_NAT);
    }
    ipf_vpd_write(c, VPD_VPSR, vpsr ^ PSR_BN);
    return true;
}

bool vti_accelerate(struct ipf_cpu *c, const struct ipf_op *op)
{
    switch (op->accelerated) {
    case VAC_A_INT: return interrupts(c, op);
    case VAC_A_FROM_INT_CR: return read_interruption_cr(c, op);
    case VAC_A_TO_INT_CR: return write_interruption_cr(c, op);
    case VAC_A_FROM_PSR: return read_psr(c, op);
    case VAC_A_FROM_CPUID: return read_cpuid(c, op);
    case VAC_A_COVER: return cover(c);
    case VAC_A_BSW: return switch_bank(c, op);
    default: return false;
    }
}
