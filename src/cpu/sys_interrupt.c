// SPDX-License-Identifier: Apache-2.0
// INT n, INT3, INTO, INT1; CLI and STI; HLT, MONITOR and MWAIT; UMONITOR, UMWAIT and TPAUSE.
#include <string.h>

#include "cpu/interrupt.h"
#include "cpu/ops.h"
#include "cpu/vmx_ops.h"
#include "mem/phys.h"

/* ---- software interrupts ---- */

static enum outcome software(struct cpu *c, const struct insn *i, uint8_t vector,
                             enum event_type type)
{
    struct event e = { .vector = vector, .type = type, .length = i->len };
    c->rip = insn_rip(c, i);
    return cpu_deliver(c, &e);
}

enum outcome op_int(struct cpu *c, const struct insn *i)
{
    struct event e = { .vector = (uint8_t)i->imm, .type = EVENT_SOFTWARE_INT, .length = i->len };
    if (in_v86(c)) {
        FAULT_IF(c->cr4 & CR4_VME && !v86_redirects(c, e.vector, &e.redirected));
        if (!e.redirected && (c->rflags & FLAG_IOPL) != FLAG_IOPL)
            return cpu_raise_code(c, EXC_GP, 0);
    }
    c->rip = insn_rip(c, i);
    return cpu_deliver(c, &e);
}

enum outcome op_int3(struct cpu *c, const struct insn *i)
{
    return software(c, i, EXC_BP, EVENT_SOFTWARE_EXC);
}

enum outcome op_into(struct cpu *c, const struct insn *i)
{
    return lazy_of(c->aux) ? software(c, i, EXC_OF, EVENT_SOFTWARE_EXC) : RETIRED;
}

enum outcome op_int1(struct cpu *c, const struct insn *i)
{
    return software(c, i, EXC_DB, EVENT_PRIVILEGED_SW);
}

/* ---- IF and VIF: the tables of SDM vol. 2, "CLI" and "STI" ---- */

enum which_flag { WHICH_IF, WHICH_VIF, WHICH_NONE };

static enum which_flag interrupt_flag(const struct cpu *c)
{
    unsigned iopl = c->rflags >> 12 & 3;
    if (!in_protected(c) || iopl >= c->cpl)
        return WHICH_IF;
    if (in_v86(c))
        return c->cr4 & CR4_VME ? WHICH_VIF : WHICH_NONE;
    return c->cpl == 3 && (c->cr4 & CR4_PVI) ? WHICH_VIF : WHICH_NONE;
}

enum outcome op_cli(struct cpu *c, const struct insn *i)
{
    switch (interrupt_flag(c)) {
    case WHICH_IF: c->rflags &= ~(uint64_t)FLAG_IF; return RETIRED;
    case WHICH_VIF: c->rflags &= ~(uint64_t)FLAG_VIF; return RETIRED;
    default: return cpu_raise_code(c, EXC_GP, 0);
    }
}

enum outcome op_sti(struct cpu *c, const struct insn *i)
{
    enum which_flag which = interrupt_flag(c);
    if (which == WHICH_NONE || (which == WHICH_VIF && (c->rflags & FLAG_VIP)))
        return cpu_raise_code(c, EXC_GP, 0);
    if (which == WHICH_VIF) {
        c->rflags |= FLAG_VIF;
        return RETIRED;
    }
    if (!(c->rflags & FLAG_IF))
        c->shadow |= SHADOW_STI;
    c->rflags |= FLAG_IF;
    c->attention |= ATTENTION_BOUNDARY;
    return RETIRED;
}

/* ---- waiting ---- */

static enum outcome sleep_in(struct cpu *c, enum activity activity)
{
    c->activity = activity;
    c->declined = 0;
    c->attention |= ATTENTION_BOUNDARY;
    return RETIRED;
}

enum outcome op_hlt(struct cpu *c, const struct insn *i) { return sleep_in(c, ACTIVITY_HLT); }

/* MONITOR and MWAIT are undefined above level 0, and that comes before any VM exit. */
static bool exits(struct cpu *c, unsigned reason)
{
    return c->vmx_nonroot && (c->vmx_ops->exit_mask(c) >> reason & 1);
}

enum outcome op_monitor(struct cpu *c, const struct insn *i)
{
    uint64_t linear, pa, byte;
    uint64_t offset = c->gpr[RAX] & size_mask(insn_asize(i));
    if (c->cpl)
        return cpu_raise(c, EXC_UD);
    if (exits(c, EXIT_MONITOR))
        return c->vmx_ops->instruction_exit(c, i, EXIT_MONITOR);
    if ((uint32_t)c->gpr[RCX])
        return cpu_raise_code(c, EXC_GP, 0);
    FAULT_IF(!seg_read(c, insn_seg(i), offset, 1, &byte));
    FAULT_IF(!seg_linear(c, insn_seg(i), offset, 1, false, &linear));
    FAULT_IF(!linear_translate(c, linear, ACCESS_READ, false, false, &pa));
    c->monitor_address = pa & ~UINT64_C(63);
    mem_read(c->mem, c->monitor_address, c->monitor_line, sizeof c->monitor_line);
    c->monitor_armed = true;
    return RETIRED;
}

enum outcome op_mwait(struct cpu *c, const struct insn *i)
{
    uint8_t now[sizeof c->monitor_line];
    if (c->cpl)
        return cpu_raise(c, EXC_UD);
    if (exits(c, EXIT_MWAIT))
        return c->vmx_ops->instruction_exit(c, i, EXIT_MWAIT);
    if ((uint32_t)c->gpr[RCX] & ~1u)
        return cpu_raise_code(c, EXC_GP, 0);
    mem_read(c->mem, c->monitor_address, now, sizeof now);
    if (!c->monitor_armed || memcmp(now, c->monitor_line, sizeof now))
        return RETIRED;                   /* the store came before: no wait */
    c->mwait_breaks_masked = c->gpr[RCX] & 1;
    cpu_set_pending(c, PEND_MWAIT);
    return sleep_in(c, ACTIVITY_MWAIT);
}

/* SDM vol. 2, "UMONITOR": the checks of a load of a byte.  Nothing waits for the line (see below),
 * and the range that MONITOR may have armed is given up. */
enum outcome op_umonitor(struct cpu *c, const struct insn *i)
{
    uint64_t byte, offset = c->gpr[i->rm] & size_mask(insn_asize(i));
    FAULT_IF(!seg_read(c, insn_seg(i), offset, 1, &byte));
    c->monitor_armed = false;
    return RETIRED;
}

/* SDM vol. 2, "UMWAIT" and "TPAUSE": the wait may end for reasons of the implementation at any
 * time; here it ends at once, before the deadline in EDX:EAX and the limit of IA32_UMWAIT_CONTROL
 * (which would set CF). */
static enum outcome user_wait(struct cpu *c, const struct insn *i, unsigned reason)
{
    if ((c->cr4 & CR4_TSD) && c->cpl)
        return cpu_raise_code(c, EXC_GP, 0);
    if (exits(c, EXIT_RDTSC))
        return c->vmx_ops->instruction_exit(c, i, reason);
    if ((uint32_t)c->gpr[i->rm] & ~1u) /* bit 0 chooses C0.1 or C0.2 */
        return cpu_raise_code(c, EXC_GP, 0);
    flags_set_status(c, 0);
    return RETIRED;
}

enum outcome op_umwait(struct cpu *c, const struct insn *i)
{
    enum outcome o = user_wait(c, i, EXIT_UMWAIT);
    if (o == RETIRED)
        c->monitor_armed = false;
    return o;
}

enum outcome op_tpause(struct cpu *c, const struct insn *i) { return user_wait(c, i, EXIT_TPAUSE); }
