// SPDX-License-Identifier: Apache-2.0
// The cache of decoded code of one machine.
#ifndef SP_IPF_BLOCK_H
#define SP_IPF_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct ipf_block;
struct ipf_code;
struct mem;

/* NULL: the host has no memory left.  When memory that blocks were read from is written,
 * ATTENTION_CODE is set in *attention; ipf_code_drop() makes the blocks go then. */
struct ipf_code *ipf_code_create(struct mem *mem, unsigned *attention);
void ipf_code_destroy(struct ipf_code *code);
void ipf_code_drop(struct ipf_code *code);
/* The block that begins at a slot of the bundle at a physical address; valid until the next drop.
 * *marked: a page holds code from now on.  NULL: no memory. */
const struct ipf_block *ipf_block_at(struct ipf_code *code, uint64_t pa, unsigned slot,
                                     bool *marked);
/* The first operation of a block alone; valid until the next call. */
const struct ipf_block *ipf_block_step(struct ipf_code *code, const struct ipf_block *from);

#endif
