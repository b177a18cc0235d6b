// SPDX-License-Identifier: Apache-2.0
// CPUID: feature words from features.def, and the leaves that describe the rest of the profile.
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/xstate.h"

enum { EAX, EBX, ECX, EDX };
enum { NO_LEAF = 0x7fffffff }; /* of a feature that is not a bit */
enum { MAX_BASIC = 0x16, MAX_EXTENDED = 0x80000008u };

struct feature_row { uint32_t leaf, subleaf, reg, bit; };
static const struct feature_row feature_rows[] = {
    { 0, 0, 0, 0 },
#define FEATURE(name, leaf, subleaf, reg, bit) { leaf, subleaf, reg, bit },
#include "cpu/features.def"
};

static void add_feature_words(const struct cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    for (unsigned f = 1; f < FEATURE_COUNT; f++) {
        const struct feature_row *r = &feature_rows[f];
        if (r->leaf == leaf && r->subleaf == subleaf && cpu_has(c, (enum feature)f))
            out[r->reg] |= UINT32_C(1) << r->bit;
    }
}

/* "Version Information Returned by CPUID in EAX". */
static uint32_t signature(const struct cpu_model *m)
{
    uint32_t family = m->family < 15 ? m->family : 15;
    return m->stepping | (m->model & 15) << 4 | family << 8 | m->model >> 4 << 16 |
           (m->family - family) << 20;
}

static void leaf_vendor(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    out[EAX] = MAX_BASIC;
    memcpy(&out[EBX], "Genu", 4);
    memcpy(&out[EDX], "ineI", 4);
    memcpy(&out[ECX], "ntel", 4);
}

/* An APIC ID is package, core, thread, each in as few bits as its level needs; these are the widths
 * of the lowest one and of the lowest two (SDM vol. 3, "Hierarchical Mapping of Shared Resources").
 */
static unsigned bits_for(uint32_t count) { return count > 1 ? 32 - __builtin_clz(count - 1) : 0; }
static unsigned thread_bits(const struct cpu_model *m) { return bits_for(m->threads); }
static unsigned package_bits(const struct cpu_model *m)
{
    return thread_bits(m) + bits_for(m->cores);
}

static void leaf_version(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    const uint32_t htt = 1 << 28; /* EBX[23:16]: APIC IDs of the package */
    unsigned package = package_bits(c->model);
    out[EAX] = signature(c->model);
    out[EBX] = c->index << 24 | 8 << 8; /* initial APIC ID; CLFLUSH line of 64 bytes */
    if (package) {
        out[EBX] |= (package < 8 ? 1u << package : 0xff) << 16;
        out[EDX] |= htt;
    }
    if (c->cr4 & CR4_OSXSAVE)
        out[ECX] |= 1 << 27;
    if (!(c->msr.apic_base & BIT(11)))            /* the APIC bit mirrors IA32_APIC_BASE.EN */
        out[EDX] &= ~(UINT32_C(1) << 9);
}
/* Descriptors: 32 KiB L1 data and code, 256 KiB L2, TLBs; FFH sends the reader to leaf 4. */
static void leaf_cache_descriptors(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    out[EAX] = 0x00feff01;
    out[EDX] = 0x00f0;
}
static void leaf_cache(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    /* type, level, ways, sets; the last level is the package's, the others are a core's */
    static const uint16_t rows[][4] = { { 1, 1, 8, 64 }, { 2, 1, 8, 64 }, { 3, 2, 4, 1024 },
                                        { 3, 3, 16, 8192 } };
    unsigned package = package_bits(c->model), thread = thread_bits(c->model);
    if (sub >= ARRAY_SIZE(rows))
        return;
    const uint16_t *r = rows[sub];
    out[EAX] = r[0] | (uint32_t)r[1] << 5 | 1 << 8;      /* self-initialising */
    out[EAX] |= ((1u << (r[1] == 3 ? package : thread)) - 1) << 14;
    unsigned core_ids = 1u << (package - thread);
    out[EAX] |= (core_ids < 64 ? core_ids - 1 : 63) << 26;
    out[EBX] = 63 | (r[2] - 1u) << 22;                   /* line size - 1, ways - 1 */
    out[ECX] = r[3] - 1u;
}
static void leaf_mwait(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    if (!cpu_has(c, FEAT_MONITOR))
        return;
    out[EAX] = out[EBX] = 64;                    /* the monitored line */
    out[ECX] = 3;                                /* enumerated; interrupts can break masked MWAIT */
    out[EDX] = 0x10;                             /* one C0 sub-state, one C1 sub-state */
}
static void leaf_thermal(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    out[EAX] = cpu_has(c, FEAT_X2APIC) ? 1 << 2 : 0;     /* ARAT: the APIC timer always runs */
}
/* EAX: the last subleaf. */
static void leaf_structured(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    for (unsigned f = 1; f < FEATURE_COUNT && !sub; f++)
        if (feature_rows[f].leaf == 7 && cpu_has(c, (enum feature)f) &&
            feature_rows[f].subleaf > out[EAX])
            out[EAX] = feature_rows[f].subleaf;
    if (!sub && c->cr4 & CR4_PKE)
        out[ECX] |= 1 << 4;                      /* OSPKE */
}
static void leaf_perfmon(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    if (pmu_version(c->model))
        memcpy(out, c->model->perfmon, sizeof c->model->perfmon);
}
/* Extended topology: EAX, how far to shift an x2APIC ID right for the next level's; EBX, logical
 * processors below that level. */
static void leaf_topology(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    if (!cpu_has(c, FEAT_X2APIC))
        return;
    out[ECX] = sub & 0xff;
    out[EDX] = c->index;
    if (sub > 1)
        return;
    uint32_t threads = c->model->threads ? c->model->threads : 1;
    out[EAX] = sub ? package_bits(c->model) : thread_bits(c->model);
    out[EBX] = sub && c->model->cores ? threads * c->model->cores : threads;
    out[ECX] |= (sub + 1) << 8;                  /* level type: SMT, core */
}
static void leaf_tsc(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    out[ECX] = CRYSTAL_HZ;
    out[EAX] = 1;
    out[EBX] = (uint32_t)(c->model->tsc_hz / CRYSTAL_HZ);
}
static void leaf_frequency(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    out[EAX] = out[EBX] = (uint32_t)(c->model->tsc_hz / 1000000);
    out[ECX] = 100;
}
static void leaf_max_extended(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    out[EAX] = MAX_EXTENDED;
}
/* SYSCALL is reported in 64-bit mode only, on Intel processors. */
static void leaf_extended(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    if (!in_64bit(c))
        out[EDX] &= ~(UINT32_C(1) << 11);
}
static void brand_part(const struct cpu *c, unsigned part, uint32_t out[4])
{
    memcpy(out, c->model->brand + 16 * part, 16);
}
static void leaf_brand0(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    brand_part(c, 0, out);
}
static void leaf_brand1(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    brand_part(c, 1, out);
}
static void leaf_brand2(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    brand_part(c, 2, out);
}
static void leaf_l2(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    out[ECX] = 256 << 16 | 6 << 12 | 64;         /* KiB, 8 ways, line */
}
static void leaf_widths(const struct cpu *c, uint32_t sub, uint32_t out[4])
{
    out[EAX] = c->model->physical_bits | c->model->linear_bits << 8;
}

static const struct leaf {
    uint32_t leaf;
    void (*fill)(const struct cpu *c, uint32_t subleaf, uint32_t out[4]);
} leaves[] = {
    { 0, leaf_vendor }, { 1, leaf_version }, { 2, leaf_cache_descriptors }, { 4, leaf_cache },
    { 5, leaf_mwait }, { 6, leaf_thermal }, { 7, leaf_structured }, { 0xa, leaf_perfmon },
    { 0xb, leaf_topology }, { 0xd, xstate_cpuid }, { 0x15, leaf_tsc }, { 0x16, leaf_frequency },
    { 0x80000000, leaf_max_extended }, { 0x80000001, leaf_extended }, { 0x80000002, leaf_brand0 },
    { 0x80000003, leaf_brand1 }, { 0x80000004, leaf_brand2 }, { 0x80000006, leaf_l2 },
    { 0x80000008, leaf_widths },
};

/* Leaves without subleaves ignore ECX. */
static bool has_subleaves(uint32_t leaf)
{
    return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
}

void model_cpuid(const struct cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    memset(out, 0, 4 * sizeof out[0]);
    /* "If a value higher than the maximum is entered, the data of the highest basic leaf returns."
     */
    if (leaf > MAX_EXTENDED || (leaf > MAX_BASIC && leaf < 0x80000000))
        leaf = MAX_BASIC;
    if (!has_subleaves(leaf))
        subleaf = 0;
    add_feature_words(c, leaf, subleaf, out);
    for (unsigned k = 0; k < ARRAY_SIZE(leaves); k++)
        if (leaves[k].leaf == leaf)
            leaves[k].fill(c, subleaf, out);
}
