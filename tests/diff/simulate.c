// SPDX-License-Identifier: Apache-2.0
#include "simulate.h"

#include <string.h>

#include "cpu/access.h"
#include "segments.h"

enum { HLT = 0xf4, INSNS_MAX = 40000 };
#define RAM_SIZE UINT64_C(0x100000)

bool simulate_create(struct user_machine *u, unsigned bits, struct sp_error *e)
{
    if (!user_create(u, bits, RAM_SIZE, e) || !user_map(u, CODE_BASE, CODE_SIZE, USER_EXECUTE) ||
        !user_map(u, DATA_BASE, DATA_SIZE, USER_WRITE))
        return false;
    for (unsigned page = 0; page < CODE_SIZE; page += PAGE_SIZE)
        memset(user_page(u, (uint64_t)CODE_BASE + page), HLT, PAGE_SIZE);
    return true;
}

/* Where the descriptor tables stand: above what 16- and 32-bit code reaches if the mode lets them.
 */
#define TABLES_LONG UINT64_C(0xffff900000000000)
#define TABLES_LEGACY UINT64_C(0x10bad000)

bool simulate_tables(struct user_machine *u, uint32_t per_cpu)
{
    uint64_t at = u->bits == 64 ? TABLES_LONG : TABLES_LEGACY, table[GDT_COUNT + LDT_COUNT];
    for (unsigned k = 0; k < GDT_COUNT; k++)
        table[k] = gdt_descriptor(k, per_cpu);
    for (unsigned k = 0; k < LDT_COUNT; k++)
        table[GDT_COUNT + k] = ldt_descriptor(k);
    if (!user_map(u, at, PAGE_SIZE, USER_SUPERVISOR | USER_WRITE) ||
        !user_write(u, at, table, sizeof table))
        return false;
    u->cpu->gdtr = (struct dtable){ .base = at, .limit = 8 * GDT_COUNT - 1 };
    u->cpu->seg[LDTR] = (struct segment){ .base = at + 8 * GDT_COUNT,
                                          .limit = 8 * LDT_COUNT - 1,
                                          .access = SEG_P | 2 /* LDT */,
                                          .selector = 0x50 };
    return true;
}

static void load_fx(struct fpu *f, const uint8_t fx[512])
{
    uint16_t fsw;
    *f = (struct fpu){ 0 };
    memcpy(&f->control, fx + FX_FCW, 2);
    memcpy(&fsw, fx + FX_FSW, 2);
    f->top = fsw >> 11 & 7;
    f->status = fsw & 0xc7ff;
    f->tag = fx[FX_FTW];
    memcpy(&f->mxcsr, fx + FX_MXCSR, 4);
    for (unsigned k = 0; k < 8; k++) {
        struct f80 *st = &f->st[(f->top + k) & 7];
        memcpy(&st->frac, fx + FX_ST + 16 * k, 8);
        memcpy(&st->sexp, fx + FX_ST + 16 * k + 8, 2);
    }
    memcpy(f->xmm, fx + FX_XMM, sizeof f->xmm);
}

static void store_fx(const struct fpu *f, uint8_t fx[512])
{
    uint16_t fsw = (uint16_t)(f->status | f->top << 11);
    memset(fx, 0, 512);
    memcpy(fx + FX_FCW, &f->control, 2);
    memcpy(fx + FX_FSW, &fsw, 2);
    fx[FX_FTW] = f->tag;
    memcpy(fx + FX_MXCSR, &f->mxcsr, 4);
    for (unsigned k = 0; k < 8; k++) {
        const struct f80 *st = &f->st[(f->top + k) & 7];
        memcpy(fx + FX_ST + 16 * k, &st->frac, 8);
        memcpy(fx + FX_ST + 16 * k + 8, &st->sexp, 2);
    }
    memcpy(fx + FX_XMM, f->xmm, sizeof f->xmm);
}

static void load_state(struct user_machine *u, const struct test_case *t)
{
    struct cpu *c = u->cpu;
    memcpy(c->gpr, t->in.gpr, sizeof t->in.gpr);
    c->rip = case_origin(t) + t->start;
    c->cr2 = 0;
    c->cpl = 3;
    c->shadow = 0;
    c->pending = 0;
    c->is_delivering = false;
    if (t->bits < 64) {
        for (unsigned s = ES; s <= GS; s++)
            c->seg[s] = segment_of(t->in.selector[s]);
    } else {
        c->seg[FS].base = t->in.fs_base;
        c->seg[GS].base = t->in.gs_base;
    }
    load_fx(&c->fpu, t->in.fx);
    cpu_set_rflags(c, t->in.rflags);
    cpu_mode_changed(c);
}

/* The host's tables stand elsewhere. */
static bool is_table(const struct user_machine *u, uint64_t page)
{
    return u->bits == 32 && (page == TABLES_LEGACY || page == USER_LDT);
}

/* INT3 and INT1 report the instruction behind them. */
static bool is_trap(const struct event *e)
{
    return e->type == EVENT_SOFTWARE_INT || e->type == EVENT_PRIVILEGED_SW ||
           e->type == EVENT_SOFTWARE_EXC;
}

static void store_state(struct user_machine *u, const struct test_case *t, struct result *r)
{
    struct cpu *c = u->cpu;
    memcpy(r->out.gpr, c->gpr, sizeof r->out.gpr);
    r->out.rflags = cpu_rflags(c);
    r->out.rip = u->faulted ? u->fault_rip + (is_trap(&u->event) ? u->event.length : 0) : c->rip;
    r->out.fs_base = c->seg[FS].base;
    r->out.gs_base = c->seg[GS].base;
    for (unsigned s = ES; s <= GS; s++)
        r->out.selector[s] = c->seg[s].selector;
    store_fx(&c->fpu, r->out.fx);
    r->vector = u->faulted ? u->event.vector : STILL_RUNNING;
    r->error = u->faulted && u->event.has_error ? u->event.error : 0;
    r->address = u->faulted && u->event.vector == EXC_PF ? u->event.address : 0;
    if (r->vector == EXC_PF && is_table(u, r->address & PAGE_MASK))
        r->error &= ~UINT32_C(1);
    if (r->vector == EXC_GP && r->out.rip == case_end(t))
        r->vector = NO_EXCEPTION;        /* the HLT behind the last instruction */
}

void simulate_case(struct user_machine *u, const uint8_t *pattern, const struct test_case *t,
                   struct result *r)
{
    static const uint8_t nothing[CODE_BYTES_MAX] = { [0 ... CODE_BYTES_MAX - 1] = HLT };
    static uint8_t data[DATA_SIZE]; /* the program has one thread */
    user_write(u, (uint64_t)CODE_BASE + t->start, t->code, t->length);
    case_data(t, pattern, data);
    for (unsigned page = 0; page < DATA_SIZE; page += PAGE_SIZE)
        memcpy(user_page(u, (uint64_t)DATA_BASE + page), data + page, PAGE_SIZE);
    load_state(u, t);
    user_run(u, INSNS_MAX);
    store_state(u, t, r);
    user_write(u, (uint64_t)CODE_BASE + t->start, nothing, t->length);
    for (unsigned page = 0; page < DATA_SIZE; page += PAGE_SIZE)
        memcpy(r->data + page, user_page(u, (uint64_t)DATA_BASE + page), PAGE_SIZE);
}
