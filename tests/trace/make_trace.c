// SPDX-License-Identifier: Apache-2.0
// make_trace FILE ROUNDS [plant=N] [noise=N] [cpus=N] [wild=SEED]: writes a trace by hand, for
// tests of what reads traces.  A hypervisor loops: it calls a function, and each fourth round it
// enters a guest, which exits by CPUID, or, each sixteenth, by OUT.  plant: in that round EAX gets
// another value; noise: an interrupt comes in round N and every 50 behind it; wild: every round is
// an event with whatever values, which no machine gives but a file can hold.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/writer.h"

enum { CODE = 0x100000, FUNCTION = 0x100020, HANDLER = 0x100100, GUEST = 0x200000, STACK = 0x8000 };
enum { RAX = 0, RSP = 4, VMCS = 0x5000, EPTP = 0x701e };

struct maker {
    struct trace_writer *writer;
    unsigned cpu;
    uint64_t time, index[4];
    enum trace_world world;
};

static void put(struct maker *m, struct trace_event *event)
{
    event->cpu = m->cpu;
    event->time = m->time;
    event->index = m->index[m->cpu];
    trace_writer_event(m->writer, event);
}

static void insn(struct maker *m, uint64_t address, const char *bytes, unsigned n,
                 const struct trace_register *reg, const struct trace_access *access,
                 enum trace_status status)
{
    struct trace_event event = { .kind = TRACE_EVENT_INSN };
    event.insn = (struct trace_insn){ .address = address,
                                      .rip = address,
                                      .physical = address,
                                      .length = (uint8_t)n,
                                      .bits = 64,
                                      .world = m->world,
                                      .status = status,
                                      .registers_n = reg != NULL,
                                      .registers = reg,
                                      .accesses_n = access != NULL,
                                      .accesses = access };
    memcpy(event.insn.bytes, bytes, n);
    put(m, &event);
    m->time++;
    m->index[m->cpu]++;
}

static void access_insn(struct maker *m, uint64_t address, const char *bytes, unsigned n,
                        unsigned id, uint64_t value, uint64_t linear, bool write, uint64_t data)
{
    struct trace_register reg = { .id = (uint16_t)id, .value = { value } };
    struct trace_access access = { .linear = linear,
                                   .physical = linear,
                                   .size = 8,
                                   .write = write,
                                   .bytes = (const uint8_t *)&data };
    insn(m, address, bytes, n, &reg, &access, TRACE_RETIRED);
}

static void interrupt(struct maker *m, uint64_t rip)
{
    struct trace_event event = { .kind = TRACE_EVENT_INTERRUPT };
    event.interrupt = (struct trace_interrupt){ .vector = 0xef, .rip = rip };
    put(m, &event);
    insn(m, HANDLER, "\x90", 1, NULL, NULL, TRACE_RETIRED);
    insn(m, HANDLER + 1, "\x90", 1, NULL, NULL, TRACE_RETIRED);
    insn(m, HANDLER + 2, "\x48\xcf", 2, NULL, NULL, TRACE_RETIRED);
}

static void guest(struct maker *m, uint64_t round, uint64_t host)
{
    bool out = round % 16 == 15;
    struct trace_event event = { .kind = TRACE_EVENT_VM_ENTRY };
    insn(m, CODE + 12, "\x0f\x01\xc3", 3, NULL, NULL, TRACE_RETIRED);
    event.vm_entry = (struct trace_vm_entry){ .vmcs = VMCS,
                                              .vpid = 1,
                                              .eptp = EPTP,
                                              .guest_rip = GUEST,
                                              .guest_rflags = 2,
                                              .intr_info = round % 64 == 63 ? 0x800000ef : 0,
                                              .host_instructions = host };
    put(m, &event);
    m->world = TRACE_NONROOT;
    insn(m, GUEST, "\x90", 1, NULL, NULL, TRACE_RETIRED);
    insn(m, GUEST + 1, out ? "\xe6\x80" : "\x0f\xa2", 2, NULL, NULL, TRACE_EXITED);
    event = (struct trace_event){ .kind = TRACE_EVENT_VM_EXIT };
    event.vm_exit = (struct trace_vm_exit){ .vmcs = VMCS,
                                            .vpid = 1,
                                            .eptp = EPTP,
                                            .reason = out ? 30 : 10,
                                            .qualification = out ? 0x800040 : 0,
                                            .guest_rip = GUEST + 1,
                                            .guest_rflags = 2,
                                            .instruction_length = 2,
                                            .host_rip = CODE,
                                            .guest_instructions = 2 };
    put(m, &event);
    m->world = TRACE_ROOT;
    event = (struct trace_event){ .kind = TRACE_EVENT_VMCS_READ };
    event.vmcs_read =
        (struct trace_vmcs_read){ .vmcs = VMCS, .encoding = 0x4402, .value = out ? 30 : 10 };
    put(m, &event);
}

static void one_round(struct maker *m, uint64_t round, uint64_t eax)
{
    struct trace_register reg = { .id = RAX, .value = { eax } };
    char move[5] = { '\xb8' };
    uint32_t value = (uint32_t)eax;
    memcpy(move + 1, &value, 4);
    m->world = TRACE_ROOT;
    insn(m, CODE, move, 5, &reg, NULL, TRACE_RETIRED);
    access_insn(m, CODE + 5, "\xe8\x16\0\0\0", 5, RSP, STACK - 8, STACK - 8, true, CODE + 10);
    access_insn(m, FUNCTION, "\x48\x8b\x03", 3, RAX, round, 0x300000, false, round);
    access_insn(m, FUNCTION + 3, "\xc3", 1, RSP, STACK, STACK - 8, false, CODE + 10);
    insn(m, CODE + 10, "\x75\xf4", 2, NULL, NULL, TRACE_RETIRED);
    if (round % 4 == 3)
        guest(m, round, 21);
}

/* ---- wild ---- */

static uint64_t dice(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Any value, small ones more often. */
static uint64_t value(uint64_t *seed) { return dice(seed) >> (dice(seed) & 63); }

static void wild_insn(struct maker *m, uint64_t *seed, struct trace_event *event)
{
    enum { REGISTERS = 40, ACCESSES = 12 };
    static const unsigned bits[] = { 16, 32, 64, 128 };
    static uint8_t bytes[1 << 16];
    static struct trace_register reg[REGISTERS];
    static struct trace_access access[ACCESSES];
    struct trace_insn *i = &event->insn;
    *i = (struct trace_insn){ .address = value(seed), .rip = value(seed), .physical = value(seed) };
    i->bits = (uint8_t)bits[dice(seed) & 3];
    i->length = (uint8_t)(i->bits == 128 ? 16 : dice(seed) & 15);
    for (unsigned k = 0; k < i->length; k++)
        i->bytes[k] = (uint8_t)dice(seed);
    i->slot = i->bits == 128 ? dice(seed) & 3 : 0;
    i->cpl = (uint8_t)value(seed);
    i->world = dice(seed) % 3;
    i->status = dice(seed) % TRACE_SYNC;
    i->registers_n = (unsigned)(dice(seed) % REGISTERS);
    i->accesses_n = (unsigned)(dice(seed) % ACCESSES);
    i->registers = reg;
    i->accesses = access;
    for (unsigned k = 0; k < i->registers_n; k++)
        reg[k] =
            (struct trace_register){ (uint16_t)(dice(seed) % 60), { value(seed), value(seed) } };
    for (unsigned k = 0; k < i->accesses_n; k++)
        access[k] = (struct trace_access){ .linear = value(seed),
                                           .physical = value(seed),
                                           .size = (uint32_t)(value(seed) & 0xffff) | 1,
                                           .write = dice(seed) & 1,
                                           .system = dice(seed) & 1,
                                           .bytes = bytes };
}

static void wild(struct maker *m, uint64_t *seed)
{
    struct trace_event event = { .kind = dice(seed) % TRACE_KINDS };
    if (event.kind == TRACE_EVENT_INSN)
        wild_insn(m, seed, &event);
    else
        for (unsigned k = 0; k < TRACE_FIELDS_MAX; k++)
            event.field[k] = value(seed);
    m->time = dice(seed) % 100 ? m->time + (value(seed) & 0xffff) : value(seed);
    m->index[m->cpu] += dice(seed) & 3;
    put(m, &event);
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
    size_t n = strlen(name);
    for (int k = 3; k < argc; k++)
        if (!strncmp(argv[k], name, n) && argv[k][n] == '=')
            return strtoull(argv[k] + n + 1, NULL, 0);
    return otherwise;
}

int main(int argc, char **argv)
{
    struct sp_error e;
    struct trace_header h = { .arch = TRACE_IA32,
                              .classes = TRACE_PRESET_FULL,
                              .profile = "max",
                              .options = "",
                              .filter = "" };
    if (argc < 3)
        return 2;
    uint64_t plant = option(argc, argv, "plant", UINT64_MAX);
    uint64_t noise = option(argc, argv, "noise", UINT64_MAX);
    uint64_t seed = option(argc, argv, "wild", 0);
    h.cpus = (unsigned)option(argc, argv, "cpus", 1);
    struct maker m = { .writer = trace_writer_open(argv[1], &h, &e) };
    if (!m.writer || h.cpus > 4) {
        fprintf(stderr, "%s\n", e.message);
        return 4;
    }
    for (uint64_t round = 0, rounds = strtoull(argv[2], NULL, 0); round < rounds; round++) {
        m.cpu = (unsigned)(round / 8 % h.cpus);
        if (seed) {
            wild(&m, &seed);
            continue;
        }
        one_round(&m, round, round == plant ? 0xbad : 0x123);
        if (noise != UINT64_MAX && round >= noise && (round - noise) % 50 == 0)
            interrupt(&m, CODE);
    }
    if (trace_writer_close(m.writer, &e))
        return 0;
    fprintf(stderr, "%s\n", e.message);
    return 4;
}
