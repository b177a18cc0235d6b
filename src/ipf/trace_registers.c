// SPDX-License-Identifier: Apache-2.0
// Which registers an operation has changed.
#include "ipf/trace.h"

#include "trace/registers_ipf.h"

_Static_assert(TRACE_REGISTERS_MAX == 512, "struct ipf_told has room for all");

static const struct {
    uint16_t id, number;
} ars[] = {
#define ONE(NAME, name, bits)
#define MANY(NAME, name, first, number, bits)
#define AR(NAME, number, name) { IREG_AR_##NAME, number },
#define CR(NAME, number, name)
#include "trace/registers_ipf.def"
}, crs[] = {
#define ONE(NAME, name, bits)
#define MANY(NAME, name, first, number, bits)
#define AR(NAME, number, name)
#define CR(NAME, number, name) { IREG_CR_##NAME, number },
#include "trace/registers_ipf.def"
};

/* ---- what an encoding writes ---- */

/* Operations that change nothing but their targets, predicates, PSR, AR.FPSR, AR.UNAT, AR.CSD. */
static bool writes_little(enum ipf_format f)
{
    return (f >= IPF_FORMAT_A1 && f <= IPF_FORMAT_I18) ||
           (f >= IPF_FORMAT_I22 && f <= IPF_FORMAT_I25_pr) ||
           (f >= IPF_FORMAT_I28 && f <= IPF_FORMAT_I30) ||
           (f >= IPF_FORMAT_M1 && f <= IPF_FORMAT_M19) ||
           (f >= IPF_FORMAT_F1 && f <= IPF_FORMAT_F13) || f == IPF_FORMAT_F16 ||
           f == IPF_FORMAT_M48 || f == IPF_FORMAT_X2 || f == IPF_FORMAT_X5;
}

static bool is_branch(enum ipf_format f)
{
    return (f >= IPF_FORMAT_B1 && f <= IPF_FORMAT_B7) || f == IPF_FORMAT_I20 ||
           f == IPF_FORMAT_I21 || (f >= IPF_FORMAT_M20 && f <= IPF_FORMAT_M23) ||
           f == IPF_FORMAT_F14 || f == IPF_FORMAT_X3 || f == IPF_FORMAT_X4 ||
           f == IPF_FORMAT_M34;
}

struct ipf_writes ipf_trace_writes(const struct ipf_slot *s)
{
    struct ipf_writes w = { .others = WRITES_ANY };
    if (!s->row)
        return w;
    enum ipf_format f = (enum ipf_format)s->row->format;
    w.gr1 = s->target == TARGET_GR ? s->r[1] : 0;
    w.gr3 = s->updates ? s->r[3] : 0;
    w.fr1 = s->target == TARGET_FR ? s->r[1] : 0;
    if (f == IPF_FORMAT_M11 || f == IPF_FORMAT_M12_8 || f == IPF_FORMAT_M12_16)
        w.fr2 = s->r[2];
    w.others = writes_little(f) ? WRITES_LITTLE : is_branch(f) ? WRITES_BRANCH : WRITES_ANY;
    return w;
}

/* ---- comparing ---- */

static void compare(struct ipf_told *t, unsigned id, uint64_t low, uint64_t high)
{
    uint64_t *told = t->value[id];
    if (told[0] == low && told[1] == high)
        return;
    told[0] = low;
    told[1] = high;
    bool wide = id >= IREG_GR && id <= IREG_FR_LAST;
    t->changed[t->n++] =
        (struct trace_register){ (uint16_t)(id | (wide ? TRACE_WIDE_ID : 0)), { low, high } };
}

static void compare_run(struct ipf_told *t, unsigned id, const uint64_t *now, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        compare(t, id + k, now[k], 0);
}

static void compare_gr(struct ipf_told *t, struct ipf_cpu *c, unsigned n)
{
    if (!n || n >= 32u + c->cfm.sof)
        return;
    const struct ipf_gr *r = gr(c, n);
    compare(t, IREG_GR + n - 1, r->v, r->nat);
}

static uint64_t above(const struct ipf_fr *r) { return r->exponent | (uint64_t)r->sign << 17; }
static void compare_fr(struct ipf_told *t, struct ipf_cpu *c, unsigned n)
{
    if (n < 2)
        return;
    const struct ipf_fr *r = fr(c, n);
    compare(t, IREG_FR + n - 2, r->significand, above(r));
}

static void compare_frame(struct ipf_told *t, const struct ipf_cpu *c)
{
    compare(t, IREG_CFM, cfm_pack(&c->cfm), 0);
    compare_run(t, IREG_BR, c->br, 8);
    compare(t, IREG_AR_BSP, c->bsp, 0);
    compare(t, IREG_AR_BSPSTORE, c->bspstore, 0);
    compare(t, IREG_AR_RNAT, c->rnat, 0);
    compare(t, IREG_AR_PFS, c->ar[AR_PFS], 0);
    compare(t, IREG_AR_LC, c->ar[AR_LC], 0);
    compare(t, IREG_AR_EC, c->ar[AR_EC], 0);
}

static void compare_system(struct ipf_told *t, struct ipf_cpu *c)
{
    for (size_t k = 0; k < ARRAY_SIZE(ars); k++)
        if (ars[k].number < AR_BSP || ars[k].number > AR_RNAT)
            compare(t, ars[k].id, c->ar[ars[k].number], 0);
    for (size_t k = 0; k < ARRAY_SIZE(crs); k++)
        compare(t, crs[k].id, c->cr[crs[k].number], 0);
    compare_run(t, IREG_IRR, c->irr, 4);
    for (unsigned n = 1; n < 32; n++)
        compare_gr(t, c, n);
    compare_run(t, IREG_RR, c->rr, 8);
    compare_run(t, IREG_PKR, c->pkr, 16);
    compare_run(t, IREG_IBR, c->ibr, 8);
    compare_run(t, IREG_DBR, c->dbr, 8);
    compare_run(t, IREG_PMC, c->pmc, 32);
    compare_run(t, IREG_PMD, c->pmd, 32);
}

void ipf_trace_compare(struct ipf_told *t, struct ipf_cpu *c, const struct ipf_writes *w)
{
    compare(t, IREG_PR, c->pr, 0);
    compare(t, IREG_PSR, c->psr, 0);
    compare(t, IREG_CPL, cpl(c), 0);
    compare(t, IREG_VM, c->psr & PSR_VM ? 1 : 0, 0);
    if (w->others != WRITES_LITTLE)
        compare_frame(t, c);
    if (w->others == WRITES_ANY) {
        compare_system(t, c);
    } else {
        compare(t, IREG_AR_UNAT, c->ar[AR_UNAT], 0);
        compare(t, IREG_AR_FPSR, c->ar[AR_FPSR], 0);
        compare(t, IREG_AR_CSD, c->ar[AR_CSD], 0);
    }
    compare_gr(t, c, w->gr1);
    compare_gr(t, c, w->gr3);
    compare_fr(t, c, w->fr1);
    compare_fr(t, c, w->fr2);
}

/* r32 and f32 on are others after each call and rotation: what they were is no news. */
void ipf_trace_look(struct ipf_told *t, struct ipf_cpu *c, const struct ipf_writes *w)
{
    t->n = 0;
    if (w->gr1 >= 32)
        compare_gr(t, c, w->gr1);
    if (w->gr3 >= 32)
        compare_gr(t, c, w->gr3);
    if (w->fr1 >= 32)
        compare_fr(t, c, w->fr1);
    if (w->fr2 >= 32)
        compare_fr(t, c, w->fr2);
    t->n = 0;
}

void ipf_trace_whole(struct ipf_told *t, struct ipf_cpu *c)
{
    const struct ipf_writes all = { .others = WRITES_ANY };
    for (unsigned id = 0; id < TRACE_REGISTERS_IPF; id++)
        t->value[id][1] = UINT64_MAX; /* what no register has */
    t->n = 0;
    ipf_trace_compare(t, c, &all);
    for (unsigned n = 32; n < 32u + c->cfm.sof; n++)
        compare_gr(t, c, n);
    for (unsigned n = 2; n < 128; n++)
        compare_fr(t, c, n);
}
