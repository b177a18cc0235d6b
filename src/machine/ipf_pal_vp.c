// SPDX-License-Identifier: Apache-2.0
// PAL procedures on virtual processors (SDM vol. 2, "PAL Procedures", PAL_VP_*).  Where the manual
// leaves a status open, an argument that cannot be right gets -2, a call at the wrong time -3; none
// of them needs a PAL memory buffer (-9).
#include "machine/ipf_pal.h"

#include "ipf/op.h"

/* config_options of PAL_VP_INIT_ENV.  That `be` is bit 2 is not verified against the manual. */
#define OPTION_INITIALIZE BIT(0)
#define OPTION_FR_PMC BIT(1)
#define OPTION_BE BIT(2)
#define OPTION_OPCODE BIT(8)
#define OPTION_CAUSE BIT(9)
#define OPTION_IMPL BIT(63)
#define OPTIONS                                                                                    \
    (OPTION_INITIALIZE | OPTION_FR_PMC | OPTION_BE | OPTION_OPCODE | OPTION_CAUSE | OPTION_IMPL)

/* ---- where things are mapped ---- */

static bool in_register(const struct ipf_cpu *c, enum ipf_side side, uint64_t va)
{
    const struct ipf_translation *t = ipf_tlb_find(c, side, va);
    return t && t >= c->tlb[side].tr && t < c->tlb[side].tr + IPF_TR;
}

/* Touches [va, va + size) as PAL would, which may fault; *pa: where it begins. */
static bool touch(struct ipf_call *x, uint64_t va, uint64_t size, uint64_t *pa)
{
    for (uint64_t offset = 0; offset < size; offset += PAGE_SIZE) {
        uint64_t at;
        if (ipf_translate(x->c, va + offset, 0, ISR_R | ISR_W, 0, &at) != DATA_DONE) {
            ipf_vti_misuse(x->c, "misuse: 0x%llx is not mapped for PAL",
                           (unsigned long long)(va + offset));
            x->faults = true;
            return false;
        }
        *pa = offset ? *pa : at & ~PA_UNCACHED;
    }
    return true;
}
static void want_registers(struct ipf_call *x, uint64_t va, const char *what)
{
    bool pinned = in_register(x->c, IPF_INSTRUCTIONS, va) && in_register(x->c, IPF_DATA, va);
    if (!pinned)
        ipf_vti_misuse(x->c, "misuse: %s at 0x%llx is not mapped by an ITR and a DTR", what,
                       (unsigned long long)va);
}

/* ---- the environment ---- */

static uint64_t env_info(struct ipf_call *x)
{
    if (x->in[1] || x->in[2] || x->in[3])
        return PAL_INVALID_ARGUMENT;
    x->result[1] = IPF_VP_BUFFER;
    x->result[2] = OPTION_OPCODE; /* and none of the optional features */
    return PAL_DONE;
}

/* The first processor's call makes the environment, the others' must agree with it. */
static uint64_t check_environment(const struct ipf_environment *e, uint64_t options, uint64_t pa,
                                  uint64_t va)
{
    const uint64_t page = PAGE_SIZE - 1;
    if (options & ~OPTIONS || !(options & OPTION_OPCODE) || pa & page || va & page)
        return PAL_INVALID_ARGUMENT;
    if (options & OPTION_INITIALIZE)
        return e->processors ? PAL_ERROR : PAL_DONE;
    if (!e->processors)
        return PAL_ERROR;
    bool same = e->pa == pa && e->va == va && !((e->options ^ options) & ~OPTION_INITIALIZE);
    return same ? PAL_DONE : PAL_INVALID_ARGUMENT;
}
static uint64_t init_env(struct ipf_call *x)
{
    struct ipf_environment *e = &x->firmware->environment;
    struct ipf_vti *v = &x->c->vti;
    uint64_t options = x->in[1], pbase = x->in[2], vbase = x->in[3], pa;
    uint64_t status = v->in_environment ? PAL_ERROR : check_environment(e, options, pbase, vbase);
    if (status != PAL_DONE || !touch(x, vbase, IPF_VP_BUFFER, &pa))
        return status;
    if (pa != pbase)
        return PAL_INVALID_ARGUMENT;
    want_registers(x, vbase, "the virtual environment buffer");
    if (!e->processors++) {
        *e = (struct ipf_environment){ 1, pbase, vbase, options, { { 0 } } };
        ipf_vps_install(x->firmware, pbase);
    }
    v->in_environment = true;
    v->tells_cause = options & OPTION_CAUSE;
    v->big_endian = options & OPTION_BE;
    x->c->service_base = pbase;
    x->c->service_end = pbase + IPF_VP_BUFFER;
    x->result[1] = vbase;
    return PAL_DONE;
}

static bool bad_iva(uint64_t iva) { return iva & (VPD_ALIGNMENT - 1); }

/* CR.IVA of a caller that gives one; it points to none of PAL's vectors then. */
static void set_iva(struct ipf_cpu *c, uint64_t iva)
{
    if (iva)
        c->cr[CR_IVA] = iva;
}
static uint64_t exit_env(struct ipf_call *x)
{
    if (!x->c->vti.in_environment)
        return PAL_ERROR;
    if (bad_iva(x->in[1]))
        return PAL_INVALID_ARGUMENT;
    if (x->c->vti.vp)
        ipf_vti_misuse(x->c, "misuse: PAL_VP_EXIT_ENV with a virtual processor that is not saved");
    ipf_vp_load(x->c, NULL);
    set_iva(x->c, x->in[1]);
    x->c->vti.in_environment = false;
    x->c->service_base = x->c->service_end = 0;
    x->firmware->environment.processors--;
    return PAL_DONE;
}

/* ---- virtual processors ---- */

struct ipf_vp *ipf_vp_find(struct ipf_environment *e, uint64_t vpd_pa)
{
    for (unsigned k = 0; k < IPF_VP_MAX; k++)
        if (e->vp[k].used && e->vp[k].vpd_pa == vpd_pa)
            return &e->vp[k];
    return NULL;
}
static struct ipf_vp *unused(struct ipf_environment *e)
{
    for (unsigned k = 0; k < IPF_VP_MAX; k++)
        if (!e->vp[k].used)
            return &e->vp[k];
    return NULL;
}

static uint64_t word(const struct ipf_call *x, uint64_t pa)
{
    uint64_t v = mem_read_le(x->firmware->mem, pa, 8);
    return x->c->vti.big_endian ? __builtin_bswap64(v) : v;
}

/* SDM vol. 2, "Virtualization Optimization Combinations". */
static bool bad_optimizations(uint64_t vac, uint64_t vdc)
{
    return vac & ~(uint64_t)VAC_OFFERED || vdc & ~(uint64_t)VDC_OFFERED ||
           (vac & VAC_A_INT && vdc & VDC_D_EXTINT);
}

/* What CREATE and REGISTER check. */
static uint64_t check_handlers(struct ipf_call *x, uint64_t *pa)
{
    uint64_t vpd = x->in[1], slots = 15;
    if (!x->c->vti.in_environment)
        return PAL_ERROR;
    if (vpd & (VPD_ALIGNMENT - 1) || bad_iva(x->in[2]) || x->in[3] & slots)
        return PAL_INVALID_ARGUMENT;
    if (!touch(x, vpd, VPD_SIZE, pa))
        return PAL_ERROR;
    bool bad = bad_optimizations(word(x, *pa + VPD_VAC), word(x, *pa + VPD_VDC));
    return bad ? PAL_INVALID_ARGUMENT : PAL_DONE;
}
static uint64_t create(struct ipf_call *x)
{
    struct ipf_environment *e = &x->firmware->environment;
    uint64_t pa = 0, status = check_handlers(x, &pa);
    struct ipf_vp *vp = unused(e);
    if (status != PAL_DONE)
        return status;
    if (word(x, pa + VPD_VIRT_ENV_VADDR) != e->va)
        return PAL_INVALID_ARGUMENT;
    if (!vp || ipf_vp_find(e, pa))
        return PAL_ERROR;
    *vp = (struct ipf_vp){ .used = true,
                           .vpd = x->in[1],
                           .vpd_pa = pa,
                           .vac = word(x, pa + VPD_VAC),
                           .vdc = word(x, pa + VPD_VDC),
                           .host_iva = x->in[2],
                           .opt_handler = x->in[3],
                           .vhpi = word(x, pa + VPD_VHPI) };
    return PAL_DONE;
}
/* The vectors that CR.IVA points to lead to the new table at once. */
static uint64_t register_handlers(struct ipf_call *x)
{
    uint64_t pa = 0, status = check_handlers(x, &pa);
    if (status != PAL_DONE)
        return status;
    struct ipf_vp *vp = ipf_vp_find(&x->firmware->environment, pa);
    if (!vp || vp->vac != word(x, pa + VPD_VAC) || vp->vdc != word(x, pa + VPD_VDC))
        return PAL_INVALID_ARGUMENT;
    if (vp->on && vp->on->cr[CR_IVA] == vp->host_iva)
        vp->on->cr[CR_IVA] = x->in[2];
    vp->host_iva = x->in[2];
    vp->opt_handler = x->in[3];
    return PAL_DONE;
}

/* The virtual processor that in1 names; NULL: *status. */
static struct ipf_vp *named(struct ipf_call *x, uint64_t *status)
{
    struct ipf_vp *vp = NULL;
    uint64_t pa = 0;
    *status = PAL_ERROR;
    if (!x->c->vti.in_environment)
        return NULL;
    *status = PAL_INVALID_ARGUMENT;
    if (!(x->in[1] & (VPD_ALIGNMENT - 1)) && touch(x, x->in[1], PAGE_SIZE, &pa))
        vp = ipf_vp_find(&x->firmware->environment, pa);
    return vp;
}

bool ipf_vp_restore(struct ipf_call *x, struct ipf_vp *vp, uint64_t vpd, bool synchronize)
{
    struct ipf_cpu *c = x->c;
    if (vp->on && vp->on != c)
        return false;
    if (c->vti.vp && c->vti.vp != vp)
        ipf_vti_misuse(c, "misuse: the virtual processor of VPD 0x%llx is not saved",
                       (unsigned long long)c->vti.vp->vpd);
    want_registers(x, vpd, "the VPD");
    vp->vpd = vpd;
    if (synchronize)
        vp->vhpi = word(x, vp->vpd_pa + VPD_VHPI);
    ipf_vp_load(c, vp);
    c->cr[CR_IVA] = vp->host_iva;
    return true;
}
bool ipf_vp_save(struct ipf_call *x, const struct ipf_vp *vp)
{
    if (vp->on != x->c)
        return false;
    ipf_vp_load(x->c, NULL);
    return true;
}

static uint64_t restore(struct ipf_call *x)
{
    uint64_t status;
    struct ipf_vp *vp = named(x, &status);
    return !vp ? status : ipf_vp_restore(x, vp, x->in[1], true) ? PAL_DONE : PAL_ERROR;
}
static uint64_t save(struct ipf_call *x)
{
    uint64_t status;
    struct ipf_vp *vp = named(x, &status);
    return !vp ? status : ipf_vp_save(x, vp) ? PAL_DONE : PAL_ERROR;
}
static uint64_t terminate(struct ipf_call *x)
{
    uint64_t status;
    struct ipf_vp *vp = named(x, &status);
    if (!vp)
        return status;
    if (bad_iva(x->in[2]))
        return PAL_INVALID_ARGUMENT;
    if (vp->on && vp->on != x->c)
        return PAL_ERROR;
    if (vp->on)
        ipf_vp_load(x->c, NULL);
    vp->used = false;
    set_iva(x->c, x->in[2]);
    return PAL_DONE;
}

/* A physical processor has nothing to tell: monitors answer it to their guests. */
static uint64_t vp_info(struct ipf_call *x) { return PAL_UNIMPLEMENTED; }

bool ipf_pal_vp(struct ipf_call *x)
{
    static const struct {
        uint64_t (*run)(struct ipf_call *x);
        unsigned number;
        enum ipf_vp_call call;
    } procedures[] = {
        { vp_info, 50, CALL_PAL_VP_INFO },         { create, 265, CALL_PAL_VP_CREATE },
        { env_info, 266, CALL_PAL_VP_ENV_INFO },   { exit_env, 267, CALL_PAL_VP_EXIT_ENV },
        { init_env, 268, CALL_PAL_VP_INIT_ENV },   { register_handlers, 269, CALL_PAL_VP_REGISTER },
        { restore, 270, CALL_PAL_VP_RESTORE },     { save, 271, CALL_PAL_VP_SAVE },
        { terminate, 272, CALL_PAL_VP_TERMINATE },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(procedures); k++) {
        if (procedures[k].number != x->in[0])
            continue;
        x->result[0] = x->c->vti.enabled ? procedures[k].run(x) : PAL_UNIMPLEMENTED;
        if (x->faults)
            return true;
        x->c->vti.calls[procedures[k].call]++;
        ipf_vti_note(x->c, "%s(0x%llx, 0x%llx, 0x%llx) = %lld",
                     ipf_vp_call_name(procedures[k].call), (unsigned long long)x->in[1],
                     (unsigned long long)x->in[2], (unsigned long long)x->in[3],
                     (long long)x->result[0]);
        return true;
    }
    return false;
}
