// SPDX-License-Identifier: Apache-2.0
#include "cpu/mode.h"

#include "cpu/bus_lock.h"
#include "cpu/cet.h"
#include "cpu/cpu.h"
#include "cpu/uintr.h"
#include "cpu/vmx_ops.h"

/* Base 0, limit 4 GiB, present and usable: offsets are linear addresses and no check can fail.  In
 * protected mode data segments must also be writable and expand-up. */
static bool is_flat(const struct segment *s, bool code, bool protected_mode)
{
    if (s->base || s->limit != 0xffffffff || s->access & SEG_UNUSABLE)
        return false;
    return code || !protected_mode || (s->access & 0xe) == 2;
}

static bool flat_segments(const struct cpu *c)
{
    bool protected_mode = in_protected(c) && !in_v86(c);
    return is_flat(&c->seg[CS], true, protected_mode) &&
           is_flat(&c->seg[SS], false, protected_mode) &&
           is_flat(&c->seg[DS], false, protected_mode) &&
           is_flat(&c->seg[ES], false, protected_mode);
}

static uint32_t code_bits(const struct cpu *c)
{
    if (in_64bit(c))
        return MODE_CODE64 | MODE_FLAT | MODE_STACK64;
    return (c->seg[CS].access & SEG_DB ? MODE_CODE32 : 0) | (flat_segments(c) ? MODE_FLAT : 0) |
           (c->seg[SS].access & SEG_DB ? MODE_STACK32 : 0) |
           (in_long_mode(c) ? 0 : MODE_LINEAR32);
}

static uint32_t cet_bits(const struct cpu *c)
{
    uint32_t on = shadow_stack_enabled(c, c->cpl) ? MODE_SHADOW_STACK : 0;
    if (!endbranch_enabled(c, c->cpl))
        return on;
    return on | MODE_ENDBRANCH |
           (cet_control(c, c->cpl) & CET_TRACKER ? MODE_WAIT | MODE_STEP : 0);
}

struct mode mode_of(const struct cpu *c, bool step)
{
    struct mode m = { .bits = code_bits(c) };
    m.bits |= (in_protected(c) && !in_v86(c) ? MODE_PROTECTED : 0) |
              (c->cpl == 0 ? MODE_CPL0 : c->cpl == 3 ? MODE_USER : 0) |
              (c->cr0 & CR0_EM ? MODE_EM : 0) | (c->cr0 & CR0_TS ? MODE_TS : 0) |
              (c->cr0 & CR0_MP ? MODE_MP : 0) | (c->cr4 & CR4_OSFXSR ? MODE_OSFXSR : 0) |
              (c->cr4 & CR4_OSXSAVE ? MODE_OSXSAVE : 0) | (c->cr4 & CR4_UMIP ? MODE_UMIP : 0) |
              (c->cr4 & CR4_FSGSBASE ? MODE_FSGSBASE : 0) | (c->cr4 & CR4_PKE ? MODE_PKE : 0) |
              (c->cr4 & CR4_CET ? cet_bits(c) : 0) |
              (step ? MODE_STEP : 0) | (c->trace ? MODE_TRACE : 0);
    if (!(c->cr4 & CR4_SMXE))
        m.undefined |= BIT(EXIT_GETSEC);
    if (!(c->cr4 & CR4_UINTR))
        m.undefined |= BIT(EXIT_UINTR) | BIT(EXIT_SENDUIPI);
    else if (!(c->msr.uintr_tt & UINTR_TT_ENABLE))
        m.undefined |= BIT(EXIT_SENDUIPI);
    if (c->vmx_nonroot) {
        m.exits = c->vmx_ops->exit_mask((struct cpu *)c);
        m.undefined |= c->vmx_ops->undefined_mask((struct cpu *)c);
    }
    if (m.exits >> EXIT_BUS_LOCK & 1 || bus_locks_matter(c))
        m.bits |= MODE_LOCKS;
    return m;
}
