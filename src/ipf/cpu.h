// SPDX-License-Identifier: Apache-2.0
// The Itanium processor as the layers above see it.
#ifndef SP_IPF_CPU_H
#define SP_IPF_CPU_H

#include "ipf/state.h"

/* A processor in physical mode at privilege level 0, PSR otherwise 0, bank 1, in the state in which
 * firmware enters a program: an empty frame, the register stack in lazy mode.  NULL: no memory. */
struct ipf_cpu *ipf_create(struct mem *mem);
/* Another processor of the machine whose first processor is given: both see each other's stores,
 * in the order in which the machine runs them. */
struct ipf_cpu *ipf_create_beside(struct ipf_cpu *first);
/* The first processor and those beside it. */
void ipf_destroy(struct ipf_cpu *first);
/* Runs until c->stop says why it ended, c->retired reaches `until`, ATTENTION_PAUSE was set, or
 * c->halted is set and no interrupt is there to end it; the machine lets time pass then (c->idle)
 * and runs on. */
void ipf_run_until(struct ipf_cpu *c, uint64_t until);

/* An external interrupt (vector 0, 2, 16 to 255; others are ignored) becomes pending in IRR. */
void ipf_post_interrupt(struct ipf_cpu *c, unsigned vector);
/* An INIT becomes pending: firmware gets the processor as soon as PSR.mc is 0. */
void ipf_post_init(struct ipf_cpu *c);
/* The tick (c->retired + c->idle) at which something of its own will want its attention: now, if an
 * unmasked interrupt is pending; UINT64_MAX: never. */
uint64_t ipf_next_event(const struct ipf_cpu *c);
/* The name of a row of interruption.def. */
const char *ipf_interruption_name(unsigned what);
/* Its offset from CR.IVA. */
unsigned ipf_interruption_vector(unsigned what);
/* The physical address behind an address as code (IPF_INSTRUCTIONS) or data, as PSR.it or PSR.dt
 * has it, by the TLB or the VHPT, whatever its protection, without side effects.  False: nothing
 * translates it. */
bool ipf_peek(const struct ipf_cpu *c, enum ipf_side side, uint64_t address, uint64_t *pa);
/* IBR or DBR was written. */
void ipf_breakpoints_changed(struct ipf_cpu *c);
/* Forgets what it has cached of memory: the address space or its regions changed. */
void ipf_flush(struct ipf_cpu *c);

#endif
