// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdlib.h>

#include "debug/trace_stats.h"

typedef unsigned long long ull;

static void __attribute__((format(printf, 2, 3))) line(struct bytes *b, const char *format, ...)
{
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_put(b, text);
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static double mean(uint64_t sum, uint64_t n) { return n ? (double)sum / (double)n : 0; }

static const char *const world_names[] = {
    [TRACE_NO_VMX] = "no VMX", [TRACE_ROOT] = "root", [TRACE_NONROOT] = "non-root"
};
static const char *const bits_names[STATS_BITS] = { "16-bit", "32-bit", "64-bit", "Itanium" };

static void print_modes(const struct trace_stats *s, struct bytes *b)
{
    line(b, "%-10s %3s  %-8s %14s %6s\n", "operation", "CPL", "code", "instructions", "%");
    for (unsigned w = 0; w < 3; w++)
        for (unsigned cpl = 0; cpl < 4; cpl++)
            for (unsigned k = 0; k < STATS_BITS; k++)
                if (s->mode[w][cpl][k])
                    line(b, "%-10s %3u  %-8s %14llu %6.2f\n", world_names[w], cpl, bits_names[k],
                         (ull)s->mode[w][cpl][k], share(s->mode[w][cpl][k], s->instructions));
    line(b, "%-10s %3s  %-8s %14llu\n", "all", "", "", (ull)s->instructions);
}

static void print_events(const struct trace_stats *s, struct bytes *b)
{
    line(b, "\n%-20s %14s\n", "event", "count");
    for (unsigned k = 1; k < TRACE_KINDS; k++)
        if (s->kind[k])
            line(b, "%-20s %14llu\n", trace_kinds[k].name, (ull)s->kind[k]);
    for (unsigned k = 0; k < 256; k++)
        if (s->exception[k])
            line(b, "exception %3u %-6s %14llu\n", k,
                 trace_vector_name(k) ? trace_vector_name(k) : "", (ull)s->exception[k]);
    for (unsigned k = 0; k < 256; k++)
        if (s->interrupt[k])
            line(b, "interrupt %3u        %14llu\n", k, (ull)s->interrupt[k]);
}

/* Interruptions by vector, calls of firmware and virtualization faults by name. */
static void print_ipf(const struct trace_stats *s, struct bytes *b)
{
    unsigned shift;
    for (unsigned k = 0; k < TRACE_KINDS; k++)
        for (unsigned n = 0; n < STATS_IPF && trace_stats_ipf((enum trace_kind)k, &shift); n++) {
            const char *word = trace_ipf_word((enum trace_kind)k, n << shift);
            if (s->ipf[k][n])
                line(b, "%-20s %14llu  0x%x %s\n", trace_kinds[k].name, (ull)s->ipf[k][n],
                     n << shift, word ? word : "");
        }
}

static void print_exits(const struct trace_stats *s, struct bytes *b)
{
    line(b, "\n%-36s %10s %12s | %s\n", "", "", "guest", "instructions until the entry:");
    line(b, "%6s  %-28s %10s %12s | %12s %10s %8s %10s\n", "reason", "name", "exits",
         "instructions", "all", "mean", "least", "most");
    for (unsigned k = 0; k < STATS_BEFORE; k++) {
        const struct stats_exits *x = &s->exits[k];
        if (x->count)
            line(b, "%6u  %-28s %10llu %12llu | %12llu %10.1f %8llu %10llu\n", k,
                 trace_exit_name(k), (ull)x->count, (ull)x->guest, (ull)x->host,
                 mean(x->host, x->entered), (ull)x->least, (ull)x->most);
    }
}

static void print_places(const struct trace_stats *s, const struct trace_text *t, unsigned top,
                         struct bytes *b)
{
    struct stats_place *place = calloc(top + 1, sizeof *place);
    size_t n = place ? trace_stats_places(s, t, place, top) : 0;
    line(b, "\n%14s %6s  %s\n", "instructions", "%", "function, or page of code");
    for (size_t k = 0; k < n; k++) {
        line(b, "%14llu %6.2f  ", (ull)place[k].instructions,
             share(place[k].instructions, s->instructions));
        if (place[k].symbol)
            text_put(b, place[k].symbol);
        else
            line(b, "0x%llx", (ull)place[k].page);
        text_put(b, "\n");
    }
    free(place);
}

static void print_fields(const struct trace_stats *s, struct bytes *b)
{
    line(b, "\n%-30s %-30s %10s %10s\n", "after exit", "VMCS field", "reads", "writes");
    for (unsigned r = 0; r < STATS_REASONS; r++)
        for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
            if (s->exits[r].reads[f] || s->exits[r].writes[f])
                line(b, "%-30s %-30s %10llu %10llu\n",
                     r == STATS_BEFORE ? "(before the first exit)" : trace_exit_name(r),
                     vmcs_fields[f].name, (ull)s->exits[r].reads[f], (ull)s->exits[r].writes[f]);
}

void trace_stats_print(const struct trace_stats *s, const struct trace_text *t, unsigned top,
                       struct bytes *out)
{
    print_modes(s, out);
    print_events(s, out);
    print_ipf(s, out);
    if (s->kind[TRACE_EVENT_VM_EXIT])
        print_exits(s, out);
    if (s->instructions && top)
        print_places(s, t, top, out);
    if (s->kind[TRACE_EVENT_VMCS_READ] + s->kind[TRACE_EVENT_VMCS_WRITE])
        print_fields(s, out);
}

/* ---- JSON ---- */

/* A comma where one is due: before every member but the first. */
static void member(struct bytes *b, bool *first)
{
    text_put(b, *first ? "" : ",");
    *first = false;
}

static void json_modes(const struct trace_stats *s, struct bytes *b)
{
    bool first = true;
    text_put(b, "\"modes\":[");
    for (unsigned w = 0; w < 3; w++)
        for (unsigned cpl = 0; cpl < 4; cpl++)
            for (unsigned k = 0; k < STATS_BITS; k++)
                if (s->mode[w][cpl][k]) {
                    member(b, &first);
                    line(b,
                         "{\"operation\":\"%s\",\"cpl\":%u,\"code\":\"%s\",\"instructions\":%llu}",
                         world_names[w], cpl, bits_names[k], (ull)s->mode[w][cpl][k]);
                }
    text_put(b, "]");
}

static void json_vectors(const uint64_t *count, const char *name, struct bytes *b)
{
    bool first = true;
    line(b, ",\"%s\":{", name);
    for (unsigned k = 0; k < 256; k++)
        if (count[k]) {
            member(b, &first);
            line(b, "\"%u\":%llu", k, (ull)count[k]);
        }
    text_put(b, "}");
}

static void json_ipf(const struct trace_stats *s, struct bytes *b)
{
    unsigned shift;
    for (unsigned k = 0; k < TRACE_KINDS; k++) {
        bool first = true;
        if (!s->kind[k] || !trace_stats_ipf((enum trace_kind)k, &shift))
            continue;
        line(b, ",\"%s\":{", trace_kinds[k].name);
        for (unsigned n = 0; n < STATS_IPF; n++)
            if (s->ipf[k][n]) {
                member(b, &first);
                line(b, "\"%u\":%llu", n << shift, (ull)s->ipf[k][n]);
            }
        text_put(b, "}");
    }
}

static void json_fields(const uint64_t *count, const char *name, struct bytes *b)
{
    bool first = true;
    line(b, ",\"%s\":{", name);
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        if (count[f]) {
            member(b, &first);
            line(b, "\"%s\":%llu", vmcs_fields[f].name, (ull)count[f]);
        }
    text_put(b, "}");
}

static bool touches_fields(const struct stats_exits *x)
{
    for (unsigned f = 0; f < VMCS_FIELD_COUNT; f++)
        if (x->reads[f] || x->writes[f])
            return true;
    return false;
}

static void json_exits(const struct trace_stats *s, struct bytes *b)
{
    bool first = true;
    text_put(b, ",\"exits\":[");
    for (unsigned k = 0; k < STATS_REASONS; k++) {
        const struct stats_exits *x = &s->exits[k];
        if (!x->count && !x->entered && !touches_fields(x))
            continue;
        member(b, &first);
        if (k == STATS_BEFORE)
            text_put(b, "{\"reason\":null");
        else
            line(b, "{\"reason\":%u,\"name\":\"%s\"", k, trace_exit_name(k));
        line(b,
             ",\"count\":%llu,\"guest_instructions\":%llu,\"entered\":%llu,\"host_instructions\":%"
             "llu,"
             "\"least\":%llu,\"most\":%llu",
             (ull)x->count, (ull)x->guest, (ull)x->entered, (ull)x->host, (ull)x->least,
             (ull)x->most);
        json_fields(x->reads, "reads", b);
        json_fields(x->writes, "writes", b);
        text_put(b, "}");
    }
    text_put(b, "]");
}

void trace_stats_json(const struct trace_stats *s, const struct trace_text *t, unsigned top,
                      struct bytes *out)
{
    struct stats_place *place = calloc(top + 1, sizeof *place);
    size_t n = place ? trace_stats_places(s, t, place, top) : 0;
    line(out, "{\"instructions\":%llu,", (ull)s->instructions);
    json_modes(s, out);
    text_put(out, ",\"events\":{");
    for (unsigned k = 0; k < TRACE_KINDS; k++)
        line(out, "%s\"%s\":%llu", k ? "," : "", trace_kinds[k].name, (ull)s->kind[k]);
    text_put(out, "}");
    json_vectors(s->exception, "exceptions", out);
    json_vectors(s->interrupt, "interrupts", out);
    json_ipf(s, out);
    json_exits(s, out);
    text_put(out, ",\"places\":[");
    for (size_t k = 0; k < n; k++) {
        line(out, "%s{\"instructions\":%llu,", k ? "," : "", (ull)place[k].instructions);
        if (place[k].symbol) {
            text_put(out, "\"symbol\":");
            text_json_string(out, place[k].symbol);
        } else {
            line(out, "\"page\":\"0x%llx\"", (ull)place[k].page);
        }
        text_put(out, "}");
    }
    text_put(out, "]}\n");
    free(place);
}
