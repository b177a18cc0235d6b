// SPDX-License-Identifier: Apache-2.0
// Events of a trace as text, one line each, the same bytes for the same event always; and as JSON.
#ifndef SP_DEBUG_TRACE_TEXT_H
#define SP_DEBUG_TRACE_TEXT_H

#include "debug/bytes.h"
#include "debug/disasm_cache.h"
#include "debug/symbols.h"
#include "trace/reader.h"

enum { TRACE_SYMBOLS_MAX = 4 };

/* What the lines take from elsewhere than the event. */
struct trace_text {
    const struct trace_header *header;
    struct disasm_cache *disasm;
    struct symbols *symbols[TRACE_SYMBOLS_MAX]; /* the first that knows an address names it */
    unsigned symbols_n;
    bool times;    /* lines begin with the machine time */
    bool physical; /* physical addresses of memory accesses, too */
};

/* Appends a line, with its newline.
 *   instructions: processor, mode, linear address, bytes, disassembly, <symbol>, registers changed
 *                 (name=value), memory (r8[address]=value: 8 bytes read; w: written; a leading s: a
 *                 system access), and unless it retired, how it ended
 *   other events: processor, name, and the fields as name=value; of VM entries and exits those
 *                 that are not 0
 * The mode is the code segment's size, - or r or n for no VMX, root and non-root operation, and the
 * CPL. */
void trace_text_event(const struct trace_text *t, const struct trace_event *event, struct bytes *b);
/* Appends the same as one JSON object and a newline; numbers are strings of hexadecimal digits,
 * which keep all 64 bits in every reader of JSON. */
void trace_json_event(const struct trace_text *t, const struct trace_event *event, struct bytes *b);

/* An instruction, and not what went on between two of them. */
static inline bool trace_is_instruction(const struct trace_event *event)
{
    return event->kind == TRACE_EVENT_INSN && event->insn.status != TRACE_DELIVERED;
}

/* The name of an address and the distance from it; NULL: none. */
const char *trace_symbol(const struct trace_text *t, uint64_t address, uint64_t *distance);
/* Appends the text of an instruction. */
void trace_put_disasm(const struct trace_text *t, const struct trace_insn *i, struct bytes *b);
/* A field's value in words ("CPUID", "GUEST_RIP", "#PF"); NULL if it is a plain number. */
const char *trace_field_word(const struct trace_event *event, const char *field, uint64_t value);
/* The same of the first field of Itanium's events: a vector, a cause, a procedure, a service. */
const char *trace_ipf_word(enum trace_kind kind, uint64_t first);
/* Whether a field of an event is a code address. */
bool trace_field_is_code(const char *field);

/* "none", "root", "non-root" */
extern const char *const trace_world_names[TRACE_NONROOT + 1];
/* "#PF" and so on; NULL for interrupts. */
const char *trace_vector_name(uint64_t vector);
/* "EPT violation"-like name of an exit reason field, its bits 15:0. */
const char *trace_exit_name(uint64_t reason);

/* Appending to a line. */
void text_put(struct bytes *b, const char *text);
void text_hex(struct bytes *b, uint64_t value, unsigned digits); /* at least so many digits */
void text_number(struct bytes *b, uint64_t value);               /* decimal */
void text_byte_string(struct bytes *b, const uint8_t *bytes, size_t n);
/* Bytes in memory as one number, the last one first, without leading zeros. */
void text_value(struct bytes *b, const uint8_t *bytes, size_t n);
void text_json_string(struct bytes *b, const char *text);

#endif
