// SPDX-License-Identifier: Apache-2.0
// The inside of struct machine, for the files of this folder.
#ifndef SP_MACHINE_INTERNAL_H
#define SP_MACHINE_INTERNAL_H

#include <stdatomic.h>

#include "cpu/cpu.h"
#include "cpu/model.h"
#include "machine/machine.h"
#include "platform/platform.h"

struct machine {
    struct mem *mem;
    struct code_cache *code;
    struct cpu_model model;
    struct cpu_hooks hooks;
    struct cpu_bus bus;
    struct platform_host host;
    struct platform *platform;         /* NULL: bare */
    struct cpu **cpu;
    unsigned cpus;
    uint64_t ram_size;
    char *identity;                    /* machine_identity() */
    uint64_t seed;

    uint64_t now;                      /* tick; while a processor runs, its cpu_tick() is exact */
    struct cpu *running;               /* NULL between stretches                                */
    uint64_t until;                    /* where the running stretch ends                        */
    unsigned turn;                     /* whose quantum it is, with several processors          */
    uint64_t turn_end;

    bool stopped;
    struct stop_report stop;
    atomic_bool stop_requested;
};

/* The processors' bus and the platform's host, filled with the functions of glue.c. */
void machine_connect(struct machine *m);
/* Ends the run after the current instruction; the first reason stays. */
void machine_stop(struct machine *m, enum machine_stop reason, unsigned cpu, uint64_t value,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
