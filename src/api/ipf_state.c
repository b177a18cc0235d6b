// SPDX-License-Identifier: Apache-2.0
// The public API: registers of Itanium processors, by file and number; those whose change has
// consequences have a function that writes them.
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "ipf/cpu.h"
#include "ipf/disasm.h"
#include "ipf/op.h"

/* ---- plain arrays ---- */

#define PLAIN(file)                                                                                \
    static uint64_t get_##file(struct ipf_cpu *c, unsigned n) { return c->file[n]; }               \
    static void set_##file(struct ipf_cpu *c, unsigned n, uint64_t v) { c->file[n] = v; }
PLAIN(br)
PLAIN(pmc)
PLAIN(pmd)
/* What is cached of translations, and whether there are breakpoints, follows from these. */
#define WATCHED(file)                                                                              \
    static uint64_t get_##file(struct ipf_cpu *c, unsigned n) { return c->file[n]; }               \
    static void set_##file(struct ipf_cpu *c, unsigned n, uint64_t v)                              \
    {                                                                                              \
        c->file[n] = v;                                                                            \
        ipf_breakpoints_changed(c);                                                                \
    }
WATCHED(rr)
WATCHED(pkr)
WATCHED(ibr)
WATCHED(dbr)
static uint64_t get_cpuid(struct ipf_cpu *c, unsigned n) { return c->cpuid[n]; }

/* ---- general, floating-point, predicate registers ---- */

static bool gr_in_frame(const struct ipf_cpu *c, unsigned n) { return n < 32u + c->cfm.sof; }
static uint64_t get_gr(struct ipf_cpu *c, unsigned n) { return gr(c, n)->v; }
static void set_gr(struct ipf_cpu *c, unsigned n, uint64_t v) { gr(c, n)->v = v; }
static uint64_t get_nat(struct ipf_cpu *c, unsigned n) { return gr(c, n)->nat; }
static void set_nat(struct ipf_cpu *c, unsigned n, uint64_t v) { gr(c, n)->nat = v & 1; }

static uint64_t get_significand(struct ipf_cpu *c, unsigned n) { return fr(c, n)->significand; }
static void set_significand(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    fr(c, n)->significand = v;
}
static uint64_t get_exponent(struct ipf_cpu *c, unsigned n) { return fr(c, n)->exponent; }
static void set_exponent(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    fr(c, n)->exponent = v & 0x1ffff;
}
static uint64_t get_sign(struct ipf_cpu *c, unsigned n) { return fr(c, n)->sign; }
static void set_sign(struct ipf_cpu *c, unsigned n, uint64_t v) { fr(c, n)->sign = v & 1; }

static uint64_t get_predicate(struct ipf_cpu *c, unsigned n) { return c->pr >> n & 1; }
static void set_predicate(struct ipf_cpu *c, unsigned n, uint64_t v) { set_pr(c, n, v & 1); }
static uint64_t get_predicates(struct ipf_cpu *c, unsigned n)
{
    (void)n;
    return rotated_pr(c->pr, c->cfm.rrb_pr);
}
static void set_predicates(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    (void)n;
    c->pr = rotated_pr(v | 1, 48u - c->cfm.rrb_pr);
}

/* ---- ip, PSR, CFM ---- */

static uint64_t get_ip(struct ipf_cpu *c, unsigned n)
{
    (void)n;
    return c->ip;
}
static void set_ip(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    (void)n;
    c->ip = v & ~UINT64_C(15);
    c->slot = 0;
}
static uint64_t get_psr(struct ipf_cpu *c, unsigned n)
{
    (void)n;
    return c->psr | (uint64_t)c->slot << PSR_RI_SHIFT;
}
static void write_psr(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    (void)n;
    ipf_switch_bank(c, v & PSR_BN);
    c->psr = v & ~(PSR_RI | PSR_IS);
    c->slot = (v & PSR_RI) >> PSR_RI_SHIFT;
    c->slot %= 3;
    ipf_flush(c);
    ipf_mode_changed(c);
}
static uint64_t get_cfm(struct ipf_cpu *c, unsigned n)
{
    (void)n;
    return cfm_pack(&c->cfm);
}

/* ---- application and control registers ---- */

static uint64_t get_ar(struct ipf_cpu *c, unsigned n)
{
    switch (n) {
    case AR_BSP: return c->bsp;
    case AR_BSPSTORE: return c->bspstore;
    case AR_RNAT: return c->rnat;
    case AR_ITC: return ipf_itc(c, 0);
    default: return c->ar[n];
    }
}
static void set_ar(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    switch (n) {
    case AR_BSPSTORE: rse_set_bspstore(c, v); break;
    case AR_RNAT: c->rnat = v & ~BIT(63); break;
    case AR_ITC: ipf_set_itc(c, 0, v); break;
    default: c->ar[n] = v;
    }
}
static uint64_t get_cr(struct ipf_cpu *c, unsigned n)
{
    return n >= CR_IRR0 && n < CR_IRR0 + 4 ? c->irr[n - CR_IRR0] : c->cr[n];
}
static void set_cr(struct ipf_cpu *c, unsigned n, uint64_t v)
{
    if (n == CR_ITM)
        ipf_set_itm(c, 0, v);
    c->cr[n] = v;
    ipf_interrupts_changed(c);
    ipf_flush(c);
}

/* ---- by name ---- */

struct file {
    const char *name, *suffix;
    unsigned count; /* 0: a single register, without a number */
    uint64_t (*get)(struct ipf_cpu *c, unsigned n);
    void (*set)(struct ipf_cpu *c, unsigned n, uint64_t v); /* NULL: read-only */
    unsigned writable;                                      /* the first that is */
};
static const struct file files[] = {
    { "gr", "", 128, get_gr, set_gr, 1 },
    { "gr", ".nat", 128, get_nat, set_nat, 1 },
    { "fr", ".significand", 128, get_significand, set_significand, 2 },
    { "fr", ".exponent", 128, get_exponent, set_exponent, 2 },
    { "fr", ".sign", 128, get_sign, set_sign, 2 },
    { "pr", "", 64, get_predicate, set_predicate, 1 },
    { "pr", "", 0, get_predicates, set_predicates, 0 },
    { "br", "", 8, get_br, set_br, 0 },
    { "ip", "", 0, get_ip, set_ip, 0 },
    { "psr", "", 0, get_psr, write_psr, 0 },
    { "cfm", "", 0, get_cfm, NULL, 0 },
    { "rr", "", 8, get_rr, set_rr, 0 },
    { "pkr", "", IPF_KEYS, get_pkr, set_pkr, 0 },
    { "ibr", "", 8, get_ibr, set_ibr, 0 },
    { "dbr", "", 8, get_dbr, set_dbr, 0 },
    { "pmc", "", 32, get_pmc, set_pmc, 0 },
    { "pmd", "", 32, get_pmd, set_pmd, 0 },
    { "cpuid", "", 5, get_cpuid, NULL, 0 },
    { "ar", "", 128, get_ar, set_ar, 0 },
    { "cr", "", 128, get_cr, set_cr, 0 },
};

/* "ar.rsc", "cr.iva": their numbers; -1: no such name. */
static int number_of(const char *name)
{
    const char *(*names)(unsigned) = !strncmp(name, "ar.", 3)   ? ipf_ar_name
                                     : !strncmp(name, "cr.", 3) ? ipf_cr_name
                                                                : NULL;
    for (unsigned n = 0; names && n < 128; n++)
        if (names(n) && !strcmp(names(n), name))
            return (int)n;
    return -1;
}

/* Whether the name is one of the file's; its number. */
static bool is_of(const struct file *f, const char *name, unsigned *n)
{
    size_t length = strlen(f->name);
    char *end = (char *)name + length;
    if (strncmp(name, f->name, length))
        return false;
    int named = f->count ? number_of(name) : -1;
    if (named >= 0)
        return *n = (unsigned)named, true;
    bool digits = *end >= '0' && *end <= '9';
    *n = digits ? (unsigned)strtoul(end, &end, 10) : 0;
    return digits == (f->count > 0) && *n <= f->count - digits && !strcmp(end, f->suffix);
}

static const struct file *find(struct sp_machine *m, struct ipf_cpu *c, const char *name,
                               unsigned *n)
{
    for (size_t k = 0; k < ARRAY_SIZE(files); k++) {
        if (!is_of(&files[k], name, n))
            continue;
        if (files[k].get != get_gr && files[k].get != get_nat)
            return &files[k];
        if (gr_in_frame(c, *n))
            return &files[k];
        api_fail(m, "%s is outside of the frame", name);
        return NULL;
    }
    api_fail(m, "there is no register \"%s\"", name);
    return NULL;
}

bool api_ipf_reg_read(struct sp_machine *m, unsigned cpu, const char *name, uint64_t *value)
{
    unsigned n;
    struct ipf_cpu *c = api_ipf_cpu(m, cpu);
    const struct file *f = c ? find(m, c, name, &n) : NULL;
    if (!f)
        return false;
    if (f->get == get_cr && n == CR_IVR)
        return api_fail(m, "%s: reading it would take the interrupt", name);
    *value = f->get(c, n);
    return true;
}

bool api_ipf_reg_write(struct sp_machine *m, unsigned cpu, const char *name, uint64_t value)
{
    unsigned n;
    struct ipf_cpu *c = api_ipf_cpu(m, cpu);
    const struct file *f = c ? find(m, c, name, &n) : NULL;
    if (!f)
        return false;
    bool fixed = f->get == get_ar   ? n == AR_BSP
                 : f->get == get_cr ? n == CR_IVR || (n >= CR_IRR0 && n < CR_IRR0 + 4)
                                    : n < f->writable;
    if (!f->set || fixed)
        return api_fail(m, "%s is read-only", name);
    f->set(c, n, value);
    return true;
}
