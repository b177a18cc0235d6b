// SPDX-License-Identifier: Apache-2.0
// The numbers of docs/trace-format.md, for those who write and read files.
#ifndef SP_TRACE_FORMAT_H
#define SP_TRACE_FORMAT_H

#include "trace/event.h"
#include "trace/reader.h"

enum { TRACE_VERSION = 1 };
#define TRACE_MAGIC "SPTRACE\n"
#define TRACE_CHUNK_MAGIC "SPTCHUNK"
#define TRACE_INDEX_MAGIC "SPTINDEX"
#define TRACE_TRAILER_MAGIC "SPTEND.\n"
enum { TRACE_CHUNK_HEADER = 112, TRACE_INDEX_ENTRY = 64, TRACE_TRAILER = 32 };

/* Registers of IA-32, by number. */
enum {
#define REGISTER(NAME, name, bits) TREG_##NAME,
#include "trace/registers.def"
#undef REGISTER
    TRACE_REGISTERS_IA32,
    TRACE_REGISTERS_MAX = 512,
    TRACE_WIDE = 1 << 16,        /* in logs: the register has a high half                         */
    TRACE_WIDE_ID = 1 << 15,     /* the same in the id of struct trace_register, for writers      */
};

/* The streams of a chunk, in their order. */
enum { STREAM_CODE, STREAM_FLOW, STREAM_TAGS, STREAM_VALUES, STREAM_EXPLICIT, STREAM_ITEMS, STREAMS };

/* What a block's record in STREAM_ITEMS begins with when it has one. */
enum { IRREGULAR_RIP = 1, IRREGULAR_LEFT = 2, IRREGULAR_ITEMS = 4 };
enum { ITEM_END, ITEM_REPLACE, ITEM_EVENT, ITEM_DELIVERY, ITEM_SYNC, ITEM_FILL, ITEM_VIEW, ITEM_CPU,
       ITEM_KINDS };

/* An instruction's effect, where it follows from registers and what it loads.  The order of the eight
 * operations from RULE_ADD is that of opcodes 00H to 38H. */
enum trace_rule_kind {
    RULE_EXPLICIT,           /* nothing follows: the record says it all                          */
    RULE_NOTHING,            /* nothing changes but RIP                                           */
    RULE_MOVE,
    RULE_ADD, RULE_OR, RULE_ADC, RULE_SBB, RULE_AND, RULE_SUB, RULE_XOR, RULE_CMP,
    RULE_TEST,
    RULE_INC, RULE_DEC, RULE_NEG, RULE_NOT,
    RULE_ZERO_EXTEND, RULE_SIGN_EXTEND,     /* from `from` bytes                                  */
    RULE_ADDRESS,            /* LEA                                                               */
    RULE_SIGN,               /* CWD, CDQ, CQO                                                     */
    RULE_IMUL,               /* dst = dst * src; with RULE_HAS_IMM dst = src * imm                */
    RULE_SHL, RULE_SHR, RULE_SAR, RULE_ROL, RULE_ROR,
    RULE_SET, RULE_CMOV,     /* `from` is the condition                                           */
    RULE_PUSH, RULE_POP, RULE_LEAVE, RULE_CALL, RULE_RET,
    RULE_LOAD,               /* an operand in memory is read: JMP                                 */
    RULE_XMM,                /* the low `size` bytes of dst = src; a load clears the rest         */
    RULE_PXOR,
    RULE_KINDS
};
/* Operands: a number below 16 is a general register, 16 to 19 are AH, CH, DH and BH, 32 to 47 XMM
 * registers. */
enum { OPERAND_HIGH = 16, OPERAND_XMM = 32, OPERAND_MEMORY = 64, OPERAND_IMM = 65, OPERAND_NONE = 66 };
enum { BASE_NONE = 16, BASE_RIP = 17 /* of the block */ };

struct trace_rule {
    uint8_t kind;            /* enum trace_rule_kind                                              */
    uint8_t size;            /* bytes of the operation                                            */
    uint8_t from;            /* bytes of the source, or a condition code                          */
    uint8_t dst, src;        /* operands                                                          */
    uint8_t base, index, scale;
    bool has_imm;            /* RULE_IMUL: three operands                                         */
    int64_t disp;
    uint64_t imm;
};

/* Bytes that an instruction of this rule loads from memory: its value stands in the trace. */
static inline unsigned trace_rule_loads(const struct trace_rule *r)
{
    switch (r->kind) {
    case RULE_POP: case RULE_LEAVE: case RULE_RET: return 8;
    case RULE_ADDRESS: case RULE_EXPLICIT: case RULE_NOTHING: return 0;
    case RULE_MOVE:
    case RULE_XMM: return r->src == OPERAND_MEMORY ? r->size : 0;
    case RULE_ZERO_EXTEND:
    case RULE_SIGN_EXTEND: return r->src == OPERAND_MEMORY ? r->from : 0;
    default: return r->dst == OPERAND_MEMORY || r->src == OPERAND_MEMORY ? r->size : 0;
    }
}

/* ---- numbers: little-endian base 128, and signed ones folded so that small ones are short ---- */

enum { TRACE_NUMBER_MAX = 10 };
static inline uint64_t trace_fold(uint64_t v) { return v << 1 ^ (uint64_t)((int64_t)v >> 63); }
static inline uint64_t trace_unfold(uint64_t v) { return v >> 1 ^ -(v & 1); }

#endif
