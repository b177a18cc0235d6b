// SPDX-License-Identifier: Apache-2.0
// ChampSim's input_instr (inc/trace_instruction.h), 64 bytes for each instruction:
//   0  u64 ip                          8  u8 is_branch          9  u8 branch_taken
//   10 u8 destination_registers[2]     12 u8 source_registers[4]
//   16 u64 destination_memory[2]       32 u64 source_memory[4]
// 0 is no register and no address.  Registers have Pin's numbers as far as ChampSim knows them (6
// the stack pointer, 25 the flags, 26 the instruction pointer).  ChampSim tells kinds of branches
// by the registers they use, so branches get the sets that it expects.  Addresses are linear.
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "debug/branch.h"
#include "debug/disasm.h"
#include "debug/trace_convert.h"

enum { RECORD = 64, DESTINATIONS = 2, SOURCES = 4, CACHE_BITS = 14 };
enum { REG_SP = 6, REG_FLAGS = 25, REG_IP = 26, REG_XMM = 32, REG_FPR = 48, REG_SOME = 64 };

struct known {
    uint8_t byte[INSN_BYTES_MAX], length, bits;
    struct disasm_registers regs;
};

struct champsim {
    struct known known[1 << CACHE_BITS];
    uint8_t record[RECORD]; /* of the last instruction: its branch waits for the next one */
    bool waiting;
    uint64_t fall_through; /* RIP */
};

/* rax rcx rdx rbx rsp rbp rsi rdi in Pin's order of numbers, r8 to r15 from 11 on; es to gs. */
static uint8_t number_of(unsigned bit)
{
    static const uint8_t general[] = { 10, 9, 8, 7, 6, 5, 4, 3 };
    static const uint8_t segment[] = { 22, 19, 20, 21, 23, 24 };
    if (bit < 8)
        return general[bit];
    if (bit < 16)
        return (uint8_t)(bit + 3);
    if (bit == DISASM_RFLAGS)
        return REG_FLAGS;
    if (bit < DISASM_SEGMENT + ARRAY_SIZE(segment))
        return segment[bit - DISASM_SEGMENT];
    return (uint8_t)(bit < DISASM_FPR ? REG_XMM + bit - DISASM_XMM : REG_FPR + bit - DISASM_FPR);
}

static struct disasm_registers registers_of(struct champsim *s, const struct trace_insn *i)
{
    uint64_t word[2] = { 0 };
    memcpy(word, i->bytes, i->length);
    struct known *k =
        &s->known[(word[0] * 0x9e3779b97f4a7c15ull ^ word[1] * 0xc2b2ae3d27d4eb4full) >>
                  (64 - CACHE_BITS)];
    if (k->length != i->length || k->bits != i->bits || memcmp(k->byte, i->bytes, i->length)) {
        k->length = i->length;
        k->bits = i->bits;
        memcpy(k->byte, i->bytes, i->length);
        k->regs = disasm_registers(i->bytes, i->length, i->bits);
    }
    return k->regs;
}

static void put_set(uint8_t *out, unsigned room, uint64_t set)
{
    for (unsigned bit = 0, n = 0; bit < 64 && n < room; bit++)
        if (set >> bit & 1)
            out[n++] = number_of(bit);
}

/* What ChampSim takes for a branch of this kind. */
static void put_branch(uint8_t *destination, uint8_t *source, enum branch_kind kind, uint64_t read)
{
    uint64_t others = read & 0xffff & ~UINT64_C(0x10);
    uint8_t other = REG_SOME;
    for (unsigned bit = 16; bit-- > 0;)
        if (others >> bit & 1)
            other = number_of(bit);
    destination[0] = REG_IP;
    switch (kind) {
    case BRANCH_INDIRECT: source[0] = other; break;
    case BRANCH_CONDITIONAL:
        source[0] = REG_IP;
        source[1] = read >> DISASM_RFLAGS & 1 ? REG_FLAGS : other;
        break;
    case BRANCH_INDIRECT_CALL:
        source[2] = other;
        /* fall through */
    case BRANCH_CALL:
        source[0] = REG_IP;
        source[1] = REG_SP;
        destination[1] = REG_SP;
        break;
    case BRANCH_RETURN:
        source[0] = REG_SP;
        destination[1] = REG_SP;
        break;
    default: /* a direct jump */ source[0] = REG_IP; break;
    }
}

static void put_u64(uint8_t *out, uint64_t value)
{
    for (unsigned k = 0; k < 8; k++)
        out[k] = (uint8_t)(value >> (8 * k));
}

static void write_waiting(struct trace_converter *c)
{
    struct champsim *s = c->state;
    if (s->waiting)
        fwrite(s->record, 1, RECORD, c->out);
    s->waiting = false;
}

/* Where the processor went: decides about the branch that waits. */
static void went_to(struct trace_converter *c, uint64_t rip)
{
    struct champsim *s = c->state;
    s->record[9] = s->record[8] && rip != s->fall_through;
    write_waiting(c);
}

/* Puts the accesses from *next on that one record takes. */
static void put_memory(uint8_t *record, const struct trace_insn *i, unsigned *next)
{
    unsigned reads = 0, writes = 0;
    for (; *next < i->accesses_n; ++*next) {
        const struct trace_access *a = &i->accesses[*next];
        if (a->write ? writes == DESTINATIONS : reads == SOURCES)
            return;
        put_u64(record + (a->write ? 16 + 8 * writes++ : 32 + 8 * reads++), a->linear);
    }
}

/* An instruction that accesses memory more often than a record can hold becomes several. */
static void put_insn(struct trace_converter *c, const struct trace_insn *i)
{
    struct champsim *s = c->state;
    struct disasm_registers regs = registers_of(s, i);
    enum branch_kind kind = branch_kind(i->bytes, i->length, i->bits);
    unsigned next = 0;
    do {
        write_waiting(c);
        memset(s->record, 0, RECORD);
        put_u64(s->record, i->address);
        s->record[8] = kind != BRANCH_NONE && kind != BRANCH_SYSTEM;
        if (s->record[8]) {
            put_branch(s->record + 10, s->record + 12, kind, regs.read);
        } else {
            put_set(s->record + 10, DESTINATIONS, regs.written);
            put_set(s->record + 12, SOURCES, regs.read);
        }
        put_memory(s->record, i, &next);
        s->waiting = true;
    } while (next < i->accesses_n);
    s->fall_through = i->rip + i->length;
}

static bool champsim_begin(struct trace_converter *c, struct sp_error *e)
{
    if (c->text->header->arch != TRACE_IA32)
        return sp_fail(e, SP_EXIT_NOT_MODELLED, "ChampSim has no records for Itanium");
    c->state = calloc(1, sizeof(struct champsim));
    return c->state || sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
}

static bool champsim_event(struct trace_converter *c, const struct trace_event *event,
                           struct sp_error *e)
{
    if (c->cpu < 0)
        c->cpu = (int)event->cpu;
    if (event->cpu != (uint32_t)c->cpu)
        return true;
    switch (event->kind) {
    case TRACE_EVENT_INSN:
        if (event->insn.status != TRACE_RETIRED && event->insn.status != TRACE_PARTIAL)
            return true;
        went_to(c, event->insn.rip);
        put_insn(c, &event->insn);
        return true;
    case TRACE_EVENT_EXCEPTION: went_to(c, event->exception.rip); return true;
    case TRACE_EVENT_INTERRUPT: went_to(c, event->interrupt.rip); return true;
    case TRACE_EVENT_VM_EXIT: went_to(c, event->vm_exit.guest_rip); return true;
    default: return true;
    }
}

static bool champsim_end(struct trace_converter *c, struct sp_error *e)
{
    write_waiting(c);
    return true;
}

static void champsim_free(struct trace_converter *c) { free(c->state); }

const struct trace_format trace_champsim = {
    .name = "champsim",
    .one_cpu = true,
    .begin = champsim_begin,
    .event = champsim_event,
    .end = champsim_end,
    .free = champsim_free,
};
