// SPDX-License-Identifier: Apache-2.0
// PAL procedures (SDM vol. 2, "PAL Procedures"), those that operating systems call.  Their numbers
// describe the processor of src/ipf; caches have sizes, and no effect.
#include "machine/ipf_pal.h"

static uint64_t nothing(struct ipf_call *x) { return PAL_DONE; }
static uint64_t invalid(struct ipf_call *x) { return PAL_INVALID_ARGUMENT; }
static uint64_t fails(struct ipf_call *x) { return PAL_ERROR; }

/* ---- caches: 16 KiB of instructions, 16 KiB of data, 256 KiB and 3 MiB of both ---- */

struct cache {
    uint8_t level, type, ways, line_log2, latency;
    uint32_t size;
};
enum { CACHE_INSTRUCTION = 1, CACHE_DATA = 2, CACHE_LEVELS = 3 };
static const struct cache caches[] = {
    { 0, CACHE_INSTRUCTION, 4, 6, 1, 16 << 10 },
    { 0, CACHE_DATA, 4, 6, 1, 16 << 10 },
    { 1, CACHE_DATA, 8, 7, 5, 256 << 10 },
    { 2, CACHE_DATA, 12, 7, 14, 3 << 20 },
};

static uint64_t cache_summary(struct ipf_call *x)
{
    x->result[1] = CACHE_LEVELS;
    x->result[2] = ARRAY_SIZE(caches);
    return PAL_DONE;
}

static const struct cache *find_cache(const struct ipf_call *x)
{
    for (size_t k = 0; k < ARRAY_SIZE(caches); k++)
        if (caches[k].level == x->in[1] && caches[k].type == x->in[2])
            return &caches[k];
    return NULL;
}

/* config_info_1: unified, attributes (write back), associativity, line and stride in log2,
 * latencies of stores and loads.  config_info_2: size, alias boundary in log2, bits of the tag. */
static uint64_t cache_info(struct ipf_call *x)
{
    const struct cache *a = find_cache(x);
    if (!a)
        return PAL_INVALID_ARGUMENT;
    uint64_t unified = a->level > 0, write_back = a->type == CACHE_DATA;
    unsigned tag = 31 - (unsigned)__builtin_clz(a->size / a->ways);
    x->result[1] = unified | write_back << 1 | (uint64_t)a->ways << 8 |
                   (uint64_t)a->line_log2 << 16 | (uint64_t)a->line_log2 << 24 |
                   (uint64_t)a->latency << 32 | (uint64_t)a->latency << 40;
    x->result[2] =
        a->size | UINT64_C(12) << 32 | (uint64_t)tag << 40 | (uint64_t)(IPF_PA_BITS - 1) << 48;
    return PAL_DONE;
}

/* No part of a cache is protected. */
static uint64_t cache_protection(struct ipf_call *x)
{
    return find_cache(x) ? PAL_DONE : PAL_INVALID_ARGUMENT;
}

/* ---- memory ---- */

static uint64_t memory_attributes(struct ipf_call *x)
{
    x->result[1] = BIT(MA_WB) | BIT(MA_UC) | BIT(MA_UCE) | BIT(MA_WC) | BIT(MA_NAT_PAGE);
    return PAL_DONE;
}

/* ptc.e: one, at address 0, purges all. */
static uint64_t purge_info(struct ipf_call *x)
{
    x->result[2] = UINT64_C(1) << 32 | 1;
    return PAL_DONE;
}

static uint64_t vm_info(struct ipf_call *x)
{
    if (x->in[1] || x->in[2] < CACHE_INSTRUCTION || x->in[2] > CACHE_DATA)
        return PAL_INVALID_ARGUMENT;
    x->result[1] = IPF_TC_SETS | IPF_TC_WAYS << 8 | (uint64_t)(IPF_TC_SETS * IPF_TC_WAYS) << 16;
    x->result[2] = IPF_PAGE_SIZES;
    return PAL_DONE;
}

static uint64_t vm_summary(struct ipf_call *x)
{
    enum { WALKER = 1, KEY_BITS = 24, BUFFERS = 2, LEVELS = 1, PURGES = 1 };
    x->result[1] = WALKER | IPF_PA_BITS << 1 | KEY_BITS << 8 | (uint64_t)(IPF_KEYS - 1) << 16 |
                   (uint64_t)(IPF_TR - 1) << 32 | (uint64_t)(IPF_TR - 1) << 40 |
                   (uint64_t)BUFFERS << 48 | (uint64_t)LEVELS << 56;
    x->result[2] = x->c->va_msb | IPF_RID_BITS << 8 | PURGES << 16;
    return PAL_DONE;
}

static uint64_t vm_page_size(struct ipf_call *x)
{
    x->result[1] = x->result[2] = IPF_PAGE_SIZES;
    return PAL_DONE;
}

/* The translation register as its itr had it: PTE, ITIR, address with bit 0 valid, region register;
 * which of the PTE's fields are good: all.  A register does not know its region's number. */
static uint64_t tr_read(struct ipf_call *x)
{
    enum { ALL_FIELDS = 15 };
    if (x->in[1] >= IPF_TR || x->in[2] > IPF_DATA)
        return PAL_INVALID_ARGUMENT;
    const struct ipf_translation *t = &x->c->tlb[x->in[2]].tr[x->in[1]];
    uint64_t words[4] = { 0 };
    if (t->valid) {
        words[0] = t->present | (uint64_t)t->ma << 2 | (uint64_t)t->accessed << 5 |
                   (uint64_t)t->dirty << 6 | (uint64_t)t->pl << 7 | (uint64_t)t->ar << 9 | t->pa |
                   (uint64_t)t->ed << 52;
        words[1] = (uint64_t)t->ps << 2 | (uint64_t)t->key << 8;
        words[2] = t->va | 1;
        words[3] = (uint64_t)t->ps << 2 | (uint64_t)t->rid << 8;
    }
    x->result[1] = ALL_FIELDS;
    return ipf_call_store(x, x->in[3], words, sizeof words) ? PAL_DONE : PAL_INVALID_ARGUMENT;
}

static uint64_t platform_address(struct ipf_call *x)
{
    const uint64_t fixed[] = { IPF_INTERRUPT_BLOCK, IPF_PORTS };
    if (x->in[1] >= ARRAY_SIZE(fixed))
        return PAL_INVALID_ARGUMENT;
    return x->in[2] == fixed[x->in[1]] ? PAL_DONE : PAL_UNIMPLEMENTED; /* they cannot be moved */
}

/* ---- the processor ---- */

static uint64_t debug_info(struct ipf_call *x)
{
    x->result[1] = x->result[2] = ARRAY_SIZE(x->c->ibr) / 2;
    return PAL_DONE;
}

/* A number that no other processor has. */
static uint64_t fixed_address(struct ipf_call *x)
{
    x->result[1] = x->c->index;
    return PAL_DONE;
}

/* The brand string, 128 bytes; there is nothing else to ask for. */
static uint64_t brand_info(struct ipf_call *x)
{
    static const char brand[128] = "Silverpool Itanium";
    if (x->in[1])
        return PAL_NO_INFORMATION;
    x->result[1] = strlen(brand);
    return ipf_call_store(x, x->in[2], brand, sizeof brand) ? PAL_DONE : PAL_INVALID_ARGUMENT;
}

/* SDM vol. 2, "Self-test State Parameter": tested, healthy.  No memory is needed for it. */
static uint64_t self_test(struct ipf_call *x)
{
    enum { HEALTHY = 1, TESTED = 4 };
    x->result[1] = HEALTHY | TESTED;
    return PAL_DONE;
}
static uint64_t test_memory(struct ipf_call *x)
{
    x->result[2] = 1; /* alignment */
    return PAL_DONE;
}

/* in1 whether corrected machine checks are to be signalled, in2 the min-state save area. */
static uint64_t resume(struct ipf_call *x)
{
    ipf_init_resume(x->firmware, x->c, x->in[2]);
    x->goes = true;
    return PAL_DONE;
}

/* Ratios to the platform's clock (SAL's FREQ_BASE): processor, bus, interval time counter. */
static uint64_t frequency_ratios(struct ipf_call *x)
{
    x->result[1] = x->result[3] = UINT64_C(10) << 32 | 1;
    x->result[2] = UINT64_C(1) << 32 | 1;
    return PAL_DONE;
}

/* Four masks of 256 bits: the PMCs, the PMDs, the PMCs that count cycles and retired instructions.
 * Registers are there, but nothing counts. */
static uint64_t performance_info(struct ipf_call *x)
{
    uint64_t mask[16] = { [0] = 0xff, [4] = 0xf0 };
    enum { COUNTERS = 4, WIDTH = 47 };
    x->result[1] = COUNTERS | WIDTH << 8;
    return ipf_call_store(x, x->in[1], mask, sizeof mask) ? PAL_DONE : PAL_INVALID_ARGUMENT;
}

/* Feature set 0: those that are there, that are on, and that PAL_PROC_SET_FEATURES changes. */
#define FEATURE_VM BIT(40)
#define FEATURE_VMSW BIT(54)
static uint64_t get_features(struct ipf_call *x)
{
    const struct ipf_vti *v = &x->c->vti;
    if (x->in[2])
        return PAL_NO_FEATURE_SET;
    x->result[1] = (v->implemented ? FEATURE_VM : 0) | (v->vmsw_implemented ? FEATURE_VMSW : 0);
    x->result[2] = (v->enabled ? FEATURE_VM : 0) | (v->vmsw_enabled ? FEATURE_VMSW : 0);
    x->result[3] = x->result[1];
    return PAL_DONE;
}
static uint64_t set_features(struct ipf_call *x)
{
    if (x->in[2])
        return PAL_NO_FEATURE_SET;
    ipf_vti_enable(x->c, x->in[1] & FEATURE_VM, x->in[1] & FEATURE_VMSW);
    return PAL_DONE;
}

static uint64_t rse_info(struct ipf_call *x)
{
    x->result[1] = IPF_STACKED;
    return PAL_DONE;
}

static uint64_t version(struct ipf_call *x)
{
    x->result[1] = x->result[2] = 1;
    return PAL_DONE;
}

/* Masks of 128 bits: application registers that are there, whose reads have effects; control
 * registers. */
static uint64_t register_info(struct ipf_call *x)
{
    static const uint64_t mask[4][2] = {
        { 0x000011117f2f00ff, 0x7 },
        { 0, 0 },
        { 0x0000000003fb0107, 0x307ff },
        { 0, 0x2 },
    };
    if (x->in[1] >= ARRAY_SIZE(mask))
        return PAL_INVALID_ARGUMENT;
    x->result[1] = mask[x->in[1]][0];
    x->result[2] = mask[x->in[1]][1];
    return PAL_DONE;
}

static uint64_t no_error_information(struct ipf_call *x) { return PAL_NO_INFORMATION; }

/* The light halt is the only state: the processor waits for an interrupt. */
static uint64_t halt_light(struct ipf_call *x)
{
    x->c->halted = true;
    return PAL_DONE;
}
static uint64_t halt_info(struct ipf_call *x)
{
    const uint64_t states[8] = { BIT(60) | BIT(61) }; /* implemented, keeps caches coherent */
    return ipf_call_store(x, x->in[1], states, sizeof states) ? PAL_DONE : PAL_INVALID_ARGUMENT;
}

/* ---- the procedures ---- */

static const struct {
    unsigned number;
    uint64_t (*run)(struct ipf_call *x); /* returns the status */
} procedures[] = {
    { 1, nothing }, /* PAL_CACHE_FLUSH */
    { 2, cache_info },
    { 3, nothing }, /* PAL_CACHE_INIT */
    { 4, cache_summary },
    { 5, memory_attributes },
    { 6, purge_info },
    { 7, vm_info },
    { 8, vm_summary },
    { 9, nothing },  /* PAL_BUS_GET_FEATURES: there are none */
    { 10, nothing }, /* PAL_BUS_SET_FEATURES */
    { 11, debug_info },
    { 12, fixed_address },
    { 14, frequency_ratios },
    { 15, performance_info },
    { 16, platform_address },
    { 17, get_features },
    { 18, set_features },
    { 19, rse_info },
    { 20, version },
    { 21, nothing }, /* PAL_MC_CLEAR_LOG */
    { 22, nothing }, /* PAL_MC_DRAIN */
    { 23, nothing }, /* PAL_MC_EXPECTED */
    { 24, nothing }, /* PAL_MC_DYNAMIC_STATE: 0 bytes */
    { 25, no_error_information },
    { 26, resume },
    { 27, fails },   /* PAL_MC_REGISTER_MEM: SAL has done so */
    { 28, invalid }, /* PAL_HALT: there is no such state */
    { 29, halt_light },
    { 30, fails }, /* PAL_COPY_INFO: PAL cannot be copied */
    { 32, fails }, /* PAL_PMI_ENTRYPOINT: SAL has its own */
    { 34, vm_page_size },
    { 37, test_memory },
    { 38, cache_protection },
    { 39, register_info },
    { 41, nothing }, /* PAL_PREFETCH_VISIBILITY */
    { 256, fails },  /* PAL_COPY_PAL */
    { 257, halt_info },
    { 258, self_test },
    { 261, tr_read },
    { 274, brand_info },
};

void ipf_pal(struct ipf_call *x)
{
    if (ipf_pal_vp(x))
        return;
    x->result[0] = PAL_UNIMPLEMENTED;
    for (size_t k = 0; k < ARRAY_SIZE(procedures); k++)
        if (procedures[k].number == x->in[0])
            x->result[0] = procedures[k].run(x);
}
