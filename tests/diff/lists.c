// SPDX-License-Identifier: Apache-2.0
#include "lists.h"

#include <string.h>

/* opcode -1: every row of that name. */
static const struct { const char *name; int opcode; const char *reason; } excluded[] = {
    { "cpuid", -1, "tells the processor's model" },
    { "rdtsc", -1, "time" },
    { "rdtscp", -1, "time" },
    { "rdpid", -1, "tells the processor's number" },
    { "rdpmc", -1, "performance counters" },
    { "rdrand", -1, "random" },
    { "rdseed", -1, "random" },
    { "xgetbv", -1, "the host has more state components" },
    { "xsave", -1, "the host has more state components" },
    { "xrstor", -1, "the host has more state components" },
    { "xsave64", -1, "the host has more state components" },
    { "xrstor64", -1, "the host has more state components" },
    { "fxsave", -1, "stores FIP, FDP and reserved bytes" },
    { "fxsave64", -1, "stores FIP, FDP and reserved bytes" },
    { "fnsave", -1, "stores FIP, FDP and FOP" },
    { "fnstenv", -1, "stores FIP, FDP and FOP" },
    { "syscall", -1, "would call the host's kernel" },
    { "sysenter", -1, "would call the host's kernel" },
    { "int", -1, "would call the host's kernel" },
    { "iret", -1, "jumps anywhere, reads descriptors" },
    { "ret", -1, "jumps anywhere" },
    { "retfar", -1, "jumps anywhere, reads descriptors" },
    { "jmp", 0xff, "jumps anywhere" },
    { "call", 0xff, "jumps anywhere" },
    { "jmpfar", -1, "jumps anywhere, reads descriptors" },
    { "callfar", -1, "jumps anywhere, reads descriptors" },
    { "mov", 0x8e, "reads descriptors" },
    { "popfs", -1, "reads descriptors" },
    { "popgs", -1, "reads descriptors" },
    { "lfs", -1, "reads descriptors" },
    { "lgs", -1, "reads descriptors" },
    { "lss", -1, "reads descriptors" },
    { "lar", -1, "reads descriptors" },
    { "lsl", -1, "reads descriptors" },
    { "verr", -1, "reads descriptors" },
    { "verw", -1, "reads descriptors" },
    { "sgdt", -1, "the kernel emulates it under UMIP" },
    { "sidt", -1, "the kernel emulates it under UMIP" },
    { "sldt", -1, "the kernel emulates it under UMIP" },
    { "str", -1, "the kernel emulates it under UMIP" },
    { "smsw", -1, "the kernel emulates it under UMIP" },
};

const char *row_excluded(const struct insn_row *row)
{
    if (row->form & F_NO64)
        return "not in 64-bit mode";
    if (row->exit == EXIT_VMX_INSN)
        return "a hypervisor under the host may see it";
    for (unsigned k = 0; k < ARRAY_SIZE(excluded); k++)
        if (!strcmp(excluded[k].name, row->name) &&
            (excluded[k].opcode < 0 || excluded[k].opcode == row->opcode))
            return excluded[k].reason;
    return NULL;
}

static const struct open_result open_results[] = {
    { "", 0, 0, OPEN_BITS, "" },
};

const struct open_result *row_open(const struct insn_row *row)
{
    for (unsigned k = 0; k < ARRAY_SIZE(open_results); k++)
        if (!strcmp(open_results[k].name, row->name))
            return &open_results[k];
    return NULL;
}
