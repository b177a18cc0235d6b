// SPDX-License-Identifier: Apache-2.0
// What kind of branch an IA-32 instruction is, from its bytes.
#ifndef SP_DEBUG_BRANCH_H
#define SP_DEBUG_BRANCH_H

#include <stdbool.h>
#include <stdint.h>

enum branch_kind {
    BRANCH_NONE,
    BRANCH_JUMP, /* direct, near or far */
    BRANCH_INDIRECT,
    BRANCH_CONDITIONAL, /* Jcc, LOOPcc, JrCXZ */
    BRANCH_CALL,
    BRANCH_INDIRECT_CALL,
    BRANCH_RETURN, /* RET, IRET, UIRET */
    BRANCH_SYSTEM, /* SYSCALL, SYSENTER, SYSRET, SYSEXIT, INT n */
};

/* `bits`: 16, 32 or 64, the code segment. */
enum branch_kind branch_kind(const uint8_t *bytes, unsigned n, unsigned bits);

#endif
