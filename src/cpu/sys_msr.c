// SPDX-License-Identifier: Apache-2.0
// RDMSR, WRMSR, WRMSRNS, RDMSRLIST and WRMSRLIST.
#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "cpu/ops.h"
#include "cpu/trace.h"
#include "cpu/vmx_ops.h"

static void tell_msr(struct cpu *c, uint32_t index, bool write, uint64_t v)
{
    if (c->hooks && c->hooks->msr)
        c->hooks->msr(c->hooks->user, c, index, write, v);
    if (trace_wants(c, TRACE_MSRS))
        trace_msr(c, index, write, v);
}

static enum outcome refuse_msr(struct cpu *c, uint32_t index, enum unmodelled kind)
{
    if (c->hooks && c->hooks->unmodelled && !msr_is_modelled(index))
        c->hooks->unmodelled(c->hooks->user, c, kind, index);
    return cpu_raise_code(c, EXC_GP, 0);
}

/* ---- one MSR ---- */

static enum outcome read_msr(struct cpu *c, enum msr_insn which, uint32_t index, uint64_t *v)
{
    if (c->vmx_nonroot && c->vmx_ops->msr_exit(c, which, index, 0))
        return EXITED;
    bool virtual = c->vmx_nonroot && c->vmx_ops->msr_read(c, index, v);
    if (!virtual && !msr_read(c, index, v))
        return refuse_msr(c, index, UNMODELLED_RDMSR);
    return RETIRED;
}

static enum outcome write_msr(struct cpu *c, enum msr_insn which, uint32_t index, uint64_t v)
{
    enum outcome o;
    if (c->vmx_nonroot && c->vmx_ops->msr_exit(c, which, index, v))
        return EXITED;
    if (c->vmx_nonroot && c->vmx_ops->msr_write(c, index, v, &o))
        return o;
    if (!msr_write(c, index, v))
        return refuse_msr(c, index, UNMODELLED_WRMSR);
    tell_msr(c, index, true, v);
    return RETIRED;
}

enum outcome op_rdmsr(struct cpu *c, const struct insn *i)
{
    uint64_t v;
    enum outcome o = read_msr(c, MSR_RDMSR, (uint32_t)c->gpr[RCX], &v);
    if (o == RETIRED) {
        pair_write(c, v);
        tell_msr(c, (uint32_t)c->gpr[RCX], false, v);
    }
    return o;
}

enum outcome op_wrmsr(struct cpu *c, const struct insn *i)
{
    return write_msr(c, MSR_WRMSR, (uint32_t)c->gpr[RCX], pair_read(c));
}

/* Not serializing, which nothing here can tell. */
enum outcome op_wrmsrns(struct cpu *c, const struct insn *i)
{
    return write_msr(c, MSR_WRMSRNS, (uint32_t)c->gpr[RCX], pair_read(c));
}

/* ---- lists: entry n of the tables at RSI (addresses) and RDI (data) for each bit n of RCX ---- */

/* Bits 63:32 of an address are reserved. */
static bool list_address(struct cpu *c, unsigned n, uint32_t *index)
{
    uint64_t v;
    if (!seg_read(c, DS, c->gpr[RSI] + 8 * n, 8, &v))
        return false;
    *index = (uint32_t)v;
    if (!(v >> 32))
        return true;
    cpu_raise_code(c, EXC_GP, 0);
    return false;
}

static enum outcome read_entry(struct cpu *c, unsigned n)
{
    uint32_t index;
    uint64_t v;
    FAULT_IF(!list_address(c, n, &index));
    enum outcome o = read_msr(c, MSR_RDMSRLIST, index, &v);
    if (o != RETIRED)
        return o;
    FAULT_IF(!seg_write(c, DS, c->gpr[RDI] + 8 * n, 8, v));
    tell_msr(c, index, false, v);
    return RETIRED;
}

static enum outcome write_entry(struct cpu *c, unsigned n)
{
    uint32_t index;
    uint64_t v;
    FAULT_IF(!list_address(c, n, &index) || !seg_read(c, DS, c->gpr[RDI] + 8 * n, 8, &v));
    return write_msr(c, MSR_WRMSRLIST, index, v);
}

/* Entries that are done lose their bit, whatever ends the instruction: between two of them events
 * are taken, as between the iterations of a string instruction. */
static enum outcome go_through(struct cpu *c, enum msr_insn which,
                               enum outcome (*entry)(struct cpu *c, unsigned n))
{
    if (c->vmx_nonroot && c->vmx_ops->msr_list_exit(c, which))
        return EXITED;
    if ((c->gpr[RSI] | c->gpr[RDI]) & 7)
        return cpu_raise_code(c, EXC_GP, 0);
    while (c->gpr[RCX]) {
        enum outcome o = entry(c, (unsigned)__builtin_ctzll(c->gpr[RCX]));
        if (o != RETIRED)
            return o;
        c->gpr[RCX] &= c->gpr[RCX] - 1;
        if (c->gpr[RCX] && (c->single_iteration || c->attention))
            return AGAIN;
    }
    return RETIRED;
}

enum outcome op_rdmsrlist(struct cpu *c, const struct insn *i)
{
    return go_through(c, MSR_RDMSRLIST, read_entry);
}
enum outcome op_wrmsrlist(struct cpu *c, const struct insn *i)
{
    return go_through(c, MSR_WRMSRLIST, write_entry);
}
