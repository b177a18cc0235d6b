// SPDX-License-Identifier: Apache-2.0
// Perfetto's protobuf (protos/perfetto/trace): a process "processors" with a thread for each
// logical processor, which runs guests and handles their exits; and a process for each virtual
// machine, which is what shares an EPT pointer, with a thread for each VMCS.
#include <stdlib.h>
#include <string.h>

#include "debug/trace_convert.h"

enum { /* field numbers */
       TRACE_PACKET = 1,
       PACKET_TIMESTAMP = 8,
       PACKET_SEQUENCE = 10,
       PACKET_TRACK_EVENT = 11,
       PACKET_SEQUENCE_FLAGS = 13,
       PACKET_TRACK_DESCRIPTOR = 60,
       TRACK_UUID = 1,
       TRACK_PROCESS = 3,
       TRACK_THREAD = 4,
       TRACK_PARENT = 5,
       PROCESS_PID = 1,
       PROCESS_NAME = 6,
       THREAD_PID = 1,
       THREAD_TID = 2,
       THREAD_NAME = 5,
       EVENT_ANNOTATION = 4,
       EVENT_TYPE = 9,
       EVENT_TRACK = 11,
       EVENT_CATEGORY = 22,
       EVENT_NAME = 23,
       ANNOTATION_UINT = 3,
       ANNOTATION_STRING = 6,
       ANNOTATION_POINTER = 7,
       ANNOTATION_NAME = 10,
};
enum { SLICE_BEGIN = 1, SLICE_END = 2, INSTANT = 3 };
enum { PROCESSORS_PID = 1, UUID_PROCESSES = 1 << 24, UUID_VMCS = 1 << 25, MACHINES_MAX = 4096 };

struct virtual_processor {
    uint64_t vmcs, eptp;
    bool open;
};

struct processor {
    bool known, open;
};

struct perfetto {
    struct bytes packet, event, part;
    unsigned cpus;
    struct processor *cpu;
    struct virtual_processor vmcs[MACHINES_MAX];
    unsigned vmcs_n;
    uint64_t eptp[MACHINES_MAX];
    unsigned eptp_n;
    uint64_t last; /* time */
};

/* ---- messages ---- */

static void put_uint(struct bytes *b, unsigned field, uint64_t value)
{
    bytes_varint(b, field << 3);
    bytes_varint(b, value);
}

static void put_bytes(struct bytes *b, unsigned field, const void *data, size_t size)
{
    bytes_varint(b, field << 3 | 2);
    bytes_varint(b, size);
    bytes_put(b, data, size);
}

static void put_string(struct bytes *b, unsigned field, const char *text)
{
    put_bytes(b, field, text, strlen(text));
}

static void write_packet(struct trace_converter *c)
{
    struct perfetto *p = c->state;
    put_uint(&p->packet, PACKET_SEQUENCE, 1);
    bytes_clear(&p->part);
    put_bytes(&p->part, TRACE_PACKET, p->packet.data, p->packet.size);
    bytes_flush(&p->part, c->out);
    bytes_clear(&p->packet);
    bytes_clear(&p->event);
}

static void describe(struct trace_converter *c, uint64_t uuid, uint64_t parent)
{
    struct perfetto *p = c->state;
    put_uint(&p->event, TRACK_UUID, uuid);
    if (parent)
        put_uint(&p->event, TRACK_PARENT, parent);
    put_bytes(&p->packet, PACKET_TRACK_DESCRIPTOR, p->event.data, p->event.size);
    write_packet(c);
}

static void describe_process(struct trace_converter *c, uint64_t uuid, unsigned pid,
                             const char *name)
{
    struct perfetto *p = c->state;
    bytes_clear(&p->part);
    put_uint(&p->part, PROCESS_PID, pid);
    put_string(&p->part, PROCESS_NAME, name);
    put_bytes(&p->event, TRACK_PROCESS, p->part.data, p->part.size);
    describe(c, uuid, 0);
}

static void describe_thread(struct trace_converter *c, uint64_t uuid, uint64_t parent, unsigned pid,
                            unsigned tid, const char *name)
{
    struct perfetto *p = c->state;
    bytes_clear(&p->part);
    put_uint(&p->part, THREAD_PID, pid);
    put_uint(&p->part, THREAD_TID, tid);
    put_string(&p->part, THREAD_NAME, name);
    put_bytes(&p->event, TRACK_THREAD, p->part.data, p->part.size);
    describe(c, uuid, parent);
}

/* ---- tracks: declared when they first show ---- */

static uint64_t cpu_track(struct trace_converter *c, unsigned cpu)
{
    struct perfetto *p = c->state;
    char name[32];
    if (!p->cpu[cpu].known) {
        snprintf(name, sizeof name, "cpu %u", cpu);
        describe_thread(c, 2 + cpu, 1, PROCESSORS_PID, PROCESSORS_PID + 1 + cpu, name);
        p->cpu[cpu].known = true;
    }
    return 2 + cpu;
}

static unsigned machine_of(struct trace_converter *c, uint64_t eptp)
{
    struct perfetto *p = c->state;
    char name[64];
    unsigned k = 0;
    while (k < p->eptp_n && p->eptp[k] != eptp)
        k++;
    if (k < p->eptp_n || k == MACHINES_MAX)
        return k;
    p->eptp[p->eptp_n++] = eptp;
    if (eptp)
        snprintf(name, sizeof name, "virtual machine, EPTP 0x%llx", (unsigned long long)eptp);
    else
        snprintf(name, sizeof name, "virtual machines without EPT");
    describe_process(c, UUID_PROCESSES + k, 100000 + k, name);
    return k;
}

/* The index of a VMCS; it belongs to the machine of its first EPT pointer.  MACHINES_MAX: too many.
 */
static unsigned vmcs_index(struct trace_converter *c, uint64_t vmcs, uint64_t eptp)
{
    struct perfetto *p = c->state;
    char name[48];
    unsigned k = 0;
    while (k < p->vmcs_n && p->vmcs[k].vmcs != vmcs)
        k++;
    if (k < p->vmcs_n || k == MACHINES_MAX)
        return k;
    unsigned machine = machine_of(c, eptp);
    p->vmcs[p->vmcs_n++] = (struct virtual_processor){ .vmcs = vmcs, .eptp = eptp };
    snprintf(name, sizeof name, "VMCS 0x%llx", (unsigned long long)vmcs);
    describe_thread(c, UUID_VMCS + k, UUID_PROCESSES + machine, 100000 + machine, 200000 + k, name);
    return k;
}

/* ---- slices ---- */

static void annotate(struct perfetto *p, const char *name, uint64_t value)
{
    bytes_clear(&p->part);
    put_string(&p->part, ANNOTATION_NAME, name);
    put_uint(&p->part, ANNOTATION_POINTER, value); /* shown in hexadecimal */
    put_bytes(&p->event, EVENT_ANNOTATION, p->part.data, p->part.size);
}

static void annotate_symbol(struct trace_converter *c, uint64_t address)
{
    struct perfetto *p = c->state;
    uint64_t distance;
    const char *name = trace_symbol(c->text, address, &distance);
    if (!name)
        return;
    bytes_clear(&p->part);
    put_string(&p->part, ANNOTATION_NAME, "symbol");
    put_string(&p->part, ANNOTATION_STRING, name);
    put_bytes(&p->event, EVENT_ANNOTATION, p->part.data, p->part.size);
}

/* Ends the packet whose annotations stand in p->event. */
static void put_event(struct trace_converter *c, uint64_t track, unsigned type,
                      const char *category, const char *name)
{
    struct perfetto *p = c->state;
    put_uint(&p->event, EVENT_TYPE, type);
    put_uint(&p->event, EVENT_TRACK, track);
    if (type != SLICE_END) {
        put_string(&p->event, EVENT_CATEGORY, category);
        put_string(&p->event, EVENT_NAME, name);
    }
    put_uint(&p->packet, PACKET_TIMESTAMP, p->last);
    put_bytes(&p->packet, PACKET_TRACK_EVENT, p->event.data, p->event.size);
    write_packet(c);
}

static void end_slice(struct trace_converter *c, uint64_t track, bool *open)
{
    if (*open)
        put_event(c, track, SLICE_END, NULL, NULL);
    *open = false;
}

static void entered(struct trace_converter *c, const struct trace_event *event)
{
    struct perfetto *p = c->state;
    const struct trace_vm_entry *v = &event->vm_entry;
    char name[64];
    uint64_t track = cpu_track(c, event->cpu);
    unsigned k = vmcs_index(c, v->vmcs, v->eptp);
    end_slice(c, track, &p->cpu[event->cpu].open);
    snprintf(name, sizeof name, "guest, VMCS 0x%llx", (unsigned long long)v->vmcs);
    annotate(p, "guest_rip", v->guest_rip);
    annotate_symbol(c, v->guest_rip);
    annotate(p, "intr_info", v->intr_info);
    put_event(c, track, SLICE_BEGIN, "guest", name);
    p->cpu[event->cpu].open = true;
    if (k == MACHINES_MAX)
        return;
    end_slice(c, UUID_VMCS + k, &p->vmcs[k].open);
    snprintf(name, sizeof name, "runs on cpu %u", event->cpu);
    put_event(c, UUID_VMCS + k, SLICE_BEGIN, "guest", name);
    p->vmcs[k].open = true;
}

static void annotate_exit(struct trace_converter *c, const struct trace_vm_exit *v)
{
    struct perfetto *p = c->state;
    annotate(p, "guest_rip", v->guest_rip);
    annotate_symbol(c, v->guest_rip);
    annotate(p, "qualification", v->qualification);
    if (v->guest_physical)
        annotate(p, "guest_physical", v->guest_physical);
    if (v->intr_info)
        annotate(p, "intr_info", v->intr_info);
}

static void exited(struct trace_converter *c, const struct trace_event *event)
{
    struct perfetto *p = c->state;
    const struct trace_vm_exit *v = &event->vm_exit;
    uint64_t track = cpu_track(c, event->cpu);
    unsigned k = vmcs_index(c, v->vmcs, v->eptp);
    const char *name = trace_exit_name(v->reason);
    end_slice(c, track, &p->cpu[event->cpu].open);
    annotate_exit(c, v);
    put_event(c, track, SLICE_BEGIN, "exit", name);
    p->cpu[event->cpu].open = true;
    if (k == MACHINES_MAX)
        return;
    end_slice(c, UUID_VMCS + k, &p->vmcs[k].open);
    annotate_exit(c, v);
    put_event(c, UUID_VMCS + k, SLICE_BEGIN, "exit", name);
    p->vmcs[k].open = true;
}

static void instant(struct trace_converter *c, const struct trace_event *event)
{
    struct perfetto *p = c->state;
    char name[48];
    uint64_t track = cpu_track(c, event->cpu);
    const char *word = NULL;
    if (event->kind == TRACE_EVENT_EXCEPTION)
        word = trace_vector_name(event->exception.vector);
    snprintf(name, sizeof name, "%s %llu%s%s", trace_kinds[event->kind].name,
             (unsigned long long)event->field[0], word ? " " : "", word ? word : "");
    for (unsigned k = 0; k < trace_kinds[event->kind].fields; k++)
        annotate(p, trace_kinds[event->kind].field[k], event->field[k]);
    put_event(c, track, INSTANT, trace_kinds[event->kind].name, name);
}

/* ---- the converter ---- */

static bool perfetto_begin(struct trace_converter *c, struct sp_error *e)
{
    struct perfetto *p = c->state = calloc(1, sizeof *p);
    if (!p || !(p->cpu = calloc(c->text->header->cpus + 1, sizeof *p->cpu)))
        return sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    p->cpus = c->text->header->cpus;
    put_uint(&p->packet, PACKET_SEQUENCE_FLAGS, 1); /* incremental state cleared */
    write_packet(c);
    describe_process(c, 1, PROCESSORS_PID, "processors");
    return true;
}

static bool perfetto_event(struct trace_converter *c, const struct trace_event *event,
                           struct sp_error *e)
{
    struct perfetto *p = c->state;
    if (event->cpu >= p->cpus)
        return true;
    p->last = event->time;
    switch (event->kind) {
    case TRACE_EVENT_VM_ENTRY: entered(c, event); break;
    case TRACE_EVENT_VM_EXIT: exited(c, event); break;
    case TRACE_EVENT_INTERRUPT:
    case TRACE_EVENT_EXCEPTION:
    case TRACE_EVENT_VM_ENTRY_FAILURE:
    case TRACE_EVENT_MARK:
    case TRACE_EVENT_STOP: instant(c, event); break;
    default: break;
    }
    return !(p->packet.failed | p->event.failed | p->part.failed) ||
           sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
}

static bool perfetto_end(struct trace_converter *c, struct sp_error *e)
{
    struct perfetto *p = c->state;
    for (unsigned k = 0; k < p->cpus; k++)
        end_slice(c, 2 + k, &p->cpu[k].open);
    for (unsigned k = 0; k < p->vmcs_n; k++)
        end_slice(c, UUID_VMCS + k, &p->vmcs[k].open);
    return true;
}

static void perfetto_free(struct trace_converter *c)
{
    struct perfetto *p = c->state;
    if (!p)
        return;
    bytes_free(&p->packet);
    bytes_free(&p->event);
    bytes_free(&p->part);
    free(p->cpu);
    free(p);
}

const struct trace_format trace_perfetto = {
    .name = "perfetto",
    .begin = perfetto_begin,
    .event = perfetto_event,
    .end = perfetto_end,
    .free = perfetto_free,
};
