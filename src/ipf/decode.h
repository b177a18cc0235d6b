// SPDX-License-Identifier: Apache-2.0
// Decoding of Itanium bundles and instruction slots (Itanium SDM vol. 3, "Instruction Formats").
#ifndef SP_IPF_DECODE_H
#define SP_IPF_DECODE_H

#include <stdbool.h>
#include <stdint.h>

/* Execution units.  Instructions of unit A stand in M and I slots, an X instruction in the last two
 * slots of an MLX bundle. */
enum ipf_unit { IPF_A, IPF_I, IPF_M, IPF_B, IPF_F, IPF_X, IPF_L };

/* SDM vol. 3, "Bundle formats":
 *   127        87 86        46 45         5 4       0
 *  [   slot 2   ][   slot 1   ][   slot 0  ][template]   */
struct ipf_bundle {
    uint8_t template;
    uint64_t slot[3]; /* 41 bits each */
};
struct ipf_bundle ipf_bundle(uint64_t low, uint64_t high);

/* Units and stops of a template.  units[0] is IPF_L for a reserved one, which faults. */
struct ipf_template {
    uint8_t unit[3];
    uint8_t stops; /* bit n: a stop behind slot n */
};
const struct ipf_template *ipf_template(uint8_t number);

struct ipf_cpu;
struct ipf_op;
/* A handler (op.h).  last: what the operation before has written to r1, if this is a handler that was
 * chosen because it has (fast.c). */
typedef unsigned ipf_run(struct ipf_cpu *c, const struct ipf_op *op, uint64_t last);

enum ipf_format {
#define FORMAT(name, ...) IPF_FORMAT_##name,
#include "ipf/format.def"
    IPF_FORMATS,
};

/* One instruction: a row of insn.def. */
struct ipf_row {
    const char *name;
    ipf_run *run;
    uint8_t format; /* enum ipf_format */
    uint8_t arg;    /* the handler's   */
};

enum ipf_target { TARGET_NONE, TARGET_GR, TARGET_FR };

/* A decoded slot. */
struct ipf_slot {
    const struct ipf_row *row;
    uint64_t bits; /* the slot itself: completers are read from it                          */
    int64_t imm;
    uint8_t qp;   /* qualifying predicate                                                  */
    uint8_t r[5]; /* r[1] to r[4]: numbers of registers as the manual numbers operands     */
    enum ipf_target target; /* what r[1] is, if it is written to */
    bool updates;     /* r[3], the base, is written to, too                                    */
    uint8_t small[3]; /* small[1], small[2]: counts, positions, lengths                        */
};
/* Decodes a slot of a unit (M, I, B, F or X); low is the L slot of an X instruction.  False: the
 * encoding is reserved; out->qp is valid nevertheless. */
bool ipf_decode(enum ipf_unit unit, uint64_t bits, uint64_t low, struct ipf_slot *out);

/* Walks the rows, for tests: false beyond the last.  A slot is row n if (slot & *mask) == *match.
 */
bool ipf_row_at(unsigned n, const struct ipf_row **row, enum ipf_unit *unit, uint64_t *mask,
                uint64_t *match);
/* How the assembler writes the operands of a format (format.def). */
const char *ipf_format_text(enum ipf_format format);

#endif
