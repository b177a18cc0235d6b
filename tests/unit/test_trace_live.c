// SPDX-License-Identifier: Apache-2.0
// Live traces: the hooks of instructions and accesses see what a trace of the same run has.
#include "vmx_guest.h"      /* first: its program is aligned in the section of all programs */

#include "cet_guest.h"
#include "cpu/hooks.h"
#include "traced.h"

struct live {
    struct trace_reader *r;
    struct trace_event event;
    unsigned access, insns, accesses;
    bool began;
};

/* The instruction or delivery that comes next in the trace. */
static void live_next(struct live *l)
{
    struct sp_error e = { 0 };
    enum trace_result result;
    if (l->began)
        cr_assert_eq(l->access, l->event.insn.accesses_n, "at %#lx", l->event.insn.rip);
    do
        result = trace_next(l->r, &l->event, &e);
    while (result == TRACE_OK &&
           (l->event.kind != TRACE_EVENT_INSN ||
            (l->event.insn.status == TRACE_DELIVERED && !l->event.insn.accesses_n)));
    l->began = result == TRACE_OK;
    l->access = 0;
}

static void live_insn(void *user, struct cpu *c, const struct trace_insn *n)
{
    struct live *l = user;
    const struct trace_insn *want = &l->event.insn;
    live_next(l);
    l->insns++;
    cr_assert(l->began, "at %#lx", n->rip);
    cr_assert_eq(n->rip, want->rip, "%#lx, not %#lx", n->rip, want->rip);
    cr_assert(n->address == want->address && n->physical == want->physical &&
              n->length == want->length && n->bits == want->bits && n->cpl == want->cpl &&
              n->world == want->world && !memcmp(n->bytes, want->bytes, n->length),
              "at %#lx", n->rip);
    cr_assert_eq(cpu_tick(c), l->event.time, "at %#lx: %lu, not %lu", n->rip, cpu_tick(c),
                 l->event.time);
}

static void live_access(void *user, struct cpu *c, uint64_t rip, bool between,
                        const struct trace_access *a)
{
    struct live *l = user;
    if (between && (l->event.insn.status != TRACE_DELIVERED || l->access == l->event.insn.accesses_n))
        live_next(l);
    l->accesses++;
    cr_assert(l->began && l->access < l->event.insn.accesses_n, "at %#lx", rip);
    const struct trace_access *want = &l->event.insn.accesses[l->access++];
    cr_assert(a->linear == want->linear && a->physical == want->physical && a->size == want->size &&
              a->write == want->write && a->system == want->system &&
              !memcmp(a->bytes, want->bytes, a->size), "access to %#lx at %#lx", a->linear, rip);
    cr_assert_eq(between, l->event.insn.status == TRACE_DELIVERED, "at %#lx", rip);
}

typedef struct machine *make_fn(void);

/* The machine's run to a HLT is traced; an equal one's is seen by hooks. */
static void compare_live(make_fn *make, unsigned insns, unsigned accesses)
{
    struct traced t;
    struct machine *a = make(), *b = make();
    traced_begin(&t, a, TRACE_PRESET_FULL);
    enum machine_stop stop = bare_run(a, 100000);
    cr_assert_eq(stop, STOP_HALTED, "%d at %#lx", stop, machine_cpu(a, 0)->rip);
    struct live l = { .r = traced_end(&t) };
    struct trace_log *log = trace_log_live();
    *machine_hooks(b) = (struct cpu_hooks){ .user = &l, .insn = live_insn, .access = live_access };
    cr_assert(machine_trace(b, log));
    cr_assert_eq(bare_run(b, 100000), STOP_HALTED);
    live_next(&l);
    cr_assert_not(l.began, "the trace goes on at %#lx", l.event.insn.rip);
    cr_assert_eq(machine_state_hash(a), machine_state_hash(b));
    cr_expect_eq(l.insns, insns, "%u", l.insns);
#ifndef SP_HOSTILE /* where fewer translations stay, more of a string is written element by element */
    cr_expect_eq(l.accesses, accesses, "%u", l.accesses);
#endif
    machine_destroy(a);
    machine_destroy(b);
    trace_log_close(log, NULL);
    trace_close(l.r);
}

BARE_PROGRAM(busy, ".code64\n"
    "lea 8f(%rip), %rsi\n mov $0x100000, %edi\n mov $40, %ecx\n rep movsb\n"
    "mov $0x100ffa, %edi\n mov $300, %ecx\n mov $0x1122334455667788, %rax\n rep stosq\n"
    "mov $0x100100, %esi\n mov $0x100103, %edi\n mov $64, %ecx\n rep movsb\n"
    "mov $50, %ecx\n 1: add %rcx, 0x100080\n push %rcx\n call 2f\n pop %rdx\n dec %ecx\n jnz 1b\n"
    "lea 3f(%rip), %rax\n jmp *%rax\n 2: lock incl 0x100200\n adc 0x100ffc, %rbx\n ret\n"
    "3: fninit\n fldpi\n fstpl 0x100ffb\n movups 0x100ff8, %xmm4\n paddd %xmm4, %xmm3\n"
    "fxsave 0x102000\n enter $32, $1\n leave\n mov %cr3, %rax\n mov %rax, %cr3\n"
    "movb $0x43, 7f(%rip)\n inc %rcx\n 7: .byte 0x40\n nop\n"           /* changes the next insns    */
    "hlt\n 8: .fill 64, 1, 0x5a\n");

static struct machine *make_busy(void)
{
    struct machine *m = bare_machine("max");
    bare_load(m, busy_start, busy_end);
    return m;
}

/* A breakpoint, a page fault within a repeated string, and what their handlers do: VM calls. */
BARE_PROGRAM(guest, ".code64\n push $5\n pop %rax\n mov $3, %ecx\n mov $0x4000000000, %rdi\n"
                    "int3\n rep stosb\n");

/* The host's HLT comes behind the exit. */
static struct machine *make_guest(void)
{
    struct vm v = VM(guest);
    v.c->activity = ACTIVITY_ACTIVE;
    v.c->rip = HOST_LAUNCH;
    cpu_mode_changed(v.c);
    return v.m;
}

static struct machine *make_faulting_guest(void)
{
    struct vm v = VM(guest);
    put(&v, GUEST_RIP, GUEST_CODE + (uint64_t)(guest_end - guest_start) - 2);
    put(&v, GUEST_RFLAGS, 0x102);
    v.c->gpr[RDI] = UINT64_C(1) << 38;
    v.c->gpr[RCX] = 3;
    v.c->activity = ACTIVITY_ACTIVE;
    v.c->rip = HOST_LAUNCH;
    cpu_mode_changed(v.c);
    return v.m;
}

/* An instruction of a legacy code page, which the tracker of indirect branches excuses, begins once. */
BARE_PROGRAM(legacy, "lea 1f(%rip), %rax\n jmp *%rax\n 1: push %rbx\n pop %rcx\n hlt");

static struct machine *make_excused(void)
{
    enum { BITMAP = SHADOW3 };        /* a page that the user can read */
    struct machine *m = bare_machine("max");
    CET(m, 3, CET_ENDBR_EN | CET_LEG_IW_EN | BITMAP, legacy);
    mem_write_le(machine_mem(m), BITMAP + (BARE_CODE >> 15), 1, 1 << (BARE_CODE >> 12 & 7));
    return m;
}

Test(trace_live, hooks_see_what_a_trace_has)
{
    compare_live(make_busy, 479, 518);
    compare_live(make_guest, 8, 5);
    compare_live(make_faulting_guest, 4, 3);
    compare_live(make_excused, 6, 6);
}
