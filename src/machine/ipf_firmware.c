// SPDX-License-Identifier: Apache-2.0
#include "machine/ipf_firmware.h"

#include <string.h>

#include "ipf/trace.h"
#include "machine/ipf_pal.h"

enum { PAL_STACKED = 256 }; /* bit of the numbers of procedures with stacked arguments */

/* SDM vol. 2, "PAL Calling Conventions": a static procedure returns by a plain branch to b0; p6 is
 * free to tell it from a stacked one. */
static void call_pal(struct ipf_call *x)
{
    struct ipf_cpu *c = x->c;
    bool is_stacked = c->gr[28].v & PAL_STACKED;
    x->in[0] = c->gr[28].v;
    for (unsigned k = 1; k < 4 && !is_stacked; k++)
        x->in[k] = c->gr[28 + k].v;
    ipf_pal(x);
    if (!x->faults && !x->goes)
        set_pr(c, 6, is_stacked);
}

static void tell(const struct ipf_call *x, uint64_t number)
{
    const uint64_t *in = x->in, *out = x->result;
    const struct trace_pal_call pal = { in[0],  in[1],  in[2],  in[3],
                                        out[0], out[1], out[2], out[3] };
    const struct trace_sal_call sal = { in[0],  in[1],  in[2],  in[3],
                                        out[0], out[1], out[2], out[3] };
    const struct trace_efi_call efi = { number - FIRMWARE_EFI, in[0], in[1], in[2], out[0] };
    if (number == FIRMWARE_PAL)
        ipf_trace_event(x->c, TRACE_EVENT_PAL_CALL, &pal);
    else if (number == FIRMWARE_SAL)
        ipf_trace_event(x->c, TRACE_EVENT_SAL_CALL, &sal);
    else
        ipf_trace_event(x->c, TRACE_EVENT_EFI_CALL, &efi);
}

/* Firmware is for privilege level 0: for others its breaks are breaks. */
static enum ipf_called call(void *user, struct ipf_cpu *c, uint64_t number)
{
    struct ipf_call x = { .firmware = user, .c = c };
    if (cpl(c))
        return FIRMWARE_NONE;
    if (number - FIRMWARE_VPS < FIRMWARE_SERVICES) {
        ipf_vps(&x, (unsigned)number - FIRMWARE_VPS);
        return x.faults ? FIRMWARE_FAULTS : FIRMWARE_GOES;
    }
    if (number >= FIRMWARE_ENTRIES)
        return FIRMWARE_NONE;
    if (number == FIRMWARE_RENDEZVOUS)
        return ipf_rendezvous(user, c);
    if (number == FIRMWARE_INIT_DONE)
        return ipf_init_done(user, c);
    for (unsigned k = 0; k < ARRAY_SIZE(x.in) && k < c->cfm.sof; k++)
        x.in[k] = stacked(c, k)->v;
    if (number == FIRMWARE_PAL)
        call_pal(&x);
    else if (number == FIRMWARE_SAL)
        ipf_sal(&x);
    else
        ipf_efi(&x, (unsigned)number - FIRMWARE_EFI);
    alat_clear_all(c);
    if (unlikely(c->trace != NULL) && !x.faults)
        tell(&x, number);
    if (x.faults)
        return FIRMWARE_FAULTS;
    if (x.goes)
        return FIRMWARE_GOES;
    for (unsigned k = 0; k < ARRAY_SIZE(x.result); k++)
        c->gr[8 + k] = (struct ipf_gr){ x.result[k], 0 };
    return FIRMWARE_DONE;
}

bool ipf_call_store(struct ipf_call *x, uint64_t address, const void *bytes, size_t n)
{
    uint64_t pa[2];
    size_t first = PAGE_SIZE - (address & (PAGE_SIZE - 1));
    first = first < n ? first : n;
    const size_t size[2] = { first, n - first };
    for (unsigned k = 0; k < 2; k++)
        if (size[k] && ipf_translate(x->c, address + (k ? first : 0), 0, ISR_W, cpl(x->c),
                                     &pa[k]) != DATA_DONE) {
            x->faults = true;
            return false;
        }
    for (unsigned k = 0; k < 2; k++)
        mem_write(x->firmware->mem, pa[k], (const uint8_t *)bytes + (k ? first : 0), size[k]);
    return true;
}

/* ---- the entry points ---- */

enum { TEMPLATE_MIB = 0x11 }; /* with a stop at its end */
#define NOP BIT(27)
#define NOP_B (UINT64_C(2) << 37)
#define BR_COND_B0 (UINT64_C(0x20) << 27 | BIT(12))
#define BR_RET_B0 (UINT64_C(0x21) << 27 | BIT(12) | 4 << 6)

static uint64_t break_m(uint64_t imm21) { return bits(imm21, 19, 0) << 6 | (imm21 >> 20) << 36; }

static void put_bundle(struct mem *mem, uint64_t address, uint64_t m, uint64_t i, uint64_t b)
{
    mem_write_le(mem, address, 8, TEMPLATE_MIB | m << 5 | i << 46);
    mem_write_le(mem, address + 8, 8, i >> 18 | b << 23);
}

enum { CALL = 0x100000 };
void ipf_firmware_bundle(struct ipf_firmware *f, uint64_t pa, unsigned number)
{
    put_bundle(f->mem, pa, break_m(CALL + number), NOP, NOP_B);
}

void ipf_firmware_init(struct ipf_firmware *f, struct ipf_platform *p, struct mem *mem,
                       uint64_t code)
{
    enum { P6 = 6 };
    *f = (struct ipf_firmware){ .platform = p, .mem = mem, .code = code };
    for (unsigned k = 0; k < FIRMWARE_ENTRIES; k++) {
        uint64_t at = ipf_firmware_entry(f, k);
        put_bundle(mem, at, break_m(CALL + k), NOP, BR_RET_B0 | (k == FIRMWARE_PAL ? P6 : 0));
        put_bundle(mem, at + 16, NOP, NOP, BR_COND_B0);
    }
    struct ipf_cpu *c = p->cpu;
    do {
        c->firmware = call;
        c->init = ipf_init_begin;
        c->firmware_user = f;
        c->firmware_base = code;
        c->firmware_end = code + FIRMWARE_PAGE;
        c = c->beside;
    } while (c != p->cpu);
}
