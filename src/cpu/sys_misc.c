// SPDX-License-Identifier: Apache-2.0
// CPUID, time stamp, PKRU, cache control, STAC and CLAC.
#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/ops.h"
#include "cpu/vmx_ops.h"

static enum outcome gp0(struct cpu *c) { return cpu_raise_code(c, EXC_GP, 0); }

enum outcome op_cpuid(struct cpu *c, const struct insn *i)
{
    static const enum reg order[] = { RAX, RBX, RCX, RDX };
    uint32_t out[4];
    model_cpuid(c, (uint32_t)c->gpr[RAX], (uint32_t)c->gpr[RCX], out);
    for (unsigned k = 0; k < 4; k++)
        c->gpr[order[k]] = out[k];
    return RETIRED;
}

/* ---- counters ---- */

/* The checks of CR4 come before the VM exit, so the exit is asked for here and not at decode. */
static bool exits(struct cpu *c, unsigned reason)
{
    return c->vmx_nonroot && (c->vmx_ops->exit_mask(c) >> reason & 1);
}

static uint64_t time_stamp(struct cpu *c)
{
    uint64_t v = cpu_tick(c) + c->msr.tsc_offset;
    return c->vmx_nonroot ? c->vmx_ops->tsc(c, v) : v;
}

enum outcome op_rdtsc(struct cpu *c, const struct insn *i)
{
    if ((c->cr4 & CR4_TSD) && c->cpl)
        return gp0(c);
    if (exits(c, EXIT_RDTSC))
        return c->vmx_ops->instruction_exit(c, i, EXIT_RDTSC);
    pair_write(c, time_stamp(c));
    return RETIRED;
}

enum outcome op_rdtscp(struct cpu *c, const struct insn *i)
{
    if ((c->cr4 & CR4_TSD) && c->cpl)
        return gp0(c);
    if (exits(c, EXIT_RDTSC))
        return c->vmx_ops->instruction_exit(c, i, EXIT_RDTSCP);
    pair_write(c, time_stamp(c));
    c->gpr[RCX] = c->msr.tsc_aux;
    return RETIRED;
}

enum outcome op_rdpmc(struct cpu *c, const struct insn *i)
{
    uint64_t value;
    if (!(c->cr4 & CR4_PCE) && c->cpl)
        return gp0(c);
    if (exits(c, EXIT_RDPMC))
        return c->vmx_ops->instruction_exit(c, i, EXIT_RDPMC);
    if (!pmu_read_counter(c, (uint32_t)c->gpr[RCX], &value))
        return gp0(c);
    pair_write(c, value);
    return RETIRED;
}

/* ---- protection keys of user-mode addresses ---- */

enum outcome op_rdpkru(struct cpu *c, const struct insn *i)
{
    if ((uint32_t)c->gpr[RCX])
        return gp0(c);
    pair_write(c, c->pkru);
    return RETIRED;
}

enum outcome op_wrpkru(struct cpu *c, const struct insn *i)
{
    if ((uint32_t)c->gpr[RCX] || (uint32_t)c->gpr[RDX])
        return gp0(c);
    cpu_load_pkru(c, (uint32_t)c->gpr[RAX]);
    return RETIRED;
}

/* ---- SMX ---- */

/* The chipset is not capable of Intel TXT, so that the only leaf is CAPABILITIES, and what it
 * reports is that there are no others: these are #UD (SDM vol. 2, "GETSEC[CAPABILITIES]").  EBX
 * other than 0 asks for more of the same. */
enum outcome op_getsec(struct cpu *c, const struct insn *i)
{
    if ((uint32_t)c->gpr[RAX])
        return cpu_raise(c, EXC_UD);
    reg_write(c, RAX, 4, 0);
    return RETIRED;
}

/* ---- the rest ---- */

/* Caches are not modelled: memory is always coherent. */
enum outcome op_wbinvd(struct cpu *c, const struct insn *i) { return RETIRED; }
enum outcome op_invd(struct cpu *c, const struct insn *i) { return RETIRED; }

static enum outcome set_ac(struct cpu *c, bool on)
{
    if (c->cpl)
        return cpu_raise(c, EXC_UD);
    c->rflags = on ? c->rflags | FLAG_AC : c->rflags & ~(uint64_t)FLAG_AC;
    cpu_privilege_changed(c);
    return RETIRED;
}
enum outcome op_stac(struct cpu *c, const struct insn *i) { return set_ac(c, true); }
enum outcome op_clac(struct cpu *c, const struct insn *i) { return set_ac(c, false); }
