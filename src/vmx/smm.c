// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Default Treatment of SMIs and SMM with VMX Operation and SMX Operation": the parts
// that need the VMCS.  It stays current while SMM runs outside VMX operation (cpu/smm.c).
#include "vmx/internal.h"

bool vmx_eptp(struct cpu *c, uint64_t *eptp)
{
    *eptp = vmcs_field(c, EPT_POINTER);
    return vmx_ept_enabled(c);
}

static void set_rpl(struct segment *s, unsigned rpl)
{
    s->selector = (uint16_t)((s->selector & ~3u) | rpl);
}

/* "Default Treatment of RSM": bits of CR0 and CR4 that are fixed in VMX operation get their values,
 * and the selectors of CS and SS the privilege level. */
void vmx_resume_after_smm(struct cpu *c)
{
    const uint64_t *cap = c->vmx->cap;
    bool unrestricted = c->vmx_nonroot && c->vmx->proc2 & PROC2_UNRESTRICTED_GUEST;
    uint64_t ones = cap[CAP_CR0_FIXED0];
    if (unrestricted)
        ones &= ~(CR0_PE | CR0_PG);
    c->cr0 = (c->cr0 | ones) & cap[CAP_CR0_FIXED1];
    c->cr4 = (c->cr4 | cap[CAP_CR4_FIXED0]) & cap[CAP_CR4_FIXED1];
    if (!in_v86(c) && !unrestricted) {
        unsigned dpl = c->seg[SS].access >> SEG_DPL_SHIFT & 3;
        set_rpl(&c->seg[CS], dpl);
        set_rpl(&c->seg[SS], dpl);
    }
}
