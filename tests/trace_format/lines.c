// SPDX-License-Identifier: Apache-2.0
// Prints a trace as tools/trace_reader.py does, by src/trace/reader.h.
#include <inttypes.h>
#include <stdio.h>

#include "trace/reader.h"

static void print_register(const struct trace_header *h, const struct trace_register *r)
{
    printf(" %s=", h->registers[r->id].name);
    if (r->value[1])
        printf("%" PRIx64 "%016" PRIx64, r->value[1], r->value[0]);
    else
        printf("%" PRIx64, r->value[0]);
}

static void print_access(const struct trace_access *a)
{
    printf(" %s%c[%" PRIx64 "/%" PRIx64 "]=", a->system ? "s" : "", a->write ? 'w' : 'r', a->linear,
           a->physical);
    for (unsigned k = 0; k < a->size; k++)
        printf("%02x", a->bytes[k]);
}

static void print_insn(const struct trace_header *h, const struct trace_insn *i)
{
    printf("insn %" PRIx64 " %" PRIx64 " ", i->address, i->physical);
    for (unsigned k = 0; k < i->length; k++)
        printf("%02x", i->bytes[k]);
    printf("%s %u %u %u %u %u", i->length ? "" : "-", i->bits, i->slot, i->cpl, i->world, i->status);
    for (unsigned k = 0; k < i->registers_n; k++)
        print_register(h, &i->registers[k]);
    for (unsigned k = 0; k < i->accesses_n; k++)
        print_access(&i->accesses[k]);
}

static void print_event(const struct trace_header *h, const struct trace_event *event)
{
    printf("%" PRIu64 " %" PRIu64 " %u ", event->time, event->index, event->cpu);
    if (event->kind == TRACE_EVENT_INSN) {
        print_insn(h, &event->insn);
    } else {
        const struct trace_kind_row *row = &trace_kinds[event->kind];
        printf("%s", row->name);
        for (unsigned k = 0; k < row->fields; k++)
            printf(" %s=%" PRIx64, row->field[k], event->field[k]);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    struct sp_error e;
    struct trace_event event;
    enum trace_result result = TRACE_BAD;
    struct trace_reader *r = argc == 2 ? trace_open(argv[1], &e) : NULL;
    while (r && (result = trace_next(r, &event, &e)) == TRACE_OK)
        print_event(trace_header_of(r), &event);
    trace_close(r);
    if (result == TRACE_BAD)
        fprintf(stderr, "%s\n", argc == 2 ? e.message : "one argument: a trace");
    return result == TRACE_BAD;
}
