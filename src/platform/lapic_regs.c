// SPDX-License-Identifier: Apache-2.0
// The local APIC's registers as the processor sees them: memory-mapped (xAPIC) and as MSRs
// (x2APIC).
#include "base/bits.h"
#include "platform/lapic.h"

enum {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_APR = 0x09,
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_RRD = 0x0c,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10,
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR_LOW = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT = 0x32,
    REG_INITIAL = 0x38,
    REG_CURRENT = 0x39,
    REG_DIVIDE = 0x3e,
    REG_SELF_IPI = 0x3f
};

#define VERSION (UINT32_C(0x15) | (LVT_COUNT - 1) << 16)
#define ICR_WRITABLE UINT32_C(0x000ccfff)

/* Who may read and write, and which bits x2APIC reserves (SDM tables "Local APIC Register Address
 * Map" and "Local APIC Register Address Map Supported by x2APIC"). */
enum { XR = 1, XW = 2, X2R = 4, X2W = 8, RW = XR | XW | X2R | X2W, RO = XR | X2R };
struct reg_row { uint8_t first, last, access; uint64_t writable; };
static const struct reg_row rows[] = {
    { REG_ID, REG_ID, RO | XW, 0 },
    { REG_VERSION, REG_VERSION, RO, 0 },
    { REG_TPR, REG_TPR, RW, 0xff },
    { REG_APR, REG_APR, XR, 0 },
    { REG_PPR, REG_PPR, RO, 0 },
    { REG_EOI, REG_EOI, XR | XW | X2W, 0 },
    { REG_RRD, REG_RRD, XR, 0 },
    { REG_LDR, REG_LDR, RO | XW, 0 },
    { REG_DFR, REG_DFR, XR | XW, 0 },
    { REG_SVR, REG_SVR, RW, 0x3ff }, /* bit 9: focus checking, without effect */
    { REG_ISR, REG_ESR - 1, RO, 0 },
    { REG_ESR, REG_ESR, RW, 0 },
    { REG_ICR_LOW, REG_ICR_LOW, RW, UINT64_C(0xffffffff00000000) | ICR_WRITABLE },
    { REG_ICR_HIGH, REG_ICR_HIGH, XR | XW, 0 },
    { REG_LVT, REG_LVT + LVT_COUNT - 1, RW, UINT32_MAX },      /* lvt_writable[] says more */
    { REG_INITIAL, REG_INITIAL, RW, UINT32_MAX },
    { REG_CURRENT, REG_CURRENT, RO, 0 },
    { REG_DIVIDE, REG_DIVIDE, RW, 0x0b },
    { REG_SELF_IPI, REG_SELF_IPI, X2W, 0xff },
};

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff, [LVT_ERROR] = 0x100ff,
};

static const struct reg_row *find(unsigned reg, unsigned access)
{
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (reg >= rows[k].first && reg <= rows[k].last)
            return rows[k].access & access ? &rows[k] : NULL;
    return NULL;
}

static uint64_t read_register(const struct lapic *l, unsigned reg)
{
    if (reg >= REG_ISR && reg < REG_ESR) {
        const uint32_t *set = reg < REG_TMR ? l->isr : reg < REG_IRR ? l->tmr : l->irr;
        return set[reg & 7];
    }
    if (reg >= REG_LVT && reg < REG_LVT + LVT_COUNT)
        return l->lvt[reg - REG_LVT];
    switch (reg) {
    case REG_ID: return lapic_x2apic(l) ? l->id : l->id << 24;
    case REG_VERSION: return VERSION;
    case REG_TPR: return l->tpr;
    case REG_APR:
    case REG_PPR: return lapic_ppr(l);
    case REG_LDR: return l->ldr;
    case REG_DFR: return l->dfr;
    case REG_SVR: return l->svr;
    case REG_ESR: return l->esr;
    case REG_ICR_LOW: return lapic_x2apic(l) ? l->icr : (uint32_t)l->icr;
    case REG_ICR_HIGH: return l->icr >> 32;
    case REG_INITIAL: return l->initial;
    case REG_CURRENT: return lapic_timer_count(l);
    case REG_DIVIDE: return l->divide;
    default: return 0;
    }
}

/* Bits of an LVT entry that exist on this processor. */
static uint32_t lvt_mask(const struct lapic *l, unsigned n)
{
    return lvt_writable[n] & ~(n == LVT_TIMER && !l->tsc_deadline_allowed ? UINT32_C(1) << 18 : 0);
}

static void write_lvt(struct lapic *l, unsigned n, uint32_t v)
{
    v = (v & lvt_mask(l, n)) | (l->svr & SVR_ENABLED ? 0 : LVT_MASKED);
    if (n == LVT_TIMER)
        lapic_timer_write_lvt(l, v);
    else
        l->lvt[n] = v;
    lapic_update(l);
}

/* Software-disabling the APIC masks every LVT entry ("Local APIC State After It Has Been Software
 * Disabled"). */
static void write_svr(struct lapic *l, uint32_t v)
{
    l->svr = v & 0x3ff;
    for (unsigned n = 0; n < LVT_COUNT && !(v & SVR_ENABLED); n++)
        l->lvt[n] |= LVT_MASKED;
    lapic_update(l);
}

static void write_icr(struct lapic *l, uint64_t v)
{
    l->icr = v;
    apic_bus_command(l);
}

static void write_register(struct lapic *l, unsigned reg, uint64_t v)
{
    if (reg >= REG_LVT && reg < REG_LVT + LVT_COUNT) {
        write_lvt(l, reg - REG_LVT, (uint32_t)v);
        return;
    }
    switch (reg) {
    case REG_ID: l->id = (uint32_t)v >> 24; break;
    case REG_TPR: lapic_set_tpr(l, (uint8_t)v); break;
    case REG_EOI: lapic_eoi(l); break;
    case REG_LDR: l->ldr = (uint32_t)v & 0xff000000; break;
    case REG_DFR: l->dfr = (uint32_t)v | 0x0fffffff; break;
    case REG_SVR: write_svr(l, (uint32_t)v); break;
    case REG_ESR:
        l->esr = l->esr_pending;
        l->esr_pending = 0;
        break;
    case REG_ICR_LOW:
        write_icr(l, lapic_x2apic(l) ? v : (l->icr & ~(uint64_t)UINT32_MAX) | (v & ICR_WRITABLE));
        break;
    case REG_ICR_HIGH: l->icr = (v & 0xff000000) << 32 | (uint32_t)l->icr; break;
    case REG_INITIAL: lapic_timer_start(l, (uint32_t)v); break;
    case REG_DIVIDE: lapic_timer_divide(l, (uint32_t)v); break;
    case REG_SELF_IPI:
        if (v < 16)
            lapic_error(l, ESR_SEND_ILLEGAL);
        else
            lapic_accept(l, (uint8_t)v, false);
        break;
    default: break;
    }
}

/* Registers are 32 bits wide at multiples of 16; other bytes and other sizes are undefined: zero,
 * no effect. */
uint32_t lapic_mmio_read(struct lapic *l, uint64_t offset, unsigned size)
{
    unsigned reg = (unsigned)bits(offset, 11, 4), shift = 8 * (unsigned)(offset & 15);
    if (!find(reg, XR)) {
        lapic_error(l, ESR_ILLEGAL_REGISTER);
        return 0;
    }
    return shift < 32 ? (uint32_t)((uint32_t)read_register(l, reg) >> shift & size_mask(size)) : 0;
}

void lapic_mmio_write(struct lapic *l, uint64_t offset, unsigned size, uint32_t value)
{
    unsigned reg = (unsigned)bits(offset, 11, 4);
    if (size < 4 || offset & 15)
        return;
    if (find(reg, XW))
        write_register(l, reg, value);
    else if (!find(reg, XR))
        lapic_error(l, ESR_ILLEGAL_REGISTER);
}

bool lapic_msr_read(struct lapic *l, uint32_t index, uint64_t *value)
{
    unsigned reg = index - 0x800;
    if (!lapic_x2apic(l) || !find(reg, X2R))
        return false;
    *value = read_register(l, reg);
    return true;
}

bool lapic_msr_write(struct lapic *l, uint32_t index, uint64_t value)
{
    unsigned reg = index - 0x800;
    const struct reg_row *row = find(reg, X2W);
    if (!lapic_x2apic(l) || !row)
        return false;
    uint64_t writable = row->writable;
    if (reg >= REG_LVT && reg < REG_LVT + LVT_COUNT)
        writable = lvt_mask(l, reg - REG_LVT) | 0x5000; /* delivery status, remote IRR: read-only */
    if (value & ~writable)
        return false;
    write_register(l, reg, value);
    return true;
}

bool lapic_write_base(struct lapic *l, uint64_t value, unsigned physical_bits)
{
    uint64_t allowed = bits(~UINT64_C(0), physical_bits - 1, 12) << 12 | APIC_BASE_BSP |
                       APIC_BASE_ENABLE | (l->x2apic_allowed ? APIC_BASE_X2APIC : 0);
    bool enable = value & APIC_BASE_ENABLE, x2 = value & APIC_BASE_X2APIC;
    if (value & ~allowed || (x2 && !enable))
        return false;
    if (lapic_x2apic(l) && enable && !x2)
        return false;                    /* x2APIC to xAPIC only through disabled */
    if (!lapic_enabled(l) && x2)
        return false;                    /* disabled to x2APIC only through xAPIC */
    bool was_enabled = lapic_enabled(l), was_x2 = lapic_x2apic(l);
    l->base = value;
    if (x2 && !was_x2) {                 /* the ID becomes the initial one, LDR derives from it */
        l->id = l->cpu;
        l->ldr = (l->id >> 4) << 16 | UINT32_C(1) << (l->id & 15);
        l->icr &= UINT32_MAX;
    }
    if (!enable && was_enabled) {
        l->id = l->cpu;
        lapic_init(l);
    }
    lapic_update(l);
    host_changed(l->host);
    return true;
}
