// SPDX-License-Identifier: Apache-2.0
// Observation points.  A NULL function costs one test, and only on paths that are not hot:
// exceptions, I/O, MSRs, VM entries and exits.  `user` is passed back as it is.
#ifndef SP_CPU_HOOKS_H
#define SP_CPU_HOOKS_H

#include "cpu/state.h"

struct stale_use;
struct entry_failure;    /* vmx/entry.h */
struct trace_access;     /* trace/event.h */
struct trace_insn;

/* What software asks for and nothing here models. */
enum unmodelled {
    UNMODELLED_RDMSR, /* of an MSR that no profile has; `what` is its number */
    UNMODELLED_WRMSR,
    UNMODELLED_IN, /* from a port without a device */
    UNMODELLED_OUT,
    UNMODELLED_LOAD, /* from a physical address where nothing is; it reads as all ones */
    UNMODELLED_STORE,
    UNMODELLED_INSN, /* undefined bytes; some of them are instructions elsewhere */
};

struct cpu_hooks {
    void *user;
    void (*exception)(void *user, struct cpu *c, const struct event *e);
    void (*io)(void *user, struct cpu *c, uint16_t port, unsigned size, bool in, uint32_t value);
    void (*msr)(void *user, struct cpu *c, uint32_t index, bool write, uint64_t value);
    /* Called before the access, #GP or #UD; explain_rip() has where. */
    void (*unmodelled)(void *user, struct cpu *c, enum unmodelled kind, uint64_t what);
    void (*stale)(void *user, struct cpu *c, const struct stale_use *use); /* stale.h */
    void (*vm_entry)(void *user, struct cpu *c);
    void (*vm_exit)(void *user, struct cpu *c, uint32_t reason, uint64_t qualification);
    void (*vm_entry_failure)(void *user, struct cpu *c, const struct entry_failure *f);
    /* Of processors that a live log traces (trace/log.h).  Before an instruction begins; status,
     * registers and accesses are not filled. */
    void (*insn)(void *user, struct cpu *c, const struct trace_insn *n);
    /* When it is over, each of its accesses; `rip` is where it stands.  Or, with `between`, when
     * what happened between two instructions is over; `rip` is where the processor was before. */
    void (*access)(void *user, struct cpu *c, uint64_t rip, bool between,
                   const struct trace_access *a);
};

#endif
