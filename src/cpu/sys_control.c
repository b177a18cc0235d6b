// SPDX-License-Identifier: Apache-2.0
// MOV to and from control registers, LMSW, SMSW, CLTS, INVLPG, INVPCID.
#include "cpu/descriptor.h"
#include "cpu/ops.h"
#include "cpu/vmx_ops.h"

static enum outcome gp0(struct cpu *c) { return cpu_raise_code(c, EXC_GP, 0); }

static bool in_vmx_operation(const struct cpu *c) { return c->vmx_root || c->vmx_nonroot; }

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LME);
}

/* MOV to CRn that makes PAE paging begin, or refreshes its registers: loads the PDPTEs. */
static bool reload_pdptes(struct cpu *c, uint64_t cr3)
{
    uint64_t pdpte[4];
    c->vm_exited = false;
    if (!cpu_load_pdptes(c, cr3, pdpte))
        return c->vm_exited ? false : refuse(c, EXC_GP, 0);
    for (unsigned k = 0; k < 4; k++)
        c->pdpte[k] = pdpte[k];
    return true;
}

/* ---- CR0 ---- */

/* SDM vol. 2, "MOV--Move to/from Control Registers", protected-mode exceptions. */
static bool cr0_legal(struct cpu *c, uint64_t v)
{
    bool paging_on = (v & CR0_PG) && !(c->cr0 & CR0_PG);
    bool paging_off = !(v & CR0_PG) && (c->cr0 & CR0_PG);
    if (v & cr0_reserved(c))
        return false;
    if (((v & CR0_PG) && !(v & CR0_PE)) || ((v & CR0_NW) && !(v & CR0_CD)))
        return false;
    if (paging_on && (c->msr.efer & EFER_LME) &&
        (!(c->cr4 & CR4_PAE) || (c->seg[CS].access & SEG_L) || !(seg_type(&c->seg[TR]) & 8)))
        return false;
    if (paging_off && (in_64bit(c) || (c->cr4 & CR4_PCIDE)))
        return false;
    if (!(v & CR0_WP) && (c->cr4 & CR4_CET))
        return false;
    return !in_vmx_operation(c) || c->vmx_ops->cr_fixed_ok(c, 0, v);
}

static enum outcome write_cr0(struct cpu *c, uint64_t v)
{
    const uint64_t reloads = CR0_PG | (uint32_t)CR0_CD | (uint32_t)CR0_NW;
    if (!cr0_legal(c, v))
        return gp0(c);
    if (pae_paging(v, c->cr4, c->msr.efer) && ((v ^ c->cr0) & reloads))
        FAULT_IF(!reload_pdptes(c, c->cr3));
    cpu_load_cr0(c, v);
    return RETIRED;
}

/* ---- CR3 ---- */

static enum outcome write_cr3(struct cpu *c, uint64_t v)
{
    uint64_t reserved = ~(BIT(c->physical_bits) - 1);
    bool keep = (c->cr4 & CR4_PCIDE) && (v & BIT(63));    /* bit 63: keep the TLB; not stored */
    if (c->cr4 & CR4_PCIDE)
        v &= ~BIT(63);
    if (in_long_mode(c) && (v & reserved))
        return gp0(c);
    if (pae_paging(c->cr0, c->cr4, c->msr.efer))
        FAULT_IF(!reload_pdptes(c, v));
    if (!keep) {
        cpu_load_cr3(c, v);
        return RETIRED;
    }
    c->cr3 = v;
    cpu_mode_changed(c);
    return RETIRED;
}

/* ---- CR4 ---- */

static bool cr4_legal(struct cpu *c, uint64_t v)
{
    uint64_t set = v & ~c->cr4, cleared = c->cr4 & ~v;
    if (v & cr4_reserved(c))
        return false;
    if (in_long_mode(c) && (cleared & CR4_PAE))
        return false;
    if ((set & CR4_PCIDE) && (!in_long_mode(c) || (c->cr3 & 0xfff)))
        return false;
    if ((v & CR4_CET) && !(c->cr0 & CR0_WP))
        return false;
    return !in_vmx_operation(c) || c->vmx_ops->cr_fixed_ok(c, 4, v);
}

static enum outcome write_cr4(struct cpu *c, uint64_t v)
{
    const uint64_t reloads = CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP;
    if (!cr4_legal(c, v))
        return gp0(c);
    if (pae_paging(c->cr0, v, c->msr.efer) && ((v ^ c->cr4) & reloads))
        FAULT_IF(!reload_pdptes(c, c->cr3));
    cpu_load_cr4(c, v);
    return RETIRED;
}

/* ---- CR8 ---- */

static uint64_t read_cr8(struct cpu *c)
{
    uint64_t v;
    if (c->vmx_nonroot && c->vmx_ops->cr8_read(c, &v))
        return v;
    return c->bus && c->bus->tpr_read ? c->bus->tpr_read(c->machine, c) : c->cr8;
}

static enum outcome write_cr8(struct cpu *c, uint64_t v)
{
    enum outcome o;
    if (v > 15)
        return gp0(c);
    if (c->vmx_nonroot && c->vmx_ops->cr8_write(c, v, &o))
        return o;
    c->cr8 = v;
    if (c->bus && c->bus->tpr_write)
        c->bus->tpr_write(c->machine, c, (uint8_t)v);
    c->attention |= ATTENTION_BOUNDARY;
    return RETIRED;
}

/* ---- the instructions ---- */

static uint64_t visible(struct cpu *c, unsigned cr)
{
    if (c->vmx_nonroot)
        return c->vmx_ops->cr_visible(c, cr);
    return cr == 0 ? c->cr0 : c->cr4;
}

/* #UD for registers that do not exist comes before the privilege check. */
static bool cr_usable(struct cpu *c, unsigned cr)
{
    bool exists = cr == 0 || cr == 2 || cr == 3 || cr == 4 || (cr == 8 && in_64bit(c));
    if (!exists) {
        cpu_raise(c, EXC_UD);
        return false;
    }
    return c->cpl == 0 || refuse(c, EXC_GP, 0);
}

enum outcome op_mov_from_cr(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    FAULT_IF(!cr_usable(c, i->reg));
    if (c->vmx_nonroot && (i->reg == 3 || i->reg == 8) &&
        c->vmx_ops->cr_read_exit(c, i, i->reg, i->rm))
        return EXITED;
    switch (i->reg) {
    case 2: v = c->cr2; break;
    case 3: v = c->cr3; break;
    case 8: v = read_cr8(c); break;
    default: v = visible(c, i->reg); break;
    }
    reg_write(c, i->rm, i->size, v);
    return RETIRED;
}

enum outcome op_mov_to_cr(struct cpu *c, const struct insn *i)
{
    uint64_t v = reg_read(c, i->rm, i->size);
    FAULT_IF(!cr_usable(c, i->reg));
    if (c->vmx_nonroot && i->reg != 2 && c->vmx_ops->cr_write_exit(c, i, i->reg, i->rm, &v))
        return EXITED;
    switch (i->reg) {
    case 0: return write_cr0(c, v);
    case 3: return write_cr3(c, v);
    case 4: return write_cr4(c, v);
    case 8: return write_cr8(c, v);
    default: c->cr2 = v; return RETIRED;
    }
}

enum outcome op_smsw(struct cpu *c, const struct insn *i)
{
    unsigned size = insn_is_mem(i) ? 2 : i->size;
    FAULT_IF(!rm_write(c, i, size, visible(c, 0)));
    return RETIRED;
}

/* LMSW loads PE, MP, EM and TS, and cannot clear PE. */
enum outcome op_lmsw(struct cpu *c, const struct insn *i)
{
    uint64_t source, linear = 0;
    FAULT_IF(!rm_read(c, i, 2, &source));
    if (insn_is_mem(i))
        FAULT_IF(!seg_linear(c, insn_seg(i), insn_ea(c, i), 2, false, &linear));
    uint64_t cr0 = (c->cr0 & ~UINT64_C(0xe)) | (source & 0xf);
    if (c->vmx_nonroot &&
        c->vmx_ops->lmsw_exit(c, i, (uint16_t)source, insn_is_mem(i), linear, &cr0))
        return EXITED;
    return write_cr0(c, cr0);
}

enum outcome op_clts(struct cpu *c, const struct insn *i)
{
    bool execute = true;
    if (c->vmx_nonroot && c->vmx_ops->clts_exit(c, i, &execute))
        return EXITED;
    if (execute)
        cpu_load_cr0(c, c->cr0 & ~(uint64_t)CR0_TS);
    return RETIRED;
}

/* The address is not checked: a non-canonical one makes INVLPG do nothing. */
enum outcome op_invlpg(struct cpu *c, const struct insn *i)
{
    enum seg s = insn_seg(i);
    bool based = !in_64bit(c) || s == FS || s == GS;
    uint64_t linear = linear_wrap(c, insn_ea(c, i) + (based ? c->seg[s].base : 0));
    if (is_canonical(c, linear))
        tlb_flush_linear(c, linear);
    return RETIRED;
}

enum { INVPCID_ADDRESS, INVPCID_SINGLE, INVPCID_ALL_GLOBAL, INVPCID_ALL };

enum outcome op_invpcid(struct cpu *c, const struct insn *i)
{
    uint64_t d[2], type = reg_read(c, i->reg, i->size);
    FAULT_IF(!seg_read_bytes(c, insn_seg(i), insn_ea(c, i), d, 16, 0));
    bool names_pcid = type == INVPCID_ADDRESS || type == INVPCID_SINGLE;
    if (type > INVPCID_ALL || d[0] >> 12)
        return gp0(c);
    if (names_pcid && !(c->cr4 & CR4_PCIDE) && d[0])
        return gp0(c);
    if (type == INVPCID_ADDRESS && !is_canonical(c, d[1]))
        return gp0(c);
    if (type == INVPCID_ADDRESS)
        tlb_flush_page_pcid(c, (uint16_t)d[0], d[1]);
    else if (type == INVPCID_SINGLE)
        tlb_flush_pcid(c, tlb_vpid(c), (uint16_t)d[0]);
    else if (type == INVPCID_ALL)
        tlb_flush_pcid(c, tlb_vpid(c), TLB_ANY_PCID);
    else
        tlb_flush_vpid(c, tlb_vpid(c));
    return RETIRED;
}
