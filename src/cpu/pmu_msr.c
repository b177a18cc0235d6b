// SPDX-License-Identifier: Apache-2.0
// Performance monitoring as software sees it: what CPUID leaf 0AH says, the MSRs, RDPMC (SDM vol.
// 3, "Architectural Performance Monitoring", "Full-Width Writes to Performance Counter Registers").
//
// What differs from the parts that the profiles stand for:
// - The fourth fixed-function counter (slots) is absent.
// - AnyThread counting is absent.  From version 3 on CPUID says that it is deprecated; its bits are
//   ignored and read as 0.
// - IA32_PERF_CAPABILITIES has full-width writes and nothing else: there are no LBRs and no PEBS.
#include "cpu/cpu.h"
#include "cpu/pmu.h"

enum {
    PMC0 = 0xc1, PERFEVTSEL0 = 0x186, FIXED_CTR0 = 0x309, PERF_CAPABILITIES = 0x345,
    FIXED_CTR_CTRL = 0x38d, GLOBAL_STATUS = 0x38e, GLOBAL_CTRL = 0x38f,
    GLOBAL_OVF_CTRL = 0x390 /* GLOBAL_STATUS_RESET from version 4 on */, GLOBAL_STATUS_SET = 0x391,
    GLOBAL_INUSE = 0x392, A_PMC0 = 0x4c1,
};
#define FULL_WIDTH_WRITE BIT(13)                     /* IA32_PERF_CAPABILITIES */
#define ANY_THREAD_DEPRECATED (UINT32_C(1) << 15)    /* CPUID.0AH:EDX */
#define EACH_FIXED(bits) ((bits) * UINT64_C(0x111))  /* in IA32_FIXED_CTR_CTRL */

/* ---- the processor model ---- */

/* EBX: the events that are not available. */
static uint32_t not_counted(void)
{
    uint32_t set = 0;
#define PERF_EVENT(bit, name, event, umask, counts) \
    set |= PMU_##counts == PMU_NOTHING ? UINT32_C(1) << (bit) : 0;
#include "cpu/perf_events.def"
    return set;
}

void pmu_settle(struct cpu_model *m)
{
    uint32_t *leaf = m->perfmon, fixed = leaf[3] & 0x1f, events = leaf[0] >> 24;
    leaf[1] |= not_counted() & ((UINT32_C(1) << events) - 1);
    leaf[2] &= (1 << PMU_FIXED) - 1;
    leaf[3] = (leaf[3] & ~UINT32_C(0x1f)) | (fixed < PMU_FIXED ? fixed : PMU_FIXED);
    if ((leaf[0] & 0xff) >= 3)
        leaf[3] |= ANY_THREAD_DEPRECATED;
}

unsigned pmu_version(const struct cpu_model *m)
{
    return model_has(m, FEAT_ARCH_PERFMON) ? m->perfmon[0] & 0xff : 0;
}
unsigned pmu_general(const struct cpu_model *m)
{
    return pmu_version(m) ? (unsigned)bits(m->perfmon[0], 15, 8) : 0;
}
unsigned pmu_fixed(const struct cpu_model *m) { return pmu_version(m) ? m->perfmon[3] & 0x1f : 0; }

uint64_t pmu_global_reserved(const struct cpu_model *m)
{
    return ~((BIT(pmu_general(m)) - 1) | (BIT(pmu_fixed(m)) - 1) << 32);
}

/* ---- IA32_PERF_GLOBAL_STATUS ---- */

/* What software may clear, and but for CondChgd may set from version 4 on.  Nothing here sets
 * OvfBuf, Ovf_Uncore and LBR_Frz, but they exist. */
static uint64_t status_bits(const struct cpu_model *m)
{
    uint64_t v = ~pmu_global_reserved(m) | BIT(62) | BIT(63);
    return v | (pmu_version(m) >= 3 ? BIT(61) : 0) |
           (pmu_version(m) >= 4 ? BIT(58) | STATUS_CTR_FRZ : 0);
}

/* SDM vol. 3, "IA32_PERF_GLOBAL_INUSE MSR"; bit 63: some counter may interrupt. */
static uint64_t in_use(const struct cpu *c)
{
    const struct pmu *p = &c->pmu;
    uint64_t v = p->fixed_control & EACH_FIXED(FIXED_PMI) ? BIT(63) : 0;
    for (unsigned k = 0; k < pmu_general(c->model); k++)
        v |= (p->select[k] & 0xff ? BIT(k) : 0) | (p->select[k] & SELECT_INT ? BIT(63) : 0);
    for (unsigned k = 0; k < pmu_fixed(c->model); k++)
        v |= p->fixed_control >> 4 * k & (FIXED_OS | FIXED_USR) ? BIT(32 + k) : 0;
    return v;
}

/* ---- reading ---- */

/* The counter whose value the MSR holds. */
static bool counter_of(const struct cpu *c, uint32_t index, unsigned *k)
{
    unsigned general = pmu_general(c->model);
    bool full_width = c->model->perf_capabilities & FULL_WIDTH_WRITE;
    if (index - PMC0 < general)
        *k = index - PMC0;
    else if (index - A_PMC0 < general && full_width)
        *k = index - A_PMC0;
    else if (index - FIXED_CTR0 < pmu_fixed(c->model))
        *k = PMU_GENERAL + index - FIXED_CTR0;
    else
        return false;
    return true;
}

bool pmu_read(const struct cpu *c, uint32_t index, uint64_t *value)
{
    const struct pmu *p = &c->pmu;
    unsigned k;
    bool v2 = pmu_version(c->model) >= 2, v4 = pmu_version(c->model) >= 4;
    *value = 0;
    if (counter_of(c, index, &k)) {
        *value = pmu_value(c, k);
        return true;
    }
    if (index - PERFEVTSEL0 < pmu_general(c->model)) {
        *value = p->select[index - PERFEVTSEL0];
        return true;
    }
    switch (index) {
    case PERF_CAPABILITIES: *value = c->model->perf_capabilities; return true;
    case FIXED_CTR_CTRL: *value = p->fixed_control; return v2;
    case GLOBAL_STATUS: *value = p->global_status; return v2;
    case GLOBAL_CTRL: *value = p->global_control; return v2;
    case GLOBAL_OVF_CTRL: return v2;
    case GLOBAL_STATUS_SET: return v4;
    case GLOBAL_INUSE: *value = v4 ? in_use(c) : 0; return v4;
    default: return false;
    }
}

/* SDM vol. 2, "RDPMC": ECX[31:16] is the type of the counter, ECX[15:0] its number. */
bool pmu_read_counter(const struct cpu *c, uint32_t ecx, uint64_t *value)
{
    enum { GENERAL = 0, FIXED = 0x4000 };
    unsigned number = ecx & 0xffff;
    if (ecx >> 16 == GENERAL && number < pmu_general(c->model))
        *value = pmu_value(c, number);
    else if (ecx >> 16 == FIXED && number < pmu_fixed(c->model))
        *value = pmu_value(c, PMU_GENERAL + number);
    else
        return false;
    return true;
}

/* ---- writing ---- */

/* IA32_PMCn takes 32 bits and extends their sign; the others take all bits of the counter. */
static bool write_counter(struct cpu *c, uint32_t index, unsigned k, uint64_t v)
{
    uint64_t mask = pmu_counter_mask(c, k);
    if (index - PMC0 < PMU_GENERAL)
        v = (uint64_t)sign_extend(v, 4) & mask;
    if (v & ~mask)
        return false;
    c->pmu.counter[k] = v;
    return true;
}

/* AnyThread appears in version 3, where it is deprecated here. */
static bool write_select(struct cpu *c, unsigned k, uint64_t v)
{
    bool any = pmu_version(c->model) >= 3;
    if (v >> 32 || (v & SELECT_ANY && !any))
        return false;
    c->pmu.select[k] = v & ~(uint64_t)SELECT_ANY;
    return true;
}

static bool write_fixed_control(struct cpu *c, uint64_t v)
{
    bool any = pmu_version(c->model) >= 3;
    if (v >> 4 * pmu_fixed(c->model) || (v & EACH_FIXED(FIXED_ANY) && !any))
        return false;
    c->pmu.fixed_control = v & ~EACH_FIXED(FIXED_ANY);
    return true;
}

static bool write_global(struct cpu *c, uint32_t index, uint64_t v)
{
    struct pmu *p = &c->pmu;
    uint64_t status = status_bits(c->model);
    switch (index) {
    case GLOBAL_CTRL:
        if (v & pmu_global_reserved(c->model))
            return false;
        p->global_control = v;
        return true;
    case GLOBAL_OVF_CTRL:
        if (v & ~status)
            return false;
        p->global_status &= ~v;
        return true;
    case GLOBAL_STATUS_SET:
        if (pmu_version(c->model) < 4 || v & ~(status & ~BIT(63)))
            return false;
        p->global_status |= v;
        return true;
    default: return false;      /* the others are read-only */
    }
}

bool pmu_write(struct cpu *c, uint32_t index, uint64_t value)
{
    unsigned k;
    bool ok, v2 = pmu_version(c->model) >= 2;
    pmu_fold(c);
    if (counter_of(c, index, &k))
        ok = write_counter(c, index, k, value);
    else if (index - PERFEVTSEL0 < pmu_general(c->model))
        ok = write_select(c, index - PERFEVTSEL0, value);
    else if (index == FIXED_CTR_CTRL)
        ok = v2 && write_fixed_control(c, value);
    else
        ok = v2 && write_global(c, index, value);
    if (ok)
        pmu_changed(c);
    return ok;
}

void pmu_load_global_control(struct cpu *c, uint64_t value)
{
    pmu_fold(c);
    c->pmu.global_control = value & ~pmu_global_reserved(c->model);
    pmu_changed(c);
}
