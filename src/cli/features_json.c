// SPDX-License-Identifier: Apache-2.0
// `silverpool features --json`.  Numbers of more than 32 bits are text: JSON's own lose bits above
// 2^53 in many readers.
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "cli/features.h"
#include "cpu/cpu.h"
#include "debug/explain_json.h"
#include "vmx/vmx.h"

static json_t *hex(uint64_t v, int digits) { return json_sprintf("0x%0*" PRIx64, digits, v); }

/* ---- CPUID ---- */

static json_t *leaf_json(uint32_t leaf, uint32_t subleaf, const uint32_t r[4])
{
    static const char *const names[4] = { "eax", "ebx", "ecx", "edx" };
    json_t *o = json_pack("{s:o, s:i}", "leaf", hex(leaf, 1), "subleaf", (int)subleaf);
    for (unsigned k = 0; k < 4; k++)
        json_object_set_new(o, names[k], hex(r[k], 8));
    return o;
}

/* Leaves 4, BH and DH go on with the next subleaf until one reports nothing; subleaf 0 of leaf 7
 * tells the last one. */
static void add_leaf(json_t *leaves, const struct cpu *c, uint32_t leaf)
{
    uint32_t r[4];
    bool more = leaf == 4 || leaf == 0xb || leaf == 0xd;
    model_cpuid(c, leaf, 0, r);
    json_array_append_new(leaves, leaf_json(leaf, 0, r));
    for (uint32_t subleaf = 1, last = leaf == 7 ? r[0] : 0; subleaf <= last; subleaf++) {
        model_cpuid(c, leaf, subleaf, r);
        json_array_append_new(leaves, leaf_json(leaf, subleaf, r));
    }
    for (uint32_t subleaf = 1; more; subleaf++) {
        model_cpuid(c, leaf, subleaf, r);
        more = r[0] | r[1];
        if (more)
            json_array_append_new(leaves, leaf_json(leaf, subleaf, r));
    }
}

static json_t *cpuid_json(const struct cpu_model *m)
{
    static const uint32_t first[] = { 0, 0x80000000 };
    json_t *leaves = json_array();
    struct cpu *c = calloc(1, sizeof *c);
    if (!c)
        return leaves;
    c->model = m;
    c->msr.apic_base = BIT(11);
    c->msr.efer = EFER_LMA;
    c->seg[CS].access = SEG_L;
    for (unsigned k = 0; k < ARRAY_SIZE(first); k++) {
        uint32_t r[4];
        model_cpuid(c, first[k], 0, r);
        for (uint32_t leaf = first[k]; leaf <= r[0]; leaf++)
            add_leaf(leaves, c, leaf);
    }
    free(c);
    return leaves;
}

static json_t *features_array(const struct cpu_model *m)
{
    json_t *a = json_array();
    char name[32];
    for (unsigned f = 1; f < FEATURE_COUNT; f++)
        if (m->features[f])
            json_array_append_new(a,
                                  json_string(features_name((enum feature)f, name, sizeof name)));
    return a;
}

/* ---- VMX ---- */

static json_t *msrs_json(const uint64_t *cap)
{
    json_t *o = json_object();
    for (unsigned k = 0; k < VMX_CAPABILITY_MSRS; k++)
        if (vmx_capability_exists(cap, k))
            json_object_set_new(o, vmx_capability_name(k), hex(cap[k], 16));
    return o;
}

/* The controls of one word by their keys: may the bit be 0, may it be 1? */
static json_t *word_json(const uint64_t *cap, enum control_word w)
{
    json_t *o = json_object();
    struct vmx_control_bit row;
    for (unsigned k = 0; vmx_control_bit(k, &row); k++) {
        if (row.word != w || !row.modelled)
            continue;
        json_object_set_new(o, row.key,
                            json_pack("{s:s, s:i, s:b, s:b}", "name", row.name, "bit", row.bit,
                                      "allowed0", !(vmx_allowed0(cap, w) >> row.bit & 1),
                                      "allowed1", (int)(vmx_allowed1(cap, w) >> row.bit & 1)));
    }
    return o;
}

static json_t *bits_json(const uint64_t *cap, unsigned msr)
{
    json_t *o = json_object();
    struct vmx_capability_bit row;
    for (unsigned k = 0; vmx_capability_bit(k, &row); k++)
        if (row.msr == msr)
            json_object_set_new(o, row.key, json_boolean(cap[msr] >> row.bit & 1));
    return o;
}

static json_t *number(uint64_t v, unsigned shift, uint64_t mask)
{
    return json_integer((json_int_t)(v >> shift & mask));
}

static json_t *fields_json(const uint64_t *cap)
{
    uint64_t basic = cap[CAP_BASIC], misc = cap[CAP_MISC];
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "vmcs_revision",
                     hex(basic & 0x7fffffff, 8), "vmcs_region_size", number(basic, 32, 0x1fff),
                     "vmcs_memory_type", number(basic, 50, 15), "preemption_timer_rate",
                     number(misc, 0, 0x1f), "cr3_targets", number(misc, 16, 0x1ff), "msr_list_max",
                     json_integer(512 * (1 + (json_int_t)(misc >> 25 & 7))), "vmcs_highest_index",
                     number(cap[CAP_VMCS_ENUM], 1, 0x1ff), "cr0_fixed_to_1",
                     hex(cap[CAP_CR0_FIXED0], 16), "cr4_fixed_to_1", hex(cap[CAP_CR4_FIXED0], 16),
                     "cr4_can_be_1", hex(cap[CAP_CR4_FIXED1], 16));
}

static json_t *vmx_json(const uint64_t *cap)
{
    json_t *controls = json_object(), *bits = json_object();
    for (unsigned w = 0; w < WORD_COUNT; w++)
        json_object_set_new(controls, features_word_name(w), word_json(cap, w));
    for (unsigned msr = 0; msr < VMX_CAPABILITY_MSRS; msr++) {
        json_t *o = bits_json(cap, msr);
        if (vmx_capability_exists(cap, msr) && json_object_size(o))
            json_object_set(bits, vmx_capability_name(msr), o);
        json_decref(o);
    }
    return json_pack("{s:o, s:o, s:o}", "controls", controls, "bits", bits, "fields",
                     fields_json(cap));
}

void features_json(FILE *out, const struct cpu_model *m)
{
    const uint64_t *cap = m->vmx_capability;
    json_t *o = json_pack("{s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:o, s:o}", "name", m->name, "brand",
                          explain_text_json(m->brand), "family", (int)m->family, "model",
                          (int)m->model, "stepping", (int)m->stepping, "physical_bits",
                          (int)m->physical_bits, "linear_bits", (int)m->linear_bits, "features",
                          features_array(m), "cpuid", cpuid_json(m));
    if (o && model_has(m, FEAT_VMX)) {
        json_object_set_new(o, "msrs", msrs_json(cap));
        json_object_set_new(o, "vmx", vmx_json(cap));
    }
    if (o && !json_dumpf(o, out, JSON_INDENT(1)))
        fputs("\n", out);
    json_decref(o);
}
