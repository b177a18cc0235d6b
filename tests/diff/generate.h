// SPDX-License-Identifier: Apache-2.0
// Cases made from the rows of the instruction table, so that every row is covered.
#ifndef SP_TESTS_DIFF_GENERATE_H
#define SP_TESTS_DIFF_GENERATE_H

#include "case.h"
#include "cpu/decode.h"

struct generator {
    struct decoder decoder;
    unsigned bits; /* of the code segment: 64, 32 or 16 */
    uint64_t random;
    uint16_t *rows;          /* the rows that are not excluded */
    unsigned row_count;
    const char *only;        /* a mnemonic, or NULL: all       */
};

/* False if `only` names no row, or memory runs out. */
bool generator_init(struct generator *g, unsigned bits, uint64_t seed, const char *only);
void generator_free(struct generator *g);
void generate_case(struct generator *g, struct test_case *t);

#endif
