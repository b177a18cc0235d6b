// SPDX-License-Identifier: Apache-2.0
// The cache of decoded code of one machine.
#ifndef SP_IPF_BLOCK_H
#define SP_IPF_BLOCK_H

#include <stdint.h>

struct ipf_block;
struct ipf_code;
struct mem;

/* NULL: the host has no memory left.  Writes to memory that blocks were read from drop them. */
struct ipf_code *ipf_code_create(struct mem *mem);
void ipf_code_destroy(struct ipf_code *code);
/* The block that begins at a slot of the bundle at ip; valid until the next call.  NULL: no memory.
 */
const struct ipf_block *ipf_block_at(struct ipf_code *code, uint64_t ip, unsigned slot);
/* The first operation of a block alone. */
const struct ipf_block *ipf_block_step(struct ipf_code *code, const struct ipf_block *from);

#endif
