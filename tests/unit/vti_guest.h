// SPDX-License-Identifier: Apache-2.0
// A monitor for tests of VT-i: an Itanium machine whose processor runs in virtual mode, the host in
// region 7 where PSR.vm hides it, guests in region 0, both with all memory.  Calls of PAL go
// through its entry points.
#ifndef SP_TESTS_VTI_GUEST_H
#define SP_TESTS_VTI_GUEST_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "ipf/op.h"
#include "ipf_system.h"
#include "machine/ipf_machine.h"
#include "machine/ipf_pal.h"
#include "machine/ipf_tables.h"

#define HOST UINT64_C(0xf000000000000000) /* host virtual address of physical address 0 */
enum {
    FIRMWARE = 0x10000,
    BUFFER = 0x40000,
    VPD = 0x80000, /* and 64 KiB on, the next */
    RETURN = 0x180000,
    UNMAPPED = 0x2000000, /* nowhere in memory */
    RAM_LOG2 = 24,
};
/* PSR of a host in and out of an interruption handler; of a guest at level 0 as KVM starts it. */
#define HANDLER_PSR (PSR_IT | PSR_DT | PSR_RT)
#define HOST_PSR (HANDLER_PSR | PSR_IC | PSR_BN)
#define GUEST_PSR (HOST_PSR | PSR_I | PSR_SI | PSR_VM)
#define XEN_OPTIONS UINT64_C(0x8000000000000303) /* the first processor's; the others' lack bit 0  \
                                                  */

static struct ipf_machine *m;
static struct ipf_cpu *c;
static struct mem *mem;
static char notes[4096]; /* what c->vti.note was told */

static inline void take_note(void *user, struct ipf_cpu *cpu, const char *text)
{
    size_t n = strlen(notes);
    n = n + strlen(text) + 2 > sizeof notes ? 0 : n;
    snprintf(notes + n, sizeof notes - n, "%s\n", text);
}

/* ---- the machine ---- */

static inline void set_mode(uint64_t psr)
{
    ipf_switch_bank(c, psr & PSR_BN);
    c->psr = psr;
    ipf_mode_changed(c);
}
static inline void map(enum ipf_side side, unsigned n, uint64_t va, uint64_t pa, unsigned ps)
{
    struct ipf_translation t = ipf_translation(PTE_P | PTE_A | PTE_D | PTE_AR(3) | PTE_PL(3) | pa,
                                               ps << 2, va, ipf_rid(c, va));
    ipf_tlb_insert_register(c, side, n, &t);
}
static inline void map_all(void)
{
    c->rr[0] = 1 << 8 | 12 << 2;
    c->rr[7] = 7 << 8 | 12 << 2;
    for (unsigned side = 0; side < 2; side++) {
        map((enum ipf_side)side, 0, HOST, 0, RAM_LOG2);
        map((enum ipf_side)side, 1, 0, 0, RAM_LOG2);
    }
    c->cr[CR_IVA] = HOST + 0x7f8000;
    c->bsp = c->bspstore = HOST + BACKING;
    c->vti.note = take_note;
    set_mode(HOST_PSR);
}
static inline void machine_of(const char *model, unsigned cpus)
{
    struct ipf_model parsed;
    struct sp_error e;
    const struct ipf_config config = { .cpus = cpus, .ram_size = 1 << RAM_LOG2, .model = &parsed };
    const struct ipf_boot boot = { .base = FIRMWARE, .command_line = "" };
    cr_assert(ipf_model_parse(&parsed, model, &e), "%s", e.message);
    m = ipf_machine_create(&config, &e);
    c = ipf_machine_cpu(m, 0);
    mem = ipf_machine_mem(m);
    cr_assert(ipf_machine_boot(m, &boot));
    map_all();
    *notes = 0;
}
static inline void machine_new(const char *model) { machine_of(model, 1); }
static inline void machine_end(void) { ipf_machine_destroy(m); }

/* The other logical processor of a machine with two. */
static inline struct ipf_cpu *second_processor(void)
{
    struct ipf_cpu *first = c, *second = ipf_machine_cpu(m, 1);
    second->halted = false; /* it waits in SAL's rendezvous */
    c = second;
    map_all();
    c = first;
    return second;
}

static inline void put_guest(uint64_t pa, unsigned template, uint64_t s0, uint64_t s1, uint64_t s2)
{
    put_bundle(c, pa, template, s0, s1, s2);
}

/* ---- PAL: procedures, services ---- */

enum { TOOK_FAULT = 0xfa }; /* no status */
static inline uint64_t pal(uint64_t number, uint64_t a, uint64_t b, uint64_t d)
{
    const uint64_t in[4] = { number, a, b, d };
    set_mode(HOST_PSR);
    c->cfm = (struct ipf_cfm){ .sof = 8 };
    c->ar[AR_PFS] = 8;
    for (unsigned k = 0; k < 4; k++)
        c->gr[28 + k] = *gr(c, 32 + k) = (struct ipf_gr){ in[k], 0 };
    c->br[0] = HOST + RETURN;
    c->ip = HOST + c->firmware_base;
    c->slot = 0;
    uint64_t before = c->interruptions;
    for (unsigned k = 0; k < 8 && c->ip != HOST + RETURN && c->interruptions == before; k++)
        ipf_run_until(c, c->retired + 1);
    return c->ip == HOST + RETURN ? c->gr[8].v : TOOK_FAULT;
}
/* Enters a service with GR24 to GR27 in the current bank. */
static inline void enter(enum ipf_vps service, uint64_t r24, uint64_t r25, uint64_t r26,
                         uint64_t r27)
{
    const uint64_t in[4] = { r24, r25, r26, r27 };
    for (unsigned k = 0; k < 4; k++)
        c->gr[24 + k] = (struct ipf_gr){ in[k], 0 };
    c->br[6] = c->ip = HOST + BUFFER + service;
    c->slot = 0;
    ipf_run_until(c, c->retired + 1);
}
/* One that returns; its result in GR31. */
static inline uint64_t vps(enum ipf_vps service, uint64_t r25, uint64_t r26, uint64_t r27)
{
    set_mode(HANDLER_PSR);
    enter(service, HOST + RETURN, r25, r26, r27);
    cr_assert_eq(c->ip, HOST + RETURN, "service %#x: at %#lx", service, c->ip);
    return c->gr[31].v;
}

/* ---- a virtual processor ---- */

static inline uint64_t vpd_at(unsigned n) { return HOST + VPD + n * VPD_SIZE; }
static inline uint64_t ivt_of(unsigned n) { return HOST + 0x600000 + n * 0x8000; }
static inline uint64_t vpd_of(unsigned n, unsigned offset)
{
    return mem_read_le(mem, VPD + n * VPD_SIZE + offset, 8);
}
static inline void set_vpd_of(unsigned n, unsigned offset, uint64_t v)
{
    mem_write_le(mem, VPD + n * VPD_SIZE + offset, 8, v);
}
static inline uint64_t vpd(unsigned offset) { return vpd_of(0, offset); }
static inline void set_vpd(unsigned offset, uint64_t v) { set_vpd_of(0, offset, v); }
static inline void fill_vpd(unsigned n, uint64_t vac, uint64_t vdc)
{
    set_vpd_of(n, VPD_VAC, vac);
    set_vpd_of(n, VPD_VDC, vdc);
    set_vpd_of(n, VPD_VIRT_ENV_VADDR, HOST + BUFFER);
    set_vpd_of(n, VPD_VPSR, PSR_IC | PSR_BN);
}
static inline uint64_t init_env(void) { return pal(268, XEN_OPTIONS, BUFFER, HOST + BUFFER); }
static inline uint64_t create(unsigned n, uint64_t vac, uint64_t vdc)
{
    fill_vpd(n, vac, vdc);
    return pal(265, vpd_at(n), ivt_of(n), 0);
}
/* A machine with one virtual processor, restored and ready to be resumed. */
static inline void virtual_processor(uint64_t vac, uint64_t vdc)
{
    machine_new("itanium2");
    cr_assert_eq(init_env(), 0);
    cr_assert_eq(create(0, vac, vdc), 0);
    cr_assert_eq(pal(270, vpd_at(0), 0, 0), 0, "PAL_VP_RESTORE");
    for (unsigned k = 16; k < 32; k++)
        c->gr[k] = (struct ipf_gr){ 0, 0 };
    *notes = 0;
}

/* ---- running the guest ---- */

enum { GUEST_B0 = 0xb0b0b0 };
/* Resumes at CODE as both monitors do: by vpsr.ic. */
static inline void resume_at(uint64_t ip, uint64_t psr)
{
    bool handler = !(vpd(VPD_VPSR) & PSR_IC);
    set_mode(HANDLER_PSR);
    c->cr[CR_IPSR] = psr;
    c->cr[CR_IIP] = ip;
    c->cr[CR_IFS] = BIT(63);
    enter(handler ? PAL_VPS_RESUME_HANDLER : PAL_VPS_RESUME_NORMAL, GUEST_B0, vpd_at(0),
          handler ? vpd(VPD_VAC) : 0, 0);
}
static inline void run_guest(uint64_t slot, bool b_unit)
{
    if (b_unit)
        put_guest(CODE, BBB, slot, NOP_B, NOP_B);
    else
        put_guest(CODE, MII, slot, NOP_I, NOP_I);
    resume_at(CODE, GUEST_PSR);
    if (c->ip == CODE && !c->slot)
        ipf_run_until(c, c->retired + 1);
}
/* Whether the instruction was done without an intercept. */
static inline bool guest_went_on(void) { return c->ip == CODE && c->slot == 1 && c->psr & PSR_VM; }
static inline bool intercepted(unsigned cause)
{
    return c->ip == ivt_of(0) + 0x6100 && c->gr[24].v == cause && !(c->psr & PSR_VM);
}
#define assert_intercept(what, cause)                                                              \
    cr_assert(intercepted(cause), "%s: at %#lx, GR24 %lu\n%s", what, c->ip, c->gr[24].v, notes)
#define assert_no_intercept(what)                                                                  \
    cr_assert(guest_went_on(), "%s: at %#lx slot %u, GR24 %lu\n%s", what, c->ip, c->slot,          \
              c->gr[24].v, notes)
#define assert_noted(text) cr_assert(strstr(notes, text), "not \"%s\" but:\n%s", text, notes)

#endif
