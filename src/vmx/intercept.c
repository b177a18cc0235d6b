// SPDX-License-Identifier: Apache-2.0
// Instructions that cause VM exits (SDM vol. 3, "Instructions That Cause VM Exits"), but for those
// that access control registers and MSRs.
#include "mem/phys.h"
#include "vmx/internal.h"

enum { REASON_IO = 30 };

/* ---- what exits by the controls alone: part of the decode mode ---- */

/* Exit reasons that a control bit switches on. */
static const struct { uint8_t word, bit, reason;
} switches[] = {
    { WORD_PROC, 7, EXIT_HLT },      { WORD_PROC, 9, EXIT_INVLPG },
    { WORD_PROC, 10, EXIT_MWAIT },   { WORD_PROC, 11, EXIT_RDPMC },
    { WORD_PROC, 12, EXIT_RDTSC },   { WORD_PROC, 23, EXIT_MOV_DR },
    { WORD_PROC, 29, EXIT_MONITOR }, { WORD_PROC, 30, EXIT_PAUSE },
    { WORD_PROC2, 10, EXIT_PAUSE },  { WORD_PROC2, 2, EXIT_GDTR_IDTR },
    { WORD_PROC2, 2, EXIT_LDTR_TR }, { WORD_PROC2, 6, EXIT_WBINVD },
    { WORD_PROC2, 11, EXIT_RDRAND }, { WORD_PROC2, 16, EXIT_RDSEED },
    { WORD_PROC2, 30, EXIT_BUS_LOCK },
};

/* SDM, "Instructions That Cause VM Exits Unconditionally". */
#define ALWAYS_EXIT (BIT(EXIT_CPUID) | BIT(EXIT_INVD) | BIT(EXIT_XSETBV) | BIT(EXIT_GETSEC))

void intercept_prepare(struct cpu *c)
{
    struct vmx *x = c->vmx;
    x->exit_mask = ALWAYS_EXIT;
    for (unsigned k = 0; k < ARRAY_SIZE(switches); k++) {
        uint32_t word = switches[k].word == WORD_PROC ? x->proc : x->proc2;
        x->exit_mask |= (uint64_t)(word >> switches[k].bit & 1) << switches[k].reason;
    }
    if (x->proc & PROC_INVLPG_EXITING)
        x->exit_mask |= BIT(EXIT_INVPCID);
    x->undefined_mask = (x->proc2 & PROC2_ENABLE_RDTSCP ? 0 : BIT(EXIT_RDTSCP) | BIT(EXIT_RDPID)) |
                        (x->proc2 & PROC2_ENABLE_INVPCID ? 0 : BIT(EXIT_INVPCID)) |
                        (x->proc2 & PROC2_USER_WAIT_AND_PAUSE ? 0 : BIT(EXIT_WAITPKG)) |
                        (x->proc2 & PROC2_ENABLE_XSAVES ? 0 : BIT(EXIT_XSAVES)) |
                        (x->proc3 & PROC3_ENABLE_MSR_LIST ? 0 : BIT(EXIT_MSRLIST));
}

uint64_t vmx_exit_mask(struct cpu *c) { return c->vmx->exit_mask; }
uint64_t vmx_undefined_mask(struct cpu *c) { return c->vmx->undefined_mask; }

/* ---- their exits ---- */

static uint64_t invlpg_address(const struct cpu *c, const struct insn *i)
{
    enum seg s = insn_seg(i);
    uint64_t base = !in_64bit(c) || s >= FS ? c->seg[s].base : 0, linear = base + insn_ea(c, i);
    return in_64bit(c) ? linear : (uint32_t)linear;
}

/* SDM, "Exit Qualification for MOV DR": 2:0 register, 4 direction, 11:8 general register. */
static uint64_t debug_register_access(const struct insn *i)
{
    bool from = i->opcode == 0x21;
    return (i->reg & 7u) | (uint64_t)from << 4 | (uint64_t)(i->rm & 15) << 8;
}

/* SDM, "Instructions That Cause VM Exits Conditionally", PAUSE: with "PAUSE-loop exiting" only the
 * one that comes too late in a loop at CPL 0. */
static bool pause_exits(struct cpu *c)
{
    struct vmx *x = c->vmx;
    uint64_t now = cpu_tick(c);
    if (x->proc & PROC_PAUSE_EXITING)
        return true;
    if (c->cpl)
        return false;
    if (!x->pausing || now - x->pause_last > vmcs_field(c, PLE_GAP))
        x->pause_first = now;
    x->pausing = true;
    x->pause_last = now;
    return now - x->pause_first > vmcs_field(c, PLE_WINDOW);
}

enum outcome vmx_instruction_exit(struct cpu *c, const struct insn *i, unsigned reason)
{
    struct vm_exit x = { .reason = reason, .has_length = true, .clear_rf = true };
    switch (reason) {
    case EXIT_MOV_DR:
        if (i->reg > 7)                    /* DR8 to DR15 do not exist */
            return cpu_raise(c, EXC_UD);
        x.qualification = debug_register_access(i);
        break;
    case EXIT_PAUSE:
        if (!pause_exits(c))
            return RETIRED;
        break;
    case EXIT_INVLPG: x.qualification = invlpg_address(c, i); break;
    case EXIT_MWAIT: x.qualification = c->monitor_armed; break;
    case EXIT_GDTR_IDTR:
        x.qualification = displacement_of(c, i);
        x.instruction_info = info_table(i);
        break;
    case EXIT_LDTR_TR:
        x.qualification = displacement_of(c, i);
        x.instruction_info = info_selector(i);
        break;
    case EXIT_INVPCID:
        x.qualification = displacement_of(c, i);
        x.instruction_info = info_memory_reg2(i);
        break;
    case EXIT_XSAVES:
    case EXIT_XRSTORS:
        x.qualification = displacement_of(c, i);
        x.instruction_info = info_memory(i);
        break;
    case EXIT_RDRAND: case EXIT_RDSEED: x.instruction_info = info_random(i); break;
    case EXIT_UMWAIT:
    case EXIT_TPAUSE: x.instruction_info = info_wait(i); break;
    default: break;
    }
    vm_exit(c, &x);
    return EXITED;
}

/* ---- I/O (SDM, "I/O-Bitmap Addresses") ---- */

static bool io_bitmap_bit(const struct cpu *c, uint16_t port)
{
    uint64_t base = vmcs_field(c, port & 0x8000 ? IO_BITMAP_B : IO_BITMAP_A);
    return mem_read_le(c->mem, base + (port & 0x7fff) / 8, 1) >> (port & 7) & 1;
}

static bool io_intercepted(const struct cpu *c, uint16_t port, unsigned size)
{
    if (!(c->vmx->proc & PROC_USE_IO_BITMAPS))
        return c->vmx->proc & PROC_UNCONDITIONAL_IO_EXITING;
    if (port + size > 0x10000)                      /* wraps around the port space */
        return true;
    for (unsigned k = 0; k < size; k++)
        if (io_bitmap_bit(c, (uint16_t)(port + k)))
            return true;
    return false;
}

bool vmx_io_exit(struct cpu *c, const struct insn *i, uint16_t port, unsigned size, bool in,
                 bool string, uint64_t linear)
{
    if (!io_intercepted(c, port, size))
        return false;
    bool repeats = string && i->prefix & (PFX_REP | PFX_REPNE);
    bool immediate = i->opcode >= 0xe4 && i->opcode <= 0xe7;
    struct vm_exit x = {
        .reason = REASON_IO, .has_length = true, .clear_rf = true, .has_linear = string,
        .linear = linear,
        .qualification = (size - 1) | (uint64_t)in << 3 | (uint64_t)string << 4 |
                         (uint64_t)repeats << 5 | (uint64_t)immediate << 6 | (uint64_t)port << 16,
    };
    if (string && c->vmx->cap[CAP_BASIC] & BASIC_INS_OUTS_INFO)
        x.instruction_info = info_string_io(i);
    vm_exit(c, &x);
    return true;
}

/* SDM, "XSS-Exiting Bitmap". */
bool vmx_xss_exit(struct cpu *c, const struct insn *i, uint64_t mask, unsigned reason)
{
    if (!(mask & c->msr.xss & vmcs_field(c, XSS_EXITING_BITMAP)))
        return false;
    vmx_instruction_exit(c, i, reason);
    return true;
}
