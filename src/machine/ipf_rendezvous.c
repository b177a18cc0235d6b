// SPDX-License-Identifier: Apache-2.0
// Where processors wait that the operating system has not started, or has given back (SAL
// Specification, "OS Boot Rendezvous"): firmware's code is one break, done again at each interrupt.
#include "ipf/op.h"
#include "machine/ipf_firmware.h"

enum { SPURIOUS = 15 };

/* SAL polls with external interrupts disabled, and drops all but the one that it waits for. */
static bool woken(struct ipf_cpu *c)
{
    bool wake = false;
    c->cr[CR_TPR] = 0;
    for (unsigned v = ipf_read_ivr(c); v != SPURIOUS; v = (unsigned)ipf_read_ivr(c)) {
        wake |= v == SAL_WAKE_UP;
        ipf_end_of_interrupt(c);
    }
    return wake;
}

/* OS_BOOT_RENDEZ begins in physical mode, with its gp in r1; b0 leads back here. */
enum ipf_called ipf_rendezvous(struct ipf_firmware *f, struct ipf_cpu *c)
{
    const struct sal_vector *os = &f->vector[SAL_OS_BOOT_RENDEZ];
    uint64_t entry = ipf_firmware_entry(f, FIRMWARE_RENDEZVOUS);
    bool goes = woken(c) && os->entry;
    c->halted = !goes;
    c->br[0] = entry;
    c->gr[1] = (struct ipf_gr){ os->gp, 0 };
    c->ip = goes ? os->entry & ~UINT64_C(15) : entry;
    c->slot = 0;
    return FIRMWARE_GOES;
}
