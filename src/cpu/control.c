// SPDX-License-Identifier: Apache-2.0
// RFLAGS, CR0, CR3, CR4, EFER, PKRU and IA32_PKRS as registers: which bits exist, and what follows
// from a new value.  The instructions that write them, with their checks, are in sys_control.c,
// sys_misc.c and msr.c.
#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

enum {
    RFLAGS_WRITABLE = FLAGS_STATUS | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_RF |
                      FLAG_VM | FLAG_AC | FLAG_VIF | FLAG_VIP | FLAG_ID,
    RFLAGS_FIXED_1 = 1 << 1,
};

void cpu_set_rflags(struct cpu *c, uint64_t value)
{
    uint64_t v = (value & RFLAGS_WRITABLE) | RFLAGS_FIXED_1;
    uint64_t changed = (c->rflags ^ v) & ~(uint64_t)FLAGS_STATUS;
    c->rflags = v & ~(uint64_t)FLAGS_STATUS;
    flags_set_status(c, v);
    if (changed & (FLAG_VM | FLAG_IOPL))
        cpu_mode_changed(c);
    else if (changed & FLAG_AC)
        cpu_privilege_changed(c);
    if (changed & (FLAG_TF | FLAG_IF | FLAG_RF))
        c->attention |= ATTENTION_BOUNDARY;
}

/* BTF works and so does FREEZE_PERFMON_ON_PMI, which came with version 2; LBR is kept; the other
 * trace facilities are absent. */
void cpu_load_debugctl(struct cpu *c, uint64_t v)
{
    c->msr.debugctl = v & (DEBUGCTL_KEPT | (pmu_version(c->model) >= 2 ? DEBUGCTL_FREEZE_PERFMON : 0));
}

/* ---- reserved bits: those whose setting is #GP(0) ---- */

uint64_t cr0_reserved(const struct cpu *c)
{
    (void)c;
    return ~UINT64_C(0xffffffff);      /* reserved bits below 32 are ignored */
}

uint64_t cr4_reserved(const struct cpu *c)
{
    /* A bit of CR4 exists when the feature that it controls does. */
    static const struct { uint32_t bits; enum feature feature; } rows[] = {
        { CR4_VME | CR4_PVI, FEAT_VME }, { CR4_TSD, FEAT_TSC }, { CR4_DE, FEAT_DE },
        { CR4_PSE, FEAT_PSE }, { CR4_PAE, FEAT_PAE }, { CR4_MCE, FEAT_MCE }, { CR4_PGE, FEAT_PGE },
        { CR4_PCE, FEAT_NONE }, { CR4_OSFXSR, FEAT_FXSR }, { CR4_OSXMMEXCPT, FEAT_SSE },
        { CR4_UMIP, FEAT_UMIP }, { CR4_VMXE, FEAT_VMX }, { CR4_FSGSBASE, FEAT_FSGSBASE },
        { CR4_PCIDE, FEAT_PCID }, { CR4_OSXSAVE, FEAT_XSAVE }, { CR4_SMEP, FEAT_SMEP },
        { CR4_SMAP, FEAT_SMAP }, { CR4_PKE, FEAT_PKU }, { CR4_PKS, FEAT_PKS },
        { CR4_SMXE, FEAT_SMX }, { CR4_CET, FEAT_SHSTK }, { CR4_CET, FEAT_IBT },
        { CR4_UINTR, FEAT_UINTR },
    };
    uint64_t exists = 0;
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++)
        if (cpu_has(c, rows[k].feature))
            exists |= rows[k].bits;
    if (c->smm)                     /* "Protection of CR4.VMXE in SMM" */
        exists &= ~(uint64_t)CR4_VMXE;
    return ~exists;
}

uint64_t efer_reserved(const struct cpu *c)
{
    uint64_t exists = 0;
    if (cpu_has(c, FEAT_LM))
        exists |= EFER_SCE | EFER_LME | EFER_LMA;
    if (cpu_has(c, FEAT_NX))
        exists |= EFER_NXE;
    return ~exists;
}

/* ---- loads ----
 * What they take from the TLB: SDM vol. 3, "Operations that Invalidate TLBs and Paging-Structure
 * Caches".  Bits that change nothing there choose another address space of the TLB (tlb.c). */

static void update_lma(struct cpu *c)
{
    bool active = (c->cr0 & CR0_PG) && (c->msr.efer & EFER_LME);
    c->msr.efer = (c->msr.efer & ~(uint64_t)EFER_LMA) | (active ? EFER_LMA : 0);
}

void cpu_load_cr0(struct cpu *c, uint64_t v)
{
    const uint64_t exists = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM |
                            (uint32_t)CR0_NW | (uint32_t)CR0_CD | CR0_PG;
    uint64_t old = c->cr0;
    c->cr0 = (v & exists) | CR0_ET;
    if ((old ^ c->cr0) & CR0_PE)
        c->cpl = 0;
    update_lma(c);
    cpu_mode_changed(c);
    if (old & ~c->cr0 & CR0_PG)
        tlb_flush_vpid(c, tlb_vpid(c));
}

void cpu_load_cr3(struct cpu *c, uint64_t v)
{
    c->cr3 = v;
    tlb_refresh(c, tlb_vpid(c), tlb_pcid(c));
}

void cpu_load_cr4(struct cpu *c, uint64_t v)
{
    uint64_t old = c->cr4, changed = old ^ v;
    c->cr4 = v;
    cpu_mode_changed(c);
    if (changed & CR4_PGE || changed & old & CR4_PCIDE)
        tlb_flush_vpid(c, tlb_vpid(c));
    else if (changed & CR4_PAE || changed & v & CR4_SMEP)
        tlb_flush_pcid(c, tlb_vpid(c), tlb_pcid(c));
}

void cpu_load_efer(struct cpu *c, uint64_t v)
{
    uint64_t old = c->msr.efer;
    c->msr.efer = v & ~efer_reserved(c);
    cpu_mode_changed(c);
    if ((old ^ v) & EFER_NXE)
        tlb_flush_vpid(c, tlb_vpid(c));
}

/* Key rights are part of the address space: a new value takes another set of TLB entries. */
void cpu_load_pkru(struct cpu *c, uint32_t v)
{
    if (v == c->pkru)
        return;
    c->pkru = v;
    cpu_mode_changed(c);
}

void cpu_load_pkrs(struct cpu *c, uint32_t v)
{
    if (v == c->msr.pkrs)
        return;
    c->msr.pkrs = v;
    cpu_mode_changed(c);
}

/* Bits of a present PDPTE that must be 0 (SDM vol. 3, "PDPTE Registers"). */
static uint64_t pdpte_reserved(const struct cpu *c)
{
    return ~(BIT(c->physical_bits) - 1) | 0x1e6;
}

bool cpu_load_pdptes(struct cpu *c, uint64_t cr3, uint64_t out[4])
{
    uint64_t pa = cr3 & 0xffffffe0u;
    if (c->vmx_nonroot && c->vmx_ops->ept_enabled(c)) {
        unsigned ok;
        struct guest_physical g = { .address = pa, .kind = ACCESS_READ, .structure = true };
        if (!c->vmx_ops->translate(c, &g, &pa, &ok))
            return false;       /* a VM exit: c->vm_exited is set */
    }
    for (unsigned k = 0; k < 4; k++) {
        out[k] = mem_read_le(c->mem, pa + 8 * k, 8);
        if ((out[k] & 1) && (out[k] & pdpte_reserved(c)))
            return false;
    }
    return true;
}
