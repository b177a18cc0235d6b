// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native_low.h"
#include "segments.h"

enum { NODE_SHIFT = 12 };

static bool write_ldt(enum ldt_entry entry)
{
    const struct ldt_row *r = &ldt_rows[entry];
    struct user_desc d = { .entry_number = entry,
                           .base_addr = r->base,
                           .limit = r->limit,
                           .seg_32bit = r->big,
                           .contents = r->contents,
                           .read_exec_only = r->restricted,
                           .limit_in_pages = r->pages,
                           .seg_not_present = r->absent,
                           .useable = 1 };
    enum { WRITE = 0x11 };
    if (syscall(SYS_modify_ldt, WRITE, &d, sizeof d) == 0)
        return true;
    perror("modify_ldt");
    return false;
}

bool native_ldt(void)
{
    for (unsigned k = 1; k < LDT_COUNT; k++)
        if (!write_ldt(k))
            return false;
    return true;
}

uint32_t native_per_cpu(void)
{
    unsigned cpu = 0, node = 0;
    syscall(SYS_getcpu, &cpu, &node, NULL);
    return cpu | node << NODE_SHIFT;
}

void native_pin(uint32_t per_cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(per_cpu & ((1 << NODE_SHIFT) - 1), &set);
    sched_setaffinity(0, sizeof set, &set);
}
