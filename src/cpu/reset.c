// SPDX-License-Identifier: Apache-2.0
// States after RESET, INIT and SIPI: SDM vol. 3, "Processor State After Reset" (its table), "MP
// Initialization".
#include <string.h>

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/vmx_ops.h"

enum { ACCESS_DATA = 0x93, ACCESS_LDT = 0x82, ACCESS_TSS_BUSY = 0x8b };

static uint32_t signature(struct cpu *c)
{
    uint32_t out[4];
    model_cpuid(c, 1, 0, out);
    return out[0];
}

static void reset_segments(struct cpu *c)
{
    for (unsigned s = ES; s <= GS; s++)
        c->seg[s] = (struct segment){ .limit = 0xffff, .access = ACCESS_DATA };
    c->seg[CS].selector = 0xf000;
    c->seg[CS].base = 0xffff0000;
    c->seg[LDTR] = (struct segment){ .limit = 0xffff, .access = ACCESS_LDT };
    c->seg[TR] = (struct segment){ .limit = 0xffff, .access = ACCESS_TSS_BUSY };
    c->gdtr = c->idtr = (struct dtable){ .limit = 0xffff };
}

/* What RESET and INIT have in common. */
static void initialise(struct cpu *c, uint64_t cr0)
{
    memset(c->gpr, 0, sizeof c->gpr);
    c->gpr[RDX] = signature(c);
    c->rip = 0xfff0;
    c->rflags = 2;
    flags_set_status(c, 0);
    c->cr0 = cr0;
    c->cr2 = c->cr3 = c->cr4 = c->cr8 = 0;
    memset(c->dr, 0, sizeof c->dr);
    c->dr[6] = DR6_FIXED_1;
    c->dr[7] = DR7_FIXED_1;
    reset_segments(c);
    c->msr.efer = 0;
    c->ssp = 0;
    c->cpl = 0;
    c->shadow = 0;
    c->nmi_blocked = c->init_blocked = c->smm = c->smm_saved.io.valid = false;
    c->pending &= ~(uint32_t)(PEND_INIT | PEND_DEBUG | PEND_MTF);
    c->pending_debug = 0;
    c->is_delivering = c->vm_exited = false;
    c->monitor_armed = false;
    c->declined = 0;
    c->activity = ACTIVITY_ACTIVE;
}

static void reset_fpu(struct fpu *f)
{
    memset(f, 0, sizeof *f);
    f->control = 0x40;
    f->tag = 0xff;              /* FTW 5555H: every register holds +0 */
    f->mxcsr = 0x1f80;
}

static void reset_msrs(struct cpu *c)
{
    memset(&c->msr, 0, sizeof c->msr);
    c->msr.pat = UINT64_C(0x0007040600070406);
    c->msr.misc_enable = 1 | BIT(11) | BIT(12) | BIT(18); /* fast strings; no BTS, no PEBS; MWAIT */
    if (pmu_version(c->model))
        c->msr.misc_enable |= BIT(7); /* performance monitoring available */
    c->msr.smbase = SMBASE_RESET;
    c->msr.apic_base = 0xfee00000 | BIT(11) | (c->index == 0 ? BIT(8) : 0);
}

static bool is_bootstrap(const struct cpu *c) { return c->msr.apic_base & BIT(8); }

void cpu_reset(struct cpu *c)
{
    c->physical_bits = c->model->physical_bits;
    c->linear_bits = c->model->linear_bits;
    reset_msrs(c);
    reset_fpu(&c->fpu);
    initialise(c, UINT64_C(0x60000010));
    c->xcr0 = 1;
    c->pkru = 0;
    c->uif = false;
    c->pending = 0;
    c->stall_tick = 0;
    c->a20_closed = false;
    pmu_reset(c);
    if (c->vmx_ops)
        c->vmx_ops->reset(c);
    if (!is_bootstrap(c))
        c->activity = ACTIVITY_WAIT_SIPI;
    cpu_mode_changed(c);
    tlb_flush_all(c);
}

/* INIT keeps x87, SSE, XCR0, PKRU, UIF, caches' CD and NW, and most MSRs. */
void cpu_init(struct cpu *c)
{
    const uint64_t kept = (uint32_t)CR0_CD | (uint32_t)CR0_NW;
    cpu_clear_pending(c, PEND_STALL);
    initialise(c, (c->cr0 & kept) | CR0_ET);
    if (c->bus && c->bus->init)
        c->bus->init(c->machine, c);
    if (!is_bootstrap(c))
        c->activity = ACTIVITY_WAIT_SIPI;
    cpu_mode_changed(c);
    tlb_flush_all(c);
}

void cpu_startup(struct cpu *c, uint8_t vector)
{
    if (c->activity != ACTIVITY_WAIT_SIPI)
        return;
    c->seg[CS].selector = (uint16_t)(vector << 8);
    c->seg[CS].base = (uint64_t)vector << 12;
    c->rip = 0;
    c->activity = ACTIVITY_ACTIVE;
    cpu_mode_changed(c);
}
