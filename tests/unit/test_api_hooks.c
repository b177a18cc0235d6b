// SPDX-License-Identifier: Apache-2.0
// The public interface's hooks of instructions and memory: their order, and what a hook sees.
#include <criterion/criterion.h>
#include <silverpool/silverpool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CODE = 0x7c00, DATA = 0x600, VECTOR = 0x20, HANDLER = 0x7e00 };

static struct sp_machine *create(void)
{
    char why[256] = "";
    struct sp_config config = { .ram_size = 2 << 20, .bare = true };
    struct sp_machine *m = sp_machine_create(&config, why, sizeof why);
    cr_assert(m, "%s", why);
    return m;
}

static void write_reg(struct sp_machine *m, const char *name, uint64_t v)
{
    cr_assert(sp_reg_write(m, 0, name, v), "%s", sp_last_failure(m));
}
static uint64_t reg(struct sp_machine *m, const char *name)
{
    uint64_t v = 0;
    cr_assert(sp_reg_read(m, 0, name, &v), "%s", sp_last_failure(m));
    return v;
}

/* Real-address mode, processor 0 at 0:7c00, its stack below; vector 20H leads to an IRET. */
static void enter(struct sp_machine *m, const void *code, size_t size)
{
    static const uint8_t vector[] = { HANDLER & 0xff, HANDLER >> 8, 0, 0 };
    cr_assert(sp_load_flat(m, code, size, CODE), "%s", sp_last_failure(m));
    cr_assert(sp_mem_write(m, HANDLER, "\xcf", 1));
    cr_assert(sp_mem_write(m, 4 * VECTOR, vector, sizeof vector));
    write_reg(m, "cs", 0);
    write_reg(m, "cs.base", 0);
    write_reg(m, "rip", CODE);
    write_reg(m, "rsp", CODE);
}

static enum sp_stop_reason run(struct sp_machine *m, uint64_t insns)
{
    struct sp_stop_report stop;
    sp_run(m, &(struct sp_limits){ .max_insns = insns }, &stop);
    return stop.reason;
}

/* ---- order and values ---- */

struct diary { char text[4096]; size_t n; };

static void note(void *user, struct sp_machine *m, const struct sp_event *e)
{
    struct diary *d = user;
    char line[160];
    if (e->kind == SP_EVENT_INSTRUCTION) {
        snprintf(line, sizeof line, "%lx insn %lx %lx %u.%u.%u", e->rip, e->address, e->physical,
                 e->code_bits, e->cpl, e->operation);
        for (unsigned k = 0; k < e->length; k++)
            snprintf(line + strlen(line), sizeof line - strlen(line), "%c%02x", k ? '-' : ' ',
                     e->bytes[k]);
    } else if (e->kind == SP_EVENT_MEMORY) {
        snprintf(line, sizeof line, "%lx %s%u %lx=%lx%s%s rip=%lx", e->rip, e->write ? "w" : "r",
                 e->length, e->address, e->value, e->system ? " system" : "",
                 e->between ? " between" : "", reg(m, "rip"));
        cr_expect_eq(e->address, e->physical);
        cr_expect_eq(memcmp(&e->value, e->bytes, e->length < 8 ? e->length : 8), 0);
    } else {
        snprintf(line, sizeof line, "%lx exception %u", e->rip, e->vector);
    }
    d->n += (size_t)snprintf(d->text + d->n, sizeof d->text - d->n, "%s\n", line);
}

/* mov ax, 1234h; push ax; inc byte [600h]; int 20h; ud2 */
static const uint8_t program[] = { 0xb8, 0x34, 0x12, 0x50, 0xfe, 0x06,
                                   0x00, 0x06, 0xcd, 0x20, 0x0f, 0x0b };

Test(api_hooks, events_come_in_the_documented_order)
{
    static const char want[] = "7c00 insn 7c00 7c00 16.0.0 b8-34-12\n"
                               "7c03 insn 7c03 7c03 16.0.0 50\n"
                               "7c03 w2 7bfe=1234 rip=7c04\n"
                               "7c04 insn 7c04 7c04 16.0.0 fe-06-00-06\n"
                               "7c04 r1 600=41 rip=7c08\n"
                               "7c04 w1 600=42 rip=7c08\n"
                               "7c08 insn 7c08 7c08 16.0.0 cd-20\n"
                               "7c08 exception 32\n"
                               "7c08 r4 80=7e00 system rip=7e00\n"
                               "7c08 w6 7bf8=600007c0a rip=7e00\n"
                               "7e00 insn 7e00 7e00 16.0.0 cf\n"
                               "7e00 r2 7bf8=7c0a rip=7c0a\n"
                               "7e00 r2 7bfa=0 rip=7c0a\n"
                               "7e00 r2 7bfc=6 rip=7c0a\n"
                               "7c0a insn 7c0a 7c0a 16.0.0 0f-0b\n"
                               "7c0a exception 6\n"
                               "7c0a r4 18=7e10 system between rip=7e10\n"
                               "7c0a w6 7bf8=600007c0a between rip=7e10\n"
                               "7e10 insn 7e10 7e10 16.0.0 f4\n";
    struct sp_machine *m = create();
    struct diary d = { 0 };
    enter(m, program, sizeof program);
    sp_mem_write(m, DATA, "\x41", 1);
    sp_mem_write(m, 4 * 6, "\x10\x7e\0\0", 4);
    sp_mem_write(m, HANDLER + 0x10, "\xf4", 1);
    cr_assert(sp_hook_set(m, SP_EVENT_INSTRUCTION, note, &d));
    cr_assert(sp_hook_set(m, SP_EVENT_MEMORY, note, &d));
    cr_assert(sp_hook_set(m, SP_EVENT_EXCEPTION, note, &d));
    cr_assert_eq(run(m, 100), SP_STOP_HALTED);
    cr_expect_str_eq(d.text, want, "%s", d.text);
    sp_machine_destroy(m);
}

/* ---- state ---- */

/* Loops, calls, flags, strings, the x87 and SSE, and code that changes itself. */
extern const uint8_t busy_start[], busy_end[];
__asm__(".pushsection .busy,\"ax\"\n.code16\nbusy_start:\n"
        "mov $40, %cx\n 1: push %cx\n add %cx, 0x600\n adc $3, %ax\n call 2f\n pop %cx\n loop 1b\n"
        "mov $0x7c00, %si\n mov $0x1000, %di\n mov $300, %cx\n rep movsb\n"
        "mov $0x1001, %si\n mov $200, %cx\n rep lodsb\n int $0x20\n"
        "fninit\n fld1\n fldpi\n faddp\n fstpl 0x620\n"
        "movb $0x43, 0x7c00 + (3f - busy_start)\n 3: inc %ax\n"
        "pushf\n pop %bx\n int $0x20\n hlt\n"
        "2: rol $3, %bx\n xor %ax, %bx\n cmpb $7, 0x600\n jb 4f\n sahf\n 4: ret\n"
        "busy_end:\n.code64\n.popsection");

static const char *const registers[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "rip", "rflags", "cs", "fsw", "fpr7.fraction" };

/* A machine that does the same, one instruction a run. */
struct pair { struct sp_machine *other; unsigned insns, accesses; };

static void compare(struct sp_machine *a, struct sp_machine *b)
{
    uint8_t x[0x100], y[0x100];
    for (unsigned k = 0; k < sizeof registers / sizeof *registers; k++)
        cr_assert_eq(reg(a, registers[k]), reg(b, registers[k]), "%s at %#lx", registers[k],
                     reg(b, "rip"));
    cr_assert_eq(sp_instructions(a), sp_instructions(b), "at %#lx", reg(b, "rip"));
    cr_assert(sp_mem_read(a, DATA, x, sizeof x) && sp_mem_read(b, DATA, y, sizeof y));
    cr_assert_arr_eq(x, y, sizeof x);
    cr_assert(sp_mem_read(a, CODE - sizeof x, x, sizeof x) &&
              sp_mem_read(b, CODE - sizeof y, y, sizeof y));
    cr_assert_arr_eq(x, y, sizeof x);
}

static void before(void *user, struct sp_machine *m, const struct sp_event *e)
{
    struct pair *p = user;
    compare(m, p->other);
    cr_assert_eq(e->rip, reg(m, "rip"));
    run(p->other, 1);
    p->insns++;
}

static void behind(void *user, struct sp_machine *m, const struct sp_event *e)
{
    struct pair *p = user;
    compare(m, p->other);
    p->accesses++;
}

Test(api_hooks, state_is_exact_in_every_call)
{
    struct sp_machine *m = create(), *unwatched = create();
    struct pair p = { .other = create() };
    enter(m, busy_start, (size_t)(busy_end - busy_start));
    enter(p.other, busy_start, (size_t)(busy_end - busy_start));
    enter(unwatched, busy_start, (size_t)(busy_end - busy_start));
    cr_assert(sp_hook_set(m, SP_EVENT_INSTRUCTION, before, &p));
    cr_assert(sp_hook_set(m, SP_EVENT_MEMORY, behind, &p));
    cr_assert_eq(run(m, 10000), SP_STOP_HALTED);
    cr_assert_eq(run(unwatched, 10000), SP_STOP_HALTED);
    cr_expect_eq(p.insns, sp_instructions(m), "%u and %lu", p.insns, sp_instructions(m));
    cr_expect_gt(p.insns, 500);
    cr_expect_gt(p.accesses, 300);
    cr_expect_eq(sp_state_hash(m), sp_state_hash(unwatched));
    cr_expect_eq(sp_state_hash(m), sp_state_hash(p.other));
    sp_machine_destroy(m);
    sp_machine_destroy(p.other);
    sp_machine_destroy(unwatched);
}

/* ---- beginning and end ---- */

struct stopper { uint64_t at; unsigned calls; bool remove; enum sp_event_class kind; };

static void stop_there(void *user, struct sp_machine *m, const struct sp_event *e)
{
    struct stopper *s = user;
    s->calls++;
    if (e->rip != s->at)
        return;
    sp_stop(m);
    if (s->remove)
        cr_expect(sp_hook_set(m, s->kind, NULL, NULL));
    cr_expect_not(sp_hook_set(m, SP_EVENT_INSTRUCTION, stop_there, s));
    cr_expect(strstr(sp_last_failure(m), "between runs"), "%s", sp_last_failure(m));
}

/* inc ax; inc bx; mov [600h], ax; inc cx; jmp to the start */
static const uint8_t endless[] = { 0x40, 0x43, 0xa3, 0x00, 0x06, 0x41, 0xeb, 0xf8 };

static void check_stop(enum sp_event_class kind, uint64_t at, uint64_t insns)
{
    struct sp_machine *m = create();
    struct stopper s = { .at = at, .kind = kind };
    enter(m, endless, sizeof endless);
    cr_assert(sp_hook_set(m, kind, stop_there, &s));
    cr_assert_eq(run(m, 1000000), SP_STOP_REQUESTED);
    cr_expect_eq(sp_instructions(m), insns, "%lu", sp_instructions(m));
    cr_assert_eq(run(m, 1000000), SP_STOP_REQUESTED, "the next time around");
    cr_expect_eq(sp_instructions(m), insns + 5, "%lu", sp_instructions(m));
    unsigned calls = s.calls;
    s.remove = true;
    cr_assert_eq(run(m, 1000000), SP_STOP_REQUESTED);
    cr_expect_eq(s.calls, calls + (kind == SP_EVENT_INSTRUCTION ? 5 : 1));
    calls = s.calls;
    cr_expect_eq(run(m, 1000), SP_STOP_BUDGET);
    cr_expect_eq(s.calls, calls, "the hook is gone");
    sp_machine_destroy(m);
}

Test(api_hooks, a_stop_comes_behind_the_instruction)
{
    check_stop(SP_EVENT_INSTRUCTION, CODE, 1);
    check_stop(SP_EVENT_INSTRUCTION, CODE + 1, 2);
    check_stop(SP_EVENT_INSTRUCTION, CODE + 6, 5);
    check_stop(SP_EVENT_MEMORY, CODE + 2, 3);
}

static void stop_now(void *user, struct sp_machine *m, const struct sp_event *e) { sp_stop(m); }

/* inc ax; out 80h, al; inc ax; ud2, whose handler is a HLT: other hooks stop as exactly. */
Test(api_hooks, every_hook_stops_a_run_at_once)
{
    struct sp_machine *m = create();
    enter(m, "\x40\xe6\x80\x40\x0f\x0b", 6);
    sp_mem_write(m, 4 * 6, "\x10\x7e\0\0", 4);
    sp_mem_write(m, HANDLER + 0x10, "\xf4", 1);
    cr_assert(sp_hook_set(m, SP_EVENT_IO, stop_now, NULL));
    cr_assert(sp_hook_set(m, SP_EVENT_EXCEPTION, stop_now, NULL));
    cr_assert_eq(run(m, 1000), SP_STOP_REQUESTED);
    cr_expect_eq(reg(m, "rip"), CODE + 3);
    cr_assert_eq(run(m, 1000), SP_STOP_REQUESTED);
    cr_expect_eq(reg(m, "rip"), HANDLER + 0x10);
    cr_expect_eq(sp_instructions(m), 4);
    sp_machine_destroy(m);
}

static void count(void *user, struct sp_machine *m, const struct sp_event *e)
{
    ++*(unsigned *)user;
}

Test(api_hooks, come_and_go_between_runs)
{
    struct sp_machine *m = create(), *plain = create();
    unsigned insns = 0, accesses = 0;
    char path[] = "/tmp/silverpool-hooks-XXXXXX";
    close(mkstemp(path));
    enter(m, endless, sizeof endless);
    enter(plain, endless, sizeof endless);
    run(m, 13);
    cr_assert(sp_hook_set(m, SP_EVENT_MEMORY, count, &accesses));
    run(m, 10);
    cr_assert(sp_hook_set(m, SP_EVENT_INSTRUCTION, count, &insns));
    run(m, 10);
    cr_assert(sp_save(m, path) && sp_restore(m, path), "%s", sp_last_failure(m));
    run(m, 10);
    cr_assert(sp_hook_set(m, SP_EVENT_MEMORY, NULL, NULL));
    run(m, 10);
    cr_expect_eq(insns, 30, "%u", insns);
    cr_expect_eq(accesses, 6, "%u", accesses);
    cr_assert(sp_hook_set(m, SP_EVENT_INSTRUCTION, NULL, NULL));
    run(m, 10);
    cr_expect_eq(insns, 30);
    run(plain, 33);
    cr_assert(sp_save(plain, path));       /* as the other was: saving empties the TLB */
    run(plain, 30);
    cr_expect_eq(sp_state_hash(m), sp_state_hash(plain));
    unlink(path);
    sp_machine_destroy(m);
    sp_machine_destroy(plain);
}
