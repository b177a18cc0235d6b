// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, chapter "VMX Instruction Reference".
#include "cpu/trace.h"
#include "mem/phys.h"
#include "vmx/eptp.h"
#include "vmx/internal.h"

enum { /* VM-instruction error numbers */
       ERROR_VMCALL_ROOT = 1,
       ERROR_VMCLEAR_ADDRESS = 2,
       ERROR_VMCLEAR_VMXON = 3,
       ERROR_LAUNCH_NOT_CLEAR = 4,
       ERROR_RESUME_NOT_LAUNCHED = 5,
       ERROR_VMPTRLD_ADDRESS = 9,
       ERROR_VMPTRLD_VMXON = 10,
       ERROR_VMPTRLD_REVISION = 11,
       ERROR_UNSUPPORTED_FIELD = 12,
       ERROR_READ_ONLY = 13,
       ERROR_VMXON_ROOT = 15,
       ERROR_MOV_SS = 26,
       ERROR_INVALIDATION = 28,
};
enum { REASON_VMFUNC = 59, EPTP_LIST_ENTRIES = 512 };
/* IA32_FEATURE_CONTROL.  Bit 1 is for SMX operation, which GETSEC[SENTER] would enter. */
enum { FEATURE_LOCKED = 1 << 0, FEATURE_VMXON = 1 << 2 };

/* ---- outcomes (SDM, "Conventions") ---- */

enum outcome vm_succeed(struct cpu *c)
{
    flags_set_status(c, 0);
    return RETIRED;
}

enum outcome vm_fail_invalid(struct cpu *c)
{
    flags_set_status(c, FLAG_CF);
    return RETIRED;
}

enum outcome vm_fail_valid(struct cpu *c, uint32_t error)
{
    flags_set_status(c, FLAG_ZF);
    c->vmx->vmcs.f[VM_INSTRUCTION_ERROR] = error;
    return RETIRED;
}

enum outcome vm_fail(struct cpu *c, uint32_t error)
{
    return c->vmx->current == NO_VMCS ? vm_fail_invalid(c) : vm_fail_valid(c, error);
}

/* ---- pointers ---- */

static bool pointer_valid(const struct cpu *c, uint64_t pa)
{
    return !(pa & 0xfff) && !(pa >> c->physical_bits);
}

static bool read_pointer(struct cpu *c, const struct insn *i, uint64_t *pa)
{
    return seg_read(c, insn_seg(i), insn_ea(c, i), 8, pa);
}

/* The current VMCS goes back to memory and is current no longer. */
static void put_away(struct cpu *c)
{
    if (c->vmx->current != NO_VMCS)
        vmcs_store(&c->vmx->vmcs, c->mem, c->vmx->current);
    c->vmx->current = NO_VMCS;
}

/* ---- entering and leaving VMX operation ---- */

static bool fixed_bits_hold(struct cpu *c)
{
    return vmx_cr_fixed_ok(c, 0, c->cr0) && vmx_cr_fixed_ok(c, 4, c->cr4);
}

static enum outcome vmxon(struct cpu *c, const struct insn *i)
{
    uint64_t pa, feature = c->msr.feature_control;
    if (c->cpl)
        return cpu_raise_code(c, EXC_GP, 0);
    if (c->vmx_root)
        return vm_fail(c, ERROR_VMXON_ROOT);
    if (c->a20_closed || !fixed_bits_hold(c) || !(feature & FEATURE_LOCKED) ||
        !(feature & FEATURE_VMXON))
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!read_pointer(c, i, &pa));
    c->vmx->current = NO_VMCS;
    if (!pointer_valid(c, pa) || mem_read_le(c->mem, pa, 4) != VMCS_REVISION)
        return vm_fail_invalid(c);
    c->vmx->vmxon_pointer = pa;
    c->vmx_root = c->init_blocked = true;
    cpu_mode_changed(c);
    return vm_succeed(c);
}

static enum outcome vmxoff(struct cpu *c)
{
    put_away(c);
    c->vmx_root = c->init_blocked = false;
    if (c->a20_closed)                     /* VMX operation ignored it */
        tlb_flush_all(c);
    cpu_mode_changed(c);
    return vm_succeed(c);
}

/* ---- the current VMCS ---- */

static enum outcome vmptrld(struct cpu *c, const struct insn *i)
{
    uint64_t pa;
    FAULT_IF(!read_pointer(c, i, &pa));
    if (!pointer_valid(c, pa))
        return vm_fail(c, ERROR_VMPTRLD_ADDRESS);
    if (pa == c->vmx->vmxon_pointer)
        return vm_fail(c, ERROR_VMPTRLD_VMXON);
    uint64_t revision = mem_read_le(c->mem, pa, 4);
    if (vmx_can(c->vmx->cap, WORD_PROC2, PROC2_VMCS_SHADOWING))
        revision &= ~VMCS_SHADOW;
    if (revision != VMCS_REVISION)
        return vm_fail(c, ERROR_VMPTRLD_REVISION);
    if (pa != c->vmx->current) {
        put_away(c);
        vmcs_load(&c->vmx->vmcs, c->mem, pa);
        c->vmx->current = pa;
    }
    return vm_succeed(c);
}

static enum outcome vmptrst(struct cpu *c, const struct insn *i)
{
    FAULT_IF(!seg_write(c, insn_seg(i), insn_ea(c, i), 8, c->vmx->current));
    return vm_succeed(c);
}

static enum outcome vmclear(struct cpu *c, const struct insn *i)
{
    uint64_t pa;
    FAULT_IF(!read_pointer(c, i, &pa));
    if (!pointer_valid(c, pa))
        return vm_fail(c, ERROR_VMCLEAR_ADDRESS);
    if (pa == c->vmx->vmxon_pointer)
        return vm_fail(c, ERROR_VMCLEAR_VMXON);
    if (pa == c->vmx->current) {
        c->vmx->vmcs.launched = false;
        put_away(c);
    } else {
        vmcs_clear_region(c->mem, pa);
    }
    return vm_succeed(c);
}

/* ---- fields ---- */

/* The field that an encoding names, or a negative number if this processor has none. */
static int find_field(const struct cpu *c, uint64_t encoding, bool *high)
{
    int f = vmcs_find(encoding, high);
    return f >= 0 && c->vmx->exists[f] ? f : -1;
}

/* In VMX non-root operation VMREAD and VMWRITE reach the VMCS that is linked: a shadow VMCS. */
static uint64_t accessed_vmcs(const struct cpu *c)
{
    return c->vmx_nonroot ? vmcs_field(c, VMCS_LINK_POINTER) : c->vmx->current;
}

static enum outcome vmread(struct cpu *c, const struct insn *i)
{
    bool high;
    uint64_t at = accessed_vmcs(c);
    if (at == NO_VMCS)
        return vm_fail_invalid(c);
    int f = find_field(c, reg_read(c, i->reg, i->size), &high);
    if (f < 0)
        return vm_fail_valid(c, ERROR_UNSUPPORTED_FIELD);
    uint64_t v = c->vmx_nonroot ? vmcs_region_get(c->mem, at, (enum vmcs_field)f, high)
                                : vmcs_get(&c->vmx->vmcs, (enum vmcs_field)f, high);
    FAULT_IF(!rm_write(c, i, i->size, v & size_mask(i->size)));
    if (trace_wants(c, TRACE_VMCS))
        vmx_trace_access(c, at, vmcs_fields[f].encoding | high, v, false);
    return vm_succeed(c);
}

static enum outcome vmwrite(struct cpu *c, const struct insn *i)
{
    uint64_t v, at = accessed_vmcs(c);
    bool high;
    if (at == NO_VMCS)
        return vm_fail_invalid(c);
    int f = find_field(c, reg_read(c, i->reg, i->size), &high);
    if (f < 0)
        return vm_fail_valid(c, ERROR_UNSUPPORTED_FIELD);
    if (vmcs_type(vmcs_fields[f].encoding) == VMCS_EXIT_INFORMATION &&
        !(c->vmx->cap[CAP_MISC] & MISC_WRITE_ANY))
        return vm_fail_valid(c, ERROR_READ_ONLY);
    FAULT_IF(!rm_read(c, i, i->size, &v));
    /* Outside 64-bit mode a VMWRITE of a 64-bit field's full encoding clears its high half. */
    if (c->vmx_nonroot)
        vmcs_region_set(c->mem, at, (enum vmcs_field)f, high, v);
    else
        vmcs_set(&c->vmx->vmcs, (enum vmcs_field)f, high, v);
    if (trace_wants(c, TRACE_VMCS))
        vmx_trace_access(c, at, vmcs_fields[f].encoding | high, v, true);
    return vm_succeed(c);
}

/* ---- entry ---- */

static enum outcome launch(struct cpu *c, bool resume)
{
    uint32_t error = 0;
    if (c->vmx->current == NO_VMCS || c->vmx->vmcs.shadow) {
        vm_entry_refused(c, resume, 0);
        return vm_fail_invalid(c);
    }
    if (c->shadow & SHADOW_MOV_SS)
        error = ERROR_MOV_SS;
    else if (!resume && c->vmx->vmcs.launched)
        error = ERROR_LAUNCH_NOT_CLEAR;
    else if (resume && !c->vmx->vmcs.launched)
        error = ERROR_RESUME_NOT_LAUNCHED;
    if (!error)
        return vm_enter(c, resume);
    vm_entry_refused(c, resume, error);
    return vm_fail_valid(c, error);
}

/* ---- invalidation ---- */

/* INVEPT and INVVPID share their shape: a type in a register, a 16-byte descriptor in memory. */
static bool read_descriptor(struct cpu *c, const struct insn *i, uint64_t descriptor[2])
{
    return seg_read_bytes(c, insn_seg(i), insn_ea(c, i), descriptor, 16, 0);
}

static enum outcome invept(struct cpu *c, const struct insn *i)
{
    uint64_t d[2], type = reg_read(c, i->reg, i->size);
    bool known = (type == 1 && c->vmx->cap[CAP_EPT_VPID] & EPT_CAP_INVEPT_SINGLE) ||
                 (type == 2 && c->vmx->cap[CAP_EPT_VPID] & EPT_CAP_INVEPT_ALL);
    if (!known)
        return vm_fail(c, ERROR_INVALIDATION);
    FAULT_IF(!read_descriptor(c, i, d));
    if (d[1] || (type == 1 && !eptp_valid(c->vmx->cap, c->physical_bits, d[0])))
        return vm_fail(c, ERROR_INVALIDATION);
    if (type == 1)
        tlb_flush_ept(c, d[0]);
    else
        tlb_flush_all_ept(c);
    return vm_succeed(c);
}

enum { INVVPID_ADDRESS, INVVPID_SINGLE, INVVPID_ALL, INVVPID_SINGLE_RETAINING_GLOBALS };

static enum outcome invvpid(struct cpu *c, const struct insn *i)
{
    uint64_t d[2], type = reg_read(c, i->reg, i->size);
    if (type > 3 || !(c->vmx->cap[CAP_EPT_VPID] & VPID_CAP_INVVPID_TYPE(type)))
        return vm_fail(c, ERROR_INVALIDATION);
    FAULT_IF(!read_descriptor(c, i, d));
    bool zero_vpid = type != INVVPID_ALL && !(d[0] & 0xffff);
    if (d[0] >> 16 || zero_vpid || (type == INVVPID_ADDRESS && !is_canonical(c, d[1])))
        return vm_fail(c, ERROR_INVALIDATION);
    switch (type) {
    case INVVPID_ADDRESS: tlb_flush_page(c, (uint16_t)d[0], d[1]); break;
    case INVVPID_ALL: tlb_flush_all_vpids(c); break;
    case INVVPID_SINGLE: tlb_flush_vpid(c, (uint16_t)d[0]); break;
    default: tlb_flush_pcid(c, (uint16_t)d[0], TLB_ANY_PCID); break;
    }
    return vm_succeed(c);
}

/* ---- VM functions (SDM, "VM Functions") ---- */

/* "EPTP Switching": false if the function refuses, as it does another page-walk length. */
static bool switch_eptp(struct cpu *c)
{
    struct vmx *x = c->vmx;
    uint32_t index = (uint32_t)c->gpr[RCX];
    if (index >= EPTP_LIST_ENTRIES)
        return false;
    uint64_t eptp = mem_read_le(c->mem, vmcs_field(c, EPTP_LIST_ADDRESS) + 8 * index, 8);
    if (!eptp_valid(x->cap, c->physical_bits, eptp) ||
        eptp_levels(eptp) != eptp_levels(vmcs_field(c, EPT_POINTER)))
        return false;
    x->vmcs.f[EPT_POINTER] = eptp;
    if (x->exists[EPTP_INDEX])
        x->vmcs.f[EPTP_INDEX] = index;
    if (!(x->proc2 & PROC2_ENABLE_VPID)) /* all combined mappings of VPID 0000H go */
        tlb_flush_vpid(c, 0);
    cpu_mode_changed(c);
    return true;
}

static enum outcome vmfunc(struct cpu *c)
{
    uint32_t function = (uint32_t)c->gpr[RAX];
    if (!c->vmx_nonroot || !(c->vmx->proc2 & PROC2_ENABLE_VM_FUNCTIONS) || function > 63)
        return cpu_raise(c, EXC_UD);
    if (vmcs_field(c, VM_FUNCTION_CONTROL) >> function & 1 && switch_eptp(c))
        return RETIRED;
    vm_exit(c, &(struct vm_exit){ .reason = REASON_VMFUNC, .has_length = true, .clear_rf = true });
    return EXITED;
}

/* ---- VMCS shadowing (SDM, "VMREAD-Bitmap Address" and "VMWRITE-Bitmap Address") ---- */

static bool access_exits(struct cpu *c, const struct insn *i, enum vmx_insn which)
{
    uint64_t encoding = reg_read(c, i->reg, i->size);
    if (which != VMX_VMREAD && which != VMX_VMWRITE)
        return true;
    if (!(c->vmx->proc2 & PROC2_VMCS_SHADOWING) || encoding >> 15)
        return true;
    uint64_t map = vmcs_field(c, which == VMX_VMREAD ? VMREAD_BITMAP : VMWRITE_BITMAP);
    return mem_read_le(c->mem, map + encoding / 8, 1) >> (encoding & 7) & 1;
}

/* ---- all of them ---- */

static const uint8_t exit_reason[] = {
    [VMX_VMCALL] = 18,  [VMX_VMCLEAR] = 19, [VMX_VMLAUNCH] = 20, [VMX_VMPTRLD] = 21,
    [VMX_VMPTRST] = 22, [VMX_VMREAD] = 23,  [VMX_VMRESUME] = 24, [VMX_VMWRITE] = 25,
    [VMX_VMXOFF] = 26,  [VMX_VMXON] = 27,   [VMX_INVEPT] = 50,   [VMX_INVVPID] = 53,
};

static enum outcome exit_for(struct cpu *c, const struct insn *i, enum vmx_insn which)
{
    struct vm_exit x = { .reason = exit_reason[which], .has_length = true, .clear_rf = true };
    if (insn_is_mem(i) || which == VMX_VMREAD || which == VMX_VMWRITE) {
        x.qualification = displacement_of(c, i);
        x.instruction_info = which == VMX_VMREAD || which == VMX_VMWRITE ? info_operands(i) :
                             which == VMX_INVEPT || which == VMX_INVVPID ? info_memory_reg2(i) :
                             info_memory(i);
    }
    vm_exit(c, &x);
    return EXITED;
}

/* #UD by what the processor is and does; VMCALL in non-root operation exits from every mode. */
static bool undefined(const struct cpu *c, enum vmx_insn which)
{
    uint64_t cap = c->vmx->cap[CAP_EPT_VPID];
    if ((which == VMX_INVEPT && !(cap & EPT_CAP_INVEPT)) ||
        (which == VMX_INVVPID && !(cap & VPID_CAP_INVVPID)))
        return true;
    if (which == VMX_VMCALL && c->vmx_nonroot)
        return false;
    if (in_real_or_v86(c) || (in_long_mode(c) && !in_64bit(c)))
        return true;
    return which == VMX_VMXON ? !(c->cr4 & CR4_VMXE) : !(c->vmx_root || c->vmx_nonroot);
}

static enum outcome in_root(struct cpu *c, const struct insn *i, enum vmx_insn which)
{
    switch (which) {
    case VMX_VMCALL: return vm_fail(c, ERROR_VMCALL_ROOT);
    case VMX_VMCLEAR: return vmclear(c, i);
    case VMX_VMLAUNCH: return launch(c, false);
    case VMX_VMPTRLD: return vmptrld(c, i);
    case VMX_VMPTRST: return vmptrst(c, i);
    case VMX_VMREAD: return vmread(c, i);
    case VMX_VMRESUME: return launch(c, true);
    case VMX_VMWRITE: return vmwrite(c, i);
    case VMX_VMXOFF: return vmxoff(c);
    case VMX_INVEPT: return invept(c, i);
    case VMX_INVVPID: return invvpid(c, i);
    default: return cpu_raise(c, EXC_UD);
    }
}

enum outcome vmx_instruction(struct cpu *c, const struct insn *i, enum vmx_insn which)
{
    if (which == VMX_VMFUNC)
        return vmfunc(c);
    if (undefined(c, which))
        return cpu_raise(c, EXC_UD);
    if (c->vmx_nonroot && access_exits(c, i, which))
        return exit_for(c, i, which);
    if (which == VMX_VMXON)
        return vmxon(c, i);
    return c->cpl ? cpu_raise_code(c, EXC_GP, 0) : in_root(c, i, which);
}
