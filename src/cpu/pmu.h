// SPDX-License-Identifier: Apache-2.0
// Architectural performance monitoring (SDM vol. 3, chapter "Performance Monitoring"), versions 2
// to 5.  Counters cost nothing while instructions run: their values follow from how many cycles
// and instructions have passed, and are brought up to date ("folded") only when what they count
// changes, when they are read, and when one of them overflows.
#ifndef SP_CPU_PMU_H
#define SP_CPU_PMU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

struct cpu;
struct cpu_model;

/* Counters by number: general-purpose ones first, then the fixed-function ones. */
enum { PMU_GENERAL = 8, PMU_FIXED = 3, PMU_COUNTERS = PMU_GENERAL + PMU_FIXED };

/* IA32_PERFEVTSELn (SDM vol. 3, "Architectural Performance Monitoring Version 1"); 7:0 is the
 * event, 15:8 its unit mask, 31:24 the counter mask. */
enum {
    SELECT_USR = 1 << 16, SELECT_OS = 1 << 17, SELECT_EDGE = 1 << 18, SELECT_INT = 1 << 20,
    SELECT_ANY = 1 << 21, SELECT_EN = 1 << 22, SELECT_INV = 1 << 23,
};
/* A counter's four bits of IA32_FIXED_CTR_CTRL. */
enum { FIXED_OS = 1 << 0, FIXED_USR = 1 << 1, FIXED_ANY = 1 << 2, FIXED_PMI = 1 << 3 };
/* Columns of perf_events.def. */
enum pmu_counts { PMU_NOTHING, PMU_CYCLES, PMU_INSTRUCTIONS };
#define DEBUGCTL_FREEZE_PERFMON BIT(12)    /* IA32_DEBUGCTL.FREEZE_PERFMON_ON_PMI */
#define STATUS_CTR_FRZ BIT(59)             /* IA32_PERF_GLOBAL_STATUS */

struct pmu {
    uint64_t counter[PMU_COUNTERS];   /* as of the cycle `folded`                                 */
    uint64_t select[PMU_GENERAL];     /* IA32_PERFEVTSELn                                         */
    uint64_t fixed_control, global_control, global_status;
    uint64_t folded;                  /* a cycle, as cpu_cycles() counts them                     */
    uint64_t due;                     /* no counter overflows before this cycle                   */
    uint16_t active[2];               /* bit k: counter k counts at CPL 0; at CPL 1, 2 and 3      */
    uint16_t high;                    /* edge detection: the condition held in the last cycle     */
    bool user;                        /* CPL was not 0 since `folded`, if it matters              */
    bool counting;                    /* some counter counts at some CPL                          */
    bool by_ring;                     /* ... and not at every one                                 */
};

/* ---- the processor model ---- */

/* Takes from m->perfmon, as a real part reports it, what is not modelled. */
void pmu_settle(struct cpu_model *m);
/* CPUID leaf 0AH: the version, 0 if there is no performance monitoring; how many counters. */
unsigned pmu_version(const struct cpu_model *m);
unsigned pmu_general(const struct cpu_model *m);
unsigned pmu_fixed(const struct cpu_model *m);
/* Bits of IA32_PERF_GLOBAL_CTRL that are no counter's. */
uint64_t pmu_global_reserved(const struct cpu_model *m);

/* ---- counting (pmu.c) ---- */

/* State after RESET (SDM vol. 3, "Processor State After Reset"); INIT changes nothing. */
void pmu_reset(struct cpu *c);
/* Brings the counters up to the instruction that runs, or up to the boundary. */
void pmu_fold(struct cpu *c);
/* After any change of a register here but the counters. */
void pmu_changed(struct cpu *c);
/* If `by_ring`: after a change of CPL. */
void pmu_privilege_changed(struct cpu *c);
/* If `counting`, at an instruction boundary: the last instruction faulted, made a VM exit or goes
 * on; its cycle passed, but it did not retire. */
void pmu_not_retired(struct cpu *c);
/* If `counting`: the processor waits, and its clock stands. */
void pmu_halted(struct cpu *c);
/* If `counting`, at an instruction boundary: lets counters overflow whose time has come.  Returns
 * the number of cycles, at least 1, before which none does. */
uint64_t pmu_countdown(struct cpu *c);
/* The value of counter k now, nothing changed. */
uint64_t pmu_value(const struct cpu *c, unsigned k);
/* The bits that counter k has. */
uint64_t pmu_counter_mask(const struct cpu *c, unsigned k);

/* ---- registers (pmu_msr.c) ---- */

/* False: #GP(0). */
bool pmu_read(const struct cpu *c, uint32_t index, uint64_t *value);
bool pmu_write(struct cpu *c, uint32_t index, uint64_t value);
/* RDPMC with this ECX; false: #GP(0). */
bool pmu_read_counter(const struct cpu *c, uint32_t ecx, uint64_t *value);
/* VM entry and VM exit load IA32_PERF_GLOBAL_CTRL; reserved bits stay 0. */
void pmu_load_global_control(struct cpu *c, uint64_t value);

#endif
