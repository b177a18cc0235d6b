// SPDX-License-Identifier: Apache-2.0
// Common Trace Format 1.8 (diamon.org/ctf): a folder with `metadata` and one stream for each
// processor.  VM entries and exits are kvm_entry, kvm_exit and what KVM's tracepoints would say
// with them; every event but instructions is there, too, as silverpool_NAME with all its fields.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "debug/trace_convert.h"

enum { PACKET_BYTES = 1 << 16, CTF_MAGIC = 0xc1fc1fc1u, UUID_BYTES = 16 };
enum { /* offsets in a packet of what is known at its end */
       AT_TIME_BEGIN = 4 + UUID_BYTES + 4,
       AT_TIME_END = AT_TIME_BEGIN + 8,
       AT_CONTENT = AT_TIME_END + 8,
       AT_PACKET = AT_CONTENT + 8,
       HEADER_BYTES = AT_PACKET + 8 + 4,
};

/* ---- KVM's events: arch/x86/kvm/trace.h of Linux 6.1 ---- */

enum kvm_event { KVM_ENTRY, KVM_EXIT, KVM_PAGE_FAULT, KVM_INJ_VIRQ, KVM_INJ_EXCEPTION, KVM_EVENTS };

struct ctf_field {
    const char *name;
    uint8_t size;
    bool hex;
};
static const struct ctf_event {
    const char *name;
    struct ctf_field field[9];
} kvm_events[KVM_EVENTS] = {
    [KVM_ENTRY] = { "kvm_entry", { { "vcpu_id", 4, 0 }, { "rip", 8, 1 } } },
    [KVM_EXIT] = { "kvm_exit",
                   { { "exit_reason", 4, 0 },
                     { "guest_rip", 8, 1 },
                     { "isa", 4, 0 },
                     { "info1", 8, 1 },
                     { "info2", 8, 1 },
                     { "intr_info", 4, 1 },
                     { "error_code", 4, 1 },
                     { "vcpu_id", 4, 0 } } },
    [KVM_PAGE_FAULT] = { "kvm_page_fault",
                         { { "vcpu_id", 4, 0 },
                           { "guest_rip", 8, 1 },
                           { "fault_address", 8, 1 },
                           { "error_code", 8, 1 } } },
    [KVM_INJ_VIRQ] = { "kvm_inj_virq",
                       { { "vector", 4, 0 }, { "soft", 1, 0 }, { "reinjected", 1, 0 } } },
    [KVM_INJ_EXCEPTION] = { "kvm_inj_exception",
                            { { "exception", 1, 0 },
                              { "has_error", 1, 0 },
                              { "error_code", 4, 1 },
                              { "reinjected", 1, 0 } } },
};

/* ---- streams ---- */

struct stream {
    FILE *out;
    struct bytes packet;
    uint64_t first, last; /* times in the packet */
    uint32_t idt_info;    /* of the last exit: its event may be injected again */
};

struct ctf {
    uint8_t uuid[UUID_BYTES];
    unsigned cpus;
    struct stream *stream;
};

/* The same trace has the same UUID (RFC 9562, version 8: of our own making). */
static void make_uuid(uint8_t *uuid, const struct trace_header *h)
{
    uint64_t word[2] = { h->image_hash * 0x9e3779b97f4a7c15ull + h->classes, h->seed ^ h->cpus };
    memcpy(uuid, word, UUID_BYTES);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

static FILE *open_in(const struct trace_converter *c, const char *name, struct sp_error *e)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", c->path, name);
    FILE *out = fopen(path, "wb");
    if (!out)
        sp_fail(e, SP_EXIT_USAGE, "%s: %s", path, strerror(errno));
    return out;
}

static bool close_file(const struct trace_converter *c, FILE *out, struct sp_error *e)
{
    bool ok = !ferror(out);
    ok &= !fclose(out);
    return ok || sp_fail(e, SP_EXIT_USAGE, "%s: cannot be written: %s", c->path, strerror(errno));
}

static void put_at(struct bytes *b, size_t at, uint64_t value)
{
    for (unsigned k = 0; k < 8; k++)
        b->data[at + k] = (uint8_t)(value >> (8 * k));
}

static void write_packet(struct stream *s)
{
    struct bytes *b = &s->packet;
    if (b->size > HEADER_BYTES && !b->failed) {
        put_at(b, AT_TIME_BEGIN, s->first);
        put_at(b, AT_TIME_END, s->last);
        put_at(b, AT_CONTENT, 8 * b->size); /* in bits */
        put_at(b, AT_PACKET, 8 * b->size);
        fwrite(b->data, 1, b->size, s->out);
    }
    bytes_clear(b);
}

static void begin_packet(struct ctf *t, unsigned cpu, uint64_t time)
{
    struct stream *s = &t->stream[cpu];
    bytes_number(&s->packet, CTF_MAGIC, 4);
    bytes_put(&s->packet, t->uuid, UUID_BYTES);
    bytes_number(&s->packet, 0, 4); /* stream_id */
    for (unsigned k = 0; k < 4; k++)
        bytes_number(&s->packet, 0, 8); /* see write_packet() */
    bytes_number(&s->packet, cpu, 4);
    s->first = time;
}

static struct bytes *begin_event(struct ctf *t, unsigned cpu, unsigned id, uint64_t time)
{
    struct stream *s = &t->stream[cpu];
    if (s->packet.size > PACKET_BYTES)
        write_packet(s);
    if (!s->packet.size)
        begin_packet(t, cpu, time);
    s->last = time;
    bytes_number(&s->packet, id, 2);
    bytes_number(&s->packet, time, 8);
    return &s->packet;
}

static void put_kvm(struct ctf *t, const struct trace_event *event, enum kvm_event id,
                    const uint64_t *value)
{
    struct bytes *b = begin_event(t, event->cpu, id, event->time);
    for (const struct ctf_field *f = kvm_events[id].field; f->name; f++)
        bytes_number(b, *value++, f->size);
}

/* SDM vol. 3, "VM-Entry Controls for Event Injection": the type stands in bits 10:8. */
static void injected(struct ctf *t, const struct trace_event *event)
{
    uint32_t info = (uint32_t)event->vm_entry.intr_info, type = info >> 8 & 7;
    uint64_t again =
        t->stream[event->cpu].idt_info >> 31 && !((t->stream[event->cpu].idt_info ^ info) & 0x7ff);
    if (!(info >> 31))
        return;
    if (type == 0 || type == 4)
        put_kvm(t, event, KVM_INJ_VIRQ, (const uint64_t[]){ info & 255, type == 4, again });
    else if (type != 2 && type != 7)
        put_kvm(
            t, event, KVM_INJ_EXCEPTION,
            (const uint64_t[]){ info & 255, info >> 11 & 1, event->vm_entry.intr_error, again });
}

static void exited(struct ctf *t, const struct trace_event *event)
{
    enum { EXIT_EPT_VIOLATION = 48, ISA_VMX = 1 };
    const struct trace_vm_exit *v = &event->vm_exit;
    bool has_error = v->intr_info >> 31 & v->intr_info >> 11 & 1;
    t->stream[event->cpu].idt_info = (uint32_t)v->idt_info;
    put_kvm(t, event, KVM_EXIT,
            (const uint64_t[]){ v->reason, v->guest_rip, ISA_VMX, v->qualification, v->idt_info,
                                v->intr_info, has_error ? v->intr_error : 0, event->cpu });
    if ((v->reason & 0xffff) == EXIT_EPT_VIOLATION)
        put_kvm(
            t, event, KVM_PAGE_FAULT,
            (const uint64_t[]){ event->cpu, v->guest_rip, v->guest_physical, v->qualification });
}

/* ---- metadata (TSDL) ---- */

static void describe_field(FILE *out, const char *name, unsigned size, bool hex)
{
    fprintf(out, "        integer { size = %u; align = 8; signed = false; base = %s; } %s%s;\n",
            8 * size, hex ? "hex" : "dec", "_", name);
}

static void describe_exits(FILE *out)
{
    const char *mark = "";
    fprintf(out, "enum exit_reason : integer { size = 32; align = 8; signed = false; } {\n");
    for (unsigned k = 0; k < 96; k++)
        if (strcmp(trace_exit_name(k), "UNKNOWN")) {
            fprintf(out, "%s    \"%s\" = %u", mark, trace_exit_name(k), k);
            mark = ",\n";
        }
    fprintf(out, "\n};\n\n");
}

static void describe_event(FILE *out, const char *prefix, const char *name, unsigned id)
{
    fprintf(out,
            "event {\n    name = \"%s%s\";\n    id = %u;\n    stream_id = 0;\n"
            "    fields := struct {\n",
            prefix, name, id);
}

static void describe_events(FILE *out)
{
    for (unsigned k = 0; k < KVM_EVENTS; k++) {
        describe_event(out, "", kvm_events[k].name, k);
        for (const struct ctf_field *f = kvm_events[k].field; f->name; f++)
            if (!strcmp(f->name, "exit_reason"))
                fprintf(out, "        enum exit_reason _exit_reason;\n");
            else
                describe_field(out, f->name, f->size, f->hex);
        fprintf(out, "    };\n};\n\n");
    }
    for (unsigned k = 0; k < TRACE_KINDS; k++)
        if (k != TRACE_EVENT_INSN) {
            describe_event(out, "silverpool_", trace_kinds[k].name, KVM_EVENTS + k);
            for (unsigned n = 0; n < trace_kinds[k].fields; n++)
                describe_field(out, trace_kinds[k].field[n], 8, true);
            fprintf(out, "    };\n};\n\n");
        }
}

static void describe(FILE *out, const struct ctf *t)
{
    char uuid[37], *p = uuid;
    for (unsigned k = 0; k < UUID_BYTES; k++)
        p += sprintf(p, "%s%02x", k == 4 || k == 6 || k == 8 || k == 10 ? "-" : "", t->uuid[k]);
    fprintf(
        out,
        "/* CTF 1.8 */\n\n"
        "typealias integer { size = 8; align = 8; signed = false; } := uint8_t;\n"
        "typealias integer { size = 16; align = 8; signed = false; } := uint16_t;\n"
        "typealias integer { size = 32; align = 8; signed = false; } := uint32_t;\n"
        "typealias integer { size = 64; align = 8; signed = false; } := uint64_t;\n\n"
        "trace {\n    major = 1;\n    minor = 8;\n    uuid = \"%s\";\n    byte_order = le;\n"
        "    packet.header := struct {\n        uint32_t magic;\n        uint8_t uuid[16];\n"
        "        uint32_t stream_id;\n    };\n};\n\n"
        "env {\n    domain = \"kernel\";\n    tracer_name = \"silverpool\";\n};\n\n"
        "clock {\n    name = machine;\n    description = \"machine time\";\n    freq = "
        "1000000000;\n"
        "    absolute = false;\n};\n\n"
        "typealias integer {\n    size = 64; align = 8; signed = false;\n    map = "
        "clock.machine.value;\n"
        "} := machine_time;\n\n"
        "stream {\n    id = 0;\n    event.header := struct {\n        uint16_t id;\n"
        "        machine_time timestamp;\n    };\n    packet.context := struct {\n"
        "        machine_time timestamp_begin;\n        machine_time timestamp_end;\n"
        "        uint64_t content_size;\n        uint64_t packet_size;\n        uint32_t cpu_id;\n"
        "    };\n};\n\n",
        uuid);
    describe_exits(out);
    describe_events(out);
}

/* ---- the converter ---- */

static bool ctf_begin(struct trace_converter *c, struct sp_error *e)
{
    const struct trace_header *h = c->text->header;
    struct ctf *t = c->state = calloc(1, sizeof *t);
    if (!t || !(t->stream = calloc(h->cpus + 1, sizeof *t->stream)))
        return sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
    t->cpus = h->cpus;
    make_uuid(t->uuid, h);
    if (mkdir(c->path, 0777))
        return sp_fail(e, SP_EXIT_USAGE, "%s: %s", c->path, strerror(errno));
    FILE *out = open_in(c, "metadata", e);
    if (!out)
        return false;
    describe(out, t);
    return close_file(c, out, e);
}

static bool ctf_event(struct trace_converter *c, const struct trace_event *event,
                      struct sp_error *e)
{
    struct ctf *t = c->state;
    char name[24];
    if (event->kind == TRACE_EVENT_INSN || event->cpu >= t->cpus)
        return true;
    snprintf(name, sizeof name, "cpu%u", event->cpu);
    struct stream *s = &t->stream[event->cpu];
    if (!s->out && !(s->out = open_in(c, name, e)))
        return false;
    if (event->kind == TRACE_EVENT_VM_EXIT)
        exited(t, event);
    if (event->kind == TRACE_EVENT_VM_ENTRY) {
        injected(t, event);
        put_kvm(t, event, KVM_ENTRY, (const uint64_t[]){ event->cpu, event->vm_entry.guest_rip });
    }
    struct bytes *b = begin_event(t, event->cpu, KVM_EVENTS + event->kind, event->time);
    for (unsigned n = 0; n < trace_kinds[event->kind].fields; n++)
        bytes_number(b, event->field[n], 8);
    return !b->failed || sp_fail(e, SP_EXIT_USAGE, "the host has no memory left");
}

static bool ctf_end(struct trace_converter *c, struct sp_error *e)
{
    struct ctf *t = c->state;
    bool ok = true;
    for (unsigned k = 0; k < t->cpus; k++)
        if (t->stream[k].out) {
            write_packet(&t->stream[k]);
            ok &= close_file(c, t->stream[k].out, e);
            t->stream[k].out = NULL;
        }
    return ok;
}

static void ctf_free(struct trace_converter *c)
{
    struct ctf *t = c->state;
    for (unsigned k = 0; t && t->stream && k < t->cpus; k++) {
        bytes_free(&t->stream[k].packet);
        if (t->stream[k].out)
            fclose(t->stream[k].out);
    }
    if (t)
        free(t->stream);
    free(t);
}

const struct trace_format trace_ctf = {
    .name = "ctf",
    .folder = true,
    .begin = ctf_begin,
    .event = ctf_event,
    .end = ctf_end,
    .free = ctf_free,
};
