// SPDX-License-Identifier: Apache-2.0
// Whole machines with real-mode programs of a few bytes: the run loop, its limits and its
// determinism.
#include <criterion/criterion.h>
#include <string.h>

#include "cpu/access.h"
#include "cpu/cpu.h"
#include "machine/machine.h"

enum { CODE = 0x1000, AP_CODE = 0x8000 };

static struct machine *create(unsigned processors)
{
    struct sp_error e;
    struct machine_config c = { .ram_size = 16 << 20, .processors = processors, .seed = 1,
                                .debug_exit_port = 0xf4, .debug_exit_size = 4 };
    struct machine *m = machine_create(&c, &e);
    cr_assert(m, "%s", e.message);
    machine_hand_over(m);
    return m;
}

/* Puts a program at CODE and lets processor 0 start there in real mode, with a stack. */
static void load(struct machine *m, const uint8_t *code, size_t n)
{
    struct cpu *c = machine_cpu(m, 0);
    mem_write(machine_mem(m), CODE, code, n);
    c->seg[CS].selector = 0;
    c->seg[CS].base = 0;
    c->rip = CODE;
    c->gpr[RSP] = 0x7000;
    cpu_mode_changed(c);
}
#define LOAD(m, ...)                                                                               \
    do {                                                                                           \
        static const uint8_t code_[] = { __VA_ARGS__ };                                            \
        load(m, code_, sizeof code_);                                                              \
    } while (0)

static struct stop_report run(struct machine *m, uint64_t insns)
{
    struct stop_report r;
    machine_run(m, &(struct machine_limits){ .max_insns = insns }, &r);
    return r;
}

Test(machine, debug_exit_stops_at_the_instruction)
{
    struct machine *m = create(1);
    LOAD(m, 0xb0, 0x10, 0xe6, 0xf4, 0xb0, 0x11);         /* mov al, 10h; out f4h, al; mov al, 11h */
    struct stop_report r = run(m, 1000);
    cr_assert_eq(r.reason, STOP_DEBUG_EXIT);
    cr_assert_eq(r.value, 0x21);
    cr_assert_eq(machine_insns(m), 2);
    cr_assert_eq(machine_cpu(m, 0)->rip, CODE + 4);
    machine_destroy(m);
}

/* The timer ticks, every interrupt is masked: the guest sleeps for ever. */
Test(machine, a_budget_ends_a_sleep_without_end)
{
    struct machine *m = create(1);
    LOAD(m, 0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x00, 0xe6, 0x40, 0xe6,
         0x40,                                                        /* timer 0: mode 2, 10000H */
         0xb0, 0xff, 0xe6, 0x21, 0xe6, 0xa1, 0xfb, 0xf4, 0xeb, 0xfd); /* mask all; sti; hlt; jmp */
    cr_assert_eq(run(m, 1000).reason, STOP_BUDGET);
    cr_assert_eq(machine_insns(m), 10, "%lu", machine_insns(m));
    machine_destroy(m);
}

Test(machine, budget_is_exact_and_pieces_agree)
{
    struct machine *a = create(1), *b = create(1);
    LOAD(a, 0x40, 0x01, 0xc3, 0xeb, 0xfb);               /* inc ax; add bx, ax; jmp */
    LOAD(b, 0x40, 0x01, 0xc3, 0xeb, 0xfb);
    cr_assert_eq(run(a, 100001).reason, STOP_BUDGET);
    for (uint64_t left = 100001, n = 1; left; left -= n, n = n * 7 % 1013 + 1) {
        n = n < left ? n : left;
        run(b, n);
    }
    cr_assert_eq(machine_insns(a), 100001);
    cr_assert_eq(machine_insns(b), 100001);
    cr_assert_eq(machine_state_hash(a), machine_state_hash(b));
    machine_destroy(a);
    machine_destroy(b);
}

Test(machine, halt_with_interrupts_off_stops)
{
    struct machine *m = create(2);
    LOAD(m, 0xfa, 0xf4);                                 /* cli; hlt */
    cr_assert_eq(run(m, 0).reason, STOP_HALTED);
    machine_destroy(m);
}

Test(machine, triple_fault_explains_itself)
{
    struct machine *m = create(1);
    LOAD(m, 0x0f, 0x0b);                                 /* ud2, with an IDT that has no room */
    machine_cpu(m, 0)->idtr.limit = 0;
    struct stop_report r = run(m, 1000);
    cr_assert_eq(r.reason, STOP_TRIPLE_FAULT);
    cr_assert(strstr(r.text, "#DF"), "%s", r.text);
    machine_destroy(m);
}

/* The handler of IRQ 0 (vector 20H) counts in DI; the main program halts until it counted 10. */
static const uint8_t ticker[] = {
    0xc7, 0x06, 0x80, 0x00, 0x40, 0x10,                  /* mov word [80h], 1040h */
    0xc7, 0x06, 0x82, 0x00, 0x00, 0x00,                  /* mov word [82h], 0 */
    0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21,      /* 8259: ICW1, ICW2 */
    0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21,      /* ICW3, ICW4 */
    0xb0, 0xfe, 0xe6, 0x21,                              /* unmask IRQ 0 */
    0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x00, 0xe6, 0x40,      /* 8254: mode 2, ... */
    0xb0, 0x10, 0xe6, 0x40,                              /* ... 1000H clocks */
    0xfb, 0xf4, 0x83, 0xff, 0x0a, 0x75, 0xfa,            /* sti; hlt; cmp di, 10; jne hlt */
    0xe6, 0xf4,                                          /* out f4h, al */
};
static const uint8_t tick_handler[] = { 0x47, 0xb0, 0x20, 0xe6, 0x20, 0xcf };

static uint64_t run_ticker(uint64_t piece)
{
    struct machine *m = create(1);
    load(m, ticker, sizeof ticker);
    mem_write(machine_mem(m), 0x1040, tick_handler, sizeof tick_handler);
    struct stop_report r;
    do
        r = run(m, piece);
    while (r.reason == STOP_BUDGET);
    cr_assert_eq(r.reason, STOP_DEBUG_EXIT, "%s", r.text);
    cr_assert_geq(machine_now(m), 9 * UINT64_C(3432854), "ten periods of 4096 clocks");
    cr_assert_leq(machine_now(m), 11 * UINT64_C(3432854));
    uint64_t hash = machine_state_hash(m);
    machine_destroy(m);
    return hash;
}

Test(machine, timer_interrupts_wake_and_are_deterministic)
{
    uint64_t whole = run_ticker(0);
    cr_assert_eq(run_ticker(1), whole);
    cr_assert_eq(run_ticker(5), whole);
}

/* BSP: INIT and SIPI to processor 1 through the APIC, then waits for its sign at [500h]. */
static const uint8_t bsp[] = {
    0x66, 0xbe, 0x00, 0x03, 0xe0, 0xfe,                   /* mov esi, fee00300h */
    0x67, 0x66, 0xc7, 0x46, 0x10, 0x00, 0x00, 0x00, 0x01, /* mov dword [esi+10h], 1 << 24 */
    0x67, 0x66, 0xc7, 0x06, 0x00, 0x45, 0x00, 0x00,       /* INIT */
    0x67, 0x66, 0xc7, 0x06, 0x08, 0x46, 0x00, 0x00,       /* SIPI 08H */
    0x80, 0x3e, 0x00, 0x05, 0x5a, 0x75, 0xf9,             /* cmp byte [500h], 5ah; jne */
    0xe6, 0xf4,
};
static const uint8_t ap[] = { 0xc6, 0x06, 0x00, 0x05, 0x5a, 0xfa, 0xf4 };

Test(machine, processors_start_by_init_and_sipi)
{
    uint64_t hash[2];
    for (unsigned k = 0; k < 2; k++) {
        struct machine *m = create(3);
        load(m, bsp, sizeof bsp);
        /* Unreal mode: the APIC lies above the 64 KiB of a real-mode segment. */
        machine_cpu(m, 0)->seg[DS].limit = UINT32_MAX;
        cpu_mode_changed(machine_cpu(m, 0));
        mem_write(machine_mem(m), AP_CODE, ap, sizeof ap);
        struct stop_report r;
        do
            r = run(m, k ? 333 : 1000000);
        while (k && r.reason == STOP_BUDGET && machine_insns(m) < 1000000);
        cr_assert_eq(r.reason, STOP_DEBUG_EXIT, "%s", r.text);
        cr_assert_eq(machine_cpu(m, 1)->activity, ACTIVITY_HLT);
        cr_assert_eq(machine_cpu(m, 2)->activity, ACTIVITY_WAIT_SIPI);
        hash[k] = machine_state_hash(m);
        machine_destroy(m);
    }
    cr_assert_eq(hash[0], hash[1]);
}

/* Processor 0 frees a lock for two instructions of its loop of eight, as SeaBIOS does when it
 * counts processors; processor 1 gets it although turns change by the clock. */
Test(machine, turns_do_not_keep_step_with_a_loop)
{
    struct machine *m = create(2);
    static const uint8_t taker[] = {
        0xf3, 0x90,                               /* again: pause */
        0xf0, 0x0f, 0xba, 0x2e, 0x00, 0x06, 0x00, /* lock bts word [600h], 0 */
        0x72, 0xf5, 0xe6, 0xf4,                   /* jc again; out f4h, al */
    };
    LOAD(m, 0xc6, 0x06, 0x00, 0x06, 0x00, 0xf3, 0x90, /* loop: mov byte [600h], 0; pause */
         0xf0, 0x0f, 0xba, 0x2e, 0x00, 0x06, 0x00,    /* again: lock bts word [600h], 0 */
         0x72, 0xf7, 0x90, 0x90, 0x90, 0xeb, 0xeb);   /* jc again; nop; nop; nop; jmp loop */
    struct cpu *c = machine_cpu(m, 1);
    mem_write(machine_mem(m), AP_CODE, taker, sizeof taker);
    mem_write_le(machine_mem(m), 0x600, 2, 1); /* taken */
    c->seg[CS].selector = 0;
    c->seg[CS].base = 0;
    c->rip = AP_CODE;
    c->activity = ACTIVITY_ACTIVE;
    cpu_mode_changed(c);
    cr_assert_eq(run(m, 200000).reason, STOP_DEBUG_EXIT);
    machine_destroy(m);
}

Test(machine, memory_map_covers_ram_once)
{
    struct machine *m = create(1);
    struct memory_range r[16];
    size_t n = machine_memory_map(m, r, 16);
    uint64_t end = 0;
    for (size_t k = 0; k < n; k++) {
        cr_assert_geq(r[k].base, end);
        end = r[k].base + r[k].size;
    }
    cr_assert_eq(end, UINT64_C(0xc0000000), "the PCI configuration window comes last");
    cr_assert_eq(r[n - 2].base + r[n - 2].size, 16 << 20);
    cr_assert_eq(machine_memory_map(m, r, 2), 2);
    machine_destroy(m);
}

Test(machine, bad_configurations_are_refused)
{
    struct sp_error e;
    struct machine_config c = { .ram_size = 16 << 20, .processors = 0 };
    cr_assert_null(machine_create(&c, &e));
    cr_assert_eq(e.code, SP_EXIT_USAGE);
    c.processors = 1;
    c.cpu = "no-such-processor";
    cr_assert_null(machine_create(&c, &e));
    c.cpu = NULL;
    c.ram_size = 12345;
    cr_assert_null(machine_create(&c, &e));
}
