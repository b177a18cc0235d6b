// SPDX-License-Identifier: Apache-2.0
// Shows: the workloads of the benchmark guest.
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

/* One workload: `run` repeats its work `rounds` times and returns a checksum. */
struct workload {
    const char *name;
    uint64_t (*run)(uint64_t rounds);
    uint64_t rounds;                     /* when the command line gives none */
};
/* Both end with a row without name. */
extern const struct workload loops[];    /* loops.c: one class of instructions each        */
extern const struct workload kernels[];  /* kernels.c: small programs and virtual machines */

#endif
