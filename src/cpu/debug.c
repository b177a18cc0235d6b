// SPDX-License-Identifier: Apache-2.0
// I/O breakpoints, and MOV to and from debug registers.
#include "cpu/debug.h"

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/ops.h"

void debug_io(struct cpu *c, uint16_t port, unsigned size)
{
    static const uint8_t length[] = { 1, 2, 8, 4 };     /* LEN field */
    uint64_t hit = 0;
    for (unsigned k = 0; k < 4; k++) {
        unsigned control = c->dr[7] >> (16 + 4 * k) & 15, n = length[control >> 2];
        uint64_t at = c->dr[k] & ~(uint64_t)(n - 1);
        if ((control & 3) == DEBUG_IO && at < (uint64_t)port + size && port < at + n)
            hit |= BIT(k) | (c->dr[7] >> (2 * k) & 3 ? BIT(12) : 0);
    }
    if (!(hit & BIT(12)))
        return;
    c->pending_debug |= hit;
    cpu_set_pending(c, PEND_DEBUG);
}

/* BLD can be written where it exists; else it stays 1. */
static uint64_t dr6_loaded(const struct cpu *c, uint64_t v)
{
    bool clears = cpu_has(c, FEAT_BUS_LOCK_DETECT) && !(v & DR6_BLD);
    return ((v & 0xe00f) | DR6_FIXED_1) & ~(clears ? (uint64_t)DR6_BLD : 0);
}

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE; the general-detect fault comes last. */
static bool dr_usable(struct cpu *c, const struct insn *i, unsigned *n)
{
    *n = i->reg;
    if (*n > 7 || ((*n == 4 || *n == 5) && (c->cr4 & CR4_DE))) {
        cpu_raise(c, EXC_UD);
        return false;
    }
    if (*n == 4 || *n == 5)
        *n += 2;
    if (c->cpl) {
        cpu_raise_code(c, EXC_GP, 0);
        return false;
    }
    if (c->dr[7] & DR7_GD) {
        cpu_raise(c, EXC_DB);
        c->event.debug = BIT(13);      /* BD */
        return false;
    }
    return true;
}

enum outcome op_mov_from_dr(struct cpu *c, const struct insn *i)
{
    unsigned n;
    FAULT_IF(!dr_usable(c, i, &n));
    reg_write(c, i->rm, i->size, c->dr[n]);
    return RETIRED;
}

enum outcome op_mov_to_dr(struct cpu *c, const struct insn *i)
{
    unsigned n;
    uint64_t v = reg_read(c, i->rm, i->size);
    FAULT_IF(!dr_usable(c, i, &n));
    if (n >= 6 && v >> 32)
        return cpu_raise_code(c, EXC_GP, 0);
    if (n == 6)
        v = dr6_loaded(c, v);
    if (n == 7)
        v = dr7_loaded(v);
    c->dr[n] = v;
    cpu_mode_changed(c);
    return RETIRED;
}
