// SPDX-License-Identifier: Apache-2.0
// A bare machine for unit tests: one processor in 64-bit mode at CPL 0 with an identity map of 1
// GiB, and code taken from assembly in the test itself.
#ifndef SP_TESTS_BARE_H
#define SP_TESTS_BARE_H

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "cpu/hooks.h"
#include "machine/machine.h"
#include "trace/log.h"

enum { BARE_CODE = 0x10000, BARE_STACK = 0x80000, BARE_DATA = 0x100000, BARE_TABLES = 0x1000 };

/* Code between two labels of a top-level asm block: BARE_PROGRAM(name, "instructions"). */
#define BARE_PROGRAM(name, text)                                                                   \
    extern const uint8_t name##_start[], name##_end[];                                             \
    __asm__(".pushsection .bare,\"ax\"\n" #name "_start:\n" text "\n" #name                        \
            "_end:\n.code64\n.popsection")

static inline void bare_insn(void *user, struct cpu *c, const struct trace_insn *n) {}
static inline void bare_access(void *user, struct cpu *c, uint64_t rip, bool between,
                               const struct trace_access *a) {}

/* With TEST_TRACED in the environment all that the tests run is traced, for nobody, or for hooks if
 * it is "live": it must not show. */
static inline void bare_trace(struct machine *m)
{
    if (!strcmp(getenv("TEST_TRACED"), "live")) {
        machine_hooks(m)->insn = bare_insn;
        machine_hooks(m)->access = bare_access;
        cr_assert(machine_trace(m, trace_log_live()));
        return;
    }
    struct sp_error e = { 0 };
    const struct trace_header h = { .classes = TRACE_PRESET_FULL, .cpus = machine_cpu_count(m),
                                    .tlb_slots = TLB_SLOTS, .last = UINT64_MAX };
    struct trace_log *log = trace_log_open("/dev/null", &h, &e);
    cr_assert(log, "%s", e.message);
    cr_assert(machine_trace(m, log));
}

static inline struct machine *bare_machine(const char *cpu)
{
    struct sp_error e = { 0 };
    struct machine_config config = {
        .ram_size = 16 << 20, .processors = 1, .cpu = cpu, .bare = true
    };
    struct machine *m = machine_create(&config, &e);
    cr_assert(m, "%s", e.message);
    if (getenv("TEST_TRACED"))
        bare_trace(m);
    return m;
}

static inline struct cpu *bare_load(struct machine *m, const uint8_t *start, const uint8_t *end)
{
    struct cpu *c = machine_cpu(m, 0);
    struct mem *mem = machine_mem(m);
    mem_write(mem, BARE_CODE, start, (size_t)(end - start));
    mem_write_le(mem, BARE_TABLES, 8, (BARE_TABLES + 0x1000) | 7);
    mem_write_le(mem, BARE_TABLES + 0x1000, 8, (BARE_TABLES + 0x2000) | 7);
    for (uint64_t k = 0; k < 512; k++)
        mem_write_le(mem, BARE_TABLES + 0x2000 + 8 * k, 8, k << 21 | 0x87);
    for (unsigned s = ES; s <= GS; s++)
        c->seg[s] = (struct segment){ .limit = 0xffffffff, .access = s == CS ? 0xa09b : 0xc093,
                                      .selector = s == CS ? 8 : 16 };
    cpu_load_efer(c, EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE);
    cpu_load_cr4(c, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    cpu_load_cr3(c, BARE_TABLES);
    cpu_load_cr0(c, CR0_PE | CR0_PG | CR0_NE | CR0_ET | CR0_MP);
    c->cpl = 0;
    c->gpr[RSP] = BARE_STACK;
    c->rip = BARE_CODE;
    cpu_mode_changed(c);
    return c;
}

static inline enum machine_stop bare_run(struct machine *m, uint64_t insns)
{
    struct machine_limits limits = { .max_insns = insns };
    struct stop_report report;
    machine_run(m, &limits, &report);
    return report.reason;
}

#endif
