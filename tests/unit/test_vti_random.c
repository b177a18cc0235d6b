// SPDX-License-Identifier: Apache-2.0
// Guests of random instructions with random descriptors: whatever they do, the monitor gets an
// interruption that makes sense.
#include "ipf/decode.h"
#include "vti_guest.h"

TestSuite(vti_random, .fini = machine_end);

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545f4914f6cdd1d) >> 7;
}

/* A slot of some row of the unit: half of them of those that may be virtualized. */
static uint64_t any_slot(enum ipf_unit unit)
{
    const struct ipf_row *row;
    enum ipf_unit of;
    uint64_t mask, match;
    for (;;) {
        unsigned n = (unsigned)(any() % 700);
        if (!ipf_row_at(n, &row, &of, &mask, &match) || of != unit)
            continue;
        struct ipf_op op = { .run = row->run, .arg = row->arg };
        vti_bind(&op, IPF_VM);
        if (op.cause || any() & 1)
            return ((any() & ~mask) | match) & (BIT(41) - 1) & ~UINT64_C(0x3f);
    }
}

static void fill_guest(void)
{
    for (uint64_t at = CODE; at < CODE + 256; at += 16) {
        bool branches = any() & 1;
        put_guest(at, branches ? BBB : MMI, any_slot(branches ? IPF_B : IPF_M),
                  any_slot(branches ? IPF_B : IPF_M), branches ? NOP_B : NOP_I);
    }
    for (unsigned offset = VPD_VHPI; offset < 4096; offset += 8)
        set_vpd(offset, any() & 3 ? any() & 0xffff : any());
    for (unsigned n = 1; n < 32; n++)
        c->gr[n] = (struct ipf_gr){ any() & 1 ? any() & 0xff : any(), !(any() & 15) };
}

Test(vti_random, guests)
{
    unsigned intercepts = 0, accelerated = 0, interrupts = 0;
    for (unsigned round = 0; round < 400; round++) {
        virtual_processor(any() & VAC_OFFERED & ~(round & 1 ? VAC_A_INT : 0),
                          any() & VDC_OFFERED & ~(round & 1 ? 0 : VDC_D_EXTINT));
        c->cr[CR_ITIR] = 12 << 2;
        for (unsigned turn = 0; turn < 20; turn++) {
            fill_guest();
            resume_at(CODE + 16 * (any() & 7), GUEST_PSR);
            uint64_t before = c->interruptions;
            for (unsigned k = 0; k < 60 && c->interruptions == before && !c->stop; k++)
                ipf_run_until(c, c->retired + 1);
            if (c->psr & PSR_VM || c->stop)
                break;
            if (c->ip == ivt_of(0) + 0x6100) {
                cr_assert(c->gr[24].v >= 1 && c->gr[24].v < CAUSES, "GR24 = %lu", c->gr[24].v);
                cr_assert_eq(c->cr[CR_ISR] & ~(UINT64_C(3) << ISR_EI_SHIFT), 0);
                intercepts++;
            }
            cr_assert(c->cr[CR_IPSR] & PSR_VM || c->vti.faults[CAUSE_VMSW]);
            cr_assert_eq(c->cr[CR_IVA], ivt_of(0));
            cr_assert_eq(vpd(VPD_VIRT_ENV_VADDR), HOST + BUFFER);
        }
        for (unsigned k = 0; k < CAUSES; k++)
            accelerated += (unsigned)c->vti.accelerated[k];
        interrupts += (unsigned)c->vti.interrupts;
        machine_end();
    }
    virtual_processor(0, 0);
    cr_assert(intercepts > 1000 && accelerated > 100 && interrupts > 10, "%u, %u, %u", intercepts,
              accelerated, interrupts);
}
