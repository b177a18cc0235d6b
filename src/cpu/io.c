// SPDX-License-Identifier: Apache-2.0
// IN, OUT, INS, OUTS: SDM vol. 1, "Input/Output", "I/O Protection".
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/descriptor.h"
#include "cpu/hooks.h"
#include "cpu/ops.h"
#include "cpu/trace.h"
#include "cpu/vmx_ops.h"

enum { REP_CHUNK = 1024 };       /* iterations of one call before events are looked at */

/* The I/O permission bit map of a 32-bit TSS decides when IOPL does not allow. */
static bool bitmap_allows(struct cpu *c, uint16_t port, unsigned size)
{
    const struct segment *tr = &c->seg[TR];
    uint16_t base, map;
    if (!(seg_type(tr) & 8) || tr->limit < 103)
        return refuse(c, EXC_GP, 0);
    if (!linear_read_system(c, linear_wrap(c, tr->base + 102), &base, 2))
        return false;
    uint32_t at = base + port / 8u;
    if (at + 1 > tr->limit)              /* two bytes are always read */
        return refuse(c, EXC_GP, 0);
    if (!linear_read_system(c, linear_wrap(c, tr->base + at), &map, 2))
        return false;
    return !(map >> (port & 7) & ((1u << size) - 1)) || refuse(c, EXC_GP, 0);
}

static bool io_allowed(struct cpu *c, uint16_t port, unsigned size)
{
    unsigned iopl = c->rflags >> 12 & 3;
    if (!in_protected(c) || (c->cpl <= iopl && !in_v86(c)))
        return true;
    return bitmap_allows(c, port, size);
}

static uint32_t port_in(struct cpu *c, uint16_t port, unsigned size)
{
    uint32_t v = (uint32_t)size_mask(size);
    if (c->bus && c->bus->io_read)
        v &= c->bus->io_read(c->machine, c, port, size);
    if (c->hooks && c->hooks->io)
        c->hooks->io(c->hooks->user, c, port, size, true, v);
    if (trace_wants(c, TRACE_IO))
        trace_io(c, port, size, false, v);
    if (c->cr4 & CR4_DE)
        debug_io(c, port, size);
    return v;
}

static void port_out(struct cpu *c, uint16_t port, unsigned size, uint32_t v)
{
    if (c->hooks && c->hooks->io)
        c->hooks->io(c->hooks->user, c, port, size, false, v);
    if (trace_wants(c, TRACE_IO))
        trace_io(c, port, size, true, v);
    if (c->bus && c->bus->io_write)
        c->bus->io_write(c->machine, c, port, size, v);
    if (c->cr4 & CR4_DE)
        debug_io(c, port, size);
}

/* ---- IN, OUT ---- */

static unsigned io_size(const struct insn *i) { return i->size > 4 ? 4 : i->size; }

/* E4 to E7 name the port, EC to EF have it in DX. */
static uint16_t io_port(const struct cpu *c, const struct insn *i)
{
    return i->opcode & 8 ? (uint16_t)c->gpr[RDX] : (uint8_t)i->imm;
}

enum outcome op_in(struct cpu *c, const struct insn *i)
{
    uint16_t port = io_port(c, i);
    unsigned size = io_size(i);
    FAULT_IF(!io_allowed(c, port, size));
    if (c->vmx_nonroot && c->vmx_ops->io_exit(c, i, port, size, true, false, 0))
        return EXITED;
    reg_write(c, RAX, size, port_in(c, port, size));
    return RETIRED;
}

enum outcome op_out(struct cpu *c, const struct insn *i)
{
    uint16_t port = io_port(c, i);
    unsigned size = io_size(i);
    FAULT_IF(!io_allowed(c, port, size));
    if (c->vmx_nonroot && c->vmx_ops->io_exit(c, i, port, size, false, false, 0))
        return EXITED;
    bool waited = c->pending & PEND_SMI;
    port_out(c, port, size, (uint32_t)reg_read(c, RAX, size));
    if (unlikely(!waited && c->pending & PEND_SMI))
        cpu_smi_by_io(c, port, size, i->opcode & 8 ? SMM_OUT_DX : SMM_OUT_IMMEDIATE, 0);
    return RETIRED;
}

/* ---- INS, OUTS ---- */

struct string_io {
    uint16_t port;
    unsigned size, asize;
    bool in, rep;
    enum seg seg;
    enum reg pointer;
};

/* The linear address that a VM exit or SMI reports; the segment's checks come after the exit. */
static uint64_t string_linear(const struct cpu *c, const struct string_io *s)
{
    bool based = !in_64bit(c) || s->seg == FS || s->seg == GS;
    uint64_t offset = reg_read(c, s->pointer, s->asize);
    return linear_wrap(c, offset + (based ? c->seg[s->seg].base : 0));
}

static bool iterate(struct cpu *c, const struct string_io *s)
{
    uint64_t offset = reg_read(c, s->pointer, s->asize), v;
    if (s->in) {      /* memory is checked before the device sees the read */
        if (!seg_probe_write(c, s->seg, offset, s->size) ||
            !seg_write(c, s->seg, offset, s->size, port_in(c, s->port, s->size)))
            return false;
    } else {
        if (!seg_read(c, s->seg, offset, s->size, &v))
            return false;
        bool waited = c->pending & PEND_SMI;
        port_out(c, s->port, s->size, (uint32_t)v);
        if (unlikely(!waited && c->pending & PEND_SMI))
            cpu_smi_by_io(c, s->port, s->size, SMM_OUTS | (s->rep ? SMM_REP : 0),
                          string_linear(c, s));
    }
    uint64_t step = c->rflags & FLAG_DF ? -(uint64_t)s->size : s->size;
    reg_write(c, s->pointer, s->asize, offset + step);
    return true;
}

static enum outcome string_io(struct cpu *c, const struct insn *i, const struct string_io *s)
{
    FAULT_IF(!io_allowed(c, s->port, s->size));      /* even if the count is 0 */
    for (unsigned k = 0; k < REP_CHUNK; k++) {
        uint64_t count = reg_read(c, RCX, s->asize);
        if (s->rep && !count)
            return RETIRED;
        if (c->vmx_nonroot &&
            c->vmx_ops->io_exit(c, i, s->port, s->size, s->in, true, string_linear(c, s)))
            return EXITED;
        FAULT_IF(!iterate(c, s));
        if (!s->rep)
            return RETIRED;
        reg_write(c, RCX, s->asize, count - 1);
        if (count == 1)
            return RETIRED;
        if (c->attention || c->single_iteration)
            return AGAIN;
    }
    return AGAIN;
}

static bool has_rep(const struct insn *i) { return i->prefix & (PFX_REP | PFX_REPNE); }

enum outcome op_ins(struct cpu *c, const struct insn *i)
{
    struct string_io s = {
        (uint16_t)c->gpr[RDX], io_size(i), insn_asize(i), true, has_rep(i), ES, RDI
    };
    return string_io(c, i, &s);
}

enum outcome op_outs(struct cpu *c, const struct insn *i)
{
    struct string_io s = {
        (uint16_t)c->gpr[RDX], io_size(i), insn_asize(i), false, has_rep(i), insn_seg(i), RSI
    };
    return string_io(c, i, &s);
}
