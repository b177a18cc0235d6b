// SPDX-License-Identifier: Apache-2.0
// Traces of Itanium processors: what records and events say, and that a traced run is the same run.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "ipf/trace.h"
#include "ipf_system.h"
#include "trace/reader.h"
#include "trace/registers_ipf.h"

static struct ipf_cpu *c;
static struct trace_log *record;
static struct trace_reader *reader;
static struct trace_event event;
static char path[32];

static void begin(uint32_t classes)
{
    struct sp_error e = { 0 };
    const struct trace_header h = { .arch = TRACE_IPF, .classes = classes, .cpus = 1,
                                    .tlb_slots = 1, .last = UINT64_MAX,
                                    .registers_n = TRACE_REGISTERS_IPF,
                                    .registers = trace_ipf_registers() };
    strcpy(path, "/tmp/sp-ipf-trace-XXXXXX");
    close(mkstemp(path));
    record = trace_log_open(path, &h, &e);
    cr_assert(record, "%s", e.message);
    cr_assert(ipf_trace_begin(c, record));
}

static void end(void)
{
    struct sp_error e = { 0 };
    ipf_trace_end(c);
    cr_assert(trace_log_close(record, &e), "%s", e.message);
    reader = trace_open(path, &e);
    cr_assert(reader, "%s", e.message);
    unlink(path);
}

static void setup(void)
{
    c = guest_create();
    c->ip = CODE;
}
static void teardown(void)
{
    trace_close(reader);
    guest_destroy(c);
}
TestSuite(ipf_trace, .init = setup, .fini = teardown);

static bool more(void)
{
    struct sp_error e = { 0 };
    enum trace_result result = trace_next(reader, &event, &e);
    cr_assert_neq(result, TRACE_BAD, "%s", e.message);
    return result != TRACE_END;
}

static void next(enum trace_kind kind)
{
    cr_assert(more());
    cr_assert_eq(event.kind, kind, "%s, not %s", trace_kinds[event.kind].name,
                 trace_kinds[kind].name);
}

static void next_insn(uint64_t address, unsigned slot, enum trace_status status, unsigned registers)
{
    next(TRACE_EVENT_INSN);
    cr_assert_eq(event.insn.address, address, "%#lx", event.insn.address);
    cr_assert_eq(event.insn.slot, slot);
    cr_assert_eq(event.insn.status, status);
    cr_assert_eq(event.insn.registers_n, registers, "%u", event.insn.registers_n);
}

static void has_register(unsigned id, uint64_t low, uint64_t high)
{
    for (unsigned k = 0; k < event.insn.registers_n; k++) {
        const struct trace_register *r = &event.insn.registers[k];
        cr_assert(!k || r->id > event.insn.registers[k - 1].id, "in the order of their numbers");
        if (r->id == id && r->value[0] == low && r->value[1] == high)
            return;
    }
    cr_assert(false, "%s", trace_ipf_registers()[id].name);
}

static void has_access(unsigned n, uint64_t address, bool write, bool rse, uint64_t value)
{
    const struct trace_access *a = &event.insn.accesses[n];
    cr_assert_lt(n, event.insn.accesses_n);
    cr_assert_eq(a->linear, address);
    cr_assert_eq(a->physical, address & ~(UINT64_C(7) << 61));
    cr_assert_eq(a->write, write);
    cr_assert_eq(a->system, rse);
    cr_assert_eq(a->size, 8);
    cr_assert(!memcmp(a->bytes, &value, 8));
}

#define GR(n) (IREG_GR + (n) - 1)

Test(ipf_trace, registers_and_memory)
{
    put_bundle(c, CODE, MMI, LD8(9, 8), ST8(10, 9), ADDS(11, 5, 9));
    put_bundle(c, CODE + 16, MMI, ADDS(11, 0, 11), ADDS(12, 1, 13), NOP_I);
    mem_write_le(c->mem, DATA, 8, 0x1234);
    c->gr[8].v = DATA;
    c->gr[10].v = DATA + 16;
    c->gr[13].nat = 1;
    begin(TRACE_PRESET_FULL);
    ipf_run_until(c, c->retired + 6);
    end();
    next_insn(CODE, 0, TRACE_RETIRED, 1);
    has_register(GR(9), 0x1234, 0);
    has_access(0, DATA, false, false, 0x1234);
    cr_assert_eq(event.insn.length, 16);
    cr_assert_eq(event.insn.bits, 128);
    cr_assert_eq(event.insn.physical, CODE);
    cr_assert_eq(event.time, 0);
    next_insn(CODE, 1, TRACE_RETIRED, 0);
    has_access(0, DATA + 16, true, false, 0x1234);
    next_insn(CODE, 2, TRACE_RETIRED, 1);
    has_register(GR(11), 0x1239, 0);
    next_insn(CODE + 16, 0, TRACE_RETIRED, 0);
    next_insn(CODE + 16, 1, TRACE_RETIRED, 1);
    has_register(GR(12), 1, 1);
    next_insn(CODE + 16, 2, TRACE_RETIRED, 0);
    cr_assert_eq(event.time, 5);
    cr_assert_eq(event.index, 5);
    cr_assert_not(more());
}

Test(ipf_trace, the_register_stack_engine_is_marked)
{
    put_bundle(c, CODE, MMI, ALLOC(32, 2, 2), ADDS(33, 7, 0), NOP_I);
    put_bundle(c, CODE + 16, MIB, NOP_M, NOP_I, COVER);
    put_bundle(c, CODE + 32, MMI, FLUSHRS, NOP_M, NOP_I);
    begin(TRACE_PRESET_FULL);
    ipf_run_until(c, c->retired + 7);
    end();
    next_insn(CODE, 0, TRACE_RETIRED, 2);
    has_register(IREG_CFM, 2 | 2 << 7, 0);
    has_register(GR(32), 0, 0); /* which was not there before */
    next_insn(CODE, 1, TRACE_RETIRED, 1);
    has_register(GR(33), 7, 0);
    for (unsigned k = 0; k < 3; k++)
        next(TRACE_EVENT_INSN);
    next_insn(CODE + 16, 2, TRACE_RETIRED, 2);
    has_register(IREG_AR_BSP, BACKING + 16, 0);
    has_register(IREG_CFM, 0, 0);
    next_insn(CODE + 32, 0, TRACE_RETIRED, 1);
    has_register(IREG_AR_BSPSTORE, BACKING + 16, 0);
    cr_assert_eq(event.insn.accesses_n, 2);
    has_access(0, BACKING, true, true, 0);
    has_access(1, BACKING + 8, true, true, 7);
}

Test(ipf_trace, faults)
{
    put_bundle(c, CODE, MMI, NOP_M, BREAK(0x77), NOP_I);
    begin(TRACE_PRESET_EXEC | TRACE_REGISTERS);
    ipf_run_until(c, c->retired + 3);
    end();
    next_insn(CODE, 0, TRACE_RETIRED, 0);
    next(TRACE_EVENT_INSN);
    cr_assert_eq(event.insn.status, TRACE_FAULTED);
    has_register(IREG_CR_IIM, 0x77, 0);
    has_register(IREG_CR_IIP, CODE, 0);
    has_register(IREG_PSR, 0, 0);
    next(TRACE_EVENT_INTERRUPTION);
    cr_assert_eq(event.interruption.vector, 0x2c00);
    cr_assert_eq(event.interruption.value, 0x77);
    cr_assert_eq(event.interruption.iip, CODE);
    cr_assert_eq(event.interruption.slot, 1);
    cr_assert_eq(event.interruption.isr, UINT64_C(1) << 41);
    cr_assert_eq(event.interruption.handler, TABLE + 0x2c00);
    cr_assert_eq(event.time, 1);
    next_insn(TABLE + 0x2c00, 0, TRACE_RETIRED, 0);
    cr_assert_eq(event.time, 2);
}

/* A tick passes, and what the delivery changed is told before the handler begins. */
Test(ipf_trace, a_fetch_that_faults)
{
    put_bundle(c, TABLE + 0x0c00, MII, NOP_M, NOP_I, NOP_I);
    set_psr(c, PSR_IT, 0);
    begin(TRACE_PRESET_FULL);
    ipf_run_until(c, c->retired + 2);
    end();
    next(TRACE_EVENT_INTERRUPTION);
    cr_assert_eq(event.interruption.vector, 0x0c00);
    cr_assert_eq(event.interruption.value, CODE);
    cr_assert_eq(event.time, 0);
}

Test(ipf_trace, an_external_interrupt)
{
    put_bundle(c, CODE, MMI, NOP_M, NOP_M, NOP_I);
    set_psr(c, PSR_I, 0);
    begin(TRACE_PRESET_FULL);
    ipf_post_interrupt(c, 0x30);
    ipf_run_until(c, c->retired + 1);
    end();
    next(TRACE_EVENT_EXTERNAL_INTERRUPT);
    cr_assert_eq(event.external_interrupt.vector, 0x3000);
    cr_assert_eq(event.external_interrupt.pending, 0x30);
    cr_assert_eq(event.external_interrupt.iip, CODE);
    next(TRACE_EVENT_INSN);
    cr_assert_eq(event.insn.status, TRACE_DELIVERED);
    cr_assert_eq(event.insn.length, 0);
    has_register(IREG_CR_IIP, CODE, 0);
    next_insn(TABLE + 0x3000, 0, TRACE_RETIRED, 0);
}

Test(ipf_trace, translations)
{
    put_bundle(c, CODE, MMI, ITC_D(8), PTC_L(9, 10), NOP_I);
    set_psr(c, 0, PSR_IC);
    c->gr[8].v = UINT64_C(0x10000000000661) | DATA;
    c->cr[CR_ITIR] = 14 << 2;
    c->cr[CR_IFA] = c->gr[9].v = UINT64_C(0x2000000000004000);
    c->gr[10].v = 14 << 2;
    c->rr[1] = 5 << 8;
    begin(TRACE_TLB);
    ipf_run_until(c, c->retired + 2);
    end();
    next(TRACE_EVENT_TLB_INSERT);
    cr_assert_eq(event.tlb_insert.side, IPF_DATA);
    cr_assert_eq(event.tlb_insert.reg, UINT64_MAX);
    cr_assert_eq(event.tlb_insert.linear, 0x4000);
    cr_assert_eq(event.tlb_insert.physical, DATA);
    cr_assert_eq(event.tlb_insert.ps, 14);
    cr_assert_eq(event.tlb_insert.rid, 5);
    cr_assert_eq(event.time, 0);
    next(TRACE_EVENT_TLB_PURGE);
    cr_assert_eq(event.tlb_purge.scope, PURGES_CODE | PURGES_DATA);
    cr_assert_eq(event.tlb_purge.linear, UINT64_C(0x2000000000004000));
    cr_assert_eq(event.tlb_purge.ps, 14);
    cr_assert_eq(event.tlb_purge.rid, 5);
    cr_assert_eq(event.time, 1);
    cr_assert_not(more());
}

/* Other code at the same place is another block. */
Test(ipf_trace, code_that_changes)
{
    put_bundle(c, CODE, MMI, ADDS(8, 1, 0), NOP_M, NOP_I);
    begin(TRACE_PRESET_FULL);
    ipf_run_until(c, c->retired + 1);
    put_bundle(c, CODE, MMI, ADDS(8, 2, 0), NOP_M, NOP_I);
    c->ip = CODE;
    c->slot = 0;
    ipf_run_until(c, c->retired + 1);
    end();
    next_insn(CODE, 0, TRACE_RETIRED, 1);
    uint8_t before[16];
    memcpy(before, event.insn.bytes, 16);
    next_insn(CODE, 0, TRACE_RETIRED, 1);
    has_register(GR(8), 2, 0);
    cr_assert(memcmp(before, event.insn.bytes, 16));
}
