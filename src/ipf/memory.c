// SPDX-License-Identifier: Apache-2.0
// Data accesses: through the lines of the software TLB, or by translation.
#include "ipf/trace.h"

#include "mem/phys.h"

static unsigned context_of(const struct ipf_cpu *c, uint64_t how)
{
    unsigned first = c->psr & PSR_VM ? IPF_HOST_CONTEXTS : 1;
    if (how & ISR_RS)
        return c->psr & PSR_RT ? first + bits(c->ar[AR_RSC], 3, 2) : 0;
    return c->psr & PSR_DT ? first + cpl(c) : 0;
}

void ipf_mode_changed(struct ipf_cpu *c)
{
    enum { EMPTY = IPF_HOST_CONTEXTS - 1 };
    uint64_t mode = 0;
    if (unlikely(c->psr & PSR_VM)) {
        mode = c->vti.mode;
        c->contexts = IPF_CONTEXTS;
    }
    c->lines = c->line[c->psr & PSR_BE ? EMPTY : context_of(c, 0)];
    c->fetch_key =
        (c->fetch_generation << IPF_MODE_BITS | mode) << 3 | (c->psr & PSR_IT ? 1 + cpl(c) : 0);
}

/* Lets accesses of a kind find the page of an address that has passed all checks.  Writes to pages
 * that hold decoded code stay slow; so does everything that a breakpoint, PSR.da or a trace may
 * concern. */
static void fill_line(struct ipf_cpu *c, uint64_t address, uint64_t pa, uint64_t how)
{
    enum page_kind kind;
    uint8_t *page = mem_page(c->mem, pa, &kind);
    bool watched = c->psr & (PSR_DA | PSR_DD) || (c->dbr_on && c->psr & PSR_DB) || c->trace;
    if (!page || watched)
        return;
    uint64_t tag = address & ~UINT64_C(0xfff), *code = mem_code_lines(c->mem, pa);
    struct ipf_line *l = &c->line[context_of(c, how)][ipf_line_of(address)];
    uintptr_t addend = (uintptr_t)page - (uintptr_t)tag;
    if (l->addend != addend || (l->read != tag && l->write != tag))
        *l = (struct ipf_line){ IPF_NO_TAG, IPF_NO_TAG, addend };
    if (how & ISR_R)
        l->read = tag;
    if (how & ISR_W && kind == PAGE_RAM && code && !*code)
        l->write = tag;
}

/* Finds where an access goes: *host, or *pa where that is NULL. */
static enum ipf_data find(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how,
                          uint64_t *pa, uint8_t **host)
{
    unsigned level = how & ISR_RS ? bits(c->ar[AR_RSC], 3, 2) : cpl(c);
    enum ipf_data result = ipf_translate(c, address, size, how, level, pa);
    if (result != DATA_DONE)
        return result;
    if (!(*pa & PA_UNCACHED))
        fill_line(c, address, *pa, how);
    *pa &= ~PA_UNCACHED;
    enum page_kind kind;
    uint8_t *page = mem_page(c->mem, *pa, &kind);
    *host = page ? page + (*pa & 0xfff) : NULL;
    return !page && ipf_repeat_alone(c) ? DATA_FAULTS : DATA_DONE;
}

enum ipf_data ipf_read(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how,
                       void *bytes)
{
    uint64_t pa;
    uint8_t *host;
    enum ipf_data result = find(c, address, size, how, &pa, &host);
    if (result != DATA_DONE)
        return result;
    mem_read(c->mem, pa, bytes, size);
    if (unlikely(c->trace != NULL))
        ipf_trace_access(c, address, pa, size, false, how & ISR_RS, bytes);
    return DATA_DONE;
}

enum ipf_data ipf_write(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how,
                        const void *bytes)
{
    uint64_t pa;
    uint8_t *host;
    enum ipf_data result = find(c, address, size, how, &pa, &host);
    if (result != DATA_DONE)
        return result;
    if (host)
        alat_snoop(c, host, size);
    mem_write(c->mem, pa, bytes, size);
    if (unlikely(c->trace != NULL))
        ipf_trace_access(c, address, pa, size, true, how & ISR_RS, bytes);
    return DATA_DONE;
}

enum ipf_data ipf_probe_semaphore(struct ipf_cpu *c, uint64_t address, unsigned size, uint64_t how)
{
    uint64_t pa;
    uint8_t *host;
    return find(c, address, size, ISR_R | ISR_W | how, &pa, &host);
}

uintptr_t ipf_host_address(struct ipf_cpu *c, uint64_t address, unsigned size)
{
    uint64_t pa;
    enum page_kind kind;
    uint8_t *host = line_hit(c->lines, address, 1, false);
    if (host)
        return (uintptr_t)host;
    if (ipf_translate(c, address, size, ISR_R, cpl(c), &pa) != DATA_DONE || pa & PA_UNCACHED)
        return 0;
    uint8_t *page = mem_page(c->mem, pa, &kind);
    return page ? (uintptr_t)(page + (pa & 0xfff)) : 0;
}

/* ---- the register stack engine ---- */

static uint64_t in_rse_order(const struct ipf_cpu *c, uint64_t v)
{
    return c->ar[AR_RSC] & RSC_BE ? __builtin_bswap64(v) : v;
}

enum ipf_data ipf_rse_read(struct ipf_cpu *c, uint64_t address, uint64_t *value)
{
    const uint8_t *host = line_hit(c->line[context_of(c, ISR_RS)], address, 8, false);
    enum ipf_data result = DATA_DONE;
    if (likely(host != NULL))
        memcpy(value, host, 8);
    else
        result = ipf_read(c, address, 8, ISR_R | ISR_RS, value);
    *value = in_rse_order(c, *value);
    return result;
}

enum ipf_data ipf_rse_write(struct ipf_cpu *c, uint64_t address, uint64_t value)
{
    uint8_t *host = line_hit(c->line[context_of(c, ISR_RS)], address, 8, true);
    value = in_rse_order(c, value);
    if (!host)
        return ipf_write(c, address, 8, ISR_W | ISR_RS, &value);
    alat_snoop(c, host, 8);
    memcpy(host, &value, 8);
    return DATA_DONE;
}
