// SPDX-License-Identifier: Apache-2.0
// Model-specific registers: the rows of msrs.def and the effects that are more than storage.
#include "cpu/access.h"
#include "cpu/cet.h"
#include "cpu/cpu.h"
#include "cpu/uintr.h"
#include "cpu/vmx_ops.h"
#include "cpu/xstate.h"

struct msr_row;
typedef bool read_fn(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v);
typedef bool write_fn(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v);

struct msr_row {
    uint32_t first, count;
    uint16_t offset;          /* of the member in struct msr_state */
    uint8_t feature;
    uint64_t reserved;
    const char *name;
    read_fn *read;
    write_fn *write;
};

static uint64_t *member_of(struct cpu *c, const struct msr_row *r)
{
    return (uint64_t *)((char *)&c->msr + r->offset);
}

/* ---- plain storage ---- */

static bool read_member(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = *member_of(c, r);
    return true;
}
static bool read_zero(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = 0;
    return true;
}
static bool read_absent(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    return false;
}
static bool write_member(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (v & r->reserved)
        return false;
    *member_of(c, r) = v;
    return true;
}
static bool write_canonical(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (!is_canonical(c, v))
        return false;
    *member_of(c, r) = v;
    return true;
}
/* A linear address whose low bits mean something else, or nothing. */
static bool write_address(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    return !(v & r->reserved) && write_canonical(c, r, index, v);
}
static bool write_ignore(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    return true;
}
static bool write_none(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    return false;
}

/* ---- time ---- */

static bool read_tsc(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = cpu_tick(c) + c->msr.tsc_offset;
    return true;
}
/* Each of TSC and TSC_ADJUST moves with the other ("IA32_TSC_ADJUST MSR"). */
static void move_tsc(struct cpu *c, uint64_t by)
{
    c->msr.tsc_offset += by;
    c->msr.tsc_adjust += by;
    if (c->bus && c->bus->tsc_moved)
        c->bus->tsc_moved(c->machine, c);
}
static bool write_tsc(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    move_tsc(c, v - cpu_tick(c) - c->msr.tsc_offset);
    return true;
}
static bool write_tsc_adjust(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    move_tsc(c, v - c->msr.tsc_adjust);
    return true;
}

/* ---- local APIC: base, x2APIC registers, deadline timer ---- */

enum { APIC_BASE = 0x1b, X2APIC_FIRST = 0x800 };
enum { APIC_BSP = 1 << 8, APIC_EXTD = 1 << 10, APIC_EN = 1 << 11 };

static bool x2apic_visible(const struct cpu *c, uint32_t index)
{
    return index < X2APIC_FIRST || (c->msr.apic_base & APIC_EXTD);
}
/* Reserved bits and transitions ("x2APIC State Transitions"). */
static bool apic_base_legal(const struct cpu *c, uint64_t v)
{
    uint64_t exists = ((BIT(c->physical_bits) - 1) & ~UINT64_C(0xfff)) | APIC_BSP | APIC_EN |
                      (cpu_has(c, FEAT_X2APIC) ? APIC_EXTD : 0);
    bool was_x2 = c->msr.apic_base & APIC_EXTD, was_on = c->msr.apic_base & APIC_EN;
    bool x2 = v & APIC_EXTD, on = v & APIC_EN;
    if (v & ~exists || (x2 && !on))
        return false;
    return !(was_x2 && on && !x2) && !(!was_on && x2);
}
static bool read_bus(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    if (index == APIC_BASE)
        return read_member(c, r, index, v);
    return x2apic_visible(c, index) && c->bus && c->bus->apic_msr_read &&
           c->bus->apic_msr_read(c->machine, c, index, v);
}
static bool write_bus(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (index == APIC_BASE && !apic_base_legal(c, v))
        return false;
    if (!x2apic_visible(c, index))
        return false;
    if (c->bus && c->bus->apic_msr_write) {
        if (!c->bus->apic_msr_write(c->machine, c, index, v))
            return false;
    } else if (index != APIC_BASE) {
        return false;
    }
    if (index < X2APIC_FIRST)
        *member_of(c, r) = v;
    return true;
}

/* ---- identification ---- */

/* Software writes 0, executes CPUID and finds the microcode revision here. */
static bool read_bios_sign(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = UINT64_C(0xf0) << 32;      /* newer than those whose errata Linux and Xen work around */
    return true;
}
static bool read_pmu(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    return pmu_read(c, index, v);
}
static bool write_pmu(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    return pmu_write(c, index, v);
}
/* Bits 15:8: maximum non-turbo ratio, in units of 100 MHz. */
static bool read_platform_info(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = c->model->tsc_hz / 100000000 << 8;
    return true;
}
static bool write_misc_enable(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    const uint64_t fast_strings = 1;    /* the other bits describe what is absent or fixed */
    c->msr.misc_enable = (c->msr.misc_enable & ~fast_strings) | (v & fast_strings);
    return true;
}
/* SDM vol. 3, "Enabling and Entering VMX Operation"; vol. 2, "Safer Mode Extensions Reference". */
enum {
    FEATURE_LOCK = 1 << 0, FEATURE_VMX_INSIDE_SMX = 1 << 1, FEATURE_VMX_OUTSIDE_SMX = 1 << 2,
    FEATURE_SENTER = 0xff00 /* its functions one by one, and all of them */,
};

static uint64_t feature_control_bits(const struct cpu *c)
{
    bool vmx = cpu_has(c, FEAT_VMX), smx = cpu_has(c, FEAT_SMX);
    return (vmx || smx ? FEATURE_LOCK : 0) | (vmx && smx ? FEATURE_VMX_INSIDE_SMX : 0) |
           (vmx ? FEATURE_VMX_OUTSIDE_SMX : 0) | (smx ? FEATURE_SENTER : 0);
}
static bool read_feature_control(struct cpu *c, const struct msr_row *r, uint32_t index,
                                 uint64_t *v)
{
    return feature_control_bits(c) && read_member(c, r, index, v);
}
static bool write_feature_control(struct cpu *c, const struct msr_row *r, uint32_t index,
                                  uint64_t v)
{
    uint64_t exists = feature_control_bits(c);
    if (!exists || v & ~exists || c->msr.feature_control & FEATURE_LOCK)
        return false;
    c->msr.feature_control = v;
    return true;
}

/* ---- speculation ---- */

enum { SPEC_CTRL_IBRS = 1 << 0, SPEC_CTRL_STIBP = 1 << 1, SPEC_CTRL_SSBD = 1 << 2 };
enum { PRED_CMD_IBPB = 1 << 0 };
/* Nothing is executed speculatively. */
enum {
    RDCL_NO = 1 << 0, IBRS_ALL = 1 << 1, SKIP_L1DFL_VMENTRY = 1 << 3, MDS_NO = 1 << 5,
    IF_PSCHANGE_MC_NO = 1 << 6, TAA_NO = 1 << 8,
};

/* A processor with one of IBRS and STIBP takes the other bit, too (SDM vol. 4, IA32_SPEC_CTRL). */
uint64_t spec_ctrl_reserved(const struct cpu *c)
{
    uint64_t exists = 0;
    if (cpu_has(c, FEAT_SPEC_CTRL) || cpu_has(c, FEAT_STIBP))
        exists |= SPEC_CTRL_IBRS | SPEC_CTRL_STIBP;
    if (cpu_has(c, FEAT_SSBD))
        exists |= SPEC_CTRL_SSBD;
    return ~exists;
}
/* The register exists if one of its bits does. */
static bool read_spec_ctrl(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    return ~spec_ctrl_reserved(c) && read_member(c, r, index, v);
}
static bool write_spec_ctrl(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (!~spec_ctrl_reserved(c) || v & spec_ctrl_reserved(c))
        return false;
    c->msr.spec_ctrl = v;
    return true;
}
/* The barrier itself has nothing to do. */
static bool write_pred_cmd(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    return !(v & ~(uint64_t)PRED_CMD_IBPB);
}
static bool read_arch_capabilities(struct cpu *c, const struct msr_row *r, uint32_t index,
                                   uint64_t *v)
{
    *v = RDCL_NO | IBRS_ALL | SKIP_L1DFL_VMENTRY | MDS_NO | IF_PSCHANGE_MC_NO | TAA_NO;
    return true;
}

/* SMBASE can be read in SMM, if the processor says so in IA32_VMX_MISC. */
static bool read_smbase(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    enum { IA32_VMX_MISC = 0x485, MISC_RDMSR_SMBASE = 1 << 15 };
    uint64_t misc;
    return c->smm && c->vmx_ops && c->vmx_ops->capability_msr(c, IA32_VMX_MISC, &misc) &&
           misc & MISC_RDMSR_SMBASE && read_member(c, r, index, v);
}

/* ---- memory types ---- */

enum { MTRR_VARIABLE = 8, MTRR_E = 1 << 11, MTRR_FE = 1 << 10 };

static bool memory_type_ok(uint64_t type)
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6);
}
static bool read_mtrrcap(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = MTRR_VARIABLE | 1 << 8 | 1 << 10;      /* fixed ranges and write-combining */
    return true;
}
static bool write_mtrr_def_type(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (v & ~UINT64_C(0xcff) || !memory_type_ok(v & 0xff))
        return false;
    c->msr.mtrr_def_type = v;
    return true;
}
static uint64_t *mtrr_phys(struct cpu *c, uint32_t index)
{
    unsigned n = (index - 0x200) >> 1;
    return index & 1 ? &c->msr.mtrr_mask[n] : &c->msr.mtrr_base[n];
}
static bool read_mtrr_phys(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = *mtrr_phys(c, index);
    return true;
}
static bool write_mtrr_phys(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    uint64_t reserved = ~(BIT(c->physical_bits) - 1) | (index & 1 ? 0x7ff : 0xf00);
    if (v & reserved || (!(index & 1) && !memory_type_ok(v & 0xff)))
        return false;
    *mtrr_phys(c, index) = v;
    return true;
}
static unsigned mtrr_fixed(uint32_t index)
{
    return index == 0x250 ? 0 : index < 0x268 ? 1 + (index - 0x258) : 3 + (index - 0x268);
}
static bool read_mtrr_fixed(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = c->msr.mtrr_fixed[mtrr_fixed(index)];
    return true;
}
static bool write_mtrr_fixed(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    for (unsigned k = 0; k < 8; k++)
        if (!memory_type_ok(v >> (8 * k) & 0xff))
            return false;
    c->msr.mtrr_fixed[mtrr_fixed(index)] = v;
    return true;
}
static bool write_pat(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    for (unsigned k = 0; k < 8; k++) {
        uint64_t type = v >> (8 * k) & 0xff;
        if (!memory_type_ok(type) && type != 7)
            return false;
    }
    c->msr.pat = v;
    return true;
}

/* ---- machine check: four banks in which nothing ever happens ---- */

enum { MC_BANKS = 4 };

static bool read_mcg_cap(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = MC_BANKS;
    return true;
}
static bool read_mc_bank(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    unsigned bank = (index - 0x400) >> 2 & (MC_BANKS - 1);
    const uint64_t *kinds[] = { c->msr.mc_ctl, c->msr.mc_status, c->msr.mc_addr, c->msr.mc_misc };
    *v = kinds[index & 3][bank];
    return true;
}
/* Status, address and misc accept only 0 (SDM vol. 3, "Error-Reporting Register Banks"). */
static bool write_mc_bank(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    unsigned bank = (index - 0x400) >> 2 & (MC_BANKS - 1);
    uint64_t *kinds[] = { c->msr.mc_ctl, c->msr.mc_status, c->msr.mc_addr, c->msr.mc_misc };
    if ((index & 3) && v)
        return false;
    kinds[index & 3][bank] = v;
    return true;
}

/* ---- control-flow enforcement ---- */

static bool read_cet(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    return cet_exists(c) && read_member(c, r, index, v);
}
static bool write_cet(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (!cet_exists(c) || !cet_control_legal(c, v))
        return false;
    *member_of(c, r) = v;
    cpu_mode_changed(c);
    return true;
}
static bool read_pl_ssp(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = member_of(c, r)[index - r->first];
    return true;
}
static bool write_pl_ssp(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (!ssp_legal(c, v))
        return false;
    member_of(c, r)[index - r->first] = v;
    return true;
}

/* ---- the rest ---- */

static bool write_pkrs(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (v >> 32)
        return false;
    cpu_load_pkrs(c, (uint32_t)v);
    return true;
}
static bool write_uintr_rr(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    uintr_load_requests(c, v);
    return true;
}
static bool write_uintr_tt(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (v & r->reserved || !is_canonical(c, v))
        return false;
    uintr_load_table(c, v);
    return true;
}
static bool write_xss(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (v & ~xstate_supervisor(c))
        return false;
    c->msr.xss = v;
    return true;
}

uint64_t debugctl_reserved(const struct cpu *c)
{
    bool detects = cpu_has(c, FEAT_BUS_LOCK_DETECT);
    return ~(UINT64_C(0xffc3) | (detects ? DEBUGCTL_BUS_LOCK_DETECT : 0));
}
/* LBR is kept, BTF and bus-lock detection work; trace facilities read as 0. */
static bool write_debugctl(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (v & debugctl_reserved(c))
        return false;
    cpu_load_debugctl(c, v);
    cpu_mode_changed(c);
    return true;
}
static bool read_core_capabilities(struct cpu *c, const struct msr_row *r, uint32_t index,
                                   uint64_t *v)
{
    *v = 1 << 5;      /* #AC for split locks: bit 29 of MSR_TEST_CTRL */
    return true;
}
static bool write_test_ctrl(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (!write_member(c, r, index, v))
        return false;
    cpu_mode_changed(c);
    return true;
}
static bool read_vmx_capability(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    return c->vmx_ops && c->vmx_ops->capability_msr(c, index, v);
}
static bool write_efer(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (v & efer_reserved(c))
        return false;
    if ((c->cr0 & CR0_PG) && ((v ^ c->msr.efer) & EFER_LME))
        return false;
    cpu_load_efer(c, (v & ~(uint64_t)EFER_LMA) | (c->msr.efer & EFER_LMA));
    return true;
}
static struct segment *based(struct cpu *c, uint32_t index)
{
    return &c->seg[index == 0xc0000100 ? FS : GS];
}
static bool read_seg_base(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t *v)
{
    *v = based(c, index)->base;
    return true;
}
static bool write_seg_base(struct cpu *c, const struct msr_row *r, uint32_t index, uint64_t v)
{
    if (!is_canonical(c, v))
        return false;
    based(c, index)->base = v;
    return true;
}

static const struct msr_row rows[] = {
#define MSR(first, count, name, feature, read, write, member, reserved)                         \
    { first, count, offsetof(struct msr_state, member), FEAT_##feature, reserved, #name,       \
      read_##read, write_##write },
#include "cpu/msrs.def"
};

static const struct msr_row *find(uint32_t index)
{
    size_t low = 0, high = ARRAY_SIZE(rows);
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct msr_row *r = &rows[middle];
        if (index < r->first)
            high = middle;
        else if (index - r->first >= r->count)
            low = middle + 1;
        else
            return r;
    }
    return NULL;
}

bool msr_is_modelled(uint32_t index) { return find(index); }

static const struct msr_row *find_on(const struct cpu *c, uint32_t index)
{
    const struct msr_row *r = find(index);
    return r && cpu_has(c, r->feature) ? r : NULL;
}

bool msr_read(struct cpu *c, uint32_t index, uint64_t *value)
{
    const struct msr_row *r = find_on(c, index);
    return r && r->read(c, r, index, value);
}

bool msr_write(struct cpu *c, uint32_t index, uint64_t value)
{
    const struct msr_row *r = find_on(c, index);
    return r && r->write(c, r, index, value);
}
