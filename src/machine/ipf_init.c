// SPDX-License-Identifier: Apache-2.0
// INIT: PAL saves the processor's minimal state, SAL hands the processor to the operating system's
// OS_INIT and lets it go on when that returns (SDM vol. 2, "Processor Min-state Save Area Layout",
// "INIT"; SAL Specification, "OS_INIT").
#include "ipf/op.h"
#include "machine/ipf_firmware.h"

/* The min-state save area in units of 8 bytes; AT_SCRATCH is PAL's own. */
enum {
    AT_NATS = 0,
    AT_GR = 1,     /* GR1 to GR15                    */
    AT_BANK0 = 16, /* GR16 to GR31 of bank 0         */
    AT_BANK1 = 32, /* of bank 1                      */
    AT_PR = 48,
    AT_BR0,
    AT_RSC,
    AT_IIP,
    AT_IPSR,
    AT_IFS,
    AT_XIP,
    AT_XPSR,
    AT_XFS,
    AT_BR1,
    AT_SCRATCH = 128,
    WORDS = AT_SCRATCH + 1,
};
#define FRAME_VALID BIT(63)
/* Bits of a PSR from memory that exist, but for PSR.is. */
#define PSR_IMPLEMENTED (UINT64_C(0x7fff0ffee03e) & ~PSR_IS)

/* The registers of the bank that is not selected are in c->bank. */
static struct ipf_gr *banked(struct ipf_cpu *c, unsigned k, unsigned bank)
{
    bool selected = !(c->psr & PSR_BN) == !bank;
    return selected ? &c->gr[16 + k] : &c->bank[k];
}

/* NaT bits of GR1 to GR15, then of the banks, by their words in the area. */
static struct ipf_gr *saved_gr(struct ipf_cpu *c, unsigned word)
{
    return word < AT_BANK0   ? &c->gr[word]
           : word < AT_BANK1 ? banked(c, word - AT_BANK0, 0)
                             : banked(c, word - AT_BANK1, 1);
}

static void save(struct ipf_firmware *f, struct ipf_cpu *c)
{
    uint64_t w[WORDS] = { 0 };
    uint64_t psr = c->psr | (uint64_t)c->slot << PSR_RI_SHIFT;
    bool collects = c->psr & PSR_IC;
    for (unsigned k = AT_GR; k < AT_PR; k++) {
        w[k] = saved_gr(c, k)->v;
        w[AT_NATS] |= saved_gr(c, k)->nat << k;
    }
    w[AT_PR] = rotated_pr(c->pr, c->cfm.rrb_pr);
    w[AT_BR0] = c->br[0];
    w[AT_BR1] = c->br[1];
    w[AT_RSC] = c->ar[AR_RSC];
    w[AT_XIP] = c->ip;
    w[AT_XPSR] = psr;
    w[AT_XFS] = cfm_pack(&c->cfm) | FRAME_VALID;
    w[AT_IIP] = collects ? c->ip : c->cr[CR_IIP];
    w[AT_IPSR] = collects ? psr : c->cr[CR_IPSR];
    w[AT_IFS] = collects ? w[AT_XFS] : c->cr[CR_IFS];
    w[AT_SCRATCH] = collects;
    mem_write(f->mem, ipf_firmware_area(f, c), w, sizeof w);
}

/* PALE_INIT covers the frame and stops the register stack engine; PSR.mc keeps other INITs away
 * (SDM vol. 2, "PALE_INIT Exit State"). */
static void enter_pal(struct ipf_cpu *c)
{
    ipf_cover(c);
    c->ar[AR_RSC] &= ~UINT64_C(3);
    ipf_switch_bank(c, false);
    c->psr = PSR_MC;
    ipf_flush(c);
}

/* SDM vol. 2, "Processor State Parameter (GR 18)": the area is registered; the processor can go on;
 * an INIT; all registers of the area are valid. */
#define STATE_PARAMETER (BIT(5) | BIT(7) | BIT(8) | BIT(16) | UINT64_C(0xfff) << 20)

/* SAL Specification, "OS_INIT": r8 PAL's and r9 SAL's entry point, r10 SAL's gp, r11 the reason,
 * r12 where to return, r17 the area, which is uncacheable. */
static void give_to_system(struct ipf_firmware *f, struct ipf_cpu *c, uint64_t entry, uint64_t gp)
{
    const struct {
        unsigned gr;
        uint64_t v;
    } rows[] = {
        { 1, gp },
        { 8, ipf_firmware_entry(f, FIRMWARE_PAL) },
        { 9, ipf_firmware_entry(f, FIRMWARE_SAL) },
        { 10, 0 },
        { 11, 0 }, /* neither a rendezvous nor a switch that dumps */
        { 12, ipf_firmware_entry(f, FIRMWARE_INIT_DONE) },
        { 17, ipf_firmware_area(f, c) | PA_UNCACHED },
        { 18, STATE_PARAMETER },
    };
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        c->gr[rows[k].gr] = (struct ipf_gr){ rows[k].v, 0 };
    c->ip = entry & ~UINT64_C(15);
    c->slot = 0;
    c->last_ip = IPF_NO_LAST;
}

/* The first processor to get there is the monarch. */
void ipf_init_begin(void *firmware, struct ipf_cpu *c)
{
    struct ipf_firmware *f = firmware;
    const struct sal_vector *os = &f->vector[SAL_OS_INIT];
    bool monarch = !f->in_init;
    if (!os->entry || !os->slave_entry) {
        ipf_platform_stop(f->platform, PLATFORM_RESET,
                          "a processor got an INIT, and no OS_INIT is registered: SAL reset the "
                          "machine");
        return;
    }
    f->in_init++;
    save(f, c);
    enter_pal(c);
    give_to_system(f, c, monarch ? os->entry : os->slave_entry, monarch ? os->gp : os->slave_gp);
}

void ipf_init_resume(struct ipf_firmware *f, struct ipf_cpu *c, uint64_t saved)
{
    uint64_t w[WORDS];
    mem_read(f->mem, saved & ~PA_UNCACHED, w, sizeof w);
    unsigned context = w[AT_SCRATCH] ? AT_IIP : AT_XIP;
    c->cr[CR_IIP] = w[AT_IIP];
    c->cr[CR_IPSR] = w[AT_IPSR];
    c->cr[CR_IFS] = w[AT_IFS];
    c->ar[AR_RSC] = w[AT_RSC] & UINT64_C(0x3fff001f);
    c->br[0] = w[AT_BR0];
    c->br[1] = w[AT_BR1];
    ipf_return_to(c, w[context], w[context + 1] & PSR_IMPLEMENTED, w[context + 2]);
    for (unsigned k = AT_GR; k < AT_PR; k++)
        *saved_gr(c, k) = (struct ipf_gr){ w[k], w[AT_NATS] >> k & 1 };
    c->pr = rotated_pr(w[AT_PR] | 1, 48u - c->cfm.rrb_pr);
}

/* SAL Specification, "OS_INIT": r8 0: go on with the context in the area that r22 points to. */
enum ipf_called ipf_init_done(struct ipf_firmware *f, struct ipf_cpu *c)
{
    f->in_init -= f->in_init > 0;
    if (c->gr[8].v)
        ipf_platform_stop(f->platform, PLATFORM_RESET, "OS_INIT asked SAL to reset the machine");
    else
        ipf_init_resume(f, c, c->gr[22].v);
    return FIRMWARE_GOES;
}
