// SPDX-License-Identifier: Apache-2.0
// System-management mode (SDM vol. 3, chapter "System Management Mode"), with what an SMI does to
// VMX operation under the default treatment ("Default Treatment of SMIs and SMM with VMX Operation
// and SMX Operation"); there is no dual-monitor treatment.  The save-state area is that of Intel 64
// processors (SDM vol. 3, "SMRAM State Save Map and Intel 64 Architecture"), whether a profile has
// Intel 64 or not.  Its reserved parts stay as they are: hidden state is kept inside the processor.
#include <string.h>

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/ops.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

/* Offsets from SMBASE + 8000H. */
enum {
    IO_RIP = 0x7de8, GDT_BASE_HIGH = 0x7dd0, LDT_BASE_HIGH = 0x7dd4, IDT_BASE_HIGH = 0x7dd8,
    SAVED_CR4 = 0x7e40, GDT_BASE = 0x7e8c, IDT_BASE = 0x7e94, LDT_BASE = 0x7e9c,
    SAVED_EPTP = 0x7ed8, ENABLE_EPT = 0x7ee0, SAVED_SMBASE = 0x7ef8, REVISION = 0x7efc,
    IO_RESTART = 0x7f00, AUTO_HALT = 0x7f02, IO_MEM_ADDR = 0x7f9c, IO_MISC = 0x7fa4,
    SELECTORS = 0x7fa8 /* ES CS SS DS FS GS LDTR TR */, SAVED_DR7 = 0x7fc8, SAVED_DR6 = 0x7fd0,
    SAVED_RIP = 0x7fd8, SAVED_EFER = 0x7fe0, SAVED_RFLAGS = 0x7fe8, SAVED_CR3 = 0x7ff0,
    SAVED_CR0 = 0x7ff8,
};
/* 15:0 the layout, with IO_MISC; 16 I/O instruction restart; 17 SMBASE relocation. */
enum { REVISION_ID = 0x30101 };
enum { ENTRY_OFFSET = 0x8000, IO_RESTART_YES = 0xff };
enum { ACCESS_CODE = 0x809b, ACCESS_DATA = 0x8093 };   /* limits of 4 GiB */

static const struct { uint16_t offset; uint8_t reg; } registers[] = {
    { 0x7f1c, R15 }, { 0x7f24, R14 }, { 0x7f2c, R13 }, { 0x7f34, R12 }, { 0x7f3c, R11 },
    { 0x7f44, R10 }, { 0x7f4c, R9 },  { 0x7f54, R8 },  { 0x7f5c, RAX }, { 0x7f64, RCX },
    { 0x7f6c, RDX }, { 0x7f74, RBX }, { 0x7f7c, RSP }, { 0x7f84, RBP }, { 0x7f8c, RSI },
    { 0x7f94, RDI },
};

static uint64_t area(const struct cpu *c, unsigned offset)
{
    return (uint32_t)c->msr.smbase + UINT64_C(0x8000) + offset;
}
static void put(struct cpu *c, unsigned offset, unsigned size, uint64_t value)
{
    mem_write_le(c->mem, area(c, offset), size, value);
}
static uint64_t get(struct cpu *c, unsigned offset, unsigned size)
{
    return mem_read_le(c->mem, area(c, offset), size);
}

/* ---- SMI ---- */

/* Traps and VM exits that wait for the boundary after RSM: nothing of them happens in SMM. */
enum { WAITING = PEND_MTF | PEND_DEBUG | PEND_VMX_TIMER | PEND_VMX_WINDOW | PEND_VMX_APIC |
                 PEND_VIRTUAL };

static void keep_inside(struct cpu *c)
{
    struct smm_saved *s = &c->smm_saved;
    memcpy(s->seg, c->seg, sizeof s->seg);
    memcpy(s->pdpte, c->pdpte, sizeof s->pdpte);
    s->gdtr = c->gdtr;
    s->idtr = c->idtr;
    s->pending = c->pending & WAITING;
    s->pending_debug = c->pending_debug;
    s->cpl = c->cpl;
    s->shadow = c->shadow;
    s->activity = c->activity;
    s->v86 = in_v86(c);
    s->nmi_blocked = c->nmi_blocked;
    s->init_blocked = c->init_blocked;
    s->mtf_armed = c->mtf_armed;
    s->vmxe = c->cr4 & CR4_VMXE;
    s->vmx_root = c->vmx_root;
    s->vmx_nonroot = c->vmx_nonroot;
}

/* IO_MISC and its companions are 0 unless the SMI is an I/O instruction's. */
static void save_io(struct cpu *c)
{
    const struct smm_io *io = &c->smm_saved.io;
    put(c, IO_MISC, 4, io->valid ? io->misc : 0);
    put(c, IO_MEM_ADDR, 8, io->valid ? io->linear : 0);
    put(c, IO_RIP, 8, io->valid ? io->rip : 0);
    put(c, IO_RESTART, 2, 0);
}

static void save_tables(struct cpu *c)
{
    put(c, GDT_BASE, 4, c->gdtr.base);
    put(c, GDT_BASE_HIGH, 4, c->gdtr.base >> 32);
    put(c, IDT_BASE, 4, c->idtr.base);
    put(c, IDT_BASE_HIGH, 4, c->idtr.base >> 32);
    put(c, LDT_BASE, 4, c->seg[LDTR].base);
    put(c, LDT_BASE_HIGH, 4, c->seg[LDTR].base >> 32);
}

static void save(struct cpu *c)
{
    uint64_t eptp = 0;
    bool ept = c->vmx_nonroot && c->vmx_ops->eptp(c, &eptp);
    for (unsigned k = 0; k < ARRAY_SIZE(registers); k++)
        put(c, registers[k].offset, 8, c->gpr[registers[k].reg]);
    for (unsigned s = ES; s < SEG_COUNT; s++)
        put(c, SELECTORS + 4 * s, 4, c->seg[s].selector);
    save_tables(c);
    save_io(c);
    put(c, SAVED_CR0, 8, c->cr0);
    put(c, SAVED_CR3, 8, c->cr3);
    put(c, SAVED_CR4, 8, c->cr4 & ~(uint64_t)CR4_VMXE);
    put(c, SAVED_EFER, 8, c->msr.efer);
    put(c, SAVED_RFLAGS, 8, cpu_rflags(c));
    put(c, SAVED_RIP, 8, c->rip);
    put(c, SAVED_DR6, 8, c->dr[6]);
    put(c, SAVED_DR7, 8, c->dr[7]);
    put(c, ENABLE_EPT, 4, ept);
    if (ept)
        put(c, SAVED_EPTP, 8, eptp);
    put(c, SAVED_SMBASE, 4, c->msr.smbase);
    put(c, REVISION, 4, REVISION_ID);
    put(c, AUTO_HALT, 2, c->activity == ACTIVITY_HLT);
}

/* SDM vol. 3, "Initial SMM Execution Environment".  GDTR, IDTR, LDTR and TR stay as they are. */
static void set_environment(struct cpu *c)
{
    for (unsigned s = ES; s <= GS; s++)
        c->seg[s] = (struct segment){ .limit = 0xffffffff, .access = ACCESS_DATA };
    c->seg[CS].access = ACCESS_CODE;
    c->seg[CS].base = (uint32_t)c->msr.smbase;
    c->seg[CS].selector = (uint16_t)(c->msr.smbase >> 4);
    c->rip = ENTRY_OFFSET;
    c->rflags = 2;
    flags_set_status(c, 0);
    c->cr0 &= ~(uint64_t)(CR0_PE | CR0_EM | CR0_TS | CR0_PG);
    c->cr4 = 0;
    c->msr.efer = 0;
    c->dr[7] = DR7_FIXED_1;
    c->cpl = 0;
    c->shadow = 0;
    c->activity = ACTIVITY_ACTIVE;
}

void cpu_smi(struct cpu *c)
{
    cpu_clear_pending(c, PEND_SMI | PEND_MWAIT);
    c->smm = true;
    if (c->bus && c->bus->smm)
        c->bus->smm(c->machine, c);
    keep_inside(c);
    save(c);
    set_environment(c);
    cpu_clear_pending(c, WAITING);
    c->pending_debug = 0;
    c->nmi_blocked = c->init_blocked = true;
    c->mtf_armed = c->monitor_armed = false;
    c->vmx_root = c->vmx_nonroot = false;
    cpu_mode_changed(c);
    tlb_flush_vpid(c, 0);
}

/* SDM vol. 3, "I/O State Implementation": IO_SMI, the length, the type, the port. */
void cpu_smi_by_io(struct cpu *c, uint16_t port, unsigned size, unsigned type, uint64_t linear)
{
    if (c->smm)             /* the SMI waits for RSM, and is then no instruction's */
        return;
    c->smm_saved.io = (struct smm_io){
        .valid = true,
        .misc = 1 | size << 1 | type << 4 | (uint32_t)port << 16,
        .rip = insn_rip(c, c->current), .linear = linear,
        .rcx = c->gpr[RCX], .rsi = c->gpr[RSI], .rdi = c->gpr[RDI],
    };
}

/* ---- RSM ---- */

/* What RSM loads from the save-state area and judges first. */
struct image { uint64_t cr0, cr3, cr4, efer; };

/* "Exiting From SMM": why the processor shuts down, or NULL.  CR4.VMXE is a reserved bit in SMM. */
static const char *invalid(const struct cpu *c, const struct image *m)
{
    bool lma = m->efer & EFER_LMA;
    if (m->cr4 & cr4_reserved(c))
        return "a reserved bit of CR4 is set";
    if (m->cr0 & cr0_reserved(c) || (m->cr0 & CR0_PG && !(m->cr0 & CR0_PE)) ||
        (m->cr0 & CR0_NW && !(m->cr0 & CR0_CD)))
        return "illegal combination of bits of CR0";
    if (m->efer & efer_reserved(c) || lma != (m->cr0 & CR0_PG && m->efer & EFER_LME) ||
        (lma && !(m->cr4 & CR4_PAE)) || (!lma && m->cr4 & CR4_PCIDE))
        return "IA32_EFER does not fit CR0 and CR4";
    return NULL;
}

static void load_registers(struct cpu *c)
{
    uint64_t flags = get(c, SAVED_RFLAGS, 8);
    for (unsigned k = 0; k < ARRAY_SIZE(registers); k++)
        c->gpr[registers[k].reg] = get(c, registers[k].offset, 8);
    c->rip = get(c, SAVED_RIP, 8);
    c->dr[6] = (get(c, SAVED_DR6, 8) & UINT32_MAX) | DR6_FIXED_1;
    c->dr[7] = dr7_loaded(get(c, SAVED_DR7, 8) & UINT32_MAX);
    c->rflags = 2;                              /* VM is VMX-critical: it comes from inside */
    cpu_set_rflags(c, (flags & ~(uint64_t)FLAG_VM) | (c->smm_saved.v86 ? FLAG_VM : 0));
}

static void load_control(struct cpu *c, const struct image *m)
{
    const struct smm_saved *s = &c->smm_saved;
    c->cr0 = m->cr0 | CR0_ET;
    c->cr3 = m->cr3 & (BIT(c->physical_bits) - 1);
    c->cr4 = m->cr4 | (s->vmxe ? CR4_VMXE : 0);
    c->msr.efer = m->efer;
    memcpy(c->pdpte, s->pdpte, sizeof c->pdpte);
    memcpy(c->seg, s->seg, sizeof c->seg);
    for (unsigned k = ES; k < SEG_COUNT; k++)
        c->seg[k].selector = (uint16_t)get(c, SELECTORS + 4 * k, 2);
    c->gdtr = s->gdtr;
    c->idtr = s->idtr;
    c->cpl = s->cpl;
}

/* "Auto HALT Restart" and "I/O Instruction Restart".  A processor that MWAIT had stopped goes on. */
static void restart(struct cpu *c)
{
    const struct smm_saved *s = &c->smm_saved;
    bool halts = s->activity == ACTIVITY_SHUTDOWN ||
                 (s->activity == ACTIVITY_HLT && get(c, AUTO_HALT, 2) & 1);
    c->activity = halts ? s->activity : ACTIVITY_ACTIVE;
    c->declined = 0;
    if (!s->io.valid || get(c, IO_RESTART, 1) != IO_RESTART_YES)
        return;
    c->rip = s->io.rip;
    c->gpr[RCX] = s->io.rcx;
    c->gpr[RSI] = s->io.rsi;
    c->gpr[RDI] = s->io.rdi;
}

static void restore_inside(struct cpu *c)
{
    const struct smm_saved *s = &c->smm_saved;
    c->shadow = s->shadow;
    c->pending_debug = s->pending_debug;
    c->pending |= s->pending;
    c->nmi_blocked = s->nmi_blocked;
    c->init_blocked = s->init_blocked;
    c->mtf_armed = s->mtf_armed;
    c->vmx_root = s->vmx_root;
    c->vmx_nonroot = s->vmx_nonroot;
    if (c->vmx_root || c->vmx_nonroot)
        c->vmx_ops->resume_after_smm(c);
}

static enum outcome shut_down(struct cpu *c, const char *why)
{
    c->activity = ACTIVITY_SHUTDOWN;
    c->declined = 0;
    if (c->bus && c->bus->bad_rsm)
        c->bus->bad_rsm(c->machine, c, why);
    cpu_leave(c);
    return JUMPED;
}

enum outcome op_rsm(struct cpu *c, const struct insn *i)
{
    if (!c->smm)
        return cpu_raise(c, EXC_UD);
    const struct image m = { get(c, SAVED_CR0, 8), get(c, SAVED_CR3, 8), get(c, SAVED_CR4, 8),
                             get(c, SAVED_EFER, 8) };
    const char *why = invalid(c, &m);
    if (why)
        return shut_down(c, why);
    load_control(c, &m);
    load_registers(c);
    restart(c);
    c->msr.smbase = get(c, SAVED_SMBASE, 4);
    c->smm = c->smm_saved.io.valid = false;
    c->monitor_armed = false;
    restore_inside(c);
    if (c->bus && c->bus->smm)
        c->bus->smm(c->machine, c);
    cpu_mode_changed(c);
    tlb_flush_vpid(c, 0);
    tlb_flush_all_vpids(c);
    return JUMPED;
}
