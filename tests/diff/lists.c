// SPDX-License-Identifier: Apache-2.0
#include "lists.h"

#include <string.h>

/* opcode -1: every row of that name. */
struct exclusion {
    const char *name;
    int opcode;
    const char *reason;
};
static const struct exclusion excluded[] = {
    { "cpuid", -1, "tells the processor's model" },
    { "rdtsc", -1, "time" },
    { "rdtscp", -1, "time" },
    { "rdpid", -1, "tells the processor's number" },
    { "umonitor", -1, "few hosts have it, and hypervisors hide it" },
    { "umwait", -1, "the same" },
    { "tpause", -1, "the same" },
    { "wrmsrns", -1, "few hosts have it" },
    { "wrmsrlist", -1, "few hosts have it" },
    { "rdmsrlist", -1, "few hosts have it" },
    { "rdssp", -1, "the same" },
    { "incssp", -1, "the same" },
    { "saveprevssp", -1, "the same" },
    { "rstorssp", -1, "the same" },
    { "wrss", -1, "the same" },
    { "wruss", -1, "the same" },
    { "setssbsy", -1, "the same" },
    { "clrssbsy", -1, "the same" },
    { "clui", -1, "few hosts have it" },
    { "stui", -1, "few hosts have it" },
    { "testui", -1, "few hosts have it" },
    { "uiret", -1, "few hosts have it" },
    { "senduipi", -1, "few hosts have it" },
    { "rdpmc", -1, "performance counters" },
    { "rdrand", -1, "random" },
    { "rdseed", -1, "random" },
    { "xgetbv", -1, "the host has more state components" },
    { "xsave", -1, "the host has more state components" },
    { "xsaveopt", -1, "the host has more state components" },
    { "xsavec", -1, "the host has more state components" },
    { "xsaves", -1, "a host may lack it: #UD, not #GP" },
    { "xrstors", -1, "the same" },
    { "rdpkru", -1, "#UD only where the kernel has not set CR4.PKE" },
    { "wrpkru", -1, "the same" },
    { "xrstor", -1, "the host has more state components" },
    { "xsave64", -1, "the host has more state components" },
    { "xrstor64", -1, "the host has more state components" },
    { "syscall", -1, "would call the host's kernel" },
    { "sysenter", -1, "would call the host's kernel" },
    { "int", -1, "would call the host's kernel" },
    { "iret", -1, "jumps anywhere, reads descriptors" },
    { "ret far", -1, "jumps anywhere, reads descriptors" },
    { "jmp far", -1, "jumps anywhere, reads descriptors" },
    { "call far", -1, "jumps anywhere, reads descriptors" },
    { "vmcall", -1, "calls the hypervisor under the host" },
    { "vmfunc", -1, "a hypervisor under the host may see it" },
    { "sgdt", -1, "the kernel emulates it under UMIP" },
    { "sidt", -1, "the kernel emulates it under UMIP" },
    { "sldt", -1, "the kernel emulates it under UMIP" },
    { "str", -1, "the kernel emulates it under UMIP" },
    { "smsw", -1, "the kernel emulates it under UMIP" },
};

/* 16- and 32-bit cases have descriptor tables that are the same on both sides. */
static const struct exclusion excluded_64[] = {
    { "mov", 0x8e, "reads descriptors" },  { "pop fs", -1, "reads descriptors" },
    { "pop gs", -1, "reads descriptors" }, { "lfs", -1, "reads descriptors" },
    { "lgs", -1, "reads descriptors" },    { "lss", -1, "reads descriptors" },
    { "lar", -1, "reads descriptors" },    { "lsl", -1, "reads descriptors" },
    { "verr", -1, "reads descriptors" },   { "verw", -1, "reads descriptors" },
};

static const char *find_exclusion(const struct exclusion *list, unsigned n,
                                  const struct insn_row *row)
{
    for (unsigned k = 0; k < n; k++)
        if (!strcmp(list[k].name, row->name) &&
            (list[k].opcode < 0 || list[k].opcode == row->opcode))
            return list[k].reason;
    return NULL;
}

const char *row_excluded(const struct insn_row *row, unsigned bits)
{
    if (row->form & (bits == 64 ? F_NO64 : F_64))
        return "not in this mode";
    if (row->exit == EXIT_VMX_INSN)
        return "a hypervisor under the host may see it";
    const char *reason = find_exclusion(excluded, ARRAY_SIZE(excluded), row);
    if (!reason && bits == 64)
        reason = find_exclusion(excluded_64, ARRAY_SIZE(excluded_64), row);
    return reason;
}

#define MUL_FLAGS (FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF)
#define C1 (1 << 9)

/* SDM vol. 2, "Flags Affected" of each instruction.  Shifts and rotates by one leave nothing open
 * but AF. */
static const struct open_result open_results[] = {
    { "rol", SHIFT_COUNTS, FLAG_OF, 0, OPEN_BITS, "OF is undefined for counts other than 1" },
    { "ror", SHIFT_COUNTS, FLAG_OF, 0, OPEN_BITS, "OF is undefined for counts other than 1" },
    { "rcl", SHIFT_COUNTS, FLAG_OF, 0, OPEN_BITS, "OF is undefined for counts other than 1" },
    { "rcr", SHIFT_COUNTS, FLAG_OF, 0, OPEN_BITS, "OF is undefined for counts other than 1" },
    { "shl", SHIFT_COUNTS, FLAG_OF | FLAG_AF | FLAG_CF, 0, OPEN_BITS,
      "AF; OF for counts other than 1; CF for counts of at least the operand's size" },
    { "shr", SHIFT_COUNTS, FLAG_OF | FLAG_AF | FLAG_CF, 0, OPEN_BITS,
      "AF; OF for counts other than 1; CF for counts of at least the operand's size" },
    { "sar", SHIFT_COUNTS, FLAG_AF | FLAG_OF, 0, OPEN_BITS, "AF is undefined" },
    { "imul", ANY_OPCODE, MUL_FLAGS, 0, OPEN_BITS, "only CF and OF are defined" },
    { "mul", ANY_OPCODE, MUL_FLAGS, 0, OPEN_BITS, "only CF and OF are defined" },
    { "div", ANY_OPCODE, FLAGS_STATUS, 0, OPEN_BITS, "no flag is defined" },
    { "idiv", ANY_OPCODE, FLAGS_STATUS, 0, OPEN_BITS, "no flag is defined" },
    { "shld", ANY_OPCODE, FLAG_OF | FLAG_AF, 0, OPEN_BITS, "AF; OF for counts other than 1" },
    { "shrd", ANY_OPCODE, FLAG_OF | FLAG_AF, 0, OPEN_BITS, "AF; OF for counts other than 1" },
    { "enter", ANY_OPCODE, 0, 0, OPEN_MEMORY, "pushes before a fault may stay" },
    { "fstp", ANY_OPCODE, 0, 0, OPEN_FAULT | OPEN_MEMORY,
      "the first part of an 80-bit store before a fault" },
    { "fbstp", ANY_OPCODE, 0, 0, OPEN_FAULT | OPEN_MEMORY,
      "the first part of an 80-bit store before a fault" },
    { "fld", OPCODE_DB, 0, 0, OPEN_FAULT | OPEN_ADDRESS,
      "an 80-bit load is two accesses: which of their faults comes first" },
    { "f2xm1", ANY_OPCODE, 0, C1, OPEN_X87_LAST_BITS, "the last bits depend on the model" },
    { "fyl2x", ANY_OPCODE, 0, C1, OPEN_X87_LAST_BITS, "the last bits depend on the model" },
    { "fyl2xp1", ANY_OPCODE, 0, C1, OPEN_X87_LAST_BITS, "the last bits depend on the model" },
    { "fptan", ANY_OPCODE, 0, C1, OPEN_X87_LAST_BITS, "the last bits depend on the model" },
    { "fpatan", ANY_OPCODE, 0, C1, OPEN_X87_LAST_BITS, "the last bits depend on the model" },
    { "fsin", ANY_OPCODE, 0, C1, OPEN_X87_LAST_BITS, "the last bits depend on the model" },
    { "fcos", ANY_OPCODE, 0, C1, OPEN_X87_LAST_BITS, "the last bits depend on the model" },
    { "fsincos", ANY_OPCODE, 0, C1, OPEN_X87_LAST_BITS, "the last bits depend on the model" },
    { "fnstenv", ANY_OPCODE, 0, 0, OPEN_ADDRESS | OPEN_FAULT | OPEN_MEMORY,
      "how far a long store gets, and which of several faults comes first" },
    { "fnsave", ANY_OPCODE, 0, 0, OPEN_ADDRESS | OPEN_FAULT | OPEN_MEMORY,
      "how far a long store gets, and which of several faults comes first" },
    { "fxsave", ANY_OPCODE, 0, 0, OPEN_ADDRESS | OPEN_MEMORY | OPEN_FAULT,
      "how far a long store gets, and which of several faults comes first" },
    { "fldenv", ANY_OPCODE, 0, 0, OPEN_ADDRESS | OPEN_FAULT,
      "which part of a long operand CR2 holds, and which of several faults comes first" },
    { "frstor", ANY_OPCODE, 0, 0, OPEN_ADDRESS | OPEN_FAULT,
      "which part of a long operand CR2 holds, and which of several faults comes first" },
    { "fxrstor", ANY_OPCODE, 0, 0, OPEN_ADDRESS | OPEN_FAULT,
      "which part of a long operand CR2 holds, and which of several faults comes first" },
    { "maskmovq", ANY_OPCODE, 0, 0, OPEN_ADDRESS | OPEN_FAULT | OPEN_MASKED,
      "whether bytes that are masked out can fault, and which byte faults first" },
    { "maskmovdqu", ANY_OPCODE, 0, 0, OPEN_ADDRESS | OPEN_FAULT | OPEN_MASKED,
      "whether bytes that are masked out can fault, and which byte faults first" },
};

static bool opcode_fits(const struct open_result *o, const struct insn_row *row)
{
    if (o->opcodes == OPCODE_DB)
        return row->opcode == 0xdb;
    return o->opcodes == ANY_OPCODE || row->opcode == 0xc0 || row->opcode == 0xc1 ||
           row->opcode == 0xd2 || row->opcode == 0xd3;
}

const struct open_result *row_open(const struct insn_row *row)
{
    for (unsigned k = 0; k < ARRAY_SIZE(open_results); k++)
        if (!strcmp(open_results[k].name, row->name) && opcode_fits(&open_results[k], row))
            return &open_results[k];
    return NULL;
}
