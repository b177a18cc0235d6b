// SPDX-License-Identifier: Apache-2.0
#ifndef SP_API_INTERNAL_H
#define SP_API_INTERNAL_H

#include "image/disk.h"
#include "machine/machine.h"
#include "silverpool/silverpool.h"

enum { API_DISKS_MAX = 16 };

struct sp_machine {
    struct machine *machine;
    struct disk *disk[API_DISKS_MAX];
    struct sp_error failure;
    struct { sp_hook *hook; void *user; } hooks[SP_EVENT_CLASSES];
};

/* Records a failure for sp_last_failure(); returns false. */
bool api_fail(struct sp_machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The processor, or NULL with the failure recorded. */
struct cpu *api_cpu(struct sp_machine *m, unsigned index);

#endif
