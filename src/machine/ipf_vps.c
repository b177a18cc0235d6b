// SPDX-License-Identifier: Apache-2.0
// PAL virtualization services (SDM vol. 2, "PAL Virtualization Services"): entry points in the
// monitor's memory, each a bundle with a break.  Arguments are in GR24 to GR31 of the bank that the
// caller uses; predicates and all other registers stay as they are.
#include <stdio.h>

#include "ipf/trace.h"
#include "machine/ipf_pal.h"

static unsigned long long arg(const struct ipf_call *x, unsigned n) { return x->c->gr[n].v; }

/* ---- what a caller is to have done ---- */

/* SDM vol. 2, "PAL Virtualization Service Invocation Convention". */
static void check_psr(const struct ipf_call *x, const char *name, bool resumes)
{
    static const struct {
        uint64_t bits, value;
        const char *text;
        bool resume_only;
    } rows[] = {
        { PSR_BE, 0, "be = 1", false },      { PSR_I, 0, "i = 1", false },
        { PSR_SS, 0, "ss = 1", false },      { PSR_DB, 0, "db = 1", false },
        { PSR_TB, 0, "tb = 1", false },      { PSR_DT, PSR_DT, "dt = 0", false },
        { PSR_RT, PSR_RT, "rt = 0", false }, { PSR_IT, PSR_IT, "it = 0", false },
        { PSR_IC, 0, "ic = 1", true },       { PSR_BN, 0, "bn = 1", true },
    };
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if ((x->c->psr & rows[k].bits) != rows[k].value && (resumes || !rows[k].resume_only))
            ipf_vti_misuse(x->c, "misuse: %s with PSR.%s", name, rows[k].text);
}
/* Whether the descriptor that GR25 names is the one that is loaded here. */
static bool is_loaded(const struct ipf_call *x, const char *name)
{
    const struct ipf_vp *vp = x->c->vti.vp;
    if (vp && vp->vpd == arg(x, 25))
        return true;
    ipf_vti_misuse(x->c, "misuse: %s of VPD 0x%llx, which is not restored here", name, arg(x, 25));
    return false;
}

/* ---- services that return ---- */

static void nothing(struct ipf_call *x, const char *name) { is_loaded(x, name); }

static void set_pending_interrupt(struct ipf_call *x, const char *name)
{
    if (!is_loaded(x, name))
        return;
    uint64_t vhpi = ipf_vpd_read(x->c, VPD_VHPI);
    if (vhpi > 16 && vhpi != 32)
        ipf_vti_misuse(x->c, "misuse: %s with vhpi = %llu", name, (unsigned long long)vhpi);
    x->c->vti.vp->vhpi = vhpi;
}

static void hash(struct ipf_call *x, const char *name)
{
    x->c->gr[31] = (struct ipf_gr){ ipf_hash(arg(x, 27), arg(x, 26), arg(x, 25)), 0 };
}
static void tag(struct ipf_call *x, const char *name)
{
    x->c->gr[31] = (struct ipf_gr){ ipf_tag(arg(x, 26), arg(x, 25)), 0 };
}

/* The virtual processor of GR25, loaded or not; NULL: x->faults, or it is none. */
static struct ipf_vp *named(struct ipf_call *x, const char *name)
{
    uint64_t pa;
    if (ipf_translate(x->c, arg(x, 25), 0, ISR_R | ISR_W, 0, &pa) != DATA_DONE) {
        ipf_vti_misuse(x->c, "misuse: %s of VPD 0x%llx, which is not mapped", name, arg(x, 25));
        x->faults = true;
        return NULL;
    }
    struct ipf_vp *vp = ipf_vp_find(&x->firmware->environment, pa & ~PA_UNCACHED);
    if (!vp)
        ipf_vti_misuse(x->c, "misuse: %s of VPD 0x%llx, which was never created", name, arg(x, 25));
    return vp;
}
static void restore(struct ipf_call *x, const char *name)
{
    struct ipf_vp *vp = named(x, name);
    if (vp && !ipf_vp_restore(x, vp, arg(x, 25), !arg(x, 26)))
        ipf_vti_misuse(x->c, "misuse: %s of VPD 0x%llx, which another processor has not saved",
                       name, arg(x, 25));
}
static void save(struct ipf_call *x, const char *name)
{
    struct ipf_vp *vp = named(x, name);
    if (vp && !ipf_vp_save(x, vp))
        ipf_vti_misuse(x->c, "misuse: %s of VPD 0x%llx, which is not restored here", name,
                       arg(x, 25));
}

/* ---- services that enter the guest ---- */

/* What makes the behaviour undefined; here the guest goes on with what the VPD says. */
static void check_guest(const struct ipf_call *x, const char *name, bool handler)
{
    struct ipf_cpu *c = x->c;
    const struct ipf_vp *vp = c->vti.vp;
    bool vpsr_ic = ipf_vpd_read(c, VPD_VPSR) & PSR_IC;
    if (c->cr[CR_IVA] != vp->host_iva)
        ipf_vti_misuse(c, "misuse: %s with CR.IVA = 0x%llx, which is not the virtual processor's",
                       name, (unsigned long long)c->cr[CR_IVA]);
    if (handler && (arg(x, 26) & ~BIT(63)) != vp->vac)
        ipf_vti_misuse(c, "misuse: %s with a VAC copy that differs from the VPD's", name);
    if (ipf_vpd_read(c, VPD_VAC) != vp->vac || ipf_vpd_read(c, VPD_VDC) != vp->vdc)
        ipf_vti_misuse(c, "misuse: %s: the VPD's vac or vdc changed since PAL_VP_CREATE", name);
    if (handler ? vpsr_ic : !vpsr_ic && (vp->vac || vp->vdc))
        ipf_vti_misuse(c, "misuse: %s with vpsr.ic = %u", name, vpsr_ic);
    if (vp->vac & VAC_A_INT && ipf_vpd_read(c, VPD_VHPI) != vp->vhpi)
        ipf_vti_misuse(c, "misuse: %s: vhpi changed without PAL_VPS_SET_PENDING_INTERRUPT", name);
}
static void resume(struct ipf_call *x, const char *name, bool handler)
{
    struct ipf_cpu *c = x->c;
    const uint64_t wanted = PSR_VM | PSR_BN | PSR_IC | PSR_IT | PSR_DT | PSR_RT;
    if (is_loaded(x, name))
        check_guest(x, name, handler);
    if ((c->cr[CR_IPSR] & wanted) != wanted)
        ipf_vti_misuse(c, "misuse: %s with IPSR = 0x%llx: vm, bn, ic, it, dt and rt are to be 1",
                       name, (unsigned long long)c->cr[CR_IPSR]);
    c->br[0] = arg(x, 24);
    if (c->cr[CR_IPSR] & PSR_IS) {
        c->stop = IPF_NOT_MODELLED;
        snprintf(c->stop_text, sizeof c->stop_text, "not modelled: the IA-32 instruction set (%s)",
                 name);
        return;
    }
    c->last_ip = c->psr & PSR_IC ? c->block_ip : IPF_NO_LAST;
    ipf_return_to(c, c->cr[CR_IIP], c->cr[CR_IPSR], c->cr[CR_IFS]);
    ipf_take_virtual_interrupt(c);
}
static void resume_normal(struct ipf_call *x, const char *name) { resume(x, name, false); }
static void resume_handler(struct ipf_call *x, const char *name) { resume(x, name, true); }

/* ---- the services ---- */

static const struct {
    void (*run)(struct ipf_call *x, const char *name);
    unsigned offset;
    bool returns;
} services[] = {
    { resume_normal, PAL_VPS_RESUME_NORMAL, false },
    { resume_handler, PAL_VPS_RESUME_HANDLER, false },
    { nothing, PAL_VPS_SYNC_READ, true },
    { nothing, PAL_VPS_SYNC_WRITE, true },
    { set_pending_interrupt, PAL_VPS_SET_PENDING_INTERRUPT, true },
    { hash, PAL_VPS_THASH, true },
    { tag, PAL_VPS_TTAG, true },
    { restore, PAL_VPS_RESTORE, true },
    { save, PAL_VPS_SAVE, true },
};

_Static_assert(ARRAY_SIZE(services) == FIRMWARE_SERVICES, "each service has its number");

void ipf_vps(struct ipf_call *x, unsigned service)
{
    struct ipf_cpu *c = x->c;
    const char *name = ipf_vp_call_name(CALL_PAL_VPS_RESUME_NORMAL + service);
    unsigned long long caller = arg(x, 24), a = arg(x, 25), b = arg(x, 26);
    check_psr(x, name, !services[service].returns);
    c->vti.calls[CALL_PAL_VPS_RESUME_NORMAL + service]++;
    if (unlikely(c->trace != NULL)) {
        const struct trace_vps_call e = { service, caller, a, b, c->psr };
        ipf_trace_event(c, TRACE_EVENT_VPS_CALL, &e);
    }
    ipf_vti_note(c, "%s(0x%llx, 0x%llx, 0x%llx)", name, caller, a, b);
    services[service].run(x, name);
    if (!services[service].returns || x->faults)
        return;
    c->ip = caller & ~UINT64_C(15);
    c->slot = 0;
}

void ipf_vps_install(struct ipf_firmware *f, uint64_t pa)
{
    for (unsigned k = 0; k < ARRAY_SIZE(services); k++)
        ipf_firmware_bundle(f, pa + services[k].offset, FIRMWARE_VPS + k);
}
