// SPDX-License-Identifier: Apache-2.0
// The cache of decoded code of one machine.
#ifndef SP_IPF_BLOCK_H
#define SP_IPF_BLOCK_H

#include <stdint.h>

struct ipf_block;
struct ipf_code;
struct ipf_cpu;
struct mem;

/* For the first processor of a machine, and the others of its ring (ipf_cpu.beside).  NULL: the
 * host has no memory left.  When memory that blocks were read from is written, all processors get
 * ATTENTION_CODE; ipf_code_drop() makes the blocks go, the first time after that. */
struct ipf_code *ipf_code_create(struct mem *mem, struct ipf_cpu *first);
void ipf_code_destroy(struct ipf_code *code);
void ipf_code_drop(struct ipf_code *code);
/* The block that begins at a slot of the bundle at a physical address, decoded for PSR.vm = 0 (mode
 * 0) or as c->vti.mode has it; valid until the next drop.  If a page holds code from now on, all
 * processors lose their lines: stores to it are to be noticed.  NULL: no memory. */
const struct ipf_block *ipf_block_at(struct ipf_code *code, uint64_t pa, unsigned slot,
                                     unsigned mode);
/* The first operation of a block alone; valid until the next call. */
const struct ipf_block *ipf_block_step(struct ipf_code *code, const struct ipf_block *from);

#endif
