// SPDX-License-Identifier: Apache-2.0
// The public interface with an Itanium machine: only the installed header.
#include <criterion/criterion.h>
#include <silverpool/silverpool.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY = 0x100000, RAM = 4 << 20 };

/* An ELF executable with one segment at ENTRY: the smallest that is loaded. */
struct elf {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
    struct {
        uint32_t type, flags;
        uint64_t offset, vaddr, paddr, filesz, memsz, align;
    } segment;
    uint64_t code[16];
};
static struct elf elf_of(const uint64_t *code, size_t words)
{
    struct elf e = {
        .ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
        .type = 2,
        .machine = 50,
        .version = 1,
        .entry = ENTRY,
        .phoff = 64,
        .flags = 0x10,
        .ehsize = 64,
        .phentsize = 56,
        .phnum = 1,
        .segment = { 1, 5, offsetof(struct elf, code), ENTRY, ENTRY, 128, 128, 8 },
    };
    memcpy(e.code, code, words * 8);
    return e;
}

/* M, I, I bundles. */
#define NOP (UINT64_C(1) << 27)
#define BUNDLE(s0, s1, s2)                                                                         \
    ((uint64_t)(s0) << 5 | (uint64_t)(s1) << 46), ((uint64_t)(s1) >> 18 | (uint64_t)(s2) << 23)
#define ADDS(r1, imm, r3)                                                                          \
    (UINT64_C(8) << 37 | UINT64_C(2) << 34 | (uint64_t)(imm) << 13 | (r3) << 20 | (r1) << 6)
#define BREAK_M(imm) ((uint64_t)(imm) << 6)
static const uint64_t counts[] = { BUNDLE(ADDS(8, 1, 8), ADDS(9, 2, 9), NOP),
                                   BUNDLE(BREAK_M(5), NOP, NOP) };

static struct sp_machine *create(const struct sp_config *config)
{
    char why[256] = "";
    struct sp_machine *m = sp_machine_create(config, why, sizeof why);
    cr_assert(m, "%s", why);
    return m;
}
static struct sp_machine *with_code(const uint64_t *code, size_t words)
{
    struct sp_config config = { .ram_size = RAM };
    struct sp_machine *m = create(&config);
    struct elf e = elf_of(code, words);
    cr_assert(sp_load_kernel_bytes(m, "kernel", &e, sizeof e, "console=ttyS0"), "%s",
              sp_last_failure(m));
    return m;
}
static uint64_t reg(struct sp_machine *m, const char *name)
{
    uint64_t v = 0;
    cr_assert(sp_reg_read(m, 0, name, &v), "%s", sp_last_failure(m));
    return v;
}
static void set_reg(struct sp_machine *m, const char *name, uint64_t v)
{
    cr_assert(sp_reg_write(m, 0, name, v), "%s", sp_last_failure(m));
}

Test(api_ipf, the_kernel_decides_what_the_machine_is)
{
    uint64_t v;
    struct sp_machine *m = with_code(counts, 4);
    cr_assert_eq(sp_processors(m), 1);
    cr_assert_eq(reg(m, "ip"), ENTRY);
    cr_assert_not(sp_reg_read(m, 0, "rip", &v));
    cr_assert_not(sp_reg_read(m, 1, "ip", &v));
    cr_assert_not(sp_msr_read(m, 0, 0x10, &v));
    cr_assert_not(sp_vmcs_read(m, 0, "GUEST_RIP", &v));
    cr_assert_not(sp_save(m, "/dev/null"));
    cr_assert_not(sp_machine_reset(m));
    cr_assert_not(sp_load_firmware(m, "/dev/null"));
    cr_assert(strstr(sp_last_failure(m), "firmware"));
    sp_machine_destroy(m);
}

Test(api_ipf, an_itanium_kernel_wants_a_configuration_that_fits)
{
    struct sp_config config = { .ram_size = RAM, .debug_exit_port = 0xf4 };
    struct sp_machine *m = create(&config);
    struct elf e = elf_of(counts, 4);
    cr_assert_not(sp_load_kernel_bytes(m, "kernel", &e, sizeof e, NULL));
    cr_assert(strstr(sp_last_failure(m), "debug-exit"), "%s", sp_last_failure(m));
    cr_assert(sp_reg_write(m, 0, "rip", 7), "it is still what it was");
    sp_machine_destroy(m);
}

Test(api_ipf, it_runs_stops_and_can_be_changed_in_between)
{
    struct sp_stop_report stop;
    struct sp_limits limits = { .max_insns = 2 };
    struct sp_machine *m = with_code(counts, 4);
    set_reg(m, "gr8", 41);
    sp_run(m, &limits, &stop);
    cr_assert_eq(stop.reason, SP_STOP_BUDGET);
    cr_assert_eq(sp_instructions(m), 2);
    cr_assert_eq(reg(m, "gr8"), 42);
    cr_assert_eq(reg(m, "gr9"), 2);
    cr_assert_eq(reg(m, "psr") >> 41 & 3, 2, "the slot that comes next");
    set_reg(m, "ip", ENTRY);
    sp_run(m, &limits, &stop);
    cr_assert_eq(reg(m, "gr8"), 43);
    sp_machine_destroy(m);
}

Test(api_ipf, handlers_that_only_fault_are_an_end)
{
    struct sp_stop_report stop;
    struct sp_machine *m = with_code(counts, 4);
    set_reg(m, "cr.iva", 0x200000);
    sp_run(m, NULL, &stop);
    cr_assert_eq(stop.reason, SP_STOP_TRIPLE_FAULT);
    cr_assert(strstr(stop.text, "BREAK at ip 0x202c00"), "%s", stop.text);
    sp_machine_destroy(m);
}

static struct sp_event seen;
static unsigned count;
static void note(void *user, struct sp_machine *m, const struct sp_event *event)
{
    (void)user;
    if (!count++)
        seen = *event;
    sp_stop(m);
}

Test(api_ipf, hooks_see_interruptions_and_stop_the_run)
{
    struct sp_stop_report stop;
    struct sp_machine *m = with_code(counts, 4);
    cr_assert(sp_hook_set(m, SP_EVENT_INTERRUPTION, note, NULL));
    sp_run(m, NULL, &stop);
    cr_assert_eq(stop.reason, SP_STOP_REQUESTED);
    cr_assert_eq(count, 1);
    cr_assert_eq(seen.kind, SP_EVENT_INTERRUPTION);
    cr_assert_eq(seen.rip, ENTRY + 16);
    cr_assert_eq(seen.slot, 0);
    cr_assert_eq(seen.vector, 0x2c);
    cr_assert_eq(seen.value, 5);
    cr_assert_eq(seen.isr >> 39, 1, "ni");
    cr_assert_str_eq(seen.text, "BREAK");
    cr_assert_eq(reg(m, "ip"), 0x2c00);
    cr_assert_eq(sp_instructions(m), 4);
    sp_machine_destroy(m);
}

Test(api_ipf, hooks_may_be_set_before_the_kernel_is_loaded)
{
    struct sp_stop_report stop;
    struct sp_config config = { .ram_size = RAM };
    struct sp_machine *m = create(&config);
    struct elf e = elf_of(counts, 4);
    cr_assert(sp_hook_set(m, SP_EVENT_INTERRUPTION, note, NULL));
    cr_assert(sp_load_kernel_bytes(m, "kernel", &e, sizeof e, NULL));
    sp_run(m, NULL, &stop);
    cr_assert_eq(count, 1);
    sp_machine_destroy(m);
}

Test(api_ipf, several_processors_wait_in_firmware_for_the_first)
{
    uint64_t v;
    struct sp_stop_report stop;
    struct sp_limits limits = { .max_insns = 100000 };
    struct sp_config config = { .ram_size = RAM, .processors = 3 };
    struct sp_machine *m = create(&config);
    struct elf e = elf_of(counts, 4);
    cr_assert(sp_load_kernel_bytes(m, "kernel", &e, sizeof e, NULL), "%s", sp_last_failure(m));
    cr_assert_eq(sp_processors(m), 3);
    cr_assert(sp_reg_read(m, 2, "ip", &v));
    cr_assert_neq(v, ENTRY);
    cr_assert_not(sp_reg_read(m, 3, "ip", &v));
    sp_run(m, &limits, &stop);
    cr_assert_eq(stop.reason, SP_STOP_BUDGET, "the others might end the chain: %s", stop.text);
    sp_machine_destroy(m);
}

Test(api_ipf, equal_machines_have_equal_hashes)
{
    struct sp_limits limits = { .max_insns = 3 };
    struct sp_stop_report stop;
    struct sp_machine *a = with_code(counts, 4), *b = with_code(counts, 4);
    sp_run(a, &limits, &stop);
    sp_run(b, &limits, &stop);
    cr_assert_eq(sp_state_hash(a), sp_state_hash(b));
    set_reg(b, "gr10.nat", 1);
    cr_assert_neq(sp_state_hash(a), sp_state_hash(b));
    sp_machine_destroy(a);
    sp_machine_destroy(b);
}

Test(api_ipf, every_register_that_can_be_written_reads_back)
{
    static const char *const names[] = {
        "gr1",
        "gr31",
        "gr31.nat",
        "fr2.significand",
        "fr127.exponent",
        "fr32.sign",
        "pr1",
        "pr63",
        "br0",
        "br7",
        "rr0",
        "rr7",
        "pkr0",
        "pkr15",
        "ibr0",
        "dbr7",
        "pmc4",
        "pmd4",
        "ar.lc",
        "ar.unat",
        "ar.k0",
        "ar.itc",
        "cr.iva",
        "cr.itm",
        "cr.ifa",
        "cr.itir",
        "cr.dcr",
        "ar65",
    };
    struct sp_machine *m = with_code(counts, 4);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        set_reg(m, names[k], 1);
        cr_assert_eq(reg(m, names[k]), 1, "%s", names[k]);
        set_reg(m, names[k], 0);
        cr_assert_eq(reg(m, names[k]), 0, "%s", names[k]);
    }
    set_reg(m, "ar.lc", 77);
    cr_assert_eq(reg(m, "ar65"), 77);
    set_reg(m, "pr", 0x8000000000010000);
    cr_assert_eq(reg(m, "pr"), 0x8000000000010001);
    cr_assert_eq(reg(m, "pr16"), 1);
    set_reg(m, "gr16", 5);
    set_reg(m, "psr", reg(m, "psr") ^ UINT64_C(1) << 44);
    cr_assert_neq(reg(m, "gr16"), 5, "the other bank");
    sp_machine_destroy(m);
}

Test(api_ipf, what_is_no_register_or_read_only_says_so)
{
    static const char *const none[] = { "gr128", "gr",      "gr8.significand", "fr8",
                                        "br8",   "ar.none", "cr200",           "ip0",
                                        "gr-1",  "",        "rr99999999999",   "pr64" };
    static const char *const fixed[] = { "gr0",    "fr1.sign", "cfm", "cpuid0",
                                         "ar.bsp", "cr.irr0",  "pr0" };
    uint64_t v;
    struct sp_machine *m = with_code(counts, 4);
    for (size_t k = 0; k < sizeof none / sizeof *none; k++)
        cr_assert_not(sp_reg_read(m, 0, none[k], &v), "%s", none[k]);
    for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++) {
        cr_assert(sp_reg_read(m, 0, fixed[k], &v), "%s", fixed[k]);
        cr_assert_not(sp_reg_write(m, 0, fixed[k], v), "%s", fixed[k]);
    }
    cr_assert_not(sp_reg_read(m, 0, "cr.ivr", &v));
    cr_assert_not(sp_reg_read(m, 0, "gr127", &v));
    cr_assert(strstr(sp_last_failure(m), "outside of the frame"));
    sp_machine_destroy(m);
}

Test(api_ipf, memory_is_physical_or_as_psr_dt_has_it)
{
    uint64_t v = 0, w = 0x1122334455667788;
    struct sp_machine *m = with_code(counts, 4);
    cr_assert(sp_mem_read(m, ENTRY, &v, 8));
    cr_assert_eq(v, counts[0]);
    cr_assert(sp_mem_write_linear(m, 0, 0x201ffc, &w, 8));
    cr_assert(sp_mem_read(m, 0x201ffc, &v, 8));
    cr_assert_eq(v, w);
    set_reg(m, "psr", reg(m, "psr") | 1 << 17);
    cr_assert_not(sp_mem_read_linear(m, 0, 0x201ffc, &v, 8));
    cr_assert(strstr(sp_last_failure(m), "not mapped"));
    sp_machine_destroy(m);
}

static char console[16];
static void console_write(void *user, const uint8_t *bytes, size_t n)
{
    (void)user;
    strncat(console, (const char *)bytes, n);
}

Test(api_ipf, calls_of_the_ski_simulator)
{
    /* SSC_PUTCHAR is 31 with the character in in0; SSC_EXIT is 66 */
    static const uint64_t code[] = {
        BUNDLE(UINT64_C(1) << 37 | UINT64_C(6) << 33 | 1 << 20 | 1 << 13 | 8 << 6, NOP, NOP),
        BUNDLE(NOP, ADDS(32, 'x', 0), ADDS(15, 31, 0)),
        BUNDLE(BREAK_M(0x80001), ADDS(15, 66, 0), ADDS(32, 9, 0)),
        BUNDLE(BREAK_M(0x80001), NOP, NOP),
    };
    struct sp_config config = { .ram_size = RAM, .ssc = true, .serial_write = console_write };
    struct sp_stop_report stop;
    struct sp_machine *m = create(&config);
    struct elf e = elf_of(code, 8);
    cr_assert(sp_load_kernel_bytes(m, "kernel", &e, sizeof e, NULL), "%s", sp_last_failure(m));
    sp_run(m, NULL, &stop);
    cr_assert_eq(stop.reason, SP_STOP_DEBUG_EXIT, "%s", stop.text);
    cr_assert_eq(stop.value, 9);
    cr_assert_str_eq(console, "x");
    sp_machine_destroy(m);
}
