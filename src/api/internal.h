// SPDX-License-Identifier: Apache-2.0
#ifndef SP_API_INTERNAL_H
#define SP_API_INTERNAL_H

#include "image/disk.h"
#include "image/image.h"
#include "machine/ipf_machine.h"
#include "machine/machine.h"
#include "silverpool/silverpool.h"

enum { API_DISKS_MAX = 16 };

struct sp_machine {
    struct machine *machine;
    struct ipf_machine *ipf; /* instead of it, once an Itanium kernel is loaded */
    struct sp_config config; /* the scalars and functions of sp_machine_create()'s; no pointers but */
    char *ssc_folder;        /* this copy */
    bool default_cpu;
    struct disk *disk[API_DISKS_MAX];
    struct sp_error failure;
    struct { sp_hook *hook; void *user; } hooks[SP_EVENT_CLASSES];
    struct trace_log *live;  /* not NULL: instructions or memory are hooked */
    bool running;
};

/* Records a failure for sp_last_failure(); returns false. */
bool api_fail(struct sp_machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The processor, or NULL with the failure recorded: an Itanium machine has none of these. */
struct cpu *api_cpu(struct sp_machine *m, unsigned index);

/* Begins or ends what the hooks of instructions and memory need, between runs. */
bool api_hooks_trace(struct sp_machine *m);

/* ---- Itanium (ipf.c, ipf_state.c) ---- */

/* Makes the machine an Itanium one with this kernel. */
bool api_ipf_load(struct sp_machine *m, const struct image *kernel, const char *command_line,
                  const struct image_module *modules, size_t module_count);
struct ipf_cpu *api_ipf_cpu(struct sp_machine *m, unsigned index);
bool api_ipf_reg_read(struct sp_machine *m, unsigned cpu, const char *name, uint64_t *value);
bool api_ipf_reg_write(struct sp_machine *m, unsigned cpu, const char *name, uint64_t value);
/* Attaches or detaches the hook of interruptions as m->hooks says. */
void api_ipf_hooks(struct sp_machine *m);
/* A virtual data address, as PSR.dt has it. */
bool api_ipf_peek(struct sp_machine *m, unsigned cpu, uint64_t address, uint64_t *pa);

#endif
