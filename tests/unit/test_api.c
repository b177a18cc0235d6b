// SPDX-License-Identifier: Apache-2.0
// The public interface, used as an embedder uses it: only the installed header.
#include <criterion/criterion.h>
#include <silverpool/silverpool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct sp_machine *create(bool bare)
{
    char why[256] = "";
    struct sp_config config = { .ram_size = 2 << 20, .bare = bare, .debug_exit_port = 0xf4 };
    struct sp_machine *m = sp_machine_create(&config, why, sizeof why);
    cr_assert(m, "%s", why);
    return m;
}

/* Puts processor 0 at 0:7c00 in real-address mode, with this code there. */
static void enter(struct sp_machine *m, const void *code, size_t size)
{
    cr_assert(sp_load_flat(m, code, size, 0x7c00), "%s", sp_last_failure(m));
    cr_assert(sp_reg_write(m, 0, "cs", 0) && sp_reg_write(m, 0, "cs.base", 0));
    cr_assert(sp_reg_write(m, 0, "rip", 0x7c00));
}

Test(api, a_bad_configuration_says_why)
{
    char why[64] = "";
    struct sp_config config = { .cpu = "z80" };
    cr_assert_null(sp_machine_create(&config, why, sizeof why));
    cr_assert(strstr(why, "z80"), "%s", why);
    config = (struct sp_config){ .processors = 1000 };
    cr_assert_null(sp_machine_create(&config, NULL, 0));
}

Test(api, disks_are_files)
{
    char why[200], path[] = "/tmp/silverpool-api-XXXXXX";
    int fd = mkstemp(path);
    struct sp_disk disks[17] = { { .file = path } };
    struct sp_config config = { .disks = disks, .disk_count = 1 };
    cr_assert(fd >= 0 && !ftruncate(fd, 1000));
    cr_assert_null(sp_machine_create(&config, why, sizeof why));
    cr_assert(strstr(why, "multiple of 512"), "%s", why);
    cr_assert_not(ftruncate(fd, 1024));
    struct sp_machine *m = sp_machine_create(&config, why, sizeof why);
    cr_assert(m, "%s", why);
    sp_machine_destroy(m);
    config.disk_count = 17;
    cr_assert_null(sp_machine_create(&config, why, sizeof why));
    close(fd);
    unlink(path);
}

Test(api, registers_by_name)
{
    struct sp_machine *m = create(true);
    uint64_t v = 0;
    cr_assert(sp_reg_write(m, 0, "r13", 0x123456789abcdef0));
    cr_assert(sp_reg_read(m, 0, "r13", &v));
    cr_assert_eq(v, 0x123456789abcdef0);
    cr_assert(sp_reg_write(m, 0, "rflags", 0x8d7));
    cr_assert(sp_reg_read(m, 0, "rflags", &v));
    cr_assert_eq(v, 0x8d7, "%#lx", v);
    cr_assert(sp_reg_write(m, 0, "xcr0", UINT64_C(1) << 62 | 2));
    cr_assert(sp_reg_read(m, 0, "xcr0", &v));
    cr_assert_eq(v, 3, "x87 always, and no component that does not exist");
    cr_assert(sp_reg_read(m, 0, "cs.base", &v));
    cr_assert_eq(v, 0xffff0000);
    cr_assert_not(sp_reg_write(m, 0, "cs", 0x10000), "a selector has 16 bits");
    cr_assert_not(sp_reg_read(m, 0, "eflags", &v));
    cr_assert(strstr(sp_last_failure(m), "eflags"));
    cr_assert_not(sp_reg_read(m, 1, "rax", &v), "there is only one processor");
    sp_machine_destroy(m);
}

/* FLD1 pushes to physical register 7; FNSTSW sees what was written as fsw. */
Test(api, floating_point_registers_and_msrs)
{
    static const uint8_t fld1_fnstsw[] = { 0xd9, 0xe8, 0xdf, 0xe0 };
    struct sp_machine *m = create(true);
    struct sp_limits two = { .max_insns = 2 };
    struct sp_stop_report report;
    uint64_t v = 0;
    enter(m, fld1_fnstsw, sizeof fld1_fnstsw);
    cr_assert(sp_reg_write(m, 0, "cr0", 0x30) && sp_reg_write(m, 0, "ftw", 0));
    cr_assert(sp_reg_write(m, 0, "fsw", 0x4100));
    sp_run(m, &two, &report);
    cr_assert(sp_reg_read(m, 0, "fpr7.exponent", &v) && v == 0x3fff);
    cr_assert(sp_reg_read(m, 0, "fpr7.fraction", &v) && v == UINT64_C(1) << 63);
    cr_assert(sp_reg_read(m, 0, "ftw", &v) && v == 0x80);
    cr_assert(sp_reg_read(m, 0, "fsw", &v) && (v & 0x3800) == 0x3800);
    cr_assert(sp_reg_read(m, 0, "rax", &v) && (v & 0x7900) == 0x7900, "%#lx", v);
    cr_assert(sp_reg_write(m, 0, "xmm9.high", 5) && sp_reg_read(m, 0, "xmm9.high", &v) && v == 5);
    cr_assert(sp_msr_write(m, 0, 0xc0000082, 0x1000) && sp_msr_read(m, 0, 0xc0000082, &v));
    cr_assert_eq(v, 0x1000);
    cr_assert_not(sp_msr_read(m, 0, 0x12345678, &v));
    sp_machine_destroy(m);
}

Test(api, memory_physical_and_linear)
{
    struct sp_machine *m = create(true);
    char text[6] = "";
    cr_assert(sp_mem_write(m, 0xffe, "across", 6));
    cr_assert(sp_mem_read_linear(m, 0, 0xffe, text, 6));
    cr_assert_arr_eq(text, "across", 6);
    cr_assert(sp_mem_read(m, UINT64_C(1) << 40, text, 1));
    cr_assert_eq((uint8_t)text[0], 0xff, "absent memory reads as ones");
    cr_assert_not(sp_load_flat(m, text, 6, 2 << 20));
    sp_machine_destroy(m);
}

/* mov al, 3; out 0xf4, al */
static const uint8_t exits_with_3[] = { 0xb0, 3, 0xe6, 0xf4 };

struct seen { unsigned count; uint16_t port; uint64_t value, rip; };

static void note_io(void *user, struct sp_machine *m, const struct sp_event *e)
{
    struct seen *seen = user;
    *seen = (struct seen){ seen->count + 1, e->port, e->value, e->rip };
}

Test(api, hooks_and_stop_reasons)
{
    struct sp_machine *m = create(false);
    struct seen seen = { 0 };
    struct sp_limits one = { .max_insns = 1 };
    struct sp_stop_report stop;
    enter(m, exits_with_3, sizeof exits_with_3);
    cr_assert(sp_hook_set(m, SP_EVENT_IO, note_io, &seen));
    sp_run(m, &one, &stop);
    cr_assert_eq(stop.reason, SP_STOP_BUDGET);
    cr_assert_eq(sp_instructions(m), 1);
    sp_run(m, NULL, &stop);
    cr_assert_eq(stop.reason, SP_STOP_DEBUG_EXIT, "%s", stop.text);
    cr_assert_eq(stop.value, 7);
    cr_assert_eq(seen.count, 1);
    cr_assert_eq(seen.port, 0xf4);
    cr_assert_eq(seen.value, 3);
    cr_assert_eq(seen.rip, 0x7c02);
    sp_machine_destroy(m);
}

static bool at_once(void *user) { return true; }

Test(api, a_run_can_be_stopped)
{
    struct sp_machine *m = create(true);
    struct sp_limits limits = { .poll = at_once };
    struct sp_stop_report stop;
    enter(m, "\xeb\xfe", 2);
    sp_run(m, &limits, &stop);
    cr_assert_eq(stop.reason, SP_STOP_REQUESTED);
    sp_stop(m);
    sp_run(m, NULL, &stop);
    cr_assert_eq(stop.reason, SP_STOP_REQUESTED);
    sp_machine_destroy(m);
}

Test(api, vmcs_fields_need_a_current_vmcs)
{
    struct sp_machine *m = create(true);
    uint64_t v;
    cr_assert_not(sp_vmcs_read(m, 0, "GUEST_RIP", &v));
    cr_assert_not(sp_vmcs_write(m, 0, "NO_SUCH_FIELD", 0));
    cr_assert(strstr(sp_last_failure(m), "NO_SUCH_FIELD"));
    cr_assert_str_eq(sp_exit_reason_name(10), "CPUID");
    sp_machine_destroy(m);
}

Test(api, machines_are_independent_and_deterministic)
{
    struct sp_machine *a = create(false), *b = create(false);
    struct sp_limits limits = { .max_insns = 1000 };
    struct sp_stop_report stop;
    enter(a, "\x40\xeb\xfd", 3);
    enter(b, "\x40\xeb\xfd", 3);
    cr_assert_eq(sp_state_hash(a), sp_state_hash(b));
    sp_run(a, &limits, &stop);
    cr_assert_neq(sp_state_hash(a), sp_state_hash(b));
    sp_run(b, &limits, &stop);
    cr_assert_eq(sp_state_hash(a), sp_state_hash(b));
    sp_machine_destroy(a);
    sp_machine_destroy(b);
}

/* inc ax; out 80h, al; jmp */
static const uint8_t counter[] = { 0x40, 0xe6, 0x80, 0xeb, 0xfb };

static void run_for(struct sp_machine *m, uint64_t insns)
{
    struct sp_stop_report r;
    sp_run(m, &(struct sp_limits){ .max_insns = insns }, &r);
    cr_assert_eq(r.reason, SP_STOP_BUDGET);
}

static bool save_in_hook(struct sp_machine *m, const char *file) { return sp_save(m, file); }
static void on_io(void *user, struct sp_machine *m, const struct sp_event *e)
{
    *(bool *)user = save_in_hook(m, "/tmp/silverpool-never");
    cr_expect(strstr(sp_last_failure(m), "while it runs"), "%s", sp_last_failure(m));
}

Test(api, a_saved_machine_goes_on)
{
    char path[] = "/tmp/silverpool-api-XXXXXX";
    struct sp_machine *a = create(false), *b = create(false), *other = create(true);
    close(mkstemp(path));
    enter(a, counter, sizeof counter);
    run_for(a, 1000);
    cr_assert(sp_save(a, path), "%s", sp_last_failure(a));
    cr_assert(sp_restore(b, path), "%s", sp_last_failure(b));
    cr_expect_eq(sp_instructions(b), 1000);
    run_for(a, 777);
    run_for(b, 777);
    cr_expect_eq(sp_state_hash(a), sp_state_hash(b));
    cr_assert(sp_restore(a, path), "back to where it was");
    cr_expect_eq(sp_instructions(a), 1000);
    run_for(a, 777);
    cr_expect_eq(sp_state_hash(a), sp_state_hash(b));
    cr_expect_not(sp_restore(other, path));
    cr_expect(strstr(sp_last_failure(other), "other options"), "%s", sp_last_failure(other));
    bool saved = true;
    sp_hook_set(a, SP_EVENT_IO, on_io, &saved);
    run_for(a, 5);
    cr_expect_not(saved);
    unlink(path);
    sp_machine_destroy(a);
    sp_machine_destroy(b);
    sp_machine_destroy(other);
}

Test(api, fields_can_be_walked)
{
    struct sp_machine *m = create(true);
    const char *name;
    uint32_t encoding, last = 0;
    unsigned n = 0;
    for (; sp_vmcs_field(m, 0, n, &name, &encoding); n++) {
        cr_expect(!n || encoding > last, "%s", name);
        last = encoding;
    }
    cr_expect_gt(n, 150);
    cr_expect(strstr(sp_last_failure(m), "no VMCS field"), "%s", sp_last_failure(m));
    char text[64];
    cr_expect_not(sp_vmcs_decode(m, 0, "GUEST_CR0", text, sizeof text));
    cr_expect_null(sp_vmcs_dump(m, 0, true));
    cr_expect(strstr(sp_last_failure(m), "no current VMCS"), "%s", sp_last_failure(m));
    sp_machine_destroy(m);
}
