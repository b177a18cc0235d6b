// SPDX-License-Identifier: Apache-2.0
#include "trace/decode.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

/* ---- streams ---- */

static bool unpack(struct trace_streams *s, struct trace_source *source, const struct trace_chunk *c,
                   const uint8_t *packed, uint32_t packed_size, uint32_t size, uint64_t check,
                   struct sp_error *e)
{
    if (XXH64(packed, packed_size, 0) != check)
        return trace_bad(source, e, c->offset, "damaged: the checksum of a chunk is wrong");
    size_t n = ZSTD_decompress(s->bytes, size, packed, packed_size);
    if (ZSTD_isError(n) || n != size || XXH64(s->bytes, size, 0) != c->hash)
        return trace_bad(source, e, c->offset, "damaged: a chunk does not unpack");
    return true;
}

bool trace_streams_load(struct trace_streams *s, struct trace_source *source,
                        const struct trace_chunk *c, struct sp_error *e)
{
    uint32_t sizes[STREAMS], packed_size, size;
    uint64_t check;
    if (!trace_source_chunk(source, c, sizes, &packed_size, &size, &check, e))
        return false;
    if (packed_size > source->size)
        return trace_bad(source, e, c->offset, "the file ends too early");
    uint8_t *packed = malloc(packed_size + 1u), *bytes = malloc(size + 1u);
    free(s->bytes);
    *s = (struct trace_streams){ .bytes = bytes };
    bool ok = packed && bytes;
    if (!ok)
        trace_bad(source, e, c->offset, "out of memory");
    ok = ok && trace_source_read(source, c->offset + TRACE_CHUNK_HEADER, packed, packed_size, e) &&
         unpack(s, source, c, packed, packed_size, size, check, e);
    free(packed);
    for (unsigned k = 0; ok && k < STREAMS; k++) {
        s->s[k] = (struct trace_cursor){ bytes, bytes + sizes[k] };
        bytes += sizes[k];
    }
    return ok;
}

void trace_streams_free(struct trace_streams *s)
{
    free(s->bytes);
    *s = (struct trace_streams){ 0 };
}

bool trace_at_end(const struct trace_streams *s, unsigned stream)
{
    return s->s[stream].at == s->s[stream].end;
}

static bool fault(struct trace_streams *s, const char *what)
{
    if (!s->fault)
        s->fault = what;
    return false;
}

uint8_t trace_take_byte(struct trace_streams *s, unsigned stream)
{
    struct trace_cursor *c = &s->s[stream];
    if (c->at == c->end) {
        fault(s, "a stream ends too early");
        return 0;
    }
    return *c->at++;
}

uint64_t trace_take_number(struct trace_streams *s, unsigned stream)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = trace_take_byte(s, stream);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    fault(s, "a number is too long");
    return 0;
}

uint64_t trace_take_signed(struct trace_streams *s, unsigned stream)
{
    return trace_unfold(trace_take_number(s, stream));
}

void trace_take_bytes(struct trace_streams *s, unsigned stream, void *to, size_t n)
{
    struct trace_cursor *c = &s->s[stream];
    if ((size_t)(c->end - c->at) < n) {
        fault(s, "a stream ends too early");
        memset(to, 0, n);
        return;
    }
    memcpy(to, c->at, n);
    c->at += n;
}

/* ---- blocks ---- */

static bool is_size(unsigned n) { return n == 1 || n == 2 || n == 4 || n == 8; }

static bool is_operand(const struct trace_rule *r, uint8_t o)
{
    unsigned n = r->size;
    bool vector = r->kind == RULE_XMM || r->kind == RULE_PXOR;
    if (o < OPERAND_HIGH)
        return !vector;
    if (o < OPERAND_HIGH + 4)
        return !vector && (n == 1 || r->from == 1);
    if (o >= OPERAND_XMM && o < OPERAND_XMM + 16)
        return vector;
    return o == OPERAND_MEMORY || o == OPERAND_IMM || o == OPERAND_NONE;
}

static bool is_rule(const struct trace_rule *r)
{
    bool sized = r->kind == RULE_XMM || r->kind == RULE_PXOR
                     ? r->size == 4 || r->size == 8 || r->size == 16 : is_size(r->size);
    bool extends = r->kind == RULE_ZERO_EXTEND || r->kind == RULE_SIGN_EXTEND;
    /* Where a result goes. */
    bool writes = r->kind != RULE_NOTHING && r->kind != RULE_PUSH && r->kind != RULE_CALL &&
                  r->kind != RULE_RET && r->kind != RULE_LEAVE && r->kind != RULE_LOAD &&
                  r->kind != RULE_SIGN;
    return r->kind != RULE_EXPLICIT && r->kind < RULE_KINDS && sized &&
           (!extends || is_size(r->from)) && is_operand(r, r->dst) && is_operand(r, r->src) &&
           r->base <= BASE_RIP && r->index <= BASE_NONE &&
           (!writes || (r->dst != OPERAND_IMM && r->dst != OPERAND_NONE)) &&
           (r->kind != RULE_IMUL || r->dst < OPERAND_HIGH) &&
           (r->kind != RULE_POP || r->dst < OPERAND_HIGH) &&
           !(r->dst == OPERAND_MEMORY && r->src == OPERAND_MEMORY);
}

static void take_rule(struct trace_streams *s, struct trace_rule *r)
{
    uint8_t head[6];
    trace_take_bytes(s, STREAM_CODE, head, sizeof head);
    *r = (struct trace_rule){ .has_imm = head[0] & 1, .kind = head[1], .size = head[2],
                              .from = head[3], .dst = head[4], .src = head[5],
                              .base = BASE_NONE, .index = BASE_NONE };
    if (r->dst == OPERAND_MEMORY || r->src == OPERAND_MEMORY) {
        r->base = trace_take_byte(s, STREAM_CODE);
        r->index = trace_take_byte(s, STREAM_CODE);
        r->scale = trace_take_byte(s, STREAM_CODE) & 3;
        r->disp = (int64_t)trace_take_signed(s, STREAM_CODE);
    }
    if (r->src == OPERAND_IMM || r->has_imm)
        r->imm = trace_take_signed(s, STREAM_CODE);
    if (!is_rule(r))
        fault(s, "a rule that there is not");
}

static void take_insn(struct trace_streams *s, struct trace_code_insn *i, unsigned bits)
{
    uint8_t head = trace_take_byte(s, STREAM_CODE);
    i->length = head & 31;
    i->slot = head >> 5 & 3;
    if (i->length > (bits == 128 ? 16 : 15)) {
        fault(s, "an instruction is too long");
        return;
    }
    trace_take_bytes(s, STREAM_CODE, i->bytes, i->length);
    if (head & 0x80)
        take_rule(s, &i->rule);
}

struct trace_code *trace_take_code(struct trace_streams *s, uint64_t *physical)
{
    *physical += trace_take_signed(s, STREAM_CODE);
    uint64_t rip = *physical + trace_take_signed(s, STREAM_CODE);
    uint8_t bits = trace_take_byte(s, STREAM_CODE), count = trace_take_byte(s, STREAM_CODE);
    if (bits != 16 && bits != 32 && bits != 64 && bits != 128)
        fault(s, "a code segment of a strange size");
    if (!count)
        fault(s, "an empty block");
    struct trace_code *code = s->fault ? NULL : calloc(1, trace_code_size(count));
    if (!code) {
        fault(s, "out of memory");
        return NULL;
    }
    trace_code_place(code, count);
    code->physical = *physical;
    code->rip = rip;
    code->bits = bits;
    for (unsigned k = 0; k < count; k++)
        take_insn(s, &code->insn[k], bits);
    trace_code_ready(code);
    return code;
}

/* ---- loads ---- */

static uint64_t take_value(struct trace_streams *s, uint64_t last[2])
{
    uint8_t tag = trace_take_byte(s, STREAM_TAGS);
    uint64_t difference = last[1];
    if (!tag)
        return last[0];
    if (tag <= 8) {
        uint8_t bytes[8];
        trace_take_bytes(s, STREAM_VALUES, bytes, tag);
        difference = trace_unfold(trace_get_le(bytes, tag));
    } else if (tag != 9) {
        fault(s, "a tag that there is not");
    }
    last[0] += difference;
    last[1] = difference;
    return last[0];
}

void trace_take_load(struct trace_streams *s, struct trace_code *code, unsigned insn,
                     uint64_t value[2])
{
    const struct trace_code_insn *i = &code->insn[insn];
    unsigned size = trace_rule_loads(&i->rule);
    value[0] = value[1] = 0;
    if (size)
        value[0] = take_value(s, code->last[i->room - 2]);
    if (size > 8)
        value[1] = take_value(s, code->last[i->room - 1]);
}
