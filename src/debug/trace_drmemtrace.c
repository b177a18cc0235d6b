// SPDX-License-Identifier: Apache-2.0
// DynamoRIO's memory traces as its tools read them from a file for each thread (clients/drcachesim,
// common/trace_entry.h, version 5): packed records of 12 bytes, little-endian:
//   0 u16 type    2 u16 size, or the kind of a marker    4 u64 address, value, or bytes of code
// A processor is a thread.  Before each instruction stand its bytes, and before an indirect branch
// its target; behind it its loads and stores, with linear addresses.
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "debug/branch.h"
#include "debug/trace_convert.h"

enum { /* trace_type_t */
       TYPE_READ = 0,
       TYPE_WRITE = 1,
       TYPE_INSTR = 10,
       TYPE_DIRECT_JUMP = 11,
       TYPE_INDIRECT_JUMP = 12,
       TYPE_DIRECT_CALL = 14,
       TYPE_INDIRECT_CALL = 15,
       TYPE_RETURN = 16,
       TYPE_THREAD = 22,
       TYPE_THREAD_EXIT = 23,
       TYPE_PID = 24,
       TYPE_HEADER = 25,
       TYPE_FOOTER = 26,
       TYPE_MARKER = 28,
       TYPE_ENCODING = 47,
       TYPE_TAKEN_JUMP = 48,
       TYPE_UNTAKEN_JUMP = 49,
};
enum { /* trace_marker_type_t */
       MARKER_KERNEL_EVENT = 0,
       MARKER_KERNEL_XFER = 1,
       MARKER_TIMESTAMP = 2,
       MARKER_CPU_ID = 3,
       MARKER_FILETYPE = 9,
       MARKER_CACHE_LINE_SIZE = 10,
       MARKER_VERSION = 12,
       MARKER_PAGE_SIZE = 18,
       MARKER_BRANCH_TARGET = 29,
};
enum { VERSION = 5, FILE_X86_64 = 0x40, FILE_ENCODINGS = 0x200, PID = 1, NS_PER_US = 1000 };

struct drmemtrace {
    bool begun, waiting;
    struct trace_insn insn; /* waits for where the processor goes next */
    struct bytes data;      /* its loads and stores */
};

static void put(struct bytes *b, unsigned type, unsigned size, uint64_t value)
{
    bytes_number(b, type, 2);
    bytes_number(b, size, 2);
    bytes_number(b, value, 8);
}

static void begin_thread(struct trace_converter *c, uint64_t time)
{
    struct bytes b = { 0 };
    put(&b, TYPE_HEADER, 0, VERSION);
    put(&b, TYPE_MARKER, MARKER_VERSION, VERSION);
    put(&b, TYPE_MARKER, MARKER_FILETYPE, FILE_X86_64 | FILE_ENCODINGS);
    put(&b, TYPE_THREAD, 4, (uint64_t)c->cpu + 1);
    put(&b, TYPE_PID, 4, PID);
    put(&b, TYPE_MARKER, MARKER_CACHE_LINE_SIZE, 64);
    put(&b, TYPE_MARKER, MARKER_PAGE_SIZE, 4096);
    put(&b, TYPE_MARKER, MARKER_TIMESTAMP, time / NS_PER_US);
    put(&b, TYPE_MARKER, MARKER_CPU_ID, (uint64_t)c->cpu);
    bytes_flush(&b, c->out);
    bytes_free(&b);
}

/* Writes the instruction that waits; rip is where the processor went from it. */
static void went_to(struct trace_converter *c, uint64_t rip)
{
    static const uint8_t types[] = {
        [BRANCH_NONE] = TYPE_INSTR,
        [BRANCH_JUMP] = TYPE_DIRECT_JUMP,
        [BRANCH_INDIRECT] = TYPE_INDIRECT_JUMP,
        [BRANCH_CONDITIONAL] = TYPE_UNTAKEN_JUMP,
        [BRANCH_CALL] = TYPE_DIRECT_CALL,
        [BRANCH_INDIRECT_CALL] = TYPE_INDIRECT_CALL,
        [BRANCH_RETURN] = TYPE_RETURN,
        [BRANCH_SYSTEM] = TYPE_INSTR,
    };
    struct drmemtrace *d = c->state;
    const struct trace_insn *i = &d->insn;
    struct bytes b = { 0 };
    if (!d->waiting)
        return;
    enum branch_kind kind = branch_kind(i->bytes, i->length, i->bits);
    unsigned type = types[kind];
    if (type == TYPE_UNTAKEN_JUMP && rip != i->rip + i->length)
        type = TYPE_TAKEN_JUMP;
    for (unsigned k = 0; k < i->length; k += 8) {
        uint64_t code = 0;
        unsigned n = i->length - k < 8 ? i->length - k : 8;
        memcpy(&code, i->bytes + k, n);
        put(&b, TYPE_ENCODING, n, code);
    }
    if (kind == BRANCH_INDIRECT || kind == BRANCH_INDIRECT_CALL || kind == BRANCH_RETURN)
        put(&b, TYPE_MARKER, MARKER_BRANCH_TARGET, rip);
    put(&b, type, i->length, i->address);
    bytes_put(&b, d->data.data, d->data.size);
    bytes_flush(&b, c->out);
    bytes_free(&b);
    d->waiting = false;
}

static void marker(struct trace_converter *c, unsigned kind, uint64_t rip)
{
    struct bytes b = { 0 };
    went_to(c, rip);
    put(&b, TYPE_MARKER, kind, rip);
    bytes_flush(&b, c->out);
    bytes_free(&b);
}

static void put_insn(struct trace_converter *c, const struct trace_insn *i)
{
    struct drmemtrace *d = c->state;
    went_to(c, i->rip);
    bytes_clear(&d->data);
    for (unsigned k = 0; k < i->accesses_n; k++) {
        const struct trace_access *a = &i->accesses[k];
        put(&d->data, a->write ? TYPE_WRITE : TYPE_READ, a->size, a->linear);
    }
    d->insn = *i;
    d->waiting = true;
}

static bool drmemtrace_begin(struct trace_converter *c, struct sp_error *e)
{
    if (c->text->header->arch != TRACE_IA32)
        return sp_fail(e, SP_EXIT_NOT_MODELLED, "DynamoRIO's traces do not know Itanium");
    c->state = calloc(1, sizeof(struct drmemtrace));
    return c->state || sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
}

static bool drmemtrace_event(struct trace_converter *c, const struct trace_event *event,
                             struct sp_error *e)
{
    struct drmemtrace *d = c->state;
    const struct trace_insn *i = &event->insn;
    if (c->cpu < 0)
        c->cpu = (int)event->cpu;
    if (event->cpu != (uint32_t)c->cpu)
        return true;
    if (!d->begun)
        begin_thread(c, event->time);
    d->begun = true;
    switch (event->kind) {
    case TRACE_EVENT_INSN:
        if (i->status == TRACE_RETIRED || i->status == TRACE_PARTIAL)
            put_insn(c, i);
        break;
    case TRACE_EVENT_EXCEPTION: marker(c, MARKER_KERNEL_EVENT, event->exception.rip); break;
    case TRACE_EVENT_INTERRUPT: marker(c, MARKER_KERNEL_EVENT, event->interrupt.rip); break;
    case TRACE_EVENT_VM_EXIT: marker(c, MARKER_KERNEL_EVENT, event->vm_exit.guest_rip); break;
    case TRACE_EVENT_VM_ENTRY:
        went_to(c, event->vm_entry.guest_rip);
        marker(c, MARKER_KERNEL_XFER, event->vm_entry.guest_rip);
        break;
    default: break;
    }
    return !d->data.failed || sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
}

static bool drmemtrace_end(struct trace_converter *c, struct sp_error *e)
{
    struct drmemtrace *d = c->state;
    struct bytes b = { 0 };
    if (!d->begun)
        begin_thread(c, 0);
    went_to(c, d->insn.rip + d->insn.length);
    put(&b, TYPE_THREAD_EXIT, 4, (uint64_t)c->cpu + 1);
    put(&b, TYPE_FOOTER, 0, 0);
    bytes_flush(&b, c->out);
    bytes_free(&b);
    return true;
}

static void drmemtrace_free(struct trace_converter *c)
{
    struct drmemtrace *d = c->state;
    if (d)
        bytes_free(&d->data);
    free(d);
}

const struct trace_format trace_drmemtrace = {
    .name = "drmemtrace",
    .one_cpu = true,
    .begin = drmemtrace_begin,
    .event = drmemtrace_event,
    .end = drmemtrace_end,
    .free = drmemtrace_free,
};
