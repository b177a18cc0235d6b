// SPDX-License-Identifier: Apache-2.0
// MSRs in VMX non-root operation: which accesses exit (SDM vol. 3, "MSR-Bitmap Address"), and which
// ones the controls change ("Changes to Instruction Behavior in VMX Non-Root Operation", RDMSR and
// WRMSR).
#include "mem/phys.h"
#include "vmx/internal.h"

enum { MSR_TSC = 0x10, MSR_SPEC_CTRL = 0x48, MSR_TSC_DEADLINE = 0x6e0 };

/* ---- exits ---- */

static bool msr_intercepted(const struct cpu *c, uint32_t index, bool write)
{
    uint32_t low = index & 0x1fff;
    bool high = index - 0xc0000000u <= 0x1fff;
    if (!(c->vmx->proc & PROC_USE_MSR_BITMAPS) || !(high || index <= 0x1fff))
        return true;
    uint64_t at = vmcs_field(c, MSR_BITMAP) + (write ? 2048 : 0) + (high ? 1024 : 0) + low / 8;
    return mem_read_le(c->mem, at, 1) >> (low & 7) & 1;
}

static const struct {
    uint8_t reason;
    bool write, list;
} insns[] = {
    [MSR_RDMSR] = { 31, false, false },    [MSR_WRMSR] = { 32, true, false },
    [MSR_WRMSRNS] = { 32, true, false },   [MSR_RDMSRLIST] = { 78, false, true },
    [MSR_WRMSRLIST] = { 79, true, true },
};

static bool exit_for(struct cpu *c, enum msr_insn which, uint64_t qualification)
{
    vm_exit(c, &(struct vm_exit){ .reason = insns[which].reason, .qualification = qualification,
                                  .has_length = true, .clear_rf = true });
    return true;
}

/* The qualification tells WRMSRNS from WRMSR, and which MSR of a list it is. */
bool vmx_msr_exit(struct cpu *c, enum msr_insn which, uint32_t index, uint64_t value)
{
    if (!msr_intercepted(c, index, insns[which].write))
        return false;
    if (which == MSR_WRMSRLIST)
        c->vmx->vmcs.f[MSR_DATA] = value;
    return exit_for(c, which, insns[which].list ? index : which == MSR_WRMSRNS);
}

bool vmx_msr_list_exit(struct cpu *c, enum msr_insn which)
{
    return !(c->vmx->proc & PROC_USE_MSR_BITMAPS) && exit_for(c, which, 0);
}

/* ---- the time-stamp counter ---- */

uint64_t vmx_tsc(struct cpu *c, uint64_t tsc)
{
    const struct vmx *x = c->vmx;
    if (!(x->proc & PROC_TSC_OFFSETTING))
        return tsc;
    if (x->proc2 & PROC2_USE_TSC_SCALING)
        tsc = (uint64_t)((unsigned __int128)tsc * vmcs_field(c, TSC_MULTIPLIER) >> 48);
    return tsc + vmcs_field(c, TSC_OFFSET);
}

/* ---- IA32_SPEC_CTRL ---- */

static bool virtualizes_spec_ctrl(const struct cpu *c)
{
    return c->vmx->proc3 & PROC3_VIRTUALIZE_SPEC_CTRL;
}

/* The bits of the mask stay as they are; the guest reads back what it wrote. */
static enum outcome write_spec_ctrl(struct cpu *c, uint64_t value)
{
    uint64_t mask = vmcs_field(c, IA32_SPEC_CTRL_MASK);
    if (!msr_write(c, MSR_SPEC_CTRL, (c->msr.spec_ctrl & mask) | (value & ~mask)))
        return cpu_raise_code(c, EXC_GP, 0);
    c->vmx->vmcs.f[IA32_SPEC_CTRL_SHADOW] = value;
    return RETIRED;
}

/* ---- all of them ---- */

bool vmx_msr_read(struct cpu *c, uint32_t index, uint64_t *value)
{
    switch (index) {
    case MSR_TSC:
        if (!msr_read(c, index, value))
            return false;
        *value = vmx_tsc(c, *value);
        return true;
    case MSR_SPEC_CTRL:
        *value = vmcs_field(c, IA32_SPEC_CTRL_SHADOW);
        return virtualizes_spec_ctrl(c);
    case MSR_TSC_DEADLINE: return apic_timer_read(c, value);
    default: return apic_msr_read(c, index, value);
    }
}

bool vmx_msr_write(struct cpu *c, uint32_t index, uint64_t value, enum outcome *o)
{
    *o = RETIRED;
    if (index == MSR_TSC_DEADLINE)
        return apic_timer_write(c, value);
    if (index != MSR_SPEC_CTRL)
        return apic_msr_write(c, index, value, o);
    if (!virtualizes_spec_ctrl(c))
        return false;
    *o = write_spec_ctrl(c, value);
    return true;
}
