// SPDX-License-Identifier: Apache-2.0
#include "debug/ipf_rules.h"

#include <stdio.h>
#include <string.h>

#include "ipf/cpu.h"
#include "ipf/disasm.h"
#include "ipf/translate.h"
#include "mem/phys.h"

/* ---- the instruction ---- */

struct ipf_code_bytes ipf_code_fetch(const struct ipf_cpu *c, uint64_t ip)
{
    struct ipf_code_bytes x = { 0 };
    uint64_t pa;
    if (!ipf_peek(c, IPF_INSTRUCTIONS, ip & ~UINT64_C(15), &pa))
        return x;
    return (struct ipf_code_bytes){ mem_read_le(c->mem, pa, 8), mem_read_le(c->mem, pa + 8, 8),
                                    true };
}

struct ipf_code_slot ipf_code_decode(const struct ipf_code_bytes *code, unsigned slot)
{
    struct ipf_code_slot x = { 0 };
    struct ipf_bundle b = ipf_bundle(code->low, code->high);
    const struct ipf_template *t = ipf_template(b.template);
    unsigned at = slot > 2 || t->unit[slot] == IPF_L ? 2 : slot;
    x.reserved = t->unit[0] == IPF_L;
    x.known = !x.reserved && ipf_decode((enum ipf_unit)t->unit[at], b.slot[at], b.slot[1], &x.insn);
    return x;
}

void ipf_code_print(const struct ipf_code_bytes *code, uint64_t ip, unsigned slot, char *out,
                    size_t size)
{
    struct ipf_code_slot x = ipf_code_decode(code, slot);
    if (!code->mapped)
        snprintf(out, size, "(not mapped)");
    else if (x.known)
        ipf_print(out, size, &x.insn, ip);
    else
        snprintf(out, size, x.reserved ? "(reserved template)" : "(reserved)");
}

/* ---- predicates, which may take for granted that none above them holds ---- */

struct context {
    const struct ipf_cpu *c;
    const struct ipf_event *e;
    const struct ipf_code_bytes *bytes;
    struct ipf_code_slot code;
    const struct ipf_slot *s; /* &code.insn */
};

static enum ipf_format format(const struct context *x)
{
    return x->code.known ? (enum ipf_format)x->s->row->format : IPF_FORMATS;
}
static bool is_format(const struct context *x, enum ipf_format first, enum ipf_format last)
{
    return format(x) >= first && format(x) <= last;
}
static bool named(const struct context *x, const char *name)
{
    return x->code.known && !strcmp(x->s->row->name, name);
}
static bool starts(const struct context *x, const char *start)
{
    return x->code.known && !strncmp(x->s->row->name, start, strlen(start));
}
static bool no_target(const struct context *x, unsigned n) { return n >= 32u + x->c->cfm.sof; }
static uint64_t value_of(const struct context *x, unsigned n)
{
    const struct ipf_cpu *c = x->c;
    if (n < 32)
        return c->gr[n].v;
    n -= 32;
    if (n < c->cfm.sor)
        n = (n + c->cfm.rrb_gr) % c->cfm.sor;
    return c->frame[n].v;
}
static bool otherwise(const struct context *x) { return x->c; }

static bool reserved_template(const struct context *x) { return x->code.reserved; }
static bool reserved_encoding(const struct context *x)
{
    return x->bytes->mapped && !x->code.known;
}
static bool vmsw(const struct context *x) { return starts(x, "vmsw"); }
static bool target_r0(const struct context *x) { return x->s->target == TARGET_GR && !x->s->r[1]; }
static bool target_f0_f1(const struct context *x)
{
    return x->s->target == TARGET_FR && x->s->r[1] < 2;
}
static bool base_r0(const struct context *x) { return x->s->updates && !x->s->r[3]; }
static bool base_is_target(const struct context *x)
{
    return x->s->updates && x->s->target == TARGET_GR && x->s->r[1] == x->s->r[3];
}
static bool reserved_value(const struct context *x)
{
    unsigned v = x->s->small[1];
    return (format(x) == IPF_FORMAT_A10 && v > 3) ||
           (format(x) == IPF_FORMAT_I3 && v && (v < 8 || v > 11));
}
static bool alloc_sizes(const struct context *x)
{
    unsigned sof = x->s->r[2];
    return format(x) == IPF_FORMAT_M34 &&
           (sof > IPF_STACKED || x->s->r[3] > sof || x->s->r[4] * 8u > sof);
}
static bool alloc_target(const struct context *x) { return format(x) == IPF_FORMAT_M34; }
static bool loop_branch_slot(const struct context *x)
{
    return format(x) == IPF_FORMAT_B1 || format(x) == IPF_FORMAT_B2;
}
static bool epc_level(const struct context *x) { return named(x, "epc"); }
static bool loadrs_mode(const struct context *x)
{
    return named(x, "loadrs") && x->c->ar[AR_RSC] & 3;
}
static bool loadrs_frame(const struct context *x) { return named(x, "loadrs") && x->c->cfm.sof; }
static bool loadrs_size(const struct context *x) { return named(x, "loadrs"); }
static bool pair_banks(const struct context *x)
{
    bool pair = is_format(x, IPF_FORMAT_M11, IPF_FORMAT_M12_16);
    return pair && (x->s->r[2] < 2 || !((x->s->r[1] ^ x->s->r[2]) & 1));
}
static bool same_predicates(const struct context *x)
{
    bool compare = is_format(x, IPF_FORMAT_A6, IPF_FORMAT_A8) || format(x) == IPF_FORMAT_I16 ||
                   format(x) == IPF_FORMAT_I17 || format(x) == IPF_FORMAT_I30 ||
                   is_format(x, IPF_FORMAT_F4, IPF_FORMAT_F5);
    return compare && x->s->r[1] == x->s->r[4];
}
static bool inserts(const struct context *x)
{
    return format(x) == IPF_FORMAT_M41 || format(x) == IPF_FORMAT_M42_dtr ||
           format(x) == IPF_FORMAT_M42_itr;
}
static bool insert_with_ic(const struct context *x) { return inserts(x); }
static bool moves_cr(const struct context *x)
{
    return is_format(x, IPF_FORMAT_M32, IPF_FORMAT_M33);
}
static bool cr_read_only(const struct context *x)
{
    unsigned n = x->s->r[3];
    return format(x) == IPF_FORMAT_M32 && (n == CR_IVR || (n >= CR_IRR0 && n < CR_IRR0 + 4));
}
static bool cr_with_ic(const struct context *x)
{
    unsigned n = x->s->r[3];
    return moves_cr(x) && ipf_cr_name(n) && n >= CR_IPSR && n <= CR_IHA && x->c->psr & PSR_IC;
}
static bool cr_unknown(const struct context *x)
{
    return moves_cr(x) && (format(x) == IPF_FORMAT_M32 || !no_target(x, x->s->r[1]));
}
static bool writes_ar(const struct context *x)
{
    return is_format(x, IPF_FORMAT_M29, IPF_FORMAT_M30) ||
           is_format(x, IPF_FORMAT_I26, IPF_FORMAT_I27);
}
static bool moves_ar(const struct context *x)
{
    return writes_ar(x) || format(x) == IPF_FORMAT_M31 || format(x) == IPF_FORMAT_I28;
}
static bool ar_unit(const struct context *x)
{
    unsigned n = x->s->r[3];
    return moves_ar(x) && ipf_ar_name(n) && x->s->row->arg != (n >= 64);
}
static bool ar_read_only(const struct context *x)
{
    return writes_ar(x) && x->s->r[3] == AR_BSP && !ar_unit(x);
}
static bool ar_rse_mode(const struct context *x)
{
    unsigned n = x->s->r[3];
    return moves_ar(x) && (n == AR_BSPSTORE || n == AR_RNAT) && x->c->ar[AR_RSC] & 3 && !ar_unit(x);
}
static bool ar_unknown(const struct context *x)
{
    return moves_ar(x) && (writes_ar(x) || !no_target(x, x->s->r[1]));
}
static bool base_beyond_frame(const struct context *x)
{
    return x->s->updates && no_target(x, x->s->r[3]);
}
static bool target_beyond_frame(const struct context *x)
{
    return x->s->target == TARGET_GR && no_target(x, x->s->r[1]);
}

#define privileged_instruction otherwise
static bool interval_timer(const struct context *x)
{
    return x->s->r[3] == AR_ITC && !writes_ar(x);
}
#define kernel_register otherwise

static bool cr_field(const struct context *x) { return format(x) == IPF_FORMAT_M32; }
static bool psr_field(const struct context *x)
{
    return is_format(x, IPF_FORMAT_M35_l, IPF_FORMAT_M35_um);
}
static bool mask_field(const struct context *x) { return format(x) == IPF_FORMAT_M44; }
static bool alloc_rotates(const struct context *x) { return format(x) == IPF_FORMAT_M34; }
static bool ar_field(const struct context *x) { return writes_ar(x); }
static bool register_number(const struct context *x)
{
    bool of_8 = format(x) == IPF_FORMAT_M42_dbr || format(x) == IPF_FORMAT_M42_ibr;
    return of_8 || is_format(x, IPF_FORMAT_M43_rr, IPF_FORMAT_M43_cpuid) ||
           (format(x) == IPF_FORMAT_M42_pkr && (value_of(x, x->s->r[3]) & 0xff) >= IPF_KEYS);
}
static bool rr_field(const struct context *x) { return format(x) == IPF_FORMAT_M42_rr; }
static bool pkr_field(const struct context *x) { return format(x) == IPF_FORMAT_M42_pkr; }
static bool tr_number(const struct context *x)
{
    return inserts(x) && format(x) != IPF_FORMAT_M41 && (value_of(x, x->s->r[3]) & 0xff) >= IPF_TR;
}
static bool insert_page_size(const struct context *x)
{
    return inserts(x) && !(IPF_PAGE_SIZES >> bits(x->c->cr[CR_ITIR], 7, 2) & 1);
}
static bool insert_field(const struct context *x) { return inserts(x); }
static bool fsetc_controls(const struct context *x) { return format(x) == IPF_FORMAT_F12; }
#define float_precision otherwise

/* An insertion or purge names a virtual address whatever PSR.dt says, as tpa does. */
static bool unimplemented_virtual(const struct context *x)
{
    return x->e->isr & ISR_RS ? x->c->psr & PSR_RT
                              : x->c->psr & PSR_DT || !(x->e->isr & (ISR_R | ISR_W));
}
#define unimplemented_physical otherwise
/* Implemented, but not for a virtual machine. */
static bool hidden(const struct context *x)
{
    uint64_t all = (BIT(61) - 1) >> x->c->va_msb, top = x->e->value >> x->c->va_msb & all;
    return x->c->psr & PSR_VM && (top == 0 || top == all);
}
static bool hidden_data(const struct context *x) { return unimplemented_virtual(x) && hidden(x); }
static bool hidden_code(const struct context *x) { return x->c->psr & PSR_IT && hidden(x); }

static bool low_fp_disabled(const struct context *x) { return x->e->isr & 1; }
#define high_fp_disabled otherwise
#define register_nat otherwise

static bool instruction_breakpoint(const struct context *x) { return x->e->isr & ISR_X; }
#define data_breakpoint otherwise
static bool is_semaphore(const struct context *x)
{
    return is_format(x, IPF_FORMAT_M16, IPF_FORMAT_M17) || format(x) == IPF_FORMAT_M1_pair ||
           format(x) == IPF_FORMAT_M4_pair;
}
static bool unaligned_semaphore(const struct context *x) { return is_semaphore(x); }
static bool unaligned_checked(const struct context *x) { return x->c->psr & PSR_AC; }
#define unaligned_crossing otherwise
static bool uncacheable_extended(const struct context *x) { return !is_semaphore(x); }
#define uncacheable_semaphore otherwise

/* SDM vol. 2, "Floating-point Fault vector", "Floating-point Trap vector": ISR.code of both halves
 * of a parallel operation. */
enum { FAULT_V = 0x11, FAULT_Z = 0x44 };
enum { TRAP_O = 0x880, TRAP_U = 0x1100 };
static bool float_invalid(const struct context *x) { return x->e->isr & FAULT_V; }
static bool float_zero_divide(const struct context *x) { return x->e->isr & FAULT_Z; }
#define float_denormal otherwise
static bool float_overflow(const struct context *x) { return x->e->isr & TRAP_O; }
static bool float_underflow(const struct context *x) { return x->e->isr & TRAP_U; }
#define float_inexact otherwise

#define lower_privilege otherwise
#define taken_branch otherwise
#define single_step otherwise
static bool zero_bundle(const struct context *x)
{
    return x->bytes->mapped && !x->bytes->low && !x->bytes->high;
}
static bool ssc_call(const struct context *x)
{
    enum { SSC_BREAK_OLD = 0x80000, SSC_BREAK = 0x80001 };
    return x->e->value == SSC_BREAK || x->e->value == SSC_BREAK_OLD;
}
#define break_instruction otherwise
#define vmsw_conditions vmsw
#define virtualized_instruction otherwise
#define unimplemented_code otherwise

#define vhpt_of_code otherwise
#define vhpt_of_data otherwise
#define no_code_entry otherwise
#define no_data_entry otherwise
#define no_code_walk otherwise
#define no_data_walk otherwise
#define nested_miss otherwise
#define code_key_miss otherwise
#define data_key_miss otherwise
#define key_permission otherwise
#define not_dirty otherwise
#define code_not_accessed otherwise
#define data_not_accessed otherwise
#define not_present otherwise
#define code_rights otherwise
#define data_rights otherwise
#define nat_page otherwise

/* ---- the table ---- */

static const struct ipf_rule rules[] = {
#define RULE(id, interruption, section, sentence) { #id, section, sentence, INT_##interruption },
#include "debug/ipf_rules.def"
};
static bool (*const broken[])(const struct context *x) = {
#define RULE(id, interruption, section, sentence) id,
#include "debug/ipf_rules.def"
};

const struct ipf_rule *ipf_rule_at(unsigned n) { return n < ARRAY_SIZE(rules) ? &rules[n] : NULL; }

bool ipf_rule_needs_registers(const struct ipf_event *e)
{
    return e->what >= INT_ILLEGAL_OPERATION && e->what <= INT_UNSUPPORTED_DATA;
}

const struct ipf_rule *ipf_broken_rule(const struct ipf_cpu *c, const struct ipf_event *e,
                                       const struct ipf_code_bytes *code)
{
    struct context x = { .c = c, .e = e, .bytes = code, .code = ipf_code_decode(code, e->slot) };
    x.s = &x.code.insn;
    for (unsigned n = 0; n < ARRAY_SIZE(rules); n++)
        if (rules[n].what == e->what && broken[n](&x))
            return &rules[n];
    return NULL;
}
