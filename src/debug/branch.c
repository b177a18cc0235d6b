// SPDX-License-Identifier: Apache-2.0
#include "debug/branch.h"

#include <string.h>

static bool is_prefix(uint8_t byte, unsigned bits)
{
    return (byte && memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", byte, 11)) ||
           (bits == 64 && (byte & 0xf0) == 0x40);
}

/* Opcodes behind 0F. */
static enum branch_kind two_bytes(const uint8_t *p, unsigned n, bool repeat)
{
    if ((p[0] & 0xf0) == 0x80)
        return BRANCH_CONDITIONAL;
    if (p[0] == 0x05 || p[0] == 0x07 || p[0] == 0x34 || p[0] == 0x35)
        return BRANCH_SYSTEM;
    return p[0] == 0x01 && n > 1 && p[1] == 0xec && repeat ? BRANCH_RETURN
                                                           : BRANCH_NONE; /* UIRET */
}

static enum branch_kind group5(uint8_t modrm)
{
    switch (modrm >> 3 & 7) {
    case 2:
    case 3: return BRANCH_INDIRECT_CALL;
    case 4:
    case 5: return BRANCH_INDIRECT;
    default: return BRANCH_NONE;
    }
}

enum branch_kind branch_kind(const uint8_t *bytes, unsigned n, unsigned bits)
{
    unsigned k = 0;
    bool repeat = false;
    for (; k + 1 < n && is_prefix(bytes[k], bits); k++)
        repeat |= bytes[k] == 0xf3;
    if (k == n)
        return BRANCH_NONE;
    uint8_t opcode = bytes[k++];
    if (opcode == 0x0f)
        return k < n ? two_bytes(bytes + k, n - k, repeat) : BRANCH_NONE;
    if (opcode == 0xff)
        return k < n ? group5(bytes[k]) : BRANCH_NONE;
    if ((opcode & 0xf0) == 0x70 || (opcode >= 0xe0 && opcode <= 0xe3))
        return BRANCH_CONDITIONAL;
    switch (opcode) {
    case 0xe8:
    case 0x9a: return BRANCH_CALL;
    case 0xe9:
    case 0xeb:
    case 0xea: return BRANCH_JUMP;
    case 0xc2:
    case 0xc3:
    case 0xca:
    case 0xcb:
    case 0xcf: return BRANCH_RETURN;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xf1: return BRANCH_SYSTEM;
    default: return BRANCH_NONE;
    }
}
