// SPDX-License-Identifier: Apache-2.0
// Virtualization faults and what PAL makes of them: intercepts, with their cause and opcode, or
// virtual external interrupts (SDM vol. 2, "PAL Intercepts in Virtual Environment").
#include "ipf/vti.h"

#include <stdarg.h>
#include <stdio.h>

#include "ipf/trace.h"
#include "mem/phys.h"

/* ---- decoding ---- */

static const struct {
    ipf_run *run;
    uint8_t cause, arg, first, last, accelerated, disabled;
} rows[] = {
#define VIRTUALIZED(cause, handler, argument, accelerated, disabled)                               \
    VIRTUALIZED_REGISTERS(cause, handler, argument, 0, 127, accelerated, disabled)
#define VIRTUALIZED_REGISTERS(cause, handler, argument, first, last, accelerated, disabled)        \
    { handler, CAUSE_##cause, argument, first, last, accelerated, disabled },
#include "ipf/virtualized.def"
};

_Static_assert(IPF_MODE_VAC(VAC_OFFERED << 1) == VAC_OFFERED, "a mode holds vac");
_Static_assert(IPF_MODE_VDC(VDC_OFFERED << 8) == VDC_OFFERED, "a mode holds vdc");

void vti_bind(struct ipf_op *op, unsigned mode)
{
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
        if (op->run != rows[k].run || op->arg != rows[k].arg || op->r3 < rows[k].first ||
            op->r3 > rows[k].last)
            continue;
        op->cause = rows[k].disabled & IPF_MODE_VDC(mode) ? CAUSE_NONE : rows[k].cause;
        op->accelerated = rows[k].accelerated & IPF_MODE_VAC(mode);
        return;
    }
}

/* ---- names and notes ---- */

const char *ipf_cause_name(enum ipf_cause cause)
{
    static const char *const names[CAUSES] = {
#define CAUSE(number, name, instruction) [number] = instruction,
#include "ipf/vpd.def"
    };
    return names[cause];
}

const char *ipf_vp_call_name(enum ipf_vp_call call)
{
    static const char *const names[VP_CALLS] = {
#define VP_PROCEDURE(number, name) #name,
#include "ipf/vpd.def"
#define VPS(offset, name) #name,
#include "ipf/vpd.def"
    };
    return names[call];
}

static void note(struct ipf_cpu *c, const char *format, va_list arguments)
{
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    c->vti.note(c->vti.note_user, c, text);
}

void ipf_vti_note(struct ipf_cpu *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (c->vti.note)
        note(c, format, arguments);
    va_end(arguments);
}

void ipf_vti_misuse(struct ipf_cpu *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    c->vti.misuses++;
    if (c->vti.note)
        note(c, format, arguments);
    va_end(arguments);
}

/* ---- virtual processors ---- */

void ipf_vp_load(struct ipf_cpu *c, struct ipf_vp *vp)
{
    if (c->vti.vp)
        c->vti.vp->on = NULL;
    if (vp)
        vp->on = c;
    c->vti.vp = vp;
    c->vti.mode = vp ? ipf_vm_mode(vp->vac, vp->vdc) : IPF_VM;
    ipf_mode_changed(c);
}

/* With the features disabled PSR.vm stays 0, and vmsw faults (not verified against the manual). */
void ipf_vti_enable(struct ipf_cpu *c, bool vti, bool vmsw)
{
    c->vti.enabled = c->vti.implemented && vti;
    c->vti.vmsw_enabled = c->vti.vmsw_implemented && vmsw;
}

uint64_t ipf_vpd_read(const struct ipf_cpu *c, unsigned offset)
{
    uint64_t v = mem_read_le(c->mem, c->vti.vp->vpd_pa + offset, 8);
    return c->vti.big_endian ? __builtin_bswap64(v) : v;
}
void ipf_vpd_write(struct ipf_cpu *c, unsigned offset, uint64_t value)
{
    mem_write_le(c->mem, c->vti.vp->vpd_pa + offset, 8,
                 c->vti.big_endian ? __builtin_bswap64(value) : value);
}

/* ---- intercepts ---- */

/* Whether PAL's vectors stand before the monitor's: CR.IVA points to those that PAL made for the
 * virtual processor, which are the monitor's own here, but for the Virtualization vector. */
static bool pal_intercepts(const struct ipf_cpu *c)
{
    return c->vti.vp && c->cr[CR_IVA] == c->vti.vp->host_iva;
}

/* SDM vol. 2, figure "PAL Virtualization Intercept Handoff Opcode (GR25)": the slot, and which unit
 * it stands on.  That b is bit 63 and m bit 62 is not verified against the manual. */
static uint64_t opcode(const struct ipf_cpu *c, const struct ipf_op *op)
{
    uint64_t pa = c->block->pa + 16u * op->bundle;
    struct ipf_bundle b = ipf_bundle(mem_read_le(c->mem, pa, 8), mem_read_le(c->mem, pa + 8, 8));
    return b.slot[op->slot] | BIT(ipf_template(b.template)->unit[op->slot] == IPF_B ? 63 : 62);
}

/* SDM vol. 2, "PAL Virtualization Intercept Handoff State": of bank 0 only GR24 to GR31 may change.
 * Without a virtual processor the fault is the hardware's, which says nothing but ISR. */
void vti_intercept(struct ipf_cpu *c, const struct ipf_op *op, enum ipf_cause cause)
{
    struct ipf_vti *v = &c->vti;
    bool intercepts = pal_intercepts(c);
    v->faults[cause]++;
    if (unlikely(c->trace != NULL))
        ipf_trace_virtualized(c, op, cause, opcode(c, op));
    if (intercepts) {
        if (v->tells_cause)
            c->gr[24] = (struct ipf_gr){ cause, 0 };
        c->gr[25] = (struct ipf_gr){ opcode(c, op), 0 };
        c->ip = v->vp->opt_handler ? v->vp->opt_handler & ~UINT64_C(15) : c->ip;
    }
    ipf_vti_note(c, "fault: %s (%u) at 0x%llx slot %u%s", ipf_cause_name(cause), cause,
                 (unsigned long long)op_ip(c, op), op->slot,
                 intercepts ? "" : ", no virtual processor");
}

/* The guest goes on behind the operation, or PAL interrupts it there. */
static unsigned goes_on(struct ipf_cpu *c, const struct ipf_op *op)
{
    if (!vti_interrupt_is_due(c))
        NEXT(c, op);
    leave_behind(c, op);
    ipf_take_virtual_interrupt(c);
    return op->index + 1u;
}

unsigned virtualized(struct ipf_cpu *c, const struct ipf_op *op)
{
    if (!op->accelerated || !pal_intercepts(c) || !vti_accelerate(c, op))
        return virtualization_fault(c, op, op->cause);
    c->vti.accelerated[op->cause]++;
    if (unlikely(c->trace != NULL))
        ipf_trace_virtualized(c, op, op->cause, 0);
    if (op->accelerated == VAC_A_INT)
        return goes_on(c, op);
    NEXT(c, op);
}

/* ---- virtual external interrupts ---- */

/* SDM vol. 2, table "Interrupt Priorities, Enabling, and Masking", for the virtual registers; vhpi
 * is the class of the vector, 16 for ExtINT, which is above all classes, 32 for NMI.  The rule is
 * not verified against the manual. */
bool vti_interrupt_is_due(const struct ipf_cpu *c)
{
    enum { NMI = 32, TPR_MMI = 16 };
    if (!pal_intercepts(c) || !(c->vti.vp->vac & VAC_A_INT))
        return false;
    uint64_t vhpi = ipf_vpd_read(c, VPD_VHPI), vtpr = ipf_vpd_read(c, VPD_VCR + 8 * CR_TPR);
    if (!vhpi || !(ipf_vpd_read(c, VPD_VPSR) & PSR_I))
        return false;
    if (vhpi == NMI)
        return true;
    return !(vtpr >> TPR_MMI & 1) && vhpi > bits(vtpr, 7, 4);
}

bool ipf_take_virtual_interrupt(struct ipf_cpu *c)
{
    if (!(c->psr & PSR_VM) || !vti_interrupt_is_due(c))
        return false;
    struct ipf_resume r = { c->ip, c->last_ip, c->slot, c->slot };
    c->vti.interrupts++;
    ipf_vti_note(c, "virtual external interrupt at 0x%llx slot %u, vhpi %llu",
                 (unsigned long long)c->ip, c->slot, (unsigned long long)ipf_vpd_read(c, VPD_VHPI));
    ipf_interrupt(c, INT_VIRTUAL_EXTERNAL_INTERRUPT, 0, 0, &r);
    return true;
}
