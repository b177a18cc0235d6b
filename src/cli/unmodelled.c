// SPDX-License-Identifier: Apache-2.0
// -d unmodelled: what software touches and nothing here models, one line for each thing.
#include <string.h>

#include "base/bits.h"
#include "cli/session.h"
#include "cpu/cpu.h"

/* True the first time; also false when the table is full, because a guest can make up things
 * without end. */
static bool is_new(struct session *s, uint64_t key)
{
    struct seen *seen = &s->unmodelled;
    for (unsigned k = 0; k < seen->count; k++)
        if (seen->key[k] == key)
            return false;
    if (seen->count == ARRAY_SIZE(seen->key))
        return false;
    seen->key[seen->count++] = key;
    if (seen->count == ARRAY_SIZE(seen->key))
        fprintf(s->log, "unmodelled: %u things are named; no more will be\n", seen->count);
    return true;
}

/* What stands in a line, and the bits by which things of a kind differ: memory counts by pages. */
static const struct {
    const char *verb, *outcome;
    uint64_t same;
} kinds[] = {
    [UNMODELLED_RDMSR] = { "rdmsr", "#GP(0)", UINT64_MAX },
    [UNMODELLED_WRMSR] = { "wrmsr", "#GP(0)", UINT64_MAX },
    [UNMODELLED_IN] = { "read of port", "no device", UINT64_MAX },
    [UNMODELLED_OUT] = { "write to port", "no device", UINT64_MAX },
    [UNMODELLED_LOAD] = { "read of memory", "nothing there", PAGE_MASK },
    [UNMODELLED_STORE] = { "write to memory", "nothing there", PAGE_MASK },
    [UNMODELLED_INSN] = { NULL, "#UD", 0 },
};

static uint64_t key_of(enum unmodelled kind, uint64_t what) { return (uint64_t)kind << 60 ^ what; }

/* FNV-1a of a mnemonic. */
static uint64_t hash_word(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *text && *text != ' '; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return h >> 4;
}

/* Bytes that no processor knows, and those that are undefined on purpose, are nobody's omission.
 * Capstone does not take 66H for a mandatory prefix in 16-bit code. */
static bool is_instruction(struct cpu *c, char *text, size_t size)
{
    uint64_t rip = explain_rip(c);
    struct code_bytes code = disasm_fetch(c, rip);
    if (!disasm_print(&code, rip, text, size) && code.bits == 16) {
        code.bits = 32;
        disasm_print(&code, rip, text, size);
    }
    return code.count && *text != '(' && strncmp(text, "ud", 2);
}

void session_unmodelled(void *session, struct cpu *c, enum unmodelled kind, uint64_t what)
{
    struct session *s = session;
    char rip[256], text[128];
    if (kind == UNMODELLED_INSN) {
        if (!is_instruction(c, text, sizeof text))
            return;
        what = hash_word(text);
    } else {
        what &= kinds[kind].same;
        snprintf(text, sizeof text, "%s %#llx", kinds[kind].verb, (unsigned long long)what);
    }
    if (is_new(s, key_of(kind, what)))
        fprintf(s->log, "%llu cpu%u unmodelled %s: %s at %s%s\n",
                (unsigned long long)machine_insns(s->machine), c->index, text, kinds[kind].outcome,
                symbols_print(s->symbols, explain_rip(c), rip, sizeof rip),
                c->vmx_nonroot ? " [guest]" : "");
}
