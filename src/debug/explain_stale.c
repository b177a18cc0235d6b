// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/stale.h"
#include "debug/explain.h"

#define LL(v) ((unsigned long long)(v))

/* SDM vol. 3, "Operations that Invalidate TLBs and Paging-Structure Caches", "Guidelines for Use of
 * the INVVPID Instruction", "Guidelines for Use of the INVEPT Instruction". */
static const char *owed(const struct stale_use *u)
{
    if (!u->has_entry)
        return "CR3, HLATP or the EPTP is another one, and VM entry with this VPID keeps "
               "translations: INVVPID or INVEPT";
    if (u->entry.ept)
        return "INVEPT, type 1 with its EPTP or type 2";
    if (u->nonroot)
        return "INVLPG, INVPCID or MOV to CR3 by the guest; INVVPID, if the hypervisor made the "
               "change";
    return "INVLPG, INVPCID or MOV to CR3 (which keeps global pages)";
}

void explain_stale_use(FILE *out, struct cpu *c, const struct stale_use *u,
                       const struct symbols *symbols)
{
    static const char *const kinds[] = {
        [ACCESS_READ] = "read", [ACCESS_WRITE] = "write", [ACCESS_EXECUTE] = "fetch"
    };
    char where[256];
    fprintf(out, "silverpool: cpu %u at rip %s: stale translation%s\n", c->index,
            symbols_print(symbols, u->rip, where, sizeof where),
            u->nonroot ? " in VMX non-root operation" : "");
    fprintf(out, "  a %s of linear page %#llx (VPID %u, PCID %u), once translated to %#llx, ",
            kinds[u->kind], LL(u->linear), u->vpid, u->pcid, LL(u->old_pa));
    if (u->fails)
        fprintf(out, "is allowed no longer\n");
    else
        fprintf(out, "now goes to %#llx\n", LL(u->new_pa));
    if (u->has_entry)
        fprintf(
            out,
            "  %s entry at %#llx was %#llx and is %#llx, and nothing has invalidated it since\n",
            u->entry.ept ? "EPT" : "paging-structure", LL(u->entry.pa), LL(u->entry.value),
            LL(u->now));
    fprintf(out, "  a processor may still use the old translation; owed: %s\n", owed(u));
}
