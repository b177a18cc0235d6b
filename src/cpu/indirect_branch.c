// SPDX-License-Identifier: Apache-2.0
// Indirect branch tracking: SDM vol. 1, "Indirect Branch Tracking".  The tracker is a bit of
// IA32_U_CET (CPL 3) or IA32_S_CET; while it waits, the decode mode has MODE_WAIT, and what is no
// ENDBR is bound to run_missing_endbranch().
#include "cpu/cet.h"
#include "cpu/descriptor.h"
#include "cpu/ops.h"
#include "mem/phys.h"

static uint64_t *control_of(struct cpu *c) { return c->cpl == 3 ? &c->msr.u_cet : &c->msr.s_cet; }

void track_near(struct cpu *c, bool no_track)
{
    uint64_t *control = control_of(c);
    bool exempt = *control & CET_SUPPRESS || (no_track && *control & CET_NO_TRACK_EN);
    if (!endbranch_enabled(c, c->cpl) || exempt)
        return;
    *control |= CET_TRACKER;
    cpu_mode_changed(c);
}

void track_far(struct cpu *c)
{
    uint64_t *control = control_of(c);
    if (endbranch_enabled(c, c->cpl))
        *control = (*control & ~(uint64_t)CET_SUPPRESS) | CET_TRACKER;
}

static enum outcome endbranch(struct cpu *c, bool of_this_mode)
{
    uint64_t *control = control_of(c);
    if (!of_this_mode || !endbranch_enabled(c, c->cpl))
        return RETIRED;
    bool waited = *control & CET_TRACKER;
    *control &= ~(uint64_t)(CET_TRACKER | CET_SUPPRESS);
    if (waited)
        cpu_mode_changed(c);
    return RETIRED;
}

/* Without tracking, and in the other's mode, NOPs. */
enum outcome op_endbr64(struct cpu *c, const struct insn *i) { return endbranch(c, in_64bit(c)); }
enum outcome op_endbr32(struct cpu *c, const struct insn *i) { return endbranch(c, !in_64bit(c)); }

/* ---- "Legacy Compatibility Treatment" ---- */

/* The byte of the legacy code page bitmap for a linear address; a bit is a page. */
static bool read_bitmap(struct cpu *c, uint64_t lip, uint8_t *byte)
{
    uint64_t base = *control_of(c) & CET_BITMAP_BASE, pa;
    uint64_t at = base + bits(lip, in_64bit(c) ? c->linear_bits - 1 : 31, 15);
    if (!in_long_mode(c))
        at = (uint32_t)at;
    else if (!is_canonical(c, at))
        return refuse(c, EXC_GP, 0);
    c->access_bytes = 1;
    if (!linear_translate(c, at, ACCESS_READ, c->cpl == 3, false, &pa))
        return false;
    *byte = (uint8_t)located_load(c, at, pa, 1);
    return true;
}

bool endbranch_excused(struct cpu *c, uint64_t rip)
{
    uint64_t *control = control_of(c);
    uint64_t lip = in_64bit(c) ? rip : (uint32_t)(c->seg[CS].base + rip);
    uint8_t byte = 0;
    if (*control & CET_LEG_IW_EN && !read_bitmap(c, lip, &byte))
        return false;
    if (!(byte >> (lip >> 12 & 7) & 1))
        return refuse(c, EXC_CP, CP_ENDBRANCH);
    *control &= ~(uint64_t)CET_TRACKER;
    if (!(*control & CET_SUPPRESS_DIS))
        *control |= CET_SUPPRESS;
    cpu_mode_changed(c);
    return true;
}
