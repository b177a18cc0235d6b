// SPDX-License-Identifier: Apache-2.0
// One Itanium machine: memory, processors, and the loop that runs them.
#ifndef SP_MACHINE_IPF_MACHINE_H
#define SP_MACHINE_IPF_MACHINE_H

#include "ipf/cpu.h"
#include "machine/ipf_model.h"
#include "machine/ipf_platform.h" /* IPF_CPUS_MAX */
#include "machine/machine.h"      /* struct machine_limits, stop_report */

struct ipf_config {
    unsigned cpus;            /* 1 to IPF_CPUS_MAX; 0: 1                                        */
    uint64_t ram_size;        /* bytes, a multiple of 4 KiB                                     */
    struct char_sink serial;  /* the console                                                    */
    bool ssc;                 /* Ski's simulator calls (ipf_ssc.h)                              */
    const char *ssc_folder;   /* what their file calls see; NULL: nothing                       */
    const char *command_line; /* what SSC_GET_ARGS answers                                      */
    const struct ipf_model *model; /* NULL: as "itanium2" has it                               */
};

struct ipf_machine;

struct ipf_machine *ipf_machine_create(const struct ipf_config *config, struct sp_error *e);
void ipf_machine_destroy(struct ipf_machine *m);

struct ipf_boot;
/* Puts firmware and its tables into memory, the first processor's registers into the state in which
 * a boot loader enters a kernel, and the others into SAL's rendezvous (ipf_tables.h). */
bool ipf_machine_boot(struct ipf_machine *m, const struct ipf_boot *boot);

/* As machine_run(): STOP_DEBUG_EXIT is what SSC_EXIT asks for, with its status. */
void ipf_machine_run(struct ipf_machine *m, const struct machine_limits *limits,
                     struct stop_report *report);
/* Async-signal-safe.  A hook that wants the run to end behind this block of code sets
 * ATTENTION_PAUSE, too. */
void ipf_machine_stop_request(struct ipf_machine *m);

struct mem *ipf_machine_mem(struct ipf_machine *m);
unsigned ipf_machine_cpu_count(const struct ipf_machine *m);
struct ipf_cpu *ipf_machine_cpu(const struct ipf_machine *m, unsigned k);
/* Those that all processors have retired. */
uint64_t ipf_machine_insns(const struct ipf_machine *m);
uint64_t ipf_machine_now(const struct ipf_machine *m); /* ticks; 1 tick = 1 ns */
/* xxh64 of the processors' architectural state and of RAM. */
uint64_t ipf_machine_state_hash(const struct ipf_machine *m);

#endif
